//! Bits turn over on the disk. What was damaged is named, and nothing is ever answered from it.

mod common;

use common::world::{Op, address};
use common::{Cell, SCHEMA, contents_are, same};
use replicode_contract_store::{Checkpoints, Damage, RedbStore, StoreError};
use replicode_contracts::hash::{self, Hash};
use replicode_contracts::kv::{Batch, KeyValue, Memory};
use replicode_contracts::tree::{Name, Schema};

fn cell() -> Cell {
    let mut cell = Cell::new(64);
    cell.run(&[]);
    cell
}

fn ops(n: u8) -> Vec<Op> {
    let put = (0..5).map(|key| Op::Put { account: key % 2, key: vec![key], value: vec![key ^ n; 5] });
    let nest = (0..2).map(|key| Op::Nest { account: 1, key: vec![99], inner: vec![key], value: vec![n] });
    let byte = (0..3).map(|page| Op::Byte { account: 0, page, offset: 100, value: n + 1 });
    put.chain(nest).chain(byte).collect()
}

fn flip(kv: &Memory, key: &[u8], bit: usize) -> Memory {
    let mut value = kv.get(key).expect("reads").expect("is there");
    value[bit / 8] ^= 1 << (bit % 8);
    let mut kv = kv.clone();
    kv.write(&Batch::from([(key.to_vec(), Some(value))])).expect("writes");
    kv
}

/// Each bit of each record, and each record gone, or under a key that differs in a bit.
#[test]
fn every_bit_of_every_record_is_found_and_named() {
    let mut cell = cell();
    let mut store = Checkpoints::new(Memory::new(), "contracts.redb", 1);
    store.write(&cell.checkpoint(&ops(0))).expect("writes");
    let kv = store.into_store();
    let records = kv.scan(&[], usize::MAX).expect("scans");
    assert!(records.len() > 12);
    let mut checked = 0;
    for (key, value) in &records {
        let mut damaged: Vec<Memory> = (0..value.len() * 8).map(|bit| flip(&kv, key, bit)).collect();
        let mut gone = kv.clone();
        gone.write(&Batch::from([(key.clone(), None)])).expect("writes");
        // A manifest that is gone is a checkpoint that was never written: here nothing else is left.
        let is_manifest = key[0] == b'm';
        if !is_manifest {
            damaged.push(gone.clone());
        }
        for bit in 0..key.len() * 8 {
            let mut other = key.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            let mut moved = gone.clone();
            moved.write(&Batch::from([(other, Some(value.clone()))])).expect("writes");
            if !(is_manifest && bit < 8) {
                damaged.push(moved);
            }
        }
        for kv in damaged {
            checked += 1;
            let store = Checkpoints::new(kv, "contracts.redb", 1);
            let Err(StoreError::Damaged(damage)) = store.load(&SCHEMA, 1) else { panic!("not noticed: {key:02x?}") };
            let text = damage.iter().map(Damage::to_string).collect::<Vec<_>>().join("\n");
            assert!(text.contains("contracts.redb"), "{text}");
            assert!(is_manifest || damage.iter().any(|damage| damage.tree.is_some()), "{text}");
        }
    }
    assert!(checked > 8_000, "{checked} damaged stores");
}

