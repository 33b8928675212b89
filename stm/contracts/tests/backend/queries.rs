//! Questions between batches and in one: dry runs, views, kept states, events and those who are told.

use super::chain::{self, Op, batches, contract_at, execute, ledger, moment, parallel, write_down};
use proptest::prelude::*;
use replicode_contracts::account::Address;
use replicode_contracts::backend::{Against, Backend, Error, Listener, Sealed, View};
use replicode_contracts::event::{Filter, Place};
use replicode_contracts::hash::Hash;
use replicode_contracts::proof::{self, Anchor, Question};
use replicode_contracts::receipt::{Receipt, Status};
use replicode_contracts::state::PastEntry;
use replicode_contracts::transaction::{Action, Body, Proof as Sign, Transaction, VERSION};
use replicode_contracts::tree;
use replicode_stm::Stm;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases) }
}

proptest! {
    #![proptest_config(cases(16))]

    /// A dry run before each transaction says its receipt, and asking for the root after each changes nothing: a call that fails
    /// leaves the contract's state, one that writes gives another.
    #[test]
    fn a_dry_run_is_exact_and_there_is_a_state_after_each_call(batches in batches(12)) {
        let (transactions, sealed) = write_down(&mut ledger(8, 1 << 40), &batches);
        let mut one = ledger(8, 1 << 40);
        let mut other = parallel(8, 1 << 40, Stm::builder().threads(2), 500);
        for backend in [&mut one as &mut dyn Backend, &mut other] {
            for ((batch, some), expected) in (1..).zip(&transactions).zip(&sealed) {
                backend.begin(moment(batch)).unwrap();
                let mut root = backend.root().unwrap();
                for (position, bytes) in (0..).zip(some) {
                    let before: Vec<_> = (0..4).map(|n| backend.account(&contract_at(n)).unwrap().state).collect();
                    let verdict = backend.verify(bytes).unwrap();
                    let dry = backend.dry_run(bytes).unwrap();
                    let receipt = backend.execute(std::slice::from_ref(bytes)).unwrap().remove(0);
                    prop_assert_eq!(&Receipt { position, ..dry }, &receipt);
                    let why = match receipt.status {
                        Status::Skipped { why } => Some(why),
                        _ => None,
                    };
                    prop_assert_eq!(verdict, why);
                    let now = backend.root().unwrap();
                    prop_assert_eq!(now == root, why.is_some(), "a nonce is used up or nothing happens");
                    root = now;
                    if !receipt.is_success() {
                        let after: Vec<_> = (0..4).map(|n| backend.account(&contract_at(n)).unwrap().state).collect();
                        prop_assert_eq!(after, before);
                    }
                }
                let done = backend.commit().unwrap();
                prop_assert_eq!(&done.receipts, &expected.receipts);
                prop_assert_eq!(done.batch, expected.batch);
                prop_assert_eq!(done.batch.root, root);
            }
        }
    }

    /// Every state that a receipt names can be opened while it is kept, and says what the slices were then.
    #[test]
    fn a_kept_state_is_opened_by_account_and_state(batches in batches(12)) {
        let (transactions, _) = write_down(&mut ledger(8, 1 << 40), &batches);
        let mut backend = parallel(8, 1 << 40, Stm::builder().threads(2), 0);
        let mut then: BTreeMap<(Address, Hash), Option<PastEntry>> = BTreeMap::new();
        for (batch, some) in (1..).zip(&transactions) {
            execute(&mut backend, batch, std::slice::from_ref(some), 1000).unwrap();
            for number in 0..4 {
                let account = contract_at(number);
                let state = backend.account(&account).unwrap().state;
                if state != Hash::ZERO {
                    let slice = backend.open(&account, &state).unwrap().unwrap().slice(0).unwrap();
                    then.entry((account, state)).or_insert(slice);
                }
            }
        }
        for ((account, state), slice) in &then {
            prop_assert_eq!(&backend.open(account, state).unwrap().unwrap().slice(0).unwrap(), slice);
        }
        prop_assert!(backend.open(&contract_at(0), &Hash::new([1; 32])).unwrap().is_none());
    }

    #[test]
    fn events_are_read_on_from_a_cursor(batches in batches(20), limit in 1_usize..4) {
        let mut backend = ledger(8, 1 << 40);
        write_down(&mut backend, &batches);
        let all = backend.events(&Filter::default(), None, usize::MAX);
        let (mut pieces, mut cursor): (Vec<_>, Option<Place>) = (Vec::new(), None);
        loop {
            let some = backend.events(&Filter::default(), cursor, limit);
            let Some(last) = some.last() else { break };
            cursor = Some(last.place);
            pieces.extend(some);
        }
        prop_assert_eq!(pieces, all);
    }
}

/// Notes what it is told.
struct Notes(Arc<Mutex<Vec<u64>>>);

impl Listener for Notes {
    fn sealed(&mut self, sealed: &Arc<Sealed>) {
        self.0.lock().unwrap().push(sealed.batch.index);
    }
    fn rewound(&mut self, tip: Option<&proof::Batch>, _: tree::View<'_>, _: &mut dyn proof::Contents) {
        self.0.lock().unwrap().retain(|batch| tip.is_some_and(|tip| *batch <= tip.index));
    }
}

