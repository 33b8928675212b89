//! A stretch of a batch in speculative mode: what it needs, who works on it, and how its outcome is settled.

use crate::ahead::Ahead;
use crate::arena::{self, STEP};
use crate::batch::{Body, Halt};
use crate::builder::Executor;
use crate::chaos::Chaos;
use crate::engine::Stm;
use crate::error::{Fatal, Outcome, TxResult};
use crate::execute::Done;
use crate::park::Parking;
use crate::pool::spawn_all;
use crate::run::{Audited, Segment, Shared, Turn, Worker, ring};
use crate::seeded::Baton;
use crate::slot::{NONE, Slot, Status};
use crate::sync::{AtomicBool, AtomicU32, AtomicU64, Mutex, Padded, Relaxed, SeqCst, lock};
use crate::tx::Tx;
use crate::watchdog::Watchdog;
use std::marker::PhantomData;

impl Stm {
    /// Runs jobs `from..to` speculatively. `alone`: what a transaction takes one core in direct mode, in nanoseconds, if it
    /// may be left for that. Returns where it stopped: `to`, or earlier if one core is faster.
    pub(crate) fn speculate<J, R, F>(
        &mut self,
        jobs: &[J],
        from: usize,
        to: usize,
        body: Body<'_, F>,
        alone: Option<u64>,
        out: &mut Vec<Outcome<R>>,
    ) -> Result<usize, Halt>
    where
        J: Sync,
        R: Send,
        F: Fn(&mut Tx<'_>, &J) -> TxResult<R> + Sync,
    {
        if from == to {
            return Ok(to);
        }
        self.round += 1;
        self.prepare(to, (to - from).min(1 << 18));
        let baton = match self.settings.executor {
            Executor::Seeded { seed, workers } => Some(Baton::new(seed ^ self.round << 32, workers)),
            _ => None,
        };
        let chaos = self.settings.chaos.map(|s| Chaos::new(s.wrapping_add(self.round), self.workers));
        let audit = self.settings.audit.then(|| Mutex::new(Vec::<Audited>::new()));
        let clock = self.clock;
        let group = self.settings.group.unwrap_or(self.workers >= 8);
        let now = move || clock.nanos();
        let looked = AtomicU32::new(from as u32);
        let turn = Turn { commit: AtomicU32::new(from as u32), looked, when: AtomicU64::new(now()), ..Turn::default() };
        let shared = Shared {
            store: &self.store,
            recs: &self.recs,
            log: &self.log,
            slots: &self.slots,
            window: Padded(AtomicU32::new(self.window_now)),
            narrowest: self.window.min(2 * self.workers as u32),
            widest: self.window,
            calmest: self.calmest(),
            n: to as u32,
            next: Padded(AtomicU32::new(from as u32)),
            finals: Padded(AtomicU32::new(0)),
            end: AtomicU32::new(to as u32),
            fatal: AtomicBool::new(false),
            cut: AtomicBool::new(false),
            hook: body.hook,
            special: body.hook.is_some() || audit.is_some(),
            panics_are_faults: self.settings.panics_are_faults,
            turn: Padded(turn),
            aborters: Padded(AtomicU32::new(0)),
            heat: Padded(AtomicU32::new(self.heat)),
            again: (0..self.slots.len().div_ceil(64)).map(|_| Padded(AtomicU64::new(0))).collect(),
            group: crate::certify::Group::new(group),
            park: Parking::new(),
            arrived: AtomicU32::new(0),
            begun: AtomicU64::new(0),
            done: AtomicU32::new(0),
            workers: self.workers as u32,
            baton: baton.as_ref(),
            chaos: chaos.as_ref(),
            alone,
            places: &self.places,
            audit: audit.as_ref(),
            ahead: Ahead::new(self.ahead, self.may_run_ahead()),
            // Groups are for many threads, of which few would ever be at the turn.
            front: self.settings.run_ahead && !group,
            time: &now,
            clock: if self.settings.trace { Some(&now) } else { None },
            broken: AtomicBool::new(false),
            why: Mutex::new(None),
        };
        let segment = Segment { shared: &shared, jobs, f: body.f, of: PhantomData };
        let mut workers: Vec<Worker<R>> = self
            .idle
            .drain(..)
            .enumerate()
            .map(|(id, (buf, scratch))| Worker { id, buf, scratch, outcomes: Vec::new() })
            .collect();
        // Address space rather than memory: what a worker does not fill is never touched.
        let share = if self.workers == 1 { to - from } else { (to - from).min(2 * (to - from) / self.workers + 64) };
        for w in &mut workers {
            w.outcomes.reserve(share);
        }
        let progress = || u64::from(shared.progress());
        Watchdog::watch(self.settings.watchdog.as_ref(), &progress, &|| shared.dump(), || {
            if baton.is_some() {
                spawn_all(&mut workers, |w| segment.work(w));
            } else {
                self.pool.run(&mut workers, |w| segment.work(w));
            }
        });
        let end = shared.end.load(SeqCst);
        self.heat = shared.heat.load(Relaxed);
        self.window_now = shared.window.load(Relaxed);
        self.ahead = shared.ahead.on();
        let mut broken = lock(&shared.why).take();
        if broken.is_none() {
            // A closure may have swallowed it, or the run was thrown away: that must not decide.
            let full = self.recs.overdrawn() || self.log.overdrawn();
            broken = if full { Some(arena::full(self.recs.limit)) } else { self.store.fault() };
        }
        if broken.is_none()
            && let Some(audit) = &audit
        {
            self.stats.audit_failures += check(&shared, &lock(audit), end);
            self.stats.audited += u64::from(end) - from as u64;
        }
        let fatal = shared.fatal.load(SeqCst);
        if let Some(why) = broken {
            return Err((from, Some(Fatal::fault(why))));
        }
        let cut = shared.cut.load(SeqCst);
        let reached = self.finish(workers, from, end, fatal, out)?;
        if cut { Err((reached, None)) } else { Ok(reached) }
    }

    /// The widest window while nothing conflicts: twice the usual one, unless somebody asked for a certain window.
    fn calmest(&self) -> u32 {
        if self.settings.window.is_none() { self.window.saturating_mul(2) } else { self.window }
    }

    /// Running ahead is measured, so it must not happen where interleavings are to be repeated.
    fn may_run_ahead(&self) -> bool {
        self.settings.run_ahead
            && !self.settings.audit
            && self.settings.chaos.is_none()
            && matches!(self.settings.executor, Executor::Parallel { .. })
            && cfg!(not(any(loom, shuttle)))
    }

    /// Sizes and empties what a segment needs.
    fn prepare(&mut self, to: usize, n: usize) {
        if self.slots.is_empty() {
            self.slots = ring(self.calmest(), self.workers);
        }
        for s in &self.slots {
            s.status.store(Status::new(u32::MAX, 0, NONE).0, Relaxed);
        }
        if self.places.len() < to {
            self.places.resize_with(to, || AtomicU64::new(u64::MAX));
        }
        let room: usize = self.idle.iter().map(|(_, s)| s.run.room()).sum();
        self.recs.reserve(self.recs.used() + (2 * n + STEP as usize * self.workers).saturating_sub(room));
    }

    /// Moves the outcome of a segment into the committed state.
    fn finish<R>(
        &mut self,
        workers: Vec<Worker<R>>,
        from: usize,
        end: u32,
        fatal: bool,
        out: &mut Vec<Outcome<R>>,
    ) -> Result<usize, Halt> {
        let mut piles = Vec::with_capacity(workers.len());
        for mut w in workers {
            let s = &mut w.scratch;
            self.store.settle_cells(&self.recs, &s.touched, end);
            s.touched.clear();
            s.run.rewind();
            self.stats.add(&std::mem::take(&mut s.counts));
            self.trace.extend(s.trace.drain(..).map(|e| (w.id, e)));
            self.idle.push((w.buf, w.scratch));
            piles.push(w.outcomes);
        }
        for (buf, _) in &mut self.idle {
            self.store.vault.wash(&mut buf.share);
        }
        self.recs.settle();
        self.log.rewind();
        self.pool.later(self.store.settle_parts());
        let mut take = |place: &AtomicU64| -> Option<Done<R>> {
            let place = place.load(Relaxed);
            piles.get_mut((place >> 32) as usize)?.get_mut(place as u32 as usize)?.take()
        };
        for place in &self.places[from..end as usize] {
            match take(place).map(Done::outcome) {
                Some(Ok(outcome)) => out.push(outcome),
                // The commit turn sets `end` to a fatal transaction, so there is none below.
                _ => unreachable!("a committed transaction has no outcome"),
            }
        }
        match fatal.then(|| self.places.get(end as usize).and_then(take).map(Done::outcome)) {
            Some(Some(Err(why))) => Err((end as usize, Some(why))),
            _ => Ok(end as usize),
        }
    }
}

/// The committed-read audit: every observation of a committed run must hold for the committed prefix below it.
fn check(shared: &Shared<'_>, audited: &[Audited], end: u32) -> u64 {
    let scratch = Slot::default();
    let mut bad = 0;
    for (txn, words, ranges) in audited {
        scratch.put_reads(shared.log, words);
        scratch.put_ranges(&mut ranges.clone());
        bad += u64::from(*txn < end && shared.view().stale(&scratch, *txn, None).is_some());
    }
    bad
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use crate::{FatalCause, Mode, Stm};

    #[test]
    fn full_version_memory_is_a_fault_and_hangs_nobody() {
        for threads in [1, 2, 4] {
            for ahead in [false, true] {
                let builder = Stm::builder().threads(threads).mode(Mode::Speculative).run_ahead(ahead);
                let mut stm = builder.build().expect("a small engine");
                stm.recs.limit = 700;
                let cells: Vec<_> = (0..2_000u64).map(|_| stm.cell(0u64)).collect();
                let write = |tx: &mut crate::Tx<'_>, i: &usize| cells[*i].set(tx, 1);
                let jobs: Vec<usize> = (0..2_000).collect();
                let stopped = stm.execute(&jobs, write).expect_err("there is no room");
                assert_eq!(stopped.fatal.cause(), FatalCause::Fault);
                assert!(stopped.fatal.reason().contains("version memory is full"), "{}", stopped.fatal.reason());
                assert!(stm.execute(&[0], write).is_err(), "the engine refuses to go on");
            }
        }
    }
}
