//! The tree as a [`Config`], key by key. Bounds and defaults come from the table in [`crate::keys`].

use crate::keys::{self, Kind};
use crate::tree::{Tree, Value};
use crate::{
    Batching, Composition, Config, Durability, Level, Limits, Logging, Model, Node, Problem, Provider, Providers,
    Serializer, Timeouts, nearest, units,
};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// One section of the file: where values are looked up and problems noted.
struct Section<'a> {
    /// As in the table: `timeouts`, `nodes[]`.
    table: &'static str,
    /// As people count: `timeouts`, `nodes[2]`.
    shown: String,
    /// `None`: the section is left out.
    tree: Option<&'a Tree>,
    /// Where a missing key is reported.
    line: usize,
}

/// Reads everything; `None` when something could not be read, and then `problems` says what.
pub fn config(file: &Path, root: &Tree, problems: &mut Vec<Problem>) -> Option<Config> {
    let top = Section::new("", String::new(), Some(root), 0, problems);
    let section = |name: &'static str, problems: &mut Vec<Problem>| {
        Section::new(name, name.to_owned(), root.get(name), root.line, problems)
    };
    let batching = section("batching", problems);
    let timeouts = section("timeouts", problems);
    let limits = section("limits", problems);
    let providers = section("providers", problems);
    let logging = section("logging", problems);
    let folder = file.parent().unwrap_or(Path::new(""));
    // Read all of them before any is missed, so that all problems are reported at once.
    let cluster = top.name("cluster", problems);
    let model = top.word("model", Model::from_word, problems);
    let composition = top.word("composition", Composition::from_word, problems);
    let nodes = nodes(root, problems);
    let max_commands = batching.count("max-commands", problems);
    let max_bytes = batching.bytes("max-bytes", problems);
    let max_delay = batching.time("max-delay", problems);
    let window = top.count("window", problems);
    let heartbeat = timeouts.time("heartbeat", problems);
    let retransmit = timeouts.time("retransmit", problems);
    let suspect = timeouts.time("suspect", problems);
    let phase = timeouts.time("phase", problems);
    let durability = top.word("durability", Durability::from_word, problems);
    let snapshot_every = top.count("snapshot-every", problems);
    let key = limits.bytes("key", problems);
    let value = limits.bytes("value", problems);
    let sessions = limits.count("sessions", problems);
    let connections = limits.count("connections", problems);
    let queue = limits.bytes("queue", problems);
    let network = providers.word("network", Provider::from_word, problems);
    let serializer_from = providers.word("serializer", Provider::from_word, problems);
    let storage = providers.word("storage", Provider::from_word, problems);
    let serializer = top.word("serializer", Serializer::from_word, problems);
    let data_dir = top.path("data-dir", folder, problems);
    let components = top.path("components", folder, problems);
    let level = logging.word("level", Level::from_word, problems);

    Some(Config {
        file: file.to_owned(),
        cluster: cluster?,
        model: model?,
        composition: composition?,
        nodes: nodes?,
        batching: Batching { max_commands: narrow(max_commands?), max_bytes: max_bytes?, max_delay: max_delay? },
        window: narrow(window?),
        timeouts: Timeouts { heartbeat: heartbeat?, retransmit: retransmit?, suspect: suspect?, phase: phase? },
        durability: durability?,
        snapshot_every: snapshot_every?,
        limits: Limits {
            key: key?,
            value: value?,
            sessions: narrow(sessions?),
            connections: narrow(connections?),
            queue: queue?,
        },
        providers: Providers { network: network?, serializer: serializer_from?, storage: storage? },
        serializer: serializer?,
        data_dir: data_dir?,
        components: components?,
        logging: Logging { level: level? },
    })
}

