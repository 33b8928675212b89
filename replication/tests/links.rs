//! Links that fail: all of them for a while, one way of some, one of three.

#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "on the real host, from outside")]

mod common;

use common::links::Links;
use common::{ToyNode, node, numbers, until};
use replicode_log::NodeId;
use replicode_replication::Role;
use std::time::{Duration, Instant};

fn leader(nodes: &[ToyNode]) -> Option<NodeId> {
    nodes.iter().map(|node| node.replica.status()).find(|status| status.role == Role::Leader).map(|status| status.node)
}

fn start(links: &Links) -> (Vec<ToyNode>, usize) {
    let nodes: Vec<_> = (1..=3).map(|n| links.start(n)).collect();
    nodes.iter().for_each(ToyNode::boot);
    until("a leader", || leader(&nodes).is_some());
    let at = nodes.iter().position(|one| Some(one.node) == leader(&nodes)).unwrap_or(0);
    (nodes, at)
}

/// How long it takes until an input of one node is applied by another.
fn served(from: &ToyNode, by: &ToyNode, input: u64) -> Duration {
    let began = Instant::now();
    from.offer([input]);
    by.wait("an input", |toy| numbers(toy, from.node).contains(&input));
    began.elapsed()
}

fn end(nodes: Vec<ToyNode>) {
    for one in &nodes {
        assert!(one.toy().faults.is_empty(), "{:?}", one.toy().faults);
        let mut all = numbers(&one.toy(), one.node);
        all.dedup();
        assert_eq!(all, numbers(&one.toy(), one.node), "each input once");
    }
    nodes.into_iter().for_each(ToyNode::stop);
}

#[test]
fn a_request_that_waits_through_a_cut_is_answered_soon_after() {
    let links = Links::new("cut", 3);
    let (nodes, leads) = start(&links);
    let follows = (leads + 1) % 3;
    for (input, millis) in (0..).zip([400, 750, 1_500, 3_600]) {
        links.cut_all(true);
        let offered = [leads, follows].map(|at| {
            nodes[at].offer([input]);
            (at, input)
        });
        std::thread::sleep(Duration::from_millis(millis));
        links.cut_all(false);
        let healed = Instant::now();
        for (at, input) in offered {
            nodes[at].wait("what waited", |toy| numbers(toy, node(at as u64 + 1)).contains(&input));
        }
        println!("{millis} ms without links: answered {:?} after", healed.elapsed());
        assert!(healed.elapsed() < Duration::from_secs(6), "{:?}", healed.elapsed());
    }
    end(nodes);
}

#[test]
fn a_leader_that_hears_nothing_steps_down_and_says_so() {
    let links = Links::new("deaf", 3);
    let (nodes, leads) = start(&links);
    let others = [(leads + 1) % 3, (leads + 2) % 3];
    for at in others {
        links.cut(nodes[at].node, nodes[leads].node, true);
    }
    let took = served(&nodes[others[0]], &nodes[others[1]], 7);
    println!("served {took:?} after the leader became deaf");
    assert!(took < Duration::from_secs(3), "{took:?}");
    let why = nodes[leads].replica.status().stepped_down;
    assert!(why.as_ref().is_some_and(|down| down.why.contains("no quorum has answered")), "{why:?}");
    assert!(nodes[leads].replica.status().role != Role::Leader);
    for at in others {
        links.cut(nodes[at].node, nodes[leads].node, false);
    }
    served(&nodes[leads], &nodes[others[0]], 8);
    end(nodes);
}

#[test]
fn a_follower_that_has_lost_the_leader_is_served_through_the_third_node() {
    let links = Links::new("detour", 3);
    let (nodes, leads) = start(&links);
    let (follows, third) = ((leads + 1) % 3, (leads + 2) % 3);
    let (leader, follower) = (nodes[leads].node, nodes[follows].node);
    let term = nodes[leads].replica.status().term;
    // Both ways are closed, then one, then the other.
    for (turn, (out, back)) in [(true, true), (true, false), (false, true)].into_iter().enumerate() {
        links.cut(follower, leader, out);
        links.cut(leader, follower, back);
        let first = served(&nodes[follows], &nodes[follows], turn as u64 * 100);
        let next: Vec<_> = (1..10).map(|n| served(&nodes[follows], &nodes[follows], turn as u64 * 100 + n)).collect();
        let third_too = served(&nodes[third], &nodes[follows], turn as u64 * 100 + 50);
        println!("cut ({out}, {back}): the first input after {first:?}, then {next:?}, one of the third {third_too:?}");
        assert!(first < Duration::from_secs(3), "{first:?}");
        assert!(next.iter().all(|took| *took < Duration::from_secs(1)), "{next:?}");
        if out && back {
            let peers = nodes[follows].replica.status().peers;
            let trouble = peers.into_iter().find(|peer| peer.node == leader).and_then(|peer| peer.trouble);
            assert!(trouble.as_ref().is_some_and(|why| why.contains("reached through node")), "{trouble:?}");
        }
        links.cut(follower, leader, false);
        links.cut(leader, follower, false);
        until("the direct way", || {
            let via = |at: usize, peer| {
                let peers = nodes[at].replica.status().peers;
                peers.into_iter().any(|one| one.node == peer && one.trouble.is_some())
            };
            !via(follows, leader) && !via(leads, follower)
        });
    }
    assert_eq!(nodes[leads].replica.status().term, term, "the leader has stayed");
    end(nodes);
}
