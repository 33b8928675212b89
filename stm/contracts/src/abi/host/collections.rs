//! Collections behind handles, and counters.
//!
//! A handle is a name that the frame knows, no more: it stays good when the collection behind it is removed, and finds it empty then.

use std::ops::Bound;

use super::storage::slices;
use super::{Answer, Context};
use crate::cell::{Bounds, Error};
use crate::collection::{Collection, Direction, Entry, List, Map, Range, SortedSet};
use crate::receipt::Trap;
use crate::run::{Halt, Host};
use crate::slice::Kind;

/// The most elements that one call copies.
const MOST: u32 = 256;

fn list_of(cx: &mut Context<'_>, handle: u32) -> Answer<List> {
    let list = cx.opened(handle)?.list();
    cx.refused(list)
}

fn map_of(cx: &mut Context<'_>, handle: u32) -> Answer<Map> {
    let map = cx.opened(handle)?.map();
    cx.refused(map)
}

fn sorted_of(cx: &mut Context<'_>, handle: u32) -> Answer<SortedSet> {
    let set = cx.opened(handle)?.sorted_set();
    cx.refused(set)
}

fn kind_of(cx: &mut Context<'_>, kind: u32) -> Answer<Kind> {
    let kind = u8::try_from(kind).ok().and_then(Kind::of).filter(|kind| kind.is_collection());
    kind.ok_or_else(|| cx.host.trap(Trap::Storage))
}

/// Runs an operation on the host and gives what came of it.
fn done<T>(cx: &mut Context<'_>, act: impl FnOnce(&mut dyn Host) -> Result<T, Error<Halt>>) -> Answer<T> {
    let result = act(cx.host);
    cx.stored(result)
}

/// What an element is in memory: of a collection, nothing.
fn bytes_of(entry: Entry) -> (Kind, Vec<u8>) {
    let kind = entry.kind();
    let bytes = match entry {
        Entry::Bytes(bytes) => bytes,
        Entry::Counter(sum) => sum.to_le_bytes().to_vec(),
        Entry::Collection(_) => Vec::new(),
    };
    (kind, bytes)
}

/// An element that is wanted as a value.
fn copy_entry(cx: &mut Context<'_>, to: u32, cap: u32, entry: Option<Entry>) -> Answer<i32> {
    match entry.map(bytes_of) {
        None => Ok(-1),
        Some((kind, _)) if kind.is_collection() => Err(cx.host.trap(Trap::Storage)),
        Some((_, bytes)) => Ok(cx.put_some(to, cap, &bytes)?.cast_signed()),
    }
}

fn child(cx: &mut Context<'_>, entry: Option<Entry>) -> Answer<i32> {
    match entry {
        None => Ok(-1),
        Some(Entry::Collection(collection)) => cx.handle(collection),
        Some(_) => Err(cx.host.trap(Trap::Storage)),
    }
}

/// See the table.
pub fn open(cx: &mut Context<'_>, slice: u32) -> Answer<i32> {
    slices(cx, |cx, slices| {
        let collection = cx.refused(slices.collection(slice))?;
        cx.handle(collection)
    })
}

/// See the table.
pub fn open_key(cx: &mut Context<'_>, map: u32, key: u32, key_len: u32) -> Answer<i32> {
    let (map, key) = (map_of(cx, map)?, cx.key(key, key_len)?);
    let entry = done(cx, |host| map.get(host, &key))?;
    child(cx, entry)
}

/// See the table.
pub fn open_at(cx: &mut Context<'_>, list: u32, index: u64) -> Answer<i32> {
    let list = list_of(cx, list)?;
    let entry = done(cx, |host| list.get(host, index))?;
    child(cx, entry)
}

/// See the table.
pub fn create_key(cx: &mut Context<'_>, map: u32, kind: u32, key: u32, key_len: u32) -> Answer<i32> {
    let (map, kind, key) = (map_of(cx, map)?, kind_of(cx, kind)?, cx.key(key, key_len)?);
    let collection = done(cx, |host| map.open(host, &key, kind))?;
    cx.handle(collection)
}

