//! What a host function gets: the caller's memory, what the frame keeps between two of its calls, and the host.

use super::Answer;
use crate::cell::{Error, Refusal};
use crate::collection::{Collection, MAX_KEY};
use crate::receipt::{GasKind, Trap};
use crate::registers::{RegisterError, Width};
use crate::run::{Halt, Host, Loaded};
use std::sync::Arc;

/// The most collections that a frame can have open.
pub const MAX_HANDLES: usize = 1024;
/// The longest arguments, return value, error and passed bytes.
pub const MAX_BYTES: u32 = 64 << 10;

/// What a frame keeps between two calls of host functions, besides what its [`Host`] keeps. Gone with the frame.
#[derive(Default)]
pub struct FrameState {
    /// The template that runs.
    pub(super) program: Option<Arc<Loaded>>,
    pub(super) account: [u8; 20],
    pub(super) input: Vec<u8>,
    pub(super) output: Vec<u8>,
    pub(super) passed: Vec<u8>,
    pub(super) open: Vec<Collection>,
    /// For values on their way: allocated once.
    pub(super) scratch: Vec<u8>,
    /// What was logged.
    pub(super) logged: Vec<String>,
}

impl FrameState {
    /// Begins a frame; allocations of earlier ones are used again, nothing else of them.
    pub fn begin(&mut self, host: &dyn Host, input: &[u8]) {
        self.account = *host.message().account.as_bytes();
        self.program = Some(host.program());
        self.input.clear();
        self.input.extend_from_slice(input);
        self.output.clear();
        self.passed.clear();
        self.open.clear();
        self.logged.clear();
    }

    /// Ends the frame and gives what it returns.
    pub fn end(&mut self) -> Vec<u8> {
        self.program = None;
        std::mem::take(&mut self.output)
    }

    /// What was logged, in its order.
    pub fn take_logged(&mut self) -> Vec<String> {
        std::mem::take(&mut self.logged)
    }
}

/// What a host function gets. Every pointer, length and number in its parameters is whatever the module says.
pub struct Context<'a> {
    /// The caller's memory; empty if it has none.
    pub memory: &'a mut [u8],
    /// What the frame keeps.
    pub frame: &'a mut FrameState,
    /// The host.
    pub host: &'a mut dyn Host,
}

impl Context<'_> {
    /// Bytes of memory, or a trap.
    pub(super) fn bytes(&mut self, at: u32, len: u32) -> Answer<&[u8]> {
        let end = u64::from(at) + u64::from(len);
        if end > self.memory.len() as u64 {
            return Err(self.host.trap(Trap::Memory));
        }
        Ok(&self.memory[at as usize..end as usize])
    }

    /// A fixed number of bytes of memory.
    pub(super) fn array<const N: usize>(&mut self, at: u32) -> Answer<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.bytes(at, N as u32)?);
        Ok(array)
    }

    /// Copies to memory, or traps.
    pub(super) fn put(&mut self, at: u32, bytes: &[u8]) -> Answer<()> {
        let end = at as usize as u64 + bytes.len() as u64;
        match self.memory.get_mut(at as usize..end as usize) {
            Some(to) => {
                to.copy_from_slice(bytes);
                Ok(())
            }
            None => Err(self.host.trap(Trap::Memory)),
        }
    }

    /// Checks that there is memory at a place, before something is done whose answer goes there.
    pub(super) fn room(&mut self, at: u32, len: u32) -> Answer<()> {
        self.bytes(at, len).map(drop)
    }

    /// Copies as many bytes as there is room for, and gives how many there were.
    pub(super) fn put_some(&mut self, to: u32, cap: u32, bytes: &[u8]) -> Answer<u32> {
        let fits = bytes.len().min(cap as usize);
        self.put(to, &bytes[..fits])?;
        Ok(u32::try_from(bytes.len()).unwrap_or(u32::MAX))
    }

    /// As [`Context::put_some`], of something that may not be there: −1.
    pub(super) fn put_found(&mut self, to: u32, cap: u32, bytes: Option<&[u8]>) -> Answer<i32> {
        match bytes {
            Some(bytes) => Ok(self.put_some(to, cap, bytes)?.cast_signed()),
            None => Ok(-1),
        }
    }

    /// A part of bytes that the frame has, to memory.
    pub(super) fn put_part(&mut self, all: &[u8], offset: u32, to: u32, len: u32) -> Answer<()> {
        let part = all.get(offset as usize..).and_then(|rest| rest.get(..len as usize));
        match part {
            Some(part) => self.put(to, part),
            None => Err(self.host.trap(Trap::Host)),
        }
    }

    /// A key of a collection. One that is too long is refused before it is copied.
    pub(super) fn key(&mut self, at: u32, len: u32) -> Answer<Vec<u8>> {
        if len as usize > MAX_KEY {
            return Err(self.host.trap(Trap::Storage));
        }
        Ok(self.bytes(at, len)?.to_vec())
    }

    /// Bytes that something is made of: no more than [`MAX_BYTES`], and paid for where the price is not by their number.
    pub(super) fn taken(&mut self, at: u32, len: u32, paid: bool) -> Answer<Vec<u8>> {
        if len > MAX_BYTES {
            return Err(self.host.trap(Trap::Host));
        }
        if !paid {
            self.host.charge(GasKind::Compute, u64::from(len / 8))?;
        }
        Ok(self.bytes(at, len)?.to_vec())
    }

    /// A text of memory.
    pub(super) fn text(&mut self, at: u32, len: u32) -> Answer<String> {
        let bytes = self.taken(at, len, false)?;
        String::from_utf8(bytes).map_err(|_| self.host.trap(Trap::Host))
    }

    /// What a refused or failed operation on storage means.
    pub(super) fn stored<T>(&mut self, result: Result<T, Error<Halt>>) -> Answer<T> {
        result.map_err(|error| self.host.storage_error(error))
    }

    pub(super) fn refused<T>(&mut self, result: Result<T, Refusal>) -> Answer<T> {
        result.map_err(|_| self.host.trap(Trap::Storage))
    }

    /// A width of registers.
    pub(super) fn width(&mut self, bits: u32) -> Answer<Width> {
        Width::of_bits(bits).ok_or_else(|| self.host.trap(Trap::Register))
    }

    pub(super) fn registered<T>(&mut self, result: Result<T, RegisterError>) -> Answer<T> {
        result.map_err(|error| {
            self.host.trap(match error {
                RegisterError::DivisionByZero => Trap::DivisionByZero,
                _ => Trap::Register,
            })
        })
    }

    /// The collection behind a handle.
    pub(super) fn opened(&mut self, handle: u32) -> Answer<Collection> {
        match self.frame.open.get(handle as usize) {
            Some(collection) => Ok(*collection),
            None => Err(self.host.trap(Trap::Storage)),
        }
    }

    /// A handle of a collection.
    pub(super) fn handle(&mut self, collection: Collection) -> Answer<i32> {
        let handle = self.frame.open.len();
        if handle >= MAX_HANDLES {
            return Err(self.host.trap(Trap::Storage));
        }
        self.frame.open.push(collection);
        Ok(handle as i32)
    }
}
