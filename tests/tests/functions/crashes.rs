//! What is left of a server that was killed, or whose files were damaged.

use crate::server::{PLAIN, Server, names, wasm};
use anyhow::{Context, Result};
use replicode_functions_client::Client;
use replicode_tests::check;
use serde_json::json;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

#[test]
fn everything_is_there_again_after_a_start_and_damage_is_named() -> Result<()> {
    let mut server = Server::start(&[])?;
    let mut uuids = Vec::new();
    for name in ["echo", "reverse", "hash"] {
        uuids.push(server.load(name)?);
    }
    server.client()?.execute("echo", b"x", &PLAIN)?;
    server.stop()?;
    server.revive()?;
    let mut client = server.client()?;
    let listed = client.list()?;
    assert_eq!(listed.len(), 3);
    assert_eq!(listed[0]["executions"], 1);
    for (name, uuid) in ["echo", "reverse", "hash"].iter().zip(&uuids) {
        assert_eq!(client.request(json!({"op": "info", "uuid": name}))?["uuid"], uuid.as_str());
    }
    assert_eq!(client.execute("reverse", b"ab", &PLAIN)?.output, b"ba");
    let digest =
        client.request(json!({"op": "info", "uuid": "hash"}))?["digest"].as_str().context("a digest")?.to_string();
    server.kill()?;

    // A module with one other byte, a function that is no JSON, one that was cut.
    let module = server.data().join(format!("modules/{digest}.wasm"));
    let mut bytes = std::fs::read(&module)?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&module, bytes)?;
    std::fs::write(server.data().join("functions/x.json"), "{")?;
    std::fs::write(server.data().join(format!("functions/{}.json.part", uuids[0])), "half")?;
    server.revive()?;
    let said = server.output();
    assert!(said.contains("x.json is left out: it is damaged"), "{said}");
    assert!(
        said.contains(&format!("{}.json is left out", uuids[2])) && said.contains("its digest is another one"),
        "{said}"
    );
    let mut client = server.client()?;
    assert_eq!(client.list()?.len(), 2);
    assert_eq!(client.execute("echo", b"x", &PLAIN)?.output, b"x");
    check(!names(&server.data().join("functions"))?.iter().any(|name| name.ends_with(".part")), || "rests".into())
}

