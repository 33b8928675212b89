//! Time since genesis: the only clock a room can see.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Nanoseconds since the cell's genesis, stamped on each batch by the leader and strictly increasing from batch to
/// batch. It is *not* a host clock: two nodes that execute the same batch see the same value. 64 bits last 584 years.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct LogicalTime(u64);

impl LogicalTime {
    /// The moment of genesis.
    pub const GENESIS: Self = Self(0);
    /// A moment that never comes.
    pub const NEVER: Self = Self(u64::MAX);

    /// `nanos` after genesis.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since genesis.
    #[must_use]
    pub const fn nanos(self) -> u64 {
        self.0
    }

    /// The moment `nanos` later; [`LogicalTime::NEVER`] when that lies beyond the end of time.
    #[must_use]
    pub const fn plus(self, nanos: u64) -> Self {
        Self(self.0.saturating_add(nanos))
    }

    /// Nanoseconds from `earlier` to `self`, 0 if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for LogicalTime {
    /// Seconds with nine decimals, as `strace -ttt` prints them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:09}", self.0 / 1_000_000_000, self.0 % 1_000_000_000)
    }
}

impl fmt::Debug for LogicalTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_at_the_end_of_time() {
        assert_eq!(LogicalTime::from_nanos(5).plus(u64::MAX), LogicalTime::NEVER);
        assert_eq!(LogicalTime::from_nanos(5).since(LogicalTime::from_nanos(9)), 0);
    }

    #[test]
    fn prints_as_seconds() {
        assert_eq!(LogicalTime::from_nanos(1_000_000_007).to_string(), "1.000000007");
    }
}
