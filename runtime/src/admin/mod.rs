//! What a running node tells its owner: one JSON request per line over a Unix socket, one JSON answer per line.
//!
//! ```text
//! -> {"ask":"status"}          <- {"ok":{"node":1,"role":"leader",…}}
//! -> {"ask":"log","limit":5}   <- {"ok":[{"index":41,…},…]}
//! -> {"ask":"tea"}             <- {"error":"…"}
//! ```
//!
//! The cell's files are read in pieces (`list`, `read`), each as it stands between two batches.
//!
//! The socket is 0600 in a 0700 directory, and the server also asks the system who is at the other end. What can change a
//! cell (`start`, `kill`) goes through its log like any other input.

pub mod client;
pub mod files;
pub mod paused;
pub mod server;

use replicode_log::{BatchIndex, ExitStatus, LogicalTime, Pid};
use replicode_replication::{ClockStatus, Course, Offset, Steering};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A request line has at most this many bytes.
pub const MAX_REQUEST: usize = 64 << 10;
/// An answer line has at most this many bytes.
pub const MAX_ANSWER: usize = 64 << 20;
/// Most batches in one answer to [`Request::Log`].
pub const MAX_BATCHES: u64 = 10_000;

/// What can be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "lowercase", deny_unknown_fields)]
pub enum Request {
    /// A [`Status`].
    Status,
    /// A list of [`ProcessRow`].
    Ps,
    /// A list of [`NatLine`].
    Nat,
    /// A list of [`BatchRow`].
    Log {
        /// First batch; the last ones when absent.
        #[serde(default)]
        from: Option<u64>,
        /// How many.
        limit: u64,
    },
    /// One of the cell's files, or the entries of a directory. Answers [`files::Listed`].
    List {
        /// Its path from the root.
        path: files::Name,
        /// Only entries behind this one.
        #[serde(default)]
        after: Option<files::Name>,
    },
    /// A piece of one of the cell's files. Answers [`files::Piece`].
    Read {
        /// Its path from the root.
        path: files::Name,
        /// Where the piece begins.
        offset: u64,
    },
    /// Start a program. Answers [`Ordered`].
    Start {
        /// Its name.
        program: String,
    },
    /// End the processes of a program. Answers [`Ordered`].
    Kill {
        /// Its name.
        program: String,
    },
}

/// An order that was carried out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ordered {
    /// The program.
    pub program: String,
    /// The processes that were started or ended. None: it did not run, and a start that was to come was called off.
    pub pids: Vec<u32>,
}

/// An answer line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// What was asked for.
    Ok(serde_json::Value),
    /// Why not.
    Error(String),
}

