//! A process: what it was started with, what it has open, what it waits for, and how much of its turn it has used.

use crate::abi::Call;
use crate::chunks::Chunks;
use crate::contracts::{TICKET_BYTES, TICKETS};
use crate::descriptor::Descriptors;
use crate::moved::Moved;
use crate::ports::Ports;
use crate::random::Random;
use crate::watched::Waiters;
use borsh::{BorshDeserialize, BorshSerialize};
use replicode_log::{Limits, LogicalTime, Pid};

/// Whether a process can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) enum Run {
    /// In the run queue.
    Ready,
    /// Taken from the run queue and not yet waiting.
    Running,
    /// In a call that waits for an event or for `timer`.
    Waiting { timer: Option<Timer> },
    /// In a call that waits for the next batch.
    Yielded,
}

/// A deadline in the kernel's table. Equal deadlines fire in the order in which they were set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub(crate) struct Timer {
    pub(crate) at: LogicalTime,
    pub(crate) order: u64,
}

/// A call that waits. When the process is resumed it makes the same call again, which then goes on from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Pending {
    pub(crate) call: Call,
    /// When the call was first made: relative time-outs count from here.
    pub(crate) since: LogicalTime,
    /// Number of its first wait.
    pub(crate) first_wait: u64,
    /// When it ends at the latest, for tables.
    pub(crate) until: LogicalTime,
    /// What it has moved so far.
    pub(crate) moved: Moved,
}

/// What a process has done in its present turn. A turn begins with each batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Turn {
    /// The batch, counted by the kernel.
    pub(crate) number: u64,
    /// Calls in a row that found nothing to do.
    pub(crate) fruitless: u32,
    /// Hash of what the last `poll_oneoff` was asked and answered.
    pub(crate) polled: u64,
    /// Looks at the clock.
    pub(crate) looks: u32,
    /// Those in a row, without another call between.
    pub(crate) looks_in_a_row: u32,
    /// What `calls` was after the last of them.
    pub(crate) looked: u32,
    /// Finished calls.
    pub(crate) calls: u32,
    /// Bytes written to the console.
    pub(crate) console: u64,
    /// Transactions submitted to contracts.
    pub(crate) submitted: u32,
    /// Their bytes.
    pub(crate) submitted_bytes: u64,
}

/// Transactions that a process submits to contracts in one turn; and their bytes. All that is submitted in a batch is executed in it, and
/// until its end their receipts are kept.
const SUBMITTED: u32 = 4 * TICKETS as u32;
const SUBMITTED_BYTES: u64 = 2 * TICKET_BYTES as u64;

/// Looks at the clock in a row after which the turn is over: whoever makes no other call waits for a time, or works until
/// then, and time passes between batches. So few that even a slow loop of them does not hold the batch for long.
const LOOKS_IN_A_ROW: u32 = 1_000;

impl Turn {
    /// A look at the clock.
    pub(crate) const fn look(&mut self) {
        self.looks += 1;
        self.looks_in_a_row = if self.looked == self.calls { self.looks_in_a_row + 1 } else { 1 };
        self.looked = self.calls + 1;
    }

    /// Whether the turn is used up. Then the next call waits for the next batch.
    pub(crate) const fn is_over(&self, limits: &Limits) -> bool {
        self.fruitless >= limits.fruitless_calls
            || self.looks >= limits.clock_calls
            || self.looks_in_a_row >= LOOKS_IN_A_ROW
            || self.calls >= limits.turn_calls
            || self.console >= limits.turn_console_bytes as u64
            || self.submitted >= SUBMITTED
            || self.submitted_bytes >= SUBMITTED_BYTES
    }
}

/// Standard input.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Stdin {
    pub(crate) bytes: Chunks,
    pub(crate) arrived: u64,
    /// The limit that was told last.
    pub(crate) window_told: u64,
    pub(crate) over: bool,
    pub(crate) waiters: Waiters,
}

/// A live process.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Process {
    pub(crate) pid: Pid,
    pub(crate) name: String,
    /// Arguments and variables as C strings without the final NUL.
    pub(crate) args: Vec<Vec<u8>>,
    pub(crate) env: Vec<Vec<u8>>,
    pub(crate) descriptors: Descriptors,
    pub(crate) ports: Ports,
    pub(crate) stdin: Stdin,
    pub(crate) random: Random,
    pub(crate) started: LogicalTime,
    /// What its clock showed last.
    pub(crate) clock: LogicalTime,
    pub(crate) run: Run,
    /// Number of its present or last wait: marks which sockets' interests are current.
    pub(crate) wait: u64,
    pub(crate) pending: Option<Pending>,
    pub(crate) turn: Turn,
    pub(crate) calls: u64,
}

impl Process {
    /// The time by its clock: the batch's time, or what it saw last if it looked more than once. Not a look.
    pub(crate) fn now(&self, batch: LogicalTime) -> LogicalTime {
        batch.max(self.clock)
    }

    /// A look at its clock. Within one batch each look is one step later than the one before.
    pub(crate) fn look(&mut self, batch: LogicalTime, step: u64) -> LogicalTime {
        self.clock = batch.max(self.clock.plus(step));
        self.clock
    }
}
