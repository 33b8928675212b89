//! The leader's clock: what the cell's time is now. Pure: the host's two clocks are arguments.

use replicode_log::LogicalTime;
use std::time::Duration;

/// Follows the host's wall clock forward and never goes back or stands still: when the wall clock is set back, time goes
/// on at the pace of the monotonic clock until the wall clock has caught up.
#[derive(Clone, Debug)]
pub struct LeaderClock {
    epoch_unix_ns: u64,
    last: Option<(LogicalTime, Duration)>,
}

impl LeaderClock {
    /// A clock that counts from `epoch_unix_ns` nanoseconds after the Unix epoch.
    #[must_use]
    pub const fn new(epoch_unix_ns: u64) -> Self {
        Self { epoch_unix_ns, last: None }
    }

    /// The time now, given the wall clock (since the Unix epoch) and the monotonic clock (since any fixed moment).
    pub fn now(&mut self, wall: Duration, monotonic: Duration) -> LogicalTime {
        let wall = u64::try_from(wall.as_nanos()).unwrap_or(u64::MAX).saturating_sub(self.epoch_unix_ns);
        let carried = self.last.map_or(0, |(time, at)| {
            let passed = monotonic.saturating_sub(at).as_nanos();
            time.plus(u64::try_from(passed).unwrap_or(u64::MAX)).nanos()
        });
        let now = LogicalTime::from_nanos(wall.max(carried));
        self.last = Some((now, monotonic));
        now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wall_clock_set_back_does_not_stop_time() {
        let mut clock = LeaderClock::new(1_000);
        let at = |wall, monotonic| (Duration::from_nanos(wall), Duration::from_nanos(monotonic));
        let mut now = |(wall, monotonic)| clock.now(wall, monotonic).nanos();
        assert_eq!(now(at(6_000, 100)), 5_000);
        assert_eq!(now(at(6_050, 150)), 5_050);
        assert_eq!(now(at(2_000, 250)), 5_150, "set back: goes on with the monotonic clock");
        assert_eq!(now(at(9_000, 300)), 8_000, "set forward: follows");
    }

    #[test]
    fn before_the_epoch_it_is_genesis() {
        let mut clock = LeaderClock::new(1_000);
        assert_eq!(clock.now(Duration::from_nanos(10), Duration::ZERO), LogicalTime::GENESIS);
    }
}
