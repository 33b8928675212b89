//! Contract calls in batches: each executed once, wherever it comes from, and below the digest.

mod common;

use common::{Cell, boot, config, section};
use replicode_contracts::account::Address;
use replicode_contracts::backend::{Backend, Ledger};
use replicode_contracts::hash::Hash;
use replicode_contracts::kv::Memory;
use replicode_contracts::receipt::Status;
use replicode_contracts::run::{Config, Natives};
use replicode_contracts::state::Storage;
use replicode_contracts::transaction::{Action, Body, Proof, Transaction, VERSION};
use replicode_log::{Call, Called, ClusterConfig, ContractsConfig, Digest, Input, Output};
use replicode_machine::{Applied, Fault, InPlace};
use std::sync::Arc;

fn backend() -> Box<dyn Backend> {
    let mut rules = Config::standard(Hash::new([3; 32]));
    rules.trust_names = true;
    let mut backend = Ledger::new(Storage::new(Memory::new(), 256), rules, Arc::new(Natives::default()));
    backend.fund(&[(Address::of_name("ann"), 1_000)]).expect("there was no batch");
    Box::new(backend)
}

fn with_contracts(clients: u32) -> ClusterConfig {
    let contracts = ContractsConfig { clients, ..ContractsConfig::standard(Digest::ZERO) };
    ClusterConfig { contracts: Some(contracts), ..config(&[]) }
}

fn cell(clients: u32) -> Cell {
    let mut cell = Cell::with(&with_contracts(clients), &[]);
    cell.machine.set_executor(Box::new(InPlace(backend())));
    cell.batch(vec![boot(1, 11), boot(2, 22)]);
    cell
}

/// Ann gives Bob something.
fn gift(nonce: u64, value: u128) -> Vec<u8> {
    let actions = vec![Action::Transfer { to: Address::of_name("bob"), value }];
    let body =
        Body { version: VERSION, principal: Address::of_name("ann"), nonce, gas_limit: 100_000, gas_price: 0, actions };
    Transaction { body, proof: Proof::Name { name: "ann".into() } }.encode()
}

fn open(token: u64) -> Input {
    Input::Call(Call::Open { token })
}

fn submit(client: u64, sequence: u64, transaction: Vec<u8>) -> Input {
    Input::Call(Call::Submit { client, sequence, transaction })
}

fn outcomes(applied: &Applied) -> Vec<Called> {
    let one = |output: &Output| match output {
        Output::Receipt { outcome, .. } => Some(*outcome),
        _ => None,
    };
    applied.outputs.iter().filter_map(one).collect()
}

#[test]
fn a_number_is_executed_once_whichever_node_it_comes_from() {
    let mut cell = cell(10);
    let opened = cell.batch(vec![section(1, 1, 1, vec![open(77)])]);
    assert_eq!(opened.outputs, [Output::Client { token: 77, client: Some(1) }]);
    assert_eq!(opened.block, None);

    let first = cell.batch(vec![section(1, 1, 2, vec![submit(1, 1, gift(0, 5)), submit(1, 2, gift(1, 6))])]);
    assert_eq!(outcomes(&first), [Called::Executed { position: 0 }, Called::Executed { position: 1 }]);
    let block = first.block.as_ref().expect("two calls");
    let receipts = &block.sealed.as_ref().expect("they were executed").receipts;
    assert!(receipts.iter().all(|receipt| receipt.status == Status::Success && receipt.batch == first.index.0));

    // The client has gone to the other node and repeats, the last number in the batch of the next one.
    let again = cell.batch(vec![section(
        2,
        1,
        1,
        vec![
            submit(1, 1, gift(0, 5)),
            submit(1, 4, gift(3, 8)),
            submit(1, 3, gift(2, 7)),
            submit(1, 3, gift(2, 7)),
            submit(9, 1, gift(2, 7)),
        ],
    )]);
    let batch = first.index;
    let here = again.index;
    assert_eq!(
        outcomes(&again),
        [
            Called::Repeated { batch, position: 0 },
            Called::Gap { next: 3 },
            Called::Executed { position: 0 },
            Called::Repeated { batch: here, position: 0 },
            Called::UnknownClient,
        ]
    );
    let next = again.block.expect("one call");
    assert_eq!((next.batch.parent, next.sealed.map(|it| it.receipts.len())), (block.batch.digest(), Some(1)));
}

#[test]
fn who_is_forgotten_follows_from_the_log() {
    let mut cell = cell(1);
    cell.batch(vec![section(1, 1, 1, vec![open(1), open(2)])]);
    let applied = cell.batch(vec![section(1, 1, 3, vec![submit(1, 1, gift(0, 1)), submit(2, 1, gift(0, 1))])]);
    assert_eq!(outcomes(&applied), [Called::ExpiredClient, Called::Executed { position: 0 }]);
    assert_eq!(cell.machine.contract_clients(), 1);
}

#[test]
fn results_are_below_the_digest() {
    let run = |value: u128, funds: u128| {
        let mut cell = cell(10);
        let mut backend = backend();
        backend.fund(&[(Address::of_name("eve"), funds)]).expect("there was no batch");
        cell.machine.set_executor(Box::new(InPlace(backend)));
        cell.batch(vec![section(1, 1, 1, vec![open(1), submit(1, 1, gift(0, value))])]).digest
    };
    assert_eq!(run(5, 0), run(5, 0));
    assert_ne!(run(5, 0), run(5, 1), "the same log and outputs, another root");
}

#[test]
fn a_cell_without_contracts_says_so_and_needs_no_executor() {
    let mut cell = Cell::booted(&[("echo", common::ECHO)]);
    let applied = cell.batch(vec![section(1, 1, 1, vec![open(5), submit(1, 1, gift(0, 5))])]);
    assert_eq!(
        applied.outputs,
        [
            Output::Client { token: 5, client: None },
            Output::Receipt { client: 1, sequence: 1, outcome: Called::NoContracts },
        ]
    );
    assert_eq!(applied.block, None);
}

#[test]
fn a_node_that_cannot_execute_stops() {
    let mut cell = Cell::with(&with_contracts(1), &[]);
    cell.batch(vec![boot(1, 11)]);
    let batch = cell.next(vec![section(1, 1, 1, vec![open(5), submit(1, 1, gift(0, 5))])]);
    let content = Digest::of(&batch.encode());
    assert!(matches!(cell.machine.apply(batch.clone(), content), Err(Fault::Contracts(_))));
    assert_eq!(cell.machine.apply(batch, content), Err(Fault::Stopped));
}
