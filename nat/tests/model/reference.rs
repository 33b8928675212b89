//! The naive reference: one list of links with two ends each and one `Way` per direction, searched from the front; ports
//! are found by counting. It shares no code with the table.

use crate::common::{Said, caller, node};
use replicode_log::{BootNo, ConnId, Egress, HostAddr, Ingress, Input, Output, Pid, Refusal, Refused, SockId};
use replicode_nat::FlowState;

pub const RECV: u64 = 8;
pub const SEND: u64 = 12;
pub const CONNECTIONS: usize = 4;

/// `::1`.
pub const ONE: [u8; 16] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

/// One direction of a link: bytes that went, the first position that may not go, and whether that is all.
#[derive(Clone, Debug)]
pub struct Way {
    pub sent: u64,
    pub limit: u64,
    pub done: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Who {
    Client(ConnId),
    Sock(SockId),
}

#[derive(Clone, Debug)]
pub struct Half {
    pub who: Who,
    pub pid: Pid,
    pub port: Option<u32>,
    pub flow_port: Option<u16>,
    pub peer: HostAddr,
    pub open: bool,
    /// Nobody reads there any more.
    pub deaf: bool,
    /// From here to the other half.
    pub out: Way,
}

#[derive(Clone, Debug)]
pub struct Model {
    pub names: Vec<(Pid, &'static str)>,
    pub listeners: Vec<(Pid, u16, SockId, u32)>,
    pub links: Vec<[Half; 2]>,
    pub next_sock: u64,
    pub refuse: Option<Refused>,
    pub said: Vec<Said>,
}

impl Model {
    pub fn new() -> Self {
        Self { names: vec![], listeners: vec![], links: vec![], next_sock: 1000, refuse: None, said: vec![] }
    }

    pub fn find(&self, who: Who) -> Option<(usize, usize)> {
        let of = |link: &[Half; 2]| link.iter().position(|half| half.who == who && half.open);
        self.links.iter().enumerate().find_map(|(i, link)| Some((i, of(link)?)))
    }

    fn free_ports(&self) -> impl Iterator<Item = u32> {
        let halves = self.links.iter().flatten().filter(|half| half.open).filter_map(|half| half.port);
        let taken: Vec<u32> = halves.chain(self.listeners.iter().map(|it| it.3)).collect();
        (10_000..).filter(move |port| !taken.contains(port))
    }

    fn incoming(&mut self, listener: SockId, peer: HostAddr, window: u64) -> Result<SockId, Refused> {
        self.said.push(Said::Incoming { listener, peer, window });
        match self.refuse {
            Some(why) => Err(why),
            None => {
                self.next_sock += 1;
                Ok(SockId(self.next_sock - 1))
            }
        }
    }

    fn ingress(&mut self, event: Ingress) {
        self.said.push(Said::In(event));
    }

    fn output(&mut self, output: Output) {
        self.said.push(Said::Out(output));
    }

    /// Ends a link; every open half but `quiet` is told of a reset.
    fn kill(&mut self, i: usize, quiet: Option<usize>) {
        for (side, half) in self.links.remove(i).into_iter().enumerate() {
            match half.who {
                _ if !half.open || Some(side) == quiet => {}
                Who::Client(conn) => self.output(Output::Reset { conn }),
                Who::Sock(sock) => self.ingress(Ingress::Reset { sock }),
            }
        }
    }

    fn refuse_client(&mut self, i: usize, conn: ConnId, why: Refusal) {
        self.kill(i, Some(0));
        self.output(Output::Refused { conn, why });
    }

