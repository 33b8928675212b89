//! How much functions may use in the log of a cell. Equal on all nodes, so part of what nodes compare before they talk to each other:
//! [`ALL`] goes into the fingerprint of contracts.

macro_rules! limits {
    ($($(#[doc = $doc:literal])+ $name:ident: $ty:ty = $value:expr;)*) => {
        $($(#[doc = $doc])+ pub const $name: $ty = $value;)*

        /// All of them but [`MB`], which is a unit: whatever is added above is compared as well.
        pub const ALL: &[(&str, u64)] = &[$((stringify!($name), $name as u64),)*];
    };
}

/// Bytes of a megabyte here.
pub const MB: u64 = 1 << 20;

limits! {
    /// Fuel of a request that names none, and the most of any: some seconds. Nothing else ends an execution in the log.
    FUEL: u64 = 10_000_000_000;
    /// The most fuel of one that may only read: it is mostly asked of one node, which does nothing else with its state meanwhile.
    READ_FUEL: u64 = 1_000_000_000;
    /// Megabytes of memory of a request that names none.
    MEMORY_MB: u64 = 64;
    /// The most of any.
    MOST_MEMORY_MB: u64 = 256;
    /// Megabytes of output of each stage, and the most of any: the last one's is in a receipt, which every node keeps for a while.
    OUTPUT_MB: u64 = 1;
    /// Bytes of a whole request, with its module or its input: it has to fit into a batch among others.
    REQUEST_BYTES: usize = (1 << 20) + (64 << 10);
    /// Bytes of a module.
    MODULE_BYTES: usize = 1 << 20;
    /// Functions of a cell.
    FUNCTIONS: u64 = 1000;
    /// Bytes of all their modules.
    MODULES_BYTES: u64 = 128 << 20;
    /// Stages of a chain.
    STAGES: usize = 64;
    /// How deep functions call functions.
    DEPTH: u32 = 16;
    /// Bytes of a name.
    NAME: usize = 64;
    /// Bytes of the name of a namespace.
    NAMESPACE: usize = 256;
    /// Bytes of a key of state: a key of a collection, less the namespace before it.
    KEY: usize = crate::collection::MAX_KEY - 16;
    /// Bytes of a value of state: those of a collection.
    VALUE: usize = crate::collection::MAX_VALUE;
    /// Bytes of all state.
    STATE: u64 = 1 << 30;
    /// Bytes of state that an execution may write, what it overwrites included: all nodes keep both for their last batches.
    WRITTEN: u64 = 16 << 20;
    /// What the functions of a batch may do together, in bytes of what they write to state, answer and log; see [`FUEL_OF_BYTE`]. What
    /// begins when all of it is used up is refused, as overloaded. All nodes keep in memory what their last batches have written and
    /// answered.
    BATCH: u64 = 16 << 20;
    /// Fuel that counts as a byte there: what begins in a batch has some ten seconds of it before it.
    FUEL_OF_BYTE: u64 = 2048;
    /// Bytes of the keys, or about of the functions, in one answer.
    ANSWER: u64 = 4 << 20;
    /// Bytes that an execution may log, 16 more counted for each line.
    LOG: u64 = 64 << 10;
    /// Fuel until an execution gets its second portion. Nothing looks at a clock there; what a trap costs depends on it.
    FIRST_SLICE: u64 = 100_000;
    /// Fuel until each later one.
    SLICE: u64 = 1_000_000;
}

/// All rules of functions that are not in their modules, as nodes compare them: limits, and how numbers are made.
#[must_use]
pub fn rules() -> String {
    text(ALL)
}

fn text(all: &[(&str, u64)]) -> String {
    use super::Number;
    let digest = super::number::digest(b"module");
    let numbers = [
        Number::of_function(&digest, None),
        Number::of_function(&digest, Some("shared")),
        Number::of_namespace("shared"),
    ];
    let limits = all.iter().map(|(name, value)| format!("{name} {value}\n"));
    limits.chain(numbers.iter().map(|number| format!("number {number}\n"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_is_in_the_rules() {
        let here = include_str!("limits.rs");
        let block = here.split("limits! {\n").nth(1).and_then(|rest| rest.split("\n}\n").next()).unwrap_or_default();
        let lines = block.lines().map(str::trim).filter(|line| !line.starts_with("///"));
        let named: Vec<&str> = lines.filter_map(|line| Some(line.split_once(": ")?.0)).collect();
        assert_eq!(named.len(), ALL.len(), "{named:?}");
        for (number, (name, value)) in ALL.iter().enumerate() {
            assert!(named.contains(name), "{name}");
            let mut other = ALL.to_vec();
            other[number].1 = value + 1;
            assert_ne!(text(&other), rules(), "{name}");
        }
        assert_eq!(rules().lines().filter(|line| line.starts_with("number ")).count(), 3);
    }
}
