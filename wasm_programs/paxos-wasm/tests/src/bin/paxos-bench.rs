//! Measures the cluster on this machine, beside etcd and beside other ways of putting it together; see bench.sh.

#![forbid(unsafe_code)]

#[path = "../../../../../tests/src/etcd.rs"]
mod etcd;

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use paxos_tests::settings::free_ports;
use paxos_tests::{Cluster, Settings, program, workspace};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const ROWS: [&str; 7] = ["memory", "sync", "etcd", "native", "network", "made", "failover"];

/// Measures Paxos made of components on this machine. Each row is a table line; exit code 1 when one misses what is wanted of it.
#[derive(Parser)]
struct Args {
    /// What to measure: memory, sync, etcd, native, network, made, failover (default: all).
    rows: Vec<String>,
    /// Requests of each run of the demo client.
    #[arg(long, default_value_t = 1_000_000)]
    requests: u64,
    /// Runs of each side, in turn; the median counts.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Leaders to kill.
    #[arg(long, default_value_t = 100)]
    kills: usize,
    /// Seconds of each run of etcd.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// A table of the processor time of each process, for each run.
    #[arg(long)]
    processors: bool,
}

/// What one run gave.
#[derive(Clone, Debug)]
struct Figures {
    rate: f64,
    p50: f64,
    p99: f64,
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.0}/s, p50 {:.1}, p99 {:.1} ms", self.rate, self.p50, self.p99)
    }
}

fn median(mut runs: Vec<Figures>) -> Result<Figures> {
    runs.sort_by(|a, b| a.rate.total_cmp(&b.rate));
    let middle = runs.len() / 2;
    runs.into_iter().nth(middle).context("no run")
}

/// The shipped configuration with some lines replaced, on free ports.
struct Shipped {
    folder: tempfile::TempDir,
    cluster: Cluster,
}

impl Shipped {
    /// `changes`: lines `key: value` of the first or second level that replace those of the shipped file.
    fn start(changes: &[(&str, &str)]) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("paxos-bench-").tempdir_in(paxos_tests::target())?;
        let mut cluster = Cluster::prepare_in(&Settings::default(), folder.path());
        let shipped = std::fs::read_to_string(workspace().join("runner-ws/config.yaml"))?;
        let ours = std::fs::read_to_string(cluster.config())?;
        let (_, nodes) = ours.split_once("\nnodes:\n").context("a configuration has nodes")?;
        let mut text = changed(&shipped, changes);
        let data = folder.path().join("data");
        let components = paxos_tests::target().join("components");
        text += &format!(
            "cluster: test\ndata-dir: {}\ncomponents: {}\nnodes:\n{nodes}",
            data.display(),
            components.display()
        );
        std::fs::write(cluster.config(), text)?;
        cluster.start_all();
        Ok(Self { folder, cluster })
    }

    fn demo(&self, requests: u64, more: &[&str]) -> Result<Figures> {
        demo(self.cluster.config(), self.folder.path(), requests, more)
    }
}

/// The demo client's figures. Its verdict has to be good.
fn demo(config: &Path, folder: &Path, requests: u64, more: &[&str]) -> Result<Figures> {
    let client = program("paxos-client").map_err(anyhow::Error::msg)?;
    let output = Command::new(client)
        .args(["demo", "--json", "--requests", &requests.to_string(), "--config"])
        .arg(config)
        .arg("--histories")
        .arg(folder.join("histories"))
        .args(more)
        .stderr(Stdio::null())
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let json: Value = serde_json::from_str(text.trim()).with_context(|| format!("the demo client said: {text}"))?;
    ensure!(json["good"] == true, "the demo client's verdict is bad: {json}");
    let figure = |name: &str| json[name].as_f64().with_context(|| format!("no {name} in {json}"));
    Ok(Figures { rate: figure("rate")?, p50: figure("p50_ms")?, p99: figure("p99_ms")? })
}

/// A configuration without what is ours to say (nodes, folders, the cluster's name), and with `changes`.
fn changed(shipped: &str, changes: &[(&str, &str)]) -> String {
    let mut text = String::new();
    let mut section = String::new();
    for line in shipped.lines() {
        if !line.starts_with([' ', '#', '-']) && line.contains(':') {
            section = line.split(':').next().unwrap_or_default().to_owned();
        }
        let key = line.trim().split(':').next().unwrap_or_default();
        let path = if line.starts_with(' ') { format!("{section}.{key}") } else { key.to_owned() };
        let skipped = ["nodes", "data-dir", "components", "cluster"].contains(&section.as_str());
        if skipped || changes.iter().any(|(changed, _)| *changed == path) {
            continue;
        }
        text += &format!("{line}\n");
        for (changed, value) in changes {
            if let Some((parent, name)) = changed.split_once('.')
                && parent == section
                && line.starts_with(parent)
            {
                text += &format!("  {name}: {value}\n");
            }
        }
    }
    for (changed, value) in changes {
        if let Some((parent, name)) = changed.split_once('.') {
            if !text.contains(&format!("\n{parent}:")) {
                text += &format!("{parent}:\n  {name}: {value}\n");
            }
        } else {
            text += &format!("{changed}: {value}\n");
        }
    }
    text
}

