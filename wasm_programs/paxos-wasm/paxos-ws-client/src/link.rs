//! The one connection of a process to the cluster: to whichever node leads, as far as known.
//!
//! A link finds the leader by asking: it connects to the nodes in turn, and follows the redirections that they answer
//! with. Whoever uses it sends again whatever is not answered when the link says that it is a new connection; the
//! sequence numbers of the sessions see to it that nothing is done twice.

use crate::nodes::Nodes;
use paxos_frame::{FrameReader, Greeting, header};
use paxos_types::{ClientFrame, Endpoint, Limits, NodeId, Role};
use std::io::{self, IoSlice, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// How long a connection may take to come about: nodes are near.
const CONNECT: Duration = Duration::from_millis(500);
/// How long a write may wait for a node that does not read.
const WRITE: Duration = Duration::from_secs(5);
/// The pause after a round in which no node helped, at first and at most.
const PAUSE: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(20));

/// What the cluster has sent.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    /// Something; replies, if any, were handed to the caller.
    Something,
    /// Nothing, for the time that was asked for.
    Nothing,
    /// The connection is gone, or leads to a node that does not lead: everything has to be sent again.
    Lost,
}

struct Line {
    stream: TcpStream,
    reader: FrameReader,
    greeted: bool,
    wait: Duration,
}

/// See the module.
pub struct Link {
    nodes: Nodes,
    /// Index of the node to talk to.
    at: usize,
    line: Option<Line>,
    /// Nodes that were of no help since one was.
    fruitless: usize,
    pause: Duration,
    not_before: Option<Instant>,
    connections: u64,
    trouble: String,
}

impl Link {
    /// A link that begins with the node at `first`, modulo their number.
    #[must_use]
    pub fn new(nodes: Nodes, first: usize) -> Self {
        let at = first % nodes.list.len().max(1);
        let (line, not_before, trouble) = (None, None, String::new());
        Self { nodes, at, line, fruitless: 0, pause: PAUSE.0, not_before, connections: 0, trouble }
    }

    /// How many connections there have been.
    #[must_use]
    pub const fn connections(&self) -> u64 {
        self.connections
    }

    /// The node that is talked to, or that will be tried next.
    #[must_use]
    pub fn node(&self) -> u16 {
        self.nodes.list.get(self.at).map_or(0, |(id, _)| *id)
    }

    /// What went wrong last.
    #[must_use]
    pub fn trouble(&self) -> &str {
        if self.trouble.is_empty() { "no node has answered yet" } else { &self.trouble }
    }

    /// Makes sure that there is a connection, waiting for at most `wait`. `Some(true)`: there is a new one. `None`: there is none yet.
    pub fn connect(&mut self, wait: Duration) -> Option<bool> {
        if self.line.is_some() {
            return Some(false);
        }
        if let Some(until) = self.not_before {
            let left = until.saturating_duration_since(Instant::now());
            std::thread::sleep(left.min(wait));
            if left > wait {
                return None;
            }
            self.not_before = None;
        }
        let (id, address) = *self.nodes.list.get(self.at)?;
        match self.dial(address) {
            Ok(line) => {
                self.line = Some(line);
                self.connections += 1;
                Some(true)
            }
            Err(e) => {
                self.give_up(format!("node {id} at {address}: {e}"), None);
                None
            }
        }
    }

