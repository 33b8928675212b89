//! `poll`, epoll, eventfd and timerfd through the kernel's doors. What is expected is what Linux 6 answers to the same
//! calls.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;
use common::{ADDR, ADDR_LEN, BUF, EPOCH, EVENTS, Guest, IOV, OUT, SUBS};
use replicode_log::{Ingress, Limits, Refused};
use replicode_syscalls::{Call, Errno};

const IN: u32 = 1;
const OUT_: u32 = 4;
const ERR: u32 = 8;
const HUP: u32 = 0x10;
const RDHUP: u32 = 0x2000;
const ONESHOT: u32 = 1 << 30;
const EDGE: u32 = 1 << 31;
const FOR_EVER: u64 = u64::MAX;

/// `POLL*` as wasi-libc has them.
mod p {
    pub const IN: u16 = 1;
    pub const OUT: u16 = 2;
    pub const ERR: u16 = 0x1000;
    pub const HUP: u16 = 0x2000;
    pub const NVAL: u16 = 0x4000;
    pub const RDHUP: u16 = 8;
}

fn poll_call(guest: &mut Guest, fds: &[(i32, u16)], timeout: u64) -> Call {
    for (n, (fd, events)) in (0..).zip(fds) {
        guest.put(SUBS + n * 8, &fd.to_le_bytes());
        guest.put(SUBS + n * 8 + 4, &u32::from(*events).to_le_bytes());
    }
    Call::Poll { fds: SUBS, count: fds.len() as u32, timeout }
}

/// What each entry finds, without waiting.
#[track_caller]
fn poll(guest: &mut Guest, fds: &[(i32, u16)]) -> Vec<u16> {
    let call = poll_call(guest, fds, 0);
    let n = guest.ok(call);
    let found: Vec<u16> = (0..fds.len() as u32).map(|n| guest.u16(SUBS + n * 8 + 6)).collect();
    assert_eq!(found.iter().filter(|it| **it != 0).count(), n as usize);
    found
}

/// Everything that is so of a descriptor.
#[track_caller]
fn all(guest: &mut Guest, fd: u32) -> u16 {
    poll(guest, &[(fd.cast_signed(), 0xffff)])[0]
}

fn epoll(guest: &mut Guest) -> u32 {
    guest.ok(Call::EpollCreate { flags: 0 })
}

fn ctl(guest: &mut Guest, epoll: u32, op: u32, fd: u32, events: u32) -> Result<i32, Errno> {
    guest.put(BUF, &[u64::from(events).to_le_bytes(), u64::from(fd).to_le_bytes()].concat());
    guest.done(Call::EpollCtl { epoll, op, fd, event: BUF })
}

#[track_caller]
fn add(guest: &mut Guest, epoll: u32, fd: u32, events: u32) {
    ctl(guest, epoll, 1, fd, events).unwrap();
}

fn wait_call(epoll: u32, timeout: u64) -> Call {
    Call::EpollWait { epoll, events: EVENTS, max: 16, timeout }
}

fn events(guest: &Guest, n: u32) -> Vec<(u64, u32)> {
    (0..n).map(|n| (guest.u64(EVENTS + n * 16 + 8), guest.u32(EVENTS + n * 16))).collect()
}

/// What a set has to tell, without waiting: descriptors and bits.
#[track_caller]
fn wait(guest: &mut Guest, epoll: u32) -> Vec<(u64, u32)> {
    let n = guest.ok(wait_call(epoll, 0));
    events(guest, n)
}

fn eventfd(guest: &mut Guest, initial: u32, flags: u32) -> u32 {
    guest.ok(Call::Eventfd { initial, flags })
}

/// Writes a number of 8 bytes.
fn bump(guest: &mut Guest, fd: u32, number: u64) -> Result<i32, Errno> {
    guest.put(BUF, &number.to_le_bytes());
    let iovs_len = guest.iov(&[(BUF, 8)]);
    guest.done(Call::FdWrite { fd, iovs: IOV, iovs_len, nwritten: OUT })
}

