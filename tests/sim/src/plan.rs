//! What happens in a run, as data: a seed first becomes a list of timed events, then that is carried out. Draws of one kind of
//! fault shift none of another.

use crate::world::disk::Plant;
use crate::world::executor::Nanos;
use crate::world::net::Weather;
use crate::world::seeds::Stream;
use std::fmt;

/// A millisecond.
pub const MS: Nanos = 1_000_000;
/// A second.
pub const SECOND: Nanos = 1_000 * MS;

/// An event of a plan. Nodes are counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// A node is started, if it does not run.
    Start(usize),
    /// A node stops in the middle of what it does, as by a power cut; what it has not synced is torn.
    Crash(usize),
    /// A node is asked to stop.
    Stop(usize),
    /// A node stands still for a while.
    Pause(usize, Nanos),
    /// The way from one node to another is closed.
    Cut(usize, usize),
    /// All ways are open.
    Open,
    /// The weather changes.
    Weather(Weather),
    /// A node's disk fails after so many changes more.
    Disk(usize, u64),
    /// So many inputs are offered to a node.
    Offer(usize, u64),
}

/// An event, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The moment.
    pub at: Nanos,
    /// What.
    pub act: Act,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, act } = self;
        write!(f, "{:>9.3} ms  {act:?}", *at as f64 / MS as f64)
    }
}

/// Which kinds of faults a run may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kinds {
    /// Crashes and restarts.
    pub crash: bool,
    /// Pauses.
    pub pause: bool,
    /// Ways that close.
    pub partition: bool,
    /// Datagrams lost, late, twice.
    pub loss: bool,
    /// Disks that fail or are slow.
    pub disk: bool,
}

impl Kinds {
    /// All of them.
    pub const ALL: Self = Self { crash: true, pause: true, partition: true, loss: true, disk: true };
    /// None.
    pub const NONE: Self = Self { crash: false, pause: false, partition: false, loss: false, disk: false };
}

/// A run before it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// How many nodes.
    pub nodes: usize,
    /// For how long things go wrong.
    pub faulty: Nanos,
    /// What happens, by time.
    pub steps: Vec<Step>,
    /// Bytes of a segment of the log.
    pub segment_bytes: u64,
    /// Bytes of the cache.
    pub cache_bytes: usize,
    /// Batches at once.
    pub pipeline: usize,
    /// Weather without faults.
    pub calm: Weather,
    /// Most that a turn of a task takes.
    pub turn: Nanos,
    /// Least and most of a sync.
    pub sync: (Nanos, Nanos),
    /// Of a million syncs, how many are slow.
    pub slow_syncs: u64,
    /// Whether what can run is drawn.
    pub drawn_order: bool,
    /// Most that a batch takes the machine.
    pub effort: Nanos,
    /// A mistake that is planted in every disk.
    pub plant: Option<Plant>,
    /// Drift of each node's clock, in millionths, and how far its wall clock is off.
    pub clocks: Vec<(i64, i64)>,
}

