//! The other members, seen from here: their addresses, the connections to them, how they are.

use super::detour::Detours;
use super::endpoint::HANDSHAKE;
use super::hello::{Hello, Welcome};
use super::{frame, tag, tls};
use crate::clock::sample::Sample;
use crate::host;
use crate::log_store::segment::Owner;
use crate::mono;
use crate::starts::{Start, Starts, Unfit};
use futures::future::{BoxFuture, Shared};
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use replicode_log::{Mono, NodeId};
use replicode_pacing::peer_watch::Watch;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// How long a handshake goes on before another one is begun beside it.
const KNOCK: Duration = Duration::from_millis(750);
/// How often a connection that should be there is looked after.
const TOUCH: Duration = Duration::from_millis(500);

/// Which of the two connections to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// The log, forwarded inputs, questions.
    Bulk,
    /// Heartbeats and votes.
    Control,
}

/// A dial under way; whoever needs the connection waits for the same one.
type Dial = Shared<BoxFuture<'static, Result<quinn::Connection, String>>>;

enum Link {
    Down,
    Dialling(Dial),
    Up(quinn::Connection),
}

#[derive(Default)]
struct Health {
    last_contact: Option<Mono>,
    trouble: Option<String>,
    /// Dials that failed since the last success.
    failures: u32,
}

/// How long to wait before a dial that follows so many failed ones. The engine's own back-off comes too late for a
/// peer that refuses at once.
fn pause(failures: u32) -> Duration {
    match failures {
        0 => Duration::ZERO,
        n => Duration::from_millis(20 << (n - 1).min(5)),
    }
}

/// Another member.
pub struct Peer {
    /// Its number.
    pub node: NodeId,
    /// Where it is reached.
    pub addr: SocketAddr,
    links: [Mutex<Link>; 2],
    health: Mutex<Health>,
    clock: Mutex<Option<Sample>>,
    /// Ends the pause before a dial.
    awake: Notify,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Peer {
    /// It has answered something.
    pub fn heard(&self) {
        let mut health = locked(&self.health);
        health.last_contact = Some(mono::now());
        health.trouble = None;
        health.failures = 0;
    }

    /// It has told what its clock shows.
    pub fn told(&self, sample: Sample) {
        let mut clock = locked(&self.clock);
        *clock = Some(clock.map_or(sample, |before| before.or(sample)));
    }

    /// What it told about its clock.
    #[must_use]
    pub fn clock(&self) -> Option<Sample> {
        *locked(&self.clock)
    }

    /// It has dialled this node: so it is up, and worth dialling at once.
    pub fn called(&self) {
        locked(&self.health).failures = 0;
        self.awake.notify_waiters();
    }

    /// The connection of a lane, if there is one.
    pub fn up(&self, lane: Lane) -> Option<quinn::Connection> {
        match &*locked(&self.links[lane as usize]) {
            Link::Up(connection) if connection.close_reason().is_none() => Some(connection.clone()),
            Link::Up(_) | Link::Dialling(_) | Link::Down => None,
        }
    }

    /// Ends the connection of a lane: whoever needs it dials again.
    pub fn hang_up(&self, lane: Lane) {
        if let Link::Up(connection) = &*locked(&self.links[lane as usize]) {
            connection.close(0u32.into(), b"nothing moves");
        }
    }

    fn failed(&self, why: &str) {
        let mut health = locked(&self.health);
        // The same trouble again and again is told once.
        if health.trouble.as_deref() != Some(why) {
            tracing::info!(peer = %self.node, addr = %self.addr, "cannot reach a peer: {why}");
            health.trouble = Some(why.to_string());
        }
        health.failures = health.failures.saturating_add(1);
    }

    /// How long ago it last answered, and why it was last found unreachable.
    #[must_use]
    pub fn health(&self) -> (Option<Duration>, Option<String>) {
        let health = locked(&self.health);
        (health.last_contact.map(|at| mono::now().since(at)), health.trouble.clone())
    }
}

/// What to do when this node's own log has gone back in time, and why it is thought to have.
pub type Past = Box<dyn Fn(&str) + Send + Sync>;

/// All other members.
pub struct Peers {
    owner: Owner,
    starts: Arc<Starts>,
    endpoint: OnceLock<quinn::Endpoint>,
    detours: OnceLock<Arc<Detours>>,
    past: OnceLock<Past>,
    table: BTreeMap<u64, Arc<Peer>>,
    watch: Mutex<Watch>,
    began: Mono,
    /// When a leader last spoke to this node, in milliseconds since `began`.
    led: AtomicU64,
}

impl Peers {
    /// The members other than `owner`, without any connection.
    #[must_use]
    pub fn new(owner: Owner, starts: Arc<Starts>, members: &BTreeMap<NodeId, SocketAddr>) -> Self {
        let others = members.iter().filter(|(node, _)| **node != owner.node);
        let peer = |(node, addr): (&NodeId, &SocketAddr)| {
            let links = [Mutex::new(Link::Down), Mutex::new(Link::Down)];
            let (health, clock, awake) = (Mutex::default(), Mutex::default(), Notify::new());
            let peer = Peer { node: *node, addr: *addr, links, health, clock, awake };
            (node.get(), Arc::new(peer))
        };
        Self {
            owner,
            starts,
            endpoint: OnceLock::new(),
            detours: OnceLock::new(),
            past: OnceLock::new(),
            table: others.map(peer).collect(),
            watch: Mutex::new(Watch::new(mono::now())),
            began: mono::now(),
            led: AtomicU64::new(0),
        }
    }

