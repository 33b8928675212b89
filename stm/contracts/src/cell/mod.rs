//! Cells: the unit in which contracts' storage is read, written and in conflict.
//!
//! Everything that a contract keeps is a set of *cells*, 32-byte keys with byte values or with a sum. Slices and collections are
//! written once, over [`Access`]; what stands behind it is a plain map ([`Maps`], the model), the sequential store with its page
//! cache ([`crate::state::Session`]) or a transaction of a parallel engine. Two writers meet exactly when they touch one cell.
//!
//! There is no ordered primitive: the order of a sorted set is itself made of cells ([`crate::collection`]), so it is the same
//! structure, with the same conflicts, wherever the cells are.

mod access;
mod error;
mod key;
mod maps;

pub use access::{Access, Bounds, Mark};
pub use error::{Error, Refusal};
pub use key::{CellKey, Class};
pub use maps::Maps;

/// Longest value of a cell in bytes: a value of 64 KiB with the longest key and the element's header in front.
pub const MAX_CELL: usize =
    crate::collection::MAX_VALUE + crate::collection::MAX_KEY + crate::collection::ELEMENT_HEADER;

/// What slices and collections return over an [`Access`].
pub type Result<T, A> = std::result::Result<T, Error<<A as Access>::Error>>;

/// [`Access::get`] into a new vector.
pub(crate) fn fetch<A: Access + ?Sized>(access: &mut A, key: &CellKey) -> Result<Option<Vec<u8>>, A> {
    let mut value = Vec::new();
    let there = access.get(key, &mut value).map_err(Error::Access)?;
    Ok(there.then_some(value))
}

/// Adds to one of the store's own counts.
pub(crate) fn count<A: Access + ?Sized>(access: &mut A, key: &CellKey, delta: i128) -> Result<(), A> {
    access.count(key, delta).map_err(Error::Access)
}

/// Brings a sum back to zero, which is how a counter is removed.
pub(crate) fn reset<A: Access + ?Sized>(access: &mut A, key: &CellKey) -> Result<(), A> {
    let now = access.sum(key).map_err(Error::Access)?;
    // In two steps where one does not fit: -i128::MIN is no i128.
    let step = now.checked_neg().unwrap_or(i128::MAX);
    count(access, key, step)?;
    match now.wrapping_add(step) {
        0 => Ok(()),
        rest => count(access, key, -rest),
    }
}
