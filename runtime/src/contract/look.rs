//! Looking at contracts: views, state, events, receipts, accounts, templates, history, prices.

use super::reach::ViewOf;
use super::send::arguments;
use super::session::{Session, function};
use super::storage::{MOST, Reader};
use super::{module, show as shown};
use crate::Usage;
use crate::args::contract::{EventsArgs, Target};
use crate::show::{self, Table};
use anyhow::{Context, Result, bail};
use replicode_contracts::abi::FunctionKind;
use replicode_contracts::account::Address;
use replicode_contracts::event::{Filter, Place};
use replicode_contracts::hash::Hash;
use replicode_contracts::template::{Class, Kind};
use replicode_wasm::contracts::ContractSettings;
use serde_json::{Value as Json, json};
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

/// How often a store is asked for events to come.
const POLL: Duration = Duration::from_millis(100);
/// Events that are asked for at once.
const PIECE: usize = 256;

/// What `contract view` is told.
pub struct Asked<'a> {
    /// The contract.
    pub account: &'a str,
    /// The function.
    pub function: &'a str,
    /// Who asks.
    pub principal: Option<&'a str>,
    /// The most gas.
    pub gas: u64,
    /// As of which batch.
    pub at: Option<u64>,
    /// Arguments.
    pub args: &'a [String],
}

/// `contract view`.
///
/// # Errors
/// When something is wrong with what was written, or nobody answers.
pub fn view(session: &mut Session, asked: &Asked<'_>, json: bool) -> Result<u8> {
    let (account, stored) = session.contract(asked.account, asked.at)?;
    let function = function(&stored.1, asked.function)?;
    if function.kind != FunctionKind::View {
        bail!(Usage(format!(
            "{} changes state: use 'contract call', with --dry-run to see what it would do",
            asked.function
        )));
    }
    let arguments = arguments(session, &stored.1, function, asked.args)?;
    let sender = match asked.principal {
        Some(name) => session.who(name)?,
        None => Address::from_bytes([0; 20]),
    };
    let view = ViewOf { sender, account, function: asked.function.into(), arguments, gas: asked.gas, at: asked.at };
    let viewed = session.reach.view(&view)?;
    let (outcome, abi) = (&viewed.outcome, &stored.1.abi);
    if json {
        let value = shown::returned(Some(abi), function.returns.as_ref(), &outcome.returned);
        let reason = shown::reason(session, &outcome.status, Some(&stored));
        let row =
            json!({"status": shown::kind(&outcome.status), "reason": reason, "returned": value, "gas": outcome.burnt});
        show::print_json(&[row])?;
    } else if outcome.is_success() {
        let value = function
            .returns
            .as_ref()
            .and_then(|ty| Some(abi.show(ty, &abi.decode(ty, &outcome.returned).ok()?, &session.book)));
        show::print(&format!("{}\n", value.unwrap_or_else(|| shown::hex(&outcome.returned))))?;
    } else {
        let reason = shown::reason(session, &outcome.status, Some(&stored));
        bail!("{} ended so: {reason}", asked.function);
    }
    Ok(u8::from(!outcome.is_success()))
}

/// `contract state`.
///
/// # Errors
/// When there is no such contract, or nobody answers.
pub fn state(session: &mut Session, contract: &str, raw: bool, at: Option<u64>, json: bool) -> Result<u8> {
    let (account, stored) = session.contract(contract, at)?;
    let mut reader = Reader { reach: &mut *session.reach, account, at, left: MOST };
    if raw {
        let slices = reader.slices(&stored.1)?;
        if json {
            return show::print_json(&slices);
        }
        let mut table = Table::new(["SLICE", "VARIABLE", "PAGE", "OFFSET", "LENGTH", "KIND", "BYTES"]);
        let text = |value: &Json| value.as_str().map_or_else(|| value.to_string(), str::to_string);
        for row in &slices {
            table.row(["slice", "variable", "page", "offset", "length", "kind", "bytes"].map(|name| text(&row[name])));
        }
        return show::print(&table.to_string());
    }
    let variables = reader.variables(&stored.1)?;
    if json {
        return show::print_json(&[Json::Object(variables)]);
    }
    let mut out = String::new();
    for (variable, value) in stored.1.abi.storage.iter().filter_map(|v| Some((v, variables.get(&v.name)?))) {
        lines(&mut out, session, &format!("{}: {}", variable.name, variable.ty), value, 0);
    }
    show::print(&out)
}

