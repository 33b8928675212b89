//! Ω: which node leads. Over a failure detector, from heartbeats.
//!
//! The rule, in order:
//! 1. The node with the highest ballot among those that claim to lead, as long as it is fit and not suspected, or another node that is
//!    not suspected vouches for it (it hears it). So a leader that lives is kept, whoever has come back meanwhile; and where two nodes
//!    cannot hear each other, they do not take the leadership from each other in turns.
//! 2. If nobody claims: the lowest fit node that is not suspected.
//!
//! # Invariants
//! * **Eventual agreement.** Once suspicions are right and stay so, all live nodes that hear each other name the same live, fit node.
//! * **Stability.** While a claimant is fit and heard, the answer does not change, but for a claimant with a higher ballot.
//! * **Patience at the start.** Before every other node was heard or suspected once, rule 2 does not name the own node: a node that has just
//!   started may not know yet that somebody leads.
//!
//! Being named is no right to anything: two nodes may be named at once, by different nodes or by themselves. Safety comes from ballots.
#![forbid(unsafe_code)]

use paxos_types::{Ballot, NodeId};
use std::collections::BTreeMap;

/// How a detector is set up.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Config {
    /// The own node.
    pub node: NodeId,
    /// All nodes, the own one included.
    pub nodes: Vec<NodeId>,
}

/// What happens to a detector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// From the failure detector.
    Suspect(NodeId),
    /// From the failure detector.
    Restore(NodeId),
    /// What another node says of itself.
    Heartbeat {
        /// Which node.
        node: NodeId,
        /// The leadership that it holds.
        leading: Option<Ballot>,
        /// The leadership whose holder it hears.
        follows: Option<Ballot>,
        /// Whether it could lead.
        fit: bool,
    },
    /// What the own node says of itself.
    Own {
        /// The leadership that it holds.
        leading: Option<Ballot>,
        /// Whether it could lead.
        fit: bool,
    },
}

/// What a detector has found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Output {
    /// From now on this node leads, or nobody that is known.
    Leader(Option<NodeId>),
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Peer {
    suspected: bool,
    /// It was heard or suspected since the start.
    known: bool,
    leading: Option<Ballot>,
    follows: Option<Ballot>,
    fit: bool,
}

/// The detector of one node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LeaderDetector {
    config: Config,
    peers: BTreeMap<NodeId, Peer>,
    leader: Option<NodeId>,
}

impl LeaderDetector {
    /// A detector that knows of nobody yet.
    pub fn new(config: Config) -> Self {
        let peers = config.nodes.iter().map(|node| (*node, Peer::default())).collect();
        LeaderDetector { config, peers, leader: None }
    }

    /// Takes one input; appends the leader to `out` when it has changed.
    pub fn step(&mut self, input: Input, out: &mut Vec<Output>) {
        let own = self.config.node;
        match input {
            Input::Suspect(node) => self.update(node, |p| {
                p.suspected = node != own;
                p.known = true;
            }),
            Input::Restore(node) => self.update(node, |p| p.suspected = false),
            Input::Heartbeat { node, leading, follows, fit } if node != own => self.update(node, |p| {
                p.known = true;
                // A claim to somebody else's ballot is none.
                p.leading = leading.filter(|b| b.node == node);
                p.follows = follows;
                p.fit = fit;
            }),
            Input::Heartbeat { .. } => {}
            Input::Own { leading, fit } => self.update(own, |p| {
                p.known = true;
                p.leading = leading;
                p.fit = fit;
            }),
        }
        let leader = self.decide();
        if leader != self.leader {
            self.leader = leader;
            out.push(Output::Leader(leader));
        }
    }

    /// The node that leads, as far as is known.
    pub fn leader(&self) -> Option<NodeId> {
        self.leader
    }

    /// The leadership whose holder the own node hears directly: what its heartbeats say in `follows`.
    pub fn follows(&self) -> Option<Ballot> {
        self.peers.values().filter(|p| !p.suspected && p.fit).filter_map(|p| p.leading).max()
    }

    /// Whether a majority of nodes, the own one included, was heard and is not suspected. A node that is heard and hears nobody would be
    /// kept as the leader by all and lead nowhere.
    pub fn majority(&self) -> bool {
        let heard = |node: NodeId, p: &Peer| node == self.config.node || (p.known && !p.suspected);
        self.peers.iter().filter(|(node, p)| heard(**node, p)).count() > self.peers.len() / 2
    }

    fn update(&mut self, node: NodeId, change: impl FnOnce(&mut Peer)) {
        if let Some(peer) = self.peers.get_mut(&node) {
            change(peer);
        }
    }

