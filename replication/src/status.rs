//! What a replica tells about itself.

use replicode_log::{BatchIndex, BootNo, Mono, NodeId, Term};
use replicode_pacing::clock::{Course, Offset, Steering};
pub use replicode_store::LogStatus;
use std::net::SocketAddr;
use std::time::Duration;

/// A node's part in the consensus protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It decides the order.
    Leader,
    /// It follows a leader.
    Follower,
    /// It stands for election.
    Candidate,
    /// It receives the log but does not vote.
    Learner,
    /// Its log has been read, and it is about to take part.
    Starting,
    /// It is not running any more.
    Stopped,
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Leader => "leader",
            Self::Follower => "follower",
            Self::Candidate => "candidate",
            Self::Learner => "learner",
            Self::Starting => "starting",
            Self::Stopped => "stopped",
        })
    }
}

/// One moment of a replica's life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaStatus {
    /// This node.
    pub node: NodeId,
    /// Its role.
    pub role: Role,
    /// The highest term seen.
    pub term: Term,
    /// The leader of that term, if known.
    pub leader: Option<NodeId>,
    /// Highest entry of the consensus log known to be committed.
    pub commit_raft_index: Option<u64>,
    /// Last entry of the consensus log.
    pub last_raft_index: Option<u64>,
    /// The last batch that is known here to be agreed on. The machine above may be behind.
    pub batch_index: BatchIndex,
    /// The last batch that the log held when this replica was started.
    pub recorded: BatchIndex,
    /// The last of these that was known to be agreed on then: up to here at least it is executed again.
    pub agreed: BatchIndex,
    /// This node's boot number; 0 before it was granted.
    pub boot: BootNo,
    /// Bytes of this node's inputs that are not yet applied.
    pub outgoing_bytes: usize,
    /// The other members.
    pub peers: Vec<PeerStatus>,
    /// The log on disk.
    pub log: LogStatus,
    /// Batches proposed by this node since its start.
    pub batches: u64,
    /// Inputs offered to this node since its start.
    pub inputs: u64,
    /// The last time that this node gave leadership up.
    pub stepped_down: Option<SteppedDown>,
    /// How the cell's time is kept; leader only.
    pub clock: Option<ClockStatus>,
}

/// How a leader keeps the cell's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockStatus {
    /// Where time is bound for.
    pub course: Course,
    /// How fast.
    pub steering: Steering,
    /// How far this node's clock is ahead of the cell's time.
    pub own: Offset,
}

/// Leadership given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SteppedDown {
    /// The term in which the node led.
    pub term: Term,
    /// When.
    pub at: Mono,
    /// Why.
    pub why: String,
}

/// Another member, seen from here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerStatus {
    /// The member.
    pub node: NodeId,
    /// Where it is reached.
    pub addr: SocketAddr,
    /// How long ago it last answered; `None` if it never did since this node's start.
    pub last_contact: Option<Duration>,
    /// Up to which entry its log is known to equal ours; leader only.
    pub matched: Option<u64>,
    /// Why it was last found unreachable, if it is.
    pub trouble: Option<String>,
    /// How far its clock is ahead of the cell's time; leader only, `None` also when it has not told for a while.
    pub clock: Option<Offset>,
}