/// One moment of a node. Scripts rely on `node`, `role`, `term`, `leader`, `commit_index`, `applied_index`, `digest`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Status {
    /// The node's number.
    pub node: u64,
    /// The cell's name.
    pub name: String,
    /// Operating-system process.
    pub pid: u32,
    /// `leader`, `follower`, `candidate`, `learner`; `starting` while it executes what its log held, `stopped` when it
    /// stops. `paused` is not its own word: `status` says so of a node whose process is stopped by a signal.
    pub role: String,
    /// Highest term seen.
    pub term: u64,
    /// Leader of that term.
    pub leader: Option<u64>,
    /// How often this node was started, as counted by the log; 0 until the log has admitted this start.
    pub boot: u64,
    /// Last batch that this node knows to be committed.
    pub commit_index: u64,
    /// Last batch that this node has executed.
    pub applied_index: u64,
    /// State digest after that batch.
    pub digest: String,
    /// Time of that batch, in nanoseconds since genesis.
    pub time_ns: u64,
    /// How the cell's time is kept (leader only: nobody else does).
    pub clock: Option<Clock>,
    /// Highest committed entry of the consensus log, which also holds entries that are not batches.
    pub raft_commit_index: Option<u64>,
    /// Last entry of the consensus log.
    pub raft_last_index: Option<u64>,
    /// UDP address on which it listens for peers.
    pub listen: String,
    /// The other members.
    pub peers: Vec<Peer>,
    /// Where this node's gateway listens.
    pub published: Vec<PublishedPort>,
    /// Contracts, in a cell that has any.
    pub contracts: Option<ContractsStatus>,
    /// Addresses of the clients that this node holds.
    pub clients: Vec<String>,
    /// Connections in the cell's table, those of all nodes and those inside the cell.
    pub connections: u64,
    /// How many there can be: the limit `connections`.
    pub connections_limit: u64,
    /// Batches executed since this start, replayed ones included.
    pub batches: u64,
    /// Batches per second over the last seconds.
    pub batches_per_s: f64,
    /// Batches that this node proposed since its start.
    pub proposed: u64,
    /// Inputs that this node offered since its start.
    pub inputs: u64,
    /// Milliseconds since the start.
    pub uptime_ms: u64,
    /// Resident memory.
    pub rss_bytes: u64,
    /// Size of the log on disk.
    pub log_bytes: u64,
    /// Calls of `fdatasync` since the start.
    pub fsyncs: u64,
    /// The batch being executed, when that takes longer than a moment.
    pub executing: Option<Executing>,
    /// How far the start is, while it executes what the log held.
    pub replay: Option<Replayed>,
    /// The processes that have ended, the last ones of many. The same on all nodes but for [`Ending::text`].
    pub ended: Vec<Ending>,
    /// What is wrong in the way the cell is used, as far as this node can tell.
    pub hint: Option<String>,
    /// When and why this node last gave leadership up by itself.
    pub stepped_down: Option<SteppedDown>,
    /// Milliseconds for which this node has heard neither a leader nor, as leader, a majority.
    pub cut_off_ms: u64,
}

/// Contracts on a node. Counts are those of this start; what a checkpoint held is not executed again.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContractsStatus {
    /// Where the node serves them (gRPC).
    pub listen: Option<String>,
    /// The last batch with calls.
    pub batch: u64,
    /// The root of all accounts after it.
    pub root: String,
    /// What that batch left behind, receipts included; covers all batches before.
    pub digest: String,
    /// Whether it answers questions: not while it still executes its log, nor when it was cut off from the others.
    pub current: bool,
    /// Transactions executed.
    pub calls: u64,
    /// Of these, those without effect: skipped, reverted, out of gas, trapped.
    pub failed: u64,
    /// Of these, those that were skipped.
    pub skipped: u64,
    /// Gas burnt.
    pub gas: u64,
    /// Transactions per second over the last seconds.
    pub calls_per_s: f64,
    /// Gas per second over the last seconds.
    pub gas_per_s: f64,
    /// Milliseconds of execution, roots included.
    pub execution_ms: f64,
    /// Of these, the milliseconds for states and roots.
    pub root_ms: f64,
    /// How many times a call was executed that ran beside others; 1 where none was in another's way.
    pub executions_per_call: Option<f64>,
    /// The batch of the newest checkpoint.
    pub checkpoint: u64,
    /// About how many bytes the next one will write.
    pub checkpoint_behind_bytes: u64,
    /// Requests that wait for the log.
    pub waiting: u64,
}

/// Leadership given up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SteppedDown {
    /// The term in which the node led.
    pub term: u64,
    /// Milliseconds since then.
    pub ms_ago: u64,
    /// Why.
    pub why: String,
}

/// How a process has ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ending {
    /// Number in the cell.
    pub pid: u32,
    /// Name.
    pub process: String,
    /// The batch in which it did.
    pub batch: u64,
    /// The code with which it exited; none when it was stopped.
    pub code: Option<u32>,
    /// How it ended, in words: `exit 1`, `trap: OutOfBounds`, `killed`.
    pub how: String,
    /// For a trap, what happened where, as the engine tells it.
    pub text: Option<String>,
    /// The last lines that it printed to standard error, if it failed or ended soon after its start.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub said: Vec<String>,
    /// That it is started again, if it is.
    #[serde(default)]
    pub again: Option<Again>,
}

