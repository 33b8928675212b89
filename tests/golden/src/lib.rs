//! Golden recordings: histories of cells, and what kernel, NAT table, machine and engine made of them when they were last
//! looked at. What a change makes of them now shows what the change changes.
//!
//! | module | it is |
//! |---|---|
//! | [`recording`] | a history and its results, and the files that they stand in |
//! | [`store`] | the folder of recordings |
//! | [`list`] | the list of all recordings with the digests of their results: the behaviour |
//! | [`execute`] | a recording, executed now |
//! | [`compare`] | the first difference between then and now, in words |
//! | [`coverage`] | which imports, inputs, outputs, refusals and errors recordings touch, and which there are |
//! | [`bless`] | what is answered now becomes what is expected |
//! | [`import`] | recordings made from a node's directory |
//! | [`script`], [`logbook`], [`scenes`] | recordings made up: programs as lists of calls, and batches for them |
//!
//! The recordings carry a stand-in for the engine fingerprint (`STAND_IN`), because the fingerprint contains
//! the digest of their results.

pub mod bless;
pub mod compare;
pub mod coverage;
pub mod execute;
pub mod import;
pub mod list;
pub mod logbook;
pub mod recording;
pub mod scenes;
pub mod script;
pub mod store;
