//! Descriptors that count: eventfd (eventfd(2)) and timerfd (timerfd_create(2)).

use super::{Answer, Ctx, Stop};
use crate::abi::Errno;
use crate::abi::events::{self, ITIMERSPEC};
use crate::abi::types::epoll::{IN, OUT};
use crate::abi::types::{EFD_SEMAPHORE, clockid, timer};
use crate::eventfd::{Event, EventId};
use crate::memory;
use crate::open_file::{Access, Object, OpenFile};
use crate::schedule::Due;
use crate::timerfd::{Timer, TimerId};
use crate::watched::Source;
use replicode_log::LogicalTime;

/// Bytes of the number that is read or written.
const NUMBER: usize = 8;

impl Ctx<'_> {
    pub(super) fn eventfd(&mut self, initial: u32, flags: u32) -> Answer {
        let semaphore = flags & EFD_SEMAPHORE != 0;
        let (flags, cloexec) = Self::new_flags(flags & !EFD_SEMAPHORE)?;
        let fd = self.process.descriptors.lowest_free(self.limits.descriptors)?;
        let event = Event::new(self.process.pid, initial.into(), semaphore);
        let id = EventId(self.events.insert(event));
        self.process.descriptors.put(fd, OpenFile::new(Object::Event(id), flags, Access::BOTH), cloexec);
        Ok(fd.cast_signed())
    }

    /// Reads a counter into the buffers in the scratch space, which hold `want` bytes.
    pub(super) fn read_event(&mut self, id: EventId, nonblocking: bool, want: usize) -> Result<u32, Stop> {
        if want < NUMBER {
            return Err(Errno::Inval.into());
        }
        let event = self.events.get_mut(id.0).ok_or(Errno::BadF)?;
        match event.take() {
            Some(count) => {
                let watched = event.waiters.watched;
                self.news(watched, OUT);
                self.fruitful();
                Ok(self.hand_out(count))
            }
            None => Err(self.wait_for(Source::Event(id), IN, nonblocking)),
        }
    }

    /// Adds the number in the buffers in the scratch space, which hold `want` bytes, to a counter.
    pub(super) fn write_event(&mut self, id: EventId, nonblocking: bool, want: usize) -> Result<u32, Stop> {
        if want != NUMBER {
            return Err(Errno::Inval.into());
        }
        let mut bytes = [0; NUMBER];
        let mut at = 0;
        for range in &self.scratch.iovecs {
            bytes[at..at + range.len()].copy_from_slice(&self.memory[range.clone()]);
            at += range.len();
        }
        let number = u64::from_le_bytes(bytes);
        if number == u64::MAX {
            return Err(Errno::Inval.into());
        }
        let event = self.events.get_mut(id.0).ok_or(Errno::BadF)?;
        if event.add(number) {
            let watched = event.waiters.watched;
            self.moved.data(&bytes);
            self.news(watched, IN);
            self.fruitful();
            Ok(NUMBER as u32)
        } else if nonblocking {
            Err(self.would_block())
        } else {
            self.declare(Source::Event(id), OUT);
            Err(Stop::Wait(LogicalTime::NEVER))
        }
    }

    /// Writes a number over the first bytes of the buffers in the scratch space.
    fn hand_out(&mut self, number: u64) -> u32 {
        let bytes = number.to_le_bytes();
        let mut at = 0;
        for range in &self.scratch.iovecs {
            let n = range.len().min(NUMBER - at);
            self.memory[range.start..range.start + n].copy_from_slice(&bytes[at..at + n]);
            at += n;
        }
        self.moved.data(&bytes);
        NUMBER as u32
    }

    pub(super) fn timerfd_create(&mut self, clock: u32, flags: u32) -> Answer {
        if !matches!(clock, clockid::REALTIME | clockid::MONOTONIC) {
            return Err(Errno::Inval.into());
        }
        let (flags, cloexec) = Self::new_flags(flags)?;
        let fd = self.process.descriptors.lowest_free(self.limits.descriptors)?;
        let timer = Timer::new(self.process.pid, clock == clockid::REALTIME);
        let id = TimerId(self.timers.insert(timer));
        self.process.descriptors.put(fd, OpenFile::new(Object::Timer(id), flags, Access::BOTH), cloexec);
        Ok(fd.cast_signed())
    }

    /// The timer behind a descriptor.
    fn timer(&self, fd: u32) -> Result<TimerId, Errno> {
        match self.process.descriptors.get(fd)?.object {
            Object::Timer(id) => Ok(id),
            _ => Err(Errno::Inval),
        }
    }

    /// Nobody ever sets the clock, so a timer that a set clock would cancel is never cancelled.
    pub(super) fn timerfd_settime(&mut self, fd: u32, flags: u32, new: u32, old: u32) -> Answer {
        let bytes = memory::bytes(self.memory, new, ITIMERSPEC as u32)?.first_chunk().ok_or(Errno::Fault)?;
        let setting = events::parse_itimerspec(bytes);
        if old != 0 {
            self.check_out(old, ITIMERSPEC as u32)?;
        }
        let (interval, value) = setting?;
        if flags & !(timer::ABSTIME | timer::CANCEL_ON_SET) != 0 {
            return Err(Errno::Inval.into());
        }
        let id = self.timer(fd)?;
        let (now, epoch) = (self.now(), self.epoch);
        let it = self.timers.get_mut(id.0).ok_or(Errno::BadF)?;
        let before = it.get(now);
        let next = match value {
            0 => None,
            _ if flags & timer::ABSTIME == 0 => Some(now.plus(value)),
            _ if it.realtime => Some(LogicalTime::from_nanos(value.saturating_sub(epoch))),
            _ => Some(LogicalTime::from_nanos(value)),
        };
        it.set(next, interval);
        let (due, watched) = (it.fire(now), it.waiters.watched);
        self.keep_time(id);
        if due {
            self.news(watched, IN);
        }
        if old != 0 {
            self.tell(old, &events::itimerspec(before.interval, before.value))?;
        }
        Ok(0)
    }

    pub(super) fn timerfd_gettime(&mut self, fd: u32, out: u32) -> Answer {
        self.check_out(out, ITIMERSPEC as u32)?;
        let id = self.timer(fd)?;
        let now = self.now();
        let setting = self.timers.get_mut(id.0).ok_or(Errno::BadF)?.get(now);
        self.keep_time(id);
        self.tell(out, &events::itimerspec(setting.interval, setting.value))
    }

    /// Reads how often a timer was due into the buffers in the scratch space, which hold `want` bytes.
    pub(super) fn read_timer(&mut self, id: TimerId, nonblocking: bool, want: usize) -> Result<u32, Stop> {
        if want < NUMBER {
            return Err(Errno::Inval.into());
        }
        let now = self.now();
        let ticks = self.timers.get_mut(id.0).ok_or(Errno::BadF)?.take(now);
        self.keep_time(id);
        match ticks {
            Some(ticks) => {
                self.fruitful();
                Ok(self.hand_out(ticks))
            }
            None => Err(self.wait_for(Source::Timer(id), IN, nonblocking)),
        }
    }

    /// Brings the kernel's table of deadlines in step with a timer.
    fn keep_time(&mut self, id: TimerId) {
        let Some(timer) = self.timers.get_mut(id.0) else { return };
        let deadline = timer.deadline().filter(|at| *at < LogicalTime::NEVER);
        if timer.entry.map(|entry| entry.at) != deadline {
            if let Some(entry) = timer.entry.take() {
                self.schedule.disarm(entry);
            }
            timer.entry = deadline.map(|at| self.schedule.arm(at, Due::Timer(id)));
        }
    }
}
