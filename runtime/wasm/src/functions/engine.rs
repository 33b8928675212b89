//! The engine of functions: two sets of pools behind one door.
//!
//! Clearing a memory of up to [`SMALL_BYTES`] by hand costs less than asking the kernel which of its pages were touched; above that it is
//! the other way around. Pages stay resident in both, so a warm execution meets no page fault.

use super::code::{FunctionCode, LoadError};
use super::host::Host;
use super::link;
use super::run::Ctx;
use super::wasi::World;
use crate::contracts::engine::base;
use crate::contracts::settings::ContractSettings;
use crate::engine::EngineError;
use crate::features;
use replicode_transform::{Bounds, CodeClass, HostTable, Limits, Metering, Settings};
use std::sync::Arc;
use wasmtime::{Enabled, Engine, InstanceAllocationStrategy, Linker, PoolingAllocationConfig};

/// Memories that begin with no more bytes are cleared by hand.
pub const SMALL_BYTES: u64 = 192 << 10;
/// Bytes of a memory that stay resident when its instance is gone.
const KEPT_BYTES: usize = 1 << 20;
/// Bytes of native stack of the wasm functions of one instance. The module's own limit ends a recursion before.
pub(super) const NATIVE_STACK_BYTES: usize = 2 << 20;

/// What all functions of a server have in common.
#[derive(Clone, Debug)]
pub struct FunctionSettings {
    /// The largest memory that any execution can be given, in bytes.
    pub memory_bytes: u64,
    /// The largest module, in bytes.
    pub module_bytes: u64,
    /// Instances that can exist at the same time.
    pub instances: u32,
    /// Bytes of stack of an instance, in the measure of [`replicode_transform::stack`].
    pub stack_bytes: u32,
}

impl Default for FunctionSettings {
    fn default() -> Self {
        Self { memory_bytes: 1 << 30, module_bytes: 16 << 20, instances: 2048, stack_bytes: 256 << 10 }
    }
}

impl FunctionSettings {
    /// What the transform is told. Prices are those of contracts.
    pub(super) fn transform(&self, host: HostTable) -> Settings {
        let contracts = ContractSettings::default().transform(CodeClass::Metered);
        let code = self.module_bytes;
        Settings {
            gas: contracts.gas,
            metering: Metering::default(),
            limits: Limits {
                module_bytes: self.module_bytes,
                function_bytes: code.min(1 << 20),
                code_bytes: code,
                types: 16_384,
                params: 256,
                functions: 65_536,
                imports: 1024,
                exports: 4096,
                name_bytes: 1024,
                globals: 4096,
                tables: 4,
                table_elements: 65_536,
                memories: 1,
                memory_bytes: self.memory_bytes,
                locals: 16_384,
                nesting: 1024,
                switch_targets: 16_384,
                data_segments: 16_384,
                data_bytes: code,
                element_segments: 1024,
                element_items: 65_536,
                ..Limits::default()
            },
            bounds: Bounds { stack_bytes: self.stack_bytes, ..contracts.bounds },
            floats: true,
            simd: true,
            host,
        }
    }
}

/// One of the two sets of pools.
pub(super) struct Half<E: Host> {
    pub(super) engine: Engine,
    pub(super) linker: Linker<Ctx<E>>,
}

/// Compiles functions. One per server; cheap to clone.
pub struct FunctionEngine<E: Host> {
    pub(super) small: Arc<Half<E>>,
    pub(super) large: Arc<Half<E>>,
    pub(super) settings: FunctionSettings,
}

impl<E: Host> Clone for FunctionEngine<E> {
    fn clone(&self) -> Self {
        Self { small: Arc::clone(&self.small), large: Arc::clone(&self.large), settings: self.settings.clone() }
    }
}

impl<E: Host> std::fmt::Debug for FunctionEngine<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FunctionEngine").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl<E: Host> FunctionEngine<E> {
    /// An engine with these settings.
    ///
    /// # Errors
    /// When the host is of a kind that has no code generator, or its processor lacks what modules are compiled for.
    pub fn new(settings: &FunctionSettings) -> Result<Self, EngineError> {
        if let Some(lacking) = features::lacking() {
            return Err(EngineError::Processor { wanted: features::names(), lacking });
        }
        let half = |large| half(settings, large).map(Arc::new);
        Ok(Self { small: half(false)?, large: half(true)?, settings: settings.clone() })
    }

    /// Checks and compiles a module.
    ///
    /// # Errors
    /// Every reason why it cannot be run here.
    pub fn compile(&self, wasm: &[u8]) -> Result<FunctionCode<E>, LoadError> {
        FunctionCode::new(self, wasm, None)
    }

    /// Checks and compiles a program of WASI preview 1, for a world.
    ///
    /// # Errors
    /// Every reason why it cannot be run here.
    pub fn compile_program(&self, wasm: &[u8], world: &World) -> Result<FunctionCode<E>, LoadError> {
        FunctionCode::new(self, wasm, Some(world))
    }
}

fn half<E: Host>(settings: &FunctionSettings, large: bool) -> Result<Half<E>, EngineError> {
    let wrong = |error: wasmtime::Error| EngineError::Settings(format!("{error:#}"));
    let mut config = base(true, NATIVE_STACK_BYTES)?;
    // Of a large memory few pages are touched: those come from one image for each module, and are found by a scan.
    config.memory_init_cow(large);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pools(settings, large)));
    let engine = Engine::new(&config).map_err(wrong)?;
    let linker = link::build(&engine).map_err(wrong)?;
    Ok(Half { engine, linker })
}

fn pools(settings: &FunctionSettings, large: bool) -> PoolingAllocationConfig {
    let tables = 4;
    let elements = 65_536;
    let mut pools = PoolingAllocationConfig::new();
    pools
        .total_core_instances(settings.instances)
        .total_memories(settings.instances)
        .total_tables(settings.instances.saturating_mul(tables))
        .total_component_instances(0)
        .total_stacks(0)
        .total_gc_heaps(0)
        .max_memories_per_module(1)
        .max_tables_per_module(tables)
        .max_memory_size(settings.memory_bytes as usize)
        .table_elements(elements)
        .max_core_instance_size(1 << 20)
        .linear_memory_keep_resident(KEPT_BYTES)
        .table_keep_resident(elements * size_of::<usize>())
        // A load of ten thousand instances leaves that many warm places behind, and no more.
        .max_unused_warm_slots(256)
        .pagemap_scan(if large { Enabled::Auto } else { Enabled::No });
    pools
}
