//! Proofs: what a client needs to check an answer alone.
//!
//! A [`Question`] asks for an account, a slice, an element or a receipt; a [`Proof`] answers it against the root, or against the digest of
//! a batch, from the outside in: account, page, element, element of that. [`Proof::verify`] needs nothing else and says which level
//! fails. `docs/formats/contract-state.md` is enough to write a verifier; the tests hold one in another language.

mod account;
mod batch;
mod level;
mod path;
mod prove;

pub use account::{AccountContent, account_content};
pub use batch::Batch;
pub use level::{Anchor, Level, Proof, ProofError, Question, element_content};
pub use path::{End, Path, PathError, Step, rise};
pub use prove::{Contents, NotProven, prove};
