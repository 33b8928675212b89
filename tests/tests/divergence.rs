//! A build that plants a nondeterminism in one node must be caught: that node stops and names batch and system call, the
//! others go on. Two recordings that differ are told apart at the first call.

use anyhow::{Context, Result};
use replicode_tests::cluster::{Cluster, START, ping, replicode};
use replicode_tests::process::{Process, run};
use replicode_tests::resp::Resp;
use replicode_tests::{binary, check, eventually, guest};
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(30);

/// The binary built with `--features planted-nondeterminism`, beside the ordinary one.
fn planted() -> PathBuf {
    let path = binary().with_file_name("replicode-planted");
    assert!(
        path.is_file(),
        "{} is missing: run `cargo build --release -p replicode --features planted-nondeterminism --bin replicode-planted`",
        path.display()
    );
    path
}

#[test]
fn a_planted_nondeterminism_stops_that_node_and_no_other() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut cluster = Cluster::start_kv(&guest("kv"), 3, &dir.path().join("c"), &[])?;
    let leader = cluster.leader()?;
    let victim = 1 + leader % 3;
    cluster.kill(victim)?;
    let log = dir.path().join("planted.log");
    let mut command = Command::new(planted());
    command.args(["node", "--data"]).arg(cluster.dir(victim)).env("REPLICODE_PLANT", "1");
    let mut node = Process::start(&mut command, &log)?;
    eventually("the planted node to serve", START, || ping(cluster.port(victim)))
        .or_else(|error| if node.is_running()? { Err(error) } else { Ok(()) })?;
    // Work for the digests to be compared about, through a healthy node.
    let healthy = cluster.port(leader);
    let status = eventually("the planted node to stop", TIMEOUT, || {
        let mut resp = Resp::connect(healthy, TIMEOUT)?;
        for i in 0..50 {
            resp.command(&["SET", &format!("k{i}"), "v"])?;
            resp.command(&["SPOP", "nothing"])?;
        }
        check(!node.is_running()?, || "it still runs".into())?;
        node.wait(TIMEOUT)
    })
    .with_context(|| node.output())?;
    assert_eq!(status.code(), Some(1), "{}", node.output());
    let bundle = fs::read_dir(cluster.dir(victim))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("divergence-")))
        .context("the node leaves a report")?;
    let report = fs::read_to_string(&bundle)?;
    for word in ["batch", "call"] {
        assert!(report.contains(word), "the report names the {word}:\n{report}");
    }
    for node in (1..=3).filter(|node| *node != victim) {
        ping(cluster.port(node))?;
    }
    Ok(())
}

#[test]
fn diff_finds_the_first_call_in_which_two_recordings_differ() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let record = |name: &str, words: &[&str]| -> Result<PathBuf> {
        let data = dir.path().join(name);
        let mut command = replicode(&["run"]);
        command.arg(guest("hello")).arg("--data").arg(&data).arg("--").args(words);
        let output = run(&mut command, b"", TIMEOUT)?;
        assert!(output.status.success(), "{output:?}");
        Ok(data)
    };
    let (a, b) = (record("a", &["same"])?, record("b", &["other"])?);
    let same = run(replicode(&["diff"]).args([&a, &a]), b"", TIMEOUT)?;
    assert_eq!(same.status.code(), Some(0), "{same:?}");
    let differ = run(replicode(&["diff"]).args([&a, &b]), b"", TIMEOUT)?;
    assert_eq!(differ.status.code(), Some(1), "{differ:?}");
    let text = String::from_utf8_lossy(&differ.stdout).into_owned() + &String::from_utf8_lossy(&differ.stderr);
    assert!(text.contains("args_") || text.contains("fd_write"), "the first differing call is named: {text}");
    Ok(())
}

#[test]
fn a_recording_of_another_engine_is_refused() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let data = dir.path().join("data");
    let output = run(replicode(&["run"]).arg(guest("hello")).arg("--data").arg(&data), b"", TIMEOUT)?;
    assert!(output.status.success(), "{output:?}");
    // The configuration's digest is in the log's header, so a foreign engine shows either way; change it consistently
    // is not possible from outside, which is the point.
    let path = data.join("genesis.bin");
    let mut genesis = fs::read(&path)?;
    // A magic and the number of the format come first.
    let encoded = genesis.split_off(12);
    let config = replicode_log::codec::decode::<replicode_log::ClusterConfig>("genesis", &encoded, 1 << 20);
    let mut config = config.map_err(|error| anyhow::anyhow!("genesis.bin: {error}"))?;
    config.engine = replicode_log::Digest::of(b"another engine");
    genesis.extend(replicode_log::codec::encode(&config));
    fs::write(&path, genesis)?;
    for command in [vec!["replay"], vec!["node", "--data"]] {
        let output = run(replicode(&command).arg(&data), b"", TIMEOUT)?;
        let text = String::from_utf8_lossy(&output.stderr).to_lowercase();
        assert_eq!(output.status.code(), Some(1), "{command:?}: {text}");
        assert!(text.contains("engine"), "{command:?}: {text}");
    }
    Ok(())
}
