//! What a running guest's store holds, and the one path from a guest's call into the kernel.

use crate::cap::GrowthCap;
use crate::hatch::Hatch;
use crate::trap::{Exit, HostFault};
use replicode_log::Pid;
use replicode_syscalls::{Call, Kernel, Step};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use wasmtime::{Caller, Memory, Result};

/// What a host function answers the shim when the guest must be suspended. No call of either interface gives it: WASI
/// error numbers are small, and socket calls answer counts from 0 or negated error numbers.
pub const WAIT: i32 = i32::MIN;

/// State of one guest's store.
pub struct Host {
    pub(crate) pid: Pid,
    /// Here while the guest runs; in the hatch while it is suspended.
    pub(crate) kernel: Option<Box<Kernel>>,
    /// The guest's memory, looked up once.
    pub(crate) memory: Option<Memory>,
    pub(crate) hatch: Hatch,
    pub(crate) cap: GrowthCap,
}

impl Host {
    pub(crate) fn new(pid: Pid, hatch: Hatch, memory_bytes: u64) -> Self {
        Self { pid, kernel: None, memory: None, hatch, cap: GrowthCap::new(memory_bytes) }
    }
}

/// A guest's call: into the kernel and back, on the guest's own stack, without an allocation.
#[inline]
pub fn enter(caller: &mut Caller<'_, Host>, call: Call) -> Result<i32> {
    let Some(memory) = caller.data().memory else {
        return Err(HostFault("a guest called the host before it had a memory".into()).into());
    };
    let (bytes, host) = memory.data_and_store_mut(caller);
    let Some(kernel) = host.kernel.as_deref_mut() else {
        return Err(HostFault("a guest ran without a kernel".into()).into());
    };
    match kernel.call(host.pid, bytes, call) {
        Step::Done(result) => Ok(result),
        Step::Wait => Ok(WAIT),
        Step::Exit(code) => Err(Exit(code).into()),
    }
}

/// Suspends the guest until it is resumed with a kernel. This is the only host function that is a future.
pub async fn wait(mut caller: Caller<'_, Host>) {
    let hatch = caller.data().hatch.clone();
    hatch.put(caller.data_mut().kernel.take());
    Suspend::default().await;
    caller.data_mut().kernel = hatch.take();
}

/// Is pending once: what it interrupts continues when it is polled again.
#[derive(Default)]
struct Suspend {
    suspended: bool,
}

impl Future for Suspend {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if self.suspended {
            return Poll::Ready(());
        }
        self.suspended = true;
        Poll::Pending
    }
}
