//! What programs did to their sockets, and what it means for the other end: a client, or another socket of the cell.

use crate::flow::{End, Far};
use crate::services::{Destination, Listener};
use crate::table::Rest;
use crate::{Intake, Nat, Outflow, Sides};
use replicode_log::{Egress, FlowPort, HostAddr, Ingress, Output, Pid, Refused, SockId};
use std::net::Ipv6Addr;

impl Nat {
    /// A process has started and can be reached by its name.
    pub fn process_started(&mut self, pid: Pid, name: &str) {
        self.services.start(pid, name);
    }

    /// A process has ended, and everything that the kernel said about its sockets was carried here. What is left of
    /// it is thrown away: its listeners, and its connections, whose other ends are reset.
    pub fn process_ended(&mut self, pid: Pid, sides: &mut impl Sides) {
        for port in self.services.end(pid) {
            self.table.ports.give(port);
        }
        for sock in self.table.socks_of(pid) {
            self.abort(sock, sides);
        }
        self.assert_whole();
    }

    /// Carries what a program did to the other end of its connection, as an [`Output`] or as an [`Ingress`].
    ///
    /// Offsets that contradict what the kernel said before can only come from a mistake in the kernel. They are not
    /// passed on: the connection is reset at both ends, on all nodes alike.
    pub fn egress(&mut self, event: Egress, sides: &mut impl Sides) {
        match event {
            Egress::Listen { pid, sock, port } => self.listen(pid, sock, port),
            Egress::Unlisten { sock } => {
                if let Some(port) = self.services.unlisten(sock) {
                    self.table.ports.give(port);
                }
            }
            Egress::Accepted { sock, flow_port } => {
                if let Some(end) = self.table.end_mut(sock) {
                    end.flow_port.get_or_insert(flow_port);
                }
            }
            Egress::Connect { pid, sock, flow_port, to } => {
                if !self.table.holds(sock)
                    && let Err(why) = self.connect(pid, sock, flow_port, to, sides)
                {
                    sides.ingress(Ingress::ConnectFailed { sock, why });
                }
            }
            Egress::Send { sock, offset, bytes } => self.send(sock, offset, bytes, sides),
            Egress::Fin { sock, offset } => self.fin(sock, offset, sides),
            Egress::Window { sock, limit } => self.window(sock, limit, sides),
            Egress::Deaf { sock } => self.deaf(sock, sides),
            Egress::KeepAlive { sock, wanted } => {
                // A neighbour in the cell is there or is not.
                if let Some(&mut End { far: Far::Client(conn), .. }) = self.table.end_mut(sock) {
                    sides.output(Output::KeepAlive { conn, wanted });
                }
            }
            Egress::Abort { sock } => self.abort(sock, sides),
            Egress::Closed { sock } => self.closed(sock, sides),
        }
        self.assert_whole();
    }

    fn listen(&mut self, pid: Pid, sock: SockId, port: u16) {
        // `listen` on a socket that listens already only changes its backlog, which is the kernel's business.
        if self.services.may_listen(pid, sock, port) {
            let listener = Listener { sock, port: self.table.ports.take() };
            self.services.listen(pid, port, listener);
        }
    }

    fn connect(
        &mut self,
        pid: Pid,
        sock: SockId,
        flow_port: FlowPort,
        to: HostAddr,
        sides: &mut impl Sides,
    ) -> Result<(), Refused> {
        let (target, peer) = match Destination::of(to) {
            Destination::Own => (pid, loopback(to, flow_port)),
            Destination::Process(target) => (target, HostAddr::V4(pid.cell_address(), flow_port)),
            Destination::Outside => return Err(Refused::Unreachable),
        };
        let listener = self.services.listener(target, to.port()).ok_or(Refused::NoListener)?;
        if self.is_full() {
            return Err(Refused::TableFull);
        }
        // Inside the cell the receiver's window is the sender's: nothing else has to hold the bytes.
        let window = self.recv_window;
        let other = sides.incoming(listener, peer, window)?;
        if other == sock || self.table.holds(other) {
            return Err(Refused::TableFull);
        }
        let (port, other_port) = (self.table.ports.take(), self.table.ports.take());
        let end = |pid, port, flow_port, peer, far| End {
            pid,
            port,
            flow_port,
            peer,
            far: Far::Socket(far),
            intake: Intake::new(window),
            outflow: Outflow::new(window),
            deaf: false,
        };
        self.table.join_sockets(
            (sock, end(pid, port, Some(flow_port), to, other)),
            (other, end(target, other_port, None, peer, sock)),
        );
        sides.ingress(Ingress::Connected { sock, send_window: window });
        Ok(())
    }

