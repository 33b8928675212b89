//! Who makes a change of the log durable: whoever brings it, or the log's own thread.
//!
//! A caller that would only wait for the disk, as a node alone does between a batch and its answer, may do it itself: that
//! saves two hand-overs between threads, which cost as much as a quick disk. It is left to the thread where syncs take long:
//! there is more to gather meanwhile. How long they take is learned from those that were done.
//!
//! A follower's heartbeats and votes wait with its sync, and the next one may be the one that takes seconds. So a follower
//! syncs itself only where the disk has proven steady: after so many syncs in a row none of which anybody would have noticed.
//! A disk that is new, slow or has stood still once is the thread's business. A leader never does: others are to be told
//! before it has time to wait for its own disk.

use std::time::Duration;

/// Callers make changes durable themselves only while that takes less than this, on average.
const QUICK: Duration = Duration::from_micros(400);
/// And only changes of up to so many bytes.
const LIGHT: usize = 1 << 20;
/// What may be written beside a change: hints that ride along.
const SLACK: usize = 1 << 10;
/// The average moves by one part in so many.
const WEIGHT: u32 = 8;
/// A sync that takes longer holds up whoever has peers: a good part of what may lie between two heartbeats.
const NOTICED: Duration = Duration::from_millis(10);

/// What the owner of a log that brings a change is among its peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bringer {
    /// It has no peers.
    Alone,
    /// It follows, or asks for votes.
    Follower,
    /// It leads, with followers.
    Leader,
}

/// What the last syncs took. [`SyncChoice::handle_synced`] after each.
#[derive(Clone, Copy, Debug)]
pub struct SyncChoice {
    pace: Duration,
    steady: u32,
    /// Syncs since the last one that was noticed.
    unnoticed: u32,
}

impl Default for SyncChoice {
    fn default() -> Self {
        Self { pace: Duration::ZERO, steady: Self::STEADY, unnoticed: 0 }
    }
}

impl SyncChoice {
    /// A disk is steady after so many syncs in a row that nobody noticed, unless [`SyncChoice::trust_after`] says otherwise.
    pub const STEADY: u32 = 500;

    /// The disk is steady after so many.
    pub const fn trust_after(&mut self, steady: u32) {
        self.steady = steady;
    }

    /// A write with its sync took so long.
    pub fn handle_synced(&mut self, took: Duration) {
        self.pace = (self.pace * (WEIGHT - 1) + took) / WEIGHT;
        self.unnoticed = if took > NOTICED { 0 } else { self.unnoticed.saturating_add(1) };
    }

    /// Whether a bringer may do it, whatever the disk is like. Needs nothing that others may hold.
    #[must_use]
    pub const fn may_be(bringer: Bringer, bytes: usize) -> bool {
        bytes <= LIGHT && !matches!(bringer, Bringer::Leader)
    }

    /// Whether the bringer of `bytes` makes them durable itself. `plain`: whether so many cost only a write and a sync.
    #[must_use]
    pub fn is_bringers(&self, bringer: Bringer, bytes: usize, plain: impl FnOnce(u64) -> bool) -> bool {
        let quick = match bringer {
            Bringer::Alone => self.pace <= QUICK,
            Bringer::Follower => self.pace <= QUICK && self.unnoticed >= self.steady,
            Bringer::Leader => false,
        };
        quick && Self::may_be(bringer, bytes) && plain((bytes + SLACK) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_syncs_are_left_to_the_thread_and_quick_ones_come_back() {
        let mut choice = SyncChoice::default();
        let us = Duration::from_micros;
        let own = |choice: &SyncChoice| choice.is_bringers(Bringer::Alone, 100, |_| true);
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
        let (alone, most) = (Bringer::Alone, 1 << 20);
        assert!(SyncChoice::may_be(alone, most) && !SyncChoice::may_be(alone, most + 1));
        assert!(choice.is_bringers(alone, most, |bytes| bytes == (1 << 20) + (1 << 10)), "hints may ride along");
        assert!(!choice.is_bringers(alone, most + 1, |_| true));
        assert!(!choice.is_bringers(alone, 1, |_| false));
    }

    #[test]
    fn who_has_peers_trusts_only_a_disk_that_has_proven_steady() {
        let mut choice = SyncChoice::default();
        let own = |choice: &SyncChoice, bringer| choice.is_bringers(bringer, 100, |_| true);
        let quick = Duration::from_micros(100);
        let until_trusted = |choice: &mut SyncChoice| {
            (1..10_000).find(|_| {
                choice.handle_synced(quick);
                own(choice, Bringer::Follower)
            })
        };
        assert_eq!(until_trusted(&mut choice), Some(SyncChoice::STEADY), "nothing is known of a new disk");
        choice.handle_synced(NOTICED);
        assert!(!own(&choice, Bringer::Follower), "slow on average, for a while");
        assert!(until_trusted(&mut choice).is_some_and(|syncs| syncs < SyncChoice::STEADY), "nobody noticed");
        choice.handle_synced(NOTICED + quick);
        assert_eq!(until_trusted(&mut choice), Some(SyncChoice::STEADY), "one sync that was noticed begins it anew");
        assert!(own(&choice, Bringer::Alone));
        assert!(
            !own(&choice, Bringer::Leader) && !SyncChoice::may_be(Bringer::Leader, 1),
            "a leader tells the others first"
        );
    }
}
