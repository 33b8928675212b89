//! The durable log: segments and one snapshot in a folder, bounded, and never silently wrong.
//!
//! ```text
//! 000000000007.log   the newest segment: appended to
//! snapshot           the state before it, in place of segments 1 to 6
//! founded            says that there is a log
//! ```
//!
//! **Appending**: a block is written and synced before it is executed. After that a mark in the segment's header says
//! how far it was acknowledged; it needs no sync of its own, for it only ever says less than is true.
//!
//! **Compaction**, when a segment has reached its size: (1) the next segment comes into being, under another name first,
//! so a segment that has its name has a whole header; (2) the snapshot is replaced, also by a rename; (3) older segments
//! are removed. After a crash between any two of these steps the folder still leads to the same state.
//!
//! **Opening**: see [`crate::recover`].

use crate::counters::Operation;
use crate::disk::Disk;
use crate::founded::{self, FOUNDED};
use crate::limits::History;
use crate::recover::{From, Replayed, recover};
use crate::segment::{HEADER, Header, MARK_AT, MAX_BODY, seal};
use crate::snapshot::Snapshot;
use crate::state::State;
use std::io;

/// The snapshot's name.
pub(crate) const SNAPSHOT: &str = "snapshot";
const NEW_SNAPSHOT: &str = "snapshot.new";
const NEW_SEGMENT: &str = "segment.new";
const NEW_FOUNDED: &str = "founded.new";
/// Files under these names are not finished: a crash may leave them, opening removes them.
pub(crate) const UNFINISHED: [&str; 3] = [NEW_SNAPSHOT, NEW_SEGMENT, NEW_FOUNDED];

/// The name of a segment.
pub(crate) fn segment_name(number: u64) -> String {
    format!("{number:012}.log")
}

/// Why a log cannot be opened or written.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The system says no.
    #[error("cannot {doing}: {source}")]
    Io {
        /// What was tried.
        doing: String,
        /// What the system says.
        source: io::Error,
    },
    /// A file is not what was written.
    #[error("{file} is damaged at byte {at}: {why}; restore the folder from a backup, nothing in it was changed")]
    Damaged {
        /// Which file.
        file: String,
        /// Where.
        at: u64,
        /// What is wrong.
        why: String,
    },
    /// A file is not there.
    #[error("{file} is missing: {why}; restore the folder from a backup, nothing in it was changed")]
    Missing {
        /// Which file.
        file: String,
        /// How we know.
        why: String,
    },
    /// The folder belongs to somebody else.
    #[error("the folder is not this service's: {0}")]
    Foreign(String),
    /// The log was made with other limits.
    #[error("the log was made for {was} {what}, not {asked}: leave the option out, or begin a new folder")]
    Limits {
        /// Of what.
        what: &'static str,
        /// The log's.
        was: u64,
        /// The one asked for.
        asked: u64,
    },
    /// A block is larger than the log takes.
    #[error("cannot log a block of {0} bytes: at most {MAX_BODY}")]
    TooLarge(usize),
    /// What was read could not be executed.
    #[error("cannot replay the log: {0}")]
    Replay(String),
}

pub(crate) fn doing<T>(what: impl FnOnce() -> String, result: io::Result<T>) -> Result<T, LogError> {
    result.map_err(|source| LogError::Io { doing: what(), source })
}

/// How a log is kept.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Limits for a new log; must be those of an old one, where given.
    pub max_keys: Option<u64>,
    /// As `max_keys`.
    pub max_sessions: Option<u64>,
    /// A segment that has reached this size is the last of its kind: compaction begins another. A snapshot that is
    /// larger than half of it stretches it to twice the snapshot, so that copying the state costs less than writing the log.
    pub segment_bytes: u64,
    /// Keeps segments that the snapshot covers, for audits: the log then grows without bound.
    pub keep_segments: bool,
    /// For a new log: a number that no other log has.
    pub id: [u8; 16],
}

/// A log open for appending.
pub struct Log<D: Disk> {
    disk: D,
    options: Options,
    /// The newest segment.
    header: Header,
    name: String,
    len: u64,
    /// Its size at which compaction begins.
    full: u64,
    chain: [u8; 32],
    blocks: u64,
    compactions: u64,
    buffer: Vec<u8>,
}

