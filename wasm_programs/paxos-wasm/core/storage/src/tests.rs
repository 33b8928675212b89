//! The storage against a list, with a crash at every verb, torn writes, losses and flipped bytes.

use super::*;
use crate::memory::{Loss, Memory};
use proptest::prelude::*;

const WHO: Identity = Identity { cluster: ClusterId(7), node: NodeId(2), role: Role::Acceptor };
const SMALL: Options = Options { segment_bytes: 300 };

fn open<F: Files>(files: F) -> Result<Opened<F>, StorageError> {
    Storage::open(files, WHO, Incarnation(99), SMALL)
}

fn opened<F: Files>(files: F) -> Opened<F> {
    open(files).unwrap_or_else(|e| panic!("{e}"))
}

#[derive(Clone, Debug)]
enum Step {
    Append(Vec<Vec<u8>>),
    Sync,
    Idle,
    Truncate(u64),
    Snapshot(u64, Vec<u8>),
    /// A snapshot in parts, with all else between them.
    Begin(u64),
    Add(Vec<u8>),
    Finish,
}

fn step() -> impl Strategy<Value = Step> {
    let record = proptest::collection::vec(any::<u8>(), 1..60);
    prop_oneof![
        4 => proptest::collection::vec(record, 1..4).prop_map(Step::Append),
        3 => Just(Step::Sync),
        1 => Just(Step::Idle),
        1 => (0u64..20).prop_map(Step::Truncate),
        1 => (1u64..1000, proptest::collection::vec(any::<u8>(), 0..80)).prop_map(|(s, b)| Step::Snapshot(s, b)),
        1 => (1u64..1000).prop_map(Step::Begin),
        2 => proptest::collection::vec(any::<u8>(), 0..80).prop_map(Step::Add),
        1 => Just(Step::Finish),
    ]
}

/// What must be there, and what may be.
#[derive(Clone, Debug, Default)]
struct Model {
    /// All records ever appended; the record of position p is the one before p.
    records: Vec<Vec<u8>>,
    durable: u64,
    /// Records before may be gone.
    truncated: u64,
    snapshot: Option<(u64, Vec<u8>)>,
    /// The snapshot that was being written when the crash came.
    maybe: Option<(u64, Vec<u8>)>,
    /// One that was begun.
    begun: Option<(u64, Vec<u8>)>,
}

fn run<F: Files>(storage: &mut Storage<F>, model: &mut Model, steps: &[Step]) -> Result<(), StorageError> {
    for step in steps {
        match step {
            Step::Append(records) => {
                model.records.extend(records.iter().cloned());
                let position = storage.append(records)?;
                assert_eq!(position, model.records.len() as u64);
                // Rolling over to a new segment syncs the old one.
                model.durable = model.durable.max(storage.durable());
            }
            Step::Sync => model.durable = storage.sync()?,
            Step::Idle => storage.idle()?,
            Step::Truncate(before) => {
                model.truncated = model.truncated.max(*before);
                storage.truncate(*before)?;
            }
            Step::Snapshot(slot, bytes) => {
                // Snapshots only go forward.
                let slot = *slot + model.snapshot.as_ref().map_or(0, |s| s.0);
                model.maybe = Some((slot, bytes.clone()));
                model.begun = None;
                storage.save_snapshot(Slot(slot), bytes)?;
                model.snapshot = model.maybe.take();
            }
            Step::Begin(slot) => {
                let slot = *slot + model.snapshot.as_ref().map_or(0, |s| s.0);
                model.begun = Some((slot, Vec::new()));
                storage.begin_snapshot(Slot(slot))?;
            }
            Step::Add(bytes) => {
                if let Some((_, so_far)) = &mut model.begun {
                    so_far.extend_from_slice(bytes);
                    storage.add_to_snapshot(bytes)?;
                }
            }
            Step::Finish => {
                if let Some((slot, bytes)) = model.begun.take() {
                    model.maybe = Some((slot, bytes));
                    assert_eq!(storage.finish_snapshot()?, Slot(slot));
                    model.snapshot = model.maybe.take();
                }
            }
        }
    }
    Ok(())
}

