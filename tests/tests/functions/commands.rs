//! The commands, as the README shows them.

use crate::server::{Server, wasm_path};
use anyhow::Result;
use replicode_tests::cluster::replicode;
use replicode_tests::process::run;
use serde_json::{Value, json};

fn path(name: &str) -> String {
    wasm_path(name).display().to_string()
}

#[test]
fn a_function_is_loaded_executed_chained_listed_and_unloaded() -> Result<()> {
    let mut server = Server::start(&[])?;
    let uuid = server.says(&["load", &path("transform"), "--name", "transform"])?;
    assert_eq!(uuid.trim().len(), 36, "{uuid}");
    assert_eq!(server.says(&["load", &path("transform"), "--name", "transform"])?, uuid);
    // Another name of the same bytes is the same function.
    assert_eq!(server.says(&["load", &path("transform"), "--name", "swap"])?, uuid);
    assert_eq!(server.says(&["execute", "transform", "--input", "hello"])?, "HELLO");
    assert_eq!(server.says(&["execute", uuid.trim(), "--input", "Hello"])?, "hELLO");
    for name in ["uppercase", "hash"] {
        server.says(&["load", &path(name), "--name", name])?;
    }
    let chain = ["chain", "transform", "uppercase", "hash", "--input", "hello", "--show-stages"];
    let output = server.cli(&chain)?;
    // sha256sum of HELLO.
    let hello = b"3733cd977ff8eb18b987357e22ced99f46097f31ecb239e878ae63760e83e4d5";
    assert_eq!(output.stdout, hello);
    assert_eq!(String::from_utf8(output.stderr)?.lines().count(), 3);

    let rows: Vec<Value> =
        server.says(&["list", "--json"])?.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let names: Vec<_> = rows.iter().map(|row| row["name"].as_str().unwrap_or_default()).collect();
    assert_eq!(names, ["hash", "transform", "uppercase"]);
    assert_eq!((rows[1]["executions"].as_u64(), rows[1]["failures"].as_u64()), (Some(3), Some(0)));
    let table = server.says(&["list"])?;
    assert!(table.starts_with("NAME") && table.lines().count() == 4, "{table}");

    let (code, words) = server.complains(&["execute", "transfrom"])?;
    let expected =
        "not_found: no function is called 'transfrom': did you mean 'transform'? 'replicode fn list' shows all";
    assert!(code == 1 && words.contains(expected), "{words}");
    server.says(&["unload", "transform"])?;
    assert!(server.complains(&["execute", "swap"])?.1.contains("not_found"));
    assert!(server.says(&["ping"])?.contains("µs at the median"));
    server.stop()
}

#[test]
fn input_and_output_may_be_files_and_logs_are_told() -> Result<()> {
    let server = Server::start(&[])?;
    server.load("reverse")?;
    server.load("hostile")?;
    let (input, output) = (server.dir.path().join("in"), server.dir.path().join("out"));
    std::fs::write(&input, b"\x00\xff\x01")?;
    let (i, o) = (input.display().to_string(), output.display().to_string());
    server.says(&["execute", "reverse", "--input-file", &i, "--output-file", &o])?;
    assert_eq!(std::fs::read(&output)?, b"\x01\xff\x00");
    let done = run(
        replicode(&["fn", "execute", "reverse", "--input-file", "-", "--socket"]).arg(server.socket()),
        b"abc",
        crate::server::TIMEOUT,
    )?;
    assert_eq!(done.stdout, b"cba");
    let logged = server.cli(&["execute", "hostile", "--input", "log 2", "--logs"])?;
    assert_eq!(String::from_utf8(logged.stderr)?.matches("log: llll").count(), 2);
    assert_eq!(server.says(&["logs", "hostile"])?.lines().count(), 2);
    let (code, words) = server.complains(&["execute", "hostile", "--input", "code 3"])?;
    assert!(code == 1 && words.contains("plugin: 'hostile': the function ended with code 3: as I was told"), "{words}");
    Ok(())
}

#[test]
fn a_module_runs_without_a_server() -> Result<()> {
    let once = |input: &str, more: &[&str]| {
        let mut command = replicode(&["fn", "run"]);
        run(command.arg(wasm_path("hostile")).args(["--input", input]).args(more), b"", crate::server::TIMEOUT)
    };
    let done = once("spin 3", &[])?;
    assert_eq!((done.status.code(), done.stdout.as_slice()), (Some(0), &b"3"[..]));
    let done = once("loop", &["--timeout", "200ms"])?;
    let words = String::from_utf8(done.stderr)?;
    assert!(done.status.code() == Some(1) && words.contains("timeout: 'function': it ran for 200 ms"), "{words}");
    // What is no text comes out as it is, and in base64 where JSON is asked for.
    let directory = tempfile::tempdir()?;
    let bytes = directory.path().join("bytes");
    std::fs::write(&bytes, b"\x00\xff\x01")?;
    let reverse = |more: &[&str]| {
        let mut command = replicode(&["fn", "run"]);
        command.arg(wasm_path("reverse")).arg("--input-file").arg(&bytes).args(more);
        run(&mut command, b"", crate::server::TIMEOUT)
    };
    assert_eq!(reverse(&[])?.stdout, b"\x01\xff\x00");
    let answer: Value = serde_json::from_slice(&reverse(&["--json"])?.stdout)?;
    assert_eq!((&answer["output_b64"], &answer["output"]), (&json!("Af8A"), &Value::Null), "{answer}");
    let done = run(replicode(&["fn", "run"]).arg(replicode_tests::guest("hello")), b"", crate::server::TIMEOUT)?;
    let words = String::from_utf8(done.stderr)?;
    assert!(done.status.code() == Some(1) && words.contains("wasi_snapshot_preview1"), "{words}");
    Ok(())
}

