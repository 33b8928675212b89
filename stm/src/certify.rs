//! Certified in-order commit: the one mechanism that decides (I1, I2).
//!
//! Whoever holds the token takes transactions in order. An executed one whose observations still hold is committed as
//! it stands; any other finished one is run once more, right here, where everything below is final. So each
//! transaction needs at most one such run, and progress depends on no hint.
//!
//! **Leaving the token** is a Dekker pattern: a worker says EXECUTED and then looks at the commit turn again before it
//! sleeps; the holder frees the token, fences, wakes whoever sleeps and looks at the next status before it sleeps
//! itself. So at least one of them sees the other.
//!
//! **Group certification** (many threads): the holder freezes a run of executed transactions, so that no hint can
//! abort them, and idle workers check them side by side. Frozen versions are constant, hence the answers below the
//! first invalid one are those that one-by-one certification would give.

use crate::chain;
use crate::chaos::Trick;
use crate::error::TxResult;
use crate::run::{STOP, Segment, Shared, Worker};
use crate::slot::{ABORTED, COMMITTED, EXECUTED, FROZEN, Slot};
use crate::sync::{AcqRel, Acquire, AtomicU32, AtomicU64, Padded, Relaxed, Release, SeqCst, after_seq_cst, fence};
use crate::tx::Tx;

/// Look-back, in commits, of everything that adapts to conflicts. Shares are per so many commits.
const METER: u32 = 128;
/// One core is faster when this share of commits, or more, needed another run.
const SERIAL: u32 = 100;
/// With a smaller share than this, conflicts are not the reason for anything.
const FEW: u32 = METER / 8;
/// Looks in a row without a run thrown away until the window may be wider than usual.
const QUIET: u32 = 4;
/// Commits without conflict until readers are no longer registered.
const COOL: u32 = 64;
/// The commit index is shown to the other workers after this many commits, and before anything slow.
const PUBLISH: u32 = 8;
/// Fewest transactions worth freezing as a group.
const GROUP_MIN: u32 = if cfg!(any(loom, shuttle)) { 2 } else { 8 };
const GROUP_MAX: u32 = 64;

