//! Detours: when two nodes lose the way to each other, a third one that hears both passes their datagrams on.
//!
//! What is passed on are the datagrams themselves, so the connections between the two, their encryption and whatever is on
//! its way in them live on; the node between cannot read them, and only ever speaks for the node that it got them from.
//! They are sent the direct way too: QUIC knows repeats, and so it shows by itself when that is open again.
//!
//! A node is taken for out of hearing when nothing has come from it directly for a while: all nodes stay in touch with each
//! other, idle or not. One that is out of hearing is told so through the detour (`PLEA`), since a way may be closed in
//! one direction only. Nothing goes over a detour of a detour.
//!
//! A connection belongs to the address that it was made with, which depends on who dialled: where addresses are translated
//! on the way (published ports of containers, relays), a node calls from another address than the one at which it is
//! called. There a datagram that arrives on a detour is handed over once for each of the two: QUIC passes over one that does
//! not come from where its connection leads to.

use super::peer::{Lane, Peers};
use super::{frame, tag};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use replicode_log::NodeId;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc;

/// Looks ([`replicode_pacing::peer_watch::LOOK`]) without a datagram after which a node is out of hearing: a while longer than what idle
/// connections let pass. Counted in looks, so that a pause of this node's own is no silence of others.
const DEAF: u64 = 8;
/// Looks for which a plea counts, and for which the detour on which something came is the one to take.
const FRESH: u64 = 10;
/// Looks after which another node is tried as the one between, if nothing comes.
const TURN: u64 = 10;
/// Datagrams that wait for one neighbour, or for this node's own endpoint. More are dropped, as a network would.
const QUEUE: usize = 512;
/// Bytes before the datagram: from whom, to whom, whether the sender hears nothing directly.
const HEAD: usize = 1 + 1 + 1;
/// In a route: the other node is to be told that it is not heard directly.
const PLEA: u64 = 1 << 32;

/// What is known of the way to another node, in looks.
#[derive(Clone, Copy, Debug)]
struct Seen {
    /// When something last came directly.
    heard: u64,
    /// When it last said that it hears nothing directly.
    plea: Option<u64>,
    /// Through whom its datagrams last came, and when.
    via: Option<(u64, u64)>,
}

impl Seen {
    const fn is_deaf(&self, now: u64) -> bool {
        now - self.heard >= DEAF
    }

    fn is_clean(&self, now: u64) -> bool {
        !self.is_deaf(now) && self.plea.is_none_or(|at| now - at >= FRESH)
    }
}

/// Through whom datagrams to `to` have to go besides the direct way, if they have to.
fn route(all: &BTreeMap<u64, Seen>, to: u64, now: u64) -> Option<u64> {
    let seen = all.get(&to).filter(|seen| !seen.is_clean(now))?;
    let between: Vec<u64> =
        all.iter().filter(|(node, seen)| **node != to && seen.is_clean(now)).map(|(node, _)| *node).collect();
    let last = seen.via.filter(|(via, at)| now - at < FRESH && between.contains(via)).map(|(via, _)| via);
    let turn = (now / TURN) as usize % between.len().max(1);
    last.or_else(|| between.get(turn).copied())
}

#[derive(Debug)]
struct Way {
    /// Where it is called.
    addr: SocketAddr,
    /// Where it calls from, if that is not the same and it has called.
    calls_from: Mutex<Option<SocketAddr>>,
    heard: AtomicU64,
    plea: AtomicU64,
    via: AtomicU64,
    via_at: AtomicU64,
    /// What [`route`] says, with [`PLEA`]; 0: the direct way.
    route: AtomicU64,
    /// Detoured datagrams that this neighbour has to get.
    queue: mpsc::Sender<Bytes>,
}

