//! The transformed modules on `wasmi`, an interpreter that shares nothing with the node's engine. It is the oracle for everything
//! between a module and the host: memory, counters, settling of gas, ends.

use replicode_contracts::abi::host::{self, Answer, Charge, Context, FrameState, LIBRARY};
use replicode_contracts::hash::Hash;
use replicode_contracts::receipt::{GasKind, Trap};
use replicode_contracts::run::{Code, Entry, Halt, Host, Loaded, Loader, Unloaded};
use replicode_contracts::template::{Kind, Template};
use replicode_transform::{CodeClass, Ending, GAS, STACK};
use replicode_wasm::contracts::ContractLoader;
use scoped_tls_hkt::scoped_thread_local;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use wasmi::errors::{ErrorKind, HostError};
use wasmi::{Caller, Engine, Error, Global, Instance, Linker, Memory, Module, Store, TrapCode, Val};

scoped_thread_local!(static mut LENT: for<'a> &'a mut dyn Host);

/// What a store of this engine keeps.
#[derive(Default)]
struct Frame {
    state: FrameState,
    at: Vec<Place>,
    libraries: BTreeMap<Hash, (Instance, Place)>,
    settled: u64,
    halt: Option<Halt>,
}

#[derive(Clone, Copy)]
struct Place {
    memory: Option<Memory>,
    gas: Option<Global>,
    stack: Option<Global>,
}

#[derive(Debug)]
struct Ended;

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ended")
    }
}

impl HostError for Ended {}

struct Made {
    module: Module,
    engine: Engine,
    stack: i32,
    instance_gas: u64,
    class: CodeClass,
    libraries: Vec<(String, Hash, Arc<Made>)>,
}

type Kept = (Arc<Loaded>, Arc<Made>);

/// Takes templates apart as the node does, and runs them otherwise.
pub struct OtherLoader {
    transform: ContractLoader,
    kept: RefCell<BTreeMap<Hash, Kept>>,
    engine: Engine,
}

impl OtherLoader {
    pub fn new(transform: ContractLoader) -> Self {
        let mut config = wasmi::Config::default();
        config.set_max_recursion_depth(10_000).set_max_stack_height(64 << 20).wasm_custom_page_sizes(true);
        Self { transform, kept: RefCell::default(), engine: Engine::new(&config) }
    }
}

impl Loader for OtherLoader {
    fn at_hand(&self, template: &Hash) -> Option<Arc<Loaded>> {
        self.kept.borrow().get(template).map(|(loaded, _)| Arc::clone(loaded))
    }

    fn load(&self, hash: &Hash, template: Template) -> Result<Arc<Loaded>, Unloaded> {
        // What is refused is refused by the same rules; they are tested by themselves.
        self.transform.load(hash, template.clone())?;
        let transformed = self.transform.transformed(&template)?;
        let module = Module::new(&self.engine, &transformed.wasm).map_err(|error| error.to_string())?;
        let kept = self.kept.borrow();
        let libraries = template.libraries.iter().map(|pin| {
            let made = &kept.get(&pin.hash).expect("loaded before").1;
            (format!("{LIBRARY}{}", pin.name), pin.hash, Arc::clone(made))
        });
        let made = Arc::new(Made {
            module,
            engine: self.engine.clone(),
            stack: 64 << 10,
            instance_gas: transformed.instance_gas,
            class: transformed.class,
            libraries: libraries.collect(),
        });
        drop(kept);
        let layout = template.layout.to_storage().expect("well formed");
        let code: Arc<dyn Code> = Arc::new(OtherCode(Arc::clone(&made), template.header.kind == Kind::Library));
        let loaded = Arc::new(Loaded { hash: *hash, template, layout, code });
        self.kept.borrow_mut().insert(*hash, (Arc::clone(&loaded), made));
        Ok(loaded)
    }
}

struct OtherCode(Arc<Made>, bool);

