//! Stack, memory, host functions in tables, tail calls: what the transform does besides gas, run on `wasmi`.

use crate::oracle::count::Reference;
use crate::oracle::{PLENTY, Runner, compare, settings, value};
use replicode_transform::{Ending, Metering, Settings, Transformed, Wish, transform};
use wasmi::Val;

fn made(text: &str, settings: &Settings, wish: &Wish) -> (Transformed, Runner) {
    let out = transform(&wat::parse_str(text).unwrap(), settings, wish).unwrap_or_else(|error| panic!("{error}"));
    let runner = Runner::new(&out.wasm);
    (out, runner)
}

fn ending(runner: &Runner, name: &str, args: &[Val], gas: i64, stack: i32) -> Ending {
    runner.run(name, args, gas, stack).unwrap().ending()
}

const COUNT_DOWN: &str = r#"(module (func $f (export "f") (param i32) (result i32)
    (if (result i32) (local.get 0)
        (then (i32.add (i32.const 1) (call $f (i32.sub (local.get 0) (i32.const 1)))))
        (else (i32.const 0)))))"#;

#[test]
fn recursion_goes_exactly_as_deep_as_the_stack() {
    for metering in [Metering::Heaviest, Metering::Blocks] {
        let (out, runner) = made(COUNT_DOWN, &Settings { metering, ..settings() }, &Wish::default());
        // One parameter, three operands: 1, the argument, and the 1 that is subtracted from it.
        assert_eq!(out.largest_frame, 32 + (1 + 3) * 8);
        let frame = out.largest_frame as i32;
        for depth in [0, 1, 10, 500] {
            let left = |stack| ending(&runner, "f", &[Val::I32(depth)], PLENTY, stack);
            assert!(matches!(left((depth + 1) * frame), Ending::Returned(_)), "{depth}");
            assert_eq!(left((depth + 1) * frame - 1), Ending::OutOfStack, "{depth}");
        }
    }
}

#[test]
fn gas_is_looked_at_before_stack() {
    let (_, runner) = made(COUNT_DOWN, &settings(), &Wish::default());
    assert_eq!(ending(&runner, "f", &[Val::I32(1)], 0, 0), Ending::OutOfGas);
    assert_eq!(ending(&runner, "f", &[Val::I32(1)], PLENTY, 0), Ending::OutOfStack);
}

#[test]
fn the_stack_comes_back_after_a_call() {
    // A thousand calls one after the other take the stack of one.
    let text = r#"(module (func $leaf (param i64 i64 i64)) (func $mid (call $leaf (i64.const 0) (i64.const 0) (i64.const 0)))
        (func (export "f") (local i32)
            (loop (call $mid) (call $mid)
                (br_if 0 (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 500))))))"#;
    let (_, runner) = made(text, &settings(), &Wish::default());
    let needed = (32 + 3 * 8) + (32 + 3 * 8) + (32 + 3 * 8);
    assert!(matches!(ending(&runner, "f", &[], PLENTY, needed), Ending::Returned(_)));
    assert_eq!(ending(&runner, "f", &[], PLENTY, needed - 1), Ending::OutOfStack);
}

#[test]
fn tail_calls_take_no_stack() {
    let text = r#"(module (table funcref (elem $g))
        (func $f (export "f") (param i32) (result i32)
            (if (result i32) (local.get 0)
                (then (return_call $g (i32.sub (local.get 0) (i32.const 1)))) (else (i32.const 7))))
        (func $g (param i32) (result i32)
            (loop (br_if 0 (i32.const 0)))
            (if (result i32) (local.get 0)
                (then (return_call_indirect (param i32) (result i32) (i32.sub (local.get 0) (i32.const 1)) (i32.const 0))) (else (i32.const 8)))))"#;
    let (out, runner) = made(text, &settings(), &Wish::default());
    let run = |depth, stack| runner.run("f", &[Val::I32(depth)], PLENTY, stack).unwrap();
    let one = out.largest_frame as i32;
    for depth in [0, 1, 2, 3, 10_000] {
        assert_eq!(run(depth, one).seen.results, Ok(vec![if depth == 0 { 7 } else { 8 }]), "{depth}");
    }
    assert_eq!(run(5, one - 1).ending(), Ending::OutOfStack);
}

#[test]
fn traps_are_traps() {
    let text = r#"(module (memory 1)
        (func (export "u") unreachable)
        (func (export "d") (param i32) (result i32) (i32.div_u (i32.const 1) (local.get 0)))
        (func (export "m") (result i32) (i32.load (i32.const 65533))))"#;
    let (_, runner) = made(text, &settings(), &Wish::default());
    assert_eq!(ending(&runner, "u", &[], PLENTY, 1000), Ending::Trapped);
    assert_eq!(ending(&runner, "d", &[Val::I32(0)], PLENTY, 1000), Ending::Trapped);
    assert!(matches!(ending(&runner, "d", &[Val::I32(1)], PLENTY, 1000), Ending::Returned(_)));
    assert_eq!(ending(&runner, "m", &[], PLENTY, 1000), Ending::Trapped);
}

