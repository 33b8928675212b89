//! Who connects to peers.

use super::line::Line;
use crate::bindings::network_client::{BackOff, Parcel, Peer as Address, Pumped};
use crate::bindings::network_types::{NetworkCounters, NetworkLimits};
use crate::bindings::types::{Endpoint, Fault, FaultKind};
use crate::convert;
use paxos_frame::Greeting;
use paxos_frame::greeting::HELLO_LIMIT;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::net::TcpStream;

/// A connection that is being made.
type Attempt = Pin<Box<dyn Future<Output = io::Result<TcpStream>> + Send>>;

/// One role's connecting end.
pub struct Client {
    greeting: Greeting,
    limits: NetworkLimits,
    back_off: BackOff,
    /// State of the generator that spreads attempts.
    random: u64,
    peers: Vec<Peer>,
    /// How long an end may be silent, also while it is being connected to.
    patience: Duration,
    /// Counts since the start.
    pub counts: NetworkCounters,
}

struct Peer {
    endpoint: Endpoint,
    address: SocketAddr,
    state: State,
    /// How long to wait after the next failure.
    wait: u64,
    /// The last failure that was noted: the same one is not noted again.
    noted: String,
}

enum State {
    /// Nothing until then.
    Waiting(u64),
    /// Under way, until then.
    Connecting(Attempt, u64),
    /// Connected; `true` when the peer's hello was taken.
    Open(Box<Line>, bool),
}

impl Client {
    /// Says whom to connect to.
    pub fn new(
        peers: Vec<Address>,
        greeting: Greeting,
        limits: NetworkLimits,
        back_off: BackOff,
        patience: Duration,
    ) -> Result<Self, Fault> {
        let mut list = Vec::with_capacity(peers.len());
        for Address { endpoint, address } in peers {
            let address = address.parse().map_err(|_| Fault {
                kind: FaultKind::Configuration,
                text: format!("cannot connect to `{address}`: no numeric address with a port"),
            })?;
            let (state, noted) = (State::Waiting(0), String::new());
            list.push(Peer { endpoint, address, state, wait: back_off.first, noted });
        }
        let random = back_off.seed | 1;
        let counts = super::no_counts();
        Ok(Self { greeting, limits, back_off, random, peers: list, patience, counts })
    }

    /// Queues frames for those that are connected. For the others they are lost, as the protocol sends again: a node that
    /// comes back wants no mail of last week.
    pub fn send(&mut self, parcels: Vec<Parcel>) {
        for Parcel { to, frame } in parcels {
            let frame = paxos_frame::frame(&frame);
            for endpoint in to {
                let Some(peer) = self.peers.iter_mut().find(|peer| same(peer.endpoint, endpoint)) else { continue };
                match &mut peer.state {
                    State::Open(line, _) => {
                        self.counts.frames_out += 1;
                        line.send_shedding(frame.clone(), &mut self.counts);
                    }
                    State::Waiting(_) | State::Connecting(..) => self.counts.shed += 1,
                }
            }
        }
    }

    /// Connects and writes.
    pub fn pump(&mut self, now: u64) -> Pumped {
        let mut cx = Context::from_waker(Waker::noop());
        let mut pumped = Pumped { deadline: None, up: Vec::new(), notes: Vec::new() };
        for peer in &mut self.peers {
            if let State::Waiting(until) = peer.state
                && until <= now
            {
                let patience = u64::try_from(self.patience.as_nanos()).unwrap_or(u64::MAX);
                let attempt = Box::pin(TcpStream::connect(peer.address));
                peer.state = State::Connecting(attempt, now.saturating_add(patience));
            }
            if let State::Connecting(attempt, until) = &mut peer.state {
                match attempt.as_mut().poll(&mut cx) {
                    Poll::Ready(Ok(stream)) => {
                        let mut line =
                            Line::new(stream, HELLO_LIMIT, convert::size(self.limits.queue_bytes), self.patience);
                        line.queue.push(self.greeting.frame());
                        peer.state = State::Open(Box::new(line), false);
                    }
                    Poll::Ready(Err(error)) => {
                        let why = format!("cannot connect to it: {error}");
                        peer.failed(now, why, self.back_off, &mut self.random, &mut pumped.notes);
                    }
                    Poll::Pending if *until <= now => {
                        let why = "cannot connect to it: it does not answer".to_owned();
                        peer.failed(now, why, self.back_off, &mut self.random, &mut pumped.notes);
                    }
                    Poll::Pending => {}
                }
            }
            if let State::Open(line, greeted) = &mut peer.state {
                line.flush(&mut self.counts);
                line.fill(&mut self.counts);
                match hear(line, greeted, &self.greeting, peer.endpoint) {
                    Ok(()) if *greeted => {
                        peer.wait = self.back_off.first;
                        peer.noted.clear();
                        pumped.up.push(peer.endpoint);
                    }
                    Ok(()) => {}
                    Err(why) => {
                        let greeted = *greeted;
                        self.counts.shed += line.queue.clear();
                        if greeted {
                            peer.noted.clear();
                        }
                        peer.failed(now, why, self.back_off, &mut self.random, &mut pumped.notes);
                    }
                }
            }
            if let State::Waiting(until) | State::Connecting(_, until) = peer.state {
                pumped.deadline = Some(pumped.deadline.map_or(until, |earliest| earliest.min(until)));
            }
        }
        self.counts.connections = pumped.up.len() as u64;
        pumped
    }

    /// Whether [`Client::pump`] would do something.
    pub fn is_ready(&mut self, cx: &mut Context<'_>) -> bool {
        let mut ready = false;
        for peer in &mut self.peers {
            match &mut peer.state {
                State::Waiting(_) => {}
                State::Connecting(attempt, until) => {
                    if let Poll::Ready(outcome) = attempt.as_mut().poll(cx) {
                        // Handed over to `pump` as it is.
                        peer.state = State::Connecting(Box::pin(std::future::ready(outcome)), *until);
                        ready = true;
                    }
                }
                State::Open(line, _) => ready |= line.is_ready(cx, true),
            }
        }
        ready
    }
}

impl Peer {
    fn failed(&mut self, now: u64, why: String, back_off: BackOff, random: &mut u64, notes: &mut Vec<String>) {
        if self.noted != why {
            notes.push(format!("{} at {}: {why}", convert::show(self.endpoint), self.address));
            self.noted = why;
        }
        // Between half and whole, so that those who lost the same peer do not all come back at once.
        let half = self.wait / 2;
        let wait = half + next(random) % (self.wait - half + 1);
        self.wait = self.wait.saturating_mul(2).min(back_off.most).max(1);
        self.state = State::Waiting(now.saturating_add(wait));
    }
}

/// Takes the peer's hello; nothing else is expected of it.
fn hear(line: &mut Line, greeted: &mut bool, greeting: &Greeting, called: Endpoint) -> Result<(), String> {
    while let Some(body) = line.reader.next_frame().map_err(|error| error.to_string())? {
        if *greeted {
            return Err("it sent a frame where only we speak".to_owned());
        }
        let called = convert::endpoint(called);
        greeting.check_called(body, called).map_err(|refusal| refusal.to_string())?;
        *greeted = true;
    }
    match line.closed() {
        Some(why) if *greeted => Err(format!("the connection is gone: {why}")),
        Some(why) => Err(format!("the connection ended before its hello: {why}")),
        None => Ok(()),
    }
}

const fn same(a: Endpoint, b: Endpoint) -> bool {
    a.node == b.node && a.role as u8 == b.role as u8
}

/// splitmix64: enough to spread attempts.
const fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
