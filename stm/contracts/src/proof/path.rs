//! The way from a place in a tree up to its root.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::hash::{Hash, leaf, node};

/// A node on the way, from the root down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Step {
    /// In which bit the keys below it part.
    pub bit: u8,
    /// The hash of the subtree that the way does not go into.
    pub beside: Hash,
}

/// Where the way ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum End {
    /// At the leaf of the key.
    Here,
    /// At the leaf of another key, because the one that was looked for is not in the tree.
    Other {
        /// That other key.
        key: Hash,
        /// And what stands there.
        value: Hash,
    },
    /// At once: the tree is empty.
    Nothing,
}

/// The way from the root of a tree to where a key stands, or would.
///
/// It proves that a value stands at a key, or that none does: whoever has the root follows the key's own bits, so in an honest tree
/// there is only one leaf where the key can be, and the root commits to the bits in which nodes part.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Path {
    /// From the root down.
    pub steps: Vec<Step>,
    /// Where it ends.
    pub end: End,
}

/// Why a path proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// The bits of a way grow.
    #[error("the path's bits do not grow: {after} comes after {before}")]
    Order {
        /// The bit above.
        before: u8,
        /// The one below it.
        after: u8,
    },
    /// It ends at a leaf for this key, or shows that there is none; the other was to be proven.
    #[error("the path ends where there is {0} value, and the other was to be proven")]
    End(&'static str),
    /// The other leaf lies elsewhere, so the way to it says nothing about this key.
    #[error("the path ends at key {0}, which the way of the key in question does not lead to")]
    Elsewhere(Hash),
    /// It leads to another root.
    #[error("the path leads to root {leads}, not to {root}")]
    Root {
        /// Where it leads.
        leads: Hash,
        /// Where it should.
        root: Hash,
    },
}

impl Path {
    /// That `value`, or none, stands at `key` in the tree with this root.
    pub fn verify(&self, root: &Hash, key: &Hash, value: Option<&Hash>) -> Result<(), PathError> {
        let leads = self.open(key, value)?;
        match leads == *root {
            true => Ok(()),
            false => Err(PathError::Root { leads, root: *root }),
        }
    }

    /// The root that a tree must have for this to be the way to `value`, or to none, at `key`.
    pub fn open(&self, key: &Hash, value: Option<&Hash>) -> Result<Hash, PathError> {
        let end = match (self.end, value) {
            (End::Here, Some(value)) => leaf(key, value),
            (End::Here, None) => return Err(PathError::End("a")),
            (_, Some(_)) => return Err(PathError::End("no")),
            (End::Nothing, None) if self.steps.is_empty() => return Ok(Hash::ZERO),
            (End::Nothing, None) => return Err(PathError::End("no")),
            (End::Other { key: other, value }, None) => {
                if other == *key || self.steps.iter().any(|step| key.bit(step.bit) != other.bit(step.bit)) {
                    return Err(PathError::Elsewhere(other));
                }
                leaf(&other, &value)
            }
        };
        rise(key, &self.steps, end)
    }
}

/// The root above a subtree with hash `below`, to which `steps` lead by the bits of `key`, one of its keys.
pub fn rise(key: &Hash, steps: &[Step], below: Hash) -> Result<Hash, PathError> {
    if let Some(two) = steps.windows(2).find(|two| two[0].bit >= two[1].bit) {
        return Err(PathError::Order { before: two[0].bit, after: two[1].bit });
    }
    Ok(steps.iter().rev().fold(below, |below, step| match key.bit(step.bit) {
        false => node(step.bit, &below, &step.beside),
        true => node(step.bit, &step.beside, &below),
    }))
}