#[test]
fn bulk_work_is_paid_before_it_is_done() {
    let text = r#"(module (memory (export "memory") 1)
        (func (export "f") (param i32) (memory.fill (i32.const 0) (i32.const 255) (local.get 0)))
        (func (export "g") (param i32) (result i32) (memory.grow (local.get 0))))"#;
    let wish = Wish { memory_bytes: 3 << 16, ..Wish::default() };
    let (_, runner) = made(text, &settings(), &wish);
    let table = settings().gas;
    let fixed = i64::from(table.entry + 3 * table.simple + table.memory_fill.base);
    for n in [0, 1, 15, 16, 17, 65_536] {
        let cost = fixed + table.memory_fill.variable(n as u32) as i64;
        assert_eq!(ending(&runner, "f", &[Val::I32(n)], cost, 1000), Ending::Returned(0), "{n}");
        if n > 0 {
            let short = runner.run("f", &[Val::I32(n)], cost - 1, 1000).unwrap();
            assert_eq!(short.ending(), Ending::OutOfGas, "{n}");
            assert!(short.seen.memories[0].1.iter().all(|byte| *byte == 0), "{n}: work was done for nothing");
        }
    }
    // More than there is: it costs all the same, and then traps.
    assert_eq!(ending(&runner, "f", &[Val::I32(-1)], 1 << 20, 1000), Ending::OutOfGas);
    assert_eq!(ending(&runner, "f", &[Val::I32(-1)], PLENTY, 1000), Ending::Trapped);
    let fixed = i64::from(table.entry + table.simple + table.memory_grow.base);
    for (pages, answer) in [(0, 1), (2, 1), (3, u64::from(u32::MAX))] {
        let cost = fixed + table.memory_grow.variable(pages as u32) as i64;
        let run = runner.run("g", &[Val::I32(pages)], cost, 1000).unwrap();
        assert_eq!((run.ending(), run.seen.results), (Ending::Returned(0), Ok(vec![answer])), "{pages}");
    }
}

#[test]
fn memory_is_as_large_as_the_template_declares() {
    let text = r#"(module (memory (export "memory") 1)
        (func (export "size") (result i32) (memory.size))
        (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
        (func (export "load") (param i32) (result i32) (i32.load8_u (local.get 0))))"#;
    for (bytes, pages, first) in
        [(65_536u64, 1u64, 65_536u64), (5_000, 0, 5_000), (70_000, 1, 70_000), (131_072, 1, 65_536)]
    {
        let (out, runner) = made(text, &settings(), &Wish { memory_bytes: bytes, ..Wish::default() });
        assert_eq!(out.memory_bytes, (first, bytes));
        let call = |name: &str, arg: Option<i32>| {
            let args: Vec<Val> = arg.into_iter().map(Val::I32).collect();
            runner.run(name, &args, PLENTY, 1000).unwrap().seen
        };
        assert_eq!(call("size", None).results, Ok(vec![pages]), "{bytes}");
        assert_eq!(call("size", None).memories[0].1.len() as u64, first, "{bytes}");
        assert_eq!(call("grow", Some(0)).results, Ok(vec![pages]), "{bytes}");
        let grown = if bytes == 131_072 { 1 } else { u64::from(u32::MAX) };
        assert_eq!(call("grow", Some(1)).results, Ok(vec![grown]), "{bytes}");
        assert_eq!(call("grow", Some(2)).results, Ok(vec![u64::from(u32::MAX)]), "{bytes}");
        assert_eq!(call("load", Some(first as i32 - 1)).results, Ok(vec![0]), "{bytes}");
        assert!(call("load", Some(first as i32)).results.is_err(), "{bytes}");
    }
}

#[test]
fn tables_do_not_grow_beyond_the_limit() {
    let text = r#"(module (table 1 funcref)
        (func (export "grow") (param i32) (result i32) (table.grow (ref.null func) (local.get 0))))"#;
    let (_, runner) = made(text, &settings(), &Wish::default());
    let grow = |n| runner.run("grow", &[Val::I32(n)], PLENTY, 1000).unwrap().seen.results;
    let most = settings().limits.table_elements as i32;
    assert_eq!(grow(most - 1), Ok(vec![1]));
    assert_eq!(grow(most), Ok(vec![u64::from(u32::MAX)]));
}

