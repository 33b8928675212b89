//! The same cores natively in one program, accepted state in memory: the peer of the components in the table of speeds.
//!
//! With `--serve` every role of the three nodes is a thread with sockets of its own, for the clients of any cluster: what the
//! components are compared with, since it leaves out nothing but them. `--sockets`: the same, with clients of this program's own, a thread for
//! each connection. Without either all of it is one thread that hands encoded messages over: what the cores and the form of messages
//! cost by themselves.
//!
//! `cargo run --release -p paxos-sim --example native -- [--sockets] [--json] [--requests N] [--clients N] [--connections N] [--nodes N]`
//! `cargo run --release -p paxos-sim --example native -- --serve PORT,PORT,PORT [--cluster NAME]`, until standard input ends

mod sockets;

use paxos_sim::process::{Effect, Input, Process, Settings};
use paxos_sim::random::Random;
use paxos_types::reply::Replies;
use paxos_types::{
    Bytes, ClientFrame, ClientId, Command, Endpoint, Incarnation, Instant, Message, NodeId, Op, Outcome, Reply, Role,
    codec,
};
use std::collections::{BTreeMap, VecDeque};
use std::time;

const KEYS: u64 = 10_000;
const VALUE: usize = 32;

struct Arguments {
    json: bool,
    sockets: bool,
    requests: u64,
    clients: u64,
    connections: u64,
    nodes: u16,
    /// Ports for clients, one per node; none: this program's own clients.
    serve: Vec<u16>,
    cluster: String,
}

fn arguments() -> Result<Arguments, String> {
    let mut a = Arguments {
        json: false,
        sockets: false,
        requests: 1_000_000,
        clients: 500,
        connections: 10,
        nodes: 3,
        serve: Vec::new(),
        cluster: "demo".to_owned(),
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        if word == "--json" || word == "--sockets" {
            a.json |= word == "--json";
            a.sockets |= word == "--sockets";
            continue;
        }
        let text = words.next().ok_or_else(|| format!("{word} needs a number"))?;
        if word == "--cluster" {
            a.cluster = text;
            continue;
        }
        if word == "--serve" {
            let ports = text.split(',').map(str::parse).collect::<Result<Vec<u16>, _>>();
            a.serve = ports.map_err(|_| format!("--serve needs ports with commas between them, not '{text}'"))?;
            a.nodes = u16::try_from(a.serve.len()).unwrap_or(3);
            continue;
        }
        let number: u64 = text.parse().map_err(|_| format!("{word} needs a number, not '{text}'"))?;
        match word.as_str() {
            "--requests" => a.requests = number,
            "--clients" => a.clients = number,
            "--connections" => a.connections = number.max(1),
            "--nodes" => a.nodes = u16::try_from(number).unwrap_or(3),
            _ => {
                return Err(format!(
                    "no option is called {word}; there are --json, --sockets, --serve, --cluster, --requests, --clients, --connections, --nodes"
                ));
            }
        }
    }
    Ok(a)
}

struct Client {
    id: ClientId,
    seq: u64,
    random: Random,
    begun: time::Instant,
    seen: Vec<u8>,
}

/// As shipped.
fn settings(nodes: u16) -> Settings {
    let ms = 1_000_000;
    Settings {
        nodes: (1..=nodes).map(NodeId).collect(),
        heartbeat: 100 * ms,
        suspect: 1000 * ms,
        phase: 500 * ms,
        retransmit: 500 * ms,
        snapshot_every: 20_000,
        snapshot_bytes: 64 << 20,
        log_bytes: 1 << 30,
        window: 64,
        max_commands: 1024,
        chunk: 1 << 20,
        tail_bytes: 32 << 20,
        part_entries: 1024,
        sessions: 100_000,
        segment_bytes: 64 << 20,
        mutation: None,
    }
}

struct Cluster {
    processes: BTreeMap<Endpoint, Process>,
    nodes: Vec<NodeId>,
    queue: VecDeque<(Endpoint, Endpoint, Bytes)>,
    frames: Vec<(u64, Bytes)>,
    begun: time::Instant,
    /// What a process sends in one turn, by receiver: one frame each.
    outgoing: BTreeMap<Endpoint, Vec<Message>>,
}

