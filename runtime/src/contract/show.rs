//! Receipts, events and values as text for people and as JSON for scripts.

use super::session::{Session, Stored};
use crate::show;
use anyhow::Result;
use replicode_contracts::abi::document::PANIC_CODE;
use replicode_contracts::abi::{Abi, Type};
use replicode_contracts::event::{Event, Found};
use replicode_contracts::receipt::{GasKind, Receipt, Status, show as receipts};
use serde_json::{Value as Json, json};
use std::fmt::Write;

/// The kind of a status, for scripts.
pub fn kind(status: &Status) -> &'static str {
    match status {
        Status::Success => "success",
        Status::Reverted { .. } => "reverted",
        Status::OutOfGas => "out_of_gas",
        Status::Trapped { .. } => "trapped",
        Status::TemplateNotFound { .. } => "template_not_found",
        Status::AccountNotFound { .. } => "account_not_found",
        Status::FunctionNotFound { .. } => "function_not_found",
        Status::BadArguments { .. } => "bad_arguments",
        Status::NotAConstructor { .. } => "not_a_constructor",
        Status::NotAllowed { .. } => "not_allowed",
        Status::TooDeep => "too_deep",
        Status::Reentered { .. } => "reentered",
        Status::Skipped { .. } => "skipped",
        Status::NoMoney { .. } => "no_money",
        Status::Refused { .. } => "refused",
    }
}

/// The document whose errors a status is about: of what was called, or else of the frame that has begun first.
fn document(session: &mut Session, receipt: &Receipt, called: Option<&Stored>) -> Option<Stored> {
    if let Some(stored) = called {
        return Some(stored.clone());
    }
    let outermost = receipt.gas.frames.iter().rev().find(|frame| frame.depth == 0)?;
    let account = outermost.account;
    session.document_of(&account)
}

/// How it has ended, in words.
pub fn reason(session: &mut Session, status: &Status, document: Option<&Stored>) -> String {
    let text = receipts::status(status, document.map(|stored| &stored.1.abi), &session.book);
    match status {
        Status::Reverted { code, .. } if *code != PANIC_CODE => format!("reverted: {text}"),
        _ => text,
    }
}

/// A contract's own error, by name.
fn error(status: &Status, abi: Option<&Abi>) -> Json {
    let Status::Reverted { code, data } = status else { return Json::Null };
    if *code == PANIC_CODE {
        return json!({"name": "panic", "code": code, "message": String::from_utf8_lossy(data)});
    }
    let named = abi.and_then(|abi| {
        let form = abi.error(*code)?;
        let values = abi.decode_fields(&form.fields, data).ok()?;
        Some(json!({"name": form.name, "code": code, "fields": abi.fields_to_json(&form.fields, &values)}))
    });
    named.unwrap_or_else(|| json!({"code": code, "data": hex(data)}))
}

/// Hexadecimal digits behind `0x`.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::from("0x"), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// What a function has returned, by its type.
pub fn returned(abi: Option<&Abi>, ty: Option<&Type>, bytes: &[u8]) -> Json {
    let decoded = abi.zip(ty).and_then(|(abi, ty)| Some(abi.to_json_value(ty, &abi.decode(ty, bytes).ok()?)));
    match decoded {
        Some(value) => value,
        None if bytes.is_empty() => Json::Null,
        None => hex(bytes).into(),
    }
}

/// An event as JSON, without its place.
pub fn event_json(session: &mut Session, event: &Event) -> Json {
    let fields = session.document(&event.template).and_then(|stored| {
        let form = stored.1.abi.events.iter().find(|form| form.name == event.name)?;
        let values = stored.1.abi.decode_fields(&form.fields, &event.data).ok()?;
        Some(stored.1.abi.fields_to_json(&form.fields, &values))
    });
    json!({
        "contract": event.account.to_string(),
        "name": event.name,
        "fields": fields.unwrap_or_else(|| hex(&event.data).into()),
        "expires": event.expires.to_string(),
    })
}

/// An event in a line.
pub fn event_text(session: &mut Session, event: &Event) -> String {
    let stored = session.document(&event.template);
    let text = receipts::event(event, stored.as_ref().map(|stored| &stored.1.abi), &session.book);
    format!("{} {text}", session.called(&event.account))
}

/// An event that was found, as JSON.
pub fn found_json(session: &mut Session, found: &Found) -> Json {
    let mut event = event_json(session, &found.event);
    event["batch"] = found.place.batch.into();
    event["position"] = found.place.position.into();
    event["number"] = found.place.number.into();
    event
}