impl Shared<'_> {
    /// Whether the token holder could do something about transaction `c`.
    #[inline(always)]
    pub(crate) fn actionable(&self, c: u32) -> bool {
        let s = self.slot(c).load();
        if s.txn() != c || c >= self.n {
            return self.may_run_ahead(c);
        }
        #[cfg(feature = "mutants")]
        if crate::mutants::on(crate::mutants::Mutant::EarlyCommit)
            && s.state() == crate::slot::RUNNING
            && s.incarnation() > 0
        {
            return true;
        }
        matches!(s.state(), EXECUTED | ABORTED)
    }

    #[inline(always)]
    fn certify(&self, slot: &Slot, txn: u32) -> Option<u32> {
        #[cfg(feature = "mutants")]
        if crate::mutants::on(crate::mutants::Mutant::SkippedRead) && slot.reads_len() > 0 {
            let (tag, _, low) = crate::read_set::split(slot.read(self.log, 0));
            return self.view().stale_from(slot, txn, None, 1 + crate::read_set::tail(tag, low));
        }
        self.view().stale(slot, txn, None)
    }

    /// The commit of `c`, apart from the status word. `extra` runs were thrown away. True if the stream stops here.
    #[inline(always)]
    pub(crate) fn seal(&self, c: u32, extra: u32) -> bool {
        let slot = self.slot(c);
        let flags = slot.flags.load(Relaxed);
        if self.special && self.turn_of(slot, c, flags) {
            return true;
        }
        if let Some(place) = self.places.get(c as usize) {
            let (worker, at) = (slot.worker.load(Relaxed), slot.at.load(Relaxed));
            place.store(u64::from(worker) << 32 | u64::from(at), Relaxed);
        }
        if flags & 2 != 0 {
            self.settle_deltas(slot, c);
        }
        let heat = self.heat.load(Relaxed);
        if extra > 0 {
            self.heat.store(COOL, Relaxed);
            let meter = self.turn.meter.load(Relaxed);
            self.turn.meter.store(meter + (1 << 32) + u64::from(extra), Relaxed);
        } else if heat > 0 {
            self.heat.store(heat - 1, Relaxed);
        }
        if flags & 1 != 0 {
            self.stop_at(c);
            return true;
        }
        self.look_back(c + 1);
        false
    }

    /// Token holder: the stream stops at transaction `c`, which has no effect.
    #[cold]
    pub(crate) fn stop_at(&self, c: u32) {
        self.next.fetch_or(STOP, AcqRel);
        self.fatal.store(true, Relaxed);
        self.end.store(c, SeqCst);
    }

    #[cold]
    #[inline(never)]
    fn settle_deltas(&self, slot: &Slot, c: u32) {
        for k in 0..slot.writes_len() {
            let word = slot.write(self.log, k);
            self.settle_delta(self.store.cells.get((word >> 32) as u32), c, word as u32);
        }
    }

    /// Token holder: transaction `c` commits, so the sum that its change of `cell` makes is final.
    #[inline(never)]
    pub(crate) fn settle_delta(&self, cell: &chain::Unit, c: u32, node: u32) {
        match cell.part() {
            0 => chain::settle_delta(self.recs, cell, c, node),
            _ => self.store.vault.settle(self.recs, cell, c, node, self.store.committed_sum(cell)),
        }
    }

    /// Token holder, at commit index `c`: looks back if there is enough to look at.
    #[inline(always)]
    pub(crate) fn look_back(&self, c: u32) {
        let commits = c.wrapping_sub(self.turn.looked.load(Relaxed));
        if commits >= METER {
            self.measure(c, commits);
        }
    }

    /// Token holder: looks back on the last few commits. Where one core would be faster it leaves for direct mode or runs
    /// ahead; when many runs were thrown away it narrows the window, when few were it widens it again.
    #[cold]
    fn measure(&self, c: u32, commits: u32) {
        let meter = self.turn.meter.load(Relaxed);
        let slow = self.alone.map_or(0, |alone| self.slow_looks(alone.saturating_mul(u64::from(commits))));
        self.count_from(c);
        let share = |n: u64| (n * u64::from(METER) / u64::from(commits)) as u32;
        let (bad, extra) = (share(meter >> 32), share(meter & u64::from(u32::MAX)));
        // Slow once may be a core that was taken away for a moment.
        if bad >= SERIAL || (bad >= FEW && slow >= 2) {
            if self.alone.is_some() {
                self.drain();
            } else if self.ahead.measured {
                self.ahead.contention();
            }
        } else if bad < FEW {
            self.ahead.calm();
        }
        let quiet = if meter == 0 { self.turn.quiet.load(Relaxed).saturating_add(1) } else { 0 };
        self.turn.quiet.store(quiet, Relaxed);
        // Executions per transaction: 1 + extra / METER.
        let window = self.window.load(Relaxed);
        let calm = quiet >= QUIET || (meter == 0 && window > self.widest);
        let limit = if calm { self.calmest } else { self.widest };
        if extra > METER / 2 {
            self.window.store((window / 2).max(self.narrowest), Relaxed);
        } else if extra < FEW {
            self.window.store((window * 2).min(limit), Relaxed);
        } else if window > limit {
            self.window.store(limit, Relaxed);
        }
    }

    /// Token holder: how many looks in a row have seen that one core, which needs `alone` nanoseconds for as much as was
    /// committed since the last one, would have been faster.
    fn slow_looks(&self, alone: u64) -> u32 {
        let (before, now) = (self.turn.when.load(Relaxed), self.now());
        self.turn.when.store(now, Relaxed);
        let slow = now.saturating_sub(before) > alone;
        let looks = if slow { self.turn.slow.load(Relaxed).saturating_add(1) } else { 0 };
        self.turn.slow.store(looks, Relaxed);
        looks
    }

    fn count_from(&self, c: u32) {
        self.turn.meter.store(0, Relaxed);
        self.turn.looked.store(c, Relaxed);
    }

    /// Token holder, at commit index `c`: what came before says nothing about what comes next.
    pub(crate) fn forget(&self, c: u32) {
        self.count_from(c);
        self.turn.slow.store(0, Relaxed);
        if self.alone.is_some() {
            self.turn.when.store(self.now(), Relaxed);
        }
    }

    #[inline(always)]
    pub(crate) fn take_token(&self) -> bool {
        self.turn.token.compare_exchange(false, true, AcqRel, Relaxed).is_ok()
    }

    /// The holder's half of the pattern that the module describes.
    #[inline(always)]
    pub(crate) fn free_token(&self) {
        self.turn.token.store(false, Release);
        fence(SeqCst);
        self.park.wake();
    }

    /// Token holder: shows the commit index, and what it allows, before something slow.
    #[cold]
    pub(crate) fn show(&self, c: u32) {
        self.turn.commit.store(c, Release);
        fence(SeqCst);
        self.park.wake();
    }

    /// Lets every claimed transaction finish and no further one start.
    pub(crate) fn drain(&self) {
        let next = self.next.fetch_or(STOP, AcqRel);
        if next & STOP == 0 {
            self.end.fetch_min(next.min(self.n), SeqCst);
        }
    }
}

