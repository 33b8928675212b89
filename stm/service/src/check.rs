//! Is what the clients saw explained by some order of the operations? (Herlihy and Wing's linearizability, for
//! counters.)
//!
//! For increments by one the question has an exact and fast answer. Reads are ordered by their values. Between two
//! neighbouring reads lies a slot for as many increments as the values differ by. Real time confines each increment to
//! a range of slots: after every read that ended before it was sent, before every read that began after it was
//! acknowledged. Filling the slots in order, most urgent increment first, succeeds if and only if an order exists.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// An increment by one: when it was first sent and when it was acknowledged, on one clock.
#[derive(Clone, Copy, Debug)]
pub struct Counted {
    /// First sent.
    pub sent: u64,
    /// Acknowledged.
    pub acked: u64,
}

/// A read: when it was first sent, when it was answered, and by what.
#[derive(Clone, Copy, Debug)]
pub struct Read {
    /// First sent.
    pub sent: u64,
    /// Answered.
    pub answered: u64,
    /// The value.
    pub value: i64,
}

/// Whether one order explains all of this, starting from 0.
///
/// # Errors
/// Why there is none.
pub fn linearizable(increments: &[Counted], reads: &[Read]) -> Result<(), String> {
    let mut reads = reads.to_vec();
    reads.sort_by_key(|r| (r.value, r.sent));
    let mut latest: Option<Read> = None;
    for r in &reads {
        if let Some(l) = latest.filter(|l| r.answered < l.sent) {
            return Err(format!("a read of {} ended before a read of the smaller {} began", r.value, l.value));
        }
        latest = Some(latest.filter(|l| l.sent >= r.sent).unwrap_or(*r));
    }
    // first_end[k]: the earliest end among reads k..; last_start[k]: the latest start among reads ..=k.
    let mut first_end: Vec<u64> = reads.iter().map(|r| r.answered).collect();
    for k in (1..first_end.len()).rev() {
        first_end[k - 1] = first_end[k - 1].min(first_end[k]);
    }
    let mut last_start: Vec<u64> = reads.iter().map(|r| r.sent).collect();
    for k in 1..last_start.len() {
        last_start[k] = last_start[k].max(last_start[k - 1]);
    }
    let mut waiting: Vec<(usize, usize)> = increments
        .iter()
        .map(|i| {
            let earliest = first_end.partition_point(|end| *end < i.sent);
            let latest = last_start.partition_point(|start| *start <= i.acked);
            (earliest, latest)
        })
        .collect();
    waiting.sort_unstable();
    let mut waiting = waiting.into_iter().peekable();
    let mut urgent = BinaryHeap::new();
    let mut before = 0i64;
    for slot in 0..=reads.len() {
        let value = reads.get(slot).map_or(increments.len() as i64, |r| r.value);
        while let Some((_, latest)) = waiting.next_if(|w| w.0 <= slot) {
            urgent.push(Reverse(latest));
        }
        for _ in 0..value - before {
            match urgent.pop() {
                Some(Reverse(latest)) if latest < slot => {
                    return Err(format!("an increment acknowledged before a read of {before} began is missing in it"));
                }
                Some(_) => {}
                None => {
                    return Err(format!("a read of {value} has seen an increment that was sent only later, or never"));
                }
            }
        }
        if urgent.peek().is_some_and(|Reverse(latest)| *latest <= slot && slot < reads.len()) {
            return Err(format!("an increment acknowledged before a read of {value} began is missing in it"));
        }
        before = value;
    }
    match urgent.is_empty() && waiting.peek().is_none() {
        true => Ok(()),
        false => Err(format!("a read of {before} is more than all increments together")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn i(sent: u64, acked: u64) -> Counted {
        Counted { sent, acked }
    }
    fn r(sent: u64, answered: u64, value: i64) -> Read {
        Read { sent, answered, value }
    }

    #[test]
    fn what_has_an_order_passes() {
        assert!(linearizable(&[], &[]).is_ok());
        assert!(linearizable(&[i(0, 10)], &[r(1, 2, 0), r(3, 4, 1), r(5, 6, 1), r(20, 21, 1)]).is_ok());
        assert!(linearizable(&[i(0, 10), i(0, 3)], &[r(4, 5, 1), r(6, 7, 2)]).is_ok());
        assert!(linearizable(&[i(0, 10), i(0, 10)], &[r(1, 9, 2), r(1, 9, 0), r(1, 9, 1)]).is_ok());
    }

    #[test]
    fn what_has_none_is_refused() {
        let refused = |inc: &[Counted], reads: &[Read]| linearizable(inc, reads).is_err();
        assert!(refused(&[i(0, 1)], &[r(2, 3, 0)]), "a lost increment");
        assert!(refused(&[i(5, 6)], &[r(1, 2, 1)]), "a read of the future");
        assert!(refused(&[i(0, 1)], &[r(2, 3, 2)]), "counted twice");
        assert!(refused(&[i(0, 10)], &[r(1, 2, 1), r(3, 4, 0)]), "going backwards");
        // Two reads of 1 that must each have seen a different increment.
        assert!(refused(&[i(0, 1), i(2, 3)], &[r(4, 5, 1)]), "one of two acknowledged is missing");
        assert!(refused(&[i(0, 1), i(6, 9)], &[r(2, 3, 1), r(4, 5, 2)]), "the second was not sent yet");
    }

    /// Against all orders, on small random histories.
    #[test]
    fn agrees_with_trying_all_orders() {
        #[derive(Clone, Copy)]
        enum Op {
            I(Counted),
            R(Read),
        }
        fn span(op: &Op) -> (u64, u64) {
            match op {
                Op::I(i) => (i.sent, i.acked),
                Op::R(r) => (r.sent, r.answered),
            }
        }
        fn search(left: &mut Vec<Op>, value: i64) -> bool {
            if left.is_empty() {
                return true;
            }
            for k in 0..left.len() {
                let op = left[k];
                if left.iter().any(|o| span(o).1 < span(&op).0) {
                    continue; // something else must come first
                }
                let next = match op {
                    Op::I(_) => value + 1,
                    Op::R(r) if r.value == value => value,
                    Op::R(_) => continue,
                };
                left.remove(k);
                let found = search(left, next);
                left.insert(k, op);
                if found {
                    return true;
                }
            }
            false
        }
        let mut x = 88_172_645_463_325_252u64;
        let mut random = move |n: u64| {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            (x >> 20) % n
        };
        let (mut yes, mut no) = (0, 0);
        for _ in 0..20_000 {
            let span = |random: &mut dyn FnMut(u64) -> u64| {
                let a = random(12);
                (a, a + random(6))
            };
            let incs: Vec<Counted> = (0..random(4)).map(|_| span(&mut random)).map(|(a, b)| i(a, b)).collect();
            let reads: Vec<Read> =
                (0..random(4)).map(|_| (span(&mut random), random(4))).map(|((a, b), v)| r(a, b, v as i64)).collect();
            let mut all: Vec<Op> = incs.iter().map(|i| Op::I(*i)).chain(reads.iter().map(|r| Op::R(*r))).collect();
            let want = search(&mut all, 0);
            assert_eq!(linearizable(&incs, &reads).is_ok(), want, "{incs:?} {reads:?}");
            if want { yes += 1 } else { no += 1 }
        }
        assert!(yes > 2_000 && no > 2_000, "{yes} yes, {no} no");
    }
}
