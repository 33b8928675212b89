//! What the command line says of programs before they run, and of the files that they make.

use super::LimitSetting;
use clap::{Args, Subcommand};
use std::ffi::OsString;
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

/// Arguments of `files`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  replicode files ./replicode-data/kv-up/node-1 ls /var/log
  replicode files ./replicode-data/kv-up/node-1 cat /var/log/error.log
  replicode files ./replicode-data/kv-up/node-1 cp /data ./data

Any node can be asked: all have the same files. Each file is read as it stands between two batches; a directory with all that
is in it is not of one moment, for which there is 'replicode export' of a stopped node.")]
pub struct FilesArgs {
    /// Directory of a running node (or its admin.sock).
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// What to do.
    #[command(subcommand)]
    pub what: FilesCommand,
}

/// What can be done with the cell's files.
#[derive(Debug, Subcommand)]
pub enum FilesCommand {
    /// List a directory of the cell, or show one file.
    Ls {
        /// Its path in the cell.
        #[arg(value_name = "PATH", default_value = "/")]
        path: OsString,
    },
    /// Print files of the cell.
    Cat {
        /// Their paths in the cell.
        #[arg(value_name = "PATH", required = true)]
        paths: Vec<OsString>,
    },
    /// Copy a file, or a directory with all that is in it, out of the cell.
    Cp {
        /// Its path in the cell.
        #[arg(value_name = "PATH")]
        path: OsString,
        /// Where to: a name, or a directory of this machine. A file that is there is replaced, a directory is not.
        #[arg(value_name = "OUT")]
        out: PathBuf,
    },
}

/// Arguments of `sdk`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  replicode sdk install ~/replicode-sdk && export PATH=~/replicode-sdk/bin:$PATH
  replicode-cc hello.c -o hello.wasm && replicode run hello.wasm

Needs bash, and python3 with pip or venv: the compiler is a package of 100 MB, which is fetched and checked. No root.")]
pub struct SdkArgs {
    /// What to do.
    #[command(subcommand)]
    pub what: SdkCommand,
}

/// What can be done with the SDK.
#[derive(Debug, Subcommand)]
pub enum SdkCommand {
    /// Make the SDK in a directory: replicode-cc and its siblings, headers and libraries. An SDK that is there is renewed.
    Install {
        /// The directory.
        #[arg(value_name = "DIR")]
        dir: PathBuf,
    },
    /// Write the SDK's sources to a new directory; build.sh --sdk there makes the SDK.
    Source {
        /// The directory.
        #[arg(value_name = "DIR")]
        dir: PathBuf,
    },
}
