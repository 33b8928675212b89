//! The ledger against the model of cells: same receipts, same cells; and roots that depend on nothing but what is stored.

use super::support::*;
use crate::account::Address;
use crate::backend::{Backend, Ledger, Sealed};
use crate::cell::{Bounds, CellKey};
use crate::hash::{self, Domain, Hash};
use crate::kv::Memory;
use crate::proof;
use crate::receipt::{Receipt, Status};
use crate::run::host::{Halt, Host};
use crate::run::{Moment, Sequential, cells};
use crate::slice::Slices;
use crate::state::{Storage, Stored};
use crate::template::Template;
use crate::transaction::{Action, Body, Proof, Transaction, VERSION};
use crate::tree::Name;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

fn document() -> serde_json::Value {
    serde_json::json!({
        "abi": 1,
        "name": "token",
        "functions": [
            {"name": "new", "kind": "init", "args": [{"name": "supply", "type": "u64"}]},
            {"name": "transfer", "kind": "call",
             "args": [{"name": "to", "type": "address"}, {"name": "amount", "type": "u64"}]},
        ],
        "errors": [{"name": "InsufficientFunds", "code": 1}],
        "events": [{"name": "Transfer", "fields": [{"name": "to", "type": "address", "topic": true}]}],
        "storage": [
            {"name": "transfers", "type": "u64", "slice": 0},
            {"name": "balances", "type": "map<address, counter>", "slice": 1},
        ],
    })
}

/// Balances in a map of counters, and a number in a slice.
fn token(function: &str, arguments: &[u8], host: &mut dyn Host) -> Result<Vec<u8>, Halt> {
    let sender = host.message().sender;
    if function == "new" {
        let supply: u64 = borsh::from_slice(arguments).expect("decoded before");
        change(host, &sender, i128::from(supply))?;
        return Ok(vec![]);
    }
    let (to, amount): (Address, u64) = borsh::from_slice(arguments).expect("decoded before");
    let count: u64 = borsh::from_slice(&read(host, 0)?).expect("eight bytes");
    write(host, 0, &encoded(&(count + 1)))?;
    host.emit(0, to.as_bytes(), None)?;
    change(host, &to, i128::from(amount))?;
    if !change(host, &sender, -i128::from(amount))? {
        return Err(host.revert(1, vec![]));
    }
    Ok(vec![])
}

fn change(host: &mut dyn Host, owner: &Address, delta: i128) -> Result<bool, Halt> {
    let program = host.program();
    let account = *host.message().account.as_bytes();
    let slices = Slices::of(&account, &program.layout);
    let map = slices.collection(1).and_then(crate::collection::Collection::map);
    let done = map
        .map_err(crate::cell::Error::Refused)
        .and_then(|map| map.add(host, owner.as_bytes(), delta, Bounds::NOT_NEGATIVE));
    done.map_err(|error| host.storage_error(error))
}

const NAMES: [&str; 3] = ["ann", "bob", "eve"];

/// Deploys, spawns, and then transfers by anybody to anybody; some of them of more than there is.
fn transactions(transfers: &[(usize, usize, u64)]) -> Vec<Vec<u8>> {
    let bytes = template("token", document());
    let hash = Template::hash_of(&bytes);
    let account = Address::spawned(&Address::of_name("ann"), 0, &hash);
    let spawn =
        Action::Spawn { template: hash, constructor: Some("new".into()), arguments: encoded(&100u64), value: 7 };
    let mut nonces = [0; 3];
    let mut made = |by: usize, actions: Vec<Action>| {
        let nonce = nonces[by];
        nonces[by] += 1;
        let principal = Address::of_name(NAMES[by]);
        let body = Body { version: VERSION, principal, nonce, gas_limit: 1_000_000, gas_price: 1, actions };
        Transaction { body, proof: Proof::Name { name: NAMES[by].into() } }.encode()
    };
    let mut all = vec![made(0, vec![Action::Deploy { template: bytes }, spawn])];
    for (from, to, amount) in transfers {
        let arguments = encoded(&(Address::of_name(NAMES[*to]), *amount));
        let action = Action::Call { account, function: "transfer".into(), arguments, value: 0 };
        all.push(made(*from, vec![action]));
    }
    all
}

fn moment(batch: u64) -> Moment {
    Moment { batch, time: 0, seed: 0 }
}

fn world() -> World {
    World::new(&[("token", token)])
}

fn funds() -> Vec<(Address, u128)> {
    NAMES.map(|name| (Address::of_name(name), 1_000_000_000)).to_vec()
}

/// A ledger that has executed these transactions, so many in a batch.
fn ledger(all: &[Vec<u8>], in_a_batch: usize) -> (Ledger<Memory>, Vec<Arc<Sealed>>) {
    let World { config, natives, .. } = world();
    let mut ledger = Ledger::new(Storage::new(Memory::new(), 16), config, Arc::new(natives));
    ledger.fund(&funds()).expect("memory does not fail");
    let mut sealed = Vec::new();
    for (batch, some) in (1..).zip(all.chunks(in_a_batch)) {
        ledger.begin(moment(batch)).expect("in order");
        ledger.execute(some).expect("memory does not fail");
        sealed.push(ledger.commit().expect("memory does not fail"));
    }
    (ledger, sealed)
}

