//! Pipes and pairs of sockets as a program sees them: bytes, ends, errors, readiness, waits.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;
use common::{ADDR, ADDR_LEN, BUF, EVENTS, Guest, OUT, SUBS};
use replicode_log::LogicalTime;
use replicode_syscalls::{Call, Errno, Step};

const NONBLOCK: u32 = 0x4000;
const CLOEXEC: u32 = 0x2000;
const IN: u16 = 1;
const OUT_: u16 = 2;
const RDHUP: u16 = 8;
const ERR: u16 = 0x1000;
const HUP: u16 = 0x2000;

fn pipe(guest: &mut Guest, flags: u32) -> (u32, u32) {
    guest.ok(Call::Pipe { flags, fds: OUT });
    (guest.u32(OUT), guest.u32(OUT + 4))
}

fn pair(guest: &mut Guest, flags: u32) -> (u32, u32) {
    guest.ok(Call::Socketpair { domain: 3, kind: 6 | flags, protocol: 0, fds: OUT });
    (guest.u32(OUT), guest.u32(OUT + 4))
}

fn close(guest: &mut Guest, fd: u32) {
    guest.ok(Call::FdClose { fd });
}

/// What `poll` says of a descriptor that is asked for everything.
fn bits(guest: &mut Guest, fd: u32) -> u16 {
    guest.put(SUBS, &[fd.to_le_bytes(), [0x0b, 0, 0, 0]].concat());
    guest.ok(Call::Poll { fds: SUBS, count: 1, timeout: 0 });
    guest.u16(SUBS + 6)
}

/// The bytes that `poll_oneoff` says can be read.
fn readable(guest: &mut Guest, fd: u32) -> u64 {
    guest.put(SUBS, &[0; 48]);
    guest.put(SUBS + 8, &[1]);
    guest.put(SUBS + 16, &fd.to_le_bytes());
    guest.ok(Call::PollOneoff { subscriptions: SUBS, events: EVENTS, count: 1, ready: OUT });
    guest.u64(EVENTS + 16)
}

fn write_call(guest: &mut Guest, fd: u32, len: u32) -> Call {
    let iovs_len = guest.iov(&[(BUF, len)]);
    Call::FdWrite { fd, iovs: common::IOV, iovs_len, nwritten: OUT }
}

#[test]
fn a_pipe_carries_bytes_and_its_ends_are_told() {
    let mut guest = Guest::new();
    let (reader, writer) = pipe(&mut guest, CLOEXEC);
    assert_eq!((reader, writer), (4, 5));
    assert_eq!(guest.ok(Call::FdFlags { fd: writer, set: u32::MAX }), 1);
    assert_eq!((bits(&mut guest, reader), bits(&mut guest, writer)), (0, OUT_));
    assert_eq!(guest.write(writer, b"some bytes"), 10);
    assert_eq!((bits(&mut guest, reader), readable(&mut guest, reader)), (IN, 10));
    assert_eq!(guest.read(reader, 4), b"some");
    // The ends go one way each.
    let wrong = guest.read_call(writer, 1);
    assert_eq!(guest.done(wrong), Err(Errno::BadF));
    let wrong = write_call(&mut guest, reader, 1);
    assert_eq!(guest.done(wrong), Err(Errno::BadF));
    assert_eq!(guest.done(Call::FdSeek { fd: reader, offset: 0, whence: 0, position: OUT }), Err(Errno::SPipe));
    assert_eq!(guest.done(guest.recv_call(reader, 1, 0)), Err(Errno::NotSock));
    guest.ok(Call::FdFilestatGet { fd: reader, stat: OUT });
    assert_eq!((guest.bytes(OUT + 16, 1), guest.u64(OUT + 24)), (&[6][..], 1));
    // The end comes with the last descriptor of the writing end, after the bytes.
    let twin = guest.ok(Call::Dup { fd: writer, min: 0, flags: 0 });
    close(&mut guest, writer);
    assert_eq!(bits(&mut guest, reader), IN);
    close(&mut guest, twin);
    assert_eq!(bits(&mut guest, reader), IN | HUP);
    assert_eq!(guest.read(reader, 9), b" bytes");
    assert_eq!(bits(&mut guest, reader), HUP);
    assert_eq!(guest.read(reader, 9), b"");
    close(&mut guest, reader);
    let (reader, writer) = pipe(&mut guest, 0);
    close(&mut guest, reader);
    assert_eq!(bits(&mut guest, writer), OUT_ | ERR);
    let write = write_call(&mut guest, writer, 1);
    assert_eq!(guest.done(write), Err(Errno::Pipe));
    let nothing = write_call(&mut guest, writer, 0);
    assert_eq!(guest.done(nothing), Ok(0));
}