    fn open(&mut self, conn: ConnId, process: &str, port: u16) {
        if let Some((i, _)) = self.find(Who::Client(conn)) {
            return self.refuse_client(i, conn, Refusal::DuplicateConn);
        }
        if self.links.len() >= CONNECTIONS {
            return self.output(Output::Refused { conn, why: Refusal::TableFull });
        }
        let named: Vec<Pid> = self.names.iter().filter(|(_, name)| *name == process).map(|it| it.0).collect();
        let at = self.listeners.iter().filter(|it| it.1 == port && named.contains(&it.0)).min_by_key(|it| it.0);
        let Some(&(pid, _, listener, _)) = at else {
            return self.output(Output::Refused { conn, why: Refusal::NoListener });
        };
        let number = self.free_ports().next();
        match self.incoming(listener, caller(), SEND) {
            Ok(sock) => {
                let way = |limit| Way { sent: 0, limit, done: false };
                let half = |who, port, out| Half {
                    who,
                    pid,
                    port,
                    flow_port: None,
                    peer: caller(),
                    open: true,
                    deaf: false,
                    out,
                };
                self.links.push([half(Who::Client(conn), None, way(RECV)), half(Who::Sock(sock), number, way(SEND))]);
            }
            Err(Refused::Backlog) => self.output(Output::Refused { conn, why: Refusal::Backlog }),
            Err(_) => self.output(Output::Refused { conn, why: Refusal::TableFull }),
        }
    }

    pub fn client(&mut self, input: &Input) {
        let of = |conn: &ConnId| self.find(Who::Client(*conn)).map(|(i, _)| i);
        match input {
            Input::Open { conn, to, .. } => self.open(*conn, &to.process, to.port),
            Input::Data { conn, offset, bytes } => {
                let Some(i) = of(conn) else { return };
                let Who::Sock(sock) = self.links[i][1].who else { return };
                let way = &mut self.links[i][0].out;
                let end = offset + bytes.len() as u64;
                if *offset > way.sent {
                    self.refuse_client(i, *conn, Refusal::Gap);
                } else if end > way.sent {
                    if way.done || end > way.limit {
                        return self.refuse_client(i, *conn, Refusal::Window);
                    }
                    let bytes = bytes[(way.sent - offset) as usize..].to_vec();
                    way.sent = end;
                    if self.links[i][1].deaf {
                        self.kill(i, Some(0));
                        return self.output(Output::Reset { conn: *conn });
                    }
                    self.ingress(Ingress::Data { sock, bytes });
                }
            }
            Input::HalfClose { conn, offset } => {
                let Some(i) = of(conn) else { return };
                let Who::Sock(sock) = self.links[i][1].who else { return };
                let way = &mut self.links[i][0].out;
                if *offset != way.sent {
                    self.refuse_client(i, *conn, Refusal::Gap);
                } else if !std::mem::replace(&mut way.done, true) {
                    self.ingress(Ingress::Fin { sock });
                }
            }
            Input::Acked { conn, offset } => {
                let Some(i) = of(conn) else { return };
                let Who::Sock(sock) = self.links[i][1].who else { return };
                let way = &mut self.links[i][1].out;
                if *offset > way.sent {
                    self.refuse_client(i, *conn, Refusal::Window);
                } else if offset + SEND > way.limit {
                    way.limit = offset + SEND;
                    self.ingress(Ingress::Acked { sock, offset: *offset });
                }
            }
            Input::Reset { conn } => {
                if let Some(i) = of(conn) {
                    self.kill(i, Some(0));
                }
            }
            _ => {}
        }
    }

    pub fn program(&mut self, event: &Egress) {
        match event {
            Egress::Listen { pid, sock, port } => {
                if !self.listeners.iter().any(|it| (it.0, it.1) == (*pid, *port) || it.2 == *sock) {
                    let number = self.free_ports().next().expect("the model never runs out");
                    self.listeners.push((*pid, *port, *sock, number));
                }
            }
            Egress::Unlisten { sock } => self.listeners.retain(|it| it.2 != *sock),
            Egress::Connect { pid, sock, flow_port, to } => self.connect(*pid, *sock, *flow_port, *to),
            Egress::Accepted { sock, .. }
            | Egress::Send { sock, .. }
            | Egress::Fin { sock, .. }
            | Egress::Window { sock, .. }
            | Egress::Deaf { sock }
            | Egress::KeepAlive { sock, .. }
            | Egress::Abort { sock }
            | Egress::Closed { sock } => {
                if let Some((i, side)) = self.find(Who::Sock(*sock)) {
                    self.act(i, side, *sock, event);
                }
            }
        }
    }

