//! Bad configurations: each is refused by line, with the key, the reason and the way out.

use paxos_config::{Config, Role};
use std::path::Path;

const GOOD: &str = "\
cluster: demo
nodes:
  - {id: 1, proposer: 127.0.0.1:7101, acceptor: 127.0.0.1:7102, learner: 127.0.0.1:7103, client: 127.0.0.1:7100}
  - {id: 2, proposer: 127.0.0.1:7201, acceptor: 127.0.0.1:7202, learner: 127.0.0.1:7203, client: 127.0.0.1:7200}
  - {id: 3, proposer: 127.0.0.1:7301, acceptor: 127.0.0.1:7302, learner: 127.0.0.1:7303, client: 127.0.0.1:7300}
";

fn node(id: u16) -> String {
    format!(
        "  - {{id: {id}, proposer: 10.0.0.{id}:1, acceptor: 10.0.0.{id}:2, learner: 10.0.0.{id}:3, client: 10.0.0.{id}:4}}\n"
    )
}

/// The problems of a text, one per line.
fn problems(text: &str) -> String {
    match Config::parse(Path::new("conf/config.yaml"), text) {
        Ok(config) => panic!("taken: {config:#?}\n{text}"),
        Err(error) => error.to_string(),
    }
}

/// `GOOD` with more behind it is refused with exactly this message.
fn refused(more: &str, message: &str) {
    assert_eq!(problems(&format!("{GOOD}{more}")), format!("conf/config.yaml:{message}"), "{more}");
}

#[test]
fn the_least_that_is_needed() {
    let config = Config::parse(Path::new("conf/config.yaml"), GOOD).expect("good");
    assert_eq!(config.nodes.len(), 3);
    assert_eq!(config.majority(), 2);
    assert_eq!(config.data_dir, Path::new("conf/data"));
    let address = config.node(2).map(|node| node.address(Role::Learner).to_string());
    assert_eq!(address.as_deref(), Some("127.0.0.1:7203"));
    assert!(config.node(4).is_none());
}

#[test]
fn unknown_keys_with_the_nearest_known_one() {
    refused("windw: 5\n", "6: windw: is not a known key: did you mean `window`?");
    refused(
        "timeouts: {hartbeat: 5ms}\n",
        "6: timeouts.hartbeat: is not a known key in `timeouts`: did you mean `heartbeat`?",
    );
    refused("max-delay: 1ms\n", "6: max-delay: is not a known key: there is `batching.max-delay`");
    refused("logging: {colour: red}\n", "6: logging.colour: is not a known key in `logging`: known are level");
    let text = GOOD.replacen("client:", "clients:", 1);
    assert_eq!(
        problems(&text),
        "conf/config.yaml:3: nodes[0].client: is missing: where clients connect\n\
         conf/config.yaml:3: nodes[0].clients: is not a known key in `nodes[0]`: did you mean `client`?"
    );
}

#[test]
fn a_node_twice() {
    let text = GOOD.replace("id: 3", "id: 1");
    assert_eq!(
        problems(&text),
        "conf/config.yaml:5: nodes: node 1 is given twice, first on line 3: each node has an id of its own"
    );
}

#[test]
fn majorities_that_help_nobody() {
    let with = |count: u16| format!("cluster: demo\nnodes:\n{}", (1..=count).map(node).collect::<String>());
    for (count, part) in [
        (1, "1 node: a majority of 1 is all of them"),
        (2, "2 nodes: a majority of 2 is all of them"),
        (4, "4 nodes, an even number: a majority is 3, so no more may fail than with 3"),
        (17, "at most 15"),
    ] {
        assert!(problems(&with(count)).contains(part), "{count}: {}", problems(&with(count)));
    }
    for count in [3, 5, 7, 15] {
        assert!(Config::parse(Path::new("c"), &with(count)).is_ok(), "{count}");
    }
}

