//! The only one that says what is written: puts items at the end of the log, in groups, and begins new segments. Pure.
//!
//! The calling convention: [`Writer::handle_items`] takes what is to be made durable; [`Writer::poll`] shows the operation to
//! be carried out now; [`Writer::handle_done`] is told what came of it, and so on until there is nothing more: then all items
//! are durable, and [`Writer::handle_items`] may be called again. There is no deadline: a writer never waits for the time.
//!
//! When a segment is half full, the next one is to be prepared ([`Writer::poll_preparation`]): that may be carried out beside
//! everything else, on another thread. Should the writer need it before it is done, it asks for it ([`Next::Preparation`]).

use crate::LogError;
use crate::plan::{DiskOp, Plan};
use crate::record::{Chain, EntryId, GroupBuilder, Item, VoteRecord};
use crate::segment::{self, Header, Owner};
use std::io;

/// What the first segment is made with, so that starting is quick and small logs stay small.
const FIRST_SEGMENT: u64 = 1 << 20;

/// What a write has led to, once it is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// A segment was begun.
    Segment {
        /// Its number.
        generation: u64,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tail {
    /// The header of the last segment.
    pub header: Header,
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

/// The segment after this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spare {
    None,
    /// There is one of so many bytes.
    Ready(u64),
    /// Somebody prepares one of so many bytes.
    Preparing(u64),
}

/// What a writer waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next<'a> {
    /// This operation: [`Writer::handle_done`].
    Op(&'a DiskOp),
    /// The preparation that it gave away: [`Writer::handle_prepared`].
    Preparation,
    /// Nothing: everything is durable.
    Nothing,
}

/// See the module.
#[derive(Debug)]
pub struct Writer {
    place: String,
    tail: Tail,
    segment_bytes: u64,
    /// Whether the next segment is prepared beside the rest; otherwise when it is needed.
    background: bool,
    spare: Spare,
    /// What comes before a new segment that needs the one that is being prepared.
    before: Option<Plan>,
    plan: Plan,
    /// Used again for every group.
    buffer: Vec<u8>,
    syncs: u64,
}

/// Makes a new log: its first segment, empty.
#[must_use]
pub fn create(place: &str, owner: Owner, incarnation: [u8; 16], segment_bytes: u64) -> Plan {
    let capacity = least(segment_bytes).min(FIRST_SEGMENT.max(least(0)));
    let previous = segment::genesis(&owner, &incarnation);
    let mut plan = Plan::new(place);
    plan.prepare(capacity);
    plan.begin(&Header { owner, incarnation, generation: 1, next_index: 0, previous, capacity });
    plan
}

/// A segment has room for its header, its first records and something to write.
fn least(segment_bytes: u64) -> u64 {
    segment_bytes.max(2 * segment::HEADER as u64)
}

impl Writer {
    /// Goes on at the end of a log in the directory called `place`.
    #[must_use]
    pub fn new(place: &str, tail: Tail, segment_bytes: u64, background: bool) -> Self {
        Self {
            place: place.to_string(),
            tail,
            segment_bytes: least(segment_bytes),
            background,
            spare: Spare::None,
            before: None,
            plan: Plan::new(place),
            buffer: Vec::new(),
            syncs: 0,
        }
    }

    /// Syncs of groups so far.
    #[must_use]
    pub const fn syncs(&self) -> u64 {
        self.syncs
    }

    /// The end of the log, once everything is durable.
    #[must_use]
    pub const fn tail(&self) -> &Tail {
        &self.tail
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

    /// Takes items that are to be made durable, in order: with one write and one sync, unless they do not fit into the segment.
    /// Adds to `written` what will be where once there is nothing more to do. Everything before must be durable.
    pub fn handle_items<'a>(&mut self, items: impl Iterator<Item = &'a Item>, written: &mut Vec<Written>) {
        let mut group = self.next_group();
        for item in items {
            let len = item.record_len() as u64;
            if self.tail.position + group.len() as u64 + len > self.tail.capacity {
                self.finish(group);
                self.roll(len, written);
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
        self.finish(group);
    }

    fn next_group(&mut self) -> GroupBuilder {
        let tail = &self.tail;
        let buffer = std::mem::take(&mut self.buffer);
        GroupBuilder::new(tail.header.seed(), tail.chain, tail.position, tail.group + 1, buffer)
    }

    fn finish(&mut self, group: GroupBuilder) {
        if group.is_empty() {
            self.buffer = group.finish().0;
            return;
        }
        let (bytes, chain) = group.finish();
        let (tail, len) = (&mut self.tail, bytes.len() as u64);
        self.plan.group(tail.header.generation, tail.position, bytes);
        self.syncs += 1;
        tail.position += len;
        tail.group += 1;
        tail.chain = chain;
    }

    /// Begins a segment with room for a record of `need` bytes.
    fn roll(&mut self, need: u64, written: &mut Vec<Written>) {
        let preamble: u64 = self.tail.latest.items().map(|item| item.record_len() as u64).sum();
        let needed = self.segment_bytes.max(segment::HEADER as u64 + preamble + need);
        let spare = match std::mem::replace(&mut self.spare, Spare::None) {
            Spare::None => {
                self.plan.prepare(needed);
                needed
            }
            Spare::Ready(bytes) => bytes,
            Spare::Preparing(bytes) => {
                self.before = Some(std::mem::replace(&mut self.plan, Plan::new(&self.place)));
                bytes
            }
        };
        self.plan.extend(spare, needed);
        let header = Header {
            generation: self.tail.header.generation + 1,
            next_index: self.tail.next_index,
            previous: self.tail.chain,
            capacity: needed.max(spare),
            ..self.tail.header
        };
        self.plan.begin(&header);
        written.push(Written::Segment { generation: header.generation, bytes: header.capacity });
        self.tail.capacity = header.capacity;
        self.tail.position = segment::HEADER as u64;
        self.tail.group = 0;
        self.tail.header = header;
    }

    /// What is waited for now: the same until that is told.
    #[must_use]
    pub fn poll(&self) -> Next<'_> {
        let plan = self.before.as_ref().unwrap_or(&self.plan);
        match plan.poll_op() {
            Some(op) => Next::Op(op),
            None if self.before.is_some() && !plan.is_broken() => Next::Preparation,
            None => Next::Nothing,
        }
    }

    /// What came of the operation shown last.
    ///
    /// # Errors
    /// [`LogError::Io`] when it failed. Nothing is known then about what is on disk, and the writer must not be used again:
    /// it shows nothing more.
    pub fn handle_done(&mut self, result: io::Result<()>) -> Result<(), LogError> {
        if let Some(buffer) = self.before.as_mut().unwrap_or(&mut self.plan).handle_done(result)?
            && buffer.capacity() > self.buffer.capacity()
        {
            self.buffer = buffer;
        }
        Ok(())
    }

    /// Once everything is durable: the preparing of the next segment, if it is due. It may be carried out beside the writer's
    /// own operations.
    pub fn poll_preparation(&mut self) -> Option<Plan> {
        if !self.is_next_due(self.tail.position) || self.before.is_some() || !self.plan.is_empty() {
            return None;
        }
        let bytes = self.segment_bytes;
        self.spare = Spare::Preparing(bytes);
        let mut plan = Plan::new(&self.place);
        plan.prepare(bytes);
        Some(plan)
    }

    /// What came of the preparing.
    ///
    /// # Errors
    /// The error given. Then the writer must not be used again.
    pub fn handle_prepared(&mut self, result: Result<(), LogError>) -> Result<(), LogError> {
        if result.is_err() {
            self.before = None;
            self.plan.stop();
        }
        result?;
        // Either it is waited for, or it is ready before it is needed.
        if self.before.take().is_none()
            && let Spare::Preparing(bytes) = self.spare
        {
            self.spare = Spare::Ready(bytes);
        }
        Ok(())
    }

    /// Puts segments that are no longer needed, each with its size, to use: one becomes the next spare, the others go.
    pub fn handle_unused(&mut self, segments: &[(u64, u64)]) {
        for (generation, bytes) in segments {
            let as_spare = matches!(self.spare, Spare::None);
            if as_spare {
                self.spare = Spare::Ready(*bytes);
            }
            self.plan.retire(*generation, as_spare);
        }
        if !segments.is_empty() {
            self.plan.retired();
        }
    }
}

fn note(group: &mut GroupBuilder, item: &Item, written: &mut Vec<Written>) {
    let offset = group.push(item) as u32;
    written.push(Written::Record(offset, item.name_only()));
}
