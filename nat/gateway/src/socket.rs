//! One client's socket: the system calls, and what their answers mean. When they are made is decided elsewhere.

use mio::event::Event;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use replicode_log::HostAddr;
use replicode_nat::client::{Chunks, Ending, Patience, Read, Readiness, Wrote};
use socket2::{SockRef, TcpKeepalive};
use std::io::{self, ErrorKind, IoSlice, Read as _, Write};
use std::net::{Shutdown, SocketAddr};

/// Chunks handed to the operating system in one call.
const SLICES: usize = 16;

/// What the event queue tells of every client: bytes, and urgent ones, because of which a read ends early.
#[cfg(any(target_os = "linux", target_os = "android"))]
const READING: Interest = Interest::READABLE.add(Interest::PRIORITY);
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const READING: Interest = Interest::READABLE;

#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) stream: TcpStream,
    /// Whether the event queue was asked to tell when there is room. Most clients never fill their socket.
    watched_for_room: bool,
}

impl Socket {
    /// Has the event queue tell what happens to a client's socket.
    pub(crate) fn watched(mut stream: TcpStream, registry: &Registry, token: Token) -> io::Result<Self> {
        registry.register(&mut stream, token, READING)?;
        Ok(Self { stream, watched_for_room: false })
    }

    /// Reads once.
    pub(crate) fn read<'a>(&mut self, into: &'a mut [u8]) -> Read<'a> {
        match self.stream.read(into) {
            Ok(0) => Read::End,
            Ok(len) => Read::Bytes(&into[..len]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Read::Empty,
            Err(error) if error.kind() == ErrorKind::Interrupted => Read::Again,
            Err(_) => Read::Lost,
        }
    }

    /// Writes once. If there is no room, the event queue is to tell when there is.
    pub(crate) fn write(&mut self, chunks: Chunks<'_>, registry: &Registry, token: Token) -> Wrote {
        match self.write_once(chunks) {
            Ok(len) => Wrote::Bytes(len),
            Err(error) if error.kind() == ErrorKind::WouldBlock => self.await_room(registry, token),
            Err(error) if error.kind() == ErrorKind::Interrupted => Wrote::Again,
            Err(_) => Wrote::Lost,
        }
    }

    fn write_once(&mut self, mut chunks: Chunks<'_>) -> io::Result<usize> {
        if chunks.len() == 1
            && let Some(only) = chunks.next()
        {
            return self.stream.write(only);
        }
        let mut slices = [IoSlice::new(&[]); SLICES];
        let mut count = 0;
        for (slice, chunk) in slices.iter_mut().zip(chunks) {
            *slice = IoSlice::new(chunk);
            count += 1;
        }
        self.stream.write_vectored(&slices[..count])
    }

    fn await_room(&mut self, registry: &Registry, token: Token) -> Wrote {
        if !self.watched_for_room {
            self.watched_for_room = true;
            if registry.reregister(&mut self.stream, token, READING.add(Interest::WRITABLE)).is_err() {
                return Wrote::Lost;
            }
        }
        Wrote::Full
    }

    /// Ends the stream towards the client.
    pub(crate) fn end(&mut self) -> Wrote {
        if self.stream.shutdown(Shutdown::Write).is_ok() { Wrote::End } else { Wrote::Lost }
    }

    pub(crate) fn keep_alive(&self, patience: &Patience) -> io::Result<()> {
        ask_soon(&SockRef::from(&self.stream), patience)
    }

    /// Closes the socket. Its linger setting makes that a reset, unless it is turned off.
    pub(crate) fn close(self, ending: Ending) {
        if ending == Ending::InGoodOrder {
            // If this fails the client sees a reset behind its last byte, which is no false end.
            let _ = SockRef::from(&self.stream).set_linger(None);
        }
    }
}

/// What an event says of a socket.
pub(crate) fn readiness(event: &Event) -> Readiness {
    Readiness {
        readable: event.is_readable(),
        read_closed: event.is_read_closed(),
        urgent: event.is_priority(),
        writable: event.is_writable(),
        write_closed: event.is_write_closed(),
        failed: event.is_error(),
    }
}

/// Has the operating system ask a silent host. Set on the listening socket too, from which accepted ones have it on Linux, so
/// that a client costs no further system call.
pub(crate) fn ask_soon(socket: &SockRef<'_>, patience: &Patience) -> io::Result<()> {
    let keepalive = TcpKeepalive::new().with_time(patience.idle).with_interval(patience.interval);
    socket.set_tcp_keepalive(&keepalive)?;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    socket.set_tcp_user_timeout(Some(patience.unacknowledged))?;
    Ok(())
}

pub(crate) fn host_addr(addr: SocketAddr) -> HostAddr {
    match addr {
        SocketAddr::V4(addr) => HostAddr::V4(addr.ip().octets(), addr.port()),
        SocketAddr::V6(addr) => HostAddr::V6(addr.ip().octets(), addr.port()),
    }
}
