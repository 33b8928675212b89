//! The table of all keys: the one place that says what a key is called, what it may hold, what it is when it is left
//! out, and what it means. The reader takes bounds and defaults from here, and `paxos-host check --keys` prints it.

use crate::{Composition, Durability, Level, Model, Provider, Serializer, units};
use std::fmt;
use std::time::Duration;

/// What a key may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Further keys.
    Section,
    /// A list of sections.
    Nodes,
    /// 1 to 64 letters, digits, `-`, `_` and `.`.
    Name,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A whole number from the first to the second.
    Count(u64, u64),
    /// A size from the first to the second number of bytes.
    Bytes(u64, u64),
    /// A duration from the first to the second.
    Time(Duration, Duration),
    /// An IP address and a port.
    Address,
    /// A path; a relative one starts at the folder of the file.
    Path,
}

/// One key.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Its name behind those of its sections, `[]` for each item of a list.
    pub path: &'static str,
    /// What it may hold.
    pub kind: Kind,
    /// What it is when it is left out; `None`: it must be given.
    pub default: Option<&'static str>,
    /// What it means.
    pub meaning: &'static str,
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

const fn key(path: &'static str, kind: Kind, default: Option<&'static str>, meaning: &'static str) -> Key {
    Key { path, kind, default, meaning }
}

/// Every key, sections before what is in them.
pub const KEYS: &[Key] = &[
    key(
        "cluster",
        Kind::Name,
        None,
        "the cluster's name: nodes and clients of another one are refused. Give each cluster its own",
    ),
    key(
        "model",
        Kind::Word(Model::WORDS),
        Some("standalone"),
        "one process per role (standalone) or per node (combined)",
    ),
    key(
        "composition",
        Kind::Word(Composition::WORDS),
        Some("composed"),
        "components put together ahead, by `cargo build` (composed), or at start, by the host (linked)",
    ),
    key(
        "durability",
        Kind::Word(Durability::WORDS),
        Some("sync"),
        "accepted state is synced to disk before it is answered (sync), or kept in memory (memory: for measurements, \
         a node that stops has lost its state and is refused)",
    ),
    key("serializer", Kind::Word(Serializer::WORDS), Some("compact"), "the form of messages between nodes"),
    key("window", Kind::Count(1, 4096), Some("64"), "slots that are open at once; beyond it clients have to wait"),
    key(
        "snapshot-every",
        Kind::Count(100, 100_000_000),
        Some("20000"),
        "slots between two snapshots of the key-value store; the logs before a snapshot are removed",
    ),
    key("data-dir", Kind::Path, Some("data"), "where nodes keep their state: one folder per node in it"),
    key(
        "components",
        Kind::Path,
        Some("target/components"),
        "the folder of the component files that `cargo build` makes",
    ),
    key(
        "nodes",
        Kind::Nodes,
        None,
        "every node: an odd number of them, 3 to 15. All on one machine, or each on its own",
    ),
    key("nodes[].id", Kind::Count(1, 65_535), None, "the node's number, unique. The lowest one that is well leads"),
    key("nodes[].proposer", Kind::Address, None, "where its proposer hears other nodes"),
    key("nodes[].acceptor", Kind::Address, None, "where its acceptor hears other nodes"),
    key("nodes[].learner", Kind::Address, None, "where its learner hears other nodes"),
    key("nodes[].client", Kind::Address, None, "where clients connect"),
    key("batching", Kind::Section, Some(""), "when a batch of commands is closed: at whichever comes first"),
    key("batching.max-commands", Kind::Count(1, 65_536), Some("1024"), "commands in one batch"),
    key("batching.max-bytes", Kind::Bytes(KIB, 8 * MIB), Some("256KiB"), "bytes of one batch"),
    key(
        "batching.max-delay",
        Kind::Time(Duration::ZERO, ms(1_000)),
        Some("1ms"),
        "how long the first command of a batch waits for more while earlier slots are open",
    ),
    key("timeouts", Kind::Section, Some(""), "every time-out; each has to be longer than the one before"),
    key("timeouts.heartbeat", Kind::Time(ms(1), ms(10_000)), Some("50ms"), "between two heartbeats"),
    key(
        "timeouts.retransmit",
        Kind::Time(ms(2), ms(60_000)),
        Some("200ms"),
        "until an unanswered message is sent again",
    ),
    key(
        "timeouts.suspect",
        Kind::Time(ms(3), ms(120_000)),
        Some("500ms"),
        "silence after which a node is suspected, at first; it grows with each mistake. At least 3 heartbeats",
    ),
    key(
        "timeouts.phase",
        Kind::Time(ms(4), ms(240_000)),
        Some("1s"),
        "after a refusal, until phase 1 is begun again with a higher ballot; and the time that a learner gets to catch up",
    ),
    key("limits", Kind::Section, Some(""), "upper bounds; what is beyond is refused, not queued"),
    key("limits.key", Kind::Bytes(1, 64 * KIB), Some("1KiB"), "bytes of a key"),
    key("limits.value", Kind::Bytes(1, 4 * MIB), Some("64KiB"), "bytes of a value"),
    key(
        "limits.sessions",
        Kind::Count(1, 10_000_000),
        Some("10000"),
        "client sessions that are remembered; beyond it the one that wrote longest ago is forgotten",
    ),
    key(
        "limits.connections",
        Kind::Count(1, 60_000),
        Some("1000"),
        "connections of clients to one node, and of peers to each of its roles",
    ),
    key(
        "limits.queue",
        Kind::Bytes(MIB, 1024 * MIB),
        Some("32MiB"),
        "bytes that may wait for one peer (beyond it the oldest message is dropped, and sent again later), for one client, or \
         in the proposer before clients are held back; at least a whole window of batches",
    ),
    key("providers", Kind::Section, Some(""), "who provides each exchangeable part: a component or the host"),
    key(
        "providers.network",
        Kind::Word(Provider::WORDS),
        Some("host"),
        "network-server, network-client and client-server: components on wasi:sockets, or the host",
    ),
    key("providers.serializer", Kind::Word(Provider::WORDS), Some("component"), "messages to bytes and back"),
    key(
        "providers.storage",
        Kind::Word(Provider::WORDS),
        Some("host"),
        "log, round and snapshots on disk: a component on wasi:filesystem, or the host, which syncs beside the work",
    ),
    key("logging", Kind::Section, Some(""), "what is written to standard error"),
    key("logging.level", Kind::Word(Level::WORDS), Some("info"), "the least important level that is written"),
];

