//! Contracts as the wasm modules that were built of them, on an interpreter. Instructions cost nothing here either, so that what the host
//! charges is all in both.

use replicode_contracts::abi::host::{self, Answer, Context, FrameState};
use replicode_contracts::receipt::Trap;
use replicode_contracts::run::{Code, Entry, Halt, Host};
use scoped_tls_hkt::scoped_thread_local;
use wasmi::errors::HostError;
use wasmi::{Caller, Engine, Error, Linker, Memory, Module, Store};

scoped_thread_local!(static mut LENT: for<'a> &'a mut dyn Host);

#[derive(Default)]
struct Frame {
    state: FrameState,
    memory: Option<Memory>,
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
}

impl InModule {
    /// # Errors
    /// What is wrong with the bytes.
    pub(crate) fn new(bytes: &[u8]) -> Result<Self, String> {
        let engine = Engine::default();
        let module = Module::new(&engine, bytes).map_err(|error| error.to_string())?;
        Ok(Self { module, linker: linker(&engine)? })
    }

    fn call(&self, store: &mut Store<Frame>, function: &str, host: &mut dyn Host) -> Result<(), Error> {
        let instance = self.linker.instantiate_and_start(&mut *store, &self.module)?;
        store.data_mut().memory = instance.get_memory(&*store, "memory");
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
        let answer = match caller.data().memory {
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
