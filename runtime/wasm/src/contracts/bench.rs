//! Stores: made rarely, used for a few frames, one after the other.
//!
//! Making a store costs a third of a call, and threads that make them meet in the engine's counts of references. So a thread keeps some;
//! a frame takes one and puts it back. Instances live as long as their store: after a few frames it is made anew, so that what is in use
//! stays in the processor's caches. A frame within a frame takes another one.

use super::engine::WAITING;
use super::lend::Frame;
use std::cell::RefCell;
use wasmtime::{Engine, Store};

/// Instances that a store gets before it is made anew, whatever they are.
const MOST_INSTANCES: u32 = 64;
/// Bytes of their memories that it gets at most: what is in use stays in the caches of one core.
const MOST_BYTES: u64 = 1 << 20;

struct Bench {
    store: Store<Frame>,
    /// Instances in it.
    instances: u32,
    /// Bytes of their memories, at most.
    bytes: u64,
}

thread_local! {
    static WAITS: RefCell<Vec<Bench>> = const { RefCell::new(Vec::new()) };
}

/// Runs something with a store of this thread. It says how many instances it has made; each has as much memory as `memory_bytes` at most.
pub(super) fn with<R>(engine: &Engine, memory_bytes: u64, act: impl FnOnce(&mut Store<Frame>) -> (R, u32)) -> R {
    let mut bench = take(engine).unwrap_or_else(|| Bench { store: new_store(engine), instances: 0, bytes: 0 });
    let (result, instances) = act(&mut bench.store);
    bench.instances += instances;
    bench.bytes = bench.bytes.saturating_add(memory_bytes.saturating_mul(instances.into()));
    if bench.instances < MOST_INSTANCES && bench.bytes < MOST_BYTES {
        put(bench);
    }
    result
}

/// Gives back all instances that wait on this thread.
pub(super) fn flush() {
    // The stores are dropped when nobody has the list any more.
    drop(WAITS.with_borrow_mut(std::mem::take));
}

fn new_store(engine: &Engine) -> Store<Frame> {
    let mut store = Store::new(engine, Frame::new());
    store.limiter(|frame| &mut frame.cap);
    store
}

fn take(engine: &Engine) -> Option<Bench> {
    let bench = WAITS.with_borrow_mut(Vec::pop)?;
    Engine::same(bench.store.engine(), engine).then_some(bench)
}

fn put(bench: Bench) {
    let rejected = WAITS.with_borrow_mut(|waits| {
        let waiting: u32 = waits.iter().map(|bench| bench.instances).sum();
        if waiting + bench.instances > WAITING {
            return Some(bench);
        }
        waits.push(bench);
        None
    });
    drop(rejected);
}