/// The row of a path.
#[must_use]
pub fn find(path: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.path == path)
}

/// The names that may stand in a section; `""` is the file itself, `nodes[]` one node.
#[must_use]
pub fn names_in(section: &str) -> Vec<&'static str> {
    KEYS.iter()
        .filter_map(|key| match key.path.rsplit_once('.') {
            Some((parent, name)) => (parent == section).then_some(name),
            None => section.is_empty().then_some(key.path),
        })
        .collect()
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Section => f.write_str("section"),
            Self::Nodes => f.write_str("list"),
            Self::Name => f.write_str("name"),
            Self::Word(words) => f.write_str(&words.join(" | ")),
            Self::Count(min, max) => write!(f, "{min} to {max}"),
            Self::Bytes(min, max) => write!(f, "{} to {}", units::show_bytes(*min), units::show_bytes(*max)),
            Self::Time(min, max) => write!(f, "{} to {}", units::show_duration(*min), units::show_duration(*max)),
            Self::Address => f.write_str("address:port"),
            Self::Path => f.write_str("path"),
        }
    }
}

/// The table as Markdown, as it stands in the documentation.
#[must_use]
pub fn markdown() -> String {
    let mut text = String::from("| key | may hold | left out | meaning |\n|---|---|---|---|\n");
    for Key { path, kind, default, meaning } in KEYS {
        let kind = kind.to_string().replace('|', "\\|");
        let default = match (kind.as_str(), default) {
            ("section", _) => String::new(),
            (_, Some(default)) => format!("`{default}`"),
            (_, None) => "must be given".to_owned(),
        };
        text.push_str(&format!("| `{path}` | {kind} | {default} | {meaning} |\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_lies_in_a_section_and_has_a_meaning() {
        for Key { path, meaning, .. } in KEYS {
            if let Some((parent, _)) = path.rsplit_once('.') {
                let parent = parent.trim_end_matches("[]");
                assert!(matches!(find(parent).map(|k| k.kind), Some(Kind::Section | Kind::Nodes)), "{path}");
            }
            assert!(!meaning.is_empty(), "{path}");
        }
        assert!(names_in("timeouts").contains(&"suspect"));
        assert!(names_in("").contains(&"window"));
        assert!(names_in("nodes[]").contains(&"id"));
    }

    #[test]
    fn the_table_is_one_row_per_key() {
        assert_eq!(markdown().lines().count(), KEYS.len() + 2);
    }
}
