//! How a replica is started, lives and stops: its thread, and the tasks on it.

use crate::answers::Refusals as Answers;
use crate::config::{ReplicaConfig, Tuning};
use crate::delivery::Delivery;
use crate::driver::{Driver, Seeds};
use crate::error::{AskError, ReplicaError};
use crate::feed::{Feed, Lag};
use crate::history::{Agreed, History};
use crate::host::{self, Bound, Host, Tasks, Thread};
use crate::log_store::record::Body;
use crate::log_store::segment::{Owner, hex};
use crate::log_store::store::LogStore;
use crate::log_store::{Log, LogOptions};
use crate::mono;
use crate::network::client::Network;
use crate::network::detour::{Detours, Ends};
use crate::network::peer::{Lane, Peers};
use crate::network::server::{Answer, Refusals, Server, serve};
use crate::network::tls::{self, Handshake};
use crate::network::{detour, endpoint, frame, nudge, tag};
use crate::raft::{self, TypeConfig};
use crate::replica::{Faults, Question, Replica, Shared, locked};
use crate::starts::Starts;
use crate::state_machine::{AppliedMark, StateMachine};
use crate::step_down::step_down;
use crate::timekeeper::Timekeeper;
use bytes::Bytes;
use openraft::async_runtime::watch::WatchReceiver;
use openraft::{Config, Raft};
use replicode_log::{BatchHeader, BatchIndex, BootNo, Digest, Input, NodeId, Tip};
use replicode_pacing::peer_watch::{LOOK, Quorum, leaves_elections};
use replicode_pacing::{Batcher, Gathering, Outgoing, Pause, Silences, Stall, pause, silences};
use replicode_store::Disk;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};

/// Parcels of other nodes that wait for the leader's attention.
const INBOX: usize = 256;
/// How long a stopping leader waits for another node to take over.
const HAND_OVER: Duration = Duration::from_millis(1500);

/// Starts a replica: its own thread for consensus and network, and three for the log: its writes, its reads, and what the
/// machine above is behind. Returns when the log has been opened and the peer address is listened on. Batches already
/// committed in the log are delivered again, from the first, since nothing is kept of the machine's state; the node takes part
/// in consensus meanwhile.
///
/// # Errors
/// [`ReplicaError`] says what is wrong with the configuration, the credentials, the log or the address.
pub fn start(config: ReplicaConfig, delivery: impl Delivery) -> Result<Replica, ReplicaError> {
    begin(config, delivery)
}

/// As [`start`], on any host. Whoever calls the handle's methods must have entered the host ([`host::enter`]), as whatever the
/// host runs has; on one that runs everything on one thread nothing may wait, so [`Replica::stop`] ends it there.
///
/// # Errors
/// As for [`start`].
pub fn start_on(host: Arc<dyn Host>, config: ReplicaConfig, delivery: impl Delivery) -> Result<Replica, ReplicaError> {
    let _inside = host::enter(host);
    begin(config, delivery)
}

