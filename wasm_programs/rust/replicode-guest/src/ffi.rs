//! The imports of modules `replicode_sock_v1` and `replicode_contract_v1`, and the only place where they are called.
//!
//! Every function answers a result of at least 0, or the negative of a WASI error number. The runtime checks each pointer
//! against the guest's memory, and reads or writes nothing beyond the length it was given.

use std::io;
use std::os::fd::RawFd;

mod import {
    #[link(wasm_import_module = "replicode_sock_v1")]
    unsafe extern "C" {
        pub fn open(domain: i32, kind: i32, protocol: i32) -> i32;
        pub fn bind(fd: i32, addr: *const u8, len: u32) -> i32;
        pub fn listen(fd: i32, backlog: i32) -> i32;
        pub fn connect(fd: i32, addr: *const u8, len: u32) -> i32;
        pub fn getsockname(fd: i32, addr: *mut u8, len: *mut u32) -> i32;
        pub fn getpeername(fd: i32, addr: *mut u8, len: *mut u32) -> i32;
        pub fn getsockopt(fd: i32, level: i32, name: i32, value: *mut u8, len: *mut u32) -> i32;
        pub fn setsockopt(fd: i32, level: i32, name: i32, value: *const u8, len: u32) -> i32;
        pub fn resolve(name: *const u8, name_len: u32, addrs: *mut [u8; 4], max: u32) -> i32;
    }
}

/// Room for any socket address: as large as `struct sockaddr_storage`.
pub const ADDR_SIZE: usize = 48;

fn checked(result: i32) -> io::Result<i32> {
    if result < 0 { Err(io::Error::from_raw_os_error(-result)) } else { Ok(result) }
}

