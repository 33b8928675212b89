//! Operations on a disk, in order, each with what it is for. Pure.
//!
//! Order is what a log's promises rest on: bytes are durable before the name that leads to them, a segment before the head
//! that names it, the head before anything in the segment is acknowledged. So operations are carried out one by one, and
//! the next one is only shown when the one before has succeeded. After a failure nothing is known about what is on disk, and
//! nothing more is shown.

use crate::head::Head;
use crate::segment::{self, Header};
use crate::{LogError, head};
use std::collections::VecDeque;
use std::io;

/// Zeros are written, and synced, in pieces of this size: a group that is to be made durable meanwhile waits behind one
/// piece at most, and not behind a whole segment.
pub const ZEROS: usize = 256 << 10;

/// A file of a log's directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum File {
    /// A segment, by its number.
    Segment(u64),
    /// A segment that is prepared and not yet in use.
    Spare,
    /// What says which segment is the newest.
    Head,
    /// Its next content.
    NextHead,
}

impl File {
    /// Its name in the directory.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Segment(generation) => segment::name(generation),
            Self::Spare => segment::SPARE.to_string(),
            Self::Head => head::HEAD.to_string(),
            Self::NextHead => head::NEXT.to_string(),
        }
    }
}

/// What is to be done to a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DiskOp {
    /// Makes an empty file, in place of one of that name.
    Create(File),
    /// Writes bytes at an offset.
    Write {
        /// Where.
        file: File,
        /// From here on.
        offset: u64,
        /// What.
        bytes: Vec<u8>,
    },
    /// Writes zeros at an offset, [`ZEROS`] at most.
    Zeros {
        /// Where.
        file: File,
        /// From here on.
        offset: u64,
        /// How many.
        len: usize,
    },
    /// Makes what was written durable, and the length if it grew.
    Sync(File),
    /// Gives a file another name, in place of one that has it.
    Rename {
        /// The name it has.
        from: File,
        /// The name it gets.
        to: File,
    },
    /// Takes a name away.
    Remove(File),
    /// Makes names durable.
    SyncNames,
}

/// What an operation is for, and so what is said when it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// A group at an offset of a segment.
    Group(u64, u64),
    /// A file of zeros.
    Prepare,
    /// A longer one.
    Extend,
    /// A spare becomes this segment.
    Begin(u64),
    /// The head names this segment.
    Note(u64),
    /// This segment is no longer needed.
    Retire(u64),
    /// Neither are others.
    Retired,
    /// What a crash left in this segment is overwritten.
    Clean(u64),
}

#[derive(Clone, Debug)]
struct Step {
    op: DiskOp,
    purpose: Purpose,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Plan {
    steps: VecDeque<Step>,
    /// The directory, for messages.
    place: String,
    broken: bool,
}

impl Plan {
    /// Nothing to do, in the directory called `place`.
    #[must_use]
    pub fn new(place: &str) -> Self {
        Self { steps: VecDeque::new(), place: place.to_string(), broken: false }
    }

    /// The operation to be carried out now: the same one until [`Plan::handle_done`].
    #[must_use]
    pub fn poll_op(&self) -> Option<&DiskOp> {
        if self.broken { None } else { self.steps.front().map(|step| &step.op) }
    }

    /// What came of the operation shown last. Of a write that succeeded the buffer comes back.
    ///
    /// # Errors
    /// [`LogError::Io`] when it failed: then nothing more is shown.
    pub fn handle_done(&mut self, result: io::Result<()>) -> Result<Option<Vec<u8>>, LogError> {
        let Some(Step { op, purpose }) = self.steps.pop_front().filter(|_| !self.broken) else { return Ok(None) };
        match result {
            Ok(()) => Ok(if let DiskOp::Write { bytes, .. } = op { Some(bytes) } else { None }),
            Err(why) => {
                self.broken = true;
                Err(LogError::io(self.explain(&op, purpose), why))
            }
        }
    }

    /// Whether everything has been carried out, or nothing more will be.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.broken || self.steps.is_empty()
    }

    /// Something that it rests on has failed: nothing more is shown.
    pub(crate) fn stop(&mut self) {
        self.broken = true;
    }

    /// Whether an operation has failed.
    #[must_use]
    pub const fn is_broken(&self) -> bool {
        self.broken
    }

