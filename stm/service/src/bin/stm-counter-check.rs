//! The end-to-end checker: many clients, a server that is killed and restarted under them, and then the questions:
//! is every acknowledged increment counted exactly once, were all reads linearizable, do all replays agree?
//!
//! `stm-counter-check --server target/release/stm-counter-server --data NEW_FOLDER` (see `--help`).

use clap::Parser;
use replicode_stm::{Builder, Mode, Stm};
use replicode_stm_service::check::{Counted, Read, linearizable};
use replicode_stm_service::client::{Ask, Failure, Session, Told, root};
use replicode_stm_service::command::{End, end, hex, line, say};
use replicode_stm_service::counters::Counters;
use replicode_stm_service::disk::Folder;
use replicode_stm_service::log::LogError;
use replicode_stm_service::recover::{From, Replayed, Wanted, recover};
use replicode_stm_service::state::State;
use serde_json::json;
use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Hammers a counting server, kills it, restarts it, and proves what it promises.
///
/// Many writers stream increments by one, several messages on their way, mixed with reads; readers poll. The server is
/// killed (SIGKILL) and restarted with another number of threads, again and again; its log is kept so small that it is
/// compacted all the time. Then: each acknowledged increment is counted exactly once and none is lost; there is one order
/// of all operations that explains every read (linearizability); the root of the state survives restarts, and replays of
/// the log, two on each of eight executors, end in that same root and pass every snapshot's state on the way.
///
/// Exit codes: 0 all of it holds, 1 something does not, 2 wrong usage, 3 the server could not be run.
#[derive(Parser, Clone)]
#[command(version)]
struct Args {
    /// The server program
    #[arg(long)]
    server: PathBuf,
    /// A new or empty folder for its log
    #[arg(long)]
    data: PathBuf,
    /// Writers at once
    #[arg(long, default_value_t = 16)]
    clients: u64,
    /// Readers at once
    #[arg(long, default_value_t = 4)]
    readers: u64,
    /// Increments per writer
    #[arg(long, default_value_t = 2_000)]
    increments: u64,
    /// Keys, of which the first is as popular as all others together
    #[arg(long, default_value_t = 8)]
    keys: u64,
    /// Times the server is killed, spread evenly over the increments
    #[arg(long, default_value_t = 3)]
    kills: u32,
    /// Chooses keys, batch sizes and the moments of the kills
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Size at which the server ends a segment of its log: the smaller, the more compactions
    #[arg(long, default_value_t = 64 << 10)]
    segment_bytes: u64,
    /// Let the server drop what its snapshot covers, as it does in real life, and check that the folder stays small;
    /// replays then begin at the snapshot. Without it the whole log is kept and replayed from its first block
    #[arg(long)]
    bounded: bool,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
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

/// A running server; killed when dropped.
struct Server(Child);

fn unable(why: impl std::fmt::Display) -> End {
    End::Unable(why.to_string())
}

/// A client that gave up: for want of a server, or because of what the server said.
fn given_up(why: Failure) -> End {
    match why {
        Failure::Unreachable(_) => unable(why),
        _ => End::Failed(why.to_string()),
    }
}

impl Server {
    fn start(args: &Args, listen: &str, threads: u64) -> Result<(Server, String), End> {
        let mut command = Command::new(&args.server);
        command.arg("--data").arg(&args.data);
        command.args(["--listen", listen, "--threads", &threads.to_string()]);
        command.args(["--segment-bytes", &args.segment_bytes.to_string()]);
        if !args.bounded {
            command.arg("--keep-segments");
        }
        let child = command.stdout(Stdio::piped()).spawn();
        let mut child = child.map_err(|e| unable(format!("cannot start {}: {e}", args.server.display())))?;
        let out = child.stdout.take().ok_or_else(|| unable("no output from the server"))?;
        let server = Server(child);
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line).map_err(unable)?;
        match line.trim().strip_prefix("listening on ") {
            Some(address) => Ok((server, address.to_string())),
            None => Err(unable("the server did not start; its own words are above")),
        }
    }
    fn kill(mut self) -> Result<(), End> {
        self.0.kill().and_then(|()| self.0.wait()).map(|_| ()).map_err(|e| unable(format!("cannot kill it: {e}")))
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
    fn note(&mut self, asks: &[Ask], sent: u64, told: &[Told], now: u64) -> Result<(), End> {
        for (ask, told) in asks.iter().zip(told) {
            match (ask, told) {
                (Ask::Increment(key, _), Told::Counted) => {
                    self.counted.entry(key.clone()).or_default().push(Counted { sent, acked: now });
                }
                (Ask::Get(key), Told::Value(value)) => {
                    self.reads.entry(key.clone()).or_default().push(Read { sent, answered: now, value: *value });
                }
                other => return Err(End::Failed(format!("unexpected answer {other:?}"))),
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

/// What all clients share.
struct Clock {
    began: Instant,
    /// Readers go on until this is true.
    stop: tokio::sync::watch::Receiver<bool>,
    /// Increments acknowledged, of all writers.
    progress: Arc<AtomicU64>,
}

impl Clock {
    fn now(&self) -> u64 {
        self.began.elapsed().as_nanos() as u64
    }
}

/// One client: batches of random size, several on their way. Writers mix a read in now and then.
async fn client(args: Args, address: String, id: u64, writer: bool, clock: Clock) -> Result<History, End> {
    let mut r = Random::new(args.seed ^ (id << 20));
    let mut session = Session::open(address).await.map_err(given_up)?;
    let mut history = History::default();
    let mut pending: VecDeque<(Vec<Ask>, u64)> = VecDeque::new();
    let mut left = args.increments;
    loop {
        let more = if writer { left > 0 } else { !*clock.stop.borrow() };
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
            let sent = clock.now();
            pending.push_back((asks.clone(), sent));
            session.send(&asks).await.map_err(given_up)?;
            continue;
        }
        let Some((asks, sent)) = pending.pop_front() else { return Ok(history) };
        let told = session.receive().await.map_err(given_up)?;
        history.note(&asks, sent, &told, clock.now())?;
        clock.progress.fetch_add(told.iter().filter(|t| **t == Told::Counted).count() as u64, Relaxed);
        if !writer {
            tokio::time::sleep(Duration::from_micros(r.below(3000))).await;
        }
    }
}

/// What a replay ends with.
struct Ended {
    state: State,
    blocks: u64,
    /// Number of the newest segment.
    segment: u64,
}

/// Reads the log on an engine with these settings; states of snapshots passed on the way must be the replay's own.
fn replayed(args: &Args, builder: &Builder) -> Result<Ended, End> {
    let from = if args.bounded { From::Snapshot } else { From::Beginning };
    let mut counters: Option<Counters> = None;
    let failed = |why: String| LogError::Replay(why);
    let found = recover(&Folder::look(&args.data), from, Wanted::default(), &mut |what| {
        match (what, &mut counters) {
            (Replayed::State(state), _) => {
                counters = Some(Counters::restore(builder.clone(), state).map_err(|e| failed(e.to_string()))?);
            }
            (Replayed::Block(block), Some(c)) => {
                c.run(block).map_err(|e| failed(e.to_string()))?;
            }
            (Replayed::Check(snapshot), Some(c)) => {
                if c.state().map_err(|e| failed(e.to_string()))? != *snapshot {
                    return Err(failed("the snapshot's state is not the one of a replay up to it".to_string()));
                }
            }
            _ => return Err(failed("the log does not begin with a state".to_string())),
        }
        Ok(())
    })?;
    match (found, counters) {
        (Some(found), Some(mut counters)) => {
            Ok(Ended { state: counters.state()?, blocks: found.blocks, segment: found.newest() })
        }
        _ => Err(End::Failed("there is no log".to_string())),
    }
}

/// What the folder holds: a segment that is full and one that begins, and two snapshots while one replaces the other.
fn bounded(args: &Args) -> Result<(), End> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(&args.data).map_err(unable)? {
        // A file may go away while we look.
        bytes += entry.and_then(|e| e.metadata()).map_or(0, |m| m.len());
    }
    // One block may overshoot a segment; states are small here.
    let most = 2 * args.segment_bytes + (1 << 20);
    if bytes > most {
        return Err(End::Failed(format!("the log takes {bytes} bytes: at most {most} were promised")));
    }
    Ok(())
}

/// The load: returns the history, and the server that survived.
async fn hammer(args: &Args, began: Instant) -> Result<(History, Server, String), End> {
    let (mut server, listen) = Server::start(args, "127.0.0.1:0", 2)?;
    let address = format!("http://{listen}");
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let progress = Arc::new(AtomicU64::new(0));
    let spawn = |id: u64, writer: bool| {
        let clock = Clock { began, stop: stopped.clone(), progress: progress.clone() };
        tokio::spawn(client(args.clone(), address.clone(), id, writer, clock))
    };
    let writers: Vec<_> = (0..args.clients).map(|id| spawn(id, true)).collect();
    let readers: Vec<_> = (0..args.readers).map(|id| spawn(args.clients + id, false)).collect();
    let mut r = Random::new(args.seed);
    let total = args.clients * args.increments;
    for kill in 0..args.kills {
        // Kills are spread over the work, not over time: each one must find the server busy.
        let share = total / u64::from(args.kills + 1);
        let when = share * u64::from(kill) + share / 2 + r.below(share.max(1));
        while progress.load(Relaxed) < when && !writers.iter().all(tokio::task::JoinHandle::is_finished) {
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
        server.kill()?;
        if args.bounded {
            bounded(args)?;
        }
        tokio::time::sleep(Duration::from_millis(r.below(60))).await;
        // Another number of threads each time: results must not depend on it.
        server = Server::start(args, &listen, 1 + u64::from(kill) % 4)?.0;
    }
    let mut history = History::default();
    for w in writers {
        history.merge(w.await??);
    }
    stop.send(true).map_err(unable)?;
    for w in readers {
        history.merge(w.await??);
    }
    Ok((history, server, listen))
}

/// Nothing lost, nothing doubled: the server's own values.
async fn exactly_once(args: &Args, history: &History, address: &str) -> Result<u64, End> {
    let total: usize = history.counted.values().map(Vec::len).sum();
    if total as u64 != args.clients * args.increments {
        let sent = args.clients * args.increments;
        return Err(End::Failed(format!("{total} increments acknowledged, {sent} sent")));
    }
    let mut last = Session::open(address.to_string()).await.map_err(given_up)?;
    for (key, counted) in &history.counted {
        let told = last.ask(&[Ask::Get(key.clone())]).await.map_err(given_up)?;
        if told != [Told::Value(counted.len() as i64)] {
            let n = counted.len();
            return Err(End::Failed(format!("{key}: {n} increments acknowledged, the server says {told:?}")));
        }
    }
    Ok(total as u64)
}

/// One order explains all reads of all keys. Returns how many reads there were.
fn explained(history: &History) -> Result<usize, End> {
    let none = (Vec::new(), Vec::new());
    for key in history.counted.keys().chain(history.reads.keys()) {
        let counted = history.counted.get(key).unwrap_or(&none.0);
        let reads = history.reads.get(key).unwrap_or(&none.1);
        linearizable(counted, reads).map_err(|why| End::Failed(format!("{key} is not linearizable: {why}")))?;
    }
    Ok(history.reads.values().map(Vec::len).sum())
}

/// Replays on every executor, twice each: all end in the server's root, with the sums that were acknowledged.
fn replays(args: &Args, history: &History, want: &(Vec<u8>, u64)) -> Result<(u32, u64), End> {
    let spec = Stm::builder().mode(Mode::Speculative);
    let mut builders: Vec<Builder> = [1, 2, 3, 4, 8].map(|n| spec.clone().threads(n)).to_vec();
    builders.extend([Stm::builder().sequential(), Stm::builder().threads(2), spec.threads(4).chaos(args.seed)]);
    let (mut n, mut segment) = (0, 0);
    for builder in builders {
        for _ in 0..2 {
            let ended = replayed(args, &builder)?;
            if ended.state.root()[..] != want.0[..] || ended.blocks != want.1 {
                return Err(End::Failed("a replay has another root than the server".to_string()));
            }
            let acknowledged = |key: &String| history.counted.get(key).map_or(0, Vec::len) as i64;
            if ended.state.counters.iter().any(|(k, v)| acknowledged(k) != *v) {
                return Err(End::Failed("a replay has other sums than were acknowledged".to_string()));
            }
            (n, segment) = (n + 1, ended.segment);
        }
    }
    Ok((n, segment - 1))
}

#[tokio::main]
async fn run(args: Args) -> Result<(), End> {
    if args.clients == 0 || args.increments == 0 || args.keys == 0 {
        return Err(End::Usage("--clients, --increments and --keys must be at least 1".to_string()));
    }
    let empty = std::fs::read_dir(&args.data).map_or(true, |mut entries| entries.next().is_none());
    if !empty {
        return Err(End::Usage(format!("{} is not empty: name a new folder", args.data.display())));
    }
    let began = Instant::now();
    let (history, server, listen) = hammer(&args, began).await?;
    let took = began.elapsed();
    let address = format!("http://{listen}");

    let total = exactly_once(&args, &history, &address).await?;
    let (clients, keys, kills) = (args.clients, history.counted.len(), args.kills);
    let words = |text: String| (!args.json).then(|| line(text));
    words(format!("exactly once: {total} increments of {clients} clients on {keys} keys, {kills} kills, {took:.1?}"));
    let reads = explained(&history)?;
    words(format!("linearizable: {reads} reads against all increments"));

    let want = root(&address).await.map_err(given_up)?;
    server.kill()?;
    let (server, _) = Server::start(&args, &listen, 3)?;
    if root(&address).await.map_err(given_up)? != want {
        return Err(End::Failed("the root changed over a restart".to_string()));
    }
    server.kill()?;
    let (replays, compactions) = replays(&args, &history, &want)?;
    if args.bounded {
        bounded(&args)?;
    }
    let (blocks, digest) = (want.1, hex(&want.0));
    let log = if args.bounded { "bounded log" } else { "whole log" };
    say(
        args.json,
        &json!({
            "increments": total, "clients": clients, "keys": keys, "kills": kills, "seconds": took.as_secs_f64(),
            "reads": reads, "replays": replays, "blocks": blocks, "compactions": compactions, "root": digest,
        }),
        format!(
            "equal roots: server, restarted server, {replays} replays of the {log}, {blocks} blocks, {compactions} compactions"
        ),
    );
    Ok(())
}

fn main() -> ExitCode {
    end("stm-counter-check", run(Args::parse()))
}
