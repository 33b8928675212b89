//! Thirteen engines, each wrong in one way: every one must turn the test-suite red. Only with feature `mutants`.

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
    /// A roll-back to a mark takes back new writes only, not overwritten ones.
    StaleMark = 8,
    /// Byte values of the same length count as equal.
    LengthForContent = 9,
    /// A place that was written is evicted as if the base knew its value.
    DirtyEviction = 10,
    /// A key that no earlier block has named leaves no change behind.
    LostChange = 11,
    /// A change of a keyed counter that was not there before the block does not make it.
    AbsentDelta = 12,
    /// A block that should end with a transaction ends with the next one.
    LateCut = 13,
}

impl Mutant {
    /// All broken ones.
    pub const ALL: [Mutant; 13] = [
        Mutant::SkippedRead,
        Mutant::EarlyCommit,
        Mutant::ForgottenFrame,
        Mutant::DoubleFold,
        Mutant::FinalZombie,
        Mutant::RecycledVersion,
        Mutant::LeftoverWrite,
        Mutant::StaleMark,
        Mutant::LengthForContent,
        Mutant::DirtyEviction,
        Mutant::LostChange,
        Mutant::AbsentDelta,
        Mutant::LateCut,
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
