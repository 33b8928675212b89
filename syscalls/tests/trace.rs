//! What recordings hold, and how a trace reads.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;
use common::{ADDR, BUF, EVENTS, Guest, OUT, PATH, PATH2, SUBS};
use replicode_log::{LogicalTime, StepHash};
use replicode_syscalls::{Call, Recording, abi::IMPORTS, trace::STEPS_KEPT};

#[test]
fn a_trace_reads_like_strace() {
    let mut guest = Guest::new();
    let (fd, sock) = guest.connection();
    guest.kernel.set_recording(Recording::Trace);
    guest.data(sock, b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nvalue\r\n");
    guest.recv(fd, 65, 0);
    let _ = guest.done(guest.recv_call(fd, 65, 0x40));
    guest.write(fd, b"+OK\r\n");
    let _ = guest.open("a/b", 5, 0x40, 1);
    let conf = guest.open("conf", 1, 0x40, 0).unwrap();
    let _ = guest.done(Call::FdSeek { fd: conf, offset: u64::MAX, whence: 2, position: OUT });
    guest.ok(Call::ClockTimeGet { id: 1, precision: 1, time: OUT });
    guest.addr([127, 0, 0, 1], 80);
    let idle = guest.socket();
    guest.ok(Call::BsdBind { fd: idle, addr: ADDR, addr_len: 16 });
    guest.put(PATH, b"\xff");
    let _ = guest.done(Call::BsdResolve { name: PATH, name_len: 1, addrs: OUT, max: 4 });
    guest.call(Call::ProcExit { code: 3 });
    let lines: Vec<String> = guest.kernel.take_trace().iter().map(ToString::to_string).collect();
    let want = [
        r#"0.000001000 [1 main] sock recv(fd=5, len=65, flags=0) = 31 "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nvalue\r\n""#,
        r#"0.000001000 [1 main] sock recv(fd=5, len=65, flags=DONTWAIT) = -1 EAGAIN"#,
        r#"0.000001000 [1 main] wasi fd_write(fd=5, iovs=[5]) = 5 "+OK\r\n""#,
        r#"0.000001000 [1 main] wasi path_open(fd=3, lookup=FOLLOW, path="a/b", oflags=CREAT|EXCL, base=0x40, inheriting=0xffffffffffffffff, flags=APPEND) = -1 ENOENT"#,
        r#"0.000001000 [1 main] wasi path_open(fd=3, lookup=FOLLOW, path="conf", oflags=CREAT, base=0x40, inheriting=0xffffffffffffffff, flags=0) = 0 [opened=6]"#,
        r#"0.000001000 [1 main] wasi fd_seek(fd=6, offset=-1, whence=END) = -1 EINVAL"#,
        r#"0.000001000 [1 main] wasi clock_time_get(id=MONOTONIC, precision=1) = 0 [time=1000]"#,
        "0.000001000 [1 main] sock open(domain=INET, kind=STREAM, protocol=0) = 7",
        "0.000001000 [1 main] sock bind(fd=7, addr=127.0.0.1:80) = 0",
        r#"0.000001000 [1 main] sock resolve(name="\xff", max=4) = -1 ENOENT"#,
        "0.000001000 [1 main] wasi proc_exit(code=3) = 3",
    ];
    assert_eq!(lines, want);
}

#[test]
fn options_polls_and_files_have_names() {
    let mut guest = Guest::new();
    let (fd, sock) = guest.connection();
    let file = guest.open("file", 1, u64::MAX, 4).unwrap();
    guest.write(file, b"four");
    guest.kernel.set_recording(Recording::Trace);
    let (value, value_len) = (BUF, 4);
    guest.put(BUF, &1_u32.to_le_bytes());
    for (level, option) in [(0x7fff_ffff, 2), (6, 1), (6, 77)] {
        guest.call(Call::BsdSetsockopt { fd, level, option, value, value_len });
    }
    guest.put(BUF, &[2_u64.to_le_bytes(), 500_000_u64.to_le_bytes()].concat());
    guest.ok(Call::BsdSetsockopt { fd, level: 0x7fff_ffff, option: 66, value, value_len: 16 });
    guest.put(OUT, &4_u32.to_le_bytes());
    guest.ok(Call::BsdGetsockopt { fd, level: 0x7fff_ffff, option: 4, value, value_len: OUT });
    guest.ok(Call::FdFdstatGet { fd: file, stat: BUF });
    guest.ok(Call::FdFilestatGet { fd: file, stat: BUF });
    guest.ok(Call::FdPrestatDirName { fd: 3, path: BUF, path_len: 1 });
    let target_len = guest.put(PATH, b"file");
    let path_len = guest.put(PATH2, b"link");
    guest.ok(Call::PathSymlink { target: PATH, target_len, fd: 3, path: PATH2, path_len });
    guest.ok(Call::PathReadlink { fd: 3, path: PATH2, path_len, buf: BUF, buf_len: 32, used: OUT });
    guest.data(sock, b"x");
    let mut subscriptions = [0; 3 * 48];
    for (n, (kind, fd)) in [(1, fd), (1, 77), (0, 1)].into_iter().enumerate() {
        subscriptions[n * 48] = 7 + n as u8;
        subscriptions[n * 48 + 8] = kind;
        subscriptions[n * 48 + 16..][..4].copy_from_slice(&fd.to_le_bytes());
    }
    subscriptions[2 * 48 + 24..][..8].copy_from_slice(&1_500_000_000_u64.to_le_bytes());
    guest.put(SUBS, &subscriptions);
    guest.ok(Call::PollOneoff { subscriptions: SUBS, events: EVENTS, count: 3, ready: OUT });
    let lines: Vec<String> = guest.kernel.take_trace().iter().map(ToString::to_string).collect();
    let lines: Vec<&str> = lines.iter().map(|line| line.split_once("[1 main] ").unwrap().1).collect();
    let want = [
        "sock setsockopt(fd=5, level=SOL_SOCKET, option=SO_REUSEADDR, value=1) = 0",
        "sock setsockopt(fd=5, level=IPPROTO_TCP, option=TCP_NODELAY, value=1) = 0",
        "sock setsockopt(fd=5, level=IPPROTO_TCP, option=77, value=1) = -1 ENOPROTOOPT",
        "sock setsockopt(fd=5, level=SOL_SOCKET, option=SO_RCVTIMEO, value=2.500000) = 0",
        "sock getsockopt(fd=5, level=SOL_SOCKET, option=SO_ERROR) = 0 [value=0]",
        "wasi fd_fdstat_get(fd=6) = 0 [stat=REGULAR_FILE NONBLOCK]",
        "wasi fd_filestat_get(fd=6) = 0 [stat=REGULAR_FILE ino=22 size=4]",
        "wasi fd_prestat_dir_name(fd=3, path_len=1) = 0 [path=\"/\"]",
        "wasi path_symlink(target=\"file\", fd=3, path=\"link\") = 0",
        "wasi path_readlink(fd=3, path=\"link\", buf_len=32) = 0 [buf=\"file\", used=4]",
        "wasi poll_oneoff(subscriptions=[5 read, 77 read, MONOTONIC in 1.500000000], count=3) = 0 \
         [events=[5 read, 77 read EBADF], ready=2]",
    ];
    assert_eq!(lines, want);
}

#[test]
fn pointers_outside_memory_are_shown_as_such() {
    let mut guest = Guest::new();
    guest.kernel.set_recording(Recording::Trace);
    for import in IMPORTS {
        guest.call((import.make)(&[u64::MAX; 9]));
    }
    let lines: Vec<String> = guest.kernel.take_trace().iter().map(ToString::to_string).collect();
    assert!(lines.iter().any(|line| line.contains("path_unlink_file(fd=4294967295, path=0xffffffff) = -1 EBADF")));
    assert!(lines.iter().all(|line| line.contains(" = ")));
}

#[test]
fn long_data_is_cut() {
    let mut guest = Guest::new();
    guest.kernel.set_recording(Recording::Trace);
    guest.write(1, &[b'x'; 100]);
    let trace = guest.kernel.take_trace();
    assert_eq!((trace[0].data.len(), trace[0].moved), (32, 100));
    assert!(trace[0].to_string().ends_with(r#" = 100 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"..."#));
    assert!(guest.kernel.take_trace().is_empty());
}

#[test]
fn steps_are_kept_when_asked_for_and_differ_by_what_moved() {
    let steps = |bytes: &[u8]| {
        let mut guest = Guest::new();
        guest.write(1, b"not recorded");
        guest.kernel.set_recording(Recording::Steps);
        guest.write(1, bytes);
        guest.kernel.set_recording(Recording::Off);
        guest.write(1, b"not recorded");
        (guest.kernel.take_steps(), guest.kernel.trail().take())
    };
    let ((a, trail_a), (b, trail_b)) = (steps(b"one"), steps(b"two"));
    assert_eq!((a.len(), b.len()), (1, 1));
    assert_eq!((a[0].pid, a[0].call), (b[0].pid, b[0].call));
    assert_ne!(a[0].hash, b[0].hash);
    assert_ne!(a[0].hash, StepHash::default());
    assert_ne!(trail_a, trail_b);
    assert_eq!((trail_a.steps, steps(b"one").1), (3, trail_a));
}

/// A loop over calls that all finish is ended by `turn_calls`; what the host keeps of it must not grow with that.
#[test]
fn an_endless_loop_leaves_a_bounded_record() {
    let mut guest = Guest::new();
    guest.kernel.set_recording(Recording::Steps);
    let calls = STEPS_KEPT + 1_000;
    for _ in 0..calls {
        guest.ok(Call::FdFdstatGet { fd: 3, stat: BUF });
    }
    assert_eq!(guest.kernel.trail().take().steps, calls as u64);
    assert_eq!(guest.kernel.take_steps().len(), STEPS_KEPT);
    guest.ok(Call::FdFdstatGet { fd: 3, stat: BUF });
    assert_eq!(guest.kernel.take_steps().len(), 1);
}

/// What the guest is told is in the hash, even when it is the only difference.
#[test]
fn answers_are_in_the_hash() {
    let look = |now: u64| {
        let mut guest = Guest::new();
        guest.at(now);
        guest.kernel.trail().take();
        guest.ok(Call::ClockTimeGet { id: 1, precision: 0, time: OUT });
        guest.kernel.trail().take()
    };
    assert_eq!(look(5_000), look(5_000));
    assert_ne!(look(5_000), look(5_001));
    let draw = |len| {
        let mut guest = Guest::new();
        guest.kernel.trail().take();
        guest.ok(Call::RandomGet { buf: BUF, buf_len: len });
        guest.kernel.trail().take()
    };
    assert_ne!(draw(4), draw(5));
}

#[test]
fn a_trace_has_the_process_s_time() {
    let mut guest = Guest::new();
    guest.kernel.set_recording(Recording::Trace);
    for _ in 0..2 {
        guest.ok(Call::ClockTimeGet { id: 1, precision: 0, time: OUT });
    }
    guest.at(2_000_000_000);
    guest.ok(Call::SchedYield {});
    let times: Vec<LogicalTime> = guest.kernel.take_trace().iter().map(|record| record.time).collect();
    assert_eq!(times.iter().map(|time| time.nanos()).collect::<Vec<_>>(), [1_000, 1_000, 2_000_000_000]);
}