fn begin(config: ReplicaConfig, delivery: impl Delivery) -> Result<Replica, ReplicaError> {
    if !config.peers.contains_key(&config.node) {
        return Err(ReplicaError::NotAMember(config.node));
    }
    let settings = raft::settings(&config.tuning, &hex(&config.identity.cluster))?;
    let owner = Owner { node: config.node, identity: config.identity };
    let network = open_network(&config)?;
    let delivery = Arc::new(delivery);
    let faults =
        Arc::new(Faults { delivery: delivery.clone(), raised: AtomicBool::new(false), quiet: AtomicBool::new(false) });
    let disk = host::disk(&config.dir, config.found)?;
    let (log, agreed) = open_log(&config, owner, disk.clone(), faults.clone())?;
    #[cfg(feature = "planted")]
    let agreed = if replicode_store::planted::planted(replicode_store::planted::Mistake::SlowRestart) {
        Agreed { last: None, tip: Tip::genesis(config.identity.config), members: None }
    } else {
        agreed
    };
    let lag = Arc::new(Lag::new(agreed.last.is_some()));
    // Four bytes of a number that nobody can guess are one that will not be drawn twice.
    let drawn = secret()?.bytes().first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
    let starts = Arc::new(Starts::begin(disk, config.node, drawn)?);

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
        applied: Arc::new(AppliedMark::new(&agreed, wake.clone())),
        refusals: Arc::new(Answers::new(wake.clone())),
        logged: Arc::default(),
        stepped_down: Mutex::default(),
        cut_off: AtomicU64::new(0),
        watched: Mutex::default(),
        wake,
        peers: Arc::new(Peers::new(owner, starts.clone(), &config.peers)),
        starts,
        time: Timekeeper::new(config.epoch_unix_ns, config.tuning.steering),
        batches: AtomicU64::new(0),
        recorded: last_batch(&log),
        agreed: agreed.tip.index,
        lag: lag.clone(),
        log,
        metrics: OnceLock::new(),
        questions,
        stop: AtomicBool::new(false),
        stopped: Notify::new(),
        thread: Mutex::default(),
    });
    let genesis = Tip::genesis(config.identity.config);
    let feed = Feed::start(delivery.clone(), shared.log.clone(), faults.clone(), genesis, agreed.last, lag);
    let feed = feed.map_err(|why| ReplicaError::Thread { what: "reading the log for the machine", why })?;
    let machine = StateMachine::new(feed.clone(), shared.applied.clone(), &agreed);
    let machine = machine.map_err(|error| ReplicaError::Engine(format!("its set of members: {error}")))?;
    let life = Life { config, settings, network, shared: shared.clone(), delivery, faults, asked, machine };
    let ending = feed.clone();
    let thread = host::thread(Thread::Replica, async move {
        life.live().await;
        ending.close();
    });
    let thread = thread.map_err(|why| {
        feed.close();
        ReplicaError::Thread { what: "consensus", why }
    })?;
    *locked(&shared.thread) = Some(thread);
    Ok(Replica { shared })
}

/// Makes the log of a node that has never run, in a directory that is made if need be. Durable with all its names when
/// this returns, while nothing has been said to anybody yet: so whoever notes from now on that the node has taken part
/// notes it of a node that has a log. Does nothing where a log is already; what an interrupted attempt left is used or
/// written anew.
///
/// # Errors
/// [`ReplicaError::Log`]: the directory holds something else, or the disk fails.
pub fn found(config: &ReplicaConfig) -> Result<(), ReplicaError> {
    make(config)
}

/// As [`found`], on any host.
///
/// # Errors
/// As for [`found`].
pub fn found_on(host: Arc<dyn Host>, config: &ReplicaConfig) -> Result<(), ReplicaError> {
    let _inside = host::enter(host);
    make(config)
}

fn make(config: &ReplicaConfig) -> Result<(), ReplicaError> {
    let owner = Owner { node: config.node, identity: config.identity };
    let disk: Arc<dyn Disk> = host::disk(&config.dir, true)?;
    Ok(replicode_store::found(&disk, owner, incarnation()?, config.tuning.segment_bytes)?)
}

/// The peers' socket, and what handshakes are made with.
type PeerSocket = (Box<dyn Bound>, Handshake);

fn open_network(config: &ReplicaConfig) -> Result<Option<PeerSocket>, ReplicaError> {
    if config.peers.len() == 1 {
        return Ok(None);
    }
    let identity = config.tls.as_ref().ok_or(ReplicaError::NoTls(config.peers.len()))?;
    let handshake = tls::handshake(identity, config.node, &config.identity.cluster)?;
    let addr = config.listen;
    let socket = host::bind(addr).map_err(|why| ReplicaError::Listen { addr, why })?;
    Ok(Some((socket, handshake)))
}

/// Opens the log, and finds what it knows to be agreed on.
fn open_log<D: Delivery>(
    config: &ReplicaConfig,
    owner: Owner,
    disk: Arc<dyn Disk>,
    faults: Arc<Faults<D>>,
) -> Result<(Log, Agreed), ReplicaError> {
    let Tuning { segment_bytes, cache_bytes, steady_syncs, .. } = config.tuning;
    let options = LogOptions { found: config.found, incarnation: incarnation()?, segment_bytes, cache_bytes };
    let on_fault = Box::new(move |why: String| faults.raise("the log cannot be written", &why));
    let mut history = History::new(Tip::genesis(config.identity.config));
    let log = Log::open(disk, owner, options, on_fault, &mut |item| history.handle_item(item))?;
    log.trust_disk_after(steady_syncs);
    Ok((log, history.agreed()))
}

/// What tells a log that is made now from any other.
fn incarnation() -> Result<[u8; 16], ReplicaError> {
    let mut incarnation = [0; 16];
    incarnation.copy_from_slice(&secret()?.bytes()[..16]);
    Ok(incarnation)
}

