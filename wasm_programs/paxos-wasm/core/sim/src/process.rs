//! One role as a process: a core with what an agent gives it. What the agents do with components, this does with the crates.

use crate::Mutated;
use paxos_acceptor as acceptor;
use paxos_failure_detector as fd;
use paxos_kv_store as kv;
use paxos_leader_detector as ld;
use paxos_learner as learner;
use paxos_proposer as proposer;
use paxos_storage::memory::Memory;
use paxos_storage::{Identity, Options, Storage};
use paxos_types::{Bytes, ClusterId, Endpoint, Incarnation, Instant, Message, NodeId, Role, Slot, SlotReplies, Target};

/// Times and sizes of a simulated or native cluster.
#[derive(Clone, Debug)]
pub struct Settings {
    /// All nodes.
    pub nodes: Vec<NodeId>,
    /// Nanoseconds between heartbeats.
    pub heartbeat: u64,
    /// Nanoseconds of silence until suspicion, at first.
    pub suspect: u64,
    /// Nanoseconds between attempts to lead.
    pub phase: u64,
    /// Nanoseconds until something is sent again.
    pub retransmit: u64,
    /// Slots between snapshots.
    pub snapshot_every: u64,
    /// Bytes of batches between snapshots.
    pub snapshot_bytes: usize,
    /// Bytes that an acceptor's log may hold.
    pub log_bytes: usize,
    /// Slots that may be open.
    pub window: usize,
    /// Commands of a batch.
    pub max_commands: u32,
    /// Bytes of one message with many batches.
    pub chunk: usize,
    /// Bytes of batches kept for learners that are behind.
    pub tail_bytes: usize,
    /// Keys and sessions in a part of a snapshot.
    pub part_entries: usize,
    /// Sessions kept.
    pub sessions: usize,
    /// Bytes of a segment.
    pub segment_bytes: u64,
    /// The broken rule.
    pub mutation: Mutated,
}

/// What a process wants done outside.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Send a message.
    Send(Target, Message),
    /// Send a frame to a client.
    Reply(u64, Bytes),
    /// The storage has records that are not durable.
    WantsSync,
    /// This snapshot is to be saved; [`Process::snapshot_saved`] when it is.
    Save(Slot, Bytes),
    /// A slot was executed here.
    Executed(Slot, Bytes),
    /// The state was replaced by a snapshot.
    Installed(Slot),
    /// The node ends.
    Stop(String),
}

/// A running role.
#[derive(Debug)]
pub struct Process {
    /// Which.
    pub endpoint: Endpoint,
    /// Its disk; `None`: everything is durable at once.
    pub storage: Option<Storage<Memory>>,
    kind: Kind,
    /// A learner's snapshot of which parts are still to come.
    making: Option<Making>,
}

#[derive(Debug)]
struct Making {
    slot: Slot,
    total: u64,
    bytes: Vec<u8>,
}

#[derive(Debug)]
enum Kind {
    Proposer { core: Box<proposer::Proposer>, fd: fd::FailureDetector, ld: ld::LeaderDetector, told: Told },
    Acceptor(Box<acceptor::Acceptor>),
    Learner { core: Box<learner::Learner>, kv: Box<kv::KvStore>, scratch: Vec<u8> },
}

/// What the leader detector has told the proposer: who leads, whom it hears leading, whether it hears a majority.
type Told = (Option<NodeId>, Option<paxos_types::Ballot>, bool);

/// What is handed to a process.
#[derive(Clone, Debug)]
pub enum Input {
    /// A message.
    Message(Endpoint, Message),
    /// A client's commands.
    Submit(u64, Bytes),
    /// All that clients had sent was handed in.
    Flush,
    /// Time has passed.
    Tick,
}

