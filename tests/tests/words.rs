//! What commands say where they cannot do what was meant: an output that is full or closed, a second start, a node that is
//! paused, starting or busy, a recording without witnesses, files that are not what they should be.

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use replicode_tests::cluster::{START, json, replicode};
use replicode_tests::process::{Process, run, signal_pid};
use replicode_tests::{check, eventually, guest};
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

const TIMEOUT: Duration = Duration::from_secs(60);
/// How long a command waits for a node's answer.
const CLIENT_WAITS: Duration = Duration::from_secs(10);

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs to the end; exit code and what was said on both streams.
fn said(command: &mut Command) -> Result<(Option<i32>, String, String)> {
    let Output { status, stdout, stderr } = run(command, b"", TIMEOUT)?;
    Ok((status.code(), text(&stdout), text(&stderr)))
}

/// A cluster of one node on this machine, in `DIR/node-1`.
fn make_node(dir: &Path, module: &str) -> Result<std::path::PathBuf> {
    let (code, _, why) = said(replicode(&["init"]).arg(dir).arg(guest(module)).args(["--nodes", "127.0.0.1:1"]))?;
    check(code == Some(0), || format!("init failed: {why}"))?;
    Ok(dir.join("node-1"))
}

fn start_node(dir: &Path, log: &Path) -> Result<Process> {
    Process::start(replicode(&["node", "--data"]).arg(dir), log)
}

/// An output that takes nothing: one whose other end is closed, or a full one.
fn deaf(closed: bool) -> Result<Stdio> {
    Ok(if closed { std::io::pipe()?.1.into() } else { File::options().write(true).open("/dev/full")?.into() })
}

#[test]
fn an_output_that_is_full_or_closed_is_a_failure_and_no_panic() -> Result<()> {
    let tmp = tempfile::tempdir()?;
    let path = |name: &str| tmp.path().join(name).to_string_lossy().into_owned();
    let (hello, recording) = (guest("hello").to_string_lossy().into_owned(), path("recording"));
    said(&mut replicode(&["run", &hello, "--data", &recording]))?;
    let dir = make_node(tmp.path().join("live").as_path(), "echo")?;
    let live = dir.to_string_lossy().into_owned();
    let _node = start_node(&dir, &tmp.path().join("node.log"))?;
    eventually("the node to run", START, || check(json(&["status", &live])?["boot"] == 1, || "not yet".into()))?;

    let mut commands: Vec<Vec<String>> = Vec::new();
    let mut add = |line: &[&str]| commands.push(line.iter().map(ToString::to_string).collect());
    add(&["--version"]);
    add(&["help"]);
    for command in ["status", "ps", "nat", "log"] {
        add(&[command, &live]);
        add(&[command, &live, "--json"]);
    }
    for command in [&["log", &recording][..], &["replay", &recording], &["diff", &recording, &recording]] {
        add(command);
        add(&[command, &["--json"]].concat());
    }
    add(&["replay", "--trace", &recording]);
    add(&["run", &hello]);
    add(&["up", &hello, "--nodes", "1", "--data", &path("up")]);
    // Whatever commands there are, they have help.
    let (_, help, _) = said(&mut replicode(&["--help"]))?;
    let listed = help.split_once("Commands:\n").context("the help lists the commands")?.1;
    let names = listed.lines().take_while(|line| !line.is_empty()).filter_map(|line| line.split_whitespace().next());
    for name in names.filter(|name| *name != "help") {
        add(&[name, "--help"]);
    }
    for (number, command) in commands.iter().enumerate() {
        for closed in [false, true] {
            let errors = tmp.path().join(format!("errors-{number}-{closed}"));
            let mut child =
                replicode(command).stdin(Stdio::null()).stdout(deaf(closed)?).stderr(File::create(&errors)?).spawn()?;
            if command[0] == "up" && command.len() > 2 {
                // It goes on without its output until it is told to stop.
                let told = || check(fs::read_to_string(&errors)?.contains("goes on"), || "not told".into());
                eventually("up to tell that its output is lost", TIMEOUT, told)?;
                signal_pid(child.id(), Signal::SIGTERM)?;
            }
            let code = child.wait()?.code();
            let said = fs::read_to_string(&errors)?;
            assert!(code == Some(1) && !said.contains("panicked"), "{command:?} closed {closed}: {code:?}, {said}");
            // Whoever hung up wants no word; a full disk is told.
            assert!(closed || said.contains("standard output"), "{command:?}: {said}");
        }
    }
    // What could not be said has been done all the same: a program was ended, and started; files were written.
    for (number, closed) in [(0, false), (1, true)] {
        let out = path(&format!("exported-{number}"));
        for line in [&["kill", &live, "echo"][..], &["start", &live, "echo"], &["export", &recording, &out]] {
            let errors = tmp.path().join("errors");
            let mut command = replicode(line);
            command.stdin(Stdio::null()).stdout(deaf(closed)?).stderr(File::create(&errors)?);
            let (code, said) = (command.status()?.code(), fs::read_to_string(&errors)?);
            assert!(code == Some(1) && !said.contains("panicked"), "{line:?} closed {closed}: {code:?}, {said}");
            assert!(closed || said.contains("standard output"), "{line:?}: {said}");
            let running =
                json(&["ps", &live])?.as_array().into_iter().flatten().filter(|row| row["pid"] == 2 + number).count();
            assert_eq!(running, usize::from(line[0] != "kill"), "{line:?}");
        }
        assert!(Path::new(&out).is_dir());
    }
    // A `make_node` that could not say so has made its directory all the same.
    let full = File::options().write(true).open("/dev/full")?;
    let made = replicode(&["init", &path("made"), &hello, "--nodes", "127.0.0.1:1"]).stdout(full).output()?;
    assert_eq!(made.status.code(), Some(1), "{}", text(&made.stderr));
    Ok(())
}

