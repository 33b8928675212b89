//! Which operations meet. Two of them meet when one has observed what the other changes; the cells that an operation touches are written
//! down here, and tried on pairs.
//!
//! Sound: when running one first changes the other's answer, they meet. Precise: where the documentation says that two do not meet, they do not.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::ops::Bound;

use proptest::prelude::*;
use replicode_contracts::cell::{Access, Bounds, CellKey, Maps, Mark};
use replicode_contracts::collection::{Direction, List, Map, Range, Set, SortedSet};
use replicode_contracts::slice::{Kind, Layout, Slices};

const ANN: [u8; 20] = [1; 20];

/// What one operation has observed and changed. Additions without bounds observe nothing and change the sum for its readers.
#[derive(Clone, Debug, Default)]
struct Touched {
    observed: BTreeSet<CellKey>,
    set: BTreeSet<CellKey>,
    added: BTreeSet<CellKey>,
}

impl Touched {
    /// Whether a parallel engine would have to run one of the two again.
    fn meets(&self, other: &Touched) -> bool {
        let changes =
            |one: &Touched, other: &Touched| one.set.iter().chain(&one.added).any(|key| other.observed.contains(key));
        changes(self, other) || changes(other, self)
    }

    /// The same, and whether both write a cell that neither reads: the later one wins, nobody runs again.
    fn writes_the_same(&self, other: &Touched) -> bool {
        self.set.intersection(&other.set).next().is_some()
    }
}

/// An access that writes down what it does. A cell that one has set oneself is not observed by reading it.
struct Spy {
    cells: Maps,
    touched: Touched,
}

impl Access for Spy {
    type Error = Infallible;
    fn get(&mut self, key: &CellKey, into: &mut Vec<u8>) -> Result<bool, Infallible> {
        if !self.touched.set.contains(key) {
            self.touched.observed.insert(*key);
        }
        self.cells.get(key, into)
    }
    fn set(&mut self, key: &CellKey, value: &[u8]) -> Result<(), Infallible> {
        self.touched.set.insert(*key);
        self.cells.set(key, value)
    }
    fn remove(&mut self, key: &CellKey) -> Result<(), Infallible> {
        self.touched.set.insert(*key);
        self.cells.remove(key)
    }
    fn sum(&mut self, key: &CellKey) -> Result<i128, Infallible> {
        self.touched.observed.insert(*key);
        self.cells.sum(key)
    }
    fn add(&mut self, key: &CellKey, delta: i128, within: Bounds) -> Result<bool, Infallible> {
        self.touched.added.insert(*key);
        self.cells.add(key, delta, within)
    }
    fn fresh(&mut self) -> Result<[u8; 32], Infallible> {
        self.cells.fresh()
    }
    fn mark(&mut self) -> Mark {
        self.cells.mark()
    }
    fn roll_back(&mut self, to: Mark) {
        self.cells.roll_back(to);
    }
}

/// What `f` touches over these cells, which stay as they are.
fn touched<T>(cells: &Maps, f: impl FnOnce(&mut Spy) -> T) -> (Touched, T, Maps) {
    let mut spy = Spy { cells: cells.clone(), touched: Touched::default() };
    let out = f(&mut spy);
    (spy.touched, out, spy.cells)
}

struct Contract {
    cells: Maps,
    list: List,
    map: Map,
    set: Set,
    sorted: SortedSet,
    layout: Layout,
}

fn contract() -> Contract {
    let kinds = [
        (Kind::List, 32),
        (Kind::Map, 32),
        (Kind::Set, 32),
        (Kind::SortedSet, 32),
        (Kind::Bytes, 8),
        (Kind::Bytes, 8),
        (Kind::Counter, 16),
    ];
    let layout = Layout::packed(4096, &kinds).unwrap();
    let slices = Slices::of(&ANN, &layout);
    let at = |index| slices.collection(index).unwrap();
    let (list, map) = (at(0).list().unwrap(), at(1).map().unwrap());
    let (set, sorted) = (at(2).set().unwrap(), at(3).sorted_set().unwrap());
    Contract { cells: Maps::new(), list, map, set, sorted, layout }
}

