//! The ready lists against a naive epoll, which keeps no lists: it looks through all watches whenever it is asked.

use super::*;
use crate::abi::types::epoll::{ERR, HUP, OUT};
use crate::eventfd::EventId;
use proptest::prelude::*;

/// Descriptions 0 to 5 are plain sources, 6 to 9 are sets.
const PLAIN: usize = 6;
const SETS: usize = 4;
const OWNER: Pid = Pid(1);

/// An open file description: the numbers that stand for it, and what is so of it.
#[derive(Clone, Debug, Default)]
struct Description {
    numbers: BTreeSet<u32>,
    ready: u32,
    gone: bool,
}

#[derive(Clone, Debug)]
struct NaiveWatch {
    set: usize,
    fd: u32,
    of: usize,
    asked: Asked,
    /// When it was put among those to look at, if it is among them.
    since: Option<u64>,
}

/// All watches in the order in which they began.
#[derive(Clone, Debug, Default)]
struct Naive {
    descriptions: Vec<Description>,
    watches: Vec<NaiveWatch>,
    clock: u64,
}

impl Naive {
    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    /// Those of a set that are to be looked at, oldest first.
    fn candidates(&self, set: usize) -> Vec<usize> {
        let mut found: Vec<usize> = (0..self.watches.len()).filter(|n| self.watches[*n].set == set).collect();
        found.retain(|n| self.watches[*n].since.is_some());
        found.sort_by_key(|n| self.watches[*n].since);
        found
    }

    fn readiness(&mut self, of: usize) -> u32 {
        if of < PLAIN {
            return self.descriptions[of].ready;
        }
        for n in self.candidates(of - PLAIN) {
            if self.readiness(self.watches[n].of) & self.watches[n].asked.events != 0 {
                return IN | RDNORM;
            }
            self.watches[n].since = None;
        }
        0
    }

    fn news(&mut self, of: usize, bits: u32, told: &mut BTreeSet<usize>) {
        for n in (0..self.watches.len()).rev() {
            let watch = &self.watches[n];
            let events = watch.asked.events;
            if watch.of != of || events & !PRIVATE == 0 || events & bits == 0 {
                continue;
            }
            let set = watch.set;
            let now = self.tick();
            self.watches[n].since.get_or_insert(now);
            if told.insert(set) {
                self.news(PLAIN + set, IN | RDNORM, told);
            }
        }
    }

    /// What was asked for has changed.
    fn look_at(&mut self, n: usize) {
        let NaiveWatch { set, of, asked, since, .. } = self.watches[n];
        if since.is_none() && self.readiness(of) & asked.events != 0 {
            self.watches[n].since = Some(self.tick());
            self.news(PLAIN + set, IN | RDNORM, &mut BTreeSet::from([set]));
        }
    }

    fn take(&mut self, set: usize, max: usize) -> Vec<(u32, u64)> {
        let mut given = Vec::new();
        for n in self.candidates(set) {
            if given.len() == max {
                break;
            }
            let asked = self.watches[n].asked;
            let events = self.readiness(self.watches[n].of) & asked.events;
            self.watches[n].since = None;
            if events == 0 {
                continue;
            }
            given.push((events, asked.data));
            if asked.events & ONESHOT != 0 {
                self.watches[n].asked.events &= PRIVATE;
            } else if asked.events & EDGE == 0 {
                self.watches[n].since = Some(self.tick());
            }
        }
        given
    }

    /// Steps down from a set, `None` when they lead to `sought`.
    fn below(&self, from: usize, sought: usize) -> Option<usize> {
        if from == sought {
            return None;
        }
        let inner = self.watches.iter().filter(|watch| watch.set == from && watch.of >= PLAIN);
        let steps: Option<Vec<usize>> = inner.map(|watch| Some(self.below(watch.of - PLAIN, sought)? + 1)).collect();
        Some(steps?.into_iter().max().unwrap_or(0))
    }

    fn above(&self, from: usize) -> usize {
        let outer = self.watches.iter().filter(|watch| watch.of == PLAIN + from);
        outer.map(|watch| self.above(watch.set) + 1).max().unwrap_or(0)
    }

