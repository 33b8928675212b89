//! The log as its users see it: append, read, vote, truncate.
//!
//! Whatever changes the log goes through one queue to one thread, in order: entries, votes, truncations. The thread
//! takes all that has gathered, makes it durable with one write and one sync, and then tells everybody in order. So
//! under load the cost of a sync is shared, and at rest nobody waits for company.
//!
//! What has been queued can be read at once. Recent entries are in a cache of limited size; older ones are read from
//! their segment.

use super::LogError;
use super::disk::{Disk, DiskFile};
use super::head::{HEAD, Head};
use super::index::{Index, Offsets, Place};
use super::record::{self, Entry, EntryId, Item, VoteRecord};
use super::recover;
use super::segment::{self, Header, Owner, SPARE};
use super::writer::{self, Latest, Tail, Writer, Written};
use crate::delivery::Fault;
use crate::status::LogStatus;
use bytes::Bytes;
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

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

/// Called once when what it was given with is durable, or never will be.
pub type Done = Box<dyn FnOnce(io::Result<()>) + Send>;

/// Called at most once, from the log's thread, when the log must stop.
pub type OnFault = Box<dyn FnOnce(Fault) + Send>;

struct Job {
    items: Vec<Item>,
    done: Option<Done>,
}

#[derive(Default)]
struct Queue {
    jobs: Vec<Job>,
    /// Whether something in the queue is worth a sync of its own.
    urgent: bool,
    closed: bool,
    /// Why nothing more is taken.
    stopped: Option<String>,
}

/// What readers need, changed under one lock.
struct State {
    latest: Latest,
    last: Option<EntryId>,
    index: Index,
    active: Arc<dyn DiskFile>,
    generation: u64,
    /// The latest entries, without a gap; those not yet durable are always among them.
    cache: VecDeque<Entry>,
    cached_bytes: usize,
    status: LogStatus,
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
    cache_bytes: usize,
    queue: Mutex<Queue>,
    wake: Condvar,
    state: Mutex<State>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// A log, open. Clones are the same log.
#[derive(Clone)]
pub struct Log(Arc<Shared>);

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Log({})", self.0.disk.place())
    }
}