impl Process {
    /// Starts a role from its disk (if it has one), at `now`. `fresh` is the incarnation if the disk is empty.
    pub fn start(
        endpoint: Endpoint,
        settings: &Settings,
        disk: Option<Memory>,
        fresh: Incarnation,
        now: Instant,
    ) -> Result<Process, String> {
        let identity = Identity { cluster: ClusterId(1), node: endpoint.node, role: endpoint.role };
        let options = Options { segment_bytes: settings.segment_bytes };
        let mut incarnation = fresh;
        let (storage, records, snapshot) = match disk {
            None => (None, Vec::new(), None),
            Some(disk) => {
                let opened = Storage::open(disk, identity, fresh, options).map_err(|e| e.to_string())?;
                incarnation = opened.storage.incarnation();
                (Some(opened.storage), opened.records, opened.snapshot)
            }
        };
        let node = endpoint.node;
        let nodes = settings.nodes.clone();
        let kind = match endpoint.role {
            Role::Acceptor => {
                let config = acceptor::Config {
                    heartbeat: settings.heartbeat,
                    register_every: settings.retransmit,
                    log_bytes: settings.log_bytes,
                    chunk: settings.chunk,
                    #[cfg(feature = "planted")]
                    mutation: settings.mutation,
                    ..acceptor::Config::new(node, nodes, incarnation)
                };
                Kind::Acceptor(Box::new(acceptor::Acceptor::open(config, records).map_err(|e| e.to_string())?))
            }
            Role::Proposer | Role::Client => {
                let config = proposer::Config {
                    heartbeat: settings.heartbeat,
                    silent: settings.suspect,
                    suspect: settings.suspect,
                    life: fresh.0,
                    phase: settings.phase,
                    retransmit: settings.retransmit,
                    window: settings.window,
                    max_commands: settings.max_commands,
                    #[cfg(feature = "planted")]
                    mutation: settings.mutation,
                    ..proposer::Config::new(node, nodes.clone())
                };
                let core = proposer::Proposer::open(config, records).map_err(|e| e.to_string())?;
                let peers = nodes.iter().copied().filter(|n| *n != node).collect();
                Kind::Proposer {
                    core: Box::new(core),
                    fd: fd::FailureDetector::new(fd::Config::new(peers, settings.suspect), now),
                    ld: ld::LeaderDetector::new(ld::Config { node, nodes }),
                    told: (None, None, false),
                }
            }
            Role::Learner => {
                let config = learner::Config {
                    snapshot_every: settings.snapshot_every,
                    snapshot_bytes: settings.snapshot_bytes,
                    tail_bytes: settings.tail_bytes,
                    heartbeat: settings.heartbeat,
                    retransmit: settings.retransmit,
                    chunk: settings.chunk,
                    #[cfg(feature = "planted")]
                    mutation: settings.mutation,
                    ..learner::Config::new(node, nodes)
                };
                let mut kv = kv::KvStore::new(kv::Config {
                    sessions: settings.sessions,
                    seed: incarnation.0,
                    part_entries: settings.part_entries,
                    #[cfg(feature = "planted")]
                    mutation: settings.mutation,
                    ..kv::Config::default()
                });
                if let Some((_, bytes)) = &snapshot {
                    kv.restore(bytes).map_err(|e| e.to_string())?;
                }
                let core = Box::new(learner::Learner::new(config, snapshot));
                Kind::Learner { core, kv: Box::new(kv), scratch: Vec::new() }
            }
        };
        Ok(Process { endpoint, storage, kind, making: None })
    }

    /// The disk, when the process has ended.
    pub fn into_disk(self) -> Option<Memory> {
        self.storage.map(Storage::into_files)
    }

