//! Contracts written: folders that `replicode contract new` makes, what is built of them, what is refused, and the page about it.

use anyhow::{Context, Result, ensure};
use replicode_tests::cluster::replicode;
use replicode_tests::process::run;
use replicode_tests::{binary, guest, root};
use serde_json::Value as Json;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Compiling a contract with all that tests of it need takes minutes on a small machine.
const TIMEOUT: Duration = Duration::from_secs(900);

/// Folders of contracts are compiled in one place: what they share is compiled once.
fn target() -> PathBuf {
    root().join("target/contract-new")
}

fn environment<'c>(command: &'c mut Command, dir: &Path) -> &'c mut Command {
    command.current_dir(dir).env("CARGO_TARGET_DIR", target()).env("REPLICODE_CONFIG", dir.join("config"));
    command.env_remove("RUSTFLAGS").env_remove("REPLICODE_LOCAL").env_remove("REPLICODE_NODE")
}

/// Exit code, standard output, standard error.
fn said(dir: &Path, args: &[&str]) -> Result<(i32, String, String)> {
    let mut command = replicode(&[&["contract"], args].concat());
    if let Some(zig) = compiler() {
        command.env("REPLICODE_CONTRACT_CC", zig);
    }
    let output = run(environment(&mut command, dir), b"", TIMEOUT)?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok((output.status.code().context("killed")?, text(&output.stdout), text(&output.stderr)))
}

fn ok(dir: &Path, args: &[&str]) -> Result<String> {
    let (code, out, err) = said(dir, args)?;
    ensure!(code == 0, "{args:?} exits with {code}: {out}{err}");
    Ok(out)
}

fn json(dir: &Path, args: &[&str]) -> Result<Json> {
    serde_json::from_str(&ok(dir, &[&["--json"], args].concat())?).with_context(|| format!("{args:?}"))
}

/// The C compiler of the guests.
fn compiler() -> Option<PathBuf> {
    let toolchains = std::fs::read_dir(root().join("wasm_programs/.toolchain")).ok()?;
    toolchains.flatten().map(|entry| entry.path().join("ziglang/zig")).find(|zig| zig.exists())
}

/// The lines of the page's first part that a shell executes.
fn lines_of_the_page() -> Result<String> {
    let page = std::fs::read_to_string(root().join("docs/contracts.md"))?;
    let part = page.split("## Your first contract").nth(1).and_then(|rest| rest.split("\n## ").next());
    let blocks = part.context("the page has that part")?.split("```sh\n").skip(1);
    Ok(blocks.filter_map(|block| block.split("```").next()).collect())
}

#[test]
fn the_first_contract_of_the_page() -> Result<()> {
    let tmp = tempfile::tempdir()?;
    let script = format!("set -eu\n{}", lines_of_the_page()?);
    ensure!(script.lines().count() > 20, "{script}");
    let bin = tmp.path().join("bin");
    std::fs::create_dir(&bin)?;
    std::os::unix::fs::symlink(std::fs::canonicalize(binary())?, bin.join("replicode"))?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let paths = std::iter::once(bin.clone()).chain(std::env::split_paths(&path));
    let mut bash = Command::new("bash");
    bash.arg("-c").arg(&script).env("PATH", std::env::join_paths(paths)?);
    let output = run(environment(&mut bash, tmp.path()), b"", TIMEOUT)?;
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "{script}\n{out}\n{err}");
    for expected in [
        "a node would take it\n",
        "reverted: InsufficientFunds { have: 30, need: 31 }\n",
        "it verifies: element 0x",
        "it verifies: there is no element 0x",
        "batches come out as they did",
    ] {
        assert!(out.contains(expected), "{expected}: {out}");
    }
    assert!(out.ends_with("\n2\n"), "the client in Python prints what eve has: {out}");
    assert!(err.contains("--amount: expected u128, got \"ten\""), "{err}");
    // The table of gas: contract, function, calls, numbers.
    let row = out
        .lines()
        .find(|line| line.starts_with("token") && line.contains("transfer"))
        .context("a row of the table")?;
    let numbers: Vec<u64> = row.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    assert!(numbers.len() == 4 && numbers[1] > 1_000 && numbers[1] <= numbers[2] && numbers[2] <= numbers[3], "{row}");
    Ok(())
}

