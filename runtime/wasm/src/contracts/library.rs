//! Functions of libraries: a call crosses from one instance of the frame's store to another, with its gas and its stack.
//!
//! Counters belong to modules, so the caller's are carried over and back. A library has one instance in a frame, made when it is called
//! first; it is fresh in every frame like everything else.

use super::code::Compiled;
use super::lend::{Frame, Place, left, set};
use std::sync::Arc;
use wasmtime::{AsContextMut, Caller, Extern, Func, FuncType, Instance, Linker, ModuleExport, StoreContextMut, Val};

/// A library that is ready to be linked.
#[derive(Clone)]
pub(super) struct Library {
    pub(super) compiled: Arc<Compiled>,
    /// Its functions, by name.
    pub(super) functions: Vec<(String, FuncType, ModuleExport)>,
}

/// Puts a library's functions into a linker, under the name that the template has pinned it with.
pub(super) fn link(linker: &mut Linker<Frame>, module: &str, library: &Library) -> wasmtime::Result<()> {
    for (name, ty, export) in &library.functions {
        let (compiled, export) = (Arc::clone(&library.compiled), *export);
        let call = move |mut caller: Caller<'_, Frame>, args: &[Val], results: &mut [Val]| {
            call(caller.as_context_mut(), &compiled, &export, args, results)
        };
        linker.func_new(module, name, ty.clone(), call)?;
    }
    Ok(())
}

fn call(
    mut store: StoreContextMut<'_, Frame>,
    compiled: &Compiled,
    export: &ModuleExport,
    args: &[Val],
    results: &mut [Val],
) -> wasmtime::Result<()> {
    let caller = store.data().place;
    let (instance, place) = match store.data().libraries.iter().find(|(number, ..)| *number == compiled.number) {
        Some((_, instance, place)) => (*instance, *place),
        None => make(&mut store, compiled, caller)?,
    };
    let Some(function) = instance.get_module_export(&mut store, export).and_then(Extern::into_func) else {
        wasmtime::bail!("a function that was there is not there any more")
    };
    cross(&mut store, caller, place);
    // Where it traps the counters of the library say why, so its place stays.
    run(&mut store, function, args, results)?;
    carry(&mut store, place.gas, caller.gas);
    store.data_mut().place = caller;
    Ok(())
}

fn run(
    store: &mut StoreContextMut<'_, Frame>,
    function: Func,
    args: &[Val],
    results: &mut [Val],
) -> wasmtime::Result<()> {
    function.call(store, args, results)
}

/// The library gets what its caller has left.
fn cross(store: &mut StoreContextMut<'_, Frame>, from: Place, to: Place) {
    carry(store, from.gas, to.gas);
    if let (Some(from), Some(to)) = (from.stack, to.stack) {
        let left = from.get(&mut *store);
        set(store, to, left);
    }
    store.data_mut().place = to;
}

fn carry(store: &mut StoreContextMut<'_, Frame>, from: Option<wasmtime::Global>, to: Option<wasmtime::Global>) {
    if let (Some(from), Some(to)) = (from, to) {
        let left = from.get(&mut *store);
        set(store, to, left);
    }
}

/// The library's instance in this frame, paid for.
fn make(
    store: &mut StoreContextMut<'_, Frame>,
    compiled: &Compiled,
    caller: Place,
) -> wasmtime::Result<(Instance, Place)> {
    if let Some(gas) = caller.gas {
        let enough = left(store, gas).checked_sub(compiled.instance_gas);
        let counter = enough.map_or(replicode_transform::OUT_OF_GAS, |left| i64::try_from(left).unwrap_or(i64::MAX));
        set(store, gas, Val::I64(counter));
        if enough.is_none() {
            return Err(wasmtime::Trap::UnreachableCodeReached.into());
        }
    }
    let (instance, place) = compiled.instantiate(store.as_context_mut())?;
    store.data_mut().libraries.push((compiled.number, instance, place));
    Ok((instance, place))
}
