//! What a program finds when it starts: arguments, environment, descriptors, clock, random numbers.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;
use common::{BUF, EPOCH, Guest, OUT, PATH, spec};
use replicode_log::{Egress, ExitStatus, FsImage, Limits, LogicalTime, Pid};
use replicode_syscalls::{Call, Errno, Kernel, ProcessState, SpawnError, Step};

#[test]
fn arguments_and_environment() {
    let mut guest = Guest::new();
    guest.ok(Call::ArgsSizesGet { argc: OUT, argv_buf_size: OUT + 4 });
    assert_eq!((guest.u32(OUT), guest.u32(OUT + 4)), (2, 8));
    guest.ok(Call::ArgsGet { argv: OUT, argv_buf: BUF });
    assert_eq!((guest.u32(OUT), guest.u32(OUT + 4)), (BUF, BUF + 5));
    assert_eq!(guest.bytes(BUF, 8), b"main\0-x\0");
    guest.ok(Call::EnvironSizesGet { count: OUT, buf_size: OUT + 4 });
    assert_eq!((guest.u32(OUT), guest.u32(OUT + 4)), (1, 4));
    guest.ok(Call::EnvironGet { environ: OUT, environ_buf: BUF });
    assert_eq!(guest.bytes(BUF, 4), b"A=1\0");
}

/// wasi-libc walks from descriptor 3 until EBADF and aborts on any other error.
#[test]
fn the_walk_over_preopens_finds_the_root_and_ends() {
    let mut guest = Guest::new();
    guest.ok(Call::FdPrestatGet { fd: 3, prestat: OUT });
    assert_eq!((guest.u32(OUT), guest.u32(OUT + 4)), (0, 1));
    guest.ok(Call::FdPrestatDirName { fd: 3, path: BUF, path_len: 1 });
    assert_eq!(guest.bytes(BUF, 1), b"/");
    assert_eq!(guest.done(Call::FdPrestatDirName { fd: 3, path: BUF, path_len: 0 }), Err(Errno::NameTooLong));
    assert_eq!(guest.done(Call::FdPrestatGet { fd: 4, prestat: OUT }), Err(Errno::BadF));
    // A directory that was merely opened is not a preopen.
    let fd = guest.open(".", 2, 0, 0).unwrap();
    assert_eq!(guest.done(Call::FdPrestatGet { fd, prestat: OUT }), Err(Errno::BadF));
}

#[test]
fn what_is_printed_goes_to_a_terminal_and_what_is_read_comes_from_a_pipe() {
    let mut guest = Guest::new();
    for fd in 0..3 {
        guest.ok(Call::FdFdstatGet { fd, stat: OUT });
        assert_eq!(guest.bytes(OUT, 1), [if fd == 0 { 0 } else { 2 }], "character device");
        let seek_and_tell = (1 << 2) | (1 << 5);
        assert_eq!(guest.u64(OUT + 8) & seek_and_tell, 0);
        assert_eq!(guest.done(Call::FdSeek { fd, offset: 0, whence: 1, position: OUT }), Err(Errno::SPipe));
    }
    let call = guest.read_call(1, 1);
    assert_eq!(guest.done(call), Err(Errno::BadF));
    guest.iov(&[(BUF, 1)]);
    assert_eq!(guest.done(Call::FdWrite { fd: 0, iovs: common::IOV, iovs_len: 1, nwritten: OUT }), Err(Errno::BadF));
}

