//! Which functions there are. Many threads look, none of them waits: they read a table that nobody changes; a change makes a new one.
//!
//! A function's number follows from what it is: its bytes, its kind, the namespace of its state. So the same bytes loaded again are the
//! same function, with one more name if it is another one, and the registry does not grow.

mod disk;
mod function;

pub use function::{Function, Given, Kind, Recipe, Stats, share_of};

use crate::env::Env;
use crate::error::{ErrorCode, ServiceError};
use crate::limits::{ExecutionConfig, ServerLimits};
use crate::tenants::Quotas;
use crate::uuid::{AsItIs, Uuid};
use disk::Disk;
use replicode_log::FsImage;
use replicode_wasm::functions::wasi::World;
use replicode_wasm::functions::{FunctionCode, FunctionEngine};
use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasherDefault;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes of the longest name.
const MOST_NAME: usize = 64;

/// All functions of a tenant at one moment.
#[derive(Clone, Debug, Default)]
pub struct Table {
    by_uuid: HashMap<Uuid, Arc<Function>, BuildHasherDefault<AsItIs>>,
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

/// The tables of all tenants that have or had functions, by name.
#[derive(Clone, Debug, Default)]
struct Tables(BTreeMap<String, Arc<Table>>);

impl Tables {
    fn of(&self, tenant: &str) -> Arc<Table> {
        self.0.get(tenant).cloned().unwrap_or_default()
    }

    /// To be changed: a copy, where somebody else has it.
    fn change(&mut self, tenant: &str) -> &mut Table {
        Arc::make_mut(self.0.entry(tenant.to_string()).or_default())
    }

    fn functions(&self) -> impl Iterator<Item = &Arc<Function>> {
        self.0.values().flat_map(|table| table.by_uuid.values())
    }

    /// Whether another function is made of the same module.
    fn is_shared(&self, function: &Function) -> bool {
        self.functions().any(|other| other.digest == function.digest && other.uuid != function.uuid)
    }
}

/// What a registry holds, of one tenant or of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Functions.
    pub functions: u64,
    /// Bytes of their modules, and of the files of programs.
    pub modules: u64,
    /// Bytes of machine code at hand.
    pub code: u64,
}

/// What is to be loaded.
#[derive(Clone, Debug)]
pub struct Load {
    /// The module.
    pub wasm: Vec<u8>,
    /// The files that a program is given, an encoded [`FsImage`]; empty without.
    pub files: Vec<u8>,
    /// What it is to be called.
    pub name: String,
    /// What kind of module it is, and what else makes it that function.
    pub recipe: Recipe,
    /// What executions may use unless they say something else.
    pub config: ExecutionConfig,
    /// Whether the name may be taken from another function.
    pub replace: bool,
    /// How many functions whoever loads it may have, and bytes of modules; without, as many as the server.
    pub quotas: Quotas,
}

/// All functions, and where they are kept.
pub struct Registry {
    engine: FunctionEngine<Env>,
    limits: ServerLimits,
    disk: Option<Disk>,
    /// Whoever loads or unloads has this, also while the disk works: one after the other, so that what is on the disk and what is in the
    /// table stay the same. Nobody who only looks waits for it.
    changes: Mutex<()>,
    /// Held for as long as it takes to look, or to put another table there.
    current: Mutex<Tables>,
    version: AtomicU64,
    /// For "least recently used".
    uses: AtomicU64,
    /// Names that were given so far.
    named: AtomicU64,
}