/// The last batch that a log holds, for those who want to know how far its replay is; 0 when there is none near its end.
fn last_batch(log: &Log) -> BatchIndex {
    /// Entries without a batch are few: leaders' first ones, and the set of members.
    const NEAR: u64 = 256;
    let Some(last) = log.ends().1 else { return BatchIndex(0) };
    for index in (last.index.saturating_sub(NEAR)..=last.index).rev() {
        // An entry that cannot be read is the engine's to report.
        let Some(entry) = log.read(index, index + 1, usize::MAX).ok().and_then(|mut entries| entries.pop()) else {
            break;
        };
        if let Body::Batch(encoded) = entry.body
            && let Ok(header) = BatchHeader::peek(&encoded)
        {
            return header.index;
        }
    }
    BatchIndex(0)
}

/// 32 bytes that nobody can guess.
fn secret() -> Result<Digest, ReplicaError> {
    let mut bytes = [0; 32];
    host::fill(&mut bytes).map_err(|error| ReplicaError::Engine(error.to_string()))?;
    Ok(Digest::from_bytes(bytes))
}

/// Everything the replica's thread starts with.
struct Life<D: Delivery> {
    config: ReplicaConfig,
    settings: Arc<Config>,
    network: Option<PeerSocket>,
    shared: Arc<Shared>,
    delivery: Arc<D>,
    faults: Arc<Faults<D>>,
    asked: mpsc::UnboundedReceiver<Question>,
    machine: StateMachine<D>,
}

impl<D: Delivery> Life<D> {
    async fn live(mut self) {
        let (shared, faults) = (self.shared.clone(), self.faults.clone());
        let (detours, Ends { arrivals, queues }) = Detours::new(shared.node, &shared.peers);
        let detours = Arc::new(detours);
        let open = |(socket, handshake)| endpoint::with_detours(socket, &handshake, detours.clone(), arrivals);
        let endpoint = match self.network.take().map(open) {
            None => None,
            Some(Ok(endpoint)) => Some(endpoint),
            Some(Err(error)) => return faults.raise("the peer socket cannot be used", &error.to_string()),
        };
        let mut tasks = Tasks::default();
        if let Some(endpoint) = &endpoint {
            // Whoever keeps the peers, as every handle to the replica does, must not keep the way to the machine above open.
            let faults = Arc::downgrade(&faults);
            let past = move |why: &str| faults.upgrade().map_or((), |faults| faults.contradicted(why));
            shared.peers.open(endpoint.clone(), detours, Box::new(past));
            for (node, queue) in queues {
                tasks.spawn(detour::carry(shared.peers.clone(), node, queue));
                tasks.spawn(shared.peers.clone().keep_in_touch(node));
                if let Some(peer) = shared.peers.get(node) {
                    tasks.spawn(nudge::watch(peer.clone()));
                }
            }
        }
        let network = Network(shared.peers.clone());
        let store =
            LogStore { log: shared.log.clone(), alone: self.config.peers.len() == 1, batch: shared.logged.clone() };
        let starting = Raft::new(self.config.node.get(), self.settings.clone(), network, store, self.machine);
        let raft = tokio::select! {
            biased;
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
            let contradicted: Arc<dyn Fn(&str) + Send + Sync> = {
                let faults = faults.clone();
                Arc::new(move |why| faults.contradicted(why))
            };
            let log = shared.log.clone();
            let server = Server { raft, peers, inbox: inbox_tx, answer, refusals, log, contradicted };
            host::spawn(serve(endpoint, Arc::new(server)))
        });
        let forming = host::spawn(form(raft.clone(), self.config.clone()));
        let (least, most) = self.config.tuning.election;
        let silences = Silences::new(self.config.tuning.node_down_after);
        let watching =
            endpoint.is_some().then(|| host::spawn(keep_watch(raft.clone(), shared.clone(), least + most, silences)));
        let timing = host::spawn(keep_time(shared.clone()));
        let asking = host::spawn(ask_around(shared.peers.clone(), self.asked));
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
                    seeds: Seeds { secret, drawn: 0 },
                    leadership: None,
                    route: None,
                    retry: Pause::new(pause::ROUTE),
                    stall: Stall::default(),
                    refusal: Pause::new(pause::REFUSED),
                    refused_in: None,
                    gathering: Gathering::default(),
                };
                driver.run().await;
            }
            Err(error) => faults.raise("the replica cannot go on", &error.to_string()),
        }
        faults.quiet.store(true, Ordering::Release);
        hand_over(&raft, &shared).await;
        // The engine's own task may have panicked: it is stopped either way.
        let _ = raft.shutdown().await;
        for task in [Some(forming), Some(asking), Some(timing), watching, serving].into_iter().flatten() {
            task.abort();
        }
        drop(tasks);
        shared.peers.close().await;
        shared.log.close();
    }
}

