//! One process on Wasmtime: started, suspended in the middle of a system call, resumed there.
//!
//! Each guest has a stack of its own, which Wasmtime gives to any guest whose host functions may suspend. Here that
//! stack is one future that owns the guest's store, and this file is its whole executor: it polls the future, once, and
//! hands the kernel in and out through the `hatch`. There is no other thread, no timer and no waker; what makes a
//! guest ready is the kernel's business.

use crate::hatch::Hatch;
use crate::host::Host;
use crate::module::CompiledModule;
use crate::start_section::START_EXPORT;
use crate::trap;
use replicode_log::Pid;
use replicode_machine::{Guest, Pause};
use replicode_syscalls::Kernel;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use wasmtime::{Extern, Instance, Result, Store};

/// A process whose program is a WebAssembly module.
pub struct WasmGuest {
    /// `None` once it has ended: its memory and its stack go back to the host at that moment.
    stack: Option<Pin<Box<dyn Future<Output = Pause> + Send>>>,
    hatch: Hatch,
}

impl WasmGuest {
    /// A process that has not run yet. Its instance is made when it is first resumed.
    pub(crate) fn new(pid: Pid, module: Arc<CompiledModule>) -> Self {
        let hatch = Hatch::default();
        let stack = Box::pin(live(pid, module, hatch.clone()));
        Self { stack: Some(stack), hatch }
    }
}

impl Guest for WasmGuest {
    fn resume(&mut self, kernel: Box<Kernel>) -> (Box<Kernel>, Pause) {
        let Some(stack) = &mut self.stack else {
            return (kernel, Pause::Fault("a process that had ended was resumed".into()));
        };
        self.hatch.put(Some(kernel));
        loop {
            let poll = stack.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            match (poll, self.hatch.take()) {
                (Poll::Ready(pause), Some(kernel)) => {
                    self.stack = None;
                    return (kernel, pause);
                }
                (Poll::Pending, Some(kernel)) => return (kernel, Pause::Waiting),
                // The guest has the kernel, so it does not wait: Wasmtime pauses to be polite, in its collector of
                // exceptions for example. It goes on at once.
                (Poll::Pending, None) => {}
                // The end of `live` puts the kernel back.
                (Poll::Ready(_), None) => unreachable!("a guest ended and kept the kernel"),
            }
        }
    }
}

/// The life of a guest, from its instantiation to its end.
async fn live(pid: Pid, module: Arc<CompiledModule>, hatch: Hatch) -> Pause {
    let mut host = Host::new(pid, hatch.clone(), module.memory_bytes());
    host.kernel = hatch.take();
    let mut store = Store::new(module.engine(), host);
    store.limiter(|host| &mut host.cap);
    let result = run(&mut store, &module).await;
    hatch.put(store.data_mut().kernel.take());
    trap::ending(result, store.data_mut().cap.take_failure())
}

async fn run(store: &mut Store<Host>, module: &CompiledModule) -> Result<()> {
    let shim = module.shim().instantiate_async(&mut *store).await?;
    let imports: Vec<Extern> =
        module.shim_exports().iter().filter_map(|export| shim.get_module_export(&mut *store, export)).collect();
    let instance = Instance::new_async(&mut *store, module.module(), &imports).await?;
    store.data_mut().memory = instance.get_memory(&mut *store, "memory");
    for entry in [START_EXPORT, "_start"] {
        if let Ok(entry) = instance.get_typed_func::<(), ()>(&mut *store, entry) {
            entry.call_async(&mut *store, ()).await?;
        }
    }
    Ok(())
}
