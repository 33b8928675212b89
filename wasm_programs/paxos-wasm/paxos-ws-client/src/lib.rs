//! Clients of the Paxos cluster: one by hand, many as a load, and the judge of what they saw.

#![forbid(unsafe_code)]

pub mod check;
pub mod history;
pub mod latency;
pub mod report;
pub mod workload;
