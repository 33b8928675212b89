//! What the commands ask of contracts, wherever these are: in this process (`local`), or behind a node's gRPC port.
//!
//! Everything is a question with one answer, so that whoever implements it over a wire has a message for each. Transactions
//! are made, checked and signed above; bytes go through here as they are. What a contract has done is never an error of this
//! trait: it is in the receipt. An error means that there is no answer.

use anyhow::Result;
use replicode_contracts::account::Address;
use replicode_contracts::backend::{AccountNow, Against};
use replicode_contracts::collection::CollectionId;
use replicode_contracts::event::{Filter, Found, Place};
use replicode_contracts::hash::Hash;
use replicode_contracts::proof::{Batch, Proof, Question};
use replicode_contracts::receipt::Receipt;
use replicode_contracts::run::{Config, Viewed};
use replicode_contracts::state::PastEntry;

/// What has to be known before a transaction can be made.
#[derive(Clone, Debug)]
pub struct About {
    /// The cell's rules: what is signed ([`Config::cell`]), whether names are principals, limits, prices.
    pub config: Config,
    /// What one unit of gas costs at least; 0 unless the cell says otherwise.
    pub gas_price: u64,
    /// The newest batch; none before the first.
    pub tip: Option<Batch>,
    /// Logical time of that batch, in nanoseconds.
    pub time: u64,
}

/// A call that changes nothing.
#[derive(Clone, Debug)]
pub struct ViewOf {
    /// Who asks, as the contract sees it.
    pub sender: Address,
    /// Whose function.
    pub account: Address,
    /// Which.
    pub function: String,
    /// Its arguments, encoded.
    pub arguments: Vec<u8>,
    /// The most gas that it may burn.
    pub gas: u64,
    /// As of the end of this batch; of the newest where none is named.
    pub at: Option<u64>,
}

/// An account in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountRow {
    /// Which.
    pub address: Address,
    /// What it has and is.
    pub now: AccountNow,
}

/// A library in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LibraryRow {
    /// Who has published it: names and versions are theirs.
    pub publisher: Address,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Hash of its template.
    pub template: Hash,
}

/// What has become of an account, newest last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    /// In which batch.
    pub batch: u64,
    /// By which transaction.
    pub transaction: Hash,
    /// The state after that batch.
    pub state: Hash,
}

/// A proof, and the batch whose root or digest it leads to.
#[derive(Clone, Debug)]
pub struct Proven {
    /// The proof.
    pub proof: Proof,
    /// As of the end of this batch.
    pub batch: Batch,
}

/// Contracts that can be asked.
pub trait Contracts {
    /// What has to be known before a transaction can be made.
    ///
    /// # Errors
    /// When nobody answers.
    fn about(&mut self) -> Result<About>;

    /// Has a transaction executed, and waits for its receipt, states included.
    ///
    /// # Errors
    /// When there is no receipt: whether it was or will be executed is unknown then, unless the error says so.
    fn submit(&mut self, transaction: &[u8]) -> Result<Receipt>;

    /// What a transaction would do as things stand. Nothing enters the log.
    ///
    /// # Errors
    /// When nobody answers.
    fn dry_run(&mut self, transaction: &[u8]) -> Result<Receipt>;

    /// Runs a function that changes nothing.
    ///
    /// # Errors
    /// When nobody answers, or the batch is not kept.
    fn view(&mut self, view: &ViewOf) -> Result<Viewed>;

    /// An account, as it is now or was after a kept batch.
    ///
    /// # Errors
    /// When nobody answers, or the batch is not kept.
    fn account(&mut self, account: &Address, at: Option<u64>) -> Result<AccountNow>;

    /// All accounts that there are, addresses ascending.
    ///
    /// # Errors
    /// When nobody answers.
    fn accounts(&mut self) -> Result<Vec<AccountRow>>;

    /// A stored template's or library's bytes.
    ///
    /// # Errors
    /// When nobody answers.
    fn template(&mut self, template: &Hash) -> Result<Option<Vec<u8>>>;

    /// The hashes of all that is stored, libraries too, ascending.
    ///
    /// # Errors
    /// When nobody answers.
    fn templates(&mut self) -> Result<Vec<Hash>>;

    /// All published libraries.
    ///
    /// # Errors
    /// When nobody answers.
    fn libraries(&mut self) -> Result<Vec<LibraryRow>>;

    /// What stands in a slice of a contract, now or after a kept batch; none when there is no such slice or contract.
    ///
    /// # Errors
    /// When nobody answers, or the batch is not kept.
    fn slice(&mut self, account: &Address, index: u32, at: Option<u64>) -> Result<Option<PastEntry>>;

    /// The elements of a collection with their keys, in any order.
    ///
    /// # Errors
    /// As [`Contracts::slice`].
    fn elements(&mut self, collection: &CollectionId, at: Option<u64>) -> Result<Vec<(Vec<u8>, PastEntry)>>;

    /// The receipt of a transaction.
    ///
    /// # Errors
    /// When nobody answers.
    fn receipt(&mut self, transaction: &Hash) -> Result<Option<Receipt>>;

    /// Events that have not expired, in the order of history, behind `after`.
    ///
    /// # Errors
    /// When nobody answers.
    fn events(&mut self, filter: &Filter, after: Option<Place>, limit: usize) -> Result<Vec<Found>>;

    /// Answers a question as of a kept batch, the newest where none is named, so that it can be believed.
    ///
    /// # Errors
    /// When nobody answers, the batch is not kept, or there is no such proof.
    fn prove(&mut self, question: &Question, at: Option<u64>, against: Against) -> Result<Proven>;

    /// A kept batch, the newest where none is named; none before the first.
    ///
    /// # Errors
    /// When nobody answers, or the batch is not kept.
    fn batch(&mut self, at: Option<u64>) -> Result<Option<Batch>>;

    /// What has changed an account's state, oldest first.
    ///
    /// # Errors
    /// When nobody answers.
    fn history(&mut self, account: &Address) -> Result<Vec<Past>>;
}