    fn add(&mut self, set: usize, fd: u32, of: usize, asked: Asked) -> Result<(), Errno> {
        let nested = of >= PLAIN;
        if asked.events & EXCLUSIVE != 0 && (nested || asked.events & ONESHOT != 0) {
            return Err(Errno::Inval);
        }
        if nested {
            let below = self.below(of - PLAIN, set).ok_or(Errno::Loop)?;
            if below + 1 + self.above(set) > 4 {
                return Err(Errno::Loop);
            }
        }
        if self.watches.iter().any(|watch| (watch.set, watch.fd, watch.of) == (set, fd, of)) {
            return Err(Errno::Exist);
        }
        let asked = Asked { events: asked.events | ERR | HUP, ..asked };
        self.watches.push(NaiveWatch { set, fd, of, asked, since: None });
        self.look_at(self.watches.len() - 1);
        Ok(())
    }

    fn find(&self, set: usize, fd: u32, of: usize) -> Result<usize, Errno> {
        let it = self.watches.iter().position(|watch| (watch.set, watch.fd, watch.of) == (set, fd, of));
        it.ok_or(Errno::NoEnt)
    }

    fn modify(&mut self, set: usize, fd: u32, of: usize, asked: Asked) -> Result<(), Errno> {
        if asked.events & EXCLUSIVE != 0 {
            return Err(Errno::Inval);
        }
        let n = self.find(set, fd, of)?;
        if self.watches[n].asked.events & EXCLUSIVE != 0 {
            return Err(Errno::Inval);
        }
        self.watches[n].asked = Asked { events: asked.events | ERR | HUP, ..asked };
        self.look_at(n);
        Ok(())
    }

    /// Recomputed without anything that was kept: which level-triggered watches have something to tell.
    fn level(&mut self, set: usize) -> BTreeSet<u64> {
        let mut found = BTreeSet::new();
        for n in 0..self.watches.len() {
            let NaiveWatch { set: its, of, asked, .. } = self.watches[n];
            let mut scratch = self.clone();
            if its == set && asked.events & EDGE == 0 && scratch.readiness(of) & asked.events != 0 {
                found.insert(asked.data);
            }
        }
        found
    }
}

#[derive(Clone, Debug)]
enum Op {
    Add(usize, u32, u32),
    Modify(usize, u32, u32),
    Delete(usize, u32),
    /// Bits become so; that is news.
    Arrive(usize, u32),
    /// Bits are no longer so; that is none.
    Leave(usize, u32),
    Take(usize, u32),
    Poll(usize),
    Dup(u32),
    Close(u32),
}

fn op() -> impl Strategy<Value = Op> {
    let bits = prop_oneof![Just(IN), Just(OUT), Just(IN | OUT), Just(ERR), Just(HUP | IN)];
    let asked = (prop_oneof![Just(IN), Just(OUT), Just(IN | OUT), Just(0)], 0_u32..8).prop_map(|(bits, how)| {
        bits | match how {
            0 | 1 => EDGE,
            2 => ONESHOT,
            3 => EDGE | ONESHOT,
            4 => EXCLUSIVE,
            _ => 0,
        }
    });
    let (set, fd, plain) = (0..SETS, 0_u32..14, 0..PLAIN);
    prop_oneof![
        6 => (set.clone(), fd.clone(), asked.clone()).prop_map(|(set, fd, asked)| Op::Add(set, fd, asked)),
        2 => (set.clone(), fd.clone(), asked).prop_map(|(set, fd, asked)| Op::Modify(set, fd, asked)),
        1 => (set.clone(), fd.clone()).prop_map(|(set, fd)| Op::Delete(set, fd)),
        6 => (plain.clone(), bits.clone()).prop_map(|(of, bits)| Op::Arrive(of, bits)),
        4 => (plain, bits).prop_map(|(of, bits)| Op::Leave(of, bits)),
        6 => (set.clone(), 1_u32..8).prop_map(|(set, max)| Op::Take(set, max)),
        1 => set.prop_map(Op::Poll),
        1 => fd.clone().prop_map(Op::Dup),
        1 => fd.prop_map(Op::Close),
    ]
}

/// The sets, the descriptions' own handles, and the naive epoll beside them.
struct World {
    epolls: Epolls,
    ids: Vec<Option<EpollId>>,
    handles: Vec<Option<Watched>>,
    naive: Naive,
    /// What each number stands for.
    table: BTreeMap<u32, usize>,
}

impl World {
    fn new() -> Self {
        let mut epolls = Epolls::default();
        let ids = (0..SETS).map(|_| Some(epolls.create(OWNER))).collect();
        let mut naive = Naive::default();
        let mut table = BTreeMap::new();
        for fd in 0..(PLAIN + SETS) as u32 {
            naive.descriptions.push(Description { numbers: BTreeSet::from([fd]), ..Description::default() });
            table.insert(fd, fd as usize);
        }
        Self { epolls, ids, handles: vec![None; PLAIN + SETS], naive, table }
    }

