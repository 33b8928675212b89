//! What this start of a node has executed, and at what pace. What a checkpoint had is not executed and not counted.

use replicode_contracts::receipt::{Receipt, Status};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Over how long a pace is told.
const WINDOW: Duration = Duration::from_secs(10);
/// Between two samples of it, and between two looks at what the transactional memory has counted: it walks over all its cells.
const SAMPLE: Duration = Duration::from_secs(1);

/// Sums since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Transactions.
    pub calls: u64,
    /// Of these, those without effect.
    pub failed: u64,
    /// Of these, those that were skipped.
    pub skipped: u64,
    /// Gas burnt.
    pub gas: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Counted {
    /// Since the start.
    pub sums: Sums,
    /// Time for executing, states and roots included.
    pub execution: Duration,
    /// Of this, the time for states and roots.
    pub root: Duration,
    /// Sums as they were, the oldest first.
    samples: VecDeque<(Instant, Sums)>,
}

impl Counted {
    /// A block was executed.
    pub fn add(&mut self, receipts: &[Receipt], execution: Duration, root: Duration) {
        let of = |kind: fn(&Receipt) -> bool| receipts.iter().filter(|receipt| kind(receipt)).count() as u64;
        self.sums.calls += receipts.len() as u64;
        self.sums.failed += of(|receipt| !receipt.is_success());
        self.sums.skipped += of(|receipt| matches!(receipt.status, Status::Skipped { .. }));
        self.sums.gas += receipts.iter().map(|receipt| receipt.gas.burnt).sum::<u64>();
        self.execution += execution + root;
        self.root += root;
    }

    /// Takes a sample, unless there was one a moment ago; whether it has. Before the sums grow.
    pub fn sample(&mut self, now: Instant) -> bool {
        let due = self.samples.back().is_none_or(|(last, _)| now.duration_since(*last) >= SAMPLE);
        if due {
            self.samples.push_back((now, self.sums));
            while self.samples.len() > 1
                && self.samples.get(1).is_some_and(|(next, _)| now.duration_since(*next) >= WINDOW)
            {
                self.samples.pop_front();
            }
        }
        due
    }

    /// Calls and gas per second over the last seconds.
    #[must_use]
    pub fn pace(&self, now: Instant) -> (f64, f64) {
        let since = |at: &Instant| now.saturating_duration_since(*at);
        let Some((at, then)) = self.samples.iter().find(|(at, _)| since(at) <= WINDOW + SAMPLE) else {
            return (0.0, 0.0);
        };
        let seconds = since(at).max(SAMPLE).as_secs_f64();
        ((self.sums.calls - then.calls) as f64 / seconds, (self.sums.gas - then.gas) as f64 / seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_is_that_of_the_last_seconds() {
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let mut counted = Counted::default();
        assert_eq!(counted.pace(at(0)), (0.0, 0.0));
        for second in 0..100 {
            assert!(counted.sample(at(second)));
            assert!(!counted.sample(at(second) + Duration::from_millis(999)));
            counted.sums.calls += 50;
            counted.sums.gas += 7_000;
        }
        let (calls, gas) = counted.pace(at(100));
        assert!((calls - 50.0).abs() < 1e-9 && (gas - 7_000.0).abs() < 1e-6, "{calls} {gas}");
        assert_eq!(counted.pace(at(200)), (0.0, 0.0), "nothing for long");
        assert!(counted.samples.len() <= 12);
    }
}
