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
//! Absent here: threads, sockets, and any knowledge of what pages and elements mean (a `Schema` says so).

mod checkpoint;
mod damage;
mod load;
mod place;
mod read;
mod redb_store;
pub mod snapshot;
mod trail;

pub use checkpoint::{Checkpoints, StoreError, Written};
pub use damage::Damage;
pub use load::{Loaded, Manifest};
pub use read::Reader;
pub use redb_store::RedbStore;
pub use trail::{Checkpoint, Trail};
