//! [`Sockets`] over `wasi:sockets` 0.2, and what the three network components share.
//!
//! A stream must outlive the pollables made of it, and those belong to whoever waits. So a connection that is given up is kept until
//! new pollables have replaced the old ones: see [`WasiSockets::pollables`] and [`WasiSockets::begin`].

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use paxos_bindings::poll::{Pollable, poll};
use paxos_bindings::wit::network_types as n;
use paxos_bindings::wit::types::{Fault, FaultKind};
use paxos_bindings::{Words, fault};
use paxos_connections::{Counters, Interest, Limits, Read, Sockets, parse_address};
use paxos_frame::{FrameReader, Greeting, OutQueue};
use paxos_types::{Endpoint, Incarnation, NodeId, Serializer};

#[allow(missing_docs, clippy::all)]
mod generated {
    wit_bindgen::generate!({
        world: "socket-user",
        path: "../../shared/wit",
        with: { "wasi:io/poll@0.2.12": paxos_bindings::poll },
        generate_all,
    });
}

pub use generated::wasi;
use wasi::clocks::monotonic_clock::subscribe_instant;
use wasi::io::streams::{InputStream, OutputStream, StreamError};
use wasi::sockets::instance_network::instance_network;
use wasi::sockets::network::{
    ErrorCode, IpAddressFamily, IpSocketAddress, Ipv4SocketAddress, Ipv6SocketAddress, Network,
};
use wasi::sockets::tcp::TcpSocket;
use wasi::sockets::tcp_create_socket::create_tcp_socket;

/// Bytes that one read asks for: the host reserves and clears them first, whatever comes.
const READ: u64 = 32 << 10;

/// A socket that listens.
pub struct Listener {
    // Fields are dropped in this order, children before parents.
    waiting: Pollable,
    socket: TcpSocket,
}

/// A connection, or one that is being made.
pub struct Stream {
    // Fields are dropped in this order, children before parents.
    ends: Option<Ends>,
    socket: TcpSocket,
}

impl Stream {
    /// A write is under way.
    fn is_writing(&self) -> bool {
        self.ends.as_ref().is_some_and(|ends| matches!(ends.output.check_write(), Ok(0)))
    }
}

struct Ends {
    /// Our own, to ask whether there is something before asking for it: a read reserves its room first.
    readable: Pollable,
    input: InputStream,
    output: OutputStream,
}

/// Idle connections are probed, so that one whose other end has vanished ends in seconds and not never. What is written and not
/// acknowledged is the system's business: WASI 0.2 has no time for that.
fn keep_alive(socket: &TcpSocket) {
    const SECOND: u64 = 1_000_000_000;
    // Where a system has not all of these, its own times hold.
    let _ = socket.set_keep_alive_enabled(true);
    let _ = socket.set_keep_alive_idle_time(2 * SECOND);
    let _ = socket.set_keep_alive_interval(SECOND);
    let _ = socket.set_keep_alive_count(4);
}

impl Ends {
    fn new(input: InputStream, output: OutputStream) -> Ends {
        Ends { readable: input.subscribe(), input, output }
    }
}

/// The sockets of the host below.
pub struct WasiSockets {
    network: Network,
    /// Given up, and perhaps still waited for.
    ended: Vec<Stream>,
    ended_listeners: Vec<Listener>,
    /// Given up; what was waited for was replaced at the last call, so they go at this one.
    replaced: Vec<Stream>,
    replaced_listeners: Vec<Listener>,
    /// Ready at any time, so that a poll gives who is ready and does not wait.
    always: Pollable,
}

impl Default for WasiSockets {
    fn default() -> Self {
        WasiSockets {
            network: instance_network(),
            ended: Vec::new(),
            ended_listeners: Vec::new(),
            replaced: Vec::new(),
            replaced_listeners: Vec::new(),
            always: subscribe_instant(0),
        }
    }
}

impl WasiSockets {
    /// To be called first in every call from outside: whoever got new pollables at the last one has dropped the old by now.
    pub fn begin(&mut self) {
        // A stream that is dropped waits for its last write. One whose other end does not read stays, rather than that we wait.
        self.replaced.retain(Stream::is_writing);
        self.replaced_listeners.clear();
    }

