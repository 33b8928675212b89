//! The engine of contracts: one for a node, apart from that of programs.
//!
//! Instances come from pools that are made once, and go back clean: with memory that is set to zero by hand and neither mapped nor
//! unmapped, a call costs no call of the operating system and no page fault.

use super::lend::Frame;
use super::link;
use super::settings::{ContractSettings, NATIVE_STACK_BYTES};
use crate::engine::{EngineError, target};
use crate::features;
use replicode_contracts::run::MAX_LINKED;
use wasmtime::{Config, Engine, InstanceAllocationStrategy, Linker, OptLevel, PoolingAllocationConfig, Strategy};

/// The switches of the engine, for the fingerprint.
pub(super) const FINGERPRINT: [&str; 10] = [
    "nan canonical",
    "relaxed-simd off",
    "fuel off",
    "epochs off",
    "threads off",
    "gc off",
    "exceptions off",
    "multi-memory off, memory64 off",
    "custom page sizes on",
    "tail-call on",
];

/// Frames that one thread can have at work at most: each has an instance, and one for each library.
const FRAMES: u32 = 64;
/// Instances of ended frames that wait, on one thread, for their stores to be made anew.
pub(super) const WAITING: u32 = 128;

/// Compiles templates and links host functions. One per node; cheap to clone.
#[derive(Clone)]
pub struct ContractEngine {
    pub(super) engine: Engine,
    pub(super) linker: Linker<Frame>,
    pub(super) settings: ContractSettings,
    /// Threads that run contracts at the same time.
    pub(super) threads: u32,
}

impl ContractEngine {
    /// An engine for this many threads that run contracts at the same time. With more of them a node can run out of instances, which stops it.
    ///
    /// # Errors
    /// When the host is of a kind that has no code generator, or its processor lacks what modules are compiled for.
    pub fn new(settings: &ContractSettings, threads: u32) -> Result<Self, EngineError> {
        let wrong = |error: wasmtime::Error| EngineError::Settings(format!("{error:#}"));
        if let Some(lacking) = features::lacking() {
            return Err(EngineError::Processor { wanted: features::names(), lacking });
        }
        let engine = Engine::new(&config(settings, threads)?).map_err(wrong)?;
        let linker = link::build(&engine, settings).map_err(wrong)?;
        Ok(Self { engine, linker, settings: settings.clone(), threads })
    }

    /// What the engine was made for.
    #[must_use]
    pub const fn settings(&self) -> &ContractSettings {
        &self.settings
    }
}

impl std::fmt::Debug for ContractEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ContractEngine").field("settings", &self.settings).finish_non_exhaustive()
    }
}

fn config(settings: &ContractSettings, threads: u32) -> Result<Config, EngineError> {
    let mut config = base(settings.simd, NATIVE_STACK_BYTES)?;
    // Segments are copied into memory that is at hand: a mapped image would be a fault for each page touched.
    config.memory_init_cow(false);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pools(settings, threads)));
    Ok(config)
}

fn pools(settings: &ContractSettings, threads: u32) -> PoolingAllocationConfig {
    let limits = &settings.limits;
    let instances = threads.max(1) * (FRAMES * (1 + MAX_LINKED as u32) + WAITING);
    let tables = u32::try_from(limits.tables).unwrap_or(u32::MAX).max(1);
    let (memory, elements) = (limits.memory_bytes as usize, limits.table_elements as usize);
    let mut pools = PoolingAllocationConfig::new();
    pools
        .total_core_instances(instances)
        .total_memories(instances)
        .total_tables(instances.saturating_mul(tables))
        .total_component_instances(0)
        .total_stacks(0)
        .total_gc_heaps(0)
        .max_memories_per_module(1)
        .max_tables_per_module(tables)
        .max_memory_size(memory)
        .table_elements(elements)
        .max_core_instance_size(1 << 20)
        // All of it is set to zero by hand and stays.
        .linear_memory_keep_resident(memory)
        .table_keep_resident(elements * size_of::<usize>())
        .max_unused_warm_slots(instances);
    pools
}

/// What engines of modules that count for themselves have in common: everything but their pools.
///
/// # Errors
/// As [`ContractEngine::new`].
pub(crate) fn base(simd: bool, native_stack: usize) -> Result<Config, EngineError> {
    let wrong = |error: wasmtime::Error| EngineError::Settings(format!("{error:#}"));
    let target = target().ok_or(EngineError::Platform { arch: std::env::consts::ARCH, os: std::env::consts::OS })?;
    let mut config = features::config(target).map_err(wrong)?;
    config.strategy(Strategy::Cranelift).cranelift_opt_level(OptLevel::Speed);
    config.cranelift_nan_canonicalization(true);
    config.consume_fuel(false).epoch_interruption(false);
    // The engine wants its asynchronous stacks to be no smaller; none is ever made.
    config.max_wasm_stack(native_stack).async_stack_size(2 * native_stack);

    config.wasm_tail_call(true).wasm_custom_page_sizes(true);
    config.wasm_simd(simd).wasm_relaxed_simd(false);
    config.wasm_gc(false).wasm_function_references(false).wasm_exceptions(false);
    config.wasm_memory64(false).wasm_multi_memory(false);
    config.wasm_stack_switching(false).wasm_wide_arithmetic(false).wasm_shared_everything_threads(false);

    // What a trap is told with is not in any receipt, and taking it costs more than a call.
    config.wasm_backtrace_max_frames(None);
    Ok(config)
}
