//! The ports as a component has them: each call goes to the import of its interface.

use crate::ports::*;
use paxos_bindings::poll::Pollable;
use paxos_bindings::wit::agent_types::Pollables;
use paxos_bindings::wit::core_types::Execution;
use paxos_bindings::wit::messages::{Message, SlotReplies};
use paxos_bindings::wit::network_types::{HelloConfig, NetworkCounters, NetworkLimits};
use paxos_bindings::wit::types::{Durability, Role};
use paxos_imports::call;

/// The imports of a component, used as a role.
#[derive(Clone, Copy, Debug)]
pub struct Imported(pub Role);

impl Host for Imported {
    fn log(&mut self, level: Level, text: &str) {
        call::host_control::log(level, text);
    }
    fn crash_point(&mut self, name: &str) {
        call::host_control::crash_point(name);
    }
    fn crash_points(&mut self) -> Vec<String> {
        call::host_control::crash_points()
    }
}

impl Storage for Imported {
    fn open(&mut self, dir: &str, identity: &storage::Identity, durability: Durability) -> Outcome<storage::Opened> {
        call::storage::open(dir, identity, durability)
    }
    fn read(&mut self, start: u64, max_bytes: u32) -> Outcome<Vec<Vec<u8>>> {
        call::storage::read(self.0, start, max_bytes)
    }
    fn append(&mut self, records: &[Vec<u8>]) -> Outcome<u64> {
        call::storage::append(self.0, records)
    }
    fn flush(&mut self) -> Outcome<()> {
        call::storage::flush(self.0)
    }
    fn durable(&mut self) -> Outcome<storage::Progress> {
        call::storage::durable(self.0)
    }
    fn truncate(&mut self, upto: u64) -> Outcome<()> {
        call::storage::truncate(self.0, upto)
    }
    fn begin_snapshot(&mut self, slot: u64) -> Outcome<()> {
        call::storage::begin_snapshot(self.0, slot)
    }
    fn add_to_snapshot(&mut self, bytes: &[u8]) -> Outcome<()> {
        call::storage::add_to_snapshot(self.0, bytes)
    }
    fn finish_snapshot(&mut self) -> Outcome<()> {
        call::storage::finish_snapshot(self.0)
    }
    fn load_snapshot(&mut self, offset: u64, max_bytes: u32) -> Outcome<Option<storage::SnapshotPart>> {
        call::storage::load_snapshot(self.0, offset, max_bytes)
    }
    fn close(&mut self) -> Outcome<()> {
        call::storage::close(self.0)
    }
}

impl Network for Imported {
    fn configure_form(&mut self, name: &str) -> Outcome<()> {
        call::serializer::configure(name)
    }
    fn encode(&mut self, frames: &[Vec<Message>]) -> Vec<Vec<u8>> {
        call::serializer::encode(frames)
    }
    fn decode(&mut self, frames: &[Vec<u8>]) -> Vec<Result<Vec<Message>, String>> {
        call::serializer::decode(frames)
    }
    fn listen(&mut self, address: &str, hello: &HelloConfig, limits: NetworkLimits) -> Outcome<()> {
        call::network_server::listen(address, hello, limits)
    }
    fn receive(&mut self, now: u64, max_bytes: u32) -> network_server::Intake {
        call::network_server::receive(self.0, now, max_bytes)
    }
    fn connect_to(
        &mut self,
        peers: &[network_client::Peer],
        hello: &HelloConfig,
        limits: NetworkLimits,
        back_off: network_client::BackOff,
    ) -> Outcome<()> {
        call::network_client::connect_to(peers, hello, limits, back_off)
    }
    fn send(&mut self, parcels: &[network_client::Parcel]) {
        call::network_client::send(self.0, parcels);
    }
    fn pump(&mut self, now: u64) -> network_client::Pumped {
        call::network_client::pump(self.0, now)
    }
    fn counters(&mut self) -> (NetworkCounters, NetworkCounters) {
        (call::network_server::counters(self.0), call::network_client::counters(self.0))
    }
    fn close_network(&mut self) {
        call::network_server::close(self.0);
        call::network_client::close(self.0);
    }
}

