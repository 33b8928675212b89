//! `replicode contract` on a store of this machine: the real program, real files, and a verifier in another language.

use anyhow::{Context, Result, ensure};
use replicode_tests::cluster::replicode;
use replicode_tests::process::run;
use replicode_tests::{guest, root};
use serde_json::{Value as Json, json};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(120);

/// A process that does not outlive its test.
struct Child(std::process::Child);

impl Drop for Child {
    fn drop(&mut self) {
        // It has ended already, unless the test has failed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A directory with a store, keys and names of its own.
struct Cell {
    tmp: tempfile::TempDir,
}

impl Cell {
    fn new(names: &[&str]) -> Result<Self> {
        let cell = Self { tmp: tempfile::tempdir()? };
        for name in names {
            cell.text(&["key", "new", name])?;
        }
        Ok(cell)
    }

    fn store(&self) -> PathBuf {
        self.tmp.path().join("cell")
    }

    fn command(&self, args: &[&str]) -> Command {
        // What is behind `--` is the contract's.
        let end = args.iter().position(|arg| *arg == "--").unwrap_or(args.len());
        let store = self.store();
        let mut words: Vec<&std::ffi::OsStr> = vec!["contract".as_ref()];
        words.extend(args[..end].iter().map(std::ffi::OsStr::new));
        words.extend(["--local".as_ref(), store.as_os_str()]);
        words.extend(args[end..].iter().map(std::ffi::OsStr::new));
        let mut command = replicode(&words);
        command.env("REPLICODE_CONFIG", self.tmp.path().join("config")).current_dir(self.tmp.path());
        command
    }

    /// Exit code, standard output, standard error.
    fn said(&self, args: &[&str]) -> Result<(i32, String, String)> {
        let output = run(&mut self.command(args), b"", TIMEOUT)?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok((output.status.code().context("killed")?, text(&output.stdout), text(&output.stderr)))
    }

    fn text(&self, args: &[&str]) -> Result<String> {
        let (code, out, err) = self.said(args)?;
        ensure!(code == 0, "{args:?} exits with {code}: {out}{err}");
        Ok(out)
    }

    /// Lines of JSON, and the exit code.
    fn lines(&self, args: &[&str]) -> Result<(i32, Vec<Json>)> {
        let mut words = args.to_vec();
        words.insert(0, "--json");
        let (code, out, err) = self.said(&words)?;
        let values = serde_json::Deserializer::from_str(&out).into_iter().collect::<Result<Vec<Json>, _>>();
        Ok((code, values.with_context(|| format!("{args:?}: {out}{err}"))?))
    }

    fn json(&self, args: &[&str]) -> Result<Json> {
        let (code, mut values) = self.lines(args)?;
        ensure!(code == 0 && values.len() == 1, "{args:?} exits with {code}: {values:?}");
        Ok(values.remove(0))
    }

    /// A token of ann's, called `tok`, with 1,000,000.
    fn token() -> Result<Self> {
        let cell = Self::new(&["ann", "bob", "eve"])?;
        let module = guest("contract-token").display().to_string();
        let deployed = cell.json(&["deploy", &module, "--as", "ann", "--fund", "ann=1_000"])?;
        ensure!(deployed["status"] == "success", "{deployed}");
        let spawned = cell.json(&["spawn", "token", "--as", "ann", "--name", "tok", "--", "--supply", "1000000"])?;
        ensure!(spawned["status"] == "success", "{spawned}");
        Ok(cell)
    }

    fn pay(&self, to: &str, amount: &str) -> Result<Json> {
        self.json(&["call", "tok", "transfer", "--as", "ann", "--", "--to", to, "--amount", amount])
    }

    fn address(&self, name: &str) -> Result<String> {
        let (_, keys) = self.lines(&["key", "list"])?;
        let found = keys.iter().find(|key| key["name"] == name).context("the key is listed")?;
        Ok(found["account"].as_str().context("a text")?.to_string())
    }
}

#[test]
fn a_token_is_deployed_spawned_called_and_looked_at() -> Result<()> {
    let cell = Cell::token()?;
    let paid = cell.pay("bob", "30")?;
    let (ann, bob) = (cell.address("ann")?, cell.address("bob")?);
    assert_eq!(paid["events"][0]["fields"], json!({"from": ann, "to": bob, "amount": "30"}));
    assert_eq!(cell.text(&["view", "tok", "balance_of", "--", "--owner", "bob"])?, "30\n");
    // As of older batches, too.
    assert_eq!(cell.text(&["view", "tok", "balance_of", "--at", "2", "--", "--owner", "bob"])?, "0\n");
    let state = cell.json(&["state", "tok"])?;
    let expected = json!({"supply": "1000000", "balances": {ann: "999970", bob: "30"}, "allowed": {}});
    assert_eq!(state, expected);
    assert_eq!(cell.json(&["state", "tok", "--at", "2"])?["balances"].as_object().map(serde_json::Map::len), Some(1));
    let text = cell.text(&["state", "tok"])?;
    assert!(text.contains("balances: map<address, counter>\n") && text.contains("  bob = 30\n"), "{text}");
    // Slices as they lie: the supply as 16 bytes, little-endian.
    let (_, slices) = cell.lines(&["state", "tok", "--raw"])?;
    assert_eq!(slices[0]["bytes"], format!("0x{:032x}", 1_000_000_u128.swap_bytes()));
    // The receipt is the one that the call has printed, also in another process and after other batches.
    cell.pay("eve", "1")?;
    let transaction = paid["transaction"].as_str().context("a hash")?;
    assert_eq!(cell.json(&["receipt", transaction])?, paid);
    let (_, history) = cell.lines(&["history", "tok"])?;
    assert_eq!(history.len(), 3);
    assert_eq!((&history[1]["transaction"], &history[1]["state"]), (&paid["transaction"], &paid["states"][0]["state"]));
    Ok(())
}

#[test]
fn what_is_wrong_is_said_before_anything_is_sent() -> Result<()> {
    let cell = Cell::token()?;
    let before = cell.text(&["root"])?;
    let call = |args: &[&str]| cell.said(&[&["call", "tok", "transfer", "--as", "ann", "--"], args].concat());
    let (code, _, err) = call(&["--to", "bob", "--amount", "ten"])?;
    assert_eq!((code, err.as_str()), (2, "replicode: --amount: expected u128, got \"ten\"\n"));
    let (code, _, err) = call(&["--to", "joe", "--amuont", "1"])?;
    assert_eq!(code, 2);
    for said in [
        "--amuont: transfer has no such argument; did you mean --amount?",
        "--to: expected address, got \"joe\"",
        "--amount: missing",
    ] {
        assert!(err.contains(said), "{said}: {err}");
    }
    let wrong: [(&[&str], &str); 8] = [
        (&["call", "tok", "transfr", "--as", "ann"], "did you mean transfer?"),
        (&["call", "tok", "balance_off", "--as", "ann"], "did you mean balance_of?"),
        (&["call", "tok", "new", "--as", "ann"], "new is of kind init"),
        (
            &["call", "tok", "transfer", "--as", "ann", "--value", "1", "--", "--to", "bob", "--amount", "1"],
            "takes no money",
        ),
        (&["view", "tok", "transfer", "--", "--to", "bob", "--amount", "1"], "changes state"),
        (&["call", "tik", "transfer", "--as", "ann"], "\"tik\" is neither a name"),
        (&["spawn", "tokn", "--as", "ann"], "did you mean token?"),
        (&["spawn", "token", "--as", "zoe", "--", "--supply", "1"], "there is no key called \"zoe\""),
    ];
    for (args, said) in wrong {
        let (code, _, err) = cell.said(args)?;
        assert!(code == 2 && err.contains(said), "{args:?}: {code} {err}");
    }
    assert_eq!(cell.text(&["root"])?, before, "nothing has entered the log");
    // Without a place to ask nothing is asked.
    let mut bare = replicode(&["contract", "root"]);
    bare.env("REPLICODE_CONFIG", cell.tmp.path().join("config"))
        .env_remove("REPLICODE_LOCAL")
        .env_remove("REPLICODE_NODE");
    let output = run(&mut bare, b"", TIMEOUT)?;
    assert_eq!(output.status.code(), Some(2));
    Ok(())
}

#[test]
fn contracts_errors_have_names_and_traps_too() -> Result<()> {
    let cell = Cell::token()?;
    let args = ["call", "tok", "transfer", "--as", "bob", "--", "--to", "eve", "--amount", "31"];
    let (code, out, _) = cell.said(&args)?;
    assert_eq!((code, out.lines().next()), (1, Some("reverted: InsufficientFunds { have: 0, need: 31 }")));
    let (code, receipts) = cell.lines(&args)?;
    let error = json!({"name": "InsufficientFunds", "code": 1, "fields": {"have": "0", "need": "31"}});
    assert_eq!((code, &receipts[0]["status"], &receipts[0]["error"]), (1, &json!("reverted"), &error));
    let (code, receipts) =
        cell.lines(&["call", "tok", "transfer", "--as", "ann", "--gas", "4K", "--", "--to", "eve", "--amount", "1"])?;
    assert_eq!((code, &receipts[0]["status"], &receipts[0]["gas"]["burnt"]), (1, &json!("out_of_gas"), &json!(4000)));
    assert_eq!(cell.text(&["view", "tok", "balance_of", "--", "--owner", "eve"])?, "0\n");
    Ok(())
}

#[test]
fn a_dry_run_tells_exactly_and_leaves_nothing() -> Result<()> {
    let cell = Cell::token()?;
    let before = cell.text(&["root"])?;
    let transfer = ["call", "tok", "transfer", "--as", "ann", "--dry-run", "--", "--to", "bob", "--amount", "30"];
    let dry = cell.json(&transfer)?;
    assert_eq!(cell.text(&["root"])?, before);
    assert_eq!(cell.text(&["view", "tok", "balance_of", "--", "--owner", "bob"])?, "0\n");
    let real = cell.pay("bob", "30")?;
    for part in ["gas", "events", "touched", "returned", "status"] {
        if part != "events" {
            assert_eq!(dry[part], real[part], "{part}");
        }
    }
    assert_eq!(dry["events"][0]["fields"], real["events"][0]["fields"]);
    Ok(())
}

#[test]
fn events_are_found_by_name_and_topic_and_followed() -> Result<()> {
    let cell = Cell::token()?;
    for (to, amount) in [("bob", "1"), ("eve", "2"), ("bob", "3")] {
        cell.pay(to, amount)?;
    }
    let amounts = |args: &[&str]| -> Result<Vec<String>> {
        let (code, events) = cell.lines(&[&["events"], args].concat())?;
        ensure!(code == 0);
        Ok(events.iter().filter_map(|event| Some(event["fields"]["amount"].as_str()?.to_string())).collect())
    };
    assert_eq!(amounts(&[])?, ["1", "2", "3"]);
    assert_eq!(amounts(&["--contract", "tok", "--name", "Transfer", "--where", "to=bob"])?, ["1", "3"]);
    assert_eq!(amounts(&["--contract", "tok", "--from", "4", "--to", "4"])?, ["2"]);
    assert_eq!(amounts(&["--limit", "2"])?, ["1", "2"]);
    let (code, _, err) = cell.said(&["events", "--contract", "tok", "--name", "Transfer", "--where", "amount=1"])?;
    assert!(code == 2 && err.contains("cannot be found by \"amount\"; by from, to"), "{err}");
    // Whoever follows sees what another process does. What there is comes first: only then is there something to follow.
    let mut follow = cell.command(&["--json", "events", "--follow", "--limit", "4"]);
    let mut follow = Child(follow.stdout(Stdio::piped()).spawn()?);
    let out = follow.0.stdout.take().context("piped")?;
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || BufReader::new(out).lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
    let next = || told.recv_timeout(TIMEOUT).context("nothing is told");
    for amount in 1..=3 {
        let line = next()?;
        assert!(line.contains(&format!("\"amount\":\"{amount}\"")), "{line}");
    }
    assert!(follow.0.try_wait()?.is_none(), "it has ended, and not followed");
    cell.pay("bob", "4")?;
    let line = next()?;
    assert!(line.contains("\"amount\":\"4\""), "{line}");
    assert!(told.recv_timeout(TIMEOUT).is_err(), "more than four");
    assert!(follow.0.wait()?.success());
    Ok(())
}

#[test]
fn money_accounts_and_templates_are_listed() -> Result<()> {
    let cell = Cell::token()?;
    assert_eq!(cell.text(&["balance", "ann"])?, "1000\n");
    cell.text(&["send", "bob", "5", "--as", "ann"])?;
    assert_eq!((cell.text(&["balance", "ann"])?, cell.text(&["balance", "bob"])?), ("995\n".into(), "5\n".into()));
    let (code, out, _) = cell.said(&["send", "bob", "996", "--as", "ann"])?;
    assert_eq!(code, 1);
    assert!(out.starts_with("the sender has less than the 996"), "{out}");
    let (_, accounts) = cell.lines(&["accounts"])?;
    let tok = accounts.iter().find(|row| row["name"] == "tok").context("tok is listed")?;
    assert_eq!(tok["contract"], "token");
    let sum: u64 = accounts.iter().filter_map(|row| row["balance"].as_str()?.parse::<u64>().ok()).sum();
    assert_eq!(sum, 1000);
    let (_, templates) = cell.lines(&["templates"])?;
    assert_eq!((templates.len(), &templates[0]["template"]), (1, &tok["template"]));
    // A key is for its owner's eyes, and is not used when others can read it.
    let key = cell.tmp.path().join("config/keys/ann");
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(std::fs::metadata(&key)?.permissions().mode() & 0o777, 0o600);
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644))?;
    let (code, _, err) = cell.said(&["send", "bob", "1", "--as", "ann"])?;
    assert!(code == 1 && err.contains("can be read by others"), "{err}");
    // It stands in nobody else's way.
    std::fs::write(cell.tmp.path().join("config/keys/dee"), "no key")?;
    cell.text(&["send", "eve", "1", "--as", "bob"]).map_err(|error| error.context("an unreadable key of another"))?;
    assert_eq!(cell.text(&["balance", "bob"])?, "4\n");
    let (code, out, err) = cell.said(&["key", "list"])?;
    assert!(code == 0 && out.contains("bob") && err.contains("dee") && err.contains("ann"), "{out}{err}");
    Ok(())
}

