//! Clients of the Paxos cluster: one by hand, many as a load, and the judge of what they saw.
//!
//! | file | idea |
//! |---|---|
//! | [`nodes`] | where the cluster is |
//! | [`link`] | the one connection of a process, to whoever leads |
//! | [`hand`] | one request at a time |
//! | [`workload`] | what logical clients ask, by seed |
//! | [`load`] | many logical clients on one connection |
//! | [`latency`], [`report`] | what a load measured, to be added up |
//! | [`history`] | what was asked and answered, on disk |
//! | [`check`] | the judge of histories |
//! | [`demo`] | several processes of load, summed up and judged |

#![forbid(unsafe_code)]

pub mod check;
pub mod demo;
pub mod hand;
pub mod history;
pub mod latency;
pub mod link;
pub mod load;
pub mod nodes;
pub mod report;
pub mod workload;
