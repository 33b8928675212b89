//! Calls about descriptors themselves: close, renumber, flags, rights, status, position, preopens.

use super::{Answer, Ctx};
use crate::abi::Errno;
use crate::abi::layout;
use crate::abi::types::{fdflags, filetype, rights, whence};
use crate::close::{Tables, close};
use crate::open_file::{Object, OpenFile};

/// The name under which the root directory is preopened.
const ROOT_NAME: &[u8] = b"/";

impl Ctx<'_> {
    /// Closes an open file that no descriptor leads to any more.
    fn close(&mut self, file: OpenFile) {
        let tables = Tables {
            fs: self.fs,
            sockets: self.sockets,
            pipes: self.pipes,
            pairs: self.pairs,
            events: self.events,
            timers: self.timers,
            epolls: self.epolls,
            schedule: self.schedule,
            outbox: self.outbox,
        };
        close(file, &mut self.process.ports, tables);
    }

    pub(super) fn fd_close(&mut self, fd: u32) -> Answer {
        self.close_descriptor(fd)?;
        Ok(0)
    }

    /// Closes a descriptor, and with the last one of an open file the file.
    pub(super) fn close_descriptor(&mut self, fd: u32) -> Result<(), Errno> {
        if !self.locks.is_empty() {
            self.release_locks(fd)?;
        }
        if let Some(file) = self.process.descriptors.take(fd)? {
            self.close(file);
        }
        Ok(())
    }

    /// Moves a descriptor onto another open one, which is closed first.
    pub(super) fn fd_renumber(&mut self, from: u32, to: u32) -> Answer {
        self.process.descriptors.get(from)?;
        self.process.descriptors.get(to)?;
        if from != to {
            self.close_descriptor(to)?;
            self.process.descriptors.rename(from, to)?;
        }
        Ok(0)
    }

    /// Consoles are character devices without the right to seek: wasi-libc's `isatty` says yes, and standard output is
    /// flushed at each line, on every node alike.
    pub(super) fn fd_fdstat_get(&mut self, fd: u32, out: u32) -> Answer {
        let it = self.process.descriptors.get(fd)?;
        let file_type = match it.object {
            Object::Stdin | Object::Console(_) => filetype::CHARACTER_DEVICE,
            Object::File { .. } => filetype::REGULAR_FILE,
            Object::Directory { .. } => filetype::DIRECTORY,
            Object::Socket(_) => filetype::SOCKET_STREAM,
            // Preview 1 has no word for pipes; wasi-libc, too, has one number for both.
            Object::PipeReader(_) | Object::PipeWriter(_) | Object::Pair(_) => filetype::SOCKET_STREAM,
            // As Linux, whose anonymous inodes have no type.
            Object::Event(_) | Object::Timer(_) | Object::Epoll(_) => filetype::UNKNOWN,
        };
        let stat = layout::fdstat(file_type, it.flags, it.base, it.inheriting);
        self.tell(out, &stat)
    }

    pub(super) fn fd_fdstat_set_flags(&mut self, fd: u32, flags: u32) -> Answer {
        if flags & !fdflags::ALL != 0 {
            return Err(Errno::Inval.into());
        }
        self.descriptor(fd, rights::FD_FDSTAT_SET_FLAGS)?.flags = flags;
        Ok(0)
    }

    pub(super) fn fd_fdstat_set_rights(&mut self, fd: u32, base: u64, inheriting: u64) -> Answer {
        let descriptor = self.process.descriptors.get_mut(fd)?;
        if base & !descriptor.base != 0 || inheriting & !descriptor.inheriting != 0 {
            return Err(Errno::NotCapable.into());
        }
        descriptor.base = base;
        descriptor.inheriting = inheriting;
        Ok(0)
    }

    pub(super) fn fd_prestat_get(&mut self, fd: u32, out: u32) -> Answer {
        match self.process.descriptors.get(fd)?.object {
            Object::Directory { preopen: true, .. } => {
                let name_len = ROOT_NAME.len() as u32;
                self.tell(out, &layout::prestat_dir(name_len))
            }
            // wasi-libc's walk over the preopens ends at the first EBADF.
            _ => Err(Errno::BadF.into()),
        }
    }

    pub(super) fn fd_prestat_dir_name(&mut self, fd: u32, out: u32, len: u32) -> Answer {
        match self.process.descriptors.get(fd)?.object {
            Object::Directory { preopen: true, .. } => {
                self.check_out(out, len)?;
                if (len as usize) < ROOT_NAME.len() {
                    return Err(Errno::NameTooLong.into());
                }
                self.tell(out, ROOT_NAME)
            }
            _ => Err(Errno::BadF.into()),
        }
    }

    pub(super) fn fd_tell(&mut self, fd: u32, out: u32) -> Answer {
        self.check_out(out, 8)?;
        match self.process.descriptors.get(fd)?.object {
            Object::File { offset, .. } => {
                self.process.descriptors.get(fd)?.check(rights::FD_TELL)?;
                self.tell_u64(out, offset)
            }
            Object::Directory { .. } => Err(Errno::IsDir.into()),
            _ => Err(Errno::SPipe.into()),
        }
    }

    pub(super) fn fd_seek(&mut self, fd: u32, distance: i64, from: u32, out: u32) -> Answer {
        self.check_out(out, 8)?;
        let descriptor = self.process.descriptors.get_mut(fd)?;
        let (ino, at) = match descriptor.object {
            Object::File { ino, offset } => (ino, offset),
            Object::Directory { .. } => return Err(Errno::IsDir.into()),
            _ => return Err(Errno::SPipe.into()),
        };
        // Asking where one is needs less than moving.
        let asks = distance == 0 && from == whence::CUR;
        descriptor.check(if asks { rights::FD_TELL } else { rights::FD_SEEK })?;
        let base = match from {
            whence::SET => 0,
            whence::CUR => at,
            whence::END => self.fs.size(ino)?,
            _ => return Err(Errno::Inval.into()),
        };
        let position = base.checked_add_signed(distance).filter(|it| i64::try_from(*it).is_ok()).ok_or(Errno::Inval)?;
        descriptor.object = Object::File { ino, offset: position };
        self.tell_u64(out, position)
    }
}
