//! Histories: what clients asked and what they were told, one JSON object a line.
//!
//! The first line of a file says on which clock its times are ([`Head`]); every other line is one request of one
//! logical client ([`Entry`]), written when its answer has come or when it was given up. Writing is by hand, since it
//! happens once per request while a load runs; reading borrows from the line.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::io::{self, Write};

/// Where a request stands in the one order of all applied requests, from 1. A key's version is the place of its last write.
pub type Place = u64;

/// The first line of a history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The version of this format: 1.
    pub history: u32,
    /// Names the clock of all times in this file. Times are compared only between files with the same clock.
    pub clock: String,
}

/// The version of the format that is written.
pub const VERSION: u32 = 1;

/// What was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Op {
    /// Begin the session.
    Open,
    /// Write a value.
    Put,
    /// Read it.
    Get,
    /// Remove the key.
    Delete,
    /// Write a value if the present one is the expected one.
    Cas,
}

impl Op {
    /// As written in a history.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Put => "put",
            Self::Get => "get",
            Self::Delete => "delete",
            Self::Cas => "cas",
        }
    }
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ending {
    /// Done: written, removed, or the value read.
    Ok,
    /// Done: there was no such key.
    Absent,
    /// Done: a compare-and-set that found another value.
    Differs,
    /// No answer: it may or may not have been executed.
    Unknown,
    /// Not executed, for the reason given.
    Refused,
}

impl Ending {
    /// As written in a history.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Absent => "absent",
            Self::Differs => "differs",
            Self::Unknown => "unknown",
            Self::Refused => "refused",
        }
    }
}

/// One request of one logical client, and its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry<'a> {
    /// The logical client: its session's id, 32 hexadecimal digits.
    #[serde(borrow)]
    pub client: Cow<'a, str>,
    /// The request's number in that session: 1 for `open`, then one more each time.
    pub seq: u64,
    /// What was asked.
    pub op: Op,
    /// Of which key; empty for `open`.
    #[serde(borrow)]
    pub key: Cow<'a, str>,
    /// The value to write (`put`, `cas`).
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Cow<'a, str>>,
    /// The value that has to be there (`cas`).
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<Cow<'a, str>>,
    /// When it was first sent, in nanoseconds of the file's clock.
    pub sent: u64,
    /// When the answer had come, or when it was given up.
    pub ended: u64,
    /// How often it was sent.
    pub tries: u32,
    /// How it ended.
    pub end: Ending,
    /// Where it was executed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// The version that was there before: what a `get` read, a `cas` compared with, a `put`, `cas` or `delete` replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<Place>,
    /// The value that a `get` read.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub got: Option<Cow<'a, str>>,
    /// Why it was refused.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub why: Option<Cow<'a, str>>,
}

impl Entry<'_> {
    /// Appends the line of this entry to `out`. By hand: a tenth of the time of a general serializer, for the same text.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"client\":\"");
        out.extend_from_slice(self.client.as_bytes());
        out.extend_from_slice(b"\",\"seq\":");
        number(out, self.seq);
        out.extend_from_slice(b",\"op\":\"");
        out.extend_from_slice(self.op.name().as_bytes());
        out.push(b'"');
        text(out, "key", &self.key);
        if let Some(value) = &self.value {
            text(out, "value", value);
        }
        if let Some(expected) = &self.expected {
            text(out, "expected", expected);
        }
        out.extend_from_slice(b",\"sent\":");
        number(out, self.sent);
        out.extend_from_slice(b",\"ended\":");
        number(out, self.ended);
        out.extend_from_slice(b",\"tries\":");
        number(out, self.tries.into());
        out.extend_from_slice(b",\"end\":\"");
        out.extend_from_slice(self.end.name().as_bytes());
        out.push(b'"');
        place(out, "place", self.place);
        place(out, "found", self.found);
        if let Some(got) = &self.got {
            text(out, "got", got);
        }
        if let Some(why) = &self.why {
            text(out, "why", why);
        }
        out.extend_from_slice(b"}\n");
    }
}

fn number(out: &mut Vec<u8>, mut n: u64) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (n % 10) as u8;
        n /= 10;
        if n == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

fn place(out: &mut Vec<u8>, name: &str, place: Option<Place>) {
    let Some(place) = place else { return };
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    number(out, place);
}

fn text(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    if value.bytes().all(|b| b >= 0x20 && b != b'"' && b != b'\\') {
        out.push(b'"');
        out.extend_from_slice(value.as_bytes());
        out.push(b'"');
    } else {
        // Rare: let the library quote it.
        out.extend_from_slice(serde_json::Value::from(value).to_string().as_bytes());
    }
}

/// A history being written: buffered, in one file.
pub struct Writer {
    file: std::fs::File,
    buffer: Vec<u8>,
}

impl Writer {
    const FULL: usize = 256 << 10;

    /// Creates the file (an older one of that name is replaced) and writes its head.
    ///
    /// # Errors
    /// When the file cannot be created or written.
    pub fn create(path: &std::path::Path) -> io::Result<Self> {
        let mut writer = Self { file: std::fs::File::create(path)?, buffer: Vec::with_capacity(Self::FULL + 4096) };
        serde_json::to_writer(&mut writer.buffer, &Head { history: VERSION, clock: clock_name() })?;
        writer.buffer.push(b'\n');
        Ok(writer)
    }

    /// Adds one entry.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn add(&mut self, entry: &Entry<'_>) -> io::Result<()> {
        entry.write(&mut self.buffer);
        if self.buffer.len() >= Self::FULL { self.flush() } else { Ok(()) }
    }

    /// Hands everything to the operating system.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn flush(&mut self) -> io::Result<()> {
        self.file.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }
}

/// Nanoseconds of this machine's monotonic clock, which all its processes share.
#[must_use]
pub fn now() -> u64 {
    use nix::time::{ClockId, clock_gettime};
    // The clock exists on every Linux; a machine without it would have times of 0, which order nothing.
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(0, |t| t.tv_sec() as u64 * 1_000_000_000 + t.tv_nsec() as u64)
}

/// The name of that clock: this boot of this machine.
#[must_use]
pub fn clock_name() -> String {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    format!("monotonic, boot {}", boot.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_by_hand_is_what_serde_reads() {
        let entries = [
            Entry {
                client: "00ff".into(),
                seq: 7,
                op: Op::Cas,
                key: "k \"1\"\\ \n".into(),
                value: Some("ü".into()),
                expected: Some("".into()),
                sent: 0,
                ended: u64::MAX,
                tries: 3,
                end: Ending::Differs,
                place: Some(12),
                found: None,
                got: None,
                why: None,
            },
            Entry {
                client: "00".into(),
                seq: 1,
                op: Op::Get,
                key: "k".into(),
                value: None,
                expected: None,
                sent: 5,
                ended: 9,
                tries: 1,
                end: Ending::Ok,
                place: Some(u64::MAX),
                found: Some(1),
                got: Some("v".into()),
                why: Some("no".into()),
            },
        ];
        for entry in &entries {
            let mut line = Vec::new();
            entry.write(&mut line);
            let line = String::from_utf8(line).unwrap();
            let read: Entry<'_> = serde_json::from_str(&line).unwrap();
            assert_eq!(&read, entry);
            assert_eq!(
                line.trim_end(),
                serde_json::to_string(entry).unwrap(),
                "the general serializer writes the same"
            );
        }
    }
}