/// See the table.
pub fn create_at_end(cx: &mut Context<'_>, list: u32, kind: u32) -> Answer<i32> {
    let (list, kind) = (list_of(cx, list)?, kind_of(cx, kind)?);
    let (_, collection) = done(cx, |host| list.push_new(host, kind))?;
    cx.handle(collection)
}

/// See the table.
pub fn len(cx: &mut Context<'_>, collection: u32) -> Answer<u64> {
    let collection = cx.opened(collection)?;
    done(cx, |host| collection.len(host))
}

/// See the table.
pub fn list_get(cx: &mut Context<'_>, list: u32, index: u64, to: u32, cap: u32) -> Answer<i32> {
    let list = list_of(cx, list)?;
    cx.room(to, cap)?;
    let entry = done(cx, |host| list.get(host, index))?;
    copy_entry(cx, to, cap, entry)
}

/// See the table.
pub fn list_set(cx: &mut Context<'_>, list: u32, index: u64, from: u32, len: u32) -> Answer<()> {
    let (list, value) = (list_of(cx, list)?, cx.taken(from, len, true)?);
    done(cx, |host| list.set(host, index, &value))
}

/// See the table.
pub fn list_push(cx: &mut Context<'_>, list: u32, from: u32, len: u32) -> Answer<u64> {
    let (list, value) = (list_of(cx, list)?, cx.taken(from, len, true)?);
    done(cx, |host| list.push(host, &value))
}

/// See the table.
pub fn list_pop(cx: &mut Context<'_>, list: u32, to: u32, cap: u32) -> Answer<i32> {
    let list = list_of(cx, list)?;
    cx.room(to, cap)?;
    let entry = done(cx, |host| list.pop(host))?;
    match entry.map(bytes_of) {
        None => Ok(-1),
        Some((_, bytes)) => Ok(cx.put_some(to, cap, &bytes)?.cast_signed()),
    }
}

/// See the table.
pub fn list_swap_remove(cx: &mut Context<'_>, list: u32, index: u64) -> Answer<()> {
    let list = list_of(cx, list)?;
    done(cx, |host| list.swap_remove(host, index))
}

/// Copies as many whole records as there is room for.
fn copy_records(cx: &mut Context<'_>, to: u32, cap: u32, records: &[Vec<u8>]) -> Answer<i32> {
    let (mut at, mut count) = (0u64, 0);
    for record in records {
        let end = at + record.len() as u64;
        if end > u64::from(cap) {
            break;
        }
        // `at` is below `cap`, and the room from `to` on was looked at before.
        cx.put(to + at as u32, record)?;
        (at, count) = (end, count + 1);
    }
    match records.first() {
        Some(first) if count == 0 => Ok(-(first.len() as i32)),
        _ => Ok(count),
    }
}

fn length_of(bytes: &[u8]) -> [u8; 4] {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes()
}

fn element_record(entry: Entry) -> Vec<u8> {
    let (kind, bytes) = bytes_of(entry);
    [&[kind as u8], length_of(&bytes).as_slice(), &bytes].concat()
}

/// See the table.
pub fn list_iterate(
    cx: &mut Context<'_>,
    list: u32,
    start: u64,
    backward: u32,
    limit: u32,
    to: u32,
    cap: u32,
) -> Answer<i32> {
    let list = list_of(cx, list)?;
    cx.room(to, cap)?;
    let direction = match backward {
        0 => Direction::Forward,
        1 => Direction::Backward,
        _ => return Err(cx.host.trap(Trap::Host)),
    };
    let limit = limit.min(MOST) as usize;
    let found = done(cx, |host| list.iterate(host, start, direction, limit))?;
    let records: Vec<Vec<u8>> = found.into_iter().map(|(_, entry)| element_record(entry)).collect();
    copy_records(cx, to, cap, &records)
}

