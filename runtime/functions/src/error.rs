//! What a request can be answered besides success: a code for programs, a sentence for people.

use replicode_wasm::functions::{Failure, LoadError};

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $number:literal $name:literal,)*) => {
        /// Why a request failed. Numbers are those of binary answers; 0 is success.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum ErrorCode { $($(#[doc = $doc])+ $variant = $number,)* }

        impl ErrorCode {
            /// All codes, in the order of their numbers.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The code in JSON.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

codes! {
    /// The line is no JSON object.
    BadJson = 1 "bad_json",
    /// A field is missing, unknown, of another type or out of range.
    BadRequest = 2 "bad_request",
    /// The line or frame is too long. The connection ends.
    TooLong = 3 "too_long",
    /// There is no such operation.
    UnknownOp = 4 "unknown_op",
    /// There is no such function, or no such execution to cancel.
    NotFound = 5 "not_found",
    /// This connection has too much in flight.
    Busy = 6 "busy",
    /// The server has too much in flight.
    Overloaded = 7 "overloaded",
    /// The module cannot be run here.
    BadModule = 8 "bad_module",
    /// The module imports what is not there.
    UnsupportedImport = 9 "unsupported_import",
    /// The module has no such entry point.
    NoEntry = 10 "no_entry",
    /// The function trapped.
    Trap = 11 "trap",
    /// The function returned a code other than 0.
    Plugin = 12 "plugin",
    /// The function's time was over.
    Timeout = 13 "timeout",
    /// The function's fuel was used up.
    Fuel = 14 "fuel",
    /// The function asked for more memory than it may have.
    Memory = 15 "memory",
    /// The function's output was too large.
    OutputTooLarge = 16 "output_too_large",
    /// The function logged too much.
    LogTooLarge = 17 "log_too_large",
    /// What the function had read was changed by others, again and again; or what it wanted to keep is too large.
    StateConflict = 18 "state_conflict",
    /// The function may only read state.
    ReadOnly = 19 "read_only",
    /// The execution was cancelled.
    Cancelled = 20 "cancelled",
    /// The server ends.
    ShuttingDown = 21 "shutting_down",
    /// The server, or the node behind it, cannot do what it has to.
    Node = 22 "node",
}

/// A failed request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ServiceError {
    /// For programs.
    pub code: ErrorCode,
    /// For people: what was tried, the value, the reason, the way out.
    pub message: String,
    /// Which stage of a chain, from 0.
    pub stage: Option<u32>,
    /// Fuel burnt until then, if anything ran.
    pub fuel: Option<u64>,
    /// What a function returned, with [`ErrorCode::Plugin`].
    pub returned: Option<i32>,
}

impl ServiceError {
    /// An error before anything ran.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), stage: None, fuel: None, returned: None }
    }
}

/// The code of a failed execution.
#[must_use]
pub const fn code_of(failure: &Failure) -> ErrorCode {
    match failure {
        Failure::Trap(_) | Failure::Depth(_) => ErrorCode::Trap,
        Failure::Plugin { .. } => ErrorCode::Plugin,
        Failure::NoEntry { .. } => ErrorCode::NoEntry,
        Failure::Timeout(_) => ErrorCode::Timeout,
        Failure::Fuel(_) => ErrorCode::Fuel,
        Failure::Memory { .. } => ErrorCode::Memory,
        Failure::Output { .. } => ErrorCode::OutputTooLarge,
        Failure::Log { .. } => ErrorCode::LogTooLarge,
        Failure::State(_) | Failure::Conflict(_) => ErrorCode::StateConflict,
        Failure::ReadOnly => ErrorCode::ReadOnly,
        Failure::Cancelled => ErrorCode::Cancelled,
        Failure::Busy(_) => ErrorCode::Busy,
        Failure::Overloaded(_) => ErrorCode::Overloaded,
        Failure::ShuttingDown => ErrorCode::ShuttingDown,
        Failure::Host(_) => ErrorCode::Node,
    }
}

impl From<LoadError> for ServiceError {
    fn from(error: LoadError) -> Self {
        let code = match error {
            LoadError::Bad(_) => ErrorCode::BadModule,
            LoadError::Import(_) => ErrorCode::UnsupportedImport,
            LoadError::Entry(_) => ErrorCode::NoEntry,
            LoadError::Host(_) => ErrorCode::Node,
        };
        Self::new(code, format!("the module cannot be loaded: {error}"))
    }
}