impl<D: Disk> Log<D> {
    /// Opens or creates the log and hands its content to `replay`: one state, then every block after it.
    ///
    /// # Errors
    /// [`LogError`]; then nothing in the folder has been changed (but for the lack of room, or of permission).
    pub fn open(
        mut disk: D,
        options: Options,
        replay: &mut dyn FnMut(Replayed<'_>) -> Result<(), LogError>,
    ) -> Result<Log<D>, LogError> {
        let read = recover(&disk, From::Snapshot, options.into(), replay)?;
        let Some(read) = read else {
            let limits = History::default();
            let limits = History {
                max_keys: options.max_keys.unwrap_or(limits.max_keys),
                max_sessions: options.max_sessions.unwrap_or(limits.max_sessions),
            };
            let header = Header { id: options.id, number: 1, blocks: 0, chain: [0; 32], limits };
            begin(&mut disk, &header)?;
            found(&mut disk, &header.id)?;
            replay(Replayed::State(State::empty(limits)))?;
            return Ok(Log::at(disk, options, header, HEADER as u64, 0));
        };
        // Everything that is needed has been read and verified: now the folder may be changed.
        let name = segment_name(read.header.number);
        if read.torn > 0 {
            doing(|| format!("cut {name}"), disk.truncate(&name, read.len))?;
        }
        let keep = options.keep_segments;
        let stale = read.leftovers.iter().filter(|n| !keep || UNFINISHED.contains(&n.as_str()));
        let mut removed = 0;
        for name in stale {
            doing(|| format!("remove {name}"), disk.remove(name))?;
            removed += 1;
        }
        if removed > 0 {
            doing(|| "sync the folder".to_string(), disk.sync_names())?;
        }
        if !read.founded {
            found(&mut disk, &read.header.id)?;
        }
        let mut log = Log::at(disk, options, read.header, read.len, read.snapshot_bytes);
        (log.chain, log.blocks) = (read.chain, read.blocks);
        // The mark may lag behind what was found, and what was found is going to be answered from.
        log.acknowledge()?;
        doing(|| format!("sync {}", log.name), log.disk.sync(&log.name))?;
        Ok(log)
    }

    fn at(disk: D, options: Options, header: Header, len: u64, snapshot: u64) -> Log<D> {
        let full = options.segment_bytes.max(snapshot.saturating_mul(2));
        let (chain, blocks, name) = (header.chain, header.blocks, segment_name(header.number));
        Log { disk, options, header, name, len, full, chain, blocks, compactions: 0, buffer: Vec::new() }
    }

    /// Appends what is logged of a block, and returns when it is on disk. Nothing is written if nothing is logged.
    ///
    /// # Errors
    /// What the system says. After an error the state of the file is unknown: the process must end, and the
    /// next start will find out.
    pub fn append(&mut self, block: &[Operation]) -> Result<(), LogError> {
        let Some(chain) = seal(block, &self.chain, &mut self.buffer).map_err(LogError::TooLarge)? else {
            return Ok(());
        };
        let Log { disk, name, buffer, .. } = self;
        doing(|| format!("write to {name}"), disk.write(name, self.len, buffer))?;
        doing(|| format!("sync {name}"), disk.sync(name))?;
        self.chain = chain;
        self.len += self.buffer.len() as u64;
        self.blocks += 1;
        self.acknowledge()
    }

    /// Notes in the header that everything so far was durable.
    fn acknowledge(&mut self) -> Result<(), LogError> {
        let mark = self.header.mark(self.len);
        doing(|| format!("mark {}", self.name), self.disk.write(&self.name, MARK_AT as u64, &mark))
    }

    /// Whether it is time for [`Log::compact`].
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.len >= self.full
    }

    /// Replaces everything so far by this state, which must be the one after the last block.
    ///
    /// # Errors
    /// As [`Log::append`].
    pub fn compact(&mut self, state: State) -> Result<(), LogError> {
        let before = self.header.number;
        // The mark of the old segment needs no sync: the new header says how the old one ends.
        let header = Header { number: before + 1, blocks: self.blocks, chain: self.chain, ..self.header };
        begin(&mut self.disk, &header)?;
        let snapshot = Snapshot { id: header.id, next: header.number, chain: header.chain, state };
        let bytes = snapshot.encode();
        let disk = &mut self.disk;
        doing(|| format!("write {NEW_SNAPSHOT}"), disk.create(NEW_SNAPSHOT, &bytes))?;
        doing(|| format!("rename {NEW_SNAPSHOT}"), disk.rename(NEW_SNAPSHOT, SNAPSHOT))?;
        doing(|| "sync the folder".to_string(), disk.sync_names())?;
        if !self.options.keep_segments {
            let name = segment_name(before);
            doing(|| format!("remove {name}"), disk.remove(&name))?;
            doing(|| "sync the folder".to_string(), disk.sync_names())?;
        }
        (self.header, self.name, self.len) = (header, segment_name(header.number), HEADER as u64);
        self.full = self.options.segment_bytes.max(2 * bytes.len() as u64);
        self.compactions += 1;
        Ok(())
    }

    /// Blocks in the log, those under the snapshot included.
    #[must_use]
    pub fn blocks(&self) -> u64 {
        self.blocks
    }

    /// The limits that belong to it.
    #[must_use]
    pub fn limits(&self) -> History {
        self.header.limits
    }

    /// Compactions since it was opened.
    #[must_use]
    pub fn compactions(&self) -> u64 {
        self.compactions
    }

    /// Gives the disk back.
    #[cfg(test)]
    pub(crate) fn into_disk(self) -> D {
        self.disk
    }
}

/// Notes that there is a log, for the day on which its other files are gone.
fn found(disk: &mut impl Disk, id: &[u8; 16]) -> Result<(), LogError> {
    doing(|| format!("write {NEW_FOUNDED}"), disk.create(NEW_FOUNDED, &founded::encode(id)))?;
    doing(|| format!("rename {NEW_FOUNDED}"), disk.rename(NEW_FOUNDED, FOUNDED))?;
    doing(|| "sync the folder".to_string(), disk.sync_names())
}

/// Brings a segment into being: durable, and with its name only when it has its header.
fn begin(disk: &mut impl Disk, header: &Header) -> Result<(), LogError> {
    let name = segment_name(header.number);
    doing(|| format!("write {NEW_SEGMENT}"), disk.create(NEW_SEGMENT, &header.encode()))?;
    doing(|| format!("rename {NEW_SEGMENT}"), disk.rename(NEW_SEGMENT, &name))?;
    doing(|| "sync the folder".to_string(), disk.sync_names())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
