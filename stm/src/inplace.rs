//! A stretch of a batch in direct mode: one transaction after the other, in place.
//!
//! What a transaction costs here is what the whole engine costs where parallelism does not pay, so the loop does
//! nothing per transaction that can be done per stretch: one handle, one stop for unwinding, one count. After a panic
//! the stretch goes on behind the transaction that panicked.

use crate::batch::{Body, Halt};
use crate::direct::Direct;
use crate::engine::Stm;
use crate::error::{
    Broken, Fatal, Outcome, Reason, Revert, Stop, TxResult, foreign_stop, host_panic, panic_fault, panic_revert,
};
use crate::inside::{self, Working};
use crate::stats::{TraceEvent, TraceKind};
use crate::turn::Verdict;
use crate::tx::{Mode, Tx};
use crate::watchdog::Watchdog;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

impl Stm {
    /// Runs jobs `from..to` one after the other, in place.
    pub(crate) fn direct<J, R, F>(
        &mut self,
        jobs: &[J],
        from: usize,
        to: usize,
        body: Body<'_, F>,
        out: &mut Vec<Outcome<R>>,
    ) -> Result<(), Halt>
    where
        F: Fn(&mut Tx<'_>, &J) -> TxResult<R>,
    {
        let began = self.settings.trace.then(|| self.clock.nanos());
        let at = AtomicUsize::new(from);
        let dog = self.settings.watchdog.clone();
        let engine = self.store.engine;
        let _here = Working::new(engine, 0);
        let result = match &dog {
            None if body.hook.is_none() => self.stretch::<false, _, _, _>(&jobs[..to], &at, body, out),
            None => self.stretch::<true, _, _, _>(&jobs[..to], &at, body, out),
            Some(_) => {
                let progress = || at.load(Relaxed) as u64;
                let dump = || {
                    let why = match inside::waiting(engine).first() {
                        Some((_, inner)) => format!("its closure waits for engine {inner} to execute a batch"),
                        None => "a closure that never returns cannot be stopped".to_string(),
                    };
                    let at = at.load(Relaxed);
                    format!("direct mode: transaction {at} is running and blocks all later ones: {why}")
                };
                Watchdog::watch(dog.as_ref(), &progress, &dump, || {
                    self.stretch::<true, _, _, _>(&jobs[..to], &at, body, out)
                })
            }
        };
        let done = (at.load(Relaxed) - from) as u64;
        self.stats.transactions += done;
        self.stats.direct += done;
        if let Some(began) = began {
            let ended = self.clock.nanos();
            self.trace
                .push((0, TraceEvent { kind: TraceKind::Direct, txn: from as u32, incarnation: 0, began, ended }));
        }
        result
    }

    /// Runs `jobs` from index `at` on, and leaves in `at` how far it came. `HOOKED`: there may be a hook.
    fn stretch<const HOOKED: bool, J, R, F>(
        &mut self,
        jobs: &[J],
        at: &AtomicUsize,
        body: Body<'_, F>,
        out: &mut Vec<Outcome<R>>,
    ) -> Result<(), Halt>
    where
        F: Fn(&mut Tx<'_>, &J) -> TxResult<R>,
    {
        while at.load(Relaxed) < jobs.len() {
            let Stm { store, undo, .. } = self;
            let (engine, Body { f, hook }) = (store.engine, body);
            // Unwind safety: a panic leaves the undo journal, and everything in it is taken back below.
            let result = catch_unwind(AssertUnwindSafe(|| {
                let mut tx = Tx::new(Mode::Direct(Direct { store, undo }), engine);
                let first = at.load(Relaxed);
                for (k, job) in jobs[first..].iter().enumerate() {
                    tx.restart();
                    let result = f(&mut tx, job);
                    let here = first + k;
                    let outcome = match tx.verdict(result) {
                        Ok(value) => {
                            if HOOKED && let Some(hook) = hook {
                                let verdict = hook.ask(here as u32, tx.weight, false);
                                if verdict != Verdict::EndBefore {
                                    tx.direct_commit();
                                }
                                if verdict != Verdict::Proceed {
                                    end(verdict, Outcome::Committed(value), here, at, out);
                                    tx.direct_roll_back();
                                    return Err(None);
                                }
                            } else {
                                tx.direct_commit();
                            }
                            Outcome::Committed(value)
                        }
                        Err(stop) => {
                            tx.direct_roll_back();
                            let why = reason(stop)?;
                            let verdict = hook.map_or(Verdict::Proceed, |hook| hook.ask(here as u32, tx.weight, true));
                            if verdict != Verdict::Proceed {
                                end(verdict, Outcome::Reverted(why), here, at, out);
                                return Err(None);
                            }
                            Outcome::Reverted(why)
                        }
                    };
                    out.push(outcome);
                    at.store(here + 1, Relaxed);
                }
                Ok(())
            }));
            let here = at.load(Relaxed);
            match result {
                Ok(done) => return done.map_err(|why| (here, why)),
                Err(payload) => {
                    if self.undo.dropping || payload.is::<Broken>() {
                        return Err((here, Some(Fatal::fault(panic_fault(&*payload)))));
                    }
                    Direct { store: &mut self.store, undo: &mut self.undo }.roll_back((0, 0, 0));
                    let why = panic_revert(&*payload);
                    if self.settings.panics_are_faults {
                        return Err((here, Some(host_panic(&why))));
                    }
                    let verdict = body.hook.map_or(Verdict::Proceed, |hook| hook.ask(here as u32, 0, true));
                    if verdict != Verdict::Proceed {
                        end(verdict, Outcome::Reverted(why), here, at, out);
                        return Err((here, None));
                    }
                    out.push(Outcome::Reverted(why));
                    at.store(here + 1, Relaxed);
                }
            }
        }
        Ok(())
    }
}

/// The hook ends the stretch at transaction `here`: before it, or with it.
#[cold]
fn end<R>(verdict: Verdict, outcome: Outcome<R>, here: usize, at: &AtomicUsize, out: &mut Vec<Outcome<R>>) {
    if verdict == Verdict::EndAfter {
        out.push(outcome);
        at.store(here + 1, Relaxed);
    }
}

/// The reason of a revert, or what stops the stream.
#[cold]
fn reason(stop: Stop) -> Result<Revert, Option<Fatal>> {
    match stop.0 {
        Reason::Revert(why) => Ok(why),
        Reason::Fatal(why) => Err(Some(why)),
        Reason::Retry => Err(Some(foreign_stop())),
    }
}