/// A log that has been read from its first byte to its last.
pub(super) struct Recovered {
    pub(super) tail: Tail,
    pub(super) index: Index,
    pub(super) bytes: u64,
    /// Where remains of a group that was cut short end, in the last segment.
    pub(super) torn: Option<u64>,
    /// The newest segment by the head; 0 if there is none yet.
    pub(super) head: u64,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No code panics while it holds one of these locks, so what they guard is whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads a whole file.
pub(super) fn read_all(file: &dyn DiskFile, name: &str) -> Result<Bytes, LogError> {
    let failed = |why| LogError::io(format!("read log segment {name}"), why);
    let len = file.len().map_err(failed)?;
    let mut bytes = vec![0; usize::try_from(len).map_err(|_| failed(io::ErrorKind::FileTooLarge.into()))?];
    file.read_at(&mut bytes, 0).map_err(failed)?;
    Ok(Bytes::from(bytes))
}

/// The headers of all segments, in order, proven to follow each other without a gap up to the one that the head names.
pub(super) fn headers(disk: &dyn Disk, owner: Option<&Owner>) -> Result<Vec<Header>, LogError> {
    let names = disk.list().map_err(|why| LogError::io(format!("list {}", disk.place()), why))?;
    let mut generations: Vec<u64> = names.iter().filter_map(|name| segment::parse_name(name)).collect();
    generations.sort_unstable();
    let mut headers: Vec<Header> = Vec::with_capacity(generations.len());
    for generation in generations {
        let name = segment::name(generation);
        let damage = |what: &str| LogError::Damage { file: name.clone(), offset: 0, what: what.to_string() };
        if let Some(before) = headers.last()
            && before.generation + 1 != generation
        {
            return Err(LogError::Missing { file: segment::name(before.generation + 1) });
        }
        let file = disk.open(&name).map_err(|why| LogError::io(format!("open log segment {name}"), why))?;
        let mut bytes = vec![0; segment::HEADER];
        file.read_at(&mut bytes, 0).map_err(|why| match why.kind() {
            io::ErrorKind::UnexpectedEof => damage("the file is shorter than a segment's header"),
            _ => LogError::io(format!("read log segment {name}"), why),
        })?;
        let header = Header::decode(&name, &bytes)?;
        if let Some(owner) = owner {
            header.check(&name, owner)?;
        }
        if header.generation != generation {
            return Err(damage(&format!("it is segment {} by its header", header.generation)));
        }
        if headers.first().is_some_and(|first| first.owner != header.owner || first.incarnation != header.incarnation) {
            return Err(damage("it belongs to another log than the segments before it"));
        }
        headers.push(header);
    }
    if let Some(first) = headers.first()
        && first.generation == 1
        && first.previous != segment::genesis(&first.owner, &first.incarnation)
    {
        let what = "the log does not begin where a log begins".to_string();
        return Err(LogError::Damage { file: segment::name(1), offset: 0, what });
    }
    if let Some(head) = Head::read(disk)? {
        if headers.last().is_none_or(|newest| newest.generation < head.generation) {
            return Err(LogError::Missing { file: segment::name(head.generation) });
        }
        if headers.first().is_some_and(|first| first.incarnation != head.incarnation) {
            let what = "it belongs to another log than the segments beside it".to_string();
            return Err(LogError::Damage { file: HEAD.to_string(), offset: 0, what });
        }
    }
    Ok(headers)
}

/// Reads the log from its first byte to its last and hands every record to `visit`. Changes nothing.
pub(super) fn recover(
    disk: &dyn Disk,
    headers: &[Header],
    visit: &mut dyn FnMut(&Header, u64, &Item),
) -> Result<Recovered, LogError> {
    let (mut latest, mut index, mut total, mut end) = (Latest::default(), Index::default(), 0, None);
    let mut broken = None;
    for (at, header) in headers.iter().enumerate() {
        let name = segment::name(header.generation);
        let file = disk.open(&name).map_err(|why| LogError::io(format!("open log segment {name}"), why))?;
        let bytes = read_all(&*file, &name)?;
        index.begin(header.generation, header.next_index);
        let successor = headers.get(at + 1).map(|next| next.previous);
        let scan = recover::scan(&name, &bytes, header, successor, &mut |offset, item| {
            if let Item::Entry(entry) = &item
                && entry.id.index != index.next()
                && latest.purged.map(|id| id.index + 1) != Some(entry.id.index)
            {
                broken.get_or_insert((offset, entry.id.index, index.next()));
            }
            latest.follow(&item);
            index.follow(offset as u32, &item);
            visit(header, offset, &item);
        })?;
        if let Some((offset, found, expected)) = broken {
            let what = format!("entry {found} where entry {expected} must follow");
            return Err(LogError::Damage { file: name, offset, what });
        }
        total += bytes.len() as u64;
        end = Some((header, file, bytes.len() as u64, scan));
    }
    let Some((header, file, capacity, scan)) = end else { return Err(LogError::NoLog(disk.place())) };
    let head = Head::read(disk)?.map_or(0, |head| head.generation);
    // Only a log that was made a moment before a crash has no head: nothing has been written to it.
    if head == 0 && (header.generation > 1 || scan.group > 0) {
        return Err(LogError::Missing { file: HEAD.to_string() });
    }
    let first = latest.purged.map_or(0, |id| id.index + 1);
    if let Some(oldest) = headers.first().filter(|oldest| oldest.generation > 1 && oldest.next_index > first) {
        return Err(LogError::Missing { file: segment::name(oldest.generation - 1) });
    }
    let (position, next_index) = (scan.end as u64, index.next().max(first));
    let tail =
        Tail { header: *header, file, capacity, position, group: scan.group, chain: scan.chain, next_index, latest };
    Ok(Recovered { tail, index, bytes: total, torn: scan.torn.map(|end| end as u64), head })
}

/// Overwrites the remains of a group that was cut short, and makes sure that what was read is durable: it may have come
/// from the system's cache.
fn settle(disk: &dyn Disk, recovered: &Recovered) -> Result<(), LogError> {
    let tail = &recovered.tail;
    let failed = |why| LogError::io(format!("clean log segment {}", segment::name(tail.header.generation)), why);
    if let Some(torn) = recovered.torn {
        tracing::warn!(
            segment = segment::name(tail.header.generation),
            offset = tail.position,
            bytes = torn - tail.position,
            "the log's last write was cut short by a crash; it was never acknowledged and is removed"
        );
        let zeros = vec![0; (torn - tail.position) as usize];
        tail.file.write_at(&zeros, tail.position).map_err(failed)?;
    }
    tail.file.sync().map_err(failed)?;
    disk.sync_dir().map_err(failed)?;
    // The crash came between a new segment and the head's naming it.
    let Header { incarnation, generation, .. } = tail.header;
    if recovered.head < generation { Head { incarnation, generation }.write(disk) } else { Ok(()) }
}

/// Opens a log for writing, or makes one: everything but the thread.
pub(super) fn open_writer(
    disk: &Arc<dyn Disk>,
    owner: Owner,
    options: &LogOptions,
    background: bool,
) -> Result<(Writer, Recovered), LogError> {
    let names = disk.list().map_err(|why| LogError::io(format!("list {}", disk.place()), why))?;
    if names.iter().any(|name| name == SPARE) {
        disk.remove(SPARE).map_err(|why| LogError::io("remove an unused log segment", why))?;
    }
    let mut found = headers(&**disk, Some(&owner))?;
    if found.is_empty() {
        if !options.found {
            return Err(LogError::NoLog(disk.place()));
        }
        writer::create(&**disk, owner, options.incarnation, options.segment_bytes)?;
        found = headers(&**disk, Some(&owner))?;
    }
    let recovered = recover(&**disk, &found, &mut |_, _, _| {})?;
    settle(&**disk, &recovered)?;
    let tail = Tail { file: recovered.tail.file.clone(), ..recovered.tail };
    Ok((Writer::new(disk.clone(), tail, options.segment_bytes, background), recovered))
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
        let log = Self(Arc::new(Shared {
            disk,
            owner,
            incarnation: tail.header.incarnation,
            cache_bytes: options.cache_bytes,
            queue: Mutex::default(),
            wake: Condvar::new(),
            state: Mutex::new(state),
            thread: Mutex::default(),
        }));
        let next = tail.next_index;
        let last = match log.read(next.saturating_sub(1), next, usize::MAX)?.pop() {
            Some(entry) => Some(entry.id),
            None => tail.latest.purged,
        };
        locked(&log.0.state).last = last;
        let shared = log.0.clone();
        let thread = std::thread::Builder::new().name("log-writer".to_string());
        let thread = thread.spawn(move || run(&shared, writer, on_fault));
        let thread = thread.map_err(|why| LogError::io("start the log's thread", why))?;
        *locked(&log.0.thread) = Some(thread);
        Ok(log)
    }