#[test]
fn listeners_are_told_in_the_order_of_history() {
    let notes = Arc::new(Mutex::new(Vec::new()));
    let mut backend = ledger(8, 1 << 40);
    backend.subscribe(Box::new(Notes(Arc::clone(&notes))));
    let receipts = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&receipts);
    backend.subscribe(Box::new(move |sealed: &Arc<Sealed>| *counted.lock().unwrap() += sealed.receipts.len()));
    let (transactions, _) = write_down(&mut backend, &[vec![], vec![]]);
    assert_eq!(*notes.lock().unwrap(), [1, 2, 3]);
    assert_eq!(*receipts.lock().unwrap(), transactions.iter().map(Vec::len).sum::<usize>());
    backend.rewind(1).unwrap();
    assert_eq!(*notes.lock().unwrap(), [1]);
    execute(&mut backend, 2, &transactions[1..], 1).unwrap();
    assert_eq!(*notes.lock().unwrap(), [1, 2, 3]);
}

#[test]
fn a_view_reads_and_changes_nothing() {
    let mut backend = ledger(8, 1 << 40);
    write_down(&mut backend, &[]);
    let ops = |ops: &[Op]| borsh::to_vec(&borsh::to_vec(ops).unwrap()).unwrap();
    let view = |arguments: &[u8]| {
        let view = View {
            sender: Address::of_name("eve"),
            account: contract_at(0),
            function: "look",
            arguments,
            gas: 1_000_000,
            moment: None,
        };
        backend.view(&view).unwrap().outcome.status
    };
    let before = backend.tip();
    assert_eq!(view(&ops(&[])), Status::Success);
    assert!(matches!(view(&ops(&[Op::Write(0, 1)])), Status::Trapped { .. }));
    assert_eq!(backend.tip(), before);
    let _ = chain::NAMES;
}

/// Whoever leaves a batch in its middle stops the backend: its state is half of something.
#[test]
fn a_backend_that_was_stopped_answers_nobody() {
    let mut one = ledger(8, 1 << 40);
    let mut other = parallel(8, 1 << 40, Stm::builder().threads(2), 500);
    for backend in [&mut one as &mut dyn Backend, &mut other] {
        let (transactions, sealed) = write_down(&mut *backend, &[]);
        let tip = backend.tip();
        backend.begin(moment(sealed.len() as u64 + 1)).unwrap();
        backend.execute(&transactions[0]).unwrap();
        backend.root().unwrap();
        assert!(backend.account(&contract_at(0)).is_ok());
        backend.stop("the machine is gone");
        let why = backend.account(&contract_at(0)).map(drop).unwrap_err();
        assert!(matches!(&why, Error::Stopped(why) if why == "the machine is gone"), "{why}");
        let name = Transaction::hash_of(&transactions[0][0]);
        let all = [
            backend.dry_run(&transactions[0][0]).map(drop),
            backend.receipt(&name).map(drop),
            backend.execute(&transactions[0]).map(drop),
            backend.rollback(),
            backend.commit().map(drop),
        ];
        assert!(all.iter().all(|answer| matches!(answer, Err(Error::Stopped(_)))), "{all:?}");
        assert_eq!(backend.tip(), tip);
    }
}

/// Early, in its turn, and late, in one batch: what is kept and what is proven is the receipt with the effect. Without any, the last.
#[test]
fn of_a_transaction_that_comes_several_times_the_receipt_with_an_effect_stands() {
    let by = |nonce: u64, value: u128| {
        let actions = vec![Action::Transfer { to: Address::of_name("bob"), value }];
        let principal = Address::of_name("ann");
        let body = Body { version: VERSION, principal, nonce, gas_limit: 1_000_000, gas_price: 0, actions };
        Transaction { body, proof: Sign::Name { name: "ann".into() } }.encode()
    };
    let (first, second, never) = (by(0, 5), by(1, 6), by(7, 7));
    let block = [&second, &never, &first, &second, &second, &never].map(Vec::clone);
    let mut one = ledger(8, 1 << 40);
    let mut other = parallel(8, 1 << 40, Stm::builder().threads(2), 500);
    let mut digests = Vec::new();
    for backend in [&mut one as &mut dyn Backend, &mut other] {
        backend.begin(moment(1)).unwrap();
        backend.execute(&block).unwrap();
        let sealed = backend.commit().unwrap();
        let done: Vec<bool> = sealed.receipts.iter().map(Receipt::is_success).collect();
        assert_eq!(done, [false, false, true, true, false, false]);
        for (bytes, position) in [(&first, 2), (&second, 3), (&never, 5)] {
            let name = Transaction::hash_of(bytes);
            assert_eq!(backend.receipt(&name).unwrap().unwrap().position, position);
            let question = Question::Receipt { transaction: name };
            let proof = backend.prove(&question, 1, Against::Digest).unwrap();
            let content = proof.verify(&question, &Anchor::Digest(sealed.batch.digest())).unwrap().unwrap();
            assert!(content.ends_with(&sealed.receipts[position as usize].encode()));
        }
        digests.push(sealed.batch.digest());
    }
    assert_eq!(digests[0], digests[1]);
}
