//! What contracts of replicode are written with.
//!
//! ```
//! use replicode_contract::contract;
//!
//! #[contract]
//! mod counter {
//!     use replicode_contract::prelude::*;
//!
//!     #[storage]
//!     pub struct Counter {
//!         count: Var<u64>,
//!     }
//!
//!     impl Counter {
//!         #[call]
//!         pub fn add(&mut self, amount: u64) -> u64 {
//!             let count = self.count.get() + amount;
//!             self.count.set(&count);
//!             count
//!         }
//!
//!         #[view]
//!         pub fn count(&self) -> u64 {
//!             self.count.get()
//!         }
//!     }
//! }
//! ```
//!
//! The macro makes of such a module what the host looks for in it: an export for each function, which reads its arguments and lays down what it
//! returns, and the document (`docs/formats/contract-abi.md`) in a section of its own. The same source runs natively, in tests, where a world of
//! accounts stands for the cell (crate `replicode-contract-world`).
//!
//! | module | it is |
//! |---|---|
//! | [`storage`] | variables and collections |
//! | [`context`] | who has called, with how much money, when |
//! | [`call`] | calls of other contracts |
//! | [`value`] | what arguments, returns, errors, events and elements are made of |
//! | [`key`] | what is a key of a collection |
//! | [`wide`] | integers of 160 and 256 bits |
//! | [`sys`] | the host's functions, one by one |
//!
//! Natively and in wasm everything is the same but what instructions cost: the host charges for what it does in both.
#![warn(missing_docs)]
#![cfg_attr(target_family = "wasm", no_std)]

extern crate alloc;
// What the macros write names this crate, also in its own tests.
extern crate self as replicode_contract;

pub mod call;
pub mod context;
pub mod entry;
pub mod key;
pub mod storage;
pub mod sys;
pub mod value;
pub mod wide;

#[cfg(target_family = "wasm")]
mod lang;

pub use call::{Call, CallError};
pub use entry::{Contract, ContractError, Event};
pub use key::Key;
pub use replicode_contract_macros::{contract, interface, library};
pub use storage::{Counter, Field, List, Map, Set, SortedSet, Var};
pub use value::{Address, Bytes, Hash, Value};

#[doc(hidden)]
pub use alloc::{collections::BTreeMap, format, string::String, vec::Vec};

/// What a contract's module sees without naming it.
pub mod prelude {
    pub use crate::call::{Call, CallError};
    pub use crate::context;
    pub use crate::entry::Event as _;
    pub use crate::storage::{Counter, List, Map, Set, SortedSet, Var};
    pub use crate::value::{Address, Bytes, Hash};
    pub use crate::wide::{I160, I256, U160, U256};
    pub use alloc::collections::BTreeMap;
    pub use alloc::string::{String, ToString};
    pub use alloc::vec::Vec;
    pub use replicode_contract_macros::{contract, interface};
}
