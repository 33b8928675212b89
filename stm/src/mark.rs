//! Savepoints that are no closures: for a host whose calls nest in foreign code.
//!
//! Live marks form a stack. Rolling back to one ends all later ones, and so does the end of the frame in which they were
//! made; a frame cannot roll back past its own beginning. A mark that is not live any more is refused: what it would mean
//! depends on how a mode keeps its journal, so it must not be guessed.

use crate::error::TxResult;
use crate::spec::Savepoint;
use crate::tx::{Mode, Tx};
use std::sync::atomic::{AtomicU64, Ordering};

/// A point of a transaction to which its effects can be rolled back ([`Tx::mark`]).
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a mark is there to be rolled back to or released"]
pub struct Mark {
    serial: u64,
    depth: usize,
}

/// The live marks of a transaction.
#[derive(Default)]
pub(crate) struct Marks {
    live: Vec<(u64, Savepoint)>,
    /// Marks below belong to what is outside the running frame.
    floor: usize,
    /// The next mark's number: no other mark of this process has it.
    next: u64,
}

impl Marks {
    pub(crate) fn clear(&mut self) {
        self.live.clear();
        self.floor = 0;
    }

    /// A frame begins. Returns what [`Marks::leave`] needs.
    #[inline(always)]
    pub(crate) fn enter(&mut self) -> (usize, usize) {
        let before = (self.floor, self.live.len());
        self.floor = self.live.len();
        before
    }

    #[inline(always)]
    pub(crate) fn leave(&mut self, (floor, live): (usize, usize)) {
        self.live.truncate(live);
        self.floor = floor;
    }

    fn push(&mut self, point: Savepoint) -> Mark {
        /// Numbers that a transaction takes at a time.
        const MANY: u64 = 1 << 24;
        static NEXT: AtomicU64 = AtomicU64::new(1);
        if self.next.is_multiple_of(MANY) {
            self.next = NEXT.fetch_add(1, Ordering::Relaxed) * MANY;
        }
        let serial = self.next;
        self.next += 1;
        self.live.push((serial, point));
        Mark { serial, depth: self.live.len() - 1 }
    }

    fn find(&self, mark: &Mark) -> Option<Savepoint> {
        let live = self.live.get(mark.depth).filter(|(serial, _)| *serial == mark.serial && mark.depth >= self.floor);
        live.map(|(_, point)| *point)
    }
}

impl Tx<'_> {
    /// Marks this point of the transaction. Counts as an access.
    ///
    /// For hosts whose calls nest in code that they do not call through a closure; everybody else is better served by
    /// [`Tx::frame`], which cannot be used wrongly.
    ///
    /// ```
    /// # use replicode_stm::Stm;
    /// let mut stm = Stm::builder().threads(2).build()?;
    /// let (calls, state) = (stm.counter(0), stm.cell(1u64));
    /// stm.execute(&[7u64], |tx, n| {
    ///     calls.add(tx, 1)?;
    ///     let before = tx.mark()?;
    ///     state.set(tx, *n)?;
    ///     tx.roll_back(&before)?;     // the inner call has failed: its effects go, what it read stays observed
    ///     tx.release(before)
    /// })?;
    /// assert_eq!(stm.run(|tx| Ok((calls.get(tx)?, state.get(tx)?)))?.committed(), Some((1, 1)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A revert with [`crate::Revert::LIMIT`] when there were too many accesses.
    pub fn mark(&mut self) -> TxResult<Mark> {
        self.charge(self.engine)?;
        self.used = true;
        let point = self.savepoint();
        Ok(self.marks.push(point))
    }

    /// Drops the effects since `mark`, and all later marks; `mark` itself stays. What was read stays observed, because it has
    /// decided the roll-back.
    ///
    /// # Errors
    /// Misuse, which stops the stream: a mark of another transaction or run, of outside the running frame, released, or
    /// made after one that was rolled back to.
    pub fn roll_back(&mut self, mark: &Mark) -> TxResult<()> {
        let Some(point) = self.marks.find(mark) else { return Err(self.dead_mark()) };
        self.marks.live.truncate(mark.depth + 1);
        #[cfg(feature = "mutants")]
        if crate::mutants::on(crate::mutants::Mutant::StaleMark)
            && let Mode::Spec(spec) = &mut self.mode
        {
            spec.forget_overwritten(point);
        }
        self.rewind(point);
        Ok(())
    }

    /// Keeps the effects since `mark`, and forgets it and all later marks.
    ///
    /// # Errors
    /// As [`Tx::roll_back`].
    #[allow(clippy::needless_pass_by_value, reason = "it is gone")]
    pub fn release(&mut self, mark: Mark) -> TxResult<()> {
        if self.marks.find(&mark).is_none() {
            return Err(self.dead_mark());
        }
        self.marks.live.truncate(mark.depth);
        Ok(())
    }

    #[cold]
    fn dead_mark(&mut self) -> crate::Stop {
        self.misuse("a mark was used that is not live: it is of another run, frame or transaction, or an earlier one was rolled back to")
    }

    #[inline(always)]
    pub(crate) fn savepoint(&mut self) -> Savepoint {
        match &mut self.mode {
            Mode::Direct(d) => d.undo.mark(),
            Mode::Spec(s) => s.savepoint(),
        }
    }
}
