//! Generated modules as contracts: whatever they do, both engines say the same about it.

use crate::world::{GAS, Pair, document, template};
use arbitrary::Unstructured;
use replicode_contracts::abi::host::table;
use replicode_contracts::receipt::Status;
use replicode_contracts::template::Template;
use std::fmt::Write as _;
use wasm_smith::{Config, Module};

const FUNCTIONS: [&str; 3] = ["one", "two", "three"];

fn bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed;
    let mut out = Vec::with_capacity(length + 8);
    while out.len() < length {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = state;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        out.extend((x ^ (x >> 31)).to_le_bytes());
    }
    out
}

/// All host functions.
fn imports() -> Vec<u8> {
    let mut text = String::from("(module ");
    for row in table().iter().filter(|row| !row.is_debug()) {
        let params: Vec<&str> = row.params.iter().map(|(_, ty)| ty.name()).collect();
        let result = row.result.map_or(String::new(), |ty| format!("(result {})", ty.name()));
        let _ = write!(text, "(import \"svm\" \"{}\" (func (param {}) {result}))", row.name, params.join(" "));
    }
    wat::parse_str(text + ")").expect("a module")
}

fn config(seed: u64) -> Config {
    let exports = r#"(module (func (export "one")) (func (export "two")) (func (export "three")) (memory (export "memory") 1 1))"#;
    Config {
        available_imports: Some(imports()),
        exports: Some(wat::parse_str(exports).expect("a module")),
        allow_start_export: false,
        allow_floats: false,
        exceptions_enabled: false,
        gc_enabled: false,
        memory64_enabled: false,
        relaxed_simd_enabled: false,
        simd_enabled: false,
        threads_enabled: false,
        custom_page_sizes_enabled: false,
        wide_arithmetic_enabled: false,
        shared_everything_threads_enabled: false,
        reference_types_enabled: seed.is_multiple_of(16),
        tail_call_enabled: true,
        bulk_memory_enabled: true,
        memory_max_size_required: true,
        max_memory32_bytes: 1 << 16,
        // The exported one comes on top.
        max_memories: 0,
        max_tables: 2,
        table_max_size_required: true,
        max_table_elements: 200,
        max_funcs: 8,
        max_instructions: 80 + (seed % 4) as usize * 60,
        min_imports: 4,
        max_imports: 24,
        max_values: 4,
        max_data_segments: 3,
        max_element_segments: 4,
        ..Config::default()
    }
}

fn generated(seed: u64) -> Option<Template> {
    let bytes = bytes(seed, 2500 + (seed % 7) as usize * 1500);
    let module = Module::new(config(seed), &mut Unstructured::new(&bytes)).ok()?.to_bytes();
    let mut document = document(&format!("smith{seed}"), &FUNCTIONS);
    document["storage"] = serde_json::json!([
        {"name": "four", "type": "u32", "slice": 0},
        {"name": "eight", "type": "u64", "slice": 1},
        {"name": "count", "type": "counter", "slice": 2},
        {"name": "map", "type": "map<u64, u64>", "slice": 3},
    ]);
    let mut template = template(document, "(module)");
    template.code = module;
    Some(template)
}

/// How many were made, were accepted, returned, trapped and ran out of gas.
#[derive(Default, Debug)]
struct Tally {
    accepted: u32,
    returned: u32,
    trapped: u32,
    spent: u32,
}

fn compare(seeds: std::ops::Range<u64>) -> Tally {
    let mut tally = Tally::default();
    let mut pair = Pair::new();
    for seed in seeds {
        if seed % 200 == 0 {
            // What is compiled is kept; this many are enough at a time.
            pair = Pair::new();
            println!("seed {seed}: {tally:?}");
        }
        let Some(template) = generated(seed) else { continue };
        let gas = |limit: u64| move |world: &mut crate::world::World| world.gas_limit = limit;
        pair.both(gas(GAS));
        let deployed = pair.both(|world| world.try_deploy(&template));
        if !deployed.is_success() {
            assert!(matches!(deployed.status, Status::Refused { .. }), "seed {seed}: {}", deployed.status);
            continue;
        }
        tally.accepted += 1;
        let account = pair.both(|world| world.spawn(deployed.deployed[0], None, vec![], 0));
        pair.both(gas(200_000));
        for function in FUNCTIONS {
            let receipt = pair.both(|world| world.call(account, function, vec![]));
            match receipt.status {
                Status::Success | Status::Reverted { .. } => tally.returned += 1,
                Status::OutOfGas => tally.spent += 1,
                Status::Trapped { .. } => tally.trapped += 1,
                other => panic!("seed {seed}: {other}"),
            }
        }
    }
    tally
}

#[test]
fn generated_contracts_do_the_same_on_both_engines() {
    let tally = compare(0..300);
    assert!(tally.accepted > 150 && tally.returned > 50 && tally.trapped > 50, "{tally:?}");
}

/// The whole of it: `cargo test --release -p replicode-wasm --test contracts -- --ignored`.
#[test]
#[ignore = "some minutes"]
fn ten_thousand_generated_contracts_do_the_same_on_both_engines() {
    let threads: Vec<_> =
        (0..4).map(|part| std::thread::spawn(move || compare(part * 4000..(part + 1) * 4000))).collect();
    let accepted: u32 = threads.into_iter().map(|thread| thread.join().expect("it ends well").accepted).sum();
    assert!(accepted >= 10_000, "{accepted}");
}
