//! `contract test`: unit tests natively, then the same against the module, then the gas of each call in a table.
//!
//! A contract in Rust is tested by cargo, in worlds: natively; then with a world beside each whose code is the module, where the
//! first difference in status, return value, events or state fails the test. Those worlds write down what is done in them, and it
//! is done once more here, on a node's engine with instructions counted. A contract in C is tested by steps in a file
//! (`NAME.test.json`), against the module.

use super::build::{Language, Project, cargo};
use super::gas::Measured;
use super::{check, scenario, sections};
use crate::show;
use anyhow::{Context, Result, ensure};
use replicode_contracts::template::ABI_SECTION;
use std::fs;
use std::path::Path;
use std::process::Command;

/// `contract test`. Exit code 1 when a test fails.
///
/// # Errors
/// When it does not compile, or a test fails.
pub fn run(dir: &Path, json: bool) -> Result<u8> {
    let project = Project::find(dir)?;
    let say = |text: &str| crate::telemetry::say(text);
    let folder = tempfile::tempdir().context("cannot make a folder for modules")?;
    let (modules, steps) = (folder.path().join("modules"), folder.path().join("steps"));
    fs::create_dir(&modules).and_then(|()| fs::create_dir(&steps)).context("cannot make a folder for modules")?;
    if project.language == Language::Rust {
        say("natively");
        tested(Command::new(cargo()).arg("test").current_dir(dir), json)?;
    }
    let (path, verdict) = project.build("metered")?;
    if !verdict.complaints.is_empty() {
        show::print(&check::as_text(&path, &verdict))?;
        return Ok(1);
    }
    let wasm = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let name = check::document(&wasm)?.name;
    fs::write(modules.join(format!("contract_{name}.wasm")), &wasm).context("cannot write the module")?;
    copy_libraries(&dir.join("libraries"), &modules)?;
    say("against the wasm");
    let mut measured = Measured::new(&modules)?;
    match project.language {
        Language::Rust => {
            let mut command = Command::new(cargo());
            command.arg("test").current_dir(dir);
            command.env("REPLICODE_CONTRACT_MODULES", &modules).env("REPLICODE_CONTRACT_RECORD", &steps);
            tested(&mut command, json)?;
            measured.folder(&steps)?;
        }
        Language::C => scenario::run(&dir.join(format!("{}.test.json", project.name)), &wasm, &mut measured, json)?,
    }
    measured.show(json)
}

/// Runs cargo's tests. Its words go where ours for people go: standard output is for the table.
fn tested(command: &mut Command, json: bool) -> Result<()> {
    if json {
        command.stdout(std::io::stderr());
    }
    let status = command.status().context("cannot start cargo: install Rust")?;
    ensure!(status.success(), "tests have failed: see above");
    Ok(())
}

/// Modules of libraries, under the names by which worlds look for them.
fn copy_libraries(from: &Path, to: &Path) -> Result<()> {
    let Ok(entries) = fs::read_dir(from) else { return Ok(()) };
    for entry in entries {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".wasm"))
        else {
            continue;
        };
        let wasm = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        ensure!(
            sections::custom(&wasm)?.iter().any(|(name, _)| name == ABI_SECTION),
            "{} was not built as a library",
            path.display()
        );
        fs::write(to.join(format!("contract_{name}.wasm")), wasm).context("cannot write the library's module")?;
    }
    Ok(())
}
