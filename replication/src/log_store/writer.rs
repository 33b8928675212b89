//! The only one that writes: puts items at the end of the log, in groups, and begins new segments.

use super::LogError;
use super::disk::{Disk, DiskFile};
use super::head::Head;
use super::record::{Chain, EntryId, GroupBuilder, Item, VoteRecord};
use super::segment::{self, Header, Owner, SPARE};
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

/// What the first segment is made with, so that starting is quick and small logs stay small.
const FIRST_SEGMENT: u64 = 1 << 20;
/// Zeros are written, and synced, in pieces of this size: a group that is to be made durable meanwhile waits behind one
/// piece at most, and not behind a whole segment.
const ZEROS: usize = 256 << 10;

/// What a write has led to, once it is durable.
#[derive(Clone)]
pub enum Written {
    /// A segment was begun.
    Segment {
        /// Its number.
        generation: u64,
        /// Its file.
        file: Arc<dyn DiskFile>,
        /// Its size.
        bytes: u64,
    },
    /// A record is at this offset of the segment begun last. Of entries only the name is kept.
    Record(u32, Item),
}

/// Latest values that every segment repeats at its beginning, so that segments before it can go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latest {
    /// The vote.
    pub vote: Option<VoteRecord>,
    /// How far entries are known to be committed.
    pub committed: Option<EntryId>,
    /// How far entries are no longer needed.
    pub purged: Option<EntryId>,
}

impl Latest {
    /// Follows a record.
    pub fn follow(&mut self, item: &Item) {
        match item {
            Item::Vote(vote) => self.vote = Some(*vote),
            Item::Committed(id) => self.committed = Some(*id),
            Item::Purge(id) => self.purged = Some(*id),
            Item::Entry(_) | Item::Truncate(_) => {}
        }
    }

    fn items(&self) -> impl Iterator<Item = Item> {
        let vote = self.vote.map(Item::Vote);
        let purged = self.purged.map(Item::Purge);
        let committed = self.committed.map(Item::Committed);
        [vote, purged, committed].into_iter().flatten()
    }
}

/// The end of a log, where the next group goes.
pub struct Tail {
    /// The header of the last segment.
    pub header: Header,
    /// Its file.
    pub file: Arc<dyn DiskFile>,
    /// Its size.
    pub capacity: u64,
    /// Where the next record goes.
    pub position: u64,
    /// The number of the last group in this segment.
    pub group: u32,
    /// The chain there.
    pub chain: Chain,
    /// The index of the next entry.
    pub next_index: u64,
    /// Latest values.
    pub latest: Latest,
}

enum Spare {
    None,
    Ready,
    Preparing(JoinHandle<Result<(), LogError>>),
}

/// See the module.
pub struct Writer {
    disk: Arc<dyn Disk>,
    tail: Tail,
    segment_bytes: u64,
    /// Whether the next segment is prepared by a thread; otherwise when it is needed.
    background: bool,
    spare: Spare,
    buffer: Vec<u8>,
    syncs: u64,
}

/// Makes a file of zeros, durable under the name of the spare.
fn prepare(disk: &dyn Disk, bytes: u64) -> Result<(), LogError> {
    let failed = |why| LogError::io(format!("prepare a log segment in {}", disk.place()), why);
    let file = disk.create(SPARE).map_err(failed)?;
    fill(&*file, 0, bytes).map_err(failed)?;
    file.sync().map_err(failed)
}

fn fill(file: &dyn DiskFile, from: u64, to: u64) -> io::Result<()> {
    let zeros = vec![0; ZEROS.min((to - from.min(to)) as usize)];
    let mut at = from;
    while at < to {
        let piece = zeros.len().min((to - at) as usize);
        file.write_at(&zeros[..piece], at)?;
        file.sync()?;
        at += piece as u64;
    }
    Ok(())
}

