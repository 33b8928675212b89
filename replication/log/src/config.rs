//! What must be equal on all nodes of a cell. Its digest is the parent of the first batch, and peers compare it when
//! they meet.

use crate::contracts::ContractsError;
use crate::{ContractsConfig, Digest, ExitStatus, LimitError, Limits, NodeId, codec};
use borsh::{BorshDeserialize, BorshSerialize};
use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::str::FromStr;

/// A module that programs of the cell are made of.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ModuleEntry {
    /// Content hash of the wasm file. Nodes find the file by it.
    pub digest: Digest,
    /// Name for people: the file's name without its ending.
    pub name: String,
}

/// Whether a process that has ended is started anew, in the same cell, with the cell's files as they are.
///
/// One that an operator has ended ([`crate::Order::Kill`], [`crate::Input::Kill`]) stays ended, whatever this says.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Restart {
    /// Never.
    #[default]
    Never,
    /// When it trapped, or exited with another code than 0.
    OnFailure,
    /// However it ended.
    Always,
}

impl Restart {
    /// Whether a process that ended like this is started anew.
    #[must_use]
    pub const fn applies_to(self, status: ExitStatus) -> bool {
        match (self, status) {
            (Self::Never, _) | (_, ExitStatus::Killed) | (Self::OnFailure, ExitStatus::Code(0)) => false,
            (Self::OnFailure | Self::Always, _) => true,
        }
    }
}

impl fmt::Display for Restart {
    /// The word of the command line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Never => "never",
            Self::OnFailure => "on-failure",
            Self::Always => "always",
        })
    }
}

impl FromStr for Restart {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let known = [Self::Never, Self::OnFailure, Self::Always];
        let found = known.into_iter().find(|policy| policy.to_string() == word);
        found.ok_or_else(|| format!("'{word}' is neither never, on-failure nor always"))
    }
}

/// A program that can be started, and is started at genesis unless it says otherwise.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ProgramSpec {
    /// The process's name, unique in the cell: other processes find it by this name.
    pub name: String,
    /// Its module.
    pub module: Digest,
    /// Arguments, `argv[0]` included.
    pub args: Vec<String>,
    /// Environment.
    pub env: Vec<(String, String)>,
    /// Whether standard input comes through the log; otherwise it is at its end from the start.
    pub stdin: bool,
    /// Ports on which the process finds listeners open when it starts (`LISTEN_FDS`), in descriptor order.
    pub listeners: Vec<u16>,
    /// Whether it starts with the cell. Otherwise an [`crate::Input::Spawn`] starts it.
    pub at_genesis: bool,
    /// Whether it is started anew when it has ended.
    pub restart: Restart,
}

/// Everything that influences a run besides the log itself.
///
/// Encoded field by field, with one exception: a cell without contracts is encoded as if there were no such field. One with them
/// has the highest bit of the count of its nodes set, and they stand at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterConfig {
    /// Distinguishes this cell from all others; drawn at random when the cell is made.
    pub cluster: [u8; 16],
    /// Name for people.
    pub name: String,
    /// The nodes whose reports decide about divergence, and who elect a leader; sorted, at least one.
    pub nodes: Vec<NodeId>,
    /// Wall-clock time of genesis, in nanoseconds since the Unix epoch: what a guest's realtime clock starts from.
    pub epoch_unix_ns: u64,
    /// Engine version and settings that all nodes must share.
    pub engine: Digest,
    /// What guests may use.
    pub limits: Limits,
    /// The modules.
    pub modules: Vec<ModuleEntry>,
    /// The programs, in the order in which genesis starts them.
    pub programs: Vec<ProgramSpec>,
    /// Content hash of the encoded [`crate::FsImage`] that file systems start from.
    pub image: Digest,
    /// The replicode that made the cell, in its own words: for whoever has another one. Influences nothing.
    pub made_by: String,
    /// Contracts, where the cell has any.
    pub contracts: Option<ContractsConfig>,
}

/// In the count of the nodes: contracts stand at the end. There are never so many nodes.
const CONTRACTS: u32 = 1 << 31;

impl BorshSerialize for ClusterConfig {
    fn serialize<W: io::Write>(&self, out: &mut W) -> io::Result<()> {
        let Self { cluster, name, nodes, epoch_unix_ns, engine, limits, modules, programs, image, made_by, contracts } =
            self;
        (cluster, name).serialize(out)?;
        let count = u32::try_from(nodes.len()).ok().filter(|count| count & CONTRACTS == 0);
        let count = count.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "too many nodes"))?;
        (count | if contracts.is_some() { CONTRACTS } else { 0 }).serialize(out)?;
        nodes.iter().try_for_each(|node| node.serialize(out))?;
        (epoch_unix_ns, engine, limits, modules, programs, image, made_by).serialize(out)?;
        contracts.iter().try_for_each(|contracts| contracts.serialize(out))
    }
}

