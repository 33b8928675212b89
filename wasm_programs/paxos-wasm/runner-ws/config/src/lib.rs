//! `config.yaml`: what a cluster is made of and how it behaves.
//!
//! One file describes the whole cluster and is the same on every machine; which node a process is, the command line
//! says. Reading it is strict: a key that is not known is refused together with the nearest one that is, each value has
//! bounds, and what does not fit together is refused with the reason and the way out. All problems of a file are
//! reported at once, by line.
//!
//! | file | idea |
//! |---|---|
//! | [`keys`] | the table of all keys: type, default, meaning |
//! | `tree` | YAML as a tree of texts with lines; the only file that knows the parser |
//! | `read` | the tree as a [`Config`], key by key |
//! | `checks` | what must fit together |
//! | [`units`] | `5ms`, `64KiB` |
//! | `nearest` | which known word was meant |

#![forbid(unsafe_code)]

mod checks;
pub mod keys;
mod nearest;
mod read;
mod tree;
pub mod units;

pub use nearest::nearest;

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Everything that `config.yaml` says. Values are within their bounds and fit together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where it was read from; relative paths in it are relative to this file's folder.
    pub file: PathBuf,
    /// The cluster's name, part of every greeting between nodes.
    pub cluster: String,
    /// One process per role, or one per node.
    pub model: Model,
    /// One file made ahead, or components linked at start.
    pub composition: Composition,
    /// All nodes, by ascending id.
    pub nodes: Vec<Node>,
    /// When a batch of commands is closed.
    pub batching: Batching,
    /// How many slots may be open at once.
    pub window: u32,
    /// Every time-out.
    pub timeouts: Timeouts,
    /// Whether accepted state is on disk before it is answered.
    pub durability: Durability,
    /// After how many slots a learner writes a snapshot and the logs before it go.
    pub snapshot_every: u64,
    /// Upper bounds.
    pub limits: Limits,
    /// Who provides what.
    pub providers: Providers,
    /// The form of messages between nodes.
    pub serializer: Serializer,
    /// Where state is kept, absolute or relative to the working directory.
    pub data_dir: PathBuf,
    /// Where the component files are, absolute or relative to the working directory.
    pub components: PathBuf,
    /// What is written to standard error.
    pub logging: Logging,
}

/// One node and where its roles listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node {
    /// From 1, unique.
    pub id: u16,
    /// Where its proposer hears other nodes.
    pub proposer: SocketAddr,
    /// Where its acceptor hears other nodes.
    pub acceptor: SocketAddr,
    /// Where its learner hears other nodes.
    pub learner: SocketAddr,
    /// Where clients connect.
    pub client: SocketAddr,
}

/// When a batch is closed: at whichever comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batching {
    /// Commands in one batch.
    pub max_commands: u32,
    /// Bytes of one batch.
    pub max_bytes: u64,
    /// How long the first command of a batch waits for more while earlier slots are open.
    pub max_delay: Duration,
}

/// Every time-out, in the order in which they have to grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Between two heartbeats.
    pub heartbeat: Duration,
    /// Until an unanswered message is sent again.
    pub retransmit: Duration,
    /// Silence after which a node is suspected, at first; it grows with each mistake.
    pub suspect: Duration,
    /// Until an unfinished phase 1 is tried again with a higher ballot.
    pub phase: Duration,
}

/// Upper bounds; what is beyond is refused, not queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a key.
    pub key: u64,
    /// Bytes of a value.
    pub value: u64,
    /// Client sessions that are remembered.
    pub sessions: u32,
    /// Client connections of one node.
    pub connections: u32,
    /// Bytes that may wait for one peer.
    pub queue: u64,
}

/// Who provides each of the exchangeable parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Providers {
    /// network-server, network-client and client-server.
    pub network: Provider,
    /// Messages to bytes and back.
    pub serializer: Provider,
    /// The acceptor's log, the proposer's round, the learner's snapshots.
    pub storage: Provider,
}

/// What is written to standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Logging {
    /// The least important level that is written.
    pub level: Level,
}

/// Declares a closed set of words.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            /// Every word, in order.
            pub const WORDS: &'static [&'static str] = &[$($word),+];

            /// The variant of this word.
            #[must_use]
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }

            /// The word of this variant.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.pad(self.word()) }
        }
    };
}