/// Makes a new log: its first segment, empty.
///
/// # Errors
/// [`LogError::Io`].
pub fn create(disk: &dyn Disk, owner: Owner, incarnation: [u8; 16], segment_bytes: u64) -> Result<(), LogError> {
    let capacity = least(segment_bytes).min(FIRST_SEGMENT.max(least(0)));
    prepare(disk, capacity)?;
    let previous = segment::genesis(&owner, &incarnation);
    let header = Header { owner, incarnation, generation: 1, next_index: 0, previous, capacity };
    begin(disk, &header).map(|_| ())
}

/// A segment has room for its header, its first records and something to write.
fn least(segment_bytes: u64) -> u64 {
    segment_bytes.max(2 * segment::HEADER as u64)
}

/// Turns the spare into a segment.
fn begin(disk: &dyn Disk, header: &Header) -> Result<Arc<dyn DiskFile>, LogError> {
    let name = segment::name(header.generation);
    let failed = |why| LogError::io(format!("begin log segment {name} in {}", disk.place()), why);
    let file = disk.open(SPARE).map_err(failed)?;
    file.write_at(&header.encode(), 0).map_err(failed)?;
    // The header is durable before the name exists: a segment that has a name has a header.
    file.sync().map_err(failed)?;
    disk.rename(SPARE, &name).map_err(failed)?;
    disk.sync_dir().map_err(failed)?;
    // Before anything in it can be acknowledged: should it be lost one day, that must be noticed.
    Head { incarnation: header.incarnation, generation: header.generation }.write(disk)?;
    Ok(file)
}

impl Writer {
    /// Goes on at the end of a log.
    #[must_use]
    pub fn new(disk: Arc<dyn Disk>, tail: Tail, segment_bytes: u64, background: bool) -> Self {
        let segment_bytes = least(segment_bytes);
        Self { disk, tail, segment_bytes, background, spare: Spare::None, buffer: Vec::new(), syncs: 0 }
    }

    /// Calls of sync for groups so far.
    #[must_use]
    pub const fn syncs(&self) -> u64 {
        self.syncs
    }

    /// Whether a group of so many bytes costs only a write and a sync: it fits into the segment, and the preparing of the next
    /// one need not be started after it.
    #[must_use]
    pub fn is_plain(&self, bytes: u64) -> bool {
        let end = self.tail.position.saturating_add(bytes);
        end <= self.tail.capacity && !self.is_next_due(end)
    }

    /// Whether the next segment is to be prepared once this one is filled up to `position`.
    fn is_next_due(&self, position: u64) -> bool {
        self.background && matches!(self.spare, Spare::None) && position.saturating_mul(2) >= self.tail.capacity
    }

