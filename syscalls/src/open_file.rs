//! An open file description (POSIX.1-2017, 3.258): what `open`, `socket`, `pipe` and their like make, and what all
//! descriptors that were duplicated from one another share: object, position, status flags, access, listing.

use crate::abi::Errno;
use crate::abi::types::{fdflags, rights};
use crate::epoll::EpollId;
use crate::eventfd::EventId;
use crate::fs::{Device, Ino, Listing};
use crate::pair::End;
use crate::pipe::PipeId;
use crate::sockets::Slot;
use crate::timerfd::TimerId;
use crate::watched::Watched;
use borsh::{BorshDeserialize, BorshSerialize};
use replicode_log::ConsoleStream;

/// What a descriptor stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) enum Object {
    /// Standard input.
    Stdin,
    /// Standard output or standard error.
    Console(ConsoleStream),
    /// A regular file and the position in it.
    File { ino: Ino, offset: u64 },
    /// A directory. A preopened one has a name, at this place of the kernel's list. `named` are those that have another
    /// name than the root's, and what was opened through them: for programs that expect Wasmtime's preview 1.
    Directory { ino: Ino, preopen: Option<u32>, named: bool },
    /// A device.
    Device { ino: Ino, device: Device },
    /// A stream socket.
    Socket(Slot),
    /// The reading end of a pipe.
    PipeReader(PipeId),
    /// The writing end of a pipe.
    PipeWriter(PipeId),
    /// One of two sockets that are connected to each other.
    Pair(End),
    /// A counter.
    Event(EventId),
    /// A timer.
    Timer(TimerId),
    /// A set of watches.
    Epoll(EpollId),
}

/// What a descriptor was opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Access {
    pub(crate) read: bool,
    pub(crate) write: bool,
}

impl Access {
    pub(crate) const READ: Self = Self { read: true, write: false };
    pub(crate) const WRITE: Self = Self { read: false, write: true };
    pub(crate) const BOTH: Self = Self { read: true, write: true };
}

/// An open file description.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct OpenFile {
    pub(crate) object: Object,
    /// `fdflags` as in [`fdflags`].
    pub(crate) flags: u32,
    pub(crate) access: Access,
    /// For a directory, how far it has been listed.
    pub(crate) listing: Listing,
    /// Who watches it.
    pub(crate) watched: Option<Watched>,
}

impl OpenFile {
    pub(crate) const fn new(object: Object, flags: u32, access: Access) -> Self {
        Self { object, flags, access, listing: Listing::Unread, watched: None }
    }

    pub(crate) const fn stdin() -> Self {
        Self::new(Object::Stdin, 0, Access::READ)
    }

    pub(crate) const fn console(stream: ConsoleStream) -> Self {
        // Writes to a console always append.
        Self::new(Object::Console(stream), fdflags::APPEND, Access::WRITE)
    }

    pub(crate) const fn preopen(ino: Ino, name: u32) -> Self {
        Self::new(Object::Directory { ino, preopen: Some(name), named: name > 0 }, 0, Access::READ)
    }

    pub(crate) const fn socket(slot: Slot, flags: u32) -> Self {
        Self::new(Object::Socket(slot), flags, Access::BOTH)
    }

    /// Whether calls answer `EAGAIN` instead of waiting.
    pub(crate) const fn nonblocking(&self) -> bool {
        self.flags & fdflags::NONBLOCK != 0
    }

    /// What preview 1 calls its rights, and those of descriptors opened through it.
    pub(crate) const fn rights(&self) -> (u64, u64) {
        let all = match self.object {
            Object::Directory { preopen: Some(_), .. } => return (rights::PREOPEN, rights::PREOPEN_INHERITING),
            Object::Stdin => return (rights::FD_READ, rights::FD_READ),
            Object::Console(_) => return (rights::FD_WRITE, rights::FD_WRITE),
            Object::Socket(_) | Object::Pair(_) => return (rights::SOCKET, rights::SOCKET),
            Object::PipeReader(_) | Object::PipeWriter(_) => rights::ANONYMOUS,
            Object::Event(_) | Object::Timer(_) | Object::Epoll(_) => return (rights::ANONYMOUS, rights::ANONYMOUS),
            Object::Directory { .. } => rights::ALL & !rights::NOT_DIRECTORY,
            Object::File { .. } | Object::Device { .. } => rights::ALL,
        };
        let unread = if self.access.read { 0 } else { rights::FD_READ | rights::FD_READDIR };
        let unwritten = if self.access.write { 0 } else { rights::FD_WRITE };
        let told = all & !unread & !unwritten;
        (told, told)
    }

    /// `EBADF` unless it was opened for reading (POSIX `read`).
    pub(crate) const fn check_read(&self) -> Result<(), Errno> {
        if self.access.read { Ok(()) } else { Err(Errno::BadF) }
    }

    /// `EBADF` unless it was opened for writing (POSIX `write`).
    pub(crate) const fn check_write(&self) -> Result<(), Errno> {
        if self.access.write { Ok(()) } else { Err(Errno::BadF) }
    }
}