/// Makes the cluster's first entry where there is none. The node with the lowest number does it at once; the others wait
/// to be told by it, and do it themselves (with the same result) if nobody does.
async fn form<D: Delivery>(raft: Raft<TypeConfig, StateMachine<D>>, config: ReplicaConfig) {
    let rank = config.peers.keys().take_while(|node| **node != config.node).count();
    let patience = config.tuning.election.1 * u32::try_from(rank).unwrap_or(u32::MAX).min(16);
    host::sleep(patience).await;
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
    let alive = |contact: Option<Duration>| contact.is_some_and(|ago| ago < Duration::from_secs(1));
    if shared.leads_in().is_none() || raft.metrics().borrow_watched().running_state.is_err() {
        return;
    }
    let Some(heir) = shared.heir(alive) else { return };
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
        let _ = host::timeout(HAND_OVER, over).await;
    }
}

/// Keeps the watch over silent peers, on the thread that hears them: see [`replicode_pacing::peer_watch`]. A leader that has not
/// heard of a quorum for `limit` gives leadership up.
async fn keep_watch<D: Delivery>(
    raft: Raft<TypeConfig, StateMachine<D>>,
    shared: Arc<Shared>,
    limit: Duration,
    mut silences: Silences,
) {
    let mut quorum = Quorum::new(mono::now());
    let mut cluster = quorum;
    loop {
        let leads = shared.leads_in();
        shared.peers.look(leads);
        if let Some(detours) = shared.peers.detours() {
            detours.look();
        }
        let quorum_heard = shared.quorum_heard();
        let heard = quorum_heard.max(Some(shared.peers.led_at()));
        let cut_off = cluster.handle_look(Some(0), heard, mono::now());
        shared.cut_off.store(cut_off.as_millis() as u64, Ordering::Relaxed);
        raft.runtime_config().elect(!leaves_elections(shared.lag.is_behind(), cut_off, limit));
        look_for_silent_nodes(&shared, leads, &mut silences);
        let silence = quorum.handle_look(leads, quorum_heard, mono::now());
        if let Some(term) = leads
            && silence >= limit
        {
            let why = format!("no quorum has answered for {} ms", silence.as_millis());
            step_down(&raft, &shared, term, false, &why).await;
        }
        host::sleep(LOOK).await;
    }
}

/// As leader: looks after nodes that have fallen silent.
fn look_for_silent_nodes(shared: &Shared, leads: Option<u64>, silences: &mut Silences) {
    let (now, Some(boots)) = (mono::now(), locked(&shared.watched).clone()) else { return };
    if !silences.is_due(now) {
        return;
    }
    match leads {
        None => silences.handle_following(),
        Some(term) => {
            for peer in shared.peers.iter() {
                let (silence, contact) = (shared.peers.silence(peer, term), peer.health().0);
                let sight = silences::Sight { silence, contact, boot: boots.get(&peer.node).copied() };
                silences.handle_sight(peer.node, sight, now);
            }
        }
    }
    while let Some(text) = silences.poll_word() {
        tracing::warn!("{text}");
    }
    let down = std::iter::from_fn(|| silences.poll_down());
    let mut inputs: Vec<Input> = down.map(|(node, boot)| Input::NodeDown { node, boot }).collect();
    if !inputs.is_empty() {
        shared.offer(&mut inputs);
    }
}

/// Keeps the cell's clock: see [`crate::timekeeper`].
async fn keep_time(shared: Arc<Shared>) {
    loop {
        // What follows this node's own boot was made while it lived.
        let alive = shared.outgoing().boot() != BootNo(0);
        shared.time.tend(shared.applied.get().tip.time, alive, &shared.peers);
        host::sleep(LOOK).await;
    }
}

async fn ask_around(peers: Arc<Peers>, mut asked: mpsc::UnboundedReceiver<Question>) {
    while let Some(question) = asked.recv().await {
        let peers = peers.clone();
        host::spawn(async move {
            let Question { node, bytes, timeout, answer } = question;
            let result = match host::timeout(timeout, ask_one(&peers, node, bytes)).await {
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
