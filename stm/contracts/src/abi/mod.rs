//! What a contract says about itself: functions, errors, events, variables, and the types of all of them.
//!
//! The document is JSON, because every language can read it; the values that it describes are borsh, because equal
//! values must have equal bytes. Both are drawn in `docs/formats/contract-abi.md`.
//!
//! | module | it is |
//! |---|---|
//! | [`types`] | the types of values, and how they are written: `map<string, option<u128>>` |
//! | [`storage`] | the types of variables, collections among them |
//! | [`host`] | the functions that modules import, and what each of them does |
//! | [`document`] | the document, and what makes one well formed |
//! | [`value`] | values, to bytes and back |
//! | [`key`] | scalars as bytes that sort as the values do: keys of collections |
//! | [`text`] | values as people write and read them, on a command line for example |
//! | [`arguments`] | `--to bob --amount 30` against the arguments of a function |
//! | [`compare`] | whether a new layout may take over what an old one has stored |

pub mod arguments;
mod check;
pub mod compare;
pub mod document;
pub mod host;
mod json;
pub mod key;
pub mod storage;
pub mod text;
pub mod types;
pub mod value;

pub use arguments::{ArgumentError, Given};
pub use compare::{Clash, clashes};
pub use document::{
    Abi, AbiError, Definition, ErrorForm, EventForm, Field, Function, FunctionKind, Migration, Mutability, Variable,
    Variant,
};
pub use storage::StorageType;
pub use text::{Names, NoNames, TextError};
pub use types::{Type, TypeError};
pub use value::{DecodeError, Mismatch, Signed, U256, Value};

#[cfg(test)]
pub(crate) mod tests_support;
