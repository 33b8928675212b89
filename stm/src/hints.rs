//! Hints: who should run again, who should wait, who is wasting time. Never trusted.
//!
//! Everything in this file may be dropped, delayed or invented without changing any result (the chaos mode does so).
//! What it buys: a stale transaction is found when the lower one publishes, not at its own commit turn; an aborted
//! one waits for the writer it depends on instead of burning a core.
//!
//! While a block has no conflicts, readers are not registered at all and publication looks at nothing: the first
//! failed certification turns the hints on, sixty-four clean commits turn them off.

use crate::chain;
use crate::chaos::Trick;
use crate::read_set;
use crate::run::{Scratch, Shared, Worker};
use crate::slot::{ABORTED, ABORTING, EXECUTED, RUNNING, Status};
use crate::spec::Retry;
use crate::stats::Counts;
use crate::sync::{AcqRel, Relaxed, Release, SeqCst, after_seq_cst};

/// Words of read logs that a publication looks through at least.
const PUSH_WORK: usize = 4_096;
/// So many changed cells are compared one by one; more are searched.
pub(crate) const FEW_CELLS: usize = 8;

/// Why an executed transaction was sent back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Cause {
    /// A lower transaction published a different value of something it had read.
    Push,
    /// It found out itself, right after finishing.
    Own,
    /// No cause at all: the chaos mode.
    Invented,
}

