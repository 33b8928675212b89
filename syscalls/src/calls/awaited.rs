//! What calls that wait share: what a descriptor stands for to them, what is so of it, who is to hear of news.

use super::{Ctx, Stop};
use crate::abi::Errno;
use crate::abi::types::epoll::ALWAYS;
use crate::epoll::Epolls;
use crate::open_file::Object;
use crate::readiness::{FILE, Look};
use crate::socket::Socket;
use crate::watched::{Source, Waiters, Watched};
use replicode_log::LogicalTime;

impl Ctx<'_> {
    /// What an open descriptor stands for to those who wait for it.
    pub(super) fn source(&self, fd: u32) -> Result<Option<Source>, Errno> {
        self.process.descriptors.get(fd).map(|file| source_of(file.object))
    }

    /// Bits of `EPOLL*` that are so.
    #[inline]
    pub(super) fn readiness(&mut self, source: Option<Source>) -> u32 {
        match source {
            None => FILE,
            // Most are.
            Some(Source::Socket(slot)) => self.sockets.get(slot).map_or(0, Socket::readiness),
            Some(source) => {
                let (epolls, look) = self.epolls();
                epolls.readiness(source, &mut |source| look.at(source))
            }
        }
    }

    /// The sets of watches, and what they have to see.
    pub(super) fn epolls(&mut self) -> (&mut Epolls, Look<'_>) {
        let look = Look {
            sockets: self.sockets,
            pipes: self.pipes,
            pairs: self.pairs,
            stdin: &self.process.stdin,
            events: self.events,
            timers: self.timers,
            now: self.process.now(self.batch),
        };
        (self.epolls, look)
    }

    /// Who waits for something and who watches it.
    fn waiters(&mut self, source: Source) -> Option<&mut Waiters> {
        match source {
            Source::Socket(slot) => self.sockets.get_mut(slot).map(|it| &mut it.waiters),
            Source::PipeReader(id) => self.pipes.get_mut(id.0).map(|it| &mut it.reading),
            Source::PipeWriter(id) => self.pipes.get_mut(id.0).map(|it| &mut it.writing),
            Source::Pair(end) => self.pairs.get_mut(end.pair.0).map(|it| &mut it.side_mut(end).waiters),
            Source::Event(id) => self.events.get_mut(id.0).map(|it| &mut it.waiters),
            Source::Timer(id) => self.timers.get_mut(id.0).map(|it| &mut it.waiters),
            Source::Stdin => Some(&mut self.process.stdin.waiters),
            // A set knows it from the watch itself; to a console nothing ever happens.
            Source::Epoll(_) | Source::Console => None,
        }
    }

    /// Lets the present wait end with news of these bits, or with any that are told to everybody. Marks of earlier waits
    /// need no removal: they carry another number.
    pub(super) fn declare(&mut self, source: Source, interest: u32) {
        let wait = self.wait;
        if let Source::Epoll(id) = source {
            self.epolls.await_news(id, wait);
        } else if let Some(waiters) = self.waiters(source) {
            waiters.declare(interest | ALWAYS, wait);
        }
    }

    /// Waits without a deadline, unless it must not wait.
    pub(super) fn wait_for(&mut self, source: Source, interest: u32, nonblocking: bool) -> Stop {
        if nonblocking {
            return self.would_block();
        }
        self.declare(source, interest);
        Stop::Wait(LogicalTime::NEVER)
    }

    /// Notes who watches what a descriptor stands for, so that it can tell them its news.
    pub(super) fn set_watched(&mut self, fd: u32, source: Source, watched: Option<Watched>) {
        if let Ok(descriptor) = self.process.descriptors.get_mut(fd) {
            descriptor.watched = watched;
        }
        if let Some(waiters) = self.waiters(source) {
            waiters.watched = watched;
        }
    }

    /// Tells those who watch something what the process itself has done to it. Nobody waits for that: the process runs.
    pub(super) fn news(&mut self, watched: Option<Watched>, bits: u32) {
        if let Some(list) = watched {
            self.epolls.news(list, bits, 0);
        }
    }

    /// When a wait ends that began with the call and lasts so many nanoseconds; negative ones mean for ever.
    pub(super) fn until(&self, timeout: u64) -> LogicalTime {
        if timeout.cast_signed() < 0 { LogicalTime::NEVER } else { self.since.plus(timeout) }
    }

    /// A call that asks what is ready is about to answer. Many that did not wait, without any bytes moved in between,
    /// mean a loop that waits for something that this turn cannot bring.
    pub(super) const fn looked(&mut self) {
        if self.resumed {
            self.process.turn.fruitless = 0;
        } else {
            self.fruitless();
        }
    }
}

/// What an object is to those who wait for it; `None` for files and directories, which are always ready and cannot be
/// watched.
pub(super) const fn source_of(object: Object) -> Option<Source> {
    match object {
        Object::Stdin => Some(Source::Stdin),
        Object::Console(_) => Some(Source::Console),
        Object::Socket(slot) => Some(Source::Socket(slot)),
        Object::PipeReader(id) => Some(Source::PipeReader(id)),
        Object::PipeWriter(id) => Some(Source::PipeWriter(id)),
        Object::Pair(end) => Some(Source::Pair(end)),
        Object::Event(id) => Some(Source::Event(id)),
        Object::Timer(id) => Some(Source::Timer(id)),
        Object::Epoll(id) => Some(Source::Epoll(id)),
        Object::File { .. } | Object::Directory { .. } | Object::Device { .. } => None,
    }
}
