//! What is asked of sockets, and what all three ends share.

use paxos_frame::{FrameError, FrameReader, OutQueue};
use std::net::SocketAddr;

/// Non-blocking TCP, as little of it as is needed. Errors are sentences.
pub trait Sockets {
    /// A socket that listens.
    type Listener;
    /// A connection, or one that is being made.
    type Stream;

    /// Binds and listens.
    fn listen(&mut self, address: SocketAddr) -> Result<Self::Listener, String>;
    /// A connection that waits to be accepted; none if there is none. With it who it is, for messages.
    fn accept(&mut self, listener: &mut Self::Listener) -> Result<Option<(Self::Stream, String)>, String>;
    /// Begins to connect.
    fn connect(&mut self, address: SocketAddr) -> Result<Self::Stream, String>;
    /// Whether the connection is there.
    fn connected(&mut self, stream: &mut Self::Stream) -> Result<bool, String>;
    /// Whether a connection waits at the listener, and which streams have bytes or have ended; `None` where asking costs as much as
    /// trying.
    fn ready(&mut self, _listener: Option<&Self::Listener>, _streams: &[&Self::Stream]) -> Option<(bool, Vec<bool>)> {
        None
    }
    /// Reads once what is there.
    fn read(&mut self, stream: &mut Self::Stream, into: &mut FrameReader) -> Result<Read, String>;
    /// Writes once what waits, as much as is taken, and tells the queue; answers how much. 0: no more now.
    fn write(&mut self, stream: &mut Self::Stream, queue: &mut OutQueue) -> Result<usize, String>;
    /// Gives a connection up.
    fn close(&mut self, stream: Self::Stream);
    /// Gives a listener up.
    fn close_listener(&mut self, listener: Self::Listener);
}

/// Nanoseconds in which who connects must say who it is, and in which who is called must answer: connections that say nothing do not keep
/// others out.
pub(crate) const PATIENCE: u64 = 5_000_000_000;

/// What one read brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// That many bytes, and there may be more.
    More(usize),
    /// That many bytes, and that was all there is now.
    All(usize),
    /// The other end has closed.
    End,
}

/// What to wait for.
pub enum Interest<'a, S: Sockets> {
    /// A connection to accept.
    Accept(&'a S::Listener),
    /// A connection that is being made.
    Connect(&'a S::Stream),
    /// Bytes, or the end.
    Read(&'a S::Stream),
    /// Room.
    Write(&'a S::Stream),
}

/// Bounds; see `network-types.network-limits`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest frame.
    pub frame: usize,
    /// Most bytes that wait for one peer or client.
    pub queue: usize,
    /// Most connections.
    pub connections: usize,
}

/// Counters since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Counters {
    pub frames_in: u64,
    pub bytes_in: u64,
    pub reads: u64,
    pub frames_out: u64,
    pub bytes_out: u64,
    pub writes: u64,
    pub shed: u64,
    pub connections: u64,
    pub refused: u64,
}

impl Counters {
    /// Writes while there is something and it is taken.
    pub(crate) fn write_all<S: Sockets>(
        &mut self,
        sockets: &mut S,
        stream: &mut S::Stream,
        queue: &mut OutQueue,
    ) -> Result<(), String> {
        while !queue.is_empty() {
            let count = sockets.write(stream, queue)?;
            if count == 0 {
                break;
            }
            self.writes += 1;
            self.bytes_out += count as u64;
        }
        Ok(())
    }

    /// Reads once; answers whether there may be more, and `None` at the end.
    pub(crate) fn read_once<S: Sockets>(
        &mut self,
        sockets: &mut S,
        stream: &mut S::Stream,
        into: &mut FrameReader,
    ) -> Result<Option<(usize, bool)>, String> {
        let (count, more) = match sockets.read(stream, into)? {
            Read::More(count) => (count, true),
            Read::All(count) => (count, false),
            Read::End => return Ok(None),
        };
        if count > 0 {
            self.reads += 1;
            self.bytes_in += count as u64;
        }
        Ok(Some((count, more)))
    }
}

/// A frame error as a sentence.
pub(crate) fn frame_error(error: FrameError) -> String {
    error.to_string()
}

/// An address as the configuration gives it to us: numeric.
pub fn parse_address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|e| format!("'{text}' is no numeric address such as 127.0.0.1:7001: {e}"))
}
