//! The command line: what can be asked for, in the words that `--help` prints.

pub mod contract;
mod contracts;
mod endings;
mod functions;
mod programs;
mod publish;
mod sim;
mod values;

pub use contracts::CellContracts;
pub use endings::{ExportArgs, OrderArgs, RestartSetting};
pub use functions::{
    ConfigArgs, FnArgs, FnBenchArgs, FnChainArgs, FnCommand, FnExecuteArgs, FnLanguage, FnLoadArgs, FnNewArgs,
    FnRunArgs, FnServeArgs, FnStateArgs, FnStateCommand, InputArgs, ServerArg, SyncSetting,
};
pub use programs::{CheckArgs, FilesArgs, FilesCommand, SdkArgs, SdkCommand};
pub use publish::{Publish, published_twice};
pub use sim::{HistoryModel, SimArgs, SimCheckArgs, SimCommand};
pub use values::{Also, DirImport, EnvVar, LimitSetting, PeerAddr};

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  replicode check hello.wasm                       what a program asks for, and whether it can run here
  replicode run hello.wasm -- one two              run a program once; exit with its code
  replicode run kv.wasm --publish 6379             a server on one node; its log is kept in ./replicode-data/kv
  replicode up kv.wasm --nodes 3 --publish 6379    three nodes on this machine, on ports 6379, 6380, 6381
  replicode init DIR kv.wasm --nodes A:7000,B:7000,C:7000 --publish 6379      three nodes on machines of their own
  replicode status --admin DIR/node-1 --json       what a running node says about itself
  replicode replay DIR/node-1 --trace              execute a recorded run again and print every system call

Exit codes: 0 success, 1 failure, 2 wrong usage; 'run' exits with the program's own code, 134 when it trapped.
Set REPLICODE_LOG (for example REPLICODE_LOG=info) to see what the runtime does, on standard error; nodes write theirs
to node.log in their directory, at level info without being asked.";

/// Runs ordinary server programs, compiled to WebAssembly, on several machines in lockstep.
///
/// Every input from outside is agreed on by the nodes before the program sees it, so all nodes compute the same bytes,
/// a client's answered request survives the death of any node, and a recorded run replays bit for bit.
#[derive(Debug, Parser)]
#[command(name = "replicode", version = crate::cell::version(), after_help = EXAMPLES, max_term_width = 110)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Print JSON, one value per line, instead of text for people.
    #[arg(long, global = true)]
    pub json: bool,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a program on one node, with its log on disk.
    Run(RunArgs),
    /// Start a cluster of several nodes on this machine.
    Up(UpArgs),
    /// Make the directories, keys and configuration of a cluster for separate machines.
    Init(InitArgs),
    /// Run one node of a cluster made by `init` or `up`.
    Node(NodeArgs),
    /// Show the role, term, indexes and digest of a running node.
    Status(AdminArgs),
    /// List the processes of a running node.
    Ps(AdminArgs),
    /// Show the NAT table of a running node: listeners and connections.
    Nat(AdminArgs),
    /// List the batches of a running node or of a stopped node's directory.
    Log(LogArgs),
    /// Execute a recorded run again and check the digest of every batch.
    Replay(ReplayArgs),
    /// Find the first batch and the first system call in which two recordings differ.
    Diff(DiffArgs),
    /// Start a program of a running cell that has ended.
    Start(OrderArgs),
    /// End a program of a running cell; it is not started again by itself.
    Kill(OrderArgs),
    /// Copy a cell's files out of a stopped node's recording.
    Export(ExportArgs),
    /// List, print or copy the cell's files on a running node.
    Files(FilesArgs),
    /// Say what a module asks for and whether it can run here, before anything of it does.
    Check(CheckArgs),
    /// Make the SDK, with which C, C++ and Rust programs are built for replicode.
    Sdk(SdkArgs),
    /// Load, execute and chain functions: wasm modules that run in microseconds.
    Fn(FnArgs),
    /// Write, store and call contracts, look at what they have stored, and prove it.
    Contract(Box<contract::ContractArgs>),
    /// Judge what clients of a server were answered.
    Sim(SimArgs),
}