    fn connect(&mut self, pid: Pid, sock: SockId, flow_port: u16, to: HostAddr) {
        if self.find(Who::Sock(sock)).is_some() {
            return;
        }
        let fail = |model: &mut Self, why| model.ingress(Ingress::ConnectFailed { sock, why });
        let (target, peer) = match to {
            HostAddr::V4([127, 0, 0, 1], _) => (pid, HostAddr::V4([127, 0, 0, 1], flow_port)),
            HostAddr::V6(..) => (pid, HostAddr::V6(ONE, flow_port)),
            HostAddr::V4([10, 77, 0, low], _) => (Pid(low.into()), HostAddr::V4([10, 77, 0, pid.0 as u8], flow_port)),
            _ => return fail(self, Refused::Unreachable),
        };
        let at = self.listeners.iter().find(|it| (it.0, it.1) == (target, to.port()));
        let Some(&(_, _, listener, _)) = at else { return fail(self, Refused::NoListener) };
        if self.links.len() >= CONNECTIONS {
            return fail(self, Refused::TableFull);
        }
        let numbers: Vec<u32> = self.free_ports().take(2).collect();
        match self.incoming(listener, peer, RECV) {
            Err(why) => fail(self, why),
            Ok(other) => {
                let half = |who, pid, port, flow_port, peer| Half {
                    who: Who::Sock(who),
                    pid,
                    port: Some(port),
                    flow_port,
                    peer,
                    open: true,
                    deaf: false,
                    out: Way { sent: 0, limit: RECV, done: false },
                };
                let near = half(sock, pid, numbers[0], Some(flow_port), to);
                self.links.push([near, half(other, target, numbers[1], None, peer)]);
                self.ingress(Ingress::Connected { sock, send_window: RECV });
            }
        }
    }

    /// Something done by the open half `side` of link `i`.
    fn act(&mut self, i: usize, side: usize, sock: SockId, event: &Egress) {
        let there = self.links[i][1 - side].clone();
        let half = &mut self.links[i][side];
        match event {
            Egress::Accepted { flow_port, .. } => half.flow_port = half.flow_port.or(Some(*flow_port)),
            Egress::Send { offset, bytes, .. } => {
                if bytes.is_empty() {
                    return;
                }
                let end = offset + bytes.len() as u64;
                if *offset != half.out.sent || half.out.done || end > half.out.limit {
                    return self.kill_both(i, side, sock);
                }
                if !there.open {
                    return self.kill(i, None);
                }
                half.out.sent = end;
                if there.deaf && matches!(there.who, Who::Sock(_)) {
                    return self.kill_both(i, side, sock);
                }
                match there.who {
                    Who::Client(conn) => self.output(Output::Data { conn, offset: *offset, bytes: bytes.clone() }),
                    Who::Sock(sock) => self.ingress(Ingress::Data { sock, bytes: bytes.clone() }),
                }
            }
            Egress::Fin { offset, .. } => {
                if *offset != half.out.sent {
                    return self.kill_both(i, side, sock);
                }
                if !std::mem::replace(&mut half.out.done, true) && there.open {
                    match there.who {
                        Who::Client(conn) => self.output(Output::HalfClose { conn, offset: *offset }),
                        Who::Sock(sock) => self.ingress(Ingress::Fin { sock }),
                    }
                }
            }
            Egress::Window { limit, .. } => {
                let way = &mut self.links[i][1 - side].out;
                if way.done || *limit <= way.limit {
                    return;
                }
                match there.who {
                    Who::Client(conn) => {
                        way.limit = *limit;
                        self.output(Output::Credit { conn, limit: *limit });
                    }
                    Who::Sock(_) if limit - RECV > way.sent => self.kill_both(i, side, sock),
                    Who::Sock(sock) => {
                        way.limit = *limit;
                        self.ingress(Ingress::Acked { sock, offset: limit - RECV });
                    }
                }
            }
            Egress::Deaf { .. } => {
                half.deaf = true;
                if let Who::Client(conn) = there.who
                    && !there.out.done
                {
                    self.output(Output::Deaf { conn });
                }
            }
            Egress::KeepAlive { wanted, .. } => {
                if let Who::Client(conn) = there.who {
                    self.output(Output::KeepAlive { conn, wanted: *wanted });
                }
            }
            Egress::Abort { .. } => self.kill(i, Some(side)),
            Egress::Closed { .. } => match there.who {
                Who::Client(conn) => {
                    self.links.remove(i);
                    self.output(Output::Closed { conn });
                }
                Who::Sock(sock) => {
                    half.open = false;
                    let news = !std::mem::replace(&mut half.out.done, true);
                    if !there.open {
                        self.links.remove(i);
                    } else if news {
                        self.ingress(Ingress::Fin { sock });
                    }
                }
            },
            _ => {}
        }
    }

