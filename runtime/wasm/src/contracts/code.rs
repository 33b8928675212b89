//! The code of one template, and how a frame of it runs.

use super::lend::{Frame, Place, lend, set, settle_out};
use super::{bench, ending};
use replicode_contracts::receipt::{GasKind, Trap};
use replicode_contracts::run::{Code, Entry, Halt, Host};
use replicode_transform::{CodeClass, GAS, STACK, Transformed};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use wasmtime::{
    AsContextMut, Engine, Extern, Instance, InstancePre, Linker, Module, ModuleExport, Store, StoreContextMut, Val,
};

/// Bytes of native stack that have to be left when a frame begins, its wasm functions and host functions included.
const STACK_NEEDED: usize = super::settings::NATIVE_STACK_BYTES + (256 << 10);
/// Bytes of the piece that is added where there are fewer: room for some frames.
const STACK_PIECE: usize = 8 << 20;

/// The name under which a module exports the memory that host functions reach.
pub(super) const MEMORY: &str = "memory";

/// A compiled module of a template: a contract's or a library's.
pub(super) struct Compiled {
    /// Different for each that this process has compiled.
    pub(super) number: u64,
    pre: InstancePre<Frame>,
    memory: Option<ModuleExport>,
    gas: Option<ModuleExport>,
    stack: Option<ModuleExport>,
    /// Charged before an instance is made.
    pub(super) instance_gas: u64,
    pub(super) memory_bytes: u64,
    /// Bytes of stack of a frame.
    stack_bytes: i32,
}

static NUMBERS: AtomicU64 = AtomicU64::new(0);

impl Compiled {
    /// Compiles what the transform has made, with what the linker offers.
    pub(super) fn new(
        engine: &Engine,
        linker: &Linker<Frame>,
        transformed: &Transformed,
        stack_bytes: u32,
    ) -> wasmtime::Result<(Self, Module)> {
        let module = Module::new(engine, &transformed.wasm)?;
        let compiled = Self {
            number: NUMBERS.fetch_add(1, Ordering::Relaxed),
            pre: linker.instantiate_pre(&module)?,
            memory: module.get_export_index(MEMORY),
            gas: module.get_export_index(GAS),
            stack: module.get_export_index(STACK),
            instance_gas: match transformed.class {
                CodeClass::Metered => transformed.instance_gas,
                // It is in the price of each function.
                CodeClass::Fixed => 0,
            },
            memory_bytes: transformed.memory_bytes.1,
            stack_bytes: i32::try_from(stack_bytes).unwrap_or(i32::MAX),
        };
        Ok((compiled, module))
    }

    /// A fresh instance, and where host functions find its memory and counters.
    pub(super) fn instantiate(&self, mut store: StoreContextMut<'_, Frame>) -> wasmtime::Result<(Instance, Place)> {
        let instance = self.pre.instantiate(&mut store)?;
        let mut export = |export: &Option<ModuleExport>| instance.get_module_export(&mut store, export.as_ref()?);
        let place = Place {
            memory: export(&self.memory).and_then(Extern::into_memory),
            gas: export(&self.gas).and_then(Extern::into_global),
            stack: export(&self.stack).and_then(Extern::into_global),
        };
        Ok((instance, place))
    }
}

/// Whether a failed instantiation is for want of a place in the pools.
fn is_full(error: &wasmtime::Error) -> bool {
    error.is::<wasmtime::PoolConcurrencyLimitError>()
}

/// The code of a contract.
pub(super) struct WasmCode {
    pub(super) engine: Engine,
    pub(super) compiled: Compiled,
    /// The document's functions.
    pub(super) entries: BTreeMap<String, ModuleExport>,
}

impl Code for WasmCode {
    fn run(&self, entry: Entry<'_>, host: &mut dyn Host) -> Result<Vec<u8>, Halt> {
        let Some(export) = self.entries.get(entry.function) else { return Err(host.trap(Trap::Host)) };
        host.charge(GasKind::Compute, self.compiled.instance_gas)?;
        stacker::maybe_grow(STACK_NEEDED, STACK_PIECE, || {
            bench::with(&self.engine, self.compiled.memory_bytes, |store| {
                store.data_mut().begin(host, entry.arguments, self.compiled.memory_bytes);
                let result = self.call(store, host, export);
                let instances = 1 + store.data().libraries.len() as u32;
                (ending::of(store, host, result), instances)
            })
        })
    }
}

impl WasmCode {
    fn call(&self, store: &mut Store<Frame>, host: &mut dyn Host, export: &ModuleExport) -> wasmtime::Result<()> {
        let made = self.compiled.instantiate(store.as_context_mut());
        let (instance, place) = match made {
            Err(error) if is_full(&error) => {
                bench::flush();
                self.compiled.instantiate(store.as_context_mut())?
            }
            made => made?,
        };
        store.data_mut().place = place;
        settle_out(store.as_context_mut(), host);
        if let Some(stack) = place.stack {
            set(&mut store.as_context_mut(), stack, Val::I32(self.compiled.stack_bytes));
        }
        let function = instance.get_module_export(&mut *store, export).and_then(Extern::into_func);
        let Some(function) = function else { wasmtime::bail!("a function that was there is not there any more") };
        let function = function.typed::<(), ()>(&*store)?;
        lend(host, || function.call(store, ()))
    }
}
