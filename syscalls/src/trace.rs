//! What a recording of system calls holds, and how a call reads for people.

use crate::abi::layout;
use crate::abi::{Arg, Call, Errno, FlagSet, Import, Returns};
use crate::memory;
use replicode_log::{HostAddr, LogicalTime, Pid, StepHash};
use std::fmt::{self, Write as _};

/// The most bytes of data that a trace shows.
const PREVIEW: usize = 32;
/// The most bytes of a path that a trace shows.
const PATH: usize = 256;

/// The most steps that are kept between two [`crate::Kernel::take_steps`]: the first ones. A turn may have as many as
/// the limit `turn_calls` says, for each process, and they must not use up the host's memory. How many steps a batch
/// had is counted in its trail in any case.
pub const STEPS_KEPT: usize = 200_000;

/// What is kept of each call besides the hash of the batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Recording {
    /// Nothing.
    #[default]
    Off,
    /// One [`StepRecord`] per call, for the first [`STEPS_KEPT`] of a batch.
    Steps,
    /// One [`TraceRecord`] per call.
    Trace,
}

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

/// One finished call, decoded. Prints as a line of `strace`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceRecord {
    /// When, by the process's clock.
    pub time: LogicalTime,
    /// The process.
    pub pid: Pid,
    /// Its name.
    pub process: String,
    /// The call: position in [`crate::abi::IMPORTS`].
    pub call: u16,
    /// The arguments as text.
    pub args: String,
    /// The wasm result.
    pub result: i32,
    /// What the call told the program through pointers, as text; empty if nothing.
    pub told: String,
    /// The first bytes that moved.
    pub data: Vec<u8>,
    /// How many bytes moved.
    pub moved: u64,
}

/// What is kept, and what was kept so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recorder {
    pub(crate) mode: Recording,
    pub(crate) steps: Vec<StepRecord>,
    pub(crate) trace: Vec<TraceRecord>,
}

impl Recorder {
    /// Keeps a step, as long as there is room.
    #[inline]
    pub(crate) fn step(&mut self, step: StepRecord) {
        if self.steps.len() < STEPS_KEPT {
            self.steps.push(step);
        }
    }
}

impl TraceRecord {
    fn import(&self) -> Option<&'static Import> {
        crate::abi::IMPORTS.get(usize::from(self.call))
    }

    /// The error that the call answered, if it did.
    #[must_use]
    pub fn error(&self) -> Option<Errno> {
        let raw = match self.import()?.returns {
            Returns::Errno => self.result,
            Returns::Value => self.result.checked_neg()?,
            Returns::Never => return None,
        };
        Errno::from_raw(raw).filter(|errno| *errno != Errno::Success)
    }
}

impl fmt::Display for TraceRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (module, name) = self.import().map_or(("", "?"), |import| (short(import.module), import.name));
        write!(f, "{} [{} {}] {module} {name}({})", self.time, self.pid.0, self.process, self.args)?;
        match self.error() {
            Some(errno) => write!(f, " = -1 {errno}"),
            None => {
                // The count that a program sees is worth more than the zero that preview 1 returns beside it.
                write!(f, " = {}", if self.moved > 0 { self.moved.to_string() } else { self.result.to_string() })?;
                if !self.told.is_empty() {
                    write!(f, " [{}]", self.told)?;
                }
                if !self.data.is_empty() {
                    let more = if self.moved > self.data.len() as u64 { "..." } else { "" };
                    write!(f, " \"{}\"{more}", self.data.escape_ascii())?;
                }
                Ok(())
            }
        }
    }
}

fn short(module: &str) -> &str {
    match module {
        "wasi_snapshot_preview1" => "wasi",
        "replicode_sock_v1" => "sock",
        other => other,
    }
}

/// Decodes a finished call. What lies outside memory is shown as a pointer.
pub(crate) fn describe(
    time: LogicalTime,
    pid: Pid,
    process: String,
    memory: &[u8],
    call: Call,
    result: i32,
    moved: u64,
) -> TraceRecord {
    let import = call.import();
    let raw = call.args();
    let raw = raw.as_slice();
    let mut record = TraceRecord {
        time,
        pid,
        process,
        call: call.number(),
        args: String::new(),
        result,
        told: String::new(),
        data: Vec::new(),
        moved,
    };
    let succeeded = record.error().is_none();
    for (n, (param, &value)) in import.params.iter().zip(raw).enumerate() {
        let (ptr, next) = (value as u32, raw.get(n + 1).map_or(0, |next| *next as u32));
        let args = &mut record.args;
        // A String takes whatever is written to it.
        let _ = match param.arg {
            Arg::Len | Arg::Out | Arg::OutU32 | Arg::OutU64 | Arg::OutAddress => Ok(()),
            Arg::Data => argument(args, "len", &next),
            Arg::Buffer => argument(args, "len", &next),
            Arg::Fd | Arg::Size => argument(args, param.name, &value),
            Arg::Int => argument(args, param.name, &value.cast_signed()),
            Arg::Rights => argument(args, param.name, &format_args!("{value:#x}")),
            Arg::Flags(set) => argument(args, param.name, &Flags(set, ptr)),
            Arg::Path => argument(args, param.name, &PathAt(memory, ptr, next)),
            Arg::Iovecs => argument(args, param.name, &Iovecs(memory, ptr, next)),
            Arg::Address => argument(args, param.name, &AddressAt(memory, ptr, next)),
            Arg::Subscriptions => Ok(()),
        };
        if !succeeded {
            continue;
        }
        let told = &mut record.told;
        let _ = match param.arg {
            // The count of moved bytes is the result already.
            Arg::OutU32 if moved == 0 => match memory::read_u32(memory, ptr) {
                Ok(value) => argument(told, param.name, &value),
                Err(_) => Ok(()),
            },
            Arg::OutU64 => match memory::read_u64(memory, ptr) {
                Ok(value) => argument(told, param.name, &value),
                Err(_) => Ok(()),
            },
            Arg::OutAddress if ptr != 0 => argument(told, param.name, &AddressAt(memory, ptr, 16)),
            _ => Ok(()),
        };
        match param.arg {
            Arg::Data => gather(&mut record.data, memory, ptr, next, moved),
            Arg::Iovecs => {
                for pair in 0..next.min(64) {
                    let at = ptr.saturating_add(pair * 8);
                    if let (Ok(ptr), Ok(len)) =
                        (memory::read_u32(memory, at), memory::read_u32(memory, at.saturating_add(4)))
                    {
                        gather(&mut record.data, memory, ptr, len, moved);
                    }
                }
            }
            _ => {}
        }
    }
    record
}

