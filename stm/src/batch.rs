//! How a batch is cut into direct and speculative segments.

use crate::builder::{Executor, MAX_BATCH, Mode};
use crate::engine::Stm;
use crate::error::{Fatal, Outcome, Stopped, TxResult};
use crate::pool::Clock;
use crate::tx::Tx;

/// First stay in direct mode after speculation has failed, and the longest.
const STAY_MIN: usize = 512;
const STAY_MAX: usize = 1 << 14;
/// Direct transactions are timed until this many nanoseconds have passed.
const PROBE_NANOS: u64 = 3_000;
/// Below this cost per transaction, in nanoseconds, speculation on two threads does not pay.
const TINY_NANOS: u64 = 150;
/// Less remaining work than this is done before a second thread has woken up.
const WAKE_NANOS: u64 = 25_000;

impl Stm {
    /// Runs one transaction, directly: for setting up and looking at the state between batches.
    ///
    /// # Errors
    /// The stop, if the transaction asked for one or misused a handle.
    pub fn run<R>(&mut self, f: impl Fn(&mut Tx<'_>) -> TxResult<R>) -> Result<Outcome<R>, Stopped<R>> {
        if let Some(fatal) = self.refusal() {
            return Err(Stopped { outcomes: Vec::new(), at: 0, fatal });
        }
        let mut out = Vec::with_capacity(1);
        let done = self.direct(&[()], 0, 1, &|tx: &mut Tx<'_>, (): &()| f(tx), &mut out);
        self.pool.later(self.store.settle_parts());
        self.busy = false;
        match (done, out.pop()) {
            (Ok(()), Some(outcome)) => Ok(outcome),
            (Err((at, fatal)), _) => Err(Stopped { outcomes: out, at, fatal }),
            (Ok(()), None) => unreachable!("one job gives one outcome"),
        }
    }

    /// Runs one transaction per job, with the result of running them one by one in order.
    ///
    /// `f` is called one or more times per job and must be a function of the job and of what it reads (see [`Tx`]).
    ///
    /// # Errors
    /// [`Stopped`] when a transaction stopped the stream: all lower ones are committed, the others have no effect.
    ///
    /// # Panics
    /// With more than [`MAX_BATCH`] jobs.
    pub fn execute<J, R, F>(&mut self, jobs: &[J], f: F) -> Result<Vec<Outcome<R>>, Stopped<R>>
    where
        J: Sync,
        R: Send,
        F: Fn(&mut Tx<'_>, &J) -> TxResult<R> + Sync,
    {
        assert!(jobs.len() <= MAX_BATCH, "a batch of {} jobs is too long: at most {MAX_BATCH}", jobs.len());
        if let Some(fatal) = self.refusal() {
            return Err(Stopped { outcomes: Vec::new(), at: 0, fatal });
        }
        let mut out = Vec::with_capacity(jobs.len());
        self.store.cells.settle();
        let result = match (self.settings.executor, self.settings.mode) {
            (Executor::Sequential, _) | (_, Mode::Direct) => self.direct(jobs, 0, jobs.len(), &f, &mut out),
            (_, Mode::Alternate(k)) => self.alternate(jobs, k as usize, &f, &mut out),
            (Executor::Parallel { .. }, Mode::Auto) => self.auto(jobs, &f, &mut out),
            (Executor::Parallel { .. } | Executor::Seeded { .. }, _) => {
                self.speculate(jobs, 0, jobs.len(), &f, None, &mut out).map(|_| ())
            }
        };
        self.pool.later(self.store.settle_parts());
        self.busy = false;
        match result {
            Ok(()) => Ok(out),
            Err((at, fatal)) => Err(Stopped { outcomes: out, at, fatal }),
        }
    }

    /// Begins a batch, unless an earlier one has left the engine in pieces.
    fn refusal(&mut self) -> Option<Fatal> {
        if self.busy && self.broken.is_none() {
            self.broken = Some(Fatal::fault("an earlier batch was cut short by a panic outside a closure"));
        }
        self.busy = true;
        self.broken.clone()
    }

    fn alternate<J, R, F>(
        &mut self,
        jobs: &[J],
        k: usize,
        f: &F,
        out: &mut Vec<Outcome<R>>,
    ) -> Result<(), (usize, Fatal)>
    where
        J: Sync,
        R: Send,
        F: Fn(&mut Tx<'_>, &J) -> TxResult<R> + Sync,
    {
        let (mut at, mut direct) = (0, true);
        while at < jobs.len() {
            let to = (at + k).min(jobs.len());
            if direct {
                self.direct(jobs, at, to, f, out)?;
            } else {
                self.speculate(jobs, at, to, f, None, out)?;
            }
            direct = !direct;
            at = to;
        }
        Ok(())
    }

    /// Direct while transactions are tiny or conflict so much that one core is faster, speculative otherwise.
    pub(crate) fn auto<J, R, F>(&mut self, jobs: &[J], f: &F, out: &mut Vec<Outcome<R>>) -> Result<(), (usize, Fatal)>
    where
        J: Sync,
        R: Send,
        F: Fn(&mut Tx<'_>, &J) -> TxResult<R> + Sync,
    {
        let n = jobs.len();
        if self.workers == 1 {
            return self.direct(jobs, 0, n, f, out);
        }
        let mut at = 0;
        // A batch like the last one is likely; but let every batch try again sooner than the last one did.
        let mut owed = self.stay_direct / 2;
        while at < n {
            let began = Clock::start();
            let (start, mut step) = (at, 1);
            while at < n && began.nanos() < PROBE_NANOS {
                let to = (at + step).min(n);
                self.direct(jobs, at, to, f, out)?;
                at = to;
                step *= 2;
            }
            let mut cost = (began.nanos() / (at - start).max(1) as u64).max(1);
            owed = owed.saturating_sub(at - start);
            let rest = cost.saturating_mul((n - at) as u64);
            if cost < TINY_NANOS || rest < WAKE_NANOS {
                let to = n.min(at + (40_000 / cost) as usize + 1);
                self.direct(jobs, at, to, f, out)?;
                at = to;
                continue;
            }
            if owed > 0 {
                let (to, began) = (n.min(at + owed), Clock::start());
                self.direct(jobs, at, to, f, out)?;
                // Many with warm caches say more than the few at the beginning.
                cost = (began.nanos() / (to - at).max(1) as u64).max(1);
                at = to;
                owed = 0;
            }
            if at == n {
                break;
            }
            let stopped = self.speculate(jobs, at, n, f, Some(cost), out)?;
            if stopped < n {
                self.stats.switches += 1;
                self.stay_direct = (self.stay_direct * 4).clamp(STAY_MIN, STAY_MAX);
                owed = self.stay_direct;
            } else {
                self.stay_direct /= 2;
            }
            at = stopped;
        }
        Ok(())
    }
}
