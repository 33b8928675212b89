//! Functions in the log of a cell: the same engine, code and fuel as in a server, for a world of cells.
//!
//! What runs is the [`Run`] of the service. Its host is lent through thread-local storage for the time of a run, as contracts'
//! hosts are: the world is borrowed from a transaction, and a store of the engine owns what is in it. No clock is looked at between slices:
//! fuel alone ends a run.

use super::code::{ENTRY, FunctionCode, LoadError};
use super::engine::{FunctionEngine, FunctionSettings};
use super::failure::Failure;
use super::host::Host;
use super::run::{Run, RunLimits};
use crate::engine::EngineError;
use replicode_contracts::functions::{Code, Denied, Facts, Functions, Refused, Stage, StageEnd, World, limits};
use scoped_tls_hkt::scoped_thread_local;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

scoped_thread_local!(static mut WORLD: for<'a> &'a mut dyn World);

/// Instances that a store gets before it is made anew.
const IN_STORE: u32 = 8;
/// Instances that one thread may have: of the deepest nesting of functions each level has a store, and others wait on the thread. With more a
/// node would stop, so none can be needed.
const INSTANCES: u32 = (limits::DEPTH + SPARE as u32 + 2) * IN_STORE;
/// Runs that a thread keeps for the next execution.
const SPARE: usize = 2;
/// Modules whose code is at hand, at most: more than a cell may have, for those that were unloaded.
const CODES: usize = 2 * limits::FUNCTIONS as usize;
/// Bytes of machine code that are at hand, at most; what was used least recently beyond it is made again when it is needed. All modules that a
/// cell may have fit, at what is usual for their code: a cell whose functions go in and out by turns would mostly compile.
const CODE_BYTES: u64 = 1 << 30;

type CodeOf = Arc<FunctionCode<Lent>>;

/// What all nodes of a cell agree on about the code of functions.
#[must_use]
pub fn settings(threads: u32) -> FunctionSettings {
    FunctionSettings {
        memory_bytes: limits::MOST_MEMORY_MB * limits::MB,
        module_bytes: limits::MODULE_BYTES as u64,
        instances: threads.max(1).saturating_mul(INSTANCES),
        ..FunctionSettings::default()
    }
}

/// The code of functions as nodes compare it: everything that changes what a function does, or what it burns, in one hash.
#[must_use]
pub fn fingerprint() -> [u8; 32] {
    *replicode_log::Digest::of(fingerprint_text(&limits::rules(), &super::link::prices()).as_bytes()).bytes()
}

fn fingerprint_text(rules: &str, prices: &str) -> String {
    let transform = settings(1).transform(super::link::table()).digest();
    let transform: String = transform.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("transform {transform}\nprices {prices}\n{rules}")
}

/// Runs the functions of a cell. Shared by all threads that execute.
pub struct LogFunctions {
    threads: u32,
    shared: OnceLock<Result<Arc<Shared>, EngineError>>,
}

/// Made when it is first needed: most cells have no functions, and the pools take room in the address space.
struct Shared {
    engine: FunctionEngine<Lent>,
    kept: RwLock<Kept<CodeOf>>,
    /// Goes on with each code that is made: who was used since which one.
    made: AtomicU64,
}

/// Code at hand, with its bytes.
struct Kept<C> {
    by_digest: BTreeMap<[u8; 32], At<C>>,
    bytes: u64,
}

struct At<C> {
    code: C,
    bytes: u64,
    used: AtomicU64,
}

impl<C> Default for Kept<C> {
    fn default() -> Self {
        Self { by_digest: BTreeMap::new(), bytes: 0 }
    }
}

impl<C: Clone> Kept<C> {
    fn get(&self, digest: &[u8; 32], now: u64) -> Option<C> {
        let at = self.by_digest.get(digest)?;
        at.used.store(now, Ordering::Relaxed);
        Some(at.code.clone())
    }

    /// Keeps it; of two with one digest the first. Those that were used least recently go, until no more than so many, and so many bytes, stay.
    fn put(&mut self, digest: [u8; 32], code: C, bytes: u64, now: u64, most: (usize, u64)) -> C {
        if let Some(there) = self.get(&digest, now) {
            return there;
        }
        let fits = |len: usize, held: u64| len < most.0 && held.saturating_add(bytes) <= most.1;
        if !fits(self.by_digest.len(), self.bytes) {
            let mut all: Vec<(u64, [u8; 32])> =
                self.by_digest.iter().map(|(digest, at)| (at.used.load(Ordering::Relaxed), *digest)).collect();
            all.sort_unstable();
            for (_, oldest) in all {
                if fits(self.by_digest.len(), self.bytes) {
                    break;
                }
                let gone = self.by_digest.remove(&oldest);
                self.bytes = self.bytes.saturating_sub(gone.map_or(0, |gone| gone.bytes));
            }
        }
        self.bytes = self.bytes.saturating_add(bytes);
        self.by_digest.insert(digest, At { code: code.clone(), bytes, used: AtomicU64::new(now) });
        code
    }
}

