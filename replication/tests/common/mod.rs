//! A machine that only counts, and clusters of it in one process.
#![allow(dead_code, reason = "each test binary uses a part of this")]

pub mod links;

use replicode_log::{Batch, BatchIndex, BootNo, ConnId, Digest, Input, LogicalTime, NodeId, Pid};
use replicode_replication::network::tls::Authority;
use replicode_replication::{
    ClusterIdentity, Event, Fault, Leadership, Progress, Replica, ReplicaConfig, ReplicaError, TlsIdentity, Tuning,
    channel, start,
};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// More than anything here takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub fn node(n: u64) -> NodeId {
    NodeId::new(n).unwrap_or_else(|_| unreachable!("tests use valid numbers"))
}

/// What the machine has seen.
#[derive(Default)]
pub struct Toy {
    /// Content of each batch, from the first.
    pub batches: Vec<Digest>,
    /// Inputs admitted, in order, with their origins.
    pub inputs: Vec<(NodeId, Input)>,
    /// Per node: boot, next sequence number, nonce.
    pub origins: BTreeMap<NodeId, (BootNo, u64, u64)>,
    pub last_time: LogicalTime,
    pub leadership: Vec<Leadership>,
    pub faults: Vec<Fault>,
    /// Wants a batch without inputs at this time, once.
    pub deadline: Option<LogicalTime>,
    /// Of the boot that this node has asked for: others of the same node are history.
    pub nonce: u64,
    pub ticks: u64,
    pub repeats: u64,
    /// What a batch takes.
    pub effort: Duration,
}

impl Toy {
    fn apply(&mut self, me: NodeId, encoded: &[u8], content: Digest, replica: &Replica) {
        let batch = Batch::decode(encoded).unwrap_or_else(|error| unreachable!("a committed batch decodes: {error}"));
        assert_eq!(batch.header.index.0, self.batches.len() as u64 + 1, "batches come in order");
        assert!(batch.header.time > self.last_time, "time grows");
        self.last_time = batch.header.time;
        self.ticks += u64::from(batch.is_empty());
        self.batches.push(content);
        for section in batch.sections {
            for (n, input) in section.inputs.into_iter().enumerate() {
                self.admit(me, section.origin, section.boot, section.first_seq + n as u64, input, replica);
            }
        }
        if self.deadline.is_some_and(|deadline| deadline <= self.last_time) {
            self.deadline = None;
        }
        let next_seq = self.origins.get(&me).map_or(1, |origin| origin.1);
        replica.applied(Progress { index: batch.header.index, next_deadline: self.deadline, next_seq });
    }

    fn admit(&mut self, me: NodeId, from: NodeId, boot: BootNo, seq: u64, input: Input, replica: &Replica) {
        let origin = self.origins.entry(from).or_default();
        if let Input::Boot { nonce } = input {
            if origin.2 != nonce {
                *origin = (BootNo(origin.0.0 + 1), 1, nonce);
                if from == me && nonce == self.nonce {
                    replica.booted(origin.0);
                }
            }
            return;
        }
        if boot != origin.0 || seq != origin.1 {
            self.repeats += u64::from(boot == origin.0 && seq < origin.1);
            return;
        }
        origin.1 += 1;
        self.inputs.push((from, input));
    }
}

