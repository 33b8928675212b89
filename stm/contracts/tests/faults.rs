//! What becomes of a store whose disk fails or lies. A fault is never an answer.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::cell::Cell;

use replicode_contracts::cell::{Access, Bounds, Error};
use replicode_contracts::collection::{Direction, Entry, Range};
use replicode_contracts::kv::{Batch, KeyValue, KvError, Memory, Record};
use replicode_contracts::slice::{Kind, Layout, Slices};
use replicode_contracts::state::{Fault, PastEntry, Storage};

const ANN: [u8; 20] = [0xa1; 20];

fn layout() -> Layout {
    Layout::packed(
        4096,
        &[(Kind::Bytes, 100), (Kind::Counter, 16), (Kind::List, 32), (Kind::Map, 32), (Kind::SortedSet, 32)],
    )
    .unwrap()
}

/// Writes something of every kind, and again over it.
fn write<A: Access<Error = Fault>>(access: &mut A, round: u8) -> Result<(), Error<Fault>> {
    let layout = layout();
    let slices = Slices::of(&ANN, &layout);
    slices.write(access, 0, &[round; 100])?;
    slices.add(access, 1, 5, Bounds::NOT_NEGATIVE)?;
    let (list, map) = (slices.collection(2)?.list()?, slices.collection(3)?.map()?);
    let set = slices.collection(4)?.sorted_set()?;
    list.push(access, &[round; 40])?;
    let inner = map.open(access, b"inner", Kind::List)?.list()?;
    inner.push(access, &[round])?;
    map.add(access, b"balance", 7, Bounds::NOT_NEGATIVE)?;
    map.insert(access, &[round], b"value")?;
    for n in 0..4 {
        set.insert(access, &[round, n])?;
    }
    set.remove(access, &[round, 1])?;
    Ok(())
}

/// Reads everything, in words.
fn read<A: Access<Error = Fault>>(access: &mut A) -> Result<String, Error<Fault>> {
    let layout = layout();
    let slices = Slices::of(&ANN, &layout);
    let mut bytes = Vec::new();
    slices.read(access, 0, &mut bytes)?;
    let sum = slices.sum(access, 1)?;
    let (list, map) = (slices.collection(2)?.list()?, slices.collection(3)?.map()?);
    let set = slices.collection(4)?.sorted_set()?;
    let lists = (list.len(access)?, list.iterate(access, 0, Direction::Forward, 99)?);
    let maps = (map.len(access)?, map.iterate(access, &Range::forward(99))?, map.keys(access, &Range::backward(99))?);
    let inner = map.get(access, b"inner")?.map(|entry| entry.collection(Kind::List)).transpose()?;
    let inner = inner
        .map(|inner| inner.list())
        .transpose()?
        .map(|inner| inner.iterate(access, 0, Direction::Forward, 99))
        .transpose()?;
    let mut sets =
        (set.len(access)?, set.keys(access, &Range::forward(99))?, set.keys(access, &Range::backward(99))?, Vec::new());
    for key in sets.1.clone() {
        sets.3.push((
            set.rank(access, &key)?,
            set.contains(access, &key)?,
            set.next(access, &[&key[..], &[0]].concat())?,
        ));
    }
    Ok(format!("{bytes:?} {sum} {lists:?} {maps:?} {inner:?} {sets:?}"))
}

fn filled() -> Storage<Memory> {
    let mut storage = Storage::new(Memory::new(), 1);
    storage.set_layout(ANN, layout());
    for round in 1..=3 {
        let mut session = storage.session();
        session.begin_transaction([round; 32]);
        write(&mut session, round).unwrap();
        let written = session.finish();
        storage.commit(&written).unwrap();
        storage.seal(round.into()).unwrap();
    }
    storage
}

/// Every bit of every record: whoever reads it says so, and what was not read changes no answer.
#[test]
fn a_flipped_bit_is_found_when_it_is_read() {
    let mut storage = filled();
    // Pages that are held are not read again; sealing a batch lets go of them.
    let mut batch = 4;
    storage.seal(batch).unwrap();
    let records = storage.kv().scan(b"", usize::MAX).unwrap();
    assert!(records.len() > 60);
    let right = read(&mut storage.session()).unwrap();
    let (mut found, mut unread, mut pages) = (0, 0, 0);
    for (key, value) in records {
        for bit in 0..value.len() * 8 {
            let mut wrong = value.clone();
            wrong[bit / 8] ^= 1 << (bit % 8);
            storage.kv_mut().write(&Batch::from([(key.clone(), Some(wrong))])).unwrap();
            batch += 1;
            storage.seal(batch).unwrap();
            match read(&mut storage.session()) {
                Ok(answer) => {
                    assert_eq!(answer, right, "a flipped bit has become an answer: {key:x?} bit {bit}");
                    unread += 1;
                }
                Err(Error::Access(fault)) => {
                    let text = fault.to_string();
                    let named = match key[0] {
                        b'p' => text.contains("page 0 of account a1a1a1"),
                        _ => text.contains(&key[1..].iter().map(|byte| format!("{byte:02x}")).collect::<String>()),
                    };
                    assert!(named, "{text} does not name {key:x?}");
                    found += 1;
                    pages += usize::from(key[0] == b'p');
                }
                Err(other) => panic!("{other:?}"),
            }
        }
        storage.kv_mut().write(&Batch::from([(key, Some(value))])).unwrap();
    }
    assert!(found > unread, "{found} found, {unread} not read");
    assert_eq!(pages, 212 * 8, "each bit of the page: 100 bytes, a counter, three states");
}

