//! A cluster in one thread, under virtual time, with faults from a seed.
//!
//! Every role is a process of its own. Everything that can vary follows from the seed: delays, losses, repetitions and partitions of
//! messages, when a sync is done, who crashes when and how much of the unsynced survives, whose disk is wiped, whose clock jumps, and
//! how hard all that is. In the last part nothing fails any more, and the cluster must come to rest in one state.

use crate::Mutated;
use crate::clients::{Asked, Client, OUTSIDE, Operation, Then, client_of, connection};
use crate::linear;
use crate::oracle::Oracle;
use crate::process::{Effect, Input, Process, Settings};
use crate::random::Random;
use paxos_storage::memory::{Loss, Memory};
use paxos_types::{Bytes, Endpoint, Incarnation, Instant, Message, NodeId, Role, Slot};
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

const MS: u64 = 1_000_000;

/// Between a sync and the moment in which a storage is told that there is nothing else to do.
const QUIET: u64 = 5 * MS;

/// How hard a run is.
#[derive(Clone, Debug)]
pub struct Faults {
    /// Of a thousand messages so many are lost.
    pub lost: u64,
    /// Of a thousand messages so many come twice.
    pub doubled: u64,
    /// Of a thousand messages so many take long.
    pub late: u64,
    /// Crashes to come.
    pub crashes: u64,
    /// Partitions to come.
    pub partitions: u64,
    /// Clock jumps to come.
    pub jumps: u64,
    /// Crashes to come in the middle of what a process sends, of which the rest never leaves.
    pub ambushes: u64,
    /// Whether one node loses its disk at a crash.
    pub wipe: bool,
    /// Whether (if no disk is wiped) one node dies for good, right after it has promised or accepted something.
    pub dies: bool,
    /// Whether (if no disk is wiped and no node dies) a bit of the last records flips at a crash, on one disk. It has to be noticed.
    pub flips: bool,
    /// Whether roles crash one by one (else a node's together).
    pub apart: bool,
}

/// What a run was like.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Steps of processes.
    pub steps: u64,
    /// Operations answered.
    pub answered: u64,
    /// Slots chosen.
    pub slots: u64,
    /// Crashes.
    pub crashes: u64,
    /// Leaderships that began.
    pub leaderships: u64,
    /// Snapshots that were fetched from others.
    pub installed: u64,
    /// Nodes that were refused since their disk was new.
    pub refused: u64,
    /// Nodes that died for good.
    pub died: u64,
    /// Nodes that found a flipped bit on a disk of theirs, and did not start.
    pub damaged: u64,
    /// Messages lost.
    pub lost: u64,
    /// What the clients saw.
    pub history: Vec<Operation>,
    /// Operations that took effect without an answer, with their places.
    pub unanswered: Vec<(u64, Operation)>,
}

enum Event {
    Deliver(Endpoint, Endpoint, Message),
    Request(NodeId, u64, Bytes),
    Frame(u64, Bytes),
    Sync(Endpoint, u64),
    Quiet(Endpoint, u64),
    Saved(Endpoint, u64, Slot, Bytes),
    Start(Endpoint),
    Fault,
    Heal,
    Patience(usize),
    Doom,
    Calm,
}

struct Timed(u64, u64, Event);

impl PartialEq for Timed {
    fn eq(&self, other: &Self) -> bool {
        (self.0, self.1) == (other.0, other.1)
    }
}
impl Eq for Timed {}
impl PartialOrd for Timed {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Timed {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (other.0, other.1).cmp(&(self.0, self.1))
    }
}

