//! What clients connect to.

use crate::sockets::{Counters, Interest, Limits, PATIENCE, Sockets, frame_error};
use bytes::Bytes;
use paxos_frame::greeting::HELLO_LIMIT;
use paxos_frame::{FrameReader, Greeting, OutQueue};
use paxos_types::{ClientFrame, Instant};
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// What [`ClientServer::requests`] gives.
#[derive(Debug, Default)]
pub struct ClientsIntake {
    /// Commands, joined, each with the connection they came by.
    pub requests: Vec<(u64, Vec<u8>)>,
    /// Connections that have ended.
    pub closed: Vec<u64>,
    /// There may be more.
    pub more: bool,
    /// For the log.
    pub notes: Vec<String>,
}

/// Where a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Its hello is waited for.
    New,
    /// It may ask.
    Open,
    /// It was told why it must go; when that is written, it goes.
    Leaving,
}

struct Client<S: Sockets> {
    stream: S::Stream,
    from: String,
    stage: Stage,
    reader: FrameReader,
    queue: OutQueue,
    /// Something waits for room, and reading is on, as of the last look.
    blocked: bool,
    listening: bool,
    /// There is more than was taken at the last call.
    more: bool,
    /// When it connected.
    since: Instant,
}

/// The end that clients connect to.
pub struct ClientServer<S: Sockets> {
    sockets: S,
    listener: Option<S::Listener>,
    greeting: Greeting,
    limits: Limits,
    clients: BTreeMap<u64, Client<S>>,
    next: u64,
    /// Who was read last.
    last: u64,
    /// Connections that ended while something was written to them.
    lost: Vec<(u64, String)>,
    changed: bool,
    /// What was said last about accepting: the same is not said again.
    said: String,
    counters: Counters,
}

impl<S: Sockets> ClientServer<S> {
    /// Listens at `address` for clients of `cluster`.
    pub fn listen(mut sockets: S, address: SocketAddr, cluster: &str, limits: Limits) -> Result<Self, String> {
        let listener = Some(sockets.listen(address)?);
        Ok(ClientServer {
            sockets,
            listener,
            greeting: Greeting::of_client_server(cluster),
            limits,
            clients: BTreeMap::new(),
            next: 1,
            last: 0,
            lost: Vec::new(),
            changed: true,
            said: String::new(),
            counters: Counters::default(),
        })
    }

    /// Accepts, and reads about `max_bytes`; with 0 clients are held back.
    pub fn requests(&mut self, now: Instant, max_bytes: usize) -> ClientsIntake {
        let mut intake = ClientsIntake::default();
        let (ids, streams): (Vec<u64>, Vec<&S::Stream>) = self.clients.iter().map(|(id, c)| (*id, &c.stream)).unzip();
        let ready = self.sockets.ready(self.listener.as_ref(), &streams);
        if ready.as_ref().is_none_or(|(waits, _)| *waits) {
            self.accept(now, &mut intake.notes);
        }
        // Who was accepted just now is not among those that were asked for, and may have said something already.
        let quiet: Vec<u64> = match ready {
            Some((_, ready)) => ids.into_iter().zip(ready).filter(|(_, ready)| !ready).map(|(id, _)| id).collect(),
            None => Vec::new(),
        };
        let mut room = max_bytes;
        let after = self.clients.range(self.last + 1..).map(|(id, _)| *id);
        let order: Vec<u64> = after.chain(self.clients.range(..=self.last).map(|(id, _)| *id)).collect();
        for id in order {
            if max_bytes > 0 && room == 0 {
                intake.more = true;
                break;
            }
            let quiet = quiet.binary_search(&id).is_ok();
            if self.clients.get(&id).is_some_and(|c| c.stage == Stage::New && now.since(c.since) > PATIENCE) {
                self.lost.push((id, "it has not said who it is".into()));
                continue;
            }
            match self.read(id, quiet, &mut room, &mut intake) {
                Ok(()) => {}
                Err(why) => self.lost.push((id, why)),
            }
        }
        for (id, why) in std::mem::take(&mut self.lost) {
            self.end(id, &why, &mut intake);
        }
        intake
    }

