//! The SHA-256 of its input, in hexadecimal digits.

use replicode_plugin::{Result, plugin};
use sha2::{Digest, Sha256};

/// Hashes the input.
#[plugin]
pub fn hash(input: &[u8]) -> Result<Vec<u8>> {
    let digits = b"0123456789abcdef";
    let digest = Sha256::digest(input);
    Ok(digest.iter().flat_map(|byte| [digits[usize::from(byte >> 4)], digits[usize::from(byte & 15)]]).collect())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_hash_of_the_standard() {
        // FIPS 180-4, the first example.
        assert_eq!(super::hash(b"abc").unwrap(), b"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
