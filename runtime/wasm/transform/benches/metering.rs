//! Six kernels, metered over unmetered, interleaved, least of many runs. On an interpreter: the ratios say how many operators were added, and which way of
//! metering adds fewer; what compiled code makes of them measures `runtime/wasm/examples/metering.rs`.

use replicode_transform::{GAS, Metering, STACK, Settings, Wish, transform};
use wasmi::{Engine, Linker, Module, Store, TypedFunc, Val};

/// Name, text, argument.
const KERNELS: [(&str, &str, i32); 6] = [
    ("fib", include_str!("kernels/fib.wat"), 14),
    ("hash", include_str!("kernels/hash.wat"), 2),
    ("sieve", include_str!("kernels/sieve.wat"), 1),
    ("matrix", include_str!("kernels/matrix.wat"), 1),
    ("sort", include_str!("kernels/sort.wat"), 1),
    ("machine", include_str!("kernels/machine.wat"), 800),
];

struct Kernel {
    store: Store<()>,
    run: TypedFunc<i32, i64>,
    gas: Option<wasmi::Global>,
    stack: Option<wasmi::Global>,
}

impl Kernel {
    fn new(wasm: &[u8]) -> Kernel {
        let engine = Engine::default();
        let module = Module::new(&engine, wasm).expect("a valid kernel");
        let mut store = Store::new(&engine, ());
        let instance = Linker::new(&engine).instantiate_and_start(&mut store, &module).expect("an instance");
        let run = instance.get_typed_func(&store, "run").expect("a kernel exports run");
        let (gas, stack) = (instance.get_global(&store, GAS), instance.get_global(&store, STACK));
        Kernel { store, run, gas, stack }
    }

    /// Seconds, gas and result of one run.
    fn run(&mut self, n: i32) -> (f64, i64, i64) {
        if let (Some(gas), Some(stack)) = (self.gas, self.stack) {
            gas.set(&mut self.store, Val::I64(1 << 50)).expect("mutable");
            stack.set(&mut self.store, Val::I32(1 << 20)).expect("mutable");
        }
        #[expect(clippy::disallowed_types, reason = "a bench measures time")]
        let start = std::time::Instant::now();
        let result = self.run.call(&mut self.store, n).expect("kernels do not trap");
        let seconds = start.elapsed().as_secs_f64();
        let gas = self.gas.map_or(0, |gas| (1 << 50) - gas.get(&self.store).i64().expect("an i64"));
        (seconds, gas, result)
    }
}

fn main() {
    println!("| kernel | plain ms | heaviest | blocks | gas heaviest | gas blocks | bytes plain, heaviest, blocks |");
    println!("|---|--:|--:|--:|--:|--:|---|");
    let mut ratios = [Vec::new(), Vec::new()];
    for (name, text, n) in KERNELS {
        let wasm = wat::parse_str(text).expect("kernels are valid text");
        let metered = [Metering::Heaviest, Metering::Blocks].map(|metering| {
            let settings = Settings { metering, ..Settings::default() };
            transform(&wasm, &settings, &Wish::default()).expect("kernels can be deployed").wasm
        });
        let sizes = [wasm.len(), metered[0].len(), metered[1].len()];
        let mut kernels = [Kernel::new(&wasm), Kernel::new(&metered[0]), Kernel::new(&metered[1])];
        let (mut best, mut gas) = ([f64::INFINITY; 3], [0; 3]);
        // Short runs and many of them, so that most are not interrupted.
        for _ in 0..201 {
            let mut results = [0; 3];
            for (i, kernel) in kernels.iter_mut().enumerate() {
                let (seconds, used, result) = kernel.run(n);
                best[i] = best[i].min(seconds);
                (gas[i], results[i]) = (used, result);
            }
            assert!(results.iter().all(|result| *result == results[0]), "{name}: {results:?}");
        }
        let ratio = [best[1] / best[0], best[2] / best[0]];
        ratios[0].push(ratio[0]);
        ratios[1].push(ratio[1]);
        let ms = best[0] * 1e3;
        println!("| {name} | {ms:.3} | {:.3} | {:.3} | {} | {} | {sizes:?} |", ratio[0], ratio[1], gas[1], gas[2]);
    }
    for (name, ratios) in ["heaviest", "blocks"].into_iter().zip(&mut ratios) {
        ratios.sort_by(f64::total_cmp);
        println!("{name}: median {:.3}, worst {:.3}", (ratios[2] + ratios[3]) / 2.0, ratios[5]);
    }
}
