//! Batches that were never there, batches that are taken back, and states that come from elsewhere.

use super::chain::{self, batches, execute, ledger, moment, parallel, write_down};
use proptest::prelude::*;
use replicode_contracts::backend::{Backend, Executor, Runtime, Sealed};
use replicode_contracts::event::{Filter, Found};
use replicode_contracts::hash::Hash;
use replicode_contracts::kv::Memory;
use replicode_contracts::proof::Contents;
use replicode_contracts::state::Received;
use replicode_contracts::tree::{Forest, Name, View};
use replicode_stm::Stm;
use std::collections::BTreeMap;
use std::sync::Arc;

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases) }
}

/// All that can be seen of a backend.
fn seen<E: Executor<Memory>>(backend: &Runtime<Memory, E>) -> (Memory, Vec<Found>, Option<Hash>, u64) {
    let kv = backend.storage(|storage| storage.kv().clone()).unwrap();
    let events = backend.events(&Filter::default(), None, usize::MAX);
    (kv, events, backend.tip().map(|tip| tip.digest()), backend.moment().time)
}

/// Executes a batch in part, and takes it back.
fn never_there<E: Executor<Memory>>(backend: &mut Runtime<Memory, E>, batch: u64, transactions: &[Vec<u8>], ask: bool) {
    let before = seen(backend);
    backend.begin(moment(batch)).unwrap();
    let (first, rest) = transactions.split_at(transactions.len() / 2);
    backend.execute(first).unwrap();
    if ask {
        backend.root().unwrap();
    }
    backend.execute(rest).unwrap();
    backend.rollback().unwrap();
    assert!(before == seen(backend), "something of batch {batch} is left");
}

proptest! {
    #![proptest_config(cases(24))]

    #[test]
    fn a_batch_that_is_rolled_back_was_never_there(batches in batches(12), ask: bool) {
        let (transactions, sealed) = write_down(&mut ledger(8, 1 << 40), &batches);
        let mut one = ledger(8, 1 << 40);
        let mut other = parallel(8, 1 << 40, Stm::builder().threads(2), 2000);
        for ((batch, transactions), sealed) in (1..).zip(&transactions).zip(&sealed) {
            never_there(&mut one, batch, transactions, ask);
            never_there(&mut other, batch, transactions, ask);
            let only = std::slice::from_ref(transactions);
            prop_assert_eq!(&execute(&mut one, batch, only, 5).unwrap()[0], sealed);
            prop_assert_eq!(&execute(&mut other, batch, only, 5).unwrap()[0], sealed);
        }
        prop_assert!(seen(&one) == seen(&other));
    }

    #[test]
    fn history_can_be_taken_back_to_every_kept_batch(batches in batches(12)) {
        let (transactions, sealed) = write_down(&mut ledger(8, 1 << 40), &batches);
        let mut one = ledger(8, 1 << 40);
        let mut other = parallel(8, 1 << 40, Stm::builder().threads(2), usize::MAX);
        let mut after = vec![seen(&one)];
        for (batch, some) in (1..).zip(&transactions) {
            execute(&mut one, batch, std::slice::from_ref(some), 1000).unwrap();
            execute(&mut other, batch, std::slice::from_ref(some), 1000).unwrap();
            after.push(seen(&one));
        }
        for (batch, expected) in (0..).zip(&after) {
            one.rewind(batch).unwrap();
            other.rewind(batch).unwrap();
            prop_assert!(seen(&one) == *expected, "sequential, back to {}", batch);
            prop_assert!(seen(&other) == *expected, "parallel, back to {}", batch);
            let rest = &transactions[batch as usize..];
            // What was there before the first batch was told with the first batch that was.
            let told = |all: &[Arc<Sealed>]| -> Vec<_> {
                all.iter().map(|one| (one.receipts.clone(), one.batch, one.tops.clone())).collect()
            };
            let expected = told(&sealed[batch as usize..]);
            prop_assert!(told(&execute(&mut one, batch + 1, rest, 1000).unwrap()) == expected);
            prop_assert!(told(&execute(&mut other, batch + 1, rest, 1000).unwrap()) == expected);
        }
    }

    #[test]
    fn a_state_from_elsewhere_goes_on_as_its_own(batches in batches(12), at in 0_usize..4) {
        let mut one = ledger(8, 1 << 40);
        let (transactions, sealed) = write_down(&mut ledger(8, 1 << 40), &batches);
        let at = at.min(transactions.len() - 1) + 1;
        execute(&mut one, 1, &transactions[..at], 1000).unwrap();
        let (forest, mut contents) = sent(&one);
        let (again, mut same) = sent(&one);
        let batch = one.tip().unwrap();
        let mut other = parallel(8, 1 << 40, Stm::builder().threads(2), 3000);
        // What was there before goes.
        execute(&mut other, 1, &transactions[..1], 1000).unwrap();
        let mut third = chain::ledger_on(Memory::new(), 8, 1 << 40);
        other.install(batch, Received { forest, contents: &mut contents }).unwrap();
        third.install(batch, Received { forest: again, contents: &mut same }).unwrap();
        prop_assert_eq!(other.tip(), one.tip());
        prop_assert_eq!(seen(&other).1, seen(&one).1);
        prop_assert_eq!(other.moment(), one.moment());
        for receipt in &sealed[at - 1].receipts {
            prop_assert_eq!(other.receipt(&receipt.transaction).unwrap(), third.receipt(&receipt.transaction).unwrap());
        }
        prop_assert!(execute(&mut other, at as u64 + 1, &transactions[at..], 4).unwrap() == sealed[at..]);
        prop_assert!(execute(&mut third, at as u64 + 1, &transactions[at..], 4).unwrap() == sealed[at..]);
    }
}