impl Shared<'_> {
    pub(crate) fn call_again(&self, txn: u32) {
        let bit = txn as usize & (self.slots.len() - 1);
        self.again[bit / 64].fetch_or(1 << (bit % 64), SeqCst);
        after_seq_cst();
    }

    /// The lowest transaction that should run again, claimed.
    #[inline(always)]
    pub(crate) fn claim_again<R>(&self, commit: u32, w: &mut Worker<R>) -> Option<Status> {
        if self.again.iter().all(|word| word.load(Relaxed) == 0) {
            return None;
        }
        self.claim_again_slow(commit, w)
    }

    #[cold]
    #[inline(never)]
    fn claim_again_slow<R>(&self, commit: u32, w: &mut Worker<R>) -> Option<Status> {
        // Once around the ring, so that marks whose transaction is long gone disappear too.
        let ring = self.slots.len() as u32;
        let mut next = commit;
        while next.wrapping_sub(commit) < ring {
            let i = next;
            let bit = i as usize & (self.slots.len() - 1);
            let (word, mask) = (&self.again[bit / 64], 1u64 << (bit % 64));
            let marks = word.load(Relaxed);
            next = i.wrapping_add(if marks >> (bit % 64) == 0 { 64 - (bit as u32 % 64) } else { 1 });
            if marks & mask == 0 || word.fetch_and(!mask, AcqRel) & mask == 0 {
                continue;
            }
            let slot = self.slot(i);
            let s = slot.load();
            if !s.is(i, ABORTED) || !slot.change(s, s.again()) {
                continue;
            }
            match self.blocker(i) {
                // Stalled: the value it needs is being made. Under the token nobody waits.
                Some(j) if !self.chaos_hit(w.id, Trick::DropPush) => {
                    w.scratch.counts.waits += 1;
                    self.step_back(w.id, s.again(), Some(j));
                }
                _ => return Some(s.again()),
            }
        }
        None
    }

    /// A lower, unfinished transaction that probably writes something which the last incarnation of `txn` has read.
    fn blocker(&self, txn: u32) -> Option<u32> {
        let slot = self.slot(txn);
        let commit = self.turn.commit.load(Relaxed);
        let mut found: Option<u32> = None;
        let mut k = 0;
        while k < slot.reads_len() {
            let (tag, cell, low) = read_set::split(slot.read(self.log, k));
            if matches!(tag, read_set::VALUE | read_set::SUM | read_set::BYTES | read_set::WIDE) {
                chain::writers_below(self.recs, self.store.cells.get(cell), txn, commit, |j| {
                    let s = self.slot(j).load();
                    if s.txn() == j && matches!(s.state(), RUNNING | ABORTED | ABORTING) {
                        found = found.max(Some(j));
                    }
                    true
                });
            }
            k += 1 + read_set::tail(tag, low);
        }
        found
    }

    /// Gives up a run that is known to be wrong.
    #[cold]
    #[inline(never)]
    pub(crate) fn retreat(&self, worker: usize, counts: &mut Counts, status: Status, why: Retry) {
        match why {
            Retry::Estimate(j) => {
                counts.estimates += 1;
                self.step_back(worker, status, Some(j));
            }
            Retry::Doomed => {
                counts.doomed += 1;
                self.step_back(worker, status, None);
            }
            Retry::Chaos => self.step_back(worker, status, None),
        }
    }

    /// From RUNNING to ABORTED, to be run again when `on` has published (or at once).
    fn step_back(&self, worker: usize, status: Status, on: Option<u32>) {
        let txn = status.txn();
        self.slot(txn).status.swap(status.with(ABORTED).0, SeqCst);
        after_seq_cst();
        if let Some(j) = on {
            let distance = txn.wrapping_sub(j).wrapping_sub(1);
            if distance < 64 {
                let slot = self.slot(j);
                slot.waiters.fetch_or(1 << distance, SeqCst);
                after_seq_cst();
                // Dekker with the publisher: it says EXECUTED, then looks for waiters.
                let s = slot.load_sc();
                if s.txn() == j && matches!(s.state(), RUNNING | ABORTED | ABORTING) {
                    return;
                }
            }
        }
        if self.chaos_hit(worker, Trick::LoseWake) {
            return; // the token holder will find it
        }
        self.call_again(txn);
    }

    /// After a publication: wake who waits, send back who has read something older, look at oneself.
    #[inline(always)]
    pub(crate) fn after_publish(&self, worker: usize, s: &mut Scratch, txn: u32, status: Status, token: bool) {
        let slot = self.slot(txn);
        if slot.waiters.load(SeqCst) != 0 {
            let mut waiters = slot.waiters.swap(0, AcqRel);
            while waiters != 0 {
                if !self.chaos_hit(worker, Trick::LoseWake) {
                    self.call_again(txn + 1 + waiters.trailing_zeros());
                }
                waiters &= waiters - 1;
            }
        }
        if self.contended() {
            self.push(worker, s, txn);
            if !token && let Some(cell) = self.view().stale(slot, txn, None) {
                self.abort(&mut s.counts, status, cell, Cause::Own);
            }
        }
        if self.chaos_hit(worker, Trick::InventPush) {
            let next = txn + 1;
            let other = self.slot(next).load();
            if other.is(next, EXECUTED) {
                self.abort(&mut s.counts, other, 0, Cause::Invented);
            } else if other.is(next, RUNNING) {
                self.slot(next).doomed.store(other.0, Relaxed);
            }
        }
    }

    /// Sends back higher transactions that have read an older version of a cell that just changed.
    ///
    /// Looks at each of them once, not once per changed cell, and at no more of what they have read than is in proportion
    /// to what this transaction did: what is not found here is found at its commit turn.
    #[cold]
    #[inline(never)]
    fn push(&self, worker: usize, s: &mut Scratch, txn: u32) {
        let ring = self.slots.len() as u32;
        let reader = |cell: &u32| self.store.cells.get(*cell).reader.load(Relaxed);
        if self.chaos.is_some() {
            s.changed.retain(|_| !self.chaos_hit(worker, Trick::DropPush));
        }
        s.changed.retain(|cell| reader(cell) > txn);
        let Some(last) = s.changed.iter().map(reader).max() else { return };
        if s.changed.len() > FEW_CELLS {
            s.changed.sort_unstable();
        }
        let own = self.slot(txn);
        let mut budget = PUSH_WORK + 8 * (own.reads_len() + own.writes_len());
        for j in txn + 1..=last.min(txn + ring) {
            let slot = self.slot(j);
            let st = slot.load();
            if st.is(j, EXECUTED) {
                let reads = slot.reads_len();
                let Some(left) = budget.checked_sub(reads) else { continue };
                budget = left;
                if let Some(cell) = self.view().stale(slot, j, Some(&s.changed)) {
                    self.abort(&mut s.counts, st, cell, Cause::Push);
                }
            } else if st.is(j, RUNNING) && s.changed.iter().any(|cell| reader(cell) == j) {
                slot.doomed.store(st.0, Relaxed);
            }
        }
    }

    /// EXECUTED to ABORTED: only the winner of the swap marks the versions, so a mark never hits a later incarnation.
    #[cold]
    pub(crate) fn abort(&self, counts: &mut Counts, status: Status, cell: u32, cause: Cause) {
        let txn = status.txn();
        let slot = self.slot(txn);
        // The other half of the seal in `certify`: announce, then look.
        self.aborters.fetch_add(1, SeqCst);
        after_seq_cst();
        let open = !self.turn.sealed.load(SeqCst) && self.turn.commit.load(SeqCst) <= txn;
        if !open || !slot.change(status, status.with(ABORTING)) {
            self.aborters.fetch_sub(1, Release);
            return;
        }
        self.aborters.fetch_sub(1, Release);
        for k in 0..slot.writes_len() {
            chain::mark_estimate(self.recs, slot.write(self.log, k) as u32);
        }
        slot.status.swap(status.with(ABORTED).0, SeqCst);
        after_seq_cst();
        match cause {
            Cause::Push => counts.pushed += 1,
            Cause::Own => counts.own += 1,
            Cause::Invented => counts.invented += 1,
        }
        if cause != Cause::Invented {
            self.store.cells.get(cell).heat.fetch_add(1, Relaxed);
        }
        self.call_again(txn);
    }
}
