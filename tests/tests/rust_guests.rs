//! Servers on axum and hyper, judged by curl: on one node, and on three while the leader is killed.

use anyhow::{Context, Result};
use replicode_tests::cluster::{Cluster, START, json, replicode};
use replicode_tests::process::{Process, run};
use replicode_tests::{check, eventually, free_ports, guest};
use std::process::Command;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(60);

/// What curl prints, the code of the answer behind it.
fn curl(args: &[&str]) -> Result<String> {
    let output = run(Command::new("curl").args(["-sS", "-m", "10", "-w", " %{http_code}"]).args(args), b"", TIMEOUT)?;
    check(output.status.success(), || String::from_utf8_lossy(&output.stderr).into_owned())?;
    String::from_utf8(output.stdout).context("curl printed no text")
}

/// Asks an axum server everything that it has, `counted` times having been counted before.
fn ask_axum(port: u16, counted: u64) -> Result<()> {
    let url = |path: &str| format!("http://127.0.0.1:{port}{path}");
    assert_eq!(curl(&[&url("/")])?, "hello, world\n 200");
    assert_eq!(curl(&[&url("/hello/a%20b")])?, "hello, a b\n 200");
    assert_eq!(curl(&["-XPOST", &url("/count")])?, format!("{{\"count\":{}}} 200", counted + 1));
    let body = "x".repeat(100_000);
    assert_eq!(curl(&["--data-binary", &body, &url("/echo")])?, format!("{body} 200"));
    assert_eq!(curl(&[&url("/nothing")])?, " 404");
    // Two requests that sleep at the same time, on connections of their own.
    let answers = curl(&["-Z", &url("/slow"), &url("/slow")])?;
    assert_eq!(answers.matches("slept").count(), 2, "{answers}");
    Ok(())
}

#[test]
fn axum_serves_on_one_node_and_its_run_replays() -> Result<()> {
    let tmp = tempfile::tempdir()?;
    let (port, data) = (free_ports(1), tmp.path().join("d"));
    let mut command = replicode(&["run"]);
    command.arg(guest("hello-axum")).args(["--publish", &format!("{port}:8080"), "--data"]).arg(&data);
    let mut node = Process::start(&mut command, &tmp.path().join("log"))?;
    eventually("axum to serve", START, || curl(&[&format!("http://127.0.0.1:{port}/")]))?;
    ask_axum(port, 0)?;
    node.signal(nix::sys::signal::Signal::SIGTERM)?;
    node.wait(TIMEOUT)?;
    let replay = json(&["replay", &data.to_string_lossy()])?;
    assert_eq!(replay["ok"], true, "{replay}");
    Ok(())
}

#[test]
fn axum_keeps_its_count_when_the_leader_is_killed() -> Result<()> {
    let tmp = tempfile::tempdir()?;
    let mut cluster = Cluster::start(&guest("hello-axum"), 3, 8080, &tmp.path().join("c"), &[])?;
    let up = |cluster: &Cluster, node: u16| -> Result<()> {
        let url = format!("http://127.0.0.1:{}/", cluster.port(node));
        eventually("axum to serve", START, || check(curl(&[&url])? == "hello, world\n 200", || cluster.output()))
    };
    for node in 1..=3 {
        up(&cluster, node)?;
        ask_axum(cluster.port(node), u64::from(node) - 1)?;
    }
    let leader = cluster.leader()?;
    cluster.kill(leader)?;
    let left = leader % 3 + 1;
    up(&cluster, left)?;
    ask_axum(cluster.port(left), 3)?;
    cluster.revive(leader)?;
    up(&cluster, leader)?;
    ask_axum(cluster.port(leader), 4)?;
    cluster.await_agreement(TIMEOUT)?;
    cluster.stop()
}

#[test]
fn hyper_serves_and_reaches_another_program_by_its_name() -> Result<()> {
    let tmp = tempfile::tempdir()?;
    let port = free_ports(2);
    let mut command = replicode(&["up"]);
    let hyper = guest("hello-hyper");
    command.arg(&hyper).args(["--nodes", "1", "--name", "front", "--also", &format!("back={}", hyper.display())]);
    command.args(["--publish", &format!("{port}:8080"), "--data"]).arg(tmp.path().join("d"));
    let mut up = Process::start(command.args(["--", "8080", "back:8080"]), &tmp.path().join("log"))?;
    let url = format!("http://127.0.0.1:{port}/a?b=c");
    eventually("hyper to serve", START, || {
        let answer = curl(&[&url])?;
        check(answer == "1: GET /a?b=c\n 200", || format!("{answer} {}", up.output()))
    })?;
    assert_eq!(curl(&["-XDELETE", &url, &url])?, "1: DELETE /a?b=c\n 2001: DELETE /a?b=c\n 200");
    let dir = tmp.path().join("d/node-1");
    run(replicode(&["kill"]).arg(&dir).arg("back"), b"", TIMEOUT)?;
    let answer = curl(&[&url])?;
    assert!(answer.ends_with(" 502") && answer.contains("no program of the cell is called 'back' now"), "{answer}");
    up.signal(nix::sys::signal::Signal::SIGTERM)?;
    up.wait(TIMEOUT)?;
    Ok(())
}