fn take(guest: &mut Guest, fd: u32) -> Result<u64, Errno> {
    let call = guest.read_call(fd, 8);
    guest.done(call)?;
    assert_eq!(guest.u32(OUT), 8);
    Ok(guest.u64(BUF))
}

fn set_timer(guest: &mut Guest, fd: u32, flags: u32, value: u64, interval: u64) -> Result<i32, Errno> {
    let spec = |nanos: u64| [(nanos / 1_000_000_000).to_le_bytes(), (nanos % 1_000_000_000).to_le_bytes()].concat();
    guest.put(BUF, &[spec(interval), spec(value)].concat());
    guest.done(Call::TimerfdSettime { fd, flags, new: BUF, old: BUF + 64 })
}

/// A timer's setting at an address: until it is due, and how often.
fn setting(guest: &Guest, at: u32) -> (u64, u64) {
    let nanos = |at| guest.u64(at) * 1_000_000_000 + u64::from(guest.u32(at + 8));
    assert_eq!((guest.u32(at + 12), guest.u32(at + 28)), (0, 0), "padding");
    (nanos(at + 16), nanos(at))
}

fn timer_left(guest: &mut Guest, fd: u32) -> (u64, u64) {
    guest.ok(Call::TimerfdGettime { fd, current: BUF + 64 });
    setting(guest, BUF + 64)
}

#[test]
fn entries_are_answered_as_on_linux() {
    let mut guest = Guest::new();
    let file = guest.open("f", 1, 1 << 6, 0).unwrap();
    let idle = guest.socket();
    let (conn, sock) = guest.connection();
    let both = p::IN | p::OUT;
    assert_eq!(all(&mut guest, file), both, "open one way, ready both ways");
    assert_eq!(all(&mut guest, 3), both, "a directory");
    assert_eq!((all(&mut guest, 0), all(&mut guest, 1)), (0, p::OUT));
    assert_eq!(all(&mut guest, idle), p::OUT | p::HUP);
    // Nothing asked for: ends and errors are told all the same; a negative descriptor is left out.
    let (idle, conn_) = (idle.cast_signed(), conn.cast_signed());
    let found =
        poll(&mut guest, &[(idle, 0), (-1, 0xffff), (99, 0), (conn_, 0), (conn_, p::OUT), (file as i32, p::IN)]);
    assert_eq!(found, [p::HUP, 0, p::NVAL, 0, p::OUT, p::IN]);
    guest.deliver(Ingress::Fin { sock });
    assert_eq!(all(&mut guest, conn), both | p::RDHUP);
    guest.deliver(Ingress::Reset { sock });
    assert_eq!(all(&mut guest, conn), both | p::RDHUP | p::ERR | p::HUP);
    assert_eq!(poll(&mut guest, &[(conn_, p::OUT), (conn_, 0)]), [p::OUT | p::ERR | p::HUP, p::ERR | p::HUP]);
    let call = poll_call(&mut guest, &[], 0);
    assert_eq!(guest.ok(call), 0);
    guest.kernel.end_stdin(guest.pid);
    assert_eq!(all(&mut guest, 0), p::HUP);
}

#[test]
fn a_refused_connect_is_over_until_connect_has_told_it() {
    let mut guest = Guest::new();
    let fd = guest.socket();
    guest.fd_flags(fd, 4);
    guest.addr([127, 0, 0, 1], 9);
    let connect = Call::BsdConnect { fd, addr: ADDR, addr_len: 16 };
    assert_eq!(guest.done(connect), Err(Errno::InProgress));
    let set = epoll(&mut guest);
    add(&mut guest, set, fd, OUT_ | EDGE);
    assert_eq!((all(&mut guest, fd), wait(&mut guest, set)), (0, vec![]));
    let said = guest.net();
    let [replicode_log::Egress::Connect { sock, .. }] = said[..] else { panic!("{said:?}") };
    let call = poll_call(&mut guest, &[(fd.cast_signed(), p::OUT)], FOR_EVER);
    guest.waits(call);
    guest.deliver(Ingress::ConnectFailed { sock, why: Refused::NoListener });
    guest.resumed();
    assert_eq!(guest.ok(call), 1);
    assert_eq!(guest.u16(SUBS + 6), p::OUT | p::ERR | p::HUP);
    assert_eq!(wait(&mut guest, set), [(fd.into(), OUT_ | ERR | HUP)]);
    let dead = p::IN | p::OUT | p::HUP | p::RDHUP;
    assert_eq!(all(&mut guest, fd), dead | p::ERR);
    guest.put(ADDR_LEN, &4_u32.to_le_bytes());
    guest.ok(Call::BsdGetsockopt { fd, level: 0x7fff_ffff, option: 4, value: OUT, value_len: ADDR_LEN });
    assert_eq!(all(&mut guest, fd), dead);
    assert_eq!(guest.done(connect), Err(Errno::ConnAborted));
    assert_eq!(all(&mut guest, fd), p::OUT | p::HUP);
}