impl Cluster {
    fn new(nodes: u16) -> Result<Cluster, String> {
        let settings = settings(nodes);
        let nodes = settings.nodes.clone();
        let mut processes = BTreeMap::new();
        for node in nodes.iter().copied() {
            for role in Role::OF_A_NODE {
                let endpoint = Endpoint::new(node, role);
                let incarnation = Incarnation(u64::from(node.0));
                processes.insert(endpoint, Process::start(endpoint, &settings, None, incarnation, Instant(0))?);
            }
        }
        let begun = time::Instant::now();
        Ok(Cluster { processes, nodes, queue: VecDeque::new(), frames: Vec::new(), begun, outgoing: BTreeMap::new() })
    }

    fn now(&self) -> Instant {
        Instant(self.begun.elapsed().as_nanos() as u64)
    }

    fn step(&mut self, endpoint: Endpoint, input: Input) -> Result<(), String> {
        let now = self.now();
        let Some(process) = self.processes.get_mut(&endpoint) else { return Ok(()) };
        let mut effects = Vec::new();
        process.step(now, input, &mut effects)?;
        while !effects.is_empty() {
            for effect in std::mem::take(&mut effects) {
                match effect {
                    Effect::Send(target, message) => {
                        for to in target.endpoints(endpoint.node, &self.nodes) {
                            self.outgoing.entry(to).or_default().push(message.clone());
                        }
                    }
                    Effect::Reply(connection, frame) => self.frames.push((connection, frame)),
                    Effect::Save(slot, bytes) => process.snapshot_saved(now, slot, bytes, &mut effects)?,
                    Effect::Stop(reason) => return Err(reason),
                    Effect::WantsSync | Effect::Executed(..) | Effect::Installed(_) => {}
                }
            }
        }
        Ok(())
    }

    /// Ends a process's turn: what it wants sent leaves, encoded, one frame per receiver.
    fn leave(&mut self, from: Endpoint) {
        for (to, messages) in std::mem::take(&mut self.outgoing) {
            self.queue.push_back((from, to, Bytes::from(codec::encode(&messages))));
        }
    }

    fn settle(&mut self) -> Result<(), String> {
        while let Some((from, to, frame)) = self.queue.pop_front() {
            for message in codec::decode(&frame).map_err(|e| e.to_string())? {
                self.step(to, Input::Message(from, message))?;
            }
            self.leave(to);
        }
        Ok(())
    }

    fn tick(&mut self) -> Result<(), String> {
        let now = self.now();
        let due: Vec<Endpoint> =
            self.processes.iter().filter(|(_, p)| p.deadline().is_some_and(|d| d <= now)).map(|(e, _)| *e).collect();
        for endpoint in due {
            self.step(endpoint, Input::Tick)?;
            self.leave(endpoint);
        }
        self.settle()
    }

    fn leader(&self) -> Option<Endpoint> {
        let leads = |p: &Process| p.proposer().is_some_and(|p| p.leading().is_some());
        self.processes.iter().find(|(_, p)| leads(p)).map(|(e, _)| *e)
    }
}

impl Client {
    fn new(i: u64) -> Client {
        Client {
            id: ClientId((u128::from(Random::new(i).draw()) << 64) | u128::from(i)),
            seq: 0,
            random: Random::new(i),
            begun: time::Instant::now(),
            seen: Vec::new(),
        }
    }

    /// Takes the reply to its last request; how long it took, in microseconds.
    fn answered(&mut self, reply: &Reply<'_>) -> Result<u32, String> {
        if reply.seq != self.seq || !reply.outcome.applied() {
            return Err(format!("a wrong reply: {reply:?}"));
        }
        if let Outcome::Value(value) = reply.outcome {
            self.seen = value.to_vec();
        }
        Ok(self.begun.elapsed().as_micros() as u32)
    }

    fn request(&mut self, out: &mut Vec<u8>) {
        self.seq += 1;
        self.begun = time::Instant::now();
        let key = format!("key:{:08}", self.random.below(KEYS));
        let mut value = format!("{}-{}", self.id, self.seq).into_bytes();
        value.resize(VALUE, b'.');
        let key = key.as_bytes();
        let op = match self.random.below(100) {
            _ if self.seq == 1 => Op::Open,
            0..50 => Op::Put { key, value: &value },
            50..90 => Op::Get { key },
            _ => Op::Cas { key, expected: Some(&self.seen), value: &value },
        };
        Command { client: self.id, seq: self.seq, op }.encode(out);
    }
}

fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks: f64 = [11, 12].iter().filter_map(|i| fields.get(*i)?.parse::<f64>().ok()).sum();
    ticks / 100.0
}

fn main() {
    if let Err(e) = run() {
        eprintln!("{e}");
        std::process::exit(1);
    }
}

fn run() -> Result<(), String> {
    let a = arguments()?;
    if !a.serve.is_empty() {
        return sockets::serve(&a);
    }
    let cpu = cpu_seconds();
    let (mut latencies, seconds) = if a.sockets { sockets::run(&a)? } else { in_one_thread(&a)? };
    let answered = latencies.len();
    // With the time until there is a leader, which is idle.
    let cpu = (cpu_seconds() - cpu) / answered as f64 * 1e6;
    latencies.sort_unstable();
    let at = |share: f64| {
        let i = ((latencies.len() as f64 * share) as usize).min(latencies.len().saturating_sub(1));
        f64::from(latencies.get(i).copied().unwrap_or(0)) / 1000.0
    };
    let rate = answered as f64 / seconds;
    let (p50, p99) = (at(0.5), at(0.99));
    if a.json {
        println!(
            "{{\"rate\":{rate:.0},\"p50_ms\":{p50:.3},\"p99_ms\":{p99:.3},\"requests\":{answered},\"clients\":{},\"cpu_us_per_request\":{cpu:.3}}}",
            a.clients
        );
    } else {
        println!(
            "{answered} requests in {seconds:.2} s: {rate:.0} req/s, p50 {p50:.3} ms, p99 {p99:.3} ms, {cpu:.2} µs of CPU a request"
        );
    }
    Ok(())
}

/// Latencies in microseconds, and seconds in all.
fn in_one_thread(a: &Arguments) -> Result<(Vec<u32>, f64), String> {
    let mut cluster = Cluster::new(a.nodes)?;
    let leader = loop {
        cluster.tick()?;
        match cluster.leader() {
            Some(leader) => break leader,
            None if cluster.begun.elapsed().as_secs() > 30 => return Err("no leader within 30 s".into()),
            None => std::thread::sleep(time::Duration::from_millis(1)),
        }
    };
    let mut clients: Vec<Client> = (0..a.clients).map(Client::new).collect();
    let by_id: BTreeMap<ClientId, usize> = clients.iter().enumerate().map(|(i, c)| (c.id, i)).collect();
    let mut ready: Vec<Vec<usize>> = vec![Vec::new(); a.connections as usize];
    for i in 0..clients.len() {
        ready[i % a.connections as usize].push(i);
    }
    let mut latencies: Vec<u32> = Vec::with_capacity(a.requests as usize);
    let mut sent = 0;
    let begun = time::Instant::now();
    while (latencies.len() as u64) < a.requests {
        for (connection, waiting) in ready.iter_mut().enumerate() {
            let mut bytes = Vec::new();
            for i in waiting.drain(..) {
                if sent < a.requests {
                    sent += 1;
                    clients[i].request(&mut bytes);
                }
            }
            if !bytes.is_empty() {
                cluster.step(leader, Input::Submit(connection as u64, Bytes::from(bytes)))?;
            }
        }
        cluster.step(leader, Input::Flush)?;
        cluster.leave(leader);
        cluster.settle()?;
        cluster.tick()?;
        for (connection, frame) in std::mem::take(&mut cluster.frames) {
            let ClientFrame::Replies(replies) = ClientFrame::decode(&frame).map_err(|e| e.to_string())? else {
                return Err("the leader sends its clients away".into());
            };
            for reply in Replies::new(replies) {
                let reply = reply.map_err(|e| e.to_string())?;
                let client = by_id.get(&reply.client).copied().ok_or("a reply to nobody")?;
                latencies.push(clients[client].answered(&reply)?);
                ready[connection as usize].push(client);
            }
        }
    }
    Ok((latencies, begun.elapsed().as_secs_f64()))
}
