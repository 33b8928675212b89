//! The transaction handle: one surface over direct and speculative execution, with nesting.

use crate::direct::Direct;
use crate::error::{Fatal, FatalCause, Reason, Revert, Stop, TxResult};
use crate::mark::Marks;
use crate::read_set::View;
use crate::spec::{Savepoint, Spec};
use crate::store::Store;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Deepest nesting of [`Tx::frame`] unless [`crate::Builder::max_depth`] says otherwise.
pub const MAX_DEPTH: u32 = 64;
/// Most reads and writes of one transaction unless [`crate::Builder::max_accesses`] says otherwise; beyond, it reverts with
/// [`Revert::LIMIT`].
pub const MAX_ACCESSES: u32 = 1 << 20;

/// An observation over a range of keys, checked again at commit.
pub(crate) trait RangeCheck: Send + Sync {
    fn holds(&self, view: &View<'_>, txn: u32) -> bool;
}

pub(crate) enum Mode<'a> {
    Direct(Direct<'a>),
    Spec(Spec<'a>),
}

/// A running transaction: pass it to the methods of cells, maps, vectors, counters and bags.
///
/// # What a closure may observe
///
/// The committed run of every transaction sees exactly the effects of all lower transactions of the batch. Earlier,
/// speculative runs of the same closure may see a mixture: values that no sequential execution ever shows together.
/// Nothing such a run does is kept, so a closure needs no defence beyond two rules:
///
/// 1. be a function of the job and of what was read through `tx` (no clocks, randomness, statics with effect), and
/// 2. end even on impossible values: a loop that could run forever on a torn view should read inside the loop, for
///    a doomed run is stopped at its next read. (A panic on a torn view is fine; it is caught and forgotten.)
pub struct Tx<'a> {
    pub(crate) mode: Mode<'a>,
    pub(crate) engine: u32,
    depth: u32,
    left: u32,
    deepest: u32,
    most: u32,
    /// There is something to reset: a weight, a mark, a swallowed stop, or an allowance that is not the usual one, a constant.
    pub(crate) used: bool,
    /// What the hook at the commit turn is told.
    pub(crate) weight: u64,
    pub(crate) marks: Marks,
    /// The stream stops here whatever the closure returns.
    stuck: Option<Fatal>,
}

impl<'a> Tx<'a> {
    pub(crate) fn new(mode: Mode<'a>, engine: u32) -> Self {
        let mut tx = Tx {
            mode,
            engine,
            depth: 0,
            left: 0,
            deepest: 0,
            most: 0,
            used: false,
            weight: 0,
            marks: Marks::default(),
            stuck: None,
        };
        (tx.deepest, tx.most) = tx.store().limits.counts();
        tx.left = tx.most;
        tx.used = tx.most != MAX_ACCESSES;
        tx
    }

    /// The next transaction of the same stretch begins.
    #[inline(always)]
    pub(crate) fn restart(&mut self) {
        self.depth = 0;
        self.left = MAX_ACCESSES;
        if self.used {
            self.reset();
        }
    }

    /// The rest of what a new transaction must not inherit; rarely there.
    #[cold]
    fn reset(&mut self) {
        self.left = self.most;
        self.used = self.most != MAX_ACCESSES;
        self.weight = 0;
        self.marks.clear();
        self.stuck = None;
    }

    /// What the closure has returned, unless it has swallowed something that it may not.
    #[inline(always)]
    pub(crate) fn verdict<R>(&mut self, result: TxResult<R>) -> TxResult<R> {
        if let Some(why) = self.stuck.take() {
            return Err(Stop(Reason::Fatal(why)));
        }
        // A destructor has panicked while a frame was rolled back, and the closure has caught that: half of the frame is
        // still there.
        if let Mode::Direct(d) = &self.mode
            && d.undo.dropping
        {
            return Err(Stop::broken("a destructor has panicked while a frame was rolled back"));
        }
        result
    }

    /// A stop for misuse that cannot be swallowed.
    #[cold]
    pub(crate) fn misuse(&mut self, reason: &'static str) -> Stop {
        let why = Fatal::new(FatalCause::Misuse, reason);
        self.used = true;
        self.stuck.get_or_insert_with(|| why.clone());
        Stop(Reason::Fatal(why))
    }

    /// Direct mode: the effects so far are final.
    #[inline(always)]
    pub(crate) fn direct_commit(&mut self) {
        if let Mode::Direct(d) = &mut self.mode {
            d.commit();
        }
    }

