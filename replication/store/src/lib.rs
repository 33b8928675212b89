//! A log on disk as a machine: one sequence of records in pre-zeroed segments, written in groups, read back with proof.
//!
//! ```text
//! directory   lock  head  000000000001.log  000000000002.log  ..  spare
//! segment     header (4096 bytes: whose log, generation, end of the chain before) | record | record | .. | zeros
//! record      checksum, length, link to the chain, group, kind | payload, padded to 8 bytes
//! ```
//!
//! Promises:
//! - what was acknowledged is read back, in order, after any crash that leaves the synced bytes readable;
//! - a group (what one `fdatasync` made durable) is read back whole or not at all;
//! - a group that was cut short by a crash can only be the last one; damage anywhere else is told with file and
//!   offset, and nothing is served from such a log;
//! - a segment that is missing, the newest included, is noticed;
//! - a log of another cluster, node, configuration or engine is refused.
//!
//! One kind of damage cannot be told from a crash: to the very last group. It is cut as if it had never been synced.
//!
//! The one that changes a log, the [`Writer`], touches no disk. It is given items and answers with operations, one after
//! the other ([`Writer::handle_items`], [`Writer::poll`]); whoever carries them out tells it what came of each
//! ([`Writer::handle_done`]). So an operation can be held, cut short or made to fail between any two, and whose thread it is
//! carried out on is not its concern. Reading goes straight through the trait [`Disk`].
//!
//! | module | it is |
//! |---|---|
//! | [`record`] | the bytes of a record, and its checksum |
//! | [`segment`] | the bytes of a segment's header, file names |
//! | [`head`] | the file that says which segment is the newest |
//! | [`recover`] | what a segment's bytes amount to: whole, torn at the end, or damaged |
//! | [`opening`] | the same for a whole directory, and what is mended before a log is used again |
//! | [`plan`] | operations on a disk, in order, each with what it is for |
//! | [`writer`] | the only one that says what is written |
//! | [`index`], [`picture`] | where entries are; what readers see of a log, with its latest entries |
//! | [`lookup`] | an entry that is not among the latest, read from its segment |
//! | [`disk`], [`hands`] | what is asked of a disk; who carries operations out on one |
//! | [`file_disk`], [`sim_disk`] | the real disk; one that crashes on demand |
//! | [`reader`] | a stopped node's log, read only |
//!
//! What is not here: threads, locks, the time, and the queue before the writer (`replicode-replication`), and any meaning of
//! what entries carry: they are bytes with a term and an index.

pub mod disk;
pub mod file_disk;
pub mod hands;
pub mod head;
pub mod index;
pub mod lookup;
pub mod opening;
pub mod picture;
pub mod plan;
#[cfg(feature = "planted")]
pub mod planted;
pub mod reader;
pub mod record;
pub mod recover;
pub mod segment;
pub mod sim_disk;
pub mod writer;

#[cfg(test)]
mod tests;

pub use disk::{Disk, DiskFile};
pub use hands::Hands;
pub use opening::{LogOptions, Opened, found, open};
pub use picture::{LogStatus, Picture};
pub use plan::{DiskOp, File, Plan};
pub use reader::{LogEntry, LogReader};
pub use writer::{Next, Writer, Written};

use std::io;

/// Why a log cannot be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The system refused.
    #[error("cannot {what}: {why}")]
    Io {
        /// What was tried, with the file's name.
        what: String,
        /// The system's reason.
        why: io::Error,
    },
    /// A record that had been made durable is not there any more, or not the same.
    #[error(
        "log file {file} is damaged at offset {offset}: {what}. nothing was changed; leave this node stopped, the others go on (docs/operations.md)"
    )]
    Damage {
        /// The file's name.
        file: String,
        /// Where, in bytes from the start of the file.
        offset: u64,
        /// What is wrong there.
        what: String,
    },
    /// A segment, or the file that names the newest one, is gone.
    #[error("log file {file} is missing: put it back, or leave this node stopped, the others go on")]
    Missing {
        /// The file's name.
        file: String,
    },
    /// The log belongs to something else.
    #[error("the log in segment {file} belongs to {what} {found}, not {expected}: wrong data directory?")]
    Foreign {
        /// The segment's file name.
        file: String,
        /// What differs: cluster, node, configuration or engine.
        what: &'static str,
        /// As written in the log.
        found: String,
        /// As this node is configured.
        expected: String,
    },
    /// A format this program does not know.
    #[error("log segment {file} has format version {version}: this program reads version {known}")]
    Version {
        /// The segment's file name.
        file: String,
        /// As written there.
        version: u32,
        /// What is known.
        known: u32,
    },
    /// There is no log, and none may be made.
    #[error(
        "there is no log in {0}: if it was lost, leave this node stopped (an empty log under an old number could take back what it promised)"
    )]
    NoLog(String),
    /// Another process has it.
    #[error("the log in {0} is in use by another process")]
    Busy(String),
    /// The log has stopped because of an earlier error, or was closed.
    #[error("the log has stopped: {0}")]
    Stopped(String),
}

impl LogError {
    /// The system refused `what`.
    pub fn io(what: impl Into<String>, why: io::Error) -> Self {
        Self::Io { what: what.into(), why }
    }
}

impl From<LogError> for io::Error {
    fn from(error: LogError) -> Self {
        io::Error::other(error)
    }
}
