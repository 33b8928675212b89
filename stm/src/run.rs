//! One parallel segment: what the workers share, and what a worker does.
//!
//! A worker repeats, in this order: commit what can be committed; run again the lowest aborted transaction; claim the
//! next index if it lies within the window above the commit index; otherwise spin briefly, then sleep. The segment is
//! over when the commit index has reached the end: there is no termination protocol.
//!
//! Certification, the only part that correctness rests on, is in [`crate::certify`]; the hints are in [`crate::hints`].

use crate::arena::{Arena, Run};
use crate::chain::{self, Kind, Rec};
use crate::chaos::{Chaos, Trick};
use crate::error::{Fatal, Outcome, Revert, Stop, StopKind, TxResult, foreign_stop, panic_revert};
use crate::park::Parking;
use crate::read_set::View;
use crate::seeded::Baton;
use crate::slot::{EXECUTED, NONE, RUNNING, Slot, Status};
use crate::spec::{Buffer, Spec};
use crate::stats::{Counts, TraceEvent, TraceKind};
use crate::store::Store;
use crate::sync::{
    AcqRel, Acquire, AtomicBool, AtomicU32, AtomicU64, Mutex, Padded, Relaxed, Release, SeqCst, after_seq_cst,
};
use crate::tx::{Mode, RangeCheck, Tx};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Set in [`Shared::next`]: no further index may be claimed.
pub(crate) const STOP: u32 = 1 << 31;

/// Idle rounds before a worker sleeps: about as long as a wake-up takes.
const SPINS: u32 = 400;

/// Runs between two looks at the commit turn while there are no conflicts.
const LAG: u32 = 8;

/// A committed transaction's observations, kept for the audit.
pub(crate) type Audited = (u32, Vec<u64>, Vec<Arc<dyn RangeCheck>>);

/// What all workers of a segment see.
pub(crate) struct Shared<'a> {
    pub(crate) store: &'a Store,
    pub(crate) recs: &'a Arena<Rec>,
    pub(crate) log: &'a Arena<AtomicU64>,
    pub(crate) slots: &'a [Padded<Slot>],
    pub(crate) window: u32,
    /// One past the last index of this segment.
    pub(crate) n: u32,
    /// Next index to claim.
    pub(crate) next: Padded<AtomicU32>,
    /// All lower transactions are committed. Written under the token only.
    pub(crate) commit: Padded<AtomicU32>,
    /// Where the commit index will stop: `n`, or earlier after a fatal stop or a switch to direct mode.
    pub(crate) end: AtomicU32,
    /// The transaction at `end` has stopped the stream.
    pub(crate) fatal: AtomicBool,
    pub(crate) token: Padded<AtomicBool>,
    /// Commits until the engine trusts that there are no conflicts (hint).
    pub(crate) heat: Padded<AtomicU32>,
    /// Bit i % ring: transaction i should run again (hint).
    pub(crate) again: Vec<Padded<AtomicU64>>,
    pub(crate) group: crate::certify::Group,
    pub(crate) park: Parking,
    /// Workers that have arrived: under chaos all wait for all, or small blocks would be over before the second came.
    pub(crate) arrived: AtomicU32,
    pub(crate) workers: u32,
    pub(crate) baton: Option<&'a Baton>,
    pub(crate) chaos: Option<&'a Chaos>,
    /// Token holder only: commits and conflicts since the last look.
    pub(crate) meter: Padded<AtomicU64>,
    /// Leave the segment when nearly every transaction conflicts.
    pub(crate) may_switch: bool,
    /// Where the outcome of each committed transaction lies: worker (high half), index (low half).
    pub(crate) places: &'a [AtomicU64],
    pub(crate) audit: Option<&'a Mutex<Vec<Audited>>>,
    /// Nanoseconds since the trace began; `None`: no trace.
    pub(crate) clock: Option<&'a (dyn Fn() -> u64 + Sync)>,
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

    fn has_work(&self) -> bool {
        let c = self.commit.load(SeqCst);
        let next = self.next.load(Relaxed);
        self.finished(c)
            || (next < self.n && next.saturating_sub(c) < self.window)
            || self.again.iter().any(|w| w.load(Relaxed) != 0)
            || (self.actionable(c) && !self.token.load(Relaxed))
    }
}

/// What a run of a closure ended with.
pub(crate) enum Done<R> {
    Ok(R),
    Reverted(Revert),
    Fatal(Fatal),
}

impl<R> Done<R> {
    pub(crate) fn outcome(self) -> Result<Outcome<R>, Fatal> {
        match self {
            Done::Ok(r) => Ok(Outcome::Committed(r)),
            Done::Reverted(r) => Ok(Outcome::Reverted(r)),
            Done::Fatal(f) => Err(f),
        }
    }

    /// From what the closure returned or how it unwound. Never called for a run that must be retried.
    pub(crate) fn from_result(result: std::thread::Result<TxResult<R>>) -> Done<R> {
        match result {
            Ok(Ok(r)) => Done::Ok(r),
            Ok(Err(Stop(StopKind::Revert(why)))) => Done::Reverted(why),
            Ok(Err(Stop(StopKind::Fatal(why)))) => Done::Fatal(why),
            Ok(Err(Stop(StopKind::Retry))) => Done::Fatal(foreign_stop()),
            Err(payload) => Done::Reverted(panic_revert(&*payload)),
        }
    }
}

