//! A node is killed in the middle of a checkpoint, at every point where the disk could notice.
//!
//! The file is a simulated one: writes that were not synced are lost, or not, or in part, as a seed says. Whatever is left must
//! open, and hold the checkpoint before or the one that was being written, whole.

mod common;
mod disk;

use common::world::{All, Op};
use common::{Cell, SCHEMA, contents_are, same};
use disk::disk_with;
use replicode_contract_store::{Checkpoints, RedbStore, StoreError};
use replicode_contracts::kv::{Batch, KeyValue, KvError, Memory, Record};

fn ops(n: u8) -> Vec<Op> {
    let put = (0..12).map(|key| Op::Put { account: key % 3, key: vec![key], value: vec![key ^ n; 90] });
    let nest = (0..4).map(|key| Op::Nest { account: 1, key: vec![99, n], inner: vec![key], value: vec![n] });
    let byte = (0..3).map(|page| Op::Byte { account: 2, page, offset: 700, value: n });
    let remove = (0..2).map(|key| Op::Remove { account: 0, key: vec![key * 3] });
    put.chain(nest).chain(byte).chain(remove).collect()
}

fn check(
    bytes: Vec<u8>,
    before: (&common::world::World, u64, &All),
    after: (&common::world::World, u64, &All),
) -> bool {
    let kv = RedbStore::on(disk_with(bytes, None), 1 << 20).expect("opens after a crash");
    let store = Checkpoints::new(kv, "crashed", 2);
    let loaded = store.load(&SCHEMA, 1).expect("loads").expect("is there");
    assert!(loaded.passed.is_empty(), "a crash is no damage: {:?}", loaded.passed);
    let (world, batch, all) = if loaded.manifest.batch.index == after.1 { after } else { before };
    assert_eq!(loaded.manifest.batch.index, batch);
    same(loaded.forest.now(), world.forest.at(batch).expect("kept"));
    contents_are(loaded.forest.now(), all, |name, key, value| store.content(&SCHEMA, name, key, value).expect("reads"));
    batch == after.1
}

#[test]
fn killed_at_every_write_of_a_checkpoint() {
    let mut cell = Cell::new(64);
    let first = disk_with(Vec::new(), None);
    let mut store = Checkpoints::new(RedbStore::on(first.clone(), 1 << 20).expect("opens"), "disk", 2);
    for n in 0..3 {
        store.write(&cell.checkpoint(&ops(n))).expect("writes");
    }
    let (before, all_before) = (cell.batch, cell.world.all.clone());
    drop(store);
    let base = first.0.lock().expect("a lock").now.clone();
    let next = cell.checkpoint(&ops(3));
    let (mut killed, mut old, mut new) = (0, 0, 0);
    for left in 0.. {
        let disk = disk_with(base.clone(), Some(left));
        let ended = RedbStore::on(disk.clone(), 1 << 20).map_err(StoreError::from).and_then(|kv| {
            let mut store = Checkpoints::new(kv, "disk", 2);
            store.write(&next)
        });
        let is_done = ended.is_ok();
        let seeds = if is_done { 2 } else { 8 };
        for seed in 0..seeds {
            let image = disk.0.lock().expect("a lock").crash(seed);
            let has_new = check(image, (&cell.world, before, &all_before), (&cell.world, cell.batch, &cell.world.all));
            assert!(has_new || !is_done, "a checkpoint that was acknowledged is gone");
            if has_new { new += 1 } else { old += 1 }
        }
        if is_done && disk.0.lock().expect("a lock").left.is_some_and(|left| left > 0) {
            break;
        }
        killed += 1;
    }
    assert!(killed > 5 && old > 0 && new > 0, "{killed} crash points, {old} old states, {new} new ones");
}

/// Fails at the n-th verb.
struct Failing {
    memory: Memory,
    left: std::cell::Cell<usize>,
}

impl Failing {
    fn act(&self, verb: &'static str) -> Result<(), KvError> {
        match self.left.get().checked_sub(1) {
            Some(left) => {
                self.left.set(left);
                Ok(())
            }
            None => Err(KvError { verb, reason: "no space left on device".to_string() }),
        }
    }
}

impl KeyValue for Failing {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        self.act("read")?;
        self.memory.get(key)
    }

    fn scan(&self, from: &[u8], limit: usize) -> Result<Vec<Record>, KvError> {
        self.act("read")?;
        self.memory.scan(from, limit)
    }

    fn write(&mut self, batch: &Batch) -> Result<(), KvError> {
        self.act("write")?;
        self.memory.write(batch)
    }

    fn sync(&mut self) -> Result<(), KvError> {
        self.act("sync")?;
        self.memory.sync()
    }

    fn bytes(&self) -> Result<u64, KvError> {
        self.memory.bytes()
    }
}

#[test]
fn a_verb_that_fails_leaves_the_checkpoint_before_and_can_be_repeated() {
    let mut cell = Cell::new(64);
    let mut store = Checkpoints::new(Memory::new(), "memory", 1);
    store.write(&cell.checkpoint(&ops(0))).expect("writes");
    let base = store.into_store();
    let next = cell.checkpoint(&ops(1));
    for left in 0.. {
        let kv = Failing { memory: base.clone(), left: left.into() };
        let mut store = Checkpoints::new(kv, "memory", 1);
        let Err(error) = store.write(&next) else {
            assert!(left > 20, "{left} verbs");
            break;
        };
        assert!(error.to_string().contains("no space left on device"), "{error}");
        let mut store = Checkpoints::new(store.into_store().memory, "memory", 1);
        let loaded = store.load(&SCHEMA, 1).expect("loads").expect("is there").manifest.batch.index;
        match loaded {
            // Only the sync had failed.
            2 => assert!(error.to_string().contains("sync"), "{error}"),
            _ => {
                assert_eq!(loaded, 1);
                store.write(&next).expect("writes");
            }
        }
        let loaded = store.load(&SCHEMA, 1).expect("loads").expect("is there");
        same(loaded.forest.now(), cell.world.forest.now());
    }
}
