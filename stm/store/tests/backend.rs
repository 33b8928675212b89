//! A backend on disk: killed at every write of its checkpoints, started from whatever is left, history taken back, sent to another.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../../contracts/tests/chain/mod.rs"]
mod chain;
#[path = "disk/mod.rs"]
mod disk;

use std::sync::Arc;

use chain::{Op, Step, What, batches, execute, funds, ledger, write_down};
use disk::disk_with;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use replicode_contract_store::snapshot::{Arrival, Limits, manifest, send};
use replicode_contract_store::{Checkpoints, Every, Keeping, RedbStore, keep, start};
use replicode_contracts::backend::stm::Stm;
use replicode_contracts::backend::{Backend, Ledger, Parallel, Sealed, Settings};
use replicode_contracts::kv::{KeyValue, Memory};
use replicode_contracts::state::Storage;

const DEPTH: usize = 8;
const GAS: u64 = 1 << 40;

/// A log, and what executing it leaves.
fn recorded(most: usize, count: usize) -> (Vec<Vec<Vec<u8>>>, Vec<Arc<Sealed>>) {
    let mut runner = TestRunner::deterministic();
    let mut all = Vec::new();
    while all.len() < count {
        all.extend(batches(most).new_tree(&mut runner).unwrap().current());
    }
    all.truncate(count);
    write_down(&mut ledger(DEPTH, GAS), &all)
}

fn parallel() -> Parallel<Memory> {
    let settings = Settings { stm: Stm::builder().threads(2), budget: 3000 };
    Parallel::new(Storage::new(Memory::new(), DEPTH), chain::config(GAS), chain::loader(), settings).unwrap()
}

fn sequential() -> Ledger<Memory> {
    chain::ledger_on(Memory::new(), DEPTH, GAS)
}

/// Starts as a node does: the newest checkpoint, or the money of the beginning.
fn begin<K: KeyValue>(backend: &mut dyn Backend, store: &mut Checkpoints<K>) -> u64 {
    match start(backend, store, DEPTH).unwrap() {
        Some(started) => {
            assert!(started.passed.is_empty(), "a crash is no damage: {:?}", started.passed);
            started.batch.index
        }
        None => {
            backend.fund(&funds()).unwrap();
            0
        }
    }
}

fn is_told<K: KeyValue + Send + 'static>(keeping: &Keeping<K>) {
    assert!(keeping.check().is_ok(), "{:?}", keeping.check());
}

/// The process is killed at each act on the disk in turn. Whatever is left starts, goes on behind its checkpoint, and comes to the same
/// receipts and the same root, with the executor of the other kind.
#[test]
fn killed_at_every_write_of_a_checkpoint_and_started_again() {
    let (log, sealed) = recorded(6, 4);
    let (mut killed, mut from) = (0, std::collections::BTreeMap::<u64, usize>::new());
    for left in 0.. {
        let disk = disk_with(Vec::new(), Some(left));
        let died = (|| {
            let kv = RedbStore::on(disk.clone(), 1 << 20).ok()?;
            let mut store = Checkpoints::new(kv, "disk", 2);
            let mut backend = sequential();
            assert_eq!(begin(&mut backend, &mut store), 0);
            let keeping = keep(&mut backend, store, Every { batches: 1, bytes: usize::MAX }).ok()?;
            for (number, batch) in (1..).zip(&log) {
                execute(&mut backend, number, std::slice::from_ref(batch), 100).unwrap();
                keeping.flush().ok()?;
            }
            Some(())
        })()
        .is_none();
        let lived = !died && disk.0.lock().unwrap().left.is_some_and(|left| left > 0);
        for seed in 0..3 {
            let image = disk.0.lock().unwrap().crash(seed);
            let Ok(kv) = RedbStore::on(disk_with(image, None), 1 << 20) else {
                // Before the file was a database for the first time.
                assert!(left < 20 && from.keys().all(|batch| *batch == 0), "a file that was one is none any more");
                continue;
            };
            let mut store = Checkpoints::new(kv, "crashed", 2);
            let mut backend = parallel();
            let at = begin(&mut backend, &mut store);
            *from.entry(at).or_default() += 1;
            if at > 0 {
                assert_eq!(backend.tip(), Some(sealed[at as usize - 1].batch));
            }
            let keeping = keep(&mut backend, store, Every { batches: 2, bytes: usize::MAX }).unwrap();
            let again = execute(&mut backend, at + 1, &log[at as usize..], 100).unwrap();
            for (again, before) in again.iter().zip(&sealed[at as usize..]) {
                assert!(
                    again.receipts == before.receipts && again.batch == before.batch,
                    "killed at {left}, from {at}"
                );
            }
            keeping.flush().unwrap();
            // And what it has written by then starts as well.
            let mut store = keeping.stop().unwrap();
            let mut third = sequential();
            assert_eq!(begin(&mut third, &mut store), log.len() as u64);
            assert_eq!(third.tip(), backend.tip());
        }
        if lived {
            break;
        }
        killed += 1;
    }
    assert!(killed > 20, "{killed} crash points");
    assert_eq!(from.keys().copied().collect::<Vec<_>>(), (0..=log.len() as u64).collect::<Vec<_>>(), "{from:?}");
}

