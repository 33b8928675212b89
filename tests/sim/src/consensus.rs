//! The `consensus` profile: replicas as they are, over real QUIC and TLS, with a machine that only counts.
//!
//! Faults, then everything is healed; within 30 seconds all nodes must have the same history, and take ten inputs each. Then
//! every disk is read.

use crate::checkers::logs::{Logs, identity};
use crate::checkers::{Broken, Oracle};
use crate::plan::{Act, MS, Plan, SECOND, Step};
use crate::toy::{self, look};
use crate::world::clock::Clock;
use crate::world::disk::planted;
use crate::world::executor::{Nanos, Order, ProcessId, World};
use crate::world::host::{Pace, SimHost};
use crate::world::net::Net;
use crate::world::seeds::Stream;
use crate::world::tls;
use replicode_log::{Input, NodeId};
use replicode_replication::host::{Host, enter};
use replicode_replication::{Replica, ReplicaConfig, TlsIdentity, Tuning, channel, start_on};
use replicode_store::segment::Owner;
use replicode_store::sim_disk::{Dice, SimDisk};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All promises were kept.
    Kept,
    /// One was not.
    Broken(Broken),
    /// It did not converge.
    Stuck(String),
    /// A node died without leave.
    Died(String),
}

impl Verdict {
    /// The exit code.
    #[must_use]
    pub const fn code(&self) -> u8 {
        match self {
            Self::Kept => 0,
            Self::Broken(_) => 1,
            Self::Stuck(_) => 3,
            Self::Died(_) => 4,
        }
    }
}

/// What happened in a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How it ended.
    pub verdict: Verdict,
    /// Hash of everything that was decided.
    pub trace: u64,
    /// Virtual time.
    pub time: Nanos,
    /// Turns of tasks.
    pub polls: u64,
    /// Datagrams, and how many of them were lost.
    pub datagrams: (u64, u64),
    /// Batches agreed on.
    pub batches: u64,
    /// Inputs acknowledged.
    pub inputs: u64,
    /// Terms that had a leader.
    pub terms: u64,
    /// Crashes.
    pub crashes: u64,
    /// Disks that failed.
    pub disks: u64,
    /// How long it took to converge.
    pub converged: Nanos,
}

/// A run of a node.
struct Running {
    process: ProcessId,
    host: Arc<SimHost>,
    replica: Replica,
    toy: toy::Shared,
    /// Whether it was asked to stop.
    asked: bool,
}

struct Node {
    id: NodeId,
    disk: SimDisk,
    tls: TlsIdentity,
    running: Option<Running>,
    /// Whether its log has been founded.
    founded: bool,
    /// Whether its disk is bound to fail, so that it may die.
    failing: bool,
    /// The last number that was offered to it.
    offered: u64,
}

struct Run<'a> {
    seed: u64,
    plan: &'a Plan,
    world: World,
    nodes: Vec<Node>,
    oracle: Arc<Mutex<Oracle>>,
    draws: Stream,
    died: Option<String>,
    crashes: u64,
    disks: u64,
}

fn addr(node: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, node as u8 + 1], 7_000))
}

/// Carries a plan out.
///
/// # Errors
/// The world cannot be made.
pub fn run(seed: u64, plan: &Plan) -> anyhow::Result<Outcome> {
    let order = if plan.drawn_order { Order::Random } else { Order::First };
    let world = World::new(seed, order, plan.turn, Net::new(seed, plan.calm));
    let mut nodes = Vec::new();
    for node in 0..plan.nodes {
        let id = NodeId::new(node as u64 + 1)?;
        let tls = tls::identity(id)?;
        let (disk, running) = (SimDisk::new(), None);
        nodes.push(Node { id, disk, tls, running, founded: false, failing: false, offered: (node as u64 + 1) << 32 });
    }
    let (draws, oracle) = (Stream::new(seed, &[20]), Arc::default());
    let mut run = Run { seed, plan, world, nodes, oracle, draws, died: None, crashes: 0, disks: 0 };
    let converged = run.carry_out();
    Ok(run.finish(converged))
}

