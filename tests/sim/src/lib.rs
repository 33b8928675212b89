//! A whole cluster in one thread, under virtual time, with faults that a seed decides.
//!
//! | module | it is |
//! |---|---|
//! | [`world`] | time, tasks, network, disks, and the host that replicas see |
//! | [`plan`] | a run as data: timed events of a seed |
//! | [`consensus`] | a profile: replicas over a machine that only counts |
//! | [`toy`] | that machine |
//! | [`checkers`] | what must hold |
//! | [`linear`] | whether one order explains what clients saw |
//!
//! The same seed gives the same run, to the last decision: [`consensus::Outcome::trace`] is a hash of all of them.

pub mod checkers;
pub mod consensus;
pub mod linear;
pub mod plan;
pub mod toy;
pub mod world;
