//! The sentences of the seed about contract storage and unbounded data structures, each with the test that shows it. The comment is
//! the sentence (shortened where it goes on about something else); the test's name says the same. Rhetoric has no test.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::cell::RefCell;
use std::rc::Rc;

use replicode_contracts::cell::{Access, Error, Maps, Refusal};
use replicode_contracts::collection::{Collection, CollectionId, Entry, Range};
use replicode_contracts::hash::{self, Hash};
use replicode_contracts::kv::{Batch, KeyValue, KvError, Memory, Record};
use replicode_contracts::page::{self, PageCache, PageError, PageSource, Pages};
use replicode_contracts::slice::{Kind, Layout, Slice, SliceCache, Slices};
use replicode_contracts::state::{Committed, Content, Fault, PastEntry, Session, Storage};
use replicode_contracts::tree::Name;

const ANN: [u8; 20] = [1; 20];
const BOB: [u8; 20] = [2; 20];

/// A store in memory that writes down what it is asked for.
#[derive(Clone, Debug, Default)]
struct Noted {
    kv: Memory,
    log: Rc<RefCell<Vec<Verb>>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Verb {
    Get(Vec<u8>),
    Write(usize),
}

impl Noted {
    fn take(&self) -> Vec<Verb> {
        std::mem::take(&mut self.log.borrow_mut())
    }

    /// Hashes of the pages that were read since the last look.
    fn pages_read(&self) -> Vec<Vec<u8>> {
        self.take()
            .into_iter()
            .filter_map(|verb| if let Verb::Get(key) = verb { Some(key) } else { None })
            .filter(|key| key[0] == b'p')
            .collect()
    }
}

impl KeyValue for Noted {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        self.log.borrow_mut().push(Verb::Get(key.to_vec()));
        self.kv.get(key)
    }
    fn scan(&self, from: &[u8], limit: usize) -> Result<Vec<Record>, KvError> {
        self.kv.scan(from, limit)
    }
    fn write(&mut self, batch: &Batch) -> Result<(), KvError> {
        self.log.borrow_mut().push(Verb::Write(batch.len()));
        self.kv.write(batch)
    }
    fn sync(&mut self) -> Result<(), KvError> {
        self.kv.sync()
    }
    fn bytes(&self) -> Result<u64, KvError> {
        self.kv.bytes()
    }
}

fn bytes(lengths: &[u32], page_size: u32) -> Layout {
    Layout::packed(page_size, &lengths.iter().map(|length| (Kind::Bytes, *length)).collect::<Vec<_>>()).unwrap()
}

/// A store with this layout for both accounts.
fn storage(layout: &Layout) -> (Storage<Noted>, Noted) {
    let kv = Noted::default();
    let mut storage = Storage::new(kv.clone(), 8);
    storage.set_layout(ANN, layout.clone());
    storage.set_layout(BOB, layout.clone());
    (storage, kv)
}

type Run<'a> = Session<'a, Storage<Noted>>;

