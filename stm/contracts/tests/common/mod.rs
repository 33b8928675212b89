//! The model of collections: `std` collections in each other. What the real ones must equal, operation by operation.

#![allow(dead_code, reason = "each test uses its part")]

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use proptest::prelude::*;
use replicode_contracts::cell::{Access, Bounds, Error, Refusal};
use replicode_contracts::collection::{Collection, Direction, Entry, Range};
use replicode_contracts::hash::{self, Hash};
use replicode_contracts::slice::Kind;
use replicode_contracts::state::{ElementContent, ElementValue};
use replicode_contracts::tree::oracle;

pub const ANN: [u8; 20] = [1; 20];
pub const BOB: [u8; 20] = [2; 20];

/// What stands in an element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    Bytes(Vec<u8>),
    Counter(i128),
    Inner(Box<Model>),
}

/// A collection of `std`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// Given by the real one when it was made.
    pub name: [u8; 32],
    pub data: Data,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    List(Vec<Node>),
    Map(BTreeMap<Vec<u8>, Node>),
    Set(BTreeSet<Vec<u8>>),
    Sorted(BTreeSet<Vec<u8>>),
}

impl Model {
    pub fn new(kind: Kind, name: [u8; 32]) -> Model {
        let data = match kind {
            Kind::List => Data::List(Vec::new()),
            Kind::Map => Data::Map(BTreeMap::new()),
            Kind::Set => Data::Set(BTreeSet::new()),
            Kind::SortedSet => Data::Sorted(BTreeSet::new()),
            Kind::Bytes | Kind::Counter => panic!("no collection"),
        };
        Model { name, data }
    }

    pub fn kind(&self) -> Kind {
        match self.data {
            Data::List(_) => Kind::List,
            Data::Map(_) => Kind::Map,
            Data::Set(_) => Kind::Set,
            Data::Sorted(_) => Kind::SortedSet,
        }
    }

    /// Its state, by the oracle of the trees: from scratch, from the innermost out.
    pub fn state(&self) -> Hash {
        let node = |key: &[u8], node: &Node| {
            let value = match node {
                Node::Bytes(value) => ElementValue::Bytes(value),
                Node::Counter(sum) => ElementValue::Sum(*sum),
                Node::Inner(model) => {
                    ElementValue::Collection { kind: model.kind(), name: model.name, state: model.state() }
                }
            };
            (hash::key(key), hash::of(hash::Domain::Element, &ElementContent { key, value }.encode()))
        };
        let empty = Node::Bytes(Vec::new());
        let leaves: BTreeMap<Hash, Hash> = match &self.data {
            Data::List(list) => (0_u64..).zip(list).map(|(at, inner)| node(&at.to_le_bytes(), inner)).collect(),
            Data::Map(map) => map.iter().map(|(key, inner)| node(key, inner)).collect(),
            Data::Set(set) | Data::Sorted(set) => set.iter().map(|key| node(key, &empty)).collect(),
        };
        oracle::root(&leaves)
    }
}

/// One operation somewhere in a tree of collections.
#[derive(Clone, Debug)]
pub struct Op {
    /// Which way down: at each collection on it, which of the inner ones is entered.
    pub path: Vec<u8>,
    pub action: u8,
    pub key: Vec<u8>,
    pub value: Vec<u8>,
    pub number: i64,
}

#[derive(Clone, Debug)]
pub enum Step {
    Do(Op),
    /// Steps that belong together, and whether they are reverted.
    Frame(Vec<Step>, bool),
}

pub fn keys() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => prop::collection::vec(0_u8..3, 0..4),
        1 => prop::collection::vec(any::<u8>(), 0..12),
        1 => prop::collection::vec(prop_oneof![Just(0), Just(0xff)], 250..=256),
    ]
}

pub fn op() -> impl Strategy<Value = Op> {
    let path = prop::collection::vec(any::<u8>(), 0..4);
    (path, any::<u8>(), keys(), prop::collection::vec(any::<u8>(), 0..40), -5_i64..9)
        .prop_map(|(path, action, key, value, number)| Op { path, action, key, value, number })
}

pub fn steps(most: usize) -> impl Strategy<Value = Vec<Step>> {
    let step = op().prop_map(Step::Do).prop_recursive(3, 24, 8, |inner| {
        (prop::collection::vec(inner, 0..8), any::<bool>()).prop_map(|(steps, revert)| Step::Frame(steps, revert))
    });
    prop::collection::vec(step, 0..most)
}

