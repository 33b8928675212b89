//! The log on disk.

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
}
