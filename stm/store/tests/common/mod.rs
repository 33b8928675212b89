//! What the tests of the store share: contracts that are kept as plain maps beside it.

#![allow(dead_code, reason = "each test uses a part of it")]

#[path = "../../../contracts/tests/world/mod.rs"]
pub mod world;

use replicode_contract_store::{Checkpoint, Trail};
use replicode_contracts::hash::Hash;
use replicode_contracts::proof::Batch;
use replicode_contracts::tree::{Name, Schema, View, Whole};
use world::{Op, Toy, World};

/// The meaning of the contents.
pub const SCHEMA: Whole<Toy> = Whole(Toy);

/// A world whose changes go into a trail.
pub struct Cell {
    pub world: World,
    pub trail: Trail,
    pub batch: u64,
    parent: Hash,
}

impl Cell {
    pub fn new(depth: usize) -> Cell {
        Cell { world: World::new(depth), trail: Trail::default(), batch: 0, parent: Hash::ZERO }
    }

    /// A batch; what it leaves behind.
    pub fn run(&mut self, ops: &[Op]) -> Batch {
        ops.iter().for_each(|op| self.world.apply(op));
        for (name, key, content) in self.world.commit() {
            self.trail.put(name, key, content);
        }
        self.batch += 1;
        self.world.forest.seal(self.batch).expect("seals");
        let view = self.world.forest.now();
        let (root, receipts) = (view.root(&Name::Accounts), view.root(&Name::Receipts));
        let batch = Batch { index: self.batch, parent: self.parent, root, receipts };
        self.parent = batch.digest();
        batch
    }

    /// A batch, and a checkpoint after it.
    pub fn checkpoint(&mut self, ops: &[Op]) -> Checkpoint {
        let batch = self.run(ops);
        self.trail.take(batch, self.world.forest.now())
    }
}

/// Both have the same trees.
pub fn same(one: View<'_>, other: View<'_>) {
    assert_eq!(one.names(), other.names());
    for name in one.names() {
        assert_eq!(one.root(&name), other.root(&name), "{name}");
        assert!(one.leaves(&name).eq(other.leaves(&name)), "{name}");
    }
}

/// All contents of a state, each as `read` gives it, are those of the map.
pub fn contents_are(view: View<'_>, all: &world::All, mut read: impl FnMut(&Name, &Hash, &Hash) -> Vec<u8>) {
    let mut count = 0;
    for name in view.names() {
        for (key, value) in view.leaves(&name) {
            let content = read(&name, &key, &value);
            assert_eq!(SCHEMA.leaf(&name, &content), Some((key, value)));
            assert_eq!(all.get(&(name, key)), Some(&content));
            count += 1;
        }
    }
    assert_eq!(count, all.len());
}
