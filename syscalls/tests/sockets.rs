//! Stream sockets: accept, connect, bytes both ways, half-close, reset, close, options.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;
use common::{ADDR, ADDR_LEN, BUF, Guest, IOV, OUT, SEND_WINDOW, client};
use replicode_log::{Egress, ExitStatus, HostAddr, Ingress, Limits, Pid, Refused};
use replicode_syscalls::{Call, Errno};

const PEEK: u32 = 1;
const WAITALL: u32 = 2;
const DONTWAIT: u32 = 0x40;

#[test]
fn a_connection_is_accepted_with_the_lowest_descriptor_and_its_listeners_port() {
    let mut guest = Guest::new();
    let (fd, listener) = guest.listen(80, 5);
    let accept = Call::BsdAccept { fd, flags: 0x4000, addr: ADDR, addr_len: ADDR_LEN };
    guest.addr([0; 4], 0);
    guest.waits(accept);
    let sock = guest.incoming(listener);
    guest.resumed();
    assert_eq!(guest.ok(accept), 5);
    assert_eq!(guest.addr_found(), ([192, 0, 2, 1], 4000));
    assert_eq!(guest.net(), [Egress::Accepted { sock, flow_port: 80 }]);
    // SOCK_NONBLOCK was asked for.
    assert_eq!(guest.done(guest.recv_call(5, 1, 0)), Err(Errno::Again));
    guest.ok(Call::BsdGetsockname { fd: 5, addr: ADDR, addr_len: ADDR_LEN });
    assert_eq!(guest.addr_found(), ([10, 77, 0, 1], 80));
    guest.ok(Call::BsdGetpeername { fd: 5, addr: ADDR, addr_len: ADDR_LEN });
    assert_eq!(guest.addr_found(), ([192, 0, 2, 1], 4000));
}

#[test]
fn a_failed_accept_gives_back_what_it_took() {
    let mut guest = Guest::with(Limits { descriptors: 6, ..Limits::default() });
    let (fd, listener) = guest.listen(80, 5);
    guest.fd_flags(fd, 4);
    let accept = Call::SockAccept { fd, flags: 0, accepted: OUT };
    for _ in 0..3 {
        assert_eq!(guest.done(accept), Err(Errno::Again));
    }
    let first = guest.incoming(listener);
    let second = guest.incoming(listener);
    guest.ok(accept);
    assert_eq!(guest.net(), [Egress::Accepted { sock: first, flow_port: 80 }]);
    // No descriptor: the connection stays in the queue.
    assert_eq!(guest.done(accept), Err(Errno::MFile));
    guest.ok(Call::FdClose { fd: 5 });
    guest.net();
    guest.ok(accept);
    assert_eq!(guest.u32(OUT), 5);
    assert_eq!(guest.net(), [Egress::Accepted { sock: second, flow_port: 80 }]);
}

#[test]
fn the_backlog_is_bounded() {
    let mut guest = Guest::with(Limits { backlog: 2, ..Limits::default() });
    let (fd, listener) = guest.listen(80, u32::MAX);
    guest.incoming(listener);
    guest.incoming(listener);
    let event = Ingress::Incoming { listener, peer: client(1), send_window: 1 };
    assert_eq!(guest.kernel.deliver(event.clone()), Err(Refused::Backlog));
    guest.accept(fd);
    assert!(guest.kernel.deliver(event.clone()).is_ok());
    guest.net();
    guest.ok(Call::FdClose { fd });
    let said = guest.net();
    assert_eq!(said[0], Egress::Unlisten { sock: listener });
    assert!(matches!(said[1..], [Egress::Abort { .. }, Egress::Abort { .. }]), "{said:?}");
    assert_eq!(guest.kernel.deliver(event), Err(Refused::NoListener));
}

