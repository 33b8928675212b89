//! The NAT table of a cell: in the words of RFC 4787 and RFC 5382 a NAPT with address and port-dependent mapping and
//! filtering, static inbound mappings for listeners, no port preservation, no overloading, and hairpinning.
//!
//! Inside are the sockets of the cell's processes, each process with a port space of its own. Outside are the clients
//! that the nodes' gateways hold. The table joins the two, and it joins sockets of the cell with each other
//! (hairpinning), so that a program cannot tell a client from a neighbour.
//!
//! | RFC word | here |
//! |---|---|
//! | mapping | (process, flow port, peer) ↔ consensus port, one per connection (RFC 4787, 4.1: address and port-dependent) |
//! | filtering | bytes of the mapping's own peer only (RFC 4787, 5); a listener takes connections from anybody |
//! | port assignment | lowest free number from [`FIRST_PORT`], the same on all nodes (RFC 4787, 4.2) |
//! | hairpinning | connections between processes stay inside and show the connecting process's address (RFC 5382, 7.3) |
//! | mapping timeout | none: a mapping ends with an event of the log, never with a timer (RFC 5382, 5, in spirit) |
//!
//! All of it is pure: no socket, no clock, no thread. Everything comes in as a value and leaves as one, so equal
//! histories give equal tables. Real sockets are the affair of `replicode-gateway`.
//!
//! | module | it is |
//! |---|---|
//! | [`offsets`] | positions of one stream: what came, what may come, what went, what was taken |
//! | [`flow`] | one end of a connection, its states and their exits |
//! | [`ports`] | consensus ports |
//! | [`table`] | the bijection, and the proof that it is one |
//! | [`services`] | who listens where, under which name and address |
//! | [`inbound`], [`outbound`] | what clients did, what programs did |
//! | [`rows`] | the table as people see it |
//!
//! That is the table, equal on all nodes. [`client`] is about the clients of one node: what happens to their connections
//! before the log and behind it.

#![forbid(unsafe_code)]

pub mod client;
pub mod flow;
pub mod inbound;
pub mod offsets;
pub mod outbound;
pub mod ports;
pub mod rows;
pub mod services;
pub mod table;

pub use flow::FlowState;
pub use offsets::{Intake, Outflow, Violation};
pub use ports::{ConsensusPort, FIRST_PORT};
pub use rows::{NatRow, RowKind};

use borsh::{BorshDeserialize, BorshSerialize};
use replicode_log::{HostAddr, Ingress, Limits, Output, Refused, SockId};
use services::Services;
use table::Table;

/// The two sides that the table stands between, lent to it for one call.
///
/// The machine implements it over the kernel and the list of the batch's outputs. Events must be carried out in the
/// order in which they are handed over. None of the methods may call the table again: what the kernel has to say in
/// return is fetched from it afterwards and comes in as [`replicode_log::Egress`].
pub trait Sides {
    /// Tells the kernel that somebody connects ([`Ingress::Incoming`]): it queues the connection and names its new
    /// socket. The question is asked in the middle of a call so that the table is whole before and after each one,
    /// with no connection in it that awaits an answer.
    ///
    /// # Errors
    /// What the kernel refuses it for. The table then forgets the connection and tells the other side.
    fn incoming(&mut self, listener: SockId, peer: HostAddr, send_window: u64) -> Result<SockId, Refused>;

    /// Tells the kernel something about a socket; never [`Ingress::Incoming`].
    fn ingress(&mut self, event: Ingress);

    /// Tells the world outside something.
    fn output(&mut self, output: Output);
}

/// The NAT table.
///
/// # How to drive it
///
/// For each batch, in this order:
///
/// 1. [`Nat::node_over`] for a boot that ended, [`Nat::admit`] for each client's input, in the order of the batch.
/// 2. While programs run: each [`replicode_log::Egress`] that the kernel has to say goes to [`Nat::egress`], in the
///    order of the calls that caused them. This may wake further programs through [`Sides::ingress`].
/// 3. [`Nat::process_started`] before the process's first event; [`Nat::process_ended`] after its last one, that is,
///    after everything that the kernel said about its sockets was carried here. Otherwise its last words are lost.
///
/// An event for a socket or stream that the table does not hold is dropped without a word: the connection ended
/// earlier, and the other side could not know yet.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Nat {
    /// Connections at once.
    max_connections: u32,
    /// Bytes of a stream towards a program that may be under way.
    recv_window: u64,
    /// Bytes of a stream towards a client that may be under way.
    send_window: u64,
    services: Services,
    table: Table,
}

impl Nat {
    /// An empty table. The limits must be the same on all nodes.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            max_connections: limits.connections,
            recv_window: limits.recv_window.into(),
            send_window: limits.send_window.into(),
            services: Services::default(),
            table: Table::default(),
        }
    }

    /// Connections in the table: a client with a socket, or two sockets of the cell, count as one.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.table.connections()
    }

    /// Compares the table with its invariants; see [`Table::check`]. With the feature `checks`, which all tests have, the table
    /// does so itself as it goes along.
    ///
    /// # Errors
    /// The first invariant that does not hold, in words.
    pub fn check(&self) -> Result<(), String> {
        self.table.check()?;
        self.services.check()?;
        let mapped = self.table.ports().chain(self.services.ports()).collect::<std::collections::BTreeSet<_>>();
        let held = self.table.ports().count() + self.services.ports().count();
        if mapped.len() != held {
            return Err(format!("{held} mappings share {} consensus ports", mapped.len()));
        }
        self.table.ports.check(&mapped)?;
        if self.connections() > self.max_connections as usize {
            return Err(format!("{} connections, limit {}", self.connections(), self.max_connections));
        }
        Ok(())
    }

    /// After each step of a small table, and of a large one after so many steps as it has entries.
    #[cfg(feature = "checks")]
    fn assert_whole(&self) {
        thread_local! { static STEPS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) }; }
        let steps = STEPS.get() + 1;
        let due = steps * 16 >= self.connections();
        STEPS.set(if due { 0 } else { steps });
        if due {
            assert_eq!(self.check(), Ok(()));
        }
    }

    #[cfg(not(feature = "checks"))]
    #[expect(clippy::unused_self, reason = "with checks it is used")]
    const fn assert_whole(&self) {}
}
