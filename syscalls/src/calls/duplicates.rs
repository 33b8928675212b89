//! Descriptors that share an open file: `dup`, `dup3`, close-on-exec. And `getpid`.

use super::{Answer, Ctx};
use crate::abi::Errno;
use crate::abi::types::{FD_CLOEXEC, fdflags, new_flags};

impl Ctx<'_> {
    /// The `fdflags` of the flags of a new descriptor, and its close-on-exec flag.
    pub(super) const fn new_flags(bits: u32) -> Result<(u32, bool), Errno> {
        if bits & !(new_flags::NONBLOCK | new_flags::CLOEXEC) != 0 {
            return Err(Errno::Inval);
        }
        let status = if bits & new_flags::NONBLOCK != 0 { fdflags::NONBLOCK } else { 0 };
        Ok((status, bits & new_flags::CLOEXEC != 0))
    }

    /// A second descriptor must not be asked to be non-blocking: that is a flag of what both share.
    const fn duplicate_flags(bits: u32) -> Result<bool, Errno> {
        match Self::new_flags(bits) {
            Ok((0, cloexec)) => Ok(cloexec),
            _ => Err(Errno::Inval),
        }
    }

    /// `F_DUPFD` (POSIX.1-2017, fcntl): the lowest free number from `min` on.
    pub(super) fn dup(&mut self, fd: u32, min: u32, flags: u32) -> Answer {
        let cloexec = Self::duplicate_flags(flags)?;
        let descriptors = &mut self.process.descriptors;
        descriptors.get(fd)?;
        if min >= self.limits.descriptors {
            return Err(Errno::Inval.into());
        }
        let to = descriptors.lowest_free_from(min, self.limits.descriptors)?;
        descriptors.dup(fd, to, cloexec)?;
        Ok(to.cast_signed())
    }

    /// `dup3` (Linux): `to` is closed first if it is open.
    pub(super) fn dup3(&mut self, fd: u32, to: u32, flags: u32) -> Answer {
        let cloexec = Self::duplicate_flags(flags)?;
        if fd == to {
            return Err(Errno::Inval.into());
        }
        if to >= self.limits.descriptors {
            return Err(Errno::BadF.into());
        }
        self.process.descriptors.get(fd)?;
        if self.process.descriptors.get(to).is_ok() {
            self.close_descriptor(to)?;
        }
        self.process.descriptors.dup(fd, to, cloexec)?;
        Ok(to.cast_signed())
    }

    /// `F_GETFD` (a negative `set`) and `F_SETFD`.
    pub(super) fn fd_flags(&mut self, fd: u32, set: i32) -> Answer {
        let descriptors = &mut self.process.descriptors;
        if set < 0 {
            return Ok(descriptors.cloexec(fd)?.into());
        }
        descriptors.set_cloexec(fd, set.cast_unsigned() & FD_CLOEXEC != 0)?;
        Ok(0)
    }

    pub(super) fn getpid(&self) -> Answer {
        // Process numbers have 16 bits.
        Ok(self.process.pid.0.cast_signed())
    }
}
