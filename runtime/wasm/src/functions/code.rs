//! One module: what it may import, and how it becomes code.

use super::engine::{FunctionEngine, Half, SMALL_BYTES};
use super::host::Host;
use super::link::{self, REFILL};
use super::run::Ctx;
use super::wasi::{self, Program, World};
use crate::engine::is_of_host;
use replicode_transform::{CodeClass, Error, GAS, STACK, Slices, Wish, transform_sliced};
use std::borrow::Cow;
use std::sync::Arc;
use wasmtime::{ExternType, InstancePre, Module, ModuleExport, ValType};

/// Why a module was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// It is no module, or one that is not run here.
    #[error("{0}")]
    Bad(String),
    /// It imports what is not there.
    #[error("{0}")]
    Import(String),
    /// It has no entry point.
    #[error("{0}")]
    Entry(String),
    /// The host could not do what it has to: nothing is said about the module.
    #[error("{0}")]
    Host(String),
}

/// A compiled module. Shared by all threads that run it.
pub struct FunctionCode<E: Host> {
    pub(super) half: Arc<Half<E>>,
    pub(super) pre: InstancePre<Ctx<E>>,
    pub(super) module: Module,
    pub(super) process: Option<ModuleExport>,
    pub(super) alloc: Option<ModuleExport>,
    pub(super) memory: Option<ModuleExport>,
    pub(super) gas: ModuleExport,
    pub(super) stack: ModuleExport,
    pub(super) instance_gas: u64,
    /// Bytes of the memory when an instance is made.
    pub(super) first_bytes: u64,
    /// Where input is put by default: behind what the module itself declares.
    pub(super) own_bytes: u64,
    pub(super) stack_bytes: i32,
    /// What is known of it if it is a program.
    pub(super) program: Option<Program>,
    imports: Vec<String>,
    stateful: bool,
    image_bytes: u64,
}

impl<E: Host> std::fmt::Debug for FunctionCode<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FunctionCode").field("imports", &self.imports).finish_non_exhaustive()
    }
}

/// The name of the export that is called unless an execution asks for another.
pub const ENTRY: &str = "process";

impl<E: Host> FunctionCode<E> {
    pub(super) fn new(engine: &FunctionEngine<E>, wasm: &[u8], world: Option<&World>) -> Result<Self, LoadError> {
        let whole = wasm;
        let wasm = match world {
            None => Cow::Borrowed(wasm),
            // A call made while the instance is made would find no memory.
            Some(_) => crate::start_section::export_start(wasm).map_or(Cow::Borrowed(wasm), Cow::Owned),
        };
        let wasm = wasm.as_ref();
        let table = if world.is_some() { wasi::table() } else { link::table() };
        let settings = engine.settings.transform(table);
        let memory_bytes = engine.settings.memory_bytes >> 16 << 16;
        let wish = Wish { class: CodeClass::Metered, memory_bytes };
        let (has_alloc, own_bytes) = facts(wasm);
        // Input has to go somewhere. A memory that grows for each execution would cost two calls of the operating system.
        let more_pages = u64::from(!has_alloc && world.is_none());
        let transformed = transform_sliced(wasm, &settings, &wish, Slices { refill: REFILL, more_pages });
        let transformed = transformed.map_err(refused)?;
        let first_bytes = transformed.memory_bytes.0;
        let half = if first_bytes <= SMALL_BYTES { &engine.small } else { &engine.large };
        let bad = |error: wasmtime::Error| {
            let why = format!("the module cannot be compiled: {error:#}");
            if is_of_host(&error) { LoadError::Host(why) } else { LoadError::Bad(why) }
        };
        let module = Module::new(&half.engine, &transformed.wasm).map_err(bad)?;
        let pre = half.linker.instantiate_pre(&module).map_err(bad)?;
        let counter = |name| {
            let missing = || LoadError::Bad(format!("the module came out without its counter {name}"));
            module.get_export_index(name).ok_or_else(missing)
        };
        let typed = |name: &str, params: &[ValType]| {
            let Some(ExternType::Func(ty)) = module.get_export(name) else { return None };
            let same = |a: ValType, b: &ValType| ValType::eq(&a, b);
            let fits = ty.params().len() == params.len()
                && ty.params().zip(params).all(|(a, b)| same(a, b))
                && ty.results().len() == 1
                && ty.results().all(|result| same(result, &ValType::I32));
            module.get_export_index(name).filter(|_| fits)
        };
        let imports: Vec<String> = module
            .imports()
            .filter(|import| (import.module(), import.name()) != REFILL)
            .map(|import| format!("{}.{}", import.module(), import.name()))
            .collect();
        let memory = module.get_export(super::link::MEMORY).and_then(|export| match export {
            ExternType::Memory(_) => module.get_export_index(super::link::MEMORY),
            _ => None,
        });
        let image = module.image_range();
        let program = |world: &World| {
            if memory.is_none() {
                return Err(LoadError::Bad("the module exports no memory named 'memory': system calls need it".into()));
            }
            Program::new(whole, world, |name| match module.get_export(name) {
                Some(ExternType::Func(ty)) if ty.params().len() == 0 && ty.results().len() == 0 => {
                    module.get_export_index(name)
                }
                _ => None,
            })
        };
        let program = world.map(program).transpose()?;
        Ok(Self {
            program,
            process: typed(ENTRY, &[ValType::I32, ValType::I32]),
            alloc: typed("alloc", &[ValType::I32]),
            gas: counter(GAS)?,
            stack: counter(STACK)?,
            memory,
            instance_gas: transformed.instance_gas,
            first_bytes,
            own_bytes: own_bytes.min(first_bytes),
            stack_bytes: i32::try_from(engine.settings.stack_bytes).unwrap_or(i32::MAX),
            stateful: imports.iter().any(|import| link::touches_state(import)),
            imports,
            image_bytes: (image.end as usize).saturating_sub(image.start as usize) as u64,
            half: Arc::clone(half),
            pre,
            module,
        })
    }

