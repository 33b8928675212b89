//! Just enough of an etcd client to measure it: `KV.Put` over gRPC, one HTTP/2 connection per client.
//!
//! The two messages are written by hand (`PutRequest { bytes key = 1; bytes value = 2; }`), so that the load generator
//! costs next to nothing beside the server.

use anyhow::{Context, Result, bail};
use bytes::{BufMut, Bytes, BytesMut};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

/// Every load runs so long before it is measured: a server's first requests make it grow.
pub(crate) const WARM_UP: Duration = Duration::from_secs(1);

/// What a load run measured.
#[derive(Clone, Debug)]
pub struct Load {
    /// Requests answered per second.
    pub rate: f64,
    /// Median latency.
    pub p50: Duration,
    /// 99th percentile of latency.
    pub p99: Duration,
}

impl Load {
    /// Sums up `latencies`, each of which stands for `requests` requests, measured in `elapsed`.
    #[must_use]
    pub fn of(mut latencies: Vec<Duration>, requests: usize, elapsed: Duration) -> Self {
        latencies.sort_unstable();
        let last = latencies.len().saturating_sub(1) as f64;
        let at = |part: f64| latencies.get((last * part) as usize).copied().unwrap_or_default();
        let rate = (latencies.len() * requests) as f64 / elapsed.as_secs_f64();
        Self { rate, p50: at(0.5), p99: at(0.99) }
    }
}

fn varint(out: &mut BytesMut, mut n: usize) {
    while n >= 0x80 {
        out.put_u8((n as u8 & 0x7f) | 0x80);
        n >>= 7;
    }
    out.put_u8(n as u8);
}

/// A gRPC frame that holds a `PutRequest`.
fn put_request(key: &[u8], value: &[u8]) -> Bytes {
    let mut message = BytesMut::new();
    for (tag, field) in [(0x0a, key), (0x12, value)] {
        message.put_u8(tag);
        varint(&mut message, field.len());
        message.put_slice(field);
    }
    let mut frame = BytesMut::new();
    frame.put_u8(0);
    frame.put_u32(message.len() as u32);
    frame.put_slice(&message);
    frame.freeze()
}

async fn client(port: u16, id: usize, size: usize, from: Instant, until: Instant) -> Result<Vec<Duration>> {
    let tcp = TcpStream::connect(("127.0.0.1", port)).await?;
    tcp.set_nodelay(true)?;
    let (mut send, connection) = h2::client::handshake(tcp).await?;
    let driver = tokio::spawn(connection);
    let uri = format!("http://127.0.0.1:{port}/etcdserverpb.KV/Put");
    let value = vec![b'v'; size];
    let mut latencies = Vec::new();
    let mut n = 0u64;
    while Instant::now() < until {
        n += 1;
        let start = Instant::now();
        let request =
            http::Request::post(&uri).header("content-type", "application/grpc").header("te", "trailers").body(())?;
        send = send.ready().await?;
        let (response, mut body) = send.send_request(request, false)?;
        let key = format!("key:{:012}", (n * 7919 + id as u64 * 104_729) % 100_000);
        body.send_data(put_request(key.as_bytes(), &value), true)?;
        let response = response.await?;
        let mut body = response.into_body();
        while let Some(chunk) = body.data().await {
            let len = chunk?.len();
            body.flow_control().release_capacity(len)?;
        }
        let trailers = body.trailers().await?.context("a gRPC answer ends with trailers")?;
        if trailers.get("grpc-status").is_none_or(|status| status != "0") {
            bail!("etcd refused: {trailers:?}");
        }
        if start >= from {
            latencies.push(start.elapsed());
        }
    }
    driver.abort();
    Ok(latencies)
}

/// `clients` closed-loop clients that put values of `size` bytes for `duration`, spread over `ports`.
///
/// # Errors
/// When a client fails.
pub fn put_load(ports: &[u16], clients: usize, size: usize, duration: Duration) -> Result<Load> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let from = Instant::now() + WARM_UP;
        let tasks: Vec<_> = (0..clients)
            .map(|id| tokio::spawn(client(ports[id % ports.len()], id, size, from, from + duration)))
            .collect();
        let mut latencies = Vec::new();
        for task in tasks {
            latencies.extend(task.await??);
        }
        Ok(Load::of(latencies, 1, from.elapsed()))
    })
}
