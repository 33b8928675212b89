//! The door to threads and to the clock: the only place of this crate that knows either.
//!
//! Time is used for two things, neither visible in results: to choose between direct and speculative execution, and
//! to stamp traces.

use crate::reclaim::Chore;

/// Parked threads for the workers beyond the caller's own.
///
/// **A worker's loop must not be stealable.** A closure may use `rayon::join`, or run another engine; while it waits, its
/// thread looks for other work in its pool. Would it find a sibling's loop there, which ends when the segment does, it
/// would wait for its own transaction. So each helper is a pool of its own with one thread: nothing can be taken from it,
/// and nothing that it could take while it waits is a loop.
pub(crate) struct Pool {
    #[cfg(not(any(loom, shuttle)))]
    helpers: Vec<rayon_core::ThreadPool>,
}

#[cfg(not(any(loom, shuttle)))]
thread_local! {
    /// This thread is a helper of some engine: all it may find while it waits is a chore.
    static HELPER: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Bytes of stack of a helper. Closures that run wasm need more than the usual two megabytes, and would get a piece of their own each time.
#[cfg(not(any(loom, shuttle)))]
const STACK: usize = 8 << 20;

impl Pool {
    /// `helpers` threads besides the caller.
    pub(crate) fn new(helpers: usize) -> Result<Pool, String> {
        #[cfg(not(any(loom, shuttle)))]
        {
            let one = |k: usize| {
                rayon_core::ThreadPoolBuilder::new()
                    .num_threads(1)
                    .stack_size(STACK)
                    .thread_name(move |_| format!("stm-{}", k + 1))
                    .start_handler(|_| HELPER.set(true))
                    .build()
            };
            let helpers: Result<Vec<_>, _> = (0..helpers).map(one).collect();
            Ok(Pool { helpers: helpers.map_err(|e| format!("could not start another worker thread: {e}"))? })
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
        if rest.is_empty() || self.helpers.is_empty() {
            return work(first);
        }
        if rayon_core::current_thread_index().is_none() || HELPER.get() {
            return side_by_side(&self.helpers, rest, &work, &mut || work(first));
        }
        // The caller is a thread of somebody's pool. While it waited for the helpers it would take up jobs of that pool,
        // here in the middle of `execute`; such a job may want the very lock under which the engine is used. So a thread
        // without a pool waits in its place.
        let rest = std::sync::Mutex::new(Some(rest));
        let others = || crate::sync::lock(&rest).take().unwrap_or_default();
        std::thread::scope(|scope| {
            let waiting = || side_by_side(&self.helpers, others(), &work, &mut || ());
            #[expect(clippy::disallowed_types, reason = "this is the door to threads")]
            let waiter = std::thread::Builder::new().name("stm-wait".to_string()).spawn_scoped(scope, waiting);
            match waiter {
                Ok(_) => work(first),
                // No thread to be had: then this one waits.
                Err(_) => side_by_side(&self.helpers, others(), &work, &mut || work(first)),
            }
        });
    }

    /// Does these some time soon, on a helper if there is one.
    pub(crate) fn later(&self, chores: Vec<Chore>) {
        for (_k, chore) in chores.into_iter().enumerate() {
            #[cfg(not(any(loom, shuttle)))]
            if !self.helpers.is_empty() {
                // A panic in a `Drop` would otherwise end the process; here it costs the memory that was to be freed.
                self.helpers[_k % self.helpers.len()]
                    .spawn(|| drop(std::panic::catch_unwind(std::panic::AssertUnwindSafe(chore))));
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

/// Runs `work` once per item, each on a helper of its own, and `own` on this thread meanwhile.
#[cfg(not(any(loom, shuttle)))]
fn side_by_side<W: Send, F: Fn(&mut W) + Sync>(
    helpers: &[rayon_core::ThreadPool],
    items: &mut [W],
    work: &F,
    own: &mut dyn FnMut(),
) {
    match (helpers.split_first(), items.split_first_mut()) {
        (Some((helper, helpers)), Some((item, items))) => helper.in_place_scope(|scope| {
            scope.spawn(move |_| work(item));
            side_by_side(helpers, items, work, own);
        }),
        _ => own(),
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

#[expect(clippy::disallowed_types, reason = "the one clock of this room; results never depend on it")]
type Moment = std::time::Instant;

/// A stopwatch.
#[derive(Clone, Copy)]
pub(crate) struct Clock(Moment);

impl Clock {
    pub(crate) fn start() -> Clock {
        Clock(Moment::now())
    }
    pub(crate) fn nanos(self) -> u64 {
        u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}
