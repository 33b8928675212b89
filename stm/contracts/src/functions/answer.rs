//! What a request is answered with: in its receipt, as what was returned, or as the data of what was reverted.

use super::number::Number;
use super::request::Config;
use borsh::{BorshDeserialize, BorshSerialize};

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $number:literal,)*) => {
        /// Why a request failed: those codes of the service that can be decided in the log, with its numbers.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Code { $($(#[doc = $doc])+ $variant = $number,)* }

        impl Code {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];
        }
    };
}

codes! {
    /// A field is out of range.
    BadRequest = 2,
    /// There is no such function.
    NotFound = 5,
    /// There are too many functions, or bytes of modules.
    Overloaded = 7,
    /// The module cannot be run.
    BadModule = 8,
    /// The module imports what is not there.
    UnsupportedImport = 9,
    /// The module has no such entry point.
    NoEntry = 10,
    /// The function trapped.
    Trap = 11,
    /// The function returned a code other than 0.
    Plugin = 12,
    /// The function's fuel was used up.
    Fuel = 14,
    /// The function asked for more memory than it may have.
    Memory = 15,
    /// The function's output was too large.
    OutputTooLarge = 16,
    /// The function logged too much.
    LogTooLarge = 17,
    /// A key or value of state is too long, or the state is full.
    StateConflict = 18,
    /// The function may only read state.
    ReadOnly = 19,
}

/// What one stage has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct StageDone {
    /// Fuel.
    pub fuel: u64,
    /// Bytes of its output.
    pub bytes: u64,
}

/// A function as it is listed.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Entry {
    /// Its number.
    pub number: Number,
    /// BLAKE3 of its module.
    pub digest: [u8; 32],
    /// Bytes of its module.
    pub bytes: u64,
    /// The namespace of its state; its own without.
    pub namespace: Option<String>,
    /// What its executions may use unless they say something else.
    pub config: Config,
    /// What it is called; the first one is shown.
    pub names: Vec<String>,
    /// What it imports, as `module.name`.
    pub imports: Vec<String>,
    /// Bytes of memory that an instance has at first.
    pub memory: u64,
    /// Whether it may touch state.
    pub stateful: bool,
}

/// What came of a request that succeeded.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum Done {
    /// A function was loaded.
    Loaded {
        /// Which.
        entry: Entry,
        /// Whether it was there already.
        cached: bool,
    } = 0,
    /// A function was unloaded.
    Unloaded {
        /// Its number.
        number: Number,
        /// The name that it was shown by.
        name: String,
    } = 1,
    /// Functions were run.
    Executed {
        /// Output of the last.
        output: Vec<u8>,
        /// Fuel of all.
        fuel: u64,
        /// Bytes of the largest memory.
        memory: u64,
        /// What each has done, of a chain.
        stages: Vec<StageDone>,
        /// Lines of log, if they were asked for.
        lines: Vec<Vec<u8>>,
    } = 2,
    /// What stands under a key.
    Value(Option<Vec<u8>>) = 3,
    /// Bytes were set.
    Set(u64) = 4,
    /// A key was deleted, or was not there.
    Deleted(bool) = 5,
    /// Keys.
    Keys(Vec<Vec<u8>>) = 6,
    /// All functions, in the order of their first names.
    List(Vec<Entry>) = 7,
    /// One function.
    Info(Entry) = 8,
}

/// Why a request failed. Nothing of it stays.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Failed {
    /// For people.
    pub message: String,
    /// Which stage of a chain, from 0.
    pub stage: Option<u32>,
    /// Fuel until then, if anything ran.
    pub fuel: Option<u64>,
    /// What a function returned, with [`Code::Plugin`].
    pub returned: Option<i32>,
    /// Lines of log, if they were asked for.
    pub lines: Vec<Vec<u8>>,
}