#[test]
fn without_a_server_every_command_says_how_to_start_one() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let socket = directory.path().join("none");
    for command in
        [&["list"][..], &["ping"], &["stats"], &["execute", "a"], &["unload", "a"], &["stop"], &["logs", "a"]]
    {
        let done = run(replicode(&["fn"]).args(command).arg("--socket").arg(&socket), b"", crate::server::TIMEOUT)?;
        let words = String::from_utf8(done.stderr)?;
        assert!(done.status.code() == Some(1) && words.contains("start one with 'replicode fn serve'"), "{words}");
    }
    Ok(())
}

#[test]
fn what_stands_at_the_path_is_not_touched() -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mut server = Server::start(&[])?;
    let mode = std::fs::metadata(server.socket())?.permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let serve = |socket: &std::path::Path, data: &str| {
        let mut command = replicode(&["fn", "serve", "--socket"]);
        run(command.arg(socket).arg("--data").arg(server.dir.path().join(data)), b"", crate::server::TIMEOUT)
    };
    let file = server.dir.path().join("file");
    std::fs::write(&file, "mine")?;
    let done = serve(&file, "d2")?;
    assert!(String::from_utf8(done.stderr)?.contains("exists and is no socket"));
    assert_eq!(std::fs::read(&file)?, b"mine");
    let done = serve(&server.socket(), "d2")?;
    assert!(String::from_utf8(done.stderr)?.contains("a server listens at"));
    let done = serve(&server.dir.path().join("other"), "data")?;
    assert!(String::from_utf8(done.stderr)?.contains("belongs to a server that is running"));
    // The socket of a dead server is taken over.
    server.kill()?;
    assert!(server.socket().exists());
    server.revive()?;
    server.says(&["stop"])?;
    assert!(!server.socket().exists());
    Ok(())
}

#[test]
fn a_new_function_is_built_tested_loaded_and_executed() -> Result<()> {
    let server = Server::start(&[])?;
    let there = server.dir.path();
    let new = |name: &str, lang: &str| {
        run(replicode(&["fn", "new", name, "--lang", lang]).current_dir(there), b"", crate::server::TIMEOUT)
    };
    assert!(new("shout", "rust")?.status.success() && new("call", "c")?.status.success());
    assert_eq!(new("shout", "rust")?.status.code(), Some(1));
    assert_eq!(new("No!", "rust")?.status.code(), Some(2));
    let built = run(
        std::process::Command::new("cargo")
            .args(["build", "--offline", "--quiet", "--release", "--target", "wasm32-unknown-unknown"])
            .current_dir(there.join("shout"))
            .env_remove("CARGO_TARGET_DIR"),
        b"",
        std::time::Duration::from_secs(300),
    )?;
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let module = there.join("shout/target/wasm32-unknown-unknown/release/shout.wasm");
    server.says(&["load", &module.display().to_string(), "--name", "shout"])?;
    assert_eq!(server.says(&["execute", "shout", "--input", "hello"])?, "HELLO!");
    // In C the test runs on this machine.
    let mut cc = std::process::Command::new("cc");
    let built = run(
        cc.args(["-Wno-attributes", "test.c", "-o", "test"]).current_dir(there.join("call")),
        b"",
        crate::server::TIMEOUT,
    )?;
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    assert!(
        run(&mut std::process::Command::new(there.join("call/test")), b"", crate::server::TIMEOUT)?.status.success()
    );
    Ok(())
}

#[test]
fn counters_are_told_to_prometheus() -> Result<()> {
    use std::io::{Read, Write};
    let port = replicode_tests::free_ports(1);
    let server = Server::start(&["--metrics", &format!("127.0.0.1:{port}")])?;
    server.load("hostile")?;
    let mut client = server.client()?;
    for input in ["spin 1", "spin 2", "trap"] {
        let _ = client.execute("hostile", input.as_bytes(), &crate::server::PLAIN);
    }
    let mut text = String::new();
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port))?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")?;
    stream.read_to_string(&mut text)?;
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
    for line in [
        "replicode_fn_executions_total{outcome=\"ok\"} 2",
        "replicode_fn_executions_total{outcome=\"trap\"} 1",
        "replicode_fn_execution_seconds_count 3",
        "replicode_fn_functions 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in {text}");
    }
    Ok(())
}

#[test]
fn stop_ends_who_serves_and_not_whom_the_server_names() -> Result<()> {
    // A socket of somebody who says that he is a server, and another process.
    let dir = tempfile::tempdir()?;
    let socket = dir.path().join("s");
    let mut victim = std::process::Command::new("sleep").arg("600").spawn()?;
    let liar = r#"
import socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
while True:
    client, _ = listener.accept()
    for line in client.makefile():
        client.sendall(b'{"id":1,"ok":{"server":"replicode-functions 1","pid":%d}}\n' % int(sys.argv[2]))
"#;
    let mut server =
        std::process::Command::new("python3").args(["-c", liar]).arg(&socket).arg(victim.id().to_string()).spawn()?;
    replicode_tests::eventually("the liar to listen", crate::server::TIMEOUT, || {
        std::os::unix::net::UnixStream::connect(&socket).map(drop).map_err(anyhow::Error::from)
    })?;
    let said = run(replicode(&["fn", "stop", "--socket"]).arg(&socket), b"", crate::server::TIMEOUT)?;
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    assert!(!server.wait()?.success() && victim.try_wait()?.is_none());
    victim.kill()?;
    victim.wait()?;
    Ok(())
}
