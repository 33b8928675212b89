//! The hash of a step covers what a call is given through pointers and what it answers through them: each import is
//! called twice in worlds that differ by that alone.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;
use common::{ADDR, ADDR_LEN, BUF, EPOCH, EVENTS, Guest, IOV, MEMORY, OUT, PATH, PATH2, SUBS, spec};
use replicode_log::{FsImage, Ingress, Limits, LogicalTime, SockId};
use replicode_syscalls::abi::{Arg, IMPORTS, Import};
use replicode_syscalls::contracts::SealedBatch;
use replicode_syscalls::{Call, Kernel, ProcessSpec, Recording, Step};

/// What the second world has otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Nothing,
    /// The content behind the first pointer, or the second, that the call reads.
    First,
    Second,
    /// What the call has to tell.
    Told,
}
use Change::{First, Nothing, Second, Told};

impl Change {
    /// One of two values: the other one if this is the change.
    fn pick<T>(self, at: Self, plain: T, other: T) -> T {
        if self == at { other } else { plain }
    }
}

/// A world in which the process, its limits, or its random numbers are other ones.
fn world(change: Change) -> Guest {
    let limits = Limits { clock_step_ns: change.pick(Told, 100, 101), ..Limits::default() };
    let process = ProcessSpec {
        args: vec![change.pick(Told, "one", "three").into()],
        env: vec![("A".into(), change.pick(Told, "1", "22").into())],
        seed: [change.pick(Told, 7, 8); 32],
        ..spec("main")
    };
    let mut kernel = Kernel::new(limits, EPOCH, &FsImage::default()).unwrap();
    kernel.serve_contracts();
    let pid = kernel.spawn(process).unwrap();
    kernel.advance(LogicalTime::from_nanos(change.pick(Told, 1_000, 2_000)));
    assert_eq!(kernel.next_ready(), Some(pid));
    Guest { kernel, pid, memory: vec![0; MEMORY] }
}

/// Two names of one file, two links to one target, and an empty directory, so that a path can differ and nothing else.
fn tree(guest: &mut Guest) {
    let file = guest.open("file", 1, u64::MAX, 0).unwrap();
    guest.ok(Call::FdClose { fd: file });
    for name in ["dir", "rid"] {
        let path_len = guest.put(PATH, name.as_bytes());
        guest.ok(Call::PathCreateDirectory { fd: 3, path: PATH, path_len });
    }
    let old_path_len = guest.put(PATH, b"file");
    let new_path_len = guest.put(PATH2, b"elif");
    let (old_path, new_path) = (PATH, PATH2);
    guest.ok(Call::PathLink { old_fd: 3, lookup: 0, old_path, old_path_len, new_fd: 3, new_path, new_path_len });
    for name in ["link", "knil"] {
        symlink(guest, "there", name);
    }
}

fn symlink(guest: &mut Guest, target: &str, name: &str) {
    let target_len = guest.put(PATH, target.as_bytes());
    let path_len = guest.put(PATH2, name.as_bytes());
    guest.ok(Call::PathSymlink { target: PATH, target_len, fd: 3, path: PATH2, path_len });
}

/// An open file with four bytes in it, at its start.
fn file(guest: &mut Guest, content: [u8; 4]) -> u32 {
    let fd = guest.open("data", 1, u64::MAX, 0).unwrap();
    guest.write(fd, &content);
    guest.ok(Call::FdSeek { fd, offset: 0, whence: 0, position: OUT });
    guest.put(BUF, &[0; 4]);
    fd
}

/// A listener with a connection in its queue, from a client's port.
fn queued(guest: &mut Guest, port: u16) -> (u32, SockId) {
    let (fd, listener) = guest.listen(80, 5);
    let event = Ingress::Incoming { listener, peer: common::client(port), send_window: common::SEND_WINDOW };
    (fd, guest.kernel.deliver(event).unwrap().unwrap())
}

/// A connection of a client's port, with bytes that have arrived.
fn connected(guest: &mut Guest, port: u16, arrived: &[u8]) -> u32 {
    let (listener, sock) = queued(guest, port);
    let fd = guest.accept(listener);
    guest.data(sock, arrived);
    fd
}

/// What contracts were asked is answered.
fn answer_contracts(guest: &mut Guest, answer: &[u8]) {
    while let Some((asker, _)) = guest.kernel.poll_contracts() {
        guest.kernel.deliver_contracts(asker, answer.to_vec());
    }
}