/// What is to be run: shared by `run`, `up` and `init`.
#[derive(Debug, Clone, Default, Args)]
pub struct CellArgs {
    /// The program: a WebAssembly module for WASI preview 1. A cell with contracts needs none.
    #[arg(value_name = "MODULE.wasm", required_unless_present = "contracts")]
    pub module: Option<PathBuf>,
    /// Contracts.
    #[command(flatten)]
    pub contracts: CellContracts,
    /// Name of the program's process (a name, not a path); by default the module's file name without its ending.
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Make a port of the program reachable on the host. May be repeated.
    ///
    /// PORT: the same number on both sides. HOST:GUEST: port HOST of this machine leads to port GUEST of the program.
    /// HOST:NAME:GUEST: to a port of the process NAME (see --also). ADDR:HOST:GUEST or ADDR:HOST:NAME:GUEST: on that
    /// address only; IPv6 addresses stand in brackets. HOST may be 0 for any free port. Without ADDR the port is
    /// open on 127.0.0.1, and under `init` on all addresses.
    #[arg(long, short, value_name = "[ADDR:]HOST[:NAME]:GUEST")]
    pub publish: Vec<Publish>,
    /// One more process in the same cell, which reaches the others by their names. May be repeated.
    #[arg(long, value_name = "NAME=FILE.wasm[ ARG...]")]
    pub also: Vec<Also>,
    /// An environment variable of the program. May be repeated.
    #[arg(long, short, value_name = "KEY=VALUE")]
    pub env: Vec<EnvVar>,
    /// Import a directory (or file) of this machine into the cell's file system, once, at genesis. May be repeated.
    ///
    /// The content is hashed and becomes part of the recording; later changes on the host have no effect: a cell that
    /// is started again has what was imported when it was made. With `:ro` the program cannot change it. The data
    /// directory itself, and ./replicode-data, are left out. GUEST is a path from the root; without a leading slash
    /// the program also finds it preopened under that very name ("." is the root).
    #[arg(long, value_name = "HOST:GUEST[:ro]")]
    pub dir: Vec<DirImport>,
    /// Give the program a listener on PORT that is open when it starts, as descriptor 4 and up (LISTEN_FDS). May be
    /// repeated.
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub listen_fd: Vec<u16>,
    /// Change a limit of the cell, for example `memory_bytes=256M`. May be repeated.
    ///
    /// K, M and G may follow the number (powers of 1024). Limits are the same on all nodes and for the whole life of the
    /// cell. A name that does not exist lists those that do; docs/operations.md says what happens at each.
    #[arg(long, value_name = "NAME=VALUE")]
    pub limit: Vec<LimitSetting>,
    /// Whether processes that have ended are started again, with the cell's files as they are: never, on-failure (after
    /// a trap or an exit code other than 0) or always. May be repeated.
    ///
    /// With NAME= for that process only. `up` and `init` take on-failure, `run` never. The pause before a start is
    /// 0.1 s at first, doubles with each end after less than 10 s, up to 60 s. See also `replicode start` and `kill`.
    #[arg(long, value_name = "[NAME=]POLICY")]
    pub restart: Vec<RestartSetting>,
    /// Arguments for the program, which is always given its name as the first one.
    #[arg(last = true, value_name = "ARG")]
    pub args: Vec<String>,
}

/// Arguments of `run`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  replicode run hello.wasm -- arg1 arg2
  replicode run kv.wasm --publish 6379
  replicode run site.wasm --publish 8080:80 --dir ./www:/www:ro --env LANG=C
  replicode run web.wasm --publish 8080:80 --also 'kv=kv.wasm --port 6380'

