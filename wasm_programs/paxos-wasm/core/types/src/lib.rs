//! What the parts of the system say to each other: ids, ballots, messages, commands, replies, records, and their compact binary form.
//!
//! No I/O, no clock, no randomness, no allocation that a peer can choose: every length is checked against what is really there
//! before anything is reserved. All integers are little-endian and of fixed width; `docs/paxos.md` draws them byte by byte.
#![forbid(unsafe_code)]

pub mod batch;
pub mod client;
pub mod codec;
pub mod command;
pub mod hello;
pub mod ids;
pub mod limits;
pub mod message;
#[cfg(feature = "planted")]
pub mod mutation;
pub mod record;
pub mod reply;
pub mod wire;

pub use batch::{BatchBuilder, BatchHeader, BatchId};
/// Bytes that are cheap to clone and to cut: a batch decoded from a frame is a part of that frame, not a copy of it.
pub use bytes::Bytes;
pub use client::ClientFrame;
pub use command::{Command, Commands, Op};
pub use hello::{Hello, PROTOCOL, Serializer};
pub use ids::{Ballot, ClientId, ClusterId, Endpoint, Incarnation, Instant, NodeId, Role, Slot, agreed_name};
pub use limits::Limits;
pub use message::{AcceptedValue, Message, SlotReplies, Target};
#[cfg(feature = "planted")]
pub use mutation::Mutation;
pub use record::Record;
pub use reply::{Outcome, Reply};
pub use wire::WireError;
