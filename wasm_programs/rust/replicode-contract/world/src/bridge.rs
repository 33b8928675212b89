//! What a contract asks, asked of its frame. The rules are the host's; here are only slices of one kind turned into another.

use ed25519_dalek::{Signature, VerifyingKey};
use replicode_contract::sys::{self, Env};
use replicode_contracts::abi::document::{PANIC_CODE, RESERVED_CODES};
use replicode_contracts::account::Address;
use replicode_contracts::cell::{Bounds, Error, Refusal};
use replicode_contracts::collection::{Collection, Direction, Entry, Range};
use replicode_contracts::hash::Hash;
use replicode_contracts::receipt::{GasKind, Status, Trap};
use replicode_contracts::run::{CallRequest, Halt, Host, SpawnRequest};
use replicode_contracts::slice::{Kind, Slices};
use sha2::Digest as _;
use std::ops::Bound;

/// What unwinds a contract whose frame has ended.
pub(crate) struct Halted;

/// The most collections that a frame can have open.
const MAX_HANDLES: usize = 1024;
/// The most elements of one iteration.
const MOST: u32 = 256;

pub(crate) struct Bridge<'a> {
    pub(crate) host: &'a mut dyn Host,
    pub(crate) output: Vec<u8>,
    pub(crate) halt: Option<Halt>,
    input: &'a [u8],
    passed: Vec<u8>,
    open: Vec<Collection>,
}

type Stored<T> = Result<T, Error<Halt>>;

impl<'a> Bridge<'a> {
    pub(crate) fn new(host: &'a mut dyn Host, input: &'a [u8]) -> Self {
        Bridge { host, input, output: Vec::new(), halt: None, passed: Vec::new(), open: Vec::new() }
    }

    fn end(&mut self, halt: Halt) -> ! {
        self.halt = Some(halt);
        // Nothing has gone wrong here, so nobody is told: the frame knows why it has ended.
        std::panic::resume_unwind(Box::new(Halted))
    }

    fn ask<T>(&mut self, question: impl FnOnce(&mut dyn Host) -> Result<T, Halt>) -> T {
        let answer = question(self.host);
        answer.unwrap_or_else(|halt| self.end(halt))
    }

    fn trap(&mut self, trap: Trap) -> ! {
        let halt = self.host.trap(trap);
        self.end(halt)
    }

    fn stored<T>(&mut self, act: impl FnOnce(&mut dyn Host) -> Stored<T>) -> T {
        match act(self.host) {
            Ok(value) => value,
            Err(error) => {
                let halt = self.host.storage_error(error);
                self.end(halt)
            }
        }
    }

