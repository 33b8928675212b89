//! Programs that end: started again with their files, on all nodes alike; killed and started by an operator; their files
//! copied out of a recording.

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use replicode_tests::cluster::{Cluster, START, json, replicode};
use replicode_tests::process::{Process, run};
use replicode_tests::{check, eventually, guest};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

const TIMEOUT: Duration = Duration::from_secs(10);

/// A connection to the notes guest.
struct Notes(BufReader<TcpStream>);

impl Notes {
    fn connect(port: u16) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        Ok(Self(BufReader::new(stream)))
    }

    fn ask(&mut self, command: &str) -> Result<String> {
        writeln!(self.0.get_mut(), "{command}")?;
        self.answer()
    }

    fn answer(&mut self) -> Result<String> {
        let mut line = String::new();
        check(self.0.read_line(&mut line)? > 0, || "the connection has ended".into())?;
        Ok(line.trim_end().to_string())
    }
}

fn ask(port: u16, command: &str) -> Result<String> {
    Notes::connect(port)?.ask(command)
}

fn await_answer(cluster: &Cluster, command: &str, expected: &str) -> Result<()> {
    for node in 1..=cluster.nodes {
        eventually(&format!("node {node} to answer"), START, || {
            let answer = ask(cluster.port(node), command)?;
            check(answer == expected, || format!("{command} answered {answer:?}, not {expected:?}"))
        })
        .with_context(|| format!("output of the cluster:\n{}", cluster.output()))?;
    }
    Ok(())
}

/// Runs `replicode start` or `kill`; its exit code and all that it says.
fn order(cluster: &Cluster, what: &str, node: u16, name: &str) -> Result<(Option<i32>, String)> {
    finished(&[what.as_ref(), cluster.dir(node).as_os_str(), name.as_ref()])
}

fn finished(args: &[&std::ffi::OsStr]) -> Result<(Option<i32>, String)> {
    let output = run(&mut replicode(args), b"", Duration::from_secs(60))?;
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Ok((output.status.code(), said))
}

fn export(dir: &Path, out: &Path, more: &[&str]) -> Result<(Option<i32>, String)> {
    let mut args = vec!["export".as_ref(), dir.as_os_str(), out.as_os_str()];
    args.extend(more.iter().map(|arg| std::ffi::OsStr::new(*arg)));
    finished(&args)
}

