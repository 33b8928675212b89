//! The transactions: increments that commute, sessions that count each one once.

use replicode_stm::{BuildError, Builder, Outcome, Stats, Stm, TxCounter, TxMap, TxResult};
use std::collections::BTreeMap;

/// Longest key, in bytes.
pub const MAX_KEY: usize = 256;
/// Most keys of one service: bounds what clients can make the server hold.
pub const MAX_KEYS: usize = 1 << 20;

/// An increment as it stands in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Increment {
    /// Which counter, 1 to [`MAX_KEY`] bytes.
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
    /// Not logged: it changes nothing.
    Get(String),
}

/// What became of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Counted now.
    Applied,
    /// Counted before.
    Duplicate,
    /// Not counted: an earlier number of the session is missing.
    Gap,
    /// Not counted: out of the range of `i64`. The number is used up.
    Overflow,
    /// The value of a counter.
    Value(i64),
    /// The service holds as many keys as it may; not counted, the number is not used up.
    NoRoom,
}

/// A job of a block: keys resolved to counters.
enum Job {
    Increment { counter: TxCounter, by: i64, session: u64, sequence: u64 },
    Get(Option<TxCounter>),
    NoRoom,
}

/// All counters and sessions.
pub struct Counters {
    stm: Stm,
    by_key: BTreeMap<String, TxCounter>,
    sessions: TxMap<u64, u64>,
}

impl Counters {
    /// Empty, on an engine with these settings.
    ///
    /// # Errors
    /// Settings that no engine can have.
    pub fn new(builder: Builder) -> Result<Self, BuildError> {
        let mut stm = builder.build()?;
        let sessions = stm.map();
        stm.name_map(&sessions, "sessions");
        Ok(Counters { stm, by_key: BTreeMap::new(), sessions })
    }

    fn job(&mut self, op: &Operation) -> Job {
        match op {
            Operation::Get(key) => Job::Get(self.by_key.get(key).copied()),
            Operation::Increment(i) => {
                let counter = match self.by_key.get(&i.key) {
                    Some(c) => *c,
                    None if self.by_key.len() >= MAX_KEYS => return Job::NoRoom,
                    None => {
                        let c = self.stm.counter(0);
                        self.stm.name_counter(&c, i.key.clone());
                        self.by_key.insert(i.key.clone(), c);
                        c
                    }
                };
                Job::Increment { counter, by: i.by, session: i.session, sequence: i.sequence }
            }
        }
    }

    /// Runs a block; one answer per operation.
    pub fn run(&mut self, block: &[Operation]) -> Vec<Answer> {
        // Keys are resolved one after the other, in log order: which counter a key gets depends on the log alone.
        let jobs: Vec<Job> = block.iter().map(|op| self.job(op)).collect();
        let sessions = self.sessions;
        let outcomes = self.stm.execute(&jobs, |tx, job| -> TxResult<Answer> {
            match job {
                Job::NoRoom => Ok(Answer::NoRoom),
                Job::Get(None) => Ok(Answer::Value(0)),
                Job::Get(Some(counter)) => Ok(Answer::Value(counter.get(tx)?)),
                Job::Increment { counter, by, session, sequence } => {
                    let last = sessions.get(tx, session)?.unwrap_or(0);
                    if *sequence <= last {
                        return Ok(Answer::Duplicate);
                    }
                    if *sequence != last + 1 {
                        return Ok(Answer::Gap);
                    }
                    sessions.insert(tx, *session, *sequence)?;
                    let fits = counter.try_add(tx, *by, i64::MIN..=i64::MAX)?;
                    Ok(if fits { Answer::Applied } else { Answer::Overflow })
                }
            }
        });
        let outcomes = match outcomes {
            Ok(all) => all,
            // No transaction here stops the stream; if the engine does, going on would lose counts.
            Err(stopped) => panic!("the engine stopped at operation {}: {}", stopped.at, stopped.fatal.reason()),
        };
        outcomes
            .into_iter()
            .map(|o| match o {
                Outcome::Committed(answer) => answer,
                Outcome::Reverted(why) => panic!("an operation reverted, which none does by itself: {why}"),
            })
            .collect()
    }

    /// A digest of all keys, values and sessions in order.
    pub fn root(&mut self) -> [u8; 32] {
        let mut hash = blake3::Hasher::new();
        let (sessions, counters) = (self.sessions, &self.by_key);
        let state = self.stm.run(|tx| {
            let values: TxResult<Vec<i64>> = counters.values().map(|c| c.get(tx)).collect();
            Ok((values?, sessions.range(tx, ..)?))
        });
        if let Ok(Outcome::Committed((values, sessions))) = state {
            for (key, value) in self.by_key.keys().zip(values) {
                hash.update(&(key.len() as u64).to_le_bytes());
                hash.update(key.as_bytes());
                hash.update(&value.to_le_bytes());
            }
            hash.update(b"sessions");
            for (session, last) in sessions {
                hash.update(&session.to_le_bytes());
                hash.update(&last.to_le_bytes());
            }
        }
        *hash.finalize().as_bytes()
    }

    /// Sum per key, for checkers.
    pub fn values(&mut self) -> BTreeMap<String, i64> {
        let counters = &self.by_key;
        let values = self.stm.run(|tx| counters.values().map(|c| c.get(tx)).collect::<TxResult<Vec<i64>>>());
        match values {
            Ok(Outcome::Committed(values)) => self.by_key.keys().cloned().zip(values).collect(),
            _ => BTreeMap::new(),
        }
    }

    /// The engine's statistics.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.stm.stats()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn inc(key: &str, by: i64, session: u64, sequence: u64) -> Operation {
        Operation::Increment(Increment { key: key.into(), by, session, sequence })
    }

    #[test]
    fn each_increment_counts_once() {
        let mut c = Counters::new(Stm::builder().threads(2)).unwrap();
        let block = [
            inc("a", 2, 1, 1),
            inc("a", 3, 2, 1),
            inc("a", 2, 1, 1),
            inc("b", 1, 1, 3),
            inc("b", 1, 1, 2),
            Operation::Get("a".into()),
            Operation::Get("none".into()),
        ];
        use Answer::{Applied, Duplicate, Gap, Value};
        assert_eq!(c.run(&block), [Applied, Applied, Duplicate, Gap, Applied, Value(5), Value(0)]);
        assert_eq!(c.run(&[inc("a", i64::MAX, 1, 3), inc("a", 1, 1, 4)]), [Answer::Overflow, Applied]);
        assert_eq!(c.run(&[Operation::Get("a".into())]), [Value(6)]);
    }

    #[test]
    fn all_executors_reach_the_same_root() {
        let block: Vec<Operation> =
            (0..3_000u64).map(|i| inc(&format!("k{}", i % 7), i as i64, i % 5, i / 5 + 1)).collect();
        let run = |b: Builder| {
            let mut c = Counters::new(b).unwrap();
            for chunk in block.chunks(700) {
                assert!(c.run(chunk).iter().all(|a| *a == Answer::Applied));
            }
            c.root()
        };
        let want = run(Stm::builder().sequential());
        for threads in [1, 2, 4] {
            let spec = Stm::builder().threads(threads).mode(replicode_stm::Mode::Speculative);
            assert_eq!(run(spec), want);
            assert_eq!(run(Stm::builder().threads(threads)), want);
        }
    }
}
