//! Functions: a WebAssembly module is loaded once and run many times, over a Unix socket, each time in a fresh instance, with bounded time,
//! fuel and memory. Runs chain inside the server; their state is transactional.
//!
//! ```text
//!  client ── line or frame ──> driver ── Job ──> perform ── Run::execute (runtime/wasm) ──> instance
//!                                 │                 │                └─ Env: state, log, other functions
//!                                 │                 └─ commit: one transaction (stm), then the log of state
//!                                 └─ first slice used up: this thread stays with the execution, another goes on with the driver
//! ```
//!
//! | module | it is |
//! |---|---|
//! | [`registry`] | which functions there are, in memory and on the disk |
//! | [`execute`] | executions and chains |
//! | [`env`](mod@env) | what a running function can ask for |
//! | [`state`] | keys and values, changed by whole executions or not at all |
//! | [`confined`] | the directory that modules are read from |
//! | [`crew`] | threads, and places of executions that take long |
//! | [`serve`] | the socket and both languages |
//! | [`service`] | all of it but the socket |
//! | [`tenants`] | who uses a server, and how much of it |
//! | [`beyond`] | a server that executes nothing itself: who answers instead |
//! | [`metrics`] | counters for Prometheus |
//! | [`limits`], [`error`](mod@error), [`stats`], [`uuid`] | how much, what went wrong, how often, what numbers are |
//!
//! Not here: what a module may do and how it is compiled (`runtime/wasm`), and what a client needs (`runtime/functions/client`, which
//! imports nothing of this).

pub mod beyond;
pub mod confined;
pub mod crew;
pub mod env;
pub mod error;
pub mod execute;
pub mod limits;
pub mod metrics;
pub mod registry;
pub mod serve;
pub mod service;
pub mod state;
pub mod stats;
pub mod tenants;
pub mod uuid;

pub use beyond::Beyond;
pub use confined::Confined;
pub use error::{ErrorCode, ServiceError};
pub use limits::{ExecutionConfig, ServerLimits};
pub use serve::{Server, ServerOptions};
pub use service::{Modules, Options, Service, StartError};
pub use state::Sync;
pub use tenants::{Tenant, TenantsConfig};
