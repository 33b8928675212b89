//! A program that ends soon after its start: where somebody looks first, there stands what it said.

use anyhow::Result;
use nix::sys::signal::Signal;
use replicode_tests::cluster::{START, json, replicode};
use replicode_tests::process::{Process, run};
use replicode_tests::{check, eventually, guest};
use std::fs;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(60);
/// What `cat` prints about a file that is not there.
const WORDS: &str = "/nothing: No such file or directory";

#[test]
fn what_a_program_said_last_stands_beside_its_end() -> Result<()> {
    let tmp = tempfile::tempdir()?;
    let data = tmp.path().join("d");
    let mut command = replicode(&["up"]);
    command.arg(guest("cat")).args(["--nodes", "1", "--restart", "never", "--data"]).arg(&data);
    let log = tmp.path().join("up.log");
    let mut up = Process::start(command.args(["--", "/nothing"]), &log)?;
    let told = || {
        let said = up.output();
        let story = said.split_once("ended in batch #").map(|(_, story)| story.to_string()).unwrap_or_default();
        check(story.contains(": exit 1\n  | ") && story.contains(WORDS), || said)
    };
    eventually("up to tell it", START, told)?;
    let node = data.join("node-1");
    let dir = node.to_string_lossy();
    let seen = || -> Result<()> {
        let status = json(&["status", &dir])?;
        let ended = &status["ended"][0];
        let said = ended["said"][0].as_str().unwrap_or_default();
        check(ended["code"] == 1 && ended["batch"].is_u64() && said.ends_with(WORDS), || format!("{status}"))
    };
    seen()?;
    let shown = run(replicode(&["status"]).arg(&node), b"", TIMEOUT)?;
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("exit 1\n  | ") && shown.contains(WORDS), "{shown}");
    up.signal(Signal::SIGTERM)?;
    up.wait(TIMEOUT)?;
    assert!(fs::read_to_string(node.join("node.log"))?.contains(WORDS), "node.log has it");

    // A node that executes its log again knows it again.
    let mut again = Process::start(replicode(&["node", "--data"]).arg(&node), &tmp.path().join("node-said"))?;
    eventually("the node to know it again", START, seen)?;
    again.signal(Signal::SIGTERM)?;
    again.wait(TIMEOUT)?;

    let ran = run(replicode(&["run", "--json"]).arg(guest("cat")).args(["--", "/nothing"]), b"", TIMEOUT)?;
    let last = String::from_utf8_lossy(&ran.stderr).lines().last().unwrap_or_default().to_string();
    let end: serde_json::Value = serde_json::from_str(&last)?;
    assert_eq!((ran.status.code(), &end["exit_code"], &end["end"]), (Some(1), &1.into(), &"exit 1".into()), "{end}");
    assert!(end["batch"].is_u64() && end["said"][0].as_str().is_some_and(|line| line.ends_with(WORDS)), "{end}");
    Ok(())
}