/// The world of one seed.
pub struct World {
    settings: Settings,
    faults: Faults,
    random: Random,
    now: u64,
    count: u64,
    events: BinaryHeap<Timed>,
    processes: BTreeMap<Endpoint, Process>,
    /// Counts starts: what was to happen to an earlier life of a process does not.
    lives: BTreeMap<Endpoint, u64>,
    disks: BTreeMap<Endpoint, Memory>,
    syncing: BTreeSet<Endpoint>,
    /// Nodes that do not come back: refused, or dead.
    gone: BTreeSet<NodeId>,
    /// The next one that promises or accepts dies.
    doom: bool,
    wiped: Option<NodeId>,
    /// On whose disk a bit has flipped.
    flipped: Option<Endpoint>,
    /// For what came later than everything else here: so that the same seed still makes the same world besides.
    flips: Random,
    /// Nodes that cannot talk to the others.
    cut: BTreeSet<NodeId>,
    clocks: BTreeMap<NodeId, u64>,
    clients: Vec<Client>,
    calm: bool,
    oracle: Oracle,
    report: Report,
    leading: BTreeMap<NodeId, bool>,
    firsts: BTreeMap<NodeId, Slot>,
}

#[cfg(feature = "planted")]
fn reads_outside_the_log(mutation: Mutated) -> bool {
    mutation == Some(paxos_types::Mutation::ReadWithoutLease)
}

#[cfg(not(feature = "planted"))]
fn reads_outside_the_log(_: Mutated) -> bool {
    false
}

/// Runs one seed to its end. The error says what did not hold, and when.
pub fn run(seed: u64, mutation: Mutated) -> Result<Report, String> {
    let mut world = World::new(seed, mutation);
    let result = world.run();
    let mut report = std::mem::take(&mut world.report);
    report.unanswered = world.oracle.unanswered(&report.history);
    result.map_err(|e| format!("seed {seed}, after {} ms and {} steps: {e}", world.now / MS, report.steps))?;
    linear::check(&report.history, &report.unanswered).map_err(|e| format!("seed {seed}: not linearizable: {e}"))?;
    Ok(report)
}

impl World {
    fn new(seed: u64, mutation: Mutated) -> World {
        let mut random = Random::new(seed);
        let mut flips = Random::new(!seed);
        let nodes: Vec<NodeId> = (1..=if random.below(4) == 0 { 5 } else { 3 }).map(NodeId).collect();
        let hard = random.below(4);
        let faults = Faults {
            lost: [0, 10, 50, 150][hard as usize],
            doubled: random.below(3) * 20,
            late: [0, 20, 50, 100][random.below(4) as usize],
            crashes: random.below(12),
            partitions: random.below(6),
            jumps: random.below(3),
            ambushes: random.below(8),
            wipe: random.below(4) == 0,
            dies: random.below(2) == 0,
            flips: flips.below(2) == 0,
            apart: random.below(2) == 0,
        };
        let clients = random.between(2, 6);
        // In a third of the runs sessions are forgotten while they are in use.
        let sessions =
            if random.below(3) == 0 { (clients + random.below(2)).saturating_sub(1).max(2) } else { 100 } as usize;
        let by_bytes = random.below(2) == 0;
        let settings = Settings {
            nodes: nodes.clone(),
            heartbeat: 5 * MS,
            suspect: 40 * MS,
            phase: 30 * MS,
            retransmit: 15 * MS,
            // In half of the runs bytes alone say when, and acceptors have room for little more.
            snapshot_every: if by_bytes { 100_000 } else { random.between(3, 60) },
            snapshot_bytes: if by_bytes { random.between(200, 2000) as usize } else { 1 << 30 },
            log_bytes: if by_bytes { 15_000 } else { 1 << 30 },
            window: random.between(1, 8) as usize,
            max_commands: random.between(1, 8) as u32,
            chunk: random.between(50, 4000) as usize,
            tail_bytes: random.below(3000) as usize,
            part_entries: random.between(1, 6) as usize,
            sessions,
            segment_bytes: random.between(200, 4000),
            mutation,
        };
        let keys = random.between(1, 4);
        let each = random.between(5, 40);
        let outside = reads_outside_the_log(mutation);
        let client = |c| Client::new(c, nodes[c % nodes.len()], keys, each, outside);
        let clients = (0..clients as usize).map(client).collect::<Vec<_>>();
        World {
            oracle: Oracle::new(nodes.len(), settings.sessions),
            settings,
            faults,
            random,
            now: 0,
            count: 0,
            events: BinaryHeap::new(),
            processes: BTreeMap::new(),
            lives: BTreeMap::new(),
            disks: BTreeMap::new(),
            syncing: BTreeSet::new(),
            gone: BTreeSet::new(),
            doom: false,
            wiped: None,
            flipped: None,
            flips,
            cut: BTreeSet::new(),
            clocks: BTreeMap::new(),
            clients,
            calm: false,
            report: Report::default(),
            leading: BTreeMap::new(),
            firsts: BTreeMap::new(),
        }
    }

