//! Accepts or refuses a module, before anything of it runs.
//!
//! What is refused is refused with everything that is wrong with its imports at once, so that a program is ported in
//! one round and not in one round per function.

use crate::WasmEngine;
use crate::engine::MAX_TABLE_ELEMENTS;
use crate::facts::Facts;
use crate::host::Host;
use crate::imports::Judgement;
use crate::{nature, shim, start_section};
use replicode_log::Digest;
use replicode_syscalls::abi::Import;
use std::borrow::Cow;
use std::fmt;
use wasmtime::{Engine, ExternType, FuncType, InstancePre, Module, ModuleExport};

/// An import that the host does not offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadImport {
    /// The import as the module asks for it: `module.name: type`.
    pub wanted: String,
    /// What is wrong with it.
    pub why: String,
    /// What to do about it.
    pub way_out: &'static str,
}

impl fmt::Display for BadImport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  {}: {}", self.wanted, self.why)
    }
}

/// Why a module cannot be run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModuleError {
    /// Larger than the cell's limit.
    #[error("the module has {len} bytes, more than the limit 'module_bytes' of {max}: raise it when the cell is made")]
    TooLarge {
        /// Its length.
        len: usize,
        /// The limit.
        max: u64,
    },
    /// Not WebAssembly at all.
    #[error("this is not a WebAssembly module: {0}")]
    NotWasm(String),
    /// A component, not a core module.
    #[error("{0}")]
    Component(String),
    /// It uses what no program here can: threads, for example.
    #[error("{0}")]
    NotOffered(String),
    /// An object file, which has not been linked.
    #[error("this is an object file, to be linked with others: link it with replicode-cc")]
    Object,
    /// Cut short, malformed, or using a proposal that is switched off.
    #[error("the module is cut short, malformed, or uses what replicode does not offer: {0}")]
    Invalid(String),
    /// Imports that the host does not offer, all of them.
    #[error("the module asks for {} that replicode does not offer:\n{}", imports(.0.len()), lines(.0))]
    Imports(Vec<BadImport>),
    /// No entry point.
    #[error("the module exports no function '_start': build a program, not a library{}", hint(.reactor))]
    NoStart {
        /// Whether it exports `_initialize`, as a library with state ("reactor") does.
        reactor: bool,
    },
    /// The entry point takes or gives something.
    #[error("the module's '_start' has type {0}: it must take nothing and return nothing")]
    StartType(String),
    /// No memory to exchange data through.
    #[error("the module exports no memory named 'memory': system calls need it")]
    NoMemory,
    /// The memory that the module starts with is larger than the limit.
    #[error(
        "the module starts with {wanted} bytes of memory, more than the limit 'memory_bytes' of {max}: raise it when \
         the cell is made"
    )]
    MemoryTooLarge {
        /// What it starts with.
        wanted: u64,
        /// The limit.
        max: u64,
    },
    /// The tables that the module starts with are larger than the engine allows.
    #[error("the module starts with {wanted} table elements, more than the {max} allowed")]
    TablesTooLarge {
        /// What it starts with.
        wanted: u64,
        /// The bound.
        max: usize,
    },
}

fn imports(n: usize) -> String {
    if n == 1 { "an import".into() } else { format!("{n} imports") }
}

/// One line for each, and each way out once, after the last line that it is for.
fn lines(bad: &[BadImport]) -> String {
    let mut lines = String::new();
    for (n, import) in bad.iter().enumerate() {
        lines.push_str(&format!("{import}\n"));
        if !bad[n + 1..].iter().any(|later| later.way_out == import.way_out) {
            lines.push_str(&format!("    {}\n", import.way_out));
        }
    }
    lines.truncate(lines.trim_end().len());
    lines
}

const fn hint(reactor: &bool) -> &'static str {
    if *reactor { " (it exports '_initialize': link it without -mexec-model=reactor)" } else { "" }
}

/// The module of the imports that call contracts.
const CONTRACTS: &str = "replicode_contract_v1";

/// A module that has been checked and compiled, with the shim for its imports.
pub struct CompiledModule {
    digest: Digest,
    module: Module,
    shim: InstancePre<Host>,
    /// The shim's exports, in the order of the module's imports.
    shim_exports: Vec<ModuleExport>,
    memory_bytes: u64,
    calls_contracts: bool,
}

impl CompiledModule {
    pub(crate) fn new(engine: &WasmEngine, wasm: &[u8]) -> Result<Self, ModuleError> {
        let limits = engine.limits();
        check_header(wasm, limits.module_bytes)?;
        let digest = Digest::of(wasm);
        let facts = Facts::read(wasm, false);
        if let Some(why) = facts.refusal() {
            return Err(ModuleError::NotOffered(why));
        }
        let whole = wasm;
        let wasm = start_section::export_start(wasm).map_or(Cow::Borrowed(wasm), Cow::Owned);
        let invalid = |error: wasmtime::Error| ModuleError::Invalid(format!("{error:#}"));
        // What stands in the code is looked at only when the engine does not take it.
        let refused =
            |error| Facts::read(whole, true).refusal().map_or_else(|| invalid(error), ModuleError::NotOffered);
        let module = Module::from_binary(engine.engine(), &wasm).map_err(refused)?;

        let imports = check_imports(&facts)?;
        check_exports(&module, &facts)?;
        check_size(&module, limits.memory_bytes)?;

        let shim = Module::new(engine.engine(), shim::text(&imports)).map_err(invalid)?;
        let shim_exports = (0..imports.len()).filter_map(|i| shim.get_export_index(&i.to_string())).collect();
        let shim = engine.linker().instantiate_pre(&shim).map_err(invalid)?;
        let calls_contracts = imports.iter().any(|import| import.module == CONTRACTS);
        Ok(Self { digest, module, shim, shim_exports, memory_bytes: limits.memory_bytes, calls_contracts })
    }

