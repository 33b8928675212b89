//! The consensus engine's types, as this crate instantiates them, and its settings.

use crate::answers::Answer;
use crate::config::Tuning;
use crate::error::ReplicaError;
use crate::log_store::record::{Body, Entry as LogEntry, EntryId, VoteRecord};
use bytes::Bytes;
use openraft::alias::{EntryOf, LogIdOf, VoteOf};
use openraft::impls::leader_id_std::LeaderId;
use openraft::vote::RaftLeaderId;
use openraft::{Config, EntryPayload, Membership, OptionalSend, RaftTypeConfig, SnapshotPolicy};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// An encoded batch: opaque here.
#[derive(Clone, PartialEq, Eq)]
pub struct Payload(pub Bytes);

impl fmt::Display for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "batch of {} bytes", self.0.len())
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&[u8]>::deserialize(deserializer).map(|bytes| Self(Bytes::copy_from_slice(bytes)))
    }
}

/// One leader per term, batches as data, nothing as answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct TypeConfig;

impl RaftTypeConfig for TypeConfig {
    type D = Payload;
    type R = ();
    type NodeId = u64;
    type Node = ();
    type Term = u64;
    type LeaderId = LeaderId<u64, u64>;
    type Vote = openraft::impls::Vote<Self::LeaderId>;
    type Payload = EntryPayload<Payload, u64, ()>;
    type Entry = openraft::Entry<<Self::LeaderId as RaftLeaderId>::Committed, Self::Payload>;
    type AsyncRuntime = crate::host::engine::HostRuntime;
    type Responder<T: OptionalSend + 'static> = Answer<T>;
    type Batch<T: OptionalSend + 'static> = openraft::impls::InlineBatch<T>;
    type ErrorSource = openraft::impls::BoxedErrorSource;
}

/// Names an entry.
pub type LogId = LogIdOf<TypeConfig>;
/// An entry.
pub type Entry = EntryOf<TypeConfig>;
/// A vote.
pub type Vote = VoteOf<TypeConfig>;

/// An entry's name in the log store's words.
#[must_use]
pub fn entry_id(id: &LogId) -> EntryId {
    EntryId { term: id.committed_leader_id().term, index: id.index() }
}

/// An entry's name in the engine's words.
#[must_use]
pub fn log_id(id: EntryId) -> LogId {
    LogId::new_term_index(id.term, id.index)
}

/// A vote in the log store's words.
#[must_use]
pub fn vote_record(vote: &Vote) -> VoteRecord {
    VoteRecord { term: vote.leader_id.term(), node: *vote.leader_id.node_id(), committed: vote.committed }
}

/// A vote in the engine's words.
#[must_use]
pub fn vote(record: VoteRecord) -> Vote {
    Vote { leader_id: LeaderId::new(record.term, record.node), committed: record.committed }
}

/// An entry in the log store's words.
///
/// # Errors
/// When a set of members cannot be encoded.
pub fn to_log(entry: Entry) -> io::Result<LogEntry> {
    let body = match entry.payload {
        EntryPayload::Blank => Body::Blank,
        EntryPayload::Normal(payload) => Body::Batch(payload.0),
        EntryPayload::Membership(members) => {
            Body::Membership(postcard::to_stdvec(&members).map_err(io::Error::other)?.into())
        }
    };
    Ok(LogEntry { id: entry_id(&entry.log_id), body })
}

/// A set of members, from the log.
///
/// # Errors
/// When it cannot be decoded.
pub fn members(encoded: &[u8]) -> io::Result<Membership<u64, ()>> {
    postcard::from_bytes(encoded).map_err(io::Error::other)
}

/// An entry in the engine's words.
///
/// # Errors
/// When a set of members cannot be decoded.
pub fn from_log(entry: LogEntry) -> io::Result<Entry> {
    let payload = match entry.body {
        Body::Blank => EntryPayload::Blank,
        Body::Batch(bytes) => EntryPayload::Normal(Payload(bytes)),
        Body::Membership(bytes) => EntryPayload::Membership(members(&bytes)?),
    };
    Ok(Entry { log_id: log_id(entry.id), payload })
}

/// The engine's settings.
///
/// # Errors
/// [`ReplicaError::Tuning`] when the times contradict each other.
pub fn settings(tuning: &Tuning, cluster: &str) -> Result<Arc<Config>, ReplicaError> {
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let config = Config {
        cluster_name: cluster.to_string(),
        heartbeat_interval: millis(tuning.heartbeat),
        // None is left out: entries that are answered would count as heartbeats, even where every answer is that they do not
        // fit, and it is by heartbeats that a node learns it has forgotten what it acknowledged (`network::histories`).
        heartbeat_min_interval: None,
        election_timeout_min: millis(tuning.election.0),
        election_timeout_max: millis(tuning.election.1),
        enable_pre_vote: Some(true),
        // A node that comes back must be elected like any other: its lease is over.
        enable_leader_restore: Some(false),
        allow_log_reversion: Some(false),
        // The log is the snapshot until guests can be checkpointed; and openraft#2116 is met by purging nothing.
        snapshot_policy: SnapshotPolicy::Never,
        max_in_snapshot_log_to_keep: u64::MAX,
        max_payload_entries: 1024,
        // A peer that comes back is wanted in the quorum at once; the network has a back-off of its own.
        backoff: "50ms".to_string(),
        ..Config::default()
    };
    config.validate().map(Arc::new).map_err(|error| ReplicaError::Tuning(error.to_string()))
}
