//! How long to wait before the next attempt: doubled each time, and never the same for two who began together.

use paxos_types::Instant;

/// Waits between attempts, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackOff {
    first: u64,
    most: u64,
    next: u64,
    random: u64,
}

impl BackOff {
    /// Waits from `first` to `most`; `seed` chooses the jitter.
    pub fn new(first: u64, most: u64, seed: u64) -> Self {
        let first = first.max(1);
        BackOff { first, most: most.max(first), next: first, random: seed }
    }

    /// Begins anew: it worked.
    pub fn reset(&mut self) {
        self.next = self.first;
    }

    /// When to try again after a failure at `now`: after between half and all of the wait, which then doubles.
    pub fn after_failure(&mut self, now: Instant) -> Instant {
        let wait = self.next;
        self.next = wait.saturating_mul(2).min(self.most);
        // splitmix64.
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        now.plus(wait / 2 + z % (wait / 2 + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_most_and_begin_anew() {
        let mut b = BackOff::new(100, 1000, 7);
        for whole in [100, 200, 400, 800, 1000, 1000] {
            let wait = b.after_failure(Instant(5)).0 - 5;
            assert!((whole / 2..=whole).contains(&wait), "{wait} of {whole}");
        }
        b.reset();
        assert!(b.after_failure(Instant(0)).0 <= 100);
    }

    #[test]
    fn two_seeds_part() {
        let (mut a, mut b) = (BackOff::new(1_000_000, 1_000_000, 1), BackOff::new(1_000_000, 1_000_000, 2));
        assert_ne!(a.after_failure(Instant(0)), b.after_failure(Instant(0)));
    }
}