Without --data, a run that publishes nothing leaves nothing behind; one that publishes keeps its log in
./replicode-data/NAME. Started again on the same data, the log is replayed: the program goes on where it was, or is
started anew (with its files as they were) when it had ended. The run ends when the program MODULE ends.")]
pub struct RunArgs {
    /// What to run.
    #[command(flatten)]
    pub cell: CellArgs,
    /// Directory of the log; made when it does not exist.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

/// Arguments of `up`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  replicode up kv.wasm --nodes 3 --publish 6379
  replicode up kv.wasm --nodes 5 --publish 6379 --data /var/lib/kv
  replicode up --contracts --nodes 3 --fund ann=1000000

Node i publishes on HOST+i-1 and keeps its files in DIR/node-i. When a node dies, the others go on; start it again
with 'replicode node --data DIR/node-i'. Ctrl-C stops all nodes that 'up' started; they also stop when 'up' itself
is killed. A node started by hand belongs to whoever started it.")]
pub struct UpArgs {
    /// What to run.
    #[command(flatten)]
    pub cell: CellArgs,
    /// How many nodes, 1 to 9.
    #[arg(long, short, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=9))]
    pub nodes: u8,
    /// Directory of all nodes; ./replicode-data/NAME-up by default. Used again if it holds the same configuration.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

/// Arguments of `init`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  replicode init ./cluster kv.wasm --nodes a.example:7000,b.example:7000,c.example:7000 --publish 6379
  scp -rp ./cluster/node-1 a.example:kv && ssh a.example replicode node --data kv
  (and so on; on each machine 'replicode node --config kv/node.toml' does the same)

Peers talk QUIC: the ports of --nodes are UDP ports. Each node's directory holds its private key; the key of the
cluster's authority is thrown away once it has signed them, since the members of a cluster are fixed.")]
pub struct InitArgs {
    /// Directory to make; it must be empty or not exist.
    // An id of its own: `--dir` has the field's name.
    #[arg(id = "directory", value_name = "DIR")]
    pub dir: PathBuf,
    /// What to run.
    #[command(flatten)]
    pub cell: CellArgs,
    /// Addresses at which the nodes reach each other (UDP), in the order of their numbers from 1.
    #[arg(long, value_name = "HOST:PORT,...", value_delimiter = ',', required = true)]
    pub nodes: Vec<PeerAddr>,
}

/// Arguments of `node`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  replicode node --data ./replicode-data/kv-up/node-2
  replicode node --config /etc/kv/node.toml")]
pub struct NodeArgs {
    /// The node's directory.
    #[arg(long, value_name = "DIR", required_unless_present = "config", conflicts_with = "config")]
    pub data: Option<PathBuf>,
    /// The node's configuration file; its directory is the file's, or what `data` in it says.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Stop as soon as standard input ends: how `up` takes its nodes along when it is killed.
    #[arg(long, hide = true)]
    pub until_stdin_closes: bool,
}

/// Arguments of `status`, `ps` and `nat`.
#[derive(Debug, Args)]
pub struct AdminArgs {
    /// Directory of the node (or its admin.sock).
    #[arg(value_name = "DIR", required_unless_present = "admin")]
    pub dir: Option<PathBuf>,
    /// The same as DIR.
    #[arg(long, value_name = "DIR", conflicts_with = "dir")]
    pub admin: Option<PathBuf>,
}

impl AdminArgs {
    /// The directory asked for.
    pub fn target(&self) -> PathBuf {
        self.admin.clone().or_else(|| self.dir.clone()).unwrap_or_default()
    }
}

/// Arguments of `log`.
#[derive(Debug, Args)]
pub struct LogArgs {
    /// Which node.
    #[command(flatten)]
    pub node: AdminArgs,
    /// First batch; by default the last ones are shown.
    #[arg(long, value_name = "INDEX")]
    pub from: Option<u64>,
    /// How many batches.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub limit: u64,
}

/// Arguments of `replay`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  replicode replay ./replicode-data/kv
  replicode replay ./replicode-data/kv-up/node-1 --trace --until 40")]
pub struct ReplayArgs {
    /// Directory of a stopped node or of a stopped `run`.
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// Print every system call of every process: time, process, call, result.
    #[arg(long)]
    pub trace: bool,
    /// Stop after this batch.
    #[arg(long, value_name = "INDEX")]
    pub until: Option<u64>,
}

/// Arguments of `diff`.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// Directory of a stopped node.
    pub a: PathBuf,
    /// Directory of another stopped node, or of another run.
    pub b: PathBuf,
    /// Stop looking after this batch.
    #[arg(long, value_name = "INDEX")]
    pub until: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn parse(line: &str) -> Result<Cli, String> {
        Cli::try_parse_from(line.split(' ')).map_err(|error| error.to_string())
    }

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn guest_arguments_follow_two_dashes() {
        let Ok(Cli { command: Command::Run(run), json: false }) =
            parse("replicode run a.wasm --env A=B=C -- -x --json")
        else {
            panic!("must parse")
        };
        assert_eq!(run.cell.args, ["-x", "--json"]);
        assert_eq!(run.cell.env[0], EnvVar("A".into(), "B=C".into()));
    }

