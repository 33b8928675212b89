//! Programs that call contracts: what they submit is executed in their batch, behind what clients have submitted, and they go on with
//! the receipts in the same batch.

#![allow(clippy::unwrap_used, reason = "a test may fail")]
#![allow(clippy::disallowed_types, reason = "a test sees what the executor notes that the machine has")]

mod common;

use common::{BUF, BUF_LEN, Cell, Flow, Op, Sys, boot, config, printed, section};
use replicode_contracts::account::Address;
use replicode_contracts::backend::{AccountNow, Backend, Ledger, View};
use replicode_contracts::functions::Request;
use replicode_contracts::hash::Hash;
use replicode_contracts::kv::Memory;
use replicode_contracts::receipt::{Receipt, Skipped, Status};
use replicode_contracts::run::{Config, Moment, Natives, Source, Viewed};
use replicode_contracts::state::Storage;
use replicode_contracts::transaction::{Action, Body, Proof, Transaction, VERSION};
use replicode_log::{Call as ContractCall, ClusterConfig, ContractsConfig, Digest, Input};
use replicode_machine::{Applied, Block, Execute, InPlace};
use replicode_syscalls::{Call, Errno};
use std::sync::{Arc, Mutex};

const NO_EVENT: u32 = u32::MAX;
const TO: u32 = 8192;

fn gift(from: &str, nonce: u64, to: &str, value: u128) -> Vec<u8> {
    let actions = vec![Action::Transfer { to: Address::of_name(to), value }];
    let principal = Address::of_name(from);
    let body = Body { version: VERSION, principal, nonce, gas_limit: 100_000, gas_price: 0, actions };
    Transaction { body, proof: Proof::Name { name: from.into() } }.encode()
}

fn backend() -> Box<dyn Backend> {
    let mut rules = Config::standard(Hash::new([3; 32]));
    rules.trust_names = true;
    let mut backend = Ledger::new(Storage::new(Memory::new(), 256), rules, Arc::new(Natives::default()));
    backend.fund(&[(Address::of_name("ann"), 1_000)]).unwrap();
    Box::new(backend)
}

fn submit(sys: &mut Sys<'_>, transaction: &[u8], event: u32) -> Result<i32, Flow> {
    sys.put(BUF, transaction);
    sys.call(Call::ContractSubmit { transaction: BUF, transaction_len: transaction.len() as u32, event })
}

fn wait(sys: &mut Sys<'_>, ticket: u32) -> Result<Receipt, Flow> {
    let size = sys.call(Call::ContractWait { ticket, buf: TO, buf_len: BUF_LEN, flags: 0 })?;
    Ok(Receipt::decode(&sys.memory[TO as usize..][..size as usize]).unwrap())
}

fn say(sys: &mut Sys<'_>, text: &str) -> Result<Flow, Flow> {
    sys.set_buffer(text.as_bytes());
    sys.print()?;
    Ok(Flow::Next)
}

fn balance(sys: &mut Sys<'_>, name: &str) -> Result<u128, Flow> {
    sys.put(BUF, Address::of_name(name).as_bytes());
    let size = sys.call(Call::ContractAccount { account: BUF, buf: TO, buf_len: 97 })?;
    assert_eq!(size, 97);
    Ok(u128::from_le_bytes(sys.memory[TO as usize + 8..][..16].try_into().unwrap()))
}

