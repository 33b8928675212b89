//! A whole cluster in one thread, under virtual time, with faults that a seed decides.
//!
//! | module | it is |
//! |---|---|
//! | [`world`] | time, tasks, network, disks, and the host that replicas see |
//! | [`plan`], [`faults`] | a run as data: timed events; how they are made of a seed |
//! | [`profiles`] | what of a node is real in a run |
//! | [`consensus`] | a profile: replicas over a machine that only counts |
//! | [`toy`] | that machine |
//! | [`sequenced`] | clients, nodes and logs as they are, under a stand-in that orders batches; with a program of its own |
//! | [`checkers`] | what must hold |
//! | [`outcome`] | what came of a run |
//! | [`report`] | runs that are kept, made smaller, told |
//! | [`plant`], [`mutants`] | mistakes that are planted, and that they are found |
//! | [`cli`], [`campaign`] | the command line; seeds, one after the other |
//! | [`linear`] | whether one order explains what clients saw |
//!
//! The same seed gives the same run, to the last decision: [`outcome::Outcome::trace`] is a hash of all of them.

pub mod campaign;
pub mod checkers;
pub mod cli;
pub mod consensus;
pub mod faults;
pub mod linear;
pub mod mutants;
pub mod outcome;
pub mod plan;
pub mod plant;
pub mod profiles;
pub mod report;
pub mod sequenced;
pub mod toy;
pub mod world;
