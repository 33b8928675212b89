//! Who makes a change of the log durable: whoever brings it, or the log's own thread.
//!
//! A caller that would only wait for the disk, as a node alone does between a batch and its answer, may do it itself: that
//! saves two hand-overs between threads, which cost as much as a quick disk. It is left to the thread where syncs take long:
//! there is more to gather meanwhile. How long they take is learned from those that were done. Who has peers never asks:
//! heartbeats and votes would wait with the caller, and the next sync may be the one that takes seconds.

use std::time::Duration;

/// Callers make changes durable themselves only while that takes less than this, on average.
const QUICK: Duration = Duration::from_micros(400);
/// And only changes of up to so many bytes.
const LIGHT: usize = 1 << 20;
/// What may be written beside a change: hints that ride along.
const SLACK: usize = 1 << 10;
/// The average moves by one part in so many.
const WEIGHT: u32 = 8;

/// What the last syncs took. [`SyncChoice::handle_synced`] after each.
#[derive(Clone, Copy, Debug, Default)]
pub struct SyncChoice {
    pace: Duration,
}

impl SyncChoice {
    /// A write with its sync took so long.
    pub fn handle_synced(&mut self, took: Duration) {
        self.pace = (self.pace * (WEIGHT - 1) + took) / WEIGHT;
    }

    /// Whether a change is light enough for its bringer, whatever the disk is like. Needs nothing that others may hold.
    #[must_use]
    pub const fn is_light(bytes: usize) -> bool {
        bytes <= LIGHT
    }

    /// Whether the bringer of `bytes` makes them durable itself. `plain`: whether so many cost only a write and a sync.
    #[must_use]
    pub fn is_bringers(&self, bytes: usize, plain: impl FnOnce(u64) -> bool) -> bool {
        Self::is_light(bytes) && self.pace <= QUICK && plain((bytes + SLACK) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_syncs_are_left_to_the_thread_and_quick_ones_come_back() {
        let mut choice = SyncChoice::default();
        let us = Duration::from_micros;
        let own = |choice: &SyncChoice| choice.is_bringers(100, |_| true);
        assert!(own(&choice), "nothing is known of the disk");
        let mut until = |took| {
            (1..100).find(|_| {
                choice.handle_synced(took);
                own(&choice) == (took <= QUICK)
            })
        };
        assert_eq!(until(us(3_100)), Some(2), "one slow sync of 3.1 ms says little, two say enough");
        assert_eq!(until(us(200)), Some(8));
        assert_eq!(until(us(399)), Some(1), "it stays");
        assert!(until(us(401)).is_some(), "just above it is found out, too");
    }

    #[test]
    fn what_is_heavy_or_more_than_a_sync_is_left_to_the_thread() {
        let choice = SyncChoice::default();
        assert!(SyncChoice::is_light(1 << 20) && !SyncChoice::is_light((1 << 20) + 1));
        assert!(choice.is_bringers(1 << 20, |bytes| bytes == (1 << 20) + (1 << 10)), "hints may ride along");
        assert!(!choice.is_bringers((1 << 20) + 1, |_| true));
        assert!(!choice.is_bringers(1, |_| false));
    }
}
