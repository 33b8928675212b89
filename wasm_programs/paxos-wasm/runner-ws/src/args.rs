//! The command line.

use crate::load::plan::Process;
use clap::{Parser, Subcommand};
use std::path::PathBuf;

/// Runs a node of the Paxos cluster, or shows what it would run.
#[derive(Debug, Parser)]
#[command(name = "paxos-host", version, about, max_term_width = 120)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Runs a node: its coordinator, which starts the other processes, or one of them.
    Run(Run),
    /// Checks a configuration and all components that it needs; compiles them ahead.
    Check {
        /// Print the table of all keys of config.yaml instead.
        #[arg(long)]
        keys: bool,
        /// The configuration.
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Shows what would be loaded, linked to what, provided by whom, and every version.
    Components {
        /// The configuration.
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Makes a node's folder ready for a first start.
    Format {
        /// Which node.
        #[arg(long)]
        node: u16,
        /// Erase what is there, for a new cluster of all nodes: the others remember this node and refuse it without its state.
        #[arg(long)]
        erase: bool,
        /// The configuration.
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Lists the nodes, one a line, for scripts: id, folder, client address.
    Nodes {
        /// The configuration.
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Shows the processes of this machine: nodes, roles, leader, slots, requests per second.
    Status {
        /// Again each second, until interrupted.
        #[arg(long)]
        watch: bool,
        /// Everything that the processes say, as JSON.
        #[arg(long)]
        json: bool,
        /// The configuration.
        #[command(flatten)]
        config: ConfigFile,
    },
}

/// Which process to run.
#[derive(Debug, clap::Args)]
pub struct Run {
    /// Which node.
    #[arg(long)]
    pub node: u16,
    /// Which of its processes: coordinator, proposer, acceptor, learner, combined.
    #[arg(long, visible_alias = "role", default_value = "coordinator", value_parser = process)]
    pub process: Process,
    /// A coordinator reads standard output and holds standard input.
    #[arg(long, hide = true)]
    pub child: bool,
    /// Die, as by `kill -9`, at this place in the program: `NAME` or `NAME:3` for the third passing; for a coordinator
    /// `acceptor/NAME:3`.
    #[arg(long, value_name = "PLACE")]
    pub crash_at: Vec<String>,
    /// The configuration.
    #[command(flatten)]
    pub config: ConfigFile,
}

/// Which configuration: named as it comes, by `--config`, or by the environment.
#[derive(Debug, clap::Args)]
pub struct ConfigFile {
    /// The config.yaml; without it the one that the environment names in PAXOS_CONFIG.
    #[arg(value_name = "CONFIG")]
    file: Option<PathBuf>,
    /// The same.
    #[arg(long = "config", value_name = "CONFIG", conflicts_with = "file")]
    option: Option<PathBuf>,
}

impl ConfigFile {
    /// The file that is meant.
    ///
    /// # Errors
    /// When none is.
    pub fn path(self) -> Result<PathBuf, String> {
        self.file
            .or(self.option)
            .or_else(|| std::env::var_os("PAXOS_CONFIG").map(PathBuf::from))
            .ok_or_else(|| "which configuration? Give the path of a config.yaml, or set PAXOS_CONFIG".to_owned())
    }
}

fn process(text: &str) -> Result<Process, String> {
    Process::from_name(text)
        .ok_or_else(|| format!("there is no process `{text}`: coordinator, proposer, acceptor, learner or combined"))
}