#[test]
fn a_wait_ends_with_news_or_its_time_out() {
    let mut guest = Guest::new();
    let (conn, sock) = guest.connection();
    let event = eventfd(&mut guest, 0, 0);
    let set = epoll(&mut guest);
    add(&mut guest, set, conn, IN);
    add(&mut guest, set, event, IN);
    let outer = epoll(&mut guest);
    add(&mut guest, outer, set, IN);
    let fds = [(conn.cast_signed(), p::IN), (event.cast_signed(), p::IN), (set.cast_signed(), p::IN)];
    let calls = [
        |guest: &mut Guest, fds: &[(i32, u16)], _, timeout| poll_call(guest, &fds[..2], timeout),
        |guest: &mut Guest, fds: &[(i32, u16)], _, timeout| poll_call(guest, &fds[2..], timeout),
        |_: &mut Guest, _: &[(i32, u16)], (set, _), timeout| wait_call(set, timeout),
        |_: &mut Guest, _: &[(i32, u16)], (_, outer), timeout| wait_call(outer, timeout),
    ];
    let mut now = 1_000;
    for call in calls {
        for timeout in [5_000, FOR_EVER] {
            let call = call(&mut guest, &fds, (set, outer), timeout);
            guest.waits(call);
            // Resumed for nothing, it still counts from when it was first made.
            now += 1_000;
            guest.at(now);
            guest.waits(call);
            guest.deliver(Ingress::Acked { sock, offset: 0 });
            guest.sleeps();
            if timeout == FOR_EVER {
                assert_eq!(guest.kernel.next_deadline(), None);
                guest.data(sock, b"x");
                guest.resumed();
                assert_eq!(guest.ok(call), 1);
                guest.recv(conn, 1, 0);
            } else {
                now += 4_000;
                assert_eq!(guest.kernel.next_deadline().map(|it| it.nanos()), Some(now));
                guest.at(now);
                guest.resumed();
                assert_eq!(guest.ok(call), 0);
            }
            // What an earlier wait was interested in ends none that follows.
            let other = poll_call(&mut guest, &[(0, p::IN)], FOR_EVER);
            guest.waits(other);
            guest.data(sock, b"y");
            guest.sleeps();
            guest.kernel.deliver_stdin(guest.pid, b"z".to_vec());
            guest.resumed();
            assert_eq!(guest.ok(other), 1);
            guest.recv(conn, 1, 0);
            guest.read(0, 1);
        }
    }
}

