//! The deterministic kernel of a cell: processes, descriptors, files, sockets, poll, clock, random numbers.
//!
//! Programs ask it for everything they cannot compute themselves; it answers from the log and from its own state, and
//! from nothing else. It is a state machine over values: it does no I/O, reads no clock, draws no random number and
//! starts no thread. [`Kernel`] says how to drive it.
//!
//! What a program can ask for is a closed list, [`abi::IMPORTS`]: the 46 functions of WASI preview 1, the BSD sockets of
//! `replicode_sock_v1`, which preview 1 lacks, what else POSIX has and preview 1 lacks: `replicode_posix_v1`, and the cell's contracts:
//! `replicode_contract_v1`.
//!
//! | module | it is |
//! |---|---|
//! | [`abi`] | the list of imports, error numbers, constants, layouts |
//! | [`kernel`] | the doors: spawn, deliver, call, poll |
//! | [`trace`] | what a recording of calls holds |
//! | [`fs`] | the file system |
//! | `calls` | what each call does |
//! | `process`, `schedule` | processes, turns, the run queue, timers |
//! | `descriptor`, `open_file`, `close` | the descriptor table, open file descriptions |
//! | `socket`, `sockets`, `chunks`, `ports` | stream sockets, their buffers, the ports of a process |
//! | `readiness`, `watched` | what is ready, as Linux's `poll` has it, and who is to hear of it |
//! | `epoll`, `eventfd`, `timerfd` | sets of watches, counters, timers |
//! | [`contracts`] | what programs ask of contracts, which somebody else answers |
//! | `outbox` | what the kernel has to say |
//! | `memory`, `moved`, `random` | guest memory, what a call's hash covers, random numbers |
//!
//! Never here: the engine that runs programs, the network that carries batches, the sockets of the host.

#![forbid(unsafe_code)]

pub mod abi;
mod calls;
mod chunks;
mod close;
pub mod contracts;
mod descriptor;
mod epoll;
mod eventfd;
mod family;
pub mod fs;
pub mod kernel;
mod locks;
mod memory;
mod moved;
mod open_file;
mod outbox;
mod pair;
mod pipe;
mod ports;
mod process;
mod random;
mod readiness;
mod schedule;
mod slab;
mod socket;
mod sockets;
mod timerfd;
pub mod trace;
mod watched;

pub use abi::{Call, Errno};
pub use kernel::{Kernel, ProcessInfo, ProcessSpec, ProcessState, SpawnError, Step};
pub use trace::{Recording, StepRecord, TraceRecord};
