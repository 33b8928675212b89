//! What a cluster has agreed on, and what a template asks for: the two values besides the module that decide what comes out.

use crate::{limits::Limits, price::GasTable, price::Rate};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// Changes whenever the same module and settings would come out otherwise. Part of the engine fingerprint.
pub const TRANSFORM_VERSION: u32 = 1;

/// Exported mutable `i64`: gas left. The host sets it before a call and reads it after. Negative after a trap: see [`Ending`].
pub const GAS: &str = "__svm_gas";
/// Exported mutable `i32`: bytes of stack left for the next call. The host sets it before a call.
pub const STACK: &str = "__svm_stack";
/// No export of a contract may begin like this.
pub const RESERVED: &str = "__svm_";

/// Value of [`GAS`] after a trap for want of gas.
pub const OUT_OF_GAS: i64 = -1;
/// Value of [`GAS`] after a trap for want of stack.
pub const OUT_OF_STACK: i64 = -2;

/// How a call of a metered module ended, by whether it trapped and by what then stood in [`GAS`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// It returned, with this much gas left.
    Returned(u64),
    /// The gas did not suffice: exactly the limit is burnt.
    OutOfGas,
    /// The stack did not suffice.
    OutOfStack,
    /// Any other trap: the limit is burnt. What stands in the counter means nothing.
    Trapped,
}

impl Ending {
    /// Reads the ending of a call.
    pub fn of(trapped: bool, gas: i64) -> Ending {
        match (trapped, gas) {
            (true, OUT_OF_GAS) => Ending::OutOfGas,
            (true, OUT_OF_STACK) => Ending::OutOfStack,
            (true, _) => Ending::Trapped,
            (false, left) => Ending::Returned(left.max(0).unsigned_abs()),
        }
    }
}

/// Where gas is charged.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, borsh::BorshSerialize)]
#[serde(rename_all = "kebab-case")]
pub enum Metering {
    /// At function entries, loop headers and where control leaves a loop, for the heaviest path to the next such point.
    #[default]
    Heaviest,
    /// At the head of each basic block, for exactly what it does.
    Blocks,
}

/// A type that host functions use.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, borsh::BorshSerialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the types of the language")]
pub enum Value {
    I32,
    I64,
    F32,
    F64,
    V128,
}

impl Value {
    /// The same type as the parser has it.
    pub fn wasm(self) -> wasmparser::ValType {
        match self {
            Value::I32 => wasmparser::ValType::I32,
            Value::I64 => wasmparser::ValType::I64,
            Value::F32 => wasmparser::ValType::F32,
            Value::F64 => wasmparser::ValType::F64,
            Value::V128 => wasmparser::ValType::V128,
        }
    }
}

/// A function that the host, or a library, offers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, borsh::BorshSerialize)]
#[serde(deny_unknown_fields)]
pub struct HostFunction {
    /// Types of its parameters.
    pub params: Vec<Value>,
    /// Types of its results.
    pub results: Vec<Value>,
    /// Charged in the guest before the call. Where `each` is not 0 the last parameter is an `i32` and the number of units.
    pub price: Rate,
    /// Whether the host charges more itself, so that the price cannot be proven before the call.
    #[serde(default)]
    pub open_ended: bool,
}

/// What can be imported, by (module, name).
pub type HostTable = BTreeMap<(String, String), HostFunction>;

/// What all nodes of a cluster have agreed on. Two nodes whose settings have the same digest make the same bytes of the same module.
#[derive(Clone, PartialEq, Eq, Debug, Default, borsh::BorshSerialize)]
pub struct Settings {
    /// Prices.
    pub gas: GasTable,
    /// Where they are charged.
    pub metering: Metering,
    /// How much of everything.
    pub limits: Limits,
    /// Frames, and what functions of class fixed may cost.
    pub bounds: Bounds,
    /// Whether floating point is allowed. The engine must then make NaNs canonical.
    pub floats: bool,
    /// Whether vectors (SIMD) are allowed. They bring floating point only if that is allowed too.
    pub simd: bool,
    /// What can be imported.
    pub host: HostTable,
}

/// Bounds of execution, beside the gas limit of each call.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, borsh::BorshSerialize)]
#[serde(deny_unknown_fields, default)]
pub struct Bounds {
    /// Bytes of stack of one contract call, in the measure of [`crate::stack`]; the native stack has to be several times as large.
    pub stack_bytes: u32,
    /// The most gas that a function of class fixed may cost: it is charged up front and runs without looking back.
    pub fixed_gas: u64,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds { stack_bytes: 64 << 10, fixed_gas: 1 << 20 }
    }
}

impl Settings {
    /// Identifies the settings together with the version of the transform.
    pub fn digest(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("replicode 2026 transform settings");
        hasher.update(&TRANSFORM_VERSION.to_le_bytes());
        // Writing to memory does not fail, and the settings have no maps of floats that borsh could refuse.
        let bytes = borsh::to_vec(self).unwrap_or_default();
        hasher.update(&bytes);
        hasher.finalize().into()
    }
}

/// The two classes of code.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CodeClass {
    /// Any code, with counters inside.
    #[default]
    Metered,
    /// Its price is proven before it runs; no counters inside.
    Fixed,
}

impl fmt::Display for CodeClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CodeClass::Metered => "metered",
            CodeClass::Fixed => "fixed",
        })
    }
}

/// What the template of a contract asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wish {
    /// The class of its code.
    pub class: CodeClass,
    /// Bytes of memory that it declares. Below 64 KiB, or between pages, the memory is of exactly this size and cannot grow.
    pub memory_bytes: u64,
}

impl Default for Wish {
    fn default() -> Wish {
        Wish { class: CodeClass::Metered, memory_bytes: 64 << 10 }
    }
}
