//! What can be watched, and what it keeps of who watches it.

use crate::epoll::EpollId;
use crate::eventfd::EventId;
use crate::pair::End;
use crate::pipe::PipeId;
use crate::sockets::Slot;
use crate::timerfd::TimerId;
use borsh::{BorshDeserialize, BorshSerialize};

/// The watchers of one open file description: a position in [`crate::epoll::Epolls`]. The description keeps it, to say
/// that it is closed, and so does what it stands for, to tell its news.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub(crate) struct Watched(pub(crate) u32);

/// What a descriptor that can be watched stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) enum Source {
    /// Standard input.
    Stdin,
    /// Standard output or standard error.
    Console,
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

/// What an object keeps of who waits for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Waiters {
    /// What its process waits for, if `wait` is the number of that process's present wait: bits of `EPOLL*`.
    pub(crate) interest: u32,
    pub(crate) wait: u64,
    /// Who watches it.
    pub(crate) watched: Option<Watched>,
}

impl Waiters {
    /// Adds what a wait is interested in. What earlier waits were interested in needs no removal: it carries another
    /// number.
    pub(crate) const fn declare(&mut self, interest: u32, wait: u64) {
        let before = if self.wait == wait { self.interest } else { 0 };
        self.interest = before | interest;
        self.wait = wait;
    }

    /// Whether news end the wait of this number (0 for none).
    pub(crate) const fn ends(&self, news: u32, wait: u64) -> bool {
        wait != 0 && self.wait == wait && self.interest & news != 0
    }
}
