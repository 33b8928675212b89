//! The nodes' reports about what their history amounts to, and the verdict when they differ.
//!
//! Reports travel through the log, so every node reaches the same verdict at the same batch, and so does a replay.
//! A verdict names digests, never "mine": which side a node is on it sees by comparing with its own history.

use borsh::{BorshDeserialize, BorshSerialize};
use replicode_log::{BatchIndex, Digest, NodeId, Output};
use std::collections::BTreeMap;

/// Batches with open reports that are remembered; a node that reports later than that has fallen behind anyway.
const PAGES: usize = 256;

type Reports = BTreeMap<NodeId, Digest>;

/// Reports by batch.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Ledger {
    /// The nodes whose word counts, ascending.
    nodes: Vec<NodeId>,
    pages: BTreeMap<BatchIndex, Page>,
    /// The last batch that was dropped from the pages and on which all nodes had agreed.
    settled: BatchIndex,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
struct Page {
    reports: Reports,
    /// How many reports the last verdict stood on, so that it is given again only when it grew.
    told: u32,
}

impl Ledger {
    /// An empty ledger for these nodes.
    #[must_use]
    pub const fn new(nodes: Vec<NodeId>) -> Self {
        Self { nodes, pages: BTreeMap::new(), settled: BatchIndex(0) }
    }

    /// A node's digest after batch `index`; `applied` is the last batch that was executed. Answers a verdict as soon
    /// as there is a contradiction that can be judged, and again when a further node joins the minority.
    ///
    /// Reports that cannot be meant are ignored: from strangers, about batches to come, about batches long past, and a
    /// second one from the same node.
    pub fn report(&mut self, node: NodeId, index: BatchIndex, digest: Digest, applied: BatchIndex) -> Option<Output> {
        let oldest = self.pages.first_key_value().map_or(BatchIndex(0), |(oldest, _)| *oldest);
        let known = self.pages.contains_key(&index);
        let late = !known && self.pages.len() >= PAGES && index < oldest;
        if !self.nodes.contains(&node) || index > applied || index <= self.settled || late {
            return None;
        }
        let page = self.pages.entry(index).or_default();
        if page.reports.contains_key(&node) {
            return None;
        }
        page.reports.insert(node, digest);
        let verdict = self.judge(index);
        while self.pages.len() > PAGES {
            self.drop_oldest();
        }
        verdict
    }

    fn judge(&mut self, index: BatchIndex) -> Option<Output> {
        let page = self.pages.get(&index)?;
        let (majority, minority) = match verdict(&page.reports, self.nodes.len()) {
            Verdict::Open => return None,
            Verdict::Majority(digest) => {
                (Some(digest), page.reports.iter().filter(|(_, other)| **other != digest).collect::<Vec<_>>())
            }
            Verdict::Split => (None, page.reports.iter().collect()),
        };
        let minority: Vec<_> = minority.into_iter().map(|(node, digest)| (*node, *digest)).collect();
        if minority.is_empty() || minority.len() <= page.told as usize {
            return None;
        }
        let agreed = self.agreed_before(index);
        if let Some(page) = self.pages.get_mut(&index) {
            page.told = minority.len() as u32;
        }
        Some(Output::Diverged { index, majority, minority, agreed })
    }

    /// The last batch before `index` on which all who reported on `index` had reported the same.
    fn agreed_before(&self, index: BatchIndex) -> BatchIndex {
        let Some(page) = self.pages.get(&index) else { return self.settled };
        let agree = |earlier: &Page| {
            let mut digests = page.reports.keys().map(|node| earlier.reports.get(node));
            let first = digests.next().flatten();
            first.is_some() && digests.all(|digest| digest == first)
        };
        let found = self.pages.range(..index).rev().find(|(_, earlier)| agree(earlier));
        found.map_or(self.settled, |(index, _)| *index)
    }

