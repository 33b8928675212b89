//! Constants of preview 1 (`wasi_snapshot_preview1.witx`) and of `replicode_sock_v1` (wasi-libc's headers).

/// `rights`: what a descriptor may be used for. They are told as Wasmtime tells them and refuse nothing: whether a
/// descriptor reads or writes was decided when it was opened, everything else by what it stands for.
pub mod rights {
    #![allow(missing_docs, reason = "the names are those of the witx")]
    pub const FD_DATASYNC: u64 = 1 << 0;
    pub const FD_READ: u64 = 1 << 1;
    pub const FD_SEEK: u64 = 1 << 2;
    pub const FD_FDSTAT_SET_FLAGS: u64 = 1 << 3;
    pub const FD_SYNC: u64 = 1 << 4;
    pub const FD_TELL: u64 = 1 << 5;
    pub const FD_WRITE: u64 = 1 << 6;
    pub const FD_ADVISE: u64 = 1 << 7;
    pub const FD_ALLOCATE: u64 = 1 << 8;
    pub const PATH_CREATE_DIRECTORY: u64 = 1 << 9;
    pub const PATH_CREATE_FILE: u64 = 1 << 10;
    pub const PATH_LINK_SOURCE: u64 = 1 << 11;
    pub const PATH_LINK_TARGET: u64 = 1 << 12;
    pub const PATH_OPEN: u64 = 1 << 13;
    pub const FD_READDIR: u64 = 1 << 14;
    pub const PATH_READLINK: u64 = 1 << 15;
    pub const PATH_RENAME_SOURCE: u64 = 1 << 16;
    pub const PATH_RENAME_TARGET: u64 = 1 << 17;
    pub const PATH_FILESTAT_GET: u64 = 1 << 18;
    pub const PATH_FILESTAT_SET_SIZE: u64 = 1 << 19;
    pub const PATH_FILESTAT_SET_TIMES: u64 = 1 << 20;
    pub const FD_FILESTAT_GET: u64 = 1 << 21;
    pub const FD_FILESTAT_SET_SIZE: u64 = 1 << 22;
    pub const FD_FILESTAT_SET_TIMES: u64 = 1 << 23;
    pub const PATH_SYMLINK: u64 = 1 << 24;
    pub const PATH_REMOVE_DIRECTORY: u64 = 1 << 25;
    pub const PATH_UNLINK_FILE: u64 = 1 << 26;
    pub const POLL_FD_READWRITE: u64 = 1 << 27;
    pub const SOCK_SHUTDOWN: u64 = 1 << 28;
    pub const SOCK_ACCEPT: u64 = 1 << 29;

    /// Every right there is.
    pub const ALL: u64 = (1 << 30) - 1;
    /// What Wasmtime says of a preopened directory, which programs expect.
    pub const PREOPEN: u64 = PATH_CREATE_DIRECTORY
        | PATH_CREATE_FILE
        | PATH_LINK_SOURCE
        | PATH_LINK_TARGET
        | PATH_OPEN
        | FD_READDIR
        | PATH_READLINK
        | PATH_RENAME_SOURCE
        | PATH_RENAME_TARGET
        | PATH_SYMLINK
        | PATH_REMOVE_DIRECTORY
        | PATH_UNLINK_FILE
        | PATH_FILESTAT_GET
        | PATH_FILESTAT_SET_TIMES
        | FD_FILESTAT_GET
        | FD_FILESTAT_SET_TIMES;
    /// What it says of what is opened through one.
    pub const PREOPEN_INHERITING: u64 = PREOPEN
        | FD_DATASYNC
        | FD_READ
        | FD_SEEK
        | FD_FDSTAT_SET_FLAGS
        | FD_SYNC
        | FD_TELL
        | FD_WRITE
        | FD_ADVISE
        | FD_ALLOCATE
        | FD_FILESTAT_SET_SIZE
        | POLL_FD_READWRITE;
    /// What it takes away from a directory.
    pub const NOT_DIRECTORY: u64 = FD_SEEK | FD_FILESTAT_SET_SIZE | PATH_FILESTAT_SET_SIZE;
    /// What can be done with a stream socket.
    pub const SOCKET: u64 =
        FD_READ | FD_WRITE | FD_FDSTAT_SET_FLAGS | FD_FILESTAT_GET | POLL_FD_READWRITE | SOCK_SHUTDOWN | SOCK_ACCEPT;
    /// A counter, a timer, a set of watches. Which of the calls make sense on it is its own to say.
    pub const ANONYMOUS: u64 = FD_READ | FD_WRITE | FD_FDSTAT_SET_FLAGS | FD_FILESTAT_GET | POLL_FD_READWRITE;
}

