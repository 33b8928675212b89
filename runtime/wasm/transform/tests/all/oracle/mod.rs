//! Runs modules on `wasmi`, as they were written and as the transform made them, and compares what can be seen.

pub mod count;
pub mod smith;
pub mod trace;

use replicode_transform::{Ending, GAS, HostFunction, HostTable, Metering, OUT_OF_GAS, Rate, STACK, Settings, Value};

use wasmi::{Caller, Config, Engine, Error, Extern, Linker, Module, Store, TrapCode, Val, ValType};

/// Events after which a traced run is cut.
pub const MOST_EVENTS: usize = 20_000;
/// Gas that no test comes near.
pub const PLENTY: i64 = 1 << 50;

/// The host functions of the tests: with and without results, with a price by length, a name that needs its shim.
pub fn host() -> HostTable {
    use Value::{F64, I32, I64};
    let rows: [(&str, &[Value], &[Value], Rate); 5] = [
        ("none", &[], &[], Rate::new(7, 0, 0)),
        ("get", &[I32], &[I64], Rate::new(31, 0, 0)),
        ("mix", &[I64, F64, I32], &[I32], Rate::new(11, 0, 0)),
        ("bytes", &[I32, I32], &[], Rate::new(40, 3, 2)),
        ("pair", &[I64], &[I32, I64], Rate::new(13, 0, 0)),
    ];
    let function = |params: &[Value], results: &[Value], price| HostFunction {
        params: params.to_vec(),
        results: results.to_vec(),
        price,
        open_ended: false,
    };
    let row = |(name, params, results, price): (&str, _, _, _)| {
        (("svm".to_string(), name.to_string()), function(params, results, price))
    };
    rows.into_iter().map(row).collect()
}

pub fn settings() -> Settings {
    Settings { floats: true, simd: true, host: host(), ..Settings::default() }
}

fn engine() -> Engine {
    let mut config = Config::default();
    // Fuel ends what a broken transform lets run for ever.
    config.consume_fuel(true);
    config.set_max_recursion_depth(4_000).set_max_stack_height(64 << 20).wasm_custom_page_sizes(true);
    Engine::new(&config)
}

/// What a host function was called with.
pub type Call = (String, Vec<u64>);

/// What a traced module and the host functions tell, in order.
#[derive(Clone, Copy, Debug)]
pub enum Event {
    /// From the traced module.
    At { function: u32, op: u32, kind: i32, units: u32 },
    /// A host function was called: its number in the order of the host table, and its last argument.
    Host { number: u32, units: u32 },
}

/// State of a run on the side of the host.
#[derive(Default)]
pub struct Host {
    pub calls: Vec<Call>,
    pub events: Vec<Event>,
}

/// What can be seen of a run.
#[derive(Clone, PartialEq, Debug)]
pub struct Seen {
    pub results: Result<Vec<u64>, Option<TrapCode>>,
    pub calls: Vec<Call>,
    /// Memories and mutable globals that the module exports, by name.
    pub memories: Vec<(String, Vec<u8>)>,
    pub globals: Vec<(String, u64)>,
}

/// A value as bits. References: whether there is one.
pub fn bits(value: &Val) -> u64 {
    match value {
        Val::I32(v) => u64::from(v.cast_unsigned()),
        Val::I64(v) => v.cast_unsigned(),
        Val::F32(v) => u64::from(v.to_bits()),
        Val::F64(v) => v.to_bits(),
        Val::V128(v) => v.as_u128() as u64 ^ (v.as_u128() >> 64) as u64,
        Val::FuncRef(v) => u64::from(v.is_null()),
        Val::ExternRef(v) => u64::from(v.is_null()),
    }
}

fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// A value of a type, from a number.
pub fn value(ty: ValType, from: u64) -> Val {
    let number = mix(from);
    // Small numbers are what makes loops end and addresses valid.
    let number = if number & 1 == 0 { number >> 1 & 0xff } else { number };
    match ty {
        ValType::I32 => Val::I32(number as i32),
        ValType::I64 => Val::I64(number.cast_signed()),
        ValType::F32 => Val::F32(((number % 1000) as f32 / 8.0).into()),
        ValType::F64 => Val::F64((number as f64 / 8.0).into()),
        _ => Val::default(ty),
    }
}

