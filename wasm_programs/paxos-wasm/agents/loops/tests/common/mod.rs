//! A process around an agent in which every call is written down and the cores say what the test wants.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use paxos_agents::ports::*;
use paxos_bindings::wit::core_types::{Execution, Sending};
use paxos_bindings::wit::messages::{Message, SlotReplies, Target};
use paxos_bindings::wit::network_types::{HelloConfig, NetworkCounters, NetworkLimits};
use paxos_bindings::wit::settings::{Batching, Limits, NodeAddresses, Settings, Timeouts};
use paxos_bindings::wit::types::{Durability, Endpoint, Role};

/// What the outside does and what it has seen.
#[derive(Default)]
pub struct Outside {
    /// Calls, in their order.
    pub calls: Vec<String>,
    /// Frames that peers have sent. A frame is one byte per message; the messages are in `messages`.
    pub inbox: Vec<(Endpoint, Vec<Message>)>,
    pub sent: Vec<(Vec<Endpoint>, Vec<Message>)>,
    pub requests: VecDeque<client_server::Intake>,
    pub answers: Vec<client_server::Answer>,
    /// Records in the storage at the start, how many are there now, how many are durable.
    pub records: Vec<Vec<u8>>,
    pub durable: u64,
    /// A flush makes everything durable at once.
    pub sync_at_once: bool,
    pub snapshot: Option<(u64, Vec<u8>)>,
    /// The lengths of the parts of the state that is taken.
    pub parts: VecDeque<usize>,
    pub durable_snapshot: u64,
    pub acceptor: VecDeque<acceptor::Outputs>,
    pub acceptor_inputs: Vec<acceptor::Inputs>,
    pub learner: VecDeque<learner::Outputs>,
    pub learner_inputs: Vec<learner::Inputs>,
    pub proposer: VecDeque<proposer::Outputs>,
    pub proposer_inputs: Vec<proposer::Inputs>,
    pub suspicions: VecDeque<Vec<failure_detector::Change>>,
    pub leaders: VecDeque<leader_detector::Outputs>,
    pub peers: Vec<Endpoint>,
    frames: Vec<Vec<Message>>,
}

#[derive(Clone, Default)]
pub struct Fake(pub Rc<RefCell<Outside>>);

impl Fake {
    fn note(&self, call: impl Into<String>) {
        self.0.borrow_mut().calls.push(call.into());
    }
    pub fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.0.borrow_mut().calls)
    }
}

pub fn settings(roles: &[Role]) -> Settings {
    let node = |node: u16| NodeAddresses {
        node,
        proposer: format!("p{node}"),
        acceptor: format!("a{node}"),
        learner: format!("l{node}"),
        client: format!("c{node}"),
    };
    Settings {
        cluster: "demo".into(),
        node: 1,
        roles: roles.to_vec(),
        nodes: vec![node(1), node(2), node(3)],
        batching: Batching { max_commands: 10, max_bytes: 1000, max_delay: 5 },
        window: 4,
        timeouts: Timeouts { heartbeat: 10, suspect: 100, phase: 200, retransmit: 50 },
        durability: Durability::Sync,
        snapshot_every: 100,
        limits: Limits {
            key_bytes: 10,
            value_bytes: 100,
            sessions: 10,
            connections: 10,
            queue_bytes: 10_000,
            frame_bytes: 100_000,
        },
        serializer: "compact".into(),
        data_dir: "data".into(),
        seed: 1,
    }
}

impl Host for Fake {
    fn log(&mut self, _: Level, text: &str) {
        self.note(format!("log {text}"));
    }
    fn crash_point(&mut self, name: &str) {
        self.note(format!("crash-point {name}"));
    }
    fn crash_points(&mut self) -> Vec<String> {
        vec!["acceptor-before-flush".into()]
    }
}

