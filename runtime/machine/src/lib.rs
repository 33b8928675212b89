//! What one committed batch does.
//!
//! The machine holds a cell's whole state: the kernel, the NAT table, the guests, and what is known about the nodes'
//! boots. [`Machine::apply`] takes one batch to the next quiescence, the point at which every process waits, and
//! answers with everything that leaves the cell because of it. The same batches give the same answers and the same
//! digests, on every node and at every replay.
//!
//! | module | it is |
//! |---|---|
//! | [`machine`] | `apply`: the order of a batch |
//! | [`guest`] | what the machine asks of a running program |
//! | [`intake`] | what each kind of input does |
//! | [`calls`] | contract calls of a batch, as one block |
//! | [`turn`] | who runs next, and when it is enough |
//! | [`process`] | how processes begin and end |
//! | [`restart`] | which are started anew, and after what pause |
//! | [`orders`] | what operators ask for |
//! | [`sides`] | how the kernel and the NAT table talk through the machine |
//! | [`origins`] | boots, sequence numbers, at most once |
//! | [`ledger`] | the nodes' reports and who is in the minority |
//! | [`history`] | recent digests and system calls, to find the step where two nodes parted |
//!
//! Not here: a socket, a file, a clock, a thread, the consensus engine, the wasm engine, what executes contracts.

pub mod calls;
pub mod guest;
pub mod history;
pub mod intake;
pub mod ledger;
pub mod machine;
pub mod orders;
pub mod origins;
pub mod process;
pub mod restart;
pub mod sides;
pub mod turn;

pub use calls::{Block, Execute, InPlace};
pub use guest::{Guest, GuestLoader, LoadError, Pause};
pub use history::History;
pub use ledger::Ledger;
pub use machine::{Applied, Fault, Machine, MachineError, Note};
pub use origins::Origins;
