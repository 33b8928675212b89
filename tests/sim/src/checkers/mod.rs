//! What must hold, whatever happens. Each promise has a number in the project's list of promises, and a file here.
//!
//! | module | promise |
//! |---|---|
//! | [`election`] | election safety: one leader per term |
//! | [`committed`] | what is agreed on once is so for good, and every later leader has it |
//! | [`logs`] | log matching: equal (index, term) means equal up to there; what is agreed on is on a majority of disks |
//! | [`inputs`] | each acknowledged input is applied, each input at most once, everywhere in the same order |
//! | [`durable`] | S3: nothing is seen of a batch before it is on a majority of disks; nobody says that he holds what a power cut would take |
//! | [`votes`] | nobody votes for one who lacks what is agreed on |
//! | [`completeness`] | leader completeness: whoever leads has what was agreed on before |
//! | [`monotonic`] | terms and what is agreed on only grow |

pub mod committed;
pub mod completeness;
pub mod durable;
pub mod election;
pub mod inputs;
pub mod logs;
pub mod monotonic;
pub mod votes;

use crate::report::story::Story;
use replicode_log::NodeId;
use replicode_replication::host::Fact;
use replicode_replication::{Committed, Leadership};
use replicode_store::segment::Owner;
use replicode_store::sim_disk::SimDisk;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A promise that was not kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broken {
    /// Which.
    pub promise: String,
    /// What was seen.
    pub what: String,
}

/// Above all nodes: sees everything, tells nothing.
#[derive(Debug, Default)]
pub struct Oracle {
    /// The first promise that was not kept.
    pub broken: Option<Broken>,
    /// What has happened, if somebody wants to know.
    pub story: Story,
    /// See [`election`].
    pub election: election::Election,
    /// See [`committed`].
    pub committed: committed::ForGood,
    /// See [`inputs`].
    pub inputs: inputs::Inputs,
    /// See [`logs`].
    pub logs: logs::Logs,
    /// See [`durable`].
    pub durable: durable::Durable,
    /// See [`monotonic`].
    pub monotonic: monotonic::Monotonic,
    /// Nodes that have another directory than that of their last start, and are to be refused.
    pub strangers: BTreeSet<usize>,
}

impl Oracle {
    /// A promise was not kept.
    pub fn broken(&mut self, promise: &str, what: String) {
        if self.broken.is_none() {
            self.story.tell(None, format!("{promise} is broken: {what}"));
            self.broken = Some(Broken { promise: promise.to_string(), what });
        }
    }

    /// What came of a look at a promise.
    pub fn judge(&mut self, promise: &str, verdict: Result<(), String>) {
        if let Err(what) = verdict {
            self.broken(promise, what);
        }
    }

    /// A node says who leads; `disk` is its disk.
    pub fn leadership(&mut self, node: NodeId, leadership: Leadership, owner: Owner, disk: &SimDisk) {
        let verdict = self.election.handle(node, leadership);
        self.judge("election safety", verdict);
        if leadership.leader == Some(node) {
            self.story.tell(Some(place(node)), format!("leads term {}", leadership.term.0));
            let term = leadership.term.0;
            let verdict =
                self.logs.scan(owner, disk).and_then(|log| completeness::of_leader(node, term, &log, &self.committed));
            self.judge("leader completeness", verdict);
        }
    }

    /// A node's machine is given a batch.
    pub fn delivered(&mut self, node: NodeId, batch: &Committed) {
        if self.committed.is_news(batch.raft_index) {
            let verdict = self.durable.majority(batch.raft_index, batch.content);
            let verdict = verdict.map_err(|what| format!("{node}, batch {}: {what}", batch.index));
            self.judge("S3", verdict);
            self.story.batch(place(node), batch.index.0, batch.raft_index, batch.term.0);
        }
        let verdict = self.committed.handle(node, batch);
        self.judge("committed for good", verdict);
    }

    /// A node is about to tell something to another one.
    pub fn hears(&mut self, node: usize, fact: &Fact) {
        let (Fact::Voted { by, .. } | Fact::Holds { by, .. }) = *fact;
        let stranger = |node| self.strangers.contains(&node);
        if stranger(node) && !stranger(place(by)) {
            let what = format!("node {} has another directory than its own, and {by} listens to {fact:?}", node + 1);
            return self.broken("S12", what);
        }
        let named = |verdict: Result<(), String>| verdict.map_err(|what| format!("node {}: {what}", node + 1));
        match *fact {
            Fact::Voted { by, vote, last, pre } => {
                if !pre {
                    let verdict = named(self.durable.votes(node, vote));
                    self.judge("a vote is durable before it is given", verdict);
                }
                let agreed = self.durable.last_of(node, self.committed.places());
                let verdict = named(votes::restriction(by, pre, last, agreed));
                self.judge("election restriction", verdict);
            }
            Fact::Holds { upto, .. } => {
                let verdict = named(self.durable.holds(node, upto));
                self.judge("an append is durable before it is acknowledged", verdict);
            }
        }
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

/// A node's number, counted from 0.
#[must_use]
pub fn place(node: NodeId) -> usize {
    node.get() as usize - 1
}