/// A receipt as JSON.
pub fn receipt_json(session: &mut Session, receipt: &Receipt, called: Option<&Stored>, returns: Option<&Type>) -> Json {
    let stored = document(session, receipt, called);
    let abi = stored.as_ref().map(|stored| &stored.1.abi);
    let kinds = |burnt: &[u64; 6]| {
        let pairs = GasKind::ALL.iter().zip(burnt).filter(|(_, gas)| **gas > 0);
        Json::Object(pairs.map(|(kind, gas)| (format!("{kind:?}").to_lowercase(), (*gas).into())).collect())
    };
    let frame = |frame: &replicode_contracts::receipt::FrameGas| {
        json!({
            "depth": frame.depth, "account": frame.account.to_string(), "function": frame.function,
            "limit": frame.limit, "burnt": frame.total(), "kinds": kinds(&frame.burnt),
        })
    };
    let frames: Vec<Json> = receipt.gas.frames.iter().map(frame).collect();
    let error = error(&receipt.status, abi);
    let value = returned(abi, returns, &receipt.returned);
    let reason = reason(session, &receipt.status, stored.as_ref());
    let events: Vec<Json> = receipt.events.iter().map(|event| event_json(session, event)).collect();
    let touched: Vec<Json> = receipt.touched.iter().map(|touched| touched_json(session, touched)).collect();
    let strings = |list: Vec<String>| Json::from(list);
    json!({
        "transaction": receipt.transaction.to_string(),
        "batch": receipt.batch,
        "position": receipt.position,
        "status": kind(&receipt.status),
        "reason": reason,
        "error": error,
        "action": receipt.action,
        "returned": value,
        "gas": {
            "limit": receipt.gas.limit, "burnt": receipt.gas.burnt, "price": receipt.gas.price,
            "refund": receipt.gas.refund(), "frames": frames, "outside": kinds(&receipt.gas.outside),
        },
        "fee": receipt.fee().to_string(),
        "spawned": strings(receipt.spawned.iter().map(ToString::to_string).collect()),
        "deployed": strings(receipt.deployed.iter().map(ToString::to_string).collect()),
        "events": events,
        "touched": touched,
        "states": receipt.states.iter()
            .map(|after| json!({"account": after.account.to_string(), "state": after.state.to_string()}))
            .collect::<Vec<_>>(),
    })
}

fn touched_json(session: &mut Session, touched: &replicode_contracts::receipt::Touched) -> Json {
    let stored = session.document_of(&touched.account);
    let name = |index: u32| {
        let variable = stored.as_ref()?.1.abi.storage.iter().find(|variable| variable.slice == index)?;
        Some(variable.name.clone())
    };
    let slices: Vec<Json> = (touched.slices.iter())
        .map(|slice| json!({"index": slice.index, "variable": name(slice.index), "written": slice.written}))
        .collect();
    json!({
        "account": touched.account.to_string(), "slices": slices,
        "elements_read": touched.elements_read, "elements_written": touched.elements_written,
    })
}

/// A receipt as text.
pub fn receipt_text(
    session: &mut Session,
    receipt: &Receipt,
    called: Option<&Stored>,
    returns: Option<&Type>,
) -> String {
    let stored = document(session, receipt, called);
    let mut out = reason(session, &receipt.status, stored.as_ref());
    out.push('\n');
    for template in &receipt.deployed {
        let _ = writeln!(out, "template {template}");
    }
    for account in &receipt.spawned {
        let _ = writeln!(out, "account {account}{}", named(session, account));
    }
    if let (Some(stored), Some(ty)) = (&stored, returns)
        && let Ok(value) = stored.1.abi.decode(ty, &receipt.returned)
    {
        let _ = writeln!(out, "returned {}", stored.1.abi.show(ty, &value, &session.book));
    }
    for event in &receipt.events {
        let _ = writeln!(out, "event {}", event_text(session, event));
    }
    for touched in &receipt.touched {
        let json = touched_json(session, touched);
        let slices = json["slices"].as_array().cloned().unwrap_or_default();
        let names = slices.iter().map(|slice| {
            let name = slice["variable"].as_str().map_or_else(|| format!("slice {}", slice["index"]), str::to_string);
            format!("{name}{}", if slice["written"] == true { " (written)" } else { "" })
        });
        let mut parts: Vec<String> = names.collect();
        if touched.elements_read + touched.elements_written > 0 {
            parts.push(format!("elements: {} read, {} written", touched.elements_read, touched.elements_written));
        }
        let _ = writeln!(out, "touched {}: {}", session.called(&touched.account), parts.join(", "));
    }
    for after in &receipt.states {
        let _ = writeln!(out, "state {} {}", session.called(&after.account), after.state);
    }
    for line in receipts::gas(receipt, &session.book).lines() {
        let _ = writeln!(out, "gas {line}");
    }
    if receipt.gas.price > 0 {
        let _ = writeln!(out, "fee {}", receipt.fee());
    }
    let _ = writeln!(out, "transaction {} in batch {}", receipt.transaction, receipt.batch);
    out
}

fn named(session: &Session, account: &replicode_contracts::account::Address) -> String {
    let name = session.called(account);
    if name == account.to_string() { String::new() } else { format!(" ({name})") }
}

/// Prints a receipt; exit code 1 unless it succeeded.
///
/// # Errors
/// When standard output fails.
pub fn receipt(
    session: &mut Session,
    receipt: &Receipt,
    called: Option<&Stored>,
    returns: Option<&Type>,
    json: bool,
) -> Result<u8> {
    match json {
        true => show::print_json(&[receipt_json(session, receipt, called, returns)])?,
        false => show::print(&receipt_text(session, receipt, called, returns))?,
    };
    Ok(u8::from(!receipt.is_success()))
}

/// A value in JSON's words with names for accounts: what tables show.
pub fn plain(abi: &Abi, ty: &Type, bytes: &[u8]) -> Option<Json> {
    Some(abi.to_json_value(ty, &abi.decode(ty, bytes).ok()?))
}
