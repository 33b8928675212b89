//! What each call does: one function per import, grouped by what it is about.
//!
//! A call sees the world through a [`Ctx`]: its process and the parts of the kernel that calls share. It either
//! finishes, or changes nothing but its own progress and says what it waits for.

mod awaited;
mod bsd;
mod clock;
mod console;
mod contracts;
mod counters;
mod descriptors;
mod devices;
mod dispatch;
mod duplicates;
mod epoll;
mod files;
mod given;
mod listing;
mod locks;
mod options;
mod pairs;
mod paths;
mod pipes;
mod poll;
mod process;
mod stream;

use crate::abi::{Call, Errno};
use crate::contracts::Contracts;
use crate::epoll::Epolls;
use crate::eventfd::Events;
use crate::fs::Fs;
use crate::locks::Locks;
use crate::memory;
use crate::moved::Moved;
use crate::open_file::Object;
use crate::outbox::Outbox;
use crate::pair::Pairs;
use crate::pipe::Pipes;
use crate::process::Process;
use crate::schedule::Schedule;
use crate::sockets::{Slot, Sockets};
use crate::timerfd::Timers;
use crate::watched::Source;
use replicode_log::{Limits, LogicalTime, Pid};
use std::collections::BTreeSet;
use std::ops::Range;

/// Why a call has no value to answer (yet).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// It failed.
    Error(Errno),
    /// It waits for what it has declared an interest in, or for this moment.
    Wait(LogicalTime),
    /// It waits for the next batch: the process's turn is used up.
    Yield,
    /// The process ends.
    Exit(u32),
}

impl From<Errno> for Stop {
    fn from(errno: Errno) -> Self {
        Self::Error(errno)
    }
}

/// The wasm result of a call that succeeded, or why there is none.
pub(crate) type Answer = Result<i32, Stop>;

/// Buffers that calls use for the length of one call, kept so that they need not be allocated.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scratch {
    pub(crate) iovecs: Vec<Range<usize>>,
    pub(crate) bytes: Vec<u8>,
}

/// What a call works on.
pub(crate) struct Ctx<'a> {
    pub(crate) limits: &'a Limits,
    /// Unix time of genesis in nanoseconds.
    pub(crate) epoch: u64,
    /// The batch's time.
    pub(crate) batch: LogicalTime,
    pub(crate) process: &'a mut Process,
    pub(crate) names: &'a BTreeSet<(String, Pid)>,
    /// Names of the preopened directories; the first is the root's.
    pub(crate) preopens: &'a [Vec<u8>],
    pub(crate) fs: &'a mut Fs,
    pub(crate) sockets: &'a mut Sockets,
    pub(crate) pipes: &'a mut Pipes,
    pub(crate) pairs: &'a mut Pairs,
    pub(crate) locks: &'a mut Locks,
    pub(crate) events: &'a mut Events,
    pub(crate) timers: &'a mut Timers,
    pub(crate) epolls: &'a mut Epolls,
    pub(crate) contracts: &'a mut Contracts,
    pub(crate) schedule: &'a mut Schedule,
    pub(crate) outbox: &'a mut Outbox,
    pub(crate) scratch: &'a mut Scratch,
    /// The guest's linear memory.
    pub(crate) memory: &'a mut [u8],
    /// Number of the wait, should the call begin one.
    pub(crate) wait: u64,
    /// When the call was first made.
    pub(crate) since: LogicalTime,
    /// Whether it waited already and is made again.
    pub(crate) resumed: bool,
    /// What it has moved, was given and has told, earlier attempts included.
    pub(crate) moved: Moved,
}

