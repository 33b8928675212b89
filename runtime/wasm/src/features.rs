//! What the host's processor must be able to do: one fixed set per architecture, asked for by every node.
//!
//! The code generator may use these instructions and no others, whatever else the processor at hand offers. So all
//! nodes run the same machine code, with the same stack frames, and still have the vector, rounding and bit-counting
//! instructions without which such loops are 2 to 16 times slower than on Wasmtime with its defaults.
//!
//! On x86-64 the set is the level x86-64-v3 of the psABI as far as the code generator knows it: every server
//! processor since Haswell (2013) and Zen (2017) has it. On 64-bit Arm it is the architecture as such.
//!
//! # Why no instruction of the set can change a result
//!
//! Each is one more way to compute what WebAssembly defines. The one that rounds differently from what it replaces is
//! the fused multiply-add. Cranelift never contracts a product and a sum by itself; it makes one only for
//! `relaxed_madd` and `relaxed_nmadd`, which the deterministic lowering of relaxed SIMD defines as fused, with or
//! without the instruction. What remains are the bit patterns of NaN, and those are made canonical after it as after
//! any other operation.

use wasmtime::Config;
use wasmtime_cli_flags::CommonOptions;

/// A feature: the name of its switch in the code generator, its common name, and whether this host has it.
struct Feature {
    switch: &'static str,
    name: &'static str,
    here: fn() -> bool,
}

/// The set, in the order of the fingerprint.
#[cfg(target_arch = "x86_64")]
const SET: &[Feature] = {
    macro_rules! set {
        ($($switch:literal $name:tt),* $(,)?) => {
            &[$(Feature { switch: $switch, name: $name, here: || std::arch::is_x86_feature_detected!($name) }),*]
        };
    }
    set! {
        "has_sse3" "sse3",
        "has_ssse3" "ssse3",
        "has_sse41" "sse4.1",
        "has_sse42" "sse4.2",
        "has_popcnt" "popcnt",
        "has_avx" "avx",
        "has_avx2" "avx2",
        "has_bmi1" "bmi1",
        "has_bmi2" "bmi2",
        "has_lzcnt" "lzcnt",
        "has_fma" "fma",
    }
};

/// The set, in the order of the fingerprint.
#[cfg(not(target_arch = "x86_64"))]
const SET: &[Feature] = &[];

/// An engine configuration that compiles for `target` with exactly the set.
///
/// Naming a target turns off what Wasmtime would otherwise learn from the processor at hand. The switches are set
/// through the crate behind Wasmtime's own command line: setting them directly is `unsafe`, because some switches of
/// the code generator can break code; those of processor features cannot on a host that has them, and Wasmtime checks
/// that once more before it compiles.
///
/// # Errors
/// When Wasmtime does not know the target.
pub fn config(target: &str) -> wasmtime::Result<Config> {
    let mut options = CommonOptions::new();
    options.target = Some(target.into());
    options.codegen.cranelift = SET.iter().map(|feature| (feature.switch.into(), None)).collect();
    options.config(None)
}

/// The names of the set, for the fingerprint: `baseline` where it is empty.
pub fn names() -> String {
    if SET.is_empty() { "baseline".into() } else { list(SET.iter()) }
}

/// The features of the set that this host lacks, as a list; `None` if it lacks none.
pub fn lacking() -> Option<String> {
    lacking_of(SET)
}

fn lacking_of(set: &[Feature]) -> Option<String> {
    let lacking = list(set.iter().filter(|feature| !(feature.here)()));
    (!lacking.is_empty()).then_some(lacking)
}

fn list<'a>(features: impl Iterator<Item = &'a Feature>) -> String {
    features.map(|feature| feature.name).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_that_a_host_lacks_are_named() {
        const fn feature(name: &'static str, here: fn() -> bool) -> Feature {
            Feature { switch: "", name, here }
        }
        let host = [feature("avx", || true), feature("avx2", || false), feature("fma", || false)];
        assert_eq!(lacking_of(&host), Some("avx2 fma".into()));
        assert_eq!(lacking_of(&host[..1]), None);
    }

    #[test]
    fn the_code_generator_knows_each_switch() -> wasmtime::Result<()> {
        for feature in SET {
            let mut options = CommonOptions::new();
            options.target = Some("x86_64-unknown-linux-gnu".into());
            options.codegen.cranelift = vec![(feature.switch.into(), None)];
            wasmtime::Engine::new(&options.config(None)?)?;
        }
        Ok(())
    }
}