#[test]
fn a_second_start_uses_what_genesis_imported() -> Result<()> {
    let tmp = tempfile::tempdir()?;
    let www = tmp.path().join("www");
    fs::create_dir(&www)?;
    let cat = |dirs: &[&str], data: &str, file: &str| {
        let mut command = replicode(&["run"]);
        command.current_dir(tmp.path()).arg(guest("cat")).args(["--data", data]);
        dirs.iter().for_each(|dir| _ = command.args(["--dir", dir]));
        said(command.args(["--", file]))
    };
    for (n, now) in ["then", "later", ""].into_iter().enumerate() {
        if now.is_empty() {
            fs::remove_dir_all(&www)?;
        } else {
            fs::write(www.join("a"), now)?;
        }
        let (code, out, err) = cat(&["./www:/www:ro"], "d", "/www/a")?;
        assert_eq!((code, out.as_str()), (Some(0), "then"), "{err}");
        assert_eq!(err.matches("imported when d was made").count(), usize::from(n > 0), "{err}");
    }
    // What was not imported then is another cell.
    for (dirs, says) in [
        (&[][..], "/www recorded, no --dir for it asked for"),
        (&["./www:/www"], "/www: :ro recorded, writable asked for"),
        (&["./www:/www:ro", ".:/etc"], "nothing recorded as /etc"),
    ] {
        let (code, _, err) = cat(dirs, "d", "/www/a")?;
        assert!(code == Some(1) && err.contains(says), "{dirs:?}: {err}");
    }
    // The data directory is no part of what it holds.
    fs::write(tmp.path().join("b"), "then")?;
    for _ in 0..2 {
        let (code, out, err) = cat(&[".:/"], "inside/data", "/b")?;
        assert_eq!((code, out.as_str()), (Some(0), "then"), "{err}");
        fs::write(tmp.path().join("b"), "later")?;
    }
    let (code, _, err) = cat(&[".:/"], "inside/data", "/inside/data/genesis.bin")?;
    assert!(code == Some(1) && err.contains("No such file"), "{err}");

    fs::create_dir(&www)?;
    for start in 0..2 {
        let log = tmp.path().join(format!("up-{start}.log"));
        let mut command = replicode(&["up"]);
        command.current_dir(tmp.path()).arg(guest("echo")).args(["--nodes", "1", "--data", "u", "--dir", "./www:/www"]);
        let mut up = Process::start(&mut command, &log)?;
        eventually("up to serve", START, || {
            check(up.is_running()?, || format!("it has ended: {}", up.output()))?;
            check(up.output().contains("runs as process"), || "not yet".into())
        })?;
        assert_eq!(up.output().matches("imported when u was made").count(), start, "{}", up.output());
        fs::write(www.join("new"), "x")?;
        up.signal(Signal::SIGTERM)?;
        assert_eq!(up.wait(TIMEOUT)?.code(), Some(0), "{}", up.output());
    }
    Ok(())
}

