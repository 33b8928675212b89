//! One connection: frames in, frames out, never blocking.

use crate::bindings::network_types::NetworkCounters;
use bytes::Bytes;
use paxos_frame::{FrameReader, OutQueue};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// How many frames one gathering write takes at most.
const SLICES: usize = 64;

/// How many bytes one read may bring at most before others have their turn.
const READ_AT_ONCE: usize = 1 << 20;

/// A connection.
#[derive(Debug)]
pub struct Line {
    stream: TcpStream,
    /// What came in.
    pub reader: FrameReader,
    /// What goes out.
    pub queue: OutQueue,
    /// The other end has closed, or the connection broke. What came in before still counts.
    closed: Option<String>,
}

impl Line {
    /// Over a connected stream. Frames of at most `frame` bytes, a queue of about `queue` bytes. After `patience` without an
    /// answer of the other end's system it is over: a partition that has healed is found healed at the next attempt, not
    /// when the system sends again for the last time, and an end that is gone without a word does not stay for ever.
    pub fn new(stream: TcpStream, frame: usize, queue: usize, patience: Duration) -> Self {
        // A frame is a whole turn's work: waiting for more would only delay it. Without these options things still work.
        let _ = stream.set_nodelay(true);
        let socket = socket2::SockRef::from(&stream);
        let probes = socket2::TcpKeepalive::new().with_time(patience).with_interval(Duration::from_secs(1));
        let _ = socket.set_tcp_keepalive(&probes);
        #[cfg(target_os = "linux")]
        let _ = socket.set_tcp_user_timeout(Some(patience));
        Self { stream, reader: FrameReader::new(frame), queue: OutQueue::new(queue), closed: None }
    }

    /// Why it is over, if it is.
    pub fn closed(&self) -> Option<&str> {
        self.closed.as_deref()
    }

    /// Reads what is there, at most about `READ_AT_ONCE`; answers how many bytes came.
    pub fn fill(&mut self, counts: &mut NetworkCounters) -> usize {
        let mut total = 0;
        let mut cx = Context::from_waker(Waker::noop());
        while self.closed.is_none() && total < READ_AT_ONCE {
            let stream = &mut self.stream;
            let mut full = false;
            let got = self.reader.read(|room| {
                let mut buffer = ReadBuf::new(room);
                match Pin::new(&mut *stream).poll_read(&mut cx, &mut buffer) {
                    Poll::Ready(Ok(())) => {
                        full = buffer.remaining() == 0;
                        Ok(buffer.filled().len())
                    }
                    Poll::Ready(Err(error)) => Err(error),
                    Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
                }
            });
            match got {
                Ok(0) => self.closed = Some("the other end closed it".to_owned()),
                Ok(count) => {
                    counts.reads += 1;
                    counts.bytes_in += count as u64;
                    total += count;
                    // Less than there was room for: nothing more is there.
                    if !full {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => self.closed = Some(error.to_string()),
            }
        }
        total
    }

    /// Queues a whole frame; what is dropped for it is counted.
    pub fn send_shedding(&mut self, frame: Bytes, counts: &mut NetworkCounters) {
        counts.shed += self.queue.push_shedding(frame);
    }

    /// Writes what the socket takes.
    pub fn flush(&mut self, counts: &mut NetworkCounters) {
        let mut cx = Context::from_waker(Waker::noop());
        while self.closed.is_none() && !self.queue.is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let filled = self.queue.slices(&mut slices);
            let slices = slices.get(..filled).unwrap_or_default();
            match Pin::new(&mut self.stream).poll_write_vectored(&mut cx, slices) {
                Poll::Ready(Ok(0)) => self.closed = Some("nothing can be written any more".to_owned()),
                Poll::Ready(Ok(count)) => {
                    counts.writes += 1;
                    counts.bytes_out += count as u64;
                    self.queue.advance(count);
                }
                Poll::Ready(Err(error)) => self.closed = Some(error.to_string()),
                Poll::Pending => break,
            }
        }
    }

    /// Whether a read would bring something (also the end), or a write would take what waits.
    pub fn is_ready(&self, cx: &mut Context<'_>, reading: bool) -> bool {
        if self.closed.is_some() {
            return true;
        }
        // Both, so that both wake.
        let readable = reading && self.stream.poll_read_ready(cx).is_ready();
        let writable = !self.queue.is_empty() && self.stream.poll_write_ready(cx).is_ready();
        readable || writable
    }
}
