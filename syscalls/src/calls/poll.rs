//! `poll_oneoff`: waits until one of many things is so.

use super::awaited::source_of;
use super::{Answer, Ctx, Stop};
use crate::abi::Errno;
use crate::abi::layout::{self, EVENT, SUBSCRIPTION, Subscription, Topic};
use crate::abi::types::epoll::{ALWAYS, HUP, READABLE, WRITABLE};
use crate::abi::types::{HANGUP, clockid};
use crate::memory;
use crate::open_file::Object;
use replicode_log::LogicalTime;
use std::ops::Range;

/// What a subscription amounts to at the moment.
enum Readiness {
    /// Not yet.
    Not,
    /// Bytes that can be moved at least, and whether both directions are over.
    Ready { bytes: u64, hangup: bool },
    /// The descriptor cannot be asked.
    Failed(Errno),
}

const fn ready(bytes: u64) -> Readiness {
    Readiness::Ready { bytes, hangup: false }
}

/// So many polls in a row that find the same again end a turn.
const SAME_POLLS: u32 = 4;

impl Ctx<'_> {
    /// Readiness is looked up anew at each attempt, so a wake-up for nothing does no harm. Events are written in the
    /// order of the subscriptions, and only when there is at least one.
    pub(super) fn poll_oneoff(&mut self, subscriptions: u32, events: u32, count: u32, out: u32) -> Answer {
        if count == 0 || count > self.limits.subscriptions {
            return Err(Errno::Inval.into());
        }
        let size = |each: usize| count.checked_mul(each as u32).ok_or(Errno::Fault);
        let list = memory::range(self.memory, subscriptions, size(SUBSCRIPTION)?)?;
        self.check_out(events, size(EVENT)?)?;
        self.check_out(out, 4)?;

        let mut found = std::mem::take(&mut self.scratch.bytes);
        found.clear();
        // Lent out for as long as it is only read.
        let memory = std::mem::take(&mut self.memory);
        let outcome = self.look(&memory[list.clone()], &mut found);
        self.memory = memory;
        let answer = match outcome {
            Ok(_) if !found.is_empty() => {
                self.looked();
                let n = (found.len() / EVENT) as u32;
                let answer = self.tell(events, &found).and_then(|_| self.tell_u32(out, n));
                self.found_again();
                answer
            }
            Ok(deadline) => {
                self.declare_interest(list);
                Err(Stop::Wait(deadline))
            }
            Err(errno) => Err(errno.into()),
        };
        self.scratch.bytes = found;
        answer
    }

    /// Ends the turn sooner for who asks the same again, is told the same, and has done nothing in between: a program that
    /// waits for what is always so, as tokio does with mio on preview 1 for sockets that can be written to.
    fn found_again(&mut self) {
        let turn = &mut self.process.turn;
        // What was asked and what was told.
        let before = std::mem::replace(&mut turn.polled, self.moved.hash);
        if !self.resumed && turn.fruitless > 1 && before == turn.polled {
            turn.fruitless = turn.fruitless.saturating_add(self.limits.fruitless_calls / SAME_POLLS);
        }
    }

    /// Collects the events that are there, and the earliest time at which a clock will bring one.
    fn look(&mut self, list: &[u8], found: &mut Vec<u8>) -> Result<LogicalTime, Errno> {
        let mut earliest = LogicalTime::NEVER;
        for bytes in list.as_chunks::<SUBSCRIPTION>().0 {
            let subscription = Subscription::parse(bytes)?;
            let readiness = match subscription.topic {
                Topic::Clock { id, timeout, absolute } => {
                    let deadline = self.clock_deadline(id, timeout, absolute)?;
                    earliest = earliest.min(deadline);
                    if deadline <= self.now() { ready(0) } else { Readiness::Not }
                }
                Topic::Read(fd) => self.read_readiness(fd),
                Topic::Write(fd) => self.write_readiness(fd),
            };
            let event = match readiness {
                Readiness::Not => continue,
                Readiness::Ready { bytes, hangup } => {
                    layout::event(&subscription, Errno::Success, bytes, if hangup { HANGUP } else { 0 })
                }
                Readiness::Failed(errno) => layout::event(&subscription, errno, 0, 0),
            };
            found.extend_from_slice(&event);
        }
        Ok(earliest)
    }

    /// When a clock subscription is due. Relative ones count from the first attempt of the call.
    fn clock_deadline(&self, id: u32, timeout: u64, absolute: bool) -> Result<LogicalTime, Errno> {
        match (id, absolute) {
            (clockid::REALTIME | clockid::MONOTONIC, false) => Ok(self.since.plus(timeout)),
            (clockid::MONOTONIC, true) => Ok(LogicalTime::from_nanos(timeout)),
            (clockid::REALTIME, true) => Ok(LogicalTime::from_nanos(timeout.saturating_sub(self.epoch))),
            // A process cannot wait for its own processor time to pass.
            (clockid::PROCESS_CPUTIME | clockid::THREAD_CPUTIME, _) => Err(Errno::NotSup),
            _ => Err(Errno::Inval),
        }
    }

    /// Whether something can be read, and how much at least.
    #[inline]
    fn read_readiness(&mut self, fd: u32) -> Readiness {
        let object = match self.process.descriptors.get(fd).map(|file| &file.object) {
            // Most are sockets, and there are many of them.
            Ok(Object::Socket(slot)) => {
                let Some(socket) = self.sockets.get(*slot) else { return Readiness::Failed(Errno::BadF) };
                return told_by(socket.readiness(), READABLE, socket.recv.len() as u64);
            }
            Ok(object) => *object,
            Err(errno) => return Readiness::Failed(errno),
        };
        let bytes = match object {
            Object::PipeReader(id) => self.pipes.get(id.0).map_or(0, |pipe| pipe.len() as u64),
            Object::Pair(end) => self.pairs.get(end.pair.0).map_or(0, |pair| pair.len(end) as u64),
            Object::PipeWriter(_) => 0,
            Object::Stdin => self.process.stdin.bytes.len() as u64,
            Object::Device { .. } => self.limits.call_bytes.into(),
            Object::File { ino, offset } => self.fs.size(ino).unwrap_or(0).saturating_sub(offset),
            Object::Event(_) | Object::Timer(_) => 8,
            Object::Directory { .. } | Object::Epoll(_) | Object::Socket(_) => 0,
            Object::Console(_) => return Readiness::Failed(Errno::BadF),
        };
        told_by(self.readiness(source_of(object)), READABLE, bytes)
    }

    /// Whether something can be written, and how much at least.
    #[inline]
    fn write_readiness(&mut self, fd: u32) -> Readiness {
        let object = match self.process.descriptors.get(fd).map(|file| &file.object) {
            // Most are sockets, and there are many of them.
            Ok(Object::Socket(slot)) => {
                let Some(socket) = self.sockets.get_mut(*slot) else { return Readiness::Failed(Errno::BadF) };
                let bits = socket.readiness();
                // What is found is told: only a call that finds nothing waits. An end is told as ever.
                if let Some(told) = &mut socket.options.room_told
                    && bits & (WRITABLE | ALWAYS) == WRITABLE
                    && std::mem::replace(told, true)
                {
                    return Readiness::Not;
                }
                return told_by(bits, WRITABLE, socket.room());
            }
            Ok(object) => *object,
            Err(errno) => return Readiness::Failed(errno),
        };
        let bytes = match object {
            Object::Console(_) | Object::File { .. } | Object::Device { .. } => self.limits.call_bytes.into(),
            Object::PipeWriter(id) => self.pipes.get(id.0).map_or(0, |pipe| pipe.room(usize::from(u16::MAX)) as u64),
            Object::Pair(end) => self.pairs.get(end.pair.0).map_or(0, |pair| pair.room(end) as u64),
            Object::PipeReader(_) => 0,
            Object::Event(_) => 8,
            Object::Directory { .. } | Object::Timer(_) | Object::Epoll(_) | Object::Socket(_) => 0,
            Object::Stdin => return Readiness::Failed(Errno::BadF),
        };
        told_by(self.readiness(source_of(object)), WRITABLE, bytes)
    }

    /// Lets the wait end with news of what was asked for.
    fn declare_interest(&mut self, list: Range<usize>) {
        for at in list.step_by(SUBSCRIPTION) {
            let (fd, wanted) = match self.subscription(at).map(|it| it.topic) {
                Ok(Topic::Read(fd)) => (fd, READABLE),
                Ok(Topic::Write(fd)) => (fd, WRITABLE),
                _ => continue,
            };
            if let Ok(Some(source)) = self.source(fd) {
                self.declare(source, wanted);
            }
        }
    }

    fn subscription(&self, at: usize) -> Result<Subscription, Errno> {
        let bytes = self.memory.get(at..).and_then(|rest| rest.first_chunk());
        Subscription::parse(bytes.ok_or(Errno::Fault)?)
    }
}

/// An error or a hang-up is the end of a wait, whatever was waited for.
#[inline]
const fn told_by(bits: u32, asked: u32, bytes: u64) -> Readiness {
    if bits & (asked | ALWAYS) == 0 { Readiness::Not } else { Readiness::Ready { bytes, hangup: bits & HUP != 0 } }
}