/// See the table.
pub fn map_get(cx: &mut Context<'_>, map: u32, key: u32, key_len: u32, to: u32, cap: u32) -> Answer<i32> {
    let (map, key) = (map_of(cx, map)?, cx.key(key, key_len)?);
    cx.room(to, cap)?;
    let entry = done(cx, |host| map.get(host, &key))?;
    copy_entry(cx, to, cap, entry)
}

/// See the table.
pub fn map_insert(cx: &mut Context<'_>, map: u32, key: u32, key_len: u32, from: u32, len: u32) -> Answer<u32> {
    let (map, key, value) = (map_of(cx, map)?, cx.key(key, key_len)?, cx.taken(from, len, true)?);
    done(cx, |host| map.insert(host, &key, &value)).map(u32::from)
}

const BACKWARD: u32 = 1;
const LOWER: u32 = 2;
const LOWER_EXCLUDED: u32 = 4;
const UPPER: u32 = 8;
const UPPER_EXCLUDED: u32 = 16;

/// A range as a module says it: two keys and flags.
struct Ends {
    lower: Option<Vec<u8>>,
    upper: Option<Vec<u8>>,
    flags: u32,
    limit: u32,
}

impl Ends {
    fn of(cx: &mut Context<'_>, lower: [u32; 2], upper: [u32; 2], flags: u32, limit: u32) -> Answer<Self> {
        if flags >= UPPER_EXCLUDED << 1 {
            return Err(cx.host.trap(Trap::Host));
        }
        let mut key = |there: u32, [at, len]: [u32; 2]| match flags & there {
            0 => Ok(None),
            _ => cx.key(at, len).map(Some),
        };
        Ok(Self { lower: key(LOWER, lower)?, upper: key(UPPER, upper)?, flags, limit: limit.min(MOST) })
    }

    fn range(&self) -> Range<'_> {
        let direction = if self.flags & BACKWARD == 0 { Direction::Forward } else { Direction::Backward };
        Range {
            from: end(self.lower.as_deref(), self.flags & LOWER_EXCLUDED != 0),
            to: end(self.upper.as_deref(), self.flags & UPPER_EXCLUDED != 0),
            direction,
            limit: self.limit as usize,
        }
    }
}

fn end(key: Option<&[u8]>, excluded: bool) -> Bound<&[u8]> {
    match key {
        None => Bound::Unbounded,
        Some(key) if excluded => Bound::Excluded(key),
        Some(key) => Bound::Included(key),
    }
}

/// See the table.
#[expect(clippy::too_many_arguments, reason = "they are the interface's")]
pub fn map_iterate(
    cx: &mut Context<'_>,
    map: u32,
    from: u32,
    from_len: u32,
    end: u32,
    end_len: u32,
    flags: u32,
    limit: u32,
    to: u32,
    cap: u32,
) -> Answer<i32> {
    let (map, ends) = (map_of(cx, map)?, Ends::of(cx, [from, from_len], [end, end_len], flags, limit)?);
    cx.room(to, cap)?;
    let found = done(cx, |host| map.iterate(host, &ends.range()))?;
    let record = |(key, entry): (Vec<u8>, Entry)| [length_of(&key).to_vec(), key, element_record(entry)].concat();
    let records: Vec<Vec<u8>> = found.into_iter().map(record).collect();
    copy_records(cx, to, cap, &records)
}

