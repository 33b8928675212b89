//! Peers: certificates, hello, frames, streams.
//!
//! Every node dials every other one, twice: one connection for the log, one for heartbeats and votes, which must not wait
//! behind it. Both are QUIC with mutual TLS 1.3. After the handshake each side checks that the certificate names the node
//! it has to do with; then they exchange a [`hello`]; only then anything else is listened to.
//!
//! | stream (first byte) | what flows |
//! |---|---|
//! | hello (`H`) | the first stream of a connection; checked before any other |
//! | append (`A`) | one per replication session: requests one way, answers the other, pipelined |
//! | heartbeat (`B`) | the same without entries; each builds on an entry that the follower is known to hold |
//! | vote (`V`), pre-vote (`P`), transfer of leadership (`T`) | one request, one answer |
//! | forward (`F`) | a node's inputs on their way to the leader, for as long as that leads |
//! | detour (`D`) | datagrams of a node on their way to another one which it does not reach: see [`detour`] |
//! | ask (`Q`) | a question for the floor above, and its answer |
//!
//! With the answers on `B`, `V`, `P` and `T` comes what the answering node's wall clock shows: see [`replicode_pacing::clock`].

pub mod client;
pub mod congestion;
pub mod detour;
pub mod endpoint;
pub mod forward;
pub mod frame;
pub mod hello;
pub mod histories;
pub mod nudge;
pub mod peer;
pub mod server;
pub mod socket;
pub mod tls;

/// First byte of each kind of stream.
pub(crate) mod tag {
    pub(crate) const HELLO: u8 = b'H';
    pub(crate) const APPEND: u8 = b'A';
    pub(crate) const HEARTBEAT: u8 = b'B';
    pub(crate) const VOTE: u8 = b'V';
    pub(crate) const PRE_VOTE: u8 = b'P';
    pub(crate) const TRANSFER: u8 = b'T';
    pub(crate) const FORWARD: u8 = b'F';
    pub(crate) const DETOUR: u8 = b'D';
    pub(crate) const ASK: u8 = b'Q';
}
