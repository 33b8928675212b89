//! The contracts of the cell that a program runs in.
//!
//! ```no_run
//! use replicode_guest::contract::{self, Call};
//!
//! let ann = contract::address("ann")?;
//! let token = contract::address("token")?;
//! let call = Call { account: token, function: "transfer", arguments: &[0; 36], gas: 10_000_000 };
//! let nonce = contract::account(&ann)?.nonce;
//! let ticket = contract::submit(&call.by_name("ann", &ann, nonce))?;
//! let receipt = contract::wait(ticket)?;
//! assert!(contract::is_success(&receipt));
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! A transaction is executed in the batch in which it is submitted, in the order of the calls, when no program can run on; its receipt is
//! there in the same batch. A view sees everything that was executed before: what was submitted and not waited for may be missing.
//!
//! Outside replicode, and in a cell without contracts, everything here answers `Unsupported`.

#[cfg(target_os = "wasi")]
use crate::ffi;
use std::io;
use std::os::fd::RawFd;

/// An account's address.
pub type Address = [u8; 20];

/// A transaction on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket(u32);

/// What an account has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its transactions so far; the next one has this number.
    pub nonce: u64,
    /// Its money.
    pub balance: u128,
    /// Accounts that it has made.
    pub spawned: u64,
    /// Its code, if it has any.
    pub template: Option<[u8; 32]>,
    /// The state of its storage.
    pub state: [u8; 32],
}

/// What a batch with calls has left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// The batch; 0 before the first.
    pub batch: u64,
    /// The root of all accounts after it.
    pub root: [u8; 32],
    /// Its digest, which covers receipts and all batches before.
    pub digest: [u8; 32],
}

/// A call of a contract's function, without money.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// Whose.
    pub account: Address,
    /// Which.
    pub function: &'a str,
    /// Its arguments, encoded.
    pub arguments: &'a [u8],
    /// The most gas that it may burn.
    pub gas: u64,
}

impl Call<'_> {
    /// The transaction of a name's account with this call, for cells that trust names.
    #[must_use]
    pub fn by_name(&self, name: &str, principal: &Address, nonce: u64) -> Vec<u8> {
        let mut out = vec![1];
        let bytes = |out: &mut Vec<u8>, bytes: &[u8]| {
            out.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
            out.extend_from_slice(bytes);
        };
        out.extend_from_slice(principal);
        for number in [nonce, self.gas, 0] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&1_u32.to_le_bytes());
        out.push(0);
        out.extend_from_slice(&self.account);
        bytes(&mut out, self.function.as_bytes());
        bytes(&mut out, self.arguments);
        out.extend_from_slice(&0_u128.to_le_bytes());
        out.push(1);
        bytes(&mut out, name.as_bytes());
        out
    }
}

/// Hands a transaction to the cell.
///
/// # Errors
/// When the cell has no contracts, or this program has too many tickets.
pub fn submit(transaction: &[u8]) -> io::Result<Ticket> {
    sys::submit(transaction, None)
}

/// The same, and an eventfd of this program counts the answer. It must stay open until then.
///
/// # Errors
/// As [`submit`], and when the descriptor is no eventfd.
pub fn submit_with(transaction: &[u8], event: RawFd) -> io::Result<Ticket> {
    sys::submit(transaction, Some(event))
}

/// Waits for a receipt (`docs/formats/receipt.md`).
///
/// # Errors
/// When there is no such ticket.
pub fn wait(ticket: Ticket) -> io::Result<Vec<u8>> {
    sys::wait(ticket, true)
}

/// A receipt if it is there.
///
/// # Errors
/// `WouldBlock` when it is not.
pub fn try_wait(ticket: Ticket) -> io::Result<Vec<u8>> {
    sys::wait(ticket, false)
}

/// Whether a receipt says that all went well.
#[must_use]
pub fn is_success(receipt: &[u8]) -> bool {
    receipt.get(45) == Some(&0)
}

