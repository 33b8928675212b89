//! What one commit cannot do without: one `fdatasync` and one round trip between two nodes. The measurement `latency`
//! of `tests/bench.sh` compares with their sum what replication adds to a request.
//!
//! ```text
//! cargo run --release -p replicode-replication --example roundtrip -- DIRECTORY
//! ```
//!
//! Prints two lines, `NAME NANOSECONDS`, each a median:
//!
//! | name | what |
//! |---|---|
//! | `fdatasync` | 4 KiB written at the next place of a file of zeros in DIRECTORY, and made durable, as the log does it |
//! | `roundtrip` | 64 bytes there and back on an open stream of a QUIC connection over loopback, with the settings, the mutual TLS and the kind of runtime that peers have |

#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "on the real host, from outside")]

use replicode_log::NodeId;
use replicode_replication::log_store::disk::Disk;
use replicode_replication::log_store::file_disk::FileDisk;
use replicode_replication::network::{endpoint, tls};
use std::error::Error;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const CLUSTER: [u8; 16] = [7; 16];
const BLOCK: u64 = 4096;
const SYNCS: u64 = 500;
const TRIPS: usize = 3000;
/// The first ones do not count: paths are discovered, windows grow, caches fill.
const WARM_UP: usize = 300;

fn main() -> Outcome<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [dir] = args.as_slice() else { return Err("usage: roundtrip DIRECTORY".into()) };
    println!("fdatasync {}", fdatasync(Path::new(dir))?.as_nanos());
    println!("roundtrip {}", roundtrip()?.as_nanos());
    Ok(())
}

fn fdatasync(dir: &Path) -> Outcome<Duration> {
    let dir = dir.join("roundtrip");
    let disk = FileDisk::open(&dir, true)?;
    let file = disk.create("zeros")?;
    file.write_at(&vec![0; (BLOCK * SYNCS) as usize], 0)?;
    file.sync()?;
    let block = [0xa5; BLOCK as usize];
    let mut times = Vec::new();
    for n in 0..SYNCS {
        let begin = Instant::now();
        file.write_at(&block, n * BLOCK)?;
        file.sync()?;
        times.push(begin.elapsed());
    }
    std::fs::remove_dir_all(dir)?;
    Ok(median(times))
}

/// Two endpoints, each on a thread and a runtime of its own, as two nodes are.
fn roundtrip() -> Outcome<Duration> {
    let authority = tls::Authority::new(CLUSTER)?;
    let (near, far) = (NodeId::new(1)?, NodeId::new(2)?);
    let server = tls::handshake(&authority.node(far)?, far, &CLUSTER)?;
    let client = tls::handshake(&authority.node(near)?, near, &CLUSTER)?;
    let socket = endpoint::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    let addr = socket.local_addr()?;
    let echo = std::thread::spawn(move || -> Outcome<()> {
        runtime()?.block_on(async {
            let endpoint = endpoint::endpoint(Box::new(socket), &server)?;
            let connection = endpoint.accept().await.ok_or("the endpoint closed")?.await?;
            let (mut tx, mut rx) = connection.accept_bi().await?;
            let mut message = [0; 64];
            while rx.read_exact(&mut message).await.is_ok() {
                tx.write_all(&message).await?;
            }
            Ok(())
        })
    });
    let times = runtime()?.block_on(async {
        let endpoint = endpoint::endpoint(Box::new(endpoint::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?), &client)?;
        let connection = endpoint.connect(addr, &tls::node_name(far, &CLUSTER))?.await?;
        let (mut tx, mut rx) = connection.open_bi().await?;
        let (message, mut answer) = ([1; 64], [0; 64]);
        let mut times = Vec::new();
        for trip in 0..WARM_UP + TRIPS {
            let begin = Instant::now();
            tx.write_all(&message).await?;
            rx.read_exact(&mut answer).await?;
            if trip >= WARM_UP {
                times.push(begin.elapsed());
            }
        }
        connection.close(0u32.into(), b"done");
        endpoint.wait_idle().await;
        Outcome::Ok(times)
    })?;
    echo.join().map_err(|_| "the echo panicked")??;
    Ok(median(times))
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