    fn source(&self, of: usize) -> Source {
        match of.checked_sub(PLAIN).and_then(|set| self.ids[set]) {
            Some(id) => Source::Epoll(id),
            None => Source::Event(EventId(of as u32)),
        }
    }

    fn run(&mut self, step: u64, op: &Op) {
        let descriptions = self.naive.descriptions.clone();
        let mut look = |source| match source {
            Source::Event(EventId(of)) => descriptions[of as usize].ready,
            other => panic!("{other:?}"),
        };
        match *op {
            Op::Add(set, fd, events) | Op::Modify(set, fd, events) => {
                let (Some(id), Some(&of)) = (self.ids[set], self.table.get(&fd)) else { return };
                let (asked, source) = (Asked { events, data: step }, self.source(of));
                if of == PLAIN + set {
                    // That is refused before it comes here.
                } else if let Op::Add(..) = op {
                    let got = self.epolls.add(id, fd, (&mut self.handles[of], source), asked, 100, &mut look);
                    assert_eq!(got, self.naive.add(set, fd, of, asked));
                } else {
                    let got = self.epolls.modify(id, fd, self.handles[of], asked, &mut look);
                    assert_eq!(got, self.naive.modify(set, fd, of, asked));
                }
            }
            Op::Delete(set, fd) => {
                let (Some(id), Some(&of)) = (self.ids[set], self.table.get(&fd)) else { return };
                let got = self.epolls.delete(id, fd, self.handles[of]);
                let want = self.naive.find(set, fd, of);
                assert_eq!(got, want.map(|_| ()));
                if let Ok(n) = want {
                    self.naive.watches.remove(n);
                }
            }
            Op::Arrive(of, bits) => {
                if self.naive.descriptions[of].gone {
                    return;
                }
                self.naive.descriptions[of].ready |= bits;
                // Errors and ends are told to everybody.
                let bits = if bits & (ERR | HUP) != 0 { ANYTHING } else { bits };
                if let Some(list) = self.handles[of] {
                    self.epolls.news(list, bits, 0);
                }
                self.naive.news(of, bits, &mut BTreeSet::new());
            }
            Op::Leave(of, bits) => self.naive.descriptions[of].ready &= !bits,
            Op::Take(set, max) => {
                let Some(id) = self.ids[set] else { return };
                let level = self.naive.level(set);
                let mut got = Vec::new();
                let n = self.epolls.take(id, max, &mut look, |asked| got.push((asked.events, asked.data)));
                assert_eq!(n as usize, got.len());
                assert_eq!(got, self.naive.take(set, max as usize));
                // No level-triggered one that is ready is missing.
                let found: BTreeSet<u64> = got.iter().map(|it| it.1).collect();
                assert!(got.len() == max as usize || level.is_subset(&found), "{level:?} {found:?}");
            }
            Op::Poll(set) => {
                let Some(id) = self.ids[set] else { return };
                let got = self.epolls.readiness(Source::Epoll(id), &mut look);
                assert_eq!(got, self.naive.readiness(PLAIN + set));
            }
            Op::Dup(fd) => {
                let Some(&of) = self.table.get(&fd) else { return };
                let Some(free) = (0..14).find(|fd| !self.table.contains_key(fd)) else { return };
                self.table.insert(free, of);
                self.naive.descriptions[of].numbers.insert(free);
            }
            Op::Close(fd) => {
                let Some(of) = self.table.remove(&fd) else { return };
                let numbers = &mut self.naive.descriptions[of].numbers;
                numbers.remove(&fd);
                if numbers.is_empty() {
                    self.gone(of);
                }
            }
        }
    }

    /// The last number of a description is closed.
    fn gone(&mut self, of: usize) {
        self.naive.descriptions[of].gone = true;
        if let Some(list) = self.handles[of].take() {
            self.epolls.forget(list);
        }
        self.naive.watches.retain(|watch| watch.of != of);
        if let Some(set) = of.checked_sub(PLAIN) {
            if let Some(id) = self.ids[set].take() {
                self.epolls.close(id);
            }
            self.naive.watches.retain(|watch| watch.set != set);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, ..ProptestConfig::default() })]

    /// Same events in the same order, whatever happened before; and nothing is left when all is closed.
    #[test]
    fn the_lists_tell_what_looking_at_everything_tells(ops in prop::collection::vec(op(), 0..120)) {
        let mut world = World::new();
        for (step, op) in (0..).zip(&ops) {
            world.run(step, op);
            prop_assert_eq!(world.epolls.held.get(&OWNER).copied().unwrap_or(0) as usize, world.naive.watches.len());
        }
        for of in 0..PLAIN + SETS {
            if !world.naive.descriptions[of].gone {
                world.gone(of);
            }
        }
        prop_assert_eq!(world.epolls.len(), (0, 0));
        prop_assert!(world.epolls.held.is_empty());
    }
}

