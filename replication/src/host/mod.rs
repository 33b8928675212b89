//! The one seam between a replica and the world: clocks, entropy, tasks and threads, timers, disks, the peer socket, TLS.
//!
//! A [`Host`] is a value. [`crate::start`] runs a replica on the real one ([`Real`]); [`crate::start_on`] takes any other, such as
//! the simulated hosts of `tests/sim`, and everything that the replica does from then on asks that one.
//!
//! The consensus engine's runtime, the random numbers of TLS and the connection ids of QUIC are made of functions that take no
//! value. So the host of whatever runs is found in one place of the thread, which whoever polls tasks for a host sets
//! ([`enter`]); where nothing is set it is the real host. The functions of this module ask that one. They are the only way to
//! a clock, a timer, a task, a thread or a file in this crate: its `clippy.toml` and a test (`tests/seam.rs`) see to it.
//!
//! | module | it is |
//! |---|---|
//! | `real` | the real host: the one module that asks the system |
//! | `task` | a task that was begun, and its end |
//! | `time` | sleeping, and not waiting for longer than that |
//! | `watch` | a value that is watched, whose watchers are woken in order |
//! | [`engine`] | all that in the consensus engine's words |

pub mod engine;
mod real;
mod task;
mod time;
mod watch;

pub use real::{Real, read_credentials};
pub use task::{Lost, Task, Tasks};
pub use time::{Elapsed, Sleep, Timeout};

use futures::future::BoxFuture;
use replicode_log::{Mono, NodeId};
use replicode_store::record::{EntryId, VoteRecord};
use replicode_store::{Disk, LogError};
use rustls::crypto::CryptoProvider;
use rustls::time_provider::TimeProvider;
use std::cell::RefCell;
use std::fmt::Debug;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Makes the connection id that a connection begins with.
pub type InitialIds = Arc<dyn Fn() -> quinn_proto::ConnectionId + Send + Sync>;

/// What a replica lives on. See the module.
pub trait Host: Debug + Send + Sync + 'static {
    /// The monotonic clock, as the network and the engine think of it. Only differences mean anything.
    fn instant(&self) -> Instant;

    /// The same clock as a number.
    fn mono(&self) -> Mono;

    /// A monotonic clock that also counts while the machine is suspended.
    fn boot_time(&self) -> Duration;

    /// The wall clock, nanoseconds since the Unix epoch; 0 before that.
    fn wall_unix_ns(&self) -> u64;

    /// Fills bytes with what nobody can guess.
    ///
    /// # Errors
    /// The system has no random numbers.
    fn fill(&self, bytes: &mut [u8]) -> io::Result<()>;

    /// Begins a task beside the one that is running. It ends with the thread ([`Host::thread`]) that it was begun on.
    fn spawn(&self, task: BoxFuture<'static, ()>) -> Box<dyn Abort>;

    /// A timer.
    fn timer(&self, at: Instant) -> Pin<Box<dyn quinn::AsyncTimer>>;

    /// Has something done where waiting for the system holds nobody up.
    fn blocking(&self, work: Box<dyn FnOnce() + Send>);

    /// Begins a thread that does one thing until that has ended.
    ///
    /// # Errors
    /// As the system says.
    fn thread(&self, thread: Thread, work: BoxFuture<'static, ()>) -> io::Result<Box<dyn Join>>;

    /// To be awaited before an operation on a disk, by threads of their own that do such. `None`, as on the real host: the
    /// operation itself takes the time that it takes.
    fn before_disk(&self, operation: DiskOperation) -> Option<BoxFuture<'static, ()>>;

    /// Whether an operation on a disk takes its time while it is called. If not, [`Host::before_disk`] takes it, and nobody may
    /// do such an operation who cannot await that.
    fn waits_on_the_spot(&self) -> bool;

    /// A directory of flat files that only one process may write, made if `make` is set.
    ///
    /// # Errors
    /// [`LogError`]: another process has it, there is none, or the system refuses.
    fn disk(&self, dir: &Path, make: bool) -> Result<Arc<dyn Disk>, LogError>;

    /// Binds the socket on which peers are listened to.
    ///
    /// # Errors
    /// As the system says: the address is in use, or not one of this host's.
    fn bind(&self, addr: SocketAddr) -> io::Result<Box<dyn Bound>>;

    /// Tasks, timers and clock in QUIC's words.
    fn quic(&self) -> Arc<dyn quinn::Runtime>;

    /// Connection ids that the next process of the node knows by `key`.
    fn connection_ids(&self, key: u64) -> Box<dyn quinn_proto::ConnectionIdGenerator>;

    /// What connections begin with, if not with what QUIC draws by itself.
    fn initial_ids(&self) -> Option<InitialIds>;

    /// The cryptography of TLS, with its random numbers.
    fn tls(&self) -> Arc<CryptoProvider>;

    /// The wall clock by which certificates are judged.
    fn tls_time(&self) -> Arc<dyn TimeProvider>;

    /// Hears what the replica is about to tell another node. Nothing follows from it: it is for hosts that judge whether a
    /// replica keeps its word.
    fn witness(&self, _fact: &Fact) {}
}

/// What a replica is about to tell another node, once it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// It votes for a candidate.
    Voted {
        /// Who asked.
        by: NodeId,
        /// What was asked for: the term, and the candidate.
        vote: VoteRecord,
        /// The candidate's last entry.
        last: Option<EntryId>,
        /// Whether it is only said how a vote would go.
        pre: bool,
    },
    /// It holds the leader's entries up to one.
    Holds {
        /// The leader.
        by: NodeId,
        /// The last of them.
        upto: EntryId,
    },
}

