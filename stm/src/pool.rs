//! The door to threads and to the clock: the only place of this crate that knows either.
//!
//! Time is used for two things, neither visible in results: to choose between direct and speculative execution, and
//! to stamp traces.

use crate::reclaim::Chore;
use std::time::Instant;

/// Parked threads for the workers beyond the caller's own.
pub(crate) struct Pool {
    #[cfg(not(any(loom, shuttle)))]
    threads: Option<rayon_core::ThreadPool>,
}

impl Pool {
    /// `helpers` threads besides the caller.
    pub(crate) fn new(helpers: usize) -> Result<Pool, String> {
        #[cfg(not(any(loom, shuttle)))]
        {
            if helpers == 0 {
                return Ok(Pool { threads: None });
            }
            let threads = rayon_core::ThreadPoolBuilder::new()
                .num_threads(helpers)
                .thread_name(|k| format!("stm-{}", k + 1))
                .build()
                .map_err(|e| format!("could not start {helpers} worker threads: {e}"))?;
            Ok(Pool { threads: Some(threads) })
        }
        #[cfg(any(loom, shuttle))]
        {
            let _ = helpers;
            Ok(Pool {})
        }
    }

    /// Runs `work` once per item, the first one on the calling thread, and returns when all are done.
    #[cfg(not(any(loom, shuttle)))]
    pub(crate) fn run<W: Send>(&self, items: &mut [W], work: impl Fn(&mut W) + Sync) {
        let Some((first, rest)) = items.split_first_mut() else { return };
        match &self.threads {
            Some(pool) if !rest.is_empty() => pool.in_place_scope(|scope| {
                for w in rest {
                    let work = &work;
                    scope.spawn(move |_| work(w));
                }
                work(first);
            }),
            _ => work(first),
        }
    }

    /// Does these some time soon, on a helper if there is one.
    pub(crate) fn later(&self, chores: Vec<Chore>) {
        for chore in chores {
            #[cfg(not(any(loom, shuttle)))]
            if let Some(pool) = &self.threads {
                // A panic in a `Drop` would otherwise end the process; here it costs the memory that was to be freed.
                pool.spawn(|| drop(std::panic::catch_unwind(std::panic::AssertUnwindSafe(chore))));
                continue;
            }
            chore();
        }
    }

    /// Under a model checker: its own threads.
    #[cfg(shuttle)]
    pub(crate) fn run<W: Send>(&self, items: &mut [W], work: impl Fn(&mut W) + Sync) {
        spawn_all(items, work);
    }

    #[cfg(loom)]
    pub(crate) fn run<W: Send>(&self, items: &mut [W], work: impl Fn(&mut W) + Sync) {
        items.iter_mut().for_each(work);
    }
}

/// Runs `work` on a thread of its own per item: for the seeded executor, whose workers block each other on purpose.
pub(crate) fn spawn_all<W: Send>(items: &mut [W], work: impl Fn(&mut W) + Sync) {
    #[cfg(shuttle)]
    use shuttle::thread;
    #[cfg(not(shuttle))]
    use std::thread;
    thread::scope(|scope| {
        for w in items {
            let work = &work;
            scope.spawn(move || work(w));
        }
    });
}

/// Lets another thread run.
pub(crate) fn yield_now() {
    #[cfg(loom)]
    use loom::thread;
    #[cfg(shuttle)]
    use shuttle::thread;
    #[cfg(not(any(loom, shuttle)))]
    use std::thread;
    thread::yield_now();
}

/// A stopwatch.
#[derive(Clone, Copy)]
pub(crate) struct Clock(Instant);

impl Clock {
    #[allow(clippy::disallowed_methods, reason = "the one clock of this room; results never depend on it")]
    pub(crate) fn start() -> Clock {
        Clock(Instant::now())
    }
    pub(crate) fn nanos(self) -> u64 {
        u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}
