//! Programs of WASI preview 1 as functions: what they find, how they end, and that every limit holds for them.

use super::{LIMITS, World as Plain, engine};
use replicode_log::{FsEntry, FsImage, FsNode};
use replicode_wasm::functions::wasi::World;
use replicode_wasm::functions::{Failure, FunctionCode, LoadError, Run, RunLimits};

fn compiled(body: &str, world: &World) -> Result<FunctionCode<Plain>, LoadError> {
    engine().compile_program(&wat::parse_str(body).unwrap(), world)
}

/// A program with the usual calls at hand.
fn program(body: &str) -> String {
    format!(
        r#"(module
        (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
        (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "path_open"
            (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_allocate" (func $allocate (param i32 i64 i64) (result i32)))
        (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 2 2000)
        (func $put (param $fd i32) (param $at i32) (param $len i32)
            (i32.store (i32.const 0) (local.get $at)) (i32.store (i32.const 4) (local.get $len))
            (if (call $write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8)) (then unreachable)))
        (func (export "_start") (local $i i32) (local $n i32) {body}))"#
    )
}

fn run(body: &str, world: &World, limits: RunLimits, input: &[u8]) -> (Result<(), Failure>, Box<Run<Plain>>) {
    let code = compiled(&program(body), world).unwrap();
    let mut run = Box::new(Run::new(Plain::default()));
    run.begin(limits);
    let (run, result) = run.execute(&code, "process", input);
    (result, run)
}

/// Copies all of standard input to standard output.
const COPY: &str = "(loop $next
    (i32.store (i32.const 0) (i32.const 4096)) (i32.store (i32.const 4) (i32.const 1000))
    (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
    (local.set $n (i32.load (i32.const 8)))
    (if (local.get $n) (then (call $put (i32.const 1) (i32.const 4096) (local.get $n)) (br $next))))";

/// Writes so many bytes to a stream, `each` at a time.
fn flood(fd: u32, times: u32, each: u32) -> String {
    format!(
        "(memory.fill (i32.const 4096) (i32.const 108) (i32.const {each}))
        (i32.store8 (i32.const {}) (i32.const 10))
        (loop $next (call $put (i32.const {fd}) (i32.const 4096) (i32.const {each}))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $next (i32.lt_u (local.get $i) (i32.const {times}))))",
        4096 + each - 1
    )
}

#[test]
fn input_is_standard_input_and_output_standard_output() {
    for bytes in [0usize, 1, 999, 1000, 1001, 100_000] {
        let input: Vec<u8> = (0..bytes).map(|at| (at % 251) as u8).collect();
        let (result, run) = run(COPY, &World::default(), LIMITS, &input);
        assert_eq!((result, run.output), (Ok(()), input));
    }
}

#[test]
fn the_exit_code_is_the_code_and_standard_error_the_log() {
    let says = |text: &str, code: u32| {
        let bytes: Vec<String> = text.bytes().enumerate().map(|(at, byte)| store(4096 + at, byte)).collect();
        format!(
            "{} (call $put (i32.const 2) (i32.const 4096) (i32.const {})) (call $exit (i32.const {code}))",
            bytes.concat(),
            text.len()
        )
    };
    let (result, ended) = run(&says("one\ntwo\n\nthree", 7), &World::default(), LIMITS, b"");
    assert_eq!(result, Err(Failure::Plugin { code: 7, message: "three".into() }));
    assert_eq!(ended.host.lines, [&b"one"[..], b"two", b"", b"three"]);
    let (result, ended) = run(&says("one\n", 0), &World::default(), LIMITS, b"");
    assert_eq!((result, ended.host.lines.len()), (Ok(()), 1));
    let (result, _) = run("unreachable", &World::default(), LIMITS, b"");
    assert!(matches!(result, Err(Failure::Trap(_))), "{result:?}");
}

fn store(at: usize, byte: u8) -> String {
    format!("(i32.store8 (i32.const {at}) (i32.const {byte}))")
}

