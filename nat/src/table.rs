//! The connections: each socket has one far end, each far end one socket. Two ordered maps that say the same thing.

use crate::ConsensusPort;
use crate::flow::{End, Far};
use crate::ports::Ports;
use borsh::{BorshDeserialize, BorshSerialize};
use replicode_log::{BootNo, ConnId, NodeId, Pid, SockId};
use std::collections::BTreeMap;

/// All ends of all connections, and the consensus ports of the cell.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Table {
    /// From the inside to the outside.
    ends: BTreeMap<SockId, End>,
    /// From the outside to the inside.
    conns: BTreeMap<ConnId, SockId>,
    /// Connections, counting two sockets that are joined once.
    connections: usize,
    /// Also holds the listeners' ports.
    pub(crate) ports: Ports,
}

/// What a connection leaves behind when one of its ends is taken out.
pub(crate) enum Rest {
    /// A client, who has to be told.
    Client(ConnId),
    /// The socket at the other end; taken out too, its program has to be told.
    Socket(SockId),
    /// Nobody.
    Nobody,
}

impl Table {
    pub(crate) const fn connections(&self) -> usize {
        self.connections
    }

    pub(crate) fn ends(&self) -> impl Iterator<Item = (SockId, &End)> {
        self.ends.iter().map(|(&sock, end)| (sock, end))
    }

    pub(crate) fn ports(&self) -> impl Iterator<Item = ConsensusPort> {
        self.ends.values().map(|end| end.port)
    }

    pub(crate) fn holds(&self, sock: SockId) -> bool {
        self.ends.contains_key(&sock)
    }

    pub(crate) fn sock_of(&self, conn: ConnId) -> Option<SockId> {
        self.conns.get(&conn).copied()
    }

    pub(crate) fn end_mut(&mut self, sock: SockId) -> Option<&mut End> {
        self.ends.get_mut(&sock)
    }

    /// The client's end, by the client.
    pub(crate) fn client_mut(&mut self, conn: ConnId) -> Option<(SockId, &mut End)> {
        let sock = *self.conns.get(&conn)?;
        Some((sock, self.ends.get_mut(&sock)?))
    }

    /// Joins a socket with a client. The socket and the client must not be in the table.
    pub(crate) fn join_client(&mut self, sock: SockId, conn: ConnId, end: End) {
        assert_eq!(end.far, Far::Client(conn));
        self.connections += 1;
        self.conns.insert(conn, sock);
        self.ends.insert(sock, end);
    }

    /// Joins two sockets. Neither must be in the table.
    pub(crate) fn join_sockets(&mut self, one: (SockId, End), other: (SockId, End)) {
        assert_eq!((one.1.far, other.1.far), (Far::Socket(other.0), Far::Socket(one.0)));
        self.connections += 1;
        self.ends.insert(one.0, one.1);
        self.ends.insert(other.0, other.1);
    }

    /// Takes a whole connection out and gives its ports back. `None` when the socket is not in the table.
    pub(crate) fn cut(&mut self, sock: SockId) -> Option<Rest> {
        let end = self.ends.remove(&sock)?;
        self.ports.give(end.port);
        self.connections -= 1;
        Some(match end.far {
            Far::Client(conn) => {
                self.conns.remove(&conn);
                Rest::Client(conn)
            }
            Far::Socket(other) => {
                if let Some(end) = self.ends.remove(&other) {
                    self.ports.give(end.port);
                }
                Rest::Socket(other)
            }
            Far::Gone => Rest::Nobody,
        })
    }

    /// Takes out the end of a socket that its program closed in good order. An end of the cell stays behind as an
    /// orphan, and the connection with it.
    pub(crate) fn leave(&mut self, sock: SockId) -> Option<Rest> {
        let Far::Socket(other) = self.ends.get(&sock)?.far else { return self.cut(sock) };
        let end = self.ends.remove(&sock)?;
        self.ports.give(end.port);
        if let Some(orphan) = self.ends.get_mut(&other) {
            orphan.far = Far::Gone;
        }
        Some(Rest::Socket(other))
    }

    /// Clients that a node accepted during a boot, in the order of their numbers.
    pub(crate) fn clients_of(&self, node: NodeId, boot: BootNo) -> Vec<ConnId> {
        match (ConnId::new(node, boot, 0), ConnId::new(node, boot, u32::MAX)) {
            (Ok(first), Ok(last)) => self.conns.range(first..=last).map(|(&conn, _)| conn).collect(),
            _ => Vec::new(),
        }
    }

    /// Sockets of a process that have an end here, in the order of their numbers.
    pub(crate) fn socks_of(&self, pid: Pid) -> Vec<SockId> {
        self.ends.iter().filter(|(_, end)| end.pid == pid).map(|(&sock, _)| sock).collect()
    }

    /// The invariants:
    ///
    /// 1. `conns` and the ends whose far end is a client say the same: one bijection.
    /// 2. Of two sockets that are joined, each has the other as its far end, and what one sent the other received.
    /// 3. A connection is counted once.
    /// 4. The streams' inequalities hold (see [`crate::Intake`], [`crate::Outflow`]).
    ///
    /// # Errors
    /// The first that does not hold, in words.
    pub fn check(&self) -> Result<(), String> {
        let mut pairs = 0;
        let mut clients = 0;
        let mut orphans = 0;
        for (&sock, end) in &self.ends {
            match end.far {
                Far::Client(conn) => {
                    clients += 1;
                    if self.conns.get(&conn) != Some(&sock) {
                        return Err(format!("{sock} has far end {conn}, which leads to {:?}", self.conns.get(&conn)));
                    }
                }
                Far::Socket(other) => {
                    pairs += 1;
                    let back = self.ends.get(&other).ok_or(format!("{sock} has far end {other}, which is not here"))?;
                    if back.far != Far::Socket(sock) {
                        return Err(format!("{sock} has far end {other}, which has {:?}", back.far));
                    }
                    if end.outflow.sent() != back.intake.received() || end.outflow.ended() != back.intake.ended() {
                        return Err(format!("{sock} sent {:?}, {other} received {:?}", end.outflow, back.intake));
                    }
                }
                Far::Gone => orphans += 1,
            }
            if !end.intake.holds() || !end.outflow.holds() {
                return Err(format!("{sock} has streams {:?} and {:?}", end.intake, end.outflow));
            }
        }
        if clients != self.conns.len() {
            return Err(format!("{clients} ends with clients, {} clients", self.conns.len()));
        }
        if pairs % 2 != 0 || clients + pairs / 2 + orphans != self.connections {
            return Err(format!("{clients} + {pairs}/2 + {orphans} connections, counted {}", self.connections));
        }
        Ok(())
    }
}
