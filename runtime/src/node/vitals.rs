//! What the machine thread leaves on the table for others to look at without disturbing it: how far it is, and what the
//! last batches held. So `status` answers even while a program computes for minutes.

use super::last_words::LastWords;
use crate::admin::{Again, Ending};
use replicode_log::{BatchIndex, BootNo, ConsoleStream, Digest, ExitStatus, LogicalTime, Mono, Output, Pid};
use replicode_node::queries;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The rate is that of the last so many seconds.
const WINDOW: Duration = Duration::from_secs(2);

/// A program that ends by itself so soon after its start has not come to its work.
const SOON_NS: u64 = 10_000_000_000;

/// Ended processes that are remembered.
const ENDINGS: usize = 64;

/// How far the machine thread is.
#[derive(Debug)]
pub struct Vitals(Mutex<State>);

/// See [`Vitals`].
#[derive(Clone, Debug)]
pub struct State {
    /// The last batch applied.
    pub applied: BatchIndex,
    /// Its time.
    pub time: LogicalTime,
    /// The state digest after it.
    pub digest: Digest,
    /// This node's boot, once granted.
    pub boot: BootNo,
    /// Batches applied since start.
    pub batches: u64,
    /// The processes that have ended, the last [`ENDINGS`] of them.
    pub ended: VecDeque<Ending>,
    /// What is wrong in the way the cell is used.
    pub hint: Option<String>,
    /// Connections in the cell's table.
    pub connections: u32,
    /// The processes that run.
    running: BTreeMap<Pid, Running>,
    executing: Option<queries::Executing>,
    window: (Mono, u64),
    rate: f64,
}

/// What is known of a process while it runs.
#[derive(Clone, Debug, Default)]
struct Running {
    name: String,
    since: LogicalTime,
    /// What was noted about it.
    noted: Option<String>,
    words: LastWords,
}

impl Running {
    /// Why it may have ended, in its own words; nothing when it was told to end, or had done its work.
    fn said(&self, status: ExitStatus, now: LogicalTime) -> Vec<String> {
        let tells = match status {
            ExitStatus::Killed => false,
            ExitStatus::Code(0) => now.since(self.since) < SOON_NS,
            _ => true,
        };
        if tells { self.words.lines() } else { Vec::new() }
    }
}

