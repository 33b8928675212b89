//! A stretch of a batch in direct mode: one transaction after the other, in place.
//!
//! What a transaction costs here is what the whole engine costs where parallelism does not pay, so the loop does
//! nothing per transaction that can be done per stretch: one handle, one stop for unwinding, one count. After a panic
//! the stretch goes on behind the transaction that panicked.

use crate::direct::Direct;
use crate::engine::Stm;
use crate::error::{Broken, Fatal, Outcome, Stop, StopKind, TxResult, foreign_stop, panic_fault, panic_revert};
use crate::inside::{self, Working};
use crate::stats::{TraceEvent, TraceKind};
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
        f: &F,
        out: &mut Vec<Outcome<R>>,
    ) -> Result<(), (usize, Fatal)>
    where
        F: Fn(&mut Tx<'_>, &J) -> TxResult<R>,
    {
        let began = self.settings.trace.then(|| self.clock.nanos());
        let at = AtomicUsize::new(from);
        let dog = self.settings.watchdog.clone();
        let engine = self.store.engine;
        let _here = Working::new(engine, 0);
        let result = match &dog {
            None => self.stretch(&jobs[..to], &at, f, out),
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
                Watchdog::watch(dog.as_ref(), &progress, &dump, || self.stretch(&jobs[..to], &at, f, out))
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

    /// Runs `jobs` from index `at` on, and leaves in `at` how far it came.
    fn stretch<J, R, F>(
        &mut self,
        jobs: &[J],
        at: &AtomicUsize,
        f: &F,
        out: &mut Vec<Outcome<R>>,
    ) -> Result<(), (usize, Fatal)>
    where
        F: Fn(&mut Tx<'_>, &J) -> TxResult<R>,
    {
        while at.load(Relaxed) < jobs.len() {
            let Stm { store, undo, .. } = self;
            let engine = store.engine;
            // Unwind safety: a panic leaves the undo journal, and everything in it is taken back below.
            let result = catch_unwind(AssertUnwindSafe(|| {
                let mut tx = Tx::new(Mode::Direct(Direct { store, undo }), engine);
                let first = at.load(Relaxed);
                for (k, job) in jobs[first..].iter().enumerate() {
                    tx.restart();
                    let result = f(&mut tx, job);
                    let outcome = match tx.verdict(result) {
                        Ok(value) => {
                            tx.direct_commit();
                            Outcome::Committed(value)
                        }
                        Err(stop) => {
                            tx.direct_roll_back();
                            Outcome::Reverted(reason(stop)?)
                        }
                    };
                    out.push(outcome);
                    at.store(first + k + 1, Relaxed);
                }
                Ok(())
            }));
            let here = at.load(Relaxed);
            match result {
                Ok(done) => return done.map_err(|why| (here, why)),
                Err(payload) => {
                    if self.undo.dropping || payload.is::<Broken>() {
                        return Err((here, Fatal::fault(panic_fault(&*payload))));
                    }
                    Direct { store: &mut self.store, undo: &mut self.undo }.roll_back((0, 0, 0));
                    out.push(Outcome::Reverted(panic_revert(&*payload)));
                    at.store(here + 1, Relaxed);
                }
            }
        }
        Ok(())
    }
}

/// The reason of a revert, or what stops the stream.
#[cold]
fn reason(stop: Stop) -> Result<crate::error::Revert, Fatal> {
    match stop.0 {
        StopKind::Revert(why) => Ok(why),
        StopKind::Fatal(why) => Err(why),
        StopKind::Retry => Err(foreign_stop()),
    }
}
