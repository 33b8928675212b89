//! `poll_oneoff`: readiness of each kind of descriptor, clocks, order, waits.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;
use common::{BUF, EPOCH, EVENTS, Guest, OUT, SUBS};
use replicode_log::{Ingress, Limits};
use replicode_syscalls::{Call, Errno};

#[derive(Clone, Copy)]
enum Sub {
    Read(u32),
    Write(u32),
    /// Clock, time-out, absolute.
    Clock(u32, u64, bool),
}

/// An event: index of its subscription, errno, type, bytes, hang-up.
type Event = (u64, u16, u8, u64, bool);

fn poll(guest: &mut Guest, subs: &[Sub]) -> Call {
    for (n, sub) in (0..).zip(subs) {
        let mut bytes = [0; 48];
        bytes[0] = n as u8;
        match *sub {
            Sub::Read(fd) => {
                bytes[8] = 1;
                bytes[16..20].copy_from_slice(&fd.to_le_bytes());
            }
            Sub::Write(fd) => {
                bytes[8] = 2;
                bytes[16..20].copy_from_slice(&fd.to_le_bytes());
            }
            Sub::Clock(id, timeout, absolute) => {
                bytes[16..20].copy_from_slice(&id.to_le_bytes());
                bytes[24..32].copy_from_slice(&timeout.to_le_bytes());
                bytes[40] = absolute.into();
            }
        }
        guest.put(SUBS + n * 48, &bytes);
    }
    Call::PollOneoff { subscriptions: SUBS, events: EVENTS, count: subs.len() as u32, ready: OUT }
}

fn events(guest: &Guest) -> Vec<Event> {
    let event = |n| {
        let at = EVENTS + n * 32;
        assert_eq!((guest.bytes(at + 11, 5), guest.bytes(at + 26, 6)), (&[0; 5][..], &[0; 6][..]), "padding");
        (guest.u64(at), guest.u16(at + 8), guest.bytes(at + 10, 1)[0], guest.u64(at + 16), guest.u16(at + 24) & 1 == 1)
    };
    (0..guest.u32(OUT)).map(event).collect()
}

#[track_caller]
fn finds(guest: &mut Guest, subs: &[Sub], want: &[Event]) {
    // A time-out of 0 keeps the call from waiting; its own event is not of interest.
    let mut subs = subs.to_vec();
    subs.push(Sub::Clock(1, 0, false));
    let call = poll(guest, &subs);
    guest.ok(call);
    let mut found = events(guest);
    assert_eq!(found.pop().map(|event| event.2), Some(0));
    assert_eq!(found, want);
}

#[test]
fn files_and_consoles_are_ready() {
    let mut guest = Guest::new();
    let fd = guest.open("f", 1, u64::MAX, 0).unwrap();
    guest.write(fd, b"12345");
    guest.ok(Call::FdSeek { fd, offset: 2, whence: 0, position: OUT });
    let size = u64::from(Limits::default().call_bytes);
    finds(
        &mut guest,
        &[Sub::Read(fd), Sub::Write(fd), Sub::Write(1), Sub::Read(3), Sub::Read(1), Sub::Write(0), Sub::Read(9)],
        &[
            (0, 0, 1, 3, false),
            (1, 0, 2, size, false),
            (2, 0, 2, size, false),
            (3, 0, 1, 0, false),
            (4, 8, 1, 0, false),
            (5, 8, 2, 0, false),
            (6, 8, 1, 0, false),
        ],
    );
}

#[test]
fn sockets_are_ready_when_a_call_would_not_wait() {
    let mut guest = Guest::new();
    let (fd, sock) = guest.connection();
    let both = [Sub::Read(fd), Sub::Write(fd)];
    finds(&mut guest, &both, &[(1, 0, 2, 1000, false)]);
    guest.data(sock, b"abc");
    finds(&mut guest, &both, &[(0, 0, 1, 3, false), (1, 0, 2, 1000, false)]);
    guest.write(fd, &[0; 1000]);
    finds(&mut guest, &both, &[(0, 0, 1, 3, false)]);
    guest.recv(fd, 3, 0);
    finds(&mut guest, &both, &[]);
    guest.deliver(Ingress::Acked { sock, offset: 10 });
    finds(&mut guest, &both, &[(1, 0, 2, 10, false)]);
    // The peer sends no more: readable, but not hung up while the program can still answer.
    guest.deliver(Ingress::Fin { sock });
    finds(&mut guest, &both, &[(0, 0, 1, 0, false), (1, 0, 2, 10, false)]);
    guest.ok(Call::SockShutdown { fd, how: 2 });
    finds(&mut guest, &both, &[(0, 0, 1, 0, true), (1, 0, 2, 10, true)]);
}