/// A thread of a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Thread {
    /// Consensus and peers. The only one that begins tasks, and has timers and the network.
    Replica,
    /// Carries out what the log asks for.
    LogWriter,
    /// Reads for those who must not wait for a disk.
    LogReader,
    /// Reads what the machine above is behind.
    LogFeed,
    /// Fills the next segment with zeros.
    LogPrepare,
}

impl Thread {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Replica => "replica",
            Self::LogWriter => "log-writer",
            Self::LogReader => "log-reader",
            Self::LogFeed => "log-feed",
            Self::LogPrepare => "log-prepare",
        }
    }
}

/// What is about to be done to a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskOperation {
    /// Reading.
    Read,
    /// Writing, or changing names.
    Change,
    /// Making durable.
    Sync,
}

/// Ends a task.
pub trait Abort: Send + Sync {
    /// It is dropped where it is, soon.
    fn abort(&self);
}

/// Waits for a thread.
pub trait Join: Send {
    /// Returns when it has ended, where threads can be waited for. `false`: it has panicked.
    fn join(self: Box<Self>) -> bool;
}

/// An address that is held.
pub trait Bound: Send {
    /// The socket, on the thread that is to use it.
    ///
    /// # Errors
    /// As the system says.
    fn open(self: Box<Self>) -> io::Result<Arc<dyn quinn::AsyncUdpSocket>>;
}

thread_local! {
    static HERE: RefCell<Option<Arc<dyn Host>>> = const { RefCell::new(None) };
}

/// While this lives, what runs on this thread runs on the host that was entered.
#[must_use]
pub struct Entered(Option<Arc<dyn Host>>);

impl Drop for Entered {
    fn drop(&mut self) {
        HERE.set(self.0.take());
    }
}

/// Enters a host: see the module.
pub fn enter(host: Arc<dyn Host>) -> Entered {
    Entered(HERE.replace(Some(host)))
}

/// The host of what runs on this thread, where it is not the real one.
fn entered() -> Option<Arc<dyn Host>> {
    HERE.with_borrow(Clone::clone)
}

/// Asks the host of what runs on this thread.
fn ask<T>(question: impl FnOnce(&dyn Host) -> T) -> T {
    HERE.with_borrow(|here| match here {
        Some(host) => question(&**host),
        None => question(&Real),
    })
}

/// See [`Host::instant`].
#[must_use]
pub fn instant() -> Instant {
    ask(|host| host.instant())
}

/// See [`Host::mono`].
#[must_use]
pub fn mono() -> Mono {
    ask(|host| host.mono())
}

/// See [`Host::boot_time`].
#[must_use]
pub fn boot_time() -> Duration {
    ask(|host| host.boot_time())
}

/// See [`Host::wall_unix_ns`].
#[must_use]
pub fn wall_unix_ns() -> u64 {
    ask(|host| host.wall_unix_ns())
}

