//! What a process is made of: which files are loaded, and who provides each interface that they import.

use super::inspect::{self, Facts, Refusal};
use paxos_config::{Composition, Config, Provider, Role};
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};

/// A process of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Process {
    /// Starts and watches the others.
    Coordinator,
    /// One role.
    Role(Role),
    /// All three roles.
    Combined,
}

/// The parts that the host may provide, under the name in `providers`, with their interfaces.
pub const PROVIDED: [(&str, &[&str]); 3] = [
    ("network", &["network-server", "network-client", "client-server"]),
    ("serializer", &["serializer"]),
    ("storage", &["storage"]),
];

/// Interfaces without functions: words that others use.
pub const WORDS: [&str; 6] = ["types", "messages", "settings", "network-types", "agent-types", "core-types"];

/// A component to load.
#[derive(Debug, Clone)]
pub struct Part {
    /// Its name, as in the name of its file.
    pub name: String,
    /// Where it is.
    pub file: PathBuf,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Its interfaces.
    pub facts: Facts,
    /// For each imported interface of ours, by bare name: who provides it.
    pub links: BTreeMap<String, Source>,
}

/// Who provides an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The host.
    Host,
    /// A part, under this name of an interface that it exports.
    Part(String, String),
}

/// What a process loads, in an order in which nobody needs a later one. The last one runs.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Whose it is.
    pub process: Process,
    /// At least one.
    pub parts: Vec<Part>,
}

/// A file that cannot be used, and why.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// Not readable.
    #[error("the component file {} cannot be read: {reason}; `cargo build` in the folder paxos-wasm makes it{hint}", file.display())]
    Read {
        /// Which.
        file: PathBuf,
        /// From the system.
        reason: std::io::Error,
        /// A further way out.
        hint: &'static str,
    },
    /// Not usable.
    #[error("the component file {} {refusal}", file.display())]
    Refused {
        /// Which.
        file: PathBuf,
        /// Why.
        refusal: Refusal,
    },
}

impl Process {
    /// The processes of a node under a configuration, without its coordinator.
    #[must_use]
    pub fn of_node(config: &Config) -> Vec<Self> {
        match config.model {
            paxos_config::Model::Standalone => [Role::Acceptor, Role::Learner, Role::Proposer].map(Self::Role).to_vec(),
            paxos_config::Model::Combined => vec![Self::Combined],
        }
    }

    /// Its name in logs, file names and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Coordinator => "coordinator",
            Self::Role(role) => role.word(),
            Self::Combined => "combined",
        }
    }

    /// The process of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "coordinator" => Some(Self::Coordinator),
            "combined" => Some(Self::Combined),
            _ => Role::from_word(name).map(Self::Role),
        }
    }

    /// The roles that it plays.
    #[must_use]
    pub fn roles(self) -> Vec<Role> {
        match self {
            Self::Coordinator => Vec::new(),
            Self::Role(role) => vec![role],
            Self::Combined => vec![Role::Proposer, Role::Acceptor, Role::Learner],
        }
    }

    /// The interface whose `run` is the process.
    #[must_use]
    pub const fn entry(self) -> &'static str {
        match self {
            Self::Coordinator => "coordinator",
            Self::Role(_) | Self::Combined => "runner",
        }
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Who provides the part that an interface belongs to; `None` for what is no exchangeable part.
#[must_use]
pub fn provider(config: &Config, interface: &str) -> Option<Provider> {
    let (name, _) = PROVIDED.iter().find(|(_, interfaces)| interfaces.contains(&interface))?;
    Some(match *name {
        "network" => config.providers.network,
        "serializer" => config.providers.serializer,
        _ => config.providers.storage,
    })
}

/// Whether the host provides this interface, given the configuration.
fn by_host(config: &Config, interface: &str) -> bool {
    interface == "host-control" || WORDS.contains(&interface) || provider(config, interface) == Some(Provider::Host)
}

/// Finds and reads everything that a process needs.
///
/// # Errors
/// The first file that cannot be used.
pub fn plan(config: &Config, process: Process) -> Result<Plan, PlanError> {
    let parts = match (config.composition, process) {
        (_, Process::Coordinator) => {
            vec![load(config, part_file(config, "coordinator"), "coordinator", &["coordinator"], "")?]
        }
        (Composition::Composed, _) => {
            let name = composed_name(config, process);
            let file = config.components.join(&name);
            let hint = ", or choose other `providers` or `composition: linked`";
            vec![load(config, file, name.trim_end_matches(".wasm"), &["runner"], hint)?]
        }
        (Composition::Linked, _) => linked(config, process)?,
    };
    Ok(Plan { process, parts })
}

