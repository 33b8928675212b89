//! One node, put together: replica, machine, gateway, admin socket, and the threads between them.
//!
//! | module | it is |
//! |---|---|
//! | [`apply`] | the machine thread: batches in, effects out |
//! | [`inbox`] | its one queue |
//! | [`joined`] | whether its log may be founded |
//! | [`vitals`] | what it leaves for others to look at |
//! | [`files`] | the cell's files, told between two batches |
//! | [`last_words`] | what a process printed last |
//! | [`progress`] | how far a start is that executes a long log again |
//! | [`crowd`] | whether the table of connections is nearly full |
//! | [`contracts`] | a cell's contracts: executor, checkpoints, gRPC |
//! | [`functions`] | functions in the log: the socket for servers beside the node |
//! | [`console_file`] | a bounded file of console output |
//! | [`console`], [`stdin`], [`main_program`] | a `run`'s program and its standard streams |
//! | [`orders`] | what an operator wants of the cell's programs |
//! | [`scheduling`] | how the operating system is asked to schedule a node's threads |
//! | [`signals`] | how a node is told to stop |

pub mod apply;
pub mod console;
pub mod console_file;
pub mod contracts;
mod contradicted;
pub mod crowd;
pub mod files;
pub mod functions;
pub mod inbox;
pub mod joined;
pub mod last_words;
pub mod main_program;
pub mod orders;
#[cfg(feature = "planted-nondeterminism")]
pub mod plant;
pub mod progress;
pub mod scheduling;
pub mod signals;
pub mod stdin;
pub mod vitals;

pub use apply::End;

use crate::admin;
use crate::admin::server::AdminServer;
use crate::admin::{
    Clock, ClockOffset, Executing, MAX_BATCHES, Peer, PublishedPort, Replayed, Request, Status, SteppedDown, server,
};
use crate::cell;
use crate::datadir::{DataDir, Genesis};
use crate::digests::DigestFile;
use crate::rows;
use crate::starting;
use anyhow::{Context, Result, anyhow, ensure};
use apply::{ApplyLoop, LoopState};
use console::Console;
use contracts::Contracts;
use contracts::api::Api;
use crowd::Crowd;
use files::FileQuery;
use inbox::{Answered, Inbox, Query};
use main_program::MainProgram;
use orders::Orders;
use progress::Told;
use replicode_gateway::{ClientState, Gateway, GatewayConfig, GatewayError, InputSink, Patience, Published};
use replicode_log::{Input, NodeId, Order, Service};
use replicode_machine::Machine;
use replicode_replication::{
    ClusterIdentity, Delivery, Fault, Replica, ReplicaConfig, Role, Steering, TlsIdentity, Tuning,
};
use replicode_syscalls::Recording;
use replicode_wasm::{WasmEngine, WasmLoader};
use scheduling::{Placement, ThreadPlace};
use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use vitals::Vitals;

/// Bytes of stack of the thread that executes: for a few calls of wasm in each other.
const MACHINE_STACK: usize = 8 << 20;
/// How long clients have to take what an ended program had sent them.
const LAST_BYTES: Duration = Duration::from_secs(5);

/// What a node is started with.
pub struct NodeOptions {
    /// Its directory; the caller holds the lock.
    pub dir: DataDir,
    /// What the cell is.
    pub genesis: Genesis,
    /// The modules, compiled.
    pub loader: WasmLoader,
    /// Its number.
    pub node: NodeId,
    /// Where it listens for peers.
    pub listen: SocketAddr,
    /// All members with their addresses.
    pub members: BTreeMap<NodeId, SocketAddr>,
    /// Credentials; none for a cluster of one.
    pub tls: Option<TlsIdentity>,
    /// Published ports.
    pub publish: Vec<(SocketAddr, Service)>,
    /// Where contracts are served, in a cell that has any.
    pub contracts: SocketAddr,
    /// Where console output goes.
    pub console: Console,
    /// The program whose end is the end of this run, if it is a run.
    pub main: Option<MainProgram>,
    /// Silence after which the leader gives a node up.
    pub node_down_after: Duration,
    /// How long a client's host may be silent.
    pub keepalive: Patience,
    /// How it steers the cell's time while it leads.
    pub steering: Steering,
}