/// See [`Host::fill`].
///
/// # Errors
/// The system has no random numbers.
pub fn fill(bytes: &mut [u8]) -> io::Result<()> {
    ask(|host| host.fill(bytes))
}

/// Begins a task beside the one that is running. Dropping what comes back leaves it alone.
pub fn spawn<T: Send + 'static>(task: impl Future<Output = T> + Send + 'static) -> Task<T> {
    match entered() {
        None => real::spawn(task),
        Some(host) => task::spawn_on(&*host, task),
    }
}

/// Sleeps for a while.
#[must_use]
pub fn sleep(time: Duration) -> Sleep {
    match entered() {
        None => real::sleep(time),
        Some(host) => Sleep::hosted(host.timer(host.instant() + time)),
    }
}

/// Sleeps until a moment.
#[must_use]
pub fn sleep_until(at: Instant) -> Sleep {
    match entered() {
        None => real::sleep_until(at),
        Some(host) => Sleep::hosted(host.timer(at)),
    }
}

/// Waits for something, and no longer than this.
pub fn timeout<F: Future>(patience: Duration, what: F) -> Timeout<F> {
    Timeout::new(sleep(patience), what)
}

/// Lets others have their turn.
pub async fn yield_now() {
    let mut over = false;
    match entered() {
        None => real::yield_now().await,
        Some(_) => {
            futures::future::poll_fn(|context| {
                if std::mem::replace(&mut over, true) {
                    return std::task::Poll::Ready(());
                }
                context.waker().wake_by_ref();
                std::task::Poll::Pending
            })
            .await;
        }
    }
}

/// Has something done where waiting for the system holds nobody up.
///
/// # Errors
/// It has panicked, or the host is going down.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Lost> {
    let (tell, told) = tokio::sync::oneshot::channel();
    let work = move || {
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        // Whoever asked may have lost interest.
        drop(tell.send(done.map_err(|_| Lost::Panicked)));
    };
    ask(|host| host.blocking(Box::new(work)));
    told.await.unwrap_or(Err(Lost::Ended))
}

/// See [`Host::thread`].
///
/// # Errors
/// As the system says.
pub fn thread(thread: Thread, work: impl Future<Output = ()> + Send + 'static) -> io::Result<Box<dyn Join>> {
    ask(|host| host.thread(thread, Box::pin(work)))
}

/// See [`Host::before_disk`].
pub async fn before_disk(operation: DiskOperation) {
    if let Some(pause) = ask(|host| host.before_disk(operation)) {
        pause.await;
    }
}

/// See [`Host::waits_on_the_spot`].
#[must_use]
pub fn waits_on_the_spot() -> bool {
    ask(|host| host.waits_on_the_spot())
}

/// See [`Host::disk`].
///
/// # Errors
/// [`LogError`]: another process has it, there is none, or the system refuses.
pub fn disk(dir: &Path, make: bool) -> Result<Arc<dyn Disk>, LogError> {
    ask(|host| host.disk(dir, make))
}

/// See [`Host::witness`].
pub fn witness(fact: &Fact) {
    ask(|host| host.witness(fact));
}

/// See [`Host::bind`].
///
/// # Errors
/// As the system says.
pub fn bind(addr: SocketAddr) -> io::Result<Box<dyn Bound>> {
    ask(|host| host.bind(addr))
}

/// See [`Host::quic`].
#[must_use]
pub fn quic() -> Arc<dyn quinn::Runtime> {
    ask(|host| host.quic())
}

/// See [`Host::connection_ids`].
#[must_use]
pub fn connection_ids(key: u64) -> Box<dyn quinn_proto::ConnectionIdGenerator> {
    ask(|host| host.connection_ids(key))
}

/// See [`Host::initial_ids`].
#[must_use]
pub fn initial_ids() -> Option<InitialIds> {
    ask(|host| host.initial_ids())
}

/// See [`Host::tls`].
#[must_use]
pub fn tls() -> Arc<CryptoProvider> {
    ask(|host| host.tls())
}

/// See [`Host::tls_time`].
#[must_use]
pub fn tls_time() -> Arc<dyn TimeProvider> {
    ask(|host| host.tls_time())
}
