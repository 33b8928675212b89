//! Frames on a connection, for whoever moves the bytes: the network components, the host, the client.
//!
//! ```text
//! 0       4        8          8 + length
//! | length | check | body … |          little-endian; check = low half of the xxh3-64 of the body
//! ```
//!
//! Nothing here reads or writes: bytes are handed in and taken out. A length beyond the limit, a wrong check or a bad
//! greeting is an error after which the connection must be closed: there is no way to find the next frame.
//!
//! | file | idea |
//! |---|---|
//! | [`reader`] | bytes in, whole frames out |
//! | [`queue`] | frames that wait for a peer, bounded |
//! | [`greeting`] | what both ends must agree on before anything else |

#![forbid(unsafe_code)]

pub mod greeting;
pub mod queue;
pub mod reader;

pub use greeting::{Greeting, Refusal};
pub use queue::OutQueue;
pub use reader::{FrameError, FrameReader};

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64;

/// Bytes before the body.
pub const HEADER: usize = 8;

/// What stands before a body. A body of 4 GiB or more has no header; frames are far smaller.
#[must_use]
pub fn header(body: &[u8]) -> [u8; HEADER] {
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    let [a, b, c, d] = length.to_le_bytes();
    let [e, f, g, h] = check(body).to_le_bytes();
    [a, b, c, d, e, f, g, h]
}

/// Header and body in one piece.
#[must_use]
pub fn frame(body: &[u8]) -> Bytes {
    let mut bytes = Vec::with_capacity(HEADER + body.len());
    bytes.extend_from_slice(&header(body));
    bytes.extend_from_slice(body);
    Bytes::from(bytes)
}

/// The check of a body.
#[must_use]
pub fn check(body: &[u8]) -> u32 {
    // The low half, on purpose.
    (xxh3_64(body) & u64::from(u32::MAX)) as u32
}
