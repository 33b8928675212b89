//! The scripts as users run them: in a plain shell, in tmux, in a terminal, without one; `cluster/` over network namespaces.

#![allow(clippy::unwrap_used)] // A test fails by panicking.

use paxos_tests::{Cluster, Settings};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

fn run(script: &str, environment: &[(&str, &str)]) -> (bool, String) {
    let Output { status, stdout, stderr } = Command::new("bash")
        .args(["-euc", script])
        .current_dir(paxos_tests::workspace())
        .envs(environment.iter().copied())
        .env_remove("TMUX")
        .stdin(Stdio::null())
        .output()
        .expect("a shell");
    (status.success(), format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr)))
}

/// Stops what a script has started, however the test ends.
struct Stops<'a>(&'a Path);

impl Drop for Stops<'_> {
    fn drop(&mut self) {
        run("runner-ws/run-local.sh stop \"$CONFIG\"", &[("CONFIG", &self.0.to_string_lossy())]);
    }
}

fn await_true(what: &str, mut check: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    while !check() {
        assert!(Instant::now() < until, "after a minute still not: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

const CHECKED: &str = "
    runner-ws/run-demo-client.sh \"$CONFIG\" --processes 3 --requests 3000 | grep 'verdict     good'
    runner-ws/run-local.sh status \"$CONFIG\" | grep -c ready
    runner-ws/run-local.sh stop \"$CONFIG\"
    ! runner-ws/run-local.sh status \"$CONFIG\" | grep ready";

#[test]
fn run_local_without_a_terminal_returns_when_all_is_ready() {
    for model in ["combined", "standalone"] {
        let cluster = Cluster::prepare(&Settings { model, ..Settings::default() });
        let config = cluster.config().to_string_lossy().into_owned();
        let _stops = Stops(cluster.config());
        let script = format!(
            "runner-ws/run-local.sh \"$CONFIG\"; runner-ws/run-local.sh \"$CONFIG\" | grep 'runs already'\n{CHECKED}"
        );
        let (good, text) = run(&script, &[("CONFIG", &config)]);
        assert!(good, "{text}");
    }
}

#[test]
#[ignore = "takes minutes: test.sh all"]
fn run_local_in_a_terminal_shows_a_table_and_ctrl_c_leaves_the_nodes() {
    let cluster = Cluster::prepare(&Settings::default());
    let config = cluster.config().to_string_lossy().into_owned();
    let _stops = Stops(cluster.config());
    // `script` gives it a terminal, and `timeout` presses Ctrl-C.
    let text = "timeout -s INT 8 script -qec \"runner-ws/run-local.sh '$CONFIG'\" /dev/null || true";
    let (_, shown) = run(text, &[("CONFIG", &config)]);
    assert!(shown.contains("leader") && shown.contains("ready") && shown.contains("Ctrl-C"), "{shown}");
    let (good, text) = run(CHECKED, &[("CONFIG", &config)]);
    assert!(good, "{shown}{text}");
}

#[test]
#[ignore = "takes minutes: test.sh all"]
fn run_local_in_tmux_opens_a_window_for_each_node() {
    let cluster = Cluster::prepare(&Settings::default());
    let config = cluster.config().to_string_lossy().into_owned();
    let _stops = Stops(cluster.config());
    // A server of its own.
    let socket = cluster.folder().join("tmux").to_string_lossy().into_owned();
    let variables = [("CONFIG", config.as_str()), ("SOCKET", socket.as_str())];
    let (good, text) = run(
        "tmux -S \"$SOCKET\" new-session -d -x 200 -y 50 \"runner-ws/run-local.sh '$CONFIG'; sleep 100\"",
        &variables,
    );
    assert!(good, "{text}");
    await_true("three windows of nodes", || {
        let (_, windows) = run("tmux -S \"$SOCKET\" list-windows -F '#W' || true", &variables);
        (1..=3).all(|node| windows.contains(&format!("paxos-{node}")))
    });
    await_true("all is ready", || run("runner-ws/run-local.sh status \"$CONFIG\"", &variables).0);
    let (good, text) = run(CHECKED, &variables);
    run("tmux -S \"$SOCKET\" kill-server || true", &variables);
    assert!(good, "{text}");
}

#[test]
fn scripts_say_what_is_missing() {
    for (script, words) in [
        ("runner-ws/run-local.sh /nowhere.yaml", "/nowhere.yaml"),
        ("runner-ws/run-demo-client.sh /nowhere.yaml", "/nowhere.yaml"),
        ("paxos-ws-client/run.sh --config /nowhere.yaml", "/nowhere.yaml"),
        ("cluster/start.sh", "usage: cluster/start.sh hosts.txt"),
        ("cluster/start.sh /nowhere.txt", "cannot read /nowhere.txt"),
        ("cluster/stop.sh <(echo node 1 here 127.0.0.1)", "no machine for clients"),
        ("cluster/stop.sh <(echo nod 1 here 127.0.0.1)", "begins with 'node', 'client' or '#'"),
        ("cluster/stop.sh <(echo node one here 127.0.0.1)", "'one' is no number"),
        ("CARGO_TARGET_DIR=/nowhere runner-ws/run-local.sh", "cargo build --release"),
        ("CARGO_TARGET_DIR=/nowhere runner-ws/run-demo-client.sh", "cargo build --release"),
        ("CARGO_TARGET_DIR=/nowhere paxos-ws-client/run.sh", "cargo build --release"),
    ] {
        let (good, text) = run(script, &[]);
        assert!(!good && text.contains(words), "{script}: {text}");
    }
}

/// Three nodes and a client, each in a network namespace, joined by a bridge; a millisecond between them where the kernel can delay.
const NAMESPACES: &str = "
    clean() { for n in 1 2 3 4; do ip link del pxv$n 2>/dev/null || true; ip netns del px$n 2>/dev/null || true; done; ip link del pxbr 2>/dev/null || true; }
    clean
    trap clean EXIT
    ip link add pxbr type bridge && ip link set pxbr up
    for n in 1 2 3 4; do
        ip netns add px$n
        ip link add pxv$n type veth peer name eth0 netns px$n
        ip link set pxv$n master pxbr up
        ip -n px$n addr add 10.77.0.$n/24 dev eth0
        ip -n px$n link set eth0 up; ip -n px$n link set lo up
        ip netns exec px$n tc qdisc add dev eth0 root netem delay 1ms 2>/dev/null || echo 'no delays on this kernel'
    done
    cd \"$FOLDER\"
    export VIA='ip netns exec {} sh -c'
    printf 'node %s px%s 10.77.0.%s '\"$FOLDER\"'/n%s\\n' 1 1 1 1 2 2 2 2 3 3 3 3 >hosts.txt
    echo client px4 \"$FOLDER/c\" >>hosts.txt
    \"$CLUSTER/deploy.sh\" hosts.txt \"$CLUSTER/../shared/components.yaml\"
    \"$CLUSTER/start.sh\" hosts.txt
    trap '\"$CLUSTER/stop.sh\" hosts.txt; clean' EXIT
    PROCESSES=2 \"$CLUSTER/bench.sh\" hosts.txt --requests 3000 &
    bench=$!
    sleep 1
    \"$CLUSTER/kill-leader.sh\" hosts.txt
    wait $bench
    \"$CLUSTER/start.sh\" hosts.txt
    \"$CLUSTER/collect.sh\" hosts.txt";

#[test]
#[ignore = "takes minutes: test.sh all"]
fn cluster_scripts_over_network_namespaces() {
    let (permitted, why) = run(
        "ip netns add pxprobe && ip netns del pxprobe && ip link add pxp type veth peer name pxq && ip link del pxp",
        &[],
    );
    if !permitted {
        eprintln!("this machine permits no network namespaces, so nothing is tested: {why}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let cluster = paxos_tests::workspace().join("cluster");
    let (good, text) = run(
        NAMESPACES,
        &[
            ("FOLDER", &folder.path().to_string_lossy()),
            ("CLUSTER", &cluster.to_string_lossy()),
            ("CARGO_TARGET_DIR", &paxos_tests::target().to_string_lossy()),
        ],
    );
    assert!(good && text.contains("verdict: good"), "{text}");
    eprintln!("{text}");
}
