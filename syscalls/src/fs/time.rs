//! Time stamps of files: signed, because a program may give a file a date long before the cell's genesis.

use borsh::{BorshDeserialize, BorshSerialize};
use replicode_log::LogicalTime;

/// Nanoseconds since the cell's genesis, negative before it; ±292 years. The file system only compares and stores
/// stamps. Whoever talks to guests turns them into Unix time, with the epoch of the cluster configuration.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, BorshSerialize, BorshDeserialize)]
pub struct FileTime(i64);

impl FileTime {
    /// The stamp of everything that the file image brings.
    pub const GENESIS: Self = Self(0);

    /// Nanoseconds since genesis, negative before it.
    #[must_use]
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// The stamp of the moment `unix_ns` (nanoseconds since 1970) in a cell whose genesis was at `epoch_unix_ns`.
    /// Moments out of range become the nearest one in range.
    #[must_use]
    pub fn from_unix_ns(unix_ns: u64, epoch_unix_ns: u64) -> Self {
        let distance = i128::from(unix_ns) - i128::from(epoch_unix_ns);
        let nearest = distance.clamp(i128::from(i64::MIN), i128::from(i64::MAX));
        Self(i64::try_from(nearest).unwrap_or(i64::MAX))
    }

    /// Nanoseconds since 1970 in a cell whose genesis was at `epoch_unix_ns`; 0 for moments before 1970.
    #[must_use]
    pub const fn unix_ns(self, epoch_unix_ns: u64) -> u64 {
        epoch_unix_ns.saturating_add_signed(self.0)
    }
}

impl From<LogicalTime> for FileTime {
    fn from(time: LogicalTime) -> Self {
        Self(i64::try_from(time.nanos()).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPOCH: u64 = 1_700_000_000_000_000_000;

    #[test]
    fn unix_time_goes_there_and_back() {
        for unix in [0, 1, EPOCH - 1, EPOCH, EPOCH + 1, 4_000_000_000_000_000_000] {
            assert_eq!(FileTime::from_unix_ns(unix, EPOCH).unix_ns(EPOCH), unix);
        }
    }

    #[test]
    fn moments_out_of_range_become_the_nearest() {
        assert_eq!(FileTime::from_unix_ns(u64::MAX, 0).nanos(), i64::MAX);
        assert_eq!(FileTime::from_unix_ns(0, u64::MAX).nanos(), i64::MIN);
        assert_eq!(FileTime(-5).unix_ns(3), 0);
        assert_eq!(FileTime::from(LogicalTime::NEVER).nanos(), i64::MAX);
    }
}
