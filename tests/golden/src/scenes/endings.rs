//! How programs end, and how they are started again.

use super::Scene;
use crate::logbook::{Logbook, Program};
use crate::script::Script;
use anyhow::Result;
use replicode_log::{FsImage, Limits, Restart};

fn body(fields: &str, statement: &str) -> Result<Vec<u8>> {
    Script::new().field(fields).raw(statement).wasm()
}

/// One program for each kind of trap, and for each kind of end.
pub fn traps() -> Result<Scene> {
    let programs = [
        ("overflow", "(func $r (call $r) (call $r))", "(call $r)"),
        ("bounds", "", "(drop (i32.load (i32.const -4)))"),
        ("unreachable", "", "unreachable"),
        ("division", "", "(drop (i32.div_u (i32.const 1) (i32.const 0)))"),
        ("conversion", "", "(drop (i32.trunc_f32_s (f32.const nan)))"),
        ("no-function", "(table 1 funcref) (type $f (func))", "(call_indirect (type $f) (i32.const 0))"),
        ("exception", "(tag $t)", "(throw $t)"),
        ("the-end", "", "nop"),
        // As much memory as there may be, and not a page more; a table that cannot grow so far.
        (
            "grows",
            "",
            "(if (i32.eq (memory.grow (i32.const 14)) (i32.const -1)) (then unreachable)) \
                       (if (i32.ne (memory.grow (i32.const 1)) (i32.const -1)) (then unreachable))",
        ),
        // The bits of NaNs, and relaxed instructions, are the same everywhere.
        (
            "floats",
            "",
            "(if (i32.ne (i32.reinterpret_f32 (f32.div (f32.const 0) (f32.const 0))) (i32.const 0x7fc00000)) \
                       (then unreachable))",
        ),
    ];
    let programs =
        programs.into_iter().map(|(name, fields, statement)| Ok(Program::new(name, body(fields, statement)?)));
    let mut programs = programs.collect::<Result<Vec<_>>>()?;
    for (name, code) in [("code-0", 0), ("code-1", 1), ("code-max", u64::from(u32::MAX))] {
        let mut script = Script::new();
        script.any("proc_exit", &[code]);
        programs.push(Program::new(name, script.wasm()?));
    }
    let limits = Limits { memory_bytes: 1 << 20, ..Limits::default() };
    let mut book = Logbook::new("traps", limits, FsImage::default(), programs);
    book.boot(1).batch(1_000).ticks(1, 1_000);
    Ok(Scene { name: "scene-traps", book, scripts: vec![] })
}

/// Programs that are started anew, after pauses that grow, and one for which there is no room in time.
pub fn restarts() -> Result<Scene> {
    let exits = |code: u64, after: u64| {
        let mut script = Script::new();
        script.ok("random_get", &[crate::script::at::BUF, 8]).sleep(after).any("proc_exit", &[code]);
        script.wasm()
    };
    let policy = |name, wasm, restart| Program { restart, ..Program::new(name, wasm) };
    let programs = vec![
        policy("never", exits(1, 1_000_000)?, Restart::Never),
        policy("on-failure", exits(2, 1_000_000)?, Restart::OnFailure),
        policy("on-failure-fine", exits(0, 1_000_000)?, Restart::OnFailure),
        policy("always", exits(0, 2_000_000)?, Restart::Always),
        policy("long", exits(1, 11_000_000_000)?, Restart::OnFailure),
        policy("trap", body("", "unreachable")?, Restart::OnFailure),
    ];
    let mut book = Logbook::new("restarts", Limits { processes: 6, ..Limits::default() }, FsImage::default(), programs);
    book.boot(1).batch(1_000).ticks(40, 50_000).ticks(30, 1_000_000);
    Ok(Scene { name: "scene-restarts", book, scripts: vec![] })
}
