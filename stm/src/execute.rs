//! Running closures speculatively: neighbours one after the other, one stop for unwinding for all of them.

use crate::chain;
use crate::error::{
    Broken, Fatal, FatalCause, Outcome, Reason, Revert, Stop, TxResult, foreign_stop, give_up, host_panic, panic_revert,
};
use crate::publish::Ending;
use crate::run::{Scratch, Segment, Shared, Worker};
use crate::slot::{RUNNING, Status};
use crate::spec::{Buffer, Spec};
use crate::stats::{TraceEvent, TraceKind};
use crate::sync::Relaxed;
use crate::tx::{Mode, Tx};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

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

    /// The closure has panicked, in these words.
    #[cold]
    fn panicked(why: Revert, fault: bool) -> Done<R> {
        if fault { Done::Fatal(host_panic(&why)) } else { Done::Reverted(why) }
    }

    /// From what the closure returned. Never called for a run that must be retried.
    #[inline(always)]
    fn from_result(result: TxResult<R>) -> Done<R> {
        match result {
            Ok(r) => Done::Ok(r),
            Err(stop) => Done::from_stop(stop),
        }
    }

    #[cold]
    fn from_stop(stop: Stop) -> Done<R> {
        match stop.0 {
            Reason::Revert(why) => Done::Reverted(why),
            Reason::Fatal(why) => Done::Fatal(why),
            Reason::Retry => Done::Fatal(foreign_stop()),
        }
    }
}

/// Why the closures are run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// The first incarnations of claimed indices, until the commit turn comes to a run of this worker, the lowest of
    /// which is this one (`front`).
    Claimed(u32),
    /// This incarnation, of one index.
    Again(Status),
    /// This incarnation, of one index, under the commit token.
    Token(Status),
    /// Claimed indices at the commit turn, under the commit token, each committed as it ends (`ahead`, `front`).
    Final,
}

