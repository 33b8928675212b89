//! What connects to peers.

use crate::backoff::BackOff;
use crate::sockets::{Counters, Interest, Limits, PATIENCE, Sockets, frame_error};
use bytes::Bytes;
use paxos_frame::greeting::HELLO_LIMIT;
use paxos_frame::{FrameReader, Greeting, OutQueue};
use paxos_types::{Endpoint, Instant};
use std::net::SocketAddr;

/// Nanoseconds between two looks whether a peer has closed: it sends nothing, so it is not waited for; what is written tells as well.
const LOOK: u64 = 20_000_000;
/// Nanoseconds after which an attempt to connect is given up.
const CONNECT: u64 = 1_000_000_000;

/// What [`PeerClient::pump`] did.
#[derive(Debug, Default)]
pub struct Pumped {
    /// When to call again at the latest.
    pub deadline: Option<Instant>,
    /// Whose connection is up and greeted.
    pub up: Vec<Endpoint>,
    /// For the log.
    pub notes: Vec<String>,
}

enum State<S: Sockets> {
    /// Not connected; the next attempt is then.
    Waiting(Instant),
    Connecting(S::Stream),
    /// Connected. Messages go out at once; whether the right one is there, its hello will tell.
    Open {
        stream: S::Stream,
        greeted: bool,
    },
}

struct Peer<S: Sockets> {
    endpoint: Endpoint,
    address: SocketAddr,
    state: State<S>,
    queue: OutQueue,
    /// Something waits for room, as of the last `pump`.
    blocked: bool,
    reader: FrameReader,
    back_off: BackOff,
    /// When it is looked at next; before its hello, when the attempt began.
    look: Instant,
    /// What was said last about it: the same is not said again at every attempt.
    said: String,
}

/// The client end of one role.
pub struct PeerClient<S: Sockets> {
    sockets: S,
    greeting: Greeting,
    limits: Limits,
    peers: Vec<Peer<S>>,
    changed: bool,
    counters: Counters,
}

impl<S: Sockets> PeerClient<S> {
    /// Will connect to `peers`, each with waits of its own.
    pub fn new(
        sockets: S,
        peers: Vec<(Endpoint, SocketAddr)>,
        greeting: Greeting,
        limits: Limits,
        mut back_off: impl FnMut(Endpoint) -> BackOff,
    ) -> Self {
        let peers = peers
            .into_iter()
            .map(|(endpoint, address)| Peer {
                endpoint,
                address,
                state: State::Waiting(Instant(0)),
                queue: OutQueue::new(limits.queue),
                blocked: false,
                reader: FrameReader::new(HELLO_LIMIT),
                back_off: back_off(endpoint),
                look: Instant(0),
                said: String::new(),
            })
            .collect();
        PeerClient { sockets, greeting, limits, peers, changed: true, counters: Counters::default() }
    }

    /// Queues a frame. For a peer that is not there it is dropped: its time is over when the peer comes.
    pub fn send(&mut self, to: &[Endpoint], body: &[u8]) {
        if body.len() > self.limits.frame {
            self.counters.shed += to.len() as u64;
            return;
        }
        let mut frame: Option<Bytes> = None;
        for endpoint in to {
            let Some(peer) = self.peers.iter_mut().find(|peer| peer.endpoint == *endpoint) else { continue };
            if !matches!(peer.state, State::Open { .. }) {
                self.counters.shed += 1;
                continue;
            }
            // One copy for all: what is queued is shared.
            let frame = frame.get_or_insert_with(|| paxos_frame::frame(body));
            self.counters.frames_out += 1;
            self.counters.shed += peer.queue.push_shedding(frame.clone());
        }
    }

    /// Connects, writes, notices ends.
    pub fn pump(&mut self, now: Instant) -> Pumped {
        let mut pumped = Pumped::default();
        for at in 0..self.peers.len() {
            if let Err(why) = self.drive(at, now) {
                self.failed(at, now, why, &mut pumped.notes);
            }
            let peer = &self.peers[at];
            match peer.state {
                State::Waiting(then) => {
                    pumped.deadline = Some(pumped.deadline.map_or(then, |d: Instant| d.min(then)));
                }
                State::Open { greeted: true, .. } => pumped.up.push(peer.endpoint),
                _ => {
                    let then = peer.look.plus(CONNECT);
                    pumped.deadline = Some(pumped.deadline.map_or(then, |d: Instant| d.min(then)));
                }
            }
        }
        pumped
    }

