//! What the loops ask of the rest of a process. One trait per interface of `shared/wit`, in its words.

use paxos_bindings::wit::core_types::Execution;
use paxos_bindings::wit::network_types::{HelloConfig, NetworkCounters, NetworkLimits};
use paxos_bindings::wit::types::{Durability, Endpoint, Fault, Role};
use paxos_bindings::wit::{messages::Message, types};
use paxos_imports::call;

pub use call::host_control::Level;
pub use call::{acceptor, client_server, failure_detector, kv_store, leader_detector, learner, proposer};
pub use call::{network_client, network_server, storage};

/// What a call gives.
pub type Outcome<T> = Result<T, Fault>;

/// `host-control`, as far as an agent needs it.
pub trait Host {
    /// A line for the log.
    fn log(&mut self, level: Level, text: &str);
    /// A named place at which the process may be told to die.
    fn crash_point(&mut self, name: &str);
    /// The crash points that are set.
    fn crash_points(&mut self) -> Vec<String>;
}

/// `storage`, of one role.
pub trait Storage {
    /// See the interface.
    fn open(&mut self, dir: &str, identity: &storage::Identity, durability: Durability) -> Outcome<storage::Opened>;
    /// See the interface.
    fn read(&mut self, start: u64, max_bytes: u32) -> Outcome<Vec<Vec<u8>>>;
    /// See the interface.
    fn append(&mut self, records: &[Vec<u8>]) -> Outcome<u64>;
    /// See the interface.
    fn flush(&mut self) -> Outcome<()>;
    /// See the interface.
    fn durable(&mut self) -> Outcome<storage::Progress>;
    /// See the interface.
    fn truncate(&mut self, upto: u64) -> Outcome<()>;
    /// See the interface.
    fn begin_snapshot(&mut self, slot: u64) -> Outcome<()>;
    /// See the interface.
    fn add_to_snapshot(&mut self, bytes: &[u8]) -> Outcome<()>;
    /// See the interface.
    fn finish_snapshot(&mut self) -> Outcome<()>;
    /// See the interface.
    fn load_snapshot(&mut self, offset: u64, max_bytes: u32) -> Outcome<Option<storage::SnapshotPart>>;
    /// See the interface.
    fn close(&mut self) -> Outcome<()>;
}

/// `network-server`, `network-client` and `serializer`, of one role.
pub trait Network {
    /// See `serializer.configure`.
    fn configure_form(&mut self, name: &str) -> Outcome<()>;
    /// See `serializer.encode`.
    fn encode(&mut self, frames: &[Vec<Message>]) -> Vec<Vec<u8>>;
    /// See `serializer.decode`.
    fn decode(&mut self, frames: &[Vec<u8>]) -> Vec<Result<Vec<Message>, String>>;
    /// See `network-server.listen`.
    fn listen(&mut self, address: &str, hello: &HelloConfig, limits: NetworkLimits) -> Outcome<()>;
    /// See `network-server.receive`.
    fn receive(&mut self, now: types::Instant, max_bytes: u32) -> network_server::Intake;
    /// See `network-client.connect-to`.
    fn connect_to(
        &mut self,
        peers: &[network_client::Peer],
        hello: &HelloConfig,
        limits: NetworkLimits,
        back_off: network_client::BackOff,
    ) -> Outcome<()>;
    /// See `network-client.send`.
    fn send(&mut self, parcels: &[network_client::Parcel]);
    /// See `network-client.pump`.
    fn pump(&mut self, now: types::Instant) -> network_client::Pumped;
    /// Of server and client.
    fn counters(&mut self) -> (NetworkCounters, NetworkCounters);
    /// Ends all connections.
    fn close_network(&mut self);
}

/// `client-server`.
pub trait Clients {
    /// See the interface.
    fn listen_clients(&mut self, address: &str, cluster: &str, limits: NetworkLimits) -> Outcome<()>;
    /// See the interface.
    fn requests(&mut self, now: types::Instant, max_bytes: u32) -> client_server::Intake;
    /// See the interface.
    fn reply(&mut self, replies: &[client_server::Answer]);
    /// See the interface.
    fn client_counters(&mut self) -> NetworkCounters;
    /// Ends all connections.
    fn close_clients(&mut self);
}

/// The acceptor's core.
pub trait AcceptorCore {
    /// See the interface.
    fn configure(&mut self, config: &acceptor::Config) -> Outcome<()>;
    /// See the interface.
    fn recover(&mut self, first: u64, records: &[Vec<u8>]) -> Outcome<()>;
    /// See the interface.
    fn step(&mut self, now: types::Instant, inputs: &acceptor::Inputs) -> Outcome<acceptor::Outputs>;
    /// See the interface.
    fn stand(&mut self) -> acceptor::Standing;
}

/// The learner's core.
pub trait LearnerCore {
    /// See `learner.configure`.
    fn configure(&mut self, config: &learner::Config, snapshot: &[u8]) -> Outcome<()>;
    /// See `learner.step`.
    fn step(&mut self, now: types::Instant, inputs: &learner::Inputs) -> Outcome<learner::Outputs>;
    /// See `learner.stand`.
    fn stand(&mut self) -> learner::Standing;
}

/// The kv-store.
pub trait Kv {
    /// See `kv-store.configure`.
    fn configure_store(&mut self, config: kv_store::Config) -> Outcome<()>;
    /// See `kv-store.apply`.
    fn apply(&mut self, slots: &[Execution]) -> Outcome<Vec<paxos_bindings::wit::messages::SlotReplies>>;
    /// See `kv-store.begin-snapshot`.
    fn begin_state(&mut self) -> kv_store::Begun;
    /// See `kv-store.snapshot-part`.
    fn state_part(&mut self) -> Outcome<Vec<u8>>;
    /// See `kv-store.restore`.
    fn restore(&mut self, slot: u64, bytes: &[u8]) -> Outcome<()>;
    /// See `kv-store.stand`.
    fn stand_store(&mut self) -> kv_store::Standing;
}

/// The proposer's core.
pub trait ProposerCore {
    /// See `proposer.configure`.
    fn configure(&mut self, config: &proposer::Config) -> Outcome<()>;
    /// See `proposer.recover`.
    fn recover(&mut self, first: u64, records: &[Vec<u8>]) -> Outcome<()>;
    /// See `proposer.step`.
    fn step(&mut self, now: types::Instant, inputs: &proposer::Inputs) -> Outcome<proposer::Outputs>;
    /// See `proposer.stand`.
    fn stand(&mut self) -> proposer::Standing;
}

/// The two detectors.
pub trait Detectors {
    /// See `failure-detector.configure`.
    fn configure_failures(&mut self, config: &failure_detector::Config, now: types::Instant) -> Outcome<()>;
    /// See `failure-detector.step`.
    fn step_failures(&mut self, now: types::Instant, heard: &[failure_detector::Sign]) -> failure_detector::Outputs;
    /// See `leader-detector.configure`.
    fn configure_leader(&mut self, config: &leader_detector::Config) -> Outcome<()>;
    /// See `leader-detector.step`.
    fn step_leader(&mut self, inputs: &[leader_detector::Input]) -> leader_detector::Outputs;
}

/// The endpoint of a role at a node.
pub fn endpoint(node: u16, role: Role) -> Endpoint {
    Endpoint { node, role }
}
