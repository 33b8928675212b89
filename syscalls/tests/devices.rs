//! What every cell has: devices, `/tmp`, a small `/etc`, `/proc/self/fd`; and permission bits.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{BUF, EPOCH, Guest, IOV, OUT, PATH, PATH2};
use replicode_log::{FsEntry, FsImage, FsNode, Limits};
use replicode_syscalls::{Call, Errno, Kernel};

const READ: u64 = 2;
const WRITE: u64 = 1 << 6;
const BOTH: u64 = READ | WRITE;
const CREAT: u32 = 1;
const DIRECTORY: u32 = 2;
const EXCL: u32 = 4;
const TRUNC: u32 = 8;

fn try_write(guest: &mut Guest, fd: u32, len: u32) -> Result<u32, Errno> {
    let iovs_len = guest.iov(&[(BUF, len)]);
    guest.done(Call::FdWrite { fd, iovs: IOV, iovs_len, nwritten: OUT }).map(|_| guest.u32(OUT))
}

/// Each line as Linux 6.1 answers it: a transcript of a C program that does the same to its devices.
#[test]
fn devices_answer_as_those_of_linux() {
    let mut guest = Guest::new();
    for (path, read, write) in [
        ("/dev/null", 0, Ok(3)),
        ("/dev/zero", 8, Ok(3)),
        ("/dev/full", 8, Err(Errno::NoSpc)),
        ("/dev/urandom", 8, Ok(3)),
        ("/dev/random", 8, Ok(3)),
    ] {
        let fd = guest.open(path, 0, BOTH, 0).unwrap();
        guest.put(BUF, &[0xaa; 8]);
        assert_eq!(guest.read(fd, 8).len(), read, "{path}");
        let random = path.ends_with("random");
        assert_eq!(guest.bytes(BUF, 8) == [0; 8], read > 0 && !random, "{path}");
        assert_eq!(try_write(&mut guest, fd, 3), write, "{path}");
        assert_eq!(try_write(&mut guest, fd, 0).err(), write.err(), "{path}");
        for (offset, whence) in [(5, 0), (5, 1), (5, 2), (u64::MAX - 4, 0)] {
            guest.ok(Call::FdSeek { fd, offset, whence, position: OUT });
            assert_eq!(guest.u64(OUT), 0, "{path}");
        }
        let (iovs, iovs_len) = (IOV, guest.iov(&[(BUF, 8)]));
        let cases = [
            (Call::FdSeek { fd, offset: 5, whence: 77, position: OUT }, Err(Errno::Inval)),
            (Call::FdPread { fd, iovs, iovs_len, offset: 100, nread: OUT }, Ok(0)),
            (Call::FdPwrite { fd, iovs, iovs_len, offset: 100, nwritten: OUT }, write.map(|_| 0)),
            (Call::FdPread { fd, iovs, iovs_len, offset: u64::MAX, nread: OUT }, Err(Errno::Inval)),
            (Call::FdFilestatSetSize { fd, size: 0 }, Err(Errno::Inval)),
            (Call::FdSync { fd }, Err(Errno::Inval)),
            (Call::FdDatasync { fd }, Err(Errno::Inval)),
            (Call::FdAllocate { fd, offset: 0, len: 10 }, Err(Errno::NoDev)),
            (Call::FdAdvise { fd, offset: 0, len: 0, advice: 0 }, Ok(0)),
            (Call::FdAdvise { fd, offset: 0, len: 0, advice: 9 }, Err(Errno::Inval)),
            (Call::FdFilestatSetTimes { fd, atim: 0, mtim: 0, flags: 2 }, Ok(0)),
            (Call::PathUnlinkFile { fd, path: PATH, path_len: 1 }, Err(Errno::NotDir)),
        ];
        for (call, want) in cases {
            assert_eq!(guest.done(call), want, "{path} {call:?}");
        }
        guest.ok(Call::FdFilestatGet { fd, stat: OUT });
        assert_eq!((guest.u64(OUT + 16), guest.u64(OUT + 32)), (2, 0), "a character device");
        guest.ok(Call::FdFdstatGet { fd, stat: OUT });
        assert_ne!(guest.u64(OUT + 8) & (1 << 2 | 1 << 5), 0, "it seeks, so wasi-libc takes it for no terminal");
        assert_eq!(guest.open(path, DIRECTORY, READ, 0), Err(Errno::NotDir));
        assert_eq!(guest.open(path, CREAT | EXCL, READ, 0), Err(Errno::Exist));
        let cut = guest.open(path, CREAT | TRUNC, WRITE, 1).unwrap();
        let call = guest.read_call(cut, 1);
        assert_eq!(guest.done(call), Err(Errno::BadF));
    }
}

