//! Clients of the function service.
//!
//! ```no_run
//! use replicode_functions_client::{Client, Config};
//!
//! let mut client = Client::connect("/tmp/wasm-core.sock")?;
//! let uuid = client.load(&std::fs::read("transform.wasm")?, Some("transform"))?;
//! let answer = client.execute(&uuid, b"hello", &Config { timeout_ms: Some(500), ..Config::default() })?;
//! println!("{} for {} units of fuel", String::from_utf8_lossy(&answer.output), answer.fuel);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | client | speaks | waits |
//! |---|---|---|
//! | [`Client`] | JSON, all operations | blocks |
//! | [`FrameClient`] | frames: execute and chain, for speed | blocks |
//! | [`AsyncClient`] | JSON, many requests at a time | on tokio |
//!
//! A client whose connection has ended connects again for the next request. A request that was under way when it ended is an error: whether
//! it was executed is unknown.

mod asynchronous;
mod blocking;
mod frames;
mod message;

pub use asynchronous::AsyncClient;
pub use blocking::Client;
pub use frames::{CODES, FrameAnswer, FrameClient};
pub use message::{Answer, ClientError, Config, Failure, Stage};

/// Where a server listens when nobody says anything.
pub const DEFAULT_SOCKET: &str = "/tmp/wasm-core.sock";
/// The variable of the environment with the token of the tenant to be.
pub const TOKEN_VARIABLE: &str = "REPLICODE_FN_TOKEN";
/// The variable of the environment that says where.
pub const SOCKET_VARIABLE: &str = "REPLICODE_FN_SOCKET";