/// Processor seconds of each process of the host.
fn processors(folder: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let process = entry.path();
        let line = std::fs::read_to_string(process.join("cmdline")).unwrap_or_default().replace('\0', " ");
        let Ok(stat) = std::fs::read_to_string(process.join("stat")) else { continue };
        if !line.contains("paxos-host") || !line.contains(&*folder.to_string_lossy()) {
            continue;
        }
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
        let ticks = |at: usize| fields.get(at).and_then(|n| n.parse::<f64>().ok()).unwrap_or_default() / 100.0;
        let arguments: Vec<&str> = line.split(' ').filter(|word| !word.contains('/')).collect();
        lines.push(format!("    {:>6.2} s user {:>6.2} s system  {}", ticks(11), ticks(12), arguments.join(" ")));
    }
    lines.sort();
    lines
}

struct Bench {
    args: Args,
    missed: bool,
}

impl Bench {
    fn run(&self, changes: &[(&str, &str)], more: &[&str]) -> Result<Figures> {
        let mut shipped = Shipped::start(changes)?;
        let figures = shipped.demo(self.args.requests, more)?;
        eprintln!("  {changes:?} {}: {figures}", more.join(" "));
        if self.args.processors {
            eprintln!("{}", processors(shipped.folder.path()).join("\n"));
        }
        shipped.cluster.stop();
        Ok(figures)
    }

    fn rounds(&self, mut run: impl FnMut() -> Result<Figures>) -> Result<Figures> {
        median((0..self.args.rounds.max(1)).map(|_| run()).collect::<Result<_>>()?)
    }

    /// Two sides in turn.
    fn beside(
        &self,
        mut one: impl FnMut() -> Result<Figures>,
        mut two: impl FnMut() -> Result<Figures>,
    ) -> Result<(Figures, Figures)> {
        let (mut ones, mut twos) = (Vec::new(), Vec::new());
        for _ in 0..self.args.rounds.max(1) {
            ones.push(one()?);
            twos.push(two()?);
        }
        Ok((median(ones)?, median(twos)?))
    }

    fn row(&mut self, what: &str, ours: &str, peer: &str, figure: String, wanted: &str, met: Option<bool>) {
        self.missed |= met == Some(false);
        let met = match met {
            None => "",
            Some(true) => ": met",
            Some(false) => ": **missed**",
        };
        println!("| {what} | {ours} | {peer} | {figure} | {wanted}{met} |");
    }

    fn memory(&mut self) -> Result<()> {
        let ours = self.rounds(|| self.run(&[("durability", "memory")], &[]))?;
        let met = ours.rate >= 100_000.0 && ours.p99 <= 20.0;
        let text = ours.to_string();
        self.row("demo, accepted state in memory", &text, "–", String::new(), "100,000/s, p99 20 ms", Some(met));
        Ok(())
    }

    fn sync(&mut self) -> Result<()> {
        let ours = self.rounds(|| self.run(&[], &[]))?;
        let text = ours.to_string();
        self.row("demo, accepted state synced", &text, "–", String::new(), "60,000/s", Some(ours.rate >= 60_000.0));
        Ok(())
    }

    fn etcd(&mut self) -> Result<()> {
        let seconds = self.args.seconds;
        let puts = ["--mix", "put=1", "--keys", "100000", "--value-bytes", "32"];
        let (ours, peer) = self.beside(
            || self.run(&[], &puts),
            || {
                let folder = tempfile::Builder::new().prefix("etcd-").tempdir_in(paxos_tests::target())?;
                let (_nodes, ports) = start_etcd(folder.path())?;
                let load = etcd::put_load(&ports, 500, 32, Duration::from_secs(seconds))?;
                let ms = |time: Duration| time.as_secs_f64() * 1e3;
                let figures = Figures { rate: load.rate, p50: ms(load.p50), p99: ms(load.p99) };
                eprintln!("  etcd: {figures}");
                Ok(figures)
            },
        )?;
        let ratio = ours.rate / peer.rate;
        let peer = format!("etcd, 3 nodes, put: {peer}");
        let met = ratio >= 5.0;
        let text = ours.to_string();
        self.row(
            "500 clients put 32 B, accepted state synced",
            &text,
            &peer,
            format!("**{ratio:.1}**"),
            "5",
            Some(met),
        );
        Ok(())
    }

