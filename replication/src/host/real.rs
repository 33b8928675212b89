//! The real host: this process, its threads, the system's clocks, files and sockets. The one module of the crate that asks the
//! system.

#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "this is where the system is asked")]

use super::{Abort, Bound, DiskOperation, Host, InitialIds, Join, Sleep, Task, Thread};
use crate::config::TlsIdentity;
use crate::network::endpoint;
use crate::network::tls::TlsError;
use futures::future::BoxFuture;
use nix::time::{ClockId, clock_gettime};
use quinn::Runtime;
use replicode_log::Mono;
use replicode_store::file_disk::FileDisk;
use replicode_store::{Disk, LogError};
use rustls::crypto::CryptoProvider;
use rustls::time_provider::{DefaultTimeProvider, TimeProvider};
use std::future::Future;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Real;

pub(super) fn spawn<T: Send + 'static>(task: impl Future<Output = T> + Send + 'static) -> Task<T> {
    Task::tokio(tokio::spawn(task))
}

pub(super) fn sleep(time: Duration) -> Sleep {
    Sleep::tokio(tokio::time::sleep(time))
}

pub(super) fn sleep_until(at: Instant) -> Sleep {
    Sleep::tokio(tokio::time::sleep_until(at.into()))
}

pub(super) async fn yield_now() {
    tokio::task::yield_now().await;
}

impl Abort for tokio::task::AbortHandle {
    fn abort(&self) {
        Self::abort(self);
    }
}

impl Join for JoinHandle<()> {
    fn join(self: Box<Self>) -> bool {
        (*self).join().is_ok()
    }
}

impl Bound for UdpSocket {
    fn open(self: Box<Self>) -> io::Result<Arc<dyn quinn::AsyncUdpSocket>> {
        quinn::TokioRuntime.wrap_udp_socket(*self)
    }
}

impl Host for Real {
    fn instant(&self) -> Instant {
        Instant::now()
    }

    fn mono(&self) -> Mono {
        // Every system that this runs on has this clock.
        clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(Mono::LONG_AGO, |time| Mono::of_reading(Duration::from(time)))
    }

    fn boot_time(&self) -> Duration {
        // Linux has it since 2.6.39; a system that has not cannot be told from one that was never suspended.
        let time = clock_gettime(ClockId::CLOCK_BOOTTIME).or_else(|_| clock_gettime(ClockId::CLOCK_MONOTONIC));
        time.map(Duration::from).unwrap_or_default()
    }

    fn wall_unix_ns(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }

    fn fill(&self, bytes: &mut [u8]) -> io::Result<()> {
        let random = rustls::crypto::ring::default_provider().secure_random;
        random.fill(bytes).map_err(|_| io::Error::other("the system gives no random numbers"))
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) -> Box<dyn Abort> {
        Box::new(tokio::spawn(task).abort_handle())
    }

    fn timer(&self, at: Instant) -> Pin<Box<dyn quinn::AsyncTimer>> {
        quinn::TokioRuntime.new_timer(at)
    }

    fn blocking(&self, work: Box<dyn FnOnce() + Send>) {
        tokio::task::spawn_blocking(work);
    }

    fn thread(&self, thread: Thread, work: BoxFuture<'static, ()>) -> io::Result<Box<dyn Join>> {
        let builder = std::thread::Builder::new().name(thread.name().to_string());
        let handle = match thread {
            Thread::Replica => {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                builder.spawn(move || runtime.block_on(work))?
            }
            Thread::LogWriter | Thread::LogReader | Thread::LogFeed | Thread::LogPrepare => {
                builder.spawn(move || futures::executor::block_on(work))?
            }
        };
        Ok(Box::new(handle))
    }

    fn before_disk(&self, _operation: DiskOperation) -> Option<BoxFuture<'static, ()>> {
        None
    }

    fn waits_on_the_spot(&self) -> bool {
        true
    }

    fn disk(&self, dir: &Path, make: bool) -> Result<Arc<dyn Disk>, LogError> {
        Ok(Arc::new(FileDisk::open(dir, make)?))
    }

    fn bind(&self, addr: SocketAddr) -> io::Result<Box<dyn Bound>> {
        Ok(Box::new(endpoint::bind(addr)?))
    }

    fn quic(&self) -> Arc<dyn quinn::Runtime> {
        Arc::new(quinn::TokioRuntime)
    }

    fn connection_ids(&self, key: u64) -> Box<dyn quinn_proto::ConnectionIdGenerator> {
        Box::new(quinn_proto::HashedConnectionIdGenerator::from_key(key))
    }

    fn initial_ids(&self) -> Option<InitialIds> {
        None
    }

    fn tls(&self) -> Arc<CryptoProvider> {
        Arc::new(rustls::crypto::ring::default_provider())
    }

    fn tls_time(&self) -> Arc<dyn TimeProvider> {
        Arc::new(DefaultTimeProvider)
    }
}

/// Reads credentials from three PEM files.
///
/// # Errors
/// [`TlsError::Exposed`] when the key's permissions let others read it; [`TlsError::Read`].
pub fn read_credentials(ca: &Path, cert: &Path, key: &Path) -> Result<TlsIdentity, TlsError> {
    let read = |path: &Path| {
        std::fs::read_to_string(path).map_err(|why| TlsError::Read { file: path.display().to_string(), why })
    };
    let failed = |why| TlsError::Read { file: key.display().to_string(), why };
    let mode = std::fs::metadata(key).map_err(failed)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(TlsError::Exposed { file: key.display().to_string(), mode });
    }
    Ok(TlsIdentity { ca: read(ca)?, cert: read(cert)?, key: read(key)? })
}
