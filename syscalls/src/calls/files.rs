//! Calls on open files: read, write, size, times, listing.

use super::{Answer, Ctx, Stop};
use crate::abi::Errno;
use crate::abi::layout;
use crate::abi::types::{fdflags, filetype, fstflags, rights};
use crate::fs::{FileTime, Ino};
use crate::memory;
use crate::open_file::Object;

impl Ctx<'_> {
    pub(super) fn fd_read(&mut self, fd: u32, iovs: u32, count: u32, nread: u32) -> Answer {
        let descriptor = self.descriptor(fd, rights::FD_READ)?;
        let nonblocking = descriptor.nonblocking();
        let object = descriptor.object;
        let want = self.iovecs(iovs, count)?;
        self.check_out(nread, 4)?;
        let n = match object {
            Object::Socket(slot) => self.recv(slot, nonblocking, want, 0)?,
            Object::PipeReader(id) => self.read_pipe(id, nonblocking, want)?,
            Object::Pair(end) => self.recv_from_pair(end, nonblocking, want, 0)?,
            Object::Stdin => self.read_stdin(want, nonblocking)?,
            Object::Event(id) => self.read_event(id, nonblocking, want)?,
            Object::Timer(id) => self.read_timer(id, nonblocking, want)?,
            Object::Epoll(_) => return Err(Errno::Inval.into()),
            Object::File { ino, offset } => {
                let n = self.read_file(ino, offset)?;
                self.move_to(fd, offset + u64::from(n));
                if n == 0 && want > 0 {
                    // Reading at the end over and over waits for somebody to append.
                    self.fruitless();
                } else {
                    self.fruitful();
                }
                n
            }
            Object::Directory { .. } => return Err(Errno::IsDir.into()),
            Object::Console(_) | Object::PipeWriter(_) => return Err(Errno::BadF.into()),
        };
        self.tell_u32(nread, n)
    }

    pub(super) fn fd_write(&mut self, fd: u32, iovs: u32, count: u32, nwritten: u32) -> Answer {
        let descriptor = self.descriptor(fd, rights::FD_WRITE)?;
        let nonblocking = descriptor.nonblocking();
        let append = descriptor.flags & fdflags::APPEND != 0;
        let object = descriptor.object;
        let want = self.iovecs(iovs, count)?;
        self.check_out(nwritten, 4)?;
        let n = match object {
            Object::Socket(slot) => self.send(slot, nonblocking, want)?,
            Object::PipeWriter(id) => self.write_pipe(id, nonblocking, want)?,
            Object::Pair(end) => self.send_to_pair(end, nonblocking, want, 0)?,
            Object::Console(stream) => self.write_console(stream)?,
            Object::Event(id) => self.write_event(id, nonblocking, want)?,
            Object::Timer(_) | Object::Epoll(_) => return Err(Errno::Inval.into()),
            Object::File { ino, offset } => {
                let start = if append { self.fs.size(ino)? } else { offset };
                let n = self.write_file(ino, start)?;
                self.move_to(fd, start + u64::from(n));
                n
            }
            Object::Directory { .. } => return Err(Errno::IsDir.into()),
            Object::Stdin | Object::PipeReader(_) => return Err(Errno::BadF.into()),
        };
        self.tell_u32(nwritten, n)
    }

    pub(super) fn fd_pread(&mut self, fd: u32, iovs: u32, count: u32, offset: u64, nread: u32) -> Answer {
        let ino = self.file(fd, rights::FD_READ | rights::FD_SEEK)?;
        self.iovecs(iovs, count)?;
        self.check_out(nread, 4)?;
        if i64::try_from(offset).is_err() {
            return Err(Errno::Inval.into());
        }
        let n = self.read_file(ino, offset)?;
        self.tell_u32(nread, n)
    }

    pub(super) fn fd_pwrite(&mut self, fd: u32, iovs: u32, count: u32, offset: u64, nwritten: u32) -> Answer {
        let ino = self.file(fd, rights::FD_WRITE | rights::FD_SEEK)?;
        self.iovecs(iovs, count)?;
        self.check_out(nwritten, 4)?;
        if i64::try_from(offset).is_err() {
            return Err(Errno::Inval.into());
        }
        let n = self.write_file(ino, offset)?;
        self.tell_u32(nwritten, n)
    }

    /// Reads a file into the buffers in the scratch space.
    fn read_file(&mut self, ino: Ino, offset: u64) -> Result<u32, Stop> {
        for range in &self.scratch.iovecs {
            let part = &mut self.memory[range.clone()];
            let n = self.fs.read_at(ino, offset.saturating_add(self.moved.bytes), part)?;
            self.moved.data(&part[..n]);
            if n < part.len() {
                break;
            }
        }
        Ok(self.moved_u32())
    }

    /// Writes the buffers in the scratch space to a file. A limit that is met in the middle is told by the next call.
    fn write_file(&mut self, ino: Ino, offset: u64) -> Result<u32, Stop> {
        let now = self.now();
        for range in &self.scratch.iovecs {
            let part = &self.memory[range.clone()];
            match self.fs.write_at(ino, offset.saturating_add(self.moved.bytes), part, now) {
                Ok(n) => {
                    self.moved.data(&part[..n]);
                    if n < part.len() {
                        break;
                    }
                }
                Err(_) if self.moved.bytes > 0 => break,
                Err(errno) => return Err(errno.into()),
            }
        }
        self.fruitful();
        Ok(self.moved_u32())
    }

    fn move_to(&mut self, fd: u32, position: u64) {
        if let Ok(descriptor) = self.process.descriptors.get_mut(fd)
            && let Object::File { offset, .. } = &mut descriptor.object
        {
            *offset = position;
        }
    }

    /// The regular file behind a descriptor that has a right.
    fn file(&mut self, fd: u32, right: u64) -> Result<Ino, Errno> {
        match self.process.descriptors.get(fd)?.object {
            Object::File { ino, .. } => self.descriptor(fd, right).map(|_| ino),
            Object::Directory { .. } => Err(Errno::IsDir),
            _ => Err(Errno::SPipe),
        }
    }

    /// The file or directory behind a descriptor that has a right; anything else answers `EINVAL`.
    fn inode(&mut self, fd: u32, right: u64) -> Result<Ino, Errno> {
        match self.process.descriptors.get(fd)?.object {
            Object::File { ino, .. } | Object::Directory { ino, .. } => self.descriptor(fd, right).map(|_| ino),
            _ => Err(Errno::Inval),
        }
    }

    pub(super) fn fd_advise(&mut self, fd: u32, offset: u64, len: u64, advice: u32) -> Answer {
        self.file(fd, rights::FD_ADVISE)?;
        // Six kinds of advice, from `normal` to `noreuse`.
        if advice > 5 || offset.checked_add(len).is_none() {
            return Err(Errno::Inval.into());
        }
        Ok(0)
    }

    pub(super) fn fd_allocate(&mut self, fd: u32, offset: u64, len: u64) -> Answer {
        let ino = self.file(fd, rights::FD_ALLOCATE)?;
        let now = self.now();
        self.fs.allocate(ino, offset, len, now)?;
        Ok(0)
    }

    /// A log that a quorum has on disk is more durable than any `fsync` of one machine: nothing is left to do.
    pub(super) fn fd_sync(&mut self, fd: u32) -> Answer {
        match self.process.descriptors.get(fd)?.object {
            Object::Console(_) => Ok(0),
            _ => self.inode(fd, rights::FD_SYNC).map(|_| 0).map_err(Stop::from),
        }
    }

    pub(super) fn fd_datasync(&mut self, fd: u32) -> Answer {
        match self.process.descriptors.get(fd)?.object {
            Object::Console(_) => Ok(0),
            _ => self.inode(fd, rights::FD_DATASYNC).map(|_| 0).map_err(Stop::from),
        }
    }

    pub(super) fn fd_filestat_get(&mut self, fd: u32, out: u32) -> Answer {
        self.check_out(out, layout::FILESTAT)?;
        let stat = match self.descriptor(fd, rights::FD_FILESTAT_GET)?.object {
            Object::File { ino, .. } | Object::Directory { ino, .. } => {
                layout::filestat(&self.fs.stat(ino)?, self.epoch)
            }
            Object::Stdin | Object::Console(_) => layout::filestat_of_type(filetype::CHARACTER_DEVICE),
            Object::Socket(_) | Object::PipeReader(_) | Object::PipeWriter(_) | Object::Pair(_) => {
                layout::filestat_of_type(filetype::SOCKET_STREAM)
            }
            Object::Event(_) | Object::Timer(_) | Object::Epoll(_) => layout::filestat_of_type(filetype::UNKNOWN),
        };
        self.tell(out, &stat)
    }

    pub(super) fn fd_filestat_set_size(&mut self, fd: u32, size: u64) -> Answer {
        let ino = match self.process.descriptors.get(fd)?.object {
            Object::File { .. } => self.file(fd, rights::FD_FILESTAT_SET_SIZE)?,
            _ => return Err(Errno::Inval.into()),
        };
        let now = self.now();
        self.fs.truncate(ino, size, now)?;
        Ok(0)
    }

    pub(super) fn fd_filestat_set_times(&mut self, fd: u32, atim: u64, mtim: u64, flags: u32) -> Answer {
        let ino = self.inode(fd, rights::FD_FILESTAT_SET_TIMES)?;
        self.set_times(ino, atim, mtim, flags)
    }

    /// Sets times from Unix time, or to now, or not at all, as `flags` say.
    pub(super) fn set_times(&mut self, ino: Ino, atim: u64, mtim: u64, flags: u32) -> Answer {
        let both = |given, now| flags & (given | now) == given | now;
        if flags & !fstflags::ALL != 0
            || both(fstflags::ATIM, fstflags::ATIM_NOW)
            || both(fstflags::MTIM, fstflags::MTIM_NOW)
        {
            return Err(Errno::Inval.into());
        }
        let now = self.now();
        let time = |given, now_flag, unix| {
            if flags & given != 0 {
                Some(FileTime::from_unix_ns(unix, self.epoch))
            } else {
                (flags & now_flag != 0).then(|| FileTime::from(now))
            }
        };
        let atim = time(fstflags::ATIM, fstflags::ATIM_NOW, atim);
        let mtim = time(fstflags::MTIM, fstflags::MTIM_NOW, mtim);
        self.fs.set_times(ino, atim, mtim, now)?;
        Ok(0)
    }

    /// Fills the buffer with directory entries. The last one may be cut off, which tells the guest that there is more;
    /// a buffer that is not full says that this is the end. So the limit `call_bytes` must not cut it: the size of the
    /// directory bounds what one call moves.
    pub(super) fn fd_readdir(&mut self, fd: u32, buf: u32, len: u32, cookie: u64, used: u32) -> Answer {
        let ino = match self.descriptor(fd, rights::FD_READDIR)?.object {
            Object::Directory { ino, .. } => ino,
            _ => return Err(Errno::NotDir.into()),
        };
        self.check_out(used, 4)?;
        let out = memory::range(self.memory, buf, len)?;
        let listing = &mut self.process.descriptors.get_mut(fd)?.listing;
        self.fs.seek_listing(ino, listing, cookie)?;
        let out = &mut self.memory[out];
        let (mut filled, mut last) = (0, cookie);
        for entry in self.fs.entries(ino, listing, cookie)? {
            // Names have at most 255 bytes.
            let name_len = entry.name.len() as u32;
            let head = layout::dirent(entry.next, entry.ino.number(), name_len, layout::file_type(entry.kind));
            for part in [&head[..], entry.name] {
                let n = part.len().min(out.len() - filled);
                out[filled..filled + n].copy_from_slice(&part[..n]);
                filled += n;
            }
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
}