    /// When [`Input::Tick`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        match &self.kind {
            Kind::Proposer { core, fd, .. } => [core.deadline(), fd.deadline()].into_iter().flatten().min(),
            Kind::Acceptor(core) => core.deadline(),
            Kind::Learner { core, .. } => core.deadline(),
        }
    }

    /// Handles one input.
    pub fn step(&mut self, now: Instant, input: Input, effects: &mut Vec<Effect>) -> Result<(), String> {
        match &mut self.kind {
            Kind::Proposer { core, fd, ld, told } => {
                let mut found = Vec::new();
                match &input {
                    Input::Message(from, Message::Heartbeat { leading, follows, fit, life, .. })
                        if from.role == Role::Proposer =>
                    {
                        let (leading, follows, fit, node) = (*leading, *follows, *fit, from.node);
                        fd.step(now, fd::Input::Heard { node, life: *life }, &mut found);
                        ld.step(ld::Input::Heartbeat { node, leading, follows, fit }, &mut Vec::new());
                    }
                    Input::Tick => fd.step(now, fd::Input::Tick, &mut found),
                    _ => {}
                }
                for output in found {
                    let input = match output {
                        fd::Output::Suspect(node) => ld::Input::Suspect(node),
                        fd::Output::Restore(node) => ld::Input::Restore(node),
                    };
                    ld.step(input, &mut Vec::new());
                }
                let input = match input {
                    Input::Message(from, message) => proposer::Input::Message { from, message },
                    Input::Submit(connection, commands) => proposer::Input::Submit { connection, commands },
                    Input::Flush => proposer::Input::Flush,
                    Input::Tick => proposer::Input::Tick,
                };
                let mut out = Vec::new();
                core.step(now, input, &mut out);
                propose(core, ld, told, &mut self.storage, now, out, effects)
            }
            Kind::Acceptor(core) => {
                let input = match input {
                    Input::Message(from, message) => acceptor::Input::Message { from, message },
                    _ => acceptor::Input::Tick,
                };
                let mut out = Vec::new();
                core.step(now, input, &mut out);
                accept(core, &mut self.storage, now, out, effects)
            }
            Kind::Learner { core, kv, scratch } => {
                let input = match input {
                    Input::Message(from, message) => learner::Input::Message { from, message },
                    _ => learner::Input::Tick,
                };
                let mut out = Vec::new();
                core.step(now, input, &mut out);
                learn(self.endpoint.node, core, (kv, scratch, &mut self.making), now, out, effects)?;
                // A part of a snapshot with each input, so that everything comes between two of them.
                let Some(making) = &mut self.making else { return Ok(()) };
                let bytes = kv.snapshot_part().map_err(|e| e.to_string())?;
                making.bytes.extend_from_slice(&bytes);
                let Making { slot, total, .. } = *making;
                let mut out = Vec::new();
                core.step(now, learner::Input::SnapshotPart { slot, total, bytes: bytes.into() }, &mut out);
                if making.bytes.len() as u64 == total {
                    effects.push(Effect::Save(slot, std::mem::take(&mut making.bytes).into()));
                    self.making = None;
                }
                learn(self.endpoint.node, core, (kv, scratch, &mut self.making), now, out, effects)
            }
        }
    }

    /// Makes what was written durable, and hands out what waited for it.
    pub fn sync(&mut self, now: Instant, effects: &mut Vec<Effect>) -> Result<(), String> {
        let Some(storage) = &mut self.storage else { return Ok(()) };
        let position = storage.sync().map_err(|e| e.to_string())?;
        self.durable(now, position, effects)
    }

    /// There is nothing else to do: what is durable is written down.
    pub fn idle(&mut self) -> Result<(), String> {
        let storage = self.storage.as_mut().filter(|storage| storage.pending().is_none());
        storage.map_or(Ok(()), |storage| storage.idle().map_err(|e| e.to_string()))
    }

    /// Whether the end of the log says that all records are durable.
    pub fn has_told(&self) -> bool {
        self.storage.as_ref().is_some_and(|storage| storage.appended() > 0 && storage.told() == storage.appended())
    }

    fn durable(&mut self, now: Instant, position: u64, effects: &mut Vec<Effect>) -> Result<(), String> {
        match &mut self.kind {
            Kind::Proposer { core, ld, told, .. } => {
                let mut out = Vec::new();
                core.step(now, proposer::Input::Durable { position }, &mut out);
                propose(core, ld, told, &mut self.storage, now, out, effects)
            }
            Kind::Acceptor(core) => {
                let mut out = Vec::new();
                core.step(now, acceptor::Input::Durable { position }, &mut out);
                accept(core, &mut self.storage, now, out, effects)
            }
            Kind::Learner { .. } => Ok(()),
        }
    }

    /// A snapshot of [`Effect::Save`] is to be made durable now.
    pub fn snapshot_saved(
        &mut self,
        now: Instant,
        slot: Slot,
        bytes: Bytes,
        effects: &mut Vec<Effect>,
    ) -> Result<(), String> {
        let Kind::Learner { core, kv, scratch } = &mut self.kind else { return Ok(()) };
        if let Some(storage) = &mut self.storage
            && core.snapshot_slot() < slot
        {
            storage.save_snapshot(slot, &bytes).map_err(|e| e.to_string())?;
        }
        let mut out = Vec::new();
        core.step(now, learner::Input::SnapshotSaved { slot }, &mut out);
        learn(self.endpoint.node, core, (kv, scratch, &mut self.making), now, out, effects)
    }

    /// The proposer's core.
    pub fn proposer(&self) -> Option<&proposer::Proposer> {
        match &self.kind {
            Kind::Proposer { core, .. } => Some(core),
            _ => None,
        }
    }

    /// The acceptor's core.
    pub fn acceptor(&self) -> Option<&acceptor::Acceptor> {
        match &self.kind {
            Kind::Acceptor(core) => Some(core),
            _ => None,
        }
    }

    /// The learner's core and its store.
    pub fn learner(&self) -> Option<(&learner::Learner, &kv::KvStore)> {
        match &self.kind {
            Kind::Learner { core, kv, .. } => Some((core, kv)),
            _ => None,
        }
    }
}

