//! What programs print on a node: bounded, the same after every start, and friendly to whoever rotates logs.

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use replicode_tests::cluster::{json, replicode};
use replicode_tests::process::{Process, run};
use replicode_tests::{check, eventually, free_ports, guest};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

/// Makes the directory of a cluster of one node; answers the node's.
fn init(tmp: &Path, program: &str, extra: &[&str]) -> Result<PathBuf> {
    let root = tmp.join("c");
    let mut command = replicode(&["init"]);
    command.arg(&root).arg(guest(program)).args(["--nodes", &format!("127.0.0.1:{}", free_ports(1))]).args(extra);
    let made = run(&mut command, b"", LIMIT)?;
    check(made.status.success(), || String::from_utf8_lossy(&made.stderr).into_owned())?;
    Ok(root.join("node-1"))
}

fn start(dir: &Path) -> Result<Process> {
    Process::start(replicode(&["node", "--data"]).arg(dir), &dir.with_extension("said"))
}

fn stop(mut node: Process) -> Result<()> {
    node.signal(Signal::SIGTERM)?;
    let status = node.wait(LIMIT)?;
    check(status.success(), || format!("it ended with {status}: {}", node.output()))
}

fn text(path: PathBuf) -> Result<String> {
    let bytes = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[test]
fn output_without_end_is_cut_and_a_restart_prints_nothing_twice() -> Result<()> {
    let tmp = tempfile::tempdir()?;
    let tree = tmp.path().join("tree");
    fs::create_dir(&tree)?;
    let lines: String = (0..10_000).map(|n| format!("this is line {n:05}\n")).collect();
    fs::write(tree.join("lines"), &lines)?;
    let import = format!("{}:/", tree.display());
    let dir = init(tmp.path(), "cat", &["--dir", &import, "--", "/lines", "/lines", "/lines"])?;
    let config = fs::read_to_string(dir.join("node.toml"))?;
    let small = config.replace("console_bytes = 67108864", "console_bytes = 131072");
    ensure!(small != config, "node.toml has no console_bytes: {config}");
    fs::write(dir.join("node.toml"), small)?;
    let mut before = None;
    for _ in 0..3 {
        let node = start(&dir)?;
        eventually("the program to end", LIMIT, || {
            let status = json(&["status", &dir.to_string_lossy()])?;
            check(status["ended"][0]["how"] == "exit 0", || format!("{status}"))
        })?;
        stop(node)?;
        let (aside, now) = (text(dir.join("stdout.log.1"))?, text(dir.join("stdout.log"))?);
        ensure!(aside.len() <= 65_536 + 200 && now.len() <= 65_536, "{} and {} bytes", aside.len(), now.len());
        let first = now.lines().next().unwrap_or_default();
        ensure!(first.contains("console_bytes is reached") && first.contains("stdout.log.1"), "it begins with {first}");
        ensure!(now.ends_with("this is line 09999\n"), "the newest output is missing");
        ensure!(text(dir.join("node.log"))?.contains("half of console_bytes"), "node.log says nothing");
        ensure!(before.is_none() || before == Some((aside.clone(), now.clone())), "a restart changed the files");
        before = Some((aside, now));
    }
    Ok(())
}

#[test]
fn logs_can_be_emptied_or_moved_away_while_a_node_runs() -> Result<()> {
    let tmp = tempfile::tempdir()?;
    let dir = init(tmp.path(), "clock", &["--", "1000000"])?;
    let out = dir.join("stdout.log");
    let mut node = start(&dir)?;
    let grows =
        |to: u64| eventually("output", LIMIT, || check(fs::metadata(&out)?.len() >= to, || "too little".to_string()));
    grows(2_000)?;
    // As `copytruncate` does.
    fs::OpenOptions::new().write(true).open(&out)?.set_len(0)?;
    grows(1_000)?;
    let after = fs::read(&out)?;
    ensure!(after.starts_with(b"round ") && !after.contains(&0), "it begins with {:?}", &after[..32]);
    // As `create` does.
    for name in ["stdout.log", "node.log"] {
        fs::rename(dir.join(name), dir.join(format!("{name}.moved")))?;
    }
    node.signal(Signal::SIGHUP)?;
    eventually("new files", LIMIT, || {
        ensure!(node.is_running()?, "the node has ended: {}", node.output());
        check(dir.join("node.log").exists() && fs::metadata(&out)?.len() > 1_000, || "nothing is in them".to_string())
    })?;
    // Killed at whatever it does, and started again: every line once.
    for _ in 0..2 {
        node.signal(Signal::SIGKILL)?;
        node.wait(LIMIT)?;
        node = start(&dir)?;
        grows(fs::metadata(&out)?.len() + 500)?;
    }
    stop(node)?;
    let both = text(dir.join("stdout.log.moved"))? + &text(out.clone())?;
    let rounds: Vec<u64> = both
        .lines()
        .map(|line| line.split(' ').nth(1).and_then(|n| n.parse().ok()).with_context(|| format!("no round: {line:?}")))
        .collect::<Result<_>>()?;
    let gap = rounds.windows(2).find(|pair| pair[0] + 1 != pair[1]);
    check(gap.is_none(), || format!("rounds {gap:?} follow each other"))
}
