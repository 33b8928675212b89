//! The engine: the one place where a `wasmtime::Config` is built, and what its settings amount to.
//!
//! Every source of nondeterminism of WebAssembly is switched here:
//!
//! | source | answer |
//! |---|---|
//! | bit patterns of NaN | made canonical after each instruction that can give one |
//! | relaxed SIMD | the deterministic lowering |
//! | code that depends on the CPU at hand | compiled for one fixed set of CPU features, whatever the host's CPU can do more |
//! | depth of recursion | a fixed number of bytes of wasm stack, counted in frames of that same code |
//! | `memory.grow` | decided by the configured cap; a host that cannot follow stops the node |
//! | threads, shared memory | not compiled into the engine |
//! | interruption by time, fuel or epochs | off |
//! | proposals without use here (GC types, 64-bit and custom-page memories, stack switching, wide arithmetic) | refused |
//!
//! Tail calls and standard exceptions are on: `setjmp`, C++ and some Rust programs are compiled to them.

use crate::host::Host;
use crate::linker;
use crate::module::{CompiledModule, ModuleError};
use crate::{behaviour, features};
use replicode_log::{Digest, Limits};
use std::fmt::Write as _;
use wasmtime::{Collector, Config, Engine, Linker, OptLevel, Strategy, WasmBacktraceDetails};

/// The engine's version. Pinned exactly in the workspace; a test compares the two.
pub const WASMTIME_VERSION: &str = "48.0.8";

/// Elements of all tables of a guest. C and Rust programs have one element per function whose address is taken.
pub const MAX_TABLE_ELEMENTS: usize = 1_000_000;

/// Bytes of a guest's native stack that are left for host functions, which run on it too: the kernel's deepest call
/// needs a few KiB.
const HOST_STACK_BYTES: usize = 512 << 10;

/// What is wrong with the engine on this host.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// There is no code generator for this kind of host.
    #[error("replicode does not run guests on {arch}-{os}: use x86-64 or 64-bit Arm, on Linux or macOS")]
    Platform {
        /// The processor's architecture.
        arch: &'static str,
        /// The operating system.
        os: &'static str,
    },
    /// The processor lacks an instruction set that guests are compiled for.
    #[error(
        "guests are compiled for processors with {wanted}, and this one lacks {lacking}: run the node on x86-64-v3 \
         (Intel Haswell, AMD Zen or newer), or let the virtual machine pass its host's features on"
    )]
    Processor {
        /// All features that guests are compiled for.
        wanted: String,
        /// Those that this host does not have.
        lacking: String,
    },
    /// Wasmtime refused the settings.
    #[error("the wasm engine cannot be set up: {0}")]
    Settings(String),
}

/// Compiles guests and knows what they may import. One per node; cheap to clone.
#[derive(Clone)]
pub struct WasmEngine {
    engine: Engine,
    linker: Linker<Host>,
    limits: Limits,
}

impl WasmEngine {
    /// An engine under these limits.
    ///
    /// # Errors
    /// When the host is of a kind that has no code generator, or its processor lacks what guests are compiled for.
    pub fn new(limits: &Limits) -> Result<Self, EngineError> {
        let settings = |error: wasmtime::Error| EngineError::Settings(format!("{error:#}"));
        if let Some(lacking) = features::lacking() {
            return Err(EngineError::Processor { wanted: features::names(), lacking });
        }
        let engine = Engine::new(&config(limits)?).map_err(settings)?;
        let linker = linker::build(&engine).map_err(settings)?;
        Ok(Self { engine, linker, limits: limits.clone() })
    }

    /// Everything about the engine that two nodes must share to compute the same, as one hash. It is part of the
    /// cluster's configuration; a node with another one is refused, and so is a log recorded with another one.
    #[must_use]
    pub fn fingerprint(limits: &Limits) -> Digest {
        Digest::of(Self::fingerprint_text(limits).as_bytes())
    }

    /// What [`WasmEngine::fingerprint`] is the hash of, one setting per line.
    #[must_use]
    pub fn fingerprint_text(limits: &Limits) -> String {
        let target = target().unwrap_or("none");
        let stack = limits.stack_bytes;
        let features = features::names();
        let mut text = format!("wasmtime {WASMTIME_VERSION}\ncompiler cranelift, speed\ntarget {target}, {features}\n");
        let settings = [
            "nan canonical",
            "relaxed-simd deterministic",
            "fuel off",
            "epochs off",
            "threads off",
            "multi-memory off",
            "exceptions on",
            "tail-call on",
        ];
        for setting in settings {
            let _ = writeln!(text, "{setting}");
        }
        let _ = write!(text, "stack {stack}\ntables {MAX_TABLE_ELEMENTS}\nbehaviour {}\n", behaviour::digest());
        text
    }

