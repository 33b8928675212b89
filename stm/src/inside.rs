//! Which closures are inside another engine's `execute`: for the watchdog, so that it does not blame the wrong one.
//!
//! Nothing is noted while engines do not nest, but which worker of which engine a thread is.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// A worker: its engine's number and its own.
type Who = (u32, u32);

thread_local! {
    static WORKER: Cell<Option<Who>> = const { Cell::new(None) };
}

/// Workers whose closure runs another engine, and that engine's number, innermost last.
static WAITING: Mutex<BTreeMap<Who, Vec<u32>>> = Mutex::new(BTreeMap::new());

/// Until it is dropped, this thread is a worker of an engine.
pub(crate) struct Working(Option<Who>);

impl Working {
    pub(crate) fn new(engine: u32, worker: usize) -> Working {
        Working(WORKER.replace(Some((engine, worker as u32))))
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        WORKER.set(self.0);
    }
}

/// Until it is dropped, a closure is inside an engine's `execute`.
pub(crate) struct Nested(Who);

impl Nested {
    /// The engine `inner` begins a batch. Nothing, if that is not inside a closure.
    #[inline]
    pub(crate) fn new(inner: u32) -> Option<Nested> {
        WORKER.get().map(|who| Nested::note(who, inner))
    }

    #[cold]
    fn note(who: Who, inner: u32) -> Nested {
        WAITING.lock().unwrap_or_else(PoisonError::into_inner).entry(who).or_default().push(inner);
        Nested(who)
    }
}

impl Drop for Nested {
    fn drop(&mut self) {
        let mut waiting = WAITING.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(inner) = waiting.get_mut(&self.0) {
            inner.pop();
            if inner.is_empty() {
                waiting.remove(&self.0);
            }
        }
    }
}

/// The workers of `engine` whose closures are inside another engine, and that engine's number.
pub(crate) fn waiting(engine: u32) -> Vec<(u32, u32)> {
    let all = WAITING.lock().unwrap_or_else(PoisonError::into_inner);
    all.range((engine, 0)..=(engine, u32::MAX)).filter_map(|(who, inner)| Some((who.1, *inner.last()?))).collect()
}