/// A node whose threads run.
pub struct Node {
    running: Running,
    published: Vec<PublishedPort>,
    about: Arc<About>,
    _api: Option<Api>,
    _functions: Option<functions::Served>,
    _admin: AdminServer,
    machine: std::thread::JoinHandle<Result<End>>,
}

/// The parts that run from the moment at which the replica does; dropping it stops them.
struct Running {
    inbox: Inbox,
    replica: Replica,
    gateway: Option<Arc<Gateway>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.inbox.close();
        if let Some(gateway) = &self.gateway {
            // Whoever is still there is reset: an end of file would look like the end of the data.
            gateway.suspend();
        }
        self.replica.clone().shutdown();
    }
}

/// Compiles the modules of a cell.
///
/// # Errors
/// The first module that is refused, by name.
pub fn compile(genesis: &Genesis) -> Result<WasmLoader> {
    let engine = WasmEngine::new(&genesis.config.limits).context("cannot set the wasm engine up")?;
    let mut loader = WasmLoader::new();
    for ((_, wasm), path) in genesis.modules.iter().zip(&genesis.paths) {
        starting::at(format!("compiling module {} ({:.1} MB)", path.display(), wasm.len() as f64 / 1e6));
        loader.add(engine.compile(wasm).with_context(|| format!("module {} cannot be run", path.display()))?);
    }
    Ok(loader)
}

/// Hands what the gateway gathered to the replica. The gateway is bound before the replica starts, so that a port in
/// use is found first; it accepts nobody until the log has admitted the node, which is after that.
struct Sink {
    replica: Arc<OnceLock<Replica>>,
    inbox: Inbox,
}

impl InputSink for Sink {
    fn offer(&mut self, inputs: &mut Vec<Input>) {
        if let Some(replica) = self.replica.get() {
            replica.offer(inputs);
        }
        inputs.clear();
    }

    fn congested(&self) -> bool {
        self.replica.get().is_some_and(Replica::congested)
    }

    fn idle(&mut self) {
        if let Some(replica) = self.replica.get() {
            replica.expect_no_more();
        }
    }

    fn failed(&mut self, why: GatewayError) {
        self.inbox.fatal(Fault { what: "the gateway cannot go on".into(), why: why.to_string(), contradicted: false });
    }
}

