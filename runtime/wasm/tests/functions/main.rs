//! Functions without a service around them: fuel in slices, instances that know nothing of each other, ends of all kinds.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod programs;

use replicode_wasm::functions::{
    Failure, FunctionCode, FunctionEngine, FunctionSettings, Host, LoadError, Run, RunLimits,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A world of maps. It counts how often it was asked to go on.
#[derive(Default)]
struct World {
    slices: u64,
    most_slices: Option<u64>,
    state: BTreeMap<Vec<u8>, Vec<u8>>,
    functions: BTreeMap<Vec<u8>, Arc<FunctionCode<World>>>,
    lines: Vec<Vec<u8>>,
    /// Keys after which a list went on.
    listed: u64,
    /// Functions that were entered and have not been left.
    entered: u32,
}

impl Host for World {
    fn slice(&mut self) -> Result<(), Failure> {
        self.slices += 1;
        if self.most_slices.is_some_and(|most| self.slices > most) { Err(Failure::Timeout(1)) } else { Ok(()) }
    }
    fn get(&mut self, key: &[u8], value: &mut Vec<u8>) -> Result<bool, Failure> {
        let found = self.state.get(key);
        value.extend_from_slice(found.map_or(&[][..], Vec::as_slice));
        Ok(found.is_some())
    }
    fn set(&mut self, key: &[u8], value: &[u8]) -> Result<(), Failure> {
        self.state.insert(key.to_vec(), value.to_vec());
        Ok(())
    }
    fn delete(&mut self, key: &[u8]) -> Result<bool, Failure> {
        Ok(self.state.remove(key).is_some())
    }
    fn list(&mut self, prefix: &[u8], each: &mut dyn FnMut(&[u8]) -> bool) -> Result<(), Failure> {
        let mut keys = self.state.keys().filter(|key| key.starts_with(prefix));
        self.listed += keys.by_ref().take_while(|key| each(key)).count() as u64;
        Ok(())
    }
    fn log(&mut self, line: &[u8]) -> Result<(), Failure> {
        self.lines.push(line.to_vec());
        Ok(())
    }
    fn enter(&mut self, name: &[u8]) -> Result<Option<Arc<FunctionCode<Self>>>, Failure> {
        let found = self.functions.get(name).cloned();
        self.entered += u32::from(found.is_some());
        Ok(found)
    }
    fn leave(&mut self, _: bool) {
        self.entered -= 1;
    }
}

type Outcome = (Result<(), Failure>, Vec<u8>, u64);

fn engine() -> FunctionEngine<World> {
    let settings = FunctionSettings { instances: 256, memory_bytes: 64 << 20, ..FunctionSettings::default() };
    FunctionEngine::new(&settings).unwrap()
}

fn code(engine: &FunctionEngine<World>, text: &str) -> Arc<FunctionCode<World>> {
    Arc::new(engine.compile(&wat::parse_str(text).unwrap()).unwrap())
}

const LIMITS: RunLimits = RunLimits {
    fuel: 1 << 40,
    first_slice: 1000,
    slice: 1000,
    memory_bytes: 8 << 20,
    output_bytes: 1 << 20,
    instances: 64,
};

fn execute(
    run: Box<Run<World>>,
    code: &FunctionCode<World>,
    limits: RunLimits,
    input: &[u8],
) -> (Box<Run<World>>, Outcome) {
    let mut run = run;
    run.begin(limits);
    let (run, result) = run.execute(code, "process", input);
    let (output, fuel) = (run.output.clone(), run.fuel());
    (run, (result, output, fuel))
}

/// Loops, calls, a bulk operation, host functions; reads its input.
const WORK: &str = r#"(module
    (import "host" "output" (func $output (param i32 i32)))
    (import "host" "log" (func $log (param i32 i32)))
    (memory (export "memory") 1 8)
    (global $count (mut i32) (i32.const 0))
    (func $twice (param $n i32) (result i32) (i32.mul (local.get $n) (i32.const 2)))
    (func $sum (param $n i32) (result i32)
        (if (result i32) (i32.eqz (local.get $n)) (then (i32.const 0))
            (else (i32.add (local.get $n) (call $sum (i32.sub (local.get $n) (i32.const 1)))))))
    (func (export "process") (param $at i32) (param $len i32) (result i32) (local $i i32)
        (loop $next
            (global.set $count (i32.add (global.get $count) (call $twice (local.get $i))))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $next (i32.lt_u (local.get $i) (i32.add (i32.const 300) (i32.load8_u (local.get $at))))))
        (global.set $count (i32.add (global.get $count) (call $sum (i32.const 100))))
        (memory.fill (i32.const 1024) (i32.const 7) (i32.const 5000))
        (i32.store (i32.const 16) (global.get $count))
        (call $log (i32.const 16) (i32.const 4))
        (call $output (i32.const 16) (i32.const 4))
        (call $output (local.get $at) (local.get $len))
        (i32.const 0)))"#;

