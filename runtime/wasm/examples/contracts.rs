//! What a call of a contract costs: fresh instances, calls between contracts, storage host functions, page faults.
//!
//! `cargo run --release -p replicode-wasm --example contracts [ROUNDS]`. Least of the rounds, taken in turn; every outcome is checked. Cells are plain maps, so
//! what is measured is the host and not a store. Beside it: bare Wasmtime that makes the same instances and calls host functions that do nothing.

use replicode_contracts::abi::Abi;
use replicode_contracts::account::Address;
use replicode_contracts::cell::Maps;
use replicode_contracts::hash::Hash;
use replicode_contracts::registers::Shape;
use replicode_contracts::run::{Config as Cell, Loader, Moment, Sequential};
use replicode_contracts::template::{Class, Header, Kind, Layout, SliceKind, Template};
use replicode_contracts::transaction::{Action, Body, Proof, Transaction, VERSION};
use replicode_wasm::contracts::{ContractEngine, ContractLoader, ContractSettings};
use std::sync::Arc;
use std::time::Instant;
use wasmtime::{
    Config, Engine, InstanceAllocationStrategy, InstancePre, Linker, Module, PoolingAllocationConfig, Store,
};

/// Two reads and two writes of 32 bytes: by registers where there is no memory.
const REGISTERS: &str = r#"
    (import "svm" "reg_from_slice" (func $read (param i32 i32 i32 i32 i32)))
    (import "svm" "reg_to_slice" (func $write (param i32 i32 i32 i32 i32)))
    (func (export "go")
        (call $read (i32.const 256) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 32))
        (call $read (i32.const 256) (i32.const 1) (i32.const 1) (i32.const 0) (i32.const 32))
        (call $write (i32.const 256) (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 32))
        (call $write (i32.const 256) (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 32)))"#;
const MEMORY: &str = r#"
    (import "svm" "load" (func $read (param i32 i32 i32 i32)))
    (import "svm" "store" (func $write (param i32 i32 i32 i32)))
    (memory (export "memory") 1)
    (func (export "go")
        (call $read (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 32))
        (call $read (i32.const 1) (i32.const 0) (i32.const 32) (i32.const 32))
        (call $write (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 32))
        (call $write (i32.const 0) (i32.const 0) (i32.const 32) (i32.const 32)))"#;
/// Does one thing as often as its argument says.
const LOOPS: &str = r#"(module
    (import "svm" "load" (func $read (param i32 i32 i32 i32)))
    (import "svm" "store" (func $write (param i32 i32 i32 i32)))
    (import "svm" "depth" (func $depth (result i32)))
    (import "svm" "input" (func $input (param i32 i32 i32)))
    (import "svm" "call" (func $call (param i32 i32 i32 i64 i64 i64 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 512) "nop")
    (func $rounds (result i32) (call $input (i32.const 0) (i32.const 0) (i32.const 24)) (i32.load (i32.const 20)))
    (func (export "read") (local $i i32) (local.set $i (call $rounds))
        (block (loop (br_if 1 (i32.eqz (local.get $i))) (local.set $i (i32.sub (local.get $i) (i32.const 1)))
            (call $read (i32.const 0) (i32.const 0) (i32.const 64) (i32.const 32)) (br 0))))
    (func (export "write") (local $i i32) (local.set $i (call $rounds))
        (block (loop (br_if 1 (i32.eqz (local.get $i))) (local.set $i (i32.sub (local.get $i) (i32.const 1)))
            (call $write (i32.const 0) (i32.const 0) (i32.const 64) (i32.const 32)) (br 0))))
    (func (export "depth") (local $i i32) (local.set $i (call $rounds))
        (block (loop (br_if 1 (i32.eqz (local.get $i))) (local.set $i (i32.sub (local.get $i) (i32.const 1)))
            (drop (call $depth)) (br 0))))
    (func (export "cross") (local $i i32) (local.set $i (call $rounds))
        (block (loop (br_if 1 (i32.eqz (local.get $i))) (local.set $i (i32.sub (local.get $i) (i32.const 1)))
            (if (call $call (i32.const 0) (i32.const 512) (i32.const 3) (i64.const 0) (i64.const 0) (i64.const 100000)
                (i32.const 0) (i32.const 0) (i32.const 0)) (then unreachable)) (br 0))))
    (func (export "nop")))"#;

