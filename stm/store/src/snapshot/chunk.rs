//! What travels, and why it can be believed.

use std::collections::BTreeMap;

use borsh::{BorshDeserialize, BorshSerialize};
use replicode_contracts::hash::{Hash, leaf, node};
use replicode_contracts::proof::{PathError, Step, rise};
use replicode_contracts::tree::{Name, Schema};

/// Several subtrees.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Chunk {
    /// Version of this format, 1.
    pub version: u8,
    /// The subtrees. The tree of each is one that nothing refers to, or is referred to by a content of a section before.
    pub sections: Vec<Section>,
}

/// A subtree, complete.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Section {
    /// Of which tree.
    pub name: Name,
    /// What all its keys begin with.
    pub prefix: Hash,
    /// How many bits of that count, 256 at most.
    pub bits: u16,
    /// The way to it from the root.
    pub steps: Vec<Step>,
    /// What stands behind its leaves, in the order of their keys.
    pub contents: Vec<Vec<u8>>,
}

/// A leaf with its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// Its key.
    pub key: Hash,
    /// Its value, the hash of the content.
    pub value: Hash,
    /// The content.
    pub content: Vec<u8>,
}

/// A section that has been verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Of which tree.
    pub name: Name,
    /// Its leaves, in the order of their keys; at least one.
    pub leaves: Vec<Leaf>,
    /// The way to it.
    pub steps: Vec<Step>,
    /// The hashes of the subtrees on the way, the tree's root first, its own last.
    pub hashes: Vec<Hash>,
    /// How the trees that its contents refer to are found: from which leaf.
    pub way: Vec<(Name, Hash)>,
}

/// Why a chunk is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChunkError {
    /// Another format.
    #[error("the chunk has version {0}, not 1")]
    Version(u8),
    /// Nothing before the section says which root its tree has.
    #[error("section {0} is of a tree that no section before it refers to")]
    Unknown(usize),
    /// A content is not one of its tree, or the contents are not those of the section's prefix in order, or there are none.
    #[error("section {0} holds contents that do not belong there, or not in this order, or none")]
    Contents(usize),
    /// The way to the section is wrong.
    #[error("section {at} fails: {why}")]
    Path {
        /// Which section.
        at: usize,
        /// What is wrong.
        why: PathError,
    },
}

impl Chunk {
    /// What it holds, if all of it belongs to the trees with these roots.
    pub fn verify(&self, schema: &impl Schema, roots: &[(Name, Hash)]) -> Result<Vec<Verified>, ChunkError> {
        if self.version != 1 {
            return Err(ChunkError::Version(self.version));
        }
        let mut known: BTreeMap<Name, (Hash, Vec<(Name, Hash)>)> =
            roots.iter().map(|(name, root)| (*name, (*root, Vec::new()))).collect();
        let mut out = Vec::new();
        for (at, section) in self.sections.iter().enumerate() {
            let (root, way) = known.get(&section.name).cloned().ok_or(ChunkError::Unknown(at))?;
            let leaves = section.leaves(schema).ok_or(ChunkError::Contents(at))?;
            let hashes = section.hashes(&leaves, &root).map_err(|why| ChunkError::Path { at, why })?;
            for leaf in &leaves {
                let children = schema.children(&section.name, &leaf.content);
                let way = [way.as_slice(), &[(section.name, leaf.key)]].concat();
                known.extend(children.into_iter().map(|(name, state)| (name, (state, way.clone()))));
            }
            out.push(Verified { name: section.name, leaves, steps: section.steps.clone(), hashes, way });
        }
        Ok(out)
    }
}

impl Section {
    fn leaves(&self, schema: &impl Schema) -> Option<Vec<Leaf>> {
        let mut leaves = Vec::with_capacity(self.contents.len());
        for content in &self.contents {
            let (key, value) = schema.leaf(&self.name, content)?;
            leaves.push(Leaf { key, value, content: content.clone() });
        }
        let belongs = leaves.iter().all(|leaf| leaf.key.begins_like(&self.prefix, self.bits));
        let steps_above = self.steps.iter().all(|step| u16::from(step.bit) < self.bits);
        let ordered = leaves.is_sorted_by(|a, b| a.key < b.key);
        (belongs && ordered && steps_above && !leaves.is_empty()).then_some(leaves)
    }

    fn hashes(&self, leaves: &[Leaf], root: &Hash) -> Result<Vec<Hash>, PathError> {
        let own = over(leaves);
        let key = leaves.first().map_or(Hash::ZERO, |leaf| leaf.key);
        let leads = rise(&key, &self.steps, own)?;
        if leads != *root {
            return Err(PathError::Root { leads, root: *root });
        }
        let mut hashes = vec![own];
        for step in self.steps.iter().rev() {
            let below = hashes[hashes.len() - 1];
            hashes.push(match key.bit(step.bit) {
                false => node(step.bit, &below, &step.beside),
                true => node(step.bit, &step.beside, &below),
            });
        }
        hashes.reverse();
        Ok(hashes)
    }
}

/// The hash of the tree over these leaves.
fn over(leaves: &[Leaf]) -> Hash {
    let (Some(first), Some(last)) = (leaves.first(), leaves.last()) else { return Hash::ZERO };
    let Some(bit) = first.key.first_difference(&last.key) else { return leaf(&first.key, &first.value) };
    let (left, right) = leaves.split_at(leaves.partition_point(|leaf| !leaf.key.bit(bit)));
    node(bit, &over(left), &over(right))
}
