//! Under construction.

#![forbid(unsafe_code)]

pub mod abi;
pub mod kernel;
pub mod trace;

pub use abi::{Call, Errno};
pub use kernel::{Kernel, ProcessInfo, ProcessSpec, ProcessState, Recording, SpawnError, Step};
pub use trace::{StepRecord, TraceRecord};
