//! The client that speaks frames: execute and chain, without text.

use crate::message::{self, ClientError, Config, Failure};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

/// The server's codes, by number; 0 is success.
pub const CODES: [&str; 23] = [
    "ok",
    "bad_json",
    "bad_request",
    "too_long",
    "unknown_op",
    "not_found",
    "busy",
    "overloaded",
    "bad_module",
    "unsupported_import",
    "no_entry",
    "trap",
    "plugin",
    "timeout",
    "fuel",
    "memory",
    "output_too_large",
    "log_too_large",
    "state_conflict",
    "read_only",
    "cancelled",
    "shutting_down",
    "node",
];

/// What came for a request.
#[derive(Debug)]
pub struct FrameAnswer {
    /// Whose answer it is.
    pub id: u64,
    /// Fuel.
    pub fuel: u64,
    /// The output, or why there is none.
    pub result: Result<Vec<u8>, Failure>,
}

/// A connection in frames.
#[derive(Debug)]
pub struct FrameClient {
    stream: BufReader<UnixStream>,
    waiting: Vec<u8>,
}

/// The bytes of a UUID in its usual form.
fn uuid_bytes(text: &str) -> Result<[u8; 16], ClientError> {
    let (mut number, mut digits) = (0u128, 0);
    for byte in text.bytes().filter(|byte| *byte != b'-') {
        match char::from(byte).to_digit(16) {
            Some(digit) if digits < 32 => (number, digits) = (number << 4 | u128::from(digit), digits + 1),
            _ => digits = usize::MAX,
        }
    }
    if digits == 32 {
        return Ok(number.to_be_bytes());
    }
    Err(ClientError::Protocol(format!("{text:?} is no UUID: frames take no names")))
}

impl FrameClient {
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
        let path = path.as_ref();
        let stream = UnixStream::connect(path)
            .map_err(|error| ClientError::NoServer { path: path.display().to_string(), error })?;
        let mut stream = BufReader::with_capacity(256 << 10, stream);
        let Some(token) = token else { return Ok(Self { stream, waiting: b"RFN1".to_vec() }) };
        // What begins with a line goes on with frames when that says so.
        let line = message::hello(token, true);
        stream.get_mut().write_all(line.as_bytes()).map_err(ClientError::Lost)?;
        let mut answer = String::new();
        stream.read_line(&mut answer).map_err(ClientError::Lost)?;
        message::welcome(&answer)?;
        Ok(Self { stream, waiting: Vec::new() })
    }

    fn push(&mut self, op: u8, id: u64, uuid: [u8; 16], config: &Config, payload: &[&[u8]]) {
        let length = 52 + payload.iter().map(|part| part.len()).sum::<usize>();
        let small = |value: Option<u64>| u32::try_from(value.unwrap_or(0)).unwrap_or(u32::MAX).to_le_bytes();
        let out = &mut self.waiting;
        out.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
        out.extend_from_slice(&[op, 0, 0, 0]);
        out.extend_from_slice(&id.to_le_bytes());
        out.extend_from_slice(&uuid);
        out.extend_from_slice(&small(config.timeout_ms));
        out.extend_from_slice(&small(config.memory_limit_mb));
        out.extend_from_slice(&config.fuel.unwrap_or(0).to_le_bytes());
        out.extend_from_slice(&small(config.output_limit_mb));
        out.extend_from_slice(&[0; 4]);
        payload.iter().for_each(|part| out.extend_from_slice(part));
    }

    /// Puts an execution with the others that are sent at the next [`FrameClient::flush`].
    ///
    /// # Errors
    /// When `uuid` is none.
    pub fn push_execute(&mut self, id: u64, uuid: &str, input: &[u8], config: &Config) -> Result<(), ClientError> {
        let uuid = uuid_bytes(uuid)?;
        self.push(1, id, uuid, config, &[input]);
        Ok(())
    }

    /// The same with a chain.
    ///
    /// # Errors
    /// When a `uuid` is none, or there are more than 255.
    pub fn push_chain(&mut self, id: u64, uuids: &[&str], input: &[u8], config: &Config) -> Result<(), ClientError> {
        let count = u8::try_from(uuids.len());
        let mut list = vec![count.map_err(|_| ClientError::Protocol("a chain of more than 255 stages".into()))?];
        for uuid in uuids {
            list.extend_from_slice(&uuid_bytes(uuid)?);
        }
        self.push(2, id, [0; 16], config, &[&list, input]);
        Ok(())
    }

    /// Sends what waits.
    ///
    /// # Errors
    /// When the connection ends.
    pub fn flush(&mut self) -> Result<(), ClientError> {
        self.stream.get_mut().write_all(&self.waiting).map_err(ClientError::Lost)?;
        self.waiting.clear();
        Ok(())
    }

    /// Waits for the next answer, whosever it is.
    ///
    /// # Errors
    /// When the connection ends, or what comes is no frame.
    pub fn receive(&mut self) -> Result<FrameAnswer, ClientError> {
        let mut head = [0; 24];
        self.stream.read_exact(&mut head).map_err(ClientError::Lost)?;
        let [l0, l1, l2, l3, status, _, s0, s1, rest @ ..] = head;
        let length = u64::from(u32::from_le_bytes([l0, l1, l2, l3]));
        let stage = u64::from(u16::from_le_bytes([s0, s1]));
        let (words, _) = rest.as_chunks::<8>();
        let word = |at: usize| words.get(at).map_or(0, |word| u64::from_le_bytes(*word));
        let (id, fuel) = (word(0), word(1));
        let rest = usize::try_from(length).ok().and_then(|length| length.checked_sub(20));
        let rest = rest.ok_or_else(|| ClientError::Protocol(format!("a frame of {length} bytes")))?;
        let mut payload = vec![0; rest];
        self.stream.read_exact(&mut payload).map_err(ClientError::Lost)?;
        if status == 0 {
            return Ok(FrameAnswer { id, fuel, result: Ok(payload) });
        }
        let code = CODES.get(usize::from(status)).unwrap_or(&"unknown");
        let failure = Failure {
            code: (*code).to_string(),
            message: String::from_utf8_lossy(&payload).into_owned(),
            stage: Some(stage),
            fuel: Some(fuel),
            logs: Vec::new(),
        };
        Ok(FrameAnswer { id, fuel, result: Err(failure) })
    }

    /// Whether bytes of a further answer have come already.
    #[must_use]
    pub fn has_more(&self) -> bool {
        self.stream.buffer().len() >= 24
    }

    /// Executes a function and waits for it.
    ///
    /// # Errors
    /// As [`FrameClient::receive`], and what the server says.
    pub fn execute(&mut self, uuid: &str, input: &[u8], config: &Config) -> Result<(Vec<u8>, u64), ClientError> {
        self.push_execute(0, uuid, input, config)?;
        self.flush()?;
        let answer = self.receive()?;
        Ok((answer.result?, answer.fuel))
    }

    /// Executes functions one behind the other and waits for them.
    ///
    /// # Errors
    /// As [`FrameClient::execute`].
    pub fn chain(&mut self, uuids: &[&str], input: &[u8], config: &Config) -> Result<(Vec<u8>, u64), ClientError> {
        self.push_chain(0, uuids, input, config)?;
        self.flush()?;
        let answer = self.receive()?;
        Ok((answer.result?, answer.fuel))
    }

    /// The end of what is sent: answers to what is under way still come.
    ///
    /// # Errors
    /// When the connection has ended.
    pub fn finish(&mut self) -> io::Result<()> {
        self.stream.get_ref().shutdown(std::net::Shutdown::Write)
    }
}