    fn drive(&mut self, at: usize, now: Instant) -> Result<(), String> {
        let peer = &mut self.peers[at];
        if let State::Waiting(then) = peer.state {
            if now < then {
                return Ok(());
            }
            let stream = self.sockets.connect(peer.address)?;
            peer.state = State::Connecting(stream);
            peer.look = now;
            self.changed = true;
        }
        if let State::Connecting(stream) = &mut peer.state {
            if !self.sockets.connected(stream)? {
                // The system would try for minutes, at ever longer distances.
                let late = now.since(peer.look) > CONNECT;
                return if late { Err("it does not answer".into()) } else { Ok(()) };
            }
            self.changed = true;
            self.counters.connections += 1;
            peer.reader = FrameReader::new(HELLO_LIMIT);
            peer.queue.push(self.greeting.frame());
            if let State::Connecting(stream) = std::mem::replace(&mut peer.state, State::Waiting(now)) {
                peer.state = State::Open { stream, greeted: false };
            }
        }
        let State::Open { stream, greeted } = &mut peer.state else { return Ok(()) };
        self.counters.write_all(&mut self.sockets, stream, &mut peer.queue)?;
        self.changed |= std::mem::replace(&mut peer.blocked, !peer.queue.is_empty()) == peer.queue.is_empty();
        if !*greeted && now.since(peer.look) > PATIENCE {
            return Err("it does not say who it is".into());
        }
        if *greeted && now < peer.look {
            return Ok(());
        }
        if *greeted {
            peer.look = now.plus(LOOK);
        }
        let Some((count, _)) = self.counters.read_once(&mut self.sockets, stream, &mut peer.reader)? else {
            return Err(
                if *greeted { "it has closed the connection" } else { "it has refused us; its log says why" }.into()
            );
        };
        if count == 0 {
            return Ok(());
        }
        while let Some(body) = peer.reader.next_frame().map_err(frame_error)? {
            if *greeted {
                return Err("it sends something behind its hello, where nothing belongs".into());
            }
            let checked = self.greeting.check_called(body, peer.endpoint).map_err(|refusal| refusal.to_string());
            checked.inspect_err(|_| self.counters.refused += 1)?;
            *greeted = true;
            self.changed = true;
            peer.back_off.reset();
            peer.said.clear();
        }
        Ok(())
    }

    fn failed(&mut self, at: usize, now: Instant, why: String, notes: &mut Vec<String>) {
        let peer = &mut self.peers[at];
        let then = peer.back_off.after_failure(now);
        self.counters.shed += peer.queue.clear();
        peer.blocked = false;
        if let State::Connecting(stream) | State::Open { stream, .. } =
            std::mem::replace(&mut peer.state, State::Waiting(then))
        {
            self.sockets.close(stream);
        }
        self.changed = true;
        let note = format!("the {} at {}: {why}", peer.endpoint, peer.address);
        if peer.said != note {
            notes.push(note.clone());
            peer.said = note;
        }
    }

    /// Whether what is to be waited for is other than at the last call.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// What to wait for.
    pub fn interests(&self) -> impl Iterator<Item = Interest<'_, S>> {
        self.peers.iter().flat_map(|peer| {
            let (first, second) = match &peer.state {
                State::Waiting(_) => (None, None),
                State::Connecting(stream) => (Some(Interest::Connect(stream)), None),
                State::Open { stream, greeted } => {
                    ((!greeted).then_some(Interest::Read(stream)), peer.blocked.then_some(Interest::Write(stream)))
                }
            };
            first.into_iter().chain(second)
        })
    }

    /// The sockets.
    pub fn sockets(&mut self) -> &mut S {
        &mut self.sockets
    }

    /// Counters.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Ends everything.
    pub fn close(&mut self) {
        for peer in self.peers.drain(..) {
            if let State::Connecting(stream) | State::Open { stream, .. } = peer.state {
                self.sockets.close(stream);
            }
        }
        self.changed = true;
    }
}