/// `fdflags`.
pub mod fdflags {
    #![allow(missing_docs, reason = "the names are those of the witx")]
    pub const APPEND: u32 = 1 << 0;
    pub const DSYNC: u32 = 1 << 1;
    pub const NONBLOCK: u32 = 1 << 2;
    pub const RSYNC: u32 = 1 << 3;
    pub const SYNC: u32 = 1 << 4;
    pub const ALL: u32 = (1 << 5) - 1;
}

/// `oflags`.
pub mod oflags {
    #![allow(missing_docs, reason = "the names are those of the witx")]
    pub const CREAT: u32 = 1 << 0;
    pub const DIRECTORY: u32 = 1 << 1;
    pub const EXCL: u32 = 1 << 2;
    pub const TRUNC: u32 = 1 << 3;
    pub const ALL: u32 = (1 << 4) - 1;
}

/// `fstflags`.
pub mod fstflags {
    #![allow(missing_docs, reason = "the names are those of the witx")]
    pub const ATIM: u32 = 1 << 0;
    pub const ATIM_NOW: u32 = 1 << 1;
    pub const MTIM: u32 = 1 << 2;
    pub const MTIM_NOW: u32 = 1 << 3;
    pub const ALL: u32 = (1 << 4) - 1;
}

/// `filetype`.
pub mod filetype {
    #![allow(missing_docs, reason = "the names are those of the witx")]
    pub const UNKNOWN: u8 = 0;
    pub const CHARACTER_DEVICE: u8 = 2;
    pub const DIRECTORY: u8 = 3;
    pub const REGULAR_FILE: u8 = 4;
    pub const SOCKET_STREAM: u8 = 6;
    pub const SYMBOLIC_LINK: u8 = 7;
}

/// `clockid`.
pub mod clockid {
    #![allow(missing_docs, reason = "the names are those of the witx")]
    pub const REALTIME: u32 = 0;
    pub const MONOTONIC: u32 = 1;
    pub const PROCESS_CPUTIME: u32 = 2;
    pub const THREAD_CPUTIME: u32 = 3;
}

/// `lookupflags`: follow a symbolic link in the last component.
pub const SYMLINK_FOLLOW: u32 = 1;
/// `subclockflags`: the time-out is a point in time.
pub const CLOCK_ABSTIME: u16 = 1;
/// `eventrwflags`: both directions are over.
pub const HANGUP: u16 = 1;
/// `riflags` and `MSG_PEEK`: leave the bytes where they are.
pub const RECV_PEEK: u32 = 1;
/// `riflags` and `MSG_WAITALL`: wait for all bytes.
pub const RECV_WAITALL: u32 = 2;

/// `whence`.
pub mod whence {
    #![allow(missing_docs, reason = "the names are those of the witx")]
    pub const SET: u32 = 0;
    pub const CUR: u32 = 1;
    pub const END: u32 = 2;
}

/// Flags of a new descriptor, in every call of `replicode_posix_v1` that makes one: the bits of `SOCK_*`.
pub mod new_flags {
    #![allow(missing_docs, reason = "the names are those of the C headers, without their prefixes")]
    pub const CLOEXEC: u32 = 0x2000;
    pub const NONBLOCK: u32 = 0x4000;
}

/// `FD_CLOEXEC`.
pub const FD_CLOEXEC: u32 = 1;

/// Numbers of `sys/socket.h` and `netinet/*.h` as wasi-libc has them for wasip2.
pub mod socket {
    #![allow(missing_docs, reason = "the names are those of the C headers")]
    pub const AF_INET: u16 = 1;
    pub const AF_INET6: u16 = 2;
    pub const AF_UNIX: u16 = 3;
    pub const SOCK_DGRAM: u32 = 5;
    pub const SOCK_STREAM: u32 = 6;
    pub const SOCK_NONBLOCK: u32 = 0x4000;
    pub const SOCK_CLOEXEC: u32 = 0x2000;
    pub const IPPROTO_TCP: u32 = 6;
    pub const MSG_TRUNC: u32 = 0x20;
    pub const MSG_DONTWAIT: u32 = 0x40;
    pub const MSG_NOSIGNAL: u32 = 0x4000;
    pub const MSG_MORE: u32 = 0x8000;
    pub const SHUT_RD: u32 = 1;
    pub const SHUT_WR: u32 = 2;
    pub const SOL_SOCKET: u32 = 0x7fff_ffff;
    pub const SO_DEBUG: u32 = 1;
    pub const SO_REUSEADDR: u32 = 2;
    pub const SO_TYPE: u32 = 3;
    pub const SO_ERROR: u32 = 4;
    pub const SO_DONTROUTE: u32 = 5;
    pub const SO_BROADCAST: u32 = 6;
    pub const SO_SNDBUF: u32 = 7;
    pub const SO_RCVBUF: u32 = 8;
    pub const SO_KEEPALIVE: u32 = 9;
    pub const SO_OOBINLINE: u32 = 10;
    pub const SO_PRIORITY: u32 = 12;
    pub const SO_LINGER: u32 = 13;
    pub const SO_REUSEPORT: u32 = 15;
    pub const SO_RCVLOWAT: u32 = 18;
    pub const SO_SNDLOWAT: u32 = 19;
    pub const SO_ACCEPTCONN: u32 = 30;
    pub const SO_PROTOCOL: u32 = 38;
    pub const SO_DOMAIN: u32 = 39;
    pub const SO_RCVTIMEO: u32 = 66;
    pub const SO_SNDTIMEO: u32 = 67;
    pub const TCP_NODELAY: u32 = 1;
    pub const TCP_MAXSEG: u32 = 2;
    pub const TCP_CORK: u32 = 3;
    pub const TCP_KEEPIDLE: u32 = 4;
    pub const TCP_KEEPINTVL: u32 = 5;
    pub const TCP_KEEPCNT: u32 = 6;
    pub const TCP_QUICKACK: u32 = 12;
    pub const TCP_FASTOPEN: u32 = 23;
    /// Options that Linux does not have.
    pub const SOL_REPLICODE: u32 = 0x6c70_6572;
    /// `poll_oneoff` tells of room for writing when there is news of it, not for as long as there is some.
    pub const POLL_ROOM_ONCE: u32 = 1;
    pub const IPPROTO_IP: u32 = 0;
    pub const IP_TOS: u32 = 1;
    pub const IP_TTL: u32 = 2;
    pub const IPPROTO_IPV6: u32 = 41;
    pub const IPV6_UNICAST_HOPS: u32 = 16;
    pub const IPV6_V6ONLY: u32 = 26;
    pub const IPV6_TCLASS: u32 = 67;
}

