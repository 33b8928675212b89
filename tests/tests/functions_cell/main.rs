//! Functions in the log of a cell: servers beside real nodes, which are killed, and a server alone to compare them with.

mod beside;
mod limits;

use anyhow::{Context, Result, ensure};
use beside::{Beside, Cell, PLAIN, TIMEOUT, code, numbered, wasm};
use replicode_functions_client::{Client, ClientError, Config, FrameClient};
use replicode_tests::cluster::json as of_replicode;
use replicode_tests::{check, eventually};
use serde_json::json;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long a client asks again: longer than an election.
const PATIENCE: Duration = Duration::from_secs(90);

/// How often a leader is killed, unless REPLICODE_LEADER_KILLS says otherwise.
fn kills() -> usize {
    std::env::var("REPLICODE_LEADER_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(3)
}

/// One of many who count, at whatever server answers, each number until it is answered.
fn count(sockets: &[PathBuf], first: usize, stop: &AtomicBool, all: &AtomicU64) -> Result<u64> {
    let mut at = first;
    let mut connection: Option<Client> = None;
    let mut ask = |request: serde_json::Value| {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let client = match connection.as_mut() {
                Some(client) => client,
                None => {
                    let mut client = Client::connect(&sockets[at % sockets.len()])?;
                    client.set_timeout(Some(TIMEOUT));
                    connection.insert(client)
                }
            };
            match client.request(request.clone()) {
                Ok(answer) => return Ok::<_, anyhow::Error>(answer),
                // The node behind this server is not there, or cannot tell: another one will, of the same number.
                Err(ClientError::Failed(failure)) if matches!(failure.code.as_str(), "node" | "timeout") => {}
                Err(ClientError::Failed(failure)) => anyhow::bail!("{failure:?}"),
                Err(_) => {}
            }
            ensure!(Instant::now() < deadline, "nobody answers {request}");
            connection = None;
            at += 1;
        }
    };
    let client = ask(json!({"op": "open"}))?["client"].as_u64().context("no client")?;
    let (mut sequence, mut last) = (0, 0);
    while !stop.load(Ordering::Relaxed) {
        sequence += 1;
        let answer = ask(numbered(client, sequence))?;
        let counted: u64 = answer["output"].as_str().context("no output")?.parse()?;
        ensure!(counted > last, "{counted} after {last}");
        last = counted;
        all.fetch_add(1, Ordering::Relaxed);
    }
    Ok(sequence)
}

#[test]
fn each_answered_execution_happened_once_while_leaders_die() -> Result<()> {
    const CLIENTS: usize = 32;
    let mut cell = Cell::start(3, &[])?;
    for name in ["counter", "echo", "hash"] {
        cell.load(name)?;
    }
    let sockets: Vec<PathBuf> = cell.servers.iter().map(|server| server.socket().to_path_buf()).collect();
    let (stop, all) = (AtomicBool::new(false), AtomicU64::new(0));
    let counted: Vec<Result<u64>> = std::thread::scope(|scope| {
        let (sockets, stop, all) = (&sockets, &stop, &all);
        let clients: Vec<_> =
            (0..CLIENTS).map(|number| scope.spawn(move || count(sockets, number, stop, all))).collect();
        let killed = (0..kills()).try_for_each(|kill| {
            let before = all.load(Ordering::Relaxed);
            eventually("executions to go on", PATIENCE, || {
                let now = all.load(Ordering::Relaxed);
                let over = clients.iter().any(|client| client.is_finished());
                check(over || now > before + 4 * CLIENTS as u64, || format!("{before} before kill {kill}, {now} now"))
            })?;
            let leader = cell.cluster.leader()?;
            cell.cluster.kill(leader)?;
            cell.cluster.revive(leader)
        });
        stop.store(true, Ordering::Relaxed);
        let counted = clients.into_iter().map(|client| client.join().expect("a client")).collect();
        killed.map(|()| counted)
    })
    .with_context(|| cell.cluster.briefly())?;
    let total: u64 = counted.into_iter().sum::<Result<u64>>()?;
    assert_eq!(total, all.load(Ordering::Relaxed));

    // All nodes have one state, and each says of itself, without the log, that each answered execution was counted once.
    let agreed = cell.cluster.await_agreement(PATIENCE)?;
    let root = agreed["contracts"]["root"].as_str().context("no root")?.to_string();
    for node in 1..=3 {
        eventually("the server to have found its node", TIMEOUT, || {
            let mut client = cell.client(node)?;
            let state = client.request(json!({"op": "state", "uuid": "counter", "get": "count"}))?;
            check(state["value_b64"].is_string() || state["value"].is_string(), || format!("node {node}: {state}"))?;
            let ask = json!({"op": "chain", "uuids": ["echo", "hash"], "input": "x", "read_only": true});
            client.request(ask)?;
            Ok(())
        })?;
        let count = cell.client(node)?.execute("counter", b"0", &PLAIN)?.output;
        assert_eq!(count, total.to_string().into_bytes(), "node {node}");
    }

    // The recorded runs again.
    let status = cell.cluster.await_agreement(PATIENCE)?;
    let now = status["contracts"]["root"].as_str().context("no root")?.to_string();
    assert_eq!(now, root, "adding nothing changes nothing");
    cell.restart()?;
    for node in 1..=3 {
        let names: Vec<String> =
            cell.client(node)?.list()?.iter().filter_map(|entry| Some(entry["name"].as_str()?.to_string())).collect();
        assert_eq!(names, ["counter", "echo", "hash"], "node {node} has all functions after a restart");
        let count = cell.client(node)?.execute("counter", b"0", &PLAIN)?.output;
        assert_eq!(count, total.to_string().into_bytes());
    }
    cell.servers.iter_mut().try_for_each(Beside::stop)?;
    cell.cluster.stop()?;
    for node in 1..=3 {
        let replayed = of_replicode(&["replay", &cell.cluster.dir(node).to_string_lossy()])?;
        ensure!(replayed["ok"] == true && replayed["mismatch"].is_null(), "node {node}: {replayed:#}");
        ensure!(replayed["contracts"]["root"] == root.as_str(), "node {node}: {replayed:#}");
    }
    Ok(())
}

