//! Checkpoints come back as they were written, and nothing else stays.

mod common;

use std::collections::BTreeMap;

use common::world::{All, Op, op};
use common::{Cell, SCHEMA, contents_are, same};
use proptest::prelude::*;
use replicode_contract_store::{Checkpoints, RedbStore, StoreError};
use replicode_contracts::kv::{KeyValue, Memory};
use replicode_contracts::tree::Name;

fn batches() -> impl Strategy<Value = Vec<(Vec<Op>, bool)>> {
    proptest::collection::vec((proptest::collection::vec(op(), 0..12), any::<bool>()), 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn the_newest_checkpoint_comes_back_and_older_ones_stay_whole(batches in batches(), keep in 1..4_usize) {
        let mut cell = Cell::new(64);
        let mut store = Checkpoints::new(Memory::new(), "memory", keep);
        let mut states: BTreeMap<u64, All> = BTreeMap::new();
        for (ops, write) in &batches {
            let batch = cell.run(ops);
            if !write {
                continue;
            }
            let checkpoint = cell.trail.take(batch, cell.world.forest.now());
            store.write(&checkpoint).expect("writes");
            prop_assert_eq!(store.write(&checkpoint), Err(StoreError::Order { batch: batch.index, newest: batch.index }));
            states.insert(batch.index, cell.world.all.clone());
            while states.len() > keep {
                states.pop_first();
            }
            prop_assert_eq!(store.batches().expect("reads"), states.keys().copied().collect::<Vec<_>>());
        }
        let kv = store.into_store();
        for (batch, all) in states.iter().rev() {
            let mut store = Checkpoints::new(kv.clone(), "memory", keep);
            // Where the newer ones are forgotten, this one is as it was written.
            store.forget_after(*batch).expect("forgets");
            let loaded = store.load(&SCHEMA, 4).expect("loads").expect("is there");
            prop_assert_eq!(loaded.manifest.batch.index, *batch);
            prop_assert!(loaded.passed.is_empty());
            same(loaded.forest.now(), cell.world.forest.at(*batch).expect("kept"));
            prop_assert_eq!(loaded.forest.oldest(), *batch);
            contents_are(loaded.forest.now(), all, |name, key, value| store.content(&SCHEMA, name, key, value).expect("reads"));
        }
        // Nothing is left of what no checkpoint has: with one checkpoint, there is one record for each content and the manifest.
        if let (1, Some((_, all))) = (keep, states.last_key_value()) {
            prop_assert_eq!(kv.scan(b"d", usize::MAX).expect("scans").iter().filter(|(key, _)| key[0] == b'd').count(), all.len());
        }
    }

    #[test]
    fn a_tree_that_is_cleared_needs_no_list(ops in proptest::collection::vec(op(), 5..40)) {
        let mut cell = Cell::new(64);
        let mut store = Checkpoints::new(Memory::new(), "memory", 1);
        store.write(&cell.checkpoint(&ops)).expect("writes");
        let trees: Vec<Name> = cell.world.forest.now().names().into_iter().filter(|name| *name != Name::Accounts).collect();
        for op in (0..6).map(|account| Op::Close { account }) {
            cell.world.apply(&op);
        }
        // Of the changes only those of the accounts themselves are told; the rest is cleared.
        for (name, key, content) in cell.world.commit() {
            match name {
                Name::Accounts => cell.trail.put(name, key, content),
                _ => prop_assert!(content.is_none()),
            }
        }
        trees.into_iter().for_each(|name| cell.trail.clear(name));
        store.write(&cell.checkpoint(&[])).expect("writes");
        let loaded = store.load(&SCHEMA, 1).expect("loads").expect("is there");
        prop_assert_eq!(loaded.forest.now().names(), []);
        prop_assert!(store.into_store().scan(b"d", 1).expect("scans").iter().all(|(key, _)| key[0] != b'd'));
    }
}

#[test]
fn nothing_was_written_yet() {
    let store = Checkpoints::new(Memory::new(), "memory", 2);
    assert!(store.load(&SCHEMA, 4).expect("loads").is_none());
}

#[test]
fn a_file_is_opened_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("contracts.redb");
    let mut cell = Cell::new(4);
    for n in 0..3_u8 {
        let kv = RedbStore::open(&path, 1 << 20).expect("opens");
        let mut store = Checkpoints::new(kv, path.display().to_string(), 2);
        if n > 0 {
            let loaded = store.load(&SCHEMA, 4).expect("loads").expect("is there");
            same(loaded.forest.now(), cell.world.forest.now());
        }
        let ops: Vec<Op> =
            (0..50).map(|key| Op::Put { account: n, key: vec![key, n], value: vec![key; 100] }).collect();
        store.write(&cell.checkpoint(&ops)).expect("writes");
    }
    let kv = RedbStore::open(&path, 1 << 20).expect("opens");
    assert!(kv.bytes().expect("reads") > 15_000);
    let store = Checkpoints::new(kv, path.display().to_string(), 2);
    assert_eq!(store.batches().expect("reads"), [2, 3]);
}

