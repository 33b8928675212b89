//! `poll`, and epoll (epoll(7)).

use super::{Answer, Ctx, Stop};
use crate::abi::Errno;
use crate::abi::events::{self, EPOLL_EVENT, POLLFD, PollFd};
use crate::abi::types::epoll::{CTL_ADD, CTL_DEL, CTL_MOD};
use crate::abi::types::poll;
use crate::epoll::{Asked, EpollId};
use crate::memory;
use crate::open_file::{Access, Object, OpenFile};
use crate::watched::Source;

/// Watches that a process may have for each descriptor that it may have: bounds what they take of the cell.
const WATCHES_PER_DESCRIPTOR: u32 = 8;

/// The most events of one `epoll_wait` (Linux, `EP_MAX_EVENTS`).
const MAX_EVENTS: u32 = i32::MAX as u32 / EPOLL_EVENT as u32;

impl Ctx<'_> {
    /// Answers how many entries found something (POSIX.1-2017, poll). Readiness is looked up anew at each attempt, so a
    /// wake-up for nothing does no harm.
    pub(super) fn poll(&mut self, fds: u32, count: u32, timeout: u64) -> Answer {
        if count > self.limits.subscriptions {
            return Err(Errno::Inval.into());
        }
        let list = memory::range(self.memory, fds, count * POLLFD as u32)?;
        let (mut n, mut first) = (0, list.end);
        for at in list.clone().step_by(POLLFD) {
            let revents = self.poll_one(at);
            if revents != 0 {
                n += 1;
                first = first.min(at);
            }
            // As soon as one has found something the call does not wait, and may write.
            if n > 0 {
                self.set_revents(at, revents);
            }
        }
        let deadline = self.until(timeout);
        if n == 0 && deadline > self.now() {
            for at in list.step_by(POLLFD) {
                self.await_one(at);
            }
            return Err(Stop::Wait(deadline));
        }
        for at in (list.start..first).step_by(POLLFD) {
            self.set_revents(at, 0);
        }
        self.looked();
        self.moved.note_bytes(&self.memory[list]);
        Ok(n)
    }

    #[inline]
    fn set_revents(&mut self, at: usize, revents: u16) {
        let place = self.memory.get_mut(at + PollFd::REVENTS..).and_then(|rest| rest.first_chunk_mut());
        if let Some(place) = place {
            *place = revents.to_le_bytes();
        }
    }

    #[inline]
    fn entry(&self, at: usize) -> Option<(u32, u16)> {
        let entry = PollFd::parse(self.memory.get(at..)?.first_chunk()?);
        // A negative descriptor is left out.
        u32::try_from(entry.fd).ok().map(|fd| (fd, entry.events))
    }

    #[inline]
    fn poll_one(&mut self, at: usize) -> u16 {
        let Some((fd, asked)) = self.entry(at) else { return 0 };
        match self.source(fd) {
            Ok(source) => events::poll_bits(self.readiness(source)) & (asked | poll::ERR | poll::HUP),
            Err(_) => poll::NVAL,
        }
    }

    fn await_one(&mut self, at: usize) {
        if let Some((fd, asked)) = self.entry(at)
            && let Ok(Some(source)) = self.source(fd)
        {
            self.declare(source, events::epoll_bits(asked));
        }
    }

    pub(super) fn epoll_create(&mut self, flags: u32) -> Answer {
        let (flags, cloexec) = Self::new_flags(flags)?;
        let fd = self.process.descriptors.lowest_free(self.limits.descriptors)?;
        let id = self.epolls.create(self.process.pid);
        self.process.descriptors.put(fd, OpenFile::new(Object::Epoll(id), flags, Access::BOTH), cloexec);
        Ok(fd.cast_signed())
    }

    /// The set behind a descriptor.
    fn epoll(&self, fd: u32) -> Result<EpollId, Errno> {
        match self.process.descriptors.get(fd)?.object {
            Object::Epoll(id) => Ok(id),
            _ => Err(Errno::Inval),
        }
    }

    /// Of several errors Linux's comes first.
    pub(super) fn epoll_ctl(&mut self, epoll: u32, op: u32, fd: u32, event: u32) -> Answer {
        let asked = if op == CTL_DEL {
            Asked { events: 0, data: 0 }
        } else {
            let bytes = memory::bytes(self.memory, event, EPOLL_EVENT as u32)?.first_chunk().ok_or(Errno::Fault)?;
            let (events, data) = events::parse_epoll_event(bytes);
            Asked { events, data }
        };
        self.process.descriptors.get(epoll)?;
        let source = self.source(fd)?.ok_or(Errno::Perm)?;
        let id = self.epoll(epoll)?;
        if source == Source::Epoll(id) {
            return Err(Errno::Inval.into());
        }
        let mut watched = self.process.descriptors.get(fd)?.watched;
        let (before, max) = (watched, self.limits.descriptors.saturating_mul(WATCHES_PER_DESCRIPTOR));
        let (epolls, look) = self.epolls();
        let mut look = |source| look.at(source);
        match op {
            CTL_ADD => epolls.add(id, fd, (&mut watched, source), asked, max, &mut look)?,
            CTL_MOD => epolls.modify(id, fd, watched, asked, &mut look)?,
            CTL_DEL => epolls.delete(id, fd, watched)?,
            _ => return Err(Errno::Inval.into()),
        }
        if watched != before {
            self.set_watched(fd, source, watched);
        }
        Ok(0)
    }

    /// Answers how many events there are. All `max` of them have to lie in memory, however many there turn out to be.
    pub(super) fn epoll_wait(&mut self, epoll: u32, out: u32, max: u32, timeout: u64) -> Answer {
        let id = self.process.descriptors.get(epoll).map(|it| it.object)?;
        if max == 0 || max > MAX_EVENTS {
            return Err(Errno::Inval.into());
        }
        self.check_out(out, max * EPOLL_EVENT as u32)?;
        let Object::Epoll(id) = id else { return Err(Errno::Inval.into()) };
        let mut found = std::mem::take(&mut self.scratch.bytes);
        found.clear();
        let (epolls, look) = self.epolls();
        let n = epolls.take(id, max, &mut |source| look.at(source), |asked| {
            found.extend_from_slice(&events::epoll_event(asked.events, asked.data));
        });
        let deadline = self.until(timeout);
        let answer = if n > 0 || deadline <= self.now() {
            self.looked();
            self.tell(out, &found).map(|_| n.cast_signed())
        } else {
            self.epolls.await_news(id, self.wait);
            Err(Stop::Wait(deadline))
        };
        self.scratch.bytes = found;
        answer
    }
}
