//! `loom` models: every interleaving and every permitted reordering of a few steps.
//!
//! `RUSTFLAGS="--cfg loom" LOOM_MAX_PREEMPTIONS=2 cargo test -p replicode-stm --release --lib models`
//!
//! The models run the crate's own code, not copies: chain insertion against search, version swap against search,
//! counters' folds against their settling (of both widths), a key named for the first time by two, the parking, the seal against a hint, a stretch that ends at the turn, a hook that ends the
//! block, and a whole two-worker block (claim, publish, token hand-over, sleep). There is no time-out behind the parking here, so a lost
//! wake-up is a deadlock and is found.

use crate::arena::{Arena, Run};
use crate::certify::Group;
use crate::chain::{self, Kind, Rec, Unit};
use crate::execute::Why;
use crate::hints::Cause;
use crate::keyed::Keyed;
use crate::park::Parking;
use crate::run::{Scratch, Segment, Shared, Turn, Worker, ring};
use crate::slot::{ABORTED, ABORTING, EXECUTED};
use crate::spec::Buffer;
use crate::stats::Counts;
use crate::store::Store;
use crate::sync::{AtomicBool, AtomicU32, AtomicU64, Padded, Relaxed, SeqCst, fence};
use crate::turn::{Ask, Hook};
use crate::vault::{Blob, Share, Vault};
use crate::{Tx, TxCell, TxResult};
use loom::sync::Arc;
use loom::thread;
use std::marker::PhantomData;

fn recs() -> Arena<Rec> {
    let mut a = Arena::new(1);
    a.reserve(6);
    a
}

/// Inserts a version of `txn` whose word is `100 * txn`.
fn put(recs: &Arena<Rec>, cell: &Unit, run: &mut Run, txn: u32) -> u32 {
    let at = chain::new_version(recs, run, Kind::Write, u64::from(txn) * 100);
    chain::insert(recs, cell, txn, at);
    at
}

#[test]
fn insert_against_insert_and_find() {
    loom::model(|| {
        let shared = Arc::new((recs(), Unit::default()));
        let threads: Vec<_> = [1u32, 2]
            .map(|txn| {
                let s = shared.clone();
                thread::spawn(move || {
                    put(&s.0, &s.1, &mut Run::default(), txn);
                })
            })
            .into();
        let found = chain::find(&shared.0, &shared.1, 3);
        if found.ver != 0 {
            assert_eq!(chain::version(&shared.0, found.ver), (Kind::Write, u64::from(found.txn) * 100));
        }
        for t in threads {
            t.join().unwrap_or_default();
        }
        for (below, want) in [(1, 0), (2, 100), (3, 200)] {
            let f = chain::find(&shared.0, &shared.1, below);
            let word = if f.ver == 0 { 0 } else { chain::version(&shared.0, f.ver).1 };
            assert_eq!(word, want, "as transaction {below} sees it");
        }
    });
}

#[test]
fn swap_against_find() {
    loom::model(|| {
        let shared = Arc::new((recs(), Unit::default()));
        let s = shared.clone();
        let writer = thread::spawn(move || {
            let mut run = Run::default();
            let at = put(&s.0, &s.1, &mut run, 1);
            chain::mark_estimate(&s.0, at);
            let second = chain::new_version(&s.0, &mut run, Kind::Tombstone, 7);
            chain::swap(&s.0, at, second);
            chain::swap(&s.0, at, 0);
        });
        let found = chain::find(&shared.0, &shared.1, 2);
        if found.ver != 0 {
            // Whatever it is, it is whole.
            let seen = chain::version(&shared.0, found.ver);
            assert!(seen == (Kind::Write, 100) || seen == (Kind::Tombstone, 7), "torn: {seen:?}");
        }
        assert!(writer.join().is_ok());
        assert_eq!(chain::find(&shared.0, &shared.1, 2).ver, 0, "withdrawn");
    });
}

#[test]
fn settling_a_delta_against_a_fold() {
    loom::model(|| {
        let shared = Arc::new((recs(), Unit::default()));
        let mut run = Run::default();
        let nodes: Vec<u32> = (1..3)
            .map(|txn| {
                let at = chain::new_version(&shared.0, &mut run, Kind::Delta, 5);
                chain::insert(&shared.0, &shared.1, txn, at);
                at
            })
            .collect();
        let s = shared.clone();
        let committer = thread::spawn(move || {
            for (k, at) in nodes.iter().enumerate() {
                chain::settle_delta(&s.0, &s.1, k as u32 + 1, *at);
            }
        });
        assert_eq!(chain::fold(&shared.0, &shared.1, 3).0, 10, "folded or not, the sum is the same");
        assert!(committer.join().is_ok());
        assert_eq!(chain::fold(&shared.0, &shared.1, 3).0, 10);
    });
}