/// See the table.
#[expect(clippy::too_many_arguments, reason = "they are the interface's")]
pub fn keys(
    cx: &mut Context<'_>,
    collection: u32,
    from: u32,
    from_len: u32,
    end: u32,
    end_len: u32,
    flags: u32,
    limit: u32,
    to: u32,
    cap: u32,
) -> Answer<i32> {
    let (collection, ends) = (cx.opened(collection)?, Ends::of(cx, [from, from_len], [end, end_len], flags, limit)?);
    cx.room(to, cap)?;
    let range = ends.range();
    let found = match collection {
        Collection::List(_) => return Err(cx.host.trap(Trap::Storage)),
        Collection::Map(map) => done(cx, |host| map.keys(host, &range))?,
        Collection::Set(set) => done(cx, |host| set.keys(host, &range))?,
        Collection::SortedSet(set) => done(cx, |host| set.keys(host, &range))?,
    };
    let record = |key: Vec<u8>| [length_of(&key).to_vec(), key].concat();
    let records: Vec<Vec<u8>> = found.into_iter().map(record).collect();
    copy_records(cx, to, cap, &records)
}

/// See the table.
pub fn set_insert(cx: &mut Context<'_>, set: u32, key: u32, key_len: u32) -> Answer<u32> {
    let (collection, key) = (cx.opened(set)?, cx.key(key, key_len)?);
    let new = match collection {
        Collection::Set(set) => done(cx, |host| set.insert(host, &key))?,
        Collection::SortedSet(set) => done(cx, |host| set.insert(host, &key))?,
        Collection::List(_) | Collection::Map(_) => return Err(cx.host.trap(Trap::Storage)),
    };
    Ok(u32::from(new))
}

/// See the table.
pub fn contains(cx: &mut Context<'_>, collection: u32, key: u32, key_len: u32) -> Answer<u32> {
    let (collection, key) = (cx.opened(collection)?, cx.key(key, key_len)?);
    let there = match collection {
        Collection::List(_) => return Err(cx.host.trap(Trap::Storage)),
        Collection::Map(map) => done(cx, |host| map.contains(host, &key))?,
        Collection::Set(set) => done(cx, |host| set.contains(host, &key))?,
        Collection::SortedSet(set) => done(cx, |host| set.contains(host, &key))?,
    };
    Ok(u32::from(there))
}

/// See the table.
pub fn remove(cx: &mut Context<'_>, collection: u32, key: u32, key_len: u32) -> Answer<u32> {
    let (collection, key) = (cx.opened(collection)?, cx.key(key, key_len)?);
    let there = match collection {
        Collection::List(_) => return Err(cx.host.trap(Trap::Storage)),
        Collection::Map(map) => done(cx, |host| map.remove(host, &key))?,
        Collection::Set(set) => done(cx, |host| set.remove(host, &key))?,
        Collection::SortedSet(set) => done(cx, |host| set.remove(host, &key))?,
    };
    Ok(u32::from(there))
}

/// See the table.
pub fn first(cx: &mut Context<'_>, set: u32, to: u32, cap: u32) -> Answer<i32> {
    let set = sorted_of(cx, set)?;
    cx.room(to, cap)?;
    let key = done(cx, |host| set.first(host))?;
    cx.put_found(to, cap, key.as_deref())
}

/// See the table.
pub fn last(cx: &mut Context<'_>, set: u32, to: u32, cap: u32) -> Answer<i32> {
    let set = sorted_of(cx, set)?;
    cx.room(to, cap)?;
    let key = done(cx, |host| set.last(host))?;
    cx.put_found(to, cap, key.as_deref())
}

/// See the table.
pub fn next(cx: &mut Context<'_>, set: u32, key: u32, key_len: u32, to: u32, cap: u32) -> Answer<i32> {
    let (set, key) = (sorted_of(cx, set)?, cx.key(key, key_len)?);
    cx.room(to, cap)?;
    let found = done(cx, |host| set.next(host, &key))?;
    cx.put_found(to, cap, found.as_deref())
}

/// See the table.
pub fn previous(cx: &mut Context<'_>, set: u32, key: u32, key_len: u32, to: u32, cap: u32) -> Answer<i32> {
    let (set, key) = (sorted_of(cx, set)?, cx.key(key, key_len)?);
    cx.room(to, cap)?;
    let found = done(cx, |host| set.previous(host, &key))?;
    cx.put_found(to, cap, found.as_deref())
}

