//! An execution: one function in a fresh instance, and those that it calls.
//!
//! A [`Run`] is everything that an execution needs and that can be used again for the next one: buffers, and stores in which instances are
//! made. It goes into the store that runs, so that host functions have it, and comes back out. A function that calls a function takes
//! another store for it.
//!
//! Fuel comes from one purse. An instance is given a slice of it; what it has not used goes back when it ends, and while it waits for a
//! function that it has called. So what an execution burns does not depend on how long the slices are. What is left of a slice goes on to
//! whoever runs next: the host is asked as often, however the work is spread over functions.

use super::code::FunctionCode;
use super::engine::NATIVE_STACK_BYTES;
use super::failure::Failure;
use super::host::Host;
use replicode_transform::OUT_OF_STACK;
use wasmtime::{
    Caller, Engine, Extern, Global, Instance, Memory, ModuleExport, ResourceLimiter, Store, StoreContextMut, Val,
};

/// Instances that a store gets before it is made anew, whatever they are and however few executions there are.
pub const MOST_INSTANCES: u32 = 64;
/// Stores that wait for the next execution: functions that call functions deeply leave no more behind.
const MOST_STORES: usize = 4;
/// Bytes of their memories that it gets at most: what is in use stays in the caches of one core.
const MOST_BYTES: u64 = 1 << 20;
/// Bytes of native stack that have to be left when an instance begins.
const STACK_NEEDED: usize = NATIVE_STACK_BYTES + (256 << 10);
/// Bytes of the piece that is added where there are fewer.
const STACK_PIECE: usize = 2 * STACK_NEEDED;

/// How much an execution may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunLimits {
    /// Units of fuel, of all functions together.
    pub fuel: u64,
    /// Fuel until the host is asked for the first time.
    pub first_slice: u64,
    /// Fuel until it is asked again.
    pub slice: u64,
    /// Bytes of memory of the instances that exist at the same time.
    pub memory_bytes: u64,
    /// Bytes of output of each function.
    pub output_bytes: u64,
    /// Instances that a store gets before it is made anew, at most [`MOST_INSTANCES`]: an instance that has ended keeps its place in the
    /// engine's pool until then, so the more executions there are, the fewer each of them may leave behind.
    pub instances: u32,
}

/// An execution, or what is left of one for the next.
pub struct Run<E: Host> {
    /// Whoever runs it.
    pub host: E,
    /// What the function has written.
    pub output: Vec<u8>,
    /// What it has said about its failure.
    pub(super) said: Vec<u8>,
    /// What `read` gives.
    pub(super) answer: Vec<u8>,
    limits: RunLimits,
    /// Fuel that nobody has been given. Below zero never for longer than it takes to end the execution.
    purse: i64,
    /// Fuel of the current slice that nobody has been given.
    slice: u64,
    /// Bytes of memory of functions that wait for others.
    held_bytes: u64,
    /// The largest memory so far.
    peak_bytes: u64,
    /// The program that runs, if it is one.
    pub(super) live: Option<Box<super::wasi::Live>>,
    bench: Vec<Bench<E>>,
    /// Instances that a store gets before it is made anew.
    most_instances: u32,
}

struct Bench<E: Host> {
    store: Store<Ctx<E>>,
    instances: u32,
    bytes: u64,
}

/// What a store keeps about the instance that runs in it.
pub(super) struct Ctx<E: Host> {
    pub(super) run: Option<Box<Run<E>>>,
    pub(super) memory: Option<Memory>,
    pub(super) gas: Option<Global>,
    pub(super) cap: Cap,
}

/// How far a memory may grow, and whether it wanted to grow further.
pub(super) struct Cap {
    limit: u64,
    asked: Option<u64>,
}

impl ResourceLimiter for Cap {
    fn memory_growing(&mut self, _: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let fits = desired as u64 <= self.limit;
        if !fits {
            self.asked = Some(desired as u64);
        }
        Ok(fits && maximum.is_none_or(|maximum| desired <= maximum))
    }

    fn table_growing(&mut self, _: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        // The transform has written a maximum into each table.
        Ok(maximum.is_some_and(|maximum| desired <= maximum))
    }

