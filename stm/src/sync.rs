//! One door to the synchronisation primitives, so that `loom` and `shuttle` can stand behind it.
//!
//! Build with `RUSTFLAGS="--cfg loom"` or `RUSTFLAGS="--cfg shuttle"` to run the models; everything else uses `std`.

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, fence};
#[cfg(loom)]
pub(crate) use loom::sync::{Condvar, Mutex, MutexGuard, RwLock};

#[cfg(shuttle)]
pub(crate) use shuttle::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, fence};
#[cfg(shuttle)]
pub(crate) use shuttle::sync::{Condvar, Mutex, MutexGuard, RwLock};

#[cfg(not(any(loom, shuttle)))]
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, fence};
#[cfg(not(any(loom, shuttle)))]
pub(crate) use std::sync::{Condvar, Mutex, MutexGuard, RwLock};

pub(crate) use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};

/// Stands after a sequentially consistent read-modify-write that is one half of a Dekker pattern.
///
/// `loom` treats such operations as acquire-release and models sequential consistency for fences only, so the models
/// get a fence here. The real thing needs none: the operation itself takes part in the single total order.
#[inline(always)]
pub(crate) fn after_seq_cst() {
    #[cfg(loom)]
    fence(SeqCst);
}

/// Locks, and takes the value of a poisoned lock as it is.
///
/// No lock of this crate is held while foreign code runs, except inside `Drop` and `Ord` of user types; what they leave
/// half done is repaired by the next block's re-execution or is a plain container that stays well formed.
pub(crate) fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Keeps hot atomics of different owners on different cache lines (two lines: the prefetcher fetches pairs).
#[derive(Default)]
#[repr(align(128))]
pub(crate) struct Padded<T>(pub T);

impl<T> std::ops::Deref for Padded<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}
