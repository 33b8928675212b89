//! What a system call costs on Wasmtime with its own WASI, in the settings of its command line: the other side of the
//! measurement `calls` of `tests/bench.sh`. Arguments and output are those of the example `callcost`.
//!
//! ```text
//! cd runtime/wasm/stock && cargo run --release -- ../../../wasm_programs/build CALLS [clock|write1|read1k|cpu|hello ...]
//! ```

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};
use wasmtime::{Engine, Linker, Module, Store};
use wasmtime_wasi::p1::{self, WasiP1Ctx};
use wasmtime_wasi::{FsPerms, I32Exit, WasiCtxBuilder};

/// The best of this many runs counts, as in `callcost`.
const RUNS: usize = 3;

const ALL: [&str; 5] = ["clock", "write1", "read1k", "cpu", "hello"];

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [dir, calls, only @ ..] = args.as_slice() else {
        return Err(format!("usage: stock DIRECTORY-OF-WASM-FILES CALLS [{} ...]", ALL.join("|")).into());
    };
    let n: u32 = calls.parse()?;
    let dir = Path::new(dir);
    // Its file system is a directory of the host; ours is in memory, as a guest of replicode sees no other.
    let files = std::env::temp_dir().join(format!("replicode-stock-{}", std::process::id()));
    std::fs::create_dir_all(&files)?;
    for name in ALL.into_iter().filter(|name| only.is_empty() || only.iter().any(|only| only == name)) {
        let (took, per) = match name {
            "cpu" => (best(&dir.join("cpu.wasm"), &["cpu", "10"], &files)?, 1),
            "hello" => (best(&dir.join("hello.wasm"), &["hello"], &files)?, 1),
            call => (best(&dir.join("sysbench.wasm"), &["sysbench", call, calls], &files)?, n),
        };
        println!("{name} {:.1}", took.as_nanos() as f64 / f64::from(per));
    }
    std::fs::remove_dir_all(&files)?;
    Ok(())
}

fn best(file: &Path, args: &[&str], files: &Path) -> Result<Duration, Box<dyn Error>> {
    let engine = Engine::default();
    let module = Module::from_file(&engine, file)?;
    let mut linker: Linker<WasiP1Ctx> = Linker::new(&engine);
    p1::add_to_linker_sync(&mut linker, |wasi| wasi)?;
    let linked = linker.instantiate_pre(&module)?;
    let mut best = Duration::MAX;
    for _ in 0..RUNS {
        let wasi = WasiCtxBuilder::new()
            .args(args)
            .inherit_stderr()
            .allow_blocking_current_thread(true)
            .preopened_dir(files, "/", FsPerms::ReadWrite)?
            .build_p1();
        let mut store = Store::new(&engine, wasi);
        let begin = Instant::now();
        let instance = linked.instantiate(&mut store)?;
        let end = instance.get_typed_func::<(), ()>(&mut store, "_start")?.call(&mut store, ());
        best = best.min(begin.elapsed());
        match end {
            Err(error) if error.downcast_ref::<I32Exit>().is_none_or(|exit| exit.0 != 0) => return Err(error.into()),
            _ => {}
        }
    }
    Ok(best)
}
