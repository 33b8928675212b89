//! The loops of the three agents: what is received goes into the core, what the core wants done is done, once per turn and for all that
//! was there. Over traits ([`ports`]), so that the same loops run in components, natively, and in tests.
//!
//! # Invariants
//! * A turn never blocks and reads no clock.
//! * Records reach the storage before anything that the core says after them is sent; answers wait in the core until `durable` says so.
//! * One border is crossed a fixed number of times per turn, however many messages there are.
#![forbid(unsafe_code)]

pub mod acceptor;
mod imported;
pub mod learner;
mod links;
pub mod ports;
pub mod proposer;

pub use imported::{Imported, changed};
pub use links::Links;
