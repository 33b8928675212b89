//! Read views: a transaction over the committed state that is never committed, from `&self`.
//!
//! It runs as a speculative transaction whose turn has come: nothing above the committed state, nobody to conflict with.
//! What it writes waits in a private buffer, as always, and is then dropped; so a view is also a way of trying something.

use crate::ahead::Ahead;
use crate::engine::Stm;
use crate::error::{Broken, Fatal, Outcome, Reason, TxResult, foreign_stop, host_panic, panic_fault, panic_revert};
use crate::park::Parking;
use crate::run::{Shared, Turn};
use crate::slot::{RUNNING, Status};
use crate::spec::{Buffer, Spec};
use crate::sync::{AtomicBool, AtomicU32, AtomicU64, Mutex, Padded, lock};
use crate::tx::{Mode, Tx};
use std::panic::{AssertUnwindSafe, catch_unwind};

impl Stm {
    /// Looks at the committed state: `f` sees what a next transaction would see, and whatever it writes has no effect. Any
    /// number of threads may do so side by side.
    ///
    /// What a view reads of a [`crate::Base`] becomes resident, and what it writes takes memory until the next batch is over.
    ///
    /// ```
    /// # use replicode_stm::Stm;
    /// let mut stm = Stm::builder().threads(2).build()?;
    /// let left = stm.cell(5u64);
    /// let after_two_more = stm.view(|tx| left.update(tx, |v| v - 2))?;
    /// assert_eq!((after_two_more.committed(), stm.view(|tx| left.get(tx))?.committed()), (Some(3), Some(5)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The stop, if `f` asked for one, misused a handle or met a fault of a base, or the engine refuses to go on.
    pub fn view<R>(&self, f: impl FnOnce(&mut Tx<'_>) -> TxResult<R>) -> Result<Outcome<R>, Fatal> {
        if let Some(fatal) = &self.broken {
            return Err(fatal.clone());
        }
        if self.busy {
            return Err(Fatal::fault("an earlier batch was cut short by a panic outside a closure"));
        }
        let mut buf = lock(&self.queries).pop().unwrap_or_default();
        buf.clear();
        let outcome = self.look(&mut buf, f);
        lock(&self.queries).push(buf);
        if let Some(why) = self.store.fault() {
            return Err(Fatal::fault(why));
        }
        outcome
    }

    fn look<R>(&self, buf: &mut Buffer, f: impl FnOnce(&mut Tx<'_>) -> TxResult<R>) -> Result<Outcome<R>, Fatal> {
        let clock = self.clock;
        let now = move || clock.nanos();
        let shared = Shared {
            store: &self.store,
            recs: &self.recs,
            log: &self.log,
            slots: &self.slots,
            window: Padded(AtomicU32::new(0)),
            narrowest: 0,
            widest: 0,
            calmest: 0,
            n: 1,
            next: Padded(AtomicU32::new(1)),
            finals: Padded(AtomicU32::new(0)),
            end: AtomicU32::new(1),
            fatal: AtomicBool::new(false),
            cut: AtomicBool::new(false),
            hook: None,
            special: false,
            panics_are_faults: self.settings.panics_are_faults,
            turn: Padded(Turn::default()),
            aborters: Padded(AtomicU32::new(0)),
            heat: Padded(AtomicU32::new(0)),
            again: Vec::new(),
            group: crate::certify::Group::new(false),
            park: Parking::new(),
            arrived: AtomicU32::new(0),
            begun: AtomicU64::new(0),
            done: AtomicU32::new(0),
            workers: 1,
            baton: None,
            chaos: None,
            alone: None,
            places: &[],
            audit: None,
            ahead: Ahead::new(false, false),
            front: false,
            time: &now,
            clock: None,
            broken: AtomicBool::new(false),
            why: Mutex::new(None),
        };
        // Unwind safety: all that a panic leaves half done is the private buffer, which is emptied before it is used again.
        let result = catch_unwind(AssertUnwindSafe(|| {
            let status = Status::new(0, 0, RUNNING);
            let spec = Spec { shared: &shared, buf, worker: 0, txn: 0, status, token: true, record: false, frames: 0 };
            let mut tx = self.new_tx(Mode::Spec(spec));
            let result = f(&mut tx);
            tx.verdict(result)
        }));
        match result {
            Ok(Ok(value)) => Ok(Outcome::Committed(value)),
            Ok(Err(stop)) => match stop.0 {
                Reason::Revert(why) => Ok(Outcome::Reverted(why)),
                Reason::Fatal(why) => Err(why),
                Reason::Retry => Err(foreign_stop()),
            },
            Err(payload) if payload.is::<Broken>() => Err(Fatal::fault(panic_fault(&*payload))),
            Err(payload) => {
                let why = panic_revert(&*payload);
                if self.settings.panics_are_faults { Err(host_panic(&why)) } else { Ok(Outcome::Reverted(why)) }
            }
        }
    }
}
