//! `socketpair`, and every call of sockets on such a socket, as Linux has them for `AF_UNIX` (unix(7)).

use super::options::{timeval, timeval_of};
use super::{Answer, Ctx, Stop};
use crate::abi::types::epoll::{READABLE, WRBAND, WRITABLE};
use crate::abi::types::{RECV_PEEK, RECV_WAITALL, socket as c};
use crate::abi::{Call, Errno};
use crate::epoll::ANYTHING;
use crate::memory;
use crate::open_file::{Access, Object, OpenFile};
use crate::pair::{CAPACITY, End, Pair, PairId, Side};
use crate::watched::Source;

/// Bytes of the address of a socket without a name: its family.
const UNNAMED: u32 = 2;

impl Ctx<'_> {
    pub(super) fn socketpair(&mut self, domain: u32, kind: u32, protocol: u32, out: u32) -> Answer {
        const UNIX: u32 = c::AF_UNIX as u32;
        const INET: u32 = c::AF_INET as u32;
        const INET6: u32 = c::AF_INET6 as u32;
        let modifiers = kind & (c::SOCK_NONBLOCK | c::SOCK_CLOEXEC);
        match (domain, kind & !modifiers) {
            (UNIX, c::SOCK_STREAM) if protocol == 0 || protocol == UNIX => {}
            (UNIX, c::SOCK_STREAM | c::SOCK_DGRAM) => return Err(Errno::ProtoNoSupport.into()),
            (UNIX, _) => return Err(Errno::Inval.into()),
            (INET | INET6, _) => return Err(Errno::NotSup.into()),
            _ => return Err(Errno::AfNoSupport.into()),
        }
        let (flags, cloexec) = Self::new_flags(modifiers)?;
        self.check_out(out, 8)?;
        let (first, second) = self.process.descriptors.two_lowest_free(self.limits.descriptors)?;
        let (one, two) = End::both(PairId(self.pairs.insert(Pair::new())));
        for (fd, end) in [(first, one), (second, two)] {
            let file = OpenFile::new(Object::Pair(end), flags, Access::BOTH);
            self.process.descriptors.put(fd, file, cloexec);
        }
        self.tell_two(out, first, second)
    }

    /// Carries out a call of sockets that has found no stream socket of the network behind its descriptor. It has not
    /// done anything yet.
    pub(super) fn on_pair(&mut self, call: Call) -> Answer {
        let fd = match call {
            Call::SockAccept { fd, .. } | Call::SockRecv { fd, .. } | Call::SockSend { fd, .. } => fd,
            Call::SockShutdown { fd, .. } | Call::BsdShutdown { fd, .. } => fd,
            Call::BsdBind { fd, .. } | Call::BsdListen { fd, .. } | Call::BsdConnect { fd, .. } => fd,
            Call::BsdAccept { fd, .. } | Call::BsdSend { fd, .. } | Call::BsdSendto { fd, .. } => fd,
            Call::BsdRecv { fd, .. } | Call::BsdRecvfrom { fd, .. } => fd,
            Call::BsdGetsockname { fd, .. } | Call::BsdGetpeername { fd, .. } => fd,
            Call::BsdGetsockopt { fd, .. } | Call::BsdSetsockopt { fd, .. } => fd,
            Call::Sendmsg { fd, .. } | Call::Recvmsg { fd, .. } => fd,
            _ => return Err(Errno::NotSock.into()),
        };
        let file = self.process.descriptors.get(fd)?;
        let Object::Pair(end) = file.object else { return Err(Errno::NotSock.into()) };
        let nonblocking = file.nonblocking();
        // The bytes that it moves, if it is a call that moves any.
        let want = match call {
            Call::SockSend { iovs, iovs_len, .. }
            | Call::SockRecv { iovs, iovs_len, .. }
            | Call::Sendmsg { iovs, iovs_len, .. }
            | Call::Recvmsg { iovs, iovs_len, .. } => self.iovecs(iovs, iovs_len)?,
            Call::BsdSend { data, len, .. }
            | Call::BsdSendto { data, len, .. }
            | Call::BsdRecv { data, len, .. }
            | Call::BsdRecvfrom { data, len, .. } => self.one_buffer(data, len)?,
            _ => 0,
        };
        match call {
            Call::SockSend { flags, nwritten, .. } => {
                self.check_out(nwritten, 4)?;
                let n = self.send_to_pair(end, nonblocking, want, flags)?;
                self.tell_u32(nwritten, n)
            }
            Call::SockRecv { flags, nread, roflags, .. } => {
                self.check_out(nread, 4)?;
                self.check_out(roflags, 2)?;
                let n = self.recv_from_pair(end, nonblocking, want, flags)?;
                memory::write(self.memory, roflags, &[0; 2])?;
                self.moved.note(0);
                self.tell_u32(nread, n)
            }
            Call::BsdSend { flags, .. } => Ok(self.send_to_pair(end, nonblocking, want, flags)?.cast_signed()),
            Call::BsdRecv { flags, .. } => Ok(self.recv_from_pair(end, nonblocking, want, flags)?.cast_signed()),
            Call::BsdSendto { flags, addr, addr_len, .. } | Call::Sendmsg { flags, addr, addr_len, .. } => {
                self.send_with_address(end, nonblocking, want, flags, (addr, addr_len))
            }
            Call::BsdRecvfrom { flags, addr, addr_len, .. } | Call::Recvmsg { flags, addr, addr_len, .. } => {
                self.recv_with_address(end, nonblocking, want, flags, (addr, addr_len))
            }
            Call::SockShutdown { how, .. } | Call::BsdShutdown { how, .. } => self.shut_pair(end, how),
            Call::BsdGetsockname { addr, addr_len, .. } | Call::BsdGetpeername { addr, addr_len, .. } => {
                let room = memory::read_u32(self.memory, addr_len)?.min(UNNAMED);
                self.check_out(addr, room)?;
                self.tell(addr, &c::AF_UNIX.to_le_bytes()[..room as usize])?;
                self.tell_u32(addr_len, UNNAMED)
            }
            Call::BsdGetsockopt { level, option, value, value_len, .. } => {
                self.pair_option(end, (level, option), (value, value_len))
            }
            Call::BsdSetsockopt { level, option, value, value_len, .. } => {
                self.set_pair_option(end, (level, option), (value, value_len))
            }
            // It is connected, and has no name that it could listen at.
            _ => Err(Errno::Inval.into()),
        }
    }

    fn send_with_address(
        &mut self,
        end: End,
        nonblocking: bool,
        want: usize,
        flags: u32,
        (addr, addr_len): (u32, u32),
    ) -> Answer {
        if addr != 0 {
            memory::range(self.memory, addr, addr_len)?;
            if addr_len > 0 {
                return Err(Errno::IsConn.into());
            }
        }
        Ok(self.send_to_pair(end, nonblocking, want, flags)?.cast_signed())
    }

    /// The peer has no name, so that nothing is told but the length of none.
    fn recv_with_address(
        &mut self,
        end: End,
        nonblocking: bool,
        want: usize,
        flags: u32,
        (addr, addr_len): (u32, u32),
    ) -> Answer {
        if addr != 0 {
            self.check_out(addr_len, 4)?;
            let room = memory::read_u32(self.memory, addr_len)?.min(UNNAMED);
            self.check_out(addr, room)?;
        }
        let n = self.recv_from_pair(end, nonblocking, want, flags)?;
        if addr != 0 {
            self.tell_u32(addr_len, 0)?;
        }
        Ok(n.cast_signed())
    }

    /// Sends the buffers in the scratch space, `want` bytes in all; waits until all of it has found room, unless it must
    /// not wait.
    pub(super) fn send_to_pair(&mut self, end: End, nonblocking: bool, want: usize, flags: u32) -> Result<u32, Stop> {
        if flags & !(c::MSG_DONTWAIT | c::MSG_NOSIGNAL | c::MSG_MORE) != 0 {
            return Err(Errno::NotSup.into());
        }
        let nonblocking = nonblocking || flags & c::MSG_DONTWAIT != 0;
        let done = self.moved.bytes as usize;
        let pair = self.pairs.get_mut(end.pair.0).ok_or(Errno::BadF)?;
        if pair.send_over(end) {
            return if done > 0 { Ok(self.moved_u32()) } else { Err(Errno::Pipe.into()) };
        }
        let mut skip = done;
        for range in &self.scratch.iovecs {
            let part = &self.memory[range.start + skip.min(range.len())..range.end];
            skip = skip.saturating_sub(range.len());
            let n = pair.send(end, part);
            self.moved.data(&part[..n]);
        }
        let (timeout, watched) = (pair.side(end).send_timeout, pair.side(end.peer()).waiters.watched);
        let moved = self.moved.bytes as usize;
        if moved > done {
            self.fruitful();
            self.news(watched, READABLE);
        }
        if moved == want || moved > 0 && nonblocking {
            return Ok(self.moved_u32());
        }
        self.wait_for_pair(end, WRITABLE, nonblocking, timeout)
    }

    /// Receives into the buffers in the scratch space, which hold `want` bytes.
    pub(super) fn recv_from_pair(&mut self, end: End, nonblocking: bool, want: usize, flags: u32) -> Result<u32, Stop> {
        if flags & !(RECV_PEEK | RECV_WAITALL | c::MSG_DONTWAIT | c::MSG_NOSIGNAL) != 0 {
            return Err(Errno::NotSup.into());
        }
        let nonblocking = nonblocking || flags & c::MSG_DONTWAIT != 0;
        let pair = self.pairs.get_mut(end.pair.0).ok_or(Errno::BadF)?;
        if flags & RECV_PEEK != 0 && pair.len(end) > 0 {
            let mut seen = 0;
            for range in &self.scratch.iovecs {
                let part = &mut self.memory[range.clone()];
                let n = pair.peek(end, seen, part);
                self.moved.data(&part[..n]);
                seen += n;
            }
            return Ok(self.moved_u32());
        }
        let done = self.moved.bytes as usize;
        let mut skip = done;
        for range in &self.scratch.iovecs {
            let part = &mut self.memory[range.start + skip.min(range.len())..range.end];
            skip = skip.saturating_sub(range.len());
            let n = pair.take(end, part);
            self.moved.data(&part[..n]);
        }
        let timeout = pair.side(end).recv_timeout;
        let moved = self.moved.bytes as usize;
        let over = pair.recv_over(end);
        if moved == 0
            && want > 0
            && let Some(error) = pair.take_error(end)
        {
            return Err(error.into());
        }
        if moved > done {
            let writable = pair.readiness(end.peer()) & WRITABLE != 0;
            let news = writable.then_some(pair.side(end.peer()).waiters.watched).flatten();
            self.fruitful();
            self.news(news, WRITABLE | WRBAND);
        }
        if moved == want || moved > 0 && (flags & RECV_WAITALL == 0 || nonblocking || over) {
            return Ok(self.moved_u32());
        }
        if over {
            self.fruitless();
            return Ok(0);
        }
        self.wait_for_pair(end, READABLE, nonblocking, timeout)
    }

    fn wait_for_pair(&mut self, end: End, interest: u32, nonblocking: bool, timeout: u64) -> Result<u32, Stop> {
        if nonblocking {
            return Err(self.would_block());
        }
        let deadline = self.deadline(timeout);
        if self.now() >= deadline {
            return if self.moved.bytes > 0 { Ok(self.moved_u32()) } else { Err(Errno::Again.into()) };
        }
        self.declare(Source::Pair(end), interest);
        Err(Stop::Wait(deadline))
    }

    fn shut_pair(&mut self, end: End, how: u32) -> Answer {
        if how == 0 || how & !(c::SHUT_RD | c::SHUT_WR) != 0 {
            return Err(Errno::Inval.into());
        }
        let pair = self.pairs.get_mut(end.pair.0).ok_or(Errno::BadF)?;
        pair.shutdown(end, how);
        let watched = [end, end.peer()].map(|end| pair.side(end).waiters.watched);
        for list in watched {
            self.news(list, ANYTHING);
        }
        Ok(0)
    }

    fn pair_option(&mut self, end: End, (level, option): (u32, u32), (out, len): (u32, u32)) -> Answer {
        let room = memory::read_u32(self.memory, len)?;
        self.check_out(out, room.min(16))?;
        if level != c::SOL_SOCKET {
            return Err(Errno::NotSup.into());
        }
        let pair = self.pairs.get_mut(end.pair.0).ok_or(Errno::BadF)?;
        let side = pair.side(end);
        let (recv, send) = (timeval_of(side.recv_timeout), timeval_of(side.send_timeout));
        let number = match option {
            c::SO_RCVTIMEO => return self.tell_pair(out, len, room, recv),
            c::SO_SNDTIMEO => return self.tell_pair(out, len, room, send),
            c::SO_TYPE => c::SOCK_STREAM,
            c::SO_DOMAIN => c::AF_UNIX.into(),
            c::SO_PROTOCOL | c::SO_ACCEPTCONN | c::SO_DEBUG | c::SO_BROADCAST => 0,
            c::SO_SNDBUF | c::SO_RCVBUF => CAPACITY as u32,
            c::SO_RCVLOWAT | c::SO_SNDLOWAT => 1,
            c::SO_ERROR => pair.take_error(end).map_or(0, |errno| errno as u32),
            // What network sockets do with them these have no use for; Linux keeps them all the same.
            c::SO_REUSEADDR => (side.kept & Side::REUSEADDR != 0).into(),
            c::SO_KEEPALIVE => (side.kept & Side::KEEPALIVE != 0).into(),
            _ => return Err(Errno::NoProtoOpt.into()),
        };
        let n = room.min(4);
        self.tell(out, &number.to_le_bytes()[..n as usize])?;
        self.tell_u32(len, n)
    }

    fn set_pair_option(&mut self, end: End, (level, option): (u32, u32), (value, len): (u32, u32)) -> Answer {
        let bytes = memory::bytes(self.memory, value, len)?;
        if level != c::SOL_SOCKET {
            return Err(Errno::NotSup.into());
        }
        let number = bytes.first_chunk::<4>().copied().map(u32::from_le_bytes).ok_or(Errno::Inval)?;
        let side = self.pairs.get_mut(end.pair.0).ok_or(Errno::BadF)?.side_mut(end);
        match option {
            c::SO_RCVTIMEO => side.recv_timeout = timeval(bytes)?,
            c::SO_SNDTIMEO => side.send_timeout = timeval(bytes)?,
            c::SO_REUSEADDR => side.keep(Side::REUSEADDR, number != 0),
            c::SO_KEEPALIVE => side.keep(Side::KEEPALIVE, number != 0),
            // How much waits is the same for every pair.
            c::SO_SNDBUF | c::SO_RCVBUF => {}
            _ => return Err(Errno::NoProtoOpt.into()),
        }
        Ok(0)
    }
}