impl Way {
    fn calls_from(&self) -> Option<SocketAddr> {
        *self.calls_from.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn seen(&self) -> Seen {
        let when = |at: &AtomicU64| Some(at.load(Ordering::Relaxed)).filter(|at| *at > 0);
        Seen {
            heard: self.heard.load(Ordering::Relaxed),
            plea: when(&self.plea),
            via: when(&self.via_at).map(|at| (self.via.load(Ordering::Relaxed), at)),
        }
    }
}

/// A datagram that came on a detour, as if it had come from there.
pub type Arrival = (SocketAddr, Bytes);

/// The receiving ends of [`Detours`].
#[derive(Debug)]
pub struct Ends {
    /// For this node's own endpoint.
    pub arrivals: mpsc::Receiver<Arrival>,
    /// For each neighbour.
    pub queues: Vec<(u64, mpsc::Receiver<Bytes>)>,
}

/// The ways to all other nodes. See the module.
#[derive(Debug)]
pub struct Detours {
    own: u64,
    table: BTreeMap<u64, Way>,
    /// Counts looks, from 1.
    now: AtomicU64,
    /// Whether any node has to be reached on a detour.
    any: AtomicBool,
    arrivals: mpsc::Sender<Arrival>,
}

impl Detours {
    /// All ways are open, as far as this node `own` knows.
    #[must_use]
    pub fn new(own: NodeId, peers: &Peers) -> (Self, Ends) {
        let (arrivals, arrived) = mpsc::channel(QUEUE);
        let (mut table, mut queues) = (BTreeMap::new(), Vec::new());
        for peer in peers.iter() {
            let (queue, queued) = mpsc::channel(QUEUE);
            let zero = || AtomicU64::new(0);
            let way = Way {
                addr: peer.addr,
                calls_from: Mutex::default(),
                heard: AtomicU64::new(1),
                plea: zero(),
                via: zero(),
                via_at: zero(),
                route: zero(),
                queue,
            };
            table.insert(peer.node.get(), way);
            queues.push((peer.node.get(), queued));
        }
        let detours = Self { own: own.get(), table, now: AtomicU64::new(1), any: AtomicBool::new(false), arrivals };
        (detours, Ends { arrivals: arrived, queues })
    }

    /// A node has called from an address.
    pub fn called(&self, node: NodeId, from: SocketAddr) {
        if let Some(way) = self.table.get(&node.get()) {
            let elsewhere = Some(from).filter(|from| !same(*from, way.addr));
            *way.calls_from.lock().unwrap_or_else(PoisonError::into_inner) = elsewhere;
        }
    }

    /// The node with an address.
    fn at(&self, addr: SocketAddr) -> Option<(&u64, &Way)> {
        // Mostly a node calls from where it is called, and no lock is taken.
        let called = self.table.iter().find(|(_, way)| same(way.addr, addr));
        called.or_else(|| self.table.iter().find(|(_, way)| way.calls_from().is_some_and(|from| same(from, addr))))
    }

