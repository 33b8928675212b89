//! What the operations do.

use super::connection::Language;
use super::driver::{Asked, Driver};
use super::frames::{self, What};
use super::request::{self, Id, Request, Text, bytes, missing};
use crate::crew::Control;
use crate::error::{ErrorCode, ServiceError, code_of};
use crate::execute::{Job, Stages};
use crate::limits::MOST_STAGES;
use crate::registry::{Function, Kind, Load, Recipe, Table, share_of};
use crate::service::Service;
use crate::state::{Commit, Overlay};
use crate::tenants::Tenant;
use replicode_wasm::functions::Failure;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// The protocol's version.
pub(super) const VERSION: u32 = 1;

type Answer = Result<Value, ServiceError>;

pub(super) fn bad(why: impl Into<String>) -> ServiceError {
    ServiceError::new(ErrorCode::BadRequest, why)
}

fn function<'t>(table: &'t Table, op: &str, uuid: Option<&Text<'_>>) -> Result<&'t Arc<Function>, ServiceError> {
    let name = uuid.ok_or_else(|| missing(op, "uuid"))?;
    table.find(name.as_str()).ok_or_else(|| table.missing(name.as_str()))
}

impl Driver {
    /// A line: a request in JSON.
    pub(super) fn line(mut self: Box<Self>, at: usize, number: u64, line: &[u8]) -> Option<Box<Self>> {
        self.service.stats.requests.fetch_add(1, Ordering::Relaxed);
        let mut asked = Asked { id: None, frame: false, as_bytes: false, lines: false, detach: false };
        let mut request = match request::parse(line) {
            Ok(request) => request,
            Err(error) => {
                asked.id = request::id_of(line);
                self.reply(at, number, &asked, Err(error));
                return Some(self);
            }
        };
        (asked.as_bytes, asked.lines, asked.detach) = (request.bytes, request.logs, request.detach);
        asked.id = request.id.take();
        let Some(op) = request.op.clone() else {
            self.reply(at, number, &asked, Err(bad("a request needs the field 'op'")));
            return Some(self);
        };
        if let Some(beyond) = self.service.beyond.get().cloned() {
            match self.relay_line(&beyond, at, number, &asked, op.as_str(), &request) {
                Ok(driver) => return Some(driver),
                Err(driver) => self = driver,
            }
        } else if let Err(error) = super::relay::alone(op.as_str(), &request) {
            self.reply(at, number, &asked, Err(error));
            return Some(self);
        }
        match op.as_str() {
            "execute" | "chain" => {
                let read = self.job(at, &request).and_then(|job| {
                    let input = bytes(request.input.as_ref(), request.input_b64.as_ref(), "input")?;
                    Ok((job, input))
                });
                match read {
                    Ok((job, input)) => self.run(at, number, asked, &job, &input),
                    Err(error) => {
                        self.reply(at, number, &asked, Err(error));
                        Some(self)
                    }
                }
            }
            "load" => match load_of(&request, &self.tenant(at)) {
                Ok(load) => self.slowly(at, number, asked, |service, control| load.perform(service, control)),
                Err(error) => {
                    self.reply(at, number, &asked, Err(error));
                    Some(self)
                }
            },
            "unload" => {
                let name = request.uuid.as_ref().map(|name| name.as_str().to_string());
                let now = request.now;
                let tenant = self.tenant(at);
                self.slowly(at, number, asked, move |service, _| unload(service, &tenant, name, now))
            }
            "state" => {
                let owned = StateRequest::of(&request);
                let (table, tenant) = (self.table(at), self.tenant(at));
                self.slowly(at, number, asked, move |service, _| owned?.perform(service, &tenant, &table))
            }
            other => {
                let answer = self.quick(at, number, other, &request);
                self.reply(at, number, &asked, answer);
                Some(self)
            }
        }
    }

    fn job(&self, at: usize, request: &Request<'_>) -> Result<Job, ServiceError> {
        let table = &self.table(at);
        let stages = match &request.uuids {
            None => Stages::One(Arc::clone(function(table, "execute", request.uuid.as_ref())?)),
            Some(names) => {
                if names.is_empty() || names.len() > MOST_STAGES {
                    return Err(bad(format!("a chain of {} stages: 1 to {MOST_STAGES} are possible", names.len())));
                }
                let stages = names.iter().map(|name| function(table, "chain", Some(name)).cloned());
                Stages::Chain(stages.collect::<Result<_, _>>()?)
            }
        };
        let is_chain = request.op.as_ref().is_some_and(|op| op.as_str() == "chain");
        if is_chain != matches!(stages, Stages::Chain(_)) {
            return Err(if is_chain { missing("chain", "uuids") } else { bad("'uuids' belongs to 'chain'") });
        }
        Ok(Job {
            stages,
            config: request.config.unwrap_or_default(),
            entry: request.entry.as_ref().map(|entry| entry.as_str().to_string()),
            read_only: request.read_only,
        })
    }

