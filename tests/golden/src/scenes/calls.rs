//! Contract calls: who is a client, what is executed, what is answered. What executing them comes to is below the digests.

use super::Scene;
use crate::logbook::{Logbook, Program};
use crate::script::{Script, Want, at};
use anyhow::Result;
use replicode_contracts::account::Address;
use replicode_contracts::clients::WINDOW;
use replicode_contracts::functions::Request;
use replicode_contracts::transaction::{Action, Body, Proof, Transaction, VERSION};
use replicode_log::{Call, ContractsConfig, Digest, FsImage, Input, Limits};
use replicode_syscalls::abi::Errno;
use replicode_syscalls::contracts::{TICKET_BYTES, TICKETS};

fn open(token: u64) -> Input {
    Input::Call(Call::Open { token })
}

fn submit(client: u64, sequence: u64, transaction: Vec<u8>) -> Input {
    Input::Call(Call::Submit { client, sequence, transaction })
}

/// Ann gives Bob something.
fn gift(nonce: u64, value: u128) -> Vec<u8> {
    let actions = vec![Action::Transfer { to: Address::of_name("bob"), value }];
    let principal = Address::of_name("ann");
    let body = Body { version: VERSION, principal, nonce, gas_limit: 100_000, gas_price: 1, actions };
    Transaction { body, proof: Proof::Name { name: "ann".into() } }.encode()
}

/// A cell with nothing but contracts.
pub fn scene() -> Result<Scene> {
    let mut book = Logbook::new("calls", Limits::default(), FsImage::default(), vec![]);
    let funds = vec![(*Address::of_name("ann").as_bytes(), 1_000_000)];
    let standard = ContractsConfig::standard(Digest::ZERO);
    book.configure(|config| {
        config.contracts = Some(ContractsConfig { trust_names: true, clients: 2, funds, ..standard });
    });
    book.boot(1).boot(2).batch(1_000);
    book.inputs(1, vec![open(1), open(2)]).batch(1_000);
    book.inputs(1, vec![submit(1, 1, gift(0, 5)), submit(1, 2, gift(1, 6)), submit(2, 1, gift(9, 7))]).batch(1_000);
    // Repeats from another node, a gap, somebody unknown, what is no transaction.
    book.inputs(2, vec![submit(1, 2, gift(1, 6)), submit(1, 4, gift(3, 1)), submit(7, 1, gift(2, 1))]);
    book.inputs(1, vec![submit(1, 3, b"no transaction".to_vec()), submit(1, 3, vec![])]).batch(1_000);
    // One client more than there is room for: the second was heard of longest ago.
    book.inputs(1, vec![open(3)]).batch(1_000);
    book.inputs(1, vec![submit(2, 2, gift(2, 1)), submit(3, 1, gift(2, 999_999))]).batch(1_000);
    // More numbers than are remembered.
    let many = (0..WINDOW as u64).map(|n| submit(1, 4 + n, gift(3 + n, 1))).collect();
    book.inputs(2, many).batch(1_000);
    book.inputs(1, vec![submit(1, 1, gift(0, 5)), submit(1, 4, gift(3, 1))]).batch(1_000);
    Ok(Scene { name: "calls", book, scripts: vec![] })
}

/// A cell that has none.
pub fn without() -> Result<Scene> {
    let mut waits = Script::new();
    waits.sleep(1 << 60);
    let programs = vec![Program::new("waits", waits.wasm()?)];
    let mut book = Logbook::new("no-calls", Limits::default(), FsImage::default(), programs);
    book.boot(1).batch(1_000);
    book.inputs(1, vec![open(1), submit(1, 1, gift(0, 5))]).batch(1_000);
    Ok(Scene { name: "no-calls", book, scripts: vec![] })
}

