//! The host's network: `network-server`, `network-client` and `client-server`, natively.
//!
//! There are no tasks and no queues between threads. A component's call reads and writes the sockets itself, without
//! blocking; a component's wait (`wasi:io/poll`) polls the same sockets with the waiter's own waker. So a turn costs one
//! wait in the kernel, one read per socket that has something and one gathering write per socket that gets something.
//!
//! | file | idea |
//! |---|---|
//! | `line` | one connection: frames in, frames out |
//! | `server` | whom peers connect to |
//! | `client` | who connects to peers |
//! | `clients` | whom clients connect to |
//! | `host` | the three interfaces over these |

mod client;
mod clients;
mod host;
mod line;
mod server;
#[cfg(test)]
mod tests;

pub use host::Net;

use crate::bindings::network_types::NetworkCounters;
use crate::bindings::types::{Fault, FaultKind};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;

/// No counts yet.
const fn no_counts() -> NetworkCounters {
    NetworkCounters {
        frames_in: 0,
        bytes_in: 0,
        reads: 0,
        frames_out: 0,
        bytes_out: 0,
        writes: 0,
        shed: 0,
        connections: 0,
        refused: 0,
    }
}

/// How long an address may be in use before that counts: a node that starts again at once may meet its last run, which is
/// about to end.
const ENDING: Duration = Duration::from_secs(3);

/// Binds an address; tries again for `patience` while somebody has it.
fn listen(address: &str, patience: Duration) -> Result<TcpListener, Fault> {
    let fault = |kind, text: String| Fault { kind, text };
    let parsed: SocketAddr = address.parse().map_err(|_| {
        fault(FaultKind::Configuration, format!("cannot listen on `{address}`: no numeric address with a port"))
    })?;
    let bind = || {
        let socket = if parsed.is_ipv4() { tokio::net::TcpSocket::new_v4()? } else { tokio::net::TcpSocket::new_v6()? };
        // A node that starts again finds its old connections in TIME_WAIT.
        socket.set_reuseaddr(true)?;
        socket.bind(parsed)?;
        socket.listen(BACKLOG)
    };
    let until = Instant::now() + patience;
    let bound = loop {
        match bind() {
            // Before it listens a process has nothing else to do.
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse && Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(50));
            }
            other => break other,
        }
    };
    bound.map_err(|error| {
        let way_out = match error.kind() {
            std::io::ErrorKind::AddrInUse => {
                "another process has it, perhaps this node's last run: stop that one, or give another port in config.yaml"
            }
            std::io::ErrorKind::AddrNotAvailable => "it is no address of this machine: see `nodes` in config.yaml",
            _ => "see `nodes` in config.yaml",
        };
        fault(FaultKind::Network, format!("cannot listen on {address}: {error}; {way_out}"))
    })
}
