//! Starts: killed at any change to a file, interrupted at any moment, and of something that cannot be started.

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use replicode_tests::cluster::{json, replicode};
use replicode_tests::crash::moments;
use replicode_tests::process::{Process, run, signal_pid};
use replicode_tests::{binary, check, eventually, free_ports, guest};
use serde_json::Value as Json;
use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

/// Names that need not outlive a crash of the machine: they are made again.
const FLEETING: [&str; 8] =
    ["lock", "pid", "admin.sock", "node.log", "stdout.log", "stderr.log", "digests.bin", "console.pos"];

/// A first start that is cut short, and what must hold afterwards.
struct Start<'a> {
    name: &'a str,
    /// How many of its moments are tried, unless all are.
    sample: usize,
    /// Whether it runs until it is stopped.
    stays: bool,
    /// What stands in the directory before.
    prepare: &'a dyn Fn(&Path) -> Result<()>,
    /// The command.
    args: &'a dyn Fn(&Path) -> Vec<String>,
    /// The same command again works.
    again: &'a dyn Fn(&Path) -> Result<()>,
}

/// Runs the command in a directory that it makes, up to the command's `kill`-th change to a file if that is given.
fn traced(start: &Start<'_>, dir: &Path, kill: Option<usize>) -> Result<Json> {
    fs::create_dir(dir)?;
    (start.prepare)(dir)?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_crashpoint"));
    command.arg(dir);
    if start.stays {
        command.arg("--until-it-speaks");
    }
    if let Some(kill) = kill {
        command.args(["--kill", &kill.to_string()]);
    }
    command.arg("--").arg(binary()).args((start.args)(dir));
    let output = run(&mut command, b"", LIMIT)?;
    let text = String::from_utf8_lossy(&output.stdout);
    let last = text.lines().last().unwrap_or_default();
    serde_json::from_str(last)
        .with_context(|| format!("crashpoint said {text}{}", String::from_utf8_lossy(&output.stderr)))
}

