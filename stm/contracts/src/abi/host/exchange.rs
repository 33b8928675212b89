//! Bytes between a contract and the libraries in its frame, whose memories are apart.

use super::{Answer, Context};

/// See the table.
pub fn pass(cx: &mut Context<'_>, from: u32, len: u32) -> Answer<()> {
    cx.frame.passed = cx.taken(from, len, true)?;
    Ok(())
}

/// See the table.
pub fn passed_len(cx: &mut Context<'_>) -> Answer<u32> {
    Ok(u32::try_from(cx.frame.passed.len()).unwrap_or(u32::MAX))
}

/// See the table.
pub fn passed(cx: &mut Context<'_>, offset: u32, to: u32, len: u32) -> Answer<()> {
    let passed = std::mem::take(&mut cx.frame.passed);
    let done = cx.put_part(&passed, offset, to, len);
    cx.frame.passed = passed;
    done
}
