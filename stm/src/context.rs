//! Batches with a context per worker, and with a hook at the commit turn.

use crate::builder::MAX_THREADS;
use crate::engine::Stm;
use crate::error::{Outcome, Stopped, TxResult};
use crate::sync::Padded;
use crate::turn::{Hook, Turn, Verdict};
use crate::tx::Tx;
use std::sync::{Mutex, PoisonError};

/// Makes the context of a worker.
type Make<C> = Box<dyn Fn(usize) -> C + Send + Sync>;

/// What each worker keeps for itself from transaction to transaction and from batch to batch: instances, buffers, caches of
/// pure functions. Must not decide anything: which worker runs a transaction depends on scheduling.
///
/// ```
/// # use replicode_stm::{Contexts, Stm};
/// let mut stm = Stm::builder().threads(2).build()?;
/// let lengths = stm.map::<u64, usize>();
/// let scratch: Contexts<String> = Contexts::new(|_worker| String::new());
/// stm.execute_with(&[5u64, 77], &scratch, |tx, text, n| {
///     use std::fmt::Write;
///     text.clear();
///     write!(text, "number {n}").map_err(|_| replicode_stm::Stop::fatal("no room"))?;
///     lengths.set(tx, *n, text.len())
/// })?;
/// assert_eq!(stm.run(|tx| lengths.get(tx, &77))?.committed(), Some(Some(9)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Contexts<C> {
    make: Make<C>,
    slots: Vec<Padded<Mutex<Option<C>>>>,
}

impl<C: Send> Contexts<C> {
    /// Contexts that `make` makes, each when its worker first runs a transaction; it is told the worker's number.
    pub fn new(make: impl Fn(usize) -> C + Send + Sync + 'static) -> Self {
        Contexts { make: Box::new(make), slots: (0..MAX_THREADS).map(|_| Padded(Mutex::new(None))).collect() }
    }

    /// Runs `f` with the context of `worker`. One whose closure has panicked is half done, and made again.
    #[inline]
    fn with<R>(&self, worker: usize, f: impl FnOnce(&mut C) -> R) -> R {
        // Only this worker comes here, so nobody waits.
        let slot = &self.slots[worker % MAX_THREADS].0;
        let mut context = slot.lock().unwrap_or_else(|poisoned| {
            slot.clear_poison();
            let mut context = PoisonError::into_inner(poisoned);
            *context = None;
            context
        });
        f(context.get_or_insert_with(|| (self.make)(worker)))
    }
}

impl Stm {
    /// As [`Stm::execute`], with the worker's own context for `f`.
    ///
    /// # Errors
    /// As [`Stm::execute`].
    ///
    /// # Panics
    /// As [`Stm::execute`].
    pub fn execute_with<J, C, R, F>(
        &mut self,
        jobs: &[J],
        contexts: &Contexts<C>,
        f: F,
    ) -> Result<Vec<Outcome<R>>, Stopped<R>>
    where
        J: Sync,
        C: Send,
        R: Send,
        F: Fn(&mut Tx<'_>, &mut C, &J) -> TxResult<R> + Sync,
    {
        self.execute(jobs, |tx, job| {
            let worker = tx.worker();
            contexts.with(worker, |context| f(tx, context, job))
        })
    }

    /// As [`Stm::execute_with`], with `hook` asked about every transaction in order, once, when everything before it is final:
    /// it may end the block there. Then there are outcomes for the transactions up to that place only, and the others have
    /// no effect, as if they had not been in the batch.
    ///
    /// The hook must decide by what it is told, in the order in which it is told it. It runs on any worker, at a point that all
    /// others wait for: it should be short. A panic of it is a [`crate::FatalCause::Fault`].
    ///
    /// ```
    /// # use replicode_stm::{Contexts, Stm, Verdict};
    /// let mut stm = Stm::builder().threads(2).build()?;
    /// let done = stm.counter(0);
    /// let mut left = 100u64;
    /// let gas = |turn: replicode_stm::Turn| match left.checked_sub(turn.weight) {
    ///     Some(less) => { left = less; Verdict::Proceed }
    ///     None => Verdict::EndBefore,
    /// };
    /// let out = stm.execute_until(&[60u64, 30, 20, 5], &Contexts::new(|_| ()), gas, |tx, (), burnt| {
    ///     tx.weigh(*burnt);
    ///     done.add(tx, 1)
    /// })?;
    /// assert_eq!(out.len(), 2, "the third would burn too much, so the block ends before it");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Stm::execute`].
    ///
    /// # Panics
    /// As [`Stm::execute`].
    pub fn execute_until<J, C, R, F>(
        &mut self,
        jobs: &[J],
        contexts: &Contexts<C>,
        mut hook: impl FnMut(Turn) -> Verdict + Send,
        f: F,
    ) -> Result<Vec<Outcome<R>>, Stopped<R>>
    where
        J: Sync,
        C: Send,
        R: Send,
        F: Fn(&mut Tx<'_>, &mut C, &J) -> TxResult<R> + Sync,
    {
        let hook = Hook::new(&mut hook);
        self.execute_hooked(jobs, Some(&hook), |tx, job| {
            let worker = tx.worker();
            contexts.with(worker, |context| f(tx, context, job))
        })
    }
}
