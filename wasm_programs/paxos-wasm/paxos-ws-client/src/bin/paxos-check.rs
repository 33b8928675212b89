//! `paxos-check`: judges the histories of a run. Exit code 0: every operation is explained; 1: one is not, and the first
//! such one is told; 2: nothing could be judged.

#![forbid(unsafe_code)]

use clap::Parser;
use paxos_ws_client::check::{Histories, Kind, judge};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Judges what the clients of a run saw: was each request executed exactly once, in one order that explains every answer
/// and keeps real time?
#[derive(Parser)]
#[command(name = "paxos-check", version)]
struct Args {
    /// Histories that paxos-client wrote (bench --history), or folders with such files (*.jsonl).
    #[arg(required = true)]
    histories: Vec<PathBuf>,
    /// How many requests there must be in all.
    #[arg(long)]
    expect: Option<u64>,
    /// Accept requests that were given up without an answer: they may have been executed or not, once.
    #[arg(long)]
    unanswered_ok: bool,
    /// These are the histories of all clients that there were: a place in the order that none of them was told is a fault.
    #[arg(long)]
    whole: bool,
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

fn load(paths: &[PathBuf]) -> Result<Histories, String> {
    let mut histories = Histories::default();
    for path in paths {
        if path.is_dir() {
            let list =
                std::fs::read_dir(path).map_err(|e| format!("cannot read the folder {}: {e}", path.display()))?;
            let mut files: Vec<PathBuf> = list.filter_map(|entry| Some(entry.ok()?.path())).collect();
            files.retain(|file| file.extension().is_some_and(|end| end == "jsonl"));
            files.sort();
            if files.is_empty() {
                return Err(format!("the folder {} holds no history (*.jsonl)", path.display()));
            }
            for file in files {
                histories.add_file(&file)?;
            }
        } else {
            histories.add_file(path)?;
        }
    }
    if histories.requests.is_empty() {
        return Err("these histories hold no request: there is nothing to judge".to_owned());
    }
    Ok(histories)
}

fn main() -> ExitCode {
    let args = Args::parse();
    let histories = match load(&args.histories) {
        Ok(histories) => histories,
        Err(e) => {
            eprintln!("paxos-check: {e}");
            return ExitCode::from(2);
        }
    };
    let verdict = judge(&histories, args.whole);
    let requests = histories.requests.len() as u64;
    let missing = args.expect.filter(|expect| *expect != requests);
    let good = verdict.is_good(args.unanswered_ok) && missing.is_none();
    let first = verdict.first(&histories, args.unanswered_ok);
    let text = if args.json {
        let counts: serde_json::Map<_, _> =
            Kind::ALL.iter().map(|kind| (kind.name().to_owned(), verdict.count(*kind).into())).collect();
        let first = first.map(|fault| {
            serde_json::json!({"kind": fault.kind.name(), "operation": histories.describe(fault.request), "why": fault.text})
        });
        let report = serde_json::json!({
            "good": good, "requests": requests, "expected": args.expect, "sessions": histories.sessions(),
            "keys": histories.keys(), "counts": counts, "first": first,
        });
        format!("{report}\n")
    } else {
        let counts: Vec<String> = Kind::ALL.iter().map(|kind| format!("{} {kind}", verdict.count(*kind))).collect();
        let mut text = format!(
            "{requests} requests of {} logical clients on {} keys: {}\n",
            histories.sessions(),
            histories.keys(),
            counts.join(", ")
        );
        if let Some(expect) = missing {
            text += &format!("expected were {expect} requests\n");
        }
        if let Some(fault) = first {
            text += &format!("the first {} one: {}\n  {}\n", fault.kind, histories.describe(fault.request), fault.text);
        }
        text += if good { "verdict: good\n" } else { "verdict: BAD\n" };
        text
    };
    if let Err(e) = std::io::stdout().write_all(text.as_bytes()) {
        eprintln!("paxos-check: cannot print the verdict: {e}");
        return ExitCode::from(2);
    }
    if good { ExitCode::SUCCESS } else { ExitCode::from(1) }
}
