//! The same batches give the same digests, any other batch gives another, and nodes that differ are found.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use common::{Cell, ECHO, Flow, Op, boot, conn, data, node, open, printed, section};
use replicode_log::{Batch, BatchIndex, Digest, ExitStatus, Input, LogicalTime, Output, Pid, Refusal, Section, Spawn};
use replicode_machine::Fault;
use replicode_syscalls::{Call, Recording};

/// Connects to process 1, says "ping", prints the answer.
const PING: &[Op] = &[
    |sys| sys.socket().map(|()| Flow::Next),
    |sys| sys.connect(1, 7).map(|result| if result == 0 { Flow::Next } else { Flow::Exit(result.unsigned_abs()) }),
    |sys| {
        sys.set_buffer(b"ping");
        sys.send().map(|_| Flow::Next)
    },
    |sys| sys.recv().map(|_| Flow::Next),
    |sys| sys.print().map(|()| Flow::Next),
    |sys| sys.close().map(|()| Flow::Next),
];

/// Like [`PING`], for ever.
const PING_FOR_EVER: &[Op] = &[PING[0], PING[1], PING[2], |sys| sys.recv().map(|_| Flow::Goto(2))];

/// Prints eight random bytes.
const DICE: &[Op] = &[
    |sys| sys.call(Call::RandomGet { buf: common::BUF, buf_len: 8 }).map(|_| Flow::Next),
    |sys| {
        sys.reg.len = 8;
        sys.print().map(|()| Flow::Next)
    },
];

#[test]
fn two_processes_of_a_cell_talk_within_one_batch() {
    let mut cell = Cell::new(&[("echo", ECHO), ("ping", PING)]);
    let applied = cell.batch(Vec::new());
    assert_eq!(printed(&applied.outputs, 2), "ping");
    assert!(applied.outputs.contains(&Output::Exited { pid: Pid(2), status: ExitStatus::Code(0) }));
    assert!(applied.outputs.iter().all(|output| output.conn().is_none()), "nothing of it leaves the cell");
    assert_eq!(applied.next_deadline, None);
}

#[test]
fn two_processes_that_never_stop_talking_let_the_batch_end() {
    let mut cell = Cell::new(&[("echo", ECHO), ("ping", PING_FOR_EVER)]);
    for index in 1..4 {
        let applied = cell.batch(Vec::new());
        assert_eq!(applied.next_deadline, Some(LogicalTime::from_nanos(index * 1_000_000 + 1)));
        assert!(applied.had_events);
    }
    // The one whose turn comes next is ended meanwhile.
    let kill = |pid| Input::Kill { pid: Pid(pid) };
    let applied = cell.batch(vec![boot(1, 1), section(1, 1, 1, vec![kill(1), kill(2)])]);
    assert_eq!(applied.next_deadline, None);
    let ended = |pid| Output::Exited { pid: Pid(pid), status: ExitStatus::Killed };
    assert!(applied.outputs.contains(&ended(1)) && applied.outputs.contains(&ended(2)));
    assert_eq!(cell.batch(vec![section(1, 1, 3, vec![kill(2), kill(77)])]).outputs, []);
}

/// A short history with a client in it.
fn history(change: impl Fn(u64, &mut Batch)) -> Vec<(Digest, Vec<Output>)> {
    let c = conn(1, 1, 1);
    let sections: Vec<Vec<Section>> = vec![
        vec![boot(1, 11)],
        vec![section(1, 1, 1, vec![open(c, "echo"), data(c, 0, b"hello")])],
        vec![],
        vec![section(1, 1, 3, vec![data(c, 5, b"again")])],
    ];
    let mut cell = Cell::new(&[("echo", ECHO), ("dice", DICE)]);
    let mut history = Vec::new();
    for sections in sections {
        let mut batch = cell.next(sections);
        change(batch.header.index.0, &mut batch);
        let content = Digest::of(&batch.encode());
        let applied = cell.machine.apply(batch, content).unwrap();
        history.push((applied.digest, applied.outputs));
    }
    history
}

#[test]
fn the_same_log_gives_the_same_history() {
    assert_eq!(history(|_, _| {}), history(|_, _| {}));
}

#[test]
fn any_change_of_an_input_shows_in_the_digest_from_there_on() {
    let base = history(|_, _| {});
    type Change = fn(&mut Batch);
    let changes: [(&str, Change); 5] = [
        ("time", |batch| batch.header.time = batch.header.time.plus(1)),
        ("seed", |batch| batch.header.seed += 1),
        ("a byte", |batch| {
            batch.sections[0].inputs[1] = data(conn(1, 1, 1), 0, b"hellO");
        }),
        ("chunks", |batch| {
            let c = conn(1, 1, 1);
            batch.sections[0].inputs = vec![open(c, "echo"), data(c, 0, b"hel"), data(c, 3, b"lo")];
        }),
        ("an input less", |batch| {
            batch.sections[0].inputs.pop();
        }),
    ];
    for (what, change) in changes {
        let changed = history(|index, batch| {
            if index == 2 {
                change(batch);
            }
        });
        let same: Vec<_> = base.iter().zip(&changed).map(|(a, b)| a.0 == b.0).collect();
        assert_eq!(same, [true, false, false, false], "{what}");
    }
}

