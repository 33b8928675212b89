//! Transforms that are wrong in one way each: every one must turn the test-suite red. Only with feature `mutants`.

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

/// What is broken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Mutant {
    /// Nothing.
    None = 0,
    /// The `else` arm is left out of the heaviest path.
    ThenOnly = 1,
    /// Loop headers charge nothing.
    FreeLoop = 2,
    /// Only the first target of a `br_table` is looked at.
    FirstTarget = 3,
    /// The counter is not read again after a call.
    StaleCounter = 4,
    /// A `return` inside a block leaves without writing the counter back.
    LostReturn = 5,
    /// The operand of bulk operations costs nothing.
    FreeBulk = 6,
    /// A counter at exactly zero counts as out of gas.
    OffByOne = 7,
    /// A tail call keeps the frame that it leaves.
    KeptFrame = 8,
    /// A frame is subtracted, but not checked.
    EndlessStack = 9,
    /// A bounded loop is priced for one round too few.
    RoundTooFew = 10,
}

impl Mutant {
    /// All broken ones.
    pub const ALL: [Mutant; 10] = [
        Mutant::ThenOnly,
        Mutant::FreeLoop,
        Mutant::FirstTarget,
        Mutant::StaleCounter,
        Mutant::LostReturn,
        Mutant::FreeBulk,
        Mutant::OffByOne,
        Mutant::KeptFrame,
        Mutant::EndlessStack,
        Mutant::RoundTooFew,
    ];
}

static CURRENT: AtomicU8 = AtomicU8::new(0);

/// Breaks every transform of this process in this way.
pub fn set(mutant: Mutant) {
    CURRENT.store(mutant as u8, Relaxed);
}

/// Whether `mutant` is the one in force.
pub(crate) fn on(mutant: Mutant) -> bool {
    CURRENT.load(Relaxed) == mutant as u8
}