/// A node: a replica and the thread that drains it.
pub struct ToyNode {
    pub node: NodeId,
    pub replica: Replica,
    shared: Arc<(Mutex<Toy>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

impl ToyNode {
    pub fn start(config: ReplicaConfig) -> Result<Self, ReplicaError> {
        Self::start_slow(config, Duration::ZERO)
    }

    /// One whose machine takes its time over every batch.
    pub fn start_slow(config: ReplicaConfig, effort: Duration) -> Result<Self, ReplicaError> {
        // RUST_LOG=replicode_replication=debug shows what happens. A second call changes nothing.
        let filter = tracing_subscriber::EnvFilter::from_default_env();
        let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init();
        let me = config.node;
        let shared = Arc::new((Mutex::new(Toy { effort, ..Toy::default() }), Condvar::new()));
        let asked = shared.clone();
        let (delivery, mut events) = channel(16, move |from, question| {
            let toy = asked.0.lock().unwrap_or_else(|error| error.into_inner());
            match question {
                b"history" => history(&toy),
                other => [format!("to {from}: ").as_bytes(), other].concat(),
            }
        });
        let handle: Arc<OnceLock<Replica>> = Arc::default();
        let (state, late) = (shared.clone(), handle.clone());
        let thread = std::thread::spawn(move || {
            while let Some(event) = events.recv() {
                let replica = loop {
                    match late.get() {
                        Some(replica) => break replica,
                        None => std::thread::yield_now(),
                    }
                };
                let mut toy = state.0.lock().unwrap_or_else(|error| error.into_inner());
                if matches!(event, Event::Batch(_)) && !toy.effort.is_zero() {
                    let effort = toy.effort;
                    drop(toy);
                    std::thread::sleep(effort);
                    toy = state.0.lock().unwrap_or_else(|error| error.into_inner());
                }
                match event {
                    Event::Batch(batch) => toy.apply(me, &batch.encoded, batch.content, replica),
                    Event::Leadership(leadership) => toy.leadership.push(leadership),
                    Event::Fatal(fault) => toy.faults.push(fault),
                }
                state.1.notify_all();
            }
        });
        let replica = start(config, delivery)?;
        let _ = handle.set(replica.clone());
        Ok(Self { node: me, replica, shared, thread: Some(thread) })
    }

    pub fn toy(&self) -> MutexGuard<'_, Toy> {
        self.shared.0.lock().unwrap_or_else(|error| error.into_inner())
    }

    /// Waits until the machine's state satisfies a condition.
    pub fn wait(&self, what: &str, condition: impl Fn(&Toy) -> bool) {
        let until = Instant::now() + PATIENCE;
        let mut toy = self.toy();
        while !condition(&toy) {
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{}: {what} did not happen: {:?}", self.node, self.replica.status());
            toy = self.shared.1.wait_timeout(toy, left).unwrap_or_else(|error| error.into_inner()).0;
        }
    }

    /// Asks for a boot; answers with its nonce.
    pub fn ask_for_boot(&self) -> u64 {
        let mut toy = self.toy();
        toy.nonce = self.replica.boot();
        toy.nonce
    }

    /// Asks for a boot and waits for it.
    pub fn boot(&self) {
        let (me, nonce) = (self.node, self.ask_for_boot());
        self.wait("boot", |toy| toy.origins.get(&me).is_some_and(|origin| origin.2 == nonce));
    }

    pub fn offer(&self, inputs: impl IntoIterator<Item = u64>) {
        self.replica.offer(&mut inputs.into_iter().map(data).collect());
    }

    pub fn stop(mut self) {
        self.replica.clone().shutdown();
        if let Some(thread) = self.thread.take() {
            assert!(thread.join().is_ok());
        }
    }
}

/// A toy's history in few bytes.
pub fn history(toy: &Toy) -> Vec<u8> {
    let digest = toy.batches.last().copied().unwrap_or_default();
    format!("{} batches, {} inputs, {digest}", toy.batches.len(), toy.inputs.len()).into_bytes()
}

/// An input that carries a number.
pub fn data(n: u64) -> Input {
    Input::Data { conn: ConnId::console(Pid(1)), offset: n, bytes: n.to_le_bytes().to_vec() }
}

/// The numbers that a node's inputs carried, in the order of admission.
pub fn numbers(toy: &Toy, from: NodeId) -> Vec<u64> {
    let of = |(origin, input): &(NodeId, Input)| match input {
        Input::Data { offset, .. } if *origin == from => Some(*offset),
        _ => None,
    };
    toy.inputs.iter().filter_map(of).collect()
}

/// A directory that goes with its owner.
pub struct Dir(PathBuf);

impl Dir {
    pub fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("replicode-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        // What cannot be made shows when a node is started in it.
        let _ = std::fs::create_dir_all(&dir);
        Self(dir)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub fn identity() -> ClusterIdentity {
    ClusterIdentity { cluster: [7; 16], config: Digest::of(b"config"), engine: Digest::of(b"engine") }
}

/// Configurations for a cluster on loopback.
pub struct Cluster {
    pub dir: Dir,
    pub members: BTreeMap<NodeId, SocketAddr>,
    pub tls: BTreeMap<NodeId, TlsIdentity>,
}

impl Cluster {
    pub fn new(name: &str, nodes: u64) -> Self {
        let authority = Authority::new(identity().cluster);
        let mut tls = BTreeMap::new();
        // All held until all are known, so that they differ.
        let sockets: Vec<_> =
            (1..=nodes).filter_map(|n| Some((node(n), UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).ok()?))).collect();
        let members: BTreeMap<_, _> =
            sockets.iter().filter_map(|(node, socket)| Some((*node, socket.local_addr().ok()?))).collect();
        for node in members.keys() {
            if let Ok(identity) = authority.as_ref().map_err(|_| ()).and_then(|ca| ca.node(*node).map_err(|_| ())) {
                tls.insert(*node, identity);
            }
        }
        assert_eq!(tls.len() as u64, nodes);
        Self { dir: Dir::new(name), members, tls }
    }

    /// Writes everything down for another process.
    pub fn save(&self) -> std::io::Result<()> {
        std::fs::create_dir_all(self.dir.path())?;
        let mut members = String::new();
        for (node, addr) in &self.members {
            members += &format!("{} {addr}\n", node.get());
            for (what, pem) in
                [("ca", &self.tls[node].ca), ("cert", &self.tls[node].cert), ("key", &self.tls[node].key)]
            {
                std::fs::write(self.dir.path().join(format!("{}.{what}", node.get())), pem)?;
            }
        }
        std::fs::write(self.dir.path().join("members"), members)
    }

    /// What another process wrote down; the directory stays its.
    pub fn load(dir: &Path) -> Result<std::mem::ManuallyDrop<Self>, Box<dyn std::error::Error>> {
        let mut cluster = Self { dir: Dir(dir.to_path_buf()), members: BTreeMap::new(), tls: BTreeMap::new() };
        for line in std::fs::read_to_string(dir.join("members"))?.lines() {
            let (number, addr) = line.split_once(' ').ok_or("a member has a number and an address")?;
            let read = |what| std::fs::read_to_string(dir.join(format!("{number}.{what}")));
            let identity = TlsIdentity { ca: read("ca")?, cert: read("cert")?, key: read("key")? };
            cluster.members.insert(node(number.parse()?), addr.parse()?);
            cluster.tls.insert(node(number.parse()?), identity);
        }
        Ok(std::mem::ManuallyDrop::new(cluster))
    }

    pub fn config(&self, n: u64) -> ReplicaConfig {
        ReplicaConfig {
            node: node(n),
            identity: identity(),
            epoch_unix_ns: 1_700_000_000_000_000_000,
            listen: self.members[&node(n)],
            peers: self.members.clone(),
            dir: self.dir.path().join(n.to_string()),
            found: true,
            tls: self.tls.get(&node(n)).cloned(),
            tuning: Tuning { segment_bytes: 1 << 20, ..Tuning::default() },
        }
    }

    pub fn start(&self, n: u64) -> ToyNode {
        ToyNode::start(self.config(n)).unwrap_or_else(|error| unreachable!("node {n} starts: {error}"))
    }
}

/// Waits for a condition that no event announces.
pub fn until(what: &str, condition: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < end, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub const fn first(index: u64) -> BatchIndex {
    BatchIndex(index)
}