    /// The pollables of what is to be waited for, which replace all that were given before.
    pub fn pollables<'a>(interests: impl Iterator<Item = Interest<'a, WasiSockets>>) -> Vec<Pollable> {
        interests
            .filter_map(|interest| match interest {
                Interest::Accept(listener) => Some(listener.socket.subscribe()),
                Interest::Connect(stream) => Some(stream.socket.subscribe()),
                Interest::Read(stream) => stream.ends.as_ref().map(|ends| ends.input.subscribe()),
                Interest::Write(stream) => stream.ends.as_ref().map(|ends| ends.output.subscribe()),
            })
            .collect()
    }

    /// Notes that what was waited for has been replaced.
    pub fn replaced(&mut self) {
        self.replaced.append(&mut self.ended);
        self.replaced_listeners.append(&mut self.ended_listeners);
    }
}

fn words(address: SocketAddr) -> IpSocketAddress {
    match address {
        SocketAddr::V4(v4) => {
            let [a, b, c, d] = v4.ip().octets();
            IpSocketAddress::Ipv4(Ipv4SocketAddress { port: v4.port(), address: (a, b, c, d) })
        }
        SocketAddr::V6(v6) => {
            let [a, b, c, d, e, f, g, h] = v6.ip().segments();
            IpSocketAddress::Ipv6(Ipv6SocketAddress {
                port: v6.port(),
                flow_info: v6.flowinfo(),
                address: (a, b, c, d, e, f, g, h),
                scope_id: v6.scope_id(),
            })
        }
    }
}

fn address(words: IpSocketAddress) -> SocketAddr {
    match words {
        IpSocketAddress::Ipv4(v4) => {
            let (a, b, c, d) = v4.address;
            SocketAddr::new(IpAddr::V4(Ipv4Addr::new(a, b, c, d)), v4.port)
        }
        IpSocketAddress::Ipv6(v6) => {
            let (a, b, c, d, e, f, g, h) = v6.address;
            SocketAddr::new(IpAddr::V6(Ipv6Addr::new(a, b, c, d, e, f, g, h)), v6.port)
        }
    }
}

fn family(address: SocketAddr) -> IpAddressFamily {
    if address.is_ipv4() { IpAddressFamily::Ipv4 } else { IpAddressFamily::Ipv6 }
}

/// An error's name in words.
fn say(error: ErrorCode) -> String {
    let name = match error {
        ErrorCode::AddressInUse => "the address is in use: another process listens there",
        ErrorCode::AddressNotBindable => "the address is not one of this machine",
        ErrorCode::ConnectionRefused => "the connection is refused: nobody listens there",
        ErrorCode::ConnectionReset => "the connection was reset",
        ErrorCode::RemoteUnreachable => "it cannot be reached",
        ErrorCode::Timeout => "it does not answer",
        ErrorCode::AccessDenied => "the host does not permit it",
        ErrorCode::NewSocketLimit => "there are too many sockets",
        other => return other.name().to_string(),
    };
    name.to_string()
}

fn stream_error(error: StreamError) -> String {
    match error {
        StreamError::Closed => "it has closed the connection".to_string(),
        StreamError::LastOperationFailed(error) => error.to_debug_string(),
    }
}

impl Sockets for WasiSockets {
    type Listener = Listener;
    type Stream = Stream;

    fn listen(&mut self, address: SocketAddr) -> Result<Listener, String> {
        let failed = |error: ErrorCode| format!("cannot listen at {address}: {}", say(error));
        let socket = create_tcp_socket(family(address)).map_err(failed)?;
        let waiting = socket.subscribe();
        socket.start_bind(&self.network, words(address)).map_err(failed)?;
        loop {
            match socket.finish_bind() {
                Err(ErrorCode::WouldBlock) => waiting.block(),
                done => break done.map_err(failed)?,
            }
        }
        socket.set_listen_backlog_size(256).map_err(failed)?;
        socket.start_listen().map_err(failed)?;
        loop {
            match socket.finish_listen() {
                Err(ErrorCode::WouldBlock) => waiting.block(),
                done => break done.map_err(failed)?,
            }
        }
        Ok(Listener { waiting, socket })
    }

    fn accept(&mut self, listener: &mut Listener) -> Result<Option<(Stream, String)>, String> {
        if !listener.waiting.ready() {
            return Ok(None);
        }
        match listener.socket.accept() {
            Ok((socket, input, output)) => {
                keep_alive(&socket);
                let from = socket.remote_address().map_or_else(say, |words| address(words).to_string());
                Ok(Some((Stream { ends: Some(Ends::new(input, output)), socket }, from)))
            }
            Err(ErrorCode::WouldBlock) => Ok(None),
            Err(error) => Err(say(error)),
        }
    }

