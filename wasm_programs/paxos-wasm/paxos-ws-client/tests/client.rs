//! The client against a made-up cluster: by hand, as a load, as the demo.

#![allow(clippy::unwrap_used)] // A test fails by panicking.

mod cluster;

use cluster::{Bug, Cluster, DEADLINE, nobody, silent};
use paxos_types::Op;
use paxos_ws_client::check::{Histories, Kind, Verdict, judge};
use paxos_ws_client::hand::{End, Session};
use paxos_ws_client::load::{Load, Settings};
use paxos_ws_client::nodes::Nodes;
use paxos_ws_client::report::Report;
use paxos_ws_client::workload::{Mix, Workload};
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

fn settings(nodes: Nodes, history: &Path) -> Settings {
    Settings {
        nodes,
        clients: 20,
        requests: 5000,
        workload: Workload {
            mix: "put=4,get=4,delete=1,cas=3".parse::<Mix>().unwrap(),
            keys: 50,
            value_bytes: 40,
            run: "t".to_owned(),
        },
        seed: 5,
        first: 0,
        audit: false,
        deadline: DEADLINE,
        patience: Duration::from_secs(1),
        time: None,
        history: Some(history.to_owned()),
    }
}

fn run(cluster: &Cluster) -> (Report, Verdict, Histories) {
    let folder = tempfile::tempdir().unwrap();
    let load = settings(cluster.nodes(), &folder.path().join("load.jsonl"));
    let audit = Settings { audit: true, first: 20, ..settings(cluster.nodes(), &folder.path().join("audit.jsonl")) };
    let report = Load::new(load).unwrap().run(|_| ()).unwrap();
    let audited = Load::new(audit).unwrap().run(|_| ()).unwrap();
    assert_eq!(audited.answered, 50);
    let mut histories = Histories::default();
    histories.add_file(&folder.path().join("load.jsonl")).unwrap();
    histories.add_file(&folder.path().join("audit.jsonl")).unwrap();
    let verdict = judge(&histories, true);
    (report, verdict, histories)
}

fn explained(verdict: &Verdict, histories: &Histories) -> String {
    verdict
        .first(histories, false)
        .map_or(String::new(), |fault| format!("{}: {} {}", fault.kind, histories.describe(fault.request), fault.text))
}

#[test]
fn a_load_is_answered_and_judged_good() {
    let cluster = Cluster::start(None, 0);
    let (report, verdict, histories) = run(&cluster);
    assert!(verdict.is_good(false), "{}", explained(&verdict, &histories));
    assert_eq!((report.answered, report.unanswered, report.refused, report.retries), (5000, 0, 0, 20));
    assert_eq!(report.reconnects, 1, "one redirection, to node 2");
    // 5000 requests, 50 reads of the audit, and a session opened by each client of both.
    assert_eq!(histories.requests.len(), 5000 + 50 + 40);
    assert_eq!(report.latencies.count(), 5000);
}

#[test]
fn lost_connections_and_new_leaders_neither_lose_nor_double() {
    let cluster = Cluster::start(None, 7);
    let (report, verdict, histories) = run(&cluster);
    assert!(verdict.is_good(false), "{}", explained(&verdict, &histories));
    assert_eq!(report.answered, 5000);
    assert!(report.reconnects > 20 && report.retries > 100, "{report:?}");
}

#[test]
fn what_the_cluster_does_wrong_is_found_in_what_the_load_wrote_down() {
    for (bug, kinds) in [
        (Bug::Forget(1000), &[Kind::Lost, Kind::Doubled][..]),
        (Bug::Twice(1000), &[Kind::Doubled, Kind::Wrong, Kind::Lost]),
        (Bug::Damage(1000), &[Kind::Wrong]),
    ] {
        let cluster = Cluster::start(Some(bug), 0);
        let (report, verdict, histories) = run(&cluster);
        assert_eq!(report.answered, 5000);
        let first = verdict.first(&histories, false).unwrap_or_else(|| panic!("{bug:?} was not found"));
        assert!(kinds.contains(&first.kind), "{bug:?}: {}", explained(&verdict, &histories));
    }
}

#[test]
fn a_lost_answer_is_asked_for_again_while_others_come() {
    let cluster = Cluster::start(Some(Bug::Mute(700)), 0);
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(cluster.nodes(), &folder.path().join("h"));
    settings.patience = Duration::from_millis(100);
    let report = Load::new(settings).unwrap().run(|_| ()).unwrap();
    assert_eq!((report.answered, report.is_whole()), (5000, true), "{}", report.text());
    assert!(report.retries > 20, "{}", report.text());
}

#[test]
fn a_silent_node_and_one_that_is_away_are_passed_by() {
    let cluster = Cluster::start(None, 0);
    let mut nodes = cluster.nodes();
    nodes.list[0].1 = silent();
    nodes.list[2].1 = nobody();
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(nodes.clone(), &folder.path().join("h"));
    (settings.requests, settings.patience) = (100, Duration::from_millis(100));
    let report = Load::new(settings.clone()).unwrap().run(|_| ()).unwrap();
    assert_eq!((report.answered, report.is_whole()), (100, true));
    // Nobody at all: every client gives up, and says so.
    nodes.list[1].1 = nobody();
    settings.nodes = nodes;
    settings.deadline = Duration::from_millis(200);
    let report = Load::new(settings).unwrap().run(|_| ()).unwrap();
    assert_eq!((report.answered, report.is_whole()), (0, false));
}