/// Does what a proposer wants, and closes the loop with its leader detector.
fn propose(
    core: &mut proposer::Proposer,
    ld: &mut ld::LeaderDetector,
    told: &mut Told,
    storage: &mut Option<Storage<Memory>>,
    now: Instant,
    mut out: Vec<proposer::Output>,
    effects: &mut Vec<Effect>,
) -> Result<(), String> {
    loop {
        let mut position = None;
        for output in out.drain(..) {
            match output {
                proposer::Output::Append(bytes) => position = Some(write(storage, &bytes, effects)?),
                proposer::Output::Truncate { before } => truncate(storage, before)?,
                proposer::Output::Send { to, message } => effects.push(Effect::Send(to, message)),
                proposer::Output::Reply { connection, frame } => effects.push(Effect::Reply(connection, frame)),
                proposer::Output::Own { leading, fit } => ld.step(ld::Input::Own { leading, fit }, &mut Vec::new()),
            }
        }
        let new = (ld.leader(), ld.follows(), ld.majority());
        if let Some(position) = position.flatten() {
            core.step(now, proposer::Input::Durable { position }, &mut out);
        } else if *told != new {
            *told = new;
            core.step(now, proposer::Input::Leader { leader: new.0, follows: new.1, majority: new.2 }, &mut out);
        } else {
            return Ok(());
        }
    }
}

fn accept(
    core: &mut acceptor::Acceptor,
    storage: &mut Option<Storage<Memory>>,
    now: Instant,
    mut out: Vec<acceptor::Output>,
    effects: &mut Vec<Effect>,
) -> Result<(), String> {
    loop {
        let mut position = None;
        for output in out.drain(..) {
            match output {
                acceptor::Output::Append(bytes) => position = Some(write(storage, &bytes, effects)?),
                acceptor::Output::Truncate { before } => truncate(storage, before)?,
                acceptor::Output::Send { to, message } => effects.push(Effect::Send(to, message)),
                acceptor::Output::Stop(reason) => effects.push(Effect::Stop(reason)),
            }
        }
        if position.is_none() || storage.is_some() {
            return Ok(());
        }
        core.step(now, acceptor::Input::Durable { position: u64::MAX }, &mut out);
    }
}

/// Writes a record; says up to where everything is durable if there is no disk to wait for.
fn write(
    storage: &mut Option<Storage<Memory>>,
    bytes: &Bytes,
    effects: &mut Vec<Effect>,
) -> Result<Option<u64>, String> {
    match storage {
        Some(storage) => {
            storage.append(&[bytes]).map_err(|e| e.to_string())?;
            effects.push(Effect::WantsSync);
            Ok(None)
        }
        None => Ok(Some(u64::MAX)),
    }
}

fn truncate(storage: &mut Option<Storage<Memory>>, before: u64) -> Result<(), String> {
    storage.as_mut().map_or(Ok(()), |s| s.truncate(before)).map_err(|e| e.to_string())
}

/// Executes in order, and tells the learner what came of it.
fn learn(
    node: NodeId,
    core: &mut learner::Learner,
    (kv, scratch, making): (&mut kv::KvStore, &mut Vec<u8>, &mut Option<Making>),
    now: Instant,
    mut out: Vec<learner::Output>,
    effects: &mut Vec<Effect>,
) -> Result<(), String> {
    loop {
        let mut executed = None;
        let mut replies = Vec::new();
        for output in out.drain(..) {
            match output {
                learner::Output::Send { to, message } => effects.push(Effect::Send(to, message)),
                learner::Output::Execute { slot, batch } => {
                    scratch.clear();
                    if let Some(header) = kv.apply(slot, &batch, node, scratch).map_err(|e| e.to_string())? {
                        replies.push(SlotReplies {
                            batch: header.id,
                            first: 0,
                            replies: Bytes::copy_from_slice(scratch),
                        });
                    }
                    executed = Some(slot);
                    effects.push(Effect::Executed(slot, batch));
                }
                learner::Output::TakeSnapshot { slot } => {
                    *making = Some(Making { slot, total: kv.begin_snapshot(), bytes: Vec::new() });
                }
                learner::Output::Install { slot, bytes } => {
                    *making = None;
                    kv.restore(&bytes).map_err(|e| e.to_string())?;
                    effects.push(Effect::Installed(slot));
                    effects.push(Effect::Save(slot, bytes));
                }
            }
        }
        let Some(upto) = executed else { return Ok(()) };
        core.step(now, learner::Input::Applied { upto, replies }, &mut out);
    }
}
