//! The log as its users see it: append, read, vote, truncate.
//!
//! Whatever changes the log (entries, votes, truncations) is queued in order and made durable by [`super::work`].
//! What has been queued can be read at once. Recent entries are in a cache of limited size; older ones are read from
//! their segment.

use super::LogError;
use super::disk::{Disk, DiskFile};
use super::index::{Index, Offsets, Place};
use super::opening::{open_writer, read_all};
use super::record::{self, Entry, EntryId, Item, VoteRecord};
use super::recover;
use super::segment::{self, Header, Owner};
use super::work::{Done, Job, OnFault, Work};
use super::writer::{Latest, Written};
use crate::status::LogStatus;
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What an entry costs in the cache besides its content.
const ENTRY_COST: usize = 96;
/// How many older segments are kept ready for reading.
const LOADED: usize = 4;

/// How a log is kept.
#[derive(Clone, Copy, Debug)]
pub struct LogOptions {
    /// Whether an empty directory becomes a new log.
    pub found: bool,
    /// Drawn at random for a new log.
    pub incarnation: [u8; 16],
    /// Bytes of a segment.
    pub segment_bytes: u64,
    /// Bytes of recent entries kept in memory.
    pub cache_bytes: usize,
}

/// What readers need, changed under one lock.
pub(super) struct State {
    latest: Latest,
    last: Option<EntryId>,
    index: Index,
    active: Arc<dyn DiskFile>,
    generation: u64,
    /// The latest entries, without a gap; those not yet durable are always among them.
    cache: VecDeque<Entry>,
    cached_bytes: usize,
    pub(super) status: LogStatus,
    /// Segments that have been scanned for reading, latest use last.
    loaded: Vec<Arc<Loaded>>,
}

struct Loaded {
    generation: u64,
    file: Arc<dyn DiskFile>,
    offsets: Offsets,
}

struct Shared {
    disk: Arc<dyn Disk>,
    owner: Owner,
    incarnation: [u8; 16],
    state: Arc<Mutex<State>>,
    work: Arc<Work>,
}

