//! What a node's core wants done: values, in the order in which they are to be carried out.

use crate::console::Print;
use crate::main_program;
use crate::outputs::ForClients;
use replicode_log::{BatchIndex, BootNo, Digest, ExitStatus, Input, NodeId, Ordered, Output, Pid};
use replicode_pacing::Progress;
use std::collections::BTreeMap;
use std::time::Duration;

/// Something to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// The log is to be asked for a boot, again and again until it is granted; [`crate::Core::handle_asked`] tells with which
    /// nonce it is.
    AskForBoot,
    /// The log has admitted this start: inputs are numbered anew in this boot, and clients are taken.
    Admit(BootNo),
    /// The boot is over: nobody is watched, clients are reset and none is taken, and whoever waits for what was offered is
    /// told to ask again. Then the log is asked for another ([`Deed::AskForBoot`]).
    Over,
    /// All clients are reset without a word to the log, and none is taken.
    Suspend,
    /// From now on an earlier start of another node is refused. [`crate::Core::handle_unnoted`] tells if that cannot be noted.
    Started {
        /// The node.
        node: NodeId,
        /// Its start.
        nonce: u64,
    },
    /// Whom this node watches over while it leads; `None`: nobody.
    WatchOver(Option<BTreeMap<NodeId, BootNo>>),
    /// The log is to be offered this.
    Offer(Input),
    /// The state digest after a batch goes to the witness. [`crate::Core::handle_not_reproduced`] tells if it has another one;
    /// what is to be done after this is then void.
    Witness(BatchIndex, Digest),
    /// What the witness has goes to where others can read it.
    FlushWitness,
    /// A program has printed something.
    Print(Print),
    /// For the standard input of a `run`'s program.
    Stdin(main_program::Order),
    /// For clients of this node.
    Clients(ForClients),
    /// How far the machine is, for whoever makes batches.
    Applied(Progress),
    /// An operator's order has been decided on.
    Ordered {
        /// The order's token.
        token: u64,
        /// What became of it.
        outcome: Ordered,
    },
    /// What became of a batch's calls of contracts, in order. Comes before everything else that the batch causes.
    Called(BatchIndex, Vec<Output>),
    /// What whoever looks at the node should know of how the cell is used.
    Hint(Option<String>),
    /// A process has ended; what is known of its end is told.
    Ended {
        /// The process.
        pid: Pid,
        /// In which batch.
        index: BatchIndex,
        /// How.
        status: ExitStatus,
    },
    /// A word for people.
    Tell(Tone, String),
    /// For how long nobody has been heard is to be looked at: [`crate::Core::handle_silence`].
    LookAround,
    /// How far the log is is to be looked at: [`crate::Core::handle_log`].
    LookAtLog,
    /// A peer is asked, with so much patience: [`crate::Core::handle_answer`].
    Ask {
        /// Whom.
        peer: NodeId,
        /// What, encoded.
        question: Vec<u8>,
        /// How long its answer is waited for.
        patience: Duration,
    },
    /// This node differs from others, or from what it was: it stops, and leaves a report.
    Parted(Parted),
    /// The program that this node is for cannot be run: why, for whoever wanted it. The node stops.
    GiveUp(String),
    /// The node ends, in good order. Nothing comes after this.
    End(End),
}

/// Whom a word is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Whoever reads the node's log at length.
    Info,
    /// Whoever reads the node's log.
    Warn,
    /// The same, and something is broken.
    Error,
    /// Whoever started the program that this is about.
    Say,
}

/// Where this node has parted from others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parted {
    /// The batch at which it was found.
    pub index: BatchIndex,
    /// What follows; none when the witness has found it, who says so itself.
    pub verdict: Option<String>,
    /// What is known about it.
    pub report: String,
}

/// How a node ends when nothing is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It was told to, and has come to rest.
    Stopped,
    /// The program that it runs has ended.
    Exited(ExitStatus),
}