/// One call that succeeds: its effects are committed.
fn call<T>(storage: &mut Storage<Noted>, f: impl FnOnce(&mut Run<'_>) -> T) -> (T, Committed) {
    let mut session = storage.session();
    let out = f(&mut session);
    let written = session.finish();
    (out, storage.commit(&written).unwrap())
}

fn read(access: &mut impl Access<Error = Fault>, account: &[u8; 20], layout: &Layout, index: u32) -> Vec<u8> {
    let mut value = Vec::new();
    Slices::of(account, layout).read(access, index, &mut value).unwrap();
    value
}

fn write(storage: &mut Storage<Noted>, account: &[u8; 20], layout: &Layout, index: u32, value: &[u8]) -> Committed {
    call(storage, |access| Slices::of(account, layout).write(access, index, value).unwrap()).1
}

mod contract_storage {
    use super::*;

    // "Each smart-contract has it's own internal persistent storage."
    #[test]
    fn each_contract_has_its_own_internal_persistent_storage() {
        let layout = bytes(&[4], 4096);
        let (mut storage, _) = storage(&layout);
        write(&mut storage, &ANN, &layout, 0, b"anns");
        assert_eq!(call(&mut storage, |access| read(access, &ANN, &layout, 0)).0, b"anns");
        assert_eq!(call(&mut storage, |access| read(access, &BOB, &layout, 0)).0, [0; 4]);
        assert_eq!(storage.state(&BOB), Hash::ZERO);
    }

    // "Without having disk persistence, we won't be able to run stateful programs."
    #[test]
    fn what_one_run_has_stored_the_next_one_finds_in_the_store() {
        let layout = bytes(&[8], 4096);
        let (mut storage, kv) = storage(&layout);
        for n in 1..=3_u64 {
            let (before, _) = call(&mut storage, |access| {
                let before = read(access, &ANN, &layout, 0);
                Slices::of(&ANN, &layout).write(access, 0, &n.to_le_bytes()).unwrap();
                before
            });
            assert_eq!(before, (n - 1).to_le_bytes());
            storage.seal(n).unwrap();
        }
        // Nothing but the store: the page that it has now is found under the hash that the trees have.
        let pages = Pages::new(storage.kv(), storage.forest().now());
        assert_eq!(pages.load(&ANN, 0).unwrap(), [3]);
        assert!(kv.take().iter().filter(|verb| matches!(verb, Verb::Write(n) if *n > 0)).count() >= 3);
    }

    // "We need to be able to do sync starting from a given snapshot. Hence the contract storage is too, snapshot-oriented."
    #[test]
    fn the_storage_is_snapshot_oriented() {
        let layout = bytes(&[4], 4096);
        let (mut storage, _) = storage(&layout);
        let mut states = vec![(storage.state(&ANN), [0; 4])];
        for n in 1..=5_u8 {
            let committed = write(&mut storage, &ANN, &layout, 0, &[n; 4]);
            storage.seal(n.into()).unwrap();
            states.push((committed.states[&ANN], [n; 4]));
        }
        for (state, value) in states {
            let past = storage.open(&ANN, &state, &layout).expect("is kept");
            assert_eq!(past.slice(0).unwrap(), Some(PastEntry::Bytes(value.to_vec())));
        }
        assert!(storage.open(&ANN, &Hash::new([9; 32]), &layout).is_none(), "no such state was ever left");
    }

    // "When we do operations on it, we do them with an explicit context. We call that context/snapshot the `contract state`."
    #[test]
    fn operations_have_an_explicit_context_the_contract_state() {
        let layout = Layout::packed(4096, &[(Kind::Map, 32)]).unwrap();
        let (mut storage, _) = storage(&layout);
        let map = Slices::of(&ANN, &layout).collection(0).unwrap().map().unwrap();
        let mut states = Vec::new();
        for n in 1..=3_u8 {
            let (_, committed) = call(&mut storage, |access| map.insert(access, b"key", &[n]).unwrap());
            storage.seal(n.into()).unwrap();
            states.push(committed.states[&ANN]);
        }
        // The same operation in each context: another answer.
        for (n, state) in (1_u8..).zip(states) {
            let past = storage.open(&ANN, &state, &layout).unwrap();
            assert_eq!(past.element(&map.id(), b"key").unwrap(), Some(PastEntry::Bytes(vec![n])));
            assert_eq!(past.elements(&map.id()).unwrap(), [(b"key".to_vec(), PastEntry::Bytes(vec![n]))]);
        }
    }

    // "That state is derived from its underlying data, deterministically of course."
    #[test]
    fn the_state_is_derived_from_the_data_deterministically() {
        let layout = Layout::packed(4096, &[(Kind::Bytes, 8), (Kind::Counter, 16), (Kind::SortedSet, 32)]).unwrap();
        let run = |order: &[u8], detour: bool| {
            let (mut storage, _) = storage(&layout);
            let slices = Slices::of(&ANN, &layout);
            let set = slices.collection(2).unwrap().sorted_set().unwrap();
            for n in order {
                call(&mut storage, |access| {
                    set.insert(access, &[*n]).unwrap();
                    slices.add(access, 1, i128::from(*n), replicode_contracts::cell::Bounds::NONE).unwrap();
                });
            }
            if detour {
                call(&mut storage, |access| set.insert(access, b"detour").unwrap());
                write(&mut storage, &ANN, &layout, 0, b"detoured");
                call(&mut storage, |access| set.remove(access, b"detour").unwrap());
            }
            write(&mut storage, &ANN, &layout, 0, b"the data");
            storage.state(&ANN)
        };
        let state = run(&[1, 2, 3, 4], false);
        assert_eq!(run(&[4, 2, 1, 3], false), state, "in another order");
        assert_eq!(run(&[1, 2, 3, 4], true), state, "by a detour");
        assert_ne!(run(&[1, 2, 3, 5], false), state, "other data");
    }

    // "The `contract storage` abstractions can be viewed hierarchically, when `kv` being the most low-level abstraction and
    //  `page slice cache` the most high-level abstraction."
    #[test]
    fn the_layers_stand_on_each_other_from_kv_to_page_slices() {
        let layout = bytes(&[4], 4096);
        let (mut storage, kv) = storage(&layout);
        write(&mut storage, &ANN, &layout, 0, &[7; 4]);
        storage.seal(1).unwrap();
        kv.take();
        // Key-value store, pages, page cache, slices: each by hand on the one below.
        struct Below<'a>(&'a Storage<Noted>);
        impl PageSource for Below<'_> {
            fn load(&mut self, account: &[u8; 20], index: u32) -> Result<Vec<u8>, PageError> {
                Pages::new(self.0.kv(), self.0.forest().now()).load(account, index)
            }
        }
        let mut slices = SliceCache::new();
        let slice = layout.get(0).unwrap();
        assert_eq!(slices.read(&mut Below(&storage), &ANN, (0, slice, 4096)).unwrap(), [7; 4]);
        let hash = hash::page(&ANN, 0, &[7; 4]);
        assert_eq!(kv.take(), [Verb::Get(page::page_key(&hash))]);
    }
}

mod key_value_store {
    use super::*;

    // "A key-value map between a slice of bytes denoting the `key` to another slice of bytes, representing the `value`."
    #[test]
    fn a_key_value_store_maps_a_slice_of_bytes_to_a_slice_of_bytes() {
        let mut kv = Memory::new();
        for (key, value) in [(&b""[..], &b"v"[..]), (b"k", b""), (&[0; 500], &[0xff; 9000])] {
            assert_eq!(kv.get(key).unwrap(), None);
            kv.write(&Batch::from([(key.to_vec(), Some(value.to_vec()))])).unwrap();
            assert_eq!(kv.get(key).unwrap().as_deref(), Some(value));
        }
    }

    // "A key-value is stateless. It isn't aware of any `contract state`."
    #[test]
    fn a_key_value_store_is_stateless() {
        let layout = bytes(&[4], 4096);
        let (mut storage, kv) = storage(&layout);
        write(&mut storage, &ANN, &layout, 0, &[1; 4]);
        storage.seal(1).unwrap();
        let first = page::page_key(&hash::page(&ANN, 0, &[1; 4]));
        assert_eq!(kv.kv.get(&first).unwrap(), None, "this handle is a clone of the empty store");
        assert_eq!(storage.kv().get(&first).unwrap(), Some(vec![1; 4]));
        write(&mut storage, &ANN, &layout, 0, &[2; 4]);
        storage.seal(2).unwrap();
        // The contract is in another state; the store answers the same key with the same value.
        assert_eq!(storage.kv().get(&first).unwrap(), Some(vec![1; 4]));
    }

