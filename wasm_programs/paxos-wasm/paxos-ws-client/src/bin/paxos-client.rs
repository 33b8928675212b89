//! `paxos-client`: asks the cluster, by hand or as a load.

#![forbid(unsafe_code)]

use clap::{Args, Parser, Subcommand};
use paxos_types::Op;
use paxos_ws_client::demo::{self, Line};
use paxos_ws_client::hand::{Answer, End, Session};
use paxos_ws_client::load::{self, Load};
use paxos_ws_client::nodes::Nodes;
use paxos_ws_client::report::Report;
use paxos_ws_client::workload::{Mix, Workload};
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Asks a Paxos cluster: by hand, or as a load of many logical clients.
///
/// Exit codes: 0 done; 1 no such key, or cas found another value, or a load or demo with a fault; 2 usage, or nothing could be asked; 3 no
/// answer in time: it may or may not have been executed; 4 refused: not executed.
#[derive(Parser)]
#[command(name = "paxos-client", version)]
struct Cli {
    #[command(flatten)]
    cluster: Cluster,
    #[command(subcommand)]
    command: Command,
}

#[derive(Args)]
struct Cluster {
    /// The cluster's configuration, for its name and the nodes' addresses for clients.
    #[arg(long, global = true, env = "PAXOS_CONFIG", default_value = "runner-ws/config.yaml")]
    config: PathBuf,
    /// Talk to this node only, whoever leads.
    #[arg(long, global = true)]
    node: Option<u16>,
    /// A request without an answer is given up after so many seconds.
    #[arg(long, global = true, default_value_t = 30.0)]
    deadline: f64,
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Write a value.
    Put {
        /// The key.
        key: String,
        /// The value.
        value: String,
    },
    /// Read a value: it goes to standard output, with a line end where that is a terminal or --json is not given.
    Get {
        /// The key.
        key: String,
    },
    /// Remove a key.
    Delete {
        /// The key.
        key: String,
    },
    /// Write a value if the present one is the expected one.
    Cas {
        /// The key.
        key: String,
        /// The expected value; with --absent it is left out: there must be no such key.
        #[arg(required_unless_present = "absent")]
        expected: Option<String>,
        /// The value to write.
        #[arg(required_unless_present = "absent")]
        value: Option<String>,
        /// Write this value if there is no such key.
        #[arg(long, conflicts_with_all = ["expected", "value"])]
        absent: Option<String>,
    },
    /// A load of many logical clients on one connection, each with one request at a time.
    Bench(Bench),
    /// Several processes of load, summed up and judged.
    Demo {
        /// How many processes.
        #[arg(long, default_value_t = 10)]
        processes: u32,
        /// A folder for the histories; without it they are thrown away after they have been judged.
        #[arg(long)]
        histories: Option<PathBuf>,
        #[command(flatten)]
        load: Asked,
        /// Logical clients of each process.
        #[arg(long, default_value_t = 50)]
        clients: u32,
        /// Requests of all of them together.
        #[arg(long, default_value_t = 1_000_000)]
        requests: u64,
        /// Other clients ask meanwhile: a place in the order that none of these clients was told is no fault then.
        #[arg(long)]
        others: bool,
        /// Seconds between two lines of progress, where standard error is no terminal.
        #[arg(long, default_value_t = 5.0)]
        progress: f64,
    },
    /// Add up reports that `bench --report` wrote.
    Sum {
        /// The reports.
        #[arg(required = true)]
        reports: Vec<PathBuf>,
    },
}

/// What a load asks.
#[derive(Args)]
struct Asked {
    /// Parts of put, get, delete and cas.
    #[arg(long, default_value = "put=50,get=40,cas=10")]
    mix: Mix,
    /// How many keys.
    #[arg(long, default_value_t = 10_000)]
    keys: u32,
    /// Bytes of a value.
    #[arg(long, default_value_t = 32)]
    value_bytes: usize,
    /// Decides which client asks what.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Stands in every value; two runs on one cluster need two names. Without it: the time and the process.
    #[arg(long)]
    run: Option<String>,
    /// A node that owes an answer and is silent for so many seconds is left for another one.
    #[arg(long, default_value_t = 1.0)]
    patience: f64,
}

