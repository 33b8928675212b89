//! Where idle workers sleep.
//!
//! A Dekker pattern on both sides: a sleeper announces itself, fences, and looks for work once more; whoever makes
//! work fences and looks for sleepers. So one of the two sees the other. A short timeout stands behind it: a lost
//! wake-up may cost time, never the block.

use crate::sync::{AtomicU32, Condvar, Mutex, SeqCst, fence, lock};

/// Sleepers of one block.
pub(crate) struct Parking {
    sleepers: AtomicU32,
    gate: Mutex<()>,
    bell: Condvar,
}

impl Parking {
    pub(crate) fn new() -> Self {
        Parking { sleepers: AtomicU32::new(0), gate: Mutex::new(()), bell: Condvar::new() }
    }

    /// Sleeps unless `work` says there is some.
    pub(crate) fn sleep(&self, work: impl Fn() -> bool) {
        self.sleepers.fetch_add(1, SeqCst);
        fence(SeqCst);
        let gate = lock(&self.gate);
        if !work() {
            wait(&self.bell, gate);
        } else {
            drop(gate);
        }
        self.sleepers.fetch_sub(1, SeqCst);
    }

    /// Whether somebody sleeps, or is about to. A hint.
    pub(crate) fn anybody(&self) -> bool {
        self.sleepers.load(crate::sync::Relaxed) > 0
    }

    /// Wakes everybody, if anybody sleeps. The caller has made work visible and fenced.
    #[inline(always)]
    pub(crate) fn wake(&self) {
        if self.sleepers.load(SeqCst) > 0 {
            self.ring();
        }
    }

    #[cold]
    fn ring(&self) {
        // Taking the gate orders us after a sleeper that has looked but does not wait yet.
        drop(lock(&self.gate));
        self.bell.notify_all();
    }
}

#[cfg(not(any(loom, shuttle)))]
fn wait(bell: &Condvar, gate: crate::sync::MutexGuard<'_, ()>) {
    let _ = bell.wait_timeout(gate, std::time::Duration::from_millis(1));
}

// The models have no time: here a lost wake-up would be a deadlock, and be found.
#[cfg(any(loom, shuttle))]
fn wait(bell: &Condvar, gate: crate::sync::MutexGuard<'_, ()>) {
    drop(bell.wait(gate).unwrap_or_else(std::sync::PoisonError::into_inner));
}