    // "Currently, svm has `key-value` interfaces for `in-memory` (useful for tests), `leveldb` and `rocksdb`."
    #[test]
    fn a_key_value_store_is_an_interface_and_one_in_memory_is_behind_it() {
        let mut kv: Box<dyn KeyValue> = Box::new(Memory::new());
        kv.write(&Batch::from([(b"k".to_vec(), Some(b"v".to_vec()))])).unwrap();
        kv.sync().unwrap();
        assert_eq!(kv.scan(b"", 9).unwrap(), [(b"k".to_vec(), b"v".to_vec())]);
        assert_eq!(kv.bytes().unwrap(), 2);
    }

    // "The `key-value store` serves as a companion for other `contract stoarge` components."
    #[test]
    fn the_key_value_store_serves_all_other_components() {
        let layout = Layout::packed(4096, &[(Kind::Bytes, 4), (Kind::Map, 32)]).unwrap();
        let (mut storage, _) = storage(&layout);
        let map = Slices::of(&ANN, &layout).collection(1).unwrap().map().unwrap();
        call(&mut storage, |access| {
            Slices::of(&ANN, &layout).write(access, 0, &[1; 4]).unwrap();
            map.insert(access, b"key", b"value").unwrap();
        });
        let families: std::collections::BTreeSet<u8> =
            storage.kv().scan(b"", 99).unwrap().into_iter().map(|(key, _)| key[0]).collect();
        assert_eq!(families.into_iter().collect::<Vec<_>>(), *b"cep", "cells, elements, pages");
    }
}

mod pages_storage {
    use super::*;

    // "The global variables are known ahead of runtime, during compile-time. Meaning, no new global variables can be added at runtime."
    #[test]
    fn no_new_global_variables_can_be_added_at_runtime() {
        let layout = bytes(&[4, 4], 4096);
        let mut access = Maps::new();
        let refused = Slices::of(&ANN, &layout).write(&mut access, 2, &[1; 4]);
        assert_eq!(refused, Err(Error::Refused(Refusal::NoSlice { index: 2, slices: 2 })));
        assert!(access.bytes().is_empty());
    }

    // "The global variables live throughout the lifetime of the program."
    #[test]
    fn global_variables_live_throughout_the_lifetime_of_the_program() {
        let layout = bytes(&[4, 4], 4096);
        let (mut storage, _) = storage(&layout);
        assert_eq!(call(&mut storage, |access| read(access, &ANN, &layout, 0)).0, [0; 4], "from the first moment on");
        write(&mut storage, &ANN, &layout, 0, b"here");
        for batch in 1..20 {
            write(&mut storage, &ANN, &layout, 1, &[batch; 4]);
            storage.seal(batch.into()).unwrap();
            assert_eq!(call(&mut storage, |access| read(access, &ANN, &layout, 0)).0, b"here");
        }
    }

    // "One program may require 5 variables of `32 bits` each (20 bytes in total), when other program uses 2 booleans (1 byte each)
    //  and 4 integers of `64 bits` resulting in `2 + 4 * 8 = 34` bytes."
    #[test]
    fn programs_require_20_or_34_bytes() {
        let used = |layout: &Layout| layout.slices().iter().map(|slice| slice.length).sum::<u32>();
        let (five, six) = (bytes(&[4; 5], 4096), bytes(&[1, 1, 8, 8, 8, 8], 4096));
        assert_eq!((used(&five), used(&six)), (20, 34));
        assert_eq!((five.pages(), six.pages()), (1, 1));
        assert_eq!(six.get(5), Some(&Slice { page: 0, offset: 26, length: 8, kind: Kind::Bytes }));
    }

    // "From `pages storage` point of view, there are only pages. Each page is of a constant size (svm currently set `4096 bytes`)."
    #[test]
    fn there_are_only_pages_and_each_is_of_a_constant_size() {
        assert_eq!(page::PAGE_SIZE, 4096);
        struct Short;
        impl PageSource for Short {
            fn load(&mut self, _: &[u8; 20], _: u32) -> Result<Vec<u8>, PageError> {
                Ok(vec![5])
            }
        }
        let mut cache = PageCache::new();
        for index in 0..3 {
            assert_eq!(cache.read(&mut Short, &ANN, index, page::PAGE_SIZE).unwrap().len(), 4096);
        }
    }

    // "If for example our page size is defined as `10 bytes`, then a program demanding `20 bytes` for its variables will consume 2 pages."
    #[test]
    fn with_pages_of_10_bytes_20_bytes_of_variables_take_2_pages() {
        assert_eq!(bytes(&[1; 20], 10).pages(), 2);
    }

    // "A program asking `32 bytes` for its variables will use 4 pages. The last page will contain 2 used bytes, and 8 unused zeroed bytes."
    #[test]
    fn with_pages_of_10_bytes_32_bytes_take_4_and_the_last_has_2_used_and_8_zeroed_bytes() {
        let layout = bytes(&[1; 32], 10);
        assert_eq!(layout.pages(), 4);
        assert_eq!(layout.slices().iter().filter(|slice| slice.page == 3).count(), 2);
        let (mut storage, _) = storage(&layout);
        for index in 0..32 {
            write(&mut storage, &ANN, &layout, index, &[0xff]);
        }
        storage.seal(1).unwrap();
        let pages = Pages::new(storage.kv(), storage.forest().now());
        for (index, used) in [(0, 10), (1, 10), (2, 10), (3, 2)] {
            assert_eq!(pages.load(&ANN, index).unwrap(), vec![0xff; used], "page {index}, without zeros at its end");
        }
        assert_eq!(pages.hash(&ANN, 3), Some(hash::page(&ANN, 3, &[0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0])));
        assert_eq!(pages.hash(&ANN, 4), None);
    }

