//! Limits at the limit: keys of 256 bytes and values of 64 KiB are taken, one byte more is refused and changes nothing; depth has none.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use replicode_contracts::cell::{Access, Bounds, Error, MAX_CELL, Maps, Refusal, Result};
use replicode_contracts::collection::{Collection, Entry, MAX_KEY, MAX_VALUE, Range};
use replicode_contracts::kv::Memory;
use replicode_contracts::slice::{Kind, Layout, Slices};
use replicode_contracts::state::{PastEntry, Storage};

const ANN: [u8; 20] = [1; 20];
const KINDS: [Kind; 4] = [Kind::List, Kind::Map, Kind::Set, Kind::SortedSet];

fn roots() -> (Layout, [Collection; 4]) {
    let layout = Layout::packed(4096, &KINDS.map(|kind| (kind, 32))).unwrap();
    let roots = [0, 1, 2, 3].map(|index| Slices::of(&ANN, &layout).collection(index).unwrap());
    (layout, roots)
}

fn refused<T: std::fmt::Debug>(result: Result<T, Maps>) -> Refusal {
    match result {
        Err(Error::Refused(refusal)) => refusal,
        other => panic!("should have been refused: {other:?}"),
    }
}

#[test]
fn keys_of_256_bytes_are_taken_and_257_refused() {
    let (_, [_, map, set, sorted]) = roots();
    let (map, set, sorted) = (map.map().unwrap(), set.set().unwrap(), sorted.sorted_set().unwrap());
    let mut access = Maps::new();
    let access = &mut access;
    for byte in [0, 0x7f, 0xff] {
        let key = [byte; MAX_KEY];
        map.insert(access, &key, b"v").unwrap();
        set.insert(access, &key).unwrap();
        sorted.insert(access, &key).unwrap();
        assert_eq!(map.get(access, &key).unwrap(), Some(Entry::Bytes(b"v".to_vec())));
        assert!(set.contains(access, &key).unwrap() && sorted.contains(access, &key).unwrap());
    }
    assert_eq!(sorted.rank(access, &[0xff; MAX_KEY]).unwrap(), 2);
    assert_eq!(sorted.next(access, &[0x7f; MAX_KEY - 1]).unwrap(), Some(vec![0x7f; MAX_KEY]));
    let before = (access.bytes().clone(), access.sums().clone());
    let (key, why) = ([1; MAX_KEY + 1], Refusal::KeyLength { length: 257, most: 256 });
    assert_eq!(refused(map.insert(access, &key, b"v")), why);
    assert_eq!(refused(map.get(access, &key)), why);
    assert_eq!(refused(map.contains(access, &key)), why);
    assert_eq!(refused(map.remove(access, &key)), why);
    assert_eq!(refused(map.create(access, &key, Kind::List)), why);
    assert_eq!(refused(map.open(access, &key, Kind::List)), why);
    assert_eq!(refused(map.add(access, &key, 1, Bounds::NONE)), why);
    assert_eq!(refused(set.insert(access, &key)), why);
    assert_eq!(refused(set.remove(access, &key)), why);
    assert_eq!(refused(set.contains(access, &key)), why);
    assert_eq!(refused(sorted.insert(access, &key)), why);
    assert_eq!(refused(sorted.remove(access, &key)), why);
    assert_eq!(refused(sorted.contains(access, &key)), why);
    assert_eq!(refused(sorted.next(access, &key)), why);
    assert_eq!(refused(sorted.previous(access, &key)), why);
    assert_eq!(refused(sorted.rank(access, &key)), why);
    assert_eq!((access.bytes(), access.sums()), (&before.0, &before.1), "refusals change nothing");
}

