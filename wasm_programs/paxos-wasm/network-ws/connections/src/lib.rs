//! The three ends of the network, whoever provides the sockets: [`PeerServer`] is what peers connect to, [`PeerClient`] connects to
//! peers, [`ClientServer`] is what clients connect to.
//!
//! The sockets come through [`Sockets`], which never blocks: over `wasi:sockets` in the components, over `std::net` natively
//! ([`native`]). Nothing here reads a clock; waiting is the caller's, over what [`Interest`] names.
//!
//! # Invariants
//! * Frames of one connection keep their order; none is doubled; none comes out before its connection's greeting was checked.
//! * What waits is bounded: for a peer the oldest frame goes, for a client reading stops.
//! * A peer connection carries messages one way only. Its other direction carries a hello and nothing more: so the receiving system
//!   acknowledges as soon as it has read, and Nagle's rule, which WASI 0.2 cannot switch off, waits for less where a host leaves it on
//!   (docs/decisions/0018-paxos-connections.md).
#![forbid(unsafe_code)]

mod backoff;
mod clients;
#[cfg(not(target_family = "wasm"))]
pub mod native;
mod outgoing;
mod peers;
mod sockets;

pub use backoff::BackOff;
pub use clients::{ClientServer, ClientsIntake};
pub use outgoing::{PeerClient, Pumped};
pub use peers::{PeerServer, PeersIntake};
pub use sockets::{Counters, Interest, Limits, Read, Sockets, parse_address};
