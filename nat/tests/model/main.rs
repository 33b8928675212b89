//! The table against a naive reference: random histories, legal and illegal, must be told the same way.

#[path = "../common/mod.rs"]
mod common;
mod reference;
mod vocabulary;

use common::{Tape, caller, node, service};
use proptest::prelude::*;
use reference::{CONNECTIONS, Model, RECV, Row, SEND, Way, Who};
use replicode_log::{BootNo, Egress, HostAddr, Input, KeepAlive, Limits, Pid, SockId};
use replicode_nat::{Nat, RowKind};
use vocabulary::{Event, events};

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
                    5 => HostAddr::V6(reference::ONE, port),
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
            Event::Deaf(sock) => Some(Egress::Deaf { sock: self.sock(sock) }),
            Event::KeepAlive(sock) => {
                let wanted = (sock % 2 == 0).then_some(KeepAlive { idle: 1, interval: 2, count: sock as u32 });
                Some(Egress::KeepAlive { sock: self.sock(sock), wanted })
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

fn rows_of(nat: &Nat) -> Vec<Row> {
    let mut rows: Vec<Row> = nat
        .rows()
        .map(|row| Row {
            sock: row.sock,
            pid: row.pid,
            port: row.port,
            number: Some(row.consensus_port.get()),
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
