//! States: from changed cells to the state of every collection and contract, innermost first, and one write at the end.
//!
//! ```text
//!   changed cells ──► elements, by collection ──► innermost collections' states ──► … ──► states in slices
//!                                                                                              │
//!   contract's state ◄── tree of pages ◄── page hashes ◄── dirty pages ◄── dirty slices ◄──────┘
//! ```
//!
//! Nothing is hashed while calls run: [`commit`] takes the changes of a batch (or of a single call) and does it all at once. It is a
//! function of the changes and of what was stored before, so whoever has executed the batch, one by one or in parallel, gets the same.
//! [`Storage`] is the sequential store around it, [`Session`] one run over it.

mod changes;
mod commit;
mod content;
mod history;
mod install;
mod parallel;
mod past;
mod restore;
mod session;
mod storage;
mod tops;

pub use changes::{BytesChange, Changes, SumChange};
pub use commit::{Committed, Content, Source, Stored, commit};
pub use content::{Contents, ElementContent, ElementValue};
pub(crate) use install::Nothing;
pub use install::{Received, read};
pub use parallel::{InTransaction, Shared};
pub use past::{Past, PastEntry};
pub use restore::{Contract, Elements, restore};
pub use session::{Session, Written};
pub use storage::{Storage, Sweep};

use crate::cell::CellKey;
use crate::kv::KvError;
use crate::page::PageError;
use crate::tree::TreeError;

/// Why the store cannot go on: a fault of this machine or of the code, never a contract's answer.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The key-value store.
    #[error(transparent)]
    Kv(#[from] KvError),
    /// A page.
    #[error(transparent)]
    Page(#[from] PageError),
    /// The trees.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// A cell that is not what was stored, or that does not fit to the others.
    #[error("cell {cell} is damaged: {what}")]
    Cell {
        /// Which cell.
        cell: CellKey,
        /// What is wrong with it.
        what: &'static str,
    },
    /// An element of a kept state that is not what its hash says.
    #[error("an element of {name} is damaged or missing: {hash} was stored")]
    Element {
        /// The collection's tree.
        name: crate::tree::Name,
        /// The hash in the tree.
        hash: crate::hash::Hash,
    },
    /// What stands behind a leaf of a kept state is not what its hash says.
    #[error("a content of {name} is damaged or missing: {hash} was stored")]
    Content {
        /// The tree.
        name: crate::tree::Name,
        /// The hash in the tree.
        hash: crate::hash::Hash,
    },
    /// What was to be taken over from elsewhere cannot be read there.
    #[error("a content of {name} cannot be taken over: {why}")]
    Received {
        /// The tree.
        name: crate::tree::Name,
        /// What came in its way.
        why: String,
    },
    /// The engine that holds cells does not go on.
    #[error("the engine does not go on: {0}")]
    Engine(String),
    /// Another thread has panicked while it had the store.
    #[error("the store was left in the middle of an operation by a panic")]
    Shared,
    /// Slices of an account without a layout have changed.
    #[error("slice {index} of an account that has no such slice")]
    NoSlice {
        /// Which slice.
        index: u32,
    },
}