#[derive(Args)]
struct Bench {
    #[command(flatten)]
    asked: Asked,
    /// Logical clients.
    #[arg(long, default_value_t = 50)]
    clients: u32,
    /// Requests of all of them together.
    #[arg(long, default_value_t = 100_000)]
    requests: u64,
    /// Begin no new request after so many seconds.
    #[arg(long)]
    seconds: Option<f64>,
    /// The number of the first logical client: each process of one run needs other numbers.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Write what was asked and answered to this file, one JSON object a line, for paxos-check.
    #[arg(long)]
    history: Option<PathBuf>,
    /// Write the measurements to this file, for `sum`.
    #[arg(long)]
    report: Option<PathBuf>,
    /// Read every key once, instead of a mix.
    #[arg(long)]
    audit: bool,
    /// Tell progress and report as lines of JSON on standard output (for `demo`).
    #[arg(long, hide = true)]
    lines: bool,
}

fn seconds(text: &str, seconds: f64) -> Result<Duration, String> {
    Duration::try_from_secs_f64(seconds).map_err(|_| format!("--{text} {seconds}: a number of seconds, not below 0"))
}

impl Cluster {
    fn nodes(&self) -> Result<Nodes, String> {
        let nodes = Nodes::of_config(&self.config)?;
        self.node.map_or(Ok(nodes.clone()), |node| nodes.only(node))
    }
}

/// A name that no other run on this machine has.
fn run_name() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    format!("{:x}.{:x}", now.as_secs(), std::process::id()).replace('.', "_")
}

fn tell(answer: &Answer, json: bool) -> Result<(), String> {
    let mut out = std::io::stdout();
    let result = if json {
        writeln!(out, "{}", answer.json())
    } else {
        match &answer.end {
            End::Done => writeln!(out, "ok, version {}", answer.index),
            End::Value(value) => out.write_all(value).and_then(|()| out.write_all(b"\n")),
            End::Absent => {
                eprintln!("paxos-client: no such key");
                Ok(())
            }
            End::Differs(Some(value)) => {
                eprintln!("paxos-client: not written: the value is {}", String::from_utf8_lossy(value));
                Ok(())
            }
            End::Differs(None) => {
                eprintln!("paxos-client: not written: no such key");
                Ok(())
            }
            End::Refused(why) => {
                eprintln!("paxos-client: refused, and not executed: {why}");
                Ok(())
            }
            End::Unknown(why) => {
                eprintln!("paxos-client: {why}; it may or may not have been executed");
                Ok(())
            }
        }
    };
    result.and_then(|()| out.flush()).map_err(|e| format!("the answer could not be printed: {e}"))
}

fn by_hand(cluster: &Cluster, op: Op<'_>) -> Result<u8, String> {
    let mut session = Session::new(cluster.nodes()?, seconds("deadline", cluster.deadline)?)?;
    let answer = session.ask(op);
    tell(&answer, cluster.json)?;
    Ok(answer.end.code())
}

fn bench(cluster: &Cluster, bench: Bench) -> Result<u8, String> {
    let Bench { asked, clients, requests, seconds: limit, first, history, report, audit, lines } = bench;
    let run = asked.run.unwrap_or_else(run_name);
    if run.contains('.') {
        return Err(format!("--run {run}: a name without dots, which end a value's name"));
    }
    let workload = Workload { mix: asked.mix, keys: asked.keys, value_bytes: asked.value_bytes, run };
    let settings = load::Settings {
        nodes: cluster.nodes()?,
        clients,
        requests,
        workload,
        seed: asked.seed,
        first,
        audit,
        deadline: seconds("deadline", cluster.deadline)?,
        patience: seconds("patience", asked.patience)?,
        time: limit.map(|limit| seconds("seconds", limit)).transpose()?,
        history,
    };
    let mut told = Instant::now();
    let mut before = 0;
    let terminal = std::io::stderr().is_terminal();
    let measured = Load::new(settings)?.run(|sofar| {
        if told.elapsed() < Duration::from_millis(if lines { 200 } else { 1000 }) {
            return;
        }
        let rate = (sofar.answered - before) as f64 / told.elapsed().as_secs_f64();
        (told, before) = (Instant::now(), sofar.answered);
        // Nobody has to read progress.
        let _ = if lines {
            serde_json::to_string(&Line::Answered(sofar.answered))
                .map_or(Ok(()), |line| writeln!(std::io::stdout(), "{line}"))
        } else if terminal {
            write!(std::io::stderr(), "\r{} answered, {rate:.0} req/s   ", sofar.answered)
        } else {
            Ok(())
        };
    })?;
    if terminal && !lines {
        let _ = writeln!(std::io::stderr());
    }
    if let Some(file) = report {
        let text = serde_json::to_string(&measured).map_err(|e| e.to_string())?;
        std::fs::write(&file, text).map_err(|e| format!("cannot write the report {}: {e}", file.display()))?;
    }
    let whole = measured.is_whole();
    let text = if lines {
        serde_json::to_string(&Line::Report(Box::new(measured))).map_err(|e| e.to_string())?
    } else if cluster.json {
        measured.json().to_string()
    } else {
        measured.text()
    };
    writeln!(std::io::stdout(), "{text}").map_err(|e| format!("the report could not be printed: {e}"))?;
    Ok(u8::from(!whole))
}

