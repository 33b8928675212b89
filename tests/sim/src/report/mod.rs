//! What comes of a run, for people and for later.
//!
//! | module | it is |
//! |---|---|
//! | [`story`] | what happened, in order, one column for each node |
//! | [`bundle`] | a run that is kept: its plan, its seed, and what is to come of it |
//! | [`shrink`] | the same verdict with less |

pub mod bundle;
pub mod shrink;
pub mod story;