#[test]
fn what_epoll_refuses() {
    let mut guest = Guest::with(Limits { descriptors: 14, ..Limits::default() });
    let file = guest.open("f", 1, u64::MAX, 0).unwrap();
    let (ep, inner, event, other) =
        (epoll(&mut guest), epoll(&mut guest), eventfd(&mut guest, 0, 0), eventfd(&mut guest, 0, 0));
    for (set, op, fd, events, errno) in [
        (ep, 1, ep, IN, Errno::Inval),
        (ep, 1, 99, IN, Errno::BadF),
        (99, 1, event, IN, Errno::BadF),
        (event, 1, event, IN, Errno::Inval),
        (ep, 1, file, IN, Errno::Perm),
        (file, 1, file, IN, Errno::Perm),
        (ep, 2, file, IN, Errno::Perm),
        (ep, 1, 3, IN, Errno::Perm),
        (ep, 2, event, IN, Errno::NoEnt),
        (ep, 3, event, IN, Errno::NoEnt),
        (ep, 9, event, IN, Errno::Inval),
        (ep, 9, file, IN, Errno::Perm),
        (ep, 1, inner, IN | 1 << 28, Errno::Inval),
        (ep, 1, event, IN | ONESHOT | 1 << 28, Errno::Inval),
        (ep, 1, event, IN | RDHUP | 1 << 28, Errno::Inval),
    ] {
        assert_eq!(ctl(&mut guest, set, op, fd, events), Err(errno), "{set} {op} {fd} {events:#x}");
    }
    add(&mut guest, ep, event, IN);
    assert_eq!(ctl(&mut guest, ep, 1, event, IN), Err(Errno::Exist));
    assert_eq!(ctl(&mut guest, ep, 3, event, IN | 1 << 28), Err(Errno::Inval));
    add(&mut guest, ep, other, IN | 1 << 28);
    assert_eq!(ctl(&mut guest, ep, 3, other, IN), Err(Errno::Inval));
    add(&mut guest, ep, inner, IN);
    assert_eq!(ctl(&mut guest, inner, 1, ep, IN), Err(Errno::Loop));
    for max in [0, u32::MAX, i32::MAX as u32 / 16 + 1] {
        assert_eq!(guest.done(Call::EpollWait { epoll: ep, events: EVENTS, max, timeout: 0 }), Err(Errno::Inval));
    }
    assert_eq!(guest.done(wait_call(event, 0)), Err(Errno::Inval));
    assert_eq!(guest.done(wait_call(99, 0)), Err(Errno::BadF));
    for flags in [1, 0x8000] {
        assert_eq!(guest.done(Call::EpollCreate { flags }), Err(Errno::Inval));
    }
    let read = guest.read_call(ep, 8);
    assert_eq!(guest.done(read), Err(Errno::Inval));
    assert_eq!(bump(&mut guest, ep, 1), Err(Errno::Inval));
    while guest.done(Call::EpollCreate { flags: 0x6000 }).is_ok() {}
    assert_eq!(guest.done(Call::EpollCreate { flags: 0 }), Err(Errno::MFile));
    assert_eq!(guest.done(Call::Eventfd { initial: 0, flags: 0 }), Err(Errno::MFile));
    assert_eq!(guest.done(Call::TimerfdCreate { clock: 1, flags: 0 }), Err(Errno::MFile));
}

/// The watch of a number that is closed stays as long as another one shares the open file.
#[test]
fn a_watch_goes_with_the_last_descriptor() {
    let mut guest = Guest::new();
    let set = epoll(&mut guest);
    let first = eventfd(&mut guest, 0, 0);
    let dup = |guest: &mut Guest, fd| u64::from(guest.ok(Call::Dup { fd, min: 0, flags: 0 }));
    let (second, third) = (dup(&mut guest, first), dup(&mut guest, first));
    add(&mut guest, set, first, IN);
    add(&mut guest, set, third as u32, IN);
    add(&mut guest, set, second as u32, IN);
    bump(&mut guest, first, 1).unwrap();
    // The last to begin watching hears first.
    assert_eq!(wait(&mut guest, set), [(second, IN), (third, IN), (first.into(), IN)]);
    guest.ok(Call::FdClose { fd: first });
    assert_eq!(wait(&mut guest, set), [(second, IN), (third, IN), (first.into(), IN)]);
    assert_eq!(ctl(&mut guest, set, 2, first, 0), Err(Errno::BadF));
    // The number stands for something else now.
    assert_eq!(eventfd(&mut guest, 0, 0), first);
    assert_eq!(ctl(&mut guest, set, 2, first, 0), Err(Errno::NoEnt));
    add(&mut guest, set, first, OUT_);
    guest.ok(Call::FdClose { fd: second as u32 });
    guest.ok(Call::FdClose { fd: third as u32 });
    assert_eq!(wait(&mut guest, set), [(first.into(), OUT_)]);
    // A set is closed before what it watches, and the other way round.
    guest.ok(Call::FdClose { fd: set });
    bump(&mut guest, first, 1).unwrap();
    guest.ok(Call::FdClose { fd: first });
}

