//! Templates that may not run: every reason at once, and the same on every node.

use crate::world::{World, document, library, pin, template};
use replicode_contracts::hash::Hash;
use replicode_contracts::receipt::Status;
use replicode_contracts::template::{Class, FixedPrice, Template};

fn why(template: &Template) -> String {
    let mut world = World::new();
    match world.try_deploy(template).status {
        Status::Refused { why } => why,
        status => panic!("{status}"),
    }
}

#[test]
fn every_reason_comes_at_once() {
    let text = r#"(module
        (import "svm" "get23" (func (param i32) (result i32)))
        (import "env" "memcpy" (func (param i32 i32 i32) (result i32)))
        (import "svm" "log" (func (param i32 i32)))
        (memory 2)
        (func (export "go") (drop (f64.add (f64.const 1) (f64.const 2)))))"#;
    let why = why(&template(document("wrong", &["go"]), text));
    for part in [
        "unknown import svm.get23; did you mean svm.get32?",
        "unknown import env.memcpy",
        "unknown import svm.log",
        "floats are not allowed",
        "131072 bytes of memory, its template declares 65536",
    ] {
        assert!(why.contains(part), "{part:?} is missing in\n{why}");
    }
}

#[test]
fn functions_are_exported_and_plain() {
    let missing = why(&template(document("wrong", &["go", "stop"]), r#"(module (func (export "go")))"#));
    assert_eq!(missing, "the module does not export the function \"stop\" of its document");
    let typed = why(&template(document("wrong", &["go"]), r#"(module (func (export "go") (param i32)))"#));
    assert!(typed.contains("\"go\" has parameters or results"), "{typed}");
}

#[test]
fn forbidden_proposals_and_start_functions_are_refused() {
    for (text, said) in [
        (r#"(module (func $s) (start $s) (func (export "go")))"#, "start"),
        (r#"(module (memory i64 1) (func (export "go")))"#, "memory64"),
        (r#"(module (memory 1 1 shared) (func (export "go")))"#, "threads"),
        (r#"(module (func (export "go") (drop (v128.const i64x2 1 2))))"#, "simd"),
        (r#"(module (type (struct)) (func (export "go")))"#, ""),
        (r#"(module (func (export "go")) (func (export "__svm_gas")))"#, "__svm_"),
    ] {
        let why = why(&template(document("wrong", &["go"]), text));
        assert!(why.contains(said), "{said:?} is missing in {why}");
    }
}

#[test]
fn libraries_have_to_be_there_and_to_be_libraries() {
    let mut world = World::new();
    let contract = template(document("plain", &["go"]), r#"(module (func (export "go")))"#);
    let contract_hash = world.deploy(&contract);
    let text = r#"(module (import "lib:math" "add" (func (param i32 i32) (result i32))) (func (export "go")))"#;
    let mut uses = template(document("uses", &["go"]), text);
    let mut refused = |uses: &Template| match world.try_deploy(uses).status {
        Status::Refused { why } => why,
        status => panic!("{status}"),
    };
    assert!(refused(&uses).contains("unknown import lib:math.add"));
    uses.libraries = vec![pin("math", Hash::new([3; 32]))];
    assert!(refused(&uses).starts_with("there is no library math with hash 0303"));
    uses.libraries = vec![pin("math", contract_hash)];
    assert!(refused(&uses).ends_with("is a contract and no library"));
    let text = r#"(module (func (export "add") (param i32 i32) (result i64) (i64.const 0)))"#;
    uses.libraries = vec![pin("math", world.publish("math", &library("math", text)))];
    let mut refused = |uses: &Template| match world.try_deploy(uses).status {
        Status::Refused { why } => why,
        status => panic!("{status}"),
    };
    let why = refused(&uses);
    assert!(why.contains("lib:math.add") && why.contains("i64"), "{why}");
}

#[test]
fn prices_of_class_fixed_are_proven() {
    let text = r#"(module (import "svm" "set32" (func $set (param i32 i32)))
        (func (export "go") (call $set (i32.const 0) (i32.const 7))))"#;
    let mut document = document("fixed", &["go"]);
    document["storage"] = serde_json::json!([{"name": "a", "type": "u32", "slice": 0}]);
    let mut fixed = template(document, text);
    fixed.class = Class::Fixed(vec![FixedPrice { function: "go".into(), gas: 1 }]);
    let why = why(&fixed);
    let price: u64 =
        why.split_whitespace().nth(2).and_then(|word| word.trim_end_matches(',').parse().ok()).expect(&why);
    assert_eq!(why, format!("\"go\" burns {price}, and the template says 1"));
    fixed.class = Class::Fixed(vec![FixedPrice { function: "go".into(), gas: price }]);
    let mut world = World::new();
    let account = world.place(&fixed);
    let call = world.config.prices.call;
    world.gas_limit = call + price;
    let receipt = world.call(account, "go", vec![]);
    assert!(receipt.is_success(), "{}", receipt.status);
    assert_eq!(receipt.gas.burnt, call + price, "exactly what was proven");
    let frame = &receipt.gas.frames[0];
    assert_eq!(frame.burnt[2], 1000 + 4 * 5, "what the write costs is told as a write");
    world.gas_limit = call + price - 1;
    assert_eq!(world.call(account, "go", vec![]).status, Status::OutOfGas);
}