impl Storage for Fake {
    fn open(&mut self, dir: &str, _: &storage::Identity, _: Durability) -> Outcome<storage::Opened> {
        self.note(format!("open {dir}"));
        let outside = self.0.borrow();
        Ok(storage::Opened {
            incarnation: 7,
            fresh: outside.records.is_empty(),
            first: 1,
            next: outside.records.len() as u64 + 1,
            snapshot: outside.snapshot.as_ref().map_or(0, |(slot, _)| *slot),
            torn: String::new(),
        })
    }
    fn read(&mut self, start: u64, _: u32) -> Outcome<Vec<Vec<u8>>> {
        // At most two at a time, so that reading by parts is seen.
        let outside = self.0.borrow();
        Ok(outside.records.iter().skip(start as usize - 1).take(2).cloned().collect())
    }
    fn append(&mut self, records: &[Vec<u8>]) -> Outcome<u64> {
        self.note(format!("append {}", records.len()));
        let mut outside = self.0.borrow_mut();
        outside.records.extend_from_slice(records);
        Ok(outside.records.len() as u64)
    }
    fn flush(&mut self) -> Outcome<()> {
        self.note("flush");
        let mut outside = self.0.borrow_mut();
        if outside.sync_at_once {
            outside.durable = outside.records.len() as u64;
        }
        Ok(())
    }
    fn durable(&mut self) -> Outcome<storage::Progress> {
        let outside = self.0.borrow();
        Ok(storage::Progress { position: outside.durable, snapshot: outside.durable_snapshot })
    }
    fn truncate(&mut self, upto: u64) -> Outcome<()> {
        self.note(format!("truncate {upto}"));
        Ok(())
    }
    fn begin_snapshot(&mut self, slot: u64) -> Outcome<()> {
        self.note(format!("begin-snapshot {slot}"));
        Ok(())
    }
    fn add_to_snapshot(&mut self, bytes: &[u8]) -> Outcome<()> {
        self.note(format!("add-to-snapshot {}", bytes.len()));
        Ok(())
    }
    fn finish_snapshot(&mut self) -> Outcome<()> {
        self.note("finish-snapshot");
        Ok(())
    }
    fn load_snapshot(&mut self, offset: u64, _: u32) -> Outcome<Option<storage::SnapshotPart>> {
        let outside = self.0.borrow();
        Ok(outside.snapshot.as_ref().map(|(slot, bytes)| {
            let from = offset as usize;
            let part = &bytes[from..bytes.len().min(from + 3)];
            storage::SnapshotPart { slot: *slot, total: bytes.len() as u64, bytes: part.to_vec() }
        }))
    }
    fn close(&mut self) -> Outcome<()> {
        self.note("close");
        Ok(())
    }
}

