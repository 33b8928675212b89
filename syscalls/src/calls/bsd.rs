//! The calls of `replicode_sock_v1` that preview 1 has no counterpart for: BSD sockets.

use super::{Answer, Ctx, Stop};
use crate::abi::Errno;
use crate::abi::layout::{self, SOCKADDR_IN};
use crate::abi::types::{RECV_PEEK, RECV_WAITALL, rights, socket as c};
use crate::memory;
use crate::open_file::OpenFile;
use crate::socket::{Socket, State, interest};
use replicode_log::{Egress, HostAddr, Pid};
use std::collections::VecDeque;

/// Pointer and length of bytes in guest memory; for addresses that are written, pointer and pointer to the length.
type Bytes = (u32, u32);

/// Bytes of a name at most: RFC 1035 has 255 on the wire, which are 253 in writing. Programs have shorter ones.
pub(super) const MAX_NAME: usize = 253;

/// So many connections wait at least, whatever backlog the program asked for (the limit `backlog` permitting). Where the
/// queue is full Linux drops the client's SYN, which is sent again a second later; here a client has connected to its
/// gateway already and could only be reset. A program that is content with a short queue on Linux must not lose clients
/// here, who often come in the same batch.
pub(super) const LEAST_BACKLOG: u32 = 128;

/// A non-negative number as the answer of a call.
fn value(n: u32) -> Answer {
    i32::try_from(n).map_err(|_| Errno::Overflow.into())
}

