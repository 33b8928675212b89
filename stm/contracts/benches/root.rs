//! What a root costs: 10,000 of a million elements changed by a batch, on one thread and on two; proofs; memory.
//!
//! `cargo bench -p replicode-contracts --bench root`. Keys are uniformly random, which is the worst case: calls that change the
//! same or neighbouring elements cost less. The new root is compared with the oracle's once.

#![allow(clippy::disallowed_types, reason = "a bench measures time")]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use replicode_contracts::hash::{self, Domain, Hash};
use replicode_contracts::proof::{Anchor, Batch, Contents, Path, Question, account_content, element_content, prove};
use replicode_contracts::tree::{Change, Forest, Name, Schema, oracle};

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
        let random = hash::of(Domain::Cell, &[number.to_le_bytes(), n.to_le_bytes()].concat());
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
    seal(forest);
    began.elapsed()
}

fn by_two(forest: &mut Forest, changes: &[(Name, Vec<Change>)]) -> Duration {
    let began = Instant::now();
    let mut split = forest.split(changes).expect("splits");
    let parts = split.parts();
    let (own, others) = parts.split_at_mut(parts.len() / 2);
    // A scope starts a thread for each batch: some tens of microseconds that an executor's waiting worker does not need.
    std::thread::scope(|scope| {
        scope.spawn(|| {
            others.iter_mut().for_each(|part| part.run());
            WAITED.fetch_add(waited(), Ordering::Relaxed);
        });
        own.iter_mut().for_each(|part| part.run());
    });
    black_box(split.finish());
    seal(forest);
    began.elapsed()
}

/// How long second threads stood in line for a processor.
static WAITED: AtomicU64 = AtomicU64::new(0);

/// Nanoseconds that this thread was ready and others ran; 0 where the system does not say.
fn waited() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split_whitespace().nth(1).and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// The least of many passes in turns, of those in which our threads waited for less than a twentieth of the time; how many there were.
fn least(forest: &mut Forest, changes: &[[(Name, Vec<Change>); 1]]) -> [(f64, u32); 2] {
    let mut least = [(f64::INFINITY, 0); 2];
    let began = Instant::now();
    let mut changes = changes.iter().cycle();
    loop {
        for (by, least) in [alone as By, by_two].into_iter().zip(&mut least) {
            // Another batch each time: what is there already costs nothing.
            let Some(changes) = changes.next() else { continue };
            let before = waited() + WAITED.load(Ordering::Relaxed);
            let took = by(forest, changes).as_nanos() as u64;
            if (waited() + WAITED.load(Ordering::Relaxed) - before) * 20 < took {
                *least = (least.0.min(took as f64 / f64::from(CHANGED)), least.1 + 1);
            }
        }
        if began.elapsed() > Duration::from_secs(60) || least.iter().all(|least| least.1 >= 100) {
            break;
        }
    }
    least
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
    // Says more on a machine that others use too.
    let [(one, of), (two, of_two)] = least(&mut forest, &changes);
    println!("one thread, least of {of} passes: {one:.0} ns per changed element, sealing included");
    println!("two threads, least of {of_two} passes: {two:.0} ns, {:.2} times", one / two);
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

/// A million accounts, and one of them with a collection of a million elements: the longest way that a proof takes.
fn whole_proof(c: &mut Criterion) {
    let (mut forest, asked) = (Forest::new(0, 0), 12_345_u32);
    let account: [u8; 20] = key(1).prefix();
    let element = element_content(&asked.to_le_bytes(), 0, &[7; 32]);
    let update = |forest: &mut Forest, name, own: (Hash, Hash)| {
        let mut leaves: BTreeMap<Hash, Option<Hash>> = (0..ELEMENTS).map(|n| (key(n), Some(key(n ^ 1)))).collect();
        leaves.insert(own.0, Some(own.1));
        forest.update(name, &leaves.into_iter().collect::<Vec<_>>()).expect("updates")
    };
    let own = (key(asked), hash::of(Domain::Element, &element));
    let state = update(&mut forest, Name::Collection { account, id: Hash::ZERO }, own);
    // A page full of variables, the collection's state in the middle of it.
    let mut page: Vec<u8> = (0..4096_u32).map(|n| (n % 251) as u8 + 1).collect();
    page[1000..1032].copy_from_slice(state.as_bytes());
    let own = [(hash::key(&[0; 4]), Some(hash::page(&account, 0, &page)))];
    let state = forest.update(Name::Pages { account }, &own).expect("updates");
    // Template, nonce, balance and the like.
    let content = account_content(&account, &state, &[1; 64]);
    update(&mut forest, Name::Accounts, (hash::key(&account), hash::of(Domain::Account, &content)));
    let known = [content, [&[0; 4], page.as_slice()].concat(), element];
    let batch = Batch { index: 1, parent: key(0), root: forest.root(&Name::Accounts), receipts: key(1) };
    let keys = vec![asked.to_le_bytes().to_vec()];
    let question = Question::Element { address: account, page: 0, offset: 1000, keys };
    let mut make = || prove(forest.now(), &One, &mut Known(&known), &question, Some(batch)).expect("proves");
    let proof = make();
    println!(
        "proof of an element of a million, in an account of a million, in a full page, to the digest: {} bytes",
        borsh::to_vec(&proof).expect("encodes").len()
    );
    let anchor = Anchor::Digest(batch.digest());
    let mut group = c.benchmark_group("proof");
    group.bench_function("made, with its own check", |b| b.iter(&mut make));
    group.bench_function("verified", |b| b.iter(|| proof.verify(black_box(&question), &anchor).expect("verifies")));
    group.finish();
}

/// The contents of the one account: its own, its page's, its element's.
struct Known<'a>(&'a [Vec<u8>; 3]);

impl Contents for Known<'_> {
    fn content(&mut self, name: &Name, _: &Hash, _: &Hash) -> Result<Vec<u8>, String> {
        let at = match name {
            Name::Accounts => 0,
            Name::Pages { .. } => 1,
            _ => 2,
        };
        Ok(self.0[at].clone())
    }
}

/// One collection, whose state stands at byte 1000 of page 0.
struct One;

impl Schema for One {
    fn leaf(&self, _: &Name, _: &[u8]) -> Option<(Hash, Hash)> {
        None
    }

    fn children(&self, name: &Name, content: &[u8]) -> Vec<(Name, Hash)> {
        let (Name::Pages { account }, Ok(state)) = (name, content[1004..1036].try_into()) else { return Vec::new() };
        vec![(Name::Collection { account: *account, id: Hash::ZERO }, Hash::new(state))]
    }

    fn describe(&self, name: &Name, _: &[u8]) -> String {
        name.to_string()
    }
}

criterion_group!(benches, figures, whole_proof);
criterion_main!(benches);
