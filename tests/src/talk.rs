//! What load generators say to servers, protocol by protocol, and whether the answers are right.

use anyhow::{Context, Result, bail, ensure};

/// Number of different keys.
const KEYS: u64 = 100_000;

/// How many messages a client of a broker has under way.
pub const WINDOW: usize = 50;

/// One client's side of a protocol.
pub trait Talk: Send + 'static {
    /// Adds what is said once on a new connection; answers how many replies it gets.
    fn greet(&mut self, _out: &mut Vec<u8>) -> usize {
        0
    }

    /// Adds what is asked next; answers how many replies it gets.
    fn ask(&mut self, out: &mut Vec<u8>) -> usize;

    /// The length of the reply at the front of `bytes`, or nothing where it is not whole yet.
    ///
    /// # Errors
    /// When it is not the right one.
    fn reply(&mut self, bytes: &[u8]) -> Result<Option<usize>>;

    /// Whether the server ends the connection after the last reply, and has said so.
    fn closes(&mut self) -> bool {
        false
    }
}

/// The first line of `bytes`, its end included.
fn line(bytes: &[u8]) -> Option<&[u8]> {
    Some(&bytes[..=bytes.iter().position(|byte| *byte == b'\n')?])
}

/// The length of a reply that is one line, the expected one.
fn expected(bytes: &[u8], want: &[u8]) -> Result<Option<usize>> {
    let Some(line) = line(bytes) else { return Ok(None) };
    ensure!(line == want, "the server answered {}", String::from_utf8_lossy(line));
    Ok(Some(line.len()))
}

/// Keys in an order that looks like chance and is the same every time.
struct Keys(u64);

impl Keys {
    fn of(client: u64) -> Self {
        Self(client.wrapping_mul(104_729))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % KEYS
    }
}

/// What clients that speak RESP ask for.
#[derive(Clone, Copy, Debug)]
pub enum Ask {
    /// `SET key:N <bytes>`, answered by `+OK`.
    Set,
    /// `GET key:N`, answered by a bulk string or null.
    Get,
}

/// Redis and its like: so many requests at a time.
pub struct Resp {
    ask: Ask,
    keys: Keys,
    pipeline: usize,
    value: String,
}

impl Resp {
    /// A client, with values of `size` bytes.
    #[must_use]
    pub fn new(ask: Ask, client: u64, pipeline: usize, size: usize) -> Self {
        Self { ask, keys: Keys::of(client), pipeline, value: "v".repeat(size) }
    }
}

impl Talk for Resp {
    fn ask(&mut self, out: &mut Vec<u8>) -> usize {
        for _ in 0..self.pipeline {
            let (key, value) = (self.keys.next(), &self.value);
            let request = match self.ask {
                Ask::Set => format!("*3\r\n$3\r\nSET\r\n$16\r\nkey:{key:012}\r\n${}\r\n{value}\r\n", value.len()),
                Ask::Get => format!("*2\r\n$3\r\nGET\r\n$16\r\nkey:{key:012}\r\n"),
            };
            out.extend_from_slice(request.as_bytes());
        }
        self.pipeline
    }

    fn reply(&mut self, bytes: &[u8]) -> Result<Option<usize>> {
        let Some(head) = line(bytes) else { return Ok(None) };
        let length = match (self.ask, head[0]) {
            (Ask::Set, b'+') => head.len(),
            (Ask::Get, b'$') => match std::str::from_utf8(&head[1..])?.trim_end().parse::<i64>()? {
                body if body < 0 => head.len(),
                body => head.len() + usize::try_from(body)? + 2,
            },
            _ => bail!("the server answered {}", String::from_utf8_lossy(head)),
        };
        Ok((bytes.len() >= length).then_some(length))
    }
}

/// memcached's `set`, in its text protocol.
pub struct MemcachedSet {
    keys: Keys,
    value: String,
}

impl MemcachedSet {
    /// A client, with values of `size` bytes.
    #[must_use]
    pub fn new(client: u64, size: usize) -> Self {
        Self { keys: Keys::of(client), value: "v".repeat(size) }
    }
}

impl Talk for MemcachedSet {
    fn ask(&mut self, out: &mut Vec<u8>) -> usize {
        let (key, value) = (self.keys.next(), &self.value);
        out.extend_from_slice(format!("set key:{key:012} 0 0 {}\r\n{value}\r\n", value.len()).as_bytes());
        1
    }

    fn reply(&mut self, bytes: &[u8]) -> Result<Option<usize>> {
        expected(bytes, b"STORED\r\n")
    }
}

/// beanstalkd's `put`.
pub struct BeanstalkdPut {
    job: String,
    last: u64,
}

impl BeanstalkdPut {
    /// A client, with jobs of `size` bytes.
    #[must_use]
    pub fn new(size: usize) -> Self {
        Self { job: "j".repeat(size), last: 0 }
    }
}