/// What a reactor wants that subscribes to everything at once: news of room, which is there nearly always.
#[test]
fn room_is_told_of_once_where_that_was_asked_for() {
    let mut guest = Guest::new();
    let (listener, of) = guest.listen(80, 5);
    let option = |guest: &mut Guest, fd, on: u8| {
        guest.put(BUF, &[on, 0, 0, 0]);
        guest.ok(Call::BsdSetsockopt { fd, level: 0x6c70_6572, option: 1, value: BUF, value_len: 4 });
    };
    option(&mut guest, listener, 1);
    // Accepted sockets are like their listener in that, too.
    let sock = guest.incoming(of);
    let fd = guest.accept(listener);
    let both = [Sub::Read(fd), Sub::Write(fd)];
    let room = |n| (1, 0, 2, n, false);
    finds(&mut guest, &both, &[room(1000)]);
    finds(&mut guest, &both, &[]);
    guest.data(sock, b"abc");
    finds(&mut guest, &both, &[(0, 0, 1, 3, false)]);
    guest.recv(fd, 3, 0);
    guest.write(fd, &[0; 400]);
    guest.deliver(Ingress::Acked { sock, offset: 400 });
    finds(&mut guest, &both, &[]);
    // Who has met the end of it waits for more, and a wait ends with it.
    guest.fd_flags(fd, 4);
    let send = guest.send_call(fd, &[0; 1001], 0);
    assert_eq!(guest.ok(send), 1000);
    let call = poll(&mut guest, &both);
    guest.waits(call);
    guest.sleeps();
    guest.deliver(Ingress::Acked { sock, offset: 410 });
    guest.resumed();
    guest.ok(call);
    assert_eq!(events(&guest), [room(10)]);
    guest.waits(call);
    guest.sleeps();
    option(&mut guest, fd, 1);
    finds(&mut guest, &both, &[room(10)]);
    option(&mut guest, fd, 0);
    for _ in 0..2 {
        finds(&mut guest, &both, &[room(10)]);
    }
    // An end is told of for as long as it lasts.
    option(&mut guest, fd, 1);
    finds(&mut guest, &both, &[room(10)]);
    guest.deliver(Ingress::Reset { sock });
    for _ in 0..2 {
        finds(&mut guest, &both, &[(0, 0, 1, 0, true), (1, 0, 2, 10, true)]);
    }
}

#[test]
fn a_reset_is_ready_and_hung_up() {
    let mut guest = Guest::new();
    let (fd, sock) = guest.connection();
    guest.deliver(Ingress::Reset { sock });
    finds(&mut guest, &[Sub::Read(fd), Sub::Write(fd)], &[(0, 0, 1, 0, true), (1, 0, 2, 1000, true)]);
}

#[test]
fn a_listener_is_readable_when_a_connection_waits() {
    let mut guest = Guest::new();
    let (fd, listener) = guest.listen(80, 5);
    finds(&mut guest, &[Sub::Read(fd), Sub::Write(fd)], &[]);
    guest.incoming(listener);
    finds(&mut guest, &[Sub::Read(fd), Sub::Write(fd)], &[(0, 0, 1, 0, false)]);
}

#[test]
fn standard_input_is_readable_with_bytes_and_at_its_end() {
    let mut guest = Guest::new();
    finds(&mut guest, &[Sub::Read(0)], &[]);
    guest.kernel.deliver_stdin(guest.pid, b"ab".to_vec());
    finds(&mut guest, &[Sub::Read(0)], &[(0, 0, 1, 2, false)]);
    guest.kernel.end_stdin(guest.pid);
    finds(&mut guest, &[Sub::Read(0)], &[(0, 0, 1, 2, true)]);
}

