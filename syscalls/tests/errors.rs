//! Every call of preview 1 that takes a descriptor, on every kind of object: what Linux answers (a transcript of a C
//! program there, kernel 6.1), and where preview 1 has another answer, that and why.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{BUF, Guest, IOV, OUT, PATH};
use replicode_syscalls::Call;
use replicode_syscalls::Errno::{self, BadF, Inval, IsDir, NotDir, NotSock, SPipe};

/// Directory, file for reading, file for writing, standard input (a pipe), standard output (a terminal), socket, no
/// descriptor.
type Row = [Option<Errno>; 7];

const OK: Option<Errno> = None;

const fn is(errno: Errno) -> Option<Errno> {
    Some(errno)
}

#[test]
fn the_kind_of_object_decides_before_how_it_was_opened() {
    let mut guest = Guest::new();
    let dir = guest.open("tmp", 2, 2, 0).unwrap();
    let fd = guest.open("f", 1, 2 | 64, 0).unwrap();
    guest.ok(Call::FdClose { fd });
    let (reads, writes) = (guest.open("f", 0, 2, 0).unwrap(), guest.open("f", 0, 64, 0).unwrap());
    let socket = guest.socket();
    guest.kernel.deliver_stdin(guest.pid, vec![b'x'; 100]);
    let objects = [dir, reads, writes, 0, 1, socket, 99];
    guest.put(PATH, b"x");
    // A socket that is not connected: Linux answers EPIPE to a write, POSIX ENOTCONN.
    let unconnected = is(Errno::NotConn);
    let nobody = is(BadF);
    let rows: Vec<(&dyn Fn(u32) -> Call, Row)> = vec![
        (
            &|fd| Call::FdRead { fd, iovs: IOV, iovs_len: 1, nread: OUT },
            [is(IsDir), OK, is(BadF), OK, is(BadF), unconnected, nobody],
        ),
        (
            &|fd| Call::FdWrite { fd, iovs: IOV, iovs_len: 1, nwritten: OUT },
            [is(BadF), is(BadF), OK, is(BadF), OK, unconnected, nobody],
        ),
        (
            &|fd| Call::FdPread { fd, iovs: IOV, iovs_len: 1, offset: 0, nread: OUT },
            [is(IsDir), OK, is(BadF), is(SPipe), is(SPipe), is(SPipe), nobody],
        ),
        (
            &|fd| Call::FdPwrite { fd, iovs: IOV, iovs_len: 1, offset: 0, nwritten: OUT },
            [is(BadF), is(BadF), OK, is(SPipe), is(SPipe), is(SPipe), nobody],
        ),
        (
            &|fd| Call::FdPread { fd, iovs: IOV, iovs_len: 1, offset: 1 << 63, nread: OUT },
            [is(Inval), is(Inval), is(Inval), is(Inval), is(Inval), is(Inval), nobody],
        ),
        // Linux has positions in directories; preview 1 has cookies instead, and Wasmtime answers this.
        (
            &|fd| Call::FdSeek { fd, offset: 0, whence: 1, position: OUT },
            [is(BadF), OK, OK, is(SPipe), is(SPipe), is(SPipe), nobody],
        ),
        (
            &|fd| Call::FdSeek { fd, offset: 0, whence: 77, position: OUT },
            [is(Inval), is(Inval), is(Inval), is(Inval), is(Inval), is(Inval), nobody],
        ),
        (&|fd| Call::FdTell { fd, position: OUT }, [is(BadF), OK, OK, is(SPipe), is(SPipe), is(SPipe), nobody]),
        (
            &|fd| Call::FdFilestatSetSize { fd, size: 0 },
            [is(Inval), is(Inval), OK, is(Inval), is(Inval), is(Inval), nobody],
        ),
        (&|fd| Call::FdSync { fd }, [OK, OK, OK, is(Inval), is(Inval), is(Inval), nobody]),
        (&|fd| Call::FdDatasync { fd }, [OK, OK, OK, is(Inval), is(Inval), is(Inval), nobody]),
        (
            &|fd| Call::FdAllocate { fd, offset: 0, len: 10 },
            [is(BadF), is(BadF), OK, is(BadF), is(Errno::NoDev), is(Errno::NoDev), nobody],
        ),
        (
            &|fd| Call::FdAllocate { fd, offset: 0, len: 0 },
            [is(Inval), is(Inval), is(Inval), is(Inval), is(Inval), is(Inval), nobody],
        ),
        (&|fd| Call::FdAdvise { fd, offset: 0, len: 0, advice: 0 }, [OK, OK, OK, is(SPipe), OK, OK, nobody]),
        (
            &|fd| Call::FdAdvise { fd, offset: 0, len: 0, advice: 9 },
            [is(Inval), is(Inval), is(Inval), is(SPipe), is(Inval), is(Inval), nobody],
        ),
        (
            &|fd| Call::FdReaddir { fd, buf: BUF, buf_len: 99, cookie: 0, used: OUT },
            [OK, is(NotDir), is(NotDir), is(NotDir), is(NotDir), is(NotDir), nobody],
        ),
        (
            &|fd| Call::PathUnlinkFile { fd, path: PATH, path_len: 1 },
            [is(Errno::NoEnt), is(NotDir), is(NotDir), is(NotDir), is(NotDir), is(NotDir), nobody],
        ),
        (&|fd| Call::FdFilestatSetTimes { fd, atim: 0, mtim: 0, flags: 10 }, [OK, OK, OK, OK, OK, OK, nobody]),
        (&|fd| Call::Chmod { fd, path: 0, path_len: 0, lookup: 0, mode: 0o644 }, [OK, OK, OK, OK, OK, OK, nobody]),
        (&|fd| Call::FdFilestatGet { fd, stat: OUT }, [OK, OK, OK, OK, OK, OK, nobody]),
        (&|fd| Call::FdFdstatGet { fd, stat: OUT }, [OK, OK, OK, OK, OK, OK, nobody]),
        (
            &|fd| Call::SockShutdown { fd, how: 3 },
            [is(NotSock), is(NotSock), is(NotSock), is(NotSock), is(NotSock), is(Errno::NotConn), nobody],
        ),
        (
            &|fd| Call::SockAccept { fd, flags: 4, accepted: OUT },
            [is(NotSock), is(NotSock), is(NotSock), is(NotSock), is(NotSock), is(Inval), nobody],
        ),
    ];
    for (call, want) in rows {
        for (fd, want) in objects.into_iter().zip(want) {
            assert_eq!(guest.done(call(fd)).err(), want, "{:?}", call(fd));
        }
    }
}

