//! Measures replicode beside its peers, in one run on one machine, and prints ratios with what is wanted of them.
//!
//! Every comparison runs the two sides alternately, several rounds each, and reports medians. The machine is usually
//! shared: only the ratios travel.

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use nix::sys::signal::Signal;
use replicode_tests::cluster::{Cluster, Server, json, ping};
use replicode_tests::etcd::{self, Load};
use replicode_tests::load::{Ask, resp_load};
use replicode_tests::process::{Process, run};
use replicode_tests::resp::{self, Resp};
use replicode_tests::{eventually, free_ports, guest};
use serde_json::{Value, json as js};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const KNOWN: [&str; 7] = ["set-etcd", "set-redis", "get-redis", "latency", "replay", "connections", "calls"];

/// How long an answer may take.
const SOON: Duration = Duration::from_secs(20);

/// Runs replicode and a peer side by side and prints the ratios.
#[derive(Parser)]
struct Args {
    /// What to measure: set-etcd, set-redis, get-redis, latency, replay, connections, calls (default: all).
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

/// One comparison: lines of figures, and what they amount to.
#[derive(Default)]
struct Row {
    what: String,
    /// Name of a side, and its figures.
    sides: Vec<(&'static str, Value)>,
    verdicts: Vec<Verdict>,
}

/// A ratio, and what is wanted of it.
struct Verdict {
    name: &'static str,
    value: f64,
    wanted: Wanted,
}

#[derive(Clone, Copy)]
enum Wanted {
    AtLeast(f64),
    AtMost(f64),
    Above(f64),
    Below(f64),
}

impl Verdict {
    fn met(&self) -> bool {
        match self.wanted {
            Wanted::AtLeast(bound) => self.value >= bound,
            Wanted::AtMost(bound) => self.value <= bound,
            Wanted::Above(bound) => self.value > bound,
            Wanted::Below(bound) => self.value < bound,
        }
    }