    /// What takes no time.
    fn quick(&mut self, at: usize, number: u64, op: &str, request: &Request<'_>) -> Answer {
        match op {
            "ping" => Ok(json!({"pong": true})),
            "hello" => {
                self.introduce(at, request)?;
                if request.ordered
                    && let Some(connection) = self.connection(at)
                {
                    if !connection.in_flight.is_empty() {
                        return Err(bad("'ordered' can be asked for only while nothing is in flight"));
                    }
                    connection.order(number);
                }
                if request.frames
                    && let Some(connection) = self.connection(at)
                {
                    if connection.ordered || !connection.in_flight.is_empty() {
                        return Err(bad(
                            "'frames' can be asked for only while nothing is in flight, and not with 'ordered'",
                        ));
                    }
                    connection.language = Language::Frames;
                }
                Ok(described(&self.service, hello(&self.service, &self.tenant(at))))
            }
            "list" => Ok(Value::Array(self.table(at).all().iter().map(|function| entry(function)).collect())),
            "info" => function(&self.table(at), op, request.uuid.as_ref()).map(|function| {
                let mut entry = entry(function);
                let code = function.code.get();
                entry["imports"] = json!(code.map(|code| code.imports().to_vec()));
                entry["code_bytes"] = json!(code.map(|code| code.code_bytes()));
                entry
            }),
            "logs" => function(&self.table(at), op, request.uuid.as_ref()).map(|function| {
                let (lines, next) = function.lines(request.from);
                json!({"lines": lines, "next": next})
            }),
            "stats" => Ok(described(&self.service, stats(&self.service, &self.tenant(at)))),
            "cancel" => {
                let target = request.target.as_ref().ok_or_else(|| missing(op, "target"))?;
                match self.cancel(at, target) {
                    0 => {
                        let why = "nothing of that id is in flight on this connection: it may have ended";
                        Err(ServiceError::new(ErrorCode::NotFound, why))
                    }
                    cancelled => Ok(json!({"cancelled": cancelled})),
                }
            }
            other => {
                let known = [
                    "hello", "ping", "load", "execute", "chain", "list", "unload", "info", "stats", "cancel", "state",
                    "logs",
                ];
                let shown: String = other.chars().take(40).collect();
                let text = format!("there is no op '{}': there are {}", shown.escape_debug(), known.join(", "));
                Err(ServiceError::new(ErrorCode::UnknownOp, text))
            }
        }
    }

    /// Whose a connection is to be, as `hello` says.
    fn introduce(&mut self, at: usize, request: &Request<'_>) -> Result<(), ServiceError> {
        let tenants = &self.service.tenants;
        let tenant = match (&request.token, &request.tenant) {
            (None, None) => return Ok(()),
            (Some(token), None) => tenants.of_token(token.as_str()).ok_or_else(|| bad("nobody has that token"))?,
            (None, Some(name)) => {
                let mine = self.tenant(at);
                let found = if mine.is_own() { tenants.find(name.as_str()) } else { None };
                // Who else there is, is told to the server's own user only.
                found.or_else(|| (mine.name == name.as_str()).then_some(mine)).ok_or_else(|| {
                    bad("that is no tenant that you can be: only the server's own user can be others without a token")
                })?
            }
            (Some(_), Some(_)) => return Err(bad("'token' and 'tenant' are both there: give one of them")),
        };
        if self.connection(at).is_some_and(|connection| !connection.in_flight.is_empty()) {
            return Err(bad("a connection can become another tenant's only while nothing is in flight"));
        }
        self.becomes(at, tenant)
    }

    /// A frame.
    pub(super) fn frame(mut self: Box<Self>, at: usize, number: u64, bytes: &[u8]) -> Option<Box<Self>> {
        self.service.stats.requests.fetch_add(1, Ordering::Relaxed);
        let mut asked = Asked {
            id: Some(Id::Number(frames::id_of(bytes))),
            frame: true,
            as_bytes: true,
            lines: false,
            detach: false,
        };
        if let Some(beyond) = self.service.beyond.get().cloned() {
            return Some(self.relay_frame(&beyond, at, number, asked, frames::parse(bytes)));
        }
        let read = frames::parse(bytes).and_then(|frame| {
            let table = self.table(at);
            let find = |uuid| table.get(uuid).cloned().ok_or_else(|| table.missing(&uuid.to_string()));
            let stages = match &frame.what {
                What::Execute(uuid) => Stages::One(find(uuid)?),
                What::Chain(uuids) => Stages::Chain(uuids.iter().map(find).collect::<Result<_, _>>()?),
            };
            asked.detach = frame.detach;
            Ok((Job { stages, config: frame.config, entry: None, read_only: frame.read_only }, frame.input))
        });
        match read {
            Ok((job, input)) => self.run(at, number, asked, &job, input),
            Err(error) => {
                self.reply(at, number, &asked, Err(error));
                Some(self)
            }
        }
    }
}