/// A value under a heading: nested ones further in, addresses by the names that people have given.
fn lines(out: &mut String, session: &Session, head: &str, value: &Json, depth: usize) {
    let indent = "  ".repeat(depth);
    let name = |text: &str| match text.parse::<Address>() {
        Ok(address) => session.called(&address),
        Err(_) => text.to_string(),
    };
    match value {
        Json::Object(map) if !map.is_empty() => {
            let _ = writeln!(out, "{indent}{head}");
            map.iter().for_each(|(key, value)| lines(out, session, &name(key), value, depth + 1));
        }
        Json::Array(list) if !list.is_empty() => {
            let _ = writeln!(out, "{indent}{head}");
            (0..)
                .zip(list)
                .for_each(|(at, value): (usize, _)| lines(out, session, &format!("[{at}]"), value, depth + 1));
        }
        Json::String(text) => _ = writeln!(out, "{indent}{head} = {}", name(text)),
        value => _ = writeln!(out, "{indent}{head} = {value}"),
    }
}

/// `contract events`.
///
/// # Errors
/// When something is wrong with what was written, or nobody answers.
pub fn events(target: &Target, args: &EventsArgs, json: bool) -> Result<u8> {
    let mut session = if args.follow { Session::look(target)? } else { Session::open(target)? };
    let mut filter = Filter { name: args.name.clone(), from: args.from, to: args.to, ..Filter::default() };
    if let Some(contract) = &args.contract {
        let (account, stored) = session.contract(contract, None)?;
        filter.account = Some(account);
        if let Some(name) = &args.name {
            let abi = &stored.1.abi;
            let Some(form) = abi.events.iter().find(|form| form.name == *name) else {
                let known: Vec<&str> = abi.events.iter().map(|form| form.name.as_str()).collect();
                bail!(Usage(format!("{contract} has no event {name:?}; it has {}", known.join(", "))));
            };
            for topic in &args.topics {
                let (field, text) =
                    topic.split_once('=').ok_or_else(|| Usage(format!("--where {topic}: expected FIELD=VALUE")))?;
                filter = filter.with_topic(abi, form, field, text, &session.book).map_err(Usage)?;
            }
        }
    }
    let (mut after, mut left): (Option<Place>, usize) = (None, args.limit);
    while left > 0 {
        let found = session.reach.events(&filter, after, left.min(PIECE))?;
        for event in &found {
            if json {
                let row = shown::found_json(&mut session, event);
                show::print_json(&[row])?;
            } else {
                let text = shown::event_text(&mut session, &event.event);
                show::print(&format!(
                    "{}.{}.{} {text}\n",
                    event.place.batch, event.place.position, event.place.number
                ))?;
            }
        }
        after = found.last().map(|event| event.place).or(after);
        left = left.saturating_sub(found.len());
        if found.is_empty() {
            if !args.follow {
                break;
            }
            std::thread::sleep(POLL);
        }
    }
    Ok(0)
}

/// `contract receipt`.
///
/// # Errors
/// When there is none, or nobody answers.
pub fn receipt(session: &mut Session, transaction: &str, json: bool) -> Result<u8> {
    let hash: Hash = transaction.parse().map_err(|error| Usage(format!("{error}")))?;
    let receipt = session.reach.receipt(&hash)?.with_context(|| format!("there is no receipt of {hash}"))?;
    let outermost = receipt.gas.frames.iter().rev().find(|frame| frame.depth == 0);
    let called = outermost.map(|frame| (frame.account, frame.function.clone()));
    let stored = called.as_ref().and_then(|(account, _)| session.document_of(account));
    let returns =
        stored.as_ref().zip(called).and_then(|(stored, (_, name))| stored.1.abi.function(&name)?.returns.clone());
    shown::receipt(session, &receipt, stored.as_ref(), returns.as_ref(), json).map(|_| 0)
}

