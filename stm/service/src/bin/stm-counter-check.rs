//! The end-to-end checker: many clients, a server that is killed and restarted under them, and then the questions:
//! is every acknowledged increment counted exactly once, were all reads linearizable, do all replays agree?
//!
//! `stm-counter-check --server target/release/stm-counter-server` (see `--help`).

use clap::Parser;
use replicode_stm::{Builder, Mode, Stm};
use replicode_stm_service::check::{Counted, Read, linearizable};
use replicode_stm_service::client::{Ask, Session, Told, root};
use replicode_stm_service::counters::Counters;
use replicode_stm_service::log::replay;
use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Hammers a counting server, kills it, restarts it, and checks everything.
#[derive(Parser, Clone)]
struct Args {
    /// The server program.
    #[arg(long)]
    server: PathBuf,
    /// An empty folder for its log.
    #[arg(long)]
    data: PathBuf,
    /// Writers at once.
    #[arg(long, default_value_t = 16)]
    clients: u64,
    /// Readers at once.
    #[arg(long, default_value_t = 4)]
    readers: u64,
    /// Increments per writer.
    #[arg(long, default_value_t = 2_000)]
    increments: u64,
    /// Keys, of which the first is as popular as all others together.
    #[arg(long, default_value_t = 8)]
    keys: u64,
    /// Times the server is killed (SIGKILL).
    #[arg(long, default_value_t = 3)]
    kills: u32,
    /// Chooses keys, batch sizes and the moments of the kills.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5555_1234_9876_3333 | 1)
    }
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) % n.max(1)
    }
    fn key(&mut self, keys: u64) -> String {
        let k = if self.below(2) == 0 { 0 } else { self.below(keys) };
        format!("key{k}")
    }
}

/// Root, sums and number of blocks.
type Replayed = ([u8; 32], BTreeMap<String, i64>, u64);
type Fail = Box<dyn std::error::Error + Send + Sync>;

/// A running server; killed when dropped.
struct Server(Child);