impl Node {
    /// Starts all parts.
    ///
    /// # Errors
    /// The first part that cannot be started; those before it have been stopped.
    pub fn start(options: NodeOptions) -> Result<Self> {
        let NodeOptions {
            dir,
            genesis,
            loader,
            node,
            listen,
            members,
            tls,
            publish,
            contracts: contracts_listen,
            console,
            main,
            node_down_after,
            keepalive,
            steering,
        } = options;
        contradicted::refuse(&dir)?;
        let config = genesis.config;
        starting::at(format!("building the cell '{}'", config.name));
        cell::check_engine(&config)?;
        let alone = config.nodes.len() == 1;
        let programs_call = loader.calls_contracts();
        let mut machine = Machine::new(&config, &genesis.image, loader).context("cannot build the cell")?;
        if !alone {
            // So that nodes that part can name the system call.
            machine.set_recording(Recording::Steps);
        }
        let listener = match &config.contracts {
            Some(_) => Some(bind_contracts(contracts_listen)?),
            None => None,
        };
        let contracts = match Contracts::open(&dir, &config, programs_call)? {
            Some((contracts, executor)) => {
                machine.set_executor(Box::new(executor));
                Some(contracts)
            }
            None => None,
        };
        // Before any thread of the node is started: they inherit it.
        scheduling::prefer_throughput();
        let placement = Arc::new(Placement::of(node, &members));
        let (inbox, queue) = inbox::inbox(placement.clone());
        let late_replica = Arc::new(OnceLock::new());
        let services: Vec<Service> = publish.iter().map(|(_, service)| service.clone()).collect();
        let gateway = if publish.is_empty() {
            None
        } else {
            let publish = publish.into_iter().map(|(listen, service)| Published { listen, service }).collect();
            let sink = Sink { replica: late_replica.clone(), inbox: inbox.clone() };
            let settings = GatewayConfig { keepalive, ..GatewayConfig::new(node, publish, &config.limits) };
            let gateway = replicode_gateway::start(settings, sink);
            Some(Arc::new(gateway.context("cannot publish the ports")?))
        };
        let addrs = gateway.iter().flat_map(|gateway| gateway.local_addrs());
        let published: Vec<PublishedPort> = addrs
            .zip(services)
            .map(|(listen, service)| PublishedPort { listen: listen.to_string(), service: service.to_string() })
            .collect();
        let first = joined::is_first(&dir, alone)?;
        let replica = ReplicaConfig {
            node,
            identity: ClusterIdentity { cluster: config.cluster, config: config.digest(), engine: config.engine },
            epoch_unix_ns: config.epoch_unix_ns,
            listen,
            peers: members,
            dir: dir.log(),
            found: false,
            tls,
            tuning: Tuning { steering, node_down_after, ..Tuning::default() },
        };
        starting::at(format!("reading the log in {}", dir.log().display()));
        if first {
            replicode_replication::found(&replica).context("cannot found the log")?;
        }
        // Before the node can say its first word, and after its log is there.
        joined::take_down(&dir)?;
        let replica = replicode_replication::start(replica, inbox.clone()).context("cannot start the replica")?;
        let _ = late_replica.set(replica.clone());
        let running = Running { inbox: inbox.clone(), replica: replica.clone(), gateway: gateway.clone() };
        let api = match (listener, &contracts) {
            (Some(listener), Some(contracts)) => Some(Api::serve(listener, contracts.clone(), replica.clone())?),
            _ => None,
        };
        let functions = match &contracts {
            Some(contracts) => {
                let socket = dir.functions_socket();
                Some(functions::serve(&socket, config.digest(), contracts.clone(), replica.clone())?)
            }
            None => None,
        };
        let digests = DigestFile::open(&dir.file("digests.bin"), config.digest())?;

        let vitals = Arc::new(Vitals::new(config.digest()));
        let crowd = Arc::new(Crowd::new(config.limits.connections));
        let genesis = config.programs.iter().filter(|program| program.at_genesis);
        let orders = Arc::new(Orders::new(&config));
        let about = About {
            node,
            name: config.name.clone(),
            programs: genesis.map(|program| program.name.clone()).collect(),
            listen,
            started: Instant::now(),
            vitals: vitals.clone(),
            crowd: crowd.clone(),
            replica: replica.clone(),
            gateway: gateway.clone(),
            published: published.clone(),
            contracts: contracts.clone(),
            api: api.as_ref().map(Api::listen),
            inbox,
            orders: orders.clone(),
        };
        let about = Arc::new(about);
        let asked = about.clone();
        let admin = server::serve(&dir.admin_socket(), move |request| asked.answer(request))?;
        let mut machine_thread = ApplyLoop {
            node,
            dir,
            inbox: queue,
            place: ThreadPlace::new(placement),
            machine,
            replica,
            gateway,
            console,
            digests,
            vitals,
            crowd,
            main,
            orders,
            contracts,
            node_down_after,
            state: LoopState::default(),
        };
        // What functions need of stack is there then; with less each execution would be given a piece of its own, by four calls of the system.
        let thread = std::thread::Builder::new().name("machine".into()).stack_size(MACHINE_STACK);
        let machine = thread.spawn(move || machine_thread.run()).context("cannot start the machine thread")?;
        Ok(Self { running, published, about, _api: api, _functions: functions, _admin: admin, machine })
    }

