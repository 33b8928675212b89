//! The host's functions, in terms of slices. In wasm they are imports of the module `svm`; natively they are asked of an [`Env`].
//!
//! What each does, and what it costs, is in `docs/contracts-abi.md`. A handle of a collection is the frame's own number for it.

#[cfg(not(target_family = "wasm"))]
use alloc::vec::Vec;

#[cfg(not(target_family = "wasm"))]
mod native;
#[cfg(target_family = "wasm")]
mod svm;
#[cfg(target_family = "wasm")]
mod wasm;

#[cfg(not(target_family = "wasm"))]
pub use native::enter;

/// Bytes for a value that is read before its length is known. A longer one is read, and paid for, twice.
pub const ROOM: usize = 256;
/// Bytes for the elements of one iteration. It ends with the last element that fits; a first one that does not is read, and paid for, twice.
pub const PAGE: usize = 4096;

/// Kinds of collections, as the host numbers them.
pub mod kind {
    /// A list.
    pub const LIST: u32 = 2;
    /// A map.
    pub const MAP: u32 = 3;
    /// A set.
    pub const SET: u32 = 4;
    /// A sorted set.
    pub const SORTED_SET: u32 = 5;
}

/// Keys to visit: a lower and an upper bound (each with whether it is excluded), which way, and how many at most.
#[derive(Clone, Copy, Debug, Default)]
pub struct Range<'a> {
    /// Lower bound.
    pub from: Option<(&'a [u8], bool)>,
    /// Upper bound.
    pub to: Option<(&'a [u8], bool)>,
    /// From the last to the first.
    pub backward: bool,
    /// No more than this many; the host gives 256 at most.
    pub limit: u32,
}

/// A call of another account.
#[derive(Clone, Debug)]
pub struct CallRequest<'a> {
    /// Whose function.
    pub account: [u8; 20],
    /// Which.
    pub function: &'a str,
    /// Its arguments, encoded.
    pub arguments: &'a [u8],
    /// Money that goes with it.
    pub value: u128,
    /// The most that it may burn.
    pub gas: u64,
    /// It may change nothing.
    pub read_only: bool,
    /// An account that runs already may be called.
    pub may_reenter: bool,
}

/// A new account.
#[derive(Clone, Debug)]
pub struct SpawnRequest<'a> {
    /// Hash of its template.
    pub template: [u8; 32],
    /// Its constructor; nothing for a template that has none.
    pub constructor: &'a str,
    /// The constructor's arguments, encoded.
    pub arguments: &'a [u8],
    /// Its first balance.
    pub value: u128,
    /// The most that the constructor may burn.
    pub gas: u64,
}