#[test]
fn a_library_is_published_linked_and_fetched() -> Result<()> {
    let cell = Cell::new(&["ann"])?;
    let file = |name: &str| -> Result<String> {
        // A lock file is written beside the module.
        let to = cell.tmp.path().join(format!("{name}.wasm"));
        std::fs::copy(guest(&format!("contract-{name}")), &to)?;
        Ok(to.display().to_string())
    };
    let (mathlib, geometry) = (file("mathlib")?, file("geometry")?);
    let (code, _, err) = cell.said(&["deploy", &geometry, "--as", "ann"])?;
    assert!(
        code == 2 && err.contains("the module imports from lib:mathlib, and none is published under that name"),
        "{err}"
    );
    cell.text(&["publish", &mathlib, "--as", "ann", "--version", "1"])?;
    let (_, libraries) = cell.lines(&["libraries"])?;
    assert_eq!((&libraries[0]["name"], &libraries[0]["version"]), (&json!("mathlib"), &json!("1")));
    let (code, receipts) = cell.lines(&["publish", &mathlib, "--as", "ann", "--version", "1"])?;
    assert_eq!((code, &receipts[0]["status"]), (1, &json!("not_allowed")));
    cell.text(&["deploy", &geometry, "--as", "ann"])?;
    let lock: Json = serde_json::from_slice(&std::fs::read(cell.tmp.path().join("geometry.lock.json"))?)?;
    assert_eq!(lock["mathlib"]["hash"], libraries[0]["template"]);
    cell.text(&["fetch", "ann/mathlib@1", "--out", "fetched.wasm"])?;
    // What was fetched is the same library.
    let again = cell.json(&["publish", "fetched.wasm", "--as", "ann", "--version", "2"])?;
    assert_eq!(again["deployed"], json!([libraries[0]["template"]]));
    Ok(())
}