    /// Has a start that takes long told how far it is, again and again until it is through.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn tell_progress(&self, say: impl Fn(Told) + Send + 'static) -> Result<()> {
        let about = self.about.clone();
        progress::watch(move || about.replayed(), say)
    }

    /// Whom to tell that the node shall stop.
    #[must_use]
    pub fn inbox(&self) -> Inbox {
        self.running.inbox.clone()
    }

    /// Where the gateway listens.
    #[must_use]
    pub fn published(&self) -> &[PublishedPort] {
        &self.published
    }

    /// Where contracts are served, in a cell that has any.
    #[must_use]
    pub fn contracts(&self) -> Option<SocketAddr> {
        self.about.api
    }

    /// What tells of the processes, also when the node has stopped.
    #[must_use]
    pub fn vitals(&self) -> Arc<Vitals> {
        self.about.vitals.clone()
    }

    /// Waits for the end, and stops all parts.
    ///
    /// # Errors
    /// What broke the node.
    pub fn wait(self) -> Result<End> {
        // Whatever happens from here on: `running` is dropped, and with it every part stops.
        let end = self.machine.join().map_err(|panic| anyhow!("the machine thread panicked: {}", text_of(&*panic)))?;
        self.running.inbox.close();
        if let (Some(gateway), Ok(End::Exited(_))) = (&self.running.gateway, &end) {
            await_last_bytes(gateway);
        }
        end
    }
}

/// Where contracts are served. Beyond this machine that would be in the clear.
fn bind_contracts(listen: SocketAddr) -> Result<TcpListener> {
    ensure!(
        listen.ip().is_loopback(),
        "contracts cannot be served on {listen}: the protocol is not encrypted, so it is served on this machine only; use an address \
         of 127.0.0.0/8, and a tunnel from elsewhere"
    );
    TcpListener::bind(listen).with_context(|| {
        format!(
            "cannot serve contracts on {listen}: 'contracts' in node.toml names the address, port 0 is any free one"
        )
    })
}