fn type_of(value: Value) -> ValType {
    match value {
        Value::I32 => ValType::I32,
        Value::I64 => ValType::I64,
        Value::F32 => ValType::F32,
        Value::F64 => ValType::F64,
        Value::V128 => ValType::V128,
    }
}

/// The host: its answers depend on the arguments and on how many calls there were, nothing else.
fn linker(engine: &Engine) -> Linker<Host> {
    let mut linker = Linker::new(engine);
    for (number, ((module, name), function)) in (0..).zip(host()) {
        let params = function.params.iter().map(|v| type_of(*v));
        let ty = wasmi::FuncType::new(params, function.results.iter().map(|v| type_of(*v)));
        let (results, called) = (ty.results().to_vec(), name.clone());
        let answer = move |mut caller: Caller<'_, Host>, args: &[Val], out: &mut [Val]| {
            let host = caller.data_mut();
            let args: Vec<u64> = args.iter().map(bits).collect();
            let units = if function.price.each > 0 { args.last().copied().unwrap_or(0) as u32 } else { 0 };
            host.events.push(Event::Host { number, units });
            let seed = args.iter().fold(host.calls.len() as u64, |sum, arg| mix(sum ^ arg));
            for (i, (slot, ty)) in out.iter_mut().zip(&results).enumerate() {
                *slot = value(*ty, seed + i as u64);
            }
            host.calls.push((called.clone(), args));
            Ok(())
        };
        linker.func_new(&module, &name, ty, answer).unwrap();
    }
    let at = |mut caller: Caller<'_, Host>, function: i32, op: i32, kind: i32, units: i32| {
        let events = &mut caller.data_mut().events;
        if events.len() >= MOST_EVENTS {
            return Err(Error::new("cut"));
        }
        let (function, op, units) = (function.cast_unsigned(), op.cast_unsigned(), units.cast_unsigned());
        events.push(Event::At { function, op, kind, units });
        Ok(())
    };
    linker.func_wrap("trace", "at", at).unwrap();
    linker
}

/// A compiled module, to be run in a fresh instance each time.
pub struct Runner {
    engine: Engine,
    module: Module,
}

/// A run, and the counters after it, if the module has them.
pub struct Run {
    pub seen: Seen,
    pub host: Host,
    pub gas: Option<i64>,
    /// Cut off by the host for its length, or by the engine for its depth: says nothing.
    pub cut: bool,
}

impl Run {
    pub fn ending(&self) -> Ending {
        Ending::of(self.seen.results.is_err(), self.gas.unwrap())
    }
}

impl Runner {
    pub fn new(wasm: &[u8]) -> Runner {
        let engine = engine();
        let module = Module::new(&engine, wasm).unwrap_or_else(|error| panic!("wasmi refuses the module: {error}"));
        Runner { engine, module }
    }

    /// Exported functions, with their parameters.
    pub fn functions(&self) -> Vec<(String, Vec<ValType>)> {
        let exports = self.module.exports();
        exports.filter_map(|e| Some((e.name().to_string(), e.ty().func()?.params().to_vec()))).collect()
    }

