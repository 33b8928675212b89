//! `replicode fn`: the server of functions, and the commands that ask it.
//!
//! | module | it is |
//! |---|---|
//! | `serve` | the server, in front |
//! | `ask` | commands that ask a server |
//! | [`beside`] | the server beside a node of a cell |
//! | `bench` | how many executions a second |
//! | `alone` | a module executed once, without a server |
//! | `begin` | a directory to begin a function in |

mod alone;
mod ask;
mod begin;
mod bench;
pub mod beside;
mod serve;

use crate::args::{ConfigArgs, FnCommand, InputArgs};
use anyhow::{Context, Result};
use replicode_functions_client::Config;
use std::io::{Read, Write};
use std::path::Path;

/// Runs the command.
///
/// # Errors
/// What went wrong, with the way out.
pub fn run(what: &FnCommand, json: bool) -> Result<u8> {
    match what {
        FnCommand::Serve(args) => serve::run(args, json),
        FnCommand::Load(args) => ask::load(args, json),
        FnCommand::Execute(args) => ask::execute(args, json),
        FnCommand::Chain(args) => ask::chain(args, json),
        FnCommand::List(args) => ask::list(&args.at, json),
        FnCommand::Unload(args) => ask::unload(&args.of.at, &args.of.function, args.now, json),
        FnCommand::Info(args) => ask::info(&args.at, &args.function, json),
        FnCommand::Logs(args) => ask::logs(&args.of.at, &args.of.function, args.follow, json),
        FnCommand::State(args) => ask::state(args, json),
        FnCommand::Stats(args) => ask::stats(&args.at, json),
        FnCommand::Ping(args) => ask::ping(&args.at, json),
        FnCommand::Bench(args) => bench::run(args, json),
        FnCommand::Run(args) => alone::run(args, json),
        FnCommand::Stop(args) => ask::stop(&args.at, json),
        FnCommand::New(args) => begin::run(args, json),
    }
}

/// A file, or standard input for '-'.
fn read(path: &Path) -> Result<Vec<u8>> {
    if path == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin().lock().read_to_end(&mut bytes).context("cannot read standard input")?;
        return Ok(bytes);
    }
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

fn input(io: &InputArgs) -> Result<Vec<u8>> {
    match (&io.input, &io.input_file) {
        (Some(text), _) => Ok(text.as_bytes().to_vec()),
        (None, Some(path)) => read(path),
        (None, None) => Ok(Vec::new()),
    }
}

/// Gives output to whom it is for.
fn put(io: &InputArgs, output: &[u8]) -> Result<()> {
    if let Some(path) = &io.output_file {
        return std::fs::write(path, output).with_context(|| format!("cannot write {}", path.display()));
    }
    let mut out = std::io::stdout().lock();
    let ended = !std::io::IsTerminal::is_terminal(&out) || output.ends_with(b"\n");
    let printed = out.write_all(output).and_then(|()| if ended { Ok(()) } else { out.write_all(b"\n") });
    crate::show::finish(printed.and_then(|()| out.flush()))
}

fn config(args: &ConfigArgs) -> Config {
    Config {
        timeout_ms: args.timeout.map(|time| time.0),
        memory_limit_mb: args.memory.map(|size| size.0),
        fuel: args.fuel.map(|units| units.0),
        output_limit_mb: args.output_limit.map(|size| size.0),
    }
}

/// What others have written, for a terminal: control characters as escapes.
fn plain(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            if c.is_control() && c != '\n' { c.escape_default().to_string() } else { c.to_string() }
                .chars()
                .collect::<Vec<_>>()
        })
        .collect()
}
