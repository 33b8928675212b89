//! What a module says about itself, read without the engine: what it imports, its memory and stack, and which of
//! WebAssembly's proposals it uses.
//!
//! The engine refuses what is switched off in the words of a validator (`threads must be enabled`). Here stands what it
//! means for whoever built the module, and it is read even where the engine reads no further.

use crate::imports::{FoundImport, Signature};
use wasmparser::{
    BinaryReaderError, CompositeInnerType, DataKind, KnownCustom, Name, Operator, Parser, Payload, TypeRef, ValType,
};

/// Size of a page of memory (WebAssembly core specification, 4.2.8).
const PAGE: u64 = 64 << 10;

/// Which form of exceptions a module uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Exceptions {
    /// It neither throws nor catches.
    #[default]
    None,
    /// `try_table`, as the standard has it.
    Standard,
    /// `try` and `catch`, the form before the standard, which the engine does not have.
    Legacy,
}

/// A module's facts.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Its imports, in their order.
    pub imports: Vec<FoundImport>,
    /// How many memories it has, imported ones included.
    pub memories: u32,
    /// Bytes of memory that it starts with.
    pub memory: u64,
    /// Bytes of memory that it says it never goes beyond.
    pub memory_max: Option<u64>,
    /// A memory is shared between threads.
    pub shared: bool,
    /// A memory has 64-bit addresses.
    pub memory64: bool,
    /// It has types of the garbage collector: structures or arrays.
    pub gc: bool,
    /// Its exceptions.
    pub exceptions: Exceptions,
    /// Functions that use exceptions of the form before the standard.
    pub legacy_functions: u32,
    /// Bytes of the C stack, where it can be told: when it lies below all data, so that an overflow traps.
    pub stack: Option<u64>,
    /// Where the C stack begins, as the first changeable number of the module has it.
    pub stack_pointer: Option<u64>,
    /// It has a start section.
    pub start_section: bool,
    /// It exports `_start`: it is a program.
    pub program: bool,
    /// It has names of functions, which traps then show.
    pub names: bool,
    /// It has DWARF debug information.
    pub debug_info: bool,
    /// It is an object file, to be linked.
    pub object: bool,
    /// Functions of its own.
    pub functions: u32,
}

impl Facts {
    /// Reads them; of a damaged module, those before the damage. `code`: also those that stand in the functions' code.
    #[must_use]
    pub fn read(wasm: &[u8], code: bool) -> Self {
        let mut facts = Self::default();
        let (mut lowest, mut types) = (None, Vec::new());
        for payload in Parser::new(0).parse_all(wasm) {
            let Ok(payload) = payload else { break };
            if facts.payload(payload, code, &mut lowest, &mut types).is_err() {
                break;
            }
        }
        // Where data lies below, the stack grows into it, and its size stands nowhere.
        facts.stack = facts.stack_pointer.filter(|top| lowest.is_none_or(|lowest| lowest >= *top));
        facts
    }

