//! A node as it is, between two queues: client half, core with its machine, numbered inputs, log on a simulated disk.

use super::guest::Scripts;
use super::plan::Plan;
use crate::checkers::logs::identity;
use crate::world::executor::Nanos;
use bytes::Bytes;
use replicode_log::{BatchIndex, BootNo, ClusterConfig, Digest, FsImage, Mono, NodeId, Service};
use replicode_machine::Machine;
use replicode_nat::client::{Clients, Patience, Readiness, Settings, Slot};
use replicode_node::core;
use replicode_node::{Core, console};
use replicode_pacing::{Awaited, Outgoing};
use replicode_store::record::{Body, Entry, EntryId, Item};
use replicode_store::segment::Owner;
use replicode_store::sim_disk::SimDisk;
use replicode_store::{Disk, Hands, LogError, LogOptions, Opened, Writer, open};
use replicode_syscalls::Recording;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// A node, running or not.
pub struct Node {
    /// Its number.
    pub id: NodeId,
    /// Its disk.
    pub disk: SimDisk,
    /// Its run, while it runs.
    pub up: Option<Box<Up>>,
    /// Runs so far.
    pub starts: u64,
    /// Whether it has a log.
    pub founded: bool,
    /// Whether its disk is bound to fail, so that it may die.
    pub failing: bool,
    /// Its run has come to an end.
    pub dead: bool,
    /// It stands still until then.
    pub paused: Nanos,
    /// It hears nobody, and nobody it: since when, and until when.
    pub cut: Option<(Nanos, Nanos)>,
    /// When it last was there for others.
    pub heard: Nanos,
}

/// A run of a node.
pub struct Up {
    /// Which of them.
    pub run: u64,
    /// Its decisions.
    pub core: Core<Scripts>,
    /// Its clients.
    pub clients: Clients,
    /// Its inputs.
    pub outgoing: Outgoing,
    writer: Writer,
    hands: Hands,
    /// Batches of its log.
    pub log: Batches,
    /// Of these, how many are durable.
    pub durable: u64,
    /// Whether a sync is under way, up to where.
    pub syncing: Option<u64>,
    /// How many batches are agreed on, as far as it knows.
    pub agreed: u64,
    /// The oldest input that it has sent and that is not applied, and since when it is that one.
    pub awaits: Option<(Awaited, Nanos)>,
    /// Its machine is busy until then.
    pub busy: Nanos,
    /// Connections by place.
    pub sockets: Vec<Option<usize>>,
    /// Connections that nobody has taken yet, by door.
    pub waiting: Vec<VecDeque<usize>>,
    /// Whether doors are watched.
    pub watched: bool,
    /// Whom it watches over.
    pub watches: Option<BTreeMap<NodeId, BootNo>>,
    /// It has told that these are over.
    pub declared: Vec<(NodeId, BootNo)>,
    /// When it is to be looked after, if nothing happens.
    pub wake: Option<Nanos>,
    /// Rounds so far.
    pub rounds: u64,
}

/// The moment of a world, for a node.
#[must_use]
pub fn mono(now: Nanos) -> Mono {
    // Not at the beginning: what is due was due before.
    Mono::from_nanos(now + 1_000_000_000)
}

/// The moment of a node, for the world.
#[must_use]
pub fn world(at: Mono) -> Nanos {
    at.nanos().saturating_sub(1_000_000_000)
}

/// What all nodes of a run share.
pub struct Shared {
    /// The cell.
    pub config: ClusterConfig,
    /// What is published.
    pub services: Vec<Arc<Service>>,
}

/// Batches, encoded, with the digests of that.
pub type Batches = Vec<(Bytes, Digest)>;

/// Reads a log from its first byte to its last: what it goes on with, and its batches.
///
/// # Errors
/// There is none, or it is damaged.
pub fn read(
    disk: &Arc<dyn Disk>,
    owner: Owner,
    options: &LogOptions,
    history: &[(Bytes, Digest)],
) -> Result<(Opened, Batches), LogError> {
    let mut log = Vec::new();
    let mut visit = |item: &Item| {
        if let Item::Entry(Entry { body: Body::Batch(bytes), .. }) = item {
            let known = history.get(log.len()).filter(|(known, _)| known == bytes);
            log.push(known.cloned().unwrap_or_else(|| (bytes.clone(), Digest::of(bytes))));
        }
    };
    Ok((open(disk, owner, options, false, &mut visit)?, log))
}

