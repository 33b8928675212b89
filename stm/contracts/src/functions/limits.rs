//! How much functions may use in the log of a cell. Equal on all nodes, so part of what nodes compare before they talk to each other.

/// Bytes of a megabyte here.
pub const MB: u64 = 1 << 20;
/// Fuel of a request that names none, and the most of any: some seconds. Nothing else ends an execution in the log.
pub const FUEL: u64 = 10_000_000_000;
/// The most fuel of one that may only read: it is mostly asked of one node, which does nothing else with its state meanwhile.
pub const READ_FUEL: u64 = 1_000_000_000;
/// Megabytes of memory of a request that names none.
pub const MEMORY_MB: u64 = 64;
/// The most of any.
pub const MOST_MEMORY_MB: u64 = 256;
/// Megabytes of output of each stage, and the most of any: the last one's is in a receipt, which every node keeps for a while.
pub const OUTPUT_MB: u64 = 1;
/// Bytes of a whole request, with its module or its input: it has to fit into a batch among others.
pub const REQUEST_BYTES: usize = (1 << 20) + (64 << 10);
/// Bytes of a module.
pub const MODULE_BYTES: usize = 1 << 20;
/// Functions of a cell.
pub const FUNCTIONS: u64 = 1000;
/// Bytes of all their modules.
pub const MODULES_BYTES: u64 = 128 << 20;
/// Stages of a chain.
pub const STAGES: usize = 64;
/// How deep functions call functions.
pub const DEPTH: u32 = 16;
/// Bytes of a name.
pub const NAME: usize = 64;
/// Bytes of the name of a namespace.
pub const NAMESPACE: usize = 256;
/// Bytes of a key of state: a key of a collection, less the namespace before it.
pub const KEY: usize = crate::collection::MAX_KEY - 16;
/// Bytes of a value of state: those of a collection.
pub const VALUE: usize = crate::collection::MAX_VALUE;
/// Bytes of all state.
pub const STATE: u64 = 1 << 30;
/// Bytes that an execution may log, 16 more counted for each line.
pub const LOG: u64 = 64 << 10;
/// Fuel until an execution gets its next portion, first and later. Nothing looks at a clock there; what a trap costs depends on them.
pub const SLICES: (u64, u64) = (100_000, 1_000_000);