impl Ctx<'_> {
    /// The time by the process's clock. Not a look at it.
    fn now(&self) -> LogicalTime {
        self.process.now(self.batch)
    }

    /// The call found nothing to do.
    const fn fruitless(&mut self) {
        self.process.turn.fruitless = self.process.turn.fruitless.saturating_add(1);
    }

    /// The call got something done.
    const fn fruitful(&mut self) {
        self.process.turn.fruitless = 0;
    }

    /// `EAGAIN`, counted.
    const fn would_block(&mut self) -> Stop {
        self.fruitless();
        Stop::Error(Errno::Again)
    }

    /// When a wait ends that began with the call and lasts `timeout` nanoseconds; 0 means for ever.
    fn deadline(&self, timeout: u64) -> LogicalTime {
        if timeout == 0 { LogicalTime::NEVER } else { self.since.plus(timeout) }
    }

    /// Waits for something to happen to a socket.
    fn wait_for_socket(&mut self, slot: Slot, interest: u32, deadline: LogicalTime) -> Stop {
        self.declare(Source::Socket(slot), interest);
        Stop::Wait(deadline)
    }

    /// The socket behind a descriptor, and whether calls on it do not wait.
    fn socket(&mut self, fd: u32) -> Result<(Slot, bool), Errno> {
        let descriptor = self.process.descriptors.get(fd)?;
        match descriptor.object {
            Object::Socket(slot) => Ok((slot, descriptor.nonblocking())),
            // To a program that was written for POSIX, its number is one that it has not opened.
            Object::Directory { preopen: Some(_), .. } => Err(Errno::BadF),
            _ => Err(Errno::NotSock),
        }
    }

    /// Reads the list of buffers of a vectored call into the scratch space; answers how many bytes they hold. Streams
    /// move as many as the limit `call_bytes` allows.
    fn iovecs(&mut self, ptr: u32, count: u32) -> Result<usize, Errno> {
        let limits = self.limits;
        memory::iovecs(self.memory, ptr, count, limits.iovecs, limits.call_bytes, &mut self.scratch.iovecs)
    }

    /// As [`Ctx::iovecs`] for files and devices, which move whatever is asked for: programs take a file for cut off that
    /// one `read` does not bring whole. Buffers may overlap, so that a list can hold more bytes than there are; a call
    /// moves no more than the guest's memory holds, nor than Linux does (`MAX_RW_COUNT`).
    fn whole_iovecs(&mut self, ptr: u32, count: u32) -> Result<usize, Errno> {
        const MOST: usize = 0x7fff_f000;
        let most = self.memory.len().min(MOST) as u32;
        memory::iovecs(self.memory, ptr, count, self.limits.iovecs, most, &mut self.scratch.iovecs)
    }

    /// Counts what the call moved against the turn: each `call_bytes` as one more call, so that calls that move much
    /// end a turn as soon as many that move little.
    const fn spend(&mut self) {
        let more = self.moved.bytes / self.limits.call_bytes as u64;
        self.process.turn.calls = self.process.turn.calls.saturating_add(more as u32);
    }

    /// Takes one buffer as the list of buffers; answers how many bytes it holds.
    fn one_buffer(&mut self, ptr: u32, len: u32) -> Result<usize, Errno> {
        let range = memory::range(self.memory, ptr, len)?;
        let len = range.len().min(self.limits.call_bytes as usize);
        self.scratch.iovecs.clear();
        self.scratch.iovecs.push(range.start..range.start + len);
        Ok(len)
    }

    /// Checks that `len` bytes can be written at `ptr`, before anything is done that the guest would have to be told.
    fn check_out(&self, ptr: u32, len: u32) -> Result<(), Errno> {
        memory::range(self.memory, ptr, len).map(|_| ())
    }

    /// Tells the guest a number, at a place that was checked.
    fn tell_u32(&mut self, ptr: u32, value: u32) -> Answer {
        memory::write_u32(self.memory, ptr, value)?;
        self.moved.note(value.into());
        Ok(0)
    }

    /// Tells the guest a number, at a place that was checked.
    fn tell_u64(&mut self, ptr: u32, value: u64) -> Answer {
        memory::write_u64(self.memory, ptr, value)?;
        self.moved.note(value);
        Ok(0)
    }

    /// Tells the guest a structure, at a place that was checked.
    fn tell(&mut self, ptr: u32, value: &[u8]) -> Answer {
        memory::write(self.memory, ptr, value)?;
        self.moved.note_bytes(value);
        Ok(0)
    }

    /// Carries out a call.
    ///
    /// When the process's turn is used up, whatever it asks for waits for the next batch, before anything is done or
    /// checked: so no loop over calls, of whatever kind, holds a batch for ever. It may end itself at any time.
    pub(crate) fn run(&mut self, call: Call) -> Answer {
        if !self.resumed {
            self.note_given(call);
        }
        if self.process.turn.is_over(self.limits) && !matches!(call, Call::ProcExit { .. }) {
            return Err(Stop::Yield);
        }
        match self.dispatch(call) {
            Err(Stop::Error(Errno::NotSock)) => self.on_pair(call),
            answer => answer,
        }
    }
}
