//! An open file description (POSIX.1-2017, 3.258): what `open`, `socket`, `pipe` and their like make, and what all
//! descriptors that were duplicated from one another share: object, position, status flags, rights, listing.

use crate::abi::Errno;
use crate::abi::types::{fdflags, rights};
use crate::epoll::EpollId;
use crate::eventfd::EventId;
use crate::fs::{Ino, Listing};
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
    /// A directory. A preopened one is what paths without another start from resolve against.
    Directory { ino: Ino, preopen: bool },
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

/// An open file description.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct OpenFile {
    pub(crate) object: Object,
    /// `fdflags` as in [`fdflags`].
    pub(crate) flags: u32,
    /// What it may be used for.
    pub(crate) base: u64,
    /// What descriptors opened through it may be used for.
    pub(crate) inheriting: u64,
    /// For a directory, how far it has been listed.
    pub(crate) listing: Listing,
    /// Who watches it.
    pub(crate) watched: Option<Watched>,
}

impl OpenFile {
    pub(crate) const fn new(object: Object, flags: u32, base: u64, inheriting: u64) -> Self {
        Self { object, flags, base, inheriting, listing: Listing::Unread, watched: None }
    }

    pub(crate) const fn stdin() -> Self {
        Self::new(Object::Stdin, 0, rights::STDIN, 0)
    }

    pub(crate) const fn console(stream: ConsoleStream) -> Self {
        // Writes to a console always append.
        Self::new(Object::Console(stream), fdflags::APPEND, rights::STDOUT, 0)
    }

    pub(crate) const fn preopen(ino: Ino) -> Self {
        Self::new(Object::Directory { ino, preopen: true }, 0, rights::DIRECTORY, rights::ALL)
    }

    pub(crate) const fn socket(slot: Slot, flags: u32) -> Self {
        Self::new(Object::Socket(slot), flags, rights::SOCKET, rights::SOCKET)
    }

    /// Whether calls answer `EAGAIN` instead of waiting.
    pub(crate) const fn nonblocking(&self) -> bool {
        self.flags & fdflags::NONBLOCK != 0
    }

    /// Checks a right.
    ///
    /// A file that was not opened for reading or writing answers `EBADF`, as POSIX `read` and `write` do; any other
    /// missing right answers `ENOTCAPABLE`, as preview 1 has it.
    pub(crate) const fn check(&self, right: u64) -> Result<(), Errno> {
        if self.base & right == right {
            Ok(())
        } else if right & (rights::FD_READ | rights::FD_WRITE) != 0 {
            Err(Errno::BadF)
        } else {
            Err(Errno::NotCapable)
        }
    }
}
