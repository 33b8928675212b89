//! Names for the line `use std::net::{TcpListener, TcpStream};`: what follows in a program stays as it is.
//!
//! ```no_run
//! use replicode_guest::net::TcpListener; // instead of std::net::TcpListener
//!
//! for stream in TcpListener::bind("0.0.0.0:7")?.incoming() {
//!     std::io::copy(&mut &stream?, &mut std::io::sink())?;
//! }
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! What `bind` and `connect` give are the standard library's own types. Where a program writes their names as types, it
//! imports those as well, for example `use std::net::TcpStream as Stream`.

use crate::addrs::{ToAddrs, first};
use std::io;
use std::net;

/// Stands for [`std::net::TcpListener`] where one is made.
#[derive(Debug)]
pub enum TcpListener {}

impl TcpListener {
    /// As [`std::net::TcpListener::bind`].
    ///
    /// # Errors
    /// As [`crate::bind`], for the last address.
    pub fn bind(addrs: impl ToAddrs) -> io::Result<net::TcpListener> {
        first(&addrs, crate::bind)
    }
}

/// Stands for [`std::net::TcpStream`] where one is made.
#[derive(Debug)]
pub enum TcpStream {}

impl TcpStream {
    /// As [`std::net::TcpStream::connect`]; names are those of the cell's programs.
    ///
    /// # Errors
    /// As [`crate::connect`], for the last address.
    pub fn connect(addrs: impl ToAddrs) -> io::Result<net::TcpStream> {
        first(&addrs, crate::connect)
    }
}
