//! The runtime API: parallel equals sequential, history, states from elsewhere, stores that fail.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../chain/mod.rs"]
mod chain;
mod equal;
mod faults;
mod history;
mod queries;
