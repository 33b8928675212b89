//! The imports of a module, each judged: served, answered with an error always, or not offered.

use replicode_syscalls::abi::{self, Class, IMPORTS, Import};
use std::fmt;
use wasmparser::{FuncType, ValType};

/// A function's type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signature {
    params: Vec<ValType>,
    results: Vec<ValType>,
}

impl Signature {
    pub(crate) fn of(ty: &FuncType) -> Self {
        Self { params: ty.params().to_vec(), results: ty.results().to_vec() }
    }

    fn offered(import: &Import) -> Self {
        let wasm = |ty: abi::ValType| match ty {
            abi::ValType::I32 => ValType::I32,
            abi::ValType::I64 => ValType::I64,
        };
        Self {
            params: import.params.iter().map(|param| wasm(param.ty)).collect(),
            results: import.returns.types().iter().map(|ty| wasm(*ty)).collect(),
        }
    }
}

/// In the notation of WebAssembly's text format, as in `(i32, i64) -> i32`.
impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |types: &[ValType]| types.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let results = if self.results.is_empty() { "()".to_string() } else { list(&self.results) };
        write!(f, "({}) -> {results}", list(&self.params))
    }
}

/// An import as a module asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundImport {
    /// The wasm module name.
    pub module: String,
    /// The wasm field name.
    pub name: String,
    /// Its type, if it is a function.
    pub signature: Option<Signature>,
    /// `function`, `memory`, `table`, `global` or `tag`.
    pub kind: &'static str,
}

/// `module.name: type`.
impl fmt::Display for FoundImport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}: ", self.module, self.name)?;
        match &self.signature {
            Some(signature) => signature.fmt(f),
            None => f.write_str(self.kind),
        }
    }
}

/// What is to be said about an import.
#[derive(Clone, Debug)]
pub enum Judgement {
    /// It is offered.
    Served(&'static Import),
    /// It is offered, and answers an error always; the table's note says which, and why.
    Refused(&'static Import),
    /// It is not offered: why.
    Unknown(String),
}

impl FoundImport {
    /// Judges it.
    #[must_use]
    pub fn judge(&self) -> Judgement {
        let Some(wanted) = &self.signature else {
            return Judgement::Unknown("only functions can be imported".into());
        };
        let Some(known) = abi::import(&self.module, &self.name) else {
            return Judgement::Unknown(match IMPORTS.iter().any(|known| known.module == self.module) {
                true => format!("'{}' has no such function", self.module),
                false => format!("there is no module '{}'", self.module),
            });
        };
        let offered = Signature::offered(known);
        if *wanted != offered {
            return Judgement::Unknown(format!("its type is {offered}"));
        }
        if known.class == Class::Refused { Judgement::Refused(known) } else { Judgement::Served(known) }
    }

    /// What whoever built the module can do about an import that is not offered.
    #[must_use]
    pub fn way_out(&self) -> &'static str {
        const OTHER: &str = "it is of another runtime: build the program with replicode-cc, or for wasm32-wasip1";
        match self.module.as_str() {
            _ if self.kind == "memory" => "link without --import-memory, and without -pthread",
            _ if self.kind == "table" => "link without --import-table",
            _ if self.kind != "function" => "a program brings its own: link it without -shared and -fPIC",
            "env" if self.name.contains("emscripten") => {
                "the program was built with Emscripten: build it with replicode-cc or replicode-c++"
            }
            "env" => {
                "no object or library had it when the program was linked, and the linker was told to let that pass \
                 (--allow-undefined): link without that, with replicode-cc, whose library has what POSIX declares"
            }
            "wasi_snapshot_preview1" if self.name.starts_with("sock_") => {
                "an extension of another runtime: build with replicode-cc, whose library has the socket calls, or with the \
                 crate replicode-guest"
            }
            "wasi_snapshot_preview1" => "it is not of WASI preview 1: build with replicode-cc, or for wasm32-wasip1",
            "wasi_unstable" => "the interface before preview 1: build with replicode-cc, or for wasm32-wasip1",
            "replicode_sock_v1" | "replicode_posix_v1" | "replicode_contract_v1" => {
                "the SDK and this replicode are of different versions"
            }
            "wbg" | "__wbindgen_placeholder__" | "__wbindgen_externref_xform__" => {
                "the module was made for browsers (wasm-bindgen): build for wasm32-wasip1, not wasm32-unknown-unknown"
            }
            "go" | "gojs" => "the module was made for JavaScript: build with GOOS=wasip1 GOARCH=wasm",
            "a" => "the program was built with Emscripten: build it with replicode-cc or replicode-c++",
            module if module.starts_with("wasi:") => {
                "an interface of components: build for WASI preview 1 (target wasm32-wasip1)"
            }
            _ => OTHER,
        }
    }
}
