//! The engine: the one place where Wasmtime's settings are, and the cache of compiled components on disk.
//!
//! Ten processes start from the same files. The first one compiles them, in parallel, and leaves the machine code in the
//! cache, whose key is the component's bytes, the engine's version and settings; the others read it.

use std::path::{Path, PathBuf};
use wasmtime::component::Component;
use wasmtime::{Cache, CacheConfig, Config, Engine, OptLevel};

/// Bytes of wasm stack of one call. The components recurse nowhere; this is Wasmtime's default, written out.
const WASM_STACK: usize = 512 << 10;

/// Bytes of a call's whole native stack: host functions run on it too.
const NATIVE_STACK: usize = 1 << 20;

/// The engine, with a cache in `cache` if there is one.
///
/// # Errors
/// When Wasmtime refuses the settings or the folder.
pub fn new(cache: Option<&Path>) -> wasmtime::Result<Engine> {
    let mut config = Config::new();
    config.cranelift_opt_level(OptLevel::Speed);
    config.wasm_component_model(true);
    config.max_wasm_stack(WASM_STACK).async_stack_size(NATIVE_STACK);
    #[cfg(feature = "profile")]
    if std::env::var_os("PAXOS_PERF_MAP").is_some() {
        config.profiler(wasmtime::ProfilingStrategy::PerfMap);
    }
    if let Some(folder) = cache {
        let mut settings = CacheConfig::new();
        settings.with_directory(folder);
        config.cache(Some(Cache::new(settings)?));
    }
    Engine::new(&config)
}

/// Where compiled components are kept for the components in `folder`. Absolute, as the cache demands.
///
/// # Errors
/// When the working directory is gone.
pub fn cache_folder(folder: &Path) -> std::io::Result<PathBuf> {
    std::path::absolute(folder.join("compiled"))
}

/// Compiles a component, or takes it from the cache.
///
/// # Errors
/// When the engine refuses it.
pub fn compile(engine: &Engine, bytes: &[u8]) -> wasmtime::Result<Component> {
    Component::new(engine, bytes)
}