fn asked(events: u32, data: u64) -> Asked {
    Asked { events, data }
}

fn take(epolls: &mut Epolls, id: EpollId, max: u32, ready: u32) -> Vec<u64> {
    let mut got = Vec::new();
    epolls.take(id, max, &mut |_| ready, |asked| got.push(asked.data));
    got
}

/// As Linux answers when six counters are watched and all are ready.
#[test]
fn nobody_starves() {
    let mut epolls = Epolls::default();
    let id = epolls.create(OWNER);
    for fd in 0..6 {
        let source = Source::Event(EventId(fd));
        epolls.add(id, fd, (&mut None, source), asked(IN, fd.into()), 10, &mut |_| IN).unwrap();
    }
    assert_eq!(take(&mut epolls, id, 2, IN), [0, 1]);
    assert_eq!(take(&mut epolls, id, 2, IN), [2, 3]);
    assert_eq!(take(&mut epolls, id, 4, IN), [4, 5, 0, 1]);
    assert_eq!(take(&mut epolls, id, 6, IN), [2, 3, 4, 5, 0, 1]);
}

#[test]
fn a_process_has_so_many_watches_and_no_more() {
    let mut epolls = Epolls::default();
    let (id, other) = (epolls.create(OWNER), epolls.create(Pid(2)));
    let mut add = |id, fd| {
        let mut watched = None;
        let source = Source::Event(EventId(fd));
        let added = epolls.add(id, fd, (&mut watched, source), asked(IN, 0), 2, &mut |_| 0);
        (added, watched)
    };
    let (first, list) = add(id, 0);
    assert_eq!((first, add(id, 1).0), (Ok(()), Ok(())));
    assert_eq!(add(id, 2), (Err(Errno::NoSpc), None));
    assert_eq!(add(other, 2).0, Ok(()));
    epolls.delete(id, 0, list).unwrap();
    epolls.close(other);
    let source = Source::Event(EventId(3));
    assert_eq!(epolls.add(id, 3, (&mut None, source), asked(IN, 0), 2, &mut |_| 0), Ok(()));
}

/// Five sets in a row, however they are put together; no circle.
#[test]
fn rows_of_sets_are_short() {
    for bottom_up in [true, false] {
        let mut epolls = Epolls::default();
        let ids: Vec<EpollId> = (0..8).map(|_| epolls.create(OWNER)).collect();
        let mut handles = [None; 8];
        let mut add = |outer: usize, inner: usize| {
            let source = Source::Epoll(ids[inner]);
            epolls.add(ids[outer], inner as u32, (&mut handles[inner], source), asked(IN, 0), 100, &mut |_| 0)
        };
        for n in 1..8 {
            let row = if bottom_up { (n, n - 1) } else { (n - 1, n) };
            assert_eq!(add(row.0, row.1), if n == 5 { Err(Errno::Loop) } else { Ok(()) }, "{n}");
        }
        let (top, bottom) = if bottom_up { (4, 0) } else { (0, 4) };
        assert_eq!(add(bottom, top), Err(Errno::Loop));
    }
}

/// A wait for a set ends with news of what it watches, through other sets too.
#[test]
fn news_end_waits() {
    let mut epolls = Epolls::default();
    let (inner, outer) = (epolls.create(OWNER), epolls.create(OWNER));
    let (mut plain, mut set) = (None, None);
    let source = Source::Event(EventId(0));
    epolls.add(inner, 0, (&mut plain, source), asked(IN, 0), 10, &mut |_| 0).unwrap();
    epolls.add(outer, 1, (&mut set, Source::Epoll(inner)), asked(IN, 0), 10, &mut |_| 0).unwrap();
    epolls.await_news(outer, 7);
    let list = plain.unwrap();
    assert!(!epolls.news(list, IN, 0) && !epolls.news(list, IN, 6) && !epolls.news(list, OUT, 7));
    assert!(epolls.news(list, IN, 7));
    epolls.await_news(outer, 0);
    assert!(!epolls.news(list, IN, 7));
    epolls.await_news(inner, 8);
    assert!(epolls.news(list, ANYTHING, 8));
}