    fn run(&mut self) -> Result<(), String> {
        for node in self.settings.nodes.clone() {
            self.clocks.insert(node, self.random.below(1000 * MS));
            for role in Role::OF_A_NODE {
                let at = self.random.below(20 * MS);
                self.at(at, Event::Start(Endpoint::new(node, role)));
            }
        }
        for client in 0..self.clients.len() {
            self.ask(client);
        }
        let horizon = 1500 * MS;
        for _ in 0..self.faults.crashes + self.faults.partitions + self.faults.jumps {
            let at = self.random.between(20 * MS, horizon);
            self.at(at, Event::Fault);
        }
        if self.faults.dies && !self.faults.wipe {
            let at = self.random.between(100 * MS, horizon);
            self.at(at, Event::Doom);
        }
        self.at(horizon, Event::Calm);
        let end = horizon + 20_000 * MS;
        while self.now < end {
            self.turn()?;
            if self.calm && self.at_rest() {
                return self.compare();
            }
        }
        Err(format!("no rest: {}", self.unrest()))
    }

    fn at(&mut self, delay: u64, event: Event) {
        self.count += 1;
        self.events.push(Timed(self.now + delay, self.count, event));
    }

    fn clock(&self, node: NodeId) -> Instant {
        Instant(self.now + self.clocks.get(&node).copied().unwrap_or(0))
    }

    /// The next event or timer, whichever is first.
    fn turn(&mut self) -> Result<(), String> {
        let timer = self
            .processes
            .iter()
            .filter_map(|(endpoint, p)| {
                let offset = self.clocks.get(&endpoint.node).copied().unwrap_or(0);
                p.deadline().map(|d| (d.0.saturating_sub(offset).max(self.now), *endpoint))
            })
            .min();
        let event = self.events.peek().map(|t| t.0);
        match (timer, event) {
            (Some((at, endpoint)), next) if next.is_none_or(|n| at < n) => {
                // A timer is never quite exact; this also keeps a process that always wants a tick from stopping time.
                self.now = at + 1000;
                self.step(endpoint, Input::Tick)
            }
            (_, Some(_)) => {
                let Some(Timed(at, _, event)) = self.events.pop() else { return Ok(()) };
                self.now = self.now.max(at);
                self.happen(event)
            }
            _ => Err("nothing will ever happen again".into()),
        }
    }

