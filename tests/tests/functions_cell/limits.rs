//! Every limit below, at and above it, on the way through the log: JSON, frames, a chain.

use crate::beside::{Cell, PLAIN, code};
use anyhow::{Context, Result};
use replicode_functions_client::{ClientError, Config, FrameClient};
use replicode_tests::cluster::replicode;
use replicode_tests::process::run;
use serde_json::json;
use std::time::Duration;

/// What `hostile` does with an input, by every path that there is.
fn on_every_path(cell: &Cell, uuid: &str, input: &str, config: &Config) -> Result<[String; 3]> {
    let mut client = cell.client(1)?;
    let mut frames = FrameClient::connect(cell.servers[0].socket())?;
    let bytes = input.as_bytes();
    let json = code(&client.execute("hostile", bytes, config));
    let chain = code(&client.chain(&["echo", "hostile"], bytes, config));
    Ok([json, code(&frames.execute(uuid, bytes, config)), chain])
}

fn all(code: &str) -> [String; 3] {
    [code; 3].map(str::to_string)
}

#[test]
fn every_limit_below_at_and_above() -> Result<()> {
    let cell = Cell::start(1, &[])?;
    cell.load("echo")?;
    let uuid = cell.load("hostile")?;
    let mut client = cell.client(1)?;
    let on = |input: &str, config: &Config| on_every_path(&cell, &uuid, input, config);

    // Fuel: exact, and what ends a loop in the log, whatever the clock says.
    for input in ["spin 50000", "recurse 30", "flood 100000", "call 5"] {
        let burnt = client.execute("hostile", input.as_bytes(), &PLAIN)?.fuel;
        for (fuel, expected) in [(burnt - 1, "fuel"), (burnt, "ok"), (burnt + 1, "ok"), (1, "fuel")] {
            let config = Config { fuel: Some(fuel), ..PLAIN };
            assert_eq!(code(&client.execute("hostile", input.as_bytes(), &config)), expected, "{input} {burnt} {fuel}");
        }
    }
    let endless = Config { fuel: Some(50_000_000), ..PLAIN };
    assert_eq!(on("loop", &endless)?, all("fuel"));
    let most = Config { fuel: Some(10_000_000_000), ..PLAIN };
    assert_eq!(on("spin 10", &most)?, all("ok"));
    assert_eq!(on("spin 10", &Config { fuel: Some(10_000_000_001), ..PLAIN })?, all("bad_request"));

    let memory = |mb| Config { memory_limit_mb: Some(mb), ..PLAIN };
    assert_eq!(on("grow 20", &memory(64))?, all("ok"));
    assert_eq!(on("grow 20", &memory(16))?, all("memory"));
    assert_eq!(on("grow 80", &PLAIN)?, all("memory"));
    assert_eq!(on("spin 1", &memory(256))?, all("ok"));
    assert_eq!(on("spin 1", &memory(257))?, all("bad_request"));
    for (bytes, expected) in [((1 << 20) - 1, "ok"), (1 << 20, "ok"), ((1 << 20) + 1, "output_too_large")] {
        assert_eq!(on(&format!("flood {bytes}"), &PLAIN)?, all(expected), "{bytes}");
    }
    assert_eq!(on("spin 1", &Config { output_limit_mb: Some(2), ..PLAIN })?, all("bad_request"));
    assert_eq!(on("log 655", &PLAIN)?, all("ok"));
    assert_eq!(on("log 656", &PLAIN)?, all("log_too_large"));
    assert_eq!(on("key 239", &PLAIN)?, all("ok"));
    assert_eq!(on("key 240", &PLAIN)?, all("ok"));
    assert_eq!(on("key 241", &PLAIN)?, all("state_conflict"));
    assert_eq!(on("value 65535", &PLAIN)?, all("ok"));
    assert_eq!(on("value 65536", &PLAIN)?, all("ok"));
    assert_eq!(on("value 65537", &PLAIN)?, all("state_conflict"));
    // What is overwritten is kept to the end, and counts: as memory, and as what is written.
    assert_eq!(on("again 30", &memory(4))?, all("ok"));
    assert_eq!(on("again 100", &memory(4))?, all("memory"));
    assert_eq!(on("again 1000000", &PLAIN)?, all("state_conflict"));
    assert_eq!(on("list 300", &PLAIN)?, all("ok"));
    assert_eq!(on("call 15", &PLAIN)?, all("ok"));
    assert_eq!(on("call 16", &PLAIN)?, all("trap"));
    assert_eq!(on("trap", &PLAIN)?, all("trap"));
    assert_eq!(on("code 3", &PLAIN)?, all("plugin"));

    // A request that is too long for the log never gets there.
    let long = vec![b'x'; 2 << 20];
    assert_eq!(code(&client.execute("echo", &long, &PLAIN)), "bad_request");
    let fits = vec![b'x'; 1 << 20];
    assert_eq!(client.execute("echo", &fits, &PLAIN)?.output, fits);
    let stages = |count: usize| vec!["echo"; count];
    assert_eq!(code(&client.chain(&stages(64), b"x", &PLAIN)), "ok");
    assert_eq!(code(&client.chain(&stages(65), b"x", &PLAIN)), "bad_request");
    let answer = client.request(json!({"op": "execute", "uuid": "hostile", "entry": "nothing"}));
    assert_eq!(code(&answer), "no_entry");
    assert_eq!(code(&client.request(json!({"op": "logs", "uuid": "hostile"}))), "bad_request");
    let answer = client.request(json!({"op": "execute", "uuid": "hostile", "input": "log 2", "logs": true}))?;
    assert_eq!(answer["logs"].as_array().map(Vec::len), Some(2));
    assert_eq!(code(&client.request(json!({"op": "nothing"}))), "unknown_op");
    let mistyped = client.execute("hostil", b"", &PLAIN).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(mistyped.contains("did you mean 'hostile'?"), "{mistyped}");
    let import = "AGFzbQEAAAABBAFgAAACCQEBeAN5eXoAAA==";
    assert_eq!(code(&client.request(json!({"op": "load", "wasm_b64": import, "name": "x"}))), "unsupported_import");
    Ok(())
}

