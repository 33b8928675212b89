//! Hints that lie: dropped and invented invalidations, spurious estimates, lost wake-ups, delays.
//!
//! Results must not change under any of it: only certification decides. Tests run every executor with chaos on.

use crate::sync::{AtomicU64, Padded, Relaxed};

/// One way in which a hint may go wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Trick {
    /// Give up a healthy run at a read.
    Abort,
    /// Do not tell a reader that it has become stale.
    DropPush,
    /// Abort an executed transaction that is fine.
    InventPush,
    /// Forget to wake a waiting transaction.
    LoseWake,
    /// Run ahead for a few transactions.
    Ahead,
    /// Shut the hints out of a commit turn although there are conflicts.
    Seal,
    /// Dawdle between two steps.
    Delay,
}

/// Per-worker sources of mischief.
pub(crate) struct Chaos {
    state: Vec<Padded<AtomicU64>>,
}

impl Chaos {
    pub(crate) fn new(seed: u64, workers: usize) -> Self {
        let state = (0..workers as u64).map(|w| Padded(AtomicU64::new(mix(seed ^ mix(w + 1)) | 1))).collect();
        Chaos { state }
    }

    fn draw(&self, worker: usize) -> u64 {
        let Some(s) = self.state.get(worker) else { return 1 };
        let next = xorshift(s.load(Relaxed));
        s.store(next, Relaxed);
        next >> 32
    }

    pub(crate) fn hit(&self, worker: usize, trick: Trick) -> bool {
        let odds = match trick {
            Trick::Abort => 24,
            Trick::DropPush | Trick::LoseWake => 2,
            Trick::InventPush => 6,
            Trick::Delay | Trick::Seal => 8,
            Trick::Ahead => 16,
        };
        self.draw(worker).is_multiple_of(odds)
    }
}

/// One step of a 64-bit xorshift generator.
pub(crate) fn xorshift(mut x: u64) -> u64 {
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    x
}

/// Spreads a small seed over all bits (the finaliser of SplitMix64).
pub(crate) fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
