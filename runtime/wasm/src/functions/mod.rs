//! Functions on Wasmtime: a module is transformed and compiled once, and run in a fresh instance for every execution.
//!
//! ```text
//!  bytes ─ transform (fuel in slices, stack) ─ compile ─> FunctionCode
//!
//!  Run::execute ─> a store of this run ─ instance ─ input in ─ process(ptr, len) ─> code, output, fuel
//!                        ├─ slice of fuel used up ─> Host::slice: goes on, or says why not
//!                        └─ host functions ─> output, log; Host: state, other functions
//! ```
//!
//! | module | it is |
//! |---|---|
//! | [`engine`] | the engine's pools: one for small memories that are cleared by hand, one for large ones |
//! | [`code`] | one module: what it may import, how it is compiled |
//! | [`run`] | an execution, and those that it calls |
//! | [`host`] | what an execution asks of whoever runs it |
//! | [`failure`] | how an execution can end other than well |
//! | [`in_log`] | the same in the log of a cell, for a world of cells |
//! | `link` | the functions of the import module `host` |
//!
//! Engine settings, transform, prices and stack limit are those of [contracts](crate::contracts); what differs is that fuel comes in slices.
//! At the end of a slice the host looks at its clock, so no execution needs a timer, a thread or an epoch.

pub mod code;
pub mod engine;
pub mod failure;
pub mod host;
pub mod in_log;
mod link;
pub mod run;
pub mod wasi;

pub use code::{FunctionCode, LoadError};
pub use engine::{FunctionEngine, FunctionSettings};
pub use failure::Failure;
pub use host::Host;
pub use run::{Run, RunLimits};
