//! What is kept of accounts and templates, as cells.
//!
//! | class | name | value |
//! |---|---|---|
//! | `0x40` | account | its record, borsh |
//! | `0x41` | account | a sum: its balance |
//! | `0x42` | 31 bytes of a template's hash | the whole hash, and its bytes' number u32: it is stored |
//! | `0x43` | 29 bytes of a template's hash, chunk u16 | 60 KiB of its bytes |
//! | `0x44` | 31 bytes of a hash of publisher, name and version | hash of the library |

use super::frames::Fault;
use crate::account::{Account, Address};
use crate::cell::{Access, Bounds, CellKey};
use crate::hash::{self, Domain, Hash};
use crate::transaction::encode;

const RECORD: u8 = 0x40;
const BALANCE: u8 = 0x41;
const TEMPLATE: u8 = 0x42;
const CHUNK: u8 = 0x43;
const LIBRARY: u8 = 0x44;

const CHUNK_BYTES: usize = 60 << 10;

type Result<T, A> = std::result::Result<T, Fault<<A as Access>::Error>>;

/// The key of an account's record.
#[must_use]
pub fn record_key(account: &Address) -> CellKey {
    keyed(RECORD, account.as_bytes())
}

/// The key of an account's balance.
#[must_use]
pub fn balance_key(account: &Address) -> CellKey {
    keyed(BALANCE, account.as_bytes())
}

/// What a cell that is no contract's is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum About {
    /// An account's record.
    Record(Address),
    /// An account's balance.
    Balance(Address),
    /// That a template is stored.
    Template,
    /// Bytes of a template.
    Chunk,
    /// Anything else, a library's name say.
    Other,
}

/// None for cells of contracts.
pub(crate) fn about(key: &CellKey) -> Option<About> {
    let account = || key.0[1..].first_chunk().map(|bytes| Address::from_bytes(*bytes));
    match key.0[0] {
        RECORD => account().map(About::Record),
        BALANCE => account().map(About::Balance),
        TEMPLATE => Some(About::Template),
        CHUNK => Some(About::Chunk),
        class if (0x40..0x60).contains(&class) => Some(About::Other),
        _ => None,
    }
}

/// The hash of the template that a cell says is stored.
pub(crate) fn stored_template(value: &[u8]) -> Option<Hash> {
    borsh::from_slice::<(Hash, u32)>(value).ok().map(|(hash, _)| hash)
}

fn keyed(class: u8, name: &[u8]) -> CellKey {
    let mut key = [0; 32];
    key[0] = class;
    for (to, from) in key[1..].iter_mut().zip(name) {
        *to = *from;
    }
    CellKey(key)
}

fn template_key(template: &Hash) -> CellKey {
    keyed(TEMPLATE, template.as_bytes())
}

fn chunk_key(template: &Hash, number: u16) -> CellKey {
    let mut key = keyed(CHUNK, template.as_bytes());
    key.0[30..].copy_from_slice(&number.to_le_bytes());
    key
}

fn library_key(publisher: &Address, name: &str, version: &str) -> CellKey {
    let name = encode(&(publisher, name, version));
    keyed(LIBRARY, hash::parts(Domain::Cell, &[&[LIBRARY], &name]).as_bytes())
}

fn fetch<A: Access + ?Sized>(cells: &mut A, key: &CellKey) -> Result<Option<Vec<u8>>, A> {
    let mut value = Vec::new();
    let there = cells.get(key, &mut value).map_err(Fault::Access)?;
    Ok(there.then_some(value))
}

/// An account's record; the default one where there is none.
///
/// # Errors
/// When the cells fail or are damaged.
pub fn record<A: Access + ?Sized>(cells: &mut A, account: &Address) -> Result<Account, A> {
    let key = record_key(account);
    match fetch(cells, &key)? {
        None => Ok(Account::default()),
        Some(bytes) => borsh::from_slice(&bytes).map_err(|_| Fault::Damaged { cell: key, what: "it is no account" }),
    }
}

/// Sets an account's record.
///
/// # Errors
/// When the cells fail.
pub fn set_record<A: Access + ?Sized>(cells: &mut A, account: &Address, record: &Account) -> Result<(), A> {
    cells.set(&record_key(account), &encode(record)).map_err(Fault::Access)
}

/// An account's balance.
///
/// # Errors
/// When the cells fail or are damaged.
pub fn balance<A: Access + ?Sized>(cells: &mut A, account: &Address) -> Result<u128, A> {
    let cell = balance_key(account);
    let sum = cells.sum(&cell).map_err(Fault::Access)?;
    u128::try_from(sum).map_err(|_| Fault::Damaged { cell, what: "a balance is below zero" })
}

