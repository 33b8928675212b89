//! Descriptors that share, pipes, pairs, counters, timers; arguments, clocks, random numbers; standard input and output.

use super::{ALL, CREAT, READ, ROOT, Scene, WRITE, fails};
use crate::logbook::{Logbook, Program, data};
use crate::script::Script;
use crate::script::Want::{Any, Ok as Fine};
use crate::script::at::{ADDR, ADDR_LEN, BUF, END, IOV, OUT, SUBS};
use anyhow::Result;
use replicode_log::{ConnId, FsImage, Input, Limits, Pid};
use replicode_syscalls::abi::Errno::{
    Acces, AfNoSupport, Again, BadF, ConnReset, Dom, Exist, Fault, Inval, IsConn, NoEnt, NoProtoOpt, NotConn, NotDir,
    NotSock, NotSup, Nxio, Perm, Pipe, ProtoNoSupport,
};

const SOCKET: u64 = 0x7fff_ffff;
const NONBLOCK: u64 = 0x4000;

fn process(s: &mut Script) {
    s.ok("args_sizes_get", &[OUT, OUT + 4]).ok("args_get", &[OUT, BUF]).fails("args_get", &[END, BUF], Fault);
    s.ok("environ_sizes_get", &[OUT, OUT + 4]).ok("environ_get", &[OUT, BUF]).fails("environ_get", &[OUT, END], Fault);
    s.fails("args_sizes_get", &[END, OUT], Fault).fails("environ_sizes_get", &[OUT, END], Fault);
    for clock in 0..4 {
        s.ok("clock_res_get", &[clock, OUT]).ok("clock_time_get", &[clock, 1, OUT]);
    }
    s.fails("clock_res_get", &[4, OUT], Inval).fails("clock_time_get", &[4, 0, OUT], Inval);
    s.fails("clock_res_get", &[0, END], Fault).fails("clock_time_get", &[0, 0, END], Fault);
    s.ok("random_get", &[BUF, 32]).fails("random_get", &[END, 1], Fault).ok("sched_yield", &[]);
    s.fails("proc_raise", &[15], NotSup).gives("getpid", &[], 1);
    // Standard streams. The input is typed in two pieces, and ended.
    s.write(1, b"to standard output\n", Fine).write(2, b"to standard error\n", Fine).write(0, b"x", fails(BadF));
    s.read(1, 9, fails(BadF)).read(0, 9, Fine).read(0, 99, Fine).read(0, 99, Fine).read(0, 99, Fine);
    s.open(ROOT, "/proc/self/fd/0", 0, WRITE, fails(Acces)).open(ROOT, "/proc/self/fd/1", 0, READ, fails(Acces));
    s.open(ROOT, "/proc/self/fd/1", 0, WRITE, Fine).write(4, b"through another door\n", Fine).ok("fd_close", &[4]);
    s.open(ROOT, "/proc/self/fd/77", 0, READ, fails(NoEnt));
}

fn duplicates(s: &mut Script) {
    s.open(ROOT, "f", CREAT, ALL, Fine).gives("dup", &[4, 0, 0], 5).gives("dup", &[4, 20, 0x2000], 20);
    s.write(5, b"shared", Fine).ok("fd_tell", &[4, OUT]);
    s.fails("dup", &[99, 0, 0], BadF).fails("dup", &[4, 0, NONBLOCK], Inval).fails("dup", &[4, 1 << 20, 0], Inval);
    s.gives("dup3", &[4, 7, 0], 7).gives("dup3", &[4, 7, 0x2000], 7).fails("dup3", &[4, 4, 0], Inval);
    s.fails("dup3", &[4, 1 << 20, 0], BadF).fails("dup3", &[99, 7, 0], BadF);
    s.gives("fd_flags", &[7, ALL], 1).gives("fd_flags", &[7, 0], 0).gives("fd_flags", &[7, ALL], 0).fails(
        "fd_flags",
        &[99, 0],
        BadF,
    );
    for fd in [4, 5, 7, 20] {
        s.ok("fd_close", &[fd]);
    }
}

/// Descriptors 4 and 5.
fn pipes(s: &mut Script) {
    s.gives("pipe", &[NONBLOCK, OUT], 0).fails("pipe", &[1, OUT], Inval).fails("pipe", &[0, END], Fault);
    s.read(4, 9, fails(Again)).write(5, b"through a pipe", Fine).read(4, 7, Fine).read(4, 99, Fine);
    s.read(5, 9, fails(BadF)).write(4, b"x", fails(BadF)).fails(
        "fd_seek",
        &[4, 0, 1, OUT],
        replicode_syscalls::Errno::SPipe,
    );
    // Sixteen pages of 4096 bytes fill it.
    s.iov(&[(0, 0x8000)]).repeat(2, |s| _ = s.ok("fd_write", &[5, IOV, 1, OUT])).fails(
        "fd_write",
        &[5, IOV, 1, OUT],
        Again,
    );
    s.ok("fd_close", &[4]).write(5, b"nobody reads", fails(Pipe)).ok("fd_close", &[5]);
    s.gives("pipe", &[0, OUT], 0).ok("fd_close", &[5]).read(4, 9, Fine).ok("fd_close", &[4]);
}