#[test]
fn a_program_that_ran_out_of_memory_serves_again_with_its_files() -> Result<()> {
    let tmp = tempfile::tempdir()?;
    let mut cluster = Cluster::start(&guest("notes"), 3, 7000, &tmp.path().join("c"), &["--limit", "memory_bytes=4M"])?;
    await_answer(&cluster, "get plan", "none")?;
    assert_eq!(ask(cluster.port(1), "put plan to go on")?, "ok");

    // One client fills the memory. It is reset, and so is another one on another node.
    let mut other = Notes::connect(cluster.port(2))?;
    assert_eq!(other.ask("get plan")?, "to go on");
    let mut greedy = Notes::connect(cluster.port(1))?;
    while greedy.ask("hold 512").is_ok() {}
    let end = other.answer().map_err(|error| format!("{error:#}"));
    check(end.is_err(), || format!("{end:?}"))?;
    await_answer(&cluster, "get plan", "to go on")?;
    let ended = cluster.await_agreement(TIMEOUT)?["ended"].clone();
    assert_eq!((&ended[0]["code"], &ended[0]["again"]["pid"]), (&1.into(), &2.into()), "{ended:#}");
    let rows = json(&["ps", &cluster.dir(3).to_string_lossy()])?;
    let state = rows[0]["state"].as_str().unwrap_or_default();
    check(state.ends_with("exit 1; started again as process 2"), || format!("{rows:#}"))?;

    // An operator's word, to any node.
    for (what, node, name, code, says) in [
        ("start", 1, "notes", 1, "'notes' runs already, as process 2"),
        ("kill", 3, "tea", 1, "there is no program 'tea' in the cell: it has notes"),
        ("kill", 3, "notes", 0, "ended 'notes', process 2"),
        ("kill", 1, "notes", 1, "'notes' does not run"),
    ] {
        let (exit, said) = order(&cluster, what, node, name)?;
        check(exit == Some(code) && said.contains(says), || format!("{what} {name}: {exit:?}: {said}"))?;
    }
    let refused = ask(cluster.port(2), "get plan");
    check(refused.is_err(), || format!("nobody should be there: {refused:?}"))?;
    let started = json(&["start", &cluster.dir(2).to_string_lossy(), "notes"])?;
    assert_eq!(started, serde_json::json!({"program": "notes", "pids": [3]}));
    await_answer(&cluster, "get plan", "to go on")?;

    // A node that starts again comes to the same point.
    cluster.kill(2)?;
    assert_eq!(ask(cluster.port(3), "put more of it")?, "ok");
    cluster.revive(2)?;
    await_answer(&cluster, "get more", "of it")?;
    let state = cluster.await_agreement(TIMEOUT)?;
    assert_eq!(state["ended"].as_array().map(Vec::len), Some(2), "{state:#}");
    cluster.stop()?;
    let said = cluster.output();
    check(said.contains("started again as process 2"), || said.clone())?;

    for node in 1..=3 {
        let found = json(&["replay", &cluster.dir(node).to_string_lossy()])?;
        assert_eq!((&found["ok"], &found["restarts"]), (&true.into(), &1.into()), "{found:#}");
    }
    let trace = run(replicode(&["replay", "--trace"]).arg(cluster.dir(1)), b"", Duration::from_secs(60))?;
    let trace = String::from_utf8_lossy(&trace.stdout);
    for line in
        ["[1 notes] +++ exit 1; starts again after 0.1 s (short run number 1", "[2] +++ started again after process 1"]
    {
        check(trace.contains(line), || format!("no '{line}' in {trace}"))?;
    }
    let [one, two] = [1, 2].map(|node| cluster.dir(node));
    assert_eq!(json(&["diff", &one.to_string_lossy(), &two.to_string_lossy()])?["equal"], true);

    // The files can be had without any program that would serve them.
    let out = tmp.path().join("files");
    let (code, said) = export(&one, &out, &[])?;
    check(code == Some(0) && said.contains("wrote 2 files"), || format!("{code:?}: {said}"))?;
    assert_eq!((fs::read(out.join("plan"))?, fs::read(out.join("more"))?), (b"to go on".to_vec(), b"of it".to_vec()));
    let (code, said) = export(&one, &out, &[])?;
    check(code == Some(1) && said.contains("it is not empty"), || format!("{code:?}: {said}"))?;
    let early = tmp.path().join("early");
    assert_eq!(export(&two, &early, &["--until", "1"])?.0, Some(0));
    assert_eq!(fs::read_dir(&early)?.count(), 0);
    let (code, said) = export(&two, &tmp.path().join("late"), &["--until", "999999"])?;
    check(code == Some(1) && said.contains("the recording ends with batch"), || format!("{code:?}: {said}"))?;
    let left: Vec<_> = fs::read_dir(tmp.path())?.map(|it| it.map(|it| it.file_name())).collect::<Result<_, _>>()?;
    check(left.iter().all(|name| !name.to_string_lossy().contains("partial")), || format!("{left:?}"))
}

