//! Empty: `build.rs` beside the workspace's `Cargo.toml` does the work.
#![forbid(unsafe_code)]
