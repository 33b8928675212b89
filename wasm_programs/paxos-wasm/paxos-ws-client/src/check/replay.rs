//! Second pass: all requests in the order of their places, on a map, must give every client the answer that it got.

use super::{Histories, Kind, Request, Verdict};
use crate::history::{Ending, Op, Place};
use std::collections::HashMap;

/// What a key holds.
#[derive(Clone, Copy)]
enum Held {
    /// No request has told yet.
    Untold,
    Absent,
    /// A value (`None`: of a request that was never answered; which one, a read will tell) and the place of its write.
    Value(Option<u32>, Place),
}

impl Held {
    fn version(self) -> Option<Place> {
        match self {
            Self::Value(_, version) => Some(version),
            Self::Untold | Self::Absent => None,
        }
    }
}

/// Requests without an answer: they may have been executed, once, at a place that nobody was told.
struct Unanswered {
    /// By value: the request, and the version at which it was found.
    writes: HashMap<u32, (usize, Option<Place>)>,
    /// Per key: how many writes have not been found yet, and how many deletes.
    left: HashMap<u32, (u32, u32)>,
}

impl Unanswered {
    fn of(histories: &Histories) -> Self {
        let mut all = Self { writes: HashMap::new(), left: HashMap::new() };
        for (at, request) in histories.requests.iter().enumerate() {
            if request.end != Ending::Unknown || matches!(request.op, Op::Open | Op::Get) {
                continue;
            }
            let left = all.left.entry(request.key).or_default();
            match request.value {
                Some(value) => {
                    all.writes.insert(value, (at, None));
                    left.0 += 1;
                }
                None => left.1 += 1,
            }
        }
        all
    }

    fn take_write(&mut self, key: u32) -> bool {
        self.left.get_mut(&key).is_some_and(|left| {
            left.0 > 0 && {
                left.0 -= 1;
                true
            }
        })
    }

    fn take_delete(&mut self, key: u32) -> bool {
        self.left.get_mut(&key).is_some_and(|left| {
            left.1 > 0 && {
                left.1 -= 1;
                true
            }
        })
    }
}

struct Replay<'a> {
    histories: &'a Histories,
    held: Vec<Held>,
    /// Which answered request wrote a value.
    writers: HashMap<u32, usize>,
    /// Where each version was found for the last time.
    last_found: HashMap<Place, Place>,
    /// The first place of all: older versions are from before these histories.
    begin: Place,
    unanswered: Unanswered,
}

pub(super) fn check(histories: &Histories, order: &[u32], verdict: &mut Verdict) {
    let Some(begin) = order.first().and_then(|at| histories.requests[*at as usize].place) else { return };
    let mut writers = HashMap::new();
    let mut last_found = HashMap::new();
    let mut first = true;
    for at in order.iter().map(|at| *at as usize) {
        let request = &histories.requests[at];
        if request.writes()
            && let Some(value) = request.value
            && let Some(other) = writers.insert(value, at)
        {
            verdict.add(Kind::Wrong, at, &mut first, || {
                format!(
                    "the same value was written by another request; no judgement without unique values: {}",
                    histories.describe(other)
                )
            });
        }
        if let (Some(found), Some(place)) = (request.found, request.place) {
            last_found.insert(found, place);
        }
    }
    let unanswered = Unanswered::of(histories);
    let held = vec![Held::Untold; histories.keys()];
    let mut replay = Replay { histories, held, writers, last_found, begin, unanswered };
    let mut before = None;
    for at in order.iter().map(|at| *at as usize) {
        let request = &histories.requests[at];
        let Some(place) = request.place else { continue };
        if before == Some(place) {
            verdict.add(Kind::Wrong, at, &mut first, || format!("another request was executed at {place} too"));
        }
        before = Some(place);
        if request.op == Op::Open {
            if request.end != Ending::Ok {
                verdict.add(Kind::Wrong, at, &mut first, || "a session is opened or not, nothing else".to_owned());
            }
            continue;
        }
        if let Err((kind, text)) = replay.step(request, place) {
            verdict.add(kind, at, &mut first, || text);
        }
        replay.held[request.key as usize] = after(request, place, replay.held[request.key as usize]);
    }
}

/// What the key holds after the request, by its answer.
fn after(request: &Request, place: Place, held: Held) -> Held {
    match (request.op, request.end) {
        (Op::Put | Op::Cas, Ending::Ok) => Held::Value(request.value, place),
        (Op::Delete, _) | (Op::Get | Op::Cas, Ending::Absent) => Held::Absent,
        // A value that a request told is known from now on, even when it fits nothing: one mistake is told once.
        (Op::Get, _) => request.found.map_or(held, |found| Held::Value(request.got, found)),
        _ => match (request.found, held) {
            (Some(found), Held::Value(value, version)) if version == found => Held::Value(value, version),
            (Some(found), _) => Held::Value(None, found),
            (None, held) => held,
        },
    }
}

