//! Whom clients connect to.

use super::line::Line;
use crate::bindings::client_server::{Answer, Intake, Request};
use crate::bindings::network_types::{NetworkCounters, NetworkLimits};
use crate::bindings::types::Fault;
use crate::convert;
use bytes::Bytes;
use paxos_frame::Greeting;
use paxos_frame::greeting::HELLO_LIMIT;
use paxos_types::{ClientFrame, Limits};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::Bound;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};

/// How long a client may stay without a hello, in nanoseconds.
const HELLO_TIME: u64 = 5_000_000_000;

/// How long the system of a client may be silent: longer than that of a node, as it may be far away.
const PATIENCE: Duration = Duration::from_secs(20);

/// The end that clients connect to.
#[derive(Debug)]
pub struct Clients {
    listener: TcpListener,
    greeting: Greeting,
    limits: NetworkLimits,
    waiting: Vec<(TcpStream, SocketAddr)>,
    /// By connection number, which is never used twice.
    lines: BTreeMap<u64, Client>,
    last: u64,
    /// Whose turn is after this one.
    turn: u64,
    /// Clients are not read from at present.
    held: bool,
    /// The last failure to accept that was noted: the same one is not noted again.
    noted: String,
    /// Counts since the start.
    pub counts: NetworkCounters,
}

#[derive(Debug)]
struct Client {
    line: Line,
    address: SocketAddr,
    greeted: bool,
    /// When it connected.
    since: u64,
    /// Refused: it goes when its last frame is out.
    leaving: bool,
}

impl Clients {
    /// Listens on an address.
    pub fn listen(address: &str, cluster: &str, limits: NetworkLimits, ending: Duration) -> Result<Self, Fault> {
        Ok(Self {
            listener: super::listen(address, ending)?,
            greeting: Greeting::of_client_server(cluster),
            limits,
            waiting: Vec::new(),
            lines: BTreeMap::new(),
            last: 0,
            turn: 0,
            held: false,
            noted: String::new(),
            counts: super::no_counts(),
        })
    }

    /// Accepts and reads; with `most` = 0 only accepts.
    pub fn requests(&mut self, now: u64, most: usize) -> Intake {
        let mut intake = Intake { requests: Vec::new(), closed: Vec::new(), more: false, notes: Vec::new() };
        self.held = most == 0;
        self.accept(now, &mut intake.notes);
        if !self.held {
            let first = (Bound::Excluded(self.turn), Bound::Unbounded);
            let order: Vec<u64> =
                self.lines.range(first).chain(self.lines.range(..=self.turn)).map(|(id, _)| *id).collect();
            let mut taken = 0;
            for id in order {
                if taken >= most {
                    intake.more = true;
                    break;
                }
                self.turn = id;
                let Some(client) = self.lines.get_mut(&id) else { continue };
                // Who does not read its replies is not read from.
                if client.line.queue.is_full() {
                    continue;
                }
                taken += client.line.fill(&mut self.counts);
                if let Err(why) = client.take(id, &self.greeting, self.limits, &mut intake.requests) {
                    self.counts.refused += 1;
                    intake.notes.push(format!("closed the connection of the client {}: {why}", client.address));
                    client.refuse(&why, &mut self.counts);
                }
            }
        }
        for client in self.lines.values_mut().filter(|client| !client.greeted && !client.leaving) {
            if now.saturating_sub(client.since) > HELLO_TIME {
                let why = "it said no hello in 5 s";
                self.counts.refused += 1;
                intake.notes.push(format!("closed the connection of the client {}: {why}", client.address));
                client.refuse(why, &mut self.counts);
            }
        }
        self.counts.frames_in += intake.requests.len() as u64;
        self.sweep(&mut intake.closed);
        intake
    }

    /// Queues answers and writes. Who leaves is swept out by the next [`Clients::requests`].
    pub fn reply(&mut self, replies: Vec<Answer>) {
        for Answer { connection, frame } in replies {
            if let Some(client) = self.lines.get_mut(&connection) {
                self.counts.frames_out += 1;
                // A refusal is the last frame of its connection.
                client.leaving |= matches!(ClientFrame::decode(&frame), Ok(ClientFrame::Refused(_)));
                client.line.queue.push(Bytes::copy_from_slice(&paxos_frame::header(&frame)));
                client.line.queue.push(Bytes::from(frame));
            }
        }
        for client in self.lines.values_mut() {
            client.line.flush(&mut self.counts);
        }
    }

