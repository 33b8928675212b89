//! Peers.
pub mod tls;