/// A log, open. Clones are the same log.
#[derive(Clone)]
pub struct Log(Arc<Shared>);

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Log({})", self.0.disk.place())
    }
}

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No code panics while it holds one of these locks, so what they guard is whole; but for the worker's, whose panic stops
    // the queue, so that nobody works with it again.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Log {
    /// Opens a log for writing, or makes one, and starts its thread.
    ///
    /// # Errors
    /// [`LogError`]: the log is damaged, belongs to something else, or the system refuses.
    pub fn open(disk: Arc<dyn Disk>, owner: Owner, options: LogOptions, on_fault: OnFault) -> Result<Self, LogError> {
        let (writer, recovered) = open_writer(&disk, owner, &options, true)?;
        let tail = &recovered.tail;
        let status =
            LogStatus { bytes: recovered.bytes, segments: recovered.index.segments() as u64, ..LogStatus::default() };
        let state = State {
            latest: tail.latest,
            last: None,
            active: tail.file.clone(),
            generation: tail.header.generation,
            cache: VecDeque::new(),
            cached_bytes: 0,
            status,
            loaded: Vec::new(),
            index: recovered.index,
        };
        let state = Arc::new(Mutex::new(state));
        let (next, purged, incarnation) = (tail.next_index, tail.latest.purged, tail.header.incarnation);
        let work = Work::begin(writer, state.clone(), options.cache_bytes, on_fault)?;
        let log = Self(Arc::new(Shared { disk, owner, incarnation, state, work }));
        match log.read(next.saturating_sub(1), next, usize::MAX) {
            Ok(mut entries) => {
                locked(&log.0.state).last = entries.pop().map_or(purged, |entry| Some(entry.id));
                Ok(log)
            }
            Err(error) => {
                log.close();
                Err(error)
            }
        }
    }

    /// The number drawn when the log was made.
    #[must_use]
    pub fn incarnation(&self) -> [u8; 16] {
        self.0.incarnation
    }

    /// Appends entries. They must continue the log without a gap. They can be read at once, and are durable when `done`
    /// is called. Who has nothing better to do than to wait for the disk says `at_once`: see [`super::work`].
    ///
    /// # Errors
    /// [`LogError::Stopped`]; then `done` is called with an error too.
    pub fn append(&self, entries: Vec<Entry>, at_once: bool, done: Done) -> Result<(), LogError> {
        {
            let mut state = locked(&self.0.state);
            for entry in &entries {
                debug_assert!(state.cache.back().is_none_or(|last| last.id.index + 1 == entry.id.index));
                state.last = Some(entry.id);
                state.cached_bytes += entry.body.len() + ENTRY_COST;
                state.cache.push_back(entry.clone());
            }
        }
        self.0.work.push(Job { items: entries.into_iter().map(Item::Entry).collect(), done: Some(done) }, at_once)
    }

    /// Voids all entries after `last`.
    ///
    /// # Errors
    /// As for [`Log::append`].
    pub fn truncate_after(&self, last: Option<EntryId>, done: Done) -> Result<(), LogError> {
        let from = last.map_or(0, |id| id.index + 1);
        {
            let mut state = locked(&self.0.state);
            if state.last.is_none_or(|id| id.index < from) {
                drop(state);
                done(Ok(()));
                return Ok(());
            }
            while let Some(entry) = state.cache.pop_back_if(|entry| entry.id.index >= from) {
                state.cached_bytes -= entry.body.len() + ENTRY_COST;
            }
            state.last = last.max(state.latest.purged);
        }
        self.0.work.push(Job { items: vec![Item::Truncate(from)], done: Some(done) }, false)
    }

    /// Gives up entries up to `upto`.
    ///
    /// # Errors
    /// As for [`Log::append`].
    pub fn purge(&self, upto: EntryId, done: Done) -> Result<(), LogError> {
        {
            let mut state = locked(&self.0.state);
            if state.latest.purged.is_some_and(|purged| purged >= upto) {
                drop(state);
                done(Ok(()));
                return Ok(());
            }
            state.latest.purged = Some(upto);
            while let Some(entry) = state.cache.pop_front_if(|entry| entry.id.index <= upto.index) {
                state.cached_bytes -= entry.body.len() + ENTRY_COST;
            }
            state.last = state.last.max(Some(upto));
        }
        self.0.work.push(Job { items: vec![Item::Purge(upto)], done: Some(done) }, false)
    }

    /// Writes a vote.
    ///
    /// # Errors
    /// As for [`Log::append`].
    pub fn save_vote(&self, vote: VoteRecord, done: Done) -> Result<(), LogError> {
        locked(&self.0.state).latest.vote = Some(vote);
        self.0.work.push(Job { items: vec![Item::Vote(vote)], done: Some(done) }, false)
    }

    /// Notes how far entries are committed. It rides along with the next write and costs none of its own.
    ///
    /// # Errors
    /// [`LogError::Stopped`].
    pub fn note_committed(&self, upto: EntryId) -> Result<(), LogError> {
        locked(&self.0.state).latest.committed = Some(upto);
        self.0.work.add(Job { items: vec![Item::Committed(upto)], done: None })
    }

    /// The latest vote.
    #[must_use]
    pub fn vote(&self) -> Option<VoteRecord> {
        locked(&self.0.state).latest.vote
    }

    /// Whether the latest vote makes this log's owner a leader.
    #[must_use]
    pub fn leads(&self) -> bool {
        self.vote().is_some_and(|vote| vote.committed && vote.node == self.0.owner.node.get())
    }

    /// The last entry given up, and the last entry there is (the former if there is none).
    #[must_use]
    pub fn ends(&self) -> (Option<EntryId>, Option<EntryId>) {
        let state = locked(&self.0.state);
        (state.latest.purged, state.last)
    }

    /// How far entries were noted to be committed, whether this log holds them or not.
    #[must_use]
    pub fn noted_committed(&self) -> Option<EntryId> {
        locked(&self.0.state).latest.committed
    }

    /// How far entries are known to be committed. Only an entry that this log holds is named.
    ///
    /// # Errors
    /// [`LogError`] when the entry cannot be read.
    pub fn committed(&self) -> Result<Option<EntryId>, LogError> {
        let (committed, purged) = {
            let state = locked(&self.0.state);
            (state.latest.committed, state.latest.purged)
        };
        let Some(id) = committed else { return Ok(None) };
        if purged >= Some(id) {
            return Ok(Some(id));
        }
        let held = self.read(id.index, id.index + 1, usize::MAX)?.pop();
        Ok(held.map(|entry| entry.id).filter(|held| *held == id))
    }

    /// Figures.
    #[must_use]
    pub fn status(&self) -> LogStatus {
        locked(&self.0.state).status
    }

    /// Entries from `start` to before `end`, as far as the log has them, but no more than `max_bytes` of content; at
    /// least one if there is one.
    ///
    /// # Errors
    /// [`LogError`] when an entry that was written cannot be read back as it was.
    pub fn read(&self, start: u64, end: u64, max_bytes: usize) -> Result<Vec<Entry>, LogError> {
        let (mut out, mut bytes, mut at) = (Vec::new(), 0, start);
        loop {
            let (place, active) = {
                let state = locked(&self.0.state);
                at = at.max(state.first());
                if let Some(first) = state.cache.front().filter(|first| first.id.index <= at) {
                    let skip = (at - first.id.index) as usize;
                    for entry in state.cache.iter().skip(skip).take(end.saturating_sub(at) as usize) {
                        bytes += entry.body.len();
                        if bytes > max_bytes && !out.is_empty() {
                            break;
                        }
                        out.push(entry.clone());
                    }
                    return Ok(out);
                }
                let next = state.cache.front().map_or_else(|| state.index.next(), |first| first.id.index);
                if at >= end.min(next) {
                    return Ok(out);
                }
                let Some(place) = state.index.find(at) else { return Ok(out) };
                (place, (state.generation, state.active.clone()))
            };
            let (generation, entry) = match place {
                Place::Active(offset) => (active.0, self.read_at(active.0, &*active.1, offset)?),
                Place::Sealed(generation) => {
                    let loaded = self.load(generation)?;
                    let name = segment::name(generation);
                    let Some(offset) = loaded.offsets.get(at) else {
                        let what = format!("entry {at} is not in this segment any more");
                        return Err(LogError::Damage { file: name, offset: 0, what });
                    };
                    (generation, self.read_at(generation, &*loaded.file, offset)?)
                }
            };
            if entry.id.index != at {
                let what = format!("entry {} where entry {at} was written", entry.id.index);
                return Err(LogError::Damage { file: segment::name(generation), offset: 0, what });
            }
            bytes += entry.body.len();
            if bytes > max_bytes && !out.is_empty() {
                return Ok(out);
            }
            out.push(entry);
            at += 1;
        }
    }

    fn read_at(&self, generation: u64, file: &dyn DiskFile, offset: u32) -> Result<Entry, LogError> {
        let name = segment::name(generation);
        let failed = |why| LogError::io(format!("read log segment {name} at offset {offset}"), why);
        let damage =
            |what: &str| LogError::Damage { file: name.clone(), offset: offset.into(), what: what.to_string() };
        let mut bytes = vec![0; record::HEADER];
        file.read_at(&mut bytes, offset.into()).map_err(failed)?;
        let len = record::length_of(&bytes).ok_or_else(|| damage("this is no record any more"))?;
        if offset as u64 + len as u64 > file.len().map_err(failed)? {
            return Err(damage("the record's length is wrong"));
        }
        bytes.resize(len, 0);
        file.read_at(&mut bytes, offset.into()).map_err(failed)?;
        let seed = record::Seed::new(&self.0.owner.identity.cluster, generation);
        match record::verify(seed, &Bytes::from(bytes), 0, offset.into()).map(|record| record.item) {
            Some(Item::Entry(entry)) => Ok(entry),
            Some(_) => Err(damage("this is another record than was written here")),
            None => Err(damage("the record does not verify any more")),
        }
    }

    /// An older segment, ready for reading.
    fn load(&self, generation: u64) -> Result<Arc<Loaded>, LogError> {
        {
            let mut state = locked(&self.0.state);
            if let Some(at) = state.loaded.iter().position(|loaded| loaded.generation == generation) {
                let loaded = state.loaded.remove(at);
                state.loaded.push(loaded.clone());
                return Ok(loaded);
            }
        }
        let name = segment::name(generation);
        let file = self.0.disk.open(&name).map_err(|why| LogError::io(format!("open log segment {name}"), why))?;
        let bytes = read_all(&*file, &name)?;
        let header = Header::decode(&name, &bytes)?;
        header.check(&name, &self.0.owner)?;
        let mut offsets = Offsets::default();
        recover::scan(&name, &bytes, &header, None, &mut |offset, item| offsets.follow(offset as u32, &item))?;
        let loaded = Arc::new(Loaded { generation, file, offsets });
        locked(&self.0.state).keep(loaded.clone());
        Ok(loaded)
    }

    /// Writes what is queued and stops the thread. Later changes are refused.
    pub fn close(&self) {
        self.0.work.close();
    }
}

