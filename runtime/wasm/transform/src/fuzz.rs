//! Properties that hold for any bytes, as functions that a fuzzer or a test can call. A broken one panics.

use crate::settings::{CodeClass, HostTable, Metering, Settings, Wish};
use crate::transform::{Error, transform};

/// What a fuzzer chooses besides the bytes: one bit for each of the settings, over the host functions that are given.
pub fn settings(choice: u8, host: &HostTable) -> (Settings, Wish) {
    let settings = Settings {
        metering: if choice & 1 == 0 { Metering::Heaviest } else { Metering::Blocks },
        floats: choice & 2 != 0,
        simd: choice & 4 != 0,
        host: host.clone(),
        ..Settings::default()
    };
    let wish = Wish {
        class: if choice & 8 == 0 { CodeClass::Metered } else { CodeClass::Fixed },
        memory_bytes: if choice & 16 == 0 { 1 << 17 } else { 5000 },
    };
    (settings, wish)
}

/// Any bytes: no panic, no mistake of the transform, the same answer twice, a reason where they are refused, and a valid module where they are not.
/// True if they were not.
///
/// # Panics
///
/// If any of that does not hold.
pub fn any_bytes(settings: &Settings, wish: &Wish, bytes: &[u8]) -> bool {
    let first = transform(bytes, settings, wish);
    assert_eq!(first, transform(bytes, settings, wish), "a second run gave something else");
    match first {
        Ok(out) => {
            let mut features = wasmparser::WasmFeatures::default();
            features.insert(wasmparser::WasmFeatures::CUSTOM_PAGE_SIZES);
            let valid = wasmparser::Validator::new_with_features(features).validate_all(&out.wasm);
            if let Err(error) = valid {
                panic!("what came out does not validate: {error}");
            }
            assert!(out.functions.iter().all(|f| f.gas.is_some() == (wish.class == CodeClass::Fixed)));
            true
        }
        Err(Error::Refused(verdict)) => {
            assert!(!verdict.is_empty(), "refused without a reason");
            assert!(!verdict.to_string().is_empty());
            false
        }
        Err(error) => panic!("{error}"),
    }
}