    #[test]
    fn conventions_of_scripts_parse() {
        for line in [
            "replicode up kv.wasm --nodes 3 --publish 6379 --data d --json",
            "replicode status --admin d/node-1 --json",
            "replicode ps d/node-1",
            "replicode nat --admin d/node-1",
            "replicode log d/node-1 --from 3 --limit 9",
            "replicode init d kv.wasm --nodes a:1,b:2,[::1]:3 --publish 80",
            "replicode init d kv.wasm --nodes a:1,b:2 --dir ./www:/www:ro",
            "replicode node --config d/node.toml",
            "replicode node --data d",
            "replicode replay d --trace --until 9 --json",
            "replicode diff a b",
            "replicode run a.wasm --restart always --restart kv=never",
            "replicode up --contracts --nodes 3 --fund ann=1000000",
            "replicode up kv.wasm --contracts --publish 6379 --keys-only",
            "replicode start d kv --json",
            "replicode kill d kv",
            "replicode export d out --until 7",
            "replicode sdk install d",
            "replicode files d ls",
            "replicode files d ls /var --json",
            "replicode files d cat /a /b",
            "replicode files d cp /a out",
            "replicode check a.wasm --limit memory_bytes=64M --json",
            "replicode fn serve --socket s --data d --threads 2 --sync always",
            "replicode fn load a.wasm --name a --replace --timeout 500ms --memory 16M --fuel 10M",
            "replicode fn execute a --input-file - --json",
            "replicode fn chain a b c --input x --show-stages",
            "replicode fn unload a --now",
            "replicode fn state a get KEY",
            "replicode fn bench a --clients 10 --pipeline 16 --seconds 5 --binary",
            "replicode fn new shout --lang c",
        ] {
            assert_eq!(parse(line).map(|_| ()), Ok(()), "{line}");
        }
        for line in [
            "replicode status",
            "replicode node",
            "replicode node --data d --config c",
            "replicode up kv.wasm --nodes 0",
            "replicode run a.wasm --publish x",
            "replicode up",
            "replicode up a.wasm --fund ann=1",
            "replicode up --contracts --fund ann",
            "replicode run a.wasm --listen-fd 0",
            "replicode run a.wasm --restart sometimes",
            "replicode kill d",
            "replicode export d",
            "replicode check",
            "replicode sdk install",
            "replicode files d",
            "replicode files d cat",
            "replicode files d cp /a",
            "replicode init d kv.wasm",
            "replicode fn",
            "replicode fn execute",
            "replicode fn chain --input x",
            "replicode fn execute a --input x --input-file y",
            "replicode fn serve --sync sometimes",
            "replicode fn new shout --lang cobol",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