impl<J, R, F> Segment<'_, J, R, F>
where
    F: Fn(&mut Tx<'_>, &J) -> TxResult<R> + Sync,
{
    /// Runs incarnation `status` of its transaction and publishes what it did, or steps back from it.
    ///
    /// Under the token everything below is committed, so the run cannot be wrong and commits as it stands (I2).
    #[cold]
    pub(crate) fn again(&self, w: &mut Worker<R>, status: Status, token: bool) {
        let txn = status.txn();
        self.each(w, txn..txn + 1, if token { Why::Token(status) } else { Why::Again(status) });
    }

    /// Runs the transactions of `range` and publishes what they did. Returns where it stopped: the end of the range, or
    /// before a transaction that stopped the stream (only if its run was final) or met a fault, or where the worker
    /// should look at the commit turn.
    #[inline(always)]
    pub(crate) fn each(&self, w: &mut Worker<R>, range: Range<u32>, why: Why) -> u32 {
        let sh = self.shared;
        let Worker { id, buf, scratch, outcomes } = w;
        let worker = *id;
        let (mut at, mut concluding) = (range.start, false);
        while at < range.end {
            let mut status = Status::new(at, 0, RUNNING);
            let mut began = 0;
            // Unwind safety: all that a panic of a closure leaves half done is the private buffer, whose effects are
            // dropped below; a panic anywhere else is a fault.
            let result = catch_unwind(AssertUnwindSafe(|| {
                let token = matches!(why, Why::Token(_) | Why::Final);
                // Nobody certifies what is final, but the audit wants to see it.
                let record = why != Why::Final || sh.audit.is_some();
                let spec = Spec { shared: sh, buf, worker, txn: at, status, token, record, frames: 0 };
                let mut tx = Tx::new(Mode::Spec(spec), sh.store.engine);
                while at < range.end
                    && let Some(job) = self.jobs.get(at as usize)
                {
                    status = match why {
                        Why::Claimed(_) => sh.slot(at).open(at, worker as u32),
                        Why::Again(status) | Why::Token(status) => {
                            sh.slot(at).worker.store(worker as u32, Relaxed);
                            status
                        }
                        Why::Final => Status::new(at, 0, RUNNING),
                    };
                    began = sh.clock.map_or(0, |c| c());
                    chain::prepare(sh.recs, &scratch.run);
                    tx.restart();
                    if let Mode::Spec(spec) = &mut tx.mode {
                        spec.begin(at, status);
                    }
                    let result = (self.f)(&mut tx, job);
                    let result = tx.verdict(result);
                    concluding = true;
                    if let Mode::Spec(Spec { buf, .. }) = &mut tx.mode {
                        let run = Finished {
                            shared: sh,
                            worker,
                            buf,
                            scratch,
                            outcomes,
                            status,
                            why,
                            began,
                            weight: tx.weight,
                        };
                        if !run.conclude(|| Done::from_result(result)) {
                            return;
                        }
                    }
                    concluding = false;
                    at += 1;
                    sh.pause(worker);
                    if let Why::Claimed(mine) = why
                        && sh.at_turn(at, mine, worker)
                    {
                        return;
                    }
                }
            }));
            match result {
                Ok(()) => return at,
                Err(payload) if concluding => std::panic::resume_unwind(payload),
                Err(payload) => {
                    if payload.is::<Broken>() {
                        std::panic::resume_unwind(payload);
                    }
                    let run = Finished { shared: sh, worker, buf, scratch, outcomes, status, why, began, weight: 0 };
                    if !run.conclude(|| Done::panicked(panic_revert(&*payload), sh.panics_are_faults)) {
                        return at;
                    }
                    at += 1;
                }
            }
        }
        range.end
    }
}

/// A closure has returned.
struct Finished<'a, 's, R> {
    shared: &'a Shared<'s>,
    worker: usize,
    buf: &'a mut Buffer,
    scratch: &'a mut Scratch,
    outcomes: &'a mut Vec<Option<Done<R>>>,
    status: Status,
    why: Why,
    began: u64,
    weight: u64,
}

impl<R> Finished<'_, '_, R> {
    /// Publishes, commits or steps back. False if the stream stops here.
    #[inline(always)]
    fn conclude(self, done: impl FnOnce() -> Done<R>) -> bool {
        let Finished { shared: sh, worker, buf, scratch, outcomes, status, why, began, weight } = self;
        let txn = status.txn();
        scratch.counts.executions += 1;
        if let Some(clock) = sh.clock {
            let kind =
                if matches!(why, Why::Claimed(_) | Why::Again(_)) { TraceKind::Execute } else { TraceKind::UnderToken };
            scratch.trace.push(TraceEvent { kind, txn, incarnation: status.incarnation(), began, ended: clock() });
        }
        if let Some(retry) = buf.retry {
            sh.retreat(worker, &mut scratch.counts, status, retry);
            return true;
        }
        let done = done();
        if !matches!(done, Done::Ok(_)) {
            buf.drop_effects();
            #[cfg(feature = "mutants")]
            if crate::mutants::on(crate::mutants::Mutant::FinalZombie) {
                buf.reads.clear();
            }
        }
        let fatal = match &done {
            // Whether a run that may be thrown away takes the last cell depends on scheduling: no place of the stream.
            Done::Fatal(why) if why.cause() == FatalCause::Fault => give_up(why.reason().to_string()),
            Done::Fatal(_) => true,
            _ => false,
        };
        let end = Ending { fatal, reverted: matches!(done, Done::Reverted(_)), weight };
        let at = outcomes.len() as u32;
        let mut on = true;
        if why == Why::Final {
            on = sh.publish_final(worker as u32, at, scratch, buf, txn, end);
        } else {
            let slot = sh.slot(txn);
            slot.at.store(at, Relaxed);
            sh.publish(worker, scratch, buf, status, end, matches!(why, Why::Token(_)));
        }
        // Only now: a store to memory that is not at hand would hold up the linking of the versions.
        outcomes.push(Some(done));
        on
    }
}
