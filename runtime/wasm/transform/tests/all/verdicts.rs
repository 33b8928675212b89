//! What is refused at deploy, with every reason at once.

use crate::oracle::{host, settings};
use replicode_transform::{Error, Limits, Settings, Wish, transform};

/// No reason to refuse.
const NOTHING: [&str; 0] = [];

/// The verdict on a module written as text, one line for each reason.
fn verdict(text: &str, settings: &Settings, wish: &Wish) -> Vec<String> {
    let wasm = wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"));
    match transform(&wasm, settings, wish) {
        Ok(_) => Vec::new(),
        Err(Error::Refused(verdict)) => verdict.to_string().lines().map(str::to_string).collect(),
        Err(error) => panic!("{error}"),
    }
}

/// One reason, word by word.
fn refused(text: &str, reason: &str) {
    assert_eq!(verdict(text, &plain(), &Wish::default()), [reason], "{text}");
}

fn accepted(text: &str) {
    assert_eq!(verdict(text, &plain(), &Wish::default()), NOTHING, "{text}");
}

/// Neither floats nor vectors.
fn plain() -> Settings {
    Settings { host: host(), ..Settings::default() }
}

#[test]
fn an_ordinary_module_is_accepted() {
    accepted(
        r#"(module (import "svm" "get" (func $get (param i32) (result i64)))
            (memory (export "memory") 1) (data (i32.const 8) "hello")
            (func (export "f") (param i32) (result i64) (call $get (local.get 0))))"#,
    );
}

#[test]
fn unknown_imports_with_the_name_that_was_meant() {
    refused(
        r#"(module (import "svm" "got" (func (param i32) (result i64))))"#,
        "unknown import svm.got; did you mean svm.get?",
    );
    refused(
        r#"(module (import "env" "bytes" (func (param i32 i32))))"#,
        "unknown import env.bytes; did you mean svm.bytes?",
    );
    refused(
        r#"(module (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32))))"#,
        "unknown import wasi_snapshot_preview1.fd_write; see the table of host functions",
    );
}

#[test]
fn imports_of_another_type_or_kind() {
    refused(
        r#"(module (import "svm" "get" (func (param i64))))"#,
        "import svm.get has type (i64) -> (), the host has (i32) -> (i64)",
    );
    refused(
        r#"(module (import "svm" "memory" (memory 1)))"#,
        "import svm.memory is a memory, only functions can be imported; define it in the module",
    );
    refused(
        r#"(module (import "svm" "g" (global i32)))"#,
        "import svm.g is a global, only functions can be imported; define it in the module",
    );
}

#[test]
fn floats_where_they_are_forbidden() {
    let text = r#"(module (func $mean (export "mean") (param f64 f64) (result f64)
        (f64.div (f64.add (local.get 0) (local.get 1)) (f64.const 2))))"#;
    let reasons = verdict(text, &plain(), &Wish::default());
    assert_eq!(
        reasons,
        [
            "floats are not allowed: type 0 in the module and 5 more; use integers or fixed-point numbers, or ask for a cell whose contracts may use floats"
        ]
    );
    assert_eq!(verdict(text, &settings(), &Wish::default()), NOTHING);
}

#[test]
fn the_language_that_contracts_do_without() {
    for (text, feature) in [
        ("(module (memory 1 1 shared))", "threads are not allowed: a shared memory"),
        (
            "(module (memory 1 1) (func i32.const 0 i32.const 0 memory.atomic.notify drop))",
            "threads are not allowed: MemoryAtomicNotify in function 0",
        ),
        ("(module (memory i64 1))", "memory64 is not allowed: a memory of 64 bits"),
        ("(module (table i64 1 funcref))", "memory64 is not allowed: a table of 64 bits"),
        ("(module (type (struct (field i32))))", "gc is not allowed: a type that is not a function's"),
        ("(module (rec (type (func)) (type (func))))", "gc is not allowed: a group of types"),
        ("(module (func (param anyref)))", "gc is not allowed: type 0"),
        ("(module (func (result i32) ref.null eq ref.null eq ref.eq))", "gc is not allowed: RefNull in function 0"),
        ("(module (func (param externref)))", "externref is not allowed: type 0"),
        ("(module (tag) (func throw 0))", "exceptions are not allowed: a tag section"),
        ("(module (func (param v128)))", "simd is not allowed: type 0"),
        ("(module (func v128.const i64x2 0 0 drop))", "simd is not allowed: V128Const in function 0"),
        (
            "(module (func (param i64 i64 i64 i64) (result i64 i64) local.get 0 local.get 1 local.get 2 local.get 3 i64.add128))",
            "wide arithmetic is not allowed: I64Add128 in function 0",
        ),
        ("(module (memory 1 (pagesize 1)))", "custom page sizes are not allowed: a memory with pages"),
        (
            "(module (type $t (func)) (func (param (ref $t)) local.get 0 call_ref $t))",
            "function references are not allowed: CallRef in function 0",
        ),
    ] {
        let reasons = verdict(text, &plain(), &Wish::default());
        assert!(reasons.iter().any(|reason| reason.starts_with(feature)), "{text}: {reasons:#?}");
    }
    // Also where ordinary vectors are allowed.
    let relaxed = "(module (func (param v128 v128) (result v128) local.get 0 local.get 1 i8x16.relaxed_swizzle))";
    let reasons = verdict(relaxed, &settings(), &Wish::default());
    assert!(reasons[0].starts_with("relaxed simd is not allowed: I8x16RelaxedSwizzle in function 0"), "{reasons:?}");
}

