//! `replicode check`: what is said of a module before anything of it runs, and that `run`, `up` and `init` use the same words.

use anyhow::{Context, Result};
use replicode_tests::cluster::{json, replicode};
use replicode_tests::guest;
use replicode_tests::process::run;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(60);

fn said(command: &mut Command) -> Result<(Option<i32>, String, String)> {
    let output = run(command, b"", TIMEOUT)?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok((output.status.code(), text(&output.stdout), text(&output.stderr)))
}

/// A module of these sections, each its number and content; lengths below 128 are one byte.
fn module(sections: &[(u8, &[u8])]) -> Vec<u8> {
    let mut wasm = b"\0asm\x01\0\0\0".to_vec();
    for (id, body) in sections {
        wasm.extend([*id, u8::try_from(body.len()).expect("short")]);
        wasm.extend_from_slice(body);
    }
    wasm
}

#[test]
fn a_program_is_described() -> Result<()> {
    let kv = guest("kv");
    let kv = kv.to_string_lossy();
    let found = json(&["check", &kv])?;
    assert_eq!((&found["starts"], &found["why"]), (&true.into(), &serde_json::Value::Null));
    let imports = found["imports"].as_array().context("imports are listed")?;
    assert!(imports.iter().all(|row| row["state"] == "served" && row["class"].is_string()), "{imports:?}");
    assert!(imports.iter().any(|row| row["module"] == "replicode_sock_v1" && row["name"] == "listen"));
    // What wasm_programs/kv/flags asks the linker for.
    assert_eq!(found["stack"], 8 << 20);
    assert_eq!((&found["memories"], &found["exceptions"]), (&1.into(), &"none".into()));
    let (code, out, _) = said(&mut replicode(&["check", &kv]))?;
    assert!(code == Some(0) && out.ends_with("it can run here\n"), "{out}");
    // The limits are those that are asked for.
    let (code, out, _) = said(&mut replicode(&["check", &kv, "--limit", "memory_bytes=1M"]))?;
    assert!(code == Some(1) && out.contains("more than the limit 'memory_bytes' of 1048576"), "{out}");
    let (code, ..) = said(&mut replicode(&["check", &kv, "--limit", "tea=1"]))?;
    assert_eq!(code, Some(2));
    Ok(())
}

#[test]
fn all_imports_are_judged_and_every_refusal_has_a_way_out() -> Result<()> {
    let tmp = tempfile::tempdir()?;
    let path = tmp.path().join("app.wasm");
    // Types () -> () and (i32) -> i32; imports env.fork, env.execve, proc_raise; a memory of one page; `_start`.
    let mut imports = vec![3];
    for (module, name, ty) in [("env", "fork", 0), ("env", "execve", 0), ("wasi_snapshot_preview1", "proc_raise", 1)] {
        for text in [module, name] {
            imports.push(u8::try_from(text.len())?);
            imports.extend_from_slice(text.as_bytes());
        }
        imports.extend([0, ty]);
    }
    let exports = b"\x02\x06memory\x02\0\x06_start\0\x03";
    let bytes = module(&[
        (1, b"\x02\x60\0\0\x60\x01\x7f\x01\x7f"),
        (2, &imports),
        (3, b"\x01\0"),
        (5, b"\x01\0\x01"),
        (7, exports),
        (10, b"\x01\x02\0\x0b"),
    ]);
    fs::write(&path, bytes)?;
    let (code, out, err) = said(replicode(&["check", "--json"]).arg(&path))?;
    assert_eq!(code, Some(1), "{out}{err}");
    let found: serde_json::Value = serde_json::from_str(&out)?;
    let states: Vec<_> = found["imports"].as_array().context("listed")?.iter().map(|row| &row["state"]).collect();
    assert_eq!(states, ["unknown", "unknown", "refused"]);
    let (_, out, _) = said(replicode(&["check"]).arg(&path))?;
    for line in [
        "imports from 'env': 2 unknown",
        "  unknown: fork: there is no module 'env'",
        "    way out: no object or library had it",
        "  refused: proc_raise: answers `ENOTSUP`",
    ] {
        assert!(out.contains(line), "{line} in:\n{out}");
    }
    assert_eq!(out.matches("way out").count(), 1, "{out}");
    Ok(())
}

