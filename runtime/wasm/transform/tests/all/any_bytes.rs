//! The functions that a fuzzer would call, on bytes near to modules: bits flipped, cut, spliced.

use crate::oracle::{host, smith};
use replicode_transform::fuzz;

fn any_bytes(choice: u8, bytes: &[u8]) -> bool {
    let (settings, wish) = fuzz::settings(choice, &host());
    fuzz::any_bytes(&settings, &wish, bytes)
}

#[test]
fn modules_with_damage() {
    let (mut tried, mut accepted, mut state) = (0, 0, 1u64);
    let mut next = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) as usize) % below.max(1)
    };
    let mut other = Vec::new();
    for seed in 0..150 {
        let Some(wasm) = smith::module(seed) else { continue };
        for damage in 0..20 {
            let mut bytes = wasm.clone();
            match damage % 4 {
                0 => {
                    let at = next(bytes.len());
                    bytes[at] ^= 1 << next(8);
                }
                1 => bytes.truncate(next(bytes.len())),
                2 => {
                    let at = next(bytes.len());
                    bytes[at] = next(256) as u8;
                    let at = next(bytes.len());
                    bytes[at] = next(256) as u8;
                }
                _ => {
                    let (to, from) = (next(bytes.len()), next(other.len()));
                    let piece: Vec<u8> = other.iter().skip(from).take(next(40)).copied().collect();
                    bytes.splice(to..to, piece);
                }
            }
            // Half of the time with all that may be allowed, or hardly anything would be.
            let choice = next(32) as u8;
            let choice = if damage % 2 == 0 { choice | 6 } else { (choice | 6) & !24 };
            accepted += usize::from(any_bytes(choice, &bytes));
            tried += 1;
        }
        any_bytes(next(32) as u8 | 6, &wasm);
        other = wasm;
    }
    println!("{accepted} of {tried} accepted");
    // Both ways out of the transform are taken often.
    assert!(accepted > 100 && tried - accepted > 100, "{accepted} of {tried} accepted");
}

#[test]
fn bytes_of_nothing() {
    for seed in 0..500 {
        let mut bytes = b"\0asm\x01\0\0\0".to_vec();
        bytes.extend(smith::bytes(seed, 60));
        any_bytes(seed as u8, &bytes);
    }
    any_bytes(0, &[]);
}