#[test]
fn clock_and_random_numbers_are_equal_in_each_execution_and_sleep_takes_no_time() {
    // The time, forty random bytes, an hour of sleep, the time.
    let body = "(drop (call $clock (i32.const 0) (i64.const 1) (i32.const 4096)))
        (drop (call $random (i32.const 4104) (i32.const 40)))
        (i64.store (i32.const 64) (i64.const 0))
        (i32.store (i32.const 80) (i32.const 1))
        (i64.store (i32.const 88) (i64.const 3600000000000))
        (if (call $poll (i32.const 64) (i32.const 200) (i32.const 1) (i32.const 8)) (then unreachable))
        (drop (call $clock (i32.const 0) (i64.const 1) (i32.const 4144)))
        (call $put (i32.const 1) (i32.const 4096) (i32.const 56))";
    let began = std::time::Instant::now();
    let (first, again) = (run(body, &World::default(), LIMITS, b""), run(body, &World::default(), LIMITS, b""));
    assert_eq!((&first.0, &again.0), (&Ok(()), &Ok(())));
    assert!(began.elapsed().as_secs() < 600);
    assert_eq!((&first.1.output, first.1.fuel()), (&again.1.output, again.1.fuel()));
    let time = |at: usize| u64::from_le_bytes(first.1.output[at..at + 8].try_into().unwrap());
    assert!((946_684_800_000_000_000..946_684_801_000_000_000).contains(&time(0)), "{}", time(0));
    assert!((3_600_000_000_000..3_601_000_000_000).contains(&(time(48) - time(0))), "{}", time(48) - time(0));
    assert!(first.1.output[8..48].iter().any(|byte| *byte != 0));
}

#[test]
fn files_are_those_of_the_load_and_what_is_written_is_gone() {
    let entry = |path: &str, node, read_only| FsEntry { path: path.into(), node, read_only };
    let files = FsImage {
        entries: vec![
            entry("d", FsNode::Directory, false),
            entry("d/f", FsNode::File(b"content".to_vec()), true),
            entry("d/w", FsNode::File(b"writable".to_vec()), false),
        ],
        preopens: Vec::new(),
    };
    let world = World { files, ..World::default() };
    let name = |text: &str| text.bytes().enumerate().map(|(at, byte)| store(512 + at, byte)).collect::<String>();
    // Opens with rights and flags; the number of the error, or what is in the file, is the output.
    let opens = |path: &str, oflags: u32, rights: u64, then: &str| {
        let len = path.len();
        format!(
            "{}(local.set $n (call $open (i32.const 3) (i32.const 0) (i32.const 512) (i32.const {len}) (i32.const {oflags})
                (i64.const {rights}) (i64.const 0) (i32.const 0) (i32.const 16)))
            (if (local.get $n) (then (i32.store8 (i32.const 4096) (local.get $n))
                (call $put (i32.const 1) (i32.const 4096) (i32.const 1)) (call $exit (i32.const 0))))
            {then}",
            name(path)
        )
    };
    let reads = "(i32.store (i32.const 0) (i32.const 4096)) (i32.store (i32.const 4) (i32.const 1000))
        (drop (call $read (i32.load (i32.const 16)) (i32.const 0) (i32.const 1) (i32.const 8)))
        (call $put (i32.const 1) (i32.const 4096) (i32.load (i32.const 8)))";
    let writes = "(i32.store8 (i32.const 4096) (i32.const 87)) (call $put (i32.load (i32.const 16)) (i32.const 4096) (i32.const 1))";
    let output = |body: &str| {
        let (result, run) = run(body, &world, LIMITS, b"");
        assert_eq!(result, Ok(()), "{body}");
        run.output
    };
    let (read, write) = (2, 64);
    assert_eq!(output(&opens("d/f", 0, read, reads)), b"content");
    // errno 69 is EROFS, 44 ENOENT; oflags 1 makes a file.
    assert_eq!(output(&opens("d/f", 0, write, writes)), [69]);
    assert_eq!(output(&opens("d/none", 0, read, reads)), [44]);
    for _ in 0..2 {
        assert_eq!(output(&opens("d/w", 0, read, reads)), b"writable");
        assert_eq!(output(&opens("d/w", 0, write, writes)), b"");
        assert_eq!(output(&opens("d/new", 0, read, reads)), [44]);
        assert_eq!(output(&opens("d/new", 1, write, writes)), b"");
    }
    // A file is memory, too: eight megabytes and no more.
    let allocate = |bytes: u64| {
        opens(
            "d/new",
            1,
            write | 256,
            &format!("(drop (call $allocate (i32.load (i32.const 16)) (i64.const 0) (i64.const {bytes})))"),
        )
    };
    let (result, _) = run(&allocate(7 << 20), &world, LIMITS, b"");
    assert_eq!(result, Ok(()));
    let (result, _) = run(&allocate(9 << 20), &world, LIMITS, b"");
    assert!(matches!(result, Err(Failure::Memory { .. })), "{result:?}");
}

