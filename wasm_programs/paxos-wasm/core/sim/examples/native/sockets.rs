//! Every role a thread with a poll loop and sockets of its own. Clients are threads of this program, one a connection, or come from outside
//! and find the nodes where a configuration says.

use crate::{Arguments, Client, settings};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use paxos_frame::{FrameReader, Greeting, OutQueue, frame};
use paxos_sim::process::{Effect, Input, Process, Settings};
use paxos_types::reply::Replies;
use paxos_types::{
    Bytes, ClientFrame, ClientId, ClusterId, Endpoint, Hello, Incarnation, Instant, Limits, Message, NodeId, PROTOCOL,
    Role, Serializer, codec,
};
use std::collections::BTreeMap;
use std::io::{IoSlice, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time;

const PEERS: Token = Token(0);
const CLIENTS: Token = Token(1);

/// Latencies in microseconds, and seconds in all.
pub fn run(a: &Arguments) -> Result<(Vec<u32>, f64), String> {
    let ports = vec![0; usize::from(a.nodes)];
    with_roles(a, &ports, |shared, addresses| load(a, shared, addresses))
}

/// Serves clients at these ports, one per node, until standard input ends.
pub fn serve(a: &Arguments) -> Result<(), String> {
    with_roles(a, &a.serve, |_, _| std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).map(drop).map_err(text))
}

type Addresses = BTreeMap<Endpoint, SocketAddr>;

/// Starts all roles, does something, ends them.
fn with_roles<T>(
    a: &Arguments,
    ports: &[u16],
    act: impl FnOnce(&Shared, &Addresses) -> Result<T, String>,
) -> Result<T, String> {
    let settings = settings(a.nodes);
    let shared = Arc::new(Shared {
        cluster: a.cluster.clone(),
        leader: AtomicU64::new(0),
        end: AtomicBool::new(false),
        begun: time::Instant::now(),
    });
    let (mut addresses, mut listeners) = (BTreeMap::new(), Vec::new());
    for (node, port) in settings.nodes.iter().copied().zip(ports.iter().copied()) {
        for role in Role::OF_A_NODE {
            let peers = listen(0)?;
            let clients = if role == Role::Proposer { Some(listen(port)?) } else { None };
            let endpoint = Endpoint::new(node, role);
            addresses.insert(endpoint, peers.1);
            if let Some((_, address)) = &clients {
                addresses.insert(Endpoint::new(node, Role::Client), *address);
            }
            listeners.push((endpoint, peers.0, clients.map(|c| c.0)));
        }
    }
    let mut roles = Vec::new();
    for (endpoint, peers, clients) in listeners {
        let (shared, settings, addresses) = (Arc::clone(&shared), settings.clone(), addresses.clone());
        roles.push(std::thread::spawn(move || {
            RoleThread::start(endpoint, peers, clients, &settings, &addresses, shared)?.run()
        }));
    }
    let result = act(&shared, &addresses);
    shared.end.store(true, Ordering::Relaxed);
    for role in roles {
        role.join().map_err(|_| "a role's thread has panicked")??;
    }
    result
}

fn load(a: &Arguments, shared: &Shared, addresses: &Addresses) -> Result<(Vec<u32>, f64), String> {
    while shared.leader.load(Ordering::Relaxed) == 0 {
        if shared.begun.elapsed().as_secs() > 30 {
            return Err("no leader within 30 s".into());
        }
        std::thread::sleep(time::Duration::from_millis(5));
    }
    let leader = Endpoint::new(NodeId(shared.leader.load(Ordering::Relaxed) as u16), Role::Client);
    let address = *addresses.get(&leader).ok_or("the leader has no address")?;
    let begun = time::Instant::now();
    let threads: Vec<_> = (0..a.connections)
        .map(|c| {
            let numbers: Vec<u64> = (c..a.clients).step_by(a.connections as usize).collect();
            let requests = a.requests / a.connections + u64::from(c < a.requests % a.connections);
            let cluster = a.cluster.clone();
            std::thread::spawn(move || clients(&cluster, address, &numbers, requests))
        })
        .collect();
    let mut latencies = Vec::new();
    for thread in threads {
        latencies.extend(thread.join().map_err(|_| "a client's thread has panicked")??);
    }
    Ok((latencies, begun.elapsed().as_secs_f64()))
}