    fn connect(&mut self, address: SocketAddr) -> Result<Stream, String> {
        let socket = create_tcp_socket(family(address)).map_err(say)?;
        keep_alive(&socket);
        socket.start_connect(&self.network, words(address)).map_err(say)?;
        Ok(Stream { ends: None, socket })
    }

    fn connected(&mut self, stream: &mut Stream) -> Result<bool, String> {
        match stream.socket.finish_connect() {
            Ok((input, output)) => {
                stream.ends = Some(Ends::new(input, output));
                Ok(true)
            }
            Err(ErrorCode::WouldBlock) => Ok(false),
            Err(error) => Err(say(error)),
        }
    }

    fn ready(&mut self, listener: Option<&Listener>, streams: &[&Stream]) -> Option<(bool, Vec<bool>)> {
        let mut asked: Vec<&Pollable> = Vec::with_capacity(streams.len() + 2);
        asked.push(&self.always);
        asked.extend(listener.map(|listener| &listener.waiting));
        let first = asked.len();
        asked.extend(streams.iter().filter_map(|stream| stream.ends.as_ref().map(|ends| &ends.readable)));
        if asked.len() - first != streams.len() {
            return None;
        }
        let mut ready = vec![false; asked.len()];
        for index in poll(&asked) {
            if let Some(ready) = ready.get_mut(index as usize) {
                *ready = true;
            }
        }
        let waits = listener.is_some() && ready.get(1) == Some(&true);
        Some((waits, ready.split_off(first)))
    }

    fn read(&mut self, stream: &mut Stream, into: &mut FrameReader) -> Result<Read, String> {
        let Some(ends) = &stream.ends else { return Ok(Read::All(0)) };
        match ends.input.read(READ) {
            Ok(bytes) => {
                let count = bytes.len();
                into.take(bytes);
                Ok(if count as u64 >= READ { Read::More(count) } else { Read::All(count) })
            }
            Err(StreamError::Closed) => Ok(Read::End),
            Err(error) => Err(stream_error(error)),
        }
    }

    fn write(&mut self, stream: &mut Stream, queue: &mut OutQueue) -> Result<usize, String> {
        let Some(ends) = &stream.ends else { return Ok(0) };
        let room = ends.output.check_write().map_err(stream_error)?;
        if room == 0 {
            return Ok(0);
        }
        let count = {
            let bytes = queue.joined(usize::try_from(room).unwrap_or(usize::MAX));
            ends.output.write(&bytes).map_err(stream_error)?;
            bytes.len()
        };
        queue.advance(count);
        Ok(count)
    }

    fn close(&mut self, stream: Stream) {
        self.ended.push(stream);
    }

    fn close_listener(&mut self, listener: Listener) {
        self.ended_listeners.push(listener);
    }
}

/// A numeric address, or a fault that says why not.
pub fn numeric(text: &str) -> Result<SocketAddr, Fault> {
    parse_address(text).map_err(|why| fault(FaultKind::Configuration, why))
}

/// The bounds.
pub fn limits(words: n::NetworkLimits) -> Limits {
    Limits {
        frame: words.frame_bytes as usize,
        queue: words.queue_bytes as usize,
        connections: words.connections as usize,
    }
}

/// The greeting, or a fault that says which word of it is wrong.
pub fn greeting(words: n::HelloConfig) -> Result<Greeting, Fault> {
    let serializer = Serializer::from_name(&words.serializer).ok_or_else(|| {
        let text = format!("there is no serializer '{}': choose 'compact' or 'protobuf'", words.serializer);
        fault(FaultKind::Configuration, text)
    })?;
    let nodes = words.nodes.into_iter().map(NodeId).collect();
    let own = Endpoint::from_word(words.self_endpoint);
    Ok(Greeting::new(&words.cluster, own, serializer, Incarnation(words.incarnation), nodes))
}

/// The counters.
pub fn counters(c: Counters) -> n::NetworkCounters {
    n::NetworkCounters {
        frames_in: c.frames_in,
        bytes_in: c.bytes_in,
        reads: c.reads,
        frames_out: c.frames_out,
        bytes_out: c.bytes_out,
        writes: c.writes,
        shed: c.shed,
        connections: c.connections,
        refused: c.refused,
    }
}

/// A fault of the network.
pub fn network_fault(why: String) -> Fault {
    fault(FaultKind::Network, why)
}