macro_rules! functions {
    ($($(#[$doc:meta])* fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)?;)*) => {
        /// Who answers natively. A frame that has ended does not come back from a call.
        #[cfg(not(target_family = "wasm"))]
        pub trait Env {
            $($(#[$doc])* fn $name(&mut self, $($arg: $ty),*) $(-> $ret)?;)*
        }
        $(
            $(#[$doc])*
            #[cfg(not(target_family = "wasm"))]
            #[inline]
            pub fn $name($($arg: $ty),*) $(-> $ret)? {
                native::ask(|env| env.$name($($arg),*))
            }
        )*
        #[cfg(target_family = "wasm")]
        pub use wasm::{$($name),*};
    };
}

functions! {
    /// Copies a part of a slice.
    fn load(slice: u32, offset: u32, to: &mut [u8]);
    /// Sets a part of a slice.
    fn store(slice: u32, offset: u32, from: &[u8]);
    /// A handle of the collection in a slice.
    fn open(slice: u32) -> u32;
    /// A handle of the collection under a key of a map.
    fn open_key(map: u32, key: &[u8]) -> Option<u32>;
    /// A handle of the collection at a position of a list.
    fn open_at(list: u32, index: u64) -> Option<u32>;
    /// As `open_key`; made if nothing is there.
    fn create_key(map: u32, kind: u32, key: &[u8]) -> u32;
    /// A new collection at the end of a list.
    fn create_at_end(list: u32, kind: u32) -> u32;
    /// How many elements there are.
    fn len(collection: u32) -> u64;
    /// The value at a position.
    fn list_get(list: u32, index: u64) -> Option<Vec<u8>>;
    /// Sets the value at a position that is there.
    fn list_set(list: u32, index: u64, value: &[u8]);
    /// A value more at the end; its position.
    fn list_push(list: u32, value: &[u8]) -> u64;
    /// Takes the last element away.
    fn list_pop(list: u32) -> Option<Vec<u8>>;
    /// Takes an element away and puts the last one in its place.
    fn list_swap_remove(list: u32, index: u64);
    /// Values from a position on.
    fn list_iterate(list: u32, start: u64, backward: bool, limit: u32) -> Vec<Vec<u8>>;
    /// The value under a key.
    fn map_get(map: u32, key: &[u8]) -> Option<Vec<u8>>;
    /// Sets a value; whether the key is new.
    fn map_insert(map: u32, key: &[u8], value: &[u8]) -> bool;
    /// Keys of a range with what is under them.
    fn map_iterate(map: u32, range: Range<'_>) -> Vec<(Vec<u8>, Vec<u8>)>;
    /// Adds a key to a set; whether it is new.
    fn set_insert(set: u32, key: &[u8]) -> bool;
    /// Whether something is under a key.
    fn contains(collection: u32, key: &[u8]) -> bool;
    /// Removes a key; whether it was there.
    fn remove(collection: u32, key: &[u8]) -> bool;
    /// Keys of a range.
    fn keys(collection: u32, range: Range<'_>) -> Vec<Vec<u8>>;
    /// The least key of a sorted set.
    fn first(set: u32) -> Option<Vec<u8>>;
    /// The greatest.
    fn last(set: u32) -> Option<Vec<u8>>;
    /// The least above a key.
    fn next(set: u32, key: &[u8]) -> Option<Vec<u8>>;
    /// The greatest below a key.
    fn previous(set: u32, key: &[u8]) -> Option<Vec<u8>>;
    /// How many are below a key.
    fn rank(set: u32, key: &[u8]) -> u64;
    /// The key with so many others below it.
    fn at_rank(set: u32, rank: u64) -> Option<Vec<u8>>;
    /// The sum in a counter's slice.
    fn counter_get(slice: u32) -> i128;
    /// Adds if the sum then lies within bounds.
    fn counter_try_add(slice: u32, delta: i128, least: i128, most: i128) -> bool;
    /// As `counter_try_add`, to the counter under a key of a map.
    fn map_try_add(map: u32, key: &[u8], delta: i128, least: i128, most: i128) -> bool;
    /// As `counter_try_add`, to the counter at a position of a list.
    fn list_try_add(list: u32, index: u64, delta: i128, least: i128, most: i128) -> bool;
    /// A counter with this sum at the end of a list; its position.
    fn list_push_counter(list: u32, sum: i128) -> u64;
    /// An account's balance.
    fn balance(account: &[u8; 20]) -> u128;
    /// Pays an account; `false`: there is not so much.
    fn transfer(account: &[u8; 20], value: u128) -> bool;
    /// How many transactions an account has sent.
    fn nonce(account: &[u8; 20]) -> u64;
    /// The contract's own address.
    fn address() -> [u8; 20];
    /// Who has called.
    fn sender() -> [u8; 20];
    /// Whose transaction it is.
    fn principal() -> [u8; 20];
    /// The contract's template.
    fn template() -> [u8; 32];
    /// Money that came with the call.
    fn value() -> u128;
    /// The batch's place in history.
    fn batch() -> u64;
    /// Logical time in nanoseconds.
    fn time() -> u64;
    /// The batch's entropy.
    fn seed() -> u64;
    /// Gas that the frame may still burn.
    fn gas_left() -> u64;
    /// Frames that this one is nested in.
    fn depth() -> u32;
    /// Whether the frame may change nothing.
    fn read_only() -> bool;
    /// The call's arguments.
    fn input() -> Vec<u8>;
    /// What the call returns.
    fn output(bytes: &[u8]);
    /// Calls another account; 0 or the code of the status.
    fn call(request: CallRequest<'_>) -> u32;
    /// Makes an account; its address, or the code of the status.
    fn spawn(request: SpawnRequest<'_>) -> Result<[u8; 20], u32>;
    /// Stores a template; its hash, or the code of the status.
    fn deploy(template: &[u8]) -> Result<[u8; 32], u32>;
    /// What the last call or spawn has returned, or reverted with.
    fn result() -> Vec<u8>;
    /// The status of the last call or spawn, encoded.
    fn reason() -> Vec<u8>;
    /// Gas that it has burnt.
    fn burnt() -> u64;
    /// Emits an event.
    fn emit(event: u32, expires: u64, fields: &[u8]);
    /// Ends the frame without effects.
    fn revert(code: u32, fields: &[u8]) -> !;
    /// Shows a text to whoever debugs.
    fn log(text: &str);
    /// BLAKE3.
    fn blake3(bytes: &[u8]) -> [u8; 32];
    /// SHA-256.
    fn sha256(bytes: &[u8]) -> [u8; 32];
    /// Whether an Ed25519 signature holds.
    fn ed25519_verify(key: &[u8; 32], signature: &[u8; 64], message: &[u8]) -> bool;
    /// Lays bytes down for whoever runs next in this frame.
    fn pass(bytes: &[u8]);
    /// The bytes that lie there.
    fn passed() -> Vec<u8>;
}
