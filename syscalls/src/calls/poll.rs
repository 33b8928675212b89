//! `poll_oneoff`: waits until one of many things is so.

use super::{Answer, Ctx, Stop};
use crate::abi::Errno;
use crate::abi::layout::{self, EVENT, SUBSCRIPTION, Subscription, Topic};
use crate::abi::types::{HANGUP, clockid};
use crate::memory;
use crate::open_file::Object;
use crate::socket::interest;
use replicode_log::LogicalTime;

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
        let outcome = self.look(list.clone(), &mut found);
        let answer = match outcome {
            Ok(_) if !found.is_empty() => {
                if self.resumed {
                    self.process.turn.fruitless = 0;
                } else {
                    // It did not wait. Many of these without any bytes moved in between mean a loop that waits
                    // for something that this turn cannot bring.
                    self.fruitless();
                }
                let n = (found.len() / EVENT) as u32;
                self.tell(events, &found).and_then(|_| self.tell_u32(out, n))
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

    /// Collects the events that are there, and the earliest time at which a clock will bring one.
    fn look(&self, list: std::ops::Range<usize>, found: &mut Vec<u8>) -> Result<LogicalTime, Errno> {
        let mut earliest = LogicalTime::NEVER;
        for bytes in self.memory[list].as_chunks::<SUBSCRIPTION>().0 {
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

    fn read_readiness(&self, fd: u32) -> Readiness {
        let descriptor = match self.process.descriptors.get(fd) {
            Ok(descriptor) => descriptor,
            Err(errno) => return Readiness::Failed(errno),
        };
        match descriptor.object {
            Object::Socket(slot) => match self.sockets.get(slot) {
                Some(socket) if !socket.readable() => Readiness::Not,
                Some(socket) => Readiness::Ready { bytes: socket.recv.len() as u64, hangup: socket.hung_up() },
                None => Readiness::Failed(Errno::BadF),
            },
            Object::Stdin => {
                let stdin = &self.process.stdin;
                let bytes = stdin.bytes.len() as u64;
                if bytes > 0 || stdin.over { Readiness::Ready { bytes, hangup: stdin.over } } else { Readiness::Not }
            }
            Object::File { ino, offset } => match self.fs.size(ino) {
                Ok(size) => ready(size.saturating_sub(offset)),
                Err(errno) => Readiness::Failed(errno),
            },
            // Always ready, both ways, as on Linux.
            Object::Directory { .. } => ready(0),
            Object::Device { .. } => ready(self.limits.call_bytes.into()),
            Object::Console(_) => Readiness::Failed(Errno::BadF),
        }
    }

    fn write_readiness(&self, fd: u32) -> Readiness {
        let descriptor = match self.process.descriptors.get(fd) {
            Ok(descriptor) => descriptor,
            Err(errno) => return Readiness::Failed(errno),
        };
        match descriptor.object {
            Object::Socket(slot) => match self.sockets.get(slot) {
                Some(socket) if !socket.writable() => Readiness::Not,
                Some(socket) => Readiness::Ready { bytes: socket.room(), hangup: socket.hung_up() },
                None => Readiness::Failed(Errno::BadF),
            },
            Object::Console(_) | Object::File { .. } | Object::Device { .. } | Object::Directory { .. } => {
                ready(self.limits.call_bytes.into())
            }
            Object::Stdin => Readiness::Failed(Errno::BadF),
        }
    }

    /// Marks the sockets and standard input as awaited by this wait. Marks of earlier waits need no removal: they carry
    /// another number.
    fn declare_interest(&mut self, list: std::ops::Range<usize>) {
        for bytes in self.memory[list].as_chunks::<SUBSCRIPTION>().0 {
            let (fd, wanted) = match Subscription::parse(bytes).map(|it| it.topic) {
                Ok(Topic::Read(fd)) => (fd, interest::READ),
                Ok(Topic::Write(fd)) => (fd, interest::WRITE),
                _ => continue,
            };
            match self.process.descriptors.get(fd).map(|it| &it.object) {
                Ok(Object::Socket(slot)) => {
                    if let Some(socket) = self.sockets.get_mut(*slot) {
                        let before = if socket.interest_wait == self.wait { socket.interest } else { 0 };
                        socket.interest = before | wanted;
                        socket.interest_wait = self.wait;
                    }
                }
                Ok(Object::Stdin) => self.process.stdin.awaited = true,
                _ => {}
            }
        }
    }
}
