//! Links between nodes that can be cut, each way: a relay of datagrams in user space for every pair.

use super::{Cluster, ToyNode, node};
use replicode_log::NodeId;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// The way from one node to another.
struct Way {
    cut: AtomicBool,
    stop: AtomicBool,
}

/// A cluster whose nodes reach each other through relays only.
pub struct Links {
    pub cluster: Cluster,
    ways: BTreeMap<(u64, u64), Arc<Way>>,
    /// Where a node believes another one to be.
    seen: BTreeMap<(u64, u64), SocketAddr>,
    threads: Vec<JoinHandle<()>>,
}

impl Links {
    pub fn new(name: &str, nodes: u64) -> Self {
        let cluster = Cluster::new(name, nodes);
        let mut links = Self { cluster, ways: BTreeMap::new(), seen: BTreeMap::new(), threads: Vec::new() };
        for (one, other) in (1..=nodes).flat_map(|one| (one + 1..=nodes).map(move |other| (one, other))) {
            // What the first node sends to the second arrives at one socket and leaves by the other, and the other way round.
            let (near, far) = (socket(), socket());
            links.way((one, other), near.clone(), far.clone());
            links.way((other, one), far, near);
        }
        links
    }

    fn way(&mut self, pair: (u64, u64), from: Arc<UdpSocket>, to: Arc<UdpSocket>) {
        let Ok(seen) = from.local_addr() else { return };
        self.seen.insert(pair, seen);
        let way = Arc::new(Way { cut: AtomicBool::new(false), stop: AtomicBool::new(false) });
        self.ways.insert(pair, way.clone());
        let target = self.cluster.members[&node(pair.1)];
        self.threads.push(std::thread::spawn(move || {
            let mut buffer = vec![0; 65_536];
            while !way.stop.load(Ordering::Acquire) {
                // A time-out, or word that nobody listens at the moment.
                let Ok((len, _)) = from.recv_from(&mut buffer) else { continue };
                if !way.cut.load(Ordering::Acquire) {
                    let _ = to.send_to(&buffer[..len], target);
                }
            }
        }));
    }

    pub fn start(&self, n: u64) -> ToyNode {
        let mut config = self.cluster.config(n);
        for (peer, addr) in &mut config.peers {
            if let Some(seen) = self.seen.get(&(n, peer.get())) {
                *addr = *seen;
            }
        }
        ToyNode::start(config).unwrap_or_else(|error| unreachable!("node {n} starts: {error}"))
    }

    /// Cuts or mends the way from one node to another.
    pub fn cut(&self, from: NodeId, to: NodeId, cut: bool) {
        if let Some(way) = self.ways.get(&(from.get(), to.get())) {
            way.cut.store(cut, Ordering::Release);
        }
    }

    /// Cuts or mends all ways.
    pub fn cut_all(&self, cut: bool) {
        self.ways.values().for_each(|way| way.cut.store(cut, Ordering::Release));
    }
}

impl Drop for Links {
    fn drop(&mut self) {
        self.ways.values().for_each(|way| way.stop.store(true, Ordering::Release));
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn socket() -> Arc<UdpSocket> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0));
    let socket = socket.unwrap_or_else(|error| unreachable!("a socket on loopback: {error}"));
    let _ = socket.set_read_timeout(Some(Duration::from_millis(50)));
    Arc::new(socket)
}
