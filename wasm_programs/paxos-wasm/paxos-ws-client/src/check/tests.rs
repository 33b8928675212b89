//! Histories of a small made-up cluster, right ones and ones with a planted mistake: the judge accepts the former, and names the latter.

use super::{Histories, Kind, Verdict, judge};
use crate::history::{Ending, Entry, Head, Op, Place};
use std::collections::BTreeMap;

const SEEDS: u64 = 100;

/// Places are so far apart here that a wrong one can be planted between two.
const GAP: u64 = 10;

/// xorshift: the same histories at every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// What the cluster does wrong, once.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Bug {
    /// A write is acknowledged and not executed.
    Forget,
    /// A write is executed again some time later.
    Twice,
    /// A read is answered from a state that was, and says so by its place.
    OldRead,
    /// A read is answered from a state that was, under a place of now.
    OldReadNewPlace,
    /// A read is answered with another key's value.
    OtherKey,
    /// A compare-and-set writes without comparing.
    NoCompare,
    /// Two requests are told the same place.
    SamePlace,
    /// A request is not written into the history.
    Gap,
    /// A request is refused.
    Refuse,
    /// A request is never answered (which is no mistake of the cluster's).
    Silence,
}

type Map = BTreeMap<u64, (String, Place)>;

/// A run of `clients` logical clients over `keys` keys, `requests` in all, with `bug` at its `when`-th opportunity.
struct Run {
    dice: Dice,
    map: Map,
    older: Vec<(Place, Map)>,
    place: u64,
    lines: Vec<Entry<'static>>,
    again: Option<(u64, u64, String)>,
    planted: bool,
}

impl Run {
    fn of(seed: u64, bug: Option<Bug>) -> Self {
        let dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let mut run =
            Self { dice, map: Map::new(), older: Vec::new(), place: 0, lines: Vec::new(), again: None, planted: false };
        let (clients, keys) = (1 + run.dice.roll(5), 1 + run.dice.roll(4));
        let when = 10 + run.dice.roll(150);
        let mut seqs = vec![0u64; clients as usize];
        let mut free = vec![0u64; clients as usize];
        for n in 0..200u64 {
            let client = run.dice.roll(clients);
            seqs[client as usize] += 1;
            let key = run.dice.roll(keys);
            let op = match run.dice.roll(10) {
                0..4 => Op::Put,
                4..7 => Op::Get,
                7 => Op::Delete,
                _ => Op::Cas,
            };
            // Executed at `time`; sent some time before, answered some time after, one request of a client at a time.
            let time = 1000 + n * 10;
            let sent = (time - run.dice.roll(60)).max(free[client as usize]);
            let ended = time + 1 + run.dice.roll(60);
            if sent >= time {
                seqs[client as usize] -= 1;
                continue;
            }
            free[client as usize] = ended + 1;
            run.request((client, seqs[client as usize]), op, key, (sent, ended), bug.filter(|_| n >= when));
        }
        // In the end everything is read, so that nothing stays unseen.
        for key in 0..keys {
            run.request((99, key + 1), Op::Get, key, (100_000 + key * 10, 100_005 + key * 10), None);
        }
        run
    }

    fn next(&mut self) -> Place {
        self.place += GAP;
        self.place
    }

