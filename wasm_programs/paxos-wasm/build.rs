//! Makes what a plain `cargo build` in this folder is for, by calling cargo again:
//!
//! - dev profile: every component for wasm32-wasip2, optimised (profile `component`), into `target/components/paxos/`, and every
//!   composition into `target/components/`. Nothing of Wasmtime is compiled.
//! - release profile: host and client, natively, into `target/release/`.
//!
//! The inner cargo has target folders of its own, since the outer one holds the lock of its own. It decides what is fresh, so this
//! runs each time. `PAXOS_BUILD=skip` leaves the inner builds out (for linting).
#![forbid(unsafe_code)]

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// Each component's package; its file is the name without `paxos-` and `-component`.
const COMPONENTS: [&str; 17] = [
    "paxos-acceptor-agent",
    "paxos-acceptor-component",
    "paxos-client-server",
    "paxos-coordinator",
    "paxos-failure-detector-component",
    "paxos-kv-store-component",
    "paxos-leader-detector-component",
    "paxos-learner-agent",
    "paxos-learner-component",
    "paxos-network-client",
    "paxos-network-server",
    "paxos-proposer-agent",
    "paxos-proposer-component",
    "paxos-runner",
    "paxos-runner-combined",
    "paxos-serializer",
    "paxos-storage-component",
];

/// Native programs: package, binary.
const PROGRAMS: [(&str, &str); 3] =
    [("paxos-host", "paxos-host"), ("paxos-ws-client", "paxos-client"), ("paxos-ws-client", "paxos-check")];

const WASM: &str = "wasm32-wasip2";

fn main() -> ExitCode {
    // A path that is never there: run each time.
    println!("cargo::rerun-if-changed=target/never");
    println!("cargo::rerun-if-env-changed=PAXOS_BUILD");
    if env::var_os("PAXOS_BUILD").is_some_and(|value| value == "skip") {
        return ExitCode::SUCCESS;
    }
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |given| root.join(given));
    let done = match env::var("PROFILE").as_deref() {
        Ok("release") => programs(&root, &target),
        _ => components(&root, &target),
    };
    match done {
        Ok(summary) => {
            println!("cargo::warning={summary}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("cargo::error={error}");
            ExitCode::FAILURE
        }
    }
}

/// Cargo as a user would call it, and `--locked` with each command: the outer one has settled `Cargo.lock` before this runs, or was told
/// that it is settled. Of the environment: nothing of what the outer one says about this package or its flags is passed on.
fn cargo(root: &Path) -> Command {
    let program = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(program);
    let kept = ["CARGO_HOME", "CARGO_MAKEFLAGS", "CARGO_BUILD_JOBS", "CARGO_INCREMENTAL"];
    let kept_prefixes =
        ["CARGO_HTTP_", "CARGO_NET_", "CARGO_REGISTRIES_", "CARGO_REGISTRY_", "CARGO_SOURCE_", "CARGO_TERM_"];
    let dropped =
        ["RUSTC", "RUSTDOC", "RUSTC_WORKSPACE_WRAPPER", "RUSTFLAGS", "TARGET", "HOST", "PROFILE", "OPT_LEVEL", "DEBUG"];
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        let ours =
            text.starts_with("CARGO") && !kept.contains(&&*text) && !kept_prefixes.iter().any(|p| text.starts_with(p));
        if ours || dropped.contains(&&*text) {
            command.env_remove(&name);
        }
    }
    command.current_dir(root);
    command
}

fn run(mut command: Command, what: &str) -> Result<(), String> {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("cannot build {what}: the inner cargo ended with {status}; its messages are above")),
        Err(error) => Err(format!("cannot start cargo for {what}: {error}")),
    }
}

fn components(root: &Path, target: &Path) -> Result<String, String> {
    let inner = target.join("wasm");
    let mut command = cargo(root);
    command.args(["build", "--locked", "--profile", "component", "--target", WASM, "--target-dir"]).arg(&inner);
    // Every engine of today has them, and the copying of batches is a memory.copy with them.
    command.env("CARGO_TARGET_WASM32_WASIP2_RUSTFLAGS", "-C target-feature=+bulk-memory,+simd128");
    for package in COMPONENTS {
        command.args(["-p", package]);
    }
    run(command, "the components")?;

    let out = target.join("components");
    let parts = out.join("paxos");
    std::fs::create_dir_all(&parts).map_err(|e| format!("cannot make {}: {e}", parts.display()))?;
    for package in COMPONENTS {
        let built = inner.join(WASM).join("component").join(format!("{}.wasm", package.replace('-', "_")));
        let name = package.trim_start_matches("paxos-").trim_end_matches("-component");
        copy_if_other(&built, &parts.join(format!("{name}.wasm")))?;
    }

    let mut command = cargo(root);
    command.args(["run", "--locked", "--quiet", "-p", "paxos-compose", "--target-dir"]).arg(target.join("tools"));
    command.arg("--").arg(root.join("compose")).arg(&out);
    run(command, "the compositions")?;
    Ok(format!("components are in {}, compositions of them in {}", parts.display(), out.display()))
}

fn programs(root: &Path, target: &Path) -> Result<String, String> {
    let inner = target.join("native");
    let mut command = cargo(root);
    command.args(["build", "--locked", "--release", "--target-dir"]).arg(&inner);
    for (package, binary) in PROGRAMS {
        command.args(["-p", package, "--bin", binary]);
    }
    run(command, "host and client")?;
    let out = target.join("release");
    for (_, binary) in PROGRAMS {
        copy_if_other(&inner.join("release").join(binary), &out.join(binary))?;
    }
    Ok(format!("{} are in {}", PROGRAMS.map(|(_, binary)| binary).join(", "), out.display()))
}

/// Puts a copy in place as one, unless it is there: a program that runs is not disturbed, nothing looks newer than it is.
fn copy_if_other(from: &Path, to: &Path) -> Result<(), String> {
    let bytes = std::fs::read(from).map_err(|e| format!("cannot read {}: {e}", from.display()))?;
    if std::fs::read(to).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    let partial = to.with_extension("partial");
    std::fs::copy(from, &partial).map_err(|e| format!("cannot write {}: {e}", partial.display()))?;
    std::fs::rename(&partial, to).map_err(|e| format!("cannot put {} in place: {e}", to.display()))
}
