//! Three nodes in one process, over QUIC on loopback.

#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "on the real host, from outside")]

mod common;

use common::{Cluster, ToyNode, node, numbers, until};
use replicode_log::{BootNo, Input, NodeId};
use replicode_replication::{AskError, Role};
use std::time::{Duration, Instant};

fn leader_of(nodes: &[&ToyNode]) -> Option<NodeId> {
    nodes.iter().find(|node| node.replica.status().role == Role::Leader).map(|node| node.node)
}

/// Every node has admitted the same inputs in the same batches.
fn agree(nodes: &[&ToyNode], inputs: usize) {
    for node in nodes {
        node.wait("all inputs", |toy| toy.inputs.len() >= inputs);
    }
    let most = nodes.iter().map(|node| node.toy().batches.len()).max().unwrap_or(0);
    for node in nodes {
        node.wait("all batches", |toy| toy.batches.len() >= most);
    }
    let first = {
        let toy = nodes[0].toy();
        (toy.batches.clone(), toy.inputs.clone())
    };
    for node in nodes {
        let toy = node.toy();
        assert!(toy.batches == first.0 && toy.inputs == first.1, "{} agrees", node.node);
        assert!(toy.faults.is_empty(), "{:?}", toy.faults);
    }
}

#[test]
fn all_nodes_get_the_same_batches_from_all_nodes_inputs() {
    let cluster = Cluster::new("same", 3);
    let nodes = [cluster.start(1), cluster.start(2), cluster.start(3)];
    nodes.iter().for_each(ToyNode::boot);
    std::thread::scope(|scope| {
        for one in &nodes {
            scope.spawn(move || (0..500).for_each(|n| one.offer([n])));
        }
    });
    let [one, two, three] = &nodes;
    let all = [one, two, three];
    agree(&all, 1500);
    for from in 1..=3 {
        assert_eq!(numbers(&one.toy(), node(from)), (0..500).collect::<Vec<_>>(), "inputs of node {from}");
    }
    // Idle: heartbeats flow, nothing is written.
    let before = all.map(|node| node.replica.status().last_raft_index);
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(all.map(|node| node.replica.status().last_raft_index), before);
    // Who leads sees who answers.
    let leader = all.iter().find(|node| Some(node.node) == leader_of(&all));
    let silent = leader.map(|leader| leader.replica.silent_peers()).unwrap_or_default();
    assert_eq!(silent.len(), 2);
    assert!(silent.iter().all(|(_, silence)| *silence < Duration::from_secs(2)), "{silent:?}");
    // Questions are answered, by members.
    let answer = one.replica.ask(node(3), b"how are you?", Duration::from_secs(5));
    assert_eq!(answer, Ok(b"to n1: how are you?".to_vec()));
    assert_eq!(one.replica.ask(node(9), b"?", Duration::from_secs(5)), Err(AskError::Unknown(node(9))));
    for node in nodes {
        node.stop();
    }
}

#[test]
fn a_leader_that_stops_is_replaced_and_inputs_are_applied_exactly_once() {
    let cluster = Cluster::new("leader", 3);
    let mut nodes = vec![cluster.start(1), cluster.start(2), cluster.start(3)];
    nodes.iter().for_each(ToyNode::boot);
    let mut sent = [0u64; 4];
    for round in 0..3 {
        let all: Vec<&ToyNode> = nodes.iter().collect();
        until("a leader", || leader_of(&all).is_some());
        let Some(leader) = leader_of(&all) else { continue };
        // The others send all the while, before, during and after the change.
        let done = std::sync::atomic::AtomicBool::new(false);
        let at = nodes.iter().position(|node| node.node == leader).unwrap_or(0);
        let stopped = nodes.remove(at);
        let counts = std::thread::scope(|scope| {
            let senders: Vec<_> = nodes
                .iter()
                .map(|one| {
                    let (from, done) = (sent[one.node.get() as usize], &done);
                    scope.spawn(move || {
                        let mut next = from;
                        while !done.load(std::sync::atomic::Ordering::Relaxed) {
                            one.offer([next]);
                            next += 1;
                            std::thread::sleep(Duration::from_micros(300));
                        }
                        (one.node, next)
                    })
                })
                .collect();
            std::thread::sleep(Duration::from_millis(50));
            stopped.stop();
            let rest: Vec<&ToyNode> = nodes.iter().collect();
            until("another leader", || leader_of(&rest).is_some_and(|new| new != leader));
            std::thread::sleep(Duration::from_millis(50));
            done.store(true, std::sync::atomic::Ordering::Relaxed);
            senders.into_iter().filter_map(|sender| sender.join().ok()).collect::<Vec<_>>()
        });
        for (node, next) in counts {
            sent[node.get() as usize] = next;
        }
        let back = cluster.start(leader.get());
        back.boot();
        sent[leader.get() as usize] = numbers(&back.toy(), leader).len() as u64;
        nodes.push(back);
        let all: Vec<&ToyNode> = nodes.iter().collect();
        let total: u64 = sent.iter().sum();
        agree(&all, total as usize);
        for n in 1..=3 {
            let expected: Vec<_> = (0..sent[n as usize]).collect();
            assert_eq!(numbers(&all[0].toy(), node(n)), expected, "inputs of node {n} in round {round}");
        }
    }
    for node in nodes {
        node.stop();
    }
}

