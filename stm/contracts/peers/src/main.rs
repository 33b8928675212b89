//! 10,000 random elements of a million changed by a batch: our tree and `jmt` in the same run, on one thread, both with BLAKE3.
//!
//! `cargo run --release` in this folder. `jmt` writes into the map in memory that comes with it; the time of that write is shown apart.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jmt::mock::MockTreeStore;
use jmt::storage::TreeWriter;
use jmt::{JellyfishMerkleTree, KeyHash, SimpleHasher};
use replicode_contracts::hash::{self, Domain, Hash};
use replicode_contracts::tree::{Change, Forest, Name};

const ELEMENTS: u32 = 1_000_000;
const CHANGED: usize = 10_000;
const PASSES: u32 = 10;

/// The same hash function as ours.
#[derive(Clone, Debug)]
struct Blake(blake3::Hasher);

impl SimpleHasher for Blake {
    fn new() -> Self {
        Blake(blake3::Hasher::new())
    }

    fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    fn finalize(self) -> [u8; 32] {
        *self.0.finalize().as_bytes()
    }
}

fn key(n: u32) -> Hash {
    hash::key(&n.to_le_bytes())
}

fn batch(number: u32) -> Vec<Change> {
    let mut some = BTreeMap::new();
    for n in 0.. {
        let random = hash::of(Domain::Cell, &[number.to_le_bytes(), u32::to_le_bytes(n)].concat());
        some.insert(key(u32::from_le_bytes(random.prefix()) % ELEMENTS), Some(random));
        if some.len() == CHANGED {
            break;
        }
    }
    some.into_iter().collect()
}

fn main() -> anyhow::Result<()> {
    let mut all: Vec<Change> = (0..ELEMENTS).map(|n| (key(n), Some(key(n ^ 1)))).collect();
    all.sort_unstable();
    let batches: Vec<Vec<Change>> = (0..PASSES).map(batch).collect();

    let mut forest = Forest::new(0, 16);
    forest.update(Name::Accounts, &all)?;
    forest.seal(1)?;
    let mut ours = Duration::MAX;
    for (number, changes) in (2..).zip(&batches) {
        let changes = [(Name::Accounts, changes.clone())];
        let began = Instant::now();
        forest.update_all(&changes)?;
        forest.seal(number)?;
        ours = ours.min(began.elapsed());
    }

    let store = MockTreeStore::default();
    let tree = JellyfishMerkleTree::<_, Blake>::new(&store);
    let values = |changes: &[Change]| -> Vec<(KeyHash, Option<Vec<u8>>)> {
        let value = |value: &Option<Hash>| value.map(|value| value.as_bytes().to_vec());
        changes.iter().map(|(key, new)| (KeyHash(*key.as_bytes()), value(new))).collect()
    };
    let mut version = 0;
    for some in all.chunks(100_000) {
        let (_, update) = tree.put_value_set(values(some), version)?;
        store.write_node_batch(&update.node_batch)?;
        version += 1;
    }
    let (mut theirs, mut written) = (Duration::MAX, Duration::MAX);
    for changes in &batches {
        let values = values(changes);
        let began = Instant::now();
        let (_, update) = tree.put_value_set(values, version)?;
        theirs = theirs.min(began.elapsed());
        store.write_node_batch(&update.node_batch)?;
        written = written.min(began.elapsed());
        version += 1;
    }

    let each = |took: Duration| took.as_nanos() as f64 / CHANGED as f64;
    println!("least of {PASSES} passes, for each changed element, on one thread:");
    println!("  this tree, sealing included    {:>8.0} ns", each(ours));
    println!("  jmt, the new root              {:>8.0} ns, {:.1} times", each(theirs), each(theirs) / each(ours));
    println!("  jmt, written to its map too    {:>8.0} ns, {:.1} times", each(written), each(written) / each(ours));
    Ok(())
}
