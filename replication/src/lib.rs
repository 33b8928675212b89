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
//! | [`outgoing`] | this node's inputs: numbered, sent, sent again, forgotten once applied (pure) |
//! | [`patience`] | what is awaited, and until when, in every state (pure) |
//! | [`batcher`] | what the leader puts into a batch, and when (pure) |
//! | [`clock`] | what time it stamps on it, by a majority's clocks (pure) |
//! | [`answers`] | what has become of the batches that it proposed |
//! | [`log_store`] | `replicode-store`'s log with its threads: group commit, reading, the engine's words for it |
//! | [`network`] | peers: certificates, hello, frames, streams |
//!
//! What is not here: the machine that eats the batches, and any meaning of an input. Batches are bytes; only their
//! header is read, to check that they chain.

pub mod answers;
pub mod batcher;
pub mod chain;
pub mod clock;
pub mod config;
pub mod delivery;
mod driver;
pub mod error;
mod life;
pub mod log_store;
pub mod network;
pub mod outgoing;
pub mod patience;
pub mod raft;
pub mod replica;
pub mod state_machine;
pub mod status;
mod step_down;
mod timekeeper;

pub use chain::Tip;
pub use clock::{Course, Offset, Steering};
pub use config::{ClusterIdentity, ReplicaConfig, TlsIdentity, Tuning};
pub use delivery::{Committed, Delivery, Event, Events, Fault, Leadership, channel};
pub use error::{AskError, ReplicaError};
pub use life::{found, start};
pub use replica::{Progress, Replica};
pub use status::{ClockStatus, LogStatus, PeerStatus, ReplicaStatus, Role, SteppedDown};