#[test]
fn settling_a_wide_delta_against_a_fold() {
    loom::model(|| {
        let shared = Arc::new((recs(), Unit::default(), Vault::new()));
        let (mut run, mut share) = (Run::default(), Share::default());
        let nodes: Vec<u32> = (1..3)
            .map(|txn| {
                let word = shared.2.put_wide(&mut share, 5 << 70);
                let at = chain::new_version(&shared.0, &mut run, Kind::WideDelta, word);
                chain::insert(&shared.0, &shared.1, txn, at);
                at
            })
            .collect();
        let s = shared.clone();
        let committer = thread::spawn(move || {
            for (k, at) in nodes.iter().enumerate() {
                s.2.settle(&s.0, &s.1, k as u32 + 1, *at, None);
            }
        });
        let sum = |below| shared.2.fold(&shared.0, &shared.1, below, None).0;
        assert_eq!(sum(3), Some(10 << 70), "folded or not, the sum is the same");
        assert!(committer.join().is_ok());
        assert_eq!((sum(3), sum(2), sum(1)), (Some(10 << 70), Some(5 << 70), None));
    });
}

/// Two workers name the same key for the first time: one cell, one question to the base, and both see its answer.
#[test]
fn a_key_is_made_once() {
    model(|| {
        let asked = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
        let count = asked.clone();
        let source: crate::keyed::Source<1, Blob> = Box::new(move |key| {
            count.fetch_add(1, Relaxed);
            Ok(Some(Blob::new(key)))
        });
        let mut store = Store::new(Default::default());
        store.cells.reserve(4);
        let part = store.add_part(Box::new(Keyed::<1, Blob>::new(Some(source), usize::MAX, 1)));
        let store: &'static Store = leak(store);
        let look = move || {
            let keyed = store.part::<Keyed<1, Blob>>(part).expect("was just added");
            let id = keyed.cell(store, crate::table::hash(b"k"), b"k").expect("the base knows it");
            let cell = store.cells.get(id);
            assert!(cell.present());
            assert_eq!(store.committed_bytes(cell), Some(&b"k"[..]));
            id
        };
        let other = thread::spawn(look);
        let mine = look();
        assert_eq!(other.join().ok(), Some(mine));
        assert_eq!(asked.load(Relaxed), 1);
    });
}

#[test]
fn parking_loses_no_wake_up() {
    loom::model(|| {
        let shared = Arc::new((Parking::new(), AtomicU32::new(0)));
        let s = shared.clone();
        let sleeper = thread::spawn(move || {
            while s.1.load(SeqCst) == 0 {
                s.0.sleep(|| s.1.load(Relaxed) != 0);
            }
        });
        shared.1.store(1, Relaxed);
        fence(SeqCst);
        shared.0.wake();
        assert!(sleeper.join().is_ok());
    });
}

/// Leaked: `loom` threads are not scoped.
fn leak<T>(t: T) -> &'static T {
    Box::leak(Box::new(t))
}

/// A segment of `n` transactions for two workers, and its only cell.
fn segment(n: u32) -> (&'static Shared<'static>, TxCell<u64>) {
    segment_until(n, None)
}

/// The same, with a hook at the commit turn.
fn segment_until(n: u32, hook: Option<&'static dyn Ask>) -> (&'static Shared<'static>, TxCell<u64>) {
    let mut store = Store::new(Default::default());
    store.cells.reserve(2);
    let engine = store.engine;
    let id = store.new_cell_mut(0, 0).unwrap_or_default();
    store.cells.get(id).set_meta(0, true);
    let store: &'static Store = leak(store);
    let slots: &'static _ = leak(ring(2, 2));
    let places: &'static [AtomicU64] = leak([0; 3].map(AtomicU64::new));
    let shared = leak(Shared {
        store,
        recs: leak(recs()),
        log: leak(Arena::new(1)),
        slots,
        window: Padded(AtomicU32::new(2)),
        narrowest: 2,
        widest: 2,
        calmest: 2,
        n,
        next: Padded(AtomicU32::new(0)),
        finals: Padded(AtomicU32::new(0)),
        end: AtomicU32::new(n),
        fatal: AtomicBool::new(false),
        cut: AtomicBool::new(false),
        hook,
        special: hook.is_some(),
        panics_are_faults: false,
        turn: Padded(Turn { commit: AtomicU32::new(0), ..Turn::default() }),
        aborters: Padded(AtomicU32::new(0)),
        heat: Padded(AtomicU32::new(0)),
        again: (0..slots.len().div_ceil(64)).map(|_| Padded(AtomicU64::new(0))).collect(),
        group: Group::new(false),
        park: Parking::new(),
        arrived: AtomicU32::new(0),
        begun: AtomicU64::new(0),
        done: AtomicU32::new(0),
        workers: 2,
        baton: None,
        chaos: None,
        alone: None,
        places,
        audit: None,
        ahead: crate::ahead::Ahead::new(false, false),
        front: true,
        time: &|| 0,
        clock: None,
        broken: AtomicBool::new(false),
        why: crate::sync::Mutex::new(None),
    });
    (shared, TxCell { engine, id, of: PhantomData })
}

fn model(f: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = model.preemption_bound.or(Some(2));
    model.check(f);
}