    // "Within a smart contact program, each page is assigned a numeric index. The page index is a sequential integer, local to the
    //  program, starting at 0. The first page of any program will have `page index #0`, the 2nd page `page index #1` and so on."
    #[test]
    fn page_indices_are_sequential_local_to_the_program_and_start_at_0() {
        let layout = bytes(&[10; 3], 10);
        assert_eq!(layout.slices().iter().map(|slice| slice.page).collect::<Vec<_>>(), [0, 1, 2]);
        let (mut storage, _) = storage(&layout);
        for account in [ANN, BOB] {
            for index in 0..3 {
                write(&mut storage, &account, &layout, index, &[account[0] + index as u8; 10]);
            }
        }
        let pages = Pages::new(storage.kv(), storage.forest().now());
        for account in [ANN, BOB] {
            for index in 0..3 {
                assert_eq!(pages.load(&account, index).unwrap(), [account[0] + index as u8; 10]);
            }
        }
    }

    // "We want to minimize disk access. Two adjacent program variables under the same page will trigger loading only one page read operation."
    #[test]
    fn two_adjacent_variables_under_one_page_trigger_one_page_read() {
        let layout = bytes(&[4, 4, 4093], 4096);
        let (mut storage, kv) = storage(&layout);
        for index in [0, 1] {
            write(&mut storage, &ANN, &layout, index, &[9; 4]);
        }
        storage.seal(1).unwrap();
        kv.take();
        call(&mut storage, |access| {
            for _ in 0..3 {
                assert_eq!(read(access, &ANN, &layout, 0), [9; 4]);
                assert_eq!(read(access, &ANN, &layout, 1), [9; 4]);
            }
        });
        assert_eq!(kv.pages_read().len(), 1);
    }

    // "Each program page has an associated hash, called the `page hash`. The `page hash` is derived from the contract account address, its
    //  page index, and raw content."
    #[test]
    fn the_page_hash_is_derived_from_account_address_page_index_and_raw_content() {
        let hash = hash::page(&ANN, 0, b"content");
        assert_ne!(hash, hash::page(&BOB, 0, b"content"));
        assert_ne!(hash, hash::page(&ANN, 1, b"content"));
        assert_ne!(hash, hash::page(&ANN, 0, b"Content"));
        let layout = bytes(&[7], 4096);
        let (mut storage, _) = storage(&layout);
        write(&mut storage, &ANN, &layout, 0, b"content");
        assert_eq!(Pages::new(storage.kv(), storage.forest().now()).hash(&ANN, 0), Some(hash));
    }
}

mod page_cache {
    use super::*;

    // "If during a program run we'll ask to load a page more than once, then only the first time will result in a disk hit."
    #[test]
    fn only_the_first_load_of_a_page_results_in_a_read_of_the_store() {
        let layout = bytes(&[100; 200], 4096);
        let (mut storage, kv) = storage(&layout);
        for account in [ANN, BOB] {
            for index in 0..200 {
                write(&mut storage, &account, &layout, index, &[1; 100]);
            }
        }
        storage.seal(1).unwrap();
        let before = storage.pages().loads();
        kv.take();
        // A batch of many calls, some of which fail.
        let mut session = storage.session();
        for round in 0..10 {
            for account in [ANN, BOB] {
                for index in (0..200).step_by(3) {
                    let mark = session.mark();
                    let value = read(&mut session, &account, &layout, index);
                    Slices::of(&account, &layout).write(&mut session, index, &[value[0] ^ round; 100]).unwrap();
                    if index % 2 == 0 {
                        session.roll_back(mark);
                    }
                }
            }
        }
        let written = session.finish();
        storage.commit(&written).unwrap();
        let mut read = kv.pages_read();
        assert_eq!(read.len(), 2 * layout.pages() as usize);
        assert_eq!(storage.pages().loads() - before, 2 * u64::from(layout.pages()));
        read.sort();
        read.dedup();
        assert_eq!(read.len(), 2 * layout.pages() as usize, "each of them once");
    }

    // "Once a running program issues a write-operation, we will mark the page as dirty."
    #[test]
    fn a_write_marks_the_page_as_dirty() {
        let (mut cache, mut zeros) = (PageCache::new(), Zeros);
        cache.read(&mut zeros, &ANN, 0, 16).unwrap();
        assert_eq!(cache.dirty().count(), 0, "a read does not");
        cache.write(&mut zeros, &ANN, (1, 16), 3, b"w").unwrap();
        assert_eq!(cache.dirty().map(|(_, index, _)| index).collect::<Vec<_>>(), [1]);
    }

    struct Zeros;
    impl PageSource for Zeros {
        fn load(&mut self, _: &[u8; 20], _: u32) -> Result<Vec<u8>, PageError> {
            Ok(Vec::new())
        }
    }

    // "Committing the dirty pages via the `page cache` takes place only after the smart contract finished its running."
    #[test]
    fn dirty_pages_are_committed_only_after_the_contract_has_finished() {
        let layout = bytes(&[4], 4096);
        let (mut storage, kv) = storage(&layout);
        let mut session = storage.session();
        for n in 0..50 {
            Slices::of(&ANN, &layout).write(&mut session, 0, &[n; 4]).unwrap();
        }
        let written = session.finish();
        assert!(!kv.take().iter().any(|verb| matches!(verb, Verb::Write(_))), "nothing is written while it runs");
        storage.commit(&written).unwrap();
        let writes: Vec<_> = kv.take().into_iter().filter(|verb| matches!(verb, Verb::Write(_))).collect();
        assert_eq!(writes, [Verb::Write(1)], "one page, in one write");
    }

    // "If the smart contract failed we discard the dirty pages."
    #[test]
    fn if_the_contract_failed_the_dirty_pages_are_discarded() {
        let layout = bytes(&[4], 4096);
        let (mut storage, _) = storage(&layout);
        write(&mut storage, &ANN, &layout, 0, b"kept");
        let (records, state) = (storage.kv().kv.clone(), storage.state(&ANN));
        // A call that fails alone: its run is dropped.
        let mut session = storage.session();
        Slices::of(&ANN, &layout).write(&mut session, 0, b"fail").unwrap();
        drop(session);
        // One that fails among others: it is rolled back to its beginning.
        call(&mut storage, |access| {
            let mark = access.mark();
            Slices::of(&ANN, &layout).write(access, 0, b"fail").unwrap();
            access.roll_back(mark);
        });
        assert_eq!(call(&mut storage, |access| read(access, &ANN, &layout, 0)).0, b"kept");
        assert_eq!((&storage.kv().kv, storage.state(&ANN)), (&records, state));
    }

