//! The trees that make up a state, and their roots.
//!
//! A tree maps 32-byte keys (hashes, so evenly spread) to 32-byte values. It is a crit-bit trie: where the keys below a node
//! part, the node says in which bit; nothing stands where they do not part. So `n` leaves have `n - 1` nodes, the shape depends on the set of
//! keys alone and not on how it came about, and [`oracle`] says in twenty lines what the root is.
//!
//! [`Forest`] holds all trees of a store by name, each with the states of the last batches. Nodes are never changed, only
//! replaced: a batch copies the paths to what it changes, hashes each new node once, and remembers which nodes it made and which it
//! replaced, so that leaving a state behind, or going back to it, frees exactly what nothing else needs.
//!
//! Absent here: values and their bytes (a leaf has the hash of its content), contracts, disks, threads. A caller with threads
//! of its own runs the [`Part`]s of an update on them.

mod crown;
mod forest;
mod hashing;
mod lane;
mod name;
mod node;
pub mod oracle;
mod schema;
mod slab;
mod split;
#[cfg(test)]
mod tests;

pub use forest::{Below, Forest, Leaves, Stats, TreeError, View};
pub use name::Name;
pub use schema::{Schema, Whole, beside, beside_parts};
pub use split::{Part, Split};

use crate::hash::Hash;

/// What becomes of a key: another value, or none.
pub type Change = (Hash, Option<Hash>);
