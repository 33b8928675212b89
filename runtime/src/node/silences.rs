//! Nodes that have fallen silent: what is said about them, and when the leader gives them up. Pure: the clock is an
//! argument.
//!
//! What is said is said once per change: when a node has been silent for too long, and when it is heard again. What is
//! asked for, that its clients' connections be closed, is asked for again while the log has not said so, which without a
//! majority is for ever.

use replicode_log::{BootNo, NodeId};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A node is declared down again if the log has not said so after this time.
const DECLARE_AGAIN: Duration = Duration::from_secs(5);

/// What a leader knows about one other node at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Sight {
    /// For how long it has been silent, fairly counted.
    pub silence: Duration,
    /// How long ago it last answered, if it ever did.
    pub contact: Option<Duration>,
    /// Its boot that the log has admitted and not ended.
    pub boot: Option<BootNo>,
}

/// What follows from a look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// For the node's log.
    pub say: Option<String>,
    /// This boot of the node is to be declared over.
    pub declare: Option<BootNo>,
}

/// The silent nodes. To be forgotten when this node no longer leads.
#[derive(Debug, Default)]
pub struct Silences(BTreeMap<NodeId, Silent>);

#[derive(Debug)]
struct Silent {
    since: Instant,
    declared: Option<(BootNo, Instant)>,
}

impl Silences {
    /// This node does not lead (any more): it hears nobody but the leader.
    pub fn forget(&mut self) {
        self.0.clear();
    }

    /// A look at another node, now and then. `limit`: the silence after which it is given up.
    pub fn look(&mut self, node: NodeId, sight: Sight, limit: Duration, now: Instant) -> Verdict {
        let mut verdict = Verdict::default();
        if sight.silence < limit {
            // A pause of this node's own ends a silence, too, but nobody was heard for that.
            if sight.contact.is_some_and(|ago| ago < limit)
                && let Some(silent) = self.0.remove(&node)
            {
                let lasted = seconds(now.saturating_duration_since(silent.since));
                verdict.say = Some(format!("node {} answers again, after {lasted} of silence", node.get()));
            }
            return verdict;
        }
        let silent = self.0.entry(node).or_insert_with(|| {
            let (silence, down) = (seconds(sight.silence), sight.boot.is_some());
            let so = if down { ": its clients' connections are given up" } else { "" };
            verdict.say = Some(format!("node {} has been silent for {silence}{so}", node.get()));
            Silent { since: now.checked_sub(sight.silence).unwrap_or(now), declared: None }
        });
        let waits = |boot| silent.declared.is_some_and(|(declared, at)| declared == boot && now < at + DECLARE_AGAIN);
        if let Some(boot) = sight.boot.filter(|boot| !waits(*boot)) {
            silent.declared = Some((boot, now));
            verdict.declare = Some(boot);
        }
        verdict
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(3);

    /// Looks once a second at a node that is silent from 0 on; answers what was said and when it was declared down.
    fn watch(
        silences: &mut Silences,
        start: Instant,
        looks: std::ops::Range<u64>,
        boot: Option<u32>,
    ) -> (Vec<String>, Vec<u64>) {
        let node = NodeId::new(2).expect("valid");
        let (mut said, mut declared) = (vec![], vec![]);
        for second in looks {
            let silence = Duration::from_secs(second);
            let sight = Sight { silence, contact: Some(silence), boot: boot.map(BootNo) };
            let verdict = silences.look(node, sight, LIMIT, start + silence);
            said.extend(verdict.say);
            declared.extend(verdict.declare.map(|_| second));
        }
        (said, declared)
    }

    #[test]
    fn a_silence_is_told_once_and_declared_until_the_log_says_so() {
        let (mut silences, start) = (Silences::default(), Instant::now());
        let (said, declared) = watch(&mut silences, start, 0..20, Some(4));
        assert_eq!(said, ["node 2 has been silent for 3.0 s: its clients' connections are given up"]);
        assert_eq!(declared, [3, 8, 13, 18]);
        // The log says so: its boot is over.
        assert_eq!(watch(&mut silences, start, 20..60, None), (vec![], vec![]));
        let node = NodeId::new(2).expect("valid");
        let at = start + Duration::from_secs(65);
        let sight = |silence, contact| Sight { silence, contact: Some(contact), boot: None };
        let paused = silences.look(node, sight(Duration::ZERO, Duration::from_secs(64)), LIMIT, at);
        assert_eq!(paused, Verdict::default(), "this node has paused, and heard nobody");
        let back = silences.look(node, sight(Duration::ZERO, Duration::ZERO), LIMIT, at);
        assert_eq!(back.say.as_deref(), Some("node 2 answers again, after 65.0 s of silence"));
        assert_eq!(silences.look(node, sight(Duration::ZERO, Duration::ZERO), LIMIT, at), Verdict::default());
    }

    #[test]
    fn another_boot_is_declared_at_once_and_another_leadership_begins_anew() {
        let (mut silences, start) = (Silences::default(), Instant::now());
        assert_eq!(watch(&mut silences, start, 3..4, Some(4)).1, [3]);
        assert_eq!(watch(&mut silences, start, 4..6, Some(5)), (vec![], vec![4]));
        silences.forget();
        let (said, declared) = watch(&mut silences, start, 7..8, None);
        assert_eq!((said, declared), (vec!["node 2 has been silent for 7.0 s".to_string()], vec![]));
    }
}
