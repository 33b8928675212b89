//! Many connections, and what every bound of accept looks like: `poll` and `accept` say the same, and what was taken in
//! advance is given back. Keepalive and the end of both directions as the network is told of them.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;
use common::{ADDR, BUF, EVENTS, Guest, OUT, SUBS, client};
use replicode_log::{Egress, Ingress, KeepAlive, Limits, Refused, SockId};
use replicode_syscalls::{Call, Errno};

const SOL_SOCKET: u32 = 0x7fff_ffff;
const KEEPALIVE: u32 = 9;
const KEEPIDLE: u32 = 4;

/// Whether `poll` without waiting says that `fd` can be read.
fn readable(guest: &mut Guest, fd: u32) -> bool {
    guest.put(SUBS, &[0; 96]);
    guest.put(SUBS + 8, &[1]);
    guest.put(SUBS + 16, &fd.to_le_bytes());
    // A clock that is due at once, so that the call does not wait.
    guest.put(SUBS + 48, &[1]);
    guest.put(SUBS + 48 + 8, &[0]);
    guest.put(SUBS + 48 + 16, &1_u32.to_le_bytes());
    guest.ok(Call::PollOneoff { subscriptions: SUBS, events: EVENTS, count: 2, ready: OUT });
    guest.u32(OUT) == 2
}

fn comes(guest: &mut Guest, listener: SockId, port: u16) -> Result<SockId, Refused> {
    let event = Ingress::Incoming { listener, peer: client(port), send_window: 1 };
    guest.kernel.deliver(event).map(Option::unwrap)
}

#[test]
fn sixty_thousand_connections_share_one_port() {
    const N: usize = 60_000;
    let limits = Limits { descriptors: 65_536, connections: 60_000, turn_calls: 1 << 30, ..Limits::default() };
    let mut guest = Guest::with(limits);
    let (fd, listener) = guest.listen(80, 4096);
    let mut conns = Vec::with_capacity(N);
    for port in 0..N {
        let sock = comes(&mut guest, listener, port as u16).unwrap();
        conns.push((guest.accept(fd), sock));
        assert_eq!(guest.kernel.poll_net(), Some(Egress::Accepted { sock, flow_port: 80 }));
    }
    // Its own ports are all free still: for those who listen, and for those who connect.
    for port in [32_768, 45_000, 60_999] {
        let (fd, _) = guest.listen(port, 1);
        guest.ok(Call::FdClose { fd });
        guest.net();
    }
    for (fd, sock) in conns.drain(..) {
        guest.ok(Call::FdClose { fd });
        assert_eq!(guest.net(), [Egress::Fin { sock, offset: 0 }, Egress::Closed { sock }]);
    }
    // And once more: everything was given back.
    for port in 0..1000 {
        comes(&mut guest, listener, port).unwrap();
        guest.accept(fd);
    }
}

#[test]
fn poll_and_accept_agree_at_every_bound() {
    // Descriptors: 0 to 3, the listener, and two more. A backlog of three.
    let mut guest = Guest::with(Limits { descriptors: 7, backlog: 3, ..Limits::default() });
    let (fd, listener) = guest.listen(80, 1);
    guest.fd_flags(fd, 4);
    let accept = Call::BsdAccept { fd, flags: 0, addr: 0, addr_len: 0 };
    assert!(!readable(&mut guest, fd));
    assert_eq!(guest.done(accept), Err(Errno::Again));
    for port in 1..=3 {
        comes(&mut guest, listener, port).unwrap();
        assert!(readable(&mut guest, fd));
    }
    assert_eq!(comes(&mut guest, listener, 4), Err(Refused::Backlog));
    assert_eq!((guest.ok(accept), guest.ok(accept)), (5, 6));
    // As on Linux: the connection is there, the descriptor is not, and nothing is lost by asking.
    for _ in 0..3 {
        assert!(readable(&mut guest, fd));
        assert_eq!(guest.done(accept), Err(Errno::MFile));
    }
    guest.ok(Call::FdClose { fd: 5 });
    assert!(readable(&mut guest, fd));
    assert_eq!(guest.ok(accept), 5);
    assert!(!readable(&mut guest, fd));
    guest.ok(Call::FdClose { fd: 5 });
    assert_eq!(guest.done(accept), Err(Errno::Again));
}

#[test]
fn a_program_that_has_no_descriptor_for_a_connection_gives_up_its_turn() {
    let mut guest = Guest::with(Limits { descriptors: 5, ..Limits::default() });
    let (fd, listener) = guest.listen(80, 1);
    comes(&mut guest, listener, 1).unwrap();
    let accept = Call::BsdAccept { fd, flags: 0, addr: 0, addr_len: 0 };
    for _ in 0..Limits::default().fruitless_calls {
        assert_eq!(guest.done(accept), Err(Errno::MFile));
    }
    guest.waits(accept);
    assert!(guest.kernel.next_deadline().is_some(), "it goes on with the next batch");
}