/// The program has ended and closed its connections; what it said last still goes out to those who read it.
fn await_last_bytes(gateway: &Gateway) {
    gateway.drain();
    let end = Instant::now() + LAST_BYTES;
    while Instant::now() < end
        && gateway.clients().iter().any(|client| client.unwritten > 0 || client.state == ClientState::Closing)
    {
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// What a panic said.
fn text_of(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no text")
}

/// What the admin socket's threads know.
struct About {
    node: NodeId,
    name: String,
    /// The processes that genesis starts, in order.
    programs: Vec<String>,
    listen: SocketAddr,
    started: Instant,
    vitals: Arc<Vitals>,
    crowd: Arc<Crowd>,
    replica: Replica,
    gateway: Option<Arc<Gateway>>,
    published: Vec<PublishedPort>,
    contracts: Option<Arc<Contracts>>,
    api: Option<SocketAddr>,
    inbox: Inbox,
    orders: Arc<Orders>,
}

impl About {
    fn answer(&self, request: Request) -> Result<serde_json::Value> {
        let query = match request {
            Request::Status => return Ok(serde_json::to_value(self.status())?),
            Request::Ps => return self.processes(),
            Request::Nat => Query::Nat,
            Request::Log { from, limit } => Query::Batches { from, limit: limit.min(MAX_BATCHES) },
            Request::List { path, after } => self.files(FileQuery::List(path, after))?,
            Request::Read { path, offset } => self.files(FileQuery::Read(path, offset))?,
            Request::Start { program } => return self.orders.give(&self.replica, Order::Start { program }),
            Request::Kill { program } => return self.orders.give(&self.replica, Order::Kill { program }),
        };
        match self.inbox.ask(query).map_err(anyhow::Error::msg)? {
            Answered::Json(value) => Ok(value),
            Answered::Files(told) => Ok(told.into_json()?),
            Answered::Bytes(_) => Err(anyhow!("the machine answered something else")),
        }
    }

    /// A question about files. Not while the node executes what its log held: its files are those of long ago.
    fn files(&self, query: FileQuery) -> Result<Query> {
        if let Some(replay) = self.replayed() {
            return Err(anyhow!("the node is starting and executes its log again, {replay}: ask when it is through"));
        }
        Ok(Query::Files(query))
    }

    /// The processes, as the machine has them; while it executes a batch that takes long, what is known without it.
    fn processes(&self) -> Result<serde_json::Value> {
        let busy = || self.vitals.look(Instant::now()).2;
        let mut executing = busy();
        if executing.is_none() {
            match self.inbox.ask(Query::Processes) {
                Ok(Answered::Json(value)) => return Ok(value),
                Ok(_) => return Err(anyhow!("the machine answered something else")),
                Err(why) => executing = Some(busy().ok_or_else(|| anyhow!(why))?),
            }
        }
        let Some(Executing { batch, ms }) = executing else { return Err(anyhow!("the machine does not answer")) };
        let state = format!("batch #{batch} has been running for {:.1} s", ms as f64 / 1000.0);
        let mut running: Vec<(u32, String)> =
            self.vitals.running().into_iter().map(|(pid, name)| (pid.0, name)).collect();
        if batch == 1 {
            // Nobody has been told of them yet.
            running = (1..).zip(self.programs.iter().cloned()).collect();
        }
        let rows = running.into_iter().map(|(pid, name)| rows::known_by_name(pid, name, state.clone()));
        Ok(serde_json::to_value(rows.collect::<Vec<_>>())?)
    }

    /// How far the start is, while it executes what its log held.
    fn replayed(&self) -> Option<Replayed> {
        let replica = self.replica.status();
        let of = replica.recorded.0;
        let applied = self.vitals.look(Instant::now()).0.applied.0;
        (applied < replica.agreed.0).then_some(Replayed { applied, of })
    }

    fn status(&self) -> Status {
        let replica = self.replica.status();
        let (state, batches_per_s, executing) = self.vitals.look(Instant::now());
        let leads = replica.role == Role::Leader;
        let peers = replica.peers.into_iter().map(|peer| Peer {
            node: peer.node.get(),
            addr: peer.addr.to_string(),
            // A follower asks its peers only now and then, so that this would tell nothing about them.
            last_contact_ms: peer.last_contact.filter(|_| leads).map(|silence| silence.as_millis() as u64),
            matched: peer.matched,
            trouble: peer.trouble,
            clock: peer.clock.map(ClockOffset::from),
        });
        let clients = self.gateway.iter().flat_map(|gateway| gateway.clients()).map(|client| client.from.to_string());
        let (connections, connections_limit) = self.crowd.seen();
        Status {
            node: self.node.get(),
            name: self.name.clone(),
            pid: std::process::id(),
            role: replica.role.to_string(),
            term: replica.term.0,
            leader: replica.leader.map(NodeId::get),
            boot: state.boot.0.into(),
            commit_index: replica.batch_index.0.max(state.applied.0),
            applied_index: state.applied.0,
            digest: state.digest.to_string(),
            time_ns: state.time.nanos(),
            clock: replica.clock.map(Clock::from),
            raft_commit_index: replica.commit_raft_index,
            raft_last_index: replica.last_raft_index,
            listen: self.listen.to_string(),
            peers: peers.collect(),
            published: self.published.clone(),
            contracts: self.contracts.as_ref().map(|contracts| admin::ContractsStatus {
                listen: self.api.map(|listen| listen.to_string()),
                ..contracts.status()
            }),
            clients: clients.collect(),
            connections: connections.into(),
            connections_limit: connections_limit.into(),
            batches: state.batches,
            batches_per_s,
            proposed: replica.batches,
            inputs: replica.inputs,
            uptime_ms: self.started.elapsed().as_millis() as u64,
            rss_bytes: resident_bytes(),
            log_bytes: replica.log.bytes,
            fsyncs: replica.log.fsyncs,
            executing,
            replay: self.replayed(),
            ended: state.ended.into(),
            hint: self.crowd.hint().or(state.hint),
            stepped_down: replica.stepped_down.map(|down| SteppedDown {
                term: down.term.0,
                ms_ago: replicode_replication::mono::now().since(down.at).as_millis() as u64,
                why: down.why,
            }),
            cut_off_ms: self.replica.cut_off().as_millis() as u64,
        }
    }
}

/// Resident memory of this process; 0 where the system does not say.
fn resident_bytes() -> u64 {
    let pages = || std::fs::read_to_string("/proc/self/statm").ok()?.split(' ').nth(1)?.parse::<u64>().ok();
    let page = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok().flatten().unwrap_or(4096);
    pages().unwrap_or(0) * page.unsigned_abs()
}