/// A contract whose sorted set holds these numbers, big-endian.
fn numbers(all: impl IntoIterator<Item = u32>) -> Contract {
    let mut contract = contract();
    for n in all {
        contract.sorted.insert(&mut contract.cells, &key(n)).unwrap();
    }
    contract
}

fn key(n: u32) -> [u8; 4] {
    n.to_be_bytes()
}

#[test]
fn slices_of_one_page_never_meet() {
    let contract = contract();
    let slices = Slices::of(&ANN, &contract.layout);
    let write = |index: u32| touched(&contract.cells, |access| slices.write(access, index, &[1; 8]).unwrap()).0;
    let read = |index: u32| touched(&contract.cells, |access| slices.read(access, index, &mut Vec::new()).unwrap()).0;
    assert!(!write(4).meets(&write(5)) && !write(4).meets(&read(5)) && !write(4).writes_the_same(&write(5)));
    assert!(write(4).meets(&read(4)));
    assert!(!write(4).meets(&write(4)), "two that only write: the later one wins");
}

#[test]
fn elements_are_units_of_conflict() {
    let mut contract = contract();
    for n in 0..100_u8 {
        contract.list.push(&mut contract.cells, &[n]).unwrap();
        contract.map.insert(&mut contract.cells, &[n], &[n]).unwrap();
    }
    let (list, map) = (contract.list, contract.map);
    let set = |at: u64| touched(&contract.cells, |access| list.set(access, at, b"new").unwrap()).0;
    let get = |at: u64| touched(&contract.cells, |access| list.get(access, at).unwrap()).0;
    assert!(!set(1).meets(&set(2)) && !set(1).meets(&get(2)) && set(1).meets(&get(1)));
    let len = touched(&contract.cells, |access| list.len(access).unwrap()).0;
    assert!(!len.meets(&set(1)), "a length does not meet what leaves it as it is");
    let push = touched(&contract.cells, |access| list.push(access, b"v").unwrap()).0;
    assert!(push.meets(&len) && !push.meets(&set(1)) && !push.meets(&get(99)));
    assert!(push.meets(&get(100)), "whoever has seen that there is none");
    let insert = |key: u8| touched(&contract.cells, |access| map.insert(access, &[key], b"new").unwrap()).0;
    let get = |key: u8| touched(&contract.cells, |access| map.get(access, &[key]).unwrap()).0;
    let len = touched(&contract.cells, |access| map.len(access).unwrap()).0;
    let keys = touched(&contract.cells, |access| map.keys(access, &Range::forward(200)).unwrap()).0;
    assert!(!insert(1).meets(&insert(2)) && !insert(1).meets(&get(2)) && insert(1).meets(&get(1)));
    assert!(!insert(1).meets(&len) && !insert(1).meets(&keys), "the key was there");
    assert!(insert(200).meets(&len) && insert(200).meets(&keys), "the key is new");
}

#[test]
fn additions_do_not_meet() {
    let mut contract = contract();
    contract.map.add(&mut contract.cells, b"balance", 100, Bounds::NOT_NEGATIVE).unwrap();
    let map = contract.map;
    let slices = Slices::of(&ANN, &contract.layout);
    let add = |n| touched(&contract.cells, |access| map.add(access, b"balance", n, Bounds::NONE).unwrap()).0;
    let get = touched(&contract.cells, |access| map.get(access, b"balance").unwrap()).0;
    assert!(!add(1).meets(&add(-1)) && add(1).meets(&get));
    let add = |n| touched(&contract.cells, |access| slices.add(access, 6, n, Bounds::NONE).unwrap()).0;
    let sum = touched(&contract.cells, |access| slices.sum(access, 6).unwrap()).0;
    assert!(!add(1).meets(&add(2)) && add(1).meets(&sum));
}