impl Talk for BeanstalkdPut {
    fn ask(&mut self, out: &mut Vec<u8>) -> usize {
        out.extend_from_slice(format!("put 0 0 60 {}\r\n{}\r\n", self.job.len(), self.job).as_bytes());
        1
    }

    fn reply(&mut self, bytes: &[u8]) -> Result<Option<usize>> {
        let Some(line) = line(bytes) else { return Ok(None) };
        let id = line.strip_prefix(b"INSERTED ").and_then(|id| std::str::from_utf8(id).ok()?.trim_end().parse().ok());
        let id: u64 = id.with_context(|| format!("the server answered {}", String::from_utf8_lossy(line)))?;
        ensure!(id > self.last, "job {id} after job {}", self.last);
        self.last = id;
        Ok(Some(line.len()))
    }
}

/// Rows into SQLite, each a transaction, through the front of `wasm_programs/ports/sqlite-tcp`.
pub struct SqliteInsert {
    text: String,
}

impl SqliteInsert {
    /// A client, with rows of `size` bytes.
    #[must_use]
    pub fn new(size: usize) -> Self {
        Self { text: "t".repeat(size) }
    }
}

impl Talk for SqliteInsert {
    fn greet(&mut self, out: &mut Vec<u8>) -> usize {
        out.extend_from_slice(b"create table if not exists load (n integer primary key, what text)\n");
        1
    }

    fn ask(&mut self, out: &mut Vec<u8>) -> usize {
        out.extend_from_slice(format!("insert into load (what) values ('{}')\n", self.text).as_bytes());
        1
    }

    fn reply(&mut self, bytes: &[u8]) -> Result<Option<usize>> {
        expected(bytes, b"ok\n")
    }
}

/// `GET` over a connection that stays, for as long as the server lets it.
pub struct HttpGet {
    request: Vec<u8>,
    /// What every answer holds; without it, what the first one held.
    body: Option<Vec<u8>>,
    closes: bool,
}

impl HttpGet {
    /// A client.
    #[must_use]
    pub fn new(path: &str, body: Option<Vec<u8>>) -> Self {
        Self { request: format!("GET {path} HTTP/1.1\r\nHost: load\r\n\r\n").into_bytes(), body, closes: false }
    }
}

impl Talk for HttpGet {
    fn ask(&mut self, out: &mut Vec<u8>) -> usize {
        out.extend_from_slice(&self.request);
        1
    }

    fn reply(&mut self, bytes: &[u8]) -> Result<Option<usize>> {
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
        let head = std::str::from_utf8(&bytes[..end])?;
        ensure!(head.starts_with("HTTP/1.1 200 "), "the server answered {head}");
        let (mut length, mut closes) = (None, false);
        for (name, value) in head.lines().filter_map(|line| line.split_once(':')) {
            if name.eq_ignore_ascii_case("content-length") {
                length = Some(value.trim().parse::<usize>()?);
            } else if name.eq_ignore_ascii_case("connection") {
                closes = value.trim().eq_ignore_ascii_case("close");
            }
        }
        let length = end + 4 + length.with_context(|| format!("an answer without its length: {head}"))?;
        let Some(body) = bytes.get(end + 4..length) else { return Ok(None) };
        let want = self.body.get_or_insert_with(|| body.to_vec());
        ensure!(body == want, "the server answered with another body, of {} bytes", body.len());
        self.closes = closes;
        Ok(Some(length))
    }

    fn closes(&mut self) -> bool {
        std::mem::take(&mut self.closes)
    }
}

/// Messages of QoS 0 to a topic that only this client has subscribed to, a window of them at a time; a reply is a message
/// that comes back.
pub struct MqttQos0 {
    topic: String,
    payload: Vec<u8>,
    /// How many messages were published, and how many have come back.
    sent: u64,
    back: u64,
}

impl MqttQos0 {
    /// A client, with messages of `size` bytes, eight at least.
    #[must_use]
    pub fn new(client: u64, size: usize) -> Self {
        Self { topic: format!("load/{client}"), payload: vec![b'm'; size.max(8)], sent: 0, back: 0 }
    }

    fn publish(&mut self, number: u64, out: &mut Vec<u8>) {
        self.payload[..8].copy_from_slice(&number.to_be_bytes());
        packet(0x30, &[&text(&self.topic), &self.payload], out);
    }
}

/// Adds an MQTT packet.
fn packet(kind: u8, parts: &[&[u8]], out: &mut Vec<u8>) {
    out.push(kind);
    let mut length: usize = parts.iter().map(|part| part.len()).sum();
    while length > 127 {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    parts.iter().for_each(|part| out.extend_from_slice(part));
}

/// A text as MQTT has it.
fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u16).to_be_bytes(), text.as_bytes()].concat()
}

