//! Finishing a claimed stretch at the commit turn.
//!
//! While a worker runs what it has claimed, the commit turn often arrives there: everything below has been committed
//! meanwhile, or waits for nothing but this worker's own runs to be certified. From then on its transactions cannot be
//! wrong, so it keeps the token and runs the rest of the stretch as final (I2 without a first run, as in
//! [`crate::ahead`]): nothing is certified or swapped, and recorded only for the audit. The token is not missed
//! meanwhile, because the next thing to commit is what its holder is running.
//!
//! With two workers whose transactions take equally long every other stretch ends so; with one worker, all do. It rests
//! with conflicts, because those who have read too early are to be told at once and not at their turn, and with group
//! certification, which is for many threads.

use crate::chaos::Trick;
use crate::error::TxResult;
use crate::execute::Why;
use crate::run::{Segment, Shared, Worker};
use crate::sync::{Acquire, Relaxed, Release};
use crate::tx::Tx;
use std::ops::Range;

impl Shared<'_> {
    /// Whether a worker that is about to run `at` could do so at the commit turn; its runs from `mine` on may be
    /// uncommitted.
    #[inline(always)]
    pub(crate) fn at_turn(&self, at: u32, mine: u32, worker: usize) -> bool {
        if !self.front {
            return false;
        }
        let c = self.turn.commit.load(Acquire);
        c >= mine && (c == at || self.owner(c) == worker as u32)
    }
}

impl<J, R, F> Segment<'_, J, R, F>
where
    F: Fn(&mut Tx<'_>, &J) -> TxResult<R> + Sync,
{
    /// Runs what this worker has just claimed; `mine` is the lowest index whose run of this worker may be uncommitted.
    /// True if all of it, and the range, is committed.
    #[inline(always)]
    pub(crate) fn run_claimed(&self, w: &mut Worker<R>, range: Range<u32>, mine: u32) -> bool {
        let sh = self.shared;
        let mut at = range.start;
        while at < range.end {
            if sh.at_turn(at, mine, w.id)
                && let Some(upto) = self.finish_at_turn(w, at..self.final_end(at, range.end))
            {
                if upto == range.end || upto == at || sh.finished(upto) || sh.hook.is_none() {
                    return upto == range.end;
                }
                at = upto;
                continue;
            }
            at = self.each(w, at..range.end, Why::Claimed(mine));
        }
        false
    }

    /// How far a run of finals from `at` on may go: a hook may end the block with any transaction.
    #[inline(always)]
    fn final_end(&self, at: u32, end: u32) -> u32 {
        if self.shared.hook.is_some() { at + 1 } else { end }
    }

    /// Commits what this worker ran before `range` and then runs `range` under the token. Returns how far it came, or
    /// nothing if something else comes first.
    ///
    /// Leaves the token as [`Segment::commit`] does, but for the look at the next status: this worker takes it in
    /// [`Segment::work`].
    #[inline(never)]
    pub(crate) fn finish_at_turn(&self, w: &mut Worker<R>, range: Range<u32>) -> Option<u32> {
        let sh = self.shared;
        let id = w.id;
        let calm = || !sh.contended() || sh.chaos_hit(id, Trick::Seal);
        if !calm() || !sh.take_token() {
            return None;
        }
        if sh.turn.commit.load(Relaxed) < range.start {
            self.commit_own(w, range.start);
        }
        let mut upto = None;
        let from = range.start;
        if sh.turn.commit.load(Relaxed) == from && !sh.finished(from) && calm() {
            let reached = self.each(w, range, Why::Final);
            let counts = &mut w.scratch.counts;
            counts.commits += u64::from(reached - from);
            counts.at_turn += u64::from(reached - from);
            sh.turn.commit.store(reached, Release);
            sh.look_back(reached);
            upto = Some(reached);
        }
        sh.free_token();
        upto
    }

    /// Token holder: commits what this worker ran below `before`.
    #[inline(always)]
    fn commit_own(&self, w: &mut Worker<R>, before: u32) {
        let sh = self.shared;
        self.commit_sealed(w, false);
        let c = sh.turn.commit.load(Relaxed);
        if c < before && sh.owner(c) == w.id as u32 {
            self.commit_stale(w);
        }
        if sh.park.anybody() {
            // The window is open again, and what comes next takes its time.
            sh.show(sh.turn.commit.load(Relaxed));
        }
    }

    /// Token holder: a run of this worker has read too early. Its turn is now, so it is run again now.
    #[cold]
    #[inline(never)]
    fn commit_stale(&self, w: &mut Worker<R>) {
        self.commit_run(w);
    }
}
