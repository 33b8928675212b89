//! Histories judged by us and by `stateright`'s tester, which shares nothing with ours: both say the same. And histories of
//! people: what is said of a broken one.

use proptest::test_runner::{Config, TestRunner};
use replicode_sim::linear::history::History;
use replicode_sim::linear::{Judge, Verdict, judge};
use replicode_sim::world::seeds::Stream;
use serde_json::{Value, json};
use stateright::semantics::{ConsistencyTester, LinearizabilityTester, SequentialSpec};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Histories of each kind.
const HISTORIES: u32 = 20_000;
const STEPS: u64 = 1_000_000;

/// A value of each kind, written without looking at ours: what an operation (its name and argument) answers.
#[derive(Clone, Debug, PartialEq)]
enum Thing {
    Kv(Value),
    Counter(i64),
    Queue(VecDeque<Value>),
    Set(BTreeSet<i64>),
    List(Vec<Value>),
}

/// Name, argument, and what `cas` expects: null below 0.
type Asked = (&'static str, i64, i64);

fn before(asked: i64) -> Value {
    if asked < 0 { Value::Null } else { json!(asked) }
}

impl SequentialSpec for Thing {
    type Op = Asked;
    type Ret = Value;

    /// An answer that says nothing is right wherever one may say nothing.
    fn is_valid_step(&mut self, asked: &Asked, answer: &Value) -> bool {
        let right = self.invoke(asked);
        right == *answer || answer.is_null() && ["delete", "add", "append", "remove"].contains(&asked.0)
    }

    fn invoke(&mut self, (op, value, before): &Asked) -> Value {
        match (self, *op) {
            (Thing::Kv(now), "get") => now.clone(),
            (Thing::Kv(now), "set") => {
                *now = json!(value);
                Value::Null
            }
            (Thing::Kv(now), "delete") => {
                let was = !now.is_null();
                *now = Value::Null;
                json!(was)
            }
            (Thing::Kv(now), "cas") if *now == self::before(*before) => {
                *now = json!(value);
                json!(true)
            }
            (Thing::Kv(_), "cas") => json!(false),
            (Thing::Kv(now), "add") => {
                *now = json!(now.as_i64().unwrap_or(0) + value);
                now.clone()
            }
            (Thing::Counter(sum), op) => {
                *sum += if op == "add" { *value } else { 0 };
                json!(sum)
            }
            (Thing::Queue(queue), "push") => {
                queue.push_back(json!(value));
                Value::Null
            }
            (Thing::Queue(queue), _) => queue.pop_front().unwrap_or_default(),
            (Thing::Set(set), "add") => json!(set.insert(*value)),
            (Thing::Set(set), "remove") => json!(set.remove(value)),
            (Thing::Set(set), "contains") => json!(set.contains(value)),
            (Thing::Set(set), _) => json!(set),
            (Thing::List(list), "append") => {
                list.push(json!(value));
                json!(list.len())
            }
            (Thing::List(list), _) => json!(list),
            (thing, op) => unreachable!("{thing:?} is asked for {op}"),
        }
    }
}

/// Clients that ask at the same time, of whom some are answered, some of them wrongly; and what the tester says of it.
fn history(start: &Thing, seed: u64) -> (String, bool) {
    let mut draw = Stream::new(seed, &[]);
    let mut tester = LinearizabilityTester::new(start.clone());
    let (mut thing, mut text, mut next) = (start.clone(), String::new(), 0);
    // What each of the clients waits for: an operation, and its answer if it has been carried out.
    let mut waiting: BTreeMap<u64, (Asked, Option<Value>)> = BTreeMap::new();
    let mut gone = BTreeSet::new();
    for _ in 0..6 + draw.range(0, 16) {
        let client = draw.range(0, 3);
        if gone.contains(&client) {
            continue;
        }
        let Some((asked, answer)) = waiting.remove(&client) else {
            next += 1;
            let op: &[&'static str] = match thing {
                Thing::Kv(_) => &["get", "set", "delete", "cas", "add"],
                Thing::Counter(_) => &["add", "read"],
                Thing::Queue(_) => &["push", "pop"],
                Thing::Set(_) => &["add", "remove", "contains", "members"],
                Thing::List(_) => &["append", "read"],
            };
            let op = op[draw.range(0, op.len() as u64) as usize];
            let value = if op == "append" { next } else { draw.range(0, 3) as i64 };
            let asked = (op, value, draw.range(0, 4) as i64 - 1);
            let mut line = json!({"client": client, "type": "invoke", "op": op});
            if !["get", "read", "pop", "members", "delete"].contains(&op) {
                line["value"] = json!(value);
            }
            if op == "cas" {
                line["before"] = before(asked.2);
            }
            text.push_str(&format!("{line}\n"));
            tester.on_invoke(client, asked).expect("one at a time");
            let carried_out = (draw.range(0, 2) == 0).then(|| thing.invoke(&asked));
            waiting.insert(client, (asked, carried_out));
            continue;
        };
        if draw.range(0, 12) == 0 {
            // Never answered. It may have been carried out or not.
            gone.insert(client);
            text.push_str(&format!("{}\n", json!({"client": client, "type": "unknown"})));
            continue;
        }
        let mut answer = answer.unwrap_or_else(|| thing.invoke(&asked));
        if draw.range(0, 8) == 0 {
            answer = match answer {
                Value::Bool(was) => json!(!was),
                Value::Array(mut list) => {
                    if list.is_empty() || draw.range(0, 2) == 0 {
                        list.push(json!(next))
                    } else {
                        drop(list.pop())
                    }
                    list.dedup();
                    Value::Array(list)
                }
                Value::Number(_) => json!(draw.range(0, 4)),
                _ if ["get", "pop"].contains(&asked.0) => json!(draw.range(0, 3)),
                other => other,
            };
        }
        if ["delete", "add", "append", "remove"].contains(&asked.0) && draw.range(0, 4) == 0 {
            answer = Value::Null;
        }
        text.push_str(&format!("{}\n", json!({"client": client, "type": "ok", "result": answer})));
        tester.on_return(client, answer).expect("it waits");
    }
    (text, tester.is_consistent())
}

fn compare(by: Judge, start: &Thing) {
    let mut runner = TestRunner::new(Config { cases: HISTORIES, failure_persistence: None, ..Config::default() });
    let said = std::cell::Cell::new([0_u32; 2]);
    let outcome = runner.run(&proptest::num::u64::ANY, |seed| {
        let (text, explained) = history(start, seed);
        let verdict = judge(by, &History::read(&text).expect("a history"), STEPS).expect("known operations");
        let ours = verdict == Verdict::Explained;
        assert_eq!(ours, explained, "seed {seed}: {verdict:?}\n{text}");
        let mut counts = said.get();
        counts[usize::from(ours)] += 1;
        said.set(counts);
        Ok(())
    });
    outcome.expect("both say the same");
    let [broken, explained] = said.get();
    assert!(broken > HISTORIES / 20 && explained > HISTORIES / 20, "{by:?}: {broken} broken, {explained} explained");
}

#[test]
fn key_value() {
    compare(Judge::Kv, &Thing::Kv(Value::Null));
    compare(Judge::Register, &Thing::Kv(Value::Null));
}

#[test]
fn counters_and_queues() {
    compare(Judge::Counter, &Thing::Counter(0));
    compare(Judge::Queue, &Thing::Queue(VecDeque::new()));
}

#[test]
fn sets_and_lists() {
    compare(Judge::Set, &Thing::Set(BTreeSet::new()));
    compare(Judge::Append, &Thing::List(Vec::new()));
}

/// Lines of two keys among each other say what each would say alone, and the one that is broken is named.
#[test]
fn keys_have_nothing_to_do_with_each_other() {
    for seed in 0..2_000_u64 {
        let parts =
            [history(&Thing::Kv(Value::Null), 2 * seed + 1), history(&Thing::Kv(Value::Null), 1_000_003 * (seed + 7))];
        let mut draw = Stream::new(seed, &[1]);
        let mut lines = parts.each_ref().map(|(text, _)| text.lines().collect::<VecDeque<_>>());
        let mut text = String::new();
        while lines.iter().any(|lines| !lines.is_empty()) {
            let which = draw.range(0, 2) as usize;
            let Some(line) = lines[which].pop_front() else { continue };
            let mut line: Value = serde_json::from_str(line).expect("a line");
            line["client"] = json!([which, line["client"]]);
            if line["type"] == "invoke" {
                line["key"] = json!(["a", "b"][which]);
            }
            text.push_str(&format!("{line}\n"));
        }
        let verdict = judge(Judge::Kv, &History::read(&text).expect("a history"), STEPS).expect("known operations");
        match verdict {
            Verdict::Explained => assert!(parts[0].1 && parts[1].1, "{text}"),
            Verdict::Broken(broken) => assert!(!parts[usize::from(broken.key == "\"b\"")].1, "{broken}\n{text}"),
            other => panic!("{other:?}"),
        }
    }
}

/// What many who do not know leave open costs no more than it must.
#[test]
fn many_unknown_outcomes_are_decided() {
    let line = |client: u64, rest: Value| {
        let mut line = rest;
        line["client"] = json!(client);
        format!("{line}\n")
    };
    let ok = |result: Value| json!({"type": "ok", "result": result});
    let verdict = |text: &str| judge(Judge::Kv, &History::read(text).expect("a history"), 10_000).expect("known");
    // Twenty sets that nobody knows of, and what was told fits without them.
    let mut text = String::new();
    for client in 0..20 {
        text += &line(client, json!({"type": "invoke", "op": "set", "value": client}));
    }
    let get = line(99, json!({"type": "invoke", "op": "get"}));
    assert_eq!(verdict(&(text.clone() + &get + &line(99, ok(Value::Null)))), Verdict::Explained);
    assert_eq!(verdict(&(text.clone() + &get + &line(99, ok(json!(7))))), Verdict::Explained);
    assert!(matches!(verdict(&(text + &get + &line(99, ok(json!(99))))), Verdict::Broken(_)));
    // A set that everybody knows of, and many who ask at the same time and are told that there was none.
    let mut text = line(0, json!({"type": "invoke", "op": "set", "value": 1})) + &line(0, ok(Value::Null));
    for client in 1..30 {
        text += &line(client, json!({"type": "invoke", "op": "get"}));
    }
    for client in 1..30 {
        text += &line(client, ok(Value::Null));
    }
    let Verdict::Broken(broken) = verdict(&text) else { panic!("not broken") };
    assert_eq!((broken.line, broken.first), (32, true), "{broken}");
}

/// Many clients, many operations, one planted stale read: found, and named.
#[test]
fn a_stale_read_among_thousands_is_named() {
    let mut text = String::new();
    let mut value = 0;
    for round in 0..2_000 {
        // Three clients write and read at the same time, a fourth one reads before.
        text.push_str(&format!("{}\n", json!({"client": 4, "type": "invoke", "op": "get", "key": "x"})));
        let seen = if round == 1_500 {
            json!(value - 3)
        } else if value == 0 {
            Value::Null
        } else {
            json!(value)
        };
        text.push_str(&format!("{}\n", json!({"client": 4, "type": "ok", "result": seen})));
        for client in 1..=3 {
            text.push_str(&format!(
                "{}\n",
                json!({"client": client, "type": "invoke", "op": "set", "key": "x", "value": value + client})
            ));
        }
        for client in [2, 1, 3] {
            text.push_str(&format!("{}\n", json!({"client": client, "type": "ok"})));
        }
        value += 3;
        // Whoever was last is seen by the next one; it must be the third.
        text.push_str(&format!("{}\n", json!({"client": 5, "type": "invoke", "op": "get", "key": "x"})));
        text.push_str(&format!("{}\n", json!({"client": 5, "type": "ok", "result": value})));
    }
    let history = History::read(&text).expect("a history");
    let verdict = judge(Judge::Kv, &history, STEPS).expect("known operations");
    let Verdict::Broken(broken) = verdict else { panic!("{verdict:?}") };
    let told = broken.to_string();
    assert_eq!((broken.key.as_str(), broken.line), ("\"x\"", 1_500 * 10 + 2), "{told}");
    assert!(told.contains("client 4: get \"x\" -> 4497") && told.contains("client 5: get \"x\" -> 4500"), "{told}");
}

#[test]
fn lines_that_are_none_are_named() {
    for (text, expected) in [
        ("{\"client\":1}", "line 1: the type is ''"),
        ("\n[1]", "line 2: no JSON object"),
        ("{\"client\":1,\"type\":\"ok\"}", "line 1: client 1 was answered and has asked nothing"),
        ("{\"client\":1,\"type\":\"invoke\"}", "line 1: it does not say which operation"),
        ("{\"type\":\"invoke\",\"op\":\"get\"}", "line 1: it does not say which client"),
        ("{\"client\":1,\"type\":\"ok\",\"value\":1}", "line 1: 'value' is not a field of a line of type ok"),
        (
            "{\"client\":1,\"type\":\"invoke\",\"op\":\"set\",\"value\":18446744073709551617}",
            "line 1: 'value' is 1.8446744073709552e+19, which may not be the number that was meant",
        ),
        (
            "{\"client\":1,\"type\":\"invoke\",\"op\":\"get\",\"time\":1}\n{\"client\":1,\"type\":\"ok\"}",
            "line 2: it has no 'time', and others have one",
        ),
        ("{\"client\":1,\"type\":\"invoke\",\"op\":\"get\",\"kay\":\"x\"}", "line 1: 'kay' is not a field"),
        (
            "{\"client\":1,\"type\":\"invoke\",\"op\":\"get\"}\n{\"client\":1,\"type\":\"invoke\",\"op\":\"get\"}",
            "line 2: client 1 asks while it waits for the answer to line 1",
        ),
    ] {
        let error = History::read(text).expect_err(text);
        assert!(error.contains(expected), "{text}: {error}");
    }
    let asks = |op: &str, value: &str| format!("{{\"client\":1,\"type\":\"invoke\",\"op\":\"{op}\"{value}}}");
    for (by, text, expected) in [
        (Judge::Kv, asks("put", ""), "line 1: 'put' is not an operation of this model"),
        (Judge::Kv, asks("set", ""), "line 1: 'set' needs a value"),
        (Judge::Counter, asks("add", ",\"value\":\"x\""), "line 1: 'add' needs a whole number"),
        (Judge::Register, asks("get", ",\"key\":1"), "line 1: this model has one value and no keys"),
        (Judge::Append, asks("append", ""), "line 1: 'append' needs a value"),
    ] {
        let error = judge(by, &History::read(&text).expect("a history"), STEPS).expect_err(&text);
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn times_decide_where_there_are_some() {
    let line = |time: u64, rest: &str| format!("{{\"time\":{time},{rest}}}\n");
    // As two clients wrote it down, one after the other.
    let one = line(1, "\"client\":1,\"type\":\"invoke\",\"op\":\"set\",\"value\":1")
        + &line(4, "\"client\":1,\"type\":\"ok\"");
    let other = line(2, "\"client\":2,\"type\":\"invoke\",\"op\":\"get\"")
        + &line(3, "\"client\":2,\"type\":\"ok\",\"result\":null");
    let text = one.clone() + &other;
    let verdict = judge(Judge::Kv, &History::read(&text).expect("a history"), STEPS);
    assert_eq!(verdict, Ok(Verdict::Explained), "the read was before the answer to the write");
    // A coarse clock: one client is answered and asks again at the same time.
    let text = line(1, "\"client\":1,\"type\":\"invoke\",\"op\":\"set\",\"value\":1")
        + &line(5, "\"client\":1,\"type\":\"ok\"")
        + &line(5, "\"client\":1,\"type\":\"invoke\",\"op\":\"get\"")
        + &line(5, "\"client\":1,\"type\":\"ok\",\"result\":1");
    let verdict = judge(Judge::Kv, &History::read(&text).expect("a history"), STEPS);
    assert_eq!(verdict, Ok(Verdict::Explained));
    let text = one + &other;
    let untimed: String =
        text.lines().map(|line| line.replacen(&line[1..line.find(',').unwrap_or(0) + 1], "", 1) + "\n").collect();
    let verdict = judge(Judge::Kv, &History::read(&untimed).expect("a history"), STEPS);
    assert!(matches!(verdict, Ok(Verdict::Broken(_))), "{verdict:?}: {untimed}");
}
