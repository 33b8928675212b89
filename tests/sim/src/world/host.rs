//! A simulated host: what a replica asks for, answered by the world.

use super::clock::{instant, reading};
use super::executor::{Nanos, ProcessId, World, lane, locked};
use super::net::SocketId;
use super::seeds::Stream;
use super::tls;
use futures::future::BoxFuture;
use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};
use replicode_log::Mono;
use replicode_replication::host::{Abort, Bound, DiskOperation, Fact, Host, InitialIds, Join, Thread};
use replicode_store::{Disk, LogError};
use rustls::crypto::CryptoProvider;
use rustls::time_provider::TimeProvider;
use std::future::Future;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// What a host's disk and processors take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Whether whoever brings a change may sync on the spot.
    pub on_the_spot: bool,
    /// Least and most of a sync.
    pub sync: (Nanos, Nanos),
    /// How many of a million syncs take up to [`Pace::SLOW`].
    pub slow: u64,
    /// Most of any other operation.
    pub operation: Nanos,
}

impl Pace {
    /// What a slow sync takes at most.
    pub const SLOW: Nanos = 2_000_000_000;
}

/// A process of a node, as its replica sees it.
pub struct SimHost {
    world: World,
    process: ProcessId,
    node: usize,
    disk: Arc<dyn Disk>,
    pace: Pace,
    entropy: Arc<Mutex<Stream>>,
    durations: Mutex<Stream>,
    witness: Witness,
}

/// Hears what a replica is about to tell others.
pub type Witness = Box<dyn Fn(&Fact) + Send + Sync>;

impl std::fmt::Debug for SimHost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SimHost({})", self.node)
    }
}

impl SimHost {
    /// Of a process, which is the run `life` of its node.
    #[must_use]
    pub fn new(
        world: World,
        (process, node, life): (ProcessId, usize, u64),
        disk: Arc<dyn Disk>,
        pace: Pace,
        seed: u64,
        witness: Witness,
    ) -> Arc<Self> {
        let stream = |what| Stream::new(seed, &[what, node as u64, life]);
        let (entropy, durations) = (Arc::new(Mutex::new(stream(3))), Mutex::new(stream(4)));
        Arc::new(Self { world, process, node, disk, pace, entropy, durations, witness })
    }

    fn mono_ns(&self) -> u64 {
        let core = self.world.core();
        core.processes[self.process].clock.mono(core.here())
    }

    fn sleep(&self, time: Nanos) -> Sleeping {
        let due = self.world.core().here() + time;
        Sleeping { timer: self.world.timer(due), world: self.world.clone(), process: self.process }
    }

    /// How long the disk answers nothing yet.
    fn frozen(&self) -> Nanos {
        let core = self.world.core();
        core.frozen.get(&self.node).map_or(0, |until| until.saturating_sub(core.here()))
    }

    /// The moment now.
    #[must_use]
    pub fn now(&self) -> Nanos {
        self.world.core().here()
    }

    /// Begins a task of the machine's lane: while it lives the process does.
    pub fn machine(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.world.spawn(self.process, super::executor::MACHINE, true, Box::pin(work));
    }

    /// A pause on virtual time.
    pub fn nap(&self, time: Nanos) -> impl Future<Output = ()> + Send + use<> {
        let mut sleeping = self.sleep(time);
        futures::future::poll_fn(move |context| quinn::AsyncTimer::poll(Pin::new(&mut sleeping), context))
    }
}

#[derive(Debug)]
struct Sleeping {
    world: World,
    process: ProcessId,
    timer: (usize, u64),
}

impl quinn::AsyncTimer for Sleeping {
    fn reset(self: Pin<&mut Self>, at: Instant) {
        let due = {
            let core = self.world.core();
            core.processes[self.process].clock.moment(reading(at))
        };
        self.world.reset_timer(self.timer, due);
    }

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.world.poll_timer(self.timer, context)
    }
}

impl Drop for Sleeping {
    fn drop(&mut self) {
        self.world.drop_timer(self.timer);
    }
}

struct Aborting(World, (usize, u64));

impl Abort for Aborting {
    fn abort(&self) {
        self.0.abort(self.1);
    }
}

struct Joining;

impl Join for Joining {
    fn join(self: Box<Self>) -> bool {
        true
    }
}

#[derive(Debug)]
struct Socket {
    world: World,
    process: ProcessId,
    id: SocketId,
}

impl Bound for Socket {
    fn open(self: Box<Self>) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        Ok(Arc::new(*self))
    }
}

#[derive(Debug)]
struct AlwaysWritable;

impl UdpPoller for AlwaysWritable {
    fn poll_writable(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl AsyncUdpSocket for Socket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(AlwaysWritable)
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let size = transmit.segment_size.unwrap_or(transmit.contents.len()).max(1);
        for bytes in transmit.contents.chunks(size) {
            self.world.send(self.process, self.id, transmit.destination, bytes);
        }
        Ok(())
    }

    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let mut core = self.world.core();
        let mut count = 0;
        for (buffer, meta) in bufs.iter_mut().zip(meta) {
            let Some((addr, bytes)) = core.net.receive(self.id) else { break };
            let len = bytes.len().min(buffer.len());
            buffer[..len].copy_from_slice(&bytes[..len]);
            *meta = RecvMeta { addr, len, stride: len, ecn: None, dst_ip: None };
            count += 1;
        }
        if count == 0 {
            core.net.wait(self.id, context.waker());
            return Poll::Pending;
        }
        Poll::Ready(Ok(count))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.world.core().net.addr(self.id))
    }

    fn may_fragment(&self) -> bool {
        false
    }
}