#[test]
fn bytes_arrive_in_pieces_and_are_read_as_asked() {
    let mut guest = Guest::new();
    let (fd, sock) = guest.connection();
    guest.waits(guest.recv_call(fd, 10, 0));
    guest.data(sock, b"hello");
    guest.data(sock, b"world");
    guest.resumed();
    guest.sleeps();
    assert_eq!(guest.recv(fd, 3, 0), b"hel");
    assert_eq!(guest.recv(fd, 4, PEEK), b"lowo");
    assert_eq!(guest.read(fd, 4), b"lowo");
    // Two buffers, preview 1's own call.
    let iovs_len = guest.iov(&[(BUF, 1), (BUF + 0x100, 9)]);
    guest.ok(Call::SockRecv { fd, iovs: IOV, iovs_len, flags: 0, nread: OUT, roflags: OUT + 4 });
    assert_eq!((guest.u32(OUT), guest.u16(OUT + 4)), (3, 0));
    assert_eq!((guest.bytes(BUF, 1), guest.bytes(BUF + 0x100, 2)), (&b"r"[..], &b"ld"[..]));
    assert_eq!(guest.done(guest.recv_call(fd, 1, DONTWAIT)), Err(Errno::Again));
    assert_eq!(guest.recv(fd, 0, 0), b"");
}

#[test]
fn the_receive_window_moves_in_quarters() {
    let mut guest = Guest::with(Limits { recv_window: 100, ..Limits::default() });
    let (fd, sock) = guest.connection();
    guest.data(sock, &[1; 100]);
    guest.recv(fd, 24, 0);
    assert_eq!(guest.net(), []);
    guest.recv(fd, 1, 0);
    assert_eq!(guest.net(), [Egress::Window { sock, limit: 125 }]);
    // As on Linux, SHUT_RD ends waiting, not reading: what comes is there to be read, and unread it holds the peer up.
    guest.ok(Call::SockShutdown { fd, how: 1 });
    guest.data(sock, &[1; 25]);
    assert_eq!(guest.net(), []);
    assert_eq!(guest.recv(fd, 100, 0).len(), 100);
    assert_eq!(guest.net(), [Egress::Window { sock, limit: 225 }]);
    assert_eq!(guest.recv(fd, 100, 0).len(), 0);
}

#[test]
fn waitall_gathers_even_more_than_the_window() {
    let mut guest = Guest::with(Limits { recv_window: 4, ..Limits::default() });
    let (fd, sock) = guest.connection();
    let call = guest.recv_call(fd, 10, WAITALL);
    guest.waits(call);
    for (n, piece) in (1..).zip([b"abcd", b"efgh"]) {
        guest.data(sock, piece);
        guest.resumed();
        guest.waits(call);
        assert_eq!(guest.net(), [Egress::Window { sock, limit: 4 + 4 * n }]);
    }
    guest.data(sock, b"ijkl");
    guest.resumed();
    assert_eq!(guest.ok(call), 10);
    assert_eq!(guest.bytes(BUF, 10), b"abcdefghij");
    // The end of the stream ends it early.
    guest.waits(call);
    guest.deliver(Ingress::Fin { sock });
    guest.resumed();
    assert_eq!(guest.ok(call), 2);
    assert_eq!(guest.bytes(BUF, 2), b"kl");
}

#[test]
fn a_blocking_send_waits_for_credit() {
    let mut guest = Guest::new();
    let (fd, sock) = guest.connection();
    let bytes: Vec<u8> = (0..2500_u32).map(|n| n as u8).collect();
    let call = guest.send_call(fd, &bytes, 0);
    guest.waits(call);
    assert_eq!(guest.net(), [Egress::Send { sock, offset: 0, bytes: bytes[..1000].to_vec() }]);
    // Resumed for nothing: nothing is sent twice.
    guest.waits(call);
    assert_eq!(guest.net(), []);
    guest.deliver(Ingress::Acked { sock, offset: 600 });
    guest.resumed();
    guest.waits(call);
    guest.deliver(Ingress::Acked { sock, offset: 600 });
    guest.sleeps();
    guest.deliver(Ingress::Acked { sock, offset: 1600 });
    guest.resumed();
    assert_eq!(guest.ok(call), 2500);
    // Fetched together, the two parts are one piece.
    assert_eq!(guest.net(), [Egress::Send { sock, offset: 1000, bytes: bytes[1000..].to_vec() }]);
}

#[test]
fn a_send_that_must_not_wait_takes_what_fits() {
    let mut guest = Guest::new();
    let (fd, sock) = guest.connection();
    guest.fd_flags(fd, 4);
    assert_eq!(guest.write(fd, &[1; 1500]), 1000);
    let call = guest.send_call(fd, &[1; 10], 0);
    assert_eq!(guest.done(call), Err(Errno::Again));
    guest.deliver(Ingress::Acked { sock, offset: 4 });
    assert_eq!(guest.ok(call), 4);
    let offsets: Vec<_> = guest.net();
    assert!(matches!(&offsets[..], [Egress::Send { offset: 0, bytes, .. }] if bytes.len() == 1004));
}

