//! The pure cores put together without any I/O: under a model checker (`tests/explore.rs`), under seeded faults ([`world`]), and natively in one
//! program (`examples/native.rs`), which is the peer of the components in the table of speeds.
#![forbid(unsafe_code)]

pub mod clients;
pub mod linear;
pub mod oracle;
pub mod process;
pub mod random;
pub mod world;

/// The rule that is broken on purpose, if any; without the feature `planted` there is none to choose.
#[cfg(feature = "planted")]
pub type Mutated = Option<paxos_types::Mutation>;
/// The rule that is broken on purpose, if any; without the feature `planted` there is none to choose.
#[cfg(not(feature = "planted"))]
pub type Mutated = Option<std::convert::Infallible>;