fn worker(id: usize) -> Worker<u64> {
    Worker { id, buf: Buffer::default(), scratch: Scratch::default(), outcomes: Vec::new() }
}

/// A whole block: two workers, two transactions that conflict, the real `work` loop.
#[test]
fn a_block_with_token_hand_over() {
    model(|| {
        let (shared, cell) = segment(2);
        let f = move |tx: &mut Tx<'_>, by: &u64| -> TxResult<u64> { cell.update(tx, |v| v * 10 + by) };
        let work = move |id: usize| Segment { shared, jobs: &[1u64, 2], f: &f, of: PhantomData }.work(&mut worker(id));
        let helper = thread::spawn(move || work(1));
        work(0);
        assert!(helper.join().is_ok());
        // Brought home by the workers, or still in the chain.
        let cell = shared.store.cells.get(cell.id);
        let end = chain::find(shared.recs, cell, 2);
        let value = if end.ver == 0 { cell.base.load(Relaxed) } else { chain::version(shared.recs, end.ver).1 };
        assert_eq!(value, 12, "first the 1, then the 2");
    });
}

/// The hook ends the block with the first of two transactions, whoever holds the turn: the second has no effect.
#[test]
fn a_turn_that_ends_the_block() {
    model(|| {
        let asked = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
        let count = asked.clone();
        let hook = leak(Hook::new(Box::leak(Box::new(move |turn: crate::Turn| {
            assert_eq!(turn.index as u32, count.fetch_add(1, Relaxed), "once each, in order");
            crate::Verdict::EndAfter
        }))));
        let (shared, cell) = segment_until(2, Some(hook));
        let f = move |tx: &mut Tx<'_>, by: &u64| -> TxResult<u64> { cell.update(tx, |v| v * 10 + by) };
        let work = move |id: usize| Segment { shared, jobs: &[1u64, 2], f: &f, of: PhantomData }.work(&mut worker(id));
        let helper = thread::spawn(move || work(1));
        work(0);
        assert!(helper.join().is_ok());
        let end = shared.end.load(SeqCst);
        assert_eq!((end, shared.turn.commit.load(SeqCst), asked.load(Relaxed)), (1, 1, 1));
        assert!(shared.cut.load(SeqCst));
        let cell = shared.store.cells.get(cell.id);
        let found = chain::find(shared.recs, cell, end);
        let value = if found.ver == 0 { cell.base.load(Relaxed) } else { chain::version(shared.recs, found.ver).1 };
        assert_eq!(value, 1, "the 1 and not the 2");
    });
}

/// A worker that finishes its stretch at the commit turn, over a run of its own, against one that has read too early.
#[test]
fn a_stretch_that_ends_at_the_turn() {
    model(|| {
        let (shared, cell) = segment(3);
        shared.next.store(3, Relaxed);
        let f = move |tx: &mut Tx<'_>, by: &u64| -> TxResult<u64> { cell.update(tx, |v| v * 10 + by) };
        let segment = move || Segment { shared, jobs: &[1u64, 2, 3], f: leak(f), of: PhantomData };
        let above = thread::spawn(move || {
            let mut w = worker(1);
            segment().each(&mut w, 2..3, Why::Claimed(u32::MAX));
            segment().commit(&mut w, true);
        });
        let mut w = worker(0);
        segment().each(&mut w, 0..1, Why::Claimed(u32::MAX));
        if segment().finish_at_turn(&mut w, 1..2).is_none() {
            segment().each(&mut w, 1..2, Why::Claimed(u32::MAX));
        }
        segment().commit(&mut w, true);
        assert!(above.join().is_ok());
        // Either may have missed that the token became free; who goes on working looks again.
        segment().commit(&mut w, true);
        assert_eq!(shared.turn.commit.load(SeqCst), 3);
        let cell = shared.store.cells.get(cell.id);
        assert_eq!(chain::version(shared.recs, chain::find(shared.recs, cell, 3).ver).1, 123);
    });
}

/// A hint that aborts an executed transaction, against a commit turn that shuts the hints out and swaps no status.
#[test]
fn a_hint_against_the_seal() {
    model(|| {
        let (shared, cell) = segment(1);
        shared.next.store(1, Relaxed);
        let slot = shared.slot(0);
        let running = slot.open(0, 0);
        let executed = running.with(EXECUTED);
        assert!(slot.change(running, executed));
        let hint = thread::spawn(move || shared.abort(&mut Counts::default(), executed, 0, Cause::Invented));
        let f = move |tx: &mut Tx<'_>, by: &u64| -> TxResult<u64> { cell.update(tx, |v| v * 10 + by) };
        let segment = Segment { shared, jobs: &[1u64], f: &f, of: PhantomData };
        segment.commit(&mut worker(0), true);
        assert!(hint.join().is_ok());
        let aborted = matches!(slot.load().state(), ABORTING | ABORTED);
        assert_eq!(shared.turn.commit.load(SeqCst) == 0, aborted, "committed and aborted, or neither");
    });
}
