//! The content of regular files: read, write, truncate, allocate.

use super::Fs;
use super::inode::Ino;
use crate::abi::errno::Errno;
use replicode_log::LogicalTime;

impl Fs {
    /// Copies bytes of a file from `offset` on into `buf` and answers how many; 0 at or behind the end.
    ///
    /// # Errors
    /// `EISDIR` for a directory, `EINVAL` for a device.
    #[inline]
    pub fn read_at(&self, ino: Ino, offset: u64, buf: &mut [u8]) -> Result<usize, Errno> {
        Ok(self.table.get(ino)?.file()?.read(offset, buf))
    }

    /// Writes `bytes` at `offset` and answers how many were taken: fewer than given only where a limit is reached
    /// (POSIX `write`). A gap between the end and `offset` reads as zeros and counts as used. Writing nothing changes
    /// nothing.
    ///
    /// # Errors
    /// `EFBIG` or `ENOSPC` if not one byte fits, `EROFS`, `EISDIR`.
    #[inline]
    pub fn write_at(&mut self, ino: Ino, offset: u64, bytes: &[u8], now: LogicalTime) -> Result<usize, Errno> {
        let inode = self.table.get_mut(ino)?;
        inode.check_writable()?;
        let file = inode.file_mut()?;
        if bytes.is_empty() {
            return Ok(0);
        }
        let before = file.size();
        let taken = self.quota.check_write(before, offset, bytes.len())?;
        file.write(offset, &bytes[..taken]);
        self.quota.resized(before, file.size());
        inode.changed(now.into());
        Ok(taken)
    }

    /// Cuts a file at `len` bytes or extends it with zeros (`ftruncate`).
    ///
    /// # Errors
    /// `EFBIG`, `ENOSPC` (nothing is changed then), `EROFS`, `EISDIR`.
    pub fn truncate(&mut self, ino: Ino, len: u64, now: LogicalTime) -> Result<(), Errno> {
        let inode = self.table.get_mut(ino)?;
        inode.check_writable()?;
        let file = inode.file_mut()?;
        let before = file.size();
        self.quota.check_resize(before, len)?;
        file.set_size(len);
        self.quota.resized(before, len);
        inode.changed(now.into());
        Ok(())
    }

    /// Makes sure that writing to `len` bytes from `offset` on will not fail for lack of space, extending the file if
    /// it is shorter (`posix_fallocate`). Within the file this is so already.
    ///
    /// # Errors
    /// `EINVAL` if `len` is 0, `EFBIG`, `ENOSPC` (nothing is changed then), `EROFS`, `EISDIR`.
    pub fn allocate(&mut self, ino: Ino, offset: u64, len: u64, now: LogicalTime) -> Result<(), Errno> {
        let inode = self.table.get(ino)?;
        inode.check_writable()?;
        let size = inode.file()?.size();
        if len == 0 {
            return Err(Errno::Inval);
        }
        let end = offset.checked_add(len).ok_or(Errno::FBig)?;
        if end > size { self.truncate(ino, end, now) } else { Ok(()) }
    }
}
