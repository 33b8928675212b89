//! Calls about descriptors themselves: close, renumber, flags, rights, status, position, preopens.

use super::{Answer, Ctx};
use crate::abi::Errno;
use crate::abi::layout;
use crate::abi::types::{fdflags, whence};
use crate::close::{Tables, close};
use crate::open_file::{Object, OpenFile};

impl Ctx<'_> {
    /// Closes an open file that no descriptor leads to any more.
    fn close(&mut self, file: OpenFile) {
        let tables = Tables {
            fs: self.fs,
            sockets: self.sockets,
            pipes: self.pipes,
            pairs: self.pairs,
            events: self.events,
            contracts: self.contracts,
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

    /// Consoles are character devices without the right to seek: wasi-libc's `isatty` says yes. Standard input is not.
    pub(super) fn fd_fdstat_get(&mut self, fd: u32, out: u32) -> Answer {
        let file_type = self.type_of(fd)?;
        let it = self.process.descriptors.get(fd)?;
        let (base, inheriting) = it.rights();
        let stat = layout::fdstat(file_type, it.flags, base, inheriting);
        self.tell(out, &stat)
    }

    pub(super) fn fd_fdstat_set_flags(&mut self, fd: u32, flags: u32) -> Answer {
        if flags & !fdflags::ALL != 0 {
            return Err(Errno::Inval.into());
        }
        self.process.descriptors.get_mut(fd)?.flags = flags;
        Ok(0)
    }

    /// Rights refuse nothing here, so a program that gives some up is told that it cannot, as by Wasmtime.
    pub(super) fn fd_fdstat_set_rights(&mut self, fd: u32) -> Answer {
        self.process.descriptors.get(fd)?;
        Err(Errno::NotSup.into())
    }

    /// The name of a preopened directory.
    fn preopened(&self, fd: u32) -> Result<Option<&[u8]>, Errno> {
        match self.process.descriptors.get(fd)?.object {
            Object::Directory { preopen: Some(name), .. } => Ok(self.preopens.get(name as usize).map(Vec::as_slice)),
            _ => Ok(None),
        }
    }

    pub(super) fn fd_prestat_get(&mut self, fd: u32, out: u32) -> Answer {
        // wasi-libc's walk over the preopens ends at the first EBADF.
        let name_len = self.preopened(fd)?.ok_or(Errno::BadF)?.len() as u32;
        self.tell(out, &layout::prestat_dir(name_len))
    }

    pub(super) fn fd_prestat_dir_name(&mut self, fd: u32, out: u32, len: u32) -> Answer {
        // As Wasmtime has it.
        let name = self.preopened(fd)?.ok_or(Errno::NotDir)?;
        if (len as usize) < name.len() {
            return Err(Errno::NameTooLong.into());
        }
        let name = name.to_vec();
        self.tell(out, &name)
    }

    pub(super) fn fd_tell(&mut self, fd: u32, out: u32) -> Answer {
        self.fd_seek(fd, 0, whence::CUR, out)
    }

    pub(super) fn fd_seek(&mut self, fd: u32, distance: i64, from: u32, out: u32) -> Answer {
        let descriptor = self.process.descriptors.get(fd)?;
        if from > whence::END {
            return Err(Errno::Inval.into());
        }
        self.check_out(out, 8)?;
        let (ino, at) = match descriptor.object {
            Object::File { ino, offset } => (ino, offset),
            // They have no positions: wherever one seeks to is the beginning, as on Linux.
            Object::Device { .. } => return self.tell_u64(out, 0),
            // A directory's position is the cookie of its listing, which `fd_readdir` takes.
            Object::Directory { .. } => return Err(Errno::BadF.into()),
            _ => return Err(Errno::SPipe.into()),
        };
        let base = match from {
            whence::SET => 0,
            whence::CUR => at,
            _ => self.fs.size(ino)?,
        };
        let position = base.checked_add_signed(distance).filter(|it| i64::try_from(*it).is_ok()).ok_or(Errno::Inval)?;
        self.process.descriptors.get_mut(fd)?.object = Object::File { ino, offset: position };
        self.tell_u64(out, position)
    }
}
