//! What a gateway publishes, and the reasons for which it cannot.

use replicode_log::{Limits, NodeId, Service};
use replicode_nat::client::{Patience, Settings};
use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// An address of this node that leads to a port of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// Where clients connect to. Port 0 lets the operating system choose.
    pub listen: SocketAddr,
    /// Where they get to.
    pub service: Service,
}

/// What a gateway is started with. The windows must be those of the cell's [`Limits`], equal on all nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayConfig {
    /// This node: part of every client's number.
    pub node: NodeId,
    /// What to publish.
    pub publish: Vec<Published>,
    /// Bytes of one client that may be put into the log before the program has read any.
    pub recv_window: u32,
    /// Bytes of one client that may be waiting to be written. Memory for output is at most this times
    /// `max_connections`.
    pub send_window: u32,
    /// Clients at once. One more is accepted and reset, so that it learns it at once.
    pub max_connections: usize,
    /// How long a client whose program has closed may take to end its own stream, once it was sent everything.
    pub end_patience: Duration,
    /// How long such a client may go without reading any of what it is still to be sent. Then it is reset.
    pub write_patience: Duration,
    /// How long a client's host may be silent.
    pub keepalive: Patience,
}

impl GatewayConfig {
    /// The settings that follow from the cell's limits; patience is 5 s for a client's end and 60 s for its reading.
    #[must_use]
    pub fn new(node: NodeId, publish: Vec<Published>, limits: &Limits) -> Self {
        Self {
            node,
            publish,
            recv_window: limits.recv_window,
            send_window: limits.send_window,
            max_connections: limits.connections as usize,
            end_patience: Duration::from_secs(5),
            write_patience: Duration::from_secs(60),
            keepalive: Patience::default(),
        }
    }

    /// What the client half goes by.
    pub(crate) const fn settings(&self) -> Settings {
        Settings {
            node: self.node,
            doors: self.publish.len(),
            recv_window: self.recv_window,
            send_window: self.send_window,
            max_connections: self.max_connections,
            end_patience: self.end_patience,
            write_patience: self.write_patience,
            keepalive: self.keepalive,
        }
    }

    /// Checks that no address is published twice. Port 0 is another port each time.
    pub(crate) fn check(&self) -> Result<(), GatewayError> {
        let mut seen = BTreeSet::new();
        let fixed = self.publish.iter().map(|published| published.listen).filter(|listen| listen.port() != 0);
        for listen in fixed {
            if !seen.insert(listen) {
                return Err(GatewayError::PublishedTwice(listen));
            }
        }
        Ok(())
    }
}

/// Why a gateway could not be started, or could not go on.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The same address for two services, or for one service twice.
    #[error("{0} is published twice: publish each address for one service only")]
    PublishedTwice(SocketAddr),
    /// An address cannot be listened on.
    #[error("cannot listen on {listen} for {service}: {error}{}", hint(.error))]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// What was to be published there.
        service: Service,
        /// What the operating system said.
        error: io::Error,
    },
    /// The operating system gives no event queue, or the queue failed.
    #[error("the gateway's event queue failed: {0}")]
    Poll(#[source] io::Error),
    /// The operating system gives no thread.
    #[error("cannot start the gateway's thread: {0}")]
    Thread(#[source] io::Error),
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "; another program has the port: stop it, or publish another port",
        io::ErrorKind::PermissionDenied => "; ports below 1024 need a privilege: publish a higher one",
        io::ErrorKind::AddrNotAvailable => "; this machine does not have that address",
        _ => "",
    }
}