/// Counts are within the bounds of the table, all of which fit.
fn narrow(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn nodes(root: &Tree, problems: &mut Vec<Problem>) -> Option<Vec<Node>> {
    let note = |line, text: &str, problems: &mut Vec<Problem>| {
        problems.push(Problem { line, key: "nodes".to_owned(), text: text.to_owned() });
    };
    let Some(tree) = root.get("nodes") else {
        note(0, "is missing: list every node with its addresses, see shared/ for examples", problems);
        return None;
    };
    let Value::List(items) = &tree.value else {
        let text = format!("is {} where a list of nodes is wanted, each `- id: …`", tree.kind());
        note(tree.line, &text, problems);
        return None;
    };
    let mut nodes = Vec::new();
    let mut complete = true;
    for (index, item) in items.iter().enumerate() {
        let section = Section::new("nodes[]", format!("nodes[{index}]"), Some(item), item.line, problems);
        let id = section.count("id", problems);
        let [proposer, acceptor, learner, client] =
            ["proposer", "acceptor", "learner", "client"].map(|name| section.address(name, problems));
        let node = (|| {
            let id = u16::try_from(id?).ok()?;
            Some(Node { id, proposer: proposer?, acceptor: acceptor?, learner: learner?, client: client? })
        })();
        match node {
            Some(node) => nodes.push(node),
            None => complete = false,
        }
    }
    nodes.sort_by_key(|node| node.id);
    complete.then_some(nodes)
}

impl<'a> Section<'a> {
    /// Notes unknown keys, and a value where a section is wanted.
    fn new(
        table: &'static str,
        shown: String,
        tree: Option<&'a Tree>,
        line: usize,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let known = keys::names_in(table);
        match tree.map(|tree| (&tree.value, tree)) {
            None | Some((Value::Empty, _)) => {}
            Some((Value::Map(entries), _)) => {
                for (name, line, _) in entries.iter().filter(|(name, _, _)| !known.contains(&name.as_str())) {
                    let place = if shown.is_empty() { String::new() } else { format!(" in `{shown}`") };
                    let hint = match (nearest(name, &known), elsewhere(name)) {
                        (Some(near), _) => format!("did you mean `{near}`?"),
                        (None, Some(path)) => format!("there is `{path}`"),
                        (None, None) => format!("known are {}", known.join(", ")),
                    };
                    let text = format!("is not a known key{place}: {hint}");
                    problems.push(Problem { line: *line, key: join(&shown, name), text });
                }
            }
            Some((Value::Text(_) | Value::List(_), tree)) => {
                let text = format!("is {} where a section is wanted, with the keys {}", tree.kind(), known.join(", "));
                problems.push(Problem { line: tree.line, key: shown.clone(), text });
            }
        }
        Self { table, shown, line: tree.map_or(line, |tree| tree.line), tree }
    }

    /// The text of a key or its default, with the line; notes what is missing.
    fn text(&self, name: &str, problems: &mut Vec<Problem>) -> Option<(String, usize)> {
        let row = keys::find(&join(self.table, name))?;
        let given = self.tree.and_then(|tree| tree.get(name));
        let (line, text) = match given.map(|tree| (tree.line, &tree.value, tree)) {
            Some((line, Value::Text(text), _)) => return Some((text.clone(), line)),
            None | Some((_, Value::Empty, _)) => match row.default {
                Some(default) => return Some((default.to_owned(), 0)),
                None => (self.line, format!("is missing: {}", row.meaning)),
            },
            Some((line, _, tree)) => (line, format!("is {} where one value is wanted: {}", tree.kind(), row.kind)),
        };
        problems.push(Problem { line, key: join(&self.shown, name), text });
        None
    }

    /// The value of a key, read by `read`; notes what it says.
    fn read<T>(
        &self,
        name: &str,
        problems: &mut Vec<Problem>,
        read: impl FnOnce(&str, Kind) -> Result<T, String>,
    ) -> Option<T> {
        let (text, line) = self.text(name, problems)?;
        let row = keys::find(&join(self.table, name))?;
        match read(&text, row.kind) {
            Ok(value) => Some(value),
            Err(text) => {
                problems.push(Problem { line, key: join(&self.shown, name), text });
                None
            }
        }
    }

    fn name(&self, name: &str, problems: &mut Vec<Problem>) -> Option<String> {
        self.read(name, problems, |text, _| {
            let fits = (1..=64).contains(&text.len())
                && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
            fits.then(|| text.to_owned())
                .ok_or_else(|| format!("`{text}` is no name: 1 to 64 letters, digits, `-`, `_` and `.`"))
        })
    }

    fn word<T>(&self, name: &str, from: fn(&str) -> Option<T>, problems: &mut Vec<Problem>) -> Option<T> {
        self.read(name, problems, |text, kind| {
            let words: &[&str] = if let Kind::Word(words) = kind { words } else { &[] };
            from(text).ok_or_else(|| {
                let hint = nearest(text, words).map(|near| format!(", did you mean `{near}`?")).unwrap_or_default();
                format!("`{text}` is not one of {}{hint}", words.join(", "))
            })
        })
    }

    fn count(&self, name: &str, problems: &mut Vec<Problem>) -> Option<u64> {
        self.read(name, problems, |text, kind| {
            let count: u64 = text.parse().map_err(|_| format!("`{text}` is no whole number: {kind}"))?;
            within(count, text, kind, matches!(kind, Kind::Count(min, max) if (min..=max).contains(&count)))
        })
    }

    fn bytes(&self, name: &str, problems: &mut Vec<Problem>) -> Option<u64> {
        self.read(name, problems, |text, kind| {
            let bytes = units::bytes(text)?;
            within(bytes, text, kind, matches!(kind, Kind::Bytes(min, max) if (min..=max).contains(&bytes)))
        })
    }

    fn time(&self, name: &str, problems: &mut Vec<Problem>) -> Option<Duration> {
        self.read(name, problems, |text, kind| {
            let time = units::duration(text)?;
            within(time, text, kind, matches!(kind, Kind::Time(min, max) if (min..=max).contains(&time)))
        })
    }

    fn address(&self, name: &str, problems: &mut Vec<Problem>) -> Option<SocketAddr> {
        self.read(name, problems, |text, _| {
            let address: SocketAddr = text.parse().map_err(|_| {
                format!("`{text}` is no address: an IP address and a port, such as 127.0.0.1:7101 or [::1]:7101")
            })?;
            if address.port() == 0 {
                return Err(format!("`{text}` has port 0, and others could not know which one it became: give a port"));
            }
            if address.ip().is_unspecified() {
                return Err(format!("`{text}` is no address that others can connect to: give the machine's own"));
            }
            Ok(address)
        })
    }

    fn path(&self, name: &str, folder: &Path, problems: &mut Vec<Problem>) -> Option<PathBuf> {
        self.read(name, problems, |text, _| {
            if text.is_empty() { Err("is an empty path".to_owned()) } else { Ok(folder.join(text)) }
        })
    }
}

fn within<T>(value: T, text: &str, kind: Kind, fits: bool) -> Result<T, String> {
    if fits { Ok(value) } else { Err(format!("{text} is out of bounds: {kind}")) }
}

fn join(section: &str, name: &str) -> String {
    if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") }
}

/// Where a key of this name lies in another section.
fn elsewhere(name: &str) -> Option<&'static str> {
    keys::KEYS.iter().map(|key| key.path).find(|path| path.rsplit('.').next() == Some(name))
}