/// A load, with everything that it needs of the request.
pub(super) struct Loading {
    path: Option<String>,
    base64: Option<String>,
    name: Option<String>,
    pub(super) recipe: Recipe,
    files: Vec<u8>,
    pub(super) config: crate::limits::ExecutionConfig,
    pub(super) replace: bool,
    tenant: Arc<Tenant>,
}

pub(super) fn load_of(request: &Request<'_>, tenant: &Arc<Tenant>) -> Result<Loading, ServiceError> {
    let owned = |text: &Option<Text<'_>>| text.as_ref().map(|text| text.as_str().to_string());
    let (path, base64) = (owned(&request.path), owned(&request.wasm_b64));
    if path.is_some() == base64.is_some() {
        return Err(bad("'load' needs one of the fields 'path' and 'wasm_b64'"));
    }
    let kind = match request.kind.as_ref().map(Text::as_str) {
        None | Some("plugin") => Kind::Plugin,
        Some("wasi") => Kind::Wasi,
        Some(other) => {
            let shown: String = other.chars().take(40).collect();
            return Err(bad(format!("there is no kind '{}': there are plugin and wasi", shown.escape_debug())));
        }
    };
    let (program, files) = match kind {
        Kind::Wasi => {
            let (given, files) = super::program::given(request)?;
            (Some(given), files)
        }
        Kind::Plugin => {
            let all =
                [request.files.is_some(), request.preopens.is_some(), request.env.is_some(), request.args.is_some()];
            if all.contains(&true) {
                return Err(bad("'files', 'preopens', 'env' and 'args' are for programs: say \"kind\":\"wasi\""));
            }
            (None, Vec::new())
        }
    };
    let recipe = Recipe { kind, state: owned(&request.state), tenant: tenant.label().map(str::to_string), program };
    if recipe.state.as_ref().is_some_and(|name| name.is_empty() || name.len() > 256) {
        return Err(bad("the name of a namespace has 1 to 256 bytes"));
    }
    let config = request.config.unwrap_or_default();
    let (name, tenant) = (owned(&request.name), Arc::clone(tenant));
    Ok(Loading { path, base64, name, recipe, files, config, replace: request.replace, tenant })
}

/// The module of a load.
pub(super) fn read_of(load: Loading, service: &Service) -> Result<(Loading, Vec<u8>), ServiceError> {
    use base64::Engine as _;
    let wasm = match (&load.path, &load.base64) {
        (Some(path), _) => service.read_module(path)?,
        (None, Some(text)) => base64::engine::general_purpose::STANDARD
            .decode(text)
            .map_err(|error| bad(format!("'wasm_b64' is no base64: {error}")))?,
        (None, None) => return Err(missing("load", "path")),
    };
    Ok((load, wasm))
}

impl Loading {
    /// What the function is to be called: as was said, or by the file, or by the content.
    pub(super) fn called(&self, wasm: &[u8]) -> String {
        let stem = self.path.as_deref().and_then(|path| std::path::Path::new(path).file_stem()?.to_str());
        match (&self.name, stem) {
            (Some(name), _) => name.clone(),
            (None, Some(stem)) => stem.to_string(),
            (None, None) => blake3::hash(wasm).to_hex().chars().take(16).collect(),
        }
    }

