//! Run a batch of transactions in parallel, get exactly the result of running them one by one.
//!
//! ```
//! use replicode_stm::{Outcome, Stm, TxMap};
//!
//! let mut stm = Stm::builder().threads(2).build()?;
//! let balance: TxMap<&'static str, u64> = stm.map_from([("ann", 50), ("bob", 0)]);
//!
//! let jobs = [("ann", "bob", 30u64), ("ann", "bob", 30), ("bob", "ann", 5)];
//! let out = stm.execute(&jobs, |tx, (from, to, amount)| {
//!     let have = balance.get(tx, from)?.unwrap_or(0);
//!     tx.require(have >= *amount, "insufficient funds")?;          // a revert: effects dropped, reason kept
//!     balance.set(tx, from, have - amount)?;
//!     let other = balance.get(tx, to)?.unwrap_or(0);
//!     balance.set(tx, to, other + amount)
//! })?;
//!
//! assert_eq!(out[0], Outcome::Committed(()));
//! assert_eq!(out[1].reverted().map(|r| r.reason()), Some("insufficient funds"));
//! assert_eq!(out[2], Outcome::Committed(()));
//! let now = stm.run(|tx| balance.range(tx, ..))?.committed();
//! assert_eq!(now, Some(vec![("ann", 25), ("bob", 25)]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The order of the jobs decides, not the order in which threads get at them: the second transfer *always* finds 20
//! left, on one thread or on sixty-four.
//!
//! # What there is
//!
//! | | conflict unit | commutes |
//! |---|---|---|
//! | [`TxCell<T>`] | the cell | – |
//! | [`TxVec<T>`] | element; length | – |
//! | [`TxMap<K, V>`] | key; iterated range | insertions of different keys; `set` and `unset` of one key look at nothing |
//! | [`TxCounter`] | sum, or only whether bounds hold | additions |
//! | [`TxBag<T>`] | the whole bag, for its readers | appends |
//! | [`TxMemory<N>`] | key; its length; whether it is there | `set` and `unset` look at nothing |
//! | [`TxCounters<N>`] | key, or only whether bounds hold | additions, of what is not there too |
//!
//! A transaction is a closure over `&mut Tx` and a job. It may read its way to further cells, nest ([`Tx::frame`]),
//! revert with a reason ([`Stop::revert`]), panic (which reverts it with [`Revert::PANIC`]; the process's panic hook
//! still prints), or stop the stream at its own place ([`Stop::fatal`]).
//!
//! The last two are for hosts of foreign code: bytes and 128-bit sums under byte keys, over a [`Base`], with the changes of
//! blocks told in order ([`Stm::changes`]). Such hosts also find savepoints without closures ([`Tx::mark`]), the lending of a
//! transaction to what runs below ([`Tx::lend`]), a context per worker ([`Stm::execute_with`]), decisions in the order of the
//! batch ([`Stm::execute_until`]) and views for queries and dry runs ([`Stm::view`]).
//!
//! [`Executor::Sequential`] is the specification. [`Executor::Parallel`] is Block-STM. [`Executor::Seeded`] is Block-STM
//! in which a seed decides, at every shared step, which worker moves: any interleaving can be run again.
//!
//! # Theorem
//!
//! *If every closure is a function of its job and of what it reads through `tx`, then for every number of threads,
//! window, mode, interleaving and behaviour of hints, outcomes and final state are those of [`Executor::Sequential`].*
//!
//! The closure's side of the bargain, and what a run may observe, is on [`Tx`].
//!
//! # How it works
//!
//! Every cell has a chain of versions, newest transaction first, above a committed value that is constant during the block. A run
//! of transaction *i* reads, per cell, the newest version below *i*, and records which one it was. Its writes wait in a
//! private buffer and become versions when it ends. Then **one mechanism decides**:
//!
//! > *Certified in-order commit.* Transaction *c* commits when all lower ones have and everything it has recorded
//! > still holds; otherwise it is run once more, right then, under the commit token, and commits as it stands.
//!
//! Everything else (who runs first, who is sent back early, who waits for whom) is a *hint*. Hints may be wrong, late or
//! absent without changing a result; [`Builder::chaos`] makes them so on purpose. There is no termination protocol: the
//! block is done when the commit index has reached its end.
//!
//! Where one core is faster than two (tiny transactions, or nearly all in conflict), the token holder closes the claims
//! and **runs ahead**: it claims the index at the commit turn itself and runs it under the token. That is I2 without a
//! first run ([`Builder::run_ahead`], [`Stats::run_ahead`]). While there are no conflicts it **seals** the turn:
//! hints keep off, so committing swaps no status word (`certify` has the argument, `models` the loom model). And a worker
//! at whose claimed transactions the commit turn arrives runs the rest of them as final ones too ([`Stats::at_turn`]).
//!
//! # Invariants
//!
//! * **I1** Only the token holder advances the commit index. *c* commits only if its newest incarnation has finished and
//!   every recorded observation is what a read by *c* would observe now.
//! * **I2** Otherwise *c* runs once more under the token, where all lower versions are final, and commits as it stands. At
//!   most one such run per transaction: progress depends on no hint, and there is no retry limit.
//! * **I3** A version is immutable and its record is not used again within the block; committed values, and what a [`Base`]
//!   answers, change between blocks only. So "the same record" means "the same value": a version's index is a sound stamp. Of
//!   byte values two records may also be compared by content, for the same reason.
//! * **I4** An outcome (value, revert, panic, fatal stop, answer of a bounded addition) is a function of the job and the
//!   recorded observations. Observations of reverted frames stay recorded, because they decided the revert.
//! * **I5** Nothing in outcomes or state depends on scheduling: no incarnations, no cell numbers, no order of arrival.
//! * **I6** Claim, abort, freeze and commit are compare-and-swap steps on one word that also holds transaction and
//!   incarnation: one worker at a time owns a transaction's logs, and a late hint cannot touch a frozen or committed one.
//! * **I7** The crate contains no `unsafe` code: memory safety does not depend on any of the above.
//!
//! *Proof sketch*, by induction on *c*. Suppose the committed prefix below *c* equals the sequential one. If *c* commits
//! by I1, its observations are those that sequential *c* makes: a recorded version is the one that a read would find
//! (I3), and all lower transactions are final. By I4 its outcome and writes are the sequential ones. If it commits by I2
//! it has simply run on the sequential state. Withdrawn writes leave no trace: a re-execution empties the versions that
//! its predecessor wrote and it does not. Direct mode runs on the committed state itself, between drained segments.
//!
//! # Worked example: contention, and how to read the statistics
//!
//! A shop: every sale takes an item from stock and adds to the takings.
//!
//! ```
//! use replicode_stm::{Mode, Stm};
//!
//! let sales: Vec<u64> = (0..500).collect();
//! let busy = || (0..2_000).for_each(|_| std::hint::spin_loop());
//!
//! // First try: takings in a plain cell, so every sale reads what the one before has written.
//! let mut stm = Stm::builder().threads(2).mode(Mode::Speculative).build()?;
//! let stock = stm.vec((0..100).map(|_| 5u64));
//! let takings = stm.cell(0u64);
//! stm.name_vec(&stock, "stock");
//! stm.name_cell(&takings, "takings");
//! stm.execute(&sales, |tx, item| {
//!     let left = stock.get(tx, item % 100)?.unwrap_or(0);
//!     tx.require(left > 0, "sold out")?;
//!     let t = takings.get(tx)?;
//!     busy();
//!     stock.set(tx, item % 100, left - 1)?;
//!     takings.set(tx, t + 10)
//! })?;
//! println!("{}", stm.stats());
//! // One run on two busy cores printed:
//! // 500 transactions, 0.0 % direct, 1.60 executions each
//! // thrown away: 31 by certification, 264 by push, 0 by own check, 4 by doom, 0 at an estimate; 266 taken over
//! // waits 0, parks 10, group commits 0, run ahead 0, at the turn 0, switches 0
//! //        295 conflicts at takings
//!
//! // The statistics name the culprit. Takings are only ever added to: a counter.
//! let mut stm = Stm::builder().threads(2).mode(Mode::Speculative).build()?;
//! let stock = stm.vec((0..100).map(|_| 5u64));
//! let takings = stm.counter(0);
//! stm.execute(&sales, |tx, item| {
//!     let left = stock.get(tx, item % 100)?.unwrap_or(0);
//!     tx.require(left > 0, "sold out")?;
//!     busy();
//!     stock.set(tx, item % 100, left - 1)?;
//!     takings.add(tx, 10)
//! })?;
//! // Executions per transaction are back at about 1 and both cores do useful work.
//! assert!(stm.stats().executions_per_transaction() < 1.2);
//! assert_eq!(stm.run(|tx| takings.get(tx))?.committed(), Some(5_000));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! With [`Mode::Auto`], the default, the first version would not have been slow either: the engine notices that nearly
//! every commit conflicts, or that many do and all cores together are slower than one, drains the window and goes on in
//! direct mode, one by one and in place. Blocks that are over too soon for that teach it too: both ways are timed over
//! blocks of about the same length, the faster one is taken, the other tried again now and then. [`Stats`] says what
//! each figure means; [`Stm::chrome_trace`] shows who ran when.
//!
//! # Bad use
//!
//! | what | what happens |
//! |---|---|
//! | a cell of another engine | the stream stops there: [`FatalCause::Misuse`], even if the closure swallows the stop |
//! | a [`Stop`] kept and returned by another run | the stream stops there: [`FatalCause::Misuse`] |
//! | a fatal stop of a [`Tx::frame`] that the closure swallows | the stream stops there |
//! | zero threads, absurd windows | [`BuildError`] |
//! | frames deeper than [`MAX_DEPTH`] | the frame counts as reverted, [`Revert::DEPTH`] |
//! | more than [`MAX_ACCESSES`] reads and writes | the transaction reverts, [`Revert::LIMIT`] |
//! | a key or value above the engine's limit ([`Builder::max_key_bytes`], [`Builder::max_value_bytes`]) | the transaction reverts, [`Revert::LIMIT`]; nothing of it is stored |
//! | a byte value above [`MAX_BYTES`] | the transaction reverts, [`Revert::LIMIT`] |
//! | a [`Mark`] that is not live | the stream stops there: [`FatalCause::Misuse`], even if the closure swallows the stop |
//! | an element beyond the end | the transaction reverts, [`Revert::BOUNDS`] |
//! | a closure that swallows a retry | nothing: the run is discarded anyway |
//! | a closure that catches a panic of its own | it goes on; what the frames did through which the panic came is dropped |
//! | a closure that is no function of its reads | outcomes may differ between runs; the engine stays sound |
//! | more than 2^28 cells (a key that is only asked for takes one for the block), full version memory | [`FatalCause::Fault`], the same on every executor, not at a place: speculative runs take of both too. The batch ends without outcomes, the engine refuses all later ones |
//! | a [`Base`] that cannot answer, or panics; a hook that panics | the same |
//! | a base that answers otherwise while a block runs, or not with the changes that it was told | outcomes may differ between runs; the engine stays sound |
//! | [`Stop::fault`], or a panic where [`Builder::panics_are_faults`] | the stream stops there, lower outcomes are kept, the engine refuses all later batches: [`FatalCause::HostFault`] |
//! | a panic outside a closure (in an `Ord` or a destructor, say) | the same as for used-up cells; a destructor that a helper runs, between batches, may panic unheard |
//! | a closure that waits, for `rayon::join` or for another engine's batch | fine; on a helper thread, rayon's functions run on that thread alone |
//! | a closure that waits for a job given to `rayon::spawn` | may hang: on a helper thread that job's turn comes after the closure |
//! | a closure that never returns | the batch hangs: nobody can stop it. A [`Builder::watchdog`] says which one: *"transaction 5 is running on worker 1 and blocks all later ones: a closure that never returns to a read cannot be stopped"*; or that it waits for another engine, or which worker's thread has not come |
//!
//! # What is not here
//!
//! No I/O, no async runtime, no randomness, no hash-map iteration, and a clock only behind one door (to choose direct
//! mode, for traces and for the watchdog; never visible in results).
#![forbid(unsafe_code)]