/// See the table.
pub fn rank(cx: &mut Context<'_>, set: u32, key: u32, key_len: u32) -> Answer<u64> {
    let (set, key) = (sorted_of(cx, set)?, cx.key(key, key_len)?);
    done(cx, |host| set.rank(host, &key))
}

/// See the table.
pub fn at_rank(cx: &mut Context<'_>, set: u32, rank: u64, to: u32, cap: u32) -> Answer<i32> {
    let set = sorted_of(cx, set)?;
    cx.room(to, cap)?;
    let key = done(cx, |host| set.at_rank(host, rank))?;
    cx.put_found(to, cap, key.as_deref())
}

/// See the table.
pub fn counter_get(cx: &mut Context<'_>, slice: u32, to: u32) -> Answer<()> {
    cx.room(to, 16)?;
    let sum = slices(cx, |cx, slices| {
        let sum = slices.sum(cx.host, slice);
        cx.stored(sum)
    })?;
    cx.put(to, &sum.to_le_bytes())
}

/// A signed amount in two halves.
fn signed(low: u64, high: i64) -> i128 {
    i128::from(high) << 64 | i128::from(low)
}

fn bounds_at(cx: &mut Context<'_>, at: u32) -> Answer<Bounds> {
    let bytes: [u8; 32] = cx.array(at)?;
    let half = |from: usize| {
        let mut half = [0; 16];
        half.copy_from_slice(&bytes[from..from + 16]);
        i128::from_le_bytes(half)
    };
    Ok(Bounds { least: half(0), most: half(16) })
}

fn add(cx: &mut Context<'_>, slice: u32, delta: i128, within: Bounds) -> Answer<bool> {
    slices(cx, |cx, slices| {
        let added = slices.add(cx.host, slice, delta, within);
        cx.stored(added)
    })
}

fn must_add(cx: &mut Context<'_>, slice: u32, delta: i128) -> Answer<()> {
    match add(cx, slice, delta, Bounds::NONE)? {
        true => Ok(()),
        false => Err(cx.host.trap(Trap::Storage)),
    }
}

/// See the table.
pub fn counter_add(cx: &mut Context<'_>, slice: u32, low: u64, high: i64) -> Answer<()> {
    must_add(cx, slice, signed(low, high))
}

/// See the table.
pub fn counter_sub(cx: &mut Context<'_>, slice: u32, low: u64, high: i64) -> Answer<()> {
    match signed(low, high).checked_neg() {
        Some(delta) => must_add(cx, slice, delta),
        None => Err(cx.host.trap(Trap::Storage)),
    }
}

/// See the table.
pub fn counter_try_add(cx: &mut Context<'_>, slice: u32, low: u64, high: i64, bounds: u32) -> Answer<u32> {
    let within = bounds_at(cx, bounds)?;
    add(cx, slice, signed(low, high), within).map(u32::from)
}

/// See the table.
pub fn map_try_add(
    cx: &mut Context<'_>,
    map: u32,
    low: u64,
    high: i64,
    bounds: u32,
    key: u32,
    key_len: u32,
) -> Answer<u32> {
    let (map, within, key) = (map_of(cx, map)?, bounds_at(cx, bounds)?, cx.key(key, key_len)?);
    done(cx, |host| map.add(host, &key, signed(low, high), within)).map(u32::from)
}

/// See the table.
pub fn list_try_add(cx: &mut Context<'_>, list: u32, index: u64, low: u64, high: i64, bounds: u32) -> Answer<u32> {
    let (list, within) = (list_of(cx, list)?, bounds_at(cx, bounds)?);
    done(cx, |host| list.add(host, index, signed(low, high), within)).map(u32::from)
}

/// See the table.
pub fn list_push_counter(cx: &mut Context<'_>, list: u32, low: u64, high: i64) -> Answer<u64> {
    let list = list_of(cx, list)?;
    done(cx, |host| list.push_counter(host, signed(low, high)))
}
