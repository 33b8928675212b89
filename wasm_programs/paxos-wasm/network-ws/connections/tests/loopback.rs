//! The three ends over real sockets of this machine, and callers that misbehave.

use paxos_connections::native::NativeSockets;
use paxos_connections::{BackOff, ClientServer, Interest, Limits, PeerClient, PeerServer};
use paxos_frame::{FrameReader, Greeting};
use paxos_types::{ClientFrame, Endpoint, Incarnation, Instant, NodeId, Role, Serializer};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

const LIMITS: Limits = Limits { frame: 1 << 20, queue: 4 << 20, connections: 8 };
const T0: Instant = Instant(0);
const A: Endpoint = Endpoint { node: NodeId(1), role: Role::Proposer };
const B: Endpoint = Endpoint { node: NodeId(2), role: Role::Acceptor };

fn greeting(cluster: &str, own: Endpoint) -> Greeting {
    Greeting::new(cluster, own, Serializer::Compact, Incarnation(1), vec![NodeId(1), NodeId(2), NodeId(3)])
}

fn address_of(interests: impl Iterator<Item = Option<SocketAddr>>) -> SocketAddr {
    interests.flatten().next().expect("a listener")
}

fn server(cluster: &str) -> (PeerServer<NativeSockets>, SocketAddr) {
    let any = "127.0.0.1:0".parse().expect("an address");
    let server = PeerServer::listen(NativeSockets, any, greeting(cluster, B), LIMITS).expect("it listens");
    let address = address_of(server.interests().map(|i| match i {
        Interest::Accept(listener) => listener.local_addr().ok(),
        _ => None,
    }));
    (server, address)
}

fn client(cluster: &str, address: SocketAddr) -> PeerClient<NativeSockets> {
    let back_off = |_| BackOff::new(1000, 10_000, 1);
    PeerClient::new(NativeSockets, vec![(B, address)], greeting(cluster, A), LIMITS, back_off)
}

fn body(n: u32, len: usize) -> Vec<u8> {
    let mut body = n.to_le_bytes().to_vec();
    body.resize(4 + len, n as u8);
    body
}

#[test]
fn frames_of_all_sizes_arrive_in_order() {
    let (mut server, address) = server("demo");
    let mut client = client("demo", address);
    let mut seen: Vec<Vec<u8>> = Vec::new();
    let mut sent = 0u32;
    let mut now = 0;
    while seen.len() < 300 {
        now += 1_000;
        let up = client.pump(Instant(now)).up == [B];
        while up && sent < 300 && sent as usize - seen.len() < 20 {
            client.send(&[B], &body(sent, (sent as usize * 7919) % 200_000));
            sent += 1;
        }
        let intake = server.receive(T0, 100_000);
        assert_eq!(intake.notes, Vec::<String>::new());
        for (from, frame) in intake.frames {
            assert_eq!(from, A);
            seen.push(frame);
        }
    }
    for (n, frame) in seen.iter().enumerate() {
        assert!(*frame == body(n as u32, (n * 7919) % 200_000), "frame {n}");
    }
    assert_eq!(client.counters().shed, 0);
    assert_eq!(server.counters().frames_in, 300);
}

#[test]
fn a_server_that_comes_back_is_found_again() {
    let (mut first, address) = server("demo");
    let mut client = client("demo", address);
    let mut now = 0;
    let mut notes = Vec::new();
    while client.pump(Instant(now)).up.is_empty() {
        now += 1_000;
        first.receive(T0, 1000);
    }
    first.close();
    drop(first);
    loop {
        now += 1_000;
        let pumped = client.pump(Instant(now));
        notes.extend(pumped.notes);
        if pumped.up.is_empty() {
            assert!(pumped.deadline.is_some());
            break;
        }
    }
    client.send(&[B], b"nobody is there");
    assert_eq!(client.counters().shed, 1);
    let mut second =
        PeerServer::listen(NativeSockets, address, greeting("demo", B), LIMITS).expect("the address is free again");
    let mut frames = Vec::new();
    while frames.is_empty() {
        now += 1_000;
        if client.pump(Instant(now)).up == [B] {
            client.send(&[B], b"again");
        }
        frames.extend(second.receive(T0, 1000).frames);
    }
    assert_eq!(frames[0], (A, b"again".to_vec()));
    assert!(notes.iter().any(|note| note.contains("acceptor of node 2")), "{notes:?}");
}

