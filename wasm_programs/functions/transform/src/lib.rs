//! Letters of ASCII with their case swapped; every other byte as it is.

use replicode_plugin::{Result, plugin};

fn swapped(byte: u8) -> u8 {
    if byte.is_ascii_alphabetic() { byte ^ 0x20 } else { byte }
}

/// Swaps case.
#[plugin]
pub fn transform(input: &[u8]) -> Result<Vec<u8>> {
    Ok(input.iter().copied().map(swapped).collect())
}

#[cfg(test)]
mod tests {
    #[test]
    fn letters_change_and_nothing_else() {
        assert_eq!(super::transform(b"Hello, 1 \xff").unwrap(), b"hELLO, 1 \xff");
    }
}
