//! The log of a replica: [`replicode_store`]'s machine, with the threads, the locks and the queue that it does not have.
//!
//! | module | it is |
//! |---|---|
//! | [`log`] | the log as its users see it: append, read, vote, truncate |
//! | `reading` | a thread that reads for those who must not wait for a disk |
//! | `work` | the queue before the writer, and whose thread carries out what that asks for |
//! | [`store`] | the same in the consensus engine's words |

pub mod log;
mod reading;
pub mod store;
pub mod work;

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "the tests are on the real host")]
pub(crate) mod tests;

pub use log::{Log, OnFault};
pub use replicode_store::{LogEntry, LogError, LogOptions, LogReader};
pub use replicode_store::{disk, file_disk, reader, record, segment, sim_disk};