impl BorshDeserialize for ClusterConfig {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        let (cluster, name) = BorshDeserialize::deserialize_reader(reader)?;
        let count = u32::deserialize_reader(reader)?;
        // Node numbers are a byte each: more of them are a contradiction, and are not made room for.
        if count & !CONTRACTS > 255 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("{} nodes", count & !CONTRACTS)));
        }
        let nodes = (0..count & !CONTRACTS).map(|_| NodeId::deserialize_reader(reader)).collect::<io::Result<_>>()?;
        let (epoch_unix_ns, engine, limits, modules, programs, image, made_by) =
            BorshDeserialize::deserialize_reader(reader)?;
        let contracts = (count & CONTRACTS != 0).then(|| ContractsConfig::deserialize_reader(reader)).transpose()?;
        Ok(Self { cluster, name, nodes, epoch_unix_ns, engine, limits, modules, programs, image, made_by, contracts })
    }
}

/// A configuration that contradicts itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A limit is out of range.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// Two programs have the same name.
    #[error("two programs are named '{0}': give one of them another name")]
    DuplicateName(String),
    /// A name that is empty, holds other characters than letters, digits, '-', '_' and '.', or consists of dots.
    #[error(
        "'{0}' is not a program name (a name, not a path): use 1 to 63 letters, digits, '-', '_' and '.', not dots alone"
    )]
    BadName(String),
    /// A program's module is not listed.
    #[error("program '{program}' uses module {module}, which the configuration does not list")]
    UnknownModule {
        /// The program.
        program: String,
        /// The module's digest.
        module: Digest,
    },
    /// An argument or variable that no C program could be given.
    #[error("program '{program}': {what} holds a NUL byte or a '=' in a variable's name")]
    BadString {
        /// The program.
        program: String,
        /// The argument or variable.
        what: String,
    },
    /// Arguments and environment together exceed their limit.
    #[error(
        "program '{program}': arguments and environment have {len} bytes, more than the limit 'args_bytes' of {max}"
    )]
    ArgsTooLong {
        /// The program.
        program: String,
        /// Their length.
        len: usize,
        /// The limit.
        max: u32,
    },
    /// More programs start with the cell than may be alive at once.
    #[error("{programs} programs start with the cell, more than the limit 'processes' of {max}")]
    Processes {
        /// How many do.
        programs: usize,
        /// The limit.
        max: u32,
    },
    /// A port is listed twice among a program's listeners, or is 0.
    #[error("program '{program}': port {port} is given to it twice or is no port: name each port once, 1 to 65535")]
    Listener {
        /// The program.
        program: String,
        /// The port.
        port: u16,
    },
    /// More listeners than a process may have descriptors.
    #[error("program '{program}': {listeners} listeners do not fit the limit 'descriptors' of {max}")]
    Listeners {
        /// The program.
        program: String,
        /// How many were asked for.
        listeners: usize,
        /// The limit.
        max: u32,
    },
    /// The list of nodes is empty, unsorted, or names one twice.
    #[error("the configuration must list its nodes in ascending order, each once")]
    Nodes,
    /// There is nothing to run.
    #[error("the configuration names no program")]
    NoProgram,
    /// Contracts that cannot be had like this.
    #[error(transparent)]
    Contracts(#[from] ContractsError),
}

impl ClusterConfig {
    /// The most bytes that an encoded configuration may have.
    pub const MAX_ENCODED: usize = 32 << 20;

    /// Content digest: the parent of the first batch.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&codec::encode(self))
    }

    /// The program of that name.
    #[must_use]
    pub fn program(&self, name: &str) -> Option<&ProgramSpec> {
        self.programs.iter().find(|program| program.name == name)
    }

    /// Checks that the configuration can be run: what genesis starts can be started then, since its first batch has no other
    /// reason to refuse a program.
    ///
    /// # Errors
    /// The first contradiction found.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.limits.validate()?;
        if self.nodes.is_empty() || !self.nodes.is_sorted_by(|a, b| a < b) {
            return Err(ConfigError::Nodes);
        }
        match &self.contracts {
            Some(contracts) => contracts.validate()?,
            None if self.programs.is_empty() => return Err(ConfigError::NoProgram),
            None => {}
        }
        let mut names = BTreeSet::new();
        for program in &self.programs {
            check_name(&program.name)?;
            if !names.insert(&program.name) {
                return Err(ConfigError::DuplicateName(program.name.clone()));
            }
            if !self.modules.iter().any(|module| module.digest == program.module) {
                return Err(ConfigError::UnknownModule { program: program.name.clone(), module: program.module });
            }
            check_listeners(program, self.limits.descriptors)?;
            let env: Vec<_> =
                program.env.iter().cloned().chain(listen_env(program.listeners.len(), LISTEN_FDS_START)).collect();
            check_strings(&program.name, &program.args, &env, self.limits.args_bytes)?;
        }
        let (programs, max) =
            (self.programs.iter().filter(|program| program.at_genesis).count(), self.limits.processes);
        if programs > max as usize {
            return Err(ConfigError::Processes { programs, max });
        }
        Ok(())
    }
}

