//! The socket, byte by byte.

use crate::server::{PLAIN, Server, TIMEOUT, failure, wasm, wasm_path};
use anyhow::{Context, Result};
use replicode_functions_client::FrameClient;
use replicode_tests::{check, eventually};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;

/// A connection without a client library.
struct Raw(BufReader<UnixStream>);

impl Raw {
    fn new(server: &Server) -> Result<Self> {
        let stream = UnixStream::connect(server.socket())?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        Ok(Self(BufReader::new(stream)))
    }

    fn send(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.0.get_mut().write_all(bytes)?)
    }

    /// The next answer; `None` at the end.
    fn line(&mut self) -> Result<Option<Value>> {
        let mut line = String::new();
        if self.0.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        Ok(Some(serde_json::from_str(&line).with_context(|| line.clone())?))
    }

    fn ask(&mut self, request: &str) -> Result<Value> {
        self.send(request.as_bytes())?;
        self.send(b"\n")?;
        self.line()?.context("the connection ended")
    }

    fn end(&mut self) -> Result<()> {
        Ok(self.0.get_ref().shutdown(std::net::Shutdown::Write)?)
    }
}

fn hostile() -> Result<Server> {
    let server = Server::start(&[])?;
    server.load("hostile")?;
    Ok(server)
}

#[test]
fn what_cannot_be_understood_is_answered_and_the_connection_goes_on() -> Result<()> {
    let server = Server::start(&[])?;
    let mut raw = Raw::new(&server)?;
    for (request, code) in [
        ("", "bad_json"),
        ("nonsense", "bad_json"),
        ("{\"op\":\"ping\"", "bad_json"),
        ("[]", "bad_request"),
        ("{}", "bad_request"),
        ("{\"op\":\"dance\"}", "unknown_op"),
        ("{\"op\":\"ping\",\"colour\":1}", "bad_request"),
        ("{\"op\":\"execute\"}", "bad_request"),
        ("{\"op\":\"execute\",\"uuid\":\"x\"}", "not_found"),
        ("{\"op\":\"chain\",\"uuid\":\"x\"}", "not_found"),
        ("{\"op\":\"chain\",\"uuids\":[]}", "bad_request"),
        ("{\"op\":\"load\"}", "bad_request"),
        ("{\"op\":\"load\",\"wasm_b64\":\"!\"}", "bad_request"),
        ("{\"op\":\"load\",\"path\":\"relative.wasm\"}", "bad_request"),
        ("{\"op\":\"load\",\"path\":\"/nowhere/x.wasm\"}", "bad_request"),
        ("{\"op\":\"load\",\"path\":\"/etc/passwd\"}", "bad_module"),
        ("{\"op\":\"cancel\",\"target\":1}", "not_found"),
        ("{\"op\":\"state\",\"uuid\":\"x\",\"get\":\"k\"}", "not_found"),
        ("{\"op\":\"unload\",\"uuid\":\"x\"}", "not_found"),
        ("{\"op\":\"info\",\"uuid\":\"x\"}", "not_found"),
    ] {
        let answer = raw.ask(request)?;
        assert_eq!(answer["error"]["code"], code, "{request}: {answer}");
        assert!(!answer["error"]["message"].to_string().contains("root:"), "no file is quoted: {answer}");
    }
    raw.send(b"{\"op\":\"ping\",\"id\":\"\xff\"}\n")?;
    assert_eq!(raw.line()?.context("an answer")?["error"]["code"], "bad_json");
    assert_eq!(raw.ask("{\"op\":\"ping\",\"id\":\"a\\u0000é\"}")?, json!({"id": "a\u{0}é", "ok": {"pong": true}}));
    assert_eq!(raw.ask("{\"id\":-9223372036854775808,\"op\":\"ping\"}")?["id"], i64::MIN);
    assert_eq!(raw.ask("{\"id\":18446744073709551615,\"op\":\"ping\"}")?["id"], u64::MAX);
    assert_eq!(raw.ask("{\"id\":5,\"op\":\"ping\",\"x\":1}")?["id"], 5);
    Ok(())
}