    fn happen(&mut self, event: Event) -> Result<(), String> {
        match event {
            Event::Deliver(from, to, message) => self.step(to, Input::Message(from, message)),
            Event::Request(node, connection, bytes) => self.request(node, connection, bytes),
            Event::Frame(connection, frame) => self.frame(connection, &frame),
            Event::Sync(endpoint, life) => {
                if self.lives.get(&endpoint) != Some(&life) {
                    return Ok(());
                }
                self.syncing.remove(&endpoint);
                let now = self.clock(endpoint.node);
                let mut effects = Vec::new();
                if let Some(process) = self.processes.get_mut(&endpoint) {
                    process.sync(now, &mut effects)?;
                }
                self.at(QUIET, Event::Quiet(endpoint, life));
                self.look_at_disk(endpoint)?;
                self.effects(endpoint, effects)
            }
            Event::Quiet(endpoint, life) => {
                if self.lives.get(&endpoint) == Some(&life)
                    && let Some(process) = self.processes.get_mut(&endpoint)
                {
                    process.idle()?;
                }
                Ok(())
            }
            Event::Saved(endpoint, life, slot, bytes) => {
                if self.lives.get(&endpoint) != Some(&life) {
                    return Ok(());
                }
                let now = self.clock(endpoint.node);
                let mut effects = Vec::new();
                if let Some(process) = self.processes.get_mut(&endpoint) {
                    process.snapshot_saved(now, slot, bytes, &mut effects)?;
                    self.oracle.snapshot(endpoint.node, slot);
                }
                self.effects(endpoint, effects)
            }
            Event::Start(endpoint) => self.start(endpoint),
            Event::Fault => {
                self.fault();
                Ok(())
            }
            Event::Heal => {
                self.cut.clear();
                Ok(())
            }
            Event::Patience(client) => {
                let c = &mut self.clients[client];
                let impatient = c.waits_for.is_some() && self.now >= c.patience_until;
                // Once nothing fails any more, one more question must do: nobody's answer may depend on asking again and again.
                if impatient && !std::mem::replace(&mut c.asked_since_calm, self.calm) {
                    let nodes = &self.settings.nodes;
                    let other = nodes[self.random.below(nodes.len() as u64) as usize];
                    self.clients[client].node = other;
                    self.clients[client].generation += 1;
                    self.send_request(client);
                }
                Ok(())
            }
            Event::Doom => {
                self.doom = true;
                Ok(())
            }
            Event::Calm => {
                self.calm = true;
                self.doom = false;
                self.cut.clear();
                Ok(())
            }
        }
    }

    fn start(&mut self, endpoint: Endpoint) -> Result<(), String> {
        if self.processes.contains_key(&endpoint) || self.gone.contains(&endpoint.node) {
            return Ok(());
        }
        let disk = self.disks.remove(&endpoint).unwrap_or_default();
        let fresh = Incarnation(self.random.draw());
        let process = Process::start(endpoint, &self.settings, Some(disk), fresh, self.clock(endpoint.node));
        if self.flipped == Some(endpoint) {
            return self.damage_is_named(endpoint, process);
        }
        let process = process.map_err(|e| format!("{endpoint} does not start: {e}"))?;
        *self.lives.entry(endpoint).or_default() += 1;
        self.processes.insert(endpoint, process);
        self.look_at_disk(endpoint)?;
        self.step(endpoint, Input::Tick)
    }

    /// A process whose disk has a flipped bit in what it knew to be durable: it must say so and not start.
    fn damage_is_named(&mut self, endpoint: Endpoint, started: Result<Process, String>) -> Result<(), String> {
        match started {
            Err(error) if error.contains("segment-") && error.contains("at byte ") => {
                self.report.damaged += 1;
                self.leave(endpoint.node);
                Ok(())
            }
            Err(error) => Err(format!("{endpoint} has a flipped bit on its disk, and says: {error}")),
            Ok(_) => Err(format!("{endpoint} has a flipped bit in what was durable, and starts")),
        }
    }

    /// A node is gone for good.
    fn leave(&mut self, node: NodeId) {
        self.gone.insert(node);
        for role in Role::OF_A_NODE {
            self.end(Endpoint::new(node, role), Loss::Nothing);
        }
    }

    fn step(&mut self, endpoint: Endpoint, input: Input) -> Result<(), String> {
        let now = self.clock(endpoint.node);
        let mut effects = Vec::new();
        let Some(process) = self.processes.get_mut(&endpoint) else { return Ok(()) };
        self.report.steps += 1;
        process.step(now, input, &mut effects).map_err(|e| format!("{endpoint}: {e}"))?;
        if let Some(proposer) = process.proposer() {
            let leads = proposer.leading().is_some();
            let led = self.leading.insert(endpoint.node, leads);
            self.report.leaderships += u64::from(leads && led != Some(true));
        }
        self.effects(endpoint, effects)
    }