#[test]
fn who_only_reads_is_answered_past_the_log_and_changes_nothing() -> Result<()> {
    let cell = Cell::start(1, &[])?;
    cell.load("hostile")?;
    cell.load("counter")?;
    let mut client = cell.client(1)?;
    client.execute("hostile", b"set 5", &PLAIN)?;
    let batch = |cell: &Cell| Ok::<_, anyhow::Error>(cell.cluster.status(1)?["contracts"]["batch"].clone());
    let before = batch(&cell)?;
    let read = |input: &str, fuel: Option<u64>| {
        let mut request = json!({"op": "execute", "uuid": "hostile", "input": input, "read_only": true});
        if let Some(fuel) = fuel {
            request["config"] = json!({"fuel": fuel});
        }
        request
    };
    assert_eq!(client.request(read("get 0", None))?["output"], "\u{5}\0\0\0");
    assert_eq!(code(&client.request(read("set 1", None))), "read_only");
    assert_eq!(code(&client.request(read("spin 1", Some(1_000_000_000)))), "ok");
    assert_eq!(code(&client.request(read("spin 1", Some(1_000_000_001)))), "bad_request");
    assert_eq!(code(&client.request(read("loop", Some(1_000_000)))), "fuel");
    client.request(json!({"op": "list"}))?;
    client.request(json!({"op": "info", "uuid": "counter"}))?;
    client.request(json!({"op": "state", "uuid": "hostile", "get": "set"}))?;
    assert_eq!(batch(&cell)?, before, "nothing of this is in the log");
    let mut command = replicode(&["fn", "execute", "counter", "--read-only", "--input", "1", "--socket"]);
    let output = run(command.arg(cell.servers[0].socket()), b"", Duration::from_secs(60))?;
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("read_only"));
    Ok(())
}

#[test]
fn time_and_cancelling_end_the_request_and_not_the_execution() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let limits = dir.path().join("limits.toml");
    std::fs::write(&limits, "in_flight = 2\nqueue = 3\n")?;
    let cell = Cell::start(1, &["--limits", limits.to_str().context("a path that is no text")?])?;
    cell.load("hostile")?;
    cell.load("counter")?;
    let mut client = cell.client(1)?;
    // Some tenths of a second, and then it sets what is told here not to have been seen.
    let slow = json!({
        "op": "chain", "uuids": ["hostile", "counter"], "input": "spin 700000000", "config": {"timeout_ms": 20},
    });
    assert_eq!(code(&client.request(slow.clone())), "timeout");
    let value = |client: &mut replicode_functions_client::Client| {
        client.request(json!({"op": "state", "uuid": "counter", "list": ""}))
    };
    replicode_tests::eventually("the log to have executed it all the same", Duration::from_secs(60), || {
        let keys = value(&mut client)?["keys"].as_array().map(Vec::len);
        replicode_tests::check(keys == Some(1), || format!("{keys:?}"))
    })?;
    let mut slow = slow;
    slow["config"] = json!({"timeout_ms": 60000});
    let id = client.send(slow.clone())?;
    let cancelled = client.request(json!({"op": "cancel", "target": id}))?;
    assert_eq!(cancelled["cancelled"], 1);
    assert_eq!(code(&client.receive(id)), "cancelled");

    // Two of one connection may be on their way here, and three of all.
    let busy: Vec<u64> = (0..3).map(|_| client.send(slow.clone())).collect::<Result<_, _>>()?;
    // Who is refused is told at once, and then the others have been taken.
    assert_eq!(code(&client.receive(busy[2])), "busy");
    let mut other = cell.client(1)?;
    let more: Vec<u64> = (0..2).map(|_| other.send(slow.clone())).collect::<Result<_, _>>()?;
    assert_eq!(code(&other.receive(more[1])), "overloaded");
    assert_eq!([code(&client.receive(busy[0])), code(&client.receive(busy[1]))], ["ok", "ok"]);
    assert_eq!(code(&other.receive(more[0])), "ok");
    assert_eq!(
        code(&client.request(json!({"op": "execute", "uuid": "counter", "config": {"timeout_ms": 0}}))),
        "bad_request"
    );
    Ok(())
}

