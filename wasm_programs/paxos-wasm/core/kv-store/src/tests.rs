//! The store against what the words say, and against a naive model.

use super::*;
use paxos_types::reply::Replies;
use paxos_types::{BatchBuilder, BatchId, ClientId};
use proptest::prelude::*;
use std::collections::BTreeMap;

const OWN: NodeId = NodeId(1);

fn batch_of(commands: &[Command<'_>]) -> Vec<u8> {
    let mut builder = BatchBuilder::default();
    for command in commands {
        let mut bytes = Vec::new();
        command.encode(&mut bytes);
        builder.push(&bytes, 1);
    }
    builder.finish(BatchId { origin: OWN, round: 1, number: 1 }).to_vec()
}

fn apply(store: &mut KvStore, commands: &[Command<'_>]) -> Vec<u8> {
    let mut replies = Vec::new();
    let slot = store.applied().next();
    let header = store.apply(slot, &batch_of(commands), OWN, &mut replies);
    assert_eq!(header.map(|h| h.map(|h| h.count)), Ok(Some(commands.len() as u32)));
    replies
}

fn one(store: &mut KvStore, client: u128, seq: u64, op: Op<'_>) -> (u64, u64, String) {
    let replies = apply(store, &[Command { client: ClientId(client), seq, op }]);
    let all: Vec<_> = Replies::new(&replies).map(|r| r.unwrap_or_else(|e| panic!("{e}"))).collect();
    assert_eq!(all.len(), 1);
    let text = match all[0].outcome {
        Outcome::Value(v) => format!("value {}", String::from_utf8_lossy(v)),
        Outcome::Mismatch(v) => format!("mismatch {}", String::from_utf8_lossy(v)),
        other => format!("{other:?}"),
    };
    (all[0].index, all[0].version, text)
}

fn answer(index: u64, version: u64, text: &str) -> (u64, u64, String) {
    (index, version, text.to_string())
}

#[test]
fn each_operation_does_what_it_says() {
    let s = &mut KvStore::new(Config::default());
    assert_eq!(one(s, 1, 1, Op::Open), answer(1, 0, "Done"));
    assert_eq!(one(s, 1, 2, Op::Get { key: b"k" }), answer(2, 0, "Absent"));
    assert_eq!(one(s, 1, 3, Op::Put { key: b"k", value: b"v" }), answer(3, 0, "Done"));
    assert_eq!(one(s, 1, 4, Op::Get { key: b"k" }), answer(4, 3, "value v"));
    let cas = |expected, value| Op::Cas { key: b"k", expected, value };
    assert_eq!(one(s, 1, 5, cas(Some(b"x"), b"w")), answer(5, 3, "mismatch v"));
    assert_eq!(one(s, 1, 6, cas(None, b"w")), answer(6, 3, "mismatch v"));
    assert_eq!(one(s, 1, 7, cas(Some(b"v"), b"w")), answer(7, 3, "Done"));
    assert_eq!(one(s, 1, 8, Op::Delete { key: b"k" }), answer(8, 7, "Done"));
    assert_eq!(one(s, 1, 9, Op::Delete { key: b"k" }), answer(9, 0, "Absent"));
    assert_eq!(one(s, 1, 10, cas(Some(b"w"), b"u")), answer(10, 0, "MismatchAbsent"));
    assert_eq!(one(s, 1, 11, cas(None, b"u")), answer(11, 0, "Done"));
}

#[test]
fn a_retry_gets_the_first_answer_and_changes_nothing() {
    let s = &mut KvStore::new(Config::default());
    one(s, 1, 1, Op::Open);
    one(s, 2, 1, Op::Open);
    assert_eq!(one(s, 1, 2, Op::Put { key: b"k", value: b"a" }), answer(3, 0, "Done"));
    assert_eq!(one(s, 2, 2, Op::Put { key: b"k", value: b"b" }), answer(4, 3, "Done"));
    assert_eq!(one(s, 1, 2, Op::Put { key: b"k", value: b"a" }), answer(3, 0, "Done"));
    assert_eq!(one(s, 2, 3, Op::Get { key: b"k" }), answer(5, 4, "value b"));
    assert_eq!(one(s, 2, 1, Op::Open), answer(0, 0, "Stale"));
    assert_eq!(one(s, 1, 4, Op::Get { key: b"k" }), answer(0, 2, "Gap"));
    assert_eq!(one(s, 3, 2, Op::Get { key: b"k" }), answer(0, 0, "UnknownSession"));
    assert_eq!(one(s, 3, 1, Op::Get { key: b"k" }), answer(0, 0, "UnknownSession"));
}

#[test]
fn the_session_idle_for_longest_is_forgotten_and_cannot_do_anything_twice() {
    let s = &mut KvStore::new(Config { sessions: 2, ..Config::default() });
    one(s, 1, 1, Op::Open);
    one(s, 2, 1, Op::Open);
    one(s, 1, 2, Op::Put { key: b"k", value: b"1" });
    one(s, 3, 1, Op::Open);
    assert_eq!(s.sizes(), (1, 2));
    assert_eq!(one(s, 2, 2, Op::Delete { key: b"k" }).2, "UnknownSession");
    assert_eq!(one(s, 1, 2, Op::Put { key: b"k", value: b"1" }), answer(3, 0, "Done"));
    assert_eq!(one(s, 2, 1, Op::Open).2, "Done", "it may begin anew");
}

#[test]
fn a_state_that_is_full_refuses_what_would_make_it_grow_and_goes_on() {
    let s = &mut KvStore::new(Config { max_bytes: 1000, ..Config::default() });
    one(s, 1, 1, Op::Open);
    let value = [7; 300];
    assert_eq!(one(s, 1, 2, Op::Put { key: b"a", value: &value }), answer(2, 0, "Done"));
    assert_eq!(one(s, 1, 3, Op::Put { key: b"b", value: &value }), answer(3, 0, "Done"));
    assert_eq!(one(s, 1, 4, Op::Put { key: b"c", value: &value }), answer(4, 0, "Refused"));
    assert_eq!(one(s, 1, 4, Op::Put { key: b"c", value: &value }), answer(4, 0, "Refused"), "a retry");
    assert_eq!(one(s, 1, 5, Op::Get { key: b"a" }), answer(5, 0, "Refused"), "its answer would have to be kept");
    assert_eq!(one(s, 1, 6, Op::Delete { key: b"b" }), answer(6, 3, "Done"));
    assert_eq!(one(s, 1, 7, Op::Put { key: b"c", value: b"" }), answer(7, 0, "Done"));
    let mut copy = KvStore::new(s.config.clone());
    assert_eq!(copy.restore(&s.snapshot()), Ok(()));
    assert_eq!(copy.bytes(), s.bytes());
    assert_eq!(one(s, 1, 8, Op::Delete { key: b"a" }).2, "Done");
    assert_eq!(one(s, 1, 9, Op::Delete { key: b"c" }).2, "Done");
    assert_eq!(s.bytes(), 128 + 45, "the session and its last answer");
}

/// Sessions are bounded by their number, and opening one is not refused: together they may lead beyond the bound.
#[test]
fn deletes_go_through_whatever_sessions_take() {
    let s = &mut KvStore::new(Config { max_bytes: 700, ..Config::default() });
    one(s, 1, 1, Op::Open);
    assert_eq!(one(s, 1, 2, Op::Put { key: b"a", value: &[7; 300] }).2, "Done");
    for client in 2..=5 {
        assert_eq!(one(s, client, 1, Op::Open).2, "Done");
    }
    assert!(s.bytes() > 700);
    assert_eq!(one(s, 1, 3, Op::Put { key: b"b", value: b"" }).2, "Refused");
    assert_eq!(one(s, 1, 4, Op::Delete { key: b"a" }).2, "Done");
    assert_eq!(one(s, 1, 5, Op::Get { key: b"a" }).2, "Absent");
}

#[test]
fn slots_are_applied_once_and_in_order() {
    let mut s = KvStore::new(Config::default());
    let mut replies = Vec::new();
    assert!(s.apply(Slot(2), &[], OWN, &mut replies).is_err());
    assert_eq!(s.apply(Slot(1), &[], OWN, &mut replies), Ok(None));
    assert!(s.apply(Slot(1), &[], OWN, &mut replies).is_err());
    assert_eq!(s.applied(), Slot(1));
}

#[test]
fn replies_are_for_the_origin_only() {
    let (mut a, mut b) = (KvStore::new(Config::default()), KvStore::new(Config { seed: 7, ..Config::default() }));
    let batch = batch_of(&[Command { client: ClientId(1), seq: 1, op: Op::Open }]);
    let (mut here, mut there) = (Vec::new(), Vec::new());
    assert!(a.apply(Slot(1), &batch, OWN, &mut here).is_ok_and(|h| h.is_some()));
    assert_eq!(b.apply(Slot(1), &batch, NodeId(2), &mut there), Ok(None));
    assert!(!here.is_empty() && there.is_empty());
    assert_eq!(a.snapshot(), b.snapshot(), "and the state is the same, whatever the seed");
}

#[test]
fn a_snapshot_that_is_damaged_or_of_another_setting_is_refused() {
    let mut s = KvStore::new(Config::default());
    one(&mut s, 1, 1, Op::Open);
    let good = s.snapshot();
    let before = s.digest();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        assert!(s.restore(&bad).is_err(), "byte {at}");
        assert!(s.restore(&good[..at]).is_err(), "cut at {at}");
    }
    assert_eq!(s.digest(), before);
    let mut other = KvStore::new(Config { sessions: 5, ..Config::default() });
    assert!(other.restore(&good).is_err_and(|e| e.0.contains("limits.sessions")));
}

#[derive(Clone, Debug)]
enum Do {
    Get(u8),
    Put(u8, u8),
    Delete(u8),
    Cas(u8, Option<u8>, u8),
}

fn some_op() -> impl Strategy<Value = Do> {
    let k = 0u8..3;
    prop_oneof![
        k.clone().prop_map(Do::Get),
        (k.clone(), any::<u8>()).prop_map(|(k, v)| Do::Put(k, v)),
        k.clone().prop_map(Do::Delete),
        (k, proptest::option::of(0u8..2), 0u8..2).prop_map(|(k, e, v)| Do::Cas(k, e, v)),
    ]
}

proptest! {
    /// Against a map of clients and a map of keys, written without any cleverness; retries and gaps thrown in; and a copy made from a
    /// snapshot in the middle goes on exactly alike.
    #[test]
    fn it_agrees_with_a_naive_model(
        steps in proptest::collection::vec((0u128..4, 0i8..3, some_op()), 1..80),
        cut in 0usize..80,
    ) {
        let mut store = KvStore::new(Config { sessions: 8, ..Config::default() });
        let mut copy = None;
        let mut data: BTreeMap<u8, (u64, u8)> = BTreeMap::new();
        let mut sessions: BTreeMap<u128, (u64, (u64, u64, String))> = BTreeMap::new();
        let mut index = 0u64;
        for client in 0..4 {
            index += 1;
            let reply = one(&mut store, client, 1, Op::Open);
            sessions.insert(client, (1, reply));
        }
        for (i, (client, skew, what)) in steps.into_iter().enumerate() {
            if i == cut {
                let mut other = KvStore::new(Config { seed: 9, ..store.config.clone() });
                prop_assert_eq!(other.restore(&store.snapshot()), Ok(()));
                copy = Some(other);
            }
            let (last, first_answer) = sessions[&client].clone();
            // Mostly the next one; sometimes the last again, sometimes one too many.
            let seq = match skew { 0 => last + 1, 1 => last, _ => last + 2 };
            let expected = if seq == last {
                first_answer
            } else if seq > last + 1 {
                (0, last, "Gap".into())
            } else {
                index += 1;
                let text = |v: u8| String::from_utf8_lossy(&[v]).into_owned();
                let reply = match what {
                    Do::Get(k) => data.get(&k).map_or((index, 0, "Absent".into()), |(n, v)| (index, *n, format!("value {}", text(*v)))),
                    Do::Put(k, v) => {
                        let old = data.insert(k, (index, v)).map_or(0, |o| o.0);
                        (index, old, "Done".into())
                    }
                    Do::Delete(k) => if let Some((n, _)) = data.remove(&k) { (index, n, "Done".into()) } else { (index, 0, "Absent".into()) },
                    Do::Cas(k, e, v) => match data.get(&k).copied() {
                        now if now.map(|n| n.1) == e => {
                            let old = data.insert(k, (index, v)).map_or(0, |o| o.0);
                            (index, old, "Done".into())
                        }
                        Some((n, is)) => (index, n, format!("mismatch {}", text(is))),
                        None => (index, 0, "MismatchAbsent".into()),
                    },
                };
                sessions.insert(client, (seq, reply.clone()));
                reply
            };
            let (k, v, e);
            let op = match what {
                Do::Get(key) => { k = [key]; Op::Get { key: &k } }
                Do::Put(key, value) => { k = [key]; v = [value]; Op::Put { key: &k, value: &v } }
                Do::Delete(key) => { k = [key]; Op::Delete { key: &k } }
                Do::Cas(key, expected, value) => {
                    k = [key]; v = [value]; e = expected.map(|e| [e]);
                    Op::Cas { key: &k, expected: e.as_ref().map(|e| &e[..]), value: &v }
                }
            };
            prop_assert_eq!(one(&mut store, client, seq, op), expected.clone());
            if let Some(copy) = copy.as_mut() {
                prop_assert_eq!(one(copy, client, seq, op), expected);
                prop_assert_eq!(copy.digest(), store.digest());
            }
        }
        prop_assert_eq!(store.index(), index);
    }
}

/// Takes one part, and says whether it was the last.
fn take(store: &mut KvStore, parts: &mut Vec<u8>) -> bool {
    parts.extend(store.snapshot_part().unwrap_or_else(|e| panic!("{e}")));
    !store.is_making_snapshot()
}

proptest! {
    /// Commands of every kind between the parts, more clients than sessions are kept, parts of all sizes: the parts are, byte for byte, what
    /// the whole state was when the first of them was asked for, and the store goes on as one of which no snapshot was made.
    #[test]
    fn a_snapshot_in_parts_is_of_the_state_at_its_beginning(
        before in proptest::collection::vec((0u128..6, any::<u8>(), some_op()), 0..60),
        between in proptest::collection::vec((0u128..6, any::<u8>(), some_op(), 0usize..3), 1..150),
        (part_entries, part_bytes, sessions) in (1usize..5, 1usize..200, 2usize..5),
    ) {
        let config = Config { part_entries, part_bytes, sessions, ..Config::default() };
        let mut store = KvStore::new(config.clone());
        let mut other = KvStore::new(Config { seed: 4, ..config.clone() });
        let mut seqs = [0u64; 6];
        let mut act = |client: u128, spread: u8, what: &Do, store: &mut KvStore, other: &mut KvStore| {
            // Twenty keys and more, of several lengths.
            let name = |k: u8| format!("{}{}", "k".repeat(usize::from(spread % 7)), k).into_bytes();
            let (k, v, e);
            let op = match *what {
                Do::Get(key) => { k = name(key); Op::Get { key: &k } }
                Do::Put(key, value) => { k = name(key); v = vec![value; usize::from(spread)]; Op::Put { key: &k, value: &v } }
                Do::Delete(key) => { k = name(key); Op::Delete { key: &k } }
                Do::Cas(key, expected, value) => {
                    k = name(key); v = vec![value]; e = expected.map(|e| [e]);
                    Op::Cas { key: &k, expected: e.as_ref().map(|e| &e[..]), value: &v }
                }
            };
            let seq = &mut seqs[client as usize];
            *seq += 1;
            let op = if *seq == 1 { Op::Open } else { op };
            let answer = one(store, client, *seq, op);
            assert_eq!(one(other, client, *seq, op), answer);
            if answer.2 == "UnknownSession" {
                *seq = 0;
            }
        };
        for (client, spread, what) in &before {
            act(*client, *spread, what, &mut store, &mut other);
        }
        // One after the other, and whatever the one before has left.
        let mut between = between.iter();
        while between.len() > 0 {
            let expected = store.snapshot();
            let (total, mut parts) = (store.begin_snapshot(), Vec::new());
            prop_assert_eq!(total, expected.len() as u64);
            let mut whole = false;
            while !whole {
                if let Some((client, spread, what, count)) = between.next() {
                    act(*client, *spread, what, &mut store, &mut other);
                    whole = (0..*count).any(|_| take(&mut store, &mut parts));
                } else {
                    whole = take(&mut store, &mut parts);
                }
            }
            prop_assert_eq!(&parts, &expected);
            let mut copy = KvStore::new(config.clone());
            prop_assert_eq!(copy.restore(&parts), Ok(()));
        }
        prop_assert_eq!((store.digest(), store.bytes(), store.sizes()), (other.digest(), other.bytes(), other.sizes()));
        prop_assert!(store.snapshot_part().is_err(), "none was begun");
    }

    /// Whatever is between two parts, one does no more than it may: of the bound of entries or bytes it exceeds neither by more than an item.
    #[test]
    fn a_part_is_bounded(keys in 0u32..300, part_entries in 1usize..20, part_bytes in 1usize..500) {
        let mut store = KvStore::new(Config { part_entries, part_bytes, ..Config::default() });
        one(&mut store, 1, 1, Op::Open);
        for key in 0..keys {
            one(&mut store, 1, u64::from(key) + 2, Op::Put { key: &key.to_be_bytes(), value: b"value" });
        }
        store.begin_snapshot();
        while store.is_making_snapshot() {
            let part = store.snapshot_part().unwrap_or_else(|e| panic!("{e}"));
            let item = 4 + 4 + 8 + 4 + 5;
            // The head, the number of sessions, a session, and the digest may be there besides.
            prop_assert!(part.len() < (part_bytes + item).min(part_entries * item) + 38 + 8 + 100 + 8, "{}", part.len());
        }
    }
}

#[test]
fn a_snapshot_that_is_given_up_leaves_nothing_behind() {
    let mut store = KvStore::new(Config { part_entries: 1, ..Config::default() });
    one(&mut store, 1, 1, Op::Open);
    for (seq, key) in (2..).zip(*b"abcdef") {
        one(&mut store, 1, seq, Op::Put { key: &[key], value: b"v" });
    }
    store.begin_snapshot();
    assert_eq!(one(&mut store, 1, 8, Op::Delete { key: b"c" }).2, "Done");
    assert_eq!(one(&mut store, 1, 9, Op::Delete { key: b"c" }).2, "Absent");
    // Another is begun in the middle; and a state that is put in its place ends that.
    let expected = store.snapshot();
    assert_eq!(store.begin_snapshot(), expected.len() as u64);
    let mut parts = Vec::new();
    while !take(&mut store, &mut parts) {}
    assert_eq!(parts, expected);
    store.begin_snapshot();
    assert_eq!(store.restore(&parts), Ok(()));
    assert!(!store.is_making_snapshot());
    assert_eq!((store.snapshot(), store.sizes()), (expected, (5, 1)));
}