    fn effects(&mut self, endpoint: Endpoint, effects: Vec<Effect>) -> Result<(), String> {
        let node = endpoint.node;
        let ambush = self.ambush(&effects);
        for effect in effects {
            match effect {
                Effect::Send(target, message) => {
                    self.oracle.sent(node, &message)?;
                    let nodes = self.settings.nodes.clone();
                    for to in target.endpoints(node, &nodes) {
                        if !ambush || self.random.below(2) == 0 {
                            self.send(endpoint, to, message.clone());
                        }
                    }
                }
                Effect::Reply(connection, frame) => {
                    if !self.loses(node, None) {
                        let delay = self.delay();
                        self.at(delay, Event::Frame(connection, frame));
                    }
                }
                Effect::WantsSync => {
                    if self.syncing.insert(endpoint) {
                        let delay = self.random.between(MS / 10, 4 * MS);
                        let life = self.lives.get(&endpoint).copied().unwrap_or(0);
                        self.at(delay, Event::Sync(endpoint, life));
                    }
                }
                Effect::Save(slot, bytes) => {
                    let delay = self.random.between(MS / 10, 10 * MS);
                    let life = self.lives.get(&endpoint).copied().unwrap_or(0);
                    self.at(delay, Event::Saved(endpoint, life, slot, bytes));
                }
                Effect::Executed(slot, batch) => {
                    self.oracle.executed(node, slot, &batch)?;
                    self.report.slots = self.oracle.applied().0;
                }
                Effect::Installed(_) => self.report.installed += 1,
                Effect::Stop(reason) => {
                    if self.wiped != Some(node) {
                        return Err(format!("node {node} stops: {reason}"));
                    }
                    self.report.refused += 1;
                    self.leave(node);
                }
            }
        }
        if self.doom && self.dies_now(endpoint) {
            return Ok(());
        }
        if ambush && self.processes.contains_key(&endpoint) {
            let role = self.faults.apart.then_some(endpoint.role);
            self.crash(node, role);
        }
        Ok(())
    }

    /// The doomed node is this one: an acceptor that has just done something, when all are registered.
    fn dies_now(&mut self, endpoint: Endpoint) -> bool {
        if endpoint.role != Role::Acceptor || !self.all_registered() || !self.random.permille(100) {
            return false;
        }
        self.doom = false;
        self.report.died += 1;
        self.leave(endpoint.node);
        true
    }

    fn all_registered(&self) -> bool {
        self.settings.nodes.iter().all(|n| {
            let acceptor = self.processes.get(&Endpoint::new(*n, Role::Acceptor)).and_then(Process::acceptor);
            acceptor.is_some_and(paxos_acceptor::Acceptor::registered)
        })
    }

    /// Whether the process dies in the middle of sending these, of all things: what the protocol turns on.
    fn ambush(&mut self, effects: &[Effect]) -> bool {
        let telling = effects.iter().any(|e| {
            matches!(e, Effect::Send(_, Message::Prepare { .. } | Message::Promise { .. } | Message::Accept { .. }))
        });
        if self.calm || !telling || self.faults.ambushes == 0 || !self.random.permille(20) {
            return false;
        }
        self.faults.ambushes -= 1;
        true
    }

    /// What the oracle sees on an acceptor's disk: what a crash right now would leave.
    fn look_at_disk(&mut self, endpoint: Endpoint) -> Result<(), String> {
        let Some(acceptor) = self.processes.get(&endpoint).and_then(Process::acceptor) else { return Ok(()) };
        let (appended, durable) = acceptor.positions();
        if appended != durable {
            return Ok(());
        }
        let (first, end) = (acceptor.first(), acceptor.end());
        let slots: Vec<Slot> = (first.0..end.0).map(Slot).filter(|slot| acceptor.accepted(*slot).is_some()).collect();
        let node = endpoint.node;
        self.oracle.durable(node, slots);
        let known = self.firsts.entry(node).or_insert(Slot::FIRST);
        if first > *known {
            *known = first;
            self.oracle.forgotten(node, first)?;
        }
        Ok(())
    }

    fn delay(&mut self) -> u64 {
        if !self.calm && self.random.permille(self.faults.late) {
            self.random.between(5 * MS, 80 * MS)
        } else {
            self.random.between(MS / 20, 2 * MS)
        }
    }

