//! `replicode check`: what a module asks for and whether it can run here, before anything of it does.
//!
//! The verdict is that of the engine which `run`, `up` and `init` ask, in the same words; the facts beside it are read
//! even from modules that the engine refuses.

use crate::args::CheckArgs;
use crate::{cell, show, starting};
use anyhow::{Context, Result};
use replicode_log::Digest;
use replicode_wasm::facts::Exceptions;
use replicode_wasm::imports::Judgement;
use replicode_wasm::{Facts, WasmEngine};
use serde::Serialize;
use std::fmt::Write as _;
use std::path::PathBuf;

/// What is known of a module.
#[derive(Debug, Serialize)]
struct Checked {
    module: PathBuf,
    bytes: usize,
    digest: String,
    /// Whether it would be started.
    starts: bool,
    /// Why not.
    why: Option<String>,
    imports: Vec<ImportRow>,
    /// Bytes of memory that it starts with, that it says it never goes beyond, and that the cell allows.
    memory_initial: u64,
    memory_maximum: Option<u64>,
    memory_limit: u64,
    memories: u32,
    shared_memory: bool,
    memory64: bool,
    gc: bool,
    /// `none`, `standard` or `legacy`.
    exceptions: &'static str,
    /// Bytes of the C stack, where an overflow of it traps.
    stack: Option<u64>,
    /// The bound of all frames together: the limit `stack_bytes`.
    stack_limit: u64,
    start_section: bool,
    function_names: bool,
    debug_info: bool,
    functions: u32,
    /// Bytes of machine code; none when it was refused.
    code_bytes: Option<usize>,
}

/// An import, judged.
#[derive(Debug, Serialize)]
struct ImportRow {
    module: String,
    name: String,
    /// `served`, `refused` or `unknown`.
    state: &'static str,
    /// How it is made deterministic, of one that is offered.
    class: Option<&'static str>,
    /// How that is done; of one that is not offered, why not.
    note: String,
    /// What to do about one that is not offered.
    way_out: Option<&'static str>,
}

/// Runs the command. Exit code 1 when the module would be refused.
///
/// # Errors
/// When the file cannot be read or the engine cannot be set up.
pub fn run(args: &CheckArgs, json: bool) -> Result<u8> {
    let limits = cell::limits(&args.limit)?;
    let wasm = cell::read_module(&args.module, limits.module_bytes)?;
    let engine = WasmEngine::new(&limits).context("cannot set the wasm engine up")?;
    starting::at(format!("compiling module {}", args.module.display()));
    let verdict = engine.compile(&wasm);
    starting::over();
    let facts = if wasm.starts_with(b"\0asm\x01\0\0\0") { Facts::read(&wasm, true) } else { Facts::default() };
    let checked = Checked {
        module: args.module.clone(),
        bytes: wasm.len(),
        digest: Digest::of(&wasm).to_string(),
        starts: verdict.is_ok(),
        why: verdict.as_ref().err().map(ToString::to_string),
        imports: facts.imports.iter().map(row).collect(),
        memory_initial: facts.memory,
        memory_maximum: facts.memory_max,
        memory_limit: limits.memory_bytes,
        memories: facts.memories,
        shared_memory: facts.shared,
        memory64: facts.memory64,
        gc: facts.gc,
        exceptions: match facts.exceptions {
            Exceptions::None => "none",
            Exceptions::Standard => "standard",
            Exceptions::Legacy => "legacy",
        },
        stack: facts.stack,
        stack_limit: limits.stack_bytes.into(),
        start_section: facts.start_section,
        function_names: facts.names,
        debug_info: facts.debug_info,
        functions: facts.functions,
        code_bytes: verdict.ok().map(|module| module.code_bytes()),
    };
    if json {
        show::print_json(&[&checked])?
    } else {
        show::print(&text(&checked))?
    };
    Ok(u8::from(!checked.starts))
}

fn row(import: &replicode_wasm::imports::FoundImport) -> ImportRow {
    let (module, name) = (import.module.clone(), import.name.clone());
    let (state, class, note, way_out) = match import.judge() {
        Judgement::Served(known) => ("served", Some(known.class.name()), known.note.to_string(), None),
        Judgement::Refused(known) => ("refused", Some(known.class.name()), known.note.to_string(), None),
        Judgement::Unknown(why) => ("unknown", None, why, Some(import.way_out())),
    };
    ImportRow { module, name, state, class, note, way_out }
}

