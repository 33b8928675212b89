//! Calls on open files: read, write, size, times, permissions.
//!
//! What a call answers is decided as on Linux: first by what the descriptor stands for, then by what it was opened for.

use super::{Answer, Ctx, Stop};
use crate::abi::Errno;
use crate::abi::layout;
use crate::abi::types::{fdflags, filetype, fstflags};
use crate::fs::{FileTime, Ino};
use crate::open_file::Object;

/// A position or length as POSIX has it: not negative.
fn offset(raw: u64) -> Result<u64, Errno> {
    i64::try_from(raw).map(|_| raw).map_err(|_| Errno::Inval)
}

impl Ctx<'_> {
    pub(super) fn fd_read(&mut self, fd: u32, iovs: u32, count: u32, nread: u32) -> Answer {
        let descriptor = self.process.descriptors.get(fd)?;
        let nonblocking = descriptor.nonblocking();
        let object = descriptor.object;
        if let Object::Directory { .. } = object {
            return Err(Errno::IsDir.into());
        }
        descriptor.check_read()?;
        let want = match object {
            Object::File { .. } | Object::Device { .. } => self.whole_iovecs(iovs, count)?,
            _ => self.iovecs(iovs, count)?,
        };
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
            Object::Device { device, .. } => self.read_device(device)?,
            Object::Directory { .. } | Object::Console(_) | Object::PipeWriter(_) => return Err(Errno::BadF.into()),
        };
        self.tell_u32(nread, n)
    }

    pub(super) fn fd_write(&mut self, fd: u32, iovs: u32, count: u32, nwritten: u32) -> Answer {
        let descriptor = self.process.descriptors.get(fd)?;
        descriptor.check_write()?;
        let nonblocking = descriptor.nonblocking();
        let append = descriptor.flags & fdflags::APPEND != 0;
        let object = descriptor.object;
        let want = match object {
            Object::File { .. } | Object::Device { .. } => self.whole_iovecs(iovs, count)?,
            _ => self.iovecs(iovs, count)?,
        };
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
            Object::Device { device, .. } => self.write_device(device)?,
            Object::Directory { .. } | Object::Stdin | Object::PipeReader(_) => return Err(Errno::BadF.into()),
        };
        self.tell_u32(nwritten, n)
    }

    pub(super) fn fd_pread(&mut self, fd: u32, iovs: u32, count: u32, at: u64, nread: u32) -> Answer {
        let descriptor = self.process.descriptors.get(fd)?;
        let at = offset(at)?;
        let object = match descriptor.object {
            object @ (Object::File { .. } | Object::Device { .. }) => object,
            Object::Directory { .. } => return Err(Errno::IsDir.into()),
            _ => return Err(Errno::SPipe.into()),
        };
        descriptor.check_read()?;
        self.whole_iovecs(iovs, count)?;
        self.check_out(nread, 4)?;
        let n = match object {
            Object::Device { device, .. } => self.read_device(device)?,
            Object::File { ino, .. } => self.read_file(ino, at)?,
            _ => 0,
        };
        self.tell_u32(nread, n)
    }

    /// To a descriptor that appends, this appends, as on Linux (pwrite(2), BUGS).
    pub(super) fn fd_pwrite(&mut self, fd: u32, iovs: u32, count: u32, at: u64, nwritten: u32) -> Answer {
        let descriptor = self.process.descriptors.get(fd)?;
        let at = offset(at)?;
        let append = descriptor.flags & fdflags::APPEND != 0;
        let object = match descriptor.object {
            object @ (Object::File { .. } | Object::Device { .. }) => object,
            Object::Directory { .. } => return Err(Errno::BadF.into()),
            _ => return Err(Errno::SPipe.into()),
        };
        descriptor.check_write()?;
        self.whole_iovecs(iovs, count)?;
        self.check_out(nwritten, 4)?;
        let n = match object {
            Object::Device { device, .. } => self.write_device(device)?,
            Object::File { ino, .. } => {
                let at = if append { self.fs.size(ino)? } else { at };
                self.write_file(ino, at)?
            }
            _ => 0,
        };
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
        self.spend();
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
        self.spend();
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

    /// The inode behind a descriptor; `None` for what has none.
    pub(super) fn inode(&self, fd: u32) -> Result<Option<Ino>, Errno> {
        match self.process.descriptors.get(fd)?.object {
            Object::File { ino, .. } | Object::Directory { ino, .. } | Object::Device { ino, .. } => Ok(Some(ino)),
            _ => Ok(None),
        }
    }

    pub(super) fn fd_advise(&mut self, fd: u32, _offset: u64, len: u64, advice: u32) -> Answer {
        if let Object::Stdin = self.process.descriptors.get(fd)?.object {
            return Err(Errno::SPipe.into());
        }
        offset(len)?;
        // Six kinds of advice, from `normal` to `noreuse`.
        if advice > 5 { Err(Errno::Inval.into()) } else { Ok(0) }
    }

    pub(super) fn fd_allocate(&mut self, fd: u32, at: u64, len: u64) -> Answer {
        let descriptor = self.process.descriptors.get(fd)?;
        let (at, len) = (offset(at)?, offset(len)?);
        if len == 0 {
            return Err(Errno::Inval.into());
        }
        descriptor.check_write()?;
        let ino = match descriptor.object {
            Object::File { ino, .. } => ino,
            Object::Directory { .. } | Object::Stdin => return Err(Errno::BadF.into()),
            _ => return Err(Errno::NoDev.into()),
        };
        let now = self.now();
        self.fs.allocate(ino, at, len, now)?;
        Ok(0)
    }

    /// A log that a quorum has on disk is more durable than any `fsync` of one machine: nothing is left to do.
    pub(super) fn fd_sync(&mut self, fd: u32) -> Answer {
        match self.process.descriptors.get(fd)?.object {
            Object::File { .. } | Object::Directory { .. } => Ok(0),
            _ => Err(Errno::Inval.into()),
        }
    }

    pub(super) fn fd_filestat_get(&mut self, fd: u32, out: u32) -> Answer {
        self.check_out(out, layout::FILESTAT)?;
        let stat = self.stat_of(fd)?;
        self.tell(out, &stat)
    }

    /// The attributes of what a descriptor stands for.
    pub(super) fn stat_of(&self, fd: u32) -> Result<[u8; layout::FILESTAT as usize], Errno> {
        match self.inode(fd)? {
            Some(ino) => Ok(layout::filestat(&self.fs.stat(ino)?, self.epoch)),
            None => Ok(layout::filestat_of_type(self.type_of(fd)?)),
        }
    }

    /// The `filetype` of what a descriptor stands for. Standard output and error are character devices, so that programs
    /// print line by line, on every node alike; standard input is a pipe, for which preview 1 has no name.
    pub(super) fn type_of(&self, fd: u32) -> Result<u8, Errno> {
        Ok(match self.process.descriptors.get(fd)?.object {
            Object::Stdin => filetype::UNKNOWN,
            Object::Console(_) | Object::Device { .. } => filetype::CHARACTER_DEVICE,
            Object::File { .. } => filetype::REGULAR_FILE,
            Object::Directory { .. } => filetype::DIRECTORY,
            // Preview 1 has no word for pipes; wasi-libc, too, has one number for both.
            Object::Socket(_) | Object::PipeReader(_) | Object::PipeWriter(_) | Object::Pair(_) => {
                filetype::SOCKET_STREAM
            }
            // As Linux, whose anonymous inodes have no type.
            Object::Event(_) | Object::Timer(_) | Object::Epoll(_) => filetype::UNKNOWN,
        })
    }

    pub(super) fn fd_filestat_set_size(&mut self, fd: u32, size: u64) -> Answer {
        let descriptor = self.process.descriptors.get(fd)?;
        let size = offset(size)?;
        let ino = match descriptor.object {
            Object::File { ino, .. } if descriptor.access.write => ino,
            _ => return Err(Errno::Inval.into()),
        };
        let now = self.now();
        self.fs.truncate(ino, size, now)?;
        Ok(0)
    }

    pub(super) fn fd_filestat_set_times(&mut self, fd: u32, atim: u64, mtim: u64, flags: u32) -> Answer {
        let ino = self.inode(fd)?;
        self.set_times(ino, atim, mtim, flags)
    }

    /// Sets times from Unix time, or to now, or not at all, as `flags` say.
    /// What has no inode takes them and forgets them.
    pub(super) fn set_times(&mut self, ino: Option<Ino>, atim: u64, mtim: u64, flags: u32) -> Answer {
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
        if let Some(ino) = ino {
            self.fs.set_times(ino, atim, mtim, now)?;
        }
        Ok(0)
    }
}
