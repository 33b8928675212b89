//! What a contract's module can import: the functions of module [`MODULE`], written down once.
//!
//! ```text
//! functions ─ the table: name, types, price, words ──┬── linker of an engine (a few lines over `for_each_host_function!`)
//!                                                     ├── settings of the transform, which charges the prices
//!                                                     ├── docs/contracts-abi.md (page)
//!                                                     └── tests
//! storage, registers, … ─ what each of them does: memory and numbers in, the frame's Host asked, memory and numbers out
//! ```
//!
//! The functions know no engine: they get the caller's memory as bytes. Two engines that link them differ in nothing but how they run the
//! module.
//!
//! | module | it is |
//! |---|---|
//! | `functions` | the table itself, as a macro that hands its rows to another one |
//! | [`mod@table`] | the rows as values: signatures, groups, prices |
//! | [`context`] | what a function gets: memory, the frame's things, the host |
//! | [`page`] | the table as people read it |
//! | the others | one for each group |

pub mod account;
pub mod calls;
pub mod collections;
pub mod context;
pub mod ends;
pub mod exchange;
mod functions;
pub mod hashing;
pub mod page;
pub mod registers;
pub mod storage;
pub mod table;

pub use context::{Context, FrameState};
pub use table::{Charge, Group, Rate, Row, ValueType, table};

/// The module that contracts import host functions of. Libraries are modules `lib:NAME`.
pub const MODULE: &str = "svm";
/// What the import module of a library begins with.
pub const LIBRARY: &str = "lib:";

/// Why a function has not answered: the frame has ended.
pub use crate::run::Halt;

/// What a function answers.
pub type Answer<T> = Result<T, Halt>;

#[cfg(test)]
mod tests;
