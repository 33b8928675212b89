//! The `consensus` profile: replicas as they are, over real QUIC and TLS, with a machine that only counts.
//!
//! Faults, then everything is healed; within 30 seconds all nodes that may take part must have the same history, and take ten inputs
//! each. Then every disk is read.

mod disks;
mod node;
mod rot;

use crate::checkers::Oracle;
use crate::checkers::logs::{Held, Logs, identity};
use crate::outcome::{Outcome, Verdict};
use crate::plan::{Act, MS, Plan, SECOND, Step};
use crate::plant;
use crate::toy::{self, look};
use crate::world::clock::Clock;
use crate::world::disk::planted;
use crate::world::executor::{Nanos, World};
use crate::world::host::{Pace, SimHost};
use crate::world::net::Net;
use crate::world::seeds::Stream;
use crate::world::tls;
use node::{Leave, Node, Running};
use replicode_log::{Input, NodeId};
use replicode_replication::host::{Host, enter};
use replicode_replication::{ReplicaConfig, Role, Tuning, channel, start_on};
use replicode_store::segment::Owner;
use replicode_store::sim_disk::Dice;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

/// How long it may take until somebody leads once everything is healed: elections, and votes that are synced, some of them slowly.
const fn patience(plan: &Plan) -> Nanos {
    if plan.slow_syncs > 0 { 10 * SECOND } else { 5 * SECOND }
}

struct Run<'a> {
    seed: u64,
    plan: &'a Plan,
    world: World,
    nodes: Vec<Node>,
    oracle: Arc<Mutex<Oracle>>,
    died: Option<String>,
    crashes: u64,
    disks: u64,
    losses: u64,
    looks: u64,
}

fn addr(node: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, node as u8 + 1], 7_000))
}