/// Runs steps on both, comparing every answer.
pub fn run<A: Access + ?Sized>(access: &mut A, real: Collection, model: &mut Model, steps: &[Step])
where
    A::Error: std::fmt::Debug,
{
    for step in steps {
        match step {
            Step::Do(op) => descend(access, real, model, op),
            Step::Frame(inner, revert) => {
                let (mark, before) = (access.mark(), model.clone());
                run(access, real, model, inner);
                if *revert {
                    access.roll_back(mark);
                    *model = before;
                }
            }
        }
    }
}

/// The collections directly in one, by key.
fn inner(model: &mut Model) -> Vec<(Vec<u8>, &mut Model)> {
    let found = |(key, node): (Vec<u8>, _)| match node {
        &mut Node::Inner(ref mut model) => Some((key, &mut **model)),
        _ => None,
    };
    match &mut model.data {
        Data::List(list) => {
            (0_u64..).map(|at| at.to_le_bytes().to_vec()).zip(list.iter_mut()).filter_map(found).collect()
        }
        Data::Map(map) => map.iter_mut().map(|(key, node)| (key.clone(), node)).filter_map(found).collect(),
        Data::Set(_) | Data::Sorted(_) => Vec::new(),
    }
}

fn descend<A: Access + ?Sized>(access: &mut A, mut real: Collection, mut model: &mut Model, op: &Op)
where
    A::Error: std::fmt::Debug,
{
    for choice in &op.path {
        if inner(model).is_empty() {
            break;
        }
        let mut all = inner(model);
        let (key, next) = all.swap_remove(usize::from(*choice) % all.len());
        let entry = match real {
            Collection::List(list) => list.get(access, u64::from_le_bytes(key.try_into().unwrap())),
            Collection::Map(map) => map.get(access, &key),
            _ => panic!("sets have no inner collections"),
        };
        real = entry.unwrap().unwrap().collection(next.kind()).unwrap();
        assert_eq!((real.kind(), real.id().name), (next.kind(), next.name));
        model = next;
    }
    act(access, real, model, op);
}

pub const INNER: [Kind; 4] = [Kind::List, Kind::Map, Kind::Set, Kind::SortedSet];

fn same(entry: Option<Entry>, node: Option<&Node>) {
    match (entry, node) {
        (None, None) => {}
        (Some(Entry::Bytes(real)), Some(Node::Bytes(model))) => assert_eq!(&real, model),
        (Some(Entry::Counter(real)), Some(Node::Counter(model))) => assert_eq!(real, *model),
        (Some(Entry::Collection(real)), Some(Node::Inner(model))) => {
            assert_eq!((real.kind(), real.id().name), (model.kind(), model.name));
        }
        (real, model) => panic!("{real:?} instead of {model:?}"),
    }
}

fn refused<T: std::fmt::Debug, E: std::fmt::Debug>(result: Result<T, Error<E>>, why: impl Fn(&Refusal) -> bool) {
    match result {
        Err(Error::Refused(refusal)) if why(&refusal) => {}
        other => panic!("should have been refused: {other:?}"),
    }
}

const fn kind_is_wrong(refusal: &Refusal) -> bool {
    matches!(refusal, Refusal::Kind { .. })
}

