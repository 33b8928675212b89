//! Bad component files, as a user meets them: `paxos-host check` names the file, what is wrong, and the way out.

use std::path::Path;
use std::process::{Command, Output};

const CONFIG: &str = "
cluster: refusals
components: components
composition: COMPOSITION
providers: {network: host, serializer: host, storage: host}
nodes:
  - {id: 1, proposer: 127.0.0.1:6101, acceptor: 127.0.0.1:6102, learner: 127.0.0.1:6103, client: 127.0.0.1:6100}
  - {id: 2, proposer: 127.0.0.1:6201, acceptor: 127.0.0.1:6202, learner: 127.0.0.1:6203, client: 127.0.0.1:6200}
  - {id: 3, proposer: 127.0.0.1:6301, acceptor: 127.0.0.1:6302, learner: 127.0.0.1:6303, client: 127.0.0.1:6300}
";

/// A component that exports an interface with a function `run` (of a type that is not ours), after `imports`.
fn component(interface: &str, imports: &str) -> Vec<u8> {
    let text = format!(
        r#"(component
            {imports}
            (core module $m (func (export "run") (result i32) (i32.const 0)))
            (core instance $i (instantiate $m))
            (func $run (result u32) (canon lift (core func $i "run")))
            (instance $out (export "run" (func $run)))
            (export "replicode:paxos/{interface}@1.0.0" (instance $out)))"#
    );
    wat::parse_str(text).expect("valid text")
}

fn host(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_paxos-host"))
        .args(arguments)
        .arg(folder.join("config.yaml"))
        .output()
        .expect("the host starts")
}

/// What `check` says when these files lie among the components.
fn refused(composition: &str, files: &[(&str, &[u8])]) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let components = folder.path().join("components");
    std::fs::create_dir_all(components.join("paxos")).expect("made");
    std::fs::write(folder.path().join("config.yaml"), CONFIG.replace("COMPOSITION", composition)).expect("written");
    for (name, bytes) in files {
        std::fs::write(components.join(name), bytes).expect("written");
    }
    let output = host(folder.path(), &["check"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    String::from_utf8(output.stderr).expect("text").replace(&components.display().to_string(), "components")
}

const COORDINATOR: &str = "paxos/coordinator.wasm";

#[test]
fn a_bad_coordinator() {
    let good = component("coordinator", "");
    let (cut, _) = good.split_at(good.len() / 2);
    let core = wat::parse_str("(module)").expect("valid");
    let unknown = component("coordinator", r#"(import "acme:disk/raw@1.0.0" (instance))"#);
    let preview3 = component("coordinator", r#"(import "wasi:clocks/monotonic-clock@0.3.0" (instance))"#);
    let other = component("coordinator", r#"(import "replicode:paxos/host-control@2.0.0" (instance))"#);
    let missing = component("runner", "");
    let open = component("coordinator", r#"(import "replicode:paxos/acceptor@1.0.0" (instance))"#);
    let function = r#"(import "replicode:paxos/host-control@1.0.0" (instance (export "fly" (func))))"#;
    let cases: [(&[u8], &str); 10] = [
        (&core, "is a core module, and a component is wanted: build it for wasm32-wasip2"),
        (cut, "is cut short after"),
        (b"", "is cut short after 0 bytes"),
        (b"ELF", "is no WebAssembly"),
        (&unknown, "imports acme:disk/raw@1.0.0, which nobody here has"),
        (&preview3, "needs WASI preview 3 (wasi:clocks/monotonic-clock@0.3.0), and this host has 0.2"),
        (&other, "was built against replicode:paxos/host-control@2.0.0, and this host speaks replicode:paxos@1.0.0"),
        (&missing, "does not export replicode:paxos/coordinator@1.0.0: it is another component under this name"),
        (&open, "leaves replicode:paxos/acceptor@1.0.0 open"),
        (&component("coordinator", function), "fly"),
    ];
    for (bytes, part) in cases {
        let text = refused("composed", &[(COORDINATOR, bytes)]);
        assert!(text.contains(part) && text.starts_with("paxos-host: "), "{part}: {text}");
        assert!(text.contains("coordinator"), "{text}");
    }
    let text = refused("composed", &[]);
    assert!(
        text.contains("components/paxos/coordinator.wasm cannot be read") && text.contains("`cargo build`"),
        "{text}"
    );
}

#[test]
fn a_function_of_another_type() {
    let text = refused("composed", &[(COORDINATOR, &component("coordinator", ""))]);
    assert!(
        text.contains("replicode:paxos/coordinator@1.0.0 cannot be run") && text.contains("another type"),
        "{text}"
    );
}

#[test]
fn a_configuration_that_is_refused_ends_with_code_2_and_all_its_problems() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("config.yaml"), "cluster: x\nwindw: 3\n").expect("written");
    for command in ["check", "components", "nodes", "status"] {
        let output = host(folder.path(), &[command]);
        let text = String::from_utf8(output.stderr).expect("text");
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains("config.yaml:2: windw: is not a known key: did you mean `window`?"), "{text}");
        assert!(text.contains("nodes: is missing"), "{text}");
    }
    let output = host(folder.path(), &["run", "--node", "1", "--role", "acceptr"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("there is no process `acceptr`"), "{output:?}");
}

#[test]
fn a_folder_in_use_is_not_formatted_without_being_told_so() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("config.yaml"), CONFIG.replace("COMPOSITION", "linked")).expect("written");
    let format = |arguments: &[&str]| {
        let output = host(folder.path(), &[&["format", "--node", "2"], arguments].concat());
        (output.status.code(), String::from_utf8(output.stderr).expect("text"))
    };
    assert_eq!(format(&[]).0, Some(0));
    let node = folder.path().join("data/node-2");
    std::fs::create_dir_all(node.join("acceptor")).expect("made");
    std::fs::write(node.join("acceptor/identity"), "promises").expect("written");
    let (code, text) = format(&[]);
    assert!(code == Some(2) && text.contains("node 2 has promises in it"), "{text}");
    assert!(node.join("acceptor/identity").exists());
    assert_eq!(format(&["--erase"]).0, Some(0));
    assert!(!node.join("acceptor").exists());
}
