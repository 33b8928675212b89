//! Guests on the real engine and the real kernel: they run, wait, go on, and end each in its own way.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use common::{Cell, ending, program, stdout};
use replicode_log::{ExitStatus, Input, Limits, LogicalTime, Pid, TrapKind};

const HELLO: &str = "(call $print (i32.const 64) (i32.const 6))";

#[test]
fn a_program_prints_and_ends() {
    let applied = Cell::run_one(&program("", HELLO));
    assert_eq!(stdout(&applied, 1), "hello\n");
    assert_eq!(ending(&applied, 1), Some(ExitStatus::Code(0)));
    assert_eq!(applied.next_deadline, None);
}

#[test]
fn proc_exit_carries_its_code_through_all_frames() {
    let deep = "(func $deep (param i32) (if (local.get 0) (then (call $deep (i32.sub (local.get 0) (i32.const 1))))
        (else (call $proc_exit (i32.const 258)))) unreachable)";
    let applied = Cell::run_one(&program(deep, "(call $deep (i32.const 100))"));
    assert_eq!(ending(&applied, 1), Some(ExitStatus::Code(258)));
}

#[test]
fn a_guest_waits_in_a_call_and_goes_on_there() {
    let wasm = program("", &format!("{HELLO} (call $sleep (i64.const 1000)) {HELLO} (call $proc_exit (i32.const 3))"));
    let mut cell = Cell::new(Limits::default(), &[("main", &wasm)]);
    let first = cell.batch(1_000_000, Vec::new());
    assert_eq!((stdout(&first, 1).as_str(), ending(&first, 1)), ("hello\n", None));
    let due = first.next_deadline.unwrap();
    assert!(due > LogicalTime::from_nanos(1_000_999) && due < LogicalTime::from_nanos(1_002_000), "{due}");
    let early = cell.batch(due.nanos() - 1, Vec::new());
    assert_eq!((stdout(&early, 1).as_str(), early.next_deadline), ("", Some(due)));
    let woken = cell.batch(due.nanos(), Vec::new());
    assert_eq!((stdout(&woken, 1).as_str(), ending(&woken, 1)), ("hello\n", Some(ExitStatus::Code(3))));
}

#[test]
fn every_kind_of_trap_has_its_name_and_ends_one_process_only() {
    let cases = [
        ("", "unreachable", TrapKind::Unreachable),
        ("", "(drop (i32.load (i32.const -4)))", TrapKind::OutOfBounds),
        ("", "(drop (i32.div_u (i32.const 1) (i32.const 0)))", TrapKind::Arithmetic),
        ("", "(drop (i32.div_s (i32.const 0x80000000) (i32.const -1)))", TrapKind::Arithmetic),
        ("", "(drop (i32.trunc_f32_s (f32.const nan)))", TrapKind::Arithmetic),
        ("(table 1 funcref) (type $f (func))", "(call_indirect (type $f) (i32.const 0))", TrapKind::BadCall),
        ("(table 1 funcref) (type $f (func))", "(call_indirect (type $f) (i32.const 9))", TrapKind::OutOfBounds),
        (
            "(table funcref (elem $g)) (type $f (func)) (func $g (param i32))",
            "(call_indirect (type $f) (i32.const 0))",
            TrapKind::BadCall,
        ),
        ("(tag $t)", "(throw $t)", TrapKind::Other),
        ("(func $r (call $r) (call $r))", "(call $r)", TrapKind::StackOverflow),
        ("(data (i32.const 65535) \"too long\")", "", TrapKind::OutOfBounds),
    ];
    for (fields, body, kind) in cases {
        let (bad, good) = (program(fields, body), program("", HELLO));
        let mut cell = Cell::new(Limits::default(), &[("bad", &bad), ("good", &good)]);
        let applied = cell.batch(1, Vec::new());
        assert_eq!(ending(&applied, 1), Some(ExitStatus::Trap(kind)), "{body}");
        assert_eq!(ending(&applied, 2), Some(ExitStatus::Code(0)), "{body}");
        assert_eq!(applied.notes.len(), 1, "where it happened is told here: {body}");
    }
}

#[test]
fn a_trap_says_where_it_happened() {
    let applied = Cell::run_one(&program("(func $culprit unreachable)", "(call $culprit)"));
    assert!(applied.notes[0].text.contains("culprit"), "{}", applied.notes[0].text);
}

