//! Waiting: polls of both kinds, turns that end, and locks that processes have from each other.

use super::{ALL, CREAT, ROOT, Scene, fails};
use crate::logbook::{Logbook, Program, data};
use crate::script::Script;
use crate::script::Want::Ok as Fine;
use crate::script::at::{BUF, END, EVENTS, OUT, SUBS};
use anyhow::Result;
use replicode_log::{ConnId, FsImage, Limits, Pid};
use replicode_syscalls::abi::Errno::{Again, BadF, Deadlk, Fault, Inval, NoLck, NotSup, Overflow};

/// A subscription of `poll_oneoff`: to a clock, to reading, or to writing.
fn subscription(kind: u8, number: u32, timeout: u64, flags: u16) -> Vec<u8> {
    let mut bytes = vec![0; 48];
    bytes[0] = 7;
    bytes[8] = kind;
    bytes[16..20].copy_from_slice(&number.to_le_bytes());
    bytes[24..32].copy_from_slice(&timeout.to_le_bytes());
    bytes[40..42].copy_from_slice(&flags.to_le_bytes());
    bytes
}

fn polls() -> Script {
    let mut s = Script::new();
    let poll = "poll_oneoff";
    s.fails(poll, &[SUBS, EVENTS, 0, OUT], Inval).put(SUBS, &subscription(3, 0, 0, 0)).fails(
        poll,
        &[SUBS, EVENTS, 1, OUT],
        Inval,
    );
    s.put(SUBS, &subscription(0, 2, 9, 0)).fails(poll, &[SUBS, EVENTS, 1, OUT], NotSup);
    s.fails(poll, &[END, EVENTS, 1, OUT], Fault).fails(poll, &[SUBS, END, 1, OUT], Fault);
    // Several at once, one of them a descriptor that is none: that is an event, not an error.
    let list =
        [subscription(1, 0, 0, 0), subscription(2, 1, 0, 0), subscription(1, 99, 0, 0), subscription(0, 1, 1 << 40, 0)];
    s.put(SUBS, &list.concat()).ok(poll, &[SUBS, EVENTS, 4, OUT]);
    // Standard input, or two milliseconds: the time comes first, and then the input.
    let list = [subscription(1, 0, 0, 0), subscription(0, 1, 2_000_000, 0)];
    s.put(SUBS, &list.concat()).ok(poll, &[SUBS, EVENTS, 2, OUT]).put(SUBS, &list[0]).ok(poll, &[SUBS, EVENTS, 1, OUT]);
    s.read(0, 99, Fine);
    // A time that is past, on either clock.
    s.put(SUBS, &subscription(0, 0, 5, 1)).ok(poll, &[SUBS, EVENTS, 1, OUT]);
    s.put(SUBS, &subscription(0, 1, 5, 1)).ok(poll, &[SUBS, EVENTS, 1, OUT]);
    // `poll`: nothing, a console, a descriptor that is none, one that is left out.
    s.gives("poll", &[SUBS, 0, 0], 0).put(SUBS, &[1, 0, 0, 0, 2, 0, 0, 0]).gives("poll", &[SUBS, 1, 0], 1);
    s.put(SUBS, &[99, 0, 0, 0, 1, 0, 0, 0, 255, 255, 255, 255, 1, 0, 0, 0]).gives("poll", &[SUBS, 2, ALL], 1);
    s.put(SUBS, &[0, 0, 0, 0, 1, 0, 0, 0]).gives("poll", &[SUBS, 1, 3], 0).fails("poll", &[END, 1, 0], Fault);
    s.fails("poll", &[SUBS, 1 << 20, 0], Inval);
    // Turns: too many polls that find nothing, too many looks at the clock, too many calls of whatever kind.
    s.repeat(50, |s| _ = s.gives("poll", &[SUBS, 1, 0], 0)).repeat(50, |s| _ = s.ok("sched_yield", &[]));
    s.repeat(50, |s| _ = s.ok("clock_time_get", &[1, 0, OUT])).repeat(400, |s| _ = s.gives("getpid", &[], 1));
    s.put(BUF, &[b'.'; 64]);
    s.repeat(40, |s| {
        s.iov(&[(BUF, 64)]).ok("fd_write", &[1, crate::script::at::IOV, 1, OUT]);
    });
    s
}

/// One process that polls, under limits that end its turns soon.
pub fn scene() -> Result<Scene> {
    let s = polls();
    let program = Program { stdin: true, ..Program::new("waiting", s.wasm()?) };
    let limits = Limits {
        fruitless_calls: 16,
        clock_calls: 20,
        turn_calls: 128,
        turn_console_bytes: 1_000,
        spin_quantum_ns: 1_000_000,
        ..Limits::default()
    };
    let mut book = Logbook::new("waiting", limits, FsImage::default(), vec![program]);
    book.boot(1).batch(1_000).ticks(3, 1_000);
    book.inputs(1, vec![data(ConnId::console(Pid(1)), 0, b"typed")]).batch(1_000).ticks(40, 1_000);
    Ok(Scene { name: "scene-waiting", book, scripts: vec![(1, s)] })
}

