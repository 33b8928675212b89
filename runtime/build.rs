//! Gathers the SDK's sources, text files of `wasm_programs`, into the program: `replicode sdk` writes them out again.

use std::fmt::Write as _;
use std::fs;
use std::io::{Error, Result};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// What `build.sh --sdk` reads, below `wasm_programs`.
const PARTS: [&str; 5] = ["build.sh", "programs.list", "sdk", "libposix/include", "libposix/src"];

fn main() -> Result<()> {
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
