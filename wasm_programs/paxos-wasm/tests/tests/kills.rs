//! `kill -9` of any node, several times, while clients ask: none of their requests is lost, doubled, stale or wrong.

#![allow(clippy::unwrap_used)] // A test fails by panicking.

use paxos_tests::{Cluster, Load, Settings};

/// Kills `victim` of the leader's number whenever a sixth of the requests is answered, and starts it again.
fn killed(settings: &Settings, victim: impl Fn(u16, u64) -> u16) {
    let mut cluster = Cluster::start(settings);
    let load = Load::start(&cluster, 4, 60_000);
    for kill in 1..=5u64 {
        load.await_answered(kill * load.requests() / 6);
        let node = victim(cluster.leader(), kill);
        cluster.kill(node);
        std::thread::sleep(std::time::Duration::from_millis(100 * (kill % 3)));
        cluster.start_node(node);
    }
    load.judge();
    cluster.stop();
}

#[test]
fn the_leader_of_combined_nodes() {
    killed(&Settings::default(), |leader, _| leader);
}

#[test]
fn any_node_in_turn_standalone() {
    killed(&Settings { model: "standalone", ..Settings::default() }, |leader, kill| (leader + kill as u16) % 3 + 1);
}

#[test]
fn with_components_for_network_and_storage() {
    let settings = Settings { network: "component", storage: "component", ..Settings::default() };
    killed(&settings, |leader, kill| if kill % 2 == 0 { leader } else { leader % 3 + 1 });
}

#[test]
fn all_nodes_at_once() {
    let mut cluster = Cluster::start(&Settings::default());
    let load = Load::start(&cluster, 2, 30_000);
    for kill in 1..=3u64 {
        load.await_answered(kill * load.requests() / 4);
        for node in 1..=3 {
            cluster.kill(node);
        }
        for node in 1..=3 {
            cluster.start_node(node);
        }
    }
    load.judge();
    cluster.stop();
}

#[test]
fn a_paused_leader_is_replaced_and_comes_back_as_a_follower() {
    let mut cluster = Cluster::start(&Settings::default());
    let load = Load::start(&cluster, 2, 30_000);
    for kill in 1..=2u64 {
        load.await_answered(kill * load.requests() / 3);
        let leader = cluster.leader();
        cluster.pause(leader);
        // Long enough that another one leads; what the paused one believes is old when it wakes.
        std::thread::sleep(std::time::Duration::from_secs(3));
        cluster.resume(leader);
    }
    load.judge();
    cluster.stop();
}

#[test]
fn a_node_that_was_away_catches_up_from_a_snapshot() {
    let settings =
        Settings { more: "snapshot-every: 100\nbatching:\n  max-commands: 20".to_owned(), ..Settings::default() };
    let mut cluster = Cluster::start(&settings);
    let away = cluster.leader() % 3 + 1;
    cluster.kill(away);
    Load::start(&cluster, 2, 40_000).judge();
    cluster.start_node(away);
    // With another one gone the majority needs the one that was away.
    let gone = (1..=3).find(|node| *node != away && *node != cluster.leader()).unwrap();
    cluster.kill(gone);
    let value = cluster.session().ask(paxos_types::Op::Put { key: b"after", value: b"it" });
    assert_eq!(value.end, paxos_ws_client::hand::End::Done);
    cluster.stop();
}
