//! A node is killed right before any of the changes to files that it makes while it starts, takes load, goes on to a new
//! segment of its log and stops: what it had acknowledged is there when it starts again, once, and it starts.
//!
//! A few moments each time; all of them with `REPLICODE_CRASH_POINTS=all`. First starts: `starts.rs`.

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::Signal;
use replicode_tests::cluster::{START, Server, ping, replicode};
use replicode_tests::crash::moments;
use replicode_tests::process::{Process, run, signal_pid};
use replicode_tests::resp::{Resp, Value};
use replicode_tests::{check, eventually, free_ports, guest};
use serde_json::Value as Json;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(60);
/// How many moments are tried, unless all are.
const SAMPLE: usize = 10;
/// Bytes of a value and how many there are: more than the first segment of a log holds (1 MiB).
const VALUE: usize = 40_000;
const VALUES: usize = 40;

/// Appends to the list until the node dies or the last value is there; answers what was acknowledged.
fn load(port: u16, node: &mut Process) -> Result<usize> {
    let began = Instant::now();
    let mut resp = loop {
        match ping(port).and_then(|()| Resp::connect(port, LIMIT)) {
            Ok(resp) => break resp,
            Err(_) if !node.is_running()? => return Ok(0),
            Err(error) if began.elapsed() > START => return Err(error.context(node.output())),
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    let padding = "x".repeat(VALUE);
    for number in 0..VALUES {
        match resp.command(&["RPUSH", "values", &format!("{number}:{padding}")]) {
            Ok(Value::Integer(length)) if length == number as i64 + 1 => {}
            Ok(other) => bail!("append {number} answered {other:?}"),
            Err(_) => return Ok(number),
        }
    }
    Ok(VALUES)
}

/// The command that starts the node, for the first time and again.
fn command_line(data: &Path, port: u16) -> Command {
    let mut command = replicode(&["run"]);
    command.arg(guest("kv")).args(["--publish", &format!("{port}:6379"), "--data"]).arg(data);
    command
}

/// Starts the node under the tracer, gives it load and stops it. Answers what the tracer saw and what was acknowledged.
fn traced(data: &Path, port: u16, kill: Option<usize>) -> Result<(Json, usize)> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crashpoint"));
    command.arg(data);
    if let Some(kill) = kill {
        command.args(["--kill", &kill.to_string()]);
    }
    let node = command_line(data, port);
    command.arg("--").arg(node.get_program()).args(node.get_args());
    let mut tracer = Process::start(&mut command, &data.with_extension("traced"))?;
    let acknowledged = load(port, &mut tracer)?;
    if acknowledged == VALUES {
        let pid = fs::read_to_string(data.join("pid")).unwrap_or_default();
        // It may have died meanwhile.
        let _ = pid.trim().parse().map(|pid| signal_pid(pid, Signal::SIGINT));
    }
    tracer.wait(LIMIT)?;
    let said = tracer.output();
    let last = said.lines().last().unwrap_or_default();
    Ok((serde_json::from_str(last).with_context(|| format!("the tracer said {said}"))?, acknowledged))
}

/// Starts the node as usual: all that was acknowledged is there, and at most the one value more that was on its way.
fn holds(data: &Path, port: u16, acknowledged: usize) -> Result<()> {
    let mut node = Process::start(&mut command_line(data, port), &data.with_extension("again"))?;
    eventually("the node to serve", START, || {
        ensure!(node.is_running()?, "it has ended: {}", node.output());
        ping(port)
    })?;
    let mut resp = Resp::connect(port, LIMIT)?;
    let Value::Array(values) = resp.command(&["LRANGE", "values", "0", "-1"])? else { bail!("no list") };
    for (number, value) in values.iter().enumerate() {
        let text = value.text().context("a string")?;
        let right = text.starts_with(&format!("{number}:x")) && text.len() > VALUE;
        check(right, || format!("value {number} is {}", &text[..text.len().min(20)]))?;
    }
    let possible = acknowledged..=(acknowledged + 1).min(VALUES);
    check(possible.contains(&values.len()), || format!("{} values of {acknowledged} acknowledged", values.len()))?;
    resp.command(&["SET", "after", "1"])?;
    node.signal(Signal::SIGINT)?;
    let status = node.wait(LIMIT)?;
    check(status.success(), || format!("it ended with {status}: {}", node.output()))?;
    let replay = run(replicode(&["replay"]).arg(data), b"", LIMIT)?;
    check(replay.status.success(), || format!("replay: {}", String::from_utf8_lossy(&replay.stderr)))
}

#[test]
fn a_node_killed_at_any_change_to_a_file_has_what_it_acknowledged() -> Result<()> {
    let tmp = tempfile::tempdir()?;
    let kept = tmp.path().join("kept");
    let port = free_ports(1);
    let mut first = Server::run_on(&guest("kv"), port, 6379, &kept, &[])?;
    Resp::connect(port, LIMIT)?.command(&["SET", "before", "1"])?;
    first.process.signal(Signal::SIGINT)?;
    check(first.process.wait(LIMIT)?.success(), || first.process.output())?;
    let copy = |name: String| -> Result<_> {
        let data = tmp.path().join(name);
        let copied = Command::new("cp").arg("-a").arg(&kept).arg(&data).status()?;
        check(copied.success(), || "cannot copy the directory".into())?;
        Ok(data)
    };

    let data = copy("whole".into())?;
    let (whole, acknowledged) = traced(&data, port, None)?;
    ensure!((acknowledged, &whole["code"]) == (VALUES, &Json::from(0)), "{acknowledged} acknowledged, {whole}");
    let segments = fs::read_dir(data.join("log"))?.filter_map(Result::ok);
    let segments = segments.filter(|entry| entry.path().extension().is_some_and(|kind| kind == "log")).count();
    ensure!(segments > 1, "the log did not go on to another segment");
    holds(&data, port, VALUES)?;

    let changes = whole["changes"].as_array().context("no list of changes")?.len();
    let mut killed = 0;
    for at in moments(changes, SAMPLE) {
        let data = copy(at.to_string())?;
        let (seen, acknowledged) = traced(&data, port, Some(at))?;
        let moment = seen["changes"].as_array().and_then(|changes| changes.last()).cloned();
        holds(&data, port, acknowledged).with_context(|| {
            format!("after SIGKILL at change {at} of {changes}: {moment:?}, {acknowledged} acknowledged")
        })?;
        killed += usize::from(seen["killed"] == true);
        fs::remove_dir_all(&data)?;
    }
    eprintln!("killed at {killed} of {changes} changes to files");
    ensure!(killed * 2 >= SAMPLE.min(changes), "was killed only {killed} times");
    Ok(())
}
