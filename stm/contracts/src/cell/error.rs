//! How an operation on storage ends when it does not succeed.

use super::CellKey;
use crate::slice::Kind;

/// Why an operation on slices or collections did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error<E> {
    /// The access itself failed: pass it on unchanged.
    #[error("the store could not be read or written")]
    Access(E),
    /// The contract asked for something that is not possible. Nothing was changed: every check comes before the first write.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A cell holds what this crate never writes: the store is damaged, and the node must not go on.
    #[error("cell {cell} is damaged: {what}")]
    Damaged {
        /// Which cell.
        cell: CellKey,
        /// What is wrong with it.
        what: &'static str,
    },
}

/// What a contract asked for and cannot have. A function of the contract's state and arguments, so equal on every node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The layout has no such slice.
    #[error("there is no slice {index}: the layout has {slices}")]
    NoSlice {
        /// Asked for.
        index: u32,
        /// How many there are.
        slices: u32,
    },
    /// The slice, or the element, is something else than it was used as.
    #[error("{what} is {is}, and was used as {asked}")]
    Kind {
        /// Slice or element.
        what: &'static str,
        /// What it is.
        is: Kind,
        /// What it was used as.
        asked: Kind,
    },
    /// A slice has a fixed length.
    #[error("slice {index} has {length} bytes, and {given} were given")]
    SliceLength {
        /// The slice.
        index: u32,
        /// Its length in bytes.
        length: u32,
        /// Bytes given.
        given: usize,
    },
    /// Part of a slice that goes beyond its end.
    #[error("slice {index} has {length} bytes: there are no {part} bytes at offset {offset}")]
    SlicePart {
        /// The slice.
        index: u32,
        /// Its length in bytes.
        length: u32,
        /// Where the part begins.
        offset: u32,
        /// Length of the part.
        part: usize,
    },
    /// A key above [`crate::collection::MAX_KEY`].
    #[error("a key of {length} bytes is too long: {most} at most")]
    KeyLength {
        /// Its length in bytes.
        length: usize,
        /// The limit.
        most: usize,
    },
    /// A value above [`crate::collection::MAX_VALUE`].
    #[error("a value of {length} bytes is too long: {most} at most; split it over several elements")]
    ValueLength {
        /// Its length in bytes.
        length: usize,
        /// The limit.
        most: usize,
    },
    /// A list has no element there.
    #[error("the list has no element {index}")]
    NoElement {
        /// Asked for.
        index: u64,
    },
    /// A collection is to be made where an element already is.
    #[error("there is an element under this key already: remove it first")]
    Occupied,
}
