//! What clients can make the server hold, and which of it belongs to the log.
//!
//! Two kinds. [`History`] decides answers, so it is part of the log: written when the log is made, the same for ever
//! after, in every replay. [`Admission`] decides what gets as far as the log: it may differ from start to start.

use std::fmt;

/// Longest key that any configuration may allow, in bytes.
pub const HARD_MAX_KEY: usize = 1024;
/// Most operations of one request that any configuration may allow.
pub const HARD_MAX_BATCH: usize = 8192;
/// Most operations of one block. A request is never split, so it must fit one block.
pub const MAX_BLOCK: usize = 8192;
/// Most numbers of a session whose refusal is remembered; see [`crate::sessions`].
pub const MAX_REFUSED: usize = 64;

const _: () = assert!(HARD_MAX_BATCH <= MAX_BLOCK);
const _: () = assert!(HARD_MAX_KEY <= u16::MAX as usize, "a key's length is a u16 in the log");
const _: () = assert!(MAX_BLOCK * (27 + HARD_MAX_KEY) <= crate::segment::MAX_BODY, "a block fits the log");

/// Limits that decide answers. Fixed when a log is made, and written into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct History {
    /// Most keys; increments of further ones are refused. Default 1,048,576.
    pub max_keys: u64,
    /// Most sessions that are remembered; opening one more forgets the least recently used. Default 65,536.
    pub max_sessions: u64,
}

impl Default for History {
    fn default() -> Self {
        History { max_keys: 1 << 20, max_sessions: 1 << 16 }
    }
}

/// Limits on what a request may contain. Checked before anything is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admission {
    /// Longest key in bytes, 1 to [`HARD_MAX_KEY`]. Default 256.
    pub max_key_bytes: usize,
    /// Most operations of one request, 1 to [`HARD_MAX_BATCH`]. Default 4096.
    pub max_batch: usize,
}

impl Default for Admission {
    fn default() -> Self {
        Admission { max_key_bytes: 256, max_batch: 4096 }
    }
}

/// A limit that no server can have.
#[derive(Debug, PartialEq, Eq)]
pub struct BadLimit(String);

impl fmt::Display for BadLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadLimit {}

fn within(what: &str, value: u64, most: u64) -> Result<(), BadLimit> {
    if (1..=most).contains(&value) {
        return Ok(());
    }
    Err(BadLimit(format!("{what} of {value}: at least 1, at most {most}")))
}

impl History {
    /// Checks the ranges: both at least 1; at most 2^24 keys and 2^24 sessions, which is what one engine has room for.
    ///
    /// # Errors
    /// Which limit is out of range, and what it may be.
    pub fn check(self) -> Result<Self, BadLimit> {
        within("a limit on keys", self.max_keys, 1 << 24)?;
        within("a limit on sessions", self.max_sessions, 1 << 24)?;
        Ok(self)
    }
}

impl Admission {
    /// Checks the ranges.
    ///
    /// # Errors
    /// Which limit is out of range, and what it may be.
    pub fn check(self) -> Result<Self, BadLimit> {
        within("a limit on the bytes of a key", self.max_key_bytes as u64, HARD_MAX_KEY as u64)?;
        within("a limit on the operations of a request", self.max_batch as u64, HARD_MAX_BATCH as u64)?;
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_checked_at_their_ends() {
        let keys = |max_keys| History { max_keys, ..History::default() }.check();
        assert!(keys(1).is_ok() && keys(1 << 24).is_ok());
        assert!(keys(0).is_err() && keys((1 << 24) + 1).is_err());
        assert!(History { max_sessions: 0, ..History::default() }.check().is_err());
        let bytes = |max_key_bytes| Admission { max_key_bytes, ..Admission::default() }.check();
        assert!(bytes(1).is_ok() && bytes(HARD_MAX_KEY).is_ok());
        assert!(bytes(0).is_err());
        assert_eq!(
            bytes(1025).map_err(|e| e.to_string()),
            Err("a limit on the bytes of a key of 1025: at least 1, at most 1024".to_string())
        );
        assert!(Admission { max_batch: HARD_MAX_BATCH + 1, ..Admission::default() }.check().is_err());
    }
}
