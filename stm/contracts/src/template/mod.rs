//! Templates: what is deployed. A container of sections around a wasm module, stored under its hash; accounts are
//! spawned from it.
//!
//! ```text
//! deploy:  bytes ─ decode ─> Template, or everything that is wrong with it, each with section and offset
//! build:   module + document ─ Builder ─> bytes
//! ```
//!
//! The bytes are drawn in `docs/formats/contract-abi.md`. Whether the *module* is one that may run (imports, floats,
//! tables…) is not decided here: that takes an engine's knowledge of wasm.
//!
//! | module | it is |
//! |---|---|
//! | [`container`] | sections, their order, what is skipped and what is refused |
//! | [`section`] | what is in each of them, and what a template made of them is |
//! | [`layout`] | where the slices of storage lie, and the rules for that |
//! | [`builder`] | a container from a module and its document |

pub mod builder;
pub mod container;
pub mod layout;
pub mod section;

pub use builder::{ABI_SECTION, BuildError, Builder};
pub use container::{Complaint, Complaints, SectionId};
pub use layout::{Layout, SliceKind, SliceSpec};
pub use section::{Class, FixedPrice, Header, Kind, LibraryPin, STANDARD_MEMORY, Template};

/// What a template may have. Equal on all nodes of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the whole container. A deployment has to fit into a transaction, and that into a batch.
    pub bytes: usize,
    /// Bytes of the code section: what compiling may cost.
    pub code: usize,
    /// Bytes of a page of storage. All contracts of a cell have pages of one size.
    pub page_size: u32,
    /// Pages of variables.
    pub pages: u32,
    /// Slices, that is variables.
    pub slices: usize,
    /// Libraries that a template may pin.
    pub libraries: usize,
}

impl Limits {
    /// What a cell has that configures nothing else.
    pub const STANDARD: Self =
        Self { bytes: 1 << 20, code: 768 << 10, page_size: 4096, pages: 256, slices: 1024, libraries: 32 };
}

impl Default for Limits {
    fn default() -> Self {
        Self::STANDARD
    }
}

// A place within a page is counted in 16 bits.
const _: () = assert!(Limits::STANDARD.page_size <= 1 << 15 && Limits::STANDARD.code < Limits::STANDARD.bytes);
