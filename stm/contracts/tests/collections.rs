//! Collections equal `std` collections: random operations, nested in each other, in frames that are reverted, over plain maps and over the
//! sequential store; and their states equal those of the oracle.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::{ANN, INNER, Model, Step, equal, run, steps};
use proptest::prelude::*;
use replicode_contracts::cell::{Access, Maps};
use replicode_contracts::collection::{Collection, CollectionId};
use replicode_contracts::kv::Memory;
use replicode_contracts::page;
use replicode_contracts::slice::{Kind, Layout, Slices};
use replicode_contracts::state::{PastEntry, Storage, restore};

/// A contract with one collection of each kind.
fn layout() -> Layout {
    Layout::packed(page::PAGE_SIZE, &INNER.map(|kind| (kind, 32))).unwrap()
}

fn models() -> Vec<Model> {
    (0..).zip(INNER).map(|(index, kind)| Model::new(kind, CollectionId::in_slice(&ANN, index).name)).collect()
}

fn roots(layout: &Layout) -> Vec<Collection> {
    (0..4).map(|index| Slices::of(&ANN, layout).collection(index).unwrap()).collect()
}

fn state(storage: &Storage<Memory>, index: u32) -> PastEntry {
    let layout = layout();
    let past = storage.open(&ANN, &storage.state(&ANN), &layout).unwrap();
    past.slice(index).unwrap().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 64 } else { 512 }))]

    #[test]
    fn over_plain_maps(all in prop::collection::vec((0_usize..4, steps(40)), 1..6)) {
        let (layout, mut models, mut access) = (layout(), models(), Maps::new());
        let roots = roots(&layout);
        for (at, steps) in &all {
            run(&mut access, roots[*at], &mut models[*at], steps);
        }
        for (real, model) in roots.iter().zip(&models) {
            equal(&mut access, *real, model);
        }
    }

    /// Sessions that are committed, or dropped, one after the other; states after each.
    #[test]
    fn over_the_sequential_store(all in prop::collection::vec((0_usize..4, steps(20), any::<bool>()), 1..8)) {
        let (layout, mut models, mut storage) = (layout(), models(), Storage::new(Memory::new(), 4));
        storage.set_layout(ANN, layout.clone());
        let roots = roots(&layout);
        for (batch, (at, steps, kept)) in (1_u64..).zip(&all) {
            let before = (storage.state(&ANN), models.clone());
            let mut session = storage.session();
            session.begin_transaction([batch as u8; 32]);
            run(&mut session, roots[*at], &mut models[*at], steps);
            equal(&mut session, roots[*at], &models[*at]);
            let written = session.finish();
            if *kept {
                storage.commit(&written).unwrap();
            } else {
                models = before.1;
                prop_assert_eq!(storage.state(&ANN), before.0, "a run that was dropped leaves the state as it was");
            }
            storage.seal(batch).unwrap();
            for (index, model) in (0..).zip(&models) {
                let PastEntry::Collection { state, .. } = state(&storage, index) else { panic!("no collection") };
                prop_assert_eq!(state, model.state(), "slice {} after batch {}", index, batch);
            }
            storage.sweep(batch % 5).unwrap();
        }
        let mut session = storage.session();
        for (real, model) in roots.iter().zip(&models) {
            equal(&mut session, *real, model);
        }
    }

    /// Committing each step's cells or all at the end, sweeping or not: one state.
    #[test]
    fn the_state_does_not_depend_on_when_it_is_computed(steps in steps(30)) {
        let layout = layout();
        let mut states = Vec::new();
        for (every_step, sweeping) in [(true, true), (true, false), (false, false)] {
            let (mut storage, mut models) = (Storage::new(Memory::new(), 0), models());
            storage.set_layout(ANN, layout.clone());
            let root = roots(&layout)[1];
            let pieces: Vec<&[Step]> = if every_step { steps.chunks(1).collect() } else { vec![&steps] };
            // A fresh name for each step, whatever it is committed with.
            let mut serial = 0_u64;
            for piece in pieces {
                let mut session = storage.session();
                for step in piece {
                    serial += 1;
                    let mut transaction = [0; 32];
                    transaction[..8].copy_from_slice(&serial.to_le_bytes());
                    session.begin_transaction(transaction);
                    run(&mut session, root, &mut models[1], std::slice::from_ref(step));
                }
                let written = session.finish();
                storage.commit(&written).unwrap();
                if sweeping {
                    storage.sweep(2).unwrap();
                }
            }
            states.push(storage.state(&ANN));
        }
        prop_assert_eq!(states[0], states[1]);
        prop_assert_eq!(states[0], states[2]);
    }

    /// A store that has got nothing but the contents of a state has the same cells and the same state.
    #[test]
    fn cells_are_a_function_of_contents(all in prop::collection::vec((0_usize..4, steps(30)), 1..5)) {
        let (layout, mut models, mut storage) = (layout(), models(), Storage::new(Memory::new(), 0));
        storage.set_layout(ANN, layout.clone());
        let mut session = storage.session();
        for (at, steps) in &all {
            run(&mut session, roots(&layout)[*at], &mut models[*at], steps);
        }
        let written = session.finish();
        storage.commit(&written).unwrap();
        while !storage.sweep(100).unwrap().done {}
        storage.seal(1).unwrap();
        let mut there = Storage::new(Memory::new(), 0);
        there.set_layout(ANN, layout.clone());
        let mut session = there.session();
        let mut past = storage.open(&ANN, &storage.state(&ANN), &layout).unwrap();
        restore(&mut session, &ANN, &layout, &mut past).unwrap();
        let written = session.finish();
        there.commit(&written).unwrap();
        there.seal(1).unwrap();
        prop_assert_eq!(there.state(&ANN), storage.state(&ANN));
        prop_assert_eq!(there.kv(), storage.kv());
    }

    /// When all is removed and swept, nothing is left: not a cell, not a record, not a leaf.
    #[test]
    fn nothing_is_left_of_what_was_removed(steps in steps(60), limit in 1_u64..7) {
        let (layout, mut models, mut storage) = (layout(), models(), Storage::new(Memory::new(), 0));
        storage.set_layout(ANN, layout.clone());
        let map = roots(&layout)[1];
        let mut session = storage.session();
        run(&mut session, map, &mut models[1], &steps);
        let common::Data::Map(nodes) = &models[1].data else { panic!("no map") };
        let keys: Vec<Vec<u8>> = nodes.keys().cloned().collect();
        let written = session.finish();
        storage.commit(&written).unwrap();
        storage.seal(1).unwrap();
        let mut session = storage.session();
        for key in keys {
            prop_assert!(map.map().unwrap().remove(&mut session, &key).unwrap());
        }
        let written = session.finish();
        storage.commit(&written).unwrap();
        prop_assert_eq!(storage.state(&ANN), replicode_contracts::hash::Hash::ZERO);
        let mut rounds = 0;
        loop {
            let swept = storage.sweep(limit).unwrap();
            prop_assert!(swept.steps <= limit, "a sweep keeps to its limit");
            rounds += 1;
            if swept.done {
                break;
            }
            prop_assert!(swept.steps > 0, "each sweep gets on");
        }
        prop_assert!(rounds < 2000);
        storage.seal(2).unwrap();
        prop_assert!(storage.kv().is_empty(), "{:?}", storage.kv());
        prop_assert_eq!(storage.forest().now().names(), []);
    }

    /// Going back to a batch makes the store what it was, record by record.
    #[test]
    fn a_rewind_brings_back_every_record(all in prop::collection::vec(steps(20), 2..6), to in any::<prop::sample::Index>()) {
        let (layout, mut models, mut storage) = (layout(), models(), Storage::new(Memory::new(), 9));
        storage.set_layout(ANN, layout.clone());
        let root = roots(&layout)[1];
        let mut after = vec![(storage.kv().clone(), storage.state(&ANN))];
        for (batch, steps) in (1_u64..).zip(&all) {
            let mut session = storage.session();
            session.begin_transaction([batch as u8; 32]);
            run(&mut session, root, &mut models[1], steps);
            let written = session.finish();
            storage.commit(&written).unwrap();
            storage.sweep(3).unwrap();
            storage.seal(batch).unwrap();
            after.push((storage.kv().clone(), storage.state(&ANN)));
        }
        let to = to.index(after.len());
        storage.rewind(to as u64).unwrap();
        prop_assert_eq!(storage.state(&ANN), after[to].1);
        prop_assert_eq!(storage.kv(), &after[to].0);
    }
}

#[test]
fn a_reverted_frame_leaves_no_cell_behind() {
    let layout = Layout::packed(page::PAGE_SIZE, &[(Kind::Map, 32)]).unwrap();
    let map = Slices::of(&ANN, &layout).collection(0).unwrap().map().unwrap();
    let mut access = Maps::new();
    map.insert(&mut access, b"stays", b"1").unwrap();
    let before = access.clone();
    let mark = access.mark();
    let list = map.create(&mut access, b"list", Kind::List).unwrap().list().unwrap();
    list.push(&mut access, b"x").unwrap();
    map.remove(&mut access, b"stays").unwrap();
    access.roll_back(mark);
    assert_eq!((access.bytes(), access.sums()), (before.bytes(), before.sums()));
}