const SIZES: [(&str, u32); 3] = [("no memory", 0), ("16 KiB", 16 << 10), ("64 KiB", 64 << 10)];
const CALLS: u32 = 50_000;
const INNER: u32 = 2_000;

fn template(name: &str, functions: &[&str], argument: bool, text: &str, memory: u32) -> Template {
    let args = serde_json::json!([{"name": "to", "type": "address"}, {"name": "rounds", "type": "u32"}]);
    let function = |name: &&str| match argument && *name != "nop" {
        true => serde_json::json!({"name": name, "kind": "call", "args": args}),
        false => serde_json::json!({"name": name, "kind": "call"}),
    };
    let functions: Vec<_> = functions.iter().map(function).collect();
    let storage =
        serde_json::json!([{"name": "a", "type": "u256", "slice": 0}, {"name": "b", "type": "u256", "slice": 1}]);
    let document = serde_json::json!({"abi": 1, "name": name, "functions": functions, "storage": storage});
    Template {
        header: Header { kind: Kind::Contract, interface: 1, name: name.into(), version: "1".into() },
        code: wat::parse_str(text).expect("a module"),
        layout: Layout::place(&[(SliceKind::Bytes, 32), (SliceKind::Bytes, 32)], 4096).expect("they fit"),
        constructors: vec![],
        abi: Abi::parse(document.to_string().as_bytes()).expect("a document"),
        registers: Shape::STANDARD,
        libraries: vec![],
        class: Class::Metered,
        memory: memory.max(1),
    }
}

struct World {
    cells: Maps,
    config: Cell,
    loader: Arc<ContractLoader>,
    nonce: u64,
}

impl World {
    fn new(loader: Arc<ContractLoader>) -> Self {
        let mut config = Cell::standard(Hash::new([9; 32]));
        config.trust_names = true;
        config.batch_gas = u64::MAX;
        Self { cells: Maps::new(), config, loader, nonce: 0 }
    }

    fn transaction(&mut self, action: Action) -> Vec<u8> {
        let principal = Address::of_name("ann");
        let nonce = self.nonce;
        self.nonce += 1;
        let body =
            Body { version: VERSION, principal, nonce, gas_limit: 1_000_000_000, gas_price: 0, actions: vec![action] };
        Transaction { body, proof: Proof::Name { name: "ann".into() } }.encode()
    }

    fn run(&mut self, action: Action) -> replicode_contracts::receipt::Receipt {
        let bytes = self.transaction(action);
        let loader: &dyn Loader = &*self.loader;
        let mut block = Sequential::new(&mut self.cells, &self.config, loader, Moment::default());
        let receipt = block.execute(&bytes).expect("maps do not fail");
        assert!(receipt.is_success(), "{}", receipt.status);
        receipt
    }

    fn place(&mut self, template: &Template) -> Address {
        let hash = self.run(Action::Deploy { template: template.encode() }).deployed[0];
        self.run(Action::Spawn { template: hash, constructor: None, arguments: vec![], value: 0 }).spawned[0]
    }

