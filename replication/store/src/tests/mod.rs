//! Tests of the log as a whole, driven without a thread.

mod crash;
mod damage;
mod format;
mod machine;

use crate::disk::Disk;
use crate::head::Head;
use crate::lookup::{Lookup, Pictured};
use crate::record::{Body, Entry, EntryId, Item};
use crate::segment::{ClusterIdentity, Owner};
use crate::sim_disk::SimDisk;
use crate::{Hands, LogError, LogOptions, Opened, Picture, Plan, Writer, open};
use bytes::Bytes;
use replicode_log::{Digest, NodeId};
use std::cell::RefCell;
use std::sync::Arc;

fn owner() -> Owner {
    let Ok(node) = NodeId::new(1) else { unreachable!("1 is a node number") };
    let identity = ClusterIdentity { cluster: [1; 16], config: Digest::of(b"config"), engine: Digest::of(b"engine") };
    Owner { node, identity }
}

fn entry(term: u64, index: u64, len: usize) -> Entry {
    let body = if len == 0 { Body::Blank } else { Body::Batch(Bytes::from(vec![index as u8; len])) };
    Entry { id: EntryId { term, index }, body }
}

fn items(entries: &[Entry]) -> Vec<Item> {
    entries.iter().cloned().map(Item::Entry).collect()
}

/// Writes a head by hand.
pub(crate) fn note(disk: &SimDisk, head: &Head) {
    let mut plan = Plan::new("here");
    plan.note(head);
    let done = Hands::new(Arc::new(disk.clone())).carry_out(plan);
    assert!(done.is_ok(), "{done:?}");
}

struct Seen(RefCell<Picture>);

impl Pictured for Seen {
    fn with<T>(&self, look: impl FnOnce(&mut Picture) -> T) -> T {
        look(&mut self.0.borrow_mut())
    }
}

/// A log with everything that belongs to it, and nothing in memory that is on disk.
struct Kept {
    writer: Writer,
    hands: Hands,
    seen: Seen,
    lookup: Lookup,
}

impl Kept {
    fn open(disk: &SimDisk, segment_bytes: u64) -> Result<Self, LogError> {
        Self::open_as(disk, owner(), [5; 16], segment_bytes)
    }

    fn open_as(disk: &SimDisk, owner: Owner, incarnation: [u8; 16], segment_bytes: u64) -> Result<Self, LogError> {
        let disk: Arc<dyn Disk> = Arc::new(disk.clone());
        let options = LogOptions { found: true, incarnation, segment_bytes, cache_bytes: 0 };
        let Opened { writer, hands, recovered } = open(&disk, owner, &options, false, &mut |_| {})?;
        let seen = Seen(RefCell::new(Picture::new(recovered)));
        Ok(Self { writer, hands, seen, lookup: Lookup::new(disk, owner) })
    }

    fn write(&mut self, items: &[Item]) -> Result<(), LogError> {
        let mut written = Vec::new();
        self.writer.handle_items(items.iter(), &mut written);
        let nobody = &mut || Err(LogError::Stopped("nothing is prepared elsewhere".to_string()));
        self.hands.serve(&mut self.writer, nobody)?;
        let unused = self.seen.with(|seen| seen.follow(written.drain(..), 0, &|_| None));
        self.writer.handle_unused(&unused);
        self.hands.serve(&mut self.writer, nobody)
    }

    fn read(&self, start: u64, end: u64) -> Result<Vec<Entry>, LogError> {
        self.lookup.read(&self.seen, start, end, usize::MAX)
    }
}