#[test]
fn random_bytes_are_those_of_the_process() {
    let draw = |guest: &mut Guest, device: bool| {
        let fd = guest.open("/dev/urandom", 0, READ, 0).unwrap();
        if device {
            return guest.read(fd, 16);
        }
        guest.ok(Call::RandomGet { buf: BUF, buf_len: 16 });
        guest.bytes(BUF, 16).to_vec()
    };
    let (mut one, mut two) = (Guest::new(), Guest::new());
    assert_eq!(draw(&mut one, true), draw(&mut two, false));
    assert_eq!(draw(&mut one, false), draw(&mut two, true));
}

#[test]
fn what_is_given_is_there_and_costs_nothing() {
    let mut guest = Guest::with(Limits { inodes: 2, file_bytes: 4, path_depth: 1, ..Limits::default() });
    let fd = guest.open("/etc/passwd", 0, READ, 0).unwrap();
    assert!(guest.read(fd, 100).starts_with(b"root:x:0:0:"));
    let fd = guest.open("/tmp/f", CREAT, BOTH, 0).unwrap();
    assert_eq!(guest.write(fd, b"12345"), 4, "the limits are the program's own");
    assert_eq!(guest.open("/var/tmp/g", CREAT, BOTH, 0), Err(Errno::NoSpc));
    assert_eq!(guest.open("/proc/g", CREAT, BOTH, 0), Err(Errno::Rofs));
}

fn kernel_of(entries: Vec<FsEntry>, preopens: &[&str]) -> Guest {
    let preopens = preopens.iter().map(ToString::to_string).collect();
    let image = FsImage { preopens, ..FsImage::from_entries(entries) };
    let mut kernel = Kernel::new(Limits::default(), EPOCH, &image).unwrap();
    let pid = kernel.spawn(common::spec("main")).unwrap();
    Guest { kernel, pid, memory: vec![0; common::MEMORY] }
}

fn entry(path: &str, node: FsNode, read_only: bool) -> FsEntry {
    FsEntry { path: path.into(), node, read_only }
}

#[test]
fn what_is_imported_stays_as_it_was_imported() {
    let passwd = FsNode::File(b"www:x:80:80::/:/bin/false".to_vec());
    let mut guest = kernel_of(
        vec![
            entry("etc", FsNode::Directory, true),
            entry("etc/passwd", passwd, true),
            entry("dev", FsNode::File(b"mine".to_vec()), false),
            entry("var", FsNode::Symlink(b"/srv".to_vec()), false),
        ],
        &[],
    );
    let fd = guest.open("/etc/passwd", 0, READ, 0).unwrap();
    assert!(guest.read(fd, 100).starts_with(b"www"));
    let fd = guest.open("/dev", 0, READ, 0).unwrap();
    assert_eq!(guest.read(fd, 100), b"mine");
    assert_eq!(guest.open("/var/tmp", 0, READ, 0), Err(Errno::NoEnt));
    // What is missing is added, whatever stands beside it, and changes nothing else.
    guest.open("/etc/group", 0, READ, 0).unwrap();
    assert_eq!(guest.open("/etc/new", CREAT, WRITE, 0), Err(Errno::Rofs));
}

