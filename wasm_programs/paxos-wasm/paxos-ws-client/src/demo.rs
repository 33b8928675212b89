//! Several processes of load on one machine: starts them, shows one line of progress, sums up, and has it judged.

use crate::check::{Histories, Kind, judge};
use crate::report::Report;
use std::io::{BufRead, BufReader, IsTerminal, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// What to start.
#[derive(Clone, Debug)]
pub struct Settings {
    /// This program.
    pub program: PathBuf,
    /// Arguments for every process of load, besides those named here.
    pub arguments: Vec<String>,
    /// How many processes.
    pub processes: u32,
    /// Logical clients of each.
    pub clients: u32,
    /// Requests of all.
    pub requests: u64,
    /// The folder of the histories.
    pub folder: PathBuf,
    /// Other clients ask meanwhile: places in the order that none of ours was told are theirs.
    pub others: bool,
    /// Print one JSON object in the end, and nothing else.
    pub json: bool,
    /// Between two lines of progress, where standard error is no terminal.
    pub progress: Duration,
}

/// A line that a process of load writes to its standard output.
#[derive(serde::Serialize, serde::Deserialize)]
pub enum Line {
    /// So many are answered.
    Answered(u64),
    /// The end.
    Report(Box<Report>),
}

struct Loads {
    children: Vec<Child>,
    lines: Receiver<(usize, Line)>,
}

impl Drop for Loads {
    fn drop(&mut self) {
        for child in &mut self.children {
            // Those that have ended by themselves are not there any more, which is as well.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn start(settings: &Settings, commands: Vec<Vec<String>>) -> Result<Loads, String> {
    let (sender, lines) = channel();
    let mut loads = Loads { children: Vec::new(), lines };
    for (at, arguments) in commands.into_iter().enumerate() {
        let mut child = Command::new(&settings.program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| format!("cannot start {}: {e}", settings.program.display()))?;
        let output = child.stdout.take();
        loads.children.push(child);
        let sender = sender.clone();
        std::thread::spawn(move || {
            for line in output.into_iter().flat_map(|output| BufReader::new(output).lines()) {
                let Some(line) = line.ok().and_then(|line| serde_json::from_str(&line).ok()) else { break };
                if sender.send((at, line)).is_err() {
                    break;
                }
            }
        });
    }
    Ok(loads)
}

/// Waits for all of them; `show` gets the number of answered requests now and then.
fn wait(mut loads: Loads, mut show: impl FnMut(u64)) -> Result<Report, String> {
    let mut answered = vec![0u64; loads.children.len()];
    let mut sum = Report::default();
    let mut reports = 0;
    loop {
        match loads.lines.recv_timeout(Duration::from_millis(200)) {
            Ok((at, Line::Answered(n))) => answered[at] = n,
            Ok((at, Line::Report(report))) => {
                answered[at] = report.answered;
                sum.merge(&report);
                reports += 1;
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        show(answered.iter().sum());
    }
    let mut failed = 0;
    for child in &mut loads.children {
        let status = child.wait().map_err(|e| format!("cannot wait for a process of load: {e}"))?;
        failed += u32::from(!status.success());
    }
    if reports < loads.children.len() {
        return Err(format!("{failed} of {} processes of load failed; the reason stands above", loads.children.len()));
    }
    Ok(sum)
}

fn show_progress(settings: &Settings, began: Instant, answered: u64, last: &mut Option<(Instant, u64)>) {
    let requests = settings.requests;
    let terminal = std::io::stderr().is_terminal();
    let pause = if terminal { Duration::from_millis(500) } else { settings.progress };
    let (then, before) = last.unwrap_or((began, 0));
    if last.is_some() && then.elapsed() < pause {
        return;
    }
    let rate = (answered - before) as f64 / then.elapsed().as_secs_f64().max(1e-3);
    *last = Some((Instant::now(), answered));
    let percent = answered as f64 * 100.0 / requests.max(1) as f64;
    let line = format!("{answered:>9} of {requests} requests answered ({percent:.0} %), {rate:.0} req/s");
    // Nobody has to see progress: a closed standard error is no failure.
    let _ = if terminal { write!(std::io::stderr(), "\r{line}   ") } else { writeln!(std::io::stderr(), "{line}") };
}

/// Runs the demo; whether all is well. Everything is written to standard output.
///
/// # Errors
/// When it could not be run to its end.
pub fn run(settings: &Settings) -> Result<bool, String> {
    std::fs::create_dir_all(&settings.folder)
        .map_err(|e| format!("cannot make the folder {}: {e}", settings.folder.display()))?;
    let history = |name: &str| settings.folder.join(format!("{name}.jsonl"));
    let mut files = Vec::new();
    let mut load = |name: String, first: u64, clients: u32, requests: u64, more: &[&str]| {
        files.push(history(&name));
        let numbers = [("--clients", u64::from(clients)), ("--requests", requests), ("--first", first)];
        let mut arguments = vec!["bench".to_owned(), "--lines".to_owned()];
        arguments.extend(numbers.iter().flat_map(|(name, n)| [(*name).to_owned(), n.to_string()]));
        arguments.extend(["--history".to_owned(), history(&name).display().to_string()]);
        arguments.extend(settings.arguments.iter().cloned());
        arguments.extend(more.iter().map(|text| (*text).to_owned()));
        arguments
    };
    let processes = u64::from(settings.processes);
    let commands = (0..processes)
        .map(|n| {
            let requests = settings.requests / processes + u64::from(n < settings.requests % processes);
            load(format!("client-{n:02}"), n * u64::from(settings.clients), settings.clients, requests, &[])
        })
        .collect();
    let audit = load("audit".to_owned(), processes * u64::from(settings.clients), 50, 0, &["--audit"]);
    let say = |text: String| {
        if !settings.json {
            println!("{text}");
        }
    };
    let clients = processes * u64::from(settings.clients);
    say(format!("{clients} logical clients in {processes} processes, {} requests", settings.requests));
    let began = Instant::now();
    let mut last = None;
    let sum = wait(start(settings, commands)?, |answered| show_progress(settings, began, answered, &mut last))?;
    if std::io::stderr().is_terminal() {
        let _ = writeln!(std::io::stderr());
    }
    say(sum.text());
    // In the end every key is read, so that nothing that was lost or doubled stays unseen.
    let audited = wait(start(settings, vec![audit])?, |_| ())?;
    say(format!("audit       {} keys read", audited.answered));
    verdict(settings, &files, &sum, &audited)
}

fn verdict(settings: &Settings, files: &[PathBuf], sum: &Report, audited: &Report) -> Result<bool, String> {
    let mut histories = Histories::default();
    for file in files {
        histories.add_file(file)?;
    }
    let verdict = judge(&histories, !settings.others);
    let all = sum.answered == settings.requests && sum.is_whole() && audited.is_whole();
    let good = verdict.is_good(false) && all;
    let first = verdict.first(&histories, false);
    if settings.json {
        let mut json = sum.json();
        json["good"] = good.into();
        json["faults"] = Kind::ALL
            .iter()
            .map(|kind| (kind.name().to_owned(), serde_json::Value::from(verdict.count(*kind))))
            .collect();
        json["first"] = first.map(|fault| fault.text.clone()).into();
        println!("{json}");
        return Ok(good);
    }
    let counts: Vec<String> = Kind::ALL.iter().map(|kind| format!("{} {kind}", verdict.count(*kind))).collect();
    println!("histories   {} entries: {}", histories.requests.len(), counts.join(", "));
    if let Some(fault) = first {
        println!("the first {} one: {}\n  {}", fault.kind, histories.describe(fault.request), fault.text);
    }
    println!("verdict     {}", if good { "good: each request was answered and executed exactly once" } else { "BAD" });
    Ok(good)
}