/// Lengths passed here are those of small buffers; one that does not fit is answered as the runtime would.
fn length(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

pub fn open(domain: i32, kind: i32) -> io::Result<RawFd> {
    // SAFETY: no pointers.
    checked(unsafe { import::open(domain, kind, 0) })
}

pub fn bind(fd: RawFd, addr: &[u8]) -> io::Result<()> {
    // SAFETY: reads `addr.len()` bytes of a live slice.
    checked(unsafe { import::bind(fd, addr.as_ptr(), length(addr.len())) }).map(drop)
}

pub fn listen(fd: RawFd, backlog: i32) -> io::Result<()> {
    // SAFETY: no pointers.
    checked(unsafe { import::listen(fd, backlog) }).map(drop)
}

pub fn connect(fd: RawFd, addr: &[u8]) -> io::Result<()> {
    // SAFETY: reads `addr.len()` bytes of a live slice.
    checked(unsafe { import::connect(fd, addr.as_ptr(), length(addr.len())) }).map(drop)
}

pub fn getsockname(fd: RawFd) -> io::Result<[u8; ADDR_SIZE]> {
    let (mut addr, mut len) = ([0; ADDR_SIZE], length(ADDR_SIZE));
    // SAFETY: writes at most `len` bytes to `addr`, which is that long, and one `u32` to `len`.
    checked(unsafe { import::getsockname(fd, addr.as_mut_ptr(), &raw mut len) }).map(|_| addr)
}

pub fn getpeername(fd: RawFd) -> io::Result<[u8; ADDR_SIZE]> {
    let (mut addr, mut len) = ([0; ADDR_SIZE], length(ADDR_SIZE));
    // SAFETY: writes at most `len` bytes to `addr`, which is that long, and one `u32` to `len`.
    checked(unsafe { import::getpeername(fd, addr.as_mut_ptr(), &raw mut len) }).map(|_| addr)
}

#[cfg_attr(not(feature = "tokio"), expect(dead_code, reason = "only a connect that does not wait asks for SO_ERROR"))]
pub fn getsockopt(fd: RawFd, level: i32, name: i32) -> io::Result<i32> {
    let (mut value, mut len) = ([0; 4], 4);
    // SAFETY: writes at most `len` bytes to `value`, which is that long, and one `u32` to `len`.
    checked(unsafe { import::getsockopt(fd, level, name, value.as_mut_ptr(), &raw mut len) })
        .map(|_| i32::from_le_bytes(value))
}

pub fn setsockopt(fd: RawFd, level: i32, name: i32, value: i32) -> io::Result<()> {
    let value = value.to_le_bytes();
    // SAFETY: reads four bytes of a live array.
    checked(unsafe { import::setsockopt(fd, level, name, value.as_ptr(), 4) }).map(drop)
}

pub fn resolve(name: &str, addrs: &mut [[u8; 4]]) -> io::Result<usize> {
    // SAFETY: reads `name.len()` bytes of a live string and writes at most `addrs.len()` elements of a live slice.
    let found = checked(unsafe {
        import::resolve(name.as_ptr(), length(name.len()), addrs.as_mut_ptr(), length(addrs.len()))
    })?;
    Ok(usize::try_from(found).unwrap_or(0).min(addrs.len()))
}

mod contract_import {
    #[link(wasm_import_module = "replicode_contract_v1")]
    unsafe extern "C" {
        pub fn submit(transaction: *const u8, len: u32, event: i32) -> i32;
        pub fn wait(ticket: u32, receipt: *mut u8, len: u32, flags: u32) -> i32;
        pub fn view(
            account: *const [u8; 20],
            function: *const u8,
            function_len: u32,
            arguments: *const u8,
            arguments_len: u32,
            gas: u64,
            answer: *mut u8,
            len: u32,
        ) -> i32;
        pub fn account(account: *const [u8; 20], answer: *mut u8, len: u32) -> i32;
        pub fn address(name: *const u8, len: u32, address: *mut [u8; 20]) -> i32;
        pub fn state_root(root: *mut [u8; 72]) -> i32;
    }
}

pub fn contract_submit(transaction: &[u8], event: Option<RawFd>) -> io::Result<u32> {
    // SAFETY: reads `transaction.len()` bytes of a live slice.
    let ticket =
        unsafe { contract_import::submit(transaction.as_ptr(), length(transaction.len()), event.unwrap_or(-1)) };
    checked(ticket).map(i32::cast_unsigned)
}

/// The receipt's size; with an empty buffer nothing is written.
pub fn contract_wait(ticket: u32, receipt: &mut [u8], wait: bool) -> io::Result<usize> {
    // SAFETY: writes at most `receipt.len()` bytes to a live slice.
    let size = unsafe { contract_import::wait(ticket, receipt.as_mut_ptr(), length(receipt.len()), u32::from(!wait)) };
    checked(size).map(|size| size as usize)
}

pub fn contract_view(
    account: &[u8; 20],
    function: &str,
    arguments: &[u8],
    gas: u64,
    answer: &mut [u8],
) -> io::Result<usize> {
    // SAFETY: reads an address and two live slices, and writes at most `answer.len()` bytes to another.
    let size = unsafe {
        contract_import::view(
            account,
            function.as_ptr(),
            length(function.len()),
            arguments.as_ptr(),
            length(arguments.len()),
            gas,
            answer.as_mut_ptr(),
            length(answer.len()),
        )
    };
    checked(size).map(|size| size as usize)
}

pub fn contract_account(account: &[u8; 20]) -> io::Result<[u8; 97]> {
    let mut answer = [0; 97];
    // SAFETY: reads an address, and writes at most 97 bytes to an array of as many.
    checked(unsafe { contract_import::account(account, answer.as_mut_ptr(), 97) }).map(|_| answer)
}

pub fn contract_address(name: &str) -> io::Result<[u8; 20]> {
    let mut address = [0; 20];
    // SAFETY: reads a live slice, and writes 20 bytes to an array of as many.
    checked(unsafe { contract_import::address(name.as_ptr(), length(name.len()), &raw mut address) }).map(|_| address)
}

pub fn contract_state_root() -> io::Result<[u8; 72]> {
    let mut root = [0; 72];
    // SAFETY: writes 72 bytes to an array of as many.
    checked(unsafe { contract_import::state_root(&raw mut root) }).map(|_| root)
}
