//! Tests of the log with its threads. Crashes and damage are `replicode-store`'s to test.

mod suite;

use super::log::Log;
use super::store::LogStore;
use super::work::{self, OnFault};
use crate::raft::{self, TypeConfig};
use bytes::Bytes;
use openraft::storage::{IOFlushed, RaftLogReader, RaftLogStorage};
use replicode_log::{Digest, NodeId};
use replicode_store::record::{Body, Entry, EntryId, VoteRecord};
use replicode_store::segment::{ClusterIdentity, Owner};
use replicode_store::sim_disk::SimDisk;
use replicode_store::{Disk, LogOptions};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

pub(crate) fn owner() -> Owner {
    let Ok(node) = NodeId::new(1) else { unreachable!("1 is a node number") };
    let identity = ClusterIdentity { cluster: [1; 16], config: Digest::of(b"config"), engine: Digest::of(b"engine") };
    Owner { node, identity }
}

pub(crate) fn options(segment_bytes: u64, cache_bytes: usize) -> LogOptions {
    LogOptions { found: true, incarnation: [5; 16], segment_bytes, cache_bytes }
}

pub(crate) fn no_fault() -> OnFault {
    Box::new(|fault| unreachable!("no fault is expected: {fault}"))
}

fn entry(term: u64, index: u64, len: usize) -> Entry {
    let body = if len == 0 { Body::Blank } else { Body::Batch(Bytes::from(vec![index as u8; len])) };
    Entry { id: EntryId { term, index }, body }
}

fn open(disk: &SimDisk, segment_bytes: u64, cache_bytes: usize) -> Log {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    match Log::open(disk, owner(), options(segment_bytes, cache_bytes), no_fault(), &mut |_| {}) {
        Ok(log) => log,
        Err(error) => unreachable!("the log opens: {error}"),
    }
}

/// Runs a change and waits until it is durable.
fn durably(change: impl FnOnce(work::Done) -> Result<(), super::LogError>) {
    let (tx, rx) = mpsc::channel();
    assert!(change(Box::new(move |result| drop(tx.send(result)))).is_ok());
    assert!(rx.recv().is_ok_and(|result| result.is_ok()));
}

fn read_all(log: &Log) -> Vec<Entry> {
    log.read(0, u64::MAX, usize::MAX).unwrap_or_else(|error| unreachable!("the log is whole: {error}"))
}

#[test]
fn entries_are_read_from_cache_from_old_segments_and_after_reopening() {
    let disk = SimDisk::new();
    // Segments of 12 KiB and no cache to speak of: nearly everything is read from segments.
    let log = open(&disk, 12 << 10, 1);
    let entries: Vec<_> = (0..100).map(|index| entry(1 + index / 40, index, (index as usize * 37) % 900)).collect();
    for piece in entries.chunks(7) {
        durably(|done| log.append(piece.to_vec(), true, done));
    }
    assert!(log.status().segments > 3);
    assert_eq!(read_all(&log), entries);
    assert_eq!(log.read(50, 60, 1).map(|some| some.len()).ok(), Some(1), "one at least, whatever the cap");
    durably(|done| log.save_vote(VoteRecord { term: 9, node: 2, committed: true }, done));
    assert!(log.note_committed(entries[80].id).is_ok());
    log.close();
    assert!(log.append(vec![], true, Box::new(|_| {})).is_err(), "closed");

    let log = open(&disk, 12 << 10, 1 << 20);
    assert_eq!(read_all(&log), entries);
    assert_eq!(log.vote(), Some(VoteRecord { term: 9, node: 2, committed: true }));
    assert_eq!(log.committed().ok().flatten(), Some(entries[80].id));
    assert_eq!(log.ends(), (None, Some(entries[99].id)));
    // Back over several segments, and on from there.
    durably(|done| log.truncate_after(Some(entries[10].id), done));
    durably(|done| log.append(vec![entry(7, 11, 5), entry(7, 12, 5)], true, done));
    let expected = [&entries[..11], &[entry(7, 11, 5), entry(7, 12, 5)]].concat();
    assert_eq!(read_all(&log), expected);
    assert_eq!(log.committed().ok().flatten(), None, "a hint that names no entry of this log is not believed");
    log.close();
    assert_eq!(read_all(&open(&disk, 12 << 10, 1)), expected);
}

