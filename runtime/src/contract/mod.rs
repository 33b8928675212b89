//! `replicode contract`: contracts for those who write and use them.
//!
//! ```text
//! words ─ session: names, documents ─ checked, encoded, signed ─ reach ─┬─ local: a ledger in this process, log and checkpoints
//!            ▲                                                          └─ a node
//!            └── receipts, values, proofs: by names and types ◄──────────┘
//! ```
//!
//! | module | it is |
//! |---|---|
//! | [`reach`] | what is asked of contracts, wherever they are: one trait |
//! | `local`, `remote` | contracts in this process; of a cell, on one of its nodes |
//! | `session`, `book` | what a command works with; keys and names |
//! | `module`, `sections` | from a module on the disk to a template |
//! | `send` | what changes something |
//! | `look`, `storage`, `prove` | what shows something |
//! | `new`, `build`, `check`, `bindings` | a folder with a contract; its module; a node's verdict; clients |
//! | `tests_run`, `scenario`, `gas` | tests natively and against the wasm, and what calls burn |
//! | `show` | receipts, events and values as text and as JSON |

mod bindings;
pub mod book;
mod build;
mod check;
mod gas;
mod local;
mod look;
mod module;
mod new;
mod prove;
pub mod reach;
mod remote;
mod scenario;
mod sections;
mod send;
mod session;
mod show;
mod storage;
mod tests_run;

use crate::args::contract::{ContractArgs, ContractCommand as C, KeyCommand};
use anyhow::Result;
use book::Book;
pub(crate) use build::Language;
use serde_json::json;
use session::Session;

/// Runs the command. Exit code 1 when the contract, or a check, has said no.
///
/// # Errors
/// When something is wrong with what was written, or there is no answer.
pub(crate) fn run(args: &ContractArgs, json: bool) -> Result<u8> {
    let open = || Session::open(&args.target);
    match &args.what {
        C::Key { what } => key(what, json),
        C::Deploy { module, sign, link } => send::deploy(&mut open()?, module, sign, link, json),
        C::Spawn { template, sign, name, constructor, value, args } => {
            let (name, constructor) = (name.as_deref(), constructor.as_deref());
            send::spawn(&mut open()?, &send::Spawn { template, name, constructor, value: *value, args }, sign, json)
        }
        C::Call { account, function, sign, value, args } => {
            send::call(&mut open()?, account, function, *value, args, sign, json)
        }
        C::View { account, function, principal, gas, at, args } => {
            let asked = look::Asked { account, function, principal: principal.as_deref(), gas: *gas, at: *at, args };
            look::view(&mut open()?, &asked, json)
        }
        C::State { account, raw, at } => look::state(&mut open()?, account, *raw, *at, json),
        C::Events(events) => look::events(&args.target, events, json),
        C::Receipt { transaction } => look::receipt(&mut open()?, transaction, json),
        C::Proof { what, at, digest } => prove::proof(&mut open()?, what, *at, *digest),
        C::Verify { file, root, digest } => prove::verify(file, root.as_deref(), digest.as_deref(), json),
        C::Upgrade { account, module, sign, link, args } => {
            send::upgrade(&mut open()?, account, module, sign, link, args, json)
        }
        C::Publish { module, sign, name, version, link } => {
            send::publish(&mut open()?, module, name.as_deref(), version.as_deref(), sign, link, json)
        }
        C::Libraries => look::libraries(&mut open()?, json),
        C::Fetch { library, out } => look::fetch(&mut open()?, library, out.as_deref(), json),
        C::Root { at } => look::root(&mut open()?, *at, json),
        C::Balance { account, at } => look::balance(&mut open()?, account, *at, json),
        C::Send { to, value, sign } => send::pay(&mut open()?, to, *value, sign, json),
        C::Accounts => look::accounts(&mut open()?, json),
        C::Templates => look::templates(&mut open()?, json),
        C::History { account } => look::history(&mut open()?, account, json),
        C::New { name, lang } => new::run(name, lang.language(), json),
        C::Build { dir, class } => build::run(dir, class.name(), json),
        C::Check { module, library, with } => check::run(module, *library, with, json),
        C::Test { dir } => tests_run::run(dir, json),
        C::Bindings { file, lang } => bindings::run(file, lang),
        C::GasTable => look::gas_table(json),
        C::Replay { dir } => replay(dir, json),
    }
}

fn key(what: &KeyCommand, json: bool) -> Result<u8> {
    let mut book = Book::read()?;
    match what {
        KeyCommand::New { name } => {
            let account = book.new_key(name)?.to_string();
            crate::telemetry::say(&format!(
                "{name} means this key's account from now on; the account of the bare name, to which 'up --fund {name}=N' gives money, \
                 is name:{name}"
            ));
            match json {
                true => crate::show::print_json(&[json!({"name": name, "account": account})]),
                false => crate::show::print(&format!("{account}\n")),
            }
        }
        KeyCommand::List => {
            for (name, why) in book.bad_keys() {
                crate::telemetry::say(&format!("the key {name} is not used: {why}"));
            }
            let rows = book.keys().iter().map(|(name, account)| (name.clone(), account.to_string()));
            if json {
                let values = rows.map(|(name, account)| json!({"name": name, "account": account}));
                return crate::show::print_json(&values.collect::<Vec<_>>());
            }
            let mut table = crate::show::Table::new(["NAME", "ACCOUNT"]);
            rows.for_each(|(name, account)| table.row([name, account]));
            crate::show::print(&table.to_string())
        }
    }
}

/// `contract replay`: a local store's log again, every batch compared with what it has left before.
fn replay(dir: &std::path::Path, json: bool) -> Result<u8> {
    let (batches, tip) = local::Local::again_of(dir)?;
    let root = tip.map(|tip| tip.root.to_string());
    if json {
        return crate::show::print_json(&[json!({"batches": batches, "root": root})]);
    }
    crate::show::print(&format!(
        "{batches} batches come out as they did, root {}\n",
        root.unwrap_or_else(|| "none".into())
    ))
}
