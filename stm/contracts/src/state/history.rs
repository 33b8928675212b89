//! What the records of kept states are needed for, and what it takes to go back.

use std::collections::{BTreeMap, VecDeque};

use super::Content;
use super::storage::record;
use crate::hash::Hash;
use crate::kv::Batch;
use crate::tree::{Forest, Name};

/// A record behind a leaf: tree, key, hash.
type Leaf = (Name, Hash, Hash);

/// What one batch has done.
#[derive(Debug, Default)]
struct Done {
    /// The cells' records before it.
    cells: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    /// Leaves that it has written.
    added: Vec<Leaf>,
    /// Leaves that it has replaced: states before it need them.
    replaced: Vec<Leaf>,
}

/// The batches whose states are kept, oldest first.
#[derive(Debug, Default)]
pub(super) struct History {
    open: Done,
    sealed: VecDeque<(u64, Done)>,
    /// In how many batches each record stands among the replaced.
    needed: BTreeMap<Vec<u8>, usize>,
}

impl History {
    pub(super) fn cell(&mut self, record: Vec<u8>, old: Option<Vec<u8>>) {
        self.open.cells.entry(record).or_insert(old);
    }

    pub(super) fn content(&mut self, content: &Content) {
        let Content { name, key, old, new } = content;
        if let Some((hash, _)) = new {
            self.open.added.push((*name, *key, *hash));
        }
        let Some(old) = old else { return };
        if let Some(record) = record(name, old) {
            *self.needed.entry(record).or_default() += 1;
            self.open.replaced.push((*name, *key, *old));
        }
    }

    /// Sealed batches, newest first.
    pub(super) fn batches(&self) -> impl Iterator<Item = u64> {
        self.sealed.iter().rev().map(|(batch, _)| *batch)
    }

    /// Seals a batch; the records that no kept state has any more.
    pub(super) fn seal(&mut self, batch: u64, forest: &Forest) -> Batch {
        self.sealed.push_back((batch, std::mem::take(&mut self.open)));
        let mut gone = Batch::new();
        // What a batch has replaced is needed by states before it, and those are kept no longer.
        while self.sealed.front().is_some_and(|(batch, _)| *batch <= forest.oldest()) {
            let Some((_, done)) = self.sealed.pop_front() else { break };
            self.release(&done.replaced);
            drop_unneeded(&self.needed, forest, &done.replaced, &mut gone);
        }
        gone
    }

    /// Goes back to the state after `batch`, which the trees have done already; what is to be written for it.
    pub(super) fn rewind(&mut self, batch: u64, forest: &Forest) -> Batch {
        let mut back = Batch::new();
        let mut added = Vec::new();
        let mut undo = |done: Done, needed: &mut BTreeMap<Vec<u8>, usize>| {
            // Batches come newest first, so the oldest of a cell's values stays.
            back.extend(done.cells);
            added.extend(done.added);
            release(needed, &done.replaced);
        };
        undo(std::mem::take(&mut self.open), &mut self.needed);
        while self.sealed.back().is_some_and(|(sealed, _)| *sealed > batch) {
            let Some((_, done)) = self.sealed.pop_back() else { break };
            undo(done, &mut self.needed);
        }
        drop_unneeded(&self.needed, forest, &added, &mut back);
        back
    }

    fn release(&mut self, leaves: &[Leaf]) {
        release(&mut self.needed, leaves);
    }
}

fn release(needed: &mut BTreeMap<Vec<u8>, usize>, leaves: &[Leaf]) {
    for (name, _, hash) in leaves {
        let Some(record) = record(name, hash) else { continue };
        match needed.get_mut(&record) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(needed.remove(&record)),
        }
    }
}

/// Removes those of the records that are neither in the newest state nor needed by an older one.
fn drop_unneeded(needed: &BTreeMap<Vec<u8>, usize>, forest: &Forest, leaves: &[Leaf], batch: &mut Batch) {
    for (name, key, hash) in leaves {
        let Some(record) = record(name, hash) else { continue };
        if !needed.contains_key(&record) && forest.get(name, key) != Some(*hash) {
            batch.insert(record, None);
        }
    }
}
