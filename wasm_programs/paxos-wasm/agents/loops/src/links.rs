//! What all three agents share: their storage, their connections, and messages in and out, a frame per receiver and turn.

use crate::ports::{Host, Level, Network, Outcome, Storage, endpoint, network_client, storage};
use paxos_bindings::fault;
use paxos_bindings::wit::agent_types::Letter;
use paxos_bindings::wit::core_types::{Mail, Sending};
use paxos_bindings::wit::messages::{Message, Target};
use paxos_bindings::wit::network_types::{HelloConfig, NetworkLimits};
use paxos_bindings::wit::settings::{NodeAddresses, Settings};
use paxos_bindings::wit::types::{Endpoint, FaultKind, Role};
use paxos_types::{NodeId, agreed_name};

/// Bytes that are taken from peers in one turn, about.
pub const INTAKE: u32 = 1 << 20;
/// Bytes of messages in one frame, about; one message may be longer.
const FRAME: usize = 256 << 10;
/// Bytes of records that are read at once when a role recovers.
const RECOVERY: u32 = 4 << 20;

/// The connections of a role.
pub struct Links {
    own: Endpoint,
    nodes: Vec<u16>,
    /// The roles of this process: their messages go over no socket.
    together: Vec<Role>,
    /// When the connections want to be looked after again.
    deadline: Option<u64>,
    /// Whose connection is up.
    up: Vec<Endpoint>,
    /// Letters for the roles of this process.
    local: Vec<Letter>,
    /// What was said last about a frame: the same is not said again.
    said: String,
    /// Crash points that are set; usually none, and then nobody is asked.
    crash_points: Vec<String>,
}

/// The bounds for connections.
pub fn network_limits(settings: &Settings) -> NetworkLimits {
    NetworkLimits {
        frame_bytes: settings.limits.frame_bytes,
        queue_bytes: settings.limits.queue_bytes,
        connections: settings.limits.connections,
    }
}

/// The own node's addresses.
pub fn own_addresses(settings: &Settings) -> Outcome<&NodeAddresses> {
    settings.nodes.iter().find(|node| node.node == settings.node).ok_or_else(|| {
        fault(FaultKind::Configuration, format!("node {} is not among the configured nodes", settings.node))
    })
}

fn address(node: &NodeAddresses, role: Role) -> String {
    match role {
        Role::Proposer => node.proposer.clone(),
        Role::Acceptor => node.acceptor.clone(),
        Role::Learner => node.learner.clone(),
        Role::Client => node.client.clone(),
    }
}

/// Whom a role talks to.
fn talks_to(own: Endpoint, to: Endpoint) -> bool {
    let same = own.node == to.node;
    match (own.role, to.role) {
        (Role::Proposer, Role::Acceptor) | (Role::Acceptor, Role::Proposer | Role::Learner) => true,
        (Role::Learner, Role::Acceptor) => true,
        (Role::Learner, Role::Proposer) => same,
        (a, b) => a == b && !same,
    }
}

/// The cluster as its members call it.
fn agreed(settings: &Settings) -> String {
    let nodes = settings.nodes.iter().map(|node| NodeId(node.node));
    agreed_name(&settings.cluster, nodes, settings.limits.sessions.into())
}

/// Opens the storage of a role and hands its records to `recover` by parts.
pub fn open_storage<P: Host + Storage>(
    ports: &mut P,
    settings: &Settings,
    role: Role,
    mut recover: impl FnMut(&mut P, u64, &[Vec<u8>]) -> Outcome<()>,
    configure: impl FnOnce(&mut P, &storage::Opened) -> Outcome<()>,
) -> Outcome<storage::Opened> {
    let identity = storage::Identity { cluster: agreed(settings), node: settings.node, role };
    let opened = ports.open(&settings.data_dir, &identity, settings.durability)?;
    if !opened.torn.is_empty() {
        ports.log(
            Level::Warn,
            &format!("cut off a torn end, of which nothing says that it was ever durable: {}", opened.torn),
        );
    }
    configure(ports, &opened)?;
    let mut at = opened.first;
    while at < opened.next {
        let records = ports.read(at, RECOVERY)?;
        if records.is_empty() {
            let text =
                format!("the storage says that it has records up to {}, and gives none from {at} on", opened.next);
            return Err(fault(FaultKind::Contract, text));
        }
        recover(ports, at, &records)?;
        at += records.len() as u64;
    }
    Ok(opened)
}

