//! A node comes back with a log that has gone back in time: wiped, or an older copy of its directory. It gets no vote, is told why,
//! and ends with an exit code of its own; nothing that was acknowledged is lost with its help.

use anyhow::{Context, Result};
use replicode_tests::cluster::{Cluster, ping};
use replicode_tests::resp::{Resp, Value};
use replicode_tests::{check, eventually, guest};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(20);
const CONTRADICTED: Option<i32> = Some(3);

fn copy(from: &Path, to: &Path) -> Result<()> {
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status()?;
    check(copied.success(), || format!("cannot copy {}", from.display()))
}

fn set(cluster: &Cluster, node: u16, key: &str) -> Result<()> {
    eventually(&format!("node {node} to serve"), TIMEOUT, || ping(cluster.port(node)))?;
    let answer = Resp::connect(cluster.port(node), TIMEOUT)?.command(&["SET", key, "v"])?;
    check(answer == Value::Simple("OK".into()), || format!("SET answered {answer:?}"))
}

fn get(cluster: &Cluster, node: u16, key: &str) -> Result<()> {
    eventually(&format!("node {node} to serve"), TIMEOUT, || ping(cluster.port(node)))?;
    let answer = Resp::connect(cluster.port(node), TIMEOUT)?.command(&["GET", key])?;
    check(answer == Value::Bulk(Some(b"v".to_vec())), || format!("GET {key} answered {answer:?}"))
}

/// Waits for a node's end, which names what is wrong; its next start ends in the same way.
fn ends(cluster: &mut Cluster, node: u16, words: &[&str]) -> Result<()> {
    for _ in 0..2 {
        let (code, said) = cluster.ended(node, TIMEOUT)?;
        let named = words.iter().all(|word| said.contains(word));
        check(code == CONTRADICTED && named, || format!("node {node} ended with {code:?}: {said}"))?;
        cluster.revive(node)?;
    }
    Ok(())
}

#[test]
fn an_older_copy_of_a_directory_is_refused_by_name_and_the_right_one_is_not() -> Result<()> {
    let tmp = tempfile::tempdir()?;
    let (old, kept) = (tmp.path().join("old"), tmp.path().join("kept"));
    let mut cluster = Cluster::start_linked_kv(&guest("kv"), 3, &tmp.path().join("c"))?;
    let leader = cluster.leader()?;
    let others: Vec<u16> = (1..=3).filter(|node| *node != leader).collect();
    let (node, other) = (others[0], others[1]);
    set(&cluster, node, "before")?;
    cluster.kill(node)?;
    copy(&cluster.dir(node), &old)?;
    cluster.revive(node)?;
    set(&cluster, node, "after")?;

    cluster.kill(node)?;
    fs::rename(cluster.dir(node), &kept)?;
    copy(&old, &cluster.dir(node))?;
    cluster.revive(node)?;
    let named = format!("another start 2 of node {node}");
    ends(&mut cluster, node, &[&format!("node {node} is in its start 2 ("), &named, "put its directory back"])
        .with_context(|| cluster.briefly())?;
    set(&cluster, other, "meanwhile").context("the others go on")?;

    // Whoever does as he is told has all nodes again.
    cluster.ended(node, TIMEOUT)?;
    fs::remove_dir_all(cluster.dir(node))?;
    fs::rename(&kept, cluster.dir(node))?;
    cluster.revive(node)?;
    for key in ["before", "after", "meanwhile"] {
        get(&cluster, node, key)?;
    }
    cluster.await_agreement(TIMEOUT)?;
    cluster.stop()
}

#[test]
fn a_wiped_node_does_not_help_to_forget_what_it_acknowledged() -> Result<()> {
    let tmp = tempfile::tempdir()?;
    let mut cluster = Cluster::start_linked_kv(&guest("kv"), 3, &tmp.path().join("c"))?;
    cluster.await_agreement(TIMEOUT)?;
    let leader = cluster.leader()?;
    let others: Vec<u16> = (1..=3).filter(|node| *node != leader).collect();
    let (away, wiped) = (others[0], others[1]);
    // Only the leader and the node that will be wiped have this.
    cluster.kill(away)?;
    set(&cluster, leader, "agreed")?;
    cluster.kill(leader)?;
    cluster.kill(wiped)?;

    // As a fresh copy from `init` would be, or another disk.
    let dir = cluster.dir(wiped);
    fs::remove_dir_all(dir.join("log"))?;
    for file in ["joined", "digests.bin"] {
        fs::remove_file(dir.join(file))?;
    }
    cluster.revive(away)?;
    cluster.revive(wiped)?;
    ends(
        &mut cluster,
        wiped,
        &[&format!("node {wiped} is in its start 1 ("), &format!("another start 1 of node {wiped}")],
    )
    .with_context(|| cluster.briefly())?;
    check(ping(cluster.port(away)).is_err(), || format!("node {away} serves alone"))?;
    cluster.ended(wiped, TIMEOUT)?;

    cluster.revive(leader)?;
    get(&cluster, away, "agreed")?;
    get(&cluster, leader, "agreed")?;
    cluster.stop()
}
