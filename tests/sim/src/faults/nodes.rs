//! Faults of processes and of clocks.

use crate::plan::{Act, MS, Plan, SECOND};
use crate::world::executor::LANES;
use crate::world::seeds::Stream;

impl Plan {
    pub(super) fn crashes(&mut self, draws: &mut Stream) {
        let pause = draws.range(200 * MS, 4 * SECOND);
        let mut at = draws.range(0, pause);
        while at < self.faulty {
            let down = draws.range(MS, 3 * SECOND);
            if draws.chance(100_000) {
                // All at once.
                for node in 0..self.nodes {
                    self.add(at, Act::Crash(node));
                    self.add(at + draws.range(MS, down + MS), Act::Start(node));
                }
            } else {
                let node = self.node(draws);
                self.add(at, if draws.chance(200_000) { Act::Stop(node) } else { Act::Crash(node) });
                self.add(at + down, Act::Start(node));
            }
            at += draws.range(MS, 2 * pause);
        }
    }

    /// At the end the power goes everywhere.
    pub(super) fn power_cut(&mut self, draws: &mut Stream) {
        let at = self.faulty - draws.range(1, SECOND);
        for node in 0..self.nodes {
            self.add(at, Act::Crash(node));
        }
    }

    pub(super) fn pauses(&mut self, draws: &mut Stream) {
        let pause = draws.range(500 * MS, 4 * SECOND);
        let mut at = draws.range(0, pause);
        while at < self.faulty {
            let node = self.node(draws);
            let most = *draws.pick(&[50 * MS, 500 * MS, 5 * SECOND]);
            let long = draws.range(MS, most);
            self.add(
                at,
                if draws.chance(250_000) {
                    Act::Starve(node, draws.range(0, LANES as u64) as usize, long)
                } else {
                    Act::Pause(node, long)
                },
            );
            at += draws.range(MS, 2 * pause);
        }
    }

    pub(super) fn jumps(&mut self, draws: &mut Stream) {
        let pause = draws.range(500 * MS, 4 * SECOND);
        let mut at = draws.range(0, pause);
        while at < self.faulty {
            let node = self.node(draws);
            let mono = if draws.chance(500_000) { draws.range(MS, 3 * SECOND) } else { 0 };
            let wall = if mono == 0 || draws.chance(500_000) {
                draws.range(0, 120 * SECOND) as i64 - 60 * SECOND as i64
            } else {
                0
            };
            self.add(at, Act::Jump(node, mono, wall));
            at += draws.range(MS, 2 * pause);
        }
    }
}
