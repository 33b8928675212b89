//! Everything that the log can hold, and everything that it is answered.

use super::Scene;
use crate::logbook::{Logbook, Program, conn, data, node, open};
use crate::script::Script;
use crate::script::at::OUT;
use anyhow::Result;
use replicode_log::{BatchIndex, BootNo, ConnId, Digest, FsImage, Input, Limits, Order, Pid, Restart, Section, Spawn};

fn order(token: u64, start: bool, program: &str) -> Input {
    let program = program.to_string();
    Input::Order { token, order: if start { Order::Start { program } } else { Order::Kill { program } } }
}

fn spawn(program: &str) -> Input {
    let args = Some(vec![program.to_string(), "another argument".to_string()]);
    Input::Spawn(Spawn { program: program.into(), args, env: Some(vec![("A".into(), "1".into())]), stdin: true })
}

fn report(batch: u64, says: &[u8]) -> Input {
    Input::Report { index: BatchIndex(batch), digest: Digest::of(says) }
}

/// Programs that wait, one that ends, one that may be started.
pub fn scene() -> Result<Scene> {
    let mut waits = Script::new();
    waits.sleep(1 << 60);
    let mut ends = Script::new();
    ends.call("proc_exit", &[3], crate::script::Want::Any);
    let mut reads = Script::new();
    reads.ok("args_sizes_get", &[OUT, OUT + 4]).ok("environ_sizes_get", &[OUT, OUT + 4]);
    reads.read(0, 99, crate::script::Want::Ok).read(0, 99, crate::script::Want::Ok).sleep(1 << 60);
    let programs = vec![
        Program { listeners: vec![7], ..Program::new("first", waits.wasm()?) },
        Program { listeners: vec![7], ..Program::new("second", waits.wasm()?) },
        Program { restart: Restart::Always, ..Program::new("ends", ends.wasm()?) },
        Program { at_genesis: false, ..Program::new("later", reads.wasm()?) },
    ];
    let limits = Limits { backlog: 2, connections: 3, processes: 4, recv_window: 100, ..Limits::default() };
    let mut book = Logbook::new("inputs", limits, FsImage::default(), programs);
    book.boot(1).boot(2).boot(3).batch(1_000);
    let [a, b, c, d] = [1, 2, 3, 4].map(|counter| conn(1, 1, counter));
    // The third finds a queue that is full, the fourth a table that is full, the others nobody.
    book.inputs(1, vec![open(a, "first", 7), open(b, "first", 7), open(c, "first", 7)]).batch(1_000);
    book.inputs(1, vec![open(c, "second", 7), open(d, "second", 7)]).batch(1_000);
    book.inputs(1, vec![open(conn(1, 1, 5), "none", 7)]).batch(1_000);
    book.inputs(1, vec![open(a, "first", 7)])
        .batch(1_000)
        .inputs(1, vec![open(d, "first", 9), open(d, "second", 7)])
        .batch(1_000);
    book.inputs(1, vec![data(b, 0, b"in the queue"), data(b, 0, b"in the queue, again")]).batch(1_000);
    book.inputs(1, vec![data(b, 500, b"far away"), Input::Acked { conn: c, offset: 5 }]).batch(1_000);
    book.inputs(1, vec![Input::HalfClose { conn: c, offset: 0 }, Input::Reset { conn: d }]).batch(1_000);
    // A repeat, a gap in the numbers, another node's stream, a boot that is not.
    book.raw(Section { origin: node(1), boot: BootNo(1), first_seq: 3, inputs: vec![Input::Reset { conn: b }] });
    book.raw(Section { origin: node(1), boot: BootNo(1), first_seq: 999, inputs: vec![Input::Reset { conn: c }] });
    book.raw(Section { origin: node(2), boot: BootNo(9), first_seq: 1, inputs: vec![Input::Reset { conn: c }] });
    book.inputs(2, vec![Input::Reset { conn: c }]).batch(1_000);
    // Orders: the one that ends is waiting to be started again by now.
    book.inputs(
        2,
        vec![order(1, true, "none"), order(2, true, "first"), order(3, false, "ends"), order(4, false, "ends")],
    )
    .batch(1_000);
    book.inputs(2, vec![order(5, true, "later"), order(6, false, "later"), order(7, false, "none")]).batch(1_000);
    book.inputs(3, vec![spawn("later"), spawn("none")]).batch(1_000);
    let typed = ConnId::console(Pid(5));
    book.inputs(3, vec![data(typed, 0, b"typed "), data(typed, 3, b"ed and repeated")]).batch(1_000);
    book.inputs(1, vec![data(typed, 99, b"far away"), Input::HalfClose { conn: typed, offset: 18 }]).batch(1_000);
    book.inputs(1, vec![spawn("later"), order(8, true, "ends")])
        .batch(1_000)
        .inputs(1, vec![spawn("later")])
        .batch(1_000);
    book.inputs(
        2,
        vec![order(9, true, "ends"), spawn("later"), Input::Kill { pid: Pid(2) }, Input::Kill { pid: Pid(77) }],
    )
    .batch(1_000);
    // Reports: all alike, one that differs, all different; too old and of the future.
    for of in 1..=3 {
        book.inputs(
            of,
            vec![report(1, b"same"), report(2, if of == 2 { b"other" } else { b"same" }), report(3, &[of as u8])],
        );
    }
    book.inputs(1, vec![report(0, b"none"), report(9_999, b"to come")]).batch(1_000);
    // Nodes come and go.
    book.inputs(1, vec![open(conn(1, 1, 9), "first", 7)]).batch(1_000);
    book.inputs(
        2,
        vec![Input::NodeDown { node: node(1), boot: BootNo(1) }, Input::NodeDown { node: node(1), boot: BootNo(7) }],
    )
    .batch(1_000);
    book.inputs(1, vec![Input::Reset { conn: a }]).boot(1).batch(1_000);
    book.boot(2).inputs(2, vec![order(10, false, "first")]).batch(1_000).ticks(3, 200_000);
    Ok(Scene { name: "scene-inputs", book, scripts: vec![] })
}
