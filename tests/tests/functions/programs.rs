//! Ordinary programs as functions behave as under `replicode run`.

use crate::server::{PLAIN, Server, TIMEOUT, failure, wasm_path};
use anyhow::Result;
use replicode_functions_client::Config;
use replicode_tests::cluster::replicode;
use replicode_tests::process::run;
use serde_json::json;
use std::path::Path;

/// What a program printed, what it told, and how it ended, under `replicode run`.
fn alone(arguments: &[&str], module: &Path, rest: &[&str], input: &[u8]) -> Result<(Vec<u8>, String, i32)> {
    let mut command = replicode(&["run"]);
    command.args(arguments).arg(module).args(rest);
    let output = run(&mut command, input, TIMEOUT)?;
    Ok((output.stdout, String::from_utf8(output.stderr)?, output.status.code().unwrap_or(-1)))
}

#[test]
fn a_program_does_what_it_does_under_run() -> Result<()> {
    let server = Server::start(&[])?;
    let data = tempfile::tempdir()?;
    std::fs::write(data.path().join("words"), "bad\nworse\n")?;
    let there = format!("{}:data", data.path().display());
    let module = wasm_path("lines");
    let path = module.display().to_string();
    let load = ["load", &path, "--wasi", "--dir", &there, "--env", "WORDS=x,y", "--arg", "data/words"];
    let uuid = server.says(&load)?;
    assert_eq!(server.says(&load)?, uuid);
    // Another world is another function.
    let other = server.says(&["load", &path, "--wasi", "--name", "other"])?;
    assert_ne!(other, uuid);

    let arguments = ["--dir", &there, "--env", "WORDS=x,y", "--name", "fn-lines"];
    for input in ["good\nbad\n\nverse", "", "x\nworse\n", "äöü\n\u{0}\n", &"line without end ".repeat(10_000)] {
        let (stdout, stderr, code) = alone(&arguments, &module, &["--", "data/words"], input.as_bytes())?;
        let request = json!({"op": "execute", "uuid": "fn-lines", "input": input, "logs": true});
        let (output, logs, returned) = match server.client()?.request(request) {
            Ok(ok) => (ok["output"].as_str().unwrap_or_default().to_string(), ok["logs"].clone(), 0),
            Err(replicode_functions_client::ClientError::Failed(failure)) => {
                assert_eq!(failure.code, "plugin", "{failure:?}");
                assert!(failure.message.contains(&format!("code {code}")), "{failure:?}");
                (String::from_utf8(stdout.clone())?, json!(failure.logs), code)
            }
            Err(other) => return Err(other.into()),
        };
        let lines: Vec<&str> = stderr.lines().collect();
        assert_eq!((output.as_bytes(), logs, returned), (stdout.as_slice(), json!(lines), code), "{input:.30}");
    }
    // What the directory holds now has no effect.
    std::fs::write(data.path().join("words"), "good\n")?;
    assert_eq!(server.client()?.execute("fn-lines", b"good", &PLAIN)?.output, b"1:good\n");
    assert_eq!(server.says(&["list"])?.matches("wasi").count(), 2);
    Ok(())
}

#[test]
fn programs_of_the_collection_print_what_they_print_under_run() -> Result<()> {
    let server = Server::start(&[])?;
    let mut client = server.client()?;
    for name in ["hello", "cpu"] {
        let module = replicode_tests::guest(name);
        let (stdout, _, code) = alone(&[], &module, &[], b"")?;
        assert_eq!(code, 0, "{name}");
        let wasm = std::fs::read(&module)?;
        let request = json!({"op": "load", "path": module, "name": name, "kind": "wasi", "args": [name]});
        client.request(request)?;
        let config = Config { timeout_ms: Some(60_000), ..PLAIN };
        let first = client.execute(name, b"", &config)?;
        assert_eq!(first.output, stdout, "{name}, {} bytes", wasm.len());
        let again = client.execute(name, b"", &config)?;
        assert_eq!((again.output, again.fuel), (first.output, first.fuel), "{name}");
    }
    // What imports sockets or anything else is refused by name.
    for (name, import) in [("kv", "replicode_sock_v1"), ("endings", "replicode_sock_v1")] {
        let module = replicode_tests::guest(name);
        let refused = failure(client.request(json!({"op": "load", "path": module, "kind": "wasi"})));
        assert!(refused.code == "unsupported_import" && refused.message.contains(import), "{refused:?}");
    }
    Ok(())
}