/// A world with the change, and the call in it; `None` if the import has nothing there that could differ.
fn scene(import: &Import, change: Change) -> Option<(Guest, Call)> {
    let shape = (import.make)(&[]);
    let of_process = matches!(
        shape,
        Call::ArgsGet { .. }
            | Call::ArgsSizesGet { .. }
            | Call::EnvironGet { .. }
            | Call::EnvironSizesGet { .. }
            | Call::ClockResGet { .. }
            | Call::ClockTimeGet { .. }
            | Call::RandomGet { .. }
    );
    let mut guest = world(if of_process { change } else { Nothing });
    let g = &mut guest;
    let bytes = |at| change.pick(at, *b"data", *b"date");
    let port = change.pick(Told, 4_000, 4_001);
    let (path, iovs, iovs_len, path_len) = (PATH, IOV, 1, 4);
    let path_of = |g: &mut Guest, plain: &str, other: &str| g.put(PATH, change.pick(First, plain, other).as_bytes());
    // Which changes the call can see.
    let (call, sees): (Call, &[Change]) = match shape {
        Call::ArgsGet { .. } => (Call::ArgsGet { argv: OUT, argv_buf: BUF }, &[Told]),
        Call::EnvironGet { .. } => (Call::EnvironGet { environ: OUT, environ_buf: BUF }, &[Told]),
        Call::ClockResGet { .. } => (Call::ClockResGet { id: 0, resolution: OUT }, &[Told]),
        Call::ClockTimeGet { .. } => (Call::ClockTimeGet { id: 1, precision: 0, time: OUT }, &[Told]),
        Call::RandomGet { .. } => (Call::RandomGet { buf: BUF, buf_len: 8 }, &[Told]),
        Call::ArgsSizesGet { .. } => (Call::ArgsSizesGet { argc: OUT, argv_buf_size: OUT + 4 }, &[Told]),
        Call::EnvironSizesGet { .. } => (Call::EnvironSizesGet { count: OUT, buf_size: OUT + 4 }, &[Told]),
        Call::FdFdstatGet { .. } => {
            g.fd_flags(1, change.pick(Told, 0, 1));
            (Call::FdFdstatGet { fd: 1, stat: OUT }, &[Told])
        }
        Call::FdFilestatGet { .. } => {
            let fd = file(g, *b"data");
            g.ok(Call::FdFilestatSetSize { fd, size: change.pick(Told, 1, 2) });
            (Call::FdFilestatGet { fd, stat: OUT }, &[Told])
        }
        Call::FdTell { .. } | Call::FdSeek { .. } => {
            let fd = file(g, *b"data");
            g.ok(Call::FdSeek { fd, offset: change.pick(Told, 1, 2), whence: 0, position: OUT });
            let seek = Call::FdSeek { fd, offset: 1, whence: 1, position: OUT };
            (if matches!(shape, Call::FdTell { .. }) { Call::FdTell { fd, position: OUT } } else { seek }, &[Told])
        }
        Call::FdRead { .. } | Call::FdPread { .. } => {
            let fd = file(g, bytes(Told));
            g.iov(&[(change.pick(First, BUF, BUF + 8), 4)]);
            let pread = Call::FdPread { fd, iovs, iovs_len, offset: 0, nread: OUT };
            let read = Call::FdRead { fd, iovs, iovs_len, nread: OUT };
            (if matches!(shape, Call::FdRead { .. }) { read } else { pread }, &[First, Told])
        }
        Call::FdWrite { .. } | Call::FdPwrite { .. } => {
            let fd = file(g, *b"____");
            g.put(BUF, &bytes(Second));
            g.put(BUF + 8, b"data");
            g.iov(&[(change.pick(First, BUF, BUF + 8), 4)]);
            let pwrite = Call::FdPwrite { fd, iovs, iovs_len, offset: 0, nwritten: OUT };
            let write = Call::FdWrite { fd, iovs, iovs_len, nwritten: OUT };
            (if matches!(shape, Call::FdWrite { .. }) { write } else { pwrite }, &[First, Second])
        }
        Call::FdReaddir { .. } => {
            g.open(change.pick(Told, "one", "two"), 1, u64::MAX, 0).unwrap();
            (Call::FdReaddir { fd: 3, buf: BUF, buf_len: 999, cookie: 0, used: OUT }, &[Told])
        }
        Call::Chmod { .. } => {
            tree(g);
            path_of(g, "file", "elif");
            (Call::Chmod { fd: 3, path, path_len, lookup: 1, mode: 0o600 }, &[First])
        }
        Call::Mode { .. } => {
            tree(g);
            path_of(g, "file", "elif");
            (Call::Mode { fd: 3, path, path_len, lookup: 1 }, &[First])
        }
        Call::PathCreateDirectory { .. } => {
            path_of(g, "newd", "dnew");
            (Call::PathCreateDirectory { fd: 3, path, path_len }, &[First])
        }
        Call::PathRemoveDirectory { .. } => {
            tree(g);
            let path_len = path_of(g, "dir", "rid");
            (Call::PathRemoveDirectory { fd: 3, path, path_len }, &[First])
        }
        Call::PathUnlinkFile { .. } => {
            tree(g);
            path_of(g, "file", "elif");
            (Call::PathUnlinkFile { fd: 3, path, path_len }, &[First])
        }
        Call::PathFilestatGet { .. } => {
            tree(g);
            let fd = g.open("file", 0, u64::MAX, 0).unwrap();
            g.ok(Call::FdFilestatSetSize { fd, size: change.pick(Told, 1, 2) });
            path_of(g, "file", "elif");
            (Call::PathFilestatGet { fd: 3, lookup: 0, path, path_len, stat: OUT }, &[First, Told])
        }
        Call::PathFilestatSetTimes { .. } => {
            tree(g);
            path_of(g, "file", "elif");
            (Call::PathFilestatSetTimes { fd: 3, lookup: 0, path, path_len, atim: 0, mtim: 0, flags: 1 }, &[First])
        }
        Call::PathOpen { .. } => {
            tree(g);
            if change == Told {
                g.open("file", 0, u64::MAX, 0).unwrap();
            }
            path_of(g, "file", "elif");
            let (base, inheriting) = (u64::MAX, u64::MAX);
            let (lookup, oflags, flags, opened) = (0, 0, 0, OUT);
            g.put(OUT, &[0; 4]);
            (Call::PathOpen { fd: 3, lookup, path, path_len, oflags, base, inheriting, flags, opened }, &[First, Told])
        }
        Call::PathReadlink { .. } => {
            symlink(g, change.pick(Told, "there", "three"), "link");
            symlink(g, "there", "knil");
            path_of(g, "link", "knil");
            (Call::PathReadlink { fd: 3, path, path_len, buf: BUF, buf_len: 99, used: OUT }, &[First, Told])
        }
        Call::PathLink { .. } | Call::PathRename { .. } => {
            tree(g);
            let old_path_len = path_of(g, "file", "elif");
            let new_path_len = g.put(PATH2, change.pick(Second, b"new", b"wen"));
            let (old_path, new_path) = (PATH, PATH2);
            let link =
                Call::PathLink { old_fd: 3, lookup: 0, old_path, old_path_len, new_fd: 3, new_path, new_path_len };
            let rename = Call::PathRename { fd: 3, old_path, old_path_len, new_fd: 3, new_path, new_path_len };
            (if matches!(shape, Call::PathLink { .. }) { link } else { rename }, &[First, Second])
        }
        Call::PathSymlink { .. } => {
            let target_len = path_of(g, "there", "three");
            let path_len = g.put(PATH2, change.pick(Second, b"link", b"knil"));
            (Call::PathSymlink { target: PATH, target_len, fd: 3, path: PATH2, path_len }, &[First, Second])
        }
        Call::PollOneoff { .. } => {
            let fd = file(g, *b"data");
            g.ok(Call::FdSeek { fd, offset: change.pick(Told, 0, 1), whence: 0, position: OUT });
            // A file to read, and a clock that is due long from now and so is in no event.
            let mut subs = [0; 96];
            subs[8] = 1;
            subs[16] = fd as u8;
            subs[48 + 16] = 1;
            subs[48 + 24 + 7] = change.pick(First, 1, 2);
            g.put(SUBS, &subs);
            (Call::PollOneoff { subscriptions: SUBS, events: EVENTS, count: 2, ready: OUT }, &[First, Told])
        }
        Call::SockAccept { .. } | Call::BsdAccept { .. } => {
            let (fd, _) = queued(g, port);
            g.put(ADDR_LEN, &change.pick(First, 16_u32, 20).to_le_bytes());
            if matches!(shape, Call::SockAccept { .. }) {
                if change == Told {
                    g.socket();
                }
                (Call::SockAccept { fd, flags: 0, accepted: OUT }, &[Told])
            } else {
                (Call::BsdAccept { fd, flags: 0, addr: ADDR, addr_len: ADDR_LEN }, &[First, Told])
            }
        }
        Call::SockRecv { .. } => {
            let fd = connected(g, 4_000, &bytes(Told));
            g.iov(&[(change.pick(First, BUF, BUF + 8), 4)]);
            (Call::SockRecv { fd, iovs, iovs_len, flags: 0, nread: OUT, roflags: OUT + 4 }, &[First, Told])
        }
        Call::BsdRecv { .. } => {
            let fd = connected(g, 4_000, &bytes(Told));
            (Call::BsdRecv { fd, data: BUF, len: 4, flags: 0 }, &[Told])
        }
        Call::BsdRecvfrom { .. } => {
            let fd = connected(g, 4_000, &bytes(Told));
            g.put(ADDR_LEN, &change.pick(First, 16_u32, 20).to_le_bytes());
            let (addr, addr_len) = (ADDR, ADDR_LEN);
            (Call::BsdRecvfrom { fd, data: BUF, len: 4, flags: 0, addr, addr_len }, &[First, Told])
        }
        Call::Recvmsg { .. } => {
            let fd = connected(g, 4_000, &bytes(Told));
            g.iov(&[(change.pick(First, BUF, BUF + 8), 4)]);
            g.put(ADDR_LEN, &change.pick(Second, 16_u32, 20).to_le_bytes());
            let (addr, addr_len) = (ADDR, ADDR_LEN);
            (Call::Recvmsg { fd, iovs, iovs_len, flags: 0, addr, addr_len }, &[First, Second, Told])
        }
        Call::SockSend { .. } => {
            let fd = connected(g, 4_000, b"");
            g.put(BUF, &bytes(Second));
            g.put(BUF + 8, b"data");
            g.iov(&[(change.pick(First, BUF, BUF + 8), 4)]);
            (Call::SockSend { fd, iovs, iovs_len, flags: 0, nwritten: OUT }, &[First, Second])
        }
        Call::BsdSend { .. } => {
            let fd = connected(g, 4_000, b"");
            g.put(BUF, &bytes(First));
            (Call::BsdSend { fd, data: BUF, len: 4, flags: 0 }, &[First])
        }
        Call::BsdSendto { .. } => {
            let fd = connected(g, 4_000, b"");
            g.put(BUF, &bytes(First));
            g.addr([127, 0, 0, 1], change.pick(Second, 1, 2));
            (Call::BsdSendto { fd, data: BUF, len: 4, flags: 0, addr: ADDR, addr_len: 16 }, &[First, Second])
        }
        Call::Sendmsg { .. } => {
            let fd = connected(g, 4_000, b"");
            g.put(BUF, &bytes(Second));
            g.put(BUF + 8, b"data");
            g.iov(&[(change.pick(First, BUF, BUF + 8), 4)]);
            g.addr([127, 0, 0, 1], change.pick(Told, 1, 2));
            (Call::Sendmsg { fd, iovs, iovs_len, flags: 0, addr: ADDR, addr_len: 16 }, &[First, Second, Told])
        }
        Call::BsdBind { .. } => {
            // The same port at another address of the process.
            let fd = g.socket();
            g.addr(change.pick(First, [0; 4], [127, 0, 0, 1]), 80);
            (Call::BsdBind { fd, addr: ADDR, addr_len: 16 }, &[First])
        }
        Call::BsdConnect { .. } => {
            let fd = g.socket();
            g.fd_flags(fd, 4);
            g.addr([127, 0, 0, 1], change.pick(First, 80, 81));
            (Call::BsdConnect { fd, addr: ADDR, addr_len: 16 }, &[First])
        }
        Call::BsdGetsockname { .. } | Call::BsdGetpeername { .. } => {
            let peer = matches!(shape, Call::BsdGetpeername { .. });
            let fd = if peer { connected(g, port, b"") } else { g.listen(port, 5).0 };
            g.put(ADDR_LEN, &change.pick(First, 16_u32, 20).to_le_bytes());
            ((import.make)(&[fd.into(), ADDR.into(), ADDR_LEN.into()]), &[First, Told])
        }
        Call::BsdGetsockopt { .. } | Call::BsdSetsockopt { .. } => {
            let fd = g.socket();
            let set = Call::BsdSetsockopt { fd, level: 6, option: 1, value: BUF, value_len: 4 };
            g.put(BUF, &[change.pick(Told, 0, 1), 0, 0, 0]);
            if matches!(shape, Call::BsdGetsockopt { .. }) {
                g.ok(set);
                g.put(ADDR_LEN, &change.pick(First, 4_u32, 8).to_le_bytes());
                (Call::BsdGetsockopt { fd, level: 6, option: 1, value: BUF, value_len: ADDR_LEN }, &[First, Told])
            } else {
                g.put(BUF, &[change.pick(First, 0, 1), 0, 0, 0]);
                (set, &[First])
            }
        }
        Call::BsdResolve { .. } => {
            // An address written as a number is the same as the name of the process that has it.
            if change == Told {
                g.kernel.spawn(spec("in between")).unwrap();
            }
            g.kernel.spawn(spec("something")).unwrap();
            let name_len = path_of(g, "something", "10.77.0.2");
            (Call::BsdResolve { name: PATH, name_len, addrs: OUT, max: 1 }, &[First, Told])
        }
        Call::Poll { .. } => {
            // Two entries: a connection with bytes or without, and one that is left out, whose content is given all the
            // same.
            let fd = connected(g, 4_000, b"data");
            g.put(SUBS, &[fd.to_le_bytes(), [1, 0, 0, 0], [0xff; 4], [change.pick(First, 1, 2), 0, 0, 0]].concat());
            if change == Told {
                g.ok(Call::SockShutdown { fd, how: 3 });
                g.put(SUBS + 4, &[1]);
            }
            (Call::Poll { fds: SUBS, count: 2, timeout: 0 }, &[First, Told])
        }
        Call::EpollCtl { .. } => {
            let epoll = g.ok(Call::EpollCreate { flags: 0 });
            g.put(BUF, &[1, 0, 0, 0, 0, 0, 0, 0, change.pick(First, 1, 2)]);
            (Call::EpollCtl { epoll, op: 1, fd: 0, event: BUF }, &[First])
        }
        Call::EpollWait { .. } => {
            let epoll = g.ok(Call::EpollCreate { flags: 0 });
            let fd = connected(g, 4_000, b"data");
            g.put(BUF, &[1, 0, 0, 0, 0, 0, 0, 0, change.pick(Told, 1, 2)]);
            g.ok(Call::EpollCtl { epoll, op: 1, fd, event: BUF });
            (Call::EpollWait { epoll, events: EVENTS, max: 4, timeout: 0 }, &[Told])
        }
        Call::TimerfdSettime { .. } | Call::TimerfdGettime { .. } => {
            let fd = g.ok(Call::TimerfdCreate { clock: 1, flags: 0 });
            let set = Call::TimerfdSettime { fd, flags: 0, new: BUF, old: OUT };
            g.put(BUF, &[0; 32]);
            g.put(BUF + 16, &[change.pick(Told, 1, 2)]);
            g.ok(set);
            g.put(BUF + 16, &[change.pick(First, 3, 4)]);
            if matches!(shape, Call::TimerfdGettime { .. }) {
                (Call::TimerfdGettime { fd, current: OUT }, &[Told])
            } else {
                (set, &[First, Told])
            }
        }
        Call::Pipe { .. } | Call::Socketpair { .. } => {
            if change == Told {
                g.socket();
            }
            let pair = Call::Socketpair { domain: 3, kind: 6, protocol: 0, fds: OUT };
            (if matches!(shape, Call::Pipe { .. }) { Call::Pipe { flags: 0, fds: OUT } } else { pair }, &[Told])
        }
        Call::Lock { .. } => {
            // A lock of one open file is told to another one.
            let (fd, other) = (file(g, *b"data"), g.open("data", 0, u64::MAX, 0).unwrap());
            g.put(BUF, &[0; 32]);
            g.put(BUF, &[1]);
            g.put(BUF + 16, &[change.pick(Told, 5, 6)]);
            g.ok(Call::Lock { fd, cmd: 37, flock: BUF });
            g.put(BUF + 16, &[change.pick(First, 3, 4)]);
            (Call::Lock { fd: other, cmd: 36, flock: BUF }, &[First, Told])
        }
        Call::ContractSubmit { .. } => {
            g.put(BUF, &bytes(First));
            (Call::ContractSubmit { transaction: BUF, transaction_len: 4, event: u32::MAX }, &[First])
        }
        Call::ContractWait { .. } => {
            let ticket = g.ok(Call::ContractSubmit { transaction: BUF, transaction_len: 4, event: u32::MAX });
            answer_contracts(g, &bytes(Told));
            (Call::ContractWait { ticket, buf: OUT, buf_len: 8, flags: 0 }, &[Told])
        }
        Call::ContractView { .. } | Call::ContractAccount { .. } | Call::ContractAddress { .. } => {
            let account = [change.pick(First, 1, 2); 20];
            let path_len = path_of(g, "function", "noitcnuf");
            g.put(BUF, &bytes(Second));
            let call = match shape {
                Call::ContractView { .. } => {
                    g.put(PATH2, &[1; 20]);
                    Call::ContractView {
                        account: PATH2,
                        function: PATH,
                        function_len: path_len,
                        arguments: BUF,
                        arguments_len: 4,
                        gas: 5,
                        buf: OUT,
                        buf_len: 8,
                    }
                }
                Call::ContractAccount { .. } => {
                    g.put(PATH2, &account);
                    Call::ContractAccount { account: PATH2, buf: OUT, buf_len: 8 }
                }
                _ => Call::ContractAddress { name: PATH, name_len: path_len, address: OUT },
            };
            g.kernel.set_recording(Recording::Steps);
            g.waits(call);
            answer_contracts(g, &bytes(Told));
            let second = matches!(shape, Call::ContractView { .. });
            (call, if second { &[First, Second, Told] } else { &[First, Told] })
        }
        Call::ContractStateRoot { .. } => {
            g.kernel.contracts_sealed(SealedBatch { batch: 1, root: [change.pick(Told, 2, 3); 32], digest: [4; 32] });
            (Call::ContractStateRoot { root: OUT }, &[Told])
        }
        _ => return None,
    };
    (change == Nothing || sees.contains(&change)).then_some((guest, call))
}