#[test]
fn each_direction_ends_on_its_own() {
    let mut guest = Guest::new();
    let (fd, sock) = guest.connection();
    guest.data(sock, b"last words");
    guest.deliver(Ingress::Fin { sock });
    assert_eq!(guest.recv(fd, 100, 0), b"last words");
    assert_eq!(guest.recv(fd, 100, 0), b"");
    assert_eq!(guest.write(fd, b"answer"), 6);
    guest.ok(Call::BsdShutdown { fd, how: 2 });
    guest.ok(Call::BsdShutdown { fd, how: 2 });
    let call = guest.send_call(fd, b"x", 0);
    assert_eq!(guest.done(call), Err(Errno::Pipe));
    guest.ok(Call::BsdClose { fd });
    let sent = Egress::Send { sock, offset: 0, bytes: b"answer".to_vec() };
    assert_eq!(guest.net(), [sent, Egress::Fin { sock, offset: 6 }, Egress::Closed { sock }]);
    assert_eq!(guest.done(Call::BsdClose { fd }), Err(Errno::BadF));
}

#[test]
fn closing_with_unread_bytes_aborts() {
    let mut guest = Guest::new();
    let (fd, sock) = guest.connection();
    guest.data(sock, b"unread");
    guest.ok(Call::FdClose { fd });
    assert_eq!(guest.net(), [Egress::Abort { sock }]);
    // Later events for it are for nobody.
    guest.data(sock, b"more");
    guest.deliver(Ingress::Reset { sock });
    assert_eq!(guest.net(), []);
}

#[test]
fn after_a_reset_come_the_bytes_then_the_error_then_the_end() {
    let mut guest = Guest::new();
    let (fd, sock) = guest.connection();
    guest.data(sock, b"before");
    guest.deliver(Ingress::Reset { sock });
    guest.data(sock, b"after");
    assert_eq!(guest.recv(fd, 100, 0), b"before");
    assert_eq!(guest.done(guest.recv_call(fd, 100, 0)), Err(Errno::ConnReset));
    assert_eq!(guest.recv(fd, 100, 0), b"");
    let call = guest.send_call(fd, b"x", 0);
    assert_eq!(guest.done(call), Err(Errno::Pipe));
    assert_eq!(guest.done(Call::SockShutdown { fd, how: 2 }), Err(Errno::NotConn));
    guest.ok(Call::FdClose { fd });
    assert_eq!(guest.net(), [Egress::Closed { sock }]);
}

#[test]
fn a_reset_in_the_middle_of_a_send_answers_the_part_that_went_out() {
    let mut guest = Guest::new();
    let (fd, sock) = guest.connection();
    let call = guest.send_call(fd, &[1; 1500], 0);
    guest.waits(call);
    guest.deliver(Ingress::Reset { sock });
    guest.resumed();
    assert_eq!(guest.ok(call), 1000);
    assert_eq!(guest.done(call), Err(Errno::ConnReset));
    assert_eq!(guest.done(call), Err(Errno::Pipe));
}

#[test]
fn a_connection_reset_in_the_queue_is_accepted_and_then_fails() {
    let mut guest = Guest::new();
    let (fd, listener) = guest.listen(80, 5);
    let sock = guest.incoming(listener);
    guest.deliver(Ingress::Reset { sock });
    let conn = guest.accept(fd);
    assert_eq!(guest.done(guest.recv_call(conn, 1, 0)), Err(Errno::ConnReset));
}

#[test]
fn a_blocking_connect_waits_for_its_answer() {
    let mut guest = Guest::new();
    let fd = guest.socket();
    guest.addr([10, 77, 0, 9], 6379);
    let call = Call::BsdConnect { fd, addr: ADDR, addr_len: 16 };
    guest.waits(call);
    let said = guest.net();
    let [Egress::Connect { pid: Pid(1), sock, flow_port: 32_768, to }] = said[..] else { panic!("{said:?}") };
    assert_eq!(to, HostAddr::V4([10, 77, 0, 9], 6379));
    guest.waits(call);
    assert_eq!(guest.net(), [], "asked once");
    guest.deliver(Ingress::Connected { sock, send_window: SEND_WINDOW });
    guest.resumed();
    assert_eq!(guest.ok(call), 0);
    assert_eq!(guest.done(call), Err(Errno::IsConn));
    guest.ok(Call::BsdGetsockname { fd, addr: ADDR, addr_len: ADDR_LEN });
    assert_eq!(guest.addr_found(), ([10, 77, 0, 1], 32_768));
}

