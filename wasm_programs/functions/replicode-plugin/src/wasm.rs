//! The host, as a module sees it.

use crate::{Error, Result};

mod raw {
    #[link(wasm_import_module = "host")]
    unsafe extern "C" {
        pub fn log(ptr: *const u8, len: usize);
        pub fn get_state(key: *const u8, key_len: usize) -> i32;
        pub fn read(to: *mut u8, cap: usize) -> i32;
        pub fn set_state(key: *const u8, key_len: usize, value: *const u8, value_len: usize);
        pub fn delete_state(key: *const u8, key_len: usize) -> i32;
        pub fn list_state(prefix: *const u8, prefix_len: usize) -> i32;
        pub fn output(ptr: *const u8, len: usize);
        pub fn fuel_left() -> i64;
        pub fn error(ptr: *const u8, len: usize);
        pub fn call(name: *const u8, name_len: usize, input: *const u8, input_len: usize) -> i32;
    }
}

pub fn log(line: &[u8]) {
    // SAFETY: the host reads what the slice points to, and keeps nothing of it.
    unsafe { raw::log(line.as_ptr(), line.len()) }
}

pub fn output(bytes: &[u8]) {
    // SAFETY: as in `log`.
    unsafe { raw::output(bytes.as_ptr(), bytes.len()) }
}

pub fn fuel_left() -> i64 {
    // SAFETY: it touches no memory.
    unsafe { raw::fuel_left() }
}

/// What the host has ready, of so many bytes.
fn answer(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    // SAFETY: the host writes into the buffer, at most its length.
    let read = unsafe { raw::read(bytes.as_mut_ptr(), bytes.len()) };
    bytes.truncate(usize::try_from(read).unwrap_or(0));
    bytes
}

pub fn get(key: &[u8]) -> Option<Vec<u8>> {
    // SAFETY: as in `log`.
    let len = unsafe { raw::get_state(key.as_ptr(), key.len()) };
    usize::try_from(len).ok().map(answer)
}

pub fn set(key: &[u8], value: &[u8]) {
    // SAFETY: as in `log`.
    unsafe { raw::set_state(key.as_ptr(), key.len(), value.as_ptr(), value.len()) }
}

pub fn delete(key: &[u8]) -> bool {
    // SAFETY: as in `log`.
    unsafe { raw::delete_state(key.as_ptr(), key.len()) == 1 }
}

pub fn list(prefix: &[u8]) -> Vec<Vec<u8>> {
    // SAFETY: as in `log`.
    let len = unsafe { raw::list_state(prefix.as_ptr(), prefix.len()) };
    let bytes = answer(usize::try_from(len).unwrap_or(0));
    let (mut rest, mut keys) = (bytes.as_slice(), Vec::new());
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let Some((key, after)) = after.split_at_checked(u32::from_le_bytes(*length) as usize) else { break };
        keys.push(key.to_vec());
        rest = after;
    }
    keys
}

pub fn call(function: &str, input: &[u8]) -> Result<Option<Vec<u8>>> {
    // SAFETY: as in `log`.
    let len = unsafe { raw::call(function.as_ptr(), function.len(), input.as_ptr(), input.len()) };
    match len {
        -1 => Ok(None),
        len if len < 0 => Err(Error::new(String::from_utf8_lossy(&answer(4096)).into_owned())),
        len => Ok(Some(answer(len as usize))),
    }
}

pub fn alloc(len: usize) -> *mut u8 {
    // The input lives as long as the instance, and the host writes all of it.
    let mut room = std::mem::ManuallyDrop::new(Vec::<u8>::with_capacity(len));
    room.as_mut_ptr()
}

pub fn entry(input: *mut u8, len: usize, function: fn(&[u8]) -> Result<Vec<u8>>) -> i32 {
    std::panic::set_hook(Box::new(|panic| {
        let words = panic.to_string();
        // SAFETY: as in `log`.
        unsafe { raw::error(words.as_ptr(), words.len()) }
        log(words.as_bytes());
    }));
    // SAFETY: the host has put the input where `alloc` said, and there it stays.
    let input = unsafe { std::slice::from_raw_parts(input, len) };
    match function(input) {
        Ok(bytes) => {
            output(&bytes);
            0
        }
        Err(error) => {
            // SAFETY: as in `log`.
            unsafe { raw::error(error.message.as_ptr(), error.message.len()) }
            error.code
        }
    }
}
