//! Counters that any thread may add to, and a histogram of durations.

use crate::error::ErrorCode;
use std::sync::atomic::{AtomicU64, Ordering};

/// Buckets of a histogram: four for each power of two of nanoseconds.
const BUCKETS: usize = 160;

/// Durations, each to within a fifth.
#[derive(Debug)]
pub struct Histogram {
    counts: [AtomicU64; BUCKETS],
    sum: AtomicU64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: std::array::from_fn(|_| AtomicU64::new(0)), sum: AtomicU64::new(0) }
    }
}

fn bucket(nanos: u64) -> usize {
    let nanos = nanos.max(4);
    let power = 63 - nanos.leading_zeros();
    let quarter = (nanos >> (power - 2)) & 3;
    ((power - 2) as usize * 4 + quarter as usize).min(BUCKETS - 1)
}

/// The longest duration that falls into a bucket, in nanoseconds.
fn end(bucket: usize) -> u64 {
    let (power, quarter) = (bucket / 4, bucket as u64 % 4);
    ((5 + quarter) << power) - 1
}

impl Histogram {
    /// Counts a duration.
    pub fn add(&self, nanos: u64) {
        if let Some(count) = self.counts.get(bucket(nanos)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.sum.fetch_add(nanos, Ordering::Relaxed);
    }

    /// All of them together, in nanoseconds.
    #[must_use]
    pub fn sum_nanos(&self) -> u64 {
        self.sum.load(Ordering::Relaxed)
    }

    /// The duration that this part of all did not exceed, in microseconds; 0 without any.
    #[must_use]
    pub fn percentile(&self, part: f64) -> f64 {
        let counts: Vec<u64> = self.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        let wanted = (counts.iter().sum::<u64>() as f64 * part).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (bucket, count) in counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return end(bucket) as f64 / 1000.0;
            }
        }
        0.0
    }

    /// Upper ends of buckets in microseconds and how many durations lie below, for those where there are more than below the one before.
    #[must_use]
    pub fn cumulative(&self) -> Vec<(f64, u64)> {
        let mut seen = 0;
        let buckets = self.counts.iter().enumerate().filter_map(|(bucket, count)| {
            let count = count.load(Ordering::Relaxed);
            seen += count;
            (count > 0).then_some((end(bucket) as f64 / 1000.0, seen))
        });
        buckets.collect()
    }
}

/// What a server has done so far.
#[derive(Debug, Default)]
pub struct ServerStats {
    /// Executions that went well.
    pub succeeded: AtomicU64,
    /// Those that failed, by number of the error.
    pub failed: [AtomicU64; 32],
    /// Fuel that all of them burnt.
    pub fuel: AtomicU64,
    /// How long they took.
    pub latency: Histogram,
    /// Requests of all kinds.
    pub requests: AtomicU64,
    /// Connections that are open.
    pub connections: AtomicU64,
    /// Connections that there have been.
    pub connected: AtomicU64,
    /// Executions that have left their first slice behind and have not ended.
    pub in_flight: AtomicU64,
    /// How many have left it behind.
    pub moved: AtomicU64,
    /// Executions that ran again because others had changed what they had read.
    pub conflicts: AtomicU64,
    /// Modules that were compiled.
    pub compiled: AtomicU64,
}

impl ServerStats {
    /// Counts an execution.
    pub fn ended(&self, error: Option<ErrorCode>, nanos: u64, fuel: u64) {
        let counter = match error {
            None => &self.succeeded,
            Some(code) => self.failed.get(code as usize).unwrap_or(&self.succeeded),
        };
        counter.fetch_add(1, Ordering::Relaxed);
        self.fuel.fetch_add(fuel, Ordering::Relaxed);
        self.latency.add(nanos);
    }

    /// How many failed with each error that there was.
    #[must_use]
    pub fn failures(&self) -> Vec<(&'static str, u64)> {
        let count = |code: &ErrorCode| Some((code.name(), self.failed.get(*code as usize)?.load(Ordering::Relaxed)));
        ErrorCode::ALL.iter().filter_map(count).filter(|(_, count)| *count > 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_at_most_a_fifth_too_large() {
        for nanos in (4..3000).chain([10_000, 1 << 20, 5_000_000_000, u64::MAX]) {
            let histogram = Histogram::default();
            histogram.add(nanos);
            let found = histogram.percentile(0.5) * 1000.0;
            if nanos < 1 << 40 {
                assert!(found >= nanos as f64 - 0.5 && found <= nanos as f64 * 1.25, "{nanos} became {found}");
            }
        }
        let histogram = Histogram::default();
        (1..=1000).for_each(|micros| histogram.add(micros * 1000));
        assert!((490.0..640.0).contains(&histogram.percentile(0.5)), "{}", histogram.percentile(0.5));
        assert!((980.0..1250.0).contains(&histogram.percentile(0.99)));
        assert_eq!(Histogram::default().percentile(0.99), 0.0);
        assert_eq!(histogram.cumulative().last().map(|(_, count)| *count), Some(1000));
    }
}
