//! Whom peers connect to.

use super::line::Line;
use crate::bindings::network_server::{Intake, Received};
use crate::bindings::network_types::{NetworkCounters, NetworkLimits};
use crate::bindings::types::{Endpoint, Fault};
use crate::convert;
use paxos_frame::Greeting;
use paxos_frame::greeting::HELLO_LIMIT;
use std::net::SocketAddr;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};

/// How long a connection may stay without a hello, in nanoseconds.
const HELLO_TIME: u64 = 5_000_000_000;

/// One role's listening end.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    greeting: Greeting,
    limits: NetworkLimits,
    /// Accepted while somebody waited.
    waiting: Vec<(TcpStream, SocketAddr)>,
    peers: Vec<Peer>,
    /// Whose turn is first.
    first: usize,
    /// How long an end may be silent.
    patience: Duration,
    /// The last failure to accept that was noted: the same one is not noted again.
    noted: String,
    /// Counts since the start.
    pub counts: NetworkCounters,
}

#[derive(Debug)]
struct Peer {
    line: Line,
    address: SocketAddr,
    /// Who it is, once it has said so.
    who: Option<Endpoint>,
    /// When it connected.
    since: u64,
}

impl Server {
    /// Listens on an address.
    pub fn listen(
        address: &str,
        greeting: Greeting,
        limits: NetworkLimits,
        patience: Duration,
        ending: Duration,
    ) -> Result<Self, Fault> {
        let listener = super::listen(address, ending)?;
        let (counts, noted) = (super::no_counts(), String::new());
        Ok(Self {
            listener,
            greeting,
            limits,
            waiting: Vec::new(),
            peers: Vec::new(),
            first: 0,
            patience,
            noted,
            counts,
        })
    }

    /// Accepts who waits and reads what is there.
    pub fn receive(&mut self, now: u64, most: usize) -> Intake {
        let mut intake = Intake { frames: Vec::new(), more: false, notes: Vec::new() };
        self.accept(now, &mut intake.notes);
        let count = self.peers.len();
        let mut taken = 0;
        for turn in 0..count {
            let Some(peer) = self.peers.get_mut((self.first + turn) % count) else { continue };
            if taken >= most {
                // Whoever has not had a turn is first next time.
                self.first = (self.first + turn) % count;
                intake.more = true;
                break;
            }
            taken += peer.line.fill(&mut self.counts);
            peer.line.flush(&mut self.counts);
            if let Err(why) = peer.take(&self.greeting, self.limits, now, &mut intake.frames) {
                self.counts.refused += 1;
                intake.notes.push(format!("closed the connection from {}: {why}", peer.address));
                peer.line.queue.clear();
                peer.since = u64::MAX;
            }
        }
        self.counts.frames_in += intake.frames.len() as u64;
        self.peers.retain(|peer| peer.since != u64::MAX && peer.line.closed().is_none());
        self.counts.connections = self.peers.len() as u64;
        intake
    }

    /// Whether [`Server::receive`] would do something.
    pub fn is_ready(&mut self, cx: &mut Context<'_>) -> bool {
        if let Poll::Ready(Ok(connection)) = self.listener.poll_accept(cx) {
            self.waiting.push(connection);
        }
        let mut ready = !self.waiting.is_empty();
        for peer in &self.peers {
            ready |= peer.line.is_ready(cx, true);
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
                        let why = format!("cannot accept a connection: {error}");
                        if self.noted != why {
                            notes.push(why.clone());
                            self.noted = why;
                        }
                        return;
                    }
                    Poll::Pending => return,
                },
            };
            if self.peers.len() >= convert::size(self.limits.connections) {
                self.counts.refused += 1;
                notes.push(format!(
                    "closed the connection from {address}: there are {} already (limits.connections)",
                    self.limits.connections
                ));
                continue;
            }
            self.noted.clear();
            let mut line = Line::new(stream, HELLO_LIMIT, convert::size(self.limits.queue_bytes), self.patience);
            line.queue.push(self.greeting.frame());
            line.flush(&mut self.counts);
            self.peers.push(Peer { line, address, who: None, since: now });
        }
    }
}

impl Peer {
    /// Moves whole frames into `frames`, after the hello.
    fn take(
        &mut self,
        greeting: &Greeting,
        limits: NetworkLimits,
        now: u64,
        frames: &mut Vec<Received>,
    ) -> Result<(), String> {
        if self.who.is_none() {
            match self.line.reader.next_frame().map_err(|error| error.to_string())? {
                Some(body) => {
                    let hello = greeting.check_peer(body).map_err(|refusal| refusal.to_string())?;
                    self.who = Some(convert::endpoint_of(&hello));
                    self.line.reader.set_limit(convert::size(limits.frame_bytes));
                }
                None if now.saturating_sub(self.since) > HELLO_TIME => return Err("it said no hello in 5 s".to_owned()),
                None => return Ok(()),
            }
        }
        let Some(sender) = self.who else { return Ok(()) };
        while let Some(body) = self.line.reader.next_frame().map_err(|error| error.to_string())? {
            frames.push(Received { sender, frame: body.to_vec() });
        }
        Ok(())
    }
}
