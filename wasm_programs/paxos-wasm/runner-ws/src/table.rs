//! The table of `status`: what the processes of this machine say about themselves.

use crate::control::board;
use crate::load::plan::Process;
use paxos_config::Config;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::{IsTerminal as _, Read as _};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::time::Duration;

/// How long a process may take to answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// Prints the table once, or each second. The exit code of a single one says whether everything is ready.
pub fn status(config: &Config, watch: bool, json: bool) -> Result<ExitCode, String> {
    loop {
        let processes = ask_all(config);
        let ready = processes.iter().all(|(_, _, answer)| answer.as_ref().is_some_and(is_ready));
        let text = if json { as_json(&processes) } else { as_table(config, &processes) };
        if watch && std::io::stdout().is_terminal() {
            // Home, and what was there before goes.
            print!("\x1b[H\x1b[J");
        }
        println!("{text}");
        if !watch {
            return Ok(if ready { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        std::thread::sleep(Duration::from_secs(1));
    }
}

type Answers = Vec<(u16, Process, Option<Value>)>;

fn ask_all(config: &Config) -> Answers {
    let mut processes = vec![Process::Coordinator];
    processes.extend(Process::of_node(config));
    let mut answers = Vec::new();
    for node in &config.nodes {
        for process in &processes {
            let answer = ask(&board::socket(&config.data_dir, node.id, *process));
            answers.push((node.id, *process, answer));
        }
    }
    answers
}

fn ask(socket: &std::path::Path) -> Option<Value> {
    let mut stream = UnixStream::connect(socket).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

fn is_ready(answer: &Value) -> bool {
    answer["roles"].as_object().is_some_and(|roles| roles.values().all(|role| role["ready"] == true))
}

fn as_json(answers: &Answers) -> String {
    let list: Vec<Value> = answers
        .iter()
        .map(|(node, process, answer)| {
            answer.clone().unwrap_or_else(|| json!({ "node": node, "process": process.name(), "down": true }))
        })
        .collect();
    Value::from(list).to_string()
}

/// The columns of figures: heading, the names under which roles report the figure, whether its growth per second is shown.
const COLUMNS: [(&str, &[&str], bool); 7] = [
    ("leader", &["leader"], false),
    ("round", &["ballot"], false),
    ("slot", &["slot"], false),
    ("durable", &["durable", "snapshot-slot"], false),
    ("queued", &["queued"], false),
    ("req/s", &["commands"], true),
    ("peers", &["peers-up"], false),
];

fn as_table(config: &Config, answers: &Answers) -> String {
    let mut text = format!("{:<5} {:<12} {:<8} {:>7}", "node", "role", "state", "pid");
    for (heading, _, _) in COLUMNS {
        let _ = write!(text, " {heading:>12}");
    }
    for (node, process, answer) in answers {
        let Some(answer) = answer else {
            let _ = write!(text, "\n{node:<5} {process:<12} {:<8}", "down");
            continue;
        };
        let pid = answer["pid"].as_u64().unwrap_or(0);
        if *process == Process::Coordinator {
            let _ = write!(text, "\n{node:<5} {process:<12} {:<8} {pid:>7}", "up");
            continue;
        }
        for (role, board) in answer["roles"].as_object().into_iter().flatten() {
            let state = if board["ready"] == true { "ready" } else { "starting" };
            let _ = write!(text, "\n{node:<5} {role:<12} {state:<8} {pid:>7}");
            for (_, names, rate) in COLUMNS {
                let figures = &board[if rate { "per_second" } else { "figures" }];
                let shown = names.iter().find_map(|name| figures[*name].as_f64());
                let shown = shown.map_or_else(|| "-".to_owned(), |value| format!("{value:.0}"));
                let _ = write!(text, " {shown:>12}");
            }
        }
    }
    let _ = write!(text, "\ncluster {}, {} nodes, {}", config.cluster, config.nodes.len(), config.model);
    text
}
