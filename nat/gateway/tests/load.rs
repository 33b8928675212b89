//! Many bytes and many clients, against a log that echoes.

mod common;

use common::{Rig, exchange, pattern};
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
