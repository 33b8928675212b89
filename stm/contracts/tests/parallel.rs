//! Collections and slices inside the parallel engine: outcomes, states and every record are those of one by one.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::sync::Arc;

use common::{ANN, BOB, INNER, Op, op};
use proptest::prelude::*;
use replicode_contracts::cell::{Access, Bounds, Error, Result};
use replicode_contracts::collection::{Collection, Direction, Entry, Range};
use replicode_contracts::kv::Memory;
use replicode_contracts::slice::{Kind, Layout, Slices};
use replicode_contracts::state::{Changes, InTransaction, Shared, Storage};
use replicode_stm::{Executor, Mode, Outcome, Stm, Stop};

const KINDS: [(Kind, u32); 7] = [
    (Kind::List, 32),
    (Kind::Map, 32),
    (Kind::Set, 32),
    (Kind::SortedSet, 32),
    (Kind::Counter, 16),
    (Kind::Bytes, 8),
    (Kind::Bytes, 8),
];

fn layout() -> Layout {
    Layout::packed(4096, &KINDS).unwrap()
}

/// One transaction: operations on slices of two contracts, and what becomes of it.
#[derive(Clone, Debug)]
struct Job {
    hash: [u8; 32],
    ops: Vec<(bool, u8, Op)>,
    /// After this many operations a frame begins that is rolled back at the end.
    frame: Option<usize>,
}

fn jobs(most: usize) -> impl Strategy<Value = Vec<Job>> {
    let job = (prop::collection::vec((any::<bool>(), 0_u8..7, op()), 1..6), prop::option::weighted(0.3, 0_usize..5));
    prop::collection::vec(job, 1..most)
        .prop_map(|jobs| jobs.into_iter().map(|(ops, frame)| Job { hash: [0; 32], ops, frame }).collect())
}

/// Blocks of transactions, no two of which have one hash: names of collections are made from it, and are for ever.
fn blocks() -> impl Strategy<Value = Vec<Vec<Job>>> {
    prop::collection::vec(jobs(24), 1..4).prop_map(|mut blocks| {
        for (at, job) in blocks.iter_mut().flatten().enumerate() {
            job.hash = *replicode_contracts::hash::key(&at.to_le_bytes()).as_bytes();
        }
        blocks
    })
}

/// Does one operation and tells in words what it said.
fn perform<A: Access + ?Sized>(access: &mut A, account: &[u8; 20], slice: u8, op: &Op) -> Result<String, A> {
    let layout = layout();
    let slices = Slices::of(account, &layout);
    let Op { action, key, value, number, .. } = op;
    match slice {
        4 => {
            return Ok(format!(
                "{} {}",
                slices.add(access, 4, (*number).into(), Bounds::NOT_NEGATIVE)?,
                action % 5 == 0 && slices.sum(access, 4)? > 9
            ));
        }
        5 | 6 => {
            let mut bytes = Vec::new();
            slices.read(access, 11 - u32::from(slice), &mut bytes)?;
            bytes[0] = bytes[0].wrapping_add(*action);
            slices.write(access, slice.into(), &bytes)?;
            return Ok(format!("{bytes:?}"));
        }
        _ => {}
    }
    let mut at = slices.collection(slice.into())?;
    for choice in &op.path {
        let inner = match at {
            Collection::List(list) => list.get(access, u64::from(choice % 3))?,
            Collection::Map(map) => map.get(access, &[choice % 3])?,
            _ => None,
        };
        match inner {
            Some(Entry::Collection(inner)) => at = inner,
            _ => break,
        }
    }
    let kind = INNER[usize::from(*action / 16) % 4];
    let (index, number) = (u64::from(*action / 16), i128::from(*number));
    Ok(match at {
        Collection::List(list) => match action % 8 {
            0 => format!("{:?}", list.push(access, value)?),
            1 => format!("{:?}", list.push_new(access, kind)?),
            2 => format!("{:?}", list.push_counter(access, number)?),
            3 => format!("{:?}", list.set(access, index, value)?),
            4 => format!("{:?}", list.add(access, index, number, Bounds::NOT_NEGATIVE)?),
            5 => format!("{:?}", list.pop(access)?),
            6 => format!("{:?}", list.swap_remove(access, index)?),
            _ => format!("{:?}", list.iterate(access, index, Direction::Backward, 3)?),
        },
        Collection::Map(map) => match action % 8 {
            0 | 1 => format!("{:?}", map.insert(access, key, value)?),
            2 => format!("{:?}", map.open(access, key, kind)?),
            3 => format!("{:?}", map.create(access, &[action / 16 % 3], kind)?),
            4 => format!("{:?}", map.add(access, key, number, Bounds::NOT_NEGATIVE)?),
            5 => format!("{:?}", map.remove(access, key)?),
            6 => format!("{:?} {:?}", map.len(access)?, map.keys(access, &Range::backward(4))?),
            _ => format!("{:?}", map.iterate(access, &Range::forward(4).beyond(key))?),
        },
        Collection::Set(set) => match action % 4 {
            0 | 1 => format!("{:?}", set.insert(access, key)?),
            2 => format!("{:?}", set.remove(access, key)?),
            _ => format!("{:?} {:?}", set.len(access)?, set.keys(access, &Range::forward(4))?),
        },
        Collection::SortedSet(set) => match action % 8 {
            0..=2 => format!("{:?}", set.insert(access, key)?),
            3 | 4 => format!("{:?}", set.remove(access, key)?),
            5 => format!("{:?} {:?}", set.first(access)?, set.last(access)?),
            6 => format!("{:?} {:?} {:?}", set.next(access, key)?, set.previous(access, key)?, set.rank(access, key)?),
            _ => format!("{:?} {:?}", set.at_rank(access, index)?, set.keys(access, &Range::backward(3).beyond(key))?),
        },
    })
}