/// Pays twice, the second time when it has the receipt of the first; says what it sees in between.
const BANK: &[Op] = &[
    // When the first client comes.
    |sys| sys.accept(4).map(|()| Flow::Next),
    |sys| {
        sys.put(BUF, b"bob");
        assert_eq!(sys.call(Call::ContractAddress { name: BUF, name_len: 3, address: TO })?, 20);
        assert_eq!(sys.memory[TO as usize..][..20], *Address::of_name("bob").as_bytes());
        Ok(Flow::Next)
    },
    |sys| {
        assert_eq!(submit(sys, &gift("ann", 1, "bob", 5), NO_EVENT)?, 0);
        // Not executed as long as it can run on.
        assert_eq!(sys.call(Call::ContractWait { ticket: 0, buf: TO, buf_len: 0, flags: 1 })?, -Errno::Again.raw(),);
        Ok(Flow::Next)
    },
    |sys| balance(sys, "bob").and_then(|has| say(sys, &format!("before {has}; "))),
    |sys| {
        let size = sys.call(Call::ContractWait { ticket: 0, buf: 0, buf_len: 0, flags: 0 })?;
        let small = Call::ContractWait { ticket: 0, buf: TO, buf_len: size as u32 - 1, flags: 0 };
        assert_eq!(sys.call(small)?, -Errno::Range.raw());
        let receipt = wait(sys, 0)?;
        assert!(receipt.is_success() && receipt.position == 1, "{receipt:?}");
        assert_eq!(sys.call(Call::ContractWait { ticket: 0, buf: TO, buf_len: 9, flags: 0 })?, -Errno::BadF.raw());
        Ok(Flow::Next)
    },
    |sys| balance(sys, "bob").and_then(|has| say(sys, &format!("after {has}; "))),
    |sys| {
        sys.reg.conn = sys.call(Call::Eventfd { initial: 0, flags: 0 })?.try_into().unwrap();
        let event = sys.reg.conn;
        let first = submit(sys, &gift("ann", 2, "bob", 6), event)?;
        let second = submit(sys, &gift("ann", 9, "bob", 7), event)?;
        assert_eq!((first, second), (0, 1));
        Ok(Flow::Next)
    },
    // Both are told at once.
    |sys| {
        assert_eq!(sys.read(sys.reg.conn)?, 8);
        assert_eq!(sys.memory[BUF as usize], 2);
        Ok(Flow::Next)
    },
    |sys| {
        let second = wait(sys, 1)?;
        assert!(!second.is_success() && second.position == 3, "{second:?}");
        let first = wait(sys, 0)?;
        assert!(first.is_success() && first.position == 2, "{first:?}");
        Ok(Flow::Next)
    },
    |sys| {
        assert_eq!(sys.call(Call::ContractStateRoot { root: TO })?, 0);
        let batch = u64::from_le_bytes(sys.memory[TO as usize..][..8].try_into().unwrap());
        assert_eq!(batch, 0, "no batch with calls has ended yet");
        Ok(Flow::Next)
    },
    |sys| balance(sys, "bob").and_then(|has| say(sys, &format!("at last {has}; "))),
    |sys| {
        // Whoever ends has said what it has said.
        submit(sys, &gift("ann", 3, "bob", 100), NO_EVENT)?;
        Ok(Flow::Exit(0))
    },
];

fn with_contracts() -> ClusterConfig {
    ClusterConfig { contracts: Some(ContractsConfig::standard(Digest::ZERO)), ..config(&["bank"]) }
}

fn run() -> (Cell, Applied) {
    let mut cell = Cell::with(&with_contracts(), &[("bank", BANK)]);
    cell.machine.set_executor(Box::new(InPlace(backend())));
    cell.batch(vec![boot(1, 11), boot(2, 22)]);
    let open = common::open(common::conn(1, 1, 1), "bank");
    let call = |call| Input::Call(call);
    let submitted = ContractCall::Submit { client: 1, sequence: 1, transaction: gift("ann", 0, "bob", 1) };
    let inputs = vec![call(ContractCall::Open { token: 7 }), open, call(submitted)];
    let applied = cell.batch(vec![section(1, 1, 1, inputs)]);
    (cell, applied)
}

#[test]
fn a_program_goes_on_with_its_receipts_in_the_same_batch() {
    let (_, applied) = run();
    assert_eq!(printed(&applied.outputs, 1), "before 1; after 6; at last 12; ");
    let block = applied.block.unwrap();
    let receipts = &block.sealed.unwrap().receipts;
    let done: Vec<_> = receipts.iter().map(|receipt| (receipt.position, receipt.is_success())).collect();
    assert_eq!(done, [(0, true), (1, true), (2, true), (3, false), (4, true)]);
    assert_eq!(run().1.digest, applied.digest, "the same again");
}

/// Submits, and does not look at what becomes of it.
const PAYS: &[Op] = &[
    |sys| sys.accept(4).map(|()| Flow::Next),
    |sys| submit(sys, &gift("ann", 0, "bob", 5), NO_EVENT).map(|_| Flow::Next),
    |sys| sys.accept(4).map(|()| Flow::Next),
];

