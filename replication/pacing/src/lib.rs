//! Everything of a node that says *when*: when a batch sets out and what it waits for, who is woken, what time it is in the
//! cell, who has been silent for too long, when something that is awaited is overdue, when digests are told.
//!
//! Each rule stands here once, with its reason and its figure; `docs/pacing.md` lists them. The crate is pure: the time of
//! this host is an argument (a [`Mono`]), and nothing here reads a clock, waits, or starts anything. Machines are driven
//! alike: `handle_x(value, now)`, then `poll_x()` until there is nothing more, and again at `deadline()` at the latest.
//!
//! | module | it is |
//! |---|---|
//! | [`outgoing`] | this node's inputs: numbered, sent, sent again, forgotten once applied |
//! | [`batcher`] | what the leader puts into a batch, and when |
//! | [`gathering`] | whether to wait for more, whom to wake for how much, who carries out what an answer needs |
//! | [`clock`] | what time the leader stamps, by a majority's clocks |
//! | [`stall`] | what is awaited, and until when, in every state |
//! | [`peer_watch`] | for how long a member or a quorum has been silent, fairly counted |
//! | [`silences`] | what is said about nodes that have fallen silent, and when they are given up |
//! | [`sync_choice`] | who makes a change of the log durable |
//! | [`reports`] | when digests are compared with other nodes |
//!
//! [`Mono`]: replicode_log::Mono

#![forbid(unsafe_code)]

pub mod batcher;
pub mod clock;
pub mod gathering;
pub mod outgoing;
pub mod pause;
pub mod peer_watch;
pub mod reports;
pub mod silences;
pub mod stall;
pub mod sync_choice;

pub use batcher::{Batcher, Progress, Proposal};
pub use gathering::{Gather, Gathering};
pub use outgoing::{Awaited, Outgoing, Parcel};
pub use pause::Pause;
pub use reports::Reports;
pub use silences::Silences;
pub use stall::Stall;
pub use sync_choice::{Bringer, SyncChoice};