#[test]
fn a_full_pipe_takes_up_to_a_page_together_or_not_at_all() {
    let mut guest = Guest::new();
    let (reader, writer) = pipe(&mut guest, NONBLOCK);
    let empty = guest.read_call(reader, 1);
    assert_eq!(guest.done(empty), Err(Errno::Again));
    // The guest's memory is no longer than a pipe, so the same bytes go twice.
    for _ in 0..2 {
        let write = write_call(&mut guest, writer, 32_768);
        guest.ok(write);
        assert_eq!(guest.u32(OUT), 32_768);
    }
    assert_eq!((bits(&mut guest, reader), bits(&mut guest, writer)), (IN, 0));
    let write = write_call(&mut guest, writer, 1);
    assert_eq!(guest.done(write), Err(Errno::Again));
    assert_eq!(guest.read(reader, 4_095).len(), 4_095);
    // No page is free yet, as on Linux.
    let write = write_call(&mut guest, writer, 1);
    assert_eq!((guest.done(write), bits(&mut guest, writer)), (Err(Errno::Again), 0));
    guest.read(reader, 2);
    assert_eq!(bits(&mut guest, writer), OUT_);
    let write = write_call(&mut guest, writer, 8_192);
    guest.ok(write);
    assert_eq!(guest.u32(OUT), 4_096);
    assert_eq!(readable(&mut guest, reader), 65_536 - 4_097 + 4_096);
}

#[test]
fn waits_on_a_pipe_last_and_hold_nobody_up() {
    let mut guest = Guest::new();
    let (reader, writer) = pipe(&mut guest, 0);
    let read = guest.read_call(reader, 1);
    guest.waits(read);
    guest.at(1 << 40);
    guest.sleeps();
    assert_eq!(guest.kernel.next_deadline(), None);
    // A write that is too large puts in what fits, and waits with the rest.
    let write = write_call(&mut guest, writer, 60_000);
    guest.ok(write);
    guest.waits(write);
    assert_eq!(guest.kernel.next_deadline(), None);
    // A poll with a time-out ends at its time.
    guest.put(SUBS, &[writer.to_le_bytes(), [2, 0, 0, 0]].concat());
    let poll = Call::Poll { fds: SUBS, count: 1, timeout: 1_000 };
    guest.waits(poll);
    assert_eq!(guest.kernel.next_deadline(), Some(LogicalTime::from_nanos((1 << 40) + 1_000)));
    guest.at((1 << 40) + 1_000);
    guest.resumed();
    assert_eq!(guest.call(poll), Step::Done(0));
}

#[test]
fn epoll_hears_of_both_ends() {
    let mut guest = Guest::new();
    let (reader, writer) = pipe(&mut guest, NONBLOCK);
    let (one, two) = pair(&mut guest, NONBLOCK);
    let epoll = guest.ok(Call::EpollCreate { flags: 0 });
    // Edge-triggered: IN, OUT and RDHUP.
    for fd in [reader, writer, one, two] {
        guest.put(BUF, &(0x8000_2005_u32).to_le_bytes());
        guest.put(BUF + 8, &u64::from(fd).to_le_bytes());
        guest.ok(Call::EpollCtl { epoll, op: 1, fd, event: BUF });
    }
    let found = |guest: &mut Guest| {
        let n = guest.ok(Call::EpollWait { epoll, events: EVENTS, max: 9, timeout: 0 });
        (0..n).map(|n| (guest.u64(EVENTS + 16 * n + 8) as u32, guest.u32(EVENTS + 16 * n))).collect::<Vec<_>>()
    };
    assert_eq!(found(&mut guest), [(writer, 4), (one, 4), (two, 4)]);
    assert_eq!(found(&mut guest), []);
    guest.write(writer, b"x");
    guest.write(one, b"y");
    assert_eq!(found(&mut guest), [(reader, 1), (two, 5)]);
    guest.read(reader, 9);
    guest.read(two, 9);
    // There was room in the pipe all the time: no news. A pair tells whenever it could be written.
    assert_eq!(found(&mut guest), [(one, 4)]);
    close(&mut guest, writer);
    guest.ok(Call::BsdShutdown { fd: one, how: 2 });
    assert_eq!(found(&mut guest), [(reader, 0x10), (one, 4), (two, 0x2005)]);
    close(&mut guest, two);
    assert_eq!(found(&mut guest), [(one, 0x2015)]);
    let table = guest.kernel.processes().next().unwrap().descriptors;
    assert_eq!(table, 7);
}

