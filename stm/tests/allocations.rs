//! In steady state a batch allocates a constant number of times, however many transactions it has.
//!
//! A test binary of its own, because it brings its own global allocator.

#![cfg(not(any(loom, shuttle)))]
#![allow(clippy::unwrap_used)]
#![allow(unsafe_code, reason = "a global allocator cannot be written without; it only counts and passes on")]

use replicode_stm::{Builder, Mode, Stm};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call is passed on unchanged to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, SeqCst);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(at, layout) }
    }
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, SeqCst);
        // SAFETY: as the caller promises.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// The count is the whole process's: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// Fewest allocations that a warm batch of `n` transactions took.
fn batch(stm: &mut Stm, n: u64, mut pass: impl FnMut(&mut Stm, &[u64])) -> u64 {
    let jobs: Vec<u64> = (0..n).collect();
    // Which worker does how much varies, so its memory is warm only after some batches.
    (0..60)
        .map(|_| {
            let before = ALLOCATIONS.load(SeqCst);
            pass(stm, &jobs);
            ALLOCATIONS.load(SeqCst) - before
        })
        .min()
        .unwrap()
}

#[test]
fn no_allocation_per_transaction() {
    let _alone = ALONE.lock().unwrap();
    let direct: Builder = Stm::builder().threads(1).mode(Mode::Direct);
    let one = Stm::builder().threads(1).mode(Mode::Speculative);
    let two = Stm::builder().threads(2).mode(Mode::Speculative);
    let engines = [
        ("direct", direct),
        ("1 thread", one.clone().run_ahead(false)),
        ("2 threads", two.clone().run_ahead(false)),
        ("2 threads, groups", two.clone().run_ahead(false).group_certification(true)),
        ("1 thread, run ahead", one),
        ("2 threads, run ahead", two),
    ];
    for (name, builder) in engines {
        let mut stm = builder.build().unwrap();
        let cells: Vec<_> = (0..100u64).map(|i| stm.cell(i)).collect();
        let total = stm.counter(0);
        let wide = stm.cell((0u64, [0u8; 24])); // does not fit a word
        let map = stm.map_from((0..50u64).map(|k| (k, k)));
        let (memory, sums) = (stm.memory::<8>(), stm.counters::<8>());
        let pass = |stm: &mut Stm, jobs: &[u64]| {
            let out = stm
                .execute(jobs, |tx, i| {
                    let v = cells[*i as usize % 100].update(tx, |v| v + 1)?;
                    cells[(*i as usize * 7 + 3) % 100].set(tx, v)?;
                    total.add(tx, 1)?;
                    if i % 8 == 0 {
                        wide.set(tx, (*i, [1; 24]))?;
                    }
                    map.set(tx, i % 50, v)?;
                    // Longer than what lies in the entry itself; and what changes is told now and then.
                    let key = (i % 40).to_le_bytes();
                    let first = memory.read(tx, &key, |value| value.map_or(0, |bytes| bytes[0]))?;
                    memory.set(tx, &key, &[first.wrapping_add(1); 100])?;
                    sums.add(tx, &key, 1)?;
                    tx.require(i % 10 != 9, "every tenth reverts")
                })
                .unwrap();
            assert_eq!(out.len(), jobs.len());
        };
        let many = batch(&mut stm, 8_000, pass);
        let few = batch(&mut stm, 1_000, pass);
        println!("{name}: {few} allocations for 1,000 transactions, {many} for 8,000");
        // A revert's reason is boxed, in every run of it: one in ten transactions.
        let (reverts, more) = (7_000 / 10, many - few);
        assert!(more <= reverts + reverts / 2, "{name}: {more} more for 7,000 more transactions, {reverts} reverts");
    }
}

#[test]
fn no_allocation_without_reverts() {
    let _alone = ALONE.lock().unwrap();
    for threads in [1, 2] {
        let mut stm = Stm::builder().threads(threads).mode(Mode::Speculative).run_ahead(false).build().unwrap();
        let cells: Vec<_> = (0..1000u64).map(|i| stm.cell(i)).collect();
        let n = batch(&mut stm, 8_000, |stm, jobs| {
            let out = stm.execute(jobs, |tx, i| cells[*i as usize % 1000].update(tx, |v| v + 1)).unwrap();
            assert_eq!(out.len(), jobs.len());
        });
        assert!(n < 40, "{threads} threads: {n} allocations for 8,000 transactions");
    }
}