/// A collection is removed with what it holds: what is left of it is no damage.
#[test]
fn what_is_left_of_a_removed_collection_does_not_hinder_a_start() {
    // The account has the collection from its beginning on.
    let step = Step { by: 0, what: What::Run(vec![(1, vec![Op::Unnest(1)])]), price: 0, gas: 3_000_000 };
    let batches = vec![vec![step]];
    let (log, sealed) = write_down(&mut ledger(DEPTH, GAS), &batches);
    let mut backend = parallel();
    let mut store = Checkpoints::new(Memory::new(), "memory", 2);
    begin(&mut backend, &mut store);
    let keeping = keep(&mut backend, store, Every { batches: 1, bytes: usize::MAX }).unwrap();
    execute(&mut backend, 1, &log, 100).unwrap();
    keeping.flush().unwrap();
    let mut store = keeping.stop().unwrap();
    let mut again = sequential();
    assert_eq!(begin(&mut again, &mut store), log.len() as u64);
    assert_eq!(again.tip(), Some(sealed[sealed.len() - 1].batch));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(20) })]

    /// Batches, now and then history taken back, a checkpoint whenever one is due: what is on disk in the end is the state.
    #[test]
    fn checkpoints_follow_history_forwards_and_back(
        batches in batches(8),
        every in 1_u64..4,
        back in prop::collection::vec(0_u64..4, 0..4),
    ) {
        let (log, sealed) = write_down(&mut ledger(DEPTH, GAS), &batches);
        let mut backend = parallel();
        let mut store = Checkpoints::new(Memory::new(), "memory", 2);
        begin(&mut backend, &mut store);
        let mut keeping = keep(&mut backend, store, Every { batches: every, bytes: 100_000 }).unwrap();
        execute(&mut backend, 1, &log, 100).unwrap();
        is_told(&keeping);
        for to in back {
            // Behind a checkpoint that it was started from there is no history.
            let Ok(()) = backend.rewind(to.min(log.len() as u64)) else { continue };
            is_told(&keeping);
            if to % 2 == 0 {
                keeping.flush().unwrap();
            }
            let at = backend.tip().map_or(0, |tip| tip.index);
            // Started in the middle of it: from a checkpoint that is a part of history.
            if to == 3 {
                let mut store = keeping.stop().unwrap();
                backend = parallel();
                let from = begin(&mut backend, &mut store);
                prop_assert!(from <= at, "from {} after going back to {}", from, at);
                keeping = keep(&mut backend, store, Every { batches: every, bytes: usize::MAX }).unwrap();
                execute(&mut backend, from + 1, &log[from as usize..], 100).unwrap();
            } else {
                execute(&mut backend, at + 1, &log[at as usize..], 100).unwrap();
            }
        }
        keeping.flush().unwrap();
        prop_assert_eq!(keeping.newest(), Some(log.len() as u64));
        let mut store = keeping.stop().unwrap();
        let mut again = sequential();
        prop_assert_eq!(begin(&mut again, &mut store), log.len() as u64);
        prop_assert_eq!(again.tip(), Some(sealed[sealed.len() - 1].batch));
        prop_assert_eq!(again.moment(), backend.moment());
        let all = replicode_contracts::event::Filter::default();
        prop_assert_eq!(again.events(&all, None, 1000), backend.events(&all, None, 1000));
    }
}

/// Sends the tip of one backend to another, in chunks that come in a disorder that the seed says; how many bytes went.
fn sent(from: &dyn Backend, to: &mut dyn Backend, over: bool, seed: u64) -> usize {
    let manifest = manifest(from).unwrap();
    let batch = manifest.batch.index;
    let mut arrival = match over {
        true => Arrival::over(to, manifest, DEPTH).unwrap(),
        false => Arrival::of(manifest, DEPTH, to.config().limits.template).unwrap(),
    };
    let limits = Limits { leaves: 1 + (seed % 5) as usize, bytes: 200 + (seed % 2000) as usize };
    let (mut bytes, mut turn) = (0, seed);
    loop {
        let mut wants = arrival.wanted();
        if wants.is_empty() {
            break;
        }
        let turned = turn as usize % wants.len();
        wants.rotate_left(turned);
        turn = turn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let chunk = send(from, batch, &wants, limits).unwrap();
        bytes += borsh::to_vec(&chunk).unwrap().len();
        // A chunk that was damaged on its way is not believed, and does no harm.
        let mut wrong = chunk.clone();
        if let Some(byte) = wrong.sections.last_mut().and_then(|section| section.contents.last_mut()?.last_mut()) {
            *byte ^= 1;
            assert!(arrival.take(&wrong).is_err());
        }
        arrival.take(&chunk).unwrap();
    }
    arrival.into(to).unwrap();
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(24) })]

    /// A node that joins installs the state and goes on as the others do; one that was away gets the difference only.
    #[test]
    fn a_snapshot_goes_from_backend_to_backend(batches in batches(10), seed: u64, at in 1_usize..4) {
        let (log, sealed) = write_down(&mut ledger(DEPTH, GAS), &batches);
        let at = at.min(log.len());
        let mut one = sequential();
        one.fund(&funds()).unwrap();
        execute(&mut one, 1, &log[..at], 100).unwrap();
        let mut joins = parallel();
        let whole = sent(&one, &mut joins, false, seed);
        prop_assert_eq!(joins.tip(), one.tip());
        let mut away = parallel();
        away.fund(&funds()).unwrap();
        execute(&mut away, 1, &log[..at - 1], 100).unwrap();
        let difference = sent(&one, &mut away, true, seed);
        prop_assert!(difference <= whole * 2, "{} bytes instead of {}", difference, whole);
        prop_assert_eq!(sent(&one, &mut away, true, seed), 0, "nothing differs");
        for backend in [&mut joins, &mut away] {
            prop_assert!(execute(backend, at as u64 + 1, &log[at..], 100).unwrap() == sealed[at..]);
        }
    }
}