    /// Whether something between a node and another one (or a client) gets lost.
    fn loses(&mut self, from: NodeId, to: Option<NodeId>) -> bool {
        if self.calm {
            return false;
        }
        let apart = to.is_some_and(|to| self.cut.contains(&from) != self.cut.contains(&to));
        let lost = apart || self.random.permille(self.faults.lost);
        self.report.lost += u64::from(lost);
        lost
    }

    fn send(&mut self, from: Endpoint, to: Endpoint, message: Message) {
        // In one process nothing gets lost between the roles of a node.
        if from.node == to.node && !self.faults.apart {
            return self.at(1000, Event::Deliver(from, to, message));
        }
        if self.loses(from.node, Some(to.node)) {
            return;
        }
        if !self.calm && self.random.permille(self.faults.doubled) {
            let delay = self.delay();
            self.at(delay, Event::Deliver(from, to, message.clone()));
        }
        let delay = self.delay();
        self.at(delay, Event::Deliver(from, to, message));
    }

    fn fault(&mut self) {
        if self.calm {
            return;
        }
        let Faults { crashes, partitions, jumps, .. } = self.faults;
        let nodes = self.settings.nodes.clone();
        let node = nodes[self.random.below(nodes.len() as u64) as usize];
        let kind = self.random.below(crashes + partitions + jumps);
        if kind < crashes {
            self.crash(node, None);
        } else if kind < crashes + partitions {
            self.cut.insert(node);
            if self.random.below(3) == 0 && nodes.len() > 3 {
                self.cut.insert(nodes[self.random.below(nodes.len() as u64) as usize]);
            }
            let heal = self.random.between(20 * MS, 400 * MS);
            self.at(heal, Event::Heal);
        } else {
            let clock = self.clocks.entry(node).or_default();
            *clock = if self.random.below(2) == 0 { *clock + 500 * MS } else { clock.saturating_sub(100 * MS) };
        }
    }

    fn crash(&mut self, node: NodeId, only: Option<Role>) {
        self.report.crashes += 1;
        let loss = match self.random.below(3) {
            0 => Loss::Nothing,
            1 => Loss::Everything,
            _ => Loss::Some(self.random.draw()),
        };
        let roles: Vec<Role> = if let Some(role) = only {
            vec![role]
        } else if self.faults.apart && self.random.below(2) == 0 {
            vec![Role::OF_A_NODE[self.random.below(3) as usize]]
        } else {
            Role::OF_A_NODE.to_vec()
        };
        // A cluster's first start needs all that are needed to register; what is lost before is lost for good.
        let all_registered = self.all_registered();
        let may_wipe = self.faults.wipe && self.wiped.map_or(all_registered, |w| w == node);
        let wipe = may_wipe && self.random.below(3) == 0;
        let longest = if self.random.below(2) == 0 { 8 * MS } else { 150 * MS };
        for role in roles {
            let endpoint = Endpoint::new(node, role);
            let told = self.processes.get(&endpoint).is_some_and(Process::has_told);
            self.end(endpoint, loss);
            if loss == Loss::Nothing && told && all_registered {
                self.flip(endpoint);
            }
            if wipe {
                self.wiped = Some(node);
                self.disks.remove(&endpoint);
            }
            let delay = self.random.between(MS, longest);
            self.at(delay, Event::Start(endpoint));
        }
    }

    /// A bit flips in the last records of a log whose end says that all of them are durable. Before it says so, nothing tells a record
    /// that was damaged from one that was never written whole.
    fn flip(&mut self, endpoint: Endpoint) {
        let one_node_is_lost = self.faults.wipe || self.faults.dies || self.flipped.is_some();
        if !self.faults.flips || one_node_is_lost || self.calm || self.flips.below(3) > 0 {
            return;
        }
        if let Some(disk) = self.disks.get_mut(&endpoint)
            && disk.flip_near_the_end(self.flips.draw())
        {
            self.flipped = Some(endpoint);
        }
    }