#[test]
fn refusals_are_told_by_their_reason() {
    for (why, errno) in [
        (Refused::NoListener, Errno::ConnRefused),
        (Refused::Backlog, Errno::ConnRefused),
        (Refused::Unreachable, Errno::NetUnreach),
        (Refused::TableFull, Errno::NoBufs),
    ] {
        let mut guest = Guest::new();
        let fd = guest.socket();
        guest.addr([127, 0, 0, 1], 1);
        let call = Call::BsdConnect { fd, addr: ADDR, addr_len: 16 };
        guest.waits(call);
        let said = guest.net();
        let [Egress::Connect { sock, .. }] = said[..] else { panic!("{said:?}") };
        guest.deliver(Ingress::ConnectFailed { sock, why });
        guest.resumed();
        assert_eq!(guest.done(call), Err(errno));
        // It can be tried again; the port that it had not chosen itself is another.
        guest.waits(call);
        assert!(matches!(guest.net()[..], [Egress::Connect { flow_port: 32_769, .. }]));
    }
}

#[test]
fn after_a_failed_connect_a_socket_is_as_before() {
    let mut guest = Guest::new();
    let (bound, free) = (guest.socket(), guest.socket());
    guest.addr([127, 0, 0, 1], 70);
    guest.ok(Call::BsdBind { fd: bound, addr: ADDR, addr_len: 16 });
    for (fd, outcome) in [(bound, Err(Errno::Inval)), (free, Ok(0))] {
        guest.addr([127, 0, 0, 1], 80);
        let call = Call::BsdConnect { fd, addr: ADDR, addr_len: 16 };
        guest.waits(call);
        let said = guest.net();
        let [Egress::Connect { sock, .. }] = said[..] else { panic!("{said:?}") };
        guest.deliver(Ingress::Reset { sock });
        guest.resumed();
        assert_eq!(guest.done(call), Err(Errno::ConnRefused));
        // A port that the program chose stays chosen.
        guest.addr([127, 0, 0, 1], 90);
        assert_eq!(guest.done(Call::BsdBind { fd, addr: ADDR, addr_len: 16 }), outcome);
    }
    guest.ok(Call::BsdGetsockname { fd: bound, addr: ADDR, addr_len: ADDR_LEN });
    assert_eq!(guest.addr_found(), ([127, 0, 0, 1], 70));
}

#[test]
fn a_connect_that_must_not_wait_is_asked_about_later() {
    let mut guest = Guest::new();
    let fd = guest.socket();
    guest.fd_flags(fd, 4);
    guest.addr([0; 4], 80);
    let call = Call::BsdConnect { fd, addr: ADDR, addr_len: 16 };
    assert_eq!(guest.done(call), Err(Errno::InProgress));
    assert_eq!(guest.done(call), Err(Errno::Already));
    let said = guest.net();
    let [Egress::Connect { sock, to: HostAddr::V4([127, 0, 0, 1], 80), .. }] = said[..] else { panic!("{said:?}") };
    let send = guest.send_call(fd, b"x", 0);
    assert_eq!(guest.done(send), Err(Errno::Again));
    guest.deliver(Ingress::ConnectFailed { sock, why: Refused::NoListener });
    guest.put(ADDR_LEN, &4_u32.to_le_bytes());
    let so_error = Call::BsdGetsockopt { fd, level: 0x7fff_ffff, option: 4, value: OUT, value_len: ADDR_LEN };
    guest.ok(so_error);
    assert_eq!(guest.u32(OUT), Errno::ConnRefused as u32);
    guest.ok(so_error);
    assert_eq!(guest.u32(OUT), 0, "told once");
    // As Linux has it: the next attempt is told that this one came to nothing, then one can begin anew.
    assert_eq!(guest.done(call), Err(Errno::ConnAborted));
    assert_eq!(guest.done(call), Err(Errno::InProgress));
    guest.deliver(Ingress::Connected { sock, send_window: SEND_WINDOW });
    assert_eq!(guest.ok(send), 1);
    assert_eq!(guest.ok(call), 0, "the good news, once");
    assert_eq!(guest.done(call), Err(Errno::IsConn));
}

