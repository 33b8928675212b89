//! Faults of disks.

use crate::plan::{Act, MS, Plan, Rot, SECOND};
use crate::world::seeds::Stream;

impl Plan {
    /// They fail.
    pub(super) fn failures(&mut self, draws: &mut Stream) {
        let pause = draws.range(SECOND, 5 * SECOND);
        let mut at = draws.range(0, pause);
        while at < self.faulty {
            let node = self.node(draws);
            let after = draws.range(0, 60);
            self.add(at, if draws.chance(300_000) { Act::BadSync(node, after) } else { Act::Disk(node, after) });
            self.add(at + draws.range(SECOND, 3 * SECOND), Act::Start(node));
            at += draws.range(MS, 2 * pause);
        }
    }

    /// They answer nothing for a while, on one node or on all.
    pub(super) fn freezes(&mut self, draws: &mut Stream) {
        let pause = draws.range(SECOND, 5 * SECOND);
        let mut at = draws.range(0, pause);
        while at < self.faulty {
            let long = draws.range(10 * MS, 5 * SECOND);
            if draws.chance(200_000) {
                for node in 0..self.nodes {
                    self.add(at, Act::Freeze(node, long));
                }
            } else {
                let node = self.node(draws);
                self.add(at, Act::Freeze(node, long));
            }
            at += draws.range(MS, 2 * pause);
        }
    }

    /// Something on a node's disk rots.
    pub(super) fn rots(&mut self, draws: &mut Stream, victim: usize) {
        let at = draws.range(SECOND, self.faulty);
        let rot = *draws.pick(&[Rot::Flip, Rot::Zeros, Rot::Garbage, Rot::Misplaced, Rot::Stale]);
        self.add(at, Act::Rot(victim, rot, draws.draw() >> 1));
        self.add(at + draws.range(MS, 2 * SECOND), Act::Start(victim));
    }

    /// A node gets another disk for its own: an empty one, or a copy from before its last start.
    pub(super) fn replacements(&mut self, draws: &mut Stream, victim: usize) {
        let at = draws.range(2 * SECOND, self.faulty);
        if draws.chance(600_000) {
            self.add(at, Act::Wipe(victim, draws.chance(700_000)));
        } else {
            let kept = draws.range(SECOND, at);
            let again = draws.range(kept, at);
            self.add(kept, Act::Keep(victim));
            self.add(again, Act::Crash(victim));
            self.add(again + 10 * MS, Act::Start(victim));
            self.add(at, Act::PutBack(victim));
        }
        self.add(at + draws.range(MS, SECOND), Act::Start(victim));
    }

    /// Two nodes get each other's disks for a while.
    pub(super) fn swaps(&mut self, draws: &mut Stream) {
        let (one, by) = (self.node(draws), 1 + draws.range(0, self.nodes as u64 - 1) as usize);
        let other = (one + by) % self.nodes;
        let at = draws.range(SECOND, self.faulty);
        self.add(at, Act::Swap(one, other));
        for node in [one, other] {
            self.add(at + 10 * MS, Act::Start(node));
        }
        let back = at + draws.range(50 * MS, 2 * SECOND);
        self.add(back, Act::Swap(one, other));
        for node in [one, other] {
            self.add(back + draws.range(MS, 100 * MS), Act::Start(node));
        }
    }
}