#[test]
fn a_follower_that_was_away_catches_up() {
    let cluster = Cluster::new("follower", 3);
    let mut nodes = vec![cluster.start(1), cluster.start(2), cluster.start(3)];
    let all: Vec<&ToyNode> = nodes.iter().collect();
    until("a leader", || leader_of(&all).is_some());
    let leader = leader_of(&all);
    let at = nodes.iter().position(|node| Some(node.node) != leader).unwrap_or(0);
    let away = nodes.remove(at);
    let number = away.node.get();
    away.stop();
    let one = &nodes[0];
    one.boot();
    for piece in 0..20 {
        one.offer(piece * 100..piece * 100 + 100);
    }
    one.wait("commit by two of three", |toy| toy.inputs.len() == 2000);
    let back = cluster.start(number);
    agree(&[&nodes[0], &nodes[1], &back], 2000);
    back.stop();
    for node in nodes {
        node.stop();
    }
}

#[test]
fn without_a_majority_nothing_is_committed_and_nothing_is_lost() {
    let cluster = Cluster::new("majority", 3);
    let one = cluster.start(1);
    one.ask_for_boot();
    one.offer(0..10);
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!((one.toy().batches.len(), one.replica.status().leader), (0, None));
    let started = Instant::now();
    let two = cluster.start(2);
    one.wait("inputs", |toy| toy.inputs.len() == 10);
    assert!(started.elapsed() < common::PATIENCE);
    agree(&[&one, &two], 10);
    assert!(one.toy().inputs.iter().all(|(from, input)| *from == node(1) && matches!(input, Input::Data { .. })));
    one.stop();
    two.stop();
}

#[test]
fn a_leader_whose_machine_is_busy_declares_who_falls_silent() {
    let cluster = Cluster::new("busy", 3);
    let mut nodes = vec![cluster.start(1), cluster.start(2), cluster.start(3)];
    nodes.iter().for_each(ToyNode::boot);
    until("a leader", || leader_of(&nodes.iter().collect::<Vec<_>>()).is_some());
    let at = nodes.iter().position(|one| one.replica.status().role == Role::Leader).unwrap_or(0);
    let leader = nodes.remove(at);
    let (gone, witness) = (nodes.remove(0), nodes.remove(0));
    let boots: std::collections::BTreeMap<_, _> = (1..=3).map(|n| (node(n), BootNo(1))).collect();
    for one in [&leader, &witness] {
        one.replica.watch_over(Some(boots.clone()));
    }
    // Nothing that is agreed on from now on is executed by the leader.
    let busy = leader.toy();
    let down = (leader.node, Input::NodeDown { node: gone.node, boot: BootNo(1) });
    gone.stop();
    witness.wait("the silent node is declared", |toy| toy.inputs.contains(&down));
    assert!(!busy.inputs.contains(&down), "the leader was not busy");
    drop(busy);
    agree(&[&leader, &witness], 1);
    for one in [leader, witness] {
        one.stop();
    }
}
