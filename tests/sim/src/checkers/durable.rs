//! What is durable on each disk, at every moment: so that it can be asked whether somebody has said more than a power cut now would
//! leave. An output leaves only when its batch is on a majority of disks (S3); who says that he holds an entry, or votes, has it
//! on his disk.
//!
//! Only what was synced counts, and it is read record by record as it comes: by its own small reader, not by the log's.

use bytes::Bytes;
use replicode_log::Digest;
use replicode_store::record::{self, Body, EntryId, Item, Seed, VoteRecord};
use replicode_store::segment::{self, HEADER, Header};
use replicode_store::sim_disk::SimDisk;
use std::collections::BTreeMap;

/// What one node's disk holds for certain.
#[derive(Debug, Default)]
struct Holding {
    disk: Option<SimDisk>,
    /// The segment that is being read, its checksums' seed, and where the next record is.
    generation: u64,
    seed: Option<Seed>,
    position: usize,
    /// Entries by index: term, and the content of a batch.
    entries: BTreeMap<u64, (u64, Option<Digest>)>,
    /// The same of a disk that it had before it lost it: what was agreed on with its help is agreed on for good.
    before: BTreeMap<u64, (u64, Option<Digest>)>,
    vote: Option<VoteRecord>,
    /// The first thing wrong with the order of votes.
    wrong: Option<String>,
}

impl Holding {
    fn follow(&mut self, item: Item) {
        match item {
            Item::Entry(entry) => {
                let content = if let Body::Batch(bytes) = &entry.body { Some(Digest::of(bytes)) } else { None };
                self.entries.insert(entry.id.index, (entry.id.term, content));
            }
            Item::Truncate(from) => drop(self.entries.split_off(&from)),
            Item::Vote(vote) => {
                if let Some(before) = self.vote {
                    let grows = (vote.term, vote.committed) >= (before.term, before.committed);
                    // Who leads a term is written over a vote for one who did not make it.
                    let leads = vote.committed && !before.committed;
                    let same = vote.term != before.term || vote.node == before.node || leads;
                    if !grows || !same {
                        self.wrong.get_or_insert(format!("{vote:?} was written after {before:?}"));
                    }
                }
                self.vote = Some(vote);
            }
            Item::Committed(_) | Item::Purge(_) => {}
        }
    }

    /// Reads what has become durable since the last time.
    fn update(&mut self) {
        let Some(disk) = self.disk.clone() else { return };
        loop {
            let name = segment::name(self.generation.max(1));
            let (mut items, seed, position) = (Vec::new(), self.seed, self.position);
            let read = disk.durable(&name, |bytes| {
                let seed = match seed {
                    Some(seed) => seed,
                    None => Header::decode(&name, bytes.get(..HEADER)?).ok()?.seed(),
                };
                // Of a group whose end is not there nothing counts: it may be what a crash has left.
                let (mut at, mut whole, mut ended) = (position.max(HEADER), position.max(HEADER), 0);
                while let Some(len) = bytes.get(at..at + record::HEADER).and_then(record::length_of)
                    && let Some(record) = at.checked_add(len).and_then(|end| bytes.get(at..end))
                    && let Some(verified) = record::verify(seed, &Bytes::copy_from_slice(record), 0, at as u64)
                {
                    at += verified.len;
                    items.push(verified.item);
                    if verified.end_of_group {
                        (whole, ended) = (at, items.len());
                    }
                }
                items.truncate(ended);
                Some((seed, whole))
            });
            let Some(Some((seed, at))) = read else { return };
            (self.generation, self.seed, self.position) = (self.generation.max(1), Some(seed), at);
            for item in items {
                self.follow(item);
            }
            let next = self.generation + 1;
            if disk.durable(&segment::name(next), |_| ()).is_none() {
                return;
            }
            (self.generation, self.seed, self.position) = (next, None, 0);
        }
    }
}

/// See the module.
#[derive(Debug, Default)]
pub struct Durable {
    nodes: Vec<Holding>,
}

impl Durable {
    /// From now on this is a node's disk.
    pub fn disk(&mut self, node: usize, disk: &SimDisk) {
        while self.nodes.len() <= node {
            self.nodes.push(Holding::default());
        }
        let before = std::mem::take(&mut self.nodes[node].before);
        self.nodes[node] = Holding { disk: Some(disk.clone()), before, ..Holding::default() };
    }

    /// Something is about to befall a node's disk that it will not get over.
    pub fn loses(&mut self, node: usize) {
        if let Some(held) = self.nodes.get_mut(node) {
            held.update();
            held.before = held.entries.clone();
        }
    }

    /// Whether an entry is on the disks of a majority: so it must be before anything of it is seen.
    ///
    /// # Errors
    /// It is not.
    pub fn majority(&mut self, index: u64, content: Digest) -> Result<(), String> {
        let mut on = 0;
        for node in &mut self.nodes {
            let has = |entry: Option<&(u64, Option<Digest>)>| entry.is_some_and(|entry| entry.1 == Some(content));
            let holds = |node: &Holding| has(node.entries.get(&index)) || has(node.before.get(&index));
            if !holds(node) {
                node.update();
            }
            on += usize::from(holds(node));
        }
        if on * 2 <= self.nodes.len() {
            return Err(format!("the batch of entry {index} is seen, and on {on} of {} disks", self.nodes.len()));
        }
        Ok(())
    }

    /// A node says that it holds a leader's entries up to one.
    ///
    /// # Errors
    /// A power cut now would take it.
    pub fn holds(&mut self, node: usize, upto: EntryId) -> Result<(), String> {
        let Some(held) = self.nodes.get_mut(node) else { return Ok(()) };
        let has = |held: &Holding| held.entries.get(&upto.index).map(|entry| entry.0);
        if has(held) != Some(upto.term) {
            held.update();
        }
        match has(held) {
            Some(term) if term == upto.term => Ok(()),
            found => Err(format!("it says that it holds {upto:?}, and on its disk is {found:?}")),
        }
    }

    /// A node votes.
    ///
    /// # Errors
    /// A power cut now would let it vote again.
    pub fn votes(&mut self, node: usize, vote: VoteRecord) -> Result<(), String> {
        let Some(held) = self.nodes.get_mut(node) else { return Ok(()) };
        held.update();
        match held.vote {
            Some(on) if on.term > vote.term => Ok(()),
            // Who has come to lead the term is written over the vote for another one.
            Some(on) if on.term == vote.term && (on.node == vote.node || on.committed) => Ok(()),
            found => Err(format!("it votes {vote:?}, and on its disk is {found:?}")),
        }
    }

    /// The last of some entries that is on a node's disk.
    pub fn last_of(&mut self, node: usize, agreed: impl Iterator<Item = (u64, Digest)>) -> Option<EntryId> {
        let held = self.nodes.get_mut(node)?;
        held.update();
        let on = |(at, content): &(u64, Digest)| held.entries.get(at).is_some_and(|entry| entry.1 == Some(*content));
        let (index, _) = agreed.filter(on).last()?;
        held.entries.get(&index).map(|entry| EntryId { term: entry.0, index })
    }

    /// What is wrong with the votes that are on a node's disk, in their order.
    pub fn wrong(&mut self, node: usize) -> Option<String> {
        let held = self.nodes.get_mut(node)?;
        held.update();
        held.wrong.clone()
    }
}