#[test]
fn calls_of_programs_are_below_the_digest() {
    // No client calls: without the program there is no block, and what accounts have is in no digest.
    let other = |value: u128| {
        let mut cell = Cell::with(
            &ClusterConfig { contracts: with_contracts().contracts, ..config(&["pays"]) },
            &[("pays", PAYS)],
        );
        let mut backend = backend();
        backend.fund(&[(Address::of_name("eve"), value)]).unwrap();
        cell.machine.set_executor(Box::new(InPlace(backend)));
        let before = cell.batch(vec![boot(1, 11), boot(2, 22)]);
        let after = cell.batch(vec![section(1, 1, 1, vec![common::open(common::conn(1, 1, 1), "pays")])]);
        assert!(before.block.is_none() && after.block.is_some());
        (before.digest, after.outputs, after.digest)
    };
    let (one, again, two) = (other(0), other(0), other(1));
    assert_eq!(one, again);
    assert_eq!((&one.0, &one.1), (&two.0, &two.1), "the same log, outputs and calls of the system");
    assert_ne!(one.2, two.2, "another root");
}

/// Executes as another does, and notes with which moment views come; receipts are as long as one likes.
struct Watched {
    inner: InPlace,
    viewed: Arc<Mutex<Vec<Moment>>>,
    long: usize,
}

impl Execute for Watched {
    fn begin(&mut self, moment: Moment) -> Result<(), String> {
        self.inner.begin(moment)
    }

    fn execute(&mut self, source: Source, transactions: &[Vec<u8>]) -> Result<Option<Vec<Receipt>>, String> {
        let mut receipts = self.inner.execute(source, transactions)?;
        receipts.iter_mut().flatten().for_each(|receipt| receipt.returned = vec![7; self.long]);
        Ok(receipts)
    }

    fn commit(&mut self) -> Result<Block, String> {
        self.inner.commit()
    }

    fn view(&mut self, view: &View<'_>) -> Result<Viewed, String> {
        self.viewed.lock().unwrap().extend(view.moment);
        self.inner.view(view)
    }

    fn account(&mut self, account: &Address) -> Result<AccountNow, String> {
        self.inner.account(account)
    }
}

fn watched(ops: &'static [Op], long: usize) -> (Cell, Arc<Mutex<Vec<Moment>>>, Applied) {
    let config = ClusterConfig { contracts: with_contracts().contracts, ..config(&["it"]) };
    let mut cell = Cell::with(&config, &[("it", ops)]);
    let viewed = Arc::default();
    let inner = InPlace(backend());
    cell.machine.set_executor(Box::new(Watched { inner, viewed: Arc::clone(&viewed), long }));
    let first = cell.batch(vec![boot(1, 11), boot(2, 22)]);
    (cell, viewed, first)
}

/// Views for each client; between two of them it pays, so that a block has begun.
const VIEWS: &[Op] = &[
    |sys| sys.accept(4).map(|()| Flow::Next),
    |sys| view(sys).map(|()| Flow::Next),
    |sys| submit(sys, &gift("ann", 0, "bob", 1), NO_EVENT).map(|_| Flow::Next),
    |sys| wait(sys, 0).map(|_| Flow::Next),
    |sys| view(sys).map(|()| Flow::Goto(0)),
];

fn view(sys: &mut Sys<'_>) -> Result<(), Flow> {
    sys.put(BUF, Address::of_name("bob").as_bytes());
    let (account, function, gas) = (BUF, BUF, 1_000);
    let asked = Call::ContractView {
        account,
        function,
        function_len: 1,
        arguments: 0,
        arguments_len: 0,
        gas,
        buf: TO,
        buf_len: BUF_LEN,
    };
    assert!(sys.call(asked)? > 1 && sys.memory[TO as usize] == 0, "bob is no contract");
    Ok(())
}

