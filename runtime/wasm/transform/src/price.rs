//! What each kind of work costs: a value, agreed on by all nodes, with a version and a digest.

use crate::op::{Bulk, Class, class};
use serde::{Deserialize, Serialize};
use wasmparser::Operator;

/// Work that grows with an operand `n`: `base` for the act, and `each` for every started run of 2^`shift` units.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, borsh::BorshSerialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Gas for the act itself, whatever the operand.
    pub base: u32,
    /// Gas for each run of units.
    pub each: u32,
    /// Logarithm of the length of a run: 0 charges every unit, 4 every sixteen.
    pub shift: u8,
}

impl Rate {
    /// A rate; see the fields.
    pub const fn new(base: u32, each: u32, shift: u8) -> Rate {
        Rate { base, each, shift }
    }

    /// The part that grows: `each` times the number of runs that `n` units begin. At most 2^64 − 2^33.
    pub fn variable(&self, n: u32) -> u64 {
        let runs = (u64::from(n) + (1 << self.shift) - 1) >> self.shift;
        runs * u64::from(self.each)
    }

    /// Everything that the act costs for `n` units.
    pub fn total(&self, n: u32) -> u64 {
        u64::from(self.base).saturating_add(self.variable(n))
    }
}

/// The prices of one version of the metering, part of a cluster's configuration.
///
/// Unit: one gas is about one simple machine instruction. Prices are relative costs of compiled code; they need not be exact, they
/// must be equal everywhere and none may be so low that a call holds a node for long.
///
/// Invariants, see [`GasTable::check`]: every way to go on for ever (branch, switch, call, entry) costs at least 1, and no price exceeds
/// [`GasTable::MOST`], so that no sum over a function within the limits leaves 63 bits.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, borsh::BorshSerialize)]
#[serde(deny_unknown_fields, default)]
pub struct GasTable {
    /// Number of this table: a new one for every change, however small.
    pub version: u32,
    /// Entry of a function.
    pub entry: u32,
    /// Each local beyond the parameters, at entry: it has to be set to zero.
    pub local: u32,
    /// [`Class::Simple`].
    pub simple: u32,
    /// [`Class::Multiply`].
    pub multiply: u32,
    /// [`Class::Divide`].
    pub divide: u32,
    /// [`Class::Global`].
    pub global: u32,
    /// [`Class::Load`].
    pub load: u32,
    /// [`Class::Store`].
    pub store: u32,
    /// [`Class::Branch`].
    pub branch: u32,
    /// [`Class::Switch`].
    pub switch: u32,
    /// [`Class::Call`].
    pub call: u32,
    /// [`Class::CallIndirect`].
    pub call_indirect: u32,
    /// [`Class::Float`].
    pub float: u32,
    /// [`Class::FloatSlow`].
    pub float_slow: u32,
    /// [`Class::Vector`].
    pub vector: u32,
    /// [`Class::Table`].
    pub table: u32,
    /// `memory.copy`, by bytes.
    pub memory_copy: Rate,
    /// `memory.fill`, by bytes.
    pub memory_fill: Rate,
    /// `memory.init`, by bytes.
    pub memory_init: Rate,
    /// `memory.grow`, by pages of the memory.
    pub memory_grow: Rate,
    /// `table.copy`, by elements.
    pub table_copy: Rate,
    /// `table.fill`, by elements.
    pub table_fill: Rate,
    /// `table.init`, by elements.
    pub table_init: Rate,
    /// `table.grow`, by elements.
    pub table_grow: Rate,
    /// A fresh instance, by the bytes of its active data segments and sixteen for each element of its tables.
    pub instance: Rate,
}

impl Default for GasTable {
    fn default() -> GasTable {
        GasTable {
            version: 1,
            entry: 2,
            local: 1,
            simple: 1,
            multiply: 2,
            divide: 12,
            global: 1,
            load: 2,
            store: 2,
            branch: 1,
            switch: 4,
            call: 3,
            call_indirect: 8,
            float: 2,
            float_slow: 10,
            vector: 3,
            table: 4,
            memory_copy: Rate::new(20, 1, 3),
            memory_fill: Rate::new(20, 1, 4),
            memory_init: Rate::new(20, 1, 3),
            memory_grow: Rate::new(500, 4096, 0),
            table_copy: Rate::new(20, 2, 0),
            table_fill: Rate::new(20, 1, 0),
            table_init: Rate::new(20, 4, 0),
            table_grow: Rate::new(500, 4, 0),
            instance: Rate::new(500, 1, 4),
        }
    }
}

/// A gas table that no cluster may use, and why.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadTable {
    /// Something that a program can do for ever would be free.
    #[error("gas table {version}: {price} is 0, so a program could run for ever; set it to 1 or more")]
    Free {
        /// Version of the table.
        version: u32,
        /// Field of the table.
        price: &'static str,
    },
    /// A price so high that sums could leave 63 bits.
    #[error("gas table {version}: {price} is {value}, at most {} is possible", GasTable::MOST)]
    High {
        /// Version of the table.
        version: u32,
        /// Field of the table.
        price: &'static str,
        /// What it was set to.
        value: u32,
    },
    /// A run of units longer than any operand.
    #[error("gas table {version}: the shift of {price} is {value}, at most 31 is possible")]
    Shift {
        /// Version of the table.
        version: u32,
        /// Field of the table.
        price: &'static str,
        /// What it was set to.
        value: u8,
    },
}

