//! Files and paths as calls see them. What the tree itself does is tested beside it.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;
use common::{BUF, EPOCH, Guest, IOV, OUT, PATH, PATH2};
use replicode_log::{FsEntry, FsImage, FsNode, Limits};
use replicode_syscalls::fs::ImageError;
use replicode_syscalls::{Call, Errno, Kernel};

const CREAT: u32 = 1;
const DIRECTORY: u32 = 2;
const EXCL: u32 = 4;
const TRUNC: u32 = 8;
const APPEND: u32 = 1;
const ALL: u64 = u64::MAX;
const FD_READ: u64 = 1 << 1;
const FD_WRITE: u64 = 1 << 6;
/// The right to list a directory (`fd_readdir`).
const LIST: u64 = 1 << 14;

fn seek(guest: &mut Guest, fd: u32, offset: i64, whence: u32) -> Result<u64, Errno> {
    guest.done(Call::FdSeek { fd, offset: offset.cast_unsigned(), whence, position: OUT }).map(|_| guest.u64(OUT))
}

#[test]
fn positions_move_with_reads_writes_and_seeks() {
    let mut guest = Guest::new();
    let fd = guest.open("f", CREAT | EXCL, ALL, 0).unwrap();
    assert_eq!(fd, 4);
    assert_eq!(guest.write(fd, b"hello world"), 11);
    assert_eq!(guest.read(fd, 10), b"");
    assert_eq!(seek(&mut guest, fd, -5, 2), Ok(6));
    assert_eq!(guest.read(fd, 3), b"wor");
    guest.ok(Call::FdTell { fd, position: OUT });
    assert_eq!(guest.u64(OUT), 9);
    assert_eq!(seek(&mut guest, fd, -9, 1), Ok(0));
    assert_eq!(seek(&mut guest, fd, -1, 1), Err(Errno::Inval));
    assert_eq!(seek(&mut guest, fd, i64::MAX, 2), Err(Errno::Inval));
    assert_eq!(seek(&mut guest, fd, 0, 3), Err(Errno::Inval));
    // Positional calls leave the position alone.
    let iovs_len = guest.iov(&[(BUF, 2), (BUF + 0x10, 100)]);
    guest.ok(Call::FdPread { fd, iovs: IOV, iovs_len, offset: 6, nread: OUT });
    assert_eq!((guest.u32(OUT), guest.bytes(BUF, 2), guest.bytes(BUF + 0x10, 3)), (5, &b"wo"[..], &b"rld"[..]));
    guest.put(BUF, b"J");
    let iovs_len = guest.iov(&[(BUF, 1)]);
    guest.ok(Call::FdPwrite { fd, iovs: IOV, iovs_len, offset: 0, nwritten: OUT });
    assert_eq!(guest.read(fd, 100), b"Jello world");
}

#[test]
fn appending_writes_go_to_the_end() {
    let mut guest = Guest::new();
    let a = guest.open("f", CREAT, ALL, APPEND).unwrap();
    let b = guest.open("f", 0, ALL, 0).unwrap();
    guest.write(a, b"one");
    guest.write(b, b"ONE!");
    guest.write(a, b"two");
    guest.ok(Call::FdTell { fd: a, position: OUT });
    assert_eq!(guest.u64(OUT), 7);
    seek(&mut guest, b, 0, 0).unwrap();
    assert_eq!(guest.read(b, 100), b"ONE!two");
    // The flag can be taken away.
    guest.fd_flags(a, 0);
    seek(&mut guest, a, 0, 0).unwrap();
    guest.write(a, b"_");
    seek(&mut guest, b, 0, 0).unwrap();
    assert_eq!(guest.read(b, 100), b"_NE!two");
}

