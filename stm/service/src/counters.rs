//! The transactions: increments that commute, sessions that count each one once.

use crate::limits::History;
use crate::sessions::{Found, Progress, Sessions, Turn};
use crate::state::State;
use replicode_stm::{BuildError, Builder, Outcome, Stats, Stm, Tx, TxCounter, TxResult};
use std::collections::BTreeMap;

/// An increment as it stands in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Increment {
    /// Which counter, 1 to [`crate::limits::HARD_MAX_KEY`] bytes.
    pub key: String,
    /// How much.
    pub by: i64,
    /// Whose.
    pub session: u64,
    /// Which of that session: 1, 2, 3, …
    pub sequence: u64,
}

/// One operation of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Logged.
    Increment(Increment),
    /// Opens a session. Logged.
    Open,
    /// Not logged: it changes nothing.
    Get(String),
}

impl Operation {
    /// Whether it can change the state.
    #[must_use]
    pub fn is_logged(&self) -> bool {
        !matches!(self, Operation::Get(_))
    }
}

/// What became of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Counted now.
    Applied,
    /// Counted before.
    Duplicate,
    /// Not counted: an earlier number of the session is missing. Changes nothing.
    Gap,
    /// Not counted, now or before: out of the range of `i64`. The number is used up.
    Overflow,
    /// Not counted, now or before: the service holds as many keys as it may. The number is used up.
    NoRoom,
    /// Not counted: no such session was ever opened.
    UnknownSession,
    /// Not counted now: the session is forgotten.
    ExpiredSession,
    /// Not counted now: what was decided about this old number is forgotten.
    Forgotten,
    /// The new session.
    Opened(u64),
    /// The value of a counter.
    Value(i64),
}

/// A job of a block: keys and sessions looked up.
enum Job {
    Increment { session: Progress, sequence: u64, counter: Option<TxCounter>, by: i64 },
    Get(TxCounter),
    Answered(Answer),
}

/// The engine did what no transaction here asks for. Going on would lose counts.
#[derive(Debug, PartialEq, Eq)]
pub struct Broken(String);

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the transaction engine failed: {}", self.0)
    }
}

impl std::error::Error for Broken {}

/// All counters and sessions: a function of the log, on any number of threads.
pub struct Counters {
    stm: Stm,
    limits: History,
    blocks: u64,
    by_key: BTreeMap<String, TxCounter>,
    sessions: Sessions,
}

/// So many cells are read by one transaction; one may not touch more than [`replicode_stm::MAX_ACCESSES`].
const PART: usize = 1 << 16;

