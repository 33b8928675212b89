//! Slices of the contract's storage, whole and in part. A slice that is not there, a part that is not within it and a slice that is no
//! bytes are traps.

use super::{Answer, Context};
use crate::receipt::Trap;
use crate::slice::{Kind, Slice, Slices};

/// The slices of the running contract, beside the host.
pub(super) fn slices<T>(
    cx: &mut Context<'_>,
    act: impl FnOnce(&mut Context<'_>, Slices<'_>) -> Answer<T>,
) -> Answer<T> {
    let Some(program) = cx.frame.program.take() else { return Err(cx.host.trap(Trap::Host)) };
    let account = cx.frame.account;
    let answer = act(cx, Slices::of(&account, &program.layout));
    cx.frame.program = Some(program);
    answer
}

fn slice_of(cx: &mut Context<'_>, slice: u32) -> Answer<Slice> {
    match cx.frame.program.as_ref().and_then(|program| program.layout.get(slice)) {
        Some(slice) => Ok(*slice),
        None => Err(cx.host.trap(Trap::Storage)),
    }
}

/// Bytes of a slice that holds bytes.
fn length(cx: &mut Context<'_>, slice: u32) -> Answer<u32> {
    match slice_of(cx, slice)? {
        slice if slice.kind == Kind::Bytes => Ok(slice.length),
        _ => Err(cx.host.trap(Trap::Storage)),
    }
}

fn read_number<const N: usize>(cx: &mut Context<'_>, slice: u32) -> Answer<[u8; N]> {
    if length(cx, slice)? as usize != N {
        return Err(cx.host.trap(Trap::Storage));
    }
    slices(cx, |cx, slices| {
        let mut bytes = std::mem::take(&mut cx.frame.scratch);
        let read = slices.read(cx.host, slice, &mut bytes);
        let mut number = [0; N];
        if bytes.len() == N {
            number.copy_from_slice(&bytes);
        }
        cx.frame.scratch = bytes;
        cx.stored(read)?;
        Ok(number)
    })
}

/// Refused for another length before anything is paid for.
fn write_number(cx: &mut Context<'_>, slice: u32, bytes: &[u8]) -> Answer<()> {
    slices(cx, |cx, slices| {
        let written = slices.write(cx.host, slice, bytes);
        cx.stored(written)
    })
}

/// See the table.
pub fn get32(cx: &mut Context<'_>, slice: u32) -> Answer<u32> {
    read_number(cx, slice).map(u32::from_le_bytes)
}

/// See the table.
pub fn set32(cx: &mut Context<'_>, slice: u32, value: u32) -> Answer<()> {
    write_number(cx, slice, &value.to_le_bytes())
}

/// See the table.
pub fn get64(cx: &mut Context<'_>, slice: u32) -> Answer<u64> {
    read_number(cx, slice).map(u64::from_le_bytes)
}

/// See the table.
pub fn set64(cx: &mut Context<'_>, slice: u32, value: u64) -> Answer<()> {
    write_number(cx, slice, &value.to_le_bytes())
}

/// See the table.
pub fn get32_be(cx: &mut Context<'_>, slice: u32) -> Answer<u32> {
    read_number(cx, slice).map(u32::from_be_bytes)
}

/// See the table.
pub fn set32_be(cx: &mut Context<'_>, slice: u32, value: u32) -> Answer<()> {
    write_number(cx, slice, &value.to_be_bytes())
}

/// See the table.
pub fn get64_be(cx: &mut Context<'_>, slice: u32) -> Answer<u64> {
    read_number(cx, slice).map(u64::from_be_bytes)
}

/// See the table.
pub fn set64_be(cx: &mut Context<'_>, slice: u32, value: u64) -> Answer<()> {
    write_number(cx, slice, &value.to_be_bytes())
}

/// See the table.
pub fn slice_len(cx: &mut Context<'_>, slice: u32) -> Answer<u32> {
    slice_of(cx, slice).map(|slice| slice.length)
}

/// See the table.
pub fn load(cx: &mut Context<'_>, slice: u32, offset: u32, to: u32, len: u32) -> Answer<()> {
    cx.room(to, len)?;
    part(cx, slice, offset, len, |cx, bytes| cx.put(to, bytes))
}

/// See the table.
pub fn store(cx: &mut Context<'_>, slice: u32, offset: u32, from: u32, len: u32) -> Answer<()> {
    cx.room(from, len)?;
    // No slice is longer than a page, so this bounds what is copied.
    if len > length(cx, slice)? {
        return Err(cx.host.trap(Trap::Storage));
    }
    let bytes = cx.bytes(from, len)?.to_vec();
    write_part(cx, slice, offset, &bytes)
}

/// Reads a part of a slice and hands it on.
pub(super) fn part<T>(
    cx: &mut Context<'_>,
    slice: u32,
    offset: u32,
    len: u32,
    then: impl FnOnce(&mut Context<'_>, &[u8]) -> Answer<T>,
) -> Answer<T> {
    slices(cx, |cx, slices| {
        let mut bytes = std::mem::take(&mut cx.frame.scratch);
        let read = slices.read_part(cx.host, slice, offset, len, &mut bytes);
        let answer = cx.stored(read).and_then(|()| then(cx, &bytes));
        cx.frame.scratch = bytes;
        answer
    })
}

/// Writes a part of a slice; what is the whole of it is not read before.
pub(super) fn write_part(cx: &mut Context<'_>, slice: u32, offset: u32, bytes: &[u8]) -> Answer<()> {
    let whole = offset == 0 && length(cx, slice)? as usize == bytes.len();
    slices(cx, |cx, slices| {
        let written = match whole {
            true => slices.write(cx.host, slice, bytes),
            false => slices.write_part(cx.host, slice, offset, bytes),
        };
        cx.stored(written)
    })
}

fn each(cx: &mut Context<'_>, list: u32, count: u32, act: fn(&mut Context<'_>, [u32; 4]) -> Answer<()>) -> Answer<()> {
    let Some(len) = count.checked_mul(16) else { return Err(cx.host.trap(Trap::Memory)) };
    cx.room(list, len)?;
    for number in 0..count {
        // Read again each time: what is loaded may have been laid over the list, and then that is the list.
        let entry: [u8; 16] = cx.array(list + number * 16)?;
        let word = |at: usize| u32::from_le_bytes([entry[at], entry[at + 1], entry[at + 2], entry[at + 3]]);
        act(cx, [word(0), word(4), word(8), word(12)])?;
    }
    Ok(())
}

/// See the table.
pub fn load_many(cx: &mut Context<'_>, list: u32, count: u32) -> Answer<()> {
    each(cx, list, count, |cx, [slice, offset, to, len]| load(cx, slice, offset, to, len))
}

/// See the table.
pub fn store_many(cx: &mut Context<'_>, list: u32, count: u32) -> Answer<()> {
    each(cx, list, count, |cx, [slice, offset, from, len]| store(cx, slice, offset, from, len))
}