    fn compare(
        &mut self,
        what: &str,
        one: &[(&str, &str)],
        two: (&str, &[(&str, &str)]),
        least: Option<f64>,
    ) -> Result<()> {
        let (ours, peer) = self.beside(|| self.run(one, &[]), || self.run(two.1, &[]))?;
        let ratio = ours.rate / peer.rate;
        let wanted = least.map_or("reported".to_owned(), |least| least.to_string());
        let peer = format!("{}: {peer}", two.0);
        let text = ours.to_string();
        self.row(what, &text, &peer, format!("**{ratio:.2}**"), &wanted, least.map(|least| ratio >= least));
        Ok(())
    }

    fn network(&mut self) -> Result<()> {
        let (memory, network) = (("durability", "memory"), "providers.network");
        self.compare(
            "network as components on WASI sockets",
            &[memory, (network, "component")],
            ("network in the host", &[memory, (network, "host")]),
            Some(0.7),
        )
    }

    fn made(&mut self) -> Result<()> {
        let memory = ("durability", "memory");
        self.compare(
            "one file, composed ahead",
            &[memory, ("composition", "composed")],
            ("linked at start", &[memory, ("composition", "linked")]),
            None,
        )?;
        self.compare(
            "one process per role",
            &[memory, ("model", "standalone")],
            ("one process per node", &[memory, ("model", "combined")]),
            None,
        )
    }

    /// The same cores compiled natively into one program.
    fn native(&mut self) -> Result<()> {
        let (ours, peer) = self.beside(
            || self.run(&[("durability", "memory")], &[]),
            || {
                let figures = native(self.args.requests)?;
                eprintln!("  native: {figures}");
                Ok(figures)
            },
        )?;
        let ratio = ours.rate / peer.rate;
        let peer = format!(
            "the cores, compiled natively into one program, with the same sockets and the same clients: {peer}"
        );
        let text = ours.to_string();
        self.row("demo, accepted state in memory", &text, &peer, format!("**{ratio:.2}**"), "0.7", Some(ratio >= 0.7));
        Ok(())
    }

    /// From the kill of the leader to the first answer to a client that asks without a pause.
    fn failover(&mut self) -> Result<()> {
        let mut shipped = Shipped::start(&[])?;
        let timeout = suspect_timeout(shipped.cluster.config())?;
        let mut times = Vec::new();
        for kill in 0..self.args.kills {
            let time = failover(&mut shipped.cluster)?;
            times.push(time.as_secs_f64() * 1e3);
            if kill % 10 == 9 {
                eprintln!(
                    "  {} leaders killed, the last one replaced after {:.0} ms",
                    kill + 1,
                    time.as_secs_f64() * 1e3
                );
            }
        }
        shipped.cluster.stop();
        times.sort_by(f64::total_cmp);
        let at = |part: f64| times[((times.len() - 1) as f64 * part).round() as usize];
        let ratio = at(0.99) / timeout;
        let text = format!("p50 {:.0} ms, p99 {:.0} ms, longest {:.0} ms", at(0.5), at(0.99), at(1.0));
        let peer = format!("time-out: {timeout:.0} ms");
        let what = format!("first answer after `kill -9` of the leader, {} times", times.len());
        self.row(&what, &text, &peer, format!("**{ratio:.2}**"), "at most 2", Some(ratio <= 2.0));
        Ok(())
    }
}

/// One kill: a client with one request after the other sees for how long nothing is answered.
fn failover(cluster: &mut Cluster) -> Result<Duration> {
    use paxos_types::Op;
    use paxos_ws_client::hand::End;
    let mut session = cluster.session();
    let mut ask = || -> Result<()> {
        let answer = session.ask(Op::Put { key: b"failover", value: b"x" });
        ensure!(answer.end == End::Done, "{answer:?}");
        Ok(())
    };
    ask()?;
    let leader = cluster.leader();
    ask()?;
    let killed = Instant::now();
    cluster.kill(leader);
    ask()?;
    let time = killed.elapsed();
    cluster.start_node(leader);
    // It is back when it answers by leading or by naming who leads, and has caught up when another may die.
    cluster.await_ready(leader);
    Ok(time)
}

fn suspect_timeout(config: &Path) -> Result<f64> {
    let text = std::fs::read_to_string(config)?;
    let told = text.lines().find_map(|line| line.trim().strip_prefix("suspect:")).unwrap_or("500ms").trim().to_owned();
    let told = told.split('#').next().unwrap_or_default().trim();
    let (number, unit) =
        if let Some(ms) = told.strip_suffix("ms") { (ms, 1.0) } else { (told.trim_end_matches('s'), 1e3) };
    Ok(number.parse::<f64>().with_context(|| format!("timeouts.suspect is {told}"))? * unit)
}

