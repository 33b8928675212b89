//! Contracts as the wasm modules that were built of them, on an interpreter. Instructions cost nothing here either, so that what the host
//! charges is all in both.

use replicode_contracts::abi::host::{self, Answer, Context, FrameState};
use replicode_contracts::receipt::Trap;
use replicode_contracts::run::{Code, Entry, Halt, Host};
use scoped_tls_hkt::scoped_thread_local;
use std::path::Path;
use wasmi::errors::HostError;
use wasmi::{Caller, Engine, Error, Extern, Linker, Module, Store};

scoped_thread_local!(static mut LENT: for<'a> &'a mut dyn Host);

#[derive(Default)]
struct Frame {
    state: FrameState,
    halt: Option<Halt>,
}

/// The host has ended the frame.
#[derive(Debug)]
struct Ended;

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the frame has ended")
    }
}

impl HostError for Ended {}

/// A module that is ready to run.
pub(crate) struct InModule {
    module: Module,
    linker: Linker<Frame>,
    /// What it is linked with, by the name that it imports.
    libraries: Vec<(String, Module)>,
}

/// The module of a contract or library in a folder.
fn read(engine: &Engine, folder: &Path, name: &str) -> Result<Module, String> {
    let path = folder.join(format!("contract_{name}.wasm"));
    let failed = |error: String| format!("the module {} cannot be used: {error}", path.display());
    let bytes = std::fs::read(&path).map_err(|error| failed(error.to_string()))?;
    Module::new(engine, bytes).map_err(|error| failed(error.to_string()))
}

impl InModule {
    /// The contract of this name, with the libraries that it imports.
    ///
    /// # Errors
    /// What is missing or wrong.
    pub(crate) fn new(folder: &Path, name: &str) -> Result<Self, String> {
        let engine = Engine::default();
        let module = read(&engine, folder, name)?;
        let mut libraries: Vec<(String, Module)> = Vec::new();
        for import in module.imports() {
            let of = import.module();
            if let Some(name) = of.strip_prefix(host::LIBRARY)
                && libraries.iter().all(|(known, _)| known != of)
            {
                libraries.push((of.to_string(), read(&engine, folder, name)?));
            }
        }
        Ok(Self { module, linker: linker(&engine)?, libraries })
    }

    fn call(&self, store: &mut Store<Frame>, function: &str, host: &mut dyn Host) -> Result<(), Error> {
        let mut linker = self.linker.clone();
        for (name, library) in &self.libraries {
            // An instance of its own in each frame, with a memory of its own.
            let instance = self.linker.instantiate_and_start(&mut *store, library)?;
            for export in library.exports() {
                if let Some(function) = instance.get_func(&*store, export.name()) {
                    linker.define(name, export.name(), function)?;
                }
            }
        }
        let instance = linker.instantiate_and_start(&mut *store, &self.module)?;
        let function = instance.get_typed_func::<(), ()>(&*store, function)?;
        LENT.set(host, || function.call(store, ()))
    }
}

impl Code for InModule {
    fn run(&self, entry: Entry<'_>, host: &mut dyn Host) -> Result<Vec<u8>, Halt> {
        let mut frame = Frame::default();
        frame.state.begin(host, entry.arguments);
        let mut store = Store::new(self.module.engine(), frame);
        let result = self.call(&mut store, entry.function, host);
        match (store.data_mut().halt.take(), result) {
            (Some(halt), _) => Err(halt),
            (None, Ok(())) => Ok(store.data_mut().state.end()),
            (None, Err(_)) => Err(host.trap(Trap::Unreachable)),
        }
    }
}

macro_rules! rows {
    ([$linker:ident] $($group:ident { $( $(#[doc = $doc:literal])+ $name:ident ( $($param:ident : $ty:ty),* )
        ( $($result:ident)? ) = $price:tt $charge:ident $(($bytes:literal))? ; )* })*) => {
        $($(
            $linker
                .func_wrap(host::MODULE, stringify!($name), |caller: Caller<'_, Frame> $(, $param: $ty)*| {
                    enter(caller, |cx| host::$group::$name(cx $(, $param)*))
                })
                .map_err(|error| error.to_string())?;
        )*)*
    };
}

fn linker(engine: &Engine) -> Result<Linker<Frame>, String> {
    let mut linker = Linker::new(engine);
    replicode_contracts::for_each_host_function!(rows, linker);
    Ok(linker)
}

fn enter<R>(mut caller: Caller<'_, Frame>, act: impl FnOnce(&mut Context<'_>) -> Answer<R>) -> Result<R, Error> {
    LENT.with(|host| {
        // That of the module which has called: a contract, or a library.
        let answer = match caller.get_export("memory").and_then(Extern::into_memory) {
            Some(memory) => {
                let (memory, frame) = memory.data_and_store_mut(&mut caller);
                act(&mut Context { memory, frame: &mut frame.state, host: &mut *host })
            }
            None => act(&mut Context { memory: &mut [], frame: &mut caller.data_mut().state, host: &mut *host }),
        };
        answer.map_err(|halt| {
            caller.data_mut().halt = Some(halt);
            Error::host(Ended)
        })
    })
}