fn compare<F: Files>(opened: &Opened<F>, model: &Model) {
    let mut last = None;
    for (position, bytes) in &opened.records {
        let i = (*position - 1) as usize;
        assert!(i < model.records.len(), "record {position} was never appended");
        assert_eq!(&model.records[i][..], &bytes[..], "record {position}");
        assert!(last.is_none_or(|l| l + 1 == *position), "record {position} follows {last:?}");
        last = Some(*position);
    }
    let end = last.unwrap_or(opened.storage.appended());
    assert!(end >= model.durable, "records up to {} were durable, and {end} is the last", model.durable);
    if let Some((first, _)) = opened.records.first() {
        assert!(*first <= model.truncated.max(1), "record {first} is the first, truncated before {}", model.truncated);
    }
    assert_eq!(opened.storage.durable(), opened.storage.appended());
    let found = opened.snapshot.as_ref().map(|(slot, bytes)| (slot.0, bytes.to_vec()));
    assert!(found == model.snapshot || (model.maybe.is_some() && found == model.maybe), "{found:?} {model:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Every verb of a run is, in turn, the one at which the power fails; whatever of the unsynced is lost, what was durable is there, and
    /// the storage goes on from it.
    #[test]
    fn a_crash_at_each_write(
        before in proptest::collection::vec(step(), 0..12),
        after in proptest::collection::vec(step(), 0..4),
        torn in 0usize..50,
        loss in prop_oneof![Just(Loss::Nothing), Just(Loss::Everything), any::<u64>().prop_map(Loss::Some)],
    ) {
        let mut at = 1;
        loop {
            let mut model = Model::default();
            let mut disk = Memory::failing(at, torn);
            let crashed = match open(&mut disk) {
                // The crash came while the storage was created.
                Err(_) => true,
                Ok(mut opened) => {
                    let result = run(&mut opened.storage, &mut model, &before);
                    prop_assert!(opened.storage.sync().is_err() || result.is_ok(), "an error stays");
                    result.is_err()
                }
            };
            disk.crash(loss);
            let mut again = opened(&mut disk);
            compare(&again, &model);
            model.records.truncate(again.storage.appended() as usize);
            model.durable = again.storage.durable();
            model.snapshot = again.snapshot.as_ref().map(|(s, b)| (s.0, b.to_vec()));
            model.maybe = None;
            model.begun = None;
            prop_assert_eq!(run(&mut again.storage, &mut model, &after), Ok(()));
            prop_assert_eq!(again.storage.sync(), Ok(model.records.len() as u64));
            model.durable = model.records.len() as u64;
            disk.crash(Loss::Everything);
            compare(&opened(&mut disk), &model);
            if !crashed {
                break;
            }
            at += 1;
        }
    }

    /// One byte of any file is changed, after everything was synced and that was written down: it is found, with the file's name and the
    /// offset of the frame that it lies in.
    #[test]
    fn a_flipped_byte_is_found_by_file_and_offset(
        steps in proptest::collection::vec(step(), 1..12),
        which in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        mask in 1u8..=255,
    ) {
        let mut storage = opened(Memory::default()).storage;
        let mut model = Model::default();
        prop_assert_eq!(run(&mut storage, &mut model, &steps), Ok(()));
        prop_assert_eq!(storage.append(&[b"last"]).map(|_| ()), Ok(()));
        prop_assert_eq!(storage.sync().map(|_| ()), Ok(()));
        prop_assert_eq!(storage.idle(), Ok(()));
        let mut disk = storage.into_files();
        let mut names = disk.list().unwrap_or_default();
        names.sort();
        // A snapshot that is not finished is removed at the start, whatever is in it.
        names.retain(|name| !name.ends_with(".tmp"));
        let name = names[which.index(names.len())].clone();
        let len = disk.len_of(&name).unwrap_or(0);
        let at = at.index(len);
        disk.flip(&name, at, mask);
        match open(disk) {
            Err(e) => {
                prop_assert_eq!(&e.file, &name);
                prop_assert!(e.offset.is_none_or(|o| o <= at as u64), "{} for a byte at {}", e, at);
            }
            // The last frame of all only tells what is durable. Without it nothing is lost.
            Ok(opened) => {
                prop_assert!(at >= len - format::FRAME_HEAD, "byte {at} of {name} ({len})");
                prop_assert_eq!(opened.storage.appended(), model.records.len() as u64 + 1);
                prop_assert!(opened.cut.is_some());
            }
        }
    }

    #[test]
    fn rubbish_in_a_directory_is_an_error_and_never_a_panic(
        name in prop_oneof![
            Just("identity".to_string()),
            Just("segment-0000000000000001".to_string()),
            Just("snapshot-0000000000000001".to_string()),
        ],
        bytes in proptest::collection::vec(any::<u8>(), 0..100),
        fresh in any::<bool>(),
    ) {
        let mut disk = if fresh { Memory::default() } else { opened(Memory::default()).storage.into_files() };
        let _ = disk.append(&name, &bytes);
        let _ = open(disk);
    }
}

#[test]
fn the_storage_of_somebody_else_is_refused() {
    let disk = opened(Memory::default()).storage.into_files();
    let other = Identity { node: NodeId(3), ..WHO };
    let error = Storage::open(disk, other, Incarnation(1), SMALL).err().map(|e| e.to_string());
    assert!(error.as_ref().is_some_and(|e| e.contains("acceptor of node 2")), "{error:?}");
}

#[test]
fn the_incarnation_stays() {
    let first = opened(Memory::default());
    assert!(first.fresh);
    let disk = first.storage.into_files();
    let again = Storage::open(disk, WHO, Incarnation(5), SMALL).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!((again.fresh, again.storage.incarnation()), (false, Incarnation(99)));
}

/// A storage whose log is lost must not pass as the one that it was: what it promised is forgotten.
#[test]
fn an_identity_without_a_segment_is_refused() {
    let mut storage = opened(Memory::default()).storage;
    for i in 0..50u8 {
        assert!(storage.append(&[[i; 20]]).is_ok());
    }
    assert!(storage.sync().is_ok());
    let mut disk = storage.into_files();
    for name in disk.list().unwrap_or_default().iter().filter(|n| n.starts_with("segment-")) {
        assert_eq!(disk.remove(name), Ok(()));
    }
    let error = open(disk).err().map(|e| e.to_string()).unwrap_or_default();
    assert!(error.contains("segment-0000000000000001 at byte 0: there is no segment"), "{error}");
}

#[test]
fn a_creation_that_was_broken_off_begins_anew_and_a_lost_identity_does_not() {
    let storage = opened(Memory::default()).storage;
    let mut disk = storage.into_files();
    assert_eq!(disk.remove("identity"), Ok(()));
    let again = Storage::open(disk, WHO, Incarnation(5), SMALL).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!((again.fresh, again.storage.incarnation()), (true, Incarnation(5)));
    let mut storage = again.storage;
    assert!(storage.append(&[b"a promise"]).is_ok());
    assert!(storage.sync().is_ok());
    let mut disk = storage.into_files();
    assert_eq!(disk.remove("identity"), Ok(()));
    let error = open(disk).err().map(|e| e.to_string()).unwrap_or_default();
    assert!(error.contains("identity at byte 0: it is missing, and there is segment-0000000000000001"), "{error}");
}

#[test]
fn old_segments_go_and_the_rest_can_be_read() {
    let mut storage = opened(Memory::default()).storage;
    for i in 0..100u8 {
        assert_eq!(storage.append(&[[i; 20]]), Ok(u64::from(i) + 1));
    }
    let many = storage.files().list().unwrap_or_default().len();
    assert_eq!(storage.truncate(50), Ok(()));
    let few = storage.files().list().unwrap_or_default().len();
    assert!(few < many - 5, "{few} of {many}");
    assert!(storage.sync().is_ok());
    let opened = opened(storage.into_files());
    let first = opened.records[0].0;
    assert!((40..=50).contains(&first), "{first}");
    assert_eq!(opened.records.last().map(|(p, b)| (*p, b[0])), Some((100, 99)));
}

#[test]
fn a_real_directory_does_the_same() {
    let dir = tempfile::tempdir().unwrap_or_else(|e| panic!("{e}"));
    let open = || {
        let files = disk::Directory::open(dir.path().join("a/b"))?;
        Storage::open(files, WHO, Incarnation(99), SMALL)
    };
    let mut storage = open().unwrap_or_else(|e| panic!("{e}")).storage;
    for i in 0..40u8 {
        assert!(storage.append(&[[i; 30]]).is_ok());
    }
    assert_eq!(storage.sync(), Ok(40));
    assert_eq!(storage.save_snapshot(Slot(3), b"state"), Ok(()));
    assert_eq!(storage.save_snapshot(Slot(4), b"later"), Ok(()));
    assert_eq!(storage.truncate(20), Ok(()));
    drop(storage);
    let again = open().unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(again.snapshot, Some((Slot(4), Bytes::from_static(b"later"))));
    assert_eq!(again.records.last(), Some(&(40, Bytes::copy_from_slice(&[39; 30]))));
    drop(again);
    // A write that was cut short by a crash.
    let name = std::fs::read_dir(dir.path().join("a/b"))
        .into_iter()
        .flatten()
        .filter_map(|e| e.ok().and_then(|e| e.file_name().into_string().ok()))
        .filter(|n| n.starts_with("segment-"))
        .max()
        .unwrap_or_default();
    let path = dir.path().join("a/b").join(&name);
    let whole = std::fs::read(&path).unwrap_or_default();
    let torn: Vec<u8> = whole.iter().copied().chain([30, 0, 0, 0, 41]).collect();
    assert!(std::fs::write(&path, &torn).is_ok());
    let cut = open().unwrap_or_else(|e| panic!("{e}")).cut;
    assert_eq!(cut.as_ref().map(|c| (c.file.as_str(), c.bytes)), Some((name.as_str(), 5)));
    assert_eq!(std::fs::read(&path).map_err(|e| e.to_string()), Ok(whole));
    // A flipped bit in what was durable: the whole way to the file is told.
    let path = dir.path().join("a/b/identity");
    let mut flipped = std::fs::read(&path).unwrap_or_default();
    flipped[9] ^= 1;
    assert!(std::fs::write(&path, &flipped).is_ok());
    let error = open().err().map(|e| e.to_string()).unwrap_or_default();
    assert!(error.contains(&format!("{} at byte", path.display())), "{error}");
}

/// Byte by byte as docs/paxos.md says; and the form that was written before, which is read on.
#[test]
fn the_bytes_of_a_snapshot() {
    let mut storage = opened(Memory::default()).storage;
    assert!(storage.add_to_snapshot(b"x").is_err() && storage.finish_snapshot().is_err(), "none was begun");
    let mut storage = opened(storage.into_files()).storage;
    storage.begin_snapshot(Slot(9)).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(storage.add_to_snapshot(b"sta").and_then(|()| storage.add_to_snapshot(b"te")), Ok(()));
    assert_eq!(storage.finish_snapshot(), Ok(Slot(9)));
    let mut files = storage.into_files();
    let head = |version: u8| {
        let mut head = b"RPSN".to_vec();
        head.extend_from_slice(&[version, 0]);
        head.extend_from_slice(&99u64.to_le_bytes());
        head.extend_from_slice(&9u64.to_le_bytes());
        head
    };
    let check = |bytes: &[u8]| xxhash_rust::xxh3::xxh3_64_with_seed(bytes, 99).to_le_bytes();
    let mut expected = [head(2), b"state".to_vec(), 5u64.to_le_bytes().to_vec()].concat();
    let sum = check(&expected);
    expected.extend_from_slice(&sum);
    let name = "snapshot-0000000000000009";
    assert_eq!(files.read(name), Ok(expected));

    let front = [head(1), 5u64.to_le_bytes().to_vec()].concat();
    let old = [&front[..], &check(&[&front[..], b"state"].concat()), b"state"].concat();
    let read = parse_snapshot(name, &Bytes::from(old.clone()), Incarnation(99));
    assert_eq!(read, Ok((Slot(9), Bytes::from_static(b"state"))));
    for at in 0..old.len() {
        let mut bad = old.clone();
        bad[at] ^= 1;
        assert!(parse_snapshot(name, &Bytes::from(bad), Incarnation(99)).is_err(), "byte {at}");
    }
}
