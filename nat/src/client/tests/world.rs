//! Sockets, clients, programs and a log that are models, around the real client half.
//!
//! Each client's bytes and each program's are a function of client and position, so that a byte of somebody else, or at
//! another place, is seen at once. The world checks what it sees while it goes on: what the log is told, what is written to a
//! socket, and with what a socket is closed.

use crate::client::{
    Clients, Ending, Order, Patience, Read, Readiness, Settings, Slot, ToRead, ToWrite, Unwelcome, Wrote,
};
use replicode_log::{BootNo, ConnId, HostAddr, Input, Mono, NodeId, Output, Service};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

pub const END_PATIENCE: Duration = Duration::from_secs(5);
pub const WRITE_PATIENCE: Duration = Duration::from_secs(60);

pub fn node() -> NodeId {
    NodeId::new(7).expect("7 is a node number")
}

/// What a client (`0`) or its program (`1`) says at a position.
pub fn byte(client: u32, whose: u8, at: u64) -> u8 {
    let mixed = (u64::from(client) << 40 | u64::from(whose) << 32 | at).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 56) as u8
}

pub fn bytes(client: u32, whose: u8, from: u64, len: u64) -> Vec<u8> {
    (from..from + len).map(|at| byte(client, whose, at)).collect()
}

/// One client: its end of the connection, our socket, its program, and what the log knows of it.
#[derive(Debug, Default)]
pub struct Peer {
    pub number: u32,
    pub slot: Slot,
    // From the client to us.
    pub sent: u64,
    pub ended: bool,
    pub reset: bool,
    pub taken: u64,
    /// How often it was read from.
    pub reads: u64,
    // From us to the client.
    pub got: u64,
    pub arrived: u64,
    pub fin: bool,
    pub room: u64,
    pub full: bool,
    pub closed: Option<Ending>,
    // The program.
    pub produced: u64,
    pub half_closed: bool,
    pub deaf: bool,
    pub said_closed: bool,
    pub said_reset: bool,
    pub granted: u64,
    // The log.
    pub logged: u64,
    pub log_end: bool,
    pub log_reset: bool,
    pub acked: u64,
    /// Nobody may have been waited for any longer.
    pub impatient: bool,
}

impl Peer {
    pub fn conn(&self, boot: BootNo) -> ConnId {
        ConnId::new(node(), boot, self.number).expect("tests use valid numbers")
    }

    /// For the log, the connection is over.
    pub fn over(&self) -> bool {
        self.said_closed || self.said_reset || self.log_reset
    }
}

pub struct World {
    pub clients: Clients,
    pub peers: Vec<Peer>,
    /// Who has which place.
    pub at_slot: BTreeMap<Slot, usize>,
    /// Those of this boot, by number.
    pub numbers: BTreeMap<u32, usize>,
    pub waiting: u32,
    pub boot: BootNo,
    pub now: Mono,
    pub send_window: u64,
    pub recv_window: u64,
    /// Whether anybody can tell what has arrived.
    pub knows: bool,
    pub room: u64,
}

impl World {
    pub fn new(recv_window: u32, send_window: u32, max_connections: usize) -> Self {
        let settings = Settings {
            node: node(),
            doors: 1,
            recv_window,
            send_window,
            max_connections,
            end_patience: END_PATIENCE,
            write_patience: WRITE_PATIENCE,
            keepalive: Patience::default(),
        };
        let mut world = Self {
            clients: Clients::new(settings),
            peers: Vec::new(),
            at_slot: BTreeMap::new(),
            numbers: BTreeMap::new(),
            waiting: 0,
            boot: BootNo(1),
            now: Mono::from_nanos(1_000_000_000),
            send_window: send_window.into(),
            recv_window: recv_window.into(),
            knows: true,
            room: 1000,
        };
        world.clients.handle_boot(BootNo(1), world.now);
        world.serve();
        world
    }

    /// Somebody knocks.
    pub fn knock(&mut self) {
        self.waiting += 1;
        self.clients.handle_door(0);
    }

    /// A client that is let in at once.
    pub fn client(&mut self) -> usize {
        self.knock();
        self.round(false);
        self.peers.len() - 1
    }

    pub fn announce(&mut self, peer: usize, event: Readiness) {
        if self.peers[peer].closed.is_none() {
            self.clients.handle_event(self.peers[peer].slot, event);
        }
    }