    /// Checks and compiles a guest. See [`ModuleError`] for what is refused.
    ///
    /// # Errors
    /// Why the module cannot be run, for the person who supplied it.
    pub fn compile(&self, wasm: &[u8]) -> Result<CompiledModule, ModuleError> {
        CompiledModule::new(self, wasm)
    }

    pub(crate) const fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(crate) const fn linker(&self) -> &Linker<Host> {
        &self.linker
    }

    pub(crate) const fn limits(&self) -> &Limits {
        &self.limits
    }
}

impl std::fmt::Debug for WasmEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WasmEngine").field("limits", &self.limits).finish_non_exhaustive()
    }
}

fn config(limits: &Limits) -> Result<Config, EngineError> {
    let settings = |error: wasmtime::Error| EngineError::Settings(format!("{error:#}"));
    let target = target().ok_or(EngineError::Platform { arch: std::env::consts::ARCH, os: std::env::consts::OS })?;
    let stack = limits.stack_bytes as usize;

    // All nodes, and a laptop that replays what a server recorded, run the same machine code.
    let mut config = features::config(target).map_err(settings)?;
    config.strategy(Strategy::Cranelift).cranelift_opt_level(OptLevel::Speed);
    config.cranelift_nan_canonicalization(true).relaxed_simd_deterministic(true);
    config.consume_fuel(false).epoch_interruption(false);
    config.max_wasm_stack(stack).async_stack_size(stack + HOST_STACK_BYTES);

    config.wasm_tail_call(true).wasm_exceptions(true);
    config.wasm_gc(false).wasm_function_references(false);
    config.wasm_memory64(false).wasm_multi_memory(false).wasm_custom_page_sizes(false);
    config.wasm_stack_switching(false).wasm_wide_arithmetic(false).wasm_shared_everything_threads(false);
    // Exceptions are objects of the engine's collected heap. This collector frees each one as soon as it is caught.
    config.collector(Collector::DeferredReferenceCounting);

    // A trap of a module with debug information names lines of its source. Only what people are told depends on it.
    config.wasm_backtrace_details(WasmBacktraceDetails::Enable);

    // Memory is reserved, not committed: an idle guest costs the pages that it has touched, and its initial contents
    // are mapped copy-on-write from one image per module.
    config.memory_init_cow(true);
    Ok(config)
}

/// The host's own target triple: the engine runs code of no other.
pub(crate) const fn target() -> Option<&'static str> {
    if cfg!(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu")) {
        Some("x86_64-unknown-linux-gnu")
    } else if cfg!(all(target_arch = "x86_64", target_os = "linux", target_env = "musl")) {
        Some("x86_64-unknown-linux-musl")
    } else if cfg!(all(target_arch = "aarch64", target_os = "linux", target_env = "gnu")) {
        Some("aarch64-unknown-linux-gnu")
    } else if cfg!(all(target_arch = "aarch64", target_os = "macos")) {
        Some("aarch64-apple-darwin")
    } else {
        None
    }
}

/// Whether an error of the engine is the operating system's doing (no memory, no room for another mapping), so that another node need not have
/// the same. Everything else that the engine says of a module follows from the module.
pub(crate) fn is_of_host(error: &wasmtime::Error) -> bool {
    let of_system = |cause: &(dyn std::error::Error + 'static)| {
        cause.is::<std::io::Error>() || cause.is::<wasmtime::OutOfMemory>() || is_errno(&cause.to_string())
    };
    error.is::<wasmtime::OutOfMemory>() || error.chain().any(of_system)
}

/// Whether a text is exactly what an error number is called: the engine's own type for one is not reachable from here.
fn is_errno(text: &str) -> bool {
    let Some((_, number)) = text.rsplit_once("os error ") else { return false };
    let Ok(number) = number.trim_end_matches(')').parse::<i32>() else { return false };
    text == std::io::Error::from_raw_os_error(number).to_string() || text == format!("os error {number}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_does_not_give_is_told_from_what_a_module_is() {
        let no_memory = || std::io::Error::from_raw_os_error(12);
        let of_system = wasmtime::Error::from(no_memory()).context("mmap failed to allocate 0x1000 bytes");
        assert!(is_of_host(&of_system));
        // As the engine has it: a type of its own that is shown in the same words.
        let shown = wasmtime::Error::msg(no_memory().to_string()).context("mmap failed to allocate 0x1000 bytes");
        assert!(is_of_host(&shown));
        for text in ["function 7 is too large", "unknown import `x` (os error 12)", "os error", "(os error twelve)"] {
            assert!(!is_of_host(&wasmtime::Error::msg(text).context("cannot be compiled")), "{text}");
        }
    }
}
