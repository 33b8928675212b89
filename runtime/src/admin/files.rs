//! What the admin socket says of the cell's files.

use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

/// Entries in one answer to `list`.
pub const ENTRIES: usize = 1000;
/// Bytes in one answer to `read`: so many are copied between two batches, which takes a millisecond or two.
pub const PIECE: usize = 4 << 20;

/// A name, path or target of a link. In JSON a string, or the list of its bytes when they are no UTF-8.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Name {
    /// Text.
    Text(String),
    /// Bytes that are none.
    Bytes(Vec<u8>),
}

impl Name {
    /// These bytes.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        std::str::from_utf8(bytes).map_or_else(|_| Self::Bytes(bytes.to_vec()), |text| Self::Text(text.to_string()))
    }

    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Bytes(bytes) => bytes,
        }
    }
}

/// For people: one line, whatever is in it.
impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for c in String::from_utf8_lossy(self.bytes()).chars() {
            if c.is_control() { write!(f, "{}", c.escape_default())? } else { f.write_char(c)? }
        }
        Ok(())
    }
}

/// One of the cell's files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRow {
    /// Its name in its directory; of what was asked for, the path.
    pub name: Name,
    /// `file`, `directory`, `link` or `device`.
    pub kind: String,
    /// Bytes; of a link, those of its target; 0 for anything else.
    pub size: u64,
    /// Names that lead to it.
    pub links: u32,
    /// When its content changed last, in nanoseconds since 1970.
    pub modified_ns: u64,
    /// Programs cannot change it: it was imported with `:ro`.
    pub read_only: bool,
    /// Where a link leads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Name>,
}

/// The answer to `list`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// What was asked for. A link has been followed, unless it leads nowhere.
    pub row: FileRow,
    /// Its entries by name, if it is a directory.
    pub entries: Vec<FileRow>,
    /// There are more behind them.
    pub more: bool,
}

/// Tells one content of a file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Which file.
    pub ino: u64,
    /// When it changed last, in nanoseconds since genesis.
    pub changed_ns: i64,
    /// Its bytes.
    pub size: u64,
}

/// The answer to `read`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// Pieces with different stamps are not of one content.
    pub stamp: Stamp,
    /// The file.
    pub row: FileRow,
    /// Bytes, two hexadecimal digits each; fewer than [`PIECE`] at the end of the file.
    pub data: String,
}

/// Bytes in hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        text.push(DIGITS[usize::from(byte >> 4)].into());
        text.push(DIGITS[usize::from(byte & 15)].into());
    }
    text
}

/// The bytes that hexadecimal digits stand for.
#[must_use]
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pair = |pair: &[u8]| Some(digit(*pair.first()?)? << 4 | digit(*pair.get(1)?)?);
    text.as_bytes().chunks(2).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_names_come_back() -> serde_json::Result<()> {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(unhex(&hex(&all)), Some(all));
        assert_eq!((unhex("0"), unhex("0g"), unhex("")), (None, None, Some(vec![])));
        for name in [&b"a b"[..], b"caf\xc3\xa9", b"\xff\n", b""] {
            let json = serde_json::to_string(&Name::new(name))?;
            assert_eq!(serde_json::from_str::<Name>(&json)?.bytes(), name, "{json}");
        }
        assert_eq!(Name::new(b"a\n\xff").to_string(), "a\\n\u{fffd}");
        Ok(())
    }
}
