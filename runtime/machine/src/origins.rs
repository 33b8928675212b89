//! Who may speak, and how often: boots of nodes, and the sequence numbers that make every input count at most once.
//!
//! A node that starts asks for a boot number with [`replicode_log::Input::Boot`]. Within a boot its inputs are numbered
//! from 1 without a gap. After a change of leadership a node sends again whatever it has not seen applied; what was
//! applied already is recognised by its number.
//!
//! ```text
//! seq <  next   a repeat                      dropped
//! seq == next   the one that is due           admitted
//! seq >  next   something before it is lost   dropped: its sender will send it again, after what is missing
//! ```

use borsh::{BorshDeserialize, BorshSerialize};
use replicode_log::{BootNo, NodeId};
use std::collections::BTreeMap;

/// First boot number that a connection's number cannot carry.
const BOOTS: u32 = 1 << 24;

/// What the log knows about one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
struct Origin {
    boot: BootNo,
    nonce: u64,
    live: bool,
    next_seq: u64,
}

/// A boot that has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Booted {
    /// Its number.
    pub boot: BootNo,
    /// The boot before, if it was not over yet.
    pub over: Option<BootNo>,
}

/// What the log knows about all nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Origins(BTreeMap<NodeId, Origin>);

impl Origins {
    /// A node asks for a boot number. `None` for a repeat of its last request.
    pub fn boot(&mut self, node: NodeId, nonce: u64) -> Option<Booted> {
        let before = self.0.get(&node).copied();
        if before.is_some_and(|origin| origin.nonce == nonce) {
            return None;
        }
        let boot = before.map_or(BootNo(1), |origin| origin.boot.next());
        if boot.0 >= BOOTS {
            return None;
        }
        self.0.insert(node, Origin { boot, nonce, live: true, next_seq: 1 });
        Some(Booted { boot, over: before.filter(|origin| origin.live).map(|origin| origin.boot) })
    }

    /// A node's boot is over. Answers whether it was not over before.
    pub fn end(&mut self, node: NodeId, boot: BootNo) -> bool {
        match self.0.get_mut(&node) {
            Some(origin) if origin.boot == boot && origin.live => {
                origin.live = false;
                true
            }
            _ => false,
        }
    }

    /// Whether the input with that number is the one that is due; it then counts as admitted.
    pub fn admit(&mut self, node: NodeId, boot: BootNo, seq: u64) -> bool {
        match self.0.get_mut(&node) {
            Some(origin) if origin.live && origin.boot == boot && origin.next_seq == seq => {
                // A sequence of 2^64 inputs does not end; saturation only keeps the arithmetic total.
                origin.next_seq = seq.saturating_add(1);
                true
            }
            _ => false,
        }
    }

    /// A node's last boot and the sequence number that is due in it.
    #[must_use]
    pub fn get(&self, node: NodeId) -> Option<(BootNo, u64)> {
        self.0.get(&node).map(|origin| (origin.boot, origin.next_seq))
    }

    /// The boots that are not over, by node.
    pub fn live(&self) -> impl Iterator<Item = (NodeId, BootNo)> {
        self.0.iter().filter(|(_, origin)| origin.live).map(|(node, origin)| (*node, origin.boot))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(n: u64) -> NodeId {
        NodeId::new(n).unwrap()
    }

    #[test]
    fn boots_are_counted_and_repeats_recognised() {
        let mut origins = Origins::default();
        assert_eq!(origins.boot(node(1), 7), Some(Booted { boot: BootNo(1), over: None }));
        assert_eq!(origins.boot(node(1), 7), None);
        assert_eq!(origins.boot(node(1), 8), Some(Booted { boot: BootNo(2), over: Some(BootNo(1)) }));
        assert_eq!(origins.boot(node(2), 8), Some(Booted { boot: BootNo(1), over: None }));
        assert_eq!(origins.live().collect::<Vec<_>>(), [(node(1), BootNo(2)), (node(2), BootNo(1))]);
    }

    #[test]
    fn each_number_counts_once_and_in_order() {
        let mut origins = Origins::default();
        origins.boot(node(1), 7);
        let admitted = [1, 1, 3, 2, 3, 2].map(|seq| origins.admit(node(1), BootNo(1), seq));
        assert_eq!(admitted, [true, false, false, true, true, false]);
        assert_eq!(origins.get(node(1)), Some((BootNo(1), 4)));
    }

    #[test]
    fn a_boot_that_is_over_says_nothing_more() {
        let mut origins = Origins::default();
        origins.boot(node(1), 7);
        assert!(!origins.end(node(1), BootNo(2)));
        assert!(origins.end(node(1), BootNo(1)));
        assert!(!origins.end(node(1), BootNo(1)));
        assert!(!origins.admit(node(1), BootNo(1), 1));
        assert_eq!(origins.boot(node(1), 8), Some(Booted { boot: BootNo(2), over: None }));
        assert!(!origins.admit(node(1), BootNo(1), 1), "inputs of the old boot");
        assert!(origins.admit(node(1), BootNo(2), 1));
    }

    #[test]
    fn boot_numbers_end_where_connection_numbers_do() {
        let mut origins = Origins(BTreeMap::new());
        let last = Origin { boot: BootNo(BOOTS - 1), nonce: 1, live: true, next_seq: 1 };
        origins.0.insert(node(1), last);
        assert_eq!(origins.boot(node(1), 2), None);
    }
}