#[test]
fn a_contract_is_made_built_checked_and_tested() -> Result<()> {
    let tmp = tempfile::tempdir()?;
    ok(tmp.path(), &["new", "coin", "--lang", "rust"])?;
    let (code, _, err) = said(tmp.path(), &["new", "coin"])?;
    assert!(code == 1 && err.contains("is there already"), "{err}");
    let (code, ..) = said(tmp.path(), &["new", "No"])?;
    assert_eq!(code, 2);
    let dir = tmp.path().join("coin");
    let built = json(&dir, &["build"])?;
    assert_eq!((&built["name"], &built["class"], &built["deploys"]), (&"coin".into(), &"metered".into(), &true.into()));
    assert!(built["code_bytes"].as_u64().is_some_and(|bytes| bytes < 20 << 10), "{built}");
    // Debug information is in a file of its own.
    let names = |file: &str| -> Result<bool> {
        let bytes = std::fs::read(dir.join(file))?;
        Ok(bytes.windows(11).any(|window| window == b".debug_line"))
    };
    assert_eq!((names("coin.wasm")?, names("coin.debug.wasm")?), (false, true));
    let abi: Json = serde_json::from_slice(&std::fs::read(dir.join("coin.abi.json"))?)?;
    assert_eq!(abi["name"], "coin");
    // The verdict is the same about the file, and the template's hash that of a deployment.
    let checked = json(&dir, &["check", "coin.wasm"])?;
    assert_eq!(checked["template"], built["template"]);
    ok(&dir, &["key", "new", "ann"])?;
    let store = dir.join("cell").display().to_string();
    let deployed = json(&dir, &["deploy", "coin.wasm", "--as", "ann", "--local", &store])?;
    assert_eq!(deployed["deployed"][0], built["template"]);
    // A mistake in the contract fails its tests, natively already.
    let lib = dir.join("src/lib.rs");
    let source = std::fs::read_to_string(&lib)?;
    std::fs::write(&lib, source.replace("have: self.balance_of(from), need: amount", "have: 7, need: amount"))?;
    let (code, out, _) = said(&dir, &["test"])?;
    assert!(code == 1 && out.contains("what_is_not_there_is_not_paid ... FAILED"), "{out}");
    // A mistake that only the wasm has fails them, too.
    let wrong = "{ if cfg!(target_family = \"wasm\") { 7 } else { self.balance_of(from) } }";
    std::fs::write(&lib, source.replace("have: self.balance_of(from)", &format!("have: {wrong}")))?;
    let (code, out, err) = said(&dir, &["test"])?;
    assert!(code == 1 && format!("{out}{err}").contains("the module ends otherwise than native code"), "{out}{err}");
    Ok(())
}

#[test]
fn a_contract_in_c_is_made_built_and_tested() -> Result<()> {
    let tmp = tempfile::tempdir()?;
    ok(tmp.path(), &["new", "steps", "--lang", "c"])?;
    let dir = tmp.path().join("steps");
    let out = ok(&dir, &["test"])?;
    for expected in ["test it counts and says who ... ok\n", "test what goes above the limit changes nothing ... ok\n"]
    {
        assert!(out.contains(expected), "{out}");
    }
    assert!(out.lines().any(|line| line.starts_with("steps") && line.contains("add")), "{out}");
    let built = json(&dir, &["build"])?;
    assert!(built["code_bytes"].as_u64().is_some_and(|bytes| bytes < 2048), "{built}");
    // What is priced by a length that only the layout knows is not of class fixed; it is said once.
    let (code, out, _) = said(&dir, &["build", "--class", "fixed"])?;
    let complaints: Vec<&str> = out.lines().filter(|line| line.contains("not of class fixed")).collect();
    let different: std::collections::BTreeSet<&str> = complaints.iter().copied().collect();
    assert!(code == 1 && !complaints.is_empty() && complaints.len() == different.len(), "{out}");
    let steps = dir.join("steps.test.json");
    let text = std::fs::read_to_string(&steps)?;
    std::fs::write(&steps, text.replace("\"returns\": \"3\"", "\"returns\": \"4\""))?;
    let (code, _, err) = said(&dir, &["test"])?;
    assert!(code == 1 && err.contains("expected it to return 4, and it returns 3"), "{err}");
    Ok(())
}

