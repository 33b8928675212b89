//! What the command line says of functions.

use super::{DirImport, EnvVar};
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::str::FromStr;

/// Where the socket is.
#[derive(Debug, Clone, Args)]
pub struct SocketArg {
    /// Path of the server's socket; REPLICODE_FN_SOCKET, or /tmp/wasm-core.sock, without.
    #[arg(long, value_name = "PATH", global = true)]
    pub socket: Option<PathBuf>,
}

impl SocketArg {
    /// The path that holds.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        let said = || std::env::var_os(replicode_functions_client::SOCKET_VARIABLE).filter(|path| !path.is_empty());
        self.socket
            .clone()
            .or_else(|| said().map(PathBuf::from))
            .unwrap_or_else(|| replicode_functions_client::DEFAULT_SOCKET.into())
    }
}

/// The server that is asked, and as whom.
#[derive(Debug, Clone, Args)]
pub struct ServerArg {
    /// Where.
    #[command(flatten)]
    pub socket: SocketArg,
    /// A file with the token of the tenant to be; without, and without REPLICODE_FN_TOKEN, you are the user that you are.
    #[arg(long, value_name = "FILE", global = true)]
    pub token_file: Option<PathBuf>,
    /// The tenant whose functions are meant; for the server's own user.
    #[arg(long = "as", value_name = "TENANT", global = true, conflicts_with = "token_file")]
    pub tenant: Option<String>,
}

impl ServerArg {
    /// The path that holds.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.socket.path()
    }
}

/// Arguments of `fn`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  replicode fn serve --data ./functions              in front; Ctrl-C ends it
  replicode fn load transform.wasm --name transform  prints the UUID
  replicode fn execute transform --input hello
  replicode fn chain transform uppercase hash --input hello --show-stages
  replicode fn list

Functions export 'process'; docs/functions/PLUGIN_DEVELOPMENT.md says how to write one.")]
pub struct FnArgs {
    /// What to do.
    #[command(subcommand)]
    pub what: FnCommand,
}

/// What can be done with functions.
#[derive(Debug, Subcommand)]
pub enum FnCommand {
    /// Run a server of functions, in front.
    Serve(FnServeArgs),
    /// Load a module; prints the function's UUID.
    Load(FnLoadArgs),
    /// Execute a function, and print its output.
    Execute(FnExecuteArgs),
    /// Execute functions one behind the other, each with the output of the one before.
    Chain(FnChainArgs),
    /// List all functions.
    List(FnServerArgs),
    /// Unload a function: what runs of it ends by itself, nothing new begins.
    Unload(FnUnloadArgs),
    /// Say what there is to say about a function.
    Info(FnNameArgs),
    /// Print what a function has logged, the newest thousand lines.
    Logs(FnLogsArgs),
    /// Look at a function's state, or change it.
    State(FnStateArgs),
    /// Print a server's counters.
    Stats(FnServerArgs),
    /// Ask a server whether it is there, and measure how long that takes.
    Ping(FnServerArgs),
    /// Measure how many executions a second a server makes.
    Bench(FnBenchArgs),
    /// Execute a module once, without a server.
    Run(FnRunArgs),
    /// End a server: what runs is finished, the rest refused.
    Stop(FnServerArgs),
    /// Make a directory with a function to begin with.
    New(FnNewArgs),
}

/// Arguments of `fn serve`.
#[derive(Debug, Args)]
pub struct FnServeArgs {
    /// Where.
    #[command(flatten)]
    pub at: SocketArg,
    /// Directory of functions and state; made when it does not exist.
    #[arg(long, value_name = "DIR", default_value = "./replicode-data/fn")]
    pub data: PathBuf,
    /// Serve beside the node of this directory, of a cell made with --contracts: loads and executions go through its log.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["data", "sync", "tenants"])]
    pub node: Option<PathBuf>,
    /// Threads that serve the socket; as many as there are processors.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: Option<u16>,
    /// Bounds of the server and of executions, in TOML.
    #[arg(long, value_name = "FILE")]
    pub limits: Option<PathBuf>,
    /// When state is on the disk: always (before the answer), never (when the system likes), or an interval like 100ms.
    #[arg(long, value_name = "WHEN", default_value = "100ms")]
    pub sync: SyncSetting,
    /// A group whose members may connect, too.
    #[arg(long, value_name = "NAME")]
    pub group: Option<String>,
    /// The one directory from which modules are read for clients that give a path; 'off' for none.
    #[arg(long, value_name = "DIR")]
    pub modules: Option<PathBuf>,
    /// Answer Prometheus at this address, for example 127.0.0.1:9464.
    #[arg(long, value_name = "ADDR")]
    pub metrics: Option<std::net::SocketAddr>,
    /// Who else uses the server, by which users or tokens it is known, and how much it may have, in TOML.
    #[arg(long, value_name = "FILE")]
    pub tenants: Option<PathBuf>,
    /// Executions that take longer are written to the log.
    #[arg(long, value_name = "TIME", default_value = "1s")]
    pub slow: Millis,
}

