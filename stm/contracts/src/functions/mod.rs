//! Functions in the log of a cell: modules that are loaded once and run many times, whose state is that of an account.
//!
//! ```text
//! request ─ decodes? ─┬─ load, unload ─ registry: names, numbers, modules ─┐
//!                     ├─ execute, chain ─ stages ─ engine ─ world ─────────┼─ elements of one account ─ receipt
//!                     └─ state, list, info ────────────────────────────────┘
//! ```
//!
//! A function is a contract with one entry point. It has no account of its own: all of them stand in the collections of one account,
//! [`account`], so that one may call another, and several may share their state, without frames between them. What is stored is made of the
//! same cells as everything else, so it has a root, proofs, checkpoints and snapshots, and executions that touch different keys run at the
//! same time.
//!
//! A request is a call like a transaction is, and is told from one by its first byte. It has no principal and no fee: who may send it is
//! decided where it comes from. Its fuel is counted by its own measure, and is no gas of the batch; what the requests of one batch do
//! together has a bound of its own, [`limits::BATCH`].
//!
//! | module | it is |
//! |---|---|
//! | [`request`] | what can be asked for, as bytes |
//! | [`answer`] | what is answered, as bytes: within a receipt |
//! | [`limits`] | how much, equal on all nodes |
//! | [`number`] | what functions are called by |
//! | [`engine`] | what runs a module, and what a module can ask for |
//! | `registry` | which functions there are |
//! | `world` | state and log of one execution |
//! | `execute` | what a request does |

pub mod answer;
pub mod engine;
mod execute;
pub mod limits;
pub mod number;
mod place;
mod registry;
pub mod request;
mod world;

pub use answer::{Code, Done, Entry, Failed, StageDone};
pub use engine::{Denied, Facts, Functions, Refused, Stage, StageEnd, World};
pub(crate) use execute::execute;
pub use number::Number;
pub use place::account;
pub use request::{Config, Request, StateAct, Which};
