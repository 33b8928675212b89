//! A run as data: what a seed draws of nodes, clients and faults.

use crate::plan::{MS, SECOND};
use crate::world::executor::Nanos;
use crate::world::seeds::Stream;
use std::fmt;
use std::time::Duration;

/// An event of a plan. Nodes are counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// A node is started, if it does not run.
    Start(usize),
    /// A node stops in the middle of what it does, as by a power cut; what it has not synced is torn.
    Crash(usize),
    /// A node is told to stop.
    Stop(usize),
    /// A node stands still for a while.
    Pause(usize, Nanos),
    /// A node hears nothing of the others for a while, nor they of it.
    Cut(usize, Nanos),
    /// A node's disk fails after so many changes more.
    Disk(usize, u64),
    /// Another leader: what has gathered and is in no batch is lost.
    Leader,
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

/// How a client behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manner {
    /// Bytes of a write, least and most.
    pub chunk: (u64, u64),
    /// Most between two writes.
    pub pause: Nanos,
    /// Most bytes of a read, and how long after it the next one comes.
    pub read: (usize, Nanos),
    /// Both ends' writes take one byte each.
    pub one_byte: bool,
    /// Room for bytes on their way or unread, in each direction.
    pub room: usize,
    /// Of a million connections, how many are reset in the middle.
    pub gives_up: u64,
    /// Most bytes that it has to say to one who sends them back.
    pub bytes: u64,
    /// Most between two connections.
    pub think: Nanos,
}

/// A mistake that is planted, to see whether it is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistake {
    /// A node that dies ends its clients' streams as if that were all.
    FalseEnd,
    /// What is for one client of a node goes to another one, now and then.
    Mixed,
    /// One node flips a bit of one input.
    Flip,
}

/// A run before it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// How many nodes.
    pub nodes: usize,
    /// The clients.
    pub clients: Vec<Manner>,
    /// For how long things go wrong.
    pub faulty: Nanos,
    /// What happens, by time.
    pub steps: Vec<Step>,
    /// Bytes of a segment of the log.
    pub segment_bytes: u64,
    /// Window of a connection towards the program, and from it.
    pub windows: (u32, u32),
    /// Batches on their way at once.
    pub pipeline: usize,
    /// Inputs of a batch, and bytes, at most.
    pub batch: (usize, usize),
    /// Bytes offered and not applied above which no client is served.
    pub outgoing: usize,
    /// Least and most of a sync.
    pub sync: (Nanos, Nanos),
    /// Least and most of a way between two nodes, or to a client.
    pub way: (Nanos, Nanos),
    /// Most that a batch takes the machine.
    pub effort: Nanos,
    /// Silence after which a node is given up.
    pub node_down_after: Duration,
    /// Which nodes keep their system calls, which must change nothing.
    pub recorded: u64,
    /// A mistake that is planted.
    pub mistake: Option<Mistake>,
}