/// Runs a job; a refusal ends it and is part of its answer.
fn execute<A: Access + ?Sized>(access: &mut A, job: &Job) -> std::result::Result<String, Error<A::Error>> {
    let (mut said, mut frame) = (String::new(), None);
    for (at, (bob, slice, op)) in job.ops.iter().enumerate() {
        if job.frame == Some(at) {
            frame = Some(access.mark());
        }
        match perform(access, if *bob { &BOB } else { &ANN }, *slice, op) {
            Ok(answer) => said += &answer,
            Err(Error::Refused(refusal)) => said += &refusal.to_string(),
            Err(other) => return Err(other),
        }
    }
    if let Some(frame) = frame {
        access.roll_back(frame);
    }
    Ok(said)
}

fn store() -> Storage<Memory> {
    let mut storage = Storage::new(Memory::new(), 2);
    storage.set_layout(ANN, layout());
    storage.set_layout(BOB, layout());
    storage
}

/// One by one, a commit at the end of each block.
fn sequential(blocks: &[Vec<Job>]) -> (Vec<Vec<String>>, Storage<Memory>) {
    let mut storage = store();
    let mut said = Vec::new();
    for (batch, jobs) in (1..).zip(blocks) {
        let mut session = storage.session();
        said.push(
            jobs.iter()
                .map(|job| {
                    session.begin_transaction(job.hash);
                    execute(&mut session, job).unwrap()
                })
                .collect(),
        );
        let written = session.finish();
        storage.commit(&written).unwrap();
        storage.seal(batch).unwrap();
    }
    (said, storage)
}

/// In the engine, over a base, with few cells resident.
fn parallel(blocks: &[Vec<Job>], mut stm: Stm, budget: usize) -> (Vec<Vec<String>>, Arc<Shared<Memory>>) {
    let shared = Arc::new(Shared::new(store()));
    let cells = stm.memory_over::<32>(shared.clone(), budget);
    let sums = stm.counters_over::<32>(shared.clone(), budget);
    let mut said = Vec::new();
    for (batch, jobs) in (1..).zip(blocks) {
        let outcomes = stm
            .execute(jobs, move |tx, job: &Job| {
                let mut access = InTransaction::new(tx, cells, sums, job.hash);
                let answer = execute(&mut access, job);
                access.finish()?;
                answer.map_err(|error| match error {
                    Error::Access(stop) => stop,
                    other => Stop::fault(other.to_string()),
                })
            })
            .unwrap();
        said.push(
            outcomes
                .into_iter()
                .map(|outcome| match outcome {
                    Outcome::Committed(answer) => answer,
                    other => panic!("{other:?}"),
                })
                .collect(),
        );
        let (bytes, counters) = (stm.changes(&cells), stm.counter_changes(&sums));
        let changes = Changes::of_block(&bytes, &counters);
        shared
            .with(|storage| {
                storage.apply(&changes).unwrap();
                storage.seal(batch).unwrap();
            })
            .unwrap();
        stm.forget_changes(&cells);
        stm.forget_counter_changes(&sums);
    }
    (said, shared)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn parallel_equals_one_by_one(blocks in blocks(), seed: u64, threads in 1_usize..4) {
        let (said, storage) = sequential(&blocks);
        let engines = [
            Stm::builder().executor(Executor::Sequential),
            Stm::builder().executor(Executor::Parallel { threads }).mode(Mode::Speculative).chaos(seed),
            Stm::builder().executor(Executor::Seeded { seed, workers: threads }),
        ];
        for (builder, budget) in engines.into_iter().zip([usize::MAX, 0, 5000]) {
            let (answers, shared) = parallel(&blocks, builder.build().unwrap(), budget);
            prop_assert_eq!(&answers, &said);
            shared.with(|other| {
                assert_eq!(other.state(&ANN), storage.state(&ANN));
                assert_eq!(other.state(&BOB), storage.state(&BOB));
                assert_eq!(other.kv(), storage.kv());
            }).unwrap();
        }
    }
}
