//! The port space of one process.

use crate::family::Family;
use crate::sockets::Slot;
use borsh::{BorshDeserialize, BorshSerialize};
use std::collections::BTreeMap;

/// Ports in use, and where the search for the next free one goes on. Every process has its own, so port numbers depend
/// on what the process itself did and on nothing else.
///
/// Only listeners, connecting sockets and those that were bound hold one. An accepted socket shows its listener's. IPv4
/// and IPv6 have spaces of their own; a socket of both families holds its port in both.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Ports {
    /// Per family one bit per port, set when it is in use; as long as the highest one in use asks for. A free one is
    /// found 64 at a time, so that a process that has them all is told so at once, however often it asks.
    used: [Vec<u64>; 2],
    next: u16,
    /// The listeners that the NAT table knows. It knows one per port; its twin of the other family stands behind it.
    pub(crate) announced: BTreeMap<u16, Slot>,
}

const BITS: usize = u64::BITS as usize;

impl Ports {
    /// The range of ports that are handed out, as Linux has it (`net.ipv4.ip_local_port_range`).
    pub(crate) const FIRST: u16 = 32_768;
    pub(crate) const LAST: u16 = 60_999;

    pub(crate) const fn new() -> Self {
        Self { used: [Vec::new(), Vec::new()], next: Self::FIRST, announced: BTreeMap::new() }
    }

    /// The bits of both families that a socket of this one would meet.
    fn word(&self, family: Family, at: usize) -> u64 {
        let of = |(used, holds): (&Vec<u64>, bool)| if holds { used.get(at).copied().unwrap_or(0) } else { 0 };
        self.used.iter().zip(family.holds()).map(of).fold(0, std::ops::BitOr::bitor)
    }

    /// Takes a port; false if it is in use.
    pub(crate) fn take(&mut self, family: Family, port: u16) -> bool {
        let (word, bit) = (usize::from(port) / BITS, 1 << (usize::from(port) % BITS));
        if self.word(family, word) & bit != 0 {
            return false;
        }
        for (used, _) in self.used.iter_mut().zip(family.holds()).filter(|(_, holds)| *holds) {
            if used.len() <= word {
                used.resize(word + 1, 0);
            }
            used[word] |= bit;
        }
        true
    }

    /// Takes the next free port of the range, round-robin; `None` when all are in use.
    pub(crate) fn take_any(&mut self, family: Family) -> Option<u16> {
        let port = self.first_free(family, self.next, Self::LAST);
        let port = port.or_else(|| self.first_free(family, Self::FIRST, self.next))?;
        self.next = if port == Self::LAST { Self::FIRST } else { port + 1 };
        self.take(family, port);
        Some(port)
    }

    /// The lowest free port of `from..=to`.
    fn first_free(&self, family: Family, from: u16, to: u16) -> Option<u16> {
        let (from, to) = (usize::from(from), usize::from(to));
        let mut base = from - from % BITS;
        let mut known = (1 << (from % BITS)) - 1;
        while base <= to {
            let used = self.word(family, base / BITS) | known;
            if used != u64::MAX {
                let port = base + used.trailing_ones() as usize;
                return u16::try_from(port).ok().filter(|_| port <= to);
            }
            known = 0;
            base += BITS;
        }
        None
    }

    /// Frees a port that a socket of this family held.
    pub(crate) fn free(&mut self, family: Family, port: u16) {
        for (used, _) in self.used.iter_mut().zip(family.holds()).filter(|(_, holds)| *holds) {
            if let Some(word) = used.get_mut(usize::from(port) / BITS) {
                *word &= !(1 << (usize::from(port) % BITS));
            }
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
        assert!(ports.take(Family::V4, 32_769));
        assert!(!ports.take(Family::V4, 32_769));
        assert_eq!(ports.take_any(Family::V4), Some(32_768));
        assert_eq!(ports.take_any(Family::V4), Some(32_770));
        ports.free(Family::V4, 32_768);
        assert_eq!(ports.take_any(Family::V4), Some(32_771));
    }

    #[test]
    fn families_have_ports_of_their_own_and_one_socket_may_hold_both() {
        let (both, only) = (Family::V6 { only: false }, Family::V6 { only: true });
        let mut ports = Ports::new();
        assert!(ports.take(Family::V4, 80) && ports.take(only, 80));
        assert!(!ports.take(both, 80));
        ports.free(Family::V4, 80);
        assert!(!ports.take(both, 80));
        ports.free(only, 80);
        assert!(ports.take(both, 80) && !ports.take(Family::V4, 80) && !ports.take(only, 80));
        assert!(ports.take(only, Ports::FIRST));
        assert_eq!(ports.take_any(both), Some(Ports::FIRST + 1));
        assert_eq!(ports.take_any(Family::V4), Some(Ports::FIRST + 2));
    }

    #[test]
    fn the_range_wraps_and_ends() {
        let mut ports = Ports::new();
        let all: BTreeSet<_> = std::iter::from_fn(|| ports.take_any(Family::V4)).collect();
        assert_eq!(all.len(), usize::from(Ports::LAST - Ports::FIRST) + 1);
        ports.free(Family::V4, 40_000);
        assert_eq!(ports.take_any(Family::V4), Some(40_000));
        assert_eq!(ports.take_any(Family::V4), None);
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
                    0 => prop_assert_eq!(ports.take(Family::V4, port), model.insert(port)),
                    1 => {
                        ports.free(Family::V4, port);
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
                        prop_assert_eq!(ports.take_any(Family::V4), want);
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
