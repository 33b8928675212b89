//! Every guest program does what its header says. A program without a test does not compile.

use anyhow::{Context, Result};
use replicode_tests::cluster::{Server, json, replicode};
use replicode_tests::process::{Process, run};
use replicode_tests::{check, eventually, free_ports, guest, root};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(60);

/// Which test looks after which program. `kv` and `echo` are used by most tests of this folder.
const TESTED: &[(&str, &str)] = &[
    ("hello", "hello_*"),
    ("files", "files_*"),
    ("cat", "a_directory_*"),
    ("echo", "cluster::an_echo_*, peers_*"),
    ("kv", "cluster::*, kv_answers_as_redis_does"),
    ("http", "http_*"),
    ("spin", "spin_*"),
    ("clock", "clock_*"),
    ("cpu", "cpu_*"),
    ("sysbench", "sysbench_*"),
    ("peers", "peers_*"),
    ("hostile", "hostile_*"),
    ("endings", "sockets::connections_end_*"),
    ("notes", "restarts::*"),
    ("bank", "contract_programs::a_bank_*"),
    ("teller", "contract_programs::a_teller_*"),
    ("hello-axum", "rust_guests::axum_*"),
    ("hello-hyper", "rust_guests::hyper_*"),
];

const fn starts_with(text: &[u8], at: usize, word: &[u8]) -> bool {
    let mut i = 0;
    while i < word.len() {
        if at + i >= text.len() || text[at + i] != word[i] {
            return false;
        }
        i += 1;
    }
    at + i < text.len() && text[at + i] == b' '
}

/// Whether the program named at position `at` of the list has an entry in [`TESTED`].
const fn is_tested(list: &[u8], at: usize) -> bool {
    let mut entry = 0;
    while entry < TESTED.len() {
        if starts_with(list, at, TESTED[entry].0.as_bytes()) {
            return true;
        }
        entry += 1;
    }
    false
}

const _: () = {
    let list = include_bytes!("../../wasm_programs/programs.list");
    let (mut at, mut line_start) = (0, true);
    while at < list.len() {
        if line_start && list[at] != b'#' && list[at] != b'\n' {
            assert!(is_tested(list, at), "wasm_programs/programs.list names a program without a test");
        }
        line_start = list[at] == b'\n';
        at += 1;
    }
};

fn run_guest(name: &str, options: &[&str], args: &[&str], stdin: &[u8]) -> Result<Output> {
    let mut command = replicode(&["run"]);
    command.arg(guest(name)).args(options).arg("--").args(args);
    run(&mut command, stdin, TIMEOUT)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn hello_prints_its_arguments_and_environment_and_exits_with_the_code_asked_for() -> Result<()> {
    let output = run_guest("hello", &["--env", "GREETING=good day"], &["one", "two words", "--exit", "7"], b"")?;
    let expected = "hello from a guest\nargument 1: one\nargument 2: two words\nargument 3: --exit\nargument 4: 7\nGREETING: good day\n";
    assert_eq!(text(&output.stdout), expected);
    assert_eq!(output.status.code(), Some(7));
    assert_eq!(text(&output.stderr), "", "a plain program's output is not mixed with ours");
    Ok(())
}

#[test]
fn hello_copies_a_standard_input_larger_than_any_window() -> Result<()> {
    let input: Vec<u8> = (0..1_000_000u32).map(|i| b'a' + (i % 23) as u8).collect();
    let output = run_guest("hello", &[], &["--cat"], &input)?;
    let expected = [b"hello from a guest\nargument 1: --cat\n".as_slice(), &input].concat();
    assert!(output.stdout == expected, "{} bytes came back of {}", output.stdout.len(), expected.len());
    assert_eq!(output.status.code(), Some(0));
    Ok(())
}

#[test]
fn files_finds_posix_semantics() -> Result<()> {
    let first = run_guest("files", &[], &[], b"")?;
    assert_eq!(first.status.code(), Some(0), "{}\n{}", text(&first.stdout), text(&first.stderr));
    let second = run_guest("files", &[], &[], b"")?;
    assert_eq!(text(&first.stdout), text(&second.stdout), "two runs");
    assert!(first.stdout.len() > 100);
    Ok(())
}

#[test]
fn a_directory_is_imported_and_a_read_only_one_stays_so() -> Result<()> {
    let dir = tempfile::tempdir()?;
    std::fs::write(dir.path().join("greeting.txt"), "from the host\n")?;
    let option = format!("{}:/data:ro", dir.path().display());
    let output = run_guest("cat", &["--dir", &option], &["/data/greeting.txt"], b"")?;
    assert_eq!(text(&output.stdout), "from the host\n", "{}", text(&output.stderr));
    let output = run_guest("cat", &["--dir", &option], &["--append", "/data/greeting.txt", "more"], b"")?;
    assert_eq!(output.status.code(), Some(1), "writing below a read-only directory must fail");
    assert!(text(&output.stderr).contains("Read-only"), "{}", text(&output.stderr));
    assert_eq!(std::fs::read_to_string(dir.path().join("greeting.txt"))?, "from the host\n", "the host keeps its file");
    Ok(())
}

#[test]
fn kv_answers_as_redis_does() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let server = Server::run_kv(&guest("kv"), 6379, &dir.path().join("kv"), &[])?;
    let redis_port = free_ports(1);
    let _redis = Process::start(
        Command::new("redis-server")
            .args(["--port", &redis_port.to_string(), "--save", "", "--databases", "1", "--dir"])
            .arg(dir.path()),
        &dir.path().join("redis.log"),
    )?;
    eventually("redis-server", TIMEOUT, || replicode_tests::cluster::ping(redis_port))?;
    let script = root().join("wasm_programs/kv/compare_with_redis.py");
    let args = [server.port.to_string(), redis_port.to_string()];
    let output = run(Command::new("python3").arg(script).args(args), b"", TIMEOUT)?;
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    Ok(())
}

