//! The same scripted client against every way of putting the system together: the same answers.

#![allow(clippy::unwrap_used)] // A test fails by panicking.

use paxos_tests::{Cluster, Settings};
use paxos_types::Op;
use paxos_ws_client::hand::Answer;

/// What the client asks, and all that it is told: endings, versions, places.
fn script(cluster: &Cluster) -> Vec<Answer> {
    let mut session = cluster.session();
    let mut answers = Vec::new();
    let big = vec![b'x'; 30_000];
    for round in 0..3u8 {
        let keys = [b"a".as_slice(), b"b", &[0, 255, round], b"\xc3\xbc"];
        for key in keys {
            let value = [key, &[round]].concat();
            answers.push(session.ask(Op::Get { key }));
            answers.push(session.ask(Op::Put { key, value: &value }));
            answers.push(session.ask(Op::Cas { key, expected: Some(b"something else"), value: b"no" }));
            answers.push(session.ask(Op::Cas { key, expected: Some(&value), value: b"" }));
            answers.push(session.ask(Op::Cas { key, expected: None, value: b"no" }));
            answers.push(session.ask(Op::Get { key }));
        }
        answers.push(session.ask(Op::Put { key: b"big", value: &big }));
        answers.push(session.ask(Op::Get { key: b"big" }));
        answers.push(session.ask(Op::Delete { key: b"a" }));
        answers.push(session.ask(Op::Delete { key: b"a" }));
        answers.push(session.ask(Op::Cas { key: b"a", expected: Some(b"x"), value: b"no" }));
        answers.push(session.ask(Op::Cas { key: b"a", expected: None, value: b"new" }));
    }
    answers
}

fn answers(settings: &Settings) -> Vec<Answer> {
    let mut cluster = Cluster::start(settings);
    let answers = script(&cluster);
    cluster.stop();
    answers
}

const PARTS: [&str; 2] = ["host", "component"];

/// All eight mixes of providers in this model and composition; the serializer's form changes from mix to mix.
fn all_mixes(model: &'static str, composition: &'static str) {
    let expected = answers(&Settings::default());
    assert_eq!(expected.len(), 3 * (4 * 6 + 6));
    let mut form = ["compact", "protobuf"].into_iter().cycle();
    for network in PARTS {
        for serializer in PARTS {
            for storage in PARTS {
                let form = form.next().unwrap_or_default();
                let settings =
                    Settings { model, composition, network, serializer, storage, form, ..Settings::default() };
                eprintln!("{}", settings.name());
                assert!(answers(&settings) == expected, "other answers than by default: {}", settings.name());
            }
            form.next();
        }
    }
}

/// One of each model and composition, with every part provided both ways and both forms: what a build looks at. All mixes follow below.
#[test]
fn each_part_in_each_way() {
    let expected = answers(&Settings::default());
    for (model, composition, network, serializer, storage, form) in [
        ("standalone", "composed", "component", "component", "component", "protobuf"),
        ("standalone", "linked", "component", "host", "component", "compact"),
        ("combined", "composed", "host", "host", "component", "protobuf"),
        ("combined", "linked", "component", "component", "host", "compact"),
    ] {
        let settings = Settings { model, composition, network, serializer, storage, form, ..Settings::default() };
        assert!(answers(&settings) == expected, "other answers than by default: {}", settings.name());
    }
}

#[test]
#[ignore = "takes minutes: test.sh all"]
fn combined_composed() {
    all_mixes("combined", "composed");
}

#[test]
#[ignore = "takes minutes: test.sh all"]
fn combined_linked() {
    all_mixes("combined", "linked");
}

#[test]
#[ignore = "takes minutes: test.sh all"]
fn standalone_composed() {
    all_mixes("standalone", "composed");
}

#[test]
#[ignore = "takes minutes: test.sh all"]
fn standalone_linked() {
    all_mixes("standalone", "linked");
}

#[test]
fn in_memory() {
    let expected = answers(&Settings::default());
    for storage in PARTS {
        let settings = Settings { durability: "memory", storage, ..Settings::default() };
        assert!(answers(&settings) == expected, "other answers than by default: in memory, {}", settings.name());
    }
}

#[test]
fn nodes_of_different_make_form_one_cluster() {
    let expected = answers(&Settings::default());
    let base = Settings::default();
    let mut cluster = Cluster::prepare(&base);
    let text = std::fs::read_to_string(cluster.config()).unwrap();
    let makes = [
        base.clone(),
        Settings { model: "standalone", network: "component", storage: "component", ..base.clone() },
        Settings { composition: "linked", network: "component", serializer: "host", ..base.clone() },
    ];
    for (node, make) in (1..).zip(&makes) {
        // The same cluster and addresses, another make.
        let (_, nodes) = text.split_once("\nnodes:\n").unwrap();
        let head = make.yaml("test", &cluster.folder().join("data"), 1000);
        let (head, _) = head.split_once("\nnodes:\n").unwrap();
        std::fs::write(cluster.config(), format!("{head}\nnodes:\n{nodes}")).unwrap();
        cluster.start_node(node);
        // Read before the next one is written.
        cluster.await_listening(node);
    }
    cluster.await_service();
    assert!(script(&cluster) == expected, "other answers than nodes of one make give");
    cluster.stop();
}
