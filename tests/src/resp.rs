//! A small RESP2 client: what the Redis protocol specification says, and no more.

use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// `+OK`
    Simple(String),
    /// `-ERR …`
    Error(String),
    /// `:1`
    Integer(i64),
    /// `$3…`; `None` is the null reply.
    Bulk(Option<Vec<u8>>),
    /// `*2…`
    Array(Vec<Value>),
}

impl Value {
    /// The text of a simple or bulk reply.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        match self {
            Self::Simple(text) => Some(text.clone()),
            Self::Bulk(Some(bytes)) => Some(String::from_utf8_lossy(bytes).into_owned()),
            _ => None,
        }
    }
}

/// A connection.
pub struct Resp {
    stream: BufReader<TcpStream>,
}

impl Resp {
    /// Connects to a port on loopback. Every read gives up after `timeout`.
    ///
    /// # Errors
    /// When nobody accepts.
    pub fn connect(port: u16, timeout: Duration) -> Result<Self> {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let stream =
            TcpStream::connect_timeout(&address, timeout).with_context(|| format!("connecting to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(timeout))?;
        stream.set_write_timeout(Some(timeout))?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// The port of this end: how the server sees the client.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn local_port(&self) -> Result<u16> {
        Ok(self.stream.get_ref().local_addr()?.port())
    }

    /// Sends a command without waiting for its reply.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn send(&mut self, parts: &[&[u8]]) -> Result<()> {
        let mut bytes = format!("*{}\r\n", parts.len()).into_bytes();
        for part in parts {
            bytes.extend_from_slice(format!("${}\r\n", part.len()).as_bytes());
            bytes.extend_from_slice(part);
            bytes.extend_from_slice(b"\r\n");
        }
        self.stream.get_mut().write_all(&bytes).context("sending a command")
    }

    /// Sends a command and reads its reply.
    ///
    /// # Errors
    /// When the connection is gone or the reply is malformed. A reply that says `-ERR` is a value.
    pub fn command(&mut self, parts: &[&str]) -> Result<Value> {
        let parts: Vec<&[u8]> = parts.iter().map(|part| part.as_bytes()).collect();
        self.send(&parts)?;
        self.reply()
    }

    /// Reads one reply.
    ///
    /// # Errors
    /// When the connection is gone or the reply is malformed.
    pub fn reply(&mut self) -> Result<Value> {
        let mut line = String::new();
        if self.stream.read_line(&mut line).context("reading a reply")? == 0 {
            bail!("the server closed the connection");
        }
        let Some(text) = line.strip_suffix("\r\n") else { bail!("reply without an end of line: {line:?}") };
        let (Some(kind), rest) = (text.bytes().next(), text.get(1..).unwrap_or_default()) else { bail!("empty reply") };
        match kind {
            b'+' => Ok(Value::Simple(rest.to_string())),
            b'-' => Ok(Value::Error(rest.to_string())),
            b':' => Ok(Value::Integer(rest.parse()?)),
            b'$' => {
                let Ok(len) = usize::try_from(rest.parse::<i64>()?) else { return Ok(Value::Bulk(None)) };
                let mut bytes = vec![0; len + 2];
                self.stream.read_exact(&mut bytes).context("reading a bulk reply")?;
                bytes.truncate(len);
                Ok(Value::Bulk(Some(bytes)))
            }
            b'*' => {
                let len = rest.parse::<i64>()?.max(0);
                (0..len).map(|_| self.reply()).collect::<Result<_>>().map(Value::Array)
            }
            other => bail!("a reply starts with {:?}", char::from(other)),
        }
    }
}
