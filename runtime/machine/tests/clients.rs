//! Clients that come and go: what the program sees, what the client is told, and the races between the two.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use common::{CAT, Cell, DEAF, ECHO, Flow, boot, conn, data, node, open, printed, section, sent};
use replicode_log::{BootNo, ConnId, Input, Output, Pid, Refusal};

#[test]
fn a_client_is_answered_in_the_batch_of_its_question() {
    let mut cell = Cell::booted(&[("echo", ECHO)]);
    let c = conn(1, 1, 1);
    let asked = cell.batch(vec![section(1, 1, 1, vec![open(c, "echo"), data(c, 0, b"hello")])]);
    assert_eq!(sent(&asked.outputs, c), "hello");
    assert!(asked.had_events);
    let more = cell.batch(vec![section(1, 1, 3, vec![data(c, 5, b" world")])]);
    assert_eq!(sent(&more.outputs, c), " world");
    let done = cell.batch(vec![section(1, 1, 4, vec![Input::HalfClose { conn: c, offset: 11 }])]);
    let ends: Vec<_> = done.outputs.iter().filter(|output| output.conn() == Some(c)).collect();
    assert_eq!(ends, [&Output::HalfClose { conn: c, offset: 11 }, &Output::Closed { conn: c }]);
    assert!(cell.machine.nat_rows().all(|row| row.peer.is_none()), "only the listener is left");
}

#[test]
fn clients_of_two_nodes_are_served_in_the_order_of_the_log() {
    let mut cell = Cell::booted(&[("echo", ECHO)]);
    let (a, b) = (conn(2, 1, 1), conn(1, 1, 1));
    let serve = |c, text: &[u8], offset| vec![open(c, "echo"), data(c, 0, text), Input::HalfClose { conn: c, offset }];
    let sections = vec![section(2, 1, 1, serve(a, b"first", 5)), section(1, 1, 1, serve(b, b"second", 6))];
    let applied = cell.batch(sections);
    assert_eq!((sent(&applied.outputs, a).as_str(), sent(&applied.outputs, b).as_str()), ("first", "second"));
    let data: Vec<_> = applied.outputs.iter().filter(|o| matches!(o, Output::Data { .. })).map(Output::conn).collect();
    assert_eq!(data, [Some(a), Some(b)]);
}

#[test]
fn nobody_listens() {
    let mut cell = Cell::booted(&[("echo", ECHO)]);
    let c = conn(1, 1, 1);
    let applied = cell.batch(vec![section(1, 1, 1, vec![open(c, "nobody"), data(c, 0, b"x")])]);
    assert_eq!(applied.outputs, [Output::Refused { conn: c, why: Refusal::NoListener }]);
}

#[test]
fn a_reset_in_the_middle_of_everything() {
    let mut cell = Cell::booted(&[("echo", ECHO)]);
    let c = conn(1, 1, 1);
    // Opened, used and thrown away before the program had its first look at it.
    let applied = cell.batch(vec![section(1, 1, 1, vec![open(c, "echo"), data(c, 0, b"x"), Input::Reset { conn: c }])]);
    assert_eq!(sent(&applied.outputs, c), "");
    // What the node says about it afterwards is dropped without a word, and the program serves the next one.
    let d = conn(1, 1, 2);
    let applied = cell.batch(vec![section(
        1,
        1,
        4,
        vec![data(c, 1, b"y"), Input::Acked { conn: c, offset: 0 }, open(d, "echo"), data(d, 0, b"z")],
    )]);
    assert!(applied.outputs.iter().all(|output| output.conn() != Some(c)), "{:?}", applied.outputs);
    assert_eq!(sent(&applied.outputs, d), "z");
    // Reset while the program waits for more of it.
    let applied = cell.batch(vec![section(1, 1, 8, vec![Input::Reset { conn: d }, data(d, 1, b"late")])]);
    assert_eq!(sent(&applied.outputs, d), "");
    assert!(cell.machine.nat_rows().all(|row| row.peer.is_none()));
}

/// Answers with one letter and closes, whatever else comes.
const RUDE: &[common::Op] = &[
    |sys| sys.accept(4).map(|()| Flow::Next),
    |sys| {
        sys.set_buffer(b"!");
        sys.send().map(|_| Flow::Next)
    },
    |sys| sys.close().map(|()| Flow::Goto(0)),
];

#[test]
fn closing_with_unread_bytes_resets_and_closing_without_does_not() {
    let mut cell = Cell::booted(&[("rude", RUDE)]);
    let (polite, chatty) = (conn(1, 1, 1), conn(1, 1, 2));
    let applied =
        cell.batch(vec![section(1, 1, 1, vec![open(polite, "rude"), open(chatty, "rude"), data(chatty, 0, b"hi")])]);
    let of = |c: ConnId| applied.outputs.iter().filter(|o| o.conn() == Some(c)).cloned().collect::<Vec<_>>();
    let letter = |c| Output::Data { conn: c, offset: 0, bytes: b"!".to_vec() };
    let (fin, closed) = (Output::HalfClose { conn: polite, offset: 1 }, Output::Closed { conn: polite });
    assert_eq!(of(polite), [letter(polite), fin, closed]);
    assert_eq!(of(chatty), [letter(chatty), Output::Reset { conn: chatty }]);
    // The client's own end of the stream crosses the program's close.
    let late = cell.batch(vec![section(1, 1, 4, vec![Input::HalfClose { conn: polite, offset: 0 }])]);
    assert_eq!(late.outputs, []);
}

