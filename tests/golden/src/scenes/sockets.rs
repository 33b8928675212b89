//! Connections: of clients, of processes with each other, and all that goes wrong with them.

use super::Scene;
use crate::logbook::{Logbook, Program, conn, data, open};
use crate::script::Script;
use crate::script::Want::{Any, Ok as Fine};
use crate::script::at::{ADDR, ADDR_LEN, BUF, END, IOV, OUT, PATH, SUBS};
use anyhow::Result;
use replicode_log::{FsImage, Input, Limits};
use replicode_syscalls::abi::Errno::{
    AddrInUse, AddrNotAvail, AfNoSupport, Again, Already, BadF, ConnAborted, ConnRefused, ConnReset, Dom, Fault,
    InProgress, Inval, IsConn, NetUnreach, NoBufs, NoEnt, NoProtoOpt, NotConn, NotSup, Pipe, ProtoNoSupport,
};
use std::net::Ipv6Addr;

const SOCKET: u64 = 0x7fff_ffff;
const TCP: u64 = 6;

/// Its listener is descriptor 4; every connection becomes descriptor 5.
fn server() -> Script {
    let mut s = Script::new();
    // The first client: says hello, and is looked at from all sides.
    s.word(ADDR_LEN, 28).gives("accept", &[4, 0, ADDR, ADDR_LEN], 5).gives("recv", &[5, BUF, 3, 1], 3).gives(
        "recv",
        &[5, BUF, 99, 0],
        5,
    );
    s.word(ADDR_LEN, 28)
        .ok("getpeername", &[5, ADDR, ADDR_LEN])
        .word(ADDR_LEN, 4)
        .ok("getsockname", &[5, ADDR, ADDR_LEN]);
    s.fails("getpeername", &[5, END, ADDR_LEN], Fault).fails("getsockname", &[5, ADDR, END], Fault);
    s.put(BUF, &[1, 0, 0, 0]).ok("setsockopt", &[5, SOCKET, 9, BUF, 4]).put(BUF, &[30, 0, 0, 0]);
    s.ok("setsockopt", &[5, TCP, 4, BUF, 4])
        .ok("setsockopt", &[5, TCP, 5, BUF, 4])
        .ok("setsockopt", &[5, TCP, 6, BUF, 4]);
    s.put(BUF, &[0; 4]).ok("setsockopt", &[5, SOCKET, 9, BUF, 4]);
    // All ten bytes, which come in two batches; then the rest, by every call that receives.
    s.gives("recv", &[5, BUF, 10, 2], 10).gives("recvfrom", &[5, BUF, 2, 0, 0, 0], 2);
    s.word(ADDR_LEN, 16).gives("recvfrom", &[5, BUF, 2, 0, ADDR, ADDR_LEN], 2).iov(&[(BUF, 1), (BUF + 9, 1)]);
    s.gives("recvmsg", &[5, IOV, 2, 0, 0, 0], 2)
        .read(5, 2, Fine)
        .iov(&[(BUF, 2)])
        .ok("sock_recv", &[5, IOV, 1, 0, OUT, OUT + 4]);
    s.fails("recv", &[5, BUF, 9, 0x40], Again).fails("recv", &[5, BUF, 9, 1 << 20], NotSup).fails(
        "recv",
        &[5, END, 9, 0],
        Fault,
    );
    s.fails("sock_recv", &[5, IOV, 1, 1 << 9, OUT, OUT + 4], NotSup).ok("fd_fdstat_set_flags", &[5, 4]).read(
        5,
        9,
        super::fails(Again),
    );
    s.ok("fd_fdstat_set_flags", &[5, 0]).put(BUF, b"an answer, and more").gives("send", &[5, BUF, 9, 0x4000], 9);
    s.gives("sendto", &[5, BUF, 9, 0, ADDR, 16], 9).iov(&[(BUF, 5), (BUF + 5, 5)]).gives(
        "sendmsg",
        &[5, IOV, 2, 0, 0, 0],
        10,
    );
    s.write(5, b"written", Fine).iov(&[(BUF, 5)]).ok("sock_send", &[5, IOV, 1, 0, OUT]).fails(
        "sock_send",
        &[5, IOV, 1, 9, OUT],
        NotSup,
    );
    s.fails("send", &[5, END, 9, 0], Fault).fails("send", &[5, BUF, 9, 1 << 20], NotSup);
    // More than the window takes: waits for what the client's host has taken.
    s.gives("send", &[5, BUF, 3_000, 0], 3_000).put(SUBS, &[5, 0, 0, 0, 3, 0, 0, 0]).gives("poll", &[SUBS, 1, 0], 1);
    // A time-out, and the client's end.
    s.put(BUF, &[0; 16]).put(BUF + 8, &2_000_u64.to_le_bytes()).ok("setsockopt", &[5, SOCKET, 66, BUF, 16]);
    s.fails("recv", &[5, BUF, 9, 0], Again).put(BUF, &[0; 16]).ok("setsockopt", &[5, SOCKET, 66, BUF, 16]);
    s.gives("recv", &[5, BUF, 9, 0], 0);
    s.ok("sock_shutdown", &[5, 2]).fails("send", &[5, BUF, 9, 0], Pipe).fails("sock_shutdown", &[5, 9], Inval).gives(
        "close",
        &[5],
        0,
    );
    // One whose bytes are not read: closing is a reset.
    s.ok("sock_accept", &[4, 0, OUT])
        .put(SUBS, &[5, 0, 0, 0, 1, 0, 0, 0])
        .gives("poll", &[SUBS, 1, u64::MAX], 1)
        .gives("close", &[5], 0);
    // One that is not listened to any more.
    s.gives("accept", &[4, 0, 0, 0], 5).gives("shutdown", &[5, 3], 0).sleep(3_000_000).gives("close", &[5], 0);
    // One that is cut off.
    s.gives("accept", &[4, 0x2000, 0, 0], 5).fails("recv", &[5, BUF, 9, 0], ConnReset).gives(
        "recv",
        &[5, BUF, 9, 0],
        0,
    );
    s.call("send", &[5, BUF, 1, 0], Any).gives("close", &[5], 0);
    // One that says what cannot be, twice.
    for _ in 0..2 {
        s.gives("accept", &[4, 0, 0, 0], 5).fails("recv", &[5, BUF, 9, 0], ConnReset).gives("close", &[5], 0);
    }
    // Two processes of the cell.
    for _ in 0..2 {
        s.gives("accept", &[4, 0, 0, 0], 5).gives("recv", &[5, BUF, 99, 0], 4).gives("send", &[5, BUF, 4, 0], 4).gives(
            "close",
            &[5],
            0,
        );
    }
    s
}

