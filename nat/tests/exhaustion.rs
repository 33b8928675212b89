//! What happens when something runs out: the same connection is refused on every node.

mod common;

use common::{Rig, Said, conn, open, refused};
use replicode_log::{Egress, HostAddr, Ingress, Input, Limits, Pid, Refusal, Refused, SockId};

fn connect(sock: u64) -> Egress {
    Egress::Connect { pid: Pid(2), sock: SockId(sock), flow_port: 6000, to: HostAddr::V4([10, 77, 0, 1], 80) }
}

#[test]
fn a_full_table_refuses_clients_and_neighbours_until_there_is_room() {
    let mut rig = Rig::with_two_servers(&Limits { connections: 2, ..Limits::default() });
    rig.client(conn(1, 1, 1));
    rig.client(conn(2, 1, 1));
    assert_eq!(rig.admit(open(conn(1, 1, 2))), [refused(conn(1, 1, 2), Refusal::TableFull)]);
    let failed = Ingress::ConnectFailed { sock: SockId(700), why: Refused::TableFull };
    assert_eq!(rig.egress(connect(700)), [Said::In(failed)]);
    rig.admit(Input::Reset { conn: conn(1, 1, 1) });
    assert_eq!(rig.egress(connect(701)).len(), 2);
}

#[test]
fn consensus_ports_run_out_and_come_back() {
    let mut rig = Rig::with_two_servers(&Limits { connections: 60_000, ..Limits::default() });
    let free = 65_536 - 10_000 - 2;
    for counter in 0..free {
        rig.nat.admit(open(conn(1, 1, counter)), &mut rig.tape);
    }
    rig.take();
    assert_eq!(rig.admit(open(conn(1, 1, free))), [refused(conn(1, 1, free), Refusal::PortsExhausted)]);
    let full = |sock| [Said::In(Ingress::ConnectFailed { sock: SockId(sock), why: Refused::TableFull })];
    assert_eq!(rig.egress(connect(700)), full(700));
    rig.egress(Egress::Listen { pid: Pid(1), sock: SockId(4), port: 443 });
    assert_eq!(rig.row(SockId(4)).map(|row| row.consensus_port), Some(None), "a listener works without a number");
    rig.admit(Input::Reset { conn: conn(1, 1, 5) });
    assert_eq!(rig.egress(connect(701)), full(701), "two ends need two");
    let sock = rig.client(conn(1, 1, free));
    assert_eq!(rig.row(sock).and_then(|row| row.consensus_port).map(|port| port.get()), Some(10_002 + 5));
    rig.admit(Input::Reset { conn: conn(1, 1, 6) });
    rig.admit(Input::Reset { conn: conn(1, 1, 7) });
    assert_eq!(rig.egress(connect(702)).len(), 2);
}

#[test]
fn a_cell_without_connections_refuses_all() {
    let mut rig = Rig::with_two_servers(&Limits { connections: 0, ..Limits::default() });
    assert_eq!(rig.admit(open(conn(1, 1, 1))), [refused(conn(1, 1, 1), Refusal::TableFull)]);
}
