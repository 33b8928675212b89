//! A counting service on Block-STM: requests are gathered in blocks, logged durably, run in parallel, answered.
//!
//! * [`limits`]: what clients can make the server hold.
//! * [`log`]: segments and a snapshot in a folder; [`segment`], [`snapshot`], [`state`]: their bytes; [`founded`]: that there was
//!   a log; [`recover`]: how a torn tail is told from rot; [`disk`]: the verbs that all of it is written against.
//! * [`counters`]: the transactions; a function of the log, on any number of threads. [`sessions`]: who may count.
//! * [`gather`]: one thread that turns requests into blocks: log, sync, run, answer.
//! * [`accept`]: connections, as many as there are descriptors for. [`rpc`]: the gRPC surface. [`client`]: a client that counts each increment exactly once across crashes.
//! * [`check`]: whether what clients saw has an explanation. [`command`]: what the three programs share.
//!
//! An increment is acknowledged after its block is on disk and executed. The session's sequence number travels in the
//! log and lives in the same transactional state as the counters, so a repetition after a crash is recognised by the
//! transaction itself. `Get` runs as a transaction in the same order: it sees every increment acknowledged before it
//! was asked, which makes it linearizable.

#![forbid(unsafe_code)]

pub mod accept;
pub mod check;
pub mod client;
pub mod command;
pub mod counters;
pub mod disk;
pub mod founded;
pub mod gather;
pub mod limits;
pub mod log;
pub mod recover;
pub mod rpc;
pub mod segment;
pub mod sessions;
pub mod snapshot;
pub mod state;

/// Generated from `proto/counter.proto`.
#[allow(missing_docs, clippy::unwrap_used, clippy::pedantic)]
pub mod proto {
    tonic::include_proto!("replicode.counter.v1");
}
