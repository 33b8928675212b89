//! What must hold, whatever happens. Each promise has a number in the project's list of promises, and a file here.
//!
//! | module | promise |
//! |---|---|
//! | [`election`] | election safety: one leader per term |
//! | [`committed`] | what is agreed on once is so for good, and every later leader has it |
//! | [`logs`] | log matching: equal (index, term) means equal up to there; what is agreed on is on a majority of disks |
//! | [`inputs`] | each acknowledged input is applied, each input at most once, everywhere in the same order |
//! | [`digests`] | S1: every node computes the same after every batch |
//! | [`streams`] | S5: each client's bytes are what the execution produced for it, and end as that said |

pub mod committed;
pub mod digests;
pub mod election;
pub mod inputs;
pub mod logs;
pub mod streams;

use replicode_log::NodeId;
use replicode_replication::{Committed, Leadership};

/// A promise that was not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Which.
    pub promise: &'static str,
    /// What was seen.
    pub what: String,
}

/// Above all nodes: sees everything, tells nothing.
#[derive(Debug, Default)]
pub struct Oracle {
    /// The first promise that was not kept.
    pub broken: Option<Broken>,
    /// See [`election`].
    pub election: election::Election,
    /// See [`committed`].
    pub committed: committed::ForGood,
    /// See [`inputs`].
    pub inputs: inputs::Inputs,
    /// See [`logs`].
    pub logs: logs::Logs,
}

impl Oracle {
    /// A promise was not kept.
    pub fn broken(&mut self, promise: &'static str, what: String) {
        self.broken.get_or_insert(Broken { promise, what });
    }

    fn judge(&mut self, promise: &'static str, verdict: Result<(), String>) {
        if let Err(what) = verdict {
            self.broken(promise, what);
        }
    }

    /// A node says who leads.
    pub fn leadership(&mut self, node: NodeId, leadership: Leadership) {
        let verdict = self.election.handle(node, leadership);
        self.judge("election safety", verdict);
    }

    /// A node's machine is given a batch.
    pub fn delivered(&mut self, node: NodeId, batch: &Committed) {
        let verdict = self.committed.handle(node, batch);
        self.judge("committed for good", verdict);
    }

    /// A node's machine has applied a number as its `nth` one.
    pub fn applied(&mut self, node: NodeId, from: NodeId, number: u64, nth: u64) {
        let verdict = self.inputs.applied(node, from, number, nth);
        self.judge("S6", verdict);
    }

    /// Whoever offered a number knows that it is applied.
    pub fn acknowledged(&mut self, number: u64) {
        self.inputs.acknowledged(number);
    }
}