words!(
    /// How roles are spread over processes.
    Model {
        /// One process per role.
        Standalone = "standalone",
        /// One process per node.
        Combined = "combined",
    }
);
words!(
    /// When components are put together.
    Composition {
        /// Ahead, by `cargo build`: one file is loaded.
        Composed = "composed",
        /// At start, by the host: one file per component is loaded.
        Linked = "linked",
    }
);
words!(
    /// What accepted state survives.
    Durability {
        /// The loss of power: synced before it is answered.
        Sync = "sync",
        /// Nothing: for measurements only.
        Memory = "memory",
    }
);
words!(
    /// Who provides a part.
    Provider {
        /// A component, on `wasi:*`.
        Component = "component",
        /// The host, natively.
        Host = "host",
    }
);
words!(
    /// The form of messages between nodes.
    Serializer {
        /// Ours: fixed fields, little-endian.
        Compact = "compact",
        /// `shared/paxos.proto`.
        Protobuf = "protobuf",
    }
);
words!(
    /// How much is written to standard error.
    Level {
        /// What stops a node.
        Error = "error",
        /// What a person should look at.
        Warn = "warn",
        /// Starts, stops, leaders.
        Info = "info",
        /// Connections, snapshots, suspicions.
        Debug = "debug",
    }
);
words!(
    /// A part that a node plays.
    Role {
        /// Leads: gives commands a slot.
        Proposer = "proposer",
        /// Remembers: promises and accepts.
        Acceptor = "acceptor",
        /// Applies: the key-value store.
        Learner = "learner",
    }
);

/// Why a file was refused: all its problems.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", report(file, problems))]
pub struct ConfigError {
    /// The file.
    pub file: PathBuf,
    /// In the order of lines.
    pub problems: Vec<Problem>,
}

/// One problem of a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// From 1; 0 when it concerns the whole file.
    pub line: usize,
    /// Which key, as a path: `timeouts.suspect`, `nodes[2].id`. Empty when it concerns the whole file.
    pub key: String,
    /// What is wrong, why, and the way out.
    pub text: String,
}

fn report(file: &Path, problems: &[Problem]) -> String {
    let mut lines = Vec::with_capacity(problems.len());
    for Problem { line, key, text } in problems {
        let place = if *line == 0 { format!("{}", file.display()) } else { format!("{}:{line}", file.display()) };
        lines.push(if key.is_empty() { format!("{place}: {text}") } else { format!("{place}: {key}: {text}") });
    }
    lines.join("\n")
}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// Every problem found, by line.
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(file).map_err(|error| ConfigError {
            file: file.to_owned(),
            problems: vec![Problem {
                line: 0,
                key: String::new(),
                text: format!("cannot be read: {error}; give the path of a config.yaml, examples lie in shared/"),
            }],
        })?;
        Self::parse(file, &text)
    }

    /// Checks a text as if it had been read from `file`.
    ///
    /// # Errors
    /// Every problem found, by line.
    pub fn parse(file: &Path, text: &str) -> Result<Self, ConfigError> {
        let refuse = |mut problems: Vec<Problem>| {
            problems.sort();
            ConfigError { file: file.to_owned(), problems }
        };
        let root = tree::parse(text).map_err(|problem| refuse(vec![problem]))?;
        let mut problems = Vec::new();
        let config = read::config(file, &root, &mut problems);
        match config {
            Some(config) if problems.is_empty() => {
                checks::check(&config, &root, &mut problems);
                if problems.is_empty() { Ok(config) } else { Err(refuse(problems)) }
            }
            _ => Err(refuse(problems)),
        }
    }

    /// The node of this id.
    #[must_use]
    pub fn node(&self, id: u16) -> Option<&Node> {
        self.nodes.iter().find(|node| node.id == id)
    }

    /// How many nodes are more than half.
    #[must_use]
    pub const fn majority(&self) -> usize {
        self.nodes.len() / 2 + 1
    }
}

impl Node {
    /// Where a role of this node hears other nodes.
    #[must_use]
    pub const fn address(&self, role: Role) -> SocketAddr {
        match role {
            Role::Proposer => self.proposer,
            Role::Acceptor => self.acceptor,
            Role::Learner => self.learner,
        }
    }
}
