//! What the table of imports says about each function.

use super::{Call, IMPORTS};
use std::fmt;

/// Type of a wasm parameter. Guests' interfaces here use no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValType {
    /// 32-bit integer; also pointers, since guests are wasm32.
    I32,
    /// 64-bit integer.
    I64,
}

/// How an import is made deterministic. Every one is classified, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Its result depends on the guest's own acts only.
    Eliminated,
    /// It has a source of variation on a real host, which a rule of the kernel replaces.
    Normalised,
    /// Its result depends on the order of events, which the log fixes.
    Ordered,
    /// Its result comes out of the log: bytes, time, seeds.
    Recorded,
    /// It answers an error always.
    Refused,
}

impl Class {
    /// All classes.
    pub const ALL: [Self; 5] = [Self::Eliminated, Self::Normalised, Self::Ordered, Self::Recorded, Self::Refused];

    /// The word that documentation and traces use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Eliminated => "eliminated",
            Self::Normalised => "normalised",
            Self::Ordered => "ordered",
            Self::Recorded => "recorded",
            Self::Refused => "refused",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What an import's wasm result is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Returns {
    /// One `i32`: a WASI error number, 0 for success.
    Errno,
    /// One `i32`: a value, or the negative of a WASI error number.
    Value,
    /// Nothing, because it does not return.
    Never,
}

impl Returns {
    /// The wasm result types.
    #[must_use]
    pub const fn types(self) -> &'static [ValType] {
        match self {
            Self::Errno | Self::Value => &[ValType::I32],
            Self::Never => &[],
        }
    }
}

/// Sets of named bits (or named numbers), for traces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlagSet {
    /// `fdflags`.
    Fd,
    /// `oflags`.
    Open,
    /// `lookupflags`.
    Lookup,
    /// `fstflags`.
    Times,
    /// `riflags`.
    Recv,
    /// `sdflags`, and `how` of `shutdown`.
    Shutdown,
    /// `SOCK_*` bits beside the type.
    Sock,
    /// `MSG_*`.
    Msg,
    /// `clockid`, a number.
    Clock,
    /// `whence`, a number.
    Whence,
    /// `advice`, a number.
    Advice,
    /// `filetype`, a number.
    FileType,
    /// `AF_*`, a number.
    Domain,
    /// `IPPROTO_*`, a number.
    Protocol,
    /// The level of a socket option, a number.
    Level,
    /// Commands of `lock`, a number.
    LockCommand,
    /// `LOCK_*`.
    Flock,
    /// Flags of a new descriptor of `replicode_posix_v1`.
    New,
    /// The same, and `EFD_SEMAPHORE`.
    Eventfd,
    /// `EPOLL_CTL_*`, a number.
    EpollOp,
    /// `EPOLL*`.
    Epoll,
    /// `POLL*`.
    Poll,
    /// `TFD_TIMER_*`.
    Timer,
}

/// What a parameter means. Used only for traces: the kernel's own decoding does not look at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arg {
    /// A descriptor.
    Fd,
    /// A signed number.
    Int,
    /// An unsigned number.
    Size,
    /// Rights, in hexadecimal.
    Rights,
    /// Permission bits, in octal.
    Mode,
    /// Named bits.
    Flags(FlagSet),
    /// Pointer to a path; its length follows as [`Arg::Len`].
    Path,
    /// Pointer to bytes that move; their length follows as [`Arg::Len`].
    Data,
    /// Pointer to bytes that the trace does not show; their length follows as [`Arg::Len`].
    Buffer,
    /// Length of what the parameter before points to; printed with it or instead of it.
    Len,
    /// Pointer to `(pointer, length)` pairs of bytes that move; their number follows as [`Arg::Len`].
    Iovecs,
    /// Pointer to a `sockaddr` that is read; its length follows as [`Arg::Len`].
    Address,
    /// A socket option's number, its level before it.
    Option,
    /// Pointer to a socket option's value that is read; its length follows as [`Arg::Len`].
    OptionValue,
    /// Pointer to subscriptions; [`Arg::OutEvents`] and their number follow.
    Subscriptions,
    /// Pointer to `struct pollfd`s that are read, and written in part; their number follows. What they found is shown
    /// after success.
    PollFds,
    /// Pointer to a `struct epoll_event` that is read.
    EpollEvent,
    /// Pointer to a `struct itimerspec` that is read.
    TimerSpec,
    /// Pointer to a `struct flock` that is read, and written by some commands; shown as it stands afterwards.
    Lock,
    /// Pointer to two descriptors that are written; shown after success.
    OutFds,
    /// Pointer to something that is written, not shown.
    Out,
    /// Pointer to a `u32` that is written; shown with its value after success.
    OutU32,
    /// Pointer to a `u64` that is written; shown with its value after success.
    OutU64,
    /// Pointer to an address that is written, its length behind the next parameter; shown after success.
    OutAddress,
    /// Pointer to a text that is written, then the room for it, and possibly a pointer to its length; shown after success.
    OutText,
    /// Pointer to an `fdstat` that is written; shown after success.
    OutFdstat,
    /// Pointer to a `filestat` that is written; shown after success.
    OutFilestat,
    /// Pointer to a socket option's value that is written, its length behind the next parameter; shown after success.
    OutOption,
    /// Pointer to events that are written, between the subscriptions and their number, with a pointer to the events'
    /// number last; shown after success.
    OutEvents,
    /// Pointer to `struct epoll_event`s that are written, as many as the call answers; shown after success.
    OutEpollEvents,
    /// Pointer to a `struct itimerspec` that is written, or null; shown after success.
    OutTimerSpec,
}

