//! A receipt as a person reads it: names instead of numbers wherever a document is at hand.

use super::status::Status;
use super::{GasKind, Receipt};
use crate::abi::document::PANIC_CODE;
use crate::abi::{Abi, Names};
use crate::event::Event;
use std::fmt::Write;

/// How a call has ended, with the contract's own errors by name: `InsufficientFunds { have: 12, need: 30 }`.
#[must_use]
pub fn status(status: &Status, abi: Option<&Abi>, names: &dyn Names) -> String {
    let Status::Reverted { code, data } = status else { return status.to_string() };
    if *code == PANIC_CODE {
        return format!("panicked: {}", String::from_utf8_lossy(data));
    }
    let named = abi.and_then(|abi| {
        let form = abi.error(*code)?;
        let values = abi.decode_fields(&form.fields, data).ok()?;
        Some(abi.show_fields(&form.name, &form.fields, &values, names))
    });
    named.unwrap_or_else(|| format!("error {code} (0x{})", hex::encode(data)))
}

/// An event with its fields by name: `Transfer { from: ann, to: bob, amount: 30 }`.
#[must_use]
pub fn event(event: &Event, abi: Option<&Abi>, names: &dyn Names) -> String {
    let named = abi.and_then(|abi| {
        let form = abi.events.iter().find(|form| form.name == event.name)?;
        let values = abi.decode_fields(&form.fields, &event.data).ok()?;
        Some(abi.show_fields(&form.name, &form.fields, &values, names))
    });
    named.unwrap_or_else(|| format!("{} (0x{})", event.name, hex::encode(&event.data)))
}

/// Gas by frame and kind, a frame a line, nested ones further in.
#[must_use]
pub fn gas(receipt: &Receipt, names: &dyn Names) -> String {
    let mut out = String::new();
    for frame in &receipt.gas.frames {
        let indent = "  ".repeat(usize::from(frame.depth));
        let account = names.name(&frame.account).unwrap_or_else(|| frame.account.to_string());
        let _ = write!(out, "{indent}{account}.{}: {} of {}", frame.function, frame.total(), frame.limit);
        let kinds = GasKind::ALL.iter().zip(frame.burnt).filter(|(_, gas)| *gas > 0);
        for (i, (kind, gas)) in kinds.enumerate() {
            let _ = write!(out, "{}{} {gas}", if i == 0 { " = " } else { " + " }, format!("{kind:?}").to_lowercase());
        }
        out.push('\n');
    }
    let _ = write!(out, "burnt {} of {}, {} not paid for", receipt.gas.burnt, receipt.gas.limit, receipt.gas.refund());
    out
}