/// `EPOLL*` as Linux has them (`linux/eventpoll.h`): the bits of readiness, and how a watch is meant.
pub mod epoll {
    #![allow(missing_docs, reason = "the names are those of the C header")]
    pub const IN: u32 = 0x1;
    pub const PRI: u32 = 0x2;
    pub const OUT: u32 = 0x4;
    pub const ERR: u32 = 0x8;
    pub const HUP: u32 = 0x10;
    pub const NVAL: u32 = 0x20;
    pub const RDNORM: u32 = 0x40;
    pub const RDBAND: u32 = 0x80;
    pub const WRNORM: u32 = 0x100;
    pub const WRBAND: u32 = 0x200;
    pub const MSG: u32 = 0x400;
    pub const RDHUP: u32 = 0x2000;
    pub const EXCLUSIVE: u32 = 1 << 28;
    pub const WAKEUP: u32 = 1 << 29;
    pub const ONESHOT: u32 = 1 << 30;
    pub const EDGE: u32 = 1 << 31;

    /// What can be read from it.
    pub const READABLE: u32 = IN | RDNORM;
    /// What can be written to it.
    pub const WRITABLE: u32 = OUT | WRNORM;
    /// What is told whether it was asked for or not.
    pub const ALWAYS: u32 = ERR | HUP;
    /// The bits of a watch that are not readiness.
    pub const PRIVATE: u32 = EXCLUSIVE | WAKEUP | ONESHOT | EDGE;
    /// What may stand beside [`EXCLUSIVE`].
    pub const EXCLUSIVE_MAY: u32 = IN | OUT | ALWAYS | WAKEUP | EDGE | EXCLUSIVE;

    pub const CTL_ADD: u32 = 1;
    pub const CTL_DEL: u32 = 2;
    pub const CTL_MOD: u32 = 3;
}

/// `POLL*` as wasi-libc has them (`poll.h`), with `POLLPRI` and `POLLRDHUP` beside them.
pub mod poll {
    #![allow(missing_docs, reason = "the names are those of the C header")]
    pub const IN: u16 = 0x1;
    pub const OUT: u16 = 0x2;
    pub const PRI: u16 = 0x4;
    pub const RDHUP: u16 = 0x8;
    pub const ERR: u16 = 0x1000;
    pub const HUP: u16 = 0x2000;
    pub const NVAL: u16 = 0x4000;
}

/// Flags of `eventfd`, beside those of descriptors.
pub const EFD_SEMAPHORE: u32 = 1;
/// Flags of `timerfd_settime`: the time is a point in time; a clock that is set ends the wait (here none ever is).
pub mod timer {
    #![allow(missing_docs, reason = "the names are those of the C header")]
    pub const ABSTIME: u32 = 1;
    pub const CANCEL_ON_SET: u32 = 2;
}

/// Numbers of `replicode_contract_v1`.
pub mod contract {
    /// A flag of `wait`: answer `EAGAIN` instead of waiting.
    pub const DONT_WAIT: u32 = 1;
    /// Bytes that a program may hand over at once: more than the largest transaction.
    pub const MAX_ASKED: u32 = 2 << 20;
    /// What `state_root` writes: batch `u64` little-endian, root 32 bytes, digest 32 bytes; zeros before the first batch with calls.
    pub const ROOT_BYTES: u32 = 72;
}