impl Plan {
    /// The plan of a seed.
    #[must_use]
    pub fn of(seed: u64, kinds: Kinds) -> Self {
        let mut draws = Stream::new(seed, &[10]);
        let nodes = if draws.chance(300_000) { 5 } else { 3 };
        let faulty = 10 * SECOND;
        let least = draws.range(20_000, 500_000);
        let calm = Weather {
            least,
            jitter: draws.range(1, 2 * least),
            loss: 0,
            twice: 0,
            late: 0,
            mtu: *draws.pick(&[1_300, 1_500, 9_000]),
        };
        let mut plan = Self {
            nodes,
            faulty,
            steps: Vec::new(),
            segment_bytes: *draws.pick(&[1, 16 << 10, 32 << 10, 128 << 10]),
            cache_bytes: *draws.pick(&[0, 1 << 10, 64 << 10, 8 << 20]),
            pipeline: *draws.pick(&[1, 2, 4, 16]),
            calm,
            turn: draws.range(1, 30_000),
            sync: (70_000, draws.range(100_000, 6_000_000)),
            slow_syncs: if kinds.disk && draws.chance(300_000) { draws.range(0, 2_000) } else { 0 },
            drawn_order: draws.chance(700_000),
            effort: *draws.pick(&[0, 10_000, 300_000, 3 * MS]),
            plant: None,
            clocks: Vec::new(),
        };
        for _ in 0..nodes {
            plan.clocks.push((draws.range(0, 401) as i64 - 200, draws.range(0, 2_000_000_000) as i64 - 1_000_000_000));
        }
        for node in 0..nodes {
            plan.add(draws.range(0, 50 * MS), Act::Start(node));
        }
        plan.offers(&mut Stream::new(seed, &[11]));
        // Each kind exists in three of four runs.
        let has = |kind: bool, what| kind && Stream::new(seed, &[12, what]).chance(750_000);
        if has(kinds.crash, 1) {
            plan.crashes(&mut Stream::new(seed, &[13]));
        }
        if has(kinds.pause, 2) {
            plan.pauses(&mut Stream::new(seed, &[14]));
        }
        if has(kinds.partition, 3) {
            plan.partitions(&mut Stream::new(seed, &[15]));
        }
        if has(kinds.loss, 4) {
            plan.storms(&mut Stream::new(seed, &[16]));
        }
        if has(kinds.disk, 5) {
            plan.disks(&mut Stream::new(seed, &[17]));
        }
        plan.steps.sort_by_key(|step| step.at);
        plan
    }

    fn add(&mut self, at: Nanos, act: Act) {
        if at < self.faulty {
            self.steps.push(Step { at, act });
        }
    }

    fn offers(&mut self, draws: &mut Stream) {
        let pause = draws.range(5 * MS, 200 * MS);
        for node in 0..self.nodes {
            let mut at = draws.range(0, pause);
            while at < self.faulty {
                let many = if draws.chance(50_000) { draws.range(20, 200) } else { draws.range(1, 4) };
                self.add(at, Act::Offer(node, many));
                at += draws.range(1, 2 * pause);
            }
        }
    }

    fn node(&self, draws: &mut Stream) -> usize {
        draws.range(0, self.nodes as u64) as usize
    }

    fn crashes(&mut self, draws: &mut Stream) {
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

    fn pauses(&mut self, draws: &mut Stream) {
        let pause = draws.range(500 * MS, 4 * SECOND);
        let mut at = draws.range(0, pause);
        while at < self.faulty {
            let node = self.node(draws);
            let long = draws.range(MS, *draws.clone().pick(&[50 * MS, 500 * MS, 5 * SECOND]));
            self.add(at, Act::Pause(node, long));
            at += draws.range(MS, 2 * pause);
        }
    }

    fn partitions(&mut self, draws: &mut Stream) {
        let pause = draws.range(500 * MS, 4 * SECOND);
        let mut at = draws.range(0, pause);
        while at < self.faulty {
            match draws.range(0, 5) {
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
                _ => {
                    let of = self.nodes;
                    for (from, to) in self.pairs() {
                        if (from + 1) % of != to && (to + 1) % of != from {
                            self.add(at, Act::Cut(from, to));
                        }
                    }
                }
            }
            let long = draws.range(10 * MS, 4 * SECOND);
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

    fn storms(&mut self, draws: &mut Stream) {
        let pause = draws.range(500 * MS, 4 * SECOND);
        let mut at = draws.range(0, pause);
        while at < self.faulty {
            let weather = Weather {
                loss: draws.range(0, 300_000),
                twice: draws.range(0, 200_000),
                late: draws.range(0, 100_000),
                jitter: draws.range(1, 20 * MS),
                ..self.calm
            };
            self.add(at, Act::Weather(weather));
            let long = draws.range(10 * MS, 3 * SECOND);
            self.add(at + long, Act::Weather(self.calm));
            at += long + draws.range(MS, pause);
        }
    }

    fn disks(&mut self, draws: &mut Stream) {
        let pause = draws.range(SECOND, 5 * SECOND);
        let mut at = draws.range(0, pause);
        while at < self.faulty {
            let node = self.node(draws);
            self.add(at, Act::Disk(node, draws.range(0, 60)));
            self.add(at + draws.range(SECOND, 3 * SECOND), Act::Start(node));
            at += draws.range(MS, 2 * pause);
        }
    }
}
