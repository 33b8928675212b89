//! Receipts: what became of a transaction, success or failure alike.
//!
//! One transaction has one receipt, and everything in it is a function of the log: of the state before, the transaction
//! and the gas table. Nothing in it depends on how it was executed. The bytes are drawn in `docs/formats/receipt.md`.
//!
//! | module | it is |
//! |---|---|
//! | [`status`] | how a transaction, or a call in it, has ended |
//! | [`gas`] | what was burnt, by frame and kind |
//! | [`show`] | a receipt as a person reads it |

pub mod gas;
pub mod show;
pub mod status;

pub use gas::{FrameGas, Gas, GasKind};
pub use status::{Skipped, Status, Trap};

use crate::account::Address;
use crate::event::Event;
use crate::hash::{self, Domain, Hash};
use crate::transaction::encode;
use borsh::{BorshDeserialize, BorshSerialize};

/// The version that this code reads and writes.
pub const VERSION: u8 = 1;

/// The longest receipt, in bytes. What executing puts into one stays below: events have a bound of their own
/// ([`crate::event::form::MAX_IN_TRANSACTION`]), frames have [a number](crate::run) of records, and everything else
/// is paid for with gas, of which a transaction has at most 10^9.
pub const MAX_BYTES: usize = 64 << 20;

/// A slice that a transaction has touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub struct TouchedSlice {
    /// Its number.
    pub index: u32,
    /// Whether it was written, and not only read.
    pub written: bool,
}

/// An account that a transaction has touched.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Touched {
    /// Which one.
    pub account: Address,
    /// Its slices, ascending. A collection counts as touched in the slice that it stands in, or not at all when it was
    /// reached without that slice.
    pub slices: Vec<TouchedSlice>,
    /// Reads of elements of collections.
    pub elements_read: u32,
    /// Writes of elements of collections, and removals.
    pub elements_written: u32,
}

/// The state of an account's storage after the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct StateAfter {
    /// Which account.
    pub account: Address,
    /// Its state; [`Hash::ZERO`] when nothing is stored.
    pub state: Hash,
}

/// What became of a transaction.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Receipt {
    /// Version of the format, [`VERSION`].
    pub version: u8,
    /// Hash of the transaction.
    pub transaction: Hash,
    /// The batch that it was in.
    pub batch: u64,
    /// Its place in the batch, from 0.
    pub position: u32,
    /// How it has ended.
    pub status: Status,
    /// The action that the status is about, from 0: the last one, or the one that failed.
    pub action: u16,
    /// What the last action has returned, encoded; empty unless it succeeded.
    pub returned: Vec<u8>,
    /// What was burnt.
    pub gas: Gas,
    /// Accounts that were spawned, in the order in which they began: before those that their constructors have spawned.
    pub spawned: Vec<Address>,
    /// Templates and libraries that were stored, in their order.
    pub deployed: Vec<Hash>,
    /// What was emitted, in its order.
    pub events: Vec<Event>,
    /// What was read and written, accounts ascending. Also of what was rolled back: it decided the outcome.
    pub touched: Vec<Touched>,
    /// States after the batch of the accounts whose slices or elements are written above, ascending.
    pub states: Vec<StateAfter>,
}

impl Receipt {
    /// Canonical bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads a receipt back.
    ///
    /// # Errors
    /// What is wrong with the bytes, and where.
    pub fn decode(bytes: &[u8]) -> Result<Self, BadReceipt> {
        let bad = |rest: &[u8], why: String| BadReceipt { offset: bytes.len() - rest.len(), why };
        if bytes.len() > MAX_BYTES {
            return Err(bad(bytes, format!("{} bytes, more than the {MAX_BYTES} allowed", bytes.len())));
        }
        if let Some(version) = bytes.first().filter(|version| **version != VERSION) {
            return Err(bad(bytes, format!("version {version}, and this node reads version {VERSION}")));
        }
        let mut rest = bytes;
        let receipt = Self::deserialize(&mut rest).map_err(|error| bad(rest, error.to_string().to_lowercase()))?;
        match rest.len() {
            0 => Ok(receipt),
            more => Err(bad(rest, format!("{more} bytes more than the receipt has"))),
        }
    }

    /// What stands for it in the tree of receipts: the hash of the transaction's and its own bytes.
    #[must_use]
    pub fn hash(&self) -> Hash {
        hash::parts(Domain::Receipt, &[self.transaction.as_bytes(), &self.encode()])
    }

    /// Whether its actions took effect.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.status == Status::Success
    }

    /// What was decided, and what it has cost, of a bounded length: without what it has returned, made, emitted and touched, without
    /// frames, and without the fields of the error of a contract. It is not the receipt that the tree has.
    #[must_use]
    pub fn short(&self) -> Self {
        let status = match &self.status {
            Status::Reverted { code, .. } => Status::Reverted { code: *code, data: Vec::new() },
            other => other.clone(),
        };
        Self {
            status,
            gas: Gas { frames: Vec::new(), ..self.gas.clone() },
            returned: Vec::new(),
            spawned: Vec::new(),
            deployed: Vec::new(),
            events: Vec::new(),
            touched: Vec::new(),
            states: Vec::new(),
            ..*self
        }
    }

    /// What the principal has paid for gas.
    #[must_use]
    pub fn fee(&self) -> u128 {
        u128::from(self.gas.burnt) * u128::from(self.gas.price)
    }
}

/// Bytes that are no receipt.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a receipt: {why} at byte {offset}")]
pub struct BadReceipt {
    /// Where.
    pub offset: usize,
    /// What is wrong.
    pub why: String,
}

#[cfg(test)]
pub(crate) mod tests;
