//! What all nodes of a cell agree on about the code of contracts.

use crate::engine::WASMTIME_VERSION;
use crate::features;
use replicode_contracts::abi::host::{Charge, MODULE, Row, ValueType, table};
use replicode_contracts::run::Prices;
use replicode_log::Digest;
use replicode_transform::{
    Bounds, CodeClass, GasTable, HostFunction, HostTable, Limits, Metering, Rate, Settings, Value,
};
use std::fmt::Write as _;

/// Bytes of native stack that the wasm functions of one frame may take. The module's own limit is sixteen times smaller and ends a
/// recursion first; this one ends what a compiler has made larger than the measure says, alike on all nodes of one engine.
pub const NATIVE_STACK_BYTES: usize = 1 << 20;

/// The code of contracts in a cell: part of its configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct ContractSettings {
    /// Prices of instructions.
    pub gas: GasTable,
    /// Where they are charged.
    pub metering: Metering,
    /// Prices of what the host does: those of the cell's [`Config`](replicode_contracts::run::Config).
    pub prices: Prices,
    /// Bounds of modules.
    pub limits: Limits,
    /// Stack of a frame, price of functions of class fixed.
    pub bounds: Bounds,
    /// Whether floating point is allowed.
    pub floats: bool,
    /// Whether vectors are allowed.
    pub simd: bool,
    /// Whether functions for debugging are there. Never in a cell of nodes.
    pub debug: bool,
}

impl Default for ContractSettings {
    fn default() -> Self {
        Self {
            gas: GasTable::default(),
            metering: Metering::default(),
            prices: Prices::STANDARD,
            limits: Limits::default(),
            bounds: Bounds::default(),
            floats: false,
            simd: false,
            debug: false,
        }
    }
}

fn value(ty: ValueType) -> Value {
    match ty {
        ValueType::I32 => Value::I32,
        ValueType::I64 => Value::I64,
    }
}

impl ContractSettings {
    /// The rows of host functions that there are.
    pub fn rows(&self) -> impl Iterator<Item = &'static Row> + '_ {
        table().iter().filter(|row| self.debug || !row.is_debug())
    }

    /// The host functions as the transform takes them. In class fixed the price is all that the call costs, and what is not known before
    /// cannot be used; in class metered the host charges its part itself.
    fn host(&self, class: CodeClass) -> HostTable {
        let function = |row: &Row| {
            let besides = row.charge.known(&self.prices);
            let more = match class {
                CodeClass::Metered => 0,
                CodeClass::Fixed => besides.and_then(|gas| u32::try_from(gas).ok()).unwrap_or(0),
            };
            let base = row.price.base.saturating_add(more).min(GasTable::MOST);
            HostFunction {
                params: row.params.iter().map(|(_, ty)| value(*ty)).collect(),
                results: row.result.map(value).into_iter().collect(),
                price: Rate::new(base, row.price.each, row.price.shift),
                open_ended: row.charge == Charge::Host || besides.is_none_or(|gas| gas > GasTable::MOST.into()),
            }
        };
        self.rows().map(|row| ((MODULE.to_string(), row.name.to_string()), function(row))).collect()
    }

    /// What the transform is told for a module of a class, before libraries.
    #[must_use]
    pub fn transform(&self, class: CodeClass) -> Settings {
        Settings {
            gas: self.gas.clone(),
            metering: self.metering,
            limits: self.limits.clone(),
            bounds: self.bounds.clone(),
            floats: self.floats,
            simd: self.simd,
            host: self.host(class),
        }
    }

    /// What two nodes must share to run contracts alike, as one hash: part of the cluster's configuration where there are contracts.
    #[must_use]
    pub fn fingerprint(&self) -> Digest {
        Digest::of(self.fingerprint_text().as_bytes())
    }

    /// What [`ContractSettings::fingerprint`] is the hash of, one setting a line.
    #[must_use]
    pub fn fingerprint_text(&self) -> String {
        let mut text = format!(
            "contracts\nwasmtime {WASMTIME_VERSION}\ncompiler cranelift, speed\ntarget {}, {}\n",
            crate::engine::target().unwrap_or("none"),
            features::names()
        );
        for setting in super::engine::FINGERPRINT {
            let _ = writeln!(text, "{setting}");
        }
        let hex = |digest: [u8; 32]| digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let _ = write!(
            text,
            "native stack {NATIVE_STACK_BYTES}\nmetered {}\nfixed {}\n",
            hex(self.transform(CodeClass::Metered).digest()),
            hex(self.transform(CodeClass::Fixed).digest())
        );
        let _ = writeln!(text, "functions {}", hex(crate::functions::in_log::fingerprint()));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_in_the_fingerprint() {
        let base = ContractSettings::default();
        let changed: [fn(&mut ContractSettings); 8] = [
            |s| s.gas.load += 1,
            |s| s.metering = Metering::Blocks,
            |s| s.prices.read += 1,
            |s| s.limits.locals += 1,
            |s| s.bounds.stack_bytes += 1,
            |s| s.floats = true,
            |s| s.simd = true,
            |s| s.debug = true,
        ];
        for (number, change) in changed.into_iter().enumerate() {
            let mut settings = base.clone();
            change(&mut settings);
            assert_ne!(settings.fingerprint(), base.fingerprint(), "setting {number}");
        }
        assert!(base.fingerprint_text().contains(&format!("wasmtime {WASMTIME_VERSION}")));
    }

    #[test]
    fn class_fixed_has_what_is_known_before() {
        let settings = ContractSettings::default();
        let price = |class: CodeClass, name: &str| {
            let table = settings.host(class);
            let function = &table[&(MODULE.to_string(), name.to_string())];
            (function.price.base, function.open_ended)
        };
        assert_eq!(price(CodeClass::Metered, "get64"), (20, false));
        assert_eq!(price(CodeClass::Fixed, "get64"), (228, false));
        assert!(price(CodeClass::Fixed, "load").1 && price(CodeClass::Fixed, "call").1);
        assert!(!settings.host(CodeClass::Metered).contains_key(&(MODULE.to_string(), "log".to_string())));
    }
}
