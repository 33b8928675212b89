//! One process from its configuration to its end.

use crate::control::board::{self, Board};
use crate::control::stopping::Stopping;
use crate::control::{Control, CrashPoint, Family, Setup, children};
use crate::link;
use crate::load::engine;
use crate::load::plan::{self, Plan, PlanError, Process};
use crate::log::Log;
use crate::net::Net;
use crate::state::State;
use crate::storage::Disk;
use crate::wit::types::{Fault, FaultKind};
use nix::fcntl::{Flock, FlockArg};
use paxos_config::{Config, Level, Provider};
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use wasmtime::component::{Component, Instance, ResourceTable, TypedFunc};
use wasmtime::{Engine, Store};
use wasmtime_wasi::{FsPerms, WasiCtx};

/// The node's folder, as a storage component sees it.
const GUEST_DATA: &str = "/data";

/// How long the last run of a process may take to end when the next one has begun: after a `kill -9` of a coordinator its
/// children end by themselves, a moment later.
const ENDING: Duration = Duration::from_secs(5);

/// What the command line says about a process.
#[derive(Debug, Clone)]
pub struct Options {
    /// Which node.
    pub node: u16,
    /// Which of its processes.
    pub process: Process,
    /// A coordinator is at the other end of our standard input and output.
    pub child: bool,
    /// Where to crash.
    pub crash: Vec<String>,
}

/// Why a process did not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The file does not have this node.
    #[error("{} has no node {node}: it has {known}", file.display())]
    NoNode {
        /// The configuration.
        file: PathBuf,
        /// As asked for.
        node: u16,
        /// All that there are.
        known: String,
    },
    /// A process that the model does not have.
    #[error("the model {model} has no process `{process}`: it has {known}")]
    NoProcess {
        /// As configured.
        model: &'static str,
        /// As asked for.
        process: Process,
        /// All that there are.
        known: String,
    },
    /// The command line is wrong.
    #[error("{0}")]
    Usage(String),
    /// The node's folder is of no use.
    #[error("the folder {} of node {node} cannot be used: {reason}", folder.display())]
    Folder {
        /// The node.
        node: u16,
        /// Its folder.
        folder: PathBuf,
        /// Why.
        reason: String,
    },
    /// A component file is of no use.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The engine refused a component.
    #[error("{what}: {reason}")]
    Engine {
        /// What was tried.
        what: String,
        /// Why it failed.
        reason: String,
    },
    /// A part of the process failed.
    #[error("{}: {}", children::kind_name(.0.kind), .0.text)]
    Fault(Fault),
    /// A component trapped.
    #[error("a component broke: {0}")]
    Trap(String),
    /// The system refused something.
    #[error("cannot {0}: {1}")]
    System(&'static str, std::io::Error),
}

/// Loaded and compiled components.
pub struct Loaded {
    engine: Engine,
    /// What and from where.
    pub plan: Plan,
    components: Vec<Component>,
}

/// Reads, checks and compiles what a process is made of.
///
/// # Errors
/// The first thing that cannot be used.
pub fn load(config: &Config, process: Process) -> Result<Loaded, ProcessError> {
    let plan = plan::plan(config, process)?;
    let failed =
        |what: String| move |error: wasmtime::Error| ProcessError::Engine { what, reason: format!("{error:#}") };
    let cache =
        engine::cache_folder(&config.components).map_err(|error| ProcessError::System("find the cache", error))?;
    // A folder that cannot be written is no reason not to start: then each process compiles for itself.
    let cache = std::fs::create_dir_all(&cache).is_ok().then_some(cache);
    let engine = engine::new(cache.as_deref()).map_err(failed("cannot set up the engine".into()))?;
    let compile = |part: &plan::Part| {
        engine::compile(&engine, &part.bytes)
            .map_err(failed(format!("the component file {} is refused by the engine", part.file.display())))
    };
    let components = plan.parts.iter().map(compile).collect::<Result<_, _>>()?;
    Ok(Loaded { engine, plan, components })
}