/// Tries moments of a start, a few or (with REPLICODE_CRASH_POINTS=all) all of them.
fn try_moments(start: &Start<'_>) -> Result<()> {
    let tmp = tempfile::tempdir()?;
    // Each run has a directory of its own: nodes that a killed `up` has left behind stop a moment later, and until then they
    // write to where they were started.
    let dir = |run: usize| tmp.path().join(run.to_string());
    let whole = traced(start, &dir(0), None)?;
    let changes = whole["changes"].as_array().context("no list of changes")?;
    ensure!(changes.len() > 20, "{}: only {} changes were seen: {whole}", start.name, changes.len());
    let not_durable: Vec<&str> = whole["not_durable"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Json::as_str)
        .filter(|path| !FLEETING.iter().any(|name| Path::new(path).ends_with(name)))
        .collect();
    ensure!(not_durable.is_empty(), "{}: names whose directory was not synced: {not_durable:?}", start.name);

    let mut tried = 0;
    for at in moments(changes.len(), start.sample) {
        let killed = traced(start, &dir(at), Some(at))?;
        let moment = killed["changes"].as_array().and_then(|changes| changes.last()).cloned();
        (start.again)(&dir(at)).with_context(|| {
            format!("{}: after SIGKILL at change {at} of {}: {moment:?}", start.name, changes.len())
        })?;
        tried += usize::from(killed["killed"] == true);
    }
    eprintln!("{}: killed at {tried} of {} changes to files", start.name, changes.len());
    ensure!(tried * 2 >= start.sample, "{}: was killed only {tried} times", start.name);
    Ok(())
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn strings(args: &[&str]) -> Vec<String> {
    args.iter().map(|arg| (*arg).to_string()).collect()
}

fn succeed(args: Vec<String>) -> Result<Output> {
    let output = run(&mut replicode(&args), b"", LIMIT)?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    check(output.status.success(), || format!("{args:?} ended with {}: {said}", output.status))?;
    Ok(output)
}

fn nodes_at(base: u16) -> String {
    (0..3).map(|n| format!("127.0.0.1:{}", base + n)).collect::<Vec<_>>().join(",")
}

#[test]
fn run_starts_after_a_crash_at_any_moment_of_its_first_start() -> Result<()> {
    let hello = text(&guest("hello"));
    let args = |dir: &Path| strings(&["run", &hello, "--data", &text(&dir.join("deep/data"))]);
    try_moments(&Start {
        name: "run",
        sample: 6,
        stays: false,
        prepare: &|_| Ok(()),
        args: &args,
        again: &|dir| {
            let said = succeed(args(dir))?.stdout;
            let said = String::from_utf8_lossy(&said);
            check(said.contains("hello from a guest"), || format!("it said {said:?}"))?;
            succeed(strings(&["replay", &text(&dir.join("deep/data"))]))?;
            Ok(())
        },
    })
}

#[test]
fn init_makes_a_cluster_after_a_crash_at_any_moment() -> Result<()> {
    let hello = text(&guest("hello"));
    let base = free_ports(3);
    let args = |dir: &Path| strings(&["init", &text(&dir.join("c")), &hello, "--nodes", &nodes_at(base)]);
    try_moments(&Start {
        name: "init",
        sample: 8,
        stays: false,
        prepare: &|_| Ok(()),
        args: &args,
        again: &|dir| {
            let output = run(&mut replicode(&args(dir)), b"", LIMIT)?;
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            // It had been made whole, and was killed only then: the one command that helps is named.
            let complete = said.contains("holds one of 3 nodes") && said.contains("replicode node --data");
            check(output.status.success() || complete, || said.clone())?;
            // All nodes are of one cluster.
            let genesis = |node| fs::read(dir.join(format!("c/node-{node}/genesis.bin")));
            ensure!(genesis(1)? == genesis(2)? && genesis(1)? == genesis(3)?, "the nodes are of several clusters");
            ensure!(!dir.join("c/unfinished").exists(), "the mark is still there");
            Ok(())
        },
    })
}

#[test]
fn a_node_starts_after_a_crash_at_any_moment_of_its_first_start() -> Result<()> {
    let tmp = tempfile::tempdir()?;
    let base = free_ports(3);
    let cluster = tmp.path().join("c");
    succeed(strings(&["init", &text(&cluster), &text(&guest("hello")), "--nodes", &nodes_at(base)]))?;
    let args = |dir: &Path| strings(&["node", "--data", &text(&dir.join("node-1"))]);
    try_moments(&Start {
        name: "node",
        sample: 6,
        stays: true,
        prepare: &|dir| {
            let copied = Command::new("cp").arg("-a").arg(cluster.join("node-1")).arg(dir).status()?;
            check(copied.success(), || "cannot copy the directory".into())
        },
        args: &args,
        again: &|dir| {
            let mut node = Process::start(&mut replicode(&args(dir)), &dir.join("said"))?;
            eventually("the node to run", LIMIT, || {
                let runs = node.output().contains("runs in");
                ensure!(runs || node.is_running()?, "it has ended: {}", node.output());
                check(runs, || node.output())
            })?;
            node.signal(Signal::SIGINT)?;
            let status = node.wait(LIMIT)?;
            check(status.success(), || format!("it ended with {status}: {}", node.output()))?;
            // What it has said from now on could be lost only with its log.
            fs::remove_dir_all(dir.join("node-1/log"))?;
            let refused = run(&mut replicode(&args(dir)), b"", LIMIT)?;
            let said = String::from_utf8_lossy(&refused.stderr);
            check(refused.status.code() == Some(1) && said.contains("has taken part"), || said.into_owned())
        },
    })
}

#[test]
fn up_starts_after_a_crash_at_any_moment_of_its_first_start() -> Result<()> {
    let hello = text(&guest("hello"));
    let args = |dir: &Path| strings(&["up", &hello, "--nodes", "2", "--data", &text(&dir.join("up"))]);
    try_moments(&Start {
        name: "up",
        sample: 4,
        stays: true,
        prepare: &|_| Ok(()),
        args: &args,
        again: &|dir| {
            let mut up = Process::start(&mut replicode(&args(dir)), &dir.join("said"))?;
            eventually("both nodes to run", LIMIT, || {
                ensure!(up.is_running()?, "it has ended: {}", up.output());
                for node in ["up/node-1", "up/node-2"] {
                    json(&["status", &text(&dir.join(node))])?;
                }
                Ok(())
            })?;
            up.signal(Signal::SIGINT)?;
            let status = up.wait(LIMIT)?;
            check(status.success(), || format!("it ended with {status}: {}", up.output()))
        },
    })
}

/// When a command is interrupted.
#[derive(Clone, Copy)]
enum When<'a> {
    After(Duration),
    /// When it waits for somebody to write into this FIFO: until then that cannot be opened for writing without waiting.
    Reads(&'a str),
}

/// Starts a command, sends a signal, and answers the exit code and what was said.
fn interrupted(command: &mut Command, signal: Signal, when: When<'_>) -> Result<(Option<i32>, String)> {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    // The writer is held: without one, the reader has come to the end.
    let _writer = match when {
        When::After(time) => {
            std::thread::sleep(time);
            None
        }
        When::Reads(fifo) => {
            let flags = nix::libc::O_NONBLOCK;
            let open = || Ok(fs::OpenOptions::new().write(true).custom_flags(flags).open(fifo)?);
            Some(eventually("somebody to read the FIFO", LIMIT, open)?)
        }
    };
    signal_pid(child.id(), signal)?;
    let output = child.wait_with_output()?;
    Ok((output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned()))
}

fn listing(dir: &Path) -> Result<Vec<String>> {
    let mut names: Vec<_> =
        fs::read_dir(dir)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect::<Result<_>>()?;
    names.sort();
    Ok(names)
}

#[test]
fn a_start_can_be_interrupted_while_it_reads() -> Result<()> {
    let tmp = tempfile::tempdir()?;
    let pipe = tmp.path().join("pipe");
    nix::unistd::mkfifo(&pipe, Mode::S_IRWXU)?;
    let work = tmp.path().join("work");
    fs::create_dir(&work)?;
    let (pipe, data) = (text(&pipe), text(&work.join("data")));
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143), (Signal::SIGHUP, 129)] {
        for args in [
            &["run", &pipe, "--data", &data] as &[&str],
            &["up", &pipe, "--data", &data],
            &["init", &data, &pipe, "--nodes", "127.0.0.1:1,127.0.0.1:2"],
        ] {
            let mut command = replicode(args);
            command.current_dir(&work).env("TMPDIR", &work);
            let (ended, said) = interrupted(&mut command, signal, When::Reads(&pipe))?;
            ensure!(ended == Some(code), "{args:?}, {signal}: {ended:?}, {said}");
            ensure!(said.contains("while reading module"), "{said}");
            ensure!(listing(&work)?.is_empty(), "{args:?} left {:?}", listing(&work)?);
        }
    }
    Ok(())
}

