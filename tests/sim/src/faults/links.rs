//! Faults of the network.

use crate::plan::{Act, MS, Plan, SECOND};
use crate::world::executor::Nanos;
use crate::world::net::Weather;
use crate::world::seeds::Stream;

impl Plan {
    pub(super) fn partitions(&mut self, draws: &mut Stream) {
        let pause = draws.range(500 * MS, 4 * SECOND);
        let mut at = draws.range(0, pause);
        while at < self.faulty {
            let long = draws.range(10 * MS, 4 * SECOND);
            match draws.range(0, 6) {
                // One node alone.
                0 => {
                    let alone = self.node(draws);
                    self.split(at, |node| node == alone);
                }
                // A minority.
                1 => {
                    let (first, of) = (self.node(draws), self.nodes);
                    self.split(at, |node| (node + of - first) % of < of / 2);
                }
                // One way only.
                2 => {
                    let (from, to) = (self.node(draws), self.node(draws));
                    self.add(at, Act::Cut(from, to));
                }
                // Everybody hears one node only: a bridge.
                3 => {
                    let bridge = self.node(draws);
                    for (from, to) in self.pairs() {
                        if from != bridge && to != bridge {
                            self.add(at, Act::Cut(from, to));
                        }
                    }
                }
                // A ring: each hears its neighbours.
                4 => {
                    let of = self.nodes;
                    for (from, to) in self.pairs() {
                        if (from + 1) % of != to && (to + 1) % of != from {
                            self.add(at, Act::Cut(from, to));
                        }
                    }
                }
                // Some ways are clogged, one after the other.
                _ => {
                    for (from, to) in self.pairs() {
                        if draws.chance(400_000) {
                            let (after, long) = (draws.range(0, long), draws.range(10 * MS, long + 20 * MS));
                            self.add(at + after, Act::Clog(from, to, long));
                        }
                    }
                }
            }
            self.add(at + long, Act::Open);
            at += long + draws.range(MS, pause);
        }
    }

    fn pairs(&self) -> Vec<(usize, usize)> {
        let of = self.nodes;
        (0..of).flat_map(|from| (0..of).map(move |to| (from, to))).filter(|(from, to)| from != to).collect()
    }

    fn split(&mut self, at: Nanos, side: impl Fn(usize) -> bool) {
        for (from, to) in self.pairs() {
            if side(from) != side(to) {
                self.add(at, Act::Cut(from, to));
            }
        }
    }

    pub(super) fn storms(&mut self, draws: &mut Stream) {
        let pause = draws.range(500 * MS, 4 * SECOND);
        let mut at = draws.range(0, pause);
        while at < self.faulty {
            let weather = Weather {
                loss: draws.range(0, 300_000),
                twice: draws.range(0, 200_000),
                late: draws.range(0, 100_000),
                jitter: draws.range(1, 20 * MS),
                corrupt: if draws.chance(300_000) { draws.range(0, 50_000) } else { 0 },
                bandwidth: draws.chance(250_000).then(|| draws.range(100_000, 10_000_000)),
                ..self.calm
            };
            self.add(at, Act::Weather(weather));
            let long = draws.range(10 * MS, 3 * SECOND);
            self.add(at + long, Act::Weather(self.calm));
            at += long + draws.range(MS, pause);
        }
    }
}
