//! The words of `shared/wit` in Rust, generated once for all components, and how they become the types of `paxos-types` and back.
//!
//! Bytes move; nothing is copied that is longer than a number.

mod convert;

#[allow(missing_docs, clippy::all)]
mod generated {
    wit_bindgen::generate!({
        world: "vocabulary",
        path: "../wit",
        generate_all,
        generate_unused_types: true,
        additional_derives: [PartialEq, Clone],
        additional_derives_ignore: ["pollables"],
    });
}

pub use generated::replicode::paxos as wit;
pub use generated::wasi::io::poll;

pub use convert::{Words, fault};
