//! Templates to code: transformed, compiled once, kept by the template's hash.

use super::code::{Compiled, WasmCode};
use super::engine::ContractEngine;
use super::library::{self, Library};
use crate::engine::is_of_host;
use crate::functions::in_log::LogFunctions;
use replicode_contracts::abi::host::LIBRARY;
use replicode_contracts::functions::Functions;
use replicode_contracts::hash::Hash;
use replicode_contracts::receipt::Trap;
use replicode_contracts::run::{Code, Entry, Halt, Host, Loaded, Loader, Unloaded};
use replicode_contracts::template::{Class, FixedPrice, Kind, Template};
use replicode_transform::{CodeClass, HostFunction, Rate, Settings, Transformed, Value, Wish};
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use wasmtime::{ExternType, FuncType, Module, ModuleExport, ValType};

/// Loads contracts and libraries for one engine. Shared by all threads that run contracts.
#[derive(Debug)]
pub struct ContractLoader {
    engine: ContractEngine,
    functions: LogFunctions,
    kept: RwLock<BTreeMap<Hash, Kept>>,
}

#[derive(Clone)]
struct Kept {
    loaded: Arc<Loaded>,
    /// What can be linked, of a library.
    library: Option<Library>,
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kept").field("hash", &self.loaded.hash).finish_non_exhaustive()
    }
}

impl ContractLoader {
    /// A loader that has nothing at hand.
    #[must_use]
    pub const fn new(engine: ContractEngine) -> Self {
        Self { functions: LogFunctions::new(engine.threads), engine, kept: RwLock::new(BTreeMap::new()) }
    }

    /// How many templates are at hand.
    #[must_use]
    pub fn len(&self) -> usize {
        self.kept.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn kept(&self, template: &Hash) -> Option<Kept> {
        // Poison would mean a panic of the map itself; what is in it is whole.
        self.kept.read().unwrap_or_else(PoisonError::into_inner).get(template).cloned()
    }

    /// The module as it is run, or everything that stands against it.
    ///
    /// # Errors
    /// Every reason, a line each. A function of template, libraries and settings.
    pub fn transformed(&self, template: &Template) -> Result<Transformed, String> {
        let libraries = self.libraries(template)?;
        let (settings, wish) = self.wish(template, &libraries);
        let mut wrong = Vec::new();
        let transformed = match replicode_transform::transform(&template.code, &settings, &wish) {
            Ok(transformed) => transformed,
            Err(error) => return Err(error.to_string()),
        };
        for function in &template.abi.functions {
            if !transformed.functions.iter().any(|export| export.name == function.name) {
                wrong.push(format!("the module does not export the function {:?} of its document", function.name));
            }
        }
        wrong.extend(wrong_prices(template, &transformed));
        if wrong.is_empty() { Ok(transformed) } else { Err(wrong.join("\n")) }
    }

    fn libraries(&self, template: &Template) -> Result<Vec<(String, Library)>, String> {
        let mut libraries = Vec::new();
        for pin in &template.libraries {
            let Some(kept) = self.kept(&pin.hash) else {
                return Err(format!("the library {} with hash {} is not at hand", pin.name, pin.hash));
            };
            let Some(library) = kept.library else {
                return Err(format!("{} with hash {} is a contract and no library", pin.name, pin.hash));
            };
            libraries.push((format!("{LIBRARY}{}", pin.name), library));
        }
        Ok(libraries)
    }

    fn wish(&self, template: &Template, libraries: &[(String, Library)]) -> (Settings, Wish) {
        let class = match template.class {
            Class::Metered => CodeClass::Metered,
            Class::Fixed(_) => CodeClass::Fixed,
        };
        let mut settings = self.engine.settings.transform(class);
        for (module, library) in libraries {
            for (name, ty, _) in &library.functions {
                settings.host.insert((module.clone(), name.clone()), host_function(ty));
            }
        }
        (settings, Wish { class, memory_bytes: template.memory.into() })
    }

    fn make(&self, hash: &Hash, template: Template) -> Result<Kept, Unloaded> {
        let layout = template.layout.to_storage().map_err(|wrong| lines(&wrong))?;
        let is_library = template.header.kind == Kind::Library;
        if is_library && template.class != Class::Metered {
            return Err("a library is of class metered: who calls it may be of another price".to_string().into());
        }
        let transformed = self.transformed(&template)?;
        let mut linker = self.engine.linker.clone();
        for (module, library) in self.libraries(&template)? {
            library::link(&mut linker, &module, &library).map_err(|error| format!("{error:#}"))?;
        }
        let stack = self.engine.settings.bounds.stack_bytes;
        let (compiled, module) = Compiled::new(&self.engine.engine, &linker, &transformed, stack).map_err(|error| {
            let why = format!("the module cannot be compiled: {error:#}");
            if is_of_host(&error) { Unloaded::Host(why) } else { Unloaded::Refused(why) }
        })?;
        if is_library {
            let library = Library { compiled: Arc::new(compiled), functions: functions(&module) };
            let loaded = Arc::new(Loaded { hash: *hash, template, layout, code: Arc::new(NoEntry) });
            return Ok(Kept { loaded, library: Some(library) });
        }
        let mut entries = BTreeMap::new();
        let mut wrong = Vec::new();
        for function in &template.abi.functions {
            let plain = matches!(module.get_export(&function.name), Some(ExternType::Func(ty))
                if ty.params().len() == 0 && ty.results().len() == 0);
            match module.get_export_index(&function.name).filter(|_| plain) {
                Some(export) => drop(entries.insert(function.name.clone(), export)),
                None => wrong.push(format!(
                    "the function {:?} has parameters or results: arguments are read with input, results set with output",
                    function.name
                )),
            }
        }
        if !wrong.is_empty() {
            return Err(wrong.join("\n").into());
        }
        let code = WasmCode { engine: self.engine.engine.clone(), compiled, entries };
        let loaded = Arc::new(Loaded { hash: *hash, template, layout, code: Arc::new(code) });
        Ok(Kept { loaded, library: None })
    }
}

impl Loader for ContractLoader {
    fn at_hand(&self, template: &Hash) -> Option<Arc<Loaded>> {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        kept.get(template).map(|kept| Arc::clone(&kept.loaded))
    }

