//! The host's `storage`: the files of `paxos-storage`, written by the caller and synced by a thread of each role.
//!
//! While one `fdatasync` is under way, what is appended and flushed meanwhile waits for the next one: so syncs are shared by
//! as many records as came in the time of one. `durable` and its pollable tell when.

use crate::bell::{self, Bell};
use crate::bindings::storage::{self, Identity, Opened, Progress, SnapshotPart};
use crate::bindings::types::{Durability, Fault, FaultKind, Role};
use crate::convert;
use crate::state::State;
use paxos_storage::disk::Directory;
use paxos_storage::{Options, Storage, StorageError};
use paxos_types::{Bytes, ClusterId, Incarnation, NodeId, Slot};
use std::collections::BTreeMap;
use std::fs::File;
use std::hash::{BuildHasher as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Context;
use std::time::Duration;
use wasmtime::component::Resource;
use wasmtime_wasi::p2::DynPollable;

/// After so long without anything to sync the log notes how far it is durable: so that damage to its last records is told
/// from a torn end.
const QUIET: Duration = Duration::from_millis(50);

/// All storages of a process, by role.
#[derive(Default)]
pub struct Disk([Option<Place>; 4]);

/// The storage of one role.
enum Place {
    /// On disk.
    File(Log),
    /// With the process.
    Memory(Memory),
}

struct Log {
    shared: Arc<Shared>,
    jobs: Sender<Job>,
    worker: Option<std::thread::JoinHandle<()>>,
    identity: paxos_storage::Identity,
    path: PathBuf,
    /// What was found at the start and has not been read yet, or is still asked for.
    found: Vec<(u64, Bytes)>,
    /// A snapshot that is being read, part by part.
    reading: Option<(u64, Bytes)>,
    /// Progress that was told last, for the pollable.
    told: Arc<Mutex<(u64, u64)>>,
    given: bool,
    /// Appended since the last flush.
    dirty: bool,
}

struct Shared {
    storage: Mutex<Storage<Directory>>,
    progress: Mutex<Done>,
    bell: Bell,
}

#[derive(Clone)]
struct Done {
    position: u64,
    snapshot: u64,
    failed: Option<StorageError>,
}

enum Job {
    Sync,
    /// A snapshot: its slot, its bytes in parts, its end.
    Begin(u64),
    Part(Vec<u8>),
    Finish,
}

#[derive(Default)]
struct Memory {
    appended: u64,
    snapshot: Option<(u64, Bytes)>,
    /// One of which parts are still to come.
    coming: Option<(u64, Vec<u8>)>,
    given: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn fault(error: &StorageError) -> Fault {
    Fault { kind: FaultKind::Storage, text: error.to_string() }
}

fn contract(text: &str) -> Fault {
    Fault { kind: FaultKind::Contract, text: text.to_owned() }
}

impl Log {
    fn open(path: PathBuf, identity: paxos_storage::Identity) -> Result<(Self, Opened), Fault> {
        let files = Directory::open(&path).map_err(|error| fault(&error))?;
        // The standard library seeds its hash maps from the system; 0 is nobody's number.
        let random = std::collections::hash_map::RandomState::new().build_hasher().finish() | 1;
        let opened = Storage::open(files, identity, Incarnation(random), Options::default()).map_err(|e| fault(&e))?;
        let paxos_storage::Opened { storage, fresh, records, snapshot, cut } = opened;
        let next = storage.appended() + 1;
        let slot = snapshot.map_or(0, |(slot, _)| slot.0);
        let result = Opened {
            incarnation: storage.incarnation().0,
            fresh,
            first: records.first().map_or(next, |(position, _)| *position),
            next,
            snapshot: slot,
            torn: cut.map_or_else(String::new, |cut| {
                format!(
                    "cut {} bytes off {} at byte {}, torn at the end, not known to have been durable: {}",
                    cut.bytes,
                    path.join(cut.file).display(),
                    cut.offset,
                    cut.reason
                )
            }),
        };
        let done = Done { position: storage.durable(), snapshot: slot, failed: None };
        let told = Arc::new(Mutex::new((done.position, done.snapshot)));
        let shared =
            Arc::new(Shared { storage: Mutex::new(storage), progress: Mutex::new(done), bell: Bell::default() });
        let (jobs, queue) = channel();
        let (working, folder) = (Arc::clone(&shared), path.clone());
        let worker =
            std::thread::Builder::new().name("sync".into()).spawn(move || work(&working, &folder, &queue)).map_err(
                |error| Fault { kind: FaultKind::Storage, text: format!("cannot start the syncing thread: {error}") },
            )?;
        let worker = Some(worker);
        Ok((
            Self {
                shared,
                jobs,
                worker,
                identity,
                path,
                found: records,
                reading: None,
                told,
                given: false,
                dirty: false,
            },
            result,
        ))
    }

    /// Progress, or why there is none any more.
    fn done(&self) -> Result<Progress, Fault> {
        let Done { position, snapshot, failed } = lock(&self.shared.progress).clone();
        *lock(&self.told) = (position, snapshot);
        match failed {
            Some(error) => Err(fault(&error)),
            None => Ok(Progress { position, snapshot }),
        }
    }

    fn give(&self, job: Job) -> Result<(), Fault> {
        self.jobs.send(job).map_err(|_| contract("the syncing thread is gone"))
    }

    /// Records from a position on.
    fn read(&mut self, start: u64, most: usize) -> Result<Vec<Vec<u8>>, Fault> {
        let next = lock(&self.shared.storage).appended() + 1;
        if self.found.last().map_or(1, |(position, _)| position + 1) < next && start < next {
            // Written since: the files have them. Nobody does this while it works.
            let storage = lock(&self.shared.storage);
            let files = Directory::open(&self.path).map_err(|error| fault(&error))?;
            let opened = Storage::open(files, self.identity, storage.incarnation(), Options::default());
            self.found = opened.map_err(|error| fault(&error))?.records;
        }
        let from = self.found.partition_point(|(position, _)| *position < start);
        let mut bytes = 0;
        let mut records = Vec::new();
        for (_, record) in self.found.iter().skip(from) {
            if bytes > 0 && bytes + record.len() > most {
                break;
            }
            bytes += record.len().max(1);
            records.push(record.to_vec());
        }
        if from + records.len() >= self.found.len() {
            // Read to the end, as everybody does once at the start.
            self.found = Vec::new();
        }
        Ok(records)
    }

    fn part(&mut self, offset: u64, most: usize) -> Result<Option<SnapshotPart>, Fault> {
        let newest = lock(&self.shared.progress).snapshot;
        if self.reading.as_ref().is_none_or(|(slot, _)| *slot != newest) {
            let loaded = lock(&self.shared.storage).load_snapshot().map_err(|error| fault(&error))?;
            self.reading = loaded.map(|(slot, bytes)| (slot.0, bytes));
        }
        let part = self.reading.as_ref().map(|(slot, bytes)| cut(*slot, bytes, offset, most));
        if part.as_ref().is_some_and(|part| offset + part.bytes.len() as u64 >= part.total) {
            // The last part: nobody should hold it in memory for ever.
            self.reading = None;
        }
        Ok(part)
    }

    fn close(mut self) -> Result<(), Fault> {
        self.give(Job::Sync)?;
        let Self { jobs, worker, shared, .. } = &mut self;
        // The worker ends when nobody can give it anything any more.
        drop(std::mem::replace(jobs, channel().0));
        if let Some(worker) = worker.take() {
            let _ = worker.join();
        }
        match lock(&shared.progress).failed.clone() {
            Some(error) => Err(fault(&error)),
            None => lock(&shared.storage).idle().map_err(|error| fault(&error)),
        }
    }
}

/// The part of a snapshot from `offset` on.
fn cut(slot: u64, bytes: &Bytes, offset: u64, most: usize) -> SnapshotPart {
    let from = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
    let rest = bytes.slice(from..);
    SnapshotPart { slot, total: bytes.len() as u64, bytes: rest.get(..most).unwrap_or(&rest).to_vec() }
}

/// Syncs and saves, until nobody can ask for it any more.
fn work(shared: &Shared, folder: &Path, queue: &Receiver<Job>) {
    let mut open: BTreeMap<String, File> = BTreeMap::new();
    // Whether what is durable may be more than the last frame in the file tells.
    let mut untold = false;
    loop {
        let first = match untold {
            false => queue.recv().map_err(|_| RecvTimeoutError::Disconnected),
            true => queue.recv_timeout(QUIET),
        };
        let first = match first {
            Ok(first) => first,
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {
                untold = false;
                let written = lock(&shared.storage).idle();
                if let Err(error) = written {
                    let mut progress = lock(&shared.progress);
                    progress.failed = progress.failed.take().or(Some(error));
                    drop(progress);
                    shared.bell.ring();
                }
                continue;
            }
        };
        let mut sync = false;
        for job in std::iter::once(first).chain(queue.try_iter().collect::<Vec<_>>()) {
            match job {
                Job::Sync => sync = true,
                Job::Begin(slot) => save(shared, |storage| storage.begin_snapshot(Slot(slot)).map(|()| None)),
                Job::Part(bytes) => save(shared, |storage| storage.add_to_snapshot(&bytes).map(|()| None)),
                Job::Finish => save(shared, |storage| storage.finish_snapshot().map(Some)),
            }
        }
        if sync {
            synchronise(shared, folder, &mut open);
            untold = true;
            shared.bell.ring();
        }
    }
}

/// Does something for a snapshot, and notes when it has become durable, or why it cannot.
fn save(shared: &Shared, act: impl FnOnce(&mut Storage<Directory>) -> Result<Option<Slot>, StorageError>) {
    let done = act(&mut lock(&shared.storage));
    let mut progress = lock(&shared.progress);
    match done {
        Ok(None) => return,
        Ok(Some(slot)) => progress.snapshot = progress.snapshot.max(slot.0),
        Err(error) => progress.failed = progress.failed.take().or(Some(error)),
    }
    drop(progress);
    shared.bell.ring();
}

/// One sync of everything that is appended by now.
fn synchronise(shared: &Shared, folder: &Path, open: &mut BTreeMap<String, File>) {
    let Some(pending) = lock(&shared.storage).pending() else {
        // A new segment was begun: all before it is durable.
        let position = lock(&shared.storage).durable();
        let mut progress = lock(&shared.progress);
        progress.position = progress.position.max(position);
        return;
    };
    open.retain(|name, _| *name == pending.file);
    // The storage stays free for appending meanwhile.
    let synced = match open.get(&pending.file) {
        Some(file) => file.sync_data(),
        None => File::options().append(true).open(folder.join(&pending.file)).and_then(|file| {
            let synced = file.sync_data();
            open.insert(pending.file.clone(), file);
            synced
        }),
    };
    let mut storage = lock(&shared.storage);
    let outcome = match synced {
        Ok(()) => {
            storage.synced(pending.position);
            Ok(storage.durable())
        }
        Err(error) => {
            let path = folder.join(&pending.file);
            Err(storage.sync_failed(StorageError::io("sync", &path.display().to_string(), error)))
        }
    };
    drop(storage);
    let mut progress = lock(&shared.progress);
    match outcome {
        Ok(position) => progress.position = progress.position.max(position),
        Err(error) => progress.failed = progress.failed.take().or(Some(error)),
    }
}

impl State {
    fn place(&mut self, role: Role) -> Result<&mut Place, Fault> {
        let place = self.disk.0.get_mut(role as usize).and_then(Option::as_mut);
        place.ok_or_else(|| contract("storage was used before `open`"))
    }
}

impl storage::Host for State {
    fn open(
        &mut self,
        dir: String,
        identity: Identity,
        durability: Durability,
    ) -> wasmtime::Result<Result<Opened, Fault>> {
        let Identity { cluster, node, role } = identity;
        let Some(place) = self.disk.0.get_mut(role as usize).filter(|place| place.is_none()) else {
            return Ok(Err(contract("storage.open was called twice for one role")));
        };
        let opened = match durability {
            Durability::Sync => {
                let cluster = ClusterId::from_name(&cluster);
                let identity = paxos_storage::Identity { cluster, node: NodeId(node), role: convert::role(role) };
                Log::open(Path::new(&dir).join(convert::role_name(role)), identity)
                    .map(|(log, opened)| (Place::File(log), opened))
            }
            Durability::Memory => {
                let incarnation = std::collections::hash_map::RandomState::new().build_hasher().finish() | 1;
                let torn = String::new();
                let opened = Opened { incarnation, fresh: true, first: 1, next: 1, snapshot: 0, torn };
                Ok((Place::Memory(Memory::default()), opened))
            }
        };
        Ok(opened.map(|(new, opened)| {
            *place = Some(new);
            opened
        }))
    }

    fn append(&mut self, role: Role, records: Vec<Vec<u8>>) -> wasmtime::Result<Result<u64, Fault>> {
        Ok(self.place(role).and_then(|place| match place {
            Place::File(log) => {
                log.dirty |= !records.is_empty();
                lock(&log.shared.storage).append(&records).map_err(|error| fault(&error))
            }
            Place::Memory(memory) => {
                memory.appended += records.len() as u64;
                Ok(memory.appended)
            }
        }))
    }

    fn flush(&mut self, role: Role) -> wasmtime::Result<Result<(), Fault>> {
        Ok(self.place(role).and_then(|place| match place {
            Place::File(log) if log.dirty => {
                log.dirty = false;
                log.give(Job::Sync)
            }
            Place::File(_) | Place::Memory(_) => Ok(()),
        }))
    }

    fn durable(&mut self, role: Role) -> wasmtime::Result<Result<Progress, Fault>> {
        Ok(self.place(role).and_then(|place| match place {
            Place::File(log) => log.done(),
            Place::Memory(memory) => Ok(Progress {
                position: memory.appended,
                snapshot: memory.snapshot.as_ref().map_or(0, |(slot, _)| *slot),
            }),
        }))
    }

    fn subscribe(&mut self, role: Role) -> wasmtime::Result<Option<Vec<Resource<DynPollable>>>> {
        let condition = match self.place(role) {
            Ok(Place::File(log)) if !log.given => {
                log.given = true;
                let (shared, told) = (Arc::clone(&log.shared), Arc::clone(&log.told));
                let waiter = shared.bell.waiter();
                move |cx: &mut Context<'_>| {
                    waiter.wake_at_next(cx);
                    let Done { position, snapshot, failed } = &*lock(&shared.progress);
                    failed.is_some() || *lock(&told) != (*position, *snapshot)
                }
            }
            Ok(Place::Memory(memory)) if !memory.given => {
                memory.given = true;
                return Ok(Some(Vec::new()));
            }
            _ => return Ok(None),
        };
        Ok(Some(vec![bell::pollable(&mut self.table, condition)?]))
    }

    fn read(&mut self, role: Role, start: u64, max_bytes: u32) -> wasmtime::Result<Result<Vec<Vec<u8>>, Fault>> {
        Ok(self.place(role).and_then(|place| match place {
            Place::File(log) => log.read(start, convert::size(max_bytes)),
            Place::Memory(memory) if start > memory.appended => Ok(Vec::new()),
            Place::Memory(_) => Err(contract("records of `durability: memory` are not kept: nobody can read them")),
        }))
    }

    fn truncate(&mut self, role: Role, upto: u64) -> wasmtime::Result<Result<(), Fault>> {
        Ok(self.place(role).and_then(|place| match place {
            Place::File(log) => lock(&log.shared.storage).truncate(upto).map_err(|error| fault(&error)),
            Place::Memory(_) => Ok(()),
        }))
    }

    fn begin_snapshot(&mut self, role: Role, slot: u64) -> wasmtime::Result<Result<(), Fault>> {
        Ok(self.place(role).and_then(|place| match place {
            Place::File(log) => log.give(Job::Begin(slot)),
            Place::Memory(memory) => {
                memory.coming = Some((slot, Vec::new()));
                Ok(())
            }
        }))
    }

    fn add_to_snapshot(&mut self, role: Role, bytes: Vec<u8>) -> wasmtime::Result<Result<(), Fault>> {
        Ok(self.place(role).and_then(|place| match place {
            Place::File(log) => log.give(Job::Part(bytes)),
            Place::Memory(memory) => match &mut memory.coming {
                Some((_, all)) => {
                    all.extend_from_slice(&bytes);
                    Ok(())
                }
                None => Err(contract("a part of a snapshot came, and none was begun")),
            },
        }))
    }

    fn finish_snapshot(&mut self, role: Role) -> wasmtime::Result<Result<(), Fault>> {
        Ok(self.place(role).and_then(|place| match place {
            Place::File(log) => log.give(Job::Finish),
            Place::Memory(memory) => match memory.coming.take() {
                Some((slot, bytes)) => {
                    memory.snapshot = Some((slot, Bytes::from(bytes)));
                    Ok(())
                }
                None => Err(contract("a snapshot was finished, and none was begun")),
            },
        }))
    }

    fn load_snapshot(
        &mut self,
        role: Role,
        offset: u64,
        max_bytes: u32,
    ) -> wasmtime::Result<Result<Option<SnapshotPart>, Fault>> {
        let most = convert::size(max_bytes);
        Ok(self.place(role).and_then(|place| match place {
            Place::File(log) => log.part(offset, most),
            Place::Memory(memory) => Ok(memory.snapshot.as_ref().map(|(slot, bytes)| cut(*slot, bytes, offset, most))),
        }))
    }

    fn close(&mut self, role: Role) -> wasmtime::Result<Result<(), Fault>> {
        Ok(match self.disk.0.get_mut(role as usize).and_then(Option::take) {
            Some(Place::File(log)) => log.close(),
            Some(Place::Memory(_)) | None => Ok(()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    const OWN: paxos_storage::Identity =
        paxos_storage::Identity { cluster: ClusterId(5), node: NodeId(1), role: paxos_types::Role::Acceptor };

    fn open(folder: &Path) -> (Log, Opened) {
        Log::open(folder.to_owned(), OWN).unwrap_or_else(|fault| panic!("{}", fault.text))
    }

    /// Waits as a component would, for both parts of progress.
    fn await_progress(log: &Log, position: u64, snapshot: u64) {
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            let done = log.done().unwrap_or_else(|fault| panic!("{}", fault.text));
            if done.position >= position && done.snapshot >= snapshot {
                return;
            }
            assert!(Instant::now() < end, "at {} and {}", done.position, done.snapshot);
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn append(log: &Log, records: &[&str]) -> u64 {
        lock(&log.shared.storage).append(records).expect("appended")
    }

    #[test]
    fn what_is_durable_is_there_at_the_next_start() {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut log, opened) = open(folder.path());
        assert!(opened.fresh && opened.next == 1 && opened.first == 1 && opened.incarnation != 0);
        assert_eq!(append(&log, &["one", "two"]), 2);
        log.give(Job::Sync).expect("a thread");
        await_progress(&log, 2, 0);
        for job in [Job::Begin(9), Job::Part(vec![7; 70]), Job::Part(vec![7; 30]), Job::Finish] {
            log.give(job).expect("a thread");
        }
        await_progress(&log, 2, 9);
        assert_eq!(append(&log, &["three"]), 3);
        // Read while it works: also what came since the start.
        assert_eq!(log.read(2, 1000).expect("records"), [b"two".to_vec(), b"three".to_vec()]);
        let parts = [log.part(0, 60), log.part(60, 60)].map(|part| part.expect("read").expect("a snapshot"));
        assert_eq!(parts.map(|part| (part.slot, part.total, part.bytes.len())), [(9, 100, 60), (9, 100, 40)]);
        log.close().expect("closed");

        let (mut log, again) = open(folder.path());
        assert_eq!((again.fresh, again.incarnation, again.next, again.snapshot), (false, opened.incarnation, 4, 9));
        assert_eq!(log.read(1, 4).expect("records"), [b"one".to_vec()]);
        assert_eq!(log.read(2, 1000).expect("records").len(), 2);
        assert!(log.read(4, 1000).expect("none").is_empty());
    }

    #[test]
    fn what_belongs_to_another_node_is_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        open(folder.path()).0.close().expect("closed");
        let other = paxos_storage::Identity { node: NodeId(2), ..OWN };
        let fault = Log::open(folder.path().to_owned(), other).map(|_| ()).expect_err("another's");
        assert!(matches!(fault.kind, FaultKind::Storage), "{}", fault.text);
    }

    #[test]
    fn a_failed_sync_is_for_ever() {
        let folder = tempfile::tempdir().expect("a folder");
        let (log, _) = open(folder.path());
        append(&log, &["one"]);
        // The thread cannot open the file that it is to sync.
        let pending = lock(&log.shared.storage).pending().expect("something to sync");
        std::fs::remove_file(folder.path().join(pending.file)).expect("removed");
        log.give(Job::Sync).expect("a thread");
        let end = Instant::now() + Duration::from_secs(20);
        let fault = loop {
            match log.done() {
                Err(fault) => break fault,
                Ok(done) => assert_eq!(done.position, 0),
            }
            assert!(Instant::now() < end, "no fault");
            std::thread::sleep(Duration::from_millis(1));
        };
        assert!(fault.text.contains("segment-"), "{}", fault.text);
        assert!(log.shared.storage.lock().is_ok_and(|mut storage| storage.append(&["two"]).is_err()));
    }
}