/// The store in a file and the one in memory do the same.
#[test]
fn both_stores_answer_alike() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let writes = proptest::collection::btree_map(
        proptest::collection::vec(0..3_u8, 0..4),
        proptest::option::of(proptest::collection::vec(any::<u8>(), 0..300)),
        0..20,
    );
    let folder = tempfile::tempdir().expect("a folder");
    let mut file = RedbStore::open(&folder.path().join("kv"), 1 << 20).expect("opens");
    let mut memory = Memory::new();
    for _ in 0..40 {
        let batch = proptest::strategy::ValueTree::current(&writes.new_tree(&mut runner).expect("generates"));
        file.write(&batch).expect("writes");
        memory.write(&batch).expect("writes");
        file.sync().expect("syncs");
        for from in [&[][..], &[1], &[1, 2, 0], &[9]] {
            assert_eq!(file.get(from), memory.get(from));
            for limit in [0, 1, 7, 1000] {
                assert_eq!(file.scan(from, limit), memory.scan(from, limit));
            }
        }
        assert_eq!(file.bytes(), memory.bytes());
    }
}

/// Batches go on while a checkpoint hangs on the disk: what changes meanwhile is in the next one.
#[test]
fn batches_do_not_wait_for_the_disk() {
    use std::sync::mpsc::channel;
    struct Slow(Memory, std::sync::mpsc::Receiver<()>);
    impl KeyValue for Slow {
        fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, replicode_contracts::kv::KvError> {
            self.0.get(key)
        }
        fn scan(
            &self,
            from: &[u8],
            limit: usize,
        ) -> Result<Vec<replicode_contracts::kv::Record>, replicode_contracts::kv::KvError> {
            self.0.scan(from, limit)
        }
        fn write(&mut self, batch: &replicode_contracts::kv::Batch) -> Result<(), replicode_contracts::kv::KvError> {
            self.0.write(batch)
        }
        fn sync(&mut self) -> Result<(), replicode_contracts::kv::KvError> {
            self.1.recv().expect("somebody lets it go on");
            Ok(())
        }
        fn bytes(&self) -> Result<u64, replicode_contracts::kv::KvError> {
            self.0.bytes()
        }
    }
    let (go_on, gate) = channel();
    let (give, take) = channel();
    let disk = std::thread::spawn(move || {
        let mut store = Checkpoints::new(Slow(Memory::new(), gate), "slow", 1);
        while let Ok(checkpoint) = take.recv() {
            store.write(&checkpoint).expect("writes");
        }
        store.into_store().0
    });
    let mut cell = Cell::new(4);
    let put = |n: u8| Op::Put { account: 0, key: vec![n % 10], value: vec![n; 50] };
    give.send(cell.checkpoint(&[put(0)])).expect("sends");
    // The disk hangs; 200 batches pass, and the trail is no longer than the state.
    for n in 0..200 {
        cell.run(&[put(n)]);
        assert!(cell.trail.bytes() < 10_000, "{} bytes", cell.trail.bytes());
    }
    give.send(cell.checkpoint(&[])).expect("sends");
    go_on.send(()).expect("goes on");
    go_on.send(()).expect("goes on");
    drop(give);
    let memory = disk.join().expect("ends");
    let loaded = Checkpoints::new(memory, "slow", 1).load(&SCHEMA, 4).expect("loads").expect("is there");
    assert_eq!(loaded.manifest.batch.index, 202);
    same(loaded.forest.now(), cell.world.forest.now());
}