/// Straight code over numbers: its price is proven before it runs, stands in the document, and is what it burns.
#[test]
fn a_contract_of_class_fixed_burns_what_was_proven() -> Result<()> {
    let tmp = tempfile::tempdir()?;
    ok(tmp.path(), &["new", "bell", "--lang", "c"])?;
    let dir = tmp.path().join("bell");
    let source = "#include \"contract.h\"\nenum { RUNG };\nCALL(ring) { svm_set64(RUNG, svm_get64(RUNG) + 1); }\n";
    std::fs::write(dir.join("bell.c"), source)?;
    let document = serde_json::json!({
        "abi": 1, "name": "bell", "functions": [{"name": "ring", "kind": "call"}],
        "storage": [{"name": "rung", "type": "u64", "slice": 0}],
    });
    std::fs::write(dir.join("bell.contract.json"), document.to_string())?;
    let metered = json(&dir, &["build"])?;
    assert!(metered["warnings"].to_string().contains("it could be of class fixed"), "{metered}");
    let built = json(&dir, &["build", "--class", "fixed"])?;
    assert_eq!(built["class"], "fixed");
    let abi: Json = serde_json::from_slice(&std::fs::read(dir.join("bell.abi.json"))?)?;
    assert_eq!(abi["functions"][0]["gas"], built["gas"]["ring"]);
    let store = dir.join("cell").display().to_string();
    ok(&dir, &["key", "new", "ann"])?;
    ok(&dir, &["deploy", "bell.wasm", "--as", "ann", "--local", &store])?;
    ok(&dir, &["spawn", "bell", "--as", "ann", "--name", "b", "--local", &store])?;
    for rung in 1..3 {
        let receipt = json(&dir, &["call", "b", "ring", "--as", "ann", "--local", &store])?;
        assert_eq!(receipt["gas"]["frames"][0]["burnt"], built["gas"]["ring"], "{receipt}");
        assert_eq!(json(&dir, &["state", "b", "--local", &store])?["rung"], rung.to_string());
    }
    Ok(())
}

#[test]
fn everything_that_stands_against_a_module_is_said_at_once() -> Result<()> {
    let tmp = tempfile::tempdir()?;
    let path = tmp.path().join("bad.wasm");
    // An unknown import, a float, a start function, and no document.
    let text = "\0asm\x01\0\0\0";
    let mut wasm = text.as_bytes().to_vec();
    wasm.extend(b"\x01\x04\x01\x60\0\0"); // type () -> ()
    wasm.extend(b"\x02\x0d\x01\x03svm\x05emitt\0\0"); // import svm.emitt
    wasm.extend(b"\x03\x02\x01\0"); // one function
    wasm.extend(b"\x08\x01\x01"); // start
    wasm.extend(b"\x0a\x0e\x01\x0c\0\x44\0\0\0\0\0\0\0\0\x1a\x0b"); // f64.const 0, drop
    std::fs::write(&path, wasm)?;
    let (code, out, err) = said(tmp.path(), &["check", "bad.wasm"])?;
    assert_eq!(code, 1, "{err}");
    for expected in [
        "has no custom section \"replicode.abi\"",
        "unknown import svm.emitt; did you mean svm.emit?",
        "start function",
        "float",
    ] {
        assert!(out.contains(expected), "{expected}: {out}");
    }
    // Of a library that nobody gives, only that.
    let geometry = guest("contract-geometry").display().to_string();
    let (code, out, _) = said(tmp.path(), &["check", &geometry])?;
    assert!(code == 1 && out.contains("the module imports from lib:mathlib"), "{out}");
    let mathlib = format!("mathlib={}", guest("contract-mathlib").display());
    let (code, out, _) = said(tmp.path(), &["check", &geometry, "--with", &mathlib])?;
    assert_eq!((code, out.lines().last()), (0, Some("a node would take it")), "{out}");
    for name in ["auction", "counter", "escrow", "exchange", "factory", "nested", "token", "wallet"] {
        ok(tmp.path(), &["check", &guest(&format!("contract-{name}")).display().to_string()])?;
    }
    Ok(())
}

#[test]
fn bindings_in_rust_are_an_interface() -> Result<()> {
    let tmp = tempfile::tempdir()?;
    let token = guest("contract-token").display().to_string();
    let out = ok(tmp.path(), &["bindings", &token, "--lang", "rust"])?;
    for line in [
        "#[interface]",
        "pub trait Token {",
        "    fn transfer(&mut self, to: Address, amount: u128);",
        "    fn allowance(&self, owner: Address, spender: Address) -> u128;",
    ] {
        assert!(out.lines().any(|found| found == line), "{line}: {out}");
    }
    let (code, _, err) = said(tmp.path(), &["bindings", &token, "--lang", "cobol"])?;
    assert!(code == 2 && err.contains("rust and python are there"), "{err}");
    Ok(())
}