struct Shared {
    /// What clients call the cluster.
    cluster: String,
    /// The node that leads; 0: none yet.
    leader: AtomicU64,
    end: AtomicBool,
    begun: time::Instant,
}

fn text(e: impl std::fmt::Display) -> String {
    e.to_string()
}

fn listen(port: u16) -> Result<(TcpListener, SocketAddr), String> {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], port))).map_err(text)?;
    let address = listener.local_addr().map_err(text)?;
    Ok((listener, address))
}

fn hello(endpoint: Endpoint) -> Bytes {
    let hello = Hello {
        protocol: PROTOCOL,
        cluster: ClusterId(1),
        node: endpoint.node,
        role: endpoint.role,
        serializer: Serializer::Compact,
        incarnation: Incarnation(0),
    };
    frame(&hello.encode())
}

/// One connection of a role.
struct Wire {
    stream: TcpStream,
    reader: FrameReader,
    out: OutQueue,
    /// Who is at the other end, once it has said so; connections that were opened here are only written to.
    from: Option<Endpoint>,
    /// A client's first frame was taken.
    greeted: bool,
}

impl Wire {
    fn new(stream: TcpStream) -> Wire {
        // Only what is small and alone would wait otherwise.
        let _ = stream.set_nodelay(true);
        Wire {
            stream,
            reader: FrameReader::new(Limits::MAX_FRAME),
            out: OutQueue::new(1 << 26),
            from: None,
            greeted: false,
        }
    }

    fn flush(&mut self) -> Result<(), String> {
        while !self.out.is_empty() {
            let mut slices = [IoSlice::new(&[]); 32];
            let count = self.out.slices(&mut slices);
            match self.stream.write_vectored(&slices[..count]) {
                Ok(n) => self.out.advance(n),
                Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => return Ok(()),
                Err(e) if e.kind() == std::io::ErrorKind::NotConnected => return Ok(()),
                Err(e) => return Err(e.to_string()),
            }
        }
        Ok(())
    }
}

struct RoleThread {
    endpoint: Endpoint,
    process: Process,
    nodes: Vec<NodeId>,
    poll: Poll,
    peers: TcpListener,
    clients: Option<TcpListener>,
    wires: BTreeMap<usize, Wire>,
    next: usize,
    /// The connection to each endpoint.
    to: BTreeMap<Endpoint, usize>,
    outgoing: BTreeMap<Endpoint, Vec<Message>>,
    shared: Arc<Shared>,
}

impl RoleThread {
    fn start(
        endpoint: Endpoint,
        mut peers: TcpListener,
        mut clients: Option<TcpListener>,
        settings: &Settings,
        addresses: &BTreeMap<Endpoint, SocketAddr>,
        shared: Arc<Shared>,
    ) -> Result<RoleThread, String> {
        let poll = Poll::new().map_err(text)?;
        poll.registry().register(&mut peers, PEERS, Interest::READABLE).map_err(text)?;
        if let Some(clients) = &mut clients {
            poll.registry().register(clients, CLIENTS, Interest::READABLE).map_err(text)?;
        }
        let incarnation = Incarnation(u64::from(endpoint.node.0));
        let process = Process::start(endpoint, settings, None, incarnation, Instant(0))?;
        let mut role = RoleThread {
            endpoint,
            process,
            nodes: settings.nodes.clone(),
            poll,
            peers,
            clients,
            wires: BTreeMap::new(),
            next: 2,
            to: BTreeMap::new(),
            outgoing: BTreeMap::new(),
            shared,
        };
        for (to, address) in addresses.iter().filter(|(to, _)| **to != endpoint && to.role != Role::Client) {
            let stream = TcpStream::connect(*address).map_err(text)?;
            let token = role.add(Wire::new(stream))?;
            role.to.insert(*to, token);
            if let Some(wire) = role.wires.get_mut(&token) {
                wire.out.push(hello(endpoint));
            }
        }
        Ok(role)
    }

