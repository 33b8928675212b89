//! The binary interface that guests see: every function they can import, error numbers, constants and layouts.
//!
//! [`IMPORTS`] is the closed list. It drives the linker (names, types, constructor of the [`Call`]), the trace printer
//! (meaning of each parameter) and the page about determinism (class and note). What it does not name cannot be
//! imported.

mod calls;
pub mod errno;
pub mod events;
pub mod layout;
pub mod locks;
mod table;
pub mod types;

pub use calls::{Call, IMPORTS};
pub use errno::Errno;
pub use table::{Arg, Class, FlagSet, Import, Param, Returns, ValType, import};
