//! Every limit below, at and above it, on every path: JSON, frames, a chain, a function that calls a function.

use crate::server::{PLAIN, Server, failure};
use anyhow::Result;
use replicode_functions_client::{Client, ClientError, Config, FrameClient};
use serde_json::json;

/// The code of a failure, or `ok`.
fn code<T>(result: &Result<T, ClientError>) -> String {
    match result {
        Ok(_) => "ok".into(),
        Err(ClientError::Failed(failure)) => failure.code.clone(),
        Err(other) => format!("{other}"),
    }
}

/// What `hostile` does with an input, by every path that there is.
fn on_every_path(server: &Server, uuid: &str, input: &str, config: &Config) -> Result<[String; 3]> {
    let mut client = server.client()?;
    let mut frames = FrameClient::connect(server.socket())?;
    let bytes = input.as_bytes();
    let json = code(&client.execute("hostile", bytes, config));
    let chain = code(&client.chain(&["echo", "hostile"], bytes, config));
    assert_eq!(code(&frames.chain(&[uuid], bytes, config)), json);
    Ok([json, code(&frames.execute(uuid, bytes, config)), chain])
}

fn all(code: &str) -> [String; 3] {
    [code; 3].map(str::to_string)
}

fn hostile() -> Result<(Server, String)> {
    let server = Server::start(&[])?;
    server.load("echo")?;
    let uuid = server.load("hostile")?;
    Ok((server, uuid))
}

#[test]
fn fuel_is_enough_or_one_too_little() -> Result<()> {
    let (server, uuid) = hostile()?;
    let mut client = server.client()?;
    for input in ["spin 10", "spin 50000", "spin 1000000", "recurse 30", "flood 100000", "log 10"] {
        let burnt = client.execute("hostile", input.as_bytes(), &PLAIN)?.fuel;
        let with = |fuel| Config { fuel: Some(fuel), ..PLAIN };
        for (fuel, expected) in [(burnt - 1, "fuel"), (burnt, "ok"), (burnt + 1, "ok"), (1, "fuel")] {
            let result = client.execute("hostile", input.as_bytes(), &with(fuel));
            assert_eq!(code(&result), expected, "{input} burns {burnt}, given {fuel}");
            if expected == "fuel" {
                assert_eq!(failure(result).fuel, Some(fuel), "{input}");
            }
        }
        let whole = client.chain(&["echo", "hostile"], input.as_bytes(), &PLAIN)?;
        assert_eq!(whole.stages.iter().map(|stage| stage.fuel).sum::<u64>(), whole.fuel);
        assert_eq!(whole.stages[1].fuel, burnt, "in a chain");
        let result = client.chain(&["echo", "hostile"], input.as_bytes(), &with(whole.fuel - 1));
        assert_eq!(failure(result).stage, Some(1));
        client.chain(&["echo", "hostile"], input.as_bytes(), &with(whole.fuel))?;
        assert_eq!(on_every_path(&server, &uuid, input, &with(burnt / 2))?, all("fuel"));
    }
    // A function that calls a function has one purse with it.
    let nested = client.execute("hostile", b"call 5", &PLAIN)?.fuel;
    let config = Config { fuel: Some(nested), ..PLAIN };
    client.execute("hostile", b"call 5", &config)?;
    let config = Config { fuel: Some(nested - 1), ..PLAIN };
    assert_eq!(code(&client.execute("hostile", b"call 5", &config)), "fuel");
    Ok(())
}

#[test]
fn time_memory_and_output_are_bounded() -> Result<()> {
    let (server, uuid) = hostile()?;
    let time = Config { timeout_ms: Some(100), ..PLAIN };
    assert_eq!(on_every_path(&server, &uuid, "loop", &time)?, all("timeout"));
    assert_eq!(on_every_path(&server, &uuid, "spin 1000", &time)?, all("ok"));
    let words = failure(server.client()?.chain(&["echo", "hostile"], b"loop", &time));
    assert!(words.message.starts_with("stage 1 ('hostile'): it ran for 100 ms"), "{}", words.message);

    let memory = |mb| Config { memory_limit_mb: Some(mb), ..PLAIN };
    assert_eq!(on_every_path(&server, &uuid, "grow 20", &memory(64))?, all("ok"));
    assert_eq!(on_every_path(&server, &uuid, "grow 20", &memory(16))?, all("memory"));
    assert_eq!(on_every_path(&server, &uuid, "grow 80", &PLAIN)?, all("memory"));
    // Each of those that wait has 64 KiB at least.
    assert_eq!(on_every_path(&server, &uuid, "call 10", &memory(16))?, all("ok"));

    let output = |mb| Config { output_limit_mb: Some(mb), ..PLAIN };
    for (bytes, expected) in [((1 << 20) - 1, "ok"), (1 << 20, "ok"), ((1 << 20) + 1, "output_too_large")] {
        assert_eq!(on_every_path(&server, &uuid, &format!("flood {bytes}"), &output(1))?, all(expected), "{bytes}");
    }
    Ok(())
}

