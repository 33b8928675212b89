//! The command line end to end on one node, and a cluster made by `init`: what starts, what is kept, what is refused.
//!
//! Guests come from `wasm_programs/build`; `wasm_programs/build.sh` makes them.

use std::error::Error;
use std::io::Write;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

type Tested = Result<(), Box<dyn Error>>;

fn guest(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wasm_programs/build").join(format!("{name}.wasm"));
    assert!(path.is_file(), "{} is missing: run wasm_programs/build.sh", path.display());
    path
}

fn replicode() -> Command {
    Command::new(env!("CARGO_BIN_EXE_replicode"))
}

/// Runs to the end with `stdin`.
fn run(command: &mut Command, stdin: &[u8]) -> std::io::Result<Output> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    if let Some(mut pipe) = child.stdin.take() {
        // A program that ends without reading everything breaks the pipe, which is its right.
        let _ = pipe.write_all(stdin);
    }
    child.wait_with_output()
}

/// What `status DIR --json` answers; nothing while there is no answer.
fn status_of(dir: &Path) -> Option<serde_json::Value> {
    let output = run(replicode().args(["status", "--json"]).arg(dir), b"").ok()?;
    serde_json::from_slice(&output.stdout).ok()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Killed when the test ends early.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    fn start(command: &mut Command) -> std::io::Result<Self> {
        Ok(Self(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?))
    }

    fn interrupt(mut self) -> Result<Option<i32>, Box<dyn Error>> {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.0.id())?);
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT)?;
        Ok(self.0.wait()?.code())
    }
}

