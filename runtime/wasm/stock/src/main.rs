//! What a system call costs on Wasmtime with its own WASI, in the settings of its command line: the other column of the
//! example `callcost`.
//!
//! ```text
//! cd runtime/wasm/stock && cargo run --release -- ../../../wasm_programs/build [CALLS]
//! ```

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};
use wasmtime::{Engine, Linker, Module, Store};
use wasmtime_wasi::p1::{self, WasiP1Ctx};
use wasmtime_wasi::{FsPerms, I32Exit, WasiCtxBuilder};

/// The best of this many runs counts, as in `callcost`.
const RUNS: usize = 3;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [dir, rest @ ..] = args.as_slice() else {
        return Err("usage: stock DIRECTORY-OF-WASM-FILES [CALLS]".into());
    };
    let dir = Path::new(dir);
    let calls: u32 = rest.first().map_or(Ok(300_000), |calls| calls.parse())?;
    let files = std::env::temp_dir().join(format!("replicode-stock-{}", std::process::id()));
    std::fs::create_dir_all(&files)?;
    for call in ["clock", "write1", "read1k"] {
        let took = best(&dir.join("sysbench.wasm"), &["sysbench", call, &calls.to_string()], &files)?;
        println!("{call:8} {:8.1} ns per call", took.as_nanos() as f64 / f64::from(calls));
    }
    let took = best(&dir.join("cpu.wasm"), &["cpu", "10"], &files)?;
    println!("{:8} {:8.1} ms", "cpu 10", took.as_secs_f64() * 1e3);
    let took = best(&dir.join("hello.wasm"), &["hello"], &files)?;
    println!("{:8} {:8.1} us from start to end", "hello", took.as_secs_f64() * 1e6);
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