    /// Seconds for calls as transactions, and for calls without one around them; minor faults and ticks of the process meanwhile.
    fn calls(&mut self, account: Address, calls: u32) -> (f64, f64, [u64; 3]) {
        let action = |_| Action::Call { account, function: "go".into(), arguments: vec![], value: 0 };
        let transactions: Vec<Vec<u8>> = (0..calls).map(|n| self.transaction(action(n))).collect();
        let loader: &dyn Loader = &*self.loader;
        let mut block = Sequential::new(&mut self.cells, &self.config, loader, Moment::default());
        let start = Instant::now();
        for bytes in &transactions {
            assert!(block.execute(bytes).expect("maps do not fail").is_success());
        }
        let executed = start.elapsed().as_secs_f64();
        let (before, start) = (usage(), Instant::now());
        for _ in 0..calls {
            let viewed = block.view(Address::of_name("ann"), account, "go", &[], 1_000_000, false);
            assert!(viewed.expect("maps do not fail").outcome.is_success());
        }
        let (took, after) = (start.elapsed().as_secs_f64(), usage());
        (executed, took, [0, 1, 2].map(|at| after[at] - before[at]))
    }

    /// Seconds of a function without rounds of its loop, and with all of them.
    fn inner(&mut self, account: Address, function: &str, to: Address) -> [f64; 2] {
        let mut time = |rounds: u32| {
            let arguments = borsh::to_vec(&(to, rounds)).expect("into memory");
            let loader: &dyn Loader = &*self.loader;
            let mut block = Sequential::new(&mut self.cells, &self.config, loader, Moment::default());
            let start = Instant::now();
            let viewed = block.view(Address::of_name("ann"), account, function, &arguments, 1_000_000_000, false);
            let took = start.elapsed().as_secs_f64();
            let outcome = viewed.expect("maps do not fail").outcome;
            assert!(outcome.is_success(), "{function}: {}", outcome.status);
            took
        };
        [time(0), time(INNER)]
    }
}

/// Instances and host functions that do nothing, on bare Wasmtime with the same pools.
struct Bare {
    engine: Engine,
    pre: InstancePre<u64>,
}

impl Bare {
    fn new(text: &str) -> Self {
        let mut pools = PoolingAllocationConfig::new();
        pools.total_core_instances(200).total_memories(200).total_tables(200).linear_memory_keep_resident(1 << 20);
        pools.max_memory_size(1 << 20).total_stacks(0).total_gc_heaps(0);
        let mut config = Config::new();
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pools)).memory_init_cow(false);
        config.wasm_gc(false).wasm_custom_page_sizes(true).cranelift_nan_canonicalization(true);
        let engine = Engine::new(&config).expect("the settings are valid");
        let mut linker: Linker<u64> = Linker::new(&engine);
        for name in ["load", "store"] {
            let nothing =
                |mut caller: wasmtime::Caller<'_, u64>, _: u32, _: u32, _: u32, _: u32| *caller.data_mut() += 1;
            linker.func_wrap("svm", name, nothing).expect("once");
        }
        for name in ["reg_from_slice", "reg_to_slice"] {
            let nothing =
                |mut caller: wasmtime::Caller<'_, u64>, _: u32, _: u32, _: u32, _: u32, _: u32| *caller.data_mut() += 1;
            linker.func_wrap("svm", name, nothing).expect("once");
        }
        let module = Module::new(&engine, text).expect("a module");
        let pre = linker.instantiate_pre(&module).expect("linked");
        Self { engine, pre }
    }

    fn calls(&self, calls: u32) -> f64 {
        let start = Instant::now();
        let mut store = Store::new(&self.engine, 0);
        for n in 0..calls {
            if n % 16 == 0 {
                store = Store::new(&self.engine, 0);
            }
            let instance = self.pre.instantiate(&mut store).expect("an instance");
            let go = instance.get_typed_func::<(), ()>(&mut store, "go").expect("there");
            go.call(&mut store, ()).expect("it returns");
            assert_eq!(*store.data(), u64::from(n % 16 + 1) * 4);
        }
        start.elapsed().as_secs_f64()
    }
}

/// Minor faults, user and system ticks of this process.
fn usage() -> [u64; 3] {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    [7, 11, 12].map(|at| fields.get(at).and_then(|field| field.parse().ok()).unwrap_or(0))
}