/// With x = 1 + 2^-12 the product x * x is no f32: only a fused x * x - (1 + 2^-11) has something left.
#[test]
fn a_product_and_a_sum_are_fused_where_the_program_says_so_and_nowhere_else() {
    let fields = r#"
        (data (i32.const 512) "\00\08\80\3f\00\10\80\bf\01\00\a0\ff")
        (func $scalar (param f32 f32 f32) (result i32)
            (i32.reinterpret_f32 (f32.add (f32.mul (local.get 0) (local.get 1)) (local.get 2))))
        (func $relaxed (param f32 f32 f32) (result i32)
            (i32x4.extract_lane 3 (f32x4.relaxed_madd
                (f32x4.splat (local.get 0)) (f32x4.splat (local.get 1)) (f32x4.splat (local.get 2)))))
        (func $x (result f32) (f32.load (i32.const 512)))
        (func $minus (result f32) (f32.load (i32.const 516)))
        (func $nan (result f32) (f32.load (i32.const 520)))
        (func $must (param i32 i32) (if (i32.ne (local.get 0) (local.get 1)) (then unreachable)))"#;
    let body = r#"
        (call $must (call $scalar (call $x) (call $x) (call $minus)) (i32.const 0))
        (call $must (call $relaxed (call $x) (call $x) (call $minus)) (i32.const 0x33800000))
        ;; The NaN of the program has a sign and a payload.
        (call $must (call $relaxed (call $x) (call $nan) (call $minus)) (i32.const 0x7fc00000))
        (call $must (call $scalar (call $x) (call $nan) (call $minus)) (i32.const 0x7fc00000))
        (call $print (i32.const 64) (i32.const 6))"#;
    let applied = Cell::run_one(&program(fields, body));
    assert_eq!((stdout(&applied, 1).as_str(), ending(&applied, 1)), ("hello\n", Some(ExitStatus::Code(0))));
}

#[test]
fn exceptions_are_caught() {
    let fields = "(tag $t (param i32)) (func $risky (throw $t (i32.const 7)))";
    let body = "(block $caught (result i32) (try_table (catch $t $caught) (call $risky)) (i32.const 0)) (call $digit)";
    assert_eq!(stdout(&Cell::run_one(&program(fields, body)), 1), "7");
}