    fn end(&mut self, endpoint: Endpoint, loss: Loss) {
        if let Some(process) = self.processes.remove(&endpoint) {
            *self.lives.entry(endpoint).or_default() += 1;
            self.syncing.remove(&endpoint);
            self.leading.remove(&endpoint.node);
            if let Some(mut disk) = process.into_disk() {
                disk.crash(loss);
                self.disks.insert(endpoint, disk);
            }
        }
    }

    fn ask(&mut self, client: usize) {
        if self.clients[client].left == 0 {
            return;
        }
        let c = &mut self.clients[client];
        c.next(self.now, &mut self.random, &mut self.report.history);
        if let Some(operation) = self.report.history.last() {
            self.oracle.issued(operation.id, operation.seq, c.request.clone(), operation.asked.clone());
        }
        self.send_request(client);
    }

    fn send_request(&mut self, client: usize) {
        let patience = self.random.between(20 * MS, 120 * MS);
        let c = &mut self.clients[client];
        c.patience_until = self.now + patience;
        let (node, connection, request) = (c.node, connection(client, c.generation), c.request.clone());
        self.at(patience, Event::Patience(client));
        for _ in 0..if self.random.permille(self.faults.doubled) { 2 } else { 1 } {
            if !self.loses(node, None) {
                let delay = self.delay();
                self.at(delay, Event::Request(node, connection, request.clone()));
            }
        }
    }

    fn request(&mut self, node: NodeId, connection: u64, bytes: Bytes) -> Result<(), String> {
        #[cfg(feature = "planted")]
        if self.reads_outside(&bytes) {
            if let Some(frame) = self.read_here(node, &bytes) {
                let delay = self.delay();
                self.at(delay, Event::Frame(connection, frame));
            }
            return Ok(());
        }
        let endpoint = Endpoint::new(node, Role::Proposer);
        if !self.processes.contains_key(&endpoint) {
            // Nobody listens there: the client is told so, and asks somebody else.
            let (client, generation) = client_of(connection);
            if self.clients[client].generation == generation && self.clients[client].waits_for.is_some() {
                self.elsewhere(client, None);
            }
            return Ok(());
        }
        self.step(endpoint, Input::Submit(connection, bytes))?;
        self.step(endpoint, Input::Flush)
    }

    /// Whether this is a read of the planted bug.
    #[cfg(feature = "planted")]
    fn reads_outside(&self, bytes: &Bytes) -> bool {
        let first = paxos_types::Commands::new(bytes).next();
        self.settings.mutation == Some(paxos_types::Mutation::ReadWithoutLease)
            && matches!(first, Some(Ok(command)) if command.seq >= OUTSIDE)
    }

    /// The planted bug: a node that believes to lead answers a get from what its learner has executed.
    #[cfg(feature = "planted")]
    fn read_here(&self, node: NodeId, bytes: &Bytes) -> Option<Bytes> {
        use paxos_types::{ClientFrame, Commands, Op, Outcome, Reply};
        let proposer = self.processes.get(&Endpoint::new(node, Role::Proposer))?.proposer()?;
        let mut frame = Vec::new();
        if proposer.leading().is_none() {
            ClientFrame::Redirect { leader: proposer.leader() }.encode(&mut frame);
            return Some(Bytes::from(frame));
        }
        let (_, kv) = self.processes.get(&Endpoint::new(node, Role::Learner))?.learner()?;
        let command = Commands::new(bytes).next()?.ok()?;
        let Op::Get { key } = command.op else { return None };
        let found = kv.peek(key);
        let outcome = found.map_or(Outcome::Absent, |(_, value)| Outcome::Value(value));
        let version = found.map_or(0, |f| f.0);
        let reply = Reply { client: command.client, seq: command.seq, index: kv.index(), version, outcome };
        let mut replies = Vec::new();
        reply.encode(&mut replies);
        ClientFrame::Replies(&replies).encode(&mut frame);
        Some(Bytes::from(frame))
    }

