//! Real client sockets on one side, inputs and outputs of the log on the other: the half of the NAT that does I/O.
//!
//! A node's gateway holds the connections that clients made to that node. What clients do becomes [`Input`]s, offered
//! to the log; what the log says about them comes back as [`Output`]s. The gateway decides nothing. Whether a connection is
//! taken, how many bytes may come and when it ends is said by the table (`replicode-nat`) on every node alike; who is
//! served when, how a connection ends and for how long anybody is waited for, by the client half
//! ([`replicode_nat::client`], where the rules stand that the rest of the house relies on). Here are the system calls.
//!
//! ```text
//!  clients ── TCP ──> [ gateway thread: mio ] ── InputSink::offer ──> log ──> machine, on every node
//!     ^                        ^                                                  │
//!     └──── bytes, FIN, RST ───┴───────────── Gateway::outputs <──────────────────┘
//! ```
//!
//! Two rules are kept here:
//!
//! 1. **Never a false end.** Each socket has `SO_LINGER {on, 0}` from its first moment, so that a killed node's clients
//!    see `ECONNRESET`, not an end of file that looks like the end of the data. Only a close in good order turns it off.
//! 2. **One offer per round** of the event loop: everything that the clients did meanwhile travels together.
//!
//! | module | it is |
//! |---|---|
//! | [`config`] | what to publish, and why it cannot be |
//! | `event_loop` | the thread that waits for clients and serves them |
//! | `sockets` | all sockets: what happened is told to the client half, and what it asks for is done |
//! | `socket` | one client's socket |
//! | `listener` | taking clients |
//! | `unacked` | how much of what was written has not arrived |
//! | `commands` | how other threads talk to the gateway's |
//! | `clock` | what time it is |

#![forbid(unsafe_code)]

mod clock;
mod commands;
pub mod config;
mod event_loop;
mod listener;
mod socket;
mod sockets;
mod unacked;

pub use config::{GatewayConfig, GatewayError, Published};
pub use replicode_nat::client::{ClientInfo, ClientState, Patience};

use commands::Command;
use event_loop::{EventLoop, Shared};
use replicode_log::{BootNo, Input, Output};
use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};

/// Where clients' inputs go: the log.
pub trait InputSink: Send {
    /// Takes all inputs out of `inputs`, in order. Called once per round of the event loop, on the gateway's thread
    /// or on the one that brings outputs, with at least one input; it must not block for long, as no client is served meanwhile.
    fn offer(&mut self, inputs: &mut Vec<Input>);

    /// Whether the log has more to do than it can take. While it says so, no client is taken and none is read from, so
    /// that waiting is theirs; what the log says is still carried out. Asked once per round, and every few
    /// milliseconds while it says so.
    fn congested(&self) -> bool {
        false
    }

    /// All clients that may be served now have been: what is offered next comes from something new. Called on the gateway's
    /// thread, before it waits.
    fn idle(&mut self) {}

    /// The gateway's thread cannot go on and ends. Its clients have been reset; the node should stop.
    fn failed(&mut self, why: GatewayError) {
        tracing::error!(error = %why, "gateway stopped");
    }
}

/// A running gateway. Its methods may be called from any thread; each wakes the gateway's thread at most once, and none
/// waits, but for [`Gateway::clients`]. Dropping it resets all clients.
pub struct Gateway {
    shared: Arc<Shared>,
    local_addrs: Vec<SocketAddr>,
    thread: Option<JoinHandle<()>>,
}

/// Binds the published addresses and starts the gateway's thread. Clients are taken from [`Gateway::admit`] on; those
/// who connect earlier wait in the operating system's queue.
///
/// # Errors
/// [`GatewayError`] names the address and the reason.
pub fn start(config: GatewayConfig, sink: impl InputSink + 'static) -> Result<Gateway, GatewayError> {
    let (event_loop, shared, local_addrs) = EventLoop::new(config, Box::new(sink))?;
    let thread =
        thread::Builder::new().name("gateway".into()).spawn(|| event_loop.run()).map_err(GatewayError::Thread)?;
    Ok(Gateway { shared, local_addrs, thread: Some(thread) })
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway").field("local_addrs", &self.local_addrs).finish_non_exhaustive()
    }
}

impl Gateway {
    /// The log has admitted this node under a boot number: takes clients from now on, and numbers them in that boot.
    /// Clients of another boot are reset; for the current boot nothing changes.
    pub fn admit(&self, boot: BootNo) {
        self.shared.commands.send(Command::Admit(boot));
    }

    /// The node's boot is over for the log: resets all clients without a word to the log, and takes no more until the
    /// next [`Gateway::admit`]. Whoever connects meanwhile waits in the operating system's queue.
    pub fn suspend(&self) {
        self.shared.commands.send(Command::Suspend);
    }

    /// Carries out what the log says, in order. `at_once`: on this thread if nobody else serves, which is quicker for little;
    /// otherwise on the gateway's. Outputs for streams that this node does not hold (any more), and
    /// those that are not for a stream, are ignored.
    pub fn outputs(&self, outputs: Vec<Output>, at_once: bool) {
        if outputs.is_empty() {
            return;
        }
        let sockets = if at_once { self.shared.if_free() } else { None };
        match sockets {
            Some(mut sockets) => {
                let wake = sockets.bring(outputs);
                drop(sockets);
                if wake {
                    self.shared.commands.wake();
                }
            }
            None => self.shared.commands.send(Command::Outputs(outputs)),
        }
    }

    /// Takes no more clients, for good: the published ports are closed. Clients that are there stay.
    pub fn drain(&self) {
        self.shared.commands.send(Command::Drain);
    }

    /// Resets all clients, except those whose orderly close is complete on our side, and ends the gateway's thread.
    pub fn close(mut self) {
        self.stop();
    }

    /// The clients, in the order of their numbers, once everything is carried out that was asked for before. Empty when
    /// the gateway has stopped.
    #[must_use]
    pub fn clients(&self) -> Vec<ClientInfo> {
        let (answer, answered) = mpsc::channel();
        self.shared.commands.send(Command::Clients(answer));
        answered.recv().unwrap_or_default()
    }

    /// The addresses listened on, in the order of [`GatewayConfig::publish`]; port 0 has become a real one.
    #[must_use]
    pub fn local_addrs(&self) -> &[SocketAddr] {
        &self.local_addrs
    }

    fn stop(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.shared.commands.send(Command::Stop);
            if thread.join().is_err() {
                tracing::error!("the gateway's thread panicked");
            }
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.stop();
    }
}