fn eventually<T>(mut attempt: impl FnMut() -> Option<T>) -> Result<T, Box<dyn Error>> {
    let end = Instant::now() + Duration::from_secs(30);
    while Instant::now() < end {
        if let Some(value) = attempt() {
            return Ok(value);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Err("waited 30 s in vain".into())
}

#[test]
fn a_lost_log_is_not_replaced_by_an_empty_one() -> Tested {
    let tmp = tempfile::tempdir()?;
    let data = tmp.path().join("data");
    let start = || run(replicode().arg("run").arg(guest("hello")).arg("--data").arg(&data), b"");
    assert_eq!(start()?.status.code(), Some(0));
    std::fs::remove_dir_all(data.join("log"))?;
    // What a divergence does, too.
    std::fs::remove_file(data.join("digests.bin"))?;
    let output = start()?;
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("to begin anew"), "{}", text(&output.stderr));
    Ok(())
}

#[test]
fn a_program_that_had_ended_is_started_anew_on_its_recording() -> Tested {
    let tmp = tempfile::tempdir()?;
    let data = tmp.path().join("data");
    let mut digests = Vec::new();
    for word in ["first", "second"] {
        let output = run(replicode().arg("run").arg(guest("hello")).arg("--data").arg(&data).args(["--", word]), b"")?;
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        // Only what is new is printed, not what the replayed first run had said.
        assert_eq!(text(&output.stdout).matches("hello from a guest").count(), 1);
        assert!(text(&output.stdout).contains(word));
        let replay = run(replicode().args(["replay", "--json"]).arg(&data), b"")?;
        assert_eq!(replay.status.code(), Some(0), "{}", text(&replay.stderr));
        let found: serde_json::Value = serde_json::from_slice(&replay.stdout)?;
        assert_eq!(found["ok"], true);
        // A batch that was agreed on while the program ended is in the log, and was executed by nobody.
        let (checked, applied) = (found["checked"].as_u64(), found["applied_index"].as_u64());
        assert!(checked == applied || checked.map(|checked| checked + 1) == applied, "{found}");
        digests.push(found["digest"].clone());
    }
    assert_ne!(digests[0], digests[1]);
    let log = run(replicode().args(["log", "--json", "--limit", "1000"]).arg(&data), b"")?;
    let rows: Vec<serde_json::Value> = text(&log.stdout).lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let spawned = rows.iter().filter(|row| row["inputs"]["spawn"] == 1).count();
    assert_eq!(spawned, 1, "{rows:?}");
    Ok(())
}

#[test]
fn standard_input_goes_on_where_the_recording_ends() -> Tested {
    let tmp = tempfile::tempdir()?;
    let data = tmp.path().join("data");
    let start = || -> std::io::Result<Child> {
        let mut command = replicode();
        command.arg("run").arg(guest("hello")).arg("--data").arg(&data).args(["--", "--cat"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
    };
    let mut first = start()?;
    let mut pipe = first.stdin.take().ok_or("no pipe")?;
    pipe.write_all(b"one ")?;
    let data_rows = || -> Option<usize> {
        let log = run(replicode().args(["log", "--json"]).arg(&data), b"").ok()?;
        Some(text(&log.stdout).lines().filter(|line| line.contains("\"data\"")).count()).filter(|rows| *rows > 0)
    };
    eventually(data_rows)?;
    first.kill()?;
    first.wait()?;
    drop(pipe);
    // With other arguments the program that still runs would not be what was asked for.
    let mut other = replicode();
    other.arg("run").arg(guest("hello")).arg("--data").arg(&data).args(["--", "other"]);
    let refused = run(&mut other, b"")?;
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("still runs in this recording"), "{}", text(&refused.stderr));

    let mut second = start()?;
    second.stdin.take().ok_or("no pipe")?.write_all(b"two")?;
    let output = second.wait_with_output()?;
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "two");
    Ok(())
}

#[test]
fn a_run_that_keeps_nothing_leaves_nothing() -> Tested {
    let tmp = tempfile::tempdir()?;
    let output =
        run(replicode().arg("run").arg(guest("hello")).env("TMPDIR", tmp.path()).current_dir(tmp.path()), b"")?;
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
    assert_eq!(std::fs::read_dir(tmp.path())?.count(), 0);
    Ok(())
}

#[test]
fn what_was_not_recorded_is_refused_in_words() -> Tested {
    let tmp = tempfile::tempdir()?;
    let data = tmp.path().join("data");
    run(replicode().arg("run").arg(guest("hello")).arg("--data").arg(&data), b"")?;
    for (args, says) in [
        (vec!["--limit", "inodes=77"], "limit 'inodes': 100000 recorded, 77 asked for"),
        (vec!["--dir", "Cargo.toml:/x"], "imported directories"),
        (vec!["--listen-fd", "80"], "listeners of 'hello'"),
        (vec!["--name", "other"], "program: 'hello' recorded, 'other' asked for"),
    ] {
        let mut command = replicode();
        command.current_dir(env!("CARGO_MANIFEST_DIR")).arg("run").arg(guest("hello")).arg("--data").arg(&data);
        let output = run(command.args(args), b"")?;
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stderr).contains(says), "'{says}' is not said: {}", text(&output.stderr));
    }
    Ok(())
}

#[test]
fn a_published_port_and_its_admin_socket_answer() -> Tested {
    let tmp = tempfile::tempdir()?;
    let data = tmp.path().join("data");
    let mut command = replicode();
    let server =
        Running::start(command.arg("run").arg(guest("kv")).args(["--publish", "0:6379", "--data"]).arg(&data))?;
    let status = || -> Option<serde_json::Value> {
        let output = run(replicode().args(["status", "--json", "--admin"]).arg(&data), b"").ok()?;
        serde_json::from_slice(&output.stdout).ok().filter(|status: &serde_json::Value| status["boot"] == 1)
    };
    let status = eventually(status)?;
    assert_eq!((&status["role"], &status["node"]), (&"leader".into(), &1.into()));
    let listen = status["published"][0]["listen"].as_str().ok_or("nothing is published")?;
    TcpStream::connect(listen)?;
    // A recording is not read while its node runs.
    let replay = run(replicode().arg("replay").arg(&data), b"")?;
    assert!(text(&replay.stderr).contains("belongs to a running node"), "{}", text(&replay.stderr));
    assert_eq!(server.interrupt()?, Some(0));
    assert!(!data.join("admin.sock").exists() && !data.join("pid").exists());
    Ok(())
}