    /// The number drawn when the log was made.
    #[must_use]
    pub fn incarnation(&self) -> [u8; 16] {
        self.0.incarnation
    }

    /// Appends entries. They must continue the log without a gap. They can be read at once, and are durable when `done`
    /// is called.
    ///
    /// # Errors
    /// [`LogError::Stopped`]; then `done` is called with an error too.
    pub fn append(&self, entries: Vec<Entry>, done: Done) -> Result<(), LogError> {
        {
            let mut state = locked(&self.0.state);
            for entry in &entries {
                debug_assert!(state.cache.back().is_none_or(|last| last.id.index + 1 == entry.id.index));
                state.last = Some(entry.id);
                state.cached_bytes += entry.body.len() + ENTRY_COST;
                state.cache.push_back(entry.clone());
            }
        }
        self.push(Job { items: entries.into_iter().map(Item::Entry).collect(), done: Some(done) })
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
        self.push(Job { items: vec![Item::Truncate(from)], done: Some(done) })
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
        self.push(Job { items: vec![Item::Purge(upto)], done: Some(done) })
    }

    /// Writes a vote.
    ///
    /// # Errors
    /// As for [`Log::append`].
    pub fn save_vote(&self, vote: VoteRecord, done: Done) -> Result<(), LogError> {
        locked(&self.0.state).latest.vote = Some(vote);
        self.push(Job { items: vec![Item::Vote(vote)], done: Some(done) })
    }

