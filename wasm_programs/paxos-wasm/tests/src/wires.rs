//! The wires between nodes, in the test's hands: every connection from one node to another goes through a relay in this
//! process, which can delay what passes, hold it back, or cut it. Needs no privilege.

use crate::Settings;
use crate::settings::free_ports;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// One direction between two nodes: from whom, to whom.
type Way = (u16, u16);

#[derive(Default)]
struct State {
    /// Nanoseconds that everything takes.
    delay: AtomicU64,
    held: Mutex<BTreeMap<Way, Arc<AtomicBool>>>,
    cut: Mutex<Vec<Way>>,
    connections: Mutex<Vec<(Way, TcpStream)>>,
}

impl State {
    fn held(&self, way: Way) -> Arc<AtomicBool> {
        let mut all = self.held.lock().expect("no thread panics");
        Arc::clone(all.entry(way).or_default())
    }
}

/// All wires of three nodes.
pub struct Wires {
    state: Arc<State>,
    /// From whom, to whom, to which role (0 to 2): where the relay listens.
    relays: BTreeMap<(u16, u16, u16), SocketAddr>,
}

impl Wires {
    /// Relays before the nodes that listen at `address(node, role)`.
    #[must_use]
    pub fn new(address: impl Fn(u16, u16) -> SocketAddr) -> Self {
        let state = Arc::new(State::default());
        let mut relays = BTreeMap::new();
        for from in 1..=3 {
            for to in (1..=3).filter(|to| *to != from) {
                for role in 0..3 {
                    let listener = TcpListener::bind(("127.0.0.1", free_ports(1))).expect("a port for a relay");
                    relays.insert((from, to, role), listener.local_addr().expect("a bound port"));
                    let (state, target) = (Arc::clone(&state), address(to, role));
                    std::thread::spawn(move || {
                        for stream in listener.incoming().flatten() {
                            relay(&state, stream, target, (from, to));
                        }
                    });
                }
            }
        }
        Self { state, relays }
    }

    /// The configuration of one node: it is where it was, and the others are behind their relays.
    #[must_use]
    pub fn yaml(
        &self,
        settings: &Settings,
        node: u16,
        data: &Path,
        address: impl Fn(u16, u16) -> SocketAddr,
    ) -> String {
        let all = settings.yaml("test", data, 1000);
        let (head, _) = all.split_once("\nnodes:\n").expect("a configuration has nodes");
        let mut text = format!("{head}\nnodes:\n");
        for other in 1..=3 {
            text += &format!("  - id: {other}\n");
            for (role, name) in (0..).zip(["proposer", "acceptor", "learner", "client"]) {
                let relay = self.relays.get(&(node, other, role)).copied();
                text += &format!("    {name}: {}\n", relay.unwrap_or_else(|| address(other, role)));
            }
        }
        text
    }

    /// Everything takes so long from now on.
    pub fn delay(&self, delay: Duration) {
        self.state.delay.store(delay.as_nanos() as u64, Ordering::SeqCst);
    }

    /// What `from` says to `to` is held back, without a sign, until [`Wires::heal`].
    pub fn hold(&self, from: u16, to: u16) {
        self.state.held((from, to)).store(true, Ordering::SeqCst);
    }

    /// Connections between the two break, and new ones break at once.
    pub fn cut(&self, one: u16, two: u16) {
        let ways = [(one, two), (two, one)];
        self.state.cut.lock().expect("no thread panics").extend(ways);
        self.state.connections.lock().expect("no thread panics").retain(|(way, stream)| {
            let keep = !ways.contains(way);
            if !keep {
                // It may be broken already.
                let _ = stream.shutdown(Shutdown::Both);
            }
            keep
        });
    }

    /// All wires are whole again.
    pub fn heal(&self) {
        self.state.cut.lock().expect("no thread panics").clear();
        for held in self.state.held.lock().expect("no thread panics").values() {
            held.store(false, Ordering::SeqCst);
        }
    }
}

/// Passes on what goes between `stream`, which `way.0` opened, and `target`, which belongs to `way.1`.
fn relay(state: &Arc<State>, stream: TcpStream, target: SocketAddr, way: Way) {
    if state.cut.lock().expect("no thread panics").contains(&way) {
        return;
    }
    let Ok(other) = TcpStream::connect(target) else { return };
    // Streams that break are what relays are for.
    let _ = (stream.set_nodelay(true), other.set_nodelay(true));
    let copies = (|| {
        Ok::<_, std::io::Error>([stream.try_clone()?, stream.try_clone()?, other.try_clone()?, other.try_clone()?])
    })();
    let Ok([in_one, in_two, out_one, out_two]) = copies else { return };
    state.connections.lock().expect("no thread panics").extend([(way, stream), (way, other)]);
    pass(state, in_one, out_one, way);
    pass(state, out_two, in_two, (way.1, way.0));
}

fn pass(state: &Arc<State>, mut from: TcpStream, mut to: TcpStream, way: Way) {
    let (sender, receiver): (Sender<(Instant, Vec<u8>)>, Receiver<_>) = channel();
    let (delays, held) = (Arc::clone(state), state.held(way));
    std::thread::spawn(move || {
        let mut buffer = vec![0u8; 64 << 10];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            let at = Instant::now() + Duration::from_nanos(delays.delay.load(Ordering::SeqCst));
            if sender.send((at, buffer[..count].to_vec())).is_err() {
                break;
            }
        }
    });
    std::thread::spawn(move || {
        while let Ok((at, bytes)) = receiver.recv() {
            std::thread::sleep(at.saturating_duration_since(Instant::now()));
            while held.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(5));
            }
            if to.write_all(&bytes).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    });
}
