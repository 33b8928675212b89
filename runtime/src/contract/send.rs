//! Transactions: made of what people write, checked before anything is sent, signed, sent.

use super::book::BARE;
use super::module::{self, Module};
use super::session::{Session, Stored, function};
use super::show;
use crate::Usage;
use crate::args::contract::{Link, Sign};
use anyhow::{Context, Result, bail};
use replicode_contracts::abi::{Function, FunctionKind, Given, Type};
use replicode_contracts::account::Address;
use replicode_contracts::hash::Hash;
use replicode_contracts::receipt::Receipt;
use replicode_contracts::template::{Kind, Template};
use replicode_contracts::transaction::{Action, Body, Proof, Transaction, VERSION};
use std::path::Path;
use std::rc::Rc;

/// Arguments against what a function takes, encoded.
///
/// # Errors
/// Everything that is wrong with them, a line each.
pub fn arguments(session: &Session, template: &Template, function: &Function, words: &[String]) -> Result<Vec<u8>> {
    let encoded = Given::read(words).encode(&template.abi, function, &session.book);
    encoded.map_err(|wrong| Usage(wrong.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")).into())
}

/// Signs, checks and sends actions; the receipt. With `--dry-run` nothing is sent.
fn send(session: &mut Session, sign: &Sign, actions: Vec<Action>) -> Result<Receipt> {
    let name = &sign.principal;
    let key = session.book.key(name)?;
    let config = &session.about.config;
    let name = name.strip_prefix(BARE).filter(|_| config.trust_names).unwrap_or(name);
    let principal = match &key {
        Some(key) => Address::of_key(&key.verifying_key().to_bytes()),
        None if config.trust_names => Address::of_name(name),
        None => {
            bail!(Usage(format!("there is no key called {name:?}; make it with 'replicode contract key new {name}'")))
        }
    };
    let now = session.reach.account(&principal, None)?;
    if key.is_some() && config.trust_names && now.balance == 0 && now.record.nonce == 0 {
        let bare = session.reach.account(&Address::of_name(name), None)?;
        if bare.balance > 0 {
            crate::telemetry::say(&format!(
                "--as {name} is the account of your key {name}, which has nothing yet; the {} of this cell's '{name}' are in the \
                 account of the bare name: --as {BARE}{name}",
                bare.balance
            ));
        }
    }
    let config = &session.about.config;
    let nonce = now.record.nonce;
    let (cell, limits) = (config.cell, config.limits);
    let body =
        Body { version: VERSION, principal, nonce, gas_limit: sign.gas, gas_price: session.about.gas_price, actions };
    let transaction = match key {
        Some(key) => body.sign(&cell, &key),
        None => Transaction { body, proof: Proof::Name { name: name.to_string() } },
    };
    let bytes = transaction.encode();
    if let Err(wrong) = Transaction::decode(&bytes, &limits) {
        let lines: Vec<String> = wrong.iter().map(ToString::to_string).collect();
        bail!(Usage(format!("this would be no transaction: {}", lines.join("\n"))));
    }
    match sign.dry_run {
        true => session.reach.dry_run(&bytes),
        false => session.reach.submit(&bytes),
    }
}

/// What a command prints about its receipt.
fn tell(
    session: &mut Session,
    sign: &Sign,
    receipt: &Receipt,
    called: Option<&Stored>,
    returns: Option<&Type>,
    json: bool,
) -> Result<u8> {
    if sign.dry_run && !json {
        crate::telemetry::say("a dry run: nothing has happened");
    }
    show::receipt(session, receipt, called, returns, json)
}

/// `contract deploy`.
///
/// # Errors
/// When the module cannot be used, or there is no receipt.
pub fn deploy(session: &mut Session, path: &Path, sign: &Sign, link: &Link, json: bool) -> Result<u8> {
    let (template, stored) = template(session, path, link, Kind::Contract)?;
    let receipt = send(session, sign, vec![Action::Deploy { template }])?;
    if receipt.is_success() && !sign.dry_run {
        session.book.name_template(&stored.1.header.name, &stored.0)?;
    }
    tell(session, sign, &receipt, Some(&stored), None, json)
}

/// The template of a module: its bytes, and what they say.
fn template(session: &mut Session, path: &Path, link: &Link, kind: Kind) -> Result<(Vec<u8>, Stored)> {
    let module = Module::read(path)?;
    let pins = module::pins(session, &module, path, link)?;
    let loader = module::loader()?;
    module::load_libraries(session, &loader, &pins)?;
    let limits = session.about.config.limits.template;
    let bytes =
        module.template(kind, pins, &loader, &limits).with_context(|| format!("{} is refused", path.display()))?;
    let decoded = Template::decode(&bytes, &limits)?;
    Ok((bytes.clone(), Rc::new((Template::hash_of(&bytes), decoded))))
}

/// What `contract spawn` is told.
pub struct Spawn<'a> {
    /// The template, as it was written.
    pub template: &'a str,
    /// What to call the account.
    pub name: Option<&'a str>,
    /// The constructor, of several.
    pub constructor: Option<&'a str>,
    /// The first balance.
    pub value: u128,
    /// The constructor's arguments.
    pub args: &'a [String],
}

/// `contract spawn`.
///
/// # Errors
/// When something is wrong with what was written, or there is no receipt.
pub fn spawn(session: &mut Session, spawn: &Spawn<'_>, sign: &Sign, json: bool) -> Result<u8> {
    if let Some(name) = spawn.name {
        session.book.check_free(name)?;
    }
    let stored = session.find_template(spawn.template)?;
    let template = &stored.1;
    let inits: Vec<&Function> = template.abi.functions.iter().filter(|f| f.kind == FunctionKind::Init).collect();
    let known = || inits.iter().map(|f| f.name.as_str()).collect::<Vec<_>>().join(", ");
    let init = match (spawn.constructor, inits.as_slice()) {
        (Some(name), _) => match inits.iter().find(|f| f.name == name) {
            Some(init) => Some(*init),
            None => bail!(Usage(format!("{name:?} is no constructor of {}; it has {}", template.header.name, known()))),
        },
        (None, []) => None,
        (None, [one]) => Some(*one),
        (None, _) => bail!(Usage(format!(
            "{} has several constructors: say which with --constructor, {}",
            template.header.name,
            known()
        ))),
    };
    let arguments = match init {
        Some(init) => arguments(session, template, init, spawn.args)?,
        None if spawn.args.is_empty() => Vec::new(),
        None => bail!(Usage(format!("{} has no constructor: it takes no arguments", template.header.name))),
    };
    let constructor = init.map(|init| init.name.clone());
    let action = Action::Spawn { template: stored.0, constructor, arguments, value: spawn.value };
    let receipt = send(session, sign, vec![action])?;
    if let (Some(name), Some(account), false) = (spawn.name, receipt.spawned.first(), sign.dry_run)
        && receipt.is_success()
    {
        session.book.name_account(name, account)?;
    }
    tell(session, sign, &receipt, Some(&stored), None, json)
}

/// `contract call`.
///
/// # Errors
/// When something is wrong with what was written, or there is no receipt.
pub fn call(
    session: &mut Session,
    account: &str,
    name: &str,
    value: u128,
    args: &[String],
    sign: &Sign,
    json: bool,
) -> Result<u8> {
    let (address, stored) = session.contract(account, None)?;
    let function = function(&stored.1, name)?;
    if value > 0 && !function.payable {
        bail!(Usage(format!("{name} takes no money: leave --value away")));
    }
    let arguments = arguments(session, &stored.1, function, args)?;
    let returns = function.returns.clone();
    let action = Action::Call { account: address, function: name.to_string(), arguments, value };
    let receipt = send(session, sign, vec![action])?;
    tell(session, sign, &receipt, Some(&stored), returns.as_ref(), json)
}

/// `contract send`.
///
/// # Errors
/// When nobody is meant, or there is no receipt.
pub fn pay(session: &mut Session, to: &str, value: u128, sign: &Sign, json: bool) -> Result<u8> {
    let to = session.who(to)?;
    let receipt = send(session, sign, vec![Action::Transfer { to, value }])?;
    tell(session, sign, &receipt, None, None, json)
}

/// `contract upgrade`: stores the new template, and gives it to the account, in one transaction.
///
/// # Errors
/// When something is wrong with what was written, or there is no receipt.
pub fn upgrade(
    session: &mut Session,
    account: &str,
    path: &Path,
    sign: &Sign,
    link: &Link,
    args: &[String],
    json: bool,
) -> Result<u8> {
    let (address, _) = session.contract(account, None)?;
    let (template, new) = template(session, path, link, Kind::Contract)?;
    let migrate = new.1.abi.function_of_kind(FunctionKind::Migrate);
    let arguments = match migrate {
        Some(migrate) => arguments(session, &new.1, migrate, args)?,
        None if args.is_empty() => Vec::new(),
        None => bail!(Usage(format!("{} has no migrate: it takes no arguments", new.1.header.name))),
    };
    let hash: Hash = new.0;
    let mut actions = Vec::new();
    if session.reach.template(&hash)?.is_none() {
        actions.push(Action::Deploy { template });
    }
    actions.push(Action::Upgrade { account: address, template: hash, arguments });
    let receipt = send(session, sign, actions)?;
    if receipt.is_success() && !sign.dry_run {
        session.book.name_template(&new.1.header.name, &hash)?;
    }
    tell(session, sign, &receipt, Some(&new), None, json)
}

/// `contract publish`.
///
/// # Errors
/// When the module cannot be used, or there is no receipt.
pub fn publish(
    session: &mut Session,
    path: &Path,
    name: Option<&str>,
    version: Option<&str>,
    sign: &Sign,
    link: &Link,
    json: bool,
) -> Result<u8> {
    let (template, stored) = template(session, path, link, Kind::Library)?;
    let name = name.unwrap_or(&stored.1.header.name).to_string();
    let version = version.unwrap_or(&stored.1.header.version).to_string();
    let receipt = send(session, sign, vec![Action::Publish { name, version, template }])?;
    tell(session, sign, &receipt, Some(&stored), None, json)
}