#[test]
fn by_hand_one_sees_what_is_there() {
    let cluster = Cluster::start(None, 0);
    let mut session = Session::new(cluster.nodes(), DEADLINE).unwrap();
    let mut ask = |op| session.ask(op).end;
    let (key, value) = (b"k".as_slice(), b"v".as_slice());
    assert_eq!(ask(Op::Get { key }), End::Absent);
    assert_eq!(ask(Op::Put { key, value }), End::Done);
    assert_eq!(ask(Op::Get { key }), End::Value(b"v".to_vec()));
    assert_eq!(ask(Op::Cas { key, expected: Some(b"x"), value: b"w" }), End::Differs(Some(b"v".to_vec())));
    assert_eq!(ask(Op::Cas { key, expected: Some(b"v"), value: b"w" }), End::Done);
    assert_eq!(ask(Op::Cas { key, expected: None, value }), End::Differs(Some(b"w".to_vec())));
    assert_eq!(ask(Op::Delete { key }), End::Done);
    assert_eq!(ask(Op::Delete { key }), End::Absent);
    assert_eq!(ask(Op::Cas { key, expected: Some(b"v"), value: b"w" }), End::Differs(None));
    let End::Refused(why) = session.ask_as(99, Op::Get { key }).end else { panic!("a gap was taken") };
    assert!(why.contains("left out"), "{why}");
    let mut strange = cluster.nodes();
    strange.cluster = "another".to_owned();
    let End::Refused(why) = Session::new(strange, DEADLINE).unwrap().ask(Op::Get { key }).end else {
        panic!("a client of another cluster was taken")
    };
    assert!(why.contains("belongs to cluster"), "{why}");
}

struct Commands {
    folder: tempfile::TempDir,
}

impl Commands {
    fn run(&self, program: &str, arguments: &[&str]) -> (i32, String, String) {
        let config = self.folder.path().join("config.yaml");
        let Output { status, stdout, stderr } =
            Command::new(program).args(arguments).env("PAXOS_CONFIG", config).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (status.code().unwrap(), text(stdout), text(stderr))
    }

    fn client(&self, arguments: &[&str]) -> (i32, String, String) {
        self.run(env!("CARGO_BIN_EXE_paxos-client"), arguments)
    }
}

#[test]
fn commands_say_what_happened_and_end_with_its_code() {
    let cluster = Cluster::start(None, 0);
    let commands = Commands { folder: tempfile::tempdir().unwrap() };
    std::fs::write(commands.folder.path().join("config.yaml"), cluster.config()).unwrap();
    let client = |arguments: &[&str]| {
        let (code, out, err) = commands.client(arguments);
        (code, if out.is_empty() { err } else { out })
    };
    assert_eq!(client(&["get", "k"]), (1, "paxos-client: no such key\n".to_owned()));
    let (code, text) = client(&["put", "k", "v"]);
    assert!(code == 0 && text.starts_with("ok, version "), "{text}");
    assert_eq!(client(&["get", "k"]), (0, "v\n".to_owned()));
    let (code, text) = client(&["get", "k", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, json["result"].as_str(), json["value"].as_str()), (0, Some("value"), Some("v")));
    assert_eq!(client(&["cas", "k", "x", "y"]), (1, "paxos-client: not written: the value is v\n".to_owned()));
    assert_eq!(client(&["cas", "k", "v", "w"]).0, 0);
    assert_eq!(client(&["cas", "--absent", "n", "new"]).0, 0);
    assert_eq!(client(&["cas", "k", "v", "w", "--absent", "x"]).0, 2, "one way or the other");
    assert_eq!(client(&["delete", "k"]).0, 0);
    assert_eq!(client(&["delete", "k"]).0, 1);
    assert_eq!(client(&["get", "k", "--node", "9"]).0, 2);
    assert_eq!(client(&["get", "k", "--config", "/nowhere.yaml"]).0, 2);
    let (code, text) = client(&["put", "k", "v", "--node", "1", "--deadline", "0.3"]);
    assert!(code == 3 && text.contains("may or may not") && text.contains("node 2 leads"), "{text}");
}

#[test]
fn the_demo_tells_good_from_bad() {
    for (bug, code) in [(None, 0), (Some(Bug::Twice(500)), 1)] {
        let cluster = Cluster::start(bug, 11);
        let commands = Commands { folder: tempfile::tempdir().unwrap() };
        std::fs::write(commands.folder.path().join("config.yaml"), cluster.config()).unwrap();
        let histories = commands.folder.path().join("histories");
        let histories = histories.to_str().unwrap();
        let size =
            ["--processes", "3", "--clients", "10", "--requests", "3001", "--keys", "40", "--histories", histories];
        let mut arguments = vec!["demo"];
        arguments.extend(size);
        let (told, out, err) = commands.client(&arguments);
        assert_eq!(told, code, "{out}{err}");
        assert!(out.contains("3001 answered, 0 unanswered, 0 refused"), "{out}");
        assert!(out.contains(if code == 0 { "verdict     good" } else { "verdict     BAD" }), "{out}");
        arguments.extend(["--json", "--run", "again"]);
        let (_, json, _) = commands.client(&arguments);
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!((json["good"].as_bool(), json["answered"].as_u64()), (Some(code == 0), Some(3001)));
        // The checker says the same of the same files.
        let check = |arguments: &[&str]| commands.run(env!("CARGO_BIN_EXE_paxos-check"), arguments);
        // A session is opened by each client, those of the audit included.
        let all = (3001 + 40 + 30 + 50).to_string();
        let (told, out, _) = check(&[histories, "--whole", "--expect", &all]);
        assert_eq!(told, code, "{out}");
        let (_, json, _) = check(&[histories, "--whole", "--json"]);
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!((json["good"].as_bool(), json["first"].is_null()), (Some(code == 0), code == 0));
        assert_eq!(check(&[histories, "--expect", "5"]).0, 1);
        assert_eq!(check(&["/nowhere"]).0, 2);
    }
}