/// The first descriptor of listeners where only the root is preopened: after the standard streams and the root, where
/// wasi-libc's walk over the preopened directories ends.
pub const LISTEN_FDS_START: u32 = 4;

/// The variables that tell a process of its listeners (`sd_listen_fds(3)`), which begin at descriptor `start`; none
/// without listeners.
pub fn listen_env(listeners: usize, start: u32) -> impl Iterator<Item = (String, String)> {
    let names = [("LISTEN_FDS", listeners.to_string()), ("LISTEN_FDS_START", start.to_string())];
    names.into_iter().filter(move |_| listeners > 0).map(|(name, value)| (name.to_string(), value))
}

fn check_listeners(program: &ProgramSpec, max: u32) -> Result<(), ConfigError> {
    let ProgramSpec { name, listeners, .. } = program;
    let mut seen = BTreeSet::new();
    if let Some(port) = listeners.iter().find(|port| **port == 0 || !seen.insert(**port)) {
        return Err(ConfigError::Listener { program: name.clone(), port: *port });
    }
    let listeners = listeners.len();
    if listeners > max.saturating_sub(LISTEN_FDS_START) as usize {
        return Err(ConfigError::Listeners { program: name.clone(), listeners, max });
    }
    Ok(())
}

/// Checks the name of a program. Directories are named after programs, so that a name that leads somewhere (`..`, or
/// anything with a slash) is none.
///
/// # Errors
/// [`ConfigError::BadName`].
pub fn check_name(name: &str) -> Result<(), ConfigError> {
    let fits = (1..=63).contains(&name.len()) && name.bytes().any(|b| b != b'.');
    if fits && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)) {
        Ok(())
    } else {
        Err(ConfigError::BadName(name.to_string()))
    }
}