#[test]
fn many_exceptions_leave_nothing_behind() {
    let fields = "(tag $t (param i32)) (func $risky (param i32) (throw $t (local.get 0)))";
    let body = "(local $n i32) (local.set $n (i32.const 2000000))
        (loop $again
            (block $caught (result i32) (try_table (catch $t $caught) (call $risky (local.get $n))) (i32.const 0))
            drop
            (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (call $digit (i32.const 1))";
    let limits = Limits { memory_bytes: 1 << 20, ..Limits::default() };
    let mut cell = Cell::new(limits, &[("main", &program(fields, body))]);
    assert_eq!(stdout(&cell.batch(1, Vec::new()), 1), "1");
}

/// Prints a digit at every 1024th level: the output tells how deep it came.
const DIVE: &str = "(func $dive (param $level i32)
    (if (i32.eqz (i32.rem_u (local.get $level) (i32.const 1024))) (then (call $digit (i32.const 1))))
    (call $dive (i32.add (local.get $level) (i32.const 1)))
    (call $digit (i32.const 2)))";

#[test]
fn the_stack_ends_at_the_same_depth_each_time_and_grows_with_its_limit() {
    let wasm = program(DIVE, "(call $dive (i32.const 0))");
    let dive = |stack_bytes| {
        let limits = Limits { stack_bytes, ..Limits::default() };
        let applied = Cell::new(limits, &[("main", &wasm)]).batch(1, Vec::new());
        assert_eq!(ending(&applied, 1), Some(ExitStatus::Trap(TrapKind::StackOverflow)));
        (stdout(&applied, 1), applied.digest)
    };
    let first = dive(1 << 20);
    assert!(first.0.len() > 10, "{}", first.0);
    assert_eq!(dive(1 << 20), first);
    assert!(dive(2 << 20).0.len() >= first.0.len() * 2 - 1);
}

#[test]
fn memory_grows_up_to_the_cap_and_then_says_no() {
    let limits = Limits { memory_bytes: 3 << 16, ..Limits::default() };
    let body = "(call $digit (memory.grow (i32.const 2)))
        (call $digit (i32.add (i32.const 1) (memory.grow (i32.const 1))))
        (call $digit (memory.grow (i32.const 0)))
        (i32.store8 (i32.const 0x2ffff) (i32.const 1))";
    let mut cell = Cell::new(limits, &[("main", &program("", body))]);
    let applied = cell.batch(1, Vec::new());
    assert_eq!((stdout(&applied, 1).as_str(), ending(&applied, 1)), ("103", Some(ExitStatus::Code(0))));
}

#[test]
fn a_start_section_may_make_calls_and_even_wait() {
    let fields = format!("(func $init {HELLO} (call $sleep (i64.const 10)) {HELLO}) (start $init)");
    let mut cell = Cell::new(Limits::default(), &[("main", &program(&fields, "(call $digit (i32.const 5))"))]);
    let first = cell.batch(1, Vec::new());
    assert_eq!((stdout(&first, 1).as_str(), ending(&first, 1)), ("hello\n", None));
    let second = cell.batch(1_000, Vec::new());
    assert_eq!((stdout(&second, 1).as_str(), ending(&second, 1)), ("hello\n5", Some(ExitStatus::Code(0))));
}

#[test]
fn a_waiting_guest_can_be_killed_and_a_waiting_cell_dropped() {
    let wasm = program("", "(call $sleep (i64.const 1000000000))");
    let mut cell = Cell::new(Limits::default(), &[("a", &wasm), ("b", &wasm)]);
    cell.batch(1, Vec::new());
    let applied = cell.batch(2, vec![Input::Kill { pid: Pid(1) }]);
    assert_eq!((ending(&applied, 1), ending(&applied, 2)), (Some(ExitStatus::Killed), None));
    drop(cell);
}

#[test]
fn a_guest_that_polls_without_end_gives_up_its_turn() {
    let mut cell = Cell::new(Limits::default(), &[("main", &program("", "(loop (drop (call $sched_yield)) (br 0))"))]);
    for time in 1..5 {
        let applied = cell.batch(time * 1_000_000, Vec::new());
        let next = LogicalTime::from_nanos(time * 1_000_000).plus(Limits::default().spin_quantum_ns);
        assert_eq!(applied.next_deadline, Some(next));
    }
}

/// None of these calls has anything to wait for, and yet the batch ends and the cell's other process gets its turn.
#[test]
fn a_guest_that_makes_calls_without_end_gives_up_its_turn() {
    let fields = r#"(import "wasi_snapshot_preview1" "fd_tell" (func $fd_tell (param i32 i32) (result i32)))"#;
    let text = common::PRELUDE.replacen("(import", &format!("{fields} (import"), 1);
    let text = format!(
        r#"(module {text} (func (export "_start") (loop (drop (call $fd_tell (i32.const 3) (i32.const 8))) (br 0))))"#
    );
    let looping = wat::parse_str(text).unwrap();
    let other = program("", &format!("(call $sleep (i64.const 1000)) {HELLO}"));
    let mut cell =
        Cell::new(Limits { turn_calls: 1000, ..Limits::default() }, &[("loop", &looping), ("other", &other)]);
    let first = cell.batch(1, Vec::new());
    assert!(first.next_deadline.is_some());
    let second = cell.batch(5_000_000, Vec::new());
    assert_eq!((stdout(&second, 2).as_str(), ending(&second, 2)), ("hello\n", Some(ExitStatus::Code(0))));
    let calls: Vec<u64> = cell.machine.processes().map(|process| process.calls).collect();
    assert_eq!(calls[0], 2000);
    assert_eq!(second.next_deadline, Some(LogicalTime::from_nanos(5_000_000).plus(Limits::default().spin_quantum_ns)));
}

#[test]
fn the_same_batches_give_the_same_digests() {
    let body = format!("{HELLO} (call $sleep (i64.const 1000)) {HELLO} unreachable");
    let wasm = program("", &body);
    let run = || {
        let mut cell = Cell::new(Limits::default(), &[("a", &wasm), ("b", &wasm)]);
        [1, 500, 5_000].map(|time| cell.batch(time, Vec::new()))
    };
    let (one, two) = (run(), run());
    assert_eq!(one, two);
    assert_eq!(ending(&one[2], 2), Some(ExitStatus::Trap(TrapKind::Unreachable)));
}