#[test]
fn ports_that_are_all_taken_are_told_at_once_and_come_back() {
    let limits = Limits { descriptors: 65_536, turn_calls: 1 << 30, ..Limits::default() };
    let mut guest = Guest::with(limits);
    guest.addr([127, 0, 0, 1], 80);
    let mut last = 0;
    let refused = loop {
        let fd = guest.socket();
        guest.fd_flags(fd, 4);
        match guest.done(Call::BsdConnect { fd, addr: ADDR, addr_len: 16 }) {
            Err(Errno::InProgress) => last = fd,
            Err(errno) => break (fd, errno),
            Ok(_) => panic!("nobody answers"),
        }
    };
    assert_eq!(refused.1, Errno::AddrNotAvail);
    // A search from port to port would take minutes.
    for _ in 0..100_000 {
        let again = Call::BsdConnect { fd: refused.0, addr: ADDR, addr_len: 16 };
        assert_eq!(guest.done(again), Err(Errno::AddrNotAvail));
    }
    guest.ok(Call::FdClose { fd: last });
    let again = Call::BsdConnect { fd: refused.0, addr: ADDR, addr_len: 16 };
    assert_eq!(guest.done(again), Err(Errno::InProgress));
}

#[test]
fn a_short_backlog_holds_as_many_as_come_together() {
    for (asked, held) in [(0, 128), (5, 128), (200, 200), (u32::MAX, 300)] {
        let mut guest = Guest::with(Limits { backlog: 300, ..Limits::default() });
        let (_, listener) = guest.listen(80, asked);
        let taken = (0..400).take_while(|port| comes(&mut guest, listener, *port).is_ok()).count();
        assert_eq!(taken, held, "listen(fd, {asked})");
    }
    // The cell's limit is the limit.
    let mut guest = Guest::with(Limits { backlog: 2, ..Limits::default() });
    let (_, listener) = guest.listen(80, 5);
    assert_eq!((0..9).take_while(|port| comes(&mut guest, listener, *port).is_ok()).count(), 2);
}

#[test]
fn the_end_of_both_directions_is_told_once() {
    let both = |order: &[u32]| {
        let mut guest = Guest::new();
        let (fd, sock) = guest.connection();
        guest.data(sock, b"before");
        for how in order {
            guest.ok(Call::SockShutdown { fd, how: *how });
        }
        assert_eq!(guest.net(), [Egress::Fin { sock, offset: 0 }, Egress::Deaf { sock }], "{order:?}");
        assert_eq!(guest.recv(fd, 10, 0), b"before");
        assert_eq!(guest.recv(fd, 10, 0), b"");
        guest.deliver(Ingress::Reset { sock });
        assert_eq!(guest.done(guest.recv_call(fd, 1, 0)), Err(Errno::ConnReset));
    };
    both(&[3]);
    both(&[3, 3, 1, 2]);
    both(&[1, 2]);
    both(&[2, 1, 1]);
    let mut guest = Guest::new();
    let (fd, _) = guest.connection();
    guest.ok(Call::SockShutdown { fd, how: 1 });
    assert_eq!(guest.net(), [], "it may still send, and Linux still receives");
}

#[track_caller]
fn set(guest: &mut Guest, fd: u32, level: u32, option: u32, value: u32) -> Result<i32, Errno> {
    guest.put(BUF, &value.to_le_bytes());
    guest.done(Call::BsdSetsockopt { fd, level, option, value: BUF, value_len: 4 })
}

#[test]
fn keepalive_is_told_to_whoever_holds_the_connection() {
    let mut guest = Guest::new();
    let (fd, sock) = guest.connection();
    let told = |idle, interval, count| {
        [Egress::KeepAlive { sock, wanted: Some(KeepAlive { idle, interval, count }) }].to_vec()
    };
    // Chosen but not switched on: nobody need know.
    assert_eq!(set(&mut guest, fd, 6, KEEPIDLE, 60), Ok(0));
    assert_eq!(guest.net(), []);
    assert_eq!(set(&mut guest, fd, SOL_SOCKET, KEEPALIVE, 1), Ok(0));
    assert_eq!(guest.net(), told(60, 75, 9));
    assert_eq!(set(&mut guest, fd, 6, KEEPIDLE + 1, 5), Ok(0));
    assert_eq!(guest.net(), told(60, 5, 9));
    assert_eq!(set(&mut guest, fd, 6, KEEPIDLE + 2, 3), Ok(0));
    assert_eq!(guest.net(), told(60, 5, 3));
    assert_eq!(set(&mut guest, fd, 6, KEEPIDLE + 2, 3), Ok(0));
    assert_eq!(guest.net(), [], "no news");
    for (option, value) in [(4, 0), (4, 32_768), (5, 0), (5, u32::MAX), (6, 0), (6, 128)] {
        assert_eq!(set(&mut guest, fd, 6, option, value), Err(Errno::Inval), "option {option}, {value}");
    }
    assert_eq!(set(&mut guest, fd, SOL_SOCKET, KEEPALIVE, 0), Ok(0));
    assert_eq!(guest.net(), [Egress::KeepAlive { sock, wanted: None }]);
}

#[test]
fn an_accepted_socket_begins_with_its_listeners_keepalive() {
    let mut guest = Guest::new();
    let (listener, sock) = guest.listen(80, 1);
    assert_eq!(set(&mut guest, listener, SOL_SOCKET, KEEPALIVE, 1), Ok(0));
    assert_eq!(set(&mut guest, listener, 6, KEEPIDLE, 10), Ok(0));
    assert_eq!(guest.net(), [], "a listener has no peer");
    let conn = guest.incoming(sock);
    guest.accept(listener);
    let wanted = Some(KeepAlive { idle: 10, interval: 75, count: 9 });
    assert_eq!(guest.net(), [Egress::Accepted { sock: conn, flow_port: 80 }, Egress::KeepAlive { sock: conn, wanted }]);
}
