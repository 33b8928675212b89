//! `struct flock`, and the numbers of `fcntl` and `flock` for locks (musl's generic ones).

use crate::locks::{LAST, Owner, Record};

/// Commands of `lock`.
pub mod cmd {
    #![allow(missing_docs, reason = "the names are those of fcntl.h without F_")]
    pub const GETLK: u32 = 5;
    pub const SETLK: u32 = 6;
    pub const SETLKW: u32 = 7;
    pub const OFD_GETLK: u32 = 36;
    pub const OFD_SETLK: u32 = 37;
    pub const OFD_SETLKW: u32 = 38;
}

/// Kinds of locks.
pub mod kind {
    #![allow(missing_docs, reason = "the names are those of fcntl.h without F_")]
    pub const RDLCK: u16 = 0;
    pub const WRLCK: u16 = 1;
    pub const UNLCK: u16 = 2;
}

/// Operations of `flock`.
pub mod flock {
    #![allow(missing_docs, reason = "the names are those of sys/file.h without LOCK_")]
    pub const SH: u32 = 1;
    pub const EX: u32 = 2;
    pub const NB: u32 = 4;
    pub const UN: u32 = 8;
}

/// Bytes of a `struct flock`.
pub const FLOCK: usize = 32;

/// A `struct flock`: type and whence at 0 and 2, start at 8, length at 16, process at 24; the rest is padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flock {
    /// One of [`kind`].
    pub kind: u16,
    /// What `start` counts from: [`whence`](super::types::whence).
    pub whence: u16,
    /// The first byte, or the one after the last where `len` is negative.
    pub start: i64,
    /// How many bytes; 0 for all from `start` on.
    pub len: i64,
    /// The process that has the lock; -1 for one of an open file.
    pub pid: i32,
}

impl Flock {
    /// Reads it.
    #[must_use]
    pub fn parse(bytes: &[u8; FLOCK]) -> Self {
        let int = |at: usize| i64::from_le_bytes(std::array::from_fn(|n| bytes[at + n]));
        Self {
            kind: u16::from_le_bytes([bytes[0], bytes[1]]),
            whence: u16::from_le_bytes([bytes[2], bytes[3]]),
            start: int(8),
            len: int(16),
            pid: i32::from_le_bytes([bytes[24], bytes[25], bytes[26], bytes[27]]),
        }
    }

    /// Lays it out.
    #[must_use]
    pub fn bytes(&self) -> [u8; FLOCK] {
        let mut out = [0; FLOCK];
        out[..2].copy_from_slice(&self.kind.to_le_bytes());
        out[2..4].copy_from_slice(&self.whence.to_le_bytes());
        out[8..16].copy_from_slice(&self.start.to_le_bytes());
        out[16..24].copy_from_slice(&self.len.to_le_bytes());
        out[24..28].copy_from_slice(&self.pid.to_le_bytes());
        out
    }

    /// How a lock is told.
    pub(crate) const fn of(record: &Record) -> Self {
        let len = if record.end == LAST { 0 } else { (record.end - record.start + 1).cast_signed() };
        let pid = match record.owner {
            Owner::Process(pid) => pid.0.cast_signed(),
            Owner::File(..) => -1,
        };
        let kind = if record.write { kind::WRLCK } else { kind::RDLCK };
        Self { kind, whence: 0, start: record.start.cast_signed(), len, pid }
    }
}
