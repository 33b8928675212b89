//! Libraries: linked by hash, shared by templates, at work in the caller's frame.

use crate::world::{Pair, World, document, encoded, library, pin, template};
use replicode_contracts::hash::Hash;
use replicode_contracts::receipt::{Status, Trap};
use replicode_contracts::template::Template;
use replicode_wasm::contracts::ContractLoader;

/// Doubles a number in the caller's slice 0, reverses bytes that were passed, counts its own calls in its own memory.
fn mathlib() -> Template {
    library(
        "mathlib",
        r#"(module
        (import "svm" "get64" (func $get (param i32) (result i64)))
        (import "svm" "set64" (func $set (param i32 i64)))
        (import "svm" "passed_len" (func $len (result i32)))
        (import "svm" "passed" (func $passed (param i32 i32 i32)))
        (import "svm" "pass" (func $pass (param i32 i32)))
        (memory (export "memory") 1)
        (global $calls (mut i32) (i32.const 0))
        (func (export "double") (param i64) (result i64)
            (call $set (i32.const 0) (i64.mul (i64.const 2) (call $get (i32.const 0))))
            (i64.mul (i64.const 2) (local.get 0)))
        (func (export "count") (result i32)
            (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
            (global.get $calls))
        (func (export "reverse") (local $i i32) (local $n i32)
            (local.set $n (call $len))
            (call $passed (i32.const 0) (i32.const 0) (local.get $n))
            (block (loop
                (br_if 1 (i32.ge_u (local.get $i) (local.get $n)))
                (i32.store8 (i32.sub (i32.add (i32.const 1023) (local.get $n)) (local.get $i)) (i32.load8_u (local.get $i)))
                (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (br 0)))
            (call $pass (i32.const 1024) (local.get $n)))
        (func (export "trap") unreachable)
        (func (export "spin") (loop (br 0))))"#,
    )
}

fn user(name: &str, math: Hash) -> Template {
    let mut document = document(name, &["double", "twice", "reverse", "trap", "spin"]);
    document["storage"] = serde_json::json!([{"name": "n", "type": "u64", "slice": 0}]);
    let mut template = template(
        document,
        r#"(module
        (import "lib:m" "double" (func $double (param i64) (result i64)))
        (import "lib:m" "count" (func $count (result i32)))
        (import "lib:m" "reverse" (func $reverse))
        (import "lib:m" "trap" (func $trap))
        (import "lib:m" "spin" (func $spin))
        (import "svm" "set64" (func $set (param i32 i64)))
        (import "svm" "get64" (func $get (param i32) (result i64)))
        (import "svm" "pass" (func $pass (param i32 i32)))
        (import "svm" "passed" (func $passed (param i32 i32 i32)))
        (import "svm" "output" (func $output (param i32 i32)))
        (memory (export "memory") 1)
        (data (i32.const 64) "stressed")
        (func (export "double") (local $i i32)
            (call $set (i32.const 0) (i64.const 21))
            (block (loop
                (br_if 1 (i32.eq (local.get $i) (i32.const 3)))
                (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (i64.store (i32.const 0) (call $double (i64.const 4)))
                (br 0)))
            (i64.store (i32.const 8) (call $get (i32.const 0)))
            (call $output (i32.const 0) (i32.const 16)))
        (func (export "twice")
            (drop (call $count))
            (i32.store (i32.const 0) (call $count))
            (call $output (i32.const 0) (i32.const 4)))
        (func (export "reverse")
            (call $pass (i32.const 64) (i32.const 8))
            (call $reverse)
            (call $passed (i32.const 0) (i32.const 128) (i32.const 8))
            (call $output (i32.const 128) (i32.const 8)))
        (func (export "trap") (call $trap))
        (func (export "spin") (call $spin)))"#,
    );
    template.libraries = vec![pin("m", math)];
    template
}

#[test]
fn a_library_works_in_its_callers_frame() {
    let mut pair = Pair::new();
    let math = pair.both(|world| world.publish("mathlib", &mathlib()));
    let account = pair.both(|world| world.place(&user("one", math)));
    let receipt = pair.both(|world| world.call(account, "double", vec![]));
    assert_eq!(receipt.returned, encoded(&(8u64, 21u64 << 3)), "{}", receipt.status);
    assert_eq!(receipt.gas.frames.len(), 1, "no frame of its own");
    assert_eq!(receipt.touched.len(), 1);
    let receipt = pair.both(|world| world.call(account, "reverse", vec![]));
    assert_eq!(receipt.returned, b"desserts", "{}", receipt.status);
}

#[test]
fn an_instance_lasts_as_long_as_the_frame() {
    let mut pair = Pair::new();
    let math = pair.both(|world| world.publish("mathlib", &mathlib()));
    let account = pair.both(|world| world.place(&user("one", math)));
    for _ in 0..3 {
        let receipt = pair.both(|world| world.call(account, "twice", vec![]));
        assert_eq!(receipt.returned, encoded(&2u32), "{}", receipt.status);
    }
}

#[test]
fn gas_crosses_over_and_back_exactly() {
    let mut pair = Pair::new();
    let math = pair.both(|world| world.publish("mathlib", &mathlib()));
    let account = pair.both(|world| world.place(&user("one", math)));
    let needed = pair.both(|world| world.call(account, "double", vec![])).gas.burnt;
    for gas in (0..needed + 20).step_by(5).chain([needed - 1, needed, needed + 1]) {
        let receipt = pair.both(|world| {
            world.gas_limit = gas;
            world.call(account, "double", vec![])
        });
        assert_eq!((receipt.is_success(), receipt.gas.burnt), (gas >= needed, gas.min(needed)), "{gas} of {needed}");
    }
    let spun = pair.both(|world| world.call(account, "spin", vec![]));
    assert_eq!(spun.status, Status::OutOfGas);
    let trapped = pair.both(|world| {
        world.gas_limit = 1_000_000;
        world.call(account, "trap", vec![])
    });
    assert_eq!((trapped.status, trapped.gas.burnt), (Status::Trapped { trap: Trap::Unreachable }, 1_000_000));
}

/// A node that starts again loads what it needs, libraries first.
#[test]
fn templates_are_compiled_once_and_found_again_after_a_start() {
    let mut world = World::new();
    let math = world.publish("mathlib", &mathlib());
    let one = world.place(&user("one", math));
    let two = world.place(&user("two", math));
    let loader = std::sync::Arc::new(ContractLoader::new(crate::world::engine()));
    struct Shared(std::sync::Arc<ContractLoader>);
    impl replicode_contracts::run::Loader for Shared {
        fn at_hand(&self, template: &Hash) -> Option<std::sync::Arc<replicode_contracts::run::Loaded>> {
            self.0.at_hand(template)
        }
        fn load(
            &self,
            hash: &Hash,
            template: Template,
        ) -> Result<std::sync::Arc<replicode_contracts::run::Loaded>, replicode_contracts::run::Unloaded> {
            self.0.load(hash, template)
        }
    }
    world.loader = Box::new(Shared(std::sync::Arc::clone(&loader)));
    assert!(loader.is_empty());
    for account in [one, two, one] {
        let receipt = world.call(account, "reverse", vec![]);
        assert_eq!(receipt.returned, b"desserts", "{}", receipt.status);
    }
    assert_eq!(loader.len(), 3, "one library and two contracts");
}

#[test]
fn libraries_of_libraries_are_linked_up_to_the_limit() {
    let mut world = World::new();
    let mut last =
        world.publish("lib0", &library("lib0", r#"(module (func (export "f") (result i32) (i32.const 1)))"#));
    let next = |name: &str, below: Hash| {
        let text = format!(
            r#"(module (import "lib:below" "f" (func $f (result i32))) (func (export "f") (result i32)
                (i32.add (i32.const 1) (call $f))) (export "{name}" (func $f)))"#
        );
        let mut library = library(name, &text);
        library.libraries = vec![pin("below", below)];
        library
    };
    let contract = |last: Hash| {
        let mut contract = template(
            document("top", &["go"]),
            r#"(module
            (import "lib:below" "f" (func $f (result i32)))
            (import "svm" "output" (func $output (param i32 i32)))
            (memory (export "memory") 1)
            (func (export "go") (i32.store (i32.const 0) (call $f)) (call $output (i32.const 0) (i32.const 4))))"#,
        );
        contract.libraries = vec![pin("below", last)];
        contract
    };
    for number in 1..8 {
        last = world.publish(&format!("lib{number}"), &next(&format!("n{number}"), last));
    }
    let account = world.place(&contract(last));
    let receipt = world.call(account, "go", vec![]);
    assert_eq!(receipt.returned, encoded(&8u32), "{}", receipt.status);
    last = world.publish("lib8", &next("n8", last));
    let Status::Refused { why } = world.try_deploy(&contract(last)).status else { panic!("nine libraries") };
    assert!(why.starts_with("more than 8 libraries"), "{why}");
}