#[test]
fn a_line_may_be_so_long_and_no_longer() -> Result<()> {
    let server = Server::with_limits("line_bytes = 10000\n", &[])?;
    let line = |bytes: usize| {
        let frame = "{\"op\":\"ping\",\"name\":\"\"}";
        format!("{{\"op\":\"ping\",\"name\":\"{}\"}}\n", "x".repeat(bytes - frame.len()))
    };
    for bytes in [9_999, 10_000] {
        let mut raw = Raw::new(&server)?;
        raw.send(line(bytes).as_bytes())?;
        assert_eq!(raw.line()?, Some(json!({"ok": {"pong": true}})), "{bytes}");
    }
    let mut raw = Raw::new(&server)?;
    raw.send(line(10_001).as_bytes())?;
    assert_eq!(raw.line()?.context("an answer")?["error"]["code"], "too_long");
    assert_eq!(raw.line()?, None);
    // One that never ends is cut off when it is too long, not when it ends.
    let mut raw = Raw::new(&server)?;
    raw.send(&vec![b'x'; 10_100])?;
    assert_eq!(raw.line()?.context("an answer")?["error"]["code"], "too_long");
    Ok(())
}

#[test]
fn many_requests_in_one_piece_or_byte_by_byte_are_answered_alike() -> Result<()> {
    let server = Server::start(&[])?;
    server.load("reverse")?;
    let requests: Vec<String> = (0..300)
        .map(|id| format!("{{\"id\":{id},\"op\":\"execute\",\"uuid\":\"reverse\",\"input\":\"{id}-abc\"}}\n"))
        .collect();
    let all = requests.concat();
    for piece in [1, 7, 100, all.len()] {
        let mut raw = Raw::new(&server)?;
        let mut writer = raw.0.get_ref().try_clone()?;
        let text = all.clone();
        let sender =
            std::thread::spawn(move || text.as_bytes().chunks(piece).try_for_each(|piece| writer.write_all(piece)));
        for id in 0..300 {
            let answer = raw.line()?.context("an answer")?;
            let expected: String = format!("{id}-abc").chars().rev().collect();
            assert_eq!((&answer["id"], &answer["ok"]["output"]), (&json!(id), &json!(expected)), "pieces of {piece}");
        }
        sender.join().expect("the sender")?;
    }
    Ok(())
}

#[test]
fn short_ones_overtake_long_ones_unless_order_is_asked_for() -> Result<()> {
    let server = hostile()?;
    let run = |id: u32, input: &str| {
        format!("{{\"id\":{id},\"op\":\"execute\",\"uuid\":\"hostile\",\"input\":\"{input}\"}}\n")
    };
    let requests = run(1, "spin 30000000") + &run(2, "spin 1") + &run(3, "spin 1");
    let ids = |raw: &mut Raw, count: usize| -> Result<Vec<Value>> {
        (0..count).map(|_| Ok(raw.line()?.context("an answer")?["id"].clone())).collect()
    };
    let mut raw = Raw::new(&server)?;
    raw.send(requests.as_bytes())?;
    assert_eq!(ids(&mut raw, 3)?, [2, 3, 1]);
    let mut raw = Raw::new(&server)?;
    let hello = raw.ask("{\"op\":\"hello\",\"ordered\":true}")?;
    assert_eq!((&hello["ok"]["protocol"], &hello["ok"]["limits"]["line_bytes"]), (&json!(1), &json!(16 << 20)));
    raw.send(requests.as_bytes())?;
    assert_eq!(ids(&mut raw, 3)?, [1, 2, 3]);
    Ok(())
}

#[test]
fn who_half_closes_gets_answers_who_vanishes_cancels() -> Result<()> {
    let server = hostile()?;
    let in_flight = || -> Result<u64> {
        let stats = server.client()?.request(json!({"op": "stats"}))?;
        stats["in_flight"].as_u64().context("a number")
    };
    let loops =
        b"{\"id\":1,\"op\":\"execute\",\"uuid\":\"hostile\",\"input\":\"loop\",\"config\":{\"timeout_ms\":700}}\n";
    let mut raw = Raw::new(&server)?;
    raw.send(loops)?;
    raw.end()?;
    assert_eq!(raw.line()?.context("an answer")?["error"]["code"], "timeout");
    assert_eq!(raw.line()?, None);

    // Nobody waits for it: it ends long before its time.
    let long = String::from_utf8(loops.to_vec())?.replace("700", "600000");
    let mut raw = Raw::new(&server)?;
    raw.send(long.as_bytes())?;
    eventually("the loop to run", TIMEOUT, || check(in_flight()? == 1, || "not yet".into()))?;
    drop(raw);
    eventually("the loop to be cancelled", TIMEOUT, || check(in_flight()? == 0, || "still there".into()))?;

    // Unless it is to go on.
    let detached = long.replace("\"id\":1,", "\"id\":1,\"detach\":true,").replace("600000", "3000");
    let mut raw = Raw::new(&server)?;
    raw.send(detached.as_bytes())?;
    eventually("the loop to run", TIMEOUT, || check(in_flight()? == 1, || "not yet".into()))?;
    drop(raw);
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(in_flight()?, 1);
    eventually("its time to be over", TIMEOUT, || check(in_flight()? == 0, || "still there".into()))
}

