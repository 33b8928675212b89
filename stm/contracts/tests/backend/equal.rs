//! Parallel equals sequential: receipts, gas, events, errors, states, every record of the store, roots and proofs; whatever
//! number of threads, window and seed, however the batch is handed over, and with aborts that are made up and cells that are
//! evicted.

use super::chain::{self, batches, contract_at, execute, ledger, parallel, write_down};
use proptest::prelude::*;
use replicode_contracts::account::Address;
use replicode_contracts::backend::{Against, Backend, Ledger, Parallel};
use replicode_contracts::event::Filter;
use replicode_contracts::kv::Memory;
use replicode_contracts::proof::{Anchor, Question};
use replicode_stm::{Builder, Executor, Mode, Stm};

pub fn engines(seed: u64) -> Vec<(Builder, usize)> {
    let threads = |threads| Stm::builder().threads(threads).mode(Mode::Speculative);
    vec![
        (Stm::builder().sequential(), 0),
        (threads(1), usize::MAX),
        (threads(2).chaos(seed).window(2), 3000),
        (threads(4).chaos(seed ^ 1).window(1), 0),
        (threads(4).window(16), usize::MAX),
        (Stm::builder().executor(Executor::Seeded { seed, workers: 3 }), 500),
        (Stm::builder().threads(2).mode(Mode::Alternate(3)), 0),
        // More accesses than a run may have: such transactions go one by one.
        (threads(2).max_accesses(40), 1000),
    ]
}

/// What the two say to every question, and to one another's verifier.
fn same(one: &Ledger<Memory>, other: &Parallel<Memory>, seed: u64) {
    assert_eq!(one.tip(), other.tip());
    let kv = |storage: &mut replicode_contracts::state::Storage<Memory>| storage.kv().clone();
    assert_eq!(one.storage(kv).unwrap(), other.storage(kv).unwrap());
    let all = Filter::default();
    assert_eq!(one.events(&all, None, 1000), other.events(&all, None, 1000));
    let Some(tip) = one.tip() else { return };
    for number in 0..4 {
        let account = contract_at(number);
        assert_eq!(one.account(&account).unwrap(), other.account(&account).unwrap());
        let key = vec![(seed % 6) as u8];
        let questions = [
            Question::Account { address: *account.as_bytes() },
            Question::Slice { address: *account.as_bytes(), page: 0, offset: 0, length: 16 },
            Question::Element { address: *account.as_bytes(), page: 0, offset: 32, keys: vec![key.clone()] },
        ];
        for question in questions {
            for (against, anchor) in
                [(Against::Root, Anchor::Root(tip.root)), (Against::Digest, Anchor::Digest(tip.digest()))]
            {
                let proof = one.prove(&question, tip.index, against);
                let again = other.prove(&question, tip.index, against);
                match (proof, again) {
                    (Ok(proof), Ok(again)) => {
                        assert_eq!(proof, again);
                        proof.verify(&question, &anchor).unwrap();
                    }
                    (Err(one), Err(other)) => assert_eq!(one.to_string(), other.to_string()),
                    (one, other) => panic!("{one:?} and {other:?}"),
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]

    #[test]
    fn parallel_equals_sequential(
        batches in batches(30),
        seed: u64,
        piece in prop_oneof![Just(1000_usize), 1..9_usize],
        batch_gas in prop_oneof![2 => Just(1 << 40), 1 => 3_400_000_u64..6_000_000],
    ) {
        let mut one = ledger(8, batch_gas);
        let (transactions, sealed) = write_down(&mut one, &batches);
        for (engine, budget) in engines(seed) {
            let mut other = parallel(8, batch_gas, engine, budget);
            let done = execute(&mut other, 1, &transactions, piece).unwrap();
            for (done, expected) in done.iter().zip(&sealed) {
                for (a, b) in done.receipts.iter().zip(&expected.receipts) {
                    prop_assert_eq!(a, b);
                }
                prop_assert!(done == expected, "batch {}", done.batch.index);
            }
            same(&one, &other, seed);
            for receipt in &sealed[sealed.len() - 1].receipts {
                prop_assert_eq!(one.receipt(&receipt.transaction).unwrap(), other.receipt(&receipt.transaction).unwrap());
            }
        }
    }
}

/// The generator must reach what the tests above are about.
#[test]
fn the_batches_do_everything() {
    use proptest::strategy::ValueTree;
    use std::collections::BTreeMap;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for gas in [1 << 40, 3_500_000].repeat(48) {
        let batches = batches(30).new_tree(&mut runner).unwrap().current();
        let (_, sealed) = write_down(&mut ledger(8, gas), &batches);
        for receipt in sealed.iter().flat_map(|sealed| &sealed.receipts) {
            let status = format!("{:?}", receipt.status);
            *seen.entry(status.split([' ', '{']).next().unwrap_or_default().to_string()).or_default() += 1;
            if let replicode_contracts::receipt::Status::Skipped { why } = receipt.status {
                *seen.entry(format!("{why:?}").split(' ').next().unwrap_or_default().to_string()).or_default() += 1;
            }
            *seen.entry("events".into()).or_default() += receipt.events.len();
            *seen.entry("frames".into()).or_default() +=
                receipt.gas.frames.iter().filter(|frame| frame.depth > 1).count();
        }
    }
    for wanted in [
        "Success",
        "Reverted",
        "OutOfGas",
        "Trapped",
        "Skipped",
        "BadNonce",
        "BadSignature",
        "NoMoney",
        "BatchGasLimit",
        "Malformed",
        "Refused",
        "AccountNotFound",
        "events",
        "frames",
    ] {
        assert!(seen.get(wanted).is_some_and(|count| *count > 3), "{wanted} is missing: {seen:?}");
    }
}

#[test]
fn nobody_is_told_what_did_not_happen() {
    let mut one = ledger(8, 1 << 40);
    assert!(one.execute(&[]).is_err(), "no batch has begun");
    assert!(one.commit().is_err());
    one.begin(chain::moment(3)).unwrap();
    assert!(one.begin(chain::moment(4)).is_err(), "batch 3 has begun");
    assert!(one.fund(&[]).is_err());
    one.commit().unwrap();
    assert!(one.begin(chain::moment(3)).is_err(), "history only grows");
    assert!(one.rewind(9).is_err());
    assert!(one.fund(&[(Address::of_name("ann"), 1)]).is_err(), "money is given before the first batch");
    one.begin(chain::moment(4)).unwrap();
    one.commit().unwrap();
}