#[test]
fn stack_calls_logs_and_codes_are_bounded() -> Result<()> {
    let (server, uuid) = hostile()?;
    assert_eq!(on_every_path(&server, &uuid, "recurse 10000000", &PLAIN)?, all("trap"));
    let words = failure(server.client()?.execute("hostile", b"recurse 10000000", &PLAIN)).message;
    assert!(words.starts_with("'hostile': the function trapped: "), "{words}");
    // The execution itself is one of the sixteen.
    assert_eq!(on_every_path(&server, &uuid, "call 15", &PLAIN)?, all("ok"));
    assert_eq!(on_every_path(&server, &uuid, "call 16", &PLAIN)?, all("trap"));
    // A line of 84 bytes counts as 100.
    assert_eq!(on_every_path(&server, &uuid, "log 655", &PLAIN)?, all("ok"));
    assert_eq!(on_every_path(&server, &uuid, "log 656", &PLAIN)?, all("log_too_large"));
    assert_eq!(on_every_path(&server, &uuid, "trap", &PLAIN)?, all("trap"));
    assert_eq!(on_every_path(&server, &uuid, "code 3", &PLAIN)?, all("plugin"));
    assert_eq!(on_every_path(&server, &uuid, "key 1024", &PLAIN)?, all("ok"));
    assert_eq!(on_every_path(&server, &uuid, "key 1025", &PLAIN)?, all("state_conflict"));
    assert_eq!(on_every_path(&server, &uuid, "value 1048576", &PLAIN)?, all("ok"));
    assert_eq!(on_every_path(&server, &uuid, "value 1048577", &PLAIN)?, all("state_conflict"));
    let mut client = server.client()?;
    let answer = client.request(json!({"op": "execute", "uuid": "hostile", "input": "set 1", "read_only": true}));
    assert_eq!(code(&answer), "read_only");
    client.request(json!({"op": "execute", "uuid": "hostile", "input": "get 0", "read_only": true}))?;
    let answer = client.request(json!({"op": "execute", "uuid": "hostile", "entry": "nothing"}));
    assert_eq!(code(&answer), "no_entry");
    Ok(())
}

#[test]
fn a_pool_of_instances_is_enough_for_many_who_take_long() -> Result<()> {
    let server = Server::start(&["--threads", "8"])?;
    server.load("hostile")?;
    let mut client = server.client()?;
    // Each of them has left instances behind before, and has a store full of them.
    let loops = json!({"op": "execute", "uuid": "hostile", "input": "loop", "config": {"timeout_ms": 600_000}});
    for _ in 0..200 {
        for _ in 0..63 {
            client.execute("hostile", b"spin 1", &PLAIN)?;
        }
        client.send(loops.clone())?;
    }
    for _ in 0..200 {
        client.execute("hostile", b"call 3", &PLAIN)?;
    }
    Ok(())
}

#[test]
fn what_a_request_asks_for_is_within_what_the_server_allows() -> Result<()> {
    let server = Server::with_limits("timeout_ms = 1000\nmemory_mb = 32\noutput_mb = 2\nfuel = 1000000\n", &[])?;
    // The defaults are above the ceilings of memory and output here, so nothing of it can be left out.
    let fits =
        Config { timeout_ms: Some(1000), memory_limit_mb: Some(32), fuel: Some(1_000_000), output_limit_mb: Some(2) };
    server.load("echo")?;
    let mut client = server.client()?;
    client.execute("echo", b"x", &fits)?;
    for (more, name) in [
        (Config { timeout_ms: Some(1001), ..fits }, "timeout_ms"),
        (Config { memory_limit_mb: Some(33), ..fits }, "memory_limit_mb"),
        (Config { fuel: Some(1_000_001), ..fits }, "fuel"),
        (Config { output_limit_mb: Some(3), ..fits }, "output_limit_mb"),
        (Config { timeout_ms: Some(0), ..fits }, "timeout_ms"),
    ] {
        let failure = failure(client.execute("echo", b"x", &more));
        assert!(failure.code == "bad_request" && failure.message.starts_with(name), "{failure:?}");
    }
    // What is left out is the default, or the ceiling where that is lower.
    client.execute("echo", b"x", &PLAIN)?;
    Ok(())
}

