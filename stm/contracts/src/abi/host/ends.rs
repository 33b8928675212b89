//! What others see of a frame, and how it decides to end.

use super::{Answer, Context};
use crate::abi::document::{PANIC_CODE, RESERVED_CODES};
use crate::receipt::Trap;

/// Lines that a frame can log, and bytes of each.
const LOGGED: usize = 1000;

/// See the table.
pub fn emit(cx: &mut Context<'_>, event: u32, expires: u64, from: u32, len: u32) -> Answer<()> {
    let data = cx.taken(from, len, true)?;
    cx.host.emit(event, &data, (expires != 0).then_some(expires))
}

/// See the table.
pub fn revert(cx: &mut Context<'_>, code: u32, from: u32, len: u32) -> Answer<()> {
    if code >= RESERVED_CODES && code != PANIC_CODE {
        return Err(cx.host.trap(Trap::Host));
    }
    let data = cx.taken(from, len, true)?;
    Err(cx.host.revert(code, data))
}

/// See the table.
pub fn log(cx: &mut Context<'_>, from: u32, len: u32) -> Answer<()> {
    let text = String::from_utf8_lossy(cx.bytes(from, len.min(1024))?).into_owned();
    if cx.frame.logged.len() < LOGGED {
        cx.frame.logged.push(text);
    }
    Ok(())
}
