//! A cluster of one: no network, the same log.

#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "on the real host, from outside")]

mod common;

use common::{Cluster, Dir, ToyNode, data, node, numbers};
use replicode_log::{LogicalTime, Term};
use replicode_replication::log_store::LogReader;
use replicode_replication::{ReplicaError, Role};
use std::time::Duration;

#[test]
fn inputs_are_applied_once_in_order_and_again_after_a_restart() -> Result<(), Box<dyn std::error::Error>> {
    let cluster = Cluster::new("single", 1);
    let one = cluster.start(1);
    one.boot();
    for n in 0..500 {
        one.offer([n * 2, n * 2 + 1]);
    }
    one.wait("all inputs", |toy| toy.inputs.len() == 1000);
    assert_eq!(numbers(&one.toy(), node(1)), (0..1000).collect::<Vec<_>>());
    let status = one.replica.status();
    assert_eq!((status.role, status.leader, status.inputs), (Role::Leader, Some(node(1)), 1000));
    assert_eq!((status.outgoing_bytes, status.boot.0, one.toy().repeats), (0, 1, 0));
    assert!(status.log.fsyncs <= status.log.records && status.batches <= 1001);
    let before = one.toy().batches.clone();
    one.stop();

    let reader = LogReader::open(&cluster.config(1).dir)?;
    let logged: Vec<_> = reader.entries().collect::<Result<Vec<_>, _>>()?.into_iter().filter_map(|e| e.batch).collect();
    assert_eq!(logged.len(), before.len());

    // A log that exists must open without the right to make one.
    let again = ToyNode::start(replicode_replication::ReplicaConfig { found: false, ..cluster.config(1) })?;
    again.wait("the old batches", |toy| toy.batches.len() == before.len());
    assert_eq!(again.toy().batches, before);
    again.boot();
    again.offer([5000]);
    again.wait("a new input", |toy| toy.inputs.len() == 1001);
    assert!(again.toy().leadership.iter().any(|now| now.leader == Some(node(1)) && now.term > Term(1)));
    again.stop();
    Ok(())
}

#[test]
fn an_idle_node_writes_nothing_and_a_deadline_makes_a_tick() {
    let cluster = Cluster::new("idle", 1);
    let one = cluster.start(1);
    one.boot();
    let before = one.replica.status();
    // Ten heartbeats and an election's time.
    std::thread::sleep(Duration::from_millis(1100));
    let after = one.replica.status();
    assert_eq!((before.last_raft_index, before.log), (after.last_raft_index, after.log));
    let now = one.toy().last_time;
    one.toy().deadline = Some(now.plus(1_300_000_000));
    one.offer([1]);
    one.wait("the tick", |toy| toy.ticks == 1);
    assert!(one.toy().last_time >= now.plus(1_300_000_000) && one.toy().last_time > LogicalTime::GENESIS);
    one.stop();
}

#[test]
fn many_threads_may_offer() {
    let cluster = Cluster::new("threads", 1);
    let one = cluster.start(1);
    one.boot();
    std::thread::scope(|scope| {
        for thread in 0..4u64 {
            let one = &one;
            scope.spawn(move || (0..250).for_each(|n| one.offer([thread * 1000 + n])));
        }
    });
    one.wait("all inputs", |toy| toy.inputs.len() == 1000);
    let mut all = numbers(&one.toy(), node(1));
    for thread in 0..4 {
        let mine: Vec<_> = all.iter().copied().filter(|n| n / 1000 == thread).collect();
        assert!(mine.is_sorted(), "each thread's order is kept");
    }
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 1000);
    one.stop();
}

#[test]
fn what_cannot_work_is_refused_at_once() {
    let cluster = Cluster::new("refused", 2);
    let mut config = cluster.config(1);
    config.peers.remove(&node(1));
    assert!(matches!(ToyNode::start(config), Err(ReplicaError::NotAMember(_))));
    let mut config = cluster.config(1);
    config.tls = None;
    assert!(matches!(ToyNode::start(config), Err(ReplicaError::NoTls(2))));
    let mut config = cluster.config(1);
    config.tls = cluster.tls.get(&node(2)).cloned();
    assert!(matches!(ToyNode::start(config), Err(ReplicaError::Tls(_))));
    let mut config = cluster.config(1);
    config.listen = ([192, 0, 2, 1], 7).into();
    assert!(matches!(ToyNode::start(config), Err(ReplicaError::Listen { .. })));
    let mut config = cluster.config(1);
    config.tuning.election = (Duration::from_millis(10), Duration::from_millis(5));
    assert!(matches!(ToyNode::start(config), Err(ReplicaError::Tuning(_))));
    let mut config = cluster.config(1);
    config.found = false;
    let dir = Dir::new("refused-empty");
    config.dir = dir.path().to_path_buf();
    let error = ToyNode::start(config).map(|_| ()).map_err(|error| error.to_string());
    assert!(error.is_err_and(|error| error.contains("there is no log")));
    // One directory, two processes.
    let cluster = Cluster::new("refused-busy", 1);
    let one = cluster.start(1);
    let error = ToyNode::start(cluster.config(1)).map(|_| ()).map_err(|error| error.to_string());
    assert!(error.is_err_and(|error| error.contains("in use by another process")));
    one.replica.offer(&mut vec![data(1)]);
    one.stop();
}

#[test]
fn a_batch_waits_for_what_is_expected_and_not_for_a_promise_that_is_forgotten() {
    let cluster = Cluster::new("expecting", 1);
    let one = cluster.start(1);
    one.boot();
    one.offer([0]);
    one.wait("an input", |toy| toy.inputs.len() == 1);
    // Never kept: the batch sets out all the same.
    one.replica.expect_more();
    one.offer([1]);
    one.wait("a batch after a while", |toy| toy.inputs.len() == 2);
    // Kept at once, again and again: nothing is lost or left behind.
    for n in 2..200 {
        one.replica.expect_more();
        one.offer([n]);
        one.replica.expect_no_more();
    }
    one.wait("all inputs", |toy| toy.inputs.len() == 200);
    assert_eq!(numbers(&one.toy(), node(1)), (0..200).collect::<Vec<_>>());
    one.stop();
}
