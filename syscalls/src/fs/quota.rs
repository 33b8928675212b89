//! What files may use: bytes, names and listings, counted so that neither holes nor hard links nor unlinked open files
//! get past.

use crate::abi::errno::Errno;
use borsh::{BorshDeserialize, BorshSerialize};
use replicode_log::Limits;

/// The file system's share of [`Limits`] and what is in use.
///
/// Bytes are counted by the *length* of files (a hole counts as if it were written, so that filling it cannot fail) and
/// of symbolic links. Nodes are the root, each name in a directory and each inode that only lives in descriptors: hard
/// links cost memory too, so they count. Names that listings keep are no part of the tree and have a limit of their own.
#[derive(Clone, Debug, BorshSerialize, BorshDeserialize)]
pub(super) struct Quota {
    pub(super) bytes: u64,
    pub(super) nodes: u32,
    pub(super) listed: u64,
    max_bytes: u64,
    max_nodes: u32,
    max_file: u64,
    max_listed: u64,
    pub(super) max_path: u32,
    pub(super) max_depth: u32,
}

/// The limits that [`Quota::unbound`] lifts.
pub(super) struct Bounds {
    bytes: u64,
    nodes: u32,
    file: u64,
    depth: u32,
}

impl Quota {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            bytes: 0,
            nodes: 0,
            listed: 0,
            max_bytes: limits.file_bytes,
            max_nodes: limits.inodes,
            max_file: limits.file_size,
            max_listed: limits.listing_bytes,
            max_path: limits.path_bytes,
            max_depth: limits.path_depth,
        }
    }

    /// Lifts the limits of bytes and names, until [`Quota::bound`]; answers them.
    pub(super) const fn unbound(&mut self) -> Bounds {
        let before =
            Bounds { bytes: self.max_bytes, nodes: self.max_nodes, file: self.max_file, depth: self.max_depth };
        (self.max_bytes, self.max_nodes, self.max_file, self.max_depth) = (u64::MAX, u32::MAX, u64::MAX, u32::MAX);
        before
    }

    /// Sets limits again, with room for what was added while there were none: `bytes` and `nodes`.
    pub(super) const fn bound(&mut self, before: Bounds, bytes: u64, nodes: u32) {
        self.max_bytes = before.bytes.saturating_add(bytes);
        self.max_nodes = before.nodes.saturating_add(nodes);
        (self.max_file, self.max_depth) = (before.file, before.depth);
    }

    /// Whether one more name fits, else `ENOSPC`.
    pub(super) fn check_node(&self) -> Result<(), Errno> {
        if self.nodes < self.max_nodes { Ok(()) } else { Err(Errno::NoSpc) }
    }

    /// Whether `more` bytes fit, else `ENOSPC`.
    pub(super) fn check_bytes(&self, more: u64) -> Result<(), Errno> {
        if more <= self.max_bytes.saturating_sub(self.bytes) { Ok(()) } else { Err(Errno::NoSpc) }
    }

    /// Whether a file may grow or shrink from `old` to `new` bytes: `EFBIG`, then `ENOSPC`.
    pub(super) fn check_resize(&self, old: u64, new: u64) -> Result<(), Errno> {
        if new > self.max_file {
            return Err(Errno::FBig);
        }
        self.check_bytes(new.saturating_sub(old))
    }

    /// How many of `len` bytes may be written at `offset` of a file of `size` bytes: at least one, or the error. As
    /// `write` of POSIX, which takes what fits and fails only if nothing does.
    pub(super) fn check_write(&self, size: u64, offset: u64, len: usize) -> Result<usize, Errno> {
        let end = size.saturating_add(self.max_bytes.saturating_sub(self.bytes));
        if offset >= self.max_file {
            return Err(Errno::FBig);
        }
        if offset >= end {
            return Err(Errno::NoSpc);
        }
        let room = end.min(self.max_file) - offset;
        Ok(usize::try_from(room).unwrap_or(usize::MAX).min(len))
    }

    /// Notes that something of `old` bytes has `new` bytes now.
    pub(super) fn resized(&mut self, old: u64, new: u64) {
        self.bytes = self.bytes.saturating_sub(old).saturating_add(new);
    }

    /// Whether a listing that keeps `old` bytes may keep `new` instead, else `ENOMEM`.
    pub(super) fn check_listing(&self, old: u64, new: u64) -> Result<(), Errno> {
        let others = self.listed.saturating_sub(old);
        if new <= self.max_listed.saturating_sub(others) { Ok(()) } else { Err(Errno::NoMem) }
    }

    /// Notes that a listing that kept `old` bytes keeps `new` now.
    pub(super) fn listed(&mut self, old: u64, new: u64) {
        self.listed = self.listed.saturating_sub(old).saturating_add(new);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quota(bytes: u64) -> Quota {
        let limits = Limits { file_bytes: 100, file_size: 60, inodes: 2, ..Limits::default() };
        Quota { bytes, ..Quota::new(&limits) }
    }

    #[test]
    fn a_write_takes_what_fits() {
        // (bytes in use, size of the file, offset, length) and the answer
        let cases = [
            ((0, 0, 0, 10), Ok(10)),
            ((0, 0, 55, 10), Ok(5)),
            ((0, 0, 59, 10), Ok(1)),
            ((0, 0, 60, 10), Err(Errno::FBig)),
            ((0, 0, u64::MAX, 10), Err(Errno::FBig)),
            ((90, 0, 0, 20), Ok(10)),
            ((90, 0, 9, 20), Ok(1)),
            ((90, 0, 10, 20), Err(Errno::NoSpc)),
            ((100, 20, 0, 20), Ok(20)),
            ((100, 20, 10, 20), Ok(10)),
            ((100, 20, 20, 20), Err(Errno::NoSpc)),
        ];
        for ((used, size, offset, len), expected) in cases {
            assert_eq!(quota(used).check_write(size, offset, len), expected, "{used} {size} {offset} {len}");
        }
    }

    #[test]
    fn a_resize_is_all_or_nothing() {
        assert_eq!(quota(0).check_resize(0, 60), Ok(()));
        assert_eq!(quota(0).check_resize(0, 61), Err(Errno::FBig));
        assert_eq!(quota(50).check_resize(0, 50), Ok(()));
        assert_eq!(quota(50).check_resize(0, 51), Err(Errno::NoSpc));
        assert_eq!(quota(100).check_resize(50, 10), Ok(()));
    }
}