impl Network for Fake {
    fn configure_form(&mut self, name: &str) -> Outcome<()> {
        self.note(format!("form {name}"));
        Ok(())
    }
    fn encode(&mut self, frames: &[Vec<Message>]) -> Vec<Vec<u8>> {
        let mut outside = self.0.borrow_mut();
        let start = outside.frames.len();
        outside.frames.extend_from_slice(frames);
        (start..outside.frames.len()).map(|n| n.to_le_bytes().to_vec()).collect()
    }
    fn decode(&mut self, frames: &[Vec<u8>]) -> Vec<Result<Vec<Message>, String>> {
        let outside = self.0.borrow();
        frames
            .iter()
            .map(|frame| {
                let n = usize::from_le_bytes(frame.as_slice().try_into().map_err(|_| "no frame".to_string())?);
                outside.frames.get(n).cloned().ok_or("no such frame".to_string())
            })
            .collect()
    }
    fn listen(&mut self, address: &str, hello: &HelloConfig, _: NetworkLimits) -> Outcome<()> {
        self.note(format!("listen {address} incarnation {}", hello.incarnation));
        Ok(())
    }
    fn receive(&mut self, _: u64, _: u32) -> network_server::Intake {
        let inbox = std::mem::take(&mut self.0.borrow_mut().inbox);
        let (senders, messages): (Vec<Endpoint>, Vec<Vec<Message>>) = inbox.into_iter().unzip();
        let mut frames: Vec<Vec<u8>> = self.encode(&messages);
        for (frame, messages) in frames.iter_mut().zip(&messages) {
            // An empty list stands for garbage.
            if messages.is_empty() {
                *frame = vec![1, 2, 3];
            }
        }
        let received = senders.into_iter().zip(frames);
        network_server::Intake {
            frames: received.map(|(sender, frame)| network_server::Received { sender, frame }).collect(),
            more: false,
            notes: Vec::new(),
        }
    }
    fn connect_to(
        &mut self,
        peers: &[network_client::Peer],
        _: &HelloConfig,
        _: NetworkLimits,
        _: network_client::BackOff,
    ) -> Outcome<()> {
        self.0.borrow_mut().peers = peers.iter().map(|peer| peer.endpoint).collect();
        Ok(())
    }
    fn send(&mut self, parcels: &[network_client::Parcel]) {
        self.note(format!("send {}", parcels.len()));
        for parcel in parcels {
            let messages = self.decode(std::slice::from_ref(&parcel.frame)).remove(0).expect("a frame of ours");
            self.0.borrow_mut().sent.push((parcel.to.clone(), messages));
        }
    }
    fn pump(&mut self, _: u64) -> network_client::Pumped {
        network_client::Pumped { deadline: None, up: Vec::new(), notes: Vec::new() }
    }
    fn counters(&mut self) -> (NetworkCounters, NetworkCounters) {
        (no_counters(), no_counters())
    }
    fn close_network(&mut self) {}
}

fn no_counters() -> NetworkCounters {
    NetworkCounters {
        frames_in: 0,
        bytes_in: 0,
        reads: 0,
        frames_out: 0,
        bytes_out: 0,
        writes: 0,
        shed: 0,
        connections: 0,
        refused: 0,
    }
}

impl Clients for Fake {
    fn listen_clients(&mut self, address: &str, _: &str, _: NetworkLimits) -> Outcome<()> {
        self.note(format!("clients {address}"));
        Ok(())
    }
    fn requests(&mut self, _: u64, max_bytes: u32) -> client_server::Intake {
        self.note(format!("requests {}", max_bytes > 0));
        let nothing =
            client_server::Intake { requests: Vec::new(), closed: Vec::new(), more: false, notes: Vec::new() };
        if max_bytes == 0 { nothing } else { self.0.borrow_mut().requests.pop_front().unwrap_or(nothing) }
    }
    fn reply(&mut self, replies: &[client_server::Answer]) {
        self.0.borrow_mut().answers.extend_from_slice(replies);
    }
    fn client_counters(&mut self) -> NetworkCounters {
        no_counters()
    }
    fn close_clients(&mut self) {}
}

impl AcceptorCore for Fake {
    fn configure(&mut self, config: &acceptor::Config) -> Outcome<()> {
        self.note(format!("configure {}", config.incarnation));
        Ok(())
    }
    fn recover(&mut self, first: u64, records: &[Vec<u8>]) -> Outcome<()> {
        self.note(format!("recover {first} {}", records.len()));
        Ok(())
    }
    fn step(&mut self, _: u64, inputs: &acceptor::Inputs) -> Outcome<acceptor::Outputs> {
        self.note(format!("step durable {}", inputs.durable));
        let mut outside = self.0.borrow_mut();
        outside.acceptor_inputs.push(inputs.clone());
        Ok(outside.acceptor.pop_front().unwrap_or_else(no_acceptor_outputs))
    }
    fn stand(&mut self) -> acceptor::Standing {
        unreachable!("not asked for in tests")
    }
}

