//! The life of a contract: deployed, spawned, called, upgraded; and what a transaction does, written down once.
//!
//! [`Sequential`] executes one transaction after the other in a single pass. It is the specification: an executor that
//! runs transactions at the same time has to give the same receipts and the same cells. Both run the code below, over
//! another [`Access`](crate::cell::Access). [`backend`](crate::backend) puts stores, states and roots around them.
//!
//! ```text
//! Sequential ─ a block: which transactions are skipped, fees       (sequential)
//!   └─ actions ─ deploy, spawn, upgrade, publish, call, transfer    (actions)
//!        └─ Frames ─ one call in another: gas, roll back, rules      (frames)
//!             └─ Code ─ what a contract does: asks its Host          (host)
//!                  └─ Host ─ storage, money, calls, events           (hosting)
//! ```
//!
//! Code is behind a trait: wasm in a node, Rust functions where a program embeds the runtime ([`native`]) and in tests. Nothing
//! here knows an engine.

mod actions;
pub mod cells;
mod frames;
pub mod host;
mod hosting;
mod meter;
pub mod native;
pub mod sequential;

pub use frames::{Fault, MAX_LINKED, Outcome};
pub use host::{CallRequest, Code, Entry, Halt, Host, Loaded, Loader, Message, SpawnRequest, Unloaded};
pub use native::{Native, Natives};
pub(crate) use sequential::{Around, Arrived, Left, blank, execute};
pub use sequential::{Sequential, Source, Viewed};

use crate::account::Address;
use crate::hash::Hash;
use crate::transaction;

/// What has to be equal on all nodes of a cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Names the cell: what is signed for one is worth nothing in another.
    pub cell: Hash,
    /// Whether accounts of names are in use: anybody may act for them.
    pub trust_names: bool,
    /// What transactions and templates may have.
    pub limits: transaction::Limits,
    /// Prices of what the host does.
    pub prices: Prices,
    /// Gas that a batch may burn, 2^62 at most.
    pub batch_gas: u64,
    /// Gas that an account's `verify` may burn: nobody pays for one that says no.
    pub verify_gas: u64,
    /// Frames that may be nested in each other.
    pub max_depth: usize,
    /// Where fees go.
    pub collector: Address,
    /// How long an event is kept whose contract does not say, in nanoseconds of logical time.
    pub event_life: u64,
}

impl Config {
    /// What a cell has that configures nothing else.
    #[must_use]
    pub fn standard(cell: Hash) -> Self {
        Self {
            cell,
            trust_names: false,
            limits: transaction::Limits::STANDARD,
            prices: Prices::STANDARD,
            batch_gas: 10_000_000_000,
            verify_gas: 1_000_000,
            max_depth: 64,
            collector: Address::of_name("fees"),
            event_life: 30 * 24 * 3600 * 1_000_000_000,
        }
    }
}

/// Prices of what the host does, in gas. Instructions have a table of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prices {
    /// Begins a call, of code or of none.
    pub call: u64,
    /// Makes an account, besides the call of its constructor.
    pub spawn: u64,
    /// Reads a cell.
    pub read: u64,
    /// Each byte read.
    pub read_byte: u64,
    /// Writes or removes a cell, or adds to a sum.
    pub write: u64,
    /// Each byte written.
    pub write_byte: u64,
    /// Emits an event.
    pub event: u64,
    /// Each byte of it.
    pub event_byte: u64,
    /// Each byte of a template that is stored, and compiled.
    pub template_byte: u64,
}

impl Prices {
    /// What a cell has that configures nothing else.
    pub const STANDARD: Self = Self {
        call: 2_000,
        spawn: 5_000,
        read: 200,
        read_byte: 1,
        write: 1_000,
        write_byte: 5,
        event: 500,
        event_byte: 5,
        template_byte: 100,
    };
}

/// When a batch happens. The only clock and the only randomness that code can ask.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// The batch's place in history.
    pub batch: u64,
    /// Logical time in nanoseconds.
    pub time: u64,
    /// The batch's entropy.
    pub seed: u64,
}

#[cfg(test)]
mod tests;