#[test]
fn a_program_that_fails_at_once_is_tried_ever_more_rarely() -> Result<()> {
    let tmp = tempfile::tempdir()?;
    let began = Instant::now();
    let mut cluster = Cluster::start(&guest("notes"), 3, 7000, &tmp.path().join("c"), &["--", "--doomed"])?;
    let pauses = |state: &serde_json::Value| -> Vec<u64> {
        let ended = state["ended"].as_array().map(Vec::as_slice).unwrap_or_default();
        ended.iter().filter_map(|ending| ending["again"]["pause_ms"].as_u64()).collect()
    };
    let state = eventually("five starts", START, || {
        let state = cluster.status(1)?;
        check(pauses(&state).len() >= 5, || format!("{state:#}"))?;
        Ok(state)
    })?;
    assert_eq!(pauses(&state)[..5], [100, 200, 400, 800, 1600]);
    // Next to nothing is agreed on while it waits: the starts themselves, and the nodes' reports.
    let batches = state["applied_index"].as_u64().context("no index")?;
    let time = began.elapsed();
    check(batches < 60, || format!("{batches} batches in {time:?}"))?;
    // It can be called off.
    let (code, said) = order(&cluster, "kill", 2, "notes")?;
    check(code == Some(0) && said.contains("its next start is called off"), || format!("{code:?}: {said}"))?;
    let state = cluster.await_agreement(TIMEOUT)?;
    let last = state["ended"].as_array().and_then(|ended| ended.last()).context("nothing has ended")?;
    check(last["again"].is_null(), || format!("{last:#}"))?;
    cluster.stop()
}

#[test]
fn a_run_goes_on_when_its_program_is_to_be_started_again() -> Result<()> {
    let args = |restart: &[&str]| {
        let mut args = vec!["run".to_string(), guest("notes").to_string_lossy().into_owned()];
        args.extend(restart.iter().map(ToString::to_string));
        args.extend(["--", "--doomed"].map(String::from));
        args
    };
    // Never, unless it is told to.
    let output = run(&mut replicode(&args(&[])), b"", Duration::from_secs(60))?;
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(1), &b"notes: doomed\n"[..]));
    let tmp = tempfile::tempdir()?;
    let mut again = replicode(&args(&["--restart", "notes=on-failure"]));
    let mut process = Process::start(&mut again, &tmp.path().join("log"))?;
    eventually("three starts", START, || {
        let said = process.output();
        check(said.matches("notes: doomed").count() >= 3, || said)
    })?;
    process.signal(Signal::SIGINT)?;
    assert_eq!(process.wait(TIMEOUT)?.code(), Some(130), "{}", process.output());
    Ok(())
}

/// A module that cannot be instantiated: its only data lie beyond its memory. By hand, since a compiler makes none.
const MISFIT: [&[u8]; 6] = [
    b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0",
    b"\x03\x02\x01\0\x05\x03\x01\0\x01",
    b"\x07\x13\x02\x06memory\x02\0\x06_start\0\0",
    b"\x0a\x04\x01\x02\0\x0b",
    b"\x0b\x09\x01\0\x41\xf0\xa2\x04\x0b\x01",
    b"x",
];

#[test]
fn a_start_that_no_node_can_make_is_told_and_the_nodes_stay_equal() -> Result<()> {
    let tmp = tempfile::tempdir()?;
    let module = tmp.path().join("misfit.wasm");
    fs::write(&module, MISFIT.concat())?;
    let mut cluster = Cluster::start(&module, 3, 7000, &tmp.path().join("c"), &["--restart", "never"])?;
    eventually("the nodes to run", START, || {
        (1..=3).try_for_each(|node| check(cluster.status(node)?["boot"] == 1, || "not admitted".into()))
    })?;
    for node in 1..=3 {
        let (code, said) = order(&cluster, "start", node, "misfit")?;
        let pid = node + 1;
        check(code == Some(0) && said.contains(&format!("as process {pid}")), || format!("{code:?}: {said}"))?;
        let state = cluster.await_agreement(TIMEOUT)?;
        let ended = state["ended"].as_array().context("nothing has ended")?;
        check(ended.len() == usize::from(pid) && state["faults"].is_null(), || format!("{state:#}"))?;
        check(ended.iter().all(|it| it.to_string().contains("OutOfBounds")), || format!("{ended:#?}"))?;
    }
    // `up` looks at its nodes now and then.
    eventually("up to tell", TIMEOUT, || check(cluster.output().contains("trap: OutOfBounds"), || cluster.output()))?;
    cluster.stop()
}
