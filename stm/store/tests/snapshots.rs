//! A store goes to another node in chunks, in any order, from several providers, with interruptions, and as a difference.

mod common;

use std::collections::BTreeMap;

use common::world::{All, From, Op, op};
use common::{Cell, SCHEMA, contents_are, same};
use proptest::prelude::*;
use replicode_contract_store::Manifest;
use replicode_contract_store::snapshot::{
    Change, Chunk, ChunkError, Install, InstallError, Limits, Want, difference, provide,
};
use replicode_contracts::hash::{self, Hash};
use replicode_contracts::tree::{Forest, Name, View};

const SMALL: Limits = Limits { leaves: 2, bytes: 300 };

fn manifest(cell: &mut Cell) -> Manifest {
    let checkpoint = cell.checkpoint(&[]);
    Manifest {
        version: 1,
        batch: checkpoint_batch(cell),
        roots: [Name::Accounts, Name::Receipts, Name::Codes, Name::Beside]
            .map(|name| (name, cell.world.forest.root(&name)))
            .to_vec(),
    }
    .tap(|manifest| assert_eq!(checkpoint.batch(), manifest.batch.index))
}

trait Tap: Sized {
    fn tap(self, look: impl FnOnce(&Self)) -> Self {
        look(&self);
        self
    }
}

impl Tap for Manifest {}

fn checkpoint_batch(cell: &Cell) -> replicode_contracts::proof::Batch {
    let view = cell.world.forest.now();
    let (root, receipts) = (view.root(&Name::Accounts), view.root(&Name::Receipts));
    replicode_contracts::proof::Batch { index: cell.batch, parent: Hash::ZERO, root, receipts }
}

fn keep(all: &mut All, changes: Vec<Change>) {
    for (name, key, content) in changes {
        match content {
            Some(content) => all.insert((name, key), content),
            None => all.remove(&(name, key)),
        };
    }
}

/// Over the wire and back.
fn sent(chunk: &Chunk) -> Chunk {
    borsh::from_slice(&borsh::to_vec(chunk).expect("encodes")).expect("decodes")
}

fn is_there(view: View<'_>, all: &All, cell: &Cell) {
    same(view, cell.world.forest.now());
    contents_are(view, all, |name, key, value| {
        replicode_contracts::proof::Contents::content(&mut From(&cell.world.all), name, key, value).expect("reads")
    });
    assert_eq!(all, &cell.world.all);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn chunks_in_any_order_with_interruptions_make_the_store(
        ops in proptest::collection::vec(op(), 0..80),
        order: u64,
        interrupted in proptest::collection::vec(any::<bool>(), 30),
    ) {
        let mut cell = Cell::new(4);
        cell.run(&ops);
        let manifest = manifest(&mut cell);
        let nothing = All::new();
        let mut all = All::new();
        let mut install = Install::new(SCHEMA, manifest.clone(), Forest::new(cell.batch, 4), From(&nothing)).expect("begins");
        // A provider answers from a list of all chunks that were ever asked for: chunks come late, twice, and unasked.
        let mut chunks: Vec<Chunk> = Vec::new();
        for round in 0_u64.. {
            let wanted: Vec<Want> = install.wanted().cloned().collect();
            if wanted.is_empty() {
                break;
            }
            prop_assert!(round < 5000);
            let random = hash::key(&[order, round].map(u64::to_le_bytes).concat());
            let pick = |count: usize, at: usize| usize::from(random.as_bytes()[at]) % count.max(1);
            let want = [wanted[pick(wanted.len(), 0)].clone()];
            let chunk = provide(cell.world.forest.now(), &SCHEMA, &mut From(&cell.world.all), &want, SMALL).expect("provides");
            chunks.push(chunk);
            for at in [chunks.len() - 1, pick(chunks.len(), 1)] {
                keep(&mut all, install.take(&sent(&chunks[at])).expect("takes"));
            }
            if interrupted[(round % 30) as usize] {
                // How far it is is stored with the contents so far; the forest is built from them again.
                let pending = borsh::from_slice(&borsh::to_vec(install.pending()).expect("encodes")).expect("decodes");
                let mut trees: BTreeMap<Name, Vec<_>> = BTreeMap::new();
                for ((name, key), content) in &all {
                    let value = replicode_contracts::tree::Schema::leaf(&SCHEMA, name, content).expect("a leaf").1;
                    trees.entry(*name).or_default().push((*key, Some(value)));
                }
                let mut forest = Forest::new(cell.batch, 4);
                forest.update_all(&trees.into_iter().collect::<Vec<_>>()).expect("updates");
                install = Install::resume(SCHEMA, manifest.clone(), forest, From(&nothing), pending);
            }
        }
        let (forest, gone) = install.finish().expect("is complete");
        keep(&mut all, gone);
        is_there(forest.now(), &all, &cell);
    }

    #[test]
    fn a_difference_makes_one_state_of_another(
        before in proptest::collection::vec(op(), 0..60),
        after in proptest::collection::vec(op(), 0..12),
        leaves in 1..4_usize,
        asked in any::<bool>(),
    ) {
        let mut old = Cell::new(4);
        old.run(&before);
        let mut new = Cell::new(4);
        new.run(&before);
        let base = new.batch;
        new.run(&after);
        let manifest = manifest(&mut new);
        let have = old.world.all.clone();
        let mut all = have.clone();
        let mut install = Install::new(SCHEMA, manifest, old.world.forest, From(&have)).expect("begins");
        let forest = &new.world.forest;
        let contents = &mut From(&new.world.all);
        let tops = [Name::Accounts, Name::Receipts, Name::Codes, Name::Beside];
        let wants = difference(forest.at(base).expect("kept"), forest.now(), &SCHEMA, contents, &tops, leaves).expect("differs");
        prop_assert_eq!(wants.is_empty(), install.wanted().next().is_none());
        let mut sent_leaves = 0;
        if !asked {
            for some in wants.chunks(3) {
                let chunk = provide(forest.now(), &SCHEMA, contents, some, Limits { leaves: 4, bytes: 1 << 20 }).expect("provides");
                sent_leaves += chunk.sections.iter().map(|section| section.contents.len()).sum::<usize>();
                keep(&mut all, install.take(&sent(&chunk)).expect("takes"));
            }
            prop_assert!(install.wanted().next().is_none(), "the listed differences were not all");
        }
        // Without the list it comes to the same, with more chunks.
        while let Some(want) = install.wanted().last().cloned() {
            let chunk = provide(forest.now(), &SCHEMA, contents, &[want], SMALL).expect("provides");
            keep(&mut all, install.take(&sent(&chunk)).expect("takes"));
        }
        let (forest, gone) = install.finish().expect("is complete");
        keep(&mut all, gone);
        is_there(forest.now(), &all, &new);
        prop_assert!(sent_leaves <= 16 * new.world.all.len());
    }

    #[test]
    fn a_chunk_that_was_changed_is_not_believed(ops in proptest::collection::vec(op(), 5..40), seed: u64) {
        let mut cell = Cell::new(4);
        cell.run(&ops);
        let manifest = manifest(&mut cell);
        let want = Want { way: Vec::new(), name: Name::Accounts, prefix: Hash::ZERO, bits: 0 };
        prop_assume!(cell.world.forest.root(&Name::Accounts) != Hash::ZERO);
        let contents = &mut From(&cell.world.all);
        let chunk = provide(cell.world.forest.now(), &SCHEMA, contents, &[want], Limits::default()).expect("provides");
        let honest = chunk.verify(&SCHEMA, &manifest.roots).expect("verifies");
        let wire = borsh::to_vec(&chunk).expect("encodes");
        for at in 0..wire.len() {
            let mut wire = wire.clone();
            wire[at] ^= 1 << (hash::key(&[seed, at as u64].map(u64::to_le_bytes).concat()).as_bytes()[0] % 8);
            let said = borsh::from_slice::<Chunk>(&wire).ok().and_then(|chunk| chunk.verify(&SCHEMA, &manifest.roots).ok());
            // A section's own prefix may be longer or shorter than it need be; what it holds is the same.
            prop_assert!(said.is_none_or(|said| said == honest), "byte {} of {}", at, wire.len());
        }
    }
}