    fn wanted(&self) -> String {
        match self.wanted {
            Wanted::AtLeast(bound) => format!("at least {bound}"),
            Wanted::AtMost(bound) => format!("at most {bound}"),
            Wanted::Above(bound) => format!("above {bound}"),
            Wanted::Below(bound) => format!("below {bound}"),
        }
    }
}

impl Row {
    /// Two loads, and the ratio of their rates.
    fn loads(what: String, ours: &Load, peer: (&'static str, &Load), rate: Option<Wanted>) -> Self {
        let figures = |load: &Load| js!({"rate": load.rate, "p50_ms": millis(load.p50), "p99_ms": millis(load.p99)});
        let sides = vec![("replicode", figures(ours)), (peer.0, figures(peer.1))];
        let mut row = Self { what, sides, verdicts: Vec::new() };
        if let Some(wanted) = rate {
            row.judge("rate, ours to theirs", ours.rate / peer.1.rate, wanted);
        }
        row
    }

    fn judge(&mut self, name: &'static str, value: f64, wanted: Wanted) {
        self.verdicts.push(Verdict { name, value, wanted });
    }

    fn text(&self) -> String {
        let mut out = format!("{}\n", self.what);
        for (name, figures) in &self.sides {
            let _ = write!(out, "  {name:<36}");
            for (unit, value) in figures.as_object().into_iter().flatten() {
                let value = value.as_f64().unwrap_or(f64::NAN);
                let digits = if value < 100.0 { 3 } else { 0 };
                let _ = write!(out, "   {unit} {value:>9.digits$}");
            }
            out.push('\n');
        }
        for verdict in &self.verdicts {
            let met = if verdict.met() { "met" } else { "NOT met" };
            let _ = writeln!(out, "  {}: {:.2} (wanted: {}): {met}", verdict.name, verdict.value, verdict.wanted());
        }
        out
    }

    fn json(&self) -> Value {
        let sides: serde_json::Map<String, Value> =
            self.sides.iter().map(|(name, figures)| ((*name).into(), figures.clone())).collect();
        let verdict = |it: &Verdict| js!({"name": it.name, "value": it.value, "wanted": it.wanted(), "met": it.met()});
        js!({"what": self.what, "sides": sides, "verdicts": self.verdicts.iter().map(verdict).collect::<Vec<_>>()})
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Load with values of 256 bytes, after a short one that fills caches and places.
fn redis_load(port: u16, ask: Ask, clients: usize, pipeline: usize, seconds: u64) -> Result<Load> {
    resp_load(port, ask, clients, pipeline, 256, Duration::from_millis(500))?;
    resp_load(port, ask, clients, pipeline, 256, Duration::from_secs(seconds))
}

/// The round of median throughput.
fn median(mut rounds: Vec<Load>) -> Result<Load> {
    rounds.sort_by(|a, b| a.rate.total_cmp(&b.rate));
    let middle = rounds.len() / 2;
    rounds.into_iter().nth(middle).context("no rounds")
}

fn middle(mut values: Vec<f64>) -> Result<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().context("no rounds")
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

/// Runs a program that prints lines `NAME NUMBER`; answers the numbers of these names.
fn figures<const N: usize>(
    program: &Path,
    args: &[&str],
    environment: &[(&str, String)],
    names: [&str; N],
) -> Result<[f64; N]> {
    let mut command = Command::new(program);
    command.args(args).envs(environment.iter().cloned());
    let output = run(&mut command, b"", Duration::from_secs(300))
        .with_context(|| format!("{} is built by tests/bench.sh", program.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut numbers = [0.0; N];
    for (number, name) in numbers.iter_mut().zip(names) {
        let found = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok());
        *number = found.with_context(|| format!("{} printed no '{name}': {text}", program.display()))?;
    }
    Ok(numbers)
}

/// A program that tests/bench.sh builds beside this one.
fn built(path: &str) -> Result<PathBuf> {
    // target/release/bench is two levels below the target directory.
    let bench = std::env::current_exe()?;
    let target = bench.ancestors().nth(2).context("where is the target directory?")?;
    Ok(target.join(path))
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
            let load = redis_load(port, Ask::Set, clients, 1, args.seconds);
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
        let mut row = Row::loads(what, &ours, ("etcd, 3 nodes, put", &peer), Some(Wanted::AtLeast(5.0)));
        row.judge("p50, ours to theirs", millis(ours.p50) / millis(peer.p50), Wanted::Below(1.0));
        row.judge("p99, ours to theirs", millis(ours.p99) / millis(peer.p99), Wanted::Below(1.0));
        rows.push(row);
    }
    Ok(())
}

fn set_against_redis(args: &Args, dir: &Path, rows: &mut Vec<Row>) -> Result<()> {
    let run_ours = || -> Result<Load> {
        let scratch = tempfile::tempdir_in(dir)?;
        let mut cluster = Cluster::start_kv(&guest("kv"), 3, &scratch.path().join("c"), &[])?;
        let port = cluster.port(cluster.leader()?);
        let load = redis_load(port, Ask::Set, 64, 1, args.seconds);
        cluster.stop()?;
        load
    };
    let run_redis = || -> Result<Load> {
        let scratch = tempfile::tempdir_in(dir)?;
        let (_redis, port) = start_redis(scratch.path(), true)?;
        redis_load(port, Ask::Set, 64, 1, args.seconds)
    };
    let (ours, peer) = beside(args.rounds, run_ours, run_redis)?;
    let what = "3 nodes, SET 256 B, 64 clients".to_string();
    let peer = ("redis, 1 node, appendfsync always", &peer);
    rows.push(Row::loads(what, &ours, peer, Some(Wanted::AtLeast(0.5))));
    Ok(())
}

fn get_against_redis(args: &Args, dir: &Path, rows: &mut Vec<Row>) -> Result<()> {
    let run_ours = || -> Result<Load> {
        let scratch = tempfile::tempdir_in(dir)?;
        let server = Server::run_kv(&guest("kv"), 6379, &scratch.path().join("d"), &[])?;
        redis_load(server.port, Ask::Get, 64, 16, args.seconds)
    };
    let run_redis = || -> Result<Load> {
        let scratch = tempfile::tempdir_in(dir)?;
        let (_redis, port) = start_redis(scratch.path(), false)?;
        redis_load(port, Ask::Get, 64, 16, args.seconds)
    };
    let (ours, peer) = beside(args.rounds, run_ours, run_redis)?;
    let what = "1 node, GET, 64 clients, -P 16".to_string();
    rows.push(Row::loads(what, &ours, ("redis without persistence", &peer), Some(Wanted::AtLeast(0.5))));
    Ok(())
}

/// One client: what replication adds to an unreplicated, unlogged server's latency, and how that compares with what it
/// cannot do without: one `fdatasync` and one round trip to a peer. Once with the one disk that the three nodes share
/// here, and once as if each of them had its own, as fast as that one is when it is asked by one process alone.
fn latency(args: &Args, dir: &Path, rows: &mut Vec<Row>) -> Result<()> {
    latency_on(args, dir, &[], "3 nodes on one disk, SET 256 B, 1 client", rows)?;
    let memory = Path::new("/dev/shm");
    if !memory.is_dir() {
        eprintln!("there is no {}: disks of their own are left out", memory.display());
        return Ok(());
    }
    let memory = tempfile::tempdir_in(memory)?;
    let own_disk = built("own_disk.so")?;
    let own_disk = own_disk.to_str().context("the target directory has a name that is no text")?;
    let [alone, _] = bare(dir, &[])?;
    let preload = |nanos: f64| [("LD_PRELOAD", own_disk.to_string()), ("OWN_DISK_SYNC_NANOS", format!("{nanos:.0}"))];
    // What a sleep of no time takes is part of the sync.
    let [least, _] = bare(memory.path(), &preload(1.0))?;
    let what = "3 nodes with disks of their own (emulated), SET 256 B, 1 client";
    let measured = latency_on(args, memory.path(), &preload((alone - least).max(1.0)), what, rows);
    if let Err(why) = measured {
        // Not a reason to lose all other rows: in a container this file system may be small.
        eprintln!("disks of their own are left out: {why:#}");
    }
    Ok(())
}

/// Nanoseconds of one `fdatasync` in `dir`, and of one round trip.
fn bare(dir: &Path, environment: &[(&str, String)]) -> Result<[f64; 2]> {
    let program = built("release/examples/roundtrip")?;
    figures(&program, &[&dir.to_string_lossy()], environment, ["fdatasync", "roundtrip"])
}

fn latency_on(args: &Args, dir: &Path, environment: &[(&str, String)], what: &str, rows: &mut Vec<Row>) -> Result<()> {
    let run_ours = || -> Result<Load> {
        let scratch = tempfile::tempdir_in(dir)?;
        let data = scratch.path().join("c");
        let mut cluster = Cluster::start_kv_in(environment, &guest("kv"), 3, &data, &[])?;
        let port = cluster.port(cluster.leader()?);
        let load = redis_load(port, Ask::Set, 1, 1, args.seconds);
        cluster.stop()?;
        load
    };
    let (mut syncs, mut trips) = (Vec::new(), Vec::new());
    let run_redis = || -> Result<Load> {
        let scratch = tempfile::tempdir_in(dir)?;
        // The disk and the network are measured in the same round, while nothing else runs.
        let [sync, trip] = bare(scratch.path(), environment)?;
        syncs.push(sync / 1e6);
        trips.push(trip / 1e6);
        let (_redis, port) = start_redis(scratch.path(), false)?;
        redis_load(port, Ask::Set, 1, 1, args.seconds)
    };
    let (ours, peer) = beside(args.rounds, run_ours, run_redis)?;
    let (sync, trip) = (middle(syncs)?, middle(trips)?);
    let mut row = Row::loads(what.to_string(), &ours, ("redis without persistence", &peer), None);
    let added = millis(ours.p50.saturating_sub(peer.p50));
    row.sides.push(("added by replication, p50", js!({"ms": added})));
    row.sides.push((
        "4 KiB fdatasync + QUIC round trip",
        js!({"fdatasync_ms": sync, "roundtrip_ms": trip, "ms": sync + trip}),
    ));
    row.judge("added, to fdatasync + round trip", added / (sync + trip), Wanted::AtMost(2.0));
    rows.push(row);
    Ok(())
}

/// A recorded run under load against its replay.
fn replay(args: &Args, dir: &Path, rows: &mut Vec<Row>) -> Result<()> {
    let data = dir.join("replayed");
    let mut server = Server::run_kv(&guest("kv"), 6379, &data, &[])?;
    let start = Instant::now();
    redis_load(server.port, Ask::Set, 64, 1, args.seconds)?;
    let live = start.elapsed().as_secs_f64();
    server.process.signal(Signal::SIGINT)?;
    server.process.wait(Duration::from_secs(30))?;
    let start = Instant::now();
    let result = json(&["replay", &data.to_string_lossy()])?;
    let replayed = start.elapsed().as_secs_f64();
    let batches = result["applied_index"].as_u64().context("replay tells how far it came")?;
    let what = format!("replay of a recorded kv run, {batches} batches");
    let sides = vec![("run", js!({"s": live})), ("replay", js!({"s": replayed}))];
    let mut row = Row { what, sides, verdicts: Vec::new() };
    row.judge("run to replay", live / replayed, Wanted::AtLeast(3.0));
    rows.push(row);
    Ok(())
}

/// Clients that come and go, 20,000 a minute, beside many that stay: the processor time that a batch takes.
fn connections(args: &Args, dir: &Path, rows: &mut Vec<Row>) -> Result<()> {
    const A_MINUTE: u32 = 20_000;
    const SIDES: u32 = 8;
    for stay in [0, 5_000] {
        let data = dir.join(format!("connections-{stay}"));
        let mut server = Server::run_kv(&guest("kv"), 6379, &data, &[])?;
        // Not more at a time than the program's backlog holds.
        let mut there = Vec::new();
        while there.len() < stay {
            let some: Vec<Resp> = (0..250).map(|_| Resp::connect(server.port, SOON)).collect::<Result<_>>()?;
            for mut client in some {
                ensure!(client.command(&["PING"])? == resp::Value::Simple("PONG".into()), "PING was not answered");
                there.push(client);
            }
        }
        let (start, length, port) = (Instant::now(), Duration::from_secs(args.seconds.max(5)), server.port);
        let come_and_go = move || -> Result<u32> {
            let mut gone = 0;
            while start.elapsed() < length {
                let due = Duration::from_secs(60) * gone / (A_MINUTE / SIDES);
                std::thread::sleep(due.saturating_sub(start.elapsed()));
                let mut client = Resp::connect(port, SOON)?;
                ensure!(client.command(&["PING"])? == resp::Value::Simple("PONG".into()), "PING was not answered");
                gone += 1;
            }
            Ok(gone)
        };
        let sides: Vec<_> = (0..SIDES).map(|_| std::thread::spawn(come_and_go)).collect();
        let gone: Vec<u32> =
            sides.into_iter().map(|side| side.join().expect("a client does not panic")).collect::<Result<_>>()?;
        let a_minute = f64::from(gone.iter().sum::<u32>()) / start.elapsed().as_secs_f64() * 60.0;
        drop(there);
        server.process.signal(Signal::SIGINT)?;
        server.process.wait(Duration::from_secs(30))?;
        let replayed = json(&["replay", &data.to_string_lossy()])?;
        let cpu = &replayed["batch_cpu_ms"];
        let most = cpu["p999"].as_f64().context("replay tells the processor time of batches")?;
        let what = format!("1 node, clients that come, ask and go beside {stay} that stay");
        let sides = vec![
            ("clients", js!({"a minute": a_minute})),
            ("processor time of a batch", js!({"p50_ms": cpu["p50"], "p99_ms": cpu["p99"], "p99.9_ms": most})),
        ];
        let mut row = Row { what, sides, verdicts: Vec::new() };
        row.judge("p99.9, ms", most, Wanted::AtMost(20.0));
        rows.push(row);
    }
    Ok(())
}

/// What system calls cost and how fast guests compute, against Wasmtime with its own WASI.
fn calls(args: &Args, _: &Path, rows: &mut Vec<Row>) -> Result<()> {
    let programs = guest("sysbench").parent().context("where are the guests?")?.to_path_buf();
    let programs = programs.to_string_lossy();
    let (ours, stock) = (built("release/examples/callcost")?, built("stock/release/stock")?);
    for (name, what, wanted) in [
        ("clock", "a call: clock_time_get", Wanted::Above(1.0)),
        ("write1", "a call: fd_write, 1 byte to a file", Wanted::Above(1.0)),
        ("read1k", "a call: fd_read, 1 KiB from a file", Wanted::Above(1.0)),
        ("cpu", "cpu.wasm, no calls", Wanted::AtLeast(0.95)),
    ] {
        let (mut a, mut b) = (Vec::new(), Vec::new());
        // Short measurements beside many others: more rounds than the loads need.
        for _ in 0..args.rounds.max(1) * 2 + 1 {
            let arguments = [&*programs, "300000", name];
            a.extend(figures(&ours, &arguments, &[], [name])?);
            b.extend(figures(&stock, &arguments, &[], [name])?);
        }
        let (a, b) = (middle(a)?, middle(b)?);
        let unit = |ns: f64| if name == "cpu" { js!({"ms": ns / 1e6}) } else { js!({"ns": ns}) };
        let sides = vec![("replicode", unit(a)), ("wasmtime 48 with wasmtime-wasi", unit(b))];
        let mut row = Row { what: what.into(), sides, verdicts: Vec::new() };
        row.judge("speed, ours to theirs", b / a, wanted);
        rows.push(row);
    }
    Ok(())
}

fn main() -> Result<()> {
    let args = Args::parse();
    if let Some(unknown) = args.only.iter().find(|name| !KNOWN.contains(&name.as_str())) {
        bail!("'{unknown}' is not a measurement: choose from {}", KNOWN.join(", "));
    }
    let dir = tempfile::tempdir()?;
    let mut rows = Vec::new();
    for name in KNOWN.into_iter().filter(|name| args.only.is_empty() || args.only.iter().any(|only| only == name)) {
        eprintln!("measuring {name} …");
        let measure = match name {
            "set-etcd" => set_against_etcd,
            "set-redis" => set_against_redis,
            "get-redis" => get_against_redis,
            "latency" => latency,
            "replay" => replay,
            "connections" => connections,
            _ => calls,
        };
        measure(&args, dir.path(), &mut rows).with_context(|| name)?;
    }
    if args.json {
        println!("{}", js!({"rows": rows.iter().map(Row::json).collect::<Vec<_>>()}));
    } else {
        rows.iter().for_each(|row| print!("{}", row.text()));
    }
    Ok(())
}
