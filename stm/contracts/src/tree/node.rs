//! What a tree is made of.

use crate::hash::Hash;

/// How many of a tree's subtrees are independent of each other: those below each value of the first four bits of their keys.
pub(super) const LANES: usize = 16;

/// The bits that say which lane a key belongs to.
pub(super) const LANE_BITS: u8 = 4;

/// The lane of the few nodes above them.
pub(super) const CROWN: usize = LANES;

/// Slots of one kind in one lane.
pub(super) const SLOTS: u32 = 1 << 26;

/// Where a node or leaf is: whether it is a leaf (1 bit), in which lane (5), in which slot (26).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ref(u32);

impl Ref {
    /// Nowhere: the tree is empty.
    pub(super) const NONE: Ref = Ref(u32::MAX);

    pub(super) fn inner(lane: usize, slot: u32) -> Ref {
        Ref((lane as u32) << 26 | slot)
    }

    pub(super) fn leaf(lane: usize, slot: u32) -> Ref {
        Ref(1 << 31 | (lane as u32) << 26 | slot)
    }

    pub(super) fn is_leaf(self) -> bool {
        self.0 >> 31 == 1
    }

    pub(super) fn lane(self) -> usize {
        (self.0 >> 26 & 31) as usize
    }

    pub(super) fn slot(self) -> u32 {
        self.0 & (SLOTS - 1)
    }
}

/// Two subtrees, whose keys have all bits before `bit` in common and differ there.
///
/// The hashes of the subtrees stand here and not in them: hashing a node touches one place of memory, and what a batch does
/// not change is not even looked at.
#[derive(Clone)]
pub(super) struct Inner {
    /// Hash of the left subtree, hash of the right one: what is hashed.
    pub(super) pair: [u8; 64],
    pub(super) child: [Ref; 2],
    /// The bit in the lowest byte; above it the 24 bits of the common prefix that end before the bit. So it is seldom necessary
    /// to go down to a leaf to know whether a key belongs below.
    tag: u32,
}

impl Inner {
    pub(super) fn new(bit: u8, some_key: &Hash) -> Inner {
        Inner { pair: [0; 64], child: [Ref::NONE; 2], tag: window(some_key, bit) << 8 | u32::from(bit) }
    }

    pub(super) fn bit(&self) -> u8 {
        self.tag as u8
    }

    /// The last up to 24 bits of the prefix, right-aligned.
    pub(super) fn window(&self) -> u32 {
        self.tag >> 8
    }

    pub(super) fn hash(&self, side: usize) -> Hash {
        let mut out = [0; 32];
        out.copy_from_slice(&self.pair[side * 32..side * 32 + 32]);
        Hash::new(out)
    }

    pub(super) fn set_hash(&mut self, side: usize, hash: &Hash) {
        self.pair[side * 32..side * 32 + 32].copy_from_slice(hash.as_bytes());
    }
}

/// A key and its value: what is hashed.
#[derive(Clone)]
pub(super) struct Leaf {
    pub(super) pair: [u8; 64],
}

impl Leaf {
    pub(super) fn new(key: &Hash, value: &Hash) -> Leaf {
        let mut pair = [0; 64];
        pair[..32].copy_from_slice(key.as_bytes());
        pair[32..].copy_from_slice(value.as_bytes());
        Leaf { pair }
    }

    fn half(&self, at: usize) -> Hash {
        let mut out = [0; 32];
        out.copy_from_slice(&self.pair[at..at + 32]);
        Hash::new(out)
    }

    pub(super) fn key(&self) -> Hash {
        self.half(0)
    }

    pub(super) fn value(&self) -> Hash {
        self.half(32)
    }
}

/// The bits of `key` that end before `bit`, at most 24 of them, right-aligned.
pub(super) fn window(key: &Hash, bit: u8) -> u32 {
    let last = usize::from(bit).div_ceil(8);
    let first = last.saturating_sub(4);
    let word = key.as_bytes()[first..last].iter().fold(0_u64, |word, byte| word << 8 | u64::from(*byte));
    (word >> (8 * last - usize::from(bit))) as u32 & 0xff_ffff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_the_bits_before() {
        let key = crate::hash::key(b"some");
        for bit in 0..=255_u8 {
            let expected = (bit.saturating_sub(24)..bit).fold(0, |word, at| word << 1 | u32::from(key.bit(at)));
            assert_eq!(window(&key, bit), expected, "before bit {bit}");
        }
    }

    #[test]
    fn a_node_takes_76_bytes_and_a_leaf_64() {
        assert_eq!((size_of::<Inner>(), size_of::<Leaf>()), (76, 64));
    }
}
