//! What is answered about the cell between two batches, and by whom while one batch is executed for long.

use crate::divergence;
use crate::recent::{Recent, Summary};
use replicode_log::{BatchIndex, LogicalTime, Mono, Pid};
use replicode_machine::{GuestLoader, Machine};
use replicode_nat::NatRow;
use replicode_syscalls::{ProcessInfo, ProcessState};
use std::time::Duration;

/// A batch that takes longer than this is shown as being executed.
pub const MOMENT: Duration = Duration::from_millis(500);

/// What can be asked of a machine between two batches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    /// The processes.
    Processes,
    /// The NAT table.
    Nat,
    /// The last batches.
    Batches {
        /// First index, or the last ones.
        from: Option<u64>,
        /// How many.
        limit: u64,
    },
    /// A peer's question about a divergence, encoded.
    Peer(Vec<u8>),
}

/// The answer to a [`Query`].
#[derive(Clone, Debug)]
pub enum Answer {
    /// Nothing has been agreed on yet: these are to be started, in this order.
    ToCome(Vec<(Pid, String)>),
    /// The processes, those that have ended included.
    Processes(Vec<ProcessInfo>),
    /// The NAT table.
    Nat(Vec<NatRow>),
    /// Batches.
    Batches(Vec<Summary>),
    /// Bytes for a peer.
    Peer(Vec<u8>),
}

/// Answers from the machine as it is.
///
/// # Errors
/// A text for whoever asked.
pub fn answer<L: GuestLoader>(machine: &Machine<L>, recent: &Recent, query: Query) -> Result<Answer, String> {
    match query {
        Query::Processes if machine.applied() == BatchIndex(0) => {
            let to_come = machine.config().programs.iter().filter(|program| program.at_genesis);
            Ok(Answer::ToCome(by_name(to_come.map(|program| program.name.as_str()))))
        }
        Query::Processes => Ok(Answer::Processes(machine.processes().collect())),
        Query::Nat => Ok(Answer::Nat(machine.nat_rows().collect())),
        Query::Batches { from, limit } => recent.rows(from, limit).map(Answer::Batches).map_err(|first| {
            format!(
                "a running node remembers its last batches only, from {} on; stop it to read all of its log",
                first.0
            )
        }),
        Query::Peer(question) => Ok(Answer::Peer(divergence::answer(machine, &question))),
    }
}

/// The processes that genesis starts, numbered as it does.
pub fn by_name<'a>(names: impl Iterator<Item = &'a str>) -> Vec<(Pid, String)> {
    (1..).map(Pid).zip(names.map(str::to_string)).collect()
}

/// A batch that is being executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Executing {
    /// The batch.
    pub index: BatchIndex,
    /// Since when.
    pub since: Mono,
}

impl Executing {
    /// For how long, if it is worth a word.
    #[must_use]
    pub fn long(self, now: Mono) -> Option<(BatchIndex, Duration)> {
        let time = now.since(self.since);
        (time >= MOMENT).then_some((self.index, time))
    }
}

/// Who answers a question about processes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answers {
    /// The machine, which has a moment.
    Machine,
    /// Whoever knows the names without it: this batch has been running for so long.
    ByName(BatchIndex, Duration),
    /// Nobody: why.
    Nobody(String),
}

/// Who answers. `long`: the batch that takes long now; `refused`: why the machine gave no answer, if it was asked already.
#[must_use]
pub fn who_answers(long: Option<(BatchIndex, Duration)>, refused: Option<String>) -> Answers {
    match (long, refused) {
        (Some((index, time)), _) => Answers::ByName(index, time),
        (None, None) => Answers::Machine,
        (None, Some(why)) => Answers::Nobody(why),
    }
}

/// What a process does, in words. `then`: what follows on its end, and in which batch that was, if it is remembered.
#[must_use]
pub fn state_in_words(state: ProcessState, ended: Option<(BatchIndex, String)>) -> String {
    match (state, ended) {
        (ProcessState::Ready, _) => "ready".to_string(),
        (ProcessState::Waiting { call, until: LogicalTime::NEVER }, _) => format!("waits in {call}"),
        (ProcessState::Waiting { call, until }, _) => format!("waits in {call} until {until}"),
        (ProcessState::Yielded, _) => "spins".to_string(),
        (ProcessState::Exited(status), Some((batch, then))) => format!("ended in batch {batch}: {status}{then}"),
        (ProcessState::Exited(status), None) => format!("ended: {status}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use replicode_log::ExitStatus;

    #[test]
    fn while_a_batch_takes_long_the_machine_is_not_asked() {
        let long = |index, ms| Some((BatchIndex(index), Duration::from_millis(ms)));
        assert_eq!(who_answers(None, None), Answers::Machine);
        assert_eq!(who_answers(long(7, 900), None), Answers::ByName(BatchIndex(7), Duration::from_millis(900)));
        // It was asked, and began to execute meanwhile.
        let why = || Some("busy".to_string());
        assert_eq!(who_answers(long(7, 900), why()), Answers::ByName(BatchIndex(7), Duration::from_millis(900)));
        assert_eq!(who_answers(None, why()), Answers::Nobody("busy".into()));
    }

    #[test]
    fn a_moment_is_no_word_worth() {
        let at = |ms| Mono::from_nanos(9).plus(Duration::from_millis(ms));
        let executing = Executing { index: BatchIndex(3), since: at(0) };
        assert_eq!(executing.long(at(499)), None);
        assert_eq!(executing.long(at(500)), Some((BatchIndex(3), MOMENT)));
    }

    #[test]
    fn states_are_told_in_words() {
        let exited = ProcessState::Exited(ExitStatus::Code(3));
        assert_eq!(state_in_words(exited.clone(), None), "ended: exit 3");
        let ended = Some((BatchIndex(4), "; started again as process 9".to_string()));
        assert_eq!(state_in_words(exited, ended), "ended in batch #4: exit 3; started again as process 9");
        let waits = ProcessState::Waiting { call: "poll_oneoff", until: LogicalTime::NEVER };
        assert_eq!(state_in_words(waits, None), "waits in poll_oneoff");
    }
}