    // "The `page cache` interface isn't accessible to the smart contract code."
    #[test]
    fn the_page_cache_is_not_accessible_to_the_contract() {
        // A contract gets an `Access` and `Slices`; whatever implements the first is enough for all of the second, so nothing of a
        // page cache can be in reach. Plain maps have no pages at all.
        fn contract(access: &mut dyn Access<Error = std::convert::Infallible>, slices: Slices<'_>) -> Vec<u8> {
            slices.write(access, 0, b"none").unwrap();
            let mut out = Vec::new();
            slices.read(access, 0, &mut out).unwrap();
            out
        }
        let layout = bytes(&[4], 4096);
        assert_eq!(contract(&mut Maps::new(), Slices::of(&ANN, &layout)), b"none");
    }
}

mod page_slice_cache {
    use super::*;

    // "svm smart contracts talk directly only to the `page slice cache`." / "So svm programs deal with `page slices`."
    #[test]
    fn contracts_talk_directly_only_to_page_slices() {
        // Every cell that a contract's variables touch is a slice's: nothing else has a name for it.
        let layout = bytes(&[4, 8], 4096);
        let mut access = Maps::new();
        let slices = Slices::of(&ANN, &layout);
        slices.write(&mut access, 0, &[1; 4]).unwrap();
        slices.write_part(&mut access, 1, 2, &[2; 3]).unwrap();
        let touched: Vec<_> = access.bytes().keys().map(|key| key.as_slice()).collect();
        assert_eq!(touched, [Some((ANN, 0)), Some((ANN, 1))]);
    }

    // "A running program trying to read a variable will translate to asking svm for the corresponding page-slice, which is an array of
    //  bytes representing that variable."
    #[test]
    fn reading_a_variable_is_asking_for_the_bytes_of_its_slice() {
        let layout = bytes(&[1, 4], 4096);
        let (mut storage, _) = storage(&layout);
        write(&mut storage, &ANN, &layout, 1, &0xdead_beef_u32.to_le_bytes());
        let (variable, _) = call(&mut storage, |access| read(access, &ANN, &layout, 1));
        assert_eq!(u32::from_le_bytes(variable.try_into().unwrap()), 0xdead_beef);
    }

    // "There is no such thing as a variable for the `contract storage`, only `page slices`."
    #[test]
    fn the_storage_knows_no_variable_only_slices() {
        // The same bytes, whatever the program takes them for: a number, four letters, an address's beginning.
        let layout = bytes(&[4], 4096);
        let states: Vec<Hash> = [0x6161_6161_u32.to_le_bytes(), *b"aaaa", [97; 4]]
            .iter()
            .map(|value| write(&mut storage(&layout).0, &ANN, &layout, 0, value).states[&ANN])
            .collect();
        assert_eq!((states[0], states[1]), (states[1], states[2]));
    }

    // "Each `page slice` has a sequential index, local to the program, starting at zero. So the compiled program top variable is,
    //  `page slice #0`, the next variable is `page slice #1` and so on."
    #[test]
    fn slice_indices_are_sequential_local_to_the_program_and_start_at_0() {
        let layout = bytes(&[1; 3], 4096);
        assert_eq!((0..4).map(|index| layout.get(index).is_some()).collect::<Vec<_>>(), [true, true, true, false]);
        let (mut storage, _) = storage(&layout);
        for (account, byte) in [(ANN, 10), (BOB, 20)] {
            for index in 0..3 {
                write(&mut storage, &account, &layout, index, &[byte + index as u8]);
            }
        }
        let (all, _) = call(&mut storage, |access| {
            [ANN, BOB].map(|account| (0..3).map(|index| read(access, &account, &layout, index)[0]).collect::<Vec<_>>())
        });
        assert_eq!(all, [[10, 11, 12], [20, 21, 22]]);
    }

    // "A compiler may decide to reorder variables order as an optimization during the compilation phase."
    #[test]
    fn a_compiler_may_put_slices_in_any_order() {
        let slice = |page, offset, length| Slice { page, offset, length, kind: Kind::Bytes };
        let layout = Layout::new(16, vec![slice(1, 8, 8), slice(0, 4, 1), slice(1, 0, 8), slice(0, 0, 4)]).unwrap();
        let (mut storage, _) = storage(&layout);
        for index in 0..4 {
            let length = layout.get(index).unwrap().length as usize;
            write(&mut storage, &ANN, &layout, index, &vec![index as u8 + 1; length]);
        }
        let pages = Pages::new(storage.kv(), storage.forest().now());
        assert_eq!(pages.load(&ANN, 0).unwrap(), [4, 4, 4, 4, 2]);
        assert_eq!(pages.load(&ANN, 1).unwrap(), [[3; 8], [1; 8]].concat());
    }

    // "If `slice #0` of a program represents a boolean and `slice #1` a `32 bit` integer, we say that `slice #0` is located under
    //  `page #0, offset=0, length=1` and that `slice #1` resides at `page #1, offset=1, length=4`." (The page of the second is a slip
    //  of the pen there: both are in page 0.)
    #[test]
    fn a_boolean_and_a_32_bit_integer_are_at_offsets_0_and_1() {
        let layout = bytes(&[1, 4], 4096);
        assert_eq!(layout.get(0), Some(&Slice { page: 0, offset: 0, length: 1, kind: Kind::Bytes }));
        assert_eq!(layout.get(1), Some(&Slice { page: 0, offset: 1, length: 4, kind: Kind::Bytes }));
    }