    fn accept(&mut self, now: Instant, notes: &mut Vec<String>) {
        let Some(listener) = &mut self.listener else { return };
        loop {
            match self.sockets.accept(listener) {
                Ok(Some((stream, from))) => {
                    self.changed = true;
                    self.counters.connections += 1;
                    let id = self.next;
                    self.next += 1;
                    let mut client = Client {
                        stream,
                        from,
                        stage: Stage::New,
                        reader: FrameReader::new(HELLO_LIMIT),
                        queue: OutQueue::new(self.limits.queue),
                        blocked: false,
                        listening: true,
                        more: true,
                        since: now,
                    };
                    client.queue.push(self.greeting.frame());
                    if self.clients.len() >= self.limits.connections {
                        self.counters.refused += 1;
                        let why =
                            format!("there are {} connections already, and that is the limit", self.clients.len());
                        notes.push(format!("{} is refused: {why}", client.from));
                        client.leave(&why);
                    }
                    // An error shows again when the connection is read.
                    let _ = self.counters.write_all(&mut self.sockets, &mut client.stream, &mut client.queue);
                    self.clients.insert(id, client);
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

    /// Reads one client once and takes the frames that are whole.
    fn read(&mut self, id: u64, quiet: bool, room: &mut usize, intake: &mut ClientsIntake) -> Result<(), String> {
        let Some(client) = self.clients.get_mut(&id) else { return Ok(()) };
        if !client.queue.is_empty() {
            self.counters.write_all(&mut self.sockets, &mut client.stream, &mut client.queue)?;
        }
        if client.stage == Stage::Leaving && client.queue.is_empty() {
            return Err("refused".into());
        }
        self.changed |= client.look(*room > 0);
        if !client.listening || quiet && !client.more {
            return Ok(());
        }
        let Some((_, more)) = self.counters.read_once(&mut self.sockets, &mut client.stream, &mut client.reader)?
        else {
            return Err("it has closed the connection".into());
        };
        self.last = id;
        client.more = more;
        while *room > 0 {
            let body = match client.reader.next_frame() {
                Ok(Some(body)) => body,
                Ok(None) => {
                    intake.more |= more;
                    return Ok(());
                }
                Err(error) => return self.refuse(id, frame_error(error), intake),
            };
            if client.stage == Stage::New {
                if let Err(refusal) = self.greeting.check_client(body) {
                    return self.refuse(id, refusal.to_string(), intake);
                }
                client.stage = Stage::Open;
                // Longer ones make no batch.
                client.reader.set_limit(self.limits.frame.min(paxos_types::Limits::MAX_BATCH_BYTES));
                continue;
            }
            match ClientFrame::decode(body) {
                Ok(ClientFrame::Request(commands)) => {
                    self.counters.frames_in += 1;
                    *room = room.saturating_sub(body.len());
                    intake.requests.push((id, commands.to_vec()));
                }
                Ok(_) => return self.refuse(id, "a client sends requests and nothing else".into(), intake),
                Err(error) => return self.refuse(id, error.to_string(), intake),
            }
        }
        client.more = true;
        intake.more = true;
        Ok(())
    }

    /// Tells a client why it must go.
    fn refuse(&mut self, id: u64, why: String, intake: &mut ClientsIntake) -> Result<(), String> {
        self.counters.refused += 1;
        let Some(client) = self.clients.get_mut(&id) else { return Ok(()) };
        intake.notes.push(format!("the client at {} is refused: {why}", client.from));
        client.leave(&why);
        self.counters.write_all(&mut self.sockets, &mut client.stream, &mut client.queue)?;
        self.changed |= client.look(false);
        if client.queue.is_empty() { Err("refused".into()) } else { Ok(()) }
    }

    fn end(&mut self, id: u64, why: &str, intake: &mut ClientsIntake) {
        let Some(client) = self.clients.remove(&id) else { return };
        if client.stage != Stage::Leaving {
            intake.notes.push(format!("the client at {}: {why}", client.from));
        }
        intake.closed.push(id);
        self.sockets.close(client.stream);
        self.changed = true;
    }

    /// Queues replies and writes what is taken. A refusal is the last that a client hears.
    pub fn reply(&mut self, replies: impl IntoIterator<Item = (u64, Vec<u8>)>) {
        for (id, body) in replies {
            let Some(client) = self.clients.get_mut(&id) else { continue };
            if client.stage == Stage::Open {
                self.counters.frames_out += 1;
                if matches!(ClientFrame::decode(&body), Ok(ClientFrame::Refused(_))) {
                    client.stage = Stage::Leaving;
                }
                client.queue.push(Bytes::copy_from_slice(&paxos_frame::header(&body)));
                client.queue.push(Bytes::from(body));
            }
        }
        for (id, client) in &mut self.clients {
            if client.queue.is_empty() {
                continue;
            }
            match self.counters.write_all(&mut self.sockets, &mut client.stream, &mut client.queue) {
                Ok(()) if client.stage == Stage::Leaving && client.queue.is_empty() => {
                    self.lost.push((*id, "refused".into()));
                }
                Ok(()) => self.changed |= client.look(client.listening),
                Err(why) => self.lost.push((*id, why)),
            }
        }
        // Who is lost is told by the next `requests`.
    }

    /// Whether what is to be waited for is other than at the last call.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// What to wait for.
    pub fn interests(&self) -> impl Iterator<Item = Interest<'_, S>> {
        let listener = self.listener.iter().map(Interest::Accept);
        let clients = self.clients.values().flat_map(|client| {
            let read = client.listening.then_some(Interest::Read(&client.stream));
            let write = client.blocked.then_some(Interest::Write(&client.stream));
            read.into_iter().chain(write)
        });
        listener.chain(clients)
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
        for (_, client) in std::mem::take(&mut self.clients) {
            self.sockets.close(client.stream);
        }
        if let Some(listener) = self.listener.take() {
            self.sockets.close_listener(listener);
        }
        self.changed = true;
    }
}

impl<S: Sockets> Client<S> {
    /// Queues the reason, after which nothing is read any more.
    fn leave(&mut self, why: &str) {
        let mut body = Vec::new();
        ClientFrame::Refused(why).encode(&mut body);
        self.queue.push(paxos_frame::frame(&body));
        self.stage = Stage::Leaving;
    }

    /// Decides what to wait for; answers whether that is something else than before.
    fn look(&mut self, room: bool) -> bool {
        let listening = room && self.stage != Stage::Leaving && !self.queue.is_full();
        let blocked = !self.queue.is_empty();
        let changed = (listening, blocked) != (self.listening, self.blocked);
        (self.listening, self.blocked) = (listening, blocked);
        changed
    }
}