/// What follows on the end of a process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Again {
    /// Milliseconds from its end to the next start, in the cell's time.
    pub pause_ms: u64,
    /// How many times in a row it has ended after a short run.
    pub failures: u32,
    /// The process that followed, once it was started.
    pub pid: Option<u32>,
}

impl Again {
    /// What was planned when a process ended at `now`.
    #[must_use]
    pub const fn planned(now: LogicalTime, at: LogicalTime, failures: u32) -> Self {
        Self { pause_ms: at.since(now) / 1_000_000, failures, pid: None }
    }
}

impl std::fmt::Display for Again {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.pid {
            Some(pid) => write!(f, "started again as process {pid}"),
            None => {
                let seconds = self.pause_ms as f64 / 1000.0;
                write!(f, "starts again after {seconds} s (short run number {} in a row)", self.failures)
            }
        }
    }
}

impl Ending {
    /// The end of a process, with the engine's text about it.
    #[must_use]
    pub fn new(pid: Pid, process: String, batch: BatchIndex, status: ExitStatus, text: Option<String>) -> Self {
        let code = if let ExitStatus::Code(code) = status { Some(code) } else { None };
        Self { pid: pid.0, process, batch: batch.0, code, how: status.to_string(), text, said: Vec::new(), again: None }
    }

    /// The [sentence](Self::sentence), and the last lines that it printed, `most` at most, each on a line below.
    #[must_use]
    pub fn story(&self, most: usize) -> String {
        let last = self.said.iter().skip(self.said.len().saturating_sub(most));
        self.sentence() + &last.map(|line| format!("\n  | {line}")).collect::<String>()
    }

    /// What follows, as the end of a sentence; empty when nothing does.
    #[must_use]
    pub fn then(&self) -> String {
        self.again.as_ref().map(|again| format!("; {again}")).unwrap_or_default()
    }

    /// A sentence about it; of the engine's text, the reason of the trap.
    #[must_use]
    pub fn sentence(&self) -> String {
        // The engine begins with where it happened and ends with why.
        let why = self.text.iter().flat_map(|text| text.lines().rev()).map(str::trim).find(|line| !line.is_empty());
        let why = why
            .map(|why| format!(" ({})", why.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start_matches(": ")));
        format!(
            "process {} '{}' ended in batch #{}: {}{}{}",
            self.pid,
            self.process,
            self.batch,
            self.how,
            why.unwrap_or_default(),
            self.then()
        )
    }
}

/// Milliseconds without an answer after which a leader no longer counts a peer: many heartbeats, and longer than an
/// election takes.
const SILENCE_MS: u64 = 2_000;

impl Status {
    /// Whether this node takes itself for the leader although no majority answers it. A leader that has lost its
    /// followers is not told so by anybody; whoever looks at it should see it.
    #[must_use]
    pub fn leads_alone(&self) -> bool {
        let answers = |peer: &&Peer| peer.last_contact_ms.is_some_and(|ms| ms < SILENCE_MS);
        let reached = 1 + self.peers.iter().filter(answers).count();
        self.role == "leader" && 2 * reached <= 1 + self.peers.len()
    }
}

/// A batch that takes long: some program computes, or makes very many system calls.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Executing {
    /// The batch.
    pub batch: u64,
    /// Milliseconds since it was begun.
    pub ms: u64,
}

/// How far a start has executed again what its log held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replayed {
    /// Batches executed.
    pub applied: u64,
    /// Batches that the log held.
    pub of: u64,
}

impl std::fmt::Display for Replayed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { applied, of } = self;
        write!(f, "{applied} of {of} batches ({} %)", u128::from(*applied) * 100 / u128::from(*of).max(1))
    }
}

/// Another member, seen from a node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Peer {
    /// Its number.
    pub node: u64,
    /// Where it is reached.
    pub addr: String,
    /// Milliseconds since it last answered (leader only: nobody else asks all the time). `None`: never since the start.
    pub last_contact_ms: Option<u64>,
    /// Up to which entry its log is known to equal ours (leader only).
    pub matched: Option<u64>,
    /// Why it cannot be reached.
    pub trouble: Option<String>,
    /// How far its clock is ahead of the cell's time (leader only). `None` also when it has not told for a while.
    pub clock: Option<ClockOffset>,
}