impl GasTable {
    /// No price is higher: 2^24. Times 2^32 units, or times the operators of the largest body, it stays below 2^57.
    pub const MOST: u32 = 1 << 24;

    fn prices(&self) -> [(&'static str, u32, bool); 16] {
        [
            ("entry", self.entry, true),
            ("local", self.local, false),
            ("simple", self.simple, false),
            ("multiply", self.multiply, false),
            ("divide", self.divide, false),
            ("global", self.global, false),
            ("load", self.load, false),
            ("store", self.store, false),
            ("branch", self.branch, true),
            ("switch", self.switch, true),
            ("call", self.call, true),
            ("call_indirect", self.call_indirect, true),
            ("float", self.float, false),
            ("float_slow", self.float_slow, false),
            ("vector", self.vector, false),
            ("table", self.table, false),
        ]
    }

    fn rates(&self) -> [(&'static str, Rate); 9] {
        [
            ("memory_copy", self.memory_copy),
            ("memory_fill", self.memory_fill),
            ("memory_init", self.memory_init),
            ("memory_grow", self.memory_grow),
            ("table_copy", self.table_copy),
            ("table_fill", self.table_fill),
            ("table_init", self.table_init),
            ("table_grow", self.table_grow),
            ("instance", self.instance),
        ]
    }

    /// Whether the table can be used at all; the first thing wrong with it otherwise.
    pub fn check(&self) -> Result<(), BadTable> {
        let version = self.version;
        for (price, value, must_cost) in self.prices() {
            if value > GasTable::MOST {
                return Err(BadTable::High { version, price, value });
            }
            if must_cost && value == 0 {
                return Err(BadTable::Free { version, price });
            }
        }
        for (price, rate) in self.rates() {
            if let Some(&value) = [rate.base, rate.each].iter().find(|&&v| v > GasTable::MOST) {
                return Err(BadTable::High { version, price, value });
            }
            if rate.shift > 31 {
                return Err(BadTable::Shift { version, price, value: rate.shift });
            }
        }
        Ok(())
    }

    /// Every price with its name, in the order of the fields, for tables that people read.
    pub fn rows(&self) -> impl Iterator<Item = (&'static str, Rate)> {
        let plain = self.prices().into_iter().map(|(name, price, _)| (name, Rate::new(price, 0, 0)));
        plain.chain(self.rates())
    }

    /// The price of an operation whose work is its operand.
    pub fn bulk(&self, bulk: Bulk) -> Rate {
        match bulk {
            Bulk::MemoryCopy => self.memory_copy,
            Bulk::MemoryFill => self.memory_fill,
            Bulk::MemoryInit => self.memory_init,
            Bulk::MemoryGrow => self.memory_grow,
            Bulk::TableCopy => self.table_copy,
            Bulk::TableFill => self.table_fill,
            Bulk::TableInit => self.table_init,
            Bulk::TableGrow => self.table_grow,
        }
    }

    /// What is known about an operator's price before it runs: all of it, but for bulk operations, where it is the base.
    pub fn fixed(&self, op: &Operator<'_>) -> u64 {
        let Some(class) = class(op) else { return u64::from(GasTable::MOST) };
        u64::from(match class {
            Class::Free => 0,
            Class::Simple => self.simple,
            Class::Multiply => self.multiply,
            Class::Divide => self.divide,
            Class::Global => self.global,
            Class::Load => self.load,
            Class::Store => self.store,
            Class::Branch => self.branch,
            Class::Switch => self.switch,
            Class::Call => self.call,
            Class::CallIndirect => self.call_indirect,
            Class::Float => self.float,
            Class::FloatSlow => self.float_slow,
            Class::Vector => self.vector,
            Class::Table => self.table,
            Class::Bulk(bulk) => self.bulk(bulk).base,
        })
    }

    /// What entering a function costs that declares this many locals beyond its parameters.
    pub fn entry(&self, locals: u32) -> u64 {
        u64::from(self.entry) + u64::from(self.local) * u64::from(locals)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_can_be_used() {
        assert_eq!(GasTable::default().check(), Ok(()));
    }

    #[test]
    fn nothing_endless_is_free() {
        for field in ["entry", "branch", "switch", "call", "call_indirect"] {
            let mut value = serde_json::to_value(GasTable::default()).unwrap();
            value[field] = 0.into();
            let table: GasTable = serde_json::from_value(value).unwrap();
            assert_eq!(table.check(), Err(BadTable::Free { version: 1, price: field }));
        }
    }

    #[test]
    fn a_price_at_the_limit_and_one_above() {
        let mut table = GasTable { divide: GasTable::MOST, ..GasTable::default() };
        assert_eq!(table.check(), Ok(()));
        table.divide += 1;
        assert!(matches!(table.check(), Err(BadTable::High { price: "divide", .. })));
        let table = GasTable { memory_copy: Rate::new(0, 0, 32), ..GasTable::default() };
        assert!(matches!(table.check(), Err(BadTable::Shift { price: "memory_copy", value: 32, .. })));
    }

    #[test]
    fn started_runs_are_paid_for() {
        let rate = Rate::new(20, 3, 4);
        for (n, variable) in [(0, 0), (1, 3), (15, 3), (16, 3), (17, 6), (u32::MAX, (1u64 << 28) * 3)] {
            assert_eq!(rate.variable(n), variable, "{n}");
            assert_eq!(rate.total(n), 20 + variable, "{n}");
        }
    }
}