    fn perform(self, service: &Service, control: &Control) -> Answer {
        if service.is_shutting_down() {
            return Err(crate::execute::shutting_down());
        }
        let (load, wasm) = read_of(self, service)?;
        let name = load.called(&wasm);
        let started = std::time::Instant::now();
        let called = name.clone();
        let tenant = load.tenant;
        let load = Load {
            wasm,
            files: load.files,
            name,
            recipe: load.recipe,
            config: load.config,
            replace: load.replace,
            quotas: tenant.quotas,
        };
        // Compiling is work like that of executions that take long: as many at a time as there are processors, the others in line.
        let (function, cached) = {
            let deadline = started + Duration::from_millis(service.limits.timeout_ms);
            let _place = service.crew.places.hold(&tenant.name, deadline, control).map_err(|cancelled| {
                let failure = if cancelled { control.failure() } else { Failure::Timeout(service.limits.timeout_ms) };
                ServiceError::new(code_of(&failure), format!("the module was not loaded: {failure}"))
            })?;
            service.registry.load(load)?
        };
        if !cached {
            service.stats.compiled.fetch_add(1, Ordering::Relaxed);
        }
        let imports = function.code.get().map(|code| code.imports().to_vec()).unwrap_or_default();
        Ok(json!({
            "uuid": function.uuid.to_string(),
            "name": called,
            "digest": blake3::Hash::from(function.digest).to_hex().as_str(),
            "bytes": function.bytes,
            "kind": function.recipe.kind.name(),
            "cached": cached,
            "compile_us": u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
            "imports": imports,
        }))
    }
}

fn unload(service: &Service, tenant: &Tenant, name: Option<String>, now: bool) -> Answer {
    let name = name.ok_or_else(|| missing("unload", "uuid"))?;
    let function = service.registry.unload(&tenant.name, &name)?;
    let cut = if now { service.cancel_all(function.uuid) } else { 0 };
    Ok(json!({"uuid": function.uuid.to_string(), "name": function.name(), "cut": cut}))
}

/// A request for state, with everything that it needs.
struct StateRequest {
    name: String,
    act: Act,
}

enum Act {
    Get(Vec<u8>),
    Set(Vec<u8>, Vec<u8>),
    Delete(Vec<u8>),
    List(Vec<u8>),
}

impl StateRequest {
    fn of(request: &Request<'_>) -> Result<Self, ServiceError> {
        let name = request.uuid.as_ref().ok_or_else(|| missing("state", "uuid"))?.as_str().to_string();
        let key = |text: &Text<'_>| text.0.as_bytes().to_vec();
        let act = match (&request.get, &request.set, &request.delete, &request.list) {
            (Some(get), None, None, None) => Act::Get(key(get)),
            (None, Some(set), None, None) => {
                if request.value.is_none() && request.value_b64.is_none() {
                    return Err(missing("state", "value"));
                }
                let value = bytes(request.value.as_ref(), request.value_b64.as_ref(), "value")?;
                Act::Set(key(set), value.into_owned())
            }
            (None, None, Some(delete), None) => Act::Delete(key(delete)),
            (None, None, None, Some(list)) => Act::List(key(list)),
            _ => return Err(bad("'state' needs one of the fields 'get', 'set', 'delete' and 'list'")),
        };
        Ok(Self { name, act })
    }

    fn perform(self, service: &Arc<Service>, tenant: &Tenant, table: &Table) -> Answer {
        let function = table.find(&self.name).ok_or_else(|| table.missing(&self.name))?;
        let failed = |error: crate::state::StateError| ServiceError::new(ErrorCode::Node, error.to_string());
        let space = function.namespace;
        let limits = &service.limits;
        let too_large = |what: &str, bytes: usize, most: u64| {
            bad(format!("the {what} has {bytes} bytes, at most {most} are possible"))
        };
        let (Act::Get(key) | Act::Set(key, _) | Act::Delete(key) | Act::List(key)) = &self.act;
        if key.len() as u64 > limits.key_bytes {
            return Err(too_large("key", key.len(), limits.key_bytes));
        }
        let mut overlay = Overlay::default();
        overlay.belongs_to(tenant.owner());
        match self.act {
            Act::Get(key) => {
                let value = overlay.get(&service.state, &space, &key).map_err(failed)?;
                service.settle().map_err(failed)?;
                let mut out = b"{".to_vec();
                match &value {
                    Some(value) => super::answer::output(&mut out, "value", value, false),
                    None => out.extend_from_slice(b"\"value\":null"),
                }
                out.push(b'}');
                serde_json::from_slice(&out).map_err(|error| ServiceError::new(ErrorCode::Node, error.to_string()))
            }
            Act::List(prefix) => {
                let mut keys = Vec::new();
                let mut each = |key: &[u8]| {
                    keys.push(String::from_utf8_lossy(key).into_owned());
                    true
                };
                // Each key is sent: what no client would be given is not looked for.
                let most = limits.line_bytes.saturating_mul(8);
                if !overlay.list(&service.state, &space, &prefix, most, &mut each).map_err(failed)? {
                    return Err(bad("there are too many keys for one answer: ask with a longer prefix"));
                }
                service.settle().map_err(failed)?;
                Ok(json!({"keys": keys}))
            }
            Act::Set(key, value) => {
                if value.len() as u64 > limits.value_bytes {
                    return Err(too_large("value", value.len(), limits.value_bytes));
                }
                overlay.set(&space, &key, Some(&value));
                commit(service, &overlay)?;
                Ok(json!({"bytes": value.len()}))
            }
            Act::Delete(key) => loop {
                overlay.clear();
                let found = overlay.get(&service.state, &space, &key).map_err(failed)?.is_some();
                overlay.set(&space, &key, None);
                if commit(service, &overlay)? {
                    break Ok(json!({"deleted": found}));
                }
            },
        }
    }
}