impl Registry {
    /// The registry of a directory, or one that is nowhere. Returns what is damaged and was left out, too. `each_read` is called for each
    /// function that is read.
    ///
    /// # Errors
    /// When the directory cannot be used.
    pub fn open(
        engine: FunctionEngine<Env>,
        limits: &ServerLimits,
        directory: Option<&Path>,
        each_read: fn(),
    ) -> Result<(Self, Vec<String>), std::io::Error> {
        let mut tables = Tables::default();
        let mut warnings = Vec::new();
        let mut number = 0;
        let disk = directory.map(Disk::open).transpose()?;
        if let Some(disk) = &disk {
            let (functions, damaged) = disk.read(each_read)?;
            warnings = damaged;
            number = functions.iter().map(|function| function.number).max().unwrap_or(0);
            tables = tables_of(disk, functions)?;
        }
        let registry = Self {
            engine,
            limits: limits.clone(),
            disk,
            changes: Mutex::default(),
            current: Mutex::new(tables),
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

    /// The current table of a tenant.
    #[must_use]
    pub fn table(&self, tenant: &str) -> Arc<Table> {
        self.lock().of(tenant)
    }

    fn tables(&self) -> Tables {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Tables> {
        // A table is put there whole.
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changes(&self) -> MutexGuard<'_, ()> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes tables: whoever has one keeps it as it was.
    fn change(&self, make: impl FnOnce(&mut Tables) -> bool) {
        let mut current = self.lock();
        if make(&mut current) {
            self.version.fetch_add(1, Ordering::Release);
        }
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
        if load.files.len() as u64 > self.limits.module_bytes {
            let (bytes, most) = (load.files.len(), self.limits.module_bytes);
            let text = format!("the files have {bytes} bytes, and this server takes {most}: raise module_bytes");
            return Err(ServiceError::new(ErrorCode::BadModule, text));
        }
        let digest = blake3::hash(&load.wasm);
        let uuid = load.recipe.uuid(digest.as_bytes());
        let tenant = load.recipe.tenant.clone().unwrap_or_default();
        let now = self.tables();
        let known = now.of(&tenant).get(&uuid).cloned();
        self.check_free(&now, &load, uuid)?;
        drop(now);
        let code = match known.as_ref().and_then(|known| known.code.get()) {
            Some(code) => Arc::clone(code),
            None => Arc::new(self.compile(&load.wasm, &load.files, &load.recipe)?),
        };
        let _changes = self.changes();
        // Nobody else changes names or adds functions now; code may still be dropped from a table, which is then another one.
        let all = self.tables();
        self.check_free(&all, &load, uuid)?;
        let now = all.of(&tenant);
        let old = now.by_uuid.get(&uuid).cloned();
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
            let kept = old.is_none().then_some((load.wasm.as_slice(), load.files.as_slice()));
            disk.keep(&function, kept).map_err(|error| not_kept(&function, &error))?;
        } else {
            let _ = function.wasm.set(load.wasm);
            let _ = function.files.set(load.files);
        }
        let before = now.by_name.get(&load.name).filter(|before| **before != uuid);
        let loser = before.and_then(|before| now.by_uuid.get(before)).cloned();
        let left = match &loser {
            Some(loser) => {
                let shared = digest.as_bytes() == &loser.digest || all.is_shared(loser);
                self.take_name(loser, &load.name, shared)?
            }
            None => None,
        };
        // Held any longer, they would be copied when they are changed.
        drop((all, now));
        self.change(|tables| {
            let table = tables.change(&tenant);
            table.by_name.insert(load.name.clone(), uuid);
            table.by_uuid.insert(uuid, Arc::clone(&function));
            match (&loser, left) {
                (Some(_), Some(left)) => drop(table.by_uuid.insert(left.uuid, Arc::new(left))),
                (Some(loser), None) => drop(table.by_uuid.remove(&loser.uuid)),
                (None, _) => {}
            }
            self.drop_code(tables, uuid);
            true
        });
        Ok((function, old.is_some()))
    }

    /// Whether a name can be given, and whether there is room.
    fn check_free(&self, all: &Tables, load: &Load, uuid: Uuid) -> Result<(), ServiceError> {
        let own = load.recipe.tenant.is_none();
        let table = all.of(load.recipe.tenant.as_deref().unwrap_or_default());
        let other = table.by_name.get(&load.name).filter(|other| **other != uuid);
        if let Some(other) = other.filter(|_| !load.replace) {
            let text = format!("'{}' is another function, {other}: give another name, or --replace", load.name);
            return Err(ServiceError::new(ErrorCode::BadRequest, text));
        }
        if table.by_uuid.contains_key(&uuid) {
            return Ok(());
        }
        let full = |text: String| Err(ServiceError::new(ErrorCode::Overloaded, text));
        let more = (load.wasm.len() + load.files.len()) as u64;
        let mine = held(table.by_uuid.values());
        for (what, now, most) in [
            ("functions", mine.functions + 1, load.quotas.functions),
            ("bytes of modules", mine.modules + more, load.quotas.modules_bytes),
        ] {
            if let Some(most) = most.filter(|most| now > *most) {
                return full(format!("you would have {now} {what} and may have {most}: unload some"));
            }
        }
        let held = held(all.functions());
        for (what, now, most) in [
            ("functions", held.functions + 1, self.limits.functions),
            ("bytes of modules", held.modules + more, self.limits.modules_bytes),
        ] {
            if now > most && own {
                let text =
                    format!("the server would have {now} {what} and takes {most}: unload some, or raise its limits");
                return full(text);
            }
            if now > most {
                // How much others have is nobody's business.
                return full(format!("the server takes no more {what}"));
            }
        }
        Ok(())
    }

    fn compile(&self, wasm: &[u8], files: &[u8], recipe: &Recipe) -> Result<FunctionCode<Env>, ServiceError> {
        match recipe.kind {
            Kind::Plugin => {
                let code = self.engine.compile(wasm)?;
                code.check_entry()?;
                Ok(code)
            }
            Kind::Wasi => {
                let given = recipe.program.clone().unwrap_or_default();
                let files = if files.is_empty() {
                    FsImage::default()
                } else {
                    let most = FsImage::MAX_ENCODED;
                    let decoded = replicode_log::codec::decode("the program's files", files, most);
                    decoded.map_err(|error| ServiceError::new(ErrorCode::Node, error.to_string()))?
                };
                let world = World { files, env: given.env, args: given.args };
                Ok(self.engine.compile_program(wasm, &world)?)
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
        let (wasm, files) = match (&self.disk, function.wasm.get()) {
            (_, Some(wasm)) => (wasm.clone(), function.files.get().cloned().unwrap_or_default()),
            (Some(disk), None) => {
                let read = disk.module(function).and_then(|wasm| Ok((wasm, disk.files(function)?)));
                read.map_err(|error| {
                    let text = format!("the module of '{}' cannot be read: {error}", function.name());
                    ServiceError::new(ErrorCode::Node, text)
                })?
            }
            (None, None) => (Vec::new(), Vec::new()),
        };
        let code = Arc::new(self.compile(&wasm, &files, &function.recipe)?);
        let code = Arc::clone(function.code.get_or_init(|| code));
        self.change(|tables| self.drop_code(tables, function.uuid));
        Ok(code)
    }

    /// Drops the code of what was used least recently, until the rest fits. That of `keep` stays.
    fn drop_code(&self, tables: &mut Tables, keep: Uuid) -> bool {
        let of = |function: &Arc<Function>| {
            let tenant = function.recipe.tenant.clone().unwrap_or_default();
            Some((function.last_tick(), function.uuid, function.code.get()?.code_bytes(), tenant))
        };
        let mut held: Vec<_> = tables.functions().filter_map(of).collect();
        let mut bytes: u64 = held.iter().map(|(_, _, bytes, _)| bytes).sum();
        if bytes <= self.limits.code_bytes {
            return false;
        }
        held.sort_unstable();
        for (_, uuid, code, tenant) in held.into_iter().filter(|(_, uuid, ..)| *uuid != keep) {
            if bytes <= self.limits.code_bytes {
                break;
            }
            if let Some(function) = tables.change(&tenant).by_uuid.get_mut(&uuid) {
                *function = Arc::new(function.without_code());
                bytes = bytes.saturating_sub(code);
            }
        }
        true
    }

    /// Takes a name away from a function: what is left of it, or nothing with its last one.
    fn take_name(&self, function: &Arc<Function>, name: &str, shared: bool) -> Result<Option<Function>, ServiceError> {
        let mut left = function.without_code_lost();
        left.names.retain(|own| own != name);
        let gone = left.names.is_empty();
        if let Some(disk) = &self.disk {
            let done = if gone { disk.remove(function, shared) } else { disk.keep(&left, None) };
            done.map_err(|error| not_kept(function, &error))?;
        }
        if gone {
            function.unload();
            return Ok(None);
        }
        Ok(Some(left))
    }

    /// Unloads a function with all its names. Running executions have what they need.
    ///
    /// # Errors
    /// When the tenant has none, or it cannot be removed from the disk.
    pub fn unload(&self, tenant: &str, name: &str) -> Result<Arc<Function>, ServiceError> {
        let _changes = self.changes();
        let all = self.tables();
        let now = all.of(tenant);
        let Some(function) = now.find(name).cloned() else { return Err(now.missing(name)) };
        if let Some(disk) = &self.disk {
            disk.remove(&function, all.is_shared(&function)).map_err(|error| not_kept(&function, &error))?;
        }
        function.unload();
        drop((all, now));
        self.change(|tables| {
            let table = tables.change(tenant);
            for name in &function.names {
                if table.by_name.get(name) == Some(&function.uuid) {
                    table.by_name.remove(name);
                }
            }
            table.by_uuid.remove(&function.uuid).is_some()
        });
        Ok(function)
    }

    /// Keeps the counters of all functions.
    pub fn keep_counters(&self) {
        let Some(disk) = &self.disk else { return };
        let _changes = self.changes();
        for function in self.tables().functions() {
            if let Err(error) = disk.keep(function, None) {
                tracing::warn!("the counters of '{}' are not kept: {error}", function.name());
            }
        }
    }

    /// What there is in all.
    #[must_use]
    pub fn held(&self) -> Held {
        held(self.tables().functions())
    }

    /// What a tenant has.
    #[must_use]
    pub fn held_by(&self, tenant: &str) -> Held {
        held(self.table(tenant).by_uuid.values())
    }
}

fn held<'f>(functions: impl Iterator<Item = &'f Arc<Function>>) -> Held {
    functions.fold(Held::default(), |held, function| Held {
        functions: held.functions + 1,
        modules: held.modules + function.all_bytes(),
        code: held.code + function.code.get().map_or(0, |code| code.code_bytes()),
    })
}

/// The tables of what is on the disk. A name is taken from one function after it has been given to another: when the server was killed in
/// between both have it, and the newer one is right. The other one loses it, and goes with its last one, as it would have.
fn tables_of(disk: &Disk, mut functions: Vec<Function>) -> std::io::Result<Tables> {
    let mut tables = Tables::default();
    let tenant = |function: &Function| function.recipe.tenant.clone().unwrap_or_default();
    functions.sort_by_key(|function| function.number);
    for function in &functions {
        let table = tables.change(&tenant(function));
        for name in &function.names {
            table.by_name.insert(name.clone(), function.uuid);
        }
    }
    for mut function in functions {
        let had = function.names.len();
        let table = tables.change(&tenant(&function));
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
    Ok(tables)
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