/// Insertions far from each other do not meet, though each changes the length and the weights on its way.
#[test]
fn insertions_into_different_gaps_do_not_meet() {
    let mut contract = numbers((0..1000).map(|n| n * 1000));
    for n in 0..1000_u32 {
        contract.set.insert(&mut contract.cells, &key(n)).unwrap();
    }
    let insert = |n: u32| touched(&contract.cells, |access| contract.sorted.insert(access, &key(n)).unwrap()).0;
    let remove = |n: u32| touched(&contract.cells, |access| contract.sorted.remove(access, &key(n)).unwrap()).0;
    let changes: Vec<Touched> =
        (0..40).map(|n| insert(n * 25_000 + 500)).chain((0..40).map(|n| remove(n * 25_000 + 12_000))).collect();
    let meeting = pairs(&changes);
    assert_eq!(meeting, 0, "of {} pairs", changes.len() * (changes.len() - 1) / 2);
    let insert = |n: u32| touched(&contract.cells, |access| contract.set.insert(access, &key(n)).unwrap()).0;
    let changes: Vec<Touched> = (5000..5040).map(insert).collect();
    let all = changes.len() * (changes.len() - 1) / 2;
    // Places by hash are random: two of forty may fall into one gap of a thousand, or displace each other's branch.
    assert!(pairs(&changes) * 50 <= all, "{} of {all}", pairs(&changes));
}

fn pairs(changes: &[Touched]) -> usize {
    let pair = |(at, one): (usize, &Touched)| {
        changes[at + 1..].iter().filter(|other| one.meets(other) || one.writes_the_same(other)).count()
    };
    changes.iter().enumerate().map(pair).sum()
}

/// First, last, neighbours of keys that are there, and ranges: they meet an insertion or removal exactly when it changes what they have
/// seen, the gaps included.
#[test]
fn first_last_next_and_ranges_meet_exactly_what_changes_them() {
    let contract = numbers((10..=1000).step_by(10));
    type Reader = Box<dyn Fn(&mut Spy) -> Vec<Option<Vec<u8>>>>;
    let set = contract.sorted;
    let range = |from: u32, to: u32, limit: usize, direction: Direction| -> Reader {
        Box::new(move |access: &mut Spy| {
            let (from, to) = (key(from), key(to));
            let range = Range { from: Bound::Included(&from), to: Bound::Included(&to), direction, limit };
            set.keys(access, &range).unwrap().into_iter().map(Some).collect()
        })
    };
    let readers: Vec<(&str, Reader)> = vec![
        ("first", Box::new(move |access| vec![set.first(access).unwrap()])),
        ("last", Box::new(move |access| vec![set.last(access).unwrap()])),
        ("next of 500", Box::new(move |access| vec![set.next(access, &key(500)).unwrap()])),
        ("previous of 500", Box::new(move |access| vec![set.previous(access, &key(500)).unwrap()])),
        ("300 to 400", range(300, 400, 99, Direction::Forward)),
        ("400 down to 300", range(300, 400, 99, Direction::Backward)),
        ("three from 300", range(300, 400, 3, Direction::Forward)),
        (
            "three from the end",
            Box::new(move |access| set.keys(access, &Range::backward(3)).unwrap().into_iter().map(Some).collect()),
        ),
    ];
    for (name, read) in &readers {
        let (reader, before, _) = touched(&contract.cells, read);
        for n in (1..=1010).filter(|n| ![500].contains(n)) {
            let present = n % 10 == 0 && (10..=1000).contains(&n);
            let (writer, _, after) = touched(&contract.cells, |access| {
                if present { set.remove(access, &key(n)).unwrap() } else { set.insert(access, &key(n)).unwrap() }
            });
            let changed = touched(&after, read).1 != before;
            let meets = reader.observed.iter().any(|cell| writer.set.contains(cell) || writer.added.contains(cell));
            assert!(meets || !changed, "{name} does not see what {n} changes");
            assert!(!meets || changed, "{name} meets {n}, which is not its business");
        }
    }
}