#[test]
fn start_functions() {
    refused(
        "(module (func $begin) (start $begin))",
        "function 0 \"begin\" is a start function, which would run before there is gas; call it from a constructor instead",
    );
}

#[test]
fn names_that_the_transform_adds() {
    refused(
        r#"(module (func (export "__svm_gas")))"#,
        "export \"__svm_gas\": names that begin with \"__svm_\" are reserved; rename it",
    );
}

#[test]
fn memory_and_segments() {
    refused(
        "(module (memory 2))",
        "the module starts with 131072 bytes of memory, its template declares 65536; declare more, or link with a smaller stack and less data",
    );
    let wish = Wish { memory_bytes: 2 << 20, ..Wish::default() };
    assert_eq!(
        verdict("(module (memory 1))", &plain(), &wish),
        ["2097152 bytes of memory in the module, at most 1048576 are allowed"]
    );
    refused(
        r#"(module (memory 1) (data (i32.const 65533) "four"))"#,
        "data segment 0 ends at 65537, beyond the 65536 bytes that are there at the start",
    );
    accepted(r#"(module (memory 1) (data (i32.const 65532) "four"))"#);
    refused(
        "(module (table 2 funcref) (elem (i32.const 1) func 0 0) (func))",
        "element segment 0 ends at 3, beyond the 2 elements that are there at the start",
    );
    // A memory of some thousand bytes: the segment is measured against it.
    let wish = Wish { memory_bytes: 5000, ..Wish::default() };
    let text = |at: u32| format!(r#"(module (memory 1) (data (i32.const {at}) "four"))"#);
    assert_eq!(verdict(&text(4996), &plain(), &wish), NOTHING);
    assert_eq!(
        verdict(&text(4997), &plain(), &wish),
        ["data segment 0 ends at 5001, beyond the 5000 bytes that are there at the start"]
    );
}

#[test]
fn a_frame_larger_than_the_stack() {
    let locals = "i64 ".repeat(2000);
    let mut settings = plain();
    settings.bounds.stack_bytes = 32 + 2000 * 8;
    let text = format!("(module (func $wide (local {locals})))");
    assert_eq!(verdict(&text, &settings, &Wish::default()), NOTHING);
    settings.bounds.stack_bytes -= 1;
    assert_eq!(
        verdict(&text, &settings, &Wish::default()),
        ["function 0 \"wide\" needs 16032 bytes of stack for one frame, there are 16031; use fewer locals"]
    );
}

/// For each bound: a module that reaches it, and one that goes beyond by one.
#[test]
fn limits_at_and_one_above() {
    let repeat = |n: usize, each: &dyn Fn(usize) -> String| (0..n).map(each).collect::<String>();
    type Make<'m> = Box<dyn Fn(usize) -> String + 'm>;
    let cases: Vec<(&str, Limits, usize, Make<'_>)> = vec![
        (
            "types",
            Limits { types: 5, ..Limits::default() },
            5,
            Box::new(|n| repeat(n, &|i| format!("(type (func (param {})))", "i32 ".repeat(i)))),
        ),
        (
            "parameters of a type",
            Limits { params: 5, ..Limits::default() },
            5,
            Box::new(|n| format!("(type (func (param {})))", "i32 ".repeat(n))),
        ),
        (
            "results of a type",
            Limits { results: 5, ..Limits::default() },
            5,
            Box::new(|n| format!("(type (func (result {})))", "i32 ".repeat(n))),
        ),
        ("functions", Limits { functions: 5, ..Limits::default() }, 5, Box::new(|n| "(func)".repeat(n))),
        (
            "imports",
            Limits { imports: 5, ..Limits::default() },
            5,
            Box::new(|n| r#"(import "svm" "none" (func))"#.repeat(n)),
        ),
        (
            "exports",
            Limits { exports: 5, ..Limits::default() },
            5,
            Box::new(|n| format!("(func) {}", repeat(n, &|i| format!("(export \"f{i}\" (func 0))")))),
        ),
        (
            "bytes of a name",
            Limits { name_bytes: 5, ..Limits::default() },
            5,
            Box::new(|n| format!("(func (export \"{}\"))", "x".repeat(n))),
        ),
        (
            "globals",
            Limits { globals: 5, ..Limits::default() },
            5,
            Box::new(|n| "(global i32 (i32.const 0))".repeat(n)),
        ),
        ("tables", Limits { tables: 5, ..Limits::default() }, 5, Box::new(|n| "(table 1 funcref)".repeat(n))),
        (
            "elements of a table",
            Limits { table_elements: 5, ..Limits::default() },
            5,
            Box::new(|n| format!("(table {n} funcref)")),
        ),
        ("memories", Limits::default(), 1, Box::new(|n| "(memory 1)".repeat(n))),
        (
            "locals of a function",
            Limits { locals: 5, ..Limits::default() },
            5,
            Box::new(|n| format!("(func (param i32 i32) (local {}))", "i32 ".repeat(n - 2))),
        ),
        (
            "blocks inside each other",
            Limits { nesting: 5, ..Limits::default() },
            5,
            Box::new(|n| format!("(func {} {})", "block ".repeat(n), "end ".repeat(n))),
        ),
        (
            "targets of a br_table",
            Limits { switch_targets: 5, ..Limits::default() },
            5,
            Box::new(|n| format!("(func i32.const 0 br_table {} 0)", "0 ".repeat(n))),
        ),
        (
            "data segments",
            Limits { data_segments: 5, ..Limits::default() },
            5,
            Box::new(|n| format!("(memory 1) {}", "(data (i32.const 0) \"x\")".repeat(n))),
        ),
        (
            "bytes of data",
            Limits { data_bytes: 5, ..Limits::default() },
            5,
            Box::new(|n| format!("(memory 1) (data (i32.const 0) \"x\") (data \"{}\")", "x".repeat(n - 1))),
        ),
        (
            "element segments",
            Limits { element_segments: 5, ..Limits::default() },
            5,
            Box::new(|n| format!("(table 1 funcref) (func) {}", "(elem (i32.const 0) func 0)".repeat(n))),
        ),
        (
            "entries of element segments",
            Limits { element_items: 5, ..Limits::default() },
            5,
            Box::new(|n| format!("(func) (elem func {})", "0 ".repeat(n))),
        ),
    ];
    for (what, limits, at, make) in cases {
        let settings = Settings { limits, ..plain() };
        let text = |n| format!("(module {})", make(n));
        assert_eq!(verdict(&text(at), &settings, &Wish::default()), NOTHING, "{what}");
        let reasons = verdict(&text(at + 1), &settings, &Wish::default());
        let expected = format!("{} {what}", at + 1);
        assert!(
            reasons.iter().any(|r| r.starts_with(&expected) && r.ends_with(&format!("at most {at} are allowed"))),
            "{what}: {reasons:?}"
        );
    }
    // Sizes in bytes: by the module's own length.
    let wasm = wat::parse_str("(module (func i32.const 1 drop))").unwrap();
    let with = |limits| transform(&wasm, &Settings { limits, ..plain() }, &Wish::default());
    let length = wasm.len() as u64;
    assert!(with(Limits { module_bytes: length, ..Limits::default() }).is_ok());
    assert!(with(Limits { module_bytes: length - 1, ..Limits::default() }).is_err());
    assert!(with(Limits { code_bytes: 5, function_bytes: 5, ..Limits::default() }).is_ok());
    assert!(with(Limits { code_bytes: 4, ..Limits::default() }).is_err());
    assert!(with(Limits { function_bytes: 4, ..Limits::default() }).is_err());
}

#[test]
fn every_reason_at_once() {
    let text = r#"(module
        (import "svm" "emitt" (func (param i32)))
        (import "svm" "get" (func (param i64)))
        (memory 2 3 shared)
        (func (export "__svm_stack") (param f32))
        (func $go) (start $go))"#;
    let reasons = verdict(text, &plain(), &Wish::default());
    let begins = [
        "floats are not allowed",
        "threads are not allowed",
        "unknown import svm.emitt",
        "import svm.get has type",
        "export \"__svm_stack\"",
        "function 3 \"go\" is a start function",
        "the module starts with 131072 bytes",
    ];
    assert_eq!(reasons.len(), begins.len(), "{reasons:#?}");
    for (reason, begin) in reasons.iter().zip(begins) {
        assert!(reason.starts_with(begin), "{reason} should begin with {begin}");
    }
}

#[test]
fn what_is_no_module() {
    let verdict = |bytes: &[u8]| transform(bytes, &plain(), &Wish::default()).unwrap_err().to_string();
    assert!(verdict(b"").starts_with("not a valid module: "), "{}", verdict(b""));
    assert!(verdict(b"#!/bin/sh").starts_with("not a valid module: "));
    let component = wat::parse_str("(component)").unwrap();
    assert_eq!(
        verdict(&component),
        "this is a component, contracts are core modules; build for wasm32-unknown-unknown"
    );
    let wasm = wat::parse_str("(module (func i32.const 1 drop))").unwrap();
    for length in 9..wasm.len() {
        // A module that ends after its types is one.
        let outcome = transform(&wasm[..length], &plain(), &Wish::default());
        let valid = wasmparser::validate(&wasm[..length]).is_ok();
        assert_eq!(outcome.is_ok(), valid, "cut at {length}: {outcome:?}");
    }
    let wrong = wat::parse_str("(module (func i32.const 1))").unwrap();
    assert!(verdict(&wrong).contains("values remaining on stack"), "{}", verdict(&wrong));
}