impl State {
    /// The first entry that can be read.
    fn first(&self) -> u64 {
        let kept = self.latest.purged.map_or(0, |id| id.index + 1);
        let held = self.index.first().or_else(|| self.cache.front().map(|entry| entry.id.index));
        held.map_or(kept, |held| held.max(kept))
    }

    fn keep(&mut self, loaded: Arc<Loaded>) {
        if self.loaded.len() >= LOADED {
            self.loaded.remove(0);
        }
        self.loaded.push(loaded);
    }

    /// Follows what has become durable, and forgets cached entries beyond the cap. Answers segments no longer needed.
    pub(super) fn follow(&mut self, written: &mut Vec<Written>, cache_bytes: usize) -> Vec<u64> {
        let mut unused = Vec::new();
        for written in written.drain(..) {
            match written {
                Written::Segment { generation, file, bytes } => {
                    let before = std::mem::replace(&mut self.active, file);
                    if let Some((generation, offsets)) = self.index.begin(generation, 0) {
                        self.keep(Arc::new(Loaded { generation, file: before, offsets }));
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
        self.loaded.retain(|loaded| !unused.contains(&loaded.generation));
        let durable = self.index.next();
        while self.cached_bytes > cache_bytes
            && let Some(entry) = self.cache.pop_front_if(|entry| entry.id.index < durable)
        {
            self.cached_bytes -= entry.body.len() + ENTRY_COST;
        }
        unused
    }
}