impl Replay<'_> {
    /// Whether the answer of `request`, executed at `place`, fits what its key holds.
    fn step(&mut self, request: &Request, place: Place) -> Result<(), (Kind, String)> {
        let shape = match (request.op, request.end) {
            (Op::Put, Ending::Ok) => true,
            (Op::Get, Ending::Ok) => request.found.is_some() && request.got.is_some(),
            (Op::Delete, Ending::Ok) | (Op::Cas, Ending::Ok | Ending::Differs) => request.found.is_some(),
            (Op::Get | Op::Delete | Op::Cas, Ending::Absent) => request.found.is_none(),
            _ => false,
        };
        if !shape {
            return Err((Kind::Wrong, "no request of this kind is answered so".to_owned()));
        }
        let held = self.held[request.key as usize];
        let value = match (request.found, held.version()) {
            (Some(found), _) if found >= place => {
                return Err((Kind::Wrong, format!("it found version {found}, which was not written yet")));
            }
            (found, version) if found == version => match held {
                Held::Value(value, _) => value,
                Held::Untold | Held::Absent => None,
            },
            // Before the first request that tells what a key holds, it holds what was there before.
            (Some(found), None) if matches!(held, Held::Untold) && found < self.begin => None,
            (Some(found), version) if version.is_none_or(|version| version < found) => self.newcomer(request, found)?,
            (found, Some(version)) => return self.missing(request, place, found, version),
            (None | Some(_), None) => None,
        };
        let Some(value) = value else {
            // Of an older or unanswered request: a read tells which.
            return match request.got {
                Some(got) => self.told(request, got),
                None => Ok(()),
            };
        };
        let text = |number| self.histories.value(number);
        match (request.op, request.end) {
            (Op::Get, _) if request.got != Some(value) => {
                let got = request.got.map_or("", text);
                Err((
                    Kind::Wrong,
                    format!(
                        "version {} of this key holds {}, not {got}",
                        request.found.unwrap_or_default(),
                        text(value)
                    ),
                ))
            }
            (Op::Cas, Ending::Ok) if request.expected != Some(value) => {
                Err((Kind::Wrong, format!("it wrote, although the key held {}", text(value))))
            }
            (Op::Cas, Ending::Differs) if request.expected == Some(value) => {
                Err((Kind::Wrong, "it did not write, although the key held the value that it expected".to_owned()))
            }
            _ => Ok(()),
        }
    }

    /// A version that no answered request made has been found: only a request without an answer explains it.
    fn newcomer(&mut self, request: &Request, found: Place) -> Result<Option<u32>, (Kind, String)> {
        if let Some(got) = request.got {
            if let Some((writer, _)) = self.unanswered.writes.get(&got).copied()
                && self.histories.requests[writer].key == request.key
            {
                self.unanswered.take_write(request.key);
            }
            // `told` says whether the value may be here.
            return Ok(None);
        }
        if self.unanswered.take_write(request.key) {
            return Ok(None);
        }
        Err((
            Kind::Doubled,
            format!(
                "it found version {found}, but no request in these histories was executed at {found} for the first time, \
                 and none is left without an answer: one was executed again there"
            ),
        ))
    }

    /// A read has told the value of a version whose writer was not known.
    fn told(&mut self, request: &Request, got: u32) -> Result<(), (Kind, String)> {
        let found = request.found.unwrap_or_default();
        if let Some(writer) = self.writers.get(&got) {
            let place = self.histories.requests[*writer].place.unwrap_or_default();
            let text = self.histories.describe(*writer);
            return Err(if self.histories.requests[*writer].key == request.key {
                (
                    Kind::Doubled,
                    format!("it found at {found} what was written at {place}: the request was executed twice: {text}"),
                )
            } else {
                (Kind::Wrong, format!("it found what was written for another key: {text}"))
            });
        }
        if let Some((writer, version)) = self.unanswered.writes.get_mut(&got) {
            let text = self.histories.describe(*writer);
            if self.histories.requests[*writer].key != request.key {
                return Err((Kind::Wrong, format!("it found what was written for another key: {text}")));
            }
            if let Some(version) = version.filter(|version| *version != found) {
                return Err((
                    Kind::Doubled,
                    format!(
                        "it found at {found} what had been found at {version} before: the request was executed twice: {text}"
                    ),
                ));
            }
            *version = Some(found);
            return Ok(());
        }
        if found < self.begin {
            return Ok(());
        }
        Err((Kind::Wrong, format!("it found {}, which nobody wrote", self.histories.value(got))))
    }

    /// The version that should be there was not found.
    fn missing(
        &mut self,
        request: &Request,
        place: Place,
        found: Option<Place>,
        version: Place,
    ) -> Result<(), (Kind, String)> {
        if found.is_none() && self.unanswered.take_delete(request.key) {
            return Ok(());
        }
        let what = found.map_or("nothing".to_owned(), |found| format!("version {found}"));
        // Whoever wrote what should be there; nobody, when it is from before or unanswered.
        let held = match self.held[request.key as usize] {
            Held::Value(Some(value), _) => self.writers.get(&value).map(|writer| self.histories.describe(*writer)),
            _ => None,
        };
        let held = held.unwrap_or_else(|| "a write of an earlier time".to_owned());
        if self.last_found.get(&version).is_some_and(|last| *last > place) {
            return Err((
                Kind::Stale,
                format!("it found {what}, although version {version} was there, which later requests found: {held}"),
            ));
        }
        Err((
            Kind::Lost,
            format!("it found {what}; version {version}, which was acknowledged, was never found from here on: {held}"),
        ))
    }
}
