//! Gathers sources into the program: the SDK's, which `replicode sdk` writes out again, and what contracts are written with, which
//! `replicode contract new` does.

use std::fmt::Write as _;
use std::fs;
use std::io::{Error, Result};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// What `build.sh --sdk` reads, below `wasm_programs`.
const PARTS: [&str; 5] = ["build.sh", "programs.list", "sdk", "libposix/include", "libposix/src"];

/// What contracts in Rust and in C are written with, below the root.
const CONTRACT_PARTS: [&str; 12] = [
    "Cargo.toml",
    "stm/Cargo.toml",
    "stm/README.md",
    "stm/src",
    "stm/contracts/Cargo.toml",
    "stm/contracts/src",
    "wasm_programs/contracts/Cargo.toml",
    "wasm_programs/contracts/svm.h",
    "wasm_programs/rust/replicode-contract/Cargo.toml",
    "wasm_programs/rust/replicode-contract/src",
    "wasm_programs/rust/replicode-contract/macros",
    "wasm_programs/rust/replicode-contract/world",
];

/// Parts of a manifest that name what is not gathered: tests, benches, and what only they need.
const LEFT_OUT: [&str; 5] = ["[[bench]]", "[[example]]", "[[test]]", "[dev-dependencies]", "[target.'cfg(loom)"];

fn main() -> Result<()> {
    contract_files()?;
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from).ok_or_else(|| Error::other(name.to_string()));
    let root = variable("CARGO_MANIFEST_DIR")?.join("../wasm_programs").canonicalize()?;
    let mut files = Vec::new();
    for part in PARTS {
        println!("cargo::rerun-if-changed={}", root.join(part).display());
        gather(&root.join(part), &mut files)?;
    }
    files.sort();
    let mut list = String::from("&[\n");
    for path in files {
        let name = path.strip_prefix(&root).map_err(Error::other)?;
        let executable = fs::metadata(&path)?.permissions().mode() & 0o100 != 0;
        let _ = writeln!(list, "(r#\"{}\"#, include_bytes!(r#\"{}\"#), {executable}),", name.display(), path.display());
    }
    list.push_str("]\n");
    fs::write(variable("OUT_DIR")?.join("sdk_files.rs"), list)
}

/// Writes the list of what contracts are written with: path and content.
fn contract_files() -> Result<()> {
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from).ok_or_else(|| Error::other(name.to_string()));
    let root = variable("CARGO_MANIFEST_DIR")?.join("..").canonicalize()?;
    let out = variable("OUT_DIR")?.join("contract_files");
    let mut files = Vec::new();
    for part in CONTRACT_PARTS {
        println!("cargo::rerun-if-changed={}", root.join(part).display());
        gather(&root.join(part), &mut files)?;
    }
    files.retain(|path| {
        !path.strip_prefix(&root).is_ok_and(|path| path.components().any(|part| part.as_os_str() == "tests"))
    });
    files.sort();
    fs::create_dir_all(&out)?;
    let mut list = String::from("&[\n");
    for (number, path) in files.iter().enumerate() {
        let name = path.strip_prefix(&root).map_err(Error::other)?;
        let mut place = path.clone();
        if path.ends_with("Cargo.toml") {
            place = out.join(number.to_string());
            fs::write(&place, manifest(&fs::read_to_string(path)?))?;
        }
        let _ = writeln!(list, "(r#\"{}\"#, include_bytes!(r#\"{}\"#)),", name.display(), place.display());
    }
    let lock = root.join("wasm_programs/contracts/Cargo.lock");
    println!("cargo::rerun-if-changed={}", lock.display());
    let _ = writeln!(list, "(\"Cargo.lock\", include_bytes!(r#\"{}\"#)),", lock.display());
    list.push_str("]\n");
    fs::write(variable("OUT_DIR")?.join("contract_files.rs"), list)
}

fn manifest(text: &str) -> String {
    let (mut out, mut dropped) = (String::new(), false);
    for line in text.lines() {
        if line.starts_with('[') {
            dropped = LEFT_OUT.iter().any(|left| line.starts_with(left));
        }
        if !dropped {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

/// All files at or below a path, but the SDK's tests.
fn gather(path: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    if !path.is_dir() {
        files.push(path.to_path_buf());
        return Ok(());
    }
    for entry in fs::read_dir(path)? {
        let path = entry?.path();
        if !path.ends_with("sdk/tests") {
            gather(&path, files)?;
        }
    }
    Ok(())
}
