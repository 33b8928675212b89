//! One parallel segment: what the workers share, and what a worker does.
//!
//! A worker repeats, in this order: commit what can be committed; run again the lowest aborted transaction; claim the
//! next few indices if they lie within the window above the commit index, and run them, as final ones if the commit turn
//! comes there meanwhile; otherwise spin briefly, then sleep. The segment is
//! over when the commit index has reached the end: there is no termination protocol.
//!
//! Certification, the only part that correctness rests on, is in [`crate::certify`]; the hints are in [`crate::hints`].

use crate::ahead::Ahead;
use crate::arena::{Arena, Run};
use crate::chain::Rec;
use crate::chaos::{Chaos, Trick};
use crate::error::{TxResult, panic_fault};
use crate::execute::Done;
use crate::inside::{self, Working};
use crate::park::Parking;
use crate::read_set::View;
use crate::seeded::Baton;
use crate::slot::{EXECUTED, NONE, RUNNING, Slot, Status};
use crate::spec::Buffer;
use crate::stats::{Counts, TraceEvent};
use crate::store::Store;
use crate::sync::{
    AcqRel, Acquire, AtomicBool, AtomicU32, AtomicU64, Mutex, Padded, Relaxed, Release, SeqCst, fence, lock,
};
use crate::turn::Ask;
use crate::tx::{RangeCheck, Tx};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Set in [`Shared::next`]: no further index may be claimed.
pub(crate) const STOP: u32 = 1 << 31;

/// Idle rounds before a worker sleeps: about as long as a wake-up takes.
const SPINS: u32 = 400;

/// Every so many claims of a worker are timed.
const SAMPLE: u32 = 16;

/// Most indices that a worker claims at a time: neighbours run one after the other on one core, and the line that holds
/// the next index changes hands less often. Half as many in a window of the usual size; with conflicts it is one, lowest
/// index first.
pub(crate) const CLAIM: u32 = if cfg!(any(loom, shuttle)) { 2 } else { 16 };

/// A committed transaction's observations, kept for the audit.
pub(crate) type Audited = (u32, Vec<u64>, Vec<Arc<dyn RangeCheck>>);

/// The commit turn. Whoever takes it needs all of it, so it is one cache line.
#[derive(Default)]
pub(crate) struct Turn {
    pub(crate) token: AtomicBool,
    /// The token holder commits without swapping status words: hints must keep off.
    pub(crate) sealed: AtomicBool,
    /// All lower transactions are committed. Written under the token only.
    pub(crate) commit: AtomicU32,
    /// Token holder only: conflicts (high half) and runs thrown away since the last look.
    pub(crate) meter: AtomicU64,
    /// Token holder only: the commit index at the last look, and when that was.
    pub(crate) looked: AtomicU32,
    pub(crate) when: AtomicU64,
    /// Token holder only: looks in a row that saw commits come more slowly than one core would make them.
    pub(crate) slow: AtomicU32,
    /// Token holder only: looks in a row that saw no run thrown away.
    pub(crate) quiet: AtomicU32,
}

/// What all workers of a segment see.
pub(crate) struct Shared<'a> {
    pub(crate) store: &'a Store,
    pub(crate) recs: &'a Arena<Rec>,
    pub(crate) log: &'a Arena<AtomicU64>,
    pub(crate) slots: &'a [Padded<Slot>],
    /// How far above the commit index transactions are started: between `narrowest` and `widest`, as conflicts allow, and
    /// up to `calmest` where there have been none for long.
    pub(crate) window: Padded<AtomicU32>,
    pub(crate) narrowest: u32,
    pub(crate) widest: u32,
    pub(crate) calmest: u32,
    /// One past the last index of this segment.
    pub(crate) n: u32,
    /// Next index to claim.
    pub(crate) next: Padded<AtomicU32>,
    pub(crate) turn: Padded<Turn>,
    /// How far the token holder has come that runs transactions as final. For the watchdog: workers do not look here, so
    /// that the line stays where it is written.
    pub(crate) finals: Padded<AtomicU32>,
    /// Where the commit index will stop: `n`, or earlier after a fatal stop or a switch to direct mode.
    pub(crate) end: AtomicU32,
    /// The transaction at `end` has stopped the stream.
    pub(crate) fatal: AtomicBool,
    /// The hook has ended the block at `end`.
    pub(crate) cut: AtomicBool,
    /// Asked at the commit turn of every transaction.
    pub(crate) hook: Option<&'a dyn Ask>,
    /// There is a hook or an audit: the commit turn has more to do.
    pub(crate) special: bool,
    pub(crate) panics_are_faults: bool,
    /// Hints that are about to abort a transaction.
    pub(crate) aborters: Padded<AtomicU32>,
    /// Commits until the engine trusts that there are no conflicts (hint).
    pub(crate) heat: Padded<AtomicU32>,
    /// Bit i % ring: transaction i should run again (hint).
    pub(crate) again: Vec<Padded<AtomicU64>>,
    pub(crate) group: crate::certify::Group,
    pub(crate) park: Parking,
    /// Workers that have arrived: under chaos all wait for all, or small blocks would be over before the second came.
    pub(crate) arrived: AtomicU32,
    /// Bit k: worker k has begun. For the watchdog.
    pub(crate) begun: AtomicU64,
    /// Workers that are done with running and looking: when all are, written cells may be brought home.
    pub(crate) done: AtomicU32,
    pub(crate) workers: u32,
    pub(crate) baton: Option<&'a Baton>,
    pub(crate) chaos: Option<&'a Chaos>,
    /// Leave the segment when one core would be faster: it needs so many nanoseconds for a transaction.
    pub(crate) alone: Option<u64>,
    /// Where the outcome of each committed transaction lies: worker (high half), index (low half).
    pub(crate) places: &'a [AtomicU64],
    pub(crate) audit: Option<&'a Mutex<Vec<Audited>>>,
    pub(crate) ahead: Ahead,
    /// Stretches may be finished at the commit turn: see [`crate::front`].
    pub(crate) front: bool,
    /// Nanoseconds since the engine was built.
    pub(crate) time: &'a (dyn Fn() -> u64 + Sync),
    /// The same, if there is a trace.
    pub(crate) clock: Option<&'a (dyn Fn() -> u64 + Sync)>,
    /// A worker is lost, and why the first one was.
    pub(crate) broken: AtomicBool,
    pub(crate) why: Mutex<Option<String>>,
}