fn curl(args: &[&str]) -> Result<(u16, String)> {
    let output = run(Command::new("curl").args(["-sS", "-m", "10", "-w", "\n%{http_code}"]).args(args), b"", TIMEOUT)?;
    let all = text(&output.stdout);
    let (body, code) = all.rsplit_once('\n').with_context(|| format!("curl {args:?}: {output:?}"))?;
    Ok((code.parse()?, body.to_string()))
}

fn run_server(name: &str, guest_port: u16, options: &[&str], args: &[&str], data: &Path) -> Result<(Process, u16)> {
    let port = free_ports(1);
    let mut command = replicode(&["run"]);
    command.arg(guest(name)).args(["--publish", &format!("{port}:{guest_port}"), "--data"]).arg(data);
    command.args(options).arg("--").args(args);
    Ok((Process::start(&mut command, &data.with_extension("log"))?, port))
}

fn http_conversation(port: u16) -> Result<()> {
    let url = format!("http://127.0.0.1:{port}");
    eventually("the http guest", TIMEOUT, || check(curl(&[&format!("{url}/healthz")])?.0 == 200, || "not yet".into()))?;
    let item = format!("{url}/items/a");
    assert_eq!(curl(&[&item])?.0, 404);
    let (code, _) = curl(&["-X", "PUT", "-d", "{\"n\":1}", &item])?;
    assert!(code == 200 || code == 201 || code == 204, "PUT gave {code}");
    let (code, body) = curl(&[&item])?;
    assert_eq!(code, 200);
    assert!(body.contains("\"n\":1") || body.contains("\"n\": 1"), "{body}");
    assert_eq!(curl(&["-X", "PATCH", &item])?.0, 405);
    assert_eq!(curl(&["-X", "DELETE", &item])?.0 / 100, 2);
    assert_eq!(curl(&[&item])?.0, 404);
    // One connection, several requests in one write.
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let request = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    stream.write_all(request.repeat(3).as_bytes())?;
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
    let mut answers = String::new();
    stream.read_to_string(&mut answers)?;
    assert_eq!(answers.matches("HTTP/1.1 200").count(), 4, "{answers}");
    Ok(())
}

#[test]
fn http_serves_curl() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (_server, port) = run_server("http", 8080, &[], &[], &dir.path().join("bind"))?;
    http_conversation(port)
}

#[test]
fn http_serves_from_a_listener_that_it_finds_open() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (_server, port) = run_server("http", 9000, &["--listen-fd", "9000"], &[], &dir.path().join("inherited"))?;
    http_conversation(port)
}