/// A process of the cell that connects to the server: over IPv4 by its name, over IPv6 by its number.
fn neighbour() -> Script {
    let mut s = Script::new();
    s.sleep(60_000_000).put(PATH, b"server").gives("resolve", &[PATH, 6, OUT, 1], 1).fails(
        "resolve",
        &[PATH, 3, OUT, 1],
        NoEnt,
    );
    s.put(PATH, b"localhost").gives("resolve", &[PATH, 9, OUT, 1], 1).fails("resolve", &[END, 9, OUT, 1], Fault);
    s.gives("open", &[1, 6, 0], 4).addr([10, 77, 0, 1], 7).gives("connect", &[4, ADDR, 16], 0).fails(
        "connect",
        &[4, ADDR, 16],
        IsConn,
    );
    s.put(BUF, b"ping").gives("send", &[4, BUF, 4, 0], 4).gives("recv", &[4, BUF, 99, 0], 4).gives(
        "recv",
        &[4, BUF, 99, 0],
        0,
    );
    s.gives("open", &[2, 6, TCP], 5).addr6(Ipv6Addr::from([0, 0, 0, 0, 0, 0xffff, 0x0a4d, 0x0001]), 7).gives(
        "connect",
        &[5, ADDR, 28],
        0,
    );
    s.word(ADDR_LEN, 28).ok("getsockname", &[5, ADDR, ADDR_LEN]).ok("getpeername", &[5, ADDR, ADDR_LEN]);
    s.gives("send", &[5, BUF, 4, 0], 4).gives("recv", &[5, BUF, 99, 0], 4).gives("close", &[5], 0);
    s
}