    fn request(&mut self, (client, seq): (u64, u64), op: Op, key: u64, (sent, ended): (u64, u64), bug: Option<Bug>) {
        if let Some((at, key, value)) = self.again.clone()
            && at <= self.place
        {
            let place = self.next();
            self.map.insert(key, (value, place));
            self.again = None;
        }
        let place = self.next();
        self.older.push((place, self.map.clone()));
        let bug = bug.filter(|_| !self.planted);
        let value = format!("v{client}.{seq}");
        let held = self.map.get(&key).cloned();
        let mut entry = Entry {
            client: format!("{client:032x}").into(),
            seq,
            op,
            key: format!("k{key}").into(),
            value: matches!(op, Op::Put | Op::Cas).then(|| value.clone().into()),
            expected: None,
            sent,
            ended,
            tries: 1,
            end: Ending::Ok,
            place: Some(place),
            found: held.as_ref().map(|(_, version)| *version),
            got: None,
            why: None,
        };
        let plants = |this: &mut Self, when: bool| {
            this.planted |= when;
            when
        };
        let forget = bug == Some(Bug::Forget);
        match op {
            Op::Put => {
                if !(forget && plants(self, true)) {
                    self.map.insert(key, (value.clone(), place));
                }
            }
            Op::Delete => match &held {
                Some(_) if forget && plants(self, true) => {}
                Some(_) => drop(self.map.remove(&key)),
                None => entry.end = Ending::Absent,
            },
            Op::Open => {}
            Op::Get => match &held {
                Some((value, _)) => entry.got = Some(value.clone().into()),
                None => entry.end = Ending::Absent,
            },
            Op::Cas => {
                let guess = self.dice.roll(2) == 0;
                let expected = held.as_ref().filter(|_| guess).map_or("other".to_owned(), |(value, _)| value.clone());
                entry.expected = Some(expected.clone().into());
                match &held {
                    Some((there, _)) if *there == expected || (bug == Some(Bug::NoCompare) && plants(self, true)) => {
                        if !(forget && plants(self, true)) {
                            self.map.insert(key, (value.clone(), place));
                        }
                    }
                    Some(_) => entry.end = Ending::Differs,
                    None => entry.end = Ending::Absent,
                }
            }
        }
        let wrote = op != Op::Get && entry.end == Ending::Ok;
        match bug {
            Some(Bug::Twice) if wrote && op != Op::Delete && plants(self, true) => {
                self.again = Some((self.place + GAP * self.dice.roll(10), key, value));
            }
            Some(Bug::OldRead | Bug::OldReadNewPlace) if op == Op::Get => {
                // The latest state in which this key was different, if that was over before the read was sent.
                let version = held.as_ref().map(|(_, version)| *version);
                let old = self
                    .older
                    .iter()
                    .rev()
                    .skip(12)
                    .find(|(_, map)| map.get(&key).map(|(_, v)| *v) != version)
                    .cloned();
                if let Some((old_place, map)) = old
                    && plants(self, true)
                {
                    let held = map.get(&key).cloned();
                    entry.found = held.as_ref().map(|(_, version)| *version);
                    entry.end = if held.is_some() { Ending::Ok } else { Ending::Absent };
                    entry.got = held.map(|(value, _)| value.into());
                    if bug == Some(Bug::OldRead) {
                        // A place of its own just there: the state after what was executed there before.
                        entry.place = Some(old_place - 1);
                    }
                }
            }
            Some(Bug::OtherKey) if entry.got.is_some() => {
                if let Some((_, (value, _))) = self.map.iter().find(|(other, _)| **other != key) {
                    entry.got = Some(value.clone().into());
                    self.planted = true;
                }
            }
            Some(Bug::SamePlace) => {
                if let Some((before, _)) = self.older.iter().rev().nth(1) {
                    entry.place = Some(*before);
                    self.planted = true;
                }
            }
            Some(Bug::Refuse) if op == Op::Get => {
                (entry.end, entry.place, entry.found, entry.got) = (Ending::Refused, None, None, None);
                entry.why = Some("gap".into());
                self.planted = true;
            }
            Some(Bug::Silence) if plants(self, true) => {
                (entry.end, entry.place, entry.found, entry.got) = (Ending::Unknown, None, None, None);
            }
            Some(Bug::Gap) if wrote && plants(self, true) => return,
            _ => {}
        }
        self.lines.push(entry);
    }

    fn judge(&self) -> (Histories, Verdict) {
        let head = Head { history: 1, clock: "test".to_owned() };
        let mut text = serde_json::to_vec(&head).unwrap();
        text.push(b'\n');
        for line in &self.lines {
            line.write(&mut text);
        }
        let mut histories = Histories::default();
        histories.add("h", text.as_slice()).unwrap();
        let verdict = judge(&histories, false);
        (histories, verdict)
    }
}

fn explained(histories: &Histories, verdict: &Verdict) -> String {
    verdict.first(histories, false).map_or("all is well".to_owned(), |fault| {
        format!("{}: {}\n  {}", fault.kind, histories.describe(fault.request), fault.text)
    })
}

#[test]
fn right_histories_are_accepted() {
    for seed in 0..SEEDS {
        let (histories, verdict) = Run::of(seed, None).judge();
        assert!(verdict.is_good(false), "seed {seed}: {}", explained(&histories, &verdict));
    }
}

#[test]
fn requests_without_an_answer_may_have_been_executed_or_not() {
    let mut with = 0;
    for seed in 0..SEEDS {
        let run = Run::of(seed, Some(Bug::Silence));
        let (histories, verdict) = run.judge();
        assert!(verdict.is_good(true), "seed {seed}: {}", explained(&histories, &verdict));
        assert_eq!(verdict.count(Kind::Unanswered), u64::from(run.planted), "seed {seed}");
        assert_eq!(verdict.is_good(false), !run.planted, "seed {seed}");
        with += u64::from(run.planted);
    }
    assert!(with > SEEDS / 2);
}

/// Every planted mistake is found, in every history in which it happened, and called by its name.
fn caught(bug: Bug, names: &[Kind]) {
    let mut planted = 0;
    for seed in 0..SEEDS {
        let run = Run::of(seed, Some(bug));
        if !run.planted {
            continue;
        }
        planted += 1;
        let (histories, verdict) = run.judge();
        let first = verdict.first(&histories, false);
        let first = first.unwrap_or_else(|| panic!("{bug:?} with seed {seed} was not found"));
        assert!(names.contains(&first.kind), "{bug:?}, seed {seed}: {}", explained(&histories, &verdict));
        assert!(!first.text.is_empty() && verdict.count(first.kind) > 0);
        assert!(!verdict.is_good(true), "{bug:?}, seed {seed}");
    }
    assert!(planted >= SEEDS / 3, "{bug:?} happened in {planted} of {SEEDS} histories only");
}

#[test]
fn a_forgotten_write_is_lost() {
    // A forgotten delete shows as a version that should be gone.
    caught(Bug::Forget, &[Kind::Lost, Kind::Doubled]);
}

