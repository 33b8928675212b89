//! The few nodes of a tree above its lanes: those whose keys part in one of the first four bits, fifteen at most.

use super::lane::Lane;
use super::node::{CROWN, Inner, LANE_BITS, LANES, Ref};
use crate::hash::{Hash, node};

/// A subtree, with its hash; nowhere and zero when there is none.
pub(super) type Root = (Ref, Hash);

/// A tree as the lanes see it.
pub(super) struct Crown {
    /// What hangs in each lane.
    pub(super) slots: [Root; LANES],
    /// The nodes above, each at the place `2^bit + prefix` that a complete tree has for it.
    above: [Root; LANES],
}

const NOTHING: Root = (Ref::NONE, Hash::ZERO);

impl Crown {
    pub(super) fn of(crown: &Lane, root: Root) -> Crown {
        let mut out = Crown { slots: [NOTHING; LANES], above: [NOTHING; LANES] };
        if root.0 != Ref::NONE {
            out.walk(crown, root);
        }
        out
    }

    /// Gives the leftmost lane below.
    fn walk(&mut self, crown: &Lane, root: Root) -> usize {
        let lane = root.0.lane();
        if lane != CROWN {
            self.slots[lane] = root;
            return lane;
        }
        let inner = crown.inner.at(root.0.slot());
        let leftmost = self.walk(crown, (inner.child[0], inner.hash(0)));
        self.walk(crown, (inner.child[1], inner.hash(1)));
        let bit = inner.bit();
        self.above[place(bit, leftmost >> (LANE_BITS - bit))] = root;
        leftmost
    }

    /// The tree over what hangs in the lanes now. Nodes over unchanged subtrees are kept.
    pub(super) fn close(mut self, crown: &mut Lane) -> Root {
        let root = self.over(crown, 0, 0);
        crown.log.replaced.extend(self.above.iter().map(|(node, _)| *node).filter(|node| *node != Ref::NONE));
        root
    }

    fn over(&mut self, crown: &mut Lane, bit: u8, prefix: usize) -> Root {
        if bit == LANE_BITS {
            return self.slots[prefix];
        }
        let left = self.over(crown, bit + 1, prefix * 2);
        let right = self.over(crown, bit + 1, prefix * 2 + 1);
        if left.0 == Ref::NONE {
            return right;
        }
        if right.0 == Ref::NONE {
            return left;
        }
        let old = &mut self.above[place(bit, prefix)];
        if old.0 != Ref::NONE && crown.inner.at(old.0.slot()).child == [left.0, right.0] {
            return std::mem::replace(old, NOTHING);
        }
        let mut key = [0; 32];
        key[0] = (prefix << (8 - bit)) as u8;
        let mut inner = Inner::new(bit, &Hash::new(key));
        inner.child = [left.0, right.0];
        inner.set_hash(0, &left.1);
        inner.set_hash(1, &right.1);
        let new = Ref::inner(CROWN, crown.inner.put(inner));
        crown.log.made.push(new);
        (new, node(bit, &left.1, &right.1))
    }
}

fn place(bit: u8, prefix: usize) -> usize {
    (1 << bit) + prefix
}
