//! Registers: to and from memory and slices, integers at any place, comparison, arithmetic. A register that is not there, and bytes
//! that are not within it, are traps.

use super::{Answer, Context, storage};
use crate::receipt::Trap;
use crate::registers::{Endian, Operation, RegisterError, Width};

/// Bytes of the widest register.
const WIDEST: u32 = 64;

fn few(cx: &mut Context<'_>, from: u32, len: u32) -> Answer<([u8; WIDEST as usize], usize)> {
    if len > WIDEST {
        return Err(cx.host.trap(Trap::Register));
    }
    let mut bytes = [0; WIDEST as usize];
    bytes[..len as usize].copy_from_slice(cx.bytes(from, len)?);
    Ok((bytes, len as usize))
}

fn endian(cx: &mut Context<'_>, big: u32) -> Answer<Endian> {
    match big {
        0 => Ok(Endian::Little),
        1 => Ok(Endian::Big),
        _ => Err(cx.host.trap(Trap::Register)),
    }
}

/// See the table.
pub fn reg_load(cx: &mut Context<'_>, bits: u32, index: u32, from: u32, len: u32) -> Answer<()> {
    let width = cx.width(bits)?;
    let (bytes, len) = few(cx, from, len)?;
    let done = cx.host.registers().set(width, index, &bytes[..len]);
    cx.registered(done)
}

/// The bytes of a part of a register.
fn part(cx: &mut Context<'_>, bits: u32, index: u32, offset: u32, len: u32) -> Answer<([u8; WIDEST as usize], usize)> {
    let width = cx.width(bits)?;
    let mut bytes = [0; WIDEST as usize];
    let copied = cx.host.registers().part(width, index, offset, len).map(|part| {
        bytes[..part.len()].copy_from_slice(part);
        part.len()
    });
    let len = cx.registered(copied)?;
    Ok((bytes, len))
}

/// See the table.
pub fn reg_store(cx: &mut Context<'_>, bits: u32, index: u32, offset: u32, to: u32, len: u32) -> Answer<()> {
    let (bytes, len) = part(cx, bits, index, offset, len)?;
    cx.put(to, &bytes[..len])
}

/// See the table.
pub fn reg_replace(cx: &mut Context<'_>, bits: u32, index: u32, offset: u32, from: u32, len: u32) -> Answer<()> {
    let width = cx.width(bits)?;
    let (bytes, len) = few(cx, from, len)?;
    let done = cx.host.registers().replace(width, index, offset, &bytes[..len]);
    cx.registered(done)
}

/// See the table.
pub fn reg_from_slice(cx: &mut Context<'_>, bits: u32, index: u32, slice: u32, offset: u32, len: u32) -> Answer<()> {
    let width = cx.width(bits)?;
    if len as usize > width.bytes() {
        return Err(cx.host.trap(Trap::Register));
    }
    storage::part(cx, slice, offset, len, |cx, bytes| {
        let done = cx.host.registers().set(width, index, bytes);
        cx.registered(done)
    })
}

/// See the table.
pub fn reg_to_slice(cx: &mut Context<'_>, bits: u32, index: u32, slice: u32, offset: u32, len: u32) -> Answer<()> {
    let (bytes, len) = part(cx, bits, index, 0, len)?;
    storage::write_part(cx, slice, offset, &bytes[..len])
}

/// See the table.
pub fn reg_copy(cx: &mut Context<'_>, to_bits: u32, to: u32, from_bits: u32, from: u32) -> Answer<u32> {
    let (to_width, from_width) = (cx.width(to_bits)?, cx.width(from_bits)?);
    let whole = cx.host.registers().copy((to_width, to), (from_width, from));
    cx.registered(whole).map(u32::from)
}

/// See the table.
pub fn reg_get32(cx: &mut Context<'_>, bits: u32, index: u32, offset: u32, big: u32) -> Answer<u32> {
    let (width, endian) = (cx.width(bits)?, endian(cx, big)?);
    let number = cx.host.registers().get32(width, index, offset, endian);
    cx.registered(number)
}

/// See the table.
pub fn reg_set32(cx: &mut Context<'_>, bits: u32, index: u32, offset: u32, big: u32, value: u32) -> Answer<()> {
    let (width, endian) = (cx.width(bits)?, endian(cx, big)?);
    let done = cx.host.registers().set32(width, index, offset, value, endian);
    cx.registered(done)
}