    /// The kernel contradicted itself: the other end is told first, then this one.
    fn kill_both(&mut self, i: usize, side: usize, sock: SockId) {
        self.kill(i, Some(side));
        self.ingress(Ingress::Reset { sock });
    }

    pub fn node_over(&mut self, n: u64, boot: u32) {
        let mut gone: Vec<ConnId> = self
            .links
            .iter()
            .filter_map(|link| match link[0].who {
                Who::Client(conn) if (conn.node(), conn.boot()) == (Some(node(n)), BootNo(boot)) => Some(conn),
                _ => None,
            })
            .collect();
        gone.sort();
        for conn in gone {
            self.client(&Input::Reset { conn });
        }
    }

    pub fn process_ended(&mut self, pid: Pid) {
        self.names.retain(|it| it.0 != pid);
        self.listeners.retain(|it| it.0 != pid);
        let own = |half: &&Half| half.pid == pid && half.open;
        let mut socks: Vec<SockId> = self
            .links
            .iter()
            .flatten()
            .filter(own)
            .filter_map(|half| match half.who {
                Who::Sock(sock) => Some(sock),
                Who::Client(_) => None,
            })
            .collect();
        socks.sort();
        for sock in socks {
            self.program(&Egress::Abort { sock });
        }
    }

    /// Rows in the table's words, sorted by socket.
    pub fn rows(&self) -> Vec<Row> {
        let mut rows = vec![];
        for link in &self.links {
            for side in 0..2 {
                let (half, there) = (&link[side], &link[1 - side]);
                let Who::Sock(sock) = half.who else { continue };
                if !half.open {
                    continue;
                }
                let state = match (there.open, half.flow_port, there.out.done, half.out.done) {
                    (false, ..) => FlowState::Orphaned,
                    (_, None, ..) => FlowState::Pending,
                    (_, _, false, false) => FlowState::Established,
                    (_, _, true, false) => FlowState::PeerDone,
                    (_, _, false, true) => FlowState::ProgramDone,
                    (_, _, true, true) => FlowState::BothDone,
                };
                rows.push(Row {
                    sock,
                    pid: half.pid,
                    port: half.flow_port,
                    number: half.port,
                    peer: Some(half.peer),
                    state: Some(state),
                    bytes: (there.out.sent, half.out.sent),
                });
            }
        }
        rows.extend(self.listeners.iter().map(|&(pid, port, sock, number)| Row {
            sock,
            pid,
            port: Some(port),
            number: Some(number),
            peer: None,
            state: None,
            bytes: (0, 0),
        }));
        rows.sort_by_key(|row| row.sock);
        rows
    }
}

#[derive(Debug, PartialEq)]
pub struct Row {
    pub sock: SockId,
    pub pid: Pid,
    pub port: Option<u16>,
    pub number: Option<u32>,
    pub peer: Option<HostAddr>,
    pub state: Option<FlowState>,
    pub bytes: (u64, u64),
}
