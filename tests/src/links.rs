//! The wires between the nodes of a cluster on this machine: a relay of datagrams in user space. Each direction of each can
//! be cut, be clogged, and have its [`Weather`].
//!
//! A node knows each of its peers by an address of the relay. What it sends there goes on to the peer from a socket that
//! stands for this pair, so that the peer's answers find their way back. No privilege is needed, and the nodes notice
//! nothing but silence.
//!
//! ```text
//! node i ── wire(i, j).near ── relay ── wire(i, j).far ── listening address of node j
//! ```

mod weather;

pub use weather::Weather;

use anyhow::{Context, Result};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use weather::Way;

/// Longer than any packet on loopback.
const PACKET: usize = 1 << 16;
/// How long a relay's thread may take to notice that it is to end.
const LOOK: Duration = Duration::from_millis(100);
/// How long it may take to notice that a wire that holds something back is free again.
const CLOGGED: Duration = Duration::from_millis(2);

/// One direction between two nodes.
#[derive(Debug, Default)]
struct Direction {
    cut: AtomicBool,
    /// What comes is kept, and goes on when this ends.
    clogged: AtomicBool,
    weather: Mutex<Weather>,
}

/// All directions: `from * nodes + to`, both from 0.
#[derive(Debug)]
struct Cuts {
    nodes: u16,
    directions: Vec<Direction>,
    stop: AtomicBool,
}

impl Cuts {
    fn at(&self, from: u16, to: u16) -> &Direction {
        &self.directions[usize::from(from - 1) * usize::from(self.nodes) + usize::from(to - 1)]
    }
}

