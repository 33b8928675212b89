//! Many bytes and many clients, against a log that echoes.

mod common;

use common::{Rig, conn, connect, exchange, pattern, rest};
use replicode_log::{Input, Output};
use std::io::{Read, Write};
use std::sync::atomic::Ordering;
use std::sync::mpsc::TryRecvError;
use std::thread;

#[test]
fn ten_megabytes_go_both_ways_unharmed() {
    let (gateway, addr) = Rig::new(64 << 10, 256 << 10).echo(64 << 10, 256 << 10);
    let bytes = pattern(1, 10_000_000);
    let (answer, end) = exchange(addr, bytes.clone());
    assert_eq!(end, Ok(()));
    assert!(answer == bytes);
    drop(gateway);
}

#[test]
fn odd_windows_lose_nothing() {
    for (recv, send) in [(1, 1), (7, 3), (1000, 17)] {
        let (_gateway, addr) = Rig::new(recv, send).echo(recv.into(), send.into());
        let bytes = pattern(u64::from(recv), 3_000);
        assert!(exchange(addr, bytes.clone()) == (bytes, Ok(())));
    }
}

#[test]
fn two_hundred_clients_at_once_get_their_own_bytes() {
    let (gateway, addr) = Rig::new(16 << 10, 16 << 10).echo(16 << 10, 16 << 10);
    let clients: Vec<_> = (0..200)
        .map(|seed| {
            thread::spawn(move || {
                let bytes = pattern(seed, 50_000 + seed as usize);
                exchange(addr, bytes.clone()) == (bytes, Ok(()))
            })
        })
        .collect();
    for client in clients {
        assert!(client.join().expect("clients do not panic"));
    }
    // Each client has seen its end, and its own end is on its way.
    while !gateway.clients().is_empty() {
        thread::yield_now();
    }
}

#[test]
fn a_congested_log_gets_nothing_new_until_it_is_not() {
    let rig = Rig::new(100, 100);
    let (mut reader, read) = rig.client();
    let (mut closing, closed) = rig.client();
    rig.congested.store(true, Ordering::Release);
    // The round that answers has asked the sink.
    rig.settle();
    reader.write_all(b"more").expect("the socket has room");
    let _late = connect(rig.addr);
    for _ in 0..50 {
        rig.settle();
    }
    assert_eq!(rig.inputs.try_recv(), Err(TryRecvError::Empty));

    // What the log says is carried out all the same, to a connection's end.
    rig.send(read, 0, b"answer");
    let mut answer = [0; 6];
    reader.read_exact(&mut answer).expect("answered");
    closing.write_all(b"unread").expect("the socket has room");
    rig.send(closed, 0, b"last words");
    rig.say(Output::Closed { conn: closed });
    assert_eq!(rest(&mut closing), (b"last words".to_vec(), Ok(())));
    drop(closing);
    while rig.gateway.clients().len() > 1 {
        thread::yield_now();
    }
    assert_eq!(rig.inputs.try_recv(), Err(TryRecvError::Empty));

    // Nothing but the clock tells the gateway that it may go on.
    rig.congested.store(false, Ordering::Release);
    let (first, second) = (rig.next(), rig.next());
    assert!(matches!(first, Input::Open { conn: late, .. } if late == conn(2)), "{first:?}");
    assert_eq!(second, Input::Data { conn: read, offset: 0, bytes: b"more".to_vec() });
}