/// The world in QUIC's words.
#[derive(Debug)]
struct Quic {
    world: World,
    process: ProcessId,
}

impl quinn::Runtime for Quic {
    fn new_timer(&self, at: Instant) -> Pin<Box<dyn quinn::AsyncTimer>> {
        let due = {
            let core = self.world.core();
            core.processes[self.process].clock.moment(reading(at))
        };
        Box::pin(Sleeping { timer: self.world.timer(due), world: self.world.clone(), process: self.process })
    }

    fn spawn(&self, future: Pin<Box<dyn Future<Output = ()> + Send>>) {
        self.world.spawn(self.process, lane(), false, future);
    }

    fn wrap_udp_socket(&self, _socket: std::net::UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        Err(io::Error::other("there are no real sockets here"))
    }

    fn now(&self) -> Instant {
        let core = self.world.core();
        instant(core.processes[self.process].clock.mono(core.here()))
    }
}

/// Connection ids from a seed.
struct Ids(Arc<Mutex<Stream>>);

impl quinn_proto::ConnectionIdGenerator for Ids {
    fn generate_cid(&mut self) -> quinn_proto::ConnectionId {
        let mut bytes = [0; 8];
        locked(&self.0).fill(&mut bytes);
        quinn_proto::ConnectionId::new(&bytes)
    }

    fn cid_len(&self) -> usize {
        8
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}

impl Host for SimHost {
    fn instant(&self) -> Instant {
        instant(self.mono_ns())
    }

    fn mono(&self) -> Mono {
        Mono::from_nanos(self.mono_ns())
    }

    fn boot_time(&self) -> Duration {
        Duration::from_nanos(self.mono_ns())
    }

    fn wall_unix_ns(&self) -> u64 {
        let core = self.world.core();
        core.processes[self.process].clock.wall(core.here())
    }

    fn fill(&self, bytes: &mut [u8]) -> io::Result<()> {
        locked(&self.entropy).fill(bytes);
        Ok(())
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) -> Box<dyn Abort> {
        Box::new(Aborting(self.world.clone(), self.world.spawn(self.process, lane(), false, task)))
    }

    fn timer(&self, at: Instant) -> Pin<Box<dyn quinn::AsyncTimer>> {
        self.quic().new_timer(at)
    }

    fn blocking(&self, work: Box<dyn FnOnce() + Send>) {
        let time = locked(&self.durations).range(0, self.pace.sync.1).max(self.frozen());
        let sleep = self.nap(time);
        self.world.spawn(
            self.process,
            lane(),
            false,
            Box::pin(async move {
                sleep.await;
                work();
            }),
        );
    }

    fn thread(&self, thread: Thread, work: BoxFuture<'static, ()>) -> io::Result<Box<dyn Join>> {
        let lane = thread as usize;
        let (world, process) = (self.world.clone(), self.process);
        let work = Box::pin(async move {
            work.await;
            world.end_children(process, lane);
        });
        self.world.spawn(self.process, lane, true, work);
        Ok(Box::new(Joining))
    }

    fn before_disk(&self, operation: DiskOperation) -> Option<BoxFuture<'static, ()>> {
        let time = {
            let mut draws = locked(&self.durations);
            match operation {
                DiskOperation::Sync if draws.chance(self.pace.slow) => draws.range(0, Pace::SLOW),
                DiskOperation::Sync => draws.range(self.pace.sync.0, self.pace.sync.1),
                DiskOperation::Read | DiskOperation::Change if draws.chance(250_000) => {
                    draws.range(0, self.pace.operation)
                }
                DiskOperation::Read | DiskOperation::Change => 0,
            }
        };
        // What is read is in the system's memory.
        let time = if operation == DiskOperation::Read { time } else { time.max(self.frozen()) };
        if lane() == Thread::Replica as usize {
            // Whoever brings a change does it itself, and nothing else runs on that thread meanwhile.
            let mut core = self.world.core();
            core.spend(time);
            core.spots += u64::from(operation == DiskOperation::Sync);
            return None;
        }
        (time > 0).then(|| -> BoxFuture<'static, ()> { Box::pin(self.nap(time)) })
    }

    fn waits_on_the_spot(&self) -> bool {
        self.pace.on_the_spot
    }

    fn witness(&self, fact: &Fact) {
        (self.witness)(fact);
    }

    fn disk(&self, _dir: &Path, _make: bool) -> Result<Arc<dyn Disk>, LogError> {
        Ok(self.disk.clone())
    }

    fn bind(&self, addr: SocketAddr) -> io::Result<Box<dyn Bound>> {
        let id = self.world.core().net.bind(self.process, self.node, addr);
        Ok(Box::new(Socket { world: self.world.clone(), process: self.process, id }))
    }

    fn quic(&self) -> Arc<dyn quinn::Runtime> {
        Arc::new(Quic { world: self.world.clone(), process: self.process })
    }

    fn connection_ids(&self, _key: u64) -> Box<dyn quinn_proto::ConnectionIdGenerator> {
        Box::new(Ids(self.entropy.clone()))
    }

    fn initial_ids(&self) -> Option<InitialIds> {
        let entropy = self.entropy.clone();
        Some(Arc::new(move || {
            let mut bytes = [0; 20];
            locked(&entropy).fill(&mut bytes);
            quinn_proto::ConnectionId::new(&bytes)
        }))
    }

    fn tls(&self) -> Arc<CryptoProvider> {
        tls::provider()
    }

    fn tls_time(&self) -> Arc<dyn TimeProvider> {
        Arc::new(tls::WallTime)
    }
}
