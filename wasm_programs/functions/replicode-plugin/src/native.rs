//! The world of a test: one for each thread.

use crate::Result;
use std::cell::RefCell;
use std::collections::BTreeMap;

#[derive(Default)]
struct World {
    state: BTreeMap<Vec<u8>, Vec<u8>>,
    lines: Vec<String>,
    written: Vec<u8>,
}

thread_local! {
    static WORLD: RefCell<World> = RefCell::default();
}

pub fn log(line: &[u8]) {
    WORLD.with_borrow_mut(|world| world.lines.push(String::from_utf8_lossy(line).into_owned()));
}

pub fn output(bytes: &[u8]) {
    WORLD.with_borrow_mut(|world| world.written.extend_from_slice(bytes));
}

pub fn fuel_left() -> i64 {
    i64::MAX
}

pub fn call(_: &str, _: &[u8]) -> Result<Option<Vec<u8>>> {
    // A test has no other functions.
    Ok(None)
}

pub fn get(key: &[u8]) -> Option<Vec<u8>> {
    WORLD.with_borrow(|world| world.state.get(key).cloned())
}

pub fn set(key: &[u8], value: &[u8]) {
    WORLD.with_borrow_mut(|world| world.state.insert(key.to_vec(), value.to_vec()));
}

pub fn delete(key: &[u8]) -> bool {
    WORLD.with_borrow_mut(|world| world.state.remove(key).is_some())
}

pub fn list(prefix: &[u8]) -> Vec<Vec<u8>> {
    WORLD.with_borrow(|world| world.state.keys().filter(|key| key.starts_with(prefix)).cloned().collect())
}

pub fn lines() -> Vec<String> {
    WORLD.with_borrow(|world| world.lines.clone())
}

pub fn written() -> Vec<u8> {
    WORLD.with_borrow(|world| world.written.clone())
}
