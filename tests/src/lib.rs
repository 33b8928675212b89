//! Harness for tests of the whole: real processes, real sockets, real clients.
//!
//! Nothing here looks inside the product. Nodes are started as a user starts them, clients speak RESP or HTTP over TCP,
//! and what a test compares comes from a client, from `--json` output, or from another program.

pub mod cluster;
pub mod contracts;
pub mod crash;
pub mod draw;
pub mod etcd;
pub mod history;
pub mod links;
pub mod load;
pub mod process;
pub mod resp;
pub mod talk;

use anyhow::{Context, Result, bail};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

/// The root of the checkout.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The `replicode` binary under test: `REPLICODE_BIN`, or the one that lies beside this program's folder.
///
/// # Panics
/// When there is none, with the command that makes one.
#[must_use]
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("REPLICODE_BIN") {
        return path.into();
    }
    let here = std::env::current_exe().expect("this program has a path");
    let path = here.ancestors().map(|folder| folder.join("replicode")).find(|path| path.is_file());
    path.expect("no replicode binary found: run `cargo build --release -p replicode`, or set REPLICODE_BIN")
}

/// A guest program built from `wasm_programs`.
///
/// # Panics
/// When it has not been built, with the command that does so.
#[must_use]
pub fn guest(name: &str) -> PathBuf {
    let path = root().join("wasm_programs/build").join(format!("{name}.wasm"));
    assert!(path.is_file(), "{} is missing: run wasm_programs/build.sh", path.display());
    path
}

/// A run of `count` TCP ports on loopback that are free now, below the range from which the kernel takes ports for
/// outgoing connections.
///
/// # Panics
/// When a thousand attempts find none.
#[must_use]
pub fn free_ports(count: u16) -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = 20_000 + (std::process::id() % 1_000) as u16 * 10;
    for _ in 0..1_000 {
        let base = 20_000 + (start - 20_000 + NEXT.fetch_add(count, Ordering::Relaxed)) % 12_000;
        let free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
        if (base..base + count).all(free) {
            return base;
        }
    }
    panic!("no {count} free ports in a row between 20000 and 32000");
}

/// Calls `attempt` until it succeeds; fails with its last error after `limit`.
///
/// # Errors
/// The last error of `attempt`, with what was waited for.
pub fn eventually<T>(what: &str, limit: Duration, mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
    let start = Instant::now();
    loop {
        match attempt() {
            Ok(value) => return Ok(value),
            Err(error) if start.elapsed() > limit => {
                return Err(error).with_context(|| format!("waited {limit:?} for {what}"));
            }
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}

/// `Ok` when `condition` holds, else an error that says what does not.
///
/// # Errors
/// When the condition does not hold.
pub fn check(condition: bool, otherwise: impl FnOnce() -> String) -> Result<()> {
    if condition { Ok(()) } else { bail!(otherwise()) }
}
