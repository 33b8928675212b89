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
const PATIENCE: u64 = 1500;

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
    caught_by_random_modules().map(|seed| format!("random module {seed}"))
}

#[test]
fn every_planted_mistake_is_caught() {
    set(Mutant::None);
    assert!(!caught_by_the_stack() && !caught_by_a_proven_price(), "the transform itself is wrong");
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
