//! `contract new`: a folder with a contract, its tests and a page about it, that builds and passes as it is.
//!
//! What a contract in Rust is written with comes along, in the folder `replicode`: the sources are part of this program.

use super::build::Language;
use crate::{Usage, show, telemetry};
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::path::Path;

/// Path and content of what contracts are written with.
const FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/contract_files.rs"));

/// Files of a new folder; `NAME` and `Name` stand for the contract's name.
const RUST: &[(&str, &str)] = &[
    ("Cargo.toml", include_str!("new/rust/Cargo.toml.in")),
    (".cargo/config.toml", include_str!("new/rust/config.toml.in")),
    (".gitignore", "target\n*.debug.wasm\n"),
    ("README.md", include_str!("new/rust/README.md.in")),
    ("src/lib.rs", include_str!("new/rust/lib.rs.in")),
    ("src/tests.rs", include_str!("new/rust/tests.rs.in")),
];
const C: &[(&str, &str)] = &[
    (".gitignore", "*.debug.wasm\n"),
    ("README.md", include_str!("new/c/README.md.in")),
    ("NAME.c", include_str!("new/c/contract.c.in")),
    ("NAME.contract.json", include_str!("new/c/contract.json.in")),
    ("NAME.test.json", include_str!("new/c/test.json.in")),
    ("contract.h", include_str!("../../../wasm_programs/contracts/contract.h")),
];

/// The part of the C library that is made from the table of host functions.
const SVM: &str = "wasm_programs/contracts/svm.h";

/// `contract new`.
///
/// # Errors
/// When the name is none, or the folder is there already.
pub fn run(name: &str, language: Language, json: bool) -> Result<u8> {
    let module = name.replace('-', "_");
    let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if !module.starts_with(|c: char| c.is_ascii_lowercase()) || !module.chars().all(word) || module.len() > 64 {
        bail!(Usage(format!(
            "{name:?} cannot be a contract's name: a small letter, then small letters, digits, '_' or '-'"
        )));
    }
    let dir = Path::new(name);
    ensure!(!dir.exists(), "{} is there already: choose another name", dir.display());
    let title: String = module.split('_').map(capital).collect();
    let fill = |text: &str| text.replace("NAME", &module).replace("TITLE", &title);
    let write = |path: &str, content: &[u8]| {
        let path = dir.join(path);
        let what = || format!("cannot write {}", path.display());
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).with_context(what)?;
        }
        fs::write(&path, content).with_context(what)
    };
    let files = if language == Language::Rust { RUST } else { C };
    for (path, content) in files {
        // The library is the same in all folders.
        let content = if *path == "contract.h" { content.to_string() } else { fill(content) };
        write(&fill(path), content.as_bytes())?;
    }
    for (path, content) in FILES {
        match (language, *path) {
            (Language::Rust, "Cargo.lock") => write(path, content)?,
            (Language::Rust, path) => write(&format!("replicode/{path}"), content)?,
            (Language::C, SVM) => write("svm.h", content)?,
            (Language::C, _) => {}
        }
    }
    if json {
        return show::print_json(&[serde_json::json!({"dir": dir, "name": module})]);
    }
    telemetry::say(&format!(
        "{}: a contract, its tests and a page about it; next: cd {} && replicode contract test",
        dir.display(),
        dir.display()
    ));
    Ok(0)
}

/// A word with a capital letter in front.
pub fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + letters.as_str())
}