/// Contents by tree and key.
struct All(BTreeMap<(Name, Hash), Vec<u8>>);

impl Contents for All {
    fn content(&mut self, name: &Name, key: &Hash, _: &Hash) -> Result<Vec<u8>, String> {
        self.0.get(&(*name, *key)).cloned().ok_or_else(|| "it was not sent".into())
    }
}

/// The state of a backend as it would arrive elsewhere.
fn sent(backend: &dyn Backend) -> (Forest, All) {
    let mut forest = Forest::new(backend.tip().unwrap().index, 8);
    let mut all = BTreeMap::new();
    let mut take = |view: View<'_>, contents: &mut dyn Contents| {
        let mut changes = Vec::new();
        for name in view.names() {
            let leaves: Vec<_> = view.leaves(&name).collect();
            for (key, value) in &leaves {
                all.insert((name, *key), contents.content(&name, key, value).unwrap());
            }
            changes.push((name, leaves.into_iter().map(|(key, value)| (key, Some(value))).collect()));
        }
        forest.update_all(&changes).unwrap();
    };
    backend.look(None, &mut take).unwrap();
    forest.forget();
    (forest, All(all))
}

#[test]
fn a_state_that_is_not_the_batchs_or_not_whole_is_refused() {
    let mut one = ledger(8, 1 << 40);
    let (_, sealed) = write_down(&mut one, &[]);
    let good = sealed[0].batch;
    let (forest, mut contents) = sent(&one);
    let mut other = ledger(8, 1 << 40);
    let wrong = replicode_contracts::proof::Batch { root: Hash::new([1; 32]), ..good };
    let error = other.install(wrong, Received { forest, contents: &mut contents }).unwrap_err().to_string();
    assert!(error.contains("root"), "{error}");
    other.begin(moment(1)).unwrap();
    other.rollback().unwrap();
    for (name, key) in contents.0.keys().copied().collect::<Vec<_>>() {
        let (forest, mut contents) = sent(&one);
        let content = contents.0.get_mut(&(name, key)).unwrap();
        *content.last_mut().unwrap() ^= 1;
        let mut other = ledger(8, 1 << 40);
        assert!(other.install(good, Received { forest, contents: &mut contents }).is_err(), "{name} {key}");
        assert!(other.begin(moment(9)).is_err(), "it does not go on with half a state");
    }
}