#[test]
fn a_server_killed_at_any_moment_keeps_what_it_has_answered() -> Result<()> {
    // All hundred: REPLICODE_FN_KILLS=100.
    let rounds: u64 = std::env::var("REPLICODE_FN_KILLS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(12);
    let mut server = Server::start(&["--sync", "10ms"])?;
    server.load("counter")?;
    let answered = AtomicU64::new(0);
    let loaded = AtomicU64::new(0);
    for round in 0..rounds {
        let over = AtomicBool::new(false);
        let before = answered.load(Ordering::Relaxed);
        std::thread::scope(|scope| -> Result<()> {
            let (server_ref, over, answered, loaded) = (&server, &over, &answered, &loaded);
            // One client counts, one loads and unloads.
            scope.spawn(move || {
                let Ok(mut client) = Client::connect(server_ref.socket()) else { return };
                while let Ok(answer) = client.execute("counter", b"", &PLAIN) {
                    let count = String::from_utf8_lossy(&answer.output).parse().unwrap_or(0);
                    answered.store(count, Ordering::Relaxed);
                }
            });
            scope.spawn(move || {
                let Ok(mut client) = Client::connect(server_ref.socket()) else { return };
                let Ok(module) = wasm("echo") else { return };
                while !over.load(Ordering::Relaxed) {
                    let mut module = module.clone();
                    // A custom section makes it another module.
                    module.extend_from_slice(&[0, 6, 1, b'n', loaded.load(Ordering::Relaxed) as u8, round as u8, 0, 0]);
                    match client.load(&module, Some(&format!("f{}", loaded.load(Ordering::Relaxed)))) {
                        Ok(_) => loaded.fetch_add(1, Ordering::Relaxed),
                        Err(_) => return,
                    };
                }
            });
            std::thread::sleep(Duration::from_millis(60 + round * 17 % 90));
            let pid = server_ref.pid()?;
            replicode_tests::process::signal_pid(pid, nix::sys::signal::Signal::SIGKILL)?;
            over.store(true, Ordering::Relaxed);
            Ok(())
        })?;
        server.kill().ok();
        server.revive()?;
        let mut client = server.client()?;
        let count: u64 = String::from_utf8(client.execute("counter", b"0", &PLAIN)?.output)?.parse()?;
        let answered = answered.swap(count, Ordering::Relaxed);
        // The one that was under way may have been executed without its answer.
        assert!(count == answered || count == answered + 1, "round {round}: {answered} answered, {count} counted");
        assert!(count > before, "round {round}: nothing was counted");
        let functions = client.list()?.len() as u64 - 1;
        let loaded = loaded.load(Ordering::Relaxed);
        assert!(functions == loaded || functions == loaded + 1, "round {round}: {loaded} loaded, {functions} there");
        for place in ["functions", "modules", ""] {
            let rest = names(&server.data().join(place))?
                .into_iter()
                .find(|name| name.contains(".part") || name.contains(".new"));
            assert_eq!(rest, None, "round {round}");
        }
        // What was done without an answer is known now.
        if functions > loaded {
            client.unload(&format!("f{loaded}"))?;
        }
    }
    server.stop()
}

#[test]
fn a_server_that_ends_finishes_what_runs_and_refuses_the_rest() -> Result<()> {
    let mut server = Server::start(&[])?;
    server.load("hostile")?;
    let mut client = server.client()?;
    let long = client.send(json!({"op": "execute", "uuid": "hostile", "input": "spin 200000000"}))?;
    replicode_tests::eventually("it to run", crate::server::TIMEOUT, || {
        let stats = client.request(json!({"op": "stats"}))?;
        check(stats["in_flight"] == 1, || "not yet".into())
    })?;
    server.process()?.signal(nix::sys::signal::Signal::SIGTERM)?;
    replicode_tests::eventually("the word to arrive", crate::server::TIMEOUT, || {
        match client.execute("hostile", b"spin 1", &PLAIN) {
            Err(replicode_functions_client::ClientError::Failed(failure)) => {
                check(failure.code == "shutting_down", || failure.code.clone())
            }
            other => anyhow::bail!("{other:?}"),
        }
    })?;
    assert!(!client.receive_answer(long)?.output.is_empty());
    let status = server.process()?.wait(crate::server::TIMEOUT)?;
    check(status.success(), || format!("{status}"))?;
    assert!(!server.socket().exists());
    Ok(())
}

#[test]
fn a_client_that_takes_no_answer_does_not_hold_the_end_up() -> Result<()> {
    let mut server = Server::start(&[])?;
    server.load("hostile")?;
    // More than the socket takes.
    let mut deaf = server.client()?;
    deaf.send(json!({"op": "execute", "uuid": "hostile", "input": "flood 8000000"}))?;
    let mut client = server.client()?;
    replicode_tests::eventually("the answer to wait", crate::server::TIMEOUT, || {
        let stats = client.request(json!({"op": "stats"}))?;
        check(stats["executions"] == 1 && stats["in_flight"] == 0, || "not yet".into())
    })?;
    server.stop()
}

#[test]
fn a_name_that_was_given_away_when_the_server_was_killed_is_the_newer_functions() -> Result<()> {
    // Both ways around: which one comes first on the disk decides nothing.
    for (old, new) in [("echo", "reverse"), ("reverse", "echo")] {
        let mut server = Server::start(&[])?;
        let mut client = server.client()?;
        let before = client.load(&wasm(old)?, Some("x"))?;
        let info = client.request(json!({"op": "info", "uuid": "x"}))?;
        let digest = info["digest"].as_str().context("a digest")?;
        let files = [format!("functions/{before}.json"), format!("modules/{digest}.wasm")];
        let mut kept = Vec::new();
        for file in &files {
            kept.push(std::fs::read(server.data().join(file))?);
        }
        let path = crate::server::wasm_path(new);
        let load = json!({"op": "load", "path": path, "name": "x", "replace": true});
        let after = client.request(load)?["uuid"].as_str().context("a number")?.to_string();
        server.kill()?;
        // As if it had been killed between giving and taking.
        for (file, bytes) in files.iter().zip(kept) {
            std::fs::write(server.data().join(file), bytes)?;
        }
        for _ in 0..2 {
            server.revive()?;
            let mut client = server.client()?;
            assert_eq!(client.list()?.len(), 1, "{old}, {new}");
            assert_eq!(client.request(json!({"op": "info", "uuid": "x"}))?["uuid"], after.as_str());
            assert_eq!(names(&server.data().join("functions"))?, [format!("{after}.json")]);
            server.stop()?;
        }
    }
    Ok(())
}