/// Checkpoints are written, and the log behind them is executed again: the same state in every process.
#[test]
fn a_store_lives_on_and_its_log_comes_out_again() -> Result<()> {
    let cell = Cell::token()?;
    for _ in 0..70 {
        cell.pay("bob", "1")?;
    }
    let root = cell.json(&["root"])?;
    assert_eq!(root["batch"], 72);
    let replayed = cell.json(&["replay", &cell.store().display().to_string()])?;
    assert_eq!((&replayed["batches"], &replayed["root"]), (&json!(72), &root["root"]));
    // An old receipt, from before the checkpoint.
    let (_, history) = cell.lines(&["history", "tok"])?;
    let first = history[1]["transaction"].as_str().context("a hash")?;
    assert_eq!(cell.json(&["receipt", first])?["batch"], 3);
    // Without checkpoints the log gives the same.
    std::fs::remove_file(cell.store().join("contracts.redb"))?;
    assert_eq!(cell.json(&["root"])?, root);
    // A flipped bit in the log is found and named.
    let log = cell.store().join("log");
    let mut bytes = std::fs::read(&log)?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&log, bytes)?;
    let (code, _, err) = cell.said(&["root"])?;
    assert!(code == 1 && err.contains("is damaged at byte"), "{err}");
    Ok(())
}