    /// Whether [`Clients::requests`] or [`Clients::reply`] would do something.
    pub fn is_ready(&mut self, cx: &mut Context<'_>) -> bool {
        if let Poll::Ready(Ok(connection)) = self.listener.poll_accept(cx) {
            self.waiting.push(connection);
        }
        let mut ready = !self.waiting.is_empty();
        for client in self.lines.values() {
            let reading = !self.held && !client.leaving && !client.line.queue.is_full();
            ready |= client.line.is_ready(cx, reading) || (client.leaving && client.line.queue.is_empty());
        }
        ready
    }

    fn accept(&mut self, now: u64, notes: &mut Vec<String>) {
        let mut cx = Context::from_waker(Waker::noop());
        loop {
            let (stream, address) = match self.waiting.pop() {
                Some(connection) => connection,
                None => match self.listener.poll_accept(&mut cx) {
                    Poll::Ready(Ok(connection)) => connection,
                    Poll::Ready(Err(error)) => {
                        let why = format!("cannot accept a client: {error}");
                        if self.noted != why {
                            notes.push(why.clone());
                            self.noted = why;
                        }
                        return;
                    }
                    Poll::Pending => return,
                },
            };
            self.noted.clear();
            let mut line = Line::new(stream, HELLO_LIMIT, convert::size(self.limits.queue_bytes), PATIENCE);
            line.queue.push(self.greeting.frame());
            let mut client = Client { line, address, greeted: false, since: now, leaving: false };
            if self.lines.len() >= convert::size(self.limits.connections) {
                self.counts.refused += 1;
                let why = format!("there are {} connections already (limits.connections)", self.limits.connections);
                notes.push(format!("closed the connection of the client {address}: {why}"));
                client.refuse(&why, &mut self.counts);
                continue;
            }
            client.line.flush(&mut self.counts);
            self.last += 1;
            self.lines.insert(self.last, client);
        }
    }

    /// Forgets who is gone.
    fn sweep(&mut self, closed: &mut Vec<u64>) {
        self.lines.retain(|id, client| {
            let gone = client.line.closed().is_some() || (client.leaving && client.line.queue.is_empty());
            if gone {
                closed.push(*id);
            }
            !gone
        });
        self.counts.connections = self.lines.len() as u64;
    }
}

impl Client {
    /// Moves whole requests out, after the hello.
    fn take(
        &mut self,
        connection: u64,
        greeting: &Greeting,
        limits: NetworkLimits,
        requests: &mut Vec<Request>,
    ) -> Result<(), String> {
        if self.leaving {
            return Ok(());
        }
        if !self.greeted {
            let Some(body) = self.line.reader.next_frame().map_err(|error| error.to_string())? else { return Ok(()) };
            greeting.check_client(body).map_err(|refusal| refusal.to_string())?;
            self.greeted = true;
            // One request becomes one batch, and a batch has to fit into a message.
            self.line.reader.set_limit(convert::size(limits.frame_bytes).min(Limits::MAX_BATCH_BYTES));
        }
        while let Some(body) = self.line.reader.next_frame().map_err(|error| error.to_string())? {
            match ClientFrame::decode(body) {
                Ok(ClientFrame::Request(commands)) => {
                    requests.push(Request { connection, commands: commands.to_vec() })
                }
                Ok(_) => return Err("a client sends requests and nothing else".to_owned()),
                Err(error) => return Err(error.to_string()),
            }
        }
        Ok(())
    }

    /// Says why, and lets it go when that is written.
    fn refuse(&mut self, why: &str, counts: &mut NetworkCounters) {
        let mut body = Vec::new();
        ClientFrame::Refused(why).encode(&mut body);
        self.line.queue.push(paxos_frame::frame(&body));
        self.line.flush(counts);
        self.leaving = true;
    }
}