/// Finishes the call of a scene; its result and the hash of its step.
fn hashed(import: &Import, change: Change) -> Option<(i32, u64)> {
    let (mut guest, call) = scene(import, change)?;
    guest.kernel.set_recording(Recording::Steps);
    match guest.call(call) {
        Step::Done(result) => Some((result, guest.kernel.take_steps().pop().unwrap().hash.0)),
        other => panic!("{} answered {other:?}", import.name),
    }
}

/// What a parameter's content is to the call: read, written, or nothing that could differ.
fn differs(import: &Import, arg: Arg) -> bool {
    let constant = ["fd_prestat_get", "fd_prestat_dir_name"].contains(&import.name);
    !constant
        && !matches!(
            arg,
            Arg::Fd | Arg::Int | Arg::Size | Arg::Rights | Arg::Mode | Arg::Flags(_) | Arg::Len | Arg::Option
        )
}

#[test]
fn what_pointers_lead_to_is_in_the_hash() {
    for import in IMPORTS.iter().filter(|import| import.params.iter().any(|param| differs(import, param.arg))) {
        let Some(plain) = hashed(import, Nothing) else { panic!("{} {} has no scene", import.module, import.name) };
        assert_eq!(hashed(import, Nothing), Some(plain), "{}", import.name);
        let found: Vec<_> = [First, Second, Told].map(|change| (change, hashed(import, change))).into();
        assert!(found.iter().any(|(_, other)| other.is_some()), "{}", import.name);
        for (change, (result, hash)) in found.into_iter().filter_map(|(change, other)| Some((change, other?))) {
            assert_eq!(result, plain.0, "{} {change:?}: more differs than was meant to", import.name);
            assert_ne!(hash, plain.1, "{} {change:?} is not in the hash", import.name);
        }
        let reads = |arg| {
            matches!(arg, Arg::Path | Arg::Address | Arg::Subscriptions | Arg::Iovecs | Arg::OptionValue | Arg::Lock)
                || matches!(arg, Arg::PollFds | Arg::EpollEvent | Arg::TimerSpec)
        };
        if import.params.iter().any(|param| reads(param.arg)) {
            assert!(scene(import, First).is_some(), "{} reads, and no scene says so", import.name);
        }
    }
}

/// A call that waits is made again as often as its process is resumed, and its hash says nothing of that.
#[test]
fn attempts_are_not_in_the_hash() {
    let receive = |attempts: u32| {
        let mut guest = Guest::new();
        let (fd, sock) = guest.connection();
        guest.kernel.set_recording(Recording::Steps);
        let call = guest.read_call(fd, 4);
        for _ in 0..attempts {
            guest.waits(call);
        }
        guest.data(sock, b"data");
        guest.ok(call);
        guest.kernel.take_steps()
    };
    assert_eq!(receive(1), receive(5));
    assert_eq!(receive(0), receive(1));
}