/// The first page, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadMe;

mod ahead;
mod arena;
mod bag;
mod base;
mod batch;
mod builder;
mod cell;
mod certify;
mod chain;
mod changes;
mod chaos;
mod context;
mod counters;
mod direct;
mod engine;
mod error;
mod execute;
mod front;
mod handle;
mod hints;
mod inplace;
mod inside;
mod keyed;
mod lend;
mod lesson;
mod limits;
mod map;
mod mark;
mod memory;
#[cfg(all(test, loom))]
mod models;
#[cfg(feature = "mutants")]
pub mod mutants;
mod park;
mod pool;
mod publish;
mod query;
mod read_set;
mod reclaim;
mod run;
mod seeded;
mod segment;
mod slot;
mod spec;
mod spec_keyed;
mod stats;
mod store;
mod sync;
mod table;
mod turn;
mod tx;
mod value;
mod vault;
mod vec;
mod watchdog;
mod write_index;

pub use bag::TxBag;
pub use base::{Base, BaseError, CounterBase};
pub use builder::{Builder, Executor, MAX_BATCH, MAX_THREADS, MAX_WINDOW, Mode};
pub use cell::{TxCell, TxCounter};
pub use changes::{Change, Changes, CounterChange, CounterChanges};
pub use context::Contexts;
pub use counters::{CounterRef, TxCounters};
pub use engine::Stm;
pub use error::{BuildError, Fatal, FatalCause, Outcome, Revert, Stop, StopKind, Stopped, TxResult};
pub use lend::lent;
pub use limits::{DEFAULT_MAX_KEY, DEFAULT_MAX_VALUE, MAX_BYTES};
pub use map::{Cursor, Direction, Key, KeyRef, TxMap};
pub use mark::Mark;
pub use memory::{MemoryRef, TxMemory};
pub use stats::Stats;
pub use turn::{Turn, Verdict};
pub use tx::{MAX_ACCESSES, MAX_DEPTH, Tx};
pub use value::Value;
pub use vec::TxVec;