#[test]
fn a_pair_goes_both_ways_and_ends_by_halves() {
    let mut guest = Guest::new();
    let (one, two) = pair(&mut guest, NONBLOCK);
    assert_eq!((one, two), (4, 5));
    guest.write(one, b"there");
    guest.write(two, b"and back");
    assert_eq!((guest.recv(two, 9, 1), guest.recv(two, 9, 0)), (b"there".to_vec(), b"there".to_vec()));
    assert_eq!((readable(&mut guest, one), guest.read(one, 20)), (8, b"and back".to_vec()));
    assert_eq!(guest.done(guest.recv_call(one, 1, 0)), Err(Errno::Again));
    guest.ok(Call::SockShutdown { fd: one, how: 2 });
    let send = guest.send_call(one, b"x", 0);
    assert_eq!(guest.done(send), Err(Errno::Pipe));
    assert_eq!(guest.recv(two, 1, 0), b"");
    assert_eq!((bits(&mut guest, one), bits(&mut guest, two)), (OUT_, IN | OUT_ | RDHUP));
    // The other half goes on.
    guest.write(two, b"still");
    assert_eq!(guest.recv(one, 9, 0), b"still");
    // What a closed end has not read its peer is told, once.
    guest.write(two, b"unread");
    close(&mut guest, one);
    assert_eq!(bits(&mut guest, two), IN | OUT_ | RDHUP | ERR | HUP);
    let send = guest.send_call(two, b"x", 0);
    assert_eq!(guest.done(send), Err(Errno::Pipe));
    assert_eq!(guest.done(guest.recv_call(two, 1, 0)), Err(Errno::ConnReset));
    assert_eq!(guest.recv(two, 1, 0), b"");
    assert_eq!(guest.net(), []);
}

#[test]
fn sockets_of_a_pair_answer_as_unix_sockets() {
    let mut guest = Guest::new();
    let (one, two) = pair(&mut guest, 0);
    let option = |guest: &mut Guest, option| {
        guest.put(ADDR_LEN, &4_u32.to_le_bytes());
        guest.ok(Call::BsdGetsockopt { fd: one, level: 0x7fff_ffff, option, value: OUT, value_len: ADDR_LEN });
        guest.u32(OUT)
    };
    assert_eq!([3, 39, 38, 4, 7].map(|name| option(&mut guest, name)), [6, 3, 0, 0, 212_992]);
    let name = Call::BsdGetsockname { fd: one, addr: ADDR, addr_len: ADDR_LEN };
    for call in [name, Call::BsdGetpeername { fd: two, addr: ADDR, addr_len: ADDR_LEN }] {
        guest.put(ADDR_LEN, &16_u32.to_le_bytes());
        guest.ok(call);
        assert_eq!((guest.u32(ADDR_LEN), guest.u16(ADDR)), (2, 3));
    }
    guest.addr([127, 0, 0, 1], 80);
    let send = Call::BsdSendto { fd: one, data: BUF, len: 1, flags: 0, addr: ADDR, addr_len: 16 };
    assert_eq!(guest.done(send), Err(Errno::IsConn));
    assert_eq!(guest.done(Call::BsdConnect { fd: one, addr: ADDR, addr_len: 16 }), Err(Errno::Inval));
    assert_eq!(guest.done(Call::BsdListen { fd: one, backlog: 1 }), Err(Errno::Inval));
    let no_delay = Call::BsdSetsockopt { fd: one, level: 6, option: 1, value: BUF, value_len: 4 };
    assert_eq!(guest.done(no_delay), Err(Errno::NotSup));
    guest.write(two, b"bytes");
    let recv = Call::BsdRecvfrom { fd: one, data: BUF, len: 9, flags: 0, addr: ADDR, addr_len: ADDR_LEN };
    assert_eq!((guest.ok(recv), guest.u32(ADDR_LEN)), (5, 0));
    let wrong = |domain, kind, protocol| Call::Socketpair { domain, kind, protocol, fds: OUT };
    assert_eq!(guest.done(wrong(1, 6, 0)), Err(Errno::NotSup));
    assert_eq!(guest.done(wrong(9, 6, 0)), Err(Errno::AfNoSupport));
    assert_eq!(guest.done(wrong(3, 5, 0)), Err(Errno::ProtoNoSupport));
    assert_eq!(guest.done(wrong(3, 6, 6)), Err(Errno::ProtoNoSupport));
    // A time-out ends a wait.
    guest.put(BUF, &[0; 16]);
    guest.put(BUF + 8, &7_u32.to_le_bytes());
    guest.ok(Call::BsdSetsockopt { fd: one, level: 0x7fff_ffff, option: 66, value: BUF, value_len: 16 });
    let recv = guest.recv_call(one, 1, 0);
    guest.waits(recv);
    guest.at(1_000 + 7_000);
    guest.resumed();
    assert_eq!(guest.done(recv), Err(Errno::Again));
}