#[test]
fn opening_honours_its_flags() {
    let mut guest = Guest::new();
    assert_eq!(guest.open("f", 0, ALL, 0), Err(Errno::NoEnt));
    let fd = guest.open("f", CREAT, FD_READ | FD_WRITE, 0).unwrap();
    guest.write(fd, b"x");
    assert_eq!(guest.open("f", CREAT | EXCL, ALL, 0), Err(Errno::Exist));
    assert_eq!(guest.open("f", DIRECTORY, FD_READ, 0), Err(Errno::NotDir));
    assert_eq!(guest.open(".", 0, FD_WRITE, 0), Err(Errno::IsDir));
    assert_eq!(guest.open("f", 16, ALL, 0), Err(Errno::Inval));
    assert_eq!(guest.open("f", 0, ALL, 32), Err(Errno::Inval));
    let read_only = guest.open("f", 0, FD_READ, 0).unwrap();
    guest.iov(&[(BUF, 1)]);
    let write = Call::FdWrite { fd: read_only, iovs: IOV, iovs_len: 1, nwritten: OUT };
    assert_eq!(guest.done(write), Err(Errno::BadF));
    assert_eq!(guest.done(Call::FdFilestatSetSize { fd: read_only, size: 0 }), Err(Errno::Inval));
    guest.open("f", TRUNC, FD_WRITE, 0).unwrap();
    assert_eq!(guest.read(read_only, 9), b"");
}

/// What Wasmtime 48 says of each (`crates/wasi/src/p1.rs`, `fd_fdstat_get`).
#[test]
fn rights_are_told_and_refuse_nothing() {
    const NOT_DIRECTORY: u64 = 1 << 2 | 1 << 19 | 1 << 22;
    const READDIR: u64 = 1 << 14;
    let mut guest = Guest::new();
    let dir = guest.open(".", DIRECTORY, 0, 0).unwrap();
    let both = guest.open("f", CREAT, ALL, 0).unwrap();
    let reads = guest.open("f", 0, 0, 0).unwrap();
    let writes = guest.open("f", 0, FD_WRITE, 0).unwrap();
    let rights = (1 << 30) - 1;
    for (fd, base, inheriting) in [
        (0, FD_READ, FD_READ),
        (1, FD_WRITE, FD_WRITE),
        (3, 0x07bf_fe00 & !NOT_DIRECTORY, 0x0fff_ffff & !(1 << 19)),
        (dir, rights & !NOT_DIRECTORY & !FD_WRITE, rights & !NOT_DIRECTORY & !FD_WRITE),
        (both, rights, rights),
        (reads, rights & !FD_WRITE, rights & !FD_WRITE),
        (writes, rights & !FD_READ & !READDIR, rights & !FD_READ & !READDIR),
    ] {
        guest.ok(Call::FdFdstatGet { fd, stat: OUT });
        assert_eq!((guest.u64(OUT + 8), guest.u64(OUT + 16)), (base, inheriting), "descriptor {fd}");
        let give_up = Call::FdFdstatSetRights { fd, base: 0, inheriting: 0 };
        assert_eq!(guest.done(give_up), Err(Errno::NotSup), "nothing is given up, and nothing pretended");
    }
    // All that a directory can do works through one that was opened with no rights at all.
    let path_len = guest.put(PATH, b"below");
    guest.ok(Call::PathCreateDirectory { fd: dir, path: PATH, path_len });
    guest.ok(Call::FdReaddir { fd: dir, buf: BUF, buf_len: 400, cookie: 0, used: OUT });
    guest.ok(Call::PathRemoveDirectory { fd: dir, path: PATH, path_len });
    guest.write(both, b"text");
    assert_eq!(guest.read(reads, 9), b"text");
    assert_eq!(guest.done(Call::FdFdstatSetRights { fd: 99, base: 0, inheriting: 0 }), Err(Errno::BadF));
}

#[test]
fn status_is_laid_out_as_the_witx_has_it() {
    let mut guest = Guest::new();
    let fd = guest.open("f", CREAT, ALL, 0).unwrap();
    guest.write(fd, b"12345");
    guest.put(OUT, &[0xaa; 64]);
    guest.ok(Call::FdFilestatGet { fd, stat: OUT });
    let fields: Vec<u64> = (0..8).map(|n| guest.u64(OUT + n * 8)).collect();
    // dev, ino, type with padding, nlink, size, atim, mtim, ctim
    assert_eq!(fields, [1, 22, 4, 1, 5, EPOCH + 1_000, EPOCH + 1_000, EPOCH + 1_000]);
    let path_len = guest.put(PATH, b"f");
    guest.put(OUT, &[0; 64]);
    guest.ok(Call::PathFilestatGet { fd: 3, lookup: 1, path: PATH, path_len, stat: OUT });
    assert_eq!((0..8).map(|n| guest.u64(OUT + n * 8)).collect::<Vec<_>>(), fields);
    let socket = guest.socket();
    for (fd, kind) in [(0, 0), (1, 2), (socket, 6)] {
        guest.ok(Call::FdFilestatGet { fd, stat: OUT });
        assert_eq!((guest.u64(OUT), guest.u64(OUT + 16), guest.u64(OUT + 56)), (0, kind, 0));
    }
}

