//! One ordered, durable log of batches on several nodes: every node is handed the same batches in the same order.
//!
//! Inside, [openraft](https://docs.rs/openraft) agrees on the order, [`log_store`] keeps it on disk, and QUIC with
//! mutual TLS carries it between nodes. Nothing of that shows outside: [`start`] gives a [`Replica`], inputs go in with
//! [`Replica::offer`], committed batches come out through [`Delivery`].
//!
//! ```text
//!  gateway ─ offer ─> outgoing ──(forward stream)──> batcher ─> openraft ─> log_store ─┐ on every node
//!                     numbered,    to the leader      (leader)      │ QUIC             │
//!                     kept until applied                            v                  v
//!                        ^                                    other nodes       state_machine
//!                        └──────── Replica::applied <── machine <── Delivery::batch <──┘ what chains
//! ```
//!
//! | module | it is |
//! |---|---|
//! | [`config`], [`error`], [`status`] | what a replica is started with, what can go wrong, what it tells about itself |
//! | [`delivery`] | the door to the floor above |
//! | [`host`] | the seam to the world: clocks, entropy, tasks, threads, disks, sockets |
//! | [`history`] | what a log amounts to at a start (pure) |
//! | `feed` | how committed batches reach the machine: from hand to hand, or from the log while it lags |
//! | [`answers`] | what has become of the batches that it proposed |
//! | [`log_store`] | `replicode-store`'s log with its threads: group commit, reading, the engine's words for it |
//! | [`starts`] | who has been started how often, so that a node whose log has gone back in time gets no vote |
//! | [`network`] | peers: certificates, hello, frames, streams |
//!
//! When something is done is decided in [`replicode_pacing`]: what has gathered sets out, what is awaited is overdue, who is
//! silent, what time it is. The clocks that it is told of are the [`host`]'s.
//!
//! What is not here: the machine that eats the batches, and any meaning of an input. Batches are bytes; only their
//! header is read, to check that they chain.

pub mod answers;
pub mod config;
pub mod delivery;
mod driver;
pub mod error;
mod feed;
pub mod history;
pub mod host;
mod life;
pub mod log_store;
pub mod mono;
pub mod network;
pub mod raft;
pub mod replica;
pub mod starts;
pub mod state_machine;
pub mod status;
mod step_down;
mod timekeeper;

pub(crate) use replicode_pacing::clock;

pub use config::{ClusterIdentity, ReplicaConfig, TlsIdentity, Tuning};
pub use delivery::{Committed, Delivery, Event, Events, Fault, Leadership, channel};
pub use error::{AskError, ReplicaError};
pub use life::{found, found_on, start, start_on};
pub use replica::Replica;
pub use replicode_log::Tip;
pub use replicode_pacing::Progress;
pub use replicode_pacing::clock::{Course, Offset, Steering};
pub use status::{ClockStatus, LogStatus, PeerStatus, ReplicaStatus, Role, SteppedDown};