    fn add(&mut self, mut wire: Wire) -> Result<usize, String> {
        let token = self.next;
        self.next += 1;
        let both = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut wire.stream, Token(token), both).map_err(text)?;
        self.wires.insert(token, wire);
        Ok(token)
    }

    fn now(&self) -> Instant {
        Instant(self.shared.begun.elapsed().as_nanos() as u64)
    }

    fn run(mut self) -> Result<(), String> {
        let mut events = Events::with_capacity(64);
        while !self.shared.end.load(Ordering::Relaxed) {
            let now = self.now();
            let wait = self.process.deadline().map_or(50_000_000, |d| d.since(now)).min(50_000_000);
            match self.poll.poll(&mut events, Some(time::Duration::from_nanos(wait))) {
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
                other => other.map_err(text)?,
            }
            for event in &events {
                match event.token() {
                    PEERS => self.accept(false)?,
                    CLIENTS => self.accept(true)?,
                    Token(token) => {
                        if event.is_readable() {
                            self.read(token)?;
                        }
                        if event.is_writable()
                            && let Some(wire) = self.wires.get_mut(&token)
                        {
                            wire.flush()?;
                        }
                    }
                }
            }
            self.step(Input::Flush)?;
            if self.process.deadline().is_some_and(|d| d <= self.now()) {
                self.step(Input::Tick)?;
            }
            self.send()?;
            if self.process.proposer().is_some_and(|p| p.leading().is_some()) {
                self.shared.leader.store(u64::from(self.endpoint.node.0), Ordering::Relaxed);
            }
        }
        Ok(())
    }

    fn accept(&mut self, client: bool) -> Result<(), String> {
        loop {
            let listener = if client { self.clients.as_ref() } else { Some(&self.peers) };
            match listener.map(TcpListener::accept) {
                Some(Ok((stream, _))) => {
                    let mut wire = Wire::new(stream);
                    if client {
                        wire.from = Some(Endpoint::new(NodeId(0), Role::Client));
                        wire.out.push(Greeting::of_client_server(&self.shared.cluster).frame());
                    }
                    let token = self.add(wire)?;
                    self.read(token)?;
                }
                Some(Err(e)) if e.kind() != std::io::ErrorKind::WouldBlock => return Err(e.to_string()),
                _ => return Ok(()),
            }
        }
    }

    fn read(&mut self, token: usize) -> Result<(), String> {
        let Some(mut wire) = self.wires.remove(&token) else { return Ok(()) };
        loop {
            let room = wire.stream.read_to(&mut wire.reader);
            let ended = match room {
                Ok(0) => true,
                Ok(_) => false,
                Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => break,
                Err(e) if e.kind() == std::io::ErrorKind::NotConnected => break,
                Err(_) => true,
            };
            while let Some(body) = wire.reader.next_frame().map_err(text)? {
                let body = Bytes::copy_from_slice(body);
                match wire.from {
                    None => {
                        let hello = Hello::decode(&body).map_err(text)?;
                        wire.from = Some(Endpoint::new(hello.node, hello.role));
                    }
                    Some(Endpoint { role: Role::Client, .. }) if !wire.greeted => {
                        Greeting::of_client_server(&self.shared.cluster).check_client(&body).map_err(text)?;
                        wire.greeted = true;
                    }
                    Some(Endpoint { role: Role::Client, .. }) => {
                        // What follows the kind of the frame.
                        self.step(Input::Submit(token as u64, body.slice(1..)))?;
                    }
                    Some(from) => {
                        for message in codec::decode(&body).map_err(text)? {
                            self.step(Input::Message(from, message))?;
                        }
                    }
                }
            }
            if ended {
                return Ok(());
            }
        }
        self.wires.insert(token, wire);
        Ok(())
    }

    fn step(&mut self, input: Input) -> Result<(), String> {
        let now = self.now();
        let mut effects = Vec::new();
        self.process.step(now, input, &mut effects)?;
        while !effects.is_empty() {
            for effect in std::mem::take(&mut effects) {
                match effect {
                    Effect::Send(target, message) => {
                        for to in target.endpoints(self.endpoint.node, &self.nodes) {
                            self.outgoing.entry(to).or_default().push(message.clone());
                        }
                    }
                    Effect::Reply(connection, reply) => {
                        if let Some(wire) = self.wires.get_mut(&(connection as usize)) {
                            wire.out.push(frame(&reply));
                        }
                    }
                    Effect::Save(slot, bytes) => self.process.snapshot_saved(now, slot, bytes, &mut effects)?,
                    Effect::Stop(reason) => return Err(reason),
                    Effect::WantsSync | Effect::Executed(..) | Effect::Installed(_) => {}
                }
            }
        }
        Ok(())
    }

    /// What was said in this turn leaves, one frame per receiver.
    fn send(&mut self) -> Result<(), String> {
        for (to, messages) in std::mem::take(&mut self.outgoing) {
            let wire = self.to.get(&to).and_then(|token| self.wires.get_mut(token));
            if let Some(wire) = wire {
                wire.out.push(frame(&codec::encode(&messages)));
            }
        }
        for wire in self.wires.values_mut() {
            wire.flush()?;
        }
        Ok(())
    }
}

