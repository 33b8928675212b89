//! A host that runs out of something is at fault itself: its node stops, and no guest ends because of it.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use common::{Cell, ending, program};
use replicode_log::{ExitStatus, Input, Limits, Order, Pid, TrapKind};
use replicode_machine::Applied;
use std::process::Command;

/// Tells this program, when it runs itself, what to do.
const VARIABLE: &str = "REPLICODE_TEST_HUNGRY";
/// KiB of data that a hungry process may have, all included. A guest's memory is reserved and costs only what it uses.
const DATA: u64 = 150_000;

/// A guest that throws exceptions and keeps them all: about a hundred MiB of the engine's own heap.
fn hoarder() -> Vec<u8> {
    let fields = "(tag $t (param i64 i64 i64 i64 i64 i64 i64 i64)) (table $kept 1000000 exnref)";
    let zeros = "(i64.const 0) ".repeat(8);
    let body = format!(
        "(local $n i32)
        (loop $again
            (table.set $kept (local.get $n)
                (block $caught (result exnref)
                    (try_table (catch_all_ref $caught) (throw $t {zeros})) unreachable))
            (br_if $again (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 1000000))))"
    );
    program(fields, &body)
}

/// A guest that takes four times 64 MiB of memory and fails if it does not get them.
fn grower() -> Vec<u8> {
    let grow = "(if (i32.eq (memory.grow (i32.const 1024)) (i32.const -1)) (then unreachable))\n".repeat(4);
    program("", &grow)
}

/// Runs a test of this file again, in a process that may have only so much data, and gives what it prints.
fn hungrily(test: &str) -> String {
    let script = format!("ulimit -d {DATA} && exec \"$@\"");
    let me = std::env::current_exe().unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", &script, "sh"]).arg(me).args(["--exact", test, "--nocapture"]).env(VARIABLE, "1");
    let output = command.output().unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The first batch of these programs: its endings with enough of everything, and what becomes of it without.
fn both_ways(test: &str, limits: &Limits, programs: &[(&str, &[u8])]) -> Option<(Vec<Option<ExitStatus>>, String)> {
    let outcome = Cell::new(limits.clone(), programs).try_batch(1, Vec::new());
    if std::env::var_os(VARIABLE).is_some() {
        println!("outcome: {}", outcome.map_or_else(|fault| fault.to_string(), |applied| format!("{applied:?}")));
        return None;
    }
    let applied = outcome.unwrap();
    let endings = (1..).zip(programs).map(|(pid, _)| ending(&applied, pid)).collect();
    Some((endings, hungrily(test)))
}

#[test]
#[cfg(target_os = "linux")]
fn exceptions_that_the_host_has_no_memory_for_stop_the_node() {
    let test = "exceptions_that_the_host_has_no_memory_for_stop_the_node";
    let Some((endings, said)) = both_ways(test, &Limits::default(), &[("main", &hoarder())]) else { return };
    assert_eq!(endings, [Some(ExitStatus::Code(0))]);
    assert!(said.contains("outcome: process p1 cannot go on, because of this node: the host cannot give"), "{said}");
    // A cell that allows it less ends it the same way everywhere.
    let limits = Limits { memory_bytes: 16 << 20, ..Limits::default() };
    let capped = Cell::new(limits, &[("main", &hoarder())]).batch(1, Vec::new());
    assert_eq!(ending(&capped, 1), Some(ExitStatus::Trap(TrapKind::Other)));
}

#[test]
#[cfg(target_os = "linux")]
fn memory_that_the_host_does_not_have_stops_the_node() {
    let test = "memory_that_the_host_does_not_have_stops_the_node";
    let Some((endings, said)) = both_ways(test, &Limits::default(), &[("main", &grower())]) else { return };
    assert_eq!(endings, [Some(ExitStatus::Code(0))]);
    assert!(said.contains("outcome: process p1 cannot go on, because of this node: the host cannot give"), "{said}");
}

#[test]
#[cfg(target_os = "linux")]
fn an_instance_that_the_host_has_no_memory_for_stops_the_node() {
    let test = "an_instance_that_the_host_has_no_memory_for_stops_the_node";
    let wasm = wat::parse_str("(module (memory (export \"memory\") 3200) (func (export \"_start\")))").unwrap();
    let Some((endings, said)) = both_ways(test, &Limits::default(), &[("main", &wasm)]) else { return };
    assert_eq!(endings, [Some(ExitStatus::Code(0))]);
    assert!(said.contains("outcome: process p1 cannot go on, because of this node"), "{said}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_stack_that_the_host_has_no_memory_for_stops_the_node() {
    let test = "a_stack_that_the_host_has_no_memory_for_stops_the_node";
    let limits = Limits { stack_bytes: 64 << 20, ..Limits::default() };
    let wasm = program("", "(call $sleep (i64.const 1000))");
    let programs: [(&str, &[u8]); 3] = [("a", &wasm), ("b", &wasm), ("c", &wasm)];
    let Some((endings, said)) = both_ways(test, &limits, &programs) else { return };
    assert_eq!(endings, [None; 3]);
    assert!(said.contains("cannot go on, because of this node"), "{said}");
}

/// Resident memory of this process in KiB.
#[cfg(target_os = "linux")]
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
#[cfg(target_os = "linux")]
fn the_memory_of_ended_programs_goes_back_to_the_host() {
    // 64 MiB, all of it touched; one ends by itself, the next one is killed while it waits.
    let fill =
        "(drop (memory.grow (i32.const 1024))) (memory.fill (i32.const 65536) (i32.const 7) (i32.const 67108864))";
    let ends = program("", fill);
    let waits = program("", &format!("{fill} (call $sleep (i64.const 1000000000000))"));
    let mut cell = Cell::new(Limits::default(), &[("ends", &ends), ("waits", &waits)]);
    let first = cell.batch(1, Vec::new());
    assert_eq!(ending(&first, 1), Some(ExitStatus::Code(0)));
    let order = |token, order| Input::Order { token, order };
    let kill = || order(1, Order::Kill { program: "waits".into() });
    let start = |name: &str| order(2, Order::Start { program: name.into() });
    let begin = resident();
    for round in 2..12 {
        let applied: Applied = cell.batch(round, vec![kill(), start("ends"), start("waits")]);
        assert_eq!(ending(&applied, round as u32 * 2 - 1), Some(ExitStatus::Code(0)), "{applied:?}");
    }
    let live = cell.machine.processes().filter(|it| it.descriptors > 0).map(|it| it.pid).collect::<Vec<_>>();
    assert_eq!(live, [Pid(22)]);
    // Twenty times 64 MiB have been in use since. What other tests of this file use meanwhile is less.
    assert!(resident() < begin + 400_000, "{begin} KiB have become {} KiB", resident());
}