    fn frame(&mut self, connection: u64, frame: &[u8]) -> Result<(), String> {
        let (client, generation) = client_of(connection);
        if self.clients[client].generation != generation {
            return Ok(());
        }
        let may_forget = self.settings.sessions < 100;
        match self.clients[client].receive(self.now, frame, &mut self.report.history, may_forget)? {
            Then::Nothing => {}
            Then::Answered(at) => {
                self.report.answered += 1;
                if self.report.history[at].seq >= OUTSIDE {
                    self.read_outside(at)?;
                } else {
                    self.oracle.answered(&self.report.history[at])?;
                }
                self.ask(client);
            }
            Then::Forgotten => self.ask(client),
            Then::Redirected(leader) => {
                if self.clients[client].waits_for.is_some() {
                    self.elsewhere(client, leader);
                }
            }
        }
        Ok(())
    }

    /// A client asks the leader that it was told of, or anybody.
    fn elsewhere(&mut self, client: usize, leader: Option<NodeId>) {
        let nodes = &self.settings.nodes;
        let other = nodes[self.random.below(nodes.len() as u64) as usize];
        let c = &mut self.clients[client];
        c.node = leader.unwrap_or(other);
        c.generation += 1;
        // Not at once: nodes that send each other's clients around in a circle would keep them from waiting.
        self.send_request(client);
    }

    /// A read that took no place in the log: it must have seen every write that ended before it began.
    fn read_outside(&mut self, at: usize) -> Result<(), String> {
        let operation = self.report.history[at].clone();
        let Some((_, index, _)) = operation.answer else { return Ok(()) };
        let missed = self.report.history.iter().find(|o| {
            o.end.is_some_and(|end| end < operation.begin)
                && o.answer.as_ref().is_some_and(|a| a.1 > index)
                && matches!(o.asked, Asked::Put(..))
        });
        match missed {
            Some(missed) => Err(format!("not linearizable: {operation:?} was answered without {missed:?}")),
            None => {
                // It has no place in the order, so the check of the whole history leaves it out.
                self.report.history[at].answer = None;
                Ok(())
            }
        }
    }

    fn alive(&self) -> Vec<NodeId> {
        self.settings.nodes.iter().copied().filter(|n| !self.gone.contains(n)).collect()
    }

    /// All clients have what they wanted, and all learners have executed the same slots.
    fn at_rest(&self) -> bool {
        self.clients.iter().all(|c| c.waits_for.is_none() && c.left == 0)
            && self.alive().into_iter().all(|node| {
                let learner = self.processes.get(&Endpoint::new(node, Role::Learner)).and_then(Process::learner);
                learner.is_some_and(|(core, _)| core.next() == self.oracle.applied().next())
            })
    }

    fn unrest(&self) -> String {
        let learners: Vec<_> = self
            .processes
            .values()
            .map(|p| match (p.learner(), p.proposer(), p.acceptor()) {
                (Some((core, _)), ..) => format!("learner {} next {}", p.endpoint.node, core.next()),
                (_, Some(core), _) => format!(
                    "proposer {} leads {:?} follows {:?} open {} executed {}",
                    p.endpoint.node,
                    core.leading(),
                    core.leader(),
                    core.open_slots(),
                    core.executed()
                ),
                (.., Some(core)) => format!(
                    "acceptor {} {} promised {} slots {}..{}",
                    p.endpoint.node,
                    core.registered(),
                    core.promised(),
                    core.first(),
                    core.end()
                ),
                _ => String::new(),
            })
            .collect();
        let waiting: Vec<_> = self.clients.iter().filter(|c| c.left > 0).map(|c| (c.number, c.left, c.node)).collect();
        format!("chosen {}, clients {waiting:?}, {learners:#?}", self.oracle.applied())
    }

    /// At rest all stores are the same, byte by byte.
    fn compare(&self) -> Result<(), String> {
        let mut digests = BTreeMap::new();
        for node in self.alive() {
            let learner = self.processes.get(&Endpoint::new(node, Role::Learner)).and_then(Process::learner);
            if let Some((_, kv)) = learner {
                digests.insert(kv.digest(), node);
            }
        }
        if digests.len() == 1 { Ok(()) } else { Err(format!("the stores differ: {digests:?}")) }
    }
}
