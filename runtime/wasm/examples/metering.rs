//! What own metering costs in compiled code: six kernels, metered over unmetered, and Wasmtime's fuel beside them.
//!
//! `cargo run --release -p replicode-wasm --example metering`. Interleaved, least of many runs; results are asserted to be equal.

use replicode_transform::{GAS, Metering, STACK, Settings, Wish, transform};
use wasmtime::{Config, Engine, Global, Instance, Module, Store, TypedFunc, Val};

/// Name, text, argument.
const KERNELS: [(&str, &str, i32); 6] = [
    ("fib", include_str!("../transform/benches/kernels/fib.wat"), 22),
    ("hash", include_str!("../transform/benches/kernels/hash.wat"), 80),
    ("sieve", include_str!("../transform/benches/kernels/sieve.wat"), 2),
    ("matrix", include_str!("../transform/benches/kernels/matrix.wat"), 10),
    ("sort", include_str!("../transform/benches/kernels/sort.wat"), 4),
    ("machine", include_str!("../transform/benches/kernels/machine.wat"), 30_000),
];

struct Kernel {
    store: Store<()>,
    run: TypedFunc<i32, i64>,
    gas: Option<Global>,
    stack: Option<Global>,
    fuel: bool,
}

impl Kernel {
    fn new(wasm: &[u8], fuel: bool) -> Kernel {
        let mut config = Config::new();
        config.consume_fuel(fuel).cranelift_nan_canonicalization(true);
        let engine = Engine::new(&config).expect("the settings are valid");
        let module = Module::new(&engine, wasm).expect("a valid kernel");
        let mut store = Store::new(&engine, ());
        if fuel {
            store.set_fuel(u64::MAX).expect("fuel is on");
        }
        let instance = Instance::new(&mut store, &module, &[]).expect("an instance");
        let run = instance.get_typed_func(&mut store, "run").expect("a kernel exports run");
        let (gas, stack) = (instance.get_global(&mut store, GAS), instance.get_global(&mut store, STACK));
        Kernel { store, run, gas, stack, fuel }
    }

    /// Seconds, gas and result of one run.
    fn run(&mut self, n: i32) -> (f64, i64, i64) {
        if self.fuel {
            self.store.set_fuel(u64::MAX).expect("fuel is on");
        }
        if let (Some(gas), Some(stack)) = (self.gas, self.stack) {
            gas.set(&mut self.store, Val::I64(1 << 50)).expect("mutable");
            stack.set(&mut self.store, Val::I32(1 << 20)).expect("mutable");
        }
        let start = std::time::Instant::now();
        let result = self.run.call(&mut self.store, n).expect("kernels do not trap");
        let seconds = start.elapsed().as_secs_f64();
        let gas = self.gas.map_or(0, |gas| (1 << 50) - gas.get(&mut self.store).i64().expect("an i64"));
        (seconds, gas, result)
    }
}

fn main() {
    println!("| kernel | plain ms | heaviest | blocks | fuel | gas heaviest | gas blocks | ns a gas |");
    println!("|---|--:|--:|--:|--:|--:|--:|--:|");
    let mut ratios: [Vec<f64>; 3] = Default::default();
    for (name, text, n) in KERNELS {
        let wasm = wat::parse_str(text).expect("kernels are valid text");
        let metered = [Metering::Heaviest, Metering::Blocks].map(|metering| {
            let settings = Settings { metering, ..Settings::default() };
            transform(&wasm, &settings, &Wish::default()).expect("kernels can be deployed").wasm
        });
        let mut kernels = [
            Kernel::new(&wasm, false),
            Kernel::new(&metered[0], false),
            Kernel::new(&metered[1], false),
            Kernel::new(&wasm, true),
        ];
        let (mut best, mut gas) = ([f64::INFINITY; 4], [0; 4]);
        // Short runs and many of them, so that most are not interrupted.
        for _ in 0..401 {
            let mut results = [0; 4];
            for (i, kernel) in kernels.iter_mut().enumerate() {
                let (seconds, used, result) = kernel.run(n);
                best[i] = best[i].min(seconds);
                (gas[i], results[i]) = (used, result);
            }
            assert!(results.iter().all(|result| *result == results[0]), "{name}: {results:?}");
        }
        let ratio = [best[1] / best[0], best[2] / best[0], best[3] / best[0]];
        for (all, ratio) in ratios.iter_mut().zip(ratio) {
            all.push(ratio);
        }
        println!(
            "| {name} | {:.3} | {:.3} | {:.3} | {:.3} | {} | {} | {:.2} |",
            best[0] * 1e3,
            ratio[0],
            ratio[1],
            ratio[2],
            gas[1],
            gas[2],
            best[1] * 1e9 / gas[1] as f64
        );
    }
    for (name, ratios) in ["heaviest", "blocks", "fuel"].into_iter().zip(&mut ratios) {
        ratios.sort_by(f64::total_cmp);
        println!("{name}: median {:.3}, worst {:.3}", (ratios[2] + ratios[3]) / 2.0, ratios[5]);
    }
}
