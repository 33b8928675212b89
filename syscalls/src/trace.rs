//! What a recording of system calls holds.

use replicode_log::{LogicalTime, Pid, StepHash};
use std::fmt;
use std::sync::Arc;

/// One finished call as a hash: enough to find where two nodes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepRecord {
    /// The process.
    pub pid: Pid,
    /// The call: position in [`crate::abi::IMPORTS`].
    pub call: u16,
    /// Hash of arguments, result and moved bytes.
    pub hash: StepHash,
}

/// One finished call, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceRecord {
    /// When, by the process's clock.
    pub time: LogicalTime,
    /// The process.
    pub pid: Pid,
    /// Its name.
    pub process: Arc<str>,
    /// The call: position in [`crate::abi::IMPORTS`].
    pub call: u16,
    /// The arguments as text.
    pub args: String,
    /// The result as text.
    pub result: String,
    /// The first bytes that moved.
    pub data: Vec<u8>,
    /// How many bytes moved.
    pub moved: u64,
}

impl fmt::Display for TraceRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{} {}] {}", self.time, self.pid.0, self.process, self.args)
    }
}
