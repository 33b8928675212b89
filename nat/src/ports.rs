//! Consensus ports: numbers that mean the same mapping on every node, because each takes the lowest free one.

use borsh::{BorshDeserialize, BorshSerialize};
use std::collections::BTreeSet;
use std::fmt;

/// The lowest consensus port. Those below are left to ports that people publish.
pub const FIRST_PORT: u32 = 10_000;

/// The cell-wide number of a mapping. Nobody connects to it, so it may exceed 65535: a cell can have more connections
/// than one host has ports.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct ConsensusPort(u32);

impl ConsensusPort {
    /// The number itself.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for ConsensusPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for ConsensusPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "c{}", self.0)
    }
}

/// Which consensus ports are taken: all below `next`, except those in `free`. The two are kept minimal, so that
/// allocators with the same ports taken are equal, whatever their history.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Ports {
    next: u32,
    free: BTreeSet<u32>,
}

impl Default for Ports {
    fn default() -> Self {
        Self { next: FIRST_PORT, free: BTreeSet::new() }
    }
}

impl Ports {
    /// Takes the lowest free port. There always is one: connections and descriptors are bounded far below 2^32.
    pub(crate) fn take(&mut self) -> ConsensusPort {
        ConsensusPort(self.free.pop_first().unwrap_or_else(|| {
            self.next = self.next.saturating_add(1);
            self.next - 1
        }))
    }

    /// Gives a port back.
    pub(crate) fn give(&mut self, port: ConsensusPort) {
        self.free.insert(port.0);
        while let Some(&last) = self.free.last()
            && last + 1 == self.next
        {
            self.free.pop_last();
            self.next -= 1;
        }
    }

    /// Whether exactly `taken` are taken.
    pub(crate) fn check(&self, taken: &BTreeSet<ConsensusPort>) -> Result<(), String> {
        let count = (self.next - FIRST_PORT) as usize - self.free.len();
        if count != taken.len() {
            return Err(format!("{count} consensus ports are taken, {} are in use", taken.len()));
        }
        match taken.iter().find(|port| port.0 >= self.next || self.free.contains(&port.0)) {
            Some(port) => Err(format!("consensus port {port} is in use and free")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_free_port_is_taken() {
        let mut ports = Ports::default();
        let taken: Vec<_> = std::iter::repeat_with(|| ports.take()).take(4).collect();
        assert_eq!(taken.iter().map(|port| port.get()).collect::<Vec<_>>(), [10_000, 10_001, 10_002, 10_003]);
        ports.give(taken[2]);
        ports.give(taken[0]);
        assert_eq!(ports.take().get(), 10_000);
        assert_eq!(ports.take().get(), 10_002);
        assert_eq!(ports.take().get(), 10_004);
    }

    #[test]
    fn there_are_more_than_a_host_has_ports() {
        let mut ports = Ports::default();
        let all: Vec<_> = std::iter::repeat_with(|| ports.take()).take(120_000).collect();
        assert_eq!(all.last().map(|port| port.get()), Some(129_999));
        ports.give(all[70_000]);
        assert_eq!(ports.take(), all[70_000]);
    }

    #[test]
    fn equal_ports_in_use_make_equal_allocators() {
        let mut ports = Ports::default();
        let taken: Vec<_> = std::iter::repeat_with(|| ports.take()).take(4).collect();
        for port in [1, 3, 0, 2] {
            ports.give(taken[port]);
        }
        assert_eq!(ports, Ports::default());
    }
}
