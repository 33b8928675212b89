//! The handle of a running replica, and how one is started and stopped.

use crate::batcher::Batcher;
use crate::chain::Tip;
use crate::clock::LeaderClock;
use crate::config::{ReplicaConfig, Tuning};
use crate::delivery::{Delivery, Fault};
use crate::driver::{Driver, Seeds};
use crate::error::{AskError, ReplicaError};
use crate::log_store::file_disk::FileDisk;
use crate::log_store::segment::{Owner, hex};
use crate::log_store::store::LogStore;
use crate::log_store::{Log, LogOptions};
use crate::network::client::Network;
use crate::network::peer::{Lane, Peer, Peers};
use crate::network::server::{Answer, Refusals, Server, serve};
use crate::network::tls::{self, Handshake};
use crate::network::{endpoint, frame, tag, watch};
use crate::outgoing::Outgoing;
use crate::raft::{self, TypeConfig};
use crate::stall::Stall;
use crate::state_machine::{AppliedCell, StateMachine};
use crate::status::{PeerStatus, ReplicaStatus, Role};
use bytes::Bytes;
use openraft::alias::WatchReceiverOf;
use openraft::async_runtime::watch::WatchReceiver;
use openraft::metrics::RaftMetrics;
use openraft::{Config, Raft, ServerState};
use replicode_log::{BatchIndex, BootNo, Digest, Input, LogicalTime, NodeId, Term};
use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

/// Parcels of other nodes that wait for the leader's attention.
const INBOX: usize = 256;
/// How long a stopping leader waits for another node to take over.
const HAND_OVER: Duration = Duration::from_millis(1500);

/// How far the machine above has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The last batch it applied.
    pub index: BatchIndex,
    /// When it wants to be given a batch even if nothing arrives; `None`: never.
    pub next_deadline: Option<LogicalTime>,
    /// The sequence number it expects next from this node's current boot (`Machine::origin`).
    pub next_seq: u64,
}

/// What the handle, the driver and the engine's parts share.
pub(crate) struct Shared {
    pub(crate) node: NodeId,
    outgoing: Mutex<Outgoing>,
    /// See [`Replica::congested`].
    outgoing_bound: usize,
    progress: Mutex<Option<Progress>>,
    /// See [`Replica::expect_more`].
    expecting: AtomicBool,
    /// Whether this node leads: then the driver wants to hear of progress.
    pub(crate) awaits_progress: AtomicBool,
    pub(crate) applied: Arc<AppliedCell>,
    pub(crate) wake: Arc<Notify>,
    pub(crate) peers: Arc<Peers>,
    pub(crate) batches: AtomicU64,
    log: Log,
    metrics: OnceLock<Metrics>,
    questions: mpsc::UnboundedSender<Question>,
    stop: AtomicBool,
    stopped: Notify,
    thread: Mutex<Option<JoinHandle<()>>>,
}

type Metrics = WatchReceiverOf<TypeConfig, RaftMetrics<TypeConfig>>;

/// A question to another node.
struct Question {
    node: NodeId,
    bytes: Bytes,
    timeout: Duration,
    answer: std::sync::mpsc::SyncSender<Result<Vec<u8>, AskError>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No code panics while it holds one of these locks, so what they guard is whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(crate) fn outgoing(&self) -> MutexGuard<'_, Outgoing> {
        locked(&self.outgoing)
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
    fn leads_in(&self) -> Option<u64> {
        let metrics = self.metrics.get()?.borrow_watched();
        let leads = metrics.state == ServerState::Leader && metrics.current_leader == Some(self.node.get());
        leads.then_some(metrics.current_term)
    }
}

/// Tells the floor above that this node must stop: the first time only.
pub(crate) struct Faults<D> {
    delivery: Arc<D>,
    raised: AtomicBool,
    /// Set when the node is stopping on purpose: what breaks then is no fault.
    quiet: AtomicBool,
}

impl<D: Delivery> Faults<D> {
    pub(crate) fn raise(&self, what: &str, why: &str) {
        if !self.quiet.load(Ordering::Acquire) && !self.raised.swap(true, Ordering::AcqRel) {
            tracing::error!("{what}: {why}");
            self.delivery.fatal(Fault { what: what.to_string(), why: why.to_string() });
        }
    }
}

