//! A moment on this host's monotonic clock, as a value.
//!
//! Whatever decides *when* takes it as an argument (`handle_x(value, now)`) and answers with one (`deadline()`), and never
//! reads a clock: so the shell above it can be the real one, a test, or a simulated host. It is not
//! [`LogicalTime`](crate::LogicalTime): two nodes never agree on it, and it says nothing about the history of the cell.
//! That is why it has no encoding. It cannot enter a batch, a file or a message:
//!
//! ```compile_fail
//! let _ = borsh::to_vec(&replicode_log::Mono::LONG_AGO);
//! ```

use std::fmt;
use std::time::Duration;

/// Nanoseconds on this host's monotonic clock (`CLOCK_MONOTONIC`), since a moment that is the same for the whole process.
/// 64 bits last 584 years.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mono(u64);

impl Mono {
    /// Before every moment at which this process did anything: what is due then is due at once.
    pub const LONG_AGO: Self = Self(0);

    /// `nanos` on the clock.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// What the clock shows, as whoever reads it is told.
    #[must_use]
    pub fn of_reading(reading: Duration) -> Self {
        Self(nanos(reading))
    }

    /// Nanoseconds on the clock.
    #[must_use]
    pub const fn nanos(self) -> u64 {
        self.0
    }

    /// The moment `time` later, or the last one there is.
    #[must_use]
    pub fn plus(self, time: Duration) -> Self {
        Self(self.0.saturating_add(nanos(time)))
    }

    /// The moment `time` earlier, or the first one there is.
    #[must_use]
    pub fn minus(self, time: Duration) -> Self {
        Self(self.0.saturating_sub(nanos(time)))
    }

    /// How much later this is than `earlier`; nothing if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl fmt::Debug for Mono {
    /// Seconds with nine decimals.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:09}", self.0 / 1_000_000_000, self.0 % 1_000_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_stays_within_the_clock() {
        let at = Mono::from_nanos(7);
        assert_eq!(at.plus(Duration::from_nanos(3)), Mono::from_nanos(10));
        assert_eq!(at.plus(Duration::MAX), Mono::from_nanos(u64::MAX));
        assert_eq!(at.minus(Duration::from_nanos(9)), Mono::LONG_AGO);
        assert_eq!(Mono::from_nanos(10).since(at), Duration::from_nanos(3));
        assert_eq!(at.since(Mono::from_nanos(10)), Duration::ZERO);
        assert_eq!(Mono::of_reading(Duration::from_secs(2)).nanos(), 2_000_000_000);
    }

    #[test]
    fn it_prints_as_seconds() {
        assert_eq!(format!("{:?}", Mono::from_nanos(1_000_000_007)), "1.000000007");
    }
}