#[test]
fn times_are_set_and_may_lie_before_genesis() {
    let mut guest = Guest::new();
    let fd = guest.open("f", CREAT, ALL, 0).unwrap();
    let times = |guest: &mut Guest| {
        guest.ok(Call::FdFilestatGet { fd, stat: OUT });
        (guest.u64(OUT + 40), guest.u64(OUT + 48))
    };
    guest.at(5_000);
    guest.ok(Call::FdFilestatSetTimes { fd, atim: 42, mtim: 0, flags: 1 });
    assert_eq!(times(&mut guest), (42, EPOCH + 1_000));
    let path_len = guest.put(PATH, b"f");
    let set =
        |atim, mtim, flags| Call::PathFilestatSetTimes { fd: 3, lookup: 0, path: PATH, path_len, atim, mtim, flags };
    guest.ok(set(0, EPOCH + 7, 2 | 4));
    assert_eq!(times(&mut guest), (EPOCH + 5_000, EPOCH + 7));
    assert_eq!(guest.done(set(0, 0, 3)), Err(Errno::Inval));
    assert_eq!(guest.done(set(0, 0, 16)), Err(Errno::Inval));
}

/// Entries: name, type, cookie to go on with.
fn list(guest: &mut Guest, fd: u32, buf_len: u32) -> Vec<(String, u8)> {
    let (mut names, mut cookie) = (Vec::new(), 0);
    loop {
        guest.ok(Call::FdReaddir { fd, buf: BUF, buf_len, cookie, used: OUT });
        let used = guest.u32(OUT);
        let mut at = BUF;
        while at + 24 <= BUF + used {
            let (next, len) = (guest.u64(at), guest.u32(at + 16));
            if at + 24 + len > BUF + used {
                break;
            }
            assert_eq!(guest.bytes(at + 21, 3), [0; 3], "padding");
            names.push((String::from_utf8(guest.bytes(at + 24, len).to_vec()).unwrap(), guest.bytes(at + 20, 1)[0]));
            cookie = next;
            at += 24 + len;
        }
        if used < buf_len {
            return names;
        }
    }
}

#[test]
fn directories_are_listed_whatever_the_buffer() {
    let mut guest = Guest::new();
    let path_len = guest.put(PATH, b"tmp/dir");
    guest.ok(Call::PathCreateDirectory { fd: 3, path: PATH, path_len });
    for name in ["tmp/b", "tmp/a long name with spaces", "tmp/c"] {
        guest.open(name, CREAT, ALL, 0).unwrap();
    }
    let target_len = guest.put(PATH, b"b");
    let path_len = guest.put(PATH2, b"tmp/link");
    guest.ok(Call::PathSymlink { target: PATH, target_len, fd: 3, path: PATH2, path_len });
    let fd = guest.open("tmp", DIRECTORY, LIST, 0).unwrap();
    let all = list(&mut guest, fd, 4096);
    let names: Vec<_> = all.iter().map(|(name, kind)| (name.as_str(), *kind)).collect();
    let want = [(".", 3), ("..", 3), ("a long name with spaces", 4), ("b", 4), ("c", 4), ("dir", 3), ("link", 7)];
    assert_eq!(names, want);
    for buf_len in [48, 49, 60, 64, 100] {
        assert_eq!(list(&mut guest, fd, buf_len), all, "buffer of {buf_len}");
    }
    assert_eq!(guest.done(Call::FdReaddir { fd: 4, buf: BUF, buf_len: 9, cookie: 0, used: OUT }), Err(Errno::NotDir));
}

