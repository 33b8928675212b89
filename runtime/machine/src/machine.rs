//! The cell's state, and the order of a batch.

use crate::calls::{Block, Contracts, Execute};
use crate::guest::{Guest, GuestLoader, LoadError};
use crate::history::History;
use crate::ledger::Ledger;
use crate::origins::Origins;
use crate::restart::Restarts;
use replicode_log::{
    Batch, BatchHeader, BatchIndex, BootNo, ClusterConfig, ConfigError, Digest, FsImage, LogicalTime, NodeId, Output,
    Pid, codec,
};
use replicode_nat::{Intake, Nat, NatRow};
use replicode_syscalls::contracts::Asker;
use replicode_syscalls::fs::{Fs, ImageError};
use replicode_syscalls::{Kernel, ProcessInfo, Recording, StepRecord, TraceRecord};
use std::collections::BTreeMap;

/// A machine that cannot be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MachineError {
    /// The configuration contradicts itself.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The image is not the one that the configuration names.
    #[error("the file image has digest {found}, the configuration names {named}: restore the image file")]
    Image {
        /// Digest of the image given.
        found: Digest,
        /// Digest that the configuration names.
        named: Digest,
    },
    /// An entry of the file image does not fit the limits.
    #[error(transparent)]
    Files(#[from] ImageError),
}

/// This node is broken and must stop. Nothing of it is visible to guests or to other nodes, and the machine is of no
/// further use: a fresh one gets the log from the beginning.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A batch that does not follow the last one.
    #[error("batch {got} does not follow batch {last}: the log is damaged or its reader is")]
    Order {
        /// The last batch applied.
        last: BatchIndex,
        /// The batch offered.
        got: BatchIndex,
    },
    /// A program of the configuration cannot be started here.
    #[error("process {pid} cannot be started on this node: {why}")]
    Load {
        /// The process.
        pid: Pid,
        /// Why.
        why: LoadError,
    },
    /// The host failed a running guest.
    #[error("process {pid} cannot go on, because of this node: {why}")]
    Guest {
        /// The process.
        pid: Pid,
        /// What the host could not do.
        why: String,
    },
    /// Contracts cannot be executed on this node.
    #[error("contracts cannot be executed on this node: {0}")]
    Contracts(String),
    /// A fault or a panic stopped an earlier batch half way.
    #[error("the machine stopped in the middle of an earlier batch: restart the node")]
    Stopped,
}

/// Something that a person at this node may want to read. Not part of what nodes compare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The process; 0 for one that could not be started.
    pub pid: Pid,
    /// The text, possibly of several lines.
    pub text: String,
}

/// What a batch amounted to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The batch.
    pub index: BatchIndex,
    /// The cell's time now.
    pub time: LogicalTime,
    /// Digest of all history up to here; equal on all nodes.
    pub digest: Digest,
    /// What leaves the cell, in order. May leave this node at once: the batch is committed.
    pub outputs: Vec<Output>,
    /// When the next batch must come even if nothing happens; `None` when only an event can wake a process.
    pub next_deadline: Option<LogicalTime>,
    /// Whether the batch told of the world outside, or made a program act: what is worth a report to the other nodes.
    pub had_events: bool,
    /// System calls that were finished in it.
    pub calls: u64,
    /// For this node's own log.
    pub notes: Vec<Note>,
    /// What the batch's contract calls amounted to; none where it had none.
    pub block: Option<Block>,
}

/// What accumulates while a batch is executed.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) header: BatchHeader,
    pub(crate) outputs: Vec<Output>,
    pub(crate) notes: Vec<Note>,
    pub(crate) events: bool,
    /// Transactions for contracts.
    pub(crate) calls: Vec<Vec<u8>>,
    /// Those of programs, which are not executed yet.
    pub(crate) asked: Vec<(Asker, Vec<u8>)>,
}