impl Clients for Imported {
    fn listen_clients(&mut self, address: &str, cluster: &str, limits: NetworkLimits) -> Outcome<()> {
        call::client_server::listen(address, cluster, limits)
    }
    fn requests(&mut self, now: u64, max_bytes: u32) -> client_server::Intake {
        call::client_server::requests(now, max_bytes)
    }
    fn reply(&mut self, replies: &[client_server::Answer]) {
        call::client_server::reply(replies);
    }
    fn client_counters(&mut self) -> NetworkCounters {
        call::client_server::counters()
    }
    fn close_clients(&mut self) {
        call::client_server::close();
    }
}

impl AcceptorCore for Imported {
    fn configure(&mut self, config: &acceptor::Config) -> Outcome<()> {
        call::acceptor::configure(config)
    }
    fn recover(&mut self, first: u64, records: &[Vec<u8>]) -> Outcome<()> {
        call::acceptor::recover(first, records)
    }
    fn step(&mut self, now: u64, inputs: &acceptor::Inputs) -> Outcome<acceptor::Outputs> {
        call::acceptor::step(now, inputs)
    }
    fn stand(&mut self) -> acceptor::Standing {
        call::acceptor::stand()
    }
}

impl LearnerCore for Imported {
    fn configure(&mut self, config: &learner::Config, snapshot: &[u8]) -> Outcome<()> {
        call::learner::configure(config, snapshot)
    }
    fn step(&mut self, now: u64, inputs: &learner::Inputs) -> Outcome<learner::Outputs> {
        call::learner::step(now, inputs)
    }
    fn stand(&mut self) -> learner::Standing {
        call::learner::stand()
    }
}

impl Kv for Imported {
    fn configure_store(&mut self, config: kv_store::Config) -> Outcome<()> {
        call::kv_store::configure(config)
    }
    fn apply(&mut self, slots: &[Execution]) -> Outcome<Vec<SlotReplies>> {
        call::kv_store::apply(slots)
    }
    fn begin_state(&mut self) -> kv_store::Begun {
        call::kv_store::begin_snapshot()
    }
    fn state_part(&mut self) -> Outcome<Vec<u8>> {
        call::kv_store::snapshot_part()
    }
    fn restore(&mut self, slot: u64, bytes: &[u8]) -> Outcome<()> {
        call::kv_store::restore(slot, bytes)
    }
    fn stand_store(&mut self) -> kv_store::Standing {
        call::kv_store::stand()
    }
}

impl ProposerCore for Imported {
    fn configure(&mut self, config: &proposer::Config) -> Outcome<()> {
        call::proposer::configure(config)
    }
    fn recover(&mut self, first: u64, records: &[Vec<u8>]) -> Outcome<()> {
        call::proposer::recover(first, records)
    }
    fn step(&mut self, now: u64, inputs: &proposer::Inputs) -> Outcome<proposer::Outputs> {
        call::proposer::step(now, inputs)
    }
    fn stand(&mut self) -> proposer::Standing {
        call::proposer::stand()
    }
}

impl Detectors for Imported {
    fn configure_failures(&mut self, config: &failure_detector::Config, now: u64) -> Outcome<()> {
        call::failure_detector::configure(config, now)
    }
    fn step_failures(&mut self, now: u64, heard: &[failure_detector::Sign]) -> failure_detector::Outputs {
        call::failure_detector::step(now, heard)
    }
    fn configure_leader(&mut self, config: &leader_detector::Config) -> Outcome<()> {
        call::leader_detector::configure(config)
    }
    fn step_leader(&mut self, inputs: &[leader_detector::Input]) -> leader_detector::Outputs {
        call::leader_detector::step(inputs)
    }
}

/// What an agent's runner is to wait for from now on: of its sources, in an order that never changes, those that have changed.
pub fn changed<const N: usize>(sources: [Option<Vec<Pollable>>; N]) -> Vec<Pollables> {
    let changed = (0u8..).zip(sources);
    changed.filter_map(|(source, new)| new.map(|ready_when| Pollables { source, ready_when })).collect()
}
