//! Nodes that have fallen silent: what is said about them, and when the leader gives them up.
//!
//! What is said is said once per change: when a node has been silent for too long, and when it is heard again. What is
//! asked for, that its clients' connections be closed, is asked for again while the log has not said so, which without a
//! majority is for ever.
//!
//! All of it happens where the peers are heard. The machine may be at one batch for long, and a node that falls silent
//! meanwhile is no less silent.

use replicode_log::{BootNo, Mono, NodeId};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// How often a leader looks for nodes that have fallen silent.
const WATCH: Duration = Duration::from_millis(500);
/// A node is declared down again if the log has not said so after this time.
const DECLARE_AGAIN: Duration = Duration::from_secs(5);

/// What a leader knows about one other node at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Sight {
    /// For how long it has been silent, fairly counted: see [`crate::peer_watch`].
    pub silence: Duration,
    /// How long ago it last answered, if it ever did.
    pub contact: Option<Duration>,
    /// Its boot that the log has admitted and not ended, as far as this node's machine has come.
    pub boot: Option<BootNo>,
}

/// The silent nodes.
///
/// While this node leads, [`Silences::handle_sight`] for each other node whenever [`Silences::is_due`]; otherwise
/// [`Silences::handle_following`]. Then everything is fetched from the two `poll` methods.
#[derive(Debug)]
pub struct Silences {
    limit: Duration,
    looked: Option<Mono>,
    silent: BTreeMap<NodeId, Silent>,
    words: VecDeque<String>,
    down: VecDeque<(NodeId, BootNo)>,
}

#[derive(Debug)]
struct Silent {
    since: Mono,
    declared: Option<(BootNo, Mono)>,
}

impl Silences {
    /// Nobody is silent. `limit`: the silence after which a node is given up.
    #[must_use]
    pub const fn new(limit: Duration) -> Self {
        Self { limit, looked: None, silent: BTreeMap::new(), words: VecDeque::new(), down: VecDeque::new() }
    }

    /// Whether it is time to look at the others. Answers so once in half a second.
    pub fn is_due(&mut self, now: Mono) -> bool {
        let due = self.looked.is_none_or(|looked| now >= looked.plus(WATCH));
        if due {
            self.looked = Some(now);
        }
        due
    }

    /// This node does not lead (any more): it hears nobody but the leader.
    pub fn handle_following(&mut self) {
        self.silent.clear();
    }

    /// A look at another node.
    pub fn handle_sight(&mut self, node: NodeId, sight: Sight, now: Mono) {
        if sight.silence < self.limit {
            // A pause of this node's own ends a silence, too, but nobody was heard for that.
            if sight.contact.is_some_and(|ago| ago < self.limit)
                && let Some(silent) = self.silent.remove(&node)
            {
                let lasted = seconds(now.since(silent.since));
                self.words.push_back(format!("node {} answers again, after {lasted} of silence", node.get()));
            }
            return;
        }
        let silent = self.silent.entry(node).or_insert_with(|| {
            let (silence, down) = (seconds(sight.silence), sight.boot.is_some());
            let so = if down { ": its clients' connections are given up" } else { "" };
            self.words.push_back(format!("node {} has been silent for {silence}{so}", node.get()));
            Silent { since: now.minus(sight.silence), declared: None }
        });
        let waits =
            |boot| silent.declared.is_some_and(|(declared, at)| declared == boot && now < at.plus(DECLARE_AGAIN));
        if let Some(boot) = sight.boot.filter(|boot| !waits(*boot)) {
            silent.declared = Some((boot, now));
            self.down.push_back((node, boot));
        }
    }

    /// Something for the node's log.
    pub fn poll_word(&mut self) -> Option<String> {
        self.words.pop_front()
    }

    /// A boot of a node that is to be declared over.
    pub fn poll_down(&mut self) -> Option<(NodeId, BootNo)> {
        self.down.pop_front()
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(3);

    fn node() -> NodeId {
        NodeId::new(2).expect("valid")
    }

    fn at(second: u64) -> Mono {
        Mono::LONG_AGO.plus(Duration::from_secs(1_000 + second))
    }

    fn polled(silences: &mut Silences) -> (Vec<String>, Vec<(NodeId, BootNo)>) {
        let said = std::iter::from_fn(|| silences.poll_word()).collect();
        (said, std::iter::from_fn(|| silences.poll_down()).collect())
    }

    /// Looks once a second at a node that is silent from 0 on; answers what was said and when it was declared down.
    fn watch(silences: &mut Silences, looks: std::ops::Range<u64>, boot: Option<u32>) -> (Vec<String>, Vec<u64>) {
        let (mut said, mut declared) = (vec![], vec![]);
        for second in looks {
            let silence = Duration::from_secs(second);
            let sight = Sight { silence, contact: Some(silence), boot: boot.map(BootNo) };
            silences.handle_sight(node(), sight, at(second));
            let (words, down) = polled(silences);
            said.extend(words);
            assert!(down.iter().all(|down| Some(*down) == boot.map(|boot| (node(), BootNo(boot)))));
            declared.extend(down.iter().map(|_| second));
        }
        (said, declared)
    }

    #[test]
    fn a_silence_is_told_once_and_declared_until_the_log_says_so() {
        let mut silences = Silences::new(LIMIT);
        let (said, declared) = watch(&mut silences, 0..20, Some(4));
        assert_eq!(said, ["node 2 has been silent for 3.0 s: its clients' connections are given up"]);
        assert_eq!(declared, [3, 8, 13, 18]);
        // The log says so: its boot is over.
        assert_eq!(watch(&mut silences, 20..60, None), (vec![], vec![]));
        let sight = |silence, contact| Sight { silence, contact: Some(contact), boot: None };
        silences.handle_sight(node(), sight(Duration::ZERO, Duration::from_secs(64)), at(65));
        assert_eq!(polled(&mut silences), (vec![], vec![]), "this node has paused, and heard nobody");
        silences.handle_sight(node(), sight(Duration::ZERO, Duration::ZERO), at(65));
        assert_eq!(polled(&mut silences).0, ["node 2 answers again, after 65.0 s of silence"]);
        silences.handle_sight(node(), sight(Duration::ZERO, Duration::ZERO), at(65));
        assert_eq!(polled(&mut silences), (vec![], vec![]));
    }

    #[test]
    fn another_boot_is_declared_at_once_and_another_leadership_begins_anew() {
        let mut silences = Silences::new(LIMIT);
        assert_eq!(watch(&mut silences, 3..4, Some(4)).1, [3]);
        assert_eq!(watch(&mut silences, 4..6, Some(5)), (vec![], vec![4]));
        silences.handle_following();
        let (said, declared) = watch(&mut silences, 7..8, None);
        assert_eq!((said, declared), (vec!["node 2 has been silent for 7.0 s".to_string()], vec![]));
    }

    #[test]
    fn a_leader_looks_twice_a_second() {
        let mut silences = Silences::new(LIMIT);
        let ms = |ms| at(0).plus(Duration::from_millis(ms));
        let due: Vec<u64> = (0..16).map(|n| n * 100).filter(|now| silences.is_due(ms(*now))).collect();
        assert_eq!(due, [0, 500, 1_000, 1_500]);
    }
}
