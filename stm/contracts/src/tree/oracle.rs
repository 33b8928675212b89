//! What the root of a tree is, in the fewest words. Slow; the specification that the forest is tested against.

use std::collections::BTreeMap;

use crate::hash::{Hash, leaf, node};

/// The root over these leaves: zero over none, the leaf's hash over one. Of several, those whose keys have a 0 in the first bit
/// in which any two keys differ are to the left.
pub fn root(leaves: &BTreeMap<Hash, Hash>) -> Hash {
    over(&leaves.iter().map(|(key, value)| (*key, *value)).collect::<Vec<_>>())
}

fn over(leaves: &[(Hash, Hash)]) -> Hash {
    let (Some((first, value)), Some((last, _))) = (leaves.first(), leaves.last()) else { return Hash::ZERO };
    let Some(bit) = first.first_difference(last) else { return leaf(first, value) };
    let (left, right) = leaves.split_at(leaves.partition_point(|(key, _)| !key.bit(bit)));
    node(bit, &over(left), &over(right))
}