/// The same cores in one native program, with the same client.
fn native(requests: u64) -> Result<Figures> {
    let folder = tempfile::Builder::new().prefix("paxos-native-").tempdir_in(paxos_tests::target())?;
    let cluster = Cluster::prepare_in(&Settings::default(), folder.path());
    let ports: Vec<String> = (1..=3).map(|node| cluster.address(node, 3).port().to_string()).collect();
    let file = paxos_tests::target().join("native/release/examples/native");
    // It ends when its standard input does.
    let child = Command::new(&file)
        .args(["--serve", &ports.join(","), "--cluster", "test"])
        .stdin(Stdio::piped())
        .spawn()
        .with_context(|| format!("{} is built by bench.sh", file.display()))?;
    let _program = Process(child);
    demo(cluster.config(), folder.path(), requests, &[])
}

/// A process that is killed when it is dropped.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Three nodes of etcd, as the project's own measurement sets them up (tests/src/bin/bench.rs).
fn start_etcd(dir: &Path) -> Result<(Vec<Process>, Vec<u16>)> {
    let base = free_ports(6);
    let peers: Vec<String> = (0..3).map(|i| format!("n{i}=http://127.0.0.1:{}", base + 3 + i)).collect();
    let mut nodes = Vec::new();
    for i in 0..3 {
        let (client, peer) = (format!("http://127.0.0.1:{}", base + i), format!("http://127.0.0.1:{}", base + 3 + i));
        let log = std::fs::File::create(dir.join(format!("etcd-{i}.log")))?;
        let child = Command::new("etcd")
            .args(["--name", &format!("n{i}"), "--listen-client-urls", &client, "--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &peers.join(","), "--initial-cluster-token", "bench"])
            .args(["--initial-cluster-state", "new", "--heartbeat-interval", "100", "--election-timeout", "1000"])
            .args(["--quota-backend-bytes", "4294967296", "--log-level", "error", "--data-dir"])
            .arg(dir.join(format!("etcd-{i}")))
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot start etcd: apt-get install etcd-server")?;
        nodes.push(Process(child));
    }
    let ports: Vec<u16> = (base..base + 3).collect();
    let until = Instant::now() + Duration::from_secs(30);
    while let Err(e) = etcd::put_load(&ports, 3, 16, Duration::from_millis(100)) {
        if Instant::now() > until {
            bail!("etcd does not serve: {e}");
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok((nodes, ports))
}

fn main() -> Result<()> {
    let args = Args::parse();
    if let Some(unknown) = args.rows.iter().find(|row| !ROWS.contains(&row.as_str())) {
        bail!("there is no measurement '{unknown}'; there are {}", ROWS.join(", "));
    }
    let rows: Vec<String> = if args.rows.is_empty() { ROWS.map(String::from).to_vec() } else { args.rows.clone() };
    let _: PathBuf = program("paxos-host").map_err(anyhow::Error::msg)?;
    let mut bench = Bench { args, missed: false };
    println!("| what | ours | peer | ratio | wanted |\n|---|---|---|--:|---|");
    for row in rows {
        eprintln!("{row}");
        match row.as_str() {
            "memory" => bench.memory()?,
            "sync" => bench.sync()?,
            "etcd" => bench.etcd()?,
            "native" => bench.native()?,
            "network" => bench.network()?,
            "made" => bench.made()?,
            _ => bench.failover()?,
        }
    }
    if bench.missed {
        bail!("some of what is wanted was missed");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_configuration_says_so_and_nothing_else() {
        let shipped = std::fs::read_to_string(workspace().join("runner-ws/config.yaml")).unwrap();
        let text = changed(&shipped, &[("durability", "memory"), ("providers.network", "component")]);
        let nodes = Settings::default().yaml("test", Path::new("/data"), 20_000);
        let (_, nodes) = nodes.split_once("\nnodes:\n").unwrap();
        let text = format!("{text}\ncluster: test\ndata-dir: /d\nnodes:\n{nodes}");
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &text).unwrap();
        let ours = paxos_config::Config::load(file.path()).unwrap_or_else(|e| panic!("{e}\n{text}"));
        let theirs = paxos_config::Config::load(&workspace().join("runner-ws/config.yaml")).unwrap();
        assert_eq!((ours.durability.word(), ours.providers.network.word()), ("memory", "component"));
        assert_eq!((ours.timeouts, ours.batching, ours.limits), (theirs.timeouts, theirs.batching, theirs.limits));
        assert_eq!((ours.providers.storage, ours.window), (theirs.providers.storage, theirs.window));
    }
}
