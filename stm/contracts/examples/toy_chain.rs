//! A toy chain: a proposer that executes blocks in parallel, a validator that executes them one by one and believes nothing, and a
//! client that knows headers only.
//!
//! `cargo run --release -p replicode-contracts --example toy_chain`

use replicode_contracts::account::Address;
use replicode_contracts::backend::stm::Stm;
use replicode_contracts::backend::{Against, Backend, Ledger, Parallel, Settings};
use replicode_contracts::hash::Hash;
use replicode_contracts::kv::Memory;
use replicode_contracts::proof::{self, AccountContent, Anchor, Question};
use replicode_contracts::run::{Config, Moment, Natives};
use replicode_contracts::state::Storage;
use replicode_contracts::transaction::{Action, Body, SigningKey, Transaction, VERSION};
use std::error::Error;
use std::sync::Arc;

const PEOPLE: u8 = 20;

/// What is agreed on, and what it leads to. The digest of its batch covers all blocks before.
struct Block {
    moment: Moment,
    transactions: Vec<Vec<u8>>,
    /// As the proposer says.
    batch: proof::Batch,
}

fn key(person: u8) -> SigningKey {
    SigningKey::from_bytes(&[person + 1; 32])
}

fn account(person: u8) -> Address {
    Address::of_key(&key(person).verifying_key().to_bytes())
}

fn genesis() -> Vec<(Address, u128)> {
    (0..PEOPLE).map(|person| (account(person), 1_000_000)).collect()
}

fn config() -> Config {
    Config::standard(Hash::new([1; 32]))
}

/// Payments of everybody to somebody, signed.
fn payments(block: u64) -> Vec<Vec<u8>> {
    let pay = |person: u8| {
        let to = account(((u64::from(person) * 7 + block) % u64::from(PEOPLE)) as u8);
        let actions = vec![Action::Transfer { to, value: 100 + u128::from(person) }];
        let (principal, nonce) = (account(person), block - 1);
        let body = Body { version: VERSION, principal, nonce, gas_limit: 10_000, gas_price: 2, actions };
        let transaction: Transaction = body.sign(&config().cell, &key(person));
        transaction.encode()
    };
    (0..PEOPLE).map(pay).collect()
}

/// The next block on top of a backend's state. A block that the proposer does not like is rolled back.
fn propose(backend: &mut dyn Backend, number: u64) -> Result<Block, Box<dyn Error>> {
    let moment = Moment { batch: number, time: number * 1_000_000_000, seed: number };
    let transactions = payments(number);
    backend.begin(moment)?;
    let receipts = backend.execute(&transactions)?;
    println!("block {number}: {} payments, root {}", receipts.len(), backend.root()?);
    Ok(Block { moment, transactions, batch: backend.commit()?.batch })
}

/// Executes a block and keeps it if it leads to where it says.
fn validate(backend: &mut dyn Backend, block: &Block) -> Result<bool, Box<dyn Error>> {
    backend.begin(block.moment)?;
    backend.execute(&block.transactions)?;
    if backend.root()? != block.batch.root {
        backend.rollback()?;
        return Ok(false);
    }
    let batch = backend.commit()?.batch;
    if batch == block.batch {
        return Ok(true);
    }
    // The root was right and the receipts, or the block before, were not.
    backend.rewind(block.moment.batch - 1)?;
    Ok(false)
}

fn main() -> Result<(), Box<dyn Error>> {
    let settings = Settings { stm: Stm::builder().threads(2), ..Settings::default() };
    let loader = Arc::new(Natives::default());
    let mut proposer = Parallel::new(Storage::new(Memory::new(), 16), config(), loader.clone(), settings)?;
    let mut validator = Ledger::new(Storage::new(Memory::new(), 16), config(), loader);
    proposer.fund(&genesis())?;
    validator.fund(&genesis())?;
    for number in 1..=5 {
        let mut block = propose(&mut proposer, number)?;
        // A proposer that lies about one payment, or about the root.
        let honest = block.transactions.clone();
        block.transactions.swap_remove(3);
        assert!(!validate(&mut validator, &block)?, "a block without a payment leads elsewhere");
        block.transactions = honest;
        let root = std::mem::replace(&mut block.batch.root, Hash::ZERO);
        assert!(!validate(&mut validator, &block)?, "a block that says another root");
        block.batch.root = root;
        assert!(validate(&mut validator, &block)?, "the honest block");
    }
    assert_eq!(proposer.tip(), validator.tip());

    // A client that knows the last digest asks the validator for a balance, and believes the proof, not the validator.
    let Some(tip) = proposer.tip() else { return Err("there is a block".into()) };
    let question = Question::Account { address: *account(3).as_bytes() };
    let proof = validator.prove(&question, tip.index, Against::Digest)?;
    let content = proof.verify(&question, &Anchor::Digest(tip.digest()))?.ok_or("the account is there")?;
    let rest = AccountContent::decode(&content).ok_or("an account")?.rest;
    let balance = u128::from_le_bytes(rest[rest.len() - 16..].try_into()?);
    assert_eq!(balance, validator.account(&account(3))?.balance);
    println!("account {} has {balance}: proven in {} bytes", account(3), borsh::to_vec(&proof)?.len());

    let mut money: u128 = validator.account(&config().collector)?.balance;
    for person in 0..PEOPLE {
        money += validator.account(&account(person))?.balance;
    }
    assert_eq!(money, 1_000_000 * u128::from(PEOPLE), "fees and payments move money, and make none");
    Ok(())
}
