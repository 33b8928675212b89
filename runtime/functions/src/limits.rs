//! How much a server and an execution may use. One place, with the reason for each bound.

use crate::error::{ErrorCode, ServiceError};
use serde::{Deserialize, Serialize};

/// Bytes of a megabyte here.
pub const MB: u64 = 1 << 20;
/// Fuel until an execution leaves the thread that serves the socket: about 50 µs.
pub const FIRST_SLICE: u64 = 100_000;
/// Fuel until it looks at the clock again after that: about half a millisecond.
pub const SLICE: u64 = 1_000_000;
/// The most stages of a chain.
pub const MOST_STAGES: usize = 64;
/// How deep functions call functions.
pub const MOST_DEPTH: u32 = 16;

/// What an execution may use. What a request does not say is as it was said when the function was loaded, or [`ExecutionConfig::DEFAULT`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExecutionConfig {
    /// Milliseconds until it is ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// Megabytes of memory of all its instances at the same time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_limit_mb: Option<u64>,
    /// Units of fuel. Without it, fuel is only counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fuel: Option<u64>,
    /// Megabytes of output of each stage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_limit_mb: Option<u64>,
}

/// The same with everything decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effective {
    /// Milliseconds.
    pub timeout_ms: u64,
    /// Bytes.
    pub memory_bytes: u64,
    /// Units of fuel.
    pub fuel: u64,
    /// Bytes.
    pub output_bytes: u64,
}

impl ExecutionConfig {
    /// What holds when nobody says anything: honest work fits, and an endless loop ends while somebody still waits for it.
    pub const DEFAULT: Self =
        Self { timeout_ms: Some(5000), memory_limit_mb: Some(64), fuel: None, output_limit_mb: Some(16) };

    /// This, and what it leaves open from another one.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            timeout_ms: self.timeout_ms.or(other.timeout_ms),
            memory_limit_mb: self.memory_limit_mb.or(other.memory_limit_mb),
            fuel: self.fuel.or(other.fuel),
            output_limit_mb: self.output_limit_mb.or(other.output_limit_mb),
        }
    }

    /// Everything decided, within what the server allows.
    ///
    /// # Errors
    /// When a value is 0 or above the server's ceiling.
    pub fn effective(self, limits: &ServerLimits) -> Result<Effective, ServiceError> {
        let default = |default: u64, ceiling: u64| Some(default.min(ceiling));
        let all = self.or(Self {
            timeout_ms: default(5000, limits.timeout_ms),
            memory_limit_mb: default(64, limits.memory_mb),
            fuel: Some(limits.fuel),
            output_limit_mb: default(16, limits.output_mb),
        });
        let within = |what: &str, value: u64, most: u64| {
            if value == 0 || value > most {
                let text = format!("{what} is {value}: from 1 to {most} is possible on this server");
                return Err(ServiceError::new(ErrorCode::BadRequest, text));
            }
            Ok(value)
        };
        Ok(Effective {
            timeout_ms: within("timeout_ms", all.timeout_ms.unwrap_or(0), limits.timeout_ms)?,
            memory_bytes: within("memory_limit_mb", all.memory_limit_mb.unwrap_or(0), limits.memory_mb)?
                .saturating_mul(MB),
            fuel: within("fuel", all.fuel.unwrap_or(0), limits.fuel)?,
            output_bytes: within("output_limit_mb", all.output_limit_mb.unwrap_or(0), limits.output_mb)?
                .saturating_mul(MB),
        })
    }
}

/// The bounds of a server: `--limits FILE`, in TOML or JSON with these names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerLimits {
    /// Ceiling of `timeout_ms`.
    pub timeout_ms: u64,
    /// Ceiling of `memory_limit_mb`.
    pub memory_mb: u64,
    /// Ceiling of `fuel`.
    pub fuel: u64,
    /// Ceiling of `output_limit_mb`.
    pub output_mb: u64,
    /// Bytes that an execution may log.
    pub log_bytes: u64,
    /// Bytes of a line, or of a frame: held in memory for each connection.
    pub line_bytes: u64,
    /// Bytes of answers that wait for a client that does not read; beyond it the client is not read from either.
    pub waiting_bytes: u64,
    /// Connections.
    pub connections: u64,
    /// Functions.
    pub functions: u64,
    /// Bytes of one module.
    pub module_bytes: u64,
    /// Bytes of all modules.
    pub modules_bytes: u64,
    /// Bytes of machine code that is kept; what was used least recently beyond it is made again when it is needed.
    pub code_bytes: u64,
    /// Executions of one connection that have left their first slice behind: beyond it `busy`.
    pub in_flight: u64,
    /// Such executions of all connections: beyond it `overloaded`.
    pub queue: u64,
    /// Bytes of a key of state.
    pub key_bytes: u64,
    /// Bytes of a value of state.
    pub value_bytes: u64,
    /// Bytes of all state.
    pub state_bytes: u64,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            timeout_ms: 600_000,
            memory_mb: 1024,
            fuel: 1 << 62,
            output_mb: 1024,
            log_bytes: 64 << 10,
            line_bytes: 16 << 20,
            waiting_bytes: 4 << 20,
            connections: 20_000,
            functions: 10_000,
            module_bytes: 16 << 20,
            modules_bytes: 1 << 30,
            code_bytes: 1 << 30,
            in_flight: 256,
            queue: 512,
            key_bytes: 1024,
            value_bytes: 1 << 20,
            state_bytes: 1 << 30,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ceiling_may_be_as_high_as_numbers_go() {
        let limits = ServerLimits { memory_mb: u64::MAX, output_mb: u64::MAX, ..ServerLimits::default() };
        let config =
            |mb| ExecutionConfig { memory_limit_mb: Some(mb), output_limit_mb: Some(mb), ..Default::default() };
        let bytes = |mb| config(mb).effective(&limits).map(|all| (all.memory_bytes, all.output_bytes));
        assert_eq!(bytes(3), Ok((3 << 20, 3 << 20)));
        assert_eq!(bytes(u64::MAX), Ok((u64::MAX, u64::MAX)));
    }
}