/// See the table.
pub fn reg_get64(cx: &mut Context<'_>, bits: u32, index: u32, offset: u32, big: u32) -> Answer<u64> {
    let (width, endian) = (cx.width(bits)?, endian(cx, big)?);
    let number = cx.host.registers().get64(width, index, offset, endian);
    cx.registered(number)
}

/// See the table.
pub fn reg_set64(cx: &mut Context<'_>, bits: u32, index: u32, offset: u32, big: u32, value: u64) -> Answer<()> {
    let (width, endian) = (cx.width(bits)?, endian(cx, big)?);
    let done = cx.host.registers().set64(width, index, offset, value, endian);
    cx.registered(done)
}

/// See the table.
pub fn reg_compare(cx: &mut Context<'_>, a_bits: u32, a: u32, b_bits: u32, b: u32) -> Answer<i32> {
    let (a_width, b_width) = (cx.width(a_bits)?, cx.width(b_bits)?);
    let order = cx.host.registers().compare((a_width, a), (b_width, b));
    cx.registered(order).map(|order| order as i32)
}

fn calculate(cx: &mut Context<'_>, operation: Operation, bits: u32, [to, a, b]: [u32; 3]) -> Answer<u32> {
    let width: Width = cx.width(bits)?;
    let lost: Result<bool, RegisterError> = cx.host.registers().calculate(operation, width, to, a, b);
    cx.registered(lost).map(u32::from)
}

/// See the table.
pub fn reg_add(cx: &mut Context<'_>, bits: u32, to: u32, a: u32, b: u32) -> Answer<u32> {
    calculate(cx, Operation::Add, bits, [to, a, b])
}

/// See the table.
pub fn reg_sub(cx: &mut Context<'_>, bits: u32, to: u32, a: u32, b: u32) -> Answer<u32> {
    calculate(cx, Operation::Sub, bits, [to, a, b])
}

/// See the table.
pub fn reg_mul(cx: &mut Context<'_>, bits: u32, to: u32, a: u32, b: u32) -> Answer<u32> {
    calculate(cx, Operation::Mul, bits, [to, a, b])
}

/// See the table.
pub fn reg_div(cx: &mut Context<'_>, bits: u32, to: u32, a: u32, b: u32) -> Answer<()> {
    calculate(cx, Operation::Div, bits, [to, a, b]).map(drop)
}

/// See the table.
pub fn reg_rem(cx: &mut Context<'_>, bits: u32, to: u32, a: u32, b: u32) -> Answer<()> {
    calculate(cx, Operation::Rem, bits, [to, a, b]).map(drop)
}

/// See the table.
pub fn reg_mulmod(cx: &mut Context<'_>, bits: u32, to: u32, a: u32, b: u32, m: u32) -> Answer<()> {
    let width = cx.width(bits)?;
    let done = cx.host.registers().mulmod(width, to, a, b, m);
    cx.registered(done)
}

/// See the table.
pub fn reg_pow(cx: &mut Context<'_>, bits: u32, to: u32, a: u32, b: u32) -> Answer<u32> {
    calculate(cx, Operation::Pow, bits, [to, a, b])
}

/// See the table.
pub fn reg_shl(cx: &mut Context<'_>, bits: u32, to: u32, a: u32, b: u32) -> Answer<u32> {
    calculate(cx, Operation::Shl, bits, [to, a, b])
}

/// See the table.
pub fn reg_shr(cx: &mut Context<'_>, bits: u32, to: u32, a: u32, b: u32) -> Answer<u32> {
    calculate(cx, Operation::Shr, bits, [to, a, b])
}

/// See the table.
pub fn reg_and(cx: &mut Context<'_>, bits: u32, to: u32, a: u32, b: u32) -> Answer<()> {
    calculate(cx, Operation::And, bits, [to, a, b]).map(drop)
}

/// See the table.
pub fn reg_or(cx: &mut Context<'_>, bits: u32, to: u32, a: u32, b: u32) -> Answer<()> {
    calculate(cx, Operation::Or, bits, [to, a, b]).map(drop)
}

/// See the table.
pub fn reg_xor(cx: &mut Context<'_>, bits: u32, to: u32, a: u32, b: u32) -> Answer<()> {
    calculate(cx, Operation::Xor, bits, [to, a, b]).map(drop)
}

/// See the table.
pub fn reg_not(cx: &mut Context<'_>, bits: u32, to: u32, a: u32) -> Answer<()> {
    let width = cx.width(bits)?;
    let done = cx.host.registers().not(width, to, a);
    cx.registered(done)
}
