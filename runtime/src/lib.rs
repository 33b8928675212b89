//! The `replicode` program: one node put together from its parts, and the command line in front of it.
//!
//! | module | it is |
//! |---|---|
//! | `args` | what can be asked for |
//! | `check` | a module, judged before anything of it runs |
//! | `cell`, `import` | from the command line to a cluster configuration and a file image |
//! | `datadir`, `genesis`, `nodefile`, `digests` | a node's directory and its files |
//! | `making` | directories that are being made, and attempts that are taken back |
//! | `node` | a running node: the threads and what goes between them |
//! | `run`, `up`, `serve`, `cluster` | the commands that start something, and what `up` and `init` make |
//! | `starting` | what they are at until something runs |
//! | `admin`, `rows`, `show` | what a node tells, and how people see it |
//! | `files` | the cell's files on a running node |
//! | `orders` | what a node is told to do with its programs |
//! | `recording`, `replay`, `diff`, `export` | recorded runs, executed again |
//! | `functions` | the service of functions: its server, and the commands that ask it |
//! | [`contract`] | contracts: called, looked at, written |
//! | `sim` | histories of clients, judged |
//! | `sdk` | the SDK for programs, made from sources that are part of this program |
//! | `telemetry`, `hints` | the log for operators, and what to do about what the system refuses |
//!
//! All of it is glue; what a cell computes is decided on the floors below.

mod admin;
mod args;
mod cell;
mod check;
mod cluster;
pub mod contract;
mod datadir;
mod diff;
mod digests;
mod export;
mod files;
mod functions;
mod genesis;
mod hints;
mod import;
mod making;
mod node;
mod nodefile;
mod orders;
mod recording;
mod replay;
mod rows;
mod run;
mod sdk;
mod serve;
mod show;
mod sim;
mod spread;
mod starting;
mod telemetry;
mod up;

use args::{Cli, Command};
use clap::Parser;
use node::signals;
use replicode_replication::Fault;
use std::io::Write;
use std::process::ExitCode;

/// A mistake in the way the program was called, found only after the command line had been parsed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Usage(String);

/// Exit code of a node that has found what it acknowledged contradicted by the others.
const CONTRADICTED: u8 = 3;

/// Parses the command line and does what it asks for. Exit codes: 0 success, 1 failure, 2 wrong usage, 3 a contradicted
/// history; those of a guest for `run`.
#[must_use]
pub fn main() -> ExitCode {
    let Cli { command, json } = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(other) => return no_command(&other),
    };
    telemetry_of(&command);
    hints::make_errors_of_limits();
    let result = match command {
        Command::Run(args) => run::run(&args, json),
        Command::Up(args) => up::run(&args, json),
        Command::Init(args) => cluster::init(&args, json),
        Command::Node(args) => serve::run(&args, json),
        Command::Status(args) => show::status(&args, json),
        Command::Ps(args) => show::ps(&args, json),
        Command::Nat(args) => show::nat(&args, json),
        Command::Log(args) => show::log(&args, json),
        Command::Replay(args) => replay::run(&args, json),
        Command::Diff(args) => diff::run(&args, json),
        Command::Start(args) => orders::start(&args, json),
        Command::Kill(args) => orders::kill(&args, json),
        Command::Export(args) => export::run(&args, json),
        Command::Files(args) => files::run(&args, json),
        Command::Sdk(args) => sdk::run(&args.what, json),
        Command::Check(args) => check::run(&args, json),
        Command::Fn(args) => functions::run(&args.what, json),
        Command::Contract(args) => contract::run(&args, json),
        Command::Sim(args) => sim::run(&args, json),
    };
    result.map_or_else(|error| failed(&error), ExitCode::from)
}

/// What to do when the command line names no command: it asks for help, or makes no sense.
fn no_command(other: &clap::Error) -> ExitCode {
    let printed = other.print();
    if other.use_stderr() {
        // Whoever closed standard error wants no reasons.
        return ExitCode::from(2);
    }
    let printed = printed.and_then(|()| std::io::stdout().flush());
    show::finish(printed).map_or_else(|error| failed(&error), |()| ExitCode::SUCCESS)
}

/// Says why a command failed, and gives its exit code.
fn failed(error: &anyhow::Error) -> ExitCode {
    signals::unless_ending();
    if let Some(signals::Interrupted(signal)) = error.chain().find_map(|cause| cause.downcast_ref()) {
        telemetry::say(&format!("{error:#}"));
        return ExitCode::from(signals::exit_code(*signal));
    }
    // Whoever read the output has seen enough, and needs no word about it.
    if !error.is::<show::NobodyReads>() {
        telemetry::say(&hints::with_way_out(&format!("{error:#}")));
    }
    let usage = error.chain().any(|cause| cause.is::<Usage>());
    let contradicted = error.chain().any(|cause| cause.downcast_ref::<Fault>().is_some_and(|f| f.contradicted));
    ExitCode::from(if usage {
        2
    } else if contradicted {
        CONTRADICTED
    } else {
        1
    })
}

fn telemetry_of(command: &Command) {
    match command {
        // A node opens its own log file once its directory is known.
        Command::Node(_) => {}
        // A server says what it would otherwise do in silence: slow executions, say.
        Command::Fn(args) if matches!(args.what, args::FnCommand::Serve(_)) => {
            telemetry::to_stderr("warn,openraft=off")
        }
        // What breaks the consensus engine ends the command, which says so itself.
        _ => telemetry::to_stderr("error,openraft=off"),
    }
}
