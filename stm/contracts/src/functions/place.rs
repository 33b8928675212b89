//! Where functions are: an account without a key, whose template has no functions and a layout of collections.

use super::limits;
use super::number::Number;
use crate::account::{Account, Address};
use crate::cell::{Access, Bounds, CellKey, Error};
use crate::collection::{CollectionId, Direction, Entry, Map, Range, SortedSet};
use crate::hash::Hash;
use crate::run::{Fault, cells};
use crate::template::{Limits, Template, builder};
use std::ops::Bound;
use std::sync::LazyLock;

/// What anybody reads of the account who asks for its template.
const DOCUMENT: &str = r#"{"abi": 1, "name": "functions", "functions": [], "storage": [
    {"name": "functions", "type": "map<bytes, bytes>", "slice": 0},
    {"name": "names", "type": "map<bytes, bytes>", "slice": 1},
    {"name": "modules", "type": "map<bytes, bytes>", "slice": 2},
    {"name": "state", "type": "map<bytes, bytes>", "slice": 3},
    {"name": "keys", "type": "sorted_set<bytes>", "slice": 4},
    {"name": "module_bytes", "type": "counter", "slice": 5},
    {"name": "state_bytes", "type": "counter", "slice": 6}]}"#;

/// Bytes of a module in one element.
const CHUNK: usize = 60 << 10;

/// The account that functions are in. Its address is no hash of anything, so no key and no name leads to it, and nothing is spawned there.
#[must_use]
pub const fn account() -> Address {
    Address::from_bytes(*b"replicode/functions\0")
}

static TEMPLATE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    // The document is above, and a test builds it.
    builder::native(DOCUMENT.as_bytes(), "1", &Limits::STANDARD).unwrap_or_default()
});

pub(super) type Result<T, A> = std::result::Result<T, Fault<<A as Access>::Error>>;

/// Misuse is a mistake of this module: keys and values are measured before.
pub(super) fn fault<E>(error: Error<E>) -> Fault<E> {
    match error {
        Error::Access(error) => Fault::Access(error),
        Error::Damaged { cell, what } => Fault::Damaged { cell, what },
        Error::Refused(_) => {
            Fault::Damaged { cell: CellKey([0; 32]), what: "functions have used their storage wrongly" }
        }
    }
}

const fn collection(slice: u32) -> CollectionId {
    CollectionId::in_slice(account().as_bytes(), slice)
}

pub(super) const fn functions() -> Map {
    Map::of(collection(0))
}

pub(super) const fn names() -> Map {
    Map::of(collection(1))
}

const fn modules() -> Map {
    Map::of(collection(2))
}

const fn state() -> Map {
    Map::of(collection(3))
}

const fn keys() -> SortedSet {
    SortedSet::of(collection(4))
}

/// Makes the account, if it is not there.
pub(super) fn found<A: Access>(cells: &mut A) -> Result<(), A> {
    let record = cells::record(cells, &account())?;
    if record.template.is_some() {
        return Ok(());
    }
    let hash = Template::hash_of(&TEMPLATE);
    cells::store_template(cells, &hash, &TEMPLATE)?;
    cells::set_record(cells, &account(), &Account { template: Some(hash), ..record })
}

/// Bytes of an element.
pub(super) fn bytes<A: Access>(cells: &mut A, map: Map, key: &[u8]) -> Result<Option<Vec<u8>>, A> {
    match map.get(cells, key).map_err(fault)? {
        None => Ok(None),
        Some(Entry::Bytes(value)) => Ok(Some(value)),
        Some(_) => Err(Fault::Damaged { cell: CellKey([0; 32]), what: "an element of functions is of another kind" }),
    }
}

fn chunk_key(digest: &[u8; 32], number: usize) -> Vec<u8> {
    let number = u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes();
    [digest.as_slice(), &number].concat()
}

/// Whether another so many bytes of modules fit. If they do they are counted.
pub(super) fn count_module<A: Access>(cells: &mut A, delta: i128) -> Result<bool, A> {
    let within = Bounds { least: 0, most: limits::MODULES_BYTES.into() };
    cells.add(&CellKey::slice_sum(account().as_bytes(), 5), delta, within).map_err(Fault::Access)
}

