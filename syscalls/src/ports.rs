//! The port space of one process.

use borsh::{BorshDeserialize, BorshSerialize};

/// Ports in use, and where the search for the next free one goes on. Every process has its own, so port numbers depend
/// on what the process itself did and on nothing else.
///
/// Only listeners, connecting sockets and those that were bound hold one. An accepted socket shows its listener's.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Ports {
    /// One bit per port, set when it is in use; as long as the highest one in use asks for. A free one is found 64 at a
    /// time, so that a process that has them all is told so at once, however often it asks.
    used: Vec<u64>,
    next: u16,
}

const BITS: usize = u64::BITS as usize;

impl Ports {
    /// The range of ports that are handed out, as Linux has it (`net.ipv4.ip_local_port_range`).
    pub(crate) const FIRST: u16 = 32_768;
    pub(crate) const LAST: u16 = 60_999;

    pub(crate) const fn new() -> Self {
        Self { used: Vec::new(), next: Self::FIRST }
    }

    /// Takes a port; false if it is in use.
    pub(crate) fn take(&mut self, port: u16) -> bool {
        let (word, bit) = (usize::from(port) / BITS, 1 << (usize::from(port) % BITS));
        if self.used.len() <= word {
            self.used.resize(word + 1, 0);
        }
        let free = self.used[word] & bit == 0;
        self.used[word] |= bit;
        free
    }

    /// Takes the next free port of the range, round-robin; `None` when all are in use.
    pub(crate) fn take_any(&mut self) -> Option<u16> {
        let port = self.first_free(self.next, Self::LAST).or_else(|| self.first_free(Self::FIRST, self.next))?;
        self.next = if port == Self::LAST { Self::FIRST } else { port + 1 };
        self.take(port);
        Some(port)
    }

    /// The lowest free port of `from..=to`.
    fn first_free(&self, from: u16, to: u16) -> Option<u16> {
        let (from, to) = (usize::from(from), usize::from(to));
        let mut base = from - from % BITS;
        let mut known = (1 << (from % BITS)) - 1;
        while base <= to {
            let used = self.used.get(base / BITS).copied().unwrap_or(0) | known;
            if used != u64::MAX {
                let port = base + used.trailing_ones() as usize;
                return u16::try_from(port).ok().filter(|_| port <= to);
            }
            known = 0;
            base += BITS;
        }
        None
    }

    /// Frees a port.
    pub(crate) fn free(&mut self, port: u16) {
        if let Some(word) = self.used.get_mut(usize::from(port) / BITS) {
            *word &= !(1 << (usize::from(port) % BITS));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

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

    proptest! {
        /// Against the obvious model: a set, searched port by port from where the last search ended.
        #[test]
        fn ports_are_those_of_a_set(ops in prop::collection::vec((0_u8..4, 0_u16..300), 0..400)) {
            let mut ports = Ports::new();
            let (mut model, mut next) = (BTreeSet::new(), Ports::FIRST);
            for (op, n) in ops {
                let port = if n < 290 { Ports::LAST - 280 + n } else { n };
                match op {
                    0 => prop_assert_eq!(ports.take(port), model.insert(port)),
                    1 => {
                        ports.free(port);
                        model.remove(&port);
                    }
                    2 => {
                        // Near the end of the range, where it wraps.
                        ports.next = Ports::LAST - n % 64;
                        next = ports.next;
                    }
                    _ => {
                        let all = (next..=Ports::LAST).chain(Ports::FIRST..next);
                        let want = all.into_iter().find(|port| !model.contains(port));
                        prop_assert_eq!(ports.take_any(), want);
                        if let Some(port) = want {
                            model.insert(port);
                            next = if port == Ports::LAST { Ports::FIRST } else { port + 1 };
                        }
                    }
                }
            }
        }
    }
}