#[test]
fn a_message_names_file_record_account_and_page() {
    let mut cell = cell();
    let mut store = Checkpoints::new(Memory::new(), "contracts.redb", 1);
    store.write(&cell.checkpoint(&ops(0))).expect("writes");
    let kv = store.into_store();
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let account = hex(&address(0));
    let place = |tree: u8, account: &[u8], at: Hash| {
        let batch = 2_u64.to_be_bytes();
        [&[b'd', tree], account, at.as_bytes(), &batch].concat()
    };
    let page = place(1, &address(0), hash::key(&2_u32.to_le_bytes()));
    let own = place(0, &[], hash::key(&address(0)));
    for (key, names) in [(&page, "page 2"), (&own, "account")] {
        let store = Checkpoints::new(flip(&kv, key, 300), "contracts.redb", 1);
        let Err(StoreError::Damaged(damage)) = store.load(&SCHEMA, 1) else { panic!("not noticed") };
        let text = damage[0].to_string();
        for part in ["contracts.redb", &account, names, "checkpoint 2", &hex(key), "does not have its hash"] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
}

/// A content that is damaged after the start is found when it is read, and not given out.
#[test]
fn damage_after_the_start_is_found_when_it_is_read() {
    let mut cell = cell();
    let mut store = Checkpoints::new(Memory::new(), "contracts.redb", 1);
    store.write(&cell.checkpoint(&ops(0))).expect("writes");
    let loaded = store.load(&SCHEMA, 1).expect("loads").expect("is there");
    let kv = store.into_store();
    for (key, value) in kv.scan(b"d", usize::MAX).expect("scans").iter().filter(|(key, _)| key[0] == b'd') {
        for bit in (0..value.len() * 8).step_by(7) {
            let store = Checkpoints::new(flip(&kv, key, bit), "contracts.redb", 1);
            let mut wrong = 0;
            for name in loaded.forest.now().names() {
                for (at, value) in loaded.forest.now().leaves(&name) {
                    match store.content(&SCHEMA, &name, &at, &value) {
                        Ok(content) => assert_eq!(SCHEMA.leaf(&name, &content), Some((at, value))),
                        Err(StoreError::Damaged(damage)) => {
                            assert_eq!(damage[0].tree, Some(name));
                            wrong += 1;
                        }
                        Err(other) => panic!("{other}"),
                    }
                }
            }
            assert_eq!(wrong, 1);
        }
    }
}

/// Where the newest checkpoint is damaged, the one before is taken, and the damage is told.
#[test]
fn the_newest_checkpoint_that_verifies_is_taken() {
    let mut cell = cell();
    let mut store = Checkpoints::new(Memory::new(), "contracts.redb", 3);
    for n in 0..3 {
        store.write(&cell.checkpoint(&ops(n))).expect("writes");
    }
    let kv = store.into_store();
    let of_batch = |batch: u64| {
        let records = kv.scan(&[], usize::MAX).expect("scans").into_iter();
        let own = move |key: &Vec<u8>| key[0] != b'x' && key.ends_with(&batch.to_be_bytes());
        records.map(|(key, _)| key).filter(own).collect::<Vec<_>>()
    };
    for key in of_batch(4) {
        let mut store = Checkpoints::new(flip(&kv, &key, 301), "contracts.redb", 3);
        let loaded = store.load(&SCHEMA, 1).expect("loads").expect("is there");
        assert_eq!(loaded.manifest.batch.index, 3);
        assert_eq!(loaded.passed[0].key, key);
        same(loaded.forest.now(), cell.world.forest.at(3).expect("kept"));
        // The log is applied again, and the next checkpoint takes the place of the damaged one.
        store.forget_after(3).expect("forgets");
        assert_eq!(store.batches().expect("reads"), [2, 3]);
    }
    for key in of_batch(2).iter().filter(|key| key[0] == b'm') {
        let store = Checkpoints::new(flip(&kv, key, 301), "contracts.redb", 3);
        let loaded = store.load(&SCHEMA, 1).expect("loads").expect("is there");
        assert_eq!((loaded.manifest.batch.index, loaded.passed[0].key.as_slice()), (4, key.as_slice()));
    }
}

/// Bits of the file itself, `redb`'s own pages included: either the store says that it is damaged, or all answers are right.
#[test]
fn a_bit_anywhere_in_the_file_is_found_or_holds_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("contracts.redb");
    let mut cell = cell();
    let mut store = Checkpoints::new(RedbStore::open(&path, 1 << 20).expect("opens"), "contracts.redb", 1);
    for n in 0..3 {
        store.write(&cell.checkpoint(&ops(n))).expect("writes");
    }
    drop(store);
    let bytes = std::fs::read(&path).expect("reads");
    // Every place that is not zero is tried, and a sample of the rest.
    let places: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at] != 0 || at % 997 == 0).collect();
    let step = (places.len() / tries()).max(1);
    let (mut found, mut harmless) = (0, 0);
    std::panic::set_hook(Box::new(|_| {}));
    for at in places.iter().step_by(step) {
        let mut bytes = bytes.clone();
        bytes[*at] ^= 1 << (hash::key(&at.to_le_bytes()).as_bytes()[0] % 8);
        let copy = folder.path().join("copy");
        std::fs::write(&copy, &bytes).expect("writes");
        let Ok(kv) = RedbStore::open(&copy, 1 << 20) else {
            found += 1;
            continue;
        };
        let store = Checkpoints::new(kv, "contracts.redb", 1);
        match store.load(&SCHEMA, 1) {
            Err(_) => found += 1,
            Ok(None) => panic!("bit of byte {at}: the checkpoint is gone without a word"),
            Ok(Some(loaded)) => {
                assert_eq!(
                    loaded.manifest.batch.index, cell.batch,
                    "bit of byte {at}: another checkpoint without a word"
                );
                same(loaded.forest.now(), cell.world.forest.now());
                contents_are(loaded.forest.now(), &cell.world.all, |name, key, value| {
                    store.content(&SCHEMA, name, key, value).expect("reads")
                });
                harmless += 1;
            }
        }
    }
    let _ = std::panic::take_hook();
    println!("{found} found, {harmless} in places that hold nothing, of {} tried", places.len().div_ceil(step));
    assert!(found > 9 * harmless, "{found} found, {harmless} not");
}

fn tries() -> usize {
    std::env::var("DAMAGE_TRIES").ok().and_then(|tries| tries.parse().ok()).unwrap_or(400)
}

#[test]
fn names_of_trees_are_known_to_people() {
    assert_eq!(Name::Pages { account: [1; 20] }.to_string(), format!("pages of account {}", "01".repeat(20)));
}
