//! Latencies, counted in buckets that are a fixed part of their value wide: cheap to add to, and reports of several
//! processes can be added up, which quantiles alone cannot.

use serde::{Deserialize, Serialize};

/// Buckets for each doubling: a quantile is at most 1/32 too large.
const STEPS: u64 = 32;
/// 2^40 ns is 18 minutes.
const BUCKETS: usize = (41 * STEPS) as usize;

/// How often which latency was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latencies {
    /// By bucket; buckets after the last one that is not empty are left out.
    counts: Vec<u64>,
}

impl Default for Latencies {
    fn default() -> Self {
        Self { counts: vec![0; BUCKETS] }
    }
}

fn bucket(nanos: u64) -> usize {
    if nanos < STEPS {
        return nanos as usize;
    }
    // The position of the highest bit says the doubling, the bits after it the step.
    let doubling = u64::from(nanos.ilog2());
    let step = (nanos >> (doubling - u64::from(STEPS.ilog2()))) - STEPS;
    (((doubling - u64::from(STEPS.ilog2()) + 1) * STEPS + step) as usize).min(BUCKETS - 1)
}

/// The largest latency that falls into a bucket.
fn top(bucket: usize) -> u64 {
    let (doubling, step) = (bucket as u64 / STEPS, bucket as u64 % STEPS);
    if doubling == 0 { step } else { ((STEPS + step + 1) << (doubling - 1)) - 1 }
}

impl Latencies {
    /// Counts one.
    pub fn add(&mut self, nanos: u64) {
        self.counts[bucket(nanos)] += 1;
    }

    /// Counts all that another one has counted.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
    }

    /// How many have been counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The latency, in nanoseconds, that a part of `part` (0 to 1) did not exceed; 0 when nothing was counted.
    #[must_use]
    pub fn quantile(&self, part: f64) -> u64 {
        let count = self.count();
        let rank = ((count as f64 * part).ceil() as u64).max(1);
        let mut seen = 0;
        for (bucket, n) in self.counts.iter().enumerate() {
            seen += n;
            if seen >= rank {
                return top(bucket);
            }
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_sorted_values_but_for_a_step() {
        let mut values: Vec<u64> = (0..20_000u64).map(|n| (n * n * n) % 900_000_007).collect();
        let mut all = Latencies::default();
        let mut half = Latencies::default();
        for (n, value) in values.iter().enumerate() {
            if n % 2 == 0 { all.add(*value) } else { half.add(*value) }
        }
        all.merge(&half);
        values.sort_unstable();
        assert_eq!(all.count(), values.len() as u64);
        for part in [0.0, 0.001, 0.5, 0.9, 0.99, 0.999, 1.0] {
            let exact = values[((values.len() as f64 * part).ceil() as usize).max(1) - 1];
            let told = all.quantile(part);
            assert!(told >= exact && told <= exact + exact / STEPS + 1, "{part}: {told}, not {exact}");
        }
    }

    #[test]
    fn buckets_are_without_gaps_and_their_tops_fall_into_them() {
        let mut last = 0;
        for nanos in 0..1_000_000 {
            let at = bucket(nanos);
            assert!(top(at) >= nanos && (at == last || at == last + 1), "{nanos}");
            last = at;
        }
        for bit in 0..64 {
            let at = bucket(1 << bit);
            assert!(top(at) >= 1 << bit || at == BUCKETS - 1, "{bit}");
        }
        assert_eq!(Latencies::default().quantile(0.99), 0);
    }
}
