//! `replicode contract`: contracts for those who write and use them.
//!
//! | module | it is |
//! |---|---|
//! | [`reach`] | what is asked of contracts, wherever they are: one trait |

pub mod reach;