#[test]
fn every_limit_holds_for_programs() {
    // Fuel, with slices of every length.
    let work = flood(1, 300, 900);
    let (result, whole) = run(&work, &World::default(), LIMITS, b"");
    assert_eq!(result, Ok(()));
    let fuel = whole.fuel();
    for slice in [1, 77, 5000, 1 << 40] {
        let limits = |fuel| RunLimits { fuel, first_slice: slice, slice, ..LIMITS };
        let (result, again) = run(&work, &World::default(), limits(fuel), b"");
        assert_eq!((result, again.fuel()), (Ok(()), fuel), "slices of {slice}");
        let (result, again) = run(&work, &World::default(), limits(fuel - 1), b"");
        assert_eq!((result, again.fuel()), (Err(Failure::Fuel(fuel - 1)), fuel - 1), "slices of {slice}");
    }
    // Bytes have a price.
    let (_, little) = run(&flood(1, 1, 9), &World::default(), LIMITS, b"");
    let (_, much) = run(&flood(1, 1, 8009), &World::default(), LIMITS, b"");
    assert!(much.fuel() - little.fuel() >= 8000 / 8, "{} and {}", much.fuel(), little.fuel());
    // Output.
    for (bytes, well) in [(1 << 20, true), ((1 << 20) - 1, true), ((1 << 20) + 1, false)] {
        let (times, rest) = (bytes / 4096, bytes % 4096);
        let tail = if rest == 0 {
            String::new()
        } else {
            format!("(call $put (i32.const 1) (i32.const 4096) (i32.const {rest}))")
        };
        let (result, _) = run(&(flood(1, times, 4096) + &tail), &World::default(), LIMITS, b"");
        assert_eq!(result.is_ok(), well, "{bytes}: {result:?}");
        assert!(well || matches!(result, Err(Failure::Output { .. })));
    }
    // Memory.
    let grow =
        |pages: u32| format!("(if (i32.eq (memory.grow (i32.const {pages})) (i32.const -1)) (then unreachable))");
    let (result, _) = run(&grow(126), &World::default(), LIMITS, b"");
    assert_eq!(result, Ok(()));
    let (result, _) = run(&grow(127), &World::default(), LIMITS, b"");
    assert!(matches!(result, Err(Failure::Memory { .. })), "{result:?}");
    // Time: the host is asked at slices, also by one who only waits.
    let sleeps = "(i32.store (i32.const 80) (i32.const 1)) (i64.store (i32.const 88) (i64.const 1000))
        (loop $next (drop (call $poll (i32.const 64) (i32.const 200) (i32.const 1) (i32.const 8))) (br $next))";
    for body in ["(loop $next (br $next))", sleeps] {
        let code = compiled(&program(body), &World::default()).unwrap();
        let mut run = Box::new(Run::new(Plain { most_slices: Some(5), ..Plain::default() }));
        run.begin(LIMITS);
        let (_, result) = run.execute(&code, "process", b"");
        assert_eq!(result, Err(Failure::Timeout(1)), "{body}");
    }
}

#[test]
fn what_is_no_program_or_imports_something_else_is_refused() {
    let import = |module: &str, name: &str| {
        format!(r#"(module (import "{module}" "{name}" (func)) (memory (export "memory") 1) (func (export "_start")))"#)
    };
    for (module, name) in [
        ("wasi_snapshot_preview1", "sock_accept"),
        ("wasi_snapshot_preview1", "no_such_call"),
        ("wasi_snapshot_preview1", "fd_close"),
        ("replicode_sock_v1", "socket"),
        ("host", "log"),
        ("host", "__slice"),
        ("env", "anything"),
    ] {
        match compiled(&import(module, name), &World::default()) {
            Err(LoadError::Import(why)) => assert!(why.contains(module) && why.contains(name), "{why}"),
            other => panic!("{module}.{name}: {other:?}"),
        }
    }
    let plugin =
        r#"(module (memory (export "memory") 1) (func (export "process") (param i32 i32) (result i32) (i32.const 0)))"#;
    assert!(matches!(compiled(plugin, &World::default()), Err(LoadError::Entry(_))));
    let no_memory = r#"(module (func (export "_start")))"#;
    assert!(matches!(compiled(no_memory, &World::default()), Err(LoadError::Bad(_))));
    let wrong = World { env: vec![("A=B".into(), "x".into())], ..World::default() };
    assert!(matches!(compiled(&program(""), &wrong), Err(LoadError::Bad(_))));
}