/// Starts a replica: its own thread for consensus and network, one more for the log's writes. Returns when the log has
/// been opened and the peer address is listened on. Batches already committed in the log are delivered again, from
/// the first, since nothing is kept of the machine's state.
///
/// # Errors
/// [`ReplicaError`] says what is wrong with the configuration, the credentials, the log or the address.
pub fn start(config: ReplicaConfig, delivery: impl Delivery) -> Result<Replica, ReplicaError> {
    if !config.peers.contains_key(&config.node) {
        return Err(ReplicaError::NotAMember(config.node));
    }
    let settings = raft::settings(&config.tuning, &hex(&config.identity.cluster))?;
    let owner = Owner { node: config.node, identity: config.identity };
    let network = open_network(&config)?;
    let delivery = Arc::new(delivery);
    let faults =
        Arc::new(Faults { delivery: delivery.clone(), raised: AtomicBool::new(false), quiet: AtomicBool::new(false) });
    let log = open_log(&config, owner, faults.clone())?;

    let wake = Arc::new(Notify::new());
    let (questions, asked) = mpsc::unbounded_channel();
    let Tuning { batch_inputs, batch_bytes, outgoing_bytes, .. } = config.tuning;
    let shared = Arc::new(Shared {
        node: config.node,
        outgoing: Mutex::new(Outgoing::new(config.node, batch_inputs, batch_bytes)),
        outgoing_bound: outgoing_bytes,
        progress: Mutex::default(),
        expecting: AtomicBool::new(false),
        awaits_progress: AtomicBool::new(false),
        applied: Arc::new(AppliedCell::new(Tip::genesis(config.identity.config), wake.clone())),
        wake,
        peers: Arc::new(Peers::new(owner, log.incarnation(), &config.peers)),
        batches: AtomicU64::new(0),
        log,
        metrics: OnceLock::new(),
        questions,
        stop: AtomicBool::new(false),
        stopped: Notify::new(),
        thread: Mutex::default(),
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|why| ReplicaError::Thread { what: "consensus", why })?;
    let life = Life { config, settings, network, shared: shared.clone(), delivery, faults, asked };
    let thread = std::thread::Builder::new().name("replica".to_string());
    let thread = thread.spawn(move || runtime.block_on(life.live()));
    let thread = thread.map_err(|why| ReplicaError::Thread { what: "consensus", why })?;
    *locked(&shared.thread) = Some(thread);
    Ok(Replica { shared })
}

fn open_network(config: &ReplicaConfig) -> Result<Option<(UdpSocket, Handshake)>, ReplicaError> {
    if config.peers.len() == 1 {
        return Ok(None);
    }
    let identity = config.tls.as_ref().ok_or(ReplicaError::NoTls(config.peers.len()))?;
    let handshake = tls::handshake(identity, config.node, &config.identity.cluster)?;
    let addr = config.listen;
    let socket = endpoint::bind(addr).map_err(|why| ReplicaError::Listen { addr, why })?;
    Ok(Some((socket, handshake)))
}

fn open_log<D: Delivery>(config: &ReplicaConfig, owner: Owner, faults: Arc<Faults<D>>) -> Result<Log, ReplicaError> {
    let disk = Arc::new(FileDisk::open(&config.dir, config.found)?);
    let mut incarnation = [0; 16];
    incarnation.copy_from_slice(&secret()?.bytes()[..16]);
    let Tuning { segment_bytes, cache_bytes, .. } = config.tuning;
    let options = LogOptions { found: config.found, incarnation, segment_bytes, cache_bytes };
    Ok(Log::open(disk, owner, options, Box::new(move |fault| faults.raise(&fault.what, &fault.why)))?)
}

/// 32 bytes that nobody can guess.
fn secret() -> Result<Digest, ReplicaError> {
    let mut bytes = [0; 32];
    let random = rustls::crypto::ring::default_provider().secure_random;
    random.fill(&mut bytes).map_err(|_| ReplicaError::Engine("the system gives no random numbers".to_string()))?;
    Ok(Digest::from_bytes(bytes))
}

/// Everything the replica's thread starts with.
struct Life<D: Delivery> {
    config: ReplicaConfig,
    settings: Arc<Config>,
    network: Option<(UdpSocket, Handshake)>,
    shared: Arc<Shared>,
    delivery: Arc<D>,
    faults: Arc<Faults<D>>,
    asked: mpsc::UnboundedReceiver<Question>,
}

impl<D: Delivery> Life<D> {
    async fn live(mut self) {
        let (shared, faults) = (self.shared.clone(), self.faults.clone());
        let endpoint = match self.network.take().map(|(socket, handshake)| endpoint::endpoint(socket, &handshake)) {
            None => None,
            Some(Ok(endpoint)) => Some(endpoint),
            Some(Err(error)) => return faults.raise("the peer socket cannot be used", &error.to_string()),
        };
        if let Some(endpoint) = &endpoint {
            shared.peers.open(endpoint.clone());
        }
        // Applies what the log says is committed, so it takes as long as the machine above.
        let machine = StateMachine::new(self.delivery.clone(), shared.applied.clone());
        let network = Network(shared.peers.clone());
        let store = LogStore { log: shared.log.clone(), alone: self.config.peers.len() == 1 };
        let starting = Raft::new(self.config.node.get(), self.settings.clone(), network, store, machine);
        let raft = tokio::select! {
            started = starting => match started {
                Ok(raft) => raft,
                Err(error) => {
                    faults.raise("the consensus engine cannot be started", &error.to_string());
                    return shared.log.close();
                }
            },
            () = shared.stopped.notified() => return shared.log.close(),
        };
        // Set once, here.
        let _ = shared.metrics.set(raft.metrics());
        let (inbox_tx, inbox) = mpsc::channel(INBOX);
        let serving = endpoint.clone().map(|endpoint| {
            let delivery = self.delivery.clone();
            let answer: Arc<Answer> = Arc::new(move |from, question| delivery.answer(from, question));
            let (raft, peers, refusals) = (raft.clone(), shared.peers.clone(), Refusals::default());
            let server = Server { raft, peers, inbox: inbox_tx, answer, refusals };
            tokio::spawn(serve(endpoint, Arc::new(server)))
        });
        let forming = tokio::spawn(form(raft.clone(), self.config.clone()));
        let watching = endpoint.is_some().then(|| tokio::spawn(keep_watch(shared.clone())));
        let asking = tokio::spawn(ask_around(shared.peers.clone(), self.asked));
        let Tuning { pipeline, batch_inputs, batch_bytes, .. } = self.config.tuning;
        match secret() {
            Ok(secret) => {
                let driver = Driver {
                    shared: shared.clone(),
                    raft: raft.clone(),
                    delivery: self.delivery,
                    faults: faults.clone(),
                    inbox,
                    batcher: Batcher::new(pipeline, batch_inputs, batch_bytes),
                    clock: LeaderClock::new(self.config.epoch_unix_ns),
                    seeds: Seeds { secret, drawn: 0 },
                    started: Instant::now(),
                    leadership: None,
                    route: None,
                    retry_at: None,
                    stall: Stall::default(),
                    expects_until: None,
                };
                driver.run().await;
            }
            Err(error) => faults.raise("the replica cannot go on", &error.to_string()),
        }
        faults.quiet.store(true, Ordering::Release);
        hand_over(&raft, &shared).await;
        // The engine's own task may have panicked: it is stopped either way.
        let _ = raft.shutdown().await;
        for task in [Some(forming), Some(asking), watching, serving].into_iter().flatten() {
            task.abort();
        }
        shared.peers.close().await;
        shared.log.close();
    }
}

/// Makes the cluster's first entry where there is none. The node with the lowest number does it at once; the others wait
/// to be told by it, and do it themselves (with the same result) if nobody does.
async fn form<D: Delivery>(raft: Raft<TypeConfig, StateMachine<D>>, config: ReplicaConfig) {
    let rank = config.peers.keys().take_while(|node| **node != config.node).count();
    let patience = config.tuning.election.1 * u32::try_from(rank).unwrap_or(u32::MAX).min(16);
    tokio::time::sleep(patience).await;
    if matches!(raft.is_initialized().await, Ok(false)) {
        let members: BTreeMap<u64, ()> = config.peers.keys().map(|node| (node.get(), ())).collect();
        if let Err(error) = raft.initialize(members).await {
            // Another node was quicker.
            tracing::debug!("the cluster is formed already: {error}");
        }
    }
    if config.peers.len() == 1 {
        // Nobody else can lead: no need to wait for an election's time. An engine that has stopped says so elsewhere.
        let _ = raft.trigger().elect(false).await;
    }
}

/// A leader that stops lets the node that is furthest take over first, so that clients wait for round trips and not for
/// an election's time.
async fn hand_over<D: Delivery>(raft: &Raft<TypeConfig, StateMachine<D>>, shared: &Shared) {
    let metrics = raft.metrics();
    let heir = {
        let metrics = metrics.borrow_watched();
        if metrics.state != ServerState::Leader || metrics.running_state.is_err() {
            return;
        }
        let matched = metrics.replication.iter().flatten().filter(|(node, _)| **node != shared.node.get());
        matched
            .filter(|(node, _)| {
                let contact = shared.peers.get(**node).and_then(|peer| peer.health().0);
                contact.is_some_and(|ago| ago < Duration::from_secs(1))
            })
            .max_by_key(|(_, matched)| matched.as_ref().map(|id| id.index()))
            .map(|(node, _)| *node)
    };
    let Some(heir) = heir else { return };
    if raft.trigger().transfer_leader(heir).await.is_ok() {
        let mut metrics = raft.server_metrics();
        let over = async {
            while metrics.borrow_and_update().current_leader.is_none_or(|leader| leader == shared.node.get()) {
                if metrics.changed().await.is_err() {
                    return;
                }
            }
        };
        // In vain: an election will do it.
        let _ = tokio::time::timeout(HAND_OVER, over).await;
    }
}

/// Keeps the watch over silent peers, on the thread that hears them: see [`crate::network::watch`].
async fn keep_watch(shared: Arc<Shared>) {
    loop {
        shared.peers.look(shared.leads_in());
        tokio::time::sleep(watch::LOOK).await;
    }
}

async fn ask_around(peers: Arc<Peers>, mut asked: mpsc::UnboundedReceiver<Question>) {
    while let Some(question) = asked.recv().await {
        let peers = peers.clone();
        tokio::spawn(async move {
            let Question { node, bytes, timeout, answer } = question;
            let result = match tokio::time::timeout(timeout, ask_one(&peers, node, bytes)).await {
                Ok(Ok(bytes)) => Ok(bytes.to_vec()),
                Ok(Err(why)) => Err(AskError::Unreachable { node, why }),
                Err(_) => Err(AskError::Timeout(node)),
            };
            // Whoever asked may have lost patience.
            let _ = answer.send(result);
        });
    }
}

async fn ask_one(peers: &Arc<Peers>, node: NodeId, question: Bytes) -> Result<Bytes, String> {
    let connection = peers.connection(node.get(), Lane::Bulk).await?;
    let (mut tx, mut rx) = connection.open_bi().await.map_err(|error| error.to_string())?;
    tx.write_all(&[tag::ASK]).await.map_err(|error| error.to_string())?;
    frame::write_bytes(&mut tx, question).await.map_err(|error| error.to_string())?;
    let _ = tx.finish();
    let answer = frame::read_bytes(&mut rx, frame::ASK).await.map_err(|error| error.to_string())?;
    answer.ok_or_else(|| "it gave no answer".to_string())
}

/// A running replica. Cheap to clone; all methods may be called from any thread and none of them waits, unless it
/// says so.
#[derive(Clone)]
pub struct Replica {
    shared: Arc<Shared>,
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
        let (refused, wanted) = {
            let mut outgoing = self.shared.outgoing();
            (outgoing.offer(inputs), outgoing.is_wanted())
        };
        if wanted {
            self.shared.wake.notify_one();
        }
        if refused > 0 {
            tracing::error!(refused, "dropped inputs that no batch can carry");
        }
    }

    /// Whether so much has been offered that is not yet applied ([`Tuning::outgoing_bytes`]) that whoever has more should
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
    /// yet applied are dropped: their connections are gone.
    pub fn boot(&self, nonce: u64) {
        self.shared.outgoing().ask_boot(nonce);
        self.shared.wake.notify_one();
    }

    /// The machine has granted the boot that was asked for last: numbering starts again at 1. Not to be called for
    /// boots of the past, which come by again when the log is applied after a restart: their nonces differ.
    pub fn booted(&self, boot: BootNo) {
        self.shared.outgoing().booted(boot);
        self.shared.wake.notify_one();
    }

    /// The machine has applied a batch. A leader makes no more batches than [`Tuning::pipeline`] beyond the last one that it
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
            role: Role::Stopped,
            term: Term(0),
            leader: None,
            commit_raft_index: None,
            last_raft_index: None,
            batch_index: shared.applied.get().tip.index,
            boot,
            outgoing_bytes,
            peers: Vec::new(),
            log: shared.log.status(),
            batches: shared.batches.load(Ordering::Relaxed),
            inputs,
        };
        let matched = self.engine_status(&mut status);
        let peer_status = |peer: &Arc<Peer>| {
            let (last_contact, trouble) = peer.health();
            let matched = matched.get(&peer.node.get()).copied().flatten();
            PeerStatus { node: peer.node, addr: peer.addr, last_contact, matched, trouble }
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

    /// On the leader: for how long each member has not answered, counted from when this node began to lead at the
    /// earliest, and anew after a pause of this node's own. Empty on other nodes.
    #[must_use]
    pub fn silent_peers(&self) -> Vec<(NodeId, Duration)> {
        let peers = &self.shared.peers;
        let Some(term) = self.shared.leads_in() else { return Vec::new() };
        peers.iter().map(|peer| (peer.node, peers.silence(peer, term))).collect()
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

    /// Hands leadership over when possible, flushes the log and stops; waits until that is done (a few seconds at most).
    /// Other clones of the handle become inert.
    pub fn shutdown(self) {
        self.shared.stop.store(true, Ordering::Release);
        self.shared.wake.notify_one();
        self.shared.stopped.notify_one();
        let thread = locked(&self.shared.thread).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the replica's thread has panicked");
        }
    }
}
