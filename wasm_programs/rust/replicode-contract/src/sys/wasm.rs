//! The imports, and what makes slices of pointers and lengths.

use super::svm;
use super::{CallRequest, PAGE, ROOM, Range, SpawnRequest};
use alloc::vec;
use alloc::vec::Vec;

fn handle(number: i32) -> Option<u32> {
    u32::try_from(number).ok()
}

/// Reads something whose length the host says; once more if it was longer than the room.
fn some(read: impl Fn(*mut u8, usize) -> i32) -> Option<Vec<u8>> {
    let mut room = [0; ROOM];
    let len = usize::try_from(read(room.as_mut_ptr(), room.len())).ok()?;
    if let Some(bytes) = room.get(..len) {
        return Some(bytes.to_vec());
    }
    let mut bytes = vec![0; len];
    read(bytes.as_mut_ptr(), len);
    Some(bytes)
}

/// Bytes and number of elements that fit; a larger room where the first one does not.
fn several(read: impl Fn(*mut u8, usize) -> i32) -> (Vec<u8>, usize) {
    let mut bytes = vec![0; PAGE];
    loop {
        let count = read(bytes.as_mut_ptr(), bytes.len());
        if count >= 0 {
            return (bytes, count as usize);
        }
        bytes.resize(count.unsigned_abs() as usize, 0);
    }
}

fn fixed<const N: usize>(read: impl Fn(*mut u8)) -> [u8; N] {
    let mut bytes = [0; N];
    read(bytes.as_mut_ptr());
    bytes
}

fn halves(value: i128) -> (u64, i64) {
    (value as u64, (value >> 64) as i64)
}

fn bounds(least: i128, most: i128) -> [u8; 32] {
    let mut both = [0; 32];
    both[..16].copy_from_slice(&least.to_le_bytes());
    both[16..].copy_from_slice(&most.to_le_bytes());
    both
}

/// Walks over the elements that the host has laid down one after the other.
struct Walk<'a>(&'a [u8]);

impl Walk<'_> {
    fn bytes(&mut self) -> Vec<u8> {
        let Some((len, rest)) = self.0.split_first_chunk::<4>() else { return Vec::new() };
        let len = (u32::from_le_bytes(*len) as usize).min(rest.len());
        let (bytes, rest) = rest.split_at(len);
        self.0 = rest;
        bytes.to_vec()
    }

    /// An element begins with its kind.
    fn element(&mut self) -> Vec<u8> {
        self.0 = self.0.get(1..).unwrap_or_default();
        self.bytes()
    }
}

fn flags<'a>(range: &Range<'a>) -> (u32, &'a [u8], &'a [u8]) {
    let (from, to) = (range.from, range.to);
    let flag = |bit: u32, there: bool| if there { bit } else { 0 };
    let flags = flag(1, range.backward)
        | flag(2, from.is_some())
        | flag(4, from.is_some_and(|(_, excluded)| excluded))
        | flag(8, to.is_some())
        | flag(16, to.is_some_and(|(_, excluded)| excluded));
    (flags, from.map_or(&[], |(key, _)| key), to.map_or(&[], |(key, _)| key))
}

macro_rules! plain {
    ($($name:ident -> $ret:ty = $body:expr;)*) => { $(
        /// See [`super`].
        pub fn $name() -> $ret { $body }
    )* };
}

plain! {
    address -> [u8; 20] = fixed(|to| svm::address(to));
    sender -> [u8; 20] = fixed(|to| svm::sender(to));
    principal -> [u8; 20] = fixed(|to| svm::principal(to));
    template -> [u8; 32] = fixed(|to| svm::template(to));
    value -> u128 = u128::from_le_bytes(fixed(|to| svm::value(to)));
    batch -> u64 = svm::batch();
    time -> u64 = svm::time();
    seed -> u64 = svm::seed();
    gas_left -> u64 = svm::gas_left();
    depth -> u32 = svm::depth();
    read_only -> bool = svm::read_only() != 0;
    burnt -> u64 = svm::burnt();
}

/// See [`super`].
pub fn load(slice: u32, offset: u32, to: &mut [u8]) {
    svm::load(slice, offset, to.as_mut_ptr(), to.len());
}

/// See [`super`].
pub fn store(slice: u32, offset: u32, from: &[u8]) {
    svm::store(slice, offset, from.as_ptr(), from.len());
}

/// See [`super`].
pub fn open(slice: u32) -> u32 {
    svm::open(slice).cast_unsigned()
}

/// See [`super`].
pub fn open_key(map: u32, key: &[u8]) -> Option<u32> {
    handle(svm::open_key(map, key.as_ptr(), key.len()))
}

/// See [`super`].
pub fn open_at(list: u32, index: u64) -> Option<u32> {
    handle(svm::open_at(list, index))
}

/// See [`super`].
pub fn create_key(map: u32, kind: u32, key: &[u8]) -> u32 {
    svm::create_key(map, kind, key.as_ptr(), key.len()).cast_unsigned()
}