#[test]
fn listeners_are_open_from_descriptor_4() {
    let mut kernel = Kernel::new(Limits::default(), EPOCH, &FsImage::default()).unwrap();
    let pid = kernel.spawn(replicode_syscalls::ProcessSpec { listeners: vec![80, 443], ..spec("web") }).unwrap();
    let ports: Vec<_> = std::iter::from_fn(|| kernel.poll_net())
        .map(|event| if let Egress::Listen { port, .. } = event { port } else { 0 })
        .collect();
    assert_eq!(ports, [80, 443]);
    let mut guest = Guest { kernel, pid, memory: vec![0; common::MEMORY] };
    guest.resumed();
    guest.ok(Call::EnvironGet { environ: OUT, environ_buf: BUF });
    assert_eq!(guest.bytes(BUF, 38), b"A=1\0LISTEN_FDS=2\0LISTEN_FDS_START=4\0\0\0");
    assert_eq!(guest.done(Call::FdPrestatGet { fd: 4, prestat: OUT }), Err(Errno::BadF));
    guest.addr([0; 4], 0);
    guest.ok(Call::BsdGetsockname { fd: 5, addr: common::ADDR, addr_len: common::ADDR_LEN });
    assert_eq!(guest.addr_found(), ([0; 4], 443));
    assert_eq!(guest.done(Call::SockAccept { fd: 6, flags: 4, accepted: OUT }), Err(Errno::BadF));
    guest.fd_flags(4, 4);
    assert_eq!(guest.done(Call::SockAccept { fd: 4, flags: 4, accepted: OUT }), Err(Errno::Again));
}

#[test]
fn what_cannot_be_started_is_named() {
    let mut kernel = Kernel::new(
        Limits { processes: 1, descriptors: 5, args_bytes: 40, ..Limits::default() },
        0,
        &FsImage::default(),
    )
    .unwrap();
    let with = |listeners: &[u16]| replicode_syscalls::ProcessSpec { listeners: listeners.to_vec(), ..spec("main") };
    assert_eq!(kernel.spawn(with(&[1, 2])), Err(SpawnError::Descriptors { listeners: 2, max: 5 }));
    assert_eq!(kernel.spawn(with(&[0])), Err(SpawnError::Port(0)));
    let long = replicode_syscalls::ProcessSpec { args: vec!["x".repeat(40)], ..spec("main") };
    assert!(matches!(kernel.spawn(long), Err(SpawnError::Strings(_))));
    assert_eq!(kernel.spawn(with(&[])), Ok(Pid(1)));
    assert_eq!(kernel.spawn(with(&[])), Err(SpawnError::Processes(1)));
    kernel.exit(Pid(1), ExitStatus::Code(3));
    assert_eq!(kernel.spawn(with(&[])), Ok(Pid(2)));
    let states: Vec<_> = kernel.processes().map(|process| process.state).collect();
    assert_eq!(states, [ProcessState::Exited(ExitStatus::Code(3)), ProcessState::Ready]);
}

#[test]
fn clocks_show_the_batch_and_step_at_each_look() {
    let mut guest = Guest::new();
    let look = |guest: &mut Guest, id| {
        guest.ok(Call::ClockTimeGet { id, precision: 0, time: OUT });
        guest.u64(OUT)
    };
    assert_eq!(look(&mut guest, 1), 1_000);
    assert_eq!(look(&mut guest, 1), 1_100);
    assert_eq!(look(&mut guest, 0), EPOCH + 1_200);
    // The process was started at genesis.
    assert_eq!(look(&mut guest, 2), 1_300);
    guest.at(1_350);
    assert_eq!(look(&mut guest, 1), 1_400);
    guest.at(9_000);
    assert_eq!(look(&mut guest, 3), 9_000);
    assert_eq!(guest.done(Call::ClockTimeGet { id: 4, precision: 0, time: OUT }), Err(Errno::Inval));
    guest.ok(Call::ClockResGet { id: 0, resolution: OUT });
    assert_eq!(guest.u64(OUT), 100);
}

#[test]
fn random_numbers_follow_the_seed() {
    let draw = |seed: u8| {
        let mut kernel = Kernel::new(Limits::default(), EPOCH, &FsImage::default()).unwrap();
        let pid = kernel.spawn(replicode_syscalls::ProcessSpec { seed: [seed; 32], ..spec("main") }).unwrap();
        let mut guest = Guest { kernel, pid, memory: vec![0; common::MEMORY] };
        guest.ok(Call::RandomGet { buf: BUF, buf_len: 16 });
        guest.bytes(BUF, 16).to_vec()
    };
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
    // It cannot be answered in part, so the limit of one call does not hold it.
    let mut guest = Guest::with(Limits { call_bytes: 100, ..Limits::default() });
    guest.ok(Call::RandomGet { buf: BUF, buf_len: 101 });
    assert!(guest.bytes(BUF + 93, 8).iter().any(|byte| *byte != 0));
}

