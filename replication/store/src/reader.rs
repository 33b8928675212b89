//! A stopped node's log, read only: for replay, for comparing two runs, for looking at it.
//!
//! Nothing is cut, cleaned or locked. The same proofs are asked for as when a node starts, except that the log need not
//! be *this* node's: whose it is can be read from [`LogReader::owner`].

use crate::LogError;
use crate::file_disk::FileDisk;
use crate::opening::{headers, read_all, recover_all};
use crate::record::{Body, Entry, EntryId, Item, VoteRecord};
use crate::segment::{self, Header, Owner};
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};
use std::path::Path;

/// An entry of the consensus log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// Its position, from 0.
    pub raft_index: u64,
    /// The term of the leader that made it.
    pub term: u64,
    /// The encoded batch; `None` for entries of the protocol itself (a leader's first entry, a set of members).
    pub batch: Option<Bytes>,
}

/// A log that has been proven whole.
pub struct LogReader {
    disk: FileDisk,
    headers: Vec<Header>,
    /// Per segment, the first entry that a later segment makes void.
    void_from: BTreeMap<u64, u64>,
    vote: Option<VoteRecord>,
    committed: Option<EntryId>,
    torn: Option<(String, u64)>,
    next_index: u64,
}

impl LogReader {
    /// Opens the log in a directory and reads it through once.
    ///
    /// # Errors
    /// [`LogError`]: there is none, or it is damaged.
    pub fn open(dir: &Path) -> Result<Self, LogError> {
        let disk = FileDisk::open_read_only(dir)?;
        let headers = headers(&disk, None)?;
        let mut void_from = BTreeMap::new();
        let recovered = recover_all(&disk, &headers, &mut |header, _, item| {
            if let Item::Truncate(from) = item {
                for earlier in headers.iter().take_while(|earlier| earlier.generation < header.generation) {
                    let void = void_from.entry(earlier.generation).or_insert(*from);
                    *void = (*void).min(*from);
                }
            }
        })?;
        let tail = &recovered.tail;
        let torn = recovered.torn.map(|_| (segment::name(tail.header.generation), tail.position));
        Ok(Self {
            void_from,
            vote: tail.latest.vote,
            committed: tail.latest.committed,
            torn,
            next_index: tail.next_index,
            headers,
            disk,
        })
    }

    /// Whose log it is.
    #[must_use]
    pub fn owner(&self) -> Option<Owner> {
        self.headers.first().map(|header| header.owner)
    }

    /// The latest vote.
    #[must_use]
    pub fn vote(&self) -> Option<VoteRecord> {
        self.vote
    }

    /// How far entries are known to be committed: later ones may have been, or may yet be taken back. `None`: nothing
    /// is known.
    #[must_use]
    pub fn committed(&self) -> Option<u64> {
        self.committed.map(|id| id.index)
    }

    /// The index after the last entry.
    #[must_use]
    pub fn next_index(&self) -> u64 {
        self.next_index
    }

    /// The segment and offset at which a write was cut short by a crash, if one was.
    #[must_use]
    pub fn torn(&self) -> Option<&(String, u64)> {
        self.torn.as_ref()
    }

    /// All entries in order. One segment is in memory at a time.
    pub fn entries(&self) -> Entries<'_> {
        Entries { reader: self, segment: 0, ready: VecDeque::new(), failed: false }
    }
}

/// See [`LogReader::entries`].
pub struct Entries<'a> {
    reader: &'a LogReader,
    segment: usize,
    ready: VecDeque<LogEntry>,
    failed: bool,
}

impl Entries<'_> {
    fn load(&mut self, header: &Header) -> Result<(), LogError> {
        let name = segment::name(header.generation);
        let file = crate::disk::Disk::open(&self.reader.disk, &name);
        let file = file.map_err(|why| LogError::io(format!("open log segment {name}"), why))?;
        let bytes = read_all(&*file, &name)?;
        let successor = self.reader.headers.get(self.segment + 1).map(|next| next.previous);
        let ready = &mut self.ready;
        crate::recover::scan(&name, &bytes, header, successor, &mut |_, item| match item {
            Item::Entry(Entry { id, body }) => {
                let batch = match body {
                    Body::Batch(bytes) => Some(bytes),
                    Body::Blank | Body::Membership(_) => None,
                };
                ready.push_back(LogEntry { raft_index: id.index, term: id.term, batch });
            }
            Item::Truncate(from) => ready.retain(|entry| entry.raft_index < from),
            Item::Vote(_) | Item::Committed(_) | Item::Purge(_) => {}
        })?;
        if let Some(void) = self.reader.void_from.get(&header.generation) {
            ready.retain(|entry| entry.raft_index < *void);
        }
        Ok(())
    }
}

impl Iterator for Entries<'_> {
    type Item = Result<LogEntry, LogError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(entry) = self.ready.pop_front() {
                return Some(Ok(entry));
            }
            let header = *self.reader.headers.get(self.segment).filter(|_| !self.failed)?;
            if let Err(error) = self.load(&header) {
                self.failed = true;
                return Some(Err(error));
            }
            self.segment += 1;
        }
    }
}
