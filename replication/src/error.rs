//! What can go wrong when a replica is started or asked.

use crate::log_store::LogError;
use crate::network::tls::TlsError;
use replicode_log::NodeId;
use std::io;
use std::net::SocketAddr;

/// Why a replica cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum ReplicaError {
    /// The members do not include this node.
    #[error("node {0} is not among the cluster's members: give it the number it has in the cluster's configuration")]
    NotAMember(NodeId),
    /// A cluster of several nodes without credentials.
    #[error("a cluster of {0} nodes needs certificates: make them with the init command")]
    NoTls(usize),
    /// Credentials that cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The log cannot be opened.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The peer address cannot be listened on.
    #[error("cannot listen on udp {addr} for peers: {why}")]
    Listen {
        /// The address.
        addr: SocketAddr,
        /// The system's reason.
        why: io::Error,
    },
    /// The times in [`crate::Tuning`] contradict each other.
    #[error("the consensus engine refuses its settings: {0}")]
    Tuning(String),
    /// The consensus engine cannot be started.
    #[error("cannot start the consensus engine: {0}")]
    Engine(String),
    /// A thread could not be started.
    #[error("cannot start a thread for {what}: {why}")]
    Thread {
        /// Its purpose.
        what: &'static str,
        /// The system's reason.
        why: io::Error,
    },
}

/// Why a peer did not answer a question.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// The node is no member.
    #[error("node {0} is not a member of the cluster")]
    Unknown(NodeId),
    /// It cannot be reached, or broke the exchange off.
    #[error("{node} cannot be asked: {why}")]
    Unreachable {
        /// The node.
        node: NodeId,
        /// What happened.
        why: String,
    },
    /// It did not answer in time.
    #[error("node {0} did not answer in time")]
    Timeout(NodeId),
    /// This replica has stopped.
    #[error("this node's replica has stopped")]
    Stopped,
}
