//! What a component waits for: a condition that is looked at whenever its waker was woken.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use wasmtime::component::{Resource, ResourceTable};
use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::{DynPollable, Pollable, subscribe};

/// Wakes whoever waits. Rung from any thread.
#[derive(Debug, Clone, Default)]
pub struct Bell(Arc<Mutex<Vec<Waker>>>);

impl Bell {
    /// Wakes all who wait.
    pub fn ring(&self) {
        let wakers = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        for waker in wakers {
            waker.wake();
        }
    }

    /// Wakes this waiter when the bell is rung next. Look at the condition after this call, not before.
    pub fn wake_at_next(&self, cx: &Context<'_>) {
        let mut wakers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
            wakers.push(cx.waker().clone());
        }
    }
}

/// A condition behind a `wasi:io` pollable. It answers whether it holds, and if not, has the waker woken when it may.
type Condition = Box<dyn FnMut(&mut Context<'_>) -> bool + Send>;

struct Gate(Condition);

#[async_trait]
impl Pollable for Gate {
    async fn ready(&mut self) {
        poll_fn(|cx| if (self.0)(cx) { Poll::Ready(()) } else { Poll::Pending }).await;
    }
}

/// A pollable that is ready while the condition holds.
///
/// # Errors
/// When the table is full.
pub fn pollable(
    table: &mut ResourceTable,
    condition: impl FnMut(&mut Context<'_>) -> bool + Send + 'static,
) -> wasmtime::Result<Resource<DynPollable>> {
    let gate = table.push(Gate(Box::new(condition)))?;
    subscribe(table, gate)
}
