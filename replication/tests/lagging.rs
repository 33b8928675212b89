//! A node whose machine has much to execute takes part in consensus all the same.

#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "on the real host, from outside")]

mod common;

use common::{Cluster, ToyNode, node, numbers};
use replicode_replication::Role;
use std::time::{Duration, Instant};

/// What a batch takes on the slow machine: its whole history takes minutes.
const EFFORT: Duration = Duration::from_millis(500);
const BATCHES: u64 = 200;

fn until(limit: Duration, what: impl Fn() -> bool) -> bool {
    let end = Instant::now() + limit;
    while Instant::now() < end {
        if what() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    what()
}

fn leads(node: &ToyNode) -> bool {
    node.replica.status().role == Role::Leader
}

#[test]
fn two_of_three_go_on_although_one_of_them_has_hours_of_history_to_execute() {
    let cluster = Cluster::new("lagging", 3);
    let start = |n, effort| match ToyNode::start_slow(cluster.config(n), effort) {
        Ok(node) => node,
        Err(error) => unreachable!("node {n} starts: {error}"),
    };
    let [one, two, three] = [1, 2, 3].map(|n| start(n, Duration::ZERO));
    one.boot();
    for n in 0..BATCHES {
        one.offer([n]);
        one.wait("one more", |toy| numbers(toy, node(1)).len() as u64 > n);
    }
    let long = one.toy().batches.len();
    assert!(long as u64 >= BATCHES, "one batch for each");
    two.wait("all of it", |toy| toy.batches.len() >= long);
    two.stop();
    one.offer([BATCHES]);
    one.wait("goes on", |toy| numbers(toy, node(1)).len() as u64 > BATCHES);

    let two = start(2, EFFORT);
    // Where the history is long, the other one dies before this one has executed it.
    let knows = || two.replica.status().commit_raft_index == one.replica.status().commit_raft_index;
    assert!(until(Duration::from_secs(20), knows), "it has heard what was agreed on: {:?}", two.replica.status());
    three.stop();
    let died = Instant::now();
    assert!(until(Duration::from_secs(20), || leads(&one) || leads(&two)));
    one.offer([BATCHES + 1]);
    one.wait("the next one is agreed on", |toy| numbers(toy, node(1)).len() as u64 > BATCHES + 1);
    let took = died.elapsed();
    // About a second for an election; the rest is for a busy machine. Executing takes minutes.
    assert!(took < Duration::from_secs(20), "{took:?}");
    let executed = two.toy().batches.len();
    assert!(executed < long / 2, "it has executed {executed} of {long} batches: the test shows nothing");
    two.stop();

    // Nothing is missing in what it is given, whoever gives it: the machine looks at the order.
    let two = start(2, Duration::ZERO);
    let all = one.toy().batches.clone();
    two.wait("the whole history", |toy| toy.batches.len() >= all.len());
    assert_eq!(two.toy().batches[..all.len()], all[..]);
    two.stop();
    one.stop();
}

#[test]
fn a_leader_whose_machine_lags_goes_on_proposing() {
    let cluster = Cluster::new("lagging-leader", 1);
    let start = |effort| match ToyNode::start_slow(cluster.config(1), effort) {
        Ok(node) => node,
        Err(error) => unreachable!("the node starts: {error}"),
    };
    let one = start(Duration::ZERO);
    one.boot();
    for n in 0..60 {
        one.offer([n]);
        one.wait("one more", |toy| numbers(toy, node(1)).len() as u64 > n);
    }
    one.stop();

    let one = start(EFFORT);
    let agreed = || one.replica.status().batch_index;
    assert!(until(Duration::from_secs(20), || leads(&one)));
    // Each is a batch, and none of them is executed before all of these have been agreed on.
    for _ in 0..10 {
        let before = agreed();
        let _nonce = one.replica.boot();
        assert!(until(Duration::from_secs(5), || agreed() > before), "{:?}", one.replica.status());
    }
    assert!(one.toy().batches.len() < 60, "it had executed everything: the test shows nothing");
    one.stop();
}