    /// Dials may begin. `past`: what to do when another node says that this one's log has gone back in time, and why.
    pub fn open(&self, endpoint: quinn::Endpoint, detours: Arc<Detours>, past: Past) {
        // Called once, when the replica's thread has started.
        let _ = self.past.set(past);
        let _ = self.endpoint.set(endpoint);
        let _ = self.detours.set(detours);
    }

    /// The ways to the peers, once dials have begun.
    #[must_use]
    pub fn detours(&self) -> Option<&Arc<Detours>> {
        self.detours.get()
    }

    /// Stays in touch with a peer, whoever leads: so that a way which closes is noticed by both, and an election needs no
    /// handshake first. Never ends.
    pub async fn keep_in_touch(self: Arc<Self>, node: u64) {
        loop {
            // Why it cannot be reached is told by the dial.
            let _ = self.connection(node, Lane::Control).await;
            host::sleep(TOUCH).await;
        }
    }

    /// Whose peers they are.
    #[must_use]
    pub const fn owner(&self) -> &Owner {
        &self.owner
    }

    /// A peer by its number.
    #[must_use]
    pub fn get(&self, node: u64) -> Option<&Arc<Peer>> {
        self.table.get(&node)
    }

    /// All peers, by number.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Peer>> {
        self.table.values()
    }

    /// A leader has spoken to this node.
    pub fn led(&self) {
        self.led.store(mono::now().since(self.began).as_millis() as u64, Ordering::Relaxed);
    }

    /// When a leader last spoke to this node; at the latest when these peers were first thought of.
    #[must_use]
    pub fn led_at(&self) -> Mono {
        self.began.plus(Duration::from_millis(self.led.load(Ordering::Relaxed)))
    }

    /// To be called every [`replicode_pacing::peer_watch::LOOK`] by the thread that hears the peers. `leads`: the term in which this node
    /// leads.
    pub fn look(&self, leads: Option<u64>) {
        locked(&self.watch).handle_look(leads, mono::now());
    }

    /// For how long a peer has not answered this node, which leads in `term`: see [`replicode_pacing::peer_watch`].
    #[must_use]
    pub fn silence(&self, peer: &Peer, term: u64) -> Duration {
        let contact = locked(&peer.health).last_contact;
        locked(&self.watch).silence(term, contact, mono::now())
    }

    /// Whether a node with its start as in its first words is to be listened to. Once it is, its start is noted for good.
    ///
    /// # Errors
    /// What to answer it instead.
    pub async fn meet(&self, node: NodeId, start: [u8; 16]) -> Result<(), Welcome> {
        let start = Start::from_bytes(start).map_err(|why| Welcome::Refused(format!("node {}: {why}", node.get())))?;
        let starts = self.starts.clone();
        let met = if starts.is_known(node, start) {
            starts.meet(node, start)
        } else {
            // Writes, which this thread must not wait for.
            let met = host::blocking(move || starts.meet(node, start)).await;
            met.unwrap_or_else(|error| Err(Unfit::Unnoted(error.to_string())))
        };
        #[cfg(feature = "planted")]
        if replicode_store::planted::planted(replicode_store::planted::Mistake::WipedVotes)
            && matches!(met, Err(Unfit::Past(_)))
        {
            return Ok(());
        }
        met.map_err(|unfit| match unfit {
            Unfit::Past(why) => Welcome::Past(why),
            Unfit::Unnoted(why) => Welcome::Refused(why),
        })
    }

    /// This node's words to another.
    #[must_use]
    pub fn hello(&self, to: u64) -> Hello {
        Hello::new(&self.owner, self.starts.own(), to)
    }

