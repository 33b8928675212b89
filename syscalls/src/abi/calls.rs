//! Every function that a guest can import, in one list: the [`Call`] with its raw arguments, and the [`Import`] that
//! describes it.

use super::table::{Arg, Class, FlagSet, Import, Param, Returns, ValType};
use borsh::{BorshDeserialize, BorshSerialize};

/// Raw arguments of a call in order, `i32`s zero-extended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Args {
    words: [u64; Call::MAX_ARGS],
    len: usize,
}

impl Args {
    /// The arguments.
    #[must_use]
    pub fn as_slice(&self) -> &[u64] {
        &self.words[..self.len]
    }
}

/// A raw argument: how it is taken from a wasm value, and how it is laid out for hashing.
trait Raw: Copy {
    const TYPE: ValType;
    fn from_word(word: u64) -> Self;
    fn to_word(self) -> u64;
}

impl Raw for u32 {
    const TYPE: ValType = ValType::I32;
    fn from_word(word: u64) -> Self {
        word as Self
    }
    fn to_word(self) -> u64 {
        self.into()
    }
}

impl Raw for u64 {
    const TYPE: ValType = ValType::I64;
    fn from_word(word: u64) -> Self {
        word
    }
    fn to_word(self) -> u64 {
        self
    }
}

macro_rules! imports {
    ($($module:literal $name:literal $call:ident($($arg:ident: $ty:ident = $meaning:expr),*)
       -> $returns:ident, $class:ident, $note:literal;)*) => {
        /// A call of a guest with its raw arguments, which nobody has checked yet.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
        #[allow(missing_docs, reason = "the variants and their fields are described by IMPORTS")]
        pub enum Call {
            $(#[doc = concat!("`", $module, ".", $name, "`")] $call { $($arg: $ty),* },)*
        }

        /// The numbers of the calls: positions in [`IMPORTS`].
        #[repr(u16)]
        enum Number { $($call,)* }

        impl Call {
            /// The most arguments of any call.
            pub const MAX_ARGS: usize = 9;

            /// Position of the call's description in [`IMPORTS`].
            #[must_use]
            pub const fn number(self) -> u16 {
                match self {
                    $(Self::$call { .. } => Number::$call as u16,)*
                }
            }

            /// The call's description.
            #[must_use]
            pub fn import(self) -> &'static Import {
                &IMPORTS[usize::from(self.number())]
            }

            /// The raw arguments in order.
            #[must_use]
            pub fn args(self) -> Args {
                match self {
                    $(Self::$call { $($arg),* } => {
                        let list: &[u64] = &[$($arg.to_word()),*];
                        let mut words = [0; Self::MAX_ARGS];
                        words[..list.len()].copy_from_slice(list);
                        Args { words, len: list.len() }
                    })*
                }
            }

            /// Lays the arguments out for hashing, each as a little-endian `u64`, from position `at` on; answers where
            /// they end.
            ///
            /// They are written as what the hash function reads, whole words: reading a word back that was written in
            /// halves costs a processor more than the hash does.
            #[allow(unused_variables, reason = "some calls have no arguments")]
            #[inline]
            pub(crate) fn lay_out<const N: usize>(&self, out: &mut [u8; N], at: usize) -> usize {
                match *self {
                    $(Self::$call { $($arg),* } => {
                        $(out[at..at + 8].copy_from_slice(&$arg.to_word().to_le_bytes()); let at = at + 8;)*
                        at
                    })*
                }
            }
        }

        /// Every function that a guest can import, in the order of [`Call::number`].
        pub const IMPORTS: &[Import] = &[$(Import {
            module: $module,
            name: $name,
            params: &[$(Param { name: stringify!($arg), ty: <$ty as Raw>::TYPE, arg: $meaning }),*],
            returns: Returns::$returns,
            class: Class::$class,
            note: $note,
            make: |raw| {
                #[allow(unused_variables, unused_mut, reason = "some calls have no arguments")]
                let mut words = raw.iter().copied();
                Call::$call { $($arg: <$ty as Raw>::from_word(words.next().unwrap_or(0))),* }
            },
        }),*];
    };
}