/// Arguments of commands that ask a server only.
#[derive(Debug, Args)]
pub struct FnServerArgs {
    /// Where.
    #[command(flatten)]
    pub at: ServerArg,
}

/// Arguments of `fn load`.
#[derive(Debug, Args)]
pub struct FnLoadArgs {
    /// Where.
    #[command(flatten)]
    pub at: ServerArg,
    /// The module. Its bytes are sent; '-' reads standard input.
    #[arg(value_name = "MODULE.wasm")]
    pub module: PathBuf,
    /// What the function is to be called; the file's name without its ending otherwise.
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Take the name from another function, if there is one.
    #[arg(long)]
    pub replace: bool,
    /// It is a program of WASI preview 1: its input is standard input, its output standard output.
    #[arg(long)]
    pub wasi: bool,
    /// A directory or file that the program finds, read now: HOST:GUEST, or HOST:GUEST:rw when it may change its copy, which is gone when
    /// it ends.
    #[arg(long, value_name = "HOST:GUEST[:rw]", requires = "wasi")]
    pub dir: Vec<FnDir>,
    /// A variable of the program's environment.
    #[arg(long, value_name = "NAME=VALUE", requires = "wasi")]
    pub env: Vec<EnvVar>,
    /// An argument of the program; its name, which comes first, is the function's.
    #[arg(long, value_name = "TEXT", requires = "wasi", allow_hyphen_values = true)]
    pub arg: Vec<String>,
    /// Share state with all functions that are loaded with this namespace.
    #[arg(long, value_name = "NAMESPACE")]
    pub state: Option<String>,
    /// What its executions may use, unless they say something else.
    #[command(flatten)]
    pub config: ConfigArgs,
}

/// What an execution may use.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct ConfigArgs {
    /// How long it may take (5s otherwise), for example 500ms.
    #[arg(long, value_name = "TIME")]
    pub timeout: Option<Millis>,
    /// How much memory it may have (64M otherwise), in whole megabytes.
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<Megabytes>,
    /// How much fuel it may burn (any amount otherwise), for example 10M.
    #[arg(long, value_name = "UNITS")]
    pub fuel: Option<Units>,
    /// How much it may write (16M otherwise), in whole megabytes.
    #[arg(long, value_name = "SIZE")]
    pub output_limit: Option<Megabytes>,
}

/// The input of an execution, and where its output goes.
#[derive(Debug, Args)]
pub struct InputArgs {
    /// The input, as text.
    #[arg(long, value_name = "TEXT", conflicts_with = "input_file")]
    pub input: Option<String>,
    /// A file with the input; '-' reads standard input.
    #[arg(long, value_name = "FILE")]
    pub input_file: Option<PathBuf>,
    /// Where the output goes instead of standard output.
    #[arg(long, value_name = "FILE")]
    pub output_file: Option<PathBuf>,
    /// Print what the function logs, on standard error.
    #[arg(long)]
    pub logs: bool,
    /// What the execution may use.
    #[command(flatten)]
    pub config: ConfigArgs,
}

/// Arguments of `fn execute`.
#[derive(Debug, Args)]
pub struct FnExecuteArgs {
    /// Where.
    #[command(flatten)]
    pub at: ServerArg,
    /// The function, by name or UUID.
    #[arg(value_name = "FUNCTION")]
    pub function: String,
    /// Input and output.
    #[command(flatten)]
    pub io: InputArgs,
    /// Refuse it to change state.
    #[arg(long)]
    pub read_only: bool,
    /// The exported function that is called instead of 'process'.
    #[arg(long, value_name = "EXPORT")]
    pub entry: Option<String>,
}

