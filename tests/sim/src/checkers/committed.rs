//! Committed for good: what one node was given as agreed on, all are given, at the same place. And leader completeness: the
//! entries of later leaders come after all that was agreed on in earlier terms.

use replicode_log::{Digest, NodeId};
use replicode_replication::Committed;
use std::collections::BTreeMap;

/// An entry that was agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    batch: u64,
    term: u64,
    content: Digest,
}

/// See the module.
#[derive(Debug, Default)]
pub struct ForGood {
    /// By their place in the consensus log.
    entries: BTreeMap<u64, Entry>,
    /// Where each batch is.
    batches: BTreeMap<u64, u64>,
}

impl ForGood {
    /// A node is given a batch.
    ///
    /// # Errors
    /// What it contradicts.
    pub fn handle(&mut self, node: NodeId, batch: &Committed) -> Result<(), String> {
        let entry = Entry { batch: batch.index.0, term: batch.term.0, content: batch.content };
        let at = batch.raft_index;
        if let Some(known) = self.entries.get(&at) {
            return if *known == entry {
                Ok(())
            } else {
                Err(format!("{node} was given {entry:?} at entry {at}, where {known:?} was agreed on"))
            };
        }
        if let Some(elsewhere) = self.batches.insert(entry.batch, at) {
            return Err(format!("{node} was given batch {} at entry {at}, and it is at {elsewhere}", entry.batch));
        }
        // Places in the log, numbers of batches and terms grow together.
        let before = self.entries.range(..at).next_back();
        let after = self.entries.range(at..).next();
        if let Some((place, other)) = before.filter(|(_, other)| other.term > entry.term || other.batch >= entry.batch)
        {
            return Err(format!("{node} was given {entry:?} at entry {at}, after {other:?} at {place}"));
        }
        if let Some((place, other)) = after.filter(|(_, other)| other.term < entry.term || other.batch <= entry.batch) {
            return Err(format!("{node} was given {entry:?} at entry {at}, before {other:?} at {place}"));
        }
        self.entries.insert(at, entry);
        Ok(())
    }

    /// Whether an entry of a log is what was agreed on there, as far as that is known.
    #[must_use]
    pub fn agrees(&self, at: u64, content: Digest) -> bool {
        self.entries.get(&at).is_none_or(|entry| entry.content == content)
    }

    /// Places of what was agreed on.
    pub fn places(&self) -> impl Iterator<Item = (u64, Digest)> {
        self.entries.iter().map(|(at, entry)| (*at, entry.content))
    }

    /// Places of what was agreed on before a term.
    pub fn before(&self, term: u64) -> impl Iterator<Item = (u64, Digest)> {
        self.entries.iter().filter(move |(_, entry)| entry.term < term).map(|(at, entry)| (*at, entry.content))
    }

    /// Whether it is not known yet that something is agreed on at a place.
    #[must_use]
    pub fn is_news(&self, at: u64) -> bool {
        !self.entries.contains_key(&at)
    }

    /// How many batches were agreed on.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.entries.len() as u64
    }

    /// Whether none was.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use replicode_log::{BatchIndex, Term};

    fn batch(at: u64, index: u64, term: u64, content: &[u8]) -> Committed {
        let content = Digest::of(content);
        let (index, term) = (BatchIndex(index), Term(term));
        Committed { index, encoded: Vec::new().into(), content, raft_index: at, term }
    }

    #[test]
    fn what_was_agreed_on_stays_and_leaders_have_it() {
        let node = NodeId::new(1).unwrap();
        let mut seen = ForGood::default();
        assert!(seen.handle(node, &batch(1, 1, 1, b"a")).is_ok());
        assert!(seen.handle(node, &batch(3, 2, 2, b"b")).is_ok());
        assert!(seen.handle(node, &batch(3, 2, 2, b"b")).is_ok(), "another node");
        assert!(seen.handle(node, &batch(3, 2, 2, b"c")).is_err(), "another content");
        assert!(seen.handle(node, &batch(5, 2, 2, b"b")).is_err(), "another place");
        let mut seen = ForGood::default();
        assert!(seen.handle(node, &batch(8, 1, 2, b"a")).is_ok());
        assert!(seen.handle(node, &batch(4, 2, 3, b"b")).is_err(), "a later leader that has not what is at 8");
    }
}
