//! What readers see of a log: its latest values, its latest entries, and where the others are. Pure.
//!
//! What has been taken can be read at once, before it is durable; what is not durable is never forgotten. Of the rest as many
//! entries are kept as fit into a limited size.

use crate::disk::DiskFile;
use crate::index::{Index, Place};
use crate::lookup::Loaded;
use crate::opening::Recovered;
use crate::record::{Entry, EntryId, VoteRecord};
use crate::writer::{Latest, Written};
use std::collections::VecDeque;
use std::sync::Arc;

/// What an entry costs in memory besides its content.
const ENTRY_COST: usize = 96;
/// How many older segments are kept ready for reading.
const LOADED: usize = 4;

/// The log on disk, in figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogStatus {
    /// Bytes of all segments.
    pub bytes: u64,
    /// Number of segments.
    pub segments: u64,
    /// Calls of `fdatasync` since start.
    pub fsyncs: u64,
    /// Records written since start.
    pub records: u64,
}

/// Where the next entry of a read comes from.
pub enum Look {
    /// From memory, as far as they are wanted: nothing more is to be read.
    Held,
    /// From this offset of the segment being written. Its file, if it is at hand.
    Active {
        /// The segment.
        generation: u64,
        /// Its file.
        file: Option<Arc<dyn DiskFile>>,
        /// Where.
        offset: u32,
    },
    /// From a segment that is ready for reading.
    Loaded(Arc<Loaded>),
    /// From a segment that must be loaded first ([`Picture::keep`]).
    Sealed(u64),
    /// There is none.
    End,
}

/// See the module.
pub struct Picture {
    latest: Latest,
    last: Option<EntryId>,
    index: Index,
    generation: u64,
    file: Option<Arc<dyn DiskFile>>,
    /// The latest entries, without a gap; those not yet durable are always among them.
    cache: VecDeque<Entry>,
    cached_bytes: usize,
    /// Segments that have been scanned for reading, latest use last.
    loaded: Vec<Arc<Loaded>>,
    /// Figures.
    pub status: LogStatus,
}

impl Picture {
    /// Of a log that has just been opened. Its last entry is not known yet: see [`Picture::ends_with`].
    #[must_use]
    pub fn new(recovered: Recovered) -> Self {
        let Recovered { tail, index, bytes, .. } = recovered;
        Self {
            latest: tail.latest,
            last: tail.latest.purged,
            generation: tail.header.generation,
            file: None,
            cache: VecDeque::new(),
            cached_bytes: 0,
            loaded: Vec::new(),
            status: LogStatus { bytes, segments: index.segments() as u64, ..LogStatus::default() },
            index,
        }
    }

    /// The last entry, as read from the log.
    pub fn ends_with(&mut self, last: EntryId) {
        self.last = Some(last);
    }

    /// Takes entries that continue the log.
    pub fn append(&mut self, entries: &[Entry]) {
        for entry in entries {
            assert!(self.cache.back().is_none_or(|last| last.id.index + 1 == entry.id.index));
            self.last = Some(entry.id);
            self.cached_bytes += cost(entry);
            self.cache.push_back(entry.clone());
        }
    }

    /// Voids all entries after `last`. Answers the first of them; `None` if there are none.
    pub fn truncate_after(&mut self, last: Option<EntryId>) -> Option<u64> {
        let from = last.map_or(0, |id| id.index + 1);
        if self.last.is_none_or(|id| id.index < from) {
            return None;
        }
        while let Some(entry) = self.cache.pop_back_if(|entry| entry.id.index >= from) {
            self.cached_bytes -= cost(&entry);
        }
        self.last = last.max(self.latest.purged);
        Some(from)
    }

    /// Gives up entries up to `upto`. Answers whether that is news.
    pub fn purge(&mut self, upto: EntryId) -> bool {
        if self.latest.purged.is_some_and(|purged| purged >= upto) {
            return false;
        }
        self.latest.purged = Some(upto);
        while let Some(entry) = self.cache.pop_front_if(|entry| entry.id.index <= upto.index) {
            self.cached_bytes -= cost(&entry);
        }
        self.last = self.last.max(Some(upto));
        true
    }

    /// The latest vote is this.
    pub fn vote(&mut self, vote: VoteRecord) {
        self.latest.vote = Some(vote);
    }

