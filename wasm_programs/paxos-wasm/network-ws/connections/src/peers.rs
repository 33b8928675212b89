//! What peers connect to.

use crate::sockets::{Counters, Interest, Limits, PATIENCE, Sockets, frame_error};
use paxos_frame::greeting::HELLO_LIMIT;
use paxos_frame::{FrameReader, Greeting, OutQueue};
use paxos_types::{Endpoint, Instant};
use std::net::SocketAddr;

/// What [`PeerServer::receive`] gives.
#[derive(Debug, Default)]
pub struct PeersIntake {
    /// Bodies of frames, each with who sent it.
    pub frames: Vec<(Endpoint, Vec<u8>)>,
    /// There may be more.
    pub more: bool,
    /// For the log.
    pub notes: Vec<String>,
}

struct Peer<S: Sockets> {
    stream: S::Stream,
    from: String,
    /// Who it is, once it has said so.
    endpoint: Option<Endpoint>,
    reader: FrameReader,
    /// Our hello and nothing else.
    queue: OutQueue,
    /// There is more than was taken at the last call.
    more: bool,
    /// When it connected.
    since: Instant,
}

/// The server end of one role.
pub struct PeerServer<S: Sockets> {
    sockets: S,
    listener: Option<S::Listener>,
    greeting: Greeting,
    limits: Limits,
    peers: Vec<Peer<S>>,
    /// Whom to read first, so that nobody who talks much keeps others from being heard.
    turn: usize,
    changed: bool,
    /// What was said last about accepting: the same is not said again.
    said: String,
    counters: Counters,
}

impl<S: Sockets> PeerServer<S> {
    /// Listens at `address`.
    pub fn listen(mut sockets: S, address: SocketAddr, greeting: Greeting, limits: Limits) -> Result<Self, String> {
        let listener = Some(sockets.listen(address)?);
        Ok(PeerServer {
            sockets,
            listener,
            greeting,
            limits,
            peers: Vec::new(),
            turn: 0,
            changed: true,
            said: String::new(),
            counters: Counters::default(),
        })
    }

    /// Accepts, reads, gives whole frames, about `max_bytes` of them.
    pub fn receive(&mut self, now: Instant, max_bytes: usize) -> PeersIntake {
        let mut intake = PeersIntake::default();
        let streams: Vec<&S::Stream> = self.peers.iter().map(|peer| &peer.stream).collect();
        let ready = self.sockets.ready(self.listener.as_ref(), &streams);
        if ready.as_ref().is_none_or(|(waits, _)| *waits) {
            self.accept(now, &mut intake.notes);
        }
        let mut room = max_bytes;
        let count = self.peers.len();
        self.turn = self.turn.wrapping_add(1);
        let mut ended: Vec<(usize, String)> = Vec::new();
        for step in 0..count {
            let at = (self.turn + step) % count;
            // Who was accepted just now is not among those that were asked for, and may have said something already.
            let quiet = ready.as_ref().is_some_and(|(_, ready)| ready.get(at) == Some(&false));
            let peer = &self.peers[at];
            if peer.endpoint.is_none() && now.since(peer.since) > PATIENCE {
                ended.push((at, "it has not said who it is".into()));
                continue;
            }
            if quiet && !peer.more && peer.queue.is_empty() {
                continue;
            }
            if room == 0 {
                intake.more = true;
                break;
            }
            match self.read(at, &mut room, &mut intake) {
                Ok(()) => {}
                Err(why) => ended.push((at, why)),
            }
        }
        ended.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        for (at, why) in ended {
            self.end(at, &why, &mut intake.notes);
        }
        intake
    }

    fn accept(&mut self, now: Instant, notes: &mut Vec<String>) {
        let Some(listener) = &mut self.listener else { return };
        loop {
            match self.sockets.accept(listener) {
                Ok(Some((stream, from))) => {
                    self.changed = true;
                    if self.peers.len() >= self.limits.connections {
                        self.counters.refused += 1;
                        notes.push(format!("{from} is refused: there are {} connections already", self.peers.len()));
                        self.sockets.close(stream);
                        continue;
                    }
                    self.counters.connections += 1;
                    let mut peer = Peer {
                        stream,
                        from,
                        endpoint: None,
                        reader: FrameReader::new(HELLO_LIMIT),
                        queue: OutQueue::new(HELLO_LIMIT),
                        more: true,
                        since: now,
                    };
                    peer.queue.push(self.greeting.frame());
                    // An error shows again when the connection is read.
                    let _ = self.counters.write_all(&mut self.sockets, &mut peer.stream, &mut peer.queue);
                    self.peers.push(peer);
                }
                Ok(None) => return,
                Err(why) => {
                    let note = format!("cannot accept a connection: {why}");
                    if note != self.said {
                        notes.push(note.clone());
                        self.said = note;
                    }
                    return;
                }
            }
        }
    }

    /// Reads one peer once and takes the frames that are whole.
    fn read(&mut self, at: usize, room: &mut usize, intake: &mut PeersIntake) -> Result<(), String> {
        let peer = &mut self.peers[at];
        if !peer.queue.is_empty() {
            self.counters.write_all(&mut self.sockets, &mut peer.stream, &mut peer.queue)?;
            self.changed |= peer.queue.is_empty();
        }
        let Some((_, more)) = self.counters.read_once(&mut self.sockets, &mut peer.stream, &mut peer.reader)? else {
            return Err("it has closed the connection".into());
        };
        peer.more = more;
        intake.more |= more;
        while *room > 0 {
            let Some(body) = peer.reader.next_frame().map_err(frame_error)? else { return Ok(()) };
            let Some(endpoint) = peer.endpoint else {
                let hello = self.greeting.check_peer(body).map_err(|refusal| refusal.to_string());
                let hello = hello.inspect_err(|_| self.counters.refused += 1)?;
                peer.endpoint = Some(Endpoint::new(hello.node, hello.role));
                peer.reader.set_limit(self.limits.frame);
                continue;
            };
            self.counters.frames_in += 1;
            *room = room.saturating_sub(body.len());
            intake.frames.push((endpoint, body.to_vec()));
        }
        peer.more = true;
        intake.more = true;
        Ok(())
    }

    fn end(&mut self, at: usize, why: &str, notes: &mut Vec<String>) {
        let peer = self.peers.swap_remove(at);
        let who = peer.endpoint.map_or_else(|| peer.from.clone(), |endpoint| format!("the {endpoint} ({})", peer.from));
        notes.push(format!("{who}: {why}"));
        self.sockets.close(peer.stream);
        self.changed = true;
    }

    /// Whether what is to be waited for is other than at the last call.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// What to wait for.
    pub fn interests(&self) -> impl Iterator<Item = Interest<'_, S>> {
        let listener = self.listener.iter().map(Interest::Accept);
        let peers = self.peers.iter().flat_map(|peer| {
            let write = (!peer.queue.is_empty()).then_some(Interest::Write(&peer.stream));
            std::iter::once(Interest::Read(&peer.stream)).chain(write)
        });
        listener.chain(peers)
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
            self.sockets.close(peer.stream);
        }
        if let Some(listener) = self.listener.take() {
            self.sockets.close_listener(listener);
        }
        self.changed = true;
    }
}