/// Arguments of `fn chain`.
#[derive(Debug, Args)]
pub struct FnChainArgs {
    /// Where.
    #[command(flatten)]
    pub at: ServerArg,
    /// The functions, by name or UUID, in their order; up to 64.
    #[arg(value_name = "FUNCTION", required = true)]
    pub functions: Vec<String>,
    /// Input and output.
    #[command(flatten)]
    pub io: InputArgs,
    /// Print what each stage has done, on standard error.
    #[arg(long)]
    pub show_stages: bool,
}

/// Arguments of `fn unload`.
#[derive(Debug, Args)]
pub struct FnUnloadArgs {
    /// Which.
    #[command(flatten)]
    pub of: FnNameArgs,
    /// End what runs of it at once.
    #[arg(long)]
    pub now: bool,
}

/// Arguments of `fn info`.
#[derive(Debug, Args)]
pub struct FnNameArgs {
    /// Where.
    #[command(flatten)]
    pub at: ServerArg,
    /// The function, by name or UUID.
    #[arg(value_name = "FUNCTION")]
    pub function: String,
}

/// Arguments of `fn logs`.
#[derive(Debug, Args)]
pub struct FnLogsArgs {
    /// Which.
    #[command(flatten)]
    pub of: FnNameArgs,
    /// Go on with new lines as they come.
    #[arg(long)]
    pub follow: bool,
}

/// Arguments of `fn state`.
#[derive(Debug, Args)]
pub struct FnStateArgs {
    /// Which.
    #[command(flatten)]
    pub of: FnNameArgs,
    /// What to do.
    #[command(subcommand)]
    pub what: FnStateCommand,
}

/// What can be done with state.
#[derive(Debug, Subcommand)]
pub enum FnStateCommand {
    /// Print a value; exit code 1 if there is none.
    Get {
        /// Its key.
        key: String,
    },
    /// Set a value.
    Set {
        /// Its key.
        key: String,
        /// The value.
        value: String,
    },
    /// Delete a value.
    Delete {
        /// Its key.
        key: String,
    },
    /// List keys.
    List {
        /// What they begin with.
        #[arg(default_value = "")]
        prefix: String,
    },
}

/// Arguments of `fn bench`.
#[derive(Debug, Args)]
pub struct FnBenchArgs {
    /// Which.
    #[command(flatten)]
    pub of: FnNameArgs,
    /// More functions, for a chain.
    #[arg(long, value_name = "FUNCTION", value_delimiter = ',')]
    pub then: Vec<String>,
    /// Connections, each with a thread of its own.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub clients: u16,
    /// Requests that each has on their way.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub pipeline: u16,
    /// How long.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=3600))]
    pub seconds: u16,
    /// Frames instead of JSON.
    #[arg(long)]
    pub binary: bool,
    /// The input.
    #[arg(long, value_name = "TEXT", default_value = "0123456789abcdef")]
    pub input: String,
    /// An input of so many bytes instead.
    #[arg(long, value_name = "N", conflicts_with = "input")]
    pub input_bytes: Option<u32>,
}

/// Arguments of `fn run`.
#[derive(Debug, Args)]
pub struct FnRunArgs {
    /// The module.
    #[arg(value_name = "MODULE.wasm")]
    pub module: PathBuf,
    /// It is a program of WASI preview 1.
    #[arg(long)]
    pub wasi: bool,
    /// Input and output.
    #[command(flatten)]
    pub io: InputArgs,
}

/// Languages that functions can be begun in.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum FnLanguage {
    /// Rust, with the crate `replicode-plugin`.
    Rust,
    /// C, with a header.
    C,
}

/// Arguments of `fn new`.
#[derive(Debug, Args)]
pub struct FnNewArgs {
    /// The function's name, and the directory's.
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Its language.
    #[arg(long, value_name = "LANG", default_value = "rust")]
    pub lang: FnLanguage,
}