    fn payload(
        &mut self,
        payload: Payload<'_>,
        code: bool,
        lowest_data: &mut Option<u64>,
        signatures: &mut Vec<Option<Signature>>,
    ) -> Result<(), BinaryReaderError> {
        match payload {
            Payload::TypeSection(types) => {
                for group in types {
                    for ty in group?.types() {
                        let inner = &ty.composite_type.inner;
                        self.gc |= matches!(inner, CompositeInnerType::Struct(_) | CompositeInnerType::Array(_));
                        let CompositeInnerType::Func(ty) = inner else {
                            signatures.push(None);
                            continue;
                        };
                        signatures.push(Some(Signature::of(ty)));
                    }
                }
            }
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    let import = import?;
                    let (signature, kind) = match import.ty {
                        TypeRef::Func(ty) | TypeRef::FuncExact(ty) => {
                            (signatures.get(ty as usize).cloned().flatten(), "function")
                        }
                        TypeRef::Memory(memory) => {
                            self.memory(&memory);
                            (None, "memory")
                        }
                        TypeRef::Table(_) => (None, "table"),
                        TypeRef::Global(_) => (None, "global"),
                        TypeRef::Tag(_) => (None, "tag"),
                    };
                    let (module, name) = (import.module.to_string(), import.name.to_string());
                    self.imports.push(FoundImport { module, name, signature, kind });
                }
            }
            Payload::MemorySection(memories) => {
                for memory in memories {
                    self.memory(&memory?);
                }
            }
            Payload::TagSection(_) if self.exceptions == Exceptions::None => self.exceptions = Exceptions::Standard,
            Payload::GlobalSection(globals) => {
                for global in globals {
                    let global = global?;
                    if self.stack_pointer.is_none() && global.ty.mutable && global.ty.content_type == ValType::I32 {
                        self.stack_pointer = constant(&global.init_expr)?.filter(|top| *top > 0);
                    }
                }
            }
            Payload::ExportSection(exports) => {
                for export in exports {
                    self.program |= export?.name == "_start";
                }
            }
            Payload::StartSection { .. } => self.start_section = true,
            Payload::DataSection(data) => {
                for segment in data {
                    if let DataKind::Active { offset_expr, .. } = segment?.kind
                        && let Some(at) = constant(&offset_expr)?
                    {
                        *lowest_data = Some(lowest_data.map_or(at, |lowest: u64| lowest.min(at)));
                    }
                }
            }
            Payload::CodeSectionStart { count, .. } => self.functions = count,
            Payload::CodeSectionEntry(body) if code => {
                let mut legacy = false;
                for operator in body.get_operators_reader()? {
                    match operator? {
                        Operator::Try { .. } | Operator::Rethrow { .. } | Operator::Delegate { .. } => legacy = true,
                        Operator::TryTable { .. } | Operator::Throw { .. } | Operator::ThrowRef
                            if self.exceptions == Exceptions::None =>
                        {
                            self.exceptions = Exceptions::Standard;
                        }
                        _ => {}
                    }
                }
                if legacy {
                    self.exceptions = Exceptions::Legacy;
                    self.legacy_functions += 1;
                }
            }
            Payload::CustomSection(section) => {
                self.debug_info |= section.name() == ".debug_info";
                self.object |= section.name() == "linking";
                if let KnownCustom::Name(names) = section.as_known() {
                    self.names |= names.into_iter().any(|name| matches!(name, Ok(Name::Function(_))));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn memory(&mut self, memory: &wasmparser::MemoryType) {
        if self.memories == 0 {
            let page = memory.page_size_log2.map_or(PAGE, |log2| 1_u64.checked_shl(log2).unwrap_or(PAGE));
            self.memory = memory.initial.saturating_mul(page);
            self.memory_max = memory.maximum.map(|pages| pages.saturating_mul(page));
        }
        self.memories += 1;
        self.shared |= memory.shared;
        self.memory64 |= memory.memory64;
    }

    /// What the module uses that no program here can, in the words of whoever built it; none when there is nothing.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        let wasix = self.imports.iter().map(|import| &import.module).find(|module| module.starts_with("wasix_"));
        let threads = self.shared || self.imports.iter().any(|import| import.module == "wasi");
        Some(if let Some(wasix) = wasix {
            format!(
                "this is a WASIX module (it imports '{wasix}'): replicode has WASI preview 1 and sockets of its own. \
                 build the program with {BUILDERS}"
            )
        } else if threads {
            "replicode has no threads yet; build without -pthread (in Rust: for wasm32-wasip1, not wasm32-wasip1-threads)"
                .to_string()
        } else if self.memory64 {
            "the module has a memory of 64-bit addresses (memory64), and replicode has 32-bit ones: build for wasm32, not \
             wasm64"
                .to_string()
        } else if self.gc {
            "the module has types of the garbage collector (WasmGC), which replicode has not: it runs programs of \
             languages that keep their data in memory, such as C, C++ and Rust"
                .to_string()
        } else if self.memories > 1 {
            format!(
                "the module has {} memories (multi-memory), and replicode has one per program: build without \
                 -mmulti-memory",
                self.memories
            )
        } else if self.exceptions == Exceptions::Legacy {
            format!(
                "{} of the module's functions use exceptions of the form before the standard: build with replicode-cc or \
                 replicode-c++, or with -mllvm -wasm-use-legacy-eh=false (C, C++), or \
                 RUSTFLAGS='-Cllvm-args=-wasm-use-legacy-eh=false' (Rust)",
                self.legacy_functions
            )
        } else {
            return None;
        })
    }
}

/// The commands that build a program for replicode.
pub const BUILDERS: &str = "replicode-cc or replicode-c++ (C, C++) or 'cargo replicode build' (Rust)";

/// The value of an expression that is one number.
fn constant(expr: &wasmparser::ConstExpr<'_>) -> Result<Option<u64>, BinaryReaderError> {
    Ok(match expr.get_operators_reader().read()? {
        Operator::I32Const { value } => Some(u64::from(value.cast_unsigned())),
        _ => None,
    })
}
