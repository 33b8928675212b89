//! A leader killed without warning: a process of its own, ended by `SIGKILL`, under load.

#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "on the real host, from outside")]

mod common;

use common::{Cluster, PATIENCE, history, node, numbers, until};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const DIR: &str = "REPLICODE_TEST_CHILD";

/// Not a test: node 1, run by the test below as a process that it can kill.
#[test]
#[ignore = "run by the other test"]
fn child() -> Result<(), Box<dyn std::error::Error>> {
    let Some(dir) = std::env::var_os(DIR) else { return Ok(()) };
    let node = Cluster::load(Path::new(&dir))?.start(1);
    node.boot();
    loop {
        node.offer([0]);
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn spawn(cluster: &Cluster) -> std::io::Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--exact", "child", "--ignored", "--nocapture"]).env(DIR, cluster.dir.path());
    command.stdout(Stdio::null()).spawn()
}

#[test]
fn a_killed_leader_is_replaced_soon_and_comes_back() -> Result<(), Box<dyn std::error::Error>> {
    let cluster = Cluster::new("kill", 3);
    cluster.save()?;
    // Node 1 forms the cluster and leads it.
    let mut one = spawn(&cluster)?;
    let (two, three) = (cluster.start(2), cluster.start(3));
    two.boot();
    two.wait("inputs of the child", |toy| toy.inputs.len() > 20);
    let mut next = 0;
    for kills in 1..=3 {
        let leader = two.replica.status().leader;
        assert!(leader.is_some());
        for _ in 0..50 {
            two.offer([next]);
            next += 1;
        }
        one.kill()?;
        one.wait()?;
        let killed = Instant::now();
        // In the midst of the change.
        for _ in 0..100 {
            two.offer([next]);
            next += 1;
            std::thread::sleep(Duration::from_millis(1));
        }
        two.wait("inputs go on", |toy| numbers(toy, node(2)).len() as u64 == next);
        if leader == Some(node(1)) {
            println!("kill {kills}: service was back after {:?}", killed.elapsed());
        }
        one = spawn(&cluster)?;
        let boots = |toy: &common::Toy| toy.origins.get(&node(1)).map_or(0, |origin| origin.0.0);
        two.wait("the child is back", |toy| boots(toy) > kills);
    }
    one.kill()?;
    one.wait()?;
    assert_eq!(numbers(&two.toy(), node(2)), (0..next).collect::<Vec<_>>(), "each input once, in order");
    // All quiet now: both survivors have the same history, by their own words.
    until("the same history", || {
        let ours = history(&two.toy());
        two.replica.ask(node(3), b"history", PATIENCE) == Ok(ours)
    });
    assert!(two.toy().batches == three.toy().batches);
    two.stop();
    three.stop();
    Ok(())
}