impl Links {
    /// Configures the form of messages, listens, and says whom to connect to.
    pub fn start<P: Host + Network>(
        ports: &mut P,
        settings: &Settings,
        role: Role,
        incarnation: u64,
    ) -> Outcome<Links> {
        let own = endpoint(settings.node, role);
        let nodes: Vec<u16> = settings.nodes.iter().map(|node| node.node).collect();
        let hello = HelloConfig {
            cluster: agreed(settings),
            self_endpoint: own,
            serializer: settings.serializer.clone(),
            incarnation,
            nodes: nodes.clone(),
        };
        let limits = network_limits(settings);
        ports.configure_form(&settings.serializer)?;
        ports.listen(&address(own_addresses(settings)?, role), &hello, limits)?;
        let mut peers = Vec::new();
        for node in &settings.nodes {
            for to_role in [Role::Proposer, Role::Acceptor, Role::Learner] {
                let to = endpoint(node.node, to_role);
                let together = node.node == settings.node && settings.roles.contains(&to_role);
                if talks_to(own, to) && !together {
                    peers.push(network_client::Peer { endpoint: to, address: address(node, to_role) });
                }
            }
        }
        // Short against the time after which a peer is suspected, so that a peer that is back is not suspected for want of a connection.
        let suspect = settings.timeouts.suspect.max(1_000_000);
        let waits = network_client::BackOff {
            first: (suspect / 16).min(50_000_000),
            most: suspect.min(1_000_000_000),
            seed: settings.seed ^ (role as u64),
        };
        ports.connect_to(&peers, &hello, limits, waits)?;
        let crash_points = ports.crash_points();
        let together = settings.roles.clone();
        Ok(Links {
            own,
            nodes,
            together,
            deadline: None,
            up: Vec::new(),
            local: Vec::new(),
            said: String::new(),
            crash_points,
        })
    }

    /// Who this is.
    pub fn own(&self) -> Endpoint {
        self.own
    }

    /// All nodes.
    pub fn nodes(&self) -> &[u16] {
        &self.nodes
    }

    /// Whose connection is up.
    pub fn up(&self) -> &[Endpoint] {
        &self.up
    }

    /// When a turn is due for the connections' sake.
    pub fn deadline(&self) -> Option<u64> {
        self.deadline
    }

    /// A place at which the process may be told to die.
    pub fn crash_point<P: Host>(&self, ports: &mut P, name: &str) {
        if self.crash_points.iter().any(|point| point == name) {
            ports.crash_point(name);
        }
    }

    /// Everything that has come: from the roles of this process, and from peers, about `max_bytes` of it. Answers whether there is more.
    pub fn intake<P: Host + Network>(
        &mut self,
        ports: &mut P,
        now: u64,
        letters: Vec<Letter>,
        max_bytes: u32,
    ) -> (Vec<Mail>, bool) {
        let mut mail: Vec<Mail> =
            letters.into_iter().map(|letter| Mail { sender: letter.sender, messages: letter.messages }).collect();
        let intake = ports.receive(now, max_bytes);
        for note in intake.notes {
            ports.log(Level::Info, &note);
        }
        if intake.frames.is_empty() {
            return (mail, intake.more);
        }
        let (senders, frames): (Vec<_>, Vec<_>) =
            intake.frames.into_iter().map(|received| (received.sender, received.frame)).unzip();
        for (sender, messages) in senders.into_iter().zip(ports.decode(&frames)) {
            match messages {
                Ok(messages) => mail.push(Mail { sender, messages }),
                Err(why) => {
                    let text = format!("a frame of {:?} {} is dropped: {why}", sender.role, sender.node);
                    if text != self.said {
                        ports.log(Level::Warn, &text);
                        self.said = text;
                    }
                }
            }
        }
        (mail, intake.more)
    }

