//! The `sequenced` profile: everything of a node but consensus, under a stand-in that orders batches.
//!
//! ```text
//! client ── tcp ──> nat::client ─> outgoing ──> [ sequencer ] ──> log on a disk ──> core: machine ─> nat::client ── tcp ──> client
//! ```
//!
//! Most of what can go wrong for a client goes wrong between a batch and its socket; here that costs no consensus. Faults, then
//! everything is healed; within 30 seconds all nodes must have executed the same and each client must have had two more
//! connections that came to their end. Then every disk is read, and the history is executed once more on a fresh machine.
//!
//! | module | it is |
//! |---|---|
//! | [`plan`] | a run as data |
//! | [`client`] | a client and what it knows |
//! | [`guest`] | the cell's programs |
//! | [`node`] | a node as it is, between two queues |
//! | [`sequencer`] | the stand-in |
//! | `serving` | a node looked after: batches, deeds, sockets |
//! | `happening` | what happens, and what follows for whom |
//! | `talking` | a client's end of its connection |

pub mod client;
pub mod guest;
mod happening;
pub mod node;
pub mod plan;
pub mod sequencer;
mod serving;
mod talking;

use crate::checkers::Broken;
use crate::checkers::digests::Digests;
use crate::checkers::logs::identity;
use crate::checkers::streams::Streams;
use crate::outcome::Verdict;
use crate::plan::{MS, SECOND};
use crate::world::executor::Nanos;
use crate::world::seeds::{Stream, Trace};
use crate::world::tcp;
use client::Client;
use guest::{PROGRAMS, Scripts};
use happening::Event;
use node::{Node, Shared};
use plan::{Plan, Step};
use replicode_log::{Batch, ConnId, FsImage, NodeId, Service};
use replicode_machine::Machine;
use replicode_nat::client::Slot;
use replicode_store::segment::Owner;
use replicode_store::sim_disk::SimDisk;
use replicode_store::{Disk, LogOptions};
use sequencer::Sequencer;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

/// What happened in a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How it ended.
    pub verdict: Verdict,
    /// Hash of everything that was decided.
    pub trace: u64,
    /// Virtual time.
    pub time: Nanos,
    /// Events.
    pub events: u64,
    /// Batches.
    pub batches: u64,
    /// Batches executed, on all nodes.
    pub executed: u64,
    /// Connections that clients made.
    pub connections: u64,
    /// Of these, how many came to their end.
    pub finished: u64,
    /// Bytes that clients read.
    pub bytes: u64,
    /// Crashes.
    pub crashes: u64,
    /// Disks that failed.
    pub disks: u64,
    /// Boots that were granted.
    pub boots: u64,
    /// How long it took to converge.
    pub converged: Nanos,
}

/// A connection.
struct Tcp {
    client: usize,
    node: usize,
    run: u64,
    /// Its place at the node, once it was taken, as long as that holds it.
    slot: Option<Slot>,
    conn: Option<ConnId>,
    to_node: tcp::Stream,
    to_client: tcp::Stream,
    /// Neither end cares any more.
    over: bool,
    /// The node found no room.
    full: bool,
    one_byte: bool,
}

struct World<'a> {
    plan: &'a Plan,
    shared: Shared,
    now: Nanos,
    queue: BinaryHeap<Reverse<(Nanos, u64, Event)>>,
    number: u64,
    nodes: Vec<Node>,
    clients: Vec<Client>,
    tcps: Vec<Tcp>,
    sequencer: Sequencer,
    /// News and inputs keep their order on their way.
    ways: Vec<(Nanos, Nanos)>,
    draws: Stream,
    trace: Trace,
    digests: Digests,
    streams: Streams,
    verdict: Option<Verdict>,
    healed: bool,
    events: u64,
    executed: u64,
    crashes: u64,
    disks: u64,
    boots: u64,
}

/// Carries a plan out.
///
/// # Errors
/// The world cannot be made.
pub fn run(seed: u64, plan: &Plan) -> anyhow::Result<Outcome> {
    let ids: Vec<NodeId> = (1..=plan.nodes as u64).map(NodeId::new).collect::<Result<_, _>>()?;
    let config = guest::config(ids.clone(), plan.windows.0, plan.windows.1);
    let service = |(name, _): &(&str, guest::Kind)| Arc::new(Service { process: (*name).into(), port: 7 });
    let services = PROGRAMS.iter().map(service).collect();
    let sequencer = Sequencer::new(seed, plan, config.digest());
    let node = |id| Node {
        id,
        disk: SimDisk::new(),
        up: None,
        starts: 0,
        founded: false,
        failing: false,
        dead: false,
        paused: 0,
        cut: None,
        heard: 0,
    };
    let clients = plan.clients.iter().enumerate();
    let mut world = World {
        plan,
        shared: Shared { config, services },
        now: 0,
        queue: BinaryHeap::new(),
        number: 0,
        nodes: ids.into_iter().map(node).collect(),
        clients: clients.map(|(number, manner)| Client::new(seed, number as u64, *manner)).collect(),
        tcps: Vec::new(),
        sequencer,
        ways: vec![(0, 0); plan.nodes],
        draws: Stream::new(seed, &[46]),
        trace: Trace::default(),
        digests: Digests::default(),
        streams: Streams::default(),
        verdict: None,
        healed: false,
        events: 0,
        executed: 0,
        crashes: 0,
        disks: 0,
        boots: 0,
    };
    let converged = world.carry_out();
    Ok(world.finish(converged))
}

