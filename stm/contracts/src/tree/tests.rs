//! The forest against a map of maps and the oracle, over operations in any order.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use proptest::prelude::*;

use super::node::{CROWN, Ref};
use super::*;
use crate::hash;

/// Bits in which keys differ: at the borders of the lanes and of windows, next to each other, and far apart.
const BITS: [u8; 14] = [0, 1, 3, 4, 5, 6, 27, 28, 29, 30, 54, 120, 254, 255];

/// Few keys, and many of them with long common prefixes.
fn close_key() -> impl Strategy<Value = Hash> {
    any::<u16>().prop_map(|set| {
        let mut bytes = [0x5a; 32];
        for (at, bit) in BITS.iter().enumerate() {
            bytes[*bit as usize / 8] ^= ((set >> at & 1) as u8) << (7 - bit % 8);
        }
        Hash::new(bytes)
    })
}

fn any_key() -> impl Strategy<Value = Hash> {
    prop_oneof![3 => close_key(), 1 => (0..64_u8).prop_map(|n| hash::key(&[n])), 1 => any::<[u8; 32]>().prop_map(Hash::new)]
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let value = prop_oneof![2 => (0..4_u8).prop_map(|n| Some(hash::key(&[n, 1]))), 1 => Just(None)];
    proptest::collection::btree_map(any_key(), value, 0..50).prop_map(|all| all.into_iter().collect())
}

#[derive(Clone, Debug)]
enum Act {
    Update(Vec<(Name, Vec<Change>)>),
    GiveUp(Vec<(Name, Vec<Change>)>),
    Clear(Name),
    Seal,
    Discard,
    Rewind(u64),
}

fn name() -> impl Strategy<Value = Name> {
    prop_oneof![
        Just(Name::Accounts),
        Just(Name::Receipts),
        Just(Name::Pages { account: [3; 20] }),
        Just(Name::Collection { account: [3; 20], id: Hash::ZERO })
    ]
}

fn act() -> impl Strategy<Value = Act> {
    let several =
        || proptest::collection::btree_map(name(), changes(), 0..4).prop_map(|all| all.into_iter().collect::<Vec<_>>());
    prop_oneof![
        6 => several().prop_map(Act::Update),
        1 => several().prop_map(Act::GiveUp),
        1 => name().prop_map(Act::Clear),
        4 => Just(Act::Seal),
        1 => Just(Act::Discard),
        1 => (0..4_u64).prop_map(Act::Rewind),
    ]
}

type Model = BTreeMap<Name, BTreeMap<Hash, Hash>>;

fn change(model: &mut Model, changes: &[(Name, Vec<Change>)]) {
    for (name, changes) in changes {
        let tree = model.entry(*name).or_default();
        for (key, value) in changes {
            match value {
                Some(value) => tree.insert(*key, *value),
                None => tree.remove(key),
            };
        }
    }
    model.retain(|_, tree| !tree.is_empty());
}

fn agree(view: View<'_>, model: &Model) {
    assert_eq!(view.names(), model.keys().copied().collect::<Vec<_>>());
    for (name, tree) in model {
        assert_eq!(view.root(name), oracle::root(tree), "root of {name}");
        assert!(view.leaves(name).eq(tree.iter().map(|(key, value)| (*key, *value))), "leaves of {name}");
        for (key, value) in tree.iter().take(8) {
            assert_eq!(view.get(name, key), Some(*value));
            let mut absent = *key.as_bytes();
            absent[10] ^= 1;
            let absent = Hash::new(absent);
            assert_eq!(view.get(name, &absent), tree.get(&absent).copied());
            for key in [key, &absent] {
                let behind = tree.range((Bound::Excluded(*key), Bound::Unbounded));
                assert!(view.leaves_behind(name, key).eq(behind.map(|(key, value)| (*key, *value))), "behind {key}");
                view.prove(name, key).verify(&view.root(name), key, tree.get(key)).expect("verifies");
            }
        }
    }
}

