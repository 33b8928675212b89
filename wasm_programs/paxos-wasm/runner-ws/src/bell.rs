//! What a component waits for: a condition that is looked at whenever its waker was woken.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use wasmtime::component::{Resource, ResourceTable};
use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::{DynPollable, Pollable, subscribe};

/// Wakes whoever waits. Rung from any thread.
#[derive(Debug, Clone, Default)]
pub struct Bell(Arc<Mutex<Waiting>>);

#[derive(Debug, Default)]
struct Waiting {
    waiters: u64,
    /// By the number of who waits.
    wakers: BTreeMap<u64, Waker>,
}

/// The place of one waiter. Each of its waits may have another waker; only that of the last one is kept.
#[derive(Debug)]
pub struct Waiter {
    bell: Bell,
    number: u64,
}

impl Bell {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes all who wait.
    pub fn ring(&self) {
        let wakers = std::mem::take(&mut self.lock().wakers);
        for waker in wakers.into_values() {
            waker.wake();
        }
    }

    /// A place for somebody who will wait, again and again.
    pub fn waiter(&self) -> Waiter {
        let mut waiting = self.lock();
        waiting.waiters += 1;
        Waiter { bell: self.clone(), number: waiting.waiters }
    }
}

impl Waiter {
    /// Wakes this waiter when the bell is rung next. Look at the condition after this call, not before.
    pub fn wake_at_next(&self, cx: &Context<'_>) {
        let mut waiting = self.bell.lock();
        waiting.wakers.entry(self.number).or_insert_with(|| cx.waker().clone()).clone_from(cx.waker());
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.bell.lock().wakers.remove(&self.number);
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::task::Wake;

    #[derive(Default)]
    struct Count(AtomicU32);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A component's waits come with a waker each, thousands a second, and a process may run for months.
    #[test]
    fn waits_that_are_over_leave_nothing_behind() {
        let (bell, woken) = (Bell::default(), Arc::new(Count::default()));
        let (one, other) = (bell.waiter(), bell.waiter());
        for _ in 0..1000 {
            let waker = Waker::from(Arc::new(Count::default()));
            one.wake_at_next(&Context::from_waker(&waker));
        }
        for waiter in [&one, &other] {
            waiter.wake_at_next(&Context::from_waker(&Waker::from(Arc::clone(&woken))));
        }
        assert_eq!(bell.lock().wakers.len(), 2);
        drop(other);
        bell.ring();
        bell.ring();
        assert_eq!(woken.0.load(Ordering::Relaxed), 1, "who has left is not woken, and nobody is twice");
        assert!(bell.lock().wakers.is_empty());
    }
}