/// Adds bytes of a buffer to the preview, as far as they moved and fit.
fn gather(out: &mut Vec<u8>, memory: &[u8], ptr: u32, len: u32, moved: u64) {
    let room = PREVIEW.min(moved as usize).saturating_sub(out.len());
    let len = len.min(room as u32);
    out.extend(memory::bytes(memory, ptr, len).unwrap_or_default());
}

/// Adds `name=value` to a list.
fn argument(list: &mut String, name: &str, value: &dyn fmt::Display) -> fmt::Result {
    let comma = if list.is_empty() { "" } else { ", " };
    write!(list, "{comma}{name}={value}")
}

struct PathAt<'a>(&'a [u8], u32, u32);

impl fmt::Display for PathAt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match memory::bytes(self.0, self.1, self.2) {
            Ok(path) if path.len() <= PATH => write!(f, "\"{}\"", path.escape_ascii()),
            Ok(path) => write!(f, "\"{}\"...", path[..PATH].escape_ascii()),
            Err(_) => write!(f, "{:#x}", self.1),
        }
    }
}

struct Iovecs<'a>(&'a [u8], u32, u32);

impl fmt::Display for Iovecs<'_> {
    /// The lengths of the buffers, as far as they can be read.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for n in 0..self.2.min(8) {
            let at = self.1.saturating_add(n * 8).saturating_add(4);
            let comma = if n > 0 { ", " } else { "" };
            match memory::read_u32(self.0, at) {
                Ok(len) => write!(f, "{comma}{len}")?,
                Err(_) => write!(f, "{comma}?")?,
            }
        }
        f.write_str(if self.2 > 8 { ", ...]" } else { "]" })
    }
}

struct AddressAt<'a>(&'a [u8], u32, u32);

impl fmt::Display for AddressAt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match memory::bytes(self.0, self.1, self.2.min(16)).and_then(layout::parse_sockaddr) {
            Ok((ip, port)) => write!(f, "{}", HostAddr::V4(ip, port)),
            Err(_) => write!(f, "{:#x}", self.1),
        }
    }
}

/// Named bits, or a named number.
struct Flags(FlagSet, u32);

impl Flags {
    /// The names of the bits from the lowest up, or of the numbers from 0 up.
    const fn names(&self) -> (bool, &'static [(u32, &'static str)]) {
        match self.0 {
            FlagSet::Fd => (true, &[(1, "APPEND"), (2, "DSYNC"), (4, "NONBLOCK"), (8, "RSYNC"), (16, "SYNC")]),
            FlagSet::Open => (true, &[(1, "CREAT"), (2, "DIRECTORY"), (4, "EXCL"), (8, "TRUNC")]),
            FlagSet::Lookup => (true, &[(1, "FOLLOW")]),
            FlagSet::Times => (true, &[(1, "ATIM"), (2, "ATIM_NOW"), (4, "MTIM"), (8, "MTIM_NOW")]),
            FlagSet::Recv => (true, &[(1, "PEEK"), (2, "WAITALL")]),
            FlagSet::Msg => (true, &[(1, "PEEK"), (2, "WAITALL"), (0x40, "DONTWAIT"), (0x4000, "NOSIGNAL")]),
            FlagSet::Shutdown => (true, &[(1, "RD"), (2, "WR")]),
            FlagSet::Sock => (true, &[(6, "STREAM"), (0x2000, "CLOEXEC"), (0x4000, "NONBLOCK")]),
            FlagSet::Clock => {
                (false, &[(0, "REALTIME"), (1, "MONOTONIC"), (2, "PROCESS_CPUTIME"), (3, "THREAD_CPUTIME")])
            }
            FlagSet::Whence => (false, &[(0, "SET"), (1, "CUR"), (2, "END")]),
            FlagSet::Advice => (
                false,
                &[(0, "NORMAL"), (1, "SEQUENTIAL"), (2, "RANDOM"), (3, "WILLNEED"), (4, "DONTNEED"), (5, "NOREUSE")],
            ),
        }
    }
}

impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (bits, names) = self.names();
        if !bits {
            return match names.iter().find(|(number, _)| *number == self.1) {
                Some((_, name)) => f.write_str(name),
                None => write!(f, "{}", self.1),
            };
        }
        let mut rest = self.1;
        let mut bar = "";
        for (bit, name) in names {
            if rest & bit == *bit {
                write!(f, "{bar}{name}")?;
                bar = "|";
                rest &= !bit;
            }
        }
        match (rest, bar) {
            (0, "") => f.write_str("0"),
            (0, _) => Ok(()),
            _ => write!(f, "{bar}{rest:#x}"),
        }
    }
}
