//! `replicode sdk`: the SDK for C, C++ and Rust programs, made from sources that are part of this program.
//!
//! The sources are text; the compiler is fetched by the SDK's own script, which checks what it fetches.

use crate::args::SdkCommand;
use crate::{show, telemetry};
use anyhow::{Context, Result, ensure};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Command;

/// Path, content, and whether it is to be executed.
const FILES: &[(&str, &[u8], bool)] = include!(concat!(env!("OUT_DIR"), "/sdk_files.rs"));

/// Where an SDK is made, in the directory that it is for. Kept when that fails, so that nothing is fetched twice.
const WORK: &str = ".making";

/// Runs the command.
///
/// # Errors
/// When files cannot be written, or the SDK cannot be built.
pub fn run(what: &SdkCommand, json: bool) -> Result<u8> {
    match what {
        SdkCommand::Install { dir } => install(dir, json),
        SdkCommand::Source { dir } => {
            check_vacant(dir, &[])?;
            unpack(dir)?;
            tell(dir, json, "the SDK's sources are in", "build.sh --sdk")
        }
    }
}

fn install(dir: &Path, json: bool) -> Result<u8> {
    // An SDK is renewed; something else is not.
    let parts = ["bin", "env", "libexec", "share", "sysroot", WORK];
    check_vacant(dir, &parts)?;
    let work = dir.join(WORK);
    unpack(&work)?;
    let script = work.join("build.sh");
    let status = Command::new("bash").arg(&script).arg("--sdk").status();
    let status = status.context("cannot start bash, which the SDK's script needs")?;
    ensure!(
        status.success(),
        "the SDK could not be built ({status}): its script says why above; the same command again goes on from there"
    );
    let made = work.join("build/sdk");
    for entry in fs::read_dir(&made).with_context(|| format!("cannot read {}", made.display()))? {
        let entry = entry?;
        let place = dir.join(entry.file_name());
        let what = || format!("cannot replace {}", place.display());
        if place.is_dir() {
            fs::remove_dir_all(&place).with_context(what)?;
        }
        fs::rename(entry.path(), &place).with_context(what)?;
    }
    fs::remove_dir_all(&work).with_context(|| format!("cannot remove {}", work.display()))?;
    tell(dir, json, "the SDK is in", "bin/replicode-cc")
}

fn tell(dir: &Path, json: bool, what: &str, command: &str) -> Result<u8> {
    let dir = dir.canonicalize().unwrap_or_else(|_| dir.to_path_buf());
    if json {
        return show::print_json(&[serde_json::json!({"dir": dir, "command": dir.join(command)})]);
    }
    telemetry::say(&format!("{what} {}: {}", dir.display(), dir.join(command).display()));
    Ok(0)
}

/// Refuses a directory that holds anything but these.
fn check_vacant(dir: &Path, parts: &[&str]) -> Result<()> {
    let Ok(entries) = fs::read_dir(dir) else { return Ok(()) };
    for entry in entries {
        let name = entry?.file_name();
        ensure!(
            parts.iter().any(|part| name == *part),
            "{} holds {}, which is not of an SDK: name a new directory",
            dir.display(),
            Path::new(&name).display()
        );
    }
    Ok(())
}

/// Writes the sources into a directory. One that stands there already keeps what was fetched and built in it.
fn unpack(dir: &Path) -> Result<()> {
    for (name, content, executable) in FILES {
        let path = dir.join(name);
        let what = || format!("cannot write {}", path.display());
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).with_context(what)?;
        }
        // A file of an earlier attempt keeps its mode.
        let _ = fs::remove_file(&path);
        let mode = if *executable { 0o755 } else { 0o644 };
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&path).with_context(what)?;
        file.write_all(content).with_context(what)?;
    }
    Ok(())
}