#[test]
fn an_address_in_use() {
    let text = GOOD.replace("127.0.0.1:7302", "127.0.0.1:7103");
    assert_eq!(
        problems(&text),
        "conf/config.yaml:5: nodes: 127.0.0.1:7103 is in use twice, as the learner address of node 1 and as the \
         acceptor address of node 3: give each its own port"
    );
    for (address, part) in [
        ("127.0.0.1:0", "has port 0"),
        ("0.0.0.0:7302", "no address that others can connect to"),
        ("localhost:7302", "is no address"),
        ("127.0.0.1", "is no address"),
        ("127.0.0.1:70000", "is no address"),
    ] {
        let text = problems(&GOOD.replace("127.0.0.1:7302", address));
        assert!(text.contains("nodes[2].acceptor") && text.contains(part), "{text}");
    }
}

#[test]
fn timeouts_out_of_order() {
    refused(
        "timeouts: {heartbeat: 200ms}\n",
        "6: timeouts.retransmit: 200ms is not longer than timeouts.heartbeat (200ms); the order is max-delay < \
         heartbeat < retransmit < suspect < phase\n\
         conf/config.yaml:6: timeouts.suspect: 500ms is less than 3 heartbeats of 200ms: one late heartbeat would \
         disturb the leader. At least 600ms",
    );
    refused(
        "timeouts:\n  suspect: 2s\n",
        "6: timeouts.phase: 1s is not longer than timeouts.suspect (2s); the order is max-delay < heartbeat < \
         retransmit < suspect < phase",
    );
}

#[test]
fn words_and_numbers() {
    refused("providers: {network: quic}\n", "6: providers.network: `quic` is not one of component, host");
    refused(
        "providers: {storage: hots}\n",
        "6: providers.storage: `hots` is not one of component, host, did you mean `host`?",
    );
    refused(
        "model: Standalone\n",
        "6: model: `Standalone` is not one of standalone, combined, did you mean `standalone`?",
    );
    refused("window: 0\n", "6: window: 0 is out of bounds: 1 to 4096");
    refused("window: many\n", "6: window: `many` is no whole number: 1 to 4096");
    refused(
        "timeouts: {heartbeat: 50}\n",
        "6: timeouts.heartbeat: `50` is no duration: a whole number and us, ms, s or min, such as 50ms",
    );
    refused("limits: {value: 5GiB}\n", "6: limits.value: 5GiB is out of bounds: 1 to 4MiB");
    refused(
        "limits: 7\n",
        "6: limits: is a value where a section is wanted, with the keys key, value, sessions, connections, queue",
    );
    refused("window: [1]\n", "6: window: is a list where one value is wanted: 1 to 4096");
    refused("data-dir: ''\n", "6: data-dir: is an empty path");
    assert!(problems(&GOOD.replace("demo", "my cluster")).contains("`my cluster` is no name"));
}

#[test]
fn sizes_that_do_not_fit() {
    let text = problems(&format!("{GOOD}limits: {{value: 1MiB}}\n"));
    assert!(text.contains("batching.max-bytes: 256KiB is less than the largest command"), "{text}");
    let text = problems(&format!("{GOOD}batching: {{max-bytes: 8MiB}}\nwindow: 8\n"));
    assert!(text.contains("limits.queue: 32MiB does not hold a window of 8 batches of 8MiB, which is 64MiB"), "{text}");
}

#[test]
fn all_problems_at_once_by_line() {
    let text = problems("cluster: demo\nwindow: 0\nmodel: x\n");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert!(lines[0].starts_with("conf/config.yaml: nodes: is missing"), "{text}");
    assert!(lines[1].starts_with("conf/config.yaml:2: window:"), "{text}");
    assert!(lines[2].starts_with("conf/config.yaml:3: model:"), "{text}");
}

#[test]
fn no_file_and_no_yaml() {
    let error = Config::load(Path::new("does/not/exist.yaml")).expect_err("no file").to_string();
    assert!(error.starts_with("does/not/exist.yaml: cannot be read: "), "{error}");
    assert!(problems("").contains("is empty"));
    assert!(problems("just a word").contains("is a value where a section is wanted"));
    assert!(problems("\u{0}\u{1}").starts_with("conf/config.yaml"));
    assert!(problems("cluster: demo\n\tnodes: []\n").contains("is no YAML"));
}
