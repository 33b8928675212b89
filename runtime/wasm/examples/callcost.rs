//! What a system call costs, and how fast guests compute: our side of the measurement `calls` of `tests/bench.sh`.
//!
//! ```text
//! cargo run --release -p replicode-wasm --example callcost -- wasm_programs/build CALLS [clock|write1|read1k|cpu|hello ...]
//! ```
//!
//! Runs `sysbench` (each call CALLS times), `cpu` and `hello` on the kernel, without consensus, and prints a line
//! `NAME NANOSECONDS` for each: per call for calls, from start to end for programs. `runtime/wasm/stock` runs the same
//! programs on Wasmtime with its own WASI and prints the same.

use replicode_log::{
    Batch, BatchHeader, ClusterConfig, ConsoleStream, Digest, ExitStatus, FsImage, Limits, LogicalTime, ModuleEntry,
    NodeId, Output, ProgramSpec, Restart, codec,
};
use replicode_machine::Machine;
use replicode_wasm::{WasmEngine, WasmLoader};
use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

/// The best of this many runs counts: the others were disturbed.
const RUNS: usize = 3;

const ALL: [&str; 5] = ["clock", "write1", "read1k", "cpu", "hello"];

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [dir, calls, only @ ..] = args.as_slice() else {
        return Err(format!("usage: callcost DIRECTORY-OF-WASM-FILES CALLS [{} ...]", ALL.join("|")).into());
    };
    let n: u32 = calls.parse()?;
    let dir = Path::new(dir);
    for name in ALL.into_iter().filter(|name| only.is_empty() || only.iter().any(|only| only == name)) {
        let (took, per) = match name {
            "cpu" => (best(&dir.join("cpu.wasm"), &["cpu", "10"])?, 1),
            "hello" => (best(&dir.join("hello.wasm"), &["hello"])?, 1),
            call => (best(&dir.join("sysbench.wasm"), &["sysbench", call, calls])?, n),
        };
        println!("{name} {:.1}", took.as_nanos() as f64 / f64::from(per));
    }
    Ok(())
}

fn best(file: &Path, args: &[&str]) -> Result<Duration, Box<dyn Error>> {
    let wasm = std::fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let limits = Limits::default();
    let module = WasmEngine::new(&limits)?.compile(&wasm)?;
    let digest = module.digest();
    let mut loader = WasmLoader::new();
    loader.add(module);
    let mut best = Duration::MAX;
    for _ in 0..RUNS {
        best = best.min(run(loader.clone(), digest, &limits, args)?);
    }
    Ok(best)
}

/// One run from the start of the process to its end, compilation not included.
fn run(loader: WasmLoader, module: Digest, limits: &Limits, args: &[&str]) -> Result<Duration, Box<dyn Error>> {
    let image = FsImage::default();
    let program = ProgramSpec {
        name: "main".into(),
        module,
        args: args.iter().map(|arg| (*arg).into()).collect(),
        env: Vec::new(),
        stdin: false,
        listeners: Vec::new(),
        at_genesis: true,
        restart: Restart::Never,
    };
    let config = ClusterConfig {
        cluster: [0; 16],
        name: "callcost".into(),
        nodes: vec![NodeId::new(1)?],
        epoch_unix_ns: 0,
        engine: WasmEngine::fingerprint(limits),
        limits: limits.clone(),
        modules: vec![ModuleEntry { digest: module, name: "main".into() }],
        programs: vec![program],
        image: Digest::of(&codec::encode(&image)),
        made_by: String::new(),
        contracts: None,
    };
    let mut machine = Machine::new(&config, &image, loader)?;
    // A process that calls and calls gives up its turn now and then; the next batch follows at once.
    let (begin, mut time) = (Instant::now(), LogicalTime::from_nanos(1));
    loop {
        let header = BatchHeader { index: machine.applied().next(), time, seed: 0, parent: Digest::ZERO };
        let applied = machine.apply(Batch { header, sections: Vec::new() }, Digest::ZERO)?;
        let took = begin.elapsed();
        for output in &applied.outputs {
            match output {
                Output::Console { stream: ConsoleStream::Stderr, bytes, .. } => {
                    return Err(format!("{args:?}: {}", String::from_utf8_lossy(bytes)).into());
                }
                Output::Exited { status: ExitStatus::Code(0), .. } => return Ok(took),
                Output::Exited { status, .. } => return Err(format!("{args:?}: {status}").into()),
                _ => {}
            }
        }
        time = applied.next_deadline.ok_or("the process waits for ever")?;
    }
}
