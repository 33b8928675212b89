//! What must fit together, beyond the bounds of each key.

use crate::tree::{Tree, Value};
use crate::units::{show_bytes, show_duration};
use crate::{Config, Node, Problem, Role};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// What a command adds to its key and value in a batch, at most.
const COMMAND_OVERHEAD: u64 = 128;

/// Notes everything that does not fit together.
pub fn check(config: &Config, root: &Tree, problems: &mut Vec<Problem>) {
    nodes(config, root, problems);
    addresses(config, root, problems);
    timeouts(config, root, problems);
    sizes(config, root, problems);
}

fn note(problems: &mut Vec<Problem>, line: usize, key: &str, text: String) {
    problems.push(Problem { line, key: key.to_owned(), text });
}

/// The line of `section.name`, or of the section, or 0 when it is left out.
fn line(root: &Tree, section: &str, name: &str) -> usize {
    let section = if section.is_empty() { Some(root) } else { root.get(section) };
    section.and_then(|section| section.get(name)).or(section).map_or(0, |tree| tree.line)
}

/// The lines of the nodes with this id, in the order of the file.
fn lines_of_node(root: &Tree, id: u16) -> Vec<usize> {
    let Some(Tree { value: Value::List(items), .. }) = root.get("nodes") else { return Vec::new() };
    let is =
        |item: &&Tree| matches!(item.get("id").map(|id| &id.value), Some(Value::Text(text)) if text.parse() == Ok(id));
    items.iter().filter(is).map(|item| item.line).collect()
}

fn nodes(config: &Config, root: &Tree, problems: &mut Vec<Problem>) {
    let whole = line(root, "", "nodes");
    let count = config.nodes.len();
    for pair in config.nodes.windows(2) {
        let [a, b] = pair else { continue };
        if a.id == b.id {
            let lines = lines_of_node(root, a.id);
            let (first, second) = (lines.first().copied().unwrap_or(whole), lines.get(1).copied().unwrap_or(whole));
            let text = format!("node {} is given twice, first on line {first}: each node has an id of its own", a.id);
            note(problems, second, "nodes", text);
        }
    }
    if count < 3 {
        let text = format!(
            "{count} {}: a majority of {count} is all of them, so none may fail. Give 3 nodes or more, an odd number",
            if count == 1 { "node" } else { "nodes" }
        );
        note(problems, whole, "nodes", text);
    } else if count.is_multiple_of(2) {
        let text = format!(
            "{count} nodes, an even number: a majority is {}, so no more may fail than with {}. Take one away or add one",
            count / 2 + 1,
            count - 1
        );
        note(problems, whole, "nodes", text);
    } else if count > 15 {
        note(problems, whole, "nodes", format!("{count} nodes: at most 15, every command goes to all of them"));
    }
}

fn addresses(config: &Config, root: &Tree, problems: &mut Vec<Problem>) {
    let mut seen: BTreeMap<SocketAddr, String> = BTreeMap::new();
    for node in &config.nodes {
        let Node { id, proposer, acceptor, learner, client } = *node;
        let roles = [
            (Role::Proposer.word(), proposer),
            (Role::Acceptor.word(), acceptor),
            (Role::Learner.word(), learner),
            ("client", client),
        ];
        for (name, address) in roles {
            let who = format!("the {name} address of node {id}");
            if let Some(other) = seen.get(&address) {
                let at = lines_of_node(root, id).last().copied().unwrap_or(0);
                let text = format!("{address} is in use twice, as {other} and as {who}: give each its own port");
                note(problems, at, "nodes", text);
            } else {
                seen.insert(address, who);
            }
        }
    }
}

fn timeouts(config: &Config, root: &Tree, problems: &mut Vec<Problem>) {
    let t = config.timeouts;
    let order = [
        ("batching.max-delay", config.batching.max_delay),
        ("timeouts.heartbeat", t.heartbeat),
        ("timeouts.retransmit", t.retransmit),
        ("timeouts.suspect", t.suspect),
        ("timeouts.phase", t.phase),
    ];
    for pair in order.windows(2) {
        let [(shorter, short), (longer, long)] = pair else { continue };
        if short >= long {
            let (section, name) = longer.split_once('.').unwrap_or(("", longer));
            let text = format!(
                "{} is not longer than {shorter} ({}); the order is max-delay < heartbeat < retransmit < suspect < phase",
                show_duration(*long),
                show_duration(*short)
            );
            note(problems, line(root, section, name), longer, text);
        }
    }
    if t.suspect < t.heartbeat.saturating_mul(3) {
        let least: Duration = t.heartbeat.saturating_mul(3);
        let text = format!(
            "{} is less than 3 heartbeats of {}: one late heartbeat would disturb the leader. At least {}",
            show_duration(t.suspect),
            show_duration(t.heartbeat),
            show_duration(least)
        );
        note(problems, line(root, "timeouts", "suspect"), "timeouts.suspect", text);
    }
}

fn sizes(config: &Config, root: &Tree, problems: &mut Vec<Problem>) {
    let limits = config.limits;
    // A compare-and-set carries two values.
    let largest = limits.key + 2 * limits.value + COMMAND_OVERHEAD;
    if config.batching.max_bytes < largest {
        let text = format!(
            "{} is less than the largest command ({largest} bytes: limits.key, twice limits.value and {COMMAND_OVERHEAD}): \
             raise it or lower the limits",
            show_bytes(config.batching.max_bytes)
        );
        note(problems, line(root, "batching", "max-bytes"), "batching.max-bytes", text);
    }
    let open = config.batching.max_bytes.saturating_mul(config.window.into());
    if limits.queue < open {
        let text = format!(
            "{} does not hold a window of {} batches of {}, which is {}: raise it, or lower window or batching.max-bytes",
            show_bytes(limits.queue),
            config.window,
            show_bytes(config.batching.max_bytes),
            show_bytes(open)
        );
        note(problems, line(root, "limits", "queue"), "limits.queue", text);
    }
}