/// Stores a module's bytes.
pub(super) fn put_module<A: Access>(cells: &mut A, digest: &[u8; 32], wasm: &[u8]) -> Result<(), A> {
    for (number, chunk) in wasm.chunks(CHUNK).enumerate() {
        modules().insert(cells, &chunk_key(digest, number), chunk).map_err(fault)?;
    }
    Ok(())
}

/// Removes them.
pub(super) fn remove_module<A: Access>(cells: &mut A, digest: &[u8; 32], bytes: u64) -> Result<(), A> {
    for number in 0..bytes.div_ceil(CHUNK as u64) {
        modules().remove(cells, &chunk_key(digest, number as usize)).map_err(fault)?;
    }
    Ok(())
}

/// A stored module's bytes, checked against its digest.
pub(super) fn module<A: Access>(cells: &mut A, digest: &[u8; 32]) -> Result<Vec<u8>, A> {
    let mut wasm = Vec::new();
    for number in 0..=limits::MODULE_BYTES.div_ceil(CHUNK) {
        match self::bytes(cells, modules(), &chunk_key(digest, number))? {
            Some(chunk) => wasm.extend_from_slice(&chunk),
            None => break,
        }
    }
    if super::number::digest(&wasm) != *digest {
        return Err(Fault::Engine {
            template: Hash::new(*digest),
            why: "the module's bytes are not those of its digest".into(),
        });
    }
    Ok(wasm)
}

/// The element of a key of a namespace.
pub(super) fn state_key(namespace: Number, key: &[u8]) -> Vec<u8> {
    [namespace.0.as_slice(), key].concat()
}

pub(super) fn get_state<A: Access>(cells: &mut A, key: &[u8]) -> Result<Option<Vec<u8>>, A> {
    bytes(cells, state(), key)
}

/// Counts bytes of state. False: there would be too many.
fn count_state<A: Access>(cells: &mut A, delta: i128) -> Result<bool, A> {
    if delta == 0 {
        return Ok(true);
    }
    let within = Bounds { least: 0, most: limits::STATE.into() };
    cells.add(&CellKey::slice_sum(account().as_bytes(), 6), delta, within).map_err(Fault::Access)
}

/// Sets a key that has `old` bytes now, if it is there. False: the state is full, and nothing was done.
pub(super) fn set_state<A: Access>(cells: &mut A, key: &[u8], value: &[u8], old: Option<usize>) -> Result<bool, A> {
    let size = |value: usize| (key.len() + value) as i128;
    if !count_state(cells, size(value.len()) - old.map_or(0, size))? {
        return Ok(false);
    }
    if state().insert(cells, key, value).map_err(fault)? {
        keys().insert(cells, key).map_err(fault)?;
    }
    Ok(true)
}

/// Deletes a key that is there.
pub(super) fn delete_state<A: Access>(cells: &mut A, key: &[u8], old: usize) -> Result<(), A> {
    count_state(cells, -((key.len() + old) as i128))?;
    state().remove(cells, key).map_err(fault)?;
    keys().remove(cells, key).map_err(fault)?;
    Ok(())
}

/// The first keys that begin with a prefix, or those of them behind a key that has been seen.
pub(super) fn list_state<A: Access>(
    cells: &mut A,
    prefix: &[u8],
    seen: Option<&[u8]>,
    limit: usize,
) -> Result<Vec<Vec<u8>>, A> {
    let from = seen.map_or(Bound::Included(prefix), Bound::Excluded);
    let mut beyond = prefix.to_vec();
    while beyond.last() == Some(&u8::MAX) {
        beyond.pop();
    }
    let to = match beyond.last_mut() {
        Some(last) => {
            *last += 1;
            Bound::Excluded(beyond.as_slice())
        }
        None => Bound::Unbounded,
    };
    let range = Range { from, to, direction: Direction::Forward, limit };
    keys().keys(cells, &range).map_err(fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_has_its_layout() {
        let template = Template::decode(&TEMPLATE, &Limits::STANDARD).expect("the document is good");
        assert_eq!(template.layout.slices.len(), 7);
        assert!(template.abi.functions.is_empty());
    }
}
