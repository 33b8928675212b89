//! The port space of one process.

use borsh::{BorshDeserialize, BorshSerialize};
use std::collections::BTreeSet;

/// Ports in use, and where the search for the next free one goes on. Every process has its own, so port numbers depend
/// on what the process itself did and on nothing else.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Ports {
    used: BTreeSet<u16>,
    next: u16,
}

impl Ports {
    /// The range of ports that are handed out, as Linux has it (`net.ipv4.ip_local_port_range`).
    pub(crate) const FIRST: u16 = 32_768;
    pub(crate) const LAST: u16 = 60_999;

    pub(crate) const fn new() -> Self {
        Self { used: BTreeSet::new(), next: Self::FIRST }
    }

    /// Takes a port; false if it is in use.
    pub(crate) fn take(&mut self, port: u16) -> bool {
        self.used.insert(port)
    }

    /// Takes the next free port of the range, round-robin; `None` when all are in use.
    pub(crate) fn take_any(&mut self) -> Option<u16> {
        for _ in Self::FIRST..=Self::LAST {
            let port = self.next;
            self.next = if port == Self::LAST { Self::FIRST } else { port + 1 };
            if self.used.insert(port) {
                return Some(port);
            }
        }
        None
    }

    /// Frees a port.
    pub(crate) fn free(&mut self, port: u16) {
        self.used.remove(&port);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_handed_out_round_robin_and_skip_what_is_used() {
        let mut ports = Ports::new();
        assert!(ports.take(32_769));
        assert!(!ports.take(32_769));
        assert_eq!(ports.take_any(), Some(32_768));
        assert_eq!(ports.take_any(), Some(32_770));
        ports.free(32_768);
        assert_eq!(ports.take_any(), Some(32_771));
    }

    #[test]
    fn the_range_wraps_and_ends() {
        let mut ports = Ports::new();
        let all: BTreeSet<_> = std::iter::from_fn(|| ports.take_any()).collect();
        assert_eq!(all.len(), usize::from(Ports::LAST - Ports::FIRST) + 1);
        ports.free(40_000);
        assert_eq!(ports.take_any(), Some(40_000));
        assert_eq!(ports.take_any(), None);
    }
}