impl Shared<'_> {
    #[inline(always)]
    pub(crate) fn slot(&self, txn: u32) -> &Slot {
        &self.slots[txn as usize & (self.slots.len() - 1)]
    }

    #[inline(always)]
    pub(crate) fn view(&self) -> View<'_> {
        View { store: self.store, recs: self.recs, log: self.log }
    }

    /// Nanoseconds; only to choose between ways to the same result.
    pub(crate) fn now(&self) -> u64 {
        (self.time)()
    }

    /// Ends the segment: the engine cannot go on. All workers leave as soon as they look.
    #[cold]
    fn break_off(&self, why: String) {
        lock(&self.why).get_or_insert(why);
        self.broken.store(true, SeqCst);
        self.next.fetch_or(STOP, AcqRel);
        self.end.store(0, SeqCst);
        fence(SeqCst);
        self.park.wake();
    }

    /// A point where the seeded executor may switch workers.
    #[inline(always)]
    pub(crate) fn pause(&self, worker: usize) {
        if let Some(b) = self.baton {
            b.step(worker);
        }
    }

    #[inline(always)]
    pub(crate) fn chaos_hit(&self, worker: usize, trick: Trick) -> bool {
        self.chaos.is_some_and(|c| c.hit(worker, trick))
    }

    #[inline(always)]
    pub(crate) fn delay(&self, worker: usize) {
        if self.chaos_hit(worker, Trick::Delay) {
            (0..200).for_each(|_| std::hint::spin_loop());
            self.pause(worker);
        }
    }

    #[inline(always)]
    pub(crate) fn contended(&self) -> bool {
        self.heat.load(Relaxed) > 0
    }

    #[inline(always)]
    pub(crate) fn finished(&self, commit: u32) -> bool {
        commit >= self.end.load(Acquire)
    }

    /// Who executed transaction `c`, if it is executed.
    #[inline(always)]
    pub(crate) fn owner(&self, c: u32) -> u32 {
        let slot = self.slot(c);
        if slot.load().is(c, EXECUTED) { slot.worker.load(Relaxed) } else { u32::MAX }
    }

    /// The next few indices, if they lie within the window above commit index `c`.
    #[inline(always)]
    fn claim(&self, c: u32) -> Range<u32> {
        let (next, window) = (self.next.load(Relaxed), self.window.load(Relaxed));
        if next >= self.n || next.saturating_sub(c) >= window || self.ahead.on() {
            return 0..0;
        }
        // Towards the end of the block less and less, so that all workers finish together.
        let most = CLAIM.min(window / (2 * self.workers)).min((self.n - next) / (2 * self.workers));
        let take = if self.contended() { 1 } else { most.max(1) };
        let i = self.next.fetch_add(take, AcqRel);
        i..i.saturating_add(take).min(self.n).max(i)
    }

    fn has_work(&self) -> bool {
        let c = self.turn.commit.load(SeqCst);
        let next = self.next.load(Relaxed);
        self.finished(c)
            || (next < self.n && next.saturating_sub(c) < self.window.load(Relaxed) && !self.ahead.on())
            || self.again.iter().any(|w| w.load(Relaxed) != 0)
            || (self.actionable(c) && !self.turn.token.load(Relaxed))
    }
}