impl<J, R, F> Segment<'_, J, R, F>
where
    F: Fn(&mut Tx<'_>, &J) -> TxResult<R> + Sync,
{
    /// Takes the token if it is free and commits what can be: `all` of it, or only this worker's own runs as far as
    /// they need no second one. True if anything was.
    #[inline]
    pub(crate) fn commit(&self, w: &mut Worker<R>, all: bool) -> bool {
        let sh = self.shared;
        let mut progress = false;
        loop {
            if !sh.take_token() {
                return progress;
            }
            if (!sh.contended() && !sh.group.on) || sh.chaos_hit(w.id, Trick::Seal) {
                progress |= self.commit_sealed(w, all);
            }
            if all {
                progress |= self.commit_run(w);
            }
            sh.free_token();
            // Somebody may have finished the next one while we held the token, failed to take it, and gone on.
            let c = sh.turn.commit.load(Relaxed);
            if !all || sh.finished(c) || !sh.actionable(c) {
                return progress;
            }
        }
    }

    /// Commits what needs no second run while no hint can interfere: then certification alone decides, no status word
    /// has to be swapped, and the loads of several transactions overlap.
    ///
    /// The seal is a Dekker pattern with [`Shared::abort`]: we say SEALED, then look for aborters; an aborter announces
    /// itself, then looks for the seal and for the commit index. So either it finds the door shut (and the hint is
    /// dropped, as hints may be), or it finds its transaction committed, or we find it and leave everything to the
    /// compare-and-swap of [`Segment::commit_run`]. Statuses of what is committed here stay EXECUTED: below the commit
    /// index nobody looks at them, and nobody may abort them.
    #[inline(always)]
    pub(crate) fn commit_sealed(&self, w: &mut Worker<R>, all: bool) -> bool {
        let sh = self.shared;
        sh.turn.sealed.swap(true, SeqCst);
        after_seq_cst();
        if sh.aborters.load(SeqCst) != 0 {
            sh.turn.sealed.store(false, Release);
            return false;
        }
        let first = sh.turn.commit.load(Relaxed);
        let mut c = first;
        while !sh.finished(c) {
            sh.pause(w.id);
            let slot = sh.slot(c);
            let s = slot.load();
            if !s.is(c, EXECUTED) || (!all && slot.worker.load(Relaxed) != w.id as u32) || sh.certify(slot, c).is_some()
            {
                break;
            }
            if sh.seal(c, s.incarnation()) {
                break;
            }
            c += 1;
            if c.is_multiple_of(PUBLISH) {
                sh.turn.commit.store(c, Release);
            }
        }
        sh.turn.commit.store(c, Release);
        sh.turn.sealed.store(false, Release);
        w.scratch.counts.commits += u64::from(c - first);
        c != first
    }

    #[inline(always)]
    pub(crate) fn commit_run(&self, w: &mut Worker<R>) -> bool {
        let sh = self.shared;
        let mut progress = false;
        let mut c = sh.turn.commit.load(Relaxed);
        while !sh.finished(c) {
            sh.pause(w.id);
            if sh.group.on {
                let upto = sh.group_commit(c, w);
                if upto != c {
                    progress = true;
                    c = upto;
                    sh.turn.commit.store(c, Release);
                    continue;
                }
            }
            let slot = sh.slot(c);
            let s = slot.load();
            if s.txn() != c {
                if !sh.may_run_ahead(c) {
                    break;
                }
                let upto = self.run_ahead(c, w);
                if upto == c {
                    break;
                }
                progress = true;
                c = upto;
                continue;
            }
            let extra = match s.state() {
                EXECUTED => match sh.certify(slot, c) {
                    None => {
                        if !slot.change(s, s.with(COMMITTED)) {
                            continue; // a hint was faster; look again
                        }
                        s.incarnation()
                    }
                    Some(cell) => {
                        sh.show(c);
                        if !slot.change(s, s.again()) {
                            continue;
                        }
                        sh.store.cells.get(cell).heat.fetch_add(1, Relaxed);
                        w.scratch.counts.failed_certifications += 1;
                        self.again(w, s.again(), true);
                        s.again().incarnation()
                    }
                },
                ABORTED => {
                    if !slot.change(s, s.again()) {
                        continue;
                    }
                    sh.show(c);
                    w.scratch.counts.takeovers += 1;
                    self.again(w, s.again(), true);
                    s.again().incarnation()
                }
                #[cfg(feature = "mutants")]
                crate::slot::RUNNING
                    if crate::mutants::on(crate::mutants::Mutant::EarlyCommit) && s.incarnation() > 0 =>
                {
                    s.incarnation()
                }
                _ => break,
            };
            progress = true;
            w.scratch.counts.commits += 1;
            if sh.seal(c, extra) {
                break;
            }
            c += 1;
            if c.is_multiple_of(PUBLISH) {
                sh.turn.commit.store(c, Release);
            }
        }
        sh.turn.commit.store(c, Release);
        progress
    }
}

/// A run of frozen transactions that any worker may help to check.
pub(crate) struct Group {
    pub(crate) on: bool,
    /// End (high half) and next index to check (low half) in one word: a late helper cannot mix two groups.
    work: Padded<AtomicU64>,
    done: Padded<AtomicU32>,
    bad: AtomicU32,
}

impl Group {
    pub(crate) fn new(on: bool) -> Self {
        Group { on, work: Padded(AtomicU64::new(0)), done: Padded(AtomicU32::new(0)), bad: AtomicU32::new(u32::MAX) }
    }

    /// Checks one frozen transaction, if there is one to check.
    #[inline]
    pub(crate) fn help(&self, sh: &Shared<'_>) -> bool {
        if !self.on {
            return false;
        }
        let seen = self.work.load(Acquire);
        if seen as u32 >= (seen >> 32) as u32 {
            return false;
        }
        let mine = self.work.fetch_add(1, AcqRel);
        let (end, i) = ((mine >> 32) as u32, mine as u32);
        if i >= end {
            return false;
        }
        if sh.certify(sh.slot(i), i).is_some() {
            self.bad.fetch_min(i, AcqRel);
        }
        self.done.fetch_add(1, Release);
        true
    }
}

impl Shared<'_> {
    /// Freezes, checks and commits a group that starts at `c`. Returns the new commit index.
    #[cold]
    #[inline(never)]
    fn group_commit<R>(&self, c: u32, w: &mut Worker<R>) -> u32 {
        let limit = (c + GROUP_MAX.min(self.widest)).min(self.end.load(Acquire));
        let executed = (c..limit).take_while(|&i| self.slot(i).load().is(i, EXECUTED)).count() as u32;
        if executed < GROUP_MIN {
            return c;
        }
        let mut frozen = std::mem::take(&mut w.scratch.frozen);
        frozen.clear();
        for i in c..c + executed {
            let s = self.slot(i).load();
            if !s.is(i, EXECUTED) || !self.slot(i).change(s, s.with(FROZEN)) {
                break;
            }
            frozen.push(s);
        }
        let n = frozen.len() as u32;
        self.group.done.store(0, Relaxed);
        self.group.bad.store(u32::MAX, Relaxed);
        self.group.work.store(u64::from(c + n) << 32 | u64::from(c), Release);
        fence(SeqCst);
        self.park.wake();
        while self.group.help(self) {}
        while self.group.done.load(Acquire) < n {
            self.pause(w.id);
            std::hint::spin_loop();
            if self.broken.load(Relaxed) {
                return c; // a helper is lost
            }
        }
        self.group.work.store(0, Release);
        let good = self.group.bad.load(Relaxed).min(c + n);
        let mut at = c;
        for s in &frozen {
            let slot = self.slot(s.txn());
            if s.txn() >= good || self.finished(at) {
                // Thawed: still executed, and certified one by one.
                slot.status.store(s.0, SeqCst);
                continue;
            }
            slot.status.store(s.with(COMMITTED).0, Release);
            w.scratch.counts.commits += 1;
            w.scratch.counts.group_commits += 1;
            if !self.seal(s.txn(), s.incarnation()) {
                at = s.txn() + 1;
            }
        }
        w.scratch.frozen = frozen;
        at
    }
}
