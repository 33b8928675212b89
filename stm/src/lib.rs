//! Block-STM: run a batch of transactions in parallel, get exactly the result of running them in order.
mod arena;
mod bag;
mod cell;
mod certify;
mod chain;
mod chaos;
mod direct;
mod engine;
mod error;
mod hints;
mod map;
#[cfg(feature = "mutants")]
pub mod mutants;
mod park;
mod pool;
mod read_set;
mod run;
mod seeded;
mod slot;
mod spec;
mod stats;
mod store;
mod sync;
mod tx;
mod value;
mod vec;
mod watchdog;

pub use bag::TxBag;
pub use cell::{TxCell, TxCounter};
pub use engine::{Builder, Executor, MAX_BATCH, MAX_THREADS, MAX_WINDOW, Mode, Stm};
pub use error::{BuildError, Fatal, FatalCause, Outcome, Revert, Stop, Stopped, TxResult};
pub use map::{Key, TxMap};
pub use stats::Stats;
pub use tx::{MAX_ACCESSES, MAX_DEPTH, Tx};
pub use value::Value;
pub use vec::TxVec;