    /// Makes items durable, in order: with one write and one sync, unless they do not fit into the segment. Tells what
    /// was written where.
    ///
    /// # Errors
    /// After any error nothing is known about what is on disk, and the writer must not be used again.
    pub fn write<'a>(
        &mut self,
        items: impl Iterator<Item = &'a Item>,
        written: &mut Vec<Written>,
    ) -> Result<(), LogError> {
        let mut group = self.next_group();
        for item in items {
            let len = item.record_len() as u64;
            if self.tail.position + group.len() as u64 + len > self.tail.capacity {
                self.finish(group)?;
                self.roll(len, written)?;
                group = self.next_group();
                for first in self.tail.latest.items() {
                    note(&mut group, &first, written);
                }
            }
            note(&mut group, item, written);
            self.tail.latest.follow(item);
            match item {
                Item::Entry(entry) => self.tail.next_index = entry.id.index + 1,
                Item::Truncate(from) => self.tail.next_index = self.tail.next_index.min(*from),
                Item::Purge(id) => self.tail.next_index = self.tail.next_index.max(id.index + 1),
                Item::Vote(_) | Item::Committed(_) => {}
            }
        }
        self.finish(group)?;
        self.prepare_next()
    }

    fn next_group(&mut self) -> GroupBuilder {
        let tail = &self.tail;
        let buffer = std::mem::take(&mut self.buffer);
        GroupBuilder::new(tail.header.seed(), tail.chain, tail.position, tail.group + 1, buffer)
    }

    fn finish(&mut self, group: GroupBuilder) -> Result<(), LogError> {
        if group.is_empty() {
            self.buffer = group.finish().0;
            return Ok(());
        }
        let (bytes, chain) = group.finish();
        let tail = &mut self.tail;
        let failed = |what: &str, why| {
            let name = segment::name(tail.header.generation);
            LogError::io(format!("{what} log segment {name} at offset {}", tail.position), why)
        };
        tail.file.write_at(&bytes, tail.position).map_err(|why| failed("write", why))?;
        tail.file.sync().map_err(|why| failed("sync", why))?;
        self.syncs += 1;
        tail.position += bytes.len() as u64;
        tail.group += 1;
        tail.chain = chain;
        self.buffer = bytes;
        Ok(())
    }

    /// Begins a segment with room for a record of `need` bytes.
    fn roll(&mut self, need: u64, written: &mut Vec<Written>) -> Result<(), LogError> {
        let preamble: u64 = self.tail.latest.items().map(|item| item.record_len() as u64).sum();
        let capacity = self.segment_bytes.max(segment::HEADER as u64 + preamble + need);
        match std::mem::replace(&mut self.spare, Spare::None) {
            Spare::None => prepare(&*self.disk, capacity)?,
            Spare::Ready => {}
            Spare::Preparing(thread) => thread.join().unwrap_or_else(|_| {
                Err(LogError::Stopped("the thread that prepares log segments has panicked".to_string()))
            })?,
        }
        let spare_len = self.disk.open(SPARE).and_then(|file| {
            let len = file.len()?;
            // A record larger than a segment, or a spare made under another setting.
            fill(&*file, len, capacity)?;
            Ok(len)
        });
        let spare_len = spare_len.map_err(|why| LogError::io("extend a log segment", why))?;
        let header = Header {
            generation: self.tail.header.generation + 1,
            next_index: self.tail.next_index,
            previous: self.tail.chain,
            capacity: capacity.max(spare_len),
            ..self.tail.header
        };
        let file = begin(&*self.disk, &header)?;
        let (generation, bytes) = (header.generation, header.capacity);
        written.push(Written::Segment { generation, file: file.clone(), bytes });
        self.tail.capacity = header.capacity;
        self.tail.position = segment::HEADER as u64;
        self.tail.group = 0;
        self.tail.header = header;
        self.tail.file = file;
        Ok(())
    }

    /// Has the next segment prepared when this one is half full.
    fn prepare_next(&mut self) -> Result<(), LogError> {
        if !self.is_next_due(self.tail.position) {
            return Ok(());
        }
        let (disk, bytes) = (self.disk.clone(), self.segment_bytes);
        let thread = std::thread::Builder::new().name("log-prepare".to_string());
        let thread = thread.spawn(move || prepare(&*disk, bytes));
        let thread = thread.map_err(|why| LogError::io("start a thread that prepares log segments", why))?;
        self.spare = Spare::Preparing(thread);
        Ok(())
    }

    /// Puts segments that are no longer needed to use: one becomes the next spare, the others go.
    ///
    /// # Errors
    /// [`LogError::Io`]; as for [`Writer::write`].
    pub fn recycle(&mut self, generations: &[u64]) -> Result<(), LogError> {
        for generation in generations {
            let name = segment::name(*generation);
            let done = if matches!(self.spare, Spare::None) {
                self.spare = Spare::Ready;
                self.disk.rename(&name, SPARE)
            } else {
                self.disk.remove(&name)
            };
            done.map_err(|why| LogError::io(format!("retire log segment {name}"), why))?;
        }
        if !generations.is_empty() {
            self.disk.sync_dir().map_err(|why| LogError::io(format!("sync {}", self.disk.place()), why))?;
        }
        Ok(())
    }
}

fn note(group: &mut GroupBuilder, item: &Item, written: &mut Vec<Written>) {
    let offset = group.push(item) as u32;
    written.push(Written::Record(offset, item.name_only()));
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.rest();
    }
}

impl Writer {
    /// Waits for whatever is done in the background: nothing more is written.
    pub fn rest(&mut self) {
        if let Spare::Preparing(thread) = std::mem::replace(&mut self.spare, Spare::None) {
            // Its result no longer matters: an unfinished spare is removed at the next start.
            let _ = thread.join();
        }
    }
}