#[test]
fn more_than_the_window_and_gaps_are_refused_and_the_connection_ends() {
    let mut cell = Cell::booted(&[("deaf", DEAF)]);
    let (a, b) = (conn(1, 1, 1), conn(1, 1, 2));
    let window = cell.machine.config().limits.recv_window as usize;
    let full = vec![b'x'; window];
    let inputs =
        vec![open(a, "deaf"), data(a, 0, &full), data(a, window as u64, b"y"), open(b, "deaf"), data(b, 1, b"z")];
    let applied = cell.batch(vec![section(1, 1, 1, inputs)]);
    assert!(applied.outputs.contains(&Output::Refused { conn: a, why: Refusal::Window }));
    assert!(applied.outputs.contains(&Output::Refused { conn: b, why: Refusal::Gap }));
    assert!(cell.machine.nat_rows().all(|row| row.peer.is_none()));
}

#[test]
fn a_node_that_reboots_loses_its_connections_and_keeps_no_voice() {
    let mut cell = Cell::booted(&[("echo", ECHO)]);
    let (mine, others) = (conn(1, 1, 1), conn(2, 1, 1));
    cell.batch(vec![section(1, 1, 1, vec![open(mine, "echo")]), section(2, 1, 1, vec![open(others, "echo")])]);

    let rebooted = cell.batch(vec![boot(1, 12), section(1, 1, 2, vec![data(mine, 0, b"late")])]);
    assert_eq!(
        rebooted.outputs[..2],
        [
            Output::BootOver { node: node(1), boot: BootNo(1) },
            Output::Booted { node: node(1), boot: BootNo(2), nonce: 12 },
        ]
    );
    assert_eq!(sent(&rebooted.outputs, mine), "");
    assert_eq!(cell.machine.origin(node(1)), Some((BootNo(2), 1)));
    assert_eq!(cell.batch(vec![boot(1, 12)]).outputs, [], "a repeat");

    // The program's turn has come for the other node's client.
    let applied = cell.batch(vec![section(2, 1, 2, vec![data(others, 0, b"still here")])]);
    assert_eq!(sent(&applied.outputs, others), "still here");
}

#[test]
fn a_node_that_is_down_loses_its_connections() {
    let mut cell = Cell::booted(&[("echo", ECHO)]);
    let c = conn(2, 1, 1);
    cell.batch(vec![section(2, 1, 1, vec![open(c, "echo")])]);
    let down = |boot| Input::NodeDown { node: node(2), boot: BootNo(boot) };
    let applied = cell.batch(vec![section(1, 1, 1, vec![down(2), down(1), down(1)])]);
    assert_eq!(applied.outputs, [Output::BootOver { node: node(2), boot: BootNo(1) }]);
    assert_eq!(cell.machine.live_boots().collect::<Vec<_>>(), [(node(1), BootNo(1))]);
    let late = cell.batch(vec![section(2, 1, 2, vec![data(c, 0, b"I was only paused")])]);
    assert_eq!(late.outputs, []);
}

#[test]
fn repeats_and_gaps_change_nothing() {
    let mut cell = Cell::booted(&[("echo", ECHO)]);
    let c = conn(1, 1, 1);
    let first = section(1, 1, 1, vec![open(c, "echo"), data(c, 0, b"a")]);
    let second = section(1, 1, 3, vec![data(c, 1, b"b"), data(c, 2, b"c")]);
    assert_eq!(sent(&cell.batch(vec![second.clone()]).outputs, c), "", "before the first");
    assert_eq!(sent(&cell.batch(vec![first.clone(), first.clone()]).outputs, c), "a");
    let overlapping = section(1, 1, 2, vec![data(c, 0, b"a"), data(c, 1, b"b"), data(c, 2, b"c")]);
    assert_eq!(sent(&cell.batch(vec![first, second.clone(), overlapping, second]).outputs, c), "bc");
    assert_eq!(cell.machine.origin(node(1)), Some((BootNo(1), 5)));
}

#[test]
fn a_node_speaks_for_its_own_streams_only() {
    let mut cell = Cell::booted(&[("echo", ECHO)]);
    let c = conn(1, 1, 1);
    cell.batch(vec![section(1, 1, 1, vec![open(c, "echo")])]);
    let foreign = vec![data(c, 0, b"forged"), Input::Reset { conn: c }, open(conn(1, 1, 2), "echo")];
    assert_eq!(cell.batch(vec![section(2, 1, 1, foreign)]).outputs, []);
    assert_eq!(sent(&cell.batch(vec![section(1, 1, 2, vec![data(c, 0, b"mine")])]).outputs, c), "mine");
}

#[test]
fn standard_input_is_a_stream_like_any_other() {
    let mut cell = Cell::booted(&[("cat", CAT)]);
    let stdin = ConnId::console(Pid(1));
    let applied = cell.batch(vec![section(1, 1, 1, vec![data(stdin, 0, b"one "), data(stdin, 0, b"one two ")])]);
    assert_eq!(printed(&applied.outputs, 1), "one two ");
    let applied = cell.batch(vec![section(2, 1, 1, vec![data(stdin, 99, b"x"), data(stdin, 8, b"three")])]);
    assert_eq!(printed(&applied.outputs, 1), "three");
    assert!(applied.outputs.contains(&Output::Refused { conn: stdin, why: Refusal::Gap }));
    let end = Input::HalfClose { conn: stdin, offset: 13 };
    let applied = cell.batch(vec![section(1, 1, 3, vec![end])]);
    assert!(applied.outputs.iter().any(|output| matches!(output, Output::Exited { pid: Pid(1), .. })));
    assert_eq!(cell.batch(vec![section(1, 1, 4, vec![data(stdin, 13, b"late")])]).outputs, []);
}
