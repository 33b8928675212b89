//! The two directions of a connection, as `wasi:io` streams.

use bytes::Bytes;
use socket2::SockRef;
use std::future::{Future, poll_fn};
use std::io::{self, ErrorKind};
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::{InputStream, OutputStream, Pollable, StreamError, StreamResult};

/// Bytes of one read or one write at most, whatever the component asks for: it does not choose how much the host reserves.
const MOST: usize = 64 << 10;

fn failed(error: io::Error) -> StreamError {
    match error.kind() {
        ErrorKind::BrokenPipe => StreamError::Closed,
        _ => StreamError::LastOperationFailed(error.into()),
    }
}

/// What comes in.
pub struct Reader {
    stream: Arc<TcpStream>,
    ended: bool,
}

impl Reader {
    pub(super) const fn new(stream: Arc<TcpStream>) -> Self {
        Self { stream, ended: false }
    }
}

impl InputStream for Reader {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        if self.ended {
            return Err(StreamError::Closed);
        }
        if size == 0 {
            return Ok(Bytes::new());
        }
        // Reserved, and not cleared: the system writes before anybody reads.
        let mut bytes = Vec::with_capacity(size.min(MOST));
        match self.stream.try_read_buf(&mut bytes) {
            Ok(0) => {
                self.ended = true;
                Err(StreamError::Closed)
            }
            Ok(_) => Ok(bytes.into()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(Bytes::new()),
            Err(error) => {
                self.ended = true;
                Err(failed(error))
            }
        }
    }
}

#[async_trait]
impl Pollable for Reader {
    async fn ready(&mut self) {
        if !self.ended {
            // An error shows when it is read.
            let _ = poll_fn(|cx| self.stream.poll_read_ready(cx)).await;
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // It may have ended.
        let _ = SockRef::from(&*self.stream).shutdown(Shutdown::Read);
    }
}

/// What goes out.
pub struct Writer {
    stream: Arc<TcpStream>,
    /// What the system did not take at once is on its way.
    rest: Option<JoinHandle<io::Result<()>>>,
    /// Why nothing can be written any more: told once, after that the stream is closed.
    ended: Option<Option<io::Error>>,
}

impl Writer {
    pub(super) const fn new(stream: Arc<TcpStream>) -> Self {
        Self { stream, rest: None, ended: None }
    }

    /// Waits until the rest is written, if there is one.
    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(rest) = &mut self.rest else { return Poll::Ready(()) };
        let written = match Pin::new(rest).poll(cx) {
            Poll::Ready(written) => written,
            Poll::Pending => return Poll::Pending,
        };
        self.rest = None;
        if let Err(error) = written.unwrap_or_else(|error| Err(io::Error::other(error))) {
            self.ended = Some(Some(error));
        }
        Poll::Ready(())
    }

    fn check_ended(&mut self) -> StreamResult<()> {
        match &mut self.ended {
            None => Ok(()),
            Some(why) => Err(why.take().map_or(StreamError::Closed, failed)),
        }
    }
}

/// Writes all of it, whenever there is room.
async fn write_all(stream: Arc<TcpStream>, mut bytes: Bytes) -> io::Result<()> {
    while !bytes.is_empty() {
        stream.writable().await?;
        write_some(&stream, &mut bytes)?;
    }
    Ok(())
}

/// Writes what the system takes now.
fn write_some(stream: &TcpStream, bytes: &mut Bytes) -> io::Result<()> {
    while !bytes.is_empty() {
        match stream.try_write(bytes) {
            Ok(count) => drop(bytes.split_to(count)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[async_trait]
impl OutputStream for Writer {
    fn write(&mut self, mut bytes: Bytes) -> StreamResult<()> {
        self.check_ended()?;
        if self.rest.is_some() || bytes.len() > MOST {
            return Err(StreamError::trap("more was written than `check-write` permitted"));
        }
        if let Err(error) = write_some(&self.stream, &mut bytes) {
            self.ended = Some(None);
            return Err(failed(error));
        }
        if !bytes.is_empty() {
            self.rest = Some(tokio::spawn(write_all(Arc::clone(&self.stream), bytes)));
        }
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        // What was written is the system's, or on its way to it.
        self.check_ended()
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        let mut cx = Context::from_waker(Waker::noop());
        if self.poll_rest(&mut cx).is_pending() {
            return Ok(0);
        }
        self.check_ended()?;
        // An error shows when it is written.
        Ok(if self.stream.poll_write_ready(&mut cx).is_ready() { MOST } else { 0 })
    }

    async fn cancel(&mut self) {
        poll_fn(|cx| self.poll_rest(cx)).await;
    }
}

#[async_trait]
impl Pollable for Writer {
    async fn ready(&mut self) {
        poll_fn(|cx| self.poll_rest(cx)).await;
        if self.ended.is_none() {
            let _ = poll_fn(|cx| self.stream.poll_write_ready(cx)).await;
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // It may have ended.
        let _ = SockRef::from(&*self.stream).shutdown(Shutdown::Write);
    }
}
