//! What a client asks for. A command is encoded once, by the client, and carried unchanged until the kv-store applies it.
//!
//! ```text
//! len u32 | client u128 | seq u64 | op u8 | key len u16 | value len u32 | expected len u32 | key | value | expected
//! ```
//! `len` counts what follows it. An expected length of `u32::MAX` stands for "the key must not exist".

use crate::ids::ClientId;
use crate::limits::Limits;
use crate::wire::{Put, Reader, WireError};

/// Bytes of a command without key, value and expected value, without the length in front.
pub const COMMAND_HEAD: usize = 16 + 8 + 1 + 2 + 4 + 4;
const NONE: u32 = u32::MAX;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op<'a> {
    /// Begins the session, with sequence number 1. It has no other effect, so it may be repeated even when the session was forgotten:
    /// that is why nothing else can begin one. A client has to wait for its answer before it sends the second command: both sent again
    /// together, after the session was forgotten, would be applied together again.
    Open,
    /// Reads a key.
    Get {
        /// The key.
        key: &'a [u8],
    },
    /// Writes a key.
    Put {
        /// The key.
        key: &'a [u8],
        /// Its new value.
        value: &'a [u8],
    },
    /// Removes a key.
    Delete {
        /// The key.
        key: &'a [u8],
    },
    /// Writes a key if it has the expected value.
    Cas {
        /// The key.
        key: &'a [u8],
        /// The value it must have; `None`: it must not exist.
        expected: Option<&'a [u8]>,
        /// Its new value.
        value: &'a [u8],
    },
}

impl Op<'_> {
    fn code(&self) -> u8 {
        match self {
            Op::Open => 0,
            Op::Get { .. } => 1,
            Op::Put { .. } => 2,
            Op::Delete { .. } => 3,
            Op::Cas { .. } => 4,
        }
    }
}

/// One request of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Command<'a> {
    /// The session.
    pub client: ClientId,
    /// Its number in the session: 1 for [`Op::Open`], then one more each time. A retry bears the same number.
    pub seq: u64,
    /// What is to be done.
    pub op: Op<'a>,
}

impl<'a> Command<'a> {
    /// Appends the encoded command.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let (key, value, expected): (&[u8], &[u8], Option<&[u8]>) = match self.op {
            Op::Open => (&[], &[], Some(&[])),
            Op::Get { key } | Op::Delete { key } => (key, &[], Some(&[])),
            Op::Put { key, value } => (key, value, Some(&[])),
            Op::Cas { key, expected, value } => (key, value, expected),
        };
        let expected_len = expected.map_or(0, <[u8]>::len);
        out.put_u32((COMMAND_HEAD + key.len() + value.len() + expected_len) as u32);
        out.put_u128(self.client.0);
        out.put_u64(self.seq);
        out.put_u8(self.op.code());
        out.put_u16(key.len() as u16);
        out.put_u32(value.len() as u32);
        out.put_u32(expected.map_or(NONE, |e| e.len() as u32));
        out.extend_from_slice(key);
        out.extend_from_slice(value);
        out.extend_from_slice(expected.unwrap_or(&[]));
    }

    /// Reads one command.
    #[inline]
    pub fn decode(reader: &mut Reader<'a>) -> Result<Command<'a>, WireError> {
        let at = reader.at();
        let body = reader.block("a command")?;
        let mut r = Reader::new(body);
        let client = ClientId(r.u128("a command's client")?);
        let seq = r.u64("a command's sequence number")?;
        let op = r.u8("a command's operation")?;
        let key_len = r.u16("a command's key length")? as usize;
        let value_len = r.u32("a command's value length")? as usize;
        let expected_len = r.u32("a command's expected length")?;
        let key = r.take(key_len, "a command's key")?;
        let value = r.take(value_len, "a command's value")?;
        let expected = match expected_len {
            NONE => None,
            len => Some(r.take(len as usize, "a command's expected value")?),
        };
        r.end("a command")?;
        let op = match op {
            0 => Op::Open,
            1 => Op::Get { key },
            2 => Op::Put { key, value },
            3 => Op::Delete { key },
            4 => Op::Cas { key, expected, value },
            other => return Err(WireError::new(at, format!("no operation has the number {other}"))),
        };
        Ok(Command { client, seq, op })
    }
}

/// The commands in a run of bytes, one after the other. Stops at the first error, which it yields.
#[derive(Clone, Debug)]
pub struct Commands<'a> {
    reader: Reader<'a>,
}

