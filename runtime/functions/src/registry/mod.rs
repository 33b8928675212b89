//! Which functions there are. Many threads look, none of them waits: they read a table that nobody changes; a change makes a new one.
//!
//! A function's number follows from what it is: its bytes, its kind, the namespace of its state. So the same bytes loaded again are the
//! same function, with one more name if it is another one, and the registry does not grow.

mod disk;
mod function;

pub use function::{Function, Kind, Recipe, Stats};

use crate::env::Env;
use crate::error::{ErrorCode, ServiceError};
use crate::limits::{ExecutionConfig, ServerLimits};
use crate::uuid::Uuid;
use disk::Disk;
use replicode_wasm::functions::{FunctionCode, FunctionEngine};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes of the longest name.
const MOST_NAME: usize = 64;

/// All functions at one moment.
#[derive(Clone, Debug, Default)]
pub struct Table {
    by_uuid: HashMap<Uuid, Arc<Function>>,
    by_name: HashMap<String, Uuid>,
}

impl Table {
    /// The function with that number or name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Arc<Function>> {
        if let Some(function) = Uuid::parse(name).and_then(|uuid| self.by_uuid.get(&uuid)) {
            return Some(function);
        }
        self.by_uuid.get(self.by_name.get(name)?)
    }

    /// The function with that number.
    #[must_use]
    pub fn get(&self, uuid: &Uuid) -> Option<&Arc<Function>> {
        self.by_uuid.get(uuid)
    }

    /// All of them, in the order of their first names.
    #[must_use]
    pub fn all(&self) -> Vec<&Arc<Function>> {
        let mut all: Vec<_> = self.by_uuid.values().collect();
        all.sort_by(|a, b| a.name().cmp(b.name()).then(a.uuid.cmp(&b.uuid)));
        all
    }

    /// That there is no such function, and which was probably meant.
    #[must_use]
    pub fn missing(&self, name: &str) -> ServiceError {
        let length = name.chars().count();
        let most = 1 + length / 3;
        // Comparing takes as long as both are long, and whoever asks decides how long: what cannot be a name is like none.
        let alike = |known: &&String| name.len() <= MOST_NAME && known.len().abs_diff(length) <= most;
        let near = self.by_name.keys().filter(alike).map(|known| (strsim::osa_distance(name, known), known)).min();
        let near = near.filter(|(edits, _)| *edits <= most);
        let meant = near.map_or_else(String::new, |(_, known)| format!(" did you mean '{known}'?"));
        let text = format!(
            "no function is called '{}':{meant} 'replicode fn list' shows all",
            name.chars().take(100).collect::<String>().escape_debug()
        );
        ServiceError::new(ErrorCode::NotFound, text)
    }
}

/// What is to be loaded.
#[derive(Clone, Debug)]
pub struct Load {
    /// The module.
    pub wasm: Vec<u8>,
    /// What it is to be called.
    pub name: String,
    /// What kind of module it is, and what else makes it that function.
    pub recipe: Recipe,
    /// What executions may use unless they say something else.
    pub config: ExecutionConfig,
    /// Whether the name may be taken from another function.
    pub replace: bool,
}

/// All functions, and where they are kept.
pub struct Registry {
    engine: FunctionEngine<Env>,
    limits: ServerLimits,
    disk: Option<Disk>,
    current: Mutex<Arc<Table>>,
    version: AtomicU64,
    /// For "least recently used".
    uses: AtomicU64,
    /// Names that were given so far.
    named: AtomicU64,
}

impl Registry {
    /// The registry of a directory, or one that is nowhere. Returns what is damaged and was left out, too.
    ///
    /// # Errors
    /// When the directory cannot be used.
    pub fn open(
        engine: FunctionEngine<Env>,
        limits: &ServerLimits,
        directory: Option<&Path>,
    ) -> Result<(Self, Vec<String>), std::io::Error> {
        let mut table = Table::default();
        let mut warnings = Vec::new();
        let mut number = 0;
        let disk = directory.map(Disk::open).transpose()?;
        if let Some(disk) = &disk {
            let (functions, damaged) = disk.read()?;
            warnings = damaged;
            number = functions.iter().map(|function| function.number).max().unwrap_or(0);
            table = table_of(disk, functions)?;
        }
        let registry = Self {
            engine,
            limits: limits.clone(),
            disk,
            current: Mutex::new(Arc::new(table)),
            version: AtomicU64::new(1),
            uses: AtomicU64::new(0),
            named: AtomicU64::new(number),
        };
        Ok((registry, warnings))
    }