#[derive(Clone, Debug)]
enum Op {
    Insert(u8),
    Remove(u8),
    Contains(u8),
    Next(u8),
    Previous(u8),
    Rank(u8),
    AtRank(u64),
    First,
    Last,
    Len,
    Range(u8, u8, usize),
    Push,
    Pop,
    SwapRemove(u64),
    Get(u64),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => any::<u8>().prop_map(Op::Insert),
        3 => any::<u8>().prop_map(Op::Remove),
        1 => any::<u8>().prop_map(Op::Contains),
        2 => any::<u8>().prop_map(Op::Next),
        2 => any::<u8>().prop_map(Op::Previous),
        2 => any::<u8>().prop_map(Op::Rank),
        1 => (0..30_u64).prop_map(Op::AtRank),
        1 => Just(Op::First),
        1 => Just(Op::Last),
        1 => Just(Op::Len),
        3 => (any::<u8>(), any::<u8>(), 0..6_usize).prop_map(|(from, to, limit)| Op::Range(from, to, limit)),
        1 => Just(Op::Push),
        1 => Just(Op::Pop),
        1 => (0..12_u64).prop_map(Op::SwapRemove),
        1 => (0..12_u64).prop_map(Op::Get),
    ]
}

fn answer(access: &mut Spy, set: SortedSet, list: List, op: &Op) -> String {
    match op {
        Op::Insert(n) => format!("{:?}", set.insert(access, &[*n])),
        Op::Remove(n) => format!("{:?}", set.remove(access, &[*n])),
        Op::Contains(n) => format!("{:?}", set.contains(access, &[*n])),
        Op::Next(n) => format!("{:?}", set.next(access, &[*n])),
        Op::Previous(n) => format!("{:?}", set.previous(access, &[*n])),
        Op::Rank(n) => format!("{:?}", set.rank(access, &[*n])),
        Op::AtRank(n) => format!("{:?}", set.at_rank(access, *n)),
        Op::First => format!("{:?}", set.first(access)),
        Op::Last => format!("{:?}", set.last(access)),
        Op::Len => format!("{:?} {:?}", set.len(access), list.len(access)),
        Op::Range(from, to, limit) => {
            let (from, to) = ([*from], [*to]);
            let range = Range { from: Bound::Included(&from), to: Bound::Excluded(&to), ..Range::forward(*limit) };
            format!("{:?}", set.keys(access, &range))
        }
        Op::Push => format!("{:?}", list.push(access, b"v")),
        Op::Pop => format!("{:?}", list.pop(access)),
        Op::SwapRemove(at) => format!("{:?}", list.swap_remove(access, *at)),
        Op::Get(at) => format!("{:?}", list.get(access, *at)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    /// No phantoms: whatever changes an answer is among what was observed.
    #[test]
    fn what_changes_an_answer_meets_it(keys in prop::collection::btree_set(any::<u8>(), 0..30), one in op(), other in op()) {
        let mut contract = contract();
        for n in &keys {
            contract.sorted.insert(&mut contract.cells, &[*n]).unwrap();
            contract.list.push(&mut contract.cells, &[*n]).unwrap();
        }
        let (set, list) = (contract.sorted, contract.list);
        let (reader, alone, _) = touched(&contract.cells, |access| answer(access, set, list, &one));
        let (writer, _, after) = touched(&contract.cells, |access| answer(access, set, list, &other));
        let (_, then, _) = touched(&after, |access| answer(access, set, list, &one));
        if alone != then {
            let seen = writer.set.iter().chain(&writer.added).any(|cell| reader.observed.contains(cell));
            prop_assert!(seen, "{:?} changes {:?} from {} to {} unseen", other, one, alone, then);
        }
        // And where they do not meet, their order does not matter to the cells.
        if !reader.meets(&writer) && !reader.writes_the_same(&writer) {
            let (_, _, mut there) = touched(&contract.cells, |access| { answer(access, set, list, &one); answer(access, set, list, &other) });
            let (_, _, mut back) = touched(&contract.cells, |access| { answer(access, set, list, &other); answer(access, set, list, &one) });
            there.mark();
            back.mark();
            prop_assert_eq!((there.bytes(), there.sums()), (back.bytes(), back.sums()));
        }
    }
}
