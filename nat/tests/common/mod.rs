//! A kernel and an outside world that only take notes, and short names for the sentences of the tests.
#![allow(dead_code, reason = "each test file uses its own part")]

use replicode_log::{BootNo, ConnId, Egress, HostAddr, Ingress, Input, Limits, NodeId, Output, Pid, Refused, SockId};
use replicode_nat::{Nat, NatRow, Sides};

/// One sentence of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    Incoming { listener: SockId, peer: HostAddr, window: u64 },
    In(Ingress),
    Out(Output),
}

/// Takes notes. Sockets for incoming connections are numbered from 1000.
#[derive(Debug)]
pub struct Tape {
    pub said: Vec<Said>,
    pub next_sock: u64,
    pub refuse: Option<Refused>,
}

impl Default for Tape {
    fn default() -> Self {
        Self { said: Vec::new(), next_sock: 1000, refuse: None }
    }
}

impl Sides for Tape {
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
}

/// A table with its notes. Each call answers what was said because of it.
pub struct Rig {
    pub nat: Nat,
    pub tape: Tape,
}

impl Rig {
    pub fn new(limits: &Limits) -> Self {
        Self { nat: Nat::new(limits), tape: Tape::default() }
    }

    /// Process 1 `web` listens on 80 with socket 1, process 2 `db` on 90 with socket 2.
    pub fn with_two_servers(limits: &Limits) -> Self {
        let mut rig = Self::new(limits);
        rig.nat.process_started(Pid(1), "web");
        rig.nat.process_started(Pid(2), "db");
        assert_eq!(rig.egress(Egress::Listen { pid: Pid(1), sock: SockId(1), port: 80 }), []);
        assert_eq!(rig.egress(Egress::Listen { pid: Pid(2), sock: SockId(2), port: 90 }), []);
        rig
    }

    pub fn admit(&mut self, input: Input) -> Vec<Said> {
        self.nat.admit(input, &mut self.tape);
        self.take()
    }

    pub fn egress(&mut self, event: Egress) -> Vec<Said> {
        self.nat.egress(event, &mut self.tape);
        self.take()
    }

    pub fn take(&mut self) -> Vec<Said> {
        assert_eq!(self.nat.check(), Ok(()));
        std::mem::take(&mut self.tape.said)
    }

    /// A client of `web`, accepted with flow port 5000. Its socket.
    pub fn client(&mut self, conn: ConnId) -> SockId {
        let sock = SockId(self.tape.next_sock);
        assert_eq!(self.admit(open(conn)).len(), 1);
        assert_eq!(self.egress(Egress::Accepted { sock, flow_port: 5000 }), []);
        sock
    }

    /// A connection from `db` (socket 700, flow port 6000) to `web`, accepted with flow port 5000. The two sockets.
    pub fn neighbours(&mut self) -> (SockId, SockId) {
        let (from, to) = (SockId(700), SockId(self.tape.next_sock));
        let said = self.egress(Egress::Connect {
            pid: Pid(2),
            sock: from,
            flow_port: 6000,
            to: HostAddr::V4([10, 77, 0, 1], 80),
        });
        assert_eq!(said.len(), 2, "{said:?}");
        assert_eq!(self.egress(Egress::Accepted { sock: to, flow_port: 5000 }), []);
        (from, to)
    }

    pub fn row(&self, sock: SockId) -> Option<NatRow> {
        self.nat.rows().find(|row| row.sock == sock)
    }
}

pub fn node(n: u64) -> NodeId {
    NodeId::new(n).expect("tests use valid numbers")
}

pub fn conn(n: u64, boot: u32, counter: u32) -> ConnId {
    ConnId::new(node(n), BootNo(boot), counter).expect("tests use valid numbers")
}

pub fn caller() -> HostAddr {
    HostAddr::V4([192, 0, 2, 7], 4711)
}

pub fn service(process: &str, port: u16) -> replicode_log::Service {
    replicode_log::Service { process: process.into(), port }
}

pub fn open(conn: ConnId) -> Input {
    Input::Open { conn, to: service("web", 80), from: caller() }
}

pub fn data(conn: ConnId, offset: u64, bytes: &[u8]) -> Input {
    Input::Data { conn, offset, bytes: bytes.to_vec() }
}

pub fn send(sock: SockId, offset: u64, bytes: &[u8]) -> Egress {
    Egress::Send { sock, offset, bytes: bytes.to_vec() }
}

pub fn got(sock: SockId, bytes: &[u8]) -> Said {
    Said::In(Ingress::Data { sock, bytes: bytes.to_vec() })
}

pub fn reset(sock: SockId) -> Said {
    Said::In(Ingress::Reset { sock })
}

pub fn refused(conn: ConnId, why: replicode_log::Refusal) -> Said {
    Said::Out(Output::Refused { conn, why })
}