#[test]
fn an_execution_is_cancelled_and_a_function_unloaded_while_it_runs() -> Result<()> {
    let server = hostile()?;
    let mut client = server.client()?;
    let loops = json!({"op": "execute", "uuid": "hostile", "input": "loop", "config": {"timeout_ms": 600_000}});
    let id = client.send(loops.clone())?;
    eventually("it to be cancelled", TIMEOUT, || Ok(client.request(json!({"op": "cancel", "target": id}))?))?;
    assert_eq!(failure(client.receive(id)).code, "cancelled");

    let id = client.send(loops)?;
    eventually("it to run", TIMEOUT, || {
        let stats = client.request(json!({"op": "stats"}))?;
        check(stats["in_flight"] == 1, || "not yet".into())
    })?;
    let cut = server.client()?.request(json!({"op": "unload", "uuid": "hostile", "now": true}))?;
    assert_eq!(cut["cut"], 1);
    assert_eq!(failure(client.receive(id)).code, "cancelled");
    assert_eq!(failure(client.execute("hostile", b"spin 1", &PLAIN)).code, "not_found");
    Ok(())
}

#[test]
fn queues_have_lengths() -> Result<()> {
    let server = Server::with_limits("in_flight = 3\nqueue = 5\n", &[])?;
    server.load("hostile")?;
    let loops = json!({"op": "execute", "uuid": "hostile", "input": "loop", "config": {"timeout_ms": 600_000}});
    let (mut one, mut two) = (server.client()?, server.client()?);
    let mut ids: Vec<u64> = (0..3).map(|_| one.send(loops.clone())).collect::<Result<_, _>>()?;
    let more = one.send(loops.clone())?;
    assert_eq!(failure(one.receive(more)).code, "busy");
    // What is short needs no place.
    one.execute("hostile", b"spin 1", &PLAIN)?;
    let others: Vec<u64> = (0..2).map(|_| two.send(loops.clone())).collect::<Result<_, _>>()?;
    let more = two.send(loops)?;
    assert_eq!(failure(two.receive(more)).code, "overloaded");
    for id in ids.drain(..) {
        one.request(json!({"op": "cancel", "target": id}))?;
        assert_eq!(failure(one.receive(id)).code, "cancelled");
    }
    drop(two);
    let _ = others;
    Ok(())
}

#[test]
fn who_does_not_read_is_not_read_from() -> Result<()> {
    let server = hostile()?;
    let mut raw = Raw::new(&server)?;
    let request = "{\"id\":1,\"op\":\"execute\",\"uuid\":\"hostile\",\"input\":\"flood 1000000\"}\n";
    let mut writer = raw.0.get_ref().try_clone()?;
    writer.set_nonblocking(true)?;
    let (mut sent, bytes) = (0, request.as_bytes());
    eventually("the server to stop reading", TIMEOUT, || {
        let before = sent;
        while let Ok(count) = writer.write(&bytes[sent % bytes.len()..]) {
            sent += count;
            assert!(sent < 100_000_000, "the server reads without end");
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
        check(sent == before && sent > 0, || format!("{sent} bytes"))
    })?;
    // Others are served, and it is when it reads again.
    server.client()?.execute("hostile", b"spin 1", &PLAIN)?;
    let whole = sent / bytes.len();
    writer.set_nonblocking(false)?;
    for _ in 0..whole {
        let answer = raw.line()?.context("an answer")?;
        assert_eq!(answer["ok"]["output"].as_str().map(str::len), Some(1_000_000));
    }
    Ok(())
}

#[test]
fn frames_that_are_none_are_answered_or_end_the_connection() -> Result<()> {
    let server = Server::start(&[])?;
    let uuid = server.load("reverse")?;
    let mut stream = UnixStream::connect(server.socket())?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.write_all(b"RF")?;
    stream.write_all(b"N1")?;
    // Ten bytes of nothing: bad_request with no id.
    stream.write_all(&[10, 0, 0, 0, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9])?;
    let mut head = [0; 24];
    stream.read_exact(&mut head)?;
    assert_eq!(head[4], 2);
    let mut words = vec![0; u32::from_le_bytes(head[..4].try_into()?) as usize - 20];
    stream.read_exact(&mut words)?;
    // A frame of 4 GiB: too_long, and the end.
    stream.write_all(&[0xff; 4])?;
    stream.read_exact(&mut head)?;
    assert_eq!(head[4], 3);
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest)?;

    let mut frames = FrameClient::connect(server.socket())?;
    for id in 0..500u64 {
        frames.push_execute(id, &uuid, id.to_string().as_bytes(), &PLAIN)?;
    }
    frames.flush()?;
    frames.finish()?;
    for id in 0..500u64 {
        let answer = frames.receive()?;
        let expected: String = id.to_string().chars().rev().collect();
        assert_eq!((answer.id, answer.result?), (id, expected.into_bytes()));
    }
    Ok(())
}

