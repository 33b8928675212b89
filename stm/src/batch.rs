//! How a batch is cut into direct and speculative segments.

use crate::builder::{Executor, MAX_BATCH, Mode};
use crate::engine::Stm;
use crate::error::{Fatal, FatalCause, Outcome, Stopped, TxResult, panic_fault};
use crate::inside::Nested;
use crate::lesson::Choice;
use crate::pool::Clock;
use crate::turn::Ask;
use crate::tx::Tx;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// First stay in direct mode after speculation has failed, and the longest.
const STAY_MIN: usize = 512;
const STAY_MAX: usize = 1 << 14;
/// Direct transactions are timed until this many nanoseconds have passed.
const PROBE_NANOS: u64 = 3_000;
/// Below this cost per transaction, in nanoseconds, speculation on two threads does not pay.
const TINY_NANOS: u64 = 150;
/// Less remaining work than this is done before a second thread has woken up.
const WAKE_NANOS: u64 = 25_000;

/// Where a batch ends early, and why; without a reason, a hook has ended it.
pub(crate) type Halt = (usize, Option<Fatal>);

/// What is run for each job, and asked at each turn.
pub(crate) struct Body<'a, F> {
    pub(crate) f: &'a F,
    pub(crate) hook: Option<&'a dyn Ask>,
}

impl<F> Clone for Body<'_, F> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<F> Copy for Body<'_, F> {}

