//! Histories of simulated runs before another judge: `stateright`'s tester, which searches for an order instead of being told one.

use paxos_sim::clients::{Answer, Asked, Operation};
use paxos_sim::{linear, world};
use stateright::semantics::{ConsistencyTester, LinearizabilityTester, SequentialSpec};
use std::collections::BTreeSet;

/// One key: its value, if it has one. (A history is linearizable if it is so key by key, and the search is short then.)
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Register(Option<u64>);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Got {
    Done,
    Value(Option<u64>),
}

impl SequentialSpec for Register {
    type Op = Asked;
    type Ret = Got;

    fn invoke(&mut self, op: &Asked) -> Got {
        match op {
            Asked::Open => Got::Done,
            Asked::Get(_) => Got::Value(self.0),
            Asked::Put(_, value) => {
                self.0 = Some(*value);
                Got::Done
            }
            Asked::Delete(_) => match self.0.take() {
                Some(_) => Got::Done,
                None => Got::Value(None),
            },
            Asked::Cas(_, expected, value) => {
                let found = self.0;
                if found == *expected {
                    self.0 = Some(*value);
                    Got::Done
                } else {
                    Got::Value(found)
                }
            }
        }
    }
}

fn key_of(operation: &Operation) -> Option<u8> {
    match operation.asked {
        Asked::Open => None,
        Asked::Get(key) | Asked::Put(key, _) | Asked::Delete(key) | Asked::Cas(key, ..) => Some(key),
    }
}

/// What the tester says of a history.
fn judge(history: &[Operation]) -> bool {
    let keys: BTreeSet<u8> = history.iter().filter_map(key_of).collect();
    keys.into_iter().all(|key| {
        let of_key: Vec<&Operation> = history.iter().filter(|o| key_of(o) == Some(key)).collect();
        judge_key(&of_key)
    })
}

fn judge_key(history: &[&Operation]) -> bool {
    // In the order of time; at one time answers come before questions, as a client asks when it has been answered.
    let mut events: Vec<(u64, bool, &Operation)> = Vec::new();
    for operation in history {
        events.push((operation.begin, true, operation));
        if let Some(end) = operation.end {
            events.push((end, false, operation));
        }
    }
    events.sort_by_key(|(at, question, _)| (*at, *question));
    let mut tester = LinearizabilityTester::new(Register::default());
    for (_, question, operation) in events {
        let result = if question {
            tester.on_invoke(operation.id, operation.asked.clone()).map(|_| ())
        } else {
            let got = match &operation.answer {
                Some((Answer::Value(value), ..)) => Got::Value(*value),
                _ => Got::Done,
            };
            tester.on_return(operation.id, got).map(|_| ())
        };
        if let Err(e) = result {
            panic!("the history cannot be told: {e}");
        }
    }
    tester.is_consistent()
}

#[test]
fn histories_of_up_to_100_operations_are_linearizable() {
    let (mut histories, mut operations) = (0, 0);
    for seed in 10_000.. {
        let report = world::run(seed, None).unwrap_or_else(|e| panic!("{e}"));
        if report.history.len() > 100 {
            continue;
        }
        assert!(judge(&report.history), "seed {seed}");
        histories += 1;
        operations += report.history.len();
        if histories == 100 {
            break;
        }
    }
    println!("{histories} histories of {operations} operations are linearizable");
}

/// Both judges say the same of histories that were made wrong: an answer is exchanged for another one.
#[test]
fn a_wrong_answer_is_found_by_both_judges() {
    let mut wrong = 0;
    for seed in 20_000..20_060 {
        let report = world::run(seed, None).unwrap_or_else(|e| panic!("{e}"));
        if report.history.len() > 40 {
            continue;
        }
        let mut history = report.history.clone();
        // The last read that found something found nothing instead.
        let read = history
            .iter_mut()
            .rev()
            .find(|o| matches!(o.asked, Asked::Get(_)) && matches!(o.answer, Some((Answer::Value(Some(_)), ..))));
        let Some(answer) = read.and_then(|o| o.answer.as_mut()) else { continue };
        answer.0 = Answer::Value(None);
        assert!(linear::check(&history, &report.unanswered).is_err(), "seed {seed}: the linear check takes it");
        // Without the order it may still be explained (a delete at the same time); mostly it cannot.
        wrong += u32::from(!judge(&history));
    }
    assert!(wrong >= 5, "{wrong}");
}