#[test]
fn a_view_of_a_program_sees_its_batch_whether_or_not_a_block_has_begun() {
    let (mut cell, viewed, _) = watched(VIEWS, 0);
    for number in 1..=3 {
        let header = cell.next(vec![]).header;
        cell.batch(vec![section(1, 1, number, vec![common::open(common::conn(1, 1, number as u32), "it")])]);
        let now = Moment { batch: header.index.0, time: header.time.nanos(), seed: header.seed };
        assert_eq!(std::mem::take(&mut *viewed.lock().unwrap()), [now, now]);
    }
}

/// Asks of functions what only clients may ask.
const COMMANDS: &[Op] = &[
    |sys| {
        let load = Request::Load {
            wasm: b"module".to_vec(),
            name: "mine".into(),
            namespace: None,
            config: replicode_contracts::functions::Config::default(),
            replace: true,
        };
        submit(sys, &load.encode(1, 1), NO_EVENT).map(|_| Flow::Next)
    },
    |sys| {
        let receipt = wait(sys, 0)?;
        assert_eq!(receipt.status, Status::Skipped { why: Skipped::Malformed });
        say(sys, "refused")
    },
];

#[test]
fn a_program_does_not_command_functions() {
    let config = ClusterConfig { contracts: with_contracts().contracts, ..config(&["commands"]) };
    let mut cell = Cell::with(&config, &[("commands", COMMANDS)]);
    cell.machine.set_executor(Box::new(InPlace(backend())));
    let applied = cell.batch(vec![boot(1, 11)]);
    assert_eq!(printed(&applied.outputs, 1), "refused");
    assert_eq!(applied.block.unwrap().sealed.unwrap().receipts.len(), 1, "it has its place in the block all the same");
}

/// Leaves its receipts where they are, and says how long each is.
const KEEPS: &[Op] = &[
    |sys| {
        submit(sys, b"no transaction", NO_EVENT)?;
        sys.reg.count += 1;
        Ok(if sys.reg.count < 20 { Flow::Goto(0) } else { Flow::Next })
    },
    |sys| {
        sys.reg.count = 0;
        Ok(Flow::Next)
    },
    |sys| {
        let size = sys.call(Call::ContractWait { ticket: sys.reg.count, buf: 0, buf_len: 0, flags: 0 })?;
        sys.reg.count += 1;
        say(sys, &format!("{size} "))?;
        Ok(if sys.reg.count < 20 { Flow::Goto(2) } else { Flow::Next })
    },
    // The last is a receipt all the same.
    |sys| {
        let receipt = wait(sys, 19)?;
        assert_eq!(receipt.transaction, Transaction::hash_of(b"no transaction"));
        assert_eq!(receipt.status, Status::Skipped { why: Skipped::Malformed });
        assert_eq!((receipt.position, receipt.returned.len()), (19, 0));
        say(sys, "short")
    },
];

#[test]
fn receipts_that_are_not_fetched_are_short_when_there_is_no_room() {
    let (cell, _, first) = watched(KEEPS, 1 << 20);
    drop(cell);
    let said = printed(&first.outputs, 1);
    let sizes: Vec<usize> = said.split(' ').filter_map(|word| word.parse().ok()).collect();
    assert!(said.ends_with(" short") && sizes.len() == 20, "{said}");
    let long = sizes.iter().take_while(|size| **size > 1 << 20).count();
    assert_eq!(long, 15, "16 of them with all around are more than 16 MiB");
    assert!(sizes[long..].iter().all(|size| *size < 200), "{said}");
}

#[test]
fn a_cell_without_contracts_says_so_to_programs() {
    const ASKS: &[Op] = &[|sys| {
        let all = [
            Call::ContractSubmit { transaction: 0, transaction_len: 1, event: NO_EVENT },
            Call::ContractWait { ticket: 0, buf: 0, buf_len: 0, flags: 0 },
            Call::ContractAccount { account: 0, buf: 0, buf_len: 97 },
            Call::ContractAddress { name: 0, name_len: 1, address: 0 },
            Call::ContractStateRoot { root: 0 },
        ];
        for call in all {
            assert_eq!(sys.call(call)?, -Errno::NotSup.raw());
        }
        say(sys, "none")
    }];
    let mut cell = Cell::with(&config(&["asks"]), &[("asks", ASKS)]);
    let applied = cell.batch(vec![]);
    assert_eq!(printed(&applied.outputs, 1), "none");
}
