//! The handle of a running replica, and what it shares with the replica's thread.

use crate::answers::Refusals;
use crate::delivery::{Delivery, Fault};
use crate::error::AskError;
use crate::feed::Lag;
use crate::host::Join;
use crate::log_store::Log;
use crate::mono;
use crate::network::peer::{Lane, Peer, Peers};
use crate::raft::TypeConfig;
use crate::starts::Starts;
use crate::state_machine::AppliedMark;
use crate::status::{PeerStatus, ReplicaStatus, Role, SteppedDown};
use crate::timekeeper::Timekeeper;
use bytes::Bytes;
use openraft::ServerState;
use openraft::alias::WatchReceiverOf;
use openraft::async_runtime::watch::WatchReceiver;
use openraft::metrics::RaftMetrics;
use replicode_log::{BatchIndex, BootNo, Input, Mono, NodeId, Term};
use replicode_pacing::{Outgoing, Progress};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};

/// What the handle, the driver and the engine's parts share.
pub(crate) struct Shared {
    pub(crate) node: NodeId,
    pub(crate) outgoing: Mutex<Outgoing>,
    /// See [`Replica::congested`].
    pub(crate) outgoing_bound: usize,
    pub(crate) progress: Mutex<Option<Progress>>,
    /// See [`Replica::expect_more`].
    pub(crate) expecting: AtomicBool,
    /// Whether this node leads: then the driver wants to hear of progress.
    pub(crate) awaits_progress: AtomicBool,
    pub(crate) applied: Arc<AppliedMark>,
    /// How far the machine above is from that.
    pub(crate) lag: Arc<Lag>,
    pub(crate) wake: Arc<Notify>,
    /// What has become of proposals that are not applied.
    pub(crate) refusals: Arc<Refusals>,
    /// The last batch that the log has taken.
    pub(crate) logged: Arc<AtomicU64>,
    pub(crate) stepped_down: Mutex<Option<SteppedDown>>,
    /// See [`Replica::cut_off`], in milliseconds.
    pub(crate) cut_off: AtomicU64,
    /// See [`Replica::watch_over`].
    pub(crate) watched: Mutex<Option<BTreeMap<NodeId, BootNo>>>,
    pub(crate) peers: Arc<Peers>,
    pub(crate) starts: Arc<Starts>,
    pub(crate) time: Timekeeper,
    pub(crate) batches: AtomicU64,
    pub(crate) log: Log,
    /// The last batch that the log held at the start.
    pub(crate) recorded: BatchIndex,
    /// The last one that was known to be agreed on then.
    pub(crate) agreed: BatchIndex,
    pub(crate) metrics: OnceLock<Metrics>,
    pub(crate) questions: mpsc::UnboundedSender<Question>,
    pub(crate) stop: AtomicBool,
    pub(crate) stopped: Notify,
    pub(crate) thread: Mutex<Option<Box<dyn Join>>>,
}

pub(crate) type Metrics = WatchReceiverOf<TypeConfig, RaftMetrics<TypeConfig>>;

/// A question to another node.
pub(crate) struct Question {
    pub(crate) node: NodeId,
    pub(crate) bytes: Bytes,
    pub(crate) timeout: Duration,
    pub(crate) answer: std::sync::mpsc::SyncSender<Result<Vec<u8>, AskError>>,
}

pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No code panics while it holds one of these locks, so what they guard is whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(crate) fn outgoing(&self) -> MutexGuard<'_, Outgoing> {
        locked(&self.outgoing)
    }

    /// See [`Replica::offer`].
    pub(crate) fn offer(&self, inputs: &mut Vec<Input>) {
        let (refused, wanted) = {
            let mut outgoing = self.outgoing();
            (outgoing.offer(inputs), outgoing.is_wanted())
        };
        if wanted {
            self.wake.notify_one();
        }
        if refused > 0 {
            tracing::error!(refused, "dropped inputs that no batch can carry");
        }
    }

    pub(crate) fn progress(&self) -> Option<Progress> {
        *locked(&self.progress)
    }

    pub(crate) fn expecting(&self) -> bool {
        self.expecting.load(Ordering::Acquire)
    }

    /// Answers whether more was expected.
    pub(crate) fn expect_no_more(&self) -> bool {
        self.expecting.swap(false, Ordering::AcqRel)
    }

    pub(crate) fn stopping(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// The term in which this node leads, by the engine.
    pub(crate) fn leads_in(&self) -> Option<u64> {
        let metrics = self.metrics.get()?.borrow_watched();
        let leads = metrics.state == ServerState::Leader && metrics.current_leader == Some(self.node.get());
        leads.then_some(metrics.current_term)
    }

    /// When a quorum last answered this leader: when that was sent which it has answered.
    pub(crate) fn quorum_heard(&self) -> Option<Mono> {
        let metrics = self.metrics.get()?.borrow_watched();
        let at = metrics.last_quorum_acked.as_ref()?;
        Some(mono::now().minus(openraft::Instant::elapsed(&**at)))
    }

    /// On a leader: who should take over. The furthest of those whose last contact satisfies a condition, and of several
    /// such the one that was heard last.
    pub(crate) fn heir(&self, fits: impl Fn(Option<Duration>) -> bool) -> Option<u64> {
        let metrics = self.metrics.get()?.borrow_watched();
        let others = metrics.replication.iter().flatten().filter(|(node, _)| **node != self.node.get());
        others
            .map(|(node, matched)| {
                let contact = self.peers.get(*node).and_then(|peer| peer.health().0);
                (
                    matched.as_ref().map(|id| id.index()),
                    std::cmp::Reverse(contact.unwrap_or(Duration::MAX)),
                    contact,
                    *node,
                )
            })
            .filter(|(_, _, contact, _)| fits(*contact))
            .max_by_key(|(matched, contact, _, _)| (*matched, *contact))
            .map(|(.., node)| node)
    }

    /// Begins anew with those peers whose log does not match this leader's: whatever holds their streams up.
    pub(crate) fn hang_up_on_laggards(&self) {
        let Some(metrics) = self.metrics.get().map(WatchReceiver::borrow_watched) else { return };
        for (node, matched) in metrics.replication.iter().flatten() {
            if matched.as_ref().map(|id| id.index()) < metrics.last_log_index
                && let Some(peer) = self.peers.get(*node)
            {
                peer.hang_up(Lane::Bulk);
            }
        }
    }
}

/// Tells the floor above that this node must stop: the first time only.
pub(crate) struct Faults<D> {
    pub(crate) delivery: Arc<D>,
    pub(crate) raised: AtomicBool,
    /// Set when the node is stopping on purpose: what breaks then is no fault.
    pub(crate) quiet: AtomicBool,
}

impl<D: Delivery> Faults<D> {
    pub(crate) fn raise(&self, what: &str, why: &str) {
        self.tell(what, why, false);
    }

    /// The others contradict what this node has acknowledged.
    pub(crate) fn contradicted(&self, why: &str) {
        self.tell("the history that this node has acknowledged is contradicted", why, true);
    }

    fn tell(&self, what: &str, why: &str, contradicted: bool) {
        if !self.quiet.load(Ordering::Acquire) && !self.raised.swap(true, Ordering::AcqRel) {
            tracing::error!("{what}: {why}");
            self.delivery.fatal(Fault { what: what.to_string(), why: why.to_string(), contradicted });
        }
    }
}

/// A running replica. Cheap to clone; all methods may be called from any thread and none of them waits, unless it
/// says so.
#[derive(Clone)]
pub struct Replica {
    pub(crate) shared: Arc<Shared>,
}

impl std::fmt::Debug for Replica {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Replica({})", self.shared.node)
    }
}

impl Replica {
    /// Offers inputs of this node's current boot, in order, and leaves `inputs` empty. They are numbered here and kept
    /// until [`Replica::applied`] says that the machine has them; they are sent again whenever they may have been lost.
    /// Inputs offered before the boot is granted wait for it. An input that is too large for any batch (16 MiB) is
    /// dropped.
    pub fn offer(&self, inputs: &mut Vec<Input>) {
        if inputs.is_empty() {
            return;
        }
        self.shared.offer(inputs);
    }

