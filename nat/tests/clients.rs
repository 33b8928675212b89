//! A client's connection from its opening to each of its ends.

mod common;

use common::{Rig, Said, caller, conn, data, got, node, open, refused, reset, send, service};
use replicode_log::{BootNo, ConnId, Egress, Ingress, Input, KeepAlive, Limits, Output, Pid, Refusal, Refused, SockId};
use replicode_nat::{FlowState, RowKind};

const C: u32 = 1;

fn limits() -> Limits {
    Limits { recv_window: 10, send_window: 20, connections: 3, ..Limits::default() }
}

fn state(rig: &Rig, sock: SockId) -> Option<FlowState> {
    match rig.row(sock)?.kind {
        RowKind::Client { state, .. } => Some(state),
        _ => None,
    }
}

#[test]
fn bytes_go_back_and_forth() {
    let mut rig = Rig::with_two_servers(&limits());
    let c = conn(1, 1, C);
    let sock = SockId(1000);
    assert_eq!(rig.admit(open(c)), [Said::Incoming { listener: SockId(1), peer: caller(), window: 20 }]);
    assert_eq!(state(&rig, sock), Some(FlowState::Pending));
    // Bytes may travel in the batch of the connection.
    assert_eq!(rig.admit(data(c, 0, b"hello")), [got(sock, b"hello")]);
    assert_eq!(rig.egress(Egress::Accepted { sock, flow_port: 5000 }), []);
    assert_eq!(state(&rig, sock), Some(FlowState::Established));
    assert_eq!(rig.egress(Egress::Window { sock, limit: 15 }), [Said::Out(Output::Credit { conn: c, limit: 15 })]);
    let reply = Output::Data { conn: c, offset: 0, bytes: b"HELLO".to_vec() };
    assert_eq!(rig.egress(send(sock, 0, b"HELLO")), [Said::Out(reply)]);
    assert_eq!(rig.admit(Input::Acked { conn: c, offset: 5 }), [Said::In(Ingress::Acked { sock, offset: 5 })]);
    let row = rig.row(sock).expect("the connection is in the table");
    assert_eq!((row.pid, row.process.as_str(), row.port), (Pid(1), "web", Some(5000)));
    assert_eq!(row.consensus_port.get(), 10_002, "two listeners have the first two");
    assert_eq!((row.peer, row.bytes_in, row.bytes_out), (Some(caller()), 5, 5));
}

#[test]
fn each_direction_ends_by_itself() {
    let mut rig = Rig::with_two_servers(&limits());
    let c = conn(1, 1, C);
    let sock = rig.client(c);
    rig.admit(data(c, 0, b"bye"));
    assert_eq!(rig.admit(Input::HalfClose { conn: c, offset: 3 }), [Said::In(Ingress::Fin { sock })]);
    assert_eq!(state(&rig, sock), Some(FlowState::PeerDone));
    assert_eq!(rig.admit(Input::HalfClose { conn: c, offset: 3 }), [], "a repeat is no news");
    assert_eq!(rig.egress(Egress::Window { sock, limit: 13 }), [], "credit behind the end means nothing");
    assert_eq!(rig.egress(send(sock, 0, b"ciao")).len(), 1);
    assert_eq!(rig.egress(Egress::Fin { sock, offset: 4 }), [Said::Out(Output::HalfClose { conn: c, offset: 4 })]);
    assert_eq!(state(&rig, sock), Some(FlowState::BothDone));
    assert_eq!(rig.egress(Egress::Closed { sock }), [Said::Out(Output::Closed { conn: c })]);
    assert_eq!(rig.row(sock), None);
    assert_eq!(rig.nat.connections(), 0);
}

#[test]
fn what_comes_for_a_connection_that_is_gone_is_dropped() {
    let mut rig = Rig::with_two_servers(&limits());
    let c = conn(1, 1, C);
    let sock = rig.client(c);
    assert_eq!(rig.egress(Egress::Abort { sock }), [Said::Out(Output::Reset { conn: c })]);
    for input in [
        data(c, 0, b"late"),
        data(c, 77, b"late and wrong"),
        Input::HalfClose { conn: c, offset: 4 },
        Input::Acked { conn: c, offset: 4 },
        Input::Reset { conn: c },
        Input::Kill { pid: Pid(1) },
    ] {
        assert_eq!(rig.admit(input), []);
    }
    for event in [
        Egress::Accepted { sock, flow_port: 1 },
        send(sock, 0, b"late"),
        Egress::Fin { sock, offset: 0 },
        Egress::Window { sock, limit: 99 },
        Egress::Abort { sock },
        Egress::Closed { sock },
        Egress::Unlisten { sock },
    ] {
        assert_eq!(rig.egress(event), []);
    }
}