/// The elements of kept states are verified too: of this one, and of the one before, which needs what has been replaced since.
#[test]
fn a_flipped_bit_in_a_kept_state_is_found() {
    let (mut storage, layout) = (filled(), layout());
    let states = [storage.state(&ANN), storage.forest().at(2).unwrap().root(&replicode_contracts::page::tree(&ANN))];
    assert_ne!(states[0], states[1]);
    let records = storage.kv().scan(b"e", usize::MAX).unwrap().into_iter().filter(|(key, _)| key[0] == b'e');
    let records: Vec<Record> = records.collect();
    assert!(records.len() > 20);
    for (key, value) in records {
        for byte in 0..value.len() {
            let mut wrong = value.clone();
            wrong[byte] ^= 0x10;
            storage.kv_mut().write(&Batch::from([(key.clone(), Some(wrong))])).unwrap();
            let found = states.iter().any(|state| {
                let past = storage.open(&ANN, state, &layout).unwrap();
                let mut open: Vec<_> =
                    [2, 3, 4].map(|at| Slices::of(&ANN, &layout).collection(at).unwrap().id()).into();
                while let Some(id) = open.pop() {
                    match past.elements(&id) {
                        Err(Fault::Element { .. }) => return true,
                        Err(other) => panic!("{other}"),
                        Ok(elements) => open.extend(elements.into_iter().filter_map(|(_, entry)| match entry {
                            PastEntry::Collection { id, .. } => Some(id),
                            _ => None,
                        })),
                    }
                }
                false
            });
            assert!(found, "{key:x?} byte {byte}");
        }
        storage.kv_mut().write(&Batch::from([(key, Some(value))])).unwrap();
    }
}

/// A store that fails from its n-th verb on.
struct Failing {
    kv: Memory,
    left: Cell<u32>,
}

impl Failing {
    fn verb(&self, verb: &'static str) -> Result<(), KvError> {
        match self.left.get().checked_sub(1) {
            Some(left) => {
                self.left.set(left);
                Ok(())
            }
            None => Err(KvError { verb, reason: "the disk is gone".to_owned() }),
        }
    }
}

impl KeyValue for Failing {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        self.verb("read")?;
        self.kv.get(key)
    }
    fn scan(&self, from: &[u8], limit: usize) -> Result<Vec<Record>, KvError> {
        self.verb("scan")?;
        self.kv.scan(from, limit)
    }
    fn write(&mut self, batch: &Batch) -> Result<(), KvError> {
        self.verb("write")?;
        self.kv.write(batch)
    }
    fn sync(&mut self) -> Result<(), KvError> {
        self.verb("sync")
    }
    fn bytes(&self) -> Result<u64, KvError> {
        self.kv.bytes()
    }
}

/// Wherever the disk fails: a fault, nothing of the run is stored, and what is there is what was there.
#[test]
fn a_fault_at_any_verb_stores_nothing() {
    let mut succeeded = false;
    for at in 0..2000 {
        let mut storage = Storage::new(Failing { kv: Memory::new(), left: Cell::new(u32::MAX) }, 0);
        storage.set_layout(ANN, layout());
        let mut session = storage.session();
        write(&mut session, 1).unwrap();
        let written = session.finish();
        storage.commit(&written).unwrap();
        storage.seal(1).unwrap();
        let before = storage.kv().kv.clone();
        storage.kv().left.set(at);
        let mut session = storage.session();
        let ran = write(&mut session, 2);
        let written = session.finish();
        let failed = match ran {
            Ok(()) => storage.commit(&written).err(),
            Err(Error::Access(fault)) => Some(fault),
            Err(other) => panic!("a fault has become an answer: {other:?}"),
        };
        let Some(fault) = failed else {
            succeeded = true;
            break;
        };
        assert!(fault.to_string().contains("the disk is gone"), "{fault}");
        assert_eq!(storage.kv().kv, before, "at verb {at}");
    }
    assert!(succeeded, "without a failure it goes through");
}

#[test]
fn entries_of_the_wrong_kind_are_refused_and_nothing_changes() {
    let layout = layout();
    let mut storage = filled();
    let mut session = storage.session();
    let map = Slices::of(&ANN, &layout).collection(3).unwrap().map().unwrap();
    for (key, is) in [(&b"inner"[..], Kind::List), (b"balance", Kind::Counter)] {
        let why = |result| matches!(result, Err(Error::Refused(ref refusal)) if refusal.to_string().contains(&is.to_string()));
        assert!(why(map.insert(&mut session, key, b"v").map(drop)));
        assert!(why(map.open(&mut session, key, Kind::Set).map(drop)));
        assert!(is == Kind::Counter || why(map.add(&mut session, key, 1, Bounds::NONE).map(drop)));
        assert!(map.get(&mut session, key).unwrap().unwrap().bytes().is_err());
    }
    assert_eq!(map.get(&mut session, b"balance").unwrap(), Some(Entry::Counter(21)));
    assert!(session.finish().changes().is_empty());
}
