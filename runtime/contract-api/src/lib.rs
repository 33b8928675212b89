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

/// The largest message that is taken.
pub const MAX_MESSAGE: usize = 64 << 20;
