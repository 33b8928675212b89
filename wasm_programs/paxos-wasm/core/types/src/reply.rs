//! What a client gets back.
//!
//! ```text
//! len u32 | client u128 | seq u64 | index u64 | version u64 | outcome u8 | value
//! ```
//! `len` counts what follows it; the value is the rest.

use crate::ids::ClientId;
use crate::wire::{Put, Reader, WireError};

/// Bytes of a reply without its value and without the length in front.
pub const REPLY_HEAD: usize = 16 + 8 + 8 + 8 + 1;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome<'a> {
    /// Opened, written, deleted or swapped. The reply's version is the one that was **replaced**, 0 if there was none; the new one is
    /// the reply's index.
    Done,
    /// Read: the value, the reply's version is the one of its write.
    Value(&'a [u8]),
    /// There is no such key (get, delete). The version is 0.
    Absent,
    /// A cas found this value instead; the version is the one of its write.
    Mismatch(&'a [u8]),
    /// A cas expected a value and there is no such key. The version is 0.
    MismatchAbsent,
    /// A later command of the session has been applied already: this is an old retry, and its answer is no longer kept.
    Stale,
    /// A sequence number was left out; the reply's version is the last that was applied.
    Gap,
    /// No session of that client: it was never opened, or forgotten because others were newer. Nothing was done.
    UnknownSession,
    /// The store is full (see `Limits::MAX_STATE`). Nothing was done, and the number is used up.
    Refused,
}

impl Outcome<'_> {
    /// The byte that stands for it.
    pub fn code(&self) -> u8 {
        match self {
            Outcome::Done => 0,
            Outcome::Value(_) => 1,
            Outcome::Absent => 2,
            Outcome::Mismatch(_) => 3,
            Outcome::MismatchAbsent => 4,
            Outcome::Stale => 5,
            Outcome::Gap => 6,
            Outcome::UnknownSession => 7,
            Outcome::Refused => 8,
        }
    }

    /// Whether the command was applied (now or at its first try).
    pub fn applied(&self) -> bool {
        self.code() <= 4
    }
}

/// The answer to one command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Reply<'a> {
    /// The session.
    pub client: ClientId,
    /// The command's number in it.
    pub seq: u64,
    /// The place of the command in the one order of all applied commands: 1 for the first of the cluster's life. A retry gets the
    /// place of the first try. 0 when nothing was applied. Whoever checks a history has the order from here.
    pub index: u64,
    /// See [`Outcome`]. A key's version is the index of its last write.
    pub version: u64,
    /// How it ended.
    pub outcome: Outcome<'a>,
}

impl<'a> Reply<'a> {
    /// Appends the encoded reply.
    #[inline]
    pub fn encode(&self, out: &mut Vec<u8>) {
        let value: &[u8] = match self.outcome {
            Outcome::Value(value) | Outcome::Mismatch(value) => value,
            _ => &[],
        };
        out.put_u32((REPLY_HEAD + value.len()) as u32);
        out.put_u128(self.client.0);
        out.put_u64(self.seq);
        out.put_u64(self.index);
        out.put_u64(self.version);
        out.put_u8(self.outcome.code());
        out.extend_from_slice(value);
    }

    /// Reads one reply.
    pub fn decode(reader: &mut Reader<'a>) -> Result<Reply<'a>, WireError> {
        let at = reader.at();
        let body = reader.block("a reply")?;
        let mut r = Reader::new(body);
        let client = ClientId(r.u128("a reply's client")?);
        let seq = r.u64("a reply's sequence number")?;
        let index = r.u64("a reply's index")?;
        let version = r.u64("a reply's version")?;
        let code = r.u8("a reply's outcome")?;
        let value = r.take(r.left(), "a reply's value")?;
        let outcome = match code {
            0 => Outcome::Done,
            1 => Outcome::Value(value),
            2 => Outcome::Absent,
            3 => Outcome::Mismatch(value),
            4 => Outcome::MismatchAbsent,
            5 => Outcome::Stale,
            6 => Outcome::Gap,
            7 => Outcome::UnknownSession,
            8 => Outcome::Refused,
            other => return Err(WireError::new(at, format!("no outcome has the number {other}"))),
        };
        Ok(Reply { client, seq, index, version, outcome })
    }
}

/// The replies in a run of bytes. Stops at the first error, which it yields.
#[derive(Clone, Debug)]
pub struct Replies<'a> {
    reader: Reader<'a>,
}

impl<'a> Replies<'a> {
    /// The replies in `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Replies { reader: Reader::new(bytes) }
    }
}

impl<'a> Iterator for Replies<'a> {
    type Item = Result<Reply<'a>, WireError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.reader.left() == 0 {
            return None;
        }
        let result = Reply::decode(&mut self.reader);
        if result.is_err() {
            self.reader = Reader::new(&[]);
        }
        Some(result)
    }
}

/// How many whole replies there are at the beginning of `bytes`, at most `most`, and how many bytes they take, at most `room` unless it
/// is a single one. Reads nothing but their lengths.
pub fn prefix(bytes: &[u8], most: u32, room: usize) -> (u32, usize) {
    let mut r = Reader::new(bytes);
    let (mut count, mut end) = (0, 0);
    while count < most && r.left() > 0 && r.block("a reply").is_ok() && (count == 0 || r.at() <= room) {
        count += 1;
        end = r.at();
    }
    (count, end)
}

/// How many bytes the first `count` replies of `bytes` take, reading nothing but their lengths.
pub fn bytes_of(bytes: &[u8], count: u32) -> Result<usize, WireError> {
    let mut r = Reader::new(bytes);
    for _ in 0..count {
        r.block("a reply")?;
    }
    Ok(r.at())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_comes_back() {
        for outcome in [
            Outcome::Done,
            Outcome::Value(b""),
            Outcome::Value(b"abc"),
            Outcome::Absent,
            Outcome::Mismatch(b"x"),
            Outcome::MismatchAbsent,
            Outcome::Stale,
            Outcome::Gap,
            Outcome::UnknownSession,
            Outcome::Refused,
        ] {
            let reply = Reply { client: ClientId(u128::MAX), seq: 1, index: 2, version: 3, outcome };
            let mut out = Vec::new();
            reply.encode(&mut out);
            reply.encode(&mut out);
            assert_eq!(bytes_of(&out, 1), Ok(out.len() / 2));
            let one = out.len() / 2;
            assert_eq!(prefix(&out, 5, usize::MAX), (2, out.len()));
            assert_eq!(prefix(&out, 1, usize::MAX), (1, one));
            assert_eq!(prefix(&out, 5, 0), (1, one), "one goes whatever the room");
            assert_eq!(prefix(&out[..out.len() - 1], 5, usize::MAX), (1, one), "the second one is cut");
            let all: Result<Vec<_>, _> = Replies::new(&out).collect();
            assert_eq!(all, Ok(vec![reply, reply]));
        }
    }
}