/// `contract root`.
///
/// # Errors
/// When the batch is not kept, or nobody answers.
pub fn root(session: &mut Session, at: Option<u64>, json: bool) -> Result<u8> {
    let batch = session.reach.batch(at)?.context("there was no batch yet")?;
    let (root, receipts, digest) = (batch.root.to_string(), batch.receipts.to_string(), batch.digest().to_string());
    if json {
        return show::print_json(&[
            json!({"batch": batch.index, "root": root, "receipts": receipts, "digest": digest}),
        ]);
    }
    show::print(&format!("batch    {}\nroot     {root}\nreceipts {receipts}\ndigest   {digest}\n", batch.index))
}

/// `contract balance`.
///
/// # Errors
/// When nobody is meant, or nobody answers.
pub fn balance(session: &mut Session, account: &str, at: Option<u64>, json: bool) -> Result<u8> {
    let address = session.who(account)?;
    let balance = session.reach.account(&address, at)?.balance.to_string();
    if json {
        return show::print_json(&[json!({"account": address.to_string(), "balance": balance})]);
    }
    show::print(&format!("{balance}\n"))
}

/// `contract accounts`.
///
/// # Errors
/// When nobody answers.
pub fn accounts(session: &mut Session, json: bool) -> Result<u8> {
    let rows = session.reach.accounts()?;
    let mut values = Vec::new();
    let mut table = Table::new(["ACCOUNT", "NAME", "CONTRACT", "BALANCE", "NONCE", "STATE"]);
    for row in rows {
        let record = row.now.record;
        let contract = record.template.and_then(|template| Some(session.document(&template)?.1.header.name.clone()));
        let (called, address) = (session.called(&row.address), row.address.to_string());
        let name = (called != address).then_some(called);
        values.push(json!({
            "account": address, "name": name, "contract": contract, "template": record.template.map(|hash| hash.to_string()),
            "balance": row.now.balance.to_string(), "nonce": record.nonce, "spawned": record.spawned,
            "state": row.now.state.to_string(),
        }));
        let dash = |text: Option<String>| text.unwrap_or_else(|| "-".into());
        let state = row.now.state.to_string();
        table.row([
            address,
            dash(name),
            dash(contract),
            row.now.balance.to_string(),
            record.nonce.to_string(),
            state[..16].to_string(),
        ]);
    }
    if json { show::print_json(&values) } else { show::print(&table.to_string()) }
}

/// `contract templates`.
///
/// # Errors
/// When nobody answers.
pub fn templates(session: &mut Session, json: bool) -> Result<u8> {
    let mut values = Vec::new();
    let mut table = Table::new(["TEMPLATE", "NAME", "VERSION", "KIND", "CLASS", "BYTES", "MEMORY"]);
    for hash in session.reach.templates()? {
        let stored = session.template(&hash)?;
        let template = &stored.1;
        let kind = if template.header.kind == Kind::Library { "library" } else { "contract" };
        let class = if template.class == Class::Metered { "metered" } else { "fixed" };
        let pins: serde_json::Map<String, Json> =
            template.libraries.iter().map(|pin| (pin.name.clone(), pin.hash.to_string().into())).collect();
        values.push(json!({
            "template": hash.to_string(), "name": template.header.name, "version": template.header.version, "kind": kind,
            "class": class, "code_bytes": template.code.len(), "memory": template.memory, "libraries": pins,
        }));
        let header = &template.header;
        table.row([
            hash.to_string(),
            header.name.clone(),
            header.version.clone(),
            kind.into(),
            class.into(),
            template.code.len().to_string(),
            template.memory.to_string(),
        ]);
    }
    if json { show::print_json(&values) } else { show::print(&table.to_string()) }
}

