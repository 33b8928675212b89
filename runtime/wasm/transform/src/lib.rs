//! One model of a wasm module, and passes over it. Pure: bytes in, bytes out.
//!
//! A contract that is deployed goes through here once, on every node, with equal result. Either it is refused, with every reason at once
//! ([`Verdict`]), or it comes out with what makes its execution bounded and equal on any engine ([`Transformed`]): gas charged by the module
//! itself, a stack limit in a measure of our own, and a memory of the size that its template declares.
//!
//! | | |
//! |---|---|
//! | [`module`] | the model: read under limits, written back with what passes append |
//! | `check` | the verdict: sizes, features, imports, the validator |
//! | [`price`], [`op`] | the gas table, and the class of work of each operator |
//! | `gas` | where charges stand: heaviest path, or each basic block |
//! | [`stack`] | what a frame takes |
//! | `fixed` | class fixed: bounds of loops, and a price before the run |
//! | `shims` | host functions in tables |
//! | `meter` | the pass that writes counters into bodies |
//! | `transform` | all of it in order |
//!
//! Not here: what a template is made of besides code, compilation, the host's side of gas. The model is meant for a pass that lets
//! waiting guests be saved, too; contracts never wait, so nothing of it is in this crate yet.

mod check;
mod fixed;
pub mod fuzz;
mod gas;
pub mod limits;
mod meter;
pub mod module;
#[cfg(feature = "mutants")]
pub mod mutants;
pub mod op;
pub mod price;
mod settings;
mod shims;
pub mod stack;
mod transform;
mod verdict;

pub use limits::{Limits, Quantity};
pub use price::{BadTable, GasTable, Rate};
pub use settings::{
    Bounds, CodeClass, Ending, GAS, HostFunction, HostTable, Metering, OUT_OF_GAS, OUT_OF_STACK, RESERVED, STACK,
    Settings, TRANSFORM_VERSION, Value, Wish,
};
pub use transform::{Error, ExportedFunction, Slices, Transformed, transform, transform_sliced, verdict};
pub use verdict::{Complaint, FunctionName, NotFixed, Place, Verdict};