    /// What it imports, as `module.name`.
    #[must_use]
    pub fn imports(&self) -> &[String] {
        &self.imports
    }

    /// Whether it exports [`ENTRY`].
    #[must_use]
    pub const fn has_entry(&self) -> bool {
        self.process.is_some()
    }

    /// Whether it may touch state, itself or through functions that it calls.
    #[must_use]
    pub const fn is_stateful(&self) -> bool {
        self.stateful
    }

    /// Bytes of machine code.
    #[must_use]
    pub const fn code_bytes(&self) -> u64 {
        self.image_bytes
    }

    /// Bytes of memory that an instance has at first.
    #[must_use]
    pub const fn memory_bytes(&self) -> u64 {
        self.first_bytes
    }

    /// Why it cannot be run by its standard entry point, if so.
    ///
    /// # Errors
    /// When there is none.
    pub fn check_entry(&self) -> Result<(), LoadError> {
        if self.has_entry() {
            return Ok(());
        }
        let functions: Vec<String> = self
            .module
            .exports()
            .filter(|export| matches!(export.ty(), ExternType::Func(_)))
            .map(|export| export.name().escape_default().to_string())
            .take(8)
            .collect();
        let found = if functions.is_empty() { "no function".to_string() } else { functions.join(", ") };
        Err(LoadError::Entry(format!(
            "the module exports no function 'process' of type (i32, i32) -> i32; it exports {found}"
        )))
    }
}

/// Whether a module exports `alloc`, and the bytes of the memory that it declares. Of what is no module, nothing.
fn facts(wasm: &[u8]) -> (bool, u64) {
    use wasmparser::Payload;
    let (mut alloc, mut bytes) = (false, 0);
    for payload in wasmparser::Parser::new(0).parse_all(wasm).map_while(Result::ok) {
        match payload {
            Payload::ExportSection(exports) => {
                alloc |= exports.into_iter().map_while(Result::ok).any(|export| export.name == "alloc");
            }
            Payload::MemorySection(memories) => {
                let first = memories.into_iter().map_while(Result::ok).next();
                bytes = first.map_or(0, |memory| memory.initial.saturating_mul(1 << 16));
            }
            _ => {}
        }
    }
    (alloc, bytes)
}

fn refused(error: Error) -> LoadError {
    use replicode_transform::Complaint;
    match error {
        Error::Refused(verdict) => {
            let import = |complaint: &Complaint| {
                matches!(
                    complaint,
                    Complaint::UnknownImport { .. } | Complaint::ImportKind { .. } | Complaint::ImportType { .. }
                )
            };
            let text = verdict.to_string();
            if !verdict.complaints.is_empty() && verdict.complaints.iter().all(import) {
                LoadError::Import(text)
            } else {
                LoadError::Bad(text)
            }
        }
        other => LoadError::Bad(other.to_string()),
    }
}
