//! `replicode sim check`: whether one order explains what clients saw.

use crate::args::{HistoryModel, SimArgs, SimCheckArgs, SimCommand};
use anyhow::Result;
use replicode_sim::linear::history::History;
use replicode_sim::linear::{Judge, Verdict, judge};
use serde_json::json;
use std::io::Read;
use std::path::Path;

/// The history cannot be read.
const UNREADABLE: u8 = 2;
/// Too many orders were possible.
const UNDECIDED: u8 = 3;

/// Runs `replicode sim`.
///
/// # Errors
/// Output that cannot be written.
pub fn run(args: &SimArgs, json: bool) -> Result<u8> {
    match &args.what {
        SimCommand::Check(args) => check(args, json),
    }
}

fn text(path: &Path) -> Result<String, String> {
    if path == Path::new("-") {
        let mut text = String::new();
        return std::io::stdin().read_to_string(&mut text).map(|_| text).map_err(|why| why.to_string());
    }
    std::fs::read_to_string(path).map_err(|why| why.to_string())
}

fn check(args: &SimCheckArgs, json: bool) -> Result<u8> {
    let model = match args.model {
        HistoryModel::Kv => Judge::Kv,
        HistoryModel::Register => Judge::Register,
        HistoryModel::Append => Judge::Append,
        HistoryModel::Counter => Judge::Counter,
        HistoryModel::Queue => Judge::Queue,
        HistoryModel::Set => Judge::Set,
    };
    let read = text(&args.history).and_then(|text| History::read(&text));
    let judged = read.and_then(|history| judge(model, &history, args.steps).map(|verdict| (history, verdict)));
    let (history, verdict) = match judged {
        Ok(judged) => judged,
        Err(why) => {
            eprintln!("replicode: '{}' is not a history that can be judged: {why}", args.history.display());
            return Ok(UNREADABLE);
        }
    };
    let (operations, unknown) = (history.operations.len() + history.failed, history.unknown());
    let counts = format!(
        "{operations} operations of {} clients, {} failed, {unknown} of unknown outcome",
        history.clients, history.failed
    );
    let (code, word, told) = match &verdict {
        Verdict::Explained => (0, "explained", format!("{counts}: one order explains every answer")),
        Verdict::Broken(broken) => (1, "broken", format!("{counts}: {broken}")),
        Verdict::Undecided { key, operations } => {
            let key = if key.is_empty() { String::new() } else { format!(" of key {key}") };
            let told = format!(
                "{counts}: undecided after {} steps: the {operations} operations{key} overlap too much; raise --steps",
                args.steps
            );
            (UNDECIDED, "undecided", told)
        }
    };
    if json {
        let broken = match &verdict {
            Verdict::Broken(it) => {
                json!({"key": it.key, "line": it.line, "answer": it.what, "first": it.first, "order": it.order})
            }
            _ => serde_json::Value::Null,
        };
        let row = json!({
            "verdict": word, "operations": operations, "clients": history.clients, "failed": history.failed,
            "unknown": unknown, "broken": broken,
        });
        crate::show::print(&format!("{row}\n"))?;
    } else {
        crate::show::print(&format!("{told}\n"))?;
    }
    Ok(code)
}
