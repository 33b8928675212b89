//! The runtime API: contracts as a library. One trait, two executors, one result.
//!
//! ```text
//! begin ─ execute ─ … ─ root ─ commit ─ Sealed: receipts, root, digest, contents ──► listeners, checkpoints
//!            │            └─ the state so far; further transactions may follow
//!            └─ receipts    rollback: the batch was never there        rewind: nor were those before it
//! ```
//!
//! [`Ledger`] executes one transaction after the other: [`Sequential`](crate::run::Sequential), the specification. [`Parallel`]
//! executes them at the same time on the transactional memory, with the same receipts, states, roots and proofs, for any
//! number of threads. Both are a [`Runtime`], which keeps the books, around an [`Executor`]. Whoever embeds them talks to a
//! [`Backend`] and need not know which it is.
//!
//! All of this is pure: a batch's number, time and seed come in with [`Backend::begin`], and what leaves is a value.
//! `docs/embedding.md` shows how to use it, on disk as well.

mod contents;
mod install;
mod one_by_one;
mod runtime;
mod seal;
mod together;

pub use install::account_of;
pub use one_by_one::OneByOne;
/// The transactional memory that [`Parallel`] runs on, for its settings.
pub use replicode_stm as stm;
pub use runtime::{Executor, Ground, Runtime};
pub use seal::{Sealed, account_rest};
pub use together::{Settings, Together};

use crate::account::{Account, Address};
use crate::event::{Filter, Found, Place};
use crate::hash::Hash;
use crate::proof::{self, Contents, NotProven, Proof, Question};
use crate::receipt::{Receipt, Skipped};
use crate::run::{Config, Moment, Source, Viewed};
use crate::state::{self, Contract, Received};
use crate::transaction::{Invalid, Transaction};
use crate::tree;
use std::sync::Arc;

/// Contracts executed one by one.
pub type Ledger<K> = Runtime<K, OneByOne>;

/// Contracts executed at the same time.
pub type Parallel<K> = Runtime<K, Together>;

/// Why a backend does not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store failed, or is damaged. The backend does not go on.
    #[error(transparent)]
    Store(#[from] state::Fault),
    /// The runtime cannot go on, on this machine.
    #[error("the runtime cannot go on: {0}")]
    Fault(String),
    /// It could not go on before.
    #[error("the backend has stopped before: {0}; start it again from its last checkpoint")]
    Stopped(String),
    /// Not in this order. Nothing has happened.
    #[error("could not {verb}: {why}")]
    Order {
        /// What was tried.
        verb: &'static str,
        /// What is in its way.
        why: String,
    },
    /// The question has no proof here. Nothing has happened.
    #[error(transparent)]
    NotProven(#[from] NotProven),
}

/// What the verbs of a backend answer.
pub type Result<T> = std::result::Result<T, Error>;

/// A query: a call that changes nothing.
#[derive(Clone, Debug)]
pub struct View<'a> {
    /// Who asks, as the contract sees it.
    pub sender: Address,
    /// Whose function.
    pub account: Address,
    /// Which.
    pub function: &'a str,
    /// Its arguments, encoded.
    pub arguments: &'a [u8],
    /// The most gas that it may burn.
    pub gas: u64,
    /// The time and batch that it sees; none: those of the batch that has begun, else of the last one. Whoever asks in a batch that
    /// has no transactions (yet) says in which.
    pub moment: Option<Moment>,
}

/// An account as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountNow {
    /// Template, nonce, spawns.
    pub record: Account,
    /// Its money.
    pub balance: u128,
    /// The state of its storage; [`Hash::ZERO`] when nothing is stored.
    pub state: Hash,
}

/// What a proof is to be checked against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Against {
    /// The root after the batch.
    Root,
    /// The digest of the batch, which receipts are below as well.
    Digest,
}

/// Is told what happens, in the order of history.
pub trait Listener: Send {
    /// A batch was sealed: its receipts, and the events in them, stand.
    fn sealed(&mut self, sealed: &Arc<Sealed>);

    /// History ends with this batch now (none: it begins anew), and this is the state; what was told of later ones does not hold.
    fn rewound(&mut self, _tip: Option<&proof::Batch>, _state: tree::View<'_>, _contents: &mut dyn Contents) {}
}

impl<F: FnMut(&Arc<Sealed>) + Send> Listener for F {
    fn sealed(&mut self, sealed: &Arc<Sealed>) {
        self(sealed);
    }
}

/// Contracts, for whoever embeds them.
///
/// After [`Error::Store`] or [`Error::Fault`] every verb that changes something answers [`Error::Stopped`]: the state is that of
/// the last checkpoint and the log behind it, and is built again from there.
pub trait Backend: Send {
    /// What has to be equal on all nodes.
    fn config(&self) -> &Config;

    /// Whether bytes are a transaction at all. Asks no state: what passes may still be skipped.
    ///
    /// # Errors
    /// Everything that is wrong with its form.
    fn validate(&self, transaction: &[u8]) -> std::result::Result<Transaction, Vec<Invalid>> {
        Transaction::decode(transaction, &self.config().limits)
    }

    /// Gives money to accounts before the first batch.
    ///
    /// # Errors
    /// When there was a batch, or the store fails.
    fn fund(&mut self, balances: &[(Address, u128)]) -> Result<()>;