    // "When we want to read `slice #0 offset=0, length=1` for the first time, this request will translate to asking the `page cache` for
    //  `page #0` which will result in a cache miss. Then, it'll delegate the page load request to the underlying `pages storage`."
    #[test]
    fn the_first_read_of_a_slice_is_a_miss_of_the_page_cache_that_loads_the_page() {
        let layout = bytes(&[1, 4], 4096);
        let (mut storage, _) = storage(&layout);
        let before = storage.pages().loads();
        call(&mut storage, |access| read(access, &ANN, &layout, 0));
        assert_eq!(storage.pages().loads() - before, 1);
        call(&mut storage, |access| read(access, &ANN, &layout, 0));
        assert_eq!(storage.pages().loads() - before, 1, "the second is none");
    }

    // "The `pages storage` will infer the desired `page hash` given the current running `contract address` and `contract state` and
    //  proceed to ask `kv` store for the actual fetch."
    #[test]
    fn the_page_hash_is_found_from_address_and_state_and_the_page_in_the_store() {
        let layout = bytes(&[4], 4096);
        let (mut storage, kv) = storage(&layout);
        for n in 1..=3_u8 {
            write(&mut storage, &ANN, &layout, 0, &[n; 4]);
            storage.seal(n.into()).unwrap();
        }
        for n in 1..=3_u8 {
            let pages = Pages::new(storage.kv(), storage.forest().at(n.into()).unwrap());
            let hash = hash::page(&ANN, 0, &[n; 4]);
            assert_eq!(pages.hash(&ANN, 0), Some(hash));
            kv.take();
            assert_eq!(pages.load(&ANN, 0).unwrap(), [n; 4]);
            assert_eq!(kv.take(), [Verb::Get(page::page_key(&hash))], "one fetch, by that hash");
        }
    }

    // "When svm overrides a `page slice`, it will first make sure it's been loaded."
    #[test]
    fn a_write_of_a_slice_loads_its_page_first() {
        let layout = bytes(&[4, 4], 4096);
        let (mut storage, kv) = storage(&layout);
        write(&mut storage, &ANN, &layout, 0, b"left");
        storage.seal(1).unwrap();
        kv.take();
        let mut session = storage.session();
        Slices::of(&ANN, &layout).write(&mut session, 1, b"over").unwrap();
        drop(session);
        assert_eq!(kv.pages_read().len(), 1);
        write(&mut storage, &ANN, &layout, 1, b"over");
        assert_eq!(call(&mut storage, |access| read(access, &ANN, &layout, 0)).0, b"left", "what is beside it stays");
    }

    // "Then we'll mark the `page slice` as dirty. When committing [..] we will ask the `page slice storage` to commit only the dirty
    //  `page slices` which will translate to committing the associated dirty pages."
    #[test]
    fn only_dirty_slices_are_committed_which_commits_their_pages() {
        struct Zeros;
        impl PageSource for Zeros {
            fn load(&mut self, _: &[u8; 20], _: u32) -> Result<Vec<u8>, PageError> {
                Ok(Vec::new())
            }
        }
        let layout = bytes(&[8, 2, 8, 8], 10);
        let mut slices = SliceCache::new();
        let at = |index| (index, layout.get(index).unwrap(), 10);
        slices.read(&mut Zeros, &ANN, at(0)).unwrap();
        slices.write(&mut Zeros, &ANN, at(1), b"ab").unwrap();
        slices.read(&mut Zeros, &ANN, at(2)).unwrap();
        slices.write(&mut Zeros, &ANN, at(3), b"12345678").unwrap();
        assert_eq!(slices.dirty().collect::<Vec<_>>(), [(&ANN, 1), (&ANN, 3)]);
        assert_eq!(slices.read(&mut Zeros, &ANN, at(1)).unwrap(), b"ab", "a run reads what it has written");
        assert_eq!(slices.pages().dirty().count(), 0, "pages are as they were until then");
        let pages = slices.flush(&mut Zeros).unwrap();
        let dirty: Vec<_> = pages.dirty().map(|(_, index, content)| (index, content.to_vec())).collect();
        assert_eq!(dirty, [(0, b"\0\0\0\0\0\0\0\0ab".to_vec()), (2, b"12345678\0\0".to_vec())]);
        slices.committed();
        assert_eq!((slices.dirty().count(), slices.pages().dirty().count()), (0, 0));
    }

    // "Then we'll compute the new `page hash` for each committed dirty page and calculate the new `contract state`, returning it."
    #[test]
    fn each_dirty_page_gets_a_new_hash_and_the_contract_a_new_state_which_is_returned() {
        let layout = bytes(&[10, 10], 10);
        let (mut storage, _) = storage(&layout);
        write(&mut storage, &ANN, &layout, 0, &[1; 10]);
        let committed = write(&mut storage, &ANN, &layout, 1, &[2; 10]);
        let changed: Vec<(Hash, Option<Hash>)> = committed
            .contents
            .iter()
            .map(|content| (content.key, content.new.as_ref().map(|(hash, _)| *hash)))
            .collect();
        assert_eq!(changed, [(page::place(1), Some(hash::page(&ANN, 1, &[2; 10])))], "page 0 was not written");
        let leaves = [0, 1].map(|index| (page::place(index), hash::page(&ANN, index, &[index as u8 + 1; 10])));
        let state = replicode_contracts::tree::oracle::root(&leaves.into());
        assert_eq!(committed.states.into_iter().collect::<Vec<_>>(), [(ANN, state)]);
    }

    // From the section on deployment: "Initializing the `contract state` to `00...00` (all zeros)."
    #[test]
    fn the_state_is_all_zeros_at_birth() {
        let layout = bytes(&[4], 4096);
        let (mut storage, _) = storage(&layout);
        assert_eq!(storage.state(&ANN), Hash::ZERO);
        assert_eq!(*Hash::ZERO.as_bytes(), [0; 32]);
        write(&mut storage, &ANN, &layout, 0, &[1; 4]);
        assert_ne!(storage.state(&ANN), Hash::ZERO);
        write(&mut storage, &ANN, &layout, 0, &[0; 4]);
        assert_eq!(storage.state(&ANN), Hash::ZERO, "and again when all is zero again");
    }

