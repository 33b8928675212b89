//! The transform against another engine, hostile bytes, and its own documentation. One program, so that it is linked once.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed, helpers included")]

mod any_bytes;
mod bombs;
mod effects;
mod fixed;
mod gas;
mod oracle;
mod page;
mod verdicts;
