//! One seam to the world: what stands in this crate asks its host, and only one module asks the system. Clippy bans the names
//! that it can (`clippy.toml`); here all of them are counted, with what clippy cannot see.

#![allow(clippy::disallowed_methods, reason = "a test reads the sources")]

use std::path::{Path, PathBuf};

/// The one module that asks the system.
const REAL: &str = "host/real.rs";

/// What nothing else may name.
const BANNED: [&str; 23] = [
    "Instant::now",
    ".elapsed()",
    "SystemTime::now",
    "tokio::spawn",
    "tokio::task::spawn",
    "JoinSet",
    "tokio::task::yield_now",
    "tokio::time::sleep(",
    "tokio::time::sleep_until(",
    "tokio::time::timeout",
    "tokio::time::Instant",
    "tokio::runtime",
    "tokio::net",
    "std::fs",
    "std::thread::spawn",
    "std::thread::sleep",
    "std::thread::Builder",
    "std::env",
    "/dev/",
    "rand::rng",
    "thread_rng().",
    "getrandom",
    "clock_gettime",
];

fn sources(dir: &Path, into: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            if path.file_name().is_none_or(|name| name != "tests") {
                sources(&path, into)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
    Ok(())
}

/// What is compiled into a node: neither comments nor tests.
fn code(source: &str) -> impl Iterator<Item = (usize, &str)> {
    let code = source.split("#[cfg(test)]").next().unwrap_or_default();
    let lines = code.lines().enumerate().map(|(at, line)| (at + 1, line));
    lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
}

#[test]
fn only_the_real_host_asks_the_system() -> std::io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files)?;
    let (mut found, mut real) = (Vec::new(), 0);
    for file in files {
        let name = file.strip_prefix(&root).unwrap_or(&file).display().to_string();
        let source = std::fs::read_to_string(&file)?;
        let lines: Vec<(usize, &str)> = code(&source).collect();
        for (at, (number, line)) in lines.iter().enumerate() {
            let asks = BANNED.iter().find(|banned| line.contains(**banned));
            match asks {
                Some(_) if name == REAL => real += 1,
                Some(banned) => found.push(format!("{name}:{number} names {banned}")),
                None => {}
            }
            // The first word of a `select!` must make it take its branches in order.
            let unbiased = |(_, next): &(usize, &str)| next.trim() != "biased;";
            if line.contains("select! {") && lines.get(at + 1).is_none_or(unbiased) {
                found.push(format!("{name}:{number} draws lots among its branches"));
            }
        }
    }
    assert_eq!(found, Vec::<String>::new());
    assert!(real >= 10, "the real host is not where it is looked for: {real}");
    Ok(())
}
