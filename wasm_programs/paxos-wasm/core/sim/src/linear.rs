//! Whether a history is linearizable, in linear time (but for sorting): the answers say in which order everything took effect.
//!
//! Each answer carries the place of its command in the one order of all commands. A history is linearizable if that order explains every
//! answer, key by key, and contradicts no clock: what ended before something else began comes before it. The order is a witness that is
//! checked, not trusted; a wrong one fails.

use crate::clients::{Answer, Asked, Operation};
use std::collections::BTreeMap;

/// The reason why a history is not linearizable, if it is not. Operations without an answer may have taken effect at any time or never;
/// `tail` tells what the log says of them: index and operation of those that did.
pub fn check(history: &[Operation], unanswered: &[(u64, Operation)]) -> Result<(), String> {
    let mut order: Vec<(u64, &Operation)> = Vec::with_capacity(history.len());
    for operation in history {
        if let Some((_, index, _)) = &operation.answer {
            order.push((*index, operation));
        }
    }
    order.extend(unanswered.iter().map(|(index, operation)| (*index, operation)));
    order.sort_by_key(|(index, _)| *index);
    if let Some(pair) = order.windows(2).find(|p| p[0].0 == p[1].0) {
        return Err(format!("two operations have place {}: {:?} and {:?}", pair[0].0, pair[0].1, pair[1].1));
    }
    real_time(&order)?;
    per_key(&order)
}

/// From the last to the first: nothing may begin after something that comes later in the order has ended.
fn real_time(order: &[(u64, &Operation)]) -> Result<(), String> {
    let mut earliest_end: Option<(u64, &Operation)> = None;
    for (_, operation) in order.iter().rev() {
        if let Some((end, later)) = earliest_end
            && end < operation.begin
        {
            return Err(format!("{later:?} had ended before {operation:?} began, and comes after it in the order"));
        }
        if let Some(end) = operation.end
            && earliest_end.is_none_or(|(e, _)| end < e)
        {
            earliest_end = Some((end, operation));
        }
    }
    Ok(())
}

/// Replays the order, one register per key.
fn per_key(order: &[(u64, &Operation)]) -> Result<(), String> {
    let mut keys: BTreeMap<u8, (u64, u64)> = BTreeMap::new();
    for (index, operation) in order {
        let expected = apply(&mut keys, *index, &operation.asked);
        if let Some((answer, _, version)) = &operation.answer
            && (answer, version) != (&expected.0, &expected.1)
        {
            return Err(format!("{operation:?} should have been answered {expected:?}"));
        }
    }
    Ok(())
}

/// One operation on a naive store of value and version per key; the answer and the version that goes with it.
pub fn apply(keys: &mut BTreeMap<u8, (u64, u64)>, index: u64, asked: &Asked) -> (Answer, u64) {
    match asked {
        Asked::Open => (Answer::Done, 0),
        Asked::Get(key) => {
            let found = keys.get(key);
            (Answer::Value(found.map(|f| f.0)), found.map_or(0, |f| f.1))
        }
        Asked::Put(key, value) => (Answer::Done, keys.insert(*key, (*value, index)).map_or(0, |f| f.1)),
        Asked::Delete(key) => match keys.remove(key) {
            Some((_, version)) => (Answer::Done, version),
            None => (Answer::Value(None), 0),
        },
        Asked::Cas(key, expected, value) => {
            let found = keys.get(key).copied();
            if found.map(|f| f.0) == *expected {
                keys.insert(*key, (*value, index));
                (Answer::Done, found.map_or(0, |f| f.1))
            } else {
                (Answer::Value(found.map(|f| f.0)), found.map_or(0, |f| f.1))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn op(begin: u64, end: u64, asked: Asked, answer: Answer, index: u64, version: u64) -> Operation {
        Operation {
            client: 0,
            id: Default::default(),
            seq: 1,
            asked,
            begin,
            end: Some(end),
            answer: Some((answer, index, version)),
        }
    }

    #[test]
    fn an_order_that_explains_everything_is_taken() {
        let history = [
            op(0, 9, Asked::Put(1, 5), Answer::Done, 1, 0),
            op(1, 5, Asked::Get(1), Answer::Value(Some(5)), 2, 1),
            op(6, 8, Asked::Cas(1, Some(5), 6), Answer::Done, 3, 1),
            op(9, 10, Asked::Get(1), Answer::Value(Some(6)), 4, 3),
        ];
        assert_eq!(check(&history, &[]), Ok(()));
    }

    #[test]
    fn a_stale_read_a_lost_write_and_a_doubled_one_are_found() {
        let stale =
            [op(0, 1, Asked::Put(1, 5), Answer::Done, 2, 0), op(2, 3, Asked::Get(1), Answer::Value(None), 1, 0)];
        assert!(check(&stale, &[]).is_err_and(|e| e.contains("had ended before")));
        let lost = [op(0, 1, Asked::Put(1, 5), Answer::Done, 1, 0), op(2, 3, Asked::Get(1), Answer::Value(None), 2, 0)];
        assert!(check(&lost, &[]).is_err_and(|e| e.contains("should have been answered")));
        let doubled =
            [op(0, 1, Asked::Put(1, 5), Answer::Done, 1, 0), op(2, 3, Asked::Get(1), Answer::Value(Some(5)), 3, 2)];
        assert!(check(&doubled, &[]).is_err_and(|e| e.contains("should have been answered")));
    }
}
