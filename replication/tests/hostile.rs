//! Strangers at the peer port: wrong certificates, wrong clusters, garbage, nonsense from a member.

#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "on the real host, from outside")]

mod common;

use common::{Cluster, PATIENCE, ToyNode, identity, node, numbers, until};
use openraft::raft::VoteRequest;
use replicode_log::{Digest, NodeId};
use replicode_replication::log_store::segment::Owner;
use replicode_replication::network::hello::{Hello, Welcome};
use replicode_replication::network::tls::{self, Authority};
use replicode_replication::network::{endpoint, frame};
use replicode_replication::raft::{TypeConfig, vote};
use replicode_replication::starts::Start;
use replicode_replication::{ReplicaConfig, TlsIdentity, log_store::record::VoteRecord};
use std::net::{Ipv4Addr, UdpSocket};

/// Two of three nodes, which are a majority, with inputs flowing.
fn majority(cluster: &Cluster) -> [ToyNode; 2] {
    let nodes = [cluster.start(1), cluster.start(2)];
    nodes[0].boot();
    nodes
}

fn trouble(node: &ToyNode, with: NodeId) -> String {
    let peers = node.replica.status().peers;
    peers.into_iter().find(|peer| peer.node == with).and_then(|peer| peer.trouble).unwrap_or_default()
}

fn goes_on(nodes: &[ToyNode; 2], from: u64) {
    nodes[0].offer(from..from + 10);
    for one in nodes {
        one.wait("inputs", |toy| numbers(toy, node(1)).len() as u64 >= from + 10);
        assert!(one.toy().faults.is_empty());
    }
}

#[test]
fn garbage_on_the_port_changes_nothing() {
    let cluster = Cluster::new("garbage", 3);
    let nodes = majority(&cluster);
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0));
    let mut state = 1u64;
    for n in 0..3000usize {
        let mut bytes = [0u8; 1400];
        for byte in &mut bytes {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = (state >> 56) as u8;
        }
        // Every other one looks like the beginning of a handshake.
        if n % 2 == 0 {
            bytes[..5].copy_from_slice(&[0xc3, 0, 0, 0, 1]);
        }
        let len = if n % 4 < 2 { 1200 } else { n % 1400 };
        if let Ok(socket) = &socket {
            // A full socket buffer loses garbage: no matter.
            let _ = socket.send_to(&bytes[..len], cluster.members[&node(1 + n as u64 % 2)]);
        }
    }
    goes_on(&nodes, 0);
    nodes.into_iter().for_each(ToyNode::stop);
}

#[test]
fn strangers_are_refused_with_a_reason() {
    let cluster = Cluster::new("strangers", 3);
    let nodes = majority(&cluster);
    let start = |config: ReplicaConfig| {
        ToyNode::start(config).unwrap_or_else(|error| unreachable!("a stranger starts: {error}"))
    };
    // A certificate of another authority that claims the same name.
    let forged = Authority::new(identity().cluster).and_then(|authority| authority.node(node(3)));
    let stranger = start(ReplicaConfig { tls: forged.ok(), ..cluster.config(3) });
    until("the forged certificate is refused", || {
        let why = trouble(&stranger, node(1)).to_lowercase();
        why.contains("certificate") || why.contains("unknownissuer") || why.contains("unknown")
    });
    assert!(stranger.toy().batches.is_empty());
    stranger.stop();
    // Another configuration of the same cluster; each needs a log of its own.
    let mut config = cluster.config(3);
    config.dir = cluster.dir.path().join("other-configuration");
    config.identity.config = Digest::of(b"another");
    let stranger = start(config);
    until("the other configuration is refused", || trouble(&stranger, node(1)).contains("has configuration"));
    assert!(stranger.toy().batches.is_empty());
    stranger.stop();
    let mut config = cluster.config(3);
    config.dir = cluster.dir.path().join("other-engine");
    config.identity.engine = Digest::of(b"another");
    let stranger = start(config);
    until("the other engine is refused", || trouble(&stranger, node(1)).contains("has engine fingerprint"));
    stranger.stop();
    goes_on(&nodes, 0);
    // The right one is let in, although its number was used by all the others.
    let mut config = cluster.config(3);
    config.dir = cluster.dir.path().join("right");
    let three = start(config);
    three.wait("the history", |toy| numbers(toy, node(1)).len() == 10);
    three.stop();
    nodes.into_iter().for_each(ToyNode::stop);
}

