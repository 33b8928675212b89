//! Locks on files as programs see them: ranges, owners, waits between processes of a cell.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;
use common::{BUF, Guest, OUT, spec};
use replicode_log::{ExitStatus, Pid};
use replicode_syscalls::{Call, Errno, Step};

const GETLK: u32 = 5;
const SETLK: u32 = 6;
const SETLKW: u32 = 7;
const OFD_GETLK: u32 = 36;
const OFD_SETLK: u32 = 37;
const OFD_SETLKW: u32 = 38;
const RD: i16 = 0;
const WR: i16 = 1;
const UN: i16 = 2;

/// A kernel with three processes that have the file `f` open at descriptor 4.
fn three() -> (Guest, [Pid; 3]) {
    let mut guest = Guest::new();
    let first = guest.pid;
    let others = ["two", "three"].map(|name| guest.kernel.spawn(spec(name)).unwrap());
    for pid in others {
        assert_eq!(guest.kernel.next_ready(), Some(pid));
    }
    let all = [first, others[0], others[1]];
    for pid in all {
        guest.pid = pid;
        assert_eq!(guest.open("f", 1, u64::MAX, 0), Ok(4));
    }
    guest.pid = first;
    (guest, all)
}

/// A call of `fcntl` with `SEEK_SET`.
fn lock(guest: &mut Guest, cmd: u32, kind: i16, start: i64, len: i64) -> Step {
    lock_from(guest, (4, cmd), kind, (0, start), len)
}

fn lock_from(guest: &mut Guest, (fd, cmd): (u32, u32), kind: i16, (whence, start): (i16, i64), len: i64) -> Step {
    guest.put(BUF, &[0; 32]);
    guest.put(BUF, &kind.to_le_bytes());
    guest.put(BUF + 2, &whence.to_le_bytes());
    guest.put(BUF + 8, &start.to_le_bytes());
    guest.put(BUF + 16, &len.to_le_bytes());
    guest.call(Call::Lock { fd, cmd, flock: BUF })
}

/// Type, start, length, process of what stands in the way of a lock for writing.
fn told(guest: &mut Guest, cmd: u32, start: i64, len: i64) -> (i16, i64, i64, i32) {
    assert_eq!(lock(guest, cmd, WR, start, len), Step::Done(0));
    let kind = guest.u16(BUF).cast_signed();
    (kind, guest.u64(BUF + 8).cast_signed(), guest.u64(BUF + 16).cast_signed(), guest.u32(BUF + 24).cast_signed())
}

const DONE: Step = Step::Done(0);

fn failed(errno: Errno) -> Step {
    Step::Done(-errno.raw())
}

#[test]
fn regions_are_split_joined_and_told() {
    let (mut guest, [one, two, _]) = three();
    assert_eq!(lock(&mut guest, SETLK, WR, 0, 100), DONE);
    assert_eq!(lock(&mut guest, SETLK, UN, 40, 20), DONE);
    assert_eq!(lock(&mut guest, SETLK, RD, 80, 0), DONE);
    // Its own locks do not stand in its way.
    assert_eq!(told(&mut guest, GETLK, 0, 0), (UN, 0, 0, 0));
    guest.pid = two;
    assert_eq!(told(&mut guest, GETLK, 0, 0), (WR, 0, 40, one.0 as i32));
    assert_eq!(told(&mut guest, GETLK, 40, 20), (UN, 40, 20, 0));
    assert_eq!(told(&mut guest, GETLK, 50, 20), (WR, 60, 20, one.0 as i32));
    assert_eq!(told(&mut guest, GETLK, 500, 1), (RD, 80, 0, one.0 as i32));
    assert_eq!(lock(&mut guest, SETLK, RD, 70, 30), failed(Errno::Again));
    assert_eq!(lock(&mut guest, SETLK, RD, 80, 30), DONE);
    assert_eq!(lock(&mut guest, SETLK, WR, 80, 30), failed(Errno::Again));
    // A hole between two readers' regions, filled: one region.
    assert_eq!(lock(&mut guest, SETLK, RD, 115, 5), DONE);
    assert_eq!(lock(&mut guest, SETLK, RD, 110, 5), DONE);
    guest.pid = one;
    assert_eq!(told(&mut guest, GETLK, 85, 1), (RD, 80, 40, two.0 as i32));
}

#[test]
fn ranges_count_from_where_they_say() {
    let (mut guest, [_, two, _]) = three();
    guest.write(4, &[0; 50]);
    guest.ok(Call::FdSeek { fd: 4, offset: 30, whence: 0, position: OUT });
    let from = |guest: &mut Guest, whence, start, len| lock_from(guest, (4, SETLK), WR, (whence, start), len);
    assert_eq!(from(&mut guest, 1, -10, 5), DONE);
    assert_eq!(from(&mut guest, 2, 0, -10), DONE);
    guest.pid = two;
    assert_eq!(told(&mut guest, GETLK, 0, 30).1, 20);
    assert_eq!(told(&mut guest, GETLK, 30, 0), (WR, 40, 10, 1));
    assert_eq!(from(&mut guest, 0, -1, 5), failed(Errno::Inval));
    assert_eq!(from(&mut guest, 0, 5, -6), failed(Errno::Inval));
    assert_eq!(from(&mut guest, 3, 0, 1), failed(Errno::Inval));
    assert_eq!(from(&mut guest, 2, i64::MAX, 1), failed(Errno::Overflow));
    assert_eq!(from(&mut guest, 0, 2, i64::MAX), failed(Errno::Overflow));
    assert_eq!(from(&mut guest, 0, 1 << 40, i64::MAX - (1 << 40) + 1), DONE);
    assert_eq!(lock(&mut guest, SETLK, 3, 0, 1), failed(Errno::Inval));
    assert_eq!(lock(&mut guest, GETLK, UN, 0, 1), failed(Errno::Inval));
    assert_eq!(lock(&mut guest, 8, RD, 0, 1), failed(Errno::Inval));
    assert_eq!(lock_from(&mut guest, (9, SETLK), RD, (0, 0), 1), failed(Errno::BadF));
    // Standard output cannot be read.
    assert_eq!(lock_from(&mut guest, (1, SETLK), RD, (0, 0), 1), failed(Errno::BadF));
    assert_eq!(lock_from(&mut guest, (1, SETLK), WR, (0, 0), 1), DONE);
}

