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

/// More connections than a host has ports, and half as many pairs of neighbours as well: only the limit is in the way.
#[test]
fn sixty_thousand_connections_have_a_number_each() {
    const N: u32 = 60_000;
    let mut rig = Rig::with_two_servers(&Limits { connections: N, ..Limits::default() });
    for counter in 0..N / 2 {
        rig.nat.admit(open(conn(1, 1, counter)), &mut rig.tape);
        rig.nat.egress(connect(1_000_000 + u64::from(counter)), &mut rig.tape);
    }
    rig.take();
    assert_eq!(rig.nat.connections(), N as usize);
    assert_eq!(rig.admit(open(conn(1, 1, N))), [refused(conn(1, 1, N), Refusal::TableFull)]);
    let last = rig.nat.rows().map(|row| row.consensus_port.get()).max();
    assert_eq!(last, Some(10_000 + 2 + N / 2 * 3 - 1), "no number is left out");
    // What ended gives its number to the next.
    rig.admit(Input::Reset { conn: conn(1, 1, 1) });
    let sock = rig.client(conn(1, 1, N));
    assert_eq!(rig.row(sock).map(|row| row.consensus_port.get()), Some(10_002 + 3));
    // A process that ends gives back all that was its own, at once.
    rig.nat.process_ended(Pid(1), &mut rig.tape);
    rig.take();
    assert_eq!((rig.nat.connections(), rig.nat.rows().count()), (0, 1));
}

#[test]
fn a_refused_connection_keeps_no_number() {
    let mut rig = Rig::with_two_servers(&Limits::default());
    rig.tape.refuse = Some(Refused::Backlog);
    for counter in 0..3 {
        rig.admit(open(conn(1, 1, counter)));
        rig.egress(connect(700));
    }
    rig.tape.refuse = None;
    let sock = rig.client(conn(1, 1, 9));
    assert_eq!(rig.row(sock).map(|row| row.consensus_port.get()), Some(10_002));
}

#[test]
fn a_cell_without_connections_refuses_all() {
    let mut rig = Rig::with_two_servers(&Limits { connections: 0, ..Limits::default() });
    assert_eq!(rig.admit(open(conn(1, 1, 1))), [refused(conn(1, 1, 1), Refusal::TableFull)]);
}
