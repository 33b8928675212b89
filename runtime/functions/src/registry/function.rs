//! One function: what it is, its code when it is at hand, what it has done so far.

use super::Load;
use crate::env::Env;
use crate::limits::ExecutionConfig;
use crate::state::{Namespace, Share};
use crate::stats::Histogram;
use crate::uuid::Uuid;
use replicode_wasm::functions::FunctionCode;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// What kind of module it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// It exports `process`.
    #[default]
    Plugin,
    /// A program of WASI preview 1, with standard input and output.
    Wasi,
}

impl Kind {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plugin => "plugin",
            Self::Wasi => "wasi",
        }
    }
}

/// What makes a function that function, besides the bytes of its module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipe {
    /// The kind of module.
    pub kind: Kind,
    /// The namespace of its state; its own without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Whose it is; the server's own user's without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// What a program finds; of plugins nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<Given>,
}

/// What a program finds when it runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given {
    /// Its environment, in order.
    pub env: Vec<(String, String)>,
    /// Its arguments, its own name first; a name alone without any.
    pub args: Vec<String>,
    /// BLAKE3 of its files, in hexadecimal; none without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<String>,
    /// Bytes of its files.
    pub file_bytes: u64,
}

impl Recipe {
    /// The number of the function that is made of a module like this.
    #[must_use]
    pub fn uuid(&self, digest: &[u8; 32]) -> Uuid {
        let state = self.state.as_deref();
        let given = self.program.as_ref().map(|given| {
            let mut parts = vec![given.files.as_deref().unwrap_or("").as_bytes().to_vec()];
            parts.push((given.env.len() as u64).to_le_bytes().to_vec());
            let env = given.env.iter().flat_map(|(name, value)| [name, value]);
            parts.extend(env.chain(&given.args).map(|text| text.as_bytes().to_vec()));
            parts
        });
        let mut parts: Vec<&[u8]> = vec![digest, self.kind.name().as_bytes()];
        let has_state = [state.is_some().into()];
        parts.extend([&has_state[..], state.unwrap_or("").as_bytes()]);
        parts.extend(given.iter().flatten().map(Vec::as_slice));
        if let Some(tenant) = &self.tenant {
            // The same bytes of two tenants are two functions: a number tells nobody that another one has them, too.
            parts.extend([&b"tenant"[..], tenant.as_bytes()]);
        }
        Uuid::of(&parts)
    }

    /// Bytes of files that a program is given.
    #[must_use]
    pub fn file_bytes(&self) -> u64 {
        self.program.as_ref().map_or(0, |given| given.file_bytes)
    }

    /// Where its state is.
    #[must_use]
    pub fn namespace(&self, uuid: Uuid) -> Namespace {
        let mut space = self.state.as_deref().map_or(uuid.0, namespace);
        if let (Some(tenant), Some(head)) = (&self.tenant, space.first_chunk_mut()) {
            *head = share_of(tenant);
        }
        space
    }
}

/// What all namespaces of a tenant with a name begin with.
#[must_use]
pub fn share_of(tenant: &str) -> Share {
    let mut share = [0; 8];
    share.copy_from_slice(&Uuid::of(&[b"tenant", tenant.as_bytes()]).0[..8]);
    share
}

/// The namespace of that name.
fn namespace(name: &str) -> Namespace {
    Uuid::of(&[b"namespace", name.as_bytes()]).0
}

/// What a function has done so far, and its newest lines of log. Shared by all copies of it.
#[derive(Debug, Default)]
pub struct Stats {
    /// Executions that have ended.
    pub executions: AtomicU64,
    /// Those that failed.
    pub failures: AtomicU64,
    /// Fuel that all of them burnt.
    pub fuel: AtomicU64,
    /// How long they took.
    pub latency: Histogram,
    /// Milliseconds since 1970 when it ended last.
    pub last_used_ms: AtomicU64,
    tick: AtomicU64,
    /// Whether it has been unloaded.
    unloaded: AtomicBool,
    lines: Mutex<Lines>,
}

#[derive(Debug, Default)]
struct Lines {
    /// Number of the first line that is still there.
    first: u64,
    lines: VecDeque<String>,
    bytes: usize,
}