fn text(it: &Checked) -> String {
    let mut out = format!("{}: {}, digest {}\n", it.module.display(), show::bytes(it.bytes as u64), &it.digest[..8]);
    let no_module = it.functions == 0 && it.imports.is_empty() && it.memories == 0;
    if !no_module {
        imports(&mut out, &it.imports);
        facts(&mut out, it);
    }
    let _ = match &it.why {
        None => writeln!(out, "it can run here"),
        Some(why) => writeln!(out, "it cannot run here: {why}"),
    };
    out
}

/// Imports by module: what is served in one line, everything else with its reason and way out.
fn imports(out: &mut String, rows: &[ImportRow]) {
    let mut modules: Vec<&str> = Vec::new();
    for row in rows {
        if !modules.contains(&row.module.as_str()) {
            modules.push(&row.module);
        }
    }
    if modules.is_empty() {
        out.push_str("imports nothing\n");
    }
    for module in modules {
        let of = |state: &'static str| rows.iter().filter(move |row| row.module == module && row.state == state);
        let _ = write!(out, "imports from '{module}'");
        for (n, state) in ["served", "refused", "unknown"].into_iter().filter(|s| of(s).count() > 0).enumerate() {
            let _ = write!(out, "{} {} {state}", if n == 0 { ":" } else { "," }, of(state).count());
        }
        out.push('\n');
        let served: Vec<&str> = of("served").map(|row| row.name.as_str()).collect();
        if !served.is_empty() {
            let _ = writeln!(out, "  served: {}", served.join(" "));
        }
        for row in of("refused") {
            let _ =
                writeln!(out, "  refused: {}: answers {}; a program that can do without it runs", row.name, row.note);
        }
        let unknown: Vec<&ImportRow> = of("unknown").collect();
        for (n, row) in unknown.iter().enumerate() {
            let _ = writeln!(out, "  unknown: {}: {}", row.name, row.note);
            // Once for all that it is for.
            let later = unknown[n + 1..].iter().any(|later| later.way_out == row.way_out);
            if let Some(way_out) = row.way_out.filter(|_| !later) {
                let _ = writeln!(out, "    way out: {way_out}");
            }
        }
    }
}

fn facts(out: &mut String, it: &Checked) {
    let yes = |it: bool| if it { "yes" } else { "no" };
    let mut line = |name: &str, value: String| _ = writeln!(out, "{name:<15} {value}");
    let maximum = it
        .memory_maximum
        .map_or_else(|| "no maximum of its own".into(), |max| format!("a maximum of {}", show::bytes(max)));
    let (initial, limit) = (show::bytes(it.memory_initial), show::bytes(it.memory_limit));
    line("memory", format!("starts with {initial}, {maximum}; the limit memory_bytes is {limit}"));
    for (has, name) in
        [(it.shared_memory, "shared"), (it.memory64, "of 64-bit addresses"), (it.memories > 1, "several")]
    {
        if has {
            line("", format!("{name}: not offered"));
        }
    }
    line(
        "stack",
        it.stack.map_or_else(
            || {
                "its size cannot be told: it does not lie below the data, so that an overflow of it damages data"
                    .to_string()
            },
            |stack| format!("{} below the data: an overflow of it traps", show::bytes(stack)),
        ),
    );
    line(
        "exceptions",
        match it.exceptions {
            "legacy" => "of the form before the standard, which is not offered".to_string(),
            form => form.to_string(),
        },
    );
    if it.gc {
        line("collected types", "yes: not offered".to_string());
    }
    line("start section", yes(it.start_section).to_string());
    line(
        "function names",
        match it.function_names {
            true => "yes: traps show them".to_string(),
            false => "no: traps show numbers; link without -s and --strip-all".to_string(),
        },
    );
    line(
        "debug info",
        match it.debug_info {
            true => "yes".to_string(),
            false => "no; build with -g to have it".to_string(),
        },
    );
    if let Some(code) = it.code_bytes {
        line("code", format!("{} functions, {} of machine code", it.functions, show::bytes(code as u64)));
    }
}
