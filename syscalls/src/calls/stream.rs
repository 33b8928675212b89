//! Stream sockets: what preview 1 and `replicode_sock_v1` share.

use super::{Answer, Ctx, Stop};
use crate::abi::Errno;
use crate::abi::types::{RECV_PEEK, RECV_WAITALL, fdflags, socket as c};
use crate::epoll::ANYTHING;
use crate::memory;
use crate::open_file::OpenFile;
use crate::socket::{State, interest};
use crate::sockets::Slot;
use replicode_log::Egress;

impl Ctx<'_> {
    /// Receives into the buffers in the scratch space, `want` bytes at most. With `MSG_TRUNC` the bytes are counted and
    /// thrown away, as Linux does (tcp(7)).
    ///
    /// Waits while nothing is there, and with `MSG_WAITALL` until all is there. Bytes that came before the peer closed
    /// or reset the connection are read first.
    pub(super) fn recv(&mut self, slot: Slot, nonblocking: bool, want: usize, flags: u32) -> Result<u32, Stop> {
        let (peek, all) = (flags & RECV_PEEK != 0, flags & RECV_WAITALL != 0);
        let socket = self.sockets.get_mut(slot).ok_or(Errno::BadF)?;
        match socket.state {
            State::Connected => {}
            State::Connecting if nonblocking => return Err(self.would_block()),
            State::Connecting => {
                let deadline = self.deadline(self.sockets.get(slot).map_or(0, |it| it.options.recv_timeout));
                return self.wait_or_time_out(slot, interest::READ, deadline);
            }
            // A connect that failed is told here if nowhere else.
            State::Idle | State::Listening { .. } => return Err(socket.error.take().unwrap_or(Errno::NotConn).into()),
        }
        let drop = flags & c::MSG_TRUNC != 0;
        if peek && drop && !socket.recv.is_empty() {
            self.moved.dropped(socket.recv.len().min(want));
            return Ok(self.moved_u32());
        }
        if peek && !socket.recv.is_empty() {
            let mut seen = 0;
            for range in &self.scratch.iovecs {
                let part = &mut self.memory[range.clone()];
                let n = socket.recv.peek(seen, part);
                self.moved.data(&part[..n]);
                seen += n;
            }
            return Ok(self.moved_u32());
        }
        let before = self.moved.bytes;
        let mut skip = before as usize;
        if drop {
            self.moved.dropped(socket.recv.skip(want - skip));
        } else {
            for range in &self.scratch.iovecs {
                let part = &mut self.memory[range.start + skip.min(range.len())..range.end];
                skip = skip.saturating_sub(range.len());
                let n = socket.recv.take(part);
                self.moved.data(&part[..n]);
            }
        }
        if self.moved.bytes > before {
            if let Some(limit) = socket.window_news(self.limits.recv_window) {
                self.outbox.net(Egress::Window { sock: socket.id, limit });
            }
            self.process.turn.fruitless = 0;
        }
        let moved = self.moved.bytes as usize;
        if moved == want || moved > 0 && (!all || nonblocking) {
            return Ok(moved as u32);
        }
        if socket.recv_over || socket.recv_shut || socket.error.is_some() {
            if moved > 0 {
                return Ok(moved as u32);
            }
            if let Some(error) = socket.error.take() {
                return Err(error.into());
            }
            self.fruitless();
            return Ok(0);
        }
        if nonblocking {
            return Err(self.would_block());
        }
        let timeout = socket.options.recv_timeout;
        let deadline = self.deadline(timeout);
        self.wait_or_time_out(slot, interest::READ, deadline)
    }

    /// Sends the buffers in the scratch space, `want` bytes in all.
    ///
    /// Waits until the peer's window has taken everything, unless it must not wait.
    pub(super) fn send(&mut self, slot: Slot, nonblocking: bool, want: usize) -> Result<u32, Stop> {
        let socket = self.sockets.get_mut(slot).ok_or(Errno::BadF)?;
        let timeout = socket.options.send_timeout;
        match socket.state {
            State::Connected => {}
            State::Connecting if nonblocking => return Err(self.would_block()),
            State::Connecting => {
                let deadline = self.deadline(timeout);
                return self.wait_or_time_out(slot, interest::WRITE, deadline);
            }
            State::Idle | State::Listening { .. } => return Err(socket.error.take().unwrap_or(Errno::NotConn).into()),
        }
        let before = self.moved.bytes;
        if socket.send_shut || socket.error.is_some() {
            return match socket.error {
                // What was taken is answered now, the error by the next call.
                _ if before > 0 => Ok(self.moved_u32()),
                Some(error) => {
                    socket.error = None;
                    Err(error.into())
                }
                None => Err(Errno::Pipe.into()),
            };
        }
        let mut skip = before as usize;
        for range in &self.scratch.iovecs {
            let part = &self.memory[range.start + skip.min(range.len())..range.end];
            skip = skip.saturating_sub(range.len());
            let room = usize::try_from(socket.room()).unwrap_or(usize::MAX);
            let part = &part[..part.len().min(room)];
            if !part.is_empty() {
                self.outbox.send(socket, part);
                self.moved.data(part);
            }
        }
        if self.moved.bytes > before {
            self.process.turn.fruitless = 0;
        }
        let moved = self.moved.bytes as usize;
        if moved < want
            && let Some(told) = &mut socket.options.room_told
        {
            *told = false;
        }
        if moved == want || moved > 0 && nonblocking {
            return Ok(moved as u32);
        }
        if nonblocking {
            return Err(self.would_block());
        }
        let deadline = self.deadline(timeout);
        self.wait_or_time_out(slot, interest::WRITE, deadline)
    }

    /// Waits for a socket; when the deadline has passed, answers what was moved, or `EAGAIN`.
    fn wait_or_time_out(
        &mut self,
        slot: Slot,
        interest: u32,
        deadline: replicode_log::LogicalTime,
    ) -> Result<u32, Stop> {
        if self.now() < deadline {
            return Err(self.wait_for_socket(slot, interest, deadline));
        }
        if self.moved.bytes > 0 { Ok(self.moved_u32()) } else { Err(Errno::Again.into()) }
    }

    /// Takes a connection from a listener's queue; answers its descriptor and its socket.
    ///
    /// The descriptor is looked for before the queue is touched, so that a connection stays where it is when none can be
    /// had. Nothing else is needed: the socket shows its listener's port, and what it takes of the cell it took when it
    /// came. So whenever `poll` says that there is a connection, the only thing that can be missing is a descriptor.
    pub(super) fn accept(&mut self, fd: u32, (flags, cloexec): (u32, bool)) -> Result<(u32, Slot), Stop> {
        let (listener, nonblocking) = self.socket(fd)?;
        let new_fd = match self.process.descriptors.lowest_free(self.limits.descriptors) {
            Ok(fd) => fd,
            Err(errno) => {
                // A program that is told of a connection and has no descriptor for it asks again and again.
                self.fruitless();
                return Err(errno.into());
            }
        };
        let socket = self.sockets.get_mut(listener).ok_or(Errno::BadF)?;
        let timeout = socket.options.recv_timeout;
        let State::Listening { queue, .. } = &mut socket.state else { return Err(Errno::Inval.into()) };
        if queue.is_empty() {
            if nonblocking {
                return Err(self.would_block());
            }
            let deadline = self.deadline(timeout);
            self.wait_or_time_out(listener, interest::READ, deadline)?;
            return Err(Errno::Again.into());
        }
        let slot = queue.pop_front().ok_or(Errno::Again)?;
        let (flow_port, options) = (socket.local_port.unwrap_or(0), socket.options.clone());
        let accepted = self.sockets.get_mut(slot).ok_or(Errno::ConnAborted)?;
        self.outbox.net(Egress::Accepted { sock: accepted.id, flow_port });
        // As on Linux, an accepted socket begins with its listener's settings.
        if let Some(wanted) = options.keep.wanted() {
            self.outbox.net(Egress::KeepAlive { sock: accepted.id, wanted: Some(wanted) });
        }
        accepted.options = options;
        self.moved.note(accepted.id.0);
        self.process.descriptors.put(new_fd, OpenFile::socket(slot, flags), cloexec);
        self.fruitful();
        Ok((new_fd, slot))
    }

    pub(super) fn sock_accept(&mut self, fd: u32, flags: u32, out: u32) -> Answer {
        self.check_out(out, 4)?;
        if flags & !fdflags::NONBLOCK != 0 {
            return Err(Errno::Inval.into());
        }
        let (new_fd, _) = self.accept(fd, (flags, false))?;
        self.tell_u32(out, new_fd)
    }

    pub(super) fn sock_recv(
        &mut self,
        fd: u32,
        (iovs, count): (u32, u32),
        flags: u32,
        nread: u32,
        roflags: u32,
    ) -> Answer {
        let (slot, nonblocking) = self.socket(fd)?;
        let want = self.iovecs(iovs, count)?;
        self.check_out(nread, 4)?;
        self.check_out(roflags, 2)?;
        if flags & !(RECV_PEEK | RECV_WAITALL) != 0 {
            return Err(Errno::NotSup.into());
        }
        let n = self.recv(slot, nonblocking, want, flags)?;
        memory::write(self.memory, roflags, &[0; 2])?;
        self.moved.note(0);
        self.tell_u32(nread, n)
    }

    pub(super) fn sock_send(&mut self, fd: u32, (iovs, count): (u32, u32), flags: u32, nwritten: u32) -> Answer {
        let (slot, nonblocking) = self.socket(fd)?;
        let want = self.iovecs(iovs, count)?;
        self.check_out(nwritten, 4)?;
        if flags != 0 {
            return Err(Errno::NotSup.into());
        }
        let n = self.send(slot, nonblocking, want)?;
        self.tell_u32(nwritten, n)
    }

    /// Ends one direction or both (POSIX.1-2017, shutdown).
    pub(super) fn sock_shutdown(&mut self, fd: u32, how: u32) -> Answer {
        let (slot, _) = self.socket(fd)?;
        if how == 0 || how & !(c::SHUT_RD | c::SHUT_WR) != 0 {
            return Err(Errno::Inval.into());
        }
        let socket = self.sockets.get_mut(slot).ok_or(Errno::BadF)?;
        if !socket.is_connected() || socket.reset {
            return Err(Errno::NotConn.into());
        }
        let deaf = socket.recv_shut && socket.send_shut;
        let watched = socket.waiters.watched;
        if how & c::SHUT_RD != 0 {
            socket.recv_shut = true;
        }
        if how & c::SHUT_WR != 0 && !socket.send_shut {
            socket.send_shut = true;
            self.outbox.net(Egress::Fin { sock: socket.id, offset: socket.sent });
        }
        if !deaf && socket.recv_shut && socket.send_shut {
            self.outbox.net(Egress::Deaf { sock: socket.id });
        }
        self.news(watched, ANYTHING);
        Ok(0)
    }
}
