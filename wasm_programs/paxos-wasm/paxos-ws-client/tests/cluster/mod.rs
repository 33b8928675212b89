//! A made-up cluster for tests of the client: three listeners in this process before one map with sessions. It speaks the
//! clients' protocol, redirects, loses connections before and after executing, and can be made to do wrong.

use paxos_frame::{FrameReader, Greeting, frame};
use paxos_types::{ClientFrame, ClientId, Command, Commands, Limits, NodeId, Op, Outcome, Reply};
use paxos_ws_client::nodes::Nodes;
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What the store does wrong, at every request whose number this divides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    Forget(u64),
    Twice(u64),
    Damage(u64),
    /// It executes and does not answer.
    Mute(u64),
}

#[derive(Default)]
struct Store {
    index: u64,
    bug: Option<Bug>,
    map: HashMap<Vec<u8>, (Vec<u8>, u64)>,
    /// Per session: the last number and its encoded reply.
    sessions: HashMap<ClientId, (u64, Vec<u8>)>,
}

impl Store {
    fn apply(&mut self, command: &Command<'_>, out: &mut Vec<u8>) {
        let Command { client, seq, op } = *command;
        let refuse = |outcome, out: &mut Vec<u8>| Reply { client, seq, index: 0, version: 0, outcome }.encode(out);
        match self.sessions.get(&client) {
            Some((last, reply)) if *last == seq => return out.extend_from_slice(reply),
            Some((last, _)) if *last > seq => return refuse(Outcome::Stale, out),
            Some((last, _)) if *last + 1 < seq => return refuse(Outcome::Gap, out),
            None if op != Op::Open => return refuse(Outcome::UnknownSession, out),
            _ => {}
        }
        let mut reply = Vec::new();
        self.execute(client, seq, op, &mut reply);
        if matches!(self.bug, Some(Bug::Twice(n)) if self.index.is_multiple_of(n)) {
            self.execute(client, seq, op, &mut Vec::new());
        }
        if !matches!(self.bug, Some(Bug::Mute(n)) if self.index.is_multiple_of(n)) {
            out.extend_from_slice(&reply);
        }
        self.sessions.insert(client, (seq, reply));
    }

    fn execute(&mut self, client: ClientId, seq: u64, op: Op<'_>, out: &mut Vec<u8>) {
        self.index += 1;
        let index = self.index;
        let forget = matches!(self.bug, Some(Bug::Forget(n)) if index.is_multiple_of(n));
        let damage = matches!(self.bug, Some(Bug::Damage(n)) if index.is_multiple_of(n));
        let held = match op {
            Op::Get { key } | Op::Put { key, .. } | Op::Delete { key } | Op::Cas { key, .. } => {
                self.map.get(key).cloned()
            }
            Op::Open => None,
        };
        let version = held.as_ref().map_or(0, |(_, version)| *version);
        let mut held = held.map(|(value, _)| value);
        if let Some(held) = held.as_mut().filter(|_| damage) {
            held.push(b'?');
        }
        let mut write = None;
        let outcome = match (op, &held) {
            (Op::Open, _) => Outcome::Done,
            (Op::Get { .. }, Some(value)) => Outcome::Value(value),
            (Op::Get { .. } | Op::Delete { .. }, None) => Outcome::Absent,
            (Op::Delete { key }, Some(_)) => {
                write = Some((key, None));
                Outcome::Done
            }
            (Op::Put { key, value }, _) => {
                write = Some((key, Some(value)));
                Outcome::Done
            }
            (Op::Cas { key, expected, value }, held) if expected == held.as_deref() => {
                write = Some((key, Some(value)));
                Outcome::Done
            }
            (Op::Cas { .. }, Some(value)) => Outcome::Mismatch(value),
            (Op::Cas { .. }, None) => Outcome::MismatchAbsent,
        };
        Reply { client, seq, index, version, outcome }.encode(out);
        match write.filter(|_| !forget) {
            Some((key, Some(value))) => drop(self.map.insert(key.to_vec(), (value.to_vec(), index))),
            Some((key, None)) => drop(self.map.remove(key)),
            None => {}
        }
    }
}

/// The cluster.
pub struct Cluster {
    store: Mutex<Store>,
    leader: AtomicU64,
    frames: AtomicU64,
    /// A connection is lost after so many request frames of all clients; before and after executing in turn. 0: never.
    lose: u64,
    addresses: Vec<SocketAddr>,
}

