//! Nodes are killed and paused under load; files are damaged. Nothing acknowledged may be lost or doubled, nothing
//! damaged may be served.

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use replicode_tests::cluster::{Cluster, Server, ping, replicode, write};
use replicode_tests::history::{Clients, verify};
use replicode_tests::process::run;
use replicode_tests::resp::{Resp, Value};
use replicode_tests::{check, eventually, guest};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const TIMEOUT: Duration = Duration::from_secs(20);

/// Rounds of the kill loop; `REPLICODE_KILL_ROUNDS` asks for more or fewer.
fn rounds() -> u32 {
    std::env::var("REPLICODE_KILL_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(50)
}

#[test]
fn fifty_rounds_of_kill_minus_nine_lose_and_double_nothing() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut cluster = Cluster::start_kv(&guest("kv"), 3, &dir.path().join("c"), &[])?;
    let clients = Clients::start(8, &cluster.ports());
    let mut outages = Vec::new();
    for round in 0..rounds() {
        let before = clients.answers();
        eventually("load before the fault", TIMEOUT, || {
            check(clients.answers() > before + 50, || "fewer than 50 answers: the round would prove nothing".into())
        })
        .with_context(|| format!("round {round}"))?;
        let leader = cluster.leader().with_context(|| format!("round {round}"))?;
        let victims: Vec<u16> = match round % 5 {
            0 | 2 => vec![leader],
            1 | 3 => vec![1 + leader % 3],
            _ => vec![1, 2, 3],
        };
        for victim in &victims {
            cluster.kill(*victim)?;
        }
        if victims == [leader] {
            let killed = Instant::now();
            let survivor = 1 + leader % 3;
            let ask = || write(cluster.port(survivor), "probe", Duration::from_secs(5));
            eventually("service after the leader's death", TIMEOUT, ask).with_context(|| format!("round {round}"))?;
            outages.push(killed.elapsed());
        }
        for victim in &victims {
            cluster.revive(*victim)?;
        }
        for node in 1..=3 {
            eventually(&format!("node {node} to serve in round {round}"), TIMEOUT, || ping(cluster.port(node)))
                .with_context(|| cluster.revived_output(node))?;
        }
    }
    let promises = clients.stop()?;
    cluster.await_agreement(Duration::from_secs(30))?;
    for node in 1..=3 {
        let (acknowledged, unknown) = verify(cluster.port(node), &promises)?;
        if node == 1 {
            outages.sort();
            let median = outages.get(outages.len() / 2);
            println!(
                "{acknowledged} acknowledged, {unknown} unknown; service back after {median:?} (median), {:?} (worst)",
                outages.last()
            );
        }
    }
    cluster.stop()
}

#[test]
fn a_leader_paused_past_the_election_timeout_steps_down() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut cluster = Cluster::start_kv(&guest("kv"), 3, &dir.path().join("c"), &[])?;
    let leader = cluster.leader()?;
    let others: Vec<u16> = (1..=3).filter(|node| *node != leader).map(|node| cluster.port(node)).collect();
    let mut held = Resp::connect(cluster.port(leader), TIMEOUT)?;
    held.command(&["SET", "held", "before"])?;
    let clients = Clients::start(4, &others);
    cluster.signal(leader, Signal::SIGSTOP)?;
    let before = clients.answers();
    eventually("the others to go on", TIMEOUT, || check(clients.answers() > before + 500, || "no progress".into()))?;
    // Longer than the others wait before they give the paused node's connections up.
    std::thread::sleep(Duration::from_secs(6));
    // What is written to the paused leader's socket must not be executed by a deposed leader.
    held.send(&[b"SET", b"held", b"stale"])?;
    cluster.signal(leader, Signal::SIGCONT)?;
    let end = held.reply();
    assert!(end.is_err(), "the log has reset this connection while its node slept, yet it answered {end:?}");
    let promises = clients.stop()?;
    eventually("the paused node to serve again", TIMEOUT, || ping(cluster.port(leader)))?;
    cluster.await_agreement(Duration::from_secs(30))?;
    for node in 1..=3 {
        verify(cluster.port(node), &promises)?;
        let value = Resp::connect(cluster.port(node), TIMEOUT)?.command(&["GET", "held"])?;
        assert_eq!(value.text().as_deref(), Some("before"));
    }
    cluster.stop()
}

/// A stopped single node's data directory with some history.
fn recorded(dir: &Path) -> Result<PathBuf> {
    let data = dir.join("data");
    let mut server = Server::run_kv(&guest("kv"), 6379, &data, &[])?;
    let mut resp = Resp::connect(server.port, TIMEOUT)?;
    for i in 0..200 {
        resp.command(&["SET", &format!("key-{i}"), &"v".repeat(100)])?;
    }
    server.process.signal(Signal::SIGINT)?;
    server.process.wait(TIMEOUT)?;
    Ok(data)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy(&entry.path(), &target)?;
        } else if kind.is_file() {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}

