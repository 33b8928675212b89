//! The checker against the real server: kills and compactions included.

#![allow(clippy::unwrap_used)]

use std::process::{Command, Output};

fn check(more: &[&str]) -> (Output, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let out = Command::new(env!("CARGO_BIN_EXE_stm-counter-check"))
        .args(["--server", env!("CARGO_BIN_EXE_stm-counter-server")])
        .args(["--clients", "8", "--readers", "2", "--segment-bytes", "20000", "--data"])
        .arg(dir.path().join("log"))
        .args(more)
        .output()
        .unwrap();
    (out, dir)
}

/// "… 12 compactions": the number.
fn compactions(text: &str) -> u64 {
    let words: Vec<&str> = text.split_whitespace().collect();
    let at = words.iter().position(|w| *w == "compactions").unwrap();
    words[at - 1].parse().unwrap()
}

#[test]
fn killed_and_restarted_servers_count_exactly_once() {
    // Once with the whole log replayed from its first block, once with a log that drops what its snapshot covers.
    for more in [&["--seed", "1"][..], &["--seed", "2", "--bounded"]] {
        let (out, _dir) = check(&[more, &["--increments", "3000", "--kills", "3"]].concat());
        let text = String::from_utf8_lossy(&out.stdout);
        assert!(out.status.success(), "{text}\n{}", String::from_utf8_lossy(&out.stderr));
        for part in ["exactly once: 24000", "linearizable", "equal roots", "16 replays"] {
            assert!(text.contains(part), "{text}");
        }
        assert!(compactions(&text) > 10, "{text}");
    }
}

#[test]
fn the_checker_says_how_it_ended() {
    let (out, dir) = check(&["--json", "--increments", "200", "--kills", "1"]);
    assert!(out.status.success());
    let line: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!((&line["increments"], &line["kills"]), (&1600.into(), &1.into()), "{line}");
    assert_eq!(line["root"].as_str().map(str::len), Some(64));

    let run = |args: &[&str]| {
        let out = Command::new(env!("CARGO_BIN_EXE_stm-counter-check")).args(args).output().unwrap();
        (out.status.code().unwrap(), String::from_utf8_lossy(&out.stderr).into_owned())
    };
    let used = dir.path().join("log").display().to_string();
    let (code, why) = run(&["--server", env!("CARGO_BIN_EXE_stm-counter-server"), "--data", &used]);
    assert_eq!(code, 2, "{why}");
    assert!(why.contains("is not empty"), "{why}");
    let fresh = dir.path().join("other").display().to_string();
    let (code, why) = run(&["--server", "/nonexistent/server", "--data", &fresh]);
    assert_eq!(code, 3, "{why}");
    assert!(why.contains("/nonexistent/server"), "{why}");
    // A program that is no counting server.
    let (code, why) = run(&["--server", env!("CARGO_BIN_EXE_stm-counter-client"), "--data", &fresh]);
    assert_eq!(code, 3, "{why}");
    assert_eq!(run(&["--data", &fresh]).0, 2, "no server named");
}
