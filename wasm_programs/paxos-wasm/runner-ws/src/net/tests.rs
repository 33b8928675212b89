//! Good and bad peers over real sockets, driven by hand: what a component's turns would do.

use super::client::Client;
use super::clients::Clients;
use super::server::Server;
use crate::bindings::client_server::Answer;
use crate::bindings::network_client::{BackOff, Parcel, Peer};
use crate::bindings::network_types::NetworkLimits;
use crate::bindings::types::{Endpoint, FaultKind, Role};
use crate::convert;
use paxos_frame::{FrameReader, Greeting, frame};
use paxos_types::{ClientFrame, Incarnation, NodeId, Serializer};
use std::future::poll_fn;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::task::Poll;
use std::time::Duration;

const LIMITS: NetworkLimits = NetworkLimits { frame_bytes: 1 << 16, queue_bytes: 1 << 20, connections: 3 };
const LONG: Duration = Duration::from_secs(20);
const ACCEPTOR: Endpoint = Endpoint { node: 2, role: Role::Acceptor };

fn greeting(cluster: &str, node: u16, role: Role) -> Greeting {
    let own = convert::endpoint(Endpoint { node, role });
    Greeting::new(cluster, own, Serializer::Compact, Incarnation(node.into()), vec![NodeId(1), NodeId(2), NodeId(3)])
}

/// An address that nobody has; the system will not give it out again at once.
fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port")
}

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(60), test).await }).expect("in time");
}

async fn ready(mut condition: impl FnMut(&mut std::task::Context<'_>) -> bool) {
    poll_fn(|cx| if condition(cx) { Poll::Ready(()) } else { Poll::Pending }).await;
}

/// Frames and notes of a server until `until` says that is enough.
async fn collect(server: &mut Server, until: impl Fn(&[Vec<u8>], &[String]) -> bool) -> (Vec<Vec<u8>>, Vec<String>) {
    let (mut frames, mut notes) = (Vec::new(), Vec::new());
    while !until(&frames, &notes) {
        ready(|cx| server.is_ready(cx)).await;
        let intake = server.receive(0, 1 << 20);
        frames.extend(intake.frames.into_iter().map(|received| received.frame));
        notes.extend(intake.notes);
    }
    (frames, notes)
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("connected");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a time-out");
    stream
}

#[test]
fn bad_peers_are_closed_with_one_line_and_a_good_one_goes_on() {
    run(async {
        let address = free();
        let mut server =
            Server::listen(&address.to_string(), greeting("demo", 2, Role::Acceptor), LIMITS, LONG, Duration::ZERO)
                .expect("listens");
        let mut good = connect(address);
        good.write_all(&greeting("demo", 1, Role::Proposer).frame()).expect("sent");
        good.write_all(&frame(b"first")).expect("sent");
        assert_eq!(collect(&mut server, |frames, _| !frames.is_empty()).await.0, [b"first"]);

        let mut old = greeting("demo", 3, Role::Learner).frame()[paxos_frame::HEADER..].to_vec();
        old[4] = 77;
        let mut cut = greeting("demo", 3, Role::Learner).frame().to_vec();
        cut.extend(u32::MAX.to_le_bytes());
        cut.extend([0; 4]);
        let mut damaged = greeting("demo", 3, Role::Learner).frame().to_vec();
        damaged.extend(frame(b"value"));
        *damaged.last_mut().expect("bytes") ^= 1;
        for (bytes, part) in [
            (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), "the limit is 64"),
            (frame(&old).to_vec(), "speaks protocol 77"),
            (greeting("other", 3, Role::Learner).frame().to_vec(), "belongs to cluster"),
            (greeting("demo", 9, Role::Learner).frame().to_vec(), "node 9"),
            (Greeting::of_client("demo").frame().to_vec(), "a client, and this is the address for nodes"),
            (cut, "a frame of 4294967295 bytes, and the limit is 65536"),
            (damaged, "a wrong check"),
        ] {
            let mut bad = connect(address);
            bad.write_all(&bytes).expect("sent");
            let (frames, notes) = collect(&mut server, |_, notes| !notes.is_empty()).await;
            assert!(frames.is_empty(), "{part}");
            assert_eq!(notes.len(), 1, "{notes:?}");
            assert!(notes[0].contains(part) && notes[0].contains("closed the connection from 127.0.0.1:"), "{notes:?}");
            // After our hello comes the end.
            let mut rest = Vec::new();
            let _ = bad.read_to_end(&mut rest);
            let mut reader = FrameReader::new(100);
            reader.push(&rest);
            assert!(rest.is_empty() || matches!(reader.next_frame(), Ok(Some(_))), "{part}");
        }
        good.write_all(&frame(b"second")).expect("sent");
        assert_eq!(collect(&mut server, |frames, _| !frames.is_empty()).await.0, [b"second"]);
        assert_eq!(server.counts.refused, 7);
    });
}

