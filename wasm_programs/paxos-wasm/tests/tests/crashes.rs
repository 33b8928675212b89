//! Processes that die at the places where it matters most: between writing and syncing, between syncing and answering, around a
//! snapshot. Their coordinator starts them again, and no request is lost, doubled, stale or wrong.

#![allow(clippy::unwrap_used)] // A test fails by panicking.

use paxos_tests::{Cluster, Load, Settings};

/// A place in the program, and at which passing of it.
type Place = (&'static str, u32);

/// A snapshot every hundred slots of twenty requests: every place is passed often.
fn settings(model: &'static str, parts: &'static str) -> Settings {
    let more = "snapshot-every: 100\nbatching:\n  max-commands: 20".to_owned();
    Settings { model, network: parts, storage: parts, more, ..Settings::default() }
}

/// Processes of the node that leads die at these places. Node 1 is started first, so it is the one; on a busy machine another one may
/// be quicker, and the run, right as it is, shows nothing about the leader.
fn leader_crashes(settings: &Settings, places: &[Place]) {
    let led = (0..5).any(|_| crashes(settings, 1, true, places));
    assert!(led, "node 1, which is started first, never led, or its proposer does not die where it is told to");
}

/// Processes of `node` die at these places, each for another one or one after the other, under load. `false`: it was to lead, and
/// never did.
fn crashes(settings: &Settings, node: u16, leads: bool, places: &[Place]) -> bool {
    let mut cluster = Cluster::prepare(settings);
    for (place, passing) in places {
        let role = place.split('-').next().unwrap();
        let process = if settings.model == "combined" { "combined" } else { role };
        cluster.arguments.extend(["--crash-at".to_owned(), format!("{process}/{place}:{passing}")]);
    }
    cluster.start_node(node);
    cluster.arguments.clear();
    cluster.start_all();
    Load::start(&cluster, 2, 20_000).judge();
    let log = cluster.log(node);
    for (place, _) in places {
        let died = log.contains(&format!("crashes at {place}, as it was told to"));
        if !died && leads && place.starts_with("proposer") {
            cluster.stop();
            return false;
        }
        assert!(died, "not at {place}:\n{log}");
    }
    assert_eq!(log.matches(" died: ").count(), places.len(), "others died, too:\n{log}");
    cluster.stop();
    true
}

#[test]
fn the_leader_before_it_writes() {
    let places = [("proposer-before-append", 1), ("acceptor-before-append", 50), ("learner-before-snapshot", 1)];
    leader_crashes(&settings("standalone", "host"), &places);
}

#[test]
fn the_leader_between_writing_and_syncing() {
    let places = [("proposer-after-flush", 1), ("acceptor-before-flush", 50), ("learner-after-snapshot", 2)];
    leader_crashes(&settings("standalone", "host"), &places);
}

#[test]
fn the_leader_between_syncing_and_answering() {
    let places = [("proposer-before-send", 200), ("acceptor-after-flush", 50), ("learner-before-send", 100)];
    leader_crashes(&settings("standalone", "component"), &places);
}

#[test]
fn a_follower_with_what_it_was_about_to_answer() {
    let places = [("proposer-before-send", 5), ("acceptor-before-send", 100), ("learner-after-snapshot", 1)];
    assert!(crashes(&settings("standalone", "component"), 2, false, &places));
}

#[test]
fn a_whole_node_in_one_process() {
    for (place, parts) in
        [("acceptor-before-flush", "host"), ("acceptor-after-flush", "component"), ("learner-before-snapshot", "host")]
    {
        let passing = if place.starts_with("learner") { 1 } else { 50 };
        assert!(crashes(&settings("combined", parts), 1, false, &[(place, passing)]));
    }
}
