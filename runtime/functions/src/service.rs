//! A server without its socket: registry, state, limits and counters, and what requests ask of them.

use crate::confined::Confined;
use crate::crew::{Broken, Control, Crew};
use crate::env::Env;
use crate::error::ServiceError;
use crate::execute::now_ms;
use crate::limits::ServerLimits;
use crate::registry::Registry;
use crate::state::{State, StateError, Sync};
use crate::stats::ServerStats;
use crate::tenants::{Tenant, Tenants, TenantsConfig};
use crate::uuid::Uuid;
use nix::fcntl::OFlag;
use replicode_wasm::EngineError;
use replicode_wasm::functions::run::MOST_INSTANCES;
use replicode_wasm::functions::{Failure, FunctionEngine, FunctionSettings, Run};
use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What a server is made of.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where functions and state are kept; nowhere without.
    pub data: Option<PathBuf>,
    /// Threads that serve the socket, and places of executions that take long; as many as there are processors without.
    pub threads: Option<usize>,
    /// Bounds.
    pub limits: ServerLimits,
    /// When state is on the disk.
    pub sync: Sync,
    /// The one directory that modules are read from by the server, or none of them are. Without, any path will do.
    pub modules: Modules,
    /// Executions that take longer are written to the log, in milliseconds.
    pub slow_ms: u64,
    /// Who uses it.
    pub tenants: TenantsConfig,
    /// Called for each function that is read when the server starts: for whoever watches.
    pub each_read: fn(),
}

/// What `load` with a path may read.
#[derive(Clone, Debug, Default)]
pub enum Modules {
    /// What the server itself may read.
    #[default]
    Any,
    /// What is in a directory.
    Within(Arc<Confined>),
    /// Nothing.
    Off,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            data: None,
            threads: None,
            limits: ServerLimits::default(),
            sync: Sync::Interval(100),
            modules: Modules::Any,
            slow_ms: 1000,
            tenants: TenantsConfig::default(),
            each_read: || {},
        }
    }
}

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A directory or file.
    #[error("cannot use {path}: {error}")]
    Place {
        /// Which.
        path: String,
        /// What is wrong with it.
        error: io::Error,
    },
    /// Somebody else has it.
    #[error("{0} belongs to a server that is running: stop it, or give another --data")]
    InUse(String),
    /// The state.
    #[error(transparent)]
    State(#[from] StateError),
    /// Threads or sockets.
    #[error("cannot {what}: {error}")]
    System {
        /// What was tried.
        what: String,
        /// What is wrong with it.
        error: io::Error,
    },
    /// What exists is no socket of a dead server.
    #[error("{0}")]
    Socket(String),
}

/// Registry, state and all that requests need of them. Shared by all threads.
pub struct Service {
    /// Which functions there are.
    pub registry: Registry,
    /// Their state.
    pub state: State,
    /// Who uses it.
    pub tenants: Tenants,
    /// Bounds.
    pub limits: ServerLimits,
    /// Counters.
    pub stats: ServerStats,
    /// When state is on the disk.
    pub sync: Sync,
    /// What broke for good, if anything did.
    pub broken: Broken,
    /// Who answers what this server does not execute itself.
    pub(crate) beyond: std::sync::OnceLock<Arc<dyn crate::beyond::Beyond>>,
    pub(crate) crew: Arc<Crew>,
    pub(crate) modules: Modules,
    pub(crate) slow_nanos: u64,
    pub(crate) started: Instant,
    pub(crate) threads: usize,
    /// Places of the engine's pool.
    instances: u32,
    /// Executions that have left their first slice behind.
    running: Mutex<BTreeMap<u64, Running>>,
    number: AtomicU64,
    shutting_down: AtomicBool,
    clock_ms: AtomicU64,
    /// In boxes, as they go into stores and come out again.
    #[expect(clippy::vec_box, reason = "a run is handed around in its box")]
    spare: Mutex<Vec<Box<Run<Env>>>>,
    /// Held as long as the server lives.
    _lock: Option<File>,
}

struct Running {
    control: Arc<Control>,
    functions: Vec<Uuid>,
}