#[test]
fn edges_of_counters() {
    let mut guest = Guest::new();
    let (set, event) = (epoll(&mut guest), eventfd(&mut guest, 0, 0x4000));
    let fd = u64::from(event);
    add(&mut guest, set, event, IN | OUT_ | EDGE);
    assert_eq!(wait(&mut guest, set), [(fd, OUT_)]);
    assert_eq!(wait(&mut guest, set), []);
    for _ in 0..2 {
        bump(&mut guest, event, 1).unwrap();
        assert_eq!(wait(&mut guest, set), [(fd, IN | OUT_)]);
        assert_eq!(wait(&mut guest, set), []);
    }
    assert_eq!(take(&mut guest, event), Ok(2));
    assert_eq!(wait(&mut guest, set), [(fd, OUT_)]);
    bump(&mut guest, event, 0).unwrap();
    assert_eq!(wait(&mut guest, set), [(fd, OUT_)]);
    ctl(&mut guest, set, 3, event, IN | EDGE).unwrap();
    bump(&mut guest, event, 1).unwrap();
    take(&mut guest, event).unwrap();
    assert_eq!(wait(&mut guest, set), [], "gone before anybody looked");
    bump(&mut guest, event, 1).unwrap();
    assert_eq!(wait(&mut guest, set), [(fd, IN)]);
    ctl(&mut guest, set, 3, event, IN | EDGE).unwrap();
    assert_eq!(wait(&mut guest, set), [(fd, IN)], "asked anew");
    ctl(&mut guest, set, 3, event, IN | ONESHOT).unwrap();
    assert_eq!(wait(&mut guest, set), [(fd, IN)]);
    bump(&mut guest, event, 1).unwrap();
    assert_eq!(wait(&mut guest, set), [], "once");
}

#[test]
fn edges_of_connections() {
    let mut guest = Guest::new();
    let set = epoll(&mut guest);
    let (conn, sock) = guest.connection();
    let fd = u64::from(conn);
    add(&mut guest, set, conn, IN | OUT_ | RDHUP | EDGE);
    assert_eq!(wait(&mut guest, set), [(fd, OUT_)]);
    for _ in 0..2 {
        guest.data(sock, b"ab");
        assert_eq!(wait(&mut guest, set), [(fd, IN | OUT_)]);
        assert_eq!(wait(&mut guest, set), []);
    }
    guest.recv(conn, 1, 0);
    // Sending and acknowledgements are no news as long as there is room.
    guest.write(conn, b"x");
    guest.deliver(Ingress::Acked { sock, offset: 1 });
    assert_eq!(wait(&mut guest, set), []);
    let send = guest.send_call(conn, &[0; 3_000], 0x40);
    assert_eq!(guest.ok(send), 1_000);
    guest.deliver(Ingress::Acked { sock, offset: 400 });
    assert_eq!(wait(&mut guest, set), [(fd, IN | OUT_)]);
    ctl(&mut guest, set, 3, conn, OUT_ | EDGE).unwrap();
    assert_eq!(wait(&mut guest, set), [(fd, OUT_)]);
    guest.data(sock, b"x");
    assert_eq!(wait(&mut guest, set), []);
    guest.deliver(Ingress::Fin { sock });
    assert_eq!(wait(&mut guest, set), [(fd, OUT_)], "the end is told to everybody");
    ctl(&mut guest, set, 3, conn, IN | EDGE).unwrap();
    assert_eq!(wait(&mut guest, set), [(fd, IN)]);
    guest.ok(Call::SockShutdown { fd: conn, how: 2 });
    assert_eq!(wait(&mut guest, set), [(fd, IN | HUP)]);
    guest.net();
    let (listener, id) = guest.listen(80, 5);
    add(&mut guest, set, listener, IN | EDGE);
    for _ in 0..2 {
        guest.incoming(id);
        assert_eq!(wait(&mut guest, set), [(listener.into(), IN)]);
    }
}

