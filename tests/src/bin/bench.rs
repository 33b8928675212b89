//! Measures replicode beside its peers, in one run on one machine, and prints ratios.
//!
//! Every comparison runs the two sides alternately, several rounds each, and reports the round of median throughput. The machine
//! is usually shared: only the ratios travel.

use anyhow::{Context, Result, bail};
use clap::Parser;
use nix::sys::signal::Signal;
use replicode_tests::cluster::{Cluster, Server, json, ping};
use replicode_tests::etcd::{self, Load};
use replicode_tests::process::{Process, run};
use replicode_tests::{eventually, free_ports, guest};
use serde_json::json as js;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Runs replicode and a peer side by side and prints the ratios.
#[derive(Parser)]
struct Args {
    /// What to measure: set-etcd, set-redis, get-redis, latency, replay (default: all).
    only: Vec<String>,
    /// Seconds per measurement.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Rounds per side.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Print one JSON document instead of a table.
    #[arg(long)]
    json: bool,
}

/// One line of the report.
struct Row {
    what: String,
    ours: Load,
    peer_name: &'static str,
    peer: Load,
    /// Least ratio of throughputs that we want.
    wanted: f64,
}

fn redis_benchmark(port: u16, test: &str, clients: usize, pipeline: usize, requests: u64) -> Result<Load> {
    let args = format!("-p {port} -t {test} -c {clients} -P {pipeline} -n {requests} -d 256 -r 100000 --csv");
    let output = run(Command::new("redis-benchmark").args(args.split(' ')), b"", Duration::from_secs(300))
        .context("redis-benchmark is needed: apt-get install redis-tools")?;
    let text = String::from_utf8_lossy(&output.stdout);
    // "test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms","p99_latency_ms","max_latency_ms"
    let line = text.lines().rfind(|line| !line.starts_with("\"test\"")).context("redis-benchmark printed nothing")?;
    let cells: Vec<&str> = line.split(',').map(|cell| cell.trim_matches('"')).collect();
    let number =
        |i: usize| -> Result<f64> { Ok(cells.get(i).with_context(|| format!("short line: {line}"))?.parse()?) };
    let millis = |i| -> Result<Duration> { Ok(Duration::from_secs_f64(number(i)? / 1000.0)) };
    Ok(Load { rate: number(1)?, p50: millis(4)?, p99: millis(6)? })
}

/// Load of about `seconds`: a short run finds the rate, a longer one is counted.
fn redis_load(port: u16, test: &str, clients: usize, pipeline: usize, seconds: u64) -> Result<Load> {
    let probe = redis_benchmark(port, test, clients, pipeline, 20_000 * pipeline as u64)?;
    redis_benchmark(port, test, clients, pipeline, (probe.rate * seconds as f64) as u64 + 1)
}

/// The round of median throughput.
fn median(mut rounds: Vec<Load>) -> Result<Load> {
    rounds.sort_by(|a, b| a.rate.total_cmp(&b.rate));
    let middle = rounds.len() / 2;
    rounds.into_iter().nth(middle).context("no rounds")
}

/// Runs two measurements alternately.
fn beside(
    rounds: usize,
    mut ours: impl FnMut() -> Result<Load>,
    mut peer: impl FnMut() -> Result<Load>,
) -> Result<(Load, Load)> {
    let (mut a, mut b) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        a.push(ours()?);
        b.push(peer()?);
    }
    Ok((median(a)?, median(b)?))
}

fn start_redis(dir: &Path, aof: bool) -> Result<(Process, u16)> {
    let port = free_ports(1);
    let data = dir.join(format!("redis-{port}"));
    std::fs::create_dir_all(&data)?;
    let mut command = Command::new("redis-server");
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"]).arg(&data);
    if aof {
        command.args(["--appendonly", "yes", "--appendfsync", "always"]);
    }
    let process = Process::start(&mut command, &data.join("out.log")).context("apt-get install redis-server")?;
    eventually("redis-server", Duration::from_secs(10), || ping(port))?;
    Ok((process, port))
}