/// As the transcript of a C program on Linux has it.
#[test]
fn names_of_descriptors_open_what_they_stand_for() {
    let mut guest = Guest::new();
    let file = guest.open("f", CREAT, BOTH, 0).unwrap();
    guest.write(file, b"content");
    let dir = guest.open("tmp", DIRECTORY, 0, 0).unwrap();
    let socket = guest.socket();
    let of = |fd: u32| format!("/proc/self/fd/{fd}");
    // A file is opened anew.
    let again = guest.open(&of(file), 0, BOTH, 0).unwrap();
    assert_eq!(guest.read(again, 100), b"content");
    guest.open(&format!("/dev/fd/{dir}"), DIRECTORY, 0, 0).unwrap();
    let cases = [
        (of(socket), 0, READ, Err(Errno::Nxio)),
        (of(99), 0, READ, Err(Errno::NoEnt)),
        (of(99), CREAT, WRITE, Err(Errno::NoEnt)),
        ("/proc/self/fd/xx".into(), 0, READ, Err(Errno::NoEnt)),
        ("/proc/self/fd/03".into(), 0, READ, Err(Errno::NoEnt)),
        (of(dir), 0, WRITE, Err(Errno::IsDir)),
        (of(dir), CREAT, READ, Err(Errno::IsDir)),
        (of(dir), CREAT | EXCL, READ, Err(Errno::Exist)),
        (of(file), DIRECTORY, READ, Err(Errno::NotDir)),
        (of(file) + "/", 0, READ, Err(Errno::NotDir)),
        ("/dev/stdin".into(), 0, WRITE, Err(Errno::Acces)),
    ];
    for (path, oflags, rights, want) in cases {
        assert_eq!(guest.open(&path, oflags, rights, 0), want, "{path}");
    }
    for fd in [dir, file] {
        let path_len = guest.put(PATH, of(fd).as_bytes());
        let new_path_len = guest.put(PATH2, b"q");
        let (old_path, new_path) = (PATH, PATH2);
        let nofollow = Call::PathOpen {
            fd: 3,
            lookup: 0,
            path: PATH,
            path_len,
            oflags: 0,
            base: READ,
            inheriting: 0,
            flags: 0,
            opened: OUT,
        };
        assert_eq!(guest.done(nofollow), Err(Errno::Loop));
        assert_eq!(guest.done(Call::PathUnlinkFile { fd: 3, path: PATH, path_len }), Err(Errno::Perm));
        assert_eq!(guest.done(Call::PathRemoveDirectory { fd: 3, path: PATH, path_len }), Err(Errno::NotDir));
        assert_eq!(guest.done(Call::PathCreateDirectory { fd: 3, path: PATH, path_len }), Err(Errno::Exist));
        let rename = Call::PathRename { fd: 3, old_path, old_path_len: path_len, new_fd: 3, new_path, new_path_len };
        assert_eq!(guest.done(rename), Err(Errno::XDev));
        let stat = |lookup| Call::PathFilestatGet { fd: 3, lookup, path: PATH, path_len, stat: OUT };
        guest.ok(stat(0));
        assert_eq!(guest.bytes(OUT + 16, 1), [7]);
        guest.ok(stat(1));
        assert_eq!(guest.bytes(OUT + 16, 1), [if fd == dir { 3 } else { 4 }]);
        guest.ok(Call::PathReadlink { fd: 3, path: PATH, path_len, buf: BUF, buf_len: 64, used: OUT });
        assert_eq!(guest.bytes(BUF, guest.u32(OUT)), if fd == dir { &b"/tmp"[..] } else { b"/f" });
    }
    // Standard output as it is.
    let out = guest.open("/dev/stdout", 0, WRITE, 0).unwrap();
    guest.write(out, b"printed");
    assert_eq!(guest.kernel.poll_console().map(|(_, _, bytes)| bytes), Some(b"printed".to_vec()));
    // All of them are listed, by number, and a cookie goes on behind its number.
    let list = guest.open("/dev/fd", DIRECTORY, 0, 0).unwrap();
    guest.ok(Call::FdReaddir { fd: list, buf: BUF, buf_len: 4096, cookie: 8, used: OUT });
    let entries: u32 = (6..=list).map(|fd| 24 + fd.to_string().len() as u32).sum();
    assert_eq!((guest.u32(OUT), guest.u64(BUF), guest.bytes(BUF + 24, 1)), (entries, 9, &b"6"[..]));
}

#[test]
fn permission_bits_are_kept_and_refuse_nothing() {
    let mut guest = Guest::new();
    let fd = guest.open("f", CREAT, BOTH, 0).unwrap();
    let mode = |guest: &mut Guest, path: &str| {
        let path_len = guest.put(PATH, path.as_bytes());
        guest.ok(Call::Mode { fd: 3, path: PATH, path_len, lookup: 1 })
    };
    for (path, want) in [("f", 0o644), ("/tmp", 0o1777), ("/etc", 0o755), ("/dev/null", 0o666), (".", 0o755)] {
        assert_eq!(mode(&mut guest, path), want, "{path}");
    }
    let path_len = guest.put(PATH, b"f");
    guest.ok(Call::Chmod { fd: 3, path: PATH, path_len, lookup: 1, mode: 0o100_400 });
    assert_eq!(mode(&mut guest, "f"), 0o400);
    guest.open("f", 0, WRITE, 0).unwrap();
    guest.ok(Call::Chmod { fd, path: 0, path_len: 0, lookup: 0, mode: 0o750 });
    assert_eq!(guest.ok(Call::Mode { fd, path: 0, path_len: 0, lookup: 0 }), 0o750);
    guest.ok(Call::Chmod { fd: 1, path: 0, path_len: 0, lookup: 0, mode: 0o600 });
    assert_eq!(guest.done(Call::Chmod { fd: 99, path: 0, path_len: 0, lookup: 0, mode: 0 }), Err(Errno::BadF));
    let target_len = guest.put(PATH, b"f");
    let path_len = guest.put(PATH2, b"l");
    guest.ok(Call::PathSymlink { target: PATH, target_len, fd: 3, path: PATH2, path_len });
    let chmod = |lookup| Call::Chmod { fd: 3, path: PATH2, path_len, lookup, mode: 0o600 };
    assert_eq!(guest.done(chmod(0)), Err(Errno::NotSup));
    guest.ok(chmod(1));
    assert_eq!(mode(&mut guest, "f"), 0o600);
}