#[test]
fn ports_are_the_process_s_own() {
    let mut guest = Guest::new();
    let (a, _) = guest.listen(80, 1);
    let b = guest.socket();
    guest.addr([127, 0, 0, 1], 80);
    let bind = Call::BsdBind { fd: b, addr: ADDR, addr_len: 16 };
    assert_eq!(guest.done(bind), Err(Errno::AddrInUse));
    guest.ok(Call::FdClose { fd: a });
    guest.ok(bind);
    assert_eq!(guest.done(bind), Err(Errno::Inval), "bound already");
    guest.addr([192, 0, 2, 1], 80);
    let c = guest.socket();
    assert_eq!(guest.done(Call::BsdBind { fd: c, addr: ADDR, addr_len: 16 }), Err(Errno::AddrNotAvail));
    guest.addr([0; 4], 0);
    guest.ok(Call::BsdBind { fd: c, addr: ADDR, addr_len: 16 });
    guest.ok(Call::BsdGetsockname { fd: c, addr: ADDR, addr_len: ADDR_LEN });
    assert_eq!(guest.addr_found(), ([0; 4], 32_768));
}

#[test]
fn time_outs_end_waits() {
    let mut guest = Guest::new();
    let (fd, sock) = guest.connection();
    guest.put(BUF, &[0; 16]);
    guest.put(BUF + 8, &5_u64.to_le_bytes());
    for option in [66, 67] {
        guest.ok(Call::BsdSetsockopt { fd, level: 0x7fff_ffff, option, value: BUF, value_len: 16 });
    }
    guest.put(ADDR_LEN, &16_u32.to_le_bytes());
    guest.ok(Call::BsdGetsockopt { fd, level: 0x7fff_ffff, option: 66, value: OUT, value_len: ADDR_LEN });
    assert_eq!((guest.u64(OUT), guest.u64(OUT + 8)), (0, 5));
    let recv = guest.recv_call(fd, 4, 0);
    guest.waits(recv);
    assert_eq!(guest.kernel.next_deadline().map(|it| it.nanos()), Some(6_000));
    guest.at(5_999);
    guest.sleeps();
    guest.at(6_000);
    guest.resumed();
    assert_eq!(guest.done(recv), Err(Errno::Again));
    let send = guest.send_call(fd, &[0; 1500], 0);
    guest.waits(send);
    guest.at(11_000);
    guest.resumed();
    assert_eq!(guest.ok(send), 1000);
    // An event in time leaves no timer behind.
    guest.waits(recv);
    guest.data(sock, b"x");
    guest.resumed();
    assert_eq!(guest.ok(recv), 1);
    assert_eq!(guest.kernel.next_deadline(), None);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let mut guest = Guest::new();
    let open = |domain, kind, protocol| Call::BsdOpen { domain, kind, protocol };
    assert_eq!(guest.done(open(3, 6, 0)), Err(Errno::AfNoSupport));
    assert_eq!(guest.done(open(1, 5, 0)), Err(Errno::ProtoNoSupport));
    assert_eq!(guest.done(open(1, 6, 17)), Err(Errno::ProtoNoSupport));
    assert_eq!(guest.done(open(1, 7, 0)), Err(Errno::Inval));
    let fd = guest.socket();
    assert_eq!(guest.done(guest.recv_call(fd, 1, 0)), Err(Errno::NotConn));
    let send = guest.send_call(fd, b"x", 0);
    assert_eq!(guest.done(send), Err(Errno::NotConn));
    assert_eq!(guest.done(Call::SockShutdown { fd, how: 1 }), Err(Errno::NotConn));
    assert_eq!(guest.done(Call::SockAccept { fd, flags: 0, accepted: OUT }), Err(Errno::Inval));
    assert_eq!(guest.done(Call::SockAccept { fd, flags: 1, accepted: OUT }), Err(Errno::Inval));
    assert_eq!(guest.done(Call::SockShutdown { fd: 1, how: 1 }), Err(Errno::NotSock));
    assert_eq!(guest.done(Call::BsdListen { fd: 1, backlog: 1 }), Err(Errno::NotSock));
    // Nobody has opened it: to a program, it is not there.
    assert_eq!(guest.done(Call::BsdListen { fd: 3, backlog: 1 }), Err(Errno::BadF));
    assert_eq!(guest.done(Call::FdSeek { fd, offset: 0, whence: 0, position: OUT }), Err(Errno::SPipe));
    guest.addr([127, 0, 0, 1], 80);
    guest.put(ADDR, &[3]);
    assert_eq!(guest.done(Call::BsdConnect { fd, addr: ADDR, addr_len: 16 }), Err(Errno::AfNoSupport));
    assert_eq!(guest.done(Call::BsdConnect { fd, addr: ADDR, addr_len: 1 }), Err(Errno::Inval));
    guest.put(ADDR_LEN, &4_u32.to_le_bytes());
    let unknown = Call::BsdGetsockopt { fd, level: 0x7fff_ffff, option: 99, value: OUT, value_len: ADDR_LEN };
    assert_eq!(guest.done(unknown), Err(Errno::NoProtoOpt));
    let (conn, _) = guest.connection();
    assert_eq!(guest.done(guest.recv_call(conn, 1, 0x100)), Err(Errno::NotSup));
    let send = guest.send_call(conn, b"x", 1);
    assert_eq!(guest.done(send), Err(Errno::NotSup));
}