impl LearnerCore for Fake {
    fn configure(&mut self, config: &learner::Config, snapshot: &[u8]) -> Outcome<()> {
        self.note(format!("configure {} {}", config.snapshot, snapshot.len()));
        Ok(())
    }
    fn step(&mut self, _: u64, inputs: &learner::Inputs) -> Outcome<learner::Outputs> {
        let mut outside = self.0.borrow_mut();
        outside.learner_inputs.push(inputs.clone());
        let nothing = learner::Outputs { actions: Vec::new(), send: Vec::new(), deadline: Some(77) };
        Ok(outside.learner.pop_front().unwrap_or(nothing))
    }
    fn stand(&mut self) -> learner::Standing {
        unreachable!("not asked for in tests")
    }
}

impl Kv for Fake {
    fn configure_store(&mut self, _: kv_store::Config) -> Outcome<()> {
        Ok(())
    }
    fn apply(&mut self, slots: &[Execution]) -> Outcome<Vec<SlotReplies>> {
        self.note(format!("apply {:?}", slots.iter().map(|slot| slot.slot).collect::<Vec<_>>()));
        Ok(Vec::new())
    }
    fn begin_state(&mut self) -> kv_store::Begun {
        self.note("begin");
        kv_store::Begun { slot: 5, total: 50 }
    }
    fn state_part(&mut self) -> Outcome<Vec<u8>> {
        self.note("part");
        Ok(self.0.borrow_mut().parts.pop_front().map_or_else(Vec::new, |len| vec![5; len]))
    }
    fn restore(&mut self, slot: u64, bytes: &[u8]) -> Outcome<()> {
        self.note(format!("restore {slot} {}", bytes.len()));
        Ok(())
    }
    fn stand_store(&mut self) -> kv_store::Standing {
        unreachable!("not asked for in tests")
    }
}

impl ProposerCore for Fake {
    fn configure(&mut self, config: &proposer::Config) -> Outcome<()> {
        self.note(format!("configure window {}", config.window));
        Ok(())
    }
    fn recover(&mut self, first: u64, records: &[Vec<u8>]) -> Outcome<()> {
        self.note(format!("recover {first} {}", records.len()));
        Ok(())
    }
    fn step(&mut self, _: u64, inputs: &proposer::Inputs) -> Outcome<proposer::Outputs> {
        let mut outside = self.0.borrow_mut();
        outside.proposer_inputs.push(inputs.clone());
        Ok(outside.proposer.pop_front().unwrap_or_else(no_proposer_outputs))
    }
    fn stand(&mut self) -> proposer::Standing {
        unreachable!("not asked for in tests")
    }
}

impl Detectors for Fake {
    fn configure_failures(&mut self, _: &failure_detector::Config, _: u64) -> Outcome<()> {
        Ok(())
    }
    fn step_failures(&mut self, now: u64, heard: &[failure_detector::Sign]) -> failure_detector::Outputs {
        let heard: Vec<(u16, u64)> = heard.iter().map(|sign| (sign.node, sign.life)).collect();
        self.note(format!("heard {heard:?}"));
        let changes = self.0.borrow_mut().suspicions.pop_front().unwrap_or_default();
        failure_detector::Outputs { changes, deadline: Some(now + 100) }
    }
    fn configure_leader(&mut self, _: &leader_detector::Config) -> Outcome<()> {
        Ok(())
    }
    fn step_leader(&mut self, inputs: &[leader_detector::Input]) -> leader_detector::Outputs {
        self.note(format!("leader? {}", inputs.len()));
        let nobody = leader_detector::Outputs { leader: None, follows: None, majority: false };
        self.0.borrow_mut().leaders.pop_front().unwrap_or(nobody)
    }
}

pub fn no_acceptor_outputs() -> acceptor::Outputs {
    acceptor::Outputs { stop: None, append: Vec::new(), send: Vec::new(), truncate: 0, full: false, deadline: Some(77) }
}

pub fn no_proposer_outputs() -> proposer::Outputs {
    proposer::Outputs {
        append: Vec::new(),
        truncate: 0,
        send: Vec::new(),
        answers: Vec::new(),
        claim: None,
        accepting: true,
        deadline: Some(77),
    }
}

pub fn sending(to: Target, message: Message) -> Sending {
    Sending { to, message }
}