/// A cell on one node.
///
/// # How to drive it
///
/// Give it the committed batches, each once and in order ([`Machine::apply`]); act on the outputs that concern this
/// node. Everything else only looks.
pub struct Machine<L> {
    pub(crate) config: ClusterConfig,
    pub(crate) config_digest: Digest,
    pub(crate) loader: L,
    /// Absent while a batch is executed, and for ever after one that was not finished.
    kernel: Option<Box<Kernel>>,
    pub(crate) nat: Nat,
    pub(crate) guests: BTreeMap<Pid, Box<dyn Guest>>,
    /// Standard inputs that come through the log.
    pub(crate) stdin: BTreeMap<Pid, Intake>,
    pub(crate) origins: Origins,
    pub(crate) ledger: Ledger,
    /// Processes that run, and those that are to follow others.
    pub(crate) restarts: Restarts,
    history: History,
    /// Processes started so far: distinguishes the seeds of those started in one batch.
    pub(crate) started: u64,
    /// A process whose turn came when the batch had run long enough. It is the first one of the next batch.
    pub(crate) carried: Option<Pid>,
    /// Where the cell has any.
    pub(crate) contracts: Option<Contracts>,
    next_deadline: Option<LogicalTime>,
}

impl<L: GuestLoader> Machine<L> {
    /// A cell before its first batch.
    ///
    /// # Errors
    /// When the configuration contradicts itself, or the image is not the one that it names or does not fit its limits.
    pub fn new(config: &ClusterConfig, image: &FsImage, loader: L) -> Result<Self, MachineError> {
        config.validate()?;
        let found = Digest::of(&codec::encode(image));
        if found != config.image {
            return Err(MachineError::Image { found, named: config.image });
        }
        let mut kernel = Kernel::new(config.limits.clone(), config.epoch_unix_ns, image)?;
        if config.contracts.is_some() {
            kernel.serve_contracts();
        }
        let config_digest = config.digest();
        Ok(Self {
            config: config.clone(),
            config_digest,
            loader,
            kernel: Some(Box::new(kernel)),
            nat: Nat::new(&config.limits),
            guests: BTreeMap::new(),
            stdin: BTreeMap::new(),
            origins: Origins::default(),
            ledger: Ledger::new(config.nodes.clone()),
            restarts: Restarts::default(),
            history: History::new(config_digest),
            started: 0,
            carried: None,
            contracts: config.contracts.as_ref().map(Contracts::new),
            next_deadline: None,
        })
    }

    /// Executes one batch, up to the point at which every process waits. `content` is the digest of the batch's
    /// encoding.
    ///
    /// # Errors
    /// When this node is broken; see [`Fault`]. The machine must then be dropped.
    pub fn apply(&mut self, batch: Batch, content: Digest) -> Result<Applied, Fault> {
        let Batch { header, sections } = batch;
        let last = self.history.last();
        if header.index != last.next() {
            return Err(Fault::Order { last, got: header.index });
        }
        let mut kernel = self.kernel.take().ok_or(Fault::Stopped)?;
        let mut work = Work {
            header,
            outputs: Vec::new(),
            notes: Vec::new(),
            events: false,
            calls: Vec::new(),
            asked: Vec::new(),
        };

        // 1. The clock becomes the batch's time; due timers become ready.
        kernel.advance(header.time);

        // 2. At the beginning of history the programs start; later, the successors of those that have ended and whose
        //    pause is over. Then the inputs, in order.
        if last == BatchIndex(0) {
            self.start_programs(&mut kernel, &mut work)?;
        }
        self.start_successors(&mut kernel, &mut work)?;
        for section in sections {
            self.admit(section, &mut kernel, &mut work)?;
        }

        // 3. The contract calls among them are one block.
        self.execute_calls(&mut work)?;

        // 4. Ready processes run until every one waits. What they send leaves through the NAT table as they go; what they
        //    ask of contracts joins the block.
        let mut kernel = self.run(kernel, &mut work)?;
        let block = self.commit_calls(&mut kernel)?;

        // 5. The digest chains. A block of contract calls is a link more.
        let trail = kernel.trail().take();
        let outputs = Digest::of(&codec::encode(&work.outputs));
        let (hash, steps) = (trail.hash.to_le_bytes(), trail.steps.to_le_bytes());
        let mut links: Vec<&[u8]> = vec![content.bytes(), outputs.bytes(), &hash, &steps];
        let contracts = block.as_ref().map(|block| block.batch.digest());
        links.extend(contracts.as_ref().map(|digest| &digest.as_bytes()[..]));
        let digest = Digest::chain(self.history.digest(), &links);
        self.history.push(digest, kernel.take_steps());

        self.next_deadline = match self.carried {
            Some(_) => Some(header.time.plus(1)),
            None => [kernel.next_deadline(), self.restarts.deadline()].into_iter().flatten().min(),
        };
        self.kernel = Some(kernel);
        Ok(Applied {
            index: header.index,
            time: header.time,
            digest,
            outputs: work.outputs,
            next_deadline: self.next_deadline,
            had_events: work.events || trail.steps > 0,
            calls: trail.steps,
            notes: work.notes,
            block,
        })
    }
}

