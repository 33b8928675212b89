//! What functions answer, against Python; and that bad ones do nothing to good ones.

use crate::server::{PLAIN, Server, TIMEOUT, failure};
use anyhow::Result;
use replicode_functions_client::{AsyncClient, Config};
use replicode_tests::process::run;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

const GOOD: [&str; 9] =
    ["echo", "reverse", "reverse-c", "hash", "transform", "uppercase", "uppercase-c", "word-count", "json-filter"];

#[test]
fn outputs_are_those_of_python_in_json_in_frames_and_in_chains() -> Result<()> {
    let server = Server::start(&[])?;
    for name in GOOD {
        server.load(name)?;
    }
    let oracle = replicode_tests::root().join("tests/functions/oracle.py");
    let seed = std::process::id().to_string();
    let done = run(
        Command::new("python3").arg("-B").arg(oracle).arg(server.socket()).args([&seed, "60"]),
        b"",
        std::time::Duration::from_secs(300),
    )?;
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "seed {seed}: {said}");
    assert_eq!(String::from_utf8(done.stdout)?.trim(), (60 * (2 * GOOD.len() + 2)).to_string());
    Ok(())
}

#[test]
fn fuel_and_output_are_equal_whatever_else_runs() -> Result<()> {
    let server = Server::start(&["--threads", "3"])?;
    for name in ["echo", "hash", "word-count", "hostile"] {
        server.load(name)?;
    }
    let cases = [
        ("hash", "abc"),
        ("word-count", "a b a"),
        ("echo", "x"),
        ("hostile", "spin 100000"),
        ("hostile", "recurse 50"),
    ];
    let mut client = server.client()?;
    let mut first = Vec::new();
    for (name, input) in cases {
        let answer = client.execute(name, input.as_bytes(), &PLAIN)?;
        first.push((answer.output, answer.fuel, answer.memory));
    }
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..6)
            .map(|_| {
                scope.spawn(|| -> Result<()> {
                    let mut client = server.client()?;
                    for round in 0..200 {
                        let at = round % cases.len();
                        let answer = client.execute(cases[at].0, cases[at].1.as_bytes(), &PLAIN)?;
                        assert_eq!((answer.output, answer.fuel, answer.memory), first[at], "{:?}", cases[at]);
                    }
                    Ok(())
                })
            })
            .collect();
        clients.into_iter().try_for_each(|client| client.join().expect("a client"))
    })
}

#[test]
fn good_functions_are_answered_well_beside_every_kind_of_bad_one() -> Result<()> {
    let server = Server::start(&["--threads", "2"])?;
    for name in ["reverse", "hostile"] {
        server.load(name)?;
    }
    let bad = [
        "loop",
        "trap",
        "grow 200",
        "flood 100000000",
        "log 100000",
        "recurse 100000000",
        "call 1000",
        "set-and-fail 0",
    ];
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| -> Result<()> {
        let mut hostile = Vec::new();
        for what in bad {
            let (server, over) = (&server, &over);
            hostile.push(scope.spawn(move || -> Result<u32> {
                let (mut client, mut failures) = (server.client()?, 0);
                let config = Config { timeout_ms: Some(300), ..PLAIN };
                while !over.load(Ordering::Relaxed) {
                    failure(client.execute("hostile", what.as_bytes(), &config));
                    failures += 1;
                }
                Ok(failures)
            }));
        }
        let good: Vec<_> = (0..10u32)
            .map(|number| {
                let server = &server;
                scope.spawn(move || -> Result<()> {
                    let mut client = server.client()?;
                    for round in 0..300u32 {
                        let input = format!("{number} {round} {}", "x".repeat((round % 50) as usize * 20));
                        let expected: Vec<u8> = input.bytes().rev().collect();
                        assert_eq!(client.execute("reverse", input.as_bytes(), &PLAIN)?.output, expected);
                    }
                    Ok(())
                })
            })
            .collect();
        let answered = good.into_iter().try_for_each(|client| client.join().expect("a client"));
        over.store(true, Ordering::Relaxed);
        for client in hostile {
            assert!(client.join().expect("a client")? > 0);
        }
        answered
    })
}

#[test]
fn many_tasks_share_one_connection() -> Result<()> {
    let server = Server::start(&[])?;
    server.load("reverse")?;
    server.load("hostile")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let client = AsyncClient::connect(server.socket()).await?;
        let tasks: Vec<_> = (0..200u32)
            .map(|number| {
                let client = client.clone();
                tokio::spawn(async move {
                    if number % 20 == 0 {
                        let answer = client.execute("hostile", b"spin 300000", &PLAIN).await?;
                        return Ok::<_, anyhow::Error>(!answer.output.is_empty());
                    }
                    let text = format!("task {number}");
                    let answer = client.chain(&["reverse", "reverse"], text.as_bytes(), &PLAIN).await?;
                    Ok(answer.output == text.as_bytes())
                })
            })
            .collect();
        for task in tasks {
            assert!(tokio::time::timeout(TIMEOUT, task).await???);
        }
        Ok(())
    })
}

#[test]
fn a_part_of_what_has_to_be_borne_for_long() -> Result<()> {
    let hold = replicode_tests::root().join("tests/functions/hold.py");
    for arguments in [&["connections", "--count", "400"][..], &["flat", "--executions", "100000", "--cycles", "0"]] {
        let done = run(
            Command::new("python3").arg("-B").arg(&hold).args(arguments),
            b"",
            std::time::Duration::from_secs(300),
        )?;
        let said = String::from_utf8_lossy(&done.stdout) + String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{arguments:?}: {said}");
    }
    Ok(())
}