/// What one worker owns; kept by the engine between blocks.
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
    prev: Vec<u64>,
    nodes: Vec<u64>,
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
    /// Works until the segment is finished.
    pub(crate) fn work(&self, w: &mut Worker<R>) {
        let sh = self.shared;
        if let Some(b) = sh.baton {
            b.enter(w.id);
        } else if sh.chaos.is_some() {
            sh.arrived.fetch_add(1, SeqCst);
            while sh.arrived.load(SeqCst) < sh.workers {
                crate::pool::yield_now();
            }
        }
        let (mut idle, mut lag) = (0, 0);
        loop {
            let c = sh.commit.load(Acquire);
            if sh.finished(c) {
                break;
            }
            sh.pause(w.id);
            // Without conflicts the commit turn can wait for a few more runs: one token and one fence for all of them.
            if (lag >= LAG || sh.contended()) && sh.actionable(c) && self.commit(w) {
                (idle, lag) = (0, 0);
                continue;
            }
            if let Some(status) = sh.claim_again(c, w) {
                idle = 0;
                self.execute(w, status, false);
                continue;
            }
            let next = sh.next.load(Relaxed);
            if next < sh.n && next.saturating_sub(c) < sh.window {
                let i = sh.next.fetch_add(1, AcqRel);
                if i < sh.n {
                    idle = 0;
                    let status = sh.slot(i).open(i);
                    self.execute(w, status, false);
                    lag += 1;
                    continue;
                }
            }
            if lag < LAG {
                lag = LAG; // nothing to start: commit before anything else
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
    }

    /// Runs incarnation `status` of its transaction and publishes what it did, or steps back from it.
    ///
    /// Under the token everything below is committed, so the run cannot be wrong and commits as it stands (I2).
    pub(crate) fn execute(&self, w: &mut Worker<R>, status: Status, token: bool) {
        let sh = self.shared;
        let txn = status.txn();
        let Some(job) = self.jobs.get(txn as usize) else { return };
        let began = sh.clock.map(|c| c());
        w.buf.clear();
        let result = {
            let spec = Spec { shared: sh, buf: &mut w.buf, worker: w.id, txn, status, token, frames: 0 };
            let mut tx = Tx::new(Mode::Spec(spec), sh.store.engine);
            // Unwind safety: all that a panic can leave half done is the private buffer, which is dropped below.
            catch_unwind(AssertUnwindSafe(|| (self.f)(&mut tx, job)))
        };
        w.scratch.counts.executions += 1;
        if let (Some(clock), Some(began)) = (sh.clock, began) {
            let kind = if token { TraceKind::UnderToken } else { TraceKind::Execute };
            w.scratch.trace.push(TraceEvent { kind, txn, incarnation: status.incarnation(), began, ended: clock() });
        }
        if let Some(why) = w.buf.retry {
            sh.retreat(w.id, &mut w.scratch.counts, status, why);
            return;
        }
        let done = Done::from_result(result);
        if !matches!(done, Done::Ok(_)) {
            w.buf.drop_effects();
            #[cfg(feature = "mutants")]
            if crate::mutants::on(crate::mutants::Mutant::FinalZombie) {
                w.buf.reads.clear();
            }
        }
        let fatal = matches!(done, Done::Fatal(_));
        let slot = sh.slot(txn);
        slot.worker.store(w.id as u32, Relaxed);
        slot.at.store(w.outcomes.len() as u32, Relaxed);
        w.outcomes.push(Some(done));
        sh.publish(w.id, &mut w.scratch, &mut w.buf, status, fatal, token);
    }
}

impl Shared<'_> {
    /// Makes the writes of a finished run visible, withdraws what this incarnation no longer writes, and only then
    /// says so in the status word.
    #[inline]
    fn publish(&self, worker: usize, s: &mut Scratch, buf: &mut Buffer, status: Status, fatal: bool, token: bool) {
        let txn = status.txn();
        let slot = self.slot(txn);
        s.changed.clear();
        s.nodes.clear();
        let mut deltas = false;
        if slot.writes_len() == 0 {
            for wr in &buf.writes {
                deltas |= wr.kind == Kind::Delta;
                self.link(s, txn, wr.cell, wr.kind, wr.word);
            }
        } else {
            deltas = self.republish(s, buf, txn);
        }
        slot.put_reads(self.log, &buf.reads);
        slot.put_writes(self.log, &s.nodes);
        slot.flags.store(u32::from(fatal) | u32::from(deltas) << 1, Relaxed);
        if !buf.ranges.is_empty() {
            slot.put_ranges(&mut buf.ranges);
        }
        self.pause(worker);
        self.delay(worker);
        // Sequentially consistent: "say EXECUTED, then look at the commit index" against "advance it, then look at the
        // next status". Under the token nobody may abort this run any more, so it goes straight to its final state.
        let state = if token { crate::slot::COMMITTED } else { EXECUTED };
        slot.status.swap(status.with(state).0, SeqCst);
        after_seq_cst();
        self.after_publish(worker, s, txn, status.with(state), token);
        self.park.wake();
    }

    #[inline(always)]
    fn link(&self, s: &mut Scratch, txn: u32, cell: u32, kind: Kind, word: u64) {
        let at = chain::new_version(self.recs, &mut s.run, kind, word);
        if chain::insert(self.recs, self.store.cells.get(cell), txn, at) {
            s.touched.push(cell);
        }
        s.nodes.push(u64::from(cell) << 32 | u64::from(at));
        s.changed.push(cell);
    }

    /// Publication of a later incarnation: its nodes are in the chains already.
    #[cold]
    #[inline(never)]
    fn republish(&self, s: &mut Scratch, buf: &Buffer, txn: u32) -> bool {
        let slot = self.slot(txn);
        s.prev.clear();
        s.prev.extend((0..slot.writes_len()).map(|k| slot.write(self.log, k)));
        s.nodes.extend_from_slice(&s.prev);
        let mut deltas = false;
        for p in &s.prev {
            let (cell, at) = ((p >> 32) as u32, *p as u32);
            if chain::current(self.recs, at) != 0 && !buf.writes.iter().any(|w| w.cell == cell) {
                #[cfg(feature = "mutants")]
                if crate::mutants::on(crate::mutants::Mutant::LeftoverWrite) {
                    continue;
                }
                chain::swap(self.recs, at, 0);
                s.changed.push(cell);
            }
        }
        for wr in &buf.writes {
            deltas |= wr.kind == Kind::Delta;
            let Some(p) = s.prev.iter().find(|p| (**p >> 32) as u32 == wr.cell) else {
                self.link(s, txn, wr.cell, wr.kind, wr.word);
                continue;
            };
            let at = *p as u32;
            let old = chain::current(self.recs, at);
            #[cfg(feature = "mutants")]
            if old != 0 && self.mutate_version(wr, at, old) {
                continue;
            }
            if old != 0 && chain::version(self.recs, old) == (wr.kind, wr.word) {
                // The same value again: readers of the old version stay valid. The swap clears the estimate.
                chain::swap(self.recs, at, old);
            } else {
                let new = chain::new_version(self.recs, &mut s.run, wr.kind, wr.word);
                chain::swap(self.recs, at, new);
                s.changed.push(wr.cell);
            }
        }
        deltas
    }

    #[cfg(feature = "mutants")]
    fn mutate_version(&self, wr: &crate::spec::Write, at: u32, old: u32) -> bool {
        use crate::mutants::{Mutant, on};
        if on(Mutant::RecycledVersion) {
            chain::overwrite(self.recs, old, wr.kind, wr.word);
            chain::swap(self.recs, at, old);
            return true;
        }
        if on(Mutant::DoubleFold) && wr.kind == Kind::Delta {
            let (_, before) = chain::version(self.recs, old);
            chain::overwrite(self.recs, old, wr.kind, before.wrapping_add(wr.word));
            chain::swap(self.recs, at, old);
            return true;
        }
        false
    }

    /// State for the watchdog's dump.
    pub(crate) fn dump(&self) -> String {
        use std::fmt::Write as _;
        let c = self.commit.load(SeqCst);
        let next = self.next.load(SeqCst);
        let mut out = format!(
            "commit index {c} of {}, next claim {}{}, token {}, window {}\n",
            self.end.load(SeqCst),
            next & !STOP,
            if next & STOP != 0 { " (claims stopped)" } else { "" },
            if self.token.load(SeqCst) { "held" } else { "free" },
            self.window
        );
        for i in c..(c + self.window).min(next & !STOP).min(self.n) {
            let s = self.slot(i).load_sc();
            let name = ["unclaimed", "RUNNING", "EXECUTED", "ABORTING", "ABORTED", "FROZEN", "COMMITTED"];
            let state = if s.txn() == i { name.get(s.state() as usize).copied().unwrap_or("?") } else { "unclaimed" };
            let waiters = self.slot(i).waiters.load(Relaxed);
            let _ = writeln!(out, "transaction {i}: {state}, incarnation {}, waiters {waiters:#b}", s.incarnation());
        }
        if self.slot(c).load_sc().is(c, RUNNING) {
            let _ = writeln!(
                out,
                "transaction {c} is running and blocks all later ones: a closure that never returns to a read cannot be stopped"
            );
        }
        out
    }
}

/// A fresh ring of slots for this window.
pub(crate) fn ring(window: u32, workers: usize) -> Vec<Padded<Slot>> {
    let len = (window as usize + workers + 1).next_power_of_two().max(if cfg!(loom) { 4 } else { 64 });
    let ring: Vec<Padded<Slot>> = (0..len).map(|_| Padded(Slot::default())).collect();
    for s in &ring {
        s.status.store(Status::new(u32::MAX, 0, NONE).0, Release);
    }
    ring
}
