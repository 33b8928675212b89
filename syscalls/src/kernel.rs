//! The kernel (skeleton).

use crate::abi::{Call, Errno};
use crate::trace::{StepRecord, TraceRecord};
use replicode_log::{
    ConfigError, ConsoleStream, Egress, ExitStatus, FsImage, Ingress, Limits, LogicalTime, Pid, Refused, SockId, Trail,
};

/// What a process is started with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessSpec {
    /// Name; other processes find it by this name.
    pub name: String,
    /// Arguments, `argv[0]` included.
    pub args: Vec<String>,
    /// Environment. `LISTEN_FDS` and `LISTEN_FDS_START` are added when there are listeners.
    pub env: Vec<(String, String)>,
    /// Whether standard input comes through the log; otherwise it is at its end from the start.
    pub stdin: bool,
    /// Ports on which it finds listeners open, from descriptor 4.
    pub listeners: Vec<u16>,
    /// Seed of its random numbers.
    pub seed: [u8; 32],
}

/// Why a process cannot be started.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpawnError {
    /// As many processes as the limit allows are alive.
    #[error("{0} processes are alive, which is the limit 'processes': wait for one to end, or raise the limit")]
    Processes(u32),
    /// Arguments or environment are not acceptable.
    #[error(transparent)]
    Strings(#[from] ConfigError),
    /// More listeners than the process may have descriptors.
    #[error("{listeners} listeners do not fit the limit 'descriptors' of {max}")]
    Descriptors {
        /// How many were asked for.
        listeners: usize,
        /// The limit.
        max: u32,
    },
    /// A listener's port is 0, or listed twice.
    #[error("port {0} is listed twice or is not a port: name each listener's port once, 1 to 65535")]
    Port(u16),
}

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Finished. For preview 1 a WASI error number, 0 for success; for `replicode_sock_v1` a value, or the negative of
    /// an error number.
    Done(i32),
    /// The process has to be suspended. When it is resumed, the same call is made again.
    Wait,
    /// The process ends itself with this code.
    Exit(u32),
}

/// What is kept of each call besides the hash of the batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Recording {
    /// Nothing.
    #[default]
    Off,
    /// One [`StepRecord`] per call.
    Steps,
    /// One [`TraceRecord`] per call.
    Trace,
}

/// What a process does at the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProcessState {
    /// It can run.
    Ready,
    /// It waits in the call of that name, until then at the latest.
    Waiting {
        /// Name of the import.
        call: &'static str,
        /// [`LogicalTime::NEVER`] when only an event ends the wait.
        until: LogicalTime,
    },
    /// It gave up its turn and runs again in the next batch.
    Yielded,
    /// It has ended.
    Exited(ExitStatus),
}

/// One row of the table of processes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessInfo {
    /// Its number.
    pub pid: Pid,
    /// Its name.
    pub name: String,
    /// What it does.
    pub state: ProcessState,
    /// Open descriptors.
    pub descriptors: usize,
    /// Calls it has finished.
    pub calls: u64,
}

/// All processes, files and sockets of a cell.
#[derive(Clone, Debug)]
pub struct Kernel {
    trail: Trail,
}

#[allow(missing_docs, unused_variables, clippy::missing_errors_doc, reason = "skeleton")]
impl Kernel {
    pub fn new(limits: Limits, epoch_unix_ns: u64, image: &FsImage) -> Result<Self, Errno> {
        Ok(Self { trail: Trail::new() })
    }
    pub fn spawn(&mut self, spec: ProcessSpec) -> Result<Pid, SpawnError> {
        Ok(Pid(1))
    }
    pub fn advance(&mut self, now: LogicalTime) {}
    pub fn next_deadline(&self) -> Option<LogicalTime> {
        None
    }
    pub fn deliver(&mut self, event: Ingress) -> Result<Option<SockId>, Refused> {
        Ok(None)
    }
    pub fn deliver_stdin(&mut self, pid: Pid, bytes: Vec<u8>) {}
    pub fn end_stdin(&mut self, pid: Pid) {}
    pub fn poll_net(&mut self) -> Option<Egress> {
        None
    }
    pub fn poll_stdin_window(&mut self) -> Option<(Pid, u64)> {
        None
    }
    pub fn poll_console(&mut self) -> Option<(Pid, ConsoleStream, Vec<u8>)> {
        None
    }
    pub fn next_ready(&mut self) -> Option<Pid> {
        None
    }
    pub fn call(&mut self, pid: Pid, memory: &mut [u8], call: Call) -> Step {
        Step::Done(Errno::NoSys.raw())
    }
    pub fn exit(&mut self, pid: Pid, status: ExitStatus) {}
    pub fn trail(&mut self) -> &mut Trail {
        &mut self.trail
    }
    pub fn set_recording(&mut self, recording: Recording) {}
    pub fn take_steps(&mut self) -> Vec<StepRecord> {
        Vec::new()
    }
    pub fn take_trace(&mut self) -> Vec<TraceRecord> {
        Vec::new()
    }
    pub fn processes(&self) -> impl Iterator<Item = ProcessInfo> + '_ {
        std::iter::empty()
    }
}