/// Instantiates and links everything without running it.
///
/// # Errors
/// What does not fit.
pub fn try_out(loaded: &Loaded, config: &Config, node: u16) -> Result<(), ProcessError> {
    let process = loaded.plan.process;
    let log = Log::new(format!("node {node} {process}"), Level::Error);
    let board = Board::new(config.cluster.clone(), node, process);
    let folder = node_folder(config, node);
    let control = Control::new(Setup {
        config,
        node,
        process,
        data_dir: folder.to_string_lossy().into_owned(),
        crash: Vec::new(),
        reporting: false,
        family: family(config, node, Vec::new())?,
        log,
        board,
        stopping: Stopping::default(),
    });
    let wasi = WasiCtx::builder().build();
    runtime()?.block_on(async {
        let mut store = Store::new(&loaded.engine, state(wasi, control, false));
        let instance = link(loaded, &mut store).await?;
        entry(&mut store, instance, process).map(|_| ())
    })
}

/// Where a node keeps its state; not made here.
pub fn node_folder(config: &Config, node: u16) -> PathBuf {
    config.data_dir.join(format!("node-{node}"))
}

/// Runs a process to its end.
///
/// # Errors
/// Why it did not start, or why it ended before it was asked to.
pub fn run(config: &Config, options: &Options) -> Result<(), ProcessError> {
    let Options { node, process, child, .. } = *options;
    check_names(config, node, process)?;
    let log = Log::new(format!("node {node} {process}"), config.logging.level);
    let stopping = Stopping::default();
    stopping.on_signals(&log, !child).map_err(|error| ProcessError::System("listen for signals", error))?;
    if child {
        stopping.on_lifeline(&log).map_err(|error| ProcessError::System("watch the coordinator", error))?;
    }
    let folder = node_folder(config, node);
    let _lock = claim(node, process, &folder, ENDING)?;
    let loaded = load(config, process)?;
    let board = Board::new(config.cluster.clone(), node, process);
    let socket = board::socket(&config.data_dir, node, process);
    if let Err(error) = board.serve(&socket) {
        log.write(
            Level::Warn,
            &format!("`status` will not show this process: cannot listen on {}: {error}", socket.display()),
        );
    }
    let wasi = wasi(&folder, process, config).map_err(|error| ProcessError::Folder {
        node,
        folder: folder.clone(),
        reason: format!("{error:#}"),
    })?;
    let data_dir = match config.providers.storage {
        Provider::Component => GUEST_DATA.to_owned(),
        Provider::Host => folder.to_string_lossy().into_owned(),
    };
    let is_coordinator = process == Process::Coordinator;
    let crash = if is_coordinator { Vec::new() } else { crash_points(&options.crash)? };
    let handed_down = if is_coordinator { options.crash.clone() } else { Vec::new() };
    let family = family(config, node, handed_down)?;
    let setup =
        Setup { config, node, process, data_dir, crash, reporting: child, family, log: log.clone(), board, stopping };
    let control = Control::new(setup);
    let ended = runtime()?.block_on(async {
        let mut store = Store::new(&loaded.engine, state(wasi, control, brings_network(process, config)));
        let instance = link(&loaded, &mut store).await?;
        let run = entry(&mut store, instance, process)?;
        log.write(Level::Debug, &format!("runs as process {}", std::process::id()));
        match run.call_async(&mut store, ()).await {
            Ok((Ok(()),)) => Ok(()),
            Ok((Err(fault),)) => Err(ProcessError::Fault(fault)),
            Err(trap) => Err(ProcessError::Trap(format!("{trap:#}"))),
        }
    });
    let _ = std::fs::remove_file(&socket);
    ended
}