#[test]
fn what_is_burnt_does_not_depend_on_the_slices() {
    let engine = engine();
    let work = code(&engine, WORK);
    let run = Box::new(Run::new(World::default()));
    let (mut run, whole) = execute(run, &work, RunLimits { first_slice: 1 << 39, ..LIMITS }, b"x");
    assert_eq!((&whole.0, run.host.slices), (&Ok(()), 0));
    let fuel = whole.2;
    for slice in [1, 2, 3, 7, 100, 999, 1000, fuel - 1, fuel, fuel + 1] {
        for first_slice in [1, 50, slice] {
            let outcome;
            (run, outcome) = execute(run, &work, RunLimits { first_slice, slice, ..LIMITS }, b"x");
            assert_eq!(outcome, whole, "slices of {first_slice} and {slice}");
        }
        // Exactly what it burns is enough, one less is not, and then exactly that is burnt.
        let outcome;
        (run, outcome) = execute(run, &work, RunLimits { slice, fuel, ..LIMITS }, b"x");
        assert_eq!(outcome, whole, "slices of {slice}");
        let outcome;
        (run, outcome) = execute(run, &work, RunLimits { slice, fuel: fuel - 1, ..LIMITS }, b"x");
        assert_eq!((outcome.0, outcome.2), (Err(Failure::Fuel(fuel - 1)), fuel - 1), "slices of {slice}");
    }
    // Who calls it burns that and its own, whatever the slices.
    let caller = code(
        &engine,
        r#"(module
        (import "host" "call" (func $call (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1) (data (i32.const 0) "workx")
        (func (export "process") (param i32 i32) (result i32) (local $i i32)
            (loop $next
                (if (i32.ne (call $call (i32.const 0) (i32.const 4) (i32.const 4) (i32.const 1)) (i32.const 5)) (then unreachable))
                (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (br_if $next (i32.lt_u (local.get $i) (i32.const 3))))
            (i32.const 0)))"#,
    );
    run.host.functions.insert(b"work".to_vec(), work);
    let whole;
    (run, whole) = execute(run, &caller, RunLimits { first_slice: 1 << 39, slice: 1 << 39, ..LIMITS }, b"");
    assert!(whole.0.is_ok() && whole.2 > 3 * fuel, "{whole:?}");
    for slice in [1, 13, 500, 5000] {
        let outcome;
        (run, outcome) = execute(run, &caller, RunLimits { first_slice: slice, slice, ..LIMITS }, b"");
        assert_eq!(outcome, whole, "slices of {slice}");
    }
}

/// Calls `callee` so many times, whatever becomes of it.
fn calling(rounds: i32) -> String {
    format!(
        r#"(module
        (import "host" "call" (func $call (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1) (data (i32.const 0) "callee")
        (func (export "process") (param i32 i32) (result i32) (local $i i32)
            (loop $next
                (drop (call $call (i32.const 0) (i32.const 6) (i32.const 0) (i32.const 0)))
                (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (br_if $next (i32.lt_u (local.get $i) (i32.const {rounds}))))
            (i32.const 0)))"#
    )
}

#[test]
fn who_only_calls_is_asked_as_often_as_who_works() {
    let engine = engine();
    let nothing = code(&engine, r#"(module (func (export "process") (param i32 i32) (result i32) (i32.const 0)))"#);
    // Without an end as far as its fuel goes, and no function alone ever uses up a slice.
    let endless = code(&engine, &calling(-1));
    let limits = RunLimits { fuel: 1 << 30, first_slice: 100_000, slice: 100_000, ..LIMITS };
    let mut run = Box::new(Run::new(World::default()));
    run.host.functions.insert(b"callee".to_vec(), nothing);
    run.host.most_slices = Some(10);
    let (mut run, outcome) = execute(run, &endless, limits, b"");
    assert_eq!(outcome.0, Err(Failure::Timeout(1)));
    // The first slice, ten more, and what the last call of each has overdrawn.
    assert!((1_000_000..1_300_000).contains(&outcome.2), "{}", outcome.2);
    // With a longer first slice it is asked later.
    run.host.slices = 0;
    let (run, longer) = execute(run, &endless, RunLimits { first_slice: 10_000_000, ..limits }, b"");
    assert_eq!((longer.0, run.host.slices), (Err(Failure::Timeout(1)), 11));
    assert!(longer.2 > outcome.2 + 9_000_000, "{}", longer.2);
}

#[test]
fn who_traps_has_paid_for_what_it_did() {
    let engine = engine();
    let limits = RunLimits { first_slice: 100_000, slice: 100_000, ..LIMITS };
    let works = |end: &str| {
        format!(
            r#"(module (func (export "process") (param i32 i32) (result i32) (local $i i32)
                (loop $next
                    (local.set $i (i32.add (local.get $i) (i32.const 1)))
                    (br_if $next (i32.lt_u (local.get $i) (i32.const 5000))))
                {end}))"#
        )
    };
    let (well, trapping) = (code(&engine, &works("(i32.const 0)")), code(&engine, &works("unreachable")));
    let run = Box::new(Run::new(World::default()));
    let (run, whole) = execute(run, &well, limits, b"");
    assert!(whole.0.is_ok() && whole.2 > 5000, "{whole:?}");
    let (run, first) = execute(run, &trapping, limits, b"");
    assert!(matches!(first.0, Err(Failure::Trap(_))));
    // No less than it burnt, no more than slices, and always the same.
    assert!(first.2 >= whole.2 - 10 && first.2 <= whole.2 + 100_000, "{} of {}", first.2, whole.2);
    let (mut run, again) = execute(run, &trapping, limits, b"");
    assert_eq!(again, first);
    // Called often, it is no way around the limit of whoever calls it.
    run.host.functions.insert(b"callee".to_vec(), trapping);
    let fuel = 50 * whole.2;
    let (run, outcome) = execute(run, &code(&engine, &calling(1000)), RunLimits { fuel, ..limits }, b"");
    assert_eq!((outcome.0, outcome.2), (Err(Failure::Fuel(fuel)), fuel));
    // And enough is enough: two calls, two traps, and it goes on.
    let (_, outcome) = execute(run, &code(&engine, &calling(2)), limits, b"");
    assert!(outcome.0.is_ok() && outcome.2 > 2 * whole.2, "{outcome:?}");
}

#[test]
fn who_has_been_entered_is_left_however_it_ends() {
    let engine = engine();
    let body = |code: &str| {
        format!(
            r#"(module
            (import "host" "call" (func $call (param i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 1) (data (i32.const 0) "callee")
            (func (export "process") (param i32 i32) (result i32) {code}))"#
        )
    };
    let call = |input: i32, length: i32| {
        body(&format!(
            "(drop (call $call (i32.const 0) (i32.const 6) (i32.const {input}) (i32.const {length}))) (i32.const 0)"
        ))
    };
    let mut run = Box::new(Run::new(World::default()));
    for (callee, caller, well) in [
        (body("(i32.const 0)"), call(0, 6), true),
        (body("(i32.const 3)"), call(0, 6), true),
        (body("unreachable"), call(0, 6), true),
        (body("(loop $l (br $l)) unreachable"), call(0, 6), false),
        // The caller's own fault: its input is not in its memory.
        (body("(i32.const 0)"), call(200_000, 7), false),
    ] {
        run.host.functions.insert(b"callee".to_vec(), code(&engine, &callee));
        let outcome;
        (run, outcome) = execute(run, &code(&engine, &caller), RunLimits { fuel: 100_000, ..LIMITS }, b"");
        assert_eq!((outcome.0.is_ok(), run.host.entered), (well, 0), "{callee} {caller}: {:?}", outcome.0);
    }
}

#[test]
fn an_instance_knows_nothing_of_the_one_before() {
    let engine = engine();
    for pages in [1, 2, 3, 4, 40] {
        // It says what it finds in its memory, its global and its table, and leaves something in all three.
        let text = format!(
            r#"(module
            (import "host" "output" (func $output (param i32 i32)))
            (memory (export "memory") {pages} 100)
            (table $t 4 funcref) (elem declare func $f)
            (global $g (mut i32) (i32.const 5))
            (data (i32.const 8) "data")
            (func $f)
            (func (export "process") (param i32 i32) (result i32) (local $i i32) (local $sum i32)
                (loop $next
                    (local.set $sum (i32.add (local.get $sum) (i32.load8_u (local.get $i))))
                    (i32.store8 (local.get $i) (i32.const 1))
                    (local.set $i (i32.add (local.get $i) (i32.const 1)))
                    (br_if $next (i32.lt_u (local.get $i) (i32.const {bytes}))))
                (local.set $sum (i32.add (local.get $sum) (i32.mul (i32.const 1000000) (memory.size))))
                (drop (memory.grow (i32.const 3)))
                (i32.store (i32.const {last}) (i32.const -1))
                (i32.store (i32.const 0) (local.get $sum))
                (i32.store (i32.const 4) (i32.add (global.get $g) (i32.mul (i32.const 100) (ref.is_null (table.get $t (i32.const 0))))))
                (global.set $g (i32.const 99))
                (table.set $t (i32.const 0) (ref.func $f))
                (call $output (i32.const 0) (i32.const 8))
                (i32.const 0)))"#,
            bytes = pages * 65536,
            last = (pages + 2) * 65536,
        );
        let code = code(&engine, &text);
        let mut run = Box::new(Run::new(World::default()));
        let mut first = None;
        for round in 0..150 {
            let outcome;
            (run, outcome) = execute(run, &code, LIMITS, b"");
            assert_eq!(outcome.0, Ok(()), "{pages} pages, round {round}");
            assert_eq!(&outcome, first.get_or_insert(outcome.clone()), "{pages} pages, round {round}");
            assert_eq!(outcome.1.get(4..), Some(&105i32.to_le_bytes()[..]));
        }
    }
}

#[test]
fn ends_have_their_names() {
    let engine = engine();
    let body = |locals_and_code: &str| {
        format!(
            r#"(module (import "host" "error" (func $error (param i32 i32))) (import "host" "output" (func $output (param i32 i32)))
            (memory (export "memory") 1) (data (i32.const 0) "words")
            (func $f (param i32) (result i32) (call $f (i32.add (local.get 0) (i32.const 1))))
            (func (export "process") (param i32 i32) (result i32) {locals_and_code}))"#
        )
    };
    let mut run = Box::new(Run::new(World::default()));
    let mut ends = |text: &str, limits: RunLimits, input: &[u8]| {
        let code = code(&engine, text);
        let (back, outcome) =
            execute(std::mem::replace(&mut run, Box::new(Run::new(World::default()))), &code, limits, input);
        run = back;
        outcome.0
    };
    let trap = |words: &str| Err(Failure::Trap(words.into()));
    assert_eq!(ends(&body("i32.const 0"), LIMITS, b"abc"), Ok(()));
    assert_eq!(ends(&body("unreachable"), LIMITS, b""), trap("wasm `unreachable` instruction executed"));
    assert_eq!(ends(&body("(i32.div_u (i32.const 1) (local.get 1))"), LIMITS, b""), trap("integer divide by zero"));
    assert!(matches!(ends(&body("(i32.load (i32.const -4))"), LIMITS, b""), Err(Failure::Trap(_))));
    assert!(
        matches!(ends(&body("(call $f (i32.const 0))"), LIMITS, b""), Err(Failure::Trap(words)) if words.contains("recurses"))
    );
    let said = body("(call $error (i32.const 0) (i32.const 5)) (i32.const 3)");
    assert_eq!(ends(&said, LIMITS, b""), Err(Failure::Plugin { code: 3, message: "words".into() }));
    assert!(matches!(
        ends(&body("(call $output (i32.const 65530) (i32.const 9999999)) (i32.const 0)"), LIMITS, b""),
        Err(Failure::Trap(_))
    ));
    let grows = body("(if (i32.lt_s (memory.grow (i32.const 200)) (i32.const 0)) (then unreachable)) (i32.const 0)");
    assert!(matches!(ends(&grows, LIMITS, b""), Err(Failure::Memory { .. })));
    // A function that can do without is not failed for having asked.
    assert_eq!(ends(&body("(drop (memory.grow (i32.const 200))) (i32.const 0)"), LIMITS, b""), Ok(()));
    assert!(matches!(ends(&body("i32.const 0"), LIMITS, &[0; 9 << 20]), Err(Failure::Memory { .. })));
    assert_eq!(ends(&body("i32.const 0"), LIMITS, &[0; 1 << 20]), Ok(()));
    let endless = body("(loop $l (br $l)) unreachable");
    assert_eq!(ends(&endless, RunLimits { fuel: 100_000, ..LIMITS }, b""), Err(Failure::Fuel(100_000)));
    run.host.most_slices = Some(10);
    run.host.slices = 0;
    let code = code(&engine, &endless);
    assert_eq!(execute(run, &code, LIMITS, b"").1.0, Err(Failure::Timeout(1)));
}

#[test]
fn input_is_put_where_the_module_says_or_behind_its_memory() {
    let engine = engine();
    let told = r#"(call $output (local.get 0) (local.get 1)) (i32.store (i32.const 0) (local.get 0)) (call $output (i32.const 0) (i32.const 4)) (i32.const 0)"#;
    let module = |more: &str| {
        format!(
            r#"(module (import "host" "output" (func $output (param i32 i32))) (memory (export "memory") 2) {more}
            (func (export "process") (param i32 i32) (result i32) {told}))"#
        )
    };
    for (more, place) in [
        ("", 131_072u32),
        (r#"(func (export "alloc") (param i32) (result i32) (i32.sub (i32.const 5000) (local.get 0)))"#, 4997),
    ] {
        let code = code(&engine, &module(more));
        let (_, outcome) = execute(Box::new(Run::new(World::default())), &code, LIMITS, b"abc");
        let expected = [b"abc".as_slice(), &place.to_le_bytes()].concat();
        assert_eq!(outcome.1, expected);
    }
    let wild = code(&engine, &module(r#"(func (export "alloc") (param i32) (result i32) (i32.const 131070))"#));
    let (_, outcome) = execute(Box::new(Run::new(World::default())), &wild, LIMITS, b"abc");
    assert!(matches!(outcome.0, Err(Failure::Trap(words)) if words.contains("131070")));
}

#[test]
fn what_is_not_there_cannot_be_imported() {
    let engine = engine();
    let refused = |text: &str| match engine.compile(&wat::parse_str(text).unwrap()) {
        Err(error) => error,
        Ok(_) => panic!("it was taken: {text}"),
    };
    let process = r#"(func (export "process") (param i32 i32) (result i32) i32.const 0)"#;
    for import in [
        r#"(import "host" "__slice" (func (param i64) (result i64)))"#,
        r#"(import "host" "exec" (func))"#,
        r#"(import "host" "log" (func (param i64)))"#,
        r#"(import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))"#,
        r#"(import "env" "memory" (memory 1))"#,
    ] {
        let error = refused(&format!("(module {import} {process})"));
        assert!(matches!(error, LoadError::Import(_)), "{import}: {error:?}");
    }
    let start = format!("(module (func $s) (start $s) {process})");
    assert!(matches!(refused(&start), LoadError::Bad(words) if words.contains("start")));
    let entry = engine.compile(&wat::parse_str(r#"(module (func (export "other")))"#).unwrap()).unwrap();
    assert!(matches!(entry.check_entry(), Err(LoadError::Entry(words)) if words.contains("other")));
}

#[test]
fn what_a_host_function_gives_is_paid_by_the_byte_however_long_slices_are() {
    let engine = engine();
    let get = code(
        &engine,
        r#"(module (import "host" "get_state" (func $get (param i32 i32) (result i32)))
            (import "host" "list_state" (func $list (param i32 i32) (result i32)))
            (memory (export "memory") 1) (data (i32.const 0) "k")
            (func (export "process") (param i32 i32) (result i32) (local $i i32)
                (loop $next
                    (drop (call $get (i32.const 0) (i32.const 1)))
                    (drop (call $list (i32.const 0) (i32.const 1)))
                    (local.set $i (i32.add (local.get $i) (i32.const 1)))
                    (br_if $next (i32.lt_u (local.get $i) (i32.const 10))))
                (i32.const 0)))"#,
    );
    let with = |bytes: usize, keys: usize, limits: RunLimits| {
        let mut world = World::default();
        world.state.insert(b"k".to_vec(), vec![1; bytes]);
        (0..keys).for_each(|key| drop(world.state.insert(format!("k{key:03}").into_bytes(), Vec::new())));
        let (_, outcome) = execute(Box::new(Run::new(world)), &get, limits, b"");
        (outcome.0, outcome.2)
    };
    let (little, much) = (with(0, 0, LIMITS), with(80_000, 0, LIMITS));
    assert_eq!((little.0, much.0), (Ok(()), Ok(())));
    assert_eq!(much.1 - little.1, 10 * 80_000 / 8);
    // Eight bytes for each of the keys, and what a key costs.
    assert_eq!(with(0, 100, LIMITS).1 - little.1, 10 * 100 * (150 + 1));
    for slice in [1, 50, 1000, 123_456, 1 << 40] {
        let limits = |fuel| RunLimits { first_slice: slice, slice, fuel, ..LIMITS };
        assert_eq!(with(80_000, 0, limits(much.1)), (Ok(()), much.1), "slices of {slice}");
        assert_eq!(
            with(80_000, 0, limits(much.1 - 1)),
            (Err(Failure::Fuel(much.1 - 1)), much.1 - 1),
            "slices of {slice}"
        );
    }
}

/// The keys behind a walk that runs out of fuel are not looked at.
#[test]
fn a_list_goes_no_further_than_the_fuel() {
    let engine = engine();
    let list = code(
        &engine,
        r#"(module (import "host" "list_state" (func $list (param i32 i32) (result i32)))
            (memory (export "memory") 1) (data (i32.const 0) "k")
            (func (export "process") (param i32 i32) (result i32)
                (drop (call $list (i32.const 0) (i32.const 1))) (i32.const 0)))"#,
    );
    let run = Box::new(Run::new(World::default()));
    let (mut run, nothing) = execute(run, &list, LIMITS, b"");
    for number in 0..1000 {
        run.host.state.insert(format!("key-{number:08}").into_bytes(), Vec::new());
    }
    run.host.listed = 0;
    let all;
    (run, all) = execute(run, &list, LIMITS, b"");
    // Twelve bytes of key, behind four of length.
    assert_eq!((all.2 - nothing.2, run.host.listed), (1000 * (150 + 2), 1000));
    run.host.listed = 0;
    let fuel = nothing.2 + 10 * 152;
    let (run, few) = execute(run, &list, RunLimits { fuel, ..LIMITS }, b"");
    assert_eq!((few.0, few.2), (Err(Failure::Fuel(fuel)), fuel));
    assert!(run.host.listed <= 11, "{} of 1000 keys", run.host.listed);
}

#[test]
fn what_is_too_long_for_a_name_is_nobody_and_is_asked_of_nobody() {
    let engine = engine();
    let call = |length: i32| {
        format!(
            r#"(module
            (import "host" "call" (func $call (param i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 4)
            (func (export "process") (param i32 i32) (result i32)
                (i32.add (i32.const 1) (call $call (i32.const 0) (i32.const {length}) (i32.const 0) (i32.const 0)))))"#
        )
    };
    let mut run = Box::new(Run::new(World::default()));
    run.host.functions.insert(vec![0; 129], code(&engine, &call(1)));
    for length in [129, 200_000] {
        let outcome;
        (run, outcome) = execute(run, &code(&engine, &call(length)), LIMITS, b"");
        assert_eq!((outcome.0, run.host.entered), (Ok(()), 0), "there is none of that name");
    }
}