impl Ctx<'_> {
    pub(super) fn bsd_open(&mut self, domain: u32, kind: u32, protocol: u32) -> Answer {
        if domain != u32::from(c::AF_INET) {
            return Err(Errno::AfNoSupport.into());
        }
        let modifiers = kind & (c::SOCK_NONBLOCK | c::SOCK_CLOEXEC);
        match kind & !modifiers {
            c::SOCK_STREAM if protocol == 0 || protocol == c::IPPROTO_TCP => {}
            c::SOCK_STREAM | c::SOCK_DGRAM => return Err(Errno::ProtoNoSupport.into()),
            _ => return Err(Errno::Inval.into()),
        }
        let (flags, cloexec) = Self::new_flags(modifiers)?;
        let fd = self.process.descriptors.lowest_free(self.limits.descriptors)?;
        let pid = self.process.pid;
        let slot = self.sockets.insert(|id| Socket::new(id, pid, self.limits.recv_window));
        self.process.descriptors.put(fd, OpenFile::socket(slot, flags), cloexec);
        value(fd)
    }

    fn read_address(&self, addr: Bytes) -> Result<([u8; 4], u16), Errno> {
        layout::parse_sockaddr(memory::bytes(self.memory, addr.0, addr.1)?)
    }

    pub(super) fn bsd_bind(&mut self, fd: u32, addr: Bytes) -> Answer {
        let (slot, _) = self.socket(fd, 0)?;
        let (ip, port) = self.read_address(addr)?;
        let own = self.process.pid.cell_address();
        let socket = self.sockets.get_mut(slot).ok_or(Errno::BadF)?;
        if socket.state != State::Idle || socket.held_port.is_some() {
            return Err(Errno::Inval.into());
        }
        if !(ip == [0; 4] || ip[0] == 127 || ip == own) {
            return Err(Errno::AddrNotAvail.into());
        }
        // Addresses of one process share their ports: 127.0.0.1:80 and 0.0.0.0:80 exclude each other.
        let port = match port {
            0 => self.process.ports.take_any().ok_or(Errno::AddrInUse)?,
            _ if self.process.ports.take(port) => port,
            _ => return Err(Errno::AddrInUse.into()),
        };
        socket.local_ip = ip;
        socket.bound = true;
        socket.local_port = Some(port);
        socket.held_port = Some(port);
        self.moved.note(port.into());
        Ok(0)
    }

    /// A backlog below [`LEAST_BACKLOG`] is that, one beyond the limit is the limit, and so is a negative one.
    pub(super) fn bsd_listen(&mut self, fd: u32, backlog: u32) -> Answer {
        let (slot, _) = self.socket(fd, 0)?;
        let backlog = backlog.max(LEAST_BACKLOG).min(self.limits.backlog);
        let socket = self.sockets.get_mut(slot).ok_or(Errno::BadF)?;
        match &mut socket.state {
            State::Listening { backlog: before, .. } => {
                *before = backlog;
                return Ok(0);
            }
            State::Idle => {}
            State::Connecting | State::Connected => return Err(Errno::Inval.into()),
        }
        let port = match socket.held_port {
            Some(port) => port,
            None => self.process.ports.take_any().ok_or(Errno::AddrInUse)?,
        };
        socket.local_port = Some(port);
        socket.held_port = Some(port);
        socket.state = State::Listening { backlog, queue: VecDeque::new() };
        self.outbox.net(Egress::Listen { pid: self.process.pid, sock: socket.id, port });
        self.moved.note(port.into());
        Ok(0)
    }

    pub(super) fn bsd_accept(&mut self, fd: u32, flags: u32, addr: Bytes) -> Answer {
        let flags = Self::new_flags(flags)?;
        let room = self.address_room(addr)?;
        let (new_fd, slot) = self.accept(fd, flags)?;
        let peer = self.sockets.get(slot).and_then(|socket| socket.peer);
        self.write_address(addr, room, peer)?;
        value(new_fd)
    }

    /// Connects, or goes on connecting, or says what became of it.
    pub(super) fn bsd_connect(&mut self, fd: u32, addr: Bytes) -> Answer {
        let (slot, nonblocking) = self.socket(fd, 0)?;
        let (ip, port) = self.read_address(addr)?;
        let own = self.process.pid.cell_address();
        let socket = self.sockets.get_mut(slot).ok_or(Errno::BadF)?;
        match socket.state {
            State::Connected if socket.connect_news => {
                socket.connect_news = false;
                self.fruitful();
                return Ok(0);
            }
            State::Connected | State::Listening { .. } => return Err(Errno::IsConn.into()),
            State::Connecting if nonblocking => {
                self.fruitless();
                return Err(Errno::Already.into());
            }
            State::Connecting => {
                let timeout = socket.options.send_timeout;
                let deadline = self.deadline(timeout);
                if self.now() >= deadline {
                    return Err(Errno::InProgress.into());
                }
                return Err(self.wait_for_socket(slot, interest::WRITE, deadline));
            }
            State::Idle => {}
        }
        if let Some(error) = socket.error.take() {
            return Err(error.into());
        }
        if port == 0 {
            return Err(Errno::ConnRefused.into());
        }
        let flow_port = match socket.held_port {
            Some(port) => port,
            None => self.process.ports.take_any().ok_or(Errno::AddrNotAvail)?,
        };
        // As on Linux, 0.0.0.0 is another way to say "myself".
        let ip = if ip == [0; 4] { [127, 0, 0, 1] } else { ip };
        let to = HostAddr::V4(ip, port);
        socket.state = State::Connecting;
        socket.held_port = Some(flow_port);
        socket.local_port = Some(flow_port);
        if socket.local_ip == [0; 4] {
            socket.local_ip = if ip[0] == 127 { [127, 0, 0, 1] } else { own };
        }
        socket.peer = Some(to);
        let timeout = socket.options.send_timeout;
        self.outbox.net(Egress::Connect { pid: self.process.pid, sock: socket.id, flow_port, to });
        if nonblocking {
            return Err(Errno::InProgress.into());
        }
        let deadline = self.deadline(timeout);
        Err(self.wait_for_socket(slot, interest::WRITE, deadline))
    }

    /// A stream has one peer, so an address has to lie in memory and is otherwise ignored (POSIX.1-2017, sendto).
    pub(super) fn bsd_send(&mut self, fd: u32, data: Bytes, flags: u32, addr: Bytes) -> Answer {
        let (slot, nonblocking) = self.socket(fd, rights::FD_WRITE)?;
        let want = self.one_buffer(data.0, data.1)?;
        if addr.0 != 0 {
            memory::range(self.memory, addr.0, addr.1)?;
        }
        // There are no signals, so MSG_NOSIGNAL is what always happens.
        if flags & !(c::MSG_DONTWAIT | c::MSG_NOSIGNAL) != 0 {
            return Err(Errno::NotSup.into());
        }
        let n = self.send(slot, nonblocking || flags & c::MSG_DONTWAIT != 0, want)?;
        value(n)
    }

    pub(super) fn bsd_recv(&mut self, fd: u32, data: Bytes, flags: u32, addr: Bytes) -> Answer {
        let (slot, nonblocking) = self.socket(fd, rights::FD_READ)?;
        let want = self.one_buffer(data.0, data.1)?;
        let room = self.address_room(addr)?;
        if flags & !(RECV_PEEK | RECV_WAITALL | c::MSG_DONTWAIT | c::MSG_NOSIGNAL) != 0 {
            return Err(Errno::NotSup.into());
        }
        let n = self.recv(slot, nonblocking || flags & c::MSG_DONTWAIT != 0, want, flags)?;
        let peer = self.sockets.get(slot).and_then(|socket| socket.peer);
        self.write_address(addr, room, peer)?;
        value(n)
    }

    pub(super) fn bsd_getsockname(&mut self, fd: u32, addr: Bytes) -> Answer {
        let (slot, _) = self.socket(fd, 0)?;
        let room = self.address_room(addr)?;
        let socket = self.sockets.get(slot).ok_or(Errno::BadF)?;
        let name = HostAddr::V4(socket.local_ip, socket.local_port.unwrap_or(0));
        self.write_address(addr, room, Some(name))
    }

    pub(super) fn bsd_getpeername(&mut self, fd: u32, addr: Bytes) -> Answer {
        let (slot, _) = self.socket(fd, 0)?;
        let room = self.address_room(addr)?;
        let socket = self.sockets.get(slot).ok_or(Errno::BadF)?;
        if !socket.is_connected() || socket.reset {
            return Err(Errno::NotConn.into());
        }
        let peer = socket.peer;
        self.write_address(addr, room, peer)
    }

    /// How many bytes of an address are wanted, and that they can be written. A null pointer means that the program does
    /// not want any.
    fn address_room(&self, (addr, len): Bytes) -> Result<u32, Errno> {
        if addr == 0 {
            return Ok(0);
        }
        let room = memory::read_u32(self.memory, len)?.min(SOCKADDR_IN as u32);
        self.check_out(addr, room)?;
        Ok(room)
    }

    /// Writes an address as far as there is room, and its full length (POSIX.1-2017, accept).
    fn write_address(&mut self, (addr, len): Bytes, room: u32, what: Option<HostAddr>) -> Answer {
        if addr == 0 {
            return Ok(0);
        }
        let bytes = layout::sockaddr_in(what.unwrap_or(HostAddr::V4([0; 4], 0)));
        self.tell(addr, &bytes[..room as usize])?;
        self.tell_u32(len, SOCKADDR_IN as u32)
    }

    pub(super) fn bsd_getsockopt(&mut self, fd: u32, level: u32, name: u32, (out, len): Bytes) -> Answer {
        let (slot, _) = self.socket(fd, 0)?;
        let room = memory::read_u32(self.memory, len)?;
        self.check_out(out, room.min(16))?;
        let socket = self.sockets.get_mut(slot).ok_or(Errno::BadF)?;
        let options = &socket.options;
        let timeout = match name {
            c::SO_RCVTIMEO => options.recv_timeout,
            _ => options.send_timeout,
        };
        let number = match (level, name) {
            (c::SOL_SOCKET, c::SO_RCVTIMEO | c::SO_SNDTIMEO) => return self.tell_timeval(out, len, room, timeout),
            (c::SOL_SOCKET, c::SO_REUSEADDR) => options.reuse_addr.into(),
            (c::SOL_SOCKET, c::SO_KEEPALIVE) => options.keep.on.into(),
            (c::SOL_SOCKET, c::SO_TYPE) => c::SOCK_STREAM,
            (c::SOL_SOCKET, c::SO_PROTOCOL) => c::IPPROTO_TCP,
            (c::SOL_SOCKET, c::SO_DOMAIN) => c::AF_INET.into(),
            (c::SOL_SOCKET, c::SO_ACCEPTCONN) => matches!(socket.state, State::Listening { .. }).into(),
            (c::SOL_SOCKET, c::SO_RCVBUF) => self.limits.recv_window,
            (c::SOL_SOCKET, c::SO_SNDBUF) => self.limits.send_window,
            (c::SOL_SOCKET, c::SO_ERROR) => socket.error.take().map_or(0, |errno| errno as u32),
            (c::IPPROTO_TCP, c::TCP_NODELAY) => options.no_delay.into(),
            (c::IPPROTO_TCP, c::TCP_KEEPIDLE) => options.keep.timing.idle,
            (c::IPPROTO_TCP, c::TCP_KEEPINTVL) => options.keep.timing.interval,
            (c::IPPROTO_TCP, c::TCP_KEEPCNT) => options.keep.timing.count,
            _ => return Err(Errno::NoProtoOpt.into()),
        };
        let bytes = number.to_le_bytes();
        let n = room.min(4);
        self.tell(out, &bytes[..n as usize])?;
        self.tell_u32(len, n)
    }

    /// wasi-libc's `struct timeval`: seconds and microseconds, 64 bits each.
    fn tell_timeval(&mut self, out: u32, len: u32, room: u32, nanos: u64) -> Answer {
        if room < 16 {
            return Err(Errno::Inval.into());
        }
        self.tell_u64(out, nanos / 1_000_000_000)?;
        self.tell_u64(out + 8, nanos % 1_000_000_000 / 1_000)?;
        self.tell_u32(len, 16)
    }

    pub(super) fn bsd_setsockopt(&mut self, fd: u32, level: u32, name: u32, (value, len): Bytes) -> Answer {
        let (slot, _) = self.socket(fd, 0)?;
        let bytes = memory::bytes(self.memory, value, len)?;
        let number = bytes.first_chunk::<4>().copied().map(u32::from_le_bytes).ok_or(Errno::Inval)?;
        let socket = self.sockets.get_mut(slot).ok_or(Errno::BadF)?;
        let wanted = socket.options.keep.wanted();
        let options = &mut socket.options;
        match (level, name) {
            (c::SOL_SOCKET, c::SO_REUSEADDR) => options.reuse_addr = number != 0,
            (c::SOL_SOCKET, c::SO_KEEPALIVE) => options.keep.on = number != 0,
            (c::SOL_SOCKET, c::SO_RCVTIMEO) => options.recv_timeout = timeval(bytes)?,
            (c::SOL_SOCKET, c::SO_SNDTIMEO) => options.send_timeout = timeval(bytes)?,
            // The windows are limits of the cell, the same for every connection.
            (c::SOL_SOCKET, c::SO_RCVBUF | c::SO_SNDBUF) => {}
            (c::IPPROTO_TCP, c::TCP_NODELAY) => options.no_delay = number != 0,
            // The ranges are Linux's (tcp(7), MAX_TCP_KEEPIDLE and so on).
            (c::IPPROTO_TCP, c::TCP_KEEPIDLE) => options.keep.timing.idle = within(number, 32_767)?,
            (c::IPPROTO_TCP, c::TCP_KEEPINTVL) => options.keep.timing.interval = within(number, 32_767)?,
            (c::IPPROTO_TCP, c::TCP_KEEPCNT) => options.keep.timing.count = within(number, 127)?,
            _ => return Err(Errno::NoProtoOpt.into()),
        }
        let news = options.keep.wanted();
        if news != wanted && socket.is_connected() && !socket.reset {
            self.outbox.net(Egress::KeepAlive { sock: socket.id, wanted: news });
        }
        Ok(0)
    }

    /// Addresses for a name, four bytes each in network order; answers how many. `ENOENT` for a name that nobody has,
    /// or can have.
    pub(super) fn bsd_resolve(&mut self, name: Bytes, out: u32, max: u32) -> Answer {
        let name = memory::bytes(self.memory, name.0, name.1)?;
        self.check_out(out, max.min(1) * 4)?;
        let name = str::from_utf8(name).ok().filter(|name| name.len() <= MAX_NAME).ok_or(Errno::NoEnt)?;
        let found = if name == "localhost" {
            [127, 0, 0, 1]
        } else if let Ok(ip) = name.parse::<std::net::Ipv4Addr>() {
            ip.octets()
        } else {
            let first = self.names.range((name.to_string(), Pid(0))..).next();
            match first {
                Some((found, pid)) if found == name => pid.cell_address(),
                _ => return Err(Stop::Error(Errno::NoEnt)),
            }
        };
        if max > 0 {
            self.tell(out, &found)?;
        }
        value(max.min(1))
    }
}

/// A number from 1 to `most`.
fn within(number: u32, most: u32) -> Result<u32, Errno> {
    if (1..=most).contains(&number) { Ok(number) } else { Err(Errno::Inval) }
}

/// Nanoseconds of a `struct timeval`; 0 means no time-out.
fn timeval(bytes: &[u8]) -> Result<u64, Errno> {
    let seconds = memory::read_u64(bytes, 0).map_err(|_| Errno::Inval)?;
    let micros = memory::read_u64(bytes, 8).map_err(|_| Errno::Inval)?;
    if micros >= 1_000_000 {
        return Err(Errno::Dom);
    }
    // Negative seconds end at once, as on Linux: the shortest time-out there is.
    if seconds.cast_signed() < 0 {
        return Ok(1);
    }
    Ok(seconds.saturating_mul(1_000_000_000).saturating_add(micros * 1_000))
}