#[test]
fn options_can_be_read_back() {
    let mut guest = Guest::new();
    let fd = guest.socket();
    guest.put(ADDR_LEN, &4_u32.to_le_bytes());
    let sol = 0x7fff_ffff;
    let get = |guest: &mut Guest, level, option| {
        guest.ok(Call::BsdGetsockopt { fd, level, option, value: OUT, value_len: ADDR_LEN });
        guest.u32(OUT)
    };
    let defaults = Limits::default();
    for (option, want) in [(3, 6), (7, defaults.send_window), (8, defaults.recv_window), (30, 0), (38, 6), (39, 1)] {
        assert_eq!(get(&mut guest, sol, option), want, "option {option}");
    }
    for (level, option, default) in [(sol, 2, 0), (sol, 9, 0), (6, 1, 0), (6, 4, 7200), (6, 5, 75), (6, 6, 9)] {
        assert_eq!(get(&mut guest, level, option), default);
        guest.put(BUF, &1_u32.to_le_bytes());
        guest.ok(Call::BsdSetsockopt { fd, level, option, value: BUF, value_len: 4 });
        assert_eq!(get(&mut guest, level, option), 1, "option {option}");
    }
    assert_eq!(
        guest.done(Call::BsdSetsockopt { fd, level: sol, option: 2, value: BUF, value_len: 3 }),
        Err(Errno::Inval)
    );
}

#[test]
fn an_end_closes_everything_in_order() {
    let mut guest = Guest::new();
    let (listener, sock) = guest.listen(80, 5);
    let first = guest.incoming(sock);
    let waiting = guest.incoming(sock);
    let conn = guest.accept(listener);
    guest.net();
    guest.write(conn, b"bye");
    guest.kernel.exit(guest.pid, ExitStatus::Killed);
    let sent = Egress::Send { sock: first, offset: 0, bytes: b"bye".to_vec() };
    assert_eq!(
        guest.net(),
        [
            sent,
            Egress::Unlisten { sock },
            Egress::Abort { sock: waiting },
            Egress::Fin { sock: first, offset: 3 },
            Egress::Closed { sock: first }
        ]
    );
}

/// As tcp(7) of Linux 6.1 and the transcript of a program there: counted, thrown away, and no byte written.
#[test]
fn bytes_can_be_thrown_away_unseen() {
    const TRUNC: u32 = 0x20;
    let mut guest = Guest::new();
    let (fd, sock) = guest.connection();
    guest.data(sock, b"hello ");
    guest.data(sock, b"world");
    guest.put(BUF, b"xxx");
    let recv = |len, flags| Call::BsdRecv { fd, data: BUF, len, flags };
    assert_eq!(guest.ok(recv(7, TRUNC)), 7);
    assert_eq!(guest.ok(recv(30, TRUNC | 1)), 4, "with MSG_PEEK they stay");
    assert_eq!(guest.bytes(BUF, 3), b"xxx");
    assert_eq!(guest.ok(recv(30, 0)), 4);
    assert_eq!(guest.bytes(BUF, 4), b"orld");
    guest.waits(recv(2, TRUNC));
}
