//! Connections between processes of the cell (hairpinning): neither end can tell the other from a client.

mod common;

use common::{Rig, Said, got, reset, send};
use replicode_log::{Egress, HostAddr, Ingress, Limits, Pid, Refused, SockId};
use replicode_nat::{FlowState, RowKind};

fn limits() -> Limits {
    Limits { recv_window: 10, send_window: 20, connections: 2, ..Limits::default() }
}

fn state(rig: &Rig, sock: SockId) -> Option<FlowState> {
    match rig.row(sock)?.kind {
        RowKind::Inside { state, .. } => Some(state),
        _ => None,
    }
}

fn connect(pid: u32, to: HostAddr) -> Egress {
    Egress::Connect { pid: Pid(pid), sock: SockId(700), flow_port: 6000, to }
}

#[test]
fn both_ends_are_told_addresses_of_the_cell() {
    let mut rig = Rig::with_two_servers(&limits());
    let said = rig.egress(connect(2, HostAddr::V4([10, 77, 0, 1], 80)));
    let peer = HostAddr::V4([10, 77, 0, 2], 6000);
    assert_eq!(
        said,
        [
            Said::Incoming { listener: SockId(1), peer, window: 10 },
            Said::In(Ingress::Connected { sock: SockId(700), send_window: 10 }),
        ]
    );
    assert_eq!(state(&rig, SockId(700)), Some(FlowState::Established));
    assert_eq!(state(&rig, SockId(1000)), Some(FlowState::Pending));
    assert_eq!(rig.nat.connections(), 1);
}

#[test]
fn loopback_is_the_process_itself() {
    let mut rig = Rig::with_two_servers(&limits());
    let said = rig.egress(connect(1, HostAddr::V4([127, 0, 0, 1], 80)));
    let peer = HostAddr::V4([127, 0, 0, 1], 6000);
    assert_eq!(said[0], Said::Incoming { listener: SockId(1), peer, window: 10 });
    let mut rig = Rig::with_two_servers(&limits());
    let said = rig.egress(connect(2, HostAddr::V4([127, 0, 0, 1], 80)));
    assert_eq!(said, [Said::In(Ingress::ConnectFailed { sock: SockId(700), why: Refused::NoListener })]);
}

#[test]
fn a_connection_that_cannot_be_made_has_a_reason() {
    let cases = [
        (HostAddr::V4([10, 77, 0, 1], 81), Refused::NoListener),
        (HostAddr::V4([10, 77, 0, 9], 80), Refused::NoListener),
        (HostAddr::V4([93, 184, 216, 34], 80), Refused::Unreachable),
    ];
    for (to, why) in cases {
        let mut rig = Rig::with_two_servers(&limits());
        assert_eq!(rig.egress(connect(2, to)), [Said::In(Ingress::ConnectFailed { sock: SockId(700), why })]);
    }
    let mut rig = Rig::with_two_servers(&limits());
    rig.tape.refuse = Some(Refused::Backlog);
    let failed = Said::In(Ingress::ConnectFailed { sock: SockId(700), why: Refused::Backlog });
    assert_eq!(rig.egress(connect(2, HostAddr::V4([10, 77, 0, 1], 80))).last(), Some(&failed));
    assert_eq!(rig.nat.connections(), 0);
}

#[test]
fn bytes_and_credit_pass_between_the_ends() {
    let mut rig = Rig::with_two_servers(&limits());
    let (a, b) = rig.neighbours();
    assert_eq!(rig.egress(send(a, 0, b"0123456789")), [got(b, b"0123456789")]);
    assert_eq!(rig.egress(send(b, 0, b"ok")), [got(a, b"ok")]);
    // `b` has read four bytes, so four more may come.
    assert_eq!(rig.egress(Egress::Window { sock: b, limit: 14 }), [Said::In(Ingress::Acked { sock: a, offset: 4 })]);
    assert_eq!(rig.egress(send(a, 10, b"abcd")), [got(b, b"abcd")]);
    assert_eq!(rig.egress(send(a, 14, b"!")), [reset(b), reset(a)], "the kernel overran the window");
}

#[test]
fn each_direction_ends_by_itself() {
    let mut rig = Rig::with_two_servers(&limits());
    let (a, b) = rig.neighbours();
    assert_eq!(rig.egress(Egress::Fin { sock: a, offset: 0 }), [Said::In(Ingress::Fin { sock: b })]);
    assert_eq!((state(&rig, a), state(&rig, b)), (Some(FlowState::ProgramDone), Some(FlowState::PeerDone)));
    assert_eq!(rig.egress(send(b, 0, b"answer")), [got(a, b"answer")]);
    assert_eq!(rig.egress(Egress::Fin { sock: b, offset: 6 }), [Said::In(Ingress::Fin { sock: a })]);
    assert_eq!(rig.egress(Egress::Closed { sock: a }), []);
    assert_eq!(rig.nat.connections(), 1, "the other end is still held");
    assert_eq!(rig.egress(Egress::Closed { sock: b }), []);
    assert_eq!(rig.nat.connections(), 0);
    assert_eq!(rig.nat.rows().count(), 2, "only the listeners are left");
}

#[test]
fn an_orphan_can_be_read_but_not_written() {
    let mut rig = Rig::with_two_servers(&limits());
    let (a, b) = rig.neighbours();
    rig.egress(send(a, 0, b"last words"));
    assert_eq!(rig.egress(Egress::Closed { sock: a }), [Said::In(Ingress::Fin { sock: b })], "closing ends the stream");
    assert_eq!(state(&rig, b), Some(FlowState::Orphaned));
    assert_eq!(rig.egress(Egress::Window { sock: b, limit: 20 }), []);
    assert_eq!(rig.egress(send(b, 0, b"hello?")), [reset(b)]);
    assert_eq!(rig.nat.connections(), 0);
}

#[test]
fn an_abort_reaches_the_other_end() {
    let mut rig = Rig::with_two_servers(&limits());
    let (a, b) = rig.neighbours();
    assert_eq!(rig.egress(Egress::Abort { sock: b }), [reset(a)]);
    assert_eq!(rig.egress(Egress::Abort { sock: a }), []);
    assert_eq!(rig.nat.connections(), 0);
}

#[test]
fn a_process_that_ends_resets_its_neighbours() {
    let mut rig = Rig::with_two_servers(&limits());
    let (a, _) = rig.neighbours();
    rig.nat.process_ended(Pid(1), &mut rig.tape);
    assert_eq!(rig.take(), [reset(a)]);
    assert_eq!(rig.nat.connections(), 0);
}

#[test]
fn a_neighbour_that_reads_no_more_answers_with_a_reset() {
    let mut rig = Rig::with_two_servers(&limits());
    let (a, b) = rig.neighbours();
    assert_eq!(rig.egress(Egress::Fin { sock: b, offset: 0 }), [Said::In(Ingress::Fin { sock: a })]);
    assert_eq!(rig.egress(Egress::Deaf { sock: b }), []);
    assert_eq!(rig.egress(send(a, 0, b"hello?")), [reset(b), reset(a)]);
    assert_eq!(rig.nat.connections(), 0);
}