    /// A datagram has come directly.
    pub fn heard(&self, from: SocketAddr) {
        if let Some((_, way)) = self.at(from) {
            way.heard.store(self.now.load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }

    /// Finds new routes. To be called every [`replicode_pacing::peer_watch::LOOK`].
    pub fn look(&self) {
        let now = self.now.fetch_add(1, Ordering::Relaxed) + 1;
        let all: BTreeMap<u64, Seen> = self.table.iter().map(|(node, way)| (*node, way.seen())).collect();
        let mut any = false;
        for (node, way) in &self.table {
            let via = route(&all, *node, now);
            let plea = if all.get(node).is_some_and(|seen| seen.is_deaf(now)) { PLEA } else { 0 };
            let before = way.route.swap(via.map_or(0, |via| via | plea), Ordering::Relaxed) & !PLEA;
            // A node that is down is out of hearing too; only a detour that leads somewhere is worth a word.
            match via {
                Some(via) if before != via && all.get(node).is_some_and(|seen| seen.via.is_some()) => {
                    tracing::info!(
                        peer = node,
                        via,
                        "the direct way to a peer is closed; what it gets goes through another"
                    );
                }
                None if before != 0 => tracing::info!(peer = node, "the direct way to a peer is open"),
                _ => {}
            }
            any |= via.is_some();
        }
        self.any.store(any, Ordering::Relaxed);
    }

    /// Through whom a node is reached, if its datagrams come on a detour.
    #[must_use]
    pub fn via(&self, node: u64) -> Option<u64> {
        let now = self.now.load(Ordering::Relaxed);
        let seen = self.table.get(&node)?.seen();
        seen.via.filter(|(_, at)| seen.is_deaf(now) && now - at < FRESH).map(|(via, _)| via)
    }

    /// Sends datagrams on a detour, if the node at their destination needs one. `size`: of each, but for the last.
    pub fn send(&self, destination: SocketAddr, contents: &[u8], size: usize) {
        if !self.any.load(Ordering::Relaxed) {
            return;
        }
        let Some((node, way)) = self.at(destination) else { return };
        let route = way.route.load(Ordering::Relaxed);
        let Some(between) = self.table.get(&(route & !PLEA)) else { return };
        for datagram in contents.chunks(size.max(1)) {
            let mut bytes = BytesMut::with_capacity(HEAD + datagram.len());
            bytes.put_u8(self.own as u8);
            bytes.put_u8(*node as u8);
            bytes.put_u8(u8::from(route & PLEA != 0));
            bytes.put_slice(datagram);
            // A full queue drops, as a network would.
            let _ = between.queue.try_send(bytes.freeze());
        }
    }

    /// Takes a datagram that `neighbour` has sent for this node or for another one.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn pass(&self, neighbour: NodeId, mut bytes: Bytes) -> io::Result<()> {
        let nonsense = |what: &str| Err(io::Error::other(format!("a detoured datagram {what}")));
        if bytes.len() <= HEAD {
            return nonsense("that is too short");
        }
        let whole = bytes.clone();
        let (from, to, plea) = (u64::from(bytes.get_u8()), u64::from(bytes.get_u8()), bytes.get_u8() != 0);
        let now = self.now.load(Ordering::Relaxed);
        if to == self.own {
            let Some(way) = self.table.get(&from).filter(|_| from != neighbour.get()) else {
                return nonsense("of nobody's");
            };
            way.via.store(neighbour.get(), Ordering::Relaxed);
            way.via_at.store(now, Ordering::Relaxed);
            if plea {
                way.plea.store(now, Ordering::Relaxed);
            }
            // First where it calls from, for what begins a connection: answers then find the direct way too.
            for source in way.calls_from().into_iter().chain([way.addr]) {
                let _ = self.arrivals.try_send((source, bytes.clone()));
            }
            return Ok(());
        }
        if from != neighbour.get() {
            return nonsense("of another than its sender");
        }
        let Some(way) = self.table.get(&to).filter(|_| to != from) else { return nonsense("for nobody") };
        if way.seen().is_clean(now) {
            let _ = way.queue.try_send(whole);
        }
        Ok(())
    }
}

fn same(one: SocketAddr, other: SocketAddr) -> bool {
    one.port() == other.port() && one.ip().to_canonical() == other.ip().to_canonical()
}

/// Carries detoured datagrams to one neighbour.
pub async fn carry(peers: Arc<Peers>, to: u64, mut queue: mpsc::Receiver<Bytes>) {
    while let Some(first) = queue.recv().await {
        let streaming = async {
            let connection = peers.connection(to, Lane::Bulk).await.map_err(io::Error::other)?;
            let (mut tx, _rx) = connection.open_bi().await.map_err(io::Error::other)?;
            tx.write_all(&[tag::DETOUR]).await.map_err(io::Error::other)?;
            frame::write_bytes(&mut tx, first).await?;
            while let Some(next) = queue.recv().await {
                frame::write_bytes(&mut tx, next).await?;
            }
            io::Result::Ok(())
        };
        if let Err(error) = streaming.await {
            tracing::debug!(to, "a detour ended: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log_store::tests::owner;
    use crate::starts::Starts;
    use replicode_store::sim_disk::SimDisk;

    const OPEN: Seen = Seen { heard: 100, plea: None, via: None };

    fn seen(all: [(u64, Seen); 3]) -> BTreeMap<u64, Seen> {
        all.into_iter().collect()
    }

    #[test]
    fn the_direct_way_is_taken_while_it_is_open() {
        let all = seen([(2, OPEN), (3, OPEN), (4, OPEN)]);
        for to in [2, 3, 4] {
            assert_eq!(route(&all, to, 100 + DEAF - 1), None);
        }
    }

    #[test]
    fn a_detour_goes_through_a_node_that_is_heard() {
        let now = 100 + DEAF;
        let heard = Seen { heard: now, ..OPEN };
        assert_eq!(route(&seen([(2, OPEN), (3, heard), (4, OPEN)]), 2, now), Some(3));
        assert_eq!(route(&seen([(2, OPEN), (3, OPEN), (4, OPEN)]), 2, now), None, "nobody is heard");
        // Of several, the one through which the other's datagrams come; else one after the other.
        let answered = Seen { via: Some((4, now - 1)), ..OPEN };
        assert_eq!(route(&seen([(2, answered), (3, heard), (4, heard)]), 2, now), Some(4));
        let tried: Vec<_> = [200, 200 + TURN]
            .map(|now| Seen { heard: now, ..OPEN })
            .into_iter()
            .filter_map(|heard| route(&seen([(2, OPEN), (3, heard), (4, heard)]), 2, heard.heard))
            .collect();
        assert!(tried.contains(&3) && tried.contains(&4), "{tried:?}");
    }

    #[test]
    fn who_says_that_it_hears_nothing_is_helped_and_does_not_help() {
        let now = 105;
        let pleads = Seen { plea: Some(now - 1), ..OPEN };
        let all = seen([(2, pleads), (3, OPEN), (4, pleads)]);
        assert_eq!(route(&all, 2, now), Some(3));
        assert_eq!(route(&all, 3, now), None);
        assert_eq!(route(&seen([(2, pleads), (3, pleads), (4, pleads)]), 2, now), None, "no detour of a detour");
        assert_eq!(route(&all, 2, now + FRESH), None, "but deaf by now, or not: it does not say so any more");
    }

    #[test]
    fn a_node_that_calls_from_elsewhere_is_known_there_too() -> Result<(), Box<dyn std::error::Error>> {
        let node = |n: u64| NodeId::new(n).map_err(|error| error.to_string());
        let (own, other, third) = (owner().node, node(2)?, node(3)?);
        assert_eq!(own.get(), 1);
        let at = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        let members = [(own, at(7001)), (other, at(7002)), (third, at(7003))].into_iter().collect();
        let starts = Arc::new(Starts::begin(Arc::new(SimDisk::new()), own, 1)?);
        let (detours, mut ends) = Detours::new(own, &Peers::new(owner(), starts, &members));
        let datagram = Bytes::from_static(&[2, 1, 1, b'x']);

        detours.pass(third, datagram.clone())?;
        assert_eq!(ends.arrivals.try_recv()?.0, at(7002));
        assert!(ends.arrivals.try_recv().is_err(), "it is known at one address only");

        detours.called(other, at(9002));
        detours.pass(third, datagram.clone())?;
        assert_eq!([ends.arrivals.try_recv()?.0, ends.arrivals.try_recv()?.0], [at(9002), at(7002)]);

        // What comes from there is heard, and what goes there takes the detour.
        let hear = |from: SocketAddr| {
            (0..DEAF).for_each(|_| detours.look());
            detours.heard(from);
            detours.heard(at(7003));
            detours.look();
        };
        hear(at(9002));
        assert!(!detours.table[&2].seen().is_deaf(detours.now.load(Ordering::Relaxed)));
        hear(at(9999));
        assert!(detours.table[&2].seen().is_deaf(detours.now.load(Ordering::Relaxed)));
        detours.send(at(9002), b"answer", 6);
        let (_, queue) = ends.queues.iter_mut().find(|(node, _)| *node == 3).ok_or("no queue")?;
        assert_eq!(queue.try_recv()?, Bytes::from_static(b"\x01\x02\x01answer"));

        detours.called(other, at(7002));
        detours.pass(third, datagram)?;
        assert_eq!(ends.arrivals.try_recv()?.0, at(7002));
        assert!(ends.arrivals.try_recv().is_err());
        Ok(())
    }
}