    /// Whether so much has been offered that is not yet applied ([`crate::Tuning::outgoing_bytes`]) that whoever has more should
    /// wait: while there is no leader or no quorum, nothing else bounds what gathers. Costs a lock and a comparison;
    /// [`Replica::offer`] takes inputs all the same.
    #[must_use]
    pub fn congested(&self) -> bool {
        self.shared.outgoing().bytes() > self.shared.outgoing_bound
    }

    /// Whoever serves the clients is about to answer many of them, and clients that are answered ask again at once: the next
    /// batch waits for [`Replica::expect_no_more`], about 2 ms at most, and not when it is full. Of use on a leader only. On processors that have
    /// other work this makes one batch of what would have been two.
    pub fn expect_more(&self) {
        if self.shared.awaits_progress.load(Ordering::Acquire) {
            self.shared.expecting.store(true, Ordering::Release);
        }
    }

    /// Whoever serves the clients has answered all of them and has nothing more to offer for now.
    pub fn expect_no_more(&self) {
        if self.shared.expect_no_more() {
            self.shared.wake.notify_one();
        }
    }

    /// Asks the log for a boot number, again and again until [`Replica::booted`]. Inputs of an earlier boot that are not
    /// yet applied are dropped: their connections are gone. Answers by which nonce the boot is known when it is granted.
    #[must_use]
    pub fn boot(&self) -> u64 {
        let nonce = self.shared.starts.nonce();
        self.shared.outgoing().ask_boot(nonce);
        self.shared.wake.notify_one();
        nonce
    }

    /// The log has granted a boot to another node: from now on an earlier start of it is refused, see [`crate::starts`].
    ///
    /// # Errors
    /// When that cannot be noted.
    pub fn started(&self, node: NodeId, nonce: u64) -> Result<(), String> {
        self.shared.starts.heard(node, nonce)
    }

    /// The machine has granted the boot that was asked for last: numbering starts again at 1. Not to be called for
    /// boots of the past, which come by again when the log is applied after a restart: their nonces differ.
    pub fn booted(&self, boot: BootNo) {
        self.shared.outgoing().booted(boot);
        self.shared.wake.notify_one();
    }

    /// The machine has applied a batch. A leader makes no more batches than [`crate::Tuning::pipeline`] beyond the last one that it
    /// has heard of here.
    pub fn applied(&self, progress: Progress) {
        *locked(&self.shared.progress) = Some(progress);
        self.shared.outgoing().applied(progress.next_seq);
        if progress.next_deadline.is_some() || self.shared.awaits_progress.load(Ordering::Acquire) {
            self.shared.wake.notify_one();
        }
    }

    /// A picture of this moment.
    #[must_use]
    pub fn status(&self) -> ReplicaStatus {
        let shared = &self.shared;
        let (boot, outgoing_bytes, inputs) = {
            let outgoing = shared.outgoing();
            (outgoing.boot(), outgoing.bytes(), outgoing.offered())
        };
        let mut status = ReplicaStatus {
            node: shared.node,
            role: if shared.stopping() || shared.metrics.get().is_some() { Role::Stopped } else { Role::Starting },
            term: Term(0),
            leader: None,
            commit_raft_index: None,
            last_raft_index: None,
            batch_index: shared.applied.get().tip.index,
            recorded: shared.recorded,
            agreed: shared.agreed,
            boot,
            outgoing_bytes,
            peers: Vec::new(),
            log: shared.log.status(),
            batches: shared.batches.load(Ordering::Relaxed),
            inputs,
            stepped_down: locked(&shared.stepped_down).clone(),
            clock: shared.time.status(),
        };
        let matched = self.engine_status(&mut status);
        let peer_status = |peer: &Arc<Peer>| {
            let (last_contact, mut trouble) = peer.health();
            if let Some(via) = shared.peers.detours().and_then(|detours| detours.via(peer.node.get())) {
                trouble = Some(format!("nothing comes from it directly; reached through node {via}"));
            }
            let matched = matched.get(&peer.node.get()).copied().flatten();
            let clock = shared.time.offset(peer.clock());
            PeerStatus { node: peer.node, addr: peer.addr, last_contact, matched, trouble, clock }
        };
        status.peers = shared.peers.iter().map(peer_status).collect();
        status
    }

