//! Calls on paths, which start from a directory's descriptor.

use super::{Answer, Ctx};
use crate::abi::Errno;
use crate::abi::layout;
use crate::abi::types::{SYMLINK_FOLLOW, fdflags, oflags, rights};
use crate::fs::{Ino, Kind, OpenHow};
use crate::memory;
use crate::open_file::{Object, OpenFile};

/// Pointer and length of bytes in guest memory.
type Bytes = (u32, u32);

/// Whether a link in last place is followed.
const fn follows(lookup: u32) -> Result<bool, Errno> {
    match lookup {
        0 => Ok(false),
        SYMLINK_FOLLOW => Ok(true),
        _ => Err(Errno::Inval),
    }
}

impl Ctx<'_> {
    /// The directory behind a descriptor that has a right.
    fn directory(&mut self, fd: u32, right: u64) -> Result<Ino, Errno> {
        match self.process.descriptors.get(fd)?.object {
            Object::Directory { ino, .. } => self.descriptor(fd, right).map(|_| ino),
            _ => Err(Errno::NotDir),
        }
    }

    pub(super) fn path_create_directory(&mut self, fd: u32, path: Bytes) -> Answer {
        let dir = self.directory(fd, rights::PATH_CREATE_DIRECTORY)?;
        let now = self.now();
        self.fs.mkdir(dir, memory::bytes(self.memory, path.0, path.1)?, now)?;
        Ok(0)
    }

    pub(super) fn path_remove_directory(&mut self, fd: u32, path: Bytes) -> Answer {
        let dir = self.directory(fd, rights::PATH_REMOVE_DIRECTORY)?;
        let now = self.now();
        self.fs.rmdir(dir, memory::bytes(self.memory, path.0, path.1)?, now)?;
        Ok(0)
    }

    pub(super) fn path_unlink_file(&mut self, fd: u32, path: Bytes) -> Answer {
        let dir = self.directory(fd, rights::PATH_UNLINK_FILE)?;
        let now = self.now();
        self.fs.unlink(dir, memory::bytes(self.memory, path.0, path.1)?, now)?;
        Ok(0)
    }

    pub(super) fn path_rename(&mut self, fd: u32, old: Bytes, new_fd: u32, new: Bytes) -> Answer {
        let old_dir = self.directory(fd, rights::PATH_RENAME_SOURCE)?;
        let new_dir = self.directory(new_fd, rights::PATH_RENAME_TARGET)?;
        let now = self.now();
        let old = memory::bytes(self.memory, old.0, old.1)?;
        let new = memory::bytes(self.memory, new.0, new.1)?;
        self.fs.rename(old_dir, old, new_dir, new, now)?;
        Ok(0)
    }

    pub(super) fn path_link(&mut self, old_fd: u32, lookup: u32, old: Bytes, new_fd: u32, new: Bytes) -> Answer {
        let old_dir = self.directory(old_fd, rights::PATH_LINK_SOURCE)?;
        let new_dir = self.directory(new_fd, rights::PATH_LINK_TARGET)?;
        let follow = follows(lookup)?;
        let now = self.now();
        let old = memory::bytes(self.memory, old.0, old.1)?;
        let new = memory::bytes(self.memory, new.0, new.1)?;
        self.fs.link(old_dir, old, follow, new_dir, new, now)?;
        Ok(0)
    }

    pub(super) fn path_symlink(&mut self, target: Bytes, fd: u32, path: Bytes) -> Answer {
        let dir = self.directory(fd, rights::PATH_SYMLINK)?;
        let now = self.now();
        let target = memory::bytes(self.memory, target.0, target.1)?;
        let path = memory::bytes(self.memory, path.0, path.1)?;
        self.fs.symlink(target, dir, path, now)?;
        Ok(0)
    }

    /// The target is cut off without a word when the buffer is too short, as POSIX `readlink` does.
    pub(super) fn path_readlink(&mut self, fd: u32, path: Bytes, buf: Bytes, used: u32) -> Answer {
        let dir = self.directory(fd, rights::PATH_READLINK)?;
        self.check_out(buf.0, buf.1)?;
        self.check_out(used, 4)?;
        let target = self.fs.readlink(dir, memory::bytes(self.memory, path.0, path.1)?)?;
        let target = &target[..target.len().min(buf.1 as usize)];
        memory::write(self.memory, buf.0, target)?;
        self.moved.note_bytes(target);
        let n = target.len() as u32;
        self.tell_u32(used, n)
    }

    pub(super) fn path_filestat_get(&mut self, fd: u32, lookup: u32, path: Bytes, out: u32) -> Answer {
        let dir = self.directory(fd, rights::PATH_FILESTAT_GET)?;
        self.check_out(out, layout::FILESTAT)?;
        let follow = follows(lookup)?;
        let ino = self.fs.lookup(dir, memory::bytes(self.memory, path.0, path.1)?, follow)?;
        let stat = layout::filestat(&self.fs.stat(ino)?, self.epoch);
        self.tell(out, &stat)
    }

    pub(super) fn path_filestat_set_times(
        &mut self,
        fd: u32,
        lookup: u32,
        path: Bytes,
        atim: u64,
        mtim: u64,
        flags: u32,
    ) -> Answer {
        let dir = self.directory(fd, rights::PATH_FILESTAT_SET_TIMES)?;
        let follow = follows(lookup)?;
        let ino = self.fs.lookup(dir, memory::bytes(self.memory, path.0, path.1)?, follow)?;
        self.set_times(ino, atim, mtim, flags)
    }

    /// Opens a file or directory at the lowest free descriptor.
    ///
    /// Rights that make no sense on what was opened are dropped without a word, as are inheriting rights that the
    /// directory cannot give; reading or writing that it cannot give is refused.
    pub(super) fn path_open(
        &mut self,
        fd: u32,
        path: Bytes,
        (lookup, open, flags): (u32, u32, u32),
        (base, inheriting): (u64, u64),
        out: u32,
    ) -> Answer {
        const ACCESS: u64 = rights::FD_READ | rights::FD_WRITE;
        const WRITES: u64 = rights::FD_WRITE | rights::FD_ALLOCATE | rights::FD_FILESTAT_SET_SIZE;
        let dir = self.directory(fd, rights::PATH_OPEN)?;
        let follow = follows(lookup)?;
        if open & !oflags::ALL != 0 || flags & !fdflags::ALL != 0 {
            return Err(Errno::Inval.into());
        }
        if open & oflags::CREAT != 0 {
            self.descriptor(fd, rights::PATH_CREATE_FILE)?;
        }
        let may = self.process.descriptors.get(fd)?.inheriting;
        if base & ACCESS & !may != 0 {
            return Err(Errno::NotCapable.into());
        }
        self.check_out(out, 4)?;
        let path = memory::bytes(self.memory, path.0, path.1)?;
        let new_fd = self.process.descriptors.lowest_free(self.limits.descriptors)?;
        let how = OpenHow {
            create: open & oflags::CREAT != 0,
            exclusive: open & oflags::EXCL != 0,
            truncate: open & oflags::TRUNC != 0,
            directory: open & oflags::DIRECTORY != 0,
            follow,
            write: base & WRITES != 0,
        };
        let now = self.now();
        let ino = self.fs.open(dir, path, how, now)?;
        let (object, sensible) = match self.fs.kind(ino)? {
            Kind::Directory => (Object::Directory { ino, preopen: false }, rights::DIRECTORY),
            Kind::File | Kind::Symlink => (Object::File { ino, offset: 0 }, rights::FILE),
        };
        self.fs.hold(ino);
        let file = OpenFile::new(object, flags, base & may & sensible, inheriting & may);
        self.process.descriptors.put(new_fd, file, false);
        self.moved.note(ino.number());
        self.tell_u32(out, new_fd)
    }
}