#[test]
fn values_of_64_kib_are_taken_and_one_byte_more_refused() {
    let (_, [list, map, ..]) = roots();
    let (list, map) = (list.list().unwrap(), map.map().unwrap());
    let mut access = Maps::new();
    let access = &mut access;
    let value = vec![0xa5; MAX_VALUE];
    assert_eq!(MAX_VALUE, 65_536);
    list.push(access, &value).unwrap();
    list.set(access, 0, &value).unwrap();
    map.insert(access, &[7; MAX_KEY], &value).unwrap();
    assert_eq!(list.get(access, 0).unwrap(), Some(Entry::Bytes(value.clone())));
    assert_eq!(map.get(access, &[7; MAX_KEY]).unwrap(), Some(Entry::Bytes(value)));
    assert_eq!(access.bytes().values().map(Vec::len).max(), Some(MAX_CELL), "the largest cell there is");
    let before = (access.bytes().clone(), access.sums().clone());
    let (value, why) = (vec![0; MAX_VALUE + 1], Refusal::ValueLength { length: 65_537, most: 65_536 });
    assert_eq!(refused(list.push(access, &value)), why);
    assert_eq!(refused(list.set(access, 0, &value)), why);
    assert_eq!(refused(map.insert(access, b"k", &value)), why);
    assert_eq!((access.bytes(), access.sums()), (&before.0, &before.1), "refusals change nothing");
}

#[test]
fn slices_are_written_whole_or_in_parts_that_lie_within() {
    let layout = Layout::packed(
        10,
        &[(Kind::Bytes, 10), (Kind::Map, 32)].map(|(kind, length)| (kind, if kind == Kind::Map { 10 } else { length })),
    );
    assert!(layout.is_err(), "a map does not fit into a page of 10 bytes");
    let layout = Layout::packed(40, &[(Kind::Bytes, 10), (Kind::Counter, 16)]).unwrap();
    let slices = Slices::of(&ANN, &layout);
    let mut access = Maps::new();
    let access = &mut access;
    let mut out = Vec::new();
    slices.write_part(access, 0, 7, b"end").unwrap();
    slices.read_part(access, 0, 6, 4, &mut out).unwrap();
    assert_eq!(out, b"\0end");
    slices.read_part(access, 0, 10, 0, &mut out).unwrap();
    assert_eq!(out, b"");
    let part = |offset, part| Refusal::SlicePart { index: 0, length: 10, offset, part };
    assert_eq!(refused(slices.write_part(access, 0, 8, b"end")), part(8, 3));
    assert_eq!(refused(slices.read_part(access, 0, 11, 0, &mut out)), part(11, 0));
    assert_eq!(refused(slices.read_part(access, 0, u32::MAX, u32::MAX, &mut out)), part(u32::MAX, u32::MAX as usize));
    for given in [9, 11] {
        let why = Refusal::SliceLength { index: 0, length: 10, given };
        assert_eq!(refused(slices.write(access, 0, &vec![1; given])), why);
    }
    let why = Refusal::Kind { what: "the slice", is: Kind::Counter, asked: Kind::Bytes };
    assert_eq!(refused(slices.write(access, 1, &[1; 16])), why);
}

#[test]
fn counters_keep_their_bounds_at_the_ends_of_128_bits() {
    let layout = Layout::packed(40, &[(Kind::Counter, 16)]).unwrap();
    let slices = Slices::of(&ANN, &layout);
    let mut access = Maps::new();
    let access = &mut access;
    assert!(slices.add(access, 0, i128::MAX, Bounds::NONE).unwrap());
    assert!(!slices.add(access, 0, 1, Bounds::NONE).unwrap(), "it does not wrap");
    assert!(slices.add(access, 0, -i128::MAX, Bounds::NOT_NEGATIVE).unwrap());
    assert!(!slices.add(access, 0, -1, Bounds::NOT_NEGATIVE).unwrap());
    assert!(slices.add(access, 0, i128::MIN, Bounds::NONE).unwrap());
    assert_eq!(slices.sum(access, 0).unwrap(), i128::MIN);
    // An element at the lower end is removed like any other.
    let (_, [_, map, ..]) = roots();
    let map = map.map().unwrap();
    map.add(access, b"k", i128::MIN, Bounds::NONE).unwrap();
    map.remove(access, b"k").unwrap();
    assert!(!map.contains(access, b"k").unwrap());
    map.add(access, b"k", 5, Bounds::NONE).unwrap();
    assert_eq!(map.get(access, b"k").unwrap(), Some(Entry::Counter(5)));
}

