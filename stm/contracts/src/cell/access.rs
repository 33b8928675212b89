//! The verbs that storage is written over.

use super::CellKey;

/// Inclusive bounds of a sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Least value allowed.
    pub least: i128,
    /// Greatest value allowed.
    pub most: i128,
}

impl Bounds {
    /// Only those of 128 bits.
    pub const NONE: Bounds = Bounds { least: i128::MIN, most: i128::MAX };
    /// From zero up: a balance.
    pub const NOT_NEGATIVE: Bounds = Bounds { least: 0, most: i128::MAX };

    /// Whether `sum` lies within.
    #[must_use]
    pub const fn hold(self, sum: i128) -> bool {
        self.least <= sum && sum <= self.most
    }
}

/// A point to roll back to. Marks are taken and given back like a stack: rolling back to one forgets all later ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(pub usize);

/// What storage is written over. Object-safe, so that it can be lent as `&mut dyn Access<Error = E>`.
///
/// A key belongs to bytes or to a sum for its whole life, by its class; the two verbs for sums and the three for bytes never meet
/// on one key. A sum that was never added to is 0, and one at 0 is as good as absent.
pub trait Access {
    /// Why an access ends the run: a fault of the store, or what a parallel engine says to a run that is wrong. Never a decision of
    /// the contract, and never shown to it.
    type Error;

    /// Puts the value into `into`, replacing what was there, and says whether there is one; `into` is empty if not.
    fn get(&mut self, key: &CellKey, into: &mut Vec<u8>) -> Result<bool, Self::Error>;

    /// Sets the value, [`super::MAX_CELL`] bytes at most.
    fn set(&mut self, key: &CellKey, value: &[u8]) -> Result<(), Self::Error>;

    /// Makes the cell absent.
    fn remove(&mut self, key: &CellKey) -> Result<(), Self::Error>;

    /// The sum. Meets every addition to it.
    fn sum(&mut self, key: &CellKey) -> Result<i128, Self::Error>;

    /// Adds. `false`: the sum would leave `within`, and nothing was done. Observes whether the bounds hold and nothing else, so
    /// additions to one sum do not meet.
    fn add(&mut self, key: &CellKey, delta: i128, within: Bounds) -> Result<bool, Self::Error>;

    /// Adds to one of the store's own counts, which never come near the ends of 128 bits. Observes nothing at all.
    fn count(&mut self, key: &CellKey, delta: i128) -> Result<(), Self::Error> {
        self.add(key, delta, Bounds::NONE).map(drop)
    }

    /// A name that no other call has got or will get, ever: a function of the transaction's place in history and of how many names
    /// it has asked for. Names of collections made at run time come from here; no state and no answer depends on them.
    fn fresh(&mut self) -> Result<[u8; 32], Self::Error>;

    /// Where a frame begins.
    fn mark(&mut self) -> Mark;

    /// Undoes everything since `to`.
    fn roll_back(&mut self, to: Mark);
}