    /// Direct mode: there were no effects.
    #[cold]
    pub(crate) fn direct_roll_back(&mut self) {
        if let Mode::Direct(d) = &mut self.mode {
            d.roll_back((0, 0, 0));
        }
    }

    /// Reverts unless `condition` holds.
    ///
    /// # Errors
    /// A revert with code 0 and this reason.
    pub fn require(&self, condition: bool, reason: &'static str) -> TxResult<()> {
        if condition { Ok(()) } else { Err(Stop::revert(0, reason)) }
    }

    /// Runs `f` as a nested transaction. If it reverts, its effects (and only those) are dropped and the reason is
    /// returned; what it has read stays part of the outer transaction's observations, because the revert itself was
    /// decided by it.
    ///
    /// Nested deeper than [`MAX_DEPTH`] (or [`crate::Builder::max_depth`]), the frame does not run and counts as reverted with [`Revert::DEPTH`]. A panic
    /// is not stopped by a frame: it reverts the whole transaction. (Should the closure catch it further out, the frame's
    /// effects are dropped all the same.)
    ///
    /// # Errors
    /// Whatever stops the outer transaction too: a retry or a fatal stop inside `f`.
    pub fn frame<R>(&mut self, f: impl FnOnce(&mut Tx<'a>) -> TxResult<R>) -> TxResult<Result<R, Revert>> {
        if self.depth >= self.deepest {
            return Ok(Err(Revert::new(Revert::DEPTH, format!("frames nested deeper than {}", self.deepest))));
        }
        self.depth += 1;
        let mark = self.savepoint();
        let marks = self.marks.enter();
        let depth = self.depth;
        // Unwind safety: what `f` leaves half done is taken back below, and the unwinding goes on.
        let result = catch_unwind(AssertUnwindSafe(|| f(self)));
        self.depth = depth - 1;
        self.marks.leave(marks);
        match result {
            Ok(Ok(r)) => Ok(Ok(r)),
            Ok(Err(Stop(Reason::Revert(why)))) => {
                self.rewind(mark);
                Ok(Err(why))
            }
            Ok(Err(Stop(Reason::Fatal(why)))) => {
                self.used = true;
                self.stuck.get_or_insert_with(|| why.clone());
                Err(Stop(Reason::Fatal(why)))
            }
            Ok(Err(retry)) => Err(retry),
            Err(payload) => {
                self.rewind(mark);
                resume_unwind(payload)
            }
        }
    }

    #[cold]
    pub(crate) fn rewind(&mut self, mark: Savepoint) {
        match &mut self.mode {
            Mode::Direct(d) => d.roll_back(mark),
            Mode::Spec(s) => s.roll_back(mark),
        }
    }

    /// Current nesting: 0 in the closure itself.
    #[must_use]
    pub fn depth(&self) -> u32 {
        self.depth
    }

    /// Every access passes here: the engine must match and the allowance must last.
    #[inline(always)]
    pub(crate) fn charge(&mut self, engine: u32) -> TxResult<()> {
        if engine != self.engine {
            return Err(self.foreign());
        }
        spend(&mut self.left)
    }

    /// The worker that runs this transaction: which one depends on scheduling.
    #[inline(always)]
    pub(crate) fn worker(&self) -> usize {
        match &self.mode {
            Mode::Direct(_) => 0,
            Mode::Spec(s) => s.worker,
        }
    }

    /// The committed state.
    #[inline(always)]
    pub(crate) fn store(&self) -> &Store {
        match &self.mode {
            Mode::Direct(d) => d.store,
            Mode::Spec(s) => s.shared.store,
        }
    }

    /// For an operation that makes many accesses: its mode, and what is left of the allowance.
    pub(crate) fn parts(&mut self) -> (&mut Mode<'a>, &mut u32) {
        (&mut self.mode, &mut self.left)
    }

    #[cold]
    fn foreign(&mut self) -> Stop {
        self.misuse("a cell of another engine was used: pass handles only to transactions of the engine that made them")
    }
}

/// One more access.
#[inline(always)]
pub(crate) fn spend(left: &mut u32) -> TxResult<()> {
    match left.checked_sub(1) {
        Some(less) => {
            *left = less;
            Ok(())
        }
        None => Err(Stop::revert(Revert::LIMIT, "more reads and writes than a transaction may make")),
    }
}
