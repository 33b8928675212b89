//! What a root costs: 10,000 of a million elements changed by a batch, on one thread and on two; proofs; memory.
//!
//! `cargo bench -p replicode-contracts --bench root`. Keys are uniformly random, which is the worst case: calls that change the
//! same or neighbouring elements cost less. The new root is compared with the oracle's once.

#![allow(clippy::disallowed_types, reason = "a bench measures time")]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use replicode_contracts::hash::{self, Hash};
use replicode_contracts::proof::Path;
use replicode_contracts::tree::{Change, Forest, Name, oracle};

const ELEMENTS: u32 = 1_000_000;
const CHANGED: u32 = 10_000;

/// Batches whose states stay readable while the figures are taken.
const DEPTH: usize = 16;

fn key(n: u32) -> Hash {
    hash::key(&n.to_le_bytes())
}

/// A batch that changes so many elements, drawn by its number.
fn batch(number: u32) -> Vec<Change> {
    let pick = |n: u32| {
        let random = hash::of(hash::Domain::Cell, &[number.to_le_bytes(), n.to_le_bytes()].concat());
        (key(u32::from_le_bytes(random.prefix()) % ELEMENTS), random)
    };
    let mut some = BTreeMap::new();
    let mut n = 0;
    while some.len() < CHANGED as usize {
        let (key, value) = pick(n);
        some.insert(key, Some(value));
        n += 1;
    }
    some.into_iter().collect()
}

fn forest() -> Forest {
    let mut leaves: Vec<Change> = (0..ELEMENTS).map(|n| (key(n), Some(key(n ^ 1)))).collect();
    leaves.sort_unstable();
    let mut forest = Forest::new(0, DEPTH);
    let began = Instant::now();
    forest.update(Name::Accounts, &leaves).expect("updates");
    println!("{ELEMENTS} elements built in {:?}", began.elapsed());
    forest.seal(1).expect("seals");
    forest
}

fn seal(forest: &mut Forest) {
    forest.seal(forest.newest() + 1).expect("seals");
}

fn alone(forest: &mut Forest, changes: &[(Name, Vec<Change>)]) -> Duration {
    let began = Instant::now();
    black_box(forest.update_all(changes).expect("updates"));
    let took = began.elapsed();
    seal(forest);
    took
}

fn by_two(forest: &mut Forest, changes: &[(Name, Vec<Change>)]) -> Duration {
    let began = Instant::now();
    let mut split = forest.split(changes).expect("splits");
    let parts = split.parts();
    let (own, others) = parts.split_at_mut(parts.len() / 2);
    // A scope starts a thread for each batch, some tens of microseconds that an executor's waiting worker does not have.
    std::thread::scope(|scope| {
        scope.spawn(|| others.iter_mut().for_each(|part| part.run()));
        own.iter_mut().for_each(|part| part.run());
    });
    black_box(split.finish());
    let took = began.elapsed();
    seal(forest);
    took
}

/// Makes the changes of a batch; how long it took.
type By = fn(&mut Forest, &[(Name, Vec<Change>)]) -> Duration;

fn figures(c: &mut Criterion) {
    let mut forest = forest();
    let stats = forest.stats();
    let beyond = stats.bytes as f64 / f64::from(ELEMENTS) - 64.0;
    println!("memory: {beyond:.0} bytes per element beyond 32 of key and 32 of value, one state");
    let changes: Vec<[(Name, Vec<Change>); 1]> = (0..64).map(|number| [(Name::Accounts, batch(number))]).collect();
    let mut model: BTreeMap<Hash, Hash> = forest.now().leaves(&Name::Accounts).collect();
    model.extend(changes[0][0].1.iter().filter_map(|(key, value)| Some((*key, (*value)?))));
    alone(&mut forest, &changes[0]);
    assert_eq!(forest.root(&Name::Accounts), oracle::root(&model));
    let mut next = 0;
    let mut run = |by: By, forest: &mut Forest, rounds: u64| {
        (0..rounds)
            .map(|_| {
                next += 1;
                by(forest, &changes[next % changes.len()])
            })
            .sum()
    };
    let mut group = c.benchmark_group("root");
    group.throughput(criterion::Throughput::Elements(u64::from(CHANGED)));
    group.sample_size(20);
    group.bench_function("one thread", |b| b.iter_custom(|rounds| run(alone, &mut forest, rounds)));
    group.bench_function("two threads", |b| b.iter_custom(|rounds| run(by_two, &mut forest, rounds)));
    group.finish();
    // The least of many, in turns, says more on a machine that others use too.
    let mut least = [Duration::MAX; 2];
    for _ in 0..200 {
        least[0] = least[0].min(run(alone, &mut forest, 1));
        least[1] = least[1].min(run(by_two, &mut forest, 1));
    }
    let [one, two] = least.map(|took| took.as_nanos() as f64 / f64::from(CHANGED));
    println!("least of 200: {one:.0} ns per changed element on one thread, {two:.0} on two, {:.2} times", one / two);
    println!("memory with {DEPTH} states of {CHANGED} changes each: {} bytes", forest.stats().bytes);

    let view = forest.now();
    let root = forest.root(&Name::Accounts);
    let paths: Vec<(Hash, Hash, Path)> = (0..10_000_u32)
        .map(|n| {
            let key = key(n * 97);
            (key, view.get(&Name::Accounts, &key).expect("is there"), view.prove(&Name::Accounts, &key))
        })
        .collect();
    let sizes: Vec<usize> = paths.iter().map(|(.., path)| borsh::to_vec(path).expect("encodes").len()).collect();
    println!(
        "path of one of {ELEMENTS}: {} bytes on average, {} at most, of {} paths",
        sizes.iter().sum::<usize>() / sizes.len(),
        sizes.iter().max().expect("some"),
        sizes.len()
    );
    let mut group = c.benchmark_group("path");
    let mut n = 0;
    group.bench_function("made", |b| {
        b.iter(|| {
            n = (n + 1) % paths.len();
            black_box(view.prove(&Name::Accounts, &paths[n].0))
        })
    });
    group.bench_function("verified", |b| {
        b.iter(|| {
            n = (n + 1) % paths.len();
            let (key, value, path) = &paths[n];
            path.verify(&root, key, Some(value)).expect("verifies");
        })
    });
    group.finish();
}

criterion_group!(benches, figures);
criterion_main!(benches);
