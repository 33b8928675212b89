//! The calls of `replicode_sock_v1` that preview 1 has no counterpart for: BSD sockets.

use super::{Answer, Ctx, Stop};
use crate::abi::Errno;
use crate::abi::layout::{self, SOCKADDR_IN6};
use crate::abi::types::{RECV_PEEK, RECV_WAITALL, socket as c};
use crate::family::{self, Family};
use crate::memory;
use crate::open_file::OpenFile;
use crate::socket::{Socket, State, interest};
use crate::sockets::Slot;
use replicode_log::{Egress, HostAddr, Pid};
use std::collections::VecDeque;
use std::net::IpAddr;

/// Pointer and length of bytes in guest memory; for addresses that are written, pointer and pointer to the length.
type Bytes = (u32, u32);

/// Bytes of a name at most: RFC 1035 has 255 on the wire, which are 253 in writing. Programs have shorter ones.
pub(super) const MAX_NAME: usize = 253;

/// So many connections wait at least, whatever backlog the program asked for (the limit `backlog` permitting). Where the
/// queue is full Linux drops the client's SYN, which is sent again a second later; here a client has connected to its
/// gateway already and could only be reset. A program that is content with a short queue on Linux must not lose clients
/// here, who often come in the same batch.
pub(super) const LEAST_BACKLOG: u32 = 128;

/// One of the two addresses of a socket.
#[derive(Clone, Copy)]
enum Which {
    Own,
    Peer,
}

/// A non-negative number as the answer of a call.
fn value(n: u32) -> Answer {
    i32::try_from(n).map_err(|_| Errno::Overflow.into())
}