/// Rows of the table at the page's end: every page is there, and every test.
#[test]
fn the_table_of_the_page_names_pages_and_tests_that_are_there() -> Result<()> {
    let page = std::fs::read_to_string(root().join("docs/contracts.md"))?;
    let table = page.split("## The description that this was built from").nth(1).context("the page has the table")?;
    let (mut rows, mut tests) = (0, 0);
    for line in table.lines().filter(|line| line.starts_with("| ")).skip(1) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [_, pages, test] = cells[..] else { anyhow::bail!("three cells: {line}") };
        rows += 1;
        for link in pages.split("](").skip(1).filter_map(|link| link.split(')').next()) {
            ensure!(root().join("docs").join(link).is_file(), "{link} is not there: {line}");
        }
        if test == "–" {
            continue;
        }
        let (file, name) = test.trim_matches('`').split_once("::").with_context(|| format!("file::test: {line}"))?;
        let source = std::fs::read_to_string(root().join(file)).with_context(|| format!("{file}: {line}"))?;
        ensure!(source.contains(&format!("fn {name}(")), "there is no {name} in {file}");
        tests += 1;
    }
    ensure!(rows > 30 && tests > 30, "{rows} rows, {tests} tests");
    Ok(())
}

#[test]
fn code_is_replaced_where_the_contract_allows_it() -> Result<()> {
    let tmp = tempfile::tempdir()?;
    ok(tmp.path(), &["new", "coin"])?;
    let dir = tmp.path().join("coin");
    let lib = dir.join("src/lib.rs");
    let source = std::fs::read_to_string(&lib)?;
    let with =
        |more: &str| source.replacen("        /// All there is.\n", &format!("{more}        /// All there is.\n"), 1);
    let rule = "        #[upgrade]\n        pub fn upgrade(&self, sender: Address, _template: Hash) -> bool {\n            self.balance_of(sender) > 0\n        }\n\n";
    let build = |source: &str, to: &str| -> Result<()> {
        std::fs::write(&lib, source)?;
        ok(&dir, &["build"])?;
        std::fs::rename(dir.join("coin.wasm"), dir.join(to)).context("the module is there")
    };
    build(&source, "never.wasm")?;
    build(&with(rule), "one.wasm")?;
    let twice =
        "        #[view]\n        pub fn twice(&self) -> u128 {\n            2 * self.supply.get()\n        }\n\n";
    build(&with(&format!("{rule}{twice}")), "two.wasm")?;
    build(
        &with(rule)
            .replace("supply: Var<u128>,", "supply: Var<u64>,")
            .replace("set(&supply)", "set(&1)")
            .replace("pub fn supply(&self) -> u128 {", "pub fn supply(&self) -> u64 {"),
        "clash.wasm",
    )?;
    let store = dir.join("cell").display().to_string();
    let at = |args: &[&str]| -> Vec<String> {
        let end = args.iter().position(|arg| *arg == "--").unwrap_or(args.len());
        let place = ["--local", store.as_str()];
        let words = args[..end].iter().chain(&place).chain(&args[end..]);
        words.map(|word| (*word).to_string()).collect()
    };
    let run = |args: &[&str]| {
        let words = at(args);
        said(&dir, &words.iter().map(String::as_str).collect::<Vec<_>>())
    };
    for name in ["ann", "bob"] {
        ok(&dir, &["key", "new", name])?;
    }
    for (module, name) in [("never.wasm", "fast"), ("one.wasm", "tok")] {
        assert_eq!(run(&["deploy", module, "--as", "ann"])?.0, 0);
        assert_eq!(run(&["spawn", "coin", "--as", "ann", "--name", name, "--", "--supply", "7"])?.0, 0);
    }
    assert_eq!(run(&["view", "tok", "twice"])?.0, 2, "there is no such function yet");
    for (contract, by) in [("fast", "ann"), ("tok", "bob")] {
        let (code, out, err) = run(&["upgrade", contract, "two.wasm", "--as", by])?;
        assert!(code == 1 && out.contains("not allowed: the account's upgrade rule does not allow it"), "{out}{err}");
    }
    let (code, out, err) = run(&["upgrade", "tok", "clash.wasm", "--as", "ann"])?;
    assert!(code == 1 && out.contains("variable supply is u64, and what is stored is u128"), "{out}{err}");
    let (code, out, err) = run(&["upgrade", "tok", "two.wasm", "--as", "ann"])?;
    assert_eq!(code, 0, "{out}{err}");
    assert_eq!(run(&["view", "tok", "twice"])?.1, "14\n");
    // What it was before is still read by what it was then.
    assert_eq!(run(&["view", "tok", "supply", "--at", "4"])?.1, "7\n");
    Ok(())
}
