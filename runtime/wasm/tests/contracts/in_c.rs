//! A contract written in C, with the header that is made from the table.

use crate::world::{Pair, encoded, template};
use replicode_contracts::account::Address;
use replicode_contracts::receipt::Status;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The C compiler of the guests.
fn compiler(programs: &Path) -> PathBuf {
    let toolchains = std::fs::read_dir(programs.join(".toolchain")).into_iter().flatten().flatten();
    let mut found = toolchains.map(|entry| entry.path().join("ziglang/zig")).filter(|zig| zig.exists());
    found.next().expect("there is no C compiler: run wasm_programs/build.sh first")
}

fn compiled(name: &str) -> Vec<u8> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let programs = here.join("../../wasm_programs");
    let wasm = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.wasm"));
    let cache = programs.join(".toolchain/cache");
    let done = Command::new(compiler(&programs))
        .args([
            "cc",
            "-target",
            "wasm32-freestanding",
            "-std=gnu11",
            "-O2",
            "-g0",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-nostdlib",
        ])
        .args(["-Wl,--no-entry", "-Wl,--export-memory", "-Wl,-z,stack-size=8192", "-I"])
        .args([&programs.join("contracts"), &here.join(format!("tests/contracts/{name}.c")), Path::new("-o"), &wasm])
        .envs([("ZIG_GLOBAL_CACHE_DIR", &cache), ("ZIG_LOCAL_CACHE_DIR", &cache)])
        .status()
        .expect("the compiler runs");
    assert!(done.success());
    std::fs::read(wasm).expect("it was written")
}

#[test]
fn a_counter_in_c_counts() {
    let mut counter = template(
        serde_json::json!({
            "abi": 1, "name": "counter",
            "functions": [
                {"name": "add", "kind": "call", "args": [{"name": "by", "type": "u64"}], "returns": "u64"},
                {"name": "of", "kind": "view", "args": [{"name": "whom", "type": "address"}], "returns": "u128"},
            ],
            "errors": [{"name": "TooMuch", "code": 1, "fields": [{"name": "by", "type": "u64"}]}],
            "storage": [
                {"name": "total", "type": "u64", "slice": 0},
                {"name": "by_whom", "type": "map<address, counter>", "slice": 1},
            ],
        }),
        "(module)",
    );
    counter.code = compiled("counter");
    let mut pair = Pair::new();
    let account = pair.both(|world| world.place(&counter));
    for (by, total) in [(5u64, 5u64), (7, 12), (1000, 1012)] {
        let receipt = pair.both(|world| world.call(account, "add", encoded(&by)));
        assert_eq!(receipt.returned, encoded(&total), "{}", receipt.status);
    }
    let refused = pair.both(|world| world.call(account, "add", encoded(&1001u64)));
    assert_eq!(refused.status, Status::Reverted { code: 1, data: encoded(&1001u64) });
    let receipt = pair.both(|world| world.call(account, "of", encoded(&Address::of_name("ann"))));
    assert_eq!(receipt.returned, encoded(&1012u128), "{}", receipt.status);
    let receipt = pair.both(|world| world.call(account, "of", encoded(&Address::of_name("bob"))));
    assert_eq!(receipt.returned, encoded(&0u128));
}
