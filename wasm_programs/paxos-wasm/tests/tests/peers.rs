//! Whoever speaks to a node what no node or client of this cluster would say: it is refused and named, and the others are served.

#![allow(clippy::unwrap_used)] // A test fails by panicking.

use paxos_frame::{frame, header};
use paxos_tests::cluster::PATIENCE;
use paxos_tests::{Cluster, Settings};
use paxos_types::{
    ClientFrame, ClientId, ClusterId, Command, Hello, Incarnation, NodeId, Op, PROTOCOL, Role, Serializer, agreed_name,
};
use paxos_ws_client::hand::End;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

fn hello(role: Role) -> Hello {
    Hello {
        protocol: PROTOCOL,
        cluster: if role == Role::Client {
            ClusterId::from_name("test")
        } else {
            ClusterId::from_name(&agreed_name("test", [1, 2, 3].map(NodeId), 10_000))
        },
        node: NodeId(if role == Role::Client { 0 } else { 2 }),
        role,
        serializer: Serializer::Compact,
        incarnation: Incarnation(1),
    }
}

/// Sends `bytes`, and waits until the node has closed the connection; what it said before.
fn say(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // It may close before it has read everything.
    let _ = stream.write_all(bytes);
    let mut said = Vec::new();
    match stream.read_to_end(&mut said) {
        Ok(_) => {}
        Err(e) => assert_eq!(e.kind(), std::io::ErrorKind::ConnectionReset, "{address} does not close: {e}"),
    }
    said
}

fn serves(cluster: &Cluster, key: &str) {
    let mut session = cluster.session();
    assert_eq!(session.ask(Op::Put { key: key.as_bytes(), value: b"v" }).end, End::Done);
    assert_eq!(session.ask(Op::Get { key: key.as_bytes() }).end, End::Value(b"v".to_vec()));
}