    /// Sends messages, those with one target in as few frames as fit, in order.
    pub fn dispatch<P: Host + Network>(&mut self, ports: &mut P, sends: Vec<Sending>) {
        let mut frames: Vec<(Target, Vec<Message>, usize)> = Vec::new();
        for Sending { to, message } in sends {
            let weight = weight(&message);
            match frames.iter_mut().rfind(|(target, ..)| *target == to) {
                Some((_, messages, bytes)) if *bytes + weight <= FRAME => {
                    messages.push(message);
                    *bytes += weight;
                }
                _ => frames.push((to, vec![message], weight)),
            }
        }
        let mut receivers = Vec::with_capacity(frames.len());
        let mut bodies = Vec::with_capacity(frames.len());
        for (target, messages, _) in frames {
            let (near, far): (Vec<Endpoint>, Vec<Endpoint>) =
                self.endpoints(target).partition(|to| to.node == self.own.node && self.together.contains(&to.role));
            for to in near {
                self.local.push(Letter { sender: self.own, to, messages: messages.clone() });
            }
            if !far.is_empty() {
                receivers.push(far);
                bodies.push(messages);
            }
        }
        if bodies.is_empty() {
            return;
        }
        let frames = ports.encode(&bodies);
        let parcels: Vec<network_client::Parcel> =
            receivers.into_iter().zip(frames).map(|(to, frame)| network_client::Parcel { to, frame }).collect();
        ports.send(&parcels);
    }

    fn endpoints(&self, target: Target) -> impl Iterator<Item = Endpoint> + use<'_> {
        let own = self.own.node;
        let (one, role, own_too) = match target {
            Target::One(to) => (Some(to), to.role, false),
            Target::All(role) => (None, role, true),
            Target::Others(role) => (None, role, false),
        };
        let many = self.nodes.iter().filter(move |node| one.is_none() && (own_too || **node != own));
        one.into_iter().chain(many.map(move |node| endpoint(*node, role)))
    }

    /// Connects and writes. To be called at the end of a turn; gives the letters for the roles of this process.
    pub fn pump<P: Host + Network>(&mut self, ports: &mut P, now: u64) -> Vec<Letter> {
        let pumped = ports.pump(now);
        for note in pumped.notes {
            ports.log(Level::Info, &note);
        }
        self.deadline = pumped.deadline;
        self.up = pumped.up;
        std::mem::take(&mut self.local)
    }
}

/// About how many bytes a message takes.
pub fn weight(message: &Message) -> usize {
    64 + match message {
        Message::Promise(m) => m.accepted.iter().map(|value| 32 + value.batch.len()).sum(),
        Message::Accept(m) => m.batch.len(),
        Message::Accepted(m) => m.batches.iter().map(|batch| 8 + batch.len()).sum(),
        Message::Chosen(m) => m.batches.iter().map(|batch| 8 + batch.len()).sum(),
        Message::Executed(m) => m.replies.iter().map(|item| 32 + item.replies.len()).sum(),
        Message::SnapshotChunk(m) => m.bytes.len(),
        _ => 0,
    }
}

/// The earlier of two deadlines.
pub fn earlier(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, other) => one.or(other),
    }
}

/// The figures of a role's connections, under a prefix each.
pub fn network_figures<P: Network>(ports: &mut P, up: usize) -> Vec<(String, u64)> {
    let (server, client) = ports.counters();
    vec![
        ("peers-up".into(), up as u64),
        ("frames-in".into(), server.frames_in),
        ("bytes-in".into(), server.bytes_in),
        ("reads".into(), server.reads),
        ("frames-out".into(), client.frames_out),
        ("bytes-out".into(), client.bytes_out),
        ("writes".into(), client.writes),
        ("shed".into(), client.shed),
        ("refused".into(), server.refused + client.refused),
    ]
}
