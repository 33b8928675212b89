//! Datagrams between nodes: lost, late, twice, out of order, cut off.
//!
//! What becomes of a datagram is drawn from its link and its number on it, so that one that is taken out shifts no other.

use super::executor::{Nanos, ProcessId};
use super::seeds::Stream;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::task::Waker;

/// A socket.
pub type SocketId = usize;

/// What links do to datagrams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weather {
    /// Shortest way.
    pub least: Nanos,
    /// What may be added to it, and so change the order.
    pub jitter: Nanos,
    /// Lost, in millionths.
    pub loss: u64,
    /// Twice, in millionths.
    pub twice: u64,
    /// Much later than the others, in millionths.
    pub late: u64,
    /// Larger ones are lost.
    pub mtu: usize,
}

struct Socket {
    process: ProcessId,
    node: usize,
    addr: SocketAddr,
    open: bool,
    arrived: VecDeque<(SocketAddr, Vec<u8>)>,
    waker: Option<Waker>,
}

struct Datagram {
    from: SocketAddr,
    to: SocketId,
    bytes: Vec<u8>,
}

/// See the module.
pub struct Net {
    seed: u64,
    /// May change at any time.
    pub weather: Weather,
    sockets: Vec<Socket>,
    at: BTreeMap<SocketAddr, SocketId>,
    /// Ways from one node to another that are closed.
    cut: BTreeMap<(usize, usize), bool>,
    /// Datagrams so far on each way.
    sent: BTreeMap<(usize, usize), u64>,
    flying: Vec<Option<Datagram>>,
    vacant: Vec<usize>,
    /// Datagrams that were lost or cut off.
    pub lost: u64,
    /// All datagrams.
    pub total: u64,
}

/// Bytes that wait in a socket's buffer at most: datagrams.
const BUFFER: usize = 4096;

impl Net {
    /// A network without anybody.
    #[must_use]
    pub fn new(seed: u64, weather: Weather) -> Self {
        Self {
            seed,
            weather,
            sockets: Vec::new(),
            at: BTreeMap::new(),
            cut: BTreeMap::new(),
            sent: BTreeMap::new(),
            flying: Vec::new(),
            vacant: Vec::new(),
            lost: 0,
            total: 0,
        }
    }

    /// A socket of a process; the one before at its address is gone.
    pub fn bind(&mut self, process: ProcessId, node: usize, addr: SocketAddr) -> SocketId {
        let socket = Socket { process, node, addr, open: true, arrived: VecDeque::new(), waker: None };
        self.sockets.push(socket);
        let id = self.sockets.len() - 1;
        self.at.insert(addr, id);
        id
    }

    /// Opens or closes the way from one node to another.
    pub fn set_cut(&mut self, from: usize, to: usize, cut: bool) {
        self.cut.insert((from, to), cut);
    }

    /// Opens all ways.
    pub fn heal(&mut self) {
        self.cut.clear();
    }

    pub(super) fn cut_off(&mut self, process: ProcessId) {
        for socket in self.sockets.iter_mut().filter(|socket| socket.process == process && socket.open) {
            socket.open = false;
            socket.arrived.clear();
            socket.waker = None;
            self.at.remove(&socket.addr);
        }
    }

    /// Sends a datagram: when it arrives, none, once or twice.
    pub(super) fn send(&mut self, now: Nanos, from: SocketId, to: SocketAddr, bytes: &[u8]) -> Vec<(Nanos, usize)> {
        self.total += 1;
        let (source, addr) = (self.sockets[from].node, self.sockets[from].addr);
        let Some(to) = self.at.get(&to).copied() else { return Vec::new() };
        let way = (source, self.sockets[to].node);
        let number = self.sent.entry(way).or_default();
        *number += 1;
        let mut draws = Stream::new(self.seed, &[2, way.0 as u64, way.1 as u64, *number]);
        let weather = self.weather;
        let cut = self.cut.get(&way).copied().unwrap_or(false);
        if cut || bytes.len() > weather.mtu || draws.chance(weather.loss) {
            self.lost += 1;
            return Vec::new();
        }
        let times = 1 + usize::from(draws.chance(weather.twice));
        let mut out = Vec::with_capacity(times);
        for _ in 0..times {
            let mut after = weather.least + draws.range(0, weather.jitter.max(1));
            if draws.chance(weather.late) {
                after += draws.range(0, 200_000_000);
            }
            let datagram = Datagram { from: addr, to, bytes: bytes.to_vec() };
            let at = match self.vacant.pop() {
                Some(at) => {
                    self.flying[at] = Some(datagram);
                    at
                }
                None => {
                    self.flying.push(Some(datagram));
                    self.flying.len() - 1
                }
            };
            out.push((now + after, at));
        }
        out
    }

    /// A datagram arrives: how long it is, and who waits for it.
    pub(super) fn arrive(&mut self, datagram: usize) -> (u64, Option<Waker>) {
        let Some(Datagram { from, to, bytes }) = self.flying[datagram].take() else { return (0, None) };
        self.vacant.push(datagram);
        let (len, socket) = (bytes.len() as u64, &mut self.sockets[to]);
        // The way may have been closed while it was on it: what has left arrives.
        if !socket.open || socket.arrived.len() >= BUFFER {
            self.lost += 1;
            return (0, None);
        }
        socket.arrived.push_back((from, bytes));
        (len, socket.waker.take())
    }

    pub(super) fn receive(&mut self, socket: SocketId) -> Option<(SocketAddr, Vec<u8>)> {
        self.sockets[socket].arrived.pop_front()
    }

    pub(super) fn wait(&mut self, socket: SocketId, waker: &Waker) {
        self.sockets[socket].waker = Some(waker.clone());
    }

    pub(super) fn addr(&self, socket: SocketId) -> SocketAddr {
        self.sockets[socket].addr
    }
}
