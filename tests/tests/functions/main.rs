//! The service of functions as its users meet it: the real server, real sockets, the Rust, Python and command-line clients.

mod commands;
mod crashes;
mod limits;
mod outputs;
mod protocol;
mod server;
mod state;