/// Gives lines to the verifier that was written from the description of the format alone; one answer a line.
fn other_verifier(lines: &[Json]) -> Result<Vec<String>> {
    let script = root().join("stm/contracts/tests/verify.py");
    let mut python = Command::new("python3").arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let mut input = python.stdin.take().context("a pipe")?;
    let writer = std::thread::spawn(move || input.write_all(text.as_bytes()));
    let output = python.wait_with_output()?;
    writer.join().map_err(|_| anyhow::anyhow!("the writer has panicked"))??;
    ensure!(output.status.success());
    Ok(String::from_utf8(output.stdout)?.lines().map(str::to_string).collect())
}

/// Every kind of proof: accepted by this program and by the other verifier, and by neither with any hexadecimal digit changed.
#[test]
fn proofs_hold_for_others_and_changed_ones_for_nobody() -> Result<()> {
    let cell = Cell::token()?;
    for (to, amount) in [("bob", "30"), ("eve", "2")] {
        cell.pay(to, amount)?;
    }
    let paid = cell.pay("bob", "1")?;
    cell.text(&["call", "tok", "approve", "--as", "ann", "--", "--spender", "bob", "--amount", "9"])?;
    let at = cell.json(&["root"])?;
    let then = cell.json(&["root", "--at", &paid["batch"].to_string()])?;
    let (root, digest) = (at["root"].as_str().context("a root")?, at["digest"].as_str().context("a digest")?);
    let receipt = paid["transaction"].as_str().context("a hash")?;
    let then = then["digest"].as_str().context("a digest")?;
    let proofs: [(&[&str], [&str; 2]); 9] = [
        (&["proof", "tok", "supply"], ["root", root]),
        (&["proof", "tok", "balances[bob]"], ["root", root]),
        (&["proof", "tok", "balances[bob]", "--digest"], ["digest", digest]),
        (&["proof", "tok", "allowed[ann][bob]"], ["root", root]),
        (&["proof", "absent", "tok", "allowed[ann][eve]"], ["root", root]),
        (&["proof", "absent", "tok", "allowed[bob][eve]"], ["root", root]),
        (&["proof", "account", "tok"], ["root", root]),
        (&["proof", "account", "eve"], ["root", root]),
        (&["proof", "receipt", receipt], ["digest", then]),
    ];
    let (mut lines, mut random) = (Vec::new(), 1_u64);
    for (args, anchor) in &proofs {
        let mut proof = cell.json(args)?;
        let path = cell.tmp.path().join("proof.json");
        let verify = |proof: &Json, flag: &str, hex: &str| -> Result<(i32, String, String)> {
            std::fs::write(&path, proof.to_string())?;
            cell.said(&["verify", &path.display().to_string(), &format!("--{flag}"), hex])
        };
        let (code, out, err) = verify(&proof, anchor[0], anchor[1])?;
        assert!(code == 0 && out.starts_with("it verifies: "), "{args:?}: {out}{err}");
        let line = |proof: &Json| json!({"question": proof["question"], "anchor": anchor, "proof": proof["proof"]});
        lines.push(line(&proof));
        let good = proof["proof"].as_str().context("digits")?.to_string();
        for changed in 0..60 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let at = (random >> 33) as usize % good.len();
            let digit = u8::from_str_radix(&good[at..=at], 16)? ^ (1 << ((random >> 20) % 4));
            proof["proof"] = format!("{}{digit:x}{}", &good[..at], &good[at + 1..]).into();
            lines.push(line(&proof));
            if changed < 3 {
                let (code, _, err) = verify(&proof, anchor[0], anchor[1])?;
                assert_eq!(code, 1, "{args:?} with digit {at} changed: {err}");
            }
        }
        proof["proof"] = good.into();
        let other = format!("{}{}", if anchor[1].starts_with('0') { '1' } else { '0' }, &anchor[1][1..]);
        let (code, _, err) = verify(&proof, anchor[0], &other)?;
        assert!(code == 1 && err.contains("does not verify"), "{err}");
    }
    let answers = other_verifier(&lines)?;
    assert_eq!(answers.len(), lines.len());
    for (number, said) in answers.iter().enumerate() {
        let good = number % 61 == 0;
        assert_eq!(said.starts_with("ok "), good, "line {number}: {said}: {}", lines[number]);
    }
    let (code, _, err) = cell.said(&["proof", "tok", "balances[joe]"])?;
    assert!(code == 2 && err.contains("expected address"), "{err}");
    let (code, _, err) = cell.said(&["proof", "absent", "tok", "balances[bob]"])?;
    assert!(code == 1 && err.contains("is there"), "{err}");
    Ok(())
}

#[test]
fn prices_are_those_of_the_page() -> Result<()> {
    let cell = Cell::new(&[])?;
    let (_, rows) = cell.lines(&["gas-table"])?;
    let page = std::fs::read_to_string(Path::new(&root()).join("docs/contracts-abi.md"))?;
    let instructions: Vec<&Json> = rows.iter().filter(|row| row["of"] == "instruction").collect();
    assert!(instructions.len() > 15);
    for row in instructions {
        let name = row["name"].as_str().context("a name")?;
        let line = page
            .lines()
            .find(|line| line.starts_with(&format!("| `{name}` |")))
            .with_context(|| format!("{name} is on the page"))?;
        let numbers: Vec<&str> = line.split('|').skip(2).take(3).map(str::trim).collect();
        assert_eq!(numbers, ["base", "each", "shift"].map(|part| row[part].to_string()), "{name}");
    }
    Ok(())
}