/// A server, clients of three nodes, and a neighbour.
pub fn scene() -> Result<Scene> {
    let (server, neighbour) = (server(), neighbour());
    let programs = vec![
        Program { listeners: vec![7], ..Program::new("server", server.wasm()?) },
        Program::new("neighbour", neighbour.wasm()?),
    ];
    let limits = Limits { recv_window: 64, send_window: 1_000, ..Limits::default() };
    let mut book = Logbook::new("sockets", limits, FsImage::default(), programs);
    let [a, b, c, d] = [conn(1, 1, 1), conn(2, 1, 1), conn(1, 1, 2), conn(3, 1, 1)];
    book.boot(1).boot(2).boot(3).batch(1_000);
    book.inputs(1, vec![open(a, "server", 7), data(a, 0, b"hello")]).batch(1_000);
    book.inputs(1, vec![data(a, 5, b"ten by")]).batch(1_000);
    book.inputs(1, vec![data(a, 11, b"tes.and ten mo")]).batch(1_000).ticks(1, 1_000);
    for acked in [500, 1_040, 2_000, 2_900, 3_040] {
        book.inputs(1, vec![Input::Acked { conn: a, offset: acked }]).batch(1_000);
    }
    book.ticks(4, 1_000).inputs(1, vec![Input::HalfClose { conn: a, offset: 25 }]).batch(1_000);
    book.inputs(2, vec![open(b, "server", 7), data(b, 0, b"never read")]).batch(1_000).ticks(1, 1_000);
    book.inputs(1, vec![open(c, "server", 7)])
        .batch(1_000)
        .inputs(1, vec![data(c, 0, b"to nobody")])
        .batch(1_000)
        .ticks(4, 1_000);
    book.inputs(3, vec![open(d, "server", 7)]).batch(1_000).inputs(3, vec![Input::Reset { conn: d }]).batch(1_000);
    // A gap, and more than the window allows.
    let [e, f] = [conn(3, 1, 2), conn(3, 1, 3)];
    book.inputs(3, vec![open(e, "server", 7), data(e, 9, b"far")]).batch(1_000);
    book.inputs(3, vec![open(f, "server", 7), data(f, 0, &[b'x'; 65])]).batch(1_000).ticks(8, 10_000);
    Ok(Scene { name: "scene-sockets", book, scripts: vec![(1, server), (2, neighbour)] })
}

