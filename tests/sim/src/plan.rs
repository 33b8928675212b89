//! What happens in a run, as data: a seed first becomes a list of timed events ([`crate::faults`]), then that is carried out. A
//! plan can be written down, and means the same when the generator of plans has become another one.

use crate::world::executor::{Nanos, Order};
use crate::world::net::Weather;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A millisecond.
pub const MS: Nanos = 1_000_000;
/// A second.
pub const SECOND: Nanos = 1_000 * MS;

/// What becomes of a place on a disk, at rest: of a place that was synced, and is followed by another group that was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rot {
    /// A bit is another one.
    Flip,
    /// A sector is zero.
    Zeros,
    /// A sector is anything.
    Garbage,
    /// A sector is what another one is: a write went astray.
    Misplaced,
    /// A sector is what it was before the last write to it: that was lost.
    Stale,
}

/// An event of a plan. Nodes are counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// A node is started, if it does not run.
    Start(usize),
    /// A node stops in the middle of what it does, as by a power cut; what it has not synced is torn.
    Crash(usize),
    /// A node is asked to stop.
    Stop(usize),
    /// A node stands still for a while.
    Pause(usize, Nanos),
    /// One of a node's lanes stands still for a while.
    Starve(usize, usize, Nanos),
    /// The way from one node to another is closed.
    Cut(usize, usize),
    /// What is sent from one node to another waits for a while, and then arrives all at once.
    Clog(usize, usize, Nanos),
    /// All ways are open.
    Open,
    /// The weather changes.
    Weather(Weather),
    /// A node's disk fails after so many changes more.
    Disk(usize, u64),
    /// One sync of a node's disk fails, after so many, and what it was for is never written.
    BadSync(usize, u64),
    /// A node's disk answers nothing for a while.
    Freeze(usize, Nanos),
    /// A node that runs is stopped, and a place on its disk, which a number draws, rots.
    Rot(usize, Rot, u64),
    /// A node gets an empty disk. Whether it may found a log there.
    Wipe(usize, bool),
    /// A copy of a node's disk is put aside.
    Keep(usize),
    /// A node gets that copy for its disk.
    PutBack(usize),
    /// Two nodes get each other's disks.
    Swap(usize, usize),
    /// A node's clocks jump: the monotonic one forward, the wall clock either way.
    Jump(usize, u64, i64),
    /// So many inputs are offered to a node.
    Offer(usize, u64),
}

impl Act {
    /// The nodes that it is about.
    #[must_use]
    pub fn nodes(&self) -> Vec<usize> {
        match *self {
            Self::Open | Self::Weather(_) => Vec::new(),
            Self::Cut(one, other) | Self::Clog(one, other, _) | Self::Swap(one, other) => vec![one, other],
            Self::Start(node)
            | Self::Crash(node)
            | Self::Stop(node)
            | Self::Pause(node, _)
            | Self::Starve(node, ..)
            | Self::Disk(node, _)
            | Self::BadSync(node, _)
            | Self::Freeze(node, _)
            | Self::Rot(node, ..)
            | Self::Wipe(node, _)
            | Self::Keep(node)
            | Self::PutBack(node)
            | Self::Jump(node, ..)
            | Self::Offer(node, _) => vec![node],
        }
    }
}

/// An event, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

/// A run before it begins.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Plan {
    /// How many nodes.
    pub nodes: usize,
    /// For how long things go wrong.
    pub faulty: Nanos,
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
    /// Syncs in a row that nobody noticed after which a node syncs on the spot; 0: it never does.
    pub steady_syncs: u32,
    /// How the next is chosen of those that can run.
    pub order: Order,
    /// Most that a batch takes the machine.
    pub effort: Nanos,
    /// A mistake that is planted, by its name.
    pub plant: Option<String>,
    /// Drift of each node's clock, in millionths, and how far its wall clock is off.
    pub clocks: Vec<(i64, i64)>,
    /// What happens, by time.
    pub steps: Vec<Step>,
}
