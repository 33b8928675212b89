//! Where threads meet.
//!
//! A hand-over costs what its wake-up costs, and the less often one happens the more each of them carries. Two shapes
//! are enough for that, and every schedule of them is tried (`tests/schedules.rs`, under `shuttle`):
//!
//! | module | it is |
//! |---|---|
//! | [`mailbox`] | a queue whose reader takes everything, and is woken once for all that gathers meanwhile |
//! | [`desk`] | something that one thread serves, and that whoever brings little serves on the spot if nobody is at it |
//!
//! ```text
//! machine ── few outputs ──> [ desk is free ] ── writes them itself
//!         ── many ─────────> [ mailbox ] ── wakes ──> the thread whose desk it is
//! ```
//!
//! A mutex and a condition, and no channel from a library: those spin and yield before they sleep, which on a machine whose
//! processors have other work costs every batch two or three system calls.

#![forbid(unsafe_code)]

pub mod desk;
pub mod mailbox;
mod sync;

pub use desk::{Desk, Served};
pub use mailbox::{Closed, Mailbox, Parked, Rouse};
