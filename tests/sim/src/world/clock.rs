//! What a node's clocks show at a moment of virtual time.

use super::executor::Nanos;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// 2026-01-01.
const WALL: u64 = 1_767_225_600_000_000_000;
/// What a host's monotonic clock shows when a world begins: enough to look back from.
const BEFORE: u64 = 100_000_000_000;

/// A node's clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// How much faster the monotonic clock is than the truth, in millionths.
    pub drift_ppm: i64,
    /// How far it is ahead at the beginning.
    pub offset: u64,
    /// How far the wall clock is ahead of the truth, in nanoseconds.
    pub wall_offset: i64,
}

impl Clock {
    /// The monotonic clock.
    #[must_use]
    pub fn mono(&self, now: Nanos) -> u64 {
        let drift = i128::from(now) * i128::from(self.drift_ppm) / 1_000_000;
        BEFORE + self.offset + u64::try_from(i128::from(now) + drift).unwrap_or(0)
    }

    /// The first moment at which the monotonic clock shows this or more.
    #[must_use]
    pub fn moment(&self, mono: u64) -> Nanos {
        let since = mono.saturating_sub(BEFORE + self.offset);
        let mut moment = (i128::from(since) * 1_000_000 / (1_000_000 + i128::from(self.drift_ppm))) as u64;
        while self.mono(moment) < mono {
            moment += 1;
        }
        moment
    }

    /// The wall clock.
    #[must_use]
    pub fn wall(&self, now: Nanos) -> u64 {
        let drift = i128::from(now) * i128::from(self.drift_ppm) / 1_000_000;
        let wall = i128::from(WALL) + i128::from(now) + drift + i128::from(self.wall_offset);
        u64::try_from(wall).unwrap_or(0)
    }
}

/// A moment that all worlds of this process count from: QUIC thinks in instants, which can only be got from the system. Nothing
/// but differences between them is ever looked at.
fn origin() -> Instant {
    static ORIGIN: OnceLock<Instant> = OnceLock::new();
    #[allow(clippy::disallowed_methods, reason = "see above")]
    *ORIGIN.get_or_init(Instant::now)
}

/// What a monotonic clock shows, as an instant.
#[must_use]
pub fn instant(mono: u64) -> Instant {
    origin() + Duration::from_nanos(mono)
}

/// And back.
#[must_use]
pub fn reading(instant: Instant) -> u64 {
    u64::try_from(instant.saturating_duration_since(origin()).as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_is_due_when_the_clock_shows_so_and_not_before() {
        for drift_ppm in [-500, 0, 1, 499] {
            let clock = Clock { drift_ppm, offset: 12_345, wall_offset: -7 };
            for mono in [0, 112_345_000_000, 123_456_789_012].map(|mono: u64| mono.max(clock.mono(0))) {
                let moment = clock.moment(mono);
                assert!(clock.mono(moment) >= mono, "{drift_ppm} {mono}");
                assert!(moment == 0 || clock.mono(moment - 1) < mono || drift_ppm < 0, "{drift_ppm} {mono}");
            }
            assert_eq!(reading(instant(clock.mono(77))), clock.mono(77));
        }
    }
}
