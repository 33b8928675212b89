//! A load generator: closed loop, one connection per client, as cheap as it can be made, so that on a small machine the
//! servers are measured and not the clients. Every server of a comparison gets the same one.

use crate::etcd::{Load, WARM_UP};
pub use crate::talk::Ask;
use crate::talk::{Resp, Talk};
use anyhow::{Context, Result, anyhow, bail, ensure};
use std::time::{Duration, Instant};
use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy, thread_native_id,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A client's connection, with what has come and is not a whole reply yet.
struct Connection {
    tcp: TcpStream,
    buffer: Vec<u8>,
    filled: usize,
}

impl Connection {
    /// Connects, and says what is said once.
    async fn new(port: u16, talk: &mut impl Talk) -> Result<Self> {
        let tcp = TcpStream::connect(("127.0.0.1", port)).await.context("connecting")?;
        tcp.set_nodelay(true)?;
        let mut connection = Self { tcp, buffer: vec![0; 64 << 10], filled: 0 };
        let mut greeting = Vec::new();
        let replies = talk.greet(&mut greeting);
        connection.exchange(&greeting, replies, talk).await?;
        Ok(connection)
    }

    /// Says something and waits for so many replies.
    async fn exchange(&mut self, said: &[u8], mut missing: usize, talk: &mut impl Talk) -> Result<()> {
        self.tcp.write_all(said).await?;
        while missing > 0 {
            let n = self.tcp.read(&mut self.buffer[self.filled..]).await?;
            if n == 0 {
                bail!("the server closed a connection, or has sent a reply that is too long");
            }
            self.filled += n;
            let mut used = 0;
            while let Some(length) = talk.reply(&self.buffer[used..self.filled])? {
                used += length;
                missing = missing.checked_sub(1).context("more replies than requests")?;
            }
            self.buffer.copy_within(used..self.filled, 0);
            self.filled -= used;
        }
        ensure!(self.filled == 0, "the server sent more than it was asked for");
        Ok(())
    }
}

async fn client(port: u16, mut talk: impl Talk, (from, until): (Instant, Instant)) -> Result<Vec<Duration>> {
    let mut connection = Connection::new(port, &mut talk).await?;
    let (mut out, mut latencies) = (Vec::new(), Vec::new());
    loop {
        let start = Instant::now();
        if start >= until {
            return Ok(latencies);
        }
        out.clear();
        let replies = talk.ask(&mut out);
        connection.exchange(&out, replies, &mut talk).await?;
        if start >= from {
            latencies.push(start.elapsed());
        }
        if talk.closes() {
            connection = Connection::new(port, &mut talk).await?;
        }
    }
}

/// `clients` closed-loop clients for `duration`, which ask for `replies` at a time. The rate counts replies, the latency is
/// that of all that was asked for at a time.
///
/// # Errors
/// When a client fails, or is not answered rightly.
pub fn load<T: Talk>(
    port: u16,
    clients: usize,
    replies: usize,
    duration: Duration,
    talk: impl Fn(u64) -> T + Send,
) -> Result<Load> {
    as_a_remote_client(move |runtime| {
        runtime.block_on(async move {
            let from = Instant::now() + WARM_UP;
            let run = |id| tokio::spawn(client(port, talk(id), (from, from + duration)));
            let tasks: Vec<_> = (0..clients as u64).map(run).collect();
            let mut latencies = Vec::new();
            for task in tasks {
                latencies.extend(task.await??);
            }
            Ok(Load::of(latencies, replies, from.elapsed()))
        })
    })
}

/// As [`load`], with a server that speaks RESP: each client has `pipeline` requests at a time, with values of `size` bytes.
///
/// # Errors
/// When a client fails.
pub fn resp_load(
    port: u16,
    ask: Ask,
    clients: usize,
    pipeline: usize,
    size: usize,
    duration: Duration,
) -> Result<Load> {
    load(port, clients, pipeline, duration, |id| Resp::new(ask, id, pipeline, size))
}

/// Runs a load generator on a thread of its own, which does not interrupt the servers beside it: a client on another machine
/// could not take a server's processor in the middle of its writing an answer to somebody else. Every server that speaks
/// RESP gets its load so; etcd does better with clients under the ordinary policy, and gets those.
fn as_a_remote_client<T: Send>(load: impl FnOnce(tokio::runtime::Runtime) -> Result<T> + Send) -> Result<T> {
    let on_thread = || {
        // Refused in some sandboxes; then the figures are a little lower, for all servers alike.
        if let Err(error) = as_a_batch() {
            eprintln!("the load generator is not scheduled as a batch: {error}");
        }
        load(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
    };
    std::thread::scope(|scope| scope.spawn(on_thread).join()).map_err(|_| anyhow!("the load generator panicked"))?
}

/// `SCHED_BATCH` for the calling thread, at the niceness that it has. The crate sets a niceness with the policy, and names it
/// by a number, several for each.
fn as_a_batch() -> Result<()> {
    let nice = rustix::process::getpriority_process(None)?;
    let policy = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Batch);
    let same = |priority: &ThreadPriority| priority.to_posix(policy).is_ok_and(|it| it == nice);
    let named = (0..=u8::MAX).filter_map(|n| Some(ThreadPriority::Crossplatform(n.try_into().ok()?))).find(same);
    set_thread_priority_and_policy(thread_native_id(), named.context("no such niceness")?, policy)?;
    Ok(())
}
