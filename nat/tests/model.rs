//! The table against a naive reference: random histories, legal and illegal, must be told the same way.
//!
//! The reference keeps one list of links with two ends each and one `Way` per direction, searches it from the front,
//! and finds ports by counting. It shares no code with the table.

mod common;

use common::{Said, Tape, caller, conn, node, service};
use proptest::prelude::*;
use replicode_log::{BootNo, ConnId, Egress, HostAddr, Ingress, Input, Limits, Output, Pid, Refusal, Refused, SockId};
use replicode_nat::{FlowState, Nat, RowKind};

const RECV: u64 = 8;
const SEND: u64 = 12;
const CONNECTIONS: usize = 4;

/// One direction of a link: bytes that went, the first position that may not go, and whether that is all.
#[derive(Clone, Debug)]
struct Way {
    sent: u64,
    limit: u64,
    done: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Who {
    Client(ConnId),
    Sock(SockId),
}

#[derive(Clone, Debug)]
struct Half {
    who: Who,
    pid: Pid,
    port: Option<u16>,
    flow_port: Option<u16>,
    peer: HostAddr,
    open: bool,
    /// From here to the other half.
    out: Way,
}

#[derive(Clone, Debug)]
struct Model {
    names: Vec<(Pid, &'static str)>,
    listeners: Vec<(Pid, u16, SockId, u16)>,
    links: Vec<[Half; 2]>,
    next_sock: u64,
    refuse: Option<Refused>,
    said: Vec<Said>,
}

impl Model {
    fn new() -> Self {
        Self { names: vec![], listeners: vec![], links: vec![], next_sock: 1000, refuse: None, said: vec![] }
    }

    fn find(&self, who: Who) -> Option<(usize, usize)> {
        let of = |link: &[Half; 2]| link.iter().position(|half| half.who == who && half.open);
        self.links.iter().enumerate().find_map(|(i, link)| Some((i, of(link)?)))
    }

    fn free_ports(&self) -> impl Iterator<Item = u16> {
        let halves = self.links.iter().flatten().filter(|half| half.open).filter_map(|half| half.port);
        let taken: Vec<u16> = halves.chain(self.listeners.iter().map(|it| it.3)).collect();
        (10_000..=u16::MAX).filter(move |port| !taken.contains(port))
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
                let half = |who, port, out| Half { who, pid, port, flow_port: None, peer: caller(), open: true, out };
                self.links.push([half(Who::Client(conn), None, way(RECV)), half(Who::Sock(sock), number, way(SEND))]);
            }
            Err(Refused::Backlog) => self.output(Output::Refused { conn, why: Refusal::Backlog }),
            Err(_) => self.output(Output::Refused { conn, why: Refusal::TableFull }),
        }
    }