    /// A connection to a peer, dialled if there is none. A dial goes on when its caller gives up, so that callers with
    /// little patience share one that takes longer.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn connection(self: &Arc<Self>, node: u64, lane: Lane) -> Result<quinn::Connection, String> {
        let peer = self.get(node).ok_or_else(|| format!("node {node} is not a member"))?.clone();
        let dial = {
            let mut link = locked(&peer.links[lane as usize]);
            match &*link {
                Link::Up(connection) if connection.close_reason().is_none() => return Ok(connection.clone()),
                Link::Dialling(dial) if dial.peek().is_none() => dial.clone(),
                Link::Down | Link::Up(_) | Link::Dialling(_) => {
                    let (peers, peer) = (self.clone(), peer.clone());
                    let task = host::spawn(async move { peers.dial(&peer).await });
                    let dial = task.map(|done| done.unwrap_or_else(|error| Err(error.to_string()))).boxed().shared();
                    *link = Link::Dialling(dial.clone());
                    dial
                }
            }
        };
        let result = dial.await;
        let mut link = locked(&peer.links[lane as usize]);
        match &result {
            Ok(connection) => {
                if matches!(&*link, Link::Dialling(_)) {
                    *link = Link::Up(connection.clone());
                }
            }
            Err(_) => {
                if matches!(&*link, Link::Dialling(dial) if dial.peek().is_some()) {
                    *link = Link::Down;
                }
            }
        }
        result
    }

    async fn dial(&self, peer: &Peer) -> Result<quinn::Connection, String> {
        let failures = locked(&peer.health).failures;
        tokio::select! {
            biased;
            () = host::sleep(pause(failures)) => {}
            () = peer.awake.notified() => {}
        }
        let result = match host::timeout(HANDSHAKE, self.knock(peer)).await {
            Ok(result) => result,
            Err(_) => Err("no answer to a handshake".to_string()),
        };
        if let Err(why) = &result {
            peer.failed(why);
        }
        result
    }

    /// Shakes hands, and begins anew beside that now and then: a handshake that met with silence waits longer and longer
    /// before it says anything again, and would find out late that the way is open.
    async fn knock(&self, peer: &Peer) -> Result<quinn::Connection, String> {
        let mut handshakes = FuturesUnordered::new();
        loop {
            handshakes.push(self.shake_hands(peer));
            tokio::select! {
                biased;
                Some(result) = handshakes.next() => return result,
                () = peer.awake.notified() => {}
                () = host::sleep(KNOCK) => {}
            }
        }
    }

    async fn shake_hands(&self, peer: &Peer) -> Result<quinn::Connection, String> {
        let endpoint = self.endpoint.get().ok_or("the network is not open yet")?;
        let cluster = &self.owner.identity.cluster;
        let name = tls::node_name(peer.node, cluster);
        let connecting = endpoint.connect(peer.addr, &name).map_err(|error| error.to_string())?;
        let connection = connecting.await.map_err(|error| error.to_string())?;
        tls::check_peer(&connection, peer.node, cluster)?;
        let failed = |error: std::io::Error| error.to_string();
        let (mut tx, mut rx) = connection.open_bi().await.map_err(|error| error.to_string())?;
        tx.write_all(&[tag::HELLO]).await.map_err(|error| error.to_string())?;
        let ours = self.hello(peer.node.get());
        frame::write(&mut tx, &ours, &mut Vec::new()).await.map_err(failed)?;
        match frame::read::<Welcome>(&mut rx, frame::SMALL).await.map_err(failed)? {
            Some(Welcome::Hello(theirs)) if theirs.node != peer.node.get() => {
                Err(format!("it is node {}", theirs.node))
            }
            Some(Welcome::Hello(theirs)) => {
                ours.check(&theirs)?;
                self.meet(peer.node, theirs.start).await.map_err(Welcome::into_reason)?;
                peer.heard();
                Ok(connection)
            }
            Some(Welcome::Past(why)) => {
                if let Some(past) = self.past.get() {
                    past(&why);
                }
                Err(format!("it refuses: {why}"))
            }
            Some(Welcome::Refused(why)) => Err(format!("it refuses: {why}")),
            None => Err("it closed the connection without a word".to_string()),
        }
    }

    /// Says goodbye and waits a little until it is out.
    pub async fn close(&self) {
        if let Some(endpoint) = self.endpoint.get() {
            endpoint.close(0u32.into(), b"shutting down");
            let _ = host::timeout(Duration::from_millis(500), endpoint.wait_idle()).await;
        }
    }
}