fn state(ledger: &Ledger<Memory>, account: &Address) -> Hash {
    ledger.storage(|storage| storage.state(account.as_bytes())).expect("memory does not fail")
}

fn cell(ledger: &Ledger<Memory>, key: &CellKey) -> Option<Vec<u8>> {
    ledger.storage(|storage| storage.cell(key).expect("memory does not fail")).expect("memory does not fail")
}

/// Without what says in which batch it was.
fn placeless(receipt: &Receipt) -> Receipt {
    Receipt { batch: 0, position: 0, states: vec![], ..receipt.clone() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn the_ledger_agrees_with_plain_maps_and_roots_do_not_depend_on_batches(
        transfers in prop::collection::vec((0usize..3, 0usize..3, 0u64..120), 0..14),
        in_a_batch in 1usize..6,
    ) {
        let all = transactions(&transfers);
        let mut maps = world();
        for (account, balance) in funds() {
            let have = maps.balance(&account);
            prop_assert_eq!(cells::credit(&mut maps.cells, &account, balance - have), Ok(true));
        }
        let mut block = Sequential::new(&mut maps.cells, &maps.config, &maps.natives, moment(0));
        let expected: Vec<Receipt> =
            all.iter().map(|bytes| placeless(&block.execute(bytes).expect("maps do not fail"))).collect();

        let (one, sealed) = ledger(&all, in_a_batch);
        let receipts: Vec<Receipt> = sealed.iter().flat_map(|s| &s.receipts).map(placeless).collect();
        prop_assert_eq!(&receipts, &expected);
        for (key, sum) in maps.cells.sums() {
            prop_assert_eq!(one.storage(|storage| storage.sum(key).expect("memory")).expect("memory"), *sum);
        }
        for (key, bytes) in maps.cells.bytes().iter().filter(|(key, _)| key.as_slice().is_some()) {
            prop_assert_eq!(cell(&one, key), Some(bytes.clone()));
        }

        let (other, _) = ledger(&all, all.len());
        let root = |ledger: &Ledger<Memory>| ledger.tip().map(|tip| tip.root);
        prop_assert_eq!(root(&one), root(&other));

        // The chain of digests, and the states in receipts: those of the accounts' leaves.
        let mut parent = Hash::ZERO;
        let mut leaves = BTreeMap::new();
        for s in &sealed {
            prop_assert_eq!(s.batch.parent, parent);
            parent = s.batch.digest();
            leaves.extend(s.contents.iter().filter(|(name, ..)| *name == Name::Accounts).map(|(_, key, content)| (*key, content)));
            for state in s.receipts.iter().flat_map(|receipt| &receipt.states) {
                let content = leaves[&hash::key(state.account.as_bytes())].as_ref().expect("it has a state");
                prop_assert_eq!(proof::AccountContent::decode(content).expect("an account").state, state.state);
            }
        }
    }
}

#[test]
fn a_failed_call_leaves_the_state_and_a_good_one_gives_a_new_one() {
    let all = transactions(&[(0, 1, 30), (1, 2, 31), (1, 2, 30)]);
    let (_, sealed) = ledger(&all, 1);
    let state = |batch: usize| sealed[batch].receipts[0].states.clone();
    assert_eq!(sealed[2].receipts[0].status, Status::Reverted { code: 1, data: vec![] });
    assert_eq!(state(2), state(1), "the same state after the failed call");
    assert_ne!(state(3), state(2));
    assert_ne!(sealed[2].batch.root, sealed[1].batch.root, "its fee was paid");
}

#[test]
fn accounts_and_receipts_can_be_proven_from_the_digest() {
    let all = transactions(&[(0, 1, 30)]);
    let (ledger, sealed) = ledger(&all, 2);
    let account = sealed[0].receipts[0].spawned[0];
    ledger
        .storage(|storage| {
            let forest = storage.forest();
            let content = sealed[0].account(&account).flatten().expect("it is there");
            let (key, value) = (hash::key(account.as_bytes()), hash::of(Domain::Account, content));
            let path = forest.now().prove(&Name::Accounts, &key);
            assert_eq!(path.verify(&sealed[0].batch.root, &key, Some(&value)), Ok(()));
            let receipt = &sealed[0].receipts[1];
            let key = hash::key(receipt.transaction.as_bytes());
            let path = forest.now().prove(&Name::Receipts, &key);
            assert_eq!(path.verify(&sealed[0].batch.receipts, &key, Some(&receipt.hash())), Ok(()));
            assert!(path.verify(&sealed[0].batch.receipts, &key, None).is_err());
            let nobody = hash::key(Address::of_name("nobody").as_bytes());
            let path = forest.now().prove(&Name::Accounts, &nobody);
            assert_eq!(path.verify(&sealed[0].batch.root, &nobody, None), Ok(()));
        })
        .expect("memory does not fail");
}

#[test]
fn a_new_account_has_no_state_until_something_is_stored() {
    let all = transactions(&[]);
    let (ledger, sealed) = ledger(&all, 1);
    let account = sealed[0].receipts[0].spawned[0];
    assert_ne!(state(&ledger, &account), Hash::ZERO, "its constructor has stored the supply");
    assert_eq!(state(&ledger, &Address::of_name("ann")), Hash::ZERO);
    let key = CellKey::slice(account.as_bytes(), 0);
    assert_eq!(cell(&ledger, &key), Some(vec![0; 8]));
}
