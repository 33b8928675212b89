//! The socket: connections, the two languages that they speak, and who is answered when.

mod answer;
mod connection;
mod driver;
mod frames;
mod operations;
mod program;
mod relay;
mod request;
mod server;
mod syncer;

pub use driver::{Driver, Ticket};
pub use request::fuzz_request;
pub use server::{Server, ServerOptions};