/// A connection to node 1 with some credentials, and the answer to a hello.
async fn say_hello(
    cluster: &Cluster,
    credentials: (&TlsIdentity, NodeId),
    claimed: NodeId,
) -> Result<(quinn::Endpoint, quinn::Connection, Option<Welcome>), Box<dyn std::error::Error>> {
    let handshake = tls::handshake(credentials.0, credentials.1, &identity().cluster)?;
    let endpoint = endpoint::endpoint(Box::new(endpoint::bind((Ipv4Addr::LOCALHOST, 0).into())?), &handshake)?;
    let name = tls::node_name(node(1), &identity().cluster);
    let connection = endpoint.connect(cluster.members[&node(1)], &name)?.await?;
    let (mut tx, mut rx) = connection.open_bi().await?;
    tx.write_all(b"H").await?;
    let hello = Hello::new(&Owner { node: claimed, identity: identity() }, Start { count: 1, number: 1 }, 1);
    frame::write(&mut tx, &hello, &mut Vec::new()).await?;
    let welcome = frame::read(&mut rx, frame::SMALL).await?;
    Ok((endpoint, connection, welcome))
}

/// One stream: bytes out, and whether anything but an end came back.
async fn stream(connection: &quinn::Connection, bytes: &[u8]) -> bool {
    let Ok((mut tx, mut rx)) = connection.open_bi().await else { return false };
    let _ = tx.write_all(bytes).await;
    let _ = tx.finish();
    rx.read_to_end(1 << 16).await.is_ok_and(|answer| !answer.is_empty())
}

#[test]
fn a_member_cannot_speak_for_another_nor_talk_nonsense() -> Result<(), Box<dyn std::error::Error>> {
    let cluster = Cluster::new("nonsense", 3);
    let nodes = majority(&cluster);
    let term = nodes[0].replica.status().term;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let credentials = &cluster.tls[&node(3)];
    runtime.block_on(async {
        let (_endpoint, _connection, welcome) = say_hello(&cluster, (credentials, node(3)), node(2)).await?;
        assert!(
            matches!(&welcome, Some(Welcome::Refused(why)) if why.contains("not that of n2")),
            "a certificate of node 3 for a hello of node 2: {welcome:?}"
        );
        let (_endpoint, connection, welcome) = say_hello(&cluster, (credentials, node(3)), node(3)).await?;
        assert!(matches!(welcome, Some(Welcome::Hello(hello)) if hello.node == 1));
        assert!(!stream(&connection, b"?").await, "an unknown kind of stream");
        assert!(!stream(&connection, b"V\xff\xff\xff\xffx").await, "a frame of four gigabytes");
        assert!(!stream(&connection, b"A\x04\x00\x00\x00junk").await, "no append request");
        assert!(!stream(&connection, b"V\x08\x00").await, "a frame cut short");
        let mut request = vec![];
        let record = VoteRecord { term: u64::MAX, node: 3, committed: false };
        frame::encode(&VoteRequest::<TypeConfig>::new(vote(record), None), &mut request)?;
        request.insert(0, b'V');
        assert!(!stream(&connection, &request).await, "a term that uses terms up");
        // A thousand streams that nobody finishes.
        let mut open = Vec::new();
        for _ in 0..1000 {
            let opened = tokio::time::timeout(PATIENCE, connection.open_bi()).await??;
            open.push(opened);
        }
        Ok::<(), Box<dyn std::error::Error>>(())
    })?;
    goes_on(&nodes, 0);
    assert_eq!(nodes[0].replica.status().term, term);
    nodes.into_iter().for_each(ToyNode::stop);
    Ok(())
}