    /// Notes how far entries are committed. It rides along with the next write and costs none of its own.
    ///
    /// # Errors
    /// [`LogError::Stopped`].
    pub fn note_committed(&self, upto: EntryId) -> Result<(), LogError> {
        locked(&self.0.state).latest.committed = Some(upto);
        let mut queue = locked(&self.0.queue);
        if let Some(why) = &queue.stopped {
            return Err(LogError::Stopped(why.clone()));
        }
        let job = Job { items: vec![Item::Committed(upto)], done: None };
        match queue.jobs.last_mut() {
            Some(last) if last.done.is_none() => *last = job,
            _ => queue.jobs.push(job),
        }
        Ok(())
    }

    fn push(&self, job: Job) -> Result<(), LogError> {
        let mut queue = locked(&self.0.queue);
        if let Some(why) = queue.stopped.clone() {
            drop(queue);
            if let Some(done) = job.done {
                done(Err(io::Error::other(why.clone())));
            }
            return Err(LogError::Stopped(why));
        }
        queue.jobs.push(job);
        if !queue.urgent {
            queue.urgent = true;
            self.0.wake.notify_one();
        }
        Ok(())
    }

    /// The latest vote.
    #[must_use]
    pub fn vote(&self) -> Option<VoteRecord> {
        locked(&self.0.state).latest.vote
    }

    /// The last entry given up, and the last entry there is (the former if there is none).
    #[must_use]
    pub fn ends(&self) -> (Option<EntryId>, Option<EntryId>) {
        let state = locked(&self.0.state);
        (state.latest.purged, state.last)
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
        locked(&self.0.queue).closed = true;
        self.0.wake.notify_one();
        if let Some(thread) = locked(&self.0.thread).take() {
            // A panic there has been reported as a fault by the queue being stopped.
            let _ = thread.join();
        }
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
    fn follow(&mut self, written: Vec<Written>, cache_bytes: usize) -> Vec<u64> {
        let mut unused = Vec::new();
        for written in written {
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

/// The log's thread.
fn run(shared: &Shared, mut writer: Writer, on_fault: OnFault) {
    let mut written = Vec::new();
    let mut ending = Ending { shared, jobs: Vec::new(), on_fault: Some(on_fault) };
    loop {
        {
            let mut queue = locked(&shared.queue);
            while !queue.urgent && !queue.closed {
                queue = shared.wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
            queue.urgent = false;
            if queue.jobs.is_empty() {
                queue.stopped = Some("it was closed".to_string());
                return;
            }
            std::mem::swap(&mut ending.jobs, &mut queue.jobs);
        }
        let items = ending.jobs.iter().flat_map(|job| &job.items);
        let result = writer.write(items, &mut written).and_then(|()| {
            let unused = {
                let mut state = locked(&shared.state);
                state.status.fsyncs = writer.syncs();
                state.follow(std::mem::take(&mut written), shared.cache_bytes)
            };
            writer.recycle(&unused)
        });
        if let Err(error) = result {
            return ending.stop(&error.to_string());
        }
        // Each leaves the list before it is told: if telling one panics, the others are still told something.
        ending.jobs.reverse();
        while let Some(job) = ending.jobs.pop() {
            if let Some(done) = job.done {
                done(Ok(()));
            }
        }
    }
}

/// Makes sure that the thread does not end without a word, be it by a panic: whoever waits for the log would wait for
/// ever.
struct Ending<'a> {
    shared: &'a Shared,
    /// Taken off the queue, not yet told.
    jobs: Vec<Job>,
    on_fault: Option<OnFault>,
}

impl Ending<'_> {
    /// Ends everything: nothing is acknowledged any more, now or later.
    fn stop(&mut self, why: &str) {
        let mut jobs = std::mem::take(&mut self.jobs);
        {
            let mut queue = locked(&self.shared.queue);
            queue.stopped = Some(why.to_string());
            jobs.append(&mut queue.jobs);
        }
        if let Some(on_fault) = self.on_fault.take() {
            on_fault(Fault { what: "the log cannot be written".to_string(), why: why.to_string() });
        }
        for job in jobs {
            if let Some(done) = job.done {
                done(Err(io::Error::other(why.to_string())));
            }
        }
    }
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.stop("the thread that writes the log has panicked");
        }
    }
}