/// `contract libraries`.
///
/// # Errors
/// When nobody answers.
pub fn libraries(session: &mut Session, json: bool) -> Result<u8> {
    let rows = session.reach.libraries()?;
    if json {
        let value = |row: &super::reach::LibraryRow| json!({"publisher": row.publisher.to_string(), "name": row.name, "version": row.version, "template": row.template.to_string()});
        return show::print_json(&rows.iter().map(value).collect::<Vec<_>>());
    }
    let mut table = Table::new(["LIBRARY", "PUBLISHER", "TEMPLATE"]);
    for row in rows {
        table.row([format!("{}@{}", row.name, row.version), session.called(&row.publisher), row.template.to_string()]);
    }
    show::print(&table.to_string())
}

/// `contract fetch`: the module of a library, as others link it.
///
/// # Errors
/// When there is no such library, or the file cannot be written.
pub fn fetch(session: &mut Session, library: &str, out: Option<&Path>, json: bool) -> Result<u8> {
    let hash = module::find(session, library)?;
    let stored = session.template(&hash)?;
    let default = format!("{}.wasm", stored.1.header.name);
    let path = out.unwrap_or(Path::new(&default));
    // The document goes with the code, so that what was fetched can be used as what was built.
    let code =
        super::sections::with(&stored.1.code, replicode_contracts::template::ABI_SECTION, &stored.1.abi.to_json());
    std::fs::write(path, &code).with_context(|| format!("cannot write {}", path.display()))?;
    if json {
        return show::print_json(&[json!({"file": path, "template": hash.to_string(), "bytes": code.len()})]);
    }
    show::print(&format!("{}: {} bytes of template {hash}\n", path.display(), code.len()))
}

/// `contract history`.
///
/// # Errors
/// When nobody is meant, or nobody answers.
pub fn history(session: &mut Session, account: &str, json: bool) -> Result<u8> {
    let address = session.who(account)?;
    let past = session.reach.history(&address)?;
    if json {
        let value = |past: &super::reach::Past| json!({"batch": past.batch, "transaction": past.transaction.to_string(), "state": past.state.to_string()});
        return show::print_json(&past.iter().map(value).collect::<Vec<_>>());
    }
    let mut table = Table::new(["BATCH", "TRANSACTION", "STATE"]);
    for row in past {
        table.row([row.batch.to_string(), row.transaction.to_string(), row.state.to_string()]);
    }
    show::print(&table.to_string())
}

/// `contract gas-table`: what this program charges.
///
/// # Errors
/// When standard output fails.
pub fn gas_table(json: bool) -> Result<u8> {
    let settings = ContractSettings::default();
    let mut rows = Vec::new();
    for (name, rate) in settings.gas.rows() {
        rows.push(("instruction", name.to_string(), rate.base.into(), rate.each, rate.shift));
    }
    for row in settings.rows() {
        rows.push(("host function", row.name.to_string(), u64::from(row.price.base), row.price.each, row.price.shift));
    }
    let prices = &settings.prices;
    let host = [
        ("call", prices.call),
        ("spawn", prices.spawn),
        ("read", prices.read),
        ("read_byte", prices.read_byte),
        ("write", prices.write),
        ("write_byte", prices.write_byte),
        ("event", prices.event),
        ("event_byte", prices.event_byte),
        ("template_byte", prices.template_byte),
    ];
    rows.extend(host.map(|(name, gas)| ("act", name.to_string(), gas, 0, 0)));
    if json {
        let value = |(of, name, base, each, shift): &(&str, String, u64, u32, u8)| json!({"of": of, "name": name, "base": base, "each": each, "shift": shift});
        return show::print_json(&rows.iter().map(value).collect::<Vec<_>>());
    }
    let mut table = Table::new(["OF", "NAME", "BASE", "EACH", "SHIFT"]);
    for (of, name, base, each, shift) in rows {
        table.row([of.to_string(), name, base.to_string(), each.to_string(), shift.to_string()]);
    }
    show::print(&table.to_string())
}
