//! `fd_readdir`.

use super::{Answer, Ctx};
use crate::abi::Errno;
use crate::abi::layout;
use crate::abi::types::filetype;
use crate::fs::Ino;
use crate::memory;
use crate::open_file::Object;

impl Ctx<'_> {
    /// Fills the buffer with directory entries. The last one may be cut off, which tells the guest that there is more;
    /// a buffer that is not full says that this is the end. So the limit `call_bytes` must not cut it: the size of the
    /// directory bounds what one call moves.
    pub(super) fn fd_readdir(&mut self, fd: u32, buf: u32, len: u32, cookie: u64, used: u32) -> Answer {
        let Object::Directory { ino, named, .. } = self.process.descriptors.get(fd)?.object else {
            return Err(Errno::NotDir.into());
        };
        self.check_out(used, 4)?;
        let out = memory::range(self.memory, buf, len)?;
        if self.fs.shows_descriptors(ino) {
            let filled = self.list_descriptors(ino, out, cookie)?;
            return self.tell_u32(used, filled);
        }
        let listing = &mut self.process.descriptors.get_mut(fd)?.listing;
        if named {
            // As it was imported: what every cell has is no part of that.
            self.fs.seek_own_listing(ino, listing, cookie)?;
        } else {
            self.fs.seek_listing(ino, listing, cookie)?;
        }
        let out = &mut self.memory[out];
        let (mut filled, mut last) = (0, cookie);
        for entry in self.fs.entries(ino, listing, cookie)? {
            filled +=
                put(&mut out[filled..], entry.next, entry.ino.number(), layout::file_type(entry.kind), entry.name);
            last = entry.next;
            if filled == out.len() {
                break;
            }
        }
        if filled < out.len() {
            self.fs.end_listing(listing, last);
        }
        self.moved.note_bytes(&out[..filled]);
        // No more than `len`.
        self.tell_u32(used, filled as u32)
    }

    /// The descriptors of the process as entries of `/proc/self/fd`, in ascending order; the cookie of each is its number
    /// and three, since `.` and `..` come first.
    fn list_descriptors(&mut self, dir: Ino, out: std::ops::Range<usize>, cookie: u64) -> Result<u32, Errno> {
        let mut filled = 0;
        let above = self.fs.lookup(dir, b"..", false)?;
        let out = &mut self.memory[out];
        for (next, name, ino) in [(1, &b"."[..], dir), (2, b"..", above)] {
            if cookie < next {
                filled += put(&mut out[filled..], next, ino.number(), filetype::DIRECTORY, name);
            }
        }
        let first = u32::try_from(cookie.saturating_sub(2)).unwrap_or(u32::MAX);
        for fd in self.process.descriptors.numbers_from(first) {
            if filled == out.len() {
                break;
            }
            let next = u64::from(fd) + 3;
            filled += put(&mut out[filled..], next, next, filetype::SYMBOLIC_LINK, fd.to_string().as_bytes());
        }
        self.moved.note_bytes(&out[..filled]);
        // No more than the buffer, whose length is a u32.
        Ok(filled as u32)
    }
}

/// Writes a directory entry as far as there is room; answers how much that was. Names have at most 255 bytes.
fn put(out: &mut [u8], next: u64, ino: u64, file_type: u8, name: &[u8]) -> usize {
    let head = layout::dirent(next, ino, name.len() as u32, file_type);
    let mut filled = 0;
    for part in [&head[..], name] {
        let n = part.len().min(out.len() - filled);
        out[filled..filled + n].copy_from_slice(&part[..n]);
        filled += n;
    }
    filled
}