#[test]
fn edges_through_sets() {
    let mut guest = Guest::new();
    let (outer, inner) = (epoll(&mut guest), epoll(&mut guest));
    let event = eventfd(&mut guest, 0, 0x4000);
    add(&mut guest, inner, event, IN);
    add(&mut guest, outer, inner, IN | EDGE);
    assert_eq!(wait(&mut guest, outer), []);
    for _ in 0..2 {
        bump(&mut guest, event, 1).unwrap();
        assert_eq!(wait(&mut guest, outer), [(inner.into(), IN)]);
        assert_eq!(wait(&mut guest, outer), []);
    }
    assert_eq!(wait(&mut guest, inner), [(event.into(), IN)]);
    assert_eq!(wait(&mut guest, outer), []);
    assert_eq!(all(&mut guest, inner), p::IN);
    take(&mut guest, event).unwrap();
    assert_eq!((all(&mut guest, inner), wait(&mut guest, inner)), (0, vec![]));
    bump(&mut guest, event, 1).unwrap();
    assert_eq!((all(&mut guest, inner), wait(&mut guest, outer)), (p::IN, vec![(inner.into(), IN)]));
}

#[test]
fn counters_count() {
    let mut guest = Guest::new();
    let event = eventfd(&mut guest, 3, 0x4000);
    assert_eq!(all(&mut guest, event), p::IN | p::OUT);
    assert_eq!(bump(&mut guest, event, u64::MAX - 1), Err(Errno::Again));
    bump(&mut guest, event, u64::MAX - 4).unwrap();
    assert_eq!(all(&mut guest, event), p::IN);
    assert_eq!(bump(&mut guest, event, 1), Err(Errno::Again));
    bump(&mut guest, event, 0).unwrap();
    assert_eq!(bump(&mut guest, event, u64::MAX), Err(Errno::Inval));
    for len in [0, 4, 9, 16] {
        let iovs_len = guest.iov(&[(BUF, len)]);
        let write = Call::FdWrite { fd: event, iovs: IOV, iovs_len, nwritten: OUT };
        assert_eq!(guest.done(write), Err(Errno::Inval), "{len}");
    }
    let short = guest.read_call(event, 7);
    assert_eq!(guest.done(short), Err(Errno::Inval));
    // A longer buffer is no fault when reading, nor are several.
    let iovs_len = guest.iov(&[(BUF, 3), (BUF + 16, 20)]);
    guest.ok(Call::FdRead { fd: event, iovs: IOV, iovs_len, nread: OUT });
    assert_eq!((guest.u32(OUT), guest.bytes(BUF, 3)), (8, &[0xfe, 0xff, 0xff][..]));
    assert_eq!(guest.bytes(BUF + 16, 6), [0xff, 0xff, 0xff, 0xff, 0xff, 0]);
    assert_eq!(take(&mut guest, event), Err(Errno::Again));
    let semaphore = eventfd(&mut guest, 2, 0x4001);
    assert_eq!([(); 3].map(|()| take(&mut guest, semaphore)), [Ok(1), Ok(1), Err(Errno::Again)]);
    assert_eq!(guest.done(Call::Eventfd { initial: 0, flags: 0x10 }), Err(Errno::Inval));
    // One that may wait, waits.
    let event = eventfd(&mut guest, 0, 0);
    let read = guest.read_call(event, 8);
    guest.waits(read);
}