impl World<'_> {
    fn carry_out(&mut self) -> Nanos {
        for client in 0..self.clients.len() {
            self.wake_client(client, self.clients[client].again);
        }
        self.at(100 * MS, Event::Watch);
        for Step { at, act } in &self.plan.steps {
            self.run_until(*at);
            self.act(*act);
        }
        self.run_until(self.plan.faulty);
        self.heal();
        let healed = self.now;
        while self.verdict.is_none() && !self.is_settled() {
            if self.now > healed + 30 * SECOND {
                self.verdict = Some(Verdict::Stuck(format!("not within 30 s: {}", self.picture())));
            }
            for node in 0..self.nodes.len() {
                self.start(node);
            }
            self.run_until(self.now + 50 * MS);
        }
        self.now - healed
    }

    fn run_until(&mut self, end: Nanos) {
        while self.verdict.is_none()
            && let Some(Reverse((at, ..))) = self.queue.peek()
            && *at <= end
        {
            let Some(Reverse((at, _, event))) = self.queue.pop() else { return };
            self.now = at;
            self.events += 1;
            self.trace.note(event.kind(), at, event.about());
            self.happens(event);
        }
        if self.verdict.is_none() {
            self.now = end;
        }
    }

    fn at(&mut self, at: Nanos, event: Event) {
        self.number += 1;
        self.queue.push(Reverse((at.max(self.now), self.number, event)));
    }

    fn broken(&mut self, promise: &'static str, what: String) {
        self.verdict.get_or_insert(Verdict::Broken(Broken { promise: promise.into(), what }));
    }

    fn judge(&mut self, promise: &'static str, verdict: Result<(), String>) {
        if let Err(what) = verdict {
            self.broken(promise, what);
        }
    }

    /// Ends all faults. Clients hurry, and have to come to the end of two connections each.
    fn heal(&mut self) {
        self.healed = true;
        for node in 0..self.nodes.len() {
            if self.nodes[node].failing {
                self.disks += 1;
                self.crash(node);
            }
            self.nodes[node].paused = 0;
            self.uncut(node);
            self.start(node);
        }
        for client in 0..self.clients.len() {
            self.clients[client].hurried = true;
            self.clients[client].done = 0;
            self.wake_client(client, self.now);
        }
    }

    fn is_settled(&self) -> bool {
        let history = self.sequencer.history.len() as u64;
        let idle = |node: &Node| {
            let Some(up) = &node.up else { return false };
            up.applied().0 == history && up.durable == history && up.core.boot().granted().is_some()
        };
        let clients = self.clients.iter().all(|client| client.done >= 2);
        clients && self.nodes.iter().all(idle)
    }

    fn picture(&self) -> String {
        let node = |node: &Node| match &node.up {
            None => format!("{}: down", node.id),
            Some(up) => format!(
                "{}: applied {}, agreed {}, durable {} of {}, boot {:?}, {} bytes to go, {} clients",
                node.id,
                up.applied(),
                up.agreed,
                up.durable,
                up.log.len(),
                up.core.boot().granted(),
                up.outgoing.bytes(),
                up.clients.len()
            ),
        };
        let nodes: Vec<_> = self.nodes.iter().map(node).collect();
        let waiting = self.clients.iter().enumerate().filter(|(_, client)| client.done < 2);
        let waiting: Vec<_> = waiting.map(|(number, client)| format!("client {number}: {:?}", client.talk)).collect();
        format!("{}; {} batches; {}", nodes.join("; "), self.sequencer.history.len(), waiting.join("; "))
    }

    /// Reads every disk, and executes history once more, on a machine that keeps its calls.
    fn scan(&mut self) {
        let (history, agreed, mut holders) = (&self.sequencer.history, self.sequencer.agreed, 0);
        let options = LogOptions { found: false, incarnation: [0; 16], segment_bytes: 1 << 16, cache_bytes: 0 };
        let mut bad = Vec::new();
        for node in &self.nodes {
            let owner = Owner { node: node.id, identity: identity() };
            let disk: Arc<dyn Disk> = Arc::new(node.disk.copy());
            match node::read(&disk, owner, &options, history) {
                Ok((_, log)) if log[..] == history[..log.len().min(history.len())] => {
                    holders += usize::from(log.len() as u64 >= agreed);
                }
                Ok(_) => bad.push(format!("the log of {} is not what was agreed on", node.id)),
                Err(error) => bad.push(format!("the log of {} cannot be read: {error}", node.id)),
            }
        }
        bad.into_iter().for_each(|why| self.broken("S4", why));
        if holders <= self.nodes.len() / 2 {
            self.broken("S4", format!("{agreed} batches are agreed on, and on {holders} disks only"));
        }
        let Ok(mut machine) = Machine::new(&self.shared.config, &FsImage::default(), Scripts) else { return };
        machine.set_recording(replicode_syscalls::Recording::Trace);
        let mut digest = None;
        for (encoded, content) in self.sequencer.history.iter().take(agreed as usize) {
            let applied = Batch::decode(encoded).ok().and_then(|batch| machine.apply(batch, *content).ok());
            let Some(applied) = applied else { return self.broken("S9", "history cannot be executed again".into()) };
            machine.take_trace();
            digest = Some(applied.digest);
        }
        if digest != self.digests.last() {
            self.broken("S9", "history comes to something else on a fresh machine".into());
        }
    }

    fn finish(mut self, converged: Nanos) -> Outcome {
        if self.verdict.is_none() {
            self.scan();
        }
        let sum = |of: fn(&Client) -> u64| self.clients.iter().map(of).sum();
        Outcome {
            verdict: self.verdict.clone().unwrap_or(Verdict::Kept),
            trace: self.trace.0,
            time: self.now,
            events: self.events,
            batches: self.sequencer.history.len() as u64,
            executed: self.executed,
            connections: self.tcps.len() as u64,
            finished: sum(|client| client.finished),
            bytes: sum(|client| client.read),
            crashes: self.crashes,
            disks: self.disks,
            boots: self.boots,
            converged,
        }
    }
}