    // What was allowed and is not given is the host's fault, and never an answer that the module sees.
    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        Err(not_given("memory", &error))
    }

    fn table_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        Err(not_given("table", &error))
    }
}

fn not_given(what: &str, error: &wasmtime::Error) -> wasmtime::Error {
    Failure::Host(format!("the host cannot give it the {what} that its limit allows: {error:#}")).into()
}

/// The context of a host function's caller.
pub(super) fn run_of<E: Host>(ctx: &mut Ctx<E>) -> Result<&mut Run<E>, Failure> {
    ctx.run.as_deref_mut().ok_or_else(|| Failure::Host("a host function was called outside of an execution".into()))
}

impl<E: Host> Run<E> {
    /// An execution that has not begun.
    pub fn new(host: E) -> Self {
        Self {
            host,
            output: Vec::new(),
            said: Vec::new(),
            answer: Vec::new(),
            limits: RunLimits { fuel: 0, first_slice: 0, slice: 0, memory_bytes: 0, output_bytes: 0, instances: 1 },
            purse: 0,
            slice: 0,
            held_bytes: 0,
            peak_bytes: 0,
            live: None,
            bench: Vec::new(),
            most_instances: MOST_INSTANCES,
        }
    }

    /// The same with stores that are made anew after so many instances: what a nesting of functions holds at most is so many for each level.
    #[must_use]
    pub fn with_instances(mut self, most: u32) -> Self {
        self.most_instances = most.clamp(1, MOST_INSTANCES);
        self
    }

    /// Makes it a fresh one, with these limits.
    pub fn begin(&mut self, limits: RunLimits) {
        /// What a large execution has left in a buffer is given back.
        const KEPT: usize = 1 << 20;
        for buffer in [&mut self.output, &mut self.said, &mut self.answer] {
            buffer.clear();
            if buffer.capacity() > KEPT {
                buffer.shrink_to(0);
            }
        }
        self.purse = i64::try_from(limits.fuel).unwrap_or(i64::MAX);
        (self.slice, self.held_bytes, self.peak_bytes) = (limits.first_slice.max(1), 0, 0);
        self.limits = limits;
    }

    /// What it may use.
    #[must_use]
    pub const fn limits(&self) -> &RunLimits {
        &self.limits
    }

    /// Fuel burnt so far, of all functions that have ended; at most the limit. Of one that trapped, all that it had been given counts: it
    /// may be up to a slice more than it burnt.
    #[must_use]
    pub fn fuel(&self) -> u64 {
        self.limits.fuel.min(self.limits.fuel.saturating_sub_signed(self.purse))
    }

    /// Bytes of the largest memory that an instance of it has had.
    #[must_use]
    pub const fn memory(&self) -> u64 {
        self.peak_bytes
    }

    /// Gives back instances that are not needed any more.
    pub fn flush(&mut self) {
        self.bench.clear();
    }

    /// Gives back all stores but so many: what a deep nesting has left behind.
    pub fn trim(&mut self, stores: usize) {
        self.bench.truncate(stores);
    }

    /// Runs a function to its end. `output` is what it has written, whatever came of it.
    ///
    /// # Errors
    /// Why it failed.
    pub fn execute(
        self: Box<Self>,
        code: &FunctionCode<E>,
        entry: &str,
        input: &[u8],
    ) -> (Box<Self>, Result<(), Failure>) {
        stacker::maybe_grow(STACK_NEEDED, STACK_PIECE, || self.on_stack(code, entry, input))
    }