impl Code for OtherCode {
    fn run(&self, entry: Entry<'_>, host: &mut dyn Host) -> Result<Vec<u8>, Halt> {
        let made = &self.0;
        assert!(!self.1, "a library is not called");
        if made.class == CodeClass::Metered {
            host.charge(GasKind::Compute, made.instance_gas)?;
        }
        let mut frame = Frame::default();
        frame.state.begin(host, entry.arguments);
        frame.settled = host.gas_left();
        let mut store = Store::new(&made.engine, frame);
        let result = call(&mut store, made, entry.function, host);
        ended(&mut store, host, result)
    }
}

fn call(store: &mut Store<Frame>, made: &Made, function: &str, host: &mut dyn Host) -> Result<(), Error> {
    let (instance, place) = instantiate(&mut *store, made)?;
    if let (Some(gas), Some(stack)) = (place.gas, place.stack) {
        gas.set(&mut *store, Val::I64(host.gas_left() as i64)).expect("a counter");
        stack.set(&mut *store, Val::I32(made.stack)).expect("a counter");
    }
    store.data_mut().at.push(place);
    let function = instance.get_typed_func::<(), ()>(&*store, function).expect("checked at load");
    LENT.set(host, || function.call(store, ()))
}

fn ended(store: &mut Store<Frame>, host: &mut dyn Host, result: Result<(), Error>) -> Result<Vec<u8>, Halt> {
    if let Some(halt) = store.data_mut().halt.take() {
        return Err(halt);
    }
    let gas = store.data().at.last().and_then(|place| place.gas).map(|gas| gas.get(&*store).i64().expect("a counter"));
    match result {
        Ok(()) => {
            if let Some(gas) = gas {
                host.charge(GasKind::Compute, store.data().settled - gas as u64)?;
            }
            Ok(store.data_mut().state.end())
        }
        Err(error) => {
            let trap = kind(&error);
            Err(match gas.map_or(Ending::Trapped, |gas| Ending::of(true, gas)) {
                Ending::OutOfGas => host.out_of_gas(),
                Ending::OutOfStack => host.trap(Trap::Stack),
                _ => host.trap(trap),
            })
        }
    }
}

/// The kind of a trap. This engine reports some of them as errors of its tables and memories.
fn kind(error: &Error) -> Trap {
    let code = match error.kind() {
        ErrorKind::Table(_) => return Trap::IndirectCall,
        ErrorKind::Memory(_) => return Trap::Memory,
        _ => error.as_trap_code().unwrap_or_else(|| panic!("{error}")),
    };
    match code {
        TrapCode::UnreachableCodeReached => Trap::Unreachable,
        TrapCode::MemoryOutOfBounds => Trap::Memory,
        TrapCode::IntegerDivisionByZero => Trap::DivisionByZero,
        TrapCode::IntegerOverflow => Trap::IntegerOverflow,
        TrapCode::BadConversionToInteger => Trap::Conversion,
        TrapCode::TableOutOfBounds | TrapCode::IndirectCallToNull | TrapCode::BadSignature => Trap::IndirectCall,
        TrapCode::StackOverflow => panic!("the interpreter's own stack was too small"),
        other => panic!("{other:?}"),
    }
}

fn instantiate(mut store: impl wasmi::AsContextMut<Data = Frame>, made: &Made) -> Result<(Instance, Place), Error> {
    let linker = linker(made);
    let instance = linker.instantiate_and_start(&mut store, &made.module)?;
    let global = |name| instance.get_global(&store, name);
    let memory = instance.get_memory(&store, "memory");
    Ok((instance, Place { memory, gas: global(GAS), stack: global(STACK) }))
}