impl Plan {
    /// The plan of a seed; `calm`: without faults.
    #[must_use]
    pub fn of(seed: u64, calm: bool) -> Self {
        let mut draws = Stream::new(seed, &[40]);
        let least = draws.range(20_000, 500_000);
        let mut plan = Self {
            nodes: if draws.chance(200_000) { 5 } else { 3 },
            clients: Vec::new(),
            faulty: 10 * SECOND,
            steps: Vec::new(),
            segment_bytes: *draws.pick(&[1, 16 << 10, 128 << 10]),
            windows: (*draws.pick(&[1, 100, 4 << 10, 64 << 10]), *draws.pick(&[100, 4 << 10, 256 << 10])),
            pipeline: *draws.pick(&[1, 2, 4, 16]),
            batch: (*draws.pick(&[1, 16, 1 << 12]), *draws.pick(&[1, 4 << 10, 1 << 20])),
            outgoing: *draws.pick(&[1, 4 << 10, 1 << 20]),
            sync: (70_000, draws.range(100_000, 6_000_000)),
            way: (least, least + draws.range(1, 2 * least)),
            effort: *draws.pick(&[0, 10_000, 300_000, 3 * MS]),
            node_down_after: Duration::from_millis(draws.range(500, 3_000)),
            recorded: draws.draw(),
            mistake: None,
        };
        for client in 0..*draws.pick(&[1, 4, 6, 6, 6, 16]) {
            plan.clients.push(manner(&mut Stream::new(seed, &[41, client]), plan.windows));
        }
        for node in 0..plan.nodes {
            plan.add(draws.range(0, 50 * MS), Act::Start(node));
        }
        // Each kind exists in three of four runs.
        let has = |what| !calm && Stream::new(seed, &[42, what]).chance(750_000);
        let kinds: [fn(&mut Plan, &mut Stream, Nanos); 6] = [
            |plan, draws, at| {
                let down = draws.range(MS, 3 * SECOND);
                let all = draws.chance(100_000);
                let one = plan.node(draws);
                for node in (0..plan.nodes).filter(|node| all || *node == one) {
                    plan.add(at, Act::Crash(node));
                    plan.add(at + draws.range(MS, down + MS), Act::Start(node));
                }
            },
            |plan, draws, at| {
                let node = plan.node(draws);
                plan.add(at, Act::Stop(node));
                plan.add(at + draws.range(SECOND, 3 * SECOND), Act::Start(node));
            },
            |plan, draws, at| {
                let most = *draws.pick(&[50 * MS, 500 * MS, 5 * SECOND]);
                let act = Act::Pause(plan.node(draws), draws.range(MS, most));
                plan.add(at, act);
            },
            |plan, draws, at| {
                let most = *draws.pick(&[50 * MS, 500 * MS, 5 * SECOND]);
                let act = Act::Cut(plan.node(draws), draws.range(MS, most));
                plan.add(at, act);
            },
            |plan, draws, at| {
                let node = plan.node(draws);
                plan.add(at, Act::Disk(node, draws.range(0, 60)));
                plan.add(at + draws.range(SECOND, 3 * SECOND), Act::Start(node));
            },
            |plan, _, at| plan.add(at, Act::Leader),
        ];
        for (what, kind) in kinds.into_iter().enumerate() {
            if !has(what as u64) {
                continue;
            }
            let mut draws = Stream::new(seed, &[43, what as u64]);
            let pause = draws.range(500 * MS, 4 * SECOND);
            let mut at = draws.range(0, pause);
            while at < plan.faulty {
                kind(&mut plan, &mut draws, at);
                at += draws.range(MS, 2 * pause);
            }
        }
        plan.steps.sort_by_key(|step| step.at);
        plan
    }

    fn add(&mut self, at: Nanos, act: Act) {
        if at < self.faulty {
            self.steps.push(Step { at, act });
        }
    }

    fn node(&self, draws: &mut Stream) -> usize {
        draws.range(0, self.nodes as u64) as usize
    }
}

fn manner(draws: &mut Stream, windows: (u32, u32)) -> Manner {
    // One byte at a time is much work for few bytes.
    let tiny = windows.0 < 1000 || draws.chance(150_000);
    let (chunk, bytes) = if tiny {
        (*draws.pick(&[(1, 2), (1, 40)]), draws.range(1, 200))
    } else {
        (*draws.pick(&[(1, 40), (100, 2_000), (1_000, 20_000)]), draws.range(1, 30_000))
    };
    Manner {
        chunk,
        pause: *draws.pick(&[0, 20 * MS, 200 * MS]),
        read: *draws.pick(&[(1 << 20, 0), (1 << 20, 0), (1_000, 5 * MS), (100, 20 * MS)]),
        one_byte: tiny && draws.chance(300_000),
        room: *draws.pick(&[500, 16 << 10, 256 << 10]),
        gives_up: *draws.pick(&[0, 100_000, 500_000]),
        bytes,
        think: *draws.pick(&[10 * MS, 200 * MS, SECOND]),
    }
}
