//! What a guest may use. Limits decide what a guest observes, so they are equal on all nodes and part of the cluster
//! configuration's digest; a full disk or a host out of memory stops a node instead.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// Numbers of the cell that a guest can run into. Each one is checked by [`Limits::validate`].
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Processes alive at once. More are refused (`Refusal::Spawn`).
    pub processes: u32,
    /// Bytes of one process's linear memory; `memory.grow` beyond answers -1.
    pub memory_bytes: u64,
    /// Bytes of a module; larger ones are refused at load. Compilation time and memory grow with it.
    pub module_bytes: u64,
    /// Bytes of arguments plus environment of one process.
    pub args_bytes: u32,
    /// Descriptors per process, as `RLIMIT_NOFILE`; one more answers `EMFILE`.
    pub descriptors: u32,
    /// Connections in the NAT table, whole cell. One more is refused on all nodes alike.
    pub connections: u32,
    /// Upper bound of `listen`'s backlog, as `net.core.somaxconn`.
    pub backlog: u32,
    /// Bytes of a connection that may be in the log before the program has read them.
    pub recv_window: u32,
    /// Bytes of a connection that a program may have sent before the client's host has taken them.
    pub send_window: u32,
    /// Bytes of all files together; more answers `ENOSPC`.
    pub file_bytes: u64,
    /// Bytes of one file; more answers `EFBIG`.
    pub file_size: u64,
    /// Files, directories and links; one more answers `ENOSPC`.
    pub inodes: u32,
    /// Bytes of one path; a longer one answers `ENAMETOOLONG`.
    pub path_bytes: u32,
    /// Depth of the directory tree; a deeper directory cannot be made (`ENAMETOOLONG`).
    pub path_depth: u32,
    /// Bytes of names that directory listings under way keep, whole cell (a listing keeps the names that it began with,
    /// and four bytes for each); beginning one more answers `ENOMEM`.
    pub listing_bytes: u64,
    /// Buffers of one vectored call (`IOV_MAX`); more answers `EINVAL`.
    pub iovecs: u32,
    /// Bytes moved by one call on a stream (socket, standard input, console); longer requests are answered in part, as
    /// POSIX allows. Calls on files and devices, and `random_get`, move all that is asked for; each so many bytes count as
    /// one more call of the turn.
    pub call_bytes: u32,
    /// Subscriptions of one `poll_oneoff`; more answers `EINVAL`.
    pub subscriptions: u32,
    /// Calls in a row that find nothing to do (a poll that does not wait, a read that would block, `sched_yield`)
    /// before the process gives up its turn until the next batch.
    pub fruitless_calls: u32,
    /// Looks at the clock in one turn before the process gives up its turn: a loop that waits for time to pass.
    pub clock_calls: u32,
    /// Calls in one turn, of whatever kind, before the process gives it up. Keeps a process that always finds something
    /// to do from holding a batch for ever.
    pub turn_calls: u32,
    /// Bytes printed in one turn before the process gives it up: with `call_bytes`, bounds what it prints in a batch.
    pub turn_console_bytes: u32,
    /// Nanoseconds after which a process that gave up its turn gets the next one if nothing else happens.
    pub spin_quantum_ns: u64,
    /// Nanoseconds by which a process's clock advances at each look at it within one batch.
    pub clock_step_ns: u64,
    /// Bytes of wasm stack; the same on all nodes, part of the engine fingerprint.
    pub stack_bytes: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            processes: 64,
            memory_bytes: 1 << 30,
            module_bytes: 64 << 20,
            args_bytes: 1 << 20,
            descriptors: 16_384,
            connections: 16_000,
            backlog: 4_096,
            recv_window: 64 << 10,
            send_window: 256 << 10,
            file_bytes: 1 << 30,
            file_size: 1 << 30,
            inodes: 100_000,
            path_bytes: 4_096,
            path_depth: 64,
            listing_bytes: 64 << 20,
            iovecs: 1_024,
            call_bytes: 1 << 20,
            subscriptions: 32_768,
            fruitless_calls: 256,
            clock_calls: 1_000_000,
            turn_calls: 1 << 20,
            turn_console_bytes: 4 << 20,
            spin_quantum_ns: 2_000_000,
            clock_step_ns: 100,
            stack_bytes: 1 << 20,
        }
    }
}

