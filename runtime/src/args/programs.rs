//! What the command line says of programs before they run, and of the files that they make.

use super::LimitSetting;
use clap::Args;
use std::path::PathBuf;

/// Arguments of `check`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  replicode check app.wasm
  replicode check app.wasm --limit memory_bytes=64M --json

Nothing of the module is executed. Exit code 0 when 'run', 'up' and 'init' would take it, 1 when they would refuse it, with
their words. An import that is refused answers an error whenever it is called; the program may do without.")]
pub struct CheckArgs {
    /// The module.
    #[arg(value_name = "MODULE.wasm")]
    pub module: PathBuf,
    /// A limit of the cell that it would run in. May be repeated.
    #[arg(long, value_name = "NAME=VALUE")]
    pub limit: Vec<LimitSetting>,
}
