//! What a function is called by: 16 bytes that follow from what it is.

use borsh::{BorshDeserialize, BorshSerialize};
use std::fmt;

/// The number of a function, a UUID of version 8 (RFC 9562): a hash of its module, its kind and the namespace of its state. So it follows
/// from the log, and is the one that a server without a cell gives to the same function.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct Number(pub [u8; 16]);

/// The one kind of module that there is in a cell, in the words of the service.
pub const PLUGIN: &str = "plugin";

impl Number {
    fn of(parts: &[&[u8]]) -> Self {
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

    /// The number of the function of a module (by its digest) whose state is in the namespace of that name, or in its own.
    #[must_use]
    pub fn of_function(digest: &[u8; 32], namespace: Option<&str>) -> Self {
        let (given, name) = ([namespace.is_some().into()], namespace.unwrap_or(""));
        Self::of(&[digest, PLUGIN.as_bytes(), &given, name.as_bytes()])
    }

    /// The namespace of that name.
    #[must_use]
    pub fn of_namespace(name: &str) -> Self {
        Self::of(&[b"namespace", name.as_bytes()])
    }

    /// Reads the usual form, 32 hexadecimal digits with or without hyphens.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let hyphens = text.len() == 36;
        let mut bytes = [0; 16];
        let mut count = 0;
        for (at, byte) in text.bytes().enumerate() {
            if hyphens && matches!(at, 8 | 13 | 18 | 23) {
                if byte != b'-' {
                    return None;
                }
                continue;
            }
            let digit = char::from(byte).to_digit(16)? as u8;
            let place = bytes.get_mut(count / 2)?;
            *place = *place << 4 | digit;
            count += 1;
        }
        (count == 32).then_some(Self(bytes))
    }
}

impl fmt::Display for Number {
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

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What makes a digest of a module: BLAKE3, as everywhere in the service.
#[must_use]
pub fn digest(wasm: &[u8]) -> [u8; 32] {
    *blake3::hash(wasm).as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back() {
        let own = Number::of_function(&digest(b"a"), None);
        assert_ne!(own, Number::of_function(&digest(b"a"), Some("")));
        assert_ne!(own, Number::of_function(&digest(b"b"), None));
        let text = own.to_string();
        assert_eq!((text.len(), text.as_bytes()[14]), (36, b'8'));
        assert_eq!(Number::parse(&text), Some(own));
        assert_eq!(Number::parse(&text.replace('-', "").to_uppercase()), Some(own));
        for wrong in ["", "transform", &text[1..], &format!("{text}0"), &text.replace('-', "x"), &"é".repeat(18)] {
            assert_eq!(Number::parse(wrong), None, "{wrong}");
        }
    }
}
