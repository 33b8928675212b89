//! The account, who calls it and when, what it was called with and what it returns.

use super::{Answer, Context};
use crate::account::Address;
use crate::receipt::Trap;
use crate::registers::Width;

/// An address in memory.
pub(super) fn address_at(cx: &mut Context<'_>, at: u32) -> Answer<Address> {
    cx.array(at).map(Address::from_bytes)
}

/// See the table.
pub fn balance(cx: &mut Context<'_>, account: u32, to: u32) -> Answer<()> {
    let account = address_at(cx, account)?;
    cx.room(to, 16)?;
    let balance = cx.host.balance(&account)?;
    cx.put(to, &balance.to_le_bytes())
}

/// See the table.
pub fn svm_get_balance_from_reg(cx: &mut Context<'_>, bits: u32, index: u32) -> Answer<u64> {
    if cx.width(bits)? != Width::W160 {
        return Err(cx.host.trap(Trap::Register));
    }
    let mut account = [0; 20];
    let read = cx.host.registers().get(Width::W160, index).map(|bytes| account.copy_from_slice(bytes));
    cx.registered(read)?;
    let balance = cx.host.balance(&Address::from_bytes(account))?;
    Ok(u64::try_from(balance).unwrap_or(u64::MAX).min(i64::MAX as u64))
}

/// See the table.
pub fn transfer(cx: &mut Context<'_>, account: u32, low: u64, high: u64) -> Answer<u32> {
    let account = address_at(cx, account)?;
    cx.host.transfer(&account, wide(low, high)).map(u32::from)
}

/// An amount in two halves.
pub(super) fn wide(low: u64, high: u64) -> u128 {
    u128::from(high) << 64 | u128::from(low)
}

/// See the table.
pub fn nonce(cx: &mut Context<'_>, account: u32) -> Answer<u64> {
    let account = address_at(cx, account)?;
    cx.host.nonce(&account)
}

/// See the table.
pub fn address(cx: &mut Context<'_>, to: u32) -> Answer<()> {
    let address = *cx.host.message().account.as_bytes();
    cx.put(to, &address)
}

/// See the table.
pub fn sender(cx: &mut Context<'_>, to: u32) -> Answer<()> {
    let address = *cx.host.message().sender.as_bytes();
    cx.put(to, &address)
}

/// See the table.
pub fn principal(cx: &mut Context<'_>, to: u32) -> Answer<()> {
    let address = *cx.host.message().principal.as_bytes();
    cx.put(to, &address)
}

/// See the table.
pub fn template(cx: &mut Context<'_>, to: u32) -> Answer<()> {
    let hash = cx.host.message().template;
    cx.put(to, hash.as_bytes())
}

/// See the table.
pub fn value(cx: &mut Context<'_>, to: u32) -> Answer<()> {
    let value = cx.host.message().value;
    cx.put(to, &value.to_le_bytes())
}

/// See the table.
pub fn batch(cx: &mut Context<'_>) -> Answer<u64> {
    Ok(cx.host.message().moment.batch)
}

/// See the table.
pub fn time(cx: &mut Context<'_>) -> Answer<u64> {
    Ok(cx.host.message().moment.time)
}

/// See the table.
pub fn seed(cx: &mut Context<'_>) -> Answer<u64> {
    Ok(cx.host.message().moment.seed)
}

/// See the table.
pub fn gas_left(cx: &mut Context<'_>) -> Answer<u64> {
    Ok(cx.host.gas_left())
}

/// See the table.
pub fn depth(cx: &mut Context<'_>) -> Answer<u32> {
    Ok(u32::from(cx.host.message().depth))
}

/// See the table.
pub fn read_only(cx: &mut Context<'_>) -> Answer<u32> {
    Ok(u32::from(cx.host.message().read_only))
}

/// See the table.
pub fn input_len(cx: &mut Context<'_>) -> Answer<u32> {
    Ok(u32::try_from(cx.frame.input.len()).unwrap_or(u32::MAX))
}

/// See the table.
pub fn input(cx: &mut Context<'_>, offset: u32, to: u32, len: u32) -> Answer<()> {
    let input = std::mem::take(&mut cx.frame.input);
    let done = cx.put_part(&input, offset, to, len);
    cx.frame.input = input;
    done
}

/// See the table.
pub fn output(cx: &mut Context<'_>, from: u32, len: u32) -> Answer<()> {
    cx.frame.output = cx.taken(from, len, true)?;
    Ok(())
}
