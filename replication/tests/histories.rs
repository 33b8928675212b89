//! A node's directory replaced by an older copy of itself, which the documentation forbids: whoever finds what it has
//! acknowledged contradicted stops and names both histories.

#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "on the real host, from outside")]

mod common;

use common::{Cluster, ToyNode, numbers, until};
use replicode_replication::{Fault, Role};
use std::path::Path;

/// All of a directory but its count of starts, where there is one: as if the copy had been made after the last start. An older one
/// would be refused before it says a word.
fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    let starts = std::fs::read(to.join("starts")).ok();
    let _ = std::fs::remove_dir_all(to);
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        std::fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    starts.map_or(Ok(()), |starts| std::fs::write(to.join("starts"), starts))
}

fn fault(of: &ToyNode) -> Fault {
    of.wait("a fault", |toy| !toy.faults.is_empty());
    let toy = of.toy();
    toy.faults.first().cloned().unwrap_or_else(|| unreachable!("it was waited for"))
}

fn served(nodes: &[&ToyNode], input: u64) {
    nodes[0].offer([input]);
    for one in nodes {
        one.wait("an input", |toy| numbers(toy, nodes[0].node).contains(&input));
    }
}

#[test]
fn a_node_that_knows_better_than_the_others_stops() -> Result<(), Box<dyn std::error::Error>> {
    let cluster = Cluster::new("knows", 3);
    let (dir, old) = (cluster.dir.path().join("3"), cluster.dir.path().join("old"));
    let (one, two, three) = (cluster.start(1), cluster.start(2), cluster.start(3));
    one.boot();
    served(&[&one, &two, &three], 1);
    three.stop();
    copy(&dir, &old)?;
    // The second node misses what follows; the third one forgets it.
    two.stop();
    let three = cluster.start(3);
    served(&[&one, &three], 2);
    served(&[&one, &three], 3);
    three.stop();
    one.stop();
    copy(&old, &dir)?;
    let (two, three) = (cluster.start(2), cluster.start(3));
    two.boot();
    for input in 10..20 {
        served(&[&two, &three], input);
    }
    let one = cluster.start(1);
    let fault = fault(&one);
    assert!(fault.contradicted, "{fault}");
    let why = fault.why;
    assert!(
        why.contains("which leads term 2, has entry 4 of term 2") && why.contains("holds entry 4 of term 1"),
        "both are named: {why}"
    );
    println!("{why}");
    served(&[&two, &three], 30);
    one.stop();
    two.stop();
    three.stop();
    Ok(())
}

#[test]
fn a_node_that_has_forgotten_what_it_acknowledged_stops() -> Result<(), Box<dyn std::error::Error>> {
    let cluster = Cluster::new("forgot", 3);
    let nodes = [cluster.start(1), cluster.start(2), cluster.start(3)];
    until("a leader", || nodes.iter().any(|one| one.replica.status().role == Role::Leader));
    let leads = nodes.iter().position(|one| one.replica.status().role == Role::Leader).unwrap_or(0);
    let mut nodes = Vec::from(nodes);
    let leader = nodes.remove(leads);
    let (forgets, other) = (nodes.remove(0), nodes.remove(0));
    leader.boot();
    served(&[&leader, &other, &forgets], 1);
    let number = forgets.node.get();
    let (dir, old) = (cluster.dir.path().join(number.to_string()), cluster.dir.path().join("old"));
    forgets.stop();
    copy(&dir, &old)?;
    let forgets = cluster.start(number);
    for input in 2..10 {
        served(&[&leader, &other, &forgets], input);
    }
    forgets.stop();
    copy(&old, &dir)?;
    let again = cluster.start(number);
    let fault = fault(&again);
    assert!(fault.contradicted && fault.why.contains("has this node's word"), "{fault}");
    println!("{}", fault.why);
    again.stop();
    served(&[&leader, &other], 30);
    leader.stop();
    other.stop();
    Ok(())
}