impl Run<'_> {
    fn carry_out(&mut self) -> Result<Nanos, String> {
        for Step { at, act } in &self.plan.steps {
            self.run_until(*at);
            if self.is_over() {
                return Ok(0);
            }
            self.act(*act);
        }
        self.run_until(self.plan.faulty);
        self.heal();
        let healed = self.world.now();
        self.converge("the same history everywhere", healed)?;
        let converged = self.world.now() - healed;
        for node in 0..self.nodes.len() {
            self.act(Act::Offer(node, 10));
        }
        self.converge("ten inputs of each node", self.world.now())?;
        Ok(converged)
    }

    /// Lets time pass, and looks after the nodes meanwhile.
    fn run_until(&mut self, end: Nanos) {
        while !self.is_over() {
            let next = end.min(self.world.now() + 20 * MS);
            self.world.run_until(next);
            self.look_after();
            if next == end {
                return;
            }
        }
    }

    fn is_over(&self) -> bool {
        self.died.is_some() || look(&self.oracle).broken.is_some()
    }

    fn look_after(&mut self) {
        for node in 0..self.nodes.len() {
            let Some(running) = &self.nodes[node].running else { continue };
            let (process, id, asked) = (running.process, self.nodes[node].id, running.asked);
            if let Some(panic) = self.world.panic(process) {
                self.died = Some(format!("{id} has panicked: {panic}"));
                return;
            }
            let fault = look(&running.toy).fault.clone();
            if let Some(fault) = fault {
                if !self.nodes[node].failing || fault.contradicted {
                    self.died = Some(format!("{id} has stopped: {fault}"));
                    return;
                }
                self.disks += 1;
                self.crash(node);
            } else if !self.world.runs(process) {
                if !asked {
                    self.died = Some(format!("{id} has ended, and nobody asked it to"));
                    return;
                }
                self.drop_running(node);
            }
        }
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Start(node) => self.start(node),
            Act::Crash(node) => {
                if self.nodes[node].running.is_some() {
                    self.crashes += 1;
                    self.crash(node);
                }
            }
            Act::Stop(node) => {
                if let Some(running) = &mut self.nodes[node].running {
                    let _inside = enter(running.host.clone());
                    running.asked = true;
                    running.replica.stop();
                }
            }
            Act::Pause(node, time) => {
                if let Some(running) = &self.nodes[node].running {
                    self.world.pause(running.process, self.world.now() + time);
                }
            }
            Act::Cut(from, to) => self.world.core().net.set_cut(from, to, true),
            Act::Open => self.world.core().net.heal(),
            Act::Weather(weather) => self.world.core().net.weather = weather,
            Act::Disk(node, changes) => {
                self.nodes[node].failing = true;
                self.nodes[node].disk.stop_after(changes);
            }
            Act::Offer(node, count) => self.offer(node, count),
        }
    }

    fn offer(&mut self, node: usize, count: u64) {
        let node = &mut self.nodes[node];
        let Some(running) = &node.running else { return };
        let numbers = node.offered + 1..=node.offered + count;
        node.offered += count;
        let _inside = enter(running.host.clone());
        let mut inputs: Vec<Input> = numbers.map(toy::data).collect();
        running.replica.offer(&mut inputs);
    }

    fn config(&self, node: usize) -> ReplicaConfig {
        let members = self.nodes.iter().enumerate().map(|(at, node)| (node.id, addr(at)));
        ReplicaConfig {
            node: self.nodes[node].id,
            identity: identity(),
            epoch_unix_ns: 1_700_000_000_000_000_000,
            listen: addr(node),
            peers: members.collect(),
            dir: "/".into(),
            found: !self.nodes[node].founded,
            tls: Some(self.nodes[node].tls.clone()),
            tuning: Tuning {
                segment_bytes: self.plan.segment_bytes,
                cache_bytes: self.plan.cache_bytes,
                pipeline: self.plan.pipeline,
                ..Tuning::default()
            },
        }
    }

    fn start(&mut self, node: usize) {
        if self.nodes[node].running.is_some() {
            return;
        }
        let (drift_ppm, wall_offset) = self.plan.clocks[node];
        let process = self.world.process(node, Clock { drift_ppm, offset: 0, wall_offset });
        let pace = Pace { sync: self.plan.sync, slow: self.plan.slow_syncs, operation: 100_000 };
        let disk = planted(self.nodes[node].disk.clone(), self.plan.plant);
        let host = SimHost::new(self.world.clone(), process, node, disk, pace, self.seed);
        self.world.set_host(process, host.clone());
        let (delivery, events) = channel(16, |_, _| Vec::new());
        let as_host: Arc<dyn Host> = host.clone();
        let _inside = enter(as_host.clone());
        match start_on(as_host, self.config(node), delivery) {
            Ok(replica) => {
                let toy = toy::Shared::default();
                toy::boot(&toy, &replica);
                let draws = Stream::new(self.seed, &[21, process as u64]);
                let (id, effort) = (self.nodes[node].id, self.plan.effort);
                let (oracle, shared) = (self.oracle.clone(), toy.clone());
                host.machine(toy::drive(shared, oracle, id, replica.clone(), events, host.clone(), effort, draws));
                self.nodes[node].running = Some(Running { process, host, replica, toy, asked: false });
                self.nodes[node].founded = true;
            }
            Err(error) => {
                self.world.kill(process);
                if !self.nodes[node].failing {
                    self.died = Some(format!("{} cannot be started: {error}", self.nodes[node].id));
                    return;
                }
                self.disks += 1;
                self.tear(node);
            }
        }
    }

    fn drop_running(&mut self, node: usize) {
        let Some(running) = self.nodes[node].running.take() else { return };
        let _inside = enter(running.host.clone());
        self.world.kill(running.process);
        drop(running);
    }

    fn tear(&mut self, node: usize) {
        let mut dice = Dice(self.draws.draw());
        self.nodes[node].disk = self.nodes[node].disk.crash(&mut dice);
        self.nodes[node].failing = false;
        self.scan(node);
    }

    fn crash(&mut self, node: usize) {
        self.drop_running(node);
        self.tear(node);
    }

    fn scan(&self, node: usize) {
        let (node, mut oracle) = (&self.nodes[node], look(&self.oracle));
        if node.founded {
            let owner = Owner { node: node.id, identity: identity() };
            if let Err(why) = oracle.logs.scan(owner, &node.disk) {
                oracle.broken("log matching", why);
            }
        }
    }

    /// Ends all faults.
    fn heal(&mut self) {
        {
            let mut core = self.world.core();
            core.net.heal();
            core.net.weather = self.plan.calm;
        }
        for node in 0..self.nodes.len() {
            if self.nodes[node].failing {
                self.disks += 1;
                self.crash(node);
            }
            if let Some(running) = &self.nodes[node].running {
                self.world.pause(running.process, 0);
            }
        }
    }

    /// Waits until all nodes have everything, for 30 seconds at most. Nodes that are down, or go down, are started.
    fn converge(&mut self, what: &str, since: Nanos) -> Result<(), String> {
        loop {
            for node in 0..self.nodes.len() {
                self.start(node);
            }
            self.run_until(self.world.now() + 50 * MS);
            if self.is_over() || self.is_equal() {
                return Ok(());
            }
            if self.world.now() > since + 30 * SECOND {
                return Err(format!("{what}: not within 30 s; {}", self.picture()));
            }
        }
    }

    fn is_equal(&self) -> bool {
        let agreed = look(&self.oracle).committed.len();
        self.nodes.iter().all(|node| {
            let Some(running) = &node.running else { return false };
            let toy = look(&running.toy);
            let _inside = enter(running.host.clone());
            toy.batches == agreed && toy.booted && running.replica.status().outgoing_bytes == 0
        })
    }

    fn picture(&self) -> String {
        let node = |node: &Node| match &node.running {
            None => format!("{}: down", node.id),
            Some(running) => {
                let toy = look(&running.toy);
                let _inside = enter(running.host.clone());
                let status = running.replica.status();
                format!(
                    "{}: {} of term {}, {} batches, booted {}, {} bytes to go, last entry {:?}",
                    node.id,
                    status.role,
                    status.term.0,
                    toy.batches,
                    toy.booted,
                    status.outgoing_bytes,
                    status.last_raft_index
                )
            }
        };
        self.nodes.iter().map(node).collect::<Vec<_>>().join("; ")
    }

    fn finish(mut self, converged: Result<Nanos, String>) -> Outcome {
        let (mut held, mut missing) = (Vec::new(), None);
        let mut stuck = None;
        let healthy = converged.is_ok() && !self.is_over();
        if healthy {
            let mut oracle = look(&self.oracle);
            for node in &self.nodes {
                let owner = Owner { node: node.id, identity: identity() };
                match oracle.logs.scan(owner, &node.disk) {
                    Ok(log) => held.push(log),
                    Err(why) => oracle.broken("log matching", why),
                }
                if let Some(running) = &node.running {
                    let number = oracle.inputs.missing(&look(&running.toy).numbers);
                    missing = missing.or(number.map(|number| (node.id, number)));
                }
            }
            if let Some((node, number)) = missing {
                oracle.broken("S2", format!("{number} was acknowledged, and {node} has not applied it"));
            }
            if let Err(why) = Logs::majority(&oracle.committed, &held) {
                oracle.broken("committed on a quorum", why);
            }
        } else if let Err(why) = &converged {
            stuck = Some(why.clone());
        }
        for node in 0..self.nodes.len() {
            self.drop_running(node);
        }
        let core = self.world.core();
        let oracle = look(&self.oracle);
        let verdict = match (oracle.broken.clone(), self.died.clone(), stuck) {
            (Some(broken), ..) => Verdict::Broken(broken),
            (None, Some(died), _) => Verdict::Died(died),
            (None, None, Some(stuck)) => Verdict::Stuck(stuck),
            (None, None, None) => Verdict::Kept,
        };
        Outcome {
            verdict,
            trace: core.trace.0,
            time: core.now,
            polls: core.polls,
            datagrams: (core.net.total, core.net.lost),
            batches: oracle.committed.len(),
            inputs: oracle.inputs.count() as u64,
            terms: oracle.election.terms() as u64,
            crashes: self.crashes,
            disks: self.disks,
            converged: converged.unwrap_or(0),
        }
    }
}
