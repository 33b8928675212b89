//! Wires between nodes that are cut, held back or slow, while clients ask: whoever can talk to a majority goes on, and no
//! request is lost, doubled, stale or wrong.

#![allow(clippy::unwrap_used)] // A test fails by panicking.

use paxos_tests::{Cluster, Load, Settings};
use std::time::Duration;

/// The two that are not `node`.
fn others(node: u16) -> [u16; 2] {
    [node % 3 + 1, (node + 1) % 3 + 1]
}

/// Under load: `break_it`, wait until as many again are answered, heal, twice over.
fn broken(settings: &Settings, break_it: impl Fn(&paxos_tests::wires::Wires, u16)) {
    let (mut cluster, wires) = Cluster::start_wired(settings);
    let load = Load::start(&cluster, 2, 40_000);
    for round in 1..=2 {
        load.await_answered(round * load.requests() / 4);
        break_it(&wires, cluster.leader());
        // Clients go on while it is broken.
        load.await_answered(round * load.requests() / 4 + load.requests() / 10);
        wires.heal();
    }
    load.judge();
    cluster.stop();
}

#[test]
fn the_leader_is_cut_off() {
    broken(&Settings::default(), |wires, leader| {
        for other in others(leader) {
            wires.cut(leader, other);
        }
    });
}

#[test]
fn the_leader_is_not_heard_and_hears() {
    broken(&Settings::default(), |wires, leader| {
        for other in others(leader) {
            wires.hold(leader, other);
        }
    });
}

#[test]
fn the_leader_is_heard_and_does_not_hear() {
    broken(&Settings { model: "standalone", network: "component", ..Settings::default() }, |wires, leader| {
        for other in others(leader) {
            wires.hold(other, leader);
        }
    });
}

#[test]
fn one_wire_of_the_leader_is_cut_and_it_leads_on() {
    let (mut cluster, wires) = Cluster::start_wired(&Settings::default());
    let load = Load::start(&cluster, 2, 40_000);
    load.await_answered(load.requests() / 4);
    let leader = cluster.leader();
    wires.cut(leader, others(leader)[0]);
    load.await_answered(load.requests() / 2);
    assert_eq!(cluster.leader(), leader, "a leader that a majority hears was replaced");
    wires.heal();
    let report = load.judge();
    assert_eq!(cluster.leader(), leader, "a leader was disturbed by one that came back");
    // One connection per thread is made, and at most one is led to the leader.
    assert!(report.reconnects <= 2, "{}", report.text());
    cluster.stop();
}

#[test]
fn the_followers_do_not_hear_each_other() {
    broken(&Settings::default(), |wires, leader| {
        let [one, two] = others(leader);
        wires.cut(one, two);
    });
}

#[test]
fn a_millisecond_between_nodes() {
    for network in ["host", "component"] {
        let (mut cluster, wires) = Cluster::start_wired(&Settings { network, ..Settings::default() });
        wires.delay(Duration::from_millis(1));
        let load = Load::start(&cluster, 2, 20_000);
        load.await_answered(5000);
        let leader = cluster.leader();
        cluster.kill(leader);
        cluster.start_node(leader);
        load.judge();
        cluster.stop();
    }
}