    fn client(&mut self, input: &Input) {
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

    fn program(&mut self, event: &Egress) {
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
        let (target, shown) = match to {
            HostAddr::V4([127, 0, 0, 1], _) => (pid, [127, 0, 0, 1]),
            HostAddr::V4([10, 77, 0, low], _) => (Pid(low.into()), [10, 77, 0, pid.0 as u8]),
            _ => return fail(self, Refused::Unreachable),
        };
        let at = self.listeners.iter().find(|it| (it.0, it.1) == (target, to.port()));
        let Some(&(_, _, listener, _)) = at else { return fail(self, Refused::NoListener) };
        if self.links.len() >= CONNECTIONS {
            return fail(self, Refused::TableFull);
        }
        let numbers: Vec<u16> = self.free_ports().take(2).collect();
        let peer = HostAddr::V4(shown, flow_port);
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

    fn node_over(&mut self, n: u64, boot: u32) {
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

    fn process_ended(&mut self, pid: Pid) {
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
    fn rows(&self) -> Vec<Row> {
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
struct Row {
    sock: SockId,
    pid: Pid,
    port: Option<u16>,
    number: Option<u16>,
    peer: Option<HostAddr>,
    state: Option<FlowState>,
    bytes: (u64, u64),
}

fn rows_of(nat: &Nat) -> Vec<Row> {
    let mut rows: Vec<Row> = nat
        .rows()
        .map(|row| Row {
            sock: row.sock,
            pid: row.pid,
            port: row.port,
            number: row.consensus_port.map(|port| port.get()),
            peer: row.peer,
            state: match row.kind {
                RowKind::Listener => None,
                RowKind::Client { state, .. } | RowKind::Inside { state, .. } => Some(state),
            },
            bytes: (row.bytes_in, row.bytes_out),
        })
        .collect();
    rows.sort_by_key(|row| row.sock);
    rows
}

/// The vocabulary. Offsets are chosen when the event is played: `slip` away from the right one.
#[derive(Clone, Debug)]
enum Event {
    Start(u32),
    End(u32),
    NodeOver(u64, u32),
    Open(ConnId, bool, u16),
    Data(ConnId, i8, usize),
    HalfClose(ConnId, i8),
    Acked(ConnId, i8),
    Reset(ConnId),
    Listen(u32, usize, u16),
    Unlisten(usize),
    Accepted(usize, u16),
    Connect(u32, u64, u8, u16),
    Send(usize, i8, usize),
    Fin(usize, i8),
    Window(usize, i8),
    Abort(usize),
    Closed(usize),
    Refuse(Option<Refused>),
}

fn events() -> impl Strategy<Value = Event> {
    let conns = (1u64..3, 1u32..3, 0u32..3).prop_map(|(n, boot, counter)| conn(n, boot, counter));
    let slip = prop_oneof![12 => Just(0i8), 1 => -3i8..0, 1 => 1i8..4];
    let sock = 0usize..8;
    let port = 80u16..82;
    let pid = 1u32..4;
    prop_oneof![
        2 => pid.clone().prop_map(Event::Start),
        1 => pid.clone().prop_map(Event::End),
        1 => (1u64..3, 1u32..3).prop_map(|(n, boot)| Event::NodeOver(n, boot)),
        8 => (conns.clone(), any::<bool>(), port.clone()).prop_map(|(c, web, port)| Event::Open(c, web, port)),
        8 => (conns.clone(), slip.clone(), 0usize..6).prop_map(|(c, slip, len)| Event::Data(c, slip, len)),
        3 => (conns.clone(), slip.clone()).prop_map(|(c, slip)| Event::HalfClose(c, slip)),
        4 => (conns.clone(), slip.clone()).prop_map(|(c, slip)| Event::Acked(c, slip)),
        1 => conns.prop_map(Event::Reset),
        6 => (pid.clone(), 0usize..5, port.clone()).prop_map(|(pid, sock, port)| Event::Listen(pid, sock, port)),
        1 => (0usize..5).prop_map(Event::Unlisten),
        8 => (sock.clone(), 5000u16..5010).prop_map(|(sock, port)| Event::Accepted(sock, port)),
        5 => (pid, 700u64..704, 0u8..5, port).prop_map(|(pid, sock, to, port)| Event::Connect(pid, sock, to, port)),
        10 => (sock.clone(), slip.clone(), 0usize..6).prop_map(|(sock, slip, len)| Event::Send(sock, slip, len)),
        4 => (sock.clone(), slip.clone()).prop_map(|(sock, slip)| Event::Fin(sock, slip)),
        6 => (sock.clone(), 0i8..6).prop_map(|(sock, more)| Event::Window(sock, more)),
        1 => sock.clone().prop_map(Event::Abort),
        4 => sock.prop_map(Event::Closed),
        1 => prop_oneof![Just(None), Just(Some(Refused::Backlog)), Just(Some(Refused::TableFull))]
            .prop_map(Event::Refuse),
        2 => Just(Event::Refuse(None)),
    ]
}

struct Run {
    model: Model,
    nats: [(Nat, Tape); 2],
}

impl Run {
    fn new() -> Self {
        let limits = Limits {
            recv_window: RECV as u32,
            send_window: SEND as u32,
            connections: CONNECTIONS as u32,
            ..Limits::default()
        };
        Self { model: Model::new(), nats: std::array::from_fn(|_| (Nat::new(&limits), Tape::default())) }
    }

    /// Some socket that has been in a link, or one that never was.
    fn sock(&self, pick: usize) -> SockId {
        let socks: Vec<SockId> =
            self.model.rows().iter().filter(|row| row.peer.is_some()).map(|row| row.sock).collect();
        socks.get(pick).copied().unwrap_or(SockId(990 + pick as u64))
    }

    fn out(&self, who: Who) -> Way {
        let none = Way { sent: 0, limit: 0, done: false };
        self.model.find(who).map_or(none, |(i, side)| self.model.links[i][side].out.clone())
    }

    fn play(&mut self, event: &Event) {
        let near = |right: u64, slip: i8| right.saturating_add_signed(slip.into());
        let input = match *event {
            Event::Open(conn, web, port) => {
                Some(Input::Open { conn, to: service(if web { "web" } else { "db" }, port), from: caller() })
            }
            Event::Data(conn, slip, len) => {
                let offset = near(self.out(Who::Client(conn)).sent, slip);
                Some(Input::Data { conn, offset, bytes: (0..len).map(|i| (offset + i as u64) as u8).collect() })
            }
            Event::HalfClose(conn, slip) => {
                Some(Input::HalfClose { conn, offset: near(self.out(Who::Client(conn)).sent, slip) })
            }
            Event::Acked(conn, slip) => {
                let sent = self.model.find(Who::Client(conn)).map_or(0, |(i, _)| self.model.links[i][1].out.sent);
                Some(Input::Acked { conn, offset: near(sent, slip) })
            }
            Event::Reset(conn) => Some(Input::Reset { conn }),
            _ => None,
        };
        let egress = match *event {
            Event::Listen(pid, sock, port) => {
                Some(Egress::Listen { pid: Pid(pid), sock: SockId(1 + sock as u64), port })
            }
            Event::Unlisten(sock) => Some(Egress::Unlisten { sock: SockId(1 + sock as u64) }),
            Event::Accepted(sock, flow_port) => Some(Egress::Accepted { sock: self.sock(sock), flow_port }),
            Event::Connect(pid, sock, to, port) => {
                let to = match to {
                    0 => HostAddr::V4([127, 0, 0, 1], port),
                    4 => HostAddr::V4([192, 0, 2, 1], port),
                    pid => HostAddr::V4([10, 77, 0, pid], port),
                };
                Some(Egress::Connect { pid: Pid(pid), sock: SockId(sock), flow_port: 6000, to })
            }
            Event::Send(sock, slip, len) => {
                let sock = self.sock(sock);
                Some(Egress::Send { sock, offset: near(self.out(Who::Sock(sock)).sent, slip), bytes: vec![7; len] })
            }
            Event::Fin(sock, slip) => {
                let sock = self.sock(sock);
                Some(Egress::Fin { sock, offset: near(self.out(Who::Sock(sock)).sent, slip) })
            }
            Event::Window(sock, more) => {
                let sock = self.sock(sock);
                let there = self.model.find(Who::Sock(sock)).map(|(i, side)| &self.model.links[i][1 - side].out);
                Some(Egress::Window { sock, limit: near(there.map_or(0, |way| way.limit), more) })
            }
            Event::Abort(sock) => Some(Egress::Abort { sock: self.sock(sock) }),
            Event::Closed(sock) => Some(Egress::Closed { sock: self.sock(sock) }),
            _ => None,
        };
        match *event {
            Event::Start(pid) => {
                let name = if pid == 2 { "db" } else { "web" };
                self.model.names.retain(|it| it.0 != Pid(pid));
                self.model.names.push((Pid(pid), name));
                self.each(|nat, _| nat.process_started(Pid(pid), name));
            }
            Event::End(pid) => {
                self.model.process_ended(Pid(pid));
                self.each(|nat, tape| nat.process_ended(Pid(pid), tape));
            }
            Event::NodeOver(n, boot) => {
                self.model.node_over(n, boot);
                self.each(|nat, tape| nat.node_over(node(n), BootNo(boot), tape));
            }
            Event::Refuse(why) => {
                self.model.refuse = why;
                self.each(|_, tape| tape.refuse = why);
            }
            _ => {}
        }
        if let Some(input) = input {
            self.model.client(&input);
            self.each(|nat, tape| nat.admit(input.clone(), tape));
        }
        if let Some(egress) = egress {
            self.model.program(&egress);
            self.each(|nat, tape| nat.egress(egress.clone(), tape));
        }
    }

    fn each(&mut self, mut act: impl FnMut(&mut Nat, &mut Tape)) {
        for (nat, tape) in &mut self.nats {
            act(nat, tape);
        }
    }

    fn compare(&mut self, event: &Event) -> Result<(), TestCaseError> {
        let said = std::mem::take(&mut self.model.said);
        for (nat, tape) in &mut self.nats {
            prop_assert_eq!(nat.check(), Ok(()), "after {:?}", event);
            prop_assert_eq!(&std::mem::take(&mut tape.said), &said, "after {:?}", event);
            prop_assert_eq!(rows_of(nat), self.model.rows(), "after {:?}", event);
            prop_assert_eq!(nat.connections(), self.model.links.len());
        }
        prop_assert!(self.nats[0].0.rows().eq(self.nats[1].0.rows()));
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_table_does_what_the_reference_does(history in prop::collection::vec(events(), 1..120)) {
        let mut run = Run::new();
        for event in [Event::Start(1), Event::Start(2), Event::Listen(1, 0, 80), Event::Listen(2, 1, 81)] {
            run.play(&event);
        }
        run.compare(&Event::Start(0))?;
        for event in &history {
            run.play(event);
            run.compare(event)?;
        }
        let [(one, _), (other, _)] = &run.nats;
        prop_assert_eq!(one, other);
        prop_assert_eq!(borsh::to_vec(one).ok(), borsh::to_vec(other).ok());
    }
}