impl Stm {
    /// Runs one transaction, directly: for setting up and looking at the state between batches.
    ///
    /// # Errors
    /// The stop, if the transaction asked for one or misused a handle.
    pub fn run<R>(&mut self, f: impl Fn(&mut Tx<'_>) -> TxResult<R>) -> Result<Outcome<R>, Stopped<R>> {
        if let Some(fatal) = self.refusal() {
            return Err(Stopped { outcomes: Vec::new(), at: 0, fatal });
        }
        let mut outcomes = self.whole(1, |stm, out| {
            let f = |tx: &mut Tx<'_>, (): &()| f(tx);
            stm.direct(&[()], 0, 1, Body { f: &f, hook: None }, out)
        })?;
        match outcomes.pop() {
            Some(outcome) => Ok(outcome),
            None => unreachable!("one job gives one outcome"),
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
        self.execute_hooked(jobs, None, f)
    }

    /// The same, with a hook at the commit turn if there is one.
    pub(crate) fn execute_hooked<J, R, F>(
        &mut self,
        jobs: &[J],
        hook: Option<&dyn Ask>,
        f: F,
    ) -> Result<Vec<Outcome<R>>, Stopped<R>>
    where
        J: Sync,
        R: Send,
        F: Fn(&mut Tx<'_>, &J) -> TxResult<R> + Sync,
    {
        assert!(jobs.len() <= MAX_BATCH, "a batch of {} jobs is too long: at most {MAX_BATCH}", jobs.len());
        if let Some(fatal) = self.refusal() {
            return Err(Stopped { outcomes: Vec::new(), at: 0, fatal });
        }
        let body = Body { f: &f, hook };
        self.whole(jobs.len(), |stm, out| match (stm.settings.executor, stm.settings.mode) {
            (Executor::Sequential, _) | (_, Mode::Direct) => stm.direct(jobs, 0, jobs.len(), body, out),
            (_, Mode::Alternate(k)) => stm.alternate(jobs, k as usize, body, out),
            (Executor::Parallel { .. }, Mode::Auto) => stm.auto(jobs, body, out),
            (Executor::Parallel { .. } | Executor::Seeded { .. }, _) => {
                stm.speculate(jobs, 0, jobs.len(), body, None, out).map(|_| ())
            }
        })
    }

    /// A batch from its beginning to its end: `body` runs its `n` transactions. Whatever panics on the way is outside of a
    /// closure, and a fault; and so is what a closure has met that its engine has run out of.
    fn whole<R>(
        &mut self,
        n: usize,
        body: impl FnOnce(&mut Stm, &mut Vec<Outcome<R>>) -> Result<(), Halt>,
    ) -> Result<Vec<Outcome<R>>, Stopped<R>> {
        let _nested = Nested::new(self.store.engine);
        let mut out = Vec::with_capacity(n);
        // Unwind safety: after a panic the engine refuses everything.
        let result = catch_unwind(AssertUnwindSafe(|| {
            self.store.cells.settle();
            self.wash_queries();
            let result = body(self, &mut out);
            if let Some(why) = self.store.fault() {
                return Err((0, Some(Fatal::fault(why))));
            }
            self.pool.later(self.store.settle_parts());
            result
        }));
        self.busy = false;
        let (at, fatal) = match result {
            Ok(Ok(()) | Err((_, None))) => return Ok(out),
            Ok(Err((at, Some(fatal)))) => (at, fatal),
            Err(payload) => (0, Fatal::fault(panic_fault(&*payload))),
        };
        if fatal.cause() == FatalCause::Fault {
            self.broken = Some(fatal.clone());
            return Err(Stopped { outcomes: Vec::new(), at: 0, fatal });
        }
        if fatal.cause() == FatalCause::HostFault {
            self.broken = Some(fatal.clone());
        }
        Err(Stopped { outcomes: out, at, fatal })
    }

    /// Begins a batch, unless an earlier one has left the engine in pieces.
    fn refusal(&mut self) -> Option<Fatal> {
        if self.busy && self.broken.is_none() {
            // A panic while a panic was told: there is nothing better to say.
            self.broken = Some(Fatal::fault("an earlier batch was cut short by a panic outside a closure"));
        }
        self.busy = true;
        self.broken.clone()
    }

    fn alternate<J, R, F>(
        &mut self,
        jobs: &[J],
        k: usize,
        body: Body<'_, F>,
        out: &mut Vec<Outcome<R>>,
    ) -> Result<(), Halt>
    where
        J: Sync,
        R: Send,
        F: Fn(&mut Tx<'_>, &J) -> TxResult<R> + Sync,
    {
        let (mut at, mut direct) = (0, true);
        while at < jobs.len() {
            let to = (at + k).min(jobs.len());
            if direct {
                self.direct(jobs, at, to, body, out)?;
            } else {
                self.speculate(jobs, at, to, body, None, out)?;
            }
            direct = !direct;
            at = to;
        }
        Ok(())
    }

    /// Piece by piece, each in the way that was faster for its like.
    pub(crate) fn auto<J, R, F>(&mut self, jobs: &[J], body: Body<'_, F>, out: &mut Vec<Outcome<R>>) -> Result<(), Halt>
    where
        J: Sync,
        R: Send,
        F: Fn(&mut Tx<'_>, &J) -> TxResult<R> + Sync,
    {
        if self.workers == 1 {
            return self.direct(jobs, 0, jobs.len(), body, out);
        }
        let mut at = 0;
        while at < jobs.len() {
            let class = self.lessons.piece(jobs.len() - at, self.workers);
            let to = at + class;
            let (began, from) = (Clock::start(), at);
            match self.lessons.of(class).choose() {
                Choice::Open => {
                    let speculated = self.open(jobs, from..to, class, body, out)?;
                    let cost = self.lessons.took(began.nanos(), class);
                    if speculated {
                        self.lessons.of(class).note_open(cost);
                    } else {
                        self.lessons.of(class).note_direct(cost);
                    }
                    at = to;
                }
                Choice::Direct => {
                    self.direct(jobs, from, to, body, out)?;
                    let cost = self.lessons.took(began.nanos(), class);
                    self.lessons.of(class).note_direct(cost);
                    at = to;
                }
                Choice::TryDirect(most) => {
                    at = to.min(from + most);
                    self.direct(jobs, from, at, body, out)?;
                    let cost = began.nanos() / (at - from) as u64;
                    self.lessons.of(class).note_direct(cost);
                    self.open(jobs, at..to, class, body, out)?;
                    at = to;
                }
                Choice::TryOpen(most) => {
                    at = to.min(from + most);
                    if self.open(jobs, from..at, class, body, out)? {
                        let cost = began.nanos() / (at - from) as u64;
                        self.lessons.of(class).note_open(cost);
                    }
                    self.direct(jobs, at, to, body, out)?;
                    at = to;
                }
            }
        }
        Ok(())
    }

    /// Direct while transactions are tiny or conflict so much that one core is faster, speculative otherwise. Says whether
    /// there was any speculation.
    fn open<J, R, F>(
        &mut self,
        jobs: &[J],
        range: Range<usize>,
        class: usize,
        body: Body<'_, F>,
        out: &mut Vec<Outcome<R>>,
    ) -> Result<bool, Halt>
    where
        J: Sync,
        R: Send,
        F: Fn(&mut Tx<'_>, &J) -> TxResult<R> + Sync,
    {
        let Range { start: mut at, end: n } = range;
        let known = self.lessons.of(class).alone();
        let mut speculated = false;
        // A piece like the last one is likely; but let every one try again sooner than the last one did.
        let mut owed = self.lessons.of(class).stay_direct / 2;
        while at < n {
            let began = Clock::start();
            let (start, mut step) = (at, 1);
            while at < n && began.nanos() < PROBE_NANOS {
                let to = (at + step).min(n);
                self.direct(jobs, at, to, body, out)?;
                at = to;
                step *= 2;
            }
            let mut cost = (began.nanos() / (at - start).max(1) as u64).max(1);
            owed = owed.saturating_sub(at - start);
            let rest = cost.saturating_mul((n - at) as u64);
            if cost < TINY_NANOS || rest < WAKE_NANOS {
                let to = n.min(at + (40_000 / cost) as usize + 1);
                self.direct(jobs, at, to, body, out)?;
                at = to;
                continue;
            }
            if owed > 0 {
                let (to, began) = (n.min(at + owed), Clock::start());
                self.direct(jobs, at, to, body, out)?;
                // Many with warm caches say more than the few at the beginning.
                cost = (began.nanos() / (to - at).max(1) as u64).max(1);
                at = to;
                owed = 0;
            }
            if at == n {
                self.lessons.of(class).stay_direct /= 2;
                break;
            }
            speculated = true;
            let stopped = self.speculate(jobs, at, n, body, Some(known.unwrap_or(cost)), out)?;
            let lesson = self.lessons.of(class);
            if stopped < n {
                self.stats.switches += 1;
                lesson.stay_direct = (lesson.stay_direct * 4).clamp(STAY_MIN, STAY_MAX);
                owed = lesson.stay_direct;
            } else {
                lesson.stay_direct /= 2;
            }
            at = stopped;
        }
        Ok(speculated)
    }
}