    /// Calls an export in a fresh instance. `None`: no instance could be made.
    pub fn run(&self, name: &str, args: &[Val], gas: i64, stack: i32) -> Option<Run> {
        let mut store = Store::new(&self.engine, Host::default());
        store.set_fuel(20_000_000).unwrap();
        let instance = linker(&self.engine).instantiate_and_start(&mut store, &self.module).ok()?;
        if let Some(global) = instance.get_global(&store, GAS) {
            global.set(&mut store, Val::I64(gas)).unwrap();
        }
        if let Some(global) = instance.get_global(&store, STACK) {
            global.set(&mut store, Val::I32(stack)).unwrap();
        }
        let function = instance.get_func(&store, name).unwrap();
        let mut results: Vec<Val> = function.ty(&store).results().iter().map(|ty| Val::default(*ty)).collect();
        let outcome = function.call(&mut store, args, &mut results);
        let mut cut = false;
        let results = match outcome {
            Ok(()) => Ok(results.iter().map(bits).collect()),
            Err(error) => {
                let code = error.as_trap_code();
                cut = code.is_none() || code == Some(TrapCode::StackOverflow);
                Err(code)
            }
        };
        let gas = instance.get_global(&store, GAS).map(|gas| gas.get(&store).i64().unwrap());
        let (mut memories, mut globals) = (Vec::new(), Vec::new());
        for export in instance.exports(&store) {
            let name = export.name().to_string();
            match export.into_extern() {
                Extern::Memory(memory) => memories.push((name, memory.data(&store).to_vec())),
                Extern::Global(global) if name != GAS && name != STACK => {
                    globals.push((name, bits(&global.get(&store))))
                }
                _ => {}
            }
        }
        memories.sort();
        globals.sort();
        let host = store.into_data();
        let seen = Seen { results, calls: host.calls.clone(), memories, globals };
        Some(Run { seen, host, gas, cut })
    }
}

/// How a comparison ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Compared {
    /// The run returned: results, effects and gas were equal, and so were the limits one below, at, and one above.
    Returned,
    /// Both trapped in the same way.
    Trapped,
    /// The run was cut; less gas than it had used until then was too little.
    Cut,
    /// No instance could be made, either way.
    NoInstance,
}

/// Compares a module with its transformed self in one call, for one way of metering. The mistake as text where they differ.
pub fn compare(
    reference: &count::Reference<'_>,
    traced: &Run,
    transformed: &Runner,
    name: &str,
    args: &[Val],
    metering: Metering,
) -> Result<Compared, String> {
    const STACK_LEFT: i32 = 1 << 30;
    let run =
        |gas| transformed.run(name, args, gas, STACK_LEFT).ok_or("no instance of the transformed module".to_string());
    let cost = reference.total(&traced.host.events, metering) as i64;
    if traced.cut {
        let less = run(cost - 1)?;
        // An engine that ran out of its own stack tells nothing.
        let overflow = less.seen.results == Err(Some(TrapCode::StackOverflow));
        return match less.ending() {
            Ending::OutOfGas => Ok(Compared::Cut),
            _ if overflow => Ok(Compared::Cut),
            other => Err(format!("cut after {cost} gas, but with one less it was {other:?}")),
        };
    }
    let free = run(PLENTY)?;
    if free.seen != traced.seen {
        return Err(format!("with plenty of gas\n{:?}\ninstead of\n{:?}", free.seen.results, traced.seen.results));
    }
    if traced.seen.results.is_err() {
        return match free.ending() {
            Ending::Trapped => Ok(Compared::Trapped),
            other => Err(format!("trapped, but {other:?}")),
        };
    }
    if free.ending() != Ending::Returned((PLENTY - cost).unsigned_abs()) {
        return Err(format!("{:?} instead of {cost} gas used", PLENTY - free.gas.unwrap()));
    }
    for (limit, ending) in [
        (cost - 1, Ending::OutOfGas),
        (cost, Ending::Returned(0)),
        (cost + 1, Ending::Returned(1)),
        (cost / 2, Ending::OutOfGas),
    ] {
        let limited = run(limit)?;
        if limited.ending() != ending {
            return Err(format!("costs {cost}; with {limit}: {:?} instead of {ending:?}", limited.ending()));
        }
        if ending == Ending::OutOfGas && limited.gas != Some(OUT_OF_GAS) {
            return Err(format!("out of gas with {:?} left", limited.gas));
        }
        if ending != Ending::OutOfGas && limited.seen != traced.seen {
            return Err(format!("with {limit} gas of {cost} something else was seen"));
        }
    }
    Ok(Compared::Returned)
}