/// What one call shows from a cookie on: names, and the cookie behind the last one.
fn page(guest: &mut Guest, fd: u32, cookie: u64, buf_len: u32) -> (Vec<String>, u64) {
    guest.ok(Call::FdReaddir { fd, buf: BUF, buf_len, cookie, used: OUT });
    let (end, mut at, mut next) = (BUF + guest.u32(OUT), BUF, cookie);
    let mut names = Vec::new();
    while at + 24 <= end && at + 24 + guest.u32(at + 16) <= end {
        let len = guest.u32(at + 16);
        next = guest.u64(at);
        names.push(String::from_utf8(guest.bytes(at + 24, len).to_vec()).unwrap());
        at += 24 + len;
    }
    (names, next)
}

/// Room for one entry with a name of one or two bytes, and for the start of the next.
const ONE: u32 = 30;

#[test]
fn a_listing_belongs_to_its_descriptor() {
    let mut guest = Guest::new();
    for name in ["tmp/c", "tmp/a", "tmp/b"] {
        guest.open(name, CREAT, ALL, 0).unwrap();
    }
    let one = guest.open("tmp", DIRECTORY, LIST, 0).unwrap();
    assert_eq!(page(&mut guest, one, 0, 2 * ONE), (vec![".".into(), "..".into()], 2));
    guest.open("tmp/0", CREAT, ALL, 0).unwrap();
    let path_len = guest.put(PATH, b"tmp/b");
    guest.ok(Call::PathUnlinkFile { fd: 3, path: PATH, path_len });
    // Another descriptor has its own; a position told is good again in the listing that it came from.
    let two = guest.open("tmp", DIRECTORY, LIST, 0).unwrap();
    assert_eq!(page(&mut guest, two, 2, ONE), (vec!["0".into()], 3));
    assert_eq!(page(&mut guest, one, 2, ONE), (vec!["a".into()], 3));
    assert_eq!(page(&mut guest, one, 2, ONE), (vec!["a".into()], 3));
    // It moves with its descriptor, and is gone with it.
    guest.ok(Call::FdRenumber { fd: one, to: two });
    assert_eq!(page(&mut guest, two, 3, ONE), (vec!["c".into()], 5));
    guest.ok(Call::FdClose { fd: two });
    let again = guest.open("tmp", DIRECTORY, LIST, 0).unwrap();
    assert_eq!(page(&mut guest, again, 2, 400), (vec!["0".into(), "a".into(), "c".into()], 5));
}

#[test]
fn a_directory_s_end_is_told_by_a_buffer_that_is_not_full() {
    let limits = Limits { call_bytes: 30, ..Limits::default() };
    let mut guest = Guest::with(limits);
    let path_len = guest.put(PATH, b"tmp/d");
    guest.ok(Call::PathCreateDirectory { fd: 3, path: PATH, path_len });
    let tmp = guest.open("tmp", DIRECTORY, LIST, 0).unwrap();
    // Longer than `call_bytes`: cutting it there would look like the end.
    assert_eq!(page(&mut guest, tmp, 0, 400), ([".", "..", "d"].map(String::from).to_vec(), 3));
    assert_eq!(guest.u32(OUT), 25 + 26 + 25);
    // Just full: only the next call can tell.
    assert_eq!(page(&mut guest, tmp, 0, 76).1, 3);
    assert_eq!(page(&mut guest, tmp, 3, 76), (vec![], 3));
    let fd = guest.open("tmp/d", DIRECTORY, LIST, 0).unwrap();
    let path_len = guest.put(PATH, b"tmp/d");
    guest.ok(Call::PathRemoveDirectory { fd: 3, path: PATH, path_len });
    let removed = Call::FdReaddir { fd, buf: BUF, buf_len: 99, cookie: 0, used: OUT };
    assert_eq!(guest.done(removed), Err(Errno::NoEnt));
}

