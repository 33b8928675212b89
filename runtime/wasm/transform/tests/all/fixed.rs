//! Class fixed: the price is proven, no run costs more, and nothing is put into the code.

use crate::oracle::count::Reference;
use crate::oracle::{Runner, settings, smith, value};
use replicode_transform::{CodeClass, Error, GAS, Metering, Settings, Wish, transform};
use wasmi::Val;

fn fixed() -> Wish {
    Wish { class: CodeClass::Fixed, ..Wish::default() }
}

fn price(text: &str) -> Result<u64, String> {
    let wasm = wat::parse_str(text).unwrap();
    match transform(&wasm, &settings(), &fixed()) {
        Ok(out) => Ok(out.functions[0].gas.unwrap()),
        Err(error) => Err(error.to_string()),
    }
}

/// Gas of a run, operator by operator.
fn cost_of_run(wasm: &[u8], name: &str, args: &[Val], settings: &Settings) -> Option<u64> {
    let reference = Reference::new(wasm, &settings.gas, &settings.host);
    let traced = reference.traced(wasm);
    let run = traced.run(name, args, 0, 0)?;
    assert!(!run.cut, "the run was cut");
    Some(reference.total(&run.host.events, Metering::Blocks))
}

const POWER: &str = r#"(module
    (func $square (param i64) (result i64) (i64.mul (local.get 0) (local.get 0)))
    (func (export "power") (param i64) (result i64) (local $i i32)
        (local.set $i (i32.const 10))
        (loop
            (local.set 0 (call $square (local.get 0)))
            (br_if 0 (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
        (local.get 0)))"#;

#[test]
fn a_counted_loop_costs_its_rounds() {
    // Square: entry 2, two gets, multiply 2. Round: get, call 3 + 6, set, get, const, sub, tee, branch. Around: entry 2 + local 1, const, set, get.
    assert_eq!(price(POWER), Ok(10 * (1 + 3 + 6 + 1 + 4 + 1) + 3 + 3));
    let wasm = wat::parse_str(POWER).unwrap();
    assert_eq!(cost_of_run(&wasm, "power", &[Val::I64(3)], &settings()), price(POWER).ok());
}

#[test]
fn fixed_modules_have_no_counters() {
    let wasm = wat::parse_str(POWER).unwrap();
    let out = transform(&wasm, &settings(), &fixed()).unwrap();
    assert_eq!(out.class, CodeClass::Fixed);
    let text = String::from_utf8_lossy(&out.wasm).to_string();
    assert!(!text.contains(GAS), "a counter in a fixed module");
    // The code is that of the author, byte by byte.
    let code = |wasm: &[u8]| {
        wasmparser::Parser::new(0)
            .parse_all(wasm)
            .filter_map(|payload| match payload.unwrap() {
                wasmparser::Payload::CodeSectionEntry(body) => Some(wasm[body.range()].to_vec()),
                _ => None,
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(code(&out.wasm), code(&wasm));
    let run = Runner::new(&out.wasm).run("power", &[Val::I64(3)], 0, 0).unwrap();
    assert_eq!(run.seen.results, Ok(vec![3u64.wrapping_pow(1024)]));
}

#[test]
fn what_stands_against_it() {
    for (text, reason) in [
        (r#"(module (func (export "f") (loop (br 0))))"#, "this loop has no constant bound"),
        (r#"(module (func $f (export "f") (call $f)))"#, "it calls itself, over function 0 \"f\""),
        (
            r#"(module (func $f (export "f") (call $g)) (func $g (return_call $f)))"#,
            "it calls itself, over function 0 \"f\"",
        ),
        (
            r#"(module (table 1 funcref) (func (export "f") (call_indirect (i32.const 0))))"#,
            "a call through a table could reach anything",
        ),
        (r#"(module (func (export "f") (drop (f32.const 1))))"#, "F32Const is floating point"),
        (r#"(module (func (export "f") (param f64)))"#, "a local or parameter is floating point"),
        (
            r#"(module (memory 1) (func (export "f") (param i32) (memory.fill (i32.const 0) (i32.const 0) (local.get 0))))"#,
            "the length of MemoryFill is not a constant",
        ),
        (
            r#"(module (import "svm" "bytes" (func $b (param i32 i32))) (func (export "f") (param i32) (call $b (i32.const 0) (local.get 0))))"#,
            "the price of svm.bytes depends on what it is given",
        ),
        (
            r#"(module (func (export "f") (local i32) (local.set 0 (i32.const 1000000))
                (loop (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))"#,
            "at most 1048576 can be proven",
        ),
    ] {
        let error = price(text).unwrap_err();
        assert!(error.contains("not of class fixed: in function"), "{text}: {error}");
        assert!(error.contains(reason), "{text}: {error}");
    }
    let several = r#"(module (func (export "f") (loop (br 0)) (drop (f64.const 0))) (func $r (export "g") (call $r)))"#;
    assert_eq!(price(several).unwrap_err().lines().count(), 3, "{}", price(several).unwrap_err());
}

#[test]
fn lengths_that_are_constants_have_a_price() {
    let fill = r#"(module (memory 1) (func (export "f") (memory.fill (i32.const 0) (i32.const 0) (i32.const 1000))))"#;
    let table = settings().gas;
    assert_eq!(price(fill), Ok(2 + 3 + table.memory_fill.total(1000)));
    let host = r#"(module (import "svm" "bytes" (func $b (param i32 i32))) (func (export "f") (call $b (i32.const 0) (i32.const 10))))"#;
    assert_eq!(price(host), Ok(2 + 2 + 3 + 40 + 9));
}

#[test]
fn an_open_ended_host_function_is_refused() {
    let mut settings = settings();
    settings.host.values_mut().for_each(|function| function.open_ended = true);
    let wasm = wat::parse_str(r#"(module (import "svm" "none" (func $n)) (func (export "f") (call $n)))"#).unwrap();
    let error = transform(&wasm, &settings, &fixed()).unwrap_err().to_string();
    assert!(error.contains("the price of svm.none depends on what it is given"), "{error}");
}

#[test]
fn ways_out_of_several_loops() {
    // What is ahead of a way out is paid once, not at each round.
    let text = r#"(module (func (export "f") (param i32) (result i32) (local i32 i32)
        (block $out
            (loop $a
                (local.set 2 (i32.const 0))
                (loop $b
                    (br_if $out (i32.eqz (local.get 0)))
                    (br_if $b (i32.lt_u (local.tee 2 (i32.add (local.get 2) (i32.const 1))) (i32.const 5))))
                (br_if $a (i32.lt_u (local.tee 1 (i32.add (local.get 1) (i32.const 1))) (i32.const 4)))))
        (i32.div_u (i32.div_u (i32.div_u (local.get 1) (i32.const 1)) (i32.const 1)) (i32.const 1))))"#;
    let proven = price(text).unwrap();
    let wasm = wat::parse_str(text).unwrap();
    for arg in [0, 1] {
        let cost = cost_of_run(&wasm, "f", &[Val::I32(arg)], &settings()).unwrap();
        assert!(cost <= proven, "{cost} of {proven}");
        assert!(arg == 0 || cost == proven, "the longest run costs what was proven: {cost} of {proven}");
    }
}

/// Statements with counted loops, branches and calls, from random bytes.
struct Writer {
    bytes: std::vec::IntoIter<u8>,
    counters: u32,
    out: String,
}

impl Writer {
    fn byte(&mut self) -> u32 {
        self.bytes.next().map_or(0, u32::from)
    }

    fn statements(&mut self, loops: u32) {
        for _ in 0..self.byte() % 4 {
            match self.byte() % 8 {
                0 | 1 if loops < 3 => self.counted(loops),
                2 => {
                    self.out.push_str("(if (i32.and (local.get 0) (i32.const 1)) (then ");
                    self.statements(loops);
                    self.out.push_str(") (else ");
                    self.statements(loops);
                    self.out.push_str("))\n");
                }
                3 => {
                    self.out.push_str("(block ");
                    self.statements(loops);
                    self.out.push_str(")\n");
                }
                4 => {
                    // Out of everything: who branches to a loop would need a bound.
                    let to = self.byte() % 3;
                    self.out.push_str(&format!("(br_if $b{to} (i32.eqz (i32.and (local.get 0) (i32.const 12))))\n"));
                }
                5 => self.out.push_str("(local.set 0 (i32.div_u (local.get 0) (i32.const 3)))\n"),
                6 => self.out.push_str("(call $leaf)\n"),
                _ => self.out.push_str("(local.set 0 (i32.add (local.get 0) (i32.const 77)))\n"),
            }
        }
    }

    fn counted(&mut self, loops: u32) {
        let i = 1 + self.counters % 6;
        self.counters += 1;
        let (first, step) = (self.byte() % 8, 1 + self.byte() % 3);
        let until = first + self.byte() % 12;
        self.out.push_str(&format!("(local.set {i} (i32.const {first}))\n"));
        if self.byte().is_multiple_of(2) {
            self.out.push_str("(loop ");
            self.statements(loops + 1);
            self.out.push_str(&format!(
                "(br_if 0 (i32.lt_u (local.tee {i} (i32.add (local.get {i}) (i32.const {step}))) (i32.const {until}))))\n"
            ));
        } else {
            self.out.push_str(&format!("(block (loop (br_if 1 (i32.ge_s (local.get {i}) (i32.const {until})))\n"));
            self.statements(loops + 1);
            self.out.push_str(&format!("(local.set {i} (i32.add (local.get {i}) (i32.const {step}))) (br 0)))\n"));
        }
    }
}

/// A function with loops in loops, whose labels `$b0`, `$b1` … are blocks around all of it.
fn program(seed: u64) -> String {
    let mut writer = Writer { bytes: smith::bytes(seed, 400).into_iter(), counters: 0, out: String::new() };
    writer.statements(0);
    format!(
        r#"(module (func $leaf) (func (export "f") (param i32) (result i32) (local i32 i32 i32 i32 i32 i32)
        (block $b2 (block $b1 (block $b0 {})) (local.set 0 (i32.rem_u (local.get 0) (i32.const 9)))) (local.get 0)))"#,
        writer.out
    )
}

#[test]
fn no_run_costs_more_than_was_proven() {
    let settings = settings();
    let (mut accepted, mut exact, mut refused) = (0, 0, 0);
    for seed in 0..1500 {
        let wasm = wat::parse_str(program(seed)).unwrap_or_else(|e| panic!("{seed}: {e}"));
        let out = match transform(&wasm, &settings, &fixed()) {
            Ok(out) => out,
            Err(Error::Refused(_)) => {
                refused += 1;
                continue;
            }
            Err(error) => panic!("{seed}: {error}"),
        };
        accepted += 1;
        let proven = out.functions.iter().find(|f| f.name == "f").unwrap().gas.unwrap();
        let (original, transformed) = (Runner::new(&wasm), Runner::new(&out.wasm));
        let reference = Reference::new(&wasm, &settings.gas, &settings.host);
        let traced = reference.traced(&wasm);
        let mut worst = 0;
        for call in 0..6 {
            let args = [value(wasmi::ValType::I32, seed * 8 + call)];
            let run = traced.run("f", &args, 0, 0).unwrap();
            if run.cut {
                continue;
            }
            let cost = reference.total(&run.host.events, Metering::Blocks);
            assert!(
                cost <= proven,
                "program {seed} with {args:?} costs {cost}, proven were {proven}\n{}",
                program(seed)
            );
            worst = worst.max(cost);
            let seen = |runner: &Runner| runner.run("f", &args, 0, 0).unwrap().seen;
            assert_eq!(seen(&original), seen(&transformed), "program {seed}");
        }
        exact += usize::from(worst == proven);
    }
    println!("{accepted} accepted, {exact} of them priced to the unit, {refused} refused");
    assert!(accepted > 500 && exact > 100, "{accepted} accepted, {exact} exact, {refused} refused");
}
