//! The README's commands, as they stand there, one block after the other, in a plain shell.

#![allow(clippy::unwrap_used)] // A test fails by panicking.

use std::process::{Command, Stdio};

/// The blocks of shell commands, but for those after a remark that no test follows them.
fn blocks() -> Vec<String> {
    let page = include_str!("../../README.md");
    let mut blocks = Vec::new();
    for (before, rest) in page.match_indices("```sh\n").map(|(at, mark)| page.split_at(at + mark.len())) {
        let remark = before.trim_end_matches("```sh\n").trim_end().lines().last().unwrap_or_default();
        if !remark.contains("not followed by a test") {
            blocks.push(rest.split("```").next().unwrap_or_default().to_owned());
        }
    }
    blocks
}

#[test]
fn every_command_works() {
    let blocks = blocks();
    assert!(blocks.len() >= 4, "{blocks:#?}");
    let folder = paxos_tests::workspace();
    // The whole run is checked elsewhere (the demo, and this test is part of ./test.sh); here follows all that stands between.
    let script: Vec<&str> = blocks
        .iter()
        .flat_map(|block| block.lines())
        .filter(|line| !line.contains("paxos-demo.sh") && !line.starts_with("./test.sh"))
        .collect();
    for wanted in
        ["cargo build", "run-local.sh", "run-demo-client.sh", "cas k v w", "components", "kill-leader.sh", "run.sh"]
    {
        assert!(script.iter().any(|line| line.contains(wanted)), "the README shows no {wanted}");
    }
    let text = format!(
        "set -eu\ncleanup() {{ runner-ws/run-local.sh stop; VIA='sh -c' cluster/stop.sh hosts.txt; rm -rf hosts.txt collected out.jsonl paxos-cluster; }} >/dev/null 2>&1\n\
         trap cleanup EXIT\nset -x\n{}\n",
        script.join("\n")
    );
    let output = Command::new("bash")
        .args(["-c", &text])
        .current_dir(folder)
        .env_remove("PAXOS_CONFIG")
        .stdin(Stdio::null())
        .output()
        .expect("a shell");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}\n{out}\n{err}", output.status);
    assert!(out.contains("verdict     good"), "the demo's verdict: {out}");
    assert!(out.matches("verdict: good").count() == 2, "the verdicts of run.sh and collect.sh: {out}");
    assert!(out.lines().any(|line| line == "v"), "get k: {out}");
}