    fn decide(&self) -> Option<NodeId> {
        let heard = self.follows();
        let vouched = self
            .peers
            .iter()
            .filter(|(node, p)| **node != self.config.node && !p.suspected)
            .filter_map(|(_, p)| p.follows)
            // What others say about the own leadership or about one that is heard here is old news.
            .filter(|b| b.node != self.config.node && self.peers.get(&b.node).is_some_and(|p| p.suspected))
            .max();
        if let Some(ballot) = heard.max(vouched) {
            return Some(ballot.node);
        }
        let first = self.peers.iter().find(|(_, p)| p.fit && !p.suspected).map(|(node, _)| *node)?;
        (first != self.config.node || self.peers.values().all(|p| p.known)).then_some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(n: u16) -> Vec<NodeId> {
        (1..=n).map(NodeId).collect()
    }

    fn detector(node: u16) -> LeaderDetector {
        LeaderDetector::new(Config { node: NodeId(node), nodes: nodes(3) })
    }

    fn step(d: &mut LeaderDetector, input: Input) -> Option<NodeId> {
        d.step(input, &mut Vec::new());
        d.leader()
    }

    fn beat(node: u16, leading: Option<u64>) -> Input {
        let leading = leading.map(|r| Ballot::new(r, NodeId(node)));
        Input::Heartbeat { node: NodeId(node), leading, follows: leading, fit: true }
    }

    #[test]
    fn nobody_before_all_are_known_then_the_lowest() {
        let mut d = detector(1);
        assert_eq!(step(&mut d, Input::Own { leading: None, fit: true }), None);
        assert_eq!(step(&mut d, beat(2, None)), None);
        assert_eq!(step(&mut d, beat(3, None)), Some(NodeId(1)));
        let mut d = detector(2);
        step(&mut d, Input::Own { leading: None, fit: true });
        step(&mut d, beat(3, None));
        assert_eq!(step(&mut d, Input::Suspect(NodeId(1))), Some(NodeId(2)));
    }

    #[test]
    fn a_leader_is_not_replaced_because_a_lower_node_returns() {
        let mut d = detector(1);
        step(&mut d, Input::Own { leading: None, fit: true });
        assert_eq!(step(&mut d, beat(2, Some(5))), Some(NodeId(2)));
        assert_eq!(step(&mut d, beat(3, None)), Some(NodeId(2)));
        let mut d = detector(3);
        step(&mut d, beat(2, Some(5)));
        assert_eq!(step(&mut d, beat(1, None)), Some(NodeId(2)));
    }

    #[test]
    fn a_dead_or_unfit_leader_is_replaced() {
        let mut d = detector(3);
        step(&mut d, Input::Own { leading: None, fit: true });
        step(&mut d, beat(1, Some(5)));
        assert_eq!(step(&mut d, beat(2, None)), Some(NodeId(1)));
        assert_eq!(step(&mut d, Input::Suspect(NodeId(1))), Some(NodeId(2)));
        assert_eq!(step(&mut d, Input::Restore(NodeId(1))), Some(NodeId(1)), "it still claimed to lead");
        let unfit = Input::Heartbeat { node: NodeId(1), leading: None, follows: None, fit: false };
        assert_eq!(step(&mut d, unfit), Some(NodeId(2)));
    }

    /// Patience is the failure detector's: a stall that it has learned to bear leaves the leader fit.
    #[test]
    fn a_majority_is_heard_as_long_as_enough_are_not_suspected() {
        let mut d = detector(3);
        assert!(!d.majority(), "silence before the first word means nothing, and proves nothing");
        step(&mut d, beat(2, None));
        assert!(d.majority());
        step(&mut d, Input::Suspect(NodeId(1)));
        assert!(d.majority());
        step(&mut d, Input::Suspect(NodeId(2)));
        assert!(!d.majority());
        step(&mut d, Input::Restore(NodeId(1)));
        assert!(d.majority());
        let alone = LeaderDetector::new(Config { node: NodeId(1), nodes: nodes(1) });
        assert!(alone.majority());
    }

    #[test]
    fn the_higher_ballot_wins() {
        let mut d = detector(3);
        step(&mut d, beat(1, Some(5)));
        assert_eq!(step(&mut d, beat(2, Some(6))), Some(NodeId(2)));
        assert_eq!(step(&mut d, beat(1, None)), Some(NodeId(2)));
    }

    #[test]
    fn a_leader_that_others_hear_is_followed() {
        // Nodes 1 and 2 do not hear each other; both hear 3. Node 1 leads.
        let mut d = detector(2);
        step(&mut d, Input::Own { leading: None, fit: true });
        step(&mut d, Input::Suspect(NodeId(1)));
        let vouching =
            Input::Heartbeat { node: NodeId(3), leading: None, follows: Some(Ballot::new(7, NodeId(1))), fit: true };
        assert_eq!(step(&mut d, vouching), Some(NodeId(1)));
        // Once 3 does not hear it either, it is dead to everybody.
        let silent = Input::Heartbeat { node: NodeId(3), leading: None, follows: None, fit: true };
        assert_eq!(step(&mut d, silent), Some(NodeId(2)));
    }

    #[test]
    fn a_claim_to_the_ballot_of_somebody_else_counts_for_nothing() {
        let mut d = detector(3);
        let false_claim =
            Input::Heartbeat { node: NodeId(2), leading: Some(Ballot::new(9, NodeId(1))), follows: None, fit: false };
        assert_eq!(step(&mut d, false_claim), None);
    }
}