/// A `struct flock`.
fn flock(kind: u8, whence: u8, start: i64, len: i64) -> Vec<u8> {
    let mut bytes = vec![kind, 0, whence, 0, 0, 0, 0, 0];
    bytes.extend(start.to_le_bytes());
    bytes.extend(len.to_le_bytes());
    bytes.extend([0; 8]);
    bytes
}

const GET: u64 = 5;
const SET: u64 = 6;
const WAIT: u64 = 7;

/// Two processes with locks on one file. The first waits for the second one's, which would then wait for the first one's.
pub fn locks() -> Result<Scene> {
    let (read, write, unlock) = (0, 1, 2);
    let mut one = Script::new();
    one.open(ROOT, "/tmp/f", CREAT, ALL, Fine).put(BUF, &flock(write, 0, 0, 10)).gives("lock", &[4, SET, BUF], 0);
    one.put(BUF, &flock(write, 0, i64::MAX, 9)).fails("lock", &[4, SET, BUF], Overflow);
    one.put(BUF, &flock(write, 0, -1, 9)).fails("lock", &[4, SET, BUF], Inval).fails("lock", &[4, 99, BUF], Inval);
    one.put(BUF, &flock(9, 0, 0, 9)).fails("lock", &[4, SET, BUF], Inval).fails("lock", &[4, SET, END], Fault);
    one.put(BUF, &flock(read, 0, 0, 9))
        .fails("lock", &[99, SET, BUF], BadF)
        .fails("lock", &[1, SET, BUF], BadF)
        .put(BUF, &flock(write, 0, 0, 9))
        .gives("lock", &[1, SET, BUF], 0);
    // The second process has bytes 20 to 29 by now.
    one.sleep(3_000_000)
        .put(BUF, &flock(write, 0, 25, 1))
        .gives("lock", &[4, GET, BUF], 0)
        .put(BUF, &flock(write, 0, 25, 1));
    one.fails("lock", &[4, SET, BUF], Again).gives("lock", &[4, WAIT, BUF], 0);
    one.put(BUF, &flock(unlock, 0, 0, 0)).gives("lock", &[4, SET, BUF], 0);
    // Every second byte, until there are no locks left.
    one.put(BUF, &flock(write, 0, 0, 1)).repeat(4_095, |s| {
        s.raw(format!("(i64.store (i32.const {}) (i64.extend_i32_u (i32.mul (local.get $i) (i32.const 2))))", BUF + 8));
        s.call("lock", &[4, SET, BUF], crate::script::Want::Any);
    });
    one.repeat(4_200, |s| {
        s.raw(format!(
            "(i64.store (i32.const {}) (i64.extend_i32_u (i32.mul (i32.add (local.get $i) (i32.const 4095)) (i32.const 2))))",
            BUF + 8
        ));
        s.call("lock", &[4, SET, BUF], crate::script::Want::Any);
    });
    one.put(BUF, &flock(write, 0, 1 << 40, 1)).fails("lock", &[4, SET, BUF], NoLck).put(BUF, &flock(unlock, 0, 0, 0));
    one.gives("lock", &[4, SET, BUF], 0).ok("fd_close", &[4]);

    let mut two = Script::new();
    two.sleep(1_000_000).open(ROOT, "/tmp/f", CREAT, ALL, Fine).put(BUF, &flock(write, 0, 20, 10));
    two.gives("lock", &[4, SET, BUF], 0).sleep(4_000_000).put(BUF, &flock(read, 0, 5, 1));
    two.fails("lock", &[4, WAIT, BUF], Deadlk).put(BUF, &flock(unlock, 0, 20, 10)).gives("lock", &[4, SET, BUF], 0);
    // Locks of the open file, and of the whole file.
    let (share, exclude, at_once) = (1, 2, 4);
    two.open(ROOT, "/tmp/g", CREAT, ALL, Fine).open(ROOT, "/tmp/g", 0, ALL, Fine).gives("flock", &[5, share], 0);
    two.gives("flock", &[6, share | at_once], 0).fails("flock", &[6, exclude | at_once], Again);
    two.gives("flock", &[5, 8], 0).gives("flock", &[6, exclude], 0).fails("flock", &[6, 3], Inval).fails(
        "flock",
        &[99, share],
        BadF,
    );
    two.gives("flock", &[1, share], 0).put(BUF, &flock(write, 0, 0, 4)).gives("lock", &[5, 37, BUF], 0);
    two.put(BUF, &flock(write, 0, 0, 4)).fails("lock", &[6, 37, BUF], Again).gives("lock", &[6, 36, BUF], 0);
    two.open(ROOT, "/tmp/g", 0, super::READ, Fine).put(BUF, &flock(write, 0, 9, 1)).call(
        "lock",
        &[7, SET, BUF],
        fails(BadF),
    );
    let programs = vec![Program::new("one", one.wasm()?), Program::new("two", two.wasm()?)];
    let mut book = Logbook::new("locks", Limits::default(), FsImage::default(), programs);
    book.boot(1).batch(1_000).ticks(10, 1_000);
    Ok(Scene { name: "scene-locks", book, scripts: vec![(1, one), (2, two)] })
}
