//! Random modules, from seeds.

use arbitrary::Unstructured;
use wasm_smith::{Config, Module};

/// A stream of bytes from a seed.
pub fn bytes(seed: u64, length: usize) -> Vec<u8> {
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

/// Host functions that generated modules may import: those of the oracle's host.
fn imports() -> Vec<u8> {
    let text = r#"(module
        (import "svm" "none" (func))
        (import "svm" "get" (func (param i32) (result i64)))
        (import "svm" "mix" (func (param i64 f64 i32) (result i32)))
        (import "svm" "bytes" (func (param i32 i32)))
        (import "svm" "pair" (func (param i64) (result i32 i64))))"#;
    wat::parse_str(text).unwrap()
}

/// What generated modules look like: the language of contracts, with at most two pages of memory, and everything exported.
fn config(seed: u64) -> Config {
    Config {
        available_imports: Some(imports()),
        allow_start_export: false,
        export_everything: true,
        // Engines choose bits of NaNs; only one engine runs here, but it may fold constants by other means.
        canonicalize_nans: true,
        exceptions_enabled: false,
        gc_enabled: false,
        memory64_enabled: false,
        relaxed_simd_enabled: false,
        threads_enabled: false,
        custom_page_sizes_enabled: false,
        wide_arithmetic_enabled: false,
        shared_everything_threads_enabled: false,
        // With references come values from outside, which contracts do without; one in four tries it, and table operations with it.
        reference_types_enabled: seed.is_multiple_of(4),
        simd_enabled: seed % 8 == 1,
        tail_call_enabled: true,
        bulk_memory_enabled: true,
        memory_max_size_required: true,
        max_memory32_bytes: 2 << 16,
        min_memories: u32::from(!seed.is_multiple_of(3)),
        max_memories: 1,
        max_tables: 2,
        table_max_size_required: true,
        max_table_elements: 200,
        min_funcs: 2,
        max_funcs: 12,
        max_instructions: 60 + (seed % 5) as usize * 60,
        max_imports: 6,
        max_values: 4,
        max_data_segments: 4,
        max_element_segments: 6,
        // Loops that never end are welcome: the host cuts them.
        ..Config::default()
    }
}

/// A module from a seed, if the seed makes one.
pub fn module(seed: u64) -> Option<Vec<u8>> {
    let bytes = bytes(seed, 3000 + (seed % 7) as usize * 1500);
    let module = Module::new(config(seed), &mut Unstructured::new(&bytes)).ok()?;
    Some(module.to_bytes())
}