    /// Begins a batch.
    ///
    /// # Errors
    /// When one has begun already, or its number is not above that of the last one.
    fn begin(&mut self, moment: Moment) -> Result<()>;

    /// Executes further transactions of the batch, in their order. States in the receipts are filled in when it is committed.
    ///
    /// # Errors
    /// When no batch has begun, or this node cannot go on.
    fn execute(&mut self, transactions: &[Vec<u8>]) -> Result<Vec<Receipt>> {
        self.execute_from(Source::Client, transactions)
    }

    /// The same, of whoever has submitted them: what is no transaction of a client may be a request of functions.
    ///
    /// # Errors
    /// As [`Backend::execute`].
    fn execute_from(&mut self, source: Source, transactions: &[Vec<u8>]) -> Result<Vec<Receipt>>;

    /// The root of the state so far, in the batch if one has begun. Whoever wants a state after each call asks after each call.
    ///
    /// # Errors
    /// When this node cannot go on.
    fn root(&mut self) -> Result<Hash>;

    /// Ends the batch.
    ///
    /// # Errors
    /// When no batch has begun, or this node cannot go on.
    fn commit(&mut self) -> Result<Arc<Sealed>>;

    /// The batch that has begun was never there.
    ///
    /// # Errors
    /// When no batch has begun, or this node cannot go on.
    fn rollback(&mut self) -> Result<()>;

    /// Goes back to the state after a kept batch. Later ones, one that has begun included, were never there.
    ///
    /// # Errors
    /// When that state is not kept, or this node cannot go on.
    fn rewind(&mut self, batch: u64) -> Result<()>;

    /// It does not go on: from now on verbs answer [`Error::Stopped`]. For whoever leaves a batch in its middle and cannot take it back,
    /// so that nobody is answered from half of it.
    fn stop(&mut self, why: &str);

    /// The last batch that was sealed, if any.
    fn tip(&self) -> Option<proof::Batch>;

    /// When that was.
    fn moment(&self) -> Moment;

    /// Whether a transaction would be skipped as things stand, and why: nonce, proof, money.
    ///
    /// # Errors
    /// When this node cannot go on.
    fn verify(&self, transaction: &[u8]) -> Result<Option<Skipped>>;

    /// What a transaction would do as things stand: its exact receipt, without states. Nothing of it stays.
    ///
    /// # Errors
    /// When this node cannot go on.
    fn dry_run(&self, transaction: &[u8]) -> Result<Receipt>;

    /// Runs a function that changes nothing.
    ///
    /// # Errors
    /// When this node cannot go on.
    fn view(&self, view: &View<'_>) -> Result<Viewed>;

    /// An account as it is now.
    ///
    /// # Errors
    /// When this node cannot go on.
    fn account(&self, account: &Address) -> Result<AccountNow>;

    /// A stored template's bytes.
    ///
    /// # Errors
    /// When this node cannot go on.
    fn template(&self, template: &Hash) -> Result<Option<Vec<u8>>>;

    /// The library that was published under a name and a version.
    ///
    /// # Errors
    /// When this node cannot go on.
    fn library(&self, publisher: &Address, name: &str, version: &str) -> Result<Option<Hash>>;

    /// A kept state of a contract, opened for reading; none when no kept batch has left this state.
    ///
    /// # Errors
    /// When this node cannot go on.
    fn open(&self, account: &Address, state: &Hash) -> Result<Option<Box<dyn Contract + '_>>>;

    /// The receipt of a transaction in a kept batch. Of several the one that was not skipped, else the last.
    ///
    /// # Errors
    /// When the store is damaged.
    fn receipt(&self, transaction: &Hash) -> Result<Option<Receipt>>;

    /// Events that have not expired, in the order of history, behind `after`.
    fn events(&self, filter: &Filter, after: Option<Place>, limit: usize) -> Vec<Found>;

    /// The same in a piece of bounded work: it looks at so many events at `most`, and says behind which to go on; none: there are no
    /// more.
    fn search_events(
        &self,
        filter: &Filter,
        after: Option<Place>,
        limit: usize,
        most: usize,
    ) -> (Vec<Found>, Option<Place>);

    /// Answers a question as of a kept batch so that whoever knows its root, or its digest, can believe it.
    ///
    /// # Errors
    /// When the batch is not kept, or there is no such proof.
    fn prove(&self, question: &Question, batch: u64, against: Against) -> Result<Proof>;

    /// From now on this listener is told.
    fn subscribe(&mut self, listener: Box<dyn Listener>);

    /// Trees, and contents behind their leaves, as of a kept batch, or as they are now: for snapshots and checkpoints.
    ///
    /// # Errors
    /// When that state is not kept.
    fn look(&self, batch: Option<u64>, f: &mut dyn FnMut(tree::View<'_>, &mut dyn Contents)) -> Result<()>;

    /// What the contents mean, by the layouts that accounts have now.
    ///
    /// # Errors
    /// When the store was left in the middle of something.
    fn schema(&self) -> Result<tree::Whole<state::Contents>>;

    /// Takes over the state after a batch, of a checkpoint or from another node. Its own state and history go.
    ///
    /// # Errors
    /// When the trees do not have the batch's roots (then nothing has happened), or contents are missing or not theirs.
    fn install(&mut self, batch: proof::Batch, received: Received<'_>) -> Result<()>;
}
