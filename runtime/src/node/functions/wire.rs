//! What a node and a server of functions beside it say to each other, over `functions.sock` in the node's directory. Little endian.
//!
//! ```text
//! first    "RPFNODE2", in both directions; behind it, from the node, the digest of its cell's configuration, 32 bytes
//! to node  length u32 | op u8 | tag u64 | client u64 | sequence u64 | body        length counts what follows it
//! answer   length u32 | kind u8 | tag u64 | a u64 | b u64 | body
//!
//! op   1 open a client    2 submit body under its number    3 ask body of the state as it is, within client milliseconds
//!      4 the question of this tag is not to be answered any more
//! kind 0 receipt in body, batch a, place b    1 client a    2 number a is due    3 no such client any more
//!      4 executed in batch a at place b, and the receipt is not kept    5 cannot be told: ask again    6 refused, words in body
//!      7 too many questions wait, words in body    8 executed, so long ago that the log does not know where
//! ```
//!
//! Body of a request: as in `replicode_contracts::functions::request`, without who it is from. Both ends are of one build.

use std::io::{self, Read};

/// What both begin with.
pub const MAGIC: &[u8; 8] = b"RPFNODE2";
/// Bytes of a frame behind its length, without its body.
const HEAD: usize = 25;
/// The longest frame: a receipt with its output and log, or a module.
const MOST: usize = 8 << 20;

/// A frame in either direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// `op` or `kind`.
    pub what: u8,
    /// The asker's own number for it.
    pub tag: u64,
    /// Client, or `a`.
    pub a: u64,
    /// Sequence, or `b`.
    pub b: u64,
    /// See the module.
    pub body: Vec<u8>,
}

/// A client is wanted.
pub const OPEN: u8 = 1;
/// Something for the log.
pub const SUBMIT: u8 = 2;
/// Something for the state as it is.
pub const ASK: u8 = 3;
/// A question is given up.
pub const GIVE_UP: u8 = 4;

/// A receipt.
pub const RECEIPT: u8 = 0;
/// A client's number.
pub const OPENED: u8 = 1;
/// Another number is due.
pub const GAP: u8 = 2;
/// There is no such client any more.
pub const EXPIRED: u8 = 3;
/// It was executed, and what came of it is not kept.
pub const UNKEPT: u8 = 4;
/// It may have been lost, or not.
pub const LOST: u8 = 5;
/// It is none that the log takes.
pub const REFUSED: u8 = 6;
/// Too many questions wait.
pub const FULL: u8 = 7;
/// It was executed, and the log does not know where any more.
pub const FORGOTTEN: u8 = 8;

/// What is said in place of an answer that does not fit.
pub const TOO_LONG: &str = "the answer is too long for one frame: ask for less";

/// Whether a body fits into a frame: a longer one would end the connection of whoever takes it.
#[must_use]
pub const fn fits(body: &[u8]) -> bool {
    HEAD + body.len() <= MOST
}

/// Writes a frame.
pub fn put(out: &mut Vec<u8>, what: u8, tag: u64, a: u64, b: u64, body: &[u8]) {
    let length = u32::try_from(HEAD + body.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_le_bytes());
    out.push(what);
    for number in [tag, a, b] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    out.extend_from_slice(body);
}

/// Whether bytes begin with a whole frame, so that taking it waits for nobody.
#[must_use]
pub fn is_whole(bytes: &[u8]) -> bool {
    let length = bytes.split_first_chunk::<4>().map(|(length, rest)| (u32::from_le_bytes(*length) as usize, rest));
    length.is_some_and(|(length, rest)| rest.len() >= length)
}

/// Reads a frame; none at the end of the stream.
///
/// # Errors
/// When the stream fails, or this is no frame.
pub fn take(from: &mut impl Read) -> io::Result<Option<Frame>> {
    let mut length = [0; 4];
    match from.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let length = u32::from_le_bytes(length) as usize;
    if !(HEAD..=MOST).contains(&length) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("a frame of {length} bytes")));
    }
    let mut head = [0; HEAD];
    from.read_exact(&mut head)?;
    let number = |at: usize| {
        let bytes = head.get(at..at + 8).and_then(|bytes| bytes.try_into().ok());
        u64::from_le_bytes(bytes.unwrap_or_default())
    };
    let mut body = vec![0; length - HEAD];
    from.read_exact(&mut body)?;
    Ok(Some(Frame { what: head[0], tag: number(1), a: number(9), b: number(17), body }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_back_and_what_is_cut_does_not() -> io::Result<()> {
        let mut bytes = Vec::new();
        put(&mut bytes, SUBMIT, 1, 2, u64::MAX, b"body");
        put(&mut bytes, ASK, 3, 0, 0, b"");
        assert!((0..33).all(|len| !is_whole(&bytes[..len])) && is_whole(&bytes[..33]) && is_whole(&bytes));
        let mut from = &bytes[..];
        let first = Frame { what: SUBMIT, tag: 1, a: 2, b: u64::MAX, body: b"body".to_vec() };
        assert_eq!(take(&mut from)?, Some(first));
        assert_eq!(take(&mut from)?.map(|frame| frame.tag), Some(3));
        assert_eq!(take(&mut from)?, None);
        for cut in 5..33 {
            assert!(take(&mut &bytes[..cut]).is_err(), "{cut}");
        }
        assert!(take(&mut &[0xff; 40][..]).is_err());
        Ok(())
    }
}