#[test]
fn timers_are_due_on_the_log_s_clock() {
    let mut guest = Guest::new();
    let (timer, set) = (guest.ok(Call::TimerfdCreate { clock: 1, flags: 0x4000 }), epoll(&mut guest));
    add(&mut guest, set, timer, IN | EDGE);
    let due = |guest: &Guest| guest.kernel.next_deadline().map(|it| it.nanos());
    set_timer(&mut guest, timer, 0, 5_000, 0).unwrap();
    assert_eq!((setting(&guest, BUF + 64), due(&guest)), ((0, 0), Some(6_000)));
    assert_eq!((take(&mut guest, timer), all(&mut guest, timer)), (Err(Errno::Again), 0));
    let call = wait_call(set, FOR_EVER);
    guest.waits(call);
    guest.at(5_999);
    guest.sleeps();
    guest.at(6_500);
    guest.resumed();
    assert_eq!(guest.ok(call), 1);
    assert_eq!((all(&mut guest, timer), timer_left(&mut guest, timer), due(&guest)), (p::IN, (0, 0), None));
    let long = guest.read_call(timer, 16);
    guest.ok(long);
    assert_eq!((guest.u32(OUT), guest.u64(BUF), take(&mut guest, timer)), (8, 1, Err(Errno::Again)));
    // One that repeats rests until it is read.
    set_timer(&mut guest, timer, 0, 1_000, 2_000).unwrap();
    guest.at(12_000);
    assert_eq!((wait(&mut guest, set), due(&guest)), (vec![(timer.into(), IN)], None));
    assert_eq!((take(&mut guest, timer), due(&guest)), (Ok(3), Some(13_500)));
    assert_eq!(timer_left(&mut guest, timer), (1_500, 2_000));
    // It is taken back, and says how it was set.
    set_timer(&mut guest, timer, 0, 0, 2_000).unwrap();
    assert_eq!((setting(&guest, BUF + 64), due(&guest)), ((1_500, 2_000), None));
    assert_eq!((timer_left(&mut guest, timer), all(&mut guest, timer)), ((0, 2_000), 0));
    // Points in time, one of them past; Unix time.
    set_timer(&mut guest, timer, 1, 1, 5_000).unwrap();
    assert_eq!((wait(&mut guest, set), take(&mut guest, timer)), (vec![(timer.into(), IN)], Ok(3)));
    let unix = guest.ok(Call::TimerfdCreate { clock: 0, flags: 0 });
    set_timer(&mut guest, unix, 3, EPOCH + 12_900, 0).unwrap();
    assert_eq!((timer_left(&mut guest, unix), due(&guest)), ((900, 0), Some(12_900)));
    let read = guest.read_call(unix, 8);
    guest.waits(read);
    guest.at(12_900);
    guest.resumed();
    guest.ok(read);
    // Closed, it is due no more.
    guest.ok(Call::FdClose { fd: timer });
    assert_eq!(due(&guest), None);
}

#[test]
fn what_timers_refuse() {
    let mut guest = Guest::new();
    for (clock, flags) in [(2, 0), (3, 0), (9, 0), (1, 1)] {
        assert_eq!(guest.done(Call::TimerfdCreate { clock, flags }), Err(Errno::Inval));
    }
    let timer = guest.ok(Call::TimerfdCreate { clock: 1, flags: 0x4000 });
    assert_eq!(set_timer(&mut guest, timer, 4, 5, 0), Err(Errno::Inval));
    assert_eq!(set_timer(&mut guest, 1, 0, 5, 0), Err(Errno::Inval));
    assert_eq!(set_timer(&mut guest, 99, 0, 5, 0), Err(Errno::BadF));
    let short = guest.read_call(timer, 4);
    assert_eq!(guest.done(short), Err(Errno::Inval));
    assert_eq!(bump(&mut guest, timer, 1), Err(Errno::Inval));
    // The end of time, and no room for the old setting.
    set_timer(&mut guest, timer, 0, u64::MAX, u64::MAX).unwrap();
    assert_eq!(guest.kernel.next_deadline(), None);
    guest.ok(Call::TimerfdSettime { fd: timer, flags: 0, new: BUF, old: 0 });
}

/// A process that has ended leaves no timer, counter or watch behind.
#[test]
fn nothing_is_due_after_the_end() {
    let mut guest = Guest::new();
    let (timer, set) = (guest.ok(Call::TimerfdCreate { clock: 1, flags: 0 }), epoll(&mut guest));
    add(&mut guest, set, timer, IN);
    set_timer(&mut guest, timer, 0, 5_000, 5_000).unwrap();
    guest.waits(wait_call(set, FOR_EVER));
    guest.kernel.exit(guest.pid, replicode_log::ExitStatus::Killed);
    assert_eq!(guest.kernel.next_deadline(), None);
    guest.at(1 << 40);
    guest.sleeps();
}