/// A directory descriptor confines; the preopened root, which has no outside, does not.
#[test]
fn preopens_have_their_names_and_directories_confine() {
    let entries = vec![
        entry("www", FsNode::Directory, false),
        entry("www/index", FsNode::File(b"hello".to_vec()), false),
        entry("www/out", FsNode::Symlink(b"../etc".to_vec()), false),
        entry("www/abs", FsNode::Symlink(b"/etc".to_vec()), false),
        entry("ro", FsNode::Directory, true),
    ];
    let mut guest = kernel_of(entries, &[".", "./www", "ro"]);
    for (fd, name) in [(3, "/"), (4, "."), (5, "./www"), (6, "ro")] {
        guest.ok(Call::FdPrestatGet { fd, prestat: OUT });
        assert_eq!(guest.u32(OUT + 4), name.len() as u32);
        guest.ok(Call::FdPrestatDirName { fd, path: BUF, path_len: 9 });
        assert_eq!(guest.bytes(BUF, name.len() as u32), name.as_bytes());
    }
    assert_eq!(guest.done(Call::FdPrestatGet { fd: 7, prestat: OUT }), Err(Errno::BadF));
    let at = |guest: &mut Guest, fd: u32, path: &str, oflags: u32, base: u64| {
        let path_len = guest.put(PATH, path.as_bytes());
        let call =
            Call::PathOpen { fd, lookup: 1, path: PATH, path_len, oflags, base, inheriting: 0, flags: 0, opened: OUT };
        guest.done(call).map(|_| guest.u32(OUT))
    };
    for fd in [3, 4] {
        for path in ["..", "/etc", "../../etc/passwd", "www/abs", "www/out"] {
            assert!(at(&mut guest, fd, path, 0, 0).is_ok(), "{fd} {path}");
        }
    }
    let here = at(&mut guest, 3, ".", DIRECTORY, 0).unwrap();
    for (fd, path) in [(here, ".."), (here, "/etc"), (here, "www/../../x"), (here, "www/abs")] {
        assert_eq!(at(&mut guest, fd, path, 0, 0), Err(Errno::Perm), "{fd} {path}");
    }
    assert!(at(&mut guest, here, "www/../www/out/passwd", 0, 0).is_ok(), "a way back in is none out");
    for path in ["..", "../www", "/www", "out", "abs", "index/../../x"] {
        let want = if path.starts_with("index") { Errno::NotDir } else { Errno::Perm };
        assert_eq!(at(&mut guest, 5, path, 0, 0), Err(want), "{path}");
    }
    let fd = at(&mut guest, 5, "./index", 0, READ).unwrap();
    assert_eq!(guest.read(fd, 9), b"hello");
    let target_len = guest.put(PATH2, b"/etc");
    let path_len = guest.put(PATH, b"link");
    let symlink = |fd| Call::PathSymlink { target: PATH2, target_len, fd, path: PATH, path_len };
    assert_eq!(guest.done(symlink(5)), Err(Errno::Perm));
    guest.ok(symlink(3));
    // Read-only is told in the words of each: POSIX has EROFS, Wasmtime EPERM.
    assert_eq!(at(&mut guest, 3, "ro/new", CREAT, WRITE), Err(Errno::Rofs));
    assert_eq!(at(&mut guest, 6, "new", CREAT, WRITE), Err(Errno::Perm));
    // Under a name of its own, a directory is as it was imported.
    let listed = |guest: &mut Guest, fd| {
        guest.ok(Call::FdReaddir { fd, buf: BUF, buf_len: 4096, cookie: 0, used: OUT });
        guest.bytes(BUF, guest.u32(OUT)).windows(3).any(|name| name == b"dev")
    };
    assert_eq!((listed(&mut guest, 3), listed(&mut guest, 4)), (true, false));
}
