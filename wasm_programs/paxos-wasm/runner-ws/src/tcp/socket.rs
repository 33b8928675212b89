//! A socket: new, then listening, or connecting and connected.

use super::streams::{Reader, Writer};
use socket2::SockRef;
use std::future::poll_fn;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::Pollable;
use wasmtime_wasi::p2::bindings::sockets::network::{ErrorCode, IpAddressFamily};

/// Connections that wait to be accepted, unless the component says another number.
const BACKLOG: u32 = 128;

/// The two directions of a connection.
pub type Ends = (Reader, Writer);

/// A TCP socket. Nothing here blocks: what takes time is begun by one call and finished by another.
pub struct Socket {
    family: IpAddressFamily,
    state: State,
    backlog: u32,
    /// What was begun and is not finished. Connecting is a state of its own.
    begun: Option<Begun>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Begun {
    Bind,
    Listen,
}

enum State {
    /// Neither listening nor connected, and perhaps bound.
    New(TcpSocket),
    /// With a connection that has come and was not asked for yet.
    Listening(TcpListener, Option<io::Result<TcpStream>>),
    Connecting(Attempt),
    Connected(Arc<TcpStream>),
    /// An attempt to listen or to connect has failed: the socket is of no more use.
    Ended,
}

enum Attempt {
    Running(Pin<Box<dyn Future<Output = io::Result<TcpStream>> + Send>>),
    Done(io::Result<TcpStream>),
}

impl Attempt {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Self::Running(running) = self {
            match running.as_mut().poll(cx) {
                Poll::Ready(result) => *self = Self::Done(result),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(())
    }
}

/// A connection's stream: without Nagle's rule, for which WASI 0.2 has no word.
fn connected(stream: TcpStream) -> Arc<TcpStream> {
    // Where a system refuses it things still work, only later.
    let _ = stream.set_nodelay(true);
    Arc::new(stream)
}

fn ends(stream: &Arc<TcpStream>) -> Ends {
    (Reader::new(Arc::clone(stream)), Writer::new(Arc::clone(stream)))
}

impl Socket {
    /// A new socket.
    ///
    /// # Errors
    /// When the system has none.
    pub fn new(family: IpAddressFamily) -> Result<Self, ErrorCode> {
        let socket = match family {
            IpAddressFamily::Ipv4 => TcpSocket::new_v4()?,
            IpAddressFamily::Ipv6 => TcpSocket::new_v6()?,
        };
        Ok(Self { family, state: State::New(socket), backlog: BACKLOG, begun: None })
    }

    /// Of which family it is.
    pub const fn family(&self) -> IpAddressFamily {
        self.family
    }

    /// The address is one of this socket's family.
    fn fits(&self, address: SocketAddr) -> Result<(), ErrorCode> {
        let fits = matches!(self.family, IpAddressFamily::Ipv4) == address.is_ipv4();
        if fits { Ok(()) } else { Err(ErrorCode::InvalidArgument) }
    }

    /// Binds. [`Socket::finish_bind`] has to follow.
    ///
    /// # Errors
    /// Those of the system, and when it is bound, listens or connects already.
    pub fn start_bind(&mut self, address: SocketAddr) -> Result<(), ErrorCode> {
        self.fits(address)?;
        let State::New(socket) = &self.state else { return Err(ErrorCode::InvalidState) };
        if self.begun.is_some() {
            return Err(ErrorCode::ConcurrencyConflict);
        }
        // Who starts again finds old connections in TIME_WAIT.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        self.begun = Some(Begun::Bind);
        Ok(())
    }

    /// # Errors
    /// When no bind was begun.
    pub fn finish_bind(&mut self) -> Result<(), ErrorCode> {
        self.finish(Begun::Bind)
    }

    fn finish(&mut self, what: Begun) -> Result<(), ErrorCode> {
        if self.begun != Some(what) {
            return Err(ErrorCode::NotInProgress);
        }
        self.begun = None;
        Ok(())
    }

    /// Begins to connect. [`Socket::finish_connect`] has to follow.
    ///
    /// # Errors
    /// When it listens or connects already.
    pub fn start_connect(&mut self, address: SocketAddr) -> Result<(), ErrorCode> {
        self.fits(address)?;
        if address.port() == 0 || address.ip().is_unspecified() {
            return Err(ErrorCode::InvalidArgument);
        }
        let socket = self.take_new()?;
        self.state = State::Connecting(Attempt::Running(Box::pin(socket.connect(address))));
        Ok(())
    }

    fn take_new(&mut self) -> Result<TcpSocket, ErrorCode> {
        if !matches!(self.state, State::New(_)) {
            return Err(ErrorCode::InvalidState);
        }
        if self.begun.is_some() {
            return Err(ErrorCode::ConcurrencyConflict);
        }
        match std::mem::replace(&mut self.state, State::Ended) {
            State::New(socket) => Ok(socket),
            _ => Err(ErrorCode::InvalidState),
        }
    }

