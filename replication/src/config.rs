//! What a replica is started with.

use replicode_log::NodeId;
use replicode_pacing::SyncChoice;
use replicode_pacing::clock::Steering;
pub use replicode_store::segment::ClusterIdentity;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// A node's credentials, as PEM text. Made by [`crate::network::tls`].
#[derive(Clone)]
pub struct TlsIdentity {
    /// Certificate of the cluster's own authority.
    pub ca: String,
    /// This node's certificate, signed by that authority.
    pub cert: String,
    /// The private key belonging to it (PKCS #8).
    pub key: String,
}

impl std::fmt::Debug for TlsIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TlsIdentity(..)")
    }
}

/// Everything [`crate::start`] needs.
#[derive(Clone, Debug)]
pub struct ReplicaConfig {
    /// This node.
    pub node: NodeId,
    /// What it has in common with its peers.
    pub identity: ClusterIdentity,
    /// Wall-clock time of genesis, nanoseconds since the Unix epoch: what the cell's time is counted from.
    pub epoch_unix_ns: u64,
    /// UDP address to listen on for peers. Not used by a cluster of one.
    pub listen: SocketAddr,
    /// All members, this node included, with the addresses at which they are reached. Every node must be given the
    /// same members; addresses may differ.
    pub peers: BTreeMap<NodeId, SocketAddr>,
    /// Directory of the log. Created (mode 0700) when `found` is set.
    pub dir: PathBuf,
    /// Whether an empty directory may become a new log. A node that has ever been part of the cluster must not be
    /// started with this set: with an empty log under its old identity it could take back what it promised.
    pub found: bool,
    /// Credentials; `None` only for a cluster of one.
    pub tls: Option<TlsIdentity>,
    /// Times and bounds.
    pub tuning: Tuning,
}

/// Times and bounds that may differ from node to node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tuning {
    /// How often the leader shows that it lives.
    pub heartbeat: Duration,
    /// A follower stands for election when it has heard nothing for the second time (until then the leader may take its
    /// leadership for granted) plus a random time between the two.
    pub election: (Duration, Duration),
    /// Batches that may be on their way at once.
    pub pipeline: usize,
    /// Most inputs of one batch.
    pub batch_inputs: usize,
    /// Most bytes of one batch; a single heavier input still goes, alone.
    pub batch_bytes: usize,
    /// Bytes of this node's inputs that are not yet applied above which [`crate::Replica::congested`] says so.
    pub outgoing_bytes: usize,
    /// Bytes of a log segment. A heavier record gets a segment of its own size.
    pub segment_bytes: u64,
    /// Bytes of recent log entries kept in memory for followers; older ones are read from disk.
    pub cache_bytes: usize,
    /// After so many syncs in a row that nobody noticed this node's disk counts as steady: see
    /// [`replicode_pacing::sync_choice`].
    pub steady_syncs: u32,
    /// How the cell's time is brought to where a majority's clocks are.
    pub steering: Steering,
    /// Silence after which a leader gives another node up: see [`crate::Replica::watch_over`].
    pub node_down_after: Duration,
}

impl Default for Tuning {
    /// A dead leader is replaced in about a second: its followers wait 900 to 1200 ms, the quicker of two about 1 s, and
    /// pre-vote and vote take two round trips. Eight heartbeats must be missed for a false alarm, which leaves room for a
    /// scheduler that sleeps through a few ticks; and a false alarm costs no term, since pre-vote finds the leader alive.
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_millis(100),
            election: (Duration::from_millis(300), Duration::from_millis(600)),
            pipeline: 4,
            batch_inputs: 65_536,
            batch_bytes: 1 << 20,
            outgoing_bytes: 64 << 20,
            segment_bytes: 16 << 20,
            cache_bytes: 32 << 20,
            steady_syncs: SyncChoice::STEADY,
            steering: Steering::default(),
            node_down_after: Duration::from_secs(3),
        }
    }
}
