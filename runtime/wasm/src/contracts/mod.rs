//! Contracts on Wasmtime: templates are transformed, compiled once, and run in a fresh instance for every call and every frame.
//!
//! ```text
//!  template ─ transform (gas, stack, memory; or every complaint) ─ compile ─> WasmCode, kept by the template's hash
//!
//!  Frames ─ Code::run ─> bench (a store of this thread) ─ instance ─ gas in ─ function ─ gas out ─> returned, or Halt
//!                                  └─ host function: lent host, memory, gas settled ─ stm/contracts/src/abi/host
//!                                        └─ call of another account: Frames ─ Code::run ─> another bench
//! ```
//!
//! | module | it is |
//! |---|---|
//! | [`settings`] | what all nodes of a cell agree on, and its fingerprint |
//! | [`cell`] | a cell's contracts, from its configuration |
//! | [`engine`] | the engine's configuration: pools, switches |
//! | [`loader`] | templates to code, kept by hash |
//! | `code` | one template's code: how a frame runs |
//! | `ending` | how a frame has ended: traps in the receipts' words |
//! | `bench` | stores that are used for a few frames each |
//! | `lend` | how the host is lent to host functions |
//! | `link` | host functions, from the table |
//! | `library` | functions of libraries |
//!
//! # What a contract cannot see
//!
//! Whether its instance is the first of its store or the last; what ran in that memory before; how many frames there are natively; which
//! engine it is. Gas and stack are counted by the module itself, floats are canonical if they are allowed at all, memory grows as far as
//! the template says on every node or stops the node.

mod bench;
pub mod cell;
mod code;
mod ending;
pub mod engine;
mod lend;
mod library;
mod link;
pub mod loader;
pub mod settings;

pub use engine::ContractEngine;
pub use loader::ContractLoader;
pub use settings::ContractSettings;
