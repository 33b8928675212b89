//! The service of functions as its users meet it: the real server, real sockets, the Rust, Python and command-line clients.

mod commands;
mod crashes;
mod fuzz;
mod limits;
mod outputs;
mod programs;
mod protocol;
mod server;
mod state;
mod tenants;
mod transcripts;
