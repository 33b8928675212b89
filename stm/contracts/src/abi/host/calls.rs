//! Calls of other accounts, new accounts, new templates, and how the last of them has ended.

use super::account::{address_at, wide};
use super::context::MAX_BYTES;
use super::{Answer, Context};
use crate::hash::Hash;
use crate::receipt::{Status, Trap};
use crate::run::{CallRequest, SpawnRequest};
use crate::transaction::encode;

const READ_ONLY: u32 = 1;
const MAY_REENTER: u32 = 2;

/// The first byte of a status as it is encoded.
fn code(status: &Status) -> u32 {
    encode(status).first().copied().map_or(0, u32::from)
}

/// See the table.
#[expect(clippy::too_many_arguments, reason = "they are the interface's")]
pub fn call(
    cx: &mut Context<'_>,
    account: u32,
    name: u32,
    name_len: u32,
    low: u64,
    high: u64,
    gas: u64,
    flags: u32,
    args: u32,
    args_len: u32,
) -> Answer<u32> {
    if flags & !(READ_ONLY | MAY_REENTER) != 0 {
        return Err(cx.host.trap(Trap::Host));
    }
    let account = address_at(cx, account)?;
    let function = cx.text(name, name_len)?;
    let arguments = cx.taken(args, args_len, true)?;
    let outcome = cx.host.call(CallRequest {
        account,
        function,
        arguments,
        value: wide(low, high),
        gas,
        read_only: flags & READ_ONLY != 0,
        may_reenter: flags & MAY_REENTER != 0,
    })?;
    Ok(code(&outcome.status))
}

/// See the table.
#[expect(clippy::too_many_arguments, reason = "they are the interface's")]
pub fn spawn(
    cx: &mut Context<'_>,
    template: u32,
    name: u32,
    name_len: u32,
    low: u64,
    high: u64,
    gas: u64,
    to: u32,
    args: u32,
    args_len: u32,
) -> Answer<u32> {
    let template = Hash::new(cx.array(template)?);
    let constructor = if name_len == 0 { None } else { Some(cx.text(name, name_len)?) };
    let arguments = cx.taken(args, args_len, true)?;
    cx.room(to, 20)?;
    let request = SpawnRequest { template, constructor, arguments, value: wide(low, high), gas };
    let (address, outcome) = cx.host.spawn(request)?;
    if let Some(address) = address {
        cx.put(to, address.as_bytes())?;
    }
    Ok(code(&outcome.status))
}

/// See the table.
pub fn deploy(cx: &mut Context<'_>, to: u32, from: u32, len: u32) -> Answer<u32> {
    cx.room(to, 32)?;
    let template = cx.bytes(from, len)?.to_vec();
    match cx.host.deploy(&template)? {
        Ok(hash) => {
            cx.put(to, hash.as_bytes())?;
            Ok(0)
        }
        Err(status) => Ok(code(&status)),
    }
}

/// What the last call has returned, or reverted with.
fn last_bytes(cx: &mut Context<'_>) -> Vec<u8> {
    match cx.host.last_outcome() {
        Some(outcome) => match &outcome.status {
            Status::Reverted { data, .. } => data.clone(),
            _ => outcome.returned.clone(),
        },
        None => Vec::new(),
    }
}

/// See the table.
pub fn result_len(cx: &mut Context<'_>) -> Answer<u32> {
    Ok(u32::try_from(last_bytes(cx).len()).unwrap_or(MAX_BYTES))
}

/// See the table.
pub fn result(cx: &mut Context<'_>, offset: u32, to: u32, len: u32) -> Answer<()> {
    let bytes = last_bytes(cx);
    cx.put_part(&bytes, offset, to, len)
}

/// See the table.
pub fn reason(cx: &mut Context<'_>, to: u32, cap: u32) -> Answer<u32> {
    let reason = cx.host.last_outcome().map(|outcome| encode(&outcome.status)).unwrap_or_default();
    cx.put_some(to, cap, &reason)
}

/// See the table.
pub fn burnt(cx: &mut Context<'_>) -> Answer<u64> {
    Ok(cx.host.last_outcome().map_or(0, |outcome| outcome.burnt))
}