    pub fn send(&mut self, peer: usize, len: u64) {
        let it = &mut self.peers[peer];
        if it.ended || it.reset || it.closed.is_some() {
            return;
        }
        it.sent += len;
        self.announce(peer, Readiness { readable: true, ..Readiness::default() });
    }

    pub fn end(&mut self, peer: usize) {
        if self.peers[peer].closed.is_none() {
            self.peers[peer].ended = true;
            self.announce(peer, Readiness { read_closed: true, ..Readiness::default() });
        }
    }

    pub fn reset(&mut self, peer: usize) {
        if self.peers[peer].closed.is_none() {
            self.peers[peer].reset = true;
            let all = Readiness {
                readable: true,
                read_closed: true,
                write_closed: true,
                failed: true,
                ..Readiness::default()
            };
            self.announce(peer, all);
        }
    }

    /// The client reads, so that there is room.
    pub fn make_room(&mut self, peer: usize, room: u64) {
        let it = &mut self.peers[peer];
        it.room += room;
        it.arrived = it.got;
        if room > 0 && std::mem::take(&mut it.full) {
            self.announce(peer, Readiness { writable: true, ..Readiness::default() });
        }
    }

    pub fn say(&mut self, output: Output) {
        self.clients.handle_output(output, self.now);
    }

    /// The program sends as much of `len` as its window allows, with `repeated` bytes that it has said before.
    pub fn produce(&mut self, peer: usize, len: u64, repeated: u64) {
        let (boot, window) = (self.boot, self.send_window);
        let it = &mut self.peers[peer];
        if it.half_closed || it.over() {
            return;
        }
        let len = len.min(it.acked + window - it.produced);
        let offset = it.produced - repeated.min(it.produced);
        let bytes = bytes(it.number, 1, offset, it.produced + len - offset);
        it.produced += len;
        let conn = it.conn(boot);
        self.say(Output::Data { conn, offset, bytes });
    }

    /// What waits for the sockets does one round.
    pub fn round(&mut self, congested: bool) {
        self.serve();
        self.clients.handle_round(congested, self.now);
        while let Some(door) = self.clients.poll_accept() {
            assert_eq!((door, congested), (0, false));
            if self.waiting == 0 {
                self.clients.handle_nobody(door);
                continue;
            }
            self.waiting -= 1;
            match self.clients.place() {
                Ok(slot) => {
                    let number = self.numbers.len() as u32;
                    let peer = Peer { number, slot, room: self.room, granted: self.recv_window, ..Peer::default() };
                    assert_eq!(self.at_slot.insert(slot, self.peers.len()), None, "the place is free");
                    self.numbers.insert(number, self.peers.len());
                    self.peers.push(peer);
                    let to = Arc::new(Service { process: "web".into(), port: 80 });
                    self.clients.handle_client(HostAddr::V4([10, 0, 0, 1], 4000), to, self.now);
                }
                Err(why) => assert!(matches!(why, Unwelcome::Full(_)), "{why:?}"),
            }
        }
        while let Some(ToRead { slot, most }) = self.clients.poll_read() {
            let it = &mut self.peers[self.at_slot[&slot]];
            assert!(most > 0 && it.closed.is_none());
            assert!(!congested || it.said_closed || it.said_reset || it.log_reset, "it is read for the log");
            it.reads += 1;
            let there = (it.sent - it.taken).min(most as u64);
            let buffer = bytes(it.number, 0, it.taken, there);
            let read = match (it.reset, there, it.ended) {
                (true, ..) => Read::Lost,
                (_, 0, true) => Read::End,
                (_, 0, false) => Read::Empty,
                _ => Read::Bytes(&buffer),
            };
            it.taken += there;
            self.clients.handle_read(slot, read, self.now);
        }
        self.serve();
        self.clients.handle_timeout(self.now);
        self.serve();
        self.tell();
    }

    /// Whoever brings outputs serves without a round.
    pub fn bring(&mut self) {
        self.serve();
        self.tell();
    }

    fn serve(&mut self) {
        loop {
            while let Some(write) = self.clients.poll_write() {
                let (slot, wrote) = match write {
                    ToWrite::End { slot } => (slot, self.peers[self.at_slot[&slot]].written_end()),
                    ToWrite::Bytes { slot, chunks } => (slot, self.peers[self.at_slot[&slot]].written(chunks)),
                };
                self.clients.handle_wrote(slot, wrote, self.now);
            }
            let Some(order) = self.clients.poll_order() else { return };
            match order {
                Order::Unacked { slot } => {
                    let it = &self.peers[self.at_slot[&slot]];
                    let left = self.knows.then_some((it.got - it.arrived) as u32);
                    self.clients.handle_unacked(slot, left, self.now);
                }
                Order::Close { slot, ending } => {
                    let peer = self.at_slot.remove(&slot).expect("somebody sits there");
                    self.peers[peer].close(ending);
                }
                Order::WatchDoors | Order::IgnoreDoors | Order::KeepAlive { .. } | Order::Tell(_) => {}
            }
        }
    }