/// Checks what a process is started with: C strings cannot hold NUL, a variable's name cannot hold `=`.
///
/// # Errors
/// The first string at fault, or the length when it exceeds `max` bytes.
pub fn check_strings(program: &str, args: &[String], env: &[(String, String)], max: u32) -> Result<(), ConfigError> {
    let bad =
        |what: &str| ConfigError::BadString { program: program.to_string(), what: what.escape_default().to_string() };
    let mut len = 0;
    for arg in args {
        if arg.contains('\0') {
            return Err(bad(arg));
        }
        len += arg.len() + 1;
    }
    for (key, value) in env {
        if key.is_empty() || key.contains(['\0', '=']) || value.contains('\0') {
            return Err(bad(key));
        }
        len += key.len() + value.len() + 2;
    }
    if len > max as usize {
        return Err(ConfigError::ArgsTooLong { program: program.to_string(), len, max });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TrapKind;

    fn config() -> ClusterConfig {
        let module = Digest::of(b"module");
        let program = ProgramSpec {
            name: "main".into(),
            module,
            args: vec!["main".into()],
            env: vec![],
            stdin: false,
            listeners: vec![],
            at_genesis: true,
            restart: Restart::Never,
        };
        ClusterConfig {
            cluster: [1; 16],
            name: "test".into(),
            nodes: NodeId::new(1).into_iter().collect(),
            epoch_unix_ns: 0,
            engine: Digest::ZERO,
            limits: Limits::default(),
            modules: vec![ModuleEntry { digest: module, name: "main".into() }],
            programs: vec![program],
            image: Digest::ZERO,
            made_by: "replicode 0".into(),
            contracts: None,
        }
    }

    /// As every cell was encoded before there were contracts.
    #[derive(BorshSerialize)]
    struct Before {
        cluster: [u8; 16],
        name: String,
        nodes: Vec<NodeId>,
        epoch_unix_ns: u64,
        engine: Digest,
        limits: Limits,
        modules: Vec<ModuleEntry>,
        programs: Vec<ProgramSpec>,
        image: Digest,
        made_by: String,
    }

    #[test]
    fn a_cell_without_contracts_is_encoded_as_before() {
        let it = config();
        let read = |bytes: &[u8]| codec::decode::<ClusterConfig>("configuration", bytes, ClusterConfig::MAX_ENCODED);
        let before = Before {
            cluster: it.cluster,
            name: it.name.clone(),
            nodes: it.nodes.clone(),
            epoch_unix_ns: it.epoch_unix_ns,
            engine: it.engine,
            limits: it.limits.clone(),
            modules: it.modules.clone(),
            programs: it.programs.clone(),
            image: it.image,
            made_by: it.made_by.clone(),
        };
        assert_eq!(codec::encode(&it), codec::encode(&before));
        assert_eq!(read(&codec::encode(&it)), Ok(it.clone()));
        let contracts = Some(ContractsConfig::standard(Digest::of(b"contracts")));
        let with = ClusterConfig { programs: Vec::new(), contracts, ..it.clone() };
        assert_eq!(with.validate(), Ok(()));
        assert_eq!(read(&codec::encode(&with)), Ok(with.clone()));
        assert_ne!(with.digest(), ClusterConfig { contracts: None, ..with }.digest());
        let mut many = codec::encode(&it);
        many[16 + 4 + it.name.len()..][..4].copy_from_slice(&256_u32.to_le_bytes());
        assert!(read(&many).is_err_and(|error| error.to_string().contains("256 nodes")));
    }

    #[test]
    fn every_field_is_in_the_digest() {
        let base = config();
        assert_eq!(base.validate(), Ok(()));
        let mut other = config();
        other.limits.fruitless_calls += 1;
        assert_ne!(base.digest(), other.digest());
        let mut other = config();
        other.programs[0].env.push(("A".into(), "1".into()));
        assert_ne!(base.digest(), other.digest());
        let mut other = config();
        other.programs[0].restart = Restart::OnFailure;
        assert_ne!(base.digest(), other.digest());
    }

    #[test]
    fn what_is_started_anew() {
        let ends = [ExitStatus::Code(0), ExitStatus::Code(1), ExitStatus::Trap(TrapKind::Other), ExitStatus::Killed];
        let table = [Restart::Never, Restart::OnFailure, Restart::Always].map(|it| ends.map(|end| it.applies_to(end)));
        assert_eq!(table, [[false; 4], [false, true, true, false], [true, true, true, false]]);
        for policy in [Restart::Never, Restart::OnFailure, Restart::Always] {
            assert_eq!(policy.to_string().parse(), Ok(policy));
        }
        assert!("sometimes".parse::<Restart>().is_err());
    }

    #[test]
    fn contradictions_are_named() {
        let mut twice = config();
        twice.programs.push(twice.programs[0].clone());
        assert_eq!(twice.validate(), Err(ConfigError::DuplicateName("main".into())));
        for bad in ["a b", "", ".", "..", "../kv", "a/b", &"n".repeat(64)] {
            let mut unnamed = config();
            unnamed.programs[0].name = bad.into();
            assert_eq!(unnamed.validate(), Err(ConfigError::BadName(bad.into())));
        }
        for good in ["a", ".hidden", "a..b", "kv-2_x", &"n".repeat(63)] {
            assert_eq!(check_name(good), Ok(()));
        }
        let mut nul = config();
        nul.programs[0].args.push("x\0".into());
        assert!(matches!(nul.validate(), Err(ConfigError::BadString { .. })));
        let mut long = config();
        long.limits.args_bytes = 4;
        assert!(matches!(long.validate(), Err(ConfigError::ArgsTooLong { len: 5, max: 4, .. })));
    }

    #[test]
    fn programs_that_genesis_could_not_start_are_named() {
        let mut many = config();
        many.programs.push(ProgramSpec { name: "other".into(), ..many.programs[0].clone() });
        many.limits.processes = 1;
        assert_eq!(many.validate(), Err(ConfigError::Processes { programs: 2, max: 1 }));
        many.programs[1].at_genesis = false;
        assert_eq!(many.validate(), Ok(()));
        for (ports, port) in [(vec![7, 8, 7], 7), (vec![0], 0)] {
            let mut twice = config();
            twice.programs[0].listeners = ports;
            assert_eq!(twice.validate(), Err(ConfigError::Listener { program: "main".into(), port }));
        }
        let mut full = config();
        full.limits.descriptors = 6;
        full.programs[0].listeners = vec![1, 2];
        assert_eq!(full.validate(), Ok(()));
        full.programs[0].listeners = vec![1, 2, 3];
        assert!(matches!(full.validate(), Err(ConfigError::Listeners { listeners: 3, max: 6, .. })));
        // What the process is told of its listeners counts, too.
        let mut long = config();
        long.limits.args_bytes = 20;
        assert_eq!(long.validate(), Ok(()));
        long.programs[0].listeners = vec![1];
        assert!(matches!(long.validate(), Err(ConfigError::ArgsTooLong { .. })));
    }
}
