//! Variables and collections. The fields of a `#[storage]` struct are these; each has a slice of its own, in their order.
//!
//! What reads takes `&self`, what writes takes `&mut self`: a `#[view]` that writes does not compile.

mod collection;
mod list;
mod map;
mod set;
mod variable;

pub use collection::{Collection, Element};
pub use list::List;
pub use map::Map;
pub use set::{Set, SortedSet};
pub use variable::{Counter, Var};

/// What may be a field of storage.
pub trait Field {
    /// The one in a slice.
    fn at(slice: u32) -> Self;
}
