//! The error numbers of WASI preview 1, which are the only errors that a guest ever sees.

use borsh::{BorshDeserialize, BorshSerialize};
use std::fmt;

macro_rules! errnos {
    ($($(#[$doc:meta])* $variant:ident = $number:literal, $name:literal;)*) => {
        /// An error number as `wasi_snapshot_preview1.witx` (type `$errno`) defines it. Zero means success.
        #[derive(
            Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize, thiserror::Error,
        )]
        #[borsh(use_discriminant = true)]
        #[repr(u16)]
        pub enum Errno {
            $($(#[$doc])* $variant = $number,)*
        }

        impl Errno {
            /// All numbers, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name that C programs know, `SUCCESS` for zero.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

errnos! {
    /// No error.
    Success = 0, "SUCCESS";
    /// Argument list too long.
    TooBig = 1, "E2BIG";
    /// Permission denied.
    Acces = 2, "EACCES";
    /// The address is in use.
    AddrInUse = 3, "EADDRINUSE";
    /// The address is not available.
    AddrNotAvail = 4, "EADDRNOTAVAIL";
    /// The address family is not supported.
    AfNoSupport = 5, "EAFNOSUPPORT";
    /// The call would have to wait.
    Again = 6, "EAGAIN";
    /// The connection is already being made.
    Already = 7, "EALREADY";
    /// Not an open descriptor.
    BadF = 8, "EBADF";
    /// Bad message.
    BadMsg = 9, "EBADMSG";
    /// The resource is busy.
    Busy = 10, "EBUSY";
    /// The operation was cancelled.
    Canceled = 11, "ECANCELED";
    /// No child process.
    Child = 12, "ECHILD";
    /// The connection was aborted.
    ConnAborted = 13, "ECONNABORTED";
    /// Nobody listens there.
    ConnRefused = 14, "ECONNREFUSED";
    /// The peer reset the connection.
    ConnReset = 15, "ECONNRESET";
    /// A deadlock would follow.
    Deadlk = 16, "EDEADLK";
    /// A destination address is required.
    DestAddrReq = 17, "EDESTADDRREQ";
    /// Argument outside a function's domain.
    Dom = 18, "EDOM";
    /// Reserved.
    Dquot = 19, "EDQUOT";
    /// It exists already.
    Exist = 20, "EEXIST";
    /// A pointer leads outside the program's memory.
    Fault = 21, "EFAULT";
    /// The file would become too large.
    FBig = 22, "EFBIG";
    /// The host cannot be reached.
    HostUnreach = 23, "EHOSTUNREACH";
    /// The identifier was removed.
    Idrm = 24, "EIDRM";
    /// Illegal byte sequence.
    Ilseq = 25, "EILSEQ";
    /// The operation goes on.
    InProgress = 26, "EINPROGRESS";
    /// Interrupted by a signal.
    Intr = 27, "EINTR";
    /// Invalid argument.
    Inval = 28, "EINVAL";
    /// Input/output error.
    Io = 29, "EIO";
    /// The socket is connected already.
    IsConn = 30, "EISCONN";
    /// It is a directory.
    IsDir = 31, "EISDIR";
    /// Too many symbolic links.
    Loop = 32, "ELOOP";
    /// The process has no descriptor left.
    MFile = 33, "EMFILE";
    /// Too many links.
    MLink = 34, "EMLINK";
    /// The message is too large.
    MsgSize = 35, "EMSGSIZE";
    /// Reserved.
    Multihop = 36, "EMULTIHOP";
    /// A name or path is too long.
    NameTooLong = 37, "ENAMETOOLONG";
    /// The network is down.
    NetDown = 38, "ENETDOWN";
    /// The network dropped the connection.
    NetReset = 39, "ENETRESET";
    /// The address lies outside the cell.
    NetUnreach = 40, "ENETUNREACH";
    /// The system has no open file left.
    NFile = 41, "ENFILE";
    /// No buffer space.
    NoBufs = 42, "ENOBUFS";
    /// No such device.
    NoDev = 43, "ENODEV";
    /// No such file or directory.
    NoEnt = 44, "ENOENT";
    /// Not an executable format.
    NoExec = 45, "ENOEXEC";
    /// No lock left.
    NoLck = 46, "ENOLCK";
    /// Reserved.
    NoLink = 47, "ENOLINK";
    /// Not enough memory.
    NoMem = 48, "ENOMEM";
    /// No message of that type.
    NoMsg = 49, "ENOMSG";
    /// The protocol has no such option.
    NoProtoOpt = 50, "ENOPROTOOPT";
    /// No space left.
    NoSpc = 51, "ENOSPC";
    /// No such function.
    NoSys = 52, "ENOSYS";
    /// The socket is not connected.
    NotConn = 53, "ENOTCONN";
    /// It is not a directory.
    NotDir = 54, "ENOTDIR";
    /// The directory is not empty.
    NotEmpty = 55, "ENOTEMPTY";
    /// The state cannot be recovered.
    NotRecoverable = 56, "ENOTRECOVERABLE";
    /// It is not a socket.
    NotSock = 57, "ENOTSOCK";
    /// Not supported.
    NotSup = 58, "ENOTSUP";
    /// It is not a terminal.
    NoTty = 59, "ENOTTY";
    /// No such device or address.
    Nxio = 60, "ENXIO";
    /// The value does not fit.
    Overflow = 61, "EOVERFLOW";
    /// The previous owner died.
    OwnerDead = 62, "EOWNERDEAD";
    /// The operation is not permitted.
    Perm = 63, "EPERM";
    /// Nobody reads the other end.
    Pipe = 64, "EPIPE";
    /// Protocol error.
    Proto = 65, "EPROTO";
    /// The protocol is not supported.
    ProtoNoSupport = 66, "EPROTONOSUPPORT";
    /// Wrong type of protocol for the socket.
    Prototype = 67, "EPROTOTYPE";
    /// The result does not fit.
    Range = 68, "ERANGE";
    /// The file system is read-only there.
    Rofs = 69, "EROFS";
    /// The descriptor has no position.
    SPipe = 70, "ESPIPE";
    /// No such process.
    Srch = 71, "ESRCH";
    /// Stale reference.
    Stale = 72, "ESTALE";
    /// The operation timed out.
    TimedOut = 73, "ETIMEDOUT";
    /// The text file is busy.
    TxtBsy = 74, "ETXTBSY";
    /// A link would cross devices.
    XDev = 75, "EXDEV";
    /// The descriptor lacks the right.
    NotCapable = 76, "ENOTCAPABLE";
}

impl Errno {
    /// The number that preview 1 functions return.
    #[must_use]
    pub const fn raw(self) -> i32 {
        self as i32
    }

    /// The error of that number, if there is one.
    #[must_use]
    pub fn from_raw(raw: i32) -> Option<Self> {
        usize::try_from(raw).ok().and_then(|index| Self::ALL.get(index)).copied()
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_witx() {
        assert_eq!(Errno::ALL.len(), 77);
        for (index, errno) in Errno::ALL.iter().enumerate() {
            assert_eq!(Errno::from_raw(errno.raw()), Some(*errno));
            assert_eq!(usize::try_from(errno.raw()), Ok(index));
        }
        assert_eq!(Errno::Again.raw(), 6);
        assert_eq!(Errno::BadF.raw(), 8);
        assert_eq!(Errno::NoEnt.raw(), 44);
        assert_eq!(Errno::NotCapable.raw(), 76);
        assert_eq!((Errno::from_raw(-1), Errno::from_raw(77)), (None, None));
        assert_eq!(Errno::TooBig.to_string(), "E2BIG");
    }
}