/// `--dir HOST:GUEST[:ro|:rw]` of a function's program: nothing may be changed unless that is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FnDir(pub DirImport);

impl FromStr for FnDir {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (place, read_only) = match text.strip_suffix(":rw") {
            Some(place) => (place, false),
            None => (text.strip_suffix(":ro").unwrap_or(text), true),
        };
        let place: DirImport =
            place.parse().map_err(|_| "expected HOST:GUEST, HOST:GUEST:ro or HOST:GUEST:rw".to_string())?;
        Ok(Self(DirImport { read_only, ..place }))
    }
}

/// A time in milliseconds: `500ms`, `5s`, `2m`, or a number of milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Millis(pub u64);

impl FromStr for Millis {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || format!("'{text}' is no time: expected for example 500ms, 5s or 2m");
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit = match text.get(digits.len()..) {
            Some("ms" | "") => 1,
            Some("s") => 1000,
            Some("m") => 60_000,
            _ => return Err(expected()),
        };
        let number: u64 = digits.parse().map_err(|_| expected())?;
        number.checked_mul(unit).map(Self).ok_or_else(expected)
    }
}

fn with_unit(text: &str, step: u64, what: &str) -> Result<u64, String> {
    let expected = || format!("'{text}' is no {what}");
    let (digits, power) = match text.char_indices().next_back() {
        Some((at, 'K' | 'k')) => (&text[..at], 1),
        Some((at, 'M' | 'm')) => (&text[..at], 2),
        Some((at, 'G' | 'g')) => (&text[..at], 3),
        _ => (text, 0),
    };
    let number: u64 = digits.parse().map_err(|_| expected())?;
    number.checked_mul(step.pow(power)).ok_or_else(expected)
}

/// A size in whole megabytes: `16M`, `1G`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Megabytes(pub u64);

impl FromStr for Megabytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bytes = with_unit(text, 1024, "size: expected whole megabytes, for example 16M or 1G")?;
        if bytes == 0 || bytes % (1 << 20) != 0 {
            return Err(format!("'{text}' is no number of whole megabytes: for example 16M or 1G"));
        }
        Ok(Self(bytes >> 20))
    }
}

/// A number with K, M or G for thousands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Units(pub u64);

impl FromStr for Units {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        with_unit(text, 1000, "number: expected for example 500000 or 10M").map(Self)
    }
}

/// When state is on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncSetting {
    /// Before the answer.
    Always,
    /// At the latest so many milliseconds later.
    Interval(u64),
    /// When the system likes.
    Never,
}

impl FromStr for SyncSetting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "always" => Ok(Self::Always),
            "never" => Ok(Self::Never),
            other => match other.parse() {
                Ok(Millis(ms)) if ms > 0 => Ok(Self::Interval(ms)),
                _ => Err(format!("'{text}': expected always, never, or an interval like 100ms")),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_with_units() {
        assert_eq!("500ms".parse(), Ok(Millis(500)));
        assert_eq!(("5s".parse(), "7".parse()), (Ok(Millis(5000)), Ok(Millis(7))));
        assert_eq!(("16M".parse(), "1G".parse()), (Ok(Megabytes(16)), Ok(Megabytes(1024))));
        assert_eq!(("10M".parse(), "3".parse()), (Ok(Units(10_000_000)), Ok(Units(3))));
        assert_eq!("100ms".parse(), Ok(SyncSetting::Interval(100)));
        for wrong in ["", "x", "5h", "-1s", "99999999999999999999"] {
            assert!(wrong.parse::<Millis>().is_err() && wrong.parse::<SyncSetting>().is_err(), "{wrong}");
        }
        let dir = |text: &str| text.parse::<FnDir>().map(|dir| (dir.0.guest, dir.0.read_only));
        assert_eq!(dir("/a:b"), Ok(("b".into(), true)));
        assert_eq!(dir("/a:b:ro"), Ok(("b".into(), true)));
        assert_eq!(dir("/a:/b/c:rw"), Ok(("b/c".into(), false)));
        assert!(dir("/a").is_err() && dir("/a:../b").is_err());
        for wrong in ["", "16", "16K", "M", "1.5M"] {
            assert!(wrong.parse::<Megabytes>().is_err(), "{wrong}");
        }
    }
}
