//! Datagrams between nodes: lost, late, twice, out of order, cut off.
//!
//! What becomes of a datagram is drawn from its link and its number on it, so that one that is taken out shifts no other.

use super::executor::{Nanos, ProcessId};
use super::seeds::{Stream, sum};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::task::Waker;

/// A socket.
pub type SocketId = usize;

/// What links do to datagrams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
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
    /// With one bit that is another one than was sent, in millionths.
    pub corrupt: u64,
    /// Bytes a second on each way, if there is a bound. What would wait for longer than [`QUEUE`] is lost.
    pub bandwidth: Option<u64>,
}

/// How long a datagram waits at most for those before it where the way is narrow.
pub const QUEUE: Nanos = 300_000_000;

/// A way from one node to another.
#[derive(Clone, Copy, Debug, Default)]
struct Way {
    cut: bool,
    /// Datagrams so far.
    sent: u64,
    /// When what was sent before is through.
    free: Nanos,
    /// Until when nothing gets through, and everything waits.
    clogged: Nanos,
}

struct Socket {
    process: ProcessId,
    node: usize,
    addr: SocketAddr,
    open: bool,
    /// When it was cut off: what would have been sent later was not.
    until: Nanos,
    arrived: VecDeque<(SocketAddr, Vec<u8>)>,
    waker: Option<Waker>,
}

struct Datagram {
    from: SocketAddr,
    by: SocketId,
    at: Nanos,
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
    ways: BTreeMap<(usize, usize), Way>,
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
            ways: BTreeMap::new(),
            flying: Vec::new(),
            vacant: Vec::new(),
            lost: 0,
            total: 0,
        }
    }

    /// A socket of a process; the one before at its address is gone.
    pub fn bind(&mut self, process: ProcessId, node: usize, addr: SocketAddr) -> SocketId {
        let socket =
            Socket { process, node, addr, open: true, until: Nanos::MAX, arrived: VecDeque::new(), waker: None };
        self.sockets.push(socket);
        let id = self.sockets.len() - 1;
        self.at.insert(addr, id);
        id
    }

    /// Opens or closes the way from one node to another.
    pub fn set_cut(&mut self, from: usize, to: usize, cut: bool) {
        self.ways.entry((from, to)).or_default().cut = cut;
    }

    /// Lets everything on a way wait until a moment.
    pub fn clog(&mut self, from: usize, to: usize, until: Nanos) {
        self.ways.entry((from, to)).or_default().clogged = until;
    }

    /// Opens all ways.
    pub fn heal(&mut self) {
        for way in self.ways.values_mut() {
            (way.cut, way.clogged) = (false, 0);
        }
    }

    pub(super) fn cut_off(&mut self, process: ProcessId, now: Nanos) {
        for socket in self.sockets.iter_mut().filter(|socket| socket.process == process && socket.open) {
            (socket.open, socket.until) = (false, now);
            socket.arrived.clear();
            socket.waker = None;
            self.at.remove(&socket.addr);
        }
    }

    /// Sends a datagram: when it arrives, none, once or twice.
    pub(super) fn send(&mut self, now: Nanos, from: SocketId, to: SocketAddr, bytes: &[u8]) -> Vec<(Nanos, usize)> {
        self.total += 1;
        let (by, source, addr) = (from, self.sockets[from].node, self.sockets[from].addr);
        let Some(to) = self.at.get(&to).copied() else { return Vec::new() };
        let ends = (source, self.sockets[to].node);
        let way = self.ways.entry(ends).or_default();
        way.sent += 1;
        let mut draws = Stream::new(self.seed, &[2, ends.0 as u64, ends.1 as u64, way.sent]);
        let weather = self.weather;
        let mut leaves = now;
        if let Some(bandwidth) = weather.bandwidth {
            leaves = way.free.max(now);
            if leaves - now > QUEUE {
                self.lost += 1;
                return Vec::new();
            }
            way.free = leaves + bytes.len() as u64 * 1_000_000_000 / bandwidth.max(1);
            leaves = way.free;
        }
        let clogged = way.clogged;
        if way.cut || bytes.len() > weather.mtu || draws.chance(weather.loss) {
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
            let mut bytes = bytes.to_vec();
            if draws.chance(weather.corrupt) {
                let bit = draws.range(0, bytes.len() as u64 * 8) as usize;
                if let Some(byte) = bytes.get_mut(bit / 8) {
                    *byte ^= 1 << (bit % 8);
                }
            }
            let datagram = Datagram { from: addr, by, at: now, to, bytes };
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
            out.push(((leaves + after).max(clogged), at));
        }
        out
    }

    /// A datagram arrives: what it amounts to, and who waits for it.
    pub(super) fn arrive(&mut self, datagram: usize) -> (u64, Option<Waker>) {
        let Some(Datagram { from, by, at, to, bytes }) = self.flying[datagram].take() else { return (0, None) };
        self.vacant.push(datagram);
        let sent = at <= self.sockets[by].until;
        let (sum, socket) = (sum(&bytes), &mut self.sockets[to]);
        // The way may have been closed while it was on it: what has left arrives.
        if !sent || !socket.open || socket.arrived.len() >= BUFFER {
            self.lost += 1;
            return (0, None);
        }
        socket.arrived.push_back((from, bytes));
        (sum, socket.waker.take())
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
