//! What the machine thread leaves on the table for others to look at without disturbing it: how far it is, and what the
//! last batches held. So `status` answers even while a program computes for minutes.

use super::last_words::LastWords;
use crate::admin::{Again, BatchRow, Ending, Executing};
use replicode_log::{
    Batch, BatchIndex, BootNo, Call, ConsoleStream, Digest, ExitStatus, Input, LogicalTime, Order, Output, Pid,
};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The rate is that of the last so many seconds.
const WINDOW: Duration = Duration::from_secs(2);
/// A batch that takes longer than this is shown as being executed.
const MOMENT: Duration = Duration::from_millis(500);

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
    /// The processes that run.
    running: BTreeMap<Pid, Running>,
    executing: Option<(BatchIndex, Instant)>,
    window: (Instant, u64),
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
    pub fn new(genesis: Digest) -> Self {
        Self(Mutex::new(State {
            applied: BatchIndex(0),
            time: LogicalTime::GENESIS,
            digest: genesis,
            boot: BootNo(0),
            batches: 0,
            ended: VecDeque::new(),
            hint: None,
            running: BTreeMap::new(),
            executing: None,
            window: (Instant::now(), 0),
            rate: 0.0,
        }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Poison would come from a panic between plain assignments: there is none.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A batch is begun.
    pub fn begin(&self, index: BatchIndex, now: Instant) {
        self.lock().executing = Some((index, now));
    }

    /// It is done.
    pub fn done(&self, time: LogicalTime, digest: Digest, now: Instant) {
        let mut state = self.lock();
        if let Some((index, _)) = state.executing.take() {
            state.applied = index;
        }
        state.time = time;
        state.digest = digest;
        state.batches += 1;
        let (since, before) = state.window;
        let elapsed = now.duration_since(since);
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

    /// Something is wrong in the way the cell is used. Answers whether that is news.
    pub fn hint(&self, hint: String) -> bool {
        let mut state = self.lock();
        let news = state.hint.as_ref() != Some(&hint);
        state.hint = Some(hint);
        news
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
    pub fn look(&self, now: Instant) -> (State, f64, Option<Executing>) {
        let state = self.lock().clone();
        let (since, before) = state.window;
        let elapsed = now.duration_since(since);
        // Without batches nobody closes the window, and the first one is still open: then what is in it is the
        // newest figure.
        let rate = if elapsed >= WINDOW || before == 0 {
            (state.batches - before) as f64 / elapsed.as_secs_f64()
        } else {
            state.rate
        };
        let long = state.executing.filter(|(_, since)| now.duration_since(*since) >= MOMENT);
        let executing =
            long.map(|(index, since)| Executing { batch: index.0, ms: now.duration_since(since).as_millis() as u64 });
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

/// The last batches, in little room; the machine thread's own.
#[derive(Debug, Default)]
pub struct Recent {
    rows: VecDeque<Summary>,
}

/// Batches that are remembered.
const REMEMBERED: usize = 4096;
const KINDS: usize = 13;

#[derive(Clone, Copy, Debug)]
struct Summary {
    index: BatchIndex,
    time: LogicalTime,
    bytes: u64,
    content: Digest,
    digest: Digest,
    kinds: [u32; KINDS],
    /// Bit n stands for node n.
    origins: [u64; 4],
}

/// Position and name of an input's kind.
const fn kind(input: &Input) -> usize {
    match input {
        Input::Boot { .. } => 0,
        Input::NodeDown { .. } => 1,
        Input::Spawn(_) => 2,
        Input::Kill { .. } | Input::Order { order: Order::Kill { .. }, .. } => 3,
        Input::Open { .. } => 4,
        Input::Data { .. } => 5,
        Input::HalfClose { .. } => 6,
        Input::Reset { .. } => 7,
        Input::Acked { .. } => 8,
        Input::Report { .. } => 9,
        Input::Order { order: Order::Start { .. }, .. } => 10,
        Input::Call(Call::Submit { .. }) => 11,
        Input::Call(Call::Open { .. }) => 12,
    }
}

const NAMES: [&str; KINDS] = [
    "boot",
    "node-down",
    "spawn",
    "kill",
    "open",
    "data",
    "half-close",
    "reset",
    "acked",
    "report",
    "start",
    "call",
    "client",
];

impl Recent {
    /// Takes a batch down before it is applied; [`Recent::result`] completes the entry.
    pub fn push(&mut self, batch: &Batch, bytes: usize, content: Digest) {
        let mut kinds = [0; KINDS];
        let mut origins = [0; 4];
        for section in &batch.sections {
            let node = section.origin.get() as usize;
            origins[node / 64] |= 1 << (node % 64);
            for input in &section.inputs {
                kinds[kind(input)] += 1;
            }
        }
        if self.rows.len() == REMEMBERED {
            self.rows.pop_front();
        }
        let (index, time) = (batch.header.index, batch.header.time);
        self.rows.push_back(Summary { index, time, bytes: bytes as u64, content, digest: content, kinds, origins });
    }

    /// The digest that the last batch amounted to.
    pub fn result(&mut self, digest: Digest) {
        if let Some(last) = self.rows.back_mut() {
            last.digest = digest;
        }
    }

    /// Rows from an index on, or the last ones. `Err`: the oldest index that is remembered.
    ///
    /// # Errors
    /// When `from` is too long ago.
    pub fn rows(&self, from: Option<u64>, limit: u64) -> Result<Vec<BatchRow>, u64> {
        let Some(first) = self.rows.front().map(|row| row.index.0) else { return Ok(Vec::new()) };
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let skip = match from {
            Some(from) if from < first && first > 1 => return Err(first),
            Some(from) => usize::try_from(from.saturating_sub(first)).unwrap_or(usize::MAX),
            None => self.rows.len().saturating_sub(limit),
        };
        Ok(self.rows.iter().skip(skip).take(limit).map(Summary::row).collect())
    }
}

impl Summary {
    fn row(&self) -> BatchRow {
        let counted = NAMES.iter().zip(self.kinds).filter(|(_, count)| *count > 0);
        BatchRow {
            index: self.index.0,
            time_ns: self.time.nanos(),
            inputs: counted.map(|(name, count)| ((*name).to_string(), count.into())).collect(),
            origins: (1..256).filter(|n| self.origins[n / 64] >> (n % 64) & 1 == 1).map(|n| n as u64).collect(),
            bytes: self.bytes,
            content: self.content.to_string(),
            digest: Some(self.digest.to_string()),
        }
    }
}

/// Why a batch took long: a program that computes, or many system calls.
#[must_use]
pub fn took_long(index: BatchIndex, took: Duration, calls: u64) -> String {
    // No call takes nearly as long; so most of this time is the program's own.
    const OF_ITS_OWN: Duration = Duration::from_millis(10);
    let seconds = took.as_secs_f64();
    let each = u32::try_from(calls).ok().and_then(|calls| took.checked_div(calls));
    match each {
        None if calls == 0 => format!("batch {index} took {seconds:.1} s: a program computes without system calls"),
        Some(each) if each >= OF_ITS_OWN => {
            format!("batch {index} took {seconds:.1} s: a program computes, nearly without system calls ({calls})")
        }
        _ => format!("batch {index} took {seconds:.1} s: its programs made {calls} system calls"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use replicode_log::{BatchBuilder, BatchHeader, ConnId, ExitStatus, NodeId};

    fn batch(index: u64) -> Batch {
        let mut builder = BatchBuilder::new(10, 1000);
        for n in [200, 3] {
            let node = NodeId::new(n).expect("valid");
            builder.push(node, BootNo(1), 1, Input::Reset { conn: ConnId::console(Pid(1)) });
        }
        builder.push(NodeId::new(3).expect("valid"), BootNo(1), 9, Input::Boot { nonce: 1 });
        let time = LogicalTime::from_nanos(index);
        builder.finish(BatchHeader { index: BatchIndex(index), time, seed: 0, parent: Digest::ZERO })
    }

    #[test]
    fn a_summary_says_what_the_batch_says() {
        let mut recent = Recent::default();
        recent.push(&batch(1), 99, Digest::ZERO);
        recent.result(Digest::of(b"x"));
        let mut expected = BatchRow::of(&batch(1), 99, Digest::ZERO);
        expected.digest = Some(Digest::of(b"x").to_string());
        assert_eq!(recent.rows(None, 5), Ok(vec![expected]));
    }

    #[test]
    fn names_are_those_of_the_log() {
        let inputs = batch(1).sections.into_iter().flat_map(|section| section.inputs);
        assert!(inputs.into_iter().all(|input| NAMES[kind(&input)] == input.name()));
    }

    #[test]
    fn the_last_ones_are_remembered() {
        let mut recent = Recent::default();
        for index in 1..=REMEMBERED as u64 + 5 {
            recent.push(&batch(index), 1, Digest::ZERO);
        }
        let indexes =
            |from, limit| recent.rows(from, limit).map(|rows| rows.iter().map(|r| r.index).collect::<Vec<_>>());
        let last = REMEMBERED as u64 + 5;
        assert_eq!(indexes(None, 2), Ok(vec![last - 1, last]));
        assert_eq!(indexes(Some(6), 2), Ok(vec![6, 7]));
        assert_eq!(indexes(Some(last + 1), 2), Ok(vec![]));
        assert_eq!(indexes(Some(5), 2), Err(6));
    }

    #[test]
    fn how_processes_ended_is_remembered() {
        let vitals = Vitals::new(Digest::ZERO);
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
    fn a_hint_is_news_once() {
        let vitals = Vitals::new(Digest::ZERO);
        assert!(vitals.hint("a".into()) && !vitals.hint("a".into()) && vitals.hint("b".into()));
    }

    #[test]
    fn a_long_batch_is_shown_and_the_rate_decays() {
        let vitals = Vitals::new(Digest::ZERO);
        let start = Instant::now();
        let after = |secs: u64| start + Duration::from_secs(secs);
        for index in 1..=10 {
            vitals.begin(BatchIndex(index), start);
            vitals.done(LogicalTime::GENESIS, Digest::ZERO, start);
        }
        vitals.begin(BatchIndex(11), after(5));
        vitals.done(LogicalTime::GENESIS, Digest::ZERO, after(5));
        let (state, rate, executing) = vitals.look(after(5));
        assert_eq!((state.applied, executing), (BatchIndex(11), None));
        assert!(rate > 2.0 && rate < 2.5, "{rate}");
        vitals.begin(BatchIndex(12), after(6));
        let (_, rate, executing) = vitals.look(after(9));
        assert!(rate < 0.01, "{rate}");
        assert_eq!(executing, Some(Executing { batch: 12, ms: 3000 }));
    }

    #[test]
    fn many_calls_are_told_from_computing() {
        let says = |calls| took_long(BatchIndex(7), Duration::from_millis(2300), calls);
        assert_eq!(says(0), "batch #7 took 2.3 s: a program computes without system calls");
        assert_eq!(says(9), "batch #7 took 2.3 s: a program computes, nearly without system calls (9)");
        assert_eq!(says(1 << 20), "batch #7 took 2.3 s: its programs made 1048576 system calls");
        assert_eq!(says(1 << 40), "batch #7 took 2.3 s: its programs made 1099511627776 system calls");
    }
}
