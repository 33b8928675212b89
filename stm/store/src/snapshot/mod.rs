//! A store's contents on their way to another node.
//!
//! A [`Chunk`] holds subtrees with the ways to them, and verifies alone against the root. An [`Install`] knows which subtrees are
//! still [`Want`]ed, and takes chunks in any order, from anybody, twice or never asked for. What it wants can be stored, so an
//! interrupted installation goes on later. It may begin with a state of its own: subtrees that are the same are not wanted, and a
//! provider that still keeps that state lists the others at once ([`difference`]). An [`Arrival`] is all of that for a whole backend.

mod chunk;
mod install;
mod provide;
mod state;

pub use chunk::{Chunk, ChunkError, Leaf, Section, Verified};
pub use install::{Change, Install, InstallError, Pending};
pub use provide::{Limits, NotProvided, difference, provide};
pub use state::{Arrival, StateError, manifest, send};

use borsh::{BorshDeserialize, BorshSerialize};
use replicode_contracts::hash::Hash;
use replicode_contracts::tree::Name;

/// A subtree, and how to find it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub struct Want {
    /// The leaves whose contents lead to the tree, from a tree on that nothing refers to.
    pub way: Vec<(Name, Hash)>,
    /// In which tree.
    pub name: Name,
    /// What its keys begin with.
    pub prefix: Hash,
    /// How many bits of that count; 256 is one leaf.
    pub bits: u16,
}
