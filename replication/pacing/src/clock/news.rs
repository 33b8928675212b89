//! What is worth a line in the node's log about clocks: once when it begins and once when it ends. Pure.

use super::{Course, Offset, Steering, nanos};
use replicode_log::NodeId;
use std::collections::BTreeSet;
use std::time::Duration;

/// Differences below this need no word, whatever the bound is.
const LEAST: Duration = Duration::from_secs(1);

/// A line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// Somebody should do something.
    Bad(String),
    /// Nobody need do anything any more.
    Good(String),
}

/// What has been told by a node since it leads.
#[derive(Clone, Debug, Default)]
pub struct News {
    /// Whether time goes faster (or slower) over a difference that was told.
    slewing: Option<bool>,
    wrong: BTreeSet<NodeId>,
}

impl News {
    /// What is new after a look: at the course of the cell's time, and at how far each clock that is known is ahead of
    /// it. `several`: there are other members than this node.
    pub fn after(
        &mut self,
        course: Course,
        steering: Steering,
        offsets: impl Iterator<Item = (NodeId, Offset)>,
        several: bool,
    ) -> Vec<Word> {
        let worth = nanos(steering.bound.max(LEAST));
        let mut words = Vec::new();
        let whose = if several { "a majority's clocks" } else { "this node's clock" };
        let slewing = match course {
            Course::Faster(behind) if behind > worth => Some(true),
            Course::Slower(ahead) if ahead > worth => Some(false),
            Course::Steady => None,
            // The last bit of it, or nothing is known for a while.
            Course::Faster(_) | Course::Slower(_) | Course::Unknown => self.slewing,
        };
        if slewing != self.slewing {
            self.slewing = slewing;
            words.push(match (course, slewing) {
                (Course::Faster(ns) | Course::Slower(ns), Some(faster)) => {
                    let (apart, way) = (Duration::from_nanos(ns), if faster { "faster" } else { "slower" });
                    let (bound, ppm) = (steering.bound, steering.slew_ppm);
                    Word::Bad(format!(
                        "{whose} and the cell's time are {apart:?} apart, more than is jumped over (clock_bound_ms, \
                         {bound:?}): it goes {way} by {ppm} millionths until they meet"
                    ))
                }
                _ => Word::Good(format!("the cell's time is where {whose} stand, and goes at its usual pace again")),
            });
        }
        // While time is on its way to where a majority's clocks are, that one of them is elsewhere is nothing special.
        for (node, Offset { ahead_ns, error_ns }) in offsets.filter(|_| several && slewing.is_none()) {
            let off = ahead_ns.unsigned_abs().saturating_sub(error_ns);
            if off > worth && self.wrong.insert(node) {
                let (off, way) = (Duration::from_nanos(off), if ahead_ns < 0 { "behind" } else { "ahead of" });
                words.push(Word::Bad(format!(
                    "the clock of node {} is {off:?} {way} the cell's time, which follows the others: set it right",
                    node.get()
                )));
            } else if off < worth / 2 && self.wrong.remove(&node) {
                words.push(Word::Good(format!("the clock of node {} is right again", node.get())));
            }
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn node(n: u64) -> NodeId {
        NodeId::new(n).unwrap_or_else(|_| unreachable!("{n} is a node number"))
    }

    #[test]
    fn each_thing_is_told_when_it_begins_and_when_it_ends() {
        let mut news = News::default();
        let mut after = |course, ahead: i64, several| {
            let offsets =
                [(node(1), 0), (node(3), ahead)].map(|(node, ahead_ns)| (node, Offset { ahead_ns, error_ns: 5 }));
            let words = news.after(course, Steering::default(), offsets.into_iter(), several);
            let text = |word| match word {
                Word::Bad(text) => format!("bad: {text}"),
                Word::Good(text) => format!("good: {text}"),
            };
            words.into_iter().map(text).collect::<Vec<_>>().join("; ")
        };
        assert_eq!(after(Course::Unknown, 0, true), "");
        assert_eq!(after(Course::Faster(1_000), SECOND, true), "", "too little");
        let told = after(Course::Steady, -30 * SECOND, true);
        assert!(told.starts_with("bad: the clock of node 3 is 29.999999995s behind the cell's time"), "{told}");
        assert_eq!(after(Course::Steady, -30 * SECOND, true), "");
        assert_eq!(after(Course::Steady, -SECOND, true), "", "nearly right");
        assert_eq!(after(Course::Steady, 9, true), "good: the clock of node 3 is right again");
        let told = after(Course::Faster(3_600_000_000_000), 3_600 * SECOND, true);
        assert!(told.starts_with("bad: a majority's clocks and the cell's time are 3600s apart"), "{told}");
        assert!(told.contains("faster by 100000 millionths") && !told.contains("node"), "{told}");
        assert_eq!(after(Course::Unknown, 0, true), "");
        assert_eq!(after(Course::Faster(5), 0, true), "");
        assert!(after(Course::Steady, 0, true).starts_with("good: the cell's time is where a majority's clocks stand"));
        let told = after(Course::Slower(9_000_000_000), -9 * SECOND, false);
        assert!(told.starts_with("bad: this node's clock and") && told.contains("slower"), "{told}");
    }
}
