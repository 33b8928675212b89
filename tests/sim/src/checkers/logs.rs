//! Logs on disks. Log matching: where two logs have an entry of the same index and term, they are equal up to there (Ongaro and
//! Ousterhout, figure 3). A log changes for a leader's sake only after it has the vote for that leader. And what is agreed on is on
//! the disks of a majority, whatever was torn: what was synced counts, not what a reader sees.

use super::committed::ForGood;
use replicode_log::Digest;
use replicode_replication::ClusterIdentity;
use replicode_store::record::{Body, Entry, Item};
use replicode_store::segment::Owner;
use replicode_store::sim_disk::SimDisk;
use replicode_store::{Disk, LogError, LogOptions, open};
use std::collections::BTreeMap;
use std::sync::Arc;

/// See the module.
#[derive(Debug, Default)]
pub struct Logs {
    /// Each entry that any log had, with what all before it amounts to.
    seen: BTreeMap<(u64, u64), Digest>,
}

/// What a disk holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Entries by index: term, and the content of a batch.
    pub entries: BTreeMap<u64, (u64, Option<Digest>)>,
}

fn body(entry: &Entry) -> (u8, &[u8]) {
    match &entry.body {
        Body::Blank => (0, &[]),
        Body::Batch(bytes) => (1, bytes),
        Body::Membership(bytes) => (2, bytes),
    }
}

impl Logs {
    /// Reads a copy of a node's disk, as its next start would.
    ///
    /// # Errors
    /// It cannot be read, or contradicts what was seen on others.
    pub fn scan(&mut self, owner: Owner, disk: &SimDisk) -> Result<Held, String> {
        let (mut entries, mut term, mut early): (Vec<Entry>, u64, Option<String>) = (Vec::new(), 0, None);
        let disk: Arc<dyn Disk> = Arc::new(disk.copy());
        let options = LogOptions { found: false, incarnation: [0; 16], segment_bytes: 1 << 16, cache_bytes: 0 };
        let opened = open(&disk, owner, &options, false, &mut |item| match item {
            Item::Entry(entry) => {
                if entry.id.term > term {
                    early.get_or_insert(format!("{:?} follows a vote of term {term}", entry.id));
                }
                entries.push(entry.clone());
            }
            Item::Truncate(from) => {
                let voided = entries.iter().filter(|entry| entry.id.index >= *from).map(|entry| entry.id.term).max();
                if voided.is_some_and(|voided| voided >= term) {
                    early.get_or_insert(format!("entries of term {voided:?} were voided after a vote of term {term}"));
                }
                entries.retain(|entry| entry.id.index < *from);
            }
            Item::Vote(vote) => term = vote.term,
            Item::Committed(_) | Item::Purge(_) => {}
        });
        match opened {
            Ok(_) => {}
            // It was never founded.
            Err(LogError::NoLog(_)) => return Ok(Held::default()),
            Err(error) => return Err(format!("the log of {} cannot be read: {error}", owner.node)),
        }
        if let Some(early) = early {
            return Err(format!("in the log of {}, {early}", owner.node));
        }
        let (mut chain, mut held) = (Digest::default(), Held::default());
        for entry in &entries {
            let (kind, bytes) = body(entry);
            let (index, term) = (entry.id.index, entry.id.term);
            chain = Digest::chain(chain, &[&[kind], &term.to_le_bytes(), bytes]);
            if let Some(other) = self.seen.insert((index, term), chain)
                && other != chain
            {
                return Err(format!(
                    "the log of {} differs from others' up to entry {index} of term {term}",
                    owner.node
                ));
            }
            held.entries.insert(index, (term, (kind == 1).then(|| Digest::of(bytes))));
        }
        Ok(held)
    }

    /// Whether everything that was agreed on is on a majority of disks.
    ///
    /// # Errors
    /// What is not.
    pub fn majority(agreed: &ForGood, held: &[Held]) -> Result<(), String> {
        for (at, content) in agreed.places() {
            let on = held.iter().filter(|held| held.entries.get(&at).is_some_and(|entry| entry.1 == Some(content)));
            let on = on.count();
            if on * 2 <= held.len() {
                return Err(format!("entry {at} was agreed on, and is on {on} of {} disks", held.len()));
            }
        }
        Ok(())
    }
}

/// What all nodes have in common.
#[must_use]
pub fn identity() -> ClusterIdentity {
    let (config, engine) = (Digest::of(b"a simulation"), Digest::of(b"a toy"));
    ClusterIdentity { cluster: crate::world::tls::CLUSTER, config, engine }
}