#[test]
fn a_trap_is_told_with_its_place_and_stands_in_the_trace() -> Tested {
    let tmp = tempfile::tempdir()?;
    let data = tmp.path().join("data");
    let output =
        run(replicode().arg("run").arg(guest("hostile")).arg("--data").arg(&data).args(["--", "outside"]), b"")?;
    assert_eq!(output.status.code(), Some(134));
    let said = text(&output.stderr);
    assert!(said.contains("wasm trap: out of bounds memory access") && said.contains("(trap: OutOfBounds)"), "{said}");
    let replay = run(replicode().args(["replay", "--trace"]).arg(&data), b"")?;
    assert_eq!(replay.status.code(), Some(0), "{}", text(&replay.stderr));
    let trace = text(&replay.stdout);
    assert!(trace.contains(" [1 hostile] +++ trap: OutOfBounds +++\n    error while executing"), "{trace}");
    let replay = run(replicode().args(["replay", "--trace", "--json"]).arg(&data), b"")?;
    let lines = text(&replay.stdout);
    let lines = lines.lines().map(serde_json::from_str).collect::<Result<Vec<serde_json::Value>, _>>()?;
    let ended: Vec<_> = lines.iter().filter(|line| line["ended"]["how"] == "trap: OutOfBounds").collect();
    assert_eq!(ended.len(), 1, "{lines:?}");
    assert!(ended[0]["ended"]["code"].is_null() && ended[0]["ended"]["batch"] == 1, "{ended:?}");
    Ok(())
}

#[test]
fn how_a_program_ended_is_told_as_long_as_its_node_runs() -> Tested {
    let tmp = tempfile::tempdir()?;
    let root = tmp.path().join("cluster");
    let made = run(replicode().arg("init").arg(&root).arg(guest("hello")).args(["--nodes", "127.0.0.1:7000"]), b"")?;
    assert_eq!(made.status.code(), Some(0), "{}", text(&made.stderr));
    let dir = root.join("node-1");
    // The second start finds in its log how the program ended.
    for _ in 0..2 {
        let node = Running::start(replicode().args(["node", "--data"]).arg(&dir))?;
        let ended = eventually(|| status_of(&dir)?["ended"].get(0).cloned())?;
        assert_eq!((&ended["pid"], &ended["code"], &ended["batch"]), (&1.into(), &0.into(), &1.into()));
        let table = run(replicode().arg("ps").arg(&dir), b"")?;
        assert!(text(&table.stdout).contains("ended in batch #1: exit 0"), "{}", text(&table.stdout));
        assert_eq!(node.interrupt()?, Some(0));
    }
    Ok(())
}

#[test]
fn a_port_that_leads_nowhere_is_told() -> Tested {
    let tmp = tempfile::tempdir()?;
    let data = tmp.path().join("data");
    let mut command = replicode();
    command.arg("run").arg(guest("kv")).args(["--publish", "0:1234", "--data"]).arg(&data);
    let server = Running::start(&mut command)?;
    let look = || status_of(&data).filter(|status| status["boot"] == 1);
    let status = eventually(look)?;
    assert!(status["hint"].is_null(), "{status}");
    let listen = status["published"][0]["listen"].as_str().ok_or("nothing is published")?.to_string();
    let _client = TcpStream::connect(listen)?;
    let hint = eventually(|| look()?["hint"].as_str().map(str::to_string))?;
    assert!(hint.contains("nobody listens") && hint.ends_with("--publish HOSTPORT:kv:6379"), "{hint}");
    assert_eq!(server.interrupt()?, Some(0));
    Ok(())
}