    fn on_stack(
        mut self: Box<Self>,
        code: &FunctionCode<E>,
        entry: &str,
        input: &[u8],
    ) -> (Box<Self>, Result<(), Failure>) {
        self.output.clear();
        self.said.clear();
        let limit = self.limits.memory_bytes.saturating_sub(self.held_bytes);
        if code.first_bytes > limit {
            let failure =
                Failure::Memory { asked: code.first_bytes + self.held_bytes, limit: self.limits.memory_bytes };
            return (self, Err(failure));
        }
        let mut bench = self.take(&code.half.engine);
        let ctx = bench.store.data_mut();
        ctx.cap = Cap { limit, asked: None };
        ctx.run = Some(self);
        let result = call(&mut bench.store, code, entry, input);
        bench.instances += 1;
        let bytes = bench.store.data().memory.map_or(0, |memory| memory.data_size(&bench.store) as u64);
        bench.bytes = bench.bytes.saturating_add(bytes);
        let ctx = bench.store.data_mut();
        let asked = ctx.cap.asked.take();
        (ctx.memory, ctx.gas) = (None, None);
        let Some(mut run) = ctx.run.take() else {
            // No host function ends without giving it back.
            unreachable!("an execution was lost in a host function")
        };
        run.peak_bytes = run.peak_bytes.max(run.held_bytes + bytes);
        let most = run.limits.instances.min(run.most_instances);
        if bench.instances < most && bench.bytes < MOST_BYTES && run.bench.len() < MOST_STORES {
            run.bench.push(bench);
        }
        let result = match (result, asked) {
            // Compilers end a program whose memory cannot grow with a trap.
            (Err(Failure::Trap(_)), Some(asked)) => {
                Err(Failure::Memory { asked: asked + run.held_bytes, limit: run.limits.memory_bytes })
            }
            (Err(Failure::Plugin { code, .. }), _) => {
                Err(Failure::Plugin { code, message: String::from_utf8_lossy(&run.said).into_owned() })
            }
            (result, _) => result,
        };
        (run, result)
    }

    fn take(&mut self, engine: &Engine) -> Bench<E> {
        if let Some(at) = self.bench.iter().rposition(|bench| Engine::same(bench.store.engine(), engine)) {
            let bench = self.bench.swap_remove(at);
            if bench.instances < self.limits.instances {
                return bench;
            }
            // There have come more executions since.
        }
        let ctx = Ctx { run: None, memory: None, gas: None, cap: Cap { limit: 0, asked: None } };
        let mut store = Store::new(engine, ctx);
        store.limiter(|ctx| &mut ctx.cap);
        Bench { store, instances: 0, bytes: 0 }
    }

    /// What is left of the slice, or the next one if that is nothing, from the purse: what was overdrawn before is paid from it first.
    fn grant(&mut self) -> Result<i64, Failure> {
        if self.purse < 0 {
            return Err(Failure::Fuel(self.limits.fuel));
        }
        if self.slice == 0 {
            self.next_slice()?;
        }
        let granted = self.purse.min(i64::try_from(self.slice).unwrap_or(i64::MAX));
        self.purse -= granted;
        self.slice -= granted.unsigned_abs();
        Ok(granted)
    }

    /// Asks the host whether to go on.
    fn next_slice(&mut self) -> Result<(), Failure> {
        self.host.slice()?;
        self.slice = self.limits.slice.max(1);
        Ok(())
    }

    /// A slice is used up.
    pub(super) fn refill(&mut self, left: i64) -> Result<i64, Failure> {
        self.purse = self.purse.saturating_add(left);
        if self.purse < 0 {
            return Err(Failure::Fuel(self.limits.fuel));
        }
        self.next_slice()?;
        self.grant()
    }

    /// A host function was dearer than what is left of the slice.
    fn overdraw(&mut self, units: i64) -> Result<(), Failure> {
        self.purse = self.purse.saturating_sub(units);
        if self.purse < 0 {
            return Err(Failure::Fuel(self.limits.fuel));
        }
        let slice = self.slice;
        self.slice = slice.saturating_sub(units.unsigned_abs());
        // The clock is looked at as if the module had burnt it.
        if self.slice == 0 { self.next_slice() } else { Ok(()) }
    }

    /// A function waits for another one, with this much memory.
    pub(super) const fn hold(&mut self, bytes: u64) {
        self.held_bytes = self.held_bytes.saturating_add(bytes);
    }

    /// It goes on.
    pub(super) const fn release(&mut self, bytes: u64) {
        self.held_bytes = self.held_bytes.saturating_sub(bytes);
    }

    /// Bytes of memory of those that wait.
    pub(super) const fn held(&self) -> u64 {
        self.held_bytes
    }
}