/// Whoever was told first runs first, by time and then in the order in which timers were set.
#[test]
fn wake_ups_have_one_order() {
    let mut guest = Guest::new();
    let other = guest.kernel.spawn(common::spec("other")).unwrap();
    assert_eq!(guest.kernel.next_ready(), Some(other));
    let mut memory = guest.memory.clone();
    let mut there = |guest: &mut Guest, call| guest.kernel.call(other, &mut memory, call);
    let create = Call::TimerfdCreate { clock: 1, flags: 0 };
    let timer = guest.ok(create);
    assert_eq!(there(&mut guest, create), replicode_syscalls::Step::Done(4));
    for (mine, deadline) in [(2_000, 3_000), (3_000, 2_000), (2_000, 2_000)] {
        set_timer(&mut guest, timer, 0, mine, 0).unwrap();
        let wait = poll_call(&mut guest, &[(timer.cast_signed(), p::IN)], FOR_EVER);
        guest.waits(wait);
        let sleep = Call::Poll { fds: 0, count: 0, timeout: deadline };
        assert_eq!(there(&mut guest, sleep), replicode_syscalls::Step::Wait);
        let now = guest.kernel.next_deadline().unwrap().nanos();
        guest.at(now + 10_000);
        let order = [guest.kernel.next_ready().unwrap(), guest.kernel.next_ready().unwrap()];
        assert_eq!(order[0] == guest.pid, mine <= deadline, "{mine} {deadline}");
        guest.ok(wait);
        assert_eq!(there(&mut guest, sleep), replicode_syscalls::Step::Done(0));
    }
}

#[test]
fn a_trace_shows_what_is_waited_for() {
    let mut guest = Guest::new();
    let set = epoll(&mut guest);
    let event = eventfd(&mut guest, 0, 0);
    let timer = guest.ok(Call::TimerfdCreate { clock: 1, flags: 0 });
    guest.kernel.set_recording(replicode_syscalls::Recording::Trace);
    guest.ok(Call::Eventfd { initial: 2, flags: 0x4001 });
    add(&mut guest, set, event, IN | EDGE);
    bump(&mut guest, event, 1).unwrap();
    assert_eq!(wait(&mut guest, set).len(), 1);
    assert_eq!(poll(&mut guest, &[(event.cast_signed(), p::IN), (99, 0), (timer.cast_signed(), p::IN)]).len(), 3);
    set_timer(&mut guest, timer, 1, 1_500_000_000, 2_000_000_000).unwrap();
    guest.ok(Call::TimerfdSettime { fd: timer, flags: 0, new: BUF + 64, old: 0 });
    let lines: Vec<String> = guest.kernel.take_trace().iter().map(ToString::to_string).collect();
    let lines: Vec<&str> = lines.iter().map(|line| line.split_once("[1 main] ").unwrap().1).collect();
    let want = [
        "posix eventfd(initial=2, flags=SEMAPHORE|NONBLOCK) = 7",
        "posix epoll_ctl(epoll=4, op=ADD, fd=5, event=[0x5 IN|ET]) = 0",
        r#"wasi fd_write(fd=5, iovs=[8]) = 8 "\x01\x00\x00\x00\x00\x00\x00\x00""#,
        "posix epoll_wait(epoll=4, max=16, timeout=0) = 1 [events=[0x5 IN]]",
        "posix poll(fds=[5 IN, 99 0, 6 IN], count=3, timeout=0) = 2 [found=[5 IN, 99 NVAL]]",
        "posix timerfd_settime(fd=6, flags=ABSTIME, new=1.500000000 every 2.000000000) = 0 [old=off]",
        "posix timerfd_settime(fd=6, flags=0, new=off) = 0",
    ];
    assert_eq!(lines, want);
}
