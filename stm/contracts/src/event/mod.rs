//! Events: what contracts tell the outside, structured by their documents, found by contract, name and topics, and gone
//! when they expire.
//!
//! An event is part of its transaction's receipt, so it is covered by the root for as long as anybody asks. The
//! [`Index`] is what a node keeps to find events by; it covers those that have not expired. Reclaiming expired ones
//! changes no answer, because an expired event is in no answer, reclaimed or not; and no root, because no root covers the
//! index.
//!
//! | module | it is |
//! |---|---|
//! | [`form`] | an event, its topics, and their text |
//! | [`index`] | which events there are, and how they are found and reclaimed |
//! | [`query`] | what can be asked |

pub mod form;
pub mod index;
pub mod query;

pub use form::{Event, Topic};
pub use index::{Index, Place};
pub use query::{Filter, Found};