impl Ctx<'_> {
    pub(super) fn bsd_open(&mut self, domain: u32, kind: u32, protocol: u32) -> Answer {
        let family = Family::of(domain)?;
        let modifiers = kind & (c::SOCK_NONBLOCK | c::SOCK_CLOEXEC);
        match kind & !modifiers {
            c::SOCK_STREAM if protocol == 0 || protocol == c::IPPROTO_TCP => {}
            c::SOCK_STREAM | c::SOCK_DGRAM => return Err(Errno::ProtoNoSupport.into()),
            _ => return Err(Errno::Inval.into()),
        }
        let (flags, cloexec) = Self::new_flags(modifiers)?;
        let fd = self.process.descriptors.lowest_free(self.limits.descriptors)?;
        let pid = self.process.pid;
        let slot = self.sockets.insert(|id| Socket::new(id, pid, family, self.limits.recv_window));
        self.process.descriptors.put(fd, OpenFile::socket(slot, flags), cloexec);
        value(fd)
    }

    /// Reads an address of a socket's family.
    fn read_address(&self, slot: Slot, addr: Bytes) -> Result<(IpAddr, u16), Errno> {
        let family = self.sockets.get(slot).ok_or(Errno::BadF)?.family;
        let addr = layout::parse_sockaddr(memory::bytes(self.memory, addr.0, addr.1)?)?;
        match (family, addr) {
            (Family::V4, HostAddr::V4(..)) | (Family::V6 { .. }, HostAddr::V6(..)) => {
                Ok((family::ip_of(addr), addr.port()))
            }
            _ => Err(Errno::AfNoSupport),
        }
    }

    pub(super) fn bsd_bind(&mut self, fd: u32, addr: Bytes) -> Answer {
        let (slot, _) = self.socket(fd)?;
        let (ip, port) = self.read_address(slot, addr)?;
        let socket = self.sockets.get_mut(slot).ok_or(Errno::BadF)?;
        if socket.state != State::Idle || socket.held_port.is_some() {
            return Err(Errno::Inval.into());
        }
        socket.family.check_local(ip, self.process.pid)?;
        // Addresses of one process share their ports: 127.0.0.1:80 and 0.0.0.0:80 exclude each other.
        let port = match port {
            0 => self.process.ports.take_any(socket.family).ok_or(Errno::AddrInUse)?,
            _ if self.process.ports.take(socket.family, port) => port,
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
        let (slot, _) = self.socket(fd)?;
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
            None => self.process.ports.take_any(socket.family).ok_or(Errno::AddrInUse)?,
        };
        socket.local_port = Some(port);
        socket.held_port = Some(port);
        self.moved.note(port.into());
        let id = socket.id;
        // The port's other family may have a listener that the NAT table knows already. Connections come to that one, and the
        // peer's address decides whose they are.
        let twin = self.process.ports.announced.get(&port).copied();
        socket.state = State::Listening { backlog, queue: VecDeque::new(), twin };
        match twin.and_then(|twin| self.sockets.get_mut(twin)) {
            Some(Socket { state: State::Listening { twin, .. }, .. }) => *twin = Some(slot),
            _ => {
                self.process.ports.announced.insert(port, slot);
                self.outbox.net(Egress::Listen { pid: self.process.pid, sock: id, port });
            }
        }
        Ok(0)
    }

    pub(super) fn bsd_accept(&mut self, fd: u32, flags: u32, addr: Bytes) -> Answer {
        let flags = Self::new_flags(flags)?;
        let room = self.address_room(addr)?;
        let (new_fd, slot) = self.accept(fd, flags)?;
        self.write_address(addr, room, slot, Which::Peer)?;
        value(new_fd)
    }

    /// Connects, or goes on connecting, or says what became of it.
    pub(super) fn bsd_connect(&mut self, fd: u32, addr: Bytes) -> Answer {
        let (slot, nonblocking) = self.socket(fd)?;
        let (ip, port) = self.read_address(slot, addr)?;
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
        if std::mem::take(&mut socket.refused) {
            // As Linux, when `SO_ERROR` has told the reason already.
            return Err(socket.error.take().unwrap_or(Errno::ConnAborted).into());
        }
        if port == 0 {
            return Err(Errno::ConnRefused.into());
        }
        let (ip, own) = socket.family.route(ip, self.process.pid)?;
        let flow_port = match socket.held_port {
            Some(port) => port,
            None => self.process.ports.take_any(socket.family).ok_or(Errno::AddrNotAvail)?,
        };
        let to = family::with_port(ip, port);
        socket.state = State::Connecting;
        socket.held_port = Some(flow_port);
        socket.local_port = Some(flow_port);
        if socket.local_ip.to_canonical().is_unspecified() {
            socket.local_ip = own;
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
        let want = self.one_buffer(data.0, data.1)?;
        self.send_message(fd, want, flags, addr)
    }

    /// As [`Ctx::bsd_send`], from several buffers.
    pub(super) fn sendmsg(&mut self, fd: u32, iovs: Bytes, flags: u32, addr: Bytes) -> Answer {
        let want = self.iovecs(iovs.0, iovs.1)?;
        self.send_message(fd, want, flags, addr)
    }

    /// Sends the `want` bytes of the buffers in the scratch space.
    fn send_message(&mut self, fd: u32, want: usize, flags: u32, addr: Bytes) -> Answer {
        let (slot, nonblocking) = self.socket(fd)?;
        if addr.0 != 0 {
            memory::range(self.memory, addr.0, addr.1)?;
        }
        // There are no signals, so MSG_NOSIGNAL is what always happens; and bytes leave with the batch, with more or not.
        if flags & !(c::MSG_DONTWAIT | c::MSG_NOSIGNAL | c::MSG_MORE) != 0 {
            return Err(Errno::NotSup.into());
        }
        let n = self.send(slot, nonblocking || flags & c::MSG_DONTWAIT != 0, want)?;
        value(n)
    }

    pub(super) fn bsd_recv(&mut self, fd: u32, data: Bytes, flags: u32, addr: Bytes) -> Answer {
        let want = self.one_buffer(data.0, data.1)?;
        self.recv_message(fd, want, flags, addr)
    }

    /// As [`Ctx::bsd_recv`], into several buffers.
    pub(super) fn recvmsg(&mut self, fd: u32, iovs: Bytes, flags: u32, addr: Bytes) -> Answer {
        let want = self.iovecs(iovs.0, iovs.1)?;
        self.recv_message(fd, want, flags, addr)
    }

    /// Receives into the buffers in the scratch space, which hold `want` bytes.
    fn recv_message(&mut self, fd: u32, want: usize, flags: u32, addr: Bytes) -> Answer {
        let (slot, nonblocking) = self.socket(fd)?;
        self.address_room(addr)?;
        if flags & !(RECV_PEEK | RECV_WAITALL | c::MSG_DONTWAIT | c::MSG_NOSIGNAL | c::MSG_TRUNC) != 0 {
            return Err(Errno::NotSup.into());
        }
        let n = self.recv(slot, nonblocking || flags & c::MSG_DONTWAIT != 0, want, flags)?;
        if addr.0 != 0 {
            // As on Linux: the bytes of a stream carry no address, and its length says so.
            self.tell_u32(addr.1, 0)?;
        }
        value(n)
    }

    pub(super) fn bsd_getsockname(&mut self, fd: u32, addr: Bytes) -> Answer {
        let (slot, _) = self.socket(fd)?;
        let room = self.address_room(addr)?;
        self.write_address(addr, room, slot, Which::Own)
    }

    pub(super) fn bsd_getpeername(&mut self, fd: u32, addr: Bytes) -> Answer {
        let (slot, _) = self.socket(fd)?;
        let room = self.address_room(addr)?;
        let socket = self.sockets.get(slot).ok_or(Errno::BadF)?;
        if !socket.is_connected() || socket.reset {
            return Err(Errno::NotConn.into());
        }
        self.write_address(addr, room, slot, Which::Peer)
    }

    /// How many bytes of an address are wanted, and that they can be written. A null pointer means that the program does
    /// not want any.
    fn address_room(&self, (addr, len): Bytes) -> Result<u32, Errno> {
        if addr == 0 {
            return Ok(0);
        }
        let room = memory::read_u32(self.memory, len)?.min(SOCKADDR_IN6 as u32);
        self.check_out(addr, room)?;
        Ok(room)
    }

    /// Writes an address as far as there is room, and its full length (POSIX.1-2017, accept).
    fn write_address(&mut self, (addr, len): Bytes, room: u32, slot: Slot, which: Which) -> Answer {
        if addr == 0 {
            return Ok(0);
        }
        let socket = self.sockets.get(slot).ok_or(Errno::BadF)?;
        let what = match (which, socket.peer) {
            (Which::Own, _) => family::with_port(socket.local_ip, socket.local_port.unwrap_or(0)),
            (Which::Peer, Some(peer)) => family::with_port(socket.family.shown(family::ip_of(peer)), peer.port()),
            (Which::Peer, None) => family::with_port(socket.family.any(), 0),
        };
        let (bytes, full) = layout::sockaddr(what);
        self.tell(addr, &bytes[..full.min(room as usize)])?;
        // No more than 28.
        self.tell_u32(len, full as u32)
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