#[test]
fn a_clients_reset_reaches_the_program_once() {
    let mut rig = Rig::with_two_servers(&limits());
    let c = conn(1, 1, C);
    let sock = rig.client(c);
    assert_eq!(rig.admit(Input::Reset { conn: c }), [reset(sock)]);
    assert_eq!(rig.admit(Input::Reset { conn: c }), []);
    assert_eq!(rig.egress(Egress::Closed { sock }), [], "the gateway knows already");
}

#[test]
fn offsets_that_contradict_each_other_end_the_connection_at_both_sides() {
    type Case = (Refusal, fn(ConnId) -> Input);
    let cases: [Case; 7] = [
        (Refusal::Gap, |c| data(c, 5, b"x")),
        (Refusal::Window, |c| data(c, 4, b"1234567")),
        (Refusal::Window, |c| data(c, u64::MAX, b"12")),
        (Refusal::Gap, |c| Input::HalfClose { conn: c, offset: 5 }),
        (Refusal::Gap, |c| Input::HalfClose { conn: c, offset: 3 }),
        (Refusal::Window, |c| Input::Acked { conn: c, offset: 1 }),
        (Refusal::DuplicateConn, open),
    ];
    for (why, input) in cases {
        let mut rig = Rig::with_two_servers(&limits());
        let c = conn(1, 1, C);
        let sock = rig.client(c);
        rig.admit(data(c, 0, b"1234"));
        let said = rig.admit(input(c));
        assert_eq!(said, [reset(sock), refused(c, why)]);
        assert_eq!(rig.nat.connections(), 0);
    }
}

#[test]
fn resent_bytes_are_taken_once() {
    let mut rig = Rig::with_two_servers(&limits());
    let c = conn(1, 1, C);
    let sock = rig.client(c);
    assert_eq!(rig.admit(data(c, 0, b"abc")), [got(sock, b"abc")]);
    assert_eq!(rig.admit(data(c, 0, b"abc")), []);
    assert_eq!(rig.admit(data(c, 1, b"bcde")), [got(sock, b"de")]);
    assert_eq!(rig.admit(data(c, 5, b"")), []);
    rig.admit(Input::HalfClose { conn: c, offset: 5 });
    assert_eq!(rig.admit(data(c, 0, b"abcde")), []);
}

#[test]
fn a_slow_client_stops_the_program_at_the_window() {
    let mut rig = Rig::with_two_servers(&limits());
    let c = conn(1, 1, C);
    let sock = rig.client(c);
    assert_eq!(rig.egress(send(sock, 0, &[b'x'; 20])).len(), 1);
    rig.admit(Input::Acked { conn: c, offset: 8 });
    assert_eq!(rig.egress(send(sock, 20, &[b'x'; 8])).len(), 1);
    // The kernel may not send more; if it does, that is a mistake which must look the same on all nodes.
    assert_eq!(rig.egress(send(sock, 28, b"x")), [Said::Out(Output::Reset { conn: c }), reset(sock)]);
}

#[test]
fn connections_are_refused_with_a_reason() {
    let mut rig = Rig::with_two_servers(&limits());
    let to = |process, port| Input::Open { conn: conn(1, 1, 9), to: service(process, port), from: caller() };
    assert_eq!(rig.admit(to("web", 81)), [refused(conn(1, 1, 9), Refusal::NoListener)]);
    assert_eq!(rig.admit(to("mail", 80)), [refused(conn(1, 1, 9), Refusal::NoListener)]);
    let stdin = ConnId::console(Pid(1));
    assert_eq!(rig.admit(open(stdin)), [refused(stdin, Refusal::UnknownConn)]);
    rig.tape.refuse = Some(Refused::Backlog);
    assert_eq!(rig.admit(open(conn(1, 1, 9))).last(), Some(&refused(conn(1, 1, 9), Refusal::Backlog)));
    assert_eq!(rig.nat.connections(), 0);
    rig.tape.refuse = None;
    assert_eq!(rig.client(conn(1, 1, 9)), SockId(1000), "nothing was left behind by the refusals");
}