/// Descriptors 4 and 5.
fn pairs(s: &mut Script) {
    let pair = "socketpair";
    s.gives(pair, &[3, 6, 0, OUT], 0).fails(pair, &[3, 5, 0, OUT], ProtoNoSupport).fails(pair, &[3, 9, 0, OUT], Inval);
    s.fails(pair, &[1, 6, 0, OUT], NotSup).fails(pair, &[9, 6, 0, OUT], AfNoSupport).fails(
        pair,
        &[3, 6, 0, END],
        Fault,
    );
    s.put(BUF, b"from one to the other").gives("send", &[4, BUF, 21, 0], 21).gives("recv", &[5, BUF, 4, 1], 4);
    s.gives("recv", &[5, BUF, 4, 0], 4).gives("recvfrom", &[5, BUF, 5, 0, 0, 0], 5);
    s.iov(&[(BUF, 3), (BUF + 9, 3)]).gives("recvmsg", &[5, IOV, 2, 0, 0, 0], 6).gives(
        "sendmsg",
        &[5, IOV, 2, 0, 0, 0],
        6,
    );
    s.iov(&[(BUF, 3), (BUF + 9, 3)])
        .ok("sock_recv", &[4, IOV, 2, 0, OUT, OUT + 4])
        .ok("sock_send", &[4, IOV, 1, 0, OUT]);
    s.fails("recv", &[4, BUF, 4, 0x40], Again).fails("send", &[4, BUF, 4, 1 << 20], NotSup);
    s.addr([10, 77, 0, 1], 1).fails("sendto", &[4, BUF, 4, 0, ADDR, 16], IsConn).call("connect", &[4, ADDR, 16], Any);
    s.ok("getsockname", &[4, ADDR, ADDR_LEN]).ok("getpeername", &[4, ADDR, ADDR_LEN]).fails("listen", &[4, 1], Inval);
    s.word(ADDR_LEN, 16).put(BUF, &[0; 16]).ok("getsockopt", &[4, SOCKET, 66, BUF, ADDR_LEN]);
    s.word(ADDR_LEN, 4).ok("getsockopt", &[4, SOCKET, 3, BUF, ADDR_LEN]).fails(
        "getsockopt",
        &[4, 6, 1, BUF, ADDR_LEN],
        NotSup,
    );
    s.word(ADDR_LEN, 4).fails("getsockopt", &[4, SOCKET, 77, BUF, ADDR_LEN], NoProtoOpt);
    s.ok("setsockopt", &[4, SOCKET, 2, BUF, 4]).fails("setsockopt", &[4, SOCKET, 77, BUF, 4], NoProtoOpt);
    s.put(BUF + 8, &2_000_000_u64.to_le_bytes()).fails("setsockopt", &[4, SOCKET, 66, BUF, 16], Dom);
    s.ok("shutdown", &[4, 2]).fails("shutdown", &[4, 0], Inval).fails("send", &[4, BUF, 4, 0], Pipe).gives(
        "recv",
        &[5, BUF, 99, 0],
        9,
    );
    s.gives("recv", &[5, BUF, 99, 0], 0).gives("send", &[5, BUF, 4, 0], 4).ok("close", &[4]);
    s.ok("close", &[5]).fails("close", &[5], BadF);
    // Closed with bytes unread: a reset for the other end.
    s.gives(pair, &[3, 6, 0, OUT], 0)
        .gives("send", &[4, BUF, 4, 0], 4)
        .ok("close", &[5])
        .fails("recv", &[4, BUF, 4, 0], ConnReset)
        .ok("close", &[4]);
    for (name, args) in [
        ("send", &[1, BUF, 1, 0][..]),
        ("recv", &[1, BUF, 1, 0]),
        ("sendto", &[1, BUF, 1, 0, 0, 0]),
        ("recvfrom", &[1, BUF, 1, 0, 0, 0]),
        ("bind", &[1, ADDR, 16]),
        ("listen", &[1, 1]),
        ("accept", &[1, 0, 0, 0]),
        ("connect", &[1, ADDR, 16]),
        ("shutdown", &[1, 1]),
        ("getsockname", &[1, ADDR, ADDR_LEN]),
        ("getpeername", &[1, ADDR, ADDR_LEN]),
        ("getsockopt", &[1, SOCKET, 3, BUF, ADDR_LEN]),
        ("setsockopt", &[1, SOCKET, 2, BUF, 4]),
        ("sendmsg", &[1, IOV, 1, 0, 0, 0]),
        ("recvmsg", &[1, IOV, 1, 0, 0, 0]),
        ("sock_send", &[1, IOV, 1, 0, OUT]),
        ("sock_recv", &[1, IOV, 1, 0, OUT, OUT]),
        ("sock_accept", &[1, 0, OUT]),
        ("sock_shutdown", &[1, 1]),
    ] {
        s.fails(name, args, NotSock);
    }
}