    /// Entries up to this one are known to be committed.
    pub fn committed(&mut self, upto: EntryId) {
        self.latest.committed = Some(upto);
    }

    /// Latest values.
    #[must_use]
    pub const fn latest(&self) -> &Latest {
        &self.latest
    }

    /// The last entry there is, or the last one given up.
    #[must_use]
    pub const fn last(&self) -> Option<EntryId> {
        self.last
    }

    /// The first entry that can be read.
    #[must_use]
    pub fn first(&self) -> u64 {
        let kept = self.latest.purged.map_or(0, |id| id.index + 1);
        let held = self.index.first().or_else(|| self.cache.front().map(|entry| entry.id.index));
        held.map_or(kept, |held| held.max(kept))
    }

    /// Where entry `at` of a read up to before `end` comes from. If from memory, that and those after it are added to `out`,
    /// but no more than `max_bytes` of content, what `bytes` counts already included; at least one if there is one.
    pub fn look(&mut self, at: u64, end: u64, bytes: usize, max_bytes: usize, out: &mut Vec<Entry>) -> Look {
        let held_from = self.cache.front().map(|first| first.id.index);
        if let Some(first) = held_from.filter(|first| *first <= at) {
            let (skip, mut bytes) = ((at - first) as usize, bytes);
            for entry in self.cache.iter().skip(skip).take(end.saturating_sub(at) as usize) {
                bytes += entry.body.len();
                if bytes > max_bytes && !out.is_empty() {
                    break;
                }
                out.push(entry.clone());
            }
            return Look::Held;
        }
        if at >= end.min(held_from.unwrap_or_else(|| self.index.next())) {
            return Look::End;
        }
        match self.index.find(at) {
            None => Look::End,
            Some(Place::Active(offset)) => {
                Look::Active { generation: self.generation, file: self.file.clone(), offset }
            }
            Some(Place::Sealed(generation)) => {
                let Some(at) = self.loaded.iter().position(|loaded| loaded.generation == generation) else {
                    return Look::Sealed(generation);
                };
                let loaded = self.loaded.remove(at);
                self.loaded.push(loaded.clone());
                Look::Loaded(loaded)
            }
        }
    }

    /// Keeps a segment ready for reading for a while.
    pub fn keep(&mut self, loaded: Arc<Loaded>) {
        if self.loaded.len() >= LOADED {
            self.loaded.remove(0);
        }
        self.loaded.push(loaded);
    }

    /// Keeps the file of the segment being written at hand.
    pub fn keep_file(&mut self, generation: u64, file: Arc<dyn DiskFile>) {
        if generation == self.generation {
            self.file = Some(file);
        }
    }

    /// Follows what has become durable, and forgets entries beyond `cache_bytes`. `file` gives a segment's file if it is at
    /// hand. Answers segments that are no longer needed, each with its size.
    pub fn follow(
        &mut self,
        written: impl Iterator<Item = Written>,
        cache_bytes: usize,
        file: &dyn Fn(u64) -> Option<Arc<dyn DiskFile>>,
    ) -> Vec<(u64, u64)> {
        let mut unused = Vec::new();
        for written in written {
            match written {
                Written::Segment { generation, bytes } => {
                    let before = std::mem::replace(&mut self.file, file(generation));
                    if let Some((generation, offsets)) = self.index.begin(generation, 0, bytes)
                        && let Some(file) = before
                    {
                        self.keep(Arc::new(Loaded { generation, file, offsets }));
                    }
                    self.generation = generation;
                    self.status.bytes += bytes;
                }
                Written::Record(offset, item) => {
                    self.status.records += 1;
                    unused.append(&mut self.index.follow(offset, &item));
                }
            }
        }
        self.status.segments = self.index.segments() as u64;
        self.loaded.retain(|loaded| !unused.iter().any(|(generation, _)| *generation == loaded.generation));
        let durable = self.index.next();
        #[cfg(feature = "planted")]
        let durable = if crate::planted::planted(crate::planted::Mistake::CacheForgets) { u64::MAX } else { durable };
        while self.cached_bytes > cache_bytes
            && let Some(entry) = self.cache.pop_front_if(|entry| entry.id.index < durable)
        {
            self.cached_bytes -= cost(&entry);
        }
        unused
    }
}

fn cost(entry: &Entry) -> usize {
    entry.body.len() + ENTRY_COST
}