    /// How many operations there are yet to carry out.
    #[must_use]
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    fn explain(&self, op: &DiskOp, purpose: Purpose) -> String {
        let place = &self.place;
        match purpose {
            Purpose::Group(generation, offset) => {
                let what = if matches!(op, DiskOp::Write { .. }) { "write" } else { "sync" };
                format!("{what} log segment {} at offset {offset}", segment::name(generation))
            }
            Purpose::Prepare => format!("prepare a log segment in {place}"),
            Purpose::Extend => "extend a log segment".to_string(),
            Purpose::Begin(generation) => format!("begin log segment {} in {place}", segment::name(generation)),
            Purpose::Note(generation) => {
                let name = segment::name(generation);
                format!("note in {} in {place} that log segment {name} exists", head::HEAD)
            }
            Purpose::Retire(generation) => format!("retire log segment {}", segment::name(generation)),
            Purpose::Retired => format!("sync {place}"),
            Purpose::Clean(generation) => format!("clean log segment {}", segment::name(generation)),
        }
    }

    fn add(&mut self, purpose: Purpose, op: DiskOp) {
        self.steps.push_back(Step { op, purpose });
    }

    /// A group at the end of a segment: one write, one sync.
    pub(crate) fn group(&mut self, generation: u64, offset: u64, bytes: Vec<u8>) {
        let (file, purpose) = (File::Segment(generation), Purpose::Group(generation, offset));
        self.add(purpose, DiskOp::Write { file, offset, bytes });
        self.add(purpose, DiskOp::Sync(file));
    }

    /// A file of zeros, durable under the name of the spare once names are synced.
    pub(crate) fn prepare(&mut self, bytes: u64) {
        self.add(Purpose::Prepare, DiskOp::Create(File::Spare));
        self.fill(Purpose::Prepare, 0, bytes);
        self.add(Purpose::Prepare, DiskOp::Sync(File::Spare));
    }

    /// More zeros for a spare that is too short: a record is larger than a segment, or it was made under another setting.
    pub(crate) fn extend(&mut self, from: u64, to: u64) {
        self.fill(Purpose::Extend, from, to);
    }

    fn fill(&mut self, purpose: Purpose, from: u64, to: u64) {
        let mut offset = from;
        while offset < to {
            let len = ZEROS.min(usize::try_from(to - offset).unwrap_or(ZEROS));
            self.add(purpose, DiskOp::Zeros { file: File::Spare, offset, len });
            self.add(purpose, DiskOp::Sync(File::Spare));
            offset += len as u64;
        }
    }

    /// The spare becomes a segment.
    pub(crate) fn begin(&mut self, header: &Header) {
        let purpose = Purpose::Begin(header.generation);
        self.add(purpose, DiskOp::Write { file: File::Spare, offset: 0, bytes: header.encode() });
        // The header is durable before the name exists: a segment that has a name has a header.
        self.add(purpose, DiskOp::Sync(File::Spare));
        self.add(purpose, DiskOp::Rename { from: File::Spare, to: File::Segment(header.generation) });
        self.add(purpose, DiskOp::SyncNames);
        // Before anything in it can be acknowledged: should it be lost one day, that must be noticed.
        self.note(&Head { incarnation: header.incarnation, generation: header.generation });
    }

    /// The head names a segment, durably, in place of the one before. The one before or this one is there at any time.
    pub(crate) fn note(&mut self, head: &Head) {
        let purpose = Purpose::Note(head.generation);
        self.add(purpose, DiskOp::Create(File::NextHead));
        self.add(purpose, DiskOp::Write { file: File::NextHead, offset: 0, bytes: head.encode() });
        self.add(purpose, DiskOp::Sync(File::NextHead));
        self.add(purpose, DiskOp::Rename { from: File::NextHead, to: File::Head });
        self.add(purpose, DiskOp::SyncNames);
    }

    /// A segment that is no longer needed becomes the next spare, or goes.
    pub(crate) fn retire(&mut self, generation: u64, as_spare: bool) {
        let from = File::Segment(generation);
        let op = if as_spare { DiskOp::Rename { from, to: File::Spare } } else { DiskOp::Remove(from) };
        self.add(Purpose::Retire(generation), op);
    }

    /// After the last of these.
    pub(crate) fn retired(&mut self) {
        self.add(Purpose::Retired, DiskOp::SyncNames);
    }

    /// Overwrites what lies in a segment from `from` to before `to`, and makes all of it, and all names, durable.
    pub(crate) fn clean(&mut self, generation: u64, from: u64, to: u64) {
        let (file, purpose) = (File::Segment(generation), Purpose::Clean(generation));
        if from < to {
            self.add(purpose, DiskOp::Write { file, offset: from, bytes: vec![0; (to - from) as usize] });
        }
        self.add(purpose, DiskOp::Sync(file));
        self.add(purpose, DiskOp::SyncNames);
    }
}