/// What the server says about a caller that sends these bytes.
fn notes_about(bytes: &[u8]) -> String {
    let (mut server, address) = server("demo");
    let mut caller = TcpStream::connect(address).expect("it connects");
    caller.write_all(bytes).expect("it writes");
    loop {
        let intake = server.receive(T0, 1 << 20);
        assert!(intake.frames.is_empty());
        if let Some(note) = intake.notes.first() {
            // The others go on: a good peer is served after that.
            let mut client = client("demo", address);
            for now in 0.. {
                if client.pump(Instant(now * 1000)).up == [B] {
                    return note.clone();
                }
                server.receive(T0, 1000);
            }
        }
    }
}

#[test]
fn callers_that_misbehave_are_named_and_closed() {
    assert!(notes_about(&[0xff; 64]).contains("4294967295 bytes"));
    assert!(notes_about(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n").contains("bytes, and the limit is"));
    assert!(notes_about(&greeting("other", A).frame()).contains("cluster"));
    assert!(notes_about(&Greeting::of_client("demo").frame()).contains("client"));
    let mut old = greeting("demo", A).frame().to_vec();
    let hello = &mut old[paxos_frame::HEADER..];
    hello[4] = 9;
    let old = paxos_frame::frame(hello);
    assert!(notes_about(&old).contains("speaks protocol 9"));
    let mut damaged = greeting("demo", A).frame().to_vec();
    damaged.extend_from_slice(&paxos_frame::frame(b"message"));
    *damaged.last_mut().expect("bytes") ^= 1;
    assert!(notes_about(&damaged).contains("wrong check"));
}

#[test]
fn a_peer_that_does_not_read_costs_no_more_than_its_queue() {
    // The greeting is answered, then nothing is read any more.
    let (mut server, address) = server("demo");
    let limits = Limits { queue: 1 << 20, ..LIMITS };
    let back_off = |_| BackOff::new(1000, 1000, 1);
    let mut client = PeerClient::new(NativeSockets, vec![(B, address)], greeting("demo", A), limits, back_off);
    let mut now = 0;
    while client.pump(Instant(now)).up.is_empty() {
        now += 1_000;
        server.receive(T0, 1000);
    }
    for n in 0..400u32 {
        client.send(&[B], &body(n, 100_000));
        client.pump(Instant(now));
    }
    assert!(client.counters().shed > 100);
    // Once it reads again, whole frames come, in order, and the newest is among them.
    let mut seen = Vec::new();
    while seen.last() != Some(&399) {
        client.pump(Instant(now));
        for (_, frame) in server.receive(T0, 10 << 20).frames {
            seen.push(u32::from_le_bytes(*frame.first_chunk().expect("four bytes")));
        }
    }
    assert!(seen.windows(2).all(|pair| pair[0] < pair[1]));
}

fn clients(queue: usize) -> (ClientServer<NativeSockets>, SocketAddr) {
    let any = "127.0.0.1:0".parse().expect("an address");
    let server = ClientServer::listen(NativeSockets, any, "demo", Limits { queue, connections: 2, ..LIMITS })
        .expect("it listens");
    let address = address_of(server.interests().map(|i| match i {
        Interest::Accept(listener) => listener.local_addr().ok(),
        _ => None,
    }));
    (server, address)
}

fn request(commands: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    ClientFrame::Request(commands).encode(&mut body);
    paxos_frame::frame(&body).to_vec()
}

fn next_body(stream: &mut TcpStream, reader: &mut FrameReader) -> Option<Vec<u8>> {
    loop {
        if let Some(body) = reader.next_frame().expect("frames") {
            return Some(body.to_vec());
        }
        if reader.read(|room| stream.read(room)).expect("it reads") == 0 {
            return None;
        }
    }
}

#[test]
fn clients_ask_and_are_answered_held_back_and_refused() {
    let (mut server, address) = clients(1 << 20);
    let mut good = TcpStream::connect(address).expect("it connects");
    good.write_all(&Greeting::of_client("demo").frame()).expect("it writes");
    good.write_all(&request(b"first")).expect("it writes");
    let requests = loop {
        // Held back: the connection is taken, nothing is read.
        assert!(server.requests(T0, 0).requests.is_empty());
        let intake = server.requests(T0, 1000);
        if !intake.requests.is_empty() {
            break intake.requests;
        }
    };
    let id = requests[0].0;
    assert_eq!(requests, vec![(id, b"first".to_vec())]);
    let mut answer = Vec::new();
    ClientFrame::Replies(b"answer").encode(&mut answer);
    server.reply([(id, answer.clone()), (id + 100, answer.clone())]);
    let mut reader = FrameReader::new(1 << 20);
    assert!(next_body(&mut good, &mut reader).is_some_and(|hello| hello.starts_with(b"RPXS")));
    assert_eq!(next_body(&mut good, &mut reader), Some(answer));

    // One that belongs to another cluster is told so, and closed.
    let mut bad = TcpStream::connect(address).expect("it connects");
    bad.write_all(&Greeting::of_client("other").frame()).expect("it writes");
    let mut closed = Vec::new();
    while closed.is_empty() {
        closed = server.requests(T0, 1000).closed;
    }
    let mut reader = FrameReader::new(1 << 20);
    assert!(next_body(&mut bad, &mut reader).is_some());
    let told = next_body(&mut bad, &mut reader).expect("a reason");
    assert!(matches!(ClientFrame::decode(&told), Ok(ClientFrame::Refused(why)) if why.contains("cluster")));
    assert_eq!(next_body(&mut bad, &mut reader), None);

    drop(good);
    while !closed.contains(&id) {
        closed = server.requests(T0, 1000).closed;
    }
}

#[test]
fn a_client_that_does_not_read_is_not_read_from() {
    let (mut server, address) = clients(100_000);
    let mut client = TcpStream::connect(address).expect("it connects");
    client.write_all(&Greeting::of_client("demo").frame()).expect("it writes");
    client.write_all(&request(b"x")).expect("it writes");
    let id = loop {
        if let Some((id, _)) = server.requests(T0, 1000).requests.first() {
            break *id;
        }
    };
    // More than the queue and all buffers between hold.
    for _ in 0..300 {
        server.reply([(id, vec![2; 100_000])]);
    }
    client.write_all(&request(b"y")).expect("it writes");
    for _ in 0..100 {
        assert!(server.requests(T0, 1000).requests.is_empty());
    }
    let reading = |i: Interest<'_, NativeSockets>| matches!(i, Interest::Read(_));
    assert!(!server.interests().any(reading));
    // It reads: it is read from again.
    let mut reader = FrameReader::new(1 << 20);
    let mut bodies = 0;
    client.set_nonblocking(true).expect("it can");
    loop {
        let _ = reader.read(|room| client.read(room));
        while reader.next_frame().expect("frames").is_some() {
            bodies += 1;
        }
        if !server.requests(T0, 1000).requests.is_empty() {
            break;
        }
    }
    assert!(bodies > 100);
}

#[test]
fn who_says_nothing_is_let_go_and_keeps_nobody_out() {
    let late = Instant(6_000_000_000);
    let (mut server, address) = server("demo");
    let silent: Vec<TcpStream> = (0..8).map(|_| TcpStream::connect(address).expect("it connects")).collect();
    while server.counters().connections < 8 {
        server.receive(T0, 1000);
    }
    let notes = server.receive(late, 1000).notes;
    assert_eq!(notes.iter().filter(|note| note.contains("not said who it is")).count(), 8, "{notes:?}");
    let mut client = client("demo", address);
    while client.pump(late).up.is_empty() {
        server.receive(late, 1000);
    }
    drop(silent);

    let (mut server, address) = clients(1000);
    let silent = TcpStream::connect(address).expect("it connects");
    while server.counters().connections < 1 {
        server.requests(T0, 1000);
    }
    assert_eq!(server.requests(late, 0).closed.len(), 1);
    drop(silent);
}