fn run_one<R>(stm: &mut Stm, f: impl Fn(&mut Tx<'_>) -> TxResult<R>) -> Result<R, Broken> {
    match stm.run(f) {
        Ok(Outcome::Committed(r)) => Ok(r),
        Ok(Outcome::Reverted(why)) => Err(Broken(why.to_string())),
        Err(stopped) => Err(Broken(stopped.fatal.reason().to_string())),
    }
}

impl Counters {
    /// Empty, on an engine with these settings.
    ///
    /// # Errors
    /// Settings that no engine can have.
    pub fn new(builder: Builder, limits: History) -> Result<Self, BuildError> {
        Counters::restore(builder, State::empty(limits))
    }

    /// A state, on an engine with these settings.
    ///
    /// # Errors
    /// Settings that no engine can have.
    pub fn restore(builder: Builder, state: State) -> Result<Self, BuildError> {
        let mut stm = builder.build()?;
        let named = state.counters.into_iter().map(|(key, value)| {
            let counter = stm.counter(value);
            stm.name_counter(&counter, key.clone());
            (key, counter)
        });
        // All at once: inserted one by one in ascending order, they would fill half of each node.
        let by_key = named.collect();
        let sessions = Sessions::restore(&mut stm, state.next_session, state.limits.max_sessions, state.sessions);
        Ok(Counters { stm, limits: state.limits, blocks: state.blocks, by_key, sessions })
    }

    /// The counter of a key, made if there is room.
    fn counter(&mut self, key: &str) -> Option<TxCounter> {
        if let Some(counter) = self.by_key.get(key) {
            return Some(*counter);
        }
        if self.by_key.len() as u64 >= self.limits.max_keys {
            return None;
        }
        let counter = self.stm.counter(0);
        self.stm.name_counter(&counter, key);
        self.by_key.insert(key.to_string(), counter);
        Some(counter)
    }

    fn job(&mut self, op: &Operation) -> Job {
        match op {
            Operation::Get(key) => match self.by_key.get(key) {
                Some(counter) => Job::Get(*counter),
                None => Job::Answered(Answer::Value(0)),
            },
            Operation::Open => Job::Answered(Answer::Opened(self.sessions.open(&mut self.stm, self.blocks))),
            Operation::Increment(i) => match self.sessions.find(i.session, self.blocks) {
                Found::Unknown => Job::Answered(Answer::UnknownSession),
                Found::Expired => Job::Answered(Answer::ExpiredSession),
                Found::Known(session) => {
                    Job::Increment { session, sequence: i.sequence, counter: self.counter(&i.key), by: i.by }
                }
            },
        }
    }

    /// Runs a block; one answer per operation.
    ///
    /// # Errors
    /// The engine is broken: the process must end.
    pub fn run(&mut self, block: &[Operation]) -> Result<Vec<Answer>, Broken> {
        self.blocks += u64::from(block.iter().any(Operation::is_logged));
        // Keys and sessions are looked up one after the other, in log order: which exist depends on the log alone.
        let jobs: Vec<Job> = block.iter().map(|op| self.job(op)).collect();
        let outcomes = self.stm.execute(&jobs, |tx, job| -> TxResult<Answer> {
            Ok(match job {
                Job::Answered(answer) => *answer,
                Job::Get(counter) => Answer::Value(counter.get(tx)?),
                Job::Increment { session, sequence, counter, by } => match session.take(tx, *sequence)? {
                    Turn::Decide => match counter {
                        Some(counter) if counter.try_add(tx, *by, i64::MIN..=i64::MAX)? => Answer::Applied,
                        _ => {
                            session.refuse(tx, *sequence)?;
                            refusal(*counter)
                        }
                    },
                    Turn::Counted => Answer::Duplicate,
                    // Room for keys never comes back, so a key without room then has none now.
                    Turn::Refused => refusal(*counter),
                    Turn::Forgotten => Answer::Forgotten,
                    Turn::Gap => Answer::Gap,
                },
            })
        });
        let outcomes = outcomes.map_err(|s| Broken(format!("operation {}: {}", s.at, s.fatal.reason())))?;
        let leaving = self.sessions.take_leaving();
        if !leaving.is_empty() {
            run_one(&mut self.stm, |tx| Sessions::reset(tx, &leaving))?;
            self.sessions.give_back(leaving);
        }
        let answer = |o| match o {
            Outcome::Committed(answer) => Ok(answer),
            Outcome::Reverted(why) => Err(Broken(format!("an operation was {why}"))),
        };
        outcomes.into_iter().map(answer).collect()
    }

    /// The whole state.
    ///
    /// # Errors
    /// As [`Counters::run`].
    pub fn state(&mut self) -> Result<State, Broken> {
        let cells: Vec<TxCounter> = self.by_key.values().copied().collect();
        let mut values = Vec::with_capacity(cells.len());
        for part in cells.chunks(PART) {
            values.extend(run_one(&mut self.stm, |tx| part.iter().map(|c| c.get(tx)).collect::<TxResult<Vec<i64>>>())?);
        }
        let progresses = self.sessions.progresses();
        let mut read = Vec::with_capacity(progresses.len());
        for part in progresses.chunks(PART) {
            read.extend(run_one(&mut self.stm, |tx| Sessions::read(tx, part))?);
        }
        Ok(State {
            limits: self.limits,
            blocks: self.blocks,
            next_session: self.sessions.next(),
            sessions: self.sessions.state(read),
            counters: self.by_key.keys().cloned().zip(values).collect(),
        })
    }

    /// Logged blocks so far.
    #[must_use]
    pub fn blocks(&self) -> u64 {
        self.blocks
    }

    /// The engine's statistics.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.stm.stats()
    }
}