#[test]
fn a_large_store_travels_in_chunks_of_the_size_asked_for() {
    let mut cell = Cell::new(4);
    let ops: Vec<Op> = (0..3000_u16)
        .map(|n| Op::Put { account: (n % 5) as u8, key: n.to_le_bytes().to_vec(), value: vec![n as u8; 60] })
        .collect();
    cell.run(&ops);
    let manifest = manifest(&mut cell);
    let nothing = All::new();
    let mut all = All::new();
    let mut install = Install::new(SCHEMA, manifest, Forest::new(cell.batch, 4), From(&nothing)).expect("begins");
    let (mut chunks, mut bytes) = (0, 0);
    while let Some(want) = install.wanted().last().cloned() {
        let limits = Limits { leaves: 64, bytes: 16 << 10 };
        let contents = &mut From(&cell.world.all);
        let chunk = provide(cell.world.forest.now(), &SCHEMA, contents, &[want], limits).expect("provides");
        let wire = borsh::to_vec(&chunk).expect("encodes");
        assert!(wire.len() < 32 << 10, "{} bytes", wire.len());
        (chunks, bytes) = (chunks + 1, bytes + wire.len());
        keep(&mut all, install.take(&chunk).expect("takes"));
    }
    let (forest, gone) = install.finish().expect("is complete");
    assert!(gone.is_empty());
    is_there(forest.now(), &all, &cell);
    let contents: usize = all.values().map(Vec::len).sum();
    assert!(bytes < 2 * contents, "{chunks} chunks of {bytes} bytes for {contents} bytes of contents");
}

#[test]
fn what_is_not_complete_is_not_finished() {
    let mut cell = Cell::new(4);
    cell.run(&[Op::Put { account: 0, key: vec![1], value: vec![2] }]);
    let manifest = manifest(&mut cell);
    let nothing = All::new();
    let install = Install::new(SCHEMA, manifest.clone(), Forest::new(0, 4), From(&nothing)).expect("begins");
    assert!(matches!(install.finish(), Err(InstallError::Unfinished(1))));
    let stranger = Chunk { version: 1, sections: Vec::new() };
    assert_eq!(stranger.verify(&SCHEMA, &manifest.roots), Ok(Vec::new()));
    let want = Want { way: Vec::new(), name: Name::Accounts, prefix: Hash::ZERO, bits: 0 };
    let contents = &mut From(&cell.world.all);
    let mut chunk = provide(cell.world.forest.now(), &SCHEMA, contents, &[want], Limits::default()).expect("provides");
    chunk.sections.reverse();
    assert_eq!(chunk.verify(&SCHEMA, &manifest.roots), Err(ChunkError::Unknown(0)));
}
