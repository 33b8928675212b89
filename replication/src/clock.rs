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
        let now = self.carried(monotonic).max(LogicalTime::from_nanos(wall));
        self.last = Some((now, monotonic));
        now
    }

    /// The history that this leader continues has reached `time`: the clock goes on from there if it is behind. Without
    /// this, timers would stand still until this host's wall clock has caught up with the former leader's.
    pub fn raise(&mut self, time: LogicalTime, monotonic: Duration) {
        self.last = Some((self.carried(monotonic).max(time), monotonic));
    }

    /// The last time told, carried on at the pace of the monotonic clock.
    fn carried(&self, monotonic: Duration) -> LogicalTime {
        self.last.map_or(LogicalTime::GENESIS, |(time, at)| {
            let passed = monotonic.saturating_sub(at).as_nanos();
            time.plus(u64::try_from(passed).unwrap_or(u64::MAX))
        })
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
    fn a_leader_whose_wall_clock_is_behind_goes_on_from_where_history_is() {
        let (mut clock, wall) = (LeaderClock::new(1_000), Duration::from_nanos(6_000));
        assert_eq!(clock.now(wall, Duration::from_nanos(100)).nanos(), 5_000);
        clock.raise(LogicalTime::from_nanos(9_000), Duration::from_nanos(150));
        assert_eq!(clock.now(wall, Duration::from_nanos(170)).nanos(), 9_020, "time passes at once");
        clock.raise(LogicalTime::from_nanos(8_000), Duration::from_nanos(180));
        assert_eq!(clock.now(wall, Duration::from_nanos(190)).nanos(), 9_040, "never back");
        let mut fresh = LeaderClock::new(1_000);
        fresh.raise(LogicalTime::from_nanos(70), Duration::from_nanos(5));
        assert_eq!(fresh.now(Duration::ZERO, Duration::from_nanos(6)).nanos(), 71);
    }

    #[test]
    fn before_the_epoch_it_is_genesis() {
        let mut clock = LeaderClock::new(1_000);
        assert_eq!(clock.now(Duration::from_nanos(10), Duration::ZERO), LogicalTime::GENESIS);
    }
}