#[test]
fn whoever_waits_is_woken_in_order_and_a_circle_is_refused() {
    let (mut guest, [one, two, three]) = three();
    assert_eq!(lock(&mut guest, SETLK, WR, 0, 10), DONE);
    guest.pid = two;
    assert_eq!(lock(&mut guest, SETLK, WR, 10, 10), DONE);
    assert_eq!(lock(&mut guest, SETLKW, WR, 5, 2), Step::Wait);
    guest.pid = three;
    assert_eq!(lock(&mut guest, SETLKW, RD, 6, 1), Step::Wait);
    guest.pid = one;
    assert_eq!(lock(&mut guest, SETLKW, RD, 15, 1), failed(Errno::Deadlk));
    // What frees nothing that is waited for wakes nobody.
    assert_eq!(lock(&mut guest, SETLK, UN, 0, 5), DONE);
    guest.sleeps();
    assert_eq!(lock(&mut guest, SETLK, UN, 0, 0), DONE);
    assert_eq!((guest.kernel.next_ready(), guest.kernel.next_ready()), (Some(two), Some(three)));
    guest.pid = two;
    assert_eq!(lock(&mut guest, SETLKW, WR, 5, 2), DONE);
    guest.pid = three;
    assert_eq!(lock(&mut guest, SETLKW, RD, 6, 1), Step::Wait);
    // The end of a process releases what it had.
    guest.kernel.exit(two, ExitStatus::Killed);
    assert_eq!(guest.kernel.next_ready(), Some(three));
    assert_eq!(lock(&mut guest, SETLKW, RD, 6, 1), DONE);
    guest.pid = one;
    assert_eq!(told(&mut guest, GETLK, 0, 0), (RD, 6, 1, three.0 as i32));
}

#[test]
fn any_close_releases_those_of_the_process_and_the_last_those_of_the_open_file() {
    let (mut guest, [_, two, _]) = three();
    let other = guest.open("f", 0, u64::MAX, 0).unwrap();
    let twin = guest.ok(Call::Dup { fd: 4, min: 0, flags: 0 });
    assert_eq!(lock(&mut guest, SETLK, WR, 0, 1), DONE);
    assert_eq!(lock(&mut guest, OFD_SETLK, WR, 10, 1), DONE);
    guest.ok(Call::Flock { fd: 4, op: 2 });
    // Another open file of the same process is another owner.
    assert_eq!(guest.done(Call::Flock { fd: other, op: 1 | 4 }), Err(Errno::Again));
    assert_eq!(guest.done(Call::Flock { fd: twin, op: 2 | 4 }), Ok(0));
    assert_eq!(lock_from(&mut guest, (other, OFD_SETLK), RD, (0, 10), 1), failed(Errno::Again));
    assert_eq!(told(&mut guest, OFD_GETLK, 0, 5), (WR, 0, 1, 1));
    guest.ok(Call::FdClose { fd: other });
    guest.pid = two;
    assert_eq!(told(&mut guest, GETLK, 0, 5), (UN, 0, 5, 0));
    assert_eq!(told(&mut guest, GETLK, 0, 0), (WR, 10, 1, -1));
    assert_eq!(guest.done(Call::Flock { fd: 4, op: 2 | 4 }), Err(Errno::Again));
    assert_eq!(guest.call(Call::Flock { fd: 4, op: 1 }), Step::Wait);
    guest.pid = Pid(1);
    guest.ok(Call::FdClose { fd: 4 });
    guest.sleeps();
    guest.ok(Call::FdClose { fd: twin });
    guest.pid = two;
    guest.resumed();
    assert_eq!(guest.call(Call::Flock { fd: 4, op: 1 }), DONE);
    assert_eq!(told(&mut guest, GETLK, 0, 0).0, UN);
    guest.put(BUF + 24, &[1]);
    assert_eq!(guest.call(Call::Lock { fd: 4, cmd: OFD_SETLKW, flock: BUF }), failed(Errno::Inval));
    assert_eq!(guest.done(Call::Flock { fd: 4, op: 3 }), Err(Errno::Inval));
}

#[test]
fn a_lock_that_cannot_be_exchanged_is_lost_as_on_linux() {
    let (mut guest, [one, two, _]) = three();
    for pid in [one, two] {
        guest.pid = pid;
        guest.ok(Call::Flock { fd: 4, op: 1 });
    }
    assert_eq!(guest.done(Call::Flock { fd: 4, op: 2 | 4 }), Err(Errno::Again));
    guest.pid = one;
    assert_eq!(guest.done(Call::Flock { fd: 4, op: 2 | 4 }), Ok(0));
}