fn on_threads(threads: u32, act: impl Fn() -> f64 + Sync) -> f64 {
    let slowest = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(&act)).collect();
        running.into_iter().map(|thread| thread.join().expect("it ends well")).fold(0.0, f64::max)
    });
    slowest * 1e9 / f64::from(CALLS) / f64::from(threads)
}

fn main() {
    let rounds: u32 = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(5);
    let engine = ContractEngine::new(&ContractSettings::default(), 4).expect("this host runs contracts");
    let loader = Arc::new(ContractLoader::new(engine));
    println!(
        "| memory | threads | bare ns | call ns | bare/call | transaction ns | M calls/s | faults a call | kernel share |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|");
    for (name, memory) in SIZES {
        let body = if memory == 0 { REGISTERS } else { MEMORY };
        let text = format!("(module {body})");
        let small = memory % (64 << 10) != 0;
        let bare_text = if small {
            text.replace("\"memory\") 1)", &format!("\"memory\") {memory} {memory} (pagesize 1))"))
        } else {
            text.clone()
        };
        let bare = Bare::new(&bare_text);
        let template = template("go", &["go"], false, &text, memory);
        for threads in [1, 2] {
            let (mut least, mut faults, mut share) = ([f64::MAX; 3], f64::MAX, 0.0);
            for _ in 0..rounds {
                least[0] = least[0].min(on_threads(threads, || bare.calls(CALLS)));
                let seen = std::sync::Mutex::new((0.0f64, [0; 3]));
                let viewed = on_threads(threads, || {
                    let mut world = World::new(Arc::clone(&loader));
                    let account = world.place(&template);
                    let (executed, viewed, used) = world.calls(account, CALLS);
                    let mut seen = seen.lock().expect("not poisoned");
                    *seen = (seen.0.max(executed), used);
                    viewed
                });
                least[1] = least[1].min(viewed);
                let (executed, [minor, user, system]) = *seen.lock().expect("not poisoned");
                least[2] = least[2].min(executed * 1e9 / f64::from(CALLS) / f64::from(threads));
                // With two threads the process's counts hold more than the calls: printed, but those of one thread count.
                faults = faults.min(minor as f64 / f64::from(CALLS));
                share = system as f64 / ((user + system) as f64).max(1.0);
            }
            let [bare, call, transaction] = least;
            println!(
                "| {name} | {threads} | {bare:.0} | {call:.0} | {:.2} | {transaction:.0} | {:.2} | {faults:.3} | {:.1} % |",
                bare / call,
                1e3 / call,
                share * 100.0
            );
        }
    }
    let mut world = World::new(Arc::clone(&loader));
    let names = ["read", "write", "depth", "cross", "nop"];
    let big = world.place(&template("loops", &names, true, LOOPS, 64 << 10));
    let other = world.place(&template("others", &names, true, LOOPS, 64 << 10));
    let none = world.place(&template("nop", &["nop"], false, "(module (func (export \"nop\")))", 0));
    let mut least = [[f64::MAX; 2]; 5];
    for _ in 0..rounds * 4 {
        for (at, (function, to)) in
            [("depth", big), ("read", big), ("write", big), ("cross", none), ("cross", other)].into_iter().enumerate()
        {
            let [nothing, all] = world.inner(big, function, to);
            least[at] = [least[at][0].min(nothing), least[at][1].min(all)];
        }
    }
    println!("\n| what | ns |\n|---|--:|");
    let what = [
        "a host call that does nothing",
        "read 32 bytes",
        "write 32 bytes",
        "call of a contract without memory",
        "call of one with 64 KiB",
    ];
    for (what, [nothing, all]) in what.into_iter().zip(least) {
        let ns = (all - nothing) * 1e9 / f64::from(INNER);
        println!("| {what} | {ns:.0} |");
    }
}