/// A program that calls contracts, beside a client that does.
pub fn programs() -> Result<Scene> {
    const NO_EVENT: u64 = u32::MAX as u64;
    let (first, second) = (gift(1, 5), gift(2, 6));
    let mut calls = Script::new();
    // The client's transaction comes in the next batch.
    calls.sleep(500_000);
    calls.put(at::PATH, b"bob").gives("address", &[at::PATH, 3, at::OUT], 20);
    calls.fails("address", &[at::PATH, 3 << 20, at::OUT], Errno::TooBig);
    calls.put(at::PATH2, b"\xff").fails("address", &[at::PATH2, 1, at::OUT], Errno::Ilseq);
    calls.put(at::BUF, Address::of_name("ann").as_bytes()).gives("account", &[at::BUF, at::EVENTS, 97], 97);
    calls.fails("account", &[at::BUF, at::EVENTS, 96], Errno::Range);
    calls.fails("account", &[at::END, at::EVENTS, 97], Errno::Fault);
    calls.put(at::SUBS, &first);
    calls.fails("submit", &[at::SUBS, first.len() as u64, 99], Errno::BadF);
    calls.fails("submit", &[at::SUBS, first.len() as u64, 3], Errno::Inval);
    calls.gives("submit", &[at::SUBS, first.len() as u64, NO_EVENT], 0);
    calls.fails("wait", &[0, at::EVENTS, 4096, 1], Errno::Again);
    calls.fails("wait", &[0, at::EVENTS, 4096, 2], Errno::Inval);
    calls.ok("wait", &[0, 0, 0, 0]).fails("wait", &[0, at::EVENTS, 10, 0], Errno::Range);
    calls.ok("wait", &[0, at::EVENTS, 4096, 0]).fails("wait", &[0, at::EVENTS, 4096, 0], Errno::BadF);
    calls.gives("eventfd", &[0, 0], 4).put(at::SUBS, &second);
    calls.gives("submit", &[at::SUBS, second.len() as u64, 4], 0).gives("submit", &[at::SUBS, 7, 4], 1);
    calls.read(4, 8, Want::Ok).ok("wait", &[1, at::EVENTS, 4096, 0]).ok("wait", &[0, at::EVENTS, 4096, 0]);
    calls.put(at::PATH, b"balance_of");
    calls.ok("view", &[at::BUF, at::PATH, 10, at::BUF, 20, 1_000_000, at::EVENTS, 4096]);
    calls.ok("state_root", &[at::OUT]).sleep(500_000).ok("state_root", &[at::OUT]);
    // What is submitted at last is executed though nobody waits.
    calls.put(at::SUBS, &gift(3, 7)).gives("submit", &[at::SUBS, first.len() as u64, NO_EVENT], 0);
    let mut book = Logbook::new(
        "programs-call",
        Limits::default(),
        FsImage::default(),
        vec![Program::new("calls", calls.wasm()?)],
    );
    let funds = vec![(*Address::of_name("ann").as_bytes(), 1_000_000)];
    let standard = ContractsConfig::standard(Digest::ZERO);
    book.configure(|config| {
        config.contracts = Some(ContractsConfig { trust_names: true, clients: 2, funds, ..standard });
    });
    book.boot(1).batch(1_000);
    book.inputs(1, vec![open(1), submit(1, 1, gift(0, 1))]).batch(1_000_000);
    book.batch(1_000_000);
    book.batch(1_000_000);
    Ok(Scene { name: "programs-call", book, scripts: vec![(1, calls)] })
}

/// What programs submit too much of, and what is not theirs to submit. And clients whose transactions come twice in a batch.
pub fn submitted() -> Result<Scene> {
    const NO_EVENT: u64 = u32::MAX as u64;
    const PAGE: u64 = 1 << 16;
    let request = Request::List.encode(1, 1);
    let mut tickets = Script::new();
    tickets.put(at::SUBS, &request).gives("submit", &[at::SUBS, request.len() as u64, NO_EVENT], 0);
    tickets.ok("wait", &[0, at::EVENTS, 4096, 0]);
    tickets.repeat(TICKETS, |it| {
        it.ok("submit", &[at::SUBS, 1, NO_EVENT]);
    });
    tickets.fails("submit", &[at::SUBS, 1, NO_EVENT], Errno::MFile);
    tickets.ok("wait", &[7, at::EVENTS, 4096, 0]).gives("submit", &[at::SUBS, 1, NO_EVENT], 7);
    let mut bytes = Script::new();
    bytes.repeat(TICKET_BYTES / PAGE as usize, |it| {
        it.ok("submit", &[0, PAGE, NO_EVENT]);
    });
    bytes.fails("submit", &[0, 1, NO_EVENT], Errno::NoBufs);
    bytes.ok("wait", &[0, at::EVENTS, 4096, 0]).gives("submit", &[0, 1, NO_EVENT], 0);
    let programs = vec![Program::new("tickets", tickets.wasm()?), Program::new("bytes", bytes.wasm()?)];
    let mut book = Logbook::new("programs-submit", Limits::default(), FsImage::default(), programs);
    let funds = vec![(*Address::of_name("ann").as_bytes(), 1_000_000)];
    let standard = ContractsConfig::standard(Digest::ZERO);
    book.configure(|config| {
        config.contracts = Some(ContractsConfig { trust_names: true, clients: 2, funds, ..standard });
    });
    book.boot(1).batch(1_000);
    // Early, and in its turn; and one that never is.
    let all = [gift(1, 6), gift(9, 7), gift(0, 5), gift(1, 6), gift(9, 7)];
    let all = (1..).zip(all).map(|(sequence, transaction)| submit(1, sequence, transaction));
    book.inputs(1, [vec![open(1)], all.collect()].concat()).batch(1_000_000);
    book.batch(1_000_000);
    Ok(Scene { name: "programs-submit", book, scripts: vec![(1, tickets), (2, bytes)] })
}