#[test]
fn purged_segments_are_used_again() {
    let disk = SimDisk::new();
    let log = open(&disk, 9 << 10, 1);
    durably(|done| log.save_vote(VoteRecord { term: 3, node: 1, committed: false }, done));
    for index in 0..60 {
        durably(|done| log.append(vec![entry(1, index, 700)], true, done));
    }
    let before = log.status().segments;
    durably(|done| log.purge(EntryId { term: 1, index: 50 }, done));
    assert!(log.status().segments < before);
    for index in 60..90 {
        durably(|done| log.append(vec![entry(1, index, 700)], true, done));
    }
    log.close();
    let log = open(&disk, 9 << 10, 1);
    let indices: Vec<_> = read_all(&log).iter().map(|entry| entry.id.index).collect();
    assert_eq!(indices, (51..90).collect::<Vec<_>>());
    assert_eq!(log.vote(), Some(VoteRecord { term: 3, node: 1, committed: false }), "the vote moves along");
    log.close();
}

#[test]
fn a_record_larger_than_a_segment_gets_one_of_its_size() {
    let disk = SimDisk::new();
    let log = open(&disk, 9 << 10, 1);
    let entries = vec![entry(1, 0, 10), entry(1, 1, 100_000), entry(1, 2, 10)];
    durably(|done| log.append(entries.clone(), true, done));
    log.close();
    assert_eq!(read_all(&open(&disk, 9 << 10, 1)), entries);
}

#[test]
fn an_error_of_the_disk_ends_everything() {
    let disk = SimDisk::new();
    let (faults, fault) = mpsc::channel();
    let on_fault: OnFault = Box::new(move |fault| drop(faults.send(fault)));
    let log = Log::open(Arc::new(disk.clone()), owner(), options(1 << 20, 1 << 20), on_fault, &mut |_| {});
    let Ok(log) = log else { unreachable!("the log opens") };
    durably(|done| log.append(vec![entry(1, 0, 10)], true, done));
    disk.stop_after(1);
    let (tx, rx) = mpsc::channel();
    let pushed = log.append(vec![entry(1, 1, 10)], true, Box::new(move |result| drop(tx.send(result))));
    assert!(pushed.is_ok());
    assert!(rx.recv().is_ok_and(|result| result.is_err()), "the write succeeds, the sync does not: no acknowledgement");
    assert!(fault.recv().is_ok_and(|fault| fault.contains("sync log segment 000000000001.log")));
    assert!(log.append(vec![entry(1, 2, 10)], true, Box::new(|result| assert!(result.is_err()))).is_err());
    log.close();
}

#[test]
fn a_panic_of_the_logs_thread_is_a_fault_and_leaves_nobody_waiting() {
    let (faults, fault) = mpsc::channel();
    let on_fault: OnFault = Box::new(move |fault| drop(faults.send(fault)));
    let log = Log::open(Arc::new(SimDisk::new()), owner(), options(1 << 20, 1 << 20), on_fault, &mut |_| {});
    let Ok(log) = log else { unreachable!("the log opens") };
    let (tx, rx) = mpsc::channel();
    let (go, wait) = mpsc::channel();
    // The second job is queued before the first one's panic: it is told, too.
    let first = log.append(
        vec![entry(1, 0, 10)],
        true,
        Box::new(move |_| {
            let () = wait.recv().unwrap_or_default();
            unreachable!("a panic, on purpose")
        }),
    );
    assert!(first.is_ok());
    let second = log.append(vec![entry(1, 1, 10)], true, Box::new(move |result| drop(tx.send(result))));
    assert!(second.is_ok() && go.send(()).is_ok());
    assert!(fault.recv().is_ok_and(|fault| fault.contains("panicked")));
    assert!(rx.recv().is_ok_and(|result| result.is_err()));
    assert!(log.append(vec![entry(1, 2, 10)], true, Box::new(|result| assert!(result.is_err()))).is_err());
    log.close();
}