/// One parameter of an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Param {
    /// Its name in documentation and traces.
    pub name: &'static str,
    /// Its wasm type.
    pub ty: ValType,
    /// Its meaning.
    pub arg: Arg,
}

/// One function that a guest may import.
#[derive(Clone, Copy, Debug)]
pub struct Import {
    /// The wasm module name.
    pub module: &'static str,
    /// The wasm field name.
    pub name: &'static str,
    /// The parameters, in order.
    pub params: &'static [Param],
    /// What the wasm result means.
    pub returns: Returns,
    /// How it is made deterministic.
    pub class: Class,
    /// One line about how.
    pub note: &'static str,
    /// Builds the call from raw arguments, `i32`s zero-extended. Missing arguments count as 0, surplus ones are
    /// ignored, the upper halves of `i32`s too.
    pub make: fn(&[u64]) -> Call,
}

/// The import of that module and name; `None` for one that has to be refused at load.
#[must_use]
pub fn import(module: &str, name: &str) -> Option<&'static Import> {
    IMPORTS.iter().find(|import| import.module == module && import.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_table_is_complete_and_consistent() {
        let preview1 = IMPORTS.iter().filter(|i| i.module == "wasi_snapshot_preview1").count();
        let sock = IMPORTS.iter().filter(|i| i.module == "replicode_sock_v1").count();
        let posix = IMPORTS.iter().filter(|i| i.module == "replicode_posix_v1").count();
        let contract = IMPORTS.iter().filter(|i| i.module == "replicode_contract_v1").count();
        assert_eq!((preview1, sock, posix, contract), (46, 16, 20, 6));
        let names: BTreeSet<_> = IMPORTS.iter().map(|i| (i.module, i.name)).collect();
        assert_eq!(names.len(), IMPORTS.len());
        for (index, entry) in IMPORTS.iter().enumerate() {
            let call = (entry.make)(&[]);
            assert_eq!(usize::from(call.number()), index, "{}", entry.name);
            assert_eq!(call.args().as_slice().len(), entry.params.len(), "{}", entry.name);
            assert!(!entry.note.is_empty() && !entry.note.ends_with('.'), "{}", entry.name);
        }
        assert!(import("wasi_snapshot_preview1", "fd_read").is_some());
        assert!(import("env", "fd_read").is_none());
    }

    #[test]
    fn arguments_arrive_in_their_places() {
        for entry in IMPORTS {
            let raw: Vec<u64> = (0..entry.params.len() as u64).map(|n| n + 0xffff_ffff_0000_0010).collect();
            let call = (entry.make)(&raw);
            for (n, (param, got)) in entry.params.iter().zip(call.args().as_slice()).enumerate() {
                let want = match param.ty {
                    ValType::I32 => raw[n] & 0xffff_ffff,
                    ValType::I64 => raw[n],
                };
                assert_eq!(*got, want, "{} {}", entry.name, param.name);
            }
        }
    }
}
