//! The table. A row is a line of documentation or more, the name, the parameters, the result, the price and what the host charges besides.
//!
//! The order within a group is that of the page. The name of a group is that of the module whose functions of the same names do the work.

/// Calls a macro with all rows: `group { docs name(parameter: type, …) result = [price] charge; … } …`.
///
/// Prices are `base`, and `each` for every started run of 2^`shift` of what the last parameter counts. They are charged by the module
/// itself before the call; a [`Charge`](crate::abi::host::Charge) comes on top.
#[macro_export]
macro_rules! for_each_host_function {
    ($consumer:ident) => {
        $crate::for_each_host_function!($consumer,);
    };
    ($consumer:ident, $($context:tt)*) => {
        $consumer! { [$($context)*]
            storage {
                /// The number in a slice of exactly 4 bytes, low byte first.
                get32(slice: u32) (u32) = [20, 0, 0] Read(4);
                /// Sets a slice of exactly 4 bytes, low byte first.
                set32(slice: u32, value: u32) () = [20, 0, 0] Write(4);
                /// The number in a slice of exactly 8 bytes, low byte first.
                get64(slice: u32) (u64) = [20, 0, 0] Read(8);
                /// Sets a slice of exactly 8 bytes, low byte first.
                set64(slice: u32, value: u64) () = [20, 0, 0] Write(8);
                /// As `get32`, high byte first.
                get32_be(slice: u32) (u32) = [20, 0, 0] Read(4);
                /// As `set32`, high byte first.
                set32_be(slice: u32, value: u32) () = [20, 0, 0] Write(4);
                /// As `get64`, high byte first.
                get64_be(slice: u32) (u64) = [20, 0, 0] Read(8);
                /// As `set64`, high byte first.
                set64_be(slice: u32, value: u64) () = [20, 0, 0] Write(8);
                /// Bytes of a slice.
                slice_len(slice: u32) (u32) = [15, 0, 0] Nothing;
                /// Copies a part of a slice to memory. The slice is read as a whole, and that is what is paid for.
                load(slice: u32, offset: u32, to: u32, len: u32) () = [30, 1, 3] Host;
                /// Copies memory to a part of a slice. A slice that is written in part is read as well.
                store(slice: u32, offset: u32, from: u32, len: u32) () = [30, 1, 3] Host;
                /// Several `load`s: `list` is `count` times slice, offset, to, len, each 4 bytes, low byte first.
                load_many(list: u32, count: u32) () = [30, 20, 0] Host;
                /// Several `store`s: `list` as in `load_many`, with `from` for `to`. They are done in their order.
                store_many(list: u32, count: u32) () = [30, 20, 0] Host;
            }
            registers {
                /// Fills a register from memory; bytes beyond `len` become zero.
                reg_load(bits: u32, index: u32, from: u32, len: u32) () = [25, 1, 3] Nothing;
                /// Copies bytes `offset` to `offset + len` of a register to memory.
                reg_store(bits: u32, index: u32, offset: u32, to: u32, len: u32) () = [25, 1, 3] Nothing;
                /// Replaces bytes from `offset` on by `len` bytes of memory and leaves the others.
                reg_replace(bits: u32, index: u32, offset: u32, from: u32, len: u32) () = [25, 1, 3] Nothing;
                /// Fills a register from `len` bytes of a slice; bytes beyond them become zero.
                reg_from_slice(bits: u32, index: u32, slice: u32, offset: u32, len: u32) () = [30, 1, 3] Host;
                /// Copies the first `len` bytes of a register to a part of a slice.
                reg_to_slice(bits: u32, index: u32, slice: u32, offset: u32, len: u32) () = [30, 1, 3] Host;
                /// Copies a register to one of any width, as a number. 1: all of it has arrived, 0: there was no room for its upper part.
                reg_copy(to_bits: u32, to: u32, from_bits: u32, from: u32) (u32) = [25, 0, 0] Nothing;
                /// The integer at bytes `offset` to `offset + 4`; `big`: 0 for the low byte first, 1 for the high byte first.
                reg_get32(bits: u32, index: u32, offset: u32, big: u32) (u32) = [20, 0, 0] Nothing;
                /// Sets such an integer and leaves the other bytes.
                reg_set32(bits: u32, index: u32, offset: u32, big: u32, value: u32) () = [20, 0, 0] Nothing;
                /// The integer at bytes `offset` to `offset + 8`.
                reg_get64(bits: u32, index: u32, offset: u32, big: u32) (u64) = [20, 0, 0] Nothing;
                /// Sets such an integer and leaves the other bytes.
                reg_set64(bits: u32, index: u32, offset: u32, big: u32, value: u64) () = [20, 0, 0] Nothing;
                /// Compares two registers of any widths as numbers: −1, 0 or 1.
                reg_compare(a_bits: u32, a: u32, b_bits: u32, b: u32) (i32) = [25, 0, 0] Nothing;
                /// `to = a + b`, registers of 256 or 512 bits. 1: a carry was lost, else 0.
                reg_add(bits: u32, to: u32, a: u32, b: u32) (u32) = [40, 0, 0] Nothing;
                /// `to = a − b`. 1: it was below zero, else 0.
                reg_sub(bits: u32, to: u32, a: u32, b: u32) (u32) = [40, 0, 0] Nothing;
                /// `to = a × b`. 1: the upper half was not zero, else 0.
                reg_mul(bits: u32, to: u32, a: u32, b: u32) (u32) = [100, 0, 0] Nothing;
                /// `to = a ÷ b`, rounded down. A trap where `b` is zero.
                reg_div(bits: u32, to: u32, a: u32, b: u32) () = [300, 0, 0] Nothing;
                /// `to = a mod b`. A trap where `b` is zero.
                reg_rem(bits: u32, to: u32, a: u32, b: u32) () = [300, 0, 0] Nothing;
                /// `to = a × b mod m`, without losing the upper half of the product. A trap where `m` is zero.
                reg_mulmod(bits: u32, to: u32, a: u32, b: u32, m: u32) () = [600, 0, 0] Nothing;
                /// `to = a` to the power of `b`. 1: it was wider than the register, else 0.
                reg_pow(bits: u32, to: u32, a: u32, b: u32) (u32) = [60000, 0, 0] Nothing;
                /// `to = a` moved up by `b` bits. 1: a bit that was set is lost, else 0.
                reg_shl(bits: u32, to: u32, a: u32, b: u32) (u32) = [40, 0, 0] Nothing;
                /// `to = a` moved down by `b` bits. 1: a bit that was set is lost, else 0.
                reg_shr(bits: u32, to: u32, a: u32, b: u32) (u32) = [40, 0, 0] Nothing;
                /// `to` = the bits in both `a` and `b`.
                reg_and(bits: u32, to: u32, a: u32, b: u32) () = [40, 0, 0] Nothing;
                /// `to` = the bits in `a` or `b` or both.
                reg_or(bits: u32, to: u32, a: u32, b: u32) () = [40, 0, 0] Nothing;
                /// `to` = the bits in exactly one of `a` and `b`.
                reg_xor(bits: u32, to: u32, a: u32, b: u32) () = [40, 0, 0] Nothing;
                /// `to = a` with every bit turned around.
                reg_not(bits: u32, to: u32, a: u32) () = [40, 0, 0] Nothing;
            }
            collections {
                /// A handle of the collection in a slice. Handles are the frame's own, numbers from 0, at most 1024.
                open(slice: u32) (i32) = [20, 0, 0] Nothing;
                /// A handle of the collection under a key of a map; −1: there is none.
                open_key(map: u32, key: u32, key_len: u32) (i32) = [40, 1, 3] Host;
                /// A handle of the collection at a position of a list; −1: there is none.
                open_at(list: u32, index: u64) (i32) = [40, 0, 0] Host;
                /// A handle of the collection of this kind (2 list, 3 map, 4 set, 5 sorted set) under a key of a map; made if nothing is there.
                create_key(map: u32, kind: u32, key: u32, key_len: u32) (i32) = [60, 1, 3] Host;
                /// A handle of a new collection of this kind at the end of a list.
                create_at_end(list: u32, kind: u32) (i32) = [60, 0, 0] Host;
                /// How many elements a collection has.
                len(collection: u32) (u64) = [30, 0, 0] Host;
                /// Copies the element at a position to memory, `cap` bytes at most, and gives its length; −1: there is none. A counter is its sum, 16 bytes.
                list_get(list: u32, index: u64, to: u32, cap: u32) (i32) = [50, 1, 3] Host;
                /// Sets the value at a position that is there.
                list_set(list: u32, index: u64, from: u32, len: u32) () = [50, 1, 3] Host;
                /// A value more at the end; gives its position.
                list_push(list: u32, from: u32, len: u32) (u64) = [50, 1, 3] Host;
                /// Takes the last element away, as `list_get`; of a collection nothing is copied and 0 given.
                list_pop(list: u32, to: u32, cap: u32) (i32) = [50, 1, 3] Host;
                /// Takes an element away and puts the last one in its place.
                list_swap_remove(list: u32, index: u64) () = [50, 0, 0] Host;
                /// Elements from a position on, forward (0) or backward (1), `limit` (256 at most): how many were copied, each as
                /// kind 1 byte, length 4 bytes, bytes. Those that do not fit are left out; −n: the first one takes n bytes.
                list_iterate(list: u32, start: u64, backward: u32, limit: u32, to: u32, cap: u32) (i32) = [80, 1, 3] Host;
                /// Copies what is under a key, as `list_get`.
                map_get(map: u32, key: u32, key_len: u32, to: u32, cap: u32) (i32) = [50, 1, 3] Host;
                /// Sets a value. 1: the key is new, else 0.
                map_insert(map: u32, key: u32, key_len: u32, from: u32, len: u32) (u32) = [50, 1, 3] Host;
                /// Keys of a range and what is under them: as `keys`, each key followed by an element as in `list_iterate`.
                map_iterate(map: u32, from: u32, from_len: u32, end: u32, end_len: u32, flags: u32, limit: u32, to: u32, cap: u32) (i32) = [100, 1, 3] Host;
                /// Adds a key to a set of either kind. 1: it is new, else 0.
                set_insert(set: u32, key: u32, key_len: u32) (u32) = [50, 1, 3] Host;
                /// Whether there is something under a key of a map or set: 1, else 0.
                contains(collection: u32, key: u32, key_len: u32) (u32) = [50, 1, 3] Host;
                /// Removes a key of a map or set with all that is under it. 1: it was there, else 0.
                remove(collection: u32, key: u32, key_len: u32) (u32) = [50, 1, 3] Host;
                /// Keys of a range of a map or set, `limit` (256 at most): how many were copied, each as length 4 bytes, bytes. Those that do
                /// not fit are left out; −n: the first one takes n bytes. `flags`: 1 backward, 2 there is a lower bound, 4 it is excluded, 8 there is an upper bound, 16 it is excluded.
                keys(collection: u32, from: u32, from_len: u32, end: u32, end_len: u32, flags: u32, limit: u32, to: u32, cap: u32) (i32) = [100, 1, 3] Host;
                /// The least key of a sorted set, as `list_get`.
                first(set: u32, to: u32, cap: u32) (i32) = [50, 1, 3] Host;
                /// The greatest key of a sorted set.
                last(set: u32, to: u32, cap: u32) (i32) = [50, 1, 3] Host;
                /// The least key of a sorted set above a key, which need not be there.
                next(set: u32, key: u32, key_len: u32, to: u32, cap: u32) (i32) = [60, 1, 3] Host;
                /// The greatest key of a sorted set below a key, which need not be there.
                previous(set: u32, key: u32, key_len: u32, to: u32, cap: u32) (i32) = [60, 1, 3] Host;
                /// How many keys of a sorted set are below a key, which need not be there.
                rank(set: u32, key: u32, key_len: u32) (u64) = [60, 1, 3] Host;
                /// The key of a sorted set with `rank` others below it.
                at_rank(set: u32, rank: u64, to: u32, cap: u32) (i32) = [60, 1, 3] Host;
                /// Copies the sum in a counter's slice to memory: 16 bytes, signed.
                counter_get(slice: u32, to: u32) () = [30, 0, 0] Read(0);
                /// Adds `low` + 2^64 × `high` to a counter's slice, `high` signed. A trap where the sum leaves 128 bits.
                counter_add(slice: u32, low: u64, high: i64) () = [30, 0, 0] Write(16);
                /// Subtracts likewise.
                counter_sub(slice: u32, low: u64, high: i64) () = [30, 0, 0] Write(16);
                /// Adds if the sum then lies within bounds, and says so with 1. `bounds`: least and most, 16 bytes each.
                counter_try_add(slice: u32, low: u64, high: i64, bounds: u32) (u32) = [40, 0, 0] Write(16);
                /// As `counter_try_add`, to the counter under a key of a map, which is made if nothing is there.
                map_try_add(map: u32, low: u64, high: i64, bounds: u32, key: u32, key_len: u32) (u32) = [50, 1, 3] Host;
                /// As `counter_try_add`, to the counter at a position of a list.
                list_try_add(list: u32, index: u64, low: u64, high: i64, bounds: u32) (u32) = [50, 0, 0] Host;
                /// A counter with this sum at the end of a list; gives its position.
                list_push_counter(list: u32, low: u64, high: i64) (u64) = [50, 0, 0] Host;
            }
            account {
                /// Copies an account's balance to memory: 16 bytes. `account`: 20 bytes.
                balance(account: u32, to: u32) () = [30, 0, 0] Read(0);
                /// The balance of the account in a register of 160 bits, or 2^63 − 1 where it is more.
                svm_get_balance_from_reg(bits: u32, index: u32) (u64) = [30, 0, 0] Read(0);
                /// Pays an account `low` + 2^64 × `high` and runs nothing. 1: done, 0: there is not so much.
                transfer(account: u32, low: u64, high: u64) (u32) = [40, 0, 0] Host;
                /// How many transactions an account has sent.
                nonce(account: u32) (u64) = [30, 0, 0] Read(0);
                /// Copies the contract's own address to memory: 20 bytes.
                address(to: u32) () = [20, 0, 0] Nothing;
                /// Copies the address of who has called.
                sender(to: u32) () = [20, 0, 0] Nothing;
                /// Copies the address of whose transaction it is.
                principal(to: u32) () = [20, 0, 0] Nothing;
                /// Copies the hash of the contract's template: 32 bytes.
                template(to: u32) () = [20, 0, 0] Nothing;
                /// Copies the money that came with the call: 16 bytes.
                value(to: u32) () = [20, 0, 0] Nothing;
                /// The batch's place in history.
                batch() (u64) = [15, 0, 0] Nothing;
                /// Logical time in nanoseconds.
                time() (u64) = [15, 0, 0] Nothing;
                /// The batch's entropy. Everybody knows it who sees the batch.
                seed() (u64) = [15, 0, 0] Nothing;
                /// Gas that the frame may still burn, after this call has been paid for.
                gas_left() (u64) = [20, 0, 0] Look;
                /// Frames that this one is nested in.
                depth() (u32) = [15, 0, 0] Nothing;
                /// 1 where the frame may change nothing, else 0.
                read_only() (u32) = [15, 0, 0] Nothing;
                /// Bytes of the call's arguments.
                input_len() (u32) = [15, 0, 0] Nothing;
                /// Copies a part of the arguments to memory.
                input(offset: u32, to: u32, len: u32) () = [25, 1, 3] Nothing;
                /// What the call returns, 64 KiB at most; the last one stands. Without it nothing is returned.
                output(from: u32, len: u32) () = [25, 1, 3] Nothing;
            }
            calls {
                /// Calls a function of another account in a frame of its own: name and arguments, money, the most gas it may burn, `flags` (1 it may
                /// change nothing, 2 an account that is running may be re-entered). 0: success, else the code of the receipt's status.
                call(account: u32, name: u32, name_len: u32, low: u64, high: u64, gas: u64, flags: u32, args: u32, args_len: u32) (u32) = [100, 1, 3] Host;
                /// Makes an account of a template (32 bytes) and calls its constructor; `name_len` 0: none. Its address goes to memory at `to`.
                spawn(template: u32, name: u32, name_len: u32, low: u64, high: u64, gas: u64, to: u32, args: u32, args_len: u32) (u32) = [100, 1, 3] Host;
                /// Stores a template and copies its hash to memory at `to`: 32 bytes. 0, or the status as in `call`.
                deploy(to: u32, from: u32, len: u32) (u32) = [100, 1, 3] Host;
                /// Bytes that the last call or spawn of this frame has returned, or reverted with.
                result_len() (u32) = [20, 0, 0] Nothing;
                /// Copies a part of them to memory.
                result(offset: u32, to: u32, len: u32) () = [25, 1, 3] Nothing;
                /// Copies the whole status of the last call or spawn as the receipt has it, `cap` bytes at most, and gives its length; 0: there was none.
                reason(to: u32, cap: u32) (u32) = [40, 1, 3] Nothing;
                /// Gas that it has burnt, with everything below.
                burnt() (u64) = [20, 0, 0] Nothing;
            }
            ends {
                /// Emits an event of the document by its number, with its fields encoded; topics follow from the document. `expires`: logical time from
                /// which on it is gone, 0 for that of the configuration.
                emit(event: u32, expires: u64, from: u32, len: u32) () = [60, 1, 3] Host;
                /// Ends the frame without effects, with one of the contract's errors and its fields, 64 KiB at most. It does not return. Codes from
                /// 0xffff0000 on are the runtime's own, but for 0xffffffff, a panic with its message.
                revert(code: u32, from: u32, len: u32) () = [30, 1, 3] Look;
                /// Shows a text to whoever runs a contract for debugging. Cells of nodes do not have it.
                log(from: u32, len: u32) () = [30, 1, 3] Debug;
            }
            hashing {
                /// Copies the BLAKE3 hash of `len` bytes to memory at `to`: 32 bytes.
                blake3(to: u32, from: u32, len: u32) () = [150, 200, 6] Nothing;
                /// Copies the SHA-256 hash likewise.
                sha256(to: u32, from: u32, len: u32) () = [150, 200, 6] Nothing;
                /// Whether a signature (64 bytes) of a message is that of an Ed25519 key (32 bytes), by the strict rules: 1, else 0.
                ed25519_verify(key: u32, signature: u32, from: u32, len: u32) (u32) = [150000, 200, 6] Nothing;
            }
            exchange {
                /// Lays bytes down for whoever runs next in this frame, a library or its caller, 64 KiB at most; what lay there is gone.
                pass(from: u32, len: u32) () = [25, 1, 3] Nothing;
                /// How many bytes lie there.
                passed_len() (u32) = [15, 0, 0] Nothing;
                /// Copies a part of them to memory.
                passed(offset: u32, to: u32, len: u32) () = [25, 1, 3] Nothing;
            }
        }
    };
}