#[test]
fn programs_stand_in_chains_are_called_and_are_there_again_after_a_start() -> Result<()> {
    let mut server = Server::start(&[])?;
    let mut client = server.client()?;
    for name in ["uppercase", "reverse"] {
        server.load(name)?;
    }
    let files = json!([{"path": "w/words", "text": "B\n"}, {"path": "w/link", "link": "words"}]);
    let module = wasm_path("lines");
    let load = json!({"op": "load", "path": module, "name": "lines", "kind": "wasi", "files": files,
        "args": ["lines", "/w/link"]});
    let uuid = client.request(load)?["uuid"].clone();
    let chain = ["uppercase", "lines", "reverse"];
    assert_eq!(client.chain(&chain, b"a\nb\nc", &PLAIN)?.output, b"\nC:3\nA:1");
    let words = failure(client.chain(&chain, b"b", &PLAIN));
    assert_eq!((words.code.as_str(), words.stage), ("plugin", Some(1)));
    server.kill()?;
    server.revive()?;
    let mut client = server.client()?;
    assert_eq!(client.request(json!({"op": "info", "uuid": "lines"}))?["uuid"], uuid);
    assert_eq!(client.chain(&chain, b"a\nb\nc", &PLAIN)?.output, b"\nC:3\nA:1");
    // With the last that has them the files go, at the next start.
    let left = |server: &Server| -> Result<usize> {
        Ok(crate::server::names(&server.data().join("modules"))?.iter().filter(|name| name.ends_with(".files")).count())
    };
    assert_eq!(left(&server)?, 1);
    client.unload("lines")?;
    server.stop()?;
    server.revive()?;
    assert_eq!(left(&server)?, 0);
    // Only programs have worlds, and a file is one thing.
    let mut client = server.client()?;
    for wrong in [
        json!({"env": {"A": "b"}}),
        json!({"kind": "wasi", "files": [{"path": "a", "text": "x", "link": "y"}]}),
        json!({"kind": "wasi", "files": [{"path": "a", "text": "x", "b64": "eA=="}]}),
        json!({"kind": "wasi", "files": [{"path": "a", "colour": 1}]}),
    ] {
        let mut request = json!({"op": "load", "path": module});
        if let (Some(request), serde_json::Value::Object(wrong)) = (request.as_object_mut(), wrong) {
            request.extend(wrong);
        }
        assert_eq!(failure(client.request(request)).code, "bad_request");
    }
    let request = json!({"op": "load", "path": module, "kind": "wasi", "files": [{"path": "../up", "text": "x"}]});
    assert_eq!(failure(client.request(request)).code, "bad_module");
    Ok(())
}

#[test]
fn limits_hold_for_programs() -> Result<()> {
    let server = Server::start(&[])?;
    let mut client = server.client()?;
    client.request(json!({"op": "load", "path": wasm_path("lines"), "name": "lines", "kind": "wasi"}))?;
    let input = "a line\n".repeat(100_000);
    let whole = client.execute("lines", input.as_bytes(), &PLAIN)?;
    let code = |config: Config| match server.client()?.execute("lines", input.as_bytes(), &config) {
        Ok(_) => Ok("ok".to_string()),
        Err(error) => Ok::<_, anyhow::Error>(failure::<()>(Err(error)).code),
    };
    for (fuel, expected) in [(whole.fuel - 1, "fuel"), (whole.fuel, "ok"), (whole.fuel + 1, "ok")] {
        assert_eq!(code(Config { fuel: Some(fuel), ..PLAIN })?, expected);
    }
    assert_eq!(code(Config { memory_limit_mb: Some(1), ..PLAIN })?, "memory");
    assert_eq!(code(Config { output_limit_mb: Some(1), ..PLAIN })?, "output_too_large");
    assert_eq!(code(Config { output_limit_mb: Some(2), ..PLAIN })?, "ok");
    assert_eq!(code(Config { timeout_ms: Some(1), ..PLAIN })?, "timeout");
    Ok(())
}