    /// Which table is the current one: it changes with each change.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// The current table.
    #[must_use]
    pub fn table(&self) -> Arc<Table> {
        Arc::clone(&self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Arc<Table>> {
        // A table is put there whole.
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self, current: &mut Arc<Table>, table: Table) {
        *current = Arc::new(table);
        self.version.fetch_add(1, Ordering::Release);
    }

    /// A number that grows with each use of any function.
    pub fn tick(&self) -> u64 {
        self.uses.fetch_add(1, Ordering::Relaxed)
    }

    /// Loads a function. True if it was there already.
    ///
    /// # Errors
    /// When the module cannot be run, the name is taken, there are too many, or it cannot be kept.
    pub fn load(&self, load: Load) -> Result<(Arc<Function>, bool), ServiceError> {
        check_name(&load.name)?;
        load.config.effective(&self.limits)?;
        let bytes = load.wasm.len() as u64;
        if bytes > self.limits.module_bytes {
            let text = format!(
                "the module has {bytes} bytes, and this server takes {}: raise module_bytes in its limits",
                self.limits.module_bytes
            );
            return Err(ServiceError::new(ErrorCode::BadModule, text));
        }
        let digest = blake3::hash(&load.wasm);
        let uuid = load.recipe.uuid(digest.as_bytes());
        let known = self.table().get(&uuid).cloned();
        self.check_free(&self.table(), &load, uuid)?;
        let code = match known.as_ref().and_then(|known| known.code.get()) {
            Some(code) => Arc::clone(code),
            None => Arc::new(self.compile(&load.wasm, load.recipe.kind)?),
        };
        // From here on one after the other: what is on the disk and what is in the table stay the same.
        let mut current = self.lock();
        self.check_free(&current, &load, uuid)?;
        let mut table = Table::clone(&current);
        let old = table.by_uuid.get(&uuid).cloned();
        let number = self.named.fetch_add(1, Ordering::Relaxed) + 1;
        let function = match &old {
            Some(old) => old.renamed(&load.name, load.config, number),
            None => Function::new(uuid, digest.into(), &load, number),
        };
        if function.code.get().is_none() {
            let _ = function.code.set(code);
        }
        let function = Arc::new(function);
        if let Some(disk) = &self.disk {
            let kept = old.is_none().then_some(load.wasm.as_slice());
            disk.keep(&function, kept).map_err(|error| not_kept(&function, &error))?;
        } else {
            let _ = function.wasm.set(load.wasm);
        }
        let before = table.by_name.insert(load.name.clone(), uuid).filter(|before| *before != uuid);
        table.by_uuid.insert(uuid, Arc::clone(&function));
        if let Some(other) = before.and_then(|before| table.by_uuid.get(&before)).cloned() {
            self.take_name(&mut table, &other, &load.name)?;
        }
        self.drop_code(&mut table, uuid);
        self.publish(&mut current, table);
        Ok((function, old.is_some()))
    }

    /// Whether a name can be given, and whether there is room.
    fn check_free(&self, table: &Table, load: &Load, uuid: Uuid) -> Result<(), ServiceError> {
        let other = table.by_name.get(&load.name).filter(|other| **other != uuid);
        if let Some(other) = other.filter(|_| !load.replace) {
            let text = format!("'{}' is another function, {other}: give another name, or --replace", load.name);
            return Err(ServiceError::new(ErrorCode::BadRequest, text));
        }
        if table.by_uuid.contains_key(&uuid) {
            return Ok(());
        }
        let full = |what: &str, now: u64, most: u64| {
            let text = format!("the server has {now} {what} and takes {most}: unload some, or raise its limits");
            Err(ServiceError::new(ErrorCode::Overloaded, text))
        };
        let functions = table.by_uuid.len() as u64;
        if functions >= self.limits.functions {
            return full("functions", functions, self.limits.functions);
        }
        let bytes: u64 = table.by_uuid.values().map(|function| function.bytes).sum();
        if bytes + load.wasm.len() as u64 > self.limits.modules_bytes {
            return full("bytes of modules", bytes, self.limits.modules_bytes);
        }
        Ok(())
    }

    fn compile(&self, wasm: &[u8], kind: Kind) -> Result<FunctionCode<Env>, ServiceError> {
        match kind {
            Kind::Plugin => {
                let code = self.engine.compile(wasm)?;
                code.check_entry()?;
                Ok(code)
            }
        }
    }

    /// The code of a function, made if it is not at hand.
    ///
    /// # Errors
    /// When its bytes are not there any more, or are others.
    pub fn code(&self, function: &Arc<Function>) -> Result<Arc<FunctionCode<Env>>, ServiceError> {
        if let Some(code) = function.code.get() {
            return Ok(Arc::clone(code));
        }
        let wasm = match (&self.disk, function.wasm.get()) {
            (_, Some(wasm)) => wasm.clone(),
            (Some(disk), None) => disk.module(function).map_err(|error| {
                ServiceError::new(
                    ErrorCode::Node,
                    format!("the module of '{}' cannot be read: {error}", function.name()),
                )
            })?,
            (None, None) => Vec::new(),
        };
        let code = Arc::new(self.compile(&wasm, function.recipe.kind)?);
        let code = Arc::clone(function.code.get_or_init(|| code));
        let mut current = self.lock();
        let mut table = Table::clone(&current);
        if self.drop_code(&mut table, function.uuid) {
            self.publish(&mut current, table);
        }
        Ok(code)
    }

    /// Drops the code of what was used least recently, until the rest fits. That of `keep` stays.
    fn drop_code(&self, table: &mut Table, keep: Uuid) -> bool {
        let mut held: Vec<_> = table
            .by_uuid
            .values()
            .filter_map(|function| Some((function.last_tick(), function.uuid, function.code.get()?.code_bytes())))
            .collect();
        let mut bytes: u64 = held.iter().map(|(.., bytes)| bytes).sum();
        if bytes <= self.limits.code_bytes {
            return false;
        }
        held.sort_unstable();
        for (_, uuid, code) in held.into_iter().filter(|(_, uuid, _)| *uuid != keep) {
            if bytes <= self.limits.code_bytes {
                break;
            }
            if let Some(function) = table.by_uuid.get_mut(&uuid) {
                *function = Arc::new(function.without_code());
                bytes = bytes.saturating_sub(code);
            }
        }
        true
    }

    /// Takes a name away from a function, and the function itself with its last one.
    fn take_name(&self, table: &mut Table, function: &Arc<Function>, name: &str) -> Result<(), ServiceError> {
        let mut left = function.without_code_lost();
        left.names.retain(|own| own != name);
        if left.names.is_empty() {
            table.by_uuid.remove(&function.uuid);
            function.unload();
            if let Some(disk) = &self.disk {
                let shared = table.by_uuid.values().any(|other| other.digest == function.digest);
                disk.remove(function, shared).map_err(|error| not_kept(function, &error))?;
            }
            return Ok(());
        }
        if let Some(disk) = &self.disk {
            disk.keep(&left, None).map_err(|error| not_kept(function, &error))?;
        }
        table.by_uuid.insert(function.uuid, Arc::new(left));
        Ok(())
    }

    /// Unloads a function with all its names. Running executions have what they need.
    ///
    /// # Errors
    /// When there is none, or it cannot be removed from the disk.
    pub fn unload(&self, name: &str) -> Result<Arc<Function>, ServiceError> {
        let mut current = self.lock();
        let Some(function) = current.find(name).cloned() else { return Err(current.missing(name)) };
        let mut table = Table::clone(&current);
        for name in &function.names {
            if table.by_name.get(name) == Some(&function.uuid) {
                table.by_name.remove(name);
            }
        }
        table.by_uuid.remove(&function.uuid);
        if let Some(disk) = &self.disk {
            let shared = table.by_uuid.values().any(|other| other.digest == function.digest);
            disk.remove(&function, shared).map_err(|error| not_kept(&function, &error))?;
        }
        function.unload();
        self.publish(&mut current, table);
        Ok(function)
    }

    /// Keeps the counters of all functions.
    pub fn keep_counters(&self) {
        let Some(disk) = &self.disk else { return };
        let table = self.lock();
        for function in table.all() {
            if let Err(error) = disk.keep(function, None) {
                tracing::warn!("the counters of '{}' are not kept: {error}", function.name());
            }
        }
    }

    /// Bytes of modules and of machine code.
    #[must_use]
    pub fn bytes(&self) -> BTreeMap<&'static str, u64> {
        let table = self.table();
        let modules = table.by_uuid.values().map(|function| function.bytes).sum();
        let code = table.by_uuid.values().filter_map(|function| Some(function.code.get()?.code_bytes())).sum();
        BTreeMap::from([("functions", table.by_uuid.len() as u64), ("modules", modules), ("code", code)])
    }
}

/// The table of what is on the disk. A name is taken from one function after it has been given to another: when the server was killed in
/// between both have it, and the newer one is right. The other one loses it, and goes with its last one, as it would have.
fn table_of(disk: &Disk, mut functions: Vec<Function>) -> std::io::Result<Table> {
    let mut table = Table::default();
    functions.sort_by_key(|function| function.number);
    for function in &functions {
        for name in &function.names {
            table.by_name.insert(name.clone(), function.uuid);
        }
    }
    for mut function in functions {
        let had = function.names.len();
        function.names.retain(|name| table.by_name.get(name) == Some(&function.uuid));
        if function.names.is_empty() {
            // Its module goes at the next start, unless somebody else has it.
            disk.remove(&function, true)?;
            continue;
        }
        if function.names.len() < had {
            disk.keep(&function, None)?;
        }
        table.by_uuid.insert(function.uuid, Arc::new(function));
    }
    Ok(table)
}

fn not_kept(function: &Function, error: &std::io::Error) -> ServiceError {
    ServiceError::new(ErrorCode::Node, format!("'{}' cannot be kept on the disk: {error}", function.name()))
}

/// Names go into files, terminals and requests.
fn check_name(name: &str) -> Result<(), ServiceError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if name.is_empty() || name.len() > MOST_NAME || !name.bytes().all(plain) || Uuid::parse(name).is_some() {
        let shown: String = name.chars().take(80).collect();
        let text = format!(
            "'{}' cannot be a name: 1 to {MOST_NAME} letters, digits, '-', '_' and '.', and not what a UUID looks like",
            shown.escape_debug()
        );
        return Err(ServiceError::new(ErrorCode::BadRequest, text));
    }
    Ok(())
}