#[test]
fn a_boot_that_is_over_takes_its_connections_along() {
    let mut rig = Rig::with_two_servers(&limits());
    let (old, new, other) = (conn(1, 1, 7), conn(1, 2, 0), conn(2, 1, 7));
    let socks = [old, new, other].map(|c| rig.client(c));
    rig.nat.node_over(node(1), BootNo(1), &mut rig.tape);
    assert_eq!(rig.take(), [reset(socks[0])]);
    assert_eq!(rig.nat.connections(), 2);
    assert_eq!(rig.admit(data(old, 0, b"ghost")), []);
    assert_eq!(rig.admit(data(new, 0, b"alive")), [got(socks[1], b"alive")]);
}

#[test]
fn a_process_that_ends_takes_its_listeners_and_connections_along() {
    let mut rig = Rig::with_two_servers(&limits());
    let c = conn(1, 1, C);
    rig.client(c);
    rig.nat.process_ended(Pid(1), &mut rig.tape);
    assert_eq!(rig.take(), [Said::Out(Output::Reset { conn: c })]);
    assert_eq!(rig.admit(open(conn(1, 1, 2))), [refused(conn(1, 1, 2), Refusal::NoListener)]);
    assert_eq!(rig.nat.rows().count(), 1, "the other process still listens");
}

#[test]
fn a_listener_can_go_and_come_back() {
    let mut rig = Rig::with_two_servers(&limits());
    rig.egress(Egress::Unlisten { sock: SockId(1) });
    assert_eq!(rig.admit(open(conn(1, 1, 1))), [refused(conn(1, 1, 1), Refusal::NoListener)]);
    rig.egress(Egress::Listen { pid: Pid(1), sock: SockId(3), port: 80 });
    assert_eq!(rig.row(SockId(3)).map(|row| row.consensus_port.get()), Some(10_000));
    rig.egress(Egress::Listen { pid: Pid(1), sock: SockId(3), port: 80 });
    assert_eq!(rig.nat.rows().count(), 2, "listening twice changes nothing");
}

#[test]
fn bytes_for_an_end_that_nobody_reads_are_answered_with_a_reset() {
    let mut rig = Rig::with_two_servers(&limits());
    let c = conn(1, 1, C);
    let sock = rig.client(c);
    rig.admit(data(c, 0, b"abc"));
    rig.egress(send(sock, 0, b"bye"));
    rig.egress(Egress::Fin { sock, offset: 3 });
    assert_eq!(rig.egress(Egress::Deaf { sock }), [Said::Out(Output::Deaf { conn: c })]);
    assert_eq!(rig.admit(data(c, 0, b"abc")), [], "a repeat is nothing new");
    // Offered before the gateway knew.
    assert_eq!(rig.admit(data(c, 3, b"d")), [reset(sock), Said::Out(Output::Reset { conn: c })]);
    assert_eq!(rig.nat.connections(), 0);
    // The client's own end is none.
    let d = conn(1, 1, C + 1);
    let sock = rig.client(d);
    rig.egress(Egress::Fin { sock, offset: 0 });
    rig.egress(Egress::Deaf { sock });
    assert_eq!(rig.admit(Input::HalfClose { conn: d, offset: 0 }), [Said::In(Ingress::Fin { sock })]);
    assert_eq!(rig.egress(Egress::Closed { sock }), [Said::Out(Output::Closed { conn: d })]);
    // Nor is anything asked of a client that has ended already.
    let e = conn(1, 1, C + 2);
    let sock = rig.client(e);
    rig.admit(Input::HalfClose { conn: e, offset: 0 });
    assert_eq!(rig.egress(Egress::Deaf { sock }), []);
}

#[test]
fn keepalive_goes_to_the_gateway_that_holds_the_client() {
    let mut rig = Rig::with_two_servers(&limits());
    let c = conn(1, 1, C);
    let sock = rig.client(c);
    for wanted in [Some(KeepAlive { idle: 1, interval: 2, count: 3 }), None] {
        assert_eq!(rig.egress(Egress::KeepAlive { sock, wanted }), [Said::Out(Output::KeepAlive { conn: c, wanted })]);
    }
    rig.admit(Input::Reset { conn: c });
    assert_eq!(rig.egress(Egress::KeepAlive { sock, wanted: None }), []);
}