    /// The log is told.
    fn tell(&mut self) {
        let Some(inputs) = self.clients.poll_inputs() else { return };
        for input in std::mem::take(inputs) {
            let (Input::Open { conn, .. }
            | Input::Data { conn, .. }
            | Input::HalfClose { conn, .. }
            | Input::Reset { conn }
            | Input::Acked { conn, .. }) = input
            else {
                panic!("a client does not say {input:?}")
            };
            assert_eq!((conn.node(), conn.boot()), (Some(node()), self.boot));
            let it = &mut self.peers[self.numbers[&(conn.get() as u32)]];
            it.told(&input);
        }
    }

    pub fn pass(&mut self, time: Duration) {
        self.now = self.now.plus(time);
    }

    /// Rounds until there is nothing more to do now.
    pub fn settle(&mut self) {
        let mut rounds = 0;
        loop {
            self.round(false);
            if self.clients.deadline().is_none_or(|deadline| deadline > self.now) {
                return;
            }
            rounds += 1;
            assert!(rounds < 10_000, "it never comes to rest");
        }
    }
}

impl Peer {
    fn written<'a>(&mut self, chunks: impl Iterator<Item = &'a [u8]>) -> Wrote {
        assert!(self.closed.is_none() && !self.fin, "nothing comes behind the end");
        if self.reset {
            return Wrote::Lost;
        }
        if self.room == 0 {
            self.full = true;
            return Wrote::Full;
        }
        let all: Vec<u8> = chunks.flatten().copied().collect();
        let len = self.room.min(all.len() as u64);
        assert!(len > 0, "there is something to write");
        assert_eq!(&all[..len as usize], bytes(self.number, 1, self.got, len), "client {}", self.number);
        self.got += len;
        self.room -= len;
        assert!(self.got <= self.produced, "nobody said that");
        Wrote::Bytes(len as usize)
    }

    fn written_end(&mut self) -> Wrote {
        assert!(self.closed.is_none() && !self.fin);
        assert!(self.half_closed || self.said_closed || self.said_reset, "an end that nobody asked for");
        assert_eq!(self.got, self.produced, "an end before the last byte");
        if self.reset {
            return Wrote::Lost;
        }
        self.fin = true;
        Wrote::End
    }

    fn close(&mut self, ending: Ending) {
        assert_eq!(self.closed.replace(ending), None, "closed twice");
        if ending == Ending::InGoodOrder {
            assert!(self.said_closed || self.said_reset || self.deaf, "a clean end that nobody asked for");
            assert!(self.fin && self.got == self.produced, "a clean end before the last byte");
        }
        if ending == Ending::Reset && (self.said_reset || self.deaf) && !self.reset && !self.impatient {
            assert_eq!((self.got, self.arrived), (self.produced, self.produced), "a reset overtakes what was sent");
        }
    }

    fn told(&mut self, input: &Input) {
        if let Input::Open { .. } = input {
            return;
        }
        assert!(!self.over(), "the log knows that it is over: {input:?}");
        match input {
            Input::Data { offset, bytes: data, .. } => {
                assert_eq!((*offset, self.log_end), (self.logged, false));
                assert!(!data.is_empty() && *data == bytes(self.number, 0, *offset, data.len() as u64));
                self.logged += data.len() as u64;
                assert!(self.logged <= self.granted, "credit is exceeded");
            }
            Input::HalfClose { offset, .. } => {
                assert_eq!((*offset, self.log_end), (self.logged, false));
                assert!(self.ended && self.sent == self.logged, "its end comes behind its last byte");
                self.log_end = true;
            }
            Input::Acked { offset, .. } => {
                assert!(*offset > self.acked && *offset <= self.got);
                self.acked = *offset;
            }
            Input::Reset { .. } => {
                assert!(self.reset || self.deaf, "a reset that nobody caused");
                self.log_reset = true;
            }
            other => panic!("a client does not say {other:?}"),
        }
    }
}
