//! How locks and pairs of descriptors read in a trace.

use super::words::Flags;
use crate::abi::FlagSet;
use crate::abi::locks::{FLOCK, Flock, kind};
use crate::memory;
use std::fmt;

/// A `struct flock`: what kind, from where, how many bytes.
pub(super) struct LockAt<'a>(pub(super) &'a [u8], pub(super) u32);

impl fmt::Display for LockAt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = memory::bytes(self.0, self.1, FLOCK as u32).ok().and_then(|bytes| bytes.first_chunk());
        let Some(it) = bytes.map(Flock::parse) else { return write!(f, "{:#x}", self.1) };
        match it.kind {
            kind::RDLCK => f.write_str("RDLCK")?,
            kind::WRLCK => f.write_str("WRLCK")?,
            kind::UNLCK => f.write_str("UNLCK")?,
            other => write!(f, "{other}")?,
        }
        write!(f, " {}{:+} len {}", Flags(FlagSet::Whence, it.whence.into()), it.start, it.len)?;
        if it.pid == 0 { Ok(()) } else { write!(f, " of {}", it.pid) }
    }
}

/// Two descriptors.
pub(super) struct TwoFds<'a>(pub(super) &'a [u8], pub(super) u32);

impl fmt::Display for TwoFds<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match memory::read_u64(self.0, self.1) {
            Ok(both) => write!(f, "[{}, {}]", both as u32, both >> 32),
            Err(_) => write!(f, "{:#x}", self.1),
        }
    }
}
