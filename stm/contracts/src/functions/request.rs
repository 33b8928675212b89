//! What can be asked of functions through the log.
//!
//! ```text
//! request = 0xf1, client u64, sequence u64, what u8, then its fields        (borsh, little-endian; docs/formats/function-request.md)
//! ```
//!
//! Client and sequence are those under which the log has it, so that no two requests of a cell have the same bytes, and so no two receipts
//! the same name.

use super::limits;
use super::number::Number;
use crate::transaction::encode;
use borsh::{BorshDeserialize, BorshSerialize};

/// The first byte of a request. Transactions begin with their version, which is none of these.
pub const MARK: u8 = 0xf1;

/// What an execution may use; what is not given is as it was given when the function was loaded, or the standard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Config {
    /// Megabytes of memory of all its instances at the same time.
    pub memory_mb: Option<u64>,
    /// Units of fuel.
    pub fuel: Option<u64>,
    /// Megabytes of output of each stage.
    pub output_mb: Option<u64>,
}

impl Config {
    /// This, and what it leaves open from another one.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            memory_mb: self.memory_mb.or(other.memory_mb),
            fuel: self.fuel.or(other.fuel),
            output_mb: self.output_mb.or(other.output_mb),
        }
    }
}

/// A function, by number or name.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum Which {
    /// By its number.
    Number(Number) = 0,
    /// By a name.
    Name(String) = 1,
}

impl Which {
    /// What somebody has written: a number where it looks like one, else a name.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Number::parse(text).map_or_else(|| Self::Name(text.to_string()), Self::Number)
    }
}

/// What is to be done with a function's state from outside.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum StateAct {
    /// Looks a key up.
    Get(Vec<u8>) = 0,
    /// Sets a key.
    Set(Vec<u8>, Vec<u8>) = 1,
    /// Deletes a key.
    Delete(Vec<u8>) = 2,
    /// Keys with a prefix.
    List(Vec<u8>) = 3,
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum Request {
    /// Loads a function.
    Load {
        /// Its module.
        wasm: Vec<u8>,
        /// What it is to be called.
        name: String,
        /// The namespace of its state; its own without.
        namespace: Option<String>,
        /// What executions may use unless they say something else.
        config: Config,
        /// Whether the name may be taken from another function.
        replace: bool,
    } = 0,
    /// Forgets a function with all its names. Its state stays.
    Unload(Which) = 1,
    /// Runs functions, each with the output of the one before.
    Execute {
        /// The functions, one at least.
        stages: Vec<Which>,
        /// Whether the answer is that of a chain, which one function may be as well.
        chain: bool,
        /// The exported function that is called, if not the usual one.
        entry: Option<String>,
        /// Input of the first.
        input: Vec<u8>,
        /// What all of it may use.
        config: Config,
        /// Whether it may only read state.
        read_only: bool,
        /// Whether lines of log are part of the answer.
        lines: bool,
    } = 2,
    /// Reads or changes state.
    State(Which, StateAct) = 3,
    /// All functions.
    List = 4,
    /// One function.
    Info(Which) = 5,
}

impl Request {
    /// Whether it changes nothing, so that any node can answer it alone, as of its current batch.
    #[must_use]
    pub const fn is_question(&self) -> bool {
        match self {
            Self::List | Self::Info(_) | Self::State(_, StateAct::Get(_) | StateAct::List(_)) => true,
            Self::Execute { read_only, .. } => *read_only,
            _ => false,
        }
    }

    /// The bytes that go into the log under a client's number.
    #[must_use]
    pub fn encode(&self, client: u64, sequence: u64) -> Vec<u8> {
        wrap(&encode(self), client, sequence)
    }

    /// The bytes without who it is from, as [`wrap`] takes them.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        encode(self)
    }

    /// Whether bytes are meant as a request.
    #[must_use]
    pub fn is_marked(bytes: &[u8]) -> bool {
        bytes.first() == Some(&MARK)
    }

    /// Reads a request back. None: the bytes are none, or too many.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let body = bytes.strip_prefix(&[MARK])?.get(16..)?;
        Self::decode_body(body)
    }

    /// The same without who it is from.
    #[must_use]
    pub fn decode_body(body: &[u8]) -> Option<Self> {
        if body.len() > limits::REQUEST_BYTES {
            return None;
        }
        borsh::from_slice(body).ok()
    }
}

/// A request's body with who it is from.
#[must_use]
pub fn wrap(body: &[u8], client: u64, sequence: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(17 + body.len());
    bytes.push(MARK);
    bytes.extend_from_slice(&client.to_le_bytes());
    bytes.extend_from_slice(&sequence.to_le_bytes());
    bytes.extend_from_slice(body);
    bytes
}