/// Runs a function that changes nothing: what it returns, or, within, its status as in a receipt. At most 64 KiB.
///
/// # Errors
/// When the cell has no contracts, or the answer is larger.
pub fn view(call: &Call<'_>) -> io::Result<Result<Vec<u8>, Vec<u8>>> {
    let mut answer = sys::view(call)?;
    let went_well = answer.first() == Some(&1);
    let rest = answer.split_off(answer.len().min(1));
    Ok(if went_well { Ok(rest) } else { Err(rest) })
}

/// What an account has.
///
/// # Errors
/// When the cell has no contracts.
pub fn account(address: &Address) -> io::Result<Account> {
    let bytes = sys::account(address)?;
    let part =
        |at: usize, len: usize| bytes[at..at + len].iter().rev().fold(0_u128, |n, byte| n << 8 | u128::from(*byte));
    let hash = |at: usize| std::array::from_fn(|i| bytes[at + i]);
    Ok(Account {
        nonce: part(0, 8) as u64,
        balance: part(8, 16),
        spawned: part(24, 8) as u64,
        template: (bytes[32] == 1).then(|| hash(33)),
        state: hash(65),
    })
}

/// The address of a name's account.
///
/// # Errors
/// When the cell has no contracts.
pub fn address(name: &str) -> io::Result<Address> {
    sys::address(name)
}

/// What the last batch with calls before this one has left behind.
///
/// # Errors
/// When the cell has no contracts.
pub fn state_root() -> io::Result<Root> {
    let bytes = sys::state_root()?;
    let hash = |at: usize| std::array::from_fn(|i| bytes[at + i]);
    let batch = bytes[..8].iter().rev().fold(0, |n, byte| n << 8 | u64::from(*byte));
    Ok(Root { batch, root: hash(8), digest: hash(40) })
}

#[cfg(target_os = "wasi")]
mod sys {
    use super::{Address, Call, RawFd, Ticket, ffi, io};

    pub fn submit(transaction: &[u8], event: Option<RawFd>) -> io::Result<Ticket> {
        ffi::contract_submit(transaction, event).map(Ticket)
    }

    pub fn wait(Ticket(ticket): Ticket, wait: bool) -> io::Result<Vec<u8>> {
        let mut receipt = vec![0; ffi::contract_wait(ticket, &mut [], wait)?];
        ffi::contract_wait(ticket, &mut receipt, wait)?;
        Ok(receipt)
    }

    pub fn view(call: &Call<'_>) -> io::Result<Vec<u8>> {
        let mut answer = vec![0; 1 + (64 << 10)];
        let size = ffi::contract_view(&call.account, call.function, call.arguments, call.gas, &mut answer)?;
        answer.truncate(size);
        Ok(answer)
    }

    pub fn account(address: &Address) -> io::Result<[u8; 97]> {
        ffi::contract_account(address)
    }

    pub fn address(name: &str) -> io::Result<Address> {
        ffi::contract_address(name)
    }

    pub fn state_root() -> io::Result<[u8; 72]> {
        ffi::contract_state_root()
    }
}

#[cfg(not(target_os = "wasi"))]
mod sys {
    use super::{Address, Call, RawFd, Ticket, io};

    fn nowhere<T>() -> io::Result<T> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "there are no contracts outside a cell"))
    }

    pub fn submit(_: &[u8], _: Option<RawFd>) -> io::Result<Ticket> {
        nowhere()
    }

    pub fn wait(_: Ticket, _: bool) -> io::Result<Vec<u8>> {
        nowhere()
    }

    pub fn view(_: &Call<'_>) -> io::Result<Vec<u8>> {
        nowhere()
    }

    pub fn account(_: &Address) -> io::Result<[u8; 97]> {
        nowhere()
    }

    pub fn address(_: &str) -> io::Result<Address> {
        nowhere()
    }

    pub fn state_root() -> io::Result<[u8; 72]> {
        nowhere()
    }
}
