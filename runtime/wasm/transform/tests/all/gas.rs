//! Gas, counted twice: by the transformed module itself, and from a trace of the module as it was written.

use crate::oracle::count::Reference;
use crate::oracle::{Compared, Runner, compare, settings, smith, value};
use replicode_transform::{Error, GasTable, Metering, Settings, Wish, transform};
use std::collections::BTreeMap;
use wasmi::Val;

/// How many random modules are tried: some hundreds in every run, as many as one likes by the environment.
fn modules() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "how long a test takes is no part of what it tests")]
    let wanted = std::env::var("TRANSFORM_MODULES").ok();
    wanted.and_then(|n| n.parse().ok()).unwrap_or(400)
}

fn wish() -> Wish {
    Wish { memory_bytes: 2 << 16, ..Wish::default() }
}

/// A table in which no two prices are equal and no sums of few are either: a wrong operator cannot cancel out.
fn strange() -> GasTable {
    let mut next = 1u32;
    let mut prime = || {
        next += 1;
        while (2..next).any(|d| next.is_multiple_of(d)) {
            next += 1;
        }
        next
    };
    let mut table = GasTable { version: 99, ..GasTable::default() };
    for price in [
        &mut table.entry,
        &mut table.local,
        &mut table.simple,
        &mut table.multiply,
        &mut table.divide,
        &mut table.global,
        &mut table.load,
        &mut table.store,
        &mut table.branch,
        &mut table.switch,
        &mut table.call,
        &mut table.call_indirect,
        &mut table.float,
        &mut table.float_slow,
        &mut table.vector,
        &mut table.table,
    ] {
        *price = prime();
    }
    for rate in [
        &mut table.memory_copy,
        &mut table.memory_fill,
        &mut table.memory_init,
        &mut table.memory_grow,
        &mut table.table_copy,
        &mut table.table_fill,
        &mut table.table_init,
        &mut table.table_grow,
    ] {
        (rate.base, rate.each, rate.shift) = (prime(), prime(), (prime() % 5) as u8);
    }
    table
}

/// Runs every export of a module, for both ways of metering.
fn check(wasm: &[u8], settings: &Settings, seed: u64) -> Result<BTreeMap<String, u64>, String> {
    let mut seen = BTreeMap::new();
    let mut transformed = Vec::new();
    for metering in [Metering::Heaviest, Metering::Blocks] {
        let settings = Settings { metering, ..settings.clone() };
        match transform(wasm, &settings, &wish()) {
            Ok(out) => {
                let mut features = wasmparser::WasmFeatures::default();
                features.remove(wasmparser::WasmFeatures::MEMORY64 | wasmparser::WasmFeatures::GC);
                wasmparser::Validator::new_with_features(features)
                    .validate_all(&out.wasm)
                    .map_err(|error| format!("{metering:?}: what came out does not validate: {error}"))?;
                transformed.push((metering, Runner::new(&out.wasm)));
            }
            Err(Error::Refused(verdict)) => {
                let reason = verdict.complaints[0].to_string().replace(|c: char| c.is_ascii_digit(), "");
                *seen.entry(format!("refused: {}", &reason[..reason.len().min(40)])).or_default() += 1;
                return Ok(seen);
            }
            Err(error) => return Err(error.to_string()),
        }
    }
    let reference = Reference::new(wasm, &settings.gas, &settings.host);
    let original = reference.traced(wasm);
    for (name, params) in original.functions() {
        for call in 0..2 {
            let args: Vec<Val> = (0..).zip(&params).map(|(i, ty)| value(*ty, seed * 64 + call * 8 + i)).collect();
            let Some(traced) = original.run(&name, &args, 0, 0) else {
                for (_, transformed) in &transformed {
                    if transformed.run(&name, &args, crate::oracle::PLENTY, 1 << 30).is_some() {
                        return Err("an instance of the transformed module only".to_string());
                    }
                }
                *seen.entry(format!("{:?}", Compared::NoInstance)).or_default() += 1;
                break;
            };
            for (metering, transformed) in &transformed {
                let compared = compare(&reference, &traced, transformed, &name, &args, *metering)
                    .map_err(|error| format!("{metering:?}, {name}{args:?}: {error}"))?;
                *seen.entry(format!("{compared:?}")).or_default() += 1;
            }
        }
    }
    Ok(seen)
}

#[test]
fn random_modules_cost_what_was_counted() {
    let settings = [settings(), Settings { gas: strange(), ..settings() }];
    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    let mut made = 0;
    for seed in 0..modules() {
        let Some(wasm) = smith::module(seed) else { continue };
        made += 1;
        match check(&wasm, &settings[(seed % 2) as usize], seed) {
            Ok(found) => found.into_iter().for_each(|(what, n)| *seen.entry(what).or_default() += n),
            Err(error) => panic!("module {seed}: {error}\n{}", as_text(&wasm)),
        }
    }
    println!("{made} modules: {seen:#?}");
    let count = |what: &str| seen.get(what).copied().unwrap_or(0);
    // A generator that makes nothing interesting proves nothing.
    assert!(count("Returned") > made, "{seen:?}");
    assert!(count("Trapped") > 0 && count("Cut") > 0, "{seen:?}");
}

/// The module as bytes, so that a failure can be looked at.
fn as_text(wasm: &[u8]) -> String {
    let hex: String = wasm.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{} bytes: {hex}", wasm.len())
}