    // From the section on execution: "If [..] success, we'll commit all the storage changes and compute the new `contract state`.
    //  Otherwise, we will discard the storage pending changes and remain with the same `contract state`."
    #[test]
    fn one_state_per_call_and_the_same_state_when_the_call_failed() {
        let layout = Layout::packed(4096, &[(Kind::Counter, 16), (Kind::List, 32)]).unwrap();
        let (mut storage, _) = storage(&layout);
        let slices = Slices::of(&ANN, &layout);
        let list = slices.collection(1).unwrap().list().unwrap();
        let mut states = vec![storage.state(&ANN)];
        for n in 0..6_u64 {
            let failed = n % 3 == 2;
            let mut session = storage.session();
            list.push(&mut session, &n.to_le_bytes()).unwrap();
            slices.add(&mut session, 0, 1, replicode_contracts::cell::Bounds::NONE).unwrap();
            let written = session.finish();
            if !failed {
                let committed = storage.commit(&written).unwrap();
                assert_eq!(committed.states[&ANN], storage.state(&ANN));
            }
            assert_eq!(storage.state(&ANN) == *states.last().unwrap(), failed, "call {n}");
            states.push(storage.state(&ANN));
        }
    }
}

mod unbounded_data_structures {
    use super::*;

    // "We'd like to add gradually support for these data-structures: list, map, set, sorted-set."
    #[test]
    fn there_are_lists_maps_sets_and_sorted_sets() {
        let kinds = [Kind::List, Kind::Map, Kind::Set, Kind::SortedSet];
        let layout = Layout::packed(4096, &kinds.map(|kind| (kind, 32))).unwrap();
        let mut access = Maps::new();
        let all: Vec<Collection> = (0..4).map(|index| Slices::of(&ANN, &layout).collection(index).unwrap()).collect();
        assert_eq!(all.iter().map(Collection::kind).collect::<Vec<_>>(), kinds);
        all[0].list().unwrap().push(&mut access, b"v").unwrap();
        all[1].map().unwrap().insert(&mut access, b"k", b"v").unwrap();
        all[2].set().unwrap().insert(&mut access, b"k").unwrap();
        all[3].sorted_set().unwrap().insert(&mut access, b"k").unwrap();
        for collection in all {
            assert_eq!(collection.len(&mut access).unwrap(), 1);
        }
    }

    fn nested() -> (Layout, Storage<Noted>, Noted) {
        let layout =
            Layout::packed(4096, &[(Kind::Bytes, 1), (Kind::List, 32), (Kind::Map, 32), (Kind::Set, 32)]).unwrap();
        let (storage, kv) = storage(&layout);
        (layout, storage, kv)
    }

    fn state_in_slice(storage: &Storage<Noted>, layout: &Layout, index: u32) -> Hash {
        let slice = layout.get(index).unwrap();
        let page = Pages::new(storage.kv(), storage.forest().now()).load(&ANN, slice.page).unwrap();
        let mut bytes = page;
        bytes.resize(layout.page_size() as usize, 0);
        Hash::new(bytes[slice.offset as usize..][..32].try_into().unwrap())
    }

    // "Each unbounded data-structure will manage its own state."
    #[test]
    fn each_data_structure_has_a_state_of_its_own() {
        let (layout, mut storage, _) = nested();
        let slices = Slices::of(&ANN, &layout);
        let (list, map) = (slices.collection(1).unwrap().list().unwrap(), slices.collection(2).unwrap().map().unwrap());
        call(&mut storage, |access| list.push(access, b"v").unwrap());
        let of = |storage: &Storage<Noted>, id: CollectionId| {
            storage.forest().root(&Name::Collection { account: ANN, id: Hash::new(id.name) })
        };
        let before = of(&storage, list.id());
        assert_ne!(before, Hash::ZERO);
        assert_eq!(of(&storage, map.id()), Hash::ZERO, "zero when empty");
        call(&mut storage, |access| map.insert(access, b"k", b"v").unwrap());
        assert_eq!(of(&storage, list.id()), before, "the map's insertion is not the list's business");
        assert_ne!(of(&storage, map.id()), Hash::ZERO);
    }

    // "The root `contract storage` will store these data-structures `state` in the same way it stores booleans/integers."
    #[test]
    fn the_state_of_a_data_structure_stands_in_a_slice_like_an_integer() {
        let (layout, mut storage, _) = nested();
        let map = Slices::of(&ANN, &layout).collection(2).unwrap().map().unwrap();
        write(&mut storage, &ANN, &layout, 0, &[7]);
        call(&mut storage, |access| map.insert(access, b"k", b"v").unwrap());
        let root = storage.forest().root(&Name::Collection { account: ANN, id: Hash::new(map.id().name) });
        let page = Pages::new(storage.kv(), storage.forest().now()).load(&ANN, 0).unwrap();
        // One byte, the list's state (empty), the map's.
        assert_eq!(page, [[7].as_slice(), &[0; 32], root.as_bytes().as_slice()].concat());
    }

    // "It's like having a reference type variable. Since a reference/data-structure state will be of a fixed-size, it can work."
    #[test]
    fn the_state_is_of_a_fixed_size_however_large_the_structure() {
        let (layout, mut storage, _) = nested();
        let list = Slices::of(&ANN, &layout).collection(1).unwrap().list().unwrap();
        for elements in [1, 10, 1000] {
            call(&mut storage, |access| {
                for _ in 0..elements {
                    list.push(access, &[1; 100]).unwrap();
                }
            });
            assert_eq!(layout.get(1).unwrap().length, 32);
            assert_ne!(state_in_slice(&storage, &layout, 1), Hash::ZERO);
            assert_eq!(state_in_slice(&storage, &layout, 2), Hash::ZERO, "it does not run over");
        }
    }

