//! Locks on files: `fcntl`'s (POSIX.1-2017; Linux, fcntl(2), for those of open files) and `flock` (flock(2)).

use super::{Answer, Ctx, Stop};
use crate::abi::Errno;
use crate::abi::locks::{FLOCK, Flock, cmd, flock, kind};
use crate::abi::types::whence;
use crate::fs::Ino;
use crate::locks::{LAST, Owner, Record, Wanted};
use crate::memory;
use crate::open_file::{Object, OpenFile};
use replicode_log::LogicalTime;

/// The file of a directory tree behind an open file. What is not in it cannot be opened a second time, so that nobody
/// could hold a lock on it that excludes another.
const fn inode_of(file: &OpenFile) -> Option<Ino> {
    match file.object {
        Object::File { ino, .. } | Object::Directory { ino, .. } | Object::Device { ino, .. } => Some(ino),
        _ => None,
    }
}

impl Ctx<'_> {
    pub(super) fn lock(&mut self, fd: u32, command: u32, at: u32) -> Answer {
        let file = self.process.descriptors.get(fd)?;
        let (ino, readable) = (inode_of(file), file.check_read().is_ok());
        let writable = file.check_write().is_ok();
        let of_file = matches!(command, cmd::OFD_GETLK | cmd::OFD_SETLK | cmd::OFD_SETLKW);
        if !(of_file || matches!(command, cmd::GETLK | cmd::SETLK | cmd::SETLKW)) {
            return Err(Errno::Inval.into());
        }
        let given =
            memory::bytes(self.memory, at, FLOCK as u32)?.first_chunk().map(Flock::parse).ok_or(Errno::Fault)?;
        let pid = self.process.pid;
        let owner =
            if of_file { Owner::File(pid, self.process.descriptors.file_number(fd)?) } else { Owner::Process(pid) };
        let (start, end) = self.region(fd, &given)?;
        if of_file && given.pid != 0 {
            return Err(Errno::Inval.into());
        }
        let region = Record { owner, write: given.kind == kind::WRLCK, start, end };
        let asks = matches!(command, cmd::GETLK | cmd::OFD_GETLK);
        match given.kind {
            kind::RDLCK | kind::WRLCK if asks => {
                let found = ino.and_then(|ino| self.locks.find(ino, &region));
                let told = match found {
                    Some(found) => Flock::of(&found),
                    None => Flock { kind: kind::UNLCK, ..given },
                };
                self.tell(at, &told.bytes())
            }
            kind::UNLCK if !asks => {
                if let Some(ino) = ino {
                    self.locks.unlock(ino, region)?;
                }
                Ok(0)
            }
            kind::RDLCK if !readable => Err(Errno::BadF.into()),
            kind::WRLCK if !writable => Err(Errno::BadF.into()),
            kind::RDLCK | kind::WRLCK => {
                let Some(ino) = ino else { return Ok(0) };
                let waits = matches!(command, cmd::SETLKW | cmd::OFD_SETLKW);
                self.await_lock(ino, Wanted::Record(region), waits)
            }
            _ => Err(Errno::Inval.into()),
        }
    }

    /// The bytes that a lock is about: the first and the last.
    fn region(&self, fd: u32, given: &Flock) -> Result<(u64, u64), Errno> {
        let (base, size) = match self.process.descriptors.get(fd)?.object {
            Object::File { ino, offset } => (offset, self.fs.size(ino)?),
            _ => (0, 0),
        };
        let base = match u32::from(given.whence) {
            whence::SET => 0,
            whence::CUR => base,
            whence::END => size,
            _ => return Err(Errno::Inval),
        };
        let start = base.cast_signed().checked_add(given.start).ok_or(Errno::Overflow)?;
        if start < 0 {
            return Err(Errno::Inval);
        }
        let (start, end) = match given.len {
            0 => (start, LAST.cast_signed()),
            1.. => (start, start.checked_add(given.len - 1).ok_or(Errno::Overflow)?),
            // The bytes before.
            _ => (start.checked_add(given.len).filter(|it| *it >= 0).ok_or(Errno::Inval)?, start - 1),
        };
        Ok((start.cast_unsigned(), end.cast_unsigned()))
    }

    pub(super) fn flock(&mut self, fd: u32, op: u32) -> Answer {
        let ino = inode_of(self.process.descriptors.get(fd)?);
        let owner = Owner::File(self.process.pid, self.process.descriptors.file_number(fd)?);
        let waits = op & flock::NB == 0;
        match (op & !flock::NB, ino) {
            (flock::UN, Some(ino)) => {
                self.locks.unlock_whole(ino, owner);
                Ok(0)
            }
            (how @ (flock::SH | flock::EX), Some(ino)) => {
                self.await_lock(ino, Wanted::Whole(owner, how == flock::EX), waits)
            }
            (flock::SH | flock::EX | flock::UN, None) => Ok(0),
            _ => Err(Errno::Inval.into()),
        }
    }

    /// A descriptor is about to be closed. The process's record locks on its file go with *any* of its descriptors (POSIX
    /// has it so), those of the open file with the last one.
    pub(super) fn release_locks(&mut self, fd: u32) -> Result<(), Errno> {
        let Some(ino) = inode_of(self.process.descriptors.get(fd)?) else { return Ok(()) };
        let pid = self.process.pid;
        self.locks.release(ino, Owner::Process(pid));
        if self.process.descriptors.is_last(fd) {
            self.locks.release(ino, Owner::File(pid, self.process.descriptors.file_number(fd)?));
        }
        Ok(())
    }

    /// Takes a lock, or waits for it. Whoever released what stood in the way has it woken.
    fn await_lock(&mut self, ino: Ino, wanted: Wanted, waits: bool) -> Answer {
        let pid = self.process.pid;
        // It keeps its place among those who wait.
        let since = self.locks.stop_waiting(pid).filter(|_| self.resumed).unwrap_or(self.wait);
        let taken = match wanted {
            Wanted::Record(record) => self.locks.lock(ino, record),
            Wanted::Whole(owner, write) => self.locks.lock_whole(ino, owner, write),
        };
        match (taken, wanted) {
            (Ok(()), _) => Ok(0),
            (Err(Errno::Again), _) if !waits => Err(self.would_block()),
            (Err(Errno::Again), Wanted::Record(record))
                if matches!(record.owner, Owner::Process(_)) && self.locks.would_deadlock(ino, &record) =>
            {
                Err(Errno::Deadlk.into())
            }
            (Err(Errno::Again), _) => {
                self.locks.wait(pid, ino, wanted, since, self.wait);
                Err(Stop::Wait(LogicalTime::NEVER))
            }
            (Err(errno), _) => Err(errno.into()),
        }
    }
}