#[test]
fn what_was_not_compared_is_not_the_same() -> Result<()> {
    let tmp = tempfile::tempdir()?;
    let data = tmp.path().join("d").to_string_lossy().into_owned();
    said(replicode(&["run"]).arg(guest("hello")).args(["--data", &data]))?;
    let replay = |extra: &[&str]| said(&mut replicode(&[&["replay", &data][..], extra].concat()));
    assert!(replay(&[])?.1.contains("same: "));
    assert!(replay(&["--until", "0"])?.1.contains("nothing was compared: no batch"));
    fs::remove_file(Path::new(&data).join("digests.bin"))?;
    let (code, out, _) = replay(&[])?;
    assert!(code == Some(0) && out.contains("nothing was compared: neither") && !out.contains("same"), "{out}");
    let found = json(&["replay", &data])?;
    assert_eq!((&found["checked"], &found["reports"]), (&0.into(), &0.into()));

    let diff = |extra: &[&str]| said(&mut replicode(&[&["diff", &data, &data][..], extra].concat()));
    assert!(diff(&[])?.1.starts_with("same: "));
    let (_, out, _) = diff(&["--until", "0"])?;
    assert!(out.contains("nothing was compared") && !out.contains("same"), "{out}");
    let all = json(&["log", &data])?.as_array().map_or(0, Vec::len);
    for limit in 0..=all + 1 {
        let (code, out, _) = said(&mut replicode(&["log", &data, "--limit", &limit.to_string()]))?;
        assert_eq!((code, out.lines().count()), (Some(0), 1 + limit.min(all)), "{out}");
    }
    Ok(())
}

#[test]
fn a_node_that_computes_is_looked_into_and_stopped_in_ten_seconds() -> Result<()> {
    let tmp = tempfile::tempdir()?;
    let mut command = replicode(&["up"]);
    command.current_dir(tmp.path()).arg(guest("cpu")).args(["--nodes", "1", "--data", "u", "--", "1000000000"]);
    let mut up = Process::start(&mut command, &tmp.path().join("up.log"))?;
    let dir = tmp.path().join("u/node-1");
    let node = dir.to_string_lossy().into_owned();
    let row = eventually("the first batch to run", START, || {
        let row = json(&["ps", &node])?[0].clone();
        check(row["state"].as_str().is_some_and(|state| state.contains("#1 has been running")), || row.to_string())?;
        Ok(row)
    })?;
    assert!(row["name"] == "cpu" && row["pid"] == 1 && row["calls"].is_null(), "{row}");
    let (_, status, _) = said(&mut replicode(&["status", &node]))?;
    assert!(status.contains("has been running") && !status.contains("without system calls"), "{status}");
    let told = Instant::now();
    up.signal(Signal::SIGTERM)?;
    let status = up.wait(TIMEOUT)?;
    let took = told.elapsed();
    assert_eq!(status.code(), Some(1), "{}", up.output());
    assert!(took < Duration::from_secs(10), "up stopped after {took:?}: {}", up.output());
    assert!(up.output().contains("node 1 was stopped the hard way"), "{}", up.output());
    assert!(fs::read_to_string(dir.join("node.log"))?.contains("did not stop in time"));
    Ok(())
}

#[test]
fn a_paused_node_is_told_at_once() -> Result<()> {
    let tmp = tempfile::tempdir()?;
    let dir = make_node(tmp.path(), "echo")?;
    let node = start_node(&dir, &tmp.path().join("node.log"))?;
    let dir = dir.to_string_lossy().into_owned();
    let leads = || check(json(&["status", &dir])?["role"] == "leader", || "not yet".into());
    eventually("the node to lead", START, leads)?;
    node.signal(Signal::SIGSTOP)?;
    let paused = eventually("the node to be paused", TIMEOUT, || {
        let asked = Instant::now();
        let status = json(&["status", &dir])?;
        check(status["role"] == "paused", || status.to_string())?;
        Ok((status, asked.elapsed()))
    });
    let others = ["ps", "nat", "log"].map(|command| said(&mut replicode(&[command, &dir])));
    node.signal(Signal::SIGCONT)?;
    let (status, took) = paused?;
    // Not after the time for which a client waits for an answer.
    assert!(took < CLIENT_WAITS, "answered after {took:?}");
    assert_eq!((&status["pid"], &status["name"], &status["node"]), (&node.pid().into(), &"echo".into(), &1.into()));
    for said in others {
        let (code, _, err) = said?;
        assert!(code == Some(1) && err.contains(&format!("kill -CONT {}", node.pid())), "{err}");
    }
    eventually("the node to lead again", TIMEOUT, leads)
}

