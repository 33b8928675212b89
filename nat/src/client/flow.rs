//! One client: where both of its streams stand, and how they end.
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

use super::acks::{Arrival, Told};
use super::{CHUNK, ClientInfo, ClientState, Ending, Read, Readiness};
use crate::{Intake, Outflow, Violation};
use replicode_log::{ConnId, HostAddr, Input, Mono, Service};
use std::collections::{VecDeque, vec_deque};
use std::sync::Arc;

/// See the module.
#[derive(Debug)]
pub(crate) struct Flow {
    conn: ConnId,
    from: HostAddr,
    to: Arc<Service>,

    /// The stream into the log: what was read, and what may be.
    intake: Intake,
    /// Reading may bring something. Falls when the socket said that there is nothing; an event raises it.
    readable: bool,
    /// The client's end has been announced, so that reading goes on until it is found.
    end_announced: bool,
    /// An error has been announced, found by reading if credit allows, and acted on otherwise.
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
    fin_sent: bool,
    told: Told,

    /// The program has closed its socket.
    closing: bool,
    /// Closing, and the end is a reset.
    resets: bool,
    /// Closing, and only the client's end is awaited, or the acknowledgement of the last bytes.
    pub(crate) awaits: Option<Awaited>,
    pub(crate) arrival: Arrival,
    /// When patience with a closing client ends.
    pub(crate) deadline: Option<Mono>,

    // Marks of the rounds: the client is in the list of those to read from, and of those to write to.
    pub(crate) to_read: bool,
    pub(crate) to_write: bool,
}

/// What reading brought for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Got {
    /// All the bytes that were read, the first of them at `offset`.
    Bytes { offset: u64 },
    /// The client's end, at `offset`.
    End { offset: u64 },
    /// Nothing for now, or nothing for the log.
    Nothing,
    /// Bytes that nobody can read any more.
    Unwanted,
    /// The connection is gone.
    Lost,
}

/// What is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// What is queued.
    Bytes,
    /// The end of the stream.
    End,
    /// Nothing, at least for now.
    Nothing,
}

/// What a closing client is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Awaited {
    /// Its own end.
    End,
    /// That its host has everything.
    Acks,
}

/// Where a client stands once everything is written that can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stands {
    /// The connection goes on.
    Goes,
    /// Closing: all is written and the FIN is out, the client's end is awaited.
    AwaitsEnd,
    /// Closing with a reset: all is written, and must arrive first.
    AwaitsAcks,
    /// Closing: both streams have ended.
    Over,
}