/// A function.
#[derive(Debug)]
pub struct Function {
    /// Its number.
    pub uuid: Uuid,
    /// BLAKE3 of its module.
    pub digest: [u8; 32],
    /// What it is called; the first name is the one that is shown.
    pub names: Vec<String>,
    /// Bytes of its module.
    pub bytes: u64,
    /// What else makes it that function.
    pub recipe: Recipe,
    /// Where its state is.
    pub namespace: Namespace,
    /// What its executions may use unless they say something else.
    pub config: ExecutionConfig,
    /// Grows with each name that any function is given: of two that say the same name is theirs, the greater is right.
    pub(super) number: u64,
    /// What it has done.
    pub stats: Arc<Stats>,
    /// Its code, once it is needed.
    pub(crate) code: OnceLock<Arc<FunctionCode<Env>>>,
    /// Its module, where there is no disk.
    pub(crate) wasm: OnceLock<Vec<u8>>,
    /// Its files, encoded, where there is no disk.
    pub(crate) files: OnceLock<Vec<u8>>,
}

impl Function {
    pub(super) fn new(uuid: Uuid, digest: [u8; 32], load: &Load, number: u64) -> Self {
        Self {
            uuid,
            digest,
            names: vec![load.name.clone()],
            bytes: load.wasm.len() as u64,
            namespace: load.recipe.namespace(uuid),
            recipe: load.recipe.clone(),
            config: load.config,
            number,
            stats: Arc::default(),
            code: OnceLock::new(),
            wasm: OnceLock::new(),
            files: OnceLock::new(),
        }
    }

    /// Bytes of its module, and of the files that it is given.
    #[must_use]
    pub fn all_bytes(&self) -> u64 {
        self.bytes + self.recipe.file_bytes()
    }

    /// The name that is shown.
    #[must_use]
    pub fn name(&self) -> &str {
        self.names.first().map_or("", String::as_str)
    }

    fn copy(&self, with_code: bool) -> Self {
        let code = OnceLock::new();
        if let Some(own) = self.code.get().filter(|_| with_code) {
            let _ = code.set(Arc::clone(own));
        }
        Self {
            uuid: self.uuid,
            digest: self.digest,
            names: self.names.clone(),
            bytes: self.bytes,
            recipe: self.recipe.clone(),
            namespace: self.namespace,
            config: self.config,
            number: self.number,
            stats: Arc::clone(&self.stats),
            code,
            wasm: self.wasm.clone(),
            files: self.files.clone(),
        }
    }

    pub(super) fn without_code(&self) -> Self {
        self.copy(false)
    }

    pub(super) fn without_code_lost(&self) -> Self {
        self.copy(true)
    }

    /// The same, with one more name if it has not got it, and other defaults.
    pub(super) fn renamed(&self, name: &str, config: ExecutionConfig, number: u64) -> Self {
        let mut new = self.copy(true);
        new.number = number;
        if !new.names.iter().any(|own| own == name) {
            new.names.push(name.to_string());
        }
        new.config = config;
        new
    }

    /// It has been used.
    pub(crate) fn used(&self, tick: u64) {
        self.stats.tick.store(tick, Ordering::Relaxed);
    }

    pub(super) fn last_tick(&self) -> u64 {
        self.stats.tick.load(Ordering::Relaxed)
    }

    pub(super) fn unload(&self) {
        self.stats.unloaded.store(true, Ordering::Relaxed);
    }

    /// Keeps lines of its log, the newest thousand.
    pub(crate) fn keep_lines(&self, new: &[String]) {
        const MOST: usize = 1000;
        const MOST_BYTES: usize = 1 << 20;
        let mut kept = self.stats.lines.lock().unwrap_or_else(PoisonError::into_inner);
        for line in new {
            kept.bytes += line.len();
            kept.lines.push_back(line.clone());
        }
        while kept.lines.len() > MOST || kept.bytes > MOST_BYTES {
            let Some(line) = kept.lines.pop_front() else { break };
            kept.bytes = kept.bytes.saturating_sub(line.len());
            kept.first += 1;
        }
    }

    /// Its lines from number `from` on, and the number of the one that will come next.
    pub(crate) fn lines(&self, from: u64) -> (Vec<String>, u64) {
        let kept = self.stats.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let skip = from.saturating_sub(kept.first).min(kept.lines.len() as u64) as usize;
        let next = kept.first + kept.lines.len() as u64;
        (kept.lines.iter().skip(skip).cloned().collect(), next)
    }
}