fn refusal(counter: Option<TxCounter>) -> Answer {
    if counter.is_some() { Answer::Overflow } else { Answer::NoRoom }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::limits::MAX_REFUSED;
    use Answer::{Applied, Duplicate, ExpiredSession, Forgotten, Gap, NoRoom, Opened, Overflow, UnknownSession, Value};
    use replicode_stm::Mode;

    fn inc(key: &str, by: i64, session: u64, sequence: u64) -> Operation {
        Operation::Increment(Increment { key: key.into(), by, session, sequence })
    }

    fn get(key: &str) -> Operation {
        Operation::Get(key.into())
    }

    fn counters(max_keys: u64, max_sessions: u64) -> Counters {
        Counters::new(Stm::builder().threads(2), History { max_keys, max_sessions }).unwrap()
    }

    #[test]
    fn each_increment_counts_once() {
        let mut c = counters(9, 9);
        assert_eq!(c.run(&[Operation::Open, Operation::Open]).unwrap(), [Opened(1), Opened(2)]);
        let block = [
            inc("a", 2, 1, 1),
            inc("a", 3, 2, 1),
            inc("a", 2, 1, 1),
            inc("b", 1, 1, 3),
            inc("b", 1, 1, 2),
            get("a"),
            get("none"),
        ];
        assert_eq!(c.run(&block).unwrap(), [Applied, Applied, Duplicate, Gap, Applied, Value(5), Value(0)]);
        assert_eq!(c.blocks(), 2);
        assert_eq!(c.run(&[get("a")]).unwrap(), [Value(5)]);
        assert_eq!(c.blocks(), 2, "a block of reads is not logged and leaves no trace");
    }

    #[test]
    fn an_overflow_is_decided_once_and_stays_decided() {
        let mut c = counters(9, 9);
        c.run(&[Operation::Open, inc("a", i64::MAX, 1, 1)]).unwrap();
        assert_eq!(c.run(&[inc("a", 1, 1, 2), inc("a", -5, 1, 3)]).unwrap(), [Overflow, Applied]);
        // It would fit now; but its number was decided, and the client may know.
        assert_eq!(c.run(&[inc("a", 1, 1, 2), get("a")]).unwrap(), [Overflow, Value(i64::MAX - 5)]);
        assert_eq!(c.run(&[inc("a", i64::MIN, 1, 4), inc("a", i64::MIN, 1, 5)]).unwrap(), [Applied, Overflow]);
    }

    #[test]
    fn only_the_newest_refusals_are_remembered() {
        let mut c = counters(9, 9);
        c.run(&[Operation::Open, inc("a", i64::MAX, 1, 1)]).unwrap();
        let n = MAX_REFUSED as u64;
        let refused: Vec<Operation> = (2..2 + n).map(|s| inc("a", 1, 1, s)).collect();
        assert!(c.run(&refused).unwrap().iter().all(|a| *a == Overflow));
        assert_eq!(c.run(&[inc("a", 1, 1, 2), inc("a", 1, 1, 1)]).unwrap(), [Overflow, Duplicate], "still known");
        assert_eq!(c.run(&[inc("a", 1, 1, 2 + n)]).unwrap(), [Overflow]);
        let old = [inc("a", 1, 1, 1), inc("a", 1, 1, 2), inc("a", 1, 1, 3)];
        assert_eq!(c.run(&old).unwrap(), [Forgotten, Forgotten, Overflow], "one too many");
        let mut again = Counters::restore(Stm::builder().sequential(), c.state().unwrap()).unwrap();
        assert_eq!(again.run(&old).unwrap(), [Forgotten, Forgotten, Overflow], "the memory is part of the state");
    }

    #[test]
    fn keys_are_bounded() {
        let mut c = counters(2, 9);
        c.run(&[Operation::Open]).unwrap();
        let block = [inc("a", 1, 1, 1), inc("b", 1, 1, 2), inc("c", 1, 1, 3), inc("a", 1, 1, 4), get("c")];
        assert_eq!(c.run(&block).unwrap(), [Applied, Applied, NoRoom, Applied, Value(0)]);
        assert_eq!(c.run(&[inc("c", 1, 1, 3), inc("b", 1, 1, 5)]).unwrap(), [NoRoom, Applied]);
        assert_eq!(c.state().unwrap().counters, [("a".to_string(), 2), ("b".to_string(), 2)]);
    }

    #[test]
    fn the_session_unused_longest_is_forgotten_and_never_counted_again() {
        let mut c = counters(9, 2);
        assert_eq!(c.run(&[inc("a", 1, 1, 1)]).unwrap(), [UnknownSession]);
        c.run(&[Operation::Open, Operation::Open]).unwrap();
        c.run(&[inc("a", 1, 2, 1)]).unwrap();
        c.run(&[inc("a", 1, 1, 1)]).unwrap();
        // Session 2 was named before session 1 was.
        let block = [Operation::Open, inc("a", 1, 2, 1), inc("a", 1, 2, 2), inc("a", 1, 1, 2), inc("a", 1, 4, 1)];
        assert_eq!(c.run(&block).unwrap(), [Opened(3), ExpiredSession, ExpiredSession, Applied, UnknownSession]);
        // A cell that is used again starts from nothing; two opened in one block push out both.
        assert_eq!(c.run(&[Operation::Open, inc("a", 1, 4, 1), inc("a", 1, 1, 3)]).unwrap()[..2], [Opened(4), Applied]);
        let block = [Operation::Open, Operation::Open, Operation::Open, inc("a", 1, 5, 1), inc("a", 1, 7, 1)];
        assert_eq!(c.run(&block).unwrap(), [Opened(5), Opened(6), Opened(7), ExpiredSession, Applied]);
        assert_eq!(c.run(&[inc("a", 1, 6, 1), inc("a", 1, 6, 1)]).unwrap(), [Applied, Duplicate]);
        assert_eq!(c.state().unwrap().sessions.len(), 2);
    }

    #[test]
    fn all_executors_and_every_restart_reach_the_same_root() {
        let limits = History { max_keys: 6, max_sessions: 4 };
        let mut blocks: Vec<Vec<Operation>> = vec![vec![Operation::Open; 4]];
        let mut next = BTreeMap::new();
        for b in 0..40u64 {
            let mut op = |i: u64| match (i * 7 + b) % 23 {
                0 if b % 5 == 0 => Operation::Open,
                1 => get("k1"),
                k => {
                    // Sessions come and go; now and then a number is repeated or left out.
                    let session = 1 + b / 5 + i % 5;
                    let sequence = next.entry(session).or_insert(0);
                    *sequence += [1, 1, 1, 1, 1, 1, 0, 1, 1, 1, 1][(i % 11) as usize];
                    let by = if k == 3 { i64::MAX } else { i as i64 - 20 };
                    inc(&format!("k{}", k % 8), by, session, *sequence + u64::from(i == 49))
                }
            };
            blocks.push((0..50).map(&mut op).collect());
        }
        let run = |b: Builder, restarts: bool| {
            let mut c = Counters::new(b.clone(), limits).unwrap();
            let mut answers = Vec::new();
            for block in &blocks {
                answers.extend(c.run(block).unwrap());
                if restarts {
                    let state = State::decode(&c.state().unwrap().encode()).unwrap();
                    c = Counters::restore(b.clone(), state).unwrap();
                }
            }
            (c.state().unwrap().root(), answers)
        };
        let want = run(Stm::builder().sequential(), false);
        for kind in [Applied, Duplicate, Gap, Overflow, NoRoom, ExpiredSession] {
            assert!(want.1.contains(&kind), "{kind:?} does not occur");
        }
        for threads in [1, 2, 4] {
            let spec = Stm::builder().threads(threads).mode(Mode::Speculative);
            assert!(run(spec.clone(), false) == want && run(spec.chaos(1), true) == want, "{threads} threads");
            assert!(run(Stm::builder().threads(threads), true) == want, "{threads} threads");
        }
    }
}
