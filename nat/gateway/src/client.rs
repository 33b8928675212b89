//! One client: its socket, and where both of its streams stand.
//!
//! ```text
//!   client ── socket ──> intake  ── Data, HalfClose ──> log        read only against credit
//!   client <── socket ── queue <── Data, HalfClose, Closed ── log  written as fast as the client reads
//! ```
//!
//! The two streams end independently. When the program has closed its socket the connection is *closing*: what is
//! queued is written, a FIN follows, and what the client still sends is thrown away until it ends too. Closing the
//! socket earlier would make the operating system answer such bytes with a reset, which can destroy the last bytes of
//! the answer in the client's receive buffer (RFC 9293, 3.6.1; RFC 2525, 2.17).
//!
//! When the program has left bytes of the client unread, the connection must end with a reset, so that the client does
//! not take them for received (RFC 1122, 4.2.2.13). It comes behind everything that the program has sent: not before
//! the client's host has acknowledged that, since a reset throws away what still waits on our side.

use crate::keepalive::{Patience, ask_soon};
use crate::unacked::Unacked;
use crate::{ClientInfo, ClientState};
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use replicode_log::{ConnId, HostAddr, Input, KeepAlive, Service};
use replicode_nat::{Intake, Outflow, Violation};
use socket2::SockRef;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

/// Chunks handed to the operating system in one call.
const SLICES: usize = 16;

/// What the event queue tells of every client: bytes, and urgent ones, because of which a read ends early.
#[cfg(any(target_os = "linux", target_os = "android"))]
const READING: Interest = Interest::READABLE.add(Interest::PRIORITY);
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const READING: Interest = Interest::READABLE;

#[derive(Debug)]
pub(crate) struct Client {
    stream: TcpStream,
    conn: ConnId,
    from: HostAddr,
    to: Arc<Service>,

    /// The stream into the log: what was read, and what may be.
    intake: Intake,
    /// Reading may bring something. Falls when the socket said that there is nothing; an event raises it.
    readable: bool,
    /// The event queue has told of the client's end, so that reading goes on until it is found.
    end_announced: bool,
    /// The event queue has told of an error, found by reading if credit allows, and acted on otherwise.
    failed: bool,
    /// There is urgent data: a read ends before it, however much lies behind.
    urgent: bool,
    /// The program has ended both directions: the next byte is answered with a reset.
    deaf: bool,

    /// The stream out of the log: `acked` is what was written, `sent` what was queued, the window bounds the queue.
    outflow: Outflow,
    queue: VecDeque<Vec<u8>>,
    /// Bytes of the first chunk that were written already.
    head: usize,
    /// Writing may succeed. Falls when the socket was full; an event raises it.
    writable: bool,
    /// Whether the event queue was asked to tell when there is room. Most clients never fill their socket.
    watched_for_room: bool,
    fin_sent: bool,
    /// Last position reported to the log as written.
    reported: u64,

    /// The program has closed its socket.
    closing: bool,
    /// Closing, and the end is a reset.
    resets: bool,
    /// Closing, and only the client's end is awaited, or the acknowledgement of the last bytes.
    pub(crate) awaits: Option<Awaited>,
    /// What the client's host had not acknowledged when it was last asked about, and since when it is so much.
    unacked: Option<(u32, Instant)>,
    /// When patience with a closing client ends.
    pub(crate) deadline: Option<Instant>,

    // Marks of the event loop: the client is in its list of those to read from, and of those to write to.
    pub(crate) to_read: bool,
    pub(crate) to_write: bool,
}

/// What reading brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Got {
    /// So many bytes, the first of them at `offset`.
    Bytes { offset: u64, len: usize },
    /// The client's end, at `offset`.
    End { offset: u64 },
    /// Nothing for now, or nothing for the log.
    Nothing,
    /// Bytes that nobody can read any more.
    Unwanted,
    /// The connection is gone.
    Lost,
}

/// What a closing client is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Awaited {
    /// Its own end.
    End,
    /// That its host has everything.
    Acks,
}

/// What writing led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flushed {
    /// The connection goes on.
    Goes,
    /// Closing: all is written and the FIN is out, the client's end is awaited.
    AwaitsEnd,
    /// Closing with a reset: all is written, and must arrive first.
    AwaitsAcks,
    /// Closing: both streams have ended.
    Over,
    /// The connection is gone.
    Lost,
}

impl Client {
    pub(crate) fn new(
        stream: TcpStream,
        conn: ConnId,
        from: SocketAddr,
        to: Arc<Service>,
        recv_window: u32,
        send_window: u32,
    ) -> Self {
        Self {
            stream,
            conn,
            from: host_addr(from),
            to,
            intake: Intake::new(recv_window.into()),
            // A client that connects to ask something has often asked already: its first bytes then travel in the
            // same batch as its connection.
            readable: true,
            end_announced: false,
            failed: false,
            urgent: false,
            deaf: false,
            outflow: Outflow::new(send_window.into()),
            queue: VecDeque::new(),
            head: 0,
            writable: true,
            watched_for_room: false,
            fin_sent: false,
            reported: 0,
            closing: false,
            resets: false,
            awaits: None,
            unacked: None,
            deadline: None,
            to_read: false,
            to_write: false,
        }
    }

