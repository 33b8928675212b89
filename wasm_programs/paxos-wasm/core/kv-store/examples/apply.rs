//! How long a command takes in the store alone: `cargo run --release -p paxos-kv-store --example apply`; with `-- snapshots`: how long a
//! snapshot holds it up.

use paxos_kv_store::{Config, KvStore};
use paxos_types::{BatchBuilder, BatchId, ClientId, Command, NodeId, Op, Slot};
use std::time::Instant;

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("snapshots") => snapshots(),
        _ => commands(),
    }
}

fn commands() {
    let mut store = KvStore::new(Config::default());
    let (clients, batch, rounds, keys) = (500u64, 100u64, 20_000u64, 100_000u64);
    let mut batches = Vec::new();
    let mut seqs = vec![0u64; clients as usize];
    let mut random = 1u64;
    for round in 0..rounds {
        let mut builder = BatchBuilder::default();
        for i in 0..batch {
            let client = (round * batch + i) % clients;
            let seq = &mut seqs[client as usize];
            *seq += 1;
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let key = format!("key-{:08}", (random >> 33) % keys);
            let op = match (*seq, random >> 61) {
                (1, _) => Op::Open,
                (_, 0..4) => Op::Put { key: key.as_bytes(), value: b"sixteen byte val" },
                (_, 4..7) => Op::Get { key: key.as_bytes() },
                _ => Op::Cas { key: key.as_bytes(), expected: None, value: b"sixteen byte val" },
            };
            let mut bytes = Vec::new();
            let id = u128::from(client).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
            Command { client: ClientId(id), seq: *seq, op }.encode(&mut bytes);
            builder.push(&bytes, 1);
        }
        batches.push(builder.finish(BatchId { origin: NodeId(1), round: 1, number: round as u32 }));
    }
    let mut replies = Vec::new();
    let start = Instant::now();
    for (i, bytes) in batches.iter().enumerate() {
        replies.clear();
        if let Err(e) = store.apply(Slot(i as u64 + 1), bytes, NodeId(1), &mut replies) {
            println!("{e}");
            return;
        }
    }
    let nanos = start.elapsed().as_nanos() as f64 / (rounds * batch) as f64;
    println!("{nanos:.0} ns a command; {} keys, {} sessions", store.sizes().0, store.sizes().1);
}

/// How long a store does nothing else when its state is saved at once, and when it is saved in parts.
fn snapshots() {
    for keys in [10_000u64, 100_000, 1_000_000] {
        let mut store = KvStore::new(Config::default());
        let mut replies = Vec::new();
        let mut open = Vec::new();
        Command { client: ClientId(1), seq: 1, op: Op::Open }.encode(&mut open);
        let mut builder = BatchBuilder::default();
        builder.push(&open, 1);
        for (seq, key) in (2..).zip(0..keys) {
            let mut bytes = Vec::new();
            let key = format!("key-{:08}", key.wrapping_mul(7_919) % keys);
            Command { client: ClientId(1), seq, op: Op::Put { key: key.as_bytes(), value: &[7; 100] } }
                .encode(&mut bytes);
            builder.push(&bytes, 1);
        }
        let batch = builder.finish(BatchId { origin: NodeId(2), round: 1, number: 1 });
        if let Err(e) = store.apply(Slot(1), &batch, NodeId(1), &mut replies) {
            println!("{e}");
            return;
        }
        let start = Instant::now();
        let whole = store.snapshot();
        let once = start.elapsed();
        let start = Instant::now();
        let total = store.begin_snapshot();
        let (mut parts, mut bytes, mut longest) = (0, 0, start.elapsed());
        while store.is_making_snapshot() {
            let start = Instant::now();
            match store.snapshot_part() {
                Ok(part) => bytes += part.len(),
                Err(e) => println!("{e}"),
            }
            (parts, longest) = (parts + 1, longest.max(start.elapsed()));
        }
        assert!(bytes == whole.len() && bytes as u64 == total);
        println!(
            "{keys} keys, {} MB: {once:?} at once; {parts} parts in {:?}, the longest {longest:?}",
            bytes / 1_000_000,
            start.elapsed()
        );
    }
}