impl Cluster {
    /// Starts one that is led by node 2. Its threads end with the test's process.
    pub fn start(bug: Option<Bug>, lose: u64) -> Arc<Self> {
        let listeners: Vec<TcpListener> = (0..3).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let cluster = Arc::new(Self {
            store: Mutex::new(Store { bug, ..Store::default() }),
            leader: AtomicU64::new(2),
            frames: AtomicU64::new(0),
            lose,
            addresses: listeners.iter().map(|listener| listener.local_addr().unwrap()).collect(),
        });
        for (at, listener) in listeners.into_iter().enumerate() {
            let cluster = Arc::clone(&cluster);
            std::thread::spawn(move || {
                for stream in listener.incoming() {
                    let (cluster, stream) = (Arc::clone(&cluster), stream.unwrap());
                    // A client that goes away is none of ours to report.
                    std::thread::spawn(move || drop(cluster.serve(at as u64 + 1, stream)));
                }
            });
        }
        cluster
    }

    pub fn nodes(&self) -> Nodes {
        Nodes { cluster: "test".to_owned(), list: (1..).zip(self.addresses.iter().copied()).collect() }
    }

    /// A configuration that says where the nodes take clients.
    pub fn config(&self) -> String {
        let node = |(n, address): (u16, &SocketAddr)| {
            let port = 20_000 + n * 10;
            format!(
                "  - id: {n}\n    proposer: 127.0.0.1:{}\n    acceptor: 127.0.0.1:{}\n    learner: 127.0.0.1:{}\n    client: {address}\n",
                port,
                port + 1,
                port + 2
            )
        };
        format!("cluster: test\nnodes:\n{}", (1..).zip(&self.addresses).map(node).collect::<String>())
    }

    fn serve(&self, node: u64, mut stream: TcpStream) -> std::io::Result<()> {
        stream.set_nodelay(true)?;
        let greeting = Greeting::of_client_server("test");
        stream.write_all(&greeting.frame())?;
        let mut reader = FrameReader::new(Limits::MAX_FRAME);
        let mut greeted = false;
        loop {
            if reader.read(|buffer| stream.read(buffer))? == 0 {
                return Ok(());
            }
            while let Ok(Some(body)) = reader.next_frame() {
                let mut out = Vec::new();
                if !greeted {
                    greeted = true;
                    if let Err(e) = greeting.check_client(body) {
                        ClientFrame::Refused(&e.to_string()).encode(&mut out);
                        return stream.write_all(&frame(&out));
                    }
                    continue;
                }
                let Ok(ClientFrame::Request(commands)) = ClientFrame::decode(body) else { return Ok(()) };
                let leader = self.leader.load(Ordering::SeqCst);
                if leader != node {
                    // 0: nobody leads, and somebody is found the next time.
                    let known = Some(NodeId(leader as u16)).filter(|node| node.0 != 0);
                    if leader == 0 {
                        self.leader.store(3, Ordering::SeqCst);
                    }
                    ClientFrame::Redirect { leader: known }.encode(&mut out);
                    stream.write_all(&frame(&out))?;
                    continue;
                }
                let frames = self.frames.fetch_add(1, Ordering::SeqCst) + 1;
                let lose = self.lose > 0 && frames.is_multiple_of(self.lose);
                if lose {
                    self.leader.store([0, 1, 2, 3][(frames / self.lose) as usize % 4], Ordering::SeqCst);
                }
                if lose && (frames / self.lose).is_multiple_of(2) {
                    return Ok(());
                }
                let mut replies = Vec::new();
                let mut store = self.store.lock().unwrap();
                for command in Commands::new(commands) {
                    store.apply(&command.unwrap(), &mut replies);
                }
                drop(store);
                if lose {
                    return Ok(());
                }
                ClientFrame::Replies(&replies).encode(&mut out);
                stream.write_all(&frame(&out))?;
            }
        }
    }
}

/// A node that takes connections and never answers.
pub fn silent() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let kept: Vec<_> = listener.incoming().collect();
        drop(kept);
    });
    address
}

/// An address where nobody listens.
pub fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Long enough for slow machines.
pub const DEADLINE: Duration = Duration::from_secs(60);