impl Server {
    fn start(args: &Args, listen: &str, threads: u64) -> Result<(Server, String), Fail> {
        let mut child = Command::new(&args.server)
            .arg("--data")
            .arg(&args.data)
            .args(["--listen", listen, "--threads", &threads.to_string()])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|e| format!("cannot start {}: {e}", args.server.display()))?;
        let out = child.stdout.take().ok_or("no output from the server")?;
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line)?;
        let server = Server(child);
        match line.trim().strip_prefix("listening on ") {
            Some(address) => Ok((server, address.to_string())),
            None => Err(format!("the server did not start: {line:?}").into()),
        }
    }
    fn kill(mut self) -> Result<(), Fail> {
        self.0.kill()?;
        self.0.wait()?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What clients saw, per key.
#[derive(Default)]
struct History {
    counted: BTreeMap<String, Vec<Counted>>,
    reads: BTreeMap<String, Vec<Read>>,
}

impl History {
    fn note(&mut self, asks: &[Ask], sent: u64, told: &[Told], now: u64) -> Result<(), Fail> {
        for (ask, told) in asks.iter().zip(told) {
            match (ask, told) {
                (Ask::Increment(key, _), Told::Counted) => {
                    self.counted.entry(key.clone()).or_default().push(Counted { sent, acked: now });
                }
                (Ask::Get(key), Told::Value(value)) => {
                    self.reads.entry(key.clone()).or_default().push(Read { sent, answered: now, value: *value });
                }
                other => return Err(format!("unexpected answer {other:?}").into()),
            }
        }
        Ok(())
    }
    fn merge(&mut self, other: History) {
        for (k, v) in other.counted {
            self.counted.entry(k).or_default().extend(v);
        }
        for (k, v) in other.reads {
            self.reads.entry(k).or_default().extend(v);
        }
    }
}

fn nanos(began: Instant) -> u64 {
    began.elapsed().as_nanos() as u64
}

/// One client: batches of random size, several on their way. Writers mix a read in now and then.
async fn client(
    args: Args,
    address: String,
    id: u64,
    writer: bool,
    began: Instant,
    stop: tokio::sync::watch::Receiver<bool>,
) -> Result<History, Fail> {
    let mut r = Random::new(args.seed ^ (id << 20));
    let mut session = Session::new(address, args.seed << 32 | id);
    let mut history = History::default();
    let mut pending: VecDeque<(Vec<Ask>, u64)> = VecDeque::new();
    let mut left = args.increments;
    loop {
        let more = if writer { left > 0 } else { !*stop.borrow() };
        if more && pending.len() < 1 + r.below(4) as usize {
            let mut asks = Vec::new();
            if writer {
                let n = (1 + r.below(32)).min(left);
                left -= n;
                asks.extend((0..n).map(|_| Ask::Increment(r.key(args.keys), 1)));
                if r.below(4) == 0 {
                    asks.push(Ask::Get(r.key(args.keys)));
                }
            } else {
                asks.push(Ask::Get(r.key(args.keys)));
            }
            let sent = nanos(began);
            pending.push_back((asks.clone(), sent));
            session.send(&asks).await?;
            continue;
        }
        let Some((asks, sent)) = pending.pop_front() else { return Ok(history) };
        let told = session.receive().await?;
        history.note(&asks, sent, &told, nanos(began))?;
        if !writer {
            tokio::time::sleep(Duration::from_micros(r.below(3000))).await;
        }
    }
}

/// State after replaying the log with these settings.
fn replayed(log: &Path, builder: Builder) -> Result<Replayed, Fail> {
    let mut counters = Counters::new(builder)?;
    let blocks = replay(log, |block| {
        let _ = counters.run(block);
    })?;
    Ok((counters.root(), counters.values(), blocks))
}

#[tokio::main]
async fn main() -> Result<(), Fail> {
    let args = Args::parse();
    std::fs::create_dir_all(&args.data)?;
    let began = Instant::now();
    let (mut server, listen) = Server::start(&args, "127.0.0.1:0", 2)?;
    let address = format!("http://{listen}");
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let spawn =
        |id: u64, writer: bool| tokio::spawn(client(args.clone(), address.clone(), id, writer, began, stopped.clone()));
    let writers: Vec<_> = (0..args.clients).map(|id| spawn(id, true)).collect();
    let readers: Vec<_> = (0..args.readers).map(|id| spawn(args.clients + id, false)).collect();

    let mut r = Random::new(args.seed);
    for kill in 0..args.kills {
        tokio::time::sleep(Duration::from_millis(30 + r.below(250))).await;
        server.kill()?;
        tokio::time::sleep(Duration::from_millis(r.below(60))).await;
        // Another number of threads each time: results must not depend on it.
        server = Server::start(&args, &listen, 1 + u64::from(kill) % 4)?.0;
    }
    let mut history = History::default();
    for w in writers {
        history.merge(w.await??);
    }
    stop.send(true)?;
    for w in readers {
        history.merge(w.await??);
    }
    let took = began.elapsed();

    // Nothing lost, nothing doubled: the server's own values.
    let total: usize = history.counted.values().map(Vec::len).sum();
    if total as u64 != args.clients * args.increments {
        return Err(format!("{total} increments acknowledged, {} sent", args.clients * args.increments).into());
    }
    let mut last = Session::new(address.clone(), args.seed << 32 | 0xffff_ffff);
    for (key, counted) in &history.counted {
        let told = last.ask(&[Ask::Get(key.clone())]).await?;
        if told != [Told::Value(counted.len() as i64)] {
            return Err(format!("{key}: {} increments acknowledged, the server says {told:?}", counted.len()).into());
        }
    }
    println!(
        "exactly once: {total} increments of {} clients on {} keys, {} kills, {took:.1?}",
        args.clients,
        history.counted.len(),
        args.kills
    );

    let mut reads = 0;
    for key in history.counted.keys().chain(history.reads.keys()) {
        let none = Vec::new();
        let (c, r) = (history.counted.get(key), history.reads.get(key));
        linearizable(c.map_or(&[], |v| v), r.unwrap_or(&none))
            .map_err(|why| format!("{key} is not linearizable: {why}"))?;
    }
    reads += history.reads.values().map(Vec::len).sum::<usize>();
    println!("linearizable: {reads} reads against all increments");

    // The server's root, the root after one more restart, and replays on every executor, twice each.
    let (want, blocks) = root(&address).await?;
    server.kill()?;
    let (server, _) = Server::start(&args, &listen, 3)?;
    let again = root(&address).await?;
    if again != (want.clone(), blocks) {
        return Err("the root changed over a restart".into());
    }
    server.kill()?;
    let log = args.data.join("counters.log");
    let mut replays = 0;
    let spec = Stm::builder().mode(Mode::Speculative);
    let mut builders: Vec<Builder> = [1, 2, 3, 4, 8].map(|n| spec.clone().threads(n)).to_vec();
    builders.extend([Stm::builder().sequential(), Stm::builder().threads(2), spec.clone().threads(4).chaos(args.seed)]);
    for builder in builders {
        for _ in 0..2 {
            let (root, values, n) = replayed(&log, builder.clone())?;
            if root[..] != want[..] || n != blocks {
                return Err("a replay has another root than the server".into());
            }
            if values.iter().any(|(k, v)| history.counted.get(k).map_or(0, Vec::len) as i64 != *v) {
                return Err("a replay has other sums than were acknowledged".into());
            }
            replays += 1;
        }
    }
    println!("equal roots: server, restarted server, {replays} replays of {blocks} blocks");
    Ok(())
}
