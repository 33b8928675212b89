//! http: a small JSON store over HTTP/1.1 with keep-alive, in one thread around `poll`.
//!
//! ```text
//! http [--port N]          default 8080; a listener that the runtime opened is used instead when there is one
//!
//! GET /healthz             {"status":"ok"}
//! GET /time                {"unix_ms":...}
//! GET /items               {"count":2,"keys":["a","b"]}
//! GET /items/KEY           the value
//! PUT /items/KEY           stores the JSON value in the body: 201 when new, 200 when replaced
//! DELETE /items/KEY        204
//! ```
//!
//! Shows a Rust server with ordinary crates and `std::net` types. Where it differs from a native program: one line, which
//! makes the listener.

#![forbid(unsafe_code)]

mod api;
mod chunked;
mod connection;
mod message;

use std::io;
use std::net::TcpListener;
use std::process::ExitCode;

use api::Store;
use connection::Connection;
use replicode_guest::{PollFd, poll};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("http: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> io::Result<()> {
    let listener = match replicode_guest::inherited_listeners()?.into_iter().next() {
        Some(inherited) => inherited,
        None => replicode_guest::bind(([0, 0, 0, 0], port()?))?,
    };
    listener.set_nonblocking(true)?;
    println!("http: listening on {}", replicode_guest::local_addr(&listener)?);
    Server::new(listener).serve()
}

fn port() -> io::Result<u16> {
    let mut args = std::env::args().skip(1);
    let port = match (args.next().as_deref(), args.next(), args.next()) {
        (None, ..) => Some(8080),
        (Some("--port"), Some(text), None) => text.parse().ok(),
        _ => None,
    };
    port.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "usage: http [--port N]"))
}

struct Server {
    listener: TcpListener,
    store: Store,
    /// `fds[0]` is the listener, `fds[i + 1]` belongs to `connections[i]`. Changed in place, never rebuilt.
    fds: Vec<PollFd>,
    connections: Vec<Connection>,
    /// No descriptor is left: the listener, which stays readable, is not polled until a connection ends.
    full: bool,
}

impl Server {
    fn new(listener: TcpListener) -> Self {
        let mut fd = PollFd::new(&listener);
        fd.watch(true, false);
        Self { listener, store: Store::default(), fds: vec![fd], connections: Vec::new(), full: false }
    }

    fn serve(mut self) -> io::Result<()> {
        loop {
            let skip = usize::from(self.full && !self.connections.is_empty());
            match poll(&mut self.fds[skip..], None) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            };
            // Downwards, because swap_remove moves the last one, which was served already, into the hole.
            for i in (0..self.connections.len()).rev() {
                let ready = self.fds[i + 1].ready();
                if !ready.any() {
                    continue;
                }
                let connection = &mut self.connections[i];
                if connection.serve(ready, &mut self.store) {
                    self.fds[i + 1].watch(connection.wants_read(), connection.wants_write());
                } else {
                    self.connections.swap_remove(i);
                    self.fds.swap_remove(i + 1);
                    self.full = false;
                }
            }
            if skip == 0 && self.fds[0].ready().any() {
                self.accept();
            }
        }
    }

    /// Takes all connections that wait.
    fn accept(&mut self) {
        while let Some(accepted) = self.next_connection() {
            if accepted.set_nonblocking(true).is_err() {
                continue;
            }
            let mut fd = PollFd::new(&accepted);
            fd.watch(true, false);
            self.fds.push(fd);
            self.connections.push(Connection::new(accepted));
        }
    }

    fn next_connection(&mut self) -> Option<std::net::TcpStream> {
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => return Some(stream),
                Err(error) => match error.kind() {
                    io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted => {}
                    io::ErrorKind::WouldBlock => return None,
                    _ => {
                        self.full = true;
                        return None;
                    }
                },
            }
        }
    }
}