impl std::fmt::Debug for LogFunctions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogFunctions").field("threads", &self.threads).finish_non_exhaustive()
    }
}

impl LogFunctions {
    /// For so many threads that run functions at the same time.
    #[must_use]
    pub const fn new(threads: u32) -> Self {
        Self { threads, shared: OnceLock::new() }
    }

    fn shared(&self) -> Result<&Arc<Shared>, String> {
        let made = self.shared.get_or_init(|| {
            let engine = FunctionEngine::new(&settings(self.threads))?;
            Ok(Arc::new(Shared { engine, kept: RwLock::default(), made: AtomicU64::new(0) }))
        });
        made.as_ref().map_err(ToString::to_string)
    }
}

impl Shared {
    fn at_hand(&self, digest: &[u8; 32]) -> Option<CodeOf> {
        // Poison would mean a panic of the map itself; what is in it is whole.
        let now = self.made.load(Ordering::Relaxed);
        self.kept.read().unwrap_or_else(PoisonError::into_inner).get(digest, now)
    }

    fn make(&self, digest: &[u8; 32], wasm: &[u8]) -> Result<CodeOf, LoadError> {
        if let Some(code) = self.at_hand(digest) {
            return Ok(code);
        }
        let code = self.engine.compile(wasm)?;
        code.check_entry()?;
        let bytes = code.code_bytes();
        let now = self.made.fetch_add(1, Ordering::Relaxed) + 1;
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        Ok(kept.put(*digest, Arc::new(code), bytes, now, (CODES, CODE_BYTES)))
    }

    /// The code of a stored module.
    fn stored(&self, digest: &[u8; 32], world: &mut dyn World) -> Result<CodeOf, Failure> {
        if let Some(code) = self.at_hand(digest) {
            return Ok(code);
        }
        let wasm = world.module(digest).map_err(denied)?;
        // It was fit to run once: engine or rules are not those of the cell.
        self.make(digest, &wasm).map_err(|error| Failure::Host(error.to_string()))
    }
}

impl Functions for LogFunctions {
    fn check(&self, digest: &[u8; 32], wasm: &[u8]) -> Result<Result<Facts, Refused>, String> {
        let error = match self.shared()?.make(digest, wasm) {
            Ok(code) => {
                let (memory, stateful) = (code.memory_bytes(), code.is_stateful());
                return Ok(Ok(Facts { imports: code.imports().to_vec(), memory, stateful }));
            }
            Err(error) => error,
        };
        let code = match &error {
            LoadError::Bad(_) => Code::BadModule,
            LoadError::Import(_) => Code::UnsupportedImport,
            LoadError::Entry(_) => Code::NoEntry,
            LoadError::Host(why) => return Err(why.clone()),
        };
        Ok(Err(Refused { code, message: format!("the module cannot be loaded: {error}"), returned: None }))
    }

    fn run(&self, stage: &Stage<'_>, input: &[u8], world: &mut dyn World) -> Result<StageEnd, String> {
        let shared = self.shared()?;
        let code = match shared.stored(stage.digest, world) {
            Ok(code) => code,
            Err(failure) => return Err(failure.to_string()),
        };
        let mut run = take(shared);
        run.begin(RunLimits {
            fuel: stage.fuel,
            first_slice: limits::FIRST_SLICE,
            slice: limits::SLICE,
            memory_bytes: stage.memory_bytes,
            output_bytes: stage.output_bytes,
            instances: IN_STORE,
        });
        let entry = stage.entry.unwrap_or(ENTRY);
        let (mut run, result) = WORLD.set(world, || run.execute(&code, entry, input));
        let (fuel, memory) = (run.fuel(), run.memory());
        let output = std::mem::take(&mut run.output);
        put(run);
        let result = match result {
            Ok(()) => Ok(()),
            Err(failure) => Err(told(failure)?),
        };
        Ok(StageEnd { result, output, fuel, memory })
    }
}

thread_local! {
    #[expect(clippy::vec_box, reason = "a run is handed around in its box")]
    static WAITS: RefCell<Vec<Box<Run<Lent>>>> = const { RefCell::new(Vec::new()) };
}

/// What an execution needs, from an earlier one of this thread if there is one.
fn take(shared: &Arc<Shared>) -> Box<Run<Lent>> {
    let waiting = WAITS.with_borrow_mut(Vec::pop).filter(|run| Arc::ptr_eq(&run.host.0, shared));
    waiting.unwrap_or_else(|| Box::new(Run::new(Lent(Arc::clone(shared))).with_instances(IN_STORE)))
}

