//! What the world outside did: clients' inputs, and the end of a node's boot.

use crate::flow::{End, Far};
use crate::table::Rest;
use crate::{Intake, Nat, Outflow, Sides, Violation};
use replicode_log::{BootNo, ConnId, HostAddr, Ingress, Input, NodeId, Output, Refusal, Refused, Service, SockId};

impl Nat {
    /// Admits what a client did: [`Input::Open`], [`Input::Data`], [`Input::HalfClose`], [`Input::Reset`],
    /// [`Input::Acked`]. Other inputs, and those for standard inputs, are not for this table and change nothing.
    ///
    /// The caller has made sure that the stream belongs to the node and boot that the input comes from.
    ///
    /// A connection that cannot be made, and one whose offsets contradict each other, is answered with
    /// [`Output::Refused`]; the latter is reset for the program as well. Inputs for streams that are not in the table
    /// are dropped: the client could not know yet.
    pub fn admit(&mut self, input: Input, sides: &mut impl Sides) {
        match input {
            Input::Open { conn, to, from } => {
                if let Err(why) = self.open(conn, &to, from, sides) {
                    sides.output(Output::Refused { conn, why });
                }
            }
            Input::Data { conn, offset, bytes } => self.client_sent(conn, offset, bytes, sides),
            Input::HalfClose { conn, offset } => {
                self.with_client(conn, sides, |end| Ok(end.intake.end(offset)?.then_some(Change::Fin)));
            }
            Input::Acked { conn, offset } => {
                self.with_client(conn, sides, |end| Ok(end.outflow.ack(offset)?.then_some(Change::Acked)));
            }
            Input::Reset { conn } => self.forget_client(conn, sides),
            Input::Boot { .. }
            | Input::NodeDown { .. }
            | Input::Spawn(_)
            | Input::Kill { .. }
            | Input::Order { .. }
            | Input::Report { .. }
            | Input::Call(_) => {}
        }
        self.assert_whole();
    }

    /// A node's boot is over: every connection that it held is gone, and the programs are told. The node itself learns
    /// it from [`Output::BootOver`], so there is no output per connection.
    pub fn node_over(&mut self, node: NodeId, boot: BootNo, sides: &mut impl Sides) {
        for conn in self.table.clients_of(node, boot) {
            self.forget_client(conn, sides);
        }
        self.assert_whole();
    }

    fn open(&mut self, conn: ConnId, to: &Service, from: HostAddr, sides: &mut impl Sides) -> Result<(), Refusal> {
        if conn.node().is_none() {
            return Err(Refusal::UnknownConn);
        }
        if let Some(sock) = self.table.sock_of(conn) {
            // The refusal makes the gateway forget the stream, so the connection that has it must end too.
            self.table.cut(sock);
            sides.ingress(Ingress::Reset { sock });
            return Err(Refusal::DuplicateConn);
        }
        if self.is_full() {
            return Err(Refusal::TableFull);
        }
        let (pid, listener) = self.services.find(to).ok_or(Refusal::NoListener)?;
        let sock = sides.incoming(listener, from, self.send_window).map_err(refusal)?;
        if self.table.holds(sock) {
            return Err(Refusal::TableFull);
        }
        // Taken when the connection comes: accepting it needs no number and cannot fail for want of one.
        let port = self.table.ports.take();
        let end = End {
            pid,
            port,
            flow_port: None,
            peer: from,
            far: Far::Client(conn),
            intake: Intake::new(self.recv_window),
            outflow: Outflow::new(self.send_window),
            deaf: false,
        };
        self.table.join_client(sock, conn, end);
        Ok(())
    }

    fn client_sent(&mut self, conn: ConnId, offset: u64, mut bytes: Vec<u8>, sides: &mut impl Sides) {
        let Some((sock, end)) = self.table.client_mut(conn) else { return };
        match end.intake.receive(offset, bytes.len()) {
            Ok(repeated) if repeated == bytes.len() => {}
            Ok(_) if end.deaf => {
                // The gateway did not know yet.
                self.table.cut(sock);
                sides.ingress(Ingress::Reset { sock });
                sides.output(Output::Reset { conn });
            }
            Ok(repeated) => {
                bytes.drain(..repeated);
                sides.ingress(Ingress::Data { sock, bytes });
            }
            Err(violation) => self.break_client(sock, conn, violation, sides),
        }
    }

    /// Changes a client's end, and tells the program when there is news.
    fn with_client(
        &mut self,
        conn: ConnId,
        sides: &mut impl Sides,
        change: impl FnOnce(&mut End) -> Result<Option<Change>, Violation>,
    ) {
        let Some((sock, end)) = self.table.client_mut(conn) else { return };
        match change(end) {
            Ok(None) => {}
            Ok(Some(Change::Fin)) => sides.ingress(Ingress::Fin { sock }),
            Ok(Some(Change::Acked)) => sides.ingress(Ingress::Acked { sock, offset: end.outflow.acked() }),
            Err(violation) => self.break_client(sock, conn, violation, sides),
        }
    }

    /// The gateway's word about the stream cannot be true: neither side can go on.
    fn break_client(&mut self, sock: SockId, conn: ConnId, violation: Violation, sides: &mut impl Sides) {
        self.table.cut(sock);
        sides.ingress(Ingress::Reset { sock });
        sides.output(Output::Refused { conn, why: violation.into() });
    }

    fn forget_client(&mut self, conn: ConnId, sides: &mut impl Sides) {
        if let Some(sock) = self.table.sock_of(conn)
            && let Some(Rest::Client(_)) = self.table.cut(sock)
        {
            sides.ingress(Ingress::Reset { sock });
        }
    }

    pub(crate) const fn is_full(&self) -> bool {
        self.table.connections() >= self.max_connections as usize
    }
}

enum Change {
    Fin,
    Acked,
}

const fn refusal(why: Refused) -> Refusal {
    match why {
        Refused::NoListener | Refused::Unreachable => Refusal::NoListener,
        Refused::Backlog => Refusal::Backlog,
        Refused::TableFull => Refusal::TableFull,
    }
}