    /// The connection, once it is there.
    ///
    /// # Errors
    /// `would-block` while it is not, or why it will never be.
    pub fn finish_connect(&mut self) -> Result<Ends, ErrorCode> {
        let State::Connecting(attempt) = &mut self.state else { return Err(ErrorCode::NotInProgress) };
        if attempt.poll(&mut Context::from_waker(Waker::noop())).is_pending() {
            return Err(ErrorCode::WouldBlock);
        }
        match std::mem::replace(&mut self.state, State::Ended) {
            State::Connecting(Attempt::Done(Ok(stream))) => {
                let stream = connected(stream);
                let ends = ends(&stream);
                self.state = State::Connected(stream);
                Ok(ends)
            }
            State::Connecting(Attempt::Done(Err(error))) => Err(error.into()),
            _ => Err(ErrorCode::NotInProgress),
        }
    }

    /// Listens. [`Socket::finish_listen`] has to follow.
    ///
    /// # Errors
    /// Those of the system, and when it listens or connects already.
    pub fn start_listen(&mut self) -> Result<(), ErrorCode> {
        let listener = self.take_new()?.listen(self.backlog)?;
        self.state = State::Listening(listener, None);
        self.begun = Some(Begun::Listen);
        Ok(())
    }

    /// # Errors
    /// When no listening was begun.
    pub fn finish_listen(&mut self) -> Result<(), ErrorCode> {
        self.finish(Begun::Listen)
    }

    /// A connection that has come.
    ///
    /// # Errors
    /// `would-block` when there is none; when it does not listen; what the system says.
    pub fn accept(&mut self) -> Result<(Self, Ends), ErrorCode> {
        let State::Listening(listener, waiting) = &mut self.state else { return Err(ErrorCode::InvalidState) };
        let come = match waiting.take() {
            Some(come) => come,
            None => match listener.poll_accept(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(come) => come.map(|(stream, _)| stream),
                Poll::Pending => return Err(ErrorCode::WouldBlock),
            },
        };
        let stream = connected(come?);
        let ends = ends(&stream);
        Ok((Self { family: self.family, state: State::Connected(stream), backlog: BACKLOG, begun: None }, ends))
    }

    /// # Errors
    /// Those of the system, and while it has none.
    pub fn local_address(&self) -> Result<SocketAddr, ErrorCode> {
        Ok(match &self.state {
            State::New(socket) => socket.local_addr()?,
            State::Listening(listener, _) => listener.local_addr()?,
            State::Connected(stream) => stream.local_addr()?,
            State::Connecting(_) | State::Ended => return Err(ErrorCode::InvalidState),
        })
    }

    /// # Errors
    /// Those of the system, and while it is not connected.
    pub fn remote_address(&self) -> Result<SocketAddr, ErrorCode> {
        match &self.state {
            State::Connected(stream) => Ok(stream.peer_addr()?),
            _ => Err(ErrorCode::InvalidState),
        }
    }

    /// Whether it listens.
    pub const fn is_listening(&self) -> bool {
        matches!(self.state, State::Listening(..))
    }

    /// How many connections may wait to be accepted; before it listens.
    ///
    /// # Errors
    /// None may wait, or it listens already.
    pub fn set_backlog(&mut self, count: u64) -> Result<(), ErrorCode> {
        if count == 0 {
            return Err(ErrorCode::InvalidArgument);
        }
        if !matches!(self.state, State::New(_)) {
            return Err(ErrorCode::NotSupported);
        }
        self.backlog = u32::try_from(count).unwrap_or(u32::MAX).min(i32::MAX as u32);
        Ok(())
    }

    /// Reads or sets an option of the system's socket.
    ///
    /// # Errors
    /// Those of the system, and while there is no such socket.
    pub fn option<T>(&self, act: impl FnOnce(SockRef<'_>) -> io::Result<T>) -> Result<T, ErrorCode> {
        let socket = match &self.state {
            State::New(socket) => SockRef::from(socket),
            State::Listening(listener, _) => SockRef::from(listener),
            State::Connected(stream) => SockRef::from(&**stream),
            State::Connecting(_) | State::Ended => return Err(ErrorCode::InvalidState),
        };
        Ok(act(socket)?)
    }

    /// # Errors
    /// Those of the system, and while it is not connected.
    pub fn shutdown(&self, how: Shutdown) -> Result<(), ErrorCode> {
        match &self.state {
            State::Connected(stream) => Ok(SockRef::from(&**stream).shutdown(how)?),
            _ => Err(ErrorCode::InvalidState),
        }
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.state {
            State::Listening(listener, waiting @ None) => match listener.poll_accept(cx) {
                Poll::Ready(come) => *waiting = Some(come.map(|(stream, _)| stream)),
                Poll::Pending => return Poll::Pending,
            },
            State::Connecting(attempt) => return attempt.poll(cx),
            _ => {}
        }
        Poll::Ready(())
    }
}

#[async_trait]
impl Pollable for Socket {
    async fn ready(&mut self) {
        poll_fn(|cx| self.poll_ready(cx)).await;
    }
}
