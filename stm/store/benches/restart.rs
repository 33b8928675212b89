//! A million elements: written as one checkpoint, a tenth of a per cent of them changed in another, and read at start.
//!
//! `cargo bench -p replicode-contract-store --bench restart`

use std::time::Instant;

use replicode_contract_store::{Checkpoints, RedbStore, Trail};
use replicode_contracts::hash::{self, Domain, Hash};
use replicode_contracts::proof::{Batch, account_content, element_content};
use replicode_contracts::tree::{Change, Forest, Name, Schema, Whole};

const ELEMENTS: u32 = 1_000_000;
const ACCOUNT: [u8; 20] = [1; 20];
const ELEMENTS_OF: Name = Name::Collection { account: ACCOUNT, id: Hash::ZERO };
const PAGES: Name = Name::Pages { account: ACCOUNT };

/// One account with one collection, whose state is all that its only page holds.
struct One;

impl Schema for One {
    fn leaf(&self, name: &Name, content: &[u8]) -> Option<(Hash, Hash)> {
        match name {
            Name::Pages { account } => Some((hash::key(content.get(..4)?), hash::page(account, 0, content.get(4..)?))),
            _ => {
                let (length, rest) = content.split_first_chunk()?;
                let key = rest.get(..usize::from(u16::from_le_bytes(*length)))?;
                Some((hash::key(key), hash::of(Domain::Element, content)))
            }
        }
    }

    fn children(&self, name: &Name, content: &[u8]) -> Vec<(Name, Hash)> {
        match (name, content.get(4..).and_then(|state| state.try_into().ok())) {
            (Name::Pages { .. }, Some(state)) => vec![(ELEMENTS_OF, Hash::new(state))],
            _ => Vec::new(),
        }
    }

    fn describe(&self, name: &Name, _: &[u8]) -> String {
        name.to_string()
    }
}

/// Puts elements of 8 bytes of key and 32 of value; what the batch leaves behind.
fn put(forest: &mut Forest, trail: &mut Trail, batch: u64, elements: impl Iterator<Item = u32>) -> Batch {
    let schema = Whole(One);
    let mut change = |forest: &mut Forest, name: Name, contents: Vec<Vec<u8>>| {
        let mut changes: Vec<Change> = Vec::with_capacity(contents.len());
        for content in contents {
            let (key, value) = schema.leaf(&name, &content).expect("a leaf");
            changes.push((key, Some(value)));
            trail.put(name, key, Some(content));
        }
        changes.sort_unstable();
        forest.update(name, &changes).expect("updates")
    };
    let content = |n: u32| element_content(&u64::from(n).to_le_bytes(), 0, &[batch as u8; 32]);
    let state = change(forest, ELEMENTS_OF, elements.map(content).collect());
    let state = change(forest, PAGES, vec![[&[0; 4], state.as_bytes().as_slice()].concat()]);
    let root = change(forest, Name::Accounts, vec![account_content(&ACCOUNT, &state, &[])]);
    forest.seal(batch).expect("seals");
    Batch { index: batch, parent: Hash::ZERO, root, receipts: Hash::ZERO }
}

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("contracts.redb");
    let open = || Checkpoints::new(RedbStore::open(&path, 64 << 20).expect("opens"), "contracts.redb", 2);
    let (mut forest, mut trail) = (Forest::new(0, 1), Trail::default());
    let mut store = open();
    for (batch, every) in [(1, 1), (2, 1000)] {
        let left = put(&mut forest, &mut trail, batch, (0..ELEMENTS).step_by(every));
        let checkpoint = trail.take(left, forest.now());
        let began = Instant::now();
        let written = store.write(&checkpoint).expect("writes");
        println!(
            "checkpoint {batch}: {} contents, {} bytes, in {:?}",
            written.contents,
            written.bytes,
            began.elapsed()
        );
    }
    drop(store);
    let size = std::fs::metadata(&path).expect("is there").len();
    println!("the file has {size} bytes, {} for each element", size / u64::from(ELEMENTS));
    for _ in 0..3 {
        let began = Instant::now();
        let store = open();
        let opened = began.elapsed();
        let loaded = store.load(&Whole(One), 256).expect("loads").expect("is there");
        println!("start with {ELEMENTS} elements: {:?}, of which the library's own check {opened:?}", began.elapsed());
        assert_eq!(loaded.forest.root(&Name::Accounts), forest.root(&Name::Accounts));
    }
}
