//! Bounded access to a guest's linear memory. Every address comes from the guest, so every access can fail: `EFAULT`.
//!
//! Pointers need no alignment, as in wasm itself. Numbers are little-endian.

use crate::abi::Errno;
use std::ops::Range;

/// The bytes `ptr .. ptr + len` as a range into the memory.
pub(crate) fn range(memory: &[u8], ptr: u32, len: u32) -> Result<Range<usize>, Errno> {
    let start = ptr as usize;
    match start.checked_add(len as usize) {
        Some(end) if end <= memory.len() => Ok(start..end),
        _ => Err(Errno::Fault),
    }
}

/// The bytes at `ptr`, to read.
pub(crate) fn bytes(memory: &[u8], ptr: u32, len: u32) -> Result<&[u8], Errno> {
    range(memory, ptr, len).map(|range| &memory[range])
}

/// The bytes at `ptr`, to write.
pub(crate) fn bytes_mut(memory: &mut [u8], ptr: u32, len: u32) -> Result<&mut [u8], Errno> {
    range(memory, ptr, len).map(|range| &mut memory[range])
}

fn array<const N: usize>(memory: &[u8], ptr: u32) -> Result<[u8; N], Errno> {
    let start = ptr as usize;
    let found = memory.get(start..).and_then(|rest| rest.first_chunk::<N>());
    found.copied().ok_or(Errno::Fault)
}

pub(crate) fn read_u32(memory: &[u8], ptr: u32) -> Result<u32, Errno> {
    array(memory, ptr).map(u32::from_le_bytes)
}

pub(crate) fn read_u64(memory: &[u8], ptr: u32) -> Result<u64, Errno> {
    array(memory, ptr).map(u64::from_le_bytes)
}

/// Writes a whole value, or nothing.
pub(crate) fn write(memory: &mut [u8], ptr: u32, value: &[u8]) -> Result<(), Errno> {
    let start = ptr as usize;
    let end = start.checked_add(value.len()).ok_or(Errno::Fault)?;
    memory.get_mut(start..end).ok_or(Errno::Fault)?.copy_from_slice(value);
    Ok(())
}

pub(crate) fn write_u32(memory: &mut [u8], ptr: u32, value: u32) -> Result<(), Errno> {
    write(memory, ptr, &value.to_le_bytes())
}

pub(crate) fn write_u64(memory: &mut [u8], ptr: u32, value: u64) -> Result<(), Errno> {
    write(memory, ptr, &value.to_le_bytes())
}

/// Reads an array of `(pointer, length)` pairs and checks that all of them lie in memory. The list is cut at
/// `max_bytes` in all: a call moves at most that many.
///
/// The pairs are read before anything is moved, so that buffers may overlap the array.
pub(crate) fn iovecs(
    memory: &[u8],
    ptr: u32,
    count: u32,
    max_count: u32,
    max_bytes: u32,
    out: &mut Vec<Range<usize>>,
) -> Result<usize, Errno> {
    out.clear();
    if count > max_count {
        return Err(Errno::Inval);
    }
    let array = bytes(memory, ptr, count.checked_mul(8).ok_or(Errno::Fault)?)?;
    let mut room = max_bytes as usize;
    for pair in array.chunks_exact(8) {
        let part = range(memory, read_u32(pair, 0)?, read_u32(pair, 4)?)?;
        let len = part.len().min(room);
        if len > 0 {
            room -= len;
            out.push(part.start..part.start + len);
        }
    }
    Ok(max_bytes as usize - room)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_memory_is_exact() {
        let mut memory = [0; 16];
        assert_eq!(range(&memory, 16, 0), Ok(16..16));
        assert_eq!(range(&memory, 12, 4), Ok(12..16));
        assert_eq!(range(&memory, 12, 5), Err(Errno::Fault));
        assert_eq!(range(&memory, u32::MAX, u32::MAX), Err(Errno::Fault));
        assert_eq!(read_u32(&memory, 12), Ok(0));
        assert_eq!(read_u32(&memory, 13), Err(Errno::Fault));
        assert_eq!(write_u64(&mut memory, 9, u64::MAX), Err(Errno::Fault));
        assert_eq!(memory, [0; 16]);
    }

    #[test]
    fn iovecs_are_checked_as_a_whole_and_cut_at_the_limit() {
        let mut memory = [0; 64];
        for (at, value) in [(0, 32), (4, 8), (8, 40), (12, 0), (16, 40), (20, 24)] {
            write_u32(&mut memory, at, value).unwrap();
        }
        let mut out = Vec::new();
        assert_eq!(iovecs(&memory, 0, 3, 3, 1000, &mut out), Ok(32));
        assert_eq!(out, [32..40, 40..64]);
        assert_eq!(iovecs(&memory, 0, 3, 3, 10, &mut out), Ok(10));
        assert_eq!(out, [32..40, 40..42]);
        assert_eq!(iovecs(&memory, 0, 3, 2, 10, &mut out), Err(Errno::Inval));
        write_u32(&mut memory, 20, 25).unwrap();
        assert_eq!(iovecs(&memory, 0, 3, 3, 10, &mut out), Err(Errno::Fault));
        assert_eq!(iovecs(&memory, 60, 1, 3, 10, &mut out), Err(Errno::Fault));
        assert_eq!(iovecs(&memory, 0, u32::MAX, u32::MAX, 10, &mut out), Err(Errno::Fault));
    }
}
