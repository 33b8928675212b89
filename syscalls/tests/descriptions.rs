//! Open file descriptions: what duplicated descriptors share, what they do not, and when the file is closed.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;
use common::{ADDR, Guest, OUT};
use replicode_log::{Egress, Limits};
use replicode_syscalls::{Call, Errno};

const CLOEXEC: u32 = 0x2000;
const NONBLOCK: u32 = 0x4000;

fn dup(guest: &mut Guest, fd: u32) -> u32 {
    guest.ok(Call::Dup { fd, min: 0, flags: 0 })
}

fn position(guest: &mut Guest, fd: u32) -> u64 {
    guest.ok(Call::FdTell { fd, position: OUT });
    guest.u64(OUT)
}

fn flags(guest: &mut Guest, fd: u32) -> u16 {
    guest.ok(Call::FdFdstatGet { fd, stat: OUT });
    guest.u16(OUT + 2)
}

fn cloexec(guest: &mut Guest, fd: u32) -> u32 {
    guest.ok(Call::FdFlags { fd, set: u32::MAX })
}

#[test]
fn position_and_status_flags_are_shared() {
    let mut guest = Guest::new();
    let fd = guest.open("f", 1, u64::MAX, 0).unwrap();
    let twin = dup(&mut guest, fd);
    guest.write(fd, b"one");
    guest.write(twin, b"two");
    assert_eq!((position(&mut guest, fd), position(&mut guest, twin)), (6, 6));
    guest.ok(Call::FdSeek { fd: twin, offset: 1, whence: 0, position: OUT });
    assert_eq!(guest.read(fd, 9), b"netwo");
    // Append, told to one, is so for both.
    guest.fd_flags(twin, 1);
    assert_eq!(flags(&mut guest, fd), 1);
    guest.ok(Call::FdSeek { fd, offset: 0, whence: 0, position: OUT });
    guest.write(fd, b"!");
    assert_eq!(position(&mut guest, twin), 7);
    // A file opened again is another description.
    let other = guest.open("f", 0, u64::MAX, 0).unwrap();
    assert_eq!((position(&mut guest, other), flags(&mut guest, other)), (0, 0));
    // Either goes on without the other.
    guest.ok(Call::FdClose { fd });
    assert_eq!(position(&mut guest, twin), 7);
    assert_eq!(guest.done(Call::FdTell { fd, position: OUT }), Err(Errno::BadF));
}

#[test]
fn close_on_exec_belongs_to_the_number() {
    let mut guest = Guest::new();
    let fd = guest.open("f", 1, u64::MAX, 0).unwrap();
    assert_eq!(cloexec(&mut guest, fd), 0);
    assert_eq!(guest.ok(Call::FdFlags { fd, set: 1 }), 0);
    let plain = dup(&mut guest, fd);
    let marked = guest.ok(Call::Dup { fd: plain, min: 0, flags: CLOEXEC });
    assert_eq!([fd, plain, marked].map(|fd| cloexec(&mut guest, fd)), [1, 0, 1]);
    guest.ok(Call::FdFlags { fd, set: 0 });
    assert_eq!(cloexec(&mut guest, fd), 0);
    let socket = guest.ok(Call::BsdOpen { domain: 1, kind: 6 | CLOEXEC | NONBLOCK, protocol: 0 });
    assert_eq!((cloexec(&mut guest, socket), flags(&mut guest, socket)), (1, 4));
    guest.ok(Call::Dup3 { fd: plain, to: socket, flags: 0 });
    assert_eq!((cloexec(&mut guest, socket), flags(&mut guest, socket)), (0, 0));
    assert_eq!(guest.done(Call::FdFlags { fd: 40, set: u32::MAX }), Err(Errno::BadF));
    assert_eq!(guest.done(Call::FdFlags { fd: 40, set: 1 }), Err(Errno::BadF));
}