impl ProcessError {
    /// How the process ends for it, told to its coordinator if it has one.
    pub fn conclude(&self, child: bool) -> ExitCode {
        let fault = match self {
            Self::Fault(fault) => fault.clone(),
            // What a new start cures may be started anew.
            Self::Trap(_) | Self::System(..) => return ExitCode::from(3),
            Self::NoNode { .. } | Self::NoProcess { .. } | Self::Usage(_) | Self::Plan(_) | Self::Engine { .. } => {
                Fault { kind: FaultKind::Configuration, text: self.to_string() }
            }
            Self::Folder { .. } => Fault { kind: FaultKind::Storage, text: self.to_string() },
        };
        if child {
            children::report_fault(&fault);
        }
        ExitCode::from(1)
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, ProcessError> {
    // One thread: a component is one thread of execution, and what it waits for is polled on the same one.
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| ProcessError::System("start the event loop", error))
}

fn state(wasi: WasiCtx, control: Control, may_use_tcp: bool) -> State {
    let (table, net, disk) = (ResourceTable::new(), Net::default(), Disk::default());
    State { wasi, table, net, form: None, disk, may_use_tcp, control }
}

async fn link(loaded: &Loaded, store: &mut Store<State>) -> Result<Instance, ProcessError> {
    link::instantiate(&loaded.engine, store, &loaded.plan, &loaded.components).await.map_err(|error| {
        ProcessError::Engine {
            what: format!("the components of the process {} do not fit together", loaded.plan.process),
            reason: format!("{error:#}"),
        }
    })
}

/// The function that is the process.
fn entry(
    store: &mut Store<State>,
    instance: Instance,
    process: Process,
) -> Result<TypedFunc<(), (Result<(), Fault>,)>, ProcessError> {
    let name = link::full(process.entry());
    let failed = |reason: String| ProcessError::Engine { what: format!("{name} cannot be run"), reason };
    let index = instance
        .get_export_index(&mut *store, None, &name)
        .and_then(|interface| instance.get_export_index(&mut *store, Some(&interface), "run"))
        .ok_or_else(|| failed("it has no function `run`".to_owned()))?;
    instance
        .get_typed_func(store, index)
        .map_err(|error| failed(format!("its function `run` is of another type than this host's: {error:#}")))
}

fn check_names(config: &Config, node: u16, process: Process) -> Result<(), ProcessError> {
    if config.node(node).is_none() {
        let known: Vec<String> = config.nodes.iter().map(|node| node.id.to_string()).collect();
        return Err(ProcessError::NoNode { file: config.file.clone(), node, known: known.join(", ") });
    }
    let processes = Process::of_node(config);
    if process != Process::Coordinator && !processes.contains(&process) {
        let mut known: Vec<&str> = processes.iter().map(|process| process.name()).collect();
        known.push("coordinator");
        return Err(ProcessError::NoProcess { model: config.model.word(), process, known: known.join(", ") });
    }
    Ok(())
}

fn crash_points(texts: &[String]) -> Result<Vec<CrashPoint>, ProcessError> {
    texts.iter().map(|text| CrashPoint::parse(text).map_err(ProcessError::Usage)).collect()
}

fn family(config: &Config, node: u16, crash: Vec<String>) -> Result<Family, ProcessError> {
    let program = std::env::current_exe().map_err(|error| ProcessError::System("find this program", error))?;
    Ok(Family { program, config: config.file.clone(), node, processes: Process::of_node(config), crash })
}

/// Makes the node's folder and claims it for this process, so that the same one never runs twice over the same data. Waits
/// for `ending` while somebody has it.
pub fn claim(node: u16, process: Process, folder: &Path, ending: Duration) -> Result<Flock<File>, ProcessError> {
    let failed = |reason: String| ProcessError::Folder { node, folder: folder.to_owned(), reason };
    std::fs::create_dir_all(folder)
        .map_err(|error| failed(format!("cannot make it: {error}; see `data-dir` in config.yaml")))?;
    let path = folder.join(format!("{process}.pid"));
    let unusable = |error: std::io::Error| failed(format!("cannot make {}: {error}", path.display()));
    // Not truncated before it is ours: it may tell the number of a process that runs.
    let mut file = File::options().create(true).write(true).truncate(false).open(&path).map_err(unusable)?;
    let until = Instant::now() + ending;
    let mut file = loop {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(claimed) => break claimed,
            Err((unclaimed, _)) if Instant::now() < until => file = unclaimed,
            Err(_) => {
                let text = format!("the {process} of node {node} runs already over this data: stop that process first");
                return Err(failed(text));
            }
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(unusable)?;
    Ok(file)
}

/// Whether the components of a process bring their network, and need sockets for it.
fn brings_network(process: Process, config: &Config) -> bool {
    process != Process::Coordinator && config.providers.network == Provider::Component
}

/// What components get of the system besides sockets ([`crate::tcp`]): the node's folder if they bring their storage.
fn wasi(folder: &Path, process: Process, config: &Config) -> wasmtime::Result<WasiCtx> {
    let mut builder = WasiCtx::builder();
    // What a component prints (a panic's last words) belongs into the log.
    builder.inherit_stderr();
    if process != Process::Coordinator && config.providers.storage == Provider::Component {
        // A component waits for its file calls in any case: handing them to a thread would only add to it.
        builder.allow_blocking_current_thread(true);
        builder.preopened_dir(folder, GUEST_DATA, FsPerms::ReadWrite)?;
    }
    Ok(builder.build())
}
