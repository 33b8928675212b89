//! `paxos-host`: runs the Paxos components of one node.
//!
//! | file | idea |
//! |---|---|
//! | `args`, `main` | the command line |
//! | `load/` | files, whether they are fit, the engine |
//! | `link` | one component's import to another one's export |
//! | `process` | one process from its configuration to its end |
//! | `control/` | `host-control`: children, figures, stopping |
//! | `net/`, `serializer`, `storage` | what the host provides in the place of components |
//! | `tcp` | sockets for components that bring their network |
//! | `bell`, `convert`, `words`, `log` | small tools |

#![forbid(unsafe_code)]

mod args;
mod bell;
mod bindings;
mod control;
mod convert;
mod link;
mod load;
mod log;
mod net;
mod process;
mod serializer;
mod show;
mod state;
mod storage;
mod table;
mod tcp;
#[path = "../../shared/bindings/src/convert.rs"]
#[allow(dead_code, missing_docs)]
mod words;

/// The WIT package's words, where `words` looks for them.
mod wit {
    pub use crate::bindings::{messages, types};
}

use args::{Args, Command, ConfigFile};
use clap::Parser as _;
use paxos_config::{Config, Level};
use std::process::ExitCode;

fn main() -> ExitCode {
    let Args { command } = Args::parse();
    let outcome = match command {
        Command::Run(run) => return run_process(run),
        Command::Check { keys: true, .. } => show::keys(),
        Command::Check { config, .. } => with(config, show::check),
        Command::Components { config } => with(config, show::components),
        Command::Format { node, erase, config } => with(config, |config| show::format(config, node, erase)),
        Command::Nodes { config } => with(config, show::nodes),
        Command::Status { watch, json, config } => with(config, |config| table::status(config, watch, json)),
    };
    match outcome {
        Ok(code) => code,
        Err(text) => {
            eprintln!("paxos-host: {text}");
            ExitCode::from(2)
        }
    }
}

fn read(file: ConfigFile) -> Result<Config, String> {
    Config::load(&file.path()?).map_err(|error| format!("the configuration is refused\n{error}"))
}

/// Runs a command over the configuration.
fn with(file: ConfigFile, command: impl FnOnce(&Config) -> Result<ExitCode, String>) -> Result<ExitCode, String> {
    command(&read(file)?)
}

fn run_process(run: args::Run) -> ExitCode {
    let child = run.child;
    let config = match read(run.config) {
        Ok(config) => config,
        Err(text) => {
            eprintln!("paxos-host: {text}");
            return process::ProcessError::Usage(text).conclude(child);
        }
    };
    let options = process::Options { node: run.node, process: run.process, child, crash: run.crash_at };
    match process::run(&config, &options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let log = log::Log::new(format!("node {} {}", options.node, options.process), Level::Error);
            log.write(Level::Error, &format!("stops: {error}"));
            error.conclude(child)
        }
    }
}