#[test]
fn a_start_tells_how_far_its_replay_is() -> Result<()> {
    let tmp = tempfile::tempdir()?;
    let (dir, log) = (tmp.path().join("c/node-1"), tmp.path().join("node.log"));
    let mut command = replicode(&["init"]);
    command.arg(tmp.path().join("c")).arg(guest("cpu")).args(["--nodes", "127.0.0.1:1", "--", "150"]);
    assert_eq!(said(&mut command)?.0, Some(0));
    let name = dir.to_string_lossy().into_owned();
    let ended = || check(!json(&["status", &name])?["ended"][0].is_null(), || "not yet".into());
    let stop = |mut node: Process| -> Result<()> {
        node.signal(Signal::SIGTERM)?;
        check(node.wait(TIMEOUT)?.code() == Some(0), || node.output())
    };
    let first = start_node(&dir, &log)?;
    eventually("the program to end", TIMEOUT, ended)?;
    stop(first)?;
    let second = start_node(&dir, &log)?;
    let status = eventually("the replay", TIMEOUT, || {
        let status = json(&["status", &name])?;
        check(status["replay"]["of"].as_u64().is_some_and(|of| of > 0), || status.to_string())?;
        Ok(status)
    })?;
    assert_eq!(status["replay"]["applied"], 0, "{status}");
    // It takes part meanwhile.
    let status = eventually("the node to lead", TIMEOUT, || {
        let status = json(&["status", &name])?;
        check(status["role"] == "leader", || status.to_string())?;
        Ok(status)
    })?;
    assert_eq!(status["replay"]["applied"], 0, "it leads before it has executed its log: {status}");
    eventually("the program to have ended", TIMEOUT, ended)?;
    assert!(json(&["status", &name])?["replay"].is_null());
    stop(second)
}

#[test]
fn errors_name_the_file_and_the_way_out() -> Result<()> {
    let tmp = tempfile::tempdir()?;
    let path = |name: &str| tmp.path().join(name).to_string_lossy().into_owned();
    let (hello, file) = (guest("hello").to_string_lossy().into_owned(), path("file"));
    fs::write(&file, "#!/bin/sh\n")?;
    let below = format!("{file}/below");
    let refused = |args: &[&str], says: &[&str]| -> Result<()> {
        let (code, _, err) = said(&mut replicode(args))?;
        assert!(matches!(code, Some(1 | 2)) && says.iter().all(|says| err.contains(says)), "{args:?}: {code:?} {err}");
        Ok(())
    };
    let not_a_directory = format!("{file} is a file, not a directory");
    for command in [
        &["status", &file][..],
        &["ps", &file],
        &["log", &file],
        &["replay", &file],
        &["diff", &file, &file],
        &["node", "--data", &file],
        &["run", &hello, "--data", &file],
        &["up", &hello, "--data", &file],
        &["init", &file, &hello, "--nodes", "127.0.0.1:1"],
    ] {
        refused(command, &[&not_a_directory, "name a"])?;
    }
    refused(&["run", &hello, "--data", &below], &[&below, &format!("{file} is a file"), "name another"])?;
    refused(&["run", &file], &[&file, "it is a script (\"#!/bin/sh\")", "replicode-cc"])?;
    refused(&["run", &hello, "--name", "../kv"], &["'../kv' is not a program name"])?;
    refused(&["up", &hello, "--name", ".."], &["'..' is not a program name"])?;

    // A limit on file sizes is an error with a name, not an end without a word.
    let limited = format!("ulimit -f 100; exec \"$0\" run {hello} --data {}", path("limited"));
    let binary = replicode_tests::binary();
    let (code, _, err) = said(Command::new("sh").arg("-c").arg(limited).arg(&binary))?;
    assert!(code == Some(1) && err.contains("limited/log") && err.contains("bytes at most"), "{code:?} {err}");
    assert!(err.contains("ulimit -f"), "{err}");

    let made = said(&mut replicode(&["init", &path("c"), &hello, "--nodes", "127.0.0.1:1,127.0.0.1:2,127.0.0.1:3"]))?;
    assert_eq!(made.0, Some(0), "{}", made.2);
    for command in [&["replay", &path("c/node-1")][..], &["log", &path("c/node-1")]] {
        refused(command, &["nothing has run in", "c/node-1"])?;
    }
    let key = tmp.path().join("c/node-1/keys/node.key");
    let whole = fs::read(&key)?;
    for broken in [&b"no key"[..], &whole[..whole.len() / 2]] {
        fs::write(&key, broken)?;
        let keys = path("c/node-1/keys");
        refused(&["node", "--data", &path("c/node-1")], &[&keys, "node.key", "put back those"])?;
    }
    fs::remove_file(&key)?;
    refused(&["node", "--data", &path("c/node-1")], &[&key.to_string_lossy(), "put it back"])
}
