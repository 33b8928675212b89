//! Calls of other contracts.
//!
//! ```
//! # use replicode_contract::prelude::*;
//! #[interface]
//! pub trait Token {
//!     #[call]
//!     fn transfer(&mut self, to: Address, amount: u128) -> bool;
//!     #[view]
//!     fn balance_of(&self, owner: Address) -> u128;
//! }
//!
//! # fn f(token: Address, to: Address) -> Result<(), CallError> {
//! let have = Token::at(token).balance_of(to).gas(50_000).send()?;
//! Token::at(token).transfer(to, have).send()?;
//! # Ok(())
//! # }
//! ```

use crate::entry::ContractError;
use crate::sys;
use crate::value::{Address, Hash, Value};
use alloc::string::String;
use alloc::vec::Vec;
use core::marker::PhantomData;

/// How a call has ended that did not succeed. What it did is undone, and what it has burnt is burnt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallError {
    /// The first byte of the receipt's status: 1 reverted, 2 out of gas, 3 trapped…
    pub status: u32,
    /// What it reverted with: code and fields. Only where the status is 1.
    pub reverted: Option<(u32, Vec<u8>)>,
}

impl CallError {
    /// The status of a call that has answered something else than its interface says.
    pub const STRANGE: u32 = u32::MAX;

    /// The callee's error, where it is one of this type.
    #[must_use]
    pub fn error<E: ContractError>(&self) -> Option<E> {
        let (code, fields) = self.reverted.as_ref()?;
        E::from_parts(*code, fields)
    }

    /// Its code; 0 where it did not revert.
    #[must_use]
    pub fn code(&self) -> u32 {
        self.reverted.as_ref().map_or(0, |(code, _)| *code)
    }

    fn last(status: u32) -> Self {
        // Status (1), code (4), then the fields with their length: as the receipt has it.
        let reason = if status == 1 { sys::reason() } else { Vec::new() };
        let code = reason.get(1..5).and_then(|code| code.try_into().ok()).map(u32::from_le_bytes);
        CallError { status, reverted: code.map(|code| (code, sys::result())) }
    }
}

/// A call that is not made yet. [`Call::send`] makes it; a world of tests takes it as well.
#[derive(Clone, Debug)]
#[must_use = "a call is made by `send`"]
pub struct Call<T> {
    /// Whose function.
    pub account: Address,
    /// Which.
    pub function: String,
    /// Its arguments, encoded.
    pub arguments: Vec<u8>,
    /// Money that goes with it.
    pub value: u128,
    /// The most that it may burn; all that there is, less a reserve, unless stated.
    pub gas: u64,
    /// It may change nothing.
    pub read_only: bool,
    /// It may come back to a contract that is running.
    pub may_reenter: bool,
    returns: PhantomData<fn() -> T>,
}

impl<T: Value> Call<T> {
    /// A call of a function with these encoded arguments.
    pub fn new(account: Address, function: &str, arguments: Vec<u8>) -> Self {
        Call {
            account,
            function: function.into(),
            arguments,
            value: 0,
            gas: u64::MAX,
            read_only: false,
            may_reenter: false,
            returns: PhantomData,
        }
    }

    /// Money goes with it.
    pub fn value(mut self, value: u128) -> Self {
        self.value = value;
        self
    }

    /// It may burn no more.
    pub fn gas(mut self, gas: u64) -> Self {
        self.gas = gas;
        self
    }

    /// It may change nothing, nor may what it calls.
    pub fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }

    /// A contract that is running may be called, if its function is marked `#[reentrant]`.
    pub fn may_reenter(mut self) -> Self {
        self.may_reenter = true;
        self
    }

    /// Makes the call.
    ///
    /// # Errors
    /// How it has ended, when it did not succeed. This contract goes on.
    pub fn send(self) -> Result<T, CallError> {
        let status = sys::call(sys::CallRequest {
            account: self.account.0,
            function: &self.function,
            arguments: &self.arguments,
            value: self.value,
            gas: self.gas,
            read_only: self.read_only,
            may_reenter: self.may_reenter,
        });
        if status != 0 {
            return Err(CallError::last(status));
        }
        T::decode(&sys::result()).ok_or(CallError { status: CallError::STRANGE, reverted: None })
    }
}

/// Makes an account of a template and runs its constructor (none: an empty name).
///
/// # Errors
/// How the constructor has ended, when it did not succeed.
pub fn spawn(template: Hash, constructor: &str, arguments: &[u8], value: u128) -> Result<Address, CallError> {
    let request = sys::SpawnRequest { template: template.0, constructor, arguments, value, gas: u64::MAX };
    sys::spawn(request).map(Address).map_err(CallError::last)
}

/// Stores a template.
///
/// # Errors
/// Why it is none.
pub fn deploy(template: &[u8]) -> Result<Hash, CallError> {
    sys::deploy(template).map(Hash).map_err(|status| CallError { status, reverted: None })
}

/// A constructor with its arguments, of a contract: what a world of tests makes an account of.
#[derive(Clone, Debug)]
pub struct Init<C> {
    /// Which constructor.
    pub constructor: String,
    /// Its arguments, encoded.
    pub arguments: Vec<u8>,
    contract: PhantomData<fn() -> C>,
}

impl<C> Init<C> {
    /// The constructor of this name.
    pub fn new(constructor: &str, arguments: Vec<u8>) -> Self {
        Init { constructor: constructor.into(), arguments, contract: PhantomData }
    }
}