#[test]
fn what_a_server_allows_holds_beside_a_node_too() -> Result<()> {
    let text = "fuel = 10000000\nmemory_mb = 8\nkey_bytes = 10\nvalue_bytes = 20\nmodule_bytes = 200000\n";
    let dir = tempfile::tempdir()?;
    let limits = dir.path().join("limits.toml");
    std::fs::write(&limits, text)?;
    let cell = Cell::start(1, &["--limits", limits.to_str().context("a path that is no text")?])?;
    cell.load("hostile")?;
    let mut client = cell.client(1)?;
    let fuel = |fuel| Config { fuel: Some(fuel), ..PLAIN };
    assert_eq!(code(&client.execute("hostile", b"spin 10", &fuel(10_000_000))), "ok");
    assert_eq!(code(&client.execute("hostile", b"spin 10", &fuel(10_000_001))), "bad_request");
    // Who says nothing gets no more either.
    assert_eq!(code(&client.execute("hostile", b"loop", &PLAIN)), "fuel");
    let memory = Config { memory_limit_mb: Some(9), ..PLAIN };
    assert_eq!(code(&client.execute("hostile", b"spin 10", &memory)), "bad_request");
    assert_eq!(code(&client.execute("hostile", b"grow 9", &PLAIN)), "memory");
    let state = |act: serde_json::Value| {
        let mut request = json!({"op": "state", "uuid": "hostile"});
        act.as_object().into_iter().flatten().for_each(|(key, value)| request[key] = value.clone());
        request
    };
    for (act, expected) in [
        (json!({"set": "0123456789", "value": "v"}), "ok"),
        (json!({"set": "01234567890", "value": "v"}), "bad_request"),
        (json!({"set": "k", "value": "012345678901234567890"}), "bad_request"),
        (json!({"get": "01234567890"}), "bad_request"),
        (json!({"list": "01234567890"}), "bad_request"),
    ] {
        assert_eq!(code(&client.request(state(act.clone()))), expected, "{act}");
    }
    assert_eq!(code(&client.load(&vec![0; 200_001], Some("long"))), "bad_module");
    Ok(())
}

#[test]
fn large_answers_of_one_batch_all_arrive_or_are_refused() -> Result<()> {
    let cell = Cell::start(1, &[])?;
    cell.load("hostile")?;
    let mut client = cell.client(1)?;
    client.set_timeout(Some(Duration::from_secs(120)));
    // Together more than a node keeps of receipts, and more than one batch may answer.
    let flood = json!({"op": "execute", "uuid": "hostile", "input": "flood 1048576", "config": {"timeout_ms": 60000}});
    let all: Vec<u64> = (0..70).map(|_| client.send(flood.clone())).collect::<Result<_, _>>()?;
    let mut arrived = 0;
    for id in all {
        match client.receive(id) {
            Ok(answer) => {
                assert_eq!(answer["output"].as_str().map(str::len), Some(1 << 20));
                arrived += 1;
            }
            Err(ClientError::Failed(failure)) => assert_eq!(failure.code, "overloaded", "{failure:?}"),
            Err(other) => return Err(other.into()),
        }
    }
    assert!(arrived >= 16, "{arrived}");
    assert_eq!(code(&client.execute("hostile", b"spin 1", &PLAIN)), "ok", "the connection is whole");
    Ok(())
}

#[test]
fn without_a_node_it_says_so_and_goes_on_when_there_is_one() -> Result<()> {
    let mut cell = Cell::start(1, &[])?;
    cell.load("counter")?;
    let mut client = cell.client(1)?;
    cell.cluster.kill(1)?;
    let short = Config { timeout_ms: Some(300), ..PLAIN };
    let failed = client.execute("counter", b"1", &short);
    assert_eq!(code(&failed), "node");
    let long = json!({"op": "execute", "uuid": "counter", "input": "1", "config": {"timeout_ms": 60000}});
    let id = client.send(long)?;
    cell.cluster.revive(1)?;
    // The first one had got its number before the node was missed, so it is executed as well.
    let output: Result<_, ClientError> = client.receive_answer(id);
    assert_eq!(output?.output, b"2");
    let mut command = replicode(&["fn", "serve", "--node"]);
    let nowhere = run(command.arg(cell.path("nowhere")), b"", Duration::from_secs(60))?;
    let words = String::from_utf8_lossy(&nowhere.stderr).into_owned();
    assert!(!nowhere.status.success() && words.contains("made with --contracts"), "{words}");
    Ok(())
}