impl Vitals {
    /// Nothing applied yet.
    #[must_use]
    pub fn new(genesis: Digest, now: Mono) -> Self {
        Self(Mutex::new(State {
            applied: BatchIndex(0),
            time: LogicalTime::GENESIS,
            digest: genesis,
            boot: BootNo(0),
            batches: 0,
            ended: VecDeque::new(),
            hint: None,
            connections: 0,
            running: BTreeMap::new(),
            executing: None,
            window: (now, 0),
            rate: 0.0,
        }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Poison would come from a panic between plain assignments: there is none.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A batch is begun.
    pub fn begin(&self, index: BatchIndex, since: Mono) {
        self.lock().executing = Some(queries::Executing { index, since });
    }

    /// It is done; there are so many connections now.
    pub fn done(&self, time: LogicalTime, digest: Digest, connections: usize, now: Mono) {
        let mut state = self.lock();
        if let Some(executing) = state.executing.take() {
            state.applied = executing.index;
        }
        state.time = time;
        state.digest = digest;
        state.connections = u32::try_from(connections).unwrap_or(u32::MAX);
        state.batches += 1;
        let (since, before) = state.window;
        let elapsed = now.since(since);
        if elapsed >= WINDOW {
            state.rate = (state.batches - before) as f64 / elapsed.as_secs_f64();
            state.window = (now, state.batches);
        }
    }

    /// Something was noted about a process: if it ends in this batch, that is why.
    pub fn note(&self, pid: Pid, text: &str) {
        if let Some(process) = self.lock().running.get_mut(&pid) {
            process.noted = Some(text.to_string());
        }
    }

    /// Looks at an output for what tells of processes.
    pub fn follow(&self, index: BatchIndex, output: &Output) {
        match output {
            Output::Started { pid, name } => {
                let mut state = self.lock();
                let process = Running { name: name.clone(), since: state.time, ..Running::default() };
                state.running.insert(*pid, process);
            }
            Output::Console { pid, stream: ConsoleStream::Stderr, bytes } => {
                if let Some(process) = self.lock().running.get_mut(pid) {
                    process.words.push(bytes);
                }
            }
            Output::Exited { pid, status } => {
                let mut state = self.lock();
                let process = state.running.remove(pid).unwrap_or_default();
                let said = process.said(*status, state.time);
                if state.ended.len() == ENDINGS {
                    state.ended.pop_front();
                }
                let ending = Ending::new(*pid, process.name, index, *status, process.noted);
                state.ended.push_back(Ending { said, ..ending });
            }
            // Follows on the end of that process, or on a start that there was no room for.
            Output::Restarting { pid, at, failures } => {
                let mut state = self.lock();
                let again = Again::planned(state.time, *at, *failures);
                state.successor(*pid, |place| *place = Some(again));
            }
            Output::Restarted { pid, by } => self.lock().successor(*pid, |place| {
                place.get_or_insert_default().pid = Some(by.0);
            }),
            Output::NotRestarting { pid } => self.lock().successor(*pid, |place| *place = None),
            _ => {}
        }
    }

    /// Something is wrong in the way the cell is used, or nothing any more.
    pub fn hint(&self, hint: Option<String>) {
        self.lock().hint = hint;
    }

    /// The processes that ran when the last batch was done.
    #[must_use]
    pub fn running(&self) -> Vec<(Pid, String)> {
        self.lock().running.iter().map(|(pid, process)| (*pid, process.name.clone())).collect()
    }

    /// How a process has ended, if it is remembered.
    #[must_use]
    pub fn ending_of(&self, pid: Pid) -> Option<Ending> {
        self.lock().ended.iter().rev().find(|ending| ending.pid == pid.0).cloned()
    }

    /// The processes that have ended, as far as they are remembered.
    #[must_use]
    pub fn ended(&self) -> Vec<Ending> {
        self.lock().ended.iter().cloned().collect()
    }

    /// The node's boot was granted, or is over (0).
    pub fn boot(&self, boot: BootNo) {
        self.lock().boot = boot;
    }

    /// This moment: the state, batches per second, and the batch that takes long.
    #[must_use]
    pub fn look(&self, now: Mono) -> (State, f64, Option<(BatchIndex, Duration)>) {
        let state = self.lock().clone();
        let (since, before) = state.window;
        let elapsed = now.since(since);
        // Without batches nobody closes the window, and the first one is still open: then what is in it is the
        // newest figure.
        let rate = if elapsed >= WINDOW || before == 0 {
            (state.batches - before) as f64 / elapsed.as_secs_f64()
        } else {
            state.rate
        };
        let executing = state.executing.and_then(|executing| executing.long(now));
        (state, rate, executing)
    }
}

impl State {
    /// Changes what is known of the successor of a process that has ended.
    fn successor(&mut self, pid: Pid, change: impl FnOnce(&mut Option<Again>)) {
        if let Some(ending) = self.ended.iter_mut().rev().find(|ending| ending.pid == pid.0) {
            change(&mut ending.again);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn how_processes_ended_is_remembered() {
        let vitals = Vitals::new(Digest::ZERO, Mono::from_nanos(9));
        let started = |pid: u32| Output::Started { pid: Pid(pid), name: format!("p{pid}") };
        let exited = |pid, status| Output::Exited { pid: Pid(pid), status };
        for pid in 1..=3 {
            vitals.follow(BatchIndex(1), &started(pid));
        }
        vitals.follow(BatchIndex(4), &exited(2, ExitStatus::Code(3)));
        vitals.note(
            Pid(1),
            "error while executing\n  0: main\n\nCaused by:\n    0: at 0xff\n    1: wasm trap: unreachable\n",
        );
        vitals.follow(BatchIndex(5), &exited(1, ExitStatus::Trap(replicode_log::TrapKind::Unreachable)));
        let told: Vec<_> = vitals.ended().iter().map(Ending::sentence).collect();
        assert_eq!(
            told,
            [
                "process 2 'p2' ended in batch #4: exit 3",
                "process 1 'p1' ended in batch #5: trap: Unreachable (wasm trap: unreachable)"
            ]
        );
        assert_eq!(vitals.ended().iter().map(|ending| ending.code).collect::<Vec<_>>(), [Some(3), None]);
        let ended = |vitals: &Vitals| vitals.ended().last().map(Ending::then);
        let at = LogicalTime::from_nanos(3_200_000_000);
        vitals.follow(BatchIndex(5), &Output::Restarting { pid: Pid(1), at, failures: 6 });
        assert_eq!(ended(&vitals).as_deref(), Some("; starts again after 3.2 s (short run number 6 in a row)"));
        vitals.follow(BatchIndex(6), &Output::Restarted { pid: Pid(1), by: Pid(4) });
        assert_eq!(ended(&vitals).as_deref(), Some("; started again as process 4"));
        vitals.follow(BatchIndex(6), &Output::NotRestarting { pid: Pid(1) });
        assert_eq!(ended(&vitals).as_deref(), Some(""));
        for pid in 10..100 {
            vitals.follow(BatchIndex(6), &started(pid));
            vitals.follow(BatchIndex(6), &exited(pid, ExitStatus::Killed));
        }
        assert_eq!((vitals.ended().len(), vitals.ended().last().map(|ending| ending.pid)), (ENDINGS, Some(99)));
    }

    #[test]
    fn a_long_batch_is_shown_and_the_rate_decays() {
        let start = Mono::from_nanos(9);
        let vitals = Vitals::new(Digest::ZERO, start);
        let after = |secs: u64| start.plus(Duration::from_secs(secs));
        for index in 1..=10 {
            vitals.begin(BatchIndex(index), start);
            vitals.done(LogicalTime::GENESIS, Digest::ZERO, 0, start);
        }
        vitals.begin(BatchIndex(11), after(5));
        vitals.done(LogicalTime::GENESIS, Digest::ZERO, 3, after(5));
        let (state, rate, executing) = vitals.look(after(5));
        assert_eq!((state.applied, state.connections, executing), (BatchIndex(11), 3, None));
        assert!(rate > 2.0 && rate < 2.5, "{rate}");
        vitals.begin(BatchIndex(12), after(6));
        let (_, rate, executing) = vitals.look(after(9));
        assert!(rate < 0.01, "{rate}");
        assert_eq!(executing, Some((BatchIndex(12), Duration::from_secs(3))));
    }
}