/// All wires of a cluster. Dropping them ends the relay.
pub struct Links {
    cuts: Arc<Cuts>,
    /// Where node `from` finds node `to`: `((from, to), address)`.
    addresses: Vec<((u16, u16), SocketAddr)>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Links {
    /// Wires between nodes that listen on `listen` (nodes numbered from 1, in this order).
    ///
    /// # Errors
    /// When the system gives no socket or thread.
    pub fn new(listen: &[SocketAddr]) -> Result<Self> {
        let nodes = u16::try_from(listen.len())?;
        let directions = (0..listen.len() * listen.len()).map(|_| Direction::default()).collect();
        let cuts = Arc::new(Cuts { nodes, directions, stop: AtomicBool::new(false) });
        let links = Self { cuts, addresses: Vec::new(), threads: Mutex::default() };
        (1..=nodes)
            .flat_map(|from| (1..=nodes).map(move |to| (from, to)))
            .filter(|(from, to)| from != to)
            .try_fold(links, |links, (from, to)| links.wire(from, to, listen[usize::from(to - 1)]))
    }

    fn wire(mut self, from: u16, to: u16, listen: SocketAddr) -> Result<Self> {
        let open = || -> io::Result<Arc<UdpSocket>> {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
            socket.set_read_timeout(Some(LOOK))?;
            Ok(Arc::new(socket))
        };
        let (near, far) = (open()?, open()?);
        far.connect(listen).with_context(|| format!("a wire to {listen}"))?;
        self.addresses.push(((from, to), near.local_addr()?));
        // Where `from` sends from: a node listens and dials on one socket, whose port the first packet tells.
        let origin = Arc::new(AtomicU16::new(0));
        let there = {
            let (cuts, near, far, origin) = (self.cuts.clone(), near.clone(), far.clone(), origin.clone());
            move || {
                relay(&cuts, &near, (from, to), |packet, sender| {
                    origin.store(sender.port(), Ordering::Relaxed);
                    far.send(packet)
                })
            }
        };
        let back = {
            let cuts = self.cuts.clone();
            move || {
                relay(&cuts, &far, (to, from), |packet, _| {
                    near.send_to(packet, (Ipv4Addr::LOCALHOST, origin.load(Ordering::Relaxed)))
                })
            }
        };
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        threads.push(std::thread::Builder::new().name(format!("wire {from}-{to}")).spawn(there)?);
        threads.push(std::thread::Builder::new().name(format!("wire {to}-{from}")).spawn(back)?);
        drop(threads);
        Ok(self)
    }

    /// Where node `from` finds node `to`; `None` for itself.
    #[must_use]
    pub fn address(&self, from: u16, to: u16) -> Option<SocketAddr> {
        self.addresses.iter().find(|(pair, _)| *pair == (from, to)).map(|(_, address)| *address)
    }

    /// Nothing that `from` sends reaches `to` any more; the other direction stays as it is.
    pub fn cut_one_way(&self, from: u16, to: u16) {
        self.cuts.at(from, to).cut.store(true, Ordering::Relaxed);
    }

    /// Neither of the two reaches the other.
    pub fn cut(&self, a: u16, b: u16) {
        self.cut_one_way(a, b);
        self.cut_one_way(b, a);
    }

    /// Nobody reaches `node`, and `node` reaches nobody.
    pub fn isolate(&self, node: u16) {
        for other in (1..=self.cuts.nodes).filter(|other| *other != node) {
            self.cut(node, other);
        }
    }

    /// The two nodes' wire keeps what is sent either way, until [`Links::unclog`].
    pub fn clog(&self, a: u16, b: u16) {
        for (from, to) in [(a, b), (b, a)] {
            self.cuts.at(from, to).clogged.store(true, Ordering::Relaxed);
        }
    }

    /// What the two nodes' wire has kept arrives, all at once.
    pub fn unclog(&self, a: u16, b: u16) {
        for (from, to) in [(a, b), (b, a)] {
            self.cuts.at(from, to).clogged.store(false, Ordering::Relaxed);
        }
    }

    /// The same weather for every wire.
    pub fn weather(&self, weather: Weather) {
        for direction in &self.cuts.directions {
            *direction.weather.lock().unwrap_or_else(PoisonError::into_inner) = weather;
        }
    }

    /// Every wire carries again, in good weather.
    pub fn heal(&self) {
        self.weather(Weather::default());
        for direction in &self.cuts.directions {
            direction.cut.store(false, Ordering::Relaxed);
            direction.clogged.store(false, Ordering::Relaxed);
        }
    }
}

impl Drop for Links {
    fn drop(&mut self) {
        self.cuts.stop.store(true, Ordering::Relaxed);
        let threads = self.threads.get_mut().unwrap_or_else(PoisonError::into_inner);
        for thread in threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// Carries datagrams one way until the cluster is gone.
fn relay(cuts: &Cuts, socket: &UdpSocket, (from, to): (u16, u16), on: impl Fn(&[u8], SocketAddr) -> io::Result<usize>) {
    let mut packet = vec![0; PACKET];
    let direction = cuts.at(from, to);
    let mut way = Way::new(u64::from(from) << 16 | u64::from(to));
    let mut patience = LOOK;
    // A peer whose process is not there at the moment is the nodes' business.
    let arrive = |packet: &[u8], sender| drop(on(packet, sender));
    while !cuts.stop.load(Ordering::Relaxed) {
        let wanted = match way.deadline() {
            Some(due) => due.saturating_duration_since(Instant::now()).clamp(Duration::from_micros(100), LOOK),
            None if way.holds() => CLOGGED,
            None => LOOK,
        };
        if wanted != patience && socket.set_read_timeout(Some(wanted)).is_ok() {
            patience = wanted;
        }
        let came = socket.recv_from(&mut packet);
        let now = Instant::now();
        let (cut, clogged) = (direction.cut.load(Ordering::Relaxed), direction.clogged.load(Ordering::Relaxed));
        if !clogged {
            way.release().filter(|_| !cut).for_each(|(packet, sender)| arrive(&packet, sender));
        }
        while let Some((packet, sender)) = way.due(now) {
            match (cut, clogged) {
                (true, _) => {}
                (false, true) => way.hold(&packet, sender),
                (false, false) => arrive(&packet, sender),
            }
        }
        // Nothing came, or not in time.
        let Ok((len, sender)) = came else { continue };
        match (cut, clogged) {
            (true, _) => {}
            (false, true) => way.hold(&packet[..len], sender),
            (false, false) => {
                let weather = *direction.weather.lock().unwrap_or_else(PoisonError::into_inner);
                way.take(&packet[..len], sender, weather, now, arrive);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket() -> Result<UdpSocket> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_read_timeout(Some(Duration::from_millis(300)))?;
        Ok(socket)
    }

    #[test]
    fn each_direction_is_cut_by_itself() -> Result<()> {
        let (one, two) = (socket()?, socket()?);
        let links = Links::new(&[one.local_addr()?, two.local_addr()?])?;
        let mut buffer = [0; 16];
        let to_two = links.address(1, 2).context("an address")?;
        one.send_to(b"ask", to_two)?;
        let (len, from) = two.recv_from(&mut buffer)?;
        assert_eq!(&buffer[..len], b"ask");
        two.send_to(b"answer", from)?;
        assert_eq!(one.recv_from(&mut buffer)?, (6, to_two), "an answer comes from where was asked");

        links.cut_one_way(1, 2);
        one.send_to(b"lost", to_two)?;
        assert!(two.recv_from(&mut buffer).is_err());
        two.send_to(b"heard", from)?;
        assert_eq!(one.recv_from(&mut buffer)?.0, 5);

        links.isolate(1);
        two.send_to(b"lost", from)?;
        assert!(one.recv_from(&mut buffer).is_err());
        links.heal();
        // What a slow relay still had may come first.
        let mut arrives = |socket: &UdpSocket, expected: &[u8]| -> Result<()> {
            loop {
                let (len, _) = socket.recv_from(&mut buffer).with_context(|| format!("{expected:?} did not arrive"))?;
                if &buffer[..len] == expected {
                    return Ok(());
                }
            }
        };
        links.clog(1, 2);
        one.send_to(b"first", to_two)?;
        one.send_to(b"second", to_two)?;
        assert!(arrives(&two, b"first").is_err());
        links.unclog(1, 2);
        arrives(&two, b"first")?;
        arrives(&two, b"second")?;
        links.weather(Weather { lost: 100, ..Weather::default() });
        one.send_to(b"gone", to_two)?;
        assert!(arrives(&two, b"gone").is_err());
        links.heal();
        one.send_to(b"again", to_two)?;
        arrives(&two, b"again")?;
        assert_eq!(links.address(1, 1), None);
        Ok(())
    }
}