    fn drop_oldest(&mut self) {
        if let Some((index, page)) = self.pages.pop_first() {
            let unanimous = page.reports.len() == self.nodes.len()
                && page.reports.values().all(|digest| Some(digest) == page.reports.values().next());
            if unanimous {
                self.settled = index;
            }
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// Nobody has a majority yet, but somebody still can.
    Open,
    /// More than half of the nodes reported this digest.
    Majority(Digest),
    /// However the missing nodes report, nobody will have a majority.
    Split,
}

fn verdict(reports: &Reports, nodes: usize) -> Verdict {
    let mut counts: BTreeMap<Digest, usize> = BTreeMap::new();
    for digest in reports.values() {
        *counts.entry(*digest).or_default() += 1;
    }
    let Some((digest, most)) = counts.into_iter().max_by_key(|(_, count)| *count) else { return Verdict::Open };
    let missing = nodes - reports.len();
    if most * 2 > nodes {
        Verdict::Majority(digest)
    } else if (most + missing) * 2 <= nodes {
        Verdict::Split
    } else {
        Verdict::Open
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(n: u64) -> NodeId {
        NodeId::new(n).unwrap()
    }

    fn ledger(nodes: u64) -> Ledger {
        Ledger::new((1..=nodes).map(node).collect())
    }

    fn says(ledger: &mut Ledger, who: u64, index: u64, what: &str) -> Option<Output> {
        ledger.report(node(who), BatchIndex(index), Digest::of(what.as_bytes()), BatchIndex(1_000_000))
    }

    fn diverged(index: u64, majority: Option<&str>, minority: &[(u64, &str)], agreed: u64) -> Option<Output> {
        let digest = |text: &str| Digest::of(text.as_bytes());
        Some(Output::Diverged {
            index: BatchIndex(index),
            majority: majority.map(digest),
            minority: minority.iter().map(|(n, text)| (node(*n), digest(text))).collect(),
            agreed: BatchIndex(agreed),
        })
    }

    #[test]
    fn agreement_is_silent() {
        let mut ledger = ledger(3);
        assert_eq!([1, 2, 3].map(|n| says(&mut ledger, n, 5, "a")), [None, None, None]);
    }

    #[test]
    fn the_minority_is_named_as_soon_as_there_is_a_majority() {
        let mut ledger = ledger(3);
        for n in 1..=3 {
            assert_eq!(says(&mut ledger, n, 5, "same"), None);
        }
        assert_eq!(says(&mut ledger, 3, 9, "b"), None);
        assert_eq!(says(&mut ledger, 1, 9, "a"), None, "one against one: the third decides");
        assert_eq!(says(&mut ledger, 2, 9, "a"), diverged(9, Some("a"), &[(3, "b")], 5));
    }

    #[test]
    fn a_further_node_in_the_minority_is_told_and_a_repeat_is_not() {
        let mut ledger = ledger(5);
        for (n, what) in [(1, "a"), (2, "a"), (3, "a")] {
            assert_eq!(says(&mut ledger, n, 2, what), None);
        }
        assert_eq!(says(&mut ledger, 4, 2, "b"), diverged(2, Some("a"), &[(4, "b")], 0));
        assert_eq!(says(&mut ledger, 4, 2, "c"), None, "a second report does not count");
        assert_eq!(says(&mut ledger, 5, 2, "c"), diverged(2, Some("a"), &[(4, "b"), (5, "c")], 0));
    }

    #[test]
    fn without_a_majority_everybody_is_named() {
        let mut ledger = ledger(3);
        says(&mut ledger, 1, 2, "a");
        says(&mut ledger, 2, 2, "b");
        assert_eq!(says(&mut ledger, 3, 2, "c"), diverged(2, None, &[(1, "a"), (2, "b"), (3, "c")], 0));
        let mut two = self::ledger(2);
        says(&mut two, 1, 2, "a");
        assert_eq!(says(&mut two, 2, 2, "b"), diverged(2, None, &[(1, "a"), (2, "b")], 0));
    }

    #[test]
    fn what_cannot_be_meant_is_ignored() {
        let mut ledger = ledger(1);
        assert_eq!(says(&mut ledger, 9, 2, "a"), None, "a stranger");
        assert_eq!(ledger.report(node(1), BatchIndex(8), Digest::ZERO, BatchIndex(7)), None, "a batch to come");
        assert_eq!(ledger.pages.len(), 0);
    }

    #[test]
    fn old_pages_are_dropped_and_their_agreement_remembered() {
        let mut ledger = ledger(2);
        for index in 1..=PAGES as u64 + 3 {
            says(&mut ledger, 1, index, "a");
            says(&mut ledger, 2, index, "a");
        }
        assert_eq!((ledger.pages.len(), ledger.settled), (PAGES, BatchIndex(3)));
        assert_eq!(says(&mut ledger, 1, 2, "b"), None, "long past");
        assert_eq!(ledger.pages.len(), PAGES);
    }
}
