//! How an execution can end other than well, in the words of the service.

/// Why an execution has failed. Nothing of it is seen: neither output nor state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The module trapped.
    #[error("the function trapped: {0}")]
    Trap(String),
    /// The function returned another code than 0.
    #[error("the function ended with code {code}{}", said(.message))]
    Plugin {
        /// What it returned.
        code: i32,
        /// What it said with `host.error`.
        message: String,
    },
    /// There is no function of that name in the module, or not of that type.
    #[error("the module exports no function {entry:?} of type (i32, i32) -> i32")]
    NoEntry {
        /// What was to be called.
        entry: String,
    },
    /// Its time was over.
    #[error("it ran for {0} ms: give it more with timeout_ms")]
    Timeout(u64),
    /// Its fuel was used up.
    #[error("it has used up its {0} units of fuel: give it more with fuel")]
    Fuel(u64),
    /// It asked for more memory than it may have.
    #[error("it asked for {asked} bytes of memory and may have {limit}: give it more with memory_limit_mb")]
    Memory {
        /// Bytes that it wanted in all.
        asked: u64,
        /// Bytes that it may have.
        limit: u64,
    },
    /// It wrote more output than it may.
    #[error("it wrote {wrote} bytes of output and may write {limit}: give it more with output_limit_mb")]
    Output {
        /// Bytes in all.
        wrote: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// It logged more than it may.
    #[error("it logged {wrote} bytes and may log {limit}")]
    Log {
        /// Bytes in all.
        wrote: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// A key or value of its state is too long, or the state is full.
    #[error("{0}")]
    State(String),
    /// What it had read of its state was changed by others again and again.
    #[error("others changed what it had read of its state, {0} times in a row: try again, or keep less under one key")]
    Conflict(u32),
    /// It wanted to change state and may not.
    #[error("it may only read state")]
    ReadOnly,
    /// Functions call functions, deeper than they may.
    #[error("functions call functions {0} deep, which is the most")]
    Depth(u32),
    /// Somebody has ended it.
    #[error("it was cancelled")]
    Cancelled,
    /// Whoever asked has too much under way.
    #[error("{0}")]
    Busy(String),
    /// It would have to wait behind too many others.
    #[error("{0}")]
    Overloaded(String),
    /// The server ends.
    #[error("the server is shutting down")]
    ShuttingDown,
    /// The host could not do what it has to.
    #[error("the server cannot run it: {0}")]
    Host(String),
}

fn said(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(": {message}") }
}