impl Service {
    /// A service as the options say. Returns what is damaged and was left out, too.
    ///
    /// # Errors
    /// When the engine, the directory or the state cannot be used.
    pub fn open(options: &Options) -> Result<(Arc<Self>, Vec<String>), StartError> {
        let data = options.data.as_deref();
        let lock = data.map(take_directory).transpose()?;
        let settings = FunctionSettings {
            memory_bytes: options.limits.memory_mb << 20,
            module_bytes: options.limits.module_bytes,
            ..FunctionSettings::default()
        };
        let engine = FunctionEngine::new(&settings)?;
        let place =
            |error| StartError::Place { path: data.map_or_else(String::new, |p| p.display().to_string()), error };
        let (registry, mut warnings) =
            Registry::open(engine, &options.limits, data, options.each_read).map_err(place)?;
        let (state, more) = State::open(data, options.limits.state_bytes)?;
        warnings.extend(more);
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = options.threads.unwrap_or(processors).max(1);
        let service = Self {
            registry,
            state,
            tenants: Tenants::new(options.tenants.clone()),
            limits: options.limits.clone(),
            stats: ServerStats::default(),
            sync: options.sync,
            broken: Broken::default(),
            beyond: std::sync::OnceLock::new(),
            crew: Arc::new(Crew::new(threads)),
            modules: options.modules.clone(),
            slow_nanos: options.slow_ms.saturating_mul(1_000_000),
            started: Instant::now(),
            threads,
            instances: settings.instances,
            running: Mutex::default(),
            number: AtomicU64::new(0),
            shutting_down: AtomicBool::new(false),
            clock_ms: AtomicU64::new(now_ms()),
            spare: Mutex::default(),
            _lock: lock,
        };
        Ok((Arc::new(service), warnings))
    }

    /// Instances that an execution that begins now may leave in its store: with all of those that are under way, about half of the pool.
    pub(crate) fn instances_each(&self) -> u32 {
        let under_way = self.crew.away.load(Ordering::Relaxed) + self.threads;
        let each = self.instances as usize / (8 * under_way.max(1));
        (each as u32).clamp(1, MOST_INSTANCES)
    }

    /// Before somebody is told what was read of the state, or changed in it: it is with the operating system, and on the disk if that is
    /// what was promised. Waits for the disk.
    ///
    /// # Errors
    /// When the log cannot be written: nothing may be told, and the server must stop.
    pub(crate) fn settle(&self) -> Result<(), StateError> {
        match self.sync {
            Sync::Always if !self.state.is_synced() => self.state.sync().map(drop),
            Sync::Always => Ok(()),
            Sync::Interval(_) | Sync::Never => self.state.write(),
        }
    }

