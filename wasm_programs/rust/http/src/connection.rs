//! One client's connection: bytes in, requests answered in order, bytes out.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use crate::api::Store;
use crate::chunked::Seen;
use crate::message::{Parsed, Response, parse};
use replicode_guest::Ready;

/// At most this many bytes are read from one connection per turn.
const READ_SIZE: usize = 64 * 1024;
/// With this many bytes unsent, a client that does not read is no longer read either.
const MAX_OUTPUT: usize = 1024 * 1024;

/// A connection and what is on its way in either direction.
pub struct Connection {
    stream: TcpStream,
    input: Vec<u8>,
    output: Vec<u8>,
    /// How much of `output` is sent.
    sent: usize,
    /// The client will send no more. What it asked before is still answered.
    ended: bool,
    /// No request is answered any more; the connection ends when all output is sent.
    closing: bool,
    /// `100 Continue` was sent for the request that `input` starts with.
    continued: bool,
    /// How far the body of that request has been looked at.
    seen: Seen,
}

impl Connection {
    /// Takes over a non-blocking stream.
    pub fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            input: Vec::new(),
            output: Vec::new(),
            sent: 0,
            ended: false,
            closing: false,
            continued: false,
            seen: Seen::default(),
        }
    }

    /// Whether there is room for answers to more requests.
    pub fn wants_read(&self) -> bool {
        !self.closing && !self.ended && self.unsent() < MAX_OUTPUT
    }

    /// Whether output waits to be sent.
    pub fn wants_write(&self) -> bool {
        self.unsent() > 0
    }

    /// Does what can be done now; false when the connection is over.
    pub fn serve(&mut self, ready: Ready, store: &mut Store) -> bool {
        let before = self.unsent();
        if (ready.readable || ready.ended) && self.wants_read() {
            if !self.receive() {
                return false;
            }
        } else if ready.ended {
            return false;
        }
        loop {
            let limited = self.answer(store);
            // Output that already waited goes only when poll said so; new output is tried at once.
            if (before == 0 || ready.writable) && !self.send() {
                return false;
            }
            if !limited || self.unsent() > 0 {
                break;
            }
        }
        !((self.closing || self.ended) && self.unsent() == 0)
    }

    fn unsent(&self) -> usize {
        self.output.len() - self.sent
    }

    fn receive(&mut self) -> bool {
        let start = self.input.len();
        self.input.resize(start + READ_SIZE, 0);
        let result = self.stream.read(&mut self.input[start..]);
        self.input.truncate(start + result.as_ref().copied().unwrap_or(0));
        match result {
            Ok(0) => {
                self.ended = true;
                true
            }
            Ok(_) => true,
            Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
        }
    }

    /// Answers the complete requests in `input`; true when it stopped because too much output waits.
    fn answer(&mut self, store: &mut Store) -> bool {
        let mut done = 0;
        let mut limited = false;
        while !self.closing {
            limited = self.unsent() >= MAX_OUTPUT;
            if limited {
                break;
            }
            match parse(&self.input[done..], &mut self.seen) {
                Parsed::Incomplete { wants_continue } => {
                    if wants_continue && !self.continued {
                        self.output.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
                        self.continued = true;
                    }
                    break;
                }
                Parsed::Refused(response) => {
                    // Where the next request starts is not known, so this one is the last.
                    response.write(&mut self.output, false, false);
                    self.closing = true;
                }
                Parsed::Request(request) => {
                    store.answer(&request).write(&mut self.output, request.keep_alive, request.head_only);
                    self.closing = !request.keep_alive;
                    self.continued = false;
                    self.seen = Seen::default();
                    done += request.length;
                }
            }
        }
        self.input.drain(..done);
        if self.input.is_empty() && self.input.capacity() > READ_SIZE {
            self.input = Vec::new();
        }
        limited
    }

    fn send(&mut self) -> bool {
        if self.unsent() == 0 {
            return true;
        }
        match self.stream.write(&self.output[self.sent..]) {
            Ok(n) => self.sent += n,
            Err(error) => return matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
        }
        if self.sent == self.output.len() {
            self.sent = 0;
            self.output.clear();
            if self.output.capacity() > READ_SIZE {
                self.output = Vec::new();
            }
        }
        true
    }
}

/// Refusals are decided by `parse`, answers by the store; both are written here.
impl Response {
    fn write(&self, output: &mut Vec<u8>, keep_alive: bool, head_only: bool) {
        let connection = if keep_alive { "keep-alive" } else { "close" };
        output.extend_from_slice(
            format!("HTTP/1.1 {} {}\r\nConnection: {connection}\r\n", self.status, self.reason()).as_bytes(),
        );
        if let Some(methods) = self.allow {
            output.extend_from_slice(format!("Allow: {methods}\r\n").as_bytes());
        }
        if self.status == 204 {
            output.extend_from_slice(b"\r\n"); // no body, so no length (RFC 9110 section 8.6)
            return;
        }
        output.extend_from_slice(
            format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n", self.body.len()).as_bytes(),
        );
        if !head_only {
            output.extend_from_slice(&self.body);
        }
    }
}
