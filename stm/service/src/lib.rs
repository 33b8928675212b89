//! A counting service on Block-STM: requests are gathered in blocks, logged durably, run in parallel, answered.
//!
//! * [`log`]: what is kept on disk and how a torn tail is told from rot.
//! * [`counters`]: the transactions; a function of the log, on any number of threads.
//! * [`gather`]: one thread that turns requests into blocks: log, sync, run, answer.
//! * [`rpc`]: the gRPC surface.
//! * [`check`]: whether what clients saw has an explanation.
//! * [`client`]: a client that counts each increment exactly once across crashes of the server.
//!
//! An increment is acknowledged after its block is on disk and executed. The session's sequence number travels in the
//! log and lives in the same transactional state as the counters, so a repetition after a crash is recognised by the
//! transaction itself. `Get` runs as a transaction in the same order: it sees every increment acknowledged before it
//! was asked, which makes it linearizable.

#![forbid(unsafe_code)]

pub mod check;
pub mod client;
pub mod counters;
pub mod gather;
pub mod log;
pub mod rpc;

/// Generated from `proto/counter.proto`.
#[allow(missing_docs, clippy::unwrap_used, clippy::pedantic)]
pub mod proto {
    tonic::include_proto!("replicode.counter.v1");
}