/// Every slot that is in use belongs to a state that is kept, or was made and replaced by the same batch, and the other way round.
fn nothing_leaks(forest: &Forest) {
    let mut reached = BTreeSet::new();
    let mut visit = |view: View<'_>| {
        for name in view.names() {
            let mut open = vec![view.tree(&name).0];
            while let Some(node) = open.pop() {
                if reached.insert((node.is_leaf(), node.lane(), node.slot())) && !node.is_leaf() {
                    open.extend(forest.inner(node).child);
                }
            }
        }
    };
    visit(forest.now());
    (forest.oldest()..=forest.newest()).for_each(|batch| visit(forest.at(batch).expect("kept")));
    for log in forest.logs() {
        let made: BTreeSet<_> = log.made.iter().map(|node| (node.is_leaf(), node.lane(), node.slot())).collect();
        let replaced = log.replaced.iter().map(|node| (node.is_leaf(), node.lane(), node.slot()));
        reached.extend(replaced.filter(|node| made.contains(node)));
    }
    let stats = forest.stats();
    assert_eq!(reached.iter().filter(|(leaf, ..)| *leaf).count(), stats.leaves, "leaves");
    assert_eq!(reached.iter().filter(|(leaf, ..)| !leaf).count(), stats.nodes, "nodes");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_operations_leave_what_maps_and_the_oracle_say(acts in proptest::collection::vec(act(), 1..25), depth in 0..4_usize) {
        let mut forest = Forest::new(0, depth);
        let mut now = Model::new();
        // States by batch, from the oldest kept to the newest.
        let mut states: Vec<(u64, Model)> = vec![(0, Model::new())];
        let mut batch = 0;
        for act in acts {
            match act {
                Act::Update(changes) => {
                    change(&mut now, &changes);
                    let roots = forest.update_all(&changes).expect("updates");
                    let expected: Vec<Hash> = changes.iter().map(|(name, _)| now.get(name).map_or(Hash::ZERO, oracle::root)).collect();
                    prop_assert_eq!(roots, expected);
                }
                Act::GiveUp(changes) => {
                    let mut split = forest.split(&changes).expect("splits");
                    split.parts().iter_mut().step_by(2).for_each(Part::run);
                }
                Act::Clear(name) => {
                    forest.clear(name);
                    now.remove(&name);
                }
                Act::Seal => {
                    batch += 2;
                    forest.seal(batch).expect("seals");
                    states.push((batch, now.clone()));
                    let gone = states.len().saturating_sub(depth + 1);
                    states.drain(..gone);
                    // The undo log begins where the states do.
                    prop_assert_eq!(forest.oldest(), states[0].0);
                }
                Act::Discard => {
                    forest.discard();
                    now = states.last().expect("one").1.clone();
                }
                Act::Rewind(back) => {
                    let to = batch.saturating_sub(back * 2);
                    match to >= forest.oldest() {
                        false => prop_assert!(forest.rewind(to).is_err()),
                        true => {
                            forest.rewind(to + u64::from(to < batch)).expect("rewinds");
                            batch = to;
                            states.retain(|(other, _)| *other <= to);
                            now = states.last().expect("one").1.clone();
                        }
                    }
                }
            }
            agree(forest.now(), &now);
            nothing_leaks(&forest);
        }
        for (batch, model) in &states {
            agree(forest.at(*batch).expect("kept"), model);
        }
        prop_assert!(forest.at(batch + 1).is_err());
    }

    #[test]
    fn a_root_depends_on_the_leaves_and_not_on_how_they_came(changes in changes(), cuts in proptest::collection::vec(1..9_usize, 1..20)) {
        let (mut at_once, mut slowly) = (Forest::new(0, 0), Forest::new(0, 0));
        let root = at_once.update(Name::Accounts, &changes).expect("updates");
        let mut rest = changes.as_slice();
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (some, more) = rest.split_at(rest.len() - (*cut).min(rest.len()));
            slowly.update(Name::Accounts, more).expect("updates");
            rest = some;
        }
        prop_assert_eq!(slowly.root(&Name::Accounts), root);
    }
}

#[test]
fn parts_run_on_any_threads_give_the_same() {
    let key = |n: u32| hash::key(&n.to_le_bytes());
    let all: BTreeMap<Hash, Hash> = (0..20_000).map(|n| (key(n), key(n + 1))).collect();
    let changes: Vec<Change> = all.iter().map(|(key, value)| (*key, Some(*value))).collect();
    let mut forest = Forest::new(0, 0);
    let changes = [(Name::Accounts, changes)];
    let mut split = forest.split(&changes).expect("splits");
    assert_eq!(split.parts().len(), 16);
    std::thread::scope(|scope| {
        for part in split.parts() {
            scope.spawn(|| part.run());
        }
    });
    assert_eq!(split.finish(), [oracle::root(&all)]);
    forest.seal(1).expect("seals");
    let stats = forest.stats();
    assert_eq!((stats.leaves, stats.nodes), (20_000, 19_999));
}

#[test]
fn changes_out_of_order_are_refused() {
    let (a, b) = (hash::key(b"a").min(hash::key(b"b")), hash::key(b"a").max(hash::key(b"b")));
    let mut forest = Forest::new(0, 1);
    let unsorted = Err(TreeError::Unsorted { name: Name::Accounts });
    assert_eq!(forest.update(Name::Accounts, &[(b, None), (a, None)]), unsorted);
    assert_eq!(forest.update(Name::Accounts, &[(a, None), (a, Some(b))]), unsorted);
    let twice = [(Name::Receipts, vec![]), (Name::Accounts, vec![])];
    assert_eq!(forest.update_all(&twice), Err(TreeError::NamesUnsorted));
    forest.seal(5).expect("seals");
    assert_eq!(forest.seal(5), Err(TreeError::Sealed { batch: 5, newest: 5 }));
    assert_eq!(forest.rewind(6), Err(TreeError::NotKept { batch: 6, oldest: 0, newest: 5 }));
}

#[test]
fn references_tell_what_they_refer_to() {
    for (node, leaf, lane) in [(Ref::leaf(CROWN - 1, 9), true, 15), (Ref::inner(CROWN, 9), false, 16)] {
        assert_eq!((node.is_leaf(), node.lane(), node.slot()), (leaf, lane, 9));
        assert_ne!(node, Ref::NONE);
    }
}
