//! Arguments, environment, exit, turns, random numbers.

use super::{Answer, Ctx, Stop};
use crate::abi::Errno;
use crate::memory;
use crate::moved::Moved;

/// Bytes that a list of C strings takes.
fn total(strings: &[Vec<u8>]) -> usize {
    strings.iter().map(|string| string.len() + 1).sum()
}

/// A number that the limit `args_bytes` keeps small.
fn small(n: usize) -> Result<u32, Errno> {
    u32::try_from(n).map_err(|_| Errno::Overflow)
}

impl Ctx<'_> {
    pub(super) fn args_get(&mut self, argv: u32, buf: u32) -> Answer {
        strings(self.memory, &mut self.moved, &self.process.args, argv, buf)
    }

    pub(super) fn environ_get(&mut self, environ: u32, buf: u32) -> Answer {
        strings(self.memory, &mut self.moved, &self.process.env, environ, buf)
    }

    pub(super) fn args_sizes_get(&mut self, count: u32, size: u32) -> Answer {
        let (n, bytes) = (small(self.process.args.len())?, small(total(&self.process.args))?);
        self.sizes(count, size, n, bytes)
    }

    pub(super) fn environ_sizes_get(&mut self, count: u32, size: u32) -> Answer {
        let (n, bytes) = (small(self.process.env.len())?, small(total(&self.process.env))?);
        self.sizes(count, size, n, bytes)
    }

    fn sizes(&mut self, count: u32, size: u32, n: u32, bytes: u32) -> Answer {
        self.check_out(count, 4)?;
        self.check_out(size, 4)?;
        self.tell_u32(count, n)?;
        self.tell_u32(size, bytes)
    }

    pub(super) fn proc_exit(&mut self, code: u32) -> Answer {
        Err(Stop::Exit(code))
    }

    pub(super) fn sched_yield(&mut self) -> Answer {
        self.fruitless();
        Ok(0)
    }

    pub(super) fn random_get(&mut self, buf: u32, len: u32) -> Answer {
        let out = memory::bytes_mut(self.memory, buf, len)?;
        self.process.random.fill(out);
        self.moved.note_bytes(out);
        self.process.turn.calls = self.process.turn.calls.saturating_add(len / self.limits.call_bytes);
        Ok(0)
    }
}

/// Writes an array of pointers at `list` and the strings that they point to at `buf`.
fn strings(memory: &mut [u8], moved: &mut Moved, strings: &[Vec<u8>], list: u32, buf: u32) -> Answer {
    let list_len = small(strings.len())?.checked_mul(4).ok_or(Errno::Fault)?;
    let list_range = memory::range(memory, list, list_len)?;
    let buf_range = memory::range(memory, buf, small(total(strings))?)?;
    let (mut entry, mut at) = (list, buf);
    for string in strings {
        memory::write_u32(memory, entry, at)?;
        memory::write(memory, at, string)?;
        at += small(string.len())?;
        memory::write(memory, at, &[0])?;
        at += 1;
        entry += 4;
    }
    moved.note_bytes(&memory[list_range]);
    moved.note_bytes(&memory[buf_range]);
    Ok(0)
}
