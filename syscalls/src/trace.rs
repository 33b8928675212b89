//! What a recording of system calls holds, and how a call reads for people.

mod awaited;
mod locks;
mod words;

use crate::abi::{Arg, Call, Errno, Import, Returns, ValType};
use crate::memory;
use awaited::{EpollEvents, Found, PollFds, TimerSpec};
use locks::{LockAt, TwoFds};
use replicode_log::{LogicalTime, Pid, StepHash};
use std::fmt::{self, Write as _};
use words::{AddressAt, Events, Fdstat, Filestat, Flags, Iovecs, OptionName, OptionValue, PathAt, Subscriptions};

/// The most bytes of data that a trace shows.
const PREVIEW: usize = 32;

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
        "replicode_posix_v1" => "posix",
        "replicode_contract_v1" => "contract",
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
        let word = |at: usize| raw.get(at).map_or(0, |word| *word as u32);
        let (before, ptr, next) = (word(n.wrapping_sub(1)), value as u32, word(n + 1));
        let args = &mut record.args;
        // A String takes whatever is written to it.
        let _ = match param.arg {
            Arg::Len | Arg::Out | Arg::OutU32 | Arg::OutU64 | Arg::OutAddress | Arg::OutText => Ok(()),
            Arg::OutFdstat | Arg::OutFilestat | Arg::OutOption | Arg::OutEvents => Ok(()),
            Arg::OutEpollEvents | Arg::OutTimerSpec | Arg::OutFds => Ok(()),
            Arg::Data => argument(args, "len", &next),
            Arg::Buffer => argument(args, "len", &next),
            Arg::Fd | Arg::Size => argument(args, param.name, &value),
            Arg::Int if param.ty == ValType::I32 => argument(args, param.name, &ptr.cast_signed()),
            Arg::Int => argument(args, param.name, &value.cast_signed()),
            Arg::Mode => argument(args, param.name, &format_args!("{value:#o}")),
            Arg::Rights => argument(args, param.name, &format_args!("{value:#x}")),
            Arg::Flags(set) => argument(args, param.name, &Flags(set, ptr)),
            Arg::Path => argument(args, param.name, &PathAt(memory, ptr, next)),
            Arg::Iovecs => argument(args, param.name, &Iovecs(memory, ptr, next)),
            Arg::Address => argument(args, param.name, &AddressAt(memory, ptr, next)),
            Arg::Option => argument(args, param.name, &OptionName { level: before, option: ptr }),
            Arg::OptionValue => argument(args, param.name, &OptionValue(memory, ptr, next)),
            Arg::Subscriptions => argument(args, param.name, &Subscriptions(memory, ptr, word(n + 2))),
            Arg::PollFds => argument(args, param.name, &PollFds(memory, ptr, next)),
            Arg::EpollEvent => argument(args, param.name, &EpollEvents(memory, ptr, 1)),
            Arg::Lock => argument(args, param.name, &LockAt(memory, ptr)),
            Arg::TimerSpec => argument(args, param.name, &TimerSpec(memory, ptr)),
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
            Arg::OutText => {
                // A length that is told is that of the text; one that is given may be longer.
                let told = raw.get(n + 2).and_then(|len| memory::read_u32(memory, *len as u32).ok());
                let len = told.unwrap_or(next).min(next);
                argument(&mut record.told, param.name, &PathAt(memory, ptr, len))
            }
            Arg::OutFdstat => argument(told, param.name, &Fdstat(memory, ptr)),
            Arg::OutFilestat => argument(told, param.name, &Filestat(memory, ptr)),
            Arg::OutOption => {
                let len = memory::read_u32(memory, next).unwrap_or(0);
                argument(told, param.name, &OptionValue(memory, ptr, len))
            }
            Arg::OutEvents => {
                let ready = memory::read_u32(memory, word(n + 2)).unwrap_or(0);
                let asked = Subscriptions(memory, before, next);
                argument(told, param.name, &Events { memory, at: ptr, count: ready, asked })
            }
            Arg::PollFds => argument(told, "found", &Found(PollFds(memory, ptr, next))),
            Arg::OutEpollEvents => argument(told, param.name, &EpollEvents(memory, ptr, result.max(0).cast_unsigned())),
            Arg::OutFds => argument(told, param.name, &TwoFds(memory, ptr)),
            Arg::OutTimerSpec if ptr != 0 => argument(told, param.name, &TimerSpec(memory, ptr)),
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
