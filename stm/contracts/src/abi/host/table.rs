//! The rows of the table as values.

use crate::run::Prices;

/// A type of the module's language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueType {
    /// A number of 32 bits.
    I32,
    /// A number of 64 bits.
    I64,
}

impl ValueType {
    /// As it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::I32 => "i32",
            Self::I64 => "i64",
        }
    }
}

/// What belongs together on the page, and the module that does the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "`title` says what they are")]
pub enum Group {
    Storage,
    Registers,
    Collections,
    Account,
    Calls,
    Ends,
    Hashing,
    Exchange,
}

impl Group {
    /// All of them, in the order of the page.
    pub const ALL: [Self; 8] = [
        Self::Storage,
        Self::Registers,
        Self::Collections,
        Self::Account,
        Self::Calls,
        Self::Ends,
        Self::Hashing,
        Self::Exchange,
    ];

    /// As the page calls it.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Storage => "Storage",
            Self::Registers => "Registers",
            Self::Collections => "Collections and counters",
            Self::Account => "Account and surroundings",
            Self::Calls => "Calls",
            Self::Ends => "Events and ends",
            Self::Hashing => "Hashing and signatures",
            Self::Exchange => "Bytes into and out of libraries",
        }
    }
}

/// A price in gas: `base`, and `each` for every started run of 2^`shift` of what the last parameter counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// For the act itself.
    pub base: u32,
    /// For each run.
    pub each: u32,
    /// Logarithm of the length of a run.
    pub shift: u8,
}

/// What the host charges besides the price that the module charges itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charge {
    /// Nothing. The function neither charges nor sees gas.
    Nothing,
    /// Nothing, but the function sees how much is left or is the last one.
    Look,
    /// Reading a cell of so many bytes.
    Read(u32),
    /// Writing a cell of so many bytes.
    Write(u32),
    /// What depends on what is found: see the prices of the host.
    Host,
    /// Nothing; the function is there for debugging only.
    Debug,
}

impl Charge {
    /// What is charged besides, where that is known before the call; `None`: it is not.
    #[must_use]
    pub const fn known(self, prices: &Prices) -> Option<u64> {
        Some(match self {
            Self::Nothing | Self::Look | Self::Debug => 0,
            Self::Read(bytes) => prices.read.saturating_add(prices.read_byte.saturating_mul(bytes as u64)),
            Self::Write(bytes) => prices.write.saturating_add(prices.write_byte.saturating_mul(bytes as u64)),
            Self::Host => return None,
        })
    }

    /// Whether gas has to be settled between module and host around the call.
    #[must_use]
    pub const fn settles(self) -> bool {
        !matches!(self, Self::Nothing | Self::Debug)
    }
}

/// A host function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its group.
    pub group: Group,
    /// Its name in module [`super::MODULE`].
    pub name: &'static str,
    /// Names and types of its parameters.
    pub params: &'static [(&'static str, ValueType)],
    /// The type of its result.
    pub result: Option<ValueType>,
    /// Charged by the module before the call.
    pub price: Rate,
    /// Charged by the host.
    pub charge: Charge,
    /// What it does, line by line.
    pub docs: &'static [&'static str],
}

impl Row {
    /// Whether only cells for debugging have it.
    #[must_use]
    pub fn is_debug(&self) -> bool {
        self.charge == Charge::Debug
    }
}

/// All host functions, in the order of the page.
#[must_use]
pub fn table() -> &'static [Row] {
    TABLE
}

macro_rules! group {
    (storage) => {
        Group::Storage
    };
    (registers) => {
        Group::Registers
    };
    (collections) => {
        Group::Collections
    };
    (account) => {
        Group::Account
    };
    (calls) => {
        Group::Calls
    };
    (ends) => {
        Group::Ends
    };
    (hashing) => {
        Group::Hashing
    };
    (exchange) => {
        Group::Exchange
    };
}

macro_rules! value_type {
    (u32) => {
        ValueType::I32
    };
    (i32) => {
        ValueType::I32
    };
    (u64) => {
        ValueType::I64
    };
    (i64) => {
        ValueType::I64
    };
}

macro_rules! result_type {
    () => {
        None
    };
    ($ty:ident) => {
        Some(value_type!($ty))
    };
}

macro_rules! rows {
    ([] $($group:ident { $( $(#[doc = $doc:literal])+ $name:ident ( $($param:ident : $ty:ident),* ) ( $($result:ident)? )
        = [$base:literal, $each:literal, $shift:literal] $charge:ident $(($bytes:literal))? ; )* })*) => {
        const TABLE: &[Row] = &[$($(
            Row {
                group: group!($group),
                name: stringify!($name),
                params: &[$((stringify!($param), value_type!($ty))),*],
                result: result_type!($($result)?),
                price: Rate { base: $base, each: $each, shift: $shift },
                charge: Charge::$charge $(($bytes))?,
                docs: &[$($doc),+],
            },
        )*)*];
    };
}

crate::for_each_host_function!(rows);