#[test]
fn stages_functions_modules_and_lines_are_bounded() -> Result<()> {
    let limits = "functions = 3\nmodule_bytes = 20000\nmodules_bytes = 30000\nline_bytes = 40000\nconnections = 4\n";
    let server = Server::with_limits(limits, &[])?;
    let mut client = server.client()?;
    let echo = client.load(&small(1, 100), Some("a"))?;
    let chain = |client: &mut Client, stages: usize| client.chain(&vec!["a"; stages], b"", &PLAIN);
    assert_eq!((code(&chain(&mut client, 64)), code(&chain(&mut client, 65))), ("ok".into(), "bad_request".into()));
    assert_eq!(code(&chain(&mut client, 0)), "bad_request");
    // The bytes of a module, of all modules, the number of functions.
    let bytes = small(2, 19_900).len();
    client.load(&small(2, 19_900 + 20_000 - bytes), Some("b"))?;
    assert_eq!(code(&client.load(&small(3, 19_900 + 20_001 - bytes), Some("c"))), "bad_module");
    assert_eq!(code(&client.load(&small(3, 15_000), Some("c"))), "overloaded");
    client.load(&small(3, 100), Some("c"))?;
    assert_eq!(code(&client.load(&small(4, 100), Some("d"))), "overloaded");
    assert_eq!(client.load(&small(1, 100), Some("again"))?, echo);
    assert_eq!(code(&client.load(&small(1, 100), Some("b"))), "bad_request");

    // A connection too many is told so.
    let held: Vec<Client> = (0..3).map(|_| server.client()).collect::<Result<_>>()?;
    let mut fifth = server.client()?;
    assert_eq!(code(&fifth.list()), "overloaded");
    drop(held);
    Ok(())
}

/// A module without any use, different for each number, with so many bytes of padding.
fn small(number: u8, padding: usize) -> Vec<u8> {
    let mut wasm = vec![0, b'a', b's', b'm', 1, 0, 0, 0];
    // (type (func (param i32 i32) (result i32))) (func (type 0) i32.const 0) (export "process" (func 0))
    wasm.extend_from_slice(&[1, 7, 1, 0x60, 2, 0x7f, 0x7f, 1, 0x7f, 3, 2, 1, 0]);
    wasm.extend_from_slice(&[7, 11, 1, 7]);
    wasm.extend_from_slice(b"process");
    wasm.extend_from_slice(&[0, 0, 10, 6, 1, 4, 0, 0x41, 0, 0x0b]);
    // A custom section, its size in three bytes.
    let size = padding + 3;
    wasm.extend_from_slice(&[0, size as u8 | 0x80, (size >> 7) as u8 | 0x80, (size >> 14) as u8, 1, b'p', number]);
    wasm.extend(std::iter::repeat_n(number, padding));
    wasm
}

#[test]
fn modules_that_cannot_be_run_are_refused_with_the_reason() -> Result<()> {
    let server = Server::start(&[])?;
    let mut client = server.client()?;
    for (wasm, expected, words) in [
        (b"no module at all".to_vec(), "bad_module", "magic"),
        (std::fs::read(replicode_tests::guest("hello"))?, "unsupported_import", "wasi_snapshot_preview1"),
        (vec![0, b'a', b's', b'm', 1, 0, 0, 0], "no_entry", "no function 'process'"),
        (small(1, 10)[..40].to_vec(), "bad_module", ""),
    ] {
        let failure = failure(client.load(&wasm, Some("x")));
        assert!(failure.code == expected && failure.message.contains(words), "{failure:?}");
    }
    for name in ["", "a b", "é", &"x".repeat(65), "01234567-89ab-8def-8123-456789abcdef"] {
        assert_eq!(failure(client.load(&small(1, 1), Some(name))).code, "bad_request", "{name}");
    }
    assert_eq!(client.list()?.len(), 0);
    Ok(())
}
