//! The imports themselves.
//!
//! The host reads and writes this memory where it is told to, and checks nothing but that it is within it. Nobody but the functions of the
//! module `wasm` can name these, and each of them hands over pointer and length of a slice that it has borrowed.

#[link(wasm_import_module = "svm")]
unsafe extern "C" {
    pub safe fn load(slice: u32, offset: u32, to: *mut u8, len: usize);
    pub safe fn store(slice: u32, offset: u32, from: *const u8, len: usize);
    pub safe fn open(slice: u32) -> i32;
    pub safe fn open_key(map: u32, key: *const u8, key_len: usize) -> i32;
    pub safe fn open_at(list: u32, index: u64) -> i32;
    pub safe fn create_key(map: u32, kind: u32, key: *const u8, key_len: usize) -> i32;
    pub safe fn create_at_end(list: u32, kind: u32) -> i32;
    pub safe fn len(collection: u32) -> u64;
    pub safe fn list_get(list: u32, index: u64, to: *mut u8, cap: usize) -> i32;
    pub safe fn list_set(list: u32, index: u64, from: *const u8, len: usize);
    pub safe fn list_push(list: u32, from: *const u8, len: usize) -> u64;
    pub safe fn list_pop(list: u32, to: *mut u8, cap: usize) -> i32;
    pub safe fn list_swap_remove(list: u32, index: u64);
    pub safe fn list_iterate(list: u32, start: u64, backward: u32, limit: u32, to: *mut u8, cap: usize) -> i32;
    pub safe fn map_get(map: u32, key: *const u8, key_len: usize, to: *mut u8, cap: usize) -> i32;
    pub safe fn map_insert(map: u32, key: *const u8, key_len: usize, from: *const u8, len: usize) -> u32;
    pub safe fn map_iterate(
        map: u32,
        from: *const u8,
        from_len: usize,
        end: *const u8,
        end_len: usize,
        flags: u32,
        limit: u32,
        to: *mut u8,
        cap: usize,
    ) -> i32;
    pub safe fn set_insert(set: u32, key: *const u8, key_len: usize) -> u32;
    pub safe fn contains(collection: u32, key: *const u8, key_len: usize) -> u32;
    pub safe fn remove(collection: u32, key: *const u8, key_len: usize) -> u32;
    pub safe fn keys(
        collection: u32,
        from: *const u8,
        from_len: usize,
        end: *const u8,
        end_len: usize,
        flags: u32,
        limit: u32,
        to: *mut u8,
        cap: usize,
    ) -> i32;
    pub safe fn first(set: u32, to: *mut u8, cap: usize) -> i32;
    pub safe fn last(set: u32, to: *mut u8, cap: usize) -> i32;
    pub safe fn next(set: u32, key: *const u8, key_len: usize, to: *mut u8, cap: usize) -> i32;
    pub safe fn previous(set: u32, key: *const u8, key_len: usize, to: *mut u8, cap: usize) -> i32;
    pub safe fn rank(set: u32, key: *const u8, key_len: usize) -> u64;
    pub safe fn at_rank(set: u32, rank: u64, to: *mut u8, cap: usize) -> i32;
    pub safe fn counter_get(slice: u32, to: *mut u8);
    pub safe fn counter_try_add(slice: u32, low: u64, high: i64, bounds: *const u8) -> u32;
    pub safe fn map_try_add(map: u32, low: u64, high: i64, bounds: *const u8, key: *const u8, key_len: usize) -> u32;
    pub safe fn list_try_add(list: u32, index: u64, low: u64, high: i64, bounds: *const u8) -> u32;
    pub safe fn list_push_counter(list: u32, low: u64, high: i64) -> u64;
    pub safe fn balance(account: *const u8, to: *mut u8);
    pub safe fn transfer(account: *const u8, low: u64, high: u64) -> u32;
    pub safe fn nonce(account: *const u8) -> u64;
    pub safe fn address(to: *mut u8);
    pub safe fn sender(to: *mut u8);
    pub safe fn principal(to: *mut u8);
    pub safe fn template(to: *mut u8);
    pub safe fn value(to: *mut u8);
    pub safe fn batch() -> u64;
    pub safe fn time() -> u64;
    pub safe fn seed() -> u64;
    pub safe fn gas_left() -> u64;
    pub safe fn depth() -> u32;
    pub safe fn read_only() -> u32;
    pub safe fn input_len() -> usize;
    pub safe fn input(offset: u32, to: *mut u8, len: usize);
    pub safe fn output(from: *const u8, len: usize);
    pub safe fn call(
        account: *const u8,
        name: *const u8,
        name_len: usize,
        low: u64,
        high: u64,
        gas: u64,
        flags: u32,
        args: *const u8,
        args_len: usize,
    ) -> u32;
    pub safe fn spawn(
        template: *const u8,
        name: *const u8,
        name_len: usize,
        low: u64,
        high: u64,
        gas: u64,
        to: *mut u8,
        args: *const u8,
        args_len: usize,
    ) -> u32;
    pub safe fn deploy(to: *mut u8, from: *const u8, len: usize) -> u32;
    pub safe fn result_len() -> usize;
    pub safe fn result(offset: u32, to: *mut u8, len: usize);
    pub safe fn reason(to: *mut u8, cap: usize) -> usize;
    pub safe fn burnt() -> u64;
    pub safe fn emit(event: u32, expires: u64, from: *const u8, len: usize);
    pub safe fn revert(code: u32, from: *const u8, len: usize);
    pub safe fn log(from: *const u8, len: usize);
    pub safe fn blake3(to: *mut u8, from: *const u8, len: usize);
    pub safe fn sha256(to: *mut u8, from: *const u8, len: usize);
    pub safe fn ed25519_verify(key: *const u8, signature: *const u8, from: *const u8, len: usize) -> u32;
    pub safe fn pass(from: *const u8, len: usize);
    pub safe fn passed_len() -> usize;
    pub safe fn passed(offset: u32, to: *mut u8, len: usize);
}