impl Up {
    /// Starts a node from what its disk holds. What is known of history already need not be hashed again.
    ///
    /// # Errors
    /// The log cannot be read or made.
    pub fn start(node: &Node, shared: &Shared, plan: &Plan, history: &[(Bytes, Digest)]) -> Result<Self, LogError> {
        let disk: Arc<dyn Disk> = Arc::new(node.disk.clone());
        let owner = Owner { node: node.id, identity: identity() };
        let options = LogOptions {
            found: !node.founded,
            incarnation: [node.id.get() as u8; 16],
            segment_bytes: plan.segment_bytes,
            cache_bytes: 0,
        };
        let (Opened { writer, hands, .. }, log) = read(&disk, owner, &options, history)?;
        let image = FsImage::default();
        let mut machine = match Machine::new(&shared.config, &image, Scripts) {
            Ok(machine) => machine,
            Err(error) => return Err(LogError::Stopped(error.to_string())),
        };
        if plan.recorded >> (node.id.get() % 64) & 1 == 1 {
            machine.set_recording(Recording::Steps);
        }
        let settings = core::Settings {
            node: node.id,
            node_down_after: plan.node_down_after,
            console: console::Console::Files,
            main: None,
        };
        let clients = Clients::new(Settings {
            node: node.id,
            doors: shared.services.len(),
            recv_window: plan.windows.0,
            send_window: plan.windows.1,
            max_connections: 1000,
            end_patience: Duration::from_secs(2),
            write_patience: Duration::from_secs(2),
            keepalive: Patience::default(),
        });
        Ok(Self {
            run: node.starts,
            core: Core::new(settings, machine),
            clients,
            outgoing: Outgoing::new(node.id, plan.batch.0, plan.batch.1),
            writer,
            hands,
            durable: log.len() as u64,
            log,
            syncing: None,
            agreed: 0,
            awaits: None,
            busy: 0,
            sockets: Vec::new(),
            waiting: vec![VecDeque::new(); shared.services.len()],
            watched: false,
            watches: None,
            declared: Vec::new(),
            wake: None,
            rounds: 0,
        })
    }

    /// Makes durable what the log has.
    ///
    /// # Errors
    /// The disk fails.
    pub fn sync(&mut self, upto: u64) -> Result<(), LogError> {
        let entry = |at: u64| {
            let body = Body::Batch(self.log[at as usize].0.clone());
            Item::Entry(Entry { id: EntryId { term: 1, index: at }, body })
        };
        let items: Vec<Item> = (self.durable..upto).map(entry).collect();
        let mut written = Vec::new();
        self.writer.handle_items(items.iter(), &mut written);
        self.hands.serve(&mut self.writer, &mut || Ok(()))?;
        self.durable = upto;
        Ok(())
    }

    /// The batch that its machine is to be given next, if it may be.
    #[must_use]
    pub fn due(&self) -> Option<(Bytes, Digest)> {
        let next = self.core.machine().applied().0;
        if next >= self.agreed || self.core.is_over() || self.core.is_parting() {
            return None;
        }
        self.log.get(next as usize).cloned()
    }

    /// The last batch that its machine was given.
    #[must_use]
    pub fn applied(&self) -> BatchIndex {
        self.core.machine().applied()
    }

    /// Something is announced of a connection.
    pub fn announce(&mut self, slot: Slot, event: Readiness) {
        self.clients.handle_event(slot, event);
    }

    /// When it wants to be looked after, if nothing happens.
    #[must_use]
    pub fn deadline(&self) -> Option<Nanos> {
        let due = self.due().map(|_| self.busy);
        let clients = self.clients.deadline().map(|at| if at == Mono::LONG_AGO { 0 } else { world(at) });
        let core = self.core.deadline().map(world);
        [due, clients, core].into_iter().flatten().min()
    }
}