/// Gives an instance's unused fuel back to the purse.
pub(super) fn settle<E: Host>(store: &mut StoreContextMut<'_, Ctx<E>>) {
    let Some(gas) = store.data().gas else { return };
    let left = gas.get(&mut *store).i64().unwrap_or(0).max(0);
    if let Some(run) = &mut store.data_mut().run {
        run.purse = run.purse.saturating_add(left);
        run.slice = run.slice.saturating_add(left.unsigned_abs());
    }
    empty(store);
}

/// Takes a price that was not known before from what the caller has, and what that lacks from the purse.
pub(super) fn charge<E: Host>(caller: &mut Caller<'_, Ctx<E>>, units: u64) -> Result<(), Failure> {
    let Some(gas) = caller.data().gas else { return Ok(()) };
    let units = i64::try_from(units).unwrap_or(i64::MAX);
    let left = gas.get(&mut *caller).i64().unwrap_or(0).max(0);
    let done = gas.set(&mut *caller, Val::I64((left - units).max(0)));
    debug_assert!(done.is_ok(), "a counter is a mutable number of its type");
    let lacking = units - left;
    if lacking <= 0 { Ok(()) } else { run_of(caller.data_mut())?.overdraw(lacking) }
}

/// The instance has no fuel any more.
pub(super) fn empty<E: Host>(store: &mut StoreContextMut<'_, Ctx<E>>) {
    let Some(gas) = store.data().gas else { return };
    let done = gas.set(&mut *store, Val::I64(0));
    debug_assert!(done.is_ok(), "a counter is a mutable number of its type");
}

/// Gives the instance a slice.
pub(super) fn supply<E: Host>(store: &mut StoreContextMut<'_, Ctx<E>>) -> Result<(), Failure> {
    let Some(gas) = store.data().gas else { return Ok(()) };
    let granted = run_of(store.data_mut())?.grant()?;
    let done = gas.set(&mut *store, Val::I64(granted));
    debug_assert!(done.is_ok(), "a counter is a mutable number of its type");
    Ok(())
}

/// Fuel that is left to the execution whose instance this is.
pub(super) fn left<E: Host>(store: &mut StoreContextMut<'_, Ctx<E>>) -> i64 {
    let gas = store.data().gas;
    let held = gas.and_then(|gas| gas.get(&mut *store).i64()).unwrap_or(0).max(0);
    let purse = store.data().run.as_ref().map_or(0, |run| run.purse);
    purse.saturating_add(held)
}

fn call<E: Host>(store: &mut Store<Ctx<E>>, code: &FunctionCode<E>, entry: &str, input: &[u8]) -> Result<(), Failure> {
    let run = run_of(store.data_mut())?;
    // Making the instance has its price too.
    run.purse = run.purse.saturating_sub(i64::try_from(code.instance_gas).unwrap_or(i64::MAX));
    run.slice = run.slice.saturating_sub(code.instance_gas);
    let instance = instantiate(store, code)?;
    let mut export = |export: &ModuleExport| instance.get_module_export(&mut *store, export);
    let memory = code.memory.as_ref().and_then(&mut export).and_then(Extern::into_memory);
    let gas = export(&code.gas).and_then(Extern::into_global);
    let stack = export(&code.stack).and_then(Extern::into_global);
    (store.data_mut().memory, store.data_mut().gas) = (memory, gas);
    if let Some(stack) = stack {
        let done = stack.set(&mut *store, Val::I32(code.stack_bytes));
        debug_assert!(done.is_ok(), "a counter is a mutable number of its type");
    }
    let mut context = StoreContextMut::from(&mut *store);
    supply(&mut context)?;
    let result = enter(store, code, entry, &instance, input);
    let gas_left = gas.and_then(|gas| gas.get(&mut *store).i64());
    let mut context = StoreContextMut::from(&mut *store);
    if matches!(&result, Err(Failure::Trap(_))) {
        // A body with loops counts in a local, which is lost: what stands in the global is what there was before them. Who traps has
        // burnt all that it was given, or a function that is called again and again would compute without paying.
        empty(&mut context);
    }
    settle(&mut context);
    match result {
        Err(Failure::Trap(_)) if gas_left == Some(OUT_OF_STACK) => {
            Err(Failure::Trap(format!("its stack of {} bytes is used up: it recurses too deep", code.stack_bytes)))
        }
        result => result,
    }
}

