//! What `cargo build` has made: every part and every composition asks for what it may, and offers what it must.

use paxos_compose::{PROCESSES, Providers, compose, interfaces, variant};
use std::path::{Path, PathBuf};

fn components() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let made = workspace.join("target/components");
    assert!(
        made.join("paxos").is_dir(),
        "{} is missing: `cargo build` in wasm_programs/paxos-wasm makes it",
        made.display()
    );
    made
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// WASI 0.2 and our own package, nothing else: the same files are to run in other hosts.
fn allowed(import: &str) -> bool {
    let ours = import.strip_prefix("replicode:paxos/").is_some_and(|rest| rest.ends_with("@1.0.0"));
    let wasi =
        import.starts_with("wasi:") && import.split_once('@').is_some_and(|(_, version)| version.starts_with("0.2."));
    ours || wasi
}

fn ours(names: &[String]) -> Vec<&str> {
    let short = |name: &'_ String| -> Option<usize> { name.strip_prefix("replicode:paxos/").map(|_| 0) };
    let names = names.iter().filter(|name| short(name).is_some());
    names.map(|name| name.trim_start_matches("replicode:paxos/").trim_end_matches("@1.0.0")).collect()
}

#[test]
fn every_part_offers_its_interface() {
    let parts = [
        ("acceptor", "acceptor"),
        ("acceptor-agent", "agent"),
        ("client-server", "client-server"),
        ("coordinator", "coordinator"),
        ("failure-detector", "failure-detector"),
        ("kv-store", "kv-store"),
        ("leader-detector", "leader-detector"),
        ("learner", "learner"),
        ("learner-agent", "agent"),
        ("network-client", "network-client"),
        ("network-server", "network-server"),
        ("proposer", "proposer"),
        ("proposer-agent", "agent"),
        ("runner", "runner"),
        ("runner-combined", "runner"),
        ("serializer", "serializer"),
        ("storage", "storage"),
    ];
    let folder = components().join("paxos");
    for (part, interface) in parts {
        let (imports, exports) = interfaces(&read(&folder.join(format!("{part}.wasm")))).expect(part);
        assert_eq!(exports, [format!("replicode:paxos/{interface}@1.0.0")], "{part}");
        for import in &imports {
            assert!(allowed(import), "{part} imports {import}");
        }
    }
    let files = std::fs::read_dir(&folder).expect("the folder").count();
    assert_eq!(files, parts.len(), "every part is named here");
}

#[test]
fn cores_have_no_clock_socket_or_file() {
    for part in ["acceptor", "proposer", "learner", "kv-store", "failure-detector", "leader-detector", "serializer"] {
        let (imports, _) = interfaces(&read(&components().join(format!("paxos/{part}.wasm")))).expect(part);
        for import in imports {
            let forbidden = ["wasi:clocks", "wasi:sockets", "wasi:filesystem", "wasi:random"];
            assert!(!forbidden.iter().any(|name| import.starts_with(name)), "{part} imports {import}");
        }
    }
}

#[test]
fn a_composition_leaves_open_what_the_host_provides() {
    let folder = components();
    for process in PROCESSES {
        for providers in Providers::all() {
            let name = format!("{process}.{providers}");
            let (imports, exports) = interfaces(&read(&folder.join(format!("{name}.wasm")))).expect(&name);
            assert_eq!(exports, ["replicode:paxos/runner@1.0.0"], "{name}");
            assert!(imports.iter().all(|import| allowed(import)), "{name}: {imports:?}");
            let Providers([network, serializer, storage]) = providers;
            let mut wanted = vec!["host-control"];
            if !network {
                wanted.extend(["network-client", "network-server"]);
                wanted.extend(["proposer", "combined"].contains(&process).then_some("client-server"));
            }
            wanted.extend((!serializer).then_some("serializer"));
            wanted.extend((!storage).then_some("storage"));
            wanted.sort_unstable();
            let words = ["types", "messages", "settings", "network-types", "agent-types", "core-types"];
            let mut found = ours(&imports);
            found.retain(|name| !words.contains(name));
            assert_eq!(found, wanted, "{name}");
            let sockets = imports.iter().any(|import| import.starts_with("wasi:sockets/tcp@"));
            assert_eq!(sockets, network, "{name}: sockets");
            let files = imports.iter().any(|import| import.starts_with("wasi:filesystem/types@"));
            assert!(files || !storage, "{name}: files");
        }
    }
}

/// A part of another version, one that is cut short, and none at all: each is named.
#[test]
fn what_does_not_fit_is_named() {
    let folder = components();
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let source = String::from_utf8(read(&here.join("acceptor.wac"))).expect("text");
    let text = variant(&source, Providers([false; 3]));
    let origin = Path::new("acceptor.wac");
    assert!(compose(&text, origin, &folder).is_ok());

    let own = std::env::temp_dir().join(format!("paxos-compose-{}", std::process::id()));
    std::fs::create_dir_all(own.join("paxos")).expect("a folder");
    for part in ["acceptor", "acceptor-agent", "runner"] {
        std::fs::copy(folder.join(format!("paxos/{part}.wasm")), own.join(format!("paxos/{part}.wasm")))
            .expect("a copy");
    }
    let agent = own.join("paxos/acceptor-agent.wasm");
    let whole = read(&agent);
    std::fs::write(&agent, &whole[..whole.len() / 2]).expect("written");
    let error = compose(&text, origin, &own).expect_err("cut short").to_string();
    assert!(error.contains("acceptor"), "{error}");

    let renamed = text.replace("agent@1.0.0", "agent@2.0.0").replace("runner@1.0.0", "runner@2.0.0");
    std::fs::write(&agent, &whole).expect("written");
    let error = compose(&renamed, origin, &own).expect_err("another version").to_string();
    assert!(error.contains("runner@2.0.0"), "{error}");

    std::fs::remove_file(&agent).expect("removed");
    let error = compose(&text, origin, &own).expect_err("missing").to_string();
    assert!(error.contains("acceptor-agent.wasm") && error.contains("cargo build"), "{error}");
    std::fs::remove_dir_all(&own).expect("removed");
}
