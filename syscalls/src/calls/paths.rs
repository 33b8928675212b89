//! Calls on paths, which start from a directory's descriptor.

use super::{Answer, Ctx};
use crate::abi::Errno;
use crate::abi::layout;
use crate::abi::types::{SYMLINK_FOLLOW, fdflags, filetype, oflags, rights};
use crate::fs::{Ino, Kind, OpenHow, Start};
use crate::memory;
use crate::open_file::{Access, Object, OpenFile};

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

/// What a path leads to.
pub(super) enum Found {
    Inode(Ino),
    /// What an open descriptor stands for, by its name in `/proc/self/fd`.
    Open(u32),
    /// That name itself, which is a symbolic link to whoever does not follow it.
    Link(u32),
}

impl Ctx<'_> {
    /// The directory behind a descriptor, as where paths start. Only the preopened root does not confine them: there is
    /// nothing outside of it.
    pub(super) fn directory(&self, fd: u32) -> Result<Start, Errno> {
        match self.process.descriptors.get(fd)?.object {
            Object::Directory { ino, preopen, .. } => {
                Ok(Start { dir: ino, confined: preopen.is_none() || ino != self.fs.root() })
            }
            _ => Err(Errno::NotDir),
        }
    }

    /// Whether a descriptor is a directory that was preopened under a name of its own, or opened through one. Programs
    /// that look for such a name expect what Wasmtime does; others never meet one.
    fn is_named(&self, fd: u32) -> bool {
        let object = self.process.descriptors.get(fd).map(|file| file.object);
        matches!(object, Ok(Object::Directory { named: true, .. }))
    }

    /// What a call through a directory answers that must not change what is read-only: `EROFS`, as POSIX has it for a
    /// file system that is mounted so, and Wasmtime's `EPERM` through a directory with a name of its own.
    fn refusal(&self, fd: u32, errno: Errno) -> Errno {
        if errno == Errno::Rofs && self.is_named(fd) { Errno::Perm } else { errno }
    }

    /// What a path leads to.
    pub(super) fn found(&self, fd: u32, path: Bytes, follow: bool) -> Result<Found, Errno> {
        let ino = self.fs.lookup(self.directory(fd)?, memory::bytes(self.memory, path.0, path.1)?, follow)?;
        match ino.descriptor() {
            None => Ok(Found::Inode(ino)),
            Some(fd) => {
                self.process.descriptors.get(fd).map_err(|_| Errno::NoEnt)?;
                Ok(if follow { Found::Open(fd) } else { Found::Link(fd) })
            }
        }
    }

    pub(super) fn path_create_directory(&mut self, fd: u32, path: Bytes) -> Answer {
        let dir = self.directory(fd)?;
        let now = self.now();
        self.fs
            .mkdir(dir, memory::bytes(self.memory, path.0, path.1)?, now)
            .map_err(|errno| self.refusal(fd, errno))?;
        Ok(0)
    }

    pub(super) fn path_remove_directory(&mut self, fd: u32, path: Bytes) -> Answer {
        let dir = self.directory(fd)?;
        let now = self.now();
        self.fs
            .rmdir(dir, memory::bytes(self.memory, path.0, path.1)?, now)
            .map_err(|errno| self.refusal(fd, errno))?;
        Ok(0)
    }

    pub(super) fn path_unlink_file(&mut self, fd: u32, path: Bytes) -> Answer {
        let dir = self.directory(fd)?;
        let now = self.now();
        self.fs
            .unlink(dir, memory::bytes(self.memory, path.0, path.1)?, now)
            .map_err(|errno| self.refusal(fd, errno))?;
        Ok(0)
    }

    pub(super) fn path_rename(&mut self, fd: u32, old: Bytes, new_fd: u32, new: Bytes) -> Answer {
        let old_dir = self.directory(fd)?;
        let new_dir = self.directory(new_fd)?;
        let now = self.now();
        let old = memory::bytes(self.memory, old.0, old.1)?;
        let new = memory::bytes(self.memory, new.0, new.1)?;
        self.fs.rename(old_dir, old, new_dir, new, now).map_err(|errno| self.refusal(fd, errno))?;
        Ok(0)
    }

    pub(super) fn path_link(&mut self, old_fd: u32, lookup: u32, old: Bytes, new_fd: u32, new: Bytes) -> Answer {
        let old_dir = self.directory(old_fd)?;
        let new_dir = self.directory(new_fd)?;
        let follow = follows(lookup)?;
        if follow && self.is_named(old_fd) {
            // Not by Wasmtime.
            return Err(Errno::Inval.into());
        }
        let now = self.now();
        let old = memory::bytes(self.memory, old.0, old.1)?;
        let new = memory::bytes(self.memory, new.0, new.1)?;
        self.fs.link(old_dir, old, follow, new_dir, new, now).map_err(|errno| self.refusal(old_fd, errno))?;
        Ok(0)
    }

    pub(super) fn path_symlink(&mut self, target: Bytes, fd: u32, path: Bytes) -> Answer {
        let dir = self.directory(fd)?;
        let now = self.now();
        let target = memory::bytes(self.memory, target.0, target.1)?;
        let path = memory::bytes(self.memory, path.0, path.1)?;
        self.fs.symlink(target, dir, path, now).map_err(|errno| self.refusal(fd, errno))?;
        Ok(0)
    }

    /// The target is cut off without a word when the buffer is too short, as POSIX `readlink` does.
    pub(super) fn path_readlink(&mut self, fd: u32, path: Bytes, buf: Bytes, used: u32) -> Answer {
        self.check_out(buf.0, buf.1)?;
        self.check_out(used, 4)?;
        let described;
        let target = match self.found(fd, path, false)? {
            Found::Inode(ino) => self.fs.target(ino)?,
            Found::Link(fd) | Found::Open(fd) => {
                described = self.describe(fd)?;
                &described
            }
        };
        let target = &target[..target.len().min(buf.1 as usize)];
        memory::write(self.memory, buf.0, target)?;
        self.moved.note_bytes(target);
        let n = target.len() as u32;
        self.tell_u32(used, n)
    }

    /// Where the name of a descriptor in `/proc/self/fd` leads, in words, as on Linux (proc(5)).
    fn describe(&mut self, fd: u32) -> Result<Vec<u8>, Errno> {
        let Some(ino) = self.inode(fd)? else {
            let kind = if self.type_of(fd)? == filetype::SOCKET_STREAM { "socket" } else { "pipe" };
            return Ok(format!("{kind}:[{fd}]").into_bytes());
        };
        // Looking for a name may mean to go through the whole tree.
        let nodes = self.fs.usage().nodes;
        self.process.turn.calls = self.process.turn.calls.saturating_add(nodes / 16);
        Ok(self.fs.path_of(ino).unwrap_or_else(|| b"(deleted)".to_vec()))
    }

    pub(super) fn path_filestat_get(&mut self, fd: u32, lookup: u32, path: Bytes, out: u32) -> Answer {
        self.check_out(out, layout::FILESTAT)?;
        let stat = match self.found(fd, path, follows(lookup)?)? {
            Found::Inode(ino) => layout::filestat(&self.fs.stat(ino)?, self.epoch),
            Found::Open(fd) => self.stat_of(fd)?,
            Found::Link(_) => layout::filestat_of_type(filetype::SYMBOLIC_LINK),
        };
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
        let ino = match self.found(fd, path, follows(lookup)?)? {
            Found::Inode(ino) => Some(ino),
            Found::Open(fd) => self.inode(fd)?,
            Found::Link(_) => return Err(Errno::Perm.into()),
        };
        self.set_times(ino, atim, mtim, flags)
    }

    /// Opens a file or directory at the lowest free descriptor.
    ///
    /// Of the rights that are asked for, those to read and to write decide what it is opened for (`O_RDONLY`, `O_WRONLY`,
    /// `O_RDWR`); without the one to write it is opened for reading, as by Wasmtime. The others say nothing.
    pub(super) fn path_open(
        &mut self,
        fd: u32,
        path: Bytes,
        (lookup, open, flags): (u32, u32, u32),
        base: u64,
        out: u32,
    ) -> Answer {
        let start = self.directory(fd)?;
        let follow = follows(lookup)?;
        if open & !oflags::ALL != 0 || flags & !fdflags::ALL != 0 {
            return Err(Errno::Inval.into());
        }
        self.check_out(out, 4)?;
        let path = memory::bytes(self.memory, path.0, path.1)?;
        let new_fd = self.process.descriptors.lowest_free(self.limits.descriptors)?;
        let write = base & rights::FD_WRITE != 0;
        let access = Access { read: !write || base & rights::FD_READ != 0, write };
        let how = OpenHow {
            create: open & oflags::CREAT != 0,
            exclusive: open & oflags::EXCL != 0,
            truncate: open & oflags::TRUNC != 0,
            directory: open & oflags::DIRECTORY != 0,
            follow,
            write,
        };
        let now = self.now();
        let mut ino = self.fs.open(start, path, how, now).map_err(|errno| self.refusal(fd, errno))?;
        if let Some(fd) = ino.descriptor() {
            match self.reopened(fd, how, access)? {
                Ok(found) => ino = found,
                // What has no inode is open twice then.
                Err(object) => {
                    self.process.descriptors.put(new_fd, OpenFile::new(object, flags, access), false);
                    self.moved.note(0);
                    return self.tell_u32(out, new_fd);
                }
            }
        }
        let object = match self.fs.kind(ino)? {
            Kind::Directory => Object::Directory { ino, preopen: None, named: self.is_named(fd) },
            Kind::Device(device) => Object::Device { ino, device },
            Kind::File | Kind::Symlink => Object::File { ino, offset: 0 },
        };
        self.fs.hold(ino);
        self.process.descriptors.put(new_fd, OpenFile::new(object, flags, access), false);
        self.moved.note(ino.number());
        self.tell_u32(out, new_fd)
    }

    /// What opening a name in `/proc/self/fd` opens, as on Linux: a file anew, from its beginning; standard input and output
    /// as they are; a socket not at all.
    fn reopened(&mut self, fd: u32, how: OpenHow, access: Access) -> Result<Result<Ino, Object>, Errno> {
        let object = self.process.descriptors.get(fd).map_err(|_| Errno::NoEnt)?.object;
        if how.exclusive {
            return Err(Errno::Exist);
        }
        match object {
            Object::File { ino, .. } | Object::Directory { ino, .. } | Object::Device { ino, .. } => {
                let now = self.now();
                self.fs.check_open(ino, how, now)?;
                Ok(Ok(ino))
            }
            _ if how.directory => Err(Errno::NotDir),
            Object::Stdin if access.write => Err(Errno::Acces),
            Object::Console(_) if !access.write => Err(Errno::Acces),
            Object::Stdin | Object::Console(_) => Ok(Err(object)),
            _ => Err(Errno::Nxio),
        }
    }

    /// `chmod`, `fchmod` and `fchmodat`: a path, or with no path the descriptor itself.
    pub(super) fn chmod(&mut self, fd: u32, path: Bytes, lookup: u32, mode: u32) -> Answer {
        let ino = match self.named(fd, path, lookup)? {
            Found::Inode(ino) if self.fs.kind(ino)? == Kind::Symlink => return Err(Errno::NotSup.into()),
            Found::Inode(ino) => Some(ino),
            Found::Open(fd) => self.inode(fd)?,
            Found::Link(_) => return Err(Errno::NotSup.into()),
        };
        let now = self.now();
        // What has no inode takes it and forgets it.
        ino.map_or(Ok(()), |ino| self.fs.set_mode(ino, mode, now))?;
        Ok(0)
    }

    /// The permission bits of a path, or with no path of the descriptor itself.
    pub(super) fn mode(&mut self, fd: u32, path: Bytes, lookup: u32) -> Answer {
        let ino = match self.named(fd, path, lookup)? {
            Found::Inode(ino) => Some(ino),
            Found::Open(fd) => self.inode(fd)?,
            Found::Link(_) => return Ok(0o700),
        };
        // Linux shows pipes as 0600 and sockets as 0777.
        ino.map_or(Ok(0o600), |ino| Ok(self.fs.stat(ino)?.mode.into()))
    }

    fn named(&self, fd: u32, path: Bytes, lookup: u32) -> Result<Found, Errno> {
        let follow = follows(lookup)?;
        if path.1 > 0 {
            return self.found(fd, path, follow);
        }
        self.process.descriptors.get(fd)?;
        Ok(Found::Open(fd))
    }
}
