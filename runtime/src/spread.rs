//! How values are spread, in little room however many they are: what half of them, all but one in a hundred, and all but
//! one in a thousand do not exceed.

use serde::Serialize;
use std::time::Duration;

/// Bits below the leading one that tell buckets apart: values of one bucket differ by less than a sixteenth.
const FINE: u32 = 4;

/// Counts of durations, by their size.
#[derive(Debug, Default)]
pub struct Spread {
    counts: Vec<u64>,
    all: u64,
    most: u64,
}

/// Milliseconds; each but `max` at most a sixteenth too large.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Quantiles {
    /// Half of the values are not larger.
    pub p50: f64,
    /// All but one in a hundred.
    pub p99: f64,
    /// All but one in a thousand.
    pub p999: f64,
    /// The largest.
    pub max: f64,
}

impl Spread {
    /// Counts one more.
    pub fn add(&mut self, value: Duration) {
        let nanos = u64::try_from(value.as_nanos()).unwrap_or(u64::MAX);
        let bucket = bucket(nanos);
        if self.counts.len() <= bucket {
            self.counts.resize(bucket + 1, 0);
        }
        self.counts[bucket] += 1;
        self.all += 1;
        self.most = self.most.max(nanos);
    }

    /// What they amount to; all 0 for no values.
    #[must_use]
    pub fn quantiles(&self) -> Quantiles {
        let millis = |nanos: u64| nanos as f64 / 1e6;
        let at = |thousandths: u64| {
            let rank = (self.all * thousandths).div_ceil(1000).max(1);
            let mut seen = 0;
            let found = self.counts.iter().position(|count| {
                seen += count;
                seen >= rank
            });
            millis(found.map_or(0, last).min(self.most))
        };
        Quantiles { p50: at(500), p99: at(990), p999: at(999), max: millis(self.most) }
    }
}

const fn bucket(value: u64) -> usize {
    let shift = (u64::BITS - value.leading_zeros()).saturating_sub(FINE + 1);
    ((shift as usize) << FINE) + (value >> shift) as usize
}

/// The largest value of a bucket.
const fn last(bucket: usize) -> u64 {
    let shift = (bucket >> FINE).saturating_sub(1);
    let head = (bucket - (shift << FINE)) as u64;
    (head << shift) + ((1_u64 << shift) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_in_its_bucket() {
        for value in (0..10_000).chain([u64::MAX, u64::MAX / 3, 1 << 40, (1 << 40) - 1]) {
            let bucket = bucket(value);
            assert!(value <= last(bucket), "{value}");
            assert!(bucket == 0 || value > last(bucket - 1), "{value}");
            assert!(last(bucket) - value <= value / 16, "{value}");
        }
    }

    #[test]
    fn quantiles_are_what_sorting_gives() {
        let mut spread = Spread::default();
        assert_eq!(spread.quantiles(), Quantiles::default());
        (1..=1000).for_each(|n| spread.add(Duration::from_micros(n * 1000)));
        let found = spread.quantiles();
        for (value, want) in [(found.p50, 500.0), (found.p99, 990.0), (found.p999, 999.0), (found.max, 1000.0)] {
            assert!(value >= want && value <= want * 1.0625, "{value} for {want}");
        }
    }
}