/// How far a node's clock is ahead of the cell's time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClockOffset {
    /// Nanoseconds; negative when it is behind.
    pub ahead_ns: i64,
    /// By how much that may be wrong.
    pub error_ns: u64,
}

impl From<Offset> for ClockOffset {
    fn from(Offset { ahead_ns, error_ns }: Offset) -> Self {
        Self { ahead_ns, error_ns }
    }
}

/// How a leader keeps the cell's time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Clock {
    /// `no`: time is where a majority's clocks are. `faster`, `slower`: it is on its way there. `unknown`: no majority's
    /// clocks are known, and time goes on at this node's pace.
    pub steering: String,
    /// Nanoseconds between the cell's time and a majority's clocks, positive when those are ahead.
    pub majority_ahead_ns: i64,
    /// By how many millionths time goes faster or slower while it does.
    pub slew_ppm: u32,
    /// This node's own clock.
    pub own: ClockOffset,
}

impl From<ClockStatus> for Clock {
    fn from(ClockStatus { course, steering: Steering { slew_ppm, .. }, own }: ClockStatus) -> Self {
        let signed = |ns: u64| i64::try_from(ns).unwrap_or(i64::MAX);
        let (steering, majority_ahead_ns) = match course {
            Course::Unknown => ("unknown", 0),
            Course::Steady => ("no", 0),
            Course::Faster(behind) => ("faster", signed(behind)),
            Course::Slower(ahead) => ("slower", -signed(ahead)),
        };
        Self { steering: steering.to_string(), majority_ahead_ns, slew_ppm, own: own.into() }
    }
}

/// A published port.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PublishedPort {
    /// Address on this host.
    pub listen: String,
    /// `process:port` inside the cell.
    pub service: String,
}

/// A process of the cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProcessRow {
    /// Number in the cell.
    pub pid: u32,
    /// Name.
    pub name: String,
    /// What it does, or how it ended.
    pub state: String,
    /// System calls made; not known while the process is in the middle of a batch that takes long.
    pub calls: Option<u64>,
    /// Open descriptors; likewise.
    pub fds: Option<u64>,
    /// How it ended, once it has.
    pub ended: Option<Ending>,
}

/// A row of the NAT table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NatLine {
    /// Process.
    pub pid: u32,
    /// Its name.
    pub process: String,
    /// Port in the process's namespace.
    pub port: Option<u16>,
    /// The port that stands for it on all nodes.
    pub consensus_port: Option<u32>,
    /// The client's stream, `node.boot.counter`.
    pub conn: Option<String>,
    /// Address of the other end.
    pub peer: Option<String>,
    /// State.
    pub state: String,
    /// Bytes towards the program.
    pub bytes_in: u64,
    /// Bytes from the program.
    pub bytes_out: u64,
}

/// A batch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BatchRow {
    /// Its index.
    pub index: u64,
    /// Its time, in nanoseconds since genesis.
    pub time_ns: u64,
    /// Inputs by kind.
    pub inputs: BTreeMap<String, u64>,
    /// Nodes whose inputs it holds.
    pub origins: Vec<u64>,
    /// Encoded length.
    pub bytes: u64,
    /// Digest of its content.
    pub content: String,
    /// State digest after it, where known.
    pub digest: Option<String>,
}

impl BatchRow {
    /// The row of a batch.
    #[must_use]
    pub fn of(batch: &replicode_log::Batch, bytes: usize, content: replicode_log::Digest) -> Self {
        let mut inputs = BTreeMap::new();
        let mut origins: Vec<u64> = Vec::new();
        for section in &batch.sections {
            origins.push(section.origin.get());
            for input in &section.inputs {
                *inputs.entry(input.name().to_string()).or_default() += 1;
            }
        }
        origins.sort_unstable();
        origins.dedup();
        Self {
            index: batch.header.index.0,
            time_ns: batch.header.time.nanos(),
            inputs,
            origins,
            bytes: bytes as u64,
            content: content.to_string(),
            digest: None,
        }
    }
}