    /// Counts a connection.
    ///
    /// # Errors
    /// When its tenant, or the server, has too many.
    pub(crate) fn connected(&self, tenant: &Tenant) -> Result<(), ServiceError> {
        let most = self.limits.connections;
        if self.stats.connections.fetch_add(1, Ordering::Relaxed) >= most {
            self.stats.connections.fetch_sub(1, Ordering::Relaxed);
            let text = format!("the server has {most} connections, which is the most: close some, or try again");
            return Err(ServiceError::new(crate::error::ErrorCode::Overloaded, text));
        }
        if let Err(error) = joined(tenant) {
            self.stats.connections.fetch_sub(1, Ordering::Relaxed);
            return Err(error);
        }
        self.stats.connected.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// A connection becomes another tenant's.
    ///
    /// # Errors
    /// When that one has too many.
    pub(crate) fn changes_hands(&self, from: &Tenant, to: &Tenant) -> Result<(), ServiceError> {
        joined(to)?;
        from.stats.connections.fetch_sub(1, Ordering::Relaxed);
        Ok(())
    }

    /// It has ended.
    pub(crate) fn disconnected(&self, tenant: &Tenant) {
        self.stats.connections.fetch_sub(1, Ordering::Relaxed);
        tenant.stats.connections.fetch_sub(1, Ordering::Relaxed);
    }

    /// Counts an execution that is to leave its first slice.
    ///
    /// # Errors
    /// When the tenant, or all of them, have too many.
    pub(crate) fn admit(&self, tenant: &Tenant) -> Result<(), Failure> {
        let queue = self.limits.queue;
        let all = self.crew.away.fetch_add(1, Ordering::Relaxed) as u64;
        let mine = tenant.away.fetch_add(1, Ordering::Relaxed);
        // Where there are several, one that floods leaves as much free as it has itself: another one always finds room.
        let share = if self.tenants.count() > 1 { queue.saturating_sub(all) } else { queue };
        let refused = if tenant.quotas.in_flight.is_some_and(|most| mine >= most) {
            Some(Failure::Busy(format!(
                "you have {mine} executions in flight, which is your most: wait for some answers"
            )))
        } else if all >= queue || mine >= share {
            let whose = if all >= queue && tenant.is_own() {
                format!("the server has {all}")
            } else {
                format!("you have {mine}")
            };
            Some(Failure::Overloaded(format!("{whose} executions in flight, which is the most: try again")))
        } else {
            None
        };
        match refused {
            None => Ok(()),
            Some(failure) => {
                self.dismiss(tenant);
                Err(failure)
            }
        }
    }

    /// It has ended. Returns how many are left.
    pub(crate) fn dismiss(&self, tenant: &Tenant) -> usize {
        tenant.away.fetch_sub(1, Ordering::Relaxed);
        self.crew.away.fetch_sub(1, Ordering::Relaxed) - 1
    }

    /// Milliseconds since 1970, as of the last time that somebody looked.
    pub(crate) fn coarse_ms(&self) -> u64 {
        self.clock_ms.load(Ordering::Relaxed)
    }

    pub(crate) fn look_at_clock(&self) {
        self.clock_ms.store(now_ms(), Ordering::Relaxed);
    }

    /// What an execution needs, from an earlier one if there is one.
    pub fn take_run(self: &Arc<Self>) -> Box<Run<Env>> {
        let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        spare.unwrap_or_else(|| Box::new(Run::new(Env::new(Arc::clone(self)))))
    }

    /// Gives it back.
    pub fn give_run(&self, mut run: Box<Run<Env>>) {
        const MOST: usize = 16;
        run.flush();
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < MOST {
            spare.push(run);
        }
    }

    fn running(&self) -> MutexGuard<'_, BTreeMap<u64, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An execution has left its first slice behind.
    pub(crate) fn runs(&self, control: &Arc<Control>, functions: Vec<Uuid>) -> u64 {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        self.running().insert(number, Running { control: Arc::clone(control), functions });
        number
    }

    /// It has ended.
    pub(crate) fn ran(&self, number: u64) {
        self.running().remove(&number);
    }

    /// Ends all running executions of a function.
    pub(crate) fn cancel_all(&self, function: Uuid) -> usize {
        let running = self.running();
        let of_it = running.values().filter(|running| running.functions.contains(&function));
        of_it.map(|running| running.control.cancel()).count()
    }

    /// From now on nothing begins. With `now`, what runs ends too.
    pub fn shut_down(&self, now: bool) {
        self.shutting_down.store(true, Ordering::SeqCst);
        if now {
            for running in self.running().values() {
                running.control.shut_down();
            }
        }
    }

    /// Whether the server is about to end.
    #[must_use]
    pub fn is_shutting_down(&self) -> bool {
        self.shutting_down.load(Ordering::Relaxed)
    }

    /// How long the server has been there.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// Keeps what is only kept now and then.
    ///
    /// # Errors
    /// When the state cannot be given to the disk.
    pub fn close(&self) -> Result<(), StateError> {
        self.registry.keep_counters();
        self.state.sync().map(drop)
    }

    /// Reads a module as the server may.
    ///
    /// # Errors
    /// When it may not, or cannot. The words say nothing of what is in the file.
    pub(crate) fn read_module(&self, path: &str) -> Result<Vec<u8>, ServiceError> {
        use crate::error::ErrorCode::BadRequest;
        let refused = |why: String| ServiceError::new(BadRequest, format!("cannot load {path:?}: {why}"));
        let path_of = Path::new(path);
        if !path_of.is_absolute() {
            return Err(refused("the path must be absolute: the server is somewhere else than its client".into()));
        }
        // Opened once, so that what is looked at is what is read; and not waited for, as a pipe would have it.
        let file = match &self.modules {
            Modules::Off => {
                return Err(refused("this server reads no files for its clients: send the bytes as wasm_b64".into()));
            }
            Modules::Any => OpenOptions::new()
                .read(true)
                .custom_flags(OFlag::O_NONBLOCK.bits())
                .open(path_of)
                .map_err(|error| refused(error.kind().to_string()))?,
            // The same words for what is elsewhere and for what is nowhere: nobody is told what there is outside.
            Modules::Within(directory) => directory.open(path_of).ok_or_else(|| {
                let directory = directory.shown();
                refused(format!("this server reads modules in {directory} only, and there it is not"))
            })?,
        };
        let about = file.metadata().map_err(|error| refused(error.kind().to_string()))?;
        if !about.is_file() {
            return Err(refused("it is no file".into()));
        }
        let most = self.limits.module_bytes;
        let mut bytes = Vec::new();
        // It may grow meanwhile.
        let read = file.take(most.saturating_add(1)).read_to_end(&mut bytes);
        read.map_err(|error| refused(error.kind().to_string()))?;
        if bytes.len() as u64 > most {
            let size = about.len().max(bytes.len() as u64);
            return Err(refused(format!("it has {size} bytes, and this server takes {most}")));
        }
        Ok(bytes)
    }
}

/// Counts a connection of a tenant.
fn joined(tenant: &Tenant) -> Result<(), ServiceError> {
    let mine = tenant.stats.connections.fetch_add(1, Ordering::Relaxed);
    if tenant.quotas.connections.is_some_and(|most| mine >= most) {
        tenant.stats.connections.fetch_sub(1, Ordering::Relaxed);
        let text = format!("you have {mine} connections, which is your most: close some, or try again");
        return Err(ServiceError::new(crate::error::ErrorCode::Overloaded, text));
    }
    tenant.stats.connected.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

/// Makes a server's directory and takes it for this process.
fn take_directory(directory: &Path) -> Result<File, StartError> {
    let place = |error| StartError::Place { path: directory.display().to_string(), error };
    DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(place)?;
    let lock = File::create(directory.join("lock")).map_err(place)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(fs::TryLockError::WouldBlock) => Err(StartError::InUse(directory.display().to_string())),
        Err(fs::TryLockError::Error(error)) => Err(place(error)),
    }
}
