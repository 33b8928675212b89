//! Every planted mistake is caught by the comparisons that the other tests are made of.
#![cfg(feature = "mutants")]
#![allow(clippy::unwrap_used, reason = "a test that panics has failed, helpers included")]

#[path = "all/oracle/mod.rs"]
#[allow(dead_code, reason = "the other tests use the rest")]
mod oracle;

use oracle::count::Reference;
use oracle::{PLENTY, Runner, compare, settings, smith, value};
use replicode_transform::mutants::{Mutant, set};
use replicode_transform::{CodeClass, Ending, Metering, Settings, Wish, transform};
use wasmi::Val;

/// How many random modules a mistake may pass before it counts as missed.
const PATIENCE: u64 = 500;

/// Modules in which a mistake was caught by gas that differs, of those that were tried until the first.
fn caught_by_random_modules() -> Option<u64> {
    for seed in 0..PATIENCE {
        let Some(wasm) = smith::module(seed) else { continue };
        for metering in [Metering::Heaviest, Metering::Blocks] {
            let settings = Settings { metering, ..settings() };
            let wish = Wish { memory_bytes: 2 << 16, ..Wish::default() };
            let Ok(out) = transform(&wasm, &settings, &wish) else { break };
            let reference = Reference::new(&wasm, &settings.gas, &settings.host);
            let (original, transformed) = (reference.traced(&wasm), Runner::new(&out.wasm));
            for (name, params) in original.functions() {
                let args: Vec<Val> = (0..).zip(&params).map(|(i, ty)| value(*ty, seed * 64 + i)).collect();
                let Some(traced) = original.run(&name, &args, 0, 0) else { break };
                // Without gas for its loops a module would never come back.
                if traced.cut && seed % 3 != 0 {
                    continue;
                }
                if compare(&reference, &traced, &transformed, &name, &args, metering).is_err() {
                    return Some(seed);
                }
            }
        }
    }
    None
}

/// Small modules with what is easily done wrong: every way out of a body, calls in loops, switches, lengths.
const SMALL: [&str; 5] = [
    include_str!("../benches/kernels/machine.wat"),
    include_str!("../benches/kernels/fib.wat"),
    r#"(module (func $r (param i32) (result i32)
            (loop (if (local.get 0) (then (return (i32.const 5))))) (i32.const 6))
        (func (export "run") (param i32) (result i32) (i32.add (call $r (local.get 0)) (call $r (i32.const 0)))))"#,
    r#"(module (func $l (param i32) (drop (i32.div_u (i32.const 9) (local.get 0))))
        (func (export "run") (param i32)
            (loop (call $l (local.get 0)) (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))"#,
    r#"(module (memory 1) (func (export "run") (param i32)
        (memory.fill (i32.const 0) (i32.const 1) (local.get 0))))"#,
];

fn caught_by_small_modules() -> Option<usize> {
    SMALL.iter().position(|text| {
        let wasm = wat::parse_str(text).unwrap();
        [Metering::Heaviest, Metering::Blocks].into_iter().any(|metering| {
            let settings = Settings { metering, ..settings() };
            let out = transform(&wasm, &settings, &Wish::default()).unwrap();
            let reference = Reference::new(&wasm, &settings.gas, &settings.host);
            let (args, transformed) = ([Val::I32(5)], Runner::new(&out.wasm));
            let traced = reference.traced(&wasm).run("run", &args, 0, 0).unwrap();
            assert!(!traced.cut);
            compare(&reference, &traced, &transformed, "run", &args, metering).is_err()
        })
    })
}

/// The stack is no part of gas: recursion, and tail calls.
fn caught_by_the_stack() -> bool {
    let text = r#"(module
        (func $f (export "deep") (param i32) (if (local.get 0) (then (call $f (i32.sub (local.get 0) (i32.const 1))))))
        (func $t (export "tail") (param i32)
            (if (local.get 0) (then (return_call $t (i32.sub (local.get 0) (i32.const 1)))))))"#;
    let out = transform(&wat::parse_str(text).unwrap(), &settings(), &Wish::default()).unwrap();
    let runner = Runner::new(&out.wasm);
    let frame = out.largest_frame as i32;
    let run = |name: &str, depth: i32, stack| runner.run(name, &[Val::I32(depth)], PLENTY, stack).unwrap().ending();
    run("deep", 10, 11 * frame - 1) != Ending::OutOfStack || !matches!(run("tail", 10, frame), Ending::Returned(_))
}

/// No run of a fixed function costs more than was proven.
fn caught_by_a_proven_price() -> bool {
    let text = r#"(module (func (export "f") (local i32) (local.set 0 (i32.const 9))
        (loop (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))"#;
    let wasm = wat::parse_str(text).unwrap();
    let wish = Wish { class: CodeClass::Fixed, ..Wish::default() };
    let proven = transform(&wasm, &settings(), &wish).unwrap().functions[0].gas.unwrap();
    let reference = Reference::new(&wasm, &settings().gas, &settings().host);
    let run = reference.traced(&wasm).run("f", &[], 0, 0).unwrap();
    reference.total(&run.host.events, Metering::Blocks) > proven
}

fn caught() -> Option<String> {
    if caught_by_the_stack() {
        return Some("stack".to_string());
    }
    if caught_by_a_proven_price() {
        return Some("proven price".to_string());
    }
    if let Some(module) = caught_by_small_modules() {
        return Some(format!("small module {module}"));
    }
    caught_by_random_modules().map(|seed| format!("random module {seed}"))
}

#[test]
fn every_planted_mistake_is_caught() {
    set(Mutant::None);
    assert!(
        !caught_by_the_stack() && !caught_by_a_proven_price() && caught_by_small_modules().is_none(),
        "the transform itself is wrong"
    );
    let mut missed = Vec::new();
    for mutant in Mutant::ALL {
        set(mutant);
        match caught() {
            Some(by) => println!("{mutant:?}: {by}"),
            None => missed.push(mutant),
        }
    }
    set(Mutant::None);
    assert!(missed.is_empty(), "nobody noticed {missed:?}");
}