fn start_etcd(dir: &Path) -> Result<(Vec<Process>, Vec<u16>)> {
    let base = free_ports(6);
    let peers: Vec<String> = (0..3).map(|i| format!("n{i}=http://127.0.0.1:{}", base + 3 + i)).collect();
    let mut nodes = Vec::new();
    for i in 0..3 {
        let (client, peer) = (format!("http://127.0.0.1:{}", base + i), format!("http://127.0.0.1:{}", base + 3 + i));
        let mut command = Command::new("etcd");
        command
            .args(["--name", &format!("n{i}"), "--listen-client-urls", &client, "--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &peers.join(","), "--initial-cluster-token", "bench"])
            .args(["--initial-cluster-state", "new", "--heartbeat-interval", "100", "--election-timeout", "1000"])
            .args(["--quota-backend-bytes", "4294967296", "--log-level", "error", "--data-dir"])
            .arg(dir.join(format!("etcd-{i}")));
        let log = dir.join(format!("etcd-{i}.log"));
        nodes.push(Process::start(&mut command, &log).context("apt-get install etcd-server")?);
    }
    let ports: Vec<u16> = (base..base + 3).collect();
    eventually("etcd", Duration::from_secs(30), || etcd::put_load(&ports, 3, 16, Duration::from_millis(100)))?;
    Ok((nodes, ports))
}

fn set_against_etcd(args: &Args, dir: &Path, rows: &mut Vec<Row>) -> Result<()> {
    for clients in [64, 256] {
        // One side at a time: two clusters would share the machine while only one is measured.
        let run_ours = || -> Result<Load> {
            let scratch = tempfile::tempdir_in(dir)?;
            let mut cluster = Cluster::start_kv(&guest("kv"), 3, &scratch.path().join("c"), &[])?;
            let port = cluster.port(cluster.leader()?);
            let load = redis_load(port, "set", clients, 1, args.seconds);
            cluster.stop()?;
            load
        };
        let run_etcd = || -> Result<Load> {
            let scratch = tempfile::tempdir_in(dir)?;
            let (_nodes, ports) = start_etcd(scratch.path())?;
            etcd::put_load(&ports, clients, 256, Duration::from_secs(args.seconds))
        };
        let (ours, peer) = beside(args.rounds, run_ours, run_etcd)?;
        let what = format!("3 nodes, SET 256 B, {clients} clients");
        rows.push(Row { what, ours, peer_name: "etcd, 3 nodes, put", peer, wanted: 5.0 });
    }
    Ok(())
}

fn set_against_redis(args: &Args, dir: &Path, rows: &mut Vec<Row>) -> Result<()> {
    let run_ours = || -> Result<Load> {
        let scratch = tempfile::tempdir_in(dir)?;
        let mut cluster = Cluster::start_kv(&guest("kv"), 3, &scratch.path().join("c"), &[])?;
        let port = cluster.port(cluster.leader()?);
        let load = redis_load(port, "set", 64, 1, args.seconds);
        cluster.stop()?;
        load
    };
    let run_redis = || -> Result<Load> {
        let scratch = tempfile::tempdir_in(dir)?;
        let (_redis, port) = start_redis(scratch.path(), true)?;
        redis_load(port, "set", 64, 1, args.seconds)
    };
    let (ours, peer) = beside(args.rounds, run_ours, run_redis)?;
    let what = "3 nodes, SET 256 B, 64 clients".to_string();
    rows.push(Row { what, ours, peer_name: "redis, 1 node, appendfsync always", peer, wanted: 0.5 });
    Ok(())
}

fn get_against_redis(args: &Args, dir: &Path, rows: &mut Vec<Row>) -> Result<()> {
    let run_ours = || -> Result<Load> {
        let scratch = tempfile::tempdir_in(dir)?;
        let server = Server::run_kv(&guest("kv"), 6379, &scratch.path().join("d"), &[])?;
        redis_load(server.port, "get", 64, 16, args.seconds)
    };
    let run_redis = || -> Result<Load> {
        let scratch = tempfile::tempdir_in(dir)?;
        let (_redis, port) = start_redis(scratch.path(), false)?;
        redis_load(port, "get", 64, 16, args.seconds)
    };
    let (ours, peer) = beside(args.rounds, run_ours, run_redis)?;
    let what = "1 node, GET, 64 clients, -P 16".to_string();
    rows.push(Row { what, ours, peer_name: "redis without persistence", peer, wanted: 0.5 });
    Ok(())
}

/// One client: what replication adds to an unreplicated, unlogged server's latency.
fn latency(args: &Args, dir: &Path, rows: &mut Vec<Row>) -> Result<()> {
    let run_ours = || -> Result<Load> {
        let scratch = tempfile::tempdir_in(dir)?;
        let mut cluster = Cluster::start_kv(&guest("kv"), 3, &scratch.path().join("c"), &[])?;
        let port = cluster.port(cluster.leader()?);
        let load = redis_load(port, "set", 1, 1, args.seconds);
        cluster.stop()?;
        load
    };
    let run_redis = || -> Result<Load> {
        let scratch = tempfile::tempdir_in(dir)?;
        let (_redis, port) = start_redis(scratch.path(), false)?;
        redis_load(port, "set", 1, 1, args.seconds)
    };
    let (ours, peer) = beside(args.rounds, run_ours, run_redis)?;
    let what = "3 nodes, SET 256 B, 1 client".to_string();
    rows.push(Row { what, ours, peer_name: "redis without persistence", peer, wanted: 0.0 });
    Ok(())
}

/// A recorded run under load against its replay. Returns (seconds of load, seconds of replay, batches).
fn replay(args: &Args, dir: &Path) -> Result<(f64, f64, u64)> {
    let data = dir.join("replayed");
    let mut server = Server::run_kv(&guest("kv"), 6379, &data, &[])?;
    let start = Instant::now();
    redis_load(server.port, "set", 64, 1, args.seconds)?;
    let live = start.elapsed().as_secs_f64();
    server.process.signal(Signal::SIGINT)?;
    server.process.wait(Duration::from_secs(30))?;
    let start = Instant::now();
    let result = json(&["replay", &data.to_string_lossy()])?;
    let replayed = start.elapsed().as_secs_f64();
    Ok((live, replayed, result["applied_index"].as_u64().context("replay tells how far it came")?))
}

fn table(rows: &[Row]) -> String {
    let mut out = String::new();
    for row in rows {
        let ratio = row.ours.rate / row.peer.rate;
        let line = |name: &str, load: &Load| {
            let (p50, p99) = (load.p50.as_secs_f64() * 1e3, load.p99.as_secs_f64() * 1e3);
            format!("  {name:<36} {:>10.0}/s   p50 {p50:>7.3} ms   p99 {p99:>7.3} ms\n", load.rate)
        };
        let _ = write!(out, "{}\n{}{}", row.what, line("replicode", &row.ours), line(row.peer_name, &row.peer));
        if row.wanted > 0.0 {
            let _ = writeln!(out, "  ratio {ratio:.2} (wanted: at least {})", row.wanted);
        } else {
            let added = row.ours.p50.saturating_sub(row.peer.p50);
            let _ = writeln!(out, "  added at p50: {:.3} ms", added.as_secs_f64() * 1e3);
        }
    }
    out
}

fn main() -> Result<()> {
    let args = Args::parse();
    let known = ["set-etcd", "set-redis", "get-redis", "latency", "replay"];
    if let Some(unknown) = args.only.iter().find(|name| !known.contains(&name.as_str())) {
        bail!("'{unknown}' is not a measurement: choose from {}", known.join(", "));
    }
    let wanted = |name: &str| args.only.is_empty() || args.only.iter().any(|only| only == name);
    let dir = tempfile::tempdir()?;
    let mut rows = Vec::new();
    let measurements: [(&str, fn(&Args, &Path, &mut Vec<Row>) -> Result<()>); 4] = [
        ("set-etcd", set_against_etcd),
        ("set-redis", set_against_redis),
        ("get-redis", get_against_redis),
        ("latency", latency),
    ];
    for (name, measure) in measurements {
        if wanted(name) {
            eprintln!("measuring {name} …");
            measure(&args, dir.path(), &mut rows).with_context(|| name)?;
        }
    }
    let replayed = if wanted("replay") { Some(replay(&args, dir.path()).context("replay")?) } else { None };
    if args.json {
        let load = |load: &Load| js!({"rate": load.rate, "p50_ms": load.p50.as_secs_f64() * 1e3, "p99_ms": load.p99.as_secs_f64() * 1e3});
        let rows: Vec<_> = rows
            .iter()
            .map(|row| js!({"what": row.what, "replicode": load(&row.ours), "peer": row.peer_name, "peer_load": load(&row.peer), "ratio": row.ours.rate / row.peer.rate, "wanted": row.wanted}))
            .collect();
        println!(
            "{}",
            js!({"rows": rows, "replay": replayed.map(|(live, replay, batches)| js!({"live_s": live, "replay_s": replay, "batches": batches, "ratio": live / replay}))})
        );
        return Ok(());
    }
    print!("{}", table(&rows));
    if let Some((live, replay, batches)) = replayed {
        println!(
            "replay of a recorded kv run, {batches} batches\n  run {live:.2} s, replay {replay:.2} s\n  ratio {:.2} (wanted: at least 3)",
            live / replay
        );
    }
    Ok(())
}