    pub(crate) const fn conn(&self) -> ConnId {
        self.conn
    }

    /// What the log is told first.
    pub(crate) fn opening(&self) -> Input {
        Input::Open { conn: self.conn, to: Service::clone(&self.to), from: self.from }
    }

    pub(crate) fn watch(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut self.stream, token, READING)
    }

    /// Takes note of what the event queue says.
    pub(crate) fn note(&mut self, event: &mio::event::Event) {
        self.readable |= event.is_readable() || event.is_read_closed() || event.is_error();
        self.end_announced |= event.is_read_closed();
        self.failed |= event.is_error();
        self.urgent |= event.is_priority();
        self.writable |= event.is_writable() || event.is_write_closed() || event.is_error();
    }

    /// Whether [`Client::read`] may have something to say.
    pub(crate) const fn wants_read(&self) -> bool {
        self.readable && (self.has_credit() || (self.closing || self.deaf) && !self.intake.ended() || self.failed)
    }

    /// Whether [`Client::flush`] may have something to do.
    pub(crate) fn wants_write(&self) -> bool {
        self.writable && !self.queue.is_empty()
    }

    const fn has_credit(&self) -> bool {
        self.intake.received() < self.intake.limit()
    }

    /// Reads once, at most what fits in `scratch` and what credit allows. When closing, credit does not matter and
    /// the bytes are thrown away.
    pub(crate) fn read(&mut self, scratch: &mut [u8]) -> Got {
        let offset = self.intake.received();
        let room = usize::try_from(self.intake.limit() - offset).unwrap_or(usize::MAX);
        let most = if self.closing || self.deaf { scratch.len() } else { scratch.len().min(room) };
        if most == 0 || self.intake.ended() {
            // Nothing can be read for the log, so an error would never be found by reading.
            return if self.failed { Got::Lost } else { Got::Nothing };
        }
        match self.stream.read(&mut scratch[..most]) {
            Ok(0) => {
                self.readable = self.failed;
                match self.intake.end(offset) {
                    Ok(_) if !self.closing => Got::End { offset },
                    _ => Got::Nothing,
                }
            }
            Ok(len) => {
                // Less than asked for: the socket is empty, and its next bytes are a new event (epoll(7)). Unless a read
                // ends early for another reason: before urgent data. An event tells of that, one that came before this
                // read or, if it arrived since, one that is still to come.
                self.readable = len == most || self.urgent || self.end_announced || self.failed;
                if self.closing {
                    return Got::Nothing;
                }
                if self.deaf {
                    return Got::Unwanted;
                }
                match self.intake.receive(offset, len) {
                    Ok(_) => Got::Bytes { offset, len },
                    Err(_) => Got::Lost,
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.readable = false;
                self.urgent = false;
                Got::Nothing
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Got::Nothing,
            Err(_) => Got::Lost,
        }
    }

    /// The program has read so far that bytes up to `limit` may come.
    pub(crate) const fn grant(&mut self, limit: u64) {
        self.intake.grant(limit);
    }

    /// Queues bytes of the program, the first of them at `offset`. A repeat is cut off.
    ///
    /// # Errors
    /// A [`Violation`] when bytes before them are missing, or more wait than the window allows.
    pub(crate) fn queue(&mut self, offset: u64, mut bytes: Vec<u8>) -> Result<(), Violation> {
        let repeated = usize::try_from(self.outflow.sent().saturating_sub(offset)).unwrap_or(usize::MAX);
        if repeated >= bytes.len() {
            return Ok(());
        }
        if repeated > 0 {
            bytes.drain(..repeated);
        }
        self.outflow.send(offset + repeated as u64, bytes.len())?;
        self.queue.push_back(bytes);
        Ok(())
    }

    /// The program sends nothing more than `offset` bytes.
    ///
    /// # Errors
    /// A [`Violation`] when not exactly these bytes were queued.
    pub(crate) fn end(&mut self, offset: u64) -> Result<(), Violation> {
        self.outflow.end(offset).map(|_| ())
    }

    /// The program has closed its socket, which also ends its stream.
    ///
    /// # Errors
    /// None: a stream can always end where it is.
    pub(crate) fn close(&mut self) -> Result<(), Violation> {
        self.closing = true;
        // Credit may have stopped the reading before; now the rest is to be thrown away.
        self.readable = true;
        self.end(self.outflow.sent())
    }

    /// The program has closed its socket with bytes of the client unread, or the log has given the connection up: a
    /// reset, behind what is queued.
    pub(crate) const fn close_with_reset(&mut self) {
        self.closing = true;
        self.resets = true;
        self.readable = true;
    }

    /// Where a reset cannot be timed.
    ///
    /// # Errors
    /// None: see [`Client::close`].
    pub(crate) fn end_instead_of_reset(&mut self) -> Result<(), Violation> {
        self.resets = false;
        self.awaits = None;
        self.close()
    }

    /// Bytes of the client are nobody's from now on.
    pub(crate) const fn turn_deaf(&mut self) {
        self.deaf = true;
    }

    /// Asks a silent client's host whether it is still there as soon as the program wants, if that is sooner than the
    /// node would.
    pub(crate) fn keep_alive(&self, wanted: Option<KeepAlive>, patience: &Patience) -> io::Result<()> {
        ask_soon(&SockRef::from(&self.stream), &patience.sooner(wanted))
    }

    /// How much of what was written has not arrived, and since when it is so much. `None`: nobody knows.
    pub(crate) fn unacked(&mut self, asked: &mut Unacked, now: Instant) -> Option<(u32, Instant)> {
        let left = asked.of(&self.stream)?;
        if self.unacked.is_none_or(|(before, _)| left < before) {
            self.unacked = Some((left, now));
        }
        self.unacked
    }

    pub(crate) const fn is_closing(&self) -> bool {
        self.closing
    }

    /// Writes what the client's socket takes, then ends the stream if it is to end.
    pub(crate) fn flush(&mut self, registry: &Registry, token: Token) -> Flushed {
        while self.writable && !self.queue.is_empty() {
            match self.write_once() {
                Ok(0) => return Flushed::Lost,
                Ok(len) => {
                    if self.outflow.ack(self.outflow.acked() + len as u64).is_err() {
                        return Flushed::Lost;
                    }
                    self.forget(len);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.writable = false;
                    if !self.watched_for_room {
                        self.watched_for_room = true;
                        let all = READING.add(Interest::WRITABLE);
                        if registry.reregister(&mut self.stream, token, all).is_err() {
                            return Flushed::Lost;
                        }
                    }
                }
                Err(_) => return Flushed::Lost,
            }
        }
        if self.queue.is_empty() && self.outflow.ended() && !self.fin_sent {
            if self.stream.shutdown(Shutdown::Write).is_err() {
                return Flushed::Lost;
            }
            self.fin_sent = true;
        }
        if self.resets {
            return if self.queue.is_empty() { Flushed::AwaitsAcks } else { Flushed::Goes };
        }
        match (self.closing && self.fin_sent, self.intake.ended()) {
            (false, _) => Flushed::Goes,
            (true, false) => Flushed::AwaitsEnd,
            (true, true) => Flushed::Over,
        }
    }

    fn write_once(&mut self) -> io::Result<usize> {
        if let (1, Some(chunk)) = (self.queue.len(), self.queue.front()) {
            return self.stream.write(&chunk[self.head..]);
        }
        let mut slices = [IoSlice::new(&[]); SLICES];
        let mut head = self.head;
        let mut count = 0;
        for (slice, chunk) in slices.iter_mut().zip(&self.queue) {
            *slice = IoSlice::new(&chunk[head..]);
            head = 0;
            count += 1;
        }
        self.stream.write_vectored(&slices[..count])
    }

    /// Drops `len` written bytes from the front of the queue.
    fn forget(&mut self, len: usize) {
        self.head += len;
        while let Some(first) = self.queue.front()
            && self.head >= first.len()
        {
            self.head -= first.len();
            self.queue.pop_front();
        }
    }

    /// The position to report to the log, once `step` more bytes were written since the last report: until then the
    /// program has room enough, and an input less is a batch less.
    pub(crate) const fn report(&mut self, step: u64) -> Option<u64> {
        let written = self.outflow.acked();
        if self.closing || written - self.reported < step {
            return None;
        }
        self.reported = written;
        Some(written)
    }

    /// Ends the connection in good order, if it may end so: the log has asked for it, and all is written. Otherwise,
    /// and whenever a client is merely dropped, the socket's linger setting makes it a reset.
    pub(crate) fn finish(self) {
        if self.closing && self.fin_sent && !self.failed && !self.resets {
            // If this fails the client sees a reset behind its last byte, which is no false end.
            let _ = SockRef::from(&self.stream).set_linger(None);
        }
    }

    pub(crate) fn info(&self) -> ClientInfo {
        let state = match (self.closing, self.intake.ended(), self.outflow.ended()) {
            (true, ..) => ClientState::Closing,
            (_, false, false) => ClientState::Open,
            (_, true, false) => ClientState::ClientDone,
            (_, false, true) => ClientState::ProgramDone,
            (_, true, true) => ClientState::BothDone,
        };
        ClientInfo {
            conn: self.conn,
            from: self.from,
            to: Service::clone(&self.to),
            state,
            bytes_in: self.intake.received(),
            credit: self.intake.limit(),
            bytes_out: self.outflow.acked(),
            unwritten: self.outflow.sent() - self.outflow.acked(),
        }
    }
}

fn host_addr(addr: SocketAddr) -> HostAddr {
    match addr {
        SocketAddr::V4(addr) => HostAddr::V4(addr.ip().octets(), addr.port()),
        SocketAddr::V6(addr) => HostAddr::V6(addr.ip().octets(), addr.port()),
    }
}