/// pwrite(2), BUGS: on Linux, a descriptor that appends does so whatever the offset.
#[test]
fn pwrite_to_what_appends_appends() {
    let mut guest = Guest::new();
    let fd = guest.open("f", 1, 2 | 64, 1).unwrap();
    guest.write(fd, b"begin");
    guest.put(BUF, b"end");
    let iovs_len = guest.iov(&[(BUF, 3)]);
    guest.ok(Call::FdPwrite { fd, iovs: IOV, iovs_len, offset: 0, nwritten: OUT });
    guest.ok(Call::FdSeek { fd, offset: 0, whence: 0, position: OUT });
    assert_eq!(guest.read(fd, 99), b"beginend");
}

/// Buffers that overlap hold more bytes than there are. A call moves no more than the memory holds, and what it moves
/// counts against the turn.
#[test]
fn one_call_does_not_hold_a_batch_for_ever() {
    let limits = replicode_log::Limits { turn_calls: 8, call_bytes: 0x8000, ..Default::default() };
    let mut guest = Guest::with(limits);
    let fd = guest.open("/dev/zero", 0, 2, 0).unwrap();
    let iovs_len = guest.iov(&[(BUF, 0xf000); 32]);
    let read = Call::FdRead { fd, iovs: IOV, iovs_len, nread: OUT };
    for _ in 0..3 {
        guest.ok(read);
        guest.iov(&[(BUF, 0xf000); 32]);
    }
    assert_eq!(guest.call(read), replicode_syscalls::Step::Wait);
}