fn put(mut run: Box<Run<Lent>>) {
    run.trim(1);
    let rejected = WAITS.with_borrow_mut(|waits| {
        if waits.len() >= SPARE {
            return Some(run);
        }
        waits.push(run);
        None
    });
    // Its stores are dropped when nobody has the list any more.
    drop(rejected);
}

/// The world of a run, as long as it is lent.
struct Lent(Arc<Shared>);

fn denied(denied: Denied) -> Failure {
    match denied {
        Denied::State(why) => Failure::State(why),
        Denied::ReadOnly => Failure::ReadOnly,
        Denied::Log { wrote, limit } => Failure::Log { wrote, limit },
        Denied::Memory { asked, limit } => Failure::Memory { asked, limit },
        Denied::Depth(most) => Failure::Depth(most),
        Denied::Lost => Failure::Host("the run is worth nothing".into()),
    }
}

/// A failure as it stands in a receipt; an error where it is the node's, and no function's.
fn told(failure: Failure) -> Result<Refused, String> {
    let message = failure.to_string();
    let (code, returned) = match failure {
        Failure::Trap(_) | Failure::Depth(_) => (Code::Trap, None),
        Failure::Plugin { code, .. } => (Code::Plugin, Some(code)),
        Failure::NoEntry { .. } => (Code::NoEntry, None),
        Failure::Fuel(_) => (Code::Fuel, None),
        Failure::Memory { .. } => (Code::Memory, None),
        Failure::Output { .. } => (Code::OutputTooLarge, None),
        Failure::Log { .. } => (Code::LogTooLarge, None),
        Failure::State(_) => (Code::StateConflict, None),
        Failure::ReadOnly => (Code::ReadOnly, None),
        _ => return Err(message),
    };
    Ok(Refused { code, message, returned })
}

impl Host for Lent {
    fn slice(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    fn get(&mut self, key: &[u8], value: &mut Vec<u8>) -> Result<bool, Failure> {
        WORLD.with(|world| world.get(key, value)).map_err(denied)
    }

    fn set(&mut self, key: &[u8], value: &[u8]) -> Result<(), Failure> {
        WORLD.with(|world| world.set(key, value)).map_err(denied)
    }

    fn delete(&mut self, key: &[u8]) -> Result<bool, Failure> {
        WORLD.with(|world| world.delete(key)).map_err(denied)
    }

    fn list(&mut self, prefix: &[u8], each: &mut dyn FnMut(&[u8]) -> bool) -> Result<(), Failure> {
        WORLD.with(|world| world.list(prefix, each)).map_err(denied)
    }

    fn log(&mut self, line: &[u8]) -> Result<(), Failure> {
        WORLD.with(|world| world.log(line)).map_err(denied)
    }

    fn enter(&mut self, name: &[u8]) -> Result<Option<Arc<FunctionCode<Self>>>, Failure> {
        WORLD.with(|world| {
            let Some(digest) = world.enter(name).map_err(denied)? else { return Ok(None) };
            self.0.stored(&digest, world).map(Some)
        })
    }

    fn leave(&mut self, well: bool) {
        WORLD.with(|world| world.leave(well));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_and_price_is_in_the_fingerprint() {
        let ours = fingerprint_text(&limits::rules(), &super::super::link::prices());
        assert!(limits::ALL.iter().all(|(name, value)| ours.contains(&format!("{name} {value}\n"))), "{ours}");
        assert!(ours.contains("key ") && ours.contains("transform "), "{ours}");
        let other = fingerprint_text(&limits::rules().replacen('1', "2", 1), &super::super::link::prices());
        assert_ne!(ours, other);
        assert_eq!(fingerprint(), *replicode_log::Digest::of(ours.as_bytes()).bytes());
    }

    #[test]
    fn what_was_used_least_recently_goes_first_and_bytes_are_bounded() {
        let mut kept = Kept::default();
        for number in 0..4 {
            assert_eq!(kept.put([number; 32], number, 10, number.into(), (10, 40)), number);
        }
        assert_eq!(kept.get(&[0; 32], 4), Some(0));
        // One of 15 bytes: the two that were used longest ago have to go.
        kept.put([9; 32], 9, 15, 5, (10, 40));
        let there: Vec<u8> = kept.by_digest.values().map(|at| at.code).collect();
        assert_eq!((there, kept.bytes), (vec![0, 3, 9], 35));
        // The same once more is not counted twice, and the first one stays.
        assert_eq!(kept.put([9; 32], 7, 15, 6, (10, 40)), 9);
        assert_eq!(kept.bytes, 35);
        // By number as well; and one alone is kept however large it is.
        kept.put([8; 32], 8, 1, 7, (3, 40));
        assert_eq!(kept.by_digest.len(), 3);
        kept.put([7; 32], 7, 100, 8, (3, 40));
        assert_eq!((kept.by_digest.len(), kept.bytes), (1, 100));
    }
}
