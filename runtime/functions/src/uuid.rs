//! Numbers of functions: 16 bytes that follow from what the function is.

use std::fmt;
use std::hash::{Hash, Hasher};

/// The number of a function, a UUID of version 8 (RFC 9562): a hash, so that equal functions have equal numbers on every machine.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Uuid(pub [u8; 16]);

impl Uuid {
    /// The number that follows from some parts, each of which is told from its neighbours.
    #[must_use]
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("replicode 2026 number of a function");
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        let mut bytes = [0; 16];
        hasher.finalize_xof().fill(&mut bytes);
        bytes[6] = bytes[6] & 0x0f | 0x80;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        Self(bytes)
    }

    /// Reads the usual form, 32 hexadecimal digits with or without hyphens.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 16];
        let mut count = 0;
        for (at, byte) in text.bytes().enumerate() {
            let digit = match byte {
                b'0'..=b'9' => byte - b'0',
                b'a'..=b'f' => byte - b'a' + 10,
                b'A'..=b'F' => byte - b'A' + 10,
                b'-' if text.len() == 36 && matches!(at, 8 | 13 | 18 | 23) => continue,
                _ => return None,
            };
            let place = bytes.get_mut(count / 2)?;
            *place = *place << 4 | digit;
            count += 1;
        }
        (count == 32).then_some(Self(bytes))
    }
}

impl Hash for Uuid {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        // A hash itself: its first half tells as much.
        hasher.write_u64(u64::from_le_bytes(self.0.first_chunk().copied().unwrap_or_default()));
    }
}

/// A hasher of numbers of functions, which are hashes already.
#[derive(Clone, Copy, Debug, Default)]
pub struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, number: u64) {
        self.0 ^= number;
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back() {
        let uuid = Uuid::of(&[b"a", b"bc"]);
        assert_ne!(uuid, Uuid::of(&[b"ab", b"c"]));
        let text = uuid.to_string();
        assert_eq!((text.len(), text.as_bytes()[14]), (36, b'8'));
        assert_eq!(Uuid::parse(&text), Some(uuid));
        assert_eq!(Uuid::parse(&text.replace('-', "").to_uppercase()), Some(uuid));
        for wrong in ["", "transform", &text[1..], &format!("{text}0"), &text.replace('-', "x")] {
            assert_eq!(Uuid::parse(wrong), None, "{wrong}");
        }
    }
}
