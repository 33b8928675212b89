//! The shared vocabulary of replicode: what the log says, in types that every room understands.
//!
//! Everything that can influence a run is a value of this crate: ids, [`LogicalTime`], [`Input`]s gathered in a
//! [`Batch`], the [`Output`]s that a batch causes, the [`ClusterConfig`] that must be equal everywhere, and the
//! [`Digest`]s that prove that two nodes did the same. The crate is pure: it does no I/O, reads no clock and draws no
//! random number, and it knows neither the kernel nor the consensus engine.
//!
//! | module | it is |
//! |---|---|
//! | [`ids`] | newtypes for everything that has a number |
//! | [`time`] | time since genesis, the only clock that can influence state |
//! | [`mono`] | a moment on this host's clock, which never enters a batch |
//! | [`digest`] | content hashes, the digest chain, the fast hash of a batch's system calls |
//! | [`input`], [`output`] | what enters the machine through the log, and what leaves it |
//! | [`net_event`] | the sentences that the kernel and the NAT table say to each other |
//! | [`batch`] | the unit of agreement, of replay and of blame |
//! | [`tip`] | the end of the history so far, and whether a batch continues it |
//! | [`limits`], [`config`], [`contracts`] | what must be equal on all nodes |
//! | [`image`] | files imported at genesis |
//! | [`codec`] | bounded decoding of what a peer or a disk says |

pub mod batch;
pub mod codec;
pub mod config;
pub mod contracts;
pub mod digest;
pub mod ids;
pub mod image;
pub mod input;
pub mod limits;
pub mod mono;
pub mod net_event;
pub mod output;
pub mod time;
pub mod tip;

pub use batch::{Batch, BatchBuilder, BatchHeader, Section};
pub use codec::CodecError;
pub use config::{ClusterConfig, ConfigError, ModuleEntry, ProgramSpec, Restart};
pub use contracts::ContractsConfig;
pub use digest::{Digest, StepHash, Trail, TrailHash};
pub use ids::{BatchIndex, BootNo, ConnId, IdError, NodeId, Pid, SockId, Term};
pub use image::{FsEntry, FsImage, FsNode};
pub use input::{Call, HostAddr, Input, Order, Service, Spawn};
pub use limits::{LimitError, Limits};
pub use mono::Mono;
pub use net_event::{Egress, FlowPort, Ingress, KeepAlive, Refused};
pub use output::{Called, ConsoleStream, ExitStatus, Ordered, Output, Refusal, TrapKind};
pub use time::LogicalTime;
pub use tip::Tip;