#[test]
fn listings_under_way_are_limited() {
    let mut guest = Guest::with(Limits { listing_bytes: 9, ..Limits::default() });
    guest.open("tmp/f", CREAT, ALL, 0).unwrap();
    let (one, two) = (guest.open("tmp", DIRECTORY, LIST, 0).unwrap(), guest.open("tmp", DIRECTORY, LIST, 0).unwrap());
    assert_eq!(page(&mut guest, one, 0, ONE).1, 1);
    let begin = Call::FdReaddir { fd: two, buf: BUF, buf_len: ONE, cookie: 0, used: OUT };
    assert_eq!(guest.done(begin), Err(Errno::NoMem));
    assert_eq!(page(&mut guest, one, 1, 99).1, 3, "to the end");
    assert_eq!(page(&mut guest, two, 0, ONE).1, 1);
    guest.ok(Call::FdClose { fd: two });
    assert_eq!(page(&mut guest, one, 0, ONE).1, 1);
}

#[test]
fn names_are_made_moved_and_removed() {
    let mut guest = Guest::new();
    let fd = guest.open("old", CREAT, ALL, 0).unwrap();
    guest.write(fd, b"content");
    let (old, new) = (guest.put(PATH, b"old"), guest.put(PATH2, b"new"));
    guest.ok(Call::PathRename {
        fd: 3,
        old_path: PATH,
        old_path_len: old,
        new_fd: 3,
        new_path: PATH2,
        new_path_len: new,
    });
    assert_eq!(guest.open("old", 0, ALL, 0), Err(Errno::NoEnt));
    let link = Call::PathLink {
        old_fd: 3,
        lookup: 0,
        old_path: PATH2,
        old_path_len: new,
        new_fd: 3,
        new_path: PATH,
        new_path_len: old,
    };
    guest.ok(link);
    assert_eq!(guest.done(link), Err(Errno::Exist));
    for (path, path_len) in [(PATH, old), (PATH2, new)] {
        guest.ok(Call::PathUnlinkFile { fd: 3, path, path_len });
    }
    // The descriptor keeps the file.
    seek(&mut guest, fd, 0, 0).unwrap();
    assert_eq!(guest.read(fd, 100), b"content");
    assert_eq!(guest.done(Call::PathRemoveDirectory { fd: 3, path: PATH, path_len: old }), Err(Errno::NoEnt));
    guest.ok(Call::PathCreateDirectory { fd: 3, path: PATH, path_len: old });
    guest.ok(Call::PathRemoveDirectory { fd: 3, path: PATH, path_len: old });
}

#[test]
fn a_link_s_target_is_cut_at_the_buffer() {
    let mut guest = Guest::new();
    let target_len = guest.put(PATH, b"some/where");
    let path_len = guest.put(PATH2, b"l");
    guest.ok(Call::PathSymlink { target: PATH, target_len, fd: 3, path: PATH2, path_len });
    for (buf_len, want) in [(100, &b"some/where"[..]), (4, b"some"), (0, b"")] {
        guest.ok(Call::PathReadlink { fd: 3, path: PATH2, path_len, buf: BUF, buf_len, used: OUT });
        assert_eq!(guest.bytes(BUF, guest.u32(OUT)), want);
    }
}

#[test]
fn descriptors_are_renumbered() {
    let mut guest = Guest::new();
    let a = guest.open("a", CREAT, ALL, 0).unwrap();
    let b = guest.open("b", CREAT, ALL, 0).unwrap();
    guest.write(a, b"a");
    guest.ok(Call::FdRenumber { fd: a, to: a });
    guest.ok(Call::FdRenumber { fd: a, to: b });
    guest.ok(Call::FdTell { fd: b, position: OUT });
    assert_eq!(guest.u64(OUT), 1);
    assert_eq!(guest.done(Call::FdClose { fd: a }), Err(Errno::BadF));
    assert_eq!(guest.done(Call::FdRenumber { fd: b, to: a }), Err(Errno::BadF));
    // Onto a socket, which is closed by it.
    let (conn, sock) = guest.connection();
    guest.ok(Call::FdRenumber { fd: b, to: conn });
    let said = guest.net();
    assert_eq!(said, [replicode_log::Egress::Fin { sock, offset: 0 }, replicode_log::Egress::Closed { sock }]);
}