fn act<A: Access + ?Sized>(access: &mut A, real: Collection, model: &mut Model, op: &Op)
where
    A::Error: std::fmt::Debug,
{
    let Op { action, key, value, number, .. } = op;
    let kind = INNER[usize::from(*action / 16) % 4];
    let len = match (real, &mut model.data) {
        (Collection::List(list), Data::List(model)) => {
            let at = u64::from(*action / 16);
            let there = model.get(at as usize).cloned();
            match action % 8 {
                0 => {
                    assert_eq!(list.push(access, value).unwrap(), model.len() as u64);
                    model.push(Node::Bytes(value.clone()));
                }
                1 => {
                    assert_eq!(list.push_counter(access, (*number).into()).unwrap(), model.len() as u64);
                    model.push(Node::Counter((*number).into()));
                }
                2 => {
                    let (at, made) = list.push_new(access, kind).unwrap();
                    assert_eq!(at, model.len() as u64);
                    model.push(Node::Inner(Box::new(Model::new(kind, made.id().name))));
                }
                3 => match (list.set(access, at, value), there) {
                    (Ok(()), Some(Node::Bytes(_))) => model[at as usize] = Node::Bytes(value.clone()),
                    (result, None) => refused(result, |why| *why == Refusal::NoElement { index: at }),
                    (result, Some(_)) => refused(result, kind_is_wrong),
                },
                4 => match (list.add(access, at, (*number).into(), Bounds::NOT_NEGATIVE), there) {
                    (Ok(done), Some(Node::Counter(sum))) => {
                        assert_eq!(done, sum + i128::from(*number) >= 0);
                        if done {
                            model[at as usize] = Node::Counter(sum + i128::from(*number));
                        }
                    }
                    (result, None) => refused(result, |why| *why == Refusal::NoElement { index: at }),
                    (result, Some(_)) => refused(result, kind_is_wrong),
                },
                5 => same(list.pop(access).unwrap(), model.pop().as_ref()),
                6 => {
                    let result = list.swap_remove(access, at);
                    if there.is_some() {
                        result.unwrap();
                        model.swap_remove(at as usize);
                    } else {
                        refused(result, |why| *why == Refusal::NoElement { index: at });
                    }
                }
                _ => same(list.get(access, at).unwrap(), there.as_ref()),
            }
            model.len()
        }
        (Collection::Map(map), Data::Map(model)) => {
            let there = model.get(key).cloned();
            match action % 8 {
                0 | 1 => match (map.insert(access, key, value), there) {
                    (Ok(new), there @ (None | Some(Node::Bytes(_)))) => {
                        assert_eq!(new, there.is_none());
                        model.insert(key.clone(), Node::Bytes(value.clone()));
                    }
                    (result, _) => refused(result, kind_is_wrong),
                },
                2 => match (map.create(access, key, kind), there) {
                    (Ok(made), None) => {
                        model.insert(key.clone(), Node::Inner(Box::new(Model::new(kind, made.id().name))));
                    }
                    (result, _) => refused(result, |why| *why == Refusal::Occupied),
                },
                3 => match (map.open(access, key, kind), there) {
                    (Ok(made), None) => {
                        model.insert(key.clone(), Node::Inner(Box::new(Model::new(kind, made.id().name))));
                    }
                    (Ok(made), Some(Node::Inner(model))) => assert_eq!(made.id().name, model.name),
                    (result, _) => refused(result, kind_is_wrong),
                },
                4 => match (map.add(access, key, (*number).into(), Bounds::NOT_NEGATIVE), there) {
                    (Ok(done), there @ (None | Some(Node::Counter(_)))) => {
                        let sum = if let Some(Node::Counter(sum)) = there { sum } else { 0 };
                        assert_eq!(done, sum + i128::from(*number) >= 0);
                        if done {
                            model.insert(key.clone(), Node::Counter(sum + i128::from(*number)));
                        }
                    }
                    (result, _) => refused(result, kind_is_wrong),
                },
                5 | 6 => assert_eq!(map.remove(access, key).unwrap(), model.remove(key).is_some()),
                _ => {
                    assert_eq!(map.contains(access, key).unwrap(), there.is_some());
                    same(map.get(access, key).unwrap(), there.as_ref());
                }
            }
            model.len()
        }
        (Collection::Set(set), Data::Set(model)) => {
            match action % 4 {
                0 | 1 => assert_eq!(set.insert(access, key).unwrap(), model.insert(key.clone())),
                2 => assert_eq!(set.remove(access, key).unwrap(), model.remove(key)),
                _ => assert_eq!(set.contains(access, key).unwrap(), model.contains(key)),
            }
            model.len()
        }
        (Collection::SortedSet(set), Data::Sorted(model)) => {
            match action % 8 {
                0..=3 => assert_eq!(set.insert(access, key).unwrap(), model.insert(key.clone())),
                4 | 5 => assert_eq!(set.remove(access, key).unwrap(), model.remove(key)),
                6 => {
                    let (from, to) = (key.min(value).clone(), key.max(value).clone());
                    let limit = usize::try_from(*number).unwrap_or(3);
                    let mut range = Range { from: Bound::Included(&from), ..Range::forward(limit) };
                    range.to = if action / 16 % 2 == 0 { Bound::Included(&to) } else { Bound::Excluded(&to) };
                    let bounds = (range.from.map(<[u8]>::to_vec), range.to.map(<[u8]>::to_vec));
                    // `std` panics where nothing can lie between.
                    let all = if from == to && action / 16 % 2 == 1 {
                        Vec::new()
                    } else {
                        model.range(bounds).cloned().collect()
                    };
                    let forward: Vec<_> = all.iter().take(limit).cloned().collect();
                    assert_eq!(set.keys(access, &range).unwrap(), forward);
                    range.direction = Direction::Backward;
                    let backward: Vec<_> = all.into_iter().rev().take(limit).collect();
                    assert_eq!(set.keys(access, &range).unwrap(), backward);
                }
                _ => {
                    let below: Vec<_> = model.range(..key.clone()).cloned().collect();
                    let above = model.range((Bound::Excluded(key.clone()), Bound::Unbounded)).next().cloned();
                    assert_eq!(set.contains(access, key).unwrap(), model.contains(key));
                    assert_eq!(set.previous(access, key).unwrap(), below.last().cloned());
                    assert_eq!(set.next(access, key).unwrap(), above);
                    assert_eq!(set.rank(access, key).unwrap(), below.len() as u64);
                    assert_eq!(set.first(access).unwrap(), model.first().cloned());
                    assert_eq!(set.last(access).unwrap(), model.last().cloned());
                    let at = usize::try_from(*number).unwrap_or(0);
                    assert_eq!(set.at_rank(access, at as u64).unwrap(), model.iter().nth(at).cloned());
                }
            }
            model.len()
        }
        (real, model) => panic!("{real:?} instead of {model:?}"),
    };
    assert_eq!(real.len(access).unwrap(), len as u64);
}