#[test]
fn numbers_are_the_lowest_and_errors_are_those_of_linux() {
    let mut guest = Guest::with(Limits { descriptors: 12, ..Limits::default() });
    let fd = guest.open("f", 1, u64::MAX, 0).unwrap();
    assert_eq!((fd, dup(&mut guest, fd)), (4, 5));
    assert_eq!(guest.ok(Call::Dup { fd, min: 8, flags: 0 }), 8);
    assert_eq!(guest.ok(Call::Dup { fd, min: 8, flags: 0 }), 9);
    assert_eq!(guest.ok(Call::Dup3 { fd, to: 11, flags: 0 }), 11);
    assert_eq!(guest.ok(Call::Dup { fd, min: 8, flags: 0 }), 10);
    assert_eq!(guest.done(Call::Dup { fd, min: 8, flags: 0 }), Err(Errno::MFile));
    assert_eq!(guest.done(Call::Dup { fd, min: 12, flags: 0 }), Err(Errno::Inval));
    assert_eq!(guest.done(Call::Dup { fd: 7, min: 12, flags: 0 }), Err(Errno::BadF));
    assert_eq!(guest.done(Call::Dup { fd, min: 0, flags: NONBLOCK }), Err(Errno::Inval));
    assert_eq!(guest.done(Call::Dup3 { fd, to: fd, flags: 0 }), Err(Errno::Inval));
    assert_eq!(guest.done(Call::Dup3 { fd: 7, to: 7, flags: 0 }), Err(Errno::Inval));
    assert_eq!(guest.done(Call::Dup3 { fd: 7, to: 5, flags: 0 }), Err(Errno::BadF));
    assert_eq!(guest.done(Call::Dup3 { fd, to: 12, flags: 0 }), Err(Errno::BadF));
    assert_eq!(guest.done(Call::Dup3 { fd, to: 5, flags: 1 }), Err(Errno::Inval));
    // Nothing was closed on the way to an error.
    assert_eq!(position(&mut guest, 5), 0);
    assert_eq!(guest.ok(Call::Getpid {}), guest.pid.0);
}

#[test]
fn a_connection_ends_with_its_last_descriptor() {
    let mut guest = Guest::new();
    let (fd, conn) = guest.connection();
    let twin = dup(&mut guest, fd);
    guest.ok(Call::FdClose { fd });
    assert_eq!(guest.net(), []);
    guest.data(conn, b"still there");
    assert_eq!(guest.recv(twin, 20, 0), b"still there");
    // Another number takes its place: closed without a word, and then for good.
    let file = guest.open("f", 1, u64::MAX, 0).unwrap();
    guest.ok(Call::Dup3 { fd: file, to: twin, flags: 0 });
    assert!(guest.net().iter().any(|it| matches!(it, Egress::Closed { sock } if *sock == conn)));
    assert_eq!(guest.done(guest.recv_call(twin, 1, 0)), Err(Errno::NotSock));
    // A name that is gone lives on in the descriptors.
    guest.write(twin, b"bytes");
    let path_len = guest.put(common::PATH, b"f");
    guest.ok(Call::PathUnlinkFile { fd: 3, path: common::PATH, path_len });
    guest.ok(Call::FdClose { fd: file });
    guest.ok(Call::FdSeek { fd: twin, offset: 0, whence: 0, position: OUT });
    assert_eq!(guest.read(twin, 9), b"bytes");
    let usage = guest.kernel.files().usage().nodes;
    guest.ok(Call::FdClose { fd: twin });
    assert_eq!(guest.kernel.files().usage().nodes, usage - 1);
}

#[test]
fn a_wait_through_one_descriptor_ends_with_news_of_the_other() {
    let mut guest = Guest::new();
    let (fd, conn) = guest.connection();
    let twin = dup(&mut guest, fd);
    let read = guest.read_call(twin, 5);
    guest.waits(read);
    guest.data(conn, b"bytes");
    guest.resumed();
    assert_eq!(guest.ok(read), 0);
    // Both ends of one process: what one sets non-blocking is so for the other.
    guest.fd_flags(fd, 4);
    assert_eq!(guest.done(read), Err(Errno::Again));
    guest.ok(Call::BsdGetpeername { fd: twin, addr: 0, addr_len: ADDR });
}

#[test]
fn renumbering_moves_one_descriptor_of_several() {
    let mut guest = Guest::new();
    let fd = guest.open("f", 1, u64::MAX, 0).unwrap();
    guest.write(fd, b"content");
    let twin = dup(&mut guest, fd);
    let other = guest.open("g", 1, u64::MAX, 0).unwrap();
    guest.ok(Call::FdFlags { fd: twin, set: 1 });
    guest.ok(Call::FdRenumber { fd: twin, to: other });
    assert_eq!((position(&mut guest, other), cloexec(&mut guest, other)), (7, 1));
    assert_eq!(guest.done(Call::FdTell { fd: twin, position: OUT }), Err(Errno::BadF));
    // Onto its own twin: one descriptor fewer, the file stays.
    guest.ok(Call::FdRenumber { fd: other, to: fd });
    assert_eq!(position(&mut guest, fd), 7);
    assert_eq!(guest.done(Call::FdRenumber { fd, to: 40 }), Err(Errno::BadF));
}