/// See [`super`].
pub fn create_at_end(list: u32, kind: u32) -> u32 {
    svm::create_at_end(list, kind).cast_unsigned()
}

/// See [`super`].
pub fn len(collection: u32) -> u64 {
    svm::len(collection)
}

/// See [`super`].
pub fn list_get(list: u32, index: u64) -> Option<Vec<u8>> {
    some(|to, cap| svm::list_get(list, index, to, cap))
}

/// See [`super`].
pub fn list_set(list: u32, index: u64, value: &[u8]) {
    svm::list_set(list, index, value.as_ptr(), value.len());
}

/// See [`super`].
pub fn list_push(list: u32, value: &[u8]) -> u64 {
    svm::list_push(list, value.as_ptr(), value.len())
}

/// See [`super`].
pub fn list_pop(list: u32) -> Option<Vec<u8>> {
    // It is gone once it is read: so it is read whole before.
    let last = svm::len(list).checked_sub(1)?;
    let value = list_get(list, last);
    svm::list_pop(list, core::ptr::NonNull::dangling().as_ptr(), 0);
    value
}

/// See [`super`].
pub fn list_swap_remove(list: u32, index: u64) {
    svm::list_swap_remove(list, index);
}

/// See [`super`].
pub fn list_iterate(list: u32, start: u64, backward: bool, limit: u32) -> Vec<Vec<u8>> {
    let (bytes, count) = several(|to, cap| svm::list_iterate(list, start, u32::from(backward), limit, to, cap));
    let mut walk = Walk(&bytes);
    (0..count).map(|_| walk.element()).collect()
}

/// See [`super`].
pub fn map_get(map: u32, key: &[u8]) -> Option<Vec<u8>> {
    some(|to, cap| svm::map_get(map, key.as_ptr(), key.len(), to, cap))
}

/// See [`super`].
pub fn map_insert(map: u32, key: &[u8], value: &[u8]) -> bool {
    svm::map_insert(map, key.as_ptr(), key.len(), value.as_ptr(), value.len()) != 0
}

/// See [`super`].
pub fn map_iterate(map: u32, range: Range<'_>) -> Vec<(Vec<u8>, Vec<u8>)> {
    let (flags, from, end) = flags(&range);
    let (bytes, count) = several(|to, cap| {
        svm::map_iterate(map, from.as_ptr(), from.len(), end.as_ptr(), end.len(), flags, range.limit, to, cap)
    });
    let mut walk = Walk(&bytes);
    (0..count).map(|_| (walk.bytes(), walk.element())).collect()
}

/// See [`super`].
pub fn set_insert(set: u32, key: &[u8]) -> bool {
    svm::set_insert(set, key.as_ptr(), key.len()) != 0
}

/// See [`super`].
pub fn contains(collection: u32, key: &[u8]) -> bool {
    svm::contains(collection, key.as_ptr(), key.len()) != 0
}

/// See [`super`].
pub fn remove(collection: u32, key: &[u8]) -> bool {
    svm::remove(collection, key.as_ptr(), key.len()) != 0
}

/// See [`super`].
pub fn keys(collection: u32, range: Range<'_>) -> Vec<Vec<u8>> {
    let (flags, from, end) = flags(&range);
    let (bytes, count) = several(|to, cap| {
        svm::keys(collection, from.as_ptr(), from.len(), end.as_ptr(), end.len(), flags, range.limit, to, cap)
    });
    let mut walk = Walk(&bytes);
    (0..count).map(|_| walk.bytes()).collect()
}

/// See [`super`].
pub fn first(set: u32) -> Option<Vec<u8>> {
    some(|to, cap| svm::first(set, to, cap))
}

/// See [`super`].
pub fn last(set: u32) -> Option<Vec<u8>> {
    some(|to, cap| svm::last(set, to, cap))
}

/// See [`super`].
pub fn next(set: u32, key: &[u8]) -> Option<Vec<u8>> {
    some(|to, cap| svm::next(set, key.as_ptr(), key.len(), to, cap))
}

/// See [`super`].
pub fn previous(set: u32, key: &[u8]) -> Option<Vec<u8>> {
    some(|to, cap| svm::previous(set, key.as_ptr(), key.len(), to, cap))
}

/// See [`super`].
pub fn rank(set: u32, key: &[u8]) -> u64 {
    svm::rank(set, key.as_ptr(), key.len())
}

/// See [`super`].
pub fn at_rank(set: u32, rank: u64) -> Option<Vec<u8>> {
    some(|to, cap| svm::at_rank(set, rank, to, cap))
}

/// See [`super`].
pub fn counter_get(slice: u32) -> i128 {
    i128::from_le_bytes(fixed(|to| svm::counter_get(slice, to)))
}