/// Every error of sockets that no client is needed for, and a table that is full.
pub fn errors() -> Result<Scene> {
    let mut s = Script::new();
    s.fails("open", &[9, 6, 0], AfNoSupport).fails("open", &[1, 5, 0], ProtoNoSupport).fails("open", &[1, 9, 0], Inval);
    s.gives("open", &[1, 6, 0], 4).addr([10, 77, 0, 9], 80).fails("bind", &[4, ADDR, 16], AddrNotAvail);
    s.addr([0; 4], 80).gives("bind", &[4, ADDR, 16], 0).fails("bind", &[4, ADDR, 16], Inval).fails(
        "bind",
        &[99, ADDR, 16],
        BadF,
    );
    s.gives("open", &[1, 6, 0], 5).fails("bind", &[5, ADDR, 16], AddrInUse).fails("bind", &[5, END, 16], Fault);
    s.addr6(Ipv6Addr::LOCALHOST, 80).fails("bind", &[5, ADDR, 28], AfNoSupport).fails("bind", &[5, ADDR, 4], Inval);
    s.fails("accept", &[5, 0, 0, 0], Inval).fails("sock_accept", &[5, 4, OUT], Inval).fails(
        "accept",
        &[4, 1, 0, 0],
        Inval,
    );
    s.gives("listen", &[4, 1], 0).gives("listen", &[4, 9], 0).fails("listen", &[99, 1], BadF);
    s.ok("fd_fdstat_set_flags", &[4, 4]).fails("accept", &[4, 0, 0, 0], Again).fails(
        "sock_accept",
        &[4, 4, OUT],
        Again,
    );
    s.addr([10, 77, 0, 1], 80).fails("connect", &[4, ADDR, 16], IsConn).fails("recv", &[4, BUF, 1, 0], NotConn).fails(
        "send",
        &[4, BUF, 1, 0],
        NotConn,
    );
    s.fails("shutdown", &[5, 1], NotConn).fails("getpeername", &[5, ADDR, ADDR_LEN], NotConn);
    // Nobody there, no such network, port 0.
    s.addr([10, 77, 0, 1], 81).fails("connect", &[5, ADDR, 16], ConnRefused).addr([192, 0, 2, 1], 80).fails(
        "connect",
        &[5, ADDR, 16],
        NetUnreach,
    );
    s.addr([10, 77, 0, 1], 0).fails("connect", &[5, ADDR, 16], ConnRefused).fails("connect", &[5, END, 16], Fault);
    // Without waiting: under way, refused, and told once.
    s.gives("open", &[1, 6 | 0x4000, 0], 6).addr([10, 77, 0, 1], 81).fails("connect", &[6, ADDR, 16], InProgress);
    s.fails("connect", &[6, ADDR, 16], Already).fails("recv", &[6, BUF, 1, 0], Again).sleep(1_000_000);
    s.word(ADDR_LEN, 4).ok("getsockopt", &[6, SOCKET, 4, BUF, ADDR_LEN]).fails("connect", &[6, ADDR, 16], ConnAborted);
    // To itself, by its own address; then the table is full.
    s.addr([10, 77, 0, 1], 80).gives("connect", &[5, ADDR, 16], 0).gives("accept", &[4, 0, 0, 0], 7);
    s.gives("open", &[1, 6, 0], 8)
        .fails("connect", &[8, ADDR, 16], NoBufs)
        .put(BUF, b"me")
        .gives("send", &[7, BUF, 2, 0], 2)
        .gives("recv", &[5, BUF, 9, 0], 2);
    // Options.
    for (level, option) in [
        (SOCKET, 1),
        (SOCKET, 2),
        (SOCKET, 3),
        (SOCKET, 4),
        (SOCKET, 7),
        (SOCKET, 8),
        (SOCKET, 9),
        (SOCKET, 15),
        (SOCKET, 18),
        (SOCKET, 19),
        (SOCKET, 30),
        (SOCKET, 38),
        (SOCKET, 39),
        (TCP, 1),
        (TCP, 2),
        (TCP, 3),
        (TCP, 4),
        (TCP, 5),
        (TCP, 6),
        (TCP, 12),
        (TCP, 23),
        (0, 1),
        (0, 2),
        (0x6c70_6572, 1),
    ] {
        s.word(ADDR_LEN, 4).ok("getsockopt", &[5, level, option, BUF, ADDR_LEN]);
    }
    s.word(ADDR_LEN, 8)
        .ok("getsockopt", &[5, SOCKET, 13, BUF, ADDR_LEN])
        .word(ADDR_LEN, 16)
        .ok("getsockopt", &[5, SOCKET, 67, BUF, ADDR_LEN]);
    s.word(ADDR_LEN, 8).fails("getsockopt", &[5, SOCKET, 67, BUF, ADDR_LEN], Inval).fails(
        "getsockopt",
        &[5, SOCKET, 77, BUF, ADDR_LEN],
        NoProtoOpt,
    );
    s.fails("getsockopt", &[5, 41, 26, BUF, ADDR_LEN], NoProtoOpt).fails(
        "getsockopt",
        &[5, SOCKET, 3, END, ADDR_LEN],
        Fault,
    );
    s.put(BUF, &[1, 0, 0, 0, 0, 0, 0, 0])
        .ok("setsockopt", &[5, TCP, 1, BUF, 4])
        .ok("setsockopt", &[5, SOCKET, 13, BUF, 8]);
    s.fails("setsockopt", &[5, SOCKET, 77, BUF, 4], NoProtoOpt).fails("setsockopt", &[5, TCP, 1, BUF, 2], Inval).fails(
        "setsockopt",
        &[5, TCP, 1, END, 4],
        Fault,
    );
    s.put(BUF, &[0; 16])
        .put(BUF + 8, &1_000_000_u64.to_le_bytes())
        .fails("setsockopt", &[5, SOCKET, 66, BUF, 16], Dom)
        .fails("setsockopt", &[5, TCP, 4, BUF, 4], Inval);
    s.gives("open", &[2, 6, 0], 9)
        .put(BUF, &[1, 0, 0, 0])
        .ok("setsockopt", &[9, 41, 26, BUF, 4])
        .word(ADDR_LEN, 4)
        .ok("getsockopt", &[9, 41, 26, BUF, ADDR_LEN]);
    s.ok("getsockopt", &[9, 41, 67, BUF, ADDR_LEN])
        .addr6(Ipv6Addr::UNSPECIFIED, 80)
        .gives("bind", &[9, ADDR, 28], 0)
        .gives("listen", &[9, 3], 0);
    s.gives("close", &[7], 0).gives("recv", &[5, BUF, 9, 0], 0);
    let program = Program::new("errors", s.wasm()?);
    let limits = Limits { connections: 1, ..Limits::default() };
    let mut book = Logbook::new("errors", limits, FsImage::default(), vec![program]);
    book.boot(1).batch(1_000).ticks(6, 1_000);
    Ok(Scene { name: "scene-socket-errors", book, scripts: vec![(1, s)] })
}