/// What one worker owns; kept by the engine between blocks. Lengths in here change with every access, so two workers
/// must not share a cache line.
#[repr(align(128))]
pub(crate) struct Worker<R> {
    pub(crate) id: usize,
    pub(crate) buf: Buffer,
    pub(crate) scratch: Scratch,
    pub(crate) outcomes: Vec<Option<Done<R>>>,
}

/// The part of a worker that does not depend on what closures return.
#[derive(Default)]
pub(crate) struct Scratch {
    pub(crate) run: Run,
    pub(crate) prev: Vec<u64>,
    pub(crate) nodes: Vec<u64>,
    pub(crate) frozen: Vec<Status>,
    pub(crate) changed: Vec<u32>,
    /// Cells whose chain this worker started.
    pub(crate) touched: Vec<u32>,
    pub(crate) counts: Counts,
    pub(crate) trace: Vec<TraceEvent>,
}

/// A segment together with its jobs and closure.
pub(crate) struct Segment<'a, J, R, F> {
    pub(crate) shared: &'a Shared<'a>,
    pub(crate) jobs: &'a [J],
    pub(crate) f: &'a F,
    pub(crate) of: std::marker::PhantomData<fn() -> R>,
}

impl<J, R, F> Segment<'_, J, R, F>
where
    F: Fn(&mut Tx<'_>, &J) -> TxResult<R> + Sync,
{
    /// Works until the segment is finished. Should this worker be lost on the way, the others do not wait for it.
    pub(crate) fn work(&self, w: &mut Worker<R>) {
        let _here = Working::new(self.shared.store.engine, w.id);
        if cfg!(not(loom)) {
            self.shared.begun.fetch_or(1 << w.id, Relaxed); // one step less to try in every order
        }
        let lost = catch_unwind(AssertUnwindSafe(|| self.work_on(w))).err();
        if let Some(payload) = lost {
            self.shared.break_off(panic_fault(&*payload));
            if let Some(b) = self.shared.baton {
                b.leave(w.id);
            }
        }
    }

    fn work_on(&self, w: &mut Worker<R>) {
        let sh = self.shared;
        if let Some(b) = sh.baton {
            b.enter(w.id);
        } else if sh.chaos.is_some() {
            sh.arrived.fetch_add(1, SeqCst);
            while sh.arrived.load(SeqCst) < sh.workers && !sh.broken.load(Relaxed) {
                crate::pool::yield_now();
            }
        }
        // `mine..last`: where runs of this worker may be that are not committed. `stride`: the most it claims at a time.
        let (mut idle, mut lag, mut stretches) = (0, 0, 0u32);
        let (mut mine, mut last, mut stride) = (0, 0, CLAIM / 2);
        loop {
            let c = sh.turn.commit.load(Acquire);
            if sh.finished(c) {
                break;
            }
            sh.pause(w.id);
            // Without conflicts the commit turn can wait for a few more runs: one token and one fence for all of them.
            // A worker looks after its own runs first: what it needs to check them is in its own cache.
            let all = lag >= 2 * stride || sh.contended();
            if (all || (lag >= stride && sh.owner(c) == w.id as u32)) && sh.actionable(c) && self.commit(w, all) {
                (idle, lag) = (0, 0);
                continue;
            }
            if let Some(status) = sh.claim_again(c, w) {
                idle = 0;
                self.again(w, status, false);
                continue;
            }
            if sh.chaos_hit(w.id, Trick::Ahead) {
                sh.ahead.invite(1 + c % 4);
            }
            let claimed = sh.claim(c);
            if !claimed.is_empty() {
                idle = 0;
                stretches += 1;
                stride = stride.max(claimed.len() as u32);
                if c >= last {
                    (lag, mine) = (0, claimed.start);
                }
                last = claimed.end;
                lag += claimed.len() as u32;
                let committed = if sh.ahead.measured
                    && (stretches % SAMPLE == 0 || (stretches < SAMPLE && stretches.is_power_of_two()))
                {
                    self.sampled(w, claimed, mine)
                } else {
                    self.run_claimed(w, claimed, mine)
                };
                if committed {
                    lag = 0;
                }
                continue;
            }
            if lag < 2 * stride {
                lag = 2 * stride; // nothing to start: commit before anything else
                continue;
            }
            if sh.group.help(sh) {
                continue;
            }
            idle += 1;
            if sh.baton.is_none() {
                if idle < SPINS && cfg!(not(any(loom, shuttle))) {
                    std::hint::spin_loop();
                } else {
                    w.scratch.counts.parks += 1;
                    sh.park.sleep(|| sh.has_work());
                }
            }
        }
        sh.park.wake();
        if let Some(b) = sh.baton {
            b.leave(w.id);
        }
        self.settle(w);
    }

    /// Runs claimed transactions with a look at the clock before and after.
    #[cold]
    #[inline(never)]
    fn sampled(&self, w: &mut Worker<R>, claimed: Range<u32>, mine: u32) -> bool {
        let sh = self.shared;
        let (began, before, transactions) = (sh.now(), w.outcomes.len(), claimed.len());
        let committed = self.run_claimed(w, claimed, mine);
        // A run that was given up at a read, or did not happen, says nothing about what a transaction takes.
        if w.outcomes.len() - before == transactions {
            sh.ahead.sample(sh.now().saturating_sub(began), transactions as u64);
        }
        committed
    }

    /// Brings home the cells whose chains this worker started, if all workers are through within a short while: nobody
    /// reads a chain or a committed value any more. What is left here, the engine does alone.
    fn settle(&self, w: &mut Worker<R>) {
        let sh = self.shared;
        sh.done.fetch_add(1, AcqRel);
        if sh.audit.is_some() || sh.baton.is_some() || sh.broken.load(Relaxed) {
            return;
        }
        for _ in 0..if cfg!(any(loom, shuttle)) { 1 } else { SPINS } {
            if sh.done.load(Acquire) == sh.workers {
                sh.store.settle_words(sh.recs, &mut w.scratch.touched, sh.end.load(Acquire));
                return;
            }
            std::hint::spin_loop();
        }
    }
}

impl Shared<'_> {
    /// All lower transactions are committed, as exactly as it is known.
    pub(crate) fn progress(&self) -> u32 {
        self.turn.commit.load(SeqCst).max(self.finals.load(SeqCst))
    }

    /// State for the watchdog's dump.
    pub(crate) fn dump(&self) -> String {
        use std::fmt::Write as _;
        let c = self.progress();
        let next = self.next.load(SeqCst);
        let mut out = format!(
            "commit index {c} of {}, next claim {}{}, token {}, window {}\n",
            self.end.load(SeqCst),
            next & !STOP,
            if next & STOP != 0 { " (claims stopped)" } else { "" },
            if self.turn.token.load(SeqCst) { "held" } else { "free" },
            self.window.load(Relaxed)
        );
        for i in c..(c + self.calmest).min(next & !STOP).min(self.n) {
            let s = self.slot(i).load_sc();
            if s.txn() != i {
                let _ = writeln!(out, "transaction {i}: claimed");
                continue;
            }
            let name = ["unclaimed", "RUNNING", "EXECUTED", "ABORTING", "ABORTED", "FROZEN", "COMMITTED"];
            let state = name.get(s.state() as usize).copied().unwrap_or("?");
            let waiters = self.slot(i).waiters.load(Relaxed);
            let _ = writeln!(out, "transaction {i}: {state}, incarnation {}, waiters {waiters:#b}", s.incarnation());
        }
        // A run that is final from its beginning has no slot.
        let final_run =
            c < (next & !STOP).min(self.n) && self.turn.token.load(SeqCst) && self.slot(c).load_sc().txn() != c;
        if final_run {
            let _ = writeln!(out, "transaction {c} runs under the token, as final");
        }
        let running = self.slot(c).load_sc().is(c, RUNNING);
        let by = self.slot(c).worker.load(Relaxed);
        let nested = inside::waiting(self.store.engine);
        for (worker, inner) in &nested {
            let _ = writeln!(out, "worker {worker} is in a closure that waits for engine {inner} to execute a batch");
        }
        if final_run || running {
            let on = if running { format!(" on worker {by}") } else { String::new() };
            let why = if nested.iter().any(|(worker, _)| final_run || *worker == by) {
                "its closure waits for another engine: look at that one"
            } else {
                "a closure that never returns to a read cannot be stopped"
            };
            let _ = writeln!(out, "transaction {c} is running{on} and blocks all later ones: {why}");
        }
        let begun = self.begun.load(SeqCst);
        for worker in (0..self.workers).filter(|k| begun >> k & 1 == 0) {
            let _ = writeln!(
                out,
                "worker {worker} has not begun: its thread is still dropping values of an earlier batch, or gets no core"
            );
        }
        if self.finished(c) {
            let _ =
                writeln!(out, "all is committed, and {} of {} workers are done", self.done.load(SeqCst), self.workers);
        }
        out
    }
}

/// A fresh ring of slots for this window.
pub(crate) fn ring(window: u32, workers: usize) -> Vec<Padded<Slot>> {
    let len = (window as usize + workers * CLAIM as usize + 1).next_power_of_two().max(if cfg!(loom) { 4 } else { 64 });
    let ring: Vec<Padded<Slot>> = (0..len).map(|_| Padded(Slot::default())).collect();
    for s in &ring {
        s.status.store(Status::new(u32::MAX, 0, NONE).0, Release);
    }
    ring
}