macro_rules! link_rows {
    ([$linker:ident] $($group:ident { $( $(#[doc = $doc:literal])+ $name:ident ( $($param:ident : $ty:ident),* )
        ( $($result:ident)? ) = $price:tt $charge:ident $(($bytes:literal))? ; )* })*) => {
        $($(
            $linker.func_wrap(host::MODULE, stringify!($name), |caller: Caller<'_, Frame> $(, $param: $ty)*| {
                enter(caller, Charge::$charge $(($bytes))?, |cx| host::$group::$name(cx $(, $param)*))
            }).expect("each name once");
        )*)*
    };
}

fn linker(made: &Made) -> Linker<Frame> {
    let mut linker = Linker::new(&made.engine);
    replicode_contracts::for_each_host_function!(link_rows, linker);
    for (module, hash, library) in &made.libraries {
        for export in library.module.exports() {
            let Some(ty) = export.ty().func() else { continue };
            let (name, hash, library) = (export.name().to_string(), *hash, Arc::clone(library));
            let cross = {
                let name = name.clone();
                move |caller: Caller<'_, Frame>, args: &[Val], out: &mut [Val]| {
                    cross(caller, &library, hash, &name, args, out)
                }
            };
            linker.func_new(module, &name, ty.clone(), cross).expect("each name once");
        }
    }
    linker
}

fn enter<R>(
    mut caller: Caller<'_, Frame>,
    charge: Charge,
    act: impl FnOnce(&mut Context<'_>) -> Answer<R>,
) -> Result<R, Error> {
    let place = *caller.data().at.last().expect("a frame runs");
    LENT.with(|host| {
        let counter = place.gas.filter(|_| charge.settles());
        if let Some(gas) = counter {
            let left = gas.get(&caller).i64().expect("a counter") as u64;
            let burnt = caller.data().settled - left;
            host.charge(GasKind::Compute, burnt).expect("it is there");
        }
        let answer = match place.memory {
            Some(memory) => {
                let (memory, frame) = memory.data_and_store_mut(&mut caller);
                act(&mut Context { memory, frame: &mut frame.state, host: &mut *host })
            }
            None => act(&mut Context { memory: &mut [], frame: &mut caller.data_mut().state, host: &mut *host }),
        };
        match answer {
            Ok(value) => {
                if let Some(gas) = counter {
                    caller.data_mut().settled = host.gas_left();
                    gas.set(&mut caller, Val::I64(host.gas_left() as i64)).expect("a counter");
                }
                Ok(value)
            }
            Err(halt) => {
                caller.data_mut().halt = Some(halt);
                Err(Error::host(Ended))
            }
        }
    })
}

/// A function of a library.
fn cross(
    mut caller: Caller<'_, Frame>,
    library: &Made,
    hash: Hash,
    name: &str,
    args: &[Val],
    out: &mut [Val],
) -> Result<(), Error> {
    let from = *caller.data().at.last().expect("a frame runs");
    let (from_gas, from_stack) = (from.gas.expect("metered"), from.stack.expect("metered"));
    let known = caller.data().libraries.get(&hash).copied();
    let (instance, to) = match known {
        Some(known) => known,
        None => {
            let left = from_gas.get(&caller).i64().expect("a counter") - library.instance_gas as i64;
            from_gas.set(&mut caller, Val::I64(left.max(-1))).expect("a counter");
            if left < 0 {
                return Err(TrapCode::UnreachableCodeReached.into());
            }
            let made = instantiate(&mut caller, library)?;
            caller.data_mut().libraries.insert(hash, made);
            made
        }
    };
    let (to_gas, to_stack) = (to.gas.expect("metered"), to.stack.expect("metered"));
    let (gas, stack) = (from_gas.get(&caller), from_stack.get(&caller));
    to_gas.set(&mut caller, gas).expect("a counter");
    to_stack.set(&mut caller, stack).expect("a counter");
    caller.data_mut().at.push(to);
    let function = instance.get_func(&caller, name).expect("linked");
    function.call(&mut caller, args, out)?;
    let gas = to_gas.get(&caller);
    caller.data_mut().at.pop();
    from_gas.set(&mut caller, gas).expect("a counter");
    Ok(())
}