/// The length of the MQTT packet at the front of `bytes`, and of what comes before its body.
fn packet_length(bytes: &[u8]) -> Option<(usize, usize)> {
    let last = bytes.iter().skip(1).position(|byte| *byte < 0x80)? + 1;
    let body = bytes[1..=last].iter().rev().fold(0, |length, byte| length << 7 | usize::from(byte & 0x7f));
    (bytes.len() > last + body).then_some((last + 1 + body, last + 1))
}

impl Talk for MqttQos0 {
    fn greet(&mut self, out: &mut Vec<u8>) -> usize {
        // Version 3.1.1, a clean session, kept for as long as the connection is.
        packet(0x10, &[&text("MQTT"), &[4, 2, 0, 0], &text(&self.topic)], out);
        packet(0x82, &[&[0, 1], &text(&self.topic), &[0]], out);
        2
    }

    fn ask(&mut self, out: &mut Vec<u8>) -> usize {
        for _ in 0..WINDOW {
            self.sent += 1;
            self.publish(self.sent, out);
        }
        WINDOW
    }

    fn reply(&mut self, bytes: &[u8]) -> Result<Option<usize>> {
        let Some((length, head)) = packet_length(bytes) else { return Ok(None) };
        match bytes[0] {
            0x20 => ensure!(bytes[head..length] == [0, 0], "the broker refused the connection: {:?}", &bytes[..length]),
            0x90 => ensure!(bytes[head..length] == [0, 1, 0], "the broker refused the topic: {:?}", &bytes[..length]),
            _ => {
                self.back += 1;
                let mut want = Vec::with_capacity(length);
                self.publish(self.back, &mut want);
                ensure!(bytes[..length] == want, "message {} came back as {:?}", self.back, &bytes[..length]);
            }
        }
        Ok(Some(length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives `bytes` to a client piece by piece; answers how many replies it has seen.
    fn replies(talk: &mut impl Talk, bytes: &[u8]) -> Result<usize> {
        let (mut from, mut count) = (0, 0);
        for to in 0..=bytes.len() {
            while let Some(length) = talk.reply(&bytes[from..to])? {
                from += length;
                count += 1;
            }
        }
        assert_eq!(from, bytes.len(), "the rest is no whole reply");
        Ok(count)
    }

    #[test]
    fn replies_are_counted_and_errors_are_not_taken_for_answers() -> Result<()> {
        let get = || Resp::new(Ask::Get, 1, 1, 3);
        assert_eq!(replies(&mut get(), b"$3\r\nabc\r\n$-1\r\n")?, 2);
        assert!(replies(&mut get(), b"-ERR no\r\n").is_err());
        assert!(replies(&mut get(), b"+OK\r\n").is_err());
        assert_eq!(replies(&mut Resp::new(Ask::Set, 1, 1, 3), b"+OK\r\n+OK\r\n")?, 2);
        assert_eq!(replies(&mut MemcachedSet::new(1, 3), b"STORED\r\nSTORED\r\n")?, 2);
        assert!(replies(&mut MemcachedSet::new(1, 3), b"SERVER_ERROR out of memory\r\n").is_err());
        assert_eq!(replies(&mut BeanstalkdPut::new(3), b"INSERTED 7\r\nINSERTED 19\r\n")?, 2);
        assert!(replies(&mut BeanstalkdPut::new(3), b"INSERTED 7\r\nINSERTED 7\r\n").is_err());
        assert!(replies(&mut SqliteInsert::new(3), b"error locked\n").is_err());
        Ok(())
    }

    #[test]
    fn http_answers_hold_what_they_should() -> Result<()> {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
        let mut client = HttpGet::new("/", Some(b"hello".to_vec()));
        assert_eq!(replies(&mut client, &answer.repeat(3))?, 3);
        assert!(!client.closes());
        assert_eq!(replies(&mut client, b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello")?, 1);
        assert!(client.closes() && !client.closes());
        assert!(replies(&mut HttpGet::new("/", Some(b"hallo".to_vec())), answer).is_err());
        assert!(replies(&mut HttpGet::new("/", None), b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").is_err());
        Ok(())
    }

    #[test]
    fn messages_come_back_in_order() -> Result<()> {
        for size in [8, 300] {
            let (mut client, mut broker, mut sent) = (MqttQos0::new(1, size), MqttQos0::new(1, size), Vec::new());
            assert_eq!(client.ask(&mut sent), WINDOW);
            assert_eq!(replies(&mut client, &sent)?, WINDOW);
            let mut later = Vec::new();
            broker.publish(WINDOW as u64 + 2, &mut later);
            assert!(replies(&mut client, &later).is_err());
        }
        assert_eq!(replies(&mut MqttQos0::new(1, 8), b"\x20\x02\x00\x00\x90\x03\x00\x01\x00")?, 2);
        assert!(replies(&mut MqttQos0::new(1, 8), b"\x20\x02\x00\x05").is_err());
        Ok(())
    }
}