impl<'a> Commands<'a> {
    /// The commands in `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Commands { reader: Reader::new(bytes) }
    }
}

impl<'a> Iterator for Commands<'a> {
    type Item = Result<Command<'a>, WireError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.reader.left() == 0 {
            return None;
        }
        let result = Command::decode(&mut self.reader);
        if result.is_err() {
            self.reader = Reader::new(&[]);
        }
        Some(result)
    }
}

/// Checks what a client sent, without copying: framing, operations, limits. Returns how many commands there are.
pub fn check(bytes: &[u8], limits: &Limits) -> Result<u32, WireError> {
    let mut count = 0u32;
    let mut reader = Reader::new(bytes);
    while reader.left() > 0 {
        let at = reader.at();
        let command = Command::decode(&mut reader).map_err(|e| WireError::new(at + e.offset, e.what))?;
        if command.seq == 0 {
            return Err(WireError::new(at, "a command has the sequence number 0; the first of a session is 1"));
        }
        let (key, value, expected): (&[u8], &[u8], &[u8]) = match command.op {
            Op::Open if command.seq != 1 => {
                return Err(WireError::new(
                    at,
                    format!("a session is opened with sequence number {}, and only 1 can be", command.seq),
                ));
            }
            Op::Open => (&[], &[], &[]),
            Op::Get { key } | Op::Delete { key } => (key, &[], &[]),
            Op::Put { key, value } => (key, value, &[]),
            Op::Cas { key, expected, value } => (key, value, expected.unwrap_or(&[])),
        };
        if key.len() > limits.key {
            return Err(WireError::new(at, format!("a key has {} bytes, and the limit is {}", key.len(), limits.key)));
        }
        if value.len().max(expected.len()) > limits.value {
            let len = value.len().max(expected.len());
            return Err(WireError::new(at, format!("a value has {len} bytes, and the limit is {}", limits.value)));
        }
        count += 1;
        if count > Limits::MAX_BATCH_COMMANDS {
            return Err(WireError::new(at, format!("a frame has more than {} commands", Limits::MAX_BATCH_COMMANDS)));
        }
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encoded(op: Op<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        Command { client: ClientId(0x0102_0304), seq: 7, op }.encode(&mut out);
        out
    }

    #[test]
    fn the_bytes_are_those_of_the_page() {
        let bytes = encoded(Op::Put { key: b"k", value: b"vw" });
        let mut expected = vec![38, 0, 0, 0, 4, 3, 2, 1];
        expected.extend([0; 12]);
        expected.extend([7, 0, 0, 0, 0, 0, 0, 0, 2, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, b'k', b'v', b'w']);
        assert_eq!(bytes, expected);
    }

    #[test]
    fn every_operation_comes_back() {
        for op in [
            Op::Get { key: b"a" },
            Op::Put { key: b"", value: b"" },
            Op::Delete { key: b"abc" },
            Op::Cas { key: b"a", expected: None, value: b"x" },
            Op::Cas { key: b"a", expected: Some(b""), value: b"x" },
            Op::Open,
        ] {
            let bytes = encoded(op);
            let all: Result<Vec<_>, _> = Commands::new(&bytes).collect();
            assert_eq!(all, Ok(vec![Command { client: ClientId(0x0102_0304), seq: 7, op }]));
        }
    }

    #[test]
    fn what_is_above_a_limit_is_named() {
        let limits = Limits { key: 2, value: 3, ..Limits::default() };
        let error = check(&encoded(Op::Get { key: b"abc" }), &limits).err().map(|e| e.what);
        assert_eq!(error.as_deref(), Some("a key has 3 bytes, and the limit is 2"));
        let error = check(&encoded(Op::Put { key: b"a", value: b"1234" }), &limits).err().map(|e| e.what);
        assert_eq!(error.as_deref(), Some("a value has 4 bytes, and the limit is 3"));
        assert_eq!(check(&encoded(Op::Put { key: b"ab", value: b"123" }), &limits), Ok(1));
    }

    proptest! {
        #[test]
        fn garbage_is_an_error_and_never_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = check(&bytes, &Limits::default());
        }

        #[test]
        fn a_cut_command_is_an_error(cut in 1usize..40) {
            let bytes = encoded(Op::Put { key: b"key", value: b"value" });
            prop_assert!(check(&bytes[..bytes.len() - cut], &Limits::default()).is_err());
        }
    }
}