    /// Fills in what the engine knows; answers how far peers' logs match.
    fn engine_status(&self, status: &mut ReplicaStatus) -> BTreeMap<u64, Option<u64>> {
        let Some(metrics) = self.shared.metrics.get() else { return BTreeMap::new() };
        let metrics = metrics.borrow_watched();
        if metrics.running_state.is_ok() && !self.shared.stopping() {
            status.role = match metrics.state {
                ServerState::Leader => Role::Leader,
                ServerState::Follower => Role::Follower,
                ServerState::Candidate => Role::Candidate,
                ServerState::Learner => Role::Learner,
                ServerState::Shutdown => Role::Stopped,
            };
        }
        status.term = Term(metrics.current_term);
        status.leader = metrics.current_leader.and_then(|node| NodeId::new(node).ok());
        status.commit_raft_index = metrics.local_committed.as_ref().map(|id| id.index());
        status.last_raft_index = metrics.last_log_index;
        let matched = metrics.replication.iter().flatten();
        matched.map(|(node, id)| (*node, id.as_ref().map(|id| id.index()))).collect()
    }

    /// From now on a leader watches the other nodes: what falls silent for [`crate::Tuning::node_down_after`] is told in the node's log,
    /// and its boot is declared over ([`Input::NodeDown`]). `boots`: those that the log has admitted and not ended, as far
    /// as the machine has come; to be told anew when they change. `None`, and until the first call: nobody is watched.
    ///
    /// It happens on the thread that hears the peers, so it needs nobody who may be busy with a batch.
    pub fn watch_over(&self, boots: Option<BTreeMap<NodeId, BootNo>>) {
        *locked(&self.shared.watched) = boots;
    }

    /// On the leader: for how long each member has not answered, counted from when this node began to lead at the
    /// earliest, and anew after a pause of this node's own. Empty on other nodes.
    #[must_use]
    pub fn silent_peers(&self) -> Vec<(NodeId, Duration)> {
        let peers = &self.shared.peers;
        let Some(term) = self.shared.leads_in() else { return Vec::new() };
        peers.iter().map(|peer| (peer.node, peers.silence(peer, term))).collect()
    }

    /// For how long this node has listened in vain: neither to a leader, nor, as leader, to a quorum. Nothing that is offered
    /// here is agreed on meanwhile, though others may go on. Counted anew after a pause of this node's own.
    #[must_use]
    pub fn cut_off(&self) -> Duration {
        Duration::from_millis(self.shared.cut_off.load(Ordering::Relaxed))
    }

    /// Asks another node something ([`Delivery::answer`]) and waits for the answer, at most `timeout`.
    ///
    /// # Errors
    /// [`AskError`] when the node is unknown, cannot be reached or does not answer in time.
    pub fn ask(&self, node: NodeId, question: &[u8], timeout: Duration) -> Result<Vec<u8>, AskError> {
        if self.shared.peers.get(node.get()).is_none() {
            return Err(AskError::Unknown(node));
        }
        let (answer, answered) = std::sync::mpsc::sync_channel(1);
        let bytes = Bytes::copy_from_slice(question);
        let question = Question { node, bytes, timeout, answer };
        self.shared.questions.send(question).map_err(|_| AskError::Stopped)?;
        // The exchange has the same limit; this one is for a replica that stops meanwhile.
        match answered.recv_timeout(timeout + Duration::from_millis(100)) {
            Ok(result) => result,
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => Err(AskError::Timeout(node)),
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => Err(AskError::Stopped),
        }
    }

    /// As [`Replica::shutdown`], but waits for nothing.
    pub fn stop(&self) {
        self.shared.stop.store(true, Ordering::Release);
        self.shared.wake.notify_one();
        self.shared.stopped.notify_one();
    }

    /// Hands leadership over when possible, flushes the log and stops; waits until that is done (a few seconds at most).
    /// Other clones of the handle become inert.
    pub fn shutdown(self) {
        self.stop();
        let thread = locked(&self.shared.thread).take();
        if let Some(thread) = thread
            && !thread.join()
        {
            tracing::error!("the replica's thread has panicked");
        }
    }
}
