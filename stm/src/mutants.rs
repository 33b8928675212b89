//! Seven engines, each wrong in one way: every one must turn the test-suite red. Only with feature `mutants`.

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

/// What is broken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Mutant {
    /// Nothing.
    None = 0,
    /// Certification ignores the first recorded read of each transaction.
    SkippedRead = 1,
    /// The commit index passes a transaction whose newest incarnation has not finished.
    EarlyCommit = 2,
    /// Reads of a reverted frame leave the read set.
    ForgottenFrame = 3,
    /// A delta counts again after a re-execution.
    DoubleFold = 4,
    /// A revert or panic of an uncertified run becomes the outcome.
    FinalZombie = 5,
    /// Version memory is reused within the block, so stamps lie.
    RecycledVersion = 6,
    /// A re-execution that no longer writes a cell leaves its old version visible.
    LeftoverWrite = 7,
}

impl Mutant {
    /// All broken ones.
    pub const ALL: [Mutant; 7] = [
        Mutant::SkippedRead,
        Mutant::EarlyCommit,
        Mutant::ForgottenFrame,
        Mutant::DoubleFold,
        Mutant::FinalZombie,
        Mutant::RecycledVersion,
        Mutant::LeftoverWrite,
    ];
}

static CURRENT: AtomicU8 = AtomicU8::new(0);

/// Breaks every engine of this process in this way.
pub fn set(mutant: Mutant) {
    CURRENT.store(mutant as u8, Relaxed);
}

/// Whether `mutant` is the one in force.
#[inline]
pub(crate) fn on(mutant: Mutant) -> bool {
    CURRENT.load(Relaxed) == mutant as u8
}