fn demo(
    cluster: &Cluster,
    processes: u32,
    folder: Option<PathBuf>,
    asked: Asked,
    (clients, requests, others): (u32, u64, bool),
    progress: Duration,
) -> Result<u8, String> {
    let own = folder.is_none();
    let folder = folder.unwrap_or_else(|| std::env::temp_dir().join(format!("paxos-demo-{}", std::process::id())));
    let mix = asked.mix.to_string();
    let run = asked.run.unwrap_or_else(run_name);
    let config = cluster.config.display().to_string();
    let pairs = [
        ("--config", config),
        ("--deadline", cluster.deadline.to_string()),
        ("--mix", mix),
        ("--keys", asked.keys.to_string()),
        ("--value-bytes", asked.value_bytes.to_string()),
        ("--seed", asked.seed.to_string()),
        ("--run", run),
        ("--patience", asked.patience.to_string()),
    ];
    let arguments = pairs.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect();
    let program = std::env::current_exe().map_err(|e| format!("cannot find this program: {e}"))?;
    let json = cluster.json;
    let settings = demo::Settings {
        program,
        arguments,
        processes,
        clients,
        requests,
        folder: folder.clone(),
        others,
        json,
        progress,
    };
    let result = demo::run(&settings);
    if own && matches!(result, Ok(true)) {
        // Bad ones are kept, to be looked at.
        let _ = std::fs::remove_dir_all(&folder);
    } else if !matches!(result, Ok(true)) {
        eprintln!("paxos-client: the histories are in {}", folder.display());
    }
    result.map(|good| u8::from(!good))
}

fn sum(cluster: &Cluster, files: &[PathBuf]) -> Result<u8, String> {
    let mut sum = Report::default();
    for file in files {
        let text =
            std::fs::read_to_string(file).map_err(|e| format!("cannot read the report {}: {e}", file.display()))?;
        let report = serde_json::from_str(&text)
            .map_err(|e| format!("{} is no report of bench --report: {e}", file.display()))?;
        sum.merge(&report);
    }
    println!("{}", if cluster.json { sum.json().to_string() } else { sum.text() });
    Ok(u8::from(!sum.is_whole()))
}

fn main() -> ExitCode {
    let Cli { cluster, command } = Cli::parse();
    let result = match command {
        Command::Put { key, value } => by_hand(&cluster, Op::Put { key: key.as_bytes(), value: value.as_bytes() }),
        Command::Get { key } => by_hand(&cluster, Op::Get { key: key.as_bytes() }),
        Command::Delete { key } => by_hand(&cluster, Op::Delete { key: key.as_bytes() }),
        Command::Cas { key, expected, value, absent } => {
            let value = value.or(absent).unwrap_or_default();
            by_hand(
                &cluster,
                Op::Cas {
                    key: key.as_bytes(),
                    expected: expected.as_deref().map(str::as_bytes),
                    value: value.as_bytes(),
                },
            )
        }
        Command::Bench(args) => bench(&cluster, args),
        Command::Demo { processes, histories, load, clients, requests, others, progress } => {
            seconds("progress", progress)
                .and_then(|progress| demo(&cluster, processes, histories, load, (clients, requests, others), progress))
        }
        Command::Sum { reports } => sum(&cluster, &reports),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(e) => {
            eprintln!("paxos-client: {e}");
            ExitCode::from(2)
        }
    }
}