    // "Having these unbounded data-structures adds complexity to the `contract storage` which will have to additionally track changes
    //  of each unbounded data-structure."
    #[test]
    fn the_changes_of_each_data_structure_are_tracked() {
        let (layout, mut storage, _) = nested();
        let slices = Slices::of(&ANN, &layout);
        let (list, map) = (slices.collection(1).unwrap().list().unwrap(), slices.collection(2).unwrap().map().unwrap());
        call(&mut storage, |access| {
            for n in 0..100_u8 {
                list.push(access, &[n]).unwrap();
                map.insert(access, &[n], &[n]).unwrap();
            }
        });
        let (_, committed) = call(&mut storage, |access| {
            list.set(access, 5, b"new").unwrap();
            map.insert(access, &[7], b"new").unwrap();
            map.insert(access, &[8], &[8]).unwrap();
        });
        let trees: Vec<(Name, Hash)> = committed.contents.iter().map(|content| (content.name, content.key)).collect();
        let of = |id: CollectionId| Name::Collection { account: ANN, id: Hash::new(id.name) };
        assert_eq!(
            trees,
            [
                (of(list.id()), hash::key(&5_u64.to_le_bytes())),
                (of(map.id()), hash::key(&[7])),
                (page::tree(&ANN), page::place(0)),
            ],
            "the two elements that have changed and the page; not the one that was set to what it was"
        );
    }

    // "Committing `contract storage` changes will now first require computing each unbounded data-structure new state, and updating the
    //  `contract storage` matching `page slice`. Only after that, we could do a batch commit of all the storage changes at one shot."
    #[test]
    fn states_are_computed_first_then_everything_is_committed_at_one_shot() {
        let (layout, mut storage, kv) = nested();
        let slices = Slices::of(&ANN, &layout);
        let (list, map) = (slices.collection(1).unwrap().list().unwrap(), slices.collection(2).unwrap().map().unwrap());
        kv.take();
        call(&mut storage, |access| {
            slices.write(access, 0, &[1]).unwrap();
            let inner = map.create(access, b"inner", Kind::List).unwrap().list().unwrap();
            inner.push(access, b"v").unwrap();
            list.push(access, b"v").unwrap();
        });
        let writes: Vec<Verb> = kv.take().into_iter().filter(|verb| matches!(verb, Verb::Write(_))).collect();
        assert_eq!(writes.len(), 1, "{writes:?}");
        let root = storage.forest().root(&Name::Collection { account: ANN, id: Hash::new(map.id().name) });
        assert_eq!(state_in_slice(&storage, &layout, 2), root);
    }

    // "Actually, this is a recursive process since an unbounded data-structure may hold unbounded data-structures too. Say, we have a list
    //  of `map`s, or a `map` from `string` to `list`."
    #[test]
    fn a_list_of_maps_and_a_map_from_string_to_list() {
        let (layout, mut storage, _) = nested();
        let slices = Slices::of(&ANN, &layout);
        let (list, map) = (slices.collection(1).unwrap().list().unwrap(), slices.collection(2).unwrap().map().unwrap());
        call(&mut storage, |access| {
            for n in 0..3_u8 {
                access.begin_transaction([n + 1; 32]);
                let (_, inner) = list.push_new(access, Kind::Map).unwrap();
                inner.map().unwrap().insert(access, b"n", &[n]).unwrap();
                let inner = map.create(access, format!("string {n}").as_bytes(), Kind::List).unwrap();
                for i in 0..=n {
                    inner.list().unwrap().push(access, &[i]).unwrap();
                }
            }
        });
        call(&mut storage, |access| {
            for n in 0..3_u8 {
                let inner = list.get(access, n.into()).unwrap().unwrap().collection(Kind::Map).unwrap().map().unwrap();
                assert_eq!(inner.get(access, b"n").unwrap(), Some(Entry::Bytes(vec![n])));
                let inner = map.get(access, format!("string {n}").as_bytes()).unwrap().unwrap();
                assert_eq!(inner.collection(Kind::List).unwrap().len(access).unwrap(), u64::from(n) + 1);
            }
            assert_eq!(map.keys(access, &Range::forward(9)).unwrap().len(), 3);
        });
    }

    // "We'll need to traverse first the most internal unbounded data-structures and then, each will notify its parent about its new state
    //  and so on until reaching the top level `contract storage`."
    #[test]
    fn the_most_internal_structures_come_first_and_each_parent_gets_the_new_state() {
        let (layout, mut storage, _) = nested();
        let mut at = Slices::of(&ANN, &layout).collection(2).unwrap().map().unwrap();
        let mut ids = vec![at.id()];
        call(&mut storage, |access| {
            for _ in 0..6 {
                at = at.create(access, b"deeper", Kind::Map).unwrap().map().unwrap();
                ids.push(at.id());
            }
            at.insert(access, b"k", b"1").unwrap();
        });
        let before: Vec<Hash> = roots(&storage, &ids);
        let (_, committed) = call(&mut storage, |access| at.insert(access, b"k", b"2").unwrap());
        let order: Vec<Name> = committed.contents.iter().map(|content: &Content| content.name).collect();
        let mut expected: Vec<Name> =
            ids.iter().rev().map(|id| Name::Collection { account: ANN, id: Hash::new(id.name) }).collect();
        expected.push(page::tree(&ANN));
        assert_eq!(order, expected, "innermost first, the contract last");
        let after = roots(&storage, &ids);
        assert!(before.iter().zip(&after).all(|(before, after)| before != after), "each has a new state");
        assert_eq!(state_in_slice(&storage, &layout, 2), after[0]);
    }

    fn roots(storage: &Storage<Noted>, ids: &[CollectionId]) -> Vec<Hash> {
        let root =
            |id: &CollectionId| storage.forest().root(&Name::Collection { account: ANN, id: Hash::new(id.name) });
        ids.iter().map(root).collect()
    }
}
