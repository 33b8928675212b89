//! Checkpoints of contracts' state on disk. The log has paid for durability already: what lies here trails it.
//!
//! A batch's changes go into a [`Trail`], which costs no I/O. Now and then the trail becomes a [`Checkpoint`], a value, and a thread of
//! the caller's gives it to [`Checkpoints::write`], which writes it in one transaction. At start [`Checkpoints::load`] builds the trees
//! of the newest checkpoint that verifies, and the log behind it is applied again.
//!
//! On disk are contents, never nodes: the trees are made from the contents and must have the roots that the checkpoint names. So
//! whatever is damaged is found, and [`Damage`] names it; nothing is ever answered from it. [`snapshot`] sends the same contents
//! to another node, in chunks that verify alone.
//!
//! [`start`] and [`keep`] put a [`Backend`](replicode_contracts::backend::Backend) on disk: it is given the state of the last checkpoint,
//! and followed by new ones that a thread writes.
//!
//! Absent here: sockets, any thread but that one, and any knowledge of what pages and elements mean (a `Schema` says so).

/// The page on embedding, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/embedding.md")]
struct Embedding;

mod checkpoint;
mod damage;
mod keeper;
mod load;
mod place;
mod read;
mod redb_store;
pub mod snapshot;
mod trail;
mod writer;

pub use checkpoint::{Checkpoints, StoreError, Written};
pub use damage::Damage;
pub use keeper::{Every, Keeping, StartError, Started, keep, keep_after, start};
pub use load::{Loaded, Manifest};
pub use read::Reader;
pub use redb_store::RedbStore;
pub use trail::{Checkpoint, Trail};
