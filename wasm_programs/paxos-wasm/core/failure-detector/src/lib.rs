//! An eventually perfect failure detector: it suspects whom it has not heard of for a time, and takes more time for those it suspected
//! wrongly.
//!
//! # Invariants
//! * **Completeness.** Who is silent for good is suspected after its time-out, which is at most [`Config::longest`], and stays so.
//! * **Eventual accuracy.** Each wrong suspicion makes that node's time-out longer by [`Config::grow`]. If there is a bound on the time
//!   between two signs of life, each life of a node is suspected wrongly a finite number of times only (as long as the bound is below
//!   `longest`).
//! * **Deaths teach no patience.** A node that is heard again in another life was dead: the suspicion was right, and its time-out is the
//!   first one again. So the hundredth death is found out as fast as the first.
//! * Nobody is suspected in the first time-out after the start: silence before means nothing.
//! * A clock that jumps forward lets everybody be suspected at once, which costs a leadership and no safety; one that jumps back delays.
#![forbid(unsafe_code)]

use paxos_types::{Instant, NodeId};
use std::collections::BTreeMap;

/// How a detector is set up.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Config {
    /// Who is watched.
    pub peers: Vec<NodeId>,
    /// Nanoseconds of silence after which a node is suspected, at first.
    pub suspect: u64,
    /// Nanoseconds by which a node's time-out grows with each wrong suspicion.
    pub grow: u64,
    /// No time-out grows beyond this.
    pub longest: u64,
}

impl Config {
    /// A detector of `peers` whose time-outs begin at `suspect`, grow by a quarter of it, and reach at most eight times as much.
    pub fn new(peers: Vec<NodeId>, suspect: u64) -> Self {
        Config { peers, suspect, grow: (suspect / 4).max(1), longest: suspect.saturating_mul(8) }
    }
}

/// What happens to a detector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// Something came from that node.
    Heard {
        /// The node.
        node: NodeId,
        /// The number that it drew when it was started.
        life: u64,
    },
    /// Time has passed.
    Tick,
}

/// What a detector has found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Output {
    /// The node is suspected from now on.
    Suspect(NodeId),
    /// The node is suspected no longer.
    Restore(NodeId),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Peer {
    heard: Instant,
    /// The life in which it was heard last.
    life: Option<u64>,
    timeout: u64,
    suspected: bool,
}

/// The detector of one node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FailureDetector {
    config: Config,
    peers: BTreeMap<NodeId, Peer>,
}

impl FailureDetector {
    /// A detector that begins to watch now.
    pub fn new(config: Config, now: Instant) -> Self {
        let peer = Peer { heard: now, life: None, timeout: config.suspect, suspected: false };
        let peers = config.peers.iter().map(|node| (*node, peer.clone())).collect();
        FailureDetector { config, peers }
    }

    /// Takes one input and appends what it found out to `out`.
    pub fn step(&mut self, now: Instant, input: Input, out: &mut Vec<Output>) {
        match input {
            Input::Heard { node, life } => {
                let Some(peer) = self.peers.get_mut(&node) else { return };
                peer.heard = peer.heard.max(now);
                match peer.life.replace(life) {
                    Some(before) if before == life => {
                        if peer.suspected {
                            peer.timeout = peer.timeout.saturating_add(self.config.grow).min(self.config.longest);
                        }
                    }
                    // Another life, or the first that is heard of: who was suspected was not there.
                    _ => peer.timeout = self.config.suspect,
                }
                if peer.suspected {
                    peer.suspected = false;
                    out.push(Output::Restore(node));
                }
            }
            Input::Tick => {
                for (node, peer) in &mut self.peers {
                    if !peer.suspected && now.since(peer.heard) >= peer.timeout {
                        peer.suspected = true;
                        out.push(Output::Suspect(*node));
                    }
                }
            }
        }
    }

