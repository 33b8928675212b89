//! Three nodes whose wall clocks are wrong, and what the program's clients see of it: nothing while it is one clock, and
//! a time that goes a little faster while it is two.

use anyhow::{Context, Result, ensure};
use replicode_tests::cluster::Cluster;
use replicode_tests::process::run;
use replicode_tests::resp::{Resp, Value};
use replicode_tests::{check, eventually, guest, root};
use serde_json::Value as Json;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const TIMEOUT: Duration = Duration::from_secs(20);
const DAYS_30: i64 = 30 * 86_400;

/// Builds what gives nodes a clock that can be set.
fn shim(dir: &Path) -> Result<PathBuf> {
    let (source, shim) = (root().join("tests/shims/shifted_clock.c"), dir.join("shifted_clock.so"));
    let mut cc = Command::new("cc");
    cc.args(["-O2", "-Wall", "-Wextra", "-shared", "-fPIC", "-o"]).arg(&shim).arg(source);
    let output = run(&mut cc, b"", TIMEOUT)?;
    ensure!(output.status.success(), "cc failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(shim)
}

struct Clocks {
    cluster: Cluster,
    dir: PathBuf,
}

impl Clocks {
    /// Sets a node's clock: so many seconds ahead.
    fn set(&self, node: u16, seconds: i64) -> Result<()> {
        let path = self.dir.join(self.cluster.pid(node)?.to_string());
        // In one step: a node may read it at any moment.
        std::fs::write(path.with_extension("new"), seconds.to_string())?;
        Ok(std::fs::rename(path.with_extension("new"), path)?)
    }

    /// How a leader keeps time: its clock, and how it steers.
    fn await_clock(&self, node: u16, what: &str, fits: impl Fn(&Json) -> bool) -> Result<Json> {
        eventually(what, TIMEOUT, || {
            let status = self.cluster.status(node)?;
            check(fits(&status["clock"]), || format!("the clock of node {node} is {:#}", status["clock"]))?;
            Ok(status)
        })
    }
}

/// A key that lives for an hour, and when it was set.
struct Key {
    name: &'static str,
    since: Instant,
}

/// Milliseconds by which the cell's time has gone on more than ours since the key was set.
fn ahead(resp: &mut Resp, key: &Key) -> Result<i64> {
    let answer = resp.command(&["PTTL", key.name])?;
    let Value::Integer(left) = answer else { anyhow::bail!("PTTL {} answered {answer:?}", key.name) };
    ensure!(left > 0, "the key {} is gone", key.name);
    Ok(3_600_000 - left - key.since.elapsed().as_millis() as i64)
}

fn near(found: i64, expected: i64, what: &str) -> Result<()> {
    // As far as requests may take on a busy machine; what is looked for is days, or a tenth of many seconds.
    check((found - expected).abs() < 1_000, || format!("{what}: time is {found} ms ahead of ours, not {expected}"))
}

/// `SET NAME v … `; answers when it was done.
fn set(resp: &mut Resp, name: &'static str, how: [&str; 2]) -> Result<Key> {
    let since = Instant::now();
    let answer = resp.command(&["SET", name, "v", how[0], how[1]])?;
    check(answer == Value::Simple("OK".into()), || format!("SET {name} answered {answer:?}"))?;
    Ok(Key { name, since })
}

#[test]
fn a_wrong_clock_moves_nothing_and_two_move_time_by_degrees_through_an_election() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let shim = shim(dir.path())?;
    let shifts = dir.path().join("shifts");
    std::fs::create_dir(&shifts)?;
    let text = |path: &Path| path.to_str().map(str::to_string).context("a directory has a name that is no text");
    let environment = [("LD_PRELOAD", text(&shim)?), ("SHIFTED_CLOCK_DIR", text(&shifts)?)];
    let cluster = Cluster::start_kv_in(&environment, &guest("kv"), 3, &dir.path().join("c"), &[])?;
    let mut clocks = Clocks { cluster, dir: shifts };
    let leader = clocks.cluster.leader()?;
    let followers: Vec<u16> = (1..=3).filter(|node| *node != leader).collect();
    let mut resp = Resp::connect(clocks.cluster.port(followers[0]), TIMEOUT)?;
    clocks.await_clock(leader, "clocks that agree", |clock| clock["steering"] == "no")?;

    // The leader's clock alone: a month ahead, a month behind.
    let key = set(&mut resp, "hour", ["EX", "3600"])?;
    for shift in [DAYS_30, -DAYS_30, 0] {
        clocks.set(leader, shift)?;
        let short = set(&mut resp, "short", ["PX", "2000"])?;
        let there = resp.command(&["GET", "short"])?;
        check(there != Value::Bulk(None) || short.since.elapsed() > Duration::from_secs(1), || "gone early".into())?;
        let status = clocks.await_clock(leader, "the clock that was set to be seen", |clock| {
            let own = clock["own"]["ahead_ns"].as_i64().unwrap_or_default();
            clock["steering"] == "no" && (own / 1_000_000_000 - shift).abs() <= 1
        })?;
        for peer in status["peers"].as_array().context("peers")? {
            let off = peer["clock"]["ahead_ns"].as_i64().context("a peer's clock is known")?;
            check(off.abs() < 1_000_000_000, || format!("{peer:#}"))?;
        }
        near(ahead(&mut resp, &key)?, 0, "one wrong clock")?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let until = set(&mut resp, "until", ["EXAT", &(now + 3_600).to_string()])?;
        near(ahead(&mut resp, &until)?, 0, "a moment of the wall clock")?;
        std::thread::sleep(Duration::from_millis(2_100).saturating_sub(short.since.elapsed()));
        eventually("a key to be gone in time", TIMEOUT, || {
            let there = resp.command(&["GET", "short"])?;
            check(there == Value::Bulk(None), || format!("{there:?} after {:?}", short.since.elapsed()))
        })?;
    }

    // Two clocks of three: time goes faster by a tenth, and a new leader goes on there.
    for node in &followers {
        clocks.set(*node, 1_000)?;
    }
    clocks.await_clock(leader, "time to go faster", |clock| clock["steering"] == "faster")?;
    let asking = Instant::now();
    let (before, since) = (ahead(&mut resp, &key)?, Instant::now());
    std::thread::sleep(Duration::from_secs(3));
    let least = since.elapsed();
    let gained = ahead(&mut resp, &key)? - before;
    let most = asking.elapsed();
    // A tenth of the time between the two answers, which each came at some moment while we waited for it. Half and twice
    // of that, and what the answers' own times may be off.
    let off = (most - least).as_millis() as i64;
    let bounds = least.as_millis() as i64 / 20 - off..most.as_millis() as i64 / 5 + off + 1;
    check(bounds.contains(&gained), || format!("{gained} ms gained in {least:?} to {most:?}"))?;
    clocks.cluster.kill(leader)?;
    let next = eventually("another leader", TIMEOUT, || clocks.cluster.leader())?;
    let status = clocks.await_clock(next, "time to go faster again", |clock| clock["steering"] == "faster")?;
    check(next != leader, || format!("{status:#}"))?;
    let mut resp = eventually("the followers to serve", TIMEOUT, || {
        let mut resp = Resp::connect(clocks.cluster.port(next), Duration::from_secs(2))?;
        resp.command(&["PING"])?;
        Ok(resp)
    })?;
    near(ahead(&mut resp, &key)?, before + since.elapsed().as_millis() as i64 / 10, "an election in the middle")?;
    clocks.cluster.stop()
}