#[test]
fn limits_of_space_are_answered_not_crossed() {
    let mut guest = Guest::with(Limits { file_size: 10, file_bytes: 15, inodes: 3, ..Limits::default() });
    let a = guest.open("a", CREAT, ALL, 0).unwrap();
    let b = guest.open("b", CREAT, ALL, 0).unwrap();
    assert_eq!(guest.open("c", CREAT, ALL, 0), Err(Errno::NoSpc), "the root counts");
    assert_eq!(guest.write(a, b"0123456789abc"), 10);
    let iovs_len = guest.iov(&[(BUF, 1)]);
    let write = Call::FdWrite { fd: a, iovs: IOV, iovs_len, nwritten: OUT };
    assert_eq!(guest.done(write), Err(Errno::FBig));
    assert_eq!(guest.done(Call::FdAllocate { fd: b, offset: 0, len: 6 }), Err(Errno::NoSpc));
    assert_eq!(guest.done(Call::FdAllocate { fd: b, offset: 1 << 62, len: 1 << 62 }), Err(Errno::FBig));
    // Two buffers, of which the second does not fit whole: an answer in part.
    let iovs_len = guest.iov(&[(BUF, 3), (BUF, 4)]);
    guest.ok(Call::FdWrite { fd: b, iovs: IOV, iovs_len, nwritten: OUT });
    assert_eq!(guest.u32(OUT), 5);
    assert_eq!(guest.done(Call::FdFilestatSetSize { fd: b, size: 6 }), Err(Errno::NoSpc));
    guest.ok(Call::FdFilestatSetSize { fd: a, size: 9 });
    guest.ok(Call::FdFilestatSetSize { fd: b, size: 6 });
}

#[test]
fn limits_of_calls_are_answered_not_crossed() {
    let mut guest =
        Guest::with(Limits { iovecs: 2, call_bytes: 8, descriptors: 5, path_bytes: 8, ..Limits::default() });
    let fd = guest.open("f", CREAT, ALL, 0).unwrap();
    assert_eq!(guest.open("f", 0, ALL, 0), Err(Errno::MFile));
    assert_eq!(guest.done(Call::BsdOpen { domain: 1, kind: 6, protocol: 0 }), Err(Errno::MFile));
    assert_eq!(guest.open("g", CREAT, ALL, 0), Err(Errno::MFile));
    assert_eq!(guest.write(1, b"0123456789"), 8, "cut at call_bytes");
    // A file takes and gives all of it: programs take a short answer for the end.
    assert_eq!(guest.write(fd, b"0123456789"), 10);
    seek(&mut guest, fd, 0, 0).unwrap();
    assert_eq!(guest.read(fd, 100), b"0123456789");
    let iovs_len = guest.iov(&[(BUF, 1), (BUF, 1), (BUF, 1)]);
    let write = Call::FdWrite { fd, iovs: IOV, iovs_len, nwritten: OUT };
    assert_eq!(guest.done(write), Err(Errno::Inval));
    guest.ok(Call::FdClose { fd });
    assert_eq!(guest.open("g", 0, ALL, 0), Err(Errno::NoEnt), "a failed open made nothing");
    assert_eq!(guest.open("123456789", CREAT, ALL, 0), Err(Errno::NameTooLong));
    assert_eq!(guest.open("", 0, ALL, 0), Err(Errno::NoEnt));
    assert_eq!(guest.open("a\0b", 0, ALL, 0), Err(Errno::Inval));
}

#[test]
fn the_image_is_there_and_protected() {
    let file = FsEntry { path: b"conf".to_vec(), node: FsNode::File(b"k=v".to_vec()), read_only: true };
    let mut kernel = Kernel::new(Limits::default(), EPOCH, &FsImage::from_entries(vec![file.clone()])).unwrap();
    let pid = kernel.spawn(common::spec("main")).unwrap();
    let mut guest = Guest { kernel, pid, memory: vec![0; common::MEMORY] };
    let fd = guest.open("/conf", 0, FD_READ, 0).unwrap();
    assert_eq!(guest.read(fd, 9), b"k=v");
    assert_eq!(guest.open("conf", 0, FD_WRITE, 0), Err(Errno::Rofs));
    let small = Limits { file_bytes: 2, ..Limits::default() };
    let error = Kernel::new(small, 0, &FsImage::from_entries(vec![file])).err();
    assert_eq!(error, Some(ImageError { path: b"conf".to_vec(), errno: Errno::NoSpc }));
}