/// Carries a plan out. `story`: whether what happens is to be told.
///
/// # Errors
/// The world cannot be made.
pub fn run(seed: u64, plan: &Plan, story: bool) -> anyhow::Result<Outcome> {
    let _planted = plant::plant(plan.plant.as_deref())?;
    let world = World::new(seed, plan.order, plan.turn, Net::new(seed, plan.calm));
    let mut nodes = Vec::new();
    for node in 0..plan.nodes {
        let id = NodeId::new(node as u64 + 1)?;
        let (drift_ppm, wall_offset) = plan.clocks.get(node).copied().unwrap_or_default();
        nodes.push(Node::new(id, tls::identity(id)?, Clock { drift_ppm, offset: 0, wall_offset }));
    }
    let oracle: Arc<Mutex<Oracle>> = Arc::default();
    {
        let mut oracle = look(&oracle);
        oracle.story.wanted = story;
        for (at, node) in nodes.iter().enumerate() {
            oracle.durable.disk(at, &node.disk);
        }
    }
    let mut run = Run { seed, plan, world, nodes, oracle, died: None, crashes: 0, disks: 0, losses: 0, looks: 0 };
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
            let node = &self.nodes[node];
            if node.running.is_some() && !node.stranger {
                look(&self.oracle).inputs.asked(node.offered - 9..=node.offered);
            }
        }
        self.converge("ten inputs of each node", self.world.now())?;
        Ok(converged)
    }

    fn tell(&self, node: Option<usize>, text: impl Into<String>) {
        let mut oracle = look(&self.oracle);
        oracle.story.now = self.world.now();
        oracle.story.tell(node, text.into());
    }

    /// Lets time pass, and looks after the nodes meanwhile.
    fn run_until(&mut self, end: Nanos) {
        while !self.is_over() {
            let next = end.min(self.world.now() + 20 * MS);
            look(&self.oracle).story.now = next;
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
        self.looks += 1;
        for node in 0..self.nodes.len() {
            let Some(running) = &self.nodes[node].running else { continue };
            let (process, id, asked) = (running.process, self.nodes[node].id, running.asked);
            if let Some(panic) = self.world.panic(process) {
                self.died = Some(format!("{id} has panicked: {panic}"));
                return;
            }
            let fault = look(&running.toy).fault.clone();
            if let Some(fault) = fault {
                match self.nodes[node].leave(&fault.to_string(), fault.contradicted) {
                    None => {
                        self.died = Some(format!("{id} has stopped: {fault}"));
                        return;
                    }
                    Some(leave) => self.leave(node, leave, &fault.to_string()),
                }
            } else if !self.world.runs(process) {
                if !asked {
                    self.died = Some(format!("{id} has ended, and nobody asked it to"));
                    return;
                }
                self.tell(Some(node), "has stopped");
                self.drop_running(node);
            } else if self.looks.is_multiple_of(5) {
                let _inside = enter(running.host.clone());
                let status = running.replica.status();
                let mut oracle = look(&self.oracle);
                let verdict = oracle.monotonic.handle(process, status.term.0, status.commit_raft_index);
                oracle.judge("monotonic", verdict.map_err(|what| format!("{id}: {what}")));
            }
        }
    }

    /// A node dies of what was done to it.
    fn leave(&mut self, node: usize, leave: Leave, why: &str) {
        self.tell(Some(node), format!("stops: {why}"));
        match leave {
            Leave::Disk => self.disks += 1,
            Leave::Swapped => {}
            Leave::ForGood => {
                self.losses += 1;
                self.nodes[node].out = true;
            }
        }
        self.crash(node);
    }

    fn act(&mut self, act: Act) {
        {
            let mut oracle = look(&self.oracle);
            oracle.story.now = self.world.now();
            oracle.story.act(&act);
        }
        if act.nodes().iter().any(|node| *node >= self.nodes.len()) {
            return;
        }
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
            Act::Starve(node, lane, time) => {
                if let Some(running) = &self.nodes[node].running {
                    let mut core = self.world.core();
                    let until = core.now + time;
                    core.starve(running.process, lane, until);
                }
            }
            Act::Cut(from, to) => self.world.core().net.set_cut(from, to, true),
            Act::Clog(from, to, time) => {
                let mut core = self.world.core();
                let until = core.now + time;
                core.net.clog(from, to, until);
            }
            Act::Open => self.world.core().net.heal(),
            Act::Weather(weather) => self.world.core().net.weather = weather,
            Act::Disk(node, changes) => self.nodes[node].disk.stop_after(changes),
            Act::BadSync(node, syncs) => self.nodes[node].disk.fail_sync_after(syncs),
            Act::Freeze(node, time) => {
                let mut core = self.world.core();
                let until = core.now + time;
                core.frozen.insert(node, until);
            }
            Act::Rot(node, kind, number) => self.rot(node, kind, number),
            Act::Wipe(node, found) => self.replace(node, None, found),
            Act::Keep(node) => {
                let held = &mut self.nodes[node];
                if held.founded && held.swapped.is_none() {
                    held.kept = Some((held.disk.copy(), held.life));
                }
            }
            Act::PutBack(node) => {
                if let Some((disk, life)) = self.nodes[node].kept.take()
                    && life < self.nodes[node].life
                {
                    self.replace(node, Some(disk), false);
                }
            }
            Act::Swap(one, other) => self.swap(one, other),
            Act::Jump(node, mono, wall) => {
                let held = &mut self.nodes[node];
                held.clock.offset += mono;
                held.clock.wall_offset += wall;
                if let Some(running) = &held.running {
                    self.world.core().processes[running.process].clock = held.clock;
                }
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
                steady_syncs: self.plan.steady_syncs.max(1),
                pipeline: self.plan.pipeline,
                ..Tuning::default()
            },
        }
    }

    fn owner(&self, node: usize) -> Owner {
        Owner { node: self.nodes[node].id, identity: identity() }
    }

    fn start(&mut self, node: usize) {
        let held = &mut self.nodes[node];
        if held.running.is_some() || held.out {
            return;
        }
        held.life += 1;
        let (life, clock, disk) = (held.life, held.clock, held.disk.clone());
        let process = self.world.process(node, life, clock);
        let pace = Pace {
            on_the_spot: self.plan.steady_syncs > 0,
            sync: self.plan.sync,
            slow: self.plan.slow_syncs,
            operation: 100_000,
        };
        let before = self.nodes[node].rotten.is_some().then(|| Logs::default().scan(self.owner(node), &disk));
        let witness = {
            let oracle = self.oracle.clone();
            Box::new(move |fact: &replicode_replication::host::Fact| look(&oracle).hears(node, fact))
        };
        let as_seen = planted(disk.clone(), self.plan.plant.as_deref());
        let host = SimHost::new(self.world.clone(), (process, node, life), as_seen, pace, self.seed, witness);
        self.world.set_host(process, host.clone());
        let (delivery, events) = channel(16, |_, _| Vec::new());
        let as_host: Arc<dyn Host> = host.clone();
        let _inside = enter(as_host.clone());
        match start_on(as_host, self.config(node), delivery) {
            Ok(replica) => {
                let toy = toy::Shared::default();
                toy::boot(&toy, &replica);
                let draws = Stream::new(self.seed, &[21, node as u64, life]);
                let (owner, effort) = (self.owner(node), self.plan.effort);
                let (oracle, shared) = (self.oracle.clone(), toy.clone());
                let seen = toy::Seen { oracle, owner, disk };
                host.machine(toy::drive(shared, seen, replica.clone(), events, host.clone(), effort, draws));
                self.nodes[node].running = Some(Running { process, host, replica, toy, asked: false });
                self.nodes[node].founded = true;
                if let Some(before) = before {
                    self.rotted_unnoticed(node, before);
                }
            }
            Err(error) => {
                self.world.kill(process);
                match self.nodes[node].leave(&error.to_string(), false) {
                    None => self.died = Some(format!("{} cannot be started: {error}", self.nodes[node].id)),
                    Some(leave) => self.leave(node, leave, &error.to_string()),
                }
            }
        }
    }

    fn drop_running(&mut self, node: usize) {
        let Some(running) = self.nodes[node].running.take() else { return };
        let _inside = enter(running.host.clone());
        self.world.kill(running.process);
        drop(running);
    }

    /// The power goes.
    fn crash(&mut self, node: usize) {
        self.drop_running(node);
        let held = &mut self.nodes[node];
        // Started again and again, it would be in a start that nobody has heard of before: that cannot be told from a node's own.
        held.out |= held.stranger;
        let mut dice = Dice(Stream::new(self.seed, &[20, node as u64, held.life]).draw());
        held.disk = held.disk.crash(&mut dice);
        self.look_at_disk(node);
    }

    /// Waits until all nodes have everything, for 30 seconds at most. Nodes that are down, or go down, are started.
    fn converge(&mut self, what: &str, since: Nanos) -> Result<(), String> {
        let mut led = false;
        loop {
            for node in 0..self.nodes.len() {
                self.start(node);
            }
            self.run_until(self.world.now() + 50 * MS);
            if self.is_over() || self.is_equal() {
                return Ok(());
            }
            led |= self.is_led();
            if !led && self.world.now() > since + patience(self.plan) {
                let what = format!(
                    "nobody has led for {} s after everything was healed; {}",
                    patience(self.plan) / SECOND,
                    self.picture()
                );
                look(&self.oracle).broken("L1", what);
                return Ok(());
            }
            if self.world.now() > since + 30 * SECOND {
                return Err(format!("{what}: not within 30 s; {}", self.picture()));
            }
        }
    }

    fn is_led(&self) -> bool {
        self.nodes.iter().filter_map(|node| node.running.as_ref()).any(|running| {
            let _inside = enter(running.host.clone());
            running.replica.status().role == Role::Leader
        })
    }

    fn is_equal(&self) -> bool {
        let agreed = look(&self.oracle).committed.len();
        self.nodes.iter().all(|node| {
            if node.out || node.stranger {
                return node.out || node.running.is_none();
            }
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
            for (at, node) in self.nodes.iter().enumerate() {
                if node.out || node.stranger {
                    held.push(Held::default());
                    continue;
                }
                let owner = self.owner(at);
                if let Err(why) = oracle.logs.scan(owner, &node.disk) {
                    oracle.broken("log matching", why);
                }
                match oracle.logs.scan(owner, &node.disk.synced()) {
                    Ok(log) => held.push(log),
                    Err(why) => oracle.broken("log matching", why),
                }
                let wrong = oracle.durable.wrong(at);
                oracle.judge("monotonic vote", wrong.map_or(Ok(()), |what| Err(format!("{}: {what}", node.id))));
                if let Some(running) = &node.running {
                    let numbers = look(&running.toy).numbers.clone();
                    let number = oracle.inputs.missing(&numbers);
                    missing = missing.or(number.map(|number| (node.id, number)));
                    let verdict = oracle.inputs.answers(&numbers);
                    oracle.judge("L5", verdict.map_err(|what| format!("{what} on {}", node.id)));
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
        let mut oracle = look(&self.oracle);
        let verdict = match (oracle.broken.clone(), self.died.clone(), stuck) {
            (Some(broken), ..) => Verdict::Broken(broken),
            (None, Some(died), _) => Verdict::Died(died),
            (None, None, Some(stuck)) => Verdict::Stuck(stuck),
            (None, None, None) => Verdict::Kept,
        };
        oracle.story.now = core.now;
        oracle.story.tell(None, verdict.to_string());
        let story = if oracle.story.wanted { oracle.story.print(self.nodes.len()) } else { String::new() };
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
            losses: self.losses,
            spots: core.spots,
            converged: converged.unwrap_or(0),
            story,
        }
    }
}