    /// When [`Input::Tick`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        self.peers.values().filter(|p| !p.suspected).map(|p| p.heard.plus(p.timeout)).min()
    }

    /// Whether the node is suspected.
    pub fn suspects(&self, node: NodeId) -> bool {
        self.peers.get(&node).is_some_and(|p| p.suspected)
    }

    /// Nanoseconds of silence after which the node is suspected.
    pub fn timeout_of(&self, node: NodeId) -> Option<u64> {
        self.peers.get(&node).map(|p| p.timeout)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const A: NodeId = NodeId(1);
    const B: NodeId = NodeId(2);

    fn step(d: &mut FailureDetector, now: u64, input: Input) -> Vec<Output> {
        let mut out = Vec::new();
        d.step(Instant(now), input, &mut out);
        out
    }

    fn heard(node: NodeId, life: u64) -> Input {
        Input::Heard { node, life }
    }

    #[test]
    fn silence_is_suspected_and_a_sign_of_life_restores_with_more_patience() {
        let mut d = FailureDetector::new(Config::new(vec![A, B], 100), Instant(1000));
        assert_eq!(step(&mut d, 1000, heard(A, 1)), vec![]);
        assert_eq!(d.deadline(), Some(Instant(1100)));
        assert_eq!(step(&mut d, 1099, Input::Tick), vec![]);
        assert_eq!(step(&mut d, 1090, heard(B, 1)), vec![]);
        assert_eq!(step(&mut d, 1100, Input::Tick), vec![Output::Suspect(A)]);
        assert_eq!(step(&mut d, 1101, Input::Tick), vec![], "once");
        assert_eq!(d.deadline(), Some(Instant(1190)));
        assert_eq!(step(&mut d, 1110, heard(A, 1)), vec![Output::Restore(A)]);
        assert_eq!(d.timeout_of(A), Some(125));
        assert_eq!(step(&mut d, 1234, Input::Tick), vec![Output::Suspect(B)]);
        assert_eq!(step(&mut d, 1235, Input::Tick), vec![Output::Suspect(A)]);
    }

    #[test]
    fn deaths_teach_no_patience() {
        let mut d = FailureDetector::new(Config::new(vec![A], 100), Instant(0));
        // Not there at first: that was no mistake either.
        assert_eq!(step(&mut d, 100, Input::Tick), vec![Output::Suspect(A)]);
        let mut now = 150;
        for life in 0..100 {
            assert_eq!(step(&mut d, now, heard(A, life)), vec![Output::Restore(A)]);
            assert_eq!(step(&mut d, now + 99, Input::Tick), vec![], "life {life}");
            assert_eq!(step(&mut d, now + 100, Input::Tick), vec![Output::Suspect(A)], "life {life}");
            now += 1000;
        }
        // In one life they do, until the next.
        for patience in [100, 125, 150] {
            step(&mut d, now, heard(A, 100));
            assert_eq!(d.timeout_of(A), Some(patience));
            now += 1000;
            step(&mut d, now, Input::Tick);
        }
        step(&mut d, now, heard(A, 101));
        assert_eq!(d.timeout_of(A), Some(100));
    }

    #[test]
    fn a_clock_that_goes_back_and_strangers_change_nothing() {
        let mut d = FailureDetector::new(Config::new(vec![A], 100), Instant(1000));
        assert_eq!(step(&mut d, 10, Input::Tick), vec![]);
        assert_eq!(step(&mut d, 10, heard(B, 1)), vec![]);
        assert_eq!(step(&mut d, 10, heard(A, 1)), vec![]);
        assert_eq!(step(&mut d, 1100, Input::Tick), vec![Output::Suspect(A)]);
    }

    proptest! {
        /// Signs of life at most `gap` apart: a finite number of wrong suspicions, and none once the time-out is above the gap.
        #[test]
        fn suspicions_of_a_live_node_end(gaps in proptest::collection::vec(1u64..700, 1..400)) {
            let mut d = FailureDetector::new(Config::new(vec![A], 100), Instant(0));
            let mut now = 0;
            let mut wrong = 0;
            for gap in gaps {
                now += gap;
                let out = step(&mut d, now, Input::Tick);
                if !out.is_empty() {
                    wrong += 1;
                    prop_assert!(gap >= 100);
                }
                step(&mut d, now, heard(A, 1));
                prop_assert!(!d.suspects(A));
            }
            prop_assert!(wrong <= (700 - 100) / 25 + 1, "{wrong}");
        }
    }
}