/// `acceptor.host-network.component-serializer.host-storage.wasm`
fn composed_name(config: &Config, process: Process) -> String {
    let mut name = process.name().to_owned();
    for (part, interfaces) in PROVIDED {
        let by = interfaces.first().and_then(|interface| provider(config, interface)).map_or("host", Provider::word);
        let _ = write!(name, ".{by}-{part}");
    }
    name + ".wasm"
}

fn part_file(config: &Config, name: &str) -> PathBuf {
    config.components.join("paxos").join(format!("{name}.wasm"))
}

/// One file, which may import only what the host provides.
fn load(config: &Config, file: PathBuf, name: &str, exports: &[&str], hint: &'static str) -> Result<Part, PlanError> {
    let (bytes, facts) = read(&file, hint)?;
    inspect::fits(&facts, exports, &|interface| by_host(config, interface))
        .map_err(|refusal| PlanError::Refused { file: file.clone(), refusal })?;
    let links = ours(&facts).map(|interface| (interface.to_owned(), Source::Host)).collect();
    Ok(Part { name: name.to_owned(), file, bytes, facts, links })
}

/// What a role is made of: its cores, then its agent.
const fn parts_of(role: Role) -> &'static [&'static str] {
    match role {
        Role::Proposer => &["proposer", "failure-detector", "leader-detector", "proposer-agent"],
        Role::Acceptor => &["acceptor", "acceptor-agent"],
        Role::Learner => &["learner", "kv-store", "learner-agent"],
    }
}

/// The interface that a part of this name exports.
fn export_of(name: &str) -> &str {
    match name {
        "proposer-agent" | "acceptor-agent" | "learner-agent" => "agent",
        "runner-combined" => "runner",
        other => other,
    }
}

/// All parts of a process, each in a file of its own, and who provides what to whom.
fn linked(config: &Config, process: Process) -> Result<Vec<Part>, PlanError> {
    let roles = process.roles();
    let mut names: Vec<&str> = PROVIDED
        .iter()
        .flat_map(|(_, interfaces)| interfaces.iter().copied())
        .filter(|interface| provider(config, interface) == Some(Provider::Component))
        .filter(|interface| *interface != "client-server" || roles.contains(&Role::Proposer))
        .collect();
    names.extend(roles.iter().flat_map(|role| parts_of(*role)));
    names.push(if process == Process::Combined { "runner-combined" } else { "runner" });

    let mut parts: Vec<Part> = Vec::new();
    for name in names {
        let file = part_file(config, name);
        let (bytes, facts) = read(&file, "")?;
        let source = |interface: &str| source(config, interface, &parts);
        inspect::fits(&facts, &[export_of(name)], &|interface| source(interface).is_some())
            .map_err(|refusal| PlanError::Refused { file: file.clone(), refusal })?;
        let links = ours(&facts).filter_map(|name| source(name).map(|source| (name.to_owned(), source))).collect();
        parts.push(Part { name: name.to_owned(), file, bytes, facts, links });
    }
    Ok(parts)
}

/// Who among the parts so far, or the host, provides an interface.
fn source(config: &Config, interface: &str, parts: &[Part]) -> Option<Source> {
    if by_host(config, interface) {
        return Some(Source::Host);
    }
    let from = |part: &&Part| match interface {
        "agent" => part.name.ends_with("-agent"),
        _ => part.name == interface,
    };
    parts.iter().find(from).map(|part| Source::Part(part.name.clone(), export_of(&part.name).to_owned()))
}

/// The imported interfaces of ours, by bare name.
fn ours(facts: &Facts) -> impl Iterator<Item = &str> {
    facts.imports.iter().filter_map(|name| inspect::bare(name))
}

fn read(file: &Path, hint: &'static str) -> Result<(Vec<u8>, Facts), PlanError> {
    let bytes = std::fs::read(file).map_err(|reason| PlanError::Read { file: file.to_owned(), reason, hint })?;
    let facts = inspect::inspect(&bytes).map_err(|refusal| PlanError::Refused { file: file.to_owned(), refusal })?;
    Ok((bytes, facts))
}

impl fmt::Display for Plan {
    /// What is loaded, linked to what, provided by whom, for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.process)?;
        for part in &self.parts {
            writeln!(f, "  {} ({}, {} bytes)", part.name, part.file.display(), part.bytes.len())?;
            for export in part.facts.exports.iter().filter(|name| inspect::bare(name).is_some()) {
                writeln!(f, "    exports {export}")?;
            }
            for import in &part.facts.imports {
                let from = match inspect::bare(import) {
                    Some(name) if WORDS.contains(&name) => continue,
                    Some(name) => part.links.get(name).map_or("nobody".to_owned(), |source| match source {
                        Source::Host => "the host".to_owned(),
                        Source::Part(part, interface) => format!("{part} (its {interface})"),
                    }),
                    None => "the host (wasmtime-wasi)".to_owned(),
                };
                writeln!(f, "    imports {import} from {from}")?;
            }
        }
        Ok(())
    }
}