/// Commits from a thread that may wait. False when others came first.
fn commit(service: &Service, overlay: &Overlay) -> Result<bool, ServiceError> {
    let failed = |error: crate::state::StateError| ServiceError::new(ErrorCode::Node, error.to_string());
    match service.state.commit(overlay).map_err(failed)? {
        Commit::Conflict => Ok(false),
        Commit::Quota(most) => {
            let text = format!("your state may have {most} bytes, and it would have more");
            Err(ServiceError::new(ErrorCode::StateConflict, text))
        }
        Commit::Full => {
            let most = service.limits.state_bytes;
            Err(ServiceError::new(ErrorCode::StateConflict, format!("the state of this server may have {most} bytes")))
        }
        Commit::Done(_) => {
            service.settle().map_err(failed)?;
            Ok(true)
        }
    }
}

/// With what there is to say about whoever is beyond.
fn described(service: &Service, mut value: Value) -> Value {
    if let Some(beyond) = service.beyond.get() {
        beyond.describe(&mut value);
    }
    value
}

fn hello(service: &Service, tenant: &Tenant) -> Value {
    json!({
        "tenant": tenant.name,
        "protocol": VERSION,
        "server": concat!("replicode-functions ", env!("CARGO_PKG_VERSION")),
        "pid": std::process::id(),
        "limits": service.limits,
        "defaults": crate::limits::ExecutionConfig::DEFAULT,
        "stages": MOST_STAGES,
    })
}

fn entry(function: &Function) -> Value {
    let load = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    let stats = &function.stats;
    let code = function.code.get();
    json!({
        "name": function.name(),
        "names": function.names,
        "uuid": function.uuid.to_string(),
        "digest": blake3::Hash::from(function.digest).to_hex().as_str(),
        "kind": function.recipe.kind.name(),
        "bytes": function.bytes,
        "memory": code.map(|code| code.memory_bytes()),
        "state": function.recipe.state,
        "program": function.recipe.program,
        "stateful": code.map(|code| code.is_stateful()),
        "config": function.config,
        "executions": load(&stats.executions),
        "failures": load(&stats.failures),
        "fuel": load(&stats.fuel),
        "p50_us": stats.latency.percentile(0.5),
        "p99_us": stats.latency.percentile(0.99),
        "last_used_ms": load(&stats.last_used_ms),
    })
}

fn stats(service: &Arc<Service>, tenant: &Tenant) -> Value {
    let load = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    // Whoever is not the server's own user is told of itself.
    let (stats, held, state, in_flight) = match tenant.label() {
        None => {
            let away = service.crew.away.load(Ordering::Relaxed) as u64;
            (&service.stats, service.registry.held(), service.state.bytes(), away)
        }
        Some(name) => {
            (&tenant.stats, service.registry.held_by(name), service.state.bytes_of(share_of(name)), load(&tenant.away))
        }
    };
    let failures: serde_json::Map<String, Value> =
        stats.failures().into_iter().map(|(name, count)| (name.to_string(), json!(count))).collect();
    let mut all = json!({
        "executions": load(&stats.succeeded) + failures.values().filter_map(Value::as_u64).sum::<u64>(),
        "succeeded": load(&stats.succeeded),
        "failed": failures,
        "fuel": load(&stats.fuel),
        "p50_us": stats.latency.percentile(0.5),
        "p99_us": stats.latency.percentile(0.99),
        "connections": load(&stats.connections),
        "connected": load(&stats.connected),
        "in_flight": in_flight,
        "functions": held.functions,
        "module_bytes": held.modules,
        "code_bytes": held.code,
        "state_bytes": state,
    });
    if tenant.is_own() {
        all["uptime_ms"] = json!(u64::try_from(service.age().as_millis()).unwrap_or(u64::MAX));
        all["requests"] = json!(load(&stats.requests));
        all["moved"] = json!(load(&stats.moved));
        all["conflicts"] = json!(load(&stats.conflicts));
        all["compiled"] = json!(load(&stats.compiled));
        all["threads"] = json!(service.crew.threads());
        all["tenants"] = json!(service.tenants.count());
    }
    all
}