#[test]
fn what_cannot_run_is_called_by_its_name_by_every_command() -> Result<()> {
    let tmp = tempfile::tempdir()?;
    let wasix = b"\x01\x0awasix_32v1\x04fork\0\0";
    let files: [(&str, Vec<u8>, &str); 7] = [
        ("native", fs::read("/bin/true")?, "it is a native program (ELF). compile its sources with replicode-cc"),
        ("script", b"#!/bin/sh\nexit 0\n".to_vec(), "it is a script (\"#!/bin/sh\")"),
        (
            "source.c",
            b"#include <stdio.h>\nint main(void) { return 0; }\n".to_vec(),
            "replicode-cc FILE.c -o FILE.wasm",
        ),
        ("threads", module(&[(5, b"\x01\x03\x01\x02")]), "replicode has no threads yet; build without -pthread"),
        ("wide", module(&[(5, b"\x01\x04\x01")]), "build for wasm32, not wasm64"),
        ("wasix", module(&[(1, b"\x01\x60\0\0"), (2, wasix)]), "this is a WASIX module (it imports 'wasix_32v1')"),
        (
            "component",
            b"\0asm\x0d\0\x01\0".to_vec(),
            "this is a WebAssembly component, and replicode runs core modules",
        ),
    ];
    let node = "127.0.0.1:1";
    for (name, bytes, says) in files {
        let path = tmp.path().join(name);
        fs::write(&path, bytes)?;
        let (code, out, err) = said(replicode(&["check"]).arg(&path))?;
        assert!(code == Some(1) && out.contains(says) && err.is_empty(), "check {name}: {out}{err}");
        let made = |dir: &str| tmp.path().join(dir);
        let mut commands = [replicode(&["run"]), replicode(&["up", "--nodes", "1", "--data"]), replicode(&["init"])];
        commands[0].arg(&path);
        commands[1].arg(made("up")).arg(&path);
        commands[2].arg(made("init")).arg(&path).args(["--nodes", node]);
        for command in &mut commands {
            let (code, _, err) = said(command)?;
            assert!(code == Some(1) && err.contains(says), "{command:?}: {err}");
        }
        assert!(!Path::new(&made("up")).exists() && !made("init").exists(), "nothing is left of {name}");
    }
    Ok(())
}

/// All files at or below a path.
fn files(path: &Path, into: &mut Vec<std::path::PathBuf>) -> Result<()> {
    if !path.is_dir() {
        into.push(path.to_path_buf());
        return Ok(());
    }
    fs::read_dir(path)?.try_for_each(|entry| files(&entry?.path(), into))
}

#[test]
fn the_sdks_sources_come_out_as_they_are_here() -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let tmp = tempfile::tempdir()?;
    let (out, here) = (tmp.path().join("src"), replicode_tests::root().join("wasm_programs"));
    let (code, _, err) = said(replicode(&["sdk", "source"]).arg(&out))?;
    assert_eq!(code, Some(0), "{err}");
    let mut found = Vec::new();
    for part in ["build.sh", "programs.list", "sdk", "libposix/include", "libposix/src"] {
        files(&here.join(part), &mut found)?;
    }
    found.retain(|path| !path.starts_with(here.join("sdk/tests")));
    for path in &found {
        let copy = out.join(path.strip_prefix(&here)?);
        let same = fs::read(path)? == fs::read(&copy).with_context(|| format!("{}", copy.display()))?;
        let runs = |path: &Path| -> Result<bool> { Ok(fs::metadata(path)?.permissions().mode() & 0o100 != 0) };
        assert!(same && runs(path)? == runs(&copy)?, "{}", copy.display());
    }
    let mut written = Vec::new();
    files(&out, &mut written)?;
    assert_eq!(written.len(), found.len());
    let listed = run(Command::new("bash").arg(out.join("build.sh")).arg("--list"), b"", TIMEOUT)?;
    assert!(listed.status.success(), "the script runs where it was written to");
    // What is not of an SDK stays.
    fs::write(out.join("mine"), "")?;
    for what in ["source", "install"] {
        let (code, _, err) = said(replicode(&["sdk", what]).arg(&out))?;
        assert!(code == Some(1) && err.contains("which is not of an SDK"), "{err}");
    }
    Ok(())
}