/// Reading into the room that a frame reader has.
trait ReadTo {
    fn read_to(&mut self, reader: &mut FrameReader) -> std::io::Result<usize>;
}

impl<R: Read> ReadTo for R {
    fn read_to(&mut self, reader: &mut FrameReader) -> std::io::Result<usize> {
        reader.read(|room| self.read(room))
    }
}

/// The clients of one connection: each asks again when it has been answered.
fn clients(cluster: &str, address: SocketAddr, numbers: &[u64], requests: u64) -> Result<Vec<u32>, String> {
    let mut stream = std::net::TcpStream::connect(address).map_err(text)?;
    stream.set_nodelay(true).map_err(text)?;
    stream.write_all(&Greeting::of_client(cluster).frame()).map_err(text)?;
    let mut greeted = false;
    let mut clients: Vec<Client> = numbers.iter().map(|n| Client::new(*n)).collect();
    let by_id: BTreeMap<ClientId, usize> = clients.iter().enumerate().map(|(i, c)| (c.id, i)).collect();
    let mut reader = FrameReader::new(Limits::MAX_FRAME);
    let mut latencies = Vec::with_capacity(requests as usize);
    let mut ready: Vec<usize> = (0..clients.len()).collect();
    let mut sent = 0;
    while (latencies.len() as u64) < requests {
        let mut body = Vec::new();
        ClientFrame::Request(&[]).encode(&mut body);
        for i in ready.drain(..) {
            if sent < requests {
                sent += 1;
                clients[i].request(&mut body);
            }
        }
        if body.len() > 1 {
            stream.write_all(&frame(&body)).map_err(text)?;
        }
        if stream.read_to(&mut reader).map_err(text)? == 0 {
            return Err("the leader has closed the connection".into());
        }
        while let Some(body) = reader.next_frame().map_err(text)? {
            if !std::mem::replace(&mut greeted, true) {
                continue;
            }
            let ClientFrame::Replies(replies) = ClientFrame::decode(body).map_err(text)? else {
                return Err("the leader sends its clients away".into());
            };
            for reply in Replies::new(replies) {
                let reply = reply.map_err(text)?;
                let client = by_id.get(&reply.client).copied().ok_or("a reply to nobody")?;
                latencies.push(clients[client].answered(&reply)?);
                ready.push(client);
            }
        }
    }
    Ok(latencies)
}