#[test]
fn a_wait_ends_with_what_was_asked_for_only() {
    let mut guest = Guest::new();
    let (a, sock_a) = guest.connection();
    let (b, sock_b) = guest.connection();
    guest.write(a, &[0; 1000]);
    let call = poll(&mut guest, &[Sub::Write(a), Sub::Read(b), Sub::Read(0)]);
    guest.waits(call);
    guest.data(sock_a, b"not asked for");
    guest.deliver(Ingress::Acked { sock: sock_b, offset: 0 });
    guest.sleeps();
    guest.data(sock_b, b"x");
    guest.resumed();
    guest.deliver(Ingress::Acked { sock: sock_a, offset: 5 });
    guest.sleeps();
    guest.ok(call);
    assert_eq!(events(&guest), [(0, 0, 2, 5, false), (1, 0, 1, 1, false)]);
    // What an earlier wait was interested in wakes nobody later.
    guest.recv(b, 1, 0);
    let call = poll(&mut guest, &[Sub::Read(0)]);
    guest.waits(call);
    guest.data(sock_b, b"x");
    guest.sleeps();
    guest.kernel.deliver_stdin(guest.pid, b"x".to_vec());
    guest.resumed();
    guest.ok(call);
    assert_eq!(events(&guest), [(0, 0, 1, 1, false)]);
}

#[test]
fn clocks_fire_in_their_time() {
    let mut guest = Guest::new();
    let subs = [
        Sub::Clock(1, 5_000, false),
        Sub::Clock(1, 3_000, true),
        Sub::Clock(0, EPOCH + 4_000, true),
        Sub::Clock(1, u64::MAX, false),
    ];
    let call = poll(&mut guest, &subs);
    guest.waits(call);
    assert_eq!(guest.kernel.next_deadline().map(|it| it.nanos()), Some(3_000));
    guest.at(2_999);
    guest.sleeps();
    // Resumed for nothing, it still counts from when it was first made.
    guest.waits(call);
    guest.at(4_000);
    guest.resumed();
    guest.ok(call);
    assert_eq!(events(&guest).iter().map(|event| event.0).collect::<Vec<_>>(), [1, 2]);
    let call = poll(&mut guest, &subs[..1]);
    guest.waits(call);
    assert_eq!(guest.kernel.next_deadline().map(|it| it.nanos()), Some(9_000));
    guest.at(9_000);
    guest.resumed();
    guest.ok(call);
    // A time in the past, and one that the process itself has seen.
    guest.ok(Call::ClockTimeGet { id: 1, precision: 0, time: OUT });
    guest.ok(Call::ClockTimeGet { id: 1, precision: 0, time: OUT });
    let call = poll(&mut guest, &[Sub::Clock(1, 9_100, true), Sub::Clock(0, 0, true)]);
    guest.ok(call);
    assert_eq!(events(&guest).len(), 2);
}

#[test]
fn what_cannot_be_waited_for_is_refused_before_anything_is_written() {
    let mut guest = Guest::with(Limits { subscriptions: 3, ..Limits::default() });
    let cases = [
        (vec![Sub::Clock(2, 0, false)], Errno::NotSup),
        (vec![Sub::Clock(9, 0, false)], Errno::Inval),
        (vec![Sub::Write(1), Sub::Clock(9, 0, false)], Errno::Inval),
        (vec![], Errno::Inval),
        (vec![Sub::Write(1); 4], Errno::Inval),
    ];
    for (subs, errno) in cases {
        let call = poll(&mut guest, &subs);
        guest.put(EVENTS, &[0xaa; 64]);
        assert_eq!(guest.done(call), Err(errno));
        assert_eq!(guest.bytes(EVENTS, 64), [0xaa; 64]);
    }
}

/// Timers with equal deadlines fire in the order in which they were set.
#[test]
fn equal_deadlines_fire_in_order() {
    let mut guest = Guest::new();
    let other = guest.kernel.spawn(common::spec("other")).unwrap();
    assert_eq!(guest.kernel.next_ready(), Some(other));
    let call = poll(&mut guest, &[Sub::Clock(1, 5_000, true)]);
    let mut memory = guest.memory.clone();
    assert_eq!(guest.kernel.call(other, &mut memory, call), replicode_syscalls::Step::Wait);
    guest.waits(call);
    // Resuming the first one for nothing leaves it its place.
    assert_eq!(guest.kernel.call(other, &mut memory, call), replicode_syscalls::Step::Wait);
    guest.at(5_000);
    assert_eq!(guest.kernel.next_ready(), Some(other));
    assert_eq!(guest.kernel.next_ready(), Some(guest.pid));
    assert_eq!(guest.kernel.next_deadline(), None);
}
