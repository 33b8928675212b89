//! Puts load on a server and prints how much of it was answered: `load PORT WHAT`. Every answer is looked at; a wrong one ends it.
//!
//! It is for servers that run beside their native builds (`tests/bench/ports.py`), and the same for both.

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use replicode_tests::etcd::Load;
use replicode_tests::load::{Ask, load, resp_load};
use replicode_tests::talk::{self, BeanstalkdPut, HttpGet, MemcachedSet, MqttQos0, SqliteInsert};
use serde_json::json as js;
use std::path::PathBuf;
use std::time::Duration;

/// Puts load on a server of this machine: clients that each have a connection and ask as soon as they are answered.
#[derive(Parser)]
struct Args {
    /// Where the server listens, on 127.0.0.1.
    port: u16,
    /// What it is asked for.
    what: What,
    /// The path of `http`.
    #[arg(default_value = "/")]
    path: String,
    /// How many clients there are.
    #[arg(long, default_value_t = 32)]
    clients: usize,
    /// For how long they ask; before that they do so for a second without being measured.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Bytes of a value, a job, a message or a row.
    #[arg(long, default_value_t = 256)]
    size: usize,
    /// A file that holds what `http` must answer; without it every answer must be like a client's first.
    #[arg(long)]
    body: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum What {
    /// GET over connections that stay.
    Http,
    /// SET of keys out of 100,000.
    RedisSet,
    /// set of keys out of 100,000.
    MemcachedSet,
    /// put of jobs that nobody takes.
    BeanstalkdPut,
    /// Messages that each client sends to itself, 50 at a time; latency is that of all of them.
    MqttQos0,
    /// Rows through sqlite-tcp, each a transaction.
    SqliteInsert,
}

fn measure(args: &Args) -> Result<Load> {
    let (port, clients, size) = (args.port, args.clients, args.size);
    let time = Duration::try_from_secs_f64(args.seconds).context("--seconds")?;
    match args.what {
        What::Http => {
            let read = |path: &PathBuf| std::fs::read(path).with_context(|| format!("reading {}", path.display()));
            let body = args.body.as_ref().map(read).transpose()?;
            load(port, clients, 1, time, |_| HttpGet::new(&args.path, body.clone()))
        }
        What::RedisSet => resp_load(port, Ask::Set, clients, 1, size, time),
        What::MemcachedSet => load(port, clients, 1, time, |id| MemcachedSet::new(id, size)),
        What::BeanstalkdPut => load(port, clients, 1, time, |_| BeanstalkdPut::new(size)),
        What::MqttQos0 => load(port, clients, talk::WINDOW, time, |id| MqttQos0::new(id, size)),
        What::SqliteInsert => load(port, clients, 1, time, |_| SqliteInsert::new(size)),
    }
}

fn main() -> Result<()> {
    let args = Args::parse();
    let Load { rate, p50, p99 } = measure(&args)?;
    let [p50, p99] = [p50, p99].map(|time| time.as_secs_f64() * 1e3);
    if args.json {
        println!("{}", js!({"rate": rate, "p50_ms": p50, "p99_ms": p99}));
    } else {
        println!("rate {rate:.0} a second, p50 {p50:.3} ms, p99 {p99:.3} ms");
    }
    Ok(())
}
