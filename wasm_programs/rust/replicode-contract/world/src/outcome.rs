//! How a transaction has ended, and what can be asked of it.

use replicode_contract::{Address, CallError, ContractError, Event, Value};
use replicode_contracts::receipt::{GasKind, Receipt, Status};
use std::fmt;
use std::marker::PhantomData;

/// Why a call did not succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The status of the receipt.
    pub status: Status,
}

impl Failure {
    /// The contract's error, where it is one of this type.
    #[must_use]
    pub fn error<E: ContractError>(&self) -> Option<E> {
        match &self.status {
            Status::Reverted { code, data } => E::from_parts(*code, data),
            _ => None,
        }
    }

    /// The message of a panic.
    #[must_use]
    pub fn panic(&self) -> Option<String> {
        match &self.status {
            Status::Reverted { code, data } if *code == replicode_contract::entry::PANIC => {
                Some(String::from_utf8_lossy(data).into_owned())
            }
            _ => None,
        }
    }

    /// As a contract would see it that has called.
    #[must_use]
    pub fn as_call_error(&self) -> CallError {
        let status = borsh::to_vec(&self.status).ok().and_then(|bytes| bytes.first().copied()).unwrap_or(0);
        let reverted = match &self.status {
            Status::Reverted { code, data } => Some((*code, data.clone())),
            _ => None,
        };
        CallError { status: u32::from(status), reverted }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.panic() {
            Some(message) => write!(f, "panicked: {message}"),
            None => self.status.fmt(f),
        }
    }
}

impl std::error::Error for Failure {}

/// What a status and returned bytes mean.
pub(crate) fn answer<T: Value>(status: &Status, returned: &[u8]) -> Result<T, Failure> {
    match status {
        Status::Success => match T::decode(returned) {
            Some(value) => Ok(value),
            None => panic!("a function has returned {returned:?}, which is none of its type"),
        },
        _ => Err(Failure { status: status.clone() }),
    }
}

/// How a transaction has ended. It has effects only when it succeeded.
#[derive(Clone, Debug)]
#[must_use = "a transaction may have failed: unwrap it, or look at its error"]
pub struct Outcome<T> {
    /// The receipt, as a node would give it.
    pub receipt: Receipt,
    /// What it has returned, or why it has not.
    pub result: Result<T, Failure>,
    returns: PhantomData<T>,
}

impl<T: Value> Outcome<T> {
    pub(crate) fn of(receipt: Receipt) -> Self {
        let result = answer(&receipt.status, &receipt.returned);
        Outcome { receipt, result, returns: PhantomData }
    }
}

impl Outcome<Address> {
    pub(crate) fn spawned(receipt: Receipt) -> Self {
        let result = match (&receipt.status, receipt.spawned.first()) {
            (Status::Success, Some(address)) => Ok(Address(*address.as_bytes())),
            (status, _) => Err(Failure { status: status.clone() }),
        };
        Outcome { receipt, result, returns: PhantomData }
    }
}

impl<T> Outcome<T> {
    /// What it has returned.
    ///
    /// # Panics
    /// When it did not succeed, with the reason.
    #[track_caller]
    pub fn unwrap(self) -> T {
        match self.result {
            Ok(value) => value,
            Err(failure) => panic!("the transaction has failed: {failure}"),
        }
    }

    /// The contract's error that it has ended with.
    ///
    /// # Panics
    /// When it has succeeded, or ended otherwise.
    #[track_caller]
    pub fn unwrap_error<E: ContractError>(self) -> E {
        match self.result {
            Ok(_) => panic!("the transaction has succeeded"),
            Err(failure) => {
                failure.error().unwrap_or_else(|| panic!("the transaction has failed otherwise: {failure}"))
            }
        }
    }

    /// Why it has failed.
    ///
    /// # Panics
    /// When it has succeeded.
    #[track_caller]
    pub fn unwrap_failure(self) -> Failure {
        match self.result {
            Ok(_) => panic!("the transaction has succeeded"),
            Err(failure) => failure,
        }
    }

    /// Its events of this type, in their order, and who has emitted them.
    #[must_use]
    pub fn events<E: Event + Value>(&self) -> Vec<(Address, E)> {
        let name = std::any::type_name::<E>().rsplit("::").next().unwrap_or_default();
        let own = self.receipt.events.iter().filter(|event| event.name == name);
        own.filter_map(|event| Some((Address(*event.account.as_bytes()), E::decode(&event.data)?))).collect()
    }

    /// Gas that it has burnt: natively what the host has done, and nothing for instructions.
    #[must_use]
    pub fn gas(&self) -> u64 {
        self.receipt.gas.burnt
    }

    /// Gas of one kind, of all frames.
    #[must_use]
    pub fn gas_of(&self, kind: GasKind) -> u64 {
        self.receipt.gas.frames.iter().map(|frame| frame.burnt[kind as usize]).sum()
    }
}