    fn send(&mut self, sock: SockId, offset: u64, bytes: Vec<u8>, sides: &mut impl Sides) {
        let Some(end) = self.table.end_mut(sock) else { return };
        if bytes.is_empty() {
            return;
        }
        let sent = end.outflow.send(offset, bytes.len());
        match (sent, end.far) {
            (Err(_), _) => self.break_program(sock, sides),
            (Ok(()), Far::Client(conn)) => sides.output(Output::Data { conn, offset, bytes }),
            (Ok(()), Far::Socket(other)) => {
                let there = self.table.end_mut(other);
                let received = there.map(|end| end.intake.receive(offset, bytes.len()).map(|_| end.deaf));
                match received {
                    Some(Err(_) | Ok(true)) => self.break_program(sock, sides),
                    _ => sides.ingress(Ingress::Data { sock: other, bytes }),
                }
            }
            (Ok(()), Far::Gone) => {
                self.table.cut(sock);
                sides.ingress(Ingress::Reset { sock });
            }
        }
    }

    fn fin(&mut self, sock: SockId, offset: u64, sides: &mut impl Sides) {
        let Some(end) = self.table.end_mut(sock) else { return };
        match (end.outflow.end(offset), end.far) {
            (Err(_), _) => self.break_program(sock, sides),
            (Ok(false), _) | (Ok(true), Far::Gone) => {}
            (Ok(true), Far::Client(conn)) => sides.output(Output::HalfClose { conn, offset }),
            (Ok(true), Far::Socket(other)) => match self.table.end_mut(other).map(|end| end.intake.end(offset)) {
                Some(Err(_)) => self.break_program(sock, sides),
                _ => sides.ingress(Ingress::Fin { sock: other }),
            },
        }
    }

    fn window(&mut self, sock: SockId, limit: u64, sides: &mut impl Sides) {
        let Some(end) = self.table.end_mut(sock) else { return };
        if !end.intake.grant(limit) {
            return;
        }
        match end.far {
            Far::Client(conn) => sides.output(Output::Credit { conn, limit }),
            Far::Socket(other) => {
                // A limit is what was read plus the window; what was read is what the sender may forget.
                let read = limit.saturating_sub(self.recv_window);
                match self.table.end_mut(other).map(|end| end.outflow.ack(read)) {
                    Some(Ok(true)) => sides.ingress(Ingress::Acked { sock: other, offset: read }),
                    Some(Err(_)) => self.break_program(sock, sides),
                    Some(Ok(false)) | None => {}
                }
            }
            Far::Gone => {}
        }
    }

    fn deaf(&mut self, sock: SockId, sides: &mut impl Sides) {
        let Some(end) = self.table.end_mut(sock) else { return };
        end.deaf = true;
        if let Far::Client(conn) = end.far
            && !end.intake.ended()
        {
            sides.output(Output::Deaf { conn });
        }
    }

    fn closed(&mut self, sock: SockId, sides: &mut impl Sides) {
        let Some(end) = self.table.end_mut(sock) else { return };
        let offset = end.outflow.sent();
        if matches!(end.far, Far::Socket(_)) {
            // Usually said before; the other end must not wait for ever for the end of a stream that nobody sends.
            self.fin(sock, offset, sides);
        }
        if let Some(Rest::Client(conn)) = self.table.leave(sock) {
            sides.output(Output::Closed { conn });
        }
    }

    fn abort(&mut self, sock: SockId, sides: &mut impl Sides) {
        match self.table.cut(sock) {
            Some(Rest::Client(conn)) => sides.output(Output::Reset { conn }),
            Some(Rest::Socket(other)) => sides.ingress(Ingress::Reset { sock: other }),
            Some(Rest::Nobody) | None => {}
        }
    }

    fn break_program(&mut self, sock: SockId, sides: &mut impl Sides) {
        self.abort(sock, sides);
        sides.ingress(Ingress::Reset { sock });
    }
}

/// How a process that is called by an address of its own sees its caller: by loopback of the same family.
fn loopback(to: HostAddr, flow_port: FlowPort) -> HostAddr {
    match to {
        HostAddr::V6(ip, _) if Ipv6Addr::from(ip).to_ipv4_mapped().is_none() => {
            HostAddr::V6(Ipv6Addr::LOCALHOST.octets(), flow_port)
        }
        _ => HostAddr::V4([127, 0, 0, 1], flow_port),
    }
}
