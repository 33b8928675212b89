//! Guests on Wasmtime: how a program is compiled, linked to the kernel, suspended in a system call and resumed.
//!
//! ```text
//!  machine                    this crate
//!  Guest::resume(kernel) ──>  guest ── hatch ──> store ──> wasm ──> shim ──> host function ──> Kernel::call
//!                  <── Pause, kernel  <── hatch <──────────────────── wait ──────── "would block"
//! ```
//!
//! | module | it is |
//! |---|---|
//! | [`engine`] | every source of nondeterminism and its switch; the fingerprint |
//! | [`behaviour`] | what kernel, NAT table, machine and engine answer to recorded logs, as one digest |
//! | `features` | the instructions that guests are compiled to |
//! | [`module`] | accepts or refuses a module |
//! | [`facts`], [`imports`] | what a module says about itself; its imports, each judged |
//! | `nature` | what a file is that is no core module |
//! | [`guest`] | one process: its stack, its suspension |
//! | [`loader`] | modules by digest; the machine's way to start processes |
//! | `hatch` | how the kernel is lent to a running guest and taken back |
//! | `shim`, `linker`, `host` | the way of a call from the guest into the kernel |
//! | `start_section` | start functions run like everything else |
//! | `cap`, `trap` | how far a guest may grow; how it ends |
//!
//! The code of contracts is a house of its own, [`contracts`], with an engine of its own; and so are [`functions`], which share its settings.
//!
//! Not here: any decision about what a system call does. The crate links what [`replicode_syscalls::abi::IMPORTS`]
//! lists and knows no function by name.

pub mod behaviour;
mod cap;
pub mod contracts;
pub mod engine;
pub mod facts;
mod features;
pub mod functions;
pub mod guest;
mod hatch;
mod host;
pub mod imports;
mod linker;
pub mod loader;
pub mod module;
mod nature;
mod shim;
mod start_section;
mod trap;

pub use engine::{EngineError, WasmEngine};
pub use facts::Facts;
pub use guest::WasmGuest;
pub use loader::WasmLoader;
pub use module::{BadImport, CompiledModule, ModuleError};