imports! {
    "wasi_snapshot_preview1" "args_get" ArgsGet(argv: u32 = Arg::Out, argv_buf: u32 = Arg::Out)
        -> Errno, Normalised, "from the log's configuration, never from the host";
    "wasi_snapshot_preview1" "args_sizes_get" ArgsSizesGet(argc: u32 = Arg::OutU32, argv_buf_size: u32 = Arg::OutU32)
        -> Errno, Normalised, "from the log's configuration, never from the host";
    "wasi_snapshot_preview1" "environ_get" EnvironGet(environ: u32 = Arg::Out, environ_buf: u32 = Arg::Out)
        -> Errno, Normalised, "from the log's configuration, never from the host";
    "wasi_snapshot_preview1" "environ_sizes_get" EnvironSizesGet(
        count: u32 = Arg::OutU32, buf_size: u32 = Arg::OutU32)
        -> Errno, Normalised, "from the log's configuration, never from the host";
    "wasi_snapshot_preview1" "clock_res_get" ClockResGet(
        id: u32 = Arg::Flags(FlagSet::Clock), resolution: u32 = Arg::OutU64)
        -> Errno, Normalised, "always the limit `clock_step_ns`";
    "wasi_snapshot_preview1" "clock_time_get" ClockTimeGet(
        id: u32 = Arg::Flags(FlagSet::Clock), precision: u64 = Arg::Size, time: u32 = Arg::OutU64)
        -> Errno, Recorded,
        "time of the batch, plus `clock_step_ns` per look within it; too many looks in one turn end it";
    "wasi_snapshot_preview1" "fd_advise" FdAdvise(
        fd: u32 = Arg::Fd, offset: u64 = Arg::Size, len: u64 = Arg::Size, advice: u32 = Arg::Flags(FlagSet::Advice))
        -> Errno, Eliminated, "checked and otherwise ignored";
    "wasi_snapshot_preview1" "fd_allocate" FdAllocate(
        fd: u32 = Arg::Fd, offset: u64 = Arg::Size, len: u64 = Arg::Size)
        -> Errno, Normalised,
        "space is bounded by the limits `file_bytes` and `file_size`, never by a disk";
    "wasi_snapshot_preview1" "fd_close" FdClose(fd: u32 = Arg::Fd)
        -> Errno, Ordered, "sends what closing a socket sends, in the order of the calls";
    "wasi_snapshot_preview1" "fd_datasync" FdDatasync(fd: u32 = Arg::Fd)
        -> Errno, Eliminated, "success without effect: what a program sees is as durable as the log";
    "wasi_snapshot_preview1" "fd_fdstat_get" FdFdstatGet(fd: u32 = Arg::Fd, stat: u32 = Arg::OutFdstat)
        -> Errno, Eliminated, "the kernel's own table; padding is zero";
    "wasi_snapshot_preview1" "fd_fdstat_set_flags" FdFdstatSetFlags(
        fd: u32 = Arg::Fd, flags: u32 = Arg::Flags(FlagSet::Fd))
        -> Errno, Eliminated, "the kernel's own table; the sync flags are kept without effect";
    "wasi_snapshot_preview1" "fd_fdstat_set_rights" FdFdstatSetRights(
        fd: u32 = Arg::Fd, base: u64 = Arg::Rights, inheriting: u64 = Arg::Rights)
        -> Errno, Refused, "`ENOTSUP`: rights are told and refuse nothing";
    "wasi_snapshot_preview1" "fd_filestat_get" FdFilestatGet(fd: u32 = Arg::Fd, stat: u32 = Arg::OutFilestat)
        -> Errno, Normalised, "device and inode numbers and times come from the kernel; padding is zero";
    "wasi_snapshot_preview1" "fd_filestat_set_size" FdFilestatSetSize(fd: u32 = Arg::Fd, size: u64 = Arg::Size)
        -> Errno, Normalised,
        "space is bounded by the limits `file_bytes` and `file_size`, never by a disk";
    "wasi_snapshot_preview1" "fd_filestat_set_times" FdFilestatSetTimes(
        fd: u32 = Arg::Fd, atim: u64 = Arg::Size, mtim: u64 = Arg::Size, flags: u32 = Arg::Flags(FlagSet::Times))
        -> Errno, Normalised, "`now` is the process's clock";
    "wasi_snapshot_preview1" "fd_pread" FdPread(
        fd: u32 = Arg::Fd, iovs: u32 = Arg::Iovecs, iovs_len: u32 = Arg::Len, offset: u64 = Arg::Size,
        nread: u32 = Arg::OutU32)
        -> Errno, Recorded,
        "files live in memory; never short but at the end; `/dev/random` as `random_get`";
    "wasi_snapshot_preview1" "fd_prestat_dir_name" FdPrestatDirName(
        fd: u32 = Arg::Fd, path: u32 = Arg::OutText, path_len: u32 = Arg::Size)
        -> Errno, Normalised, "the root directory at descriptor 3, then those that the image names; the same on all nodes";
    "wasi_snapshot_preview1" "fd_prestat_get" FdPrestatGet(fd: u32 = Arg::Fd, prestat: u32 = Arg::Out)
        -> Errno, Normalised, "the root directory at descriptor 3, then those that the image names; the same on all nodes";
    "wasi_snapshot_preview1" "fd_pwrite" FdPwrite(
        fd: u32 = Arg::Fd, iovs: u32 = Arg::Iovecs, iovs_len: u32 = Arg::Len, offset: u64 = Arg::Size,
        nwritten: u32 = Arg::OutU32)
        -> Errno, Normalised,
        "space is bounded by the limits `file_bytes` and `file_size`, never by a disk";
    "wasi_snapshot_preview1" "fd_read" FdRead(
        fd: u32 = Arg::Fd, iovs: u32 = Arg::Iovecs, iovs_len: u32 = Arg::Len, nread: u32 = Arg::OutU32)
        -> Errno, Recorded,
        "bytes of sockets and standard input come out of the log; files live in memory; `/dev/random` as `random_get`";
    "wasi_snapshot_preview1" "fd_readdir" FdReaddir(
        fd: u32 = Arg::Fd, buf: u32 = Arg::Out, buf_len: u32 = Arg::Size, cookie: u64 = Arg::Size,
        used: u32 = Arg::OutU32)
        -> Errno, Normalised,
        "sorted by name, from a snapshot that the descriptor keeps; a cookie is a position in it; `/proc/self/fd`: by number";
    "wasi_snapshot_preview1" "fd_renumber" FdRenumber(fd: u32 = Arg::Fd, to: u32 = Arg::Fd)
        -> Errno, Eliminated, "the kernel's own table";
    "wasi_snapshot_preview1" "fd_seek" FdSeek(
        fd: u32 = Arg::Fd, offset: u64 = Arg::Int, whence: u32 = Arg::Flags(FlagSet::Whence),
        position: u32 = Arg::OutU64)
        -> Errno, Eliminated, "the kernel's own table";
    "wasi_snapshot_preview1" "fd_sync" FdSync(fd: u32 = Arg::Fd)
        -> Errno, Eliminated, "success without effect: what a program sees is as durable as the log";
    "wasi_snapshot_preview1" "fd_tell" FdTell(fd: u32 = Arg::Fd, position: u32 = Arg::OutU64)
        -> Errno, Eliminated, "the kernel's own table";
    "wasi_snapshot_preview1" "fd_write" FdWrite(
        fd: u32 = Arg::Fd, iovs: u32 = Arg::Iovecs, iovs_len: u32 = Arg::Len, nwritten: u32 = Arg::OutU32)
        -> Errno, Ordered,
        "leaves with the batch; how much a socket takes follows from windows and acknowledgements in the log";
    "wasi_snapshot_preview1" "path_create_directory" PathCreateDirectory(
        fd: u32 = Arg::Fd, path: u32 = Arg::Path, path_len: u32 = Arg::Len)
        -> Errno, Normalised, "inode numbers are counted, times are the process's clock";
    "wasi_snapshot_preview1" "path_filestat_get" PathFilestatGet(
        fd: u32 = Arg::Fd, lookup: u32 = Arg::Flags(FlagSet::Lookup), path: u32 = Arg::Path,
        path_len: u32 = Arg::Len, stat: u32 = Arg::OutFilestat)
        -> Errno, Normalised, "device and inode numbers and times come from the kernel; padding is zero";
    "wasi_snapshot_preview1" "path_filestat_set_times" PathFilestatSetTimes(
        fd: u32 = Arg::Fd, lookup: u32 = Arg::Flags(FlagSet::Lookup), path: u32 = Arg::Path,
        path_len: u32 = Arg::Len, atim: u64 = Arg::Size, mtim: u64 = Arg::Size,
        flags: u32 = Arg::Flags(FlagSet::Times))
        -> Errno, Normalised, "`now` is the process's clock";
    "wasi_snapshot_preview1" "path_link" PathLink(
        old_fd: u32 = Arg::Fd, lookup: u32 = Arg::Flags(FlagSet::Lookup), old_path: u32 = Arg::Path,
        old_path_len: u32 = Arg::Len, new_fd: u32 = Arg::Fd, new_path: u32 = Arg::Path, new_path_len: u32 = Arg::Len)
        -> Errno, Eliminated,
        "one tree in memory, shared by the cell's processes, which run in a fixed order";
    "wasi_snapshot_preview1" "path_open" PathOpen(
        fd: u32 = Arg::Fd, lookup: u32 = Arg::Flags(FlagSet::Lookup), path: u32 = Arg::Path,
        path_len: u32 = Arg::Len, oflags: u32 = Arg::Flags(FlagSet::Open), base: u64 = Arg::Rights,
        inheriting: u64 = Arg::Rights, flags: u32 = Arg::Flags(FlagSet::Fd), opened: u32 = Arg::OutU32)
        -> Errno, Normalised, "the lowest free descriptor; inode numbers are counted";
    "wasi_snapshot_preview1" "path_readlink" PathReadlink(
        fd: u32 = Arg::Fd, path: u32 = Arg::Path, path_len: u32 = Arg::Len, buf: u32 = Arg::OutText,
        buf_len: u32 = Arg::Size, used: u32 = Arg::OutU32)
        -> Errno, Eliminated,
        "one tree in memory, shared by the cell's processes, which run in a fixed order";
    "wasi_snapshot_preview1" "path_remove_directory" PathRemoveDirectory(
        fd: u32 = Arg::Fd, path: u32 = Arg::Path, path_len: u32 = Arg::Len)
        -> Errno, Eliminated,
        "one tree in memory, shared by the cell's processes, which run in a fixed order";
    "wasi_snapshot_preview1" "path_rename" PathRename(
        fd: u32 = Arg::Fd, old_path: u32 = Arg::Path, old_path_len: u32 = Arg::Len, new_fd: u32 = Arg::Fd,
        new_path: u32 = Arg::Path, new_path_len: u32 = Arg::Len)
        -> Errno, Eliminated,
        "one tree in memory, shared by the cell's processes, which run in a fixed order";
    "wasi_snapshot_preview1" "path_symlink" PathSymlink(
        target: u32 = Arg::Path, target_len: u32 = Arg::Len, fd: u32 = Arg::Fd, path: u32 = Arg::Path,
        path_len: u32 = Arg::Len)
        -> Errno, Eliminated, "resolved inside the tree only, whatever the target says";
    "wasi_snapshot_preview1" "path_unlink_file" PathUnlinkFile(
        fd: u32 = Arg::Fd, path: u32 = Arg::Path, path_len: u32 = Arg::Len)
        -> Errno, Eliminated,
        "one tree in memory, shared by the cell's processes, which run in a fixed order";
    "wasi_snapshot_preview1" "poll_oneoff" PollOneoff(
        subscriptions: u32 = Arg::Subscriptions, events: u32 = Arg::OutEvents, count: u32 = Arg::Size,
        ready: u32 = Arg::OutU32)
        -> Errno, Ordered,
        "readiness follows from the log; events stand in the order of the subscriptions";
    "wasi_snapshot_preview1" "proc_exit" ProcExit(code: u32 = Arg::Size)
        -> Never, Eliminated, "closes the descriptors in ascending order";
    "wasi_snapshot_preview1" "proc_raise" ProcRaise(signal: u32 = Arg::Size)
        -> Errno, Refused, "`ENOTSUP`: there are no signals";
    "wasi_snapshot_preview1" "random_get" RandomGet(buf: u32 = Arg::Buffer, buf_len: u32 = Arg::Len)
        -> Errno, Recorded,
        "a generator per process, seeded from the log: known to all nodes, so no secret from them";
    "wasi_snapshot_preview1" "sched_yield" SchedYield()
        -> Errno, Ordered, "counts as a call that found nothing to do; too many in a row end the turn";
    "wasi_snapshot_preview1" "sock_accept" SockAccept(
        fd: u32 = Arg::Fd, flags: u32 = Arg::Flags(FlagSet::Fd), accepted: u32 = Arg::OutU32)
        -> Errno, Recorded, "connections queue in the order of the log; the lowest free descriptor";
    "wasi_snapshot_preview1" "sock_recv" SockRecv(
        fd: u32 = Arg::Fd, iovs: u32 = Arg::Iovecs, iovs_len: u32 = Arg::Len, flags: u32 = Arg::Flags(FlagSet::Recv),
        nread: u32 = Arg::OutU32, roflags: u32 = Arg::Out)
        -> Errno, Recorded, "bytes come out of the log";
    "wasi_snapshot_preview1" "sock_send" SockSend(
        fd: u32 = Arg::Fd, iovs: u32 = Arg::Iovecs, iovs_len: u32 = Arg::Len, flags: u32 = Arg::Size,
        nwritten: u32 = Arg::OutU32)
        -> Errno, Ordered,
        "leaves with the batch; how much a socket takes follows from windows and acknowledgements in the log";
    "wasi_snapshot_preview1" "sock_shutdown" SockShutdown(fd: u32 = Arg::Fd, how: u32 = Arg::Flags(FlagSet::Shutdown))
        -> Errno, Ordered, "sends the end of the stream, in the order of the calls";
    "replicode_sock_v1" "open" BsdOpen(
        domain: u32 = Arg::Flags(FlagSet::Domain), kind: u32 = Arg::Flags(FlagSet::Sock),
        protocol: u32 = Arg::Flags(FlagSet::Protocol))
        -> Value, Normalised, "streams of IPv4 and IPv6; the lowest free descriptor";
    "replicode_sock_v1" "bind" BsdBind(fd: u32 = Arg::Fd, addr: u32 = Arg::Address, addr_len: u32 = Arg::Len)
        -> Value, Normalised,
        "a port space per process; port 0 takes the next of the process's own counter";
    "replicode_sock_v1" "listen" BsdListen(fd: u32 = Arg::Fd, backlog: u32 = Arg::Size)
        -> Value, Ordered,
        "the NAT table gives the listener its consensus port, in the order of the calls";
    "replicode_sock_v1" "accept" BsdAccept(
        fd: u32 = Arg::Fd, flags: u32 = Arg::Flags(FlagSet::Sock), addr: u32 = Arg::OutAddress,
        addr_len: u32 = Arg::Out)
        -> Value, Recorded,
        "connections queue in the order of the log; its listener's port; the descriptor is given back when none is there";
    "replicode_sock_v1" "connect" BsdConnect(fd: u32 = Arg::Fd, addr: u32 = Arg::Address, addr_len: u32 = Arg::Len)
        -> Value, Ordered, "processes of the cell only, reached through the NAT table";
    "replicode_sock_v1" "send" BsdSend(
        fd: u32 = Arg::Fd, data: u32 = Arg::Data, len: u32 = Arg::Len, flags: u32 = Arg::Flags(FlagSet::Msg))
        -> Value, Ordered,
        "leaves with the batch; how much a socket takes follows from windows and acknowledgements in the log";
    "replicode_sock_v1" "recv" BsdRecv(
        fd: u32 = Arg::Fd, data: u32 = Arg::Data, len: u32 = Arg::Len, flags: u32 = Arg::Flags(FlagSet::Msg))
        -> Value, Recorded, "bytes come out of the log";
    "replicode_sock_v1" "sendto" BsdSendto(
        fd: u32 = Arg::Fd, data: u32 = Arg::Data, len: u32 = Arg::Len, flags: u32 = Arg::Flags(FlagSet::Msg),
        addr: u32 = Arg::Address, addr_len: u32 = Arg::Len)
        -> Value, Ordered, "as `send`: a stream ignores the address";
    "replicode_sock_v1" "recvfrom" BsdRecvfrom(
        fd: u32 = Arg::Fd, data: u32 = Arg::Data, len: u32 = Arg::Len, flags: u32 = Arg::Flags(FlagSet::Msg),
        addr: u32 = Arg::OutAddress, addr_len: u32 = Arg::Out)
        -> Value, Recorded, "as `recv`; a stream tells no address, as on Linux";
    "replicode_sock_v1" "shutdown" BsdShutdown(fd: u32 = Arg::Fd, how: u32 = Arg::Flags(FlagSet::Shutdown))
        -> Value, Ordered, "sends the end of the stream, in the order of the calls";
    "replicode_sock_v1" "close" BsdClose(fd: u32 = Arg::Fd)
        -> Value, Ordered, "sends what closing a socket sends, in the order of the calls";
    "replicode_sock_v1" "getsockname" BsdGetsockname(
        fd: u32 = Arg::Fd, addr: u32 = Arg::OutAddress, addr_len: u32 = Arg::Out)
        -> Value, Normalised, "addresses of the cell: 10.77.0.0/16, by process number";
    "replicode_sock_v1" "getpeername" BsdGetpeername(
        fd: u32 = Arg::Fd, addr: u32 = Arg::OutAddress, addr_len: u32 = Arg::Out)
        -> Value, Recorded, "the client's address as the log has it";
    "replicode_sock_v1" "getsockopt" BsdGetsockopt(
        fd: u32 = Arg::Fd, level: u32 = Arg::Flags(FlagSet::Level), option: u32 = Arg::Option, value: u32 = Arg::OutOption,
        value_len: u32 = Arg::Out)
        -> Value, Normalised, "buffer sizes are the limits `recv_window` and `send_window`";
    "replicode_sock_v1" "setsockopt" BsdSetsockopt(
        fd: u32 = Arg::Fd, level: u32 = Arg::Flags(FlagSet::Level), option: u32 = Arg::Option, value: u32 = Arg::OptionValue,
        value_len: u32 = Arg::Len)
        -> Value, Normalised,
        "time-outs follow the log's clock; keepalive is asked of the gateway; what has no meaning here is kept and ignored; level 0x6c706572, option 1, is ours: `poll_oneoff` tells of room for writing once, and again after a write that found none";
    "replicode_sock_v1" "resolve" BsdResolve(
        name: u32 = Arg::Path, name_len: u32 = Arg::Len, addrs: u32 = Arg::Out, max: u32 = Arg::Size)
        -> Value, Normalised,
        "names of the cell's processes, `localhost` and numbers; nobody else is asked";
    "replicode_posix_v1" "dup" Dup(fd: u32 = Arg::Fd, min: u32 = Arg::Size, flags: u32 = Arg::Flags(FlagSet::New))
        -> Value, Eliminated, "the lowest free descriptor from `min` on; both lead to one open file";
    "replicode_posix_v1" "dup3" Dup3(fd: u32 = Arg::Fd, to: u32 = Arg::Fd, flags: u32 = Arg::Flags(FlagSet::New))
        -> Value, Ordered, "closes `to` as `fd_close` does; both lead to one open file";
    "replicode_posix_v1" "fd_flags" FdFlags(fd: u32 = Arg::Fd, set: u32 = Arg::Int)
        -> Value, Eliminated, "close-on-exec, kept per descriptor and without effect: there is no `exec`";
    "replicode_posix_v1" "getpid" Getpid()
        -> Value, Normalised, "the process's number in its cell";
    "replicode_posix_v1" "pipe" Pipe(flags: u32 = Arg::Flags(FlagSet::New), fds: u32 = Arg::OutFds)
        -> Value, Eliminated, "bytes within one process; the two lowest free descriptors; Linux's pages, whatever the host's are";
    "replicode_posix_v1" "socketpair" Socketpair(
        domain: u32 = Arg::Flags(FlagSet::Domain), kind: u32 = Arg::Flags(FlagSet::Sock),
        protocol: u32 = Arg::Flags(FlagSet::Protocol), fds: u32 = Arg::OutFds)
        -> Value, Eliminated, "bytes within one process; the two lowest free descriptors";
    "replicode_posix_v1" "lock" Lock(fd: u32 = Arg::Fd, cmd: u32 = Arg::Flags(FlagSet::LockCommand), flock: u32 = Arg::Lock)
        -> Value, Ordered, "processes of the cell exclude each other, in the order in which they ask; a circle answers `EDEADLK`";
    "replicode_posix_v1" "flock" Flock(fd: u32 = Arg::Fd, op: u32 = Arg::Flags(FlagSet::Flock))
        -> Value, Ordered, "processes of the cell exclude each other, in the order in which they ask";
    "replicode_posix_v1" "sendmsg" Sendmsg(
        fd: u32 = Arg::Fd, iovs: u32 = Arg::Iovecs, iovs_len: u32 = Arg::Len, flags: u32 = Arg::Flags(FlagSet::Msg),
        addr: u32 = Arg::Address, addr_len: u32 = Arg::Len)
        -> Value, Ordered, "as `send`, from several buffers; nothing can be sent beside bytes";
    "replicode_posix_v1" "recvmsg" Recvmsg(
        fd: u32 = Arg::Fd, iovs: u32 = Arg::Iovecs, iovs_len: u32 = Arg::Len, flags: u32 = Arg::Flags(FlagSet::Msg),
        addr: u32 = Arg::OutAddress, addr_len: u32 = Arg::Out)
        -> Value, Recorded, "as `recv`, into several buffers; a stream tells no address, as on Linux";
    "replicode_posix_v1" "poll" Poll(fds: u32 = Arg::PollFds, count: u32 = Arg::Size, timeout: u64 = Arg::Int)
        -> Value, Ordered, "readiness follows from the log; time-outs count on the log's clock";
    "replicode_posix_v1" "epoll_create" EpollCreate(flags: u32 = Arg::Flags(FlagSet::New))
        -> Value, Eliminated, "a set of watches of the kernel's own; the lowest free descriptor";
    "replicode_posix_v1" "epoll_ctl" EpollCtl(
        epoll: u32 = Arg::Fd, op: u32 = Arg::Flags(FlagSet::EpollOp), fd: u32 = Arg::Fd, event: u32 = Arg::EpollEvent)
        -> Value, Eliminated, "the kernel's own table; a watch goes with the last descriptor of what it watches";
    "replicode_posix_v1" "epoll_wait" EpollWait(
        epoll: u32 = Arg::Fd, events: u32 = Arg::OutEpollEvents, max: u32 = Arg::Size, timeout: u64 = Arg::Int)
        -> Value, Ordered, "events stand in the order in which they arose, and that follows from the log";
    "replicode_posix_v1" "eventfd" Eventfd(initial: u32 = Arg::Size, flags: u32 = Arg::Flags(FlagSet::Eventfd))
        -> Value, Eliminated, "a counter of the kernel's own; the lowest free descriptor";
    "replicode_posix_v1" "timerfd_create" TimerfdCreate(
        clock: u32 = Arg::Flags(FlagSet::Clock), flags: u32 = Arg::Flags(FlagSet::New))
        -> Value, Eliminated, "a timer of the kernel's own; the lowest free descriptor";
    "replicode_posix_v1" "timerfd_settime" TimerfdSettime(
        fd: u32 = Arg::Fd, flags: u32 = Arg::Flags(FlagSet::Timer), new: u32 = Arg::TimerSpec, old: u32 = Arg::OutTimerSpec)
        -> Value, Recorded, "it is due on the log's clock, which batches move and nobody sets";
    "replicode_posix_v1" "timerfd_gettime" TimerfdGettime(fd: u32 = Arg::Fd, current: u32 = Arg::OutTimerSpec)
        -> Value, Recorded, "what is left on the log's clock";
    "replicode_posix_v1" "chmod" Chmod(
        fd: u32 = Arg::Fd, path: u32 = Arg::Path, path_len: u32 = Arg::Len,
        lookup: u32 = Arg::Flags(FlagSet::Lookup), mode: u32 = Arg::Mode)
        -> Value, Eliminated, "kept in the inode, refuses nothing; no path: the descriptor itself";
    "replicode_posix_v1" "mode" Mode(
        fd: u32 = Arg::Fd, path: u32 = Arg::Path, path_len: u32 = Arg::Len,
        lookup: u32 = Arg::Flags(FlagSet::Lookup))
        -> Value, Eliminated, "kept in the inode: what `chmod` set, or the same for all files of a kind";
    "replicode_contract_v1" "submit" ContractSubmit(
        transaction: u32 = Arg::Buffer, transaction_len: u32 = Arg::Len, event: u32 = Arg::Fd)
        -> Value, Ordered,
        "the lowest free ticket; what programs submit is executed in the order of their calls, when none can run on, after the batch's own";
    "replicode_contract_v1" "wait" ContractWait(
        ticket: u32 = Arg::Size, buf: u32 = Arg::Out, buf_len: u32 = Arg::Size, flags: u32 = Arg::Size)
        -> Value, Ordered, "receipts are functions of the log; they come in the batch in which the transaction was submitted";
    "replicode_contract_v1" "view" ContractView(
        account: u32 = Arg::Out, function: u32 = Arg::Path, function_len: u32 = Arg::Len,
        arguments: u32 = Arg::Buffer, arguments_len: u32 = Arg::Len, gas: u64 = Arg::Size,
        buf: u32 = Arg::Out, buf_len: u32 = Arg::Size)
        -> Value, Ordered, "of the state after everything that was executed before, in this batch too";
    "replicode_contract_v1" "account" ContractAccount(
        account: u32 = Arg::Out, buf: u32 = Arg::Out, buf_len: u32 = Arg::Size)
        -> Value, Ordered, "of the state after everything that was executed before, in this batch too";
    "replicode_contract_v1" "address" ContractAddress(
        name: u32 = Arg::Path, name_len: u32 = Arg::Len, address: u32 = Arg::Out)
        -> Value, Eliminated, "a hash of the name";
    "replicode_contract_v1" "state_root" ContractStateRoot(root: u32 = Arg::Out)
        -> Value, Ordered, "of the last batch with calls before this one";
}