/// Compares everything, in both directions and with cursors.
pub fn equal<A: Access + ?Sized>(access: &mut A, real: Collection, model: &Model)
where
    A::Error: std::fmt::Debug,
{
    assert_eq!(real.id().name, model.name);
    let by_hash = |keys: Vec<Vec<u8>>| {
        let mut keys = keys;
        keys.sort_by_key(|key| hash::key(key));
        keys
    };
    let inner = |access: &mut A, entry: Entry, node: &Node| {
        if let (Entry::Collection(real), Node::Inner(model)) = (&entry, node) {
            equal(access, *real, model);
        }
        same(Some(entry), Some(node));
    };
    match (real, &model.data) {
        (Collection::List(list), Data::List(nodes)) => {
            assert_eq!(list.len(access).unwrap(), nodes.len() as u64);
            let all = list.iterate(access, 0, Direction::Forward, usize::MAX).unwrap();
            assert_eq!(all.len(), nodes.len());
            let last = (nodes.len() as u64).saturating_sub(1);
            let mut back = list.iterate(access, last, Direction::Backward, usize::MAX).unwrap();
            back.reverse();
            assert_eq!(all, back);
            for ((at, entry), (index, node)) in all.into_iter().zip((0..).zip(nodes)) {
                assert_eq!(at, index);
                inner(access, entry, node);
            }
        }
        (Collection::Map(map), Data::Map(nodes)) => {
            let keys = by_hash(nodes.keys().cloned().collect());
            walk(&keys, |range| map.keys(access, range).unwrap());
            for (key, entry) in map.iterate(access, &Range::forward(usize::MAX)).unwrap() {
                inner(access, entry, &nodes[&key]);
            }
        }
        (Collection::Set(set), Data::Set(nodes)) => {
            walk(&by_hash(nodes.iter().cloned().collect()), |range| set.keys(access, range).unwrap());
        }
        (Collection::SortedSet(set), Data::Sorted(nodes)) => {
            walk(&nodes.iter().cloned().collect::<Vec<_>>(), |range| set.keys(access, range).unwrap());
            for (at, key) in (0..).zip(nodes) {
                assert_eq!(set.rank(access, key).unwrap(), at);
                assert_eq!(set.at_rank(access, at).unwrap().as_ref(), Some(key));
            }
            assert_eq!(set.at_rank(access, nodes.len() as u64).unwrap(), None);
        }
        (real, model) => panic!("{real:?} instead of {model:?}"),
    }
}

/// All at once and in pieces of three, forward and backward.
fn walk(keys: &[Vec<u8>], mut real: impl FnMut(&Range<'_>) -> Vec<Vec<u8>>) {
    let mut reversed = keys.to_vec();
    reversed.reverse();
    for (all, expected) in [(Range::forward(usize::MAX), keys), (Range::backward(usize::MAX), &reversed)] {
        assert_eq!(real(&all), expected);
        let mut pieces = Vec::new();
        loop {
            let cursor: Option<Vec<u8>> = pieces.last().cloned();
            let range = Range { limit: 3, ..all };
            let piece = real(&cursor.as_deref().map_or(range, |cursor| range.beyond(cursor)));
            if piece.is_empty() {
                break;
            }
            assert!(piece.len() <= 3);
            pieces.extend(piece);
        }
        assert_eq!(pieces, expected);
    }
}