#[test]
fn signals_are_refused_and_exit_exits() {
    let mut guest = Guest::new();
    assert_eq!(guest.done(Call::ProcRaise { signal: 6 }), Err(Errno::NotSup));
    assert_eq!(guest.call(Call::ProcExit { code: 7 }), Step::Exit(7));
    guest.kernel.exit(guest.pid, ExitStatus::Code(7));
    assert_eq!(guest.call(Call::SchedYield {}), Step::Exit(0));
    assert_eq!(guest.kernel.next_ready(), None);
}

#[test]
fn names_are_resolved_inside_the_cell() {
    let mut guest = Guest::new();
    guest.kernel.spawn(spec("db")).unwrap();
    guest.kernel.spawn(spec("db")).unwrap();
    let resolve = |guest: &mut Guest, name: &str| {
        let name_len = guest.put(PATH, name.as_bytes());
        guest.done(Call::BsdResolve { name: PATH, name_len, addrs: OUT, max: 4 }).map(|n| {
            assert_eq!(n, 1);
            guest.bytes(OUT, 4).to_vec()
        })
    };
    assert_eq!(resolve(&mut guest, "db"), Ok(vec![10, 77, 0, 2]));
    assert_eq!(resolve(&mut guest, "main"), Ok(vec![10, 77, 0, 1]));
    assert_eq!(resolve(&mut guest, "localhost"), Ok(vec![127, 0, 0, 1]));
    assert_eq!(resolve(&mut guest, "192.0.2.9"), Ok(vec![192, 0, 2, 9]));
    assert_eq!(resolve(&mut guest, "d"), Err(Errno::NoEnt));
    guest.kernel.exit(Pid(2), ExitStatus::Killed);
    assert_eq!(resolve(&mut guest, "db"), Ok(vec![10, 77, 0, 3]));
    guest.put(PATH, &[0xff]);
    for name_len in [1, 0, 0x8000] {
        let resolve = Call::BsdResolve { name: PATH, name_len, addrs: OUT, max: 4 };
        assert_eq!(guest.done(resolve), Err(Errno::NoEnt), "{name_len} bytes");
    }
}

#[test]
fn standard_input_and_output() {
    let mut guest = Guest::with(Limits { recv_window: 8, ..Limits::default() });
    let call = guest.read_call(0, 4);
    guest.waits(call);
    guest.kernel.deliver_stdin(guest.pid, b"hello".to_vec());
    guest.resumed();
    assert_eq!(guest.read(0, 4), b"hell");
    assert_eq!(guest.kernel.poll_stdin_window(), Some((guest.pid, 12)));
    assert_eq!(guest.read(0, 4), b"o");
    guest.fd_flags(0, 4);
    assert_eq!(guest.done(call), Err(Errno::Again));
    guest.kernel.end_stdin(guest.pid);
    assert_eq!(guest.read(0, 4), b"");
    assert_eq!(guest.write(1, b"out"), 3);
    assert_eq!(guest.write(1, b"put"), 3);
    assert_eq!(guest.write(2, b"err"), 3);
    use replicode_log::ConsoleStream::{Stderr, Stdout};
    assert_eq!(guest.kernel.poll_console(), Some((guest.pid, Stdout, b"output".to_vec())));
    assert_eq!(guest.kernel.poll_console(), Some((guest.pid, Stderr, b"err".to_vec())));
    assert_eq!(guest.kernel.poll_console(), None);
}

#[test]
fn without_standard_input_it_is_at_its_end() {
    let mut kernel = Kernel::new(Limits::default(), EPOCH, &FsImage::default()).unwrap();
    let pid = kernel.spawn(replicode_syscalls::ProcessSpec { stdin: false, ..spec("main") }).unwrap();
    assert_eq!(kernel.poll_stdin_window(), None);
    kernel.advance(LogicalTime::from_nanos(1));
    let mut guest = Guest { kernel, pid, memory: vec![0; common::MEMORY] };
    assert_eq!(guest.read(0, 4), b"");
    guest.kernel.deliver_stdin(pid, b"late".to_vec());
    assert_eq!(guest.read(0, 4), b"");
}
