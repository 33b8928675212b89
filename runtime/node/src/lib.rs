//! What a node decides about its own affairs: values in, values out.
//!
//! The shell above (`replicode`) has the threads, the sockets and the files. It tells these machines what happened
//! (`handle_x(value, now)`), does what they ask for (`poll_x()`), and comes back at `deadline()` at the latest. Nothing here
//! reads a clock, waits, or knows a directory.
//!
//! | module | it is |
//! |---|---|
//! | [`divergence`] | where two nodes parted: an inquiry of questions to peers and their answers |
//! | [`main_program`] | the program that a `run` is about, followed through the log |
//! | [`rest`] | how a node comes to rest before it stops |

#![forbid(unsafe_code)]

pub mod divergence;
pub mod main_program;
pub mod rest;

pub use divergence::Inquiry;
pub use main_program::MainProgram;
pub use rest::Rest;
