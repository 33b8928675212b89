//! What a node decides about its own affairs: values in, values out.
//!
//! The shell above (`replicode`) has the threads, the sockets and the files. It tells these machines what happened
//! (`handle_x(value, now)`), does what they ask for (`poll_x()`), and comes back at `deadline()` at the latest. Nothing here
//! reads a clock, waits, or knows a directory.
//!
//! | module | it is |
//! |---|---|
//! | [`core`](mod@core) | all of it together: what follows from each batch, each question, each silence |
//! | [`deed`] | what the core wants done |
//! | [`boot`] | a start of this node, as the log sees it |
//! | [`outputs`] | which outputs concern this node's clients, and what goes to them together |
//! | [`console`] | where programs' output goes |
//! | [`main_program`] | the program that a `run` is about, followed through the log |
//! | [`recent`] | the last batches, in little room |
//! | [`hints`] | what whoever runs the cell should know about its use |
//! | [`queries`] | what is answered about the cell, and by whom |
//! | [`divergence`] | where two nodes parted: an inquiry of questions to peers and their answers |
//! | [`rest`] | how a node comes to rest before it stops |

#![forbid(unsafe_code)]

pub mod boot;
pub mod console;
pub mod core;
pub mod deed;
pub mod divergence;
pub mod hints;
pub mod main_program;
pub mod outputs;
pub mod queries;
pub mod recent;
pub mod rest;

pub use crate::core::Core;
pub use deed::{Deed, End};
pub use divergence::Inquiry;
pub use main_program::MainProgram;
pub use rest::Rest;