/// Nested a thousand deep: states, reading an old state, removal and sweeping go step by step and not into each other.
#[test]
fn depth_has_no_limit() {
    const DEPTH: usize = 1000;
    let (layout, [_, map, ..]) = roots();
    let mut storage = Storage::new(Memory::new(), 4);
    storage.set_layout(ANN, layout.clone());
    let mut session = storage.session();
    let root = map.map().unwrap();
    let mut at = root;
    for _ in 0..DEPTH {
        at = at.create(&mut session, b"deeper", Kind::Map).unwrap().map().unwrap();
    }
    at.insert(&mut session, b"k", b"at the bottom").unwrap();
    let written = session.finish();
    let committed = storage.commit(&written).unwrap();
    assert_eq!(committed.contents.len(), DEPTH + 2);
    storage.seal(1).unwrap();
    let past = storage.open(&ANN, &storage.state(&ANN), &layout).unwrap();
    let mut id = root.id();
    for _ in 0..DEPTH {
        let Some(PastEntry::Collection { id: inner, .. }) = past.element(&id, b"deeper").unwrap() else {
            panic!("cut off")
        };
        id = inner;
    }
    assert_eq!(past.element(&id, b"k").unwrap(), Some(PastEntry::Bytes(b"at the bottom".to_vec())));
    let mut session = storage.session();
    assert!(root.remove(&mut session, b"deeper").unwrap());
    let written = session.finish();
    let cells = written.changes().bytes().len();
    assert!(cells < 10, "a removal costs the same however much hangs below: {cells} cells");
    storage.commit(&written).unwrap();
    let mut steps = 0;
    while !storage.sweep(16).unwrap().done {
        steps += 16;
        assert!(steps < 4 * DEPTH, "each step gets on");
    }
}

/// A sorted set finds its way in about twice the logarithm of its size, and never in more than the bits of a key.
#[test]
fn the_way_to_a_key_is_logarithmic() {
    struct Counting(Maps, usize);
    impl Access for Counting {
        type Error = std::convert::Infallible;
        fn get(
            &mut self,
            key: &replicode_contracts::cell::CellKey,
            into: &mut Vec<u8>,
        ) -> std::result::Result<bool, Self::Error> {
            self.1 += 1;
            self.0.get(key, into)
        }
        fn set(
            &mut self,
            key: &replicode_contracts::cell::CellKey,
            value: &[u8],
        ) -> std::result::Result<(), Self::Error> {
            self.0.set(key, value)
        }
        fn remove(&mut self, key: &replicode_contracts::cell::CellKey) -> std::result::Result<(), Self::Error> {
            self.0.remove(key)
        }
        fn sum(&mut self, key: &replicode_contracts::cell::CellKey) -> std::result::Result<i128, Self::Error> {
            self.1 += 1;
            self.0.sum(key)
        }
        fn add(
            &mut self,
            key: &replicode_contracts::cell::CellKey,
            delta: i128,
            within: Bounds,
        ) -> std::result::Result<bool, Self::Error> {
            self.0.add(key, delta, within)
        }
        fn fresh(&mut self) -> std::result::Result<[u8; 32], Self::Error> {
            self.0.fresh()
        }
        fn mark(&mut self) -> replicode_contracts::cell::Mark {
            self.0.mark()
        }
        fn roll_back(&mut self, to: replicode_contracts::cell::Mark) {
            self.0.roll_back(to);
        }
    }
    let (_, [_, _, _, sorted]) = roots();
    let set = sorted.sorted_set().unwrap();
    let mut access = Counting(Maps::new(), 0);
    let mut worst = Vec::new();
    for size in [1_u32 << 6, 1 << 10, 1 << 14] {
        for n in 0..size {
            set.insert(&mut access, &(n * 16).to_be_bytes()).unwrap();
        }
        let mut most = 0;
        for n in (0..size * 16).step_by(size as usize / 4 + 7) {
            let mut cost = |f: &dyn Fn(&mut Counting)| {
                access.1 = 0;
                f(&mut access);
                most = most.max(access.1);
            };
            cost(&|access| drop(set.next(access, &n.to_be_bytes()).unwrap()));
            cost(&|access| drop(set.previous(access, &n.to_be_bytes()).unwrap()));
            cost(&|access| drop(set.rank(access, &n.to_be_bytes())));
            cost(&|access| drop(set.at_rank(access, u64::from(n / 16)).unwrap()));
        }
        worst.push((size, most));
    }
    for (size, most) in &worst {
        let log = size.ilog2() as usize;
        assert!(*most <= 3 * log + 4, "{most} cells for {size} keys: {worst:?}");
    }
    assert_eq!(set.keys(&mut access, &Range::forward(usize::MAX)).unwrap().len(), 1 << 14);
}