    fn load(&self, hash: &Hash, template: Template) -> Result<Arc<Loaded>, Unloaded> {
        if let Some(loaded) = self.at_hand(hash) {
            return Ok(loaded);
        }
        let kept = self.make(hash, template)?;
        // Two threads may have made the same: the first one stays.
        let mut all = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        Ok(Arc::clone(&all.entry(*hash).or_insert(kept).loaded))
    }

    fn functions(&self) -> Option<&dyn Functions> {
        Some(&self.functions)
    }
}

/// A library has no functions that are called from outside.
struct NoEntry;

impl Code for NoEntry {
    fn run(&self, _: Entry<'_>, host: &mut dyn Host) -> Result<Vec<u8>, Halt> {
        Err(host.trap(Trap::Host))
    }
}

fn lines<T: ToString>(wrong: &[T]) -> String {
    wrong.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Functions of the fixed class whose declared price is not the one that is proven.
fn wrong_prices(template: &Template, transformed: &Transformed) -> Vec<String> {
    let Class::Fixed(prices) = &template.class else { return Vec::new() };
    let proven = |price: &FixedPrice| {
        let export = transformed.functions.iter().find(|export| export.name == price.function)?;
        export.gas.map(|gas| gas.saturating_add(transformed.instance_gas))
    };
    let wrong = prices.iter().filter_map(|price| match proven(price) {
        Some(gas) if gas != price.gas => {
            Some(format!("{:?} burns {gas}, and the template says {}", price.function, price.gas))
        }
        _ => None,
    });
    wrong.collect()
}

/// The functions that a library offers.
fn functions(module: &Module) -> Vec<(String, FuncType, ModuleExport)> {
    let functions = module.exports().filter_map(|export| match export.ty() {
        ExternType::Func(ty) if can_cross(&ty) => {
            Some((export.name().to_string(), ty, module.get_export_index(export.name())?))
        }
        _ => None,
    });
    functions.collect()
}

/// References stay within a module.
fn can_cross(ty: &FuncType) -> bool {
    let number = |ty: ValType| matches!(ty, ValType::I32 | ValType::I64 | ValType::F32 | ValType::F64 | ValType::V128);
    ty.params().all(number) && ty.results().all(number)
}

/// A library's function as the transform takes it: its own price is charged by the library itself.
fn host_function(ty: &FuncType) -> HostFunction {
    let value = |ty: ValType| match ty {
        ValType::I32 => Value::I32,
        ValType::I64 => Value::I64,
        ValType::F32 => Value::F32,
        ValType::F64 => Value::F64,
        _ => Value::V128,
    };
    HostFunction {
        params: ty.params().map(value).collect(),
        results: ty.results().map(value).collect(),
        price: Rate::new(CROSSING, 0, 0),
        open_ended: true,
    }
}

/// Gas of a call from one module to another.
const CROSSING: u32 = 100;
