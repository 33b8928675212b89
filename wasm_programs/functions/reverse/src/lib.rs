//! The bytes of its input, the last one first.

use replicode_plugin::{Result, plugin};

/// Turns the input around.
#[plugin]
pub fn reverse(input: &[u8]) -> Result<Vec<u8>> {
    Ok(input.iter().rev().copied().collect())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_last_one_comes_first() {
        assert_eq!(super::reverse(b"abc").unwrap(), b"cba");
    }
}