#[test]
fn a_real_directory_has_one_owner() -> Result<(), Box<dyn std::error::Error>> {
    use super::file_disk::FileDisk;
    use super::{LogError, LogReader};
    let dir = std::env::temp_dir().join(format!("replicode-log-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    assert!(matches!(FileDisk::open(&dir, false), Err(LogError::NoLog(_))));
    let disk = Arc::new(FileDisk::open(&dir, true)?);
    assert!(matches!(FileDisk::open(&dir, false), Err(LogError::Busy(_))));
    let not_founding = LogOptions { found: false, ..options(1 << 20, 1) };
    assert!(matches!(Log::open(disk.clone(), owner(), not_founding, no_fault(), &mut |_| {}), Err(LogError::NoLog(_))));
    let log = Log::open(disk, owner(), options(1 << 20, 1), no_fault(), &mut |_| {})?;
    let entries = vec![entry(1, 0, 0), entry(1, 1, 50)];
    durably(|done| log.append(entries.clone(), true, done));
    // The offline reader needs no lock and changes nothing.
    let reader = LogReader::open(&dir)?;
    let read: Vec<_> = reader.entries().collect::<Result<_, _>>()?;
    assert_eq!(
        read.iter().map(|entry| (entry.raft_index, entry.batch.is_some())).collect::<Vec<_>>(),
        [(0, false), (1, true)]
    );
    assert_eq!(reader.owner(), Some(owner()));
    log.close();
    drop(log);
    let mut other = owner();
    other.identity.cluster = [2; 16];
    let foreign = Log::open(Arc::new(FileDisk::open(&dir, false)?), other, not_founding, no_fault(), &mut |_| {});
    assert!(foreign.is_err_and(|error| error.to_string().contains("belongs to cluster 0101")));
    std::fs::remove_dir_all(&dir)?;
    Ok(())
}

#[test]
fn a_caller_that_would_only_wait_makes_its_change_durable_itself() {
    let log = open(&SimDisk::new(), 64 << 10, 1 << 20);
    let here = std::thread::current().id();
    let (tx, rx) = mpsc::channel();
    let on = |tx: &mpsc::Sender<_>| -> work::Done {
        let tx = tx.clone();
        Box::new(move |result| {
            let told = tx.send((result.is_ok(), std::thread::current().id()));
            assert!(told.is_ok());
        })
    };
    assert!(log.append(vec![entry(1, 0, 100)], false, on(&tx)).is_ok());
    assert_eq!(rx.try_recv(), Ok((true, here)), "told before the call returned");
    let before = log.status().fsyncs;
    let mut next = 1;
    let mut tells_elsewhere = |bytes, peers| {
        assert!(log.append(vec![entry(1, next, bytes)], peers, on(&tx)).is_ok());
        next += 1;
        rx.recv().is_ok_and(|(durable, thread)| durable && thread != here)
    };
    // When a segment is half full the next one is prepared: the thread sees to that.
    assert!(tells_elsewhere(40 << 10, false));
    // It may take the thread a moment to be done.
    assert!((0..1000).any(|_| !tells_elsewhere(1, false)), "afterwards callers do it themselves again");
    // What does not fit into the segment begins another one: that is the thread's.
    assert!(tells_elsewhere(63 << 10, false));
    assert!(tells_elsewhere(100, true));
    assert!(log.status().fsyncs > before);
    // A follower does so as well where nobody would notice, once the disk has proven that.
    assert!((0..100_000).any(|_| !tells_elsewhere(1, true)), "after many quick syncs");
    assert!(log.read(0, next, usize::MAX).is_ok_and(|entries| entries.len() as u64 == next));
    log.close();
}

/// What a thread that does consensus does with the log, while the disk answers nothing: whether it was held up.
async fn is_held_up<T>(disk: &SimDisk, what: impl Future<Output = T>) -> (bool, Option<T>) {
    disk.freeze();
    // Whoever waits on this thread is let go after a while, and is found out.
    let thawing = std::thread::spawn({
        let disk = disk.clone();
        move || {
            std::thread::sleep(Duration::from_secs(3));
            disk.thaw();
        }
    });
    let began = Instant::now();
    let done = tokio::time::timeout(Duration::from_millis(200), what).await.ok();
    let held_up = began.elapsed() > Duration::from_secs(1);
    disk.thaw();
    assert!(thawing.join().is_ok());
    (held_up, done)
}

#[tokio::test]
async fn a_disk_that_stands_still_holds_up_nobody_who_has_peers() {
    let disk = SimDisk::new();
    let log = open(&disk, 12 << 10, 1);
    let entries: Vec<_> = (0..60).map(|index| entry(1, index, 400)).collect();
    durably(|done| log.append(entries.clone(), true, done));
    let mut store = LogStore { log: log.clone(), alone: false, batch: Arc::default() };
    // An old entry for a follower that lags: not in memory.
    let (held_up, read) = is_held_up(&disk, store.limited_get_log_entries(3, 5)).await;
    assert!(!held_up && read.is_none(), "the disk is waited for, on another thread");
    let read = store.limited_get_log_entries(3, 5).await;
    assert!(read.is_ok_and(|read| read.len() == 2));
    let next = raft::from_log(entry(1, 60, 400));
    let (held_up, taken) = is_held_up(&disk, async {
        store.append(next, IOFlushed::<TypeConfig>::noop()).await?;
        store.limited_get_log_entries(60, 61).await
    })
    .await;
    assert!(!held_up, "whoever appends does not sync");
    assert!(taken.is_some_and(|read| read.is_ok_and(|read| read.len() == 1)), "what was appended can be read at once");
    log.close();
}