    fn slices<T>(&mut self, act: impl FnOnce(&mut dyn Host, &Slices<'_>) -> Stored<T>) -> T {
        let program = self.host.program();
        let account = *self.host.message().account.as_bytes();
        self.stored(|host| act(host, &Slices::of(&account, &program.layout)))
    }

    fn refused<T>(&mut self, result: Result<T, Refusal>) -> T {
        result.unwrap_or_else(|_| self.trap(Trap::Storage))
    }

    fn opened(&mut self, handle: u32) -> Collection {
        match self.open.get(handle as usize) {
            Some(collection) => *collection,
            None => self.trap(Trap::Storage),
        }
    }

    fn handle(&mut self, collection: Collection) -> u32 {
        if self.open.len() >= MAX_HANDLES {
            self.trap(Trap::Storage);
        }
        self.open.push(collection);
        (self.open.len() - 1) as u32
    }

    fn child(&mut self, entry: Option<Entry>) -> Option<u32> {
        match entry? {
            Entry::Collection(collection) => Some(self.handle(collection)),
            _ => self.trap(Trap::Storage),
        }
    }

    /// A value; read twice where the library has to in wasm, so that the price is the same.
    fn value_of(&mut self, read: impl Fn(&mut dyn Host) -> Stored<Option<Entry>>) -> Option<Vec<u8>> {
        let bytes = match self.stored(&read)? {
            Entry::Collection(_) => self.trap(Trap::Storage),
            entry => bytes_of(entry),
        };
        if bytes.len() > sys::ROOM {
            self.stored(&read);
        }
        Some(bytes)
    }

    /// A key, likewise.
    fn key_of(&mut self, read: impl Fn(&mut dyn Host) -> Stored<Option<Vec<u8>>>) -> Option<Vec<u8>> {
        let key = self.stored(&read)?;
        if key.len() > sys::ROOM {
            self.stored(&read);
        }
        Some(key)
    }

    /// As many elements as fit into the room that the library has for them.
    fn page<T>(&mut self, len: impl Fn(&T) -> usize, read: impl Fn(&mut dyn Host) -> Stored<Vec<T>>) -> Vec<T> {
        let mut found = self.stored(&read);
        let mut room = sys::PAGE;
        if let Some(first) = found.first().map(&len).filter(|first| *first > room) {
            room = first;
            found = self.stored(&read);
        }
        let fits = found.iter().take_while(|element| match room.checked_sub(len(element)) {
            Some(rest) => {
                room = rest;
                true
            }
            None => false,
        });
        let count = fits.count();
        found.truncate(count);
        found
    }

    /// A text that is handed over is paid for by its length.
    fn text(&mut self, text: &str) {
        self.ask(|host| host.charge(GasKind::Compute, text.len() as u64 / 8));
    }

    fn kind(&mut self, kind: u32) -> Kind {
        match kind {
            sys::kind::LIST => Kind::List,
            sys::kind::MAP => Kind::Map,
            sys::kind::SET => Kind::Set,
            sys::kind::SORTED_SET => Kind::SortedSet,
            _ => self.trap(Trap::Host),
        }
    }
}

/// An element of an iteration; of a collection nothing.
fn bytes_of(entry: Entry) -> Vec<u8> {
    match entry {
        Entry::Bytes(bytes) => bytes,
        Entry::Counter(sum) => sum.to_le_bytes().to_vec(),
        Entry::Collection(_) => Vec::new(),
    }
}

fn bound(end: Option<(&[u8], bool)>) -> Bound<&[u8]> {
    match end {
        None => Bound::Unbounded,
        Some((key, true)) => Bound::Excluded(key),
        Some((key, false)) => Bound::Included(key),
    }
}

fn range(range: sys::Range<'_>) -> Range<'_> {
    Range {
        from: bound(range.from),
        to: bound(range.to),
        direction: if range.backward { Direction::Backward } else { Direction::Forward },
        limit: range.limit.min(MOST) as usize,
    }
}

fn code(status: &Status) -> u32 {
    borsh::to_vec(status).ok().and_then(|bytes| bytes.first().copied()).map_or(0, u32::from)
}

macro_rules! collections {
    ($(fn $name:ident = $what:ident;)*) => { $(
        fn $name(&mut self, handle: u32) -> replicode_contracts::collection::$what {
            let opened = self.opened(handle);
            let found = opened.$name();
            self.refused(found)
        }
    )* };
}

impl Bridge<'_> {
    collections! {
        fn list = List;
        fn map = Map;
        fn sorted_set = SortedSet;
    }
}

impl Env for Bridge<'_> {
    fn load(&mut self, slice: u32, offset: u32, to: &mut [u8]) {
        let mut part = Vec::new();
        let len = to.len() as u32;
        self.slices(|host, slices| slices.read_part(host, slice, offset, len, &mut part));
        to.copy_from_slice(&part);
    }
    fn store(&mut self, slice: u32, offset: u32, from: &[u8]) {
        let whole = self.host.program().layout.get(slice).is_some_and(|place| place.length as usize == from.len());
        // What is the whole of a slice is not read before.
        self.slices(|host, slices| match offset {
            0 if whole => slices.write(host, slice, from),
            _ => slices.write_part(host, slice, offset, from),
        });
    }
    fn open(&mut self, slice: u32) -> u32 {
        let collection = self.slices(|_, slices| Ok(slices.collection(slice)));
        let collection = self.refused(collection);
        self.handle(collection)
    }
    fn open_key(&mut self, map: u32, key: &[u8]) -> Option<u32> {
        let map = self.map(map);
        let entry = self.stored(|host| map.get(host, key));
        self.child(entry)
    }
    fn open_at(&mut self, list: u32, index: u64) -> Option<u32> {
        let list = self.list(list);
        let entry = self.stored(|host| list.get(host, index));
        self.child(entry)
    }
    fn create_key(&mut self, map: u32, kind: u32, key: &[u8]) -> u32 {
        let (map, kind) = (self.map(map), self.kind(kind));
        let collection = self.stored(|host| map.open(host, key, kind));
        self.handle(collection)
    }
    fn create_at_end(&mut self, list: u32, kind: u32) -> u32 {
        let (list, kind) = (self.list(list), self.kind(kind));
        let (_, collection) = self.stored(|host| list.push_new(host, kind));
        self.handle(collection)
    }
    fn len(&mut self, collection: u32) -> u64 {
        let collection = self.opened(collection);
        self.stored(|host| collection.len(host))
    }
    fn list_get(&mut self, list: u32, index: u64) -> Option<Vec<u8>> {
        let list = self.list(list);
        self.value_of(|host| list.get(host, index))
    }
    fn list_set(&mut self, list: u32, index: u64, value: &[u8]) {
        let list = self.list(list);
        self.stored(|host| list.set(host, index, value));
    }
    fn list_push(&mut self, list: u32, value: &[u8]) -> u64 {
        let list = self.list(list);
        self.stored(|host| list.push(host, value))
    }
    fn list_pop(&mut self, list: u32) -> Option<Vec<u8>> {
        // As the library does it in wasm, at the same price.
        let handle = list;
        let last = self.len(handle).checked_sub(1)?;
        let value = self.list_get(handle, last);
        let list = self.list(handle);
        self.stored(|host| list.pop(host));
        value
    }
    fn list_swap_remove(&mut self, list: u32, index: u64) {
        let list = self.list(list);
        self.stored(|host| list.swap_remove(host, index));
    }
    fn list_iterate(&mut self, list: u32, start: u64, backward: bool, limit: u32) -> Vec<Vec<u8>> {
        let list = self.list(list);
        let direction = if backward { Direction::Backward } else { Direction::Forward };
        // Kind, length, bytes.
        self.page(
            |bytes: &Vec<u8>| 1 + 4 + bytes.len(),
            |host| {
                let found = list.iterate(host, start, direction, limit.min(MOST) as usize)?;
                Ok(found.into_iter().map(|(_, entry)| bytes_of(entry)).collect())
            },
        )
    }
    fn map_get(&mut self, map: u32, key: &[u8]) -> Option<Vec<u8>> {
        let map = self.map(map);
        self.value_of(|host| map.get(host, key))
    }
    fn map_insert(&mut self, map: u32, key: &[u8], value: &[u8]) -> bool {
        let map = self.map(map);
        self.stored(|host| map.insert(host, key, value))
    }
    fn map_iterate(&mut self, map: u32, wanted: sys::Range<'_>) -> Vec<(Vec<u8>, Vec<u8>)> {
        let map = self.map(map);
        // Length of the key, key, kind, length, bytes.
        let len = |(key, value): &(Vec<u8>, Vec<u8>)| 4 + key.len() + 1 + 4 + value.len();
        self.page(len, |host| {
            let found = map.iterate(host, &range(wanted))?;
            Ok(found.into_iter().map(|(key, entry)| (key, bytes_of(entry))).collect())
        })
    }
    fn set_insert(&mut self, set: u32, key: &[u8]) -> bool {
        match self.opened(set) {
            Collection::Set(set) => self.stored(|host| set.insert(host, key)),
            Collection::SortedSet(set) => self.stored(|host| set.insert(host, key)),
            _ => self.trap(Trap::Storage),
        }
    }
    fn contains(&mut self, collection: u32, key: &[u8]) -> bool {
        match self.opened(collection) {
            Collection::Map(map) => self.stored(|host| map.contains(host, key)),
            Collection::Set(set) => self.stored(|host| set.contains(host, key)),
            Collection::SortedSet(set) => self.stored(|host| set.contains(host, key)),
            Collection::List(_) => self.trap(Trap::Storage),
        }
    }
    fn remove(&mut self, collection: u32, key: &[u8]) -> bool {
        match self.opened(collection) {
            Collection::Map(map) => self.stored(|host| map.remove(host, key)),
            Collection::Set(set) => self.stored(|host| set.remove(host, key)),
            Collection::SortedSet(set) => self.stored(|host| set.remove(host, key)),
            Collection::List(_) => self.trap(Trap::Storage),
        }
    }
    fn keys(&mut self, collection: u32, wanted: sys::Range<'_>) -> Vec<Vec<u8>> {
        let len = |key: &Vec<u8>| 4 + key.len();
        match self.opened(collection) {
            Collection::Map(map) => self.page(len, |host| map.keys(host, &range(wanted))),
            Collection::Set(set) => self.page(len, |host| set.keys(host, &range(wanted))),
            Collection::SortedSet(set) => self.page(len, |host| set.keys(host, &range(wanted))),
            Collection::List(_) => self.trap(Trap::Storage),
        }
    }
    fn first(&mut self, set: u32) -> Option<Vec<u8>> {
        let set = self.sorted_set(set);
        self.key_of(|host| set.first(host))
    }
    fn last(&mut self, set: u32) -> Option<Vec<u8>> {
        let set = self.sorted_set(set);
        self.key_of(|host| set.last(host))
    }
    fn next(&mut self, set: u32, key: &[u8]) -> Option<Vec<u8>> {
        let set = self.sorted_set(set);
        self.key_of(|host| set.next(host, key))
    }
    fn previous(&mut self, set: u32, key: &[u8]) -> Option<Vec<u8>> {
        let set = self.sorted_set(set);
        self.key_of(|host| set.previous(host, key))
    }
    fn rank(&mut self, set: u32, key: &[u8]) -> u64 {
        let set = self.sorted_set(set);
        self.stored(|host| set.rank(host, key))
    }
    fn at_rank(&mut self, set: u32, rank: u64) -> Option<Vec<u8>> {
        let set = self.sorted_set(set);
        self.key_of(|host| set.at_rank(host, rank))
    }
    fn counter_get(&mut self, slice: u32) -> i128 {
        self.slices(|host, slices| slices.sum(host, slice))
    }
    fn counter_try_add(&mut self, slice: u32, delta: i128, least: i128, most: i128) -> bool {
        self.slices(|host, slices| slices.add(host, slice, delta, Bounds { least, most }))
    }
    fn map_try_add(&mut self, map: u32, key: &[u8], delta: i128, least: i128, most: i128) -> bool {
        let map = self.map(map);
        self.stored(|host| map.add(host, key, delta, Bounds { least, most }))
    }
    fn list_try_add(&mut self, list: u32, index: u64, delta: i128, least: i128, most: i128) -> bool {
        let list = self.list(list);
        self.stored(|host| list.add(host, index, delta, Bounds { least, most }))
    }
    fn list_push_counter(&mut self, list: u32, sum: i128) -> u64 {
        let list = self.list(list);
        self.stored(|host| list.push_counter(host, sum))
    }
    fn balance(&mut self, account: &[u8; 20]) -> u128 {
        self.ask(|host| host.balance(&Address::from_bytes(*account)))
    }
    fn transfer(&mut self, account: &[u8; 20], value: u128) -> bool {
        self.ask(|host| host.transfer(&Address::from_bytes(*account), value))
    }
    fn nonce(&mut self, account: &[u8; 20]) -> u64 {
        self.ask(|host| host.nonce(&Address::from_bytes(*account)))
    }
    fn address(&mut self) -> [u8; 20] {
        *self.host.message().account.as_bytes()
    }
    fn sender(&mut self) -> [u8; 20] {
        *self.host.message().sender.as_bytes()
    }
    fn principal(&mut self) -> [u8; 20] {
        *self.host.message().principal.as_bytes()
    }
    fn template(&mut self) -> [u8; 32] {
        *self.host.message().template.as_bytes()
    }
    fn value(&mut self) -> u128 {
        self.host.message().value
    }
    fn batch(&mut self) -> u64 {
        self.host.message().moment.batch
    }
    fn time(&mut self) -> u64 {
        self.host.message().moment.time
    }
    fn seed(&mut self) -> u64 {
        self.host.message().moment.seed
    }
    fn gas_left(&mut self) -> u64 {
        self.host.gas_left()
    }
    fn depth(&mut self) -> u32 {
        u32::from(self.host.message().depth)
    }
    fn read_only(&mut self) -> bool {
        self.host.message().read_only
    }
    fn input(&mut self) -> Vec<u8> {
        self.input.to_vec()
    }
    fn output(&mut self, bytes: &[u8]) {
        self.output = bytes.to_vec();
    }
    fn call(&mut self, request: sys::CallRequest<'_>) -> u32 {
        self.text(request.function);
        let request = CallRequest {
            account: Address::from_bytes(request.account),
            function: request.function.to_string(),
            arguments: request.arguments.to_vec(),
            value: request.value,
            gas: request.gas,
            read_only: request.read_only,
            may_reenter: request.may_reenter,
        };
        code(&self.ask(|host| host.call(request)).status)
    }
    fn spawn(&mut self, request: sys::SpawnRequest<'_>) -> Result<[u8; 20], u32> {
        self.text(request.constructor);
        let request = SpawnRequest {
            template: Hash::new(request.template),
            constructor: (!request.constructor.is_empty()).then(|| request.constructor.to_string()),
            arguments: request.arguments.to_vec(),
            value: request.value,
            gas: request.gas,
        };
        let (address, outcome) = self.ask(|host| host.spawn(request));
        address.map(|address| *address.as_bytes()).ok_or_else(|| code(&outcome.status))
    }
    fn deploy(&mut self, template: &[u8]) -> Result<[u8; 32], u32> {
        let stored = self.ask(|host| host.deploy(template));
        stored.map(|hash| *hash.as_bytes()).map_err(|status| code(&status))
    }
    fn result(&mut self) -> Vec<u8> {
        match self.host.last_outcome() {
            Some(outcome) => match &outcome.status {
                Status::Reverted { data, .. } => data.clone(),
                _ => outcome.returned.clone(),
            },
            None => Vec::new(),
        }
    }
    fn reason(&mut self) -> Vec<u8> {
        self.host.last_outcome().and_then(|outcome| borsh::to_vec(&outcome.status).ok()).unwrap_or_default()
    }
    fn burnt(&mut self) -> u64 {
        self.host.last_outcome().map_or(0, |outcome| outcome.burnt)
    }
    fn emit(&mut self, event: u32, expires: u64, fields: &[u8]) {
        self.ask(|host| host.emit(event, fields, (expires != 0).then_some(expires)));
    }
    fn revert(&mut self, code: u32, fields: &[u8]) -> ! {
        if code >= RESERVED_CODES && code != PANIC_CODE {
            self.trap(Trap::Host);
        }
        let halt = self.host.revert(code, fields.to_vec());
        self.end(halt)
    }
    fn log(&mut self, text: &str) {
        println!("{text}");
    }
    fn blake3(&mut self, bytes: &[u8]) -> [u8; 32] {
        *blake3::hash(bytes).as_bytes()
    }
    fn sha256(&mut self, bytes: &[u8]) -> [u8; 32] {
        sha2::Sha256::digest(bytes).into()
    }
    fn ed25519_verify(&mut self, key: &[u8; 32], signature: &[u8; 64], message: &[u8]) -> bool {
        let key = VerifyingKey::from_bytes(key);
        key.is_ok_and(|key| key.verify_strict(message, &Signature::from_bytes(signature)).is_ok())
    }
    fn pass(&mut self, bytes: &[u8]) {
        self.passed = bytes.to_vec();
    }
    fn passed(&mut self) -> Vec<u8> {
        self.passed.clone()
    }
}