    fn dial(&self, address: std::net::SocketAddr) -> io::Result<Line> {
        let mut stream = TcpStream::connect_timeout(&address, CONNECT)?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(WRITE))?;
        stream.write_all(&Greeting::of_client(&self.nodes.cluster).frame())?;
        Ok(Line { stream, reader: FrameReader::new(Limits::MAX_FRAME), greeted: false, wait: Duration::ZERO })
    }

    /// Leaves the node: for `next`, or for the one after it.
    fn give_up(&mut self, why: String, next: Option<usize>) {
        self.trouble = why;
        self.line = None;
        self.fruitless += 1;
        self.at = next.unwrap_or((self.at + 1) % self.nodes.list.len().max(1));
        // One round of all nodes is for free; then each further step waits, longer and longer.
        if self.fruitless >= self.nodes.list.len() {
            self.not_before = Some(Instant::now() + self.pause);
            self.pause = (self.pause * 2).min(PAUSE.1);
        }
    }

    /// Leaves a node that has been silent for too long.
    pub fn leave(&mut self, why: &str) {
        let text = format!("node {}: {why}", self.node());
        self.give_up(text, None);
    }

    /// Sends one request frame with these encoded commands, in one write. A connection that fails is noticed by [`Link::hear`].
    pub fn send(&mut self, commands: &[u8], scratch: &mut Vec<u8>) {
        let Some(line) = &mut self.line else { return };
        scratch.clear();
        ClientFrame::Request(commands).encode(scratch);
        let header = header(scratch);
        let mut parts = [IoSlice::new(&header), IoSlice::new(scratch)];
        let mut parts = &mut parts[..];
        let mut result = Ok(());
        while !parts.is_empty() {
            match line.stream.write_vectored(parts) {
                Ok(0) => result = Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => IoSlice::advance_slices(&mut parts, n),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => result = Err(e),
            }
            if result.is_err() {
                break;
            }
        }
        if let Err(e) = result {
            let text = format!("node {}: writing to it failed: {e}", self.node());
            self.give_up(text, None);
        }
    }

    /// Waits for what the cluster sends, for at most `wait`, and hands the bytes of replies to `replies`.
    ///
    /// # Errors
    /// When the cluster refuses this client for good.
    pub fn hear(
        &mut self,
        wait: Duration,
        mut replies: impl FnMut(&[u8]) -> Result<(), String>,
    ) -> Result<Heard, String> {
        let Some(line) = &mut self.line else { return Ok(Heard::Lost) };
        if line.wait != wait {
            line.wait = wait;
            if let Err(e) = line.stream.set_read_timeout(Some(wait)) {
                return Err(format!("cannot set the time-out of a connection: {e}"));
            }
        }
        let stream = &mut line.stream;
        let lost = match line.reader.read(|buffer| stream.read(buffer)) {
            Ok(0) => Some("it closed the connection".to_owned()),
            Ok(_) => None,
            Err(e)
                if matches!(
                    e.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
                ) =>
            {
                return Ok(Heard::Nothing);
            }
            Err(e) => Some(format!("the connection broke: {e}")),
        };
        if let Some(why) = lost {
            self.leave(&why);
            return Ok(Heard::Lost);
        }
        self.frames(&mut replies)
    }

    fn frames(&mut self, replies: &mut impl FnMut(&[u8]) -> Result<(), String>) -> Result<Heard, String> {
        let node = self.node();
        let Some(line) = &mut self.line else { return Ok(Heard::Lost) };
        loop {
            let body = match line.reader.next_frame() {
                Ok(Some(body)) => body,
                Ok(None) => return Ok(Heard::Something),
                Err(e) => return Err(format!("node {node} does not speak the protocol of clients: {e}")),
            };
            if !line.greeted {
                let called = Endpoint { node: NodeId(0), role: Role::Proposer };
                Greeting::of_client(&self.nodes.cluster)
                    .check_called(body, called)
                    .map_err(|e| format!("node {node}: {e}"))?;
                line.greeted = true;
                continue;
            }
            match ClientFrame::decode(body)
                .map_err(|e| format!("node {node} does not speak the protocol of clients: {e}"))?
            {
                ClientFrame::Replies(bytes) => {
                    (self.fruitless, self.pause) = (0, PAUSE.0);
                    replies(bytes)?;
                }
                ClientFrame::Redirect { leader } => {
                    let next = leader.and_then(|leader| self.nodes.list.iter().position(|(id, _)| *id == leader.0));
                    let text = match leader {
                        Some(leader) => format!("node {node} says that node {leader} leads"),
                        None => format!("node {node} knows of no leader"),
                    };
                    self.give_up(text, next);
                    return Ok(Heard::Lost);
                }
                ClientFrame::Refused(why) => return Err(format!("node {node} refuses: {why}")),
                ClientFrame::Request(_) => {
                    return Err(format!("node {node} sends requests: it is no node of a cluster"));
                }
            }
        }
    }
}
