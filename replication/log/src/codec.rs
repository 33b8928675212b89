//! Bounded decoding of what a peer or a disk says.
//!
//! Everything hashed or stored is borsh: a canonical, specified encoding (little-endian integers, u32 lengths, one tag
//! byte per enum), so equal values have equal bytes.

use borsh::{BorshDeserialize, BorshSerialize};

/// Bytes that are not what they should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// More bytes than allowed for this kind of value.
    #[error("{what} has {len} bytes, more than the {max} allowed")]
    TooLong {
        /// The kind of value.
        what: &'static str,
        /// Its length.
        len: usize,
        /// The bound.
        max: usize,
    },
    /// The bytes do not decode.
    #[error("{what} cannot be decoded: {why}")]
    Malformed {
        /// The kind of value.
        what: &'static str,
        /// What the decoder said.
        why: String,
    },
}

/// Encodes a value canonically. Encoding into memory cannot fail for types of this crate.
///
/// # Panics
/// When a collection has more than 2^32 elements, which the caps on batches and configurations rule out.
#[must_use]
pub fn encode<T: BorshSerialize>(value: &T) -> Vec<u8> {
    match borsh::to_vec(value) {
        Ok(bytes) => bytes,
        Err(error) => unreachable!("encoding into memory failed: {error}"),
    }
}

/// Decodes a whole value; trailing bytes are an error, and so are more than `max` bytes.
///
/// # Errors
/// [`CodecError`] names `what` and the reason.
pub fn decode<T: BorshDeserialize>(what: &'static str, bytes: &[u8], max: usize) -> Result<T, CodecError> {
    if bytes.len() > max {
        return Err(CodecError::TooLong { what, len: bytes.len(), max });
    }
    borsh::from_slice(bytes).map_err(|error| CodecError::Malformed { what, why: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_and_trailing_bytes_are_checked() {
        assert_eq!(decode::<u16>("port", &[1, 0], 2), Ok(1));
        assert!(matches!(decode::<u16>("port", &[1, 0, 0], 3), Err(CodecError::Malformed { .. })));
        assert_eq!(decode::<u16>("port", &[1, 0], 1), Err(CodecError::TooLong { what: "port", len: 2, max: 1 }));
    }
}
