//! The client that blocks.

use crate::message::{self, Answer, ClientError, Config};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A connection in JSON.
#[derive(Debug)]
pub struct Client {
    path: PathBuf,
    stream: Option<BufReader<UnixStream>>,
    timeout: Option<Duration>,
    next: u64,
    /// The token that is said at the beginning of each connection.
    token: Option<String>,
    /// Requests of this connection whose answers have not come.
    under_way: BTreeSet<u64>,
    /// Answers that came before somebody asked for them.
    early: BTreeMap<u64, Value>,
}

impl Client {
    /// Connects to a server.
    ///
    /// # Errors
    /// [`ClientError::NoServer`].
    pub fn connect(path: impl AsRef<Path>) -> Result<Self, ClientError> {
        Self::connect_as(path, None)
    }

    /// Connects to a server as the tenant that has a token, or whose the user is.
    ///
    /// # Errors
    /// [`ClientError::NoServer`]; or nobody has that token.
    pub fn connect_as(path: impl AsRef<Path>, token: Option<&str>) -> Result<Self, ClientError> {
        let mut client = Self {
            path: path.as_ref().into(),
            token: token.map(str::to_string),
            stream: None,
            timeout: None,
            next: 1,
            under_way: BTreeSet::new(),
            early: BTreeMap::new(),
        };
        client.stream()?;
        Ok(client)
    }

    /// How long to wait for bytes of an answer; for ever without.
    pub fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.timeout = timeout;
        if let Some(stream) = &self.stream {
            let _ = stream.get_ref().set_read_timeout(timeout);
        }
    }

    fn stream(&mut self) -> Result<&mut BufReader<UnixStream>, ClientError> {
        if self.stream.is_none() {
            let no_server = |error| ClientError::NoServer { path: self.path.display().to_string(), error };
            let stream = UnixStream::connect(&self.path).map_err(no_server)?;
            stream.set_read_timeout(self.timeout).map_err(ClientError::Lost)?;
            // What was asked on a connection that is gone is answered on none.
            self.under_way.clear();
            self.early.clear();
            let mut stream = BufReader::with_capacity(64 << 10, stream);
            if let Some(token) = &self.token {
                let line = message::hello(token, false);
                stream.get_mut().write_all(line.as_bytes()).map_err(ClientError::Lost)?;
                let mut answer = String::new();
                stream.read_line(&mut answer).map_err(ClientError::Lost)?;
                message::welcome(&answer)?;
            }
            self.stream = Some(stream);
        }
        self.stream.as_mut().ok_or_else(|| ClientError::Lost(io::ErrorKind::NotConnected.into()))
    }

    /// The connection, while there is one: to ask the system who is at its other end.
    #[must_use]
    pub fn descriptor(&self) -> Option<std::os::fd::BorrowedFd<'_>> {
        use std::os::fd::AsFd as _;
        self.stream.as_ref().map(|stream| stream.get_ref().as_fd())
    }

    fn lost(&mut self, error: io::Error) -> ClientError {
        self.stream = None;
        ClientError::Lost(error)
    }

    /// Sends a request without waiting for its answer. Returns its id.
    ///
    /// # Errors
    /// When there is no server, or the connection ends.
    pub fn send(&mut self, mut request: Value) -> Result<u64, ClientError> {
        let id = self.next;
        self.next += 1;
        request["id"] = json!(id);
        let mut line = request.to_string();
        line.push('\n');
        let fresh = self.stream.is_none();
        let sent = self.stream()?.get_mut().write_all(line.as_bytes());
        match sent {
            Ok(()) => Ok(self.sent(id)),
            // The server was started anew since the last request: nothing of this one has arrived anywhere.
            Err(error) if !fresh && error.kind() == io::ErrorKind::BrokenPipe => {
                self.stream = None;
                let sent = self.stream()?.get_mut().write_all(line.as_bytes());
                sent.map(|()| self.sent(id)).map_err(|error| self.lost(error))
            }
            Err(error) => Err(self.lost(error)),
        }
    }

    fn sent(&mut self, id: u64) -> u64 {
        self.under_way.insert(id);
        id
    }

    /// Waits for the answer to a request.
    ///
    /// # Errors
    /// When the connection ends or has ended since it was sent, or the server says that the request failed.
    pub fn receive(&mut self, id: u64) -> Result<Value, ClientError> {
        loop {
            if let Some(answer) = self.early.remove(&id) {
                return message::open(answer);
            }
            if !self.under_way.contains(&id) {
                // Sent on a connection that has ended since, or answered already.
                return Err(ClientError::Lost(io::ErrorKind::NotConnected.into()));
            }
            let mut line = String::new();
            match self.stream()?.read_line(&mut line) {
                Ok(0) => return Err(self.lost(io::ErrorKind::UnexpectedEof.into())),
                Ok(_) => {}
                Err(error) => return Err(self.lost(error)),
            }
            let answer: Value =
                serde_json::from_str(&line).map_err(|error| ClientError::Protocol(error.to_string()))?;
            match answer.get("id").and_then(Value::as_u64) {
                Some(answered) => {
                    self.under_way.remove(&answered);
                    self.early.insert(answered, answer);
                }
                // An answer that belongs to no request tells of the connection itself.
                None => return message::open(answer),
            }
        }
    }

    /// Sends any request and waits for its answer.
    ///
    /// # Errors
    /// As [`Client::send`] and [`Client::receive`].
    pub fn request(&mut self, request: Value) -> Result<Value, ClientError> {
        let id = self.send(request)?;
        self.receive(id)
    }

    /// Loads a module. Returns its UUID.
    ///
    /// # Errors
    /// As [`Client::request`].
    pub fn load(&mut self, wasm: &[u8], name: Option<&str>) -> Result<String, ClientError> {
        message::uuid(&self.request(message::load(wasm, name))?)
    }

    /// Executes a function, by name or UUID.
    ///
    /// # Errors
    /// As [`Client::request`].
    pub fn execute(&mut self, function: &str, input: &[u8], config: &Config) -> Result<Answer, ClientError> {
        message::answer(&self.request(message::execute(function, input, config))?)
    }

    /// Executes functions one behind the other.
    ///
    /// # Errors
    /// As [`Client::request`].
    pub fn chain(&mut self, functions: &[&str], input: &[u8], config: &Config) -> Result<Answer, ClientError> {
        message::answer(&self.request(message::chain(functions, input, config))?)
    }

    /// Unloads a function.
    ///
    /// # Errors
    /// As [`Client::request`].
    pub fn unload(&mut self, function: &str) -> Result<(), ClientError> {
        self.request(json!({"op": "unload", "uuid": function})).map(drop)
    }

    /// What functions there are.
    ///
    /// # Errors
    /// As [`Client::request`].
    pub fn list(&mut self) -> Result<Vec<Value>, ClientError> {
        match self.request(json!({"op": "list"}))? {
            Value::Array(functions) => Ok(functions),
            _ => Err(ClientError::Protocol("a list's answer is no list".into())),
        }
    }

    /// Reads an execution's answer that was asked for with [`Client::send`].
    ///
    /// # Errors
    /// As [`Client::receive`].
    pub fn receive_answer(&mut self, id: u64) -> Result<Answer, ClientError> {
        message::answer(&self.receive(id)?)
    }
}
