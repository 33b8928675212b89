//! What the wall clock of another host shows, as far as one question and its answer can tell. Pure.
//!
//! The other host read its clock at some moment between question and answer, so now it shows what it read plus at least
//! the time since the answer and at most the time since the question: an interval that contains the truth, as those that
//! Marzullo's and NTP's algorithms start from (RFC 5905, section 11.2.1). It grows with age, since two clocks drift.

use super::nanos;
use std::time::Duration;

/// By how many millionths two clocks may drift apart: Linux lets a clock be corrected by up to 500 each way.
const DRIFT_PPM: u64 = 1_000;
/// What was told longer ago than this counts no more: the clock may have been set since.
pub const FRESH: Duration = Duration::from_secs(5);

/// Where a wall clock stands, in nanoseconds since the Unix epoch: somewhere from `low` to `high`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// No less than this.
    pub low: u64,
    /// No more than this.
    pub high: u64,
}

impl Bounds {
    /// A clock that was read here and now.
    #[must_use]
    pub fn exactly(wall: Duration) -> Self {
        Self { low: nanos(wall), high: nanos(wall) }
    }

    const fn width(self) -> u64 {
        self.high.saturating_sub(self.low)
    }

    const fn meets(self, other: Self) -> bool {
        self.low <= other.high && other.low <= self.high
    }
}

/// What another host told about its wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    told_unix_ns: u64,
    asked: Duration,
    answered: Duration,
}

impl Sample {
    /// Another host answered at `answered`, to a question of `asked` (by a clock of this host that also counts while it is
    /// suspended), that its clock showed `told_unix_ns`.
    #[must_use]
    pub const fn new(told_unix_ns: u64, asked: Duration, answered: Duration) -> Self {
        Self { told_unix_ns, asked, answered }
    }

    /// Where that clock stands now; `None` when it was told too long ago.
    #[must_use]
    pub fn bounds(&self, now: Duration) -> Option<Bounds> {
        let age = now.saturating_sub(self.answered);
        if age > FRESH {
            return None;
        }
        let drift = nanos(age) / 1_000_000 * DRIFT_PPM;
        let low = self.told_unix_ns.saturating_add(nanos(age)).saturating_sub(drift);
        let high = self.told_unix_ns.saturating_add(nanos(now.saturating_sub(self.asked))).saturating_add(drift);
        Some(Bounds { low, high })
    }

    /// The one of two samples of a clock, this and a newer one, that tells more about it: the narrower one, unless the
    /// newer contradicts the older, as it does after the clock was set.
    #[must_use]
    pub fn or(self, newer: Self) -> Self {
        match (self.bounds(newer.answered), newer.bounds(newer.answered)) {
            (Some(old), Some(new)) if old.meets(new) && old.width() < new.width() => self,
            _ => newer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn the_interval_holds_whatever_the_way_took() {
        // The other clock is 700 ms ahead of ours, and was read at 13 of 10..20.
        let sample = Sample::new(713 * MS, at(10), at(20));
        assert_eq!(sample.bounds(at(20)), Some(Bounds { low: 713 * MS, high: 723 * MS }), "720 is in it");
        let drift = MS;
        assert_eq!(sample.bounds(at(1_020)), Some(Bounds { low: 1_713 * MS - drift, high: 1_723 * MS + drift }));
        assert!(sample.bounds(at(20) + FRESH).is_some());
        assert_eq!(sample.bounds(at(21) + FRESH), None, "too old");
    }

    #[test]
    fn the_narrower_one_is_kept_until_it_has_aged_or_is_contradicted() {
        let narrow = Sample::new(1_000 * MS, at(0), at(1));
        let wide = |told, answered: u64| Sample::new(told, at(answered - 10), at(answered));
        assert_eq!(narrow.or(wide(1_095 * MS, 101)), narrow);
        let set = wide(3_000 * MS, 101);
        assert_eq!(narrow.or(set), set, "that clock was set");
        let later = wide(5_095 * MS, 5_101);
        assert_eq!(narrow.or(later), later, "too old");
        let sharp = Sample::new(1_100 * MS, at(101), at(101));
        assert_eq!(narrow.or(sharp), sharp);
    }
}