#[test]
fn a_server_reads_modules_where_it_may() -> Result<()> {
    let there = tempfile::tempdir()?;
    std::fs::write(there.path().join("inside.wasm"), wasm("echo")?)?;
    let inside = there.path().join("inside.wasm");
    std::os::unix::fs::symlink(wasm_path("reverse"), there.path().join("link.wasm"))?;
    let load = |server: &Server, path: &std::path::Path| {
        server.client()?.request(json!({"op": "load", "path": path})).map_err(anyhow::Error::from)
    };
    let server = Server::start(&["--modules", &there.path().display().to_string()])?;
    assert_eq!(load(&server, &inside)?["name"], "inside");
    for outside in [wasm_path("reverse"), there.path().join("link.wasm"), there.path().join("../x.wasm")] {
        assert!(load(&server, &outside).is_err(), "{}", outside.display());
    }
    // What is elsewhere and what is nowhere are told apart by nobody.
    let words = |path: &std::path::Path| {
        let error = load(&server, path).expect_err("it is not there").to_string();
        error.replace(&path.display().to_string(), "PATH")
    };
    assert_eq!(words(&wasm_path("reverse")), words(&wasm_path("nothing-of-that-name")));
    let server = Server::start(&["--modules", "off"])?;
    assert!(load(&server, &inside).expect_err("it reads none").to_string().contains("wasm_b64"));

    // What is too long, or has no end.
    let server = Server::with_limits("module_bytes = 1000\n", &[])?;
    let (long, pipe) = (there.path().join("long.wasm"), there.path().join("pipe.wasm"));
    std::fs::write(&long, vec![0u8; 1001])?;
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRUSR)?;
    let zeros = std::path::PathBuf::from("/dev/zero");
    for (path, words) in
        [(&long, "it has 1001 bytes, and this server takes 1000"), (&pipe, "it is no file"), (&zeros, "it is no file")]
    {
        let error = load(&server, path).expect_err("it is no module").to_string();
        assert!(error.contains(words), "{error}");
    }
    Ok(())
}

/// Whether two answers have the same fields with values of the same kinds, and the same words. Figures and digests differ from build to build.
pub(crate) fn alike(found: &Value, written: &Value) -> bool {
    match (found, written) {
        (Value::Object(found), Value::Object(written)) => {
            found.len() == written.len()
                && written.iter().all(|(name, value)| {
                    let free = matches!(name.as_str(), "uuid" | "digest" | "imports");
                    found.get(name).is_some_and(|found| free || alike(found, value))
                })
        }
        (Value::Array(found), Value::Array(written)) => {
            found.len() == written.len() && found.iter().zip(written).all(|(found, written)| alike(found, written))
        }
        (Value::Number(_), Value::Number(_)) => true,
        (found, written) => found == written,
    }
}

#[test]
fn the_examples_of_the_reference_are_what_happens() -> Result<()> {
    let page = std::fs::read_to_string(replicode_tests::root().join("docs/functions/API_REFERENCE.md"))?;
    // What differs beside a node is tried there.
    let page = page.split("## Beside a node").next().unwrap_or_default();
    let blocks: Vec<&str> = page.split("```json\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    let server = Server::start(&[])?;
    server.load("uppercase")?;
    let mut raw = Raw::new(&server)?;
    let mut compared = 0;
    for block in blocks {
        let lines: Vec<&str> = block.lines().collect();
        for pair in lines.chunks(2) {
            let [request, answer] = pair else { panic!("a request without its answer: {pair:?}") };
            let path = wasm_path("transform").display().to_string();
            let found = raw.ask(&request.replace("/abs/transform.wasm", &path))?;
            let written: Value = serde_json::from_str(answer).with_context(|| answer.to_string())?;
            assert!(alike(&found, &written), "{request}\nis answered {found}\nand not      {written}");
            compared += 1;
        }
    }
    assert_eq!(compared, 4);
    Ok(())
}

#[test]
fn the_table_of_errors_is_that_of_the_client() -> Result<()> {
    let page = std::fs::read_to_string(replicode_tests::root().join("docs/functions/API_REFERENCE.md"))?;
    let rows = page.lines().filter_map(|line| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let number: usize = cells.get(1)?.parse().ok()?;
        Some((number, cells.get(2)?.trim_matches('`').to_string()))
    });
    let rows: Vec<_> = rows.collect();
    let known = replicode_functions_client::CODES;
    assert_eq!(rows, (1..known.len()).map(|number| (number, known[number].to_string())).collect::<Vec<_>>());
    Ok(())
}