#[test]
fn a_write_executed_twice_is_doubled() {
    caught(Bug::Twice, &[Kind::Doubled]);
}

#[test]
fn a_read_of_the_past_is_stale() {
    caught(Bug::OldReadNewPlace, &[Kind::Stale, Kind::Lost, Kind::Doubled]);
}

#[test]
fn a_read_that_says_it_is_of_the_past_breaks_real_time_or_its_session() {
    caught(Bug::OldRead, &[Kind::Stale, Kind::Wrong]);
}

#[test]
fn a_value_of_another_key_is_wrong() {
    caught(Bug::OtherKey, &[Kind::Wrong]);
}

#[test]
fn a_compare_and_set_that_does_not_compare_is_wrong() {
    caught(Bug::NoCompare, &[Kind::Wrong]);
}

#[test]
fn one_place_for_two_is_wrong() {
    caught(Bug::SamePlace, &[Kind::Wrong, Kind::Stale, Kind::Lost, Kind::Doubled]);
}

#[test]
fn a_history_with_a_hole_is_not_judged_good() {
    caught(Bug::Gap, &[Kind::Wrong, Kind::Doubled, Kind::Lost]);
}

#[test]
fn a_refusal_is_told() {
    caught(Bug::Refuse, &[Kind::Refused]);
}

#[test]
fn files_that_are_no_histories_are_named() {
    let told = |text: &str| Histories::default().add("h.jsonl", text.as_bytes()).unwrap_err();
    let head = "{\"history\":1,\"clock\":\"c\"}\n";
    assert!(told("").contains("h.jsonl is empty"));
    assert!(told("{}\n").contains("h.jsonl does not begin"));
    assert!(told("{\"history\":9,\"clock\":\"c\"}\n").contains("version 9"));
    assert!(told(&format!("{head}nonsense\n")).contains("line 2 of h.jsonl"));
    let entry = "{\"client\":\"1\",\"seq\":1,\"op\":\"get\",\"key\":\"k\",\"sent\":1,\"ended\":2,\"tries\":1,\"end\":\"absent\",\"place\":1}";
    assert!(told(&format!("{head}{entry}")).contains("cut short in line 2"));
    assert!(told(&format!("{head}{}\n", entry.replace("\"ended\":2", "\"ended\":0"))).contains("before it was sent"));
    assert!(told(&format!("{head}{}\n", entry.replace(",\"place\":1", ""))).contains("has a place"));
    assert_eq!(Histories::default().add("h", format!("{head}{entry}\n").as_bytes()), Ok(()));
}

#[test]
fn clocks_of_different_machines_are_not_compared() {
    let line = |client: u32, op: &str, sent: u64, place: &str| {
        format!(
            "{{\"client\":\"{client}\",\"seq\":1,\"op\":\"get\",\"key\":\"{op}\",\"sent\":{sent},\"ended\":{},\"tries\":1,\"end\":\"absent\",\"place\":{place}}}\n",
            sent + 1
        )
    };
    let judged = |clock: &str| {
        let mut histories = Histories::default();
        histories.add("a", format!("{{\"history\":1,\"clock\":\"a\"}}\n{}", line(1, "k", 10, "5")).as_bytes()).unwrap();
        histories
            .add("b", format!("{{\"history\":1,\"clock\":\"{clock}\"}}\n{}", line(2, "k", 20, "4")).as_bytes())
            .unwrap();
        judge(&histories, false).count(Kind::Stale)
    };
    assert_eq!(judged("a"), 1, "on one clock the second was sent after the first had been answered");
    assert_eq!(judged("b"), 0);
}

#[test]
fn a_second_execution_that_nobody_saw_leaves_a_hole() {
    let line = |client: u32, place: u64, op: &str, end: &str| {
        let place = if end == "ok" { format!(",\"place\":{place}") } else { String::new() };
        format!(
            "{{\"client\":\"{client}\",\"seq\":1,\"op\":\"{op}\",\"key\":\"\",\"sent\":1,\"ended\":2,\"tries\":1,\"end\":\"{end}\"{place}}}\n"
        )
    };
    let judged = |last: String, whole: bool| {
        let mut histories = Histories::default();
        let head = "{\"history\":1,\"clock\":\"a\"}\n";
        let text = format!("{head}{}{}{last}", line(1, 7, "open", "ok"), line(2, 8, "open", "ok"));
        histories.add("a", text.as_bytes()).unwrap();
        let verdict = judge(&histories, whole);
        (verdict.count(Kind::Doubled), verdict.is_good(true))
    };
    assert_eq!(judged(line(3, 9, "open", "ok"), true), (0, true));
    assert_eq!(judged(line(3, 11, "open", "ok"), true), (2, false));
    assert_eq!(judged(line(3, 11, "open", "ok"), false), (0, true));
    let silent = line(4, 0, "open", "unknown");
    assert_eq!(judged(format!("{}{silent}", line(3, 11, "open", "ok")), true), (1, false));
    assert_eq!(judged(format!("{}{silent}", line(3, 10, "open", "ok")), true), (0, true));
}