impl Flow {
    pub(crate) fn new(conn: ConnId, from: HostAddr, to: Arc<Service>, recv_window: u32, send_window: u32) -> Self {
        Self {
            conn,
            from,
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
            fin_sent: false,
            told: Told::default(),
            closing: false,
            resets: false,
            awaits: None,
            arrival: Arrival::default(),
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

    /// What is announced of the socket.
    pub(crate) const fn handle_event(&mut self, event: Readiness) {
        self.readable |= event.readable || event.read_closed || event.failed;
        self.end_announced |= event.read_closed;
        self.failed |= event.failed;
        self.urgent |= event.urgent;
        self.writable |= event.writable || event.write_closed || event.failed;
    }

    /// Whether reading may have something to say.
    pub(crate) const fn wants_read(&self) -> bool {
        self.readable && (self.has_credit() || self.reads_for_nobody() && !self.intake.ended() || self.failed)
    }

    /// Whether writing may have something to do.
    pub(crate) fn wants_write(&self) -> bool {
        self.writable && !self.queue.is_empty()
    }

    const fn has_credit(&self) -> bool {
        self.intake.received() < self.intake.limit()
    }

    /// What is read is not put into the log, so that credit does not matter.
    const fn reads_for_nobody(&self) -> bool {
        self.closing || self.deaf
    }

    /// How much may be read now; nothing where that would be for the log and there is no credit, or where the stream has
    /// ended.
    pub(crate) fn most(&self) -> usize {
        if self.intake.ended() {
            return 0;
        }
        if self.reads_for_nobody() {
            return CHUNK;
        }
        CHUNK.min(usize::try_from(self.intake.limit() - self.intake.received()).unwrap_or(usize::MAX))
    }

    /// Nothing may be read. An error would then never be found by reading.
    pub(crate) const fn read_nothing(&self) -> Got {
        if self.failed { Got::Lost } else { Got::Nothing }
    }

    /// What a read of at most [`Flow::most`] bytes brought.
    pub(crate) fn handle_read(&mut self, read: &Read<'_>) -> Got {
        let (most, offset) = (self.most(), self.intake.received());
        match *read {
            Read::End => {
                self.readable = self.failed;
                match self.intake.end(offset) {
                    Ok(_) if !self.closing => Got::End { offset },
                    _ => Got::Nothing,
                }
            }
            Read::Bytes(bytes) => {
                // Less than asked for: the socket is empty, and its next bytes are a new event (epoll(7)). Unless a read
                // ends early for another reason: before urgent data. An event tells of that, one that came before this
                // read or, if it arrived since, one that is still to come.
                self.readable = bytes.len() == most || self.urgent || self.end_announced || self.failed;
                if self.closing {
                    return Got::Nothing;
                }
                if self.deaf {
                    return Got::Unwanted;
                }
                match self.intake.receive(offset, bytes.len()) {
                    Ok(_) => Got::Bytes { offset },
                    Err(_) => Got::Lost,
                }
            }
            Read::Empty => {
                self.readable = false;
                self.urgent = false;
                Got::Nothing
            }
            Read::Again => Got::Nothing,
            Read::Lost => Got::Lost,
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
    /// None: see [`Flow::close`].
    pub(crate) fn end_instead_of_reset(&mut self) -> Result<(), Violation> {
        self.resets = false;
        self.awaits = None;
        self.close()
    }

    /// Bytes of the client are nobody's from now on.
    pub(crate) const fn turn_deaf(&mut self) {
        self.deaf = true;
    }

    pub(crate) const fn is_closing(&self) -> bool {
        self.closing
    }

    /// What is to be written next.
    pub(crate) fn wanted(&self) -> Wanted {
        match (self.queue.is_empty(), self.writable) {
            (false, true) => Wanted::Bytes,
            (true, _) if self.outflow.ended() && !self.fin_sent => Wanted::End,
            _ => Wanted::Nothing,
        }
    }

    /// What is queued.
    pub(crate) fn chunks(&self) -> Chunks<'_> {
        Chunks { chunks: self.queue.iter(), head: self.head }
    }

    /// `len` bytes from the front of the queue have been written.
    ///
    /// # Errors
    /// [`Violation::Window`] when so many were not queued.
    pub(crate) fn handle_written(&mut self, len: usize) -> Result<(), Violation> {
        self.outflow.ack(self.outflow.acked() + len as u64)?;
        self.head += len;
        while let Some(first) = self.queue.front()
            && self.head >= first.len()
        {
            self.head -= first.len();
            self.queue.pop_front();
        }
        Ok(())
    }

    /// The socket takes nothing more for now.
    pub(crate) const fn handle_full(&mut self) {
        self.writable = false;
    }

    /// The end of the stream has been written.
    pub(crate) const fn handle_ended(&mut self) {
        self.fin_sent = true;
    }

    /// Where the client stands once everything is written that can be.
    pub(crate) fn stands(&self) -> Stands {
        if self.resets {
            return if self.queue.is_empty() { Stands::AwaitsAcks } else { Stands::Goes };
        }
        match (self.closing && self.fin_sent, self.intake.ended()) {
            (false, _) => Stands::Goes,
            (true, false) => Stands::AwaitsEnd,
            (true, true) => Stands::Over,
        }
    }

    /// The position to tell the log of, if one is due. Of a closing connection the log wants to know nothing more.
    pub(crate) const fn report(&mut self, step: u64) -> Option<u64> {
        if self.closing {
            return None;
        }
        self.told.due(self.outflow.acked(), step)
    }

    /// How the client's socket is to be closed: in good order only if the log has asked for it, and all is written.
    pub(crate) const fn ending(&self) -> Ending {
        if self.closing && self.fin_sent && !self.failed && !self.resets { Ending::InGoodOrder } else { Ending::Reset }
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

/// The chunks to be written, in order. None of them is empty.
#[derive(Clone, Debug)]
pub struct Chunks<'a> {
    chunks: vec_deque::Iter<'a, Vec<u8>>,
    /// Bytes of the first one that were written already.
    head: usize,
}

impl<'a> Iterator for Chunks<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let head = std::mem::take(&mut self.head);
        self.chunks.next().and_then(|chunk| chunk.get(head..))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.chunks.size_hint()
    }
}

impl ExactSizeIterator for Chunks<'_> {}