    /// Content hash of the wasm file.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// Whether it imports functions that call the cell's contracts.
    #[must_use]
    pub const fn calls_contracts(&self) -> bool {
        self.calls_contracts
    }

    /// Bytes of machine code.
    #[must_use]
    pub fn code_bytes(&self) -> usize {
        self.module.text().len()
    }

    pub(crate) fn engine(&self) -> &Engine {
        self.module.engine()
    }

    pub(crate) const fn module(&self) -> &Module {
        &self.module
    }

    pub(crate) const fn shim(&self) -> &InstancePre<Host> {
        &self.shim
    }

    pub(crate) fn shim_exports(&self) -> &[ModuleExport] {
        &self.shim_exports
    }

    pub(crate) const fn memory_bytes(&self) -> u64 {
        self.memory_bytes
    }
}

impl fmt::Debug for CompiledModule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompiledModule").field("digest", &self.digest).finish_non_exhaustive()
    }
}

/// Size, magic number and version (WebAssembly core specification, 5.5.16).
fn check_header(wasm: &[u8], max: u64) -> Result<(), ModuleError> {
    if wasm.len() as u64 > max {
        return Err(ModuleError::TooLarge { len: wasm.len(), max });
    }
    if !wasm.starts_with(b"\0asm") {
        return Err(ModuleError::NotWasm(nature::of(wasm)));
    }
    // The upper half of the version is the layer: 0 for core modules, 1 for components.
    if wasm.get(6..8) == Some(&[1, 0]) {
        return Err(ModuleError::Component(nature::of_component(wasm)));
    }
    Ok(())
}

fn check_imports(facts: &Facts) -> Result<Vec<&'static Import>, ModuleError> {
    let mut found = Vec::new();
    let mut bad = Vec::new();
    for import in &facts.imports {
        match import.judge() {
            Judgement::Served(known) | Judgement::Refused(known) => found.push(known),
            Judgement::Unknown(why) => {
                bad.push(BadImport { wanted: import.to_string(), why, way_out: import.way_out() });
            }
        }
    }
    if bad.is_empty() { Ok(found) } else { Err(ModuleError::Imports(bad)) }
}

fn check_exports(module: &Module, facts: &Facts) -> Result<(), ModuleError> {
    match module.get_export("_start") {
        Some(ExternType::Func(ty)) if ty.params().len() == 0 && ty.results().len() == 0 => {}
        Some(ty) => return Err(ModuleError::StartType(describe(&ty))),
        None if facts.object => return Err(ModuleError::Object),
        None => return Err(ModuleError::NoStart { reactor: module.get_export("_initialize").is_some() }),
    }
    match module.get_export("memory") {
        Some(ExternType::Memory(_)) => Ok(()),
        _ => Err(ModuleError::NoMemory),
    }
}

/// What an instance starts with must be within the caps, or it could never be made.
fn check_size(module: &Module, memory_bytes: u64) -> Result<(), ModuleError> {
    const PAGE: u64 = 64 << 10;
    let required = module.resources_required();
    // Counted in pages for memories, in elements for tables: the largest one of each kind.
    let memory = required.max_initial_memory_size.unwrap_or(0).saturating_mul(PAGE);
    if memory > memory_bytes {
        return Err(ModuleError::MemoryTooLarge { wanted: memory, max: memory_bytes });
    }
    let tables = required.max_initial_table_size.unwrap_or(0).saturating_mul(u64::from(required.num_tables));
    if tables > MAX_TABLE_ELEMENTS as u64 {
        return Err(ModuleError::TablesTooLarge { wanted: tables, max: MAX_TABLE_ELEMENTS });
    }
    Ok(())
}

fn describe(ty: &ExternType) -> String {
    match ty {
        ExternType::Func(ty) => describe_func(ty),
        ExternType::Memory(_) => "memory".into(),
        ExternType::Table(_) => "table".into(),
        ExternType::Global(_) => "global".into(),
        ExternType::Tag(_) => "tag".into(),
    }
}

/// A function's type in the notation of WebAssembly's text format, as in `(i32, i64) -> i32`.
fn describe_func(ty: &FuncType) -> String {
    let list = |types: Vec<String>| types.join(", ");
    let params = list(ty.params().map(|ty| ty.to_string()).collect());
    match ty.results().len() {
        0 => format!("({params}) -> ()"),
        _ => format!("({params}) -> {}", list(ty.results().map(|ty| ty.to_string()).collect())),
    }
}