#[test]
fn host_functions_through_tables_cost_what_they_cost_by_name() {
    let text = r#"(module
        (import "svm" "bytes" (func $bytes (param i32 i32)))
        (import "svm" "get" (func $get (param i32) (result i64)))
        (table funcref (elem $bytes $get)) (export "get" (func $get)) (elem declare func $get)
        (func (export "f") (param i32 i32) (call_indirect (param i32 i32) (local.get 0) (local.get 1) (i32.const 0)))
        (func (export "g") (param i32) (result i64) (call_indirect (param i32) (result i64) (local.get 0) (i32.const 1)))
        (func (export "r") (result i32) (ref.is_null (ref.func $get))))"#;
    let wasm = wat::parse_str(text).unwrap();
    let reference = Reference::new(&wasm, &settings().gas, &settings().host);
    let original = reference.traced(&wasm);
    for metering in [Metering::Heaviest, Metering::Blocks] {
        let (_, runner) = made(text, &Settings { metering, ..settings() }, &Wish::default());
        for (name, params) in original.functions() {
            let args: Vec<Val> = (5..).zip(&params).map(|(i, ty)| value(*ty, i)).collect();
            let traced = original.run(&name, &args, 0, 0).unwrap();
            compare(&reference, &traced, &runner, &name, &args, metering).unwrap_or_else(|e| panic!("{name}: {e}"));
        }
    }
}

#[test]
fn the_host_can_charge_and_look() {
    // What a host call takes from the global is gone for the guest, in bodies with and without a counter of their own.
    for body in ["(call $none)", "(loop (br_if 0 (i32.const 0))) (call $none)"] {
        let text = format!(r#"(module (import "svm" "none" (func $none)) (func (export "f") {body}))"#);
        let (out, _) = made(&text, &settings(), &Wish::default());
        let engine = wasmi::Engine::default();
        let module = wasmi::Module::new(&engine, &out.wasm).unwrap();
        let mut store = wasmi::Store::new(&engine, 0i64);
        let mut linker = wasmi::Linker::<i64>::new(&engine);
        let none = |mut caller: wasmi::Caller<'_, i64>| {
            let gas = caller.get_export(replicode_transform::GAS).and_then(wasmi::Extern::into_global).unwrap();
            let left = gas.get(&caller).i64().unwrap();
            *caller.data_mut() = left;
            gas.set(&mut caller, Val::I64(left - 100)).unwrap();
        };
        linker.func_wrap("svm", "none", none).unwrap();
        let instance = linker.instantiate_and_start(&mut store, &module).unwrap();
        let gas = instance.get_global(&store, replicode_transform::GAS).unwrap();
        let stack = instance.get_global(&store, replicode_transform::STACK).unwrap();
        gas.set(&mut store, Val::I64(1000)).unwrap();
        stack.set(&mut store, Val::I32(1000)).unwrap();
        instance.get_func(&store, "f").unwrap().call(&mut store, &[], &mut []).unwrap();
        let seen = *store.data();
        assert!((900..1000).contains(&seen), "{body}: the host saw {seen}");
        assert_eq!(gas.get(&store).i64(), Some(seen - 100), "{body}");
    }
}

#[test]
fn equal_settings_give_equal_bytes_and_others_another_digest() {
    let wasm = wat::parse_str(COUNT_DOWN).unwrap();
    let base = settings();
    let out = |settings: &Settings| transform(&wasm, settings, &Wish::default()).unwrap().wasm;
    assert_eq!(out(&base), out(&base.clone()));
    let mut digests = std::collections::BTreeSet::from([base.digest()]);
    let mut other = base.clone();
    other.gas.simple += 1;
    assert_ne!(out(&other), out(&base));
    assert!(digests.insert(other.digest()));
    for change in [
        |s: &mut Settings| s.metering = Metering::Blocks,
        |s: &mut Settings| s.floats = false,
        |s: &mut Settings| s.simd = false,
        |s: &mut Settings| s.limits.exports += 1,
        |s: &mut Settings| s.bounds.stack_bytes += 1,
        |s: &mut Settings| s.gas.version += 1,
        |s: &mut Settings| s.host.clear(),
    ] {
        let mut other = base.clone();
        change(&mut other);
        assert!(digests.insert(other.digest()), "a change that the digest does not see");
    }
}

#[test]
fn names_stay_true() {
    use wasmparser::{Name, NameSectionReader, Parser, Payload};
    let text = r#"(module $token (func $transfer (param $amount i32) (block $out (loop $round (br_if $out (local.get $amount))))))"#;
    let (out, _) = made(text, &settings(), &Wish::default());
    let mut names = Vec::new();
    for payload in Parser::new(0).parse_all(&out.wasm) {
        let Payload::CustomSection(section) = payload.unwrap() else { continue };
        for part in NameSectionReader::new(wasmparser::BinaryReader::new(section.data(), 0)) {
            match part.unwrap() {
                Name::Module { name, .. } => names.push(name.to_string()),
                Name::Function(functions) => names.extend(functions.into_iter().map(|n| n.unwrap().name.to_string())),
                Name::Local(_) => names.push("locals".to_string()),
                // Blocks of the counters stand around those of the author.
                Name::Label(_) => panic!("names of labels"),
                _ => {}
            }
        }
    }
    assert_eq!(names, ["token", "transfer", "locals"]);
}