#[test]
fn who_is_refused_is_told_nothing_of_the_execution_before() -> Result<()> {
    let server = hostile()?;
    let mut raw = Raw::new(&server)?;
    let ask = |raw: &mut Raw, more: Value| -> Result<Value> {
        let mut request = json!({"op": "execute", "uuid": "hostile", "input": "log 2", "logs": true});
        if let (Some(request), Value::Object(more)) = (request.as_object_mut(), more) {
            request.extend(more);
        }
        raw.ask(&request.to_string())
    };
    let first = ask(&mut raw, json!({}))?;
    assert_eq!(first["ok"]["logs"].as_array().map(Vec::len), Some(2), "{first}");
    let second = ask(&mut raw, json!({"config": {"timeout_ms": 0}}))?;
    assert_eq!((&second["error"]["code"], &second["error"]["logs"]), (&json!("bad_request"), &json!([])), "{second}");
    Ok(())
}

#[test]
fn a_name_that_is_none_is_compared_with_none() -> Result<()> {
    let server = hostile()?;
    let mut client = server.client()?;
    let mut words = |name: &str| {
        let failure = failure(client.execute(name, b"", &PLAIN));
        assert_eq!(failure.code, "not_found");
        failure.message
    };
    assert!(words("hostil").contains("did you mean 'hostile'?"));
    assert!(words("hostile!!").contains("did you mean 'hostile'?"));
    assert!(!words("xyzzy").contains("did you mean"));
    let long = words(&"hostile".repeat(1 << 20));
    assert!(!long.contains("did you mean") && long.len() < 300, "{long}");
    Ok(())
}

#[test]
fn nobody_waits_for_an_answer_of_a_connection_that_is_gone() -> Result<()> {
    let mut server = hostile()?;
    let mut client = server.client()?;
    let loops = json!({"op": "execute", "uuid": "hostile", "input": "loop"});
    let (one, two) = (client.send(loops.clone())?, client.send(loops)?);
    server.kill()?;
    server.revive()?;
    // The first to ask learns of it; who asks after the next request must not wait either.
    assert!(matches!(client.receive(one), Err(replicode_functions_client::ClientError::Lost(_))));
    client.execute("hostile", b"spin 1", &PLAIN)?;
    assert!(matches!(client.receive(two), Err(replicode_functions_client::ClientError::Lost(_))));
    let script = "
import sys
sys.path.insert(0, sys.argv[1])
import replicode_fn
with replicode_fn.Client(sys.argv[2], timeout=60) as client:
    old = client.send({'op': 'ping'})
    client.connect()
    client.request(op='ping')
    try:
        client.receive(old)
    except replicode_fn.Lost:
        print('lost')
";
    let clients = replicode_tests::root().join("runtime/functions/clients/python");
    let mut python = std::process::Command::new("python3");
    python.args(["-B", "-c", script]).arg(clients).arg(server.socket());
    let said = replicode_tests::process::run(&mut python, b"", TIMEOUT)?;
    assert_eq!(String::from_utf8_lossy(&said.stdout).trim(), "lost", "{}", String::from_utf8_lossy(&said.stderr));
    Ok(())
}

#[test]
fn whoever_gives_up_in_the_middle_spoils_nothing_for_others() -> Result<()> {
    let server = hostile()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let client = replicode_functions_client::AsyncClient::connect(server.socket()).await?;
        let large = vec![b'x'; 8 << 20];
        for round in 0..20u64 {
            // More than the socket takes at once, and given up somewhere in it.
            let sends = client.execute("hostile", &large, &PLAIN);
            let _ = tokio::time::timeout(std::time::Duration::from_micros(200 * round), sends).await;
            let answer = tokio::time::timeout(TIMEOUT, client.execute("hostile", b"spin 1", &PLAIN)).await?;
            assert_eq!(answer?.output, b"0");
        }
        Ok(())
    })
}
