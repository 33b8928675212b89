//! How contracts of a cell are reached over gRPC: the protocol `replicode.contract.v1`, and a client.
//!
//! | module | it is |
//! |---|---|
//! | [`proto`] | messages, client and server, generated from `proto/contract.proto` |
//! | [`client`] | a client that has each of its transactions executed at most once, whichever node dies |
//! | [`convert`] | between messages and the types of contracts |

pub mod client;
pub mod convert;

pub use client::{Client, ClientError, Submitted};

/// Generated from `proto/contract.proto`.
#[allow(missing_docs, clippy::unwrap_used, clippy::pedantic)]
pub mod proto {
    tonic::include_proto!("replicode.contract.v1");
}

/// The largest answer that a client takes.
pub const MAX_MESSAGE: usize = 64 << 20;

/// The largest request that a node takes: a transaction and what it is wrapped in.
pub const MAX_REQUEST: usize = replicode_contracts::transaction::Limits::STANDARD.bytes + (64 << 10);