#[test]
fn a_node_that_has_only_its_log_has_every_function() -> Result<()> {
    let mut cell = Cell::start(3, &[])?;
    cell.load("counter")?;
    let mut client = cell.client(1)?;
    for _ in 0..20 {
        client.execute("counter", b"2", &PLAIN)?;
    }
    // What a node has of contracts is only what shortens a start: without it the log says everything.
    let follower = if cell.cluster.leader()? == 3 { 2 } else { 3 };
    cell.cluster.kill(follower)?;
    std::fs::remove_dir_all(cell.cluster.dir(follower).join("contracts"))?;
    client.execute("counter", b"2", &PLAIN)?;
    cell.cluster.revive(follower)?;
    cell.cluster.await_agreement(PATIENCE)?;
    eventually("the server to find its node", TIMEOUT, || {
        let answer = cell.client(follower)?.execute("counter", b"0", &PLAIN)?;
        check(answer.output == b"42", || String::from_utf8_lossy(&answer.output).into_owned())
    })?;
    cell.cluster.stop()
}

#[test]
fn alone_and_in_the_log_functions_do_the_same_and_burn_the_same() -> Result<()> {
    let cell = Cell::start(1, &[])?;
    let alone = Beside::start(None, &cell.path("alone"), &[])?;
    let names = [
        "echo",
        "transform",
        "uppercase",
        "uppercase-c",
        "reverse",
        "hash",
        "word-count",
        "json-filter",
        "counter",
        "hostile",
    ];
    let mut both = [cell.client(1)?, alone.client()?];
    let mut uuids = Vec::new();
    for name in names {
        let loaded: Vec<String> =
            both.iter_mut().map(|client| Ok(client.load(&wasm(name)?, Some(name))?)).collect::<Result<_>>()?;
        assert_eq!(loaded[0], loaded[1], "{name} has one number everywhere");
        uuids.push(loaded[0].clone());
    }
    let mut random = 14_u64;
    let mut inputs: Vec<Vec<u8>> =
        vec![b"".to_vec(), b"hello".to_vec(), b"1".to_vec(), br#"{"name":"x","age":3}"#.to_vec()];
    for length in [3, 100, 5000] {
        let bytes: Vec<u8> = (0..length)
            .map(|_| {
                // Knuth's: the upper bits are good enough to be no pattern.
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (random >> 56) as u8
            })
            .collect();
        inputs.push(bytes.iter().map(|byte| b'a' + byte % 26).collect());
        inputs.push(bytes);
    }
    let hostile = [
        "spin 50000",
        "spin 1000000",
        "trap",
        "code 3",
        "recurse 30",
        "recurse 10000000",
        "call 5",
        "call 16",
        "set 7",
        "get 0",
        "set-and-fail 0",
        "log 10",
        "key 200",
        "flood 70000",
        "again 20",
        "value 60000",
        "get-value 0",
        "list 300",
        "list 0",
        "fuel 0",
    ];
    let tell = |result: Result<replicode_functions_client::Answer, ClientError>| match result {
        Ok(answer) => Ok((
            answer.output,
            answer.fuel,
            answer.memory,
            answer.stages.iter().map(|stage| stage.fuel).collect::<Vec<_>>(),
        )),
        Err(ClientError::Failed(failure)) => Err((failure.code, failure.message, failure.fuel, failure.stage)),
        Err(other) => panic!("{other}"),
    };
    // In the log there is always a limit of fuel; what is left of it is seen by who asks.
    let config = Config { fuel: Some(5_000_000_000), ..PLAIN };
    let mut compared = 0;
    for name in names {
        let own: Vec<Vec<u8>> = match name {
            "hostile" => hostile.iter().map(|text| text.as_bytes().to_vec()).collect(),
            _ => inputs.clone(),
        };
        for input in own {
            let [log, alone] = both.each_mut().map(|client| tell(client.execute(name, &input, &config)));
            assert_eq!(log, alone, "{name} {:?}", String::from_utf8_lossy(&input[..input.len().min(40)]));
            compared += 1;
        }
    }
    for chain in [
        &["transform", "uppercase", "hash"][..],
        &["echo", "hostile"],
        &["counter", "counter"],
        &["counter", "hostile"],
    ] {
        for input in [&b"1"[..], b"hello", b"code 4"] {
            let [log, alone] = both.each_mut().map(|client| tell(client.chain(chain, input, &config)));
            assert_eq!(log, alone, "{chain:?}");
        }
    }
    assert!(compared > 100);
    // The same in frames.
    let mut frames = [FrameClient::connect(cell.servers[0].socket())?, FrameClient::connect(alone.socket())?];
    let [log, alone] =
        frames.each_mut().map(|client| client.execute(&uuids[0], b"frame", &config).map_err(|error| error.to_string()));
    assert_eq!(log, alone);
    let [log, alone] = frames
        .each_mut()
        .map(|client| client.chain(&[&uuids[1], &uuids[2]], b"frame", &config).map_err(|error| error.to_string()));
    assert_eq!(log, alone);
    Ok(())
}

#[test]
fn repeats_are_harmless_and_clients_are_told_apart() -> Result<()> {
    let cell = Cell::start(1, &[])?;
    cell.load("counter")?;
    let mut client = cell.client(1)?;
    let opened = client.request(json!({"op": "open"}))?;
    let (number, window) = (opened["client"].as_u64().context("no client")?, opened["window"].as_u64());
    assert_eq!(window, Some(64));
    let first = client.request(numbered(number, 1))?;
    // On another connection, as after a cut.
    let again = cell.client(1)?.request(numbered(number, 1))?;
    assert_eq!((&first["output"], &first["fuel"]), (&again["output"], &again["fuel"]));
    let gap = client.request(numbered(number, 3));
    assert_eq!(code(&gap), "bad_request");
    ensure!(gap.is_err_and(|error| error.to_string().contains("number 2 of this client is due")));
    assert_eq!(code(&client.request(numbered(number + 1000, 1))), "not_found");
    assert_eq!(code(&client.request(json!({"op": "execute", "uuid": "counter", "client": number}))), "bad_request");
    client.request(numbered(number, 2))?;
    assert_eq!(client.execute("counter", b"0", &PLAIN)?.output, b"2");
    // Loading and unloading are numbered as well: a repeat is told the same, whatever has become of it since.
    let load = json!({"op": "load", "wasm_b64": "AGFzbQ==", "name": "bad", "client": number, "sequence": 3});
    assert_eq!(code(&client.request(load.clone())), "bad_module");
    assert_eq!(code(&client.request(load)), "bad_module");
    let unload = json!({"op": "unload", "uuid": "counter", "client": number, "sequence": 4});
    let gone = client.request(unload.clone())?;
    assert_eq!(client.request(unload)?, gone);
    assert_eq!(code(&client.execute("counter", b"", &PLAIN)), "not_found");
    // Without a cell nobody gives numbers.
    let alone = Beside::start(None, &cell.path("alone"), &[])?;
    assert_eq!(code(&alone.client()?.request(json!({"op": "open"}))), "bad_request");
    assert_eq!(code(&alone.client()?.request(numbered(1, 1))), "bad_request");
    Ok(())
}

#[test]
fn what_runs_when_a_function_is_unloaded_runs_before_it() -> Result<()> {
    let cell = Cell::start(1, &[])?;
    cell.load("hostile")?;
    let mut client = cell.client(1)?;
    // All of it on its way at once: each execution is before the unload or behind it.
    let spin = json!({"op": "execute", "uuid": "hostile", "input": "spin 3000000"});
    let running: Vec<u64> = (0..20).map(|_| client.send(spin.clone())).collect::<Result<_, _>>()?;
    let unload = client.send(json!({"op": "unload", "uuid": "hostile"}))?;
    let later: Vec<u64> = (0..5).map(|_| client.send(spin.clone())).collect::<Result<_, _>>()?;
    client.receive(unload)?;
    let codes: Vec<String> = running.into_iter().chain(later).map(|id| code(&client.receive(id))).collect();
    // One connection, one order: twenty before it, five behind.
    assert_eq!(codes, [vec!["ok"; 20], vec!["not_found"; 5]].concat());
    assert_eq!(code(&client.execute("hostile", b"spin 1", &PLAIN)), "not_found");
    // The same bytes again are the same function, with the state that it had.
    let first = cell.load("hostile")?;
    client.execute("hostile", b"set 9", &PLAIN)?;
    client.unload("hostile")?;
    assert_eq!(cell.load("hostile")?, first);
    assert_eq!(client.execute("hostile", b"get", &PLAIN)?.output, [9, 0, 0, 0]);
    Ok(())
}
