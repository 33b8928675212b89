//! Noticing that one is behind, and asking; and answering those who ask.

use crate::{Config, Learner, Output};
use paxos_types::{Endpoint, Instant, Message, NodeId, Role, Slot, Target};
use std::collections::BTreeMap;

/// Who has executed how much, and when was asked last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct CatchUp {
    applied: BTreeMap<NodeId, Slot>,
    /// The last progress or question, whichever was later.
    waited_since: Instant,
    attempts: u64,
}

impl CatchUp {
    pub(crate) fn heard(&mut self, node: NodeId, applied: Slot) {
        self.applied.insert(node, applied);
    }

    /// Something is missing since now.
    pub(crate) fn begin_to_wait(&mut self, now: Instant) {
        self.waited_since = self.waited_since.max(now);
    }

    pub(crate) fn knows(&self, node: NodeId, slot: Slot) -> bool {
        self.applied.get(&node).is_some_and(|applied| *applied >= slot)
    }

    fn best(&self) -> Slot {
        self.applied.values().copied().max().unwrap_or(Slot::ZERO)
    }

    pub(crate) fn progress(&mut self, now: Instant) {
        self.waited_since = now;
        self.attempts = 0;
    }

    /// When to ask: sooner if it is certain that something is missing, later the more often it was in vain.
    pub(crate) fn due(&self, config: &Config, certain: bool) -> Instant {
        let wait = if certain && self.attempts == 0 { config.retransmit / 4 } else { config.retransmit };
        self.waited_since.plus(wait.saturating_mul(1 + self.attempts.min(4)))
    }
}

impl Learner {
    /// Whether anybody has executed, or voted for, what is next here.
    pub(crate) fn behind(&self) -> bool {
        self.votes.last_heard().max(self.catch_up.best()) >= self.next()
    }

    /// Asks one learner that knows more, and (when there is none, or every other time) the acceptors.
    pub(crate) fn ask(&mut self, now: Instant, out: &mut Vec<Output>) {
        let attempt = self.catch_up.attempts;
        self.catch_up.attempts += 1;
        self.catch_up.waited_since = now;
        let next = self.next();
        let able: Vec<NodeId> =
            self.catch_up.applied.iter().filter(|(_, applied)| **applied >= next).map(|(node, _)| *node).collect();
        if !able.is_empty() && self.fetching().is_none() {
            self.ask_learner(now, able[(attempt / 2) as usize % able.len()], out);
        }
        if able.is_empty() || attempt % 2 == 1 {
            let last = self.votes.last_heard().max(self.catch_up.best());
            let to = last.min(next.plus(self.config.ahead as u64 - 1));
            let one = self.config.nodes[attempt as usize % self.config.nodes.len()];
            for node in self.config.nodes.iter().copied() {
                let message = Message::Learn { from: next, to, values: node == one };
                out.push(Output::Send { to: Target::One(Endpoint::new(node, Role::Acceptor)), message });
            }
        }
    }

    pub(crate) fn ask_learner(&mut self, now: Instant, node: NodeId, out: &mut Vec<Output>) {
        self.catch_up.waited_since = now;
        let message =
            Message::Learn { from: self.next(), to: self.next().plus(self.config.ahead as u64 - 1), values: true };
        out.push(Output::Send { to: Target::One(Endpoint::new(node, Role::Learner)), message });
    }

    /// Tells another learner what it asks for, as far as it is still here.
    pub(crate) fn teach(&self, asking: Endpoint, first: Slot, to: Slot, out: &mut Vec<Output>) {
        if first >= self.next() || asking.node == self.config.node {
            return;
        }
        let message = if first < self.tail_first {
            Message::Trimmed { first: self.tail_first }
        } else {
            let skip = (first.0 - self.tail_first.0) as usize;
            let most = to.0.saturating_sub(first.0).saturating_add(1);
            let mut bytes = 0usize;
            let mut batches = Vec::new();
            for batch in self.tail.iter().skip(skip) {
                if batches.len() as u64 >= most || (!batches.is_empty() && bytes + batch.len() > self.config.chunk) {
                    break;
                }
                bytes += batch.len() + 4;
                batches.push(batch.clone());
            }
            Message::Chosen { first, batches }
        };
        out.push(Output::Send { to: Target::One(asking), message });
    }
}