#[test]
fn an_address_in_use_is_named() {
    run(async {
        let holder = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = holder.local_addr().expect("an address").to_string();
        let fault = Server::listen(&address, greeting("demo", 2, Role::Acceptor), LIMITS, LONG, Duration::ZERO)
            .expect_err("in use");
        assert!(matches!(fault.kind, FaultKind::Network));
        assert!(fault.text.contains(&address) && fault.text.contains("another process has it"), "{}", fault.text);
        let fault = Server::listen("host:1", greeting("demo", 2, Role::Acceptor), LIMITS, LONG, Duration::ZERO)
            .expect_err("no address");
        assert!(matches!(fault.kind, FaultKind::Configuration), "{}", fault.text);
    });
}

#[test]
fn a_peer_that_was_away_is_found_again() {
    run(async {
        let address = free();
        let own = greeting("demo", 1, Role::Proposer);
        let back_off = BackOff { first: 1_000_000, most: 20_000_000, seed: 7 };
        let peers = vec![Peer { endpoint: ACCEPTOR, address: address.to_string() }];
        let mut client = Client::new(peers, own, LIMITS, back_off, LONG).expect("configured");
        let started = std::time::Instant::now();
        let now = || u64::try_from(started.elapsed().as_nanos()).expect("short");
        let mut notes = Vec::new();
        for _ in 0..50 {
            notes.extend(client.pump(now()).notes);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // Refused many times, said once.
        assert_eq!(notes.len(), 1, "{notes:?}");
        assert!(notes[0].contains("acceptor of node 2") && notes[0].contains("refused"), "{notes:?}");
        for round in 0..2u8 {
            let mut server =
                Server::listen(&address.to_string(), greeting("demo", 2, Role::Acceptor), LIMITS, LONG, Duration::ZERO)
                    .expect("listens");
            let mut frames = Vec::new();
            while frames.is_empty() {
                let pumped = client.pump(now());
                if !pumped.up.is_empty() {
                    client.send(vec![Parcel { to: vec![ACCEPTOR], frame: vec![round] }]);
                    client.pump(now());
                }
                frames.extend(server.receive(now(), 1 << 20).frames);
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            assert_eq!(frames[0].frame, [round]);
            assert_eq!((frames[0].sender.node, frames[0].sender.role), (1, Role::Proposer));
        }
        let deadline = client.pump(now()).deadline;
        assert!(deadline.is_none_or(|deadline| deadline <= now() + 20_000_000));
    });
}

#[test]
fn clients_are_held_back_and_limited_and_told_why() {
    run(async {
        let address = free();
        let mut clients = Clients::listen(&address.to_string(), "demo", LIMITS, Duration::ZERO).expect("listens");
        let mut one = connect(address);
        let mut body = Vec::new();
        ClientFrame::Request(b"commands").encode(&mut body);
        one.write_all(&Greeting::of_client("demo").frame()).expect("sent");
        one.write_all(&frame(&body)).expect("sent");
        // Held back: accepted, not read.
        ready(|cx| clients.is_ready(cx)).await;
        assert!(clients.requests(0, 0).requests.is_empty());
        let mut requests = Vec::new();
        while requests.is_empty() {
            requests.extend(clients.requests(0, 1 << 20).requests);
            ready(|cx| clients.is_ready(cx) || !requests.is_empty()).await;
        }
        assert_eq!((requests[0].connection, requests[0].commands.as_slice()), (1, b"commands".as_slice()));
        let mut replies = Vec::new();
        ClientFrame::Replies(b"replies").encode(&mut replies);
        clients
            .reply(vec![Answer { connection: 1, frame: replies.clone() }, Answer { connection: 99, frame: vec![1] }]);
        assert_eq!(frames_of(&mut one, 2)[1], replies);

        // A client of another cluster is told, and the first one goes on.
        let mut other = connect(address);
        other.write_all(&Greeting::of_client("other").frame()).expect("sent");
        let mut notes = Vec::new();
        while notes.is_empty() {
            ready(|cx| clients.is_ready(cx)).await;
            notes.extend(clients.requests(0, 1 << 20).notes);
        }
        assert_eq!(notes.len(), 1, "{notes:?}");
        let told = frames_of(&mut other, 2);
        assert!(matches!(ClientFrame::decode(&told[1]), Ok(ClientFrame::Refused(why)) if why.contains("cluster")));
        one.write_all(&frame(&body)).expect("sent");
        let mut requests = Vec::new();
        while requests.is_empty() {
            ready(|cx| clients.is_ready(cx)).await;
            requests.extend(clients.requests(0, 1 << 20).requests);
        }

        // The fourth one of three is told.
        let mut more: Vec<TcpStream> = (0..3).map(|_| connect(address)).collect();
        let mut notes = Vec::new();
        while notes.is_empty() {
            ready(|cx| clients.is_ready(cx)).await;
            notes.extend(clients.requests(0, 1 << 20).notes);
        }
        assert!(notes[0].contains("limits.connections"), "{notes:?}");
        let told = frames_of(more.last_mut().expect("three"), 2);
        assert!(matches!(ClientFrame::decode(&told[1]), Ok(ClientFrame::Refused(why)) if why.contains("connections")));
    });
}

/// The first frames that come.
fn frames_of(stream: &mut TcpStream, count: usize) -> Vec<Vec<u8>> {
    let mut reader = FrameReader::new(1 << 16);
    let mut frames = Vec::new();
    while frames.len() < count {
        let mut bytes = [0; 1000];
        let got = stream.read(&mut bytes).expect("bytes");
        assert!(got > 0, "ended after {} frames", frames.len());
        reader.push(&bytes[..got]);
        while let Some(body) = reader.next_frame().expect("a frame") {
            frames.push(body.to_vec());
        }
    }
    frames
}

#[test]
fn who_says_nothing_goes_and_the_last_run_may_take_a_moment_to_end() {
    run(async {
        let address = free();
        let mut clients = Clients::listen(&address.to_string(), "demo", LIMITS, Duration::ZERO).expect("listens");
        let mut silent = connect(address);
        ready(|cx| clients.is_ready(cx)).await;
        assert!(clients.requests(0, 1 << 20).notes.is_empty());
        let notes = clients.requests(6_000_000_000, 1 << 20).notes;
        assert!(notes.len() == 1 && notes[0].contains("no hello"), "{notes:?}");
        let told = frames_of(&mut silent, 2);
        assert!(matches!(ClientFrame::decode(&told[1]), Ok(ClientFrame::Refused(why)) if why.contains("hello")));

        let holder = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = holder.local_addr().expect("an address").to_string();
        let ending = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(200));
            drop(holder);
        });
        Server::listen(&address, greeting("demo", 2, Role::Acceptor), LIMITS, LONG, LONG).expect("in the end");
        ending.join().expect("ended");
    });
}

#[test]
fn a_connect_that_is_not_answered_is_given_up() {
    run(async {
        // Nobody answers there: the range is for documentation. Where the machine has no way to it, that is said at once.
        let peers = vec![Peer { endpoint: ACCEPTOR, address: "192.0.2.1:9".to_owned() }];
        let back_off = BackOff { first: 1, most: 1, seed: 7 };
        let own = greeting("demo", 1, Role::Proposer);
        let mut client = Client::new(peers, own, LIMITS, back_off, Duration::from_secs(1)).expect("configured");
        let first = client.pump(0);
        let notes = match first.deadline {
            Some(deadline) if first.notes.is_empty() => {
                assert_eq!(deadline, 1_000_000_000);
                client.pump(deadline).notes
            }
            _ => first.notes,
        };
        assert!(notes.len() == 1 && notes[0].contains("cannot connect to it"), "{notes:?}");
    });
}
