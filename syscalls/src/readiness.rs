//! What is so of every kind of object, as Linux's `poll` has it: one place for `poll`, `poll_oneoff` and epoll.

use crate::abi::types::epoll::{ERR, HUP, RDHUP};
use crate::abi::types::epoll::{READABLE, WRITABLE};
use crate::eventfd::Events;
use crate::pair::Pairs;
use crate::pipe::{Pipe, Pipes};
use crate::process::Stdin;
use crate::socket::{Socket, State};
use crate::sockets::Sockets;
use crate::timerfd::Timers;
use crate::watched::Source;
use replicode_log::LogicalTime;

/// Files and directories: always ready, both ways, however they were opened (POSIX.1-2017, poll).
pub(crate) const FILE: u32 = READABLE | WRITABLE;

/// What has to be seen to say what is ready. Sets of watches are asked by [`crate::epoll::Epolls::readiness`].
pub(crate) struct Look<'a> {
    pub(crate) sockets: &'a Sockets,
    pub(crate) pipes: &'a Pipes,
    pub(crate) pairs: &'a Pairs,
    pub(crate) stdin: &'a Stdin,
    pub(crate) events: &'a Events,
    pub(crate) timers: &'a Timers,
    /// The time by the process's clock.
    pub(crate) now: LogicalTime,
}

impl Look<'_> {
    /// Bits of `EPOLL*`.
    #[inline]
    pub(crate) fn at(&self, source: Source) -> u32 {
        match source {
            Source::Socket(slot) => self.sockets.get(slot).map_or(0, Socket::readiness),
            Source::PipeReader(id) => self.pipes.get(id.0).map_or(0, Pipe::read_readiness),
            Source::PipeWriter(id) => self.pipes.get(id.0).map_or(0, Pipe::write_readiness),
            Source::Pair(end) => self.pairs.get(end.pair.0).map_or(0, |pair| pair.readiness(end)),
            Source::Event(id) => self.events.get(id.0).map_or(0, |event| event.readiness()),
            Source::Timer(id) => self.timers.get(id.0).map_or(0, |timer| timer.readiness(self.now)),
            Source::Stdin => self.stdin.readiness(),
            // A console takes everything.
            Source::Console => WRITABLE,
            Source::Epoll(_) => 0,
        }
    }
}

impl Stdin {
    /// That of the reading end of a pipe.
    fn readiness(&self) -> u32 {
        let bytes = when(!self.bytes.is_empty(), READABLE);
        bytes | when(self.over, HUP)
    }
}

impl Socket {
    /// That of a TCP socket (Linux, `tcp_poll`). Most are connected and nothing has ended: they are answered in line, so
    /// that whoever asks for one direction does not pay for the other.
    #[inline(always)]
    pub(crate) fn readiness(&self) -> u32 {
        let ended = self.recv_over | self.recv_shut | self.send_shut | self.reset | self.error.is_some();
        if self.is_connected() && !ended {
            when(!self.recv.is_empty(), READABLE) | when(self.room() > 0, WRITABLE)
        } else {
            self.other_readiness()
        }
    }

    /// That of one in any state.
    #[inline(never)]
    fn other_readiness(&self) -> u32 {
        let bits = match &self.state {
            State::Listening { queue, .. } if queue.is_empty() => 0,
            State::Listening { .. } => READABLE,
            State::Connecting => 0,
            // Nobody is at the other end; and after a connect that failed both ways are over until the program has been
            // told by `connect`.
            State::Idle if self.refused => READABLE | RDHUP | WRITABLE | HUP,
            State::Idle => WRITABLE | HUP,
            State::Connected => {
                let (read_over, write_over) = (self.recv_over || self.recv_shut, self.send_shut);
                when(read_over, RDHUP)
                    | when(read_over || !self.recv.is_empty(), READABLE)
                    | when(write_over || self.room() > 0, WRITABLE)
                    | when(self.reset || read_over && write_over, HUP)
            }
        };
        bits | when(self.error.is_some(), ERR)
    }
}

/// The bits, if so.
#[inline]
const fn when(so: bool, bits: u32) -> u32 {
    if so { bits } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::Errno;
    use crate::abi::types::epoll::{IN, OUT};
    use crate::family::Family;
    use replicode_log::{Pid, SockId};
    use std::collections::VecDeque;

    /// As Linux 6 answers for a socket in that state.
    #[test]
    fn sockets_are_ready_as_on_linux() {
        let check = |what: &str, socket: &Socket, want: u32| {
            assert_eq!(socket.readiness(), want, "{what}: {:#x} instead of {want:#x}", socket.readiness());
        };
        let idle = Socket::new(SockId(1), Pid(1), Family::V4, 100);
        check("idle", &idle, 0x114);
        let mut socket = idle.clone();
        socket.state = State::Listening { backlog: 1, queue: VecDeque::new(), twin: None };
        check("listening", &socket, 0);
        socket.state = State::Connecting;
        check("connecting", &socket, 0);
        socket.connect_failed(Errno::ConnRefused);
        check("refused", &socket, 0x215d);
        socket.error = None;
        check("refused, told by SO_ERROR", &socket, 0x2155);
        let connected = || {
            let mut socket = idle.clone();
            socket.connect(10);
            socket
        };
        check("connected", &connected(), 0x104);
        let mut socket = connected();
        socket.recv.push(vec![1]);
        check("bytes", &socket, 0x145);
        socket.sent = 10;
        check("bytes, no credit", &socket, 0x41);
        let mut socket = connected();
        socket.sent = 10;
        check("no credit", &socket, 0);
        let mut socket = connected();
        socket.recv_over = true;
        check("the peer sends no more", &socket, 0x2145);
        socket.send_shut = true;
        check("both over", &socket, 0x2155);
        let mut socket = connected();
        socket.send_shut = true;
        check("sends no more", &socket, 0x104);
        let mut socket = connected();
        socket.recv_shut = true;
        check("wants no more", &socket, 0x2145);
        let mut socket = connected();
        socket.reset_by_peer();
        check("reset", &socket, 0x215d);
        socket.error = None;
        check("reset, told", &socket, 0x2155);
        assert_eq!((READABLE & IN, WRITABLE & OUT), (IN, OUT));
    }
}