#[test]
fn addresses_given_twice_are_wrong_usage_and_leave_nothing() -> Tested {
    let tmp = tempfile::tempdir()?;
    let place = tmp.path().join("place");
    for (args, says) in [
        (&["run", "--publish", "7001", "--publish", "7001:2", "--data"][..], "127.0.0.1:7001 is published twice"),
        (&["up", "--publish", "7001", "--publish", "7002", "--data"], "leave room between"),
    ] {
        let output = run(replicode().args(&args[..1]).arg(guest("hello")).args(&args[1..]).arg(&place), b"")?;
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(text(&output.stderr).contains(says), "'{says}' is not said: {}", text(&output.stderr));
    }
    for (args, says) in [
        (["--nodes", "a:1,b:1,a:1", "--publish", "80"], "a:1 is given to two nodes"),
        (["--nodes", "a:1,b:1,c:1", "--publish", "80 --publish 80"], "is published twice"),
    ] {
        let args = args.iter().flat_map(|arg| arg.split(' '));
        let output = run(replicode().arg("init").arg(&place).arg(guest("hello")).args(args), b"")?;
        assert_eq!(output.status.code(), Some(2));
        assert!(text(&output.stderr).contains(says), "'{says}' is not said: {}", text(&output.stderr));
    }
    assert!(!place.exists());
    Ok(())
}

#[test]
fn a_cluster_made_by_init_runs_from_its_configuration_files() -> Tested {
    let tmp = tempfile::tempdir()?;
    let root = tmp.path().join("cluster");
    let udp: Vec<UdpSocket> = (0..3).map(|_| UdpSocket::bind("127.0.0.1:0")).collect::<Result<_, _>>()?;
    let peers: Vec<String> =
        udp.iter().map(|socket| socket.local_addr().map(|a| a.to_string())).collect::<Result<_, _>>()?;
    drop(udp);
    let init = |dir: &Path| {
        let mut command = replicode();
        command.arg("init").arg(dir).arg(guest("kv")).args(["--nodes", &peers.join(",")]);
        run(command.args(["--publish", "127.0.0.1:0:6379", "--json"]), b"")
    };
    let made = init(&root)?;
    assert_eq!(made.status.code(), Some(0), "{}", text(&made.stderr));
    assert_eq!(text(&made.stdout).lines().count(), 3);
    assert_eq!(init(&root)?.status.code(), Some(1), "an existing cluster is not overwritten");

    let dir = |node: usize| root.join(format!("node-{node}"));
    let mut nodes = Vec::new();
    for node in 1..=3 {
        nodes.push(Running::start(replicode().args(["node", "--config"]).arg(dir(node).join("node.toml")))?);
    }
    for node in 1..=3 {
        let admitted = || -> Option<()> {
            let status = status_of(&dir(node))?;
            (status["boot"] == 1 && !status["leader"].is_null()).then_some(())
        };
        eventually(admitted)?;
    }
    let exposed = dir(3).join("keys/node.key");
    for node in nodes {
        assert_eq!(node.interrupt()?, Some(0));
    }
    // A key that others may read is not used.
    let mut permissions = std::fs::metadata(&exposed)?.permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o644);
    std::fs::set_permissions(&exposed, permissions)?;
    let refused = run(replicode().args(["node", "--data"]).arg(dir(3)), b"")?;
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("node.key"), "{}", text(&refused.stderr));
    Ok(())
}

#[test]
fn up_reports_why_no_node_could_be_started() -> Tested {
    let tmp = tempfile::tempdir()?;
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let port = taken.local_addr()?.port();
    let mut command = replicode();
    command.arg("up").arg(guest("kv")).args(["--nodes", "1", "--publish", &format!("{port}:6379"), "--data"]);
    let output = run(command.arg(tmp.path().join("up")), b"")?;
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains(&format!("127.0.0.1:{port}")), "{}", text(&output.stdout));
    Ok(())
}
