//! Taking clients: listening sockets, and what is set on a client's socket before anything else happens to it.

use crate::socket::ask_soon;
use crate::{GatewayError, Published};
use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};
use replicode_log::Service;
use replicode_nat::client::Patience;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Clients that wait in the operating system's queue; it may allow fewer (`net.core.somaxconn`).
const BACKLOG: i32 = 4096;

/// A published address.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: TcpListener,
    pub(crate) service: Arc<Service>,
    pub(crate) local: SocketAddr,
}

/// What an attempt to take a client brought.
#[derive(Debug)]
pub(crate) enum Taken {
    Client(TcpStream, SocketAddr),
    /// Nobody waits.
    Nobody,
    /// This client could not be taken; the next one may.
    Lost(io::Error),
    /// The node is out of descriptors or memory: nobody can be taken until that changes.
    Exhausted(io::Error),
}

impl Listener {
    pub(crate) fn bind(published: Published, keepalive: &Patience) -> Result<Self, GatewayError> {
        let Published { listen, service } = published;
        match bind(listen, keepalive) {
            Ok((socket, local)) => Ok(Self { socket, service: Arc::new(service), local }),
            Err(error) => Err(GatewayError::Listen { listen, service, error }),
        }
    }

    /// From now on the event queue tells when somebody waits, at once if somebody does.
    pub(crate) fn watch(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut self.socket, token, Interest::READABLE)
    }

    /// Leaves clients to wait.
    pub(crate) fn ignore(&mut self, registry: &Registry) -> io::Result<()> {
        registry.deregister(&mut self.socket)
    }

    /// Takes the next client, its socket prepared.
    pub(crate) fn take(&mut self) -> Taken {
        match self.socket.accept() {
            Ok((stream, from)) => match prepare(&stream) {
                Ok(()) => Taken::Client(stream, from),
                Err(error) => Taken::Lost(error),
            },
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Taken::Nobody,
            Err(error) if is_exhaustion(&error) => Taken::Exhausted(error),
            Err(error) => Taken::Lost(error),
        }
    }
}

fn bind(listen: SocketAddr, keepalive: &Patience) -> io::Result<(TcpListener, SocketAddr)> {
    let socket = Socket::new(Domain::for_address(listen), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    // A restarted node must get its port back although connections of its former life linger in TIME_WAIT.
    socket.set_reuse_address(true)?;
    if listen.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Accepted sockets inherit these on Linux: there is no moment at which a client's socket would end with a FIN.
    socket.set_linger(Some(Duration::ZERO))?;
    socket.set_tcp_nodelay(true)?;
    ask_soon(&SockRef::from(&socket), keepalive)?;
    // Urgent bytes are bytes of the stream, as RFC 6093 has it; a program here could not receive them otherwise.
    socket.set_out_of_band_inline(true)?;
    socket.bind(&listen.into())?;
    socket.listen(BACKLOG)?;
    let socket = TcpListener::from_std(socket.into());
    let local = socket.local_addr()?;
    Ok((socket, local))
}

/// Sets what every client's socket must have: a reset instead of a FIN when it goes away by itself, and no waiting
/// for more bytes before a packet is sent, since whole batches are written at once.
fn prepare(stream: &TcpStream) -> io::Result<()> {
    SockRef::from(stream).set_linger(Some(Duration::ZERO))?;
    stream.set_nodelay(true)
}

/// `EMFILE`, `ENFILE`, `ENOBUFS`, `ENOMEM`: see accept(2).
fn is_exhaustion(error: &io::Error) -> bool {
    const EMFILE: i32 = 24;
    const ENFILE: i32 = 23;
    const ENOBUFS: i32 = 105;
    const ENOMEM: i32 = 12;
    matches!(error.raw_os_error(), Some(EMFILE | ENFILE | ENOBUFS | ENOMEM))
}
