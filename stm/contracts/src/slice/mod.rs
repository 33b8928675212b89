//! Page slices: what a contract addresses. A variable of the program, a slice of a page here; an index, from 0.
//!
//! The [`Layout`] says where each slice stands: page, offset, length and kind. A slice does not cross a page. It is the unit of
//! conflict: slices of one page never meet. [`Slices`] is what contracts use, over any [`crate::cell::Access`]; [`SliceCache`] stands
//! behind it in the sequential store, and turns slices into pages.

mod cache;
mod kind;
mod layout;
mod slices;

pub use cache::SliceCache;
pub use kind::Kind;
pub use layout::{Layout, LayoutError, Slice};
pub use slices::Slices;