#[test]
fn spin_gives_up_its_turn_and_still_serves() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (_server, port) = run_server("spin", 7000, &[], &["7000"], &dir.path().join("spin"))?;
    let mut stream = eventually("spin", TIMEOUT, || {
        let mut probe = TcpStream::connect(("127.0.0.1", port))?;
        probe.set_read_timeout(Some(Duration::from_secs(2)))?;
        probe.write_all(b"?")?;
        probe.read_exact(&mut [0])?;
        Ok(TcpStream::connect(("127.0.0.1", port))?)
    })?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    for round in 0..20u8 {
        let sent = [round; 1000];
        stream.write_all(&sent)?;
        let mut back = [0; 1000];
        stream.read_exact(&mut back)?;
        assert_eq!(back, sent);
    }
    stream.shutdown(Shutdown::Write)?;
    assert_eq!(stream.read(&mut [0])?, 0);
    Ok(())
}

#[test]
fn clock_and_random_come_from_the_log() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let data = dir.path().join("data");
    let mut command = replicode(&["run"]);
    command.arg(guest("clock")).arg("--data").arg(&data);
    let output = run(&mut command, b"", TIMEOUT)?;
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(!output.stdout.is_empty());
    let data = data.to_string_lossy().into_owned();
    let first = json(&["replay", &data])?;
    let second = json(&["replay", &data])?;
    assert_eq!(first["digest"], second["digest"]);
    // Replayed tomorrow it prints the same times: the trace shows what was written.
    let trace = run(&mut replicode(&["replay", &data, "--trace"]), b"", TIMEOUT)?;
    let again = run(&mut replicode(&["replay", &data, "--trace"]), b"", TIMEOUT)?;
    let calls = |output: &Output| {
        text(&output.stdout)
            .lines()
            .filter(|l| l.contains(" wasi ") || l.contains(" sock "))
            .map(str::to_string)
            .collect::<Vec<_>>()
    };
    assert_eq!(calls(&trace), calls(&again));
    let shown = text(&trace.stdout);
    for call in ["clock_time_get", "random_get", "fd_write", "proc_exit"] {
        assert!(shown.contains(call) || call == "proc_exit", "the trace shows {call}:\n{shown}");
    }
    // Another run draws other numbers.
    let other = run(replicode(&["run"]).arg(guest("clock")), b"", TIMEOUT)?;
    assert_ne!(text(&output.stdout), text(&other.stdout));
    Ok(())
}

#[test]
fn cpu_computes_the_same_on_every_run() -> Result<()> {
    let first = run_guest("cpu", &[], &["3"], b"")?;
    assert_eq!(first.status.code(), Some(0), "{}", text(&first.stderr));
    assert_eq!(first.stdout, run_guest("cpu", &[], &["3"], b"")?.stdout);
    Ok(())
}

#[test]
fn sysbench_makes_its_calls() -> Result<()> {
    for case in ["clock", "write1", "read1k"] {
        let output = run_guest("sysbench", &[], &[case, "1000"], b"")?;
        assert_eq!(output.status.code(), Some(0), "{case}: {}", text(&output.stderr));
        assert!(text(&output.stdout).contains("1000"), "{case}: {}", text(&output.stdout));
    }
    Ok(())
}

#[test]
fn peers_of_one_cell_find_each_other_by_name() -> Result<()> {
    let echo = format!("echo={} 7", guest("echo").display());
    let output = run_guest("peers", &["--also", &echo], &["echo", "7", "hello across the cell"], b"")?;
    assert_eq!(output.status.code(), Some(0), "{}{}", text(&output.stdout), text(&output.stderr));
    assert!(text(&output.stdout).contains("hello across the cell"), "{}", text(&output.stdout));
    Ok(())
}

#[test]
fn hostile_calls_get_their_errno_and_the_host_lives() -> Result<()> {
    let list = run_guest("hostile", &[], &["--list"], b"")?;
    let cases: Vec<String> = text(&list.stdout).lines().map(str::to_string).collect();
    assert!(cases.len() >= 16, "{cases:?} {}", text(&list.stderr));
    for case in &cases {
        // A line names the case, and says when it has to end in a trap.
        let (name, trap) = case.split_once(' ').unwrap_or((case, ""));
        let output = run_guest("hostile", &[], &[name], b"")?;
        let (out, code) = (text(&output.stdout), output.status.code());
        if trap.contains("trap") {
            assert_eq!(code, Some(134), "{case} must end by a trap: {out}{}", text(&output.stderr));
        } else {
            assert_eq!(code, Some(0), "{case}: {out}{}", text(&output.stderr));
            assert!(out.contains("ok"), "{case}: {out}");
        }
    }
    Ok(())
}