/// Log segments, oldest first.
fn segments(data: &Path) -> Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(data.join("log"))?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.retain(|path| path.is_file() && fs::metadata(path).is_ok_and(|meta| meta.len() > 4096));
    files.sort();
    Ok(files)
}

/// Position after the last byte of a segment that is not zero.
fn used(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1)
}

fn start_again(data: &Path) -> Result<Server> {
    Server::run_kv(&guest("kv"), 6379, data, &[])
}

/// Starts on a damaged directory; it must refuse, and say all of `words`.
fn must_refuse(data: &Path, words: &[&str]) -> Result<()> {
    let module = guest("kv");
    let mut command = replicode(&["run"]);
    command
        .arg(&module)
        .args(["--publish", &format!("{}:6379", replicode_tests::free_ports(1))])
        .arg("--data")
        .arg(data);
    let output = run(&mut command, b"", Duration::from_secs(60))?;
    let text = String::from_utf8_lossy(&output.stderr).to_lowercase();
    assert_eq!(output.status.code(), Some(1), "{text}");
    for word in words {
        assert!(text.contains(word), "the message must name '{word}': {text}");
    }
    Ok(())
}

#[test]
fn a_torn_tail_is_cut_and_the_rest_served() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let data = recorded(dir.path())?;
    let last = segments(&data)?.pop().context("a log has segments")?;
    let mut bytes = fs::read(&last)?;
    let end = used(&bytes);
    // The last write was torn: its second half never reached the disk.
    bytes[end - 20..].fill(0);
    fs::write(&last, &bytes)?;
    let server = start_again(&data)?;
    let value = Resp::connect(server.port, TIMEOUT)?.command(&["GET", "key-100"])?;
    assert_eq!(value, Value::Bulk(Some(vec![b'v'; 100])));
    Ok(())
}

#[test]
fn a_flipped_bit_in_the_middle_is_named_and_not_served() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let data = recorded(dir.path())?;
    let first = segments(&data)?.into_iter().next().context("a log has segments")?;
    let bytes = fs::read(&first)?;
    let end = used(&bytes);
    for at in [end / 4, end / 2, end * 3 / 4] {
        let damaged = dir.path().join(format!("flip-{at}"));
        copy(&data, &damaged)?;
        let mut flipped = bytes.clone();
        flipped[at] ^= 0x10;
        fs::write(damaged.join("log").join(first.file_name().context("a name")?), &flipped)?;
        let name = first.file_name().and_then(|name| name.to_str()).context("a name")?.to_lowercase();
        must_refuse(&damaged, &[&name, "offset"])?;
        let replay = run(replicode(&["replay"]).arg(&damaged), b"", Duration::from_secs(60))?;
        assert_eq!(replay.status.code(), Some(1), "replay of a damaged recording: {replay:?}");
    }
    Ok(())
}

#[test]
fn a_missing_segment_is_named() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let data = recorded(dir.path())?;
    let first = segments(&data)?.into_iter().next().context("a log has segments")?;
    fs::remove_file(&first)?;
    must_refuse(&data, &["log"])
}

#[test]
fn the_data_of_another_cluster_is_refused() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (a, b) = (dir.path().join("a"), dir.path().join("b"));
    fs::create_dir_all(&a)?;
    fs::create_dir_all(&b)?;
    let (mine, theirs) = (recorded(&a)?, recorded(&b)?);
    fs::remove_dir_all(mine.join("log"))?;
    copy(&theirs.join("log"), &mine.join("log"))?;
    must_refuse(&mine, &["cluster"])
}

#[test]
fn a_recording_of_another_module_is_refused() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let data = recorded(dir.path())?;
    let output = run(
        replicode(&["run"]).arg(guest("echo")).args(["--publish", "0:7", "--data"]).arg(&data),
        b"",
        Duration::from_secs(60),
    )?;
    let text = String::from_utf8_lossy(&output.stderr).to_lowercase();
    assert!(output.status.code().is_some_and(|code| code == 1 || code == 2), "{output:?}");
    assert!(text.contains("module") || text.contains("program"), "{text}");
    Ok(())
}

#[test]
fn two_processes_do_not_share_a_data_directory() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let data = dir.path().join("data");
    let server = Server::run_kv(&guest("kv"), 6379, &data, &[])?;
    must_refuse(&data, &[&server.process.pid().to_string()])
}
