//! The plan of a seed. Draws of one kind of fault shift none of another: each kind has a stream of its own, and exists in some
//! runs only, so that there are runs with few kinds of faults and runs with many.
//!
//! | module | faults of |
//! |---|---|
//! | [`nodes`] | processes: crashes, stops, pauses, lanes that starve, clocks that jump |
//! | [`links`] | the network: ways that are closed or clogged, weather |
//! | [`disks`] | disks: failing, frozen, rotten; wiped, replaced by an older copy, swapped |

pub mod disks;
pub mod links;
pub mod nodes;

use crate::plan::{Act, MS, Plan, SECOND, Step};
use crate::world::executor::{Nanos, Order};
use crate::world::net::Weather;
use crate::world::seeds::Stream;

/// Which kinds of faults a run may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kinds {
    /// Crashes and restarts.
    pub crash: bool,
    /// Pauses, and lanes that starve.
    pub pause: bool,
    /// Ways that close, or are clogged.
    pub partition: bool,
    /// Datagrams lost, late, twice, altered; narrow ways.
    pub loss: bool,
    /// Disks that fail, are slow or freeze.
    pub disk: bool,
    /// Disks on which something rots.
    pub rot: bool,
    /// Disks that are wiped, replaced by an older copy, or swapped.
    pub replace: bool,
    /// Clocks that jump.
    pub clock: bool,
}

impl Kinds {
    /// All of them.
    pub const ALL: Self = Self {
        crash: true,
        pause: true,
        partition: true,
        loss: true,
        disk: true,
        rot: true,
        replace: true,
        clock: true,
    };
    /// None.
    pub const NONE: Self = Self {
        crash: false,
        pause: false,
        partition: false,
        loss: false,
        disk: false,
        rot: false,
        replace: false,
        clock: false,
    };
}

impl Plan {
    /// The plan of a seed.
    #[must_use]
    pub fn of(seed: u64, kinds: Kinds) -> Self {
        let mut draws = Stream::new(seed, &[10]);
        let nodes = match draws.range(0, 100) {
            0..70 => 3,
            70..97 => 5,
            _ => 7,
        };
        let faulty = 10 * SECOND;
        let least = draws.range(20_000, 500_000);
        let calm = Weather {
            least,
            jitter: draws.range(1, 2 * least),
            mtu: *draws.pick(&[1_300, 1_500, 9_000]),
            ..Weather::default()
        };
        // One disk in four is quick and steady enough that a follower trusts it.
        let quickest = if draws.chance(250_000) { 300_000 } else { 6_000_000 };
        let mut plan = Self {
            nodes,
            faulty,
            segment_bytes: *draws.pick(&[1, 16 << 10, 32 << 10, 128 << 10]),
            cache_bytes: *draws.pick(&[0, 1 << 10, 64 << 10, 8 << 20]),
            pipeline: *draws.pick(&[1, 2, 4, 16]),
            calm,
            turn: draws.range(1, 30_000),
            sync: (70_000, draws.range(100_000, quickest)),
            slow_syncs: if kinds.disk && draws.chance(300_000) { draws.range(0, 2_000) } else { 0 },
            steady_syncs: *draws.pick(&[0, 1, 20, 100]),
            order: *draws.pick(&[Order::First, Order::Random, Order::Random, Order::Ranked]),
            effort: *draws.pick(&[0, 10_000, 300_000, 300_000, 3 * MS, 3 * MS, 60 * MS]),
            ..Self::default()
        };
        for _ in 0..nodes {
            plan.clocks.push((draws.range(0, 401) as i64 - 200, draws.range(0, 2_000_000_000) as i64 - 1_000_000_000));
        }
        for node in 0..nodes {
            plan.add(draws.range(0, 50 * MS), Act::Start(node));
        }
        plan.offers(&mut Stream::new(seed, &[11]));
        let has = |kind: bool, what, ppm| kind && Stream::new(seed, &[12, what]).chance(ppm);
        let stream = |what| Stream::new(seed, &[what]);
        if has(kinds.crash, 1, 750_000) {
            plan.crashes(&mut stream(13));
        }
        if has(kinds.crash, 11, 150_000) {
            plan.power_cut(&mut stream(26));
        }
        if has(kinds.pause, 2, 600_000) {
            plan.pauses(&mut stream(14));
        }
        if has(kinds.partition, 3, 600_000) {
            plan.partitions(&mut stream(15));
        }
        if has(kinds.loss, 4, 600_000) {
            plan.storms(&mut stream(16));
        }
        if has(kinds.disk, 5, 500_000) {
            plan.failures(&mut stream(17));
        }
        if has(kinds.disk, 6, 300_000) {
            plan.freezes(&mut stream(18));
        }
        if has(kinds.clock, 7, 250_000) {
            plan.jumps(&mut stream(19));
        }
        // Whom something befalls that it cannot recover from: a minority, in all.
        let mut draws = stream(22);
        let (first, most) = (plan.node(&mut draws), (nodes - 1) / 2);
        let mut victims = (0..most).map(|n| (first + n) % nodes);
        if has(kinds.rot, 8, 350_000)
            && let Some(victim) = victims.next()
        {
            plan.rots(&mut stream(23), victim);
        }
        if has(kinds.replace, 9, 350_000)
            && let Some(victim) = victims.next()
        {
            plan.replacements(&mut stream(24), victim);
        }
        if has(kinds.replace, 10, 150_000) {
            plan.swaps(&mut stream(25));
        }
        plan.steps.sort_by_key(|step| step.at);
        plan
    }

    pub(crate) fn add(&mut self, at: Nanos, act: Act) {
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

    pub(crate) fn node(&self, draws: &mut Stream) -> usize {
        draws.range(0, self.nodes as u64) as usize
    }
}