#[test]
fn whatever_a_start_was_at_nothing_half_made_is_left() -> Result<()> {
    let tmp = tempfile::tempdir()?;
    let tree = tmp.path().join("tree");
    fs::create_dir(&tree)?;
    for n in 0..24 {
        fs::write(tree.join(n.to_string()), vec![n; 1 << 20])?;
    }
    let work = tmp.path().join("work");
    fs::create_dir(&work)?;
    let import = format!("{}:/tree", tree.display());
    let hello = text(&guest("hello"));
    let data = work.join("a/data");
    let base = free_ports(3);
    let init = ["init", &text(&data), &hello, "--dir", &import, "--nodes", &nodes_at(base)];
    let temporary = ["run", &hello, "--dir", &import];
    let mut codes = Vec::new();
    for ms in [20, 60, 110, 170, 240, 320, 410, 520] {
        for args in [&init as &[&str], &temporary] {
            let mut command = replicode(args);
            command.current_dir(&work).env("TMPDIR", &work);
            let (code, said) = interrupted(&mut command, Signal::SIGINT, When::After(Duration::from_millis(ms)))?;
            // Killed before its first instruction, interrupted, or done.
            ensure!(matches!(code, None | Some(130) | Some(0)), "{args:?} after {ms} ms: {code:?}, {said}");
            codes.push(code);
            let complete = args[0] == "init" && data.join("node-3/genesis.bin").exists();
            if complete {
                ensure!(!data.join("unfinished").exists(), "neither made nor unmade");
                fs::remove_dir_all(work.join("a"))?;
            }
            ensure!(listing(&work)?.is_empty(), "{args:?} after {ms} ms left {:?}: {said}", listing(&work)?);
        }
    }
    ensure!(codes.contains(&Some(130)), "nothing was ever interrupted: {codes:?}");
    succeed(init.iter().map(ToString::to_string).collect()).map(|_| ())
}

#[test]
fn a_long_start_shows_on_a_terminal_what_it_is_at() -> Result<()> {
    let tmp = tempfile::tempdir()?;
    let pipe = tmp.path().join("pipe");
    nix::unistd::mkfifo(&pipe, Mode::S_IRWXU)?;
    // `script` gives it a terminal.
    let line = format!("timeout -s INT 60 {} run {}", binary().display(), pipe.display());
    let mut command = Command::new("script");
    command.args(["-qec", &line, "/dev/null"]).current_dir(&tmp);
    let mut shown = Process::start(&mut command, &tmp.path().join("shown"))?;
    let seen = eventually("it to show what it is at", LIMIT, || {
        let said = shown.output();
        check(said.contains("reading module") && said.contains("… 1 s"), || format!("it showed {said:?}"))
    });
    // A module of no bytes ends it.
    drop(fs::OpenOptions::new().write(true).custom_flags(nix::libc::O_NONBLOCK).open(&pipe)?);
    shown.wait(LIMIT)?;
    seen
}

#[test]
fn what_genesis_could_not_start_is_refused_before_it() -> Result<()> {
    let tmp = tempfile::tempdir()?;
    let (hello, data): (PathBuf, PathBuf) = (guest("hello"), tmp.path().join("data"));
    let also = format!("other={}", hello.display());
    for (extra, says) in [
        (&["--listen-fd", "7", "--listen-fd", "7"] as &[&str], "port 7 is given to it twice"),
        (&["--limit", "processes=1", "--also", &also], "limit 'processes' of 1"),
        (&["--limit", "descriptors=5", "--listen-fd", "7", "--listen-fd", "8"], "limit 'descriptors' of 5"),
        (&["--limit", "args_bytes=20", "--listen-fd", "7"], "limit 'args_bytes' of 20"),
    ] {
        for command in ["run", "up"] {
            let mut command = replicode(&[command]);
            command.arg(&hello).arg("--data").arg(&data).args(extra);
            let output = run(&mut command, b"", LIMIT)?;
            let said = String::from_utf8_lossy(&output.stderr);
            if output.status.code() != Some(2) || !said.contains(says) || data.exists() {
                bail!("{extra:?}: {}, {said}", output.status);
            }
        }
    }
    Ok(())
}