/// Descriptors 4 (counter), 5 (timer), 6 (watches).
fn counters(s: &mut Script) {
    s.gives("eventfd", &[3, NONBLOCK], 4).fails("eventfd", &[3, 2], Inval).read(4, 8, Fine).read(4, 8, fails(Again));
    s.read(4, 7, fails(Inval)).write(4, &5_u64.to_le_bytes(), Fine).write(4, &[0xff; 8], fails(Inval));
    s.write(4, &(u64::MAX - 2).to_le_bytes(), fails(Again)).read(4, 8, Fine);
    let timer = "timerfd_settime";
    s.gives("timerfd_create", &[1, NONBLOCK], 5).fails("timerfd_create", &[2, 0], Inval).fails(
        "timerfd_create",
        &[1, 1],
        Inval,
    );
    s.put(BUF, &[0; 32])
        .put(BUF + 24, &3_000_000_u32.to_le_bytes())
        .ok(timer, &[5, 0, BUF, OUT])
        .ok("timerfd_gettime", &[5, OUT]);
    s.put(BUF + 24, &u32::MAX.to_le_bytes()).fails(timer, &[5, 0, BUF, 0], Inval).fails(timer, &[5, 0, END, 0], Fault);
    s.fails(timer, &[4, 0, BUF, 0], Inval).fails("timerfd_gettime", &[4, OUT], Inval).fails(
        "timerfd_gettime",
        &[99, OUT],
        BadF,
    );
    s.read(5, 8, fails(Again)).write(5, &[0; 8], fails(Inval));
    let control = "epoll_ctl";
    s.gives("epoll_create", &[0], 6)
        .fails("epoll_create", &[1], Inval)
        .put(BUF, &[1, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0]);
    s.ok(control, &[6, 1, 4, BUF]).ok(control, &[6, 1, 5, BUF]).fails(control, &[6, 1, 4, BUF], Exist);
    s.fails(control, &[6, 9, 4, BUF], Inval).fails(control, &[6, 1, ROOT, BUF], Perm).fails(
        control,
        &[6, 3, 1, BUF],
        NoEnt,
    );
    s.fails(control, &[6, 2, 1, 0], NoEnt).fails(control, &[6, 1, 6, BUF], Inval).fails(
        control,
        &[99, 1, 4, BUF],
        BadF,
    );
    s.fails(control, &[6, 1, 4, END], Fault).ok(control, &[6, 3, 4, BUF]);
    // A circle of watches.
    s.gives("epoll_create", &[0], 7).ok(control, &[6, 1, 7, BUF]).fails(
        control,
        &[7, 1, 6, BUF],
        replicode_syscalls::Errno::Loop,
    );
    s.gives("epoll_wait", &[6, SUBS, 4, 0], 0).write(4, &1_u64.to_le_bytes(), Fine).gives(
        "epoll_wait",
        &[6, SUBS, 4, 0],
        1,
    );
    // The timer is due three milliseconds from when it was set: this waits.
    s.read(4, 8, Fine).gives("epoll_wait", &[6, SUBS, 4, ALL], 1).read(5, 8, Fine);
    s.fails("epoll_wait", &[6, SUBS, 0, 0], Inval).fails("epoll_wait", &[6, END, 4, 0], Fault).fails(
        "epoll_wait",
        &[4, SUBS, 4, 0],
        Inval,
    );
    s.open(ROOT, "/proc/self/fd/4", 0, READ, fails(Nxio)).open(ROOT, "/proc/self/fd/4/x", 0, READ, fails(NotDir));
    s.ok(control, &[6, 2, 5, 0]);
    // A socket without a peer.
    s.gives("open", &[1, 6, 0], 8).fails("getpeername", &[8, ADDR, ADDR_LEN], NotConn).fails(
        "recv",
        &[8, BUF, 1, 0],
        NotConn,
    );
}

/// One process that does all of it.
pub fn scene() -> Result<Scene> {
    let mut s = Script::new();
    process(&mut s);
    duplicates(&mut s);
    pipes(&mut s);
    pairs(&mut s);
    counters(&mut s);
    s.any("proc_exit", &[0]);
    let program = Program { stdin: true, ..Program::new("descriptors", s.wasm()?) };
    let stdin = ConnId::console(Pid(1));
    let mut book = Logbook::new("descriptors", Limits::default(), FsImage::default(), vec![program]);
    book.boot(1).boot(2).batch(1_000);
    book.inputs(1, vec![data(stdin, 0, b"typed in one go, ")]).batch(2_000);
    book.inputs(2, vec![data(stdin, 17, b"and more")]).batch(2_000);
    book.inputs(1, vec![Input::HalfClose { conn: stdin, offset: 25 }]).batch(2_000).ticks(8, 2_000);
    Ok(Scene { name: "scene-descriptors", book, scripts: vec![(1, s)] })
}