/// See [`super`].
pub fn counter_try_add(slice: u32, delta: i128, least: i128, most: i128) -> bool {
    let (low, high) = halves(delta);
    svm::counter_try_add(slice, low, high, bounds(least, most).as_ptr()) != 0
}

/// See [`super`].
pub fn map_try_add(map: u32, key: &[u8], delta: i128, least: i128, most: i128) -> bool {
    let (low, high) = halves(delta);
    svm::map_try_add(map, low, high, bounds(least, most).as_ptr(), key.as_ptr(), key.len()) != 0
}

/// See [`super`].
pub fn list_try_add(list: u32, index: u64, delta: i128, least: i128, most: i128) -> bool {
    let (low, high) = halves(delta);
    svm::list_try_add(list, index, low, high, bounds(least, most).as_ptr()) != 0
}

/// See [`super`].
pub fn list_push_counter(list: u32, sum: i128) -> u64 {
    let (low, high) = halves(sum);
    svm::list_push_counter(list, low, high)
}

/// See [`super`].
pub fn balance(account: &[u8; 20]) -> u128 {
    u128::from_le_bytes(fixed(|to| svm::balance(account.as_ptr(), to)))
}

/// See [`super`].
pub fn transfer(account: &[u8; 20], value: u128) -> bool {
    svm::transfer(account.as_ptr(), value as u64, (value >> 64) as u64) != 0
}

/// See [`super`].
pub fn nonce(account: &[u8; 20]) -> u64 {
    svm::nonce(account.as_ptr())
}

/// See [`super`].
pub fn input() -> Vec<u8> {
    let mut bytes = vec![0; svm::input_len()];
    svm::input(0, bytes.as_mut_ptr(), bytes.len());
    bytes
}

/// See [`super`].
pub fn output(bytes: &[u8]) {
    svm::output(bytes.as_ptr(), bytes.len());
}

/// See [`super`].
pub fn call(request: CallRequest<'_>) -> u32 {
    let CallRequest { account, function, arguments, value, gas, read_only, may_reenter } = request;
    svm::call(
        account.as_ptr(),
        function.as_ptr(),
        function.len(),
        value as u64,
        (value >> 64) as u64,
        gas,
        u32::from(read_only) | u32::from(may_reenter) << 1,
        arguments.as_ptr(),
        arguments.len(),
    )
}

/// See [`super`].
pub fn spawn(request: SpawnRequest<'_>) -> Result<[u8; 20], u32> {
    let SpawnRequest { template, constructor, arguments, value, gas } = request;
    let mut address = [0; 20];
    let status = svm::spawn(
        template.as_ptr(),
        constructor.as_ptr(),
        constructor.len(),
        value as u64,
        (value >> 64) as u64,
        gas,
        address.as_mut_ptr(),
        arguments.as_ptr(),
        arguments.len(),
    );
    if status == 0 { Ok(address) } else { Err(status) }
}

/// See [`super`].
pub fn deploy(template: &[u8]) -> Result<[u8; 32], u32> {
    let mut hash = [0; 32];
    match svm::deploy(hash.as_mut_ptr(), template.as_ptr(), template.len()) {
        0 => Ok(hash),
        status => Err(status),
    }
}

/// See [`super`].
pub fn result() -> Vec<u8> {
    let mut bytes = vec![0; svm::result_len()];
    svm::result(0, bytes.as_mut_ptr(), bytes.len());
    bytes
}

/// See [`super`].
pub fn reason() -> Vec<u8> {
    some(|to, cap| svm::reason(to, cap) as i32).unwrap_or_default()
}

/// See [`super`].
pub fn emit(event: u32, expires: u64, fields: &[u8]) {
    svm::emit(event, expires, fields.as_ptr(), fields.len());
}

/// See [`super`].
pub fn revert(code: u32, fields: &[u8]) -> ! {
    svm::revert(code, fields.as_ptr(), fields.len());
    // It does not come back.
    core::arch::wasm32::unreachable()
}

/// See [`super`].
pub fn log(text: &str) {
    svm::log(text.as_ptr(), text.len());
}

/// See [`super`].
pub fn blake3(bytes: &[u8]) -> [u8; 32] {
    fixed(|to| svm::blake3(to, bytes.as_ptr(), bytes.len()))
}

/// See [`super`].
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    fixed(|to| svm::sha256(to, bytes.as_ptr(), bytes.len()))
}

/// See [`super`].
pub fn ed25519_verify(key: &[u8; 32], signature: &[u8; 64], message: &[u8]) -> bool {
    svm::ed25519_verify(key.as_ptr(), signature.as_ptr(), message.as_ptr(), message.len()) != 0
}

/// See [`super`].
pub fn pass(bytes: &[u8]) {
    svm::pass(bytes.as_ptr(), bytes.len());
}

/// See [`super`].
pub fn passed() -> Vec<u8> {
    let mut bytes = vec![0; svm::passed_len()];
    svm::passed(0, bytes.as_mut_ptr(), bytes.len());
    bytes
}