fn instantiate<E: Host>(store: &mut Store<Ctx<E>>, code: &FunctionCode<E>) -> Result<Instance, Failure> {
    let made = code.pre.instantiate(&mut *store);
    let made = match made {
        Err(error) if error.is::<wasmtime::PoolConcurrencyLimitError>() => {
            run_of(store.data_mut())?.flush();
            code.pre.instantiate(&mut *store)
        }
        made => made,
    };
    made.map_err(|error| {
        if error.is::<wasmtime::PoolConcurrencyLimitError>() {
            return Failure::Overloaded("the server has no room for another instance: try again".into());
        }
        failure(error)
    })
}

fn enter<E: Host>(
    store: &mut Store<Ctx<E>>,
    code: &FunctionCode<E>,
    entry: &str,
    instance: &Instance,
    input: &[u8],
) -> Result<(), Failure> {
    if let Some(program) = code.program.as_ref().filter(|_| entry == super::code::ENTRY) {
        return program.run(store, instance, input);
    }
    let export = match entry {
        super::code::ENTRY => code.process,
        other => code.module.get_export_index(other),
    };
    let function =
        export.and_then(|export| instance.get_module_export(&mut *store, &export)).and_then(Extern::into_func);
    let function = function.and_then(|function| function.typed::<(u32, u32), i32>(&*store).ok());
    let Some(function) = function else { return Err(Failure::NoEntry { entry: entry.to_string() }) };
    let place = place(store, code, instance, input)?;
    let length = u32::try_from(input.len()).map_err(|_| Failure::Host("the input is longer than 4 GiB".into()))?;
    match function.call(&mut *store, (place, length)).map_err(failure)? {
        0 => Ok(()),
        code => Err(Failure::Plugin { code, message: String::new() }),
    }
}

/// Puts the input into the memory, and says where.
fn place<E: Host>(
    store: &mut Store<Ctx<E>>,
    code: &FunctionCode<E>,
    instance: &Instance,
    input: &[u8],
) -> Result<u32, Failure> {
    let Some(memory) = store.data().memory else {
        if input.is_empty() {
            return Ok(0);
        }
        return Err(Failure::Trap("it exports no memory where input could be put".into()));
    };
    let place = match &code.alloc {
        Some(alloc) => {
            let alloc = instance.get_module_export(&mut *store, alloc).and_then(Extern::into_func);
            let alloc = alloc.and_then(|alloc| alloc.typed::<u32, u32>(&*store).ok());
            let Some(alloc) = alloc else { return Err(Failure::NoEntry { entry: "alloc".into() }) };
            alloc.call(&mut *store, u32::try_from(input.len()).unwrap_or(u32::MAX)).map_err(failure)?
        }
        None => {
            let missing = (code.own_bytes + input.len() as u64).saturating_sub(memory.data_size(&*store) as u64);
            if missing > 0 {
                let asked = code.own_bytes + input.len() as u64;
                let grown = memory.grow(&mut *store, missing.div_ceil(1 << 16));
                let limit = store.data().cap.limit;
                grown.map_err(|error| error.downcast::<Failure>().unwrap_or(Failure::Memory { asked, limit }))?;
            }
            u32::try_from(code.own_bytes).unwrap_or(u32::MAX)
        }
    };
    let start = place as usize;
    let room = start.checked_add(input.len()).and_then(|end| memory.data_mut(&mut *store).get_mut(start..end));
    let Some(room) = room else {
        return Err(Failure::Trap(format!("its alloc gave {place}, where {} bytes of input do not fit", input.len())));
    };
    room.copy_from_slice(input);
    Ok(place)
}

/// What the engine says about the end of a call.
pub(super) fn failure(error: wasmtime::Error) -> Failure {
    match error.downcast::<Failure>() {
        Ok(failure) => failure,
        Err(error) => match error.downcast_ref::<wasmtime::Trap>() {
            Some(trap) => Failure::Trap(plain(&trap.to_string())),
            None => Failure::Host(format!("{error:#}")),
        },
    }
}

fn plain(trap: &str) -> String {
    trap.trim_start_matches("wasm trap: ").to_string()
}