impl<L> Machine<L> {
    /// What executes contract calls from now on. A cell without contracts has no use for it.
    pub fn set_executor(&mut self, executor: Box<dyn Execute>) {
        if let Some(contracts) = &mut self.contracts {
            contracts.set_executor(executor);
        }
    }

    /// Clients of contracts that are remembered.
    #[must_use]
    pub fn contract_clients(&self) -> usize {
        self.contracts.as_ref().map_or(0, Contracts::clients)
    }

    /// The last batch applied; 0 before any.
    #[must_use]
    pub const fn applied(&self) -> BatchIndex {
        self.history.last()
    }

    /// Digest of all history so far; before any batch, the configuration's.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.history.digest()
    }

    /// When the next batch must come even if nothing happens.
    #[must_use]
    pub const fn next_deadline(&self) -> Option<LogicalTime> {
        self.next_deadline
    }

    /// A node's last boot, and the sequence number that is due in it.
    #[must_use]
    pub fn origin(&self, node: NodeId) -> Option<(BootNo, u64)> {
        self.origins.get(node)
    }

    /// The boots that are not over, by node.
    pub fn live_boots(&self) -> impl Iterator<Item = (NodeId, BootNo)> {
        self.origins.live()
    }

    /// The processes, those that have ended included.
    pub fn processes(&self) -> impl Iterator<Item = ProcessInfo> {
        self.kernel.iter().flat_map(|kernel| kernel.processes())
    }

    /// Connections in the NAT table; the limit `connections` bounds them.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.nat.connections()
    }

    /// The programs that are to be started anew, and when.
    pub fn restarts(&self) -> impl Iterator<Item = (&str, LogicalTime)> {
        self.restarts.waiting()
    }

    /// The cell's files; `None` after a batch that was not finished.
    #[must_use]
    pub fn files(&self) -> Option<&Fs> {
        self.kernel.as_ref().map(|kernel| kernel.files())
    }

    /// The NAT table as people see it.
    pub fn nat_rows(&self) -> impl Iterator<Item = NatRow> {
        self.nat.rows()
    }

    /// Chooses what is kept of each system call from now on; nothing unless told otherwise. It influences nothing that
    /// nodes compare.
    pub fn set_recording(&mut self, recording: Recording) {
        if let Some(kernel) = &mut self.kernel {
            kernel.set_recording(recording);
        }
    }

    /// The system calls since the last call of this, decoded; empty unless [`Recording::Trace`] is chosen.
    pub fn take_trace(&mut self) -> Vec<TraceRecord> {
        self.kernel.as_mut().map(|kernel| kernel.take_trace()).unwrap_or_default()
    }

    /// The system calls of a recent batch as hashes; `None` when it made none, is too long ago, or
    /// [`Recording::Steps`] was not chosen.
    #[must_use]
    pub fn steps_of(&self, index: BatchIndex) -> Option<&[StepRecord]> {
        self.history.steps_of(index)
    }

    /// The digest after a recent batch; `None` when it is more than [`crate::history::DIGESTS`] batches ago.
    #[must_use]
    pub fn digest_of(&self, index: BatchIndex) -> Option<Digest> {
        self.history.digest_of(index)
    }

    /// The configuration that the machine was made from.
    #[must_use]
    pub const fn config(&self) -> &ClusterConfig {
        &self.config
    }
}

impl<L> std::fmt::Debug for Machine<L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Machine")
            .field("applied", &self.applied())
            .field("digest", &self.digest())
            .finish_non_exhaustive()
    }
}