/// Adds to a balance. `false`: it would get too large, and nothing was done.
///
/// # Errors
/// When the cells fail.
pub fn credit<A: Access + ?Sized>(cells: &mut A, account: &Address, value: u128) -> Result<bool, A> {
    change(cells, account, i128::try_from(value).ok())
}

/// Takes from a balance. `false`: there is not so much, and nothing was done. Meets nobody who only adds.
///
/// # Errors
/// When the cells fail.
pub fn debit<A: Access + ?Sized>(cells: &mut A, account: &Address, value: u128) -> Result<bool, A> {
    change(cells, account, i128::try_from(value).ok().map(|value| -value))
}

fn change<A: Access + ?Sized>(cells: &mut A, account: &Address, delta: Option<i128>) -> Result<bool, A> {
    match delta {
        Some(0) => Ok(true),
        Some(delta) => cells.add(&balance_key(account), delta, Bounds::NOT_NEGATIVE).map_err(Fault::Access),
        None => Ok(false),
    }
}

/// Takes from one balance and adds to another. `false`: it is not possible, and nothing was done.
///
/// # Errors
/// When the cells fail.
pub fn pay<A: Access + ?Sized>(cells: &mut A, from: &Address, to: &Address, value: u128) -> Result<bool, A> {
    let mark = cells.mark();
    let paid = debit(cells, from, value)? && credit(cells, to, value)?;
    if !paid {
        cells.roll_back(mark);
    }
    Ok(paid)
}

/// Whether a template is stored.
///
/// # Errors
/// When the cells fail.
pub fn has_template<A: Access + ?Sized>(cells: &mut A, template: &Hash) -> Result<bool, A> {
    let value = fetch(cells, &template_key(template))?;
    Ok(value.is_some_and(|value| value.starts_with(template.as_bytes())))
}

/// Stores a template. One that is stored already stays as it is.
///
/// # Errors
/// When the cells fail.
pub fn store_template<A: Access + ?Sized>(cells: &mut A, template: &Hash, bytes: &[u8]) -> Result<(), A> {
    if has_template(cells, template)? {
        return Ok(());
    }
    for (number, chunk) in (0u16..).zip(bytes.chunks(CHUNK_BYTES)) {
        cells.set(&chunk_key(template, number), chunk).map_err(Fault::Access)?;
    }
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    cells.set(&template_key(template), &encode(&(template, length))).map_err(Fault::Access)
}

/// A stored template's bytes, checked against its hash.
///
/// # Errors
/// When the cells fail or are damaged.
pub fn template<A: Access + ?Sized>(cells: &mut A, template: &Hash) -> Result<Option<Vec<u8>>, A> {
    let key = template_key(template);
    let Some(value) = fetch(cells, &key)? else { return Ok(None) };
    let damaged = |what| Fault::Damaged { cell: key, what };
    let (found, length) =
        borsh::from_slice::<(Hash, u32)>(&value).map_err(|_| damaged("it is no hash and length of a template"))?;
    if found != *template {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    for number in 0u16.. {
        match fetch(cells, &chunk_key(template, number))? {
            Some(chunk) if bytes.len() < length as usize => bytes.extend_from_slice(&chunk),
            _ => break,
        }
    }
    if crate::template::Template::hash_of(&bytes) != *template {
        return Err(damaged("the template's bytes are not those of its hash"));
    }
    Ok(Some(bytes))
}

/// The library that was published under a name and a version.
///
/// # Errors
/// When the cells fail or are damaged.
pub fn library<A: Access + ?Sized>(
    cells: &mut A,
    publisher: &Address,
    name: &str,
    version: &str,
) -> Result<Option<Hash>, A> {
    let cell = library_key(publisher, name, version);
    match fetch(cells, &cell)? {
        None => Ok(None),
        Some(bytes) => borsh::from_slice(&bytes).map(Some).map_err(|_| Fault::Damaged { cell, what: "it is no hash" }),
    }
}

/// Notes a library under a name and a version of its publisher's.
///
/// # Errors
/// When the cells fail.
pub fn set_library<A: Access + ?Sized>(
    cells: &mut A,
    publisher: &Address,
    name: &str,
    version: &str,
    library: &Hash,
) -> Result<(), A> {
    cells.set(&library_key(publisher, name, version), library.as_bytes()).map_err(Fault::Access)
}