fn logged(cluster: &Cluster, node: u16, words: &str) {
    let until = Instant::now() + PATIENCE;
    while !cluster.log(node).contains(words) {
        assert!(Instant::now() < until, "node {node} does not say '{words}':\n{}", cluster.log(node));
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

fn bad_peers(settings: &Settings) {
    let mut cluster = Cluster::start(settings);
    let mut noise = vec![0u8; 1 << 20];
    let mut n = 0x1234_5678_9abc_def1u64;
    for byte in &mut noise {
        n ^= n << 13;
        n ^= n >> 7;
        n ^= n << 17;
        *byte = n as u8;
    }
    let old = {
        let mut body = hello(Role::Acceptor).encode();
        body[4..6].copy_from_slice(&0u16.to_le_bytes());
        frame(&body)
    };
    let stranger = frame(&Hello { cluster: ClusterId::from_name("another"), ..hello(Role::Proposer) }.encode());
    let unlisted = frame(&Hello { node: NodeId(77), ..hello(Role::Proposer) }.encode());
    for role in 0..4u16 {
        let address = cluster.address(1, role);
        let greeting = if role == 3 { hello(Role::Client) } else { hello(Role::Proposer) };
        let greeting = frame(&greeting.encode());
        let after_greeting = |rest: &[u8]| [&greeting[..], rest].concat();
        say(address, &noise);
        say(address, b"GET / HTTP/1.1\r\nHost: node\r\n\r\n");
        say(address, &[0xff; 64]);
        say(address, &frame(b"a frame, but no greeting"));
        say(address, &old);
        say(address, &stranger);
        // A right greeting, then a frame of 4 GiB, one whose check is wrong, one that holds nonsense.
        say(address, &after_greeting(&[0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4]));
        let mut wrong = frame(b"some bytes").to_vec();
        wrong[10] ^= 1;
        say(address, &after_greeting(&wrong));
        if role == 3 {
            say(address, &after_greeting(&frame(&noise[..1000])));
        } else {
            // Of a node that has said who it is such a frame is dropped, with a line in the log; the next one may be right.
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(&after_greeting(&frame(&noise[..1000]))).unwrap();
            logged(&cluster, 1, "is dropped");
            say(address, &unlisted);
        }
        serves(&cluster, &format!("after role {role}"));
    }
    for words in ["protocol 0", "cluster", "4294967295", "wrong check", "RPXS", "node 77"] {
        logged(&cluster, 1, words);
    }
    // Connections that say nothing, or half of a greeting, cost a place and nothing else.
    let idle: Vec<TcpStream> = (0..4)
        .flat_map(|role| (0..20).map(move |_| role))
        .map(|role| {
            let mut stream = TcpStream::connect(cluster.address(1, role)).unwrap();
            stream.write_all(&header(b"abc")[..3]).unwrap();
            stream
        })
        .collect();
    serves(&cluster, "beside idle connections");
    drop(idle);
    cluster.stop();
}

#[test]
fn of_a_cluster_with_the_hosts_network() {
    bad_peers(&Settings::default());
}

#[test]
fn of_a_cluster_with_network_components_standalone() {
    bad_peers(&Settings { model: "standalone", network: "component", ..Settings::default() });
}

/// A client that is greeted and has sent these commands: the replies, or why it was refused.
fn commands(address: SocketAddr, commands: &[Command<'_>]) -> String {
    let mut bytes = Vec::new();
    for command in commands {
        command.encode(&mut bytes);
    }
    let mut body = Vec::new();
    ClientFrame::Request(&bytes).encode(&mut body);
    let said = say(address, &[&frame(&hello(Role::Client).encode())[..], &frame(&body)[..]].concat());
    String::from_utf8_lossy(&said).into_owned()
}

#[test]
fn clients_beyond_the_rules_are_refused_and_told_why() {
    for network in ["host", "component"] {
        let mut cluster = Cluster::start(&Settings {
            network,
            more: "limits:\n  key: 100B\n  value: 1000B".to_owned(),
            ..Settings::default()
        });
        let key = b"k".as_slice();
        let mut session = cluster.session();
        assert_eq!(session.ask(Op::Put { key, value: b"first" }).end, End::Done);
        // Out of order: nothing is done, and the session goes on.
        for (seq, word) in [(9, "left out"), (1, "old retry")] {
            let op = if seq == 1 { Op::Open } else { Op::Put { key, value: b"x" } };
            let End::Refused(why) = session.ask_as(seq, op).end else { panic!("request {seq} was taken") };
            assert!(why.contains(word), "{why}");
        }
        // Again under the same number: the first answer, and not done again, whatever it asks now.
        let first = session.ask(Op::Put { key, value: b"second" });
        let again = session.ask_as(3, Op::Put { key, value: b"third" });
        assert_eq!(first, again);
        assert_eq!(session.ask(Op::Get { key }).end, End::Value(b"second".to_vec()));
        // Above a limit.
        let leader = cluster.address(cluster.leader(), 3);
        let client = ClientId(77);
        for (op, word) in [
            (Op::Put { key, value: &[b'v'; 1001] }, "1001"),
            (Op::Put { key: &[b'k'; 101], value: b"v" }, "101"),
            (Op::Cas { key, expected: Some(&[b'v'; 5000]), value: b"v" }, "5000"),
        ] {
            let said = commands(leader, &[Command { client, seq: 1, op: Op::Open }, Command { client, seq: 2, op }]);
            assert!(said.contains(word) && said.contains("limit"), "the refusal does not name the limit: {said:?}");
            assert_eq!(session.ask(Op::Get { key }).end, End::Value(b"second".to_vec()));
        }
        // A session that was never opened.
        let mut unknown = cluster.session();
        let End::Refused(why) = unknown.ask_as(2, Op::Get { key }).end else { panic!("an unknown session was taken") };
        assert!(why.contains("does not know this session"), "{why}");
        cluster.stop();
    }
}
