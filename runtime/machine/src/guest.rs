//! What the machine asks of a running program: a Wasmtime guest in production, a scripted one in tests.

use replicode_log::{Digest, ExitStatus, Pid};
use replicode_syscalls::Kernel;

/// Why a guest stopped running.
#[derive(Debug)]
pub enum Pause {
    /// It waits in a system call that the kernel answered with `Step::Wait`. When resumed it makes that call again.
    Waiting,
    /// It has ended, and is not to be resumed. The text says more than the log does (where a trap happened); it is for
    /// this node's own log and part of nothing that nodes compare.
    Exited(ExitStatus, Option<String>),
    /// This host could not give the guest what the configuration promised. The guest has not failed; the node has.
    Fault(String),
}

/// A process's program in the middle of its run.
pub trait Guest: Send {
    /// Runs until the guest waits or ends. The kernel is lent for that time: all calls go to it, and it comes back
    /// with the answer.
    ///
    /// Dropping a guest that waits ends it without a trace; the machine does so after `kill`.
    fn resume(&mut self, kernel: Box<Kernel>) -> (Box<Kernel>, Pause);
}

/// A program that cannot be started on this node, although the configuration lists it. A fault of the node: on a
/// sound one every module was checked and compiled before the first batch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// The node does not have the module.
    #[error("module {0} is not loaded on this node: restore it to the data directory")]
    Unknown(Digest),
    /// The host failed.
    #[error("{0}")]
    Host(String),
}

/// Makes guests out of modules.
pub trait GuestLoader {
    /// A guest for process `pid` that has not run yet.
    ///
    /// # Errors
    /// When this node cannot start the module; the node then stops.
    fn start(&mut self, pid: Pid, module: Digest) -> Result<Box<dyn Guest>, LoadError>;
}
