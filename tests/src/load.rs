//! A load generator for servers that speak RESP: closed loop, one connection per client, as cheap as it can be made, so
//! that on a small machine the servers are measured and not the clients. Every server of a comparison gets the same one.

use crate::etcd::{Load, WARM_UP};
use anyhow::{Context, Result, anyhow, bail};
use std::time::{Duration, Instant};
use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy, thread_native_id,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What the clients ask for.
#[derive(Clone, Copy, Debug)]
pub enum Ask {
    /// `SET key:N <bytes>`, answered by `+OK`.
    Set,
    /// `GET key:N`, answered by a bulk string or null.
    Get,
}

/// Number of different keys.
const KEYS: u64 = 100_000;

fn request(ask: Ask, key: u64, value: &str) -> String {
    match ask {
        Ask::Set => format!("*3\r\n$3\r\nSET\r\n$16\r\nkey:{key:012}\r\n${}\r\n{value}\r\n", value.len()),
        Ask::Get => format!("*2\r\n$3\r\nGET\r\n$16\r\nkey:{key:012}\r\n"),
    }
}

/// Removes whole replies from the front of `bytes`; answers how many, and how many bytes they took.
fn replies(bytes: &[u8]) -> Result<(usize, usize)> {
    let (mut count, mut at) = (0, 0);
    while let Some(line) = bytes[at..].iter().position(|byte| *byte == b'\n') {
        let head = &bytes[at..at + line + 1];
        let len = match head[0] {
            b'+' | b':' => head.len(),
            b'$' => match std::str::from_utf8(&head[1..])?.trim_end().parse::<i64>()? {
                body if body < 0 => head.len(),
                body => head.len() + usize::try_from(body)? + 2,
            },
            _ => bail!("the server answered {}", String::from_utf8_lossy(head)),
        };
        if bytes.len() < at + len {
            break;
        }
        at += len;
        count += 1;
    }
    Ok((count, at))
}

async fn client(
    port: u16,
    id: u64,
    ask: Ask,
    pipeline: usize,
    size: usize,
    (from, until): (Instant, Instant),
) -> Result<Vec<Duration>> {
    let mut tcp = TcpStream::connect(("127.0.0.1", port)).await.context("connecting")?;
    tcp.set_nodelay(true)?;
    let value = "v".repeat(size);
    let mut key = id.wrapping_mul(104_729);
    let (mut out, mut buffer, mut filled) = (Vec::new(), vec![0; 64 << 10], 0);
    let mut latencies = Vec::new();
    loop {
        let start = Instant::now();
        if start >= until {
            return Ok(latencies);
        }
        out.clear();
        for _ in 0..pipeline {
            key = key.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            out.extend_from_slice(request(ask, (key >> 33) % KEYS, &value).as_bytes());
        }
        tcp.write_all(&out).await?;
        let mut missing = pipeline;
        while missing > 0 {
            let n = tcp.read(&mut buffer[filled..]).await?;
            if n == 0 {
                bail!("the server closed a connection");
            }
            filled += n;
            let (count, used) = replies(&buffer[..filled])?;
            missing = missing.checked_sub(count).context("more replies than requests")?;
            buffer.copy_within(used..filled, 0);
            filled -= used;
        }
        if start >= from {
            latencies.push(start.elapsed());
        }
    }
}

/// `clients` closed-loop clients for `duration`, each with `pipeline` requests at a time. The rate counts requests, the
/// latency is that of a whole pipeline.
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
    as_a_remote_client(|runtime| {
        runtime.block_on(async {
            let from = Instant::now() + WARM_UP;
            let run = |id| tokio::spawn(client(port, id, ask, pipeline, size, (from, from + duration)));
            let tasks: Vec<_> = (0..clients as u64).map(run).collect();
            let mut latencies = Vec::new();
            for task in tasks {
                latencies.extend(task.await??);
            }
            Ok(Load::of(latencies, pipeline, from.elapsed()))
        })
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_counted_and_errors_are_not_taken_for_answers() -> Result<()> {
        assert_eq!(replies(b"+OK\r\n$3\r\nabc\r\n$-1\r\n:7\r\n+O")?, (4, 23));
        assert_eq!(replies(b"$10\r\nabc")?, (0, 0));
        assert!(replies(b"-ERR no\r\n").is_err());
        Ok(())
    }
}
