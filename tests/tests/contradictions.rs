//! A node's directory is replaced by an older copy of itself, which the documentation forbids: whoever finds what it has
//! acknowledged contradicted ends with an exit code of its own, names both histories, and does not start again.

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
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
    if to.exists() {
        fs::remove_dir_all(to)?;
    }
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status()?;
    check(copied.success(), || format!("cannot copy {}", from.display()))
}

/// Writes `count` keys through a node.
fn write(cluster: &Cluster, node: u16, count: usize) -> Result<()> {
    eventually(&format!("node {node} to serve"), TIMEOUT, || ping(cluster.port(node)))?;
    let mut resp = Resp::connect(cluster.port(node), TIMEOUT)?;
    for n in 0..count {
        let answer = resp.command(&["SET", &format!("{node}-{n}"), "v"])?;
        check(answer == Value::Simple("OK".into()), || format!("SET answered {answer:?}"))?;
    }
    Ok(())
}

/// Waits for a node's end: what it says has all of `words`. Its next start is refused in the same words.
fn stops(cluster: &mut Cluster, node: u16, words: &[&str]) -> Result<()> {
    let (code, said) = cluster.ended(node, TIMEOUT)?;
    let named = |said: &str| words.iter().all(|word| said.contains(word));
    check(code == CONTRADICTED && named(&said), || format!("node {node} ended with {code:?}: {said}"))?;
    cluster.revive(node)?;
    let (code, said) = cluster.ended(node, TIMEOUT)?;
    let refused = said.contains("this node has stopped because") && said.contains("node-") && said.contains("remove");
    check(code == CONTRADICTED && refused && named(&said), || format!("its next start ended with {code:?}: {said}"))
}

/// Pauses a follower for long enough to copy its directory: a copy from before its last start would be refused by name.
fn keep_a_copy(cluster: &mut Cluster, node: u16, to: &Path) -> Result<()> {
    cluster.signal(node, Signal::SIGSTOP)?;
    let copied = copy(&cluster.dir(node), to);
    cluster.signal(node, Signal::SIGCONT)?;
    copied?;
    write(cluster, node, 10)?;
    cluster.await_agreement(TIMEOUT).map(drop)
}

/// `false`: another leader was elected meanwhile, as happens on a busy host, and it is not told who would notice what.
fn both_kinds(dir: &Path) -> Result<bool> {
    let old = |node: u16| dir.join(format!("old-{node}"));
    let mut cluster = Cluster::start_linked_kv(&guest("kv"), 3, &dir.join("c"))?;
    cluster.await_agreement(TIMEOUT)?;
    let leader = cluster.leader()?;
    let term = cluster.status(leader)?["term"].clone();
    let others: Vec<u16> = (1..=3).filter(|node| *node != leader).collect();
    let (forgets, other) = (others[0], others[1]);
    for node in [forgets, other] {
        keep_a_copy(&mut cluster, node, &old(node))?;
    }

    // A follower forgets what it has told its leader that it has.
    cluster.kill(forgets)?;
    copy(&old(forgets), &cluster.dir(forgets))?;
    cluster.revive(forgets)?;
    let words = ["has this node's word that it holds entry", "an older copy of its directory?"];
    if let Err(why) = stops(&mut cluster, forgets, &words) {
        let stayed = cluster.status(leader)?["term"] == term;
        return if stayed { Err(why.context(cluster.briefly())) } else { Ok(false) };
    }
    write(&cluster, other, 10).context("the other two go on")?;

    // Two directories are put back while the one node that knows better is away: it meets with another history.
    if cluster.status(leader)?["term"] != term {
        return Ok(false);
    }
    cluster.kill(leader)?;
    cluster.kill(other)?;
    for node in [forgets, other] {
        copy(&old(node), &cluster.dir(node))?;
    }
    // The leader knows one such start already; this is to be another.
    cluster.revive(forgets)?;
    eventually("its start", TIMEOUT, || cluster.status(forgets).map(drop))?;
    cluster.kill(forgets)?;
    for node in [forgets, other] {
        cluster.revive(node)?;
    }
    write(&cluster, other, 50)?;
    cluster.revive(leader)?;
    stops(&mut cluster, leader, &["which leads term", "where this node holds entry", "which was agreed on"])
        .with_context(|| cluster.briefly())?;
    write(&cluster, other, 10).context("the other two go on")?;
    cluster.stop()?;
    Ok(true)
}

#[test]
fn a_node_whose_history_is_contradicted_ends_with_its_own_code() -> Result<()> {
    for _ in 0..3 {
        let tmp = tempfile::tempdir()?;
        if both_kinds(tmp.path())? {
            return Ok(());
        }
    }
    anyhow::bail!("the nodes did not keep their leader for long enough, three times")
}