#[test]
fn the_digest_is_of_what_happened_and_not_only_of_what_was_asked() {
    // The same batches, but node 2's program answers differently.
    const WRONG: &[Op] = &[
        ECHO[0],
        ECHO[1],
        |sys| {
            sys.put(common::BUF, b"?");
            sys.send().map(|_| Flow::Goto(1))
        },
        ECHO[3],
    ];
    let run = |ops| {
        let mut cell = Cell::booted(&[("echo", ops)]);
        let c = conn(1, 1, 1);
        cell.batch(vec![section(1, 1, 1, vec![open(c, "echo")])]);
        let before = cell.machine.digest();
        (before, cell.batch(vec![section(1, 1, 2, vec![data(c, 0, b"hello")])]).digest)
    };
    let (right, wrong) = (run(ECHO), run(WRONG));
    assert_eq!(right.0, wrong.0);
    assert_ne!(right.1, wrong.1);
}

#[test]
fn seeds_differ_between_processes_and_batches() {
    let dice = |name: &str| Input::Spawn(Spawn { program: name.into(), args: None, env: None, stdin: false });
    let mut cell = Cell::new(&[("dice", DICE)]);
    let first = cell.batch(vec![boot(1, 1), section(1, 1, 1, vec![dice("dice")])]);
    let second = cell.batch(vec![section(1, 1, 2, vec![dice("dice"), dice("nothing")])]);
    let rolls = [printed(&first.outputs, 1), printed(&first.outputs, 2), printed(&second.outputs, 3)];
    assert!(rolls.iter().all(|roll| !roll.is_empty()));
    assert!(rolls[0] != rolls[1] && rolls[1] != rolls[2] && rolls[0] != rolls[2], "{rolls:?}");
    assert!(first.outputs.contains(&Output::Started { pid: Pid(2), name: "dice".into() }));
    assert!(second.outputs.iter().any(|output| matches!(output, Output::Refused { why: Refusal::Spawn, .. })));
}

#[test]
fn reports_that_differ_name_the_minority() {
    let mut cell = Cell::booted(&[("echo", ECHO)]);
    cell.batch(vec![boot(3, 33)]);
    let right = cell.machine.digest_of(BatchIndex(2)).unwrap();
    let wrong = Digest::of(b"wrong");
    let report = |digest| vec![Input::Report { index: BatchIndex(2), digest }];
    let quiet = cell.batch(vec![section(1, 1, 1, report(right)), section(3, 1, 1, report(wrong))]);
    assert_eq!((quiet.outputs, quiet.had_events), (vec![], false));
    let verdict = cell.batch(vec![section(2, 1, 1, report(right))]);
    let expected = Output::Diverged {
        index: BatchIndex(2),
        majority: Some(right),
        minority: vec![(node(3), wrong)],
        agreed: BatchIndex(0),
    };
    assert_eq!(verdict.outputs, [expected]);
}

#[test]
fn the_steps_of_recent_batches_can_be_compared() {
    let run = |recording| {
        let mut cell = Cell::new(&[("echo", ECHO), ("ping", PING)]);
        cell.machine.set_recording(recording);
        cell.batch(Vec::new());
        cell
    };
    let (one, two) = (run(Recording::Steps), run(Recording::Steps));
    let steps = one.machine.steps_of(BatchIndex(1)).unwrap();
    assert!(steps.len() >= 8, "{steps:?}");
    assert_eq!(Some(steps), two.machine.steps_of(BatchIndex(1)));
    let mut quiet = Cell::new(&[("echo", ECHO), ("ping", PING)]);
    quiet.batch(Vec::new());
    assert_eq!(quiet.machine.steps_of(BatchIndex(1)), None);
    assert_eq!(quiet.machine.digest(), one.machine.digest(), "recording changes nothing");
}

#[test]
fn a_batch_out_of_order_is_a_fault_and_harms_nothing() {
    let mut cell = Cell::new(&[("echo", ECHO)]);
    let mut batch = cell.next(Vec::new());
    batch.header.index = BatchIndex(2);
    let fault = Fault::Order { last: BatchIndex(0), got: BatchIndex(2) };
    assert_eq!(cell.machine.apply(batch, Digest::ZERO), Err(fault));
    cell.batch(Vec::new());
    assert_eq!(cell.machine.applied(), BatchIndex(1));
}

#[test]
fn a_node_without_a_module_is_broken() {
    let config = common::config(&["echo", "missing"]);
    let mut cell = Cell::with(&config, &[("echo", ECHO)]);
    let batch = cell.next(Vec::new());
    assert!(matches!(cell.machine.apply(batch, Digest::ZERO), Err(Fault::Load { pid: Pid(2), .. })));
    let batch = cell.next(Vec::new());
    assert_eq!(cell.machine.apply(batch, Digest::ZERO), Err(Fault::Stopped));
}