/// A limit outside its meaningful range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("limit '{name}' is {value}: it must be {least} to {most}")]
pub struct LimitError {
    /// The field.
    pub name: &'static str,
    /// What was asked for.
    pub value: u64,
    /// Smallest meaningful value.
    pub least: u64,
    /// Largest meaningful value.
    pub most: u64,
}

impl Limits {
    /// Checks that every limit is one the machine can honour.
    ///
    /// # Errors
    /// The first limit that is out of range.
    pub fn validate(&self) -> Result<(), LimitError> {
        let check = |name, value: u64, least: u64, most: u64| {
            if (least..=most).contains(&value) { Ok(()) } else { Err(LimitError { name, value, least, most }) }
        };
        check("processes", self.processes.into(), 1, 4_096)?;
        // wasm32 cannot address more than 4 GiB.
        check("memory_bytes", self.memory_bytes, 64 << 10, 4 << 30)?;
        check("module_bytes", self.module_bytes, 8, 1 << 30)?;
        check("args_bytes", self.args_bytes.into(), 0, 16 << 20)?;
        // 0, 1, 2, the root directory and one more to work with.
        check("descriptors", self.descriptors.into(), 5, 1 << 20)?;
        check("connections", self.connections.into(), 0, 60_000)?;
        check("backlog", self.backlog.into(), 1, 65_535)?;
        check("recv_window", self.recv_window.into(), 1, 4 << 20)?;
        check("send_window", self.send_window.into(), 1, 4 << 20)?;
        check("file_bytes", self.file_bytes, 0, 64 << 30)?;
        check("file_size", self.file_size, 0, 64 << 30)?;
        check("inodes", self.inodes.into(), 1, 16 << 20)?;
        check("path_bytes", self.path_bytes.into(), 1, 1 << 20)?;
        check("path_depth", self.path_depth.into(), 1, 1_024)?;
        // One name of the longest kind fits in any case.
        check("listing_bytes", self.listing_bytes, 4_096, 64 << 30)?;
        check("iovecs", self.iovecs.into(), 1, 1 << 16)?;
        check("call_bytes", self.call_bytes.into(), 1, 64 << 20)?;
        check("subscriptions", self.subscriptions.into(), 1, 1 << 20)?;
        check("fruitless_calls", self.fruitless_calls.into(), 1, u32::MAX.into())?;
        check("clock_calls", self.clock_calls.into(), 1, u32::MAX.into())?;
        check("turn_calls", self.turn_calls.into(), 1, u32::MAX.into())?;
        check("turn_console_bytes", self.turn_console_bytes.into(), 1, 1 << 30)?;
        check("spin_quantum_ns", self.spin_quantum_ns, 100_000, 60_000_000_000)?;
        check("clock_step_ns", self.clock_step_ns, 1, 1_000_000_000)?;
        check("stack_bytes", self.stack_bytes.into(), 64 << 10, 64 << 20)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_valid() {
        assert_eq!(Limits::default().validate(), Ok(()));
    }

    #[test]
    fn a_limit_out_of_range_is_named() {
        let limits = Limits { descriptors: 4, ..Limits::default() };
        let error = limits.validate().map_err(|error| error.to_string());
        assert_eq!(error, Err("limit 'descriptors' is 4: it must be 5 to 1048576".to_string()));
    }

    #[test]
    fn a_turn_has_room_for_something() {
        for limits in [
            Limits { turn_calls: 0, ..Limits::default() },
            Limits { turn_console_bytes: 0, ..Limits::default() },
            Limits { listing_bytes: 258, ..Limits::default() },
        ] {
            assert!(limits.validate().is_err_and(|error| error.value < error.least));
        }
        let least = Limits { turn_calls: 1, turn_console_bytes: 1, listing_bytes: 4_096, ..Limits::default() };
        assert_eq!(least.validate(), Ok(()));
    }
}
