//! How a node that lost its disk is found out.
//!
//! A storage gets a random number, its incarnation, when it is created. A fresh acceptor makes `⌊(n−1)/2⌋ + 1` of the other `n − 1` nodes
//! write that number down before it answers anything. If the node had another storage before, as many others know that one's number;
//! two such sets of others meet, so at least one of those asked knows it and refuses, as long as its own disk is not lost too.
//! So a node's first start needs a majority of the others (both of them with three nodes); later starts need nobody.

use crate::Config;
use paxos_types::{Incarnation, Instant, Message, NodeId};
use std::collections::{BTreeMap, BTreeSet};

/// How many of the others must know a storage: more than half of them, none where there are none.
pub fn needed(nodes: usize) -> usize {
    if nodes <= 1 { 0 } else { (nodes - 1) / 2 + 1 }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum State {
    /// Asking.
    Asking,
    /// Enough know; the record of it is being written.
    Writing,
    /// It takes part.
    Complete,
}

/// What is known about the storages of the others, and whether they know this one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Registration {
    own: Incarnation,
    needed: usize,
    every: u64,
    state: State,
    next: Instant,
    by: BTreeSet<NodeId>,
    known: BTreeMap<NodeId, Incarnation>,
}

impl Registration {
    pub(crate) fn new(config: &Config) -> Self {
        Registration {
            own: config.incarnation,
            needed: needed(config.nodes.len()),
            every: config.register_every,
            state: State::Asking,
            next: Instant::default(),
            by: BTreeSet::new(),
            known: BTreeMap::new(),
        }
    }

    pub(crate) fn complete(&self) -> bool {
        self.state == State::Complete
    }

    pub(crate) fn activate(&mut self) {
        self.state = State::Complete;
        self.by.clear();
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        (self.state == State::Asking).then_some(self.next)
    }

    /// The question, when it is time to ask (again).
    pub(crate) fn tick(&mut self, now: Instant) -> Option<Message> {
        if self.state != State::Asking || self.by.len() >= self.needed || now < self.next {
            return None;
        }
        self.next = now.plus(self.every);
        Some(Message::Register { incarnation: self.own })
    }

    /// Whether the record that it is registered is to be written now. True once.
    pub(crate) fn should_write(&mut self) -> bool {
        let now = self.state == State::Asking && self.by.len() >= self.needed;
        if now {
            self.state = State::Writing;
        }
        now
    }

    pub(crate) fn registered_by(&mut self, node: NodeId, incarnation: Incarnation) {
        if self.state == State::Asking && incarnation == self.own {
            self.by.insert(node);
        }
    }

    /// The reason to stop, if the refusal is about this storage.
    pub(crate) fn refused_by(&self, node: NodeId, incarnation: Incarnation, known: Incarnation) -> Option<String> {
        (incarnation == self.own && self.state != State::Complete).then(|| {
            format!(
                "node {node} knows this node with storage {known}, and it came back with the new storage {incarnation}: what it promised \
                 is lost, so it must not take part; the others go on without it; put its data directory back as it was last"
            )
        })
    }

    pub(crate) fn known(&self, node: NodeId) -> Option<Incarnation> {
        self.known.get(&node).copied()
    }

    pub(crate) fn learn(&mut self, node: NodeId, incarnation: Incarnation) {
        self.known.insert(node, incarnation);
    }

    pub(crate) fn all_known(&self) -> Vec<(NodeId, Incarnation)> {
        self.known.iter().map(|(n, i)| (*n, *i)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::needed;

    /// What the proof rests on: any two sets of that size among the others meet, and it can be reached without every node.
    #[test]
    fn two_sets_of_others_meet() {
        for nodes in 2..64usize {
            let others = nodes - 1;
            assert!(2 * needed(nodes) > others, "{nodes}");
            assert!(needed(nodes) <= others, "{nodes}");
        }
        assert_eq!([needed(1), needed(3), needed(5), needed(7)], [0, 2, 3, 4]);
    }
}
